//! An order as its channel states it: what was sold, at which price, with which tax.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::{Currency, Money, MoneyError};

/// `sold` is every line ever sold at its amount after discounts: a refund never changes the order,
/// and a quantity taken off by an edit is a refund without money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    /// What people call it, such as `#1001`. Never a key.
    pub number: String,
    /// The customer's own name for it, such as the number of his purchase order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_reference: Option<String>,
    pub version: Version,
    /// When the customer bought, not when the channel stored it (offline tills are late).
    pub placed_at: Timestamp,
    /// The day by which a customer on terms has to pay; none where it is paid at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<Date>,
    /// The currency of every amount in this document: the shop's.
    pub currency: Currency,
    /// What the buyer saw, where it differs: evidence, never booked.
    pub presentment_total: Option<Money>,
    /// Line and charge amounts contain their tax.
    pub taxes_included: bool,
    pub lines: Vec<Line>,
    pub charges: Vec<Charge>,
    /// What the source states as the total sold, tax included.
    pub total: Money,
    /// What the source states about payment; compared with the payments, never trusted alone.
    pub payment_standing: PaymentStanding,
    /// The source's own word for the sales channel inside it (`web`, `pos`).
    pub source: Option<String>,
    pub cancelled_at: Option<Timestamp>,
    pub buyer: Option<Buyer>,
    /// A test order is shown and never booked.
    pub test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStanding {
    Pending,
    Authorized,
    PartiallyPaid,
    Paid,
    PartiallyRefunded,
    Refunded,
    Voided,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub id: String,
    pub kind: LineKind,
    pub sku: Option<String>,
    pub title: String,
    /// Units ever sold on this line; never negative.
    pub quantity: i64,
    /// Informs only: the amounts below are the facts.
    pub unit_price: Decimal,
    /// Quantity times price before discounts; contains tax if the order's `taxes_included`.
    pub gross: Money,
    pub discounts: Vec<Discount>,
    pub taxes: Vec<TaxLine>,
    pub requires_shipping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    Goods,
    /// Selling a gift card is a liability, no revenue.
    GiftCard,
    Tip,
}

/// A share of a discount, already allocated to its line or charge; a positive amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    pub title: String,
    pub funder: Funder,
    pub amount: Money,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Funder {
    Merchant,
    Marketplace,
    Supplier,
}

/// One tax of one line or charge, as charged to the buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxLine {
    pub title: String,
    /// A fraction: 0.19 for 19 %.
    pub rate: Decimal,
    pub amount: Money,
    pub remitted_by: Remitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remitter {
    Merchant,
    Marketplace,
}

/// An amount that is not a line: shipping, a tip, duties, the channel's own cash rounding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub id: String,
    pub kind: ChargeKind,
    pub title: String,
    /// Negative only for rounding, and for a fee that is none: what the channel takes off the whole
    /// order.
    pub gross: Money,
    pub discounts: Vec<Discount>,
    pub taxes: Vec<TaxLine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    Shipping,
    Tip,
    Duty,
    GiftWrap,
    /// What the channel charges beside the goods under a name of the merchant's: a surcharge, a
    /// service. Below zero it is a discount of the whole order.
    Fee,
    CashRounding,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    /// The source's id of the customer; a guest has none.
    pub id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    /// As the customer writes it, with the prefix of its country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_number: Option<String>,
    pub billing: Option<Address>,
    pub shipping: Option<Address>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub name: Option<String>,
    pub company: Option<String>,
    pub street: Option<String>,
    pub street2: Option<String>,
    pub city: Option<String>,
    pub postcode: Option<String>,
    /// ISO 3166-2 subdivision code without the country, such as `NY`.
    pub region: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    pub phone: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("lines, charges, discounts and taxes make {computed}, the source states {stated}")]
    TotalDiffers { computed: Money, stated: Money },
    #[error("the discounts of `{part}` are larger than its amount")]
    DiscountTooLarge { part: String },
    #[error("the quantity {quantity} of `{line}` is not allowed")]
    Quantity { line: String, quantity: i64 },
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// More units than this on one line is an error of the sender, not an order.
const QUANTITY_MAX: i64 = 1_000_000;

impl Order {
    /// Checks the arithmetic inside the document: lines + charges − discounts + exclusive taxes
    /// must be the stated total. A failure holds the document; nothing is booked from it.
    pub fn check(&self) -> Result<(), OrderError> {
        for line in &self.lines {
            if line.quantity < 0 || line.quantity > QUANTITY_MAX {
                return Err(OrderError::Quantity {
                    line: line.id.clone(),
                    quantity: line.quantity,
                });
            }
            if net(line.gross, &line.discounts)?.is_negative() {
                return Err(OrderError::DiscountTooLarge { part: line.id.clone() });
            }
        }
        let computed = self.computed_total()?;
        if computed != self.total {
            return Err(OrderError::TotalDiffers { computed, stated: self.total });
        }
        Ok(())
    }

    fn computed_total(&self) -> Result<Money, MoneyError> {
        let mut parts = Vec::new();
        for line in &self.lines {
            parts.push(net(line.gross, &line.discounts)?);
        }
        for charge in &self.charges {
            parts.push(net(charge.gross, &charge.discounts)?);
        }
        if !self.taxes_included {
            parts.extend(self.taxes().map(|tax| tax.amount));
        }
        Money::sum(self.currency, parts)
    }

    /// Every tax of every line and charge.
    pub fn taxes(&self) -> impl Iterator<Item = &TaxLine> {
        let of_lines = self.lines.iter().flat_map(|line| &line.taxes);
        of_lines.chain(self.charges.iter().flat_map(|charge| &charge.taxes))
    }

    pub fn total_tax(&self) -> Result<Money, MoneyError> {
        Money::sum(self.currency, self.taxes().map(|tax| tax.amount))
    }
}

fn net(gross: Money, discounts: &[Discount]) -> Result<Money, MoneyError> {
    let taken = Money::sum(gross.currency(), discounts.iter().map(|discount| discount.amount))?;
    gross.checked_sub(taken)
}
