//! The refunds of a settlement. Amazon states none in its order API, so the rows that take money
//! back state both what was agreed and what was paid.

use std::collections::BTreeMap;

use trueup_connect::DecodeError;
use trueup_domain::document::{
    ChargeKind, Document, Payment, PaymentKind, PaymentStatus, Refund, RefundAdjustment,
    RefundLine, Restock, RowClass, Tender, Version,
};
use trueup_domain::money::{Money, MoneyError};

use super::Entry;
use super::class::Part;
use crate::GATEWAY;

/// Names the refund of each row that takes money back, by row. Rows that add up to money for us are
/// no refund that anybody has decided about.
pub fn name(settlement: &str, entries: &mut [Entry]) -> Result<(), DecodeError> {
    let mut sums: BTreeMap<String, Money> = BTreeMap::new();
    for entry in entries.iter_mut().filter(|entry| entry.class == RowClass::Refund) {
        let Some(order) = &entry.order else { continue };
        let own = entry.adjustment.clone().unwrap_or_else(|| entry.posted.to_string());
        let id = format!("{settlement}/{order}/{own}");
        let sum = sums.entry(id.clone()).or_insert_with(|| Money::zero(entry.amount.currency()));
        *sum = sum.checked_add(entry.amount).map_err(amounts)?;
        entry.refund = Some(id);
    }
    let reversed =
        |id: &String| sums.get(id).is_some_and(|sum| !sum.is_zero() && !sum.is_negative());
    for entry in entries {
        if entry.refund.as_ref().is_some_and(reversed) {
            entry.refund = None;
            entry.class = RowClass::Unknown;
        }
    }
    Ok(())
}

/// Each refund with the payment that pays it.
pub fn documents(entries: &[Entry]) -> Result<Vec<Document>, DecodeError> {
    let mut refunds: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        if let Some(id) = &entry.refund {
            refunds.entry(id).or_default().push(entry);
        }
    }
    let mut documents = Vec::new();
    for (id, rows) in refunds {
        let refund = refund(id, &rows).map_err(amounts)?;
        if refund.total.is_zero() {
            continue;
        }
        documents.push(payment(&refund).into());
        documents.push(refund.into());
    }
    Ok(documents)
}

fn amounts(source: MoneyError) -> DecodeError {
    DecodeError::amount("amount", source)
}

/// What goes back of one line or charge, and the tax on it.
#[derive(Clone, Copy)]
struct Back {
    amount: Money,
    tax: Money,
}

impl Back {
    fn nothing(like: Money) -> Self {
        let zero = Money::zero(like.currency());
        Self { amount: zero, tax: zero }
    }

    fn take(&mut self, amount: Money, is_tax: bool) -> Result<(), MoneyError> {
        let sum = if is_tax { &mut self.tax } else { &mut self.amount };
        *sum = sum.checked_sub(amount)?;
        Ok(())
    }

    fn is_nothing(&self) -> bool {
        self.amount.is_zero() && self.tax.is_zero()
    }
}

fn refund(id: &str, rows: &[&Entry]) -> Result<Refund, MoneyError> {
    // Groups are never empty, and their rows of one moment and order.
    let Some(first) = rows.first() else { unreachable!("a group has rows") };
    let nothing = Back::nothing(first.amount);
    let mut goods: BTreeMap<&str, Back> = BTreeMap::new();
    let (mut shipping, mut gift_wrap) = (nothing, nothing);
    let mut adjustments = Vec::new();
    for row in rows {
        let part = match row.part {
            Some(Part::PromotionTax) if is_of_shipping(row, rows) => Some(Part::ShippingTax),
            Some(Part::PromotionTax) => Some(Part::GoodsTax),
            part => part,
        };
        match (part, row.item.as_deref()) {
            (Some(Part::Goods | Part::GoodsTax), Some(item)) => {
                let back = goods.entry(item).or_insert(nothing);
                back.take(row.amount, part == Some(Part::GoodsTax))?;
            }
            (Some(Part::Shipping | Part::ShippingTax), _) => {
                shipping.take(row.amount, part == Some(Part::ShippingTax))?;
            }
            (Some(Part::GiftWrap | Part::GiftWrapTax), _) => {
                gift_wrap.take(row.amount, part == Some(Part::GiftWrapTax))?;
            }
            (part, _) => {
                let mut back = nothing;
                back.take(row.amount, part == Some(Part::GoodsTax))?;
                let own = row.number.to_string();
                adjustments.extend(adjustment(&own, None, &row.description, back));
            }
        }
    }
    let charges = [
        ("shipping", ChargeKind::Shipping, shipping),
        ("gift_wrap", ChargeKind::GiftWrap, gift_wrap),
    ];
    for (own, kind, back) in charges {
        adjustments.extend(adjustment(own, Some(kind), own, back));
    }
    let lines = goods.into_iter().map(|(item, back)| RefundLine {
        id: format!("{id}/{item}"),
        line: item.to_owned(),
        // The rows do not say how many units, nor whether any came back.
        quantity: 0,
        amount: back.amount,
        tax: back.tax,
        restock: Restock::None,
        location: None,
    });
    let taken = rows.iter().map(|row| row.amount);
    Ok(Refund {
        id: id.to_owned(),
        order: first.order.clone().unwrap_or_default(),
        version: Version::at(first.posted),
        created_at: first.posted,
        reason: Some(first.transaction.clone()),
        lines: lines.collect(),
        adjustments,
        total: Money::sum(first.amount.currency(), taken)?.checked_neg()?,
        transactions: vec![id.to_owned()],
        exchanged_for: Vec::new(),
    })
}

/// A promotion takes its tax off with the shipping, where it is one on shipping.
fn is_of_shipping(row: &Entry, rows: &[&Entry]) -> bool {
    let like = |other: &&Entry| {
        other.amount_type == row.amount_type
            && other.part == Some(Part::Shipping)
            && other.item == row.item
            && other.promotion == row.promotion
    };
    rows.iter().any(like)
}

fn adjustment(
    id: &str,
    charge: Option<ChargeKind>,
    reason: &str,
    back: Back,
) -> Option<RefundAdjustment> {
    let Back { amount, tax } = back;
    let (id, reason) = (id.to_owned(), reason.to_owned());
    let some = RefundAdjustment { id, charge, reason, amount, tax, taxes: Vec::new() };
    (!back.is_nothing()).then_some(some)
}

fn payment(refund: &Refund) -> Payment {
    Payment {
        id: refund.id.clone(),
        order: refund.order.clone(),
        version: refund.version,
        kind: PaymentKind::Refund,
        status: PaymentStatus::Succeeded,
        amount: refund.total,
        gateway: GATEWAY.to_owned(),
        tender: Tender::Marketplace,
        parent: None,
        refund: Some(refund.id.clone()),
        provider_id: Some(refund.id.clone()),
        processed_at: refund.created_at,
        test: false,
    }
}
