//! DELIVER and the reading half of RECEIVE: conversations with the outside, without the IO.
//!
//! [`next`] finds what a connection should do now, [`Talk::advance`] takes a reply and says what to
//! send next. The caller moves requests and replies and passes the time. What a crash leaves behind
//! is resumed from the committed state with the reply lost (`DESIGN.md` §9.8).
//!
//! | module       | holds                                                         |
//! |--------------|---------------------------------------------------------------|
//! | [`delivery`] | which commands go out next                                    |
//! | [`identity`] | whether the target is asked who it is                         |
//! | [`pace`]     | how many commands go out together                             |
//! | [`pauses`]   | what a missing right stops                                    |
//! | [`reading`]  | what becomes of an object that cannot be read                 |
//! | [`receipt`]  | what became of each command of a delivery                     |
//! | [`window`]   | at which hours a kind of command goes out                     |
//!
//! Order of work on a connection: who it is, where that is not known; what a crash left, what is
//! unknown, what is ready (what a customer waits for first), what was asked to be read, what is due to
//! be polled, what is due to be listed.

mod delivery;
mod identity;
mod pace;
pub(crate) mod pauses;
mod reading;
mod receipt;
mod window;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trueup_connect::{
    CallError, Context, Dispatch, Hint, NextStep, Outcome, Receipt, ReceiptOutcome, Record, Reply,
    Request, State, Step, Task,
};
use trueup_domain::Kind;
use trueup_domain::key;
use trueup_domain::planted::planted;
use trueup_store::commands::{self, Conversation, again};
use trueup_store::leases::Lease;
use trueup_store::listings::{self, Listing};
use trueup_store::messages::{self, NewMessage, Origin};
use trueup_store::waits::Wait;
use trueup_store::{StoreError, Tx, breakers, cases, holds, identities, streams};

use self::delivery::delivery;
use self::identity::Stand;
use self::reading::{UNREADABLE, read_failed, subject_of};
use self::receipt::{Late, not_known, take_receipt, will_not_answer};
use crate::allowances::Leave;
use crate::breaker::{self, Gate};
use crate::completeness;
use crate::room::Level;
use crate::setup::{Connection, Hub, check};
pub use window::{Window, Windows};

pub(crate) const BATCH: i64 = 100;
const RETRY_FIRST: SignedDuration = SignedDuration::from_secs(2);
const RETRY_LONGEST: SignedDuration = SignedDuration::from_secs(300);
/// Doubling beyond this would pass the longest wait anyway.
const RETRY_DOUBLINGS_MAX: u32 = 8;

/// What a conversation is for, beside its task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    Deliver,
    LookUp,
    Poll { stream: String },
    Read { hints: Vec<Hint> },
    List { kind: String, from: Timestamp },
    Identify,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    purpose: Purpose,
    task: Task,
    asked_at: Timestamp,
    /// It waits because we would have been refused, not because we were.
    #[serde(default)]
    kept_back: bool,
}

/// One conversation under way.
pub struct Talk {
    id: String,
    connection: String,
    lane: String,
    plan: Plan,
    step: Step,
    /// A writing request has left: a failure is unknown, not certain.
    wrote: bool,
    /// It was begun by this process, so that its time is measured.
    measured: bool,
    /// Its last question was not sent, because the target would have refused it.
    kept_back: bool,
    /// When its last question left: what the answer says held then, however long it lay here.
    left_at: Timestamp,
    /// What this process worked under when the conversation began; nothing is written under
    /// others.
    leases: Vec<Lease>,
}

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this, once so much time has passed.
    Send(Request, SignedDuration),
    /// Ask again at this time; the state is committed.
    WaitUntil(Timestamp),
    Finished,
}

