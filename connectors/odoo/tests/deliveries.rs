//! Deliveries against the sandbox: what is made once, what is refused, what is unknown.

mod kit;

use kit::*;
use serde_json::json;
use trueup_connect::conversation::{Context, Dispatch, Outcome, Step, Task};
use trueup_connect::message::{Decoded, Hint, Message};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{CallError, Receipt, ReceiptOutcome, Settings};
use trueup_domain::command::*;
use trueup_domain::document::{Buyer, Document, Version};
use trueup_odoo::sandbox::{ADMIN_KEY, Lock, OdooSandbox, Trouble};

#[test]
fn both_demo_entities_are_set_up() {
    let sandbox = OdooSandbox::new_demo();
    for (entity, company) in [("us", "1"), ("eu", "2")] {
        let map = sandbox.demo_mapping(entity).expect("a mapping");
        assert_eq!((map.company.as_str(), map.gateways.len()), (company, 7));
        assert_eq!(map.service_products.len(), 10);
    }
}

#[test]
fn a_sale_is_paid_and_partly_taken_back() {
    let (mut sandbox, map) = world();
    let partner = Partner {
        company: map.company.clone(),
        reference: "cust-1".to_owned(),
        buyer: Buyer { name: Some("Ann".to_owned()), ..Buyer::default() },
        address_of: None,
    };
    let customer =
        applied(&mut sandbox, &dispatch("test/partner/1", Content::Partner(partner), &[]));
    let mut one = order(&map, "1001");
    if let Content::Order(content) = &mut one.content {
        content.customer = CustomerRef::Bound;
    }
    one.bindings.insert("customer".to_owned(), customer.clone());
    let order_id = applied(&mut sandbox, &one);
    let shown = sandbox.read_all(
        "sale.order",
        &json!([]),
        &["state", "date_order", "amount_total", "partner_id"],
    );
    assert_eq!(
        shown,
        [json!({"id": 1, "state": "sale", "date_order": "2026-11-01 10:00:00",
        "amount_total": 912.24, "partner_id": [customer.parse::<i64>().expect("id"), "Ann"]})]
    );

    let invoice_id = applied(&mut sandbox, &invoice(&map, "1001", &order_id));
    let status = sandbox.read_all("sale.order", &json!([]), &["invoice_status"]);
    assert_eq!(status[0]["invoice_status"], "invoiced");
    let payment_id = applied(&mut sandbox, &payment(&map, "1", "912.24", Direction::Inbound));
    applied(&mut sandbox, &tie(&map, "1", "912.24", &payment_id, &invoice_id));
    let paid = sandbox.read_all(
        "account.move",
        &json!([["move_type", "=", "out_invoice"]]),
        &["payment_state", "name", "amount_residual"],
    );
    assert_eq!(
        paid,
        [
            json!({"id": 1, "payment_state": "paid", "name": "INV/2026/00001", "amount_residual": 0.0})
        ]
    );

    let note = note(&map, &invoice_id);
    let note_id = applied(&mut sandbox, &note);
    let back = applied(&mut sandbox, &payment(&map, "2", "368.38", Direction::Outbound));
    applied(&mut sandbox, &tie(&map, "2", "368.38", &back, &note_id));
    let state = sandbox.read_all(
        "account.move",
        &json!([["move_type", "=", "out_refund"]]),
        &["payment_state", "reversed_entry_id"],
    );
    assert_eq!(state[0]["payment_state"], "paid");
}

