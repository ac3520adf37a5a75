//! What happens in the played shop.

use jiff::Timestamp;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use trueup_domain::document::{Buyer, PaymentKind, PaymentStatus, Restock};

use super::ShopifySandbox;
use super::world::{
    Fulfilment, Line, Order, Refund, RefundLine, RefundShipping, Shipping, Tax, Transaction,
};

/// Why the shop would not do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the shop has no such order")]
    UnknownOrder,
    #[error("the order has no such line")]
    UnknownLine,
    #[error("more than is left of the line or the shipping")]
    TooMuch,
    #[error("an amount or a quantity is negative, empty or too large")]
    Amount,
    #[error("the order is cancelled already")]
    Cancelled,
    #[error("there is no such transaction, dispute or payout")]
    Unknown,
}

/// Amounts are minor units of the shop's currency and, in a tax-included shop, contain their tax.
#[derive(Clone, Debug, Default)]
pub struct NewOrder {
    pub lines: Vec<NewLine>,
    pub shipping: Option<NewShipping>,
    pub tip: i64,
    pub buyer: Option<Buyer>,
    /// `web` where empty; `pos` is a till.
    pub source: String,
    /// The code of the discounts on lines and shipping.
    pub discount_code: Option<String>,
    /// Before `now` for an offline till.
    pub processed_at: Option<Timestamp>,
    pub test: bool,
}

#[derive(Clone, Debug, Default)]
pub struct NewLine {
    pub sku: Option<String>,
    pub title: String,
    pub unit: i64,
    pub quantity: i64,
    /// Of the whole line.
    pub discount: i64,
    pub taxes: Vec<NewTax>,
    pub gift_card: bool,
    /// Goods to be sent; a service or a gift card is not.
    pub digital: bool,
}

#[derive(Clone, Debug, Default)]
pub struct NewShipping {
    pub title: String,
    pub price: i64,
    pub discount: i64,
    pub taxes: Vec<NewTax>,
}

#[derive(Clone, Debug)]
pub struct NewTax {
    pub title: String,
    pub rate: Decimal,
    /// `None`: by the rate, rounded half up to the cent.
    pub amount: Option<i64>,
    pub channel_liable: bool,
}

impl NewTax {
    pub fn by_rate(title: impl Into<String>, rate: Decimal) -> Self {
        Self { title: title.into(), rate, amount: None, channel_liable: false }
    }
}

#[derive(Clone, Debug)]
pub struct NewTransaction {
    pub kind: PaymentKind,
    pub status: PaymentStatus,
    pub gateway: String,
    pub amount: i64,
    /// The provider's own id, which Shopify calls `authorization`.
    pub provider_id: Option<String>,
    pub parent: Option<String>,
}

