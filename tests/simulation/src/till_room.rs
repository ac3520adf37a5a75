//! One seed is one world: a seeded scheduler runs the stages of a hub that dies around its commits,
//! over vendors that repeat, reorder and lose what they send, until all is calm; then the oracle
//! compares what happened with what must have happened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};
use trueup::demo::play::{Carrier, Clock};
use trueup::demo::setup;
use trueup_connect::sandbox::Push;
use trueup_connect::webhook::SignedDelivery;
use trueup_connect::{CallError, Reply, Secret};
use trueup_domain::command::CommandKind;
use trueup_hub::talk::{self, Next, Talk};
use trueup_hub::{Hub, Worker, decide, decode, reconcile, timers};
use trueup_sandbox::chance::Chance;
use trueup_sandbox::week::Sent;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_store::{CommitFate, Store, StoreError, commands, documents, facts, scopes};

use crate::rig::{Direct, FrontDoor, lossy};

/// How often, in a thousand cases, each thing goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub crash_before_commit: u64,
    pub crash_after_commit: u64,
    pub request_lost: u64,
    pub reply_lost: u64,
    pub push_lost: u64,
    pub push_doubled: u64,
}

impl Weather {
    pub const CALM: Self = Self {
        crash_before_commit: 0,
        crash_after_commit: 0,
        request_lost: 0,
        reply_lost: 0,
        push_lost: 0,
        push_doubled: 0,
    };
    pub const STORM: Self = Self {
        crash_before_commit: 25,
        crash_after_commit: 25,
        request_lost: 60,
        reply_lost: 80,
        push_lost: 60,
        push_doubled: 120,
    };
}

/// Hits of each fault in one run, so that a quiet simulation is noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    pub crashes: u64,
    pub requests_lost: u64,
    pub replies_lost: u64,
    pub pushes_lost: u64,
    pub pushes_doubled: u64,
    /// No fault, but what edits lead to.
    pub taken_back: u64,
}

/// What must not depend on the weather: balances, states, verdicts, what the books hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndState {
    pub balances: BTreeMap<String, i64>,
    pub sales: BTreeMap<String, String>,
    pub scopes: BTreeMap<String, String>,
    pub books: BTreeMap<String, i64>,
}

pub struct Told {
    pub end: EndState,
    pub hits: Hits,
    pub transcript: String,
}

struct TillRoom {
    hub: Hub,
    world: Rc<RefCell<World>>,
    clock: Clock,
    chance: Arc<Mutex<Chance>>,
    weather: Weather,
    hits: Hits,
    /// Deliveries on their way, in no particular order.
    in_flight: Vec<(&'static str, Push)>,
    talks: Vec<(String, Talk)>,
    replies: Vec<Option<Result<Reply, CallError>>>,
    door: FrontDoor,
    transcript: String,
}

fn roll(chance: &Mutex<Chance>, per_mille: u64) -> bool {
    chance.lock().unwrap_or_else(PoisonError::into_inner).hits(per_mille)
}

fn below(chance: &Mutex<Chance>, count: usize) -> usize {
    let mut chance = chance.lock().unwrap_or_else(PoisonError::into_inner);
    usize::try_from(chance.below(count as u64)).unwrap_or(0)
}

/// Tells the story of one seed. An error is a violation; the transcript says how it came to it.
pub fn tell(seed: u64, orders: u32, weather: Weather) -> Result<Told> {
    let settings = WeekSettings {
        orders,
        seed,
        faults: false,
        extended_per_mille: 250,
        repriced_per_mille: 500,
        ..WeekSettings::default()
    };
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
    let hub = setup::hub(store.clone(), None, None, week.start(), "sim")?;
    setup::approve(&hub, &mappings, week.start())?;
    let chance = Arc::new(Mutex::new(Chance::new(seed ^ 0x51_4D_55_4C)));
    let fates = Arc::clone(&chance);
    store.set_fate(move || {
        if roll(&fates, weather.crash_before_commit) {
            CommitFate::CrashBefore
        } else if roll(&fates, weather.crash_after_commit) {
            CommitFate::CrashAfter
        } else {
            CommitFate::Commit
        }
    });
    let mut room = TillRoom {
        door: FrontDoor { hub: hub.clone(), clock: clock.clone() },
        hub,
        world: Rc::new(RefCell::new(world)),
        clock,
        chance,
        weather,
        hits: Hits::default(),
        in_flight: Vec::new(),
        talks: Vec::new(),
        replies: Vec::new(),
        transcript: String::new(),
    };
    let outcome = room.run(&mut week).and_then(|()| room.calm_down(&store));
    match outcome.and_then(|()| room.audit()) {
        Ok(end) => Ok(Told { end, hits: room.hits, transcript: room.transcript }),
        Err(error) => {
            let told = std::mem::take(&mut room.transcript);
            let tail: Vec<&str> = told.lines().rev().take(60).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            Err(error.context(format!("seed {seed}\n{}", tail.join("\n"))))
        }
    }
}

impl TillRoom {
    fn say(&mut self, what: impl std::fmt::Display) {
        let _ = writeln!(self.transcript, "{} {what}", self.clock.now());
    }

