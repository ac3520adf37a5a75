//! A right that is missing stops what needs it, and nothing else (B13).
//!
//! The lane of a delivery, or the stream of a poll, to which the target said that we may not do this
//! is left alone for a few minutes and then tried again; what waits in it fails never, and the other
//! lanes and streams go on. What is lacking is one case, however many lanes need it.

use jiff::{SignedDuration, Timestamp};
use trueup_connect::CallError;
use trueup_store::waits::Wait;
use trueup_store::{StoreError, Tx, cases, pauses, streams};

use super::Purpose;
use crate::setup::Connection;

/// After so long it is tried again.
const TRIED_AGAIN: SignedDuration = SignedDuration::from_mins(5);
pub(crate) const CASE: &str = "right_missing";

/// What a right that is missing stops; nothing where each object has its own wait.
fn what(purpose: &Purpose, lane: &str) -> Option<String> {
    match purpose {
        Purpose::Deliver | Purpose::LookUp => Some(lane.to_owned()),
        Purpose::Poll { stream } => Some(format!("stream/{stream}")),
        Purpose::Read { .. } | Purpose::List { .. } | Purpose::Identify => None,
    }
}

/// The subject of the case: connection and what is lacking.
fn subject(connection: &str, lacks: &str) -> String {
    format!("{connection}/right/{lacks}")
}

/// Connection and what is lacking, of the subject of a case.
pub(crate) fn of_subject(subject: &str) -> Option<(&str, &str)> {
    subject.split_once("/right/")
}

/// The target did not let us do it.
pub(super) fn denied(
    tx: &mut Tx<'_>,
    connection: &Connection,
    (purpose, lane): (&Purpose, &str),
    error: &CallError,
    now: Timestamp,
) -> Result<(), StoreError> {
    let CallError::Denied { lacks } = error else { return Ok(()) };
    let Some(what) = what(purpose, lane) else { return Ok(()) };
    let name = &connection.name;
    ended(tx, name, &what, Some(lacks), now)?;
    pauses::put(tx, name, &what, lacks, Wait::of(TRIED_AGAIN, now))?;
    let stands = pauses::for_want_of(tx, name, lacks)?;
    let case = cases::NewCase {
        kind: CASE,
        subject: &subject(name, lacks),
        entity: &connection.entity,
        title: &format!("{name} does not let us {lacks}"),
        detail: &format!("{error} ({}); waiting for it: {}", error.code(), stands.join(", ")),
        remedy: "give the right back to the user of the connection; what needs it waits and goes on \
                 by itself within minutes, everything else goes on meanwhile",
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)
}

/// It was let through.
pub(super) fn granted(
    tx: &mut Tx<'_>,
    connection: &str,
    (purpose, lane): (&Purpose, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    match what(purpose, lane) {
        Some(what) => ended(tx, connection, &what, None, now),
        None => Ok(()),
    }
}

/// What stood still does so no longer, or for want of something else.
fn ended(
    tx: &mut Tx<'_>,
    connection: &str,
    what: &str,
    lacks: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(before) = pauses::end(tx, connection, what)? else { return Ok(()) };
    if lacks == Some(&*before) || !pauses::for_want_of(tx, connection, &before)?.is_empty() {
        return Ok(());
    }
    let subject = subject(connection, &before);
    cases::resolve(tx, Some(CASE), &subject, "what needed the right goes on", now)
}

/// Whether anything stands still for want of what a case is about.
pub(crate) fn stands(tx: &mut Tx<'_>, subject: &str) -> Result<bool, StoreError> {
    let Some((connection, lacks)) = of_subject(subject) else { return Ok(false) };
    Ok(!pauses::for_want_of(tx, connection, lacks)?.is_empty())
}

/// A person has it tried at once. Returns whether anything stands still for want of it.
pub(crate) fn try_now(tx: &mut Tx<'_>, subject: &str) -> Result<bool, StoreError> {
    let Some((connection, lacks)) = of_subject(subject) else { return Ok(false) };
    streams::poll_now(tx, connection)?;
    pauses::try_now(tx, connection, lacks)
}
