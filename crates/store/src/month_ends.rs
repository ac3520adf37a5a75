//! What the sales of a channel come to on the receivable up to a day, which of them were invoiced, and
//! the ends of months that were decided.

use jiff::civil::Date;
use trueup_domain::money::{Currency, Money};

use crate::database::{StoreError, Tx};
use crate::{Result, values};

/// What one kind of fact of a sale did to the receivable, debit positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnReceivable {
    pub sale: String,
    pub number: String,
    pub kind: String,
    pub amount: Money,
}

/// The sales of a channel on whose receivable more was taken than asked for by the end of a day, in
/// their order, each with its facts by kind.
pub fn receivable_below_zero(
    tx: &mut Tx<'_>,
    connection: &str,
    until: Date,
) -> Result<Vec<OnReceivable>> {
    const OWN: &str = "e.role = 'receivable' AND e.booker NOT IN ('other', 'memo') AND e.day <= $2";
    let sql = format!(
        "SELECT e.root, r.number, e.kind, e.currency, CAST(SUM(e.amount) AS BIGINT)
         FROM entry_lines e JOIN roots r ON r.id = e.root
         WHERE r.connection = $1 AND r.kind = 'sale' AND {OWN} AND e.root IN (
             SELECT e.root FROM entry_lines e JOIN roots r ON r.id = e.root
             WHERE r.connection = $1 AND r.kind = 'sale' AND {OWN}
             GROUP BY e.root, e.currency HAVING SUM(e.amount) < 0)
         GROUP BY e.root, r.number, e.kind, e.currency ORDER BY e.root, e.currency, e.kind"
    );
    let rows = tx.query(&sql, values![connection, until.to_string()])?;
    rows.iter()
        .map(|row| {
            let currency = Currency::parse(&row.text(3)?).map_err(StoreError::corrupt)?;
            Ok(OnReceivable {
                sale: row.text(0)?,
                number: row.text(1)?,
                kind: row.text(2)?,
                amount: Money::from_minor(row.int(4)?, currency),
            })
        })
        .collect()
}

/// The sales of a channel, by root and number, of which goods were invoiced `from..=until`.
pub fn invoiced(
    tx: &mut Tx<'_>,
    connection: &str,
    (from, until): (Date, Date),
) -> Result<Vec<(String, String)>> {
    let rows = tx.query(
        "SELECT DISTINCT e.root, r.number FROM entry_lines e JOIN roots r ON r.id = e.root
         WHERE r.connection = $1 AND r.kind = 'sale' AND e.kind = 'sale' AND e.role = 'sales'
             AND e.booker NOT IN ('other', 'memo') AND e.day >= $2 AND e.day <= $3
         ORDER BY e.root",
        values![connection, from.to_string(), until.to_string()],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// The roots of the ends of months that were decided for a channel.
pub fn decided(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT id FROM roots WHERE connection = $1 AND kind = 'month_end' ORDER BY id",
        values![connection],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}
