//! Jobs at their time: once each, what was missed made up for or passed over, and never by two.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use trueup_hub::decisions::{self, Decision, What};
use trueup_hub::schedules::{self, Due, Missed, Run, Schedule, When};
use trueup_hub::{Hub, Share, Turn};
use trueup_store::schedules::Standing;
use trueup_store::{StoreError, leases};

use crate::world::{mapped, open_cases, read, write};

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(pattern: &str, zone: &str) -> When {
    When::cron(pattern, TimeZone::get(zone).unwrap()).unwrap()
}

fn schedule(when: When, missed: Missed) -> Schedule {
    Schedule { name: "nightly".to_owned(), job: "backup".to_owned(), when, missed }
}

/// Daily at 02:30 in Berlin.
fn nightly() -> Schedule {
    schedule(cron("30 2 * * *", "Europe/Berlin"), Missed::Once)
}

fn standing(done_to: &str) -> Standing {
    Standing {
        name: "nightly".to_owned(),
        done_to: moment(done_to),
        asked: None,
        started_at: None,
        attempts: 0,
        next_at: None,
        last: None,
    }
}

/// The occurrences between two moments.
fn occurrences(when: &When, from: &str, to: &str) -> Vec<String> {
    let (mut at, to, mut all) = (moment(from), moment(to), Vec::new());
    while let Some(next) = when.next(at).filter(|next| *next <= to) {
        all.push(next.to_string());
        // Looking back finds the same ones.
        assert_eq!(when.latest(next), Some(next));
        assert_eq!(when.latest(next - SignedDuration::from_nanos(1)).filter(|it| *it > at), None);
        at = next;
    }
    all
}

