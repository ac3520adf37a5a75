//! One seed is one world: a seeded scheduler runs the stages of processes that die around their
//! commits, over vendors that repeat, reorder, delay and lose what they send, until all is calm;
//! then the oracle compares what happened with what must have happened.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use trueup::demo::play::Clock;
use trueup::demo::setup;
use trueup_connect::{CallError, Reply, Request};
use trueup_hub::decisions::{self, Decision, What};
use trueup_hub::setup::HubSetup;
use trueup_hub::talk::{self, Next, Talk};
use trueup_hub::{Hub, Turn, timers};
use trueup_odoo::OdooSandbox;
use trueup_sandbox::week::Sent;
use trueup_sandbox::world::ODOO;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_store::{CommitFate, Store, StoreError, commands, doctor, leases, streams};

use crate::oracle::{self, EndState, Watch};
use crate::persons::{self, Person, Taken};
use crate::rig::{Direct, lossy};
use crate::second_reading;
use crate::street::{self, DECIDE, Dice, Stage, Street, Writing, lock};
pub use crate::weather::{Hits, Weather};

/// How often streams are polled.
const POLL_EVERY_S: u32 = 900;
/// When the faults stop, all is settled within this time (I15).
const CALM_STEP: SignedDuration = SignedDuration::from_mins(5);
const CALM_STEPS: usize = 6;
/// How often the hub has the time to finish what it began before the next thing happens.
const LONG_PER_MILLE: u64 = 250;
/// After a fault people look so often at one moment before the next.
const DECISIONS_MAX: usize = 8;
/// How often somebody who could decide does.
const PROMPT_PER_MILLE: u64 = 150;
/// Lines of the transcript that a violation shows; `TRUEUP_TAIL` says another number.
const TAIL: usize = 80;

pub struct Told {
    pub end: EndState,
    pub hits: Hits,
    pub transcript: String,
}

/// A conversation of a process, with the reply that it waits for.
struct Talking {
    process: usize,
    connection: String,
    talk: Talk,
    reply: Option<Result<Reply, CallError>>,
    /// The reply is not there before.
    until: Timestamp,
    /// The reply asked for patience of so long.
    patience: Option<SignedDuration>,
    /// A writing request left, and what came of it is not known.
    unknown: bool,
    /// What leaves when it is time, and whether something unknown was sent before it.
    held: Option<(Request, bool)>,
}

struct TillRoom {
    hub: Hub,
    world: Rc<RefCell<World>>,
    clock: Clock,
    dice: Dice,
    weather: Weather,
    street: Arc<Mutex<Street>>,
    writing: Arc<Writing>,
    talks: Vec<Talking>,
    /// Credentials that have run out, with how many requests were sent with them since.
    expired: BTreeMap<String, u64>,
    /// Until when a lane may not be asked again, by the clock of which process.
    patient: BTreeMap<(String, String), (Timestamp, usize)>,
    /// The books as they stood when they were backed up, and until when they do not answer.
    backup: Option<OdooSandbox>,
    down_until: Timestamp,
    /// Cases about which somebody decided what can be decided.
    seen: BTreeSet<(String, Timestamp)>,
    watch: Watch,
    transcript: String,
}

/// The history of a seed: edits, cancellations and returns come with most orders.
pub fn history(seed: u64, orders: u32) -> WeekSettings {
    WeekSettings {
        hasty_per_mille: 500,
        alike: seed % 5 == 3,
        sent_back: seed % 4 < 2,
        orders,
        seed,
        faults: false,
        extended_per_mille: 250,
        repriced_per_mille: 350,
        cancelled_per_mille: if seed % 5 == 4 { 700 } else { 120 },
        returned_per_mille: 500,
        ..WeekSettings::default()
    }
}

/// Tells the story of one seed. An error is a violation; the transcript says how it came to it.
pub fn tell(seed: u64, orders: u32, weather: Weather) -> Result<Told> {
    tell_week(history(seed, orders), weather)
}

