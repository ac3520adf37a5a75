//! Who may work on what (`DESIGN.md` §9.6). Every write of a stage reads its leases first.
//!
//! The work of a database is divided into parts, each leased apart: ranges of shards for the stages
//! that decode, decide and reconcile; one part for each connection, with all that is said to it; and
//! the timers. Processes share them fairly ([`fair`]), and each takes, renews and gives back by
//! itself ([`tend`]): what a process should have, it learns from who else is alive.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use trueup_domain::planted::planted;

use crate::database::{StoreError, Tx};
use crate::messages::moment;
use crate::{Result, SHARDS, Value, many, values};

/// The shards are leased in so many ranges, which is as many processes as can share the stages.
pub const RANGES: i64 = 16;
/// What the passing of time changes, and the jobs.
pub const TIMERS: &str = "timers";
/// How the part of a connection is named, before the connection's name.
pub const CONNECTION: &str = "connection/";
/// A process of which nothing was heard for so long is forgotten.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The proof that a worker owned a part of the work when it took it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The part's name.
    pub shard: String,
    pub owner: String,
    pub epoch: i64,
}

/// The name of a range of shards.
pub fn of_range(number: i64) -> String {
    format!("shards/{number:02}")
}

/// The shards of a part that is a range: from, to (exclusive).
pub fn shards_of(part: &str) -> Option<(i64, i64)> {
    let number: i64 = part.strip_prefix("shards/")?.parse().ok()?;
    let size = SHARDS / RANGES;
    (0..RANGES).contains(&number).then(|| (number * size, (number + 1) * size))
}

/// The name of the part that is all talk with a connection.
pub fn of_connection(name: &str) -> String {
    format!("{CONNECTION}{name}")
}

/// All parts of the work, in the order by which they are shared.
pub fn parts<'a>(connections: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let ranges = (0..RANGES).map(of_range);
    let rest = std::iter::once(TIMERS.to_owned());
    ranges.chain(rest).chain(connections.into_iter().map(of_connection)).collect()
}

/// The parts that the process `rank` of `count` should have: ranges that lie together, and every
/// `count`th of the others, the last process first, whose ranges are no more than anybody's.
pub fn fair(parts: &[String], rank: usize, count: usize) -> Vec<String> {
    let ranges = parts.iter().take_while(|part| shards_of(part).is_some()).count();
    let whose = |at: usize| match at.checked_sub(ranges) {
        None => at * count / ranges.max(1),
        Some(other) => count.saturating_sub(1) - other % count.max(1),
    };
    let own = parts.iter().enumerate().filter(|(at, _)| whose(*at) == rank);
    own.map(|(_, part)| part.clone()).collect()
}

/// Takes or renews a lease; `None` while somebody else holds it.
pub fn acquire(
    tx: &mut Tx<'_>,
    shard: &str,
    owner: &str,
    now: Timestamp,
    length: SignedDuration,
) -> Result<Option<Lease>> {
    let until = now.checked_add(length).map_err(StoreError::corrupt)?.as_microsecond();
    wait_for_work(
        tx,
        "shard = $1 AND owner <> $2 AND until < $3",
        values![shard, owner, now.as_microsecond()],
    )?;
    tx.write(
        "INSERT INTO leases (shard, owner, epoch, until) VALUES ($1, $2, 1, $3)
         ON CONFLICT (shard) DO UPDATE SET
             epoch = CASE WHEN leases.owner = excluded.owner THEN leases.epoch
                 ELSE leases.epoch + 1 END,
             owner = excluded.owner, until = excluded.until
         WHERE leases.owner = excluded.owner OR leases.until < $4",
        values![shard, owner, until, now.as_microsecond()],
    )?;
    let row = tx.query_one("SELECT owner, epoch FROM leases WHERE shard = $1", values![shard])?;
    let Some(row) = row else { return Ok(None) };
    let held = row.text(0)? == owner;
    let epoch = row.int(1)?;
    Ok(held.then(|| Lease { shard: shard.to_owned(), owner: owner.to_owned(), epoch }))
}

