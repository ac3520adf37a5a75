//! A report as a table for files: named columns, texts and exact numbers.

pub mod csv;
pub mod parquet;
pub mod xlsx;

use rust_decimal::Decimal;

/// What a column holds; numbers have so many digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Text,
    Number { scale: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(Decimal),
    Nothing,
}

/// Each row has a value for each column, of the kind that the column holds, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    pub name: String,
    pub columns: Vec<(String, Holds)>,
    pub rows: Vec<Vec<Value>>,
}

impl Sheet {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub fn column(&mut self, name: &str, holds: Holds) {
        self.columns.push((name.to_owned(), holds));
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<trueup_domain::Money> for Value {
    fn from(money: trueup_domain::Money) -> Self {
        Self::Number(money.decimal())
    }
}

impl From<i64> for Value {
    fn from(count: i64) -> Self {
        Self::Number(Decimal::from(count))
    }
}
