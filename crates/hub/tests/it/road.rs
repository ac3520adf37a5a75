//! From messages to documents to facts.

use trueup_domain::document::{
    Address, Buyer, Document, Kind, LedgerRow, PaymentKind, PaymentStanding, RowClass, Version,
};
use trueup_domain::mapping::{CustomerPolicy, Mapping};
use trueup_domain::money::{Currency, Money};
use trueup_hub::{Worker, decode, timers};
use trueup_store::{documents, facts, messages, streams};

use crate::world::{
    ROOT, absorbed, answers, approve, at, balances, command_state, hears, hinting, hub, line,
    mapped, mapping, money, open_cases, order, payment, pushing, read, settle, states, stating,
    write,
};

fn sale() -> Vec<Document> {
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ]
}

fn reads(hub: &trueup_hub::Hub) -> Vec<(String, String)> {
    let asked = read(hub, |tx| streams::asked(tx, "shop", jiff::Timestamp::MAX, 100));
    asked.into_iter().map(|(kind, id, _)| (kind, id)).collect()
}

fn waiting(hub: &trueup_hub::Hub) -> Option<String> {
    read(hub, |tx| documents::find_root(tx, ROOT)).and_then(|root| root.waiting)
}

fn sold(minor: i64) -> Vec<(String, i64)> {
    vec![("clearing".to_owned(), minor), ("sales".to_owned(), -minor)]
}

#[test]
fn a1_the_same_delivery_twice_is_one() {
    let hub = mapped();
    for seconds in [1, 2, 3] {
        hears(&hub, "shop", "delivery", stating(&sale()), seconds);
    }
    settle(&hub, 4);
    assert_eq!(absorbed(&hub), [("duplicate_message".to_owned(), 2)]);
    assert_eq!(balances(&hub), sold(1000));
    assert_eq!(read(&hub, |tx| facts::lines_of_root(tx, ROOT)).len(), 4);
}

#[test]
fn a3_the_same_fact_in_other_messages_writes_nothing() {
    let hub = mapped();
    states(&hub, &sale(), 1);
    let before = read(&hub, |tx| facts::written(tx, ROOT));
    states(&hub, &sale(), 2);
    let mut touched = order(2, vec![line("A1", "10.00")]);
    touched.number = "#1001".to_owned();
    states(&hub, &[touched.into()], 3);
    assert_eq!(read(&hub, |tx| facts::written(tx, ROOT)), before, "a touched version adds none");
}

#[test]
fn a5_an_older_version_changes_nothing() {
    let hub = mapped();
    states(&hub, &[order(5, vec![line("A1", "10.00")]).into()], 1);
    states(&hub, &[order(3, vec![line("A1", "99.00")]).into()], 2);
    let known = read(&hub, |tx| documents::known(tx, "shop", Kind::Order, "o1")).expect("known");
    assert_eq!(known.version, Some(5));
    assert_eq!(absorbed(&hub), [("stale_version".to_owned(), 1)]);
    assert_eq!(balances(&hub)[1], ("sales".to_owned(), -1000));
}

/// What is read together is compared with each other, as what comes apart is.
#[test]
fn a5_versions_that_are_read_together_are_compared() {
    let hub = mapped();
    for (version, amount) in [(5, "10.00"), (3, "99.00"), (6, "12.00")] {
        let stated: Document = order(version, vec![line("A1", amount)]).into();
        hears(&hub, "shop", amount, stating(&[stated]), version);
    }
    settle(&hub, 9);
    let known = read(&hub, |tx| documents::known(tx, "shop", Kind::Order, "o1")).expect("known");
    assert_eq!(known.version, Some(6));
    assert!(absorbed(&hub).iter().all(|(kind, _)| kind == "stale_version"));
    assert_eq!(balances(&hub)[1], ("sales".to_owned(), -1200));
}

