//! What was put off, and what a clock that ran ahead put off.

use jiff::{SignedDuration, Timestamp};

use crate::database::Tx;
use crate::{Result, values};

/// So far apart may the clocks of two processes be.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Something is put off until a moment, as was said at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Wait {
    /// A wait that begins now.
    #[must_use]
    pub fn of(length: SignedDuration, now: Timestamp) -> Self {
        Self { from: now, until: now.checked_add(length).unwrap_or(now) }
    }

    /// No wait at all.
    #[must_use]
    pub const fn none(now: Timestamp) -> Self {
        Self { from: now, until: now }
    }
}

/// Whether a wait that began at `from` (microseconds since the epoch) began in the future: a clock
/// that ran ahead said it, and nobody waits for it (C7).
#[must_use]
pub fn is_from_the_future(from: i64, now: Timestamp) -> bool {
    from > latest_beginning(now)
}

fn latest_beginning(now: Timestamp) -> i64 {
    now.checked_add(CLOCKS_DIFFER).unwrap_or(now).as_microsecond()
}

/// Ends the waits that a clock which ran ahead began: those that begin in the future, and those
/// that last beyond `latest` (a poll beyond `latest_poll`), as nothing is put off for so long.
pub fn pull_in(
    tx: &mut Tx<'_>,
    now: Timestamp,
    latest: Timestamp,
    latest_poll: Timestamp,
) -> Result<()> {
    let (begun, latest) = (latest_beginning(now), latest.as_microsecond());
    let now = now.as_microsecond();
    // A wait ends after it begins: the first condition is the one that an index answers.
    for (statement, latest) in [
        (
            "UPDATE commands SET next_at = $1
             WHERE state IN ('ready', 'unknown') AND next_at > 0 AND next_at > $1
                 AND (next_at > $2 OR wait_from > $3)",
            latest,
        ),
        (
            "UPDATE conversations SET wait_until = $1
             WHERE wait_until > $1 AND (wait_until > $2 OR wait_from > $3)",
            latest,
        ),
        (
            "UPDATE reads SET due_at = $1
             WHERE due_at > $1 AND (due_at > $2 OR wait_from > $3)",
            latest,
        ),
        (
            "UPDATE streams SET next_at = $1
             WHERE next_at > $1 AND (next_at > $2 OR wait_from > $3)",
            latest_poll.as_microsecond(),
        ),
    ] {
        tx.write(statement, values![now, latest, begun])?;
    }
    // A window that is whole waits for its second list, a day later.
    tx.execute(
        "UPDATE listings SET next_at = $1 WHERE state <> 'whole' AND next_at > $2",
        values![now, latest],
    )?;
    Ok(())
}
