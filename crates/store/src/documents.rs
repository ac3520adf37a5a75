//! The newest statement of each object, and the roots that a new statement raises.
//!
//! | module         | holds                                                          |
//! |----------------|----------------------------------------------------------------|
//! | this one       | statements in force; roots that are due, decided, raised       |
//! | [`sums`]       | what the documents of a side sum to, for the bridges           |
//! | [`statements`] | bank statements, and what stands before and behind one         |
//! | [`shown`]      | roots as people find and list them                             |

mod shown;
mod statements;
mod sums;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::document::{
    Document, Kind, LedgerRow, PaymentKind, PaymentStatus, PayoutStatus, Root, RootKind, RowClass,
};
use trueup_domain::key;
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;

pub use self::shown::{
    ProofColumn, SaleFilter, ShownRoot, find_root, find_roots, list_sales, sale_days,
    sales_between, sales_without_order, search_sales, take_unasked, waiting_counts,
};
pub use self::statements::{raise_following, statement_ends, statements_until};
pub use self::sums::{
    Sum, Unlike, counts, expect, refunds_of_held, refunds_without_order, some_of, sum_before,
    sum_between, sums, unlike,
};
use crate::database::{Row, StoreError, Tx};
use crate::messages::moment;
use crate::{Result, many, shard_of, values};

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
    let known = known_each(tx, &[(connection, kind, external_id)])?;
    Ok(known.into_iter().next().flatten())
}

/// The same of several objects, in their order.
pub fn known_each(tx: &mut Tx<'_>, objects: &[(&str, Kind, &str)]) -> Result<Vec<Option<Known>>> {
    let each = objects
        .iter()
        .map(|(connection, kind, id)| values![*connection, kind.word(), *id].to_vec())
        .collect::<Vec<_>>();
    let found = tx.query_each(
        "SELECT d.version, d.content_hash, d.body, d.message, m.received_at
         FROM documents d JOIN messages m ON m.id = d.message
         WHERE d.connection = $1 AND d.kind = $2 AND d.external_id = $3",
        &each,
    )?;
    let one = |row: &Row| {
        Ok(Known {
            version: row.opt_int(0)?,
            content_hash: row.text(1)?,
            body: row.text(2)?,
            message: row.text(3)?,
            received_at: moment(row.int(4)?)?,
        })
    };
    found.iter().map(|rows| rows.first().map(one).transpose()).collect()
}

pub fn content_hash(document: &Document) -> String {
    key::body_hash(document.to_json().as_bytes())
}

/// The name of a root everywhere: in keys, URLs and reports.
pub fn root_id(connection: &str, root: &Root) -> String {
    format!("{connection}/{}/{}", root.kind.word(), root.external_id)
}

/// Replaces the statement of an object whole and raises its root. `before` is the message of the
/// statement that it was compared with, if there was one.
///
/// # Errors
/// `Conflict` when another statement was put in force in between; at the latest when the transaction
/// or its savepoint ends.
pub fn put(
    tx: &mut Tx<'_>,
    connection: &str,
    document: &Document,
    message: &str,
    before: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let root = document.root();
    let root_name = root_id(connection, &root);
    let counts = counts_as(document);
    tx.write_or(
        "INSERT INTO documents (connection, kind, external_id, version, content_hash, body,
             message, root, decoded_at, word, currency, amount, fee, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (connection, kind, external_id) DO UPDATE SET
             version = excluded.version, content_hash = excluded.content_hash,
             body = excluded.body, message = excluded.message, root = excluded.root,
             decoded_at = excluded.decoded_at, word = excluded.word,
             currency = excluded.currency, amount = excluded.amount, fee = excluded.fee,
             at = excluded.at
         WHERE documents.message = $15",
        values![
            connection,
            document.kind().word(),
            document.external_id(),
            document.version().map(|version| version.0),
            content_hash(document),
            document.to_json(),
            message,
            &root_name,
            now.as_microsecond(),
            counts.word,
            counts.amount.map_or("", |amount| amount.currency().code()),
            counts.amount.map_or(0, Money::minor),
            counts.fee,
            counts.at.map_or(0, Timestamp::as_microsecond),
            before
        ],
        format!("another statement of {root_name} came in force meanwhile"),
    )?;
    if planted("an_update_raises_nothing") && find_root(tx, &root_name)?.is_some() {
        return Ok(());
    }
    raise(tx, connection, &root)
}

