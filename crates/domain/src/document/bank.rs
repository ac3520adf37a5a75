//! What the bank says: statements with their balances, and the booked lines in them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::money::Money;

/// A statement whose opening balance plus its booked lines is its closing balance; the connector
/// refuses a file where that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankStatement {
    /// Account, the bank's statement id and the year of its date: banks reuse statement ids.
    pub id: String,
    pub account: String,
    pub sequence: Option<String>,
    pub date: Option<Date>,
    pub opening: Option<Money>,
    pub closing: Option<Money>,
    pub lines: u32,
    /// The bank marks it as a copy of one sent before.
    pub copy: bool,
}

/// One booked movement on a bank account. Pending entries are never documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankLine {
    /// Account and the bank's reference where it is unique, else a fingerprint with an occurrence
    /// counter: two identical payments on one day are two lines.
    pub id: String,
    pub account: String,
    pub statement: String,
    /// Signed: positive is money in.
    pub amount: Money,
    pub booked_on: Date,
    pub value_on: Option<Date>,
    pub references: BankReferences,
    pub counterparty: Option<String>,
    /// The remittance text, joined.
    pub text: String,
    /// The entry that this detail of a batch belongs to, with the entry's signed total.
    pub batch: Option<String>,
    pub reversal: bool,
    pub code: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankReferences {
    pub servicer: Option<String>,
    pub end_to_end: Option<String>,
    pub transaction: Option<String>,
    pub mandate: Option<String>,
}
