//! Which invoices a sale has, when each is dated, and what is never invoiced (`POSTING.md` P12, P23,
//! decision 0025).
//!
//! What happened to a sale is gone through in the order of time: what left, what was captured, what
//! was agreed to be given back. Each step takes from what is not invoiced yet, so that a later step
//! changes no invoice of an earlier one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::refunds::{remitted_of_adjustment, remitted_of_line, role_of, without, without_excess};
use super::{Documents, is_capture, remitted, tranches};
use crate::derive::Surroundings;
use crate::derive::billing::Billed;
use crate::derive::bundle::{Credited, Split};
use crate::document::{
    Discount, Fulfilment, FulfilmentStatus, Funder, Line, LineKind, Order, Payment, Refund,
    RefundAdjustment, RefundLine,
};
use crate::mapping::InvoicePolicy;
use crate::money::{Money, MoneyError};

/// One invoice of the books.
#[derive(Clone, Debug)]
pub(super) struct Bill {
    /// The part of its command: the number of its tranche, or the shipment and that.
    pub part: String,
    pub tranche: u32,
    pub day: Date,
    pub lines: Vec<Billed>,
}

impl Bill {
    /// What the buyer owes, without what the marketplace remits.
    pub(super) fn total(&self) -> Result<Money, MoneyError> {
        let mut owed = Vec::new();
        for line in &self.lines {
            owed.push(line.amounts()?.owed);
        }
        let Some(first) = owed.first() else { return Err(MoneyError::OutOfRange) };
        Money::sum(first.currency(), owed.iter().copied())
    }
}

/// What becomes of an agreed refund.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    /// As far as it takes an invoice back.
    pub refund: Refund,
    /// Of each of its lines: what falls to each component of a bundle.
    pub components: Vec<Vec<Credited>>,
    /// The day of the credit note, and the part of the invoice that it names; none while nothing is
    /// invoiced that it could take back.
    pub note: Option<(Date, String)>,
    /// What it takes off the sale before that is invoiced, without what the marketplace remits.
    pub off: Money,
    /// The tax of ours in or on that.
    pub off_tax: Money,
}

impl Credit {
    pub(super) fn is_empty(&self) -> bool {
        self.refund.total.is_zero() && self.refund.lines.is_empty()
    }
}

/// The invoices of a sale in their order, and what becomes of its refunds.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub bills: Vec<Bill>,
    pub credits: BTreeMap<String, Credit>,
    /// What is sold and in no invoice yet, without what the marketplace remits: amount and tax.
    pub later: Option<(Money, Money)>,
    /// Invoices come one by one, so that money is tied to each as far as both are open.
    pub piecemeal: bool,
}

/// What is not invoiced of one line or charge.
struct Left {
    of: Billed,
    /// Of a bundle.
    split: Option<Split>,
    tranche: u32,
    /// Of goods that have to be sent; anything else goes with the first that are.
    sent: bool,
    units: i64,
    /// Units that are invoiced and not credited.
    billed: i64,
}

