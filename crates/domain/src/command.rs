//! Commands: each makes one document at one target, under a key that commits with its effect.
//!
//! The content is in canonical words; ids of the target (`TargetRef`) come from the pinned mapping
//! or from the bindings of the commands in `after`.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::document::Buyer;
use crate::money::Money;

/// The target's own id of a record, as text.
pub type TargetRef = String;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    Partner,
    Order,
    Invoice,
    Payment,
    CreditNote,
    /// Ties a payment to the document it pays, in a lane of its own.
    Reconciliation,
    Cancellation,
    Entry,
    /// Whatever touches stock, in one lane: two writers of one product's stock block each other.
    Goods,
}

impl CommandKind {
    pub const ALL: &[Self] = &[
        Self::Partner,
        Self::Order,
        Self::Invoice,
        Self::Payment,
        Self::CreditNote,
        Self::Reconciliation,
        Self::Cancellation,
        Self::Entry,
        Self::Goods,
    ];
    pub const fn word(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Order => "order",
            Self::Invoice => "invoice",
            Self::Payment => "payment",
            Self::CreditNote => "credit_note",
            Self::Reconciliation => "reconciliation",
            Self::Cancellation => "cancellation",
            Self::Entry => "entry",
            Self::Goods => "goods",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

/// Externally tagged on purpose: numbers and internal tags do not mix in serde's formats.
#[expect(
    clippy::large_enum_variant,
    reason = "a customer is large, but contents are read one at a time and never kept in bulk"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Partner(Partner),
    Order(OrderContent),
    Invoice(InvoiceContent),
    Payment(PaymentContent),
    CreditNote(CreditNoteContent),
    Reconciliation(ReconciliationContent),
    Cancellation(CancellationContent),
    Entry(EntryContent),
    Goods(GoodsContent),
    Transfer(TransferContent),
}

impl Content {
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Partner(_) => CommandKind::Partner,
            Self::Order(_) => CommandKind::Order,
            Self::Invoice(_) => CommandKind::Invoice,
            Self::Payment(_) => CommandKind::Payment,
            Self::CreditNote(_) => CommandKind::CreditNote,
            Self::Reconciliation(_) => CommandKind::Reconciliation,
            Self::Cancellation(_) => CommandKind::Cancellation,
            Self::Entry(_) => CommandKind::Entry,
            Self::Goods(_) | Self::Transfer(_) => CommandKind::Goods,
        }
    }

    /// The target's company that the command writes in.
    pub fn company(&self) -> &str {
        match self {
            Self::Partner(it) => &it.company,
            Self::Order(it) => &it.company,
            Self::Invoice(it) => &it.company,
            Self::Payment(it) => &it.company,
            Self::CreditNote(it) => &it.company,
            Self::Reconciliation(it) => &it.company,
            Self::Cancellation(it) => &it.company,
            Self::Entry(it) => &it.company,
            Self::Goods(it) => &it.company,
            Self::Transfer(it) => &it.company,
        }
    }

    /// What the record must show in total, where it has one.
    pub fn total(&self) -> Option<Money> {
        match self {
            Self::Order(it) => Some(it.total),
            Self::Invoice(it) => Some(it.total),
            Self::CreditNote(it) => Some(it.total),
            Self::Payment(it) => Some(it.amount),
            Self::Partner(_)
            | Self::Reconciliation(_)
            | Self::Cancellation(_)
            | Self::Entry(_)
            | Self::Goods(_)
            | Self::Transfer(_) => None,
        }
    }

    /// The day on which the target is to book it, where it books.
    pub const fn date(&self) -> Option<Date> {
        match self {
            Self::Invoice(it) => Some(it.date),
            Self::Payment(it) => Some(it.date),
            Self::CreditNote(it) => Some(it.date),
            Self::Entry(it) => Some(it.date),
            Self::Partner(_)
            | Self::Order(_)
            | Self::Reconciliation(_)
            | Self::Cancellation(_)
            | Self::Goods(_)
            | Self::Transfer(_) => None,
        }
    }

    /// The target's journal, where the command writes in one.
    pub fn journal(&self) -> Option<&str> {
        match self {
            Self::Invoice(it) => Some(&it.journal),
            Self::Payment(it) => Some(&it.journal),
            Self::CreditNote(it) => Some(&it.journal),
            Self::Entry(it) => Some(&it.journal),
            Self::Partner(_)
            | Self::Order(_)
            | Self::Reconciliation(_)
            | Self::Cancellation(_)
            | Self::Goods(_)
            | Self::Transfer(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    pub company: TargetRef,
    /// What we write as the target's reference of the customer.
    /// Empty for an address of a customer.
    pub reference: String,
    pub buyer: Buyer,
    /// The customer whose delivery address it is (binding role `customer`); none for a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_of: Option<CustomerRef>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderContent {
    pub company: TargetRef,
    /// Binding role `customer`.
    pub customer: CustomerRef,
    /// The channel's display number: shown, never a key.
    pub reference: String,
    /// Shown instead of it where the customer looks for his own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_reference: Option<String>,
    pub origin: String,
    pub placed_at: Timestamp,
    pub pricelist: Option<TargetRef>,
    pub warehouse: Option<TargetRef>,
    pub lines: Vec<DocumentLine>,
    /// What the target must compute; compared after the write.
    pub total: Money,
    pub tax: Money,
}

/// A customer made by a command before this one (binding role `customer`), or a fixed one of the
/// mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerRef {
    Bound,
    Fixed(TargetRef),
}

/// One line of an order, invoice or credit note at the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentLine {
    /// Unique in its document and stable: the source's line id, or `discount/…`.
    pub part: String,
    pub product: Option<TargetRef>,
    /// Instead of a product, so that no cost is booked (`POSTING.md` P4); beside one, instead of
    /// the product's own account.
    pub account: Option<TargetRef>,
    pub name: String,
    pub quantity: Decimal,
    /// Quantity × price is exactly `amount`.
    pub unit_price: Decimal,
    /// Signed; contains its tax if `taxes_included`.
    pub amount: Money,
    pub taxes_included: bool,
    pub taxes: Vec<DocumentTax>,
    pub shipping: bool,
}

