//! How many commands go out together, by how long the last ones took.
//!
//! A batch is as large as the target carries out in good time: Odoo kills what takes two minutes,
//! whatever is more urgent waits for the end of it, and a crash leaves all of it to be looked up. A
//! delivery that took too long makes the next one in its lane smaller in proportion; a full one that
//! took a fraction of the time makes it twice as large, up to the most that anybody takes.

use jiff::SignedDuration;
use trueup_store::{StoreError, Tx, paces};

use super::BATCH;

/// A delivery shall not take longer.
const LONGEST: SignedDuration = SignedDuration::from_secs(20);
/// Within this there is room for twice as many.
const SHORT: SignedDuration = SignedDuration::from_secs(8);
/// What took longer was not measured but waited for: a clock jumped, or the process stood still.
const NO_MEASURE: SignedDuration = SignedDuration::from_mins(10);

/// How many may go out together after a delivery of so many took so long; `None` for whole batches.
fn learned(before: Option<i64>, commands: i64, took: SignedDuration) -> Option<i64> {
    let most = before.unwrap_or(BATCH);
    if commands <= 0 || took.is_negative() || took > NO_MEASURE {
        return before;
    }
    let next = if took > LONGEST {
        let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let fits = i64::try_from(LONGEST.as_millis()).unwrap_or(i64::MAX);
        most.min((commands.saturating_mul(fits) / took).max(1))
    } else if took <= SHORT && commands >= most {
        most.saturating_mul(2)
    } else {
        most
    };
    (next < BATCH).then_some(next)
}

/// Keeps what a delivery showed.
pub(super) fn learn(
    tx: &mut Tx<'_>,
    connection: &str,
    lane: &str,
    commands: usize,
    took: SignedDuration,
) -> Result<(), StoreError> {
    let before = paces::of(tx, connection, lane)?;
    let after = learned(before, i64::try_from(commands).unwrap_or(i64::MAX), took);
    if after == before { Ok(()) } else { paces::put(tx, connection, lane, after) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: Option<i64>, commands: i64, seconds: i64) -> Option<i64> {
        learned(before, commands, SignedDuration::from_secs(seconds))
    }

    #[test]
    fn b4_what_took_too_long_is_made_smaller_in_proportion() {
        assert_eq!(after(None, 100, 80), Some(25));
        assert_eq!(after(Some(25), 25, 20), Some(25));
        assert_eq!(after(Some(25), 25, 100), Some(5));
        assert_eq!(after(Some(5), 1, 90), Some(1), "one alone goes out, however long it takes");
        // A few that took long say nothing for more than them.
        assert_eq!(after(None, 10, 40), Some(5));
    }

    #[test]
    fn what_took_a_fraction_of_the_time_is_made_larger_if_it_was_full() {
        assert_eq!(after(Some(25), 25, 8), Some(50));
        assert_eq!(after(Some(50), 50, 8), None, "whole batches again");
        assert_eq!(after(Some(25), 24, 1), Some(25), "it was not full");
        assert_eq!(after(Some(25), 25, 9), Some(25));
        assert_eq!(after(None, 100, 1), None);
    }

    #[test]
    fn c7_what_no_clock_measured_teaches_nothing() {
        assert_eq!(after(Some(25), 25, -1), Some(25));
        assert_eq!(after(None, 100, 86_400), None);
        assert_eq!(after(None, 0, 60), None);
    }
}
