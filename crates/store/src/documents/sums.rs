//! What the documents of a side sum to: the totals that the bridges start from and end at.

use jiff::Timestamp;
use trueup_domain::document::Kind;
use trueup_domain::money::Currency;

use crate::database::Tx;
use crate::{Result, values};

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
    tx.write(
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
