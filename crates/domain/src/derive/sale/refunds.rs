//! What was agreed to be given back: the credit note of each refund. Its money moves in payments of
//! their own (P11).

use std::collections::BTreeMap;

use super::bills::Credit;
use super::summed::Road;
use super::{Documents, Sale, captured, is_billed, is_capture, needs};
use crate::command::{Content, CreditNoteContent, DocumentLine, DocumentTax};
use crate::derive::billing::{self, Billed};
use crate::derive::bundle;
use crate::derive::{Break, DeriveError};
use crate::document::{
    ChargeKind, LineKind, Order, Refund, RefundAdjustment, RefundLine, Remitter, Restock, TaxLine,
};
use crate::fact::FactContent;
use crate::item::ItemKind;
use crate::journal::{EntryBuilder, Role};
use crate::mapping::{Mapping, Missing};
use crate::money::{Money, MoneyError};

impl Sale<'_> {
    /// Nothing is credited of what was paid back until the money that had paid it is told: the note
    /// would find its invoice unpaid, and the books would tie the two (V8).
    pub(super) fn notes_wait_for_money(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
    ) -> Result<(), DeriveError> {
        for refund in &sorted.refunds {
            if let Some(credit) = self.plan.credits.get_mut(&refund.id)
                && sorted.is_paid_back(order, refund)?
            {
                credit.note = None;
            }
        }
        Ok(())
    }

    /// An agreed refund: the document, once there is an invoice that it takes back.
    pub(super) fn refund(
        &mut self,
        order: &Order,
        credit: &Credit,
        parts: &[Billed],
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<Result<(), Missing>, DeriveError> {
        if !is_billed(order, sorted)? {
            return Ok(Ok(()));
        }
        let refund = &credit.refund;
        let Some((day, invoice)) = credit.note.clone() else { return Ok(Ok(())) };
        let memo = format!("refund {} {}", order.number, refund.id);
        let mut entry = EntryBuilder::new(day, self.road.booker(), order.currency, memo);
        let key = format!("refund/{}/{}", self.around.connection, refund.id);
        entry.summed(self.road.summed(ItemKind::RefundDocument, key.clone(), true));
        let mut lines = Vec::new();
        let mut credited = Vec::new();
        let mut lacks = None;
        for (line, components) in refund.lines.iter().zip(&credit.components) {
            let mut of = parts.iter().filter(|part| part.line == line.line);
            if components.is_empty() {
                credited.push(Credited::of_line(order, line, of.next())?);
            }
            for (share, part) in components.iter().zip(of) {
                credited.push(Credited::of_line(order, line, Some(part))?.component(order, share)?);
            }
        }
        for adjustment in &refund.adjustments {
            credited.push(Credited::of_adjustment(order, adjustment, parts)?);
        }
        for one in &credited {
            let net = one.net(order)?;
            entry.credit(Role::Receivable, None, net.checked_add(one.tax)?)?;
            if self.road == Road::Summed {
                match one.taxes(order)? {
                    Ok(taxes) => lacks = one.base_and_taxes(&mut entry, net, taxes)?.or(lacks),
                    Err(missing) => {
                        entry.debit(one.role, None, net).debit(Role::TaxPayable, None, one.tax);
                        lacks = Some(missing);
                    }
                }
                continue;
            }
            entry.debit(one.role, None, net);
            entry.debit(Role::TaxPayable, None, one.tax);
            if self.road == Road::Held {
                continue;
            }
            match one.line(order, mapping)? {
                Ok(line) => lines.extend(billing::in_even_prices(line)?),
                Err(missing) => lacks = Some(missing),
            }
        }
        if let Some(entry) = entry.build()? {
            self.fact("refund", &refund.id, FactContent::Entry(entry));
        }
        let remitted = remitted_back(order, refund)?;
        if let Some(missing) = lacks {
            return Ok(Err(missing));
        }
        let sum = match self.road {
            Road::Documents => billing::totals(&lines)?,
            Road::Summed | Road::Held => Some(credited_total(order, &credited)?),
        };
        let Some((total, tax)) = sum else { return Ok(Ok(())) };
        if total != refund.total.checked_sub(remitted)? {
            self.derived.breaks.push(Break {
                kind: "refund_contradicts_itself",
                title: format!("A refund of {} does not add up", order.number),
                detail: format!("its lines make {total}, it states {}", refund.total),
                remedy: "look at the refund at the channel",
                amount: Some(refund.total),
                owner: "operator",
            });
        }
        if self.road != Road::Documents {
            return Ok(Ok(()));
        }
        let customer = self.invoiced(order, mapping);
        let mut after = customer.after();
        after.push(needs("invoice", "invoice", &invoice));
        // The capture is tied first, or Odoo ties the credit note to the unpaid invoice (V8), which is
        // right where nothing goes back for it. Of invoices that come one by one, a later one is no
        // concern of an earlier note, nor is later money.
        let at = refund.created_at;
        let piecemeal = self.plan.piecemeal;
        let of_all = !piecemeal && sorted.is_paid_back(order, refund)?;
        for payment in &sorted.payments {
            let before = of_all || payment.processed_at <= at;
            if is_capture(payment) && before && mapping.gateway(&payment.gateway).is_ok() {
                let only = piecemeal.then_some(invoice.as_str());
                after.extend(self.settled_by(order, payment, only, sorted)?);
            }
        }
        let content = Content::CreditNote(CreditNoteContent {
            company: mapping.company.clone(),
            customer: customer.reference,
            journal: mapping.sales_journal.clone(),
            reference: format!("{} refund {}", order.number, refund.id),
            reason: refund.reason.clone().unwrap_or_else(|| "refund".to_owned()),
            date: day,
            lines,
            total,
            tax,
        });
        let states = Some((ItemKind::RefundDocument, key));
        self.command("credit_note", &refund.id, mapping, content, after, states);
        self.exchange(order, refund, sorted, mapping)?;
        Ok(Ok(()))
    }
}