/// Where another process put a statement in force meanwhile, what that concerns waits for its next
/// turn, and nothing that was read with it does.
#[test]
fn c6_of_what_is_read_together_only_what_conflicts_waits() {
    let hub = mapped();
    for name in ["p1", "p2", "p3"] {
        let stated: Document = payment(name, 1, PaymentKind::Sale, "10.00").into();
        hears(&hub, "shop", name, stating(&[stated]), 1);
    }
    write(&hub, |tx| {
        tx.execute(
            "CREATE TRIGGER another BEFORE INSERT ON documents WHEN NEW.external_id = 'p2'
             BEGIN SELECT RAISE(ABORT, 'somebody was first'); END",
            &[],
        )
    });
    decode::step(&hub, &Worker::alone(), at(2)).expect("decoded");
    let stands = |id: &'static str| {
        read(&hub, move |tx| documents::known(tx, "shop", Kind::Payment, id)).is_some()
    };
    assert_eq!([stands("p1"), stands("p2"), stands("p3")], [true, false, true]);
    write(&hub, |tx| tx.execute("DROP TRIGGER another", &[]));
    settle(&hub, 3);
    assert!(stands("p2"));
}

#[test]
fn a5_a_tie_asks_the_source_and_the_later_question_wins() {
    let hub = mapped();
    states(&hub, &[order(5, vec![line("A1", "10.00")]).into()], 100);
    states(&hub, &[order(5, vec![line("A1", "11.00")]).into()], 110);
    let total = |hub: &trueup_hub::Hub| balances(hub)[1].1;
    assert_eq!(total(&hub), -1000, "the first stays in force");
    assert!(reads(&hub).contains(&("order".to_owned(), "o1".to_owned())));
    // This answer may be older than what came in at 100.
    let other = stating(&[order(5, vec![line("A1", "12.00")]).into()]);
    answers(&hub, "order/o1", other, 90, 120);
    settle(&hub, 120);
    assert_eq!(total(&hub), -1000);
    let answer = stating(&[order(5, vec![line("A1", "11.00")]).into()]);
    answers(&hub, "order/o1", answer, 115, 121);
    settle(&hub, 121);
    assert_eq!(total(&hub), -1100);
}

/// The answer to a question asked before a push came in loses the tie. Asked again, the source says
/// the same, and now it wins.
#[test]
fn a5_the_same_answer_to_a_later_question_settles_a_tie() {
    let hub = mapped();
    states(&hub, &[order(5, vec![line("A1", "10.00")]).into()], 100);
    let total = |hub: &trueup_hub::Hub| balances(hub)[1].1;
    for (asked, seconds, expected) in [(90, 110, -1000), (115, 121, -1100)] {
        let message = trueup_store::messages::NewMessage {
            connection: "shop".to_owned(),
            source_id: "order/o1".to_owned(),
            kind: "till/said".to_owned(),
            origin: trueup_store::messages::Origin::Poll,
            headers: String::new(),
            body: stating(&[order(5, vec![line("A1", "11.00")]).into()]),
            asked_at: Some(at(asked)),
        };
        crate::world::write(&hub, move |tx| {
            trueup_store::messages::record_answer(tx, &message, at(seconds))
        });
        settle(&hub, seconds);
        assert_eq!(total(&hub), expected, "asked at {asked}");
    }
}

#[test]
fn an_unreadable_message_is_a_case_and_holds_up_nobody() {
    let hub = mapped();
    hears(&hub, "shop", "bad", b"{\"documents\": [".to_vec(), 1);
    hears(&hub, "shop", "good", stating(&sale()), 2);
    settle(&hub, 3);
    assert_eq!(open_cases(&hub), ["undecodable"]);
    assert_eq!(balances(&hub), sold(1000));
    let counts = read(&hub, messages::counts);
    let states: Vec<(&str, i64)> =
        counts.iter().map(|(_, state, count, _)| (state.as_str(), *count)).collect();
    assert_eq!(states, [("decoded", 1), ("failed", 1)]);
}

