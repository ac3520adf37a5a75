//! What a person skips is not sent, holds up nobody, and stays a difference with a name.

use trueup_domain::command::CommandKind;
use trueup_domain::document::{Document, PaymentKind};
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_hub::{Hub, report, timers};
use trueup_store::{cases, facts, messages};

use crate::books::{Books, Fault};
use crate::talk::drain;
use crate::world::{
    ROOT, at, command_state, hears, line, mapped, money, open_cases, order, payment, read, refund,
    settle, states, stating, write,
};

const DAY: i64 = 86_400;
const SALE: [&str; 4] = ["order/1/1", "invoice/1/1", "payment/p1/1", "reconciliation/p1/1"];

fn decide(hub: &Hub, what: What, seconds: i64) -> Result<&'static str, Refusal> {
    let (person, reason) = ("ann".to_owned(), "a test order".to_owned());
    let (own, decision) = (hub.clone(), Decision { what, person, reason });
    write(hub, move |tx| decisions::take(tx, &own, &decision, at(seconds)))
}

fn case(hub: &Hub, kind: &str) -> cases::Case {
    let all = read(hub, cases::all);
    all.into_iter().find(|case| case.kind == kind).unwrap_or_else(|| panic!("no case {kind}"))
}

fn skip(hub: &Hub, kind: &str, seconds: i64) -> Result<&'static str, Refusal> {
    decide(hub, What::Skip { case: case(hub, kind).id }, seconds)
}

fn paid(version: i64, amount: &str) -> [Document; 2] {
    [
        order(version, vec![line("A1", amount)]).into(),
        payment("p1", version, PaymentKind::Sale, amount).into(),
    ]
}

fn states_of(hub: &Hub, facts: &[&str]) -> Vec<String> {
    facts.iter().map(|fact| command_state(hub, fact)).collect()
}

/// A sale of 10.00 of which the books refuse something.
fn refused(kind: CommandKind) -> (Hub, Books) {
    let hub = mapped();
    states(&hub, &paid(1, "10.00"), 1);
    let mut books = Books::with(&[]);
    books.faults.extend([(); 4].map(|()| Fault::Refuses(kind)));
    drain(&hub, &mut books, 10);
    books.faults.clear();
    assert_eq!(open_cases(&hub), ["refused"]);
    (hub, books)
}

#[test]
fn what_is_skipped_is_not_sent_nor_what_cannot_be_without_it() {
    let (hub, mut books) = refused(CommandKind::Order);
    let about = case(&hub, "refused");
    let before = read(&hub, |tx| decisions::skippable(tx, &about));
    let said = before.expect("it can be skipped").in_words();
    assert!(said.contains("invoice"), "{said}");
    skip(&hub, "refused", 20).expect("skipped");
    drain(&hub, &mut books, 30);
    assert_eq!(states_of(&hub, &SALE), ["skipped", "skipped", "applied", "skipped"]);
    assert_eq!(open_cases(&hub), [""; 0]);
    assert_eq!(case(&hub, "refused").ending().as_deref(), Some("skipped by ann: a test order"));
    assert!(matches!(skip(&hub, "refused", 40), Err(Refusal::NotApplicable(_))), "once");
    let kept = books.records.len();
    for day in 1..30 {
        timers::step(&hub, at(day * DAY)).expect("timers");
        drain(&hub, &mut books, day * DAY);
        settle(&hub, day * DAY);
    }
    assert_eq!(books.records.len(), kept, "nobody sends it by himself");
}

#[test]
fn what_the_books_lack_of_what_was_skipped_stays_a_difference_with_a_name() {
    let (hub, mut books) = refused(CommandKind::Order);
    skip(&hub, "refused", 20).expect("skipped");
    settle(&hub, 21);
    let at_once = case(&hub, "missing_in_books");
    assert_eq!(at_once.ending().as_deref(), Some("skipped by ann: a test order"));
    for day in 1..30 {
        timers::step(&hub, at(day * DAY)).expect("timers");
        drain(&hub, &mut books, day * DAY);
        settle(&hub, day * DAY);
    }
    let lacks = case(&hub, "missing_in_books");
    assert_eq!(lacks.ending().as_deref(), Some("skipped by ann: a test order"));
    assert_eq!(lacks.amount, -1000);
    let day = jiff::civil::date(2026, 6, 1);
    let built = read(&hub, |tx| report::build(tx, day, day, at(30 * DAY)));
    assert_eq!(built.totals[0].overall["broken"].orders, 1, "it is no agreement");
    assert!(!built.totals[0].overall.contains_key("proven"));
    assert!(built.accepted.iter().any(|one| one.amount == Some(money("-10.00"))));
}

