//! What the sub-ledger holds between sale and payout: its movements, and which of them the books do not
//! have.

use trueup_domain::money::Currency;

use crate::database::{Row, StoreError, Tx};
use crate::{Result, values};

/// So many roots of what is missing are named; the count says how many there are.
const SOME_MAX: i64 = 50;

/// What moved the clearing of one provider, in minor units of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub entity: String,
    /// The provider's connection, or the channel's own word for a gateway without one.
    pub qualifier: String,
    pub currency: String,
    /// The kind of the facts: `capture`, `refund_paid`, `ledger_row`, `payout`, `match`.
    pub kind: String,
    /// Before the first day.
    pub before: i64,
    /// From the first day to the last.
    pub within: i64,
}

/// The movements of all clearing before and in the days `from..=to` (ISO dates).
pub fn movements(tx: &mut Tx<'_>, (from, to): (&str, &str)) -> Result<Vec<Movement>> {
    let rows = tx.query(
        "SELECT entity, qualifier, currency, kind,
             CAST(SUM(CASE WHEN day < $1 THEN amount ELSE 0 END) AS BIGINT),
             CAST(SUM(CASE WHEN day >= $1 THEN amount ELSE 0 END) AS BIGINT)
         FROM entry_lines WHERE role = 'clearing' AND day <= $2
         GROUP BY entity, qualifier, currency, kind ORDER BY entity, qualifier, currency, kind",
        values![from, to],
    )?;
    let read = |row: &Row| {
        Ok(Movement {
            entity: row.text(0)?,
            qualifier: row.text(1)?,
            currency: row.text(2)?,
            kind: row.text(3)?,
            before: row.int(4)?,
            within: row.int(5)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The rows of a provider's ledger that were in no payout at the end of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPaidOut {
    pub count: i64,
    /// Minor units.
    pub amount: i64,
    /// The day of the oldest.
    pub since: Option<String>,
    /// Some of the roots, the oldest first.
    pub some: Vec<String>,
}

/// What the rows were worth that no payout up to a day (ISO date) holds.
pub fn not_paid_out(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    to: &str,
) -> Result<NotPaidOut> {
    const ROWS: &str = "FROM items r WHERE r.live = 1 AND r.kind = 'payout_row' AND r.entity = $1
         AND r.currency = $2 AND r.day <= $3
         AND (SUBSTR(r.key, 1, LENGTH(CAST($4 AS TEXT))) = $4
             OR (SUBSTR(r.key, 1, LENGTH(CAST($5 AS TEXT))) = $5 AND NOT EXISTS (
                 SELECT 1 FROM items p WHERE p.key = r.key AND p.kind = 'payout' AND p.live = 1
                     AND p.day <= $3)))";
    let (unpaid, payout) = (format!("unpaid/{provider}/"), format!("payout/{provider}/"));
    let code = currency.code();
    let sql =
        format!("SELECT COUNT(*), CAST(COALESCE(SUM(r.amount), 0) AS BIGINT), MIN(r.day) {ROWS}");
    let row = tx.query_one(&sql, values![entity, code, to, &unpaid, &payout])?;
    let Some(row) = row else { return Err(StoreError::corrupt("a sum without its row")) };
    let (count, amount, since) = (row.int(0)?, row.int(1)?, row.opt_text(2)?);
    let sql = format!("SELECT r.root {ROWS} ORDER BY r.day, r.root LIMIT $6");
    let some = tx.query(&sql, values![entity, code, to, &unpaid, &payout, SOME_MAX])?;
    let some = some.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
    Ok(NotPaidOut { count, amount, since, some })
}

/// Payouts up to a day (ISO date) that did not take from clearing what their rows had put there: their
/// keys, what the rows put there and what the payout moved since, in minor units.
pub fn payouts_unlike_their_rows(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    to: &str,
) -> Result<Vec<(String, i64, i64)>> {
    let rows = tx.query(
        "SELECT x.key, CAST(x.rows AS BIGINT), CAST(x.taken AS BIGINT) FROM (
             SELECT p.key, COALESCE((SELECT SUM(r.amount) FROM items r WHERE r.key = p.key
                     AND r.kind = 'payout_row' AND r.live = 1 AND r.currency = $3
                     AND r.day <= $4), 0) AS rows,
                 COALESCE((SELECT SUM(e.amount) FROM entry_lines e WHERE e.root = p.root
                     AND e.role = 'clearing' AND e.currency = $3 AND e.day <= $4), 0) AS taken
             FROM items p WHERE p.live = 1 AND p.kind = 'payout' AND p.entity = $1
                 AND SUBSTR(p.key, 1, LENGTH(CAST($2 AS TEXT))) = $2 AND p.currency = $3
                 AND p.day <= $4) x
         WHERE x.rows + x.taken <> 0 ORDER BY x.key",
        values![entity, format!("payout/{provider}/"), currency.code(), to],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?, row.int(2)?))).collect()
}

