//! The pull, carried as the hub does, with its state through text at every step.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trueup_channel::sandbox::{ChannelSandbox, Fault, List};
use trueup_channel::{CONNECTOR, decode};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::webhook::{Delivery, SignedDelivery};
use trueup_connect::{
    CallError, Context, Decoded, Hint, Message, Outcome, Secret, Settings, State, Step, Task,
};

fn at(minutes: i64) -> Timestamp {
    "2026-06-15T10:00:00Z".parse::<Timestamp>().expect("a time")
        + SignedDuration::from_mins(minutes)
}

fn order(id: &str) -> (List, Value) {
    let lines = json!([{ "id": "1", "sku": "TEE-S", "title": "Tee", "quantity": 1,
        "unit_price": "10.00", "gross": "10.00" }]);
    let order = json!({ "id": id, "number": format!("P-{id}"), "placed_at": "2026-06-15T09:00:00Z",
        "currency": "EUR", "taxes_included": true, "lines": lines, "total": "10.00",
        "payment_standing": "pending" });
    (List::Orders, order)
}

fn payment(id: &str, order: &str) -> (List, Value) {
    let payment = json!({ "id": id, "order": order, "kind": "sale", "status": "succeeded",
        "currency": "EUR", "amount": "10.00", "gateway": "card", "tender": "card",
        "processed_at": "2026-06-15T09:01:00Z" });
    (List::Payments, payment)
}

struct Talk<'a> {
    portal: &'a mut ChannelSandbox,
    settings: Settings,
    requests: usize,
}

impl<'a> Talk<'a> {
    fn new(portal: &'a mut ChannelSandbox) -> Self {
        let settings = Settings([("pull".to_owned(), "on".to_owned())].into());
        Self { portal, settings, requests: 0 }
    }

    fn run(&mut self, task: &Task, now: Timestamp) -> Result<Outcome, CallError> {
        let settings = self.settings.clone();
        let context = Context { settings: &settings, now };
        let talks = CONNECTOR.conversations.expect("it talks");
        let mut step = (talks.start)(&context, task);
        loop {
            step = match step {
                Step::Send { request, writes, state } => {
                    assert!(!writes, "nothing is written to a portal");
                    self.requests += 1;
                    let reply = self.portal.handle(&request, now);
                    (talks.resume)(&context, &State(state.0), Ok(&reply))
                }
                Step::Done(outcome) => return Ok(outcome),
                Step::Failed(error) => return Err(error),
                Step::Wait { .. } => panic!("it never waits"),
            };
        }
    }

    fn poll(&mut self, cursor: Option<String>, now: Timestamp) -> Result<Outcome, CallError> {
        let task = Task::Poll { stream: "orders".to_owned(), cursor, since: at(-60) };
        self.run(&task, now)
    }

    fn read(&mut self, kind: &str, id: &str) -> Result<Outcome, CallError> {
        let hint = Hint { kind: kind.to_owned(), external_id: id.to_owned() };
        self.run(&Task::Read { hints: vec![hint] }, at(0))
    }
}

fn ids(outcome: &Outcome) -> Vec<String> {
    for record in &outcome.records {
        let read = (CONNECTOR.decode)(&Message { kind: &record.kind, body: &record.body });
        assert!(matches!(read, Ok(Decoded::Documents(_))), "{record:?}: {read:?}");
    }
    let id = |record: &trueup_connect::Record| format!("{}/{}", record.kind, record.external_id);
    outcome.records.iter().map(id).collect()
}

#[test]
fn what_was_never_delivered_is_found_by_the_pull_page_by_page() {
    let mut portal = ChannelSandbox::new(2);
    for number in 0..5 {
        portal.state(&[order(&format!("o-{number}"))], at(number));
    }
    portal.state(&[payment("p-0", "o-0")], at(5));
    assert_eq!(portal.lose_deliveries(), 6);
    let mut talk = Talk::new(&mut portal);
    let first = talk.poll(None, at(10)).expect("it answers");
    assert_eq!(
        ids(&first),
        ["order/o-0", "order/o-1", "order/o-2", "order/o-3", "order/o-4", "payment/p-0"]
    );
    assert_eq!(talk.requests, 3);

    // What is told late, with a time before the last poll, is within the overlap.
    talk.portal.state(&[order("o-9")], at(0));
    let second = talk.poll(first.cursor, at(20)).expect("it answers");
    assert!(ids(&second).contains(&"order/o-9".to_owned()));
    let third = talk.poll(second.cursor, at(60)).expect("it answers");
    let fourth = talk.poll(third.cursor, at(120)).expect("it answers");
    assert_eq!(ids(&fourth), [] as [&str; 0]);
}

