//! `load()`: cells to records, all or none, and its way of telling what was wrong.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::books::MOVE;
use super::schema::{self, Field, Kind, Model};
use super::store::{Cell, Fault, Fields, Record};
use super::world::{Call, World};

/// A move's field for journal items, beside the one for invoice lines.
const ITEMS: &str = "line_ids";

/// A record as it was sent.
struct Sent {
    key: Option<String>,
    id: Option<i64>,
    values: Record,
    lines: Vec<(&'static str, Record)>,
    /// The head names `line_ids`, and this record fills none of it: Odoo stumbles over that.
    no_items: bool,
    rows: (usize, usize),
}

struct Remark {
    record: usize,
    rows: (usize, usize),
    field: Option<&'static str>,
    message: String,
}

impl World {
    pub(super) fn load(
        &mut self,
        call: &Call,
        model: &'static Model,
        arguments: &Value,
    ) -> Result<Value, Fault> {
        let texts = |value: &Value| -> Option<Vec<String>> {
            value
                .as_array()?
                .iter()
                .map(|it| match it {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    Value::Bool(flag) => Some(if *flag { "True" } else { "False" }.to_owned()),
                    _ => None,
                })
                .collect()
        };
        let wrong = || Fault::arguments("missing a required argument: 'fields' or 'data'");
        let fields = texts(&arguments["fields"]).ok_or_else(wrong)?;
        let data = arguments["data"].as_array().ok_or_else(wrong)?;
        let rows = data.iter().map(texts).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let paths =
            fields.iter().map(|field| Path::parse(model, field)).collect::<Result<Vec<_>, _>>()?;
        let mark = self.store.mark();
        let (sent, mut remarks) = self.read_rows(model, &paths, &rows);
        let mut ids = Vec::new();
        let mut first_failure = None;
        for (number, record) in &sent {
            let mark = self.store.mark();
            match self.load_one(call, model, record) {
                Ok(id) => ids.push(id),
                Err(fault) => {
                    self.store.rollback(mark);
                    if first_failure.is_none() {
                        first_failure = Some((*number, fault.message.clone()));
                    }
                    remarks.push(Remark {
                        record: *number,
                        rows: record.rows,
                        field: None,
                        message: fault.message,
                    });
                }
            }
        }
        if remarks.is_empty() {
            return Ok(json!({ "ids": ids, "messages": [], "nextrow": 0 }));
        }
        self.store.rollback(mark);
        // What failed in the batch is blamed on its first record, before the guilty is named.
        if let (Some((guilty, message)), Some((first, record))) = (first_failure, sent.first())
            && guilty != *first
        {
            remarks.insert(0, Remark { record: *first, rows: record.rows, field: None, message });
        }
        let messages: Vec<Value> = remarks
            .into_iter()
            .map(|it| {
                let mut message = json!({
                    "rows": {"from": it.rows.0, "to": it.rows.1},
                    "record": it.record,
                    "type": "error",
                    "message": it.message,
                });
                if let Some(field) = it.field {
                    message["field"] = json!(field);
                }
                message
            })
            .collect();
        Ok(json!({ "ids": false, "messages": messages, "nextrow": 0 }))
    }

    fn load_one(&mut self, call: &Call, model: &'static Model, sent: &Sent) -> Result<i64, Fault> {
        let known = sent.key.as_deref().and_then(|key| self.store.keyed(key));
        let existing = match (known, sent.id) {
            (Some((_, id)), _) | (None, Some(id)) => self.store.get(model.name, id).map(|_| id),
            (None, None) => None,
        };
        let may = self.lets(call, model);
        match existing {
            Some(id) if call.once && sent.key.is_some() => Ok(id),
            Some(id) => {
                self.may(may, model)?;
                self.write(call, model, id, sent.values.clone())?;
                for (field, line) in &sent.lines {
                    self.add_line(call, model, id, field, line.clone())?;
                }
                Ok(id)
            }
            None => {
                self.may(may, model)?;
                if sent.no_items {
                    return Err(Fault::user(
                        "Unknown error during import: <class 'TypeError'>: 'bool' object is not \
                         iterable",
                    ));
                }
                let id = self.create(call, model, sent.values.clone(), sent.lines.clone())?;
                if let Some(key) = &sent.key {
                    self.store.key(key, model.name, id);
                }
                Ok(id)
            }
        }
    }

    pub(super) fn lets(&self, call: &Call, model: &Model) -> bool {
        call.user != super::world::HUB_USER
            || (model.hub_writes && !self.denied.contains(model.name))
    }

