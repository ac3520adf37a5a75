//! What each refund of an order gives back.
//!
//! A refund names the lines that it takes back, with their taxes by rate. One that names none gives
//! back an amount: all that was left of the order, when it is exactly that, or else a sum that
//! belongs to no line and of which nobody said how much was tax.

use std::collections::BTreeMap;

use trueup_connect::DecodeError;
use trueup_domain::document::{
    ChargeKind, Order, Refund, RefundAdjustment, RefundLine, Restock, TaxLine, Version,
};
use trueup_domain::money::{Currency, Money};

use super::{out_of_range, payment, taxes};
use crate::wire::{self, Id, filled, note};

/// The line of the order that a line of a refund takes back.
const REFUNDED_ITEM: &str = "_refunded_item_id";
/// How many units of a line of the order went back to stock.
const RESTOCKED: &str = "_restock_refunded_items";

/// Refunds are read with their order and asked for by it, so its id leads.
fn id(order: &wire::Order, refund: &Id) -> String {
    format!("{}-{}", order.id.0, refund.0)
}

/// All refunds of an order, in the order in which they were made: what one gives back is not left
/// for the next.
pub fn refunds<'a>(
    wire: &wire::Order,
    order: &Order,
    refunds: &'a [wire::Refund],
) -> Result<Vec<(&'a wire::Refund, Refund)>, DecodeError> {
    let mut sorted: Vec<&wire::Refund> = refunds.iter().collect();
    sorted.sort_by_key(|refund| (refund.date_created_gmt, refund.id.0.len(), refund.id.clone()));
    let mut left = Left::of(order)?;
    let mut restocked: BTreeMap<&str, i64> = BTreeMap::new();
    for item in &wire.line_items {
        let units = note(&item.meta_data, RESTOCKED).and_then(|units| units.parse().ok());
        restocked.insert(&item.id.0, units.unwrap_or(0));
    }
    let mut all = Vec::new();
    for refund in sorted {
        let stated = Stated::of(refund, wire, &mut restocked, order.currency)?;
        let agreed = stated.refund(refund, wire, order, &left)?;
        left.take(&agreed)?;
        all.push((refund, agreed));
    }
    Ok(all)
}

/// The lines of one refund, as it states them.
struct Stated {
    amount: Money,
    lines: Vec<RefundLine>,
    adjustments: Vec<RefundAdjustment>,
}

impl Stated {
    fn of(
        refund: &wire::Refund,
        wire: &wire::Order,
        restocked: &mut BTreeMap<&str, i64>,
        currency: Currency,
    ) -> Result<Self, DecodeError> {
        let mut lines = Vec::new();
        for item in &refund.line_items {
            lines.push(line(item, restocked, currency)?);
        }
        let charge = |kind, id: &Id, reason: &str, total: &wire::Amount, taxes: &[wire::Tax]| {
            let taxes = given_back(taxes, wire, currency)?;
            Ok::<_, DecodeError>(RefundAdjustment {
                id: id.0.clone(),
                charge: Some(kind),
                reason: reason.to_owned(),
                amount: total.given_back("total", currency)?,
                tax: sum(&taxes, currency)?,
                taxes,
            })
        };
        let mut adjustments = Vec::new();
        for one in &refund.shipping_lines {
            let kind = ChargeKind::Shipping;
            adjustments.push(charge(kind, &one.id, &one.method_title, &one.total, &one.taxes)?);
        }
        for one in &refund.fee_lines {
            let kind = ChargeKind::Fee;
            adjustments.push(charge(kind, &one.id, &one.name, &one.total, &one.taxes)?);
        }
        let amount = refund.amount.money("refund.amount", currency)?;
        if amount.is_negative() {
            let why = format!("its amount is {amount}");
            return Err(DecodeError::Contradiction { what: "refund", why });
        }
        Ok(Self { amount, lines, adjustments })
    }

    fn refund(
        mut self,
        refund: &wire::Refund,
        wire: &wire::Order,
        order: &Order,
        left: &Left,
    ) -> Result<Refund, DecodeError> {
        let id = id(wire, &refund.id);
        let names_nothing = self.lines.is_empty() && self.adjustments.is_empty();
        if names_nothing && left.sum()? == Some(self.amount) {
            (self.lines, self.adjustments) = left.parts(&id);
        }
        let on_lines = total(&self.lines, &self.adjustments, order.currency)?;
        let rest = self.amount.checked_sub(on_lines).map_err(out_of_range)?;
        let reason = refund.reason.as_deref().and_then(filled);
        if !rest.is_zero() {
            self.adjustments.push(RefundAdjustment {
                id: format!("{id}-rest"),
                charge: None,
                reason: reason.clone().unwrap_or_else(|| "refund".to_owned()),
                amount: rest,
                tax: Money::zero(order.currency),
                taxes: Vec::new(),
            });
        }
        let paid = wire.date_paid_gmt.is_some();
        Ok(Refund {
            order: order.id.clone(),
            version: Version::at(refund.date_created_gmt.0),
            created_at: refund.date_created_gmt.0,
            reason,
            lines: self.lines,
            adjustments: self.adjustments,
            total: self.amount,
            // Of an order that nobody paid no money goes back.
            transactions: paid.then(|| payment::money_id(&id)).into_iter().collect(),
            exchanged_for: Vec::new(),
            id,
        })
    }
}