#[test]
fn what_could_not_be_read_of_an_object_ends_with_its_next_reading() {
    let hub = mapped();
    let bad = b"{\"documents\": [".to_vec();
    answers(&hub, "order/o1", bad.clone(), 1, 2);
    answers(&hub, "order/o2", bad.clone(), 1, 2);
    hears(&hub, "shop", "order/o1", bad, 3);
    settle(&hub, 4);
    assert_eq!(open_cases(&hub), ["undecodable"; 3]);
    answers(&hub, "order/o1", stating(&sale()), 5, 6);
    settle(&hub, 7);
    // The other object stands as it did, and so does what was pushed under whatever name.
    assert_eq!(open_cases(&hub), ["undecodable"; 2]);
    let gone: Vec<String> = read(&hub, trueup_store::cases::all)
        .into_iter()
        .filter_map(|case| case.closed_by)
        .collect();
    assert_eq!(gone, ["the object was read again, and can be read"]);
    assert_eq!(balances(&hub), sold(1000));
}

#[test]
fn what_could_not_be_read_before_a_later_reading_is_no_case() {
    let hub = mapped();
    let bad = b"{\"documents\": [".to_vec();
    answers(&hub, "order/o1", bad, 1, 2);
    answers(&hub, "order/o1", stating(&sale()), 5, 6);
    // The later one is decoded first, by whichever worker has its shard.
    let ids = read(&hub, |tx| messages::newest(tx, "shop", 9));
    let newest = ids.first().expect("two").id.clone();
    let oldest = ids.last().expect("two").id.clone();
    crate::world::write(&hub, {
        let newest = newest.clone();
        move |tx| messages::finish(tx, &newest, messages::Fate::Decoded, None)
    });
    settle(&hub, 7);
    let oldest = read(&hub, |tx| messages::find(tx, &oldest)).expect("kept");
    assert_eq!(oldest.state, "failed", "nothing is forgotten");
    assert_eq!(open_cases(&hub), [""; 0]);
    crate::world::write(&hub, move |tx| messages::take_up_again(tx, &[newest]));
    settle(&hub, 8);
    assert_eq!(balances(&hub), sold(1000));
}

#[test]
fn c4_a_message_that_kills_the_process_is_set_aside() {
    let hub = mapped();
    hears(&hub, "shop", "poison", stating(&sale()), 1);
    for _ in 0..5 {
        // Each death leaves the attempt that was committed before the work.
        let taken = hub.store.write(|tx| messages::take(tx, 0, trueup_store::SHARDS, 10));
        assert_eq!(taken.expect("taken").len(), 1);
    }
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["undecodable"]);
    assert_eq!(balances(&hub), []);
}

#[test]
fn c4_a_root_that_kills_the_process_is_set_aside() {
    let hub = mapped();
    hears(&hub, "shop", "m", stating(&sale()), 1);
    trueup_hub::decode::step(&hub, &trueup_hub::Worker::alone(), at(1)).expect("decoded");
    for _ in 0..5 {
        hub.store.write(|tx| documents::take_due(tx, 0, trueup_store::SHARDS, 10)).expect("taken");
    }
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["stuck"]);
}

#[test]
fn a_hint_asks_for_a_read() {
    let hub = mapped();
    hears(&hub, "shop", "thin", hinting("order", "o9"), 1);
    settle(&hub, 2);
    assert_eq!(reads(&hub), [("order".to_owned(), "o9".to_owned())]);
}

#[test]
fn a_source_that_does_not_push_any_more_is_a_case_until_it_does() {
    let hub = mapped();
    hears(&hub, "shop", "1", pushing("7", true), 1);
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), [""; 0]);
    hears(&hub, "shop", "2", pushing("7", false), 3);
    hears(&hub, "shop", "3", pushing("8", false), 3);
    settle(&hub, 4);
    assert_eq!(open_cases(&hub), ["subscription_off", "subscription_off"]);
    hears(&hub, "shop", "4", pushing("7", true), 5);
    settle(&hub, 6);
    let open = read(&hub, trueup_store::cases::open_cases);
    let subjects: Vec<&str> = open.iter().map(|case| case.subject.as_str()).collect();
    assert_eq!(subjects, ["shop/subscription/8"], "each closes by itself");
}

