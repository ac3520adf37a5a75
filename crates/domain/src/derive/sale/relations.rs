//! What the parts of a sale say about each other. A contradiction is a break; the documents stay true
//! and booked.

use std::collections::BTreeMap;

use super::{Documents, Sale, captured};
use crate::derive::{Break, DeriveError, Waiting};
use crate::document::{Order, Payment, PaymentKind, PaymentStanding, PaymentStatus, Refund};
use crate::money::{Money, MoneyError};

impl Sale<'_> {
    pub(super) fn relations(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
    ) -> Result<(), DeriveError> {
        let captured = captured(order, &sorted.payments)?;
        let refunded = sorted.refunded(order)?;
        // Where the channel says that it was paid, a capture is only late.
        let over_refunded = refunded > captured && !(captured.is_zero() && says_paid(order));
        let named = if over_refunded {
            self.over_refund(order, captured, refunded)?
        } else {
            Money::zero(order.currency)
        };
        self.refund_differs(order, sorted, named)?;
        if sorted.is_called_off(order) {
            self.not_given_back(order, captured, sorted)?;
        } else {
            self.overpaid(order, captured)?;
        }
        self.over_returned(order, sorted);
        self.failed_refunds(order, sorted)?;
        if let Some(missing) = sorted.money_missing(order)? {
            self.derived.waiting = Some(Waiting::Payments { missing });
            self.derived.reads.push(("order".to_owned(), order.id.clone()));
        }
        Ok(())
    }

    /// The amount of the case.
    fn over_refund(
        &mut self,
        order: &Order,
        captured: Money,
        refunded: Money,
    ) -> Result<Money, DeriveError> {
        let over = refunded.checked_sub(captured)?;
        self.derived.breaks.push(Break {
            kind: "over_refund",
            title: format!("More was refunded on {} than was captured", order.number),
            detail: format!("captured {captured}, refunded {refunded}"),
            remedy: "ask who refunded it; claim the difference back or accept it",
            amount: Some(over),
            owner: "finance",
        });
        Ok(over)
    }

    /// More money went back for a refund than was agreed, beside what `over_refund` has `named`. Less
    /// is no break: the rest may be late, or go in a further part.
    fn refund_differs(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
        named: Money,
    ) -> Result<(), DeriveError> {
        let mut beyond = Money::zero(order.currency);
        let mut told = Vec::new();
        for refund in &sorted.refunds {
            let paid = sorted.paid_of(order, refund)?;
            let more = paid.checked_sub(refund.total)?;
            if more <= Money::zero(order.currency) || sorted.may_be_sent_again(refund, more)? {
                continue;
            }
            beyond = beyond.checked_add(more)?;
            told.push(format!("refund {}: agreed {}, paid {paid}", refund.id, refund.total));
        }
        let beyond = beyond.checked_sub(named)?;
        if beyond > Money::zero(order.currency) {
            self.derived.breaks.push(Break {
                kind: "refund_differs",
                title: format!("More went back on {} than was agreed", order.number),
                detail: told.join("; "),
                remedy: "ask who paid it; agree the difference as a refund at the channel, claim \
                         it back, or accept it",
                amount: Some(beyond),
                owner: "finance",
            });
        }
        Ok(())
    }

    /// An order was cancelled or deleted, and money of it stays with us of which nobody agreed that
    /// it goes back or is kept.
    fn not_given_back(
        &mut self,
        order: &Order,
        captured: Money,
        sorted: &Documents<'_>,
    ) -> Result<(), DeriveError> {
        let mut decided = Money::zero(order.currency);
        for refund in &sorted.refunds {
            let fees = refund.adjustments.iter().map(|one| one.amount);
            let fees = Money::sum(order.currency, fees.filter(|amount| amount.is_negative()))?;
            let agreed = refund.total.checked_sub(fees)?;
            decided = decided.checked_add(agreed.max(sorted.paid_of(order, refund)?))?;
        }
        for payment in &sorted.payments {
            if sorted.refunds.iter().any(|refund| names(payment, refund)) {
                continue;
            }
            let pending =
                (payment.kind, payment.status) == (PaymentKind::Refund, PaymentStatus::Pending);
            let back = if pending { payment.amount } else { sorted.given_back(payment)? };
            decided = decided.checked_add(back)?;
        }
        let kept = captured.checked_sub(decided)?;
        if kept > Money::zero(order.currency) {
            let number = &order.number;
            let what = if sorted.deleted { "deleted" } else { "cancelled" };
            self.derived.breaks.push(Break {
                kind: "not_given_back",
                title: format!("{number} was {what}, and its money is still here"),
                detail: format!("captured {captured}, refunded or agreed to be {decided}"),
                remedy: "refund it at the channel, or accept it if it is to stay",
                amount: Some(kept),
                owner: "operator",
            });
        }
        Ok(())
    }

    fn overpaid(&mut self, order: &Order, captured: Money) -> Result<(), DeriveError> {
        let returned = Money::sum(order.currency, self.excess.values().copied())?;
        let kept = captured.checked_sub(returned)?;
        if kept > order.total {
            self.derived.breaks.push(Break {
                kind: "overpaid",
                title: format!("More was captured on {} than was sold", order.number),
                detail: format!("sold for {}, captured {kept}", order.total),
                remedy: "refund the excess at the channel, or accept it",
                amount: Some(kept.checked_sub(order.total)?),
                owner: "operator",
            });
        }
        Ok(())
    }

    fn over_returned(&mut self, order: &Order, sorted: &Documents<'_>) {
        let sold: BTreeMap<&str, i64> =
            order.lines.iter().map(|line| (line.id.as_str(), line.quantity)).collect();
        let mut back: BTreeMap<&str, i64> = BTreeMap::new();
        for line in sorted.refunds.iter().flat_map(|refund| &refund.lines) {
            *back.entry(line.line.as_str()).or_default() += line.quantity;
        }
        for (line, quantity) in back {
            if quantity > sold.get(line).copied().unwrap_or(0) {
                self.derived.breaks.push(Break {
                    kind: "over_returned",
                    title: format!("More units of {} came back than were sold", order.number),
                    detail: format!("line {line}: {quantity} back"),
                    remedy: "look at the refunds of this order at the channel",
                    amount: None,
                    owner: "operator",
                });
            }
        }
    }
}

