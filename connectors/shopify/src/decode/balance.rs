//! What Shopify Payments itself says it holds → one record for each currency.
//!
//! Shopify's balance "is comprised of any transaction not yet included in a payout": the nets of
//! the rows that no payout names. A payout takes its rows out of it when it is made, so one that is
//! scheduled or under way is no longer in it, and not yet at the bank either.

use jiff::Timestamp;
use trueup_connect::DecodeError;
use trueup_domain::document::{BooksRecord, Version};

use crate::wire_payments::Balance;

pub const BALANCE: &str = BooksRecord::BALANCE;

/// The balance does not say when it was read. So the moment is in its kind, in microseconds, and
/// its bytes stay as they were sent.
pub fn kind(read_at: Timestamp) -> String {
    format!("{BALANCE}?at={}", read_at.as_microsecond())
}

/// When it was read, as its kind says; `None` for a kind that is no balance.
pub fn read_at(kind: &str) -> Option<Result<Version, DecodeError>> {
    let rest = kind.strip_prefix(BALANCE)?;
    let at = match rest.strip_prefix("?at=") {
        Some(at) => at.parse().ok(),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some(at.map(Version).ok_or_else(|| DecodeError::field("at")))
}

pub fn balance(wire: Balance, version: Version) -> Result<Vec<BooksRecord>, DecodeError> {
    let mut records: Vec<BooksRecord> = Vec::new();
    for part in wire.balance {
        let currency = part.currency(BALANCE)?;
        let record = BooksRecord::balance(part.money(BALANCE, currency)?, version);
        if records.iter().any(|other| other.id == record.id) {
            let why = format!("it states {currency} twice");
            return Err(DecodeError::Contradiction { what: BALANCE, why });
        }
        records.push(record);
    }
    records.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(records)
}