enum Step<'a> {
    Everything,
    Captured(&'a Payment),
    Left(&'a Fulfilment),
    Agreed(&'a Refund),
}

/// The title of what a refund takes off a line whose units stay.
const OFF: &str = "refunded before it was invoiced";

/// Plans the invoices of an order that is a sale.
pub(super) fn plan(
    order: &Order,
    parts: &[Billed],
    sorted: &Documents<'_>,
    excess: &BTreeMap<String, Money>,
    (around, policy): (&Surroundings<'_>, InvoicePolicy),
) -> Result<Plan, MoneyError> {
    let mut planner = Planner {
        order,
        around,
        policy,
        left: lefts(order, parts, around)?,
        plan: Plan { piecemeal: policy == InvoicePolicy::Shipment, ..Plan::default() },
        waiting: Vec::new(),
    };
    for (at, step) in steps(order, sorted, policy) {
        let day = around.day(at);
        match step {
            Step::Everything => planner.everything(day)?,
            Step::Captured(payment) => planner.captured(payment, sorted, day)?,
            Step::Left(fulfilment) => planner.shipped(fulfilment, day)?,
            Step::Agreed(refund) => {
                let beyond = excess.get(&refund.id).copied();
                let beyond = beyond.unwrap_or_else(|| Money::zero(order.currency));
                planner.agreed(&without_excess(refund, beyond)?, day)?;
            }
        }
    }
    planner.finish(sorted)
}

fn lefts(
    order: &Order,
    parts: &[Billed],
    around: &Surroundings<'_>,
) -> Result<Vec<Left>, MoneyError> {
    let mut lefts = Vec::new();
    for (tranche, parts) in tranches(parts, around.billed) {
        for part in parts {
            let line = order.lines.iter().find(|line| line.id == part.part);
            lefts.push(Left {
                split: Split::of(part)?,
                of: Billed { components: Vec::new(), ..part.clone() },
                tranche,
                sent: line.is_some_and(is_sent),
                units: line.map_or(1, |line| line.quantity.max(1)),
                billed: 0,
            });
        }
    }
    Ok(lefts)
}

fn is_sent(line: &Line) -> bool {
    line.kind == LineKind::Goods && line.requires_shipping && line.quantity > 0
}

/// What happened, in the order of time. An invoice at the order's own day comes before all of it.
fn steps<'a>(
    order: &'a Order,
    sorted: &Documents<'a>,
    policy: InvoicePolicy,
) -> Vec<(Timestamp, Step<'a>)> {
    let at_once = match policy {
        InvoicePolicy::Order => true,
        // Nothing of it will leave.
        InvoicePolicy::Shipment => !order.lines.iter().any(is_sent),
        // Nobody pays on terms before he has the invoice, and nothing is captured of what is free.
        InvoicePolicy::Capture => order.due_on.is_some() || order.total.is_zero(),
    };
    let mut steps = Vec::new();
    if at_once {
        steps.push((Timestamp::MIN, order.placed_at, 0, "", Step::Everything));
    } else if policy == InvoicePolicy::Shipment {
        let left = sorted.fulfilments.iter().copied();
        for one in left.filter(|one| one.status == FulfilmentStatus::Succeeded) {
            steps.push((one.created_at, one.created_at, 1, one.id.as_str(), Step::Left(one)));
        }
    } else {
        for one in sorted.payments.iter().copied().filter(|one| is_capture(one)) {
            steps.push((
                one.processed_at,
                one.processed_at,
                1,
                one.id.as_str(),
                Step::Captured(one),
            ));
        }
    }
    for one in sorted.refunds.iter().copied() {
        steps.push((one.created_at, one.created_at, 2, one.id.as_str(), Step::Agreed(one)));
    }
    steps.sort_by_key(|(order_by, _, rank, id, _)| (*order_by, *rank, *id));
    steps.into_iter().map(|(_, at, _, _, step)| (at, step)).collect()
}

struct Planner<'a> {
    order: &'a Order,
    around: &'a Surroundings<'a>,
    policy: InvoicePolicy,
    left: Vec<Left>,
    plan: Plan,
    /// Refunds of which some takes an invoice back and none is there.
    waiting: Vec<String>,
}

impl Planner<'_> {
    fn tranches(&self) -> BTreeSet<u32> {
        self.left.iter().map(|left| left.tranche).collect()
    }

    /// An invoice of what was taken; nothing where that is nothing.
    fn bill(&mut self, part: String, tranche: u32, day: Date, lines: Vec<Billed>) {
        if lines.is_empty() {
            return;
        }
        for id in self.waiting.drain(..) {
            if let Some(credit) = self.plan.credits.get_mut(&id) {
                let agreed = self.around.day(credit.refund.created_at);
                credit.note = Some((day.max(agreed), part.clone()));
            }
        }
        self.plan.bills.push(Bill { part, tranche, day, lines });
    }

    fn everything(&mut self, day: Date) -> Result<(), MoneyError> {
        for tranche in self.tranches() {
            self.whole(tranche, day)?;
        }
        Ok(())
    }

    fn whole(&mut self, tranche: u32, day: Date) -> Result<(), MoneyError> {
        let mut lines = Vec::new();
        for left in self.left.iter_mut().filter(|left| left.tranche == tranche) {
            lines.extend(left.take(left.units)?);
        }
        self.bill(tranche.to_string(), tranche, day, lines);
        Ok(())
    }

    /// Each capture that goes beyond what is invoiced brings the next tranche.
    fn captured(
        &mut self,
        payment: &Payment,
        sorted: &Documents<'_>,
        day: Date,
    ) -> Result<(), MoneyError> {
        let mut taken = payment.amount;
        for before in sorted.payments.iter().take_while(|one| one.id != payment.id) {
            if is_capture(before) {
                taken = taken.checked_add(before.amount)?;
            }
        }
        for tranche in self.tranches() {
            let mut invoiced = Money::zero(self.order.currency);
            for bill in &self.plan.bills {
                invoiced = invoiced.checked_add(owed(&bill.lines, self.order)?)?;
            }
            if self.plan.bills.iter().any(|bill| bill.tranche == tranche) {
                continue;
            }
            if taken > invoiced {
                self.whole(tranche, day)?;
            }
        }
        Ok(())
    }

    /// What left, and with the first of a tranche all of it that is not sent.
    fn shipped(&mut self, fulfilment: &Fulfilment, day: Date) -> Result<(), MoneyError> {
        for tranche in self.tranches() {
            let mut lines = Vec::new();
            let mut goods = false;
            for left in self.left.iter_mut().filter(|left| left.tranche == tranche) {
                let own = fulfilment.lines.iter().filter(|line| line.line == left.of.part);
                let units = own.fold(0_i64, |sum, line| sum.saturating_add(line.quantity.max(0)));
                let taken = left.take(units.min(left.units))?;
                goods |= left.sent && !taken.is_empty();
                lines.extend(taken);
            }
            if goods {
                lines.extend(self.beside(tranche)?);
            }
            self.bill(format!("{}/{tranche}", fulfilment.id), tranche, day, lines);
        }
        Ok(())
    }

    /// What is left of a tranche beside goods that are sent.
    fn beside(&mut self, tranche: u32) -> Result<Vec<Billed>, MoneyError> {
        let mut lines = Vec::new();
        for left in self.left.iter_mut().filter(|it| it.tranche == tranche && !it.sent) {
            lines.extend(left.take(left.units)?);
        }
        Ok(lines)
    }

    /// A refund takes back what is invoiced, and takes off the rest before it is.
    fn agreed(&mut self, refund: &Refund, day: Date) -> Result<(), MoneyError> {
        let zero = Money::zero(self.order.currency);
        let mut credit = Credit {
            refund: Refund { lines: Vec::new(), adjustments: Vec::new(), ..refund.clone() },
            components: Vec::new(),
            note: None,
            off: zero,
            off_tax: zero,
        };
        let mut named = None;
        for line in &refund.lines {
            let (kept, off) = self.of_line(line)?;
            if let Some(off) = off {
                let remitted = remitted_of_line(self.order, &off)?;
                credit.take_off(self.order, (off.amount, off.tax), remitted)?;
            }
            if let Some(kept) = kept {
                named = named.or_else(|| self.invoice_of(&kept.line));
                credit.components.push(self.components_of(&kept)?);
                credit.refund.lines.push(kept);
            }
        }
        for adjustment in &refund.adjustments {
            if self.charge_off(adjustment)? {
                let remitted = remitted_of_adjustment(self.order, adjustment)?;
                let amounts = (adjustment.amount, adjustment.tax);
                credit.take_off(self.order, amounts, remitted)?;
            } else {
                credit.refund.adjustments.push(adjustment.clone());
            }
        }
        self.exchanged(refund, day)?;
        let first = || self.plan.bills.first().map(|bill| bill.part.clone());
        let always = || (self.policy == InvoicePolicy::Order).then(|| "1".to_owned());
        let part = named.or_else(first).or_else(always);
        credit.note = part.map(|part| (day, part));
        if credit.note.is_none() && !credit.is_empty() {
            self.waiting.push(refund.id.clone());
        }
        self.plan.credits.insert(refund.id.clone(), credit);
        self.rest(day)
    }

    /// What went out in an exchange is paid by what came back, so that no capture may come for it.
    fn exchanged(&mut self, refund: &Refund, day: Date) -> Result<(), MoneyError> {
        if self.policy != InvoicePolicy::Capture {
            return Ok(());
        }
        let is_one = |left: &&Left| refund.exchanged_for.contains(&left.of.part);
        let tranches: BTreeSet<u32> =
            self.left.iter().filter(is_one).map(|left| left.tranche).collect();
        for tranche in tranches {
            self.whole(tranche, day)?;
        }
        Ok(())
    }

    /// What of a credited line falls to each component of a bundle.
    fn components_of(&mut self, line: &RefundLine) -> Result<Vec<Credited>, MoneyError> {
        let found = self.left.iter_mut().find(|left| left.of.part == line.line);
        let Some(split) = found.and_then(|left| left.split.as_mut()) else {
            return Ok(Vec::new());
        };
        let remitted = remitted_of_line(self.order, line)?;
        let tax = line.tax.checked_sub(remitted)?;
        let amount = without(self.order, line.amount, remitted)?;
        split.credit(without(self.order, amount, tax)?, tax)
    }

    fn invoice_of(&self, line: &str) -> Option<String> {
        let has = |bill: &&Bill| bill.lines.iter().any(|billed| billed.line == line);
        self.plan.bills.iter().find(has).map(|bill| bill.part.clone())
    }

    /// Parts a refunded line into what is invoiced and what is not. Units that were refunded before
    /// they left are never invoiced, also where they leave after all.
    fn of_line(
        &mut self,
        line: &RefundLine,
    ) -> Result<(Option<RefundLine>, Option<RefundLine>), MoneyError> {
        let found = self.left.iter_mut().find(|left| left.of.part == line.line);
        let Some(left) = found else { return Ok((Some(line.clone()), None)) };
        if left.units == 0 {
            left.billed = left.billed.saturating_sub(line.quantity).max(0);
            return Ok((Some(line.clone()), None));
        }
        let (back, off) = if line.quantity > 0 {
            let back = line.quantity.min(left.billed).max(line.quantity - left.units);
            (back, line.quantity - back)
        } else if left.billed > 0 {
            (1, 0)
        } else {
            (0, 1)
        };
        let share = |amount: Money| {
            let shares = amount.split(&[back, off]);
            let first = shares.first().copied();
            first.unwrap_or_else(|| Money::zero(amount.currency()))
        };
        let kept = RefundLine {
            quantity: back.min(line.quantity),
            amount: share(line.amount),
            tax: share(line.tax),
            ..line.clone()
        };
        let gone = RefundLine {
            quantity: line.quantity - kept.quantity,
            amount: line.amount.checked_sub(kept.amount)?,
            tax: line.tax.checked_sub(kept.tax)?,
            ..line.clone()
        };
        if off == 0 || !left.less(self.order, gone.quantity, gone.amount, gone.tax)? {
            left.billed = left.billed.saturating_sub(line.quantity).max(0);
            return Ok((Some(line.clone()), None));
        }
        left.billed -= kept.quantity;
        Ok(((back > 0).then_some(kept), Some(gone)))
    }

    /// Takes a charge off that is not invoiced yet.
    fn charge_off(&mut self, adjustment: &RefundAdjustment) -> Result<bool, MoneyError> {
        if adjustment.charge.is_none() {
            return Ok(false);
        }
        let role = role_of(adjustment);
        let found = self.left.iter_mut().find(|left| left.of.role == role && left.billed == 0);
        match found {
            Some(left) => left.less(self.order, 0, adjustment.amount, adjustment.tax),
            None => Ok(false),
        }
    }

    /// Where none of a tranche's goods will leave, the rest of it is invoiced: a fee that was kept, a
    /// gift card beside them.
    fn rest(&mut self, day: Date) -> Result<(), MoneyError> {
        if !self.plan.piecemeal {
            return Ok(());
        }
        for tranche in self.tranches() {
            let mut goods = self.left.iter().filter(|it| it.tranche == tranche && it.sent);
            let open = goods.any(|left| left.units > 0);
            if !open && !self.plan.bills.iter().any(|bill| bill.tranche == tranche) {
                let lines = self.beside(tranche)?;
                self.bill(format!("rest/{tranche}"), tranche, day, lines);
            }
        }
        Ok(())
    }

    fn finish(mut self, sorted: &Documents<'_>) -> Result<Plan, MoneyError> {
        let order = self.order;
        let ends = self.left.iter().all(|left| left.units == 0) || sorted.is_called_off(order);
        if ends && self.plan.bills.is_empty() {
            for id in std::mem::take(&mut self.waiting) {
                if let Some(credit) = self.plan.credits.get_mut(&id) {
                    let back = std::mem::take(&mut credit.refund.adjustments);
                    for one in &back {
                        let remitted = remitted_of_adjustment(order, one)?;
                        credit.take_off(order, (one.amount, one.tax), remitted)?;
                    }
                    credit.components.clear();
                    for one in std::mem::take(&mut credit.refund.lines) {
                        let remitted = remitted_of_line(order, &one)?;
                        credit.take_off(order, (one.amount, one.tax), remitted)?;
                    }
                }
            }
        }
        if self.policy == InvoicePolicy::Order {
            return Ok(self.plan);
        }
        let theirs = remitted(order)?;
        let mut later = order.total.checked_sub(theirs)?;
        let mut tax = order.total_tax()?.checked_sub(theirs)?;
        for bill in &self.plan.bills {
            for line in &bill.lines {
                let amounts = line.amounts()?;
                later = later.checked_sub(amounts.owed)?;
                tax = tax.checked_sub(amounts.tax)?;
            }
        }
        for credit in self.plan.credits.values() {
            later = later.checked_sub(credit.off)?;
            tax = tax.checked_sub(credit.off_tax)?;
        }
        let some = !later.is_zero() || !tax.is_zero();
        self.plan.later = some.then_some((later, tax));
        Ok(self.plan)
    }
}