/// As [`tell`], with another history.
pub fn tell_week(settings: WeekSettings, weather: Weather) -> Result<Told> {
    let seed = settings.seed;
    let mut week = Week::new(settings);
    let mut world = World::new(true)?;
    week.prepare(&mut world);
    let odoo = world.odoo.as_ref().context("an Odoo")?;
    let mut mappings = BTreeMap::new();
    for entity in ["us", "eu"] {
        mappings.insert(entity.to_owned(), odoo.demo_mapping(entity).context("a mapping")?);
    }
    let clock = Clock::at(week.start());
    let store = Store::in_memory()?;
    let hub = often(setup::hub(store.clone(), None, None, week.start(), "sim")?, seed);
    setup::approve(&hub, &mappings, week.start())?;
    let dice = Dice::new(seed ^ 0x51_4D_55_4C);
    let writing = Arc::new(Writing::default());
    let around = Street::new(&hub, &clock, &dice, weather, &writing);
    let around = Arc::new(Mutex::new(around));
    street::connect(&store, &around, &dice, weather);
    let mut room = TillRoom {
        hub,
        world: Rc::new(RefCell::new(world)),
        clock,
        dice,
        weather,
        street: around,
        writing,
        talks: Vec::new(),
        expired: BTreeMap::new(),
        patient: BTreeMap::new(),
        backup: None,
        down_until: Timestamp::MIN,
        seen: BTreeSet::new(),
        watch: Watch::default(),
        transcript: String::new(),
    };
    let outcome = room.run(&mut week).and_then(|()| room.calm_down(&store));
    let outcome = outcome.and_then(|()| room.audit());
    room.listen();
    match outcome {
        Ok(end) => {
            let hits = lock(&room.street).hits.clone();
            Ok(Told { end, hits, transcript: room.transcript })
        }
        Err(error) => {
            let wanted = std::env::var("TRUEUP_TAIL").ok().and_then(|text| text.parse().ok());
            let lines = wanted.unwrap_or(TAIL);
            let tail: Vec<&str> = room.transcript.lines().rev().take(lines).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let stands = room.commands().unwrap_or_else(|error| format!("{error:#}"));
            Err(error.context(format!("seed {seed}\n{}\n{stands}", tail.join("\n"))))
        }
    }
}

/// The same hub with streams that are polled more often.
fn often(hub: Hub, seed: u64) -> Hub {
    let connections = hub.setup.connections.iter().map(|(name, connection)| {
        let mut connection = connection.clone();
        connection.poll_every_s = Some(POLL_EVERY_S);
        // What the completeness ledger finds would hide what the other roads lose.
        connection.completeness = seed % 2 == 1;
        (name.clone(), connection)
    });
    let setup = HubSetup {
        environment: hub.setup.environment.clone(),
        connections: connections.collect(),
        calendar: hub.setup.calendar.clone(),
    };
    Hub::new(hub.store, setup)
}

impl TillRoom {
    fn say(&mut self, what: impl std::fmt::Display) {
        self.listen();
        let _ = writeln!(self.transcript, "{} {what}", self.clock.now());
    }

    /// Takes over what was said on the street.
    fn listen(&mut self) {
        for line in std::mem::take(&mut lock(&self.street).said) {
            let _ = writeln!(self.transcript, "{line}");
        }
    }

    /// How the commands stand, a line each: what a violation is looked into with.
    fn commands(&self) -> Result<String> {
        let mut lines = String::new();
        for root in self.hub.store.read(doctor::roots)? {
            for it in self.hub.store.read(|tx| commands::of_root(tx, &root.0))? {
                let done = it.done_at.and_then(|at| Timestamp::from_microsecond(at).ok());
                let done = done.map(|at| at.to_string()).unwrap_or_default();
                let (record, binding) =
                    (it.record.unwrap_or_default(), it.binding.unwrap_or_default());
                let error = it.error.unwrap_or_default();
                let (key, state, tries) = (it.key, it.state, it.attempts);
                writeln!(lines, "{key} {state} {tries} {record} {binding} {done} {error}")?;
            }
        }
        Ok(lines)
    }

    fn hit(&self, what: &'static str) {
        lock(&self.street).hits.hit(what);
    }

    fn now(&self, process: usize) -> Timestamp {
        lock(&self.street).now(process)
    }

    /// The hub of a process, and what it takes for now.
    fn process(&self, process: usize) -> (Hub, Timestamp) {
        let street = lock(&self.street);
        (street.hub(process), street.now(process))
    }

    fn absorb(&mut self, process: usize, outcome: Result<bool, StoreError>) -> Result<bool> {
        lock(&self.street).absorb(process, outcome)
    }

