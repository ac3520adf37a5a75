//! What is remembered: the only SQL of the hub.
//!
//! | module         | table family                                                      |
//! |----------------|-------------------------------------------------------------------|
//! | [`database`]   | SQLite and PostgreSQL behind one transaction type; group commit   |
//! | [`changes`]    | what wakes a stage that has nothing to do                         |
//! | [`migrate`]    | numbered migrations, checked by hash                              |
//! | [`messages`]   | messages as received, records we read, the idempotent receiver    |
//! | [`documents`]  | the newest statement of each object, and the roots they raise     |
//! | [`facts`]      | facts, journal lines, items: what DECIDE wrote                    |
//! | [`commands`]   | what is asked of targets, their conversations and bindings        |
//! | [`scopes`]     | what reconciliation judged, and its matches                       |
//! | [`proofs`]     | how each sale stands on the four links: a projection              |
//! | [`sales`]      | what each sale adds to the reports: a projection                  |
//! | [`audit`]      | what was done and by whom, in a chain                             |
//! | [`holds`]      | connections that deliver nothing until they are released          |
//! | [`backup`]     | a database as one file                                            |
//! | [`identities`] | what targets said of themselves                                   |
//! | [`pauses`]     | what of a connection waits for a right that is missing            |
//! | [`breakers`]   | connections whose other side does not answer                      |
//! | [`paces`]      | lanes whose target is too slow for whole batches                  |
//! | [`summaries`]  | which rows are in which entry of the books                        |
//! | [`month_ends`] | what is open over the end of a month, read from the journal       |
//! | [`listings`]   | the completeness ledger: what sources list of themselves         |
//! | [`streams`]    | cursors, reads asked for, the state of connections                |
//! | [`cases`]      | cases for people, and what was absorbed                           |
//! | [`corrections`] | what people would have messages say instead                     |
//! | [`decisions`]  | what people decided about them                                    |
//! | [`mappings`]   | immutable versions of what a source's words mean                  |
//! | [`scans`]      | how far a statement reads without an index, for tests             |
//! | [`schedules`]  | jobs that run at their time, and how the last run of each ended   |
//! | [`leases`]     | who may work on which shard                                       |
//! | [`doctor`]     | what must hold of the rows themselves, asked as a whole           |
//!
//! The store is synchronous (`DESIGN.md` §9.7): `store.read(|tx| …)`, `store.write(|tx| …)`. Every
//! function takes the caller's transaction and the caller's clock.

pub mod audit;
pub mod backup;
pub mod breakers;
pub mod cases;
mod changes;
pub mod clearing;
pub mod commands;
pub mod corrections;
pub mod database;
pub mod decisions;
pub mod doctor;
pub mod documents;
pub mod facts;
pub mod holds;
pub mod identities;
pub mod leases;
pub mod listings;
mod many;
pub mod mappings;
pub mod messages;
pub mod migrate;
pub mod month_ends;
pub mod paces;
pub mod pauses;
pub mod proofs;
pub mod sales;
pub mod scans;
pub mod schedules;
pub mod scopes;
pub mod streams;
pub mod summaries;
pub mod tokens;
pub mod waits;
mod writer;

pub use changes::{Changes, Notices};
pub use database::{CommitFate, Row, Store, StoreError, Tx, Value};

pub type Result<T> = std::result::Result<T, StoreError>;

/// Work is divided into this many shards by hash of root, message or key; a worker owns some.
pub const SHARDS: i64 = 64;

/// The shard of a name: a stable hash, equal on every machine.
pub fn shard_of(name: &str) -> i64 {
    let hash = trueup_domain::key::id(&[name]);
    let head = hash.get(..4).unwrap_or("0");
    i64::from_str_radix(head, 16).unwrap_or(0) % SHARDS
}

/// Of what a stage could take, leaves what it takes together: nothing that an attempt before did
/// not finish, or one such thing alone. Whatever ends the process, or the batch, is found so.
pub(crate) fn take_alone<T>(due: &mut Vec<T>, attempts: impl Fn(&T) -> i64) {
    if due.first().is_some_and(|first| attempts(first) > 0) {
        due.truncate(1);
    } else {
        due.retain(|one| attempts(one) == 0);
    }
}
