//! The other side does not answer for a while.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use trueup_connect::{CallError, Reply, Request};
use trueup_domain::calendar::Calendar;
use trueup_domain::document::{Document, Order, PaymentKind};
use trueup_domain::mapping::Mapping;
use trueup_hub::decisions::{self, Decision, What};
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub};
use trueup_store::{breakers, cases, mappings};

use crate::books::{Books, Fault};
use crate::talk::drain;
use crate::world::{
    at, command_state, line, mapped, mapping, open_cases, order, payment, read, states,
    states_from, write,
};

const SALES: i64 = 30;

fn sales() -> Vec<Document> {
    (0..SALES)
        .map(|number| {
            let id = format!("o{number}");
            Order { id, ..order(1, vec![line("A1", "10.00")]) }.into()
        })
        .collect()
}

/// How many commands each conversation that was answered was about.
fn batches(books: &Books) -> Vec<usize> {
    books.asked.iter().map(|(_, keys)| keys.len()).collect()
}

#[test]
fn b1_two_hours_without_an_answer_cost_no_command_an_attempt() {
    let hub = mapped();
    states(&hub, &sales(), 1);
    let mut books = Books::with(&[Fault::Unreachable; 1_000]);
    let mut tried = 0;
    for second in (0..7_200).step_by(5) {
        let before = books.faults.len();
        drain(&hub, &mut books, 10 + second);
        tried += before - books.faults.len();
    }
    assert!(books.asked.is_empty());
    // 3 at once, then a pause that doubles up to five minutes.
    assert!((24..80).contains(&tried), "tried {tried} times");
    assert_eq!(open_cases(&hub), ["connection_down"], "one case, whatever waits");
    let id = read(&hub, cases::open_cases).remove(0).id;
    let accept = What::Accept { case: id };
    let decision = Decision { what: accept, person: "ann".into(), reason: "so be it".into() };
    let own = hub.clone();
    assert!(write(&hub, move |tx| decisions::take(tx, &own, &decision, at(7_300))).is_err());

    // It answers again: little at first, then whole batches, and nothing was given up.
    books.faults.clear();
    for second in 0..40 {
        drain(&hub, &mut books, 7_400 + second * 30);
    }
    let batches = batches(&books);
    assert_eq!(batches[..2], [1, 4], "{batches:?}");
    assert!(batches.iter().max() >= Some(&16), "{batches:?}");
    for number in 0..SALES {
        let key = format!("test/shop/sale/o{number}/order/1/1");
        assert_eq!(books.times(&key), 1, "{key}");
    }
    assert_eq!(open_cases(&hub), [""; 0]);
    assert!(read(&hub, |tx| breakers::of(tx, "books")).is_none(), "it is well again");
}

/// Books that need a second for each command of an order.
struct Slow<'a> {
    books: Books,
    clock: &'a Cell<Timestamp>,
    ms: i64,
}

impl Transport for Slow<'_> {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        let before = self.books.asked.iter().map(|(_, keys)| keys.len()).sum::<usize>();
        let reply = self.books.send(connection, request);
        let after = self.books.asked.iter().map(|(_, keys)| keys.len()).sum::<usize>();
        let commands = i64::try_from(after - before).expect("few");
        self.clock.set(self.clock.get() + SignedDuration::from_millis(self.ms * commands));
        reply
    }
}

#[test]
fn b4_batches_are_as_large_as_a_slow_target_carries_out_in_time() {
    let hub = mapped();
    let many = |from: i64, to: i64| -> Vec<Document> {
        let one = |number| {
            Order { id: format!("o{number}"), ..order(1, vec![line("A1", "10.00")]) }.into()
        };
        (from..to).map(one).collect()
    };
    let clock = Cell::new(at(10));
    let mut books = Slow { books: Books::default(), clock: &clock, ms: 400 };
    let tick = || {
        clock.set(clock.get() + SignedDuration::from_nanos(1));
        clock.get()
    };
    states(&hub, &many(0, 260), 1);
    shell::drain(&hub, &mut books, &tick).expect("drained");
    let orders = |books: &Slow<'_>| -> Vec<usize> {
        let of = |(_, keys): &&(String, Vec<String>)| keys[0].contains("/order/");
        books.books.asked.iter().filter(of).map(|(_, keys)| keys.len()).collect()
    };
    // 100 took 40 s; 50 take the 20 s that are meant.
    assert_eq!(orders(&books), [100, 50, 50, 50, 10]);
    // It is fast again: what is full grows.
    books.ms = 10;
    books.books.asked.clear();
    states(&hub, &many(260, 460), 2_000);
    clock.set(at(2_010));
    shell::drain(&hub, &mut books, &tick).expect("drained");
    assert_eq!(orders(&books), [50, 100, 50]);
}

/// One side answers nothing, each other one does.
struct Down<'a>(&'a str, Books);

impl Transport for Down<'_> {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        if connection.name == self.0 {
            return Err(CallError::Unreachable { why: "no route".to_owned() });
        }
        self.1.send(connection, request)
    }
}

