//! What becomes of an object that was asked to be read and could not be.

use jiff::Timestamp;
use trueup_connect::{CallError, Hint, NextStep};
use trueup_store::waits::Wait;
use trueup_store::{StoreError, Tx, cases, streams};

use super::{delay, is_outage};
use crate::common_cause;
use crate::setup::Connection;

/// After so many a person is told that an object cannot be read.
const READ_ATTEMPTS_MAX: i64 = 6;
pub(super) const UNREADABLE: &str = "unreadable_object";

pub(super) fn subject_of(connection: &str, hint: &Hint) -> String {
    format!("{connection}/{}/{}", hint.kind, hint.external_id)
}

pub(super) fn read_failed(
    tx: &mut Tx<'_>,
    connection: &Connection,
    hint: &Hint,
    error: &CallError,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = &connection.name;
    let asked = streams::asked(tx, name, Timestamp::MAX, i64::MAX)?;
    let attempts = asked
        .iter()
        .find(|(kind, id, _)| *kind == hint.kind && *id == hint.external_id)
        .map_or(0, |(_, _, attempts)| *attempts);
    if error.next_step() == NextStep::DeadLetter {
        streams::answered(tx, name, &hint.kind, &hint.external_id)?;
    } else {
        // Whatever passes by itself is waited out, however long it takes; a person is told.
        let wait = Wait::of(delay(attempts, &hint.external_id), now);
        // What was asked and brought no answer may be the object's own doing.
        let counted = attempts + i64::from(!is_outage(error));
        streams::ask_later(tx, name, &hint.kind, &hint.external_id, counted, wait)?;
        if counted < READ_ATTEMPTS_MAX {
            return Ok(());
        }
    }
    let subject = subject_of(name, hint);
    let case = cases::NewCase {
        kind: UNREADABLE,
        subject: &subject,
        entity: &connection.entity,
        title: &format!("{name} does not give us {} {}", hint.kind, hint.external_id),
        detail: &format!("{error} ({})", error.code()),
        remedy: "check that it exists and that our credentials may read it, then retry it",
        amount: None,
        owner: "integrator",
    };
    cases::open_of_cause(
        tx,
        &case,
        &common_cause::of(&[name, &hint.kind], &error.to_string(), &[&hint.external_id]),
        now,
    )
}
