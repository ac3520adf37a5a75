//! Polls against the sandbox: pages, what comes late, and what a failure leaves.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{
    CallError, Context, Hint, Outcome, Request, Settings, Step, Task, conformance,
};
use trueup_domain::document::Document;
use trueup_odoo_pos::CONNECTOR;
use trueup_odoo_pos::sandbox::{Fault, OdooPosSandbox};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn order(id: i64, written: &str) -> Value {
    json!({
        "id": id, "pos_reference": format!("R-{id}"), "name": format!("R-{id}"), "uuid": "u",
        "state": "paid", "date_order": "2026-11-01 09:00:00", "write_date": written,
        "session_id": [1, "S"], "config_id": [1, "C"], "currency_id": [1, "USD"],
        "partner_id": false, "amount_total": 0.0, "amount_tax": 0.0, "amount_paid": 0.0,
        "account_move": false, "company_id": [1, "US"],
    })
}

fn run(sandbox: &mut OdooPosSandbox, task: &Task) -> Result<(Outcome, usize), CallError> {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at("2026-11-20T12:00:00Z") };
    let talk = CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, task);
    for requests in 0..1_000 {
        step = match step {
            Step::Send { request, state, writes } => {
                assert!(!writes, "nothing is written");
                let reply = sandbox.handle(&request, context.now);
                (talk.resume)(&context, &state, Ok(&reply))
            }
            Step::Done(outcome) => return Ok((outcome, requests)),
            Step::Failed(error) => return Err(error),
            Step::Wait { .. } => panic!("it never waits"),
        };
    }
    panic!("the conversation does not end");
}

fn poll(cursor: Option<String>) -> Task {
    let since = at("2026-11-01T00:00:00Z");
    Task::Poll { stream: "orders".to_owned(), cursor, since }
}

fn ids(outcome: &Outcome) -> BTreeSet<i64> {
    outcome.records.iter().map(|one| one.external_id.parse().expect("an id")).collect()
}

#[test]
fn a_long_poll_ends_in_parts_and_loses_nothing() {
    let mut sandbox = OdooPosSandbox::default();
    for id in 1..=1_234 {
        sandbox.put("pos.order", order(id, "2026-11-20 10:00:00"));
    }
    let (first, _) = run(&mut sandbox, &poll(None)).expect("read");
    assert_eq!(ids(&first), (1..=1_000).collect());
    let (second, _) = run(&mut sandbox, &poll(first.cursor)).expect("read");
    assert_eq!(ids(&second), (1_001..=1_234).collect());
}

#[test]
fn d17_what_is_uploaded_late_is_found_by_when_it_was_written() {
    let mut sandbox = OdooPosSandbox::default();
    sandbox.put("pos.order", order(5, "2026-11-20 10:00:00"));
    let (first, _) = run(&mut sandbox, &poll(None)).expect("read");
    assert_eq!(ids(&first), [5].into());
    // Sold on the 1st, uploaded now; and one whose transaction began before the cursor.
    sandbox.put("pos.order", order(6, "2026-11-20 11:00:00"));
    sandbox.put("pos.order", order(4, "2026-11-20 09:58:00"));
    let (second, _) = run(&mut sandbox, &poll(first.cursor)).expect("read");
    assert_eq!(ids(&second), [4, 5, 6].into());
    let (third, _) = run(&mut sandbox, &poll(second.cursor)).expect("read");
    assert_eq!(ids(&third), [6].into(), "only the overlap is read again");
}

#[test]
fn an_order_is_read_by_the_id_that_its_parts_begin_with() {
    let mut sandbox = OdooPosSandbox::default();
    for id in [5, 6, 7] {
        sandbox.put("pos.order", order(id, "2026-11-20 10:00:00"));
    }
    let hint = |kind: &str, id: &str| Hint { kind: kind.to_owned(), external_id: id.to_owned() };
    let hints = vec![hint("order", "5"), hint("payment", "6-12"), hint("ticket", "6-5")];
    let (read, _) = run(&mut sandbox, &Task::Read { hints }).expect("read");
    assert_eq!(ids(&read), [5, 6].into());
    let wrong = Task::Read { hints: vec![hint("order", "five")] };
    assert!(matches!(run(&mut sandbox, &wrong), Err(CallError::Refused { .. })));
}

#[test]
fn a_failure_has_its_next_step() {
    let mut sandbox = OdooPosSandbox::default();
    sandbox.put("pos.order", order(5, "2026-11-20 10:00:00"));
    let mut failing = |fault: Fault| {
        sandbox.fault_next(fault);
        run(&mut sandbox, &poll(None)).expect_err("it fails")
    };
    assert!(matches!(failing(Fault::NoRights), CallError::NotSetUp { .. }));
    assert!(matches!(failing(Fault::Unavailable), CallError::Unreachable { .. }));
    assert!(matches!(failing(Fault::CutOff), CallError::Unreachable { .. }));
}

#[test]
fn nothing_is_ever_delivered() {
    let task = Task::Deliver { commands: Vec::new() };
    let refused = run(&mut OdooPosSandbox::default(), &task).expect_err("refused");
    assert!(matches!(refused, CallError::Refused { .. }));
}

/// What the registers sold in a window is listed by when it was sold, however late it was uploaded.
#[test]
fn what_was_sold_in_a_window_is_listed_once() {
    let sold = |id: i64, second: i64| {
        let at = at("2026-11-01T09:00:00Z") + jiff::SignedDuration::from_secs(second);
        let mut order = order(id, "2026-11-20 10:00:00");
        order["date_order"] = json!(at.strftime("%Y-%m-%d %H:%M:%S").to_string());
        order
    };
    let mut sandbox = OdooPosSandbox::default();
    for id in 1..=230 {
        // Newer ids were not sold later: registers upload when they can.
        sandbox.put("pos.order", sold(id, (id * 37) % 600));
    }
    let mut draft = sold(231, 5);
    draft["state"] = json!("draft");
    sandbox.put("pos.order", draft);
    let (polled, _) = run(&mut sandbox, &poll(None)).expect("read");
    let documents = conformance::documents(&CONNECTOR, &polled.records);
    let orders = documents.iter().filter(|it| matches!(it, Document::Order(_))).count();
    assert_eq!(orders, 230, "a draft is no sale");
    let window = (at("2026-11-01T09:00:00Z"), at("2026-11-01T09:05:00Z"));
    let mut ask = |request: &Request| sandbox.handle(request, window.1);
    conformance::lists(&CONNECTOR, &Settings::default(), &mut ask, &documents, window);
}
