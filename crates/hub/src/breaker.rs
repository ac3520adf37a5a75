//! When a connection whose other side does not answer is asked again, and with how much.
//!
//! An outage is no fault of a command: it costs none of its attempts, and the whole connection
//! rests. After three conversations in a row that brought no answer no call goes out until a moment
//! that is twice as far away each time; then one conversation is tried with one command, the next
//! with four times as many, until batches are whole again.

use jiff::{SignedDuration, Timestamp};
use trueup_connect::{CallError, NextStep};
use trueup_domain::planted::planted;
use trueup_store::breakers::Breaker;
use trueup_store::waits;

use crate::talk::{BATCH, delay};

/// So many conversations in a row without an answer make a connection rest.
const RESTS_AFTER: i64 = 3;
/// With each answer so many times more goes out together.
const GROWTH: i64 = 4;
/// Who asks for more patience is asked again all the same. What is shut for longer was shut by a
/// clock that ran ahead (C7), as is what was shut later than now.
const SHUT_MAX: SignedDuration = SignedDuration::from_hours(1);
/// So long may it last before a person is told.
const TELL_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What may go out on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// One conversation at a time, of so many commands at most.
    Narrow(i64),
    Shut,
}

pub fn gate(breaker: Option<&Breaker>, now: Timestamp) -> Gate {
    match breaker {
        Some(breaker) if is_shut(breaker, now) => Gate::Shut,
        Some(breaker) if breaker.batch < BATCH => Gate::Narrow(breaker.batch),
        _ => Gate::Open,
    }
}

fn is_shut(breaker: &Breaker, now: Timestamp) -> bool {
    let furthest = now.checked_add(SHUT_MAX).unwrap_or(now).as_microsecond();
    (now.as_microsecond() + 1..=furthest).contains(&breaker.until)
        && !waits::is_from_the_future(breaker.wait_from, now)
        && !planted("nobody_is_left_alone")
}

/// Whether a failure says that nobody answered, rather than what the answer was.
pub fn is_silence(error: &CallError) -> bool {
    match error {
        CallError::RateLimited { .. }
        | CallError::Unreachable { .. }
        | CallError::ReplyLost { .. } => true,
        CallError::Busy { .. }
        | CallError::Refused { .. }
        | CallError::Unauthorized
        | CallError::NotSetUp { .. }
        | CallError::Denied { .. }
        | CallError::AnotherTarget { .. }
        | CallError::Unfit { .. } => false,
    }
}

/// How a connection stands after a conversation that ended in silence.
pub fn after_silence(
    before: Option<Breaker>,
    connection: &str,
    error: &CallError,
    now: Timestamp,
) -> Breaker {
    // Another conversation was asked to wait for longer.
    let shut = before.as_ref().filter(|it| is_shut(it, now)).map(|it| it.until);
    let failures = before.as_ref().map_or(0, |breaker| breaker.failures) + 1;
    let asked_to_wait = match error.next_step() {
        NextStep::Retry { after: Some(after) } => {
            Some(SignedDuration::try_from(after).unwrap_or(SHUT_MAX).min(SHUT_MAX))
        }
        _ => None,
    };
    let rests = failures >= RESTS_AFTER;
    let wait = match asked_to_wait {
        Some(wait) => wait,
        None if rests => delay(failures - RESTS_AFTER + 1, connection),
        None => SignedDuration::ZERO,
    };
    Breaker {
        failures,
        since: before.as_ref().map_or(i64::MAX, |breaker| breaker.since).min(now.as_microsecond()),
        until: now.checked_add(wait).unwrap_or(now).as_microsecond().max(shut.unwrap_or_default()),
        wait_from: now.as_microsecond(),
        batch: match (rests, before) {
            (true, _) => 1,
            (false, Some(before)) => before.batch,
            (false, None) => BATCH,
        },
        code: error.code().to_owned(),
        error: error.to_string(),
    }
}

/// How a connection stands after an answer, whatever it said; `None` when it is well again. An
/// answer to what left before does not open what another was told to leave alone.
pub fn after_answer(before: Breaker, now: Timestamp) -> Option<Breaker> {
    if is_shut(&before, now) {
        return Some(before);
    }
    let batch = before.batch.saturating_mul(GROWTH);
    // The next silence is the first again, but what goes out together grows step by step.
    (batch < BATCH).then_some(Breaker { failures: 0, until: 0, batch, ..before })
}