/// Finds the next conversation of a connection whose lane is not in `busy`.
pub fn next(
    hub: &Hub,
    connection: &Connection,
    busy: &[String],
    now: Timestamp,
) -> Result<Option<Talk>, StoreError> {
    let Some(conversations) = connection.connector.conversations else { return Ok(None) };
    let Some(leases) = hub.turn.connection(&connection.name) else { return Ok(None) };
    let name = connection.name.clone();
    let (suspended, held, breaker, identity) = hub.store.read(|tx| {
        Ok((
            streams::suspended(tx, &name)?.is_some(),
            holds::held(tx, &name)?.is_some(),
            breakers::of(tx, &name)?,
            identities::of(tx, &name)?.filter(|_| conversations.identifies),
        ))
    })?;
    let (limit, last_first) = match breaker::gate(breaker.as_ref(), now) {
        Gate::Open => (BATCH, false),
        // One command that brings no answer must not be the only one that is ever tried.
        Gate::Narrow(limit) if busy.is_empty() => {
            (limit, breaker.as_ref().is_some_and(|breaker| breaker.failures % 2 == 1))
        }
        Gate::Narrow(_) | Gate::Shut => return Ok(None),
    };
    if suspended && !identity.as_ref().is_some_and(|identity| identity.stopped) {
        return Ok(None);
    }
    if conversations.identifies {
        match identity::stand(identity.as_ref(), breaker.as_ref(), now) {
            Stand::Known if !suspended => {}
            Stand::Ask(_) if busy.iter().any(|lane| lane == identity::LANE) => return Ok(None),
            Stand::Ask(known) => {
                let made = hub.store.read(|tx| again::newest_made(tx, &name, identity::NEWEST))?;
                let task = Task::Identify { known, made };
                let (lane, purpose) = (identity::LANE, Purpose::Identify);
                return Ok(Some(start(connection, lane, purpose, task, leases, now)));
            }
            Stand::Known | Stand::Wait => return Ok(None),
        }
    }
    if let Some(talk) = left_behind(hub, connection, busy, held, &leases, now)? {
        return Ok(Some(talk));
    }
    if conversations.delivers
        && !held
        && let Some(talk) = delivery(hub, connection, busy, (limit, last_first), &leases, now)?
    {
        return Ok(Some(talk));
    }
    if busy.iter().any(|lane| is_reading(lane)) {
        return Ok(None);
    }
    let (kept, reading, asked, due) = hub.store.read(|tx| {
        let kept = commands::kept(tx, &name)?;
        let mut reading = Vec::new();
        for one in kept.iter().filter(|kept| is_reading(&kept.lane)) {
            reading.extend(commands::conversation(tx, &one.id)?);
        }
        let asked = streams::asked(tx, &name, now, BATCH)?;
        Ok((kept, reading, asked, streams::due(tx, &name, now)?))
    })?;
    // What the target itself asked to wait holds up all that would be asked of it. What we keep back,
    // perhaps for minutes until one kind of question is allowed again, holds up no other kind.
    for one in &reading {
        if !plan_of(one)?.kept_back {
            return Ok(None);
        }
    }
    let is_free = |lane: &str| kept.iter().all(|kept| kept.lane != lane);
    if !asked.is_empty() && is_free(READING) {
        let hints: Vec<Hint> =
            asked.into_iter().map(|(kind, external_id, _)| Hint { kind, external_id }).collect();
        let task = Task::Read { hints: hints.clone() };
        let mut talk = start(connection, READING, Purpose::Read { hints }, task, leases, now);
        // What came in before it is older, even where a clock ran ahead when it came in (C7).
        let newest = hub.store.read(|tx| messages::newest_received(tx, &name))?;
        let newest = newest.filter(|_| !planted("answers_are_dated_by_a_clock"));
        let after = newest.and_then(|at| at.checked_add(SignedDuration::from_micros(1)).ok());
        talk.plan.asked_at = after.map_or(now, |after| after.max(now));
        return Ok(Some(talk));
    }
    // What is polled has to lie somewhere (C8).
    if hub.room.level() >= Level::Scarce {
        return Ok(None);
    }
    let due = due.into_iter().map(|stream| (polling(&stream.stream), stream));
    let Some((lane, stream)) = due.into_iter().find(|(lane, _)| is_free(lane)) else {
        if !is_free(LISTING) {
            return Ok(None);
        }
        let window = hub.store.read(|tx| listings::due(tx, &name, now))?;
        return Ok(window.map(|window| listing(connection, &window, leases, now)));
    };
    let task = Task::Poll {
        stream: stream.stream.clone(),
        cursor: stream.cursor,
        since: connection.since,
    };
    let purpose = Purpose::Poll { stream: stream.stream };
    Ok(Some(start(connection, &lane, purpose, task, leases, now)))
}

