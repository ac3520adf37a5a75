//! What each sale adds to the reports of sales and of taxes: projections of its documents, which
//! DECIDE keeps in the transaction that decides it.

use trueup_domain::document::Remitter;
use trueup_domain::sales::figures::{Figures, Measure};
use trueup_domain::sales::sale::{Contribution, SaleRow};
use trueup_domain::sales::tax::TaxRow;

use crate::database::{Row, StoreError, Tx, Value};
use crate::{Result, many, values};

/// Where a sale belongs, beside what its documents say.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub root: &'a str,
    pub entity: &'a str,
    pub connection: &'a str,
}

/// Writes what sales add now, where it is otherwise than before; `None` adds nothing.
pub fn put(tx: &mut Tx<'_>, sales: &[(Place<'_>, Option<&Contribution>)]) -> Result<()> {
    let rows = sales.iter().map(|(place, now)| {
        let rows = now.iter().flat_map(|it| it.rows.iter().map(|row| line(*place, it, row)));
        (place.root, rows.collect())
    });
    replace(tx, "sale_rows", &line_columns(), 3, rows.collect())?;
    let taxes = sales.iter().map(|(place, now)| {
        let rows = now.iter().flat_map(|it| it.taxes.iter().map(|row| tax(*place, it, row)));
        (place.root, rows.collect())
    });
    let columns: Vec<String> = TAX_COLUMNS.iter().map(|it| (*it).to_owned()).collect();
    replace(tx, "sale_taxes", &columns, 7, taxes.collect())
}

const PLACE_COLUMNS: [&str; 10] = [
    "root",
    "document",
    "sku",
    "day",
    "order_day",
    "entity",
    "connection",
    "currency",
    "source",
    "excluded",
];

const TAX_COLUMNS: [&str; 14] = [
    "root",
    "document",
    "regime",
    "jurisdiction",
    "rate",
    "remitted_by",
    "target",
    "day",
    "order_day",
    "entity",
    "connection",
    "currency",
    "base",
    "tax",
];

fn line_columns() -> Vec<String> {
    let measures = Measure::ALL.iter().map(|measure| measure.word());
    PLACE_COLUMNS.into_iter().chain(measures).map(str::to_owned).collect()
}

fn line(place: Place<'_>, of: &Contribution, row: &SaleRow) -> Vec<Value> {
    let mut line = values![
        place.root,
        &row.document,
        &row.sku,
        row.day.to_string(),
        row.order_day.to_string(),
        place.entity,
        place.connection,
        of.currency.code(),
        &of.source,
        row.excluded
    ]
    .to_vec();
    line.extend(Measure::ALL.iter().map(|measure| Value::Int(row.figures.get(*measure))));
    line
}

fn tax(place: Place<'_>, of: &Contribution, row: &TaxRow) -> Vec<Value> {
    values![
        place.root,
        &row.document,
        row.key.regime.word(),
        &row.key.jurisdiction,
        row.key.rate.to_string(),
        remitter_word(row.key.remitted_by),
        &row.key.target,
        row.day.to_string(),
        row.order_day.to_string(),
        place.entity,
        place.connection,
        of.currency.code(),
        row.base,
        row.tax
    ]
    .to_vec()
}

/// A stable word for who remits a tax.
pub const fn remitter_word(who: Remitter) -> &'static str {
    match who {
        Remitter::Merchant => "us",
        Remitter::Marketplace => "marketplace",
    }
}

/// Replaces those rows of roots that are otherwise than before. The first `keys` columns name a row.
fn replace(
    tx: &mut Tx<'_>,
    table: &str,
    columns: &[String],
    keys: usize,
    now: Vec<(&str, Vec<Vec<Value>>)>,
) -> Result<()> {
    let list = columns.join(", ");
    let sql = format!("SELECT {list} FROM {table} WHERE root = $1");
    let roots = many::each(now.iter().map(|(root, _)| *root));
    let found = tx.query_each(&sql, &roots)?;
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for (before, (_, rows)) in found.into_iter().zip(now) {
        let mut before: Vec<Vec<Value>> = before.into_iter().map(Row::into_values).collect();
        for row in rows {
            match before.iter().position(|old| *old == row) {
                Some(same) => {
                    before.swap_remove(same);
                }
                None => changed.push(row),
            }
        }
        gone.append(&mut before);
    }
    let by_key: Vec<String> = columns
        .iter()
        .take(keys)
        .enumerate()
        .map(|(index, column)| format!("{column} = ${}", index + 1))
        .collect();
    let delete = format!("DELETE FROM {table} WHERE {}", by_key.join(" AND "));
    for row in gone {
        tx.write(&delete, row.get(..keys).unwrap_or_default())?;
    }
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
    let insert = format!("INSERT INTO {table} ({list}) VALUES ({})", places.join(", "));
    for row in changed {
        tx.write(&insert, &row)?;
    }
    Ok(())
}

