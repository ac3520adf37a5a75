//! What the targets behind connections said of themselves. A connection without a row was never
//! asked.

use jiff::Timestamp;

use crate::database::Tx;
use crate::{Result, values};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What it said when all that we need of it was last looked at.
    pub found: Option<String>,
    /// When that was, microseconds since the epoch.
    pub probed_at: i64,
    /// When it was last the one that is meant, microseconds since the epoch.
    pub checked_at: i64,
    /// When it was last asked and answered, whatever it said, microseconds since the epoch.
    pub asked_at: i64,
    /// The connection is suspended because of what it said.
    pub stopped: bool,
}

pub fn of(tx: &mut Tx<'_>, connection: &str) -> Result<Option<Identity>> {
    let row = tx.query_one(
        "SELECT found, probed_at, checked_at, asked_at, stopped FROM identities
         WHERE connection = $1",
        values![connection],
    )?;
    row.map(|row| {
        Ok(Identity {
            found: row.opt_text(0)?,
            probed_at: row.int(1)?,
            checked_at: row.int(2)?,
            asked_at: row.int(3)?,
            stopped: row.int(4)? != 0,
        })
    })
    .transpose()
}

pub fn put(tx: &mut Tx<'_>, connection: &str, identity: &Identity) -> Result<()> {
    tx.write(
        "INSERT INTO identities (connection, found, probed_at, checked_at, asked_at, stopped)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (connection) DO UPDATE SET found = excluded.found,
             probed_at = excluded.probed_at, checked_at = excluded.checked_at,
             asked_at = excluded.asked_at, stopped = excluded.stopped",
        values![
            connection,
            identity.found.as_deref(),
            identity.probed_at,
            identity.checked_at,
            identity.asked_at,
            i64::from(identity.stopped)
        ],
    )?;
    Ok(())
}

/// Keeps that a target answered, and not as one that is meant; `stopped` is why the connection stands
/// still, if that is why.
pub fn failed(tx: &mut Tx<'_>, connection: &str, stopped: bool, now: Timestamp) -> Result<()> {
    let before = of(tx, connection)?.unwrap_or_default();
    let after = Identity { checked_at: 0, asked_at: now.as_microsecond(), stopped, ..before };
    put(tx, connection, &after)
}

/// Has a target asked at once, and all that we need of it looked at.
pub fn ask_now(tx: &mut Tx<'_>, connection: &str) -> Result<()> {
    tx.write(
        "UPDATE identities SET found = NULL, checked_at = 0, asked_at = 0 WHERE connection = $1",
        values![connection],
    )?;
    Ok(())
}
