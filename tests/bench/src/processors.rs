//! How much of the processors was used, by what Linux counts in hundredths of a second.

use anyhow::{Context, Result};

/// What was counted until now.
#[derive(Clone, Copy)]
pub struct Processors {
    all: u64,
    idle: u64,
    /// Of this process, all its threads.
    own: u64,
}

/// What was used since, in milliseconds of one processor.
pub struct Used {
    pub own: u64,
    /// By all other processes.
    pub others: u64,
}

impl Processors {
    pub fn read() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat").context("what Linux counts")?;
        let first = stat.lines().next().context("a line for all processors")?;
        let ticks = first.split_whitespace().skip(1).map(str::parse::<u64>);
        let ticks: Vec<u64> = ticks.collect::<Result<_, _>>()?;
        let idle = ticks.iter().skip(3).take(2).sum();
        // Behind the name, which may hold anything but ends at the last parenthesis.
        let own = std::fs::read_to_string("/proc/self/stat").context("what Linux counts of us")?;
        let (_, own) = own.rsplit_once(')').context("a name")?;
        let own = own.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let own: Vec<u64> = own.collect::<Result<_, _>>()?;
        Ok(Self { all: ticks.iter().take(8).sum(), idle, own: own.iter().sum() })
    }

    /// In percent.
    pub fn busy_since(self, before: Self) -> u64 {
        let (all, idle) = (self.all - before.all, self.idle - before.idle);
        100 * all.saturating_sub(idle) / all.max(1)
    }

    pub fn used_since(self, before: Self) -> Used {
        let busy = (self.all - before.all).saturating_sub(self.idle - before.idle);
        let own = self.own - before.own;
        Used { own: 10 * own, others: 10 * busy.saturating_sub(own) }
    }
}
