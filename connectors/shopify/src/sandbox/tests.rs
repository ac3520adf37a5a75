//! The played shop says the same over webhooks and over GraphQL, in every history.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use trueup_connect::conformance;
use trueup_connect::message::Decoded;
use trueup_connect::sandbox::{Push, Sandbox};
use trueup_connect::settings::Settings;
use trueup_connect::{Context, Hint, Message, Outcome, Step, Task};
use trueup_domain::document::{
    Address, Buyer, Document, Kind, LineKind, PaymentKind, PaymentStatus, PayoutStatus, Restock,
    RowClass, Tender,
};
use trueup_domain::money::Currency;

use super::*;
use crate::CONNECTOR;

fn shop(currency: &str, included: bool) -> ShopifySandbox {
    let currency = Currency::parse(currency).expect("a currency");
    ShopifySandbox::new("demo.myshopify.com", currency, included).with_offset(-5)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_770_000_000 + second).expect("a time")
}

fn line(title: &str, unit: i64, quantity: i64, rate: &[i64]) -> NewLine {
    let taxes = rate
        .iter()
        .map(|&percent| NewTax::by_rate(format!("Tax {percent}"), Decimal::new(percent, 2)));
    NewLine {
        sku: Some(title.to_ascii_uppercase()),
        title: title.to_owned(),
        unit,
        quantity,
        taxes: taxes.collect(),
        ..NewLine::default()
    }
}

fn shipping(price: i64, rate: i64) -> Option<NewShipping> {
    Some(NewShipping {
        title: "Standard".to_owned(),
        price,
        discount: 0,
        taxes: vec![NewTax::by_rate(format!("Tax {rate}"), Decimal::new(rate, 2))],
    })
}

fn buyer() -> Option<Buyer> {
    Some(Buyer {
        id: Some("207119551".to_owned()),
        name: Some("Ada Maria Lovelace".to_owned()),
        email: Some("ada@example.com".to_owned()),
        shipping: Some(Address {
            name: Some("Ada Lovelace".to_owned()),
            company: Some("Engines Ltd".to_owned()),
            street: Some("1 Mill Lane".to_owned()),
            city: Some("Louisville".to_owned()),
            postcode: Some("40202".to_owned()),
            region: Some("KY".to_owned()),
            country: Some("US".to_owned()),
            ..Address::default()
        }),
        ..Buyer::default()
    })
}

fn sale(gateway: &str, amount: i64) -> NewTransaction {
    NewTransaction::succeeded(PaymentKind::Sale, gateway, amount)
}

fn decode(kind: &str, body: &[u8]) -> Decoded {
    (CONNECTOR.decode)(&Message { kind, body }).unwrap_or_else(|error| {
        panic!("{kind}: {error}\n{}", String::from_utf8_lossy(body));
    })
}

fn documents(kind: &str, body: &[u8]) -> BTreeMap<(Kind, String), Document> {
    match decode(kind, body) {
        Decoded::Documents(documents) => documents
            .into_iter()
            .map(|document| ((document.kind(), document.external_id().to_owned()), document))
            .collect(),
        other => panic!("{kind}: {other:?}"),
    }
}

/// Carries a conversation out against the shop.
fn converse(shop: &mut ShopifySandbox, task: &Task, now: Timestamp) -> Outcome {
    let settings = Settings::default();
    let context = Context { settings: &settings, now };
    let talks = CONNECTOR.conversations.expect("conversations");
    let mut step = (talks.start)(&context, task);
    let mut passed = jiff::SignedDuration::ZERO;
    for _ in 0..1000 {
        step = match step {
            Step::Send { request, writes, state } => {
                assert!(!writes);
                let reply = shop.handle(&request, now + passed);
                // The hub asks no faster than the shop's points are restored.
                passed += jiff::SignedDuration::from_secs(1);
                (talks.resume)(&context, &state, Ok(&reply))
            }
            Step::Wait { for_ms, state } => {
                assert!(for_ms > 0);
                passed += jiff::SignedDuration::from_millis(i64::try_from(for_ms).expect("little"));
                let nothing = Err(trueup_connect::CallError::Unreachable { why: String::new() });
                (talks.resume)(&context, &state, nothing)
            }
            Step::Done(outcome) => return outcome,
            Step::Failed(error) => panic!("{error}"),
        };
    }
    panic!("the conversation does not end");
}

