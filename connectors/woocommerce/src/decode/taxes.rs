//! Taxes by rate.
//!
//! A line says how much of which rate; what the rate is called and how high it is stands among the
//! order's `tax_lines`, with what the rate makes of the whole order. A shop that rounds tax at the
//! subtotal shows the tax of its lines rounded and that of the rate exactly: the cents between the
//! two belong to the lines.

use rust_decimal::Decimal;
use trueup_connect::DecodeError;
use trueup_domain::document::{Remitter, TaxLine};
use trueup_domain::money::{Currency, Money};

use super::out_of_range;
use crate::wire;

/// The taxes of one line. A rate without an amount does not apply to it.
pub fn of_line(
    taxes: &[wire::Tax],
    order: &wire::Order,
    currency: Currency,
) -> Result<Vec<TaxLine>, DecodeError> {
    let mut lines = Vec::new();
    for tax in taxes.iter().filter(|tax| !tax.total.is_empty()) {
        let rate = order.tax_lines.iter().find(|line| line.rate_id == tax.id);
        let rate = rate.ok_or_else(|| DecodeError::field("tax_lines.rate_id"))?;
        lines.push(TaxLine {
            title: rate.label.clone(),
            rate: fraction(rate)?,
            amount: tax.total.money("taxes.total", currency)?,
            remitted_by: Remitter::Merchant,
        });
    }
    Ok(lines)
}

fn fraction(rate: &wire::TaxLine) -> Result<Decimal, DecodeError> {
    let Some(percent) = &rate.rate_percent else { return Ok(Decimal::ZERO) };
    let percent = percent.decimal("tax_lines.rate_percent")?;
    Ok((percent * Decimal::new(1, 2)).normalize())
}

/// One tax of one line or charge, by the rate that made it.
pub struct OfRate<'a> {
    pub rate: &'a wire::Id,
    pub tax: &'a mut TaxLine,
}

/// Gives the lines what their rates state more or less than they do, one minor unit each, the
/// largest tax first. More than that is no rounding, and is left for the order's own sum to show.
pub fn settle(
    order: &wire::Order,
    mut taxes: Vec<OfRate<'_>>,
    currency: Currency,
) -> Result<(), DecodeError> {
    taxes.sort_by_key(|one| -one.tax.amount.minor().saturating_abs());
    for rate in &order.tax_lines {
        let stated = rate.tax_total.money("tax_lines.tax_total", currency)?;
        let of_shipping =
            rate.shipping_tax_total.money("tax_lines.shipping_tax_total", currency)?;
        let stated = stated.checked_add(of_shipping).map_err(out_of_range)?;
        let own = taxes.iter_mut().filter(|one| *one.rate == rate.rate_id);
        let own: Vec<&mut OfRate<'_>> = own.collect();
        let sum = Money::sum(currency, own.iter().map(|one| one.tax.amount));
        let lacking = stated.checked_sub(sum.map_err(out_of_range)?).map_err(out_of_range)?;
        let cents = usize::try_from(lacking.minor().unsigned_abs()).unwrap_or(usize::MAX);
        if cents > own.len() {
            continue;
        }
        let cent = Money::from_minor(lacking.minor().signum(), currency);
        for one in own.into_iter().take(cents) {
            one.tax.amount = one.tax.amount.checked_add(cent).map_err(out_of_range)?;
        }
    }
    Ok(())
}