/// What the buyer owes for some lines, with what the marketplace remits of it.
fn owed(lines: &[Billed], order: &Order) -> Result<Money, MoneyError> {
    let mut sum = Money::zero(order.currency);
    for line in lines {
        sum = sum.checked_add(line.amounts()?.owed)?.checked_add(line.remitted)?;
    }
    Ok(sum)
}

impl Credit {
    /// Moves an amount from what is credited to what is taken off.
    fn take_off(
        &mut self,
        order: &Order,
        (amount, tax): (Money, Money),
        remitted: Money,
    ) -> Result<(), MoneyError> {
        let whole = if order.taxes_included { amount } else { amount.checked_add(tax)? };
        self.refund.total = self.refund.total.checked_sub(whole)?;
        self.off = self.off.checked_add(whole.checked_sub(remitted)?)?;
        self.off_tax = self.off_tax.checked_add(tax.checked_sub(remitted)?)?;
        Ok(())
    }
}

impl Left {
    /// Takes units with their share of every amount; the last ones take all that is left. Several
    /// lines of a bundle.
    fn take(&mut self, units: i64) -> Result<Vec<Billed>, MoneyError> {
        if units <= 0 {
            return Ok(Vec::new());
        }
        let rest = self.units - units;
        let share = |amount: Money| {
            let first = amount.split(&[units, rest]).first().copied();
            first.unwrap_or_else(|| Money::zero(amount.currency()))
        };
        let mut taken = self.of.clone();
        if rest > 0 {
            taken.quantity = Decimal::from(units);
            taken.gross = share(self.of.gross);
            for discount in &mut taken.discounts {
                discount.amount = share(discount.amount);
            }
            if let Ok(taxes) = &mut taken.taxes {
                for amount in taxes.values_mut() {
                    *amount = share(*amount);
                }
                taken.own_tax = Money::sum(taken.gross.currency(), taxes.values().copied())?;
            } else {
                taken.own_tax = share(self.of.own_tax);
            }
            taken.remitted = share(self.of.remitted);
            self.of.minus(&taken)?;
            taken.discounts.retain(|discount| !discount.amount.is_zero());
        } else {
            self.of.empty();
        }
        self.units = rest;
        self.billed = self.billed.saturating_add(units);
        match &mut self.split {
            Some(split) => split.bill(&taken),
            None => Ok(vec![taken]),
        }
    }