fn listing(connection: &Connection, window: &Listing, leases: Vec<Lease>, now: Timestamp) -> Talk {
    let (from, until) = (window.from, window.until);
    let kind = window.kind.word().to_owned();
    let purpose = Purpose::List { kind: kind.clone(), from };
    let task = Task::List { kind, from, until };
    start(connection, LISTING, purpose, task, leases, now)
}

/// Objects that are read one by one, and windows that are listed; each stream has a lane of its own.
/// They are never urgent enough to race: one of them is under way at a time, and the others wait.
const READING: &str = "reading";
const LISTING: &str = "listing";
const POLLING: &str = "polling/";

fn polling(stream: &str) -> String {
    format!("{POLLING}{stream}")
}

fn is_reading(lane: &str) -> bool {
    lane == READING || lane == LISTING || lane.starts_with(POLLING)
}

fn start(
    connection: &Connection,
    lane: &str,
    purpose: Purpose,
    task: Task,
    leases: Vec<Lease>,
    now: Timestamp,
) -> Talk {
    let id = key::id(&[&connection.name, lane, &now.as_nanosecond().to_string()]);
    let context = Context { settings: &connection.settings, now };
    let step = match connection.connector.conversations {
        Some(conversations) => (conversations.start)(&context, &task),
        None => Step::Failed(CallError::NotSetUp { why: "it holds no conversations".to_owned() }),
    };
    Talk {
        id,
        connection: connection.name.clone(),
        lane: lane.to_owned(),
        plan: Plan { purpose, task, asked_at: now, kept_back: false },
        step,
        wrote: false,
        measured: true,
        kept_back: false,
        left_at: now,
        leases,
    }
}

/// A conversation that a crash or a wait left in the store.
fn left_behind(
    hub: &Hub,
    connection: &Connection,
    busy: &[String],
    held: bool,
    leases: &[Lease],
    now: Timestamp,
) -> Result<Option<Talk>, StoreError> {
    if planted("a_conversation_is_never_resumed") {
        return Ok(None);
    }
    let due = hub.store.read(|tx| {
        let kept = commands::kept(tx, &connection.name)?;
        let due = kept.into_iter().find(|kept| {
            let goes = !held || is_reading(&kept.lane);
            goes && !busy.contains(&kept.lane) && (kept.sending || is_over(kept.wait_until, now))
        });
        due.map_or(Ok(None), |kept| commands::conversation(tx, &kept.id))
    })?;
    let Some(kept) = due else { return Ok(None) };
    let plan = plan_of(&kept)?;
    let mut talk = Talk {
        id: kept.id,
        connection: kept.connection,
        lane: kept.lane,
        plan,
        step: Step::Wait { for_ms: 0, state: State(kept.state) },
        wrote: true,
        measured: false,
        kept_back: false,
        left_at: now,
        leases: leases.to_vec(),
    };
    let why = if kept.sending { "the process stopped while it waited" } else { "waited" };
    let lost = CallError::ReplyLost { why: why.to_owned() };
    talk.resume(connection, Err(lost), now);
    Ok(Some(talk))
}

fn plan_of(kept: &Conversation) -> Result<Plan, StoreError> {
    serde_json::from_str(&kept.task).map_err(StoreError::corrupt)
}

/// Whether a conversation has waited long enough. Nobody waits for longer than an hour: what lies
/// further ahead was written by a clock that ran ahead (C7).
fn is_over(wait_until: i64, now: Timestamp) -> bool {
    let furthest = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
    !(now.as_microsecond() + 1..=furthest.as_microsecond()).contains(&wait_until)
}

impl Talk {
    pub fn lane(&self) -> &str {
        &self.lane
    }

    fn resume(
        &mut self,
        connection: &Connection,
        reply: Result<&Reply, CallError>,
        now: Timestamp,
    ) {
        let state = match &self.step {
            Step::Send { state, .. } | Step::Wait { state, .. } => state.clone(),
            Step::Done(_) | Step::Failed(_) => return,
        };
        let context = Context { settings: &connection.settings, now };
        if let Some(conversations) = connection.connector.conversations {
            self.step = (conversations.resume)(&context, &state, reply);
        }
    }

