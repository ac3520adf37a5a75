//! A session of a till inside the books: what they posted for it, and its drawer (`POSTING.md` P17).

use super::{Break, DeriveError, Derived, Surroundings};
use crate::document::{TillCash, TillSession};
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::money::Money;

pub fn derive(session: &TillSession, around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number.clone_from(&session.number);
    derived.standing.day = Some(around.day(session.opened_at));
    let total = session.documents.iter().map(|one| one.total);
    derived.standing.amount = Some(Money::sum(session.currency, total)?);
    let Some(closed_at) = session.closed_at else {
        derived.standing.state = "open".to_owned();
        return Ok(derived);
    };
    derived.standing.state = "closed".to_owned();
    if session.opened_at < around.since {
        // Its tickets from before the start were never read, so its sums say nothing.
        derived.standing.state = "before_start".to_owned();
        return Ok(derived);
    }
    let day = around.day(closed_at);
    let key = format!("{}/{}", around.connection, session.id);
    let mut item = |part: String, kind: ItemKind, key: String, amount: Money, hint: &str| {
        let item = Item {
            side: Side::Books,
            kind,
            key,
            amount,
            date: day,
            due: None,
            hints: vec![hint.to_owned()],
        };
        derived.facts.push(Fact::new("item", part, FactContent::Item(item)));
    };
    for one in &session.documents {
        let part = format!("till/{}", one.record);
        item(part, ItemKind::Document, format!("till/{key}"), one.total, &one.record);
        let part = format!("till_tax/{}", one.record);
        item(part, ItemKind::DocumentTax, format!("till_tax/{key}"), one.tax, &one.record);
    }
    for (number, one) in session.tenders.iter().enumerate() {
        let part = format!("till_tender/{}/{number}", one.method);
        let key = format!("till_tender/{key}/{}", one.method);
        item(part, ItemKind::Capture, key, one.amount, &session.number);
    }
    if let Some(cash) = &session.cash {
        drawer(&mut derived, session, cash, around)?;
    }
    Ok(derived)
}

/// What was put in and taken out, and what the count found missing or too much.
fn drawer(
    derived: &mut Derived,
    session: &TillSession,
    cash: &TillCash,
    around: &Surroundings<'_>,
) -> Result<(), DeriveError> {
    let day = around.day(session.closed_at.unwrap_or(session.opened_at));
    let sold = session.tenders.iter().filter(|one| one.method == cash.method);
    let sold = Money::sum(session.currency, sold.map(|one| one.amount))?;
    let moved = cash.expected.checked_sub(cash.opening)?.checked_sub(sold)?;
    let difference = cash.counted.checked_sub(cash.expected)?;
    for (fact, role, amount) in [
        ("till_cash_moved", Role::Transfers, moved),
        ("till_cash", Role::CashDifference, difference),
    ] {
        let memo = format!("{fact} {}", session.number);
        let mut entry = EntryBuilder::new(day, Booker::Other, session.currency, memo);
        let qualifier = (role == Role::CashDifference).then_some(session.register.as_str());
        entry.debit(Role::Clearing, Some(&cash.method), amount).credit(role, qualifier, amount)?;
        if let Some(entry) = entry.build()? {
            derived.facts.push(Fact::new(fact, "1", FactContent::Entry(entry)));
        }
    }
    if !difference.is_zero() {
        let (word, size) = if difference.is_negative() {
            ("short", difference.checked_neg()?)
        } else {
            ("over", difference)
        };
        derived.breaks.push(Break {
            kind: "cash_difference",
            title: format!("The drawer of {} is {word} by {size}", session.register),
            detail: format!(
                "{}: opened with {}, expected {}, counted {}",
                session.number, cash.opening, cash.expected, cash.counted
            ),
            remedy: "count again and ask who worked at the register; the books hold the \
                     difference already, so accept it when it is explained",
            amount: Some(difference),
            owner: "finance",
        });
    }
    Ok(())
}
