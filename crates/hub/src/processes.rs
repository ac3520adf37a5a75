//! The processes that share the work of a store, for people and programs.

use jiff::Timestamp;
use serde::Serialize;
use trueup_store::leases::{self, Process};
use trueup_store::{SHARDS, StoreError, Tx};

/// A process and its share of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Machine and process id, and a word of its own.
    pub process: String,
    pub since: Timestamp,
    /// How many of the shards it decodes, decides and reconciles, and of how many.
    pub shards: i64,
    pub of: i64,
    /// The connections that it talks with.
    pub connections: Vec<String>,
    /// Whether it raises what time changes, and runs the jobs.
    pub timers: bool,
}

/// The processes that were heard of in time. On SQLite, where one process works, there are none.
pub fn shown(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Shown>, StoreError> {
    let now = tx.clock(now)?;
    Ok(leases::alive(tx, now)?.into_iter().map(of).collect())
}

fn of(process: Process) -> Shown {
    let Process { owner, since, parts } = process;
    let sizes = parts.iter().filter_map(|part| leases::shards_of(part));
    let talks = parts.iter().filter_map(|part| part.strip_prefix(leases::CONNECTION));
    Shown {
        process: owner,
        since,
        shards: sizes.map(|(from, to)| to - from).sum(),
        of: SHARDS,
        connections: talks.map(str::to_owned).collect(),
        timers: parts.iter().any(|part| part == leases::TIMERS),
    }
}
