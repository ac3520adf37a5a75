//! Bundles: a line of the channel that is several products in the books (decision 0030).
//!
//! The books have a line for each component, so that their stock and cost move. What the line comes to
//! is apportioned once, by what the components cost alone, and lies with them from then on: an invoice
//! and a credit note take from each component in proportion to what is left with it. So no sum differs
//! from what it would be without components, and whoever takes all, bit by bit, leaves nothing with any.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::billing::Billed;
use crate::command::TargetRef;
use crate::document::Discount;
use crate::mapping::{Component, Mapping};
use crate::money::{Currency, Money, MoneyError};

/// The part of the `number`th component of a line, counted from 1.
pub(crate) fn part(line: &str, number: usize) -> String {
    format!("{line}/component/{number}")
}

/// A line with all its amounts, component by component; nothing where it is no bundle.
pub(crate) fn components(
    whole: &Billed,
    of: &[Component],
    mapping: &Mapping,
) -> Result<Vec<Billed>, MoneyError> {
    let each = of.iter().zip(1..).map(|(component, number)| Billed {
        part: part(&whole.line, number),
        product: mapping.product(Some(&component.sku), &whole.name),
        name: format!("{}: {}", whole.name, component.sku),
        units: component.units.get().into(),
        ..whole.clone()
    });
    let each: Vec<Billed> = each.collect();
    let weights: Vec<i64> = of.iter().map(Component::weight).collect();
    let mut net = Pot::new(whole.gross.apportion(&weights));
    let off = net.take(whole.discount()?)?;
    let weights = net.weights();
    let taxes = whole.merchant_taxes().into_iter();
    let shares = Shares {
        off,
        taxes: taxes.map(|(tax, amount)| (tax, amount.apportion(&weights))).collect(),
        remitted: whole.remitted.apportion(&weights),
        net: net.left,
    };
    shares.of(whole, &each)
}

/// What is not given out of an amount, component by component.
#[derive(Debug)]
struct Pot {
    left: Vec<Money>,
    /// What lay with each at first.
    first: Vec<i64>,
}

impl Pot {
    fn new(left: Vec<Money>) -> Self {
        let first = left.iter().map(|amount| amount.minor()).collect();
        Self { left, first }
    }

    /// The same components with nothing yet.
    fn empty(of: &[Billed]) -> Self {
        let first = of.iter().map(|one| one.gross.minor()).collect();
        Self { left: of.iter().map(|one| Money::zero(one.gross.currency())).collect(), first }
    }

    fn weights(&self) -> Vec<i64> {
        self.left.iter().map(|amount| amount.minor()).collect()
    }

    fn total(&self, currency: Currency) -> Result<Money, MoneyError> {
        Money::sum(currency, self.left.iter().copied())
    }

    /// Shares of `amount` by what is left with each; no component is then below zero. What is taken
    /// beyond all that is left, or brought back, goes as all of it did at first.
    fn take(&mut self, amount: Money) -> Result<Vec<Money>, MoneyError> {
        let zero = Money::zero(amount.currency());
        let within = amount.min(self.total(amount.currency())?).max(zero);
        let beyond = amount.checked_sub(within)?.apportion(&self.first);
        let mut shares = within.apportion(&self.weights());
        for ((share, beyond), left) in shares.iter_mut().zip(beyond).zip(&mut self.left) {
            *share = share.checked_add(beyond)?;
            *left = left.checked_sub(*share)?;
        }
        Ok(shares)
    }

    fn put(&mut self, shares: impl Iterator<Item = Money>) -> Result<(), MoneyError> {
        for (left, share) in self.left.iter_mut().zip(shares) {
            *left = left.checked_add(share)?;
        }
        Ok(())
    }

    /// Takes or brings back what makes the sum `total`.
    fn settle(&mut self, total: Money) -> Result<(), MoneyError> {
        let more = self.total(total.currency())?.checked_sub(total)?;
        self.take(more).map(drop)
    }
}

/// The amounts of some units of a bundle, component by component.
struct Shares {
    /// Gross less discounts.
    net: Vec<Money>,
    off: Vec<Money>,
    taxes: BTreeMap<TargetRef, Vec<Money>>,
    remitted: Vec<Money>,
}

