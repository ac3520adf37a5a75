//! One module for each command of `trueup`.

pub mod audit;
pub mod backup;
pub mod cases;
pub mod check;
pub mod close;
pub mod completeness;
pub mod correct;
pub mod decode;
pub mod entries;
pub mod explain;
pub mod hold;
pub mod ingest;
pub mod init;
pub mod invoice;
pub mod mapping;
pub mod odoo;
pub mod poll;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod retry;
pub mod schedules;
pub mod serve;
pub mod trace;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::civil::Date;

/// Writes a command's answer. A reader that went away, such as `head`, is no error.
pub fn say(text: &str) -> Result<()> {
    say_bytes(text.as_bytes())
}

/// Writes an answer that is no text.
pub fn say_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Writes an answer as JSON.
pub fn say_json(value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    say(&text)
}

/// The first day of a month that is written as `2026-10`.
fn month(text: &str) -> Result<Date, String> {
    let day = format!("{text}-01").parse::<Date>();
    day.map_err(|_| format!("`{text}` is no month: write it as 2026-10"))
}

/// The same path with something behind its name.
fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
