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