impl Shares {
    /// The lines of these amounts; `each` says all of a component that is no amount.
    fn of(self, bit: &Billed, each: &[Billed]) -> Result<Vec<Billed>, MoneyError> {
        let currency = bit.gross.currency();
        let zero = Money::zero(currency);
        let at = |shares: &[Money], index: usize| shares.get(index).copied().unwrap_or(zero);
        let mut lines = Vec::new();
        for (index, component) in each.iter().enumerate() {
            let taxes = self.taxes.iter().map(|(tax, shares)| (tax.clone(), at(shares, index)));
            let taxes: BTreeMap<TargetRef, Money> = taxes.collect();
            let gross = at(&self.net, index).checked_add(at(&self.off, index))?;
            let quantity = bit.quantity * Decimal::from(component.units);
            lines.push(Billed {
                quantity,
                unit_price: gross.decimal().checked_div(quantity).unwrap_or_default(),
                gross,
                discounts: Vec::new(),
                own_tax: Money::sum(currency, taxes.values().copied())?,
                taxes: bit.taxes.clone().map(|_| taxes),
                remitted: at(&self.remitted, index),
                components: Vec::new(),
                ..component.clone()
            });
        }
        let mut off = Pot::new(self.off);
        for discount in &bit.discounts {
            for (line, amount) in lines.iter_mut().zip(off.take(discount.amount)?) {
                if !amount.is_zero() {
                    line.discounts.push(Discount { amount, ..discount.clone() });
                }
            }
        }
        Ok(lines)
    }
}

/// What of a credited amount falls to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credited {
    /// Without any tax.
    pub net: Money,
    /// Ours.
    pub tax: Money,
}

/// A bundle's line while it is invoiced and credited bit by bit.
#[derive(Debug)]
pub(crate) struct Split {
    each: Vec<Billed>,
    net: Pot,
    off: Pot,
    taxes: BTreeMap<TargetRef, Pot>,
    remitted: Pot,
    /// Invoiced and not credited, without tax.
    billed: Pot,
    billed_tax: Pot,
}

impl Split {
    /// None where the line is no bundle.
    pub(crate) fn of(line: &Billed) -> Result<Option<Self>, MoneyError> {
        let each = line.components.clone();
        if each.is_empty() {
            return Ok(None);
        }
        let (mut net, mut off) = (Vec::new(), Vec::new());
        let mut taxes: BTreeMap<TargetRef, Vec<Money>> = BTreeMap::new();
        for component in &each {
            off.push(component.discount()?);
            net.push(component.gross.checked_sub(component.discount()?)?);
            let own = component.taxes.clone().unwrap_or_else(|_| component.merchant_taxes());
            for (tax, amount) in own {
                taxes.entry(tax).or_default().push(amount);
            }
        }
        Ok(Some(Self {
            net: Pot::new(net),
            off: Pot::new(off),
            taxes: taxes.into_iter().map(|(tax, left)| (tax, Pot::new(left))).collect(),
            remitted: Pot::new(each.iter().map(|component| component.remitted).collect()),
            billed: Pot::empty(&each),
            billed_tax: Pot::empty(&each),
            each,
        }))
    }

    /// The components of some units that are invoiced.
    pub(crate) fn bill(&mut self, bit: &Billed) -> Result<Vec<Billed>, MoneyError> {
        let mut taxes = BTreeMap::new();
        for (tax, amount) in bit.merchant_taxes() {
            if let Some(pot) = self.taxes.get_mut(&tax) {
                taxes.insert(tax, pot.take(amount)?);
            }
        }
        let shares = Shares {
            net: self.net.take(bit.gross.checked_sub(bit.discount()?)?)?,
            off: self.off.take(bit.discount()?)?,
            taxes,
            remitted: self.remitted.take(bit.remitted)?,
        };
        let lines = shares.of(bit, &self.each)?;
        let (mut net, mut tax) = (Vec::new(), Vec::new());
        for line in &lines {
            let amounts = line.amounts()?;
            net.push(amounts.owed.checked_sub(amounts.tax)?);
            tax.push(amounts.tax);
        }
        self.billed.put(net.into_iter())?;
        self.billed_tax.put(tax.into_iter())?;
        Ok(lines)
    }

    /// Brings the components down to what is left of the line, after something was taken off it.
    pub(crate) fn settle(&mut self, left: &Billed) -> Result<(), MoneyError> {
        self.net.settle(left.gross.checked_sub(left.discount()?)?)?;
        self.off.settle(left.discount()?)?;
        for (tax, amount) in left.merchant_taxes() {
            if let Some(pot) = self.taxes.get_mut(&tax) {
                pot.settle(amount)?;
            }
        }
        self.remitted.settle(left.remitted)
    }

    /// The components of an amount that takes back what is invoiced.
    pub(crate) fn credit(&mut self, net: Money, tax: Money) -> Result<Vec<Credited>, MoneyError> {
        let shares = self.billed.take(net)?.into_iter().zip(self.billed_tax.take(tax)?);
        Ok(shares.map(|(net, tax)| Credited { net, tax }).collect())
    }
}