#[test]
fn a4_a_payment_before_its_order_waits_for_it() {
    let hub = mapped();
    states(&hub, &[payment("p1", 1, PaymentKind::Sale, "10.00").into()], 1);
    assert_eq!(waiting(&hub).as_deref(), Some("order"));
    assert_eq!(reads(&hub), [("order".to_owned(), "o1".to_owned())]);
    assert_eq!(balances(&hub), []);
    // A day later a person hears of it.
    timers::step(&hub, at(3600)).expect("timers");
    assert_eq!(open_cases(&hub), [""; 0]);
    timers::step(&hub, at(90_000)).expect("timers");
    assert_eq!(open_cases(&hub), ["waiting"]);
    states(&hub, &[order(1, vec![line("A1", "10.00")]).into()], 90_001);
    assert_eq!(waiting(&hub), None);
    assert_eq!(open_cases(&hub), [""; 0], "it closes by itself");
    assert_eq!(balances(&hub), sold(1000));
}

#[test]
fn payments_that_are_missing_are_asked_for_again_until_they_come() {
    let hub = mapped();
    let mut paid = order(1, vec![line("A1", "10.00")]);
    paid.payment_standing = PaymentStanding::Paid;
    states(&hub, &[paid.into()], 1);
    assert_eq!(waiting(&hub).as_deref(), Some("payments"));
    hub.store.write(|tx| streams::answered(tx, "shop", "order", "o1")).expect("answered");
    timers::step(&hub, at(600)).expect("timers");
    assert_eq!(reads(&hub), []);
    timers::step(&hub, at(3700)).expect("timers");
    assert_eq!(reads(&hub), [("order".to_owned(), "o1".to_owned())]);
    hub.store.write(|tx| streams::answered(tx, "shop", "order", "o1")).expect("answered");
    timers::step(&hub, at(3710)).expect("timers");
    assert_eq!(reads(&hub), [], "it was asked for ten seconds ago");
    timers::step(&hub, at(7300)).expect("timers");
    assert_eq!(reads(&hub), [("order".to_owned(), "o1".to_owned())]);
    states(&hub, &[payment("p1", 1, PaymentKind::Sale, "10.00").into()], 7400);
    assert_eq!(waiting(&hub), None);
}

#[test]
fn a_missing_mapping_waits_for_a_person_and_is_released_by_approval() {
    let hub = hub();
    states(&hub, &sale(), 1);
    assert_eq!(waiting(&hub).as_deref(), Some("mapping"));
    assert_eq!(open_cases(&hub), ["waiting_mapping"]);
    assert_eq!(command_state(&hub, "order/1/1"), "none");
    let mut incomplete = mapping();
    incomplete.products.clear();
    approve(&hub, incomplete, 2);
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["waiting_mapping"]);
    assert_eq!(balances(&hub), sold(1000), "the journal knows, the books wait");
    approve(&hub, mapping(), 3);
    settle(&hub, 3);
    assert_eq!(waiting(&hub), None);
    assert_eq!(open_cases(&hub), [""; 0]);
    assert_eq!(command_state(&hub, "order/1/1"), "ready");
    assert_eq!(balances(&hub), sold(1000));
    let root = read(&hub, |tx| documents::find_root(tx, ROOT)).expect("a root");
    assert_eq!(root.mapping_version, Some(2));
}

#[test]
fn g4_a_fact_keeps_the_mapping_it_was_made_with() {
    let hub = mapped();
    states(&hub, &sale(), 1);
    let mut other = mapping();
    other.products.insert("A".to_owned(), "P-other".to_owned());
    approve(&hub, other, 2);
    let mut edited = order(2, vec![line("A1", "10.00")]);
    edited.lines[0].gross = money("9.00");
    edited.lines[0].unit_price = money("9.00").decimal();
    edited.total = money("9.00");
    states(&hub, &[edited.into()], 3);
    let order = crate::world::command(&hub, "order/1/2").expect("a second generation");
    let trueup_domain::command::Content::Order(order) = order.content else { panic!("an order") };
    assert_eq!(order.lines[0].product.as_deref(), Some("P-A"));
}

