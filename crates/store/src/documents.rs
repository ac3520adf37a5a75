//! The newest statement of each object, and the roots that a new statement raises.

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::document::{
    BankStatement, Document, Kind, LedgerRow, PaymentKind, PaymentStatus, PayoutStatus, Root,
    RootKind, RowClass,
};
use trueup_domain::key;
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;

use crate::database::{Row, StoreError, Tx, Value};
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
    let counts = counts_as(document);
    tx.execute(
        "INSERT INTO documents (connection, kind, external_id, version, content_hash, body,
             message, root, decoded_at, word, currency, amount, fee, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (connection, kind, external_id) DO UPDATE SET
             version = excluded.version, content_hash = excluded.content_hash,
             body = excluded.body, message = excluded.message, root = excluded.root,
             decoded_at = excluded.decoded_at, word = excluded.word,
             currency = excluded.currency, amount = excluded.amount, fee = excluded.fee,
             at = excluded.at",
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
            counts.at.map_or(0, Timestamp::as_microsecond)
        ],
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

/// The documents of one connection, kind and currency that count as one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub word: String,
    /// Minor units, and how many of them are not zero.
    pub amount: i64,
    pub amounts: i64,
    pub fee: i64,
    pub fees: i64,
}

/// Sums of what a connection states since a moment, by word.
pub fn sums(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    currency: Currency,
    since: Timestamp,
) -> Result<Vec<Sum>> {
    let rows = tx.query(
        "SELECT word, CAST(SUM(amount) AS BIGINT), COUNT(NULLIF(amount, 0)),
             CAST(SUM(fee) AS BIGINT), COUNT(NULLIF(fee, 0))
         FROM documents WHERE connection = $1 AND kind = $2 AND currency = $3 AND at >= $4
         GROUP BY word ORDER BY word",
        values![connection, kind.word(), currency.code(), since.as_microsecond()],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Sum {
                word: row.text(0)?,
                amount: row.int(1)?,
                amounts: row.int(2)?,
                fee: row.int(3)?,
                fees: row.int(4)?,
            })
        })
        .collect()
}

/// The sum of all documents of a kind from a moment to before another, whatever they count as.
pub fn sum_between(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    currency: Currency,
    (from, before): (Timestamp, Timestamp),
) -> Result<i64> {
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM documents
         WHERE connection = $1 AND kind = $2 AND word IN ('order', 'refund', 'test')
             AND currency = $3 AND at >= $4 AND at < $5",
        values![
            connection,
            kind.word(),
            currency.code(),
            from.as_microsecond(),
            before.as_microsecond()
        ],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// How many refunds of some days have no order here, and their sum.
pub fn refunds_without_order(
    tx: &mut Tx<'_>,
    connection: &str,
    currency: Currency,
    (from, before): (Timestamp, Timestamp),
) -> Result<(i64, i64)> {
    let row = tx.query_one(
        "SELECT COUNT(*), CAST(COALESCE(SUM(d.amount), 0) AS BIGINT) FROM documents d
         LEFT JOIN documents o ON o.root = d.root AND o.kind = 'order'
         WHERE d.connection = $1 AND d.kind = 'refund' AND d.word = 'refund' AND d.currency = $2
             AND d.at >= $3 AND d.at < $4 AND o.root IS NULL",
        values![connection, currency.code(), from.as_microsecond(), before.as_microsecond()],
    )?;
    row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
}

/// The sum of the documents of a kind and word that belong to sales placed before a moment.
pub fn sum_before(
    tx: &mut Tx<'_>,
    connection: &str,
    (kind, word): (Kind, &str),
    currency: Currency,
    since: Timestamp,
) -> Result<i64> {
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(d.amount), 0) AS BIGINT)
         FROM documents o JOIN documents d ON d.root = o.root
         WHERE o.connection = $1 AND o.kind = 'order' AND o.at < $2
             AND d.kind = $3 AND d.word = $4 AND d.currency = $5",
        values![connection, since.as_microsecond(), kind.word(), word, currency.code()],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// The ids of some documents of a word, those with an amount or those with a fee.
pub fn some_of(
    tx: &mut Tx<'_>,
    connection: &str,
    (kind, word): (Kind, Option<&str>),
    currency: Currency,
    limit: i64,
) -> Result<Vec<String>> {
    let rows = match word {
        Some(word) => tx.query(
            "SELECT external_id FROM documents WHERE connection = $1 AND kind = $2 AND word = $3
                 AND currency = $4 AND amount <> 0 ORDER BY at DESC LIMIT $5",
            values![connection, kind.word(), word, currency.code(), limit],
        )?,
        None => tx.query(
            "SELECT external_id FROM documents WHERE connection = $1 AND kind = $2
                 AND word <> 'payout' AND currency = $3 AND fee <> 0 ORDER BY word, at DESC LIMIT $4",
            values![connection, kind.word(), currency.code(), limit],
        )?,
    };
    rows.iter().map(|row| row.text(0)).collect()
}

