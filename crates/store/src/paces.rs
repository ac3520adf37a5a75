//! How many commands may go out together in lanes whose target was too slow for whole batches. A
//! lane without a row is well.

use crate::database::Tx;
use crate::{Result, values};

pub fn of(tx: &mut Tx<'_>, connection: &str, lane: &str) -> Result<Option<i64>> {
    let row = tx.query_one(
        "SELECT most FROM paces WHERE connection = $1 AND lane = $2",
        values![connection, lane],
    )?;
    row.map(|row| row.int(0)).transpose()
}

/// Connection, lane and how many, of all lanes that are not well.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<(String, String, i64)>> {
    let sql = "SELECT connection, lane, most FROM paces ORDER BY connection, lane";
    let rows = tx.query(sql, values![])?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.int(2)?))).collect()
}

/// Keeps how many may go out together; `None` where the lane is well.
pub fn put(tx: &mut Tx<'_>, connection: &str, lane: &str, most: Option<i64>) -> Result<()> {
    let Some(most) = most else {
        let sql = "DELETE FROM paces WHERE connection = $1 AND lane = $2";
        tx.write(sql, values![connection, lane])?;
        return Ok(());
    };
    tx.write(
        "INSERT INTO paces (connection, lane, most) VALUES ($1, $2, $3)
         ON CONFLICT (connection, lane) DO UPDATE SET most = excluded.most",
        values![connection, lane, most],
    )?;
    Ok(())
}