#[test]
fn d4_edits_add_generations_and_further_documents() {
    let hub = mapped();
    states(&hub, &sale(), 1);
    states(&hub, &[order(2, vec![line("A1", "9.00")]).into()], 2);
    states(&hub, &[order(3, vec![line("A1", "10.00")]).into()], 3);
    let generation = |kind: &str| {
        let written = read(&hub, |tx| facts::written(tx, ROOT));
        written.iter().find(|one| one.key.kind == kind).map(|one| one.generation)
    };
    assert_eq!((generation("sale"), generation("invoice")), (Some(3), Some(3)));
    assert_eq!(balances(&hub), sold(1000));
    states(&hub, &[order(4, vec![line("A1", "10.00"), line("B1", "5.00")]).into()], 4);
    assert_eq!(generation("sale"), Some(3));
    assert_eq!(command_state(&hub, "order/1/3"), "ready");
    assert_eq!(command_state(&hub, "order/2/1"), "ready");
    assert_eq!(command_state(&hub, "order/1/4"), "none");
    assert!(read(&hub, facts::unbalanced).is_empty());
}

#[test]
fn d2_a_document_that_contradicts_itself_is_held_until_a_newer_one() {
    let hub = mapped();
    let mut wrong = order(1, vec![line("A1", "10.00")]);
    wrong.total = money("10.01");
    states(&hub, &[wrong.into()], 1);
    assert_eq!(open_cases(&hub), ["order_contradicts_itself"]);
    assert_eq!(balances(&hub), []);
    states(&hub, &[order(2, vec![line("A1", "10.00")]).into()], 2);
    assert_eq!(open_cases(&hub), [""; 0]);
}

#[test]
fn e3_amounts_of_two_currencies_hold_the_root_and_nobody_else() {
    let hub = mapped();
    let mut foreign = payment("p1", 1, PaymentKind::Sale, "10.00");
    foreign.amount = Money::from_minor(1000, Currency::parse("USD").expect("a currency"));
    let mut other = order(1, vec![line("A1", "3.00")]);
    other.id = "o2".to_owned();
    let documents = [order(1, vec![line("A1", "10.00")]).into(), foreign.into(), other.into()];
    states(&hub, &documents, 1);
    assert_eq!(open_cases(&hub), ["undecidable"]);
    let other = [("receivable".to_owned(), 300), ("sales".to_owned(), -300)];
    assert_eq!(balances(&hub), other);
}

fn row(id: &str, payout: Option<&str>) -> LedgerRow {
    LedgerRow {
        id: id.to_owned(),
        class: RowClass::Capture,
        kind: "charge".to_owned(),
        gross: money("10.00"),
        fee: money("0.50"),
        net: money("9.50"),
        fees: Vec::new(),
        presentment: None,
        object: Some("ch_p1".to_owned()),
        capture: None,
        order: None,
        payout: payout.map(str::to_owned),
        occurred_at: at(0),
        available_on: None,
        description: None,
    }
}

#[test]
fn e24_a_ledger_row_may_be_completed_and_never_changed() {
    let hub = mapped();
    let tell = |name: &str, row: LedgerRow, seconds: i64| {
        hears(&hub, "stripe", name, stating(&[row.into()]), seconds);
        settle(&hub, seconds);
    };
    tell("1", row("r1", None), 1);
    tell("2", row("r1", Some("po1")), 2);
    assert_eq!(open_cases(&hub), [""; 0]);
    // The row as it was before the payout comes late.
    tell("3", row("r1", None), 3);
    let known = read(&hub, |tx| documents::known(tx, "stripe", Kind::LedgerRow, "r1"));
    assert!(known.expect("known").body.contains("po1"));
    assert_eq!(open_cases(&hub), [""; 0]);
    tell("4", LedgerRow { fee: money("0.60"), net: money("9.40"), ..row("r1", Some("po1")) }, 4);
    assert_eq!(open_cases(&hub), ["identity_reused"]);
    assert_eq!(balances(&hub), [("clearing".to_owned(), -50), ("processing_fees".to_owned(), 50)]);
}

