//! The report of units that buyers sent back to Amazon's warehouses: goods, and no money.

use trueup_connect::DecodeError;
use trueup_domain::document::{Document, Return, ReturnLine, ReturnStatus, Version};

use crate::settlement::moment;
use crate::settlement::table::{Row, Table, short};

/// What only this report has: the label on each unit.
pub const HEADING: &str = "license-plate-number";

pub fn documents(table: &Table<'_>) -> Result<Vec<Document>, DecodeError> {
    table.rows().iter().map(|row| one(table, row).map(Document::from)).collect()
}

fn one(table: &Table<'_>, row: &Row<'_>) -> Result<Return, DecodeError> {
    let needed =
        |heading: &str| table.filled(row, heading).ok_or_else(|| DecodeError::field(heading));
    let returned = moment("return-date", table.cell(row, "return-date"))?;
    let order = needed("order-id")?;
    let quantity = table.cell(row, "quantity");
    let quantity = quantity
        .parse::<i64>()
        .ok()
        .filter(|quantity| *quantity > 0)
        .ok_or_else(|| DecodeError::field(format!("quantity `{}`", short(quantity))))?;
    let condition = [table.filled(row, "reason"), table.filled(row, "detailed-disposition")];
    let condition: Vec<String> = condition.into_iter().flatten().collect();
    Ok(Return {
        // A unit that is sold again keeps its label.
        id: format!("{order}/{}/{returned}", needed(HEADING)?),
        order,
        version: Version::at(returned),
        status: ReturnStatus::Closed,
        lines: vec![ReturnLine {
            // The report names goods, not the line of the order.
            line: needed("sku")?,
            quantity,
            reason: (!condition.is_empty()).then(|| condition.join(", ")),
        }],
    })
}