/// A price changed after the sale was paid: the note takes the place of the money, the money pays
/// the second invoice, and what is left of it is the customer's.
#[test]
fn the_money_of_a_document_pays_its_successor() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1001"));
    let first = applied(&mut sandbox, &invoice(&map, "1001", &order_id));
    let money = applied(&mut sandbox, &payment(&map, "1", "912.24", Direction::Inbound));
    applied(&mut sandbox, &tie(&map, "1", "912.24", &money, &first));
    let Content::Invoice(content) = invoice(&map, "1001", &order_id).content else {
        panic!("an invoice")
    };
    let (back, _) = reversal_of(&Content::Invoice(content)).expect("a credit note");
    let note = dispatch("test/invoice/1001/rev", back, &[("invoice", first.as_str())]);
    let note = applied(&mut sandbox, &note);
    let mut cheaper = order(&map, "1001b");
    if let Content::Order(content) = &mut cheaper.content {
        content.lines.truncate(1);
        (content.total, content.tax) = (usd("649.80"), usd("50.91"));
    }
    let order_id = applied(&mut sandbox, &cheaper);
    let mut cheaper = invoice(&map, "1001b", &order_id);
    if let Content::Invoice(content) = &mut cheaper.content {
        content.lines.truncate(1);
        (content.total, content.tax) = (usd("649.80"), usd("50.91"));
    }
    let second = applied(&mut sandbox, &cheaper);
    // The first is paid, so nothing of it is left for the note, before the money is taken off.
    let set_off = |key: &str, extent: Extent| {
        let mut tie = tie(&map, key, "912.24", &note, &first);
        if let Content::Reconciliation(content) = &mut tie.content {
            content.payment = CommandKind::CreditNote;
            content.extent = extent;
        }
        tie
    };
    assert_eq!(applied(&mut sandbox, &set_off("in vain", Extent::WhatIsOpen)), "nothing open");
    let undone = applied(&mut sandbox, &set_off("undone", Extent::Instead));
    assert!(undone.starts_with("account.partial.reconcile/"), "{undone}");
    assert_eq!(applied(&mut sandbox, &set_off("undone", Extent::Instead)), undone, "done once");
    let mut pays = tie(&map, "passed on", "912.24", &money, &second);
    if let Content::Reconciliation(content) = &mut pays.content {
        content.extent = Extent::WhatIsOpen;
    }
    let passed_on = applied(&mut sandbox, &pays);
    assert_eq!(applied(&mut sandbox, &pays), passed_on);
    let states = sandbox.read_all("account.move", &json!([]), &["payment_state"]);
    let of = |id: &str| {
        let id: i64 = id.parse().expect("an id");
        states.iter().find(|one| one["id"] == id).map(|one| one["payment_state"].clone())
    };
    // Odoo's word for an invoice that a credit note pays.
    assert_eq!((of(&first), of(&second)), (Some(json!("reversed")), Some(json!("paid"))));
    assert_eq!(of(&note), Some(json!("paid")));
    let lines = json!([["account_type", "=", "asset_receivable"], ["reconciled", "=", false]]);
    let open = sandbox.read_all("account.move.line", &lines, &["amount_residual"]);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["amount_residual"], json!(-262.44), "the rest is the customer's");
}

#[test]
fn a_receipt_shows_what_was_stored() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    let outcome = deliver(&mut sandbox, &[invoice(&map, "1", &order_id)]).remove(0);
    let ReceiptOutcome::Applied { record: Some(record), .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (record.state.as_str(), record.kind.as_str(), record.total),
        ("posted", "invoice", usd("912.24"))
    );
    assert_eq!(record.taxes.len(), 1);
    assert_eq!((record.taxes[0].base, record.taxes[0].amount), (usd("840.85"), usd("71.39")));
    assert_eq!(record.effect_key.as_deref(), Some("test/invoice/1"));
}

#[test]
fn b1_a_reply_that_is_lost_is_looked_up_and_nothing_is_made_twice() {
    let (start, map) = world();
    // Each call of the chain in turn is carried out and its reply lost.
    for lost in 0..7 {
        let mut sandbox = start.clone();
        let order = order(&map, "1");
        let mut task = Task::Deliver { commands: vec![order.clone()] };
        let mut rounds = 0;
        let receipts = loop {
            rounds += 1;
            let answer =
                drive_losing(&mut sandbox, &task, if rounds == 1 { Some(lost) } else { None });
            match answer {
                Ok(outcome) => match &outcome.receipts[0].outcome {
                    ReceiptOutcome::Applied { .. } => break outcome.receipts,
                    ReceiptOutcome::Unknown { .. } | ReceiptOutcome::NotApplied { .. } => {}
                    ReceiptOutcome::Refused { error } => panic!("call {lost}: {error}"),
                    ReceiptOutcome::HeldAlready { orders } => panic!("call {lost}: {orders:?}"),
                },
                Err(error) => assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}"),
            }
            task = Task::LookUp { commands: vec![Dispatch { again: true, ..order.clone() }] };
            assert!(rounds < 4, "call {lost} does not heal");
        };
        assert!(
            matches!(&receipts[0].outcome, ReceiptOutcome::Applied { differs, .. } if differs.is_empty())
        );
        let orders = sandbox.read_all("sale.order", &json!([]), &["state", "date_order"]);
        let expected = json!({"id": 1, "state": "sale", "date_order": "2026-11-01 10:00:00"});
        assert_eq!(orders, [expected], "call {lost}");
    }
}

