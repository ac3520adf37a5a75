//! What people decide, and what it must not do.

use jiff::civil::date;
use trueup_domain::command::CommandKind;
use trueup_domain::document::{Document, Order, PaymentKind};
use trueup_hub::decisions::{self, CONNECTION, Decision, Refusal, What};
use trueup_hub::proofs::Evidence;
use trueup_hub::{Hub, report, timers};
use trueup_matching::Status;
use trueup_store::messages::{self, Origin};
use trueup_store::{cases, commands, decisions as kept, documents, facts, scopes, values};

use crate::books::{Books, Fault};
use crate::reconcile::{bank_line, payout, row, status, tell};
use crate::talk::drain;
use crate::world::{
    ROOT, at, command, hears, line, mapped, money, open_cases, order, payment, read, settle,
    states, stating, write,
};

const DAY: i64 = 86_400;

fn decide(hub: &Hub, what: What, seconds: i64) -> Result<&'static str, Refusal> {
    let decision =
        Decision { what, person: " ann ".to_owned(), reason: "it was paid in cash".to_owned() };
    let own = hub.clone();
    write(hub, move |tx| decisions::take(tx, &own, &decision, at(seconds)))
}

fn case(hub: &Hub, kind: &str) -> cases::Case {
    let all = read(hub, cases::all);
    all.into_iter().find(|case| case.kind == kind).unwrap_or_else(|| panic!("no case {kind}"))
}

fn accept(hub: &Hub, kind: &str, seconds: i64) -> Result<&'static str, Refusal> {
    decide(hub, What::Accept { case: case(hub, kind).id }, seconds)
}

fn close(hub: &Hub, kind: &str, seconds: i64) -> Result<&'static str, Refusal> {
    decide(hub, What::Close { case: case(hub, kind).id }, seconds)
}

fn retry(hub: &Hub, about: &str, seconds: i64) -> Result<&'static str, Refusal> {
    decide(hub, What::Retry { about: about.to_owned() }, seconds)
}

fn is_refused(outcome: Result<&'static str, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::NotApplicable(_)))
}

/// A short payout: the provider paid 10.00, the bank shows 9.75.
fn short(hub: &Hub) {
    tell(hub, "stripe", &[row("p1", "10.00", "po1").into(), payout("po1", "10.00")], 1);
    tell(hub, "bank", &[bank_line("l1", "9.75", "TRACEpo1")], 2);
    assert_eq!(open_cases(hub), ["short_payout"]);
}

#[test]
fn a_decision_is_a_message_with_who_and_why() {
    let hub = mapped();
    short(&hub);
    let id = case(&hub, "short_payout").id;
    let assigned = What::Assign { case: id.clone(), assignee: "ben".to_owned() };
    decide(&hub, assigned, 3).expect("assigned");
    decide(&hub, What::Note { case: id.clone() }, 4).expect("noted");
    let kept = read(&hub, |tx| kept::about(tx, &id));
    let said: Vec<(&str, &str, &str)> = kept
        .iter()
        .map(|it| (it.kind.as_str(), it.person.as_str(), it.assignee.as_str()))
        .collect();
    assert_eq!(said, [("assign", "ann", "ben"), ("note", "ann", "")]);
    assert_eq!(case(&hub, "short_payout").assignee, "ben");
    let message = read(&hub, |tx| messages::find(tx, &kept[1].message)).expect("its message");
    assert_eq!((message.connection.as_str(), message.state.as_str()), (CONNECTION, "decoded"));
    assert_eq!(message.origin, Origin::Internal.word());
    let body: Decision = serde_json::from_slice(&message.body).expect("a decision");
    assert_eq!(body.reason, "it was paid in cash");

    let nobody = Decision { what: What::Note { case: id }, person: " ".to_owned(), ..body };
    let own = hub.clone();
    let refused = write(&hub, move |tx| decisions::take(tx, &own, &nobody, at(5)));
    assert!(matches!(refused, Err(Refusal::Incomplete(_))));
    let none = decide(&hub, What::Note { case: "none".to_owned() }, 6);
    assert!(matches!(none, Err(Refusal::Unknown(_))));
    let stored = read(&hub, |tx| messages::newest(tx, CONNECTION, 9));
    assert_eq!(stored.len(), 2, "what was refused left nothing");
}

