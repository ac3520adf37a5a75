//! B1, B5, B10: whatever happens to the replies of a real Odoo, each command makes one document.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::facts::{self, guests, lines};
use common::scenarios::NEW_YORK;
use common::{Books, Real, applied, deliver, drive, goods, set_up};
use jiff::Timestamp;
use serde_json::json;
use trueup_connect::conversation::{Context, Dispatch, Reply, Request, Step, Task};
use trueup_connect::{CallError, ReceiptOutcome, Settings};
use trueup_domain::command::{CustomerRef, Direction, Way};

/// Sends a request and goes away without waiting: Odoo carries it out, or not, unseen.
fn send_and_vanish(books: &Real, request: &Request) {
    let mut stream = books.connect();
    let bytes = books.wire(request, &books.0.hub_key);
    stream.write_all(&bytes).expect("sent");
    drop(stream);
}

/// Delivers once with the reply of the `lost`-th writing call lost; says whether there was one.
fn deliver_losing(
    books: &mut Real,
    command: &Dispatch,
    lost: usize,
) -> (bool, Vec<ReceiptOutcome>) {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: Timestamp::now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let task = Task::Deliver { commands: vec![command.clone()] };
    let mut step = (talk.start)(&context, &task);
    let (mut writes_seen, mut hit) = (0, false);
    loop {
        step = match step {
            Step::Send { request, writes: true, state } if writes_seen == lost => {
                writes_seen += 1;
                hit = true;
                send_and_vanish(books, &request);
                let why = CallError::ReplyLost { why: "the client went away".to_owned() };
                (talk.resume)(&context, &state, Err(why))
            }
            Step::Send { request, writes, state } => {
                writes_seen += usize::from(writes);
                let reply: Result<Reply, CallError> = books.send(&request, false);
                (talk.resume)(&context, &state, reply.as_ref().map_err(Clone::clone))
            }
            Step::Wait { for_ms, state } => {
                std::thread::sleep(Duration::from_millis(for_ms));
                (talk.resume)(&context, &state, Err(CallError::Busy { why: "waited".to_owned() }))
            }
            Step::Done(outcome) => {
                return (hit, outcome.receipts.into_iter().map(|it| it.outcome).collect());
            }
            Step::Failed(error) => panic!("{}: {error}: {error:?}", command.key),
        };
    }
}

