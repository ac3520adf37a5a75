//! Numbered migrations; an applied one is checked by hash, never run again.

use trueup_domain::key;

use crate::database::{StoreError, Tx};
use crate::{Result, values};

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_first_light.sql")),
    (2, include_str!("../migrations/0002_sales.sql")),
    (3, include_str!("../migrations/0003_fees.sql")),
    (4, include_str!("../migrations/0004_tokens.sql")),
    (5, include_str!("../migrations/0005_excess.sql")),
    (7, include_str!("../migrations/0007_holds.sql")),
    (8, include_str!("../migrations/0008_breakers.sql")),
    (10, include_str!("../migrations/0010_summaries.sql")),
    (11, include_str!("../migrations/0011_summary_of_payouts.sql")),
    (12, include_str!("../migrations/0012_waits.sql")),
    (13, include_str!("../migrations/0013_causes.sql")),
    (14, include_str!("../migrations/0014_listings.sql")),
    (15, include_str!("../migrations/0015_summary_of_goods.sql")),
    (16, include_str!("../migrations/0016_skips.sql")),
    (17, include_str!("../migrations/0017_schedules.sql")),
    (18, include_str!("../migrations/0018_identities.sql")),
    (19, include_str!("../migrations/0019_paces.sql")),
    (20, include_str!("../migrations/0020_processes.sql")),
    (21, include_str!("../migrations/0021_corrections.sql")),
    (22, include_str!("../migrations/0022_audit.sql")),
    (23, include_str!("../migrations/0023_ledgers.sql")),
    (24, include_str!("../migrations/0024_ledgers_again.sql")),
    (25, include_str!("../migrations/0025_commands_sent.sql")),
    (26, include_str!("../migrations/0026_roots_asked.sql")),
    (27, include_str!("../migrations/0027_conversations_kept.sql")),
];

/// Brings the schema to the newest version, in the transaction of the caller: what fails or is killed
/// half way leaves the version that was there before.
pub fn run(tx: &mut Tx<'_>) -> Result<()> {
    tx.batch(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, hash TEXT NOT NULL)",
    )?;
    tx.lock_migrations()?;
    known(tx)?;
    for (number, sql) in MIGRATIONS {
        let applied = "SELECT hash FROM migrations WHERE number = $1";
        if tx.query_one(applied, values![*number])?.is_some() {
            continue;
        }
        tx.batch(&sql.replace("{{blob}}", tx.blob_type()))?;
        tx.write(
            "INSERT INTO migrations (number, hash) VALUES ($1, $2)",
            values![*number, key::body_hash(sql.as_bytes())],
        )?;
    }
    Ok(())
}

/// The number of the newest migration that was applied, all of which this version must know.
///
/// # Errors
/// The database belongs to another version, or is none of Trueup.
pub fn known(tx: &mut Tx<'_>) -> Result<i64> {
    let applied = tx.query("SELECT number, hash FROM migrations ORDER BY number", values![])?;
    let mut newest = 0;
    for row in applied {
        newest = row.int(0)?;
        let own = MIGRATIONS.iter().find(|(number, _)| *number == newest);
        if own.is_none_or(|(_, sql)| {
            key::body_hash(sql.as_bytes()) != row.text(1).unwrap_or_default()
        }) {
            return Err(StoreError::corrupt(format!(
                "its migration {newest} is not the one of this version: it belongs to another version of Trueup"
            )));
        }
    }
    Ok(newest)
}

/// The number of the newest migration that was applied.
pub fn version(tx: &mut Tx<'_>) -> Result<i64> {
    let row = tx.query_one("SELECT COALESCE(MAX(number), 0) FROM migrations", values![])?;
    row.map_or(Ok(0), |row| row.int(0))
}