#[test]
fn b3_a_platform_that_does_not_answer_stops_none_of_the_others() {
    let hub = mapped();
    let mut connections = hub.setup.connections.clone();
    for (name, like) in [("shop-b", "shop"), ("books-b", "books")] {
        let one = Connection { name: name.to_owned(), ..connections[like].clone() };
        connections.insert(name.to_owned(), one);
    }
    let environment = hub.setup.environment.clone();
    let setup = HubSetup { environment, connections, calendar: Calendar::default() };
    let hub = Hub::new(hub.store, setup);
    let other = Mapping { target: "books-b".to_owned(), ..mapping() };
    write(&hub, move |tx| mappings::approve(tx, "shop-b", &other, "ada", "first", at(0)));
    let mut sides = Down("books", Books::default());
    for second in (10..7_200).step_by(600) {
        let one = Order { id: format!("o{second}"), ..order(1, vec![line("A1", "10.00")]) };
        states_from(&hub, "shop", &[one.clone().into()], second);
        states_from(&hub, "shop-b", &[one.into()], second);
        let clock = Cell::new(at(second));
        let tick = || {
            clock.set(clock.get() + SignedDuration::from_nanos(1));
            clock.get()
        };
        shell::drain(&hub, &mut sides, &tick).expect("drained");
        // What was sold at the other shop is in the other books by now.
        let key = format!("test/shop-b/sale/o{second}/order/1/1");
        assert_eq!(sides.1.times(&key), 1, "{key}");
        assert_eq!(sides.1.times(&key.replace("shop-b", "shop")), 0);
    }
    assert_eq!(open_cases(&hub), ["connection_down"]);
    assert!(read(&hub, |tx| breakers::of(tx, "books-b")).is_none());
}

#[test]
fn b1_a_person_may_have_it_tried_at_once() {
    let hub = mapped();
    states(&hub, &sales(), 1);
    let mut books = Books::with(&[Fault::Unreachable; 3]);
    for second in 10..40 {
        drain(&hub, &mut books, second);
        if books.faults.is_empty() {
            drain(&hub, &mut books, second);
            break;
        }
    }
    assert!(books.asked.is_empty(), "it rests after the third");
    let until = read(&hub, |tx| breakers::of(tx, "books")).expect("it rests").until;
    let decision = Decision {
        what: What::Retry { about: "books".into() },
        person: "ann".into(),
        reason: String::new(),
    };
    let own = hub.clone();
    let before = jiff::Timestamp::from_microsecond(until).expect("a time")
        - jiff::SignedDuration::from_millis(500);
    let took = write(&hub, move |tx| decisions::take(tx, &own, &decision, before));
    assert!(took.is_ok(), "{took:?}");
    assert!(read(&hub, |tx| breakers::of(tx, "books")).expect("not well yet").until == 0);
}

/// What brings no answer by its own doing must not keep everything else from going out.
#[test]
fn b3_a_command_that_never_brings_an_answer_holds_up_nobody_else() {
    let hub = mapped();
    states(&hub, &[order(1, vec![line("A1", "10.00")]).into()], 1);
    let mut books = Books::with(&[Fault::ReplyLost; 3]);
    drain(&hub, &mut books, 10);
    assert_eq!(command_state(&hub, "order/1/1"), "unknown");
    // Its look-up gets no answer either, while another lane has something to send.
    states(&hub, &[payment("p1", 1, PaymentKind::Sale, "10.00").into()], 11);
    for second in 12..400 {
        drain(&hub, &mut books, second);
    }
    assert_eq!(command_state(&hub, "payment/p1/1"), "applied");
    assert_eq!(command_state(&hub, "order/1/1"), "applied");
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// Nothing is wrong with the connection, and nothing goes through it: a table is locked. What is
/// tried again is bounded, however much waits, and all of it goes out once it is well.
#[test]
fn b4_a_target_that_refuses_for_now_is_not_asked_all_the_more() {
    let hub = mapped();
    let many: Vec<Document> = (0..400)
        .map(|number| {
            Order { id: format!("o{number}"), ..order(1, vec![line("A1", "10.00")]) }.into()
        })
        .collect();
    states(&hub, &many, 1);
    let mut books = Books::with(&[Fault::Busy; 10_000]);
    for second in 0..600 {
        drain(&hub, &mut books, 10 + second);
    }
    let asked: usize = batches(&books).iter().sum();
    // A hundred at once, one a second, and each of them late: 2,966 where there is no budget.
    let again = asked - 400;
    assert!((500..1_800).contains(&again), "{again} were sent again in ten minutes");
    assert!(open_cases(&hub).is_empty(), "{:?}", open_cases(&hub));
    books.faults.clear();
    for second in (0..1_800).step_by(10) {
        drain(&hub, &mut books, 700 + second);
    }
    let orders = books.records.keys().filter(|key| key.contains("/order/")).count();
    assert_eq!(orders, 400);
}
