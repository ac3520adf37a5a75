//! Connections that deliver nothing until a person releases them. They are polled and read as
//! before; a connection whose every call is stopped is *suspended* ([`crate::streams::suspend`]).

use jiff::Timestamp;

use crate::database::Tx;
use crate::{Result, values};

/// Holds the deliveries of a connection. One that is held already keeps its first reason.
pub fn hold(tx: &mut Tx<'_>, connection: &str, reason: &str, now: Timestamp) -> Result<()> {
    tx.write(
        "INSERT INTO holds (connection, reason, since) VALUES ($1, $2, $3)
         ON CONFLICT (connection) DO NOTHING",
        values![connection, reason, now.as_microsecond()],
    )?;
    Ok(())
}

/// Returns whether the connection was held.
pub fn release(tx: &mut Tx<'_>, connection: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM holds WHERE connection = $1", values![connection])? > 0)
}

/// Why the deliveries of a connection are held, if they are.
pub fn held(tx: &mut Tx<'_>, connection: &str) -> Result<Option<String>> {
    let row =
        tx.query_one("SELECT reason FROM holds WHERE connection = $1", values![connection])?;
    row.map(|row| row.text(0)).transpose()
}
