//! The contract as it is written, in the words of the glossary. Unknown fields are refused: whoever
//! builds a portal must hear of a slip of the pen, or it is found when the money is missing.
//!
//! Amounts are texts, so that no language at the other end writes them through a float. The words
//! of the lists are written out here, although they are those of the documents: the contract does
//! not change when a document does.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use trueup_domain::document;
use trueup_domain::money::Currency;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    #[serde(rename = "version")]
    _version: ContractVersion,
    #[serde(default)]
    pub orders: Vec<Order>,
    #[serde(default)]
    pub payments: Vec<Payment>,
    #[serde(default)]
    pub refunds: Vec<Refund>,
    #[serde(default)]
    pub fulfilments: Vec<Fulfilment>,
    #[serde(default)]
    pub returns: Vec<Return>,
}

impl Message {
    pub fn objects(&self) -> usize {
        self.orders.len()
            + self.payments.len()
            + self.refunds.len()
            + self.fulfilments.len()
            + self.returns.len()
    }
}

#[derive(Deserialize)]
pub enum ContractVersion {
    #[serde(rename = "1")]
    One,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub id: String,
    pub number: String,
    #[serde(default, deserialize_with = "given")]
    pub sequence: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    pub updated_at: Option<Timestamp>,
    pub placed_at: Timestamp,
    pub cancelled_at: Option<Timestamp>,
    pub customer_reference: Option<String>,
    pub due_on: Option<Date>,
    pub currency: Currency,
    pub taxes_included: bool,
    pub lines: Vec<Line>,
    #[serde(default)]
    pub charges: Vec<Charge>,
    pub total: Amount,
    pub payment_standing: PaymentStanding,
    pub source: Option<String>,
    pub buyer: Option<Buyer>,
    #[serde(default)]
    pub test: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub id: String,
    #[serde(default)]
    pub kind: LineKind,
    pub sku: Option<String>,
    pub title: String,
    pub quantity: i64,
    /// As agreed with this customer.
    pub unit_price: Amount,
    /// What others pay; it informs only, and stays in the message.
    pub list_price: Option<Amount>,
    pub gross: Amount,
    #[serde(default)]
    pub discounts: Vec<Discount>,
    #[serde(default)]
    pub taxes: Vec<Tax>,
    pub requires_shipping: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    pub id: String,
    pub kind: ChargeKind,
    pub title: String,
    pub gross: Amount,
    #[serde(default)]
    pub discounts: Vec<Discount>,
    #[serde(default)]
    pub taxes: Vec<Tax>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discount {
    pub title: String,
    #[serde(default)]
    pub funder: Funder,
    pub amount: Amount,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tax {
    pub title: String,
    pub rate: Amount,
    pub amount: Amount,
    #[serde(default)]
    pub remitted_by: Remitter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buyer {
    pub id: Option<String>,
    pub name: Option<String>,
    pub company: Option<String>,
    pub vat_number: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub billing: Option<Address>,
    pub shipping: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub name: Option<String>,
    pub company: Option<String>,
    pub street: Option<String>,
    pub street2: Option<String>,
    pub city: Option<String>,
    pub postcode: Option<String>,
    pub region: Option<String>,
    pub country: Option<String>,
    pub phone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub id: String,
    pub order: String,
    #[serde(default, deserialize_with = "given")]
    pub sequence: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    pub updated_at: Option<Timestamp>,
    pub kind: PaymentKind,
    pub status: PaymentStatus,
    pub currency: Currency,
    pub amount: Amount,
    pub gateway: String,
    pub tender: Tender,
    pub provider_id: Option<String>,
    pub parent: Option<String>,
    pub refund: Option<String>,
    pub processed_at: Timestamp,
    #[serde(default)]
    pub test: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    pub id: String,
    pub order: String,
    #[serde(default, deserialize_with = "given")]
    pub sequence: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    pub updated_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub reason: Option<String>,
    pub currency: Currency,
    #[serde(default)]
    pub lines: Vec<RefundLine>,
    #[serde(default)]
    pub adjustments: Vec<RefundAdjustment>,
    pub total: Amount,
    #[serde(default)]
    pub payments: Vec<String>,
    #[serde(default)]
    pub exchanged_for: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundLine {
    pub id: String,
    pub line: String,
    pub quantity: i64,
    pub amount: Amount,
    pub tax: Amount,
    pub restock: Restock,
    pub location: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundAdjustment {
    pub id: String,
    pub charge: Option<ChargeKind>,
    pub reason: String,
    pub amount: Amount,
    pub tax: Amount,
    #[serde(default)]
    pub taxes: Vec<Tax>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fulfilment {
    pub id: String,
    pub order: String,
    #[serde(default, deserialize_with = "given")]
    pub sequence: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    pub updated_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub status: FulfilmentStatus,
    pub location: Option<String>,
    pub lines: Vec<FulfilmentLine>,
    #[serde(default)]
    pub tracking: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FulfilmentLine {
    pub line: String,
    pub quantity: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Return {
    pub id: String,
    pub order: String,
    #[serde(default, deserialize_with = "given")]
    pub sequence: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    pub updated_at: Option<Timestamp>,
    pub status: ReturnStatus,
    pub lines: Vec<ReturnLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnLine {
    pub line: String,
    pub quantity: i64,
    pub reason: Option<String>,
}

/// The text of a decimal number; a number of JSON is refused.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Amount(pub String);

/// A field that may be left out and, where it is there, has a value.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

macro_rules! words {
    ($($(#[$derived:meta])* $name:ident { $($(#[$left_out:meta])* $variant:ident,)* })*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        $(#[$derived])*
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$left_out])* $variant,)* }

        impl From<$name> for document::$name {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant,)* }
            }
        }
    )*};
}

// A default is what is meant where the word is left out, as the schema says.
words! {
    PaymentStanding {
        Pending,
        Authorized,
        PartiallyPaid,
        Paid,
        PartiallyRefunded,
        Refunded,
        Voided,
        Expired,
    }
    #[derive(Default)]
    LineKind { #[default] Goods, GiftCard, Tip, }
    ChargeKind { Shipping, Tip, Duty, GiftWrap, CashRounding, }
    #[derive(Default)]
    Funder { #[default] Merchant, Marketplace, Supplier, }
    #[derive(Default)]
    Remitter { #[default] Merchant, Marketplace, }
    PaymentKind { Authorization, Capture, Sale, Void, Refund, }
    PaymentStatus { Pending, Succeeded, Failed, Cancelled, }
    Tender { Card, GiftCard, StoreCredit, BankTransfer, Cash, Other, }
    Restock { None, Cancelled, Returned, }
    FulfilmentStatus { Pending, Succeeded, Cancelled, Failed, }
    ReturnStatus { Requested, Open, Closed, Declined, Cancelled, }
}
