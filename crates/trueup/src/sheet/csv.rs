//! CSV as RFC 4180 writes it.
//!
//! What came from outside can be read as a formula by a spreadsheet: a text that begins like one
//! gets an apostrophe before it. Numbers are written as they are; a negative one is no formula.

use super::{Sheet, Value};

pub fn written(sheet: &Sheet) -> String {
    let mut out = String::new();
    let heads = sheet.columns.iter().map(|(name, _)| quoted(name));
    line(&mut out, heads);
    for row in &sheet.rows {
        line(
            &mut out,
            row.iter().map(|value| match value {
                Value::Text(text) => quoted(&guarded(text)),
                Value::Number(number) => number.to_string(),
                Value::Nothing => String::new(),
            }),
        );
    }
    out
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push_str(&cells.collect::<Vec<_>>().join(","));
    out.push_str("\r\n");
}

fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::super::Holds;
    use super::*;

    #[test]
    fn g12_texts_are_no_formulas_and_numbers_stay_numbers() {
        let mut sheet = Sheet::new("sales");
        sheet.column("sku", Holds::Text);
        sheet.column("net_sales", Holds::Number { scale: 2 });
        let rows = [
            ("=HYPERLINK(\"x\")", Value::Number(Decimal::new(-1050, 2))),
            ("+1", Value::Nothing),
            ("-1", Value::Nothing),
            ("@SUM", Value::Nothing),
            ("\tx", Value::Nothing),
            ("a,b", Value::Nothing),
            ("plain", Value::Number(Decimal::new(123_456_789_012_345_678, 2))),
        ];
        sheet.rows = rows.into_iter().map(|(text, number)| vec![text.into(), number]).collect();
        assert_eq!(
            written(&sheet),
            "sku,net_sales\r\n\"'=HYPERLINK(\"\"x\"\")\",-10.50\r\n'+1,\r\n'-1,\r\n'@SUM,\r\n'\tx,\r\n\
             \"a,b\",\r\nplain,1234567890123456.78\r\n"
        );
    }
}
