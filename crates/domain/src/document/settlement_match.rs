//! A match as a statement: which bank lines a payout or a transfer was found to be.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::journal::Role;
use crate::money::Money;

/// What RECONCILE found, or a person confirmed, comes in at the front door and is booked by DECIDE
/// like any other statement (`DESIGN.md` §9.9). It states all lines of the key, so a match that was
/// dissolved states none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementMatch {
    /// The key the lines were claimed for: `bank/<provider>/<payout>`,
    /// `capture_transfer/<connection>/<payment>`, ….
    pub id: String,
    /// How often the match of this key was stated.
    pub version: Version,
    /// The rule that claimed them.
    pub rule: String,
    /// What the lines settle: a provider's money in transit, or the clearing account of a gateway.
    pub role: Role,
    pub qualifier: String,
    pub lines: Vec<MatchedLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedLine {
    /// The line's own key, `line/<account>/<id>`.
    pub key: String,
    pub account: String,
    pub booked_on: Date,
    /// Signed: money that came in is positive.
    pub amount: Money,
}