/// Two commands that are looked up in two batches: that the first batch brought no answer says
/// nothing of the second, which was not asked for. Found by seed 19623 of the simulation: a posted
/// credit note was taken for one that was never made, and made again under another key.
#[test]
fn b1_what_was_not_looked_up_is_not_taken_for_absent() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1001"));
    let invoice_id = applied(&mut sandbox, &invoice(&map, "1001", &order_id));
    let with_account = note(&map, &invoice_id);
    let mut plain = Dispatch { key: "test/note/2".to_owned(), ..with_account.clone() };
    if let Content::CreditNote(content) = &mut plain.content {
        content.lines.truncate(1);
        (content.total, content.tax) = (usd("357.88"), usd("28.04"));
    }
    let both = [with_account, plain];
    for one in &both {
        applied(&mut sandbox, one);
    }
    let again: Vec<Dispatch> =
        both.iter().map(|one| Dispatch { again: true, ..one.clone() }).collect();
    let task = Task::LookUp { commands: again };
    for lost in 0..7 {
        let receipts = match drive_losing(&mut sandbox, &task, Some(lost)) {
            Ok(outcome) => outcome.receipts,
            // Of a look-up that failed as a whole the hub takes nothing for certain.
            Err(_) => continue,
        };
        for receipt in receipts {
            let certain = matches!(receipt.outcome, ReceiptOutcome::NotApplied { .. });
            assert!(!certain, "call {lost}: {} is there: {:?}", receipt.key, receipt.outcome);
        }
    }
    let notes =
        sandbox.read_all("account.move", &json!([["move_type", "=", "out_refund"]]), &["id"]);
    assert_eq!(notes.len(), 2);
}

/// Drives a task; the reply to call number `lost` never arrives, though the call was carried out.
fn drive_losing(
    sandbox: &mut OdooSandbox,
    task: &Task,
    lost: Option<usize>,
) -> Result<Outcome, CallError> {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, task);
    let mut number = 0;
    loop {
        step = match step {
            Step::Send { request, state, .. } => {
                let reply = sandbox.handle(&request, now());
                let why = CallError::ReplyLost { why: "reset".to_owned() };
                let seen = if lost == Some(number) { Err(why) } else { Ok(&reply) };
                number += 1;
                (talk.resume)(&context, &state, seen)
            }
            Step::Wait { state, .. } => {
                (talk.resume)(&context, &state, Err(CallError::Unauthorized))
            }
            Step::Done(outcome) => return Ok(outcome),
            Step::Failed(error) => return Err(error),
        };
    }
}

#[test]
fn b10_one_bad_order_in_a_batch_does_not_stop_the_others() {
    let (mut sandbox, map) = world();
    let mut commands: Vec<Dispatch> =
        (0..20).map(|number| order(&map, &number.to_string())).collect();
    if let Content::Order(content) = &mut commands[7].content {
        content.customer = CustomerRef::Fixed("999999".to_owned());
    }
    if let Content::Order(content) = &mut commands[11].content {
        content.lines[0].product = Some("888888".to_owned());
    }
    let receipts = deliver(&mut sandbox, &commands);
    for (number, outcome) in receipts.iter().enumerate() {
        let refused = matches!(outcome, ReceiptOutcome::Refused { .. });
        assert_eq!(refused, number == 7 || number == 11, "{number}: {outcome:?}");
    }
    assert_eq!(
        sandbox.read_all("sale.order", &json!([["state", "=", "sale"]]), &["name"]).len(),
        18
    );
}

#[test]
fn b10_one_payment_that_cannot_be_posted_is_found_by_halving() {
    let (mut sandbox, map) = world();
    let mut commands: Vec<Dispatch> = (0..9)
        .map(|number| payment(&map, &number.to_string(), "5.00", Direction::Inbound))
        .collect();
    if let Content::Payment(content) = &mut commands[4].content {
        content.amount = usd("-5.00");
    }
    let receipts = deliver(&mut sandbox, &commands);
    let bad: Vec<usize> =
        (0..9).filter(|it| matches!(receipts[*it], ReceiptOutcome::Refused { .. })).collect();
    assert_eq!(bad, [4]);
}

