//! Money given back that came back itself: a refund that failed after it had succeeded (P11).
//!
//! What went stays booked, and the way back is a fact of its own, dated by the failure: the payment
//! is taken back, the credit note is open again, and money that goes back later pays it.

use super::summed::Road;
use super::tenders::{Leg, refund_of, remitted_in};
use super::{Documents, Sale, moved, needs};
use crate::command::{CommandKind, Content, Extent, ReconciliationContent};
use crate::derive::books::BACK;
use crate::derive::{Break, DeriveError};
use crate::document::{Order, Payment, PaymentKind, PaymentStatus, Refund, RefundFailure};
use crate::item::ItemKind;
use crate::mapping::{Gateway, Mapping};
use crate::money::{Money, MoneyError};

/// The part under which a refund's way back is asked for and tied.
pub(super) fn way_back(payment: &str) -> String {
    format!("{payment}/failed")
}

impl Documents<'_> {
    /// Which way a payment moved money. A refund whose money came back had moved it, whatever its
    /// channel says of it since.
    pub(super) fn moved(&self, payment: &Payment) -> Option<ItemKind> {
        let failed = payment.kind == PaymentKind::Refund && self.failure(payment).is_some();
        if failed { Some(ItemKind::RefundPaid) } else { moved(payment) }
    }

    pub(super) fn failure(&self, payment: &Payment) -> Option<&RefundFailure> {
        self.failures.get(payment.id.as_str()).copied().filter(|it| !it.amount.is_zero())
    }

    /// What a payment of kind `refund` gave back for good.
    pub(super) fn given_back(&self, payment: &Payment) -> Result<Money, MoneyError> {
        let zero = Money::zero(payment.amount.currency());
        if self.moved(payment) != Some(ItemKind::RefundPaid) {
            return Ok(zero);
        }
        payment.amount.checked_sub(self.failure(payment).map_or(zero, |failure| failure.amount))
    }

    pub(super) fn refunded(&self, order: &Order) -> Result<Money, MoneyError> {
        let mut sum = Money::zero(order.currency);
        for payment in &self.payments {
            sum = sum.checked_add(self.given_back(payment)?)?;
        }
        Ok(sum)
    }

    /// What was given back for good of one refund.
    fn refunded_of(&self, order: &Order, refund: &Refund) -> Result<Money, MoneyError> {
        let mut sum = Money::zero(order.currency);
        for payment in &self.payments {
            if refund_of(payment, &self.refunds).is_some_and(|own| own.id == refund.id) {
                sum = sum.checked_add(self.given_back(payment)?)?;
            }
        }
        Ok(sum)
    }

    /// Whether a refund failed and what it was for went back in another way.
    pub(super) fn is_paid_again(
        &self,
        order: &Order,
        payment: &Payment,
    ) -> Result<bool, MoneyError> {
        let refund = refund_of(payment, &self.refunds).filter(|_| self.failure(payment).is_some());
        let Some(refund) = refund else { return Ok(false) };
        Ok(self.refunded_of(order, refund)? >= refund.total)
    }
}

impl Sale<'_> {
    /// Where the channel itself says that the money of an agreed refund did not go, a person must
    /// send it. Where only the provider says so, the key of the refund is broken.
    pub(super) fn failed_refunds(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
    ) -> Result<(), DeriveError> {
        for refund in &sorted.refunds {
            let failed = sorted.payments.iter().find(|payment| {
                payment.kind == PaymentKind::Refund
                    && payment.status == PaymentStatus::Failed
                    && refund_of(payment, &sorted.refunds).is_some_and(|own| own.id == refund.id)
            });
            let Some(failed) = failed else { continue };
            let lacking = refund.total.checked_sub(sorted.refunded_of(order, refund)?)?;
            if lacking.is_zero() || lacking.is_negative() {
                continue;
            }
            self.derived.breaks.push(Break {
                kind: "refund_failed",
                title: format!("A refund of {} did not reach the buyer", order.number),
                detail: format!(
                    "the transaction {} failed; {lacking} of the refund {} has not gone",
                    failed.id, refund.id
                ),
                remedy: "refund it again at the channel; if you pay the buyer another way, pay the \
                         open credit note in the books and accept this case as done",
                amount: Some(lacking.checked_neg()?),
                owner: "finance",
            });
        }
        Ok(())
    }

    /// The way back of a payment that failed: the opposite payment, tied to it in the place of the
    /// credit note.
    pub(super) fn came_back(
        &mut self,
        order: &Order,
        (payment, failure): (&Payment, &RefundFailure),
        gateway: &Gateway,
        sorted: &Documents<'_>,
        mapping: &Mapping,
    ) -> Result<(), DeriveError> {
        let part = way_back(&payment.id);
        let theirs = remitted_in(order, payment, sorted)?;
        let rest = payment.amount.checked_sub(failure.amount)?;
        let theirs = theirs.split(&[failure.amount.minor(), rest.minor()]);
        let theirs = theirs.first().copied().unwrap_or_else(|| Money::zero(order.currency));
        let ours = failure.amount.checked_sub(theirs)?;
        let leg = Leg {
            entries: ("refund_failed", "marketplace_tax_again"),
            part: &payment.id,
            command: part.clone(),
            inbound: true,
            day: failure.failed_on,
            ours,
            theirs,
            key: failure.key.clone(),
            kind: ItemKind::RefundPaid,
            suffix: BACK,
            after: vec![needs("payment", "payment", &payment.id)],
        };
        self.leg(order, payment, gateway, mapping, leg)?;
        if self.road != Road::Documents {
            return Ok(());
        }
        let mut after =
            vec![needs("payment", "payment", &part), needs("document", "payment", &payment.id)];
        for tie in self.ties(order, payment, sorted)? {
            after.push(needs(&format!("settled/{}", tie.part), "reconciliation", &tie.part));
        }
        let content = Content::Reconciliation(ReconciliationContent {
            company: mapping.company.clone(),
            payment: CommandKind::Payment,
            document: CommandKind::Payment,
            amount: ours,
            extent: Extent::Instead,
        });
        self.command("reconciliation", &part, mapping, content, after, None);
        Ok(())
    }
}