/// What a document counts as in the sums of its side.
#[derive(Default)]
struct Counts {
    word: String,
    amount: Option<Money>,
    fee: i64,
    at: Option<Timestamp>,
}

fn counts_as(document: &Document) -> Counts {
    match document {
        Document::Order(order) => Counts {
            word: if order.test { "test" } else { "order" }.to_owned(),
            amount: Some(order.total),
            at: Some(order.placed_at),
            fee: 0,
        },
        Document::Refund(refund) => Counts {
            word: "refund".to_owned(),
            amount: Some(refund.total),
            at: Some(refund.created_at),
            fee: 0,
        },
        Document::Payment(payment) => {
            let moved = payment.status == PaymentStatus::Succeeded && !payment.test;
            let kind = match payment.kind {
                PaymentKind::Sale | PaymentKind::Capture if moved => "capture",
                PaymentKind::Refund if moved => "refund",
                _ => "other",
            };
            Counts {
                word: format!("{kind}/{}", payment.gateway),
                amount: Some(payment.amount),
                at: Some(payment.processed_at),
                fee: 0,
            }
        }
        Document::RefundFailure(failure) => Counts {
            word: REFUND_FAILURE.to_owned(),
            amount: Some(failure.amount),
            ..Counts::default()
        },
        Document::LedgerRow(row) => Counts {
            word: match row.class {
                // Compared with the channel under their keys.
                RowClass::Capture
                | RowClass::Refund
                | RowClass::RefundFailure
                | RowClass::PartialCaptureReversal => TENDER.to_owned(),
                RowClass::Payout => PAYOUT.to_owned(),
                RowClass::Unknown => format!("unknown row `{}`", row.kind),
                other => format!("{other:?}").to_lowercase(),
            },
            amount: Some(row.gross),
            at: Some(row.occurred_at),
            fee: row.fee.minor(),
        },
        Document::Payout(payout) => Counts {
            word: match payout.status {
                PayoutStatus::InTransit | PayoutStatus::Paid => LEFT.to_owned(),
                _ => "other".to_owned(),
            },
            amount: Some(payout.amount),
            at: Some(payout.created_at),
            fee: 0,
        },
        Document::BooksRecord(record) => Counts {
            word: record.kind.clone(),
            amount: Some(record.total),
            at: record.date.and_then(midnight),
            fee: 0,
        },
        Document::BankStatement(statement) => Counts {
            word: "statement".to_owned(),
            at: statement.date.and_then(midnight),
            ..Counts::default()
        },
        _ => Counts::default(),
    }
}

/// The word of every refund whose money came back.
pub const REFUND_FAILURE: &str = "refund_failure";
/// A day as a moment, for what is stated of a whole day.
fn midnight(day: Date) -> Option<Timestamp> {
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp())
}

/// The word of a payout that is on its way to the bank, or there.
pub const LEFT: &str = "left";
/// The words of ledger rows that are compared with the channel, and of those that pay out.
pub const TENDER: &str = "tender";
pub const PAYOUT: &str = "payout";

/// Payouts that left a provider and are not proven at the bank: external id, amount.
pub fn payouts_not_banked(
    tx: &mut Tx<'_>,
    provider: &str,
    currency: Currency,
) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT d.external_id, d.amount FROM documents d
         LEFT JOIN scopes s ON s.key = 'bank/' || d.connection || '/' || d.external_id
         WHERE d.connection = $1 AND d.kind = 'payout' AND d.word = 'left' AND d.currency = $2
             AND (s.key IS NULL OR s.status <> 'proven' OR s.judged < s.arrived)
         ORDER BY d.external_id",
        values![provider, currency.code()],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// The documents of a kind that count as one word, for reports.
pub fn of_word(tx: &mut Tx<'_>, connection: &str, kind: Kind, word: &str) -> Result<Vec<Document>> {
    let rows = tx.query(
        "SELECT body FROM documents WHERE connection = $1 AND kind = $2 AND word = $3
         ORDER BY external_id",
        values![connection, kind.word(), word],
    )?;
    read_all(kind, &rows)
}

