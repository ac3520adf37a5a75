//! What the played shop remembers. Amounts are minor units of the shop's currency, without tax.

use jiff::Timestamp;
use rust_decimal::Decimal;
use trueup_domain::document::Buyer;

pub struct Rate {
    pub label: String,
    pub percent: Decimal,
}

pub struct Order {
    pub id: u64,
    pub status: &'static str,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub paid: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    pub method: String,
    pub transaction: String,
    pub buyer: Option<Buyer>,
    pub coupon: Option<String>,
    pub lines: Vec<Line>,
    pub shipping: Option<Charge>,
    pub fees: Vec<Charge>,
    pub refunds: Vec<Refund>,
    /// The gateway's name of its last refund, where it notes one on the order.
    pub refund_noted: Option<String>,
}

/// Amount of a rate, by its id.
pub type Taxes = Vec<(u64, i64)>;

pub struct Line {
    pub id: u64,
    pub sku: String,
    pub title: String,
    pub quantity: i64,
    pub subtotal: i64,
    pub total: i64,
    pub taxes: Taxes,
    pub restocked: i64,
}

pub struct Charge {
    pub id: u64,
    pub title: String,
    pub total: i64,
    pub taxes: Taxes,
}

/// What a refund gives back; positive here, negative in JSON.
pub struct Refund {
    pub id: u64,
    pub at: Timestamp,
    pub amount: i64,
    pub reason: String,
    pub by_gateway: bool,
    pub lines: Vec<RefundedLine>,
    pub shipping: Option<Charge>,
}

pub struct RefundedLine {
    pub id: u64,
    /// The line of the order.
    pub of: u64,
    pub quantity: i64,
    pub total: i64,
    pub taxes: Taxes,
}

pub struct Webhook {
    pub topic: &'static str,
    pub active: bool,
    pub failures: u32,
    pub changed: Timestamp,
}

pub fn tax_of(taxes: &Taxes) -> i64 {
    taxes.iter().map(|(_, amount)| amount).sum()
}

impl Order {
    fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.shipping.iter().chain(&self.fees)
    }

    /// Every tax of every line and charge.
    pub fn taxes(&self) -> impl Iterator<Item = &(u64, i64)> {
        let of_lines = self.lines.iter().flat_map(|line| &line.taxes);
        of_lines.chain(self.charges().flat_map(|charge| &charge.taxes))
    }

    pub fn tax(&self) -> i64 {
        self.taxes().map(|(_, amount)| amount).sum()
    }

    /// Never changes by a refund.
    pub fn total(&self) -> i64 {
        let of_lines: i64 = self.lines.iter().map(|line| line.total).sum();
        of_lines + self.charges().map(|charge| charge.total).sum::<i64>() + self.tax()
    }

    pub fn given_back(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}
