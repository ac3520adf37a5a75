//! Who works on a store: one process at a time.
//!
//! On SQLite a lock on a file beside the database says so; the system frees it when the process
//! dies, however it dies. On PostgreSQL, where processes are on several machines, it is a lease in
//! the database that is renewed every few seconds; a process that could not renew it stops working
//! before another may begin.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use trueup_hub::{Turn, Worker};
use trueup_store::{SHARDS, Store, StoreError, leases};

use crate::failure::Failure;
use crate::settings::StoreAt;

/// All the work of a store is one lease until it is divided.
const ALL: &str = "all";
const LEASE: SignedDuration = SignedDuration::from_secs(9);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Without a renewal for this long nothing more is begun, while others still have to wait.
const STOP_AFTER: Duration = Duration::from_secs(7);
/// How soon a wish to stop is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The right to work on a store, held until it is dropped.
pub struct Claim {
    /// Kept open: closing it frees the lock.
    _lock: Option<File>,
    keeper: Option<Keeper>,
    pub turn: Turn,
}

impl Claim {
    /// Takes the right to work now, or says that another process has it.
    pub fn take(at: &StoreAt, store: &Store, clock: fn() -> Timestamp) -> Result<Option<Self>> {
        match at {
            StoreAt::Sqlite(path) => Self::of_file(path),
            StoreAt::Postgres(_) | StoreAt::PostgresIn(_) => {
                let turn = Turn::waiting();
                let keeper = Keeper::start(store.clone(), turn.clone(), clock)?;
                if turn.worker().is_none() {
                    keeper.stop();
                    return Ok(None);
                }
                Ok(Some(Self { _lock: None, keeper: Some(keeper), turn }))
            }
        }
    }

    /// Takes the right to work on a SQLite file that need not be there yet, or says that another
    /// process has it.
    pub fn of_file(path: &Path) -> Result<Option<Self>> {
        let turn = Turn::alone();
        Ok(lock(path)?.map(|lock| Self { _lock: Some(lock), keeper: None, turn }))
    }

    /// Takes the right to work, or waits for it beside the process that has it. On SQLite that is
    /// refused: a second server would only be in the way.
    pub fn wait(at: &StoreAt, store: &Store, clock: fn() -> Timestamp) -> Result<Self> {
        match at {
            StoreAt::Sqlite(path) => {
                let lock = lock(path)?.ok_or_else(|| busy(path))?;
                Ok(Self { _lock: Some(lock), keeper: None, turn: Turn::alone() })
            }
            StoreAt::Postgres(_) | StoreAt::PostgresIn(_) => {
                let turn = Turn::waiting();
                let keeper = Keeper::start(store.clone(), turn.clone(), clock)?;
                Ok(Self { _lock: None, keeper: Some(keeper), turn })
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.stop();
        }
    }
}

fn busy(path: &Path) -> Failure {
    let what = format!("another process works on {}", path.display());
    Failure::busy(what, "end the other `trueup serve` first, or let it do the work")
}

fn lock(path: &Path) -> Result<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = Path::new(&name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| {
        let what = format!("`{}` cannot be written: {error}", path.display());
        Failure::file(what, "let the user that runs Trueup write beside the database")
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("the database cannot be locked"),
    }
}

/// Renews the lease and gives or takes the turn.
struct Keeper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeper {
    fn start(store: Store, turn: Turn, clock: fn() -> Timestamp) -> Result<Self> {
        let owner = owner()?;
        let mut held = Held { store, turn, owner, clock, renewed: None };
        // The first attempt is made here, so that the caller knows how it ended.
        held.renew();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("lease".to_owned()).spawn(move || {
            let mut next = Instant::now() + RENEW_EVERY;
            while !stopping.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK_EVERY);
                held.expire();
                if Instant::now() >= next {
                    held.renew();
                    next = Instant::now() + RENEW_EVERY;
                }
            }
            held.release();
        })?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the keeper of the lease ended in a panic");
        }
    }
}

