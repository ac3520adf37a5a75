//! What must hold of the rows themselves, whatever happened: asked of a whole store by tests, and
//! of a copy by whoever doubts it. Each answer lists what does not hold.

use crate::database::{Row, Tx};
use crate::{Result, messages, values};

fn texts(rows: &[Row]) -> Result<Vec<String>> {
    rows.iter().map(|row| row.text(0)).collect()
}

/// Pushed deliveries: connection, delivery key, SHA-256 of the body. One row for each stored one.
pub fn pushed(tx: &mut Tx<'_>) -> Result<Vec<(String, String, String)>> {
    let rows = tx.query(
        "SELECT connection, source_id, body_hash FROM messages
         WHERE origin IN ('webhook', 'file') ORDER BY connection, source_id, body_hash",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?))).collect()
}

/// Messages that are in no state in which a message may stay.
pub fn unsettled_messages(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT connection || '/' || source_id || ' is ' || state FROM messages
         WHERE state NOT IN ('decoded', 'hinted', 'ignored', 'skipped', 'corrected') ORDER BY 1 LIMIT 20",
        values![],
    )?;
    texts(&rows)
}

/// How many messages stated nothing whole, and only named an object.
pub fn hints(tx: &mut Tx<'_>) -> Result<i64> {
    let row = tx.query_one("SELECT COUNT(*) FROM messages WHERE state = 'hinted'", values![])?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// The commands of a lane that were sent and are not answered: key, state.
pub fn states_of_lane(tx: &mut Tx<'_>, target: &str, lane: &str) -> Result<Vec<(String, String)>> {
    let rows = tx.query(
        "SELECT key, state FROM commands WHERE target = $1 AND lane = $2 ORDER BY key",
        values![target, lane],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// Items in more than one live match, and live matches of items that hold no longer.
pub fn wrong_claims(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT 'twice: ' || item FROM match_items WHERE live = 1
         GROUP BY item HAVING COUNT(*) > 1
         UNION ALL SELECT 'gone: ' || i.key || ' in ' || m.match
         FROM match_items m JOIN items i ON i.id = m.item WHERE m.live = 1 AND i.live <> 1
         UNION ALL SELECT 'dissolved: ' || m.id
         FROM matches m JOIN match_items x ON x.match = m.id
         WHERE x.live = 1 AND m.dissolved_at IS NOT NULL
         ORDER BY 1 LIMIT 20",
        values![],
    )?;
    texts(&rows)
}

/// Live matches of bank lines with a payout or transfer that they do not sum to: key, what was
/// claimed, what the bank shows, in minor units.
pub fn uneven_claims(tx: &mut Tx<'_>) -> Result<Vec<(String, i64, i64)>> {
    let rows = tx.query(
        "SELECT m.key,
             CAST(SUM(CASE WHEN i.side = 'bank' THEN 0 ELSE i.amount END) AS BIGINT),
             CAST(SUM(CASE WHEN i.side = 'bank' THEN i.amount ELSE 0 END) AS BIGINT)
         FROM matches m JOIN match_items x ON x.match = m.id AND x.live = 1
         JOIN items i ON i.id = x.item
         WHERE m.key LIKE 'bank/%' GROUP BY m.id, m.key
         HAVING SUM(CASE WHEN i.side = 'bank' THEN -i.amount ELSE i.amount END) <> 0
         ORDER BY m.key",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?, row.int(2)?))).collect()
}

/// The version of each document that has one: its name, the version.
pub fn versions(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT connection || '/' || kind || '/' || external_id, version FROM documents
         WHERE version IS NOT NULL ORDER BY 1",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Lanes with more than one conversation under way.
pub fn crowded_lanes(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT connection || ' ' || lane FROM conversations
         GROUP BY connection, lane HAVING COUNT(*) > 1 ORDER BY 1",
        values![],
    )?;
    texts(&rows)
}

/// Commands that made a record of which nothing is kept as it was read back.
pub fn without_evidence(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT c.key FROM commands c WHERE c.state = 'applied' AND c.record IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM messages m
                 WHERE m.connection = c.target AND m.source_id = 'receipt/' || c.key)
         ORDER BY c.key LIMIT 20",
        values![],
    )?;
    texts(&rows)
}

/// What the entries that the books hold of the ledgers of providers move on clearing, in minor units,
/// by entity.
pub fn clearing_of_ledgers(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT e.entity, CAST(SUM(e.amount) AS BIGINT) FROM summary_rows s
         JOIN entry_lines e ON e.root = s.root AND e.kind = s.kind AND e.part = s.part
             AND e.generation = s.generation AND e.reversal = s.reversal AND e.role = 'clearing'
         WHERE s.what LIKE 'ledger/%' AND EXISTS (SELECT 1 FROM commands c
             WHERE c.root = s.summary AND c.part = CAST(s.entry AS TEXT) AND c.state = 'applied'
                 AND c.fact_kind = 'entry')
         GROUP BY e.entity ORDER BY e.entity",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Each root with how much has arrived of it, and up to where it is decided.
pub fn roots(tx: &mut Tx<'_>) -> Result<Vec<(String, i64, i64)>> {
    let rows = tx.query("SELECT id, arrived, decided FROM roots ORDER BY id", values![])?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?, row.int(2)?))).collect()
}