    /// Takes units and an amount off before they are invoiced; `false`, and nothing is done, where
    /// less than that is left.
    fn less(
        &mut self,
        order: &Order,
        units: i64,
        amount: Money,
        tax: Money,
    ) -> Result<bool, MoneyError> {
        let currency = order.currency;
        let zero = Money::zero(currency);
        let net = self.of.gross.checked_sub(self.of.discount()?)?.checked_sub(amount)?;
        let all = [self.of.own_tax.minor(), self.of.remitted.minor()];
        let shares = tax.split(&all);
        let own = shares.first().copied().unwrap_or(zero);
        let remitted = tax.checked_sub(own)?;
        if net.is_negative() || amount.is_negative() || own > self.of.own_tax || units > self.units
        {
            return Ok(false);
        }
        let rest = self.units - units;
        let gross = self.of.gross.split(&[rest, units]).first().copied().unwrap_or(zero);
        let gross = if rest == 0 { zero } else { gross };
        let discount = gross.checked_sub(net)?;
        if discount.is_negative() {
            self.of.gross = net;
            self.of.discounts.clear();
        } else {
            let before = self.of.discount()?;
            if discount > before {
                let more = discount.checked_sub(before)?;
                let (title, funder) = (OFF.to_owned(), Funder::Merchant);
                self.of.discounts.push(Discount { title, funder, amount: more });
            } else {
                let weights: Vec<i64> =
                    self.of.discounts.iter().map(|discount| discount.amount.minor()).collect();
                let shares = discount.split(&weights);
                for (one, share) in self.of.discounts.iter_mut().zip(shares) {
                    one.amount = share;
                }
                self.of.discounts.retain(|one| !one.amount.is_zero());
            }
            self.of.gross = gross;
        }
        if let Ok(taxes) = &mut self.of.taxes {
            let weights: Vec<i64> = taxes.values().map(|amount| amount.minor()).collect();
            for (amount, share) in taxes.values_mut().zip(own.split(&weights)) {
                *amount = amount.checked_sub(share)?;
            }
        }
        self.of.own_tax = self.of.own_tax.checked_sub(own)?;
        self.of.remitted = self.of.remitted.checked_sub(remitted)?;
        self.units = if net.is_zero() && !self.sent { 0 } else { rest };
        self.of.quantity = Decimal::from(rest.max(1));
        if let Some(split) = &mut self.split {
            split.settle(&self.of)?;
        }
        Ok(true)
    }
}

impl Billed {
    fn minus(&mut self, taken: &Self) -> Result<(), MoneyError> {
        self.quantity -= taken.quantity;
        self.gross = self.gross.checked_sub(taken.gross)?;
        for (own, theirs) in self.discounts.iter_mut().zip(&taken.discounts) {
            own.amount = own.amount.checked_sub(theirs.amount)?;
        }
        if let (Ok(own), Ok(theirs)) = (&mut self.taxes, &taken.taxes) {
            for (target, amount) in own {
                if let Some(theirs) = theirs.get(target) {
                    *amount = amount.checked_sub(*theirs)?;
                }
            }
        }
        self.own_tax = self.own_tax.checked_sub(taken.own_tax)?;
        self.remitted = self.remitted.checked_sub(taken.remitted)?;
        Ok(())
    }

    fn empty(&mut self) {
        let zero = Money::zero(self.gross.currency());
        self.gross = zero;
        self.discounts.clear();
        if let Ok(taxes) = &mut self.taxes {
            for amount in taxes.values_mut() {
                *amount = zero;
            }
        }
        (self.own_tax, self.remitted) = (zero, zero);
    }
}
