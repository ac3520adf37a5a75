//! Paging, overlap, crashes: nothing is lost, and nothing is told twice without a reason.

use std::collections::{BTreeMap, BTreeSet};

use trueup_connect::sandbox::Sandbox;
use trueup_connect::{CallError, Context, Decoded, Outcome, Request, Settings, Step, Task};
use trueup_domain::document::{Document, Kind};
use trueup_woocommerce::CONNECTOR;
use trueup_woocommerce::sandbox::{Fault, NewRefund, WooSandbox};

use crate::drive::{at, decode, hint, mugs, poll, poll_task, read, run, run_until, shop};

const MANY: i64 = 250;

/// Orders a second apart, every tenth of them refunded.
fn busy() -> (WooSandbox, BTreeSet<String>) {
    let mut shop = shop();
    let mut ids = BTreeSet::new();
    for number in 0..MANY {
        let id = shop.place(mugs(2), at(number)).expect("placed");
        if number % 10 == 0 {
            shop.pay(&id, &format!("ch_{number}"), at(number)).expect("paid");
            let one = NewRefund { lines: vec![(0, 1)], ..NewRefund::default() };
            shop.refund(&id, &one, at(number)).expect("refunded");
        }
        ids.insert(id);
    }
    (shop, ids)
}

fn ids(outcome: &Outcome) -> Vec<String> {
    outcome.records.iter().map(|record| record.external_id.clone()).collect()
}