/// Rows that name another entity than their root does.
pub fn strays(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT DISTINCT 'entry of ' || r.id || ' in ' || e.entity FROM entry_lines e
         JOIN roots r ON r.id = e.root WHERE r.entity IS NOT NULL AND e.entity <> r.entity
         UNION SELECT 'item of ' || r.id || ' in ' || i.entity FROM items i
         JOIN roots r ON r.id = i.root
         WHERE r.entity IS NOT NULL AND i.live = 1 AND i.entity <> r.entity
         UNION SELECT 'match of ' || m.key || ' across entities' FROM matches m
         JOIN match_items x ON x.match = m.id AND x.live = 1 JOIN items i ON i.id = x.item
         GROUP BY m.id, m.key HAVING MIN(i.entity) <> MAX(i.entity)
         ORDER BY 1 LIMIT 20",
        values![],
    )?;
    texts(&rows)
}

/// Facts pinned to a version of a mapping that nobody approved.
pub fn unapproved(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT DISTINCT f.root FROM facts f JOIN roots r ON r.id = f.root
         WHERE f.mapping_version <> 0 AND NOT EXISTS (
             SELECT 1 FROM mappings m
             WHERE m.version = f.mapping_version AND (m.connection = r.connection
                 -- What the ledger of a provider says is booked by who names the provider.
                 OR (r.kind = 'summary' AND r.external_id LIKE '%/ledger/%'
                     AND m.body LIKE '%\"provider\":\"' || r.connection || '\"%')))
         ORDER BY 1 LIMIT 20",
        values![],
    )?;
    texts(&rows)
}

/// The texts in which a secret would be a leak, as `table: text` around the place.
pub fn holding(tx: &mut Tx<'_>, secret: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT 'message ' || id FROM messages WHERE headers LIKE $1
         UNION ALL SELECT 'document ' || external_id FROM documents WHERE body LIKE $1
         UNION ALL SELECT 'fact of ' || root FROM facts WHERE content LIKE $1
         UNION ALL SELECT 'command ' || key FROM commands
             WHERE content LIKE $1 OR COALESCE(error, '') LIKE $1 OR COALESCE(binding, '') LIKE $1
         UNION ALL SELECT 'conversation ' || id FROM conversations
             WHERE task LIKE $1 OR state LIKE $1
         UNION ALL SELECT 'case ' || id FROM cases WHERE title LIKE $1 OR detail LIKE $1
         UNION ALL SELECT 'stream ' || stream FROM streams
             WHERE COALESCE(error, '') LIKE $1 OR COALESCE(cursor, '') LIKE $1
         UNION ALL SELECT 'connection ' || name FROM connections WHERE COALESCE(reason, '') LIKE $1
         ORDER BY 1 LIMIT 20",
        values![format!("%{secret}%")],
    )?;
    let mut found = texts(&rows)?;
    // Bodies are packed.
    let rows = tx.query("SELECT id, body FROM messages", values![])?;
    for row in &rows {
        let body = messages::unpack(&row.blob(1)?)?;
        if body.windows(secret.len().max(1)).any(|part| part == secret.as_bytes()) {
            found.push(format!("message {}", row.text(0)?));
        }
    }
    Ok(found)
}

/// How much there is of everything that work adds to: what must not grow without a cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub messages: i64,
    pub documents: i64,
    pub facts: i64,
    pub entry_lines: i64,
    pub items: i64,
    pub commands: i64,
    pub matches: i64,
    pub open_cases: i64,
    pub conversations: i64,
    pub reads: i64,
    /// The most attempts that any command took.
    pub attempts: i64,
}

pub fn sizes(tx: &mut Tx<'_>) -> Result<Sizes> {
    let row = tx.query_one(
        "SELECT (SELECT COUNT(*) FROM messages), (SELECT COUNT(*) FROM documents),
             (SELECT COUNT(*) FROM facts), (SELECT COUNT(*) FROM entry_lines),
             (SELECT COUNT(*) FROM items), (SELECT COUNT(*) FROM commands),
             (SELECT COUNT(*) FROM matches WHERE dissolved_at IS NULL),
             (SELECT COUNT(*) FROM cases WHERE closed_at IS NULL),
             (SELECT COUNT(*) FROM conversations), (SELECT COUNT(*) FROM reads),
             (SELECT COALESCE(MAX(attempts), 0) FROM commands)",
        values![],
    )?;
    let Some(row) = row else { return Ok(Sizes::default()) };
    Ok(Sizes {
        messages: row.int(0)?,
        documents: row.int(1)?,
        facts: row.int(2)?,
        entry_lines: row.int(3)?,
        items: row.int(4)?,
        commands: row.int(5)?,
        matches: row.int(6)?,
        open_cases: row.int(7)?,
        conversations: row.int(8)?,
        reads: row.int(9)?,
        attempts: row.int(10)?,
    })
}

/// Makes all that was ever done due again: every message is decoded, every root decided, every key
/// judged once more. Where the first time was right, nothing comes of it.
pub fn take_up_again(tx: &mut Tx<'_>) -> Result<()> {
    tx.write(
        "UPDATE messages SET state = 'received', attempts = 0
         WHERE kind <> 'trueup/decision' AND state <> 'corrected'",
        values![],
    )?;
    tx.write("UPDATE roots SET arrived = arrived + 1, attempts = 0", values![])?;
    tx.write("UPDATE scopes SET arrived = arrived + 1, attempts = 0", values![])?;
    Ok(())
}

/// The commands of a kind, with what became of each.
pub fn of_kind(tx: &mut Tx<'_>, kind: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT key, state, attempts, COALESCE(record, ''), COALESCE(error, '') FROM commands
         WHERE kind = $1 ORDER BY key",
        values![kind],
    )?;
    let line = |row: &crate::Row| {
        let (key, state, tries) = (row.text(0)?, row.text(1)?, row.int(2)?);
        let (record, error) = (row.text(3)?, row.text(4)?);
        Ok(format!("{key} {state} after {tries} attempts {record} {error}").trim_end().to_owned())
    };
    rows.iter().map(line).collect()
}