/// What the sums are divided by, beside the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Connection,
    Entity,
    Source,
    Sku,
    Day,
}

impl By {
    const fn column(self, basis: Basis) -> &'static str {
        match self {
            Self::Connection => "s.connection",
            Self::Entity => "s.entity",
            Self::Source => "s.source",
            Self::Sku => "s.sku",
            Self::Day => basis.column(),
        }
    }
}

/// On which day a refund counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// Its own.
    #[default]
    Refund,
    /// That of its order: cohorts.
    Order,
}

impl Basis {
    const fn column(self) -> &'static str {
        match self {
            Self::Refund => "s.day",
            Self::Order => "s.order_day",
        }
    }
}

/// Which documents are summed; what is `None` does not narrow them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// ISO dates, both included.
    pub from: String,
    pub to: String,
    pub basis: Basis,
    pub connection: Option<String>,
    pub entity: Option<String>,
    pub currency: Option<String>,
    pub source: Option<String>,
    pub sku: Option<String>,
}

impl Filter {
    /// The condition on rows called `s`, and its values.
    fn condition(&self) -> (String, Vec<Value>) {
        let day = self.basis.column();
        let mut sql = format!("{day} >= $1 AND {day} <= $2");
        let mut values = values![&self.from, &self.to].to_vec();
        let narrow = [
            ("s.connection", &self.connection),
            ("s.entity", &self.entity),
            ("s.currency", &self.currency),
            ("s.source", &self.source),
            ("s.sku", &self.sku),
        ];
        for (column, value) in narrow {
            if let Some(value) = value {
                values.push(Value::Text(value.clone()));
                sql.push_str(&format!(" AND {column} = ${}", values.len()));
            }
        }
        (sql, values)
    }
}

/// Sums of what counts, each with its currency and its words in the order of `by`.
pub fn sums(
    tx: &mut Tx<'_>,
    filter: &Filter,
    by: &[By],
) -> Result<Vec<(String, Vec<String>, Figures)>> {
    let columns = by.iter().map(|by| by.column(filter.basis));
    let columns: Vec<&str> = std::iter::once("s.currency").chain(columns).collect();
    let columns = columns.join(", ");
    let (condition, values) = filter.condition();
    let rows = tx.query(
        &format!(
            "SELECT {columns}, {} FROM sale_rows s WHERE {condition} AND s.excluded = ''
             GROUP BY {columns} ORDER BY {columns}",
            summed()
        ),
        &values,
    )?;
    rows.iter()
        .map(|row| {
            let words = (1..=by.len()).map(|place| row.text(place)).collect::<Result<_>>()?;
            Ok((row.text(0)?, words, figures(row, by.len() + 1)?))
        })
        .collect()
}

fn summed() -> String {
    let sums = Measure::ALL.iter().map(|it| format!("CAST(SUM(s.{}) AS BIGINT)", it.word()));
    sums.collect::<Vec<_>>().join(", ")
}

fn figures(row: &Row, first: usize) -> Result<Figures> {
    let mut figures = Figures::default();
    for (index, measure) in Measure::ALL.iter().enumerate() {
        figures.add(*measure, row.int(first + index)?).map_err(StoreError::corrupt)?;
    }
    Ok(figures)
}

/// A document behind the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub root: String,
    /// What people call the order.
    pub number: String,
    /// `order/<id>`, `refund/<id>` or `payment/<id>`.
    pub document: String,
    pub day: String,
    pub order_day: String,
    pub currency: String,
    /// Why it counts nowhere; empty where it counts.
    pub excluded: String,
    pub figures: Figures,
}

/// Where a page of documents ended: the day of the filter's basis, root and document.
pub type After = (String, String, String);