    fn run(&mut self, week: &mut Week) -> Result<()> {
        let end = week.end();
        // What would happen after the last day is not told.
        while let Some(until) = week.next_at().filter(|next| *next <= end) {
            let sent = week.play(&mut self.world.borrow_mut(), until);
            self.clock.set(until);
            for (_, one) in sent {
                match one {
                    Sent::Webhook { connection, push } => lock(&self.street).push(connection, push),
                    Sent::File { connection, name, body } => {
                        lock(&self.street).file(connection, &name, &body)?;
                    }
                    // The world plays the books itself, and the rig loses replies.
                    Sent::LoseReply | Sent::EditInBooks | Sent::DeleteCreditNote => {}
                }
            }
            let next = week.next_at().unwrap_or(Timestamp::MAX);
            let hurried = next.duration_since(until) < SignedDuration::from_secs(1);
            let misled = {
                let mut street = lock(&self.street);
                street.hurried = hurried;
                street.misled
            };
            // Clocks that were wrong date questions and answers as they like.
            if !misled {
                self.watch.note(&self.hub, &self.world.borrow())?;
            }
            // Now and then the hub has the time to finish what it began.
            let long = !hurried && self.dice.roll(LONG_PER_MILLE);
            let steps = match (hurried, long) {
                (true, _) => 60 + self.dice.below(120),
                (false, true) => 700,
                (false, false) => 15 + self.dice.below(45),
            };
            for _ in 0..steps {
                self.step()?;
                self.bury();
            }
            self.watch.look(&self.hub)?;
            if !lock(&self.street).misled {
                self.watch.nothing_goes_back(&self.hub)?;
            }
            self.no_trespassing()?;
        }
        self.watch.only_extended = week.only_extended();
        Ok(())
    }

    /// Processes that died take their conversations with them.
    fn bury(&mut self) {
        for process in 0..self.weather.processes {
            if lock(&self.street).has_died(process) {
                self.talks.retain(|talking| talking.process != process);
                // It knows of no patience that it was asked for and did not write down.
                self.patient.retain(|_, (_, by)| *by != process);
            }
        }
    }

    fn no_trespassing(&mut self) -> Result<()> {
        self.listen();
        ensure!(
            !self.transcript.contains("VIOLATION"),
            "a process failed between two commits of another"
        );
        let trespasses = self.writing.trespasses();
        ensure!(
            trespasses == 0,
            "I8: {trespasses} commits of a process without its lease (C5, C6)"
        );
        Ok(())
    }

    /// One choice of the scheduler.
    fn step(&mut self) -> Result<()> {
        // Those that have a turn do most.
        let at_work = lock(&self.street).at_work();
        let process = match at_work.as_slice() {
            [] => self.dice.below(self.weather.processes),
            _ if !self.dice.roll(750) => self.dice.below(self.weather.processes),
            some => some[self.dice.below(some.len())],
        };
        match self.dice.below(14) {
            0 => lock(&self.street).deliver_one(process)?,
            choice @ 1..=3 => self.stage(process, choice - 1)?,
            4 => self.timers(process)?,
            5 if lock(&self.street).hurried => {}
            5 => {
                let later = self.clock.now().checked_add(self.dice.seconds(1, 4))?;
                self.clock.set(later);
                lock(&self.street).expire(process);
            }
            6 => self.begin_talk(process)?,
            7 | 8 => lock(&self.street).keep(process)?,
            9 => self.mishap(process)?,
            _ => self.go_on_talking(process)?,
        }
        Ok(())
    }

    /// What happens to a process, or to a credential, now and then; and the person who mends it.
    fn mishap(&mut self, process: usize) -> Result<()> {
        if self.dice.roll(self.weather.restarted) {
            lock(&self.street).die(process);
            self.hit("restart");
        }
        if self.dice.roll(self.weather.clock_jumps) {
            lock(&self.street).jump(process);
            self.patient.clear();
        }
        if self.dice.roll(self.weather.key_expires) {
            let names: Vec<String> = self.hub.setup.connections.keys().cloned().collect();
            let name = names.get(self.dice.below(names.len())).context("a connection")?;
            if !self.expired.contains_key(name) && !name.starts_with("bank") {
                self.hit("key expired");
                self.say(format_args!("EXPIRED the key of {name}"));
                self.expired.insert(name.clone(), 0);
            }
        }
        if self.dice.roll(self.weather.replayed) {
            self.hit("replay");
            self.say(format_args!("REPLAYED at {process}"));
            let (hub, now) = self.process(process);
            let done = second_reading::again(&hub, &self.dice, now);
            self.absorb(process, done.map(|()| true))?;
        }
        for name in self.to_mend()? {
            if self.dice.roll(150) {
                self.mend(process, &name)?;
            }
        }
        if self.weather.refused + self.weather.set_back > 0 {
            self.take_up_cases(process, true)?;
        }
        if self.dice.roll(self.weather.set_back) {
            self.set_back()?;
        }
        Ok(())
    }

