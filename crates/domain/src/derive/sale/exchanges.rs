//! Exchanges: what came back pays what went out for it (D12). The credit note and the further invoice
//! are paired on the receivable account, so no account of their own is between them.

use std::collections::BTreeMap;

use super::bills::Bill;
use super::refunds::remitted_back;
use super::{Documents, Sale, needs};
use crate::command::{CommandKind, Content, Extent, ReconciliationContent};
use crate::derive::DeriveError;
use crate::document::{Order, Refund};
use crate::mapping::Mapping;
use crate::money::{Money, MoneyError};

impl Sale<'_> {
    /// The ties of a credit note to the invoices of what went out for it. Captures may pay an invoice
    /// first, so that each tie takes what is open.
    pub(super) fn exchange(
        &mut self,
        order: &Order,
        refund: &Refund,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<(), DeriveError> {
        for (index, amount) in self.pays(order, refund, sorted)? {
            let Some(bill) = self.plan.bills.get(index) else { continue };
            let number = bill.part.clone();
            let content = Content::Reconciliation(ReconciliationContent {
                company: mapping.company.clone(),
                payment: CommandKind::CreditNote,
                document: CommandKind::Invoice,
                amount,
                extent: Extent::WhatIsOpen,
            });
            let part = format!("exchange/{}/{number}", refund.id);
            let after = vec![
                needs("payment", "credit_note", &refund.id),
                needs("document", "invoice", &number),
            ];
            self.command("reconciliation", &part, mapping, content, after, None);
        }
        Ok(())
    }

    /// What an exchange pays of each invoice, by its place: what was agreed without the money that
    /// went back, in the order of the invoices. Nothing for a refund that is no exchange.
    pub(super) fn pays(
        &self,
        order: &Order,
        refund: &Refund,
        sorted: &Documents<'_>,
    ) -> Result<BTreeMap<usize, Money>, DeriveError> {
        let mut left = sorted.exchanged(order, refund)?;
        let went_out = |bill: &Bill| {
            let mut lines = bill.lines.iter();
            lines.any(|line| refund.exchanged_for.contains(&line.line))
        };
        let mut paid = BTreeMap::new();
        for (index, bill) in self.plan.bills.iter().enumerate() {
            if !went_out(bill) {
                continue;
            }
            let amount = left.min(bill.total()?);
            left = left.checked_sub(amount)?;
            if !amount.is_zero() {
                paid.insert(index, amount);
            }
        }
        Ok(paid)
    }
}

impl Documents<'_> {
    /// What a refund gives in goods rather than money; nothing where it is no exchange.
    pub(super) fn exchanged(&self, order: &Order, refund: &Refund) -> Result<Money, MoneyError> {
        let zero = Money::zero(order.currency);
        if refund.exchanged_for.is_empty() {
            return Ok(zero);
        }
        let ours = refund.total.checked_sub(remitted_back(order, refund)?)?;
        Ok(ours.checked_sub(self.paid_of(order, refund)?)?.max(zero))
    }
}
