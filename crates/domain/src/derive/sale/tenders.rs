//! Money taken and given back: one payment of the books for each tender, and its ties to the
//! documents that it is for.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::bills::Bill;
use super::failures::way_back;
use super::refunds::remitted_back;
use super::summed::Road;
use super::{Documents, Sale, is_billed, is_capture, needs, remitted};
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
pub(super) struct Tie {
    pub(super) part: String,
    document: After,
    kind: CommandKind,
    amount: Money,
    extent: Extent,
    /// What must have been tied before.
    settled: Vec<After>,
}

/// One movement of money: what was taken, what was given back, or what came back of that.
pub(super) struct Leg<'a> {
    /// The kinds of its entries: of what is ours, and of what the marketplace remits.
    pub entries: (&'static str, &'static str),
    pub part: &'a str,
    /// The part of its commands and items.
    pub command: String,
    pub inbound: bool,
    pub day: Date,
    pub ours: Money,
    pub theirs: Money,
    pub key: String,
    pub kind: ItemKind,
    /// `#back` where it takes back what the key states.
    pub suffix: &'static str,
    pub after: Vec<After>,
}

impl Sale<'_> {
    /// A capture or refund payment that moved money: the money leg, its ties, and its way back.
    pub(super) fn payment(
        &mut self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<Result<(), Missing>, DeriveError> {
        let Some(kind) = sorted.moved(payment) else { return Ok(Ok(())) };
        let gateway = match mapping.gateway(&payment.gateway) {
            Ok(gateway) => gateway,
            Err(missing) => return Ok(Err(missing)),
        };
        let inbound = kind == ItemKind::Capture;
        let theirs = remitted_in(order, payment, sorted)?;
        let leg = Leg {
            entries: if inbound {
                ("capture", "marketplace_tax")
            } else {
                ("refund_paid", "marketplace_tax_back")
            },
            part: &payment.id,
            command: payment.id.clone(),
            inbound,
            day: self.around.day(payment.processed_at),
            ours: payment.amount.checked_sub(theirs)?,
            theirs,
            key: tender_key(self.around.connection, payment, Some(gateway)),
            kind,
            suffix: "",
            after: Vec::new(),
        };
        self.leg(order, payment, gateway, mapping, leg)?;
        let ties = match self.road {
            Road::Documents => self.ties(order, payment, sorted)?,
            Road::Summed | Road::Held => Vec::new(),
        };
        for tie in ties {
            let content = Content::Reconciliation(ReconciliationContent {
                company: mapping.company.clone(),
                payment: CommandKind::Payment,
                document: tie.kind,
                amount: tie.amount,
                extent: tie.extent,
            });
            let mut after = vec![needs("payment", "payment", &payment.id), tie.document];
            after.extend(tie.settled);
            self.command("reconciliation", &tie.part, mapping, content, after, None);
        }
        if let Some(failure) = sorted.failure(payment).filter(|_| !inbound) {
            self.came_back(order, (payment, failure), gateway, sorted, mapping)?;
        }
        Ok(Ok(()))
    }

    /// The entries of a movement, and the payment of the books.
    pub(super) fn leg(
        &mut self,
        order: &Order,
        payment: &Payment,
        gateway: &Gateway,
        mapping: &Mapping,
        leg: Leg<'_>,
    ) -> Result<(), DeriveError> {
        self.tender_entries(order, payment, gateway, &leg)?;
        if !leg.theirs.is_zero() {
            // A named line of the tender's link: the books hold the rest (P7, P14).
            let hints = vec!["tax that the marketplace remits".to_owned()];
            let item = Item {
                side: Side::Books,
                kind: ItemKind::RemittedTax,
                key: leg.key.clone(),
                amount: leg.theirs.checked_mul(if leg.suffix.is_empty() { 1 } else { -1 })?,
                date: leg.day,
                due: None,
                hints,
            };
            let part = format!("{}/{}", ItemKind::RemittedTax.word(), leg.command);
            self.fact("item", &part, FactContent::Item(item));
        }
        if self.road != Road::Documents {
            return Ok(());
        }
        let customer = self.invoiced(order, mapping);
        let reference = payment.provider_id.as_deref().unwrap_or(&payment.id);
        let (direction, method_line) = if leg.inbound {
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
            date: leg.day,
            amount: leg.ours,
            memo: format!("{} {reference}", order.number),
        });
        let states = Some((leg.kind, format!("{}{}", leg.key, leg.suffix)));
        let mut after = customer.after();
        after.extend(leg.after);
        self.command("payment", &leg.command, mapping, content, after, states);
        Ok(())
    }

    /// What is ours moves in the books. What the marketplace remits moves with it at the provider
    /// and is in no general ledger: a memo, which the provider's row of withheld tax takes back.
    fn tender_entries(
        &mut self,
        order: &Order,
        payment: &Payment,
        gateway: &Gateway,
        leg: &Leg<'_>,
    ) -> Result<(), DeriveError> {
        let role = match gateway.tender.unwrap_or(payment.tender) {
            Tender::GiftCard => Role::GiftCardLiability,
            Tender::StoreCredit => Role::StoreCreditLiability,
            Tender::Card
            | Tender::BankTransfer
            | Tender::Cash
            | Tender::Marketplace
            | Tender::Other => Role::Clearing,
        };
        let own = gateway.provider.as_deref().unwrap_or(&payment.gateway);
        let qualifier = (role == Role::Clearing).then_some(own);
        let (kind, tax_kind) = leg.entries;
        let sign = if leg.inbound { 1 } else { -1 };
        let memo = format!("{kind} {} {}", order.number, payment.gateway);
        let mut entry = EntryBuilder::new(leg.day, self.road.booker(), order.currency, memo);
        let states = format!("{}{}", leg.key, leg.suffix);
        entry.summed(self.road.summed(leg.kind, states, !leg.inbound));
        let amount = leg.ours.checked_mul(sign)?;
        entry.debit(role, qualifier, amount).credit(Role::Receivable, None, amount)?;
        if let Some(entry) = entry.build()? {
            self.fact(kind, leg.part, FactContent::Entry(entry));
        }
        let memo = format!("{} {}", tax_kind.replace('_', " "), order.number);
        let mut entry = EntryBuilder::new(leg.day, Booker::Memo, order.currency, memo);
        let amount = leg.theirs.checked_mul(sign)?;
        entry.debit(role, qualifier, amount).credit(Role::MarketplaceTaxCollected, None, amount)?;
        if let Some(entry) = entry.build()? {
            self.fact(tax_kind, leg.part, FactContent::Entry(entry));
        }
        Ok(())
    }

    /// What a payment pays. Money given back pays its credit note. Captures fill the invoices in
    /// the order of both; one that is larger than what is left of its invoice is tied to all of
    /// them, as far as they are open. A capture that came when all was paid is tied to nothing.
    pub(super) fn ties(
        &self,
        order: &Order,
        payment: &Payment,
        sorted: &Documents<'_>,
    ) -> Result<Vec<Tie>, DeriveError> {
        let amount = payment.amount.checked_sub(remitted_in(order, payment, sorted)?)?;
        if !is_capture(payment) {
            return self.ties_back(order, (payment, amount), sorted);
        }
        if self.plan.piecemeal {
            let mut ties = Vec::new();
            for bill in &self.plan.bills {
                let total = bill.total()?;
                if total.is_zero() {
                    continue;
                }
                let part = format!("{}/{}", payment.id, bill.part);
                ties.push(filling(part, bill, amount.min(total), Extent::WhatIsOpen));
            }
            return Ok(ties);
        }
        let Some((first, left)) = self.filled_by(order, payment, sorted)? else {
            return Ok(Vec::new());
        };
        let mut ties = Vec::new();
        for (index, bill) in self.plan.bills.iter().enumerate() {
            if index == first && amount <= left {
                return Ok(vec![filling(payment.id.clone(), bill, amount, Extent::Whole)]);
            }
            let part = if index == first {
                payment.id.clone()
            } else {
                format!("{}/{}", payment.id, bill.part)
            };
            ties.push(filling(part, bill, amount.min(bill.total()?), Extent::WhatIsOpen));
        }
        Ok(ties)
    }

    /// Money given back pays its credit note, after what failed before it has opened that again.
    /// Where the note seems paid already, a failure that nobody has told of yet may open it. What was
    /// captured beyond the sale goes back against the captures, as far as they are open once their
    /// invoices are paid.
    fn ties_back(
        &self,
        order: &Order,
        (payment, amount): (&Payment, Money),
        sorted: &Documents<'_>,
    ) -> Result<Vec<Tie>, DeriveError> {
        let Some(refund) = refund_of(payment, &sorted.refunds) else { return Ok(Vec::new()) };
        let excess = self.excess_of(refund);
        let credit = self.plan.credits.get(&refund.id);
        let off = credit.map_or(Money::zero(order.currency), |credit| credit.off);
        let noted = match credit {
            Some(credit) if credit.note.is_some() => credit.refund.total,
            // It pays the note once there is one.
            Some(_) | None => Money::zero(order.currency),
        };
        let piecemeal = self.plan.piecemeal;
        let mut left = noted;
        let mut settled = Vec::new();
        for before in sorted.payments.iter().take_while(|one| one.id != payment.id) {
            if refund_of(before, &sorted.refunds).is_none_or(|own| own.id != refund.id) {
                continue;
            }
            left = left.checked_sub(sorted.given_back(before)?)?;
            if sorted.moved(before).is_some() && sorted.failure(before).is_some() {
                let opened = way_back(&before.id);
                settled.push(needs(&format!("settled/{opened}"), "reconciliation", &opened));
            }
        }
        let mut ties = Vec::new();
        if !noted.is_zero() {
            ties.push(Tie {
                part: payment.id.clone(),
                document: needs("document", "credit_note", &refund.id),
                kind: CommandKind::CreditNote,
                amount,
                extent: if payment.amount <= left && !piecemeal {
                    Extent::Whole
                } else {
                    Extent::WhatIsOpen
                },
                settled: settled.clone(),
            });
        }
        // What was never invoiced goes back out of what was captured.
        let excess = excess.checked_add(off)?;
        if excess.is_zero() {
            return Ok(ties);
        }
        for capture in sorted.payments.iter().filter(|one| is_capture(one)) {
            let mut settled = settled.clone();
            if off.is_zero() {
                settled.extend(self.settled_by(order, capture, None, sorted)?);
            }
            if let Some(note) = ties.first().filter(|_| !noted.is_zero()) {
                let role = format!("settled/{}", note.part);
                settled.push(needs(&role, "reconciliation", &note.part));
            }
            ties.push(Tie {
                part: format!("{}/{}", payment.id, capture.id),
                document: needs("document", "payment", &capture.id),
                kind: CommandKind::Payment,
                amount: amount.min(excess),
                extent: Extent::WhatIsOpen,
                settled,
            });
        }
        Ok(ties)
    }

    /// The ties that a credit note waits for: all of a capture, or those to `only` one invoice.
    pub(super) fn settled_by(
        &self,
        order: &Order,
        payment: &Payment,
        only: Option<&str>,
        sorted: &Documents<'_>,
    ) -> Result<Vec<After>, DeriveError> {
        let ties = self.ties(order, payment, sorted)?.into_iter();
        let ties = ties.filter(|tie| only.is_none_or(|part| tie.document.fact.part == part));
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
    ) -> Result<Option<(usize, Money)>, DeriveError> {
        if !is_billed(order, sorted)? {
            return Ok(None);
        }
        let mut open = BTreeMap::new();
        for (index, bill) in self.plan.bills.iter().enumerate() {
            open.insert(index, bill.total()?);
        }
        for refund in &sorted.refunds {
            if !refund.exchanged_for.is_empty() {
                for (number, amount) in self.pays(order, refund, sorted)? {
                    if let Some(left) = open.get_mut(&number) {
                        *left = left.checked_sub(amount)?;
                    }
                }
                continue;
            }
            if !refund.transactions.is_empty() {
                continue;
            }
            let Some(credit) = self.plan.credits.get(&refund.id) else { continue };
            let Some((_, part)) = &credit.note else { continue };
            let place = self.plan.bills.iter().position(|bill| bill.part == *part);
            if let Some(left) = place.and_then(|place| open.get_mut(&place)) {
                let remitted = remitted_back(order, &credit.refund)?;
                *left = left.checked_sub(credit.refund.total.checked_sub(remitted)?)?;
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

/// A tie of a capture to an invoice.
fn filling(part: String, bill: &Bill, amount: Money, extent: Extent) -> Tie {
    Tie {
        part,
        document: needs("document", "invoice", &bill.part),
        kind: CommandKind::Invoice,
        amount,
        extent,
        settled: Vec::new(),
    }
}

/// The part of a payment that is tax which the marketplace remits: the running share of what was
/// taken of the order, or of what was given back of the refund, so that a later payment changes
/// no earlier one.
pub(super) fn remitted_in(
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
    let before = sorted.payments.iter().copied().take_while(|one| one.id != payment.id);
    let mut sum = Money::zero(order.currency);
    for one in before {
        if is_capture(one) && is_capture(payment) {
            sum = sum.checked_add(one.amount)?;
        } else if !is_capture(payment) && refund(one) == refund(payment) {
            sum = sum.checked_add(sorted.given_back(one)?)?;
        }
    }
    let before = sum.min(total);
    let after = before.checked_add(payment.amount)?.min(total);
    let weights =
        [before.minor(), after.checked_sub(before)?.minor(), total.checked_sub(after)?.minor()];
    Ok(tax.split(&weights).get(1).copied().unwrap_or_else(|| Money::zero(order.currency)))
}

/// The refund document that a refund payment pays: the named one, else the only one.
pub(super) fn refund_of<'a>(payment: &Payment, refunds: &[&'a Refund]) -> Option<&'a Refund> {
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
