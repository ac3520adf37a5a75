//! Bank lines: an observation each, booked by whoever feeds the bank journal (`POSTING.md` P2).

use super::{DeriveError, Derived, Surroundings};
use crate::document::BankLine;
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Booker, EntryBuilder, Role};

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
