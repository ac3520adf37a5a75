//! DECODE: bytes to documents. The connector's part is pure; this stage decides which statement of
//! an object is the newest (`DESIGN.md` §9.2).

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use trueup_connect::{DecodeError, Decoded, Message, Subscription};
use trueup_domain::document::{
    BooksRecord, Document, HeldAlready, InvoiceRequest, Kind, LedgerRow, MonthEnd, RefundFailure,
    Root, SettlementMatch, Version,
};
use trueup_domain::planted::planted;
use trueup_store::database::Later;
use trueup_store::documents::Known;
use trueup_store::messages::{self, Fate, Origin, Received};
use trueup_store::{StoreError, Tx, cases, corrections, documents, streams};

use crate::common_cause;
use crate::setup::{Hub, Worker, check};

const BATCH: i64 = 100;
/// Messages usually written in one turn of the writer: a delivery waits at the front door meanwhile.
const AT_ONCE: usize = 25;
/// After so many deaths of the process over one message it is set aside.
const ATTEMPTS_MAX: i64 = 5;
/// A change that no webhook brought within this time was missed by the vendor or by us.
const WEBHOOK_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// The kinds of messages in which the hub itself states something: a record of the books, which
/// bank lines a payout or transfer is, that the money of a refund came back, what is open over the
/// end of a month, that the books hold a sale by another hand, and that somebody wants an invoice of
/// one.
pub const BOOKS_RECORD: &str = "trueup/books_record";
pub const MATCH: &str = "trueup/match";
pub const REFUND_FAILURE: &str = "trueup/refund_failure";
/// What a person decided to post at the end of a month.
pub const MONTH_END: &str = "trueup/month_end";
pub const HELD_ALREADY: &str = "trueup/held_already";
pub const INVOICE_REQUEST: &str = "trueup/invoice_request";

/// Decodes what is due; returns how many messages were handled.
pub fn step(hub: &Hub, worker: &Worker, now: Timestamp) -> Result<usize, StoreError> {
    let Worker { from, to, .. } = *worker;
    if !hub.store.read(|tx| messages::any_due(tx, from, to))? {
        return Ok(0);
    }
    let leases = worker.leases.clone();
    let taken = hub.store.redo(move |tx| {
        check(tx, &leases)?;
        messages::take(tx, from, to, BATCH)
    })?;
    let count = taken.len();
    let mut before: Option<Later<()>> = None;
    let mut rest = taken.as_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(hub.store.part(AT_ONCE).min(rest.len()));
        rest = after;
        let outcomes: Vec<Computed> = part
            .iter()
            .map(|message| {
                let message = message.unpack()?;
                let outcome = compute(hub, &message);
                Ok((message, outcome))
            })
            .collect::<Result<_, StoreError>>()?;
        let hub_for_write = hub.clone();
        let leases = worker.leases.clone();
        // While one part is written, the next one is computed.
        if let Some(before) = before.take() {
            before.wait()?;
        }
        before = Some(hub.store.redo_later(move |tx| {
            check(tx, &leases)?;
            if tx.has_rivals() {
                documents::hold_roots(tx, &roots_of(&outcomes))?;
            }
            let all: Vec<&Computed> = outcomes.iter().collect();
            let together = tx.savepoint(|tx| record_all(tx, &hub_for_write, &all, now));
            if !matches!(together, Err(StoreError::Conflict(_))) {
                return together;
            }
            for one in all {
                match tx.savepoint(|tx| record_all(tx, &hub_for_write, &[one], now)) {
                    // Another process put another statement in force; it is compared once more.
                    Err(StoreError::Conflict(_)) => {}
                    outcome => outcome?,
                }
            }
            Ok(())
        }));
    }
    if let Some(last) = before {
        last.wait()?;
    }
    Ok(count)
}

/// A message, and what it says.
type Computed = (Received, Result<Decoded, DecodeError>);

