//! Parquet: for those who load reports into a warehouse.
//!
//! A number is a `DECIMAL(18, scale)` over 64-bit integers, as exact as it is here, and without
//! decimals a plain integer; a text is UTF-8; what does not apply is null.
//!
//! <https://parquet.apache.org/docs/file-format/types/logicaltypedefinition/>

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Holds, Sheet, Value};

/// Decimal digits that every 64-bit integer has room for.
const PRECISION: i32 = 18;

/// Errors: a number with more than 18 digits, or with more decimals than its column.
pub fn written(sheet: &Sheet) -> Result<Vec<u8>> {
    let fields = sheet.columns.iter().map(|(name, holds)| field(name, *holds));
    let schema = Type::group_type_builder(&sheet.name)
        .with_fields(fields.collect::<Result<_>>()?)
        .build()?;
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default())?;
    let mut group = file.next_row_group()?;
    for (index, (name, holds)) in sheet.columns.iter().enumerate() {
        let values = sheet.rows.iter().map(|row| row.get(index).unwrap_or(&Value::Nothing));
        match holds {
            Holds::Text => column::<ByteArrayType>(&mut group, values, text),
            Holds::Number { scale } => {
                column::<Int64Type>(&mut group, values, |value| number(value, *scale))
            }
        }
        .with_context(|| format!("column {name}"))?;
    }
    group.close()?;
    Ok(file.into_inner()?)
}

fn field(name: &str, holds: Holds) -> Result<TypePtr> {
    let physical = match holds {
        Holds::Text => Physical::BYTE_ARRAY,
        Holds::Number { .. } => Physical::INT64,
    };
    let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    let field = match holds {
        Holds::Text => field.with_logical_type(Some(LogicalType::String)),
        Holds::Number { scale: 0 } => field,
        Holds::Number { scale } => {
            let scale = i32::try_from(scale)?;
            field
                .with_logical_type(Some(LogicalType::decimal(scale, PRECISION)))
                .with_converted_type(ConvertedType::DECIMAL)
                .with_precision(PRECISION)
                .with_scale(scale)
        }
    };
    Ok(Arc::new(field.build()?))
}

/// Writes the values of one column; `read` gives what is there of each.
fn column<'a, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: impl Iterator<Item = &'a Value>,
    read: impl Fn(&'a Value) -> Result<Option<T::T>>,
) -> Result<()> {
    let (mut there, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        let value = read(value)?;
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    let mut column = group.next_column()?.context("as many columns as the schema has")?;
    column.typed::<T>().write_batch(&there, Some(&levels), None)?;
    Ok(column.close()?)
}

fn text(value: &Value) -> Result<Option<ByteArray>> {
    match value {
        Value::Text(text) => Ok(Some(text.as_str().into())),
        Value::Nothing => Ok(None),
        Value::Number(number) => bail!("{number} stands among texts"),
    }
}

fn number(value: &Value, scale: u32) -> Result<Option<i64>> {
    let number = match value {
        Value::Number(number) => *number,
        Value::Nothing => return Ok(None),
        Value::Text(text) => bail!("{text:?} stands among numbers"),
    };
    let mut scaled = number;
    scaled.rescale(scale);
    let most = 10_i128.pow(PRECISION.unsigned_abs());
    if scaled != number || scaled.mantissa().abs() >= most {
        bail!("{number} does not fit into {PRECISION} digits, {scale} of them decimals");
    }
    Ok(Some(i64::try_from(scaled.mantissa())?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, RowAccessor};
    use rust_decimal::Decimal;

    use super::*;

    fn sheet(rows: Vec<Vec<Value>>) -> Sheet {
        let mut sheet = Sheet::new("sales");
        sheet.column("sku", Holds::Text);
        sheet.column("net", Holds::Number { scale: 2 });
        sheet.column("orders", Holds::Number { scale: 0 });
        sheet.rows = rows;
        sheet
    }

    #[test]
    fn what_was_written_is_read_back_exactly() {
        let net = Decimal::new(-123_456_789_012_345_678, 2);
        let bytes = written(&sheet(vec![
            vec!["=1+1".into(), Value::Number(net), 3.into()],
            vec![Value::Nothing, Value::Nothing, Value::Number(Decimal::new(70, 1))],
        ]))
        .expect("written");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        let file = SerializedFileReader::new(file).expect("a file of the format");
        let rows: Vec<_> =
            file.get_row_iter(None).expect("rows").collect::<Result<_, _>>().expect("rows");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].get_string(0).expect("text"), "=1+1");
        let fields = |row: usize| -> Vec<String> {
            rows[row].get_column_iter().map(|(name, field)| format!("{name} {field}")).collect()
        };
        assert_eq!(fields(0), ["sku \"=1+1\"", "net -1234567890123456.78", "orders 3"]);
        assert_eq!(fields(1), ["sku null", "net null", "orders 7"]);
        assert!(matches!(
            rows[0].get_column_iter().nth(1),
            Some((_, Field::Decimal(decimal))) if decimal.scale() == 2
        ));
    }

    #[test]
    fn a_number_that_does_not_fit_is_an_error() {
        for number in [Decimal::new(1, 3), Decimal::from(10_000_000_000_000_000_u64)] {
            let rows = vec![vec!["a".into(), Value::Number(number), 1.into()]];
            let error = format!("{:#}", written(&sheet(rows)).expect_err("too much"));
            assert!(error.contains("column net") && error.contains("does not fit"), "{error}");
        }
    }
}