    /// A crash drops everything but the database.
    fn absorb(&mut self, outcome: Result<bool, StoreError>) -> Result<bool> {
        match outcome {
            Ok(worked) => Ok(worked),
            Err(StoreError::Crashed) => {
                self.hits.crashes += 1;
                self.say("CRASH");
                self.talks.clear();
                self.replies.clear();
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn run(&mut self, week: &mut Week) -> Result<()> {
        let end = week.end();
        // What would happen after the last day is not told.
        while let Some(until) = week.next_at().filter(|next| *next <= end) {
            let sent = week.play(&mut self.world.borrow_mut(), until);
            self.clock.set(until);
            for (_, one) in sent {
                match one {
                    Sent::Webhook { connection, push } => self.push(connection, push),
                    Sent::File { connection, name, body } => self.file(connection, &name, &body)?,
                    // The world plays the books itself, and the rig loses replies.
                    Sent::LoseReply | Sent::EditInBooks | Sent::DeleteCreditNote => {}
                }
            }
            // Now and then the hub has the time to finish what it began.
            let long = roll(&self.chance, 150);
            let steps = if long { 500 } else { 6 + below(&self.chance, 18) };
            for _ in 0..steps {
                self.step()?;
            }
        }
        Ok(())
    }

    fn push(&mut self, connection: &'static str, push: Push) {
        if roll(&self.chance, self.weather.push_lost) {
            self.hits.pushes_lost += 1;
            self.say(format_args!("LOST push {connection} {}", push.kind));
            return;
        }
        if roll(&self.chance, self.weather.push_doubled) {
            self.hits.pushes_doubled += 1;
            self.in_flight.push((connection, push.clone()));
        }
        self.in_flight.push((connection, push));
    }

    /// The bank's courier tries again until somebody signs.
    fn file(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()> {
        for _ in 0..50 {
            match self.door.file(connection, name, body) {
                Ok(()) => return Ok(()),
                Err(error) if is_crash(&error) => {
                    self.absorb(Err(StoreError::Crashed))?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(anyhow!("the file {name} was never taken"))
    }

    /// One choice of the scheduler.
    fn step(&mut self) -> Result<()> {
        let now = self.clock.now();
        let worker = Worker::alone();
        match below(&self.chance, 9) {
            0 => self.deliver_one()?,
            1 => {
                let outcome = decode::step(&self.hub, &worker, now);
                self.absorb(outcome.map(|count| count > 0))?;
            }
            2 => {
                let outcome = decide::step(&self.hub, &worker, now);
                self.absorb(outcome.map(|count| count > 0))?;
            }
            3 => {
                let outcome = reconcile::step(&self.hub, &worker, now);
                self.absorb(outcome.map(|count| count > 0))?;
            }
            4 => {
                let outcome = timers::step(&self.hub, now).map(|()| true);
                self.absorb(outcome)?;
            }
            5 => {
                let later = now.checked_add(SignedDuration::from_secs(5))?;
                self.clock.set(later);
            }
            6 => self.begin_talk()?,
            _ => self.go_on_talking()?,
        }
        Ok(())
    }

    /// Hands any of the deliveries on their way to the front door; an unanswered one comes again.
    fn deliver_one(&mut self) -> Result<()> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let index = below(&self.chance, self.in_flight.len());
        let (connection, push) = self.in_flight.swap_remove(index);
        let known = self.hub.connection(connection).context("a connection")?;
        let webhooks = known.connector.webhooks.context("webhooks")?;
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: &push.kind,
            source_id: &push.source_id,
            account: known.account.as_deref().unwrap_or_default(),
            body: &push.body,
            secret: &Secret::new(setup::DEMO_SECRET),
            now: self.clock.now(),
        });
        self.say(format_args!("push {connection} {} {}", push.kind, push.source_id));
        match self.door.webhook(connection, &headers, &push.body) {
            Ok(()) => {}
            Err(error) if is_crash(&error) => {
                self.absorb(Err(StoreError::Crashed))?;
                self.in_flight.push((connection, push));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn begin_talk(&mut self) -> Result<()> {
        let names: Vec<String> = self.hub.setup.connections.keys().cloned().collect();
        let name = names.get(below(&self.chance, names.len())).context("a connection")?;
        let connection = self.hub.connection(name).context("a connection")?.clone();
        let busy: Vec<String> = self
            .talks
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, talk)| talk.lane().to_owned())
            .collect();
        match talk::next(&self.hub, &connection, &busy, self.clock.now()) {
            Ok(Some(talk)) => {
                self.say(format_args!("talk {name} {}", talk.lane()));
                self.talks.push((name.clone(), talk));
                self.replies.push(None);
            }
            Ok(None) => {}
            Err(error) => {
                self.absorb(Err(error))?;
            }
        }
        Ok(())
    }

    /// Advances any conversation by one exchange.
    fn go_on_talking(&mut self) -> Result<()> {
        if self.talks.is_empty() {
            return self.begin_talk();
        }
        let index = below(&self.chance, self.talks.len());
        let (name, mut talk) = self.talks.swap_remove(index);
        let reply = self.replies.swap_remove(index);
        let connection = self.hub.connection(&name).context("a connection")?.clone();
        let now = self.clock.now();
        let asked = reply.as_ref().map(|reply| reply.as_ref().map_err(CallError::clone));
        match talk.advance(&self.hub, &connection, asked, now) {
            Ok(Next::Send(request)) => {
                let reply = if roll(&self.chance, self.weather.request_lost) {
                    self.hits.requests_lost += 1;
                    self.say(format_args!("UNREACHABLE {name} {}", request.path));
                    Err(CallError::Unreachable { why: "the weather".to_owned() })
                } else {
                    let reply = self.world.borrow_mut().handle(&name, &request, now);
                    self.say(format_args!("{name} {} -> {}", request.path, reply.status));
                    if roll(&self.chance, self.weather.reply_lost) {
                        self.hits.replies_lost += 1;
                        self.say(format_args!("REPLY LOST {name} {}", request.path));
                        Err(CallError::ReplyLost { why: "the weather".to_owned() })
                    } else {
                        Ok(reply)
                    }
                };
                self.talks.push((name, talk));
                self.replies.push(Some(reply));
            }
            Ok(Next::WaitUntil(_) | Next::Finished) => {}
            Err(error) => {
                self.absorb(Err(error))?;
            }
        }
        Ok(())
    }

    /// The faults stop: within a bounded time the hub falls quiet (invariant I15).
    fn calm_down(&mut self, store: &Store) -> Result<()> {
        store.set_fate(|| CommitFate::Commit);
        self.weather = Weather::CALM;
        self.talks.clear();
        self.replies.clear();
        while !self.in_flight.is_empty() {
            self.deliver_one()?;
        }
        let clock = self.clock.clone();
        let direct = Direct { world: Rc::clone(&self.world), clock: clock.clone() };
        let mut transport = lossy(direct);
        for _ in 0..12 {
            trueup_hub::shell::drain(&self.hub, &mut transport, &|| clock.now())?;
            let later = clock.now().checked_add(SignedDuration::from_mins(31))?;
            clock.set(later);
            let hub = &self.hub;
            hub.store.write({
                let names: Vec<String> = hub.setup.connections.keys().cloned().collect();
                move |tx| {
                    for name in &names {
                        trueup_store::streams::poll_now(tx, name)?;
                    }
                    Ok(())
                }
            })?;
        }
        Ok(())
    }

    fn audit(&mut self) -> Result<EndState> {
        let (counts, commands, unbalanced, balances, scopes) = self.hub.store.read(|tx| {
            Ok((
                trueup_store::messages::counts(tx)?,
                commands::counts(tx)?,
                facts::unbalanced(tx)?,
                facts::balances(tx)?,
                scopes::all(tx)?,
            ))
        })?;
        for (connection, state, count, _) in &counts {
            ensure!(
                state != "received" && state != "failed",
                "I1: {count} messages of {connection} are {state}"
            );
        }
        ensure!(unbalanced.is_empty(), "I4: unbalanced entries {unbalanced:?}");
        crate::sold::sales_are_kept(&self.hub)?;
        let mut applied: BTreeMap<String, usize> = BTreeMap::new();
        for (_, kind, state, count) in &commands {
            ensure!(
                state == "applied" || state == "withdrawn",
                "I15: {count} commands of kind {kind} are {state}\n{}",
                self.stuck()?
            );
            if state == "applied" {
                *applied.entry(kind.clone()).or_default() += usize::try_from(*count)?;
            }
        }
        self.one_record_each(&applied)?;
        let books = self.books()?;
        for (what, amount) in books.iter().filter(|(what, _)| what.starts_with("open credit")) {
            ensure!(*amount == 0, "money that pays nothing: {what} is {amount}");
        }
        self.hits.taken_back += self.taken_back()?;
        let sales = self.hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))?;
        let open = self.hub.store.read(trueup_store::cases::open_cases)?;
        ensure!(open.is_empty(), "cases without a cause: {open:?}");
        Ok(EndState {
            balances: balances
                .into_iter()
                .filter(|one| one.amount != 0)
                .map(|one| {
                    let key = [one.entity, one.role, one.qualifier, one.currency].join("/");
                    (key, one.amount)
                })
                .collect(),
            sales: sales
                .into_iter()
                .map(|sale| (sale.id, format!("{} {:?}", sale.state, sale.waiting)))
                .collect(),
            scopes: scopes
                .into_iter()
                .map(|scope| (scope.key, scope.verdict.status))
                .filter(|(_, status)| status != "not_applicable")
                .collect(),
            books,
        })
    }

    /// Every command that did not come to its end, for the transcript.
    fn stuck(&self) -> Result<String> {
        let mut text = String::new();
        let roots = self.hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))?;
        for root in roots {
            for command in self.hub.store.read(|tx| commands::of_root(tx, &root.id))? {
                if command.state != "applied" {
                    let _ = writeln!(
                        text,
                        "{} {} after {} attempts: {:?}",
                        command.key, command.state, command.attempts, command.error
                    );
                }
            }
        }
        Ok(text)
    }

    /// Invoices that were posted and taken back, because their order was edited after it.
    fn taken_back(&self) -> Result<u64> {
        let mut count = 0;
        for root in self.hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))? {
            let commands = self.hub.store.read(|tx| commands::of_root(tx, &root.id))?;
            let notes = commands.iter().filter(|it| it.kind == CommandKind::CreditNote);
            count += notes.filter(|it| it.state == "applied" && it.key.ends_with("/rev")).count();
        }
        Ok(u64::try_from(count)?)
    }

