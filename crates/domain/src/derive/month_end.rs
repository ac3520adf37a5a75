//! The end of a month: what customers paid and nobody invoiced yet is a deposit, and no receivable
//! below zero; what is invoiced with the money and has not left is one, too, and no revenue
//! (`POSTING.md` P12, D16).
//!
//! Each is one entry on the last day, and its opposite on the day after it: advances stay where they
//! are, because invoices are tied to them, and revenue where its invoice booked it.

use std::collections::BTreeMap;

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

/// What one entry of the last day, and its opposite, move to the deposits.
struct Moved {
    /// The kind of its facts, and how its key ends.
    word: &'static str,
    /// The parts of its commands: at the end, and back.
    parts: [&'static str; 2],
    /// What people call it in the books.
    name: &'static str,
    from: Role,
    total: Money,
}

pub fn derive(stated: &MonthEnd, around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number.clone_from(&stated.id);
    derived.standing.day = Some(stated.until);
    derived.standing.state = "nothing".to_owned();
    let advances = stated.advances.iter().map(|one| one.amount);
    let deferrals = stated.deferrals.iter().map(|one| one.amount);
    let Some(first) = advances.clone().chain(deferrals.clone()).next() else { return Ok(derived) };
    let currency = first.currency();
    let all = [
        Moved {
            word: "deposits",
            parts: ["end", "back"],
            name: "customer deposits",
            from: Role::Receivable,
            total: Money::sum(currency, advances)?,
        },
        Moved {
            word: "deferrals",
            parts: ["deferred_end", "deferred_back"],
            name: "deferred revenue",
            from: Role::Sales,
            total: Money::sum(currency, deferrals)?,
        },
    ];
    let moved = || all.iter().filter(|moved| !moved.total.is_zero());
    derived.standing.amount = Some(Money::sum(currency, moved().map(|moved| moved.total))?);
    let words: Vec<&str> = moved().map(|moved| moved.word).collect();
    derived.standing.state = words.first().copied().unwrap_or("nothing").to_owned();
    let Some(mapping) = around.mapping else {
        derived.waiting = Some(Waiting::NoMapping);
        return Ok(derived);
    };
    let day_after = stated.until.tomorrow().unwrap_or(stated.until);
    for moved in moved() {
        let back = moved.total.checked_neg()?;
        for (part, day, amount) in [("end", stated.until, moved.total), ("back", day_after, back)] {
            let memo = format!("{} {part} {}", moved.name, stated.id);
            let mut entry = EntryBuilder::new(day, Booker::Trueup, currency, memo);
            entry.debit(moved.from, None, amount).credit(Role::CustomerDeposits, None, amount)?;
            if let Some(entry) = entry.build()? {
                derived.facts.push(Fact::new(moved.word, part, FactContent::Entry(entry)));
            }
        }
    }
    let (mut accounts, mut missing) = (BTreeMap::new(), Vec::new());
    for role in moved().map(|moved| moved.from).chain([Role::CustomerDeposits]) {
        match mapping.account(role, None) {
            Ok(account) => drop(accounts.insert(role, account)),
            Err(lack) => missing.push(lack),
        }
    }
    let Some(deposits) = accounts.get(&Role::CustomerDeposits).filter(|_| missing.is_empty())
    else {
        derived.waiting = Some(Waiting::Mapping(missing));
        return Ok(derived);
    };
    for moved in moved() {
        let Some(from) = accounts.get(&moved.from) else { continue };
        let [end, back] = moved.parts;
        let taken_back = moved.total.checked_neg()?;
        let sides = [
            (end, stated.until, moved.total, moved.name.to_owned()),
            (back, day_after, taken_back, format!("{}, reversed", moved.name)),
        ];
        for (part, day, amount, name) in sides {
            let line = |account: &str, amount: Money| AccountLine {
                account: account.to_owned(),
                name: name.clone(),
                amount,
                taxes: Vec::new(),
                refund: false,
            };
            let content = EntryContent {
                company: mapping.company.clone(),
                journal: mapping.entry_journal.clone(),
                date: day,
                reference: format!("{name} {} of {}", stated.id, around.connection),
                lines: vec![line(from, amount), line(deposits, amount.checked_neg()?)],
                taxes: Vec::new(),
                orders: Vec::new(),
            };
            entry_of(&mut derived, moved, (part, day), content, &mapping.target, around);
        }
    }
    Ok(derived)
}

/// One entry of the books, and what must be found there of it.
fn entry_of(
    derived: &mut Derived,
    moved: &Moved,
    (part, day): (&str, Date),
    content: EntryContent,
    target: &str,
    around: &Surroundings<'_>,
) {
    let code = moved.total.currency().code();
    let key = format!("entry/{}/{day}/{code}/{}", around.connection, moved.word);
    let item = Item {
        side: Side::Channel,
        kind: ItemKind::Entry,
        key: key.clone(),
        amount: moved.total,
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
