//! Stripe's bytes → canonical documents and hints.
//!
//! | Stripe's object       | becomes                                                             |
//! |-----------------------|---------------------------------------------------------------------|
//! | `charge`              | a charge document                                                   |
//! | `payment_intent`      | a hint to read its latest charge: one money, one document           |
//! | `refund`              | hints to read its charge and its ledger rows                        |
//! | `dispute`             | a dispute document                                                  |
//! | `payout`              | a payout document; once Stripe can itemise it, a hint to read all   |
//! | `balance_transaction` | a ledger row document                                               |
//! | `balance`             | a record of each currency's balance, as Stripe states it            |
//!
//! A refund is no document of its own: what was agreed is stated by the channel, and what moved is
//! stated by its ledger rows.

mod balance;
mod capture;
mod dispute;
mod ledger_row;
mod payout;
mod row_class;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;
use trueup_connect::json;
use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::watch::{WATCHED, Watched};
use trueup_connect::{DecodeError, Decoded, Hint, Message};
use trueup_domain::document::{Document, Kind, Version};

use crate::wire;

pub const EVENT: &str = "event";
pub const CHARGE: &str = "charge";
pub const PAYMENT_INTENT: &str = "payment_intent";
pub const REFUND: &str = "refund";
pub const DISPUTE: &str = "dispute";
pub const PAYOUT: &str = "payout";
pub const BALANCE_TRANSACTION: &str = "balance_transaction";
pub const BALANCE: &str = "balance";
const LIST: &str = "list";

pub const KINDS: &[&str] = &[
    WATCHED,
    EVENT,
    CHARGE,
    PAYMENT_INTENT,
    REFUND,
    DISPUTE,
    PAYOUT,
    BALANCE_TRANSACTION,
    BALANCE,
    LIST,
];

/// The event that says that a payout's rows can now be listed.
const ITEMISED: &str = "payout.reconciliation_completed";

/// A row does not name its payout. A row read as a member of one is cut out under this kind, so
/// that its bytes stay as they were sent and the payout is not lost.
pub fn member_kind(payout: &str) -> String {
    format!("{BALANCE_TRANSACTION}?payout={payout}")
}

/// The balance does not say when it was read. So the moment is in its kind, and its bytes stay as
/// they were sent.
pub fn balance_kind(read_at: Timestamp) -> String {
    format!("{BALANCE_AT}{}", read_at.as_microsecond())
}

const BALANCE_AT: &str = "balance?at=";

/// Whether Stripe can list the rows of a payout; one with an unknown word cannot be trusted to.
pub fn is_itemised(payout: &wire::Payout) -> bool {
    payout::itemised(payout).unwrap_or(false)
}

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    if message.body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    if message.kind == WATCHED {
        return Watched::decode(message.body);
    }
    let member_of = message
        .kind
        .strip_prefix(BALANCE_TRANSACTION)
        .and_then(|rest| rest.strip_prefix("?payout="));
    let head: wire::Head = json::read(message.body)?;
    let Some(object) = head.object else {
        return Err(if message.kind.is_empty() {
            DecodeError::UnknownKind
        } else {
            DecodeError::field("object")
        });
    };
    if member_of.is_some() && object != BALANCE_TRANSACTION {
        let why = format!("a payout's row is a `{}`", shorten(&object));
        return Err(DecodeError::Contradiction { what: "message", why });
    }
    if message.kind.starts_with(BALANCE_AT) && object != BALANCE {
        let why = format!("a balance is a `{}`", shorten(&object));
        return Err(DecodeError::Contradiction { what: "message", why });
    }
    match object.as_str() {
        BALANCE => balance(message),
        EVENT => event(message.body),
        "v2.core.event" => thin_event(message.body),
        LIST => list(message.body),
        _ => match known(&object, message.body, member_of)? {
            Some(decoded) => Ok(decoded),
            None if message.kind.is_empty() => Err(DecodeError::UnknownKind),
            None => Ok(Decoded::Ignored(shorten(&object))),
        },
    }
}

/// One object that states itself; `None` for objects that Trueup has no use for.
fn known(
    object: &str,
    body: &[u8],
    member_of: Option<&str>,
) -> Result<Option<Decoded>, DecodeError> {
    let document: Document = match object {
        CHARGE => capture::decode(json::read(body)?)?.into(),
        DISPUTE => dispute::decode(json::read(body)?)?.into(),
        PAYOUT => payout::decode(json::read(body)?)?.into(),
        BALANCE_TRANSACTION => ledger_row::decode(json::read(body)?, member_of)?.into(),
        PAYMENT_INTENT => return payment_intent(json::read(body)?).map(Some),
        REFUND => return refund(json::read(body)?).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Decoded::Documents(vec![document])))
}

fn balance(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let read_at = message.kind.strip_prefix(BALANCE_AT).and_then(|at| at.parse().ok());
    let read_at = read_at.ok_or_else(|| DecodeError::field("at"))?;
    let records = balance::decode(json::read(message.body)?, read_at)?;
    Ok(Decoded::Documents(records.into_iter().map(Document::from).collect()))
}

