//! What one sale adds to each tax, by its key (`POSTING.md` P14): regime, jurisdiction, rate and
//! who remits it. A correction bears the day of the sale that it corrects.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::sale::Parts;
use crate::derive::billing::jurisdiction;
use crate::derive::sale::refunds::{remitted_of_adjustment, remitted_of_line, without};
use crate::document::{ChargeKind, LineKind, Order, Refund, RefundAdjustment, Remitter, TaxLine};
use crate::mapping::{Mapping, Regime};
use crate::money::{Money, MoneyError};

/// What a tax return tells apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaxKey {
    pub regime: Regime,
    /// ISO 3166-2, of the place the goods go to; empty where the order names none.
    pub jurisdiction: String,
    /// A fraction, without trailing zeros.
    pub rate: Decimal,
    pub remitted_by: Remitter,
    /// The tax of the books; empty while the mapping names none, and for what bears no tax.
    pub target: String,
}

/// What one document adds to one tax, in minor units of the order's currency; negative for what
/// goes back. An amount under two taxes is the base of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxRow {
    pub document: String,
    pub key: TaxKey,
    pub day: Date,
    pub order_day: Date,
    pub base: i64,
    pub tax: i64,
}

pub(super) fn of_order(
    order: &Order,
    document: &str,
    day: Date,
    mapping: Option<&Mapping>,
) -> Result<Vec<TaxRow>, MoneyError> {
    let mut sums = Sums::new(order, mapping);
    let lines = order.lines.iter().map(|line| (line.gross, &line.discounts, &line.taxes));
    let charges = order.charges.iter().map(|it| (it.gross, &it.discounts, &it.taxes));
    for (gross, discounts, taxes) in lines.chain(charges) {
        let base = Parts::of(order, gross, discounts, taxes)?.base()?.minor();
        let amounts: Vec<i64> = taxes.iter().map(|tax| tax.amount.minor()).collect();
        sums.add(taxes, base, &amounts)?;
    }
    Ok(sums.rows(document, (day, day)))
}

pub(super) fn of_refund(
    order: &Order,
    refund: &Refund,
    document: &str,
    days: (Date, Date),
    mapping: Option<&Mapping>,
) -> Result<Vec<TaxRow>, MoneyError> {
    let mut sums = Sums::new(order, mapping);
    for line in &refund.lines {
        let sold = order.lines.iter().find(|sold| sold.id == line.line);
        let taxes = sold.map_or(&[][..], |sold| &sold.taxes);
        let base = without(order, line.amount, line.tax)?;
        sums.take_back(taxes, base, line.tax, remitted_of_line(order, line)?)?;
    }
    for adjustment in &refund.adjustments {
        let taxes = taxes_of(order, adjustment);
        let base = without(order, adjustment.amount, adjustment.tax)?;
        let remitted = remitted_of_adjustment(order, adjustment)?;
        sums.take_back(taxes, base, adjustment.tax, remitted)?;
    }
    Ok(sums.rows(document, days))
}

/// The taxes of what an adjustment takes back, as its credit note names them.
fn taxes_of<'a>(order: &'a Order, adjustment: &RefundAdjustment) -> &'a [TaxLine] {
    let tips = order
        .lines
        .iter()
        .filter(|line| adjustment.charge == Some(ChargeKind::Tip) && line.kind == LineKind::Tip);
    let charges = order
        .charges
        .iter()
        .filter(|charge| Some(charge.kind) == adjustment.charge && !charge.gross.is_zero());
    let of = tips.map(|line| &line.taxes).chain(charges.map(|charge| &charge.taxes)).next();
    let of = of.or_else(|| {
        let lines = order.lines.iter().map(|line| &line.taxes);
        let all = lines.chain(order.charges.iter().map(|charge| &charge.taxes));
        let own = |tax: &TaxLine| tax.remitted_by == Remitter::Merchant && !tax.amount.is_zero();
        all.into_iter().find(|taxes| !adjustment.tax.is_zero() && taxes.iter().any(own))
    });
    of.map_or(&[], Vec::as_slice)
}

