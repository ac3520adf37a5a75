//! Where polling stands, what must be read, and which connections are paused.

use jiff::Timestamp;
use trueup_domain::planted::planted;

use crate::database::{Row, Tx};
use crate::waits::Wait;
use crate::{Result, values};

#[derive(Clone, Debug)]
pub struct Stream {
    pub connection: String,
    pub stream: String,
    pub cursor: Option<String>,
    pub next_at: i64,
    pub polled_at: Option<i64>,
    pub complete_to: Option<i64>,
    pub failures: i64,
    pub error_code: Option<String>,
    pub error: Option<String>,
}

const STREAMS: &str = "SELECT connection, stream, cursor, next_at, polled_at, complete_to,
     failures, error_code, error FROM streams";

fn stream(row: &Row) -> Result<Stream> {
    Ok(Stream {
        connection: row.text(0)?,
        stream: row.text(1)?,
        cursor: row.opt_text(2)?,
        next_at: row.int(3)?,
        polled_at: row.opt_int(4)?,
        complete_to: row.opt_int(5)?,
        failures: row.int(6)?,
        error_code: row.opt_text(7)?,
        error: row.opt_text(8)?,
    })
}

/// Makes a stream known; it is due at once.
pub fn declare(tx: &mut Tx<'_>, connection: &str, name: &str) -> Result<()> {
    tx.write(
        "INSERT INTO streams (connection, stream, next_at, failures) VALUES ($1, $2, 0, 0)
         ON CONFLICT (connection, stream) DO NOTHING",
        values![connection, name],
    )?;
    Ok(())
}

pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Stream>> {
    let rows = tx.query(&format!("{STREAMS} ORDER BY connection, stream"), values![])?;
    rows.iter().map(stream).collect()
}

/// The streams of a connection that are due, the one that waits longest first.
pub fn due(tx: &mut Tx<'_>, connection: &str, now: Timestamp) -> Result<Vec<Stream>> {
    let rows = tx.query(
        &format!("{STREAMS} WHERE connection = $1 AND next_at <= $2 ORDER BY next_at, stream"),
        values![connection, now.as_microsecond()],
    )?;
    rows.iter().map(stream).collect()
}

/// Saves where a stream stands, in the transaction that stored its records.
pub fn polled(
    tx: &mut Tx<'_>,
    connection: &str,
    name: &str,
    cursor: Option<&str>,
    asked_at: Timestamp,
    wait: Wait,
) -> Result<()> {
    tx.write(
        "UPDATE streams SET cursor = COALESCE($3, cursor), polled_at = $4, complete_to = $4,
             next_at = $5, wait_from = $6, failures = 0, error_code = NULL, error = NULL
         WHERE connection = $1 AND stream = $2",
        values![
            connection,
            name,
            cursor,
            asked_at.as_microsecond(),
            wait.until.as_microsecond(),
            wait.from.as_microsecond()
        ],
    )?;
    Ok(())
}

/// How often in a row a stream could not be polled.
pub fn failures(tx: &mut Tx<'_>, connection: &str, name: &str) -> Result<i64> {
    let row = tx.query_one(
        "SELECT failures FROM streams WHERE connection = $1 AND stream = $2",
        values![connection, name],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

pub fn failed(
    tx: &mut Tx<'_>,
    connection: &str,
    name: &str,
    code: &str,
    error: &str,
    wait: Wait,
) -> Result<()> {
    tx.write(
        "UPDATE streams SET failures = failures + 1, error_code = $3, error = $4, next_at = $5,
             wait_from = $6
         WHERE connection = $1 AND stream = $2",
        values![
            connection,
            name,
            code,
            error,
            wait.until.as_microsecond(),
            wait.from.as_microsecond()
        ],
    )?;
    Ok(())
}

/// Leaves a stream alone for a while, of which nothing is said but that its turn has not come.
pub fn put_off(tx: &mut Tx<'_>, connection: &str, name: &str, wait: Wait) -> Result<()> {
    tx.write(
        "UPDATE streams SET next_at = $3, wait_from = $4 WHERE connection = $1 AND stream = $2",
        values![connection, name, wait.until.as_microsecond(), wait.from.as_microsecond()],
    )?;
    Ok(())
}

/// Makes every stream of a connection due now.
pub fn poll_now(tx: &mut Tx<'_>, connection: &str) -> Result<()> {
    tx.write("UPDATE streams SET next_at = 0 WHERE connection = $1", values![connection])?;
    Ok(())
}

/// Asks for an object to be read at once; asking twice is asking once.
pub fn ask(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: &str,
    external_id: &str,
    now: Timestamp,
) -> Result<()> {
    if planted("a_hint_is_forgotten") {
        return Ok(());
    }
    tx.write(
        "INSERT INTO reads (connection, kind, external_id, due_at, wait_from, attempts)
         VALUES ($1, $2, $3, $4, $4, 0) ON CONFLICT (connection, kind, external_id) DO NOTHING",
        values![connection, kind, external_id, now.as_microsecond()],
    )?;
    Ok(())
}

pub fn asked(
    tx: &mut Tx<'_>,
    connection: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(String, String, i64)>> {
    let rows = tx.query(
        "SELECT kind, external_id, attempts FROM reads WHERE connection = $1 AND due_at <= $2
         ORDER BY due_at, kind, external_id LIMIT $3",
        values![connection, now.as_microsecond(), limit],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.int(2)?))).collect()
}

pub fn answered(tx: &mut Tx<'_>, connection: &str, kind: &str, external_id: &str) -> Result<()> {
    tx.write(
        "DELETE FROM reads WHERE connection = $1 AND kind = $2 AND external_id = $3",
        values![connection, kind, external_id],
    )?;
    Ok(())
}

pub fn ask_later(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: &str,
    external_id: &str,
    attempts: i64,
    wait: Wait,
) -> Result<()> {
    tx.write(
        "UPDATE reads SET attempts = $6, due_at = $4, wait_from = $5
         WHERE connection = $1 AND kind = $2 AND external_id = $3",
        values![
            connection,
            kind,
            external_id,
            wait.until.as_microsecond(),
            wait.from.as_microsecond(),
            attempts
        ],
    )?;
    Ok(())
}

/// Stops all outgoing calls of a connection until a person acts.
pub fn suspend(tx: &mut Tx<'_>, connection: &str, reason: &str, now: Timestamp) -> Result<()> {
    if planted("a_refused_key_is_tried_again") {
        return Ok(());
    }
    tx.write(
        "INSERT INTO connections (name, state, reason, since) VALUES ($1, 'suspended', $2, $3)
         ON CONFLICT (name) DO UPDATE SET state = 'suspended', reason = excluded.reason,
             since = excluded.since",
        values![connection, reason, now.as_microsecond()],
    )?;
    Ok(())
}

pub fn resume(tx: &mut Tx<'_>, connection: &str) -> Result<()> {
    tx.write("DELETE FROM connections WHERE name = $1", values![connection])?;
    Ok(())
}

/// Why a connection is suspended, if it is.
pub fn suspended(tx: &mut Tx<'_>, connection: &str) -> Result<Option<String>> {
    let row = tx.query_one(
        "SELECT reason FROM connections WHERE name = $1 AND state = 'suspended'",
        values![connection],
    )?;
    row.map(|row| Ok(row.opt_text(0)?.unwrap_or_default())).transpose()
}
