//! What happens in the played shop.

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::{RoundingStrategy, ToPrimitive};
use trueup_domain::document::Buyer;

use super::WooSandbox;
use super::world::{Charge, Line, Order, Rate, Refund, RefundedLine, Taxes, tax_of};

/// What the shop says no to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such order")]
    UnknownOrder,
    #[error("there is no such line")]
    UnknownLine,
    #[error("there is no such tax rate")]
    UnknownRate,
    #[error("more would be given back than is left")]
    TooMuch,
}

/// Amounts are minor units as the buyer sees them: with their tax where prices contain it.
#[derive(Clone, Debug, Default)]
pub struct NewOrder {
    pub lines: Vec<NewLine>,
    /// Always without tax.
    pub shipping: Option<(i64, Vec<u64>)>,
    pub fees: Vec<NewFee>,
    pub coupon: Option<String>,
    pub method: String,
    pub buyer: Option<Buyer>,
}

#[derive(Clone, Debug)]
pub struct NewLine {
    pub sku: String,
    pub title: String,
    pub quantity: i64,
    pub unit: i64,
    /// What the coupon takes off all units together.
    pub discount: i64,
    pub rates: Vec<u64>,
}

/// Without tax; below zero it takes something off.
#[derive(Clone, Debug)]
pub struct NewFee {
    pub title: String,
    pub amount: i64,
    pub rates: Vec<u64>,
}

/// What is given back. Nothing named and no amount: all that is left.
#[derive(Clone, Debug, Default)]
pub struct NewRefund {
    /// Position of the line, and units.
    pub lines: Vec<(usize, i64)>,
    pub shipping: bool,
    pub restock: bool,
    /// A sum that belongs to no line.
    pub amount: Option<i64>,
    pub reason: String,
    /// The gateway gives the money back and calls it this.
    pub gateway: Option<String>,
}

impl WooSandbox {
    pub fn rate(&mut self, label: &str, percent: Decimal) -> u64 {
        let id = self.rates.keys().max().map_or(1, |last| last + 1);
        self.rates.insert(id, Rate { label: label.to_owned(), percent });
        id
    }

    fn percent(&self, rate: u64) -> Result<Decimal, Refusal> {
        self.rates.get(&rate).map(|rate| rate.percent).ok_or(Refusal::UnknownRate)
    }

    /// Taxes of an amount that does not contain them.
    fn on_top(&self, net: i64, rates: &[u64]) -> Result<Taxes, Refusal> {
        let of = |rate: &u64| {
            Ok((*rate, rounded(Decimal::from(net) * self.percent(*rate)? / Decimal::ONE_HUNDRED)))
        };
        rates.iter().map(of).collect()
    }

    /// An amount without the taxes that it contains where the shop's prices do, and these.
    fn apart(&self, amount: i64, rates: &[u64]) -> Result<(i64, Taxes), Refusal> {
        if !self.prices_include_tax {
            return Ok((amount, self.on_top(amount, rates)?));
        }
        let mut all = Decimal::ONE_HUNDRED;
        for rate in rates {
            all += self.percent(*rate)?;
        }
        let of = |rate: &u64| {
            let share = Decimal::from(amount) * self.percent(*rate)? / all;
            Ok((*rate, rounded(share)))
        };
        let taxes: Taxes = rates.iter().map(of).collect::<Result<_, Refusal>>()?;
        Ok((amount - tax_of(&taxes), taxes))
    }

    /// A buyer orders; nothing is paid.
    pub fn place(&mut self, new: NewOrder, now: Timestamp) -> Result<String, Refusal> {
        let mut lines = Vec::new();
        for line in new.lines {
            let gross = line.unit * line.quantity;
            let (subtotal, _) = self.apart(gross, &line.rates)?;
            let (total, taxes) = self.apart(gross - line.discount, &line.rates)?;
            let NewLine { sku, title, quantity, .. } = line;
            let id = self.next_id();
            lines.push(Line { id, sku, title, quantity, subtotal, total, taxes, restocked: 0 });
        }
        let shipping = match new.shipping {
            Some((total, rates)) => {
                let taxes = self.on_top(total, &rates)?;
                Some(Charge { id: self.next_id(), title: "Flat rate".to_owned(), total, taxes })
            }
            None => None,
        };
        let mut fees = Vec::new();
        for fee in new.fees {
            let taxes = self.on_top(fee.amount, &fee.rates)?;
            fees.push(Charge { id: self.next_id(), title: fee.title, total: fee.amount, taxes });
        }
        let id = self.next_id();
        let order = Order {
            id,
            status: "pending",
            created: now,
            modified: now,
            paid: None,
            completed: None,
            method: new.method,
            transaction: String::new(),
            buyer: new.buyer,
            coupon: new.coupon,
            lines,
            shipping,
            fees,
            refunds: Vec::new(),
            refund_noted: None,
        };
        self.orders.insert(id, order);
        self.now = self.now.max(now);
        self.tell(id, "order.created");
        Ok(id.to_string())
    }