struct Sums<'a> {
    order: &'a Order,
    mapping: Option<&'a Mapping>,
    place: Option<String>,
    by_key: BTreeMap<TaxKey, (i64, i64)>,
}

impl<'a> Sums<'a> {
    fn new(order: &'a Order, mapping: Option<&'a Mapping>) -> Self {
        Self { order, mapping, place: jurisdiction(order), by_key: BTreeMap::new() }
    }

    fn key(&self, tax: &TaxLine) -> TaxKey {
        let included = self.order.taxes_included;
        let place = self.place.as_deref();
        let rule = self
            .mapping
            .and_then(|it| it.tax_rule(&tax.title, place, tax.rate, included, tax.remitted_by));
        TaxKey {
            regime: rule.map_or_else(|| Regime::usual(tax.remitted_by), |rule| rule.regime()),
            jurisdiction: place.unwrap_or_default().to_owned(),
            rate: tax.rate.normalize(),
            remitted_by: tax.remitted_by,
            target: rule.map(|rule| rule.target.clone()).unwrap_or_default(),
        }
    }

    /// The base counts once for each key, however many taxes of the source stand under it.
    fn add(&mut self, taxes: &[TaxLine], base: i64, amounts: &[i64]) -> Result<(), MoneyError> {
        let mut added: BTreeMap<TaxKey, i64> = BTreeMap::new();
        for (tax, amount) in taxes.iter().zip(amounts) {
            *added.entry(self.key(tax)).or_default() += amount;
        }
        if added.is_empty() {
            let key = TaxKey {
                regime: Regime::Untaxed,
                jurisdiction: self.place.clone().unwrap_or_default(),
                rate: Decimal::ZERO,
                remitted_by: Remitter::Merchant,
                target: String::new(),
            };
            added.insert(key, amounts.iter().sum());
        }
        for (key, amount) in added {
            let sums = self.by_key.entry(key).or_default();
            sums.0 = sums.0.checked_add(base).ok_or(MoneyError::OutOfRange)?;
            sums.1 = sums.1.checked_add(amount).ok_or(MoneyError::OutOfRange)?;
        }
        Ok(())
    }

    /// Spreads the tax that goes back over the taxes that were charged, in the order of the taxes
    /// of the books, so that each of those is taken back to the cent of its credit note.
    fn take_back(
        &mut self,
        taxes: &[TaxLine],
        base: Money,
        tax: Money,
        remitted: Money,
    ) -> Result<(), MoneyError> {
        let mut sorted: Vec<TaxLine> = taxes.to_vec();
        sorted.sort_by_key(|tax| self.key(tax).target);
        let weights = |who: Remitter| -> Vec<i64> {
            let weight =
                |tax: &TaxLine| if tax.remitted_by == who { tax.amount.minor() } else { 0 };
            sorted.iter().map(weight).collect()
        };
        let own = tax.checked_sub(remitted)?.split(&weights(Remitter::Merchant));
        let theirs = remitted.split(&weights(Remitter::Marketplace));
        let mut amounts: Vec<i64> =
            own.iter().zip(theirs).map(|(own, theirs)| -(own.minor() + theirs.minor())).collect();
        if sorted.is_empty() {
            amounts = vec![-tax.minor()];
        }
        self.add(&sorted, -base.minor(), &amounts)
    }

    fn rows(self, document: &str, (day, order_day): (Date, Date)) -> Vec<TaxRow> {
        self.by_key
            .into_iter()
            .filter(|(_, (base, tax))| *base != 0 || *tax != 0)
            .map(|(key, (base, tax))| TaxRow {
                document: document.to_owned(),
                key,
                day,
                order_day,
                base,
                tax,
            })
            .collect()
    }
}