/// A tax forced on a line to the channel's cent; an amount of zero is stated too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentTax {
    pub tax: TargetRef,
    /// The line's amount without tax.
    pub base: Money,
    pub amount: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceContent {
    pub company: TargetRef,
    pub customer: CustomerRef,
    pub journal: TargetRef,
    pub reference: String,
    /// As of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_reference: Option<String>,
    pub date: Date,
    /// When it has to be paid, where that is another day than its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<Date>,
    /// Parts of the order's lines (binding role `order`) that this invoice bills.
    pub lines: Vec<DocumentLine>,
    pub total: Money,
    pub tax: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditNoteContent {
    pub company: TargetRef,
    pub customer: CustomerRef,
    pub journal: TargetRef,
    pub reference: String,
    pub reason: String,
    pub date: Date,
    /// Positive amounts, as on an invoice. Binding role `invoice` names what it takes back.
    pub lines: Vec<DocumentLine>,
    pub total: Money,
    pub tax: Money,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentContent {
    pub company: TargetRef,
    pub customer: CustomerRef,
    pub direction: Direction,
    /// The gateway's journal, whose account is the clearing account, and its method line.
    pub journal: TargetRef,
    pub method_line: TargetRef,
    pub date: Date,
    pub amount: Money,
    /// The provider's payment id, so that a person finds it.
    pub memo: String,
}

/// Ties the payment of binding role `payment` to the document of binding role `document`. Either
/// may be a payment or a document: what takes a record back is tied to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationContent {
    pub company: TargetRef,
    /// What the record bound as `payment` is: a payment, or a document that takes the other back.
    pub payment: CommandKind,
    /// What the record bound as `document` is.
    pub document: CommandKind,
    pub amount: Money,
    pub extent: Extent,
}

/// How much of its amount a reconciliation must tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of it; anything else is a difference.
    Whole,
    /// What is open on both, which may be nothing: another tie had it first.
    WhatIsOpen,
    /// All of it, in the place of whatever else is tied to the document: what that had paid is open
    /// again.
    Instead,
}

/// Cancels the order of binding role `order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancellationContent {
    pub company: TargetRef,
    pub reference: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryContent {
    pub company: TargetRef,
    pub journal: TargetRef,
    pub date: Date,
    pub reference: String,
    pub lines: Vec<AccountLine>,
    /// On the accounts that the taxes themselves name (`POSTING.md` P5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<EntryTax>,
    /// The orders whose sale this entry books. One that the target holds already by another hand
    /// is never booked again: then nothing of the entry is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<EntryOrder>,
}

impl EntryContent {
    /// What its debits add up to, which the target calls its total. `None` without lines.
    pub fn debits(&self) -> Option<Money> {
        let amounts = self.lines.iter().map(|line| line.amount);
        let amounts = amounts.chain(self.taxes.iter().map(|tax| tax.amount));
        let currency = amounts.clone().next()?.currency();
        Money::sum(currency, amounts.filter(|amount| !amount.is_negative())).ok()
    }
}