#[test]
fn c6_a_worker_without_its_lease_writes_nothing() {
    let hub = mapped();
    hears(&hub, "shop", "m", stating(&sale()), 1);
    let length = jiff::SignedDuration::from_secs(30);
    let take = |owner: &'static str, seconds: i64| {
        hub.store
            .write(move |tx| {
                trueup_store::leases::acquire(tx, "a part", owner, at(seconds), length)
            })
            .expect("asked")
    };
    let leases = |lease: Option<_>| lease.into_iter().collect::<Vec<_>>();
    let worker = |leases| trueup_hub::Worker { leases, ..trueup_hub::Worker::alone() };
    let old = worker(leases(take("a", 0)));
    let new = worker(leases(take("b", 31)));
    let refused = trueup_hub::decode::step(&hub, &old, at(32));
    assert!(matches!(refused, Err(trueup_store::StoreError::LeaseLost)), "{refused:?}");
    assert_eq!(read(&hub, |tx| documents::of_root(tx, ROOT)).len(), 0);
    assert_eq!(trueup_hub::decode::step(&hub, &new, at(33)).expect("decoded"), 1);
    let refused = trueup_hub::decide::step(&hub, &old, at(34));
    assert!(matches!(refused, Err(trueup_store::StoreError::LeaseLost)), "{refused:?}");
    assert_eq!(balances(&hub), []);
    trueup_hub::decide::step(&hub, &new, at(35)).expect("decided");
    let refused = trueup_hub::reconcile::step(&hub, &old, at(36));
    assert!(matches!(refused, Err(trueup_store::StoreError::LeaseLost)), "{refused:?}");
    assert_eq!(balances(&hub), sold(1000));
    let turn = trueup_hub::Turn::waiting();
    turn.give(trueup_hub::Share::All(old.leases));
    let refused = trueup_hub::timers::step(&hub.clone().in_turn(turn.clone()), at(37));
    assert!(matches!(refused, Err(trueup_store::StoreError::LeaseLost)), "{refused:?}");
    turn.give(trueup_hub::Share::Nothing);
    trueup_hub::timers::step(&hub.in_turn(turn), at(38)).expect("nothing to do without a turn");
}

/// What a clock that ran a day ahead put off is due again when the clock is right.
#[test]
fn c7_a_clock_that_ran_ahead_puts_nothing_off_for_long() {
    const DAY: i64 = 86_400;
    let hub = mapped();
    let (ahead, now) = (at(DAY + 300), at(0));
    let wait = move |until| trueup_store::waits::Wait { from: now, until };
    crate::world::write(&hub, move |tx| {
        trueup_store::streams::declare(tx, "shop", "orders")?;
        trueup_store::streams::failed(tx, "shop", "orders", "TU102", "no route", wait(ahead))?;
        trueup_store::streams::ask(tx, "shop", "order", "o1", ahead)
    });
    let due = |hub: &trueup_hub::Hub| {
        read(hub, |tx| {
            let stream = trueup_store::streams::due(tx, "shop", at(1))?;
            Ok((!stream.is_empty(), trueup_store::streams::asked(tx, "shop", at(1), 9)?.len()))
        })
    };
    assert_eq!(due(&hub), (false, 0));
    trueup_hub::timers::step(&hub, now).expect("a step");
    assert_eq!(due(&hub), (true, 1));
    // What is put off for a reason stays so.
    crate::world::write(&hub, move |tx| {
        trueup_store::streams::failed(tx, "shop", "orders", "TU102", "no route", wait(at(300)))
    });
    trueup_hub::timers::step(&hub, now).expect("a step");
    assert!(!due(&hub).0);
}

#[test]
fn a_deleted_order_is_no_sale_any_more() {
    let hub = mapped();
    states(&hub, &[order(1, vec![line("A1", "10.00")]).into()], 1);
    let gone = trueup_domain::document::Deletion {
        id: "order/o1".to_owned(),
        version: Some(Version(2)),
        order: None,
    };
    states(&hub, &[gone.into()], 2);
    assert_eq!(balances(&hub), []);
    assert_eq!(command_state(&hub, "order/1/1"), "withdrawn");
    let root = read(&hub, |tx| documents::find_root(tx, ROOT)).expect("a root");
    assert_eq!(root.state, "deleted");
}