    /// Connections whose key has run out, or that the hub has suspended.
    fn to_mend(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for name in self.hub.setup.connections.keys() {
            let suspended = self.hub.store.read(|tx| streams::suspended(tx, name))?.is_some();
            if suspended || self.expired.contains_key(name) {
                names.push(name.clone());
            }
        }
        Ok(names)
    }

    /// A person puts a new key in place and lets the connection go on.
    fn mend(&mut self, process: usize, name: &str) -> Result<()> {
        let (hub, now, about) = (self.hub.clone(), self.now(process), name.to_owned());
        let stopped = self.hub.store.read(|tx| streams::suspended(tx, name))?.is_some();
        if stopped {
            let decision = Decision {
                what: What::Retry { about },
                person: "ann".to_owned(),
                reason: "a new key".to_owned(),
            };
            let taken = self.hub.store.write(move |tx| decisions::take(tx, &hub, &decision, now));
            match taken {
                Ok(Ok(_)) => {}
                Ok(Err(refusal)) => return Err(anyhow!("{refusal}")),
                Err(error) => {
                    self.absorb(process, Err(error))?;
                    return Ok(());
                }
            }
        }
        self.say(format_args!("MENDED the key of {name}"));
        self.expired.remove(name);
        Ok(())
    }

    /// People decide about what the weather made a case of: now and then, or about all of it.
    fn take_up_cases(&mut self, process: usize, patient: bool) -> Result<bool> {
        let (hub, now) = (self.hub.clone(), self.now(process));
        let person = Person { hub: &hub, now, name: "bob" };
        let mut done = false;
        for work in persons::work(&person, &self.seen, &self.dice, patient)? {
            if patient && !self.dice.roll(PROMPT_PER_MILLE) {
                continue;
            }
            self.say(format_args!("{} {}", work.word, work.about));
            match person.decide(work.what, "the weather is better")? {
                Taken::Done => {
                    self.seen.extend(work.once);
                    self.hit(work.word);
                    done = true;
                }
                Taken::Late => {}
                Taken::Crashed => lock(&self.street).die(process),
            }
        }
        Ok(done)
    }

    /// The books are backed up, or stand as they stood at their backup. That takes a while, in which
    /// nobody answers, and ends every call. It happens once in a story.
    fn set_back(&mut self) -> Result<()> {
        if self.down_until != Timestamp::MIN {
            return Ok(());
        }
        let Some(backup) = self.backup.take() else {
            self.say("BACKED UP the books");
            self.backup.clone_from(&self.world.borrow().odoo);
            return Ok(());
        };
        // That nothing is gone but goods or a tie is not noticed: they have no record of their own.
        let newest = self.hub.store.read(|tx| commands::again::newest_made(tx, ODOO, 1))?;
        let lacks = newest.iter().any(|(_, record)| {
            let (model, id) = record.split_once('/').unwrap_or_default();
            let of = serde_json::json!([["id", "=", id.parse::<i64>().unwrap_or_default()]]);
            backup.read_all(model, &of, &["id"]).is_empty()
        });
        if !lacks {
            self.backup = Some(backup);
            return Ok(());
        }
        self.hit("set back");
        self.say("SET BACK the books");
        self.world.borrow_mut().odoo = Some(backup);
        for talking in self.talks.iter_mut().filter(|talking| talking.connection == ODOO) {
            let why = "the books stop".to_owned();
            talking.until = Timestamp::MIN;
            talking.reply = Some(match (talking.held.take(), talking.reply.take()) {
                (None, Some(_)) => Err(CallError::ReplyLost { why }),
                _ => Err(CallError::Unreachable { why }),
            });
        }
        self.down_until = self.clock.now().checked_add(self.dice.seconds(120, 300))?;
        Ok(())
    }

