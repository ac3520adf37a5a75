//! What goes on around a process between two of its commits: deliveries at the front door, another
//! process that takes over, time that passes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use trueup::demo::play::{Carrier, Clock};
use trueup::demo::setup;
use trueup_connect::Secret;
use trueup_connect::sandbox::Push;
use trueup_connect::webhook::SignedDelivery;
use trueup_domain::key;
use trueup_hub::{Hub, Share, Turn, decide, decode, reconcile};
use trueup_sandbox::chance::Chance;
use trueup_store::leases::{self, Lease};
use trueup_store::{CommitFate, Store, StoreError, doctor};

use crate::rig::FrontDoor;
use crate::weather::{Hits, Weather};

/// As the real keeper of a lease has them (`crates/trueup/src/worker.rs`).
const LEASE_LENGTH: SignedDuration = SignedDuration::from_secs(9);
const STOP_AFTER: SignedDuration = SignedDuration::from_secs(7);
/// A push of a refused delivery comes again so often before its sender gives up.
const TRIES_MAX: u32 = 40;
/// Of the stages, as [`Street::stage`] numbers them.
const DECODE: usize = 0;
pub const DECIDE: usize = 1;

/// The one source of chance, and what is asked of it.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<Chance>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Chance::new(seed))))
    }
    fn chance(&self) -> MutexGuard<'_, Chance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn roll(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.chance().hits(per_mille)
    }
    pub fn below(&self, count: usize) -> usize {
        usize::try_from(self.chance().below(count as u64)).unwrap_or(0)
    }
    pub fn seconds(&self, from: i64, to: i64) -> SignedDuration {
        SignedDuration::from_secs(self.chance().between(from, to))
    }
}

/// Who writes, as the fate of each commit sees it.
#[derive(Default)]
pub struct Writing {
    now: Mutex<Option<Stage>>,
    /// Whose each part of the work was last.
    holders: Mutex<BTreeMap<String, usize>>,
    /// Commits of a process without its leases.
    trespasses: AtomicU64,
}

/// A stage of a process at work.
#[derive(Clone, Debug)]
pub struct Stage {
    pub process: usize,
    /// 0 to 2 as [`Street::stage`] numbers them; `None` for a conversation and the timers.
    pub which: Option<usize>,
    /// The parts of the work that it must hold.
    pub parts: Vec<String>,
    /// Writes that it has begun.
    pub writes: u32,
}

impl Stage {
    pub fn new(process: usize, which: Option<usize>, leases: &[Lease]) -> Self {
        let parts = leases.iter().map(|lease| lease.shard.clone()).collect();
        Self { process, which, parts, writes: 0 }
    }
}