#[test]
fn a_long_walk_goes_on_where_it_stood() {
    let mut portal = ChannelSandbox::new(1);
    let all: BTreeSet<String> = (0..60).map(|number| format!("o-{number}")).collect();
    for id in &all {
        portal.state(&[order(id)], at(0));
    }
    let mut talk = Talk::new(&mut portal);
    let (mut cursor, mut seen, mut polls) = (None, Vec::new(), 0);
    while seen.len() < all.len() {
        let outcome = talk.poll(cursor, at(10 + polls)).expect("it answers");
        seen.extend(outcome.records.iter().map(|record| record.external_id.clone()));
        cursor = outcome.cursor;
        polls += 1;
    }
    assert_eq!(polls, 3, "25 pages each");
    assert_eq!(seen.len(), all.len(), "nothing twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
}

#[test]
fn an_order_is_read_with_all_that_belongs_to_it() {
    let mut portal = ChannelSandbox::new(2);
    portal.state(&[order("o-1"), payment("p-1", "o-1"), payment("p-2", "o-2")], at(0));
    let mut talk = Talk::new(&mut portal);
    assert_eq!(ids(&talk.read("order", "o-1").expect("it answers")), ["order/o-1", "payment/p-1"]);
    let gone = talk.read("order", "o-7").expect_err("there is none");
    assert_eq!(gone.code(), "TU104");
}

#[test]
fn a_portal_without_the_pull_is_never_asked() {
    let mut portal = ChannelSandbox::new(2);
    let mut talk = Talk::new(&mut portal);
    talk.settings = Settings::default();
    assert_eq!(talk.poll(None, at(0)), Ok(Outcome::default()));
    assert_eq!(talk.read("order", "o-1"), Ok(Outcome::default()));
    // Two contents under one version are for a person, because nobody can be asked.
    assert_eq!(talk.read("payment", "p-1").map_err(|error| error.code()), Err("TU104"));
    assert_eq!(talk.requests, 0);
}

#[test]
fn each_fault_of_a_portal_has_its_meaning() {
    let cases = [
        (Fault::RateLimited, "TU101"),
        (Fault::Unavailable, "TU106"),
        (Fault::Unauthorized, "TU105"),
        (Fault::CutOff, "TU103"),
        (Fault::UnknownField, "TU103"),
    ];
    for (fault, code) in cases {
        let mut portal = ChannelSandbox::new(2);
        portal.state(&[order("o-1")], at(0));
        portal.fault_next(fault);
        let mut talk = Talk::new(&mut portal);
        assert_eq!(talk.poll(None, at(1)).map_err(|error| error.code()), Err(code), "{fault:?}");
        let again = talk.poll(None, at(2)).expect("the fault has passed");
        assert_eq!(ids(&again), ["order/o-1"], "{fault:?}");
    }
}

#[test]
fn what_the_sandbox_pushes_is_taken() {
    let mut portal = ChannelSandbox::new(2);
    portal.state(&[order("o-1"), payment("p-1", "o-1")], at(0));
    let pushes = portal.take_deliveries();
    let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let webhooks = CONNECTOR.webhooks.expect("it takes them");
    for push in &pushes {
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: &push.kind,
            source_id: &push.source_id,
            account: "",
            body: &push.body,
            secret: &secret,
            now: at(0),
        });
        let delivery = Delivery { headers: &headers, body: &push.body };
        let taken = (webhooks.authenticate)(&delivery, std::slice::from_ref(&secret), at(1));
        let taken = taken.expect("authentic");
        assert_eq!((taken.kind.as_str(), &taken.source_id), (decode::MESSAGE, &push.source_id));
        let read = (CONNECTOR.decode)(&Message { kind: &taken.kind, body: &push.body });
        assert!(matches!(read, Ok(Decoded::Documents(it)) if it.len() == 2));
    }
    assert_eq!(pushes.len(), 1);
}
