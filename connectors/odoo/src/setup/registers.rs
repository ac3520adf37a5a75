//! Whether the registers of this Odoo can be read: by a connection of their own, with the same user.

use super::report::{Finding, SetupReport, granted};
use super::{Caller, SetupError, Wanted};

/// What reads registers, beside what reads the books.
pub const RIGHTS: &[(&str, &str)] = &[
    ("pos.order", "read"),
    ("pos.order.line", "read"),
    ("pos.payment", "read"),
    ("pos.payment.method", "read"),
    ("pos.session", "read"),
    ("pos.config", "read"),
];

const MODULE: &str = "point_of_sale";

/// Asks with the hub user's own key, where the module is there. What lacks stands in nobody's way:
/// the books need none of it.
pub fn registers(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    report: &SetupReport,
) -> Result<Vec<Finding>, SetupError> {
    if !report.modules.contains_key(MODULE) {
        return Ok(Vec::new());
    }
    let mut lacking = Vec::new();
    for (model, operation) in RIGHTS {
        if !granted(call, wanted, model, operation)? {
            lacking.push(format!("{operation} {model}"));
        }
    }
    let text = if lacking.is_empty() {
        "point of sale is installed: a connection of the connector odoo-pos can read its registers"
            .to_owned()
    } else {
        format!(
            "point of sale is installed, and the hub's user may not {}: to read its registers by a \
             connection of the connector odoo-pos, he needs the group Point of Sale: User",
            lacking.join(", ")
        )
    };
    Ok(vec![Finding { blocks: false, code: "registers", text }])
}
