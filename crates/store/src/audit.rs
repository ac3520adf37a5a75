//! What was done and by whom, in a chain that shows every later change ([`trueup_domain::audit`]).
//!
//! A row is written in the transaction of what it records. Sealing comes after that, by one process
//! at a time, so that nobody who records something waits for the end of the chain.

use jiff::Timestamp;
use serde::Serialize;
use trueup_domain::audit::{BEGINNING, Record, seal};
use trueup_domain::key;
use trueup_domain::planted::planted;

use crate::database::{Row, StoreError, Tx};
use crate::{Result, messages, values};

/// The kinds of records that rest on something else in the store.
pub const DECISION: &str = "decision";
pub const MAPPING: &str = "mapping";
pub const EFFECT: &str = "effect";

/// Something that was done.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a, Detail> {
    pub kind: &'static str,
    pub subject: &'a str,
    /// Empty for the hub itself.
    pub person: &'a str,
    pub detail: Detail,
}

/// Records what is done in this transaction.
pub fn record(tx: &mut Tx<'_>, done: &Done<'_, impl Serialize>, now: Timestamp) -> Result<()> {
    if done.kind == EFFECT && planted("an_effect_is_not_recorded") {
        return Ok(());
    }
    let detail = serde_json::to_string(&done.detail).map_err(StoreError::corrupt)?;
    let at = now.as_microsecond();
    let id = key::id(&[done.kind, done.subject, done.person, &detail, &at.to_string()]);
    tx.write(
        "INSERT INTO audit (id, at, kind, subject, person, detail) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING",
        values![&id, at, done.kind, done.subject, done.person, &detail],
    )?;
    Ok(())
}

/// The number and the seal of the newest record that is sealed.
pub fn head(tx: &mut Tx<'_>) -> Result<(i64, String)> {
    let row = tx.query_one(
        "SELECT number, seal FROM audit WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1",
        values![],
    )?;
    row.map_or_else(|| Ok((0, BEGINNING.to_owned())), |row| Ok((row.int(0)?, row.text(1)?)))
}

/// Whether anything waits to be sealed.
pub fn any_unsealed(tx: &mut Tx<'_>) -> Result<bool> {
    let sql = "SELECT 1 FROM audit WHERE number IS NULL LIMIT 1";
    Ok(tx.query_one(sql, values![])?.is_some())
}

/// Seals up to `limit` records, oldest first; returns how many.
///
/// # Errors
/// [`StoreError::Conflict`]: somebody else sealed at the same moment. Nothing is sealed here then.
pub fn seal_next(tx: &mut Tx<'_>, limit: i64) -> Result<usize> {
    let rows = tx.query(
        "SELECT id, at, kind, subject, person, detail FROM audit
         WHERE number IS NULL ORDER BY at, id LIMIT $1",
        values![limit],
    )?;
    if rows.is_empty() {
        return Ok(0);
    }
    let (mut number, mut before) = head(tx)?;
    for row in &rows {
        number += 1;
        let mut record = Record {
            number,
            at: row.int(1)?,
            kind: row.text(2)?,
            subject: row.text(3)?,
            person: row.text(4)?,
            detail: row.text(5)?,
            seal: String::new(),
        };
        record.seal = seal(&before, &record);
        let sealed = tx.execute(
            "UPDATE audit SET number = $2, seal = $3 WHERE id = $1 AND number IS NULL",
            values![row.text(0)?, number, &record.seal],
        )?;
        if sealed == 0 {
            let why = "the record was sealed at the same moment".to_owned();
            return Err(StoreError::Conflict(why));
        }
        before = record.seal;
    }
    Ok(rows.len())
}

const RECORDS: &str = "SELECT number, at, kind, subject, person, detail, seal FROM audit";

/// Sealed records after the one with this number, in their order.
pub fn sealed(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<Record>> {
    let sql = format!("{RECORDS} WHERE number > $1 ORDER BY number LIMIT $2");
    tx.query(&sql, values![after, limit])?.iter().map(in_chain).collect()
}

/// Sealed records before the one with this number, newest first.
pub fn newest(tx: &mut Tx<'_>, before: i64, limit: i64) -> Result<Vec<Record>> {
    let sql = format!("{RECORDS} WHERE number < $1 ORDER BY number DESC LIMIT $2");
    tx.query(&sql, values![before, limit])?.iter().map(in_chain).collect()
}

fn in_chain(row: &Row) -> Result<Record> {
    Ok(Record {
        number: row.int(0)?,
        at: row.int(1)?,
        kind: row.text(2)?,
        subject: row.text(3)?,
        person: row.text(4)?,
        detail: row.text(5)?,
        seal: row.text(6)?,
    })
}

/// What people and the hub did since the audit began and is not recorded, in words. Of a decision,
/// the message that it is has a name made of what it says: another text has another name.
pub fn unrecorded(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    const FEW: i64 = 20;
    let mut found = Vec::new();
    let begun = "(SELECT MIN(at) FROM audit)";
    for (what, sql) in [
        (
            DECISION,
            format!(
                "SELECT d.message FROM decisions d WHERE d.made_at >= {begun} AND NOT EXISTS
                     (SELECT 1 FROM audit a WHERE a.kind = 'decision' AND a.subject = d.message)
                 ORDER BY 1 LIMIT $1"
            ),
        ),
        (
            MAPPING,
            format!(
                "SELECT m.connection || '/' || CAST(m.version AS TEXT) FROM mappings m
                 WHERE m.approved_at >= {begun} AND NOT EXISTS
                     (SELECT 1 FROM audit a WHERE a.kind = 'mapping'
                          AND a.subject = m.connection || '/' || CAST(m.version AS TEXT))
                 ORDER BY 1 LIMIT $1"
            ),
        ),
        (
            EFFECT,
            format!(
                "SELECT c.key FROM commands c
                 WHERE c.state = 'applied' AND c.done_at >= {begun} AND NOT EXISTS
                     (SELECT 1 FROM audit a WHERE a.kind = 'effect' AND a.subject = c.key)
                 ORDER BY 1 LIMIT $1"
            ),
        ),
    ] {
        for row in tx.query(&sql, values![FEW])? {
            found.push(format!("{what} {} is not recorded", row.text(0)?));
        }
    }
    Ok(found)
}

/// The hash of what a record rests on, as it is in the store today; `None` where it is gone, or where
/// a record of this kind rests on nothing.
pub fn basis(tx: &mut Tx<'_>, kind: &str, subject: &str) -> Result<Option<String>> {
    let text = match kind {
        DECISION => {
            let message = messages::find(tx, subject)?;
            return Ok(message.map(|it| key::body_hash(&it.body)));
        }
        MAPPING => {
            let Some((connection, version)) = subject.rsplit_once('/') else { return Ok(None) };
            let version: i64 = version.parse().unwrap_or_default();
            tx.query_one(
                "SELECT body FROM mappings WHERE connection = $1 AND version = $2",
                values![connection, version],
            )?
        }
        EFFECT => tx.query_one("SELECT content FROM commands WHERE key = $1", values![subject])?,
        _ => None,
    };
    text.map(|row| Ok(key::body_hash(row.text(0)?.as_bytes()))).transpose()
}
