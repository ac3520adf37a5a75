//! How much room the disk of the store has left, and what is not done any more while it is short
//! (row C8 of the failure model).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of a thousand parts of the disk, from which on something is done about it.
const FILLING: u64 = 800;
const SCARCE: u64 = 900;
const FULL: u64 = 950;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Plenty,
    /// From 80 %: a person is told.
    Filling,
    /// From 90 %: nothing is polled, and what no money waits for is not delivered.
    Scarce,
    /// From 95 %: nothing more is taken in. What is here goes on, into the room that is left.
    Full,
}

impl Level {
    pub const fn of(used_per_mille: u64) -> Self {
        match used_per_mille {
            FULL.. => Self::Full,
            SCARCE.. => Self::Scarce,
            FILLING.. => Self::Filling,
            _ => Self::Plenty,
        }
    }

    /// What the hub leaves undone, for people.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Plenty => "nothing is left undone",
            Self::Filling => "nothing is left undone yet; from 90 % nothing is polled",
            Self::Scarce => {
                "nothing is polled, and goods and ties of payments are not delivered; from 95 % \
                 nothing is taken in"
            }
            Self::Full => {
                "nothing is taken in: senders are told to come again, and what they give up on is \
                 polled for when there is room"
            }
        }
    }
}

/// The room as it was seen last, shared by all who mind it.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<AtomicU64>);

impl Room {
    /// Notes how much of the disk is used, in thousandths. Nobody notes it for a database elsewhere.
    pub fn note(&self, used_per_mille: u64) {
        self.0.store(used_per_mille, Ordering::Relaxed);
    }

    pub fn used_per_mille(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn level(&self) -> Level {
        Level::of(self.used_per_mille())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_less_is_done_the_fuller_the_disk_is() {
        for (used, level) in [
            (0, Level::Plenty),
            (799, Level::Plenty),
            (800, Level::Filling),
            (899, Level::Filling),
            (900, Level::Scarce),
            (949, Level::Scarce),
            (950, Level::Full),
            (1000, Level::Full),
        ] {
            assert_eq!(Level::of(used), level, "{used}");
        }
    }
}