/// A delivery that is tried again hours later says what was true then, whatever id it bears.
#[test]
fn a9_a_stale_payload_that_comes_again_changes_nothing() {
    let hub = mapped();
    let stale = stating(&[order(1, vec![line("A1", "10.00")]).into()]);
    hears(&hub, "shop", "first", stale.clone(), 1);
    settle(&hub, 1);
    states(&hub, &[order(2, vec![line("A1", "12.00")]).into()], 2);
    let sales = |hub: &trueup_hub::Hub| balances(hub)[1].clone();
    assert_eq!(sales(&hub), ("sales".to_owned(), -1200));
    hears(&hub, "shop", "first", stale.clone(), 7_200);
    hears(&hub, "shop", "another id", stale, 7_201);
    settle(&hub, 7_202);
    assert_eq!(sales(&hub), ("sales".to_owned(), -1200));
    let mut healed = absorbed(&hub);
    healed.sort();
    assert_eq!(
        healed,
        [("duplicate_message".to_owned(), 1), ("stale_version".to_owned(), 1)],
        "the known id is a repeat, the unknown one is old"
    );
}

/// A file is its bytes, whatever it is called.
#[test]
fn e10_the_same_bytes_under_another_name_are_one_file() {
    let hub = mapped();
    let shop = hub.connection("shop").expect("configured").clone();
    let bring = |name: &str, body: Vec<u8>, seconds: i64| {
        let message = trueup_hub::receive::import(&shop, name, "till/said", body).expect("whole");
        crate::world::write(&hub, move |tx| trueup_hub::receive::record(tx, &message, at(seconds)))
    };
    let stored = bring("june.csv", stating(&sale()), 1);
    let messages::Recorded::Stored(first) = stored else { panic!("{stored:?}") };
    let again = bring("june (1).csv", stating(&sale()), 2);
    let messages::Recorded::Repeat(second) = again else { panic!("{again:?}") };
    assert_eq!(first, second);
    settle(&hub, 3);
    assert_eq!(absorbed(&hub), [("duplicate_message".to_owned(), 1)], "it is noted");
    assert_eq!(balances(&hub), sold(1000));
    let other = bring("june.csv", stating(&[order(2, vec![line("A1", "10.00")]).into()]), 4);
    assert!(matches!(other, messages::Recorded::Stored(_)), "the name says nothing");
}