impl Writing {
    fn committed(&self) {
        let Some(stage) = held(&self.now).clone() else { return };
        let holders = held(&self.holders);
        if stage.parts.iter().any(|part| holders.get(part) != Some(&stage.process)) {
            self.trespasses.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// Commits of processes without their leases (C5, C6).
    pub fn trespasses(&self) -> u64 {
        self.trespasses.load(Ordering::Relaxed)
    }
    fn begins(&self) {
        if let Some(stage) = held(&self.now).as_mut() {
            stage.writes += 1;
        }
    }
    fn busy(&self) -> Option<Stage> {
        held(&self.now).clone()
    }
    /// Marks what `work` commits as written by this stage.
    pub fn stage<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        self.marked(Some(stage), work)
    }
    /// Marks what `work` commits as written by no stage.
    fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.marked(None, work)
    }
    fn marked<T>(&self, stage: Option<Stage>, work: impl FnOnce() -> T) -> T {
        let before = std::mem::replace(&mut *held(&self.now), stage);
        let outcome = work();
        *held(&self.now) = before;
        outcome
    }
    /// Notes whose these parts are; returns whether any was another's.
    fn hold(&self, process: usize, leases: &[Lease]) -> bool {
        let mut holders = held(&self.holders);
        let mut passed = false;
        for lease in leases {
            passed |= holders.insert(lease.shard.clone(), process) != Some(process);
        }
        passed
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process as others see it.
struct Keeper {
    hub: Hub,
    owner: String,
    renewed: Option<Timestamp>,
    /// Its clock less the true one.
    skew: SignedDuration,
    /// It died since somebody looked.
    died: bool,
    lives: u32,
}

/// A delivery on its way.
struct Parcel {
    connection: &'static str,
    push: Push,
    tries: u32,
}

pub struct Street {
    pub weather: Weather,
    pub hits: Hits,
    store: Store,
    clock: Clock,
    dice: Dice,
    writing: Arc<Writing>,
    in_flight: Vec<Parcel>,
    keepers: Vec<Keeper>,
    /// All parts of the work.
    parts: Vec<String>,
    /// Every delivery that was answered with 2xx: connection, its key, the hash of its body.
    pub acknowledged: BTreeSet<(String, String, String)>,
    pub said: Vec<String>,
    last_id: Option<(&'static str, String)>,
    /// The next thing happens within the second, so that time does not go on.
    pub hurried: bool,
    /// A clock was wrong in this story.
    pub misled: bool,
    /// What arrived of roots while the decision under way was made.
    news: BTreeMap<String, i64>,
}

impl Street {
    pub fn new(
        hub: &Hub,
        clock: &Clock,
        dice: &Dice,
        weather: Weather,
        writing: &Arc<Writing>,
    ) -> Self {
        let alone = weather.processes <= 1;
        let keepers = (0..weather.processes.max(1)).map(|number| Keeper {
            hub: hub.clone().in_turn(if alone { Turn::alone() } else { Turn::waiting() }),
            owner: format!("process {number}"),
            renewed: None,
            skew: SignedDuration::ZERO,
            died: false,
            lives: 0,
        });
        Self {
            weather,
            hits: Hits::default(),
            store: hub.store.clone(),
            clock: clock.clone(),
            dice: dice.clone(),
            writing: Arc::clone(writing),
            in_flight: Vec::new(),
            keepers: keepers.collect(),
            parts: leases::parts(hub.setup.connections.keys().map(String::as_str)),
            acknowledged: BTreeSet::new(),
            said: Vec::new(),
            last_id: None,
            hurried: false,
            misled: false,
            news: BTreeMap::new(),
        }
    }

    pub fn processes(&self) -> usize {
        self.keepers.len()
    }

    /// The processes that take themselves to be at work.
    pub fn at_work(&self) -> Vec<usize> {
        (0..self.keepers.len()).filter(|at| !self.keepers[*at].hub.turn.is_idle()).collect()
    }

    pub fn hub(&self, process: usize) -> Hub {
        self.keepers[process].hub.clone()
    }

    pub fn skew(&self, process: usize) -> SignedDuration {
        self.keepers[process].skew
    }

    /// What a process takes for now.
    pub fn now(&self, process: usize) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(self.keepers[process].skew).unwrap_or(now)
    }

    fn say(&mut self, what: impl std::fmt::Display) {
        self.said.push(format!("{} {what}", self.clock.now()));
    }

    /// A process dies: what it held in memory is gone, its lease with the time.
    pub fn die(&mut self, process: usize) {
        let alone = self.keepers.len() == 1;
        let keeper = &mut self.keepers[process];
        keeper.died = true;
        keeper.lives += 1;
        keeper.renewed = None;
        if !alone {
            keeper.owner = format!("process {process}, life {}", keeper.lives);
            keeper.hub.turn.give(Share::Nothing);
        }
        self.hits.hit("crash");
        self.say(format_args!("CRASH of {process}"));
    }

    /// Whether a process died since this was asked last.
    pub fn has_died(&mut self, process: usize) -> bool {
        std::mem::take(&mut self.keepers[process].died)
    }

    pub fn jump(&mut self, process: usize) {
        const JUMPS_H: [i64; 4] = [-2, 24, 0, 0];
        let hours = JUMPS_H[self.dice.below(JUMPS_H.len())];
        self.set_skew(process, SignedDuration::from_hours(hours));
        self.misled = true;
        self.hits.hit("clock jump");
    }

    fn set_skew(&mut self, process: usize, skew: SignedDuration) {
        self.keepers[process].skew = skew;
        self.say(format_args!("the clock of {process} is off by {skew:?}"));
    }

    /// What a process's keeper does now and then: renew its leases, take what is free of its share,
    /// give back at once what is another's, or pause without any.
    pub fn keep(&mut self, process: usize) -> Result<()> {
        if self.keepers.len() == 1 {
            return Ok(());
        }
        // Leases are measured by the clock of the database.
        let now = self.clock.now();
        let owner = self.keepers[process].owner.clone();
        let parts = self.parts.clone();
        let writing = Arc::clone(&self.writing);
        let tended = writing.aside(|| {
            self.store.write(move |tx| {
                let tended = leases::tend(tx, &parts, &owner, now, LEASE_LENGTH)?;
                leases::release(tx, &tended.surplus)?;
                Ok(tended.held)
            })
        });
        match tended {
            Ok(held) => {
                let keeper = &mut self.keepers[process];
                keeper.renewed = Some(now);
                let count = held.len();
                let passed = self.writing.hold(process, &held);
                keeper.hub.turn.give(Share::Parts(held));
                if passed {
                    self.hits.hit("lease passed on");
                    self.say(format_args!("{process} has {count} parts"));
                    let both = self.at_work().len() == self.keepers.len();
                    if both {
                        self.hits.hit("work shared");
                    }
                }
            }
            Err(StoreError::Crashed) => self.die(process),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// A keeper that could not renew its lease in time stops its process.
    pub fn expire(&mut self, process: usize) {
        let now = self.clock.now();
        let alone = self.keepers.len() == 1;
        let keeper = &mut self.keepers[process];
        let old = keeper.renewed.is_none_or(|at| now.duration_since(at) > STOP_AFTER);
        if !alone && old {
            keeper.hub.turn.give(Share::Nothing);
        }
    }

    pub fn push(&mut self, connection: &'static str, push: Push) {
        if self.dice.roll(self.weather.push_lost) {
            self.hits.hit("push lost");
            self.say(format_args!("LOST push {connection} {}", push.kind));
            return;
        }
        if self.dice.roll(self.weather.push_doubled) {
            self.hits.hit("push doubled");
            self.in_flight.push(Parcel { connection, push: push.clone(), tries: 0 });
        }
        let mut push = push;
        match &self.last_id {
            Some((of, id)) if *of == connection && self.dice.roll(self.weather.id_reused) => {
                push.source_id.clone_from(id);
                self.hits.hit("id reused");
            }
            _ => self.last_id = Some((connection, push.source_id.clone())),
        }
        self.in_flight.push(Parcel { connection, push, tries: 0 });
    }

    pub fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Hands any of the deliveries on their way to the front door; an unanswered one comes again.
    pub fn deliver_one(&mut self, process: usize) -> Result<()> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let parcel = self.in_flight.swap_remove(self.dice.below(self.in_flight.len()));
        let Parcel { connection, push, tries } = &parcel;
        let hub = &self.keepers[process].hub;
        let known = hub.connection(connection).context("a connection")?;
        let webhooks = known.connector.webhooks.context("webhooks")?;
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: &push.kind,
            source_id: &push.source_id,
            account: known.account.as_deref().unwrap_or_default(),
            body: &push.body,
            secret: &Secret::new(setup::DEMO_SECRET),
            now: self.clock.now(),
        });
        let skew = self.keepers[process].skew;
        let mut door = FrontDoor::with_skew(hub, &self.clock, skew);
        let said = format!("push {connection} {} {}", push.kind, push.source_id);
        let writing = Arc::clone(&self.writing);
        let outcome = writing.aside(|| door.webhook(connection, &headers, &push.body));
        self.say(said);
        match outcome {
            Ok(()) => {
                let hash = key::body_hash(&push.body);
                self.acknowledged.insert(((*connection).to_owned(), door.stored_as, hash));
            }
            Err(error) if is_crash(&error) => {
                self.die(process);
                self.in_flight.push(parcel);
            }
            // A clock that is off by hours makes a good signature stale.
            Err(_) if !skew.is_zero() => {
                if *tries < TRIES_MAX {
                    let tries = *tries + 1;
                    self.in_flight.push(Parcel { tries, ..parcel });
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The bank's courier tries again until somebody signs, and now and then comes twice.
    pub fn file(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()> {
        let twice = self.dice.roll(self.weather.file_doubled);
        if twice {
            self.hits.hit("file doubled");
        }
        for _ in 0..=usize::from(twice) {
            self.hand_in(connection, name, body)?;
        }
        Ok(())
    }

    fn hand_in(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()> {
        for _ in 0..50 {
            let process = self.dice.below(self.keepers.len());
            let keeper = &self.keepers[process];
            let mut door = FrontDoor::with_skew(&keeper.hub, &self.clock, keeper.skew);
            let writing = Arc::clone(&self.writing);
            match writing.aside(|| door.file(connection, name, body)) {
                Ok(()) => {
                    let hash = key::body_hash(body);
                    self.acknowledged.insert((connection.to_owned(), door.stored_as, hash));
                    return Ok(());
                }
                Err(error) if is_crash(&error) => self.die(process),
                Err(error) => return Err(error),
            }
        }
        Err(anyhow!("the file {name} was never taken"))
    }

    /// What happens while the process `busy` is between two commits.
    fn meanwhile(&mut self, busy: usize) -> Result<()> {
        self.hits.hit("meanwhile");
        let other = (busy + 1) % self.keepers.len();
        match self.dice.below(6) {
            0 | 1 => self.deliver_one(other),
            2 | 3 if !self.hurried => {
                // The busy one stands still for so long that its lease runs out.
                let later = self.clock.now().checked_add(self.dice.seconds(5, 40))?;
                self.clock.set(later);
                self.keep(other)
            }
            _ => {
                let stage = self.writing.busy();
                let running = stage.as_ref().and_then(|stage| stage.which);
                // What hurts a decision is news of its root. Its first write takes what is due.
                let decides = stage.is_some_and(|it| it.which == Some(DECIDE) && it.writes > 1);
                if decides && self.dice.roll(700) {
                    self.deliver_one(other)?;
                    return self.decode_beside(busy);
                }
                let stage = self.dice.below(3);
                // The stages of one process run beside each other, each of them once.
                let beside = self.dice.roll(500) && running != Some(stage);
                self.stage(if beside { busy } else { other }, stage).map(|_| ())
            }
        }
    }

    /// Decodes while the same process decides, and remembers of which roots there is news.
    fn decode_beside(&mut self, process: usize) -> Result<()> {
        let before = self.store.read(doctor::roots)?;
        self.stage(process, DECODE)?;
        let after = self.store.read(doctor::roots)?;
        let known = |root: &String| before.iter().find(|it| it.0 == *root).map_or(0, |it| it.1);
        let news = after.into_iter().filter(|(root, arrived, _)| *arrived > known(root));
        self.news.extend(news.map(|(root, arrived, _)| (root, arrived)));
        Ok(())
    }

    /// After a decision: what came while it was made is still to be decided.
    pub fn decided(&mut self, made: bool) -> Result<()> {
        let news = std::mem::take(&mut self.news);
        if news.is_empty() || !made {
            return Ok(());
        }
        for (root, _, decided) in self.store.read(doctor::roots)? {
            let arrived = news.get(&root).copied();
            ensure!(
                arrived.is_none_or(|arrived| decided < arrived),
                "I1: {root} counts as decided with what came while it was decided"
            );
        }
        Ok(())
    }

    /// One step of a stage of a process, if it has a turn.
    pub fn stage(&mut self, process: usize, stage: usize) -> Result<bool> {
        let hub = self.keepers[process].hub.clone();
        let Some(worker) = hub.turn.worker() else { return Ok(false) };
        let now = self.now(process);
        let step = [decode::step, decide::step, reconcile::step][stage % 3];
        if stage % 3 == DECIDE {
            // It may well decide what came.
            self.news.clear();
        }
        let marked = Stage::new(process, Some(stage % 3), &worker.leases);
        let outcome = Arc::clone(&self.writing).stage(marked, || step(&hub, &worker, now));
        self.absorb(process, outcome.map(|count| count > 0))
    }

    /// A crash drops everything but the database; a lease that was lost drops the work.
    pub fn absorb(&mut self, process: usize, outcome: Result<bool, StoreError>) -> Result<bool> {
        match outcome {
            Ok(worked) => Ok(worked),
            Err(StoreError::Crashed) => {
                self.die(process);
                Ok(true)
            }
            Err(StoreError::LeaseLost) => {
                self.hits.hit("lease lost");
                self.say(format_args!("LEASE LOST by {process}"));
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The faults stop: clocks are right, and what is on its way arrives.
    pub fn calm_down(&mut self) -> Result<()> {
        self.weather = Weather { processes: self.keepers.len(), ..Weather::CALM };
        for process in 0..self.keepers.len() {
            self.set_skew(process, SignedDuration::ZERO);
        }
        while !self.in_flight.is_empty() {
            self.deliver_one(0)?;
        }
        Ok(())
    }
}

pub fn is_crash(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(StoreError::Crashed))
}

/// Connects a store to its street: what becomes of each commit, and what others do before it.
pub fn connect(store: &Store, street: &Arc<Mutex<Street>>, dice: &Dice, weather: Weather) {
    let (fates, writing) = (dice.clone(), Arc::clone(&lock(street).writing));
    store.set_fate(move || {
        if fates.roll(weather.crash_before_commit) {
            return CommitFate::CrashBefore;
        }
        writing.committed();
        if fates.roll(weather.crash_after_commit) {
            CommitFate::CrashAfter
        } else {
            CommitFate::Commit
        }
    });
    if weather.meanwhile == 0 || weather.processes < 2 {
        return;
    }
    let (street, dice) = (Arc::clone(street), dice.clone());
    store.set_meanwhile(move || {
        // Whoever has the street in hand is what others do.
        let Ok(mut street) = street.try_lock() else { return };
        street.writing.begins();
        if dice.roll(weather.meanwhile) {
            let busy = street.writing.busy().map_or(0, |busy| busy.process);
            if let Err(error) = street.meanwhile(busy) {
                street.say(format_args!("FAILED meanwhile: {error:#}"));
                street.said.push(format!("VIOLATION {error:#}"));
            }
        }
    });
}

pub fn lock(street: &Mutex<Street>) -> MutexGuard<'_, Street> {
    street.lock().unwrap_or_else(PoisonError::into_inner)
}
