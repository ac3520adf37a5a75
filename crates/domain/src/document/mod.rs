//! Documents: whole statements of how a source says one object stands (`DESIGN.md` §9.2).
//!
//! A document uses canonical words but the source's own references (its SKU, its tax title), so it
//! needs no mapping. It is never merged field by field: a newer one replaces the older whole.
//! Documents are written to the store and to `trueup decode` as JSON, each amount as
//! `{"amount":"12.30","currency":"EUR"}`; a change of shape needs an upcaster.

mod bank;
mod books;
mod invoice_request;
mod month_end;
mod order;
mod payment;
mod payout;
mod refund;
mod settlement_match;
mod till;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use bank::{BankLine, BankReferences, BankStatement};
pub use books::{BooksRecord, BooksTax, HeldAlready};
pub use invoice_request::InvoiceRequest;
pub use month_end::{Advance, Deferral, MonthEnd};
pub use order::{
    Address, Buyer, Charge, ChargeKind, Discount, Funder, Line, LineKind, Order, OrderError,
    PaymentStanding, Remitter, TaxLine,
};
pub use payment::{Capture, CaptureStatus, Payment, PaymentKind, PaymentStatus, Tender};
pub use payout::{
    Dispute, DisputeStatus, FeeKind, FeePart, LedgerRow, Payout, PayoutStatus, RowClass,
};
pub use refund::{
    Fulfilment, FulfilmentLine, FulfilmentStatus, Refund, RefundAdjustment, RefundFailure,
    RefundLine, Restock, Return, ReturnLine, ReturnStatus,
};
pub use settlement_match::{MatchedLine, SettlementMatch};
pub use till::{Ticket, TicketTender, TillCash, TillDocument, TillSession};

/// How new a statement is: the source's sequence or its update time in microseconds since 1970.
/// Higher wins. Bank lines and ledger rows have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Version {
    pub fn at(time: jiff::Timestamp) -> Self {
        Self(time.as_microsecond())
    }
}

macro_rules! documents {
    ($($kind:ident = $word:literal, $doc:ty;)*) => {
        /// The kinds of object that a document can state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($kind,)* }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }

        impl FromStr for Kind {
            type Err = UnknownKind;
            fn from_str(word: &str) -> Result<Self, UnknownKind> {
                match word {
                    $($word => Ok(Self::$kind),)*
                    other => Err(UnknownKind(other.to_owned())),
                }
            }
        }

        /// One whole statement of one object.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Document { $($kind(Box<$doc>),)* }

        impl Document {
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// The source's own id of the object, unique within (connection, kind).
            pub fn external_id(&self) -> &str {
                match self { $(Self::$kind(doc) => &doc.id,)* }
            }

            /// The body alone, as JSON; its kind is kept beside it, because numbers and tags do
            /// not mix in serde's buffered formats.
            pub fn to_json(&self) -> String {
                let written = match self { $(Self::$kind(doc) => serde_json::to_string(doc),)* };
                written.unwrap_or_else(|error| unreachable!("documents always serialise: {error}"))
            }

            pub fn from_json(kind: Kind, text: &str) -> Result<Self, serde_json::Error> {
                Ok(match kind {
                    $(Kind::$kind => Self::$kind(Box::new(serde_json::from_str(text)?)),)*
                })
            }
        }

        $(impl From<$doc> for Document {
            fn from(doc: $doc) -> Self { Self::$kind(Box::new(doc)) }
        })*
    };
}

documents! {
    Order = "order", Order;
    Payment = "payment", Payment;
    Refund = "refund", Refund;
    Fulfilment = "fulfilment", Fulfilment;
    Return = "return", Return;
    Charge = "charge", Capture;
    LedgerRow = "ledger_row", LedgerRow;
    Dispute = "dispute", Dispute;
    Payout = "payout", Payout;
    BankStatement = "bank_statement", BankStatement;
    BankLine = "bank_line", BankLine;
    BooksRecord = "books_record", BooksRecord;
    Match = "match", SettlementMatch;
    RefundFailure = "refund_failure", RefundFailure;
    HeldAlready = "held_already", HeldAlready;
    MonthEnd = "month_end", MonthEnd;
    InvoiceRequest = "invoice_request", InvoiceRequest;
    Deletion = "deletion", Deletion;
    Ticket = "ticket", Ticket;
    TillSession = "till_session", TillSession;
}

/// The source no longer has the object. `id` is `<kind>/<external id>` of what went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    pub id: String,
    pub version: Option<Version>,
    /// The sale it belonged to, where the source says so.
    pub order: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of document")]