    /// What the books hold in the end, in cents: net totals, and what is open on either side of the
    /// receivables. How many documents it took depends on when the news came (`DESIGN.md` §9.3).
    fn books(&self) -> Result<BTreeMap<String, i64>> {
        let world = self.world.borrow();
        let odoo = world.odoo.as_ref().context("an Odoo")?;
        let mut totals: BTreeMap<String, i64> = BTreeMap::new();
        let mut add = |what: &str, company: &Value, amount: i64| {
            *totals.entry(format!("{what} of {company}")).or_default() += amount;
        };
        let confirmed = json!([["state", "=", "sale"]]);
        for order in odoo.read_all("sale.order", &confirmed, &["amount_total", "company_id"]) {
            add("confirmed", &order["company_id"][0], cents(&order["amount_total"])?);
        }
        let fields = ["amount_total", "move_type", "company_id"];
        for document in odoo.read_all("account.move", &json!([["state", "=", "posted"]]), &fields) {
            let sign = match document["move_type"].as_str() {
                Some("out_invoice") => 1,
                Some("out_refund") => -1,
                _ => continue,
            };
            add("billed", &document["company_id"][0], sign * cents(&document["amount_total"])?);
        }
        let receivable = json!([["account_type", "=", "asset_receivable"]]);
        let fields = ["amount_residual", "company_id"];
        for line in odoo.read_all("account.move.line", &receivable, &fields) {
            let open = cents(&line["amount_residual"])?;
            let what = if open < 0 { "open credit" } else { "open debit" };
            add(what, &line["company_id"][0], open);
        }
        Ok(totals)
    }

