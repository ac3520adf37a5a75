//! What reconciliation judges: a scope is everything that carries one key.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trueup_domain::key;
use trueup_domain::planted::planted;

use crate::database::{Row, Tx};
use crate::{Result, many, shard_of, values};

/// Marks a key due to be judged.
pub fn raise(tx: &mut Tx<'_>, scope: &str, entity: &str, currency: &str) -> Result<()> {
    tx.write(
        "INSERT INTO scopes (key, word, shard, arrived, judged, entity, status, amount, difference,
             currency, day, detail, attempts)
         VALUES ($1, $5, $2, 1, 0, $3, 'open', 0, 0, $4, '', '', 0)
         ON CONFLICT (key) DO UPDATE SET arrived = scopes.arrived + 1",
        values![
            scope,
            shard_of(scope),
            entity,
            currency,
            scope.split('/').next().unwrap_or_default()
        ],
    )?;
    Ok(())
}

/// Raises what a transaction will raise bit by bit, first and in the order of the keys, and so holds
/// it, as [`hold_roots`](crate::documents::hold_roots) holds roots. By key: entity and currency.
pub fn hold(tx: &mut Tx<'_>, keys: &BTreeMap<String, (String, String)>) -> Result<()> {
    for (key, (entity, currency)) in keys {
        raise(tx, key, entity, currency)?;
    }
    Ok(())
}