/// The ledger rows in force under these roots, by root.
pub fn ledger_rows(tx: &mut Tx<'_>, roots: &[String]) -> Result<Vec<(String, LedgerRow)>> {
    let sql = "SELECT DISTINCT root, body FROM documents WHERE root IN ({})
         AND kind || '' = 'ledger_row' ORDER BY root";
    let rows = many::query(tx, sql, roots)?;
    rows.iter()
        .map(|row| {
            let read = serde_json::from_str(&row.text(1)?).map_err(StoreError::corrupt)?;
            Ok((row.text(0)?, read))
        })
        .collect()
}

/// What a connection states of the days `from..=to`, of a kind of record that has a day.
pub fn stated_of_days(
    tx: &mut Tx<'_>,
    connection: &str,
    word: &str,
    (from, to): (Date, Date),
) -> Result<Vec<Document>> {
    let moment = |day: Date| midnight(day).map_or(0, Timestamp::as_microsecond);
    let rows = tx.query(
        "SELECT body FROM documents WHERE connection = $1 AND kind = 'books_record' AND word = $2
             AND at >= $3 AND at <= $4 ORDER BY external_id",
        values![connection, word, moment(from), moment(to)],
    )?;
    read_all(Kind::BooksRecord, &rows)
}

fn read_all(kind: Kind, rows: &[Row]) -> Result<Vec<Document>> {
    rows.iter()
        .map(|row| Document::from_json(kind, &row.text(0)?).map_err(StoreError::corrupt))
        .collect()
}

/// Marks a root due for DECIDE, making it if need be.
pub fn raise(tx: &mut Tx<'_>, connection: &str, root: &Root) -> Result<()> {
    let id = root_id(connection, root);
    tx.write(
        "INSERT INTO roots (id, connection, kind, external_id, shard, arrived, decided, attempts,
             number, state)
         VALUES ($1, $2, $3, $4, $5, 1, 0, 0, $4, 'new')
         ON CONFLICT (id) DO UPDATE SET arrived = roots.arrived + 1",
        values![&id, connection, root.kind.word(), &root.external_id, shard_of(&id)],
    )?;
    Ok(())
}

/// Holds the roots that a transaction will raise, making them if need be, in the order of their names:
/// of two that raise the same ones, one waits for the other, and none for both. For where there are
/// rivals ([`Tx::has_rivals`]).
pub fn hold_roots(tx: &mut Tx<'_>, roots: &BTreeMap<String, (&str, Root)>) -> Result<()> {
    for (id, (connection, root)) in roots {
        tx.write(
            "INSERT INTO roots (id, connection, kind, external_id, shard, arrived, decided,
                 attempts, number, state)
             VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $4, 'new')
             ON CONFLICT (id) DO UPDATE SET arrived = roots.arrived",
            values![id, *connection, root.kind.word(), &root.external_id, shard_of(id)],
        )?;
    }
    Ok(())
}

/// Raises every root that waits: an approved mapping may have what it lacks.
pub fn raise_waiting(tx: &mut Tx<'_>, connection: &str) -> Result<u64> {
    tx.execute(
        "UPDATE roots SET arrived = arrived + 1 WHERE waiting IS NOT NULL AND connection = $1",
        values![connection],
    )
}

/// Decides these roots again.
pub fn take_up_again(tx: &mut Tx<'_>, roots: &[String]) -> Result<u64> {
    let sql = "UPDATE roots SET arrived = arrived + 1, attempts = 0 WHERE id IN ({})";
    many::execute(tx, sql, roots)
}

/// Lets roots be decided by the newest mapping, whichever they were decided by.
pub fn unpin(tx: &mut Tx<'_>, roots: &[String]) -> Result<u64> {
    let sql = "UPDATE roots SET mapping_version = NULL WHERE id IN ({})";
    many::execute(tx, sql, roots)
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
    // In the order in which all hold them.
    due.sort_by(|one, other| one.id.cmp(&other.id));
    for root in &due {
        tx.write("UPDATE roots SET attempts = attempts + 1 WHERE id = $1", values![&root.id])?;
    }
    Ok(due)
}

/// A root as DECIDE would take it, with no attempt counted.
pub fn as_due(tx: &mut Tx<'_>, id: &str) -> Result<Option<DueRoot>> {
    let row = tx.query_one(
        "SELECT id, connection, kind, external_id, arrived, attempts, mapping_version FROM roots
         WHERE id = $1",
        values![id],
    )?;
    let root = row.as_ref().map(due_root).transpose()?;
    Ok(root.map(|root| DueRoot { attempts: 0, ..root }))
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

/// A document in force, by where it is and what stated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub kind: String,
    pub external_id: String,
    pub message: String,
    pub root: String,
}

