//! What reconciliation compares: expectations and observations of the four sides (`DESIGN.md` §9.9).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::money::Money;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Channel,
    Books,
    Settlement,
    Bank,
}

impl Side {
    pub const ALL: &[Self] = &[Self::Channel, Self::Books, Self::Settlement, Self::Bank];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Books => "books",
            Self::Settlement => "settlement",
            Self::Bank => "bank",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|side| side.word() == word)
    }
}

/// What an item is about; with its `key`, a name that both sides can form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// The amount of an order, or of the invoice that states it.
    Document,
    /// Tax of a document.
    DocumentTax,
    /// A refund agreed, or the credit note that states it; positive.
    RefundDocument,
    /// Money taken.
    Capture,
    /// Money given back; positive.
    RefundPaid,
    /// The part of a capture or refund that is tax which the marketplace remits: in no books, and
    /// a named line between the channel's amount and theirs.
    RemittedTax,
    /// What a refund took off a sale before that was invoiced: in no books, and a named line between
    /// the channel's amount and theirs.
    NotInvoiced,
    /// A ledger row's net inside a payout, or the payout's own header.
    PayoutRow,
    Payout,
    /// A movement on a bank account.
    BankLine,
    /// A provider's row that belongs to no order.
    Fee,
    Dispute,
    Reserve,
    Unknown,
    /// A row that is about a capture and neither takes it nor gives it back; its net.
    OfCapture,
    /// What an entry comes to that sums up sales.
    Entry,
    /// A tax of such an entry, or the base of one; what was given back counts against it.
    EntryTax,
}

impl ItemKind {
    pub const ALL: &[Self] = &[
        Self::Document,
        Self::DocumentTax,
        Self::RefundDocument,
        Self::Capture,
        Self::RefundPaid,
        Self::RemittedTax,
        Self::NotInvoiced,
        Self::PayoutRow,
        Self::Payout,
        Self::BankLine,
        Self::Fee,
        Self::Dispute,
        Self::Reserve,
        Self::Unknown,
        Self::OfCapture,
        Self::Entry,
        Self::EntryTax,
    ];
    pub const fn word(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::DocumentTax => "document_tax",
            Self::RefundDocument => "refund_document",
            Self::Capture => "capture",
            Self::RefundPaid => "refund_paid",
            Self::RemittedTax => "remitted_tax",
            Self::NotInvoiced => "not_invoiced",
            Self::PayoutRow => "payout_row",
            Self::Payout => "payout",
            Self::BankLine => "bank_line",
            Self::Fee => "fee",
            Self::Dispute => "dispute",
            Self::Reserve => "reserve",
            Self::Unknown => "unknown",
            Self::OfCapture => "of_capture",
            Self::Entry => "entry",
            Self::EntryTax => "entry_tax",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

/// One expectation or observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub side: Side,
    pub kind: ItemKind,
    /// Words that both sides can form: `capture/<provider>/<payment id>`, `payout/…`, `order/…`.
    pub key: String,
    pub amount: Money,
    /// The day it happened.
    pub date: Date,
    /// The day by which the other sides must have stated it; before that a lack is *not due*.
    pub due: Option<Date>,
    /// What a match may lean on beside the key: the bank's texts, the payout's trace.
    pub hints: Vec<String>,
}
