//! What of a connection stands still because a right is missing: a lane of commands, or a stream. The
//! rest of the connection goes on.

use jiff::Timestamp;

use crate::database::Tx;
use crate::waits::{self, Wait};
use crate::{Result, values};

/// Pauses a lane or stream; it is tried again when the wait is over.
pub fn put(tx: &mut Tx<'_>, connection: &str, what: &str, lacks: &str, wait: Wait) -> Result<()> {
    tx.write(
        "INSERT INTO pauses (connection, what, lacks, until, wait_from) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (connection, what) DO UPDATE SET lacks = excluded.lacks,
             until = excluded.until, wait_from = excluded.wait_from",
        values![connection, what, lacks, wait.until.as_microsecond(), wait.from.as_microsecond()],
    )?;
    Ok(())
}

/// What of a connection may not be tried now. A wait that a clock which ran ahead began is none (C7).
pub fn active(tx: &mut Tx<'_>, connection: &str, now: Timestamp) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT what, wait_from FROM pauses WHERE connection = $1 AND until > $2 ORDER BY what",
        values![connection, now.as_microsecond()],
    )?;
    let mut active = Vec::new();
    for row in &rows {
        if !waits::is_from_the_future(row.int(1)?, now) {
            active.push(row.text(0)?);
        }
    }
    Ok(active)
}

/// Ends a pause. Returns what was lacking, if there was one.
pub fn end(tx: &mut Tx<'_>, connection: &str, what: &str) -> Result<Option<String>> {
    let row = tx.query_one(
        "SELECT lacks FROM pauses WHERE connection = $1 AND what = $2",
        values![connection, what],
    )?;
    let Some(row) = row else { return Ok(None) };
    tx.write("DELETE FROM pauses WHERE connection = $1 AND what = $2", values![connection, what])?;
    row.text(0).map(Some)
}

/// What stands still for want of something.
pub fn for_want_of(tx: &mut Tx<'_>, connection: &str, lacks: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT what FROM pauses WHERE connection = $1 AND lacks = $2 ORDER BY what",
        values![connection, lacks],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Has everything tried again that stands still for want of something. Returns whether anything does.
pub fn try_now(tx: &mut Tx<'_>, connection: &str, lacks: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE pauses SET until = 0 WHERE connection = $1 AND lacks = $2",
        values![connection, lacks],
    )?;
    Ok(changed > 0)
}