/// Debit is positive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    pub account: TargetRef,
    pub name: String,
    pub amount: Money,
    /// The taxes of which it is the base.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<TargetRef>,
    /// Of what was given back: declared as a refund is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refund: bool,
}

/// A tax line of an entry, to the channel's cent. Debit is positive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryTax {
    pub tax: TargetRef,
    pub name: String,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refund: bool,
}

/// An order whose sale an entry books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryOrder {
    /// The channel's own id.
    pub id: String,
    /// By which the target's documents would name it.
    pub number: String,
}

/// What happened to goods of one order of the books (`POSTING.md` P4). It makes no entry.
///
/// Binding role `order` names the order; what takes another movement back has role `goods`
/// instead, and then moves the goods of that movement the other way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodsContent {
    pub company: TargetRef,
    pub way: Way,
    /// Shown, never a key.
    pub reference: String,
    /// Hash of the order's content: an order that is made anew plans its goods anew, so they are
    /// moved anew.
    pub order: String,
    pub lines: Vec<GoodsLine>,
}

/// Where goods go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// They left.
    Out,
    /// Units were taken off the order before they left; the quantities are how many of the line may
    /// leave in all.
    Limit,
    /// They came back.
    Back,
}

/// Units of one line of the channel's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodsLine {
    /// The source's line id.
    pub part: String,
    pub product: TargetRef,
    /// As on the order of the books, to prefer the line it was sold on.
    pub name: String,
    pub quantity: i64,
}

/// What left a location of the books in a day, and what came back to it, by product (`POSTING.md`
/// P4): at most one transfer for each way. It makes no entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferContent {
    pub company: TargetRef,
    pub location: TargetRef,
    /// Noon of the day in the channel's zone: the transfers are dated by it.
    pub moved_at: Timestamp,
    /// Shown, never a key.
    pub reference: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<TransferLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<TransferLine>,
}

/// Units of one product, more than none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLine {
    pub product: TargetRef,
    /// Shown.
    pub name: String,
    pub quantity: i64,
}

/// What takes a document back once it may exist at the target: the content, and the role under
/// which it finds the original. `None` where nothing needs to be, or can be, undone.
pub fn reversal_of(content: &Content) -> Option<(Content, &'static str)> {
    match content {
        Content::Order(it) => Some((
            Content::Cancellation(CancellationContent {
                company: it.company.clone(),
                reference: it.reference.clone(),
            }),
            "order",
        )),
        Content::Invoice(it) => Some((
            Content::CreditNote(CreditNoteContent {
                company: it.company.clone(),
                customer: it.customer.clone(),
                journal: it.journal.clone(),
                reference: it.reference.clone(),
                reason: "replaced after a change at the channel".to_owned(),
                date: it.date,
                lines: it.lines.clone(),
                total: it.total,
                tax: it.tax,
            }),
            "invoice",
        )),
        Content::CreditNote(it) => Some((
            Content::Invoice(InvoiceContent {
                company: it.company.clone(),
                customer: it.customer.clone(),
                journal: it.journal.clone(),
                reference: it.reference.clone(),
                customer_reference: None,
                date: it.date,
                due_on: None,
                lines: it.lines.clone(),
                total: it.total,
                tax: it.tax,
            }),
            "credit_note",
        )),
        Content::Payment(it) => {
            let mut back = it.clone();
            back.direction = match it.direction {
                Direction::Inbound => Direction::Outbound,
                Direction::Outbound => Direction::Inbound,
            };
            Some((Content::Payment(back), "payment"))
        }
        Content::Entry(it) => {
            let mut back = it.clone();
            let amounts = back.lines.iter_mut().map(|line| &mut line.amount);
            for amount in amounts.chain(back.taxes.iter_mut().map(|tax| &mut tax.amount)) {
                *amount = Money::from_minor(amount.minor().saturating_neg(), amount.currency());
            }
            // What it takes back was booked.
            back.orders.clear();
            Some((Content::Entry(back), "entry"))
        }
        // A limit is a level: its successor states the new one.
        Content::Goods(it) if it.way == Way::Limit => None,
        Content::Goods(it) => {
            Some((Content::Goods(GoodsContent { way: Way::Back, ..it.clone() }), "goods"))
        }
        Content::Transfer(it) => {
            let (out, back) = (it.back.clone(), it.out.clone());
            Some((Content::Transfer(TransferContent { out, back, ..it.clone() }), "transfer"))
        }
        // A customer stays; a tie goes when the reversal of what it tied takes its place; a cancelled
        // order stays so.
        Content::Partner(_) | Content::Reconciliation(_) | Content::Cancellation(_) => None,
    }
}
