//! Commands whose records are not there any more, and how they are made again.
//!
//! A target that was brought back from a backup lacks a block of what was made before: every record
//! from a moment on, and what has no record of its own (customers, ties) beside them. So what is
//! taken up again is not a record but all that was done from the last record before it that is there
//! to the first one after it. Each goes out under its own key: what is there is found, and stays.

use std::collections::BTreeSet;

use super::{COMMANDS, Shown, lacks, release_each, release_overlooked, shown, ties};
use crate::database::Tx;
use crate::{Result, many, values};

/// A command `c` that made a record of its own. A cancellation names the order's.
const MADE: &str = "c.state = 'applied' AND c.record IS NOT NULL AND c.kind <> 'cancellation'";

/// That the record of a command `c` is not there any more: the target says so, or has given its id to
/// another one since. Ids begin again where a database is set back.
const IS_GONE: &str = "(EXISTS (SELECT 1 FROM documents d WHERE d.connection = c.target
         AND d.kind = 'books_record' AND d.external_id = c.record AND d.word = 'gone')
     OR EXISTS (SELECT 1 FROM commands l WHERE l.target = c.target AND l.record = c.record
         AND l.key <> c.key AND l.state = 'applied' AND l.kind <> 'cancellation'
         AND l.done_at > c.done_at))";

/// What was done so long before the block is taken up with it: a reply that was lost and found is
/// kept later than it was made.
const MARGIN_US: i64 = 10 * 60 * 1_000_000;

/// That nobody said of the record of a command `c` that it is gone.
const NOT_TOLD: &str = "NOT EXISTS (SELECT 1 FROM documents d WHERE d.connection = c.target
     AND d.kind = 'books_record' AND d.external_id = c.record AND d.word = 'gone')";

/// The records that a target confirmed last, as far as they are not known to be gone: the company
/// whose they are, and their names.
pub fn newest_made(tx: &mut Tx<'_>, target: &str, limit: i64) -> Result<Vec<(String, String)>> {
    let rows = tx.query(
        &format!(
            "SELECT c.lane, c.record FROM commands c WHERE c.target = $1 AND {MADE} AND {NOT_TOLD}
             ORDER BY c.done_at DESC, c.key LIMIT $2"
        ),
        values![target, limit],
    )?;
    rows.iter()
        .map(|row| {
            let lane = row.text(0)?;
            let company = lane.split('/').next().unwrap_or_default().to_owned();
            Ok((company, row.text(1)?))
        })
        .collect()
}

/// Of these records, whether any is among those that the target confirmed at the same moment, last of
/// all that are not known to be gone.
pub fn is_newest(tx: &mut Tx<'_>, target: &str, records: &[String]) -> Result<bool> {
    let newest = tx.query(
        &format!(
            "SELECT c.record FROM commands c WHERE c.target = $1 AND {MADE} AND c.done_at = (
                 SELECT MAX(c.done_at) FROM commands c
                 WHERE c.target = $1 AND {MADE} AND {NOT_TOLD})"
        ),
        values![target],
    )?;
    let newest: BTreeSet<String> = newest.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
    Ok(records.iter().any(|record| newest.contains(record)))
}

/// The command that made a record which is gone.
pub fn of_record(tx: &mut Tx<'_>, target: &str, record: &str) -> Result<Option<Shown>> {
    let row = tx.query_one(
        &format!(
            "{COMMANDS} c WHERE c.target = $1 AND c.record = $2 AND {MADE} AND {IS_GONE}
             ORDER BY c.done_at LIMIT 1"
        ),
        values![target, record],
    )?;
    row.as_ref().map(shown).transpose()
}

/// The command whose record stated a key and is gone.
pub fn of_key(tx: &mut Tx<'_>, key: &str) -> Result<Option<Shown>> {
    let row = tx.query_one(
        &format!(
            "{COMMANDS} c WHERE c.states_key = $1 AND {MADE} AND {IS_GONE}
             ORDER BY c.done_at LIMIT 1"
        ),
        values![key],
    )?;
    row.as_ref().map(shown).transpose()
}

/// Whether the record that stated a key of this root is told to be gone by a case of its own.
pub fn is_told(tx: &mut Tx<'_>, root: &str, key: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT 1 FROM commands c
         JOIN documents d ON d.connection = c.target AND d.kind = 'books_record'
             AND d.external_id = c.record AND d.word = 'gone'
         JOIN cases k ON k.kind = 'gone_from_books' AND k.subject = d.root
         WHERE c.root = $1 AND c.states_key = $2 AND c.state <> 'withdrawn'
             AND k.closed_at IS NULL LIMIT 1",
        values![root, key],
    )?;
    Ok(row.is_some())
}