/// Looks a command up until it is known, as the hub does.
fn look_up(books: &mut Real, command: &Dispatch) -> String {
    let again = Dispatch { again: true, ..command.clone() };
    for _ in 0..40 {
        let task = Task::LookUp { commands: vec![again.clone()] };
        match drive(books, &task).map(|outcome| outcome.receipts[0].outcome.clone()) {
            Ok(ReceiptOutcome::Applied { binding, differs, .. }) => {
                assert!(differs.is_empty(), "{}: {differs:?}", command.key);
                return binding;
            }
            Ok(ReceiptOutcome::Refused { error }) => panic!("{}: {error:?}", command.key),
            Ok(ReceiptOutcome::HeldAlready { orders }) => panic!("{}: {orders:?}", command.key),
            Ok(ReceiptOutcome::Unknown { .. } | ReceiptOutcome::NotApplied { .. }) | Err(_) => {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }
    panic!("{} is never known", command.key);
}

#[test]
fn b1_lost_replies_leave_one_document_each() {
    let Some(mut books) = Real::fresh("lost") else { return };
    let (us, _) = set_up(&mut books);
    let customer = guests(&us);
    let sold = lines(&us, false, NEW_YORK);
    let mut lost_replies = 0;
    // Three writing calls at most: load, the action, and the order's date.
    for lost in 0..3 {
        let mut once = |books: &mut Real, command: Dispatch| -> String {
            let (hit, receipts) = deliver_losing(books, &command, lost);
            lost_replies += usize::from(hit);
            match receipts.into_iter().next() {
                Some(ReceiptOutcome::Applied { binding, differs, .. }) if !hit => {
                    assert!(differs.is_empty(), "{differs:?}");
                    binding
                }
                Some(ReceiptOutcome::Unknown { .. }) if hit => look_up(books, &command),
                other => panic!("{} after losing {lost}: {other:?}", command.key),
            }
        };
        let key = format!("5{lost}");
        let buyer =
            once(&mut books, facts::partner(&us, &format!("lost-{lost}"), "Ann", "US", Some("NY")));
        let buyer = CustomerRef::Fixed(buyer);
        let order = once(&mut books, facts::order(&us, &key, buyer, &sold));
        let invoice =
            once(&mut books, facts::invoice(&us, &key, customer.clone(), Some(&order), &sold));
        let paid = once(
            &mut books,
            facts::payment(&us, "stripe", &key, customer.clone(), "912.24", Direction::Inbound),
        );
        once(&mut books, facts::tie(&us, &key, "912.24", &paid, &invoice));
        let back = [facts::Spec {
            part: "2",
            what: "TEE-M",
            quantity: "1",
            price: "329.84",
            taxes: &[("US-NY", "28.04")],
        }];
        let back = lines(&us, false, &back);
        once(&mut books, facts::note(&us, &key, customer.clone(), Some(&invoice), &back));
        once(
            &mut books,
            facts::entry(&us, &key, &[("processing_fees", "6.25"), ("clearing/stripe", "-6.25")]),
        );
    }
    let count = |model: &str, domain| books.read(model, domain, &["id"]).len();
    let seen = [
        count("res.partner", json!([["ref", "like", "lost-"]])),
        count("sale.order", json!([])),
        count(
            "sale.order",
            json!([
                ["state", "=", "sale"],
                ["date_order", "=", "2026-11-01 10:00:00"],
                ["amount_total", "=", 912.24]
            ]),
        ),
        count("sale.order.line", json!([])),
        count(
            "account.move",
            json!([
                ["move_type", "=", "out_invoice"],
                ["state", "=", "posted"],
                ["payment_state", "=", "paid"]
            ]),
        ),
        count("account.move", json!([["move_type", "=", "out_refund"], ["state", "=", "posted"]])),
        count("account.move", json!([["journal_id.code", "=", "TRUP"], ["state", "=", "posted"]])),
        count("account.payment", json!([])),
        count("account.partial.reconcile", json!([])),
        count("account.move", json!([["state", "=", "draft"]])),
    ];
    assert_eq!(seen, [3, 3, 3, 15, 3, 3, 3, 3, 3, 0]);
    // 7 commands: all lose their first write, 5 a second one, the order a third.
    assert_eq!(lost_replies, 13);
}

/// What a day moved, out and back: the transfers are made, validated and dated, each losing every
/// reply in turn.
#[test]
fn b1_goods_of_a_day_move_once_whatever_is_lost() {
    let Some(mut books) = Real::fresh("daylost") else { return };
    let (us, _) = set_up(&mut books);
    let own = json!([["company_id", "=", 1]]);
    let stock = &books.read("stock.warehouse", own, &["lot_stock_id"])[0]["lot_stock_id"][0];
    let stock = stock.as_i64().expect("a location");
    let mut lost_replies = 0;
    for lost in 0..3 {
        let out = [("TEE-S", 3), ("MUG-01", 2)];
        let command = facts::transfer(&us, &format!("8{lost}"), stock, &out, &[("TEE-S", 1)]);
        let (hit, receipts) = deliver_losing(&mut books, &command, lost);
        lost_replies += usize::from(hit);
        assert!(matches!(receipts[0], ReceiptOutcome::Unknown { .. }), "{receipts:?}");
        look_up(&mut books, &command);
    }
    assert_eq!(lost_replies, 3);
    let dated = json!([["state", "=", "done"], ["date", "=", "2026-11-02 17:00:00"]]);
    let moves = books.read("stock.move", dated, &["quantity"]);
    let all = books.read("stock.move", json!([]), &["id"]);
    assert_eq!((moves.len(), all.len()), (9, 9), "two out and one back, three times");
}

/// Looks a command up whose first write has not arrived yet, and lets it arrive after so many requests
/// of the look-up.
fn look_up_before_it_arrives(books: &mut Real, command: &Dispatch, after: usize) {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: Timestamp::now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, &Task::Deliver { commands: vec![command.clone()] });
    let late = loop {
        step = match step {
            Step::Send { request, writes: true, .. } => break request,
            Step::Send { request, state, .. } => {
                let reply = books.send(&request, false);
                (talk.resume)(&context, &state, reply.as_ref().map_err(Clone::clone))
            }
            _ => panic!("{} writes nothing", command.key),
        };
    };
    let again = Dispatch { again: true, ..command.clone() };
    let mut step = (talk.start)(&context, &Task::LookUp { commands: vec![again] });
    let (mut late, mut asked) = (Some(late), 0);
    while let Step::Send { request, state, .. } = step {
        if asked == after
            && let Some(late) = late.take()
        {
            books.send(&late, false).expect("it arrives");
        }
        asked += 1;
        let reply = books.send(&request, false);
        step = (talk.resume)(&context, &state, reply.as_ref().map_err(Clone::clone));
    }
    if let Some(late) = late {
        books.send(&late, false).expect("it arrives");
    }
    if let Step::Done(outcome) = step
        && let ReceiptOutcome::Applied { differs, .. } = &outcome.receipts[0].outcome
    {
        assert!(differs.is_empty(), "{} after {after}: {differs:?}", command.key);
    }
    look_up(books, command);
}

/// The first write of goods that left arrives while it is looked up, after each of the requests.
#[test]
fn b1_goods_whose_write_arrives_while_it_is_looked_up_move_once() {
    let Some(mut books) = Real::fresh("goodslate") else { return };
    let (us, _) = set_up(&mut books);
    for after in 0..12 {
        let key = format!("6{after}");
        let order = facts::order(&us, &key, guests(&us), &goods::sold(&us));
        let order = applied(&mut books, &order);
        let left = [("1", "TEE-S", 2), ("2", "MUG-01", 1), ("3", "MUG-01", 1)];
        let order = ("order", order.as_str());
        let command = facts::goods(&us, &format!("{key}a"), Way::Out, order, &left);
        look_up_before_it_arrives(&mut books, &command, after);
        assert_eq!(goods::delivered(&books, &format!("#{key}")), [2, 1, 1, 0], "{after}");
    }
}

/// Two shipments, units that stay and units that come back, each losing every reply in turn.
#[test]
fn b1_goods_move_once_whatever_is_lost() {
    let Some(mut books) = Real::fresh("goodslost") else { return };
    let (us, _) = set_up(&mut books);
    let mut lost_replies = 0;
    // Two writing calls at most: load, and the action.
    for lost in 0..2 {
        let mut once = |books: &mut Real, command: Dispatch| {
            let (hit, receipts) = deliver_losing(books, &command, lost);
            lost_replies += usize::from(hit);
            match receipts.into_iter().next() {
                Some(ReceiptOutcome::Applied { differs, .. }) if !hit => {
                    assert!(differs.is_empty(), "{differs:?}");
                }
                Some(ReceiptOutcome::Unknown { .. }) if hit => {
                    look_up(books, &command);
                }
                other => panic!("{} after losing {lost}: {other:?}", command.key),
            }
        };
        let key = |what: &str| format!("7{lost}{what}");
        let order = facts::order(&us, &key(""), guests(&us), &goods::sold(&us));
        let order = applied(&mut books, &order);
        let order = ("order", order.as_str());
        let first = [("1", "TEE-S", 2), ("2", "MUG-01", 1), ("3", "MUG-01", 1)];
        once(&mut books, facts::goods(&us, &key("a"), Way::Out, order, &first));
        let limit = [("1", "TEE-S", 4)];
        once(&mut books, facts::goods(&us, &key("b"), Way::Limit, order, &limit));
        let rest = [("1", "TEE-S", 2), ("2", "MUG-01", 1)];
        once(&mut books, facts::goods(&us, &key("c"), Way::Out, order, &rest));
        let back = [("1", "TEE-S", 3), ("2", "MUG-01", 1)];
        once(&mut books, facts::goods(&us, &key("d"), Way::Back, order, &back));
        assert_eq!(goods::delivered(&books, &format!("#{}", key(""))), [1, 1, 1, 0]);
    }
    let count = |model: &str, domain| books.read(model, domain, &["id"]).len();
    let seen = [
        count("stock.picking", json!([["picking_type_code", "=", "outgoing"]])),
        count("stock.picking", json!([["picking_type_code", "=", "incoming"]])),
        count("stock.picking", json!([["state", "!=", "done"]])),
        count("stock.move.line", json!([["state", "=", "done"]])),
        count("stock.move.line", json!([["state", "!=", "done"]])),
    ];
    // Each order: two shipments of 3 and 2 lines, one return that takes back two moves of tees and
    // one of mugs.
    assert_eq!(seen, [4, 2, 0, 16, 0]);
    // The limit of each order loses a second call as well: what is left is set aside again.
    assert_eq!(lost_replies, 8);
}

#[test]
fn b10_one_bad_order_among_fifty() {
    let Some(mut books) = Real::fresh("fifty") else { return };
    let (us, _) = set_up(&mut books);
    let sold = lines(&us, false, NEW_YORK);
    let orders: Vec<Dispatch> = (0..50)
        .map(|number| {
            let customer =
                if number == 31 { CustomerRef::Fixed("99999999".to_owned()) } else { guests(&us) };
            facts::order(&us, &format!("9{number:02}"), customer, &sold)
        })
        .collect();
    let begun = Instant::now();
    let receipts = deliver(&mut books, &orders);
    let took = begun.elapsed();
    let applied_ids: Vec<Option<&str>> = receipts
        .iter()
        .map(|outcome| match outcome {
            ReceiptOutcome::Applied { binding, differs, .. } if differs.is_empty() => {
                Some(binding.as_str())
            }
            _ => None,
        })
        .collect();
    assert!(matches!(&receipts[31], ReceiptOutcome::Refused { .. }), "{:?}", receipts[31]);
    assert_eq!(applied_ids.iter().flatten().count(), 49);
    assert_eq!(books.read("sale.order", json!([["state", "=", "sale"]]), &["id"]).len(), 49);
    println!("49 of 50 orders of 5 lines: {took:?}");

    let invoices: Vec<Dispatch> = applied_ids
        .iter()
        .enumerate()
        .filter_map(|(number, order)| {
            Some(facts::invoice(&us, &format!("9{number:02}"), guests(&us), Some((*order)?), &sold))
        })
        .collect();
    let begun = Instant::now();
    let receipts = deliver(&mut books, &invoices);
    println!("49 invoices posted: {:?}", begun.elapsed());
    let invoice_ids: Vec<String> = receipts
        .iter()
        .map(|outcome| match outcome {
            ReceiptOutcome::Applied { binding, differs, .. } if differs.is_empty() => {
                binding.clone()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let payments: Vec<Dispatch> = (0..49)
        .map(|number| {
            facts::payment(
                &us,
                "stripe",
                &format!("9{number:02}"),
                guests(&us),
                "912.24",
                Direction::Inbound,
            )
        })
        .collect();
    let begun = Instant::now();
    let receipts = deliver(&mut books, &payments);
    println!("49 payments posted: {:?}", begun.elapsed());
    let ties: Vec<Dispatch> = receipts
        .iter()
        .zip(&invoice_ids)
        .enumerate()
        .map(|(number, (paid, invoice))| {
            let ReceiptOutcome::Applied { binding, .. } = paid else { panic!("{paid:?}") };
            facts::tie(&us, &format!("9{number:02}"), "912.24", binding, invoice)
        })
        .collect();
    let begun = Instant::now();
    let receipts = deliver(&mut books, &ties);
    println!("49 payments tied: {:?}", begun.elapsed());
    assert!(
        receipts
            .iter()
            .all(|it| matches!(it, ReceiptOutcome::Applied { differs, .. } if differs.is_empty()))
    );
    let paid = json!([["move_type", "=", "out_invoice"], ["payment_state", "=", "paid"]]);
    assert_eq!(books.read("account.move", paid, &["id"]).len(), 49);
    // Everything of every order hangs together.
    let invoiced = json!([["invoice_status", "=", "invoiced"]]);
    assert_eq!(books.read("sale.order", invoiced, &["id"]).len(), 49);
    let again = applied(&mut books, &orders[0]);
    assert_eq!(Some(again.as_str()), applied_ids[0]);
}
