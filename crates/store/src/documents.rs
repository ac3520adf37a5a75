//! The newest statement of each object, and the roots that a new statement raises.

use jiff::Timestamp;
use trueup_domain::document::{Document, Kind, Root, RootKind};
use trueup_domain::key;

use crate::database::{Row, StoreError, Tx};
use crate::messages::moment;
use crate::{Result, shard_of, values};

/// What is known about the newest statement of an object.
#[derive(Clone, Debug)]
pub struct Known {
    pub version: Option<i64>,
    pub content_hash: String,
    pub body: String,
    pub message: String,
    /// When the message that stated it came in.
    pub received_at: Timestamp,
}

pub fn known(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    external_id: &str,
) -> Result<Option<Known>> {
    let row = tx.query_one(
        "SELECT d.version, d.content_hash, d.body, d.message, m.received_at
         FROM documents d JOIN messages m ON m.id = d.message
         WHERE d.connection = $1 AND d.kind = $2 AND d.external_id = $3",
        values![connection, kind.word(), external_id],
    )?;
    row.map(|row| {
        Ok(Known {
            version: row.opt_int(0)?,
            content_hash: row.text(1)?,
            body: row.text(2)?,
            message: row.text(3)?,
            received_at: moment(row.int(4)?)?,
        })
    })
    .transpose()
}

pub fn content_hash(document: &Document) -> String {
    key::body_hash(document.to_json().as_bytes())
}

/// The name of a root everywhere: in keys, URLs and reports.
pub fn root_id(connection: &str, root: &Root) -> String {
    format!("{connection}/{}/{}", root.kind.word(), root.external_id)
}

/// Replaces the statement of an object whole and raises its root.
pub fn put(
    tx: &mut Tx<'_>,
    connection: &str,
    document: &Document,
    message: &str,
    now: Timestamp,
) -> Result<()> {
    let root = document.root();
    let root_name = root_id(connection, &root);
    tx.execute(
        "INSERT INTO documents (connection, kind, external_id, version, content_hash, body,
             message, root, decoded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (connection, kind, external_id) DO UPDATE SET
             version = excluded.version, content_hash = excluded.content_hash,
             body = excluded.body, message = excluded.message, root = excluded.root,
             decoded_at = excluded.decoded_at",
        values![
            connection,
            document.kind().word(),
            document.external_id(),
            document.version().map(|version| version.0),
            content_hash(document),
            document.to_json(),
            message,
            &root_name,
            now.as_microsecond()
        ],
    )?;
    raise(tx, connection, &root)
}

/// Marks a root due for DECIDE, making it if need be.
pub fn raise(tx: &mut Tx<'_>, connection: &str, root: &Root) -> Result<()> {
    let id = root_id(connection, root);
    tx.execute(
        "INSERT INTO roots (id, connection, kind, external_id, shard, arrived, decided, attempts,
             number, state)
         VALUES ($1, $2, $3, $4, $5, 1, 0, 0, $4, 'new')
         ON CONFLICT (id) DO UPDATE SET arrived = roots.arrived + 1",
        values![&id, connection, root.kind.word(), &root.external_id, shard_of(&id)],
    )?;
    Ok(())
}

/// Raises every root that waits: an approved mapping may have what it lacks.
pub fn raise_waiting(tx: &mut Tx<'_>, connection: &str) -> Result<u64> {
    tx.execute(
        "UPDATE roots SET arrived = arrived + 1 WHERE waiting IS NOT NULL AND connection = $1",
        values![connection],
    )
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRoot {
    pub id: String,
    pub connection: String,
    pub root: Root,
    pub arrived: i64,
    pub attempts: i64,
    pub mapping_version: Option<i64>,
}

/// Decides a root again at a person's word, with all its attempts.
pub fn retry(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE roots SET arrived = arrived + 1, attempts = 0 WHERE id = $1",
        values![id],
    )?;
    Ok(changed == 1)
}

/// Takes up to `limit` roots of the shards `from..to`; attempts are counted before the work, and
/// one that was taken before is taken alone.
pub fn take_due(tx: &mut Tx<'_>, from: i64, to: i64, limit: i64) -> Result<Vec<DueRoot>> {
    let rows = tx.query(
        "SELECT id, connection, kind, external_id, arrived, attempts, mapping_version FROM roots
         WHERE decided < arrived AND shard >= $1 AND shard < $2 ORDER BY shard, id LIMIT $3",
        values![from, to, limit],
    )?;
    let mut due: Vec<DueRoot> = rows.iter().map(due_root).collect::<Result<_>>()?;
    crate::take_alone(&mut due, |root| root.attempts);
    for root in &due {
        tx.execute("UPDATE roots SET attempts = attempts + 1 WHERE id = $1", values![&root.id])?;
    }
    Ok(due)
}

