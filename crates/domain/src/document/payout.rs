//! The provider's own ledger, its payouts and its disputes.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::Money;

/// One row of a provider's ledger: the only source from which payouts are rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    pub id: String,
    pub class: RowClass,
    /// The provider's own word, kept whatever `class` says.
    pub kind: String,
    /// Signed as the provider signs it: positive raises the balance.
    pub gross: Money,
    /// Positive when charged, negative when a fee is given back.
    pub fee: Money,
    /// `gross − fee`; checked by the connector.
    pub net: Money,
    pub fees: Vec<FeePart>,
    /// What the object is in the currency that the customer paid in, signed as `gross`, where the
    /// provider converted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentment: Option<Money>,
    /// The object this row books: a charge, a refund, a dispute, a channel's transaction.
    pub object: Option<String>,
    /// The capture at the end of the row's source chain, where the provider says so.
    pub capture: Option<String>,
    /// The channel's order, where the provider says so.
    pub order: Option<String>,
    /// The payout that contains the row; `None` while it is open.
    pub payout: Option<String>,
    pub occurred_at: Timestamp,
    pub available_on: Option<Date>,
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowClass {
    Capture,
    /// Gives back the part of an authorization that was never captured; no customer refund.
    PartialCaptureReversal,
    Refund,
    /// A refund that failed: the money is back.
    RefundFailure,
    Fee,
    Dispute,
    DisputeReversal,
    Reserve,
    ReserveRelease,
    WithheldTax,
    MarketplaceTax,
    Reimbursement,
    /// An advance paid out, or its repayment.
    Loan,
    Transfer,
    Conversion,
    Adjustment,
    Payout,
    /// A payout that came back.
    PayoutReturn,
    /// What the account was owed or owed at the end of the settlement before, stated again at the
    /// head of this one: it counts in the sum of the payout and moves nothing.
    CarriedForward,
    TopUp,
    /// A type that nobody has decided about: blocks the posting of its payout.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeePart {
    pub kind: FeeKind,
    pub amount: Money,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeKind {
    Processing,
    Tax,
    Application,
    Dispute,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    pub id: String,
    pub version: Version,
    pub status: PayoutStatus,
    /// Negative when the provider debits the bank account.
    pub amount: Money,
    pub created_at: Timestamp,
    pub arrival: Date,
    /// The provider can name the rows it contains.
    pub itemised: bool,
    /// What the bank line should carry.
    pub trace: Option<String>,
    pub descriptor: Option<String>,
    pub failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutStatus {
    Expected,
    InTransit,
    Paid,
    Failed,
    Cancelled,
    /// Nothing was transferred: the balance goes over into the next payout.
    CarriedForward,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    pub id: String,
    pub version: Version,
    pub status: DisputeStatus,
    /// An inquiry moves no money.
    pub inquiry: bool,
    pub amount: Money,
    /// The capture in dispute.
    pub capture: Option<String>,
    pub order: Option<String>,
    pub reason: String,
    pub evidence_due: Option<Timestamp>,
    /// When it was decided, where the provider says so.
    pub closed_on: Option<Date>,
    pub ledger_rows: Vec<String>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    NeedsResponse,
    UnderReview,
    Accepted,
    /// The merchant refunded instead of contesting.
    Refunded,
    Prevented,
    Won,
    Lost,
    Closed,
}