    /// Takes the reply to what was sent (none at the start) and says what comes next. Everything
    /// that must survive a crash is committed before this returns.
    pub fn advance(
        &mut self,
        hub: &Hub,
        connection: &Connection,
        reply: Option<Result<&Reply, CallError>>,
        now: Timestamp,
    ) -> Result<Next, StoreError> {
        if let Some(reply) = reply {
            if let (Step::Send { request, .. }, Ok(reply)) = (&self.step, &reply) {
                hub.allowances.hear(connection, request, reply, now);
            }
            self.kept_back = false;
            self.resume(connection, reply, now);
        }
        let mut waits = SignedDuration::ZERO;
        while let Step::Send { request, .. } = &self.step {
            match hub.allowances.draw(connection, request, now) {
                Leave::After(wait) => waits = wait,
                Leave::NotYet(wait) if !self.kept_back => {
                    self.kept_back = true;
                    let retry_after_ms = u64::try_from(wait.as_millis()).ok();
                    self.resume(connection, Err(CallError::RateLimited { retry_after_ms }), now);
                    continue;
                }
                // A conversation that asks something else instead is as good as refused.
                Leave::NotYet(wait) => {
                    let retry_after_ms = u64::try_from(wait.as_millis()).ok();
                    self.step = Step::Failed(CallError::RateLimited { retry_after_ms });
                }
            }
            break;
        }
        match self.step.clone() {
            Step::Send { request, writes, state } => {
                if writes {
                    self.save(hub, &state, true, 0, now)?;
                    self.wrote = true;
                }
                self.left_at = now;
                Ok(Next::Send(request, waits))
            }
            Step::Wait { for_ms, state } => {
                let wait = SignedDuration::from_millis(i64::try_from(for_ms).unwrap_or(i64::MAX));
                let until = now.checked_add(wait).unwrap_or(now);
                self.save(hub, &state, false, until.as_microsecond(), now)?;
                Ok(Next::WaitUntil(until))
            }
            Step::Done(outcome) => {
                self.done(hub, connection, outcome, now)?;
                Ok(Next::Finished)
            }
            Step::Failed(error) => {
                self.failed(hub, connection, error, now)?;
                Ok(Next::Finished)
            }
        }
    }

    fn save(
        &self,
        hub: &Hub,
        state: &State,
        sending: bool,
        wait_until: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let plan = Plan { kept_back: self.kept_back, ..self.plan.clone() };
        let conversation = Conversation {
            id: self.id.clone(),
            connection: self.connection.clone(),
            lane: self.lane.clone(),
            task: serde_json::to_string(&plan).map_err(StoreError::corrupt)?,
            state: state.0.clone(),
            sending,
            wait_until,
        };
        let leases = self.leases.clone();
        hub.store.write(move |tx| {
            check(tx, &leases)?;
            commands::save_conversation(tx, &conversation, now)
        })
    }

