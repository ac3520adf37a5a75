//! Queries about many values at once.

use crate::Result;
use crate::database::{Row, Tx, Value};

/// So many values to a statement. One size for all, so that few texts are prepared.
const TOGETHER: usize = 64;

/// Runs a query for each few of the values; `{}` stands for their list. Rows come in no order.
pub(crate) fn query(tx: &mut Tx<'_>, sql: &str, values: &[String]) -> Result<Vec<Row>> {
    let sql = with_places(sql);
    let mut rows = Vec::new();
    for few in values.chunks(TOGETHER) {
        rows.extend(tx.query(&sql, &filled(few))?);
    }
    Ok(rows)
}

/// Runs a statement for each few of the values; `{}` stands for their list. Returns how many rows
/// changed.
pub(crate) fn execute(tx: &mut Tx<'_>, sql: &str, values: &[String]) -> Result<u64> {
    let sql = with_places(sql);
    let mut changed = 0;
    for few in values.chunks(TOGETHER) {
        changed += tx.execute(&sql, &filled(few))?;
    }
    Ok(changed)
}

/// The values of a query that is asked of each of these ([`Tx::query_each`]).
pub(crate) fn each(values: impl IntoIterator<Item = impl Into<Value>>) -> Vec<Vec<Value>> {
    values.into_iter().map(|value| vec![value.into()]).collect()
}

fn with_places(sql: &str) -> String {
    let places: Vec<String> = (1..=TOGETHER).map(|place| format!("${place}")).collect();
    sql.replace("{}", &places.join(", "))
}

/// The rest of the list repeats a value of it, which finds nothing more.
fn filled(few: &[String]) -> Vec<Value> {
    let last = few.last().into_iter().cycle();
    let filled = few.iter().chain(last).take(TOGETHER);
    filled.map(|value| Value::Text(value.clone())).collect()
}