/// Holds keys that are there, in the same order.
pub fn hold_due(tx: &mut Tx<'_>, due: &[DueScope]) -> Result<()> {
    let sql = format!("SELECT key FROM scopes WHERE key = $1{}", tx.for_update());
    for key in due.iter().map(|scope| &scope.key).collect::<BTreeSet<_>>() {
        tx.query(&sql, values![key])?;
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueScope {
    pub key: String,
    pub arrived: i64,
    /// Judgements that were begun before this one and not finished.
    pub attempts: i64,
    /// The status it has so far.
    pub status: String,
}

/// Takes up to `limit` keys of the shards `from..to`; attempts are counted before the work, and one
/// that was taken before is taken alone.
pub fn take_due(tx: &mut Tx<'_>, from: i64, to: i64, limit: i64) -> Result<Vec<DueScope>> {
    let rows = tx.query(
        "SELECT key, arrived, attempts, status FROM scopes
         WHERE judged < arrived AND shard >= $1 AND shard < $2 ORDER BY shard, key LIMIT $3",
        values![from, to, limit],
    )?;
    let mut due = rows
        .iter()
        .map(|row| {
            Ok(DueScope {
                key: row.text(0)?,
                arrived: row.int(1)?,
                attempts: row.int(2)?,
                status: row.text(3)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    crate::take_alone(&mut due, |scope| scope.attempts);
    // In the order in which all hold them.
    due.sort_by(|one, other| one.key.cmp(&other.key));
    for scope in &due {
        tx.write("UPDATE scopes SET attempts = attempts + 1 WHERE key = $1", values![&scope.key])?;
    }
    Ok(due)
}

/// Whether any key is due to be judged.
pub fn any_due(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<bool> {
    let found = tx.query_one(
        "SELECT key FROM scopes WHERE judged < arrived AND shard >= $1 AND shard < $2 LIMIT 1",
        values![from, to],
    )?;
    Ok(found.is_some())
}

/// Sets aside a key that cannot be judged: it counts as broken until it is raised again, and no day
/// raises it.
pub fn set_aside(tx: &mut Tx<'_>, scope: &DueScope, word: &str, detail: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE scopes SET judged = $2, attempts = 0, status = 'broken', break = $3, detail = $4,
             due = NULL
         WHERE key = $1 AND judged < $2",
        values![&scope.key, scope.arrived, word, detail],
    )?;
    Ok(changed == 1)
}

/// Judges a key again at a person's word.
pub fn retry(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE scopes SET arrived = arrived + 1, attempts = 0 WHERE key = $1",
        values![key],
    )?;
    Ok(changed == 1)
}

/// Makes scopes due again whose time has come: what was *not due* may be overdue today.
///
/// So is what counts as overdue and is not: a clock that ran ahead judged it (C7). Of what is
/// broken only the overdue has a day, so that everything else stays at rest.
pub fn raise_overdue(tx: &mut Tx<'_>, today: &str) -> Result<u64> {
    let early = tx.execute(
        "UPDATE scopes SET arrived = arrived + 1
         WHERE status = 'broken' AND due >= $1 AND judged = arrived",
        values![today],
    )?;
    let late = tx.execute(
        "UPDATE scopes SET arrived = arrived + 1
         WHERE status = 'not_due' AND due < $1 AND judged = arrived",
        values![today],
    )?;
    Ok(early + late)
}

/// Makes payouts and transfers due again that no bank line has been claimed for.
pub fn raise_unbanked(tx: &mut Tx<'_>) -> Result<u64> {
    if planted("nobody_looks_for_a_bank_line_again") {
        return Ok(0);
    }
    tx.execute(
        "UPDATE scopes SET arrived = arrived + 1
         WHERE status IN ('not_due', 'broken') AND judged = arrived
             AND (key LIKE 'bank/%' OR key LIKE 'capture_transfer/%'
                 OR key LIKE 'refund_paid_transfer/%')",
        values![],
    )
}

/// What was found about a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub status: String,
    pub break_kind: Option<String>,
    pub amount: i64,
    pub difference: i64,
    pub currency: String,
    pub entity: String,
    pub day: String,
    pub due: Option<String>,
    pub detail: String,
}

/// Saves a verdict up to what the judgement had read; `false` when the scope was judged by
/// somebody else meanwhile.
pub fn judge(tx: &mut Tx<'_>, scope: &DueScope, verdict: &Verdict) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE scopes SET judged = $2, status = $3, break = $4, amount = $5, difference = $6,
             currency = $7, entity = $8, day = $9, due = $10, detail = $11, attempts = 0
         WHERE key = $1 AND judged < $2",
        values![
            &scope.key,
            scope.arrived,
            &verdict.status,
            verdict.break_kind.clone(),
            verdict.amount,
            verdict.difference,
            &verdict.currency,
            &verdict.entity,
            &verdict.day,
            verdict.due.clone(),
            &verdict.detail
        ],
    )?;
    Ok(changed == 1)
}

#[derive(Clone, Debug)]
pub struct Scope {
    pub key: String,
    pub verdict: Verdict,
}

const SCOPES: &str = "SELECT key, status, break, amount, difference, currency, entity, day, due,
     detail FROM scopes";

fn scope(row: &Row) -> Result<Scope> {
    Ok(Scope {
        key: row.text(0)?,
        verdict: Verdict {
            status: row.text(1)?,
            break_kind: row.opt_text(2)?,
            amount: row.int(3)?,
            difference: row.int(4)?,
            currency: row.text(5)?,
            entity: row.text(6)?,
            day: row.text(7)?,
            due: row.opt_text(8)?,
            detail: row.text(9)?,
        },
    })
}

pub fn find(tx: &mut Tx<'_>, key: &str) -> Result<Option<Scope>> {
    let row = tx.query_one(&format!("{SCOPES} WHERE key = $1"), values![key])?;
    row.as_ref().map(scope).transpose()
}

/// The status of each of these keys that is known.
pub fn statuses(tx: &mut Tx<'_>, keys: &[String]) -> Result<Vec<(String, String)>> {
    let rows = many::query(tx, "SELECT key, status FROM scopes WHERE key IN ({})", keys)?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// The keys that begin so and are not proven, or due to be judged again.
pub fn unproven(tx: &mut Tx<'_>, start: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT key FROM scopes WHERE status IN ('open', 'not_due', 'broken') AND key LIKE $1
         UNION SELECT key FROM scopes WHERE judged < arrived AND key LIKE $1 ORDER BY key",
        values![format!("{start}%")],
    )?;
    let keys: Vec<String> = rows.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
    // LIKE takes an underscore for any letter.
    Ok(keys.into_iter().filter(|key| key.starts_with(start)).collect())
}

/// The keys of one first word that stand alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike {
    pub entity: String,
    pub currency: String,
    pub word: String,
    pub status: String,
    pub count: i64,
    /// Minor units of what the side that knows best states.
    pub amount: i64,
    pub difference: i64,
}

/// The keys whose day is one of `from..=to` (ISO dates).
pub fn alike(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<Alike>> {
    let rows = tx.query(
        "SELECT entity, currency, word, status, COUNT(*), CAST(SUM(amount) AS BIGINT),
             CAST(SUM(difference) AS BIGINT)
         FROM scopes WHERE day >= $1 AND day <= $2
         GROUP BY entity, currency, word, status ORDER BY entity, currency, word, status",
        values![from, to],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Alike {
                entity: row.text(0)?,
                currency: row.text(1)?,
                word: row.text(2)?,
                status: row.text(3)?,
                count: row.int(4)?,
                amount: row.int(5)?,
                difference: row.int(6)?,
            })
        })
        .collect()
}

pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Scope>> {
    let rows = tx.query(&format!("{SCOPES} ORDER BY key"), values![])?;
    rows.iter().map(scope).collect()
}

pub fn broken(tx: &mut Tx<'_>) -> Result<Vec<Scope>> {
    let rows = tx.query(&format!("{SCOPES} WHERE status = 'broken' ORDER BY key"), values![])?;
    rows.iter().map(scope).collect()
}

/// Claims items for one match. A claim on an item that a live match holds is refused by the
/// database.
pub fn record_match(
    tx: &mut Tx<'_>,
    scope: &str,
    rule: &str,
    items: &[String],
    now: Timestamp,
) -> Result<String> {
    let mut parts = vec![scope, rule];
    parts.extend(items.iter().map(String::as_str));
    let id = key::id(&parts);
    tx.write(
        "INSERT INTO matches (id, key, rule, made_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET dissolved_at = NULL, made_at = excluded.made_at",
        values![&id, scope, rule, now.as_microsecond()],
    )?;
    for item in items {
        tx.write(
            "INSERT INTO match_items (match, item, live) VALUES ($1, $2, 1)
             ON CONFLICT (match, item) DO UPDATE SET live = 1",
            values![&id, item],
        )?;
    }
    Ok(id)
}

pub fn dissolve(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<()> {
    tx.write("UPDATE match_items SET live = 0 WHERE match = $1", values![id])?;
    tx.write(
        "UPDATE matches SET dissolved_at = $2 WHERE id = $1",
        values![id, now.as_microsecond()],
    )?;
    Ok(())
}

/// Dissolves the live match of an item whose generation changed, and raises the match's scope.
pub(crate) fn dissolve_of_item(tx: &mut Tx<'_>, item: &str) -> Result<()> {
    let rows = tx.query(
        "SELECT m.id, m.key FROM matches m JOIN match_items i ON i.match = m.id
         WHERE i.item = $1 AND i.live = 1",
        values![item],
    )?;
    for row in &rows {
        tx.write("UPDATE match_items SET live = 0 WHERE match = $1", values![row.text(0)?])?;
        tx.write("UPDATE scopes SET arrived = arrived + 1 WHERE key = $1", values![row.text(1)?])?;
    }
    Ok(())
}

/// The key that a match was made under.
pub fn key_of_match(tx: &mut Tx<'_>, id: &str) -> Result<Option<String>> {
    let row = tx.query_one("SELECT key FROM matches WHERE id = $1", values![id])?;
    row.map(|row| row.text(0)).transpose()
}

/// The items of the live matches of a scope: match id, rule, item id.
pub fn matches_of(tx: &mut Tx<'_>, scope: &str) -> Result<Vec<(String, String, String)>> {
    let rows = tx.query(
        "SELECT m.id, m.rule, i.item FROM matches m JOIN match_items i ON i.match = m.id
         WHERE m.key = $1 AND i.live = 1 ORDER BY m.id, i.item",
        values![scope],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?))).collect()
}