/// The documents behind the sums, or those that count nowhere; newest day first.
pub fn documents(
    tx: &mut Tx<'_>,
    filter: &Filter,
    excluded: bool,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Behind>> {
    let day = filter.basis.column();
    let (mut condition, mut values) = filter.condition();
    condition.push_str(if excluded { " AND s.excluded <> ''" } else { " AND s.excluded = ''" });
    if let Some((last, root, document)) = after {
        let (first, second, third) = (values.len() + 1, values.len() + 2, values.len() + 3);
        // The first condition follows from the second, and is one that an index is entered by.
        condition.push_str(&format!(
            " AND {day} <= ${first}
             AND ({day}, s.root, s.document) < (${first}, ${second}, ${third})"
        ));
        values.extend_from_slice(values![last, root, document]);
    }
    values.push(Value::Int(limit));
    let columns = "s.root, s.document, s.day, s.order_day, s.currency, s.excluded, r.number";
    let rows = tx.query(
        &format!(
            "SELECT {columns}, {} FROM sale_rows s JOIN roots r ON r.id = s.root
             WHERE {condition} GROUP BY {columns}
             ORDER BY {day} DESC, s.root DESC, s.document DESC LIMIT ${}",
            summed(),
            values.len()
        ),
        &values,
    )?;
    rows.iter()
        .map(|row| {
            Ok(Behind {
                root: row.text(0)?,
                document: row.text(1)?,
                day: row.text(2)?,
                order_day: row.text(3)?,
                currency: row.text(4)?,
                excluded: row.text(5)?,
                number: row.text(6)?,
                figures: figures(row, 7)?,
            })
        })
        .collect()
}

/// What counts nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    pub reason: String,
    pub currency: String,
    pub documents: i64,
    /// Orders less refunds, as the channel states them; minor units.
    pub stated: i64,
}

pub fn excluded(tx: &mut Tx<'_>, filter: &Filter) -> Result<Vec<Excluded>> {
    let (condition, values) = filter.condition();
    let rows = tx.query(
        &format!(
            "SELECT s.excluded, s.currency, COUNT(DISTINCT s.root || ' ' || s.document),
                 CAST(SUM(s.stated) AS BIGINT)
             FROM sale_rows s WHERE {condition} AND s.excluded <> ''
             GROUP BY s.excluded, s.currency ORDER BY s.excluded, s.currency"
        ),
        &values,
    )?;
    rows.iter()
        .map(|row| {
            Ok(Excluded {
                reason: row.text(0)?,
                currency: row.text(1)?,
                documents: row.int(2)?,
                stated: row.int(3)?,
            })
        })
        .collect()
}

/// The tax that we remit of one document on the days `from..=to` (ISO dates), by tax of the books.
pub fn taxes_of(
    tx: &mut Tx<'_>,
    connection: &str,
    document: &str,
    (from, to): (&str, &str),
) -> Result<Vec<(String, i64)>> {
    let (kind, id) = document.split_once('/').unwrap_or((document, ""));
    let rows = tx.query(
        "SELECT t.target, CAST(SUM(t.tax) AS BIGINT) FROM documents d
         JOIN sale_taxes t ON t.root = d.root AND t.document = d.kind || '/' || d.external_id
         WHERE d.connection = $1 AND d.kind = $2 AND d.external_id = $3
             AND t.remitted_by = 'us' AND t.day >= $4 AND t.day <= $5
         GROUP BY t.target ORDER BY t.target",
        values![connection, kind, id, from, to],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// The sum of one tax on the documents of one day; `order_day` is that of the sales they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxSum {
    pub entity: String,
    pub connection: String,
    pub currency: String,
    pub regime: String,
    pub jurisdiction: String,
    pub rate: String,
    pub remitted_by: String,
    pub target: String,
    pub day: String,
    pub order_day: String,
    /// Minor units.
    pub base: i64,
    pub tax: i64,
    pub documents: i64,
}

/// Sums of the days `from..=to` (ISO dates) by every part of a tax's key and by day.
pub fn taxes(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<TaxSum>> {
    const COLUMNS: &str = "entity, connection, currency, regime, jurisdiction, rate, remitted_by,
         target, day, order_day";
    let rows = tx.query(
        &format!(
            "SELECT {COLUMNS}, CAST(SUM(base) AS BIGINT), CAST(SUM(tax) AS BIGINT), COUNT(*)
             FROM sale_taxes WHERE day >= $1 AND day <= $2
             GROUP BY {COLUMNS} ORDER BY {COLUMNS}"
        ),
        values![from, to],
    )?;
    rows.iter()
        .map(|row| {
            Ok(TaxSum {
                entity: row.text(0)?,
                connection: row.text(1)?,
                currency: row.text(2)?,
                regime: row.text(3)?,
                jurisdiction: row.text(4)?,
                rate: row.text(5)?,
                remitted_by: row.text(6)?,
                target: row.text(7)?,
                day: row.text(8)?,
                order_day: row.text(9)?,
                base: row.int(10)?,
                tax: row.int(11)?,
                documents: row.int(12)?,
            })
        })
        .collect()
}