    fn stage(&mut self, process: usize, stage: usize) -> Result<()> {
        let (hub, now) = self.process(process);
        let Some(worker) = hub.turn.worker() else { return Ok(()) };
        let marked = Stage::new(process, Some(stage), &worker.leases);
        let outcome = self.writing.stage(marked, || match stage {
            0 => trueup_hub::decode::step(&hub, &worker, now),
            1 => trueup_hub::decide::step(&hub, &worker, now),
            _ => trueup_hub::reconcile::step(&hub, &worker, now),
        });
        if stage == DECIDE {
            lock(&self.street).decided(outcome.is_ok())?;
        }
        self.absorb(process, outcome.map(|count| count > 0)).map(|_| ())
    }

    fn timers(&mut self, process: usize) -> Result<()> {
        let (hub, now) = self.process(process);
        let leases = hub.turn.timers().unwrap_or_default();
        let marked = Stage::new(process, None, &leases);
        let outcome = self.writing.stage(marked, || timers::step(&hub, now));
        self.absorb(process, outcome.map(|()| true)).map(|_| ())
    }

    fn begin_talk(&mut self, process: usize) -> Result<()> {
        let names: Vec<String> = self.hub.setup.connections.keys().cloned().collect();
        let name = names.get(self.dice.below(names.len())).context("a connection")?;
        let (hub, now) = self.process(process);
        let connection = hub.connection(name).context("a connection")?.clone();
        let own = self.talks.iter().filter(|it| it.process == process && it.connection == *name);
        let busy: Vec<String> = own.map(|it| it.talk.lane().to_owned()).collect();
        let leases = hub.turn.connection(name).unwrap_or_default();
        let marked = Stage::new(process, None, &leases);
        let next = self.writing.stage(marked, || talk::next(&hub, &connection, &busy, now));
        match next {
            Ok(Some(talk)) => {
                self.say(format_args!("{process} talks {name} {}", talk.lane()));
                ensure!(
                    !busy.iter().any(|lane| lane == talk.lane()),
                    "I8: two conversations of one process in the lane {}",
                    talk.lane()
                );
                self.talks.push(Talking {
                    process,
                    connection: name.clone(),
                    talk,
                    reply: None,
                    until: Timestamp::MIN,
                    patience: None,
                    unknown: false,
                    held: None,
                });
                // Nobody waits between taking up something and saying the first thing of it.
                return self.advance(process, self.talks.len() - 1);
            }
            Ok(None) => {}
            Err(error) => {
                self.absorb(process, Err(error))?;
            }
        }
        Ok(())
    }

    /// Advances any conversation of a process by one exchange.
    fn go_on_talking(&mut self, process: usize) -> Result<()> {
        let now = self.clock.now();
        let ready = |it: &Talking| it.process == process && it.until <= now;
        let ready: Vec<usize> =
            (0..self.talks.len()).filter(|at| ready(&self.talks[*at])).collect();
        if ready.is_empty() {
            return self.begin_talk(process);
        }
        let at = ready[self.dice.below(ready.len())];
        self.advance(process, at)
    }

    fn advance(&mut self, process: usize, at: usize) -> Result<()> {
        let now = self.clock.now();
        let mut talking = self.talks.swap_remove(at);
        let name = talking.connection.clone();
        let (hub, own_now) = self.process(process);
        let connection = hub.connection(&name).context("a connection")?.clone();
        if let Some((request, unknown)) = talking.held.take() {
            return self.leaves(talking, request, unknown);
        }
        let reply = talking.reply.take();
        let unknown = std::mem::take(&mut talking.unknown);
        let before = if unknown { self.sent_in(&name, talking.talk.lane())? } else { Vec::new() };
        let asked = reply.as_ref().map(|reply| reply.as_ref().map_err(CallError::clone));
        let alone = self.weather.processes == 1;
        let parts = if alone { Vec::new() } else { vec![leases::of_connection(&name)] };
        let marked = Stage { process, which: None, parts, writes: 0 };
        let next =
            self.writing.stage(marked, || talking.talk.advance(&hub, &connection, asked, own_now));
        let lane = (name.clone(), talking.talk.lane().to_owned());
        if matches!(next, Ok(Next::Finished)) && !before.is_empty() {
            let states = self.hub.store.read(|tx| doctor::states_of_lane(tx, &name, &lane.1))?;
            let of = |key: &String| states.iter().find(|(own, _)| own == key).map(|it| &it.1);
            ensure!(
                !before.iter().all(|key| of(key).is_some_and(|state| state == "ready")),
                "I2: a reply was lost, and all of {before:?} may be sent again unseen (B1)"
            );
        }
        if let (Ok(Next::Finished), Some(patience)) = (&next, talking.patience.take()) {
            self.patient.insert(lane.clone(), (now.checked_add(patience)?, process));
        }
        match next {
            Ok(Next::Send(request, after)) if after.is_positive() => {
                talking.until = now.checked_add(after)?;
                talking.held = Some((request, unknown));
                self.talks.push(talking);
            }
            Ok(Next::Send(request, _)) => self.leaves(talking, request, unknown)?,
            Ok(Next::WaitUntil(_) | Next::Finished) => {}
            Err(error) => {
                self.absorb(process, Err(error))?;
            }
        }
        Ok(())
    }