#[test]
fn b25_an_order_that_odoo_totals_otherwise_stays_a_draft() {
    let (mut sandbox, map) = world();
    let mut wrong = order(&map, "1");
    if let Content::Order(content) = &mut wrong.content {
        content.total = usd("912.25");
    }
    let outcome = deliver(&mut sandbox, &[wrong]).remove(0);
    let ReceiptOutcome::Applied { differs, record: Some(record), .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(differs, ["the total is 912.24 USD, asked was 912.25 USD", "the record is `draft`"]);
    assert_eq!(record.state, "draft");
}

/// Asked before the write, so that it is dated there and stays with its own day.
#[test]
fn v13_what_lies_inside_a_lock_is_booked_on_the_first_open_day() {
    let (mut sandbox, map) = world();
    sandbox.lock(1, Lock::Sale, "2026-11-10");
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    let outcome = deliver(&mut sandbox, &[invoice(&map, "1", &order_id)]).remove(0);
    let ReceiptOutcome::Applied { differs, record: Some(record), .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(differs, [""; 0]);
    let open = Some(jiff::civil::date(2026, 11, 11));
    assert_eq!((record.date, record.opened), (open, open));
    let shown = sandbox.read_all("account.move", &json!([]), &["date", "invoice_date"]);
    assert_eq!(shown, [json!({"id": 1, "date": "2026-11-11", "invoice_date": "2026-11-02"})]);
}

#[test]
fn v13_an_entry_of_a_locked_period_is_refused() {
    let (mut sandbox, map) = world();
    sandbox.lock(1, Lock::Sale, "2026-11-30");
    let outcome = deliver(&mut sandbox, &[fee(&map, "test/entry/1", "-6.25")]).remove(0);
    let ReceiptOutcome::Refused { error: CallError::Refused { reason_code, .. } } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(reason_code, "period_locked");
    assert!(sandbox.read_all("account.move", &json!([]), &["date"]).is_empty());
}

/// A lock that comes between our question and the post is Odoo's to obey: it dates the invoice
/// itself, and of a payment only the entry, and both are told.
#[test]
fn b14_a_date_that_odoo_moved_is_read_back() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    let commands = [invoice(&map, "1", &order_id), payment(&map, "1", "5.00", Direction::Inbound)];
    for command in commands {
        let books = ("database".to_owned(), "books".to_owned());
        let settings = Settings([books].into());
        let context = Context { settings: &settings, now: now() };
        let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
        let task = Task::Deliver { commands: vec![command] };
        let mut step = (talk.start)(&context, &task);
        let outcome = loop {
            step = match step {
                Step::Send { request, state, .. } => {
                    if request.path.ends_with("/action_post") {
                        sandbox.lock(1, Lock::FiscalYear, "2026-11-10");
                    }
                    let reply = sandbox.handle(&request, now());
                    (talk.resume)(&context, &state, Ok(&reply))
                }
                Step::Done(outcome) => break outcome,
                other => panic!("{other:?}"),
            };
        };
        sandbox.lock(1, Lock::FiscalYear, "");
        let receipt = outcome.receipts.into_iter().next().expect("a receipt");
        let ReceiptOutcome::Applied { record: Some(record), .. } = receipt.outcome else {
            panic!("{:?}", receipt.outcome)
        };
        assert_eq!(record.date, Some(jiff::civil::date(2026, 11, 21)), "{}", record.kind);
        assert_eq!(record.opened, None);
    }
}

#[test]
fn b6_conflicts_are_waited_out_and_then_handed_back() {
    let (mut sandbox, map) = world();
    for _ in 0..2 {
        sandbox.trouble(Trouble::Serialization);
    }
    applied(&mut sandbox, &payment(&map, "1", "5.00", Direction::Inbound));
    for _ in 0..20 {
        sandbox.trouble(Trouble::Serialization);
    }
    let failed = drive(
        &mut sandbox,
        &Task::Deliver { commands: vec![payment(&map, "2", "5.00", Direction::Inbound)] },
    );
    assert!(matches!(failed, Err(CallError::Busy { .. })), "{failed:?}");
}

#[test]
fn b11_a_key_that_ran_out_stops_the_connection_and_fails_nothing() {
    let (mut sandbox, map) = world();
    sandbox.trouble(Trouble::KeyRevoked);
    let failed = drive(&mut sandbox, &Task::Deliver { commands: vec![order(&map, "1")] });
    assert_eq!(failed, Err(CallError::Unauthorized));
}

#[test]
fn a_cancellation_is_repeatable() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    let content = CancellationContent { company: map.company.clone(), reference: "#1".to_owned() };
    let cancel = dispatch("test/cancel/1", Content::Cancellation(content), &[("order", &order_id)]);
    assert_eq!(applied(&mut sandbox, &cancel), order_id);
    assert_eq!(applied(&mut sandbox, &cancel), order_id);
    let state = sandbox.read_all("sale.order", &json!([]), &["state"]);
    assert_eq!(state[0]["state"], "cancel");
}