    fn done(
        &self,
        hub: &Hub,
        connection: &Connection,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, name) = (self.id.clone(), self.connection.clone());
        let (plan, measured, kept_back) = (self.plan.clone(), self.measured, self.kept_back);
        let left_at = self.left_at;
        let every = poll_interval(connection, &plan.purpose);
        let leases = self.leases.clone();
        let connection = connection.clone();
        // What a call was refused for in the middle counts as well (B9).
        let errors = outcome.receipts.iter().filter_map(|receipt| error_of(&receipt.outcome));
        let mut errors = errors.filter(|error| matches!(error, CallError::RateLimited { .. }));
        let silence = errors.next().cloned();
        let mut errors = outcome.receipts.iter().filter_map(|receipt| error_of(&receipt.outcome));
        let denied = errors.rfind(|error| error.next_step() == NextStep::Pause).cloned();
        let applied = outcome.receipts.iter().filter(|receipt| {
            hub.store.has_rivals() && matches!(receipt.outcome, ReceiptOutcome::Applied { .. })
        });
        let applied: Vec<String> = applied.map(|receipt| receipt.key.clone()).collect();
        let lane = self.lane.clone();
        let too_many = Late::of(&hub.allowances, &name, &outcome.receipts, now);
        if let (Purpose::Poll { stream }, true) = (&plan.purpose, planted("cursor_before_records"))
        {
            let (name, stream, cursor) = (name.clone(), stream.clone(), outcome.cursor.clone());
            let (wait, leases) = (Wait::of(every, now), leases.clone());
            hub.store.write(move |tx| {
                check(tx, &leases)?;
                streams::polled(tx, &name, &stream, cursor.as_deref(), now, wait)
            })?;
        }
        hub.store.redo(move |tx| {
            check(tx, &leases)?;
            learn(tx, &plan, (&name, &lane), measured, now)?;
            // That somebody says who he is does not mean that he does what he is asked.
            if !kept_back && (plan.purpose != Purpose::Identify || silence.is_some()) {
                stands(tx, &name, &connection.entity, silence.as_ref(), now)?;
            }
            let of = (&plan.purpose, lane.as_str());
            match &denied {
                Some(error) => pauses::denied(tx, &connection, of, error, now)?,
                None => pauses::granted(tx, &name, of, now)?,
            }
            if planted("receipts_are_thrown_away") && !outcome.receipts.is_empty() {
                return commands::end_conversation(tx, &id);
            }
            for record in &outcome.records {
                let message = message_of(&name, record, plan.asked_at);
                match plan.purpose {
                    Purpose::Read { .. } => messages::record_answer(tx, &message, now)?,
                    _ => messages::record_read(tx, &message, now).map(drop)?,
                }
            }
            let mut found = 0;
            for receipt in &outcome.receipts {
                found += usize::from(take_receipt(tx, &name, receipt, &too_many, now)?);
            }
            if found > 0 {
                let detail = format!("replies were lost; {found} effects were found by key");
                cases::absorb(tx, "lost_reply", &id, &detail, now)?;
            }
            match &plan.purpose {
                Purpose::Poll { stream } => {
                    let wait = Wait::of(every, now);
                    let cursor = outcome.cursor.as_deref();
                    streams::polled(tx, &name, stream, cursor, plan.asked_at, wait)?;
                }
                Purpose::Read { hints } => {
                    for hint in hints {
                        streams::answered(tx, &name, &hint.kind, &hint.external_id)?;
                        let (subject, by) = (subject_of(&name, hint), "it could be read");
                        cases::resolve(tx, Some(UNREADABLE), &subject, by, now)?;
                    }
                }
                Purpose::List { kind, from } => {
                    let window = window_of(kind, *from)?;
                    let moments = (plan.asked_at, now);
                    completeness::answered(tx, &connection, window, &outcome.listed, moments)?;
                }
                Purpose::Identify => {
                    let Task::Identify { known, made } = &plan.task else { return Ok(()) };
                    let said = outcome.identity.as_deref().cloned().unwrap_or_default();
                    let before = known.as_deref();
                    identity::confirmed(tx, &name, before, &said.found, (left_at, now))?;
                    identity::compared(tx, &connection, made.len(), &said.missing, now)?;
                }
                Purpose::Deliver | Purpose::LookUp => {
                    let wait = Wait::of(RETRY_FIRST, now);
                    let why = "the conversation ended without a receipt";
                    commands::orphaned(tx, &id, wait, "TU103", why)?;
                }
            }
            commands::end_conversation(tx, &id)
        })?;
        if applied.is_empty() {
            return Ok(());
        }
        // A decision that wrote what waits for them may not have seen this commit, nor it the decision.
        hub.store.redo(move |tx| commands::release_behind(tx, &applied))
    }

    fn failed(
        &self,
        hub: &Hub,
        connection: &Connection,
        error: CallError,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = self.id.clone();
        let plan = self.plan.clone();
        if self.kept_back {
            tracing::debug!(connection = connection.name, lane = self.lane, %error, "kept back");
        } else {
            tracing::warn!(
                connection = connection.name,
                lane = self.lane,
                code = error.code(),
                %error,
                "a conversation failed"
            );
        }
        let (wrote, measured, kept_back) = (self.wrote, self.measured, self.kept_back);
        let lane = self.lane.clone();
        let connection = connection.clone();
        let leases = self.leases.clone();
        let receipts = receipts_of(&plan.task, &error);
        let too_many = Late::of(&hub.allowances, &connection.name, &receipts, now);
        hub.store.redo(move |tx| {
            check(tx, &leases)?;
            commands::end_conversation(tx, &id)?;
            let silence = breaker::is_silence(&error).then_some(&error);
            // Who takes so long that the answer is lost is asked for less.
            let late = measured && matches!(error, CallError::ReplyLost { .. });
            learn(tx, &plan, (&connection.name, &lane), late, now)?;
            let identifies = plan.purpose == Purpose::Identify;
            if !kept_back && (silence.is_some() || !identifies) {
                stands(tx, &connection.name, &connection.entity, silence, now)?;
            }
            let told =
                identifies && silence.is_none() && identity::denied(tx, &connection, &error, now)?;
            if !identifies {
                let of = (&plan.purpose, lane.as_str());
                pauses::denied(tx, &connection, of, &error, now)?;
            }
            // Who it is must be known: what stands in the way of that is for a person.
            let stops = error.next_step() == NextStep::Suspend
                || (identifies
                    && matches!(error.next_step(), NextStep::DeadLetter | NextStep::Pause));
            if stops && !told {
                suspend(tx, &connection, &error, now)?;
            }
            match &plan.purpose {
                Purpose::Poll { stream } if kept_back => {
                    let wait = Wait::of(patience_of(&error).unwrap_or(RETRY_FIRST), now);
                    streams::put_off(tx, &connection.name, stream, wait)
                }
                Purpose::Poll { stream } => {
                    let failures = streams::failures(tx, &connection.name, stream)?;
                    let wait = Wait::of(delay(failures + 1, stream), now);
                    let (code, text) = (error.code(), error.to_string());
                    streams::failed(tx, &connection.name, stream, code, &text, wait)
                }
                Purpose::Read { hints } => {
                    for hint in hints {
                        read_failed(tx, &connection, hint, &error, now)?;
                    }
                    Ok(())
                }
                Purpose::List { kind, from } => {
                    completeness::failed(tx, &connection, window_of(kind, *from)?, &error, now)
                }
                Purpose::Identify => Ok(()),
                Purpose::Deliver | Purpose::LookUp => {
                    let tried = commands::attempts(tx, &id)?;
                    if is_outage(&error) {
                        commands::not_attempted(tx, &id)?;
                    }
                    let wait = patience_of(&error).unwrap_or_else(|| delay(tried - 1, &id));
                    let wait = Wait::of(wait, now);
                    let wrote = wrote && !planted("a_lost_reply_was_never_sent");
                    // A look-up that failed has learnt nothing, whatever stood in its way.
                    let looked_up = plan.purpose == Purpose::LookUp;
                    if wrote || looked_up || error.next_step() == NextStep::LookUp {
                        let text = error.to_string();
                        commands::orphaned(tx, &id, wait, error.code(), &text)?;
                        if looked_up && will_not_answer(&error, tried) {
                            for receipt in &receipts {
                                not_known(tx, &receipt.key, &error, now)?;
                            }
                        }
                        return Ok(());
                    }
                    for receipt in &receipts {
                        take_receipt(tx, &connection.name, receipt, &too_many, now)?;
                    }
                    Ok(())
                }
            }
        })
    }
}

