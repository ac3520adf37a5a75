//! Plays the hub for one sandbox: carries requests, stores nothing, decodes what comes back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{
    CallError, Context, Decoded, Hint, Message, Method, Outcome, Settings, State, Step, Task,
};
use trueup_domain::document::{Document, Kind};
use trueup_domain::money::{Currency, Money};
use trueup_woocommerce::CONNECTOR;
use trueup_woocommerce::sandbox::{NewLine, NewOrder, WooSandbox};

const START_S: i64 = 1_767_225_600;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START_S + seconds).expect("a moment")
}

pub fn eur() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

pub fn money(text: &str) -> Money {
    Money::parse(text, eur()).expect("an amount")
}

pub fn decode(kind: &str, body: &[u8]) -> Decoded {
    match (CONNECTOR.decode)(&Message { kind, body }) {
        Ok(decoded) => decoded,
        Err(error) => panic!("{kind}: {error}: {}", String::from_utf8_lossy(body)),
    }
}

pub fn documents(kind: &str, body: &[u8]) -> Vec<Document> {
    match decode(kind, body) {
        Decoded::Documents(documents) => documents,
        other => panic!("{kind}: {other:?}"),
    }
}

pub fn hint(kind: Kind, id: &str) -> Hint {
    Hint::new(kind, id)
}

/// A shop whose prices are without tax, and one order of one mug in it.
pub fn shop() -> WooSandbox {
    WooSandbox::new("shop.example.com", eur(), false)
}

pub fn mugs(quantity: i64) -> NewOrder {
    let line = NewLine {
        sku: "MUG-01".to_owned(),
        title: "Mug".to_owned(),
        quantity,
        unit: 1_000,
        discount: 0,
        rates: Vec::new(),
    };
    NewOrder { lines: vec![line], method: "stripe".to_owned(), ..NewOrder::default() }
}

/// Carries a conversation to its end or to the request that a crash loses, its state through text
/// as the store would.
pub fn run_until(
    shop: &mut WooSandbox,
    settings: &Settings,
    task: &Task,
    crash_at: Option<usize>,
    mut meanwhile: impl FnMut(&mut WooSandbox, usize),
) -> Option<Result<Outcome, CallError>> {
    let context = Context { settings, now: at(86_400) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, task);
    let mut sent = 0;
    loop {
        match step {
            Step::Send { request, writes, state } => {
                let keeps = settings.get("keep_webhooks") == Some("yes");
                assert!(!writes || keeps, "nothing is written to the shop");
                assert_eq!(writes, request.method == Method::Post);
                if Some(sent) == crash_at {
                    return None;
                }
                let reply = shop.handle(&request, context.now);
                sent += 1;
                meanwhile(shop, sent);
                step = (talk.resume)(&context, &State(state.0), Ok(&reply));
            }
            Step::Wait { .. } => panic!("nothing to wait for"),
            Step::Done(outcome) => return Some(Ok(outcome)),
            Step::Failed(error) => return Some(Err(error)),
        }
        assert!(sent < 1_000, "it does not end");
    }
}

pub fn run(shop: &mut WooSandbox, task: &Task) -> Result<Outcome, CallError> {
    run_until(shop, &Settings::default(), task, None, |_, _| {}).expect("nothing crashes")
}

pub fn poll_task(stream: &str, cursor: Option<String>) -> Task {
    Task::Poll { stream: stream.to_owned(), cursor, since: at(-60) }
}

/// Polls once, and what it brought by id.
pub fn poll(shop: &mut WooSandbox, stream: &str) -> BTreeMap<String, Vec<Document>> {
    let outcome = run(shop, &poll_task(stream, None)).expect("it ends");
    let one = |record: trueup_connect::Record| {
        let stated = documents(&record.kind, &record.body);
        (record.external_id, stated)
    };
    outcome.records.into_iter().map(one).collect()
}

pub fn read(shop: &mut WooSandbox, hints: &[Hint]) -> Vec<(String, Vec<Document>)> {
    let outcome = run(shop, &Task::Read { hints: hints.to_vec() }).expect("it ends");
    assert_eq!(outcome.cursor, None);
    let one = |record: trueup_connect::Record| {
        let stated = documents(&record.kind, &record.body);
        (record.external_id, stated)
    };
    outcome.records.into_iter().map(one).collect()
}