    /// A request of a conversation leaves.
    fn leaves(&mut self, mut talking: Talking, request: Request, unknown: bool) -> Result<()> {
        let now = self.clock.now();
        let name = talking.connection.clone();
        let (lane, process) = ((name.clone(), talking.talk.lane().to_owned()), talking.process);
        ensure!(
            !unknown,
            "I2: {name} sent {} although it did not hear what came of the write before it \
             (B1, B20)",
            request.path
        );
        if let Some((until, by)) = self.patient.remove(&lane)
            && by == process
            // Who has another time than the one who was told may have forgotten it (C7).
            && !lock(&self.street).misled
        {
            ensure!(
                now >= until,
                "I16: {name} asked for patience until {until}, and {} was sent in the lane \
                 {} (B9)",
                request.path,
                lane.1
            );
        }
        self.exchange(&mut talking, &request)?;
        self.talks.push(talking);
        Ok(())
    }

    fn sent_in(&self, name: &str, lane: &str) -> Result<Vec<String>> {
        let states = self.hub.store.read(|tx| doctor::states_of_lane(tx, name, lane))?;
        Ok(states.into_iter().filter(|(_, state)| state == "sent").map(|(key, _)| key).collect())
    }

    /// Carries a request through the weather.
    fn exchange(&mut self, talking: &mut Talking, request: &Request) -> Result<()> {
        let name = talking.connection.clone();
        let now = self.clock.now();
        talking.until = Timestamp::MIN;
        self.watch.carried.count(request);
        self.watch.asked(&name, request);
        let lost = |why: &str| Err(CallError::ReplyLost { why: why.to_owned() });
        if let Some(sent) = self.expired.get_mut(&name) {
            *sent += 1;
            let sent = *sent;
            let bound = 12 + lock(&self.street).hits.0.get("crash").copied().unwrap_or(0);
            ensure!(sent <= bound, "I16: {sent} requests with a key that {name} refuses (B11)");
            self.say(format_args!("{name} {} -> 401", request.path));
            talking.reply = Some(Ok(page(401, &[])));
            return Ok(());
        }
        let dice = self.dice.clone();
        let weather = self.weather;
        let meets = |per_mille: u64| dice.roll(per_mille);
        let (what, reply) = if meets(weather.request_lost) {
            ("request lost", Err(CallError::Unreachable { why: "the weather".to_owned() }))
        } else if meets(weather.lost_on_the_way) {
            ("lost on the way", lost("the weather"))
        } else if meets(weather.rate_limited) {
            let patience = dice.seconds(2, 40);
            talking.patience = Some(patience);
            let seconds = patience.as_secs().to_string();
            ("rate limited", Ok(page(429, &[("retry-after", &seconds)])))
        } else if name == ODOO && now < self.down_until {
            ("down", Err(CallError::Unreachable { why: "the books are down".to_owned() }))
        } else if name == ODOO && self.may_be_refused(request) && meets(weather.refused) {
            ("refused", Ok(refusal()))
        } else if name == ODOO && meets(weather.busy) {
            ("busy", Ok(conflict()))
        } else {
            let proxy = meets(weather.proxy_answers);
            let status = [502, 504, 200, 200][dice.below(4)];
            if proxy && dice.roll(500) {
                ("proxy answered", Ok(page(status, &[])))
            } else {
                let reply = self.world.borrow_mut().handle(&name, request, now);
                self.say(format_args!("{name} {} -> {}", request.path, reply.status));
                if proxy {
                    ("proxy answered", Ok(page(status, &[])))
                } else if meets(weather.reply_lost) {
                    ("reply lost", lost("the weather"))
                } else if meets(weather.silent) {
                    let silence = dice.seconds(5, 75);
                    let patience = SignedDuration::from_millis(i64::try_from(request.timeout_ms)?);
                    talking.until = now.checked_add(silence.min(patience))?;
                    let heard = if silence > patience { lost("it timed out") } else { Ok(reply) };
                    ("silence", heard)
                } else {
                    ("", Ok(reply))
                }
            }
        };
        if !what.is_empty() {
            self.hit(what);
            self.say(format_args!("WEATHER {what}: {name} {}", request.path));
        }
        let lost = match &reply {
            Err(CallError::ReplyLost { .. }) => true,
            Ok(reply) => reply.status > 500 || (what == "proxy answered" && reply.status == 200),
            Err(_) => false,
        };
        talking.unknown = lost && is_write(request);
        talking.reply = Some(reply);
        Ok(())
    }