#[test]
fn f1_a_time_that_the_clock_leaves_out_or_repeats_comes_once() {
    let when = cron("30 2 * * *", "Europe/Berlin");
    // 29 March 2026: 02:00 becomes 03:00.
    let spring = occurrences(&when, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(spring, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    // 25 October 2026: 03:00 becomes 02:00.
    let autumn = occurrences(&when, "2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(autumn, ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
}

#[test]
fn an_interval_is_counted_from_no_run() {
    let when = When::Every(SignedDuration::from_hours(6));
    let found = occurrences(&when, "2026-03-01T05:59:59Z", "2026-03-01T18:00:00Z");
    assert_eq!(found, ["2026-03-01T06:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z"]);
}

#[test]
fn times_that_never_come_are_refused() {
    for pattern in ["0 0 30 2 *", "30 25 * * *", "* * *", "", "at night", "0 30 2 * * *"] {
        assert!(When::cron(pattern, TimeZone::UTC).is_err(), "{pattern}");
    }
}

#[test]
fn f6_what_was_missed_is_one_run_or_passed_over() {
    let (monday, friday) = (standing("2026-03-02T01:30:00Z"), moment("2026-03-06T09:00:00Z"));
    let latest = moment("2026-03-06T01:30:00Z");
    assert_eq!(schedules::due(&nightly(), &monday, friday), Due::Now { to: latest });
    let skipping = Schedule { missed: Missed::Skip, ..nightly() };
    assert_eq!(schedules::due(&skipping, &monday, friday), Due::PassedOver { to: latest });
    // A few minutes late is late, and not missed.
    let late = latest + SignedDuration::from_mins(5);
    assert_eq!(schedules::due(&skipping, &monday, late), Due::Now { to: latest });
    // One that failed is tried again, however long after.
    let failed = Standing { attempts: 1, next_at: Some(latest), ..monday };
    assert_eq!(schedules::due(&skipping, &failed, friday), Due::Now { to: latest });
}

#[test]
fn f6_an_occurrence_is_done_once_whatever_the_clock_does() {
    let done = standing("2026-03-02T01:30:00Z");
    let next = Due::Later(Some(moment("2026-03-03T01:30:00Z")));
    let due = |now: &str| schedules::due(&nightly(), &done, moment(now));
    assert_eq!(due("2026-03-02T01:30:00Z"), next);
    assert_eq!(due("2026-03-02T23:00:00Z"), next);
    // A clock that is set back by some minutes: it is not done again.
    assert_eq!(due("2026-03-02T01:28:00Z"), next);
}

#[test]
fn c7_a_clock_that_ran_ahead_puts_no_job_off_for_long() {
    // It was done for a day that has not come.
    let ahead = standing("2026-03-10T01:30:00Z");
    let due = schedules::due(&nightly(), &ahead, moment("2026-03-02T12:00:00Z"));
    assert_eq!(due, Due::Later(Some(moment("2026-03-03T01:30:00Z"))));
    let failed = Standing {
        attempts: 3,
        next_at: Some(moment("2026-03-10T02:30:00Z")),
        ..standing("2026-03-01T01:30:00Z")
    };
    let due = schedules::due(&nightly(), &failed, moment("2026-03-02T12:00:00Z"));
    assert_eq!(due, Due::Now { to: moment("2026-03-02T01:30:00Z") });
}

/// A hub that knows the nightly job since Sunday noon.
fn hub() -> Hub {
    let hub = mapped();
    write(&hub, |tx| schedules::declare(tx, &[nightly()], moment("2026-03-01T12:00:00Z")));
    hub
}

fn begin(hub: &Hub, now: &str) -> Option<Run> {
    schedules::begin(hub, &nightly(), moment(now)).unwrap()
}

fn end(hub: &Hub, run: &Run, outcome: Result<&str, &str>, now: &str) {
    let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
    schedules::end(hub, &nightly(), run, outcome, moment(now)).unwrap();
}

fn shown(hub: &Hub, now: &str) -> schedules::Shown {
    let now = moment(now);
    read(hub, move |tx| schedules::shown(tx, &[nightly()], now)).remove(0)
}

#[test]
fn f6_a_job_runs_at_its_time_and_not_again() {
    let hub = hub();
    assert_eq!(begin(&hub, "2026-03-02T01:29:59Z"), None);
    let run = begin(&hub, "2026-03-02T01:30:01Z").unwrap();
    // Since it is known: what would have been before is not made up for.
    assert_eq!(run.from, moment("2026-03-01T12:00:00Z"));
    assert_eq!(run.to, moment("2026-03-02T01:30:00Z"));
    assert_eq!(shown(&hub, "2026-03-02T01:30:02Z").state, "running");
    end(&hub, &run, Ok("a file"), "2026-03-02T01:30:03Z");
    let told = shown(&hub, "2026-03-02T01:31:00Z");
    assert_eq!((told.state, told.detail.as_str()), ("done", "a file"));
    assert_eq!(told.next_at, Some(moment("2026-03-03T01:30:00Z")));
    // Declaring it again, as every start does, changes nothing.
    write(&hub, |tx| schedules::declare(tx, &[nightly()], moment("2026-03-02T02:00:00Z")));
    assert_eq!(begin(&hub, "2026-03-02T02:00:01Z"), None);
    let next = begin(&hub, "2026-03-03T01:30:00Z").unwrap();
    assert_eq!(next.from, run.to);
}

#[test]
fn c4_a_run_that_was_cut_off_is_begun_again_after_a_while() {
    let hub = hub();
    let cut_off = begin(&hub, "2026-03-02T01:30:00Z").unwrap();
    // The process died. Whoever works next does not begin it at once: it may be what kills them.
    assert_eq!(begin(&hub, "2026-03-02T01:30:30Z"), None);
    assert_eq!(begin(&hub, "2026-03-02T01:31:00Z"), Some(cut_off.clone()));
    assert_eq!(begin(&hub, "2026-03-02T01:32:30Z"), None, "then after twice as long");
    assert_eq!(begin(&hub, "2026-03-02T01:33:00Z"), Some(cut_off));
}

#[test]
fn a_job_that_failed_is_a_case_until_it_succeeds() {
    let hub = hub();
    let run = begin(&hub, "2026-03-02T01:30:00Z").unwrap();
    end(&hub, &run, Err("the disk is full"), "2026-03-02T01:30:05Z");
    assert_eq!(open_cases(&hub), ["job_failed"]);
    assert_eq!(shown(&hub, "2026-03-02T01:30:06Z").state, "failed");
    assert_eq!(begin(&hub, "2026-03-02T01:30:30Z"), None, "not at once");
    let again = begin(&hub, "2026-03-02T01:31:05Z").unwrap();
    assert_eq!(again, run, "the same is still to be done");
    end(&hub, &again, Ok("a file"), "2026-03-02T01:31:06Z");
    assert_eq!(open_cases(&hub), Vec::<String>::new());
    assert_eq!(begin(&hub, "2026-03-02T12:00:00Z"), None);
}

fn decide(hub: &Hub, what: What, now: &str) -> bool {
    let decision = Decision { what, person: "ann".to_owned(), reason: String::new() };
    let (own, now) = (hub.clone(), moment(now));
    write(hub, move |tx| decisions::take(tx, &own, &decision, now)).is_ok()
}

#[test]
fn a_person_has_a_job_run_beside_its_times() {
    let hub = hub();
    let job = |name: &str| What::Run { schedule: name.to_owned() };
    assert!(!decide(&hub, job("daily"), "2026-03-01T15:00:00Z"), "there is none of that name");
    assert!(decide(&hub, job("nightly"), "2026-03-01T15:00:00Z"));
    assert_eq!(shown(&hub, "2026-03-01T15:00:01Z").asked_by.as_deref(), Some("ann"));
    let run = begin(&hub, "2026-03-01T15:00:01Z").unwrap();
    // Somebody else asks while it runs: that is another run.
    assert!(decide(&hub, job("nightly"), "2026-03-01T15:00:02Z"));
    end(&hub, &run, Ok("a file"), "2026-03-01T15:00:03Z");
    let second = begin(&hub, "2026-03-01T15:00:04Z").unwrap();
    end(&hub, &second, Ok("a file"), "2026-03-01T15:00:05Z");
    assert_eq!(begin(&hub, "2026-03-01T15:00:06Z"), None);
    let own_time = begin(&hub, "2026-03-02T01:30:00Z").unwrap();
    assert_eq!(own_time.asked, None);
}

#[test]
fn the_case_of_a_job_is_retried() {
    let hub = hub();
    let run = begin(&hub, "2026-03-02T01:30:00Z").unwrap();
    end(&hub, &run, Err("no room"), "2026-03-02T01:30:01Z");
    let case = read(&hub, trueup_store::cases::open_cases).remove(0).id;
    assert!(!decide(&hub, What::Close { case: case.clone() }, "2026-03-02T01:30:02Z"));
    assert!(decide(&hub, What::Retry { about: case }, "2026-03-02T01:30:02Z"));
    assert!(begin(&hub, "2026-03-02T01:30:03Z").is_some(), "without waiting any longer");
}

#[test]
fn f6_only_who_works_on_the_store_runs_jobs() {
    let (hub, at) = (hub(), moment("2026-03-02T01:30:00Z"));
    let idle = hub.clone().in_turn(Turn::waiting());
    assert_eq!(schedules::begin(&idle, &nightly(), at).unwrap(), None);
    let lease = |owner: &'static str, seconds: i64| {
        let now = at + SignedDuration::from_secs(seconds);
        let lease = write(&hub, move |tx| {
            leases::acquire(tx, "a part", owner, now, SignedDuration::from_secs(9))
        });
        Share::All(vec![lease.unwrap()])
    };
    let turn = Turn::waiting();
    turn.give(lease("one", 0));
    let one = hub.clone().in_turn(turn);
    let run = schedules::begin(&one, &nightly(), at).unwrap().unwrap();
    // It stood still for so long that another works now: what it says is not taken.
    lease("other", 60);
    let late = schedules::end(&one, &nightly(), &run, Ok("a file".to_owned()), at);
    assert!(matches!(late, Err(StoreError::LeaseLost)));
    assert!(matches!(
        schedules::begin(&one, &nightly(), at + SignedDuration::from_mins(9)),
        Err(StoreError::LeaseLost)
    ));
}
