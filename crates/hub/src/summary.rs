//! When rows go into an entry of the books, and what the books hold of them already (`POSTING.md` P5,
//! P21).
//!
//! A day is summed up once it is over, a payout once its rows add up to it, and what is left of a
//! month once that is over; and nothing has been added for a while. What is known later goes into a
//! further entry; where the books certainly have nothing of one, because they refused it, it is made
//! anew with what came since. What the ledger of a provider says is summed up by payout and month, too,
//! where its connection says from when on. Goods that move by the day are summed up in the same way, whatever sums
//! up their money (P4).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use trueup_domain::document::{HeldAlready, Version};
use trueup_domain::posting::{Posting, Span};
use trueup_store::messages;
use trueup_store::summaries::{self, Open};
use trueup_store::{StoreError, Tx, cases, commands, documents, mappings};

use crate::decode::HELD_ALREADY;
use crate::setup::Hub;

/// A day or month is over so long after its midnight: what its last minutes brought is polled by then.
const OVER_AFTER: SignedDuration = SignedDuration::from_hours(2);
/// So long nothing may have been added before it is summed up.
const QUIET: SignedDuration = SignedDuration::from_mins(5);
/// The sales of one entry at most, so that no transaction grows with the day.
const SALES_MAX: i64 = 1_000;

/// The rows of a ledger in one entry at most, for the same reason.
const ROWS_MAX: i64 = 10_000;

/// Makes the entries whose time has come. What a payout pays out goes into its own, what is left of a
/// month when it is over into that of the month.
pub fn step(tx: &mut Tx<'_>, hub: &Hub, now: Timestamp) -> Result<(), StoreError> {
    let connections = hub.setup.connections.iter();
    let posted = connections.filter_map(|(name, it)| Some((name.as_str(), it.ledger_since?)));
    summaries::gather_ledgers(tx, &posted.collect(), now)?;
    let open = summaries::open(tx)?;
    let by_payout: BTreeSet<&str> = open
        .iter()
        .map(|open| open.connection.as_str())
        .filter(|name| posting(hub, name) == Posting::Payout)
        .collect();
    for connection in by_payout {
        for open in summaries::open_payouts(tx, connection)? {
            if is_quiet(tx, &open, now)? {
                reopen(tx, &open, now)?;
                while summaries::take_payout(tx, &open, SALES_MAX, now)? > 0 {}
            }
        }
    }
    let ledgers: BTreeSet<&str> = open
        .iter()
        .filter(|open| open.is_of_ledger())
        .map(|open| open.connection.as_str())
        .collect();
    for connection in ledgers {
        for open in summaries::open_ledger_payouts(tx, connection)? {
            if is_quiet(tx, &open, now)? {
                reopen(tx, &open, now)?;
                while summaries::take_ledger(tx, &open, ROWS_MAX, now)?.is_some() {}
            }
        }
    }
    for open in of_days_and_months(tx, hub)? {
        if is_over(tx, hub, &open, now)? && is_quiet(tx, &open, now)? {
            reopen(tx, &open, now)?;
            if open.is_of_ledger() {
                while summaries::take_ledger(tx, &open, ROWS_MAX, now)?.is_some() {}
                continue;
            }
            while summaries::take(tx, &open, SALES_MAX, now)?.is_some() {}
        }
    }
    Ok(())
}

/// How the open rows of a channel are summed up. What is open of one that has left this way is summed
/// up by day.
fn posting(hub: &Hub, connection: &str) -> Posting {
    match hub.connection(connection).map(|connection| connection.posting) {
        Some(Posting::Payout) => Posting::Payout,
        _ => Posting::Day,
    }
}

/// The open rows by day, and by month where payouts take them first.
fn of_days_and_months(tx: &mut Tx<'_>, hub: &Hub) -> Result<Vec<Open>, StoreError> {
    let mut all: Vec<Open> = Vec::new();
    for open in summaries::open(tx)? {
        let span = match open.span {
            Span::Day(day) if by_month(hub, &open) => Span::month(day),
            other => other,
        };
        let same = |known: &&mut Open| {
            (&known.connection, &known.span, &known.what) == (&open.connection, &span, &open.what)
        };
        match all.iter_mut().find(same) {
            Some(known) => {
                known.rows += open.rows;
                known.newest = known.newest.max(open.newest);
            }
            None => all.push(Open { span, ..open }),
        }
    }
    Ok(all)
}

/// No payout says when goods leave.
fn by_month(hub: &Hub, open: &Open) -> bool {
    let by_payout = posting(hub, &open.connection) == Posting::Payout;
    open.is_of_ledger() || (by_payout && !open.is_of_goods())
}

fn reopen(tx: &mut Tx<'_>, open: &Open, now: Timestamp) -> Result<(), StoreError> {
    for refused in summaries::reopen(tx, open)? {
        let by = "its entry is made anew with what is known now";
        cases::resolve(tx, None, &format!("command/{refused}"), by, now)?;
    }
    Ok(())
}

/// Whether a day or month is over in its channel's zone.
fn is_over(tx: &mut Tx<'_>, hub: &Hub, open: &Open, now: Timestamp) -> Result<bool, StoreError> {
    let Some((_, last)) = open.span.days() else { return Ok(false) };
    let connection = hub.connection(&open.connection);
    let zone = match mappings::get(tx, &open.connection, None)? {
        Some(mapping) => Some(mapping.time_zone),
        None => connection.map(|connection| connection.time_zone.clone()),
    };
    let zone = zone.and_then(|name| jiff::tz::TimeZone::get(&name).ok());
    let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
    Ok(last < before(now, OVER_AFTER).to_zoned(zone).date())
}

/// Whether nothing was added for a while, or all of it has to be made anew anyway. What was added later
/// than now was so by a clock that ran ahead (C7), and nobody waits for its time to come.
fn is_quiet(tx: &mut Tx<'_>, open: &Open, now: Timestamp) -> Result<bool, StoreError> {
    let ahead = now.checked_add(QUIET).is_ok_and(|latest| open.newest > latest);
    Ok(open.newest <= before(now, QUIET) || ahead || summaries::is_refused(tx, open)?)
}

fn before(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_sub(wait).unwrap_or(now)
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
