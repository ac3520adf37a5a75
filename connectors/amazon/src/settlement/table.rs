//! The file as rows under headings. Columns are found by heading, because files have 23 or 24 of
//! them and Amazon adds more.

use std::borrow::Cow;
use std::collections::BTreeMap;

use trueup_connect::DecodeError;
use trueup_connect::message::BODY_BYTES_MAX;

/// More rows than this are no settlement of two weeks.
const ROWS_MAX: usize = 2_000_000;

pub struct Table<'a> {
    headings: BTreeMap<&'a str, usize>,
    rows: Vec<Row<'a>>,
}

pub struct Row<'a> {
    /// Counted from 1, the heading not counted: the row's name inside its file.
    pub number: usize,
    cells: Vec<&'a str>,
}

impl<'a> Table<'a> {
    pub fn read(text: &'a str) -> Result<Self, DecodeError> {
        let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
        let heading = lines.next().unwrap_or_default();
        let mut headings = BTreeMap::new();
        for (at, name) in heading.split('\t').map(str::trim).enumerate() {
            if headings.insert(name, at).is_some() && !name.is_empty() {
                return Err(unreadable(format!("two columns are called `{}`", short(name))));
            }
        }
        let mut rows = Vec::new();
        for (at, line) in lines.enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            if rows.len() == ROWS_MAX {
                return Err(unreadable(format!("more than {ROWS_MAX} rows")));
            }
            rows.push(Row { number: at + 1, cells: line.split('\t').map(str::trim).collect() });
        }
        let columns = headings.len();
        if let [before @ .., last] = rows.as_slice()
            && last.cells.len() < columns
            && before.iter().all(|row| row.cells.len() == columns)
        {
            return Err(unreadable(format!("cut off in row {}", last.number)));
        }
        Ok(Self { headings, rows })
    }

    pub fn has(&self, heading: &str) -> bool {
        self.headings.contains_key(heading)
    }

    pub fn rows(&self) -> &[Row<'a>] {
        &self.rows
    }

    /// The cell under a heading; empty where the row is shorter or the column absent.
    pub fn cell(&self, row: &Row<'a>, heading: &str) -> &'a str {
        let at = self.headings.get(heading);
        at.and_then(|at| row.cells.get(*at)).copied().unwrap_or_default()
    }

    pub fn filled(&self, row: &Row<'a>, heading: &str) -> Option<String> {
        Some(self.cell(row, heading)).filter(|cell| !cell.is_empty()).map(str::to_owned)
    }
}

/// Amazon writes UTF-8 or a single-byte character set and does not say which; headings and codes
/// are ASCII in both.
pub fn text_of(body: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    let body = body.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(body);
    Ok(match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(body.iter().map(|&byte| char::from(byte)).collect()),
    })
}

pub fn unreadable(why: impl Into<String>) -> DecodeError {
    DecodeError::Unreadable(why.into())
}

/// Error texts quote little of what came from outside.
pub fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
