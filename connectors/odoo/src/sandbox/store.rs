//! Records, and the transaction around each call: what a call changed is undone when it fails.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A value of a field. Amounts are exact, whatever Odoo does inside.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    #[default]
    Nothing,
    Flag(bool),
    Whole(i64),
    Number(Decimal),
    Text(String),
    Link(i64),
    Links(Vec<i64>),
    Json(String),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Odoo writes floats with a point, always.
    pub fn number(value: Decimal) -> Value {
        let text = value.normalize().to_string();
        let text = if text.contains('.') { text } else { format!("{text}.0") };
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

pub type Record = BTreeMap<&'static str, Cell>;

/// Reading a record with Odoo's "nothing" folded into zero and empty.
pub trait Fields {
    fn cell(&self, field: &str) -> &Cell;
    fn amount(&self, field: &str) -> Decimal {
        match self.cell(field) {
            Cell::Number(value) => *value,
            Cell::Whole(value) => Decimal::from(*value),
            _ => Decimal::ZERO,
        }
    }
    fn word(&self, field: &str) -> &str {
        match self.cell(field) {
            Cell::Text(text) => text,
            _ => "",
        }
    }
    fn link(&self, field: &str) -> Option<i64> {
        match self.cell(field) {
            Cell::Link(id) => Some(*id),
            _ => None,
        }
    }
    fn links(&self, field: &str) -> &[i64] {
        match self.cell(field) {
            Cell::Links(ids) => ids,
            _ => &[],
        }
    }
    fn flag(&self, field: &str) -> bool {
        matches!(self.cell(field), Cell::Flag(true))
    }
}

impl Fields for Record {
    fn cell(&self, field: &str) -> &Cell {
        self.get(field).unwrap_or(&Cell::Nothing)
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    rows: BTreeMap<i64, Record>,
    last: i64,
}

/// What a call did to the store, newest last.
#[derive(Clone, Debug)]
enum Done {
    Row { model: &'static str, id: i64, before: Option<Record> },
    Key { key: String, before: Option<(&'static str, i64)> },
    Counter { name: String, before: i64 },
}

#[derive(Clone, Debug, Default)]
pub struct Store {
    tables: BTreeMap<&'static str, Table>,
    /// `module.name` to the record it names.
    keys: BTreeMap<String, (&'static str, i64)>,
    counters: BTreeMap<String, i64>,
    done: Vec<Done>,
}

impl Store {
    pub fn mark(&self) -> usize {
        self.done.len()
    }

    pub fn commit(&mut self) {
        self.done.clear();
    }

    /// Undoes everything since `mark`. Like PostgreSQL's, sequences of ids do not go back.
    pub fn rollback(&mut self, mark: usize) {
        while self.done.len() > mark {
            match self.done.pop() {
                Some(Done::Row { model, id, before }) => {
                    let rows = &mut self.tables.entry(model).or_default().rows;
                    match before {
                        Some(record) => rows.insert(id, record),
                        None => rows.remove(&id),
                    };
                }
                Some(Done::Key { key, before }) => {
                    match before {
                        Some(target) => self.keys.insert(key, target),
                        None => self.keys.remove(&key),
                    };
                }
                Some(Done::Counter { name, before }) => {
                    self.counters.insert(name, before);
                }
                None => break,
            }
        }
    }

    pub fn get(&self, model: &str, id: i64) -> Option<&Record> {
        self.tables.get(model)?.rows.get(&id)
    }

    pub fn all(&self, model: &str) -> impl Iterator<Item = (i64, &Record)> {
        let rows = self.tables.get(model).map(|table| &table.rows);
        rows.into_iter().flatten().map(|(id, record)| (*id, record))
    }

    pub fn insert(&mut self, model: &'static str, record: Record) -> i64 {
        let table = self.tables.entry(model).or_default();
        table.last += 1;
        let id = table.last;
        table.rows.insert(id, record);
        self.done.push(Done::Row { model, id, before: None });
        id
    }

    /// Puts a record where the real template has it; later ids follow it.
    pub fn insert_at(&mut self, model: &'static str, id: i64, record: Record) {
        let table = self.tables.entry(model).or_default();
        table.last = table.last.max(id);
        table.rows.insert(id, record);
    }

    pub fn update(&mut self, model: &'static str, id: i64, change: impl FnOnce(&mut Record)) {
        let Some(row) = self.tables.get_mut(model).and_then(|table| table.rows.get_mut(&id)) else {
            return;
        };
        self.done.push(Done::Row { model, id, before: Some(row.clone()) });
        change(row);
    }

    pub fn set(&mut self, model: &'static str, id: i64, field: &'static str, cell: Cell) {
        self.update(model, id, |row| {
            row.insert(field, cell);
        });
    }

    /// Deletes a record, and with it the external ids that name it.
    pub fn delete(&mut self, model: &'static str, id: i64) {
        let Some(row) = self.tables.get_mut(model).and_then(|table| table.rows.remove(&id)) else {
            return;
        };
        self.done.push(Done::Row { model, id, before: Some(row) });
        let named: Vec<String> = self
            .keys
            .iter()
            .filter(|(_, target)| **target == (model, id))
            .map(|(key, _)| key.clone())
            .collect();
        for key in named {
            let before = self.keys.remove(&key);
            self.done.push(Done::Key { key, before });
        }
    }

    pub fn keyed(&self, key: &str) -> Option<(&'static str, i64)> {
        self.keys.get(key).copied()
    }

    pub fn all_keys(&self) -> impl Iterator<Item = (&str, i64)> {
        self.keys.iter().map(|(key, (_, id))| (key.as_str(), *id))
    }

    pub fn key(&mut self, key: &str, model: &'static str, id: i64) {
        let before = self.keys.insert(key.to_owned(), (model, id));
        self.done.push(Done::Key { key: key.to_owned(), before });
    }

    /// The next number of a series, such as a journal's of one year.
    pub fn next(&mut self, name: &str) -> i64 {
        let counter = self.counters.entry(name.to_owned()).or_default();
        let before = *counter;
        *counter += 1;
        let next = *counter;
        self.done.push(Done::Counter { name: name.to_owned(), before });
        next
    }
}

/// What Odoo answers when it does not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub name: &'static str,
    pub message: String,
}

impl Fault {
    pub fn user(message: impl Into<String>) -> Self {
        Self { status: 422, name: "odoo.exceptions.UserError", message: message.into() }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: 422, name: "odoo.exceptions.ValidationError", message: message.into() }
    }
    pub fn access(message: impl Into<String>) -> Self {
        Self { status: 403, name: "odoo.exceptions.AccessError", message: message.into() }
    }
    pub fn missing(model: &str, id: i64) -> Self {
        let message = format!(
            "Record does not exist or has been deleted.\n(Record: {model}({id},), User: 5)"
        );
        Self { status: 404, name: "odoo.exceptions.MissingError", message }
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, name: "werkzeug.exceptions.NotFound", message: message.into() }
    }
    pub fn value(message: impl Into<String>) -> Self {
        Self { status: 500, name: "builtins.ValueError", message: message.into() }
    }
    pub fn arguments(message: impl Into<String>) -> Self {
        Self {
            status: 422,
            name: "werkzeug.exceptions.UnprocessableEntity",
            message: message.into(),
        }
    }

    pub fn body(&self) -> Value {
        json!({
            "name": self.name,
            "message": self.message,
            "arguments": [self.message],
            "context": {},
            "debug": "Traceback (most recent call last): …",
        })
    }
}