/// The books hold a cent more of the first order than was asked for, and nothing of the second: that
/// is more than what was skipped.
#[test]
fn a_difference_that_is_more_than_what_was_skipped_stays_open() {
    for (fault, is_open) in [(None, false), (Some(Fault::Differs), true)] {
        let hub = mapped();
        states(&hub, &paid(1, "10.00"), 1);
        let mut books = Books::with(&[]);
        books.faults.extend([fault; 8].into_iter().flatten());
        drain(&hub, &mut books, 10);
        books.faults.clear();
        let dearer = order(2, vec![line("A1", "10.00"), line("B1", "5.00")]);
        let more = payment("p2", 2, PaymentKind::Sale, "5.00");
        states(&hub, &[dearer.into(), more.into()], 20);
        books.faults.extend([(); 4].map(|()| Fault::Refuses(CommandKind::Order)));
        drain(&hub, &mut books, 30);
        books.faults.clear();
        skip(&hub, "refused", 40).expect("skipped");
        for day in 1..30 {
            timers::step(&hub, at(day * DAY)).expect("timers");
            drain(&hub, &mut books, day * DAY);
            settle(&hub, day * DAY);
        }
        let all = read(&hub, cases::all);
        let of_order: Vec<&cases::Case> =
            all.iter().filter(|it| it.subject.starts_with("order/shop/o1")).collect();
        assert!(!of_order.is_empty(), "{all:#?}");
        assert_eq!(of_order.iter().any(|it| it.is_open()), is_open, "{of_order:#?}");
        assert_eq!(of_order.iter().any(|it| it.is_skipped()), !is_open, "{of_order:#?}");
    }
}

/// A refund of what was skipped cannot be credited: it is skipped with it, and waits for nobody.
#[test]
fn what_is_new_and_needs_what_was_skipped_is_skipped_with_it() {
    let (hub, mut books) = refused(CommandKind::Order);
    skip(&hub, "refused", 20).expect("skipped");
    states(&hub, &[refund("r1", "A1", "10.00", "10.00").into()], 30);
    assert_eq!(command_state(&hub, "credit_note/r1/1"), "skipped");
    drain(&hub, &mut books, 40);
    assert_eq!(command_state(&hub, "credit_note/r1/1"), "skipped");
}

#[test]
fn news_of_the_source_replaces_what_was_skipped() {
    let (hub, mut books) = refused(CommandKind::Order);
    skip(&hub, "refused", 20).expect("skipped");
    states(&hub, &paid(2, "12.00"), 30);
    for seconds in [40, 50, 60, 1000] {
        drain(&hub, &mut books, seconds);
    }
    settle(&hub, 1001);
    let now = ["order/1/2", "invoice/1/2", "payment/p1/2"];
    assert_eq!(states_of(&hub, &now), ["applied"; 3]);
    assert_eq!(command_state(&hub, "order/1/1"), "withdrawn");
    assert_eq!(
        books.times(&format!("test/{ROOT}/order/1/1")),
        1,
        "it was refused, and that is all"
    );
    assert_eq!(open_cases(&hub), [""; 0]);
    assert_eq!(case(&hub, "refused").closed_as.as_deref(), Some("gone"));
}

#[test]
fn what_was_skipped_can_be_taken_up_again() {
    for kind in [CommandKind::Order, CommandKind::Invoice, CommandKind::Payment] {
        let (hub, mut books) = refused(kind);
        skip(&hub, "refused", 20).expect("skipped");
        drain(&hub, &mut books, 30);
        let about = case(&hub, "refused").id;
        decide(&hub, What::Retry { about }, 40).expect("taken up");
        for seconds in [50, 60] {
            drain(&hub, &mut books, seconds);
        }
        settle(&hub, 61);
        assert_eq!(states_of(&hub, &SALE), ["applied"; 4], "{kind:?}");
        assert_eq!(open_cases(&hub), [""; 0]);
    }
}

