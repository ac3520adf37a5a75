//! What people decide: about a case, or that something is to be tried again.
//!
//! A decision is a message of the internal connection `trueup`: it goes in at the front door with
//! who and why, and is kept like every other message. It is recorded and carried out in one
//! transaction, so that what a person was told is in force; a decision that does not apply any more
//! is refused and leaves nothing.
//!
//! What is decided about a cause is decided about each open case that has it, as one decision.
//!
//! No decision changes a fact, an entry or what the sides state. A case whose cause stands can only be
//! *accepted*: its keys stay broken, its difference stays a step of the bridge, and it opens again
//! when its cause changes. What the books refused can be *skipped*: the books will not hold it, which
//! is a difference that bears the name of who skipped it. What a source stated wrongly can be
//! *corrected*, which takes two people ([`crate::corrections`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_domain::derive::books::GONE;
use trueup_matching::judge::BreakKind;
use trueup_store::cases::{Case, End};
use trueup_store::commands::again;
use trueup_store::messages::{self, Fate, NewMessage, Origin, Recorded};
use trueup_store::{
    StoreError, Tx, breakers, cases, commands, decisions, documents, holds, identities, schedules,
    scopes, streams,
};

use crate::corrections;
use crate::invoices::{self, To};
use crate::replay::Selection;
use crate::setup::{Connection, Hub};
use crate::talk::pauses;

/// The internal connection; none of this name can be configured.
pub const CONNECTION: &str = "trueup";
/// The kind of the messages that are decisions.
pub const DECISION: &str = "trueup/decision";
/// Longer texts than this belong into a document.
const TEXT_MAX: usize = 2_000;

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum What {
    /// The cause of a case does not stand any more.
    Close { case: String },
    /// The cause of a case stands and is taken as it is.
    Accept { case: String },
    /// A case is this person's work; an empty name takes it back.
    Assign { case: String, assignee: String },
    /// Something to know about a case.
    Note { case: String },
    /// What a case is about is not done, and will not be: a command that the books refused, with
    /// what cannot be without it, or something that cannot be read.
    Skip { case: String },
    /// A case, cause, command, message, root, key or connection is taken up again.
    Retry { about: String },
    /// A connection delivers nothing until it is released.
    Hold { connection: String },
    /// What is held is delivered.
    Release { connection: String },
    /// A job runs now, beside its times.
    Run { schedule: String },
    /// A message should have said this; another person has to approve it ([`corrections`]).
    Correct { message: String, text: String },
    /// What was proposed takes the place of its message: exactly the body with this hash.
    Approve { correction: String, hash: String },
    /// What was proposed is not to be.
    Reject { correction: String },
    /// A sale gets an invoice of its own, made out to its buyer or to whom it says ([`invoices`]).
    Invoice { sale: String, company: Option<String>, vat_number: Option<String> },
    /// What was taken in is taken up again, as a plan lists it ([`crate::replay`]).
    Replay {
        /// The plan that the person saw.
        plan: String,
        selection: Box<Selection>,
        /// Messages to decode again.
        messages: Vec<String>,
        /// Roots to decide again that no message raises.
        roots: Vec<String>,
        /// Roots that the newest mapping decides from now on.
        unpin: Vec<String>,
    },
}

impl What {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Close { .. } => "close",
            Self::Accept { .. } => "accept",
            Self::Assign { .. } => "assign",
            Self::Note { .. } => "note",
            Self::Skip { .. } => "skip",
            Self::Retry { .. } => "retry",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::Run { .. } => "run",
            Self::Correct { .. } => "correct",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Invoice { .. } => "invoice",
            Self::Replay { .. } => "replay",
        }
    }

    fn about(&self) -> &str {
        match self {
            Self::Close { case }
            | Self::Accept { case }
            | Self::Assign { case, .. }
            | Self::Note { case }
            | Self::Skip { case } => case,
            Self::Retry { about } => about,
            Self::Hold { connection } | Self::Release { connection } => connection,
            Self::Run { schedule } => schedule,
            Self::Correct { message, .. } => message,
            Self::Approve { correction, .. } | Self::Reject { correction } => correction,
            Self::Invoice { sale, .. } => sale,
            Self::Replay { plan, .. } => plan,
        }
    }

    /// The case or cause that it may be about.
    fn case(&self) -> Option<&str> {
        match self {
            Self::Close { case }
            | Self::Accept { case }
            | Self::Assign { case, .. }
            | Self::Note { case }
            | Self::Skip { case }
            | Self::Retry { about: case } => Some(case),
            _ => None,
        }
    }

    /// The same about one case.
    fn about_case(mut self, id: &str) -> Self {
        if let Self::Close { case }
        | Self::Accept { case }
        | Self::Assign { case, .. }
        | Self::Note { case }
        | Self::Skip { case }
        | Self::Retry { about: case } = &mut self
        {
            id.clone_into(case);
        }
        self
    }

    /// Whether it says nothing without a reason.
    const fn wants_reason(&self) -> bool {
        match self {
            Self::Close { .. }
            | Self::Accept { .. }
            | Self::Note { .. }
            | Self::Skip { .. }
            | Self::Hold { .. }
            | Self::Release { .. }
            | Self::Correct { .. }
            | Self::Reject { .. }
            | Self::Invoice { .. }
            | Self::Replay { .. } => true,
            Self::Assign { .. } | Self::Retry { .. } | Self::Run { .. } | Self::Approve { .. } => {
                false
            }
        }
    }
}

