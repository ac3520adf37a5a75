//! Records read back from the books: the books' side of each document and payment.

use std::collections::BTreeMap;

use super::summary::{StatedByRows, tax_keys};
use super::{Break, DeriveError, Derived, Surroundings};
use crate::document::{BooksRecord, BooksTax};
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::money::Money;

/// What the command that made a record said it would state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States {
    /// The reconciliation key that the record states; none for an order, whose invoice states it.
    pub key: Option<(ItemKind, String)>,
    /// What was asked for, where the record has a total.
    pub asked: Option<Money>,
    /// Of an entry that sums up sales: what it holds of them.
    pub summed: Option<Summed>,
}

/// What an entry holds of the sales that it sums up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summed {
    /// As asked for, and as it must be stored.
    pub taxes: Vec<BooksTax>,
    pub rows: Vec<StatedByRows>,
}

/// The break of a record of ours that is not there any more.
pub const GONE: &str = "gone_from_books";

/// The suffix of a key stated by a command that takes an older one back.
pub const BACK: &str = "#back";

pub fn derive(
    record: &BooksRecord,
    states: Option<&States>,
    around: &Surroundings<'_>,
) -> Result<Derived, DeriveError> {
    let mut derived = Derived::default();
    derived.standing.number = record.name.clone().unwrap_or_else(|| record.id.clone());
    derived.standing.state = if record.gone { "gone".to_owned() } else { record.state.clone() };
    derived.standing.day = record.date;
    derived.standing.amount = Some(record.total);

    let Some(states) = states else {
        return Ok(derived);
    };
    if record.gone {
        derived.breaks.push(Break {
            kind: GONE,
            title: format!("{} is not in the books any more", record.id),
            detail: format!("{}: we made it, and it is gone", record.id),
            remedy: "if the books were brought back from a backup, or somebody deleted it by \
                     mistake, retry it: it is made again under its own key; if it was deleted on \
                     purpose, accept it",
            amount: states.asked.map(Money::checked_neg).transpose()?,
            owner: "finance",
        });
        return Ok(derived);
    }
    let Some((states_kind, states_key)) = &states.key else {
        edited(&mut derived, record, states)?;
        return Ok(derived);
    };
    // A record that is cancelled or still a draft is not in the books: its key lacks the
    // books' side, and reconciliation names that. An edited one shows its own amount there.
    let counts = matches!(record.state.as_str(), "posted" | "paid" | "in_process");
    if !counts {
        return Ok(derived);
    }
    let (key, sign) = match states_key.strip_suffix(BACK) {
        Some(key) => (key.to_owned(), -1),
        None => (states_key.clone(), 1),
    };
    let date = record.date.unwrap_or_else(|| around.day(timestamp_of(record)));
    let mut item = |kind: ItemKind, key: String, amount: Money| -> Result<(), DeriveError> {
        let item = Item {
            side: Side::Books,
            kind,
            key,
            amount: amount.checked_mul(sign)?,
            date,
            due: None,
            hints: vec![record.id.clone()],
        };
        let part = match (&states.summed, *states_kind == kind) {
            (Some(_), false) => format!("{}/{}", kind.word(), item.key),
            _ => kind.word().to_owned(),
        };
        derived.facts.push(Fact::new("item", part, FactContent::Item(item)));
        Ok(())
    };
    item(*states_kind, key.clone(), record.total)?;
    if let Some(summed) = &states.summed {
        let taxes = own_taxes(record);
        for tax in &taxes {
            let (of_tax, of_base) = tax_keys(&key, &tax.tax);
            // The books' signs are those of the entry itself, also of one that takes another back.
            item(ItemKind::EntryTax, of_tax, tax.amount.checked_mul(sign)?)?;
            item(ItemKind::EntryTax, of_base, tax.base.checked_mul(sign)?)?;
        }
        // An entry that is not stored as it was asked for proves nothing of any order in it.
        if states.asked == Some(record.total) && taxes == summed.taxes {
            for ((kind, key), amount) in by_key(&summed.rows)? {
                item(kind, key, amount)?;
            }
        }
        return Ok(derived);
    }
    if *states_kind == ItemKind::Document {
        item(ItemKind::DocumentTax, format!("tax/{key}"), record.tax)?;
    }
    Ok(derived)
}

/// What rows state under each key. What came back counts against what went.
fn by_key(rows: &[StatedByRows]) -> Result<BTreeMap<(ItemKind, String), Money>, DeriveError> {
    let mut sums: BTreeMap<(ItemKind, String), Money> = BTreeMap::new();
    let mut add = |kind: ItemKind, key: String, amount: Money| -> Result<(), DeriveError> {
        let sum = sums.entry((kind, key)).or_insert_with(|| Money::zero(amount.currency()));
        *sum = sum.checked_add(amount)?;
        Ok(())
    };
    for one in rows {
        match one.key.strip_suffix(BACK) {
            Some(key) => add(one.kind, key.to_owned(), one.amount.checked_neg()?)?,
            None => add(one.kind, one.key.clone(), one.amount)?,
        }
        if one.kind == ItemKind::Document {
            add(ItemKind::DocumentTax, format!("tax/{}", one.key), one.tax)?;
        }
    }
    sums.retain(|_, amount| !amount.is_zero());
    Ok(sums)
}

/// The taxes of a record that are not nothing, in the order of their names.
fn own_taxes(record: &BooksRecord) -> Vec<BooksTax> {
    let mut taxes = record.taxes.clone();
    taxes.retain(|tax| !tax.amount.is_zero() || !tax.base.is_zero());
    taxes.sort_by(|one, other| one.tax.cmp(&other.tax));
    taxes
}

/// An order of the books bears no key of its own; that somebody changed it is said here.
fn edited(derived: &mut Derived, record: &BooksRecord, states: &States) -> Result<(), DeriveError> {
    let Some(asked) = states.asked.filter(|asked| asked.currency() == record.total.currency())
    else {
        return Ok(());
    };
    if record.total == asked || record.state == "cancel" {
        return Ok(());
    }
    derived.breaks.push(Break {
        kind: "edited_in_books",
        title: format!("Somebody changed {} in the books", derived.standing.number),
        detail: format!(
            "{}: posted {asked}, now {}{}",
            record.id,
            record.total,
            record.changed_by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default()
        ),
        remedy: "restore the posted amount in the books, or correct the order at the channel",
        amount: Some(record.total.checked_sub(asked)?),
        owner: "finance",
    });
    Ok(())
}

fn timestamp_of(record: &BooksRecord) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(record.version.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