/// Rows of a ledger up to a day (ISO date) by which a payout that failed came back, by root, in minor
/// units. They move nothing in the sub-ledger, where the payout itself takes back what it had moved.
pub fn rows_of_what_came_back(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    to: &str,
) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT r.root, CAST(SUM(r.amount) AS BIGINT) FROM documents d
         JOIN items r ON r.root = d.root AND r.kind = 'payout_row' AND r.live = 1
         WHERE d.connection = $2 AND d.kind = 'ledger_row' AND d.word = 'payoutreturn'
             AND d.currency = $3 AND r.entity = $1 AND r.currency = $3 AND r.day <= $4
         GROUP BY r.root ORDER BY r.root",
        values![entity, provider, currency.code(), to],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Payouts up to a day (ISO date) whose rows nobody names, by root: what they took from clearing.
pub fn payouts_without_rows(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    to: &str,
) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT e.root, CAST(SUM(e.amount) AS BIGINT) FROM entry_lines e
         WHERE e.entity = $1 AND e.role = 'clearing' AND e.qualifier = $2 AND e.currency = $3
             AND e.kind = 'payout' AND e.day <= $4 AND NOT EXISTS (SELECT 1 FROM items p
                 WHERE p.root = e.root AND p.kind = 'payout' AND p.live = 1
                     AND p.key LIKE 'payout/%' AND p.day <= $4)
         GROUP BY e.root HAVING SUM(e.amount) <> 0 ORDER BY e.root",
        values![entity, provider, currency.code(), to],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Why lines of clearing are not in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInBooks {
    /// `not_gathered`: older than the day since which the ledger goes into the books, of an unknown
    /// type, or no day is named; `in_no_entry`: gathered, and its payout or month is not complete; `not_applied`: its
    /// entry is asked for and the books do not have it; `dated_later`: its entry is of a later day;
    /// `by_another_hand`: what somebody ties in the books themselves.
    pub why: String,
    pub count: i64,
    /// Minor units.
    pub amount: i64,
    /// Some of the roots.
    pub some: Vec<String>,
}

/// The lines on a provider's clearing up to a day, other than captures and refunds, that the books do
/// not have by then.
pub fn not_in_books(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    to: &str,
) -> Result<Vec<NotInBooks>> {
    const LINES: &str =
        "SELECT e.root, e.amount, CASE WHEN e.booker = 'other' THEN 'by_another_hand'
             WHEN s.root IS NULL THEN 'not_gathered'
             WHEN s.entry IS NULL THEN 'in_no_entry'
             WHEN s.dated > $4 THEN 'dated_later'
             WHEN NOT EXISTS (SELECT 1 FROM commands c WHERE c.root = s.summary
                 AND c.part = CAST(s.entry AS TEXT) AND c.state = 'applied'
                 AND c.fact_kind = 'entry') THEN 'not_applied'
             ELSE '' END AS why
         FROM entry_lines e LEFT JOIN summary_rows s ON s.root = e.root AND s.kind = e.kind
             AND s.part = e.part AND s.generation = e.generation AND s.reversal = e.reversal
         WHERE e.entity = $1 AND e.role = 'clearing' AND e.qualifier = $2 AND e.currency = $3
             AND e.day <= $4 AND e.kind NOT IN ('capture', 'refund_paid')";
    let rows = tx.query(
        &format!(
            "SELECT x.why, COUNT(*), CAST(SUM(x.amount) AS BIGINT) FROM ({LINES}) x
             WHERE x.why <> '' GROUP BY x.why HAVING SUM(x.amount) <> 0 ORDER BY x.why"
        ),
        values![entity, provider, currency.code(), to],
    )?;
    let mut found = Vec::new();
    for row in &rows {
        let why = row.text(0)?;
        let some = tx.query(
            &format!(
                "SELECT x.root FROM ({LINES}) x WHERE x.why = $5
                 GROUP BY x.root HAVING SUM(x.amount) <> 0 ORDER BY x.root LIMIT $6"
            ),
            values![entity, provider, currency.code(), to, &why, SOME_MAX],
        )?;
        let some = some.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
        found.push(NotInBooks { why, count: row.int(1)?, amount: row.int(2)?, some });
    }
    Ok(found)
}
