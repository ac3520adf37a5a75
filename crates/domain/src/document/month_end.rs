//! What a person decided to post at the end of a month.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::Money;

/// What is open over the end of a month: the customers' advances, and revenue that is not earned yet,
/// both to be shown as deposits in the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthEnd {
    /// Month and currency, such as `2026-10/USD`.
    pub id: String,
    /// How often the end of this month was stated.
    pub version: Version,
    /// The last day of the month.
    pub until: Date,
    /// By sale; each above zero, and all in one currency.
    pub advances: Vec<Advance>,
    /// The same of revenue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferrals: Vec<Deferral>,
    /// Who decided it, and why.
    pub person: String,
    pub reason: String,
}

/// Money that was taken for a sale and is in no invoice yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    pub sale: String,
    /// What people call the order.
    pub number: String,
    pub amount: Money,
}

/// Revenue of a sale, without tax, that is in an invoice and of which the goods have not left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    pub sale: String,
    /// What people call the order.
    pub number: String,
    pub amount: Money,
}
