//! Money taken and given back: one payment of the books for each tender, and its ties to the
//! documents that it is for.

use jiff::civil::Date;

use super::refunds::remitted_back;
use super::{Documents, Sale, is_billed, is_capture, moved, needs, remitted};
use crate::command::{
    CommandKind, Content, Direction, Extent, PaymentContent, ReconciliationContent,
};
use crate::derive::DeriveError;
use crate::document::{Order, Payment, PaymentKind, Refund, Tender};
use crate::fact::{After, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::mapping::{Gateway, Mapping, Missing};
use crate::money::Money;

/// A tie of a payment to a document, as a command of the sale.
struct Tie {
    part: String,
    document: After,
    amount: Money,
    extent: Extent,
}

impl Sale<'_> {
    /// A succeeded capture or refund payment: the money leg, and its ties.
    pub(super) fn payment(
        &mut self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<Result<(), Missing>, DeriveError> {
        let Some(kind) = moved(payment) else { return Ok(Ok(())) };
        let gateway = match mapping.gateway(&payment.gateway) {
            Ok(gateway) => gateway,
            Err(missing) => return Ok(Err(missing)),
        };
        let inbound = kind == ItemKind::Capture;
        let key = tender_key(self.around.connection, payment, Some(gateway));
        let day = self.around.day(payment.processed_at);
        let theirs = remitted_in(order, payment, sorted)?;
        let ours = payment.amount.checked_sub(theirs)?;
        self.tender_entries(order, payment, gateway, day, (ours, theirs))?;
        if !theirs.is_zero() {
            // A named line of the tender's link: the books hold the rest (P7, P14).
            let hints = vec!["tax that the marketplace remits".to_owned()];
            let item = Item {
                side: Side::Books,
                kind: ItemKind::RemittedTax,
                key: key.clone(),
                amount: theirs,
                date: day,
                due: None,
                hints,
            };
            let part = format!("{}/{}", ItemKind::RemittedTax.word(), payment.id);
            self.fact("item", &part, FactContent::Item(item));
        }

        let customer = self.customer(order, mapping);
        let reference = payment.provider_id.as_deref().unwrap_or(&payment.id);
        let (direction, method_line) = if inbound {
            (Direction::Inbound, &gateway.inbound_line)
        } else {
            (Direction::Outbound, &gateway.outbound_line)
        };
        let content = Content::Payment(PaymentContent {
            company: mapping.company.clone(),
            customer: customer.reference.clone(),
            direction,
            journal: gateway.journal.clone(),
            method_line: method_line.clone(),
            date: day,
            amount: ours,
            memo: format!("{} {reference}", order.number),
        });
        let states = Some((kind, key));
        self.command("payment", &payment.id, mapping, content, customer.after(), states);
        for tie in self.ties(order, payment, sorted)? {
            let content = Content::Reconciliation(ReconciliationContent {
                company: mapping.company.clone(),
                payment: CommandKind::Payment,
                document: if inbound { CommandKind::Invoice } else { CommandKind::CreditNote },
                amount: tie.amount,
                extent: tie.extent,
            });
            let after = vec![needs("payment", "payment", &payment.id), tie.document];
            self.command("reconciliation", &tie.part, mapping, content, after, None);
        }
        Ok(Ok(()))
    }

    /// What is ours moves in the books. What the marketplace remits moves with it at the provider
    /// and is in no general ledger: a memo, which the provider's row of withheld tax takes back.
    fn tender_entries(
        &mut self,
        order: &Order,
        payment: &Payment,
        gateway: &Gateway,
        day: Date,
        (ours, theirs): (Money, Money),
    ) -> Result<(), DeriveError> {
        let role = match gateway.tender.unwrap_or(payment.tender) {
            Tender::GiftCard => Role::GiftCardLiability,
            Tender::StoreCredit => Role::StoreCreditLiability,
            Tender::Card | Tender::BankTransfer | Tender::Cash | Tender::Other => Role::Clearing,
        };
        let own = gateway.provider.as_deref().unwrap_or(&payment.gateway);
        let qualifier = (role == Role::Clearing).then_some(own);
        let (kind, tax_kind, sign) = if is_capture(payment) {
            ("capture", "marketplace_tax", 1)
        } else {
            ("refund_paid", "marketplace_tax_back", -1)
        };
        let memo = format!("{kind} {} {}", order.number, payment.gateway);
        let mut entry = EntryBuilder::new(day, Booker::Odoo, order.currency, memo);
        let amount = ours.checked_mul(sign)?;
        entry.debit(role, qualifier, amount).credit(Role::Receivable, None, amount)?;
        if let Some(entry) = entry.build()? {
            self.fact(kind, &payment.id, FactContent::Entry(entry));
        }
        let memo = format!("{} {}", tax_kind.replace('_', " "), order.number);
        let mut entry = EntryBuilder::new(day, Booker::Memo, order.currency, memo);
        let amount = theirs.checked_mul(sign)?;
        entry.debit(role, qualifier, amount).credit(Role::MarketplaceTaxCollected, None, amount)?;
        if let Some(entry) = entry.build()? {
            self.fact(tax_kind, &payment.id, FactContent::Entry(entry));
        }
        Ok(())
    }

    /// What a payment pays. Money given back pays its credit note. Captures fill the invoices in
    /// the order of both; one that is larger than what is left of its invoice is tied to all of
    /// them, as far as they are open. A capture that came when all was paid is tied to nothing.
    fn ties(
        &self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
    ) -> Result<Vec<Tie>, DeriveError> {
        let amount = payment.amount.checked_sub(remitted_in(order, payment, sorted)?)?;
        if !is_capture(payment) {
            let note = refund_of(payment, &sorted.refunds).map(|refund| Tie {
                part: payment.id.clone(),
                document: needs("document", "credit_note", &refund.id),
                amount,
                extent: Extent::Whole,
            });
            return Ok(note.into_iter().collect());
        }
        let Some((first, left)) = self.filled_by(order, payment, sorted)? else {
            return Ok(Vec::new());
        };
        if amount <= left {
            return Ok(vec![Tie {
                part: payment.id.clone(),
                document: needs("document", "invoice", &first.to_string()),
                amount,
                extent: Extent::Whole,
            }]);
        }
        let tie = |(number, billed): (&u32, &Money)| Tie {
            part: if *number == first {
                payment.id.clone()
            } else {
                format!("{}/{number}", payment.id)
            },
            document: needs("document", "invoice", &number.to_string()),
            amount: amount.min(*billed),
            extent: Extent::WhatIsOpen,
        };
        Ok(self.invoiced.iter().map(tie).collect())
    }

    /// The ties that a credit note waits for.
    pub(super) fn settled_by(
        &self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
    ) -> Result<Vec<After>, DeriveError> {
        let ties = self.ties(order, payment, sorted)?.into_iter();
        Ok(ties
            .map(|tie| needs(&format!("settled/{}", tie.part), "reconciliation", &tie.part))
            .collect())
    }

    /// The first invoice that a capture fills, and what was open on it before.
    fn filled_by(
        &self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
    ) -> Result<Option<(u32, Money)>, DeriveError> {
        if !is_billed(order, sorted)? {
            return Ok(None);
        }
        let mut open = self.invoiced.clone();
        for refund in sorted.refunds.iter().filter(|refund| refund.transactions.is_empty()) {
            let line = refund.lines.first();
            let number = line.and_then(|line| self.around.billed.get(&line.line)).unwrap_or(&1);
            if let Some(left) = open.get_mut(number) {
                *left =
                    left.checked_sub(refund.total.checked_sub(remitted_back(order, refund)?)?)?;
            }
        }
        open.retain(|_, left| !left.is_zero() && !left.is_negative());
        for capture in sorted.payments.iter().filter(|one| is_capture(one)) {
            if capture.id == payment.id {
                return Ok(open.first_key_value().map(|(number, left)| (*number, *left)));
            }
            let mut rest = capture.amount.checked_sub(remitted_in(order, capture, sorted)?)?;
            while let Some(mut entry) = open.first_entry() {
                let taken = rest.min(*entry.get());
                rest = rest.checked_sub(taken)?;
                *entry.get_mut() = entry.get().checked_sub(taken)?;
                if !entry.get().is_zero() {
                    break;
                }
                entry.remove();
            }
        }
        Ok(None)
    }
}

/// The part of a payment that is tax which the marketplace remits: the running share of what was
/// taken of the order, or of what was given back of the refund, so that a later payment changes
/// no earlier one.
fn remitted_in(
    order: &Order,
    payment: &Payment,
    sorted: &Documents<'_>,
) -> Result<Money, DeriveError> {
    let (tax, total) = if is_capture(payment) {
        (remitted(order)?, order.total)
    } else {
        match refund_of(payment, &sorted.refunds) {
            Some(refund) => (remitted_back(order, refund)?, refund.total),
            None => return Ok(Money::zero(order.currency)),
        }
    };
    if tax.is_zero() {
        return Ok(tax);
    }
    let refund = |one: &Payment| refund_of(one, &sorted.refunds).map(|refund| &refund.id);
    let alike = sorted.payments.iter().copied().filter(|one| {
        moved(one) == moved(payment) && (is_capture(one) || refund(one) == refund(payment))
    });
    let before = alike.take_while(|one| one.id != payment.id).map(|one| one.amount);
    let before = Money::sum(order.currency, before)?.min(total);
    let after = before.checked_add(payment.amount)?.min(total);
    let weights =
        [before.minor(), after.checked_sub(before)?.minor(), total.checked_sub(after)?.minor()];
    Ok(tax.split(&weights).get(1).copied().unwrap_or_else(|| Money::zero(order.currency)))
}

/// The refund document that a refund payment pays: the named one, else the only one.
fn refund_of<'a>(payment: &Payment, refunds: &[&'a Refund]) -> Option<&'a Refund> {
    let named = |refund: &&&Refund| {
        payment.refund.as_deref() == Some(refund.id.as_str())
            || refund.transactions.contains(&payment.id)
    };
    let found = refunds.iter().find(named).copied();
    found.or(if let [only] = refunds { Some(*only) } else { None })
}

/// The words that channel, books and provider can all form for one tender.
pub(super) fn tender_key(connection: &str, payment: &Payment, gateway: Option<&Gateway>) -> String {
    let word = if payment.kind == PaymentKind::Refund { "refund_paid" } else { "capture" };
    let provider = gateway.and_then(|gateway| gateway.provider.as_deref());
    let tender = gateway.and_then(|gateway| gateway.tender).unwrap_or(payment.tender);
    match (provider, &payment.provider_id) {
        (Some(provider), Some(id)) => format!("{word}/{provider}/{id}"),
        (Some(provider), None) => {
            format!("{word}/{provider}/unnamed/{connection}/{}", payment.id)
        }
        (None, _) if tender == Tender::BankTransfer => {
            format!("{word}_transfer/{connection}/{}", payment.id)
        }
        (None, _) => format!("{word}_tender/{connection}/{}", payment.id),
    }
}
