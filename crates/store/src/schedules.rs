//! Jobs that run at their time: how far each is done, and how its last run ended.

use jiff::Timestamp;

use crate::database::{Row, Tx};
use crate::messages::moment;
use crate::{Result, values};

/// How a schedule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub name: String,
    /// Every occurrence up to here is done or was passed over.
    pub done_to: Timestamp,
    /// Since when a person wants it run, and who.
    pub asked: Option<(Timestamp, String)>,
    /// When the run began that has not ended.
    pub started_at: Option<Timestamp>,
    /// Runs in a row that failed or were cut off.
    pub attempts: i64,
    /// No run begins by itself before.
    pub next_at: Option<Timestamp>,
    pub last: Option<Ended>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub at: Timestamp,
    pub done: bool,
    /// What it made, or why it failed.
    pub detail: String,
}

const SCHEDULES: &str = "SELECT name, done_to, asked_at, asked_by, started_at, attempts, next_at,
     ended_at, done, detail FROM schedules";

fn standing(row: &Row) -> Result<Standing> {
    let optional = |at: Option<i64>| at.map(moment).transpose();
    let asked = match optional(row.opt_int(2)?)? {
        Some(at) => Some((at, row.opt_text(3)?.unwrap_or_default())),
        None => None,
    };
    let last = match (optional(row.opt_int(7)?)?, row.opt_int(8)?) {
        (Some(at), Some(done)) => Some(Ended { at, done: done != 0, detail: row.text(9)? }),
        _ => None,
    };
    Ok(Standing {
        name: row.text(0)?,
        done_to: moment(row.int(1)?)?,
        asked,
        started_at: optional(row.opt_int(4)?)?,
        attempts: row.int(5)?,
        next_at: optional(row.opt_int(6)?)?,
        last,
    })
}

/// Makes a schedule known: what it would have done before is not made up for.
pub fn declare(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<()> {
    tx.write(
        "INSERT INTO schedules (name, done_to, attempts, detail) VALUES ($1, $2, 0, '')
         ON CONFLICT (name) DO NOTHING",
        values![name, now.as_microsecond()],
    )?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<Standing>> {
    let row = tx.query_one(&format!("{SCHEDULES} WHERE name = $1"), values![name])?;
    row.as_ref().map(standing).transpose()
}

pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Standing>> {
    let rows = tx.query(&format!("{SCHEDULES} ORDER BY name"), values![])?;
    rows.iter().map(standing).collect()
}

/// Occurrences up to this moment are passed over.
pub fn pass_over(tx: &mut Tx<'_>, name: &str, to: Timestamp) -> Result<()> {
    tx.write(
        "UPDATE schedules SET done_to = $2, attempts = 0, next_at = NULL WHERE name = $1",
        values![name, to.as_microsecond()],
    )?;
    Ok(())
}

/// A person wants it run once, beside its times. Returns whether there is such a schedule.
pub fn ask(tx: &mut Tx<'_>, name: &str, person: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE schedules SET asked_at = $2, asked_by = $3 WHERE name = $1",
        values![name, now.as_microsecond(), person],
    )?;
    Ok(changed == 1)
}

/// A run begins. It is counted as one that did not end, and `next_at` is when the next may begin by
/// itself, until [`end`] says otherwise: whatever cuts it off is found so.
pub fn begin(tx: &mut Tx<'_>, name: &str, now: Timestamp, next_at: Timestamp) -> Result<()> {
    tx.write(
        "UPDATE schedules SET started_at = $2, attempts = attempts + 1, next_at = $3
         WHERE name = $1",
        values![name, now.as_microsecond(), next_at.as_microsecond()],
    )?;
    Ok(())
}

/// A run ended. One that is done reaches `done_to`; one that failed stays due. What a person asked
/// for is answered either way, unless somebody asked again since it began.
pub fn end(
    tx: &mut Tx<'_>,
    name: &str,
    ended: &Ended,
    done_to: Timestamp,
    asked: Option<Timestamp>,
) -> Result<()> {
    tx.write(
        "UPDATE schedules SET started_at = NULL, ended_at = $2, done = $3, detail = $4,
             asked_by = CASE WHEN asked_at <> $5 THEN asked_by END,
             asked_at = CASE WHEN asked_at <> $5 THEN asked_at END,
             done_to = CASE WHEN $3 = 1 THEN $6 ELSE done_to END,
             attempts = CASE WHEN $3 = 1 THEN 0 ELSE attempts END,
             next_at = CASE WHEN $3 = 1 THEN NULL ELSE next_at END
         WHERE name = $1",
        values![
            name,
            ended.at.as_microsecond(),
            i64::from(ended.done),
            &ended.detail,
            asked.map_or(i64::MIN, Timestamp::as_microsecond),
            done_to.as_microsecond()
        ],
    )?;
    Ok(())
}
