//! Polls go on where they stopped, at any page, and miss nothing that happens meanwhile.

use std::collections::BTreeSet;

use crate::drive::{at, at_rest, day, eur};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{Context, Outcome, Settings, State, Step, Task};
use trueup_stripe::{CONNECTOR, StripeSandbox};

/// More than one conversation may hold: 25 pages of 100.
const MANY: i64 = 3_050;

fn busy_account() -> StripeSandbox {
    let mut stripe = StripeSandbox::new("acct_busy", eur()).settling_after(0);
    for n in 0..MANY {
        // Several in each second, so that pages end among equals.
        stripe.charge(1_000 + n, "Order", at(n / 7));
    }
    stripe
}

/// Runs one poll; `None` when it crashes before its request number `crash_at`.
fn poll(
    stripe: &mut StripeSandbox,
    stream: &str,
    cursor: Option<String>,
    crash_at: Option<u32>,
) -> Option<Outcome> {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at(86_400) };
    let talk = CONNECTOR.conversations.expect("stripe talks");
    let task = Task::Poll { stream: stream.to_owned(), cursor, since: at(-60) };
    let mut step = (talk.start)(&context, &task);
    let mut sent = 0;
    loop {
        match step {
            Step::Send { request, state, .. } => {
                if Some(sent) == crash_at {
                    return None;
                }
                sent += 1;
                let reply = stripe.handle(&request, context.now);
                step = (talk.resume)(&context, &State(state.0), Ok(&reply));
            }
            Step::Done(outcome) => return Some(outcome),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn c3_a_long_backfill_loses_nothing_to_crashes_and_newcomers() {
    let mut stripe = busy_account();
    let (mut seen, mut cursor, mut polls) = (BTreeSet::new(), None::<String>, 0);
    loop {
        // Each poll crashes once before it succeeds, every time somewhere else.
        assert!(poll(&mut stripe, "charges", cursor.clone(), Some(polls % 3)).is_none());
        // Meanwhile the shop goes on selling.
        if polls < 3 {
            stripe.charge(77, "Order while reading", at(600 + i64::from(polls)));
        }
        let outcome = poll(&mut stripe, "charges", cursor.clone(), None).expect("it ends");
        seen.extend(outcome.records.into_iter().map(|record| record.external_id));
        polls += 1;
        cursor = outcome.cursor;
        if polls > 3 && at_rest(cursor.as_deref()) {
            break;
        }
        assert!(polls < 10);
    }
    assert_eq!(seen.len(), usize::try_from(MANY).expect("it fits") + 3);
}

#[test]
fn c3_a_large_payout_is_itemised_once_across_polls() {
    let mut stripe = busy_account();
    let payout = stripe.pay_out(at(86_400), day(4)).expect("money to pay out");
    let kind = format!("balance_transaction?payout={payout}");
    let (mut rows, mut cursor, mut reads) = (BTreeSet::new(), None::<String>, 0_usize);
    for _ in 0..2 {
        let outcome = poll(&mut stripe, "payouts", cursor.clone(), None).expect("it ends");
        for record in outcome.records.into_iter().filter(|record| record.kind == kind) {
            reads += 1;
            rows.insert(record.external_id);
        }
        cursor = outcome.cursor;
    }
    assert!(at_rest(cursor.as_deref()));
    assert_eq!(rows.len(), usize::try_from(MANY).expect("it fits") + 1);
    assert_eq!(reads, rows.len(), "each row is read once");
    // The next polls find the payout again and leave its rows alone.
    let again = poll(&mut stripe, "payouts", cursor.clone(), None).expect("it ends");
    assert_eq!((again.records.len(), again.cursor), (1, cursor));
}

#[test]
fn a_cursor_from_elsewhere_costs_a_walk_and_nothing_more() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    stripe.charge(1_000, "Order 1", at(0));
    let outcome = poll(&mut stripe, "charges", Some("{\"page\":7}".to_owned()), None);
    assert_eq!(outcome.expect("it ends").records.len(), 1);
}

#[test]
fn requests_name_their_version_and_their_account() {
    let mut settings = Settings::default();
    settings.0.insert("account".to_owned(), "acct_test".to_owned());
    settings.0.insert("webhooks".to_owned(), "off".to_owned());
    let context = Context { settings: &settings, now: at(0) };
    let talk = CONNECTOR.conversations.expect("stripe talks");
    let task = Task::Poll { stream: "events".to_owned(), cursor: None, since: at(0) };
    let Step::Send { request, writes, .. } = (talk.start)(&context, &task) else {
        panic!("it asks")
    };
    assert!(!writes);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        request.headers,
        [header("stripe-version", "2026-07-29.dahlia"), header("stripe-account", "acct_test")]
    );
    assert!(!request.path.contains("delivery_success"), "all events are asked for");
    assert!(request.path.starts_with("/v1/events?limit=100&created%5Bgte%5D=1767225600&types"));
}

#[test]
fn records_are_the_bytes_that_came() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    stripe.charge(1_000, "Order 1 \u{2603} \"quoted\"", at(0));
    let outcome = poll(&mut stripe, "charges", None, None).expect("it ends");
    let request = trueup_connect::Request::get("/v1/charges");
    let whole = stripe.handle(&request, at(86_400)).body;
    let record = &outcome.records[0].body;
    assert!(whole.windows(record.len()).any(|slice| slice == record));
}