/// A decision with who made it and why: the body of its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    #[serde(flatten)]
    pub what: What,
    /// As the person says; there are no accounts yet.
    pub person: String,
    pub reason: String,
}

/// Why a decision was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no {0}")]
    Unknown(String),
    /// Who or why is missing.
    #[error("{0}")]
    Incomplete(&'static str),
    /// It does not fit how the thing stands.
    #[error("{0}")]
    NotApplicable(String),
}

pub(crate) fn not_applicable<T>(why: impl Into<String>) -> Outcome<T> {
    Ok(Err(Refusal::NotApplicable(why.into())))
}

/// The store's failures outside, the refusals of a decision inside.
pub type Outcome<T> = Result<Result<T, Refusal>, StoreError>;

/// Takes a decision: checks it, records it and carries it out. Returns what happens now, as a
/// sentence.
pub fn take(
    tx: &mut Tx<'_>,
    hub: &Hub,
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    let decision = &Decision {
        person: decision.person.trim().to_owned(),
        reason: decision.reason.trim().to_owned(),
        what: decision.what.clone(),
    };
    if decision.person.is_empty() {
        return Ok(Err(Refusal::Incomplete("say who decides")));
    }
    if decision.reason.is_empty() && decision.what.wants_reason() {
        return Ok(Err(Refusal::Incomplete("say why")));
    }
    if decision.person.len() > TEXT_MAX || decision.reason.len() > TEXT_MAX {
        return Ok(Err(Refusal::Incomplete("say it in fewer words")));
    }
    let together = match decision.what.case() {
        Some(id) if cases::find(tx, id)?.is_none() => cases::of_cause(tx, id)?,
        _ => Vec::new(),
    };
    let done = if together.is_empty() {
        carry_out(tx, hub, decision, now)?
    } else {
        carry_out_together(tx, hub, decision, &together, now)?
    };
    if done.is_ok() {
        record(tx, decision, now)?;
    }
    Ok(done)
}

