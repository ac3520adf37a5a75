//! What a shop says about an order, in neither shape's words: the one thing that is decoded.
//!
//! Amounts are still texts here; a wire shape only chooses the field, it never calculates.

use jiff::Timestamp;
use trueup_connect::json::NumberText;
use trueup_domain::document::Buyer;
use trueup_domain::money::Currency;

use crate::wire::Amount;

pub struct Order {
    pub id: String,
    pub name: String,
    pub po_number: Option<String>,
    pub created_at: Timestamp,
    pub processed_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub cancelled_at: Option<Timestamp>,
    pub currency: Currency,
    pub total: Amount,
    pub presentment_total: Option<Amount>,
    pub taxes_included: bool,
    pub duties_included: bool,
    pub tip: Option<Amount>,
    pub cash_rounding: Option<Amount>,
    pub standing: Option<String>,
    pub source: Option<String>,
    pub test: bool,
    pub buyer: Option<Buyer>,
    pub lines: Vec<Line>,
    pub shipping: Vec<Shipping>,
    pub refunds: Vec<Refund>,
    pub transactions: Vec<Transaction>,
    pub fulfilments: Vec<Fulfilment>,
    pub returns: Vec<Return>,
}

pub struct Line {
    pub id: String,
    pub sku: Option<String>,
    pub title: String,
    pub quantity: i64,
    pub unit: Amount,
    pub gift_card: bool,
    /// Neither a product nor a variant stands behind it.
    pub custom: bool,
    pub requires_shipping: bool,
    pub discounts: Vec<Discount>,
    pub taxes: Vec<Tax>,
    pub duties: Vec<Duty>,
}

pub struct Discount {
    pub title: String,
    pub amount: Amount,
}

pub struct Tax {
    pub title: String,
    pub rate: Option<NumberText>,
    pub amount: Amount,
    pub channel_liable: bool,
}

pub struct Duty {
    pub id: String,
    pub amount: Amount,
    pub taxes: Vec<Tax>,
}

pub struct Shipping {
    pub id: String,
    pub title: String,
    pub amount: Amount,
    pub discounts: Vec<Discount>,
    pub taxes: Vec<Tax>,
}

pub struct Refund {
    pub id: String,
    pub created_at: Timestamp,
    pub processed_at: Option<Timestamp>,
    pub note: Option<String>,
    pub lines: Vec<RefundLine>,
    pub shipping: Vec<RefundShipping>,
    pub duties: Vec<RefundDuty>,
    pub adjustments: Vec<Adjustment>,
    pub transactions: Vec<String>,
    /// The lines of the same order that went out for what came back.
    pub exchanged_for: Vec<String>,
}

pub struct RefundLine {
    pub id: String,
    pub line: String,
    pub quantity: i64,
    pub restock: String,
    /// The id of the place that the goods came back to.
    pub location: Option<String>,
    pub subtotal: Amount,
    pub tax: Amount,
}

pub struct RefundShipping {
    pub id: String,
    pub amount: Amount,
    /// `None` where the shape does not say it.
    pub tax: Option<Amount>,
    /// The taxes of the shipping line it gives back, by which `tax` is spread.
    pub taxes: Vec<Tax>,
}

pub struct RefundDuty {
    pub id: String,
    pub amount: Amount,
}

/// Signed as Shopify signs it: negative is money given back.
pub struct Adjustment {
    pub id: String,
    pub shipping: bool,
    pub reason: String,
    pub amount: Amount,
    pub tax: Amount,
}

pub struct Transaction {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub gateway: String,
    pub manual: bool,
    pub amount: Amount,
    pub rounding: Option<Amount>,
    pub parent: Option<String>,
    pub refund: Option<String>,
    pub authorization: Option<String>,
    pub receipt_id: Option<String>,
    pub processed_at: Timestamp,
    pub test: bool,
}

pub struct Fulfilment {
    pub id: String,
    pub status: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The id of the place that the goods left.
    pub location: Option<String>,
    pub lines: Vec<(String, i64)>,
    pub tracking: Vec<String>,
}

pub struct Return {
    pub id: String,
    pub status: String,
    /// Order line, quantity, reason.
    pub lines: Vec<(String, i64, Option<String>)>,
}