/// What is removed from the mapping while a sale is under way: the sale goes on with the version that
/// it was decided with, and what comes after waits for a person, as one thing to decide.
#[test]
fn b24_a_product_that_leaves_the_mapping_holds_only_what_comes_after() {
    let hub = mapped();
    states(&hub, &sale(), 1);
    let mut without = mapping();
    without.products.remove("A");
    approve(&hub, without, 2);
    settle(&hub, 2);
    let later = |id: &str| {
        let mut later = order(1, vec![line("A1", "10.00")]);
        later.id = id.to_owned();
        Document::from(later)
    };
    states(&hub, &[later("o2"), later("o3")], 3);
    crate::talk::drain(&hub, &mut crate::books::Books::default(), 10);
    assert_eq!(command_state(&hub, "invoice/1/1"), "applied", "it was under way");
    assert_eq!(open_cases(&hub), ["waiting_mapping", "waiting_mapping"]);
    let together = trueup_store::cases::together(&read(&hub, trueup_store::cases::open_cases));
    assert_eq!(together.len(), 1, "one thing to decide");
    assert!(together[0].first.detail.contains('A'), "{}", together[0].first.detail);
    approve(&hub, mapping(), 20);
    settle(&hub, 20);
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// Many sales are under way when a mapping is approved: those that were decided keep the version
/// that they were decided with to the end, the others have the new one, and both can be seen.
#[test]
fn g4_what_is_in_flight_ends_with_the_version_that_it_began_with() {
    let hub = mapped();
    let sales = |from: i64| -> Vec<Document> {
        let one = |number: i64| {
            let mut order = order(1, vec![line("A1", "10.00")]);
            order.id = format!("f{number}");
            Document::from(order)
        };
        (from..from + 30).map(one).collect()
    };
    states(&hub, &sales(0), 1);
    hears(&hub, "shop", "undecided", stating(&sales(30)), 2);
    let mut other = mapping();
    other.products.insert("A".to_owned(), "P-other".to_owned());
    approve(&hub, other, 3);
    settle(&hub, 4);
    crate::talk::drain(&hub, &mut crate::books::Books::default(), 10);
    for number in 0..60 {
        let root = format!("shop/sale/f{number}");
        let key = format!("test/{root}/order/1/1");
        let found = read(&hub, |tx| trueup_store::commands::find(tx, &key)).expect("a command");
        let trueup_domain::command::Content::Order(asked) = found.content else {
            panic!("an order")
        };
        let (product, version) = if number < 30 { ("P-A", 1) } else { ("P-other", 2) };
        assert_eq!(asked.lines[0].product.as_deref(), Some(product), "{root}");
        let shown = read(&hub, |tx| documents::find_root(tx, &root)).expect("a root");
        assert_eq!(shown.mapping_version, Some(version), "{root}");
        assert_eq!(found.state, "applied", "{root}");
    }
}

/// The channel forgets a customer, as the law asks it to: what was posted stays as it is, and what is
/// still to be posted goes to the same customer. A sale that comes without one posts as a guest's.
#[test]
fn d16_a_customer_whom_the_channel_forgets_changes_no_sale() {
    let buyer = Buyer {
        id: Some("77".to_owned()),
        name: Some("Ann Example".to_owned()),
        email: Some("ann@example.com".to_owned()),
        shipping: Some(Address {
            street: Some("Main Street 1".to_owned()),
            city: Some("Utrecht".to_owned()),
            ..Address::default()
        }),
        ..Buyer::default()
    };
    let hub = hub();
    let per_buyer = Mapping {
        customers: CustomerPolicy::PerBuyer { guests: "guests".to_owned() },
        delivery_addresses: true,
        ..mapping()
    };
    approve(&hub, per_buyer, 0);
    let mut known = order(1, vec![line("A1", "10.00")]);
    known.buyer = Some(buyer.clone());
    let paid: Document = payment("p1", 1, PaymentKind::Sale, "10.00").into();
    states(&hub, &[known.clone().into(), paid], 1);
    let mut books = crate::books::Books::default();
    crate::talk::drain(&hub, &mut books, 10);
    let made = books.records.len();
    let before = read(&hub, |tx| facts::written(tx, ROOT));
    let forgotten = [
        Some(Buyer { id: Some("77".to_owned()), ..Buyer::default() }),
        Some(Buyer::default()),
        None,
    ];
    for (version, buyer) in (2..).zip(forgotten) {
        let mut redacted = known.clone();
        (redacted.version, redacted.buyer) = (Version(version), buyer);
        states(&hub, &[redacted.into()], 10 + version);
        assert_eq!(read(&hub, |tx| facts::written(tx, ROOT)), before, "version {version}");
    }
    // A line that is added later is billed to the same customer.
    let mut longer = order(9, vec![line("A1", "10.00"), line("B1", "5.00")]);
    longer.buyer = None;
    states(&hub, &[longer.into()], 30);
    crate::talk::drain(&hub, &mut books, 40);
    assert!(books.records.len() > made, "it is billed");
    let added = crate::world::command(&hub, "order/2/1").expect("a further order");
    let trueup_domain::command::Content::Order(added) = added.content else { panic!("an order") };
    assert_eq!(added.customer, trueup_domain::command::CustomerRef::Bound);
    assert_eq!(open_cases(&hub), [""; 0]);
    let mut guest = order(1, vec![line("A1", "10.00")]);
    guest.id = "o2".to_owned();
    states(&hub, &[guest.into()], 50);
    let key = "test/shop/sale/o2/order/1/1";
    let found = read(&hub, |tx| trueup_store::commands::find(tx, key)).expect("a command");
    let trueup_domain::command::Content::Order(asked) = found.content else { panic!("an order") };
    assert_eq!(asked.customer, trueup_domain::command::CustomerRef::Fixed("guests".to_owned()));
}
