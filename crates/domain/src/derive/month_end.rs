//! The end of a month: what customers paid and nobody invoiced yet is a deposit, and no receivable
//! below zero (`POSTING.md` P12, D16).
//!
//! One entry on the last day, and its opposite on the day after it: the advances themselves stay
//! where they are, because invoices are tied to them.

use jiff::civil::Date;

use super::{DeriveError, Derived, Surroundings, Waiting};
use crate::command::{AccountLine, Content, EntryContent};
use crate::document::MonthEnd;
use crate::fact::{Command, Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::money::{Currency, Money, MoneyError};

/// Business days in which an entry should be in the books once it is asked for.
const BOOKS_DUE_BUSINESS_DAYS: u32 = 1;

/// What the entries of one sale come to on the receivable up to a day; all of them positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnReceivable {
    pub invoiced: Money,
    pub credited: Money,
    pub captured: Money,
    pub paid_back: Money,
}

impl OnReceivable {
    pub const fn nothing(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { invoiced: zero, credited: zero, captured: zero, paid_back: zero }
    }

    /// Adds what the entries of a fact did to the receivable, debit positive, by the fact's kind.
    pub fn add(&mut self, kind: &str, amount: Money) -> Result<(), MoneyError> {
        let (sum, amount) = match kind {
            "sale" => (&mut self.invoiced, amount),
            "refund" => (&mut self.credited, amount.checked_neg()?),
            "refund_paid" => (&mut self.paid_back, amount),
            // What came back of a refund was not paid back.
            "refund_failed" => (&mut self.paid_back, amount),
            _ => (&mut self.captured, amount.checked_neg()?),
        };
        *sum = sum.checked_add(amount)?;
        Ok(())
    }

    /// What was taken beyond what is invoiced, without what is credited and not paid back yet: that
    /// is owed to the buyer and no advance. Never below zero.
    pub fn advance(&self) -> Result<Money, MoneyError> {
        let zero = Money::zero(self.invoiced.currency());
        let owed_back = self.credited.checked_sub(self.paid_back)?.max(zero);
        let kept = self.captured.checked_sub(self.paid_back)?.checked_add(self.credited)?;
        Ok(kept.checked_sub(self.invoiced)?.checked_sub(owed_back)?.max(zero))
    }
}

pub fn derive(stated: &MonthEnd, around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number.clone_from(&stated.id);
    derived.standing.day = Some(stated.until);
    derived.standing.state = "nothing".to_owned();
    let Some(first) = stated.advances.first() else { return Ok(derived) };
    let currency = first.amount.currency();
    let total = Money::sum(currency, stated.advances.iter().map(|one| one.amount))?;
    derived.standing.amount = Some(total);
    derived.standing.state = "deposits".to_owned();
    let Some(mapping) = around.mapping else {
        derived.waiting = Some(Waiting::NoMapping);
        return Ok(derived);
    };
    let day_after = stated.until.tomorrow().unwrap_or(stated.until);
    let sides = [("end", stated.until, total), ("back", day_after, total.checked_neg()?)];
    for (part, day, amount) in sides {
        let memo = format!("customer deposits {part} {}", stated.id);
        let mut entry = EntryBuilder::new(day, Booker::Trueup, currency, memo);
        entry.debit(Role::Receivable, None, amount).credit(Role::CustomerDeposits, None, amount)?;
        if let Some(entry) = entry.build()? {
            derived.facts.push(Fact::new("deposits", part, FactContent::Entry(entry)));
        }
    }
    let account = |role: Role| mapping.account(role, None);
    let (receivable, deposits) = match (account(Role::Receivable), account(Role::CustomerDeposits))
    {
        (Ok(receivable), Ok(deposits)) => (receivable, deposits),
        (one, other) => {
            let missing = [one.err(), other.err()].into_iter().flatten().collect();
            derived.waiting = Some(Waiting::Mapping(missing));
            return Ok(derived);
        }
    };
    for (part, day, amount) in sides {
        let name = if part == "end" { "customer deposits" } else { "customer deposits, reversed" };
        let line = |account: &str, amount: Money| AccountLine {
            account: account.to_owned(),
            name: name.to_owned(),
            amount,
            taxes: Vec::new(),
            refund: false,
        };
        let content = EntryContent {
            company: mapping.company.clone(),
            journal: mapping.entry_journal.clone(),
            date: day,
            reference: format!("{name} {} of {}", stated.id, around.connection),
            lines: vec![line(&receivable, amount), line(&deposits, amount.checked_neg()?)],
            taxes: Vec::new(),
            orders: Vec::new(),
        };
        entry_of(&mut derived, (part, day, total), content, &mapping.target, around);
    }
    Ok(derived)
}

/// One entry of the books, and what must be found there of it.
fn entry_of(
    derived: &mut Derived,
    (part, day, total): (&str, Date, Money),
    content: EntryContent,
    target: &str,
    around: &Surroundings<'_>,
) {
    let code = total.currency().code();
    let key = format!("entry/{}/{day}/{code}/deposits", around.connection);
    let item = Item {
        side: Side::Channel,
        kind: ItemKind::Entry,
        key: key.clone(),
        amount: total,
        date: day,
        due: Some(around.calendar.add_business_days(day, BOOKS_DUE_BUSINESS_DAYS)),
        hints: vec![content.reference.clone()],
    };
    derived.facts.push(Fact::new("item", part, FactContent::Item(item)));
    let command = Command {
        target: target.to_owned(),
        content: Content::Entry(content),
        after: Vec::new(),
        states: Some((ItemKind::Entry, key)),
    };
    derived.facts.push(Fact::new("entry", part, FactContent::Command(Box::new(command))));
}
