//! Queries about many values at once.

use crate::Result;
use crate::database::{Row, Tx, Value};

/// So many values to a statement. One size for all, so that few texts are prepared.
const TOGETHER: usize = 64;

/// Runs a query for each few of the values; `{}` stands for their list. Rows come in no order.
pub(crate) fn query(tx: &mut Tx<'_>, sql: &str, values: &[String]) -> Result<Vec<Row>> {
    let places: Vec<String> = (1..=TOGETHER).map(|place| format!("${place}")).collect();
    let sql = sql.replace("{}", &places.join(", "));
    let mut rows = Vec::new();
    for few in values.chunks(TOGETHER) {
        // The rest of the list repeats a value of it, which finds nothing more.
        let last = few.last().into_iter().cycle();
        let filled = few.iter().chain(last).take(TOGETHER);
        let filled: Vec<Value> = filled.map(|value| Value::Text(value.clone())).collect();
        rows.extend(tx.query(&sql, &filled)?);
    }
    Ok(rows)
}