    fn change<T>(
        &mut self,
        order: &str,
        now: Timestamp,
        change: impl FnOnce(&mut Order) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let id: u64 = order.parse().map_err(|_| Refusal::UnknownOrder)?;
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        let changed = change(order)?;
        order.modified = now;
        self.now = self.now.max(now);
        self.tell(id, "order.updated");
        Ok(changed)
    }

    /// The gateway took the money and calls it `transaction`.
    pub fn pay(&mut self, order: &str, transaction: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(order, now, |order| {
            order.status = "processing";
            order.paid = Some(now);
            order.transaction = transaction.to_owned();
            Ok(())
        })
    }

    pub fn complete(&mut self, order: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(order, now, |order| {
            order.status = "completed";
            order.completed = Some(now);
            Ok(())
        })
    }

    /// Cancelled as it is: nothing is given back.
    pub fn cancel(&mut self, order: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(order, now, |order| {
            order.status = "cancelled";
            Ok(())
        })
    }

    pub fn refund(
        &mut self,
        order: &str,
        new: &NewRefund,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let ids: Vec<u64> = (0..=new.lines.len() + 1).map(|_| self.next_id()).collect();
        self.change(order, now, |order| {
            let mut ids = ids.into_iter();
            let mut id = || ids.next().unwrap_or_default();
            let refund = refund_of(order, new, &mut id, now)?;
            if refund.amount <= 0 || refund.amount > order.total() - order.given_back() {
                return Err(Refusal::TooMuch);
            }
            let name = refund.id.to_string();
            for back in refund.lines.iter().filter(|_| new.restock) {
                let of = order.lines.iter_mut().filter(|line| line.id == back.of);
                of.for_each(|line| line.restocked += back.quantity);
            }
            if new.gateway.is_some() {
                order.refund_noted.clone_from(&new.gateway);
            }
            order.refunds.push(refund);
            if order.given_back() == order.total() {
                order.status = "refunded";
            }
            Ok(name)
        })
    }

    pub fn trash(&mut self, order: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(order, now, |order| {
            order.status = "trash";
            Ok(())
        })?;
        let id: u64 = order.parse().map_err(|_| Refusal::UnknownOrder)?;
        self.pending.retain(|(_, pending, _)| *pending != id);
        self.tell(id, "order.deleted");
        Ok(())
    }

    /// Gone for good, and nobody is told.
    pub fn delete_for_good(&mut self, order: &str) -> Result<(), Refusal> {
        let id: u64 = order.parse().map_err(|_| Refusal::UnknownOrder)?;
        self.orders.remove(&id).map(drop).ok_or(Refusal::UnknownOrder)
    }
}

fn refund_of(
    order: &Order,
    new: &NewRefund,
    id: &mut impl FnMut() -> u64,
    now: Timestamp,
) -> Result<Refund, Refusal> {
    let mut lines = Vec::new();
    for (position, units) in &new.lines {
        let line = order.lines.get(*position).ok_or(Refusal::UnknownLine)?;
        if *units > line.quantity {
            return Err(Refusal::TooMuch);
        }
        let share =
            |amount: i64| rounded(Decimal::from(amount * units) / Decimal::from(line.quantity));
        lines.push(RefundedLine {
            id: id(),
            of: line.id,
            quantity: *units,
            total: share(line.total),
            taxes: line.taxes.iter().map(|(rate, tax)| (*rate, share(*tax))).collect(),
        });
    }
    let shipping = order.shipping.as_ref().filter(|_| new.shipping).map(|shipping| Charge {
        id: id(),
        title: shipping.title.clone(),
        total: shipping.total,
        taxes: shipping.taxes.clone(),
    });
    let of_lines: i64 = lines.iter().map(|line| line.total + tax_of(&line.taxes)).sum();
    let of_shipping = shipping.as_ref().map_or(0, |one| one.total + tax_of(&one.taxes));
    let named = of_lines + of_shipping;
    let amount = match new.amount {
        Some(amount) => named + amount,
        // What becomes of an order that is set to *refunded*.
        None if named == 0 => order.total() - order.given_back(),
        None => named,
    };
    Ok(Refund {
        id: id(),
        at: now,
        amount,
        reason: new.reason.clone(),
        by_gateway: new.gateway.is_some(),
        lines,
        shipping,
    })
}

fn rounded(amount: Decimal) -> i64 {
    let whole = amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    whole.to_i64().unwrap_or_default()
}