fn event(body: &[u8]) -> Result<Decoded, DecodeError> {
    let event: wire::Event = json::read(body)?;
    let families = ["charge.", "payment_intent.", "refund.", "payout."];
    if !families.iter().any(|family| event.kind.starts_with(family)) {
        return Ok(Decoded::Ignored(shorten(&event.kind)));
    }
    let object = event.data.object.get().as_bytes();
    let head: wire::Head = json::read(object)?;
    let Some(kind) = head.object else {
        return Err(DecodeError::field("data.object.object"));
    };
    match known(&kind, object, None)? {
        // The header alone would have to wait for its rows: both are read together.
        Some(Decoded::Documents(documents)) if event.kind == ITEMISED => {
            let payouts = documents.iter().map(Document::external_id);
            Ok(Decoded::Hints(payouts.map(|id| Hint::new(Kind::Payout, id)).collect()))
        }
        Some(decoded) => Ok(decoded),
        None => Ok(Decoded::Ignored(shorten(&event.kind))),
    }
}

fn thin_event(body: &[u8]) -> Result<Decoded, DecodeError> {
    let event: wire::ThinEvent = json::read(body)?;
    let Some(related) = event.related_object else {
        return Ok(Decoded::Ignored(shorten(&event.kind)));
    };
    let hint = match related.kind.as_str() {
        CHARGE => Hint::new(Kind::Charge, related.id),
        DISPUTE => Hint::new(Kind::Dispute, related.id),
        PAYOUT => Hint::new(Kind::Payout, related.id),
        BALANCE_TRANSACTION => Hint::new(Kind::LedgerRow, related.id),
        PAYMENT_INTENT | REFUND => Hint { kind: related.kind, external_id: related.id },
        _ => return Ok(Decoded::Ignored(shorten(&event.kind))),
    };
    Ok(Decoded::Hints(vec![hint]))
}

/// An intent states no money that its charge does not state better. One that has been charged
/// twice (a declined card, then another) leads to the charge that counts.
fn payment_intent(intent: wire::PaymentIntent) -> Result<Decoded, DecodeError> {
    let charge = intent
        .latest_charge
        .or_else(|| intent.charges.and_then(|charges| charges.data.into_iter().next()));
    Ok(match charge {
        Some(charge) => Decoded::Hints(vec![Hint::new(Kind::Charge, charge.into_id())]),
        None => Decoded::Ignored(format!("{PAYMENT_INTENT} {}", shorten(&intent.status))),
    })
}

fn refund(refund: wire::Refund) -> Result<Decoded, DecodeError> {
    let mut hints = Vec::new();
    // Without a charge, the intent leads to it.
    match (refund.charge, refund.payment_intent) {
        (Some(charge), _) => hints.push(Hint::new(Kind::Charge, charge.into_id())),
        (None, Some(intent)) => {
            hints.push(Hint { kind: PAYMENT_INTENT.to_owned(), external_id: intent.into_id() });
        }
        (None, None) => {}
    }
    // The second row gives the money back when the refund failed, even days after it succeeded.
    let rows = [refund.balance_transaction, refund.failure_balance_transaction];
    let rows = rows.into_iter().flatten();
    hints.extend(rows.map(|row| Hint::new(Kind::LedgerRow, row.into_id())));
    if hints.is_empty() {
        return Err(DecodeError::field("charge"));
    }
    Ok(Decoded::Hints(hints))
}

/// A page as read by hand; conversations cut pages into records before anything is stored.
fn list(body: &[u8]) -> Result<Decoded, DecodeError> {
    let page: wire::Page = json::read(body)?;
    let (mut documents, mut hints, mut ignored) = (Vec::new(), Vec::new(), false);
    for item in &page.data {
        match listed(item)? {
            Decoded::Documents(more) => documents.extend(more),
            Decoded::Hints(more) => hints.extend(more),
            Decoded::Subscriptions(_) | Decoded::Ignored(_) => ignored = true,
        }
    }
    match (documents.is_empty(), hints.is_empty()) {
        (false, true) => Ok(Decoded::Documents(documents)),
        (true, false) => Ok(Decoded::Hints(hints)),
        (true, true) if ignored => Ok(Decoded::Ignored(LIST.to_owned())),
        (true, true) => Ok(Decoded::Documents(Vec::new())),
        (false, false) => Err(DecodeError::Contradiction {
            what: "list",
            why: "it mixes whole objects with such that only point to others".to_owned(),
        }),
    }
}

fn listed(item: &RawValue) -> Result<Decoded, DecodeError> {
    let body = item.get().as_bytes();
    let head: wire::Head = json::read(body)?;
    let object = head.object.ok_or_else(|| DecodeError::field("data[].object"))?;
    if object == EVENT {
        return event(body);
    }
    Ok(known(&object, body, None)?.unwrap_or_else(|| Decoded::Ignored(shorten(&object))))
}

/// Stripe's objects carry no version and no time of their last change, and webhooks come in any
/// order. So the version is what every shape of an object says alike: when it was created, and how
/// far it has come on a road that it never walks back. What may change back and forth does not
/// count: such statements tie, and a tie is settled by a read.
fn version(created: i64, progress: u32) -> Result<Version, DecodeError> {
    let at = time("created", created)?;
    at.as_microsecond()
        .checked_add(i64::from(progress))
        .map(Version)
        .ok_or_else(|| DecodeError::field("created"))
}

fn time(field: &str, seconds: i64) -> Result<Timestamp, DecodeError> {
    Timestamp::from_second(seconds).map_err(|_| DecodeError::field(field))
}

/// Stripe's days begin at midnight UTC.
fn day(field: &str, seconds: i64) -> Result<Date, DecodeError> {
    Ok(time(field, seconds)?.to_zoned(TimeZone::UTC).date())
}

fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Words that came from outside are quoted this far.
fn shorten(word: &str) -> String {
    word.chars().take(80).collect()
}