/// Whether a person is to be told.
pub fn lasts(breaker: &Breaker, now: Timestamp) -> bool {
    breaker.failures >= RESTS_AFTER
        && Timestamp::from_microsecond(breaker.since)
            .is_ok_and(|since| now.duration_since(since) >= TELL_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).expect("a time")
    }

    fn unreachable() -> CallError {
        CallError::Unreachable { why: "no route".to_owned() }
    }

    fn silent(times: i64) -> Breaker {
        let mut breaker = None;
        for _ in 0..times {
            breaker = Some(after_silence(breaker, "books", &unreachable(), at(0)));
        }
        breaker.expect("some")
    }

    #[test]
    fn two_silences_do_not_make_a_connection_rest() {
        assert_eq!(gate(None, at(0)), Gate::Open);
        for times in 1..RESTS_AFTER {
            assert_eq!(gate(Some(&silent(times)), at(0)), Gate::Open, "{times}");
        }
    }

    #[test]
    fn each_further_silence_makes_it_rest_longer_up_to_five_minutes() {
        let rest = |times| silent(times).until - at(0).as_microsecond();
        let mut before = 0;
        for times in RESTS_AFTER..RESTS_AFTER + 6 {
            assert!(rest(times) > before, "{times}");
            assert_eq!(gate(Some(&silent(times)), at(0)), Gate::Shut);
            before = rest(times);
        }
        assert!(rest(1_000) <= 300_000_000);
        assert!(rest(1_000) >= 150_000_000);
    }

    #[test]
    fn it_begins_with_one_command_and_four_times_as_many_with_each_answer() {
        let mut breaker = Some(silent(5));
        let mut allowed = Vec::new();
        while let Some(now) = breaker {
            match gate(Some(&now), at(600)) {
                Gate::Narrow(batch) => allowed.push(batch),
                other => panic!("{other:?}"),
            }
            breaker = after_answer(now, at(600));
        }
        assert_eq!(allowed, [1, 4, 16, 64]);
    }

    #[test]
    fn one_silence_while_it_grows_is_no_outage_yet() {
        let growing = after_answer(silent(5), at(600)).expect("still growing");
        let again = after_silence(Some(growing), "books", &unreachable(), at(700));
        assert_eq!(gate(Some(&again), at(700)), Gate::Narrow(4));
    }

    #[test]
    fn who_says_when_to_come_again_is_not_asked_before() {
        let slower = CallError::RateLimited { retry_after_ms: Some(40_000) };
        let breaker = after_silence(None, "shop", &slower, at(0));
        assert_eq!(gate(Some(&breaker), at(39)), Gate::Shut);
        assert_eq!(gate(Some(&breaker), at(40)), Gate::Open);
        // What two lanes are told at once: the longer word counts, and no answer shortens it.
        let sooner = CallError::RateLimited { retry_after_ms: Some(5_000) };
        let breaker = after_silence(Some(breaker), "shop", &sooner, at(1));
        let breaker = after_answer(breaker, at(2)).expect("still shut");
        assert_eq!(gate(Some(&breaker), at(39)), Gate::Shut);
        assert_eq!(after_answer(breaker, at(41)), None);
    }

    #[test]
    fn c7_a_clock_that_ran_ahead_shuts_nothing_for_long() {
        let slower = CallError::RateLimited { retry_after_ms: Some(40_000) };
        let breaker = after_silence(None, "shop", &slower, at(86_400));
        assert_eq!(gate(Some(&breaker), at(0)), Gate::Open);
        // Also when the clock is right again shortly before that moment.
        let breaker = after_silence(None, "shop", &slower, at(0));
        assert_eq!(gate(Some(&breaker), at(-61)), Gate::Open);
        assert_eq!(gate(Some(&breaker), at(-59)), Gate::Shut, "clocks differ a little");
    }

    #[test]
    fn a_person_is_told_of_what_lasts() {
        assert!(!lasts(&silent(RESTS_AFTER), at(599)));
        assert!(lasts(&silent(RESTS_AFTER), at(600)));
        assert!(!lasts(&silent(1), at(6_000)));
    }
}
