//! Rows that are units: what left a location of the books in a day, and what came back to it.

use trueup_domain::derive::transfer::{GOODS, MovedRow, Part};
use trueup_domain::fact::{FactContent, FactKey, Units};

use super::ROWS;
use crate::database::{Row, StoreError, Tx};
use crate::facts::Place;
use crate::{Result, values};

/// Notes units that are moved within the transfer of their day and location.
pub(crate) fn note_units(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    units: &Units,
    reversal: bool,
) -> Result<()> {
    let connection = place.root.split('/').next().unwrap_or_default();
    tx.execute(
        "INSERT INTO summary_rows (root, kind, part, generation, reversal, connection, day,
             what, written_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        values![
            place.root,
            &key.kind,
            &key.part,
            generation,
            reversal,
            connection,
            units.day.to_string(),
            format!("{GOODS}{}", units.location),
            place.now.as_microsecond()
        ],
    )?;
    Ok(())
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
    let rows = tx.query(
        &format!(
            "{ROWS} WHERE s.summary = $1 AND s.entry IS NOT NULL
             ORDER BY s.entry, s.root, s.kind, s.part, s.generation, s.reversal"
        ),
        values![summary],
    )?;
    let mut parts: Vec<Part> = Vec::new();
    for row in &rows {
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
    let rows = tx.query(
        &format!(
            "{ROWS} WHERE s.summary = $1 AND s.entry = $2
             ORDER BY s.root, s.kind, s.part, s.generation, s.reversal"
        ),
        values![summary, number],
    )?;
    rows.iter().map(unit_row).collect()
}
