//! Records read back from the books: the books' side of each document and payment.

use super::{Break, DeriveError, Derived, Surroundings};
use crate::document::BooksRecord;
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
    let Some((states_kind, states_key)) = &states.key else {
        edited(&mut derived, record, states)?;
        return Ok(derived);
    };
    // A record that is gone, cancelled or still a draft is not in the books: its key lacks the
    // books' side, and reconciliation names that. An edited one shows its own amount there.
    let counts = !record.gone && matches!(record.state.as_str(), "posted" | "paid" | "in_process");
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
        derived.facts.push(Fact::new("item", kind.word(), FactContent::Item(item)));
        Ok(())
    };
    item(*states_kind, key.clone(), record.total)?;
    if *states_kind == ItemKind::Document {
        item(ItemKind::DocumentTax, format!("tax/{key}"), record.tax)?;
    }
    Ok(derived)
}

/// An order of the books bears no key of its own; that somebody changed it is said here.
fn edited(derived: &mut Derived, record: &BooksRecord, states: &States) -> Result<(), DeriveError> {
    let Some(asked) = states.asked.filter(|asked| asked.currency() == record.total.currency())
    else {
        return Ok(());
    };
    if record.total == asked || record.state == "cancel" || record.gone {
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