fn line(
    item: &wire::RefundedItem,
    restocked: &mut BTreeMap<&str, i64>,
    currency: Currency,
) -> Result<RefundLine, DecodeError> {
    let of = note(&item.meta_data, REFUNDED_ITEM);
    let of = of.ok_or_else(|| DecodeError::field("line_items.meta_data._refunded_item_id"))?;
    let quantity = item.quantity.integer("line_items.quantity")?.saturating_neg();
    if quantity < 0 {
        let why = format!("it takes back {quantity} units");
        return Err(DecodeError::Contradiction { what: "refund", why });
    }
    let mut tax = Money::zero(currency);
    for one in &item.taxes {
        let back = one.total.given_back("line_items.taxes.total", currency)?;
        tax = tax.checked_add(back).map_err(out_of_range)?;
    }
    // The note counts the units of all refunds: the first that fit are those that came back.
    let back = restocked.get_mut(of.as_str()).filter(|left| quantity > 0 && **left >= quantity);
    let restock = match back {
        Some(left) => {
            *left -= quantity;
            Restock::Returned
        }
        None => Restock::None,
    };
    Ok(RefundLine {
        id: item.id.0.clone(),
        line: of,
        quantity,
        amount: item.total.given_back("line_items.total", currency)?,
        tax,
        restock,
        location: None,
    })
}

fn given_back(
    taxes: &[wire::Tax],
    wire: &wire::Order,
    currency: Currency,
) -> Result<Vec<TaxLine>, DecodeError> {
    let mut lines = taxes::of_line(taxes, wire, currency)?;
    for line in &mut lines {
        line.amount = line.amount.checked_neg().map_err(out_of_range)?;
    }
    Ok(lines)
}

fn sum(taxes: &[TaxLine], currency: Currency) -> Result<Money, DecodeError> {
    Money::sum(currency, taxes.iter().map(|tax| tax.amount)).map_err(out_of_range)
}

fn total(
    lines: &[RefundLine],
    adjustments: &[RefundAdjustment],
    currency: Currency,
) -> Result<Money, DecodeError> {
    let of_lines = lines.iter().flat_map(|line| [line.amount, line.tax]);
    let of_charges = adjustments.iter().flat_map(|one| [one.amount, one.tax]);
    Money::sum(currency, of_lines.chain(of_charges)).map_err(out_of_range)
}

/// What of an order has not been given back yet.
struct Left {
    currency: Currency,
    lines: Vec<RefundLine>,
    charges: Vec<RefundAdjustment>,
    /// A sum that belongs to no line went back: what is left can no longer be told by line.
    blurred: bool,
}

impl Left {
    fn of(order: &Order) -> Result<Self, DecodeError> {
        let currency = order.currency;
        let mut lines = Vec::new();
        for line in &order.lines {
            let taken = Money::sum(currency, line.discounts.iter().map(|one| one.amount));
            let taken = taken.map_err(out_of_range)?;
            lines.push(RefundLine {
                id: line.id.clone(),
                line: line.id.clone(),
                quantity: line.quantity,
                amount: line.gross.checked_sub(taken).map_err(out_of_range)?,
                tax: sum(&line.taxes, currency)?,
                restock: Restock::None,
                location: None,
            });
        }
        let mut charges = Vec::new();
        for charge in &order.charges {
            charges.push(RefundAdjustment {
                id: charge.id.clone(),
                charge: Some(charge.kind),
                reason: charge.title.clone(),
                amount: charge.gross,
                tax: sum(&charge.taxes, currency)?,
                taxes: charge.taxes.clone(),
            });
        }
        Ok(Self { currency, lines, charges, blurred: false })
    }

    fn sum(&self) -> Result<Option<Money>, DecodeError> {
        if self.blurred {
            return Ok(None);
        }
        total(&self.lines, &self.charges, self.currency).map(Some)
    }

    fn take(&mut self, refund: &Refund) -> Result<(), DecodeError> {
        for back in &refund.lines {
            match self.lines.iter_mut().find(|line| line.line == back.line) {
                Some(line) => {
                    line.quantity = line.quantity.saturating_sub(back.quantity);
                    line.amount = line.amount.checked_sub(back.amount).map_err(out_of_range)?;
                    line.tax = line.tax.checked_sub(back.tax).map_err(out_of_range)?;
                }
                None => self.blurred = true,
            }
        }
        for back in &refund.adjustments {
            let same = |left: &&mut RefundAdjustment| {
                left.charge == back.charge && left.reason == back.reason
            };
            match self.charges.iter_mut().find(same) {
                Some(left) => {
                    left.amount = left.amount.checked_sub(back.amount).map_err(out_of_range)?;
                    left.tax = left.tax.checked_sub(back.tax).map_err(out_of_range)?;
                    let weights: Vec<i64> =
                        left.taxes.iter().map(|tax| tax.amount.minor()).collect();
                    for (tax, share) in left.taxes.iter_mut().zip(left.tax.split(&weights)) {
                        tax.amount = share;
                    }
                }
                None => self.blurred = true,
            }
        }
        Ok(())
    }

    /// Every line and charge of which something is left, as a refund would state it.
    fn parts(&self, refund: &str) -> (Vec<RefundLine>, Vec<RefundAdjustment>) {
        let some = |amount: Money, tax: Money| !amount.is_zero() || !tax.is_zero();
        let lines =
            self.lines.iter().filter(|line| some(line.amount, line.tax)).map(|line| RefundLine {
                id: format!("{refund}-{}", line.id),
                quantity: line.quantity.max(0),
                ..line.clone()
            });
        let charges = self
            .charges
            .iter()
            .filter(|one| some(one.amount, one.tax))
            .map(|one| RefundAdjustment { id: format!("{refund}-{}", one.id), ..one.clone() });
        (lines.collect(), charges.collect())
    }
}