/// What credited amounts come to with their tax, and their tax.
fn credited_total(order: &Order, credited: &[Credited<'_>]) -> Result<(Money, Money), MoneyError> {
    let tax = Money::sum(order.currency, credited.iter().map(|one| one.tax))?;
    let mut total = tax;
    for one in credited {
        total = total.checked_add(one.net(order)?)?;
    }
    Ok((total, tax))
}

/// What an adjustment takes back.
pub(super) const fn role_of(adjustment: &RefundAdjustment) -> Role {
    match adjustment.charge {
        Some(ChargeKind::Shipping) => Role::ShippingIncome,
        Some(ChargeKind::Tip) => Role::TipIncome,
        Some(ChargeKind::Duty) => Role::DutyIncome,
        Some(ChargeKind::GiftWrap) => Role::GiftWrapIncome,
        Some(ChargeKind::Fee) if adjustment.amount.is_negative() => Role::Discounts,
        Some(ChargeKind::Fee) => Role::FeeIncome,
        Some(ChargeKind::CashRounding) => Role::Rounding,
        None => Role::Returns,
    }
}

/// Money that belongs to no line and no charge: the channel's discrepancy, or an amount.
fn is_loose(adjustment: &RefundAdjustment) -> bool {
    adjustment.charge.is_none()
        && adjustment.tax.is_zero()
        && !adjustment.amount.is_zero()
        && !adjustment.amount.is_negative()
}

/// What each refund gives back of money that was captured beyond what is sold: of a price that was
/// lowered after it was paid, the channel's order and so the invoice are lower already, and the
/// channel writes the difference as a discrepancy of the refund. A refund of just the excess comes
/// first; the others in their order.
pub(crate) fn excess_back(
    order: &Order,
    sorted: &Documents<'_>,
) -> Result<BTreeMap<String, Money>, MoneyError> {
    let mut left = captured(order, &sorted.payments)?.checked_sub(order.total)?;
    let mut loose = Vec::new();
    for refund in sorted.refunds.iter().filter(|refund| !refund.transactions.is_empty()) {
        let amounts = refund.adjustments.iter().filter(|it| is_loose(it)).map(|it| it.amount);
        loose.push((*refund, Money::sum(order.currency, amounts)?));
    }
    loose.retain(|(_, amount)| !amount.is_zero());
    loose.sort_by_key(|(refund, amount)| (*amount != left, refund.created_at, &refund.id));
    let mut given = BTreeMap::new();
    for (refund, amount) in loose {
        if left.is_zero() || left.is_negative() {
            break;
        }
        let beyond = amount.min(left);
        left = left.checked_sub(beyond)?;
        given.insert(refund.id.clone(), beyond);
    }
    Ok(given)
}

/// A refund as it is credited: without what it gives back of money beyond the sale.
pub(crate) fn without_excess(refund: &Refund, excess: Money) -> Result<Refund, MoneyError> {
    let mut credited = refund.clone();
    credited.total = refund.total.checked_sub(excess)?;
    let mut left = excess;
    for adjustment in credited.adjustments.iter_mut().filter(|it| is_loose(it)) {
        let beyond = left.min(adjustment.amount);
        left = left.checked_sub(beyond)?;
        adjustment.amount = adjustment.amount.checked_sub(beyond)?;
    }
    credited.adjustments.retain(|it| !it.amount.is_zero() || !it.tax.is_zero());
    Ok(credited)
}

/// What the marketplace gives back of the tax that it remits.
pub(super) fn remitted_back(order: &Order, refund: &Refund) -> Result<Money, MoneyError> {
    let mut parts = Vec::new();
    for line in &refund.lines {
        parts.push(remitted_of_line(order, line)?);
    }
    for adjustment in &refund.adjustments {
        parts.push(remitted_of_adjustment(order, adjustment)?);
    }
    Money::sum(order.currency, parts)
}

pub(crate) fn remitted_of_line(order: &Order, line: &RefundLine) -> Result<Money, MoneyError> {
    let sold = order.lines.iter().find(|sold| sold.id == line.line);
    remitted_share(line.tax, sold.map_or(&[], |sold| &sold.taxes))
}

pub(crate) fn remitted_of_adjustment(
    order: &Order,
    adjustment: &RefundAdjustment,
) -> Result<Money, MoneyError> {
    if !adjustment.taxes.is_empty() {
        return remitted_share(adjustment.tax, &adjustment.taxes);
    }
    let charge = order.charges.iter().find(|charge| Some(charge.kind) == adjustment.charge);
    remitted_share(adjustment.tax, charge.map_or(&[], |charge| &charge.taxes))
}

/// The part of `tax` that falls to the marketplace, as the taxes it gives back were shared.
fn remitted_share(tax: Money, taxes: &[TaxLine]) -> Result<Money, MoneyError> {
    let of = |who: Remitter| {
        let theirs = taxes.iter().filter(|tax| tax.remitted_by == who);
        Money::sum(tax.currency(), theirs.map(|tax| tax.amount))
    };
    let weights = [of(Remitter::Merchant)?.minor(), of(Remitter::Marketplace)?.minor()];
    let theirs = tax.split(&weights).get(1).copied();
    Ok(theirs.unwrap_or_else(|| Money::zero(tax.currency())))
}

/// `amount` without a tax that it contains.
pub(crate) fn without(order: &Order, amount: Money, tax: Money) -> Result<Money, MoneyError> {
    if order.taxes_included { amount.checked_sub(tax) } else { Ok(amount) }
}

/// One credited amount of a refund.
struct Credited<'a> {
    part: String,
    name: String,
    role: Role,
    /// Without what the marketplace remits.
    amount: Money,
    /// Ours to give back.
    tax: Money,
    /// The billed part whose taxes and product it takes back.
    of: Option<&'a Billed>,
    /// Goods are back or had not left: a product line; otherwise an account line, so that no cost
    /// is reversed for goods that stay away (`POSTING.md` P4).
    product_line: bool,
    quantity: i64,
}