pub struct UnknownKind(pub String);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The unit of decision and of order: a sale with all that states its order's id, or an object
/// that stands alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root {
    pub kind: RootKind,
    pub external_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    Sale,
    Charge,
    LedgerRow,
    Dispute,
    Payout,
    BankStatement,
    BankLine,
    Books,
    Match,
    TillSession,
    /// The entries that sum up the sales of one channel, day and currency.
    Summary,
    MonthEnd,
}

impl RootKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Charge => "charge",
            Self::LedgerRow => "ledger_row",
            Self::Dispute => "dispute",
            Self::Payout => "payout",
            Self::BankStatement => "bank_statement",
            Self::BankLine => "bank_line",
            Self::Books => "books",
            Self::Match => "match",
            Self::TillSession => "till_session",
            Self::Summary => "summary",
            Self::MonthEnd => "month_end",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Sale,
            Self::Charge,
            Self::LedgerRow,
            Self::Dispute,
            Self::Payout,
            Self::BankStatement,
            Self::BankLine,
            Self::Books,
            Self::Match,
            Self::TillSession,
            Self::Summary,
            Self::MonthEnd,
        ]
        .into_iter()
        .find(|kind| kind.word() == word)
    }
}

impl Document {
    /// `None` where the source gives its objects no version: bank lines and ledger rows.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Order(doc) => Some(doc.version),
            Self::Payment(doc) => Some(doc.version),
            Self::Refund(doc) => Some(doc.version),
            Self::Fulfilment(doc) => Some(doc.version),
            Self::Return(doc) => Some(doc.version),
            Self::Charge(doc) => Some(doc.version),
            Self::Dispute(doc) => Some(doc.version),
            Self::Payout(doc) => Some(doc.version),
            Self::BooksRecord(doc) => Some(doc.version),
            Self::Match(doc) => Some(doc.version),
            Self::RefundFailure(doc) => Some(doc.version),
            Self::Ticket(doc) => Some(doc.version),
            Self::TillSession(doc) => Some(doc.version),
            Self::HeldAlready(doc) => Some(doc.version),
            Self::MonthEnd(doc) => Some(doc.version),
            Self::InvoiceRequest(doc) => Some(doc.version),
            Self::Deletion(doc) => doc.version,
            Self::LedgerRow(_) | Self::BankStatement(_) | Self::BankLine(_) => None,
        }
    }

    /// Where the document is decided.
    pub fn root(&self) -> Root {
        let (kind, external_id) = match self {
            Self::Order(doc) => (RootKind::Sale, &doc.id),
            Self::Payment(doc) => (RootKind::Sale, &doc.order),
            Self::Refund(doc) => (RootKind::Sale, &doc.order),
            Self::RefundFailure(doc) => (RootKind::Sale, &doc.order),
            Self::HeldAlready(doc) => (RootKind::Sale, &doc.id),
            Self::InvoiceRequest(doc) => (RootKind::Sale, &doc.id),
            Self::MonthEnd(doc) => (RootKind::MonthEnd, &doc.id),
            Self::Fulfilment(doc) => (RootKind::Sale, &doc.order),
            Self::Return(doc) => (RootKind::Sale, &doc.order),
            Self::Charge(doc) => (RootKind::Charge, &doc.id),
            Self::LedgerRow(doc) => (RootKind::LedgerRow, &doc.id),
            Self::Dispute(doc) => (RootKind::Dispute, &doc.id),
            Self::Payout(doc) => (RootKind::Payout, &doc.id),
            Self::BankStatement(doc) => (RootKind::BankStatement, &doc.id),
            Self::BankLine(doc) => (RootKind::BankLine, &doc.id),
            Self::BooksRecord(doc) => (RootKind::Books, &doc.id),
            Self::Match(doc) => (RootKind::Match, &doc.id),
            Self::Ticket(doc) => (RootKind::Sale, &doc.order),
            Self::TillSession(doc) => (RootKind::TillSession, &doc.id),
            Self::Deletion(doc) => match &doc.order {
                Some(order) => (RootKind::Sale, order),
                None => (RootKind::Sale, &doc.id),
            },
        };
        let own = match self {
            // An order is the root of its sale, also when all that is told is that it went.
            Self::Deletion(_) => external_id.strip_prefix("order/").unwrap_or(external_id),
            _ => external_id,
        };
        Root { kind, external_id: own.to_owned() }
    }
}
