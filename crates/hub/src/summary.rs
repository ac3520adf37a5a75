//! When the rows of a day go into an entry of the books, and what the books hold of them already
//! (`POSTING.md` P5).
//!
//! A day is summed up once it is over and nothing has been added to it for a while. What is known
//! later goes into a further entry; where the books certainly have nothing of the last one, because
//! they refused it, it is made anew with what came since.

use jiff::{SignedDuration, Timestamp};
use trueup_domain::document::{HeldAlready, Version};
use trueup_store::messages;
use trueup_store::summaries::{self, Open};
use trueup_store::{StoreError, Tx, cases, commands, documents, mappings};

use crate::decode::HELD_ALREADY;
use crate::setup::Hub;

/// A day is over so long after its midnight: what its last minutes brought is polled by then.
const OVER_AFTER: SignedDuration = SignedDuration::from_hours(2);
/// So long nothing may have been added to a day before it is summed up.
const QUIET: SignedDuration = SignedDuration::from_mins(5);
/// The sales of one entry at most, so that no transaction grows with the day.
const SALES_MAX: i64 = 1_000;

/// Makes the entries whose time has come.
pub fn step(tx: &mut Tx<'_>, hub: &Hub, now: Timestamp) -> Result<(), StoreError> {
    for open in summaries::open(tx)? {
        if !is_due(tx, hub, &open, now)? {
            continue;
        }
        if let Some(refused) = summaries::reopen_last(tx, &open)? {
            let by = "its entry is made anew with what is known now";
            cases::resolve(tx, None, &format!("command/{refused}"), by, now)?;
        }
        while summaries::take(tx, &open, SALES_MAX, now)?.is_some() {}
    }
    Ok(())
}

fn is_due(tx: &mut Tx<'_>, hub: &Hub, open: &Open, now: Timestamp) -> Result<bool, StoreError> {
    let connection = hub.connection(&open.connection);
    let zone = match mappings::get(tx, &open.connection, None)? {
        Some(mapping) => Some(mapping.time_zone),
        None => connection.map(|connection| connection.time_zone.clone()),
    };
    let zone = zone.and_then(|name| jiff::tz::TimeZone::get(&name).ok());
    let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
    let before = |wait: SignedDuration| now.checked_sub(wait).unwrap_or(now);
    let today = before(OVER_AFTER).to_zoned(zone).date();
    if open.day >= today {
        return Ok(false);
    }
    Ok(open.newest <= before(QUIET) || summaries::is_last_refused(tx, open)?)
}

/// Hands in for their sales that the books hold some orders of an entry by another hand. The same
/// again is no news.
pub(crate) fn held_already(
    tx: &mut Tx<'_>,
    command: &commands::Shown,
    held: &[HeldAlready],
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(summary) = documents::find_root(tx, &command.root)? else { return Ok(()) };
    for one in held {
        let stated = HeldAlready { version: Version(0), ..one.clone() };
        let source_id = format!("held_already/{}", one.id);
        messages::state(tx, &summary.connection, source_id, HELD_ALREADY, &stated, now)?;
    }
    Ok(())
}