impl Documents<'_> {
    /// What an order says was paid and of which no capture was told.
    pub(super) fn money_missing(&self, order: &Order) -> Result<Option<Money>, MoneyError> {
        let mut removed = unpaid_removals(order, &self.refunds)?;
        for refund in self.refunds.iter().filter(|refund| !refund.transactions.is_empty()) {
            removed = removed.checked_add(self.exchanged(order, refund)?)?;
        }
        let owed = order.total.checked_sub(removed)?;
        let captured = captured(order, &self.payments)?;
        let missing = owed.checked_sub(captured)?;
        Ok((says_paid(order) && captured < owed).then_some(missing))
    }

    /// Whether money goes back for a refund, or goods go out for it, also where none has yet.
    pub(super) fn is_paid_back(&self, order: &Order, refund: &Refund) -> Result<bool, MoneyError> {
        let named = !refund.transactions.is_empty() || !refund.exchanged_for.is_empty();
        Ok(named || !self.paid_of(order, refund)?.is_zero())
    }

    /// What went back for good by the payments that name a refund. One that names none may be of a
    /// refund that has not come in.
    pub(super) fn paid_of(&self, order: &Order, refund: &Refund) -> Result<Money, MoneyError> {
        let mut sum = Money::zero(order.currency);
        for payment in self.payments.iter().filter(|payment| names(payment, refund)) {
            sum = sum.checked_add(self.given_back(payment)?)?;
        }
        Ok(sum)
    }

    /// Whether what a refund got beyond its total is just one of its payments: the first may have
    /// failed and been made again, and its failure not yet been told.
    fn may_be_sent_again(&self, refund: &Refund, more: Money) -> Result<bool, MoneyError> {
        for payment in self.payments.iter().filter(|payment| names(payment, refund)) {
            if self.given_back(payment)? == more {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn names(payment: &Payment, refund: &Refund) -> bool {
    payment.refund.as_deref() == Some(refund.id.as_str())
        || refund.transactions.contains(&payment.id)
}

/// What edits took off before it was paid: refunds that move no money.
fn unpaid_removals(order: &Order, refunds: &[&Refund]) -> Result<Money, MoneyError> {
    let removals = refunds.iter().filter(|refund| refund.transactions.is_empty());
    Money::sum(order.currency, removals.map(|refund| refund.total))
}

const fn says_paid(order: &Order) -> bool {
    matches!(
        order.payment_standing,
        PaymentStanding::Paid | PaymentStanding::PartiallyRefunded | PaymentStanding::Refunded
    )
}