/// The roots that messages state something of, by name.
fn roots_of(outcomes: &[Computed]) -> BTreeMap<String, (&str, Root)> {
    let mut roots = BTreeMap::new();
    for (message, outcome) in outcomes {
        let Ok(Decoded::Documents(found)) = outcome else { continue };
        for document in found {
            let (connection, root) = (message.connection.as_str(), document.root());
            roots.insert(documents::root_id(connection, &root), (connection, root));
        }
    }
    roots
}

pub(crate) fn compute(hub: &Hub, message: &Received) -> Result<Decoded, DecodeError> {
    if message.attempts >= ATTEMPTS_MAX {
        let why = format!("the process died {ATTEMPTS_MAX} times over it");
        return Err(DecodeError::Unreadable(why));
    }
    let (body, version) = (&message.body, Version(message.occurrence));
    match message.kind.as_str() {
        BOOKS_RECORD => return own(body, |_: &mut BooksRecord| {}),
        MATCH => return own(body, |it: &mut SettlementMatch| it.version = version),
        REFUND_FAILURE => return own(body, |it: &mut RefundFailure| it.version = version),
        MONTH_END => return own(body, |it: &mut MonthEnd| it.version = version),
        HELD_ALREADY => return own(body, |it: &mut HeldAlready| it.version = version),
        INVOICE_REQUEST => return own(body, |it: &mut InvoiceRequest| it.version = version),
        _ => {}
    }
    let Some(connection) = hub.connection(&message.connection) else {
        return Ok(Decoded::Ignored(format!(
            "connection {} is not configured",
            message.connection
        )));
    };
    (connection.connector.decode)(&Message { kind: &message.kind, body: &message.body })
}

/// What the hub itself stated; `number` gives it its version.
fn own<T: DeserializeOwned + Into<Document>>(
    body: &[u8],
    number: impl FnOnce(&mut T),
) -> Result<Decoded, DecodeError> {
    let mut stated: T = trueup_connect::json::read(body)?;
    number(&mut stated);
    Ok(Decoded::Documents(vec![stated.into()]))
}

/// The statements in force of the objects that some messages state something of.
struct InForce(HashMap<(String, Kind, String), Known>);

impl InForce {
    fn of(tx: &mut Tx<'_>, outcomes: &[&Computed]) -> Result<Self, StoreError> {
        let stated = outcomes.iter().flat_map(|(message, outcome)| {
            let found = match outcome {
                Ok(Decoded::Documents(found)) => found.as_slice(),
                _ => &[],
            };
            found.iter().map(|it| (message.connection.as_str(), it.kind(), it.external_id()))
        });
        let objects: Vec<_> = stated.collect::<HashSet<_>>().into_iter().collect();
        let known = documents::known_each(tx, &objects)?;
        let in_force = objects.into_iter().zip(known).filter_map(|(object, known)| {
            let (connection, kind, id) = object;
            Some(((connection.to_owned(), kind, id.to_owned()), known?))
        });
        Ok(Self(in_force.collect()))
    }

    fn get(&self, connection: &str, document: &Document) -> Option<&Known> {
        self.0.get(&name_of(connection, document))
    }

    fn put(&mut self, message: &Received, document: &Document) {
        let known = known_of(document, &message.id, message.received_at);
        self.0.insert(name_of(&message.connection, document), known);
    }
}

fn name_of(connection: &str, document: &Document) -> (String, Kind, String) {
    (connection.to_owned(), document.kind(), document.external_id().to_owned())
}

fn record_all(
    tx: &mut Tx<'_>,
    hub: &Hub,
    outcomes: &[&Computed],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut in_force = InForce::of(tx, outcomes)?;
    for (message, outcome) in outcomes {
        record(tx, hub, message, outcome, &mut in_force, now)?;
    }
    let readable = |(message, outcome): &&&Computed| {
        message.origin == Origin::Poll.word() && matches!(outcome, Ok(Decoded::Documents(_)))
    };
    let read: Vec<&str> =
        outcomes.iter().filter(readable).map(|(message, _)| message.id.as_str()).collect();
    for older in messages::unreadable_before(tx, &read)? {
        let by = "the object was read again, and can be read";
        cases::resolve(tx, Some("undecodable"), &older, by, now)?;
        // Given up without a case, it would be nobody's.
        messages::skip(tx, &older)?;
    }
    Ok(())
}

