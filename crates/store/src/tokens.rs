//! Tokens that live for a while, one for each connection.

use jiff::Timestamp;

use crate::database::Tx;
use crate::{Result, StoreError, values};

#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    pub token: String,
    pub until: Timestamp,
}

pub fn find(tx: &mut Tx<'_>, connection: &str) -> Result<Option<Stored>> {
    let sql = "SELECT token, until FROM tokens WHERE connection = $1";
    let Some(row) = tx.query_one(sql, values![connection])? else { return Ok(None) };
    let until = Timestamp::from_microsecond(row.int(1)?).map_err(StoreError::corrupt)?;
    Ok(Some(Stored { token: row.text(0)?, until }))
}

pub fn put(tx: &mut Tx<'_>, connection: &str, stored: &Stored) -> Result<()> {
    tx.write(
        "INSERT INTO tokens (connection, token, until) VALUES ($1, $2, $3)
         ON CONFLICT (connection) DO UPDATE SET token = excluded.token, until = excluded.until",
        values![connection, &stored.token, stored.until.as_microsecond()],
    )?;
    Ok(())
}