/// What becomes of the commands of a delivery that failed as a whole before anything was written.
fn receipts_of(task: &Task, error: &CallError) -> Vec<Receipt> {
    let (Task::Deliver { commands } | Task::LookUp { commands }) = task else { return Vec::new() };
    let outcome = |error: CallError| match error.next_step() {
        NextStep::DeadLetter => ReceiptOutcome::Refused { error },
        _ => ReceiptOutcome::NotApplied { error },
    };
    let receipt =
        |command: &Dispatch| Receipt { key: command.key.clone(), outcome: outcome(error.clone()) };
    commands.iter().map(receipt).collect()
}

fn window_of(kind: &str, from: Timestamp) -> Result<(Kind, Timestamp), StoreError> {
    Ok((kind.parse().map_err(StoreError::corrupt)?, from))
}

/// How long each sweep of a connection rests between two polls.
pub(crate) fn sweep_intervals(connection: &Connection) -> impl Iterator<Item = SignedDuration> {
    let streams = connection.connector.streams(&connection.settings);
    streams
        .filter(|stream| stream.needs.is_none())
        .map(|known| poll_interval(connection, &Purpose::Poll { stream: known.name.to_owned() }))
}

fn poll_interval(connection: &Connection, purpose: &Purpose) -> SignedDuration {
    const DEFAULT_S: u32 = 300;
    let Purpose::Poll { stream } = purpose else { return SignedDuration::ZERO };
    let mut streams = connection.connector.streams(&connection.settings);
    let own = streams.find(|known| known.name == stream).map(|known| known.every_s);
    let seconds = connection.poll_every_s.or(own).unwrap_or(DEFAULT_S);
    SignedDuration::from_secs(i64::from(seconds))
}

