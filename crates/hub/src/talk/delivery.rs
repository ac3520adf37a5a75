//! Which commands of a connection go out next: what is unknown is looked up, of what is ready one lane
//! is delivered.

use jiff::{SignedDuration, Timestamp};
use trueup_connect::{Dispatch, Task};
use trueup_domain::command::CommandKind;
use trueup_domain::key;
use trueup_domain::planted::planted;
use trueup_store::commands::{self, ReadyLane, Taken};
use trueup_store::leases::Lease;
use trueup_store::{StoreError, paces, pauses};

use super::{BATCH, Purpose, Talk, start};
use crate::room::Level;
use crate::setup::{Connection, Hub, check};

/// So long may a stream of more urgent commands hold up the others.
const LAST_FOR_AT_MOST: SignedDuration = SignedDuration::from_mins(10);
/// A crash between taking commands and the first writing send leaves them taken by nobody.
fn remember(
    hub: &Hub,
    connection: &str,
    busy: &[String],
    leases: &[Lease],
) -> Result<(), StoreError> {
    let forgotten = hub.store.read(|tx| commands::lanes_forgotten(tx, connection))?;
    for lane in forgotten.into_iter().filter(|lane| !busy.contains(lane)) {
        let (name, leases) = (connection.to_owned(), leases.to_vec());
        hub.store.write(move |tx| {
            check(tx, &leases)?;
            commands::remember(tx, &name, &lane)
        })?;
    }
    Ok(())
}

/// From this class on nobody's money waits.
const CAN_WAIT: u8 = 2;

/// What a customer waits for, then the payments, tying the two after that, and goods last.
const fn class(kind: CommandKind) -> u8 {
    match kind {
        CommandKind::Partner
        | CommandKind::Order
        | CommandKind::Cancellation
        | CommandKind::Invoice
        | CommandKind::CreditNote => 0,
        CommandKind::Payment | CommandKind::Entry => 1,
        CommandKind::Reconciliation => 2,
        // Stock is slow to write, and no money waits for it.
        CommandKind::Goods => 3,
    }
}

/// Which lane goes first, the least: the most urgent class, or what has waited too long; within
/// that the fullest, because a batch costs its target little more than a single command; then the
/// oldest. Beside a more urgent lane that is under way, a less urgent one would only slow it.
fn first_free(mut ready: Vec<ReadyLane>, busy: &[String], now: Timestamp) -> Option<String> {
    let waits = |lane: &ReadyLane| i128::from(now.as_microsecond() - lane.since);
    let class_of = |lane: &ReadyLane| match waits(lane) > LAST_FOR_AT_MOST.as_micros() {
        true => 0,
        false => class(lane.kind),
    };
    ready.sort_by_key(|lane| (class_of(lane), -lane.commands.min(BATCH), lane.since));
    let under_way = busy.iter().filter_map(|lane| commands::kind_of_lane(lane)).map(class).min();
    let free = |lane: &ReadyLane| {
        (!busy.contains(&lane.name) || planted("a_lane_carries_two_batches"))
            && under_way.is_none_or(|class| class_of(lane) <= class)
    };
    ready.into_iter().find(free).map(|lane| lane.name)
}

/// Takes the commands that go out next, and begins the conversation about them.
pub(super) fn delivery(
    hub: &Hub,
    connection: &Connection,
    busy: &[String],
    (limit, last_first): (i64, bool),
    leases: &[Lease],
    now: Timestamp,
) -> Result<Option<Talk>, StoreError> {
    let name = connection.name.clone();
    remember(hub, &name, busy, leases)?;
    let (unknown, mut ready, paused) = hub.store.read(|tx| {
        Ok((
            commands::lanes_unknown(tx, &name, now)?,
            commands::lanes_ready(tx, &name, now)?,
            pauses::active(tx, &name, now)?,
        ))
    })?;
    let scarce = hub.room.level() >= Level::Scarce;
    ready.retain(|lane| {
        let waits = scarce && class(lane.kind) >= CAN_WAIT;
        !waits
            && !paused.contains(&lane.name)
            && connection.windows.open(lane.kind, &connection.time_zone, now)
    });
    let unknown = unknown.into_iter().find(|lane| !busy.contains(lane) && !paused.contains(lane));
    let (lane, unknown) = match (unknown, first_free(ready, busy, now)) {
        (Some(_), Some(lane)) if last_first => (lane, false),
        (Some(lane), _) => (lane, true),
        (None, Some(lane)) => (lane, false),
        (None, None) => return Ok(None),
    };
    let id = key::id(&[&connection.name, &lane, &now.as_nanosecond().to_string()]);
    let pace = hub.store.read(|tx| paces::of(tx, &name, &lane))?;
    let limit = limit.min(pace.unwrap_or(BATCH));
    let taken: Vec<Taken> = {
        let (id, lane, name) = (id.clone(), lane.clone(), connection.name.clone());
        let leases = leases.to_vec();
        hub.store.write(move |tx| {
            check(tx, &leases)?;
            if unknown {
                commands::take_unknown(tx, &name, &lane, &id, limit)
            } else {
                commands::take(tx, &name, &lane, &id, limit, now)
            }
        })?
    };
    if taken.is_empty() {
        return Ok(None);
    }
    let dispatches: Vec<Dispatch> = taken
        .into_iter()
        .map(|taken| Dispatch {
            key: taken.key,
            content: taken.content,
            bindings: taken.bindings,
            again: unknown || taken.attempts > 0,
        })
        .collect();
    let (purpose, task) = if unknown {
        (Purpose::LookUp, Task::LookUp { commands: dispatches })
    } else {
        (Purpose::Deliver, Task::Deliver { commands: dispatches })
    };
    let mut talk = start(connection, &lane, purpose, task, leases.to_vec(), now);
    talk.id = id;
    // What was looked up may have been written before this conversation.
    talk.wrote = unknown;
    Ok(Some(talk))
}
