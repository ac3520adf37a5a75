//! `extra_tax_data`: the cell that forces a line's taxes to the channel's cent.
//!
//! Odoo takes it only while currency, price, quantity and discount are those of the line and every
//! tax of the line is named; otherwise it computes silently. So totals are read back.

use std::fmt::Write;

use trueup_domain::command::DocumentLine;

/// The JSON text of the cell; empty for a line without tax. The amounts are those of the document's
/// currency: Odoo converts them into the company's at its own rate.
pub fn cell(line: &DocumentLine, currency: i64) -> String {
    if line.taxes.is_empty() {
        return String::new();
    }
    // All taxes of a line share its base; they are listed apart because compound taxes need not.
    let without_tax = line.taxes.first().map_or(line.amount, |tax| tax.base);
    let mut text = format!(
        "{{\"currency_id\":{currency},\"price_unit\":{},\"discount\":0.0,\"quantity\":{},\
         \"manual_total_excluded_currency\":{},\"manual_tax_amounts\":{{",
        line.unit_price.normalize(),
        line.quantity.normalize(),
        without_tax.amount_text(),
    );
    for (index, tax) in line.taxes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // A tax's id is digits: the mapping's references are checked before.
        let id: String = tax.tax.chars().filter(char::is_ascii_digit).collect();
        let _ = write!(
            text,
            "{comma}\"{id}\":{{\"tax_amount_currency\":{},\"base_amount_currency\":{}}}",
            tax.amount.amount_text(),
            tax.base.amount_text(),
        );
    }
    text.push_str("}}");
    text
}

/// The taxes of a line for a many2many cell: `1,2`.
pub fn ids(line: &DocumentLine) -> String {
    let ids: Vec<&str> = line.taxes.iter().map(|tax| tax.tax.as_str()).collect();
    ids.join(",")
}