/// Keeps how long a delivery took, where that was measured. A look-up is as large as what it looks
/// up.
fn learn(
    tx: &mut Tx<'_>,
    plan: &Plan,
    (connection, lane): (&str, &str),
    measured: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    match &plan.task {
        Task::Deliver { commands } if measured => {
            let took = plan.asked_at.duration_until(now);
            pace::learn(tx, connection, lane, commands.len(), took)
        }
        _ => Ok(()),
    }
}

fn message_of(connection: &str, record: &Record, asked_at: Timestamp) -> NewMessage {
    NewMessage {
        connection: connection.to_owned(),
        source_id: format!("{}/{}", record.kind, record.external_id),
        kind: record.kind.clone(),
        origin: Origin::Poll,
        headers: String::new(),
        body: record.body.clone(),
        asked_at: Some(asked_at),
    }
}

/// Nothing was carried out, and whatever was asked has no part in it.
fn is_outage(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Unreachable { .. } | CallError::RateLimited { .. } | CallError::Denied { .. }
    )
}

/// For how long a target asked to be left alone.
fn patience_of(error: &CallError) -> Option<SignedDuration> {
    match error.next_step() {
        NextStep::Retry { after: Some(after) } => {
            Some(SignedDuration::try_from(after).unwrap_or(RETRY_LONGEST))
        }
        _ => None,
    }
}

/// Keeps how a connection stands after a conversation: with an answer, or with silence.
fn stands(
    tx: &mut Tx<'_>,
    connection: &str,
    entity: &str,
    silence: Option<&CallError>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let before = breakers::of(tx, connection)?;
    let Some(error) = silence else {
        let Some(before) = before else { return Ok(()) };
        breakers::put(tx, connection, breaker::after_answer(before, now).as_ref())?;
        return cases::resolve(tx, Some("connection_down"), connection, "it answers again", now);
    };
    let after = breaker::after_silence(before, connection, error, now);
    breakers::put(tx, connection, Some(&after))?;
    if !breaker::lasts(&after, now) {
        return Ok(());
    }
    let case = cases::NewCase {
        kind: "connection_down",
        subject: connection,
        entity,
        title: &format!("The connection {connection} gets no answer"),
        detail: &format!("{error} ({})", error.code()),
        remedy: "see whether the other side is up and reachable from here; what waits goes out in \
                 order when it answers, and nothing is lost",
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)
}

/// Exponential, with a jitter that depends on the subject: many retries do not herd, and a replay
/// waits as long as the first time.
pub(crate) fn delay(attempts: i64, subject: &str) -> SignedDuration {
    let doublings = u32::try_from(attempts.max(0)).unwrap_or(u32::MAX).min(RETRY_DOUBLINGS_MAX);
    let full = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_LONGEST);
    let jitter = key::id(&["jitter", subject, &attempts.to_string()]);
    let share = u32::from_str_radix(jitter.get(..4).unwrap_or("0"), 16).unwrap_or(0);
    let half = full / 2;
    let spread = half.as_millis() * i128::from(share) / i128::from(u32::from(u16::MAX));
    half + SignedDuration::from_millis(i64::try_from(spread).unwrap_or(0))
}

const fn error_of(outcome: &ReceiptOutcome) -> Option<&CallError> {
    match outcome {
        // The other side answered.
        ReceiptOutcome::Applied { .. } | ReceiptOutcome::HeldAlready { .. } => None,
        ReceiptOutcome::Refused { error }
        | ReceiptOutcome::NotApplied { error }
        | ReceiptOutcome::Unknown { error } => Some(error),
    }
}

fn suspend(
    tx: &mut Tx<'_>,
    connection: &Connection,
    error: &CallError,
    now: Timestamp,
) -> Result<(), StoreError> {
    streams::suspend(tx, &connection.name, &error.to_string(), now)?;
    let case = cases::NewCase {
        kind: "connection_suspended",
        subject: &connection.name,
        entity: &connection.entity,
        title: &format!("The connection {} is suspended", connection.name),
        detail: &format!("{error} ({})", error.code()),
        remedy: "mend the credentials or rights, then resume the connection (retry); nothing is lost",
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)
}
