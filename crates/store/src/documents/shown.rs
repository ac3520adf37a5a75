//! Roots as people find and list them.

use jiff::Timestamp;

use crate::database::{Row, Tx, Value};
use crate::{Result, many, values};

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

/// Roots that wait for their source and for which it was last asked before `before`, those that were
/// not asked for longest first. Counts as asking: what is missing now is not told again until it is
/// not asked for as long. What a clock that ran ahead has asked was not.
pub fn take_unasked(
    tx: &mut Tx<'_>,
    before: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<ShownRoot>> {
    let (before, now) = (before.as_microsecond(), now.as_microsecond());
    let rows = tx.query(
        &format!(
            "{SHOWN} WHERE waiting IS NOT NULL AND waiting <> 'mapping'
             AND (asked_at <= $1 OR asked_at > $2) ORDER BY asked_at, id LIMIT $3"
        ),
        values![before, now, limit],
    )?;
    for row in &rows {
        tx.write("UPDATE roots SET asked_at = $2 WHERE id = $1", values![row.text(0)?, now])?;
    }
    rows.iter().map(shown).collect()
}
