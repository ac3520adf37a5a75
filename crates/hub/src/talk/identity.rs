//! Whether the target is asked who it is before anything else is said to it.
//!
//! A target that can be another one under the same address, or another version, is asked every
//! minute of a conversation with it, and after each silence. Until it has said that it is the one
//! that is meant nothing else goes out and nothing is read, and nothing fails: what waits goes on by
//! itself when the right one is back
//! (`docs/decisions/0035-who-answers-is-asked-again-and-again.md`).

use jiff::{SignedDuration, Timestamp};
use trueup_connect::CallError;
use trueup_store::breakers::Breaker;
use trueup_store::commands::again;
use trueup_store::identities::{self, Identity};
use trueup_store::waits;
use trueup_store::{StoreError, Tx, cases, holds, streams};

use crate::decisions;
use crate::decode::BOOKS_RECORD;
use crate::setup::Connection;

/// The lane in which it is asked.
pub(super) const LANE: &str = "identity";
/// So long an answer is believed.
const BELIEVED: SignedDuration = SignedDuration::from_secs(60);
/// So often all that we need of it is looked at, although it says the same of itself.
const PROBED: SignedDuration = SignedDuration::from_hours(1);

pub(super) const ANOTHER: &str = "another_target";
pub(super) const UNFIT: &str = "target_unfit";

/// So many of the records that it confirmed last are asked for.
pub(super) const NEWEST: i64 = 6;

/// So many are read one by one where most of those are missing; the next ones a minute later, until
/// some are there.
const DOUBTED: i64 = 500;

/// What may be said to a target now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It said lately that it is the one that is meant.
    Known,
    /// Ask it; with what it said before, if what we need of it need not be looked at.
    Ask(Option<String>),
    /// It answered as another, a moment ago.
    Wait,
}

pub(super) fn stand(
    identity: Option<&Identity>,
    breaker: Option<&Breaker>,
    now: Timestamp,
) -> Stand {
    let Some(identity) = identity else { return Stand::Ask(None) };
    // What lies ahead was written by a clock that ran ahead (C7).
    let within = |moment: i64, long: SignedDuration| {
        let age = i128::from(now.as_microsecond()) - i128::from(moment);
        (0..long.as_micros()).contains(&age)
    };
    // Who did not answer for a while may be another when he does.
    let silent_since = breaker.is_some_and(|breaker| {
        breaker.wait_from > identity.checked_at
            && !waits::is_from_the_future(breaker.wait_from, now)
    });
    if within(identity.checked_at, BELIEVED) && !silent_since {
        return Stand::Known;
    }
    if identity.asked_at > identity.checked_at && within(identity.asked_at, BELIEVED) {
        return Stand::Wait;
    }
    Stand::Ask(identity.found.clone().filter(|_| within(identity.probed_at, PROBED)))
}

/// It is the one that is meant, and has what we need; `known` is what the question said of it. That
/// held when the question left: another may have taken its place while the answer lay here.
pub(super) fn confirmed(
    tx: &mut Tx<'_>,
    connection: &str,
    known: Option<&str>,
    found: &str,
    (left_at, now): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let before = identities::of(tx, connection)?.unwrap_or_default();
    let moment = left_at.as_microsecond();
    let probed_at = if Some(found) == known { before.probed_at } else { moment };
    if before.stopped {
        streams::resume(tx, connection)?;
        streams::poll_now(tx, connection)?;
        for kind in [ANOTHER, UNFIT] {
            cases::resolve(tx, Some(kind), connection, "it is as it should be again", now)?;
        }
    }
    let identity = Identity {
        found: Some(found.to_owned()),
        probed_at,
        checked_at: moment,
        asked_at: moment,
        stopped: false,
    };
    identities::put(tx, connection, &identity)
}