fn record(
    tx: &mut Tx<'_>,
    hub: &Hub,
    message: &Received,
    outcome: &Result<Decoded, DecodeError>,
    in_force: &mut InForce,
    now: Timestamp,
) -> Result<(), StoreError> {
    if message.again && outcome.is_ok() {
        let by = "the message can be read now";
        cases::resolve(tx, Some("undecodable"), &message.id, by, now)?;
    }
    // The message in whose place this one is read.
    let corrects = match message.origin == Origin::Correction.word() {
        true => corrections::that_made(tx, &message.id)?.map(|it| it.message),
        false => None,
    };
    match outcome {
        Ok(Decoded::Documents(found)) => {
            if message.again {
                for document in lasting(&message.id, found, message.received_at) {
                    take_in(tx, hub, message, document, corrects.as_deref(), in_force, now)?;
                }
            } else {
                for document in found {
                    take_in(tx, hub, message, document, corrects.as_deref(), in_force, now)?;
                }
            }
            messages::finish(tx, &message.id, Fate::Decoded, None)
        }
        Ok(Decoded::Hints(hints)) => {
            for hint in hints {
                streams::ask(tx, &message.connection, &hint.kind, &hint.external_id, now)?;
            }
            messages::finish(tx, &message.id, Fate::Hinted, None)
        }
        Ok(Decoded::Subscriptions(subscriptions)) => {
            for subscription in subscriptions {
                stands(tx, hub, message, subscription, now)?;
            }
            messages::finish(tx, &message.id, Fate::Decoded, None)
        }
        Ok(Decoded::Ignored(kind)) => {
            messages::finish(tx, &message.id, Fate::Ignored, Some(("", kind.clone())))
        }
        Err(error) => {
            let entity = hub.connection(&message.connection).map_or("", |it| &it.entity);
            let mut detail = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(inner) = cause {
                detail = format!("{detail}: {inner}");
                cause = inner.source();
            }
            let case = cases::NewCase {
                kind: "undecodable",
                subject: &message.id,
                entity,
                title: &format!("A message of {} cannot be read", message.connection),
                detail: &format!("{} ({}): {detail}", message.kind, error.code()),
                remedy: "look at the raw message; retry it with a version that can read it, or \
                         propose what it should have said",
                amount: None,
                owner: "integrator",
            };
            // What the object is by now is known; what it was is kept and can be retried.
            if !messages::is_read_since(tx, &message.id)? {
                cases::open_of_cause(
                    tx,
                    &case,
                    &common_cause::of(
                        &[&message.connection, &message.kind, error.code()],
                        &common_cause::without_numbers(&detail),
                        &[],
                    ),
                    now,
                )?;
            }
            messages::finish(tx, &message.id, Fate::Failed, Some((error.code(), detail)))
        }
    }
}

/// A source that stopped pushing is polled as before; somebody has to switch it on again.
fn stands(
    tx: &mut Tx<'_>,
    hub: &Hub,
    message: &Received,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<(), StoreError> {
    let connection = &message.connection;
    let subject = format!("{connection}/subscription/{}", subscription.id);
    if subscription.restored {
        // What it would have brought while it was off is asked for at once.
        streams::poll_now(tx, connection)?;
        let detail =
            format!("{} is {} at {connection} again", subscription.title, subscription.status);
        cases::absorb(tx, "subscription_restored", &subject, &detail, now)?;
    }
    if subscription.active {
        let by = "the source pushes again";
        return cases::resolve(tx, Some("subscription_off"), &subject, by, now);
    }
    let case = cases::NewCase {
        kind: "subscription_off",
        subject: &subject,
        entity: hub.connection(connection).map_or("", |it| &it.entity),
        title: &format!("{connection} does not push {} any more", subscription.title),
        detail: &format!("it is {} there; sent to {}", subscription.status, subscription.address),
        remedy: "see why deliveries failed, then switch it on again at the source; polling brings \
                 what it missed",
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)
}

/// What a message states of each object in the end, where it states one more than once.
pub(crate) fn lasting<'a>(
    message: &str,
    found: &'a [Document],
    received_at: Timestamp,
) -> Vec<&'a Document> {
    let mut last: Vec<&Document> = Vec::new();
    let mut places = HashMap::new();
    for document in found {
        let name = (document.kind(), document.external_id());
        let Some(place) = places.get(&name).copied() else {
            places.insert(name, last.len());
            last.push(document);
            continue;
        };
        let before: &mut &Document = &mut last[place];
        if matches!(newer(document, &known_of(before, message, received_at), None), Newer::Yes) {
            *before = document;
        }
    }
    last
}

