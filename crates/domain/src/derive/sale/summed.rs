//! Sales that go into the books within an entry of ours, and sales that are there by another hand
//! (`POSTING.md` P5). Their rows in the sub-ledger are those of any sale; what differs is who books
//! them, and that no document of the books is asked for.

use std::collections::BTreeMap;

use super::{BEFORE_START, Documents, SUMMED, SUMMED_LATE, Sale, is_billed};
use crate::command::TargetRef;
use crate::derive::billing::Billed;
use crate::derive::{Break, DeriveError};
use crate::document::{HeldAlready, Order};
use crate::fact::FactContent;
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, Summed};
use crate::money::Money;
use crate::posting::Posting;

/// How one sale gets into the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Road {
    /// By an order, invoices, credit notes and payments of its own.
    Documents,
    /// Within entries that sum up many.
    Summed,
    /// Somebody else booked it.
    Held,
}

impl Road {
    pub(super) const fn of(posting: Posting, held: Option<&HeldAlready>) -> Self {
        match (posting, held) {
            (_, Some(_)) => Self::Held,
            (Posting::Transaction, None) => Self::Documents,
            (Posting::Day | Posting::Payout, None) => Self::Summed,
        }
    }

    pub(super) const fn booker(self) -> Booker {
        match self {
            Self::Documents => Booker::Odoo,
            Self::Summed => Booker::Trueup,
            Self::Held => Booker::Other,
        }
    }

    pub(super) fn summed(self, kind: ItemKind, key: String, refund: bool) -> Option<Summed> {
        (self == Self::Summed).then_some(Summed { states: (kind, key), refund })
    }

    /// The taxes of a billed part by tax of the books: named on the rows of a sum, because its tax
    /// lines are made of them.
    pub(super) fn taxes(self, part: &Billed) -> Option<BTreeMap<TargetRef, Money>> {
        if self == Self::Summed { part.taxes.clone().ok() } else { None }
    }
}

impl Sale<'_> {
    /// What the mapping does not know whole stays out of the sums until it does.
    pub(super) fn keep_out_of_sums(&mut self) {
        self.derived.facts.retain(|fact| !matches!(fact.content, FactContent::Units(_)));
        for fact in &mut self.derived.facts {
            if let FactContent::Entry(entry) = &mut fact.content {
                entry.summed = None;
            }
        }
    }

    /// Says on the channel's items how the sale gets into the books, and states what another hand
    /// booked of it there.
    pub(super) fn hint_items(
        &mut self,
        order: &Order,
        sorted: &Documents<'_>,
    ) -> Result<(), DeriveError> {
        if self.road == Road::Documents {
            return Ok(());
        }
        for fact in &mut self.derived.facts {
            let FactContent::Item(item) = &mut fact.content else { continue };
            let hint = match (self.road, item.kind) {
                (Road::Held, ItemKind::Document | ItemKind::DocumentTax) => continue,
                (Road::Held, _) => BEFORE_START,
                _ => SUMMED,
            };
            item.hints.push(hint.to_owned());
            if hint == SUMMED && self.around.posting == Posting::Payout {
                item.hints.push(SUMMED_LATE.to_owned());
            }
        }
        let Some(held) = sorted.held.filter(|_| self.road == Road::Held) else { return Ok(()) };
        if !is_billed(order, sorted)? {
            return Ok(());
        }
        let key = format!("order/{}/{}", self.around.connection, order.id);
        let day = self.around.day(order.placed_at);
        let stated = [
            (ItemKind::Document, key.clone(), held.total),
            (ItemKind::DocumentTax, format!("tax/{key}"), held.tax),
        ];
        for (kind, key, amount) in stated {
            let item = Item {
                side: Side::Books,
                kind,
                key,
                amount,
                date: held.date.unwrap_or(day),
                due: None,
                hints: vec![held.record.clone()],
            };
            self.fact("item", &format!("held/{}", kind.word()), FactContent::Item(item));
        }
        let name = held.name.as_deref().unwrap_or(&held.record);
        self.derived.breaks.push(Break {
            kind: "held_already",
            title: format!("{} is in the books by another hand", order.number),
            detail: format!(
                "{name} of {} names it, so it is left out of the entry of {day}",
                held.total
            ),
            remedy: "see that whoever made that record books its payments and refunds too, then \
                     accept this case; if the record is of another sale, rename its reference",
            amount: Some(order.total),
            owner: "finance",
        });
        Ok(())
    }
}