fn poll(shop: &mut ShopifySandbox, stream: &str, cursor: Option<String>) -> Outcome {
    let task = Task::Poll { stream: stream.to_owned(), cursor, since: at(-1000) };
    converse(shop, &task, at(100_000))
}

const OURS: &str = "https://hub.example.com/webhooks/shop";

/// How each webhook that is to be there stands, in words, and how many requests made one.
fn webhooks(shop: &mut ShopifySandbox, address: &str, keep: bool) -> (Vec<String>, usize) {
    let mut settings = Settings::default();
    settings.0.insert("delivery_url".to_owned(), address.to_owned());
    if keep {
        settings.0.insert("keep_webhooks".to_owned(), "yes".to_owned());
    }
    let context = Context { settings: &settings, now: at(0) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let poll = Task::Poll { stream: "webhooks".to_owned(), cursor: None, since: at(0) };
    let (mut step, mut made) = ((talk.start)(&context, &poll), 0);
    let records = loop {
        step = match step {
            Step::Send { request, writes, state } => {
                made += usize::from(writes);
                (talk.resume)(&context, &state, Ok(&shop.handle(&request, at(0))))
            }
            Step::Wait { state, .. } => (talk.resume)(&context, &state, Err(waited())),
            Step::Done(outcome) => break outcome.records,
            Step::Failed(error) => panic!("{error}"),
        };
    };
    let [record] = records.as_slice() else { panic!("one record: {records:?}") };
    let Decoded::Subscriptions(found) = decode(&record.kind, &record.body) else {
        panic!("subscriptions")
    };
    let told = found.into_iter().map(|one| {
        let restored = if one.restored { ", restored" } else { "" };
        let on = if one.active { "on" } else { "off" };
        format!("{} {on}: {}{restored}", one.id, one.status)
    });
    (told.collect(), made)
}

fn waited() -> trueup_connect::CallError {
    trueup_connect::CallError::Unreachable { why: "waited".to_owned() }
}

#[test]
fn a8_a_webhook_that_was_removed_is_noticed_and_made_anew() {
    let mut shop = shop("USD", false);
    shop.subscribe(crate::conversation::watch::TOPICS, OURS);
    let (told, _) = webhooks(&mut shop, OURS, false);
    assert_eq!(told.len(), 8);
    assert!(told.iter().all(|one| one.ends_with(" on: active")), "{told:?}");
    shop.remove_webhook("ORDERS_UPDATED");
    let (told, made) = webhooks(&mut shop, OURS, false);
    assert!(told.contains(&"ORDERS_UPDATED off: missing".to_owned()), "{told:?}");
    assert_eq!(made, 0, "only where it is wanted");
    shop.throttle_next(1);
    let (told, made) = webhooks(&mut shop, OURS, true);
    assert!(told.contains(&"ORDERS_UPDATED on: active, restored".to_owned()), "{told:?}");
    assert_eq!(made, 1);
    let (told, made) = webhooks(&mut shop, OURS, true);
    assert!(told.iter().all(|one| one.ends_with(" on: active")), "{told:?}");
    assert_eq!(made, 0);
}

#[test]
fn a8_a_webhook_that_is_refused_says_why_and_the_others_are_told() {
    let mut shop = shop("USD", false);
    let (told, made) = webhooks(&mut shop, "http://hub.example.com/", true);
    assert_eq!(made, 8);
    let refused = |one: &String| one.contains(" off: missing") && one.contains("not supported");
    assert!(told.iter().all(refused), "{told:?}");
}

#[test]
fn where_the_app_keeps_its_webhooks_nobody_is_asked() {
    let task = Task::Poll { stream: "webhooks".to_owned(), cursor: None, since: at(0) };
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at(0) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let Step::Done(outcome) = (talk.start)(&context, &task) else { panic!("nothing to ask") };
    assert!(outcome.records.is_empty());
}

/// What the last webhook about the order says, the poll says, too; what it does not say (payments,
/// which REST leaves out) is told by the poll alone. Every order adds up.
fn agree(shop: &mut ShopifySandbox) -> BTreeMap<(Kind, String), Document> {
    let mut all = BTreeMap::new();
    let records = poll(shop, "orders", None).records;
    assert_eq!(records.len(), shop.order_ids().len());
    for record in records {
        let graphql = documents(&record.kind, &record.body);
        let body = shop.order_body(&record.external_id).expect("the order");
        let rest = documents("orders/updated", &body);
        for (key, document) in &rest {
            assert_eq!(Some(document), graphql.get(key), "{key:?}");
        }
        assert_eq!(rest, documents("", &body), "recognised");
        assert_eq!(graphql, documents("", &record.body), "recognised");
        for (key, document) in &graphql {
            assert!(rest.contains_key(key) || key.0 == Kind::Payment, "{key:?} only in GraphQL");
            if let Document::Order(order) = document {
                order.check().expect("an order that adds up");
            }
        }
        all.extend(graphql);
    }
    let stated: Vec<Document> = all.values().cloned().collect();
    let mut ask = |request: &Request| shop.handle(request, at(100_000));
    let window = (at(-1000), at(200_000));
    conformance::lists(&CONNECTOR, &Settings::default(), &mut ask, &stated, window);
    all
}

/// Everything pushed decodes to documents that the poll repeats, but for their version, or to
/// hints that lead to the order.
fn pushes_agree(pushes: &[Push], polled: &BTreeMap<(Kind, String), Document>) {
    let bare = |document: &Document| {
        let version = document.version().map_or(String::new(), |version| version.0.to_string());
        document.to_json().replace(&format!("\"version\":{version}"), "")
    };
    for push in pushes {
        match decode(&push.kind, &push.body) {
            Decoded::Documents(documents) => {
                for document in documents.iter().filter(|one| one.kind() != Kind::Order) {
                    let key = (document.kind(), document.external_id().to_owned());
                    let same = polled.get(&key).map(|other| bare(other) == bare(document));
                    assert_eq!(same, Some(true), "{} {key:?}", push.kind);
                }
            }
            Decoded::Hints(hints) => {
                for hint in hints {
                    assert!(polled.contains_key(&(Kind::Order, hint.external_id)), "{}", push.kind);
                }
            }
            Decoded::Subscriptions(_) => panic!("a push states no subscription"),
            Decoded::Ignored(kind) => panic!("{kind} is ignored"),
        }
    }
}

/// A history, told once for every combination of currency and tax.
fn in_every_shop(history: impl Fn(&mut ShopifySandbox)) {
    for (currency, included) in [("EUR", true), ("USD", false), ("JPY", true), ("KWD", false)] {
        let mut shop = shop(currency, included);
        history(&mut shop);
        let pushes = shop.take_deliveries();
        assert!(!pushes.is_empty());
        assert!(shop.take_deliveries().is_empty(), "each delivery is handed out once");
        let polled = agree(&mut shop);
        pushes_agree(&pushes, &polled);
    }
}

#[test]
fn a_plain_order_paid_and_sent() {
    in_every_shop(|shop| {
        let order = NewOrder {
            lines: vec![line("mug", 1299, 3, &[19]), line("tee", 2500, 1, &[7])],
            shipping: shipping(490, 19),
            buyer: buyer(),
            ..NewOrder::default()
        };
        let id = shop.place_order(order, at(0)).expect("placed");
        let total = shop.orders.values().next().map(|order| order.total(shop.taxes_included));
        shop.add_transaction(&id, sale("shopify_payments", total.expect("total")), at(5))
            .expect("paid");
        shop.fulfil(&id, at(60)).expect("sent");
    });
}

#[test]
fn discounts_two_taxes_a_tip_a_gift_card_sold_and_one_used() {
    in_every_shop(|shop| {
        let mut mug = line("mug", 1999, 2, &[6, 3]);
        mug.discount = 333;
        let gift = NewLine { gift_card: true, ..line("gift card", 5000, 1, &[]) };
        let order = NewOrder {
            lines: vec![mug, gift],
            shipping: Some(NewShipping { discount: 100, ..shipping(500, 6).expect("shipping") }),
            tip: 250,
            discount_code: Some("TENOFF".to_owned()),
            ..NewOrder::default()
        };
        let id = shop.place_order(order, at(0)).expect("placed");
        shop.add_transaction(&id, sale("gift_card", 3000), at(1)).expect("paid");
        let mut card = sale("paypal", 4000);
        card.provider_id = Some("8MC585209K746392H".to_owned());
        shop.add_transaction(&id, card, at(2)).expect("paid");
        let polled = agree(shop);
        let Some(Document::Order(order)) = polled.get(&(Kind::Order, id)) else { panic!("order") };
        let kinds: Vec<LineKind> = order.lines.iter().map(|line| line.kind).collect();
        assert_eq!(kinds, [LineKind::Goods, LineKind::GiftCard, LineKind::Tip]);
        let tenders = polled.values().filter_map(|document| match document {
            Document::Payment(payment) => Some((payment.tender, payment.provider_id.as_deref())),
            _ => None,
        });
        let tenders: Vec<_> = tenders.collect();
        let expected = [(Tender::GiftCard, None), (Tender::Card, Some("8MC585209K746392H"))];
        assert_eq!(tenders, expected);
    });
}

#[test]
fn partial_refunds_give_back_the_whole_to_the_cent() {
    in_every_shop(|shop| {
        let mut tee = line("tee", 1000, 3, &[19]);
        tee.discount = 100;
        let order =
            NewOrder { lines: vec![tee], shipping: shipping(499, 19), ..NewOrder::default() };
        let id = shop.place_order(order, at(0)).expect("placed");
        let total = shop.orders.values().next().map(|o| o.total(shop.taxes_included)).expect("one");
        let capture =
            shop.add_transaction(&id, sale("shopify_payments", total), at(1)).expect("paid");
        let mut paid = 0;
        for unit in 0..3 {
            let mut money = NewTransaction::succeeded(PaymentKind::Refund, "shopify_payments", 0);
            money.parent = Some(capture.clone());
            // The last refund also gives back the shipping, and what rounding left.
            let (shipping, note) =
                if unit == 2 { (499, Some("last".to_owned())) } else { (0, None) };
            money.amount = if unit == 2 { total - paid } else { 900 };
            paid += money.amount;
            let refund = NewRefund {
                lines: vec![(0, 1, Restock::Returned)],
                shipping,
                note,
                transactions: vec![money],
            };
            shop.refund(&id, refund, at(100 + unit)).expect("refunded");
        }
        let too_much = NewRefund { lines: vec![(0, 1, Restock::None)], ..NewRefund::default() };
        assert_eq!(shop.refund(&id, too_much, at(200)), Err(Refusal::TooMuch));
        let polled = agree(shop);
        let refunds = polled.values().filter_map(|document| match document {
            Document::Refund(refund) => Some(refund.total.minor()),
            _ => None,
        });
        assert_eq!(refunds.sum::<i64>(), total, "agreed to give back is what was sold");
        let Some(Document::Order(order)) = polled.get(&(Kind::Order, id)) else { panic!("order") };
        assert_eq!(order.total.minor(), total, "a refund never changes the order");
    });
}

#[test]
fn an_edit_adds_and_removes() {
    in_every_shop(|shop| {
        let order = NewOrder { lines: vec![line("mug", 1000, 2, &[13])], ..NewOrder::default() };
        let id = shop.place_order(order, at(0)).expect("placed");
        shop.add_line(&id, line("tee", 2000, 1, &[13]), at(10)).expect("added");
        shop.reduce_quantity(&id, 0, 1, at(20)).expect("removed");
        shop.cancel(&id, at(30)).expect("cancelled");
        assert_eq!(shop.cancel(&id, at(31)), Err(Refusal::Cancelled));
        let polled = agree(shop);
        let Some(Document::Order(order)) = polled.get(&(Kind::Order, id)) else { panic!("order") };
        let sold: Vec<i64> = order.lines.iter().map(|line| line.quantity).collect();
        assert_eq!(sold, [2, 1], "what was ever sold");
        assert!(order.cancelled_at.is_some());
        let removed = polled.values().find_map(|document| match document {
            Document::Refund(refund) => Some((refund.lines.len(), refund.transactions.len())),
            _ => None,
        });
        assert_eq!(removed, Some((1, 0)), "a refund without money");
    });
}

#[test]
fn authorized_captured_voided_pending_and_at_the_till() {
    in_every_shop(|shop| {
        let order = || NewOrder { lines: vec![line("mug", 1000, 1, &[])], ..NewOrder::default() };
        let id = shop.place_order(order(), at(0)).expect("placed");
        let held = NewTransaction::succeeded(PaymentKind::Authorization, "stripe", 1000);
        let held = shop.add_transaction(&id, held, at(1)).expect("held");
        let mut taken = NewTransaction::succeeded(PaymentKind::Capture, "stripe", 1000);
        taken.parent = Some(held);
        taken.provider_id = Some("ch_1".to_owned());
        shop.add_transaction(&id, taken, at(2)).expect("taken");
        let id = shop.place_order(order(), at(3)).expect("placed");
        let pending =
            NewTransaction { status: PaymentStatus::Pending, ..sale("Bank Deposit", 1000) };
        let pending = shop.add_transaction(&id, pending, at(4)).expect("pending");
        shop.take_deliveries();
        shop.settle_transaction(&id, &pending, PaymentStatus::Succeeded, at(90)).expect("paid");
        let till = NewOrder {
            tip: 100,
            source: "pos".to_owned(),
            processed_at: Some(at(-500)),
            ..order()
        };
        let id = shop.place_order(till, at(100)).expect("placed");
        shop.add_transaction(&id, sale("cash", 1100), at(101)).expect("paid");
    });
}

#[test]
fn a_shop_sells_over_many_pages_and_is_read_from_where_it_stood() {
    let mut shop = shop("EUR", true);
    let order = || NewOrder { lines: vec![line("mug", 1000, 1, &[19])], ..NewOrder::default() };
    for second in 0..47 {
        shop.place_order(order(), at(second * 40)).expect("placed");
    }
    shop.throttle_next(2);
    let first = poll(&mut shop, "orders", None);
    let ids: Vec<String> = first.records.iter().map(|record| record.external_id.clone()).collect();
    assert_eq!(ids, shop.order_ids());
    // Nothing new: only the overlap is read again.
    let again = poll(&mut shop, "orders", first.cursor.clone());
    assert_eq!(again.records.len(), 16);
    assert_eq!(again.cursor.as_deref().map(seen), first.cursor.as_deref().map(seen));
    let id = shop.place_order(order(), at(47 * 40)).expect("placed");
    let later = poll(&mut shop, "orders", again.cursor);
    assert!(later.records.iter().any(|record| record.external_id == id));
}

#[test]
fn a_crash_at_any_page_loses_nothing_and_a_long_backlog_goes_on_where_it_ended() {
    let mut shop = shop("EUR", true);
    for second in 0..623 {
        let lines = vec![line("mug", 1000, 1, &[])];
        // Many orders of one second: only the page's end tells them apart.
        shop.place_order(NewOrder { lines, ..NewOrder::default() }, at(second / 100))
            .expect("placed");
    }
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at(9000) };
    let talks = CONNECTOR.conversations.expect("conversations");
    let task = Task::Poll { stream: "orders".to_owned(), cursor: None, since: at(-1) };
    for crash_after in 0..5 {
        let mut step = (talks.start)(&context, &task);
        for _ in 0..crash_after {
            let Step::Send { request, state, .. } = step else { panic!("a send") };
            let reply = shop.handle(&request, at(9000));
            step = (talks.resume)(&context, &state, Ok(&reply));
        }
        // The process dies here; nothing but the cursor of before is left.
    }
    let mut ids = Vec::new();
    let mut cursor = None;
    for _ in 0..2 {
        let outcome = poll(&mut shop, "orders", cursor);
        ids.extend(outcome.records.into_iter().map(|record| record.external_id));
        cursor = outcome.cursor;
    }
    assert_eq!(ids, shop.order_ids());
}

