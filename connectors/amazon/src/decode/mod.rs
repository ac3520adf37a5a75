//! From the bytes of a message to documents: files are recognised by their headings, JSON by its
//! shape.

mod item;
pub mod order;

use trueup_connect::{DecodeError, Decoded, Hint, Message};
use trueup_domain::document::Kind;

use crate::settlement::table::{Table, text_of};
use crate::{returns, settlement, wire};

/// One order of the version that is pinned, as a poll or a read cuts it out.
pub const ORDER: &str = "order";
/// A settlement report.
pub const SETTLEMENT: &str = "settlement";
/// The report of units that came back.
pub const RETURNS: &str = "returns";
/// An announcement that reached a queue of the seller.
pub const NOTIFICATION: &str = "ORDER_CHANGE";

pub const KINDS: &[&str] = &[ORDER, SETTLEMENT, RETURNS, NOTIFICATION];

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let Message { kind, body } = *message;
    match kind {
        ORDER | NOTIFICATION => json(body),
        SETTLEMENT | RETURNS => file(body),
        "" if body.trim_ascii_start().starts_with(b"{") => json(body),
        "" => file(body),
        other => Ok(Decoded::Ignored(other.to_owned())),
    }
}

fn json(body: &[u8]) -> Result<Decoded, DecodeError> {
    let shape: wire::Shape = trueup_connect::json::read(body)?;
    let hint = |id: String| Ok(Decoded::Hints(vec![Hint::new(Kind::Order, id)]));
    if shape.order_id.is_some() {
        return order::decode(&trueup_connect::json::read(body)?);
    }
    // The older version tells no prices of what is pending and its items apart, and a notification
    // no prices at all.
    let old = shape.payload.or(shape.old_order_id.map(|id| wire::OldOrder { id: Some(id) }));
    if let Some(id) = old.and_then(|old| old.id) {
        return hint(id);
    }
    match shape.notification {
        Some(kind) if kind == NOTIFICATION => {
            let told: wire::Notification = trueup_connect::json::read(body)?;
            hint(told.payload.order_change.order_id)
        }
        Some(other) => Ok(Decoded::Ignored(other)),
        None => Err(DecodeError::UnknownKind),
    }
}

fn file(body: &[u8]) -> Result<Decoded, DecodeError> {
    let text = text_of(body)?;
    let table = Table::read(&text)?;
    if table.has(settlement::HEADING) && table.has("settlement-id") {
        settlement::documents(&table).map(Decoded::Documents)
    } else if table.has(returns::HEADING) {
        returns::documents(&table).map(Decoded::Documents)
    } else if table.has("settlement-id") {
        let why = "a settlement of the first version, which Amazon no longer makes";
        Err(DecodeError::Unreadable(why.to_owned()))
    } else {
        Err(DecodeError::UnknownKind)
    }
}
