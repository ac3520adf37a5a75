//! `load()` in create-once mode: the record and its external id commit in one transaction, and a
//! replay finds the id and writes nothing.
//!
//! Its traps, each met on a real server: errors come with status 200; an error that appears only
//! in a batch is blamed on the first record as well as on the guilty one; an empty cell of a line
//! is not "default" but "none"; records are told apart by their first row being the only one with
//! cells of the record itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use trueup_connect::CallError;

use crate::outcome;

/// Rows and columns for one `load()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    head: Vec<&'static str>,
    /// Groups of columns, one for each one2many field. A line fills one group.
    groups: Vec<Vec<&'static str>>,
    rows: Vec<Vec<String>>,
    pub records: usize,
}

/// A line of a record: the group of columns it fills, and its cells.
pub struct Line {
    pub group: usize,
    pub cells: Vec<String>,
}

impl Table {
    pub fn new(head: &[&'static str], groups: &[&[&'static str]]) -> Self {
        let groups = groups.iter().map(|group| group.to_vec()).collect();
        Self { head: head.to_vec(), groups, rows: Vec::new(), records: 0 }
    }

    /// Adds a record. The first line shares its row, the others have rows of their own.
    pub fn record(&mut self, head: Vec<String>, lines: &[Line]) {
        debug_assert_eq!(head.len(), self.head.len(), "as many cells as columns");
        self.records += 1;
        let empty = vec![String::new(); self.head.len()];
        if lines.is_empty() {
            let row = self.row(&head, None);
            self.rows.push(row);
        }
        for (index, line) in lines.iter().enumerate() {
            let row = self.row(if index == 0 { &head } else { &empty }, Some(line));
            self.rows.push(row);
        }
    }

    fn row(&self, head: &[String], line: Option<&Line>) -> Vec<String> {
        let mut row: Vec<String> = head.iter().map(|cell| clean(cell)).collect();
        for (index, group) in self.groups.iter().enumerate() {
            match line {
                Some(line) if line.group == index => {
                    debug_assert_eq!(line.cells.len(), group.len(), "as many cells as columns");
                    row.extend(line.cells.iter().map(|cell| clean(cell)));
                }
                _ => row.extend(std::iter::repeat_n(String::new(), group.len())),
            }
        }
        row
    }

    pub fn arguments(&self) -> Value {
        let fields: Vec<&str> =
            self.head.iter().chain(self.groups.iter().flatten()).copied().collect();
        let rows = self.rows.iter().map(|row| {
            fields.iter().zip(row).map(|(field, cell)| argument(field, cell)).collect::<Vec<_>>()
        });
        json!({ "fields": fields, "data": rows.collect::<Vec<_>>() })
    }
}

/// A reference to one record goes as a number: of a text Odoo first asks whether it means "no" in
/// any language of the database. A reference to several is a list in a text and stays one.
fn argument(field: &str, cell: &str) -> Value {
    let one = field.ends_with("/.id") && !field.ends_with("_ids/.id");
    match cell.parse::<u32>() {
        Ok(id) if one => json!(id),
        _ => json!(cell),
    }
}

/// PostgreSQL has no NUL in text; anything else is a person's own business.
fn clean(cell: &str) -> String {
    cell.replace('\0', "")
}

/// The context of create-once: an existing key is returned untouched.
pub fn once() -> [(&'static str, Value); 2] {
    [("mode", json!("update")), ("noupdate", json!(true))]
}

/// What became of a `load()` that was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// One id for each record, in order, and what Odoo warned about, by record.
    Ids { ids: Vec<i64>, warnings: BTreeMap<usize, String> },
    /// Nothing was kept, because of these records. The others may be sent again without them.
    Bad(BTreeMap<usize, CallError>),
    /// Nothing was kept, and no record is to blame.
    Nothing(CallError),
}

#[derive(Deserialize)]
struct Answer {
    ids: Ids,
    #[serde(default)]
    messages: Vec<Remark>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    Made(Vec<i64>),
    Nothing(#[expect(dead_code, reason = "`false`, which only shapes the match")] bool),
}

#[derive(Deserialize)]
struct Remark {
    record: Option<usize>,
    #[serde(rename = "type", default)]
    severity: String,
    #[serde(default)]
    message: String,
}

/// Reads the answer to a `load()` of `records` records. An answer that does not fit the question is
/// no answer: something was perhaps made, and nobody guesses which (B21).
pub fn read(body: &[u8], records: usize) -> Result<Loaded, CallError> {
    let lost = |why: &str| CallError::ReplyLost { why: why.to_owned() };
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| lost("the answer of load() has another shape"))?;
    match answer.ids {
        Ids::Made(ids) => {
            let distinct: BTreeSet<i64> = ids.iter().copied().filter(|id| *id > 0).collect();
            if ids.len() != records || distinct.len() != records {
                return Err(lost("load() returned ids of other records than were sent"));
            }
            let said = answer.messages.into_iter();
            let warnings = said.filter_map(|it| Some((it.record?, it.message))).collect();
            Ok(Loaded::Ids { ids, warnings })
        }
        Ids::Nothing(_) => Ok(blame(&answer.messages, records)),
    }
}