fn due_root(row: &Row) -> Result<DueRoot> {
    let word = row.text(2)?;
    let kind = RootKind::parse(&word).ok_or_else(|| StoreError::corrupt(word))?;
    Ok(DueRoot {
        id: row.text(0)?,
        connection: row.text(1)?,
        root: Root { kind, external_id: row.text(3)? },
        arrived: row.int(4)?,
        attempts: row.int(5)?,
        mapping_version: row.opt_int(6)?,
    })
}

/// The newest documents of a root, with the message that stated each.
pub fn of_root(tx: &mut Tx<'_>, root: &str) -> Result<Vec<(Document, String)>> {
    let rows = tx.query(
        "SELECT kind, body, message FROM documents WHERE root = $1 ORDER BY kind, external_id",
        values![root],
    )?;
    rows.iter()
        .map(|row| {
            let kind: Kind = row.text(0)?.parse().map_err(StoreError::corrupt)?;
            let document = Document::from_json(kind, &row.text(1)?).map_err(StoreError::corrupt)?;
            Ok((document, row.text(2)?))
        })
        .collect()
}

/// What DECIDE says about a root beside its facts.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub number: String,
    pub state: String,
    pub day: Option<String>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub entity: Option<String>,
    pub waiting: Option<String>,
    pub mapping_version: Option<i64>,
}

/// Sets a root decided up to what the decision had read; what arrived meanwhile leaves it due.
pub fn decided(tx: &mut Tx<'_>, root: &DueRoot, standing: &Standing, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE roots SET decided = $2, attempts = 0, number = $3, state = $4, day = $5,
             amount = $6, currency = $7, entity = $8, waiting = $9,
             waiting_since = CASE WHEN CAST($9 AS TEXT) IS NULL THEN NULL
                 ELSE COALESCE(waiting_since, CAST($10 AS BIGINT)) END,
             mapping_version = $11
         WHERE id = $1 AND decided < $2",
        values![
            &root.id,
            root.arrived,
            &standing.number,
            &standing.state,
            standing.day.clone(),
            standing.amount,
            standing.currency.clone(),
            standing.entity.clone(),
            standing.waiting.clone(),
            now.as_microsecond(),
            standing.mapping_version
        ],
    )?;
    Ok(())
}

/// A root as lists show it.
#[derive(Clone, Debug)]
pub struct ShownRoot {
    pub id: String,
    pub connection: String,
    pub kind: String,
    pub external_id: String,
    pub number: String,
    pub state: String,
    pub day: Option<String>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub entity: Option<String>,
    pub waiting: Option<String>,
    pub waiting_since: Option<i64>,
    pub mapping_version: Option<i64>,
}

const SHOWN: &str = "SELECT id, connection, kind, external_id, number, state, day, amount,
     currency, entity, waiting, waiting_since, mapping_version FROM roots";

fn shown(row: &Row) -> Result<ShownRoot> {
    Ok(ShownRoot {
        id: row.text(0)?,
        connection: row.text(1)?,
        kind: row.text(2)?,
        external_id: row.text(3)?,
        number: row.text(4)?,
        state: row.text(5)?,
        day: row.opt_text(6)?,
        amount: row.opt_int(7)?,
        currency: row.opt_text(8)?,
        entity: row.opt_text(9)?,
        waiting: row.opt_text(10)?,
        waiting_since: row.opt_int(11)?,
        mapping_version: row.opt_int(12)?,
    })
}

pub fn find_root(tx: &mut Tx<'_>, id: &str) -> Result<Option<ShownRoot>> {
    let row = tx.query_one(&format!("{SHOWN} WHERE id = $1"), values![id])?;
    row.as_ref().map(shown).transpose()
}