    /// Deletes drafts. Who invoices may delete documents and payments; who sells, no orders.
    pub(super) fn unlink(&mut self, model: &'static Model, ids: &[i64]) -> Result<(), Fault> {
        let lines = match model.name {
            "account.move" => "line_ids",
            "account.payment" => "",
            _ => {
                return Err(Fault::access(format!(
                    "You are not allowed to delete '{}' ({}) records.",
                    model.label, model.name
                )));
            }
        };
        for id in ids {
            let Some(it) = self.store.get(model.name, *id) else {
                return Err(Fault::missing(model.name, *id));
            };
            if it.word("state") != "draft" {
                return Err(Fault::user(
                    "You can't delete a posted journal item. Don't play games with your accounting \
                     records; reset the journal entry to draft before deleting it.",
                ));
            }
            let lines = if lines.is_empty() { Vec::new() } else { it.links(lines).to_vec() };
            for line in lines {
                self.store.delete("account.move.line", line);
            }
            self.store.delete(model.name, *id);
        }
        Ok(())
    }

    pub(super) fn may(&self, may: bool, model: &Model) -> Result<(), Fault> {
        if may {
            return Ok(());
        }
        Err(Fault::access(format!(
            "You are not allowed to create '{}' ({}) records.\n\nThis operation is allowed for the \
             following groups:\n\t- Accounting/Administrator\n\nContact your administrator to \
             request access if necessary.",
            model.label, model.name
        )))
    }

