//! Delivery with everything that can happen to a reply.

use std::cell::Cell;

use jiff::tz::TimeZone;
use trueup_domain::command::CommandKind;
use trueup_domain::document::{Document, PaymentKind};
use trueup_hub::room::Fill;
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::talk::{self, Next, Window, Windows};
use trueup_hub::{Connection, Hub};
use trueup_store::commands::Conversation;
use trueup_store::{cases, commands, streams};

use crate::books::{Books, Fault};
use crate::world::{
    ROOT, absorbed, at, balances, command, command_state, line, mapped, open_cases, order, payment,
    read, states,
};

fn sale() -> Vec<Document> {
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ]
}

fn sold() -> Hub {
    let hub = mapped();
    states(&hub, &sale(), 1);
    hub
}

fn books_of(hub: &Hub) -> Connection {
    hub.connection("books").expect("configured").clone()
}

/// Runs everything at a moment until nothing is due then.
pub fn drain(hub: &Hub, books: &mut Books, seconds: i64) {
    let clock = Cell::new(at(seconds));
    shell::drain(hub, books, &|| {
        // No two conversations begin at the same instant.
        clock.set(clock.get() + jiff::SignedDuration::from_nanos(1));
        clock.get()
    })
    .expect("drained");
}

fn key(fact: &str) -> String {
    format!("test/{ROOT}/{fact}")
}

const COMMANDS: [&str; 4] = ["order/1/1", "invoice/1/1", "payment/p1/1", "reconciliation/p1/1"];

fn all_applied(hub: &Hub) -> bool {
    COMMANDS.iter().all(|fact| command_state(hub, fact) == "applied")
}

fn conversations(hub: &Hub) -> Vec<Conversation> {
    let all = read(hub, |tx| {
        let kept = commands::kept(tx, "books")?;
        kept.iter().map(|kept| commands::conversation(tx, &kept.id)).collect::<Result<Vec<_>, _>>()
    });
    all.into_iter().flatten().collect()
}

/// The named fact is in the books once, and was asked for so often.
fn once(books: &Books, fact: &str, times: usize) {
    assert!(books.records.contains_key(&key(fact)), "{fact} is not in the books");
    assert_eq!(books.times(&key(fact)), times, "{fact}");
}

#[test]
fn a_sale_is_carried_out_in_its_order_and_read_back() {
    let hub = sold();
    let mut books = Books::default();
    drain(&hub, &mut books, 10);
    assert!(all_applied(&hub));
    for fact in COMMANDS {
        once(&books, fact, 1);
    }
    assert!(conversations(&hub).is_empty());
    let place = |fact: &str| {
        books.asked.iter().position(|(_, keys)| keys.contains(&key(fact))).expect("asked")
    };
    assert!(place("order/1/1") < place("invoice/1/1"));
    assert!(place("invoice/1/1") < place("reconciliation/p1/1"));
    // What the books hold came in at the front door and agrees.
    let scope = read(&hub, |tx| trueup_store::scopes::find(tx, "order/shop/o1")).expect("a scope");
    assert_eq!(scope.verdict.status, "proven");
    assert_eq!(open_cases(&hub), [""; 0]);
    drain(&hub, &mut books, 20);
    assert_eq!(books.asked.len(), 4, "quiet afterwards");
}

