//! What a hub is told at start: its connections, its calendar, its store.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use trueup_connect::{Connector, Secret, Settings};
use trueup_domain::calendar::Calendar;
use trueup_domain::derive::FeeSchedule;
use trueup_domain::posting::Posting;
use trueup_store::leases::{self, Lease};
use trueup_store::{SHARDS, Store, StoreError, Tx};

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
    pub fees: Option<FeeSchedule>,
    /// Words by which the bank names this provider.
    pub bank_names: Vec<String>,
    /// Overrides how often its streams are polled, in seconds.
    pub poll_every_s: Option<u32>,
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
}

pub struct HubSetup {
    /// Part of every effect key: a copy of a database never repeats the original's effects.
    pub environment: String,
    pub connections: BTreeMap<String, Connection>,
    pub calendar: Calendar,
}

impl Hub {
    pub fn new(store: Store, setup: HubSetup) -> Self {
        Self { store, setup: Arc::new(setup), turn: Turn::alone() }
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

/// A worker and the shards it owns. One process on SQLite owns all and needs no lease.
#[derive(Clone, Debug)]
pub struct Worker {
    pub lease: Option<Lease>,
    pub from: i64,
    pub to: i64,
}

impl Worker {
    pub const fn alone() -> Self {
        Self { lease: None, from: 0, to: SHARDS }
    }
}

/// Refuses what a process writes whose turn has passed: another one resumes from the last commit.
pub(crate) fn check(tx: &mut Tx<'_>, lease: &Option<Lease>) -> Result<(), StoreError> {
    lease.as_ref().map_or(Ok(()), |lease| leases::check(tx, lease))
}

/// Whether this process may work at the moment, and as which worker. The stages look at it before
/// each unit of work and idle while there is none; what they write names the lease it was taken
/// under, so that a process that stood still too long has its work refused.
#[derive(Clone, Debug)]
pub struct Turn(Arc<RwLock<Option<Worker>>>);

impl Turn {
    /// Nobody else works on this store.
    pub fn alone() -> Self {
        Self(Arc::new(RwLock::new(Some(Worker::alone()))))
    }

    /// Somebody else may be working: nothing is done until a turn is given.
    pub fn waiting() -> Self {
        Self(Arc::new(RwLock::new(None)))
    }

    pub fn give(&self, worker: Option<Worker>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = worker;
    }

    pub fn worker(&self) -> Option<Worker> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
