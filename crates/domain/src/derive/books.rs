//! Records read back from the books: the books' side of each document and payment.

use super::{Break, DeriveError, Derived, Surroundings};
use crate::document::BooksRecord;
use crate::fact::{Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::money::Money;

/// What the command that made a record said it would state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States {
    pub kind: ItemKind,
    pub key: String,
    /// What was asked for.
    pub total: Money,
}

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
    let counts = !record.gone && matches!(record.state.as_str(), "posted" | "paid" | "in_process");
    if record.gone || record.state == "cancel" {
        derived.breaks.push(Break {
            kind: "target_drift",
            title: format!("{} is gone from the books", derived.standing.number),
            detail: format!(
                "{} was posted by us for {} and is {} now",
                record.id,
                states.key,
                if record.gone { "deleted" } else { "cancelled" }
            ),
            remedy: "ask who removed it; post it again with approval, or accept and write off",
            amount: Some(states.total),
            owner: "finance",
        });
    } else if record.total != states.total && states.kind != ItemKind::Document {
        // An order's own difference shows on its key; a payment's does too, but names no record.
        derived.breaks.push(Break {
            kind: "edited_in_books",
            title: format!("{} holds another amount than was posted", derived.standing.number),
            detail: format!("posted {}, now {} ({})", states.total, record.total, record.id),
            remedy: "compare the two in the books and restore the posted amount, or correct it",
            amount: record.total.checked_sub(states.total).ok(),
            owner: "finance",
        });
    }
    if !counts {
        return Ok(derived);
    }
    let (key, sign) = match states.key.strip_suffix(BACK) {
        Some(key) => (key.to_owned(), -1),
        None => (states.key.clone(), 1),
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
        derived.facts.push(Fact::new("item", kind.word(), FactContent::Item(item)));
        Ok(())
    };
    item(states.kind, key.clone(), record.total)?;
    if states.kind == ItemKind::Document {
        item(ItemKind::DocumentTax, format!("tax/{key}"), record.tax)?;
    }
    Ok(derived)
}

fn timestamp_of(record: &BooksRecord) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(record.version.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