#[test]
fn what_is_accepted_is_not_proven_and_opens_again_when_it_changes() {
    let hub = mapped();
    short(&hub);
    assert!(is_refused(close(&hub, "short_payout", 3)), "its cause stands");
    accept(&hub, "short_payout", 4).expect("accepted");
    assert!(is_refused(accept(&hub, "short_payout", 5)), "once");
    assert_eq!(open_cases(&hub), [""; 0]);
    assert_eq!(status(&hub, "bank/stripe/po1"), "short_payout", "it stays broken");
    let accepted = read(&hub, report::accepted);
    assert_eq!(accepted[0].amount, Some(money("-0.25")));
    assert_eq!(
        case(&hub, "short_payout").ending().as_deref(),
        Some("accepted by ann: it was paid in cash")
    );

    // Judged again with the same outcome it stays accepted; with another one it is open again.
    write(&hub, |tx| scopes::retry(tx, "bank/stripe/po1"));
    settle(&hub, 6);
    assert_eq!(open_cases(&hub), [""; 0]);
    tell(&hub, "stripe", &[payout_of(2, "11.00")], 7);
    assert!(open_cases(&hub).contains(&"short_payout".to_owned()));
    assert_eq!(case(&hub, "short_payout").opened_at, at(7), "with a new age");
}

fn payout_of(version: i64, amount: &str) -> Document {
    let Document::Payout(mut stated) = payout("po1", amount) else { panic!("a payout") };
    stated.version = trueup_domain::document::Version(version);
    Document::Payout(stated)
}

#[test]
fn what_was_accepted_and_mends_is_gone_like_any_other() {
    let hub = mapped();
    short(&hub);
    accept(&hub, "short_payout", 3).expect("accepted");
    tell(&hub, "bank", &[bank_line("l2", "0.25", "TRACEpo1 rest")], 4);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven");
    assert_eq!(case(&hub, "short_payout").closed_as.as_deref(), Some("gone"));
    assert_eq!(read(&hub, report::accepted), []);
}

#[test]
fn an_accepted_order_stays_broken_in_the_report() {
    let hub = mapped();
    let sale = [
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ];
    states(&hub, &sale, 1);
    timers::step(&hub, at(9 * DAY)).expect("timers");
    settle(&hub, 9 * DAY);
    accept(&hub, "missing_in_books", 9 * DAY + 1).expect("accepted");
    let day = date(2026, 6, 1);
    let built = read(&hub, |tx| report::build(tx, day, day, at(9 * DAY + 2)));
    assert_eq!(built.totals[0].overall["broken"].orders, 1);
    assert!(!built.totals[0].overall.contains_key("proven"));
    assert_eq!(built.accepted.len(), 1);
    let proof = read(&hub, |tx| Evidence::of(tx, &[ROOT.to_owned()])).proof(ROOT);
    assert_eq!(proof.document, Status::Broken);
}

#[test]
fn a_root_that_was_set_aside_is_decided_again() {
    let hub = mapped();
    let sale = [order(1, vec![line("A1", "10.00")]).into()];
    hears(&hub, "shop", "m", stating(&sale), 1);
    trueup_hub::decode::step(&hub, &trueup_hub::Worker::alone(), at(1)).expect("decoded");
    for _ in 0..5 {
        write(&hub, |tx| documents::take_due(tx, 0, trueup_store::SHARDS, 10));
    }
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["stuck"]);
    assert!(is_refused(close(&hub, "stuck", 3)), "it is set aside still");
    retry(&hub, &case(&hub, "stuck").id, 4).expect("taken up");
    settle(&hub, 5);
    assert_eq!(open_cases(&hub), [""; 0]);
    assert!(!read(&hub, |tx| facts::items_of_root(tx, ROOT)).is_empty());
    retry(&hub, ROOT, 6).expect("any root can be decided again");
    assert!(matches!(retry(&hub, "shop/sale/o9", 7), Err(Refusal::Unknown(_))));
}

