//! One line of a receipt in amounts without tax, whether or not its price contains tax.

use rust_decimal::Decimal;
use rust_decimal::prelude::{RoundingStrategy, ToPrimitive};
use trueup_connect::DecodeError;
use trueup_domain::document::{Discount, Funder, Remitter, TaxLine};
use trueup_domain::money::{Currency, Money};

use crate::wire;

/// Amounts have the sign of Odoo's: negative on what takes back.
pub struct Line<'a> {
    pub row: &'a wire::Line,
    pub id: String,
    pub sku: Option<String>,
    pub title: String,
    pub quantity: Decimal,
    pub unit_price: Decimal,
    /// After discount, without tax.
    pub net: Money,
    pub tax: Money,
    /// Before discount, without tax.
    pub gross: Money,
    taxes: Vec<&'a wire::Tax>,
}

impl<'a> Line<'a> {
    pub fn of(
        row: &'a wire::Line,
        record: &'a wire::OrderRecord,
        currency: Currency,
    ) -> Result<Self, DecodeError> {
        let net = row.price_subtotal.money("price_subtotal", currency)?;
        let including = row.price_subtotal_incl.money("price_subtotal_incl", currency)?;
        let wrong = |source| DecodeError::amount("price_subtotal_incl", source);
        let taxes: Vec<&wire::Tax> =
            record.taxes.iter().filter(|tax| row.taxes.contains(&tax.id)).collect();
        let product = record.products.iter().find(|one| one.id == row.product_id.0);
        let title = row.full_product_name.0.clone().unwrap_or_else(|| row.product_id.1.clone());
        let mut line = Self {
            row,
            id: row.id.to_string(),
            sku: product.and_then(|product| product.default_code.0.clone()),
            title,
            quantity: row.qty.decimal("qty")?,
            unit_price: row.price_unit.decimal("price_unit")?,
            net,
            tax: including.checked_sub(net).map_err(wrong)?,
            gross: net,
            taxes,
        };
        line.gross = line.before_discount(currency)?;
        Ok(line)
    }

    /// Odoo states no amount before discount: quantity times price, without the taxes that the
    /// price contains. A discount that raises the price is a price.
    fn before_discount(&self, currency: Currency) -> Result<Money, DecodeError> {
        let percent = self.row.discount.decimal("discount")?;
        if percent <= Decimal::ZERO {
            return Ok(self.net);
        }
        let out_of_range = || DecodeError::field("price_unit");
        let mut amount = self.unit_price.checked_mul(self.quantity).ok_or_else(out_of_range)?;
        let mut contained = Decimal::ONE;
        for tax in self.taxes.iter().filter(|tax| tax.price_include) {
            contained += rate_of(tax)?;
        }
        amount = amount.checked_div(contained).ok_or_else(out_of_range)?;
        let rounded = amount
            .round_dp_with_strategy(currency.exponent(), RoundingStrategy::MidpointAwayFromZero);
        let gross = Money::from_decimal(rounded, currency)
            .map_err(|source| DecodeError::amount("price_unit", source))?;
        let smaller = gross.minor().unsigned_abs() < self.net.minor().unsigned_abs();
        Ok(if smaller { self.net } else { gross })
    }

    pub fn takes_back(&self) -> bool {
        self.quantity < Decimal::ZERO
    }

    /// Weighed goods count as one piece.
    pub fn units(&self) -> i64 {
        let units = self.quantity.abs();
        if units.fract().is_zero() { units.to_i64().unwrap_or(1) } else { 1 }
    }

    pub fn discounts(&self) -> Result<Vec<Discount>, DecodeError> {
        let amount = self.gross.checked_sub(self.net);
        let amount = amount.map_err(|source| DecodeError::amount("discount", source))?;
        if amount.is_zero() {
            return Ok(Vec::new());
        }
        let title = format!("{} %", self.row.discount.decimal("discount")?.normalize());
        Ok(vec![Discount { title, funder: Funder::Merchant, amount }])
    }

    /// The tax of the line by its taxes, in proportion to their rates.
    pub fn taxes(&self) -> Result<Vec<TaxLine>, DecodeError> {
        if self.taxes.is_empty() && self.tax.is_zero() {
            return Ok(Vec::new());
        }
        let mut weights = Vec::new();
        let mut named = Vec::new();
        for tax in &self.taxes {
            let rate = rate_of(tax)?;
            let weight = (rate * Decimal::from(1_000_000)).to_i64().unwrap_or(0);
            weights.push(weight.max(1));
            named.push((tax.name.clone(), rate));
        }
        if named.is_empty() {
            weights.push(1);
            named.push(("unnamed".to_owned(), Decimal::ZERO));
        }
        let amounts = self.tax.split(&weights);
        let taxes = named.into_iter().zip(amounts).map(|((title, rate), amount)| TaxLine {
            title,
            rate,
            amount,
            remitted_by: Remitter::Merchant,
        });
        Ok(taxes.collect())
    }
}

/// A fraction. A tax that is no share of the price (an amount for each piece, a group of others) has
/// none.
fn rate_of(tax: &wire::Tax) -> Result<Decimal, DecodeError> {
    let amount = tax.amount.decimal("amount")?;
    let share = matches!(tax.amount_type.as_str(), "percent" | "division");
    Ok(if share { (amount / Decimal::ONE_HUNDRED).normalize() } else { Decimal::ZERO })
}
