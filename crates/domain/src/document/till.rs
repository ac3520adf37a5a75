//! What a till inside the books states: its tickets and its sessions. Whatever a till sold, the
//! books post it themselves when its session is closed (`POSTING.md` P17).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::{Currency, Money};

/// One receipt of a till, as far as it is about one sale: it sold, or it took back. A sale with a
/// ticket is booked by the till; nothing of it is ever sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub id: String,
    /// The sale it is about: its own, or the one whose goods came back.
    pub order: String,
    pub version: Version,
    /// What the receipt bears.
    pub number: String,
    /// The session that counts it, which for an offline register may be a later one.
    pub session: String,
    pub session_opened_at: Timestamp,
    /// When the customer stood at the register.
    pub at: Timestamp,
    /// Tax and cash rounding included; negative for what it took back.
    pub total: Money,
    /// Negative for what it took back.
    pub tax: Money,
    /// What went into the till and out of it for this sale. What is taken back to pay for a new sale
    /// on the same receipt is no money and stands in none.
    pub tenders: Vec<TicketTender>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketTender {
    /// The till's own word for the way of payment.
    pub method: String,
    /// Negative for what was given out.
    pub amount: Money,
}

/// A till's session from opening to closing, and what the books made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TillSession {
    pub id: String,
    pub version: Version,
    /// What people call it.
    pub number: String,
    pub register: String,
    pub currency: Currency,
    pub opened_at: Timestamp,
    /// None while it is open: then nothing of it is booked.
    pub closed_at: Option<Timestamp>,
    /// Only where the register counts its cash.
    pub cash: Option<TillCash>,
    /// The entry that the books made at closing, and the invoices of single tickets.
    pub documents: Vec<TillDocument>,
    /// What the books hold as received, by way of payment.
    pub tenders: Vec<TicketTender>,
}

/// The drawer at closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TillCash {
    pub method: String,
    pub opening: Money,
    /// Opening, what was sold for cash, and what was put in or taken out.
    pub expected: Money,
    pub counted: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TillDocument {
    /// The record of the books, `<model>/<id>`.
    pub record: String,
    pub name: String,
    /// What it sold, tax and cash rounding included.
    pub total: Money,
    pub tax: Money,
}