#[test]
fn c3_a_crash_at_any_request_loses_nothing_and_tells_nothing_twice() {
    let (mut shop, expected) = busy();
    let task = poll_task("orders", None);
    let settings = Settings::default();
    let whole = run(&mut shop, &task).expect("it ends");
    // Three pages, and the refunds of every tenth order.
    let requests = 3 + usize::try_from(MANY).expect("it fits") / 10;
    for crash_at in 0..requests {
        let crashed = run_until(&mut shop, &settings, &task, Some(crash_at), |_, _| {});
        assert!(crashed.is_none(), "it ended before request {crash_at}");
        let again = run(&mut shop, &task).expect("it ends");
        assert_eq!((&again.records, &again.cursor), (&whole.records, &whole.cursor));
    }
    let read = ids(&whole);
    assert_eq!(read.len(), expected.len(), "nothing twice");
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// An order that was passed and changes moves to the end; with numbered pages the first of the
/// next page would move up and be lost.
#[test]
fn c3_what_changes_while_it_is_read_hides_nothing() {
    let (mut shop, expected) = busy();
    let first: Vec<String> = expected.iter().take(60).cloned().collect();
    let mut changed = first.iter();
    let task = poll_task("orders", None);
    let settings = Settings::default();
    let outcome = run_until(&mut shop, &settings, &task, None, |shop, sent| {
        for _ in 0..3 {
            if let Some(id) = changed.next() {
                shop.complete(id, at(MANY + i64::try_from(sent).expect("it fits"))).expect("done");
            }
        }
    });
    let outcome = outcome.expect("nothing crashes").expect("it ends");
    let mut newest = BTreeMap::new();
    for record in &outcome.records {
        newest.insert(record.external_id.clone(), record.body.clone());
    }
    assert_eq!(newest.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for id in &first {
        let body = String::from_utf8_lossy(&newest[id]).into_owned();
        assert!(body.contains(r#""status":"completed""#), "{id} as it is now");
    }
}

/// More orders than fit on a page changed within one second.
#[test]
fn many_changes_in_one_second_are_read_page_by_page() {
    let mut shop = shop();
    let mut expected = BTreeSet::new();
    for number in 0..MANY {
        let second = if number < 230 { 5 } else { number };
        expected.insert(shop.place(mugs(1), at(second)).expect("placed"));
    }
    let read = ids(&run(&mut shop, &poll_task("orders", None)).expect("it ends"));
    assert_eq!(read.len(), expected.len(), "nothing twice");
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn the_next_poll_reads_what_is_new_and_a_little_before_it() {
    let mut shop = shop();
    let old = shop.place(mugs(1), at(0)).expect("placed");
    let late = shop.place(mugs(1), at(2_000)).expect("placed");
    let first = run(&mut shop, &poll_task("orders", None)).expect("it ends");
    assert_eq!(ids(&first), [old, late.clone()]);
    let new = shop.place(mugs(1), at(2_010)).expect("placed");
    let second = run(&mut shop, &poll_task("orders", first.cursor)).expect("it ends");
    assert_eq!(ids(&second), [late, new], "ten minutes are read again");
}

#[test]
fn a_long_history_is_read_over_several_polls() {
    let mut shop = shop();
    let mut expected = BTreeSet::new();
    for number in 0..2_600 {
        expected.insert(shop.place(mugs(1), at(number)).expect("placed"));
    }
    let (mut seen, mut cursor, mut polls) = (Vec::new(), None, 0);
    while seen.len() < expected.len() {
        let outcome = run(&mut shop, &poll_task("orders", cursor)).expect("it ends");
        seen.extend(ids(&outcome));
        cursor = outcome.cursor;
        polls += 1;
        assert!(polls < 5, "it does not end");
    }
    assert!(polls > 1, "one poll has bounds");
    assert_eq!(seen.len(), expected.len(), "nothing twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn a_cursor_from_elsewhere_costs_a_walk_and_nothing_more() {
    let mut shop = shop();
    shop.place(mugs(1), at(0)).expect("placed");
    let outcome = run(&mut shop, &poll_task("orders", Some("{\"page\":7}".to_owned())));
    assert_eq!(outcome.expect("it ends").records.len(), 1);
}

#[test]
fn records_are_the_bytes_that_came() {
    let mut shop = shop();
    let id = shop.place(mugs(2), at(0)).expect("placed");
    shop.pay(&id, "ch_1", at(1)).expect("paid");
    let one = NewRefund { lines: vec![(0, 1)], ..NewRefund::default() };
    shop.refund(&id, &one, at(2)).expect("refunded");
    let outcome = run(&mut shop, &poll_task("orders", None)).expect("it ends");
    let record = String::from_utf8(outcome.records[0].body.clone()).expect("text");
    let mut bytes = |path: &str| {
        let reply = shop.handle(&Request::get(format!("/wp-json/wc/v3/{path}")), at(3));
        String::from_utf8(reply.body).expect("text")
    };
    let (order, refunds) = (bytes(&format!("orders/{id}")), bytes(&format!("orders/{id}/refunds")));
    assert_eq!(record, format!(r#"{{"order":{order},"refunds":{refunds}}}"#));
}

#[test]
fn the_trash_is_a_stream_of_its_own() {
    let mut shop = shop();
    let kept = shop.place(mugs(1), at(0)).expect("placed");
    let trashed = shop.place(mugs(1), at(1)).expect("placed");
    shop.trash(&trashed, at(2)).expect("trashed");
    assert_eq!(poll(&mut shop, "orders").into_keys().collect::<Vec<_>>(), [kept]);
    let found = poll(&mut shop, "trash");
    let Some(Document::Order(order)) = found[&trashed].first() else { panic!("an order") };
    assert!(order.cancelled_at.is_some());
}

#[test]
fn hints_of_payments_and_refunds_bring_their_order_once() {
    let mut shop = shop();
    let id = shop.place(mugs(2), at(0)).expect("placed");
    shop.pay(&id, "ch_1", at(1)).expect("paid");
    let one = NewRefund { lines: vec![(0, 1)], ..NewRefund::default() };
    let refund = shop.refund(&id, &one, at(2)).expect("refunded");
    let hints = [
        hint(Kind::Payment, &format!("{id}-paid")),
        hint(Kind::Refund, &format!("{id}-{refund}")),
        hint(Kind::Payment, &format!("{id}-{refund}-paid")),
        hint(Kind::Order, &id),
    ];
    let found = read(&mut shop, &hints);
    let [(read, documents)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(read, &id);
    let stated: Vec<Kind> = documents.iter().map(Document::kind).collect();
    assert_eq!(stated, [Kind::Order, Kind::Payment, Kind::Payment, Kind::Refund]);
}

#[test]
fn a_read_finds_what_lists_do_not_show_and_what_is_gone() {
    let mut shop = shop();
    let kept = shop.place(mugs(1), at(0)).expect("placed");
    let trashed = shop.place(mugs(1), at(1)).expect("placed");
    let gone = shop.place(mugs(1), at(2)).expect("placed");
    shop.trash(&trashed, at(3)).expect("trashed");
    shop.delete_for_good(&gone).expect("deleted");
    let hints = [&kept, &trashed, &gone].map(|id| hint(Kind::Order, id));
    let found: BTreeMap<String, Vec<Document>> = read(&mut shop, &hints).into_iter().collect();
    assert_eq!(found.len(), 3);
    assert_eq!(found[&kept][0].kind(), Kind::Order);
    assert_eq!(found[&trashed][0].kind(), Kind::Order);
    let Document::Deletion(deletion) = &found[&gone][0] else { panic!("{:?}", found[&gone]) };
    assert_eq!(deletion.id, format!("order/{gone}"));
}

#[test]
fn a_hundred_and_fifty_hints_are_read_in_two_lists() {
    let mut shop = shop();
    let placed: Vec<String> =
        (0..150).map(|number| shop.place(mugs(1), at(number)).expect("placed")).collect();
    let hints: Vec<_> = placed.iter().map(|id| hint(Kind::Order, id)).collect();
    let mut requests = 0;
    let task = Task::Read { hints };
    let settings = Settings::default();
    let outcome = run_until(&mut shop, &settings, &task, None, |_, sent| requests = sent);
    let outcome = outcome.expect("nothing crashes").expect("it ends");
    assert_eq!((outcome.records.len(), requests), (150, 2));
}

#[test]
fn an_order_deleted_between_list_and_refunds_is_told_as_gone() {
    let mut shop = shop();
    let id = shop.place(mugs(1), at(0)).expect("placed");
    shop.pay(&id, "ch_1", at(1)).expect("paid");
    shop.refund(&id, &NewRefund::default(), at(2)).expect("refunded");
    let settings = Settings::default();
    let task = poll_task("orders", None);
    let outcome = run_until(&mut shop, &settings, &task, None, |shop, sent| {
        if sent == 1 {
            shop.delete_for_good(&id).expect("deleted");
        }
    });
    let outcome = outcome.expect("nothing crashes").expect("it ends");
    let kinds: Vec<&str> = outcome.records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, [format!("order_gone?id={id}")]);
}

/// WooCommerce switches a webhook off and tells nobody; polling finds it out.
#[test]
fn a8_a_webhook_that_was_switched_off_is_found_by_polling() {
    let mut shop = shop();
    let standing = |shop: &mut WooSandbox| {
        let outcome = run(shop, &poll_task("webhooks", None)).expect("it ends");
        let mut all = BTreeMap::new();
        for record in outcome.records {
            let Decoded::Subscriptions(found) = decode(&record.kind, &record.body) else {
                panic!("a webhook")
            };
            all.extend(found.into_iter().map(|one| (one.title, one.active)));
        }
        all
    };
    assert!(standing(&mut shop).values().all(|active| *active));
    for failure in 0..6 {
        assert!(standing(&mut shop)["Trueup updated (order.updated)"], "{failure}");
        shop.not_delivered("order.updated", at(failure));
    }
    let found = standing(&mut shop);
    assert!(!found["Trueup updated (order.updated)"]);
    assert!(found["Trueup created (order.created)"]);
    let id = shop.place(mugs(1), at(10)).expect("placed");
    shop.pay(&id, "ch_1", at(11)).expect("paid");
    let told: Vec<String> = shop.take_deliveries().into_iter().map(|push| push.kind).collect();
    assert_eq!(told, ["order.created"], "nothing more of what changes");
    shop.switch_on("order.updated", at(20));
    assert!(standing(&mut shop).values().all(|active| *active));
}

const OURS: &str = "https://hub.example.com/webhooks/woocommerce";

fn watching(url: &str, keep: bool) -> Settings {
    let mut settings = Settings::default();
    settings.0.insert("delivery_url".to_owned(), url.to_owned());
    if keep {
        settings.0.insert("keep_webhooks".to_owned(), "yes".to_owned());
    }
    settings
}

/// How each webhook that is to be there stands, in words.
fn standing(shop: &mut WooSandbox, settings: &Settings) -> BTreeMap<String, String> {
    let outcome = run_until(shop, settings, &poll_task("webhooks", None), None, |_, _| {});
    let records = outcome.expect("nothing crashes").expect("it ends").records;
    let [record] = records.as_slice() else { panic!("one record: {records:?}") };
    let Decoded::Subscriptions(found) = decode(&record.kind, &record.body) else {
        panic!("subscriptions")
    };
    found
        .into_iter()
        .map(|one| {
            let on = if one.active { "on" } else { "off" };
            let restored = if one.restored { ", restored" } else { "" };
            (one.id, format!("{on}: {}{restored}", one.status))
        })
        .collect()
}

fn switched_off(topic: &str) -> WooSandbox {
    let mut shop = shop();
    for failure in 0..6 {
        shop.not_delivered(topic, at(failure));
    }
    shop
}

#[test]
fn webhooks_of_others_are_not_watched() {
    let mut shop = shop();
    let ours = standing(&mut shop, &watching(OURS, false));
    assert_eq!(ours.len(), 4);
    assert!(ours.values().all(|state| state == "on: active"), "{ours:?}");
    let others = standing(&mut shop, &watching("https://other.example.com/", true));
    assert!(others.values().all(|state| state == "off: missing"), "{others:?}");
}

#[test]
fn a8_a_webhook_that_was_switched_off_is_switched_on_again() {
    let mut shop = switched_off("order.updated");
    let settings = watching(OURS, false);
    assert_eq!(standing(&mut shop, &settings)["order.updated"], "off: disabled");
    let settings = watching(OURS, true);
    let found = standing(&mut shop, &settings);
    assert_eq!(found["order.updated"], "on: active, restored");
    assert_eq!(found["order.created"], "on: active");
    assert_eq!(standing(&mut shop, &settings)["order.updated"], "on: active");
    // It pushes again.
    let id = shop.place(mugs(1), at(10)).expect("placed");
    shop.pay(&id, "ch_1", at(11)).expect("paid");
    let told: Vec<String> = shop.take_deliveries().into_iter().map(|push| push.kind).collect();
    assert!(told.contains(&"order.updated".to_owned()), "{told:?}");
}

#[test]
fn a8_a_webhook_that_cannot_be_restored_says_why() {
    let mut shop = switched_off("order.updated");
    shop.give_a_key_for_reading();
    shop.delete_webhook("order.deleted");
    let found = standing(&mut shop, &watching(OURS, true));
    let state = &found["order.updated"];
    assert!(state.starts_with("off: disabled") && state.contains("Read/Write"), "{state}");
    assert_eq!(found["order.deleted"], "off: missing");
    assert_eq!(found["order.created"], "on: active");
}

#[test]
fn b1_a_lost_reply_about_a_webhook_is_looked_up() {
    let mut shop = switched_off("order.updated");
    let settings = watching(OURS, true);
    let context = Context { settings: &settings, now: at(86_400) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, &poll_task("webhooks", None));
    let error = loop {
        match step {
            Step::Send { request, writes, state } => {
                let reply = shop.handle(&request, context.now);
                // It was done, and nobody hears of it.
                let lost = Err(CallError::ReplyLost { why: "cut".to_owned() });
                step = (talk.resume)(&context, &state, if writes { lost } else { Ok(&reply) });
            }
            Step::Failed(error) => break error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    // The next look finds it on, and writes nothing.
    let found = standing(&mut shop, &settings);
    assert_eq!(found["order.updated"], "on: active");
}

#[test]
fn each_fault_of_the_shop_has_its_error() {
    let check = |fault: Fault, code: &str| {
        let mut shop = shop();
        shop.place(mugs(1), at(0)).expect("placed");
        shop.fault_next(fault);
        let error = run(&mut shop, &poll_task("orders", None)).expect_err("it fails");
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        assert_eq!(ids(&run(&mut shop, &poll_task("orders", None)).expect("it ends")).len(), 1);
    };
    check(Fault::RateLimited, "TU101");
    check(Fault::Maintenance, "TU101");
    check(Fault::ServerError, "TU106");
    check(Fault::Unauthorized, "TU105");
    check(Fault::CannotView, "TU107");
    check(Fault::CutOff, "TU102");
}

#[test]
fn b2_a_lost_reply_of_a_read_is_asked_again() {
    let settings = Settings::default();
    let context = trueup_connect::Context { settings: &settings, now: at(0) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let Step::Send { state, request, .. } = (talk.start)(&context, &poll_task("orders", None))
    else {
        panic!("it asks")
    };
    assert_eq!(
        request.path,
        "/wp-json/wc/v3/orders?modified_after=2025-12-31T23:58:59&dates_are_gmt=true\
         &orderby=modified&order=asc&per_page=100&page=1&status=any"
    );
    let lost = CallError::ReplyLost { why: "timeout".to_owned() };
    let step = (talk.resume)(&context, &state, Err(lost));
    let Step::Failed(error) = step else { panic!("{step:?}") };
    assert_eq!(error.code(), "TU102");
}

#[test]
fn what_it_cannot_do_is_refused() {
    let mut shop = shop();
    for task in [
        poll_task("payouts", None),
        Task::Read { hints: vec![hint(Kind::Payout, "1")] },
        Task::Read { hints: vec![hint(Kind::Order, "../1")] },
        Task::Deliver { commands: Vec::new() },
    ] {
        let error = run(&mut shop, &task).expect_err("refused");
        assert_eq!(error.code(), "TU104");
    }
}