#[test]
fn a_message_that_could_not_be_read_is_decoded_again() {
    let hub = mapped();
    let sale = [order(1, vec![line("A1", "10.00")]).into()];
    hears(&hub, "shop", "m", stating(&sale), 1);
    for _ in 0..5 {
        write(&hub, |tx| messages::take(tx, 0, trueup_store::SHARDS, 10));
    }
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["undecodable"]);
    let message = case(&hub, "undecodable").subject;
    retry(&hub, &message, 3).expect("taken up");
    settle(&hub, 4);
    assert_eq!(open_cases(&hub), [""; 0], "it closes by itself when it can be read");
    assert!(!read(&hub, |tx| facts::items_of_root(tx, ROOT)).is_empty());
    assert!(is_refused(retry(&hub, &message, 5)), "it was decoded");
}

/// Who has something tried again is told what it waits for, if it waits.
#[test]
fn what_is_tried_again_says_whether_it_waits() {
    let hub = mapped();
    let sold = order(1, vec![line("A1", "10.00")]);
    states(&hub, &[sold.into(), payment("p1", 1, PaymentKind::Sale, "10.00").into()], 1);
    let said = |state: &'static str, order: &'static str| {
        write(&hub, move |tx| {
            tx.execute("UPDATE commands SET state = $1 WHERE kind = 'order'", values![order])?;
            tx.execute("UPDATE commands SET state = $1 WHERE kind = 'invoice'", values![state])
        });
        let key = command(&hub, "invoice/1/1").expect("asked for").key;
        retry(&hub, &key, 2).expect("taken up")
    };
    assert_eq!(said("refused", "applied"), "The command is sent again next.");
    assert_eq!(said("refused", "sent"), "The command is sent again once what it needs is done.");
    assert_eq!(said("unknown", "applied"), "The outcome of the command is looked up next.");
}

/// Two companions of what ends the process are not blamed for it: they are done, and it is found.
#[test]
fn c4_only_what_ends_the_process_is_set_aside() {
    let hub = mapped();
    for name in ["a", "b", "c"] {
        hears(&hub, "shop", name, stating(&[]), 1);
    }
    let take = || -> Vec<messages::Received> {
        let taken = write(&hub, |tx| messages::take(tx, 0, trueup_store::SHARDS, 10));
        taken.iter().map(|message| message.unpack().expect("unpacked")).collect()
    };
    assert_eq!(take().len(), 3);
    let alone = take();
    assert_eq!(alone.len(), 1, "what was begun before is taken alone");
    assert_eq!(alone[0].attempts, 1);
    for _ in 0..4 {
        take();
    }
    settle(&hub, 2);
    let failed: Vec<String> =
        read(&hub, cases::open_cases).into_iter().map(|case| case.subject).collect();
    assert_eq!(failed, [alone[0].id.clone()]);
}

/// E3: a sum that no money can hold is a case of its key, and every other key is judged.
#[test]
fn e3_a_key_that_cannot_be_judged_stops_nothing() {
    let hub = mapped();
    const MOST: &str = "92233720368547758.07";
    tell(&hub, "stripe", &[row("p1", MOST, "po1").into(), row("p2", MOST, "po1").into()], 1);
    tell(&hub, "stripe", &[row("p3", "5.00", "po2").into(), payout("po2", "5.00")], 2);
    assert_eq!(status(&hub, "payout/stripe/po1"), "unjudgeable");
    assert_eq!(status(&hub, "payout/stripe/po2"), "proven");
    assert_eq!(open_cases(&hub), ["unjudgeable"]);
    let id = case(&hub, "unjudgeable").id;
    assert!(is_refused(close(&hub, "unjudgeable", 3)));
    retry(&hub, &id, 4).expect("taken up");
    settle(&hub, 5);
    assert_eq!(open_cases(&hub), ["unjudgeable"], "the sums are as they were");
    accept(&hub, "unjudgeable", 6).expect("accepted");
}

