//! Who works on a store.
//!
//! On SQLite one process at a time: a lock on a file beside the database says so; the system frees it
//! when the process dies, however it dies. On PostgreSQL, where processes are on several machines,
//! they share the work by leases in the database that are renewed every few seconds; a process that
//! could not renew them stops working before another may begin.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use trueup_hub::{Hub, Share, Turn};
use trueup_store::leases::{self, Lease, Tended};
use trueup_store::{Store, StoreError};

use crate::failure::Failure;
use crate::settings::StoreAt;

const LEASE: SignedDuration = SignedDuration::from_secs(9);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Without a renewal for this long nothing more is begun, while others still have to wait.
const STOP_AFTER: Duration = Duration::from_secs(7);
/// So long what is somebody else's share may still end here.
const DRAIN: Duration = Duration::from_secs(12);
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
    /// Takes the right to do all the work now, or says that another process does some of it.
    pub fn take(at: &StoreAt, hub: &Hub, clock: fn() -> Timestamp) -> Result<Option<Self>> {
        match at {
            StoreAt::Sqlite(path) => Self::of_file(path),
            StoreAt::Postgres(_) | StoreAt::PostgresIn(_) => {
                let turn = Turn::waiting();
                let keeper = Keeper::start(hub, turn.clone(), Wants::All, clock)?;
                if turn.is_idle() {
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

    /// Takes a share of the work beside the processes that are there, as soon as they give it. On
    /// SQLite that is refused: a second server would only be in the way.
    pub fn share(at: &StoreAt, hub: &Hub, clock: fn() -> Timestamp) -> Result<Self> {
        match at {
            StoreAt::Sqlite(path) => {
                let lock = lock(path)?.ok_or_else(|| busy(path))?;
                Ok(Self { _lock: Some(lock), keeper: None, turn: Turn::alone() })
            }
            StoreAt::Postgres(_) | StoreAt::PostgresIn(_) => {
                let turn = Turn::waiting();
                let keeper = Keeper::start(hub, turn.clone(), Wants::Share, clock)?;
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

/// How a process works on a store that others may work on, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// Its share of the work, beside others.
    Share,
    /// All of it, or nothing.
    All,
}

/// Renews the leases and gives or takes the turn.
struct Keeper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeper {
    fn start(hub: &Hub, turn: Turn, wants: Wants, clock: fn() -> Timestamp) -> Result<Self> {
        let mut held = Held {
            store: hub.store.clone(),
            parts: leases::parts(hub.setup.connections.keys().map(String::as_str)),
            turn,
            wants,
            owner: owner()?,
            clock,
            renewed: None,
            leaving: BTreeMap::new(),
        };
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
            held.leave();
        })?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the keeper of the leases ended in a panic");
        }
    }
}

struct Held {
    store: Store,
    parts: Vec<String>,
    turn: Turn,
    wants: Wants,
    owner: String,
    clock: fn() -> Timestamp,
    renewed: Option<Instant>,
    /// What is somebody else's share and not given back yet, since when.
    leaving: BTreeMap<String, Instant>,
}

impl Held {
    fn renew(&mut self) {
        // Counted from before the question: the answer may have taken long.
        let asked = Instant::now();
        match self.tend() {
            Ok(Tended { held, surplus }) => {
                self.renewed = Some(asked);
                self.say(&held);
                self.turn.give(match self.wants {
                    _ if held.is_empty() => Share::Nothing,
                    Wants::All => Share::All(held),
                    Wants::Share => Share::Parts(held),
                });
                self.give_back(surplus);
            }
            // The turn is kept until it expires: the database may be back in a moment.
            Err(error) => tracing::warn!(%error, "the leases could not be renewed"),
        }
    }

    fn tend(&self) -> Result<Tended, StoreError> {
        let (parts, owner, now) = (self.parts.clone(), self.owner.clone(), (self.clock)());
        let wants = self.wants;
        let tended = self.store.write_aside(move |tx| {
            let now = tx.clock(now)?;
            match wants {
                Wants::Share => leases::tend(tx, &parts, &owner, now, LEASE),
                Wants::All => {
                    let held = leases::acquire_all(tx, &parts, &owner, now, LEASE)?;
                    Ok(Tended { held: held.unwrap_or_default(), surplus: Vec::new() })
                }
            }
        });
        match tended {
            // Somebody took one of them in the same moment.
            Err(StoreError::Conflict(_)) if wants == Wants::All => Ok(Tended::default()),
            tended => tended,
        }
    }

    fn say(&self, held: &[Lease]) {
        match (self.turn.is_idle(), held.is_empty()) {
            (true, false) => tracing::info!(
                parts = held.len(),
                of = self.parts.len(),
                "this process works on the store now"
            ),
            (false, true) => tracing::warn!("other processes work on the store now"),
            _ => {}
        }
    }

    /// What others should have is not begun any more, and theirs once what is under way had time
    /// to end. What takes longer is resumed by them.
    fn give_back(&mut self, surplus: Vec<Lease>) {
        self.leaving.retain(|part, _| surplus.iter().any(|lease| lease.shard == *part));
        let now = Instant::now();
        let over: Vec<Lease> = surplus
            .into_iter()
            .filter(|lease| {
                let since = *self.leaving.entry(lease.shard.clone()).or_insert(now);
                now.duration_since(since) >= DRAIN
            })
            .collect();
        if over.is_empty() {
            return;
        }
        tracing::info!(parts = over.len(), "another process has a share of the work now");
        if let Err(error) = self.store.write(move |tx| leases::release(tx, &over)) {
            tracing::warn!(%error, "leases could not be given back");
        }
    }

    fn expire(&mut self) {
        if self.renewed.is_some_and(|renewed| renewed.elapsed() > STOP_AFTER) {
            self.renewed = None;
            if !self.turn.is_idle() {
                tracing::warn!("the leases were not renewed in time; this process pauses");
            }
            self.turn.give(Share::Nothing);
        }
    }

    /// Lets others begin at once.
    fn leave(&mut self) {
        self.turn.give(Share::Nothing);
        let owner = self.owner.clone();
        if let Err(error) = self.store.write(move |tx| leases::leave(tx, &owner)) {
            tracing::warn!(%error, "the leases could not be given back; they end by themselves");
        }
    }
}

fn owner() -> Result<String> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    // Process ids come again, and on several machines: the rest of the name is by chance.
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = if machine.is_empty() { "machine" } else { machine.trim() };
    Ok(format!("{machine}/{}/{}", std::process::id(), hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use trueup_store::SHARDS;

    use super::*;

    #[test]
    fn c12_one_process_at_a_time_works_on_a_sqlite_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = StoreAt::Sqlite(folder.path().join("trueup.sqlite"));
        let store = Store::open_sqlite(&folder.path().join("trueup.sqlite")).unwrap();
        let setup = trueup_hub::setup::HubSetup {
            environment: "test".to_owned(),
            connections: BTreeMap::new(),
            calendar: trueup_domain::calendar::Calendar::new([]),
        };
        let hub = Hub::new(store, setup);
        let claim = Claim::take(&at, &hub, crate::wiring::now).unwrap().expect("nobody has it");
        assert!(claim.turn.worker().is_some());
        assert!(Claim::take(&at, &hub, crate::wiring::now).unwrap().is_none());
        assert!(Claim::share(&at, &hub, crate::wiring::now).is_err());
        drop(claim);
        assert!(Claim::take(&at, &hub, crate::wiring::now).unwrap().is_some());
    }

    /// A keeper without its thread, over a store that any engine could be.
    fn held(store: &Store, name: &str, wants: Wants) -> Held {
        Held {
            store: store.clone(),
            parts: leases::parts(["odoo"]),
            turn: Turn::waiting(),
            wants,
            owner: name.to_owned(),
            clock: crate::wiring::now,
            renewed: None,
            leaving: BTreeMap::new(),
        }
    }

    #[test]
    fn leases_pass_on_when_they_are_given_back_or_run_out() {
        let store = Store::in_memory().unwrap();
        let (mut one, mut other) =
            (held(&store, "one", Wants::Share), held(&store, "other", Wants::All));
        one.renew();
        other.renew();
        assert!(one.turn.worker().is_some());
        assert!(other.turn.is_idle(), "who wants all waits until it is free");
        let first = one.turn.worker().unwrap().leases;
        one.leave();
        assert!(one.turn.is_idle());
        other.renew();
        let second = other.turn.worker().unwrap().leases;
        assert_eq!(second.len(), leases::parts(["odoo"]).len());
        let late = store.write(move |tx| leases::check(tx, &first));
        assert!(matches!(late, Err(StoreError::LeaseLost)));

        other.renewed = Instant::now().checked_sub(STOP_AFTER + Duration::from_secs(1));
        other.expire();
        assert!(other.turn.is_idle(), "it pauses before another may begin");
    }

    #[test]
    fn a_process_that_comes_gets_its_share_when_what_is_under_way_has_ended() {
        let store = Store::in_memory().unwrap();
        let (mut one, mut other) =
            (held(&store, "one", Wants::Share), held(&store, "other", Wants::Share));
        one.renew();
        std::thread::sleep(Duration::from_millis(2));
        other.renew();
        assert!(other.turn.is_idle());
        let all = one.turn.worker().unwrap().leases;
        one.renew();
        let half = one.turn.worker().unwrap();
        assert_eq!((half.from, half.to), (0, SHARDS / 2), "the rest is not begun any more");
        other.renew();
        assert!(other.turn.is_idle(), "what is under way may end");
        store
            .write({
                let all = all.clone();
                move |tx| leases::check(tx, &all)
            })
            .unwrap();
        for since in one.leaving.values_mut() {
            *since = since.checked_sub(DRAIN).unwrap();
        }
        one.renew();
        other.renew();
        let rest = other.turn.worker().unwrap();
        assert_eq!((rest.from, rest.to), (SHARDS / 2, SHARDS));
        assert!(one.turn.timers().is_none() && other.turn.timers().is_some());
        let late = store.write(move |tx| leases::check(tx, &all));
        assert!(matches!(late, Err(StoreError::LeaseLost)), "what did not end is dropped");
        assert!(one.turn.connection("odoo").is_some() && other.turn.connection("odoo").is_none());
    }
}
