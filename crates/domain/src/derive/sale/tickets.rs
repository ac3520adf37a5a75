//! A sale of a till inside the books (`POSTING.md` P17): the books post it themselves when its
//! session is closed, so all of it is observed and nothing is sent.

use super::{Documents, Sale, captured, moved};
use crate::derive::DeriveError;
use crate::document::{ChargeKind, LineKind, Order, Refund, RefundLine, Ticket};
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::money::Money;
use crate::sales::sale::Parts;

/// Business days in which a session should be closed, and the books hold it.
const SESSION_DUE_BUSINESS_DAYS: u32 = 2;

impl Sale<'_> {
    /// Entries booked by another, and what each session must hold; never a command.
    pub(super) fn by_till(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
    ) -> Result<(), DeriveError> {
        for ticket in &sorted.tickets {
            self.ticket_items(ticket);
        }
        if order.placed_at < self.around.since {
            self.derived.standing.state = "before_start".to_owned();
            return Ok(());
        }
        self.till_standing(order, sorted)?;
        if order.cancelled_at.is_some() || sorted.deleted {
            return Ok(());
        }
        self.till_sale(order)?;
        for refund in &sorted.refunds {
            self.till_refund(order, refund)?;
        }
        for payment in &sorted.payments {
            let Some(kind) = moved(payment) else { continue };
            let day = self.around.day(payment.processed_at);
            let memo = format!("{} {} {}", kind.word(), order.number, payment.id);
            let mut entry = EntryBuilder::new(day, Booker::Other, order.currency, memo);
            let taken = if kind == ItemKind::Capture {
                payment.amount
            } else {
                payment.amount.checked_neg()?
            };
            entry.debit(Role::Clearing, Some(&payment.gateway), taken);
            entry.credit(Role::Receivable, None, taken)?;
            if let Some(entry) = entry.build()? {
                self.fact(kind.word(), &payment.id, FactContent::Entry(entry));
            }
        }
        Ok(())
    }

    /// What was taken back to pay for something new on the same receipt is no payment, so that only
    /// the refunds say how much of a sale stands.
    fn till_standing(&mut self, order: &Order, sorted: &Documents<'_>) -> Result<(), DeriveError> {
        let agreed = sorted.refunds.iter().map(|refund| refund.total);
        let agreed = Money::sum(order.currency, agreed)?;
        let captured = captured(order, &sorted.payments)?;
        let state = if order.cancelled_at.is_some() || sorted.deleted {
            "cancelled"
        } else if agreed.is_zero() {
            if captured.is_zero() && !order.total.is_zero() { "placed" } else { "paid" }
        } else if agreed >= order.total {
            "refunded"
        } else {
            "partially_refunded"
        };
        self.derived.standing.state = state.to_owned();
        Ok(())
    }

    fn till_sale(&mut self, order: &Order) -> Result<(), DeriveError> {
        let day = self.around.day(order.placed_at);
        let lines = order.lines.iter().map(|line| {
            let parts = Parts::of(order, line.gross, &line.discounts, &line.taxes);
            (line.id.clone(), &line.title, role_of_line(line.kind), parts)
        });
        let charges = order.charges.iter().map(|charge| {
            let parts = Parts::of(order, charge.gross, &charge.discounts, &charge.taxes);
            let role = role_of_charge(charge.kind, charge.gross);
            (format!("charge/{}", charge.id), &charge.title, role, parts)
        });
        let parts: Vec<_> = lines.chain(charges).collect();
        for (part, title, role, parts) in parts {
            let parts = parts?;
            let (net, tax) = (parts.base()?, parts.own);
            let memo = format!("sale {} {title}", order.number);
            let mut entry = EntryBuilder::new(day, Booker::Other, order.currency, memo);
            entry.debit(Role::Receivable, None, net.checked_add(tax)?);
            entry.debit(Role::Discounts, None, parts.gross.checked_sub(net)?);
            entry.credit(role, None, parts.gross)?;
            entry.credit(Role::TaxPayable, None, tax)?;
            if let Some(entry) = entry.build()? {
                self.fact("sale", &part, FactContent::Entry(entry));
            }
        }
        Ok(())
    }

    fn till_refund(&mut self, order: &Order, refund: &Refund) -> Result<(), DeriveError> {
        let day = self.around.day(refund.created_at);
        let memo = format!("refund {} {}", order.number, refund.id);
        let mut entry = EntryBuilder::new(day, Booker::Other, order.currency, memo);
        let lines = refund.lines.iter().map(|line| {
            let role = role_of_refunded(order, line);
            (role, line.amount, line.tax)
        });
        let rest = refund.adjustments.iter().map(|one| {
            let role = one.charge.map_or(Role::Returns, |kind| role_of_charge(kind, one.amount));
            (role, one.amount, one.tax)
        });
        for (role, amount, tax) in lines.chain(rest) {
            let net = super::refunds::without(order, amount, tax)?;
            entry.debit(role, None, net);
            entry.debit(Role::TaxPayable, None, tax);
            entry.credit(Role::Receivable, None, net.checked_add(tax)?)?;
        }
        if let Some(entry) = entry.build()? {
            self.fact("refund", &refund.id, FactContent::Entry(entry));
        }
        Ok(())
    }

    /// The books state a session in sums, so what its tickets state is summed under its keys.
    fn ticket_items(&mut self, ticket: &Ticket) {
        let day = self.around.day(ticket.at.max(ticket.session_opened_at));
        if ticket.session_opened_at < self.around.since {
            return;
        }
        let due = self.around.calendar.add_business_days(day, SESSION_DUE_BUSINESS_DAYS);
        let mut item = |part: String, kind: ItemKind, key: String, amount: Money| {
            let item = Item {
                side: Side::Channel,
                kind,
                key,
                amount,
                date: day,
                due: Some(due),
                hints: vec![ticket.number.clone()],
            };
            self.derived.facts.push(Fact::new("item", part, FactContent::Item(item)));
        };
        let session = format!("{}/{}", self.around.connection, ticket.session);
        let id = &ticket.id;
        item(format!("till/{id}"), ItemKind::Document, format!("till/{session}"), ticket.total);
        let key = format!("till_tax/{session}");
        item(format!("till_tax/{id}"), ItemKind::DocumentTax, key, ticket.tax);
        for tender in &ticket.tenders {
            let key = format!("till_tender/{session}/{}", tender.method);
            let part = format!("till_tender/{id}/{}", tender.method);
            item(part, ItemKind::Capture, key, tender.amount);
        }
    }
}

const fn role_of_line(kind: LineKind) -> Role {
    match kind {
        LineKind::Goods => Role::Sales,
        LineKind::GiftCard => Role::GiftCardLiability,
        LineKind::Tip => Role::TipIncome,
    }
}

fn role_of_refunded(order: &Order, line: &RefundLine) -> Role {
    let sold = order.lines.iter().find(|sold| sold.id == line.line);
    match sold.map_or(LineKind::Goods, |sold| sold.kind) {
        LineKind::Goods => Role::Returns,
        other => role_of_line(other),
    }
}

const fn role_of_charge(kind: ChargeKind, amount: Money) -> Role {
    match kind {
        ChargeKind::Shipping => Role::ShippingIncome,
        ChargeKind::Tip => Role::TipIncome,
        ChargeKind::Duty => Role::DutyIncome,
        ChargeKind::GiftWrap => Role::GiftWrapIncome,
        ChargeKind::Fee if amount.is_negative() => Role::Discounts,
        ChargeKind::Fee => Role::FeeIncome,
        ChargeKind::CashRounding => Role::Rounding,
    }
}