/// What it confirmed last is there, or is looked for at once. A target that lacks most of it, or the
/// very last, was brought back from a backup: what is delivered now would build on what is gone, and
/// be given its ids (B17).
pub(super) fn compared(
    tx: &mut Tx<'_>,
    connection: &Connection,
    asked: usize,
    missing: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = &connection.name;
    if missing.is_empty() {
        return Ok(());
    }
    streams::poll_now(tx, name)?;
    let most = missing.len() > 1 && missing.len() * 2 > asked;
    let set_back = most || again::is_newest(tx, name, missing)?;
    let doubted: Vec<String> = if set_back {
        // A census knows nothing of what was made and lost between two of them.
        let newest = again::newest_made(tx, name, DOUBTED)?;
        newest.into_iter().map(|(_, record)| record).collect()
    } else {
        missing.to_vec()
    };
    for record in &doubted {
        streams::ask(tx, name, BOOKS_RECORD, record, now)?;
    }
    if !set_back || holds::held(tx, name)?.is_some() {
        return Ok(());
    }
    let reason = format!(
        "the target lacks what it confirmed last ({}): was it brought back from a backup? Retry what \
         is gone, which makes it again, before the connection is released",
        missing.join(", ")
    );
    decisions::hold_one(tx, connection, &reason, now)
}

/// It answered, and not as the one that is meant. Returns whether that is told here.
pub(super) fn denied(
    tx: &mut Tx<'_>,
    connection: &Connection,
    error: &CallError,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let name = &connection.name;
    let (kind, other, title, remedy) = match error {
        CallError::AnotherTarget { .. } => (
            ANOTHER,
            UNFIT,
            format!("Behind {name} answers another database than the one that is pinned"),
            "see where the address and the database of the connection lead: to a copy, or to one \
             that was made anew? Nothing is delivered to it or read from it. The connection goes on \
             by itself when the pinned one answers again; if the other one is right, pin it in the \
             configuration and start Trueup again",
        ),
        CallError::Unfit { .. } => (
            UNFIT,
            ANOTHER,
            format!("What is behind {name} has changed and cannot do what we need"),
            "was it upgraded, or a module of it? Bring back what the case names, or install the \
             version of Trueup that is made for it; nothing is delivered, and the connection goes \
             on by itself when all of it is there",
        ),
        _ => {
            identities::failed(tx, name, false, now)?;
            return Ok(false);
        }
    };
    identities::failed(tx, name, true, now)?;
    streams::suspend(tx, name, &error.to_string(), now)?;
    cases::resolve(tx, Some(other), name, "it says something else now", now)?;
    let case = cases::NewCase {
        kind,
        subject: name,
        entity: &connection.entity,
        title: &title,
        detail: &format!("{error} ({})", error.code()),
        remedy,
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn us(seconds: i64) -> i64 {
        at(seconds).as_microsecond()
    }

    fn said(checked: i64, asked: i64) -> Identity {
        Identity {
            found: Some("19.0".to_owned()),
            probed_at: us(0),
            checked_at: us(checked),
            asked_at: us(asked),
            stopped: false,
        }
    }

    #[test]
    fn b18_who_answers_is_asked_at_first_every_minute_and_after_a_silence() {
        let again = || Stand::Ask(Some("19.0".to_owned()));
        assert_eq!(stand(None, None, at(0)), Stand::Ask(None));
        let known = said(0, 0);
        assert_eq!(stand(Some(&known), None, at(0)), Stand::Known);
        assert_eq!(stand(Some(&known), None, at(59)), Stand::Known);
        assert_eq!(stand(Some(&known), None, at(60)), again());
        let silent = |since: i64| Breaker {
            failures: 1,
            since: us(since),
            until: 0,
            wait_from: us(since),
            batch: 100,
            code: "TU103".to_owned(),
            error: "lost".to_owned(),
        };
        assert_eq!(stand(Some(&known), Some(&silent(-5)), at(20)), Stand::Known);
        assert_eq!(stand(Some(&known), Some(&silent(10)), at(20)), again());
        // One that lies ahead was said by a clock that ran ahead.
        assert_eq!(stand(Some(&known), Some(&silent(90_000)), at(20)), Stand::Known);
        assert_eq!(stand(Some(&said(90_000, 90_000)), None, at(20)), again());
        // Another answered a moment ago.
        let denied = Identity { checked_at: 0, ..said(0, 10) };
        assert_eq!(stand(Some(&denied), None, at(69)), Stand::Wait);
        assert_eq!(stand(Some(&denied), None, at(70)), again());
    }

    #[test]
    fn b19_what_we_need_of_it_is_looked_at_every_hour() {
        let known = Identity { probed_at: us(-3_600), ..said(-60, -60) };
        assert_eq!(stand(Some(&known), None, at(0)), Stand::Ask(None));
        let known = Identity { probed_at: us(-3_599), ..known };
        assert_eq!(stand(Some(&known), None, at(0)), Stand::Ask(Some("19.0".to_owned())));
    }
}