    /// Exactly one record of the books for each applied command (invariant I2).
    fn one_record_each(&self, applied: &BTreeMap<String, usize>) -> Result<()> {
        let world = self.world.borrow();
        let odoo = world.odoo.as_ref().context("an Odoo")?;
        let count = |model: &str, domain: serde_json::Value| -> usize {
            odoo.read_all(model, &domain, &["id"]).len()
        };
        let found = BTreeMap::from([
            ("order", count("sale.order", json!([]))),
            ("invoice", count("account.move", json!([["move_type", "=", "out_invoice"]]))),
            ("credit_note", count("account.move", json!([["move_type", "=", "out_refund"]]))),
            ("payment", count("account.payment", json!([]))),
        ]);
        for (kind, records) in &found {
            let wanted = applied.get(*kind).copied().unwrap_or(0);
            ensure!(
                *records == wanted,
                "I2: {wanted} commands of kind {kind} were applied, the books hold {records}"
            );
        }
        Ok(())
    }
}

fn is_crash(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(StoreError::Crashed))
}

/// Cents of an amount as Odoo writes it.
fn cents(amount: &Value) -> Result<i64> {
    let amount: Decimal = amount.to_string().parse()?;
    (amount * Decimal::ONE_HUNDRED).to_i64().context("cents")
}