/// Takes all of these parts, or none where somebody else holds one of them.
pub fn acquire_all(
    tx: &mut Tx<'_>,
    parts: &[String],
    owner: &str,
    now: Timestamp,
    length: SignedDuration,
) -> Result<Option<Vec<Lease>>> {
    let held = tx.query_one(
        "SELECT shard FROM leases WHERE owner <> $1 AND until >= $2 AND shard <> 'all' LIMIT 1",
        values![owner, now.as_microsecond()],
    )?;
    if held.is_some() {
        return Ok(None);
    }
    let mut leases = Vec::new();
    for part in parts.iter().collect::<BTreeSet<_>>() {
        match acquire(tx, part, owner, now, length)? {
            Some(lease) => leases.push(lease),
            // Somebody came in between; what was taken so far is undone with the transaction.
            None => return Err(StoreError::Conflict(format!("{part} is somebody else's"))),
        }
    }
    Ok(Some(leases))
}

/// What a process holds after it has looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Its share, as far as it was free.
    pub held: Vec<Lease>,
    /// What is somebody else's share now: it is given back when what is under way has ended.
    pub surplus: Vec<Lease>,
}

/// Says that a process is alive, renews what it holds, and takes what is free of its share.
pub fn tend(
    tx: &mut Tx<'_>,
    parts: &[String],
    owner: &str,
    now: Timestamp,
    length: SignedDuration,
) -> Result<Tended> {
    let until = now.checked_add(length).map_err(StoreError::corrupt)?.as_microsecond();
    let forgotten = now.checked_sub(FORGOTTEN_AFTER).map_err(StoreError::corrupt)?;
    tx.write(
        "INSERT INTO processes (owner, since, until) VALUES ($1, $2, $3)
         ON CONFLICT (owner) DO UPDATE SET until = excluded.until",
        values![owner, now.as_microsecond(), until],
    )?;
    tx.write("DELETE FROM processes WHERE until < $1", values![forgotten.as_microsecond()])?;
    let alive: Vec<String> = alive(tx, now)?.into_iter().map(|one| one.owner).collect();
    let rank = alive.iter().position(|one| one == owner).unwrap_or(0);
    let share = fair(parts, rank, alive.len().max(1));
    make(tx, &share)?;
    let own_or_free = hold(tx, "owner = $1 OR until < $2", values![owner, now.as_microsecond()])?;
    tx.write("UPDATE leases SET until = $1 WHERE owner = $2", values![until, owner])?;
    // Only what is held now: what comes free from here on might be waited for by who waits for us. And
    // who still writes under a lease that has ended is not waited for either, but looked for next time.
    let free = idle(tx, "owner <> $1 AND until < $2", values![owner, now.as_microsecond()])?;
    for part in share.iter().filter(|part| own_or_free.contains(*part) && free.contains(*part)) {
        acquire(tx, part, owner, now, length)?;
    }
    let all = held_by(tx, owner)?;
    let (held, surplus) = all.into_iter().partition(|lease| share.contains(&lease.shard));
    Ok(Tended { held, surplus })
}

fn held_by(tx: &mut Tx<'_>, owner: &str) -> Result<Vec<Lease>> {
    let rows = tx
        .query("SELECT shard, epoch FROM leases WHERE owner = $1 ORDER BY shard", values![owner])?;
    let lease = |row: &crate::Row| {
        Ok(Lease { shard: row.text(0)?, owner: owner.to_owned(), epoch: row.int(1)? })
    };
    rows.iter().map(lease).collect()
}

/// Makes the leases of parts that nobody ever had, free.
fn make(tx: &mut Tx<'_>, parts: &[String]) -> Result<()> {
    let known = tx.query("SELECT shard FROM leases", values![])?;
    let known: BTreeSet<String> = known.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
    for part in parts.iter().filter(|part| !known.contains(*part)).collect::<BTreeSet<_>>() {
        tx.write(
            "INSERT INTO leases (shard, owner, epoch, until) VALUES ($1, '', 0, 0)
             ON CONFLICT (shard) DO NOTHING",
            values![part],
        )?;
    }
    Ok(())
}

/// Holds the leases of a condition before they are written, in the one order in which everybody
/// holds several: who comes second waits at the first of them, and holds none that the other needs.
/// Nobody waits for the work that is done under a lease.
fn hold(tx: &mut Tx<'_>, condition: &str, values: &[Value]) -> Result<BTreeSet<String>> {
    let lock = tx.for_no_key_update();
    let sql = format!("SELECT shard FROM leases WHERE {condition} ORDER BY shard{lock}");
    tx.query(&sql, values)?.iter().map(|row| row.text(0)).collect()
}

