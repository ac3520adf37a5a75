//! What the shop agreed to give back.
//!
//! `subtotal` of a refunded line is stated like the order's prices: it contains the tax if the
//! order's `taxes_included`. So the amounts need no knowledge of the order, but their total does.
//!
//! Since 2024-10 shipping given back stands in `refund_shipping_lines`; bodies exist that state it a
//! second time as an order adjustment of kind `shipping_refund`. It is counted once.

use trueup_connect::{DecodeError, units};
use trueup_domain::document::{
    ChargeKind, Refund, RefundAdjustment, RefundLine, Restock, TaxLine, Version,
};
use trueup_domain::money::{Currency, Money, MoneyError};

use crate::said;

/// What the carrying body knows and the refund itself does not.
pub struct Carrier<'a> {
    pub order: &'a str,
    pub shop: Currency,
    /// `None`: nobody said.
    pub taxes_included: Option<bool>,
    pub version: Version,
    /// The transactions of this refund, for the rounding of the till.
    pub transactions: &'a [&'a said::Transaction],
}

/// `None` if the refund cannot be stated whole without its order.
pub fn refund(said: &said::Refund, by: &Carrier<'_>) -> Result<Option<Refund>, DecodeError> {
    let shop = by.shop;
    let lines = said.lines.iter().map(|line| self::line(line, shop));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let mut adjustments = Vec::new();
    for shipping in &said.shipping {
        let Some(tax) = tax_of_shipping(shipping, said, shop)? else { return Ok(None) };
        adjustments.push(RefundAdjustment {
            id: shipping.id.clone(),
            charge: Some(ChargeKind::Shipping),
            reason: "shipping_refund".to_owned(),
            amount: shipping.amount.money("refund_shipping_lines.subtotal_amount_set", shop)?,
            tax,
            taxes: spread(tax, super::order::taxes(&shipping.taxes, shop)?),
        });
    }
    for duty in &said.duties {
        adjustments.push(RefundAdjustment {
            id: format!("duty-{}", duty.id),
            charge: Some(ChargeKind::Duty),
            reason: "duty_refund".to_owned(),
            amount: duty.amount.money("refund.duties.amount_set", shop)?,
            tax: Money::zero(shop),
            taxes: Vec::new(),
        });
    }
    for adjustment in &said.adjustments {
        if adjustment.shipping && !said.shipping.is_empty() {
            continue;
        }
        adjustments.push(self::adjustment(adjustment, shop)?);
    }
    let mut rounding = Money::zero(shop);
    for transaction in by.transactions {
        let own = super::transaction::rounding(transaction, shop)?;
        rounding = rounding.checked_add(own).map_err(out_of_range)?;
    }
    if !rounding.is_zero() {
        adjustments.push(RefundAdjustment {
            id: "cash-rounding".to_owned(),
            charge: Some(ChargeKind::CashRounding),
            reason: "cash_rounding".to_owned(),
            amount: rounding,
            tax: Money::zero(shop),
            taxes: Vec::new(),
        });
    }
    let taxes = lines.iter().map(|line| line.tax).chain(adjustments.iter().map(|one| one.tax));
    let taxes: Vec<Money> = taxes.collect();
    let amounts = lines.iter().map(|line| line.amount);
    let mut parts: Vec<Money> = amounts.chain(adjustments.iter().map(|one| one.amount)).collect();
    match by.taxes_included {
        Some(true) => {}
        Some(false) => parts.extend(taxes),
        // Without any tax it does not matter.
        None if taxes.iter().all(|tax| tax.is_zero()) => {}
        None => return Ok(None),
    }
    Ok(Some(Refund {
        id: said.id.clone(),
        order: by.order.to_owned(),
        version: by.version,
        created_at: said.created_at,
        reason: said.note.clone(),
        lines,
        adjustments,
        total: Money::sum(shop, parts).map_err(out_of_range)?,
        transactions: said.transactions.clone(),
        exchanged_for: said.exchanged_for.clone(),
    }))
}

fn line(said: &said::RefundLine, shop: Currency) -> Result<RefundLine, DecodeError> {
    Ok(RefundLine {
        id: said.id.clone(),
        line: said.line.clone(),
        quantity: units("refund_line_items.quantity", said.quantity)?,
        amount: said.subtotal.money("refund_line_items.subtotal", shop)?,
        tax: said.tax.money("refund_line_items.total_tax", shop)?,
        restock: match said.restock.to_ascii_lowercase().as_str() {
            "no_restock" => Restock::None,
            "cancel" => Restock::Cancelled,
            "return" | "legacy_restock" => Restock::Returned,
            _ => return Err(DecodeError::unknown("restock_type", &said.restock)),
        },
        location: said.location.clone(),
    })
}

/// REST names the tax of shipping given back only sometimes. The adjustment that repeats it does,
/// and shipping that carried no tax gives none back; otherwise the order has to be read.
fn tax_of_shipping(
    said: &said::RefundShipping,
    refund: &said::Refund,
    shop: Currency,
) -> Result<Option<Money>, DecodeError> {
    if let Some(tax) = &said.tax {
        return tax.money("refund_shipping_lines.tax_amount_set", shop).map(Some);
    }
    let mut twins = refund.adjustments.iter().filter(|one| one.shipping);
    if let (Some(twin), None) = (twins.next(), twins.next()) {
        let tax = twin.tax.money("order_adjustments.tax_amount", shop)?;
        if refund.shipping.len() == 1 {
            return tax.checked_neg().map(Some).map_err(out_of_range);
        }
    }
    for tax in &said.taxes {
        if !tax.amount.money("tax_lines.price", shop)?.is_zero() {
            return Ok(None);
        }
    }
    Ok(Some(Money::zero(shop)))
}

fn adjustment(said: &said::Adjustment, shop: Currency) -> Result<RefundAdjustment, DecodeError> {
    let amount = said.amount.money("order_adjustments.amount", shop)?;
    let tax = said.tax.money("order_adjustments.tax_amount", shop)?;
    let reason = if said.shipping { "shipping_refund" } else { said.reason.as_str() };
    Ok(RefundAdjustment {
        id: said.id.clone(),
        charge: said.shipping.then_some(ChargeKind::Shipping),
        // `Refund discrepancy` in REST, `REFUND_DISCREPANCY` in GraphQL.
        reason: reason.trim().to_ascii_lowercase().replace(' ', "_"),
        amount: amount.checked_neg().map_err(out_of_range)?,
        tax: tax.checked_neg().map_err(out_of_range)?,
        taxes: Vec::new(),
    })
}

/// The tax given back, shared among the taxes of the charge in their proportion.
fn spread(tax: Money, taxes: Vec<TaxLine>) -> Vec<TaxLine> {
    let weights: Vec<i64> = taxes.iter().map(|tax| tax.amount.minor()).collect();
    let shares = tax.split(&weights);
    taxes.into_iter().zip(shares).map(|(tax, amount)| TaxLine { amount, ..tax }).collect()
}

fn out_of_range(error: MoneyError) -> DecodeError {
    DecodeError::amount("refund", error)
}