/// Lets a command whose record is gone be sent again, and with it all that was done between the last
/// record before it that is there and the first one after it. What needs any of it waits until it is
/// applied. A tie that was undone since stays so. Returns how many commands go out again; none where
/// the record is not gone.
pub fn make(tx: &mut Tx<'_>, gone: &Shown) -> Result<usize> {
    let Some(at) = gone.done_at else { return Ok(0) };
    let target = gone.target.as_str();
    let edge = |tx: &mut Tx<'_>, which: &str, side: &str| -> Result<Option<i64>> {
        let row = tx.query_one(
            &format!(
                "SELECT {which}(c.done_at) FROM commands c
                 WHERE c.target = $1 AND {MADE} AND c.done_at {side} $2 AND NOT {IS_GONE}"
            ),
            values![target, at],
        )?;
        row.map_or(Ok(None), |row| row.opt_int(0))
    };
    let from = edge(tx, "MAX", "<")?.map_or(i64::MIN, |at| at.saturating_sub(MARGIN_US));
    let until = edge(tx, "MIN", ">")?.unwrap_or(i64::MAX);
    let rows = tx.query(
        "SELECT key FROM commands WHERE target = $1 AND state = 'applied'
             AND done_at >= $2 AND done_at < $3 ORDER BY key",
        values![target, from, until],
    )?;
    let mut keys: BTreeSet<String> = rows.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
    keys.insert(gone.key.clone());
    // Money that was tied to it later is tied to what takes its place.
    let made: Vec<String> = keys.iter().cloned().collect();
    let ties = many::query(
        tx,
        "SELECT c.key FROM commands c JOIN command_after a ON a.command = c.key
         WHERE a.needs IN ({}) AND a.role IN ('payment', 'document')
             AND c.kind = 'reconciliation' AND c.state = 'applied'",
        &made,
    )?;
    for row in &ties {
        keys.insert(row.text(0)?);
    }
    let undone = ties::undone(tx)?;
    let keys: Vec<String> = keys.into_iter().filter(|key| !undone.contains(key)).collect();
    let again = send_again(tx, &keys)?;
    ties::before_reversals(tx, &keys)?;
    tx.write(
        &format!(
            "UPDATE commands SET state = 'waiting'
             WHERE target = $1 AND state = 'ready' AND EXISTS ({})",
            lacks("commands.key")
        ),
        values![target],
    )?;
    release_overlooked(tx)?;
    Ok(usize::try_from(again).unwrap_or(usize::MAX))
}

/// Lets commands that were applied be sent again, once all that they need is there.
fn send_again(tx: &mut Tx<'_>, keys: &[String]) -> Result<u64> {
    many::execute(
        tx,
        "UPDATE commands SET state = 'waiting', attempts = 1, next_at = 0, conversation = NULL
         WHERE state = 'applied' AND key IN ({})",
        keys,
    )
}

/// Has the customers of a command found or made again that were made before a moment, in
/// microseconds, and the command wait for them. `false`, and nothing is done, where all of them are
/// newer: something else is missing.
pub fn customers(tx: &mut Tx<'_>, command: &str, before: i64) -> Result<bool> {
    let own = "SELECT n.key, n.state, COALESCE(n.done_at, 0) FROM command_after a
         JOIN commands n ON n.key = a.needs AND n.kind = 'partner' WHERE a.command = $1";
    let mut found = tx.query(&format!("{own} ORDER BY n.key"), values![command])?;
    for address in found.clone() {
        // An address lies below its customer.
        found.extend(tx.query(&format!("{own} ORDER BY n.key"), values![address.text(0)?])?);
    }
    let mut keys = Vec::new();
    let mut under_way = false;
    for row in &found {
        match row.text(1)?.as_str() {
            "applied" if row.int(2)? < before => keys.push(row.text(0)?),
            "applied" => {}
            _ => under_way = true,
        }
    }
    if keys.is_empty() && !under_way {
        return Ok(false);
    }
    send_again(tx, &keys)?;
    tx.write(
        "UPDATE commands SET state = 'waiting', conversation = NULL
         WHERE key = $1 AND state IN ('sent', 'unknown')",
        values![command],
    )?;
    for key in &keys {
        release_each(tx, "w.key = $1", &many::each([key]))?;
    }
    // What it waits for may be done by now.
    release_each(tx, "w.key = $1", &many::each([command]))?;
    Ok(true)
}

/// The version at which a record is known to be gone, if it is.
pub fn gone_at(tx: &mut Tx<'_>, target: &str, record: &str) -> Result<Option<i64>> {
    let row = tx.query_one(
        "SELECT version FROM documents WHERE connection = $1 AND kind = 'books_record'
             AND external_id = $2 AND word = 'gone'",
        values![target, record],
    )?;
    row.map_or(Ok(None), |row| row.opt_int(0))
}

/// A command that was withdrawn while its record was to be made again has none: another record may
/// bear the id that it had.
pub(super) fn forget_record(tx: &mut Tx<'_>, target: &str, command: &str) -> Result<()> {
    let row = tx.query_one(
        "SELECT record FROM commands WHERE key = $1 AND record IS NOT NULL",
        values![command],
    )?;
    let Some(row) = row else { return Ok(()) };
    tx.write("UPDATE commands SET record = NULL, binding = NULL WHERE key = $1", values![command])?;
    replaced(tx, target, &row.text(0)?)
}

/// Has what follows from a record decided again: another one has taken its place.
pub fn replaced(tx: &mut Tx<'_>, target: &str, record: &str) -> Result<()> {
    tx.write(
        "UPDATE roots SET arrived = arrived + 1, attempts = 0 WHERE id IN (
             SELECT root FROM documents WHERE connection = $1 AND kind = 'books_record'
                 AND external_id = $2)",
        values![target, record],
    )?;
    Ok(())
}