/// Only of what was refused is it known that it had no effect.
#[test]
fn what_may_have_had_an_effect_is_not_skipped() {
    let (hub, mut books) = refused(CommandKind::Order);
    let id = case(&hub, "refused").id;
    decide(&hub, What::Retry { about: id.clone() }, 20).expect("taken up");
    let early = decide(&hub, What::Skip { case: id.clone() }, 21);
    assert!(matches!(early, Err(Refusal::NotApplicable(_))), "it is about to be sent");
    books.faults.extend([Fault::ReplyLost]);
    drain(&hub, &mut books, 30);
    assert_eq!(command_state(&hub, "order/1/1"), "unknown");
    let unknown = decide(&hub, What::Skip { case: id.clone() }, 31);
    assert!(matches!(unknown, Err(Refusal::NotApplicable(_))), "{unknown:?}");
    drain(&hub, &mut books, 300);
    assert_eq!(states_of(&hub, &SALE), ["applied"; 4]);
    let done = decide(&hub, What::Skip { case: id }, 301);
    assert!(matches!(done, Err(Refusal::NotApplicable(_))), "there is nothing left to skip");
}

#[test]
fn what_was_refused_and_then_replaced_is_no_case_any_more() {
    let (hub, mut books) = refused(CommandKind::Order);
    states(&hub, &paid(2, "12.00"), 30);
    for seconds in [40, 50, 1000] {
        drain(&hub, &mut books, seconds);
    }
    settle(&hub, 1001);
    assert_eq!(command_state(&hub, "order/1/1"), "withdrawn");
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// A person has it tried again, and before it is sent the source replaces it.
#[test]
fn what_is_replaced_while_it_is_tried_again_is_no_case_any_more() {
    let (hub, mut books) = refused(CommandKind::Order);
    let about = case(&hub, "refused").id;
    decide(&hub, What::Retry { about }, 20).expect("taken up");
    states(&hub, &paid(2, "12.00"), 30);
    settle(&hub, 31);
    assert_eq!(command_state(&hub, "order/1/1"), "withdrawn");
    for seconds in [40, 50, 1000] {
        drain(&hub, &mut books, seconds);
    }
    settle(&hub, 1001);
    assert_eq!(open_cases(&hub), [""; 0]);
}

#[test]
fn a_message_that_need_not_be_read_is_skipped_and_kept() {
    let hub = mapped();
    hears(&hub, "shop", "m", stating(&[order(1, vec![line("A1", "10.00")]).into()]), 1);
    for _ in 0..5 {
        write(&hub, |tx| messages::take(tx, 0, trueup_store::SHARDS, 10));
    }
    settle(&hub, 2);
    let message = case(&hub, "undecodable").subject;
    skip(&hub, "undecodable", 3).expect("skipped");
    settle(&hub, 4);
    assert_eq!(open_cases(&hub), [""; 0]);
    assert_eq!(read(&hub, |tx| messages::find(tx, &message)).expect("kept").state, "skipped");
    assert_eq!(read(&hub, trueup_store::doctor::unsettled_messages), [""; 0]);
    decide(&hub, What::Retry { about: message }, 5).expect("taken up");
    settle(&hub, 6);
    assert!(!read(&hub, |tx| facts::items_of_root(tx, ROOT)).is_empty());
    assert_eq!(case(&hub, "undecodable").closed_as.as_deref(), Some("gone"));
}

/// What stands is mended or accepted: there is nothing to skip of a difference.
#[test]
fn a_difference_is_not_skipped() {
    let hub = mapped();
    states(&hub, &paid(1, "10.00"), 1);
    timers::step(&hub, at(9 * DAY)).expect("timers");
    settle(&hub, 9 * DAY);
    let outcome = skip(&hub, "missing_in_books", 9 * DAY + 1);
    assert!(matches!(outcome, Err(Refusal::NotApplicable(_))), "{outcome:?}");
}
