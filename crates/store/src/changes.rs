//! What wakes a stage that has nothing to do: something was committed, by this process or another.
//!
//! Waking is speed, looking again after a while is the guarantee: a commit that nobody tells of is
//! found by the next look. Processes on one PostgreSQL tell each other by `NOTIFY`, after the commit
//! and at most once in [`TELL_EVERY`], so that no commit waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;

use crate::Result;
use crate::database::{StoreError, report};

/// How often a process tells the others that it committed something.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// So long nobody is told of anything after the connection was lost.
const AFTER_ERROR: Duration = Duration::from_secs(1);
const CHANNEL: &str = "trueup_commits";

/// The commits that this process knows of.
#[derive(Default)]
pub struct Changes {
    seen: Mutex<u64>,
    more: Condvar,
    /// Commits of this process.
    own: AtomicU64,
}

impl Changes {
    /// A number that grows with each commit; for [`Changes::wait_beyond`].
    pub fn seen(&self) -> u64 {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was committed after `seen` was read, or for `longest`.
    pub fn wait_beyond(&self, seen: u64, longest: Duration) {
        let now = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.more.wait_timeout_while(now, longest, |now| *now == seen));
    }

    pub(crate) fn committed(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.wake();
    }

    /// Lets everybody who waits look again.
    pub fn wake(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.more.notify_all();
    }
}

/// Tells the other processes of a database what this one commits, and hears of theirs, until it is
/// dropped.
pub struct Notices {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Notices {
    pub(crate) fn start(url: String, changes: Arc<Changes>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let exchange = move || {
            while !stopping.load(Ordering::Relaxed) {
                if let Err(error) = exchange(&url, &changes, &stopping) {
                    report(&error);
                    // What was committed meanwhile, nobody was told of.
                    changes.wake();
                    std::thread::sleep(AFTER_ERROR);
                }
            }
        };
        let thread = std::thread::Builder::new().name("notices".to_owned()).spawn(exchange);
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            report(&StoreError::Unavailable("who tells of commits ended in a panic".to_owned()));
        }
    }
}

fn exchange(url: &str, changes: &Changes, stop: &AtomicBool) -> Result<()> {
    let limits = postgres::Config::from(crate::database::limits(url)?);
    let mut client = limits.connect(postgres::NoTls)?;
    client.batch_execute(&format!("LISTEN {CHANNEL}"))?;
    let own: i32 = client.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    let mut told = 0;
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        while let Some(left) = TELL_EVERY.checked_sub(begun.elapsed()) {
            let heard = client.notifications().timeout_iter(left).next()?;
            if heard.is_some_and(|it| it.process_id() != own) {
                changes.wake();
            }
        }
        let committed = changes.own.load(Ordering::Relaxed);
        if committed != told {
            client.batch_execute(&format!("NOTIFY {CHANNEL}"))?;
            told = committed;
        }
    }
    Ok(())
}