    fn read_rows(
        &self,
        model: &'static Model,
        paths: &[Path],
        rows: &[Vec<String>],
    ) -> (Vec<(usize, Sent)>, Vec<Remark>) {
        let mut sent: Vec<(usize, Sent)> = Vec::new();
        let mut remarks: Vec<Remark> = Vec::new();
        let mut number = 0;
        let mut index = 0;
        while let Some(row) = rows.get(index) {
            let only_lines = |row: &Vec<String>| {
                let filled = |line: bool| {
                    paths
                        .iter()
                        .zip(row)
                        .any(|(path, cell)| path.is_line() == line && !cell.is_empty())
                };
                filled(true) && !filled(false)
            };
            let span = 1 + rows.iter().skip(index + 1).take_while(|row| only_lines(row)).count();
            let place = (index, index + span - 1);
            let mut record = Sent {
                key: None,
                id: None,
                values: Record::new(),
                lines: Vec::new(),
                no_items: false,
                rows: place,
            };
            let before = remarks.len();
            let mut complain = |field, message| {
                remarks.push(Remark { record: number, rows: place, field: Some(field), message })
            };
            for (path, cell) in paths.iter().zip(row) {
                match path {
                    Path::Key => record.key = Some(cell.clone()).filter(|key| !key.is_empty()),
                    Path::Id => match cell
                        .parse()
                        .ok()
                        .filter(|id| self.store.get(model.name, *id).is_some())
                    {
                        Some(id) => record.id = Some(id),
                        None => complain(".id", format!("Unknown database identifier '{cell}'")),
                    },
                    Path::Own(column) => match self.convert_cell(column, cell) {
                        Ok(value) => {
                            record.values.insert(column.field.name, value);
                        }
                        Err(message) => complain(column.field.name, message),
                    },
                    Path::Line(..) => {}
                }
            }
            for row in rows.iter().skip(index).take(span) {
                let mut lines: Vec<(&'static str, Record, bool)> = Vec::new();
                for (path, cell) in paths.iter().zip(row) {
                    let Path::Line(parent, column) = path else { continue };
                    if !lines.iter().any(|(name, ..)| *name == parent.name) {
                        lines.push((parent.name, Record::new(), false));
                    }
                    let Some(line) = lines.iter_mut().find(|(name, ..)| *name == parent.name)
                    else {
                        continue;
                    };
                    line.2 |= !cell.is_empty();
                    match self.convert_cell(column, cell) {
                        Ok(value) => {
                            line.1.insert(column.field.name, value);
                        }
                        Err(message) => complain(parent.name, message),
                    }
                }
                let filled = lines.into_iter().filter(|(_, _, filled)| *filled);
                record.lines.extend(filled.map(|(name, line, _)| (name, line)));
            }
            let of_items =
                |path: &Path| matches!(path, Path::Line(field, _) if field.name == ITEMS);
            record.no_items = model.name == MOVE
                && paths.iter().any(of_items)
                && !record.lines.iter().any(|(field, _)| *field == ITEMS);
            if remarks.len() == before {
                sent.push((number, record));
            }
            number += 1;
            index += span;
        }
        (sent, remarks)
    }

    fn convert_cell(&self, column: &Column, cell: &str) -> Result<Cell, String> {
        if cell.is_empty() {
            return Ok(match column.field.kind {
                Kind::Links(_) => Cell::Links(Vec::new()),
                _ => Cell::Nothing,
            });
        }
        let label = column.field.label;
        let find = |other: &str, text: &str| -> Result<i64, String> {
            let found = if column.by_key {
                self.store.keyed(text).filter(|(model, _)| *model == other).map(|(_, id)| id)
            } else {
                text.parse().ok().filter(|id| self.store.get(other, *id).is_some())
            };
            let how = if column.by_key { "external id" } else { "database id" };
            found.ok_or_else(|| {
                format!("No matching record found for {how} '{text}' in field '{label}'")
            })
        };
        match column.field.kind {
            Kind::Link(other) => find(other, cell).map(Cell::Link),
            Kind::Links(other) => {
                let ids: Result<Vec<i64>, String> =
                    cell.split(',').map(|text| find(other, text.trim())).collect();
                ids.map(Cell::Links)
            }
            Kind::Flag => match cell {
                "True" | "1" => Ok(Cell::Flag(true)),
                "False" | "0" => Ok(Cell::Flag(false)),
                _ => Err(format!("Unknown value '{cell}' for boolean field '{label}'")),
            },
            Kind::Whole => cell.parse().map(Cell::Whole).map_err(|_| {
                format!("'{cell}' does not seem to be an integer for field '{label}'")
            }),
            Kind::Number => cell
                .parse::<Decimal>()
                .map(Cell::Number)
                .map_err(|_| format!("'{cell}' does not seem to be a number for field '{label}'")),
            Kind::Date => {
                cell.parse::<jiff::civil::Date>().map(|_| Cell::text(cell)).map_err(|_| {
                    format!("'{cell}' does not seem to be a valid date for field '{label}'")
                })
            }
            Kind::Moment => {
                let iso = cell.replacen(' ', "T", 1);
                iso.parse::<jiff::civil::DateTime>().map(|_| Cell::text(cell)).map_err(|_| {
                    format!("'{cell}' does not seem to be a valid datetime for field '{label}'")
                })
            }
            Kind::Json => serde_json::from_str::<Value>(cell)
                .map(|_| Cell::Json(cell.to_owned()))
                .map_err(|_| format!("'{cell}' is not JSON")),
            Kind::Text => Ok(Cell::text(cell)),
            Kind::Lines(..) => Err(format!("'{label}' takes lines")),
        }
    }
}

struct Column {
    field: &'static Field,
    by_key: bool,
}

enum Path {
    Key,
    Id,
    Own(Column),
    Line(&'static Field, Column),
}

impl Path {
    fn is_line(&self) -> bool {
        matches!(self, Self::Line(..))
    }

    fn parse(model: &'static Model, text: &str) -> Result<Self, Fault> {
        let parts: Vec<&str> = text.split('/').collect();
        let invalid = |name: &str| Fault::value(format!("Invalid field name '{name}'"));
        let column = |model: &'static Model, parts: &[&str]| -> Result<Column, Fault> {
            let [name, rest @ ..] = parts else { return Err(invalid(text)) };
            let field = model.field(name).ok_or_else(|| invalid(name))?;
            match (field.kind, rest) {
                (Kind::Link(_) | Kind::Links(_), [".id"]) => Ok(Column { field, by_key: false }),
                (Kind::Link(_) | Kind::Links(_), ["id"]) => Ok(Column { field, by_key: true }),
                (Kind::Link(_) | Kind::Links(_) | Kind::Lines(..), _) => Err(invalid(text)),
                (_, []) => Ok(Column { field, by_key: false }),
                _ => Err(invalid(text)),
            }
        };
        match parts.as_slice() {
            ["id"] => Ok(Self::Key),
            [".id"] => Ok(Self::Id),
            [name, rest @ ..] => {
                let field = model.field(name).ok_or_else(|| invalid(name))?;
                if let Kind::Lines(other, _) = field.kind {
                    let other = schema::model(other).ok_or_else(|| invalid(text))?;
                    return column(other, rest).map(|column| Self::Line(field, column));
                }
                column(model, &parts).map(Self::Own)
            }
            [] => Err(invalid(text)),
        }
    }
}