/// Decides the same of all open cases of one cause; those to which it does not apply are left as they
/// are. It is one decision, about the cause.
fn carry_out_together(
    tx: &mut Tx<'_>,
    hub: &Hub,
    decision: &Decision,
    together: &[Case],
    now: Timestamp,
) -> Outcome<&'static str> {
    let (mut done, mut refused) = (false, None);
    for case in together {
        let one = Decision { what: decision.what.clone().about_case(&case.id), ..decision.clone() };
        match carry_out(tx, hub, &one, now)? {
            Ok(_) => done = true,
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    Ok(match refused {
        None => Ok("It is done for all open cases of this cause."),
        Some(_) if done => Ok("It is done for the open cases of this cause that it applies to."),
        Some(refusal) => Err(refusal),
    })
}

fn carry_out(
    tx: &mut Tx<'_>,
    hub: &Hub,
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    match &decision.what {
        What::Close { case } => close(tx, case, End::Closed, decision, now),
        What::Accept { case } => close(tx, case, End::Accepted, decision, now),
        What::Assign { case, assignee } => assign(tx, case, assignee.trim()),
        What::Note { case } => Ok(match cases::find(tx, case)? {
            Some(_) => Ok("The note is kept with the case."),
            None => Err(no_case(case)),
        }),
        What::Skip { case } => skip(tx, case, decision, now),
        What::Retry { about } => retry(tx, hub, about, decision, now),
        What::Hold { connection } => hold(tx, hub, connection, decision, now),
        What::Release { connection } => release(tx, connection, now),
        What::Run { schedule } => run(tx, schedule, decision, now),
        What::Correct { message, text } => {
            corrections::propose(tx, hub, (message, text), decision, now)
        }
        What::Approve { correction, hash } => {
            corrections::approve(tx, hub, (correction, hash), decision, now)
        }
        What::Reject { correction } => corrections::reject(tx, correction, decision, now),
        What::Invoice { sale, company, vat_number } => {
            let to = To { company: company.as_deref(), vat_number: vat_number.as_deref() };
            invoices::ask(tx, hub, sale, to, now)
        }
        What::Replay { messages, roots, unpin, .. } => replay(tx, messages, roots, unpin),
    }
}

/// Stores the decision as the message that it is.
fn record(tx: &mut Tx<'_>, decision: &Decision, now: Timestamp) -> Result<(), StoreError> {
    let message = NewMessage {
        connection: CONNECTION.to_owned(),
        source_id: format!("decision/{}/{}", now.as_microsecond(), decision.what.about()),
        kind: DECISION.to_owned(),
        origin: Origin::Internal,
        headers: String::new(),
        body: serde_json::to_vec(decision).map_err(StoreError::corrupt)?,
        asked_at: None,
    };
    let (Recorded::Stored(id) | Recorded::Repeat(id)) = messages::record(tx, &message, now)?;
    messages::finish(tx, &id, Fate::Decoded, None)?;
    let assignee = match &decision.what {
        What::Assign { assignee, .. } => assignee.trim().to_owned(),
        _ => String::new(),
    };
    decisions::record(
        tx,
        &decisions::Decision {
            message: id,
            about: decision.what.about().to_owned(),
            kind: decision.what.word().to_owned(),
            person: decision.person.clone(),
            reason: decision.reason.clone(),
            assignee,
            made_at: now,
        },
    )
}

/// Whether a connection brings anything to its target.
fn delivers(connection: &Connection) -> bool {
    connection.connector.conversations.is_some_and(|it| it.delivers)
}

fn hold(
    tx: &mut Tx<'_>,
    hub: &Hub,
    name: &str,
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    let Some(connection) = hub.connection(name) else {
        return Ok(Err(Refusal::Unknown(format!("connection `{name}`"))));
    };
    if !delivers(connection) {
        return not_applicable("the connection delivers nothing");
    }
    if holds::held(tx, name)?.is_some() {
        return not_applicable("the connection is held already");
    }
    hold_one(tx, connection, &decision.reason, now)?;
    Ok(Ok("What is under way ends; nothing more is delivered until the connection is released."))
}

pub(crate) fn hold_one(
    tx: &mut Tx<'_>,
    connection: &Connection,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    holds::hold(tx, &connection.name, reason, now)?;
    let case = cases::NewCase {
        kind: "connection_held",
        subject: &connection.name,
        entity: &connection.entity,
        title: &format!("Nothing is delivered to {}", connection.name),
        detail: reason,
        remedy: "see that the target is as it should be, then release the connection (`trueup \
                 release`); what waits goes out in order",
        amount: None,
        owner: "operator",
    };
    cases::open(tx, &case, now)
}

/// After a database was brought back from a backup: nothing is delivered until a person releases
/// it, and every source is asked at once for what came in since. Returns the connections that are
/// held.
pub fn restored(
    tx: &mut Tx<'_>,
    hub: &Hub,
    person: &str,
    from: &str,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let mut held = Vec::new();
    for (name, connection) in &hub.setup.connections {
        streams::poll_now(tx, name)?;
        if !delivers(connection) || holds::held(tx, name)?.is_some() {
            continue;
        }
        let reason = format!("the database was brought back from {from}");
        hold_one(tx, connection, &reason, now)?;
        let what = What::Hold { connection: name.clone() };
        record(tx, &Decision { what, person: person.to_owned(), reason }, now)?;
        held.push(name.clone());
    }
    Ok(held)
}

fn release(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Outcome<&'static str> {
    if !holds::release(tx, name)? {
        return not_applicable("the connection is not held");
    }
    cases::resolve(tx, Some("connection_held"), name, "the connection was released", now)?;
    Ok(Ok("What waited is delivered next; what was under way is looked up by its key first."))
}

fn run(tx: &mut Tx<'_>, name: &str, decision: &Decision, now: Timestamp) -> Outcome<&'static str> {
    if !schedules::ask(tx, name, &decision.person, now)? {
        return Ok(Err(Refusal::Unknown(format!("schedule `{name}`"))));
    }
    Ok(Ok("The job runs next; its own times stay as they are."))
}

fn replay(
    tx: &mut Tx<'_>,
    messages: &[String],
    roots: &[String],
    unpin: &[String],
) -> Outcome<&'static str> {
    if messages.is_empty() && roots.is_empty() {
        return not_applicable("nothing would change");
    }
    documents::unpin(tx, unpin)?;
    messages::take_up_again(tx, messages)?;
    documents::take_up_again(tx, roots)?;
    Ok(Ok("What the plan lists is decoded and decided again next; nothing else is touched."))
}

fn no_case(id: &str) -> Refusal {
    Refusal::Unknown(format!("case `{id}`"))
}

fn close(
    tx: &mut Tx<'_>,
    id: &str,
    end: End,
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    let Some(case) = cases::find(tx, id)? else { return Ok(Err(no_case(id))) };
    if !case.is_open() {
        return not_applicable("the case is not open");
    }
    match (end, cause(tx, &case)?) {
        (End::Closed, Some(why)) => {
            return not_applicable(format!(
                "its cause still stands: {why}; mend it and the case closes by itself, or accept \
                 it as it is"
            ));
        }
        (End::Accepted, _) if case.kind == "connection_suspended" => {
            return not_applicable("a connection that is suspended is resumed, not accepted");
        }
        (End::Accepted, _) if case.kind == "connection_held" => {
            return not_applicable("a connection that is held is released, not accepted");
        }
        (End::Accepted, _) if matches!(&*case.kind, "another_target" | "target_unfit") => {
            return not_applicable("it closes by itself when the right target answers");
        }
        (End::Accepted, _) if case.kind == pauses::CASE => {
            return not_applicable("it closes by itself when the right is there");
        }
        (End::Accepted, _) if case.kind == corrections::CASE => {
            return not_applicable("a correction is approved or rejected, not accepted");
        }
        (End::Accepted, _) if case.kind == "connection_down" => {
            return not_applicable("it closes by itself when the other side answers");
        }
        (End::Accepted, None) => {
            return not_applicable("its cause does not stand any more: close it");
        }
        _ => {}
    }
    if !cases::end(tx, id, end, &decision.person, &decision.reason, now)? {
        return not_applicable("the case is not open");
    }
    // What the record stated is a difference of its own from now on.
    if case.kind == GONE
        && let Some(root) = documents::find_root(tx, &case.subject)?
        && let Some(command) = again::of_record(tx, &root.connection, &root.external_id)?
        && let Some((_, key)) = command.states
    {
        scopes::retry(tx, &key)?;
    }
    Ok(Ok(match end {
        End::Closed => "The case is closed; it opens again if its cause comes back.",
        End::Accepted | End::Skipped => {
            "The case is accepted as it is. It stays unproven and in the bridges, and opens again \
             if it changes."
        }
    }))
}

/// Why the hub would open the case again by itself, if it would. What it cannot know any more, such
/// as a record that a person compared, is a person's word.
pub fn cause(tx: &mut Tx<'_>, case: &Case) -> Result<Option<String>, StoreError> {
    let subject = &case.subject;
    match case.kind.as_str() {
        "undecodable" => {
            let failed = messages::find(tx, subject)?.is_some_and(|it| it.state == "failed");
            Ok(failed.then(|| "the message cannot be read".to_owned()))
        }
        "connection_suspended" | "another_target" | "target_unfit" => {
            let reason = streams::suspended(tx, subject)?;
            Ok(reason.map(|_| "the connection is suspended".to_owned()))
        }
        pauses::CASE => {
            let waits = pauses::stands(tx, subject)?;
            Ok(waits.then(|| "the right is still missing".to_owned()))
        }
        "connection_down" => {
            let down = breakers::of(tx, subject)?;
            Ok(down.map(|_| "the other side does not answer".to_owned()))
        }
        "job_failed" => {
            let standing = schedules::find(tx, subject)?;
            let failed = standing.and_then(|it| it.last).is_some_and(|last| !last.done);
            Ok(failed.then(|| "its last run failed".to_owned()))
        }
        corrections::CASE => {
            let stands = corrections::stands(tx, subject)?;
            Ok(stands.then(|| "the correction waits for who approves or rejects it".to_owned()))
        }
        "connection_held" => {
            let reason = holds::held(tx, subject)?;
            Ok(reason.map(|_| "the connection is held".to_owned()))
        }
        "disk_filling" => Ok(Some("the disk is short, and the case closes with room".to_owned())),
        "unreadable_object" | "identity_reused" | "posted_differs" | "date_moved" => Ok(None),
        _ => {
            if let Some(key) = subject.strip_prefix("command/") {
                let command = commands::find(tx, key)?;
                let why = command.and_then(|command| match command.state.as_str() {
                    "refused" => Some("the command is refused"),
                    "unknown" => Some("what became of the command is not known"),
                    _ => None,
                });
                return Ok(why.map(str::to_owned));
            }
            if let Some(scope) = scopes::find(tx, subject)? {
                let stands = scope.verdict.break_kind.as_deref() == Some(&*case.kind);
                return Ok(stands.then_some(scope.verdict.detail));
            }
            // DECIDE closes what it does not derive any more, so that what is open is derived.
            let root = documents::find_root(tx, subject)?;
            Ok(root.map(|_| "it follows from what the source states".to_owned()))
        }
    }
}

/// What can be skipped of a case: a command and what is bound to it, or a thing that cannot be read.
#[derive(Clone, Debug)]
pub enum Skippable {
    /// What would be skipped with the command, in the order in which it was asked for.
    Command {
        key: String,
        with: Vec<commands::Shown>,
    },
    Message,
    /// Connection, kind, external id.
    Object(String, String, String),
}

impl Skippable {
    /// What skipping it does, in a sentence.
    pub fn in_words(&self) -> String {
        let what = match self {
            Self::Command { with, .. } if with.is_empty() => {
                "Skipping it: the books do not get it".to_owned()
            }
            Self::Command { with, .. } => {
                let with: Vec<&str> = with.iter().map(|it| it.kind.word()).collect();
                format!(
                    "Skipping it: the books do not get it, nor what cannot be without it ({})",
                    with.join(", ")
                )
            }
            Self::Message => "Skipping it: the message is kept and not read".to_owned(),
            Self::Object(..) => "Skipping it: it is not asked for again".to_owned(),
        };
        let news = match self {
            Self::Message => "",
            Self::Command { .. } | Self::Object(..) => "news of the source comes or ",
        };
        format!("{what}, until {news}somebody takes it up again.")
    }
}

/// What skipping a case would skip, or why that is not for it.
pub fn skippable(tx: &mut Tx<'_>, case: &Case) -> Outcome<Skippable> {
    if let Some(key) = case.subject.strip_prefix("command/") {
        let Some(command) = commands::find(tx, key)? else { return Ok(Err(no_case(&case.id))) };
        let with = commands::skips::bound_to(tx, key)?;
        let moving = with.iter().find(|it| !matches!(it.state.as_str(), "waiting" | "refused"));
        return match (command.state.as_str(), moving) {
            ("refused", None) => Ok(Ok(Skippable::Command { key: key.to_owned(), with })),
            ("refused", Some(one)) => not_applicable(format!(
                "{} needs it and is {}: it can be skipped when that is over",
                one.key, one.state
            )),
            ("sent" | "unknown", _) => not_applicable(
                "it is not known yet whether the books made something of it; it is looked up by \
                 itself, and can be skipped when they say that they did not",
            ),
            ("applied", _) => not_applicable("the books made it: there is nothing left to skip"),
            ("skipped", _) => not_applicable("it is skipped already"),
            ("withdrawn", _) => not_applicable("it was replaced or taken back, and is not sent"),
            _ => not_applicable("it is about to be sent; only what the books refused is skipped"),
        };
    }
    match case.kind.as_str() {
        "undecodable" => match messages::find(tx, &case.subject)? {
            Some(message) if message.state == "failed" => Ok(Ok(Skippable::Message)),
            _ => not_applicable("the message can be read, or is about to be decoded"),
        },
        "unreadable_object" => match object_of(&case.subject) {
            Some((connection, kind, id)) => Ok(Ok(Skippable::Object(connection, kind, id))),
            None => Ok(Err(no_case(&case.id))),
        },
        _ => not_applicable(
            "only what the books refused and what cannot be read is skipped; what else stands is \
             mended, or accepted as it is",
        ),
    }
}

fn skip(tx: &mut Tx<'_>, id: &str, decision: &Decision, now: Timestamp) -> Outcome<&'static str> {
    let Some(case) = cases::find(tx, id)? else { return Ok(Err(no_case(id))) };
    if case.is_skipped() || !(case.is_open() || case.is_accepted()) {
        return not_applicable("the case is not open");
    }
    let what = match skippable(tx, &case)? {
        Ok(what) => what,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (person, reason) = (decision.person.as_str(), decision.reason.as_str());
    let done = match what {
        Skippable::Command { key, .. } => {
            let word = commands::skips::Word { person, reason };
            match commands::skips::skip(tx, &key, word, now)? {
                Some(_) => {
                    "It is not sent, nor is what cannot be without it, unless news of the source \
                     replaces it or a person takes it up again."
                }
                None => return not_applicable("it is not refused any more"),
            }
        }
        Skippable::Message if messages::skip(tx, &case.subject)? => {
            "The message is not read; it is kept, and can be decoded again."
        }
        Skippable::Message => return not_applicable("the message is not refused any more"),
        Skippable::Object(connection, kind, id) => {
            streams::answered(tx, &connection, &kind, &id)?;
            "It is not read, unless its source tells of it again."
        }
    };
    cases::end(tx, id, End::Skipped, person, reason, now)?;
    Ok(Ok(done))
}

fn assign(tx: &mut Tx<'_>, id: &str, assignee: &str) -> Outcome<&'static str> {
    let Some(case) = cases::find(tx, id)? else { return Ok(Err(no_case(id))) };
    if !case.is_open() {
        return not_applicable("the case is not open");
    }
    if assignee.len() > TEXT_MAX {
        return Ok(Err(Refusal::Incomplete("say it in fewer words")));
    }
    cases::assign(tx, id, assignee)?;
    Ok(Ok(if assignee.is_empty() { "The case is nobody's now." } else { "The case is assigned." }))
}

/// What an id names that can be taken up again.
enum Again {
    Command(String),
    Message(String),
    Root(String),
    Key(String),
    Connection(String),
    /// Connection, kind, external id.
    Object(String, String, String),
    /// What waits for a right: the subject of its case.
    Right(String),
    /// A command whose record is gone.
    Gone(Box<commands::Shown>),
}

fn retry(
    tx: &mut Tx<'_>,
    hub: &Hub,
    about: &str,
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    let again = match cases::find(tx, about)? {
        Some(case) if !case.is_open() && !case.is_skipped() => {
            return not_applicable("the case is not open");
        }
        Some(case) if case.kind == "job_failed" => {
            return run(tx, &case.subject, decision, now);
        }
        Some(case) => again_of(tx, hub, &case)?,
        None => again_named(tx, hub, about)?,
    };
    let Some(again) = again else {
        return Ok(Err(Refusal::Unknown(format!("`{about}` that could be tried again"))));
    };
    match again {
        Again::Right(subject) if pauses::try_now(tx, &subject)? => {
            Ok(Ok("What needs the right is tried next."))
        }
        Again::Right(_) => not_applicable("nothing waits for it"),
        Again::Gone(command) => {
            again::make(tx, &command)?;
            Ok(Ok(
                "What is gone is made again under its own key, with all that was done around it; \
                   what is there is found, and stays.",
            ))
        }
        Again::Command(key) if commands::retry(tx, &key)? => {
            Ok(Ok(match state_of(tx, &key)?.as_str() {
                "waiting" => "The command is sent again once what it needs is done.",
                "unknown" => "The outcome of the command is looked up next.",
                _ => "The command is sent again next.",
            }))
        }
        Again::Command(key) => match commands::skips::undo(tx, &key, now)? {
            Some(head) if head == key => Ok(Ok(match state_of(tx, &key)?.as_str() {
                "waiting" => {
                    "The command is sent again once what it needs is done, and then what was \
                     skipped with it."
                }
                _ => "The command is sent again next, and then what was skipped with it.",
            })),
            Some(head) => not_applicable(format!("it was skipped with {head}: retry that")),
            None => {
                not_applicable("the command is not refused: it waits, is under way, or is done")
            }
        },
        Again::Message(id) if messages::retry(tx, &id)? => {
            Ok(Ok("The message is decoded again next."))
        }
        Again::Message(_) => {
            not_applicable("the message was decoded or corrected, or is about to be")
        }
        Again::Root(id) => {
            if let Some(root) = documents::find_root(tx, &id)?
                && root.kind == "sale"
                && matches!(root.waiting.as_deref(), Some("order" | "payments"))
            {
                streams::ask(tx, &root.connection, "order", &root.external_id, now)?;
            }
            documents::retry(tx, &id)?;
            Ok(Ok("It is decided again next."))
        }
        Again::Key(key) => {
            let mut parts = key.splitn(3, '/');
            if let (Some("payout"), Some(provider), Some(id)) =
                (parts.next(), parts.next(), parts.next())
                && hub.connection(provider).is_some()
            {
                streams::ask(tx, provider, "payout", id, now)?;
            }
            scopes::retry(tx, &key)?;
            Ok(Ok("Its sides are compared again next; a payout is read again first."))
        }
        Again::Object(connection, kind, id) => {
            streams::ask(tx, &connection, &kind, &id, now)?;
            Ok(Ok("It is read again next."))
        }
        Again::Connection(name) => {
            if streams::suspended(tx, &name)?.is_none()
                && let Some(down) = breakers::of(tx, &name)?
            {
                breakers::put(tx, &name, Some(&breakers::Breaker { until: 0, ..down }))?;
                streams::poll_now(tx, &name)?;
                return Ok(Ok("The connection is tried next, with little at first."));
            }
            let stopped = identities::of(tx, &name)?.is_some_and(|identity| identity.stopped);
            identities::ask_now(tx, &name)?;
            if stopped {
                return Ok(Ok(
                    "The target is asked next what it is; nothing else goes out before.",
                ));
            }
            if streams::suspended(tx, &name)?.is_none() {
                return not_applicable("the connection is not suspended, and gets answers");
            }
            streams::resume(tx, &name)?;
            streams::poll_now(tx, &name)?;
            let by = "the connection was resumed";
            cases::resolve(tx, Some("connection_suspended"), &name, by, now)?;
            Ok(Ok("The connection calls again, and is polled next."))
        }
    }
}

fn state_of(tx: &mut Tx<'_>, command: &str) -> Result<String, StoreError> {
    Ok(commands::find(tx, command)?.map(|it| it.state).unwrap_or_default())
}

/// Connection, kind and external id of an object, as a case names it.
fn object_of(subject: &str) -> Option<(String, String, String)> {
    let mut parts = subject.splitn(3, '/').map(str::to_owned);
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// What a case waits for.
fn again_of(tx: &mut Tx<'_>, hub: &Hub, case: &Case) -> Result<Option<Again>, StoreError> {
    let subject = case.subject.as_str();
    if case.kind == "unreadable_object" {
        let object = object_of(subject);
        return Ok(object.map(|(connection, kind, id)| Again::Object(connection, kind, id)));
    }
    if case.kind == pauses::CASE {
        return Ok(Some(Again::Right(subject.to_owned())));
    }
    if case.kind == GONE
        && let Some(root) = documents::find_root(tx, subject)?
    {
        let command = again::of_record(tx, &root.connection, &root.external_id)?;
        // It was taken up with another of its cause.
        return Ok(Some(command.map_or(Again::Root(root.id), |it| Again::Gone(Box::new(it)))));
    }
    if case.kind == BreakKind::MissingInBooks.word()
        && let Some(command) = again::of_key(tx, subject)?
    {
        return Ok(Some(Again::Gone(Box::new(command))));
    }
    if let Some(key) = subject.strip_prefix("command/") {
        return Ok(Some(Again::Command(key.to_owned())));
    }
    again_named(tx, hub, subject)
}

fn again_named(tx: &mut Tx<'_>, hub: &Hub, name: &str) -> Result<Option<Again>, StoreError> {
    let again = if hub.connection(name).is_some() {
        Again::Connection(name.to_owned())
    } else if messages::find(tx, name)?.is_some() {
        Again::Message(name.to_owned())
    } else if documents::find_root(tx, name)?.is_some() {
        Again::Root(name.to_owned())
    } else if commands::find(tx, name)?.is_some() {
        Again::Command(name.to_owned())
    } else if scopes::find(tx, name)?.is_some() {
        Again::Key(name.to_owned())
    } else {
        return Ok(None);
    };
    Ok(Some(again))
}
