//! Immutable versions of what a source's words mean in the books.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use trueup_domain::mapping::Mapping;

use crate::audit::{self, Done, MAPPING};
use crate::database::{Row, StoreError, Tx};
use crate::{Result, documents, many, values};

/// Saves a new version and makes every root due that waits for one. Returns its number.
pub fn approve(
    tx: &mut Tx<'_>,
    connection: &str,
    mapping: &Mapping,
    author: &str,
    reason: &str,
    now: Timestamp,
) -> Result<i64> {
    let newest = tx.query_one(
        "SELECT COALESCE(MAX(version), 0) FROM mappings WHERE connection = $1",
        values![connection],
    )?;
    let version = newest.map(|row| row.int(0)).transpose()?.unwrap_or(0) + 1;
    let mut mapping = mapping.clone();
    mapping.version = version;
    let body = serde_json::to_string(&mapping).map_err(StoreError::corrupt)?;
    tx.write(
        "INSERT INTO mappings (connection, version, body, author, reason, effective_from,
             approved_at) VALUES ($1, $2, $3, $4, $5, '', $6)",
        values![connection, version, body, author, reason, now.as_microsecond()],
    )?;
    let subject = format!("{connection}/{version}");
    let detail = Detail { reason, basis: audit::basis(tx, MAPPING, &subject)? };
    let done = Done { kind: MAPPING, subject: &subject, person: author, detail };
    audit::record(tx, &done, now)?;
    documents::raise_waiting(tx, connection)?;
    // What their ledgers say goes into the books by the mappings of the channels that name them.
    let providers = mapping.gateways.values().filter_map(|gateway| gateway.provider.as_deref());
    for provider in providers.collect::<BTreeSet<_>>() {
        documents::raise_waiting(tx, provider)?;
    }
    Ok(version)
}

/// Who approved a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub version: i64,
    pub author: String,
}

/// The versions after one, in their order.
pub fn approved_since(tx: &mut Tx<'_>, connection: &str, version: i64) -> Result<Vec<Approval>> {
    let rows = tx.query(
        "SELECT version, author FROM mappings WHERE connection = $1 AND version > $2
         ORDER BY version",
        values![connection, version],
    )?;
    rows.iter().map(|row| Ok(Approval { version: row.int(0)?, author: row.text(1)? })).collect()
}

/// What the audit keeps of an approval, beside the mapping itself.
#[derive(Serialize)]
struct Detail<'a> {
    reason: &'a str,
    basis: Option<String>,
}

/// The newest version, or the pinned one.
pub fn get(tx: &mut Tx<'_>, connection: &str, pinned: Option<i64>) -> Result<Option<Mapping>> {
    let Some(version) = pinned else {
        return Ok(newest_each(tx, &[connection])?.into_iter().next().flatten());
    };
    let row = tx.query_one(
        "SELECT body FROM mappings WHERE connection = $1 AND version = $2",
        values![connection, version],
    )?;
    row.as_ref().map(read).transpose()
}

/// The newest versions of several connections, in their order.
pub fn newest_each(tx: &mut Tx<'_>, connections: &[&str]) -> Result<Vec<Option<Mapping>>> {
    let found = tx.query_each(
        "SELECT body FROM mappings WHERE connection = $1 ORDER BY version DESC LIMIT 1",
        &many::each(connections.iter().copied()),
    )?;
    found.iter().map(|rows| rows.first().map(read).transpose()).collect()
}

/// The mappings that say where the money of a provider's connection stands, with the channels that
/// they are of: its own if it has one, else those that name it. Newest versions.
pub fn of_provider(tx: &mut Tx<'_>, provider: &str) -> Result<Vec<(String, Mapping)>> {
    let rows = tx.query(
        "SELECT m.body, m.connection FROM mappings m
         WHERE m.version = (SELECT MAX(n.version) FROM mappings n WHERE n.connection = m.connection)
         ORDER BY m.connection",
        values![],
    )?;
    let mut found = Vec::new();
    for row in &rows {
        let (connection, mapping) = (row.text(1)?, read(row)?);
        if connection == provider {
            return Ok(vec![(connection, mapping)]);
        }
        if mapping.names_provider(provider) {
            found.push((connection, mapping));
        }
    }
    Ok(found)
}

fn read(row: &Row) -> Result<Mapping> {
    serde_json::from_str(&row.text(0)?).map_err(StoreError::corrupt)
}