/// Sales whose id, number or a part of the number is `text`, newest day first.
pub fn search_sales(tx: &mut Tx<'_>, text: &str, limit: i64) -> Result<Vec<ShownRoot>> {
    let pattern = format!("%{}%", text.replace(['%', '_'], "").to_lowercase());
    let rows = tx.query(
        &format!(
            "{SHOWN} WHERE kind = 'sale' AND (LOWER(number) LIKE $1 OR external_id = $2 OR id = $2)
             ORDER BY day DESC, id LIMIT $3"
        ),
        values![pattern, text, limit],
    )?;
    rows.iter().map(shown).collect()
}

/// All sales of the days `from..=to` (ISO dates).
pub fn sales_between(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<ShownRoot>> {
    let rows = tx.query(
        &format!("{SHOWN} WHERE kind = 'sale' AND day >= $1 AND day <= $2 ORDER BY day, id"),
        values![from, to],
    )?;
    rows.iter().map(shown).collect()
}

/// Which sales a list shows; what is `None` does not narrow it.
#[derive(Clone, Debug, Default)]
pub struct SaleFilter {
    /// The id, the external id, or a part of the number.
    pub text: Option<String>,
    /// ISO dates, both included.
    pub from: Option<String>,
    pub to: Option<String>,
    pub entity: Option<String>,
    pub currency: Option<String>,
    /// The day and id of the last row of the page before.
    pub after: Option<(String, String)>,
    pub limit: i64,
}

/// Sales, newest day first; what has no day yet comes last.
pub fn list_sales(tx: &mut Tx<'_>, filter: &SaleFilter) -> Result<Vec<ShownRoot>> {
    let text = filter.text.as_ref().map(|text| text.replace(['%', '_'], ""));
    let (after_day, after_id) = filter.after.clone().unzip();
    let rows = tx.query(
        &format!(
            "{SHOWN} WHERE kind = 'sale'
                 AND (CAST($1 AS TEXT) IS NULL OR number LIKE $2 OR external_id = $1 OR id = $1)
                 AND (CAST($3 AS TEXT) IS NULL OR day >= $3)
                 AND (CAST($4 AS TEXT) IS NULL OR day <= $4)
                 AND (CAST($5 AS TEXT) IS NULL OR entity = $5)
                 AND (CAST($6 AS TEXT) IS NULL OR currency = $6)
                 AND (CAST($7 AS TEXT) IS NULL OR COALESCE(day, '') < $7
                     OR (COALESCE(day, '') = $7 AND id < $8))
             ORDER BY COALESCE(day, '') DESC, id DESC LIMIT $9"
        ),
        values![
            filter.text.clone(),
            text.map(|text| format!("%{text}%")),
            filter.from.clone(),
            filter.to.clone(),
            filter.entity.clone(),
            filter.currency.clone(),
            after_day,
            after_id,
            filter.limit
        ],
    )?;
    rows.iter().map(shown).collect()
}

/// The first and the last day with a sale.
pub fn sale_days(tx: &mut Tx<'_>) -> Result<Option<(String, String)>> {
    let row =
        tx.query_one("SELECT MIN(day), MAX(day) FROM roots WHERE kind = 'sale'", values![])?;
    let Some(row) = row else { return Ok(None) };
    Ok(row.opt_text(0)?.zip(row.opt_text(1)?))
}

/// How many roots of each connection wait for something.
pub fn waiting_counts(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT connection, COUNT(*) FROM roots WHERE waiting IS NOT NULL
         GROUP BY connection ORDER BY connection",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Roots that wait for something since before `before`.
pub fn waiting_since(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<Vec<ShownRoot>> {
    let rows = tx.query(
        &format!("{SHOWN} WHERE waiting IS NOT NULL AND waiting_since <= $1 ORDER BY id LIMIT $2"),
        values![before.as_microsecond(), limit],
    )?;
    rows.iter().map(shown).collect()
}

/// Whether any root is due, for the shell that decides when to sleep.
pub fn any_due(tx: &mut Tx<'_>) -> Result<bool> {
    let found = tx.query_one("SELECT id FROM roots WHERE decided < arrived LIMIT 1", values![])?;
    Ok(found.is_some())
}

/// Documents of a kind at a connection, for reports.
pub fn of_kind(tx: &mut Tx<'_>, connection: &str, kind: Kind) -> Result<Vec<Document>> {
    let rows = tx.query(
        "SELECT body FROM documents WHERE connection = $1 AND kind = $2 ORDER BY external_id",
        values![connection, kind.word()],
    )?;
    rows.iter()
        .map(|row| Document::from_json(kind, &row.text(0)?).map_err(StoreError::corrupt))
        .collect()
}