/// A statement as one that is in force by this message.
pub(crate) fn known_of(document: &Document, message: &str, received_at: Timestamp) -> Known {
    Known {
        version: document.version().map(|version| version.0),
        content_hash: documents::content_hash(document),
        body: document.to_json(),
        message: message.to_owned(),
        received_at,
    }
}

/// Puts a statement in force if it is the newest of its object.
fn take_in(
    tx: &mut Tx<'_>,
    hub: &Hub,
    message: &Received,
    document: &Document,
    corrects: Option<&str>,
    in_force: &mut InForce,
    now: Timestamp,
) -> Result<(), StoreError> {
    let connection = &message.connection;
    let (kind, id) = (document.kind(), document.external_id());
    let known = in_force.get(connection, document);
    if let Some(known) = known {
        if known.content_hash == documents::content_hash(document) {
            return Ok(());
        }
        // Who corrected it knew what its source states, which is no news in another's mouth.
        let equal = known.version.is_some_and(|known| document.version() == Some(Version(known)));
        let corrected = equal && corrections::that_made(tx, &known.message)?.is_some();
        match newer(document, known, message.asked_at.filter(|_| !corrected)) {
            // What was in force by this message is what is read in it now.
            _ if message.again && known.message == message.id => {}
            _ if corrects == Some(known.message.as_str()) => {}
            Newer::Yes => {}
            Newer::No if message.again => return Ok(()),
            Newer::No if document.version().is_none() => return Ok(()),
            Newer::No => {
                let subject = format!("{connection}/{}/{id}", kind.word());
                let detail = format!("an older statement of {subject} came late");
                return cases::absorb(tx, "stale_version", &subject, &detail, now);
            }
            Newer::Tie if corrected => {
                let subject = format!("{connection}/{}/{id}", kind.word());
                let detail = format!("{subject} was stated again as it was before its correction");
                return cases::absorb(tx, "corrected", &subject, &detail, now);
            }
            Newer::Tie => {
                return streams::ask(tx, connection, kind.word(), id, now);
            }
            Newer::Contradiction => {
                // Not the name of its root, whose next decision closes what it finds untrue.
                let subject = format!("document/{connection}/{}/{id}", kind.word());
                let case = cases::NewCase {
                    kind: "identity_reused",
                    subject: &subject,
                    entity: hub.connection(connection).map_or("", |it| &it.entity),
                    title: "A source states another content under the same identity",
                    detail: &format!("{subject}; the first statement stays in force"),
                    remedy: "compare the two messages with the provider or the bank, then close this case",
                    amount: None,
                    owner: "finance",
                };
                return cases::open(tx, &case, now);
            }
        }
    }
    let newer = known.is_none_or(|known| known.version < document.version().map(|it| it.0));
    let before = known.map(|known| known.message.as_str());
    documents::put(tx, connection, document, &message.id, before, now)?;
    in_force.put(message, document);
    if let Document::BankStatement(statement) = document {
        documents::raise_following(tx, connection, statement)?;
    }
    if kind == Kind::Order && message.origin == "poll" && newer && !message.again {
        lost_webhook(tx, hub, message, document, now)?;
    }
    Ok(())
}