#[test]
fn a_reply_that_fails_ends_the_conversation_as_its_kind() {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at(0) };
    let talks = CONNECTOR.conversations.expect("conversations");
    let task = Task::Poll { stream: "orders".to_owned(), cursor: None, since: at(0) };
    let check = |reply: Result<Reply, trueup_connect::CallError>, code: &str| {
        let Step::Send { state, .. } = (talks.start)(&context, &task) else { panic!("a send") };
        let Step::Failed(error) =
            (talks.resume)(&context, &state, reply.as_ref().map_err(Clone::clone))
        else {
            panic!("a failure")
        };
        assert_eq!(error.code(), code);
    };
    let reply = |status, body: &str| {
        Ok(Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
    };
    check(reply(401, ""), "TU105");
    check(reply(429, ""), "TU101");
    check(reply(503, "<html>"), "TU102");
    check(reply(200, "<html>"), "TU102");
    check(
        reply(200, r#"{"data":{"orders":{"nodes":[{}],"pageInfo":{"hasNextPage":false}}}}"#),
        "TU102",
    );
    // A lost reply to a read is asked for again, not looked up.
    check(Err(trueup_connect::CallError::ReplyLost { why: String::new() }), "TU102");
    let unknown = Task::Poll { stream: "weather".to_owned(), cursor: None, since: at(0) };
    assert!(matches!((talks.start)(&context, &unknown), Step::Failed(_)));
}

fn seen(cursor: &str) -> String {
    let cursor: serde_json::Value = serde_json::from_str(cursor).expect("a cursor");
    cursor["seen"].to_string()
}

#[test]
fn what_a_hint_names_is_read() {
    let mut shop = shop("EUR", true);
    let order = NewOrder { lines: vec![line("mug", 1000, 2, &[19])], ..NewOrder::default() };
    let id = shop.place_order(order, at(0)).expect("placed");
    let paid = shop.add_transaction(&id, sale("shopify_payments", 2000), at(1)).expect("paid");
    let refund = NewRefund {
        lines: vec![(0, 1, Restock::Returned)],
        transactions: vec![NewTransaction::succeeded(
            PaymentKind::Refund,
            "shopify_payments",
            1000,
        )],
        ..NewRefund::default()
    };
    let refund = shop.refund(&id, refund, at(2)).expect("refunded");
    shop.book_transaction(&id, &paid, 59, at(3)).expect("booked");
    let payout = shop.pay_out(at(4)).expect("a payout");
    for (kind, of, expected) in [
        ("order", &id, "order"),
        ("order_payments", &id, "order"),
        ("payment", &paid, "order"),
        ("refund", &refund, "order"),
        ("payout", &payout, "payout"),
    ] {
        let hint = Hint { kind: kind.to_owned(), external_id: of.clone() };
        let outcome = converse(&mut shop, &Task::Read { hints: vec![hint] }, at(9));
        let kinds: Vec<&str> = outcome.records.iter().map(|record| record.kind.as_str()).collect();
        assert_eq!(kinds, [expected], "{kind}");
    }
    let gone = Hint { kind: "order".to_owned(), external_id: "1".to_owned() };
    assert!(converse(&mut shop, &Task::Read { hints: vec![gone] }, at(9)).records.is_empty());
}

#[test]
fn the_ledger_adds_up_to_its_payouts_and_both_shapes_agree() {
    let mut shop = shop("USD", false);
    let order = NewOrder { lines: vec![line("mug", 10_000, 1, &[])], ..NewOrder::default() };
    let id = shop.place_order(order, at(0)).expect("placed");
    let paid = shop.add_transaction(&id, sale("shopify_payments", 10_000), at(1)).expect("paid");
    shop.book_transaction(&id, &paid, 320, at(2)).expect("booked");
    shop.add_balance_row(
        NewRow { kind: "reserve".to_owned(), amount: -1000, ..NewRow::default() },
        at(3),
    )
    .expect("reserved");
    let dispute = shop.dispute(&id, &paid, 4000, 1500, "fraudulent", at(4)).expect("disputed");
    let payout = shop.pay_out(at(5)).expect("a payout");
    assert_eq!(shop.pay_out(at(6)), None);
    shop.payout_is(&payout, "paid", at(7)).expect("paid out");
    shop.dispute_is(&dispute, "won", &paid, 1500, at(8)).expect("won");
    let file = shop.payout_file(&payout).expect("the payout");
    let rest = documents("", &file);
    assert_eq!(rest.len(), 5);
    let mut graphql = BTreeMap::new();
    for stream in ["payouts", "balance_transactions", "disputes"] {
        for record in poll(&mut shop, stream, None).records {
            graphql.extend(documents(&record.kind, &record.body));
        }
    }
    for (key, document) in &rest {
        assert_eq!(Some(document), graphql.get(key), "{key:?}");
    }
    for push in shop.take_deliveries().iter().filter(|push| push.kind.starts_with("disputes/")) {
        let pushed = documents(&push.kind, &push.body);
        let same = pushed.iter().all(|(key, document)| graphql.get(key) == Some(document));
        assert_eq!(same, push.kind == "disputes/update", "the later status wins");
    }
}

/// What the balance stream says, in minor units.
fn stated_balance(shop: &mut ShopifySandbox) -> i64 {
    let outcome = poll(shop, "balance", None);
    assert_eq!(outcome.cursor, None);
    let [record] = outcome.records.as_slice() else { panic!("one record") };
    assert_eq!(record.external_id, "balance");
    let id = format!("balance/{}", shop.currency().code());
    let stated = documents(&record.kind, &record.body);
    let Some(Document::BooksRecord(stated)) = stated.get(&(Kind::BooksRecord, id)) else {
        panic!("{stated:?}")
    };
    assert_eq!(stated.version.0, at(100_000).as_microsecond());
    assert_eq!((stated.kind.as_str(), stated.state.as_str()), ("balance", "stated"));
    stated.total.minor()
}

/// The rows that are no payout's, less the payouts that did not come back.
fn rows_less_payouts(shop: &mut ShopifySandbox) -> i64 {
    let mut sum = 0;
    for stream in ["balance_transactions", "payouts"] {
        for record in poll(shop, stream, None).records {
            for document in documents(&record.kind, &record.body).into_values() {
                sum += match document {
                    Document::LedgerRow(row) => match row.class {
                        RowClass::Payout | RowClass::PayoutReturn => 0,
                        _ => row.net.minor(),
                    },
                    Document::Payout(payout) => match payout.status {
                        PayoutStatus::Failed | PayoutStatus::Cancelled => 0,
                        _ => -payout.amount.minor(),
                    },
                    other => panic!("{other:?}"),
                };
            }
        }
    }
    sum
}

#[test]
fn the_stated_balance_is_the_rows_less_the_payouts() {
    for currency in ["EUR", "JPY", "KWD"] {
        let mut shop = shop(currency, true);
        let check = |shop: &mut ShopifySandbox, expected: i64| {
            assert_eq!(stated_balance(shop), expected);
            assert_eq!(rows_less_payouts(shop), expected);
        };
        check(&mut shop, 0);
        let order = NewOrder { lines: vec![line("mug", 10_000, 1, &[])], ..NewOrder::default() };
        let id = shop.place_order(order, at(0)).expect("placed");
        let paid = shop.add_transaction(&id, sale("shopify_payments", 10_000), at(1));
        let paid = paid.expect("paid");
        shop.book_transaction(&id, &paid, 320, at(2)).expect("booked");
        check(&mut shop, 9_680);
        let held = NewRow { kind: "reserve".to_owned(), amount: -1_000, ..NewRow::default() };
        shop.add_balance_row(held, at(3)).expect("held back");
        check(&mut shop, 8_680);
        // A payout that is only scheduled has left the balance, and is not at the bank either.
        let first = shop.pay_out(at(4)).expect("a payout");
        check(&mut shop, 0);
        let dispute = shop.dispute(&id, &paid, 4_000, 1_500, "fraudulent", at(5));
        let dispute = dispute.expect("disputed");
        check(&mut shop, -5_500);
        shop.payout_is(&first, "paid", at(6)).expect("paid out");
        check(&mut shop, -5_500);
        let second = shop.pay_out(at(7)).expect("a payout that takes");
        check(&mut shop, 0);
        shop.dispute_is(&dispute, "won", &paid, 1_500, at(8)).expect("won");
        check(&mut shop, 5_500);
        // One that fails comes back.
        shop.payout_is(&second, "failed", at(9)).expect("failed");
        check(&mut shop, 0);
    }
}

#[test]
fn a_shop_without_shopify_payments_states_no_balance() {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at(0) };
    let talks = CONNECTOR.conversations.expect("conversations");
    let task = Task::Poll { stream: "balance".to_owned(), cursor: None, since: at(0) };
    let Step::Send { state, .. } = (talks.start)(&context, &task) else { panic!("a send") };
    let body = br#"{"data":{"shopifyPaymentsAccount":null}}"#.to_vec();
    let reply = Reply { status: 200, headers: Vec::new(), body };
    let Step::Done(outcome) = (talks.resume)(&context, &state, Ok(&reply)) else { panic!("done") };
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn an_unknown_operation_is_refused() {
    let mut shop = shop("EUR", true);
    let body = serde_json::json!({ "query": "{ shop { name } }", "variables": {} });
    let request = Request::post_json(crate::conversation::queries::PATH, &body);
    let reply = shop.handle(&request, at(0));
    assert_eq!(reply.status, 200);
    assert!(String::from_utf8_lossy(&reply.body).contains("undefinedField"));
}

#[test]
fn a_cut_line_list_is_read_whole() {
    let mut shop = shop("EUR", true);
    let lines = (0..60).map(|number| line(&format!("item {number}"), 100, 1, &[19])).collect();
    let id = shop.place_order(NewOrder { lines, ..NewOrder::default() }, at(0)).expect("placed");
    let polled = poll(&mut shop, "orders", None);
    let hints = match decode("order", &polled.records[0].body) {
        Decoded::Hints(hints) => hints,
        other => panic!("{other:?}"),
    };
    assert_eq!(hints, [Hint::new(Kind::Order, &id)]);
    let read = converse(&mut shop, &Task::Read { hints }, at(1));
    assert_eq!(documents("order", &read.records[0].body).len(), 1);
}
