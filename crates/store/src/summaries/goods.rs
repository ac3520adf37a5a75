//! Rows that are units: what left a location of the books in a day, and what came back to it.

use trueup_domain::derive::transfer::{GOODS, MovedRow, Part};
use trueup_domain::fact::{FactContent, FactKey, Units};

use super::{NewRow, add, taken, taken_by};
use crate::Result;
use crate::database::{Row, StoreError, Tx};
use crate::facts::Place;

/// Notes units that are moved within the transfer of their day and location.
pub(crate) fn note_units(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    units: &Units,
    reversal: bool,
) -> Result<()> {
    let what = format!("{GOODS}{}", units.location);
    let row = NewRow { day: units.day, what: &what, states: None, back: false };
    add(tx, place, key, generation, reversal, row)
}

fn unit_row(row: &Row) -> Result<MovedRow> {
    let content: FactContent = serde_json::from_str(&row.text(5)?).map_err(StoreError::corrupt)?;
    let FactContent::Units(units) = content else {
        return Err(StoreError::corrupt("a row of a transfer is no units"));
    };
    Ok(MovedRow { order: row.text(3)?, number: row.text(4)?, reversal: row.int(2)? == 1, units })
}

/// The transfers of a day and location with their rows.
pub fn moved(tx: &mut Tx<'_>, summary: &str) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for row in &taken(tx, summary)? {
        let number = u32::try_from(row.int(0)?).map_err(StoreError::corrupt)?;
        match parts.last_mut().filter(|part| part.number == number) {
            Some(part) => part.rows.push(unit_row(row)?),
            None => parts.push(Part { number, rows: vec![unit_row(row)?] }),
        }
    }
    Ok(parts)
}

/// The rows of one transfer.
pub fn moved_by(tx: &mut Tx<'_>, summary: &str, number: i64) -> Result<Vec<MovedRow>> {
    taken_by(tx, summary, number)?.iter().map(unit_row).collect()
}