/// A poll that brings a change which a webhook should have brought long ago.
fn lost_webhook(
    tx: &mut Tx<'_>,
    hub: &Hub,
    message: &Received,
    document: &Document,
    now: Timestamp,
) -> Result<(), StoreError> {
    let pushes = hub
        .connection(&message.connection)
        .is_some_and(|connection| connection.connector.webhooks.is_some());
    let (Some(asked_at), Some(Version(changed_at))) = (message.asked_at, document.version()) else {
        return Ok(());
    };
    let late = asked_at.as_microsecond() - changed_at
        > i64::try_from(WEBHOOK_GRACE.as_micros()).unwrap_or(i64::MAX);
    if pushes && late {
        let subject =
            format!("{}/{}/{}", message.connection, document.kind(), document.external_id());
        let detail = format!("polling found {subject}, of which no webhook told");
        cases::absorb(tx, "found_by_polling", &subject, &detail, now)?;
    }
    Ok(())
}

pub(crate) enum Newer {
    Yes,
    No,
    /// Equal versions, other content: the source is asked.
    Tie,
    Contradiction,
}

/// `asked_at` is when the question left that the document answers, if it answers one.
pub(crate) fn newer(document: &Document, known: &Known, asked_at: Option<Timestamp>) -> Newer {
    match (document.version(), known.version) {
        (Some(Version(new)), Some(old)) if new > old => Newer::Yes,
        (Some(Version(new)), Some(old)) if new < old => {
            if planted("an_older_version_wins") {
                Newer::Yes
            } else {
                Newer::No
            }
        }
        (Some(_), Some(_)) if planted("a_tie_is_won_by_the_last") => Newer::Yes,
        (Some(_), Some(_)) if planted("a_tie_is_won_by_the_first") => Newer::No,
        (Some(_), Some(_)) => {
            // An answer to a question asked after the other message came in wins the tie.
            let asked_later = asked_at
                .is_some_and(|asked| asked > known.received_at || planted("any_answer_wins_a_tie"));
            if asked_later { Newer::Yes } else { Newer::Tie }
        }
        (Some(_), None) => Newer::Yes,
        (None, _) => without_version(document, &known.body),
    }
}

/// Sources that give no version state a thing once; what may differ is how they state it.
fn without_version(document: &Document, known: &str) -> Newer {
    match (document, Document::from_json(document.kind(), known)) {
        (Document::LedgerRow(new), Ok(Document::LedgerRow(old))) => {
            if completes(new, &old) {
                Newer::Yes
            } else if completes(&old, new) {
                Newer::No
            } else {
                Newer::Contradiction
            }
        }
        // The same line in an overlapping statement (E12).
        (Document::BankLine(new), Ok(Document::BankLine(mut old))) => {
            old.statement.clone_from(&new.statement);
            if old == *new { Newer::No } else { Newer::Contradiction }
        }
        // A statement sent again, marked as a copy (E19).
        (Document::BankStatement(new), Ok(Document::BankStatement(mut old))) => {
            old.copy = new.copy;
            if old == *new { Newer::No } else { Newer::Contradiction }
        }
        _ => Newer::Contradiction,
    }
}

/// Whether `new` only says more than `old`: an open row that is in a payout now, or one that was read
/// without the object that it books.
fn completes(new: &LedgerRow, old: &LedgerRow) -> bool {
    let fills = |new: &Option<String>, old: &Option<String>| old.is_none() || new == old;
    let mut same = old.clone();
    same.payout.clone_from(&new.payout);
    same.available_on = new.available_on;
    same.capture.clone_from(&new.capture);
    same.order.clone_from(&new.order);
    same.object.clone_from(&new.object);
    same.description.clone_from(&new.description);
    same.presentment = new.presentment;
    same == *new
        && (old.presentment.is_none() || new.presentment == old.presentment)
        && fills(&new.payout, &old.payout)
        && fills(&new.capture, &old.capture)
        && fills(&new.order, &old.order)
        && fills(&new.object, &old.object)
}
