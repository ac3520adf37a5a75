//! One fault at a time, far more often than in a storm: each named after its row of the failure
//! model, and each ends as the calm does.

use trueup_sandbox::WeekSettings;
use trueup_simulation::till_room::{Weather, history, tell_week};

const ORDERS: u32 = 2;
const SEEDS: std::ops::Range<u64> = 1000..1008;

/// `TRUEUP_SEEDS=from..to` tells others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("TRUEUP_SEEDS").ok();
    let asked = asked.as_deref().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    asked.unwrap_or(SEEDS)
}

/// Tells some seeds in this weather and in calm.
fn ends_as_in_calm(weather: Weather, met: &str) {
    histories_end_as_in_calm(weather, met, |settings| settings);
}

/// The same with other histories.
fn histories_end_as_in_calm(weather: Weather, met: &str, change: fn(WeekSettings) -> WeekSettings) {
    let mut times = 0;
    for seed in seeds() {
        let week = change(history(seed, ORDERS));
        let calm = tell_week(week, Weather::CALM).unwrap_or_else(|error| panic!("calm: {error:#}"));
        let told = tell_week(week, weather).unwrap_or_else(|error| panic!("{met}: {error:#}"));
        assert_eq!(calm.end, told.end, "seed {seed}\n{}", told.transcript);
        times += told.hits.0.get(met).copied().unwrap_or(0);
    }
    let enough = seeds() != SEEDS || times >= 8;
    assert!(enough, "`{met}` was met {times} times only");
}

const CALM: Weather = Weather::CALM;

#[test]
fn a1_every_push_comes_twice() {
    ends_as_in_calm(Weather { push_doubled: 1000, ..CALM }, "push doubled");
}

#[test]
fn a2_the_same_id_with_another_body_is_kept() {
    ends_as_in_calm(Weather { id_reused: 500, ..CALM }, "id reused");
}

#[test]
fn a7_what_was_never_delivered_is_found_by_polling() {
    ends_as_in_calm(Weather { push_lost: 1000, ..CALM }, "push lost");
}

#[test]
fn a17_a_crash_after_the_commit_and_before_the_answer() {
    ends_as_in_calm(Weather { crash_after_commit: 150, ..CALM }, "crash");
}

#[test]
fn a18_a_crash_before_the_commit() {
    ends_as_in_calm(Weather { crash_before_commit: 150, ..CALM }, "crash");
}

#[test]
fn b1_the_reply_is_lost_after_the_books_committed() {
    ends_as_in_calm(Weather { reply_lost: 350, ..CALM }, "reply lost");
}

#[test]
fn b2_the_request_is_lost_on_the_way() {
    ends_as_in_calm(Weather { lost_on_the_way: 350, ..CALM }, "lost on the way");
}

#[test]
fn b3_most_requests_do_not_leave() {
    ends_as_in_calm(Weather { request_lost: 700, ..CALM }, "request lost");
}

#[test]
fn b4_answers_take_up_to_75_seconds() {
    ends_as_in_calm(Weather { silent: 600, ..CALM }, "silence");
}

#[test]
fn b5_a_proxy_answers_for_a_worker_that_was_killed() {
    ends_as_in_calm(Weather { proxy_answers: 300, ..CALM }, "proxy answered");
}

#[test]
fn b6_the_books_are_busy() {
    ends_as_in_calm(Weather { busy: 500, ..CALM }, "busy");
}

#[test]
fn b9_everybody_asks_to_slow_down() {
    ends_as_in_calm(Weather { rate_limited: 400, ..CALM }, "rate limited");
}

#[test]
fn b11_keys_run_out_in_the_middle_of_the_work() {
    ends_as_in_calm(Weather { key_expires: 60, ..CALM }, "key expired");
}

#[test]
fn b20_a_page_of_html_with_status_200_is_no_success() {
    ends_as_in_calm(Weather { proxy_answers: 400, ..CALM }, "proxy answered");
}

#[test]
fn c1_processes_that_end_between_any_two_steps() {
    ends_as_in_calm(Weather { restarted: 300, ..CALM }, "restart");
}

#[test]
fn c5_a_process_that_stands_still_loses_its_lease() {
    ends_as_in_calm(Weather { processes: 2, meanwhile: 300, ..CALM }, "lease lost");
}

#[test]
fn c6_two_processes_on_one_store() {
    ends_as_in_calm(Weather { processes: 2, ..CALM }, "lease passed on");
}

#[test]
fn c7_clocks_jump_a_day_ahead_and_two_hours_back() {
    ends_as_in_calm(Weather { processes: 2, clock_jumps: 60, ..CALM }, "clock jump");
}

#[test]
fn c18_three_processes_take_turns() {
    ends_as_in_calm(Weather { processes: 3, meanwhile: 60, restarted: 40, ..CALM }, "restart");
}

#[test]
fn e19_every_statement_of_the_bank_comes_twice() {
    ends_as_in_calm(Weather { file_doubled: 1000, ..CALM }, "file doubled");
}

/// Each document is in the company of its shop, whatever the weather (I11).
#[test]
fn b26_two_companies_are_kept_apart() {
    ends_as_in_calm(Weather::STORM, "order");
}

#[test]
fn d5_orders_are_called_off_while_they_are_posted() {
    histories_end_as_in_calm(Weather::STORM, "cancelled", |week| WeekSettings {
        cancelled_per_mille: 1000,
        extended_per_mille: 0,
        repriced_per_mille: 0,
        ..week
    });
}

#[test]
fn d6_units_come_back_one_by_one() {
    histories_end_as_in_calm(Weather::STORM, "refund", |week| WeekSettings {
        returned_per_mille: 1000,
        cancelled_per_mille: 0,
        repriced_per_mille: 0,
        ..week
    });
}

/// When the faults stop, everything is done within half an hour, with a bounded number of requests
/// (I15, I16).
#[test]
fn h26_the_hub_falls_quiet_after_the_weather() {
    let worse = Weather { request_lost: 200, reply_lost: 200, rate_limited: 150, ..Weather::STORM };
    ends_as_in_calm(worse, "rate limited");
}

/// Everything is read and decided again while it is under way, and no effect happens twice.
#[test]
fn h24_replays_at_any_moment_change_nothing() {
    ends_as_in_calm(Weather { replayed: 60, ..CALM }, "replay");
}

#[test]
fn h24_replays_in_a_storm_change_nothing() {
    ends_as_in_calm(Weather { replayed: 60, ..Weather::STORM }, "replay");
}

/// The books refuse what is right, again and again; people retry it, or skip it and take it up later.
#[test]
fn b8_what_is_refused_is_retried_or_skipped_and_taken_up() {
    ends_as_in_calm(Weather { refused: 300, ..CALM }, "taken up");
}

#[test]
fn b8_what_is_refused_in_a_storm_is_taken_up() {
    ends_as_in_calm(Weather { refused: 300, ..Weather::MILDER_STORM }, "refused and retried");
}

/// The books are brought back from a backup while we post: what is gone is made again, once.
#[test]
fn b17_books_that_are_set_back_get_what_is_gone_once() {
    ends_as_in_calm(Weather { set_back: 30, ..CALM }, "made again");
}

#[test]
fn b17_books_that_are_set_back_in_a_storm() {
    ends_as_in_calm(Weather { set_back: 150, ..Weather::MILDER_STORM }, "made again");
}