/// Orders or refunds of which the channel states another amount than DECIDE expects of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlike {
    pub kind: String,
    /// Nothing at all is expected.
    pub nothing: bool,
    pub count: i64,
    /// Stated less expected.
    pub amount: i64,
    /// The external ids of some.
    pub some: Vec<String>,
}

pub fn unlike(
    tx: &mut Tx<'_>,
    connection: &str,
    currency: Currency,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Unlike>> {
    const UNLIKE: &str = "FROM documents d
         LEFT JOIN documents o ON o.root = d.root AND o.kind = 'order'
         WHERE d.connection = $1 AND d.kind IN ('order', 'refund')
             AND COALESCE(d.expected, 0) <> d.amount AND d.currency = $2 AND d.word <> 'test'
             AND (o.at IS NULL OR o.at >= $3)";
    let since = since.as_microsecond();
    let rows = tx.query(
        &format!(
            "SELECT d.kind, CASE WHEN COALESCE(d.expected, 0) = 0 THEN '=' ELSE '<>' END AS how,
                 COUNT(*), CAST(SUM(d.amount - COALESCE(d.expected, 0)) AS BIGINT) {UNLIKE}
             GROUP BY d.kind, how ORDER BY d.kind, how"
        ),
        values![connection, currency.code(), since],
    )?;
    let mut found = Vec::new();
    for row in &rows {
        let (kind, how) = (row.text(0)?, row.text(1)?);
        let sql = format!(
            "SELECT d.external_id {UNLIKE} AND d.kind = $4 AND COALESCE(d.expected, 0) {how} 0
             ORDER BY d.external_id LIMIT $5"
        );
        let some = tx.query(&sql, values![connection, currency.code(), since, &kind, limit])?;
        found.push(Unlike {
            kind,
            nothing: how == "=",
            count: row.int(2)?,
            amount: row.int(3)?,
            some: some.iter().map(|row| row.text(0)).collect::<Result<_>>()?,
        });
    }
    Ok(found)
}

/// What is expected of the refunds of sales that the books hold by another hand.
pub fn refunds_of_held(tx: &mut Tx<'_>, connection: &str, currency: Currency) -> Result<i64> {
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(d.expected), 0) AS BIGINT)
         FROM documents h JOIN documents d ON d.root = h.root
         WHERE h.connection = $1 AND h.kind = 'held_already' AND d.kind = 'refund'
             AND d.currency = $2",
        values![connection, currency.code()],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Whether an order or refund that the channel states belongs to a sale that counts.
pub fn counts(
    tx: &mut Tx<'_>,
    connection: &str,
    (kind, external_id): (Kind, &str),
    since: Timestamp,
) -> Result<bool> {
    let row = tx.query_one(
        "SELECT d.word FROM documents d LEFT JOIN documents o ON o.root = d.root AND o.kind = 'order'
         WHERE d.connection = $1 AND d.kind = $2 AND d.external_id = $3 AND d.word <> 'test'
             AND (o.at IS NULL OR o.at >= $4)",
        values![connection, kind.word(), external_id, since.as_microsecond()],
    )?;
    Ok(row.is_some())
}

/// Notes what is expected of the orders and refunds of a sale, in the transaction that decided it.
pub fn expect(tx: &mut Tx<'_>, root: &str) -> Result<()> {
    tx.execute(
        "UPDATE documents SET expected = (
             SELECT CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) FROM items i
             WHERE i.key = documents.kind || '/' || documents.connection || '/'
                     || documents.external_id
                 AND i.live = 1 AND i.side = 'channel' AND i.currency = documents.currency)
         WHERE root = $1 AND kind IN ('order', 'refund')",
        values![root],
    )?;
    Ok(())
}

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

/// The bank's oldest and newest statement.
pub fn statement_ends(tx: &mut Tx<'_>, connection: &str) -> Result<Option<(Document, Document)>> {
    let mut end = |order: &str| -> Result<Option<Document>> {
        let sql = format!(
            "SELECT body FROM documents WHERE connection = $1 AND kind = 'bank_statement'
                 AND word = 'statement' ORDER BY at {order}, external_id {order} LIMIT 1"
        );
        let rows = tx.query(&sql, values![connection])?;
        Ok(read_all(Kind::BankStatement, &rows)?.pop())
    };
    Ok(end("ASC")?.zip(end("DESC")?))
}

/// So many statements of one account are looked at: a year of days, and some that are cut into pages.
const STATEMENTS_MAX: i64 = 400;