#[test]
fn b1_a_lost_reply_is_unknown_then_found_and_never_sent_again() {
    let hub = sold();
    let mut books = Books::with(&[Fault::ReplyLost]);
    drain(&hub, &mut books, 10);
    assert_eq!(command_state(&hub, "order/1/1"), "unknown");
    assert_eq!(command_state(&hub, "invoice/1/1"), "waiting");
    drain(&hub, &mut books, 20);
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
    let looked = books.asked.iter().filter(|(path, _)| path == "/find").count();
    assert_eq!(looked, 1);
    assert_eq!(absorbed(&hub), [("lost_reply".to_owned(), 1)]);
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// A hub whose books take payments from 20:00 to 06:00 only.
fn at_night() -> Hub {
    let hub = sold();
    let mut setup = HubSetup {
        environment: hub.setup.environment.clone(),
        connections: hub.setup.connections.clone(),
        calendar: hub.setup.calendar.clone(),
    };
    let books = setup.connections.get_mut("books").expect("configured");
    let window = Window::parse("20:00-06:00").expect("a window");
    books.windows = Windows(vec![(CommandKind::Payment, window)]);
    Hub::new(hub.store, setup)
}

#[test]
fn what_goes_out_at_night_waits_for_it_and_holds_up_only_what_needs_it() {
    let hub = at_night();
    let midnight = at(10).to_zoned(TimeZone::UTC).start_of_day().expect("a day").timestamp();
    let seconds = |hours: i64| at(0).duration_until(midnight).as_secs() + hours * 3_600;
    let mut books = Books::with(&[Fault::ReplyLost]);
    // At noon the order is sent, lost, looked up; the payment waits, and what ties it.
    for minute in 0..10 {
        drain(&hub, &mut books, seconds(36) + minute * 60);
    }
    let states: Vec<String> = COMMANDS.iter().map(|fact| command_state(&hub, fact)).collect();
    assert_eq!(states, ["applied", "applied", "ready", "waiting"]);
    drain(&hub, &mut books, seconds(44) - 1);
    assert_eq!(command_state(&hub, "payment/p1/1"), "ready");
    drain(&hub, &mut books, seconds(44));
    assert!(all_applied(&hub));
    assert_eq!(open_cases(&hub), [""; 0]);
}

#[test]
fn an_answer_without_receipts_is_unknown() {
    let hub = sold();
    let mut books = Books::with(&[Fault::NoReceipts]);
    drain(&hub, &mut books, 10);
    assert_eq!(command_state(&hub, "order/1/1"), "unknown");
    drain(&hub, &mut books, 20);
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
}

/// A look-up whose own reply is lost has learnt nothing.
#[test]
fn a_lost_look_up_is_asked_again() {
    let hub = sold();
    let mut books = Books::with(&[Fault::ReplyLost]);
    drain(&hub, &mut books, 10);
    books.faults.extend([Fault::ReplyLost, Fault::Unreachable]);
    for seconds in [20, 30, 40, 50] {
        drain(&hub, &mut books, seconds);
    }
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
}

#[test]
fn b1_a_look_up_that_is_refused_has_learnt_nothing() {
    let hub = sold();
    let mut books = Books::with(&[Fault::ReplyLost]);
    drain(&hub, &mut books, 10);
    books.faults.push_back(Fault::RefusesToAnswer);
    drain(&hub, &mut books, 20);
    let order = command(&hub, "order/1/1").expect("a command");
    assert_eq!((order.state.as_str(), order.error_code.as_deref()), ("unknown", Some("TU104")));
    assert_eq!(open_cases(&hub), ["outcome_unknown"]);
    for seconds in [200, 400, 600] {
        drain(&hub, &mut books, seconds);
    }
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// What is known to be nowhere in the books is not unknown any more, whatever becomes of it.
#[test]
fn b1_what_was_unknown_and_is_then_refused_is_one_case() {
    let hub = sold();
    let mut books = Books::with(&[Fault::LostOnTheWay]);
    drain(&hub, &mut books, 10);
    books.faults.push_back(Fault::RefusesToAnswer);
    drain(&hub, &mut books, 20);
    assert_eq!(open_cases(&hub), ["outcome_unknown"]);
    books.faults.extend([Fault::Refuses(CommandKind::Order); 2]);
    for seconds in [200, 400, 600] {
        drain(&hub, &mut books, seconds);
    }
    assert_eq!(command_state(&hub, "order/1/1"), "refused");
    assert_eq!(open_cases(&hub), ["refused"]);
}

/// Too busy to say it, again and again: it is asked on, and a person is told.
#[test]
fn b1_a_look_up_that_never_gets_through_becomes_a_case() {
    let hub = sold();
    let mut books = Books::with(&[Fault::ReplyLost]);
    drain(&hub, &mut books, 10);
    for round in 1..30 {
        books.faults = [Fault::Busy; 8].into();
        drain(&hub, &mut books, round * 600);
    }
    assert_eq!(command_state(&hub, "order/1/1"), "unknown");
    assert!(open_cases(&hub).contains(&"outcome_unknown".to_owned()), "{:?}", open_cases(&hub));
    books.faults.clear();
    for round in 30..50 {
        drain(&hub, &mut books, round * 600);
    }
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
    assert_eq!(open_cases(&hub), [""; 0]);
}

#[test]
fn b8_what_was_refused_is_a_case_and_what_needs_it_waits() {
    let hub = sold();
    let mut books = Books::with(&[]);
    books.faults.extend([Fault::Refuses(CommandKind::Order), Fault::Refuses(CommandKind::Order)]);
    drain(&hub, &mut books, 10);
    assert_eq!(command_state(&hub, "order/1/1"), "refused");
    assert_eq!(command_state(&hub, "invoice/1/1"), "waiting");
    assert_eq!(command_state(&hub, "payment/p1/1"), "applied", "others go on");
    assert_eq!(open_cases(&hub), ["refused"]);
    drain(&hub, &mut books, 5000);
    assert_eq!(books.times(&key("order/1/1")), 1, "nobody tries again by himself");
    // A person mends it and lets it go.
    let retried = hub.store.write(|tx| commands::retry(tx, &key("order/1/1")));
    assert!(retried.expect("asked"));
    let retried = command(&hub, "order/1/1").expect("a command");
    assert_eq!(retried.attempts, 1, "it was sent before, and its target is told so");
    drain(&hub, &mut books, 5010);
    assert!(all_applied(&hub));
    assert!(!open_cases(&hub).contains(&"refused".to_owned()), "{:?}", open_cases(&hub));
}

#[test]
fn what_certainly_did_not_happen_is_tried_again_later() {
    for fault in [Fault::Busy, Fault::Unreachable] {
        let hub = sold();
        let mut books = Books::with(&[fault]);
        drain(&hub, &mut books, 10);
        let waits = command(&hub, "order/1/1").expect("a command");
        let unknown = matches!(fault, Fault::Unreachable) && waits.state == "unknown";
        assert!(waits.state == "ready" || unknown, "{fault:?}: {}", waits.state);
        drain(&hub, &mut books, 300);
        drain(&hub, &mut books, 600);
        assert!(all_applied(&hub), "{fault:?}");
        assert_eq!(open_cases(&hub), [""; 0]);
    }
}

#[test]
fn what_never_gets_through_becomes_a_case() {
    let hub = sold();
    let mut books = Books::default();
    for round in 1..40 {
        books.faults = [Fault::Busy; 8].into();
        drain(&hub, &mut books, round * 600);
    }
    assert_eq!(command_state(&hub, "order/1/1"), "refused");
    let tried = books.times(&key("order/1/1"));
    assert!((10..=14).contains(&tried), "{tried} attempts");
    assert!(open_cases(&hub).contains(&"refused".to_owned()), "{:?}", open_cases(&hub));
}

#[test]
fn b3_an_outage_fails_no_work_however_long_it_lasts() {
    let hub = sold();
    let mut books = Books::with(&[Fault::ReplyLost]);
    drain(&hub, &mut books, 10);
    books.records.clear();
    for round in 1..40 {
        books.faults = [Fault::Unreachable; 8].into();
        drain(&hub, &mut books, round * 600);
    }
    assert_eq!(open_cases(&hub), ["connection_down"], "what passes by itself is waited out");
    books.faults.clear();
    for round in 40..60 {
        drain(&hub, &mut books, round * 600);
    }
    assert!(all_applied(&hub), "{}", command_state(&hub, "order/1/1"));
    assert_eq!(open_cases(&hub), [""; 0]);
}

#[test]
fn b9_a_target_that_asks_for_patience_is_left_alone_by_all_lanes() {
    let hub = sold();
    let mut books = Books::with(&[Fault::SlowDown]);
    drain(&hub, &mut books, 10);
    assert_eq!(books.asked.len(), 0);
    drain(&hub, &mut books, 68);
    assert_eq!(books.asked.len(), 0, "a minute is not over");
    // A clock that ran ahead must not close the connection for a day.
    let connection = books_of(&hub);
    let early = at(10) - jiff::SignedDuration::from_hours(24);
    assert!(talk::next(&hub, &connection, &[], early).expect("asked").is_some());
    for seconds in [80, 90, 400] {
        drain(&hub, &mut books, seconds);
    }
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
}

#[test]
fn a_record_that_differs_is_applied_and_a_case() {
    let hub = sold();
    let mut books = Books::default();
    // The order goes first, then the payment.
    books.faults.extend([Fault::Differs]);
    drain(&hub, &mut books, 10);
    assert_eq!(command_state(&hub, "order/1/1"), "applied");
    let open = read(&hub, cases::open_cases);
    let differs = open.iter().find(|case| case.kind == "posted_differs").expect("a case");
    assert_eq!(differs.subject, format!("command/{}", key("order/1/1")));
}

#[test]
fn v13_a_date_that_the_books_moved_is_a_case() {
    let hub = sold();
    let mut books = Books::default();
    books.faults.extend([Fault::Moves; 8]);
    drain(&hub, &mut books, 10);
    let open = read(&hub, cases::open_cases);
    let moved: Vec<&str> = open
        .iter()
        .filter(|case| case.kind == "date_moved")
        .map(|case| case.detail.as_str())
        .collect();
    assert!(!moved.is_empty(), "{:?}", open_cases(&hub));
    assert!(moved.iter().all(|detail| detail.ends_with("to 2027-01-01")), "{moved:?}");
}

#[test]
fn b11_without_credentials_the_connection_stops_and_nothing_is_lost() {
    let hub = sold();
    let mut books = Books::with(&[Fault::Unauthorized]);
    drain(&hub, &mut books, 10);
    assert!(read(&hub, |tx| streams::suspended(tx, "books")).is_some());
    assert_eq!(open_cases(&hub), ["connection_suspended"]);
    drain(&hub, &mut books, 9000);
    assert!(books.asked.is_empty(), "nothing goes out while it is suspended");
    hub.store.write(|tx| streams::resume(tx, "books")).expect("resumed");
    for seconds in [9100, 9200, 9800] {
        drain(&hub, &mut books, seconds);
    }
    assert!(all_applied(&hub));
    once(&books, "order/1/1", 1);
}

/// The process dies between the commit before a send and the reply.
#[test]
fn a_crash_while_a_reply_is_awaited_is_a_lost_reply() {
    for carried_out in [true, false] {
        let hub = sold();
        let mut books = Books::default();
        let connection = books_of(&hub);
        let mut talk =
            talk::next(&hub, &connection, &[], at(10)).expect("asked").expect("something to do");
        let next = talk.advance(&hub, &connection, None, at(10)).expect("advanced");
        let Next::Send(request, _) = next else { panic!("{next:?}") };
        assert_eq!(conversations(&hub).len(), 1, "committed before anything leaves");
        assert_eq!(command_state(&hub, "order/1/1"), "sent");
        if carried_out {
            books.send(&connection, &request).expect("carried out");
        }
        drop(talk);
        for seconds in [20, 30, 40] {
            drain(&hub, &mut books, seconds);
        }
        assert!(all_applied(&hub), "carried out: {carried_out}");
        once(&books, "order/1/1", 1);
        assert!(conversations(&hub).is_empty());
        assert_eq!(balances(&hub).len(), 2);
    }
}

/// A process that dies after it took commands and before it saved what it would send.
#[test]
fn a_crash_before_the_send_leaves_nothing_hanging() {
    let hub = sold();
    let mut books = Books::default();
    let connection = books_of(&hub);
    let talk = talk::next(&hub, &connection, &[], at(10)).expect("asked");
    assert_eq!(command_state(&hub, "order/1/1"), "sent");
    drop(talk);
    for seconds in [20, 30, 40, 400] {
        drain(&hub, &mut books, seconds);
    }
    assert!(all_applied(&hub), "{}", command_state(&hub, "order/1/1"));
    once(&books, "order/1/1", 1);
}

#[test]
fn c8_what_nobody_waits_for_is_not_delivered_while_the_disk_is_short() {
    let hub = sold();
    let mut books = Books::default();
    hub.room.note(Fill { used_per_mille: 930, left: 1 });
    for seconds in [10, 20, 400] {
        drain(&hub, &mut books, seconds);
    }
    let states = COMMANDS.map(|command| command_state(&hub, command));
    assert_eq!(states, ["applied", "applied", "applied", "ready"]);
    hub.room.note(Fill { used_per_mille: 700, left: 1 });
    drain(&hub, &mut books, 410);
    assert!(all_applied(&hub));
}

#[test]
fn a_busy_lane_is_left_alone() {
    let hub = sold();
    let connection = books_of(&hub);
    let first = talk::next(&hub, &connection, &[], at(10)).expect("asked").expect("the order");
    let busy = [first.lane().to_owned()];
    let beside = talk::next(&hub, &connection, &busy, at(10)).expect("asked");
    assert!(beside.is_none(), "a payment does not slow what a customer waits for");
    let late = at(10 + 11 * 60);
    let second = talk::next(&hub, &connection, &busy, late).expect("asked").expect("the payment");
    assert_ne!(second.lane(), first.lane());
    let busy = [first.lane().to_owned(), second.lane().to_owned()];
    assert!(talk::next(&hub, &connection, &busy, late).expect("asked").is_none());
}

/// An edit after delivery reverses what was posted before it posts again, once each.
#[test]
fn d4_an_edit_after_delivery_ends_at_the_new_amount() {
    let hub = sold();
    let mut books = Books::default();
    drain(&hub, &mut books, 10);
    states(&hub, &[order(2, vec![line("A1", "9.00")]).into()], 20);
    books.faults.push_back(Fault::ReplyLost);
    for seconds in [30, 40, 50] {
        drain(&hub, &mut books, seconds);
    }
    for fact in ["invoice/1/1/rev", "invoice/1/2", "order/1/1/rev", "order/1/2"] {
        assert_eq!(command_state(&hub, fact), "applied", "{fact}");
        once(&books, fact, 1);
    }
    let scope = read(&hub, |tx| trueup_store::scopes::find(tx, "order/shop/o1")).expect("a scope");
    assert_eq!((scope.verdict.status.as_str(), scope.verdict.amount), ("proven", 900));
}
