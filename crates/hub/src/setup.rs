//! What a hub is told at start: its connections, its calendar, its store.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_connect::{Connector, Secret, Settings};
use trueup_domain::calendar::Calendar;
use trueup_domain::derive::FeeSchedule;
use trueup_domain::posting::Posting;
use trueup_store::leases::{self, Lease};
use trueup_store::{SHARDS, Store, StoreError, Tx};

use crate::allowances::Allowances;
use crate::room::Room;
use crate::talk::Windows;

/// One configured account of a connector.
#[derive(Clone)]
pub struct Connection {
    pub name: String,
    pub connector: &'static Connector,
    /// The legal entity whose money this is.
    pub entity: String,
    /// IANA name; decides business dates.
    pub time_zone: String,
    pub settings: Settings,
    pub base_url: Option<String>,
    /// The credential of outgoing requests.
    pub secret: Option<Secret>,
    /// Live secrets of incoming deliveries: two while one is being rotated.
    pub webhook_secrets: Vec<Secret>,
    /// The vendor's own name of the account; a delivery that names another is refused.
    pub account: Option<String>,
    /// How far back the first poll reads.
    pub since: Timestamp,
    /// How its sales go into the books.
    pub posting: Posting,
    /// The day from which on what its ledger says goes into the books: fees, disputes, reserves,
    /// payouts. `None`: somebody else books it.
    pub ledger_since: Option<Date>,
    pub fees: Option<FeeSchedule>,
    /// Words by which the bank names this provider.
    pub bank_names: Vec<String>,
    /// Overrides how often its streams are polled, in seconds.
    pub poll_every_s: Option<u32>,
    /// How often it may be asked where its vendor says nothing of that.
    pub calls_per_minute: Option<u32>,
    /// It is asked, window by window, what it made, where its connector can ask so.
    pub completeness: bool,
    /// When what is delivered to it goes out.
    pub windows: Windows,
}

/// Everything the stages share. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    pub store: Store,
    pub setup: Arc<HubSetup>,
    pub turn: Turn,
    pub room: Room,
    pub allowances: Allowances,
}

pub struct HubSetup {
    /// Part of every effect key: a copy of a database never repeats the original's effects.
    pub environment: String,
    pub connections: BTreeMap<String, Connection>,
    pub calendar: Calendar,
}

impl Hub {
    pub fn new(store: Store, setup: HubSetup) -> Self {
        Self {
            store,
            setup: Arc::new(setup),
            turn: Turn::alone(),
            room: Room::default(),
            allowances: Allowances::default(),
        }
    }

    /// The same hub in a process that works only while it is its turn.
    #[must_use]
    pub fn in_turn(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    pub fn connection(&self, name: &str) -> Option<&Connection> {
        self.setup.connections.get(name)
    }
}

/// A worker of the stages and the shards it owns, from and to (exclusive).
#[derive(Clone, Debug)]
pub struct Worker {
    /// What it proves that with; nothing where nobody else can work.
    pub leases: Vec<Lease>,
    pub from: i64,
    pub to: i64,
}

impl Worker {
    pub const fn alone() -> Self {
        Self { leases: Vec::new(), from: 0, to: SHARDS }
    }
}

/// Refuses what a process writes whose turn has passed: another one resumes from the last commit.
pub(crate) fn check(tx: &mut Tx<'_>, leases: &[Lease]) -> Result<(), StoreError> {
    leases::check(tx, leases)
}

/// What a process may work on.
#[derive(Clone, Debug)]
pub enum Share {
    Nothing,
    /// All of it, under these leases; under none where nobody else can work.
    All(Vec<Lease>),
    /// These parts of it.
    Parts(Vec<Lease>),
}

/// What this process may work on at the moment. The stages look at it before each unit of work and
/// idle while they have no part; what they write names the leases it was taken under, so that a
/// process that stood still too long has its work refused.
#[derive(Clone, Debug)]
pub struct Turn(Arc<RwLock<Share>>);

impl Turn {
    /// Nobody else works on this store.
    pub fn alone() -> Self {
        Self(Arc::new(RwLock::new(Share::All(Vec::new()))))
    }

    /// Others may be working: nothing is done until a turn is given.
    pub fn waiting() -> Self {
        Self(Arc::new(RwLock::new(Share::Nothing)))
    }

    pub fn give(&self, share: Share) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = share;
    }

    fn share(&self) -> Share {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn is_idle(&self) -> bool {
        match self.share() {
            Share::Nothing => true,
            Share::All(_) => false,
            Share::Parts(leases) => leases.is_empty(),
        }
    }

    /// The stages' share: of the ranges of shards that are held those that lie together, most first.
    pub fn worker(&self) -> Option<Worker> {
        match self.share() {
            Share::Nothing => None,
            Share::All(leases) => Some(Worker { leases, ..Worker::alone() }),
            Share::Parts(leases) => together(leases),
        }
    }

    /// What may be said to a connection is said under these leases; `None` while somebody else
    /// talks with it.
    pub fn connection(&self, name: &str) -> Option<Vec<Lease>> {
        self.part(&leases::of_connection(name))
    }

    /// What the passing of time changes, and the jobs.
    pub fn timers(&self) -> Option<Vec<Lease>> {
        self.part(leases::TIMERS)
    }

    fn part(&self, part: &str) -> Option<Vec<Lease>> {
        match self.share() {
            Share::Nothing => None,
            Share::All(leases) => Some(leases),
            Share::Parts(leases) => {
                leases.into_iter().find(|lease| lease.shard == part).map(|lease| vec![lease])
            }
        }
    }
}

/// The longest run of ranges of shards among these leases.
fn together(leases: Vec<Lease>) -> Option<Worker> {
    let ranges =
        leases.into_iter().filter_map(|lease| Some((leases::shards_of(&lease.shard)?, lease)));
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_by_key(|((from, _), _)| *from);
    let mut runs: Vec<Worker> = Vec::new();
    for ((from, to), lease) in ranges {
        match runs.last_mut().filter(|run| run.to == from) {
            Some(run) => {
                run.to = to;
                run.leases.push(lease);
            }
            None => runs.push(Worker { leases: vec![lease], from, to }),
        }
    }
    runs.into_iter().max_by_key(|run| run.to - run.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(part: &str) -> Lease {
        Lease { shard: part.to_owned(), owner: "one".to_owned(), epoch: 1 }
    }

    #[test]
    fn the_stages_work_on_the_longest_run_of_what_is_held() {
        let held = ["shards/09", "shards/02", "connection/books", "shards/03", "shards/04"];
        let turn = Turn::waiting();
        turn.give(Share::Parts(held.iter().map(|part| lease(part)).collect()));
        let worker = turn.worker().expect("shards");
        assert_eq!((worker.from, worker.to), (8, 20));
        let under: Vec<&str> = worker.leases.iter().map(|it| it.shard.as_str()).collect();
        assert_eq!(under, ["shards/02", "shards/03", "shards/04"]);
        assert_eq!(turn.connection("books"), Some(vec![lease("connection/books")]));
        assert_eq!(turn.connection("shop"), None);
        assert_eq!(turn.timers(), None);
        turn.give(Share::Parts(vec![lease("timers")]));
        assert!(turn.worker().is_none() && turn.timers().is_some() && !turn.is_idle());
        turn.give(Share::Nothing);
        assert!(turn.is_idle());
    }
}
