//! Payments as the channel states them (its transactions) and captures as the provider does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::Money;

/// One transaction of an order at its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub id: String,
    pub order: String,
    pub version: Version,
    pub kind: PaymentKind,
    pub status: PaymentStatus,
    /// Positive whatever the kind.
    pub amount: Money,
    /// The channel's own word for the gateway, mapped by DECIDE.
    pub gateway: String,
    pub tender: Tender,
    /// The channel's transaction this one continues (the authorization of a capture, the sale of
    /// a refund).
    pub parent: Option<String>,
    /// The refund document this transaction pays, where the source says so.
    pub refund: Option<String>,
    /// The provider's own id of the money movement (`ch_…`, `re_…`): what its ledger row names.
    pub provider_id: Option<String>,
    pub processed_at: Timestamp,
    pub test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentKind {
    /// Money is reserved, not moved.
    Authorization,
    /// Money of an authorization is taken.
    Capture,
    /// Authorization and capture at once.
    Sale,
    Void,
    Refund,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    Pending,
    Succeeded,
    Failed,
    Cancelled,
}

/// What the buyer paid with; each decides which of the four sides exist (`POSTING.md` table B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tender {
    Card,
    GiftCard,
    StoreCredit,
    BankTransfer,
    Cash,
    /// The marketplace took it, and pays it out in its settlements.
    Marketplace,
    /// Marked paid by hand, or a gateway that the connector does not know the nature of.
    Other,
}

/// A charge or payment intent as the provider states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    pub id: String,
    pub version: Version,
    pub status: CaptureStatus,
    /// What was authorized or asked for.
    pub amount: Money,
    pub captured: Money,
    pub refunded: Money,
    /// Another id of the same payment at the provider (the intent of a charge).
    pub intent: Option<String>,
    /// The ledger row that booked it.
    pub ledger_row: Option<String>,
    /// What the merchant wrote on it, usually the order's number.
    pub description: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureStatus {
    Pending,
    Authorized,
    Captured,
    Failed,
    Cancelled,
}