impl NewTransaction {
    pub fn succeeded(kind: PaymentKind, gateway: &str, amount: i64) -> Self {
        Self {
            kind,
            status: PaymentStatus::Succeeded,
            gateway: gateway.to_owned(),
            amount,
            provider_id: None,
            parent: None,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct NewRefund {
    /// Position of the order line, units, and what becomes of the goods.
    pub lines: Vec<(usize, i64, Restock)>,
    /// Of the shipping price; its tax follows in proportion.
    pub shipping: i64,
    pub note: Option<String>,
    pub transactions: Vec<NewTransaction>,
}

/// Larger amounts than this would not fit once multiplied.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

impl ShopifySandbox {
    pub fn place_order(&mut self, new: NewOrder, now: Timestamp) -> Result<String, Refusal> {
        let fits = |amount: i64| (0..=AMOUNT_MAX).contains(&amount);
        let shipping_fits = new.shipping.as_ref().is_none_or(|shipping| {
            fits(shipping.discount) && fits(shipping.price - shipping.discount)
        });
        if new.lines.is_empty() || !fits(new.tip) || !shipping_fits {
            return Err(Refusal::Amount);
        }
        let now = whole_second(now);
        let mut lines = Vec::new();
        for line in new.lines {
            lines.push(self.line(line)?);
        }
        let pos = new.source == "pos";
        if new.tip > 0 && !pos {
            lines.push(self.tip_line(new.tip));
        }
        let included = self.taxes_included;
        let shipping = new.shipping.map(|shipping| Shipping {
            id: self.next_id("shipping", 4_000_000_000_000),
            title: shipping.title,
            taxes: taxes(&shipping.taxes, shipping.price - shipping.discount, included),
            price: shipping.price,
            discount: shipping.discount,
            given_back: 0,
        });
        let id = self.next_id("order", 5_000_000_000_000);
        let number = self.next_id("number", 1000);
        let order = Order {
            id,
            number,
            created_at: now,
            processed_at: new.processed_at.map_or(now, whole_second),
            updated_at: now,
            cancelled_at: None,
            source: if new.source.is_empty() { "web".to_owned() } else { new.source },
            test: new.test,
            buyer: new.buyer,
            discount_title: new.discount_code.unwrap_or_else(|| "DISCOUNT".to_owned()),
            tip: new.tip,
            lines,
            shipping,
            transactions: Vec::new(),
            refunds: Vec::new(),
            fulfilments: Vec::new(),
        };
        self.orders.insert(id, order);
        self.push_order("orders/create", id);
        Ok(id.to_string())
    }

    fn line(&mut self, new: NewLine) -> Result<Line, Refusal> {
        let sane = (0..=AMOUNT_MAX).contains(&new.unit)
            && (1..=10_000).contains(&new.quantity)
            && new.discount >= 0;
        let net =
            new.unit.checked_mul(new.quantity).and_then(|gross| gross.checked_sub(new.discount));
        let net = net.filter(|&net| sane && net >= 0).ok_or(Refusal::Amount)?;
        Ok(Line {
            id: self.next_id("line", 14_000_000_000_000),
            taxes: taxes(&new.taxes, net, self.taxes_included),
            product: Some(self.next_id("product", 8_000_000_000_000)),
            variant: Some(self.next_id("variant", 44_000_000_000_000)),
            sku: new.sku,
            title: new.title,
            unit: new.unit,
            quantity: new.quantity,
            discount: new.discount,
            gift_card: new.gift_card,
            requires_shipping: !new.digital && !new.gift_card,
            gone: 0,
            fulfilled: 0,
        })
    }

    fn tip_line(&mut self, tip: i64) -> Line {
        Line {
            id: self.next_id("line", 14_000_000_000_000),
            sku: None,
            title: "Tip".to_owned(),
            product: None,
            variant: None,
            unit: tip,
            quantity: 1,
            discount: 0,
            taxes: Vec::new(),
            gift_card: false,
            requires_shipping: false,
            gone: 0,
            fulfilled: 0,
        }
    }

    /// A payment of the order; refunds go through [`Self::refund`].
    pub fn add_transaction(
        &mut self,
        order: &str,
        new: NewTransaction,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let id = self.known(order)?;
        if new.kind == PaymentKind::Refund {
            return Err(Refusal::Unknown);
        }
        let before = self.status_of(id);
        let transaction = self.transaction(id, new, None, whole_second(now))?;
        self.touch(id, now);
        self.push_transaction(id, transaction);
        self.push_order("orders/updated", id);
        if before != Some("paid") && self.status_of(id) == Some("paid") {
            self.push_order("orders/paid", id);
        }
        Ok(transaction.to_string())
    }

    /// A pending payment comes through, or does not.
    pub fn settle_transaction(
        &mut self,
        order: &str,
        transaction: &str,
        status: PaymentStatus,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let id = self.known(order)?;
        let wanted: u64 = transaction.parse().map_err(|_| Refusal::Unknown)?;
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        let found = order.transactions.iter_mut().find(|one| one.id == wanted);
        let found = found.ok_or(Refusal::Unknown)?;
        if found.status != PaymentStatus::Pending {
            return Err(Refusal::Unknown);
        }
        found.status = status;
        self.touch(id, now);
        self.push_order("orders/updated", id);
        Ok(())
    }

    fn transaction(
        &mut self,
        order: u64,
        new: NewTransaction,
        refund: Option<u64>,
        at: Timestamp,
    ) -> Result<u64, Refusal> {
        if !(0..=AMOUNT_MAX).contains(&new.amount) {
            return Err(Refusal::Amount);
        }
        let parent = match &new.parent {
            Some(parent) => Some(parent.parse::<u64>().map_err(|_| Refusal::Unknown)?),
            None => None,
        };
        let known = self.orders.get(&order).ok_or(Refusal::UnknownOrder)?;
        if parent.is_some_and(|parent| !known.transactions.iter().any(|one| one.id == parent)) {
            return Err(Refusal::Unknown);
        }
        let id = self.next_id("transaction", 6_000_000_000_000);
        let known = self.orders.get_mut(&order).ok_or(Refusal::UnknownOrder)?;
        known.transactions.push(Transaction {
            id,
            kind: new.kind,
            status: new.status,
            gateway: new.gateway,
            amount: new.amount,
            provider_id: new.provider_id,
            parent,
            refund,
            at,
        });
        Ok(id)
    }

    /// Gives back lines and shipping at what they were sold for. What the transactions pay beyond
    /// or below that becomes a discrepancy, as in the shop. Without transactions no money moves.
    pub fn refund(
        &mut self,
        order: &str,
        new: NewRefund,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let id = self.known(order)?;
        let refund = self.give_back(id, new, whole_second(now))?;
        self.touch(id, now);
        self.push_refund(id, refund);
        self.push_order("orders/updated", id);
        Ok(refund.to_string())
    }

    fn give_back(&mut self, id: u64, new: NewRefund, at: Timestamp) -> Result<u64, Refusal> {
        let order = self.orders.get(&id).ok_or(Refusal::UnknownOrder)?;
        let mut taken = std::collections::BTreeMap::new();
        let mut parts = Vec::new();
        for &(index, quantity, restock) in &new.lines {
            let line = order.lines.get(index).ok_or(Refusal::UnknownLine)?;
            let gone = taken.entry(index).or_insert(line.gone);
            if quantity < 1 || *gone + quantity > line.quantity {
                return Err(Refusal::TooMuch);
            }
            let share = |whole| share(whole, *gone, quantity, line.quantity);
            let tax = line.taxes.iter().map(|tax| share(tax.amount)).sum();
            parts.push((index, quantity, restock, share(line.net()), tax));
            *gone += quantity;
        }
        let shipping = match (&order.shipping, new.shipping) {
            (_, 0) => None,
            (Some(shipping), amount)
                if amount > 0 && amount <= shipping.net() - shipping.given_back =>
            {
                Some((amount, share(shipping.tax(), shipping.given_back, amount, shipping.net())))
            }
            _ => return Err(Refusal::TooMuch),
        };
        let refund = self.next_id("refund", 900_000_000_000);
        let mut lines = Vec::new();
        for (line, quantity, restock, subtotal, tax) in parts {
            let id = self.next_id("refund line", 600_000_000_000);
            lines.push(RefundLine { id, line, quantity, restock, subtotal, tax });
        }
        let shipping = shipping.map(|(amount, tax)| RefundShipping {
            id: self.next_id("refund shipping", 623_000_000),
            amount,
            tax,
        });
        let paid: i64 = new.transactions.iter().map(|one| one.amount).sum();
        let moves = !new.transactions.is_empty();
        let mut transactions = Vec::new();
        for transaction in new.transactions {
            if transaction.kind != PaymentKind::Refund {
                return Err(Refusal::Unknown);
            }
            transactions.push(self.transaction(id, transaction, Some(refund), at)?);
        }
        let mut made = Refund {
            id: refund,
            at,
            note: new.note,
            lines,
            shipping,
            discrepancy: None,
            transactions,
        };
        let kept = made.agreed(self.taxes_included) - paid;
        if moves && kept != 0 {
            made.discrepancy = Some((self.next_id("adjustment", 1_030_000_000), kept));
        }
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        for line in &made.lines {
            if let Some(sold) = order.lines.get_mut(line.line) {
                sold.gone += line.quantity;
            }
        }
        if let (Some(given), Some(shipping)) = (&made.shipping, &mut order.shipping) {
            shipping.given_back += given.amount;
        }
        order.refunds.push(made);
        Ok(refund)
    }

    /// What giving these units and this much shipping back would come to, tax included.
    pub fn worth(&self, order: &str, lines: &[(usize, i64)], shipping: i64) -> Option<i64> {
        let order = self.order(order)?;
        let mut worth = shipping;
        if let (Some(own), false, true) = (&order.shipping, self.taxes_included, shipping > 0) {
            worth += share(own.tax(), own.given_back, shipping, own.net());
        }
        for &(index, units) in lines {
            let line = order.lines.get(index)?;
            if line.gone + units > line.quantity {
                return None;
            }
            worth += share(line.net(), line.gone, units, line.quantity);
            if !self.taxes_included {
                let taxes = line.taxes.iter();
                worth += taxes
                    .map(|tax| share(tax.amount, line.gone, units, line.quantity))
                    .sum::<i64>();
            }
        }
        Some(worth)
    }

    /// Sends everything that is still to be sent. Nothing left: nothing happens.
    pub fn fulfil(&mut self, order: &str, now: Timestamp) -> Result<Option<String>, Refusal> {
        let id = self.known(order)?;
        let at = whole_second(now);
        let fulfilment = self.next_id("fulfilment", 4_500_000_000_000);
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        let mut lines = Vec::new();
        for (index, line) in order.lines.iter_mut().enumerate() {
            let open = line.quantity - line.gone - line.fulfilled;
            if open > 0 {
                line.fulfilled += open;
                lines.push((index, open));
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let tracking = format!("1Z{fulfilment}");
        order.fulfilments.push(Fulfilment { id: fulfilment, at, lines, tracking });
        self.touch(id, now);
        self.push_fulfilment(id);
        self.push_order("orders/updated", id);
        self.push_order("orders/fulfilled", id);
        Ok(Some(fulfilment.to_string()))
    }

    /// Cancels; money is given back by [`Self::refund`], if at all.
    pub fn cancel(&mut self, order: &str, now: Timestamp) -> Result<(), Refusal> {
        let id = self.known(order)?;
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        if order.cancelled_at.is_some() {
            return Err(Refusal::Cancelled);
        }
        order.cancelled_at = Some(whole_second(now));
        self.touch(id, now);
        self.push_order("orders/cancelled", id);
        self.push_order("orders/updated", id);
        Ok(())
    }

    /// Adds a line after the order was placed.
    pub fn add_line(&mut self, order: &str, new: NewLine, now: Timestamp) -> Result<(), Refusal> {
        let id = self.known(order)?;
        let line = self.line(new)?;
        let added = (line.id, line.quantity);
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        order.lines.push(line);
        self.touch(id, now);
        self.push_edit(id, Some(added), None);
        self.push_order("orders/updated", id);
        Ok(())
    }

    /// Makes each unit of a line dearer and takes its discount off; its taxes follow.
    pub fn raise_price(
        &mut self,
        order: &str,
        line: usize,
        by: i64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let id = self.known(order)?;
        let included = self.taxes_included;
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        let line = order.lines.get_mut(line).ok_or(Refusal::UnknownLine)?;
        let unit = line.unit.checked_add(by).filter(|_| (0..=AMOUNT_MAX).contains(&by));
        let unit = unit.ok_or(Refusal::Amount)?;
        let net = unit.checked_mul(line.quantity).ok_or(Refusal::Amount)?;
        (line.unit, line.discount) = (unit, 0);
        let rates = line.taxes.iter().map(|tax| NewTax {
            channel_liable: tax.channel_liable,
            ..NewTax::by_rate(tax.title.clone(), tax.rate)
        });
        let rates: Vec<NewTax> = rates.collect();
        line.taxes = taxes(&rates, net, included);
        self.touch(id, now);
        self.push_edit(id, None, None);
        self.push_order("orders/updated", id);
        Ok(())
    }

    /// Takes units off a line by an edit: Shopify keeps them as sold and writes a refund that moves
    /// no money.
    pub fn reduce_quantity(
        &mut self,
        order: &str,
        line: usize,
        by: i64,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let id = self.known(order)?;
        let new = NewRefund { lines: vec![(line, by, Restock::Cancelled)], ..NewRefund::default() };
        let refund = self.give_back(id, new, whole_second(now))?;
        let removed = self.orders.get(&id).and_then(|order| order.lines.get(line));
        let removed = removed.map(|line| (line.id, by));
        self.touch(id, now);
        self.push_edit(id, None, removed);
        self.push_refund(id, refund);
        self.push_order("orders/updated", id);
        Ok(refund.to_string())
    }

    fn status_of(&self, id: u64) -> Option<&'static str> {
        self.orders.get(&id).map(|order| order.financial_status(self.taxes_included))
    }

    fn touch(&mut self, id: u64, now: Timestamp) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.updated_at = order.updated_at.max(whole_second(now));
        }
    }

    fn push_order(&mut self, topic: &str, id: u64) {
        if let Some(order) = self.orders.get(&id) {
            let body = self.rest().order(order);
            self.push(topic, &body);
        }
    }

    fn push_transaction(&mut self, id: u64, transaction: u64) {
        if let Some(order) = self.orders.get(&id) {
            let found = order.transactions.iter().find(|one| one.id == transaction);
            if let Some(body) = found.map(|one| self.rest().transaction(order, one)) {
                self.push("order_transactions/create", &body);
            }
        }
    }

    fn push_refund(&mut self, id: u64, refund: u64) {
        let Some(order) = self.orders.get(&id) else { return };
        let Some(found) = order.refunds.iter().find(|one| one.id == refund) else { return };
        let transactions = found.transactions.clone();
        let body = self.rest().refund(order, found);
        self.push("refunds/create", &body);
        for transaction in transactions {
            self.push_transaction(id, transaction);
        }
    }

    fn push_fulfilment(&mut self, id: u64) {
        if let Some(order) = self.orders.get(&id) {
            let newest = order.fulfilments.last();
            if let Some(body) = newest.map(|one| self.rest().fulfilment(order, one)) {
                self.push("fulfillments/create", &body);
            }
        }
    }

    fn push_edit(&mut self, id: u64, added: Option<(u64, i64)>, removed: Option<(u64, i64)>) {
        let edit = self.next_id("edit", 115_000_000_000);
        if let Some(order) = self.orders.get(&id) {
            let body = self.rest().edit(order, edit, added, removed);
            self.push("orders/edited", &body);
        }
    }
}

/// Shopify states its times to the second.
pub fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The share of `units` out of `all`, after `before` have had theirs: all shares add up to the
/// whole.
fn share(whole: i64, before: i64, units: i64, all: i64) -> i64 {
    let upto = |units: i64| i128::from(whole) * i128::from(units) / i128::from(all.max(1));
    i64::try_from(upto(before + units) - upto(before)).unwrap_or(0)
}

/// Each tax of an amount, by its rate where it is not given.
fn taxes(new: &[NewTax], net: i64, included: bool) -> Vec<Tax> {
    let rates: Decimal = new.iter().map(|tax| tax.rate).sum();
    let one = |tax: &NewTax| {
        let base = Decimal::from(net);
        let exact =
            if included { base * tax.rate / (Decimal::ONE + rates) } else { base * tax.rate };
        let by_rate = exact
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            .to_i64()
            .unwrap_or(0);
        Tax {
            title: tax.title.clone(),
            rate: tax.rate,
            amount: tax.amount.unwrap_or(by_rate),
            channel_liable: tax.channel_liable,
        }
    };
    new.iter().map(one).collect()
}
