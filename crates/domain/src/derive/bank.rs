//! Bank lines, and which payout or transfer they are: observations, booked by whoever feeds the bank
//! journal (`POSTING.md` P2).

use super::{Break, DeriveError, Derived, Surroundings};
use crate::document::{BankLine, BankStatement, SettlementMatch};
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};
use crate::money::Money;

pub fn derive_line(line: &BankLine, _: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number = line.text.chars().take(80).collect();
    derived.standing.state = "booked".to_owned();
    derived.standing.day = Some(line.booked_on);
    derived.standing.amount = Some(line.amount);

    let mut entry = EntryBuilder::new(
        line.booked_on,
        Booker::Other,
        line.amount.currency(),
        format!("bank line {}", line.id),
    );
    entry.debit(Role::Bank, Some(&line.account), line.amount).credit(
        Role::BankUnallocated,
        Some(&line.account),
        line.amount,
    )?;
    if let Some(entry) = entry.build()? {
        derived.facts.push(Fact::new("bank_line", "1", FactContent::Entry(entry)));
    }

    let references = &line.references;
    let hints = [
        references.end_to_end.clone(),
        references.transaction.clone(),
        references.servicer.clone(),
        line.counterparty.clone(),
        Some(line.text.clone()),
    ];
    let item = Item {
        side: Side::Bank,
        kind: ItemKind::BankLine,
        key: format!("line/{}/{}", line.account, line.id),
        amount: line.amount,
        date: line.booked_on,
        due: None,
        hints: hints.into_iter().flatten().map(|hint| hint.replace('\n', " ")).collect(),
    };
    derived.facts.push(Fact::new("item", "line", FactContent::Item(item)));
    Ok(derived)
}

/// A statement joins what came before it: it opens with a balance at which another one of its
/// account closed, or began. Of the first there is nothing to compare.
///
/// `others` are statements of the account that are no later than this one, in the order of their
/// days.
pub fn derive_statement(
    statement: &BankStatement,
    others: &[BankStatement],
) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number.clone_from(&statement.id);
    derived.standing.state = "complete".to_owned();
    derived.standing.day = statement.date;
    derived.standing.amount = statement.closing;
    let Some(opening) = statement.opening else { return Ok(derived) };
    // A week's statement beside those of its days joins where they do.
    let joins =
        others.iter().any(|other| other.closing == Some(opening) || other.opening == Some(opening));
    let before = others.iter().rev().filter(|other| other.date < statement.date);
    let before = before
        .filter_map(|other| Some((other, other.closing?)))
        .find(|(_, closing)| closing.currency() == opening.currency());
    let Some((before, closing)) = before.filter(|_| !joins) else { return Ok(derived) };
    derived.breaks.push(Break {
        kind: "statement_gap",
        title: format!("Something is missing between two statements of {}", statement.account),
        detail: format!(
            "{} closes with {closing}, and {} opens with {opening}",
            before.id, statement.id
        ),
        remedy: "ask the bank for the statement between the two; the case closes when it is in",
        amount: Some(opening.checked_sub(closing)?),
        owner: "finance",
    });
    Ok(derived)
}

/// One entry for each line, as the line has one: what was unallocated is what was in transit. A
/// line that is short leaves the rest in transit.
pub fn derive_match(stated: &SettlementMatch) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number.clone_from(&stated.id);
    derived.standing.state =
        if stated.lines.is_empty() { "dissolved" } else { "matched" }.to_owned();
    let Some(first) = stated.lines.first() else { return Ok(derived) };
    derived.standing.day = Some(first.booked_on);
    let amounts = stated.lines.iter().map(|line| line.amount);
    derived.standing.amount = Some(Money::sum(first.amount.currency(), amounts)?);
    for line in &stated.lines {
        let memo = format!("{} is {}", stated.id, line.key);
        let mut entry =
            EntryBuilder::new(line.booked_on, Booker::Other, line.amount.currency(), memo);
        entry.debit(Role::BankUnallocated, Some(&line.account), line.amount).credit(
            stated.role,
            Some(&stated.qualifier),
            line.amount,
        )?;
        if let Some(entry) = entry.build()? {
            derived.facts.push(Fact::new("match", &line.key, FactContent::Entry(entry)));
        }
    }
    Ok(derived)
}
