//! What goes into the parameters of a statement and what comes out of its rows: integers, texts and
//! bytes, on both engines.

use super::StoreError;
use crate::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => |$value:ident| $make:expr;)*) => {
        $(impl From<$from> for Value { fn from($value: $from) -> Self { $make } })*
    };
}
value_from! {
    i64 => |value| Value::Int(value);
    u32 => |value| Value::Int(i64::from(value));
    bool => |value| Value::Int(i64::from(value));
    &str => |value| Value::Text(value.to_owned());
    String => |value| Value::Text(value);
    &String => |value| Value::Text(value.clone());
    Vec<u8> => |value| Value::Blob(value);
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The parameters of a statement: `values![a, b]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] };
}

#[derive(Clone, Debug)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.0
    }
    pub fn int(&self, index: usize) -> Result<i64> {
        self.opt_int(index)?.ok_or_else(|| StoreError::corrupt(format!("column {index} is null")))
    }
    pub fn opt_int(&self, index: usize) -> Result<Option<i64>> {
        match self.0.get(index) {
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(Value::Null) => Ok(None),
            other => Err(StoreError::corrupt(format!("column {index} is {other:?}"))),
        }
    }
    pub fn text(&self, index: usize) -> Result<String> {
        self.opt_text(index)?.ok_or_else(|| StoreError::corrupt(format!("column {index} is null")))
    }
    pub fn opt_text(&self, index: usize) -> Result<Option<String>> {
        match self.0.get(index) {
            Some(Value::Text(value)) => Ok(Some(value.clone())),
            Some(Value::Null) => Ok(None),
            other => Err(StoreError::corrupt(format!("column {index} is {other:?}"))),
        }
    }
    pub fn blob(&self, index: usize) -> Result<Vec<u8>> {
        match self.0.get(index) {
            Some(Value::Blob(value)) => Ok(value.clone()),
            other => Err(StoreError::corrupt(format!("column {index} is {other:?}"))),
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}
impl rusqlite::types::FromSql for Value {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        use rusqlite::types::ValueRef;
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Text(_) => Self::Text(value.as_str()?.to_owned()),
            ValueRef::Blob(value) => Self::Blob(value.to_vec()),
            ValueRef::Real(_) => return Err(rusqlite::types::FromSqlError::InvalidType),
        })
    }
}

impl tokio_postgres::types::ToSql for Value {
    fn to_sql(
        &self,
        kind: &tokio_postgres::types::Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> std::result::Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>>
    {
        match self {
            Self::Null => Ok(tokio_postgres::types::IsNull::Yes),
            Self::Int(value) => value.to_sql(kind, out),
            // PostgreSQL has no text with a zero byte, and a hostile name must not stop a stage.
            Self::Text(value) if value.contains('\0') => {
                value.replace('\0', "\u{FFFD}").to_sql(kind, out)
            }
            Self::Text(value) => value.to_sql(kind, out),
            Self::Blob(value) => value.to_sql(kind, out),
        }
    }
    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
    tokio_postgres::types::to_sql_checked!();
}

pub(super) fn postgres_row(row: &tokio_postgres::Row) -> Result<Row> {
    use tokio_postgres::types::Type;
    let value = |index: usize, kind: &Type| -> Result<Value> {
        Ok(match *kind {
            Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
            // No column is one, but a literal is: `SELECT 1`.
            Type::INT4 => row.try_get::<_, Option<i32>>(index)?.map(i64::from).into(),
            Type::TEXT | Type::VARCHAR | Type::NAME => {
                row.try_get::<_, Option<String>>(index)?.into()
            }
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.into(),
            ref other => return Err(StoreError::corrupt(format!("unexpected type {other}"))),
        })
    };
    let columns = row.columns().iter().enumerate();
    columns.map(|(index, column)| value(index, column.type_())).collect::<Result<_>>().map(Row)
}