fn blame(messages: &[Remark], records: usize) -> Loaded {
    let errors: Vec<&Remark> = messages.iter().filter(|it| it.severity != "warning").collect();
    let mut bad = BTreeMap::new();
    let mut unnamed = None;
    for (index, remark) in errors.iter().enumerate() {
        let error = outcome::refusal(&remark.message);
        if !matches!(error, CallError::Refused { .. }) {
            return Loaded::Nothing(error);
        }
        match remark.record {
            // What went wrong with the batch is reported as record 0, before the real culprits.
            Some(0) if index == 0 && errors.len() > 1 => unnamed = Some(error),
            Some(record) if record < records => {
                bad.entry(record).or_insert(error);
            }
            _ => unnamed = Some(error),
        }
    }
    if bad.is_empty() {
        let silent =
            || outcome::refused("refused_by_odoo", "load() kept nothing and named no reason");
        return Loaded::Nothing(unnamed.unwrap_or_else(silent));
    }
    Loaded::Bad(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn only_the_first_row_of_a_record_has_cells_of_its_own() {
        let mut table = Table::new(&["id", "ref"], &[&["a/x"], &["b/y", "b/z"]]);
        let lines = [
            Line { group: 0, cells: cells(&["1"]) },
            Line { group: 1, cells: cells(&["2", "3\0"]) },
        ];
        table.record(cells(&["k.1", "R"]), &lines);
        table.record(cells(&["k.2", "S"]), &[]);
        let expected = json!({
            "fields": ["id", "ref", "a/x", "b/y", "b/z"],
            "data": [["k.1", "R", "1", "", ""], ["", "", "", "2", "3"], ["k.2", "S", "", "", ""]],
        });
        assert_eq!((table.arguments(), table.records), (expected, 2));
    }

    #[test]
    fn a_reference_to_one_record_is_a_number() {
        let mut table =
            Table::new(&["id", ".id", "user_id/.id", "team_id/.id", "ref"], &[&["a/tax_ids/.id"]]);
        let lines = [Line { group: 0, cells: cells(&["5"]) }];
        table.record(cells(&["k.1", "3", "7", "", "9"]), &lines);
        assert_eq!(table.arguments()["data"], json!([["k.1", "3", 7, "", "9", "5"]]));
    }

    fn refused_records(body: &Value, records: usize) -> Vec<usize> {
        match read(body.to_string().as_bytes(), records) {
            Ok(Loaded::Bad(bad)) => bad.into_keys().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn b27_an_answer_without_ids_is_a_failure() {
        let body = json!({"ids": false, "messages": [
            {"record": 2, "type": "error", "message": "No matching record found for database id '9'"},
            {"record": 1, "type": "error", "message": "The payment amount cannot be negative."},
        ]});
        assert_eq!(refused_records(&body, 3), [1, 2]);
    }

    #[test]
    fn an_error_of_the_batch_is_not_the_first_record_s_fault() {
        let body = json!({"ids": false, "messages": [
            {"record": 0, "type": "error", "message": "all of it is wrong"},
            {"record": 1, "type": "error", "message": "this is wrong"},
        ]});
        assert_eq!(refused_records(&body, 3), [1]);
        let alone =
            json!({"ids": false, "messages": [{"record": 0, "type": "error", "message": "wrong"}]});
        assert_eq!(refused_records(&alone, 3), [0]);
    }

    #[test]
    fn b28_a_conflict_among_messages_is_a_reason_to_wait() {
        let body = json!({"ids": false, "messages": [{"record": 0, "type": "error",
            "message": "could not serialize access due to concurrent update"}]});
        let loaded = read(body.to_string().as_bytes(), 1);
        assert!(matches!(loaded, Ok(Loaded::Nothing(CallError::Busy { .. }))), "{loaded:?}");
    }

    #[test]
    fn b21_ids_that_do_not_fit_the_question_prove_nothing() {
        for ids in
            [json!([1]), json!([1, 2, 3]), json!([1, 1]), json!([1, 0]), json!([1, "2"]), json!({})]
        {
            let body = json!({"ids": ids, "messages": []}).to_string();
            let loaded = read(body.as_bytes(), 2);
            assert!(matches!(loaded, Err(CallError::ReplyLost { .. })), "{body}: {loaded:?}");
        }
    }
}
