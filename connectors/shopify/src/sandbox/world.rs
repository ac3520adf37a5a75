//! What the played shop remembers. Amounts are minor units of the shop's currency.

use jiff::Timestamp;
use rust_decimal::Decimal;
use trueup_domain::document::{Buyer, PaymentKind, PaymentStatus, Restock};

pub struct Order {
    pub id: u64,
    pub number: u64,
    pub created_at: Timestamp,
    pub processed_at: Timestamp,
    pub updated_at: Timestamp,
    pub cancelled_at: Option<Timestamp>,
    pub source: String,
    pub test: bool,
    pub buyer: Option<Buyer>,
    pub discount_title: String,
    pub tip: i64,
    pub lines: Vec<Line>,
    pub shipping: Option<Shipping>,
    pub transactions: Vec<Transaction>,
    pub refunds: Vec<Refund>,
    pub fulfilments: Vec<Fulfilment>,
}

pub struct Line {
    pub id: u64,
    pub sku: Option<String>,
    pub title: String,
    pub product: Option<u64>,
    pub variant: Option<u64>,
    pub unit: i64,
    pub quantity: i64,
    pub discount: i64,
    pub taxes: Vec<Tax>,
    pub gift_card: bool,
    pub requires_shipping: bool,
    /// Units given back or removed.
    pub gone: i64,
    pub fulfilled: i64,
}

pub struct Shipping {
    pub id: u64,
    pub title: String,
    pub price: i64,
    pub discount: i64,
    pub taxes: Vec<Tax>,
    pub given_back: i64,
}

#[derive(Clone)]
pub struct Tax {
    pub title: String,
    pub rate: Decimal,
    pub amount: i64,
    pub channel_liable: bool,
}

pub struct Transaction {
    pub id: u64,
    pub kind: PaymentKind,
    pub status: PaymentStatus,
    pub gateway: String,
    pub amount: i64,
    pub provider_id: Option<String>,
    pub parent: Option<u64>,
    pub refund: Option<u64>,
    pub at: Timestamp,
}

pub struct Refund {
    pub id: u64,
    pub at: Timestamp,
    pub note: Option<String>,
    pub lines: Vec<RefundLine>,
    pub shipping: Option<RefundShipping>,
    /// Agreed less paid: positive is kept.
    pub discrepancy: Option<(u64, i64)>,
    pub transactions: Vec<u64>,
}

pub struct RefundLine {
    pub id: u64,
    /// Position of the order line.
    pub line: usize,
    pub quantity: i64,
    pub restock: Restock,
    pub subtotal: i64,
    pub tax: i64,
}

pub struct RefundShipping {
    pub id: u64,
    pub amount: i64,
    pub tax: i64,
}

pub struct Fulfilment {
    pub id: u64,
    pub at: Timestamp,
    /// Position of the order line, and units.
    pub lines: Vec<(usize, i64)>,
    pub tracking: String,
}

pub struct BalanceRow {
    pub id: u64,
    pub kind: String,
    pub amount: i64,
    pub fee: i64,
    pub order: Option<u64>,
    pub transaction: Option<u64>,
    pub source: Option<u64>,
    pub payout: Option<u64>,
    pub at: Timestamp,
}

pub struct Payout {
    pub id: u64,
    pub status: &'static str,
    pub amount: i64,
    pub at: Timestamp,
}

pub struct Dispute {
    pub id: u64,
    pub order: u64,
    pub amount: i64,
    pub status: &'static str,
    pub reason: String,
    pub at: Timestamp,
}

impl Line {
    pub fn net(&self) -> i64 {
        self.unit * self.quantity - self.discount
    }
    pub fn tax(&self) -> i64 {
        self.taxes.iter().map(|tax| tax.amount).sum()
    }
}

impl Shipping {
    pub fn net(&self) -> i64 {
        self.price - self.discount
    }
    pub fn tax(&self) -> i64 {
        self.taxes.iter().map(|tax| tax.amount).sum()
    }
}

impl Refund {
    /// What lines and shipping give back, tax included.
    pub fn agreed(&self, taxes_included: bool) -> i64 {
        let amounts: i64 = self.lines.iter().map(|line| line.subtotal).sum();
        let taxes: i64 = self.lines.iter().map(|line| line.tax).sum();
        let (shipping, shipping_tax) =
            self.shipping.as_ref().map_or((0, 0), |shipping| (shipping.amount, shipping.tax));
        let added = if taxes_included { 0 } else { taxes + shipping_tax };
        amounts + shipping + added
    }
}

impl Order {
    pub fn subtotal(&self) -> i64 {
        self.lines.iter().map(Line::net).sum()
    }
    pub fn tax(&self) -> i64 {
        let of_lines: i64 = self.lines.iter().map(Line::tax).sum();
        of_lines + self.shipping.as_ref().map_or(0, Shipping::tax)
    }
    /// Everything ever sold: what `total_price` stays, whatever goes back.
    pub fn total(&self, taxes_included: bool) -> i64 {
        let added = if taxes_included { 0 } else { self.tax() };
        let tip = if self.tip_is_a_line() { 0 } else { self.tip };
        self.subtotal() + self.shipping.as_ref().map_or(0, Shipping::net) + added + tip
    }
    /// The online checkout writes a tip as a line, a till does not.
    pub fn tip_is_a_line(&self) -> bool {
        self.source != "pos"
    }
    pub fn discounts(&self) -> i64 {
        let of_lines: i64 = self.lines.iter().map(|line| line.discount).sum();
        of_lines + self.shipping.as_ref().map_or(0, |shipping| shipping.discount)
    }
    pub fn given_back(&self, taxes_included: bool) -> i64 {
        self.refunds.iter().map(|refund| refund.agreed(taxes_included)).sum()
    }
    pub fn name(&self) -> String {
        format!("#{}", self.number)
    }

    /// Money that has moved: taken, and given back.
    pub fn paid(&self) -> (i64, i64) {
        let sum = |kinds: &[PaymentKind]| -> i64 {
            let moved = self
                .transactions
                .iter()
                .filter(|one| one.status == PaymentStatus::Succeeded && kinds.contains(&one.kind));
            moved.map(|one| one.amount).sum()
        };
        (sum(&[PaymentKind::Sale, PaymentKind::Capture]), sum(&[PaymentKind::Refund]))
    }

    pub fn financial_status(&self, taxes_included: bool) -> &'static str {
        let (taken, returned) = self.paid();
        let has = |kind: PaymentKind| {
            self.transactions
                .iter()
                .any(|one| one.kind == kind && one.status == PaymentStatus::Succeeded)
        };
        let due = self.total(taxes_included) - self.given_back(taxes_included);
        if taken > 0 && returned >= taken {
            "refunded"
        } else if returned > 0 {
            "partially_refunded"
        } else if taken > 0 && taken >= due {
            "paid"
        } else if taken > 0 {
            "partially_paid"
        } else if has(PaymentKind::Void) {
            "voided"
        } else if has(PaymentKind::Authorization) {
            "authorized"
        } else if due == 0 {
            "paid"
        } else {
            "pending"
        }
    }

    pub fn fulfilment_status(&self) -> Option<&'static str> {
        let open = self.lines.iter().any(|line| line.fulfilled < line.quantity - line.gone);
        let some = self.lines.iter().any(|line| line.fulfilled > 0);
        match (some, open) {
            (false, _) => None,
            (true, true) => Some("partial"),
            (true, false) => Some("fulfilled"),
        }
    }
}