impl<'a> Credited<'a> {
    fn of_line(
        order: &Order,
        line: &RefundLine,
        of: Option<&'a Billed>,
    ) -> Result<Self, MoneyError> {
        let sold = order.lines.iter().find(|one| one.id == line.line);
        let gift_card = sold.is_some_and(|line| line.kind == LineKind::GiftCard);
        let remitted = remitted_of_line(order, line)?;
        Ok(Self {
            part: line.id.clone(),
            name: sold.map_or_else(|| "refunded line".to_owned(), |sold| sold.title.clone()),
            role: if gift_card { Role::GiftCardLiability } else { Role::Returns },
            amount: without(order, line.amount, remitted)?,
            tax: line.tax.checked_sub(remitted)?,
            of,
            product_line: gift_card || line.restock != Restock::None,
            quantity: line.quantity,
        })
    }

    /// What of a bundle falls to one component, whose part it has already.
    fn component(self, order: &Order, share: &bundle::Credited) -> Result<Self, MoneyError> {
        let Some(of) = self.of else { return Ok(self) };
        let (net, tax) = (share.net, share.tax);
        let number = of.part.strip_prefix(&of.line).unwrap_or_default();
        Ok(Self {
            part: format!("{}{number}", self.part),
            name: of.name.clone(),
            amount: if order.taxes_included { net.checked_add(tax)? } else { net },
            tax,
            quantity: self.quantity.max(1).saturating_mul(of.units),
            ..self
        })
    }

