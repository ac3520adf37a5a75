//! Connections whose other side does not answer. A connection without a row is well.

use crate::database::Tx;
use crate::{Result, values};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Conversations that failed in a row.
    pub failures: i64,
    /// When the first of them failed, microseconds since the epoch.
    pub since: i64,
    /// No call goes out before, microseconds since the epoch.
    pub until: i64,
    /// When that was said, microseconds since the epoch.
    pub wait_from: i64,
    /// So many commands at most go out together after that.
    pub batch: i64,
    /// Why the last one failed.
    pub code: String,
    pub error: String,
}

pub fn of(tx: &mut Tx<'_>, connection: &str) -> Result<Option<Breaker>> {
    let row = tx.query_one(
        "SELECT failures, since, until, batch, code, error, wait_from FROM breakers
         WHERE connection = $1",
        values![connection],
    )?;
    row.map(|row| {
        Ok(Breaker {
            failures: row.int(0)?,
            since: row.int(1)?,
            until: row.int(2)?,
            batch: row.int(3)?,
            code: row.text(4)?,
            error: row.text(5)?,
            wait_from: row.int(6)?,
        })
    })
    .transpose()
}

/// Writes how a connection stands; `None` where it is well.
pub fn put(tx: &mut Tx<'_>, connection: &str, breaker: Option<&Breaker>) -> Result<()> {
    let Some(breaker) = breaker else {
        tx.write("DELETE FROM breakers WHERE connection = $1", values![connection])?;
        return Ok(());
    };
    tx.write(
        "INSERT INTO breakers (connection, failures, since, until, batch, code, error, wait_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (connection) DO UPDATE SET failures = excluded.failures,
             since = excluded.since, until = excluded.until, batch = excluded.batch,
             code = excluded.code, error = excluded.error, wait_from = excluded.wait_from",
        values![
            connection,
            breaker.failures,
            breaker.since,
            breaker.until,
            breaker.batch,
            &breaker.code,
            &breaker.error,
            breaker.wait_from
        ],
    )?;
    Ok(())
}