struct Held {
    store: Store,
    turn: Turn,
    owner: String,
    clock: fn() -> Timestamp,
    renewed: Option<Instant>,
}

impl Held {
    fn renew(&mut self) {
        // Counted from before the question: the answer may have taken long.
        let asked = Instant::now();
        match self.acquire(LEASE) {
            Ok(Some(lease)) => {
                if self.turn.worker().is_none() {
                    tracing::info!(epoch = lease.epoch, "this process works on the store now");
                }
                self.renewed = Some(asked);
                self.turn.give(Some(Worker { lease: Some(lease), from: 0, to: SHARDS }));
            }
            Ok(None) => {
                if self.turn.worker().is_some() {
                    tracing::warn!("another process works on the store now");
                }
                self.turn.give(None);
            }
            // The turn is kept until it expires: the database may be back in a moment.
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
    }

    fn acquire(&self, length: SignedDuration) -> Result<Option<leases::Lease>, StoreError> {
        let (owner, now) = (self.owner.clone(), (self.clock)());
        self.store.write(move |tx| leases::acquire(tx, ALL, &owner, now, length))
    }

    fn expire(&mut self) {
        if self.renewed.is_some_and(|renewed| renewed.elapsed() > STOP_AFTER) {
            self.renewed = None;
            if self.turn.worker().is_some() {
                tracing::warn!("the lease was not renewed in time; this process pauses");
            }
            self.turn.give(None);
        }
    }

    /// Lets the next process begin at once.
    fn release(&mut self) {
        if self.turn.worker().is_none() {
            return;
        }
        self.turn.give(None);
        if let Err(error) = self.acquire(SignedDuration::from_secs(-1)) {
            tracing::warn!(%error, "the lease could not be given back; it ends by itself");
        }
    }
}

fn owner() -> Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    Ok(format!("{}-{}", std::process::id(), hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c12_one_process_at_a_time_works_on_a_sqlite_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = StoreAt::Sqlite(folder.path().join("trueup.sqlite"));
        let store = Store::open_sqlite(&folder.path().join("trueup.sqlite")).unwrap();
        let claim = Claim::take(&at, &store, crate::wiring::now).unwrap().expect("nobody has it");
        assert!(claim.turn.worker().is_some());
        assert!(Claim::take(&at, &store, crate::wiring::now).unwrap().is_none());
        assert!(Claim::wait(&at, &store, crate::wiring::now).is_err());
        drop(claim);
        assert!(Claim::take(&at, &store, crate::wiring::now).unwrap().is_some());
    }

    #[test]
    fn a_lease_passes_on_when_it_is_given_back_or_runs_out() {
        // Any store keeps leases; the file is only the quickest one to have.
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_sqlite(&folder.path().join("trueup.sqlite")).unwrap();
        let held = |name: &str| Held {
            store: store.clone(),
            turn: Turn::waiting(),
            owner: name.to_owned(),
            clock: crate::wiring::now,
            renewed: None,
        };
        let (mut one, mut other) = (held("one"), held("other"));
        one.renew();
        other.renew();
        assert!(one.turn.worker().is_some());
        assert!(other.turn.worker().is_none(), "two must not both work");
        let first = one.turn.worker().unwrap().lease.unwrap();
        one.release();
        assert!(one.turn.worker().is_none());
        std::thread::sleep(Duration::from_millis(5));
        other.renew();
        let second = other.turn.worker().unwrap().lease.unwrap();
        assert!(second.epoch > first.epoch, "what the first still writes is refused");
        let late = store.write(move |tx| leases::check(tx, &first));
        assert!(matches!(late, Err(StoreError::LeaseLost)));

        other.renewed = Instant::now().checked_sub(STOP_AFTER + Duration::from_secs(1));
        other.expire();
        assert!(other.turn.worker().is_none(), "it pauses before another may begin");
    }
}
