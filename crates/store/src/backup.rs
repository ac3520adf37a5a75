//! A database as one file, made while the hub runs, and what such a file holds.

use std::path::Path;

use rusqlite::OpenFlags;

use crate::database::{Engine, Tx};
use crate::{Result, StoreError, messages, migrate};

/// What a database file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The number of the newest migration.
    pub version: i64,
    pub messages: i64,
    /// When the newest message was received, microseconds since the epoch.
    pub newest: Option<i64>,
}

/// Writes one consistent state of the SQLite database `from` into the new file `to`. Whoever writes
/// to `from` meanwhile does not wait.
///
/// # Errors
/// `to` exists, or cannot be written; `from` is damaged.
pub fn write(from: &Path, to: &Path) -> Result<()> {
    let connection = rusqlite::Connection::open_with_flags(
        from,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let name = to.to_str().ok_or_else(|| {
        StoreError::Unavailable(format!("`{}` is not a name that SQLite can open", to.display()))
    })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(|error| {
        StoreError::Unavailable(format!("`{}` could not be synced: {error}", to.display()))
    })
}

/// Checks every page and index of a database file, and says what it holds. Nothing is changed.
///
/// # Errors
/// It is no database of Trueup, is damaged, or belongs to a newer version.
pub fn inspect(file: &Path) -> Result<Contents> {
    let connection = rusqlite::Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(StoreError::corrupt(format!("the file is damaged: {found}")));
    }
    let mut tx = Tx(Engine::Sqlite(&connection));
    let version = migrate::known(&mut tx)?;
    let counts = messages::counts(&mut tx)?;
    Ok(Contents {
        version,
        messages: counts.iter().map(|(_, _, count, _)| count).sum(),
        newest: counts.iter().map(|(.., at)| *at).max(),
    })
}
