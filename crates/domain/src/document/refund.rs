//! Refunds, returns and fulfilments: three separate objects, many per order.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Version;
use super::order::{ChargeKind, TaxLine};
use crate::money::Money;

/// What the channel agreed to give back. The money itself moves in payments of kind `refund`,
/// which name this document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub id: String,
    pub order: String,
    pub version: Version,
    pub created_at: Timestamp,
    pub reason: Option<String>,
    pub lines: Vec<RefundLine>,
    pub adjustments: Vec<RefundAdjustment>,
    /// Sum of lines and adjustments, tax included: what is agreed to go back. Zero for a restock
    /// or the removal of an unpaid line.
    pub total: Money,
    /// The ids of the transactions that the source lists on this refund.
    pub transactions: Vec<String>,
    /// The lines of the same order that went out for what came back: an exchange. What is agreed
    /// pays them, as far as no money of it goes back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanged_for: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    pub id: String,
    /// The order line it takes back.
    pub line: String,
    /// 0 where the source does not say how many units.
    pub quantity: i64,
    /// After discounts; contains tax if the order's `taxes_included`.
    pub amount: Money,
    /// The tax given back with it, contained in or on top of `amount` as in the order.
    pub tax: Money,
    pub restock: Restock,
    /// The source's own word for where returned units went to, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restock {
    /// Goods do not come back.
    None,
    /// The units had not left.
    Cancelled,
    /// Goods are back or surely coming.
    Returned,
}

/// Money given back (positive) or kept (negative) that belongs to no order line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundAdjustment {
    pub id: String,
    /// Which charge goes back; `None` for a discrepancy, goodwill or a fee kept.
    pub charge: Option<ChargeKind>,
    pub reason: String,
    /// Contains tax if the order's `taxes_included`.
    pub amount: Money,
    pub tax: Money,
    pub taxes: Vec<TaxLine>,
}

/// Money that a refund sent came back. RECONCILE sees it in the provider's ledger, DECIDE when the
/// channel's transaction turns to failed; either hands it in for the sale, which books the way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFailure {
    /// The channel's transaction whose money came back.
    pub id: String,
    pub order: String,
    pub version: Version,
    /// The day of the provider's row; without one the day on which we were told.
    pub failed_on: Date,
    /// Positive.
    pub amount: Money,
    /// The key under which the sides state the transaction: `refund_paid/<provider>/<id>`.
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fulfilment {
    pub id: String,
    pub order: String,
    pub version: Version,
    pub status: FulfilmentStatus,
    pub created_at: Timestamp,
    /// The source's own word for where the goods left, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    pub lines: Vec<FulfilmentLine>,
    pub tracking: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfilmentStatus {
    Pending,
    Succeeded,
    Cancelled,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfilmentLine {
    pub line: String,
    pub quantity: i64,
}

/// Goods announced or received back. It moves no money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    pub id: String,
    pub order: String,
    pub version: Version,
    pub status: ReturnStatus,
    pub lines: Vec<ReturnLine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnStatus {
    Requested,
    Open,
    Closed,
    Declined,
    Cancelled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    pub line: String,
    pub quantity: i64,
    pub reason: Option<String>,
}
