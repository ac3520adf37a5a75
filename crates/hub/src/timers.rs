//! Time as a cause: what has waited too long becomes a case, what was not due may be overdue.

use jiff::{SignedDuration, Timestamp};
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;
use trueup_store::{StoreError, cases, commands, documents, scopes, streams, waits};

use crate::setup::{Hub, check};
use crate::{audit, common_cause, completeness, summary, talk};

/// What a source owes us for longer than this becomes a case (`DESIGN.md` §9.3), the next time it is
/// asked for.
const WAITING_MAX: SignedDuration = SignedDuration::from_hours(24);
/// What is still missing is asked for again this often.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(1);
const BATCH: i64 = 500;
/// Nothing is put off for longer than this, or than a poll's own interval and this. What is due
/// later was put off by a clock that ran ahead (C7), as is what was put off later than now.
const PUT_OFF_MAX: SignedDuration = SignedDuration::from_hours(2);

/// Raises what the passing of time changes. Cheap to call often; nothing while it is not our turn.
pub fn step(hub: &Hub, now: Timestamp) -> Result<(), StoreError> {
    let Some(leases) = hub.turn.timers() else { return Ok(()) };
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let before = now.checked_sub(WAITING_MAX).unwrap_or(now);
    let asked = now.checked_sub(ASK_AGAIN).unwrap_or(now);
    let latest = now.checked_add(PUT_OFF_MAX).unwrap_or(now);
    let longest = hub.setup.connections.values().flat_map(talk::sweep_intervals).max();
    let latest_poll = latest.checked_add(longest.unwrap_or_default()).unwrap_or(latest);
    audit::seal_all(&hub.store, &leases)?;
    let hub_for_write = hub.clone();
    hub.store.write(move |tx| {
        check(tx, &leases)?;
        if !planted("what_a_wrong_clock_put_off_stays") {
            waits::pull_in(tx, now, latest, latest_poll)?;
        }
        scopes::raise_overdue(tx, &today)?;
        summary::step(tx, &hub_for_write, now)?;
        completeness::step(tx, &hub_for_write, now)?;
        commands::release_overlooked(tx)?;
        commands::skips::stand_overlooked(tx, now)?;
        for root in documents::take_unasked(tx, asked, now, BATCH)? {
            let Some(what) = root.waiting.as_deref() else { continue };
            if matches!(what, "order" | "payments") {
                streams::ask(tx, &root.connection, "order", &root.external_id, now)?;
            }
            if root.waiting_since.is_none_or(|since| since > before.as_microsecond()) {
                continue;
            }
            let currency = root.currency.as_deref().and_then(|code| Currency::parse(code).ok());
            let amount = currency.and_then(|it| Some(Money::from_minor(root.amount?, it)));
            let case = cases::NewCase {
                kind: "waiting",
                subject: &root.id,
                entity: root.entity.as_deref().unwrap_or_default(),
                title: &format!("{} has waited a day for its {what}", root.number),
                detail: "the source has not stated what this sale needs, although it was asked",
                remedy: "look at the order at the channel; ingest what is missing, or retry it",
                amount,
                owner: "operator",
            };
            cases::open_of_cause(
                tx,
                &case,
                &common_cause::of(&[&root.connection], what, &[]),
                now,
            )?;
        }
        Ok(())
    })
}