#[test]
fn c4_a_key_that_kills_the_process_is_set_aside() {
    let hub = mapped();
    hears(&hub, "stripe", "m", stating(&[payout("po1", "10.00")]), 1);
    let worker = trueup_hub::Worker::alone();
    trueup_hub::decode::step(&hub, &worker, at(1)).expect("decoded");
    trueup_hub::decide::step(&hub, &worker, at(1)).expect("decided");
    let due = write(&hub, |tx| scopes::take_due(tx, 0, trueup_store::SHARDS, 10));
    assert_eq!(due.len(), 2);
    for _ in 0..4 {
        write(&hub, |tx| scopes::take_due(tx, 0, trueup_store::SHARDS, 10));
    }
    settle(&hub, 2);
    assert_eq!(open_cases(&hub), ["unjudgeable"]);
    retry(&hub, &case(&hub, "unjudgeable").id, 3).expect("taken up");
    settle(&hub, 4);
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// One archived account makes the books refuse every order; it is one thing to mend.
#[test]
fn h25_what_is_refused_for_one_cause_is_decided_together() {
    let hub = mapped();
    let orders = ["o1", "o2", "o3"];
    for (at, id) in (1..).zip(orders) {
        let sale = Order { id: id.to_owned(), ..order(1, vec![line("A1", "10.00")]) };
        states(&hub, &[sale.into()], at);
    }
    let mut books = Books::with(&[]);
    books.faults.extend([(); 20].map(|()| Fault::Refuses(CommandKind::Order)));
    drain(&hub, &mut books, 10);
    books.faults.clear();
    let all = read(&hub, cases::open_cases);
    assert_eq!(all.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["refused"; 3]);
    let together = cases::together(&all);
    assert_eq!(together.len(), 1, "{all:?}");
    let cause = together[0].id().to_owned();

    let given = What::Assign { case: cause.clone(), assignee: "ben".to_owned() };
    decide(&hub, given, 20).expect("assigned");
    assert!(read(&hub, cases::open_cases).iter().all(|case| case.assignee == "ben"));
    // One of them is taken as it is, and the others are tried again.
    decide(&hub, What::Accept { case: all[0].id.clone() }, 21).expect("accepted");
    assert_eq!(read(&hub, |tx| cases::of_cause(tx, &cause)).len(), 2);
    retry(&hub, &cause, 22).expect("taken up");
    drain(&hub, &mut books, 30);
    settle(&hub, 40);
    assert_eq!(open_cases(&hub), [""; 0]);
    let state = |id: &str| {
        let all = read(&hub, |tx| commands::of_root(tx, &format!("shop/sale/{id}")));
        let order = all.into_iter().find(|one| one.kind == CommandKind::Order);
        order.expect("an order").state
    };
    let mut states = orders.map(state);
    states.sort();
    assert_eq!(states, ["applied", "applied", "refused"]);
    let kept: Vec<String> =
        read(&hub, |tx| kept::about(tx, &cause)).into_iter().map(|it| it.kind).collect();
    assert_eq!(kept, ["assign", "retry"], "one decision, however many it is about");
    assert!(matches!(retry(&hub, &cause, 50), Err(Refusal::Unknown(_))), "nothing is open of it");
}

#[test]
fn h25_orders_that_lack_the_same_in_the_mapping_are_one_cause() {
    let hub = mapped();
    let lacking = |id: &str, skus: [&str; 2]| {
        let lines = skus.map(|sku| line(sku, "10.00")).to_vec();
        let sale = Order { id: id.to_owned(), ..order(1, lines) };
        Document::from(sale)
    };
    states(&hub, &[lacking("o1", ["A1", "X1"]), lacking("o2", ["X1", "Y1"])], 1);
    states(&hub, &[lacking("o3", ["A1", "Y1"])], 2);
    let together = cases::together(&read(&hub, cases::open_cases));
    let shown: Vec<(&str, usize)> =
        together.iter().map(|one| (one.first.kind.as_str(), one.count)).collect();
    assert_eq!(shown, [("waiting_mapping", 2), ("waiting_mapping", 1)]);
}