/// Waits for the work that is done under the leases of a condition, which nothing may be taken from
/// before its transaction has ended.
fn wait_for_work(tx: &mut Tx<'_>, condition: &str, values: &[Value]) -> Result<()> {
    if tx.has_rivals() {
        let lock = tx.for_update();
        let sql = format!("SELECT shard FROM leases WHERE {condition} ORDER BY shard{lock}");
        tx.query(&sql, values)?;
    }
    Ok(())
}

/// The leases of a condition under which no work is done now; none is begun before this ends.
fn idle(tx: &mut Tx<'_>, condition: &str, values: &[Value]) -> Result<BTreeSet<String>> {
    let lock = match tx.for_update() {
        "" => String::new(),
        lock => format!("{lock} SKIP LOCKED"),
    };
    let sql = format!("SELECT shard FROM leases WHERE {condition} ORDER BY shard{lock}");
    tx.query(&sql, values)?.iter().map(|row| row.text(0)).collect()
}

/// Gives leases back, so that others may have them at once.
pub fn release(tx: &mut Tx<'_>, leases: &[Lease]) -> Result<()> {
    let in_order: BTreeMap<&String, &Lease> =
        leases.iter().map(|lease| (&lease.shard, lease)).collect();
    for lease in in_order.into_values() {
        let own = values![&lease.shard, &lease.owner, lease.epoch];
        wait_for_work(tx, "shard = $1 AND owner = $2 AND epoch = $3", own)?;
        tx.write(
            "UPDATE leases SET owner = '', epoch = epoch + 1, until = 0
             WHERE shard = $1 AND owner = $2 AND epoch = $3",
            values![&lease.shard, &lease.owner, lease.epoch],
        )?;
    }
    Ok(())
}

/// A process ends: nobody has to wait for what it held.
pub fn leave(tx: &mut Tx<'_>, owner: &str) -> Result<()> {
    tx.write("DELETE FROM processes WHERE owner = $1", values![owner])?;
    let held = held_by(tx, owner)?;
    release(tx, &held)
}

/// A process that shares the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub owner: String,
    pub since: Timestamp,
    /// The parts that it holds.
    pub parts: Vec<String>,
}

/// The processes that were heard of in time, in the order by which they share.
pub fn alive(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Process>> {
    let rows = tx.query(
        "SELECT owner, since FROM processes WHERE until >= $1 ORDER BY since, owner",
        values![now.as_microsecond()],
    )?;
    let mut found = Vec::new();
    for row in rows {
        let owner = row.text(0)?;
        let parts = held_by(tx, &owner)?.into_iter().map(|lease| lease.shard).collect();
        found.push(Process { since: moment(row.int(1)?)?, owner, parts });
    }
    Ok(found)
}

/// Takes every lease away from whoever has it, as if its process had stood still for long.
pub fn revoke(tx: &mut Tx<'_>) -> Result<()> {
    // As in `tend` and `leave`: first who is alive, then what is held.
    tx.execute("DELETE FROM processes", values![])?;
    wait_for_work(tx, "shard <> 'all'", values![])?;
    tx.write(
        "UPDATE leases SET owner = '', epoch = epoch + 1, until = 0 WHERE shard <> 'all'",
        values![],
    )?;
    Ok(())
}

/// Refuses the transaction of a worker of whose leases one has gone to somebody else.
pub fn check(tx: &mut Tx<'_>, leases: &[Lease]) -> Result<()> {
    if leases.is_empty() || planted("a_lost_lease_is_not_noticed") {
        return Ok(());
    }
    let parts: Vec<String> = leases.iter().map(|lease| lease.shard.clone()).collect();
    let sql = format!(
        "SELECT shard, owner, epoch FROM leases WHERE shard IN ({{}}) ORDER BY shard{}",
        tx.for_key_share()
    );
    let rows = many::query(tx, &sql, &parts)?;
    for lease in leases {
        let mut held = false;
        for row in &rows {
            let same = row.text(1)? == lease.owner && row.int(2)? == lease.epoch;
            held |=
                row.text(0)? == lease.shard && (same || planted("any_holder_of_a_lease_will_do"));
        }
        if !held {
            return Err(StoreError::LeaseLost);
        }
    }
    Ok(())
}