    /// A call that the books may refuse. What is there already is not made again, and so not refused;
    /// an order that is not confirmed stays, because who sells may not delete it.
    fn may_be_refused(&self, request: &Request) -> bool {
        let there = || self.world.borrow().odoo.as_ref().is_some_and(|it| it.has_any_of(request));
        is_write(request) && !request.path.ends_with("/action_confirm") && !there()
    }

    /// The faults stop: within a bounded time the hub falls quiet (invariant I15).
    fn calm_down(&mut self, store: &Store) -> Result<()> {
        store.set_fate(|| CommitFate::Commit);
        store.set_meanwhile(|| {});
        self.weather = Weather { processes: self.weather.processes, ..Weather::CALM };
        self.talks.clear();
        for name in self.to_mend()? {
            self.mend(0, &name)?;
        }
        lock(&self.street).calm_down()?;
        self.no_trespassing()?;
        self.take_up_cases(0, false)?;
        // Another process takes over, and is alone.
        self.hub = self.hub.clone().in_turn(Turn::alone());
        self.watch.calm_since = self.watch.carried.requests;
        // A backup that is lacked is noticed, told and decided about before its work begins.
        let steps = if self.down_until == Timestamp::MIN { CALM_STEPS } else { 4 * CALM_STEPS };
        for _ in 0..steps {
            self.drain()?;
            for _ in 0..DECISIONS_MAX {
                if !self.take_up_cases(0, false)? {
                    break;
                }
                self.drain()?;
            }
            self.clock.set(self.clock.now().checked_add(CALM_STEP)?);
        }
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        let clock = self.clock.clone();
        let direct = Direct::new(&self.world, &clock);
        direct.carried.set(self.watch.carried);
        let carried = Rc::clone(&direct.carried);
        let mut transport = lossy(direct);
        trueup_hub::shell::drain(&self.hub, &mut transport, &|| clock.now())?;
        self.watch.carried = carried.get();
        self.watch.look(&self.hub)
    }

    fn audit(&mut self) -> Result<EndState> {
        let mut hits = std::mem::take(&mut lock(&self.street).hits);
        let acknowledged = std::mem::take(&mut lock(&self.street).acknowledged);
        let end = {
            let world = self.world.borrow();
            oracle::audit(&self.hub, &world, &acknowledged, &self.watch, &mut hits)
        };
        lock(&self.street).hits = hits;
        let end = end?;
        let clock = self.clock.clone();
        oracle::replay_is_silent(&self.hub, &|| clock.now())?;
        Ok(end)
    }
}

fn page(status: u16, headers: &[(&str, &str)]) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Reply {
        status,
        headers: headers.collect(),
        body: b"<html><body>gateway</body></html>".to_vec(),
    }
}

/// As Odoo says that it gave up after its own five tries.
fn conflict() -> Reply {
    let body = serde_json::json!({
        "name": "psycopg2.errors.SerializationFailure",
        "message": "could not serialize access due to concurrent update",
        "arguments": [], "context": {}, "debug": "",
    });
    Reply { status: 500, headers: Vec::new(), body: body.to_string().into_bytes() }
}

/// As Odoo says no.
fn refusal() -> Reply {
    let body = serde_json::json!({
        "name": "odoo.exceptions.UserError",
        "message": persons::REFUSAL,
        "arguments": [], "context": {}, "debug": "",
    });
    Reply { status: 422, headers: Vec::new(), body: body.to_string().into_bytes() }
}

/// A call of the books that changes them.
fn is_write(request: &Request) -> bool {
    ["/load", "/action_confirm", "/action_post", "/action_cancel", "/button_validate"]
        .iter()
        .any(|end| request.path.ends_with(end))
}