/// The other statements of an account that are no later than `statement`, in the order of their days.
pub fn statements_until(
    tx: &mut Tx<'_>,
    connection: &str,
    statement: &BankStatement,
) -> Result<Vec<BankStatement>> {
    let mut found = statements_beside(tx, connection, statement, "<=", "DESC")?;
    found.reverse();
    Ok(found)
}

/// Raises the statements whose place behind `statement` depends on it: those of the next day, and
/// those that begin with a balance that it states.
pub fn raise_following(tx: &mut Tx<'_>, connection: &str, statement: &BankStatement) -> Result<()> {
    let later = statements_beside(tx, connection, statement, ">=", "ASC")?;
    let next = later.iter().map(|one| one.date).find(|date| *date > statement.date);
    for one in later {
        let begins = |balance: Option<Money>| balance.is_some() && balance == one.opening;
        if Some(one.date) == next || begins(statement.closing) || begins(statement.opening) {
            raise(tx, connection, &Document::from(one).root())?;
        }
    }
    Ok(())
}

fn statements_beside(
    tx: &mut Tx<'_>,
    connection: &str,
    statement: &BankStatement,
    side: &str,
    order: &str,
) -> Result<Vec<BankStatement>> {
    let at = statement.date.and_then(midnight).map_or(0, Timestamp::as_microsecond);
    let sql = format!(
        "SELECT body FROM documents WHERE connection = $1 AND kind = 'bank_statement'
             AND word = 'statement' AND at {side} $2 AND external_id LIKE $3
         ORDER BY at {order}, external_id {order} LIMIT $4"
    );
    // An id begins with its account; what else the pattern takes for it is left out below.
    let pattern = format!("{}/%", statement.account);
    let rows = tx.query(&sql, values![connection, at, &pattern, STATEMENTS_MAX])?;
    let mut found = Vec::new();
    for document in read_all(Kind::BankStatement, &rows)? {
        let Document::BankStatement(one) = document else { continue };
        if one.account == statement.account && one.id != statement.id {
            found.push(*one);
        }
    }
    Ok(found)
}

