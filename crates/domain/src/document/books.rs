//! What the books hold: a record of the ERP as read back from it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::Money;

/// A document of the books as stored there, read back after posting and whenever it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooksRecord {
    /// The target's own name for it, `<model>/<id>`.
    pub id: String,
    pub version: Version,
    /// The word of the command that made it: `order`, `invoice`, `payment`, `credit_note`, ….
    pub kind: String,
    /// What the target calls it, such as `INV/2026/00012`.
    pub name: Option<String>,
    /// The effect key it was made under, where the reader knows it.
    pub effect_key: Option<String>,
    pub state: String,
    /// The accounting date.
    pub date: Option<Date>,
    /// The first open day, where the day that was asked for lies in a closed period and the record
    /// was sent with this one instead. Only what a delivery reads back states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Date>,
    pub company: String,
    pub total: Money,
    pub tax: Money,
    /// What is still open on it.
    pub residual: Option<Money>,
    pub taxes: Vec<BooksTax>,
    /// Who changed it last, where that is not us.
    pub changed_by: Option<String>,
    pub gone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooksTax {
    pub tax: String,
    pub base: Money,
    pub amount: Money,
}

impl BooksRecord {
    /// The kind of record in which a provider states its balance.
    pub const BALANCE: &str = "balance";

    /// A total that a side states itself: a balance, or a sum that was asked of it.
    pub fn stated(kind: &str, id: String, total: Money, version: Version) -> Self {
        Self {
            id,
            version,
            kind: kind.to_owned(),
            name: None,
            effect_key: None,
            state: "stated".to_owned(),
            date: None,
            opened: None,
            company: String::new(),
            total,
            tax: Money::zero(total.currency()),
            residual: None,
            taxes: Vec::new(),
            changed_by: None,
            gone: false,
        }
    }

    /// What a provider holds of one currency, by its own word.
    pub fn balance(total: Money, version: Version) -> Self {
        let id = format!("{}/{}", Self::BALANCE, total.currency().code());
        Self::stated(Self::BALANCE, id, total, version)
    }
}

/// The books hold a sale by another hand: an invoice or a receipt that somebody made. Found before we
/// would have booked it within a sum (`POSTING.md` P5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAlready {
    /// The channel's id of the order.
    pub id: String,
    pub version: Version,
    /// The target's own name for what holds it, `<model>/<id>`.
    pub record: String,
    /// What the target calls it.
    pub name: Option<String>,
    pub date: Option<Date>,
    pub total: Money,
    pub tax: Money,
}
