//! Odoo's taxes: percent, on top or contained, rounded by line or over the document, or forced by
//! `extra_tax_data`.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::store::{Cell, Fields, Record, Store};

#[derive(Clone, Debug)]
struct Tax {
    id: i64,
    /// Fraction, such as 0.19.
    rate: Decimal,
    included: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Computed {
    /// Per line: without tax, and with.
    pub lines: Vec<(Decimal, Decimal)>,
    /// Per tax: its amount.
    pub taxes: BTreeMap<i64, Decimal>,
    /// Per tax: its amount in the company's currency. Forced amounts are converted line by line.
    pub company_taxes: BTreeMap<i64, Decimal>,
    pub untaxed: Decimal,
    pub tax: Decimal,
}

/// To so many digits behind the point.
pub fn round_to(value: Decimal, digits: u32) -> Decimal {
    value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

/// The digits of a currency behind the point.
pub fn digits(store: &Store, currency: i64) -> u32 {
    match store.get("res.currency", currency).map(|it| it.cell("decimal_places")) {
        Some(Cell::Whole(digits)) => u32::try_from(*digits).unwrap_or(2),
        _ => 2,
    }
}

fn taxes_of(store: &Store, line: &Record) -> Vec<Tax> {
    let found = line.links("tax_ids").iter().filter_map(|id| {
        let tax = store.get("account.tax", *id)?;
        let rate = tax.amount("amount") / Decimal::ONE_HUNDRED;
        Some(Tax { id: *id, rate, included: tax.word("price_include_override") == "tax_included" })
    });
    found.collect()
}

/// Computes the lines of one document. `quantity` is the field that holds it.
pub fn compute(
    store: &Store,
    lines: &[&Record],
    quantity: &str,
    currency: i64,
    globally: bool,
    convert: &dyn Fn(Decimal) -> Decimal,
) -> Computed {
    let digits = digits(store, currency);
    let round = |value| round_to(value, digits);
    let mut result = Computed::default();
    // Unrounded, of taxes that are not forced: `round_globally` rounds their sum.
    let mut raw: BTreeMap<i64, Decimal> = BTreeMap::new();
    // What rounding globally moves between the untaxed amount and the tax of contained taxes.
    let mut moved = Decimal::ZERO;
    for line in lines {
        let price = line.amount("price_unit");
        let off = Decimal::ONE - line.amount("discount") / Decimal::ONE_HUNDRED;
        let gross = price * line.amount(quantity) * off;
        let taxes = taxes_of(store, line);
        if let Some((without, forced)) = forced(line, &taxes, quantity, (currency, digits)) {
            let sum: Decimal = forced.values().sum();
            for (tax, amount) in forced {
                *result.taxes.entry(tax).or_default() += amount;
                *result.company_taxes.entry(tax).or_default() += convert(amount);
            }
            result.lines.push((without, without + sum));
            continue;
        }
        let contained: Decimal = taxes.iter().filter(|tax| tax.included).map(|tax| tax.rate).sum();
        let base = gross / (Decimal::ONE + contained);
        let (mut rounded, mut contained_tax) = (Decimal::ZERO, Decimal::ZERO);
        for tax in &taxes {
            let amount = base * tax.rate;
            *raw.entry(tax.id).or_default() += if globally { amount } else { round(amount) };
            rounded += round(amount);
            contained_tax += if tax.included { round(amount) } else { Decimal::ZERO };
        }
        let without = round(gross) - contained_tax;
        if globally && contained_tax != Decimal::ZERO {
            moved += contained_tax - base * contained;
        }
        result.lines.push((without, without + rounded));
    }
    for (tax, amount) in raw {
        *result.taxes.entry(tax).or_default() += round(amount);
        *result.company_taxes.entry(tax).or_default() += convert(round(amount));
    }
    result.untaxed =
        result.lines.iter().map(|(without, _)| *without).sum::<Decimal>() + round(moved);
    result.tax = result.taxes.values().copied().sum();
    result
}

/// The amounts of `extra_tax_data`, if Odoo would take them: the line must be as the cell says.
fn forced(
    line: &Record,
    taxes: &[Tax],
    quantity: &str,
    (currency, digits): (i64, u32),
) -> Option<(Decimal, BTreeMap<i64, Decimal>)> {
    let round = |value| round_to(value, digits);
    let Cell::Json(text) = line.cell("extra_tax_data") else { return None };
    let data: Value = serde_json::from_str(text).ok()?;
    let number = |value: &Value| value.as_number()?.to_string().parse::<Decimal>().ok();
    let same = data["currency_id"].as_i64() == Some(currency)
        && round(number(&data["price_unit"])?) == round(line.amount("price_unit"))
        && number(&data["quantity"])? == line.amount(quantity);
    let manual = data["manual_tax_amounts"].as_object()?;
    if !same || taxes.is_empty() {
        return None;
    }
    let mut amounts = BTreeMap::new();
    let mut without = None;
    for tax in taxes {
        let of = manual.get(&tax.id.to_string())?;
        amounts.insert(tax.id, round(number(&of["tax_amount_currency"])?));
        without = without.or(number(&of["base_amount_currency"]));
    }
    let total = data.get("manual_total_excluded_currency").and_then(number).or(without)?;
    Some((round(total), amounts))
}