fn read_all(kind: Kind, rows: &[Row]) -> Result<Vec<Document>> {
    rows.iter()
        .map(|row| Document::from_json(kind, &row.text(0)?).map_err(StoreError::corrupt))
        .collect()
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
    for root in &due {
        tx.execute("UPDATE roots SET attempts = attempts + 1 WHERE id = $1", values![&root.id])?;
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

/// Sets a root decided up to what the decision had read; what arrived meanwhile leaves it due, and
/// what was unpinned from its mapping meanwhile stays so.
pub fn decided(tx: &mut Tx<'_>, root: &DueRoot, standing: &Standing, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE roots SET decided = $2, attempts = 0, number = $3, state = $4, day = $5,
             amount = $6, currency = $7, entity = $8, waiting = $9,
             waiting_since = CASE WHEN CAST($9 AS TEXT) IS NULL THEN NULL
                 ELSE COALESCE(waiting_since, CAST($10 AS BIGINT)) END,
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
        tx.execute(up_to_now, values![&root.id])?;
    }
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

/// All sales of the days `from..=to` (ISO dates), for tests that hold the projection to them.
pub fn sales_between(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<ShownRoot>> {
    let rows = tx.query(
        &format!(
            "{SHOWN} WHERE kind = 'sale' AND COALESCE(day, '') >= $1 AND day <= $2 ORDER BY day, id"
        ),
        values![from, to],
    )?;
    rows.iter().map(shown).collect()
}

/// Which sales a list shows; what is `None` does not narrow it.
#[derive(Clone, Debug, Default)]
pub struct SaleFilter {
    /// The id, the external id, the number or a part of it.
    pub text: Option<String>,
    /// ISO dates, both included.
    pub from: Option<String>,
    pub to: Option<String>,
    pub entity: Option<String>,
    pub currency: Option<String>,
    /// How the sales stand on a link, or in all.
    pub standing: Option<(ProofColumn, String)>,
    /// The day and id of the last row of the page before.
    pub after: Option<(String, String)>,
    pub limit: i64,
}

/// Which link of a sale's proof, or the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofColumn {
    Document,
    Tender,
    Payout,
    Bank,
    Overall,
}

impl ProofColumn {
    /// The link of this word; any other word means the whole proof.
    pub fn of(word: &str) -> Self {
        match word {
            "document" => Self::Document,
            "tender" => Self::Tender,
            "payout" => Self::Payout,
            "bank" => Self::Bank,
            _ => Self::Overall,
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Document => "p.document",
            Self::Tender => "p.tender",
            Self::Payout => "p.payout",
            Self::Bank => "p.bank",
            Self::Overall => "p.overall",
        }
    }
}

/// Sales, newest day first; what has no day yet comes last. Each page begins where the one before
/// ended, however far that is. An exact number or id is looked up; only what is neither is searched.
pub fn list_sales(tx: &mut Tx<'_>, filter: &SaleFilter) -> Result<Vec<ShownRoot>> {
    let Some(text) = &filter.text else { return listed(tx, filter, None) };
    if is_exact(tx, text)? {
        let values = values![text, format!("#{text}")].to_vec();
        return listed(tx, filter, Some((EXACT, values)));
    }
    let pattern = format!("%{}%", text.replace(['%', '_'], ""));
    listed(tx, filter, Some(("r.number LIKE $1", values![pattern].to_vec())))
}

const EXACT: &str = "(r.number IN ($1, $2) OR r.external_id = $1 OR r.id = $1)";

fn is_exact(tx: &mut Tx<'_>, text: &str) -> Result<bool> {
    let sql = format!("SELECT r.id FROM roots r WHERE r.kind || '' = 'sale' AND {EXACT} LIMIT 1");
    Ok(tx.query_one(&sql, values![text, format!("#{text}")])?.is_some())
}

fn listed(
    tx: &mut Tx<'_>,
    filter: &SaleFilter,
    search: Option<(&str, Vec<Value>)>,
) -> Result<Vec<ShownRoot>> {
    const DAY: &str = "COALESCE(r.day, '')";
    let (tables, day, id) = match &filter.standing {
        Some(_) => ("proofs p JOIN roots r ON r.id = p.root", "p.day", "p.root"),
        None => ("roots r", DAY, "r.id"),
    };
    // A list goes through the index of the days, a search through that of what is looked for, and
    // only sales have proofs: `kind || ''` keeps a planner that knows no numbers from the first.
    let narrow =
        if search.is_some() || filter.standing.is_some() { "r.kind || ''" } else { "r.kind" };
    let (condition, mut values) = search.unwrap_or(("1 = 1", Vec::new()));
    let mut sql = format!("{SHOWN_SALES} {tables} WHERE {narrow} = 'sale' AND {condition}");
    let mut and = |condition: &str, value: &str| {
        values.push(Value::Text(value.to_owned()));
        sql.push_str(&format!(" AND {condition} ${}", values.len()));
    };
    let conditions = [
        (format!("{day} >="), &filter.from),
        (format!("{day} <="), &filter.to),
        ("r.entity =".to_owned(), &filter.entity),
        ("r.currency =".to_owned(), &filter.currency),
    ];
    for (condition, value) in &conditions {
        if let Some(value) = value {
            and(condition, value);
        }
    }
    if let Some((column, status)) = &filter.standing {
        and(&format!("{} =", column.column()), status);
        if matches!(status.as_str(), "broken" | "not_due") {
            // What is not proven on one link is not proven in all; these are the words of the
            // partial index.
            sql.push_str(" AND p.overall IN ('broken', 'not_due')");
        }
    }
    if let Some((after_day, after_id)) = &filter.after {
        values.extend([Value::Text(after_day.clone()), Value::Text(after_id.clone())]);
        let last = values.len();
        // The first condition follows from the second, and is one that an index is entered by.
        let first = last - 1;
        sql.push_str(&format!(" AND {day} <= ${first} AND ({day}, {id}) < (${first}, ${last})"));
    }
    values.push(Value::Int(filter.limit));
    sql.push_str(&format!(" ORDER BY {day} DESC, {id} DESC LIMIT ${}", values.len()));
    tx.query(&sql, &values)?.iter().map(shown).collect()
}

const SHOWN_SALES: &str = "SELECT r.id, r.connection, r.kind, r.external_id, r.number, r.state,
     r.day, r.amount, r.currency, r.entity, r.waiting, r.waiting_since, r.mapping_version FROM";

/// These roots as lists show them, in no order.
pub fn find_roots(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<ShownRoot>> {
    let rows = many::query(tx, &format!("{SHOWN} WHERE id IN ({{}})"), ids)?;
    rows.iter().map(shown).collect()
}

/// The first and the last day with a sale.
pub fn sale_days(tx: &mut Tx<'_>) -> Result<Option<(String, String)>> {
    let mut end = |order: &str| -> Result<Option<String>> {
        let sql = format!(
            "SELECT day FROM roots WHERE kind = 'sale' AND COALESCE(day, '') > ''
             ORDER BY COALESCE(day, '') {order}, id {order} LIMIT 1"
        );
        tx.query_one(&sql, values![])?.map_or(Ok(None), |row| row.opt_text(0))
    };
    Ok(end("ASC")?.zip(end("DESC")?))
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

/// How many sales have parts without their order.
pub fn sales_without_order(tx: &mut Tx<'_>) -> Result<i64> {
    let row = tx.query_one(
        "SELECT COUNT(*) FROM roots WHERE waiting IS NOT NULL AND waiting = 'order'",
        values![],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
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