#[test]
fn g5_an_entry_balances_or_is_refused() {
    let (mut sandbox, map) = world();
    let receipts = deliver(
        &mut sandbox,
        &[fee(&map, "test/entry/1", "-6.25"), fee(&map, "test/entry/2", "-6.24")],
    );
    assert!(
        matches!(&receipts[0], ReceiptOutcome::Applied { differs, .. } if differs.is_empty()),
        "{receipts:?}"
    );
    assert!(matches!(&receipts[1], ReceiptOutcome::Refused { .. }), "{receipts:?}");
}

/// What a poll of sums says, and where the next begins.
fn sums(
    sandbox: &mut OdooSandbox,
    stream: &str,
    cursor: Option<String>,
) -> (Vec<String>, Option<String>) {
    let task = Task::Poll { stream: stream.to_owned(), cursor, since: now() };
    let outcome = drive(sandbox, &task).expect("sums");
    let told = outcome.records.iter().map(|record| {
        let message = Message { kind: &record.kind, body: &record.body };
        match (trueup_odoo::CONNECTOR.decode)(&message) {
            Ok(Decoded::Documents(documents)) => match documents.as_slice() {
                [Document::BooksRecord(sum)] => format!("{} {}", sum.id, sum.total),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    });
    (told.collect(), outcome.cursor)
}

/// What an account holds is asked for by month, what others put there apart from what we did.
#[test]
fn what_accounts_hold_is_told_by_who_made_it() {
    let (mut sandbox, map) = world();
    let (none, _) = sums(&mut sandbox, "account_totals", None);
    assert_eq!(none, [""; 0]);
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    applied(&mut sandbox, &invoice(&map, "1", &order_id));
    applied(&mut sandbox, &payment(&map, "1", "912.24", Direction::Inbound));
    let by_hand = payment(&map, "by hand", "12.24", Direction::Outbound);
    let task = Task::Deliver { commands: vec![by_hand] };
    let outcome = drive_as(&mut sandbox, &task, Some(ADMIN_KEY)).expect("receipts");
    let [Receipt { outcome: ReceiptOutcome::Applied { binding, .. }, .. }] = &*outcome.receipts
    else {
        panic!("{outcome:?}")
    };
    let clearing = map.accounts["clearing/stripe"].as_str();
    let of_us = format!("account_totals/1/USD/{clearing}/2026-11-01 912.24 USD");
    let of_others = format!("account_totals/1/USD/{clearing}:others/2026-11-01");
    let (told, cursor) = sums(&mut sandbox, "account_totals", None);
    assert!(told.contains(&of_us), "{told:?}");
    assert!(told.contains(&format!("{of_others} -12.24 USD")), "{told:?}");
    assert_eq!(told.len(), 3, "the tax that is owed, too; nothing of receivables: {told:?}");
    let moves = json!([["origin_payment_id", "=", binding.parse::<i64>().expect("an id")]]);
    let moves = sandbox.read_all("account.move", &moves, &["id"]);
    assert!(sandbox.cancel_move(moves[0]["id"].as_i64().expect("an id"), now()));
    let (told, cursor) = sums(&mut sandbox, "account_totals", cursor);
    assert!(told.contains(&format!("{of_others} 0.00 USD")), "{told:?}");
    let (later, _) = sums(&mut sandbox, "account_totals", cursor);
    assert_eq!(later, told, "it stays nothing");
}

/// Odoo leaves a group without documents out of its sums; the old sum must not stay in force.
#[test]
fn b16_the_last_credit_note_deleted_leaves_a_sum_of_nothing() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    let invoice_id = applied(&mut sandbox, &invoice(&map, "1", &order_id));
    let note_id = applied(&mut sandbox, &note(&map, &invoice_id));
    let sums = |sandbox: &mut OdooSandbox, cursor| sums(sandbox, "totals", cursor);
    let invoiced = "totals/1/USD/invoice 912.24 USD";
    let (before, cursor) = sums(&mut sandbox, None);
    assert_eq!(before, [invoiced, "totals/1/USD/credit_note 368.38 USD"]);
    assert!(sandbox.delete_credit_note(note_id.parse().expect("an id"), now()));
    let (after, cursor) = sums(&mut sandbox, cursor);
    assert_eq!(after, [invoiced, "totals/1/USD/credit_note 0.00 USD"]);
    let (later, _) = sums(&mut sandbox, cursor);
    assert_eq!(later, after, "it stays nothing");
}

/// Odoo's clock dates what it writes: with ours behind, a deletion would be older than the record.
#[test]
fn b16_a_record_is_gone_by_the_clock_of_odoo() {
    let (mut sandbox, _) = world();
    let mut seen = |date: Option<&str>| -> Version {
        let settings = Settings::default();
        let context = Context { settings: &settings, now: now() };
        let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
        let hint =
            Hint { kind: "books_record".to_owned(), external_id: "sale.order/99".to_owned() };
        let Step::Send { request, state, .. } =
            (talk.start)(&context, &Task::Read { hints: vec![hint] })
        else {
            panic!("a read asks");
        };
        let mut reply = sandbox.handle(&request, now());
        reply.headers.extend(date.map(|date| ("Date".to_owned(), date.to_owned())));
        let Step::Done(outcome) = (talk.resume)(&context, &state, Ok(&reply)) else {
            panic!("one answer is enough");
        };
        let record = &outcome.records[0];
        let message = Message { kind: &record.kind, body: &record.body };
        match (trueup_odoo::CONNECTOR.decode)(&message) {
            Ok(Decoded::Documents(documents)) => documents[0].version().expect("a version"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(seen(None), Version::at(now()));
    let later = "2026-11-21T10:07:00Z".parse().expect("a moment");
    assert_eq!(seen(Some("Sat, 21 Nov 2026 10:07:00 GMT")), Version::at(later));
    assert_eq!(seen(Some("Sat, 21 Nov 2026 09:00:00 GMT")), Version::at(now()), "never before us");
}

/// Two shops have one buyer; Odoo gets one customer, whether he is there already or is being made.
#[test]
fn b23_two_buyers_who_are_one_become_one_customer() {
    let (mut sandbox, map) = world();
    let buyer = |reference: &str, email: &str| {
        let partner = Partner {
            company: map.company.clone(),
            reference: reference.to_owned(),
            buyer: Buyer {
                name: Some("Ann".to_owned()),
                email: Some(email.to_owned()),
                ..Buyer::default()
            },
            address_of: None,
        };
        dispatch(&format!("test/{reference}/customer/1"), Content::Partner(partner), &[])
    };
    let of_shop = buyer("shop/7", "ann@example.com");
    let of_store = buyer("store/31", "Ann@Example.com ");
    let other = buyer("shop/8", "bob@example.com");
    let made = deliver(&mut sandbox, &[of_shop.clone(), of_store.clone(), other]);
    let customer = |outcome: &ReceiptOutcome| match outcome {
        ReceiptOutcome::Applied { binding, found_by, .. } => (binding.clone(), found_by.clone()),
        other => panic!("{other:?}"),
    };
    let (first, found) = customer(&made[0]);
    assert_eq!(found, None, "he is new");
    let busy = matches!(&made[1], ReceiptOutcome::NotApplied { error: CallError::Busy { .. } });
    assert!(busy, "made at this moment: {:?}", made[1]);
    assert_ne!(customer(&made[2]).0, first);

    let again = deliver(&mut sandbox, &[of_store]);
    assert_eq!(customer(&again[0]), (first.clone(), Some("e-mail address".to_owned())));
    // A replay of what was made is no customer that was found.
    assert_eq!(customer(&deliver(&mut sandbox, &[of_shop])[0]).0, first);
    let both = json!([["ref", "in", ["shop/7", "store/31"]]]);
    assert_eq!(sandbox.read_all("res.partner", &both, &["ref"]).len(), 1);
}

/// A hard lock has no exceptions: what lies inside it is booked on the first open day and keeps its
/// own day beside it, and where no day is open nothing is made and the reason is told apart.
#[test]
fn b15_what_a_hard_lock_covers_is_booked_on_the_first_open_day_or_refused() {
    let (mut sandbox, map) = world();
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    sandbox.lock(1, Lock::Hard, "2026-11-10");
    applied(&mut sandbox, &invoice(&map, "1", &order_id));
    let shown = sandbox.read_all("account.move", &json!([]), &["date", "invoice_date"]);
    assert_eq!(shown, [json!({"id": 1, "date": "2026-11-11", "invoice_date": "2026-11-02"})]);
    let second = applied(&mut sandbox, &order(&map, "2"));
    sandbox.lock(1, Lock::Hard, "2026-11-30");
    let outcome = deliver(&mut sandbox, &[invoice(&map, "2", &second)]).remove(0);
    let ReceiptOutcome::Refused { error: CallError::Refused { reason_code, reason } } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(reason_code, "period_locked");
    assert!(reason.contains("hard lock date 2026-11-30"), "{reason}");
    assert_eq!(sandbox.read_all("account.move", &json!([]), &["date"]).len(), 1);
}

/// An upgrade of Odoo's modules deletes records whose external ids are in the name of one of them and
/// may be updated. Ours are in nobody's name and may not; and what is gone after all is told.
#[test]
fn b29_what_we_make_belongs_to_no_module_and_what_is_gone_is_told() {
    let (mut sandbox, map) = world();
    let settings = Settings([("database".to_owned(), "books".to_owned())].into());
    let context = Context { settings: &settings, now: now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let mut loads = 0;
    let order_id = applied(&mut sandbox, &order(&map, "1"));
    let invoice_id = applied(&mut sandbox, &invoice(&map, "1", &order_id));
    let commands = [
        order(&map, "2"),
        payment(&map, "1", "5.00", Direction::Inbound),
        fee(&map, "test/entry/1", "-6.25"),
        note(&map, &invoice_id),
    ];
    for command in commands {
        let task = Task::Deliver { commands: vec![command] };
        let mut step = (talk.start)(&context, &task);
        while let Step::Send { request, state, .. } = step {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let fields = body["fields"].as_array();
            // Other loads change a record by its number.
            let place = fields.and_then(|all| all.iter().position(|field| field == "id"));
            if let Some(place) = place.filter(|_| request.path.ends_with("/load")) {
                loads += 1;
                assert_eq!(body["context"]["noupdate"], json!(true), "{body}");
                for row in body["data"].as_array().expect("rows") {
                    let id = row[place].as_str().expect("a text");
                    assert!(id.is_empty() || id.starts_with("trueup_hub."), "{id}");
                }
            }
            let reply = sandbox.handle(&request, now());
            step = (talk.resume)(&context, &state, Ok(&reply));
        }
        assert!(matches!(step, Step::Done(_)), "{step:?}");
    }
    assert!(loads >= 4, "only {loads} records were made by key");

    let census = |sandbox: &mut OdooSandbox, cursor| {
        let task = Task::Poll { stream: "books_census".to_owned(), cursor, since: now() };
        let outcome = drive(sandbox, &task).expect("a census");
        (outcome.records.len(), outcome.cursor)
    };
    let (gone, cursor) = census(&mut sandbox, None);
    assert_eq!(gone, 0);
    let (gone, cursor) = census(&mut sandbox, cursor);
    assert_eq!(gone, 0, "all is there");
    let notes = json!([["move_type", "=", "out_refund"]]);
    let note = sandbox.read_all("account.move", &notes, &["id"])[0]["id"].as_i64().expect("an id");
    assert!(sandbox.delete_credit_note(note, now()));
    let (gone, _) = census(&mut sandbox, cursor);
    assert_eq!(gone, 1, "the one that an upgrade took");
}