/// What is in force of a connection, after the document of this kind and id.
pub fn in_force(
    tx: &mut Tx<'_>,
    connection: &str,
    (kind, external_id): (&str, &str),
    limit: i64,
) -> Result<Vec<InForce>> {
    let rows = tx.query(
        "SELECT kind, external_id, message, root FROM documents
         WHERE connection = $1 AND (kind, external_id) > ($2, $3)
         ORDER BY kind, external_id LIMIT $4",
        values![connection, kind, external_id, limit],
    )?;
    rows.iter()
        .map(|row| {
            Ok(InForce {
                kind: row.text(0)?,
                external_id: row.text(1)?,
                message: row.text(2)?,
                root: row.text(3)?,
            })
        })
        .collect()
}

/// The root of a document in force.
pub fn root_of(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: &str,
    external_id: &str,
) -> Result<Option<String>> {
    let row = tx.query_one(
        "SELECT root FROM documents WHERE connection = $1 AND kind = $2 AND external_id = $3",
        values![connection, kind, external_id],
    )?;
    row.map(|row| row.text(0)).transpose()
}

/// The newest documents of a root, with the message that stated each.
pub fn of_root(tx: &mut Tx<'_>, root: &str) -> Result<Vec<(Document, String)>> {
    Ok(of_each_root(tx, &[root])?.into_iter().next().unwrap_or_default())
}

/// The same of several roots, in their order.
pub fn of_each_root(tx: &mut Tx<'_>, roots: &[&str]) -> Result<Vec<Vec<(Document, String)>>> {
    let found = tx.query_each(
        "SELECT kind, body, message FROM documents WHERE root = $1 ORDER BY kind, external_id",
        &many::each(roots.iter().copied()),
    )?;
    let one = |row: &Row| {
        let kind: Kind = row.text(0)?.parse().map_err(StoreError::corrupt)?;
        let document = Document::from_json(kind, &row.text(1)?).map_err(StoreError::corrupt)?;
        Ok((document, row.text(2)?))
    };
    found.iter().map(|rows| rows.iter().map(one).collect()).collect()
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

/// Sets a root decided up to what the decision had read; what arrived meanwhile leaves it due, and
/// what was unpinned from its mapping meanwhile stays so.
pub fn decided(tx: &mut Tx<'_>, root: &DueRoot, standing: &Standing, now: Timestamp) -> Result<()> {
    tx.write(
        "UPDATE roots SET decided = $2, attempts = 0, number = $3, state = $4, day = $5,
             amount = $6, currency = $7, entity = $8, waiting = $9,
             waiting_since = CASE WHEN CAST($9 AS TEXT) IS NULL THEN NULL
                 ELSE COALESCE(waiting_since, CAST($10 AS BIGINT)) END,
             asked_at = CASE WHEN CAST($9 AS TEXT) IS NULL THEN NULL
                 ELSE COALESCE(asked_at, CAST($10 AS BIGINT)) END,
             mapping_version = CASE WHEN mapping_version IS NULL
                 AND CAST($12 AS BIGINT) IS NOT NULL THEN NULL ELSE CAST($11 AS BIGINT) END
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
            standing.mapping_version,
            root.mapping_version
        ],
    )?;
    if planted("decided_with_what_came_meanwhile") {
        let up_to_now = "UPDATE roots SET decided = arrived WHERE id = $1";
        tx.write(up_to_now, values![&root.id])?;
    }
    Ok(())
}

/// Whether any root of the shards `from..to` is due, for the shell that decides when to sleep.
pub fn any_due(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<bool> {
    let found = tx.query_one(
        "SELECT id FROM roots WHERE decided < arrived AND shard >= $1 AND shard < $2 LIMIT 1",
        values![from, to],
    )?;
    Ok(found.is_some())
}

/// Documents of a kind at a connection, for reports.
pub fn of_kind(tx: &mut Tx<'_>, connection: &str, kind: Kind) -> Result<Vec<Document>> {
    let rows = tx.query(
        "SELECT body FROM documents WHERE connection = $1 AND kind = $2 ORDER BY external_id",
        values![connection, kind.word()],
    )?;
    read_all(kind, &rows)
}