    fn of_adjustment(
        order: &Order,
        adjustment: &RefundAdjustment,
        parts: &'a [Billed],
    ) -> Result<Self, MoneyError> {
        let remitted = remitted_of_adjustment(order, adjustment)?;
        let role = role_of(adjustment);
        let of = parts.iter().find(|part| part.role == role);
        let of = of.or_else(|| {
            if adjustment.tax.is_zero() {
                None
            } else {
                parts.iter().find(|part| !part.own_tax.is_zero())
            }
        });
        Ok(Self {
            part: format!("adjustment/{}", adjustment.id),
            name: adjustment.reason.clone(),
            role,
            amount: without(order, adjustment.amount, remitted)?,
            tax: adjustment.tax.checked_sub(remitted)?,
            of,
            product_line: adjustment.charge.is_some() && of.is_some(),
            quantity: 1,
        })
    }

    /// The rows of a sum: the base of its taxes, and each tax by its name. Tax without a name is
    /// what the mapping lacks.
    fn base_and_taxes(
        &self,
        entry: &mut EntryBuilder,
        net: Money,
        taxes: Vec<DocumentTax>,
    ) -> Result<Option<Missing>, MoneyError> {
        let base = taxes.iter().map(|one| one.tax.clone()).collect();
        entry.debit_base(self.role, None, net, base);
        let mut nameless = self.tax;
        for one in taxes {
            nameless = nameless.checked_sub(one.amount)?;
            entry.debit(Role::TaxPayable, Some(&one.tax), one.amount);
        }
        entry.debit(Role::TaxPayable, None, nameless);
        let unknown = || Missing::Tax { title: self.name.clone(), rate: "no rate".to_owned() };
        Ok((!nameless.is_zero()).then(unknown))
    }

    /// The amount without our tax.
    fn net(&self, order: &Order) -> Result<Money, MoneyError> {
        without(order, self.amount, self.tax)
    }

    fn line(
        &self,
        order: &Order,
        mapping: &Mapping,
    ) -> Result<Result<DocumentLine, Missing>, MoneyError> {
        let product = match self.of {
            Some(of) if self.product_line => match &of.product {
                Ok(product) => Some(product.clone()),
                Err(missing) => return Ok(Err(missing.clone())),
            },
            _ => None,
        };
        // The product's own account is the one it was sold on: goods that come back stand apart.
        let account = if product.is_some() && self.role != Role::Returns {
            None
        } else {
            match mapping.account(self.role, None) {
                Ok(account) => Some(account),
                Err(missing) => return Ok(Err(missing)),
            }
        };
        // Units matter where there is a product: its cost is taken back with them (V2).
        let quantity = if product.is_some() { self.quantity.max(1) } else { 1 };
        let taxes = match self.taxes(order)? {
            Ok(taxes) => taxes,
            Err(missing) => return Ok(Err(missing)),
        };
        Ok(Ok(DocumentLine {
            part: self.part.clone(),
            product,
            account,
            name: self.name.clone(),
            quantity: quantity.into(),
            unit_price: self.amount.decimal(),
            amount: self.amount,
            taxes_included: order.taxes_included,
            taxes,
            shipping: false,
        }))
    }

    /// The tax given back, spread over the taxes of what it takes back, at the original rates.
    fn taxes(&self, order: &Order) -> Result<Result<Vec<DocumentTax>, Missing>, MoneyError> {
        let Some(of) = self.of else { return Ok(Ok(Vec::new())) };
        let targets = match &of.taxes {
            Ok(targets) => targets,
            Err(missing) => return Ok(Err(missing.clone())),
        };
        let weights: Vec<i64> = targets.values().map(|tax| tax.minor()).collect();
        let shares = self.tax.split(&weights);
        let base = self.net(order)?;
        let pairs = targets.keys().zip(shares);
        Ok(Ok(pairs.map(|(tax, amount)| DocumentTax { tax: tax.clone(), base, amount }).collect()))
    }
}
