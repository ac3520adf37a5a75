//! Exchanges: what came back pays what went out for it (D12). The credit note and the further invoice
//! are paired on the receivable account, so no account of their own is between them.

use std::collections::{BTreeMap, BTreeSet};

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
        for (number, amount) in self.pays(order, refund, sorted)? {
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
                needs("document", "invoice", &number.to_string()),
            ];
            self.command("reconciliation", &part, mapping, content, after, None);
        }
        Ok(())
    }

    /// What an exchange pays of each invoice, by its number: what was agreed without the money that
    /// went back, in the order of the invoices. Nothing for a refund that is no exchange.
    pub(super) fn pays(
        &self,
        order: &Order,
        refund: &Refund,
        sorted: &Documents<'_>,
    ) -> Result<BTreeMap<u32, Money>, DeriveError> {
        let mut left = sorted.exchanged(order, refund)?;
        let lines = refund.exchanged_for.iter().filter_map(|line| self.ordered.get(line));
        let numbers: BTreeSet<u32> = lines.map(|ordered| ordered.number).collect();
        let mut paid = BTreeMap::new();
        for number in numbers {
            let Some(billed) = self.invoiced.get(&number) else { continue };
            let amount = left.min(*billed);
            left = left.checked_sub(amount)?;
            if !amount.is_zero() {
                paid.insert(number, amount);
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
