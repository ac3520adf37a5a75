//! The completeness ledger: what a source lists of itself, held against what came here.

use std::cell::Cell;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trueup_connect::{
    CallError, Connector, Context, Conversations, Outcome, Record, Reply, Request, State, Step,
    Task,
};
use trueup_domain::Kind;
use trueup_domain::completeness::Listed;
use trueup_domain::document::{Order, Version};
use trueup_hub::room::Fill;
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub};
use trueup_store::listings::{self, ListingState};
use trueup_store::{Store, cases};

use crate::world::{
    TILL, absorbed, at, connection, line, open_cases, order, read, states_from, stating,
};

const SHOP: &str = "lister";
const HOUR: i64 = 3_600;

/// A till that can be asked: it lists what it made, and states what is asked for.
static LISTER: Connector = Connector { name: SHOP, conversations: Some(&TALKS), ..TILL };

static TALKS: Conversations = Conversations {
    streams: &[],
    lists: &[Kind::Order],
    delivers: false,
    identifies: false,
    at_once: 1,
    limits: None,
    start,
    resume,
};

#[derive(Serialize, Deserialize)]
enum Asked {
    List(Timestamp, Timestamp),
    Read(Vec<String>),
}

fn start(_: &Context<'_>, task: &Task) -> Step {
    let asked = match task {
        Task::List { kind, from, until } if kind == "order" => Asked::List(*from, *until),
        Task::Read { hints } => {
            Asked::Read(hints.iter().map(|hint| hint.external_id.clone()).collect())
        }
        other => panic!("{other:?} was not announced"),
    };
    let request = Request::post_json("/ask", &asked);
    Step::Send { request, writes: false, state: State::of(&asked) }
}

fn resume(_: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    let outcome = reply.and_then(|reply| {
        let said = |error: serde_json::Error| CallError::Unreachable { why: error.to_string() };
        Ok(match state.read::<Asked>()? {
            Asked::List(..) => Outcome {
                listed: serde_json::from_slice(&reply.body).map_err(said)?,
                ..Outcome::default()
            },
            Asked::Read(_) => {
                let bodies: BTreeMap<String, String> =
                    serde_json::from_slice(&reply.body).map_err(said)?;
                let record = |(id, body): (String, String)| Record {
                    kind: "till/said".to_owned(),
                    external_id: id,
                    body: body.into_bytes(),
                };
                Outcome { records: bodies.into_iter().map(record).collect(), ..Outcome::default() }
            }
        })
    });
    outcome.map_or_else(Step::Failed, Step::Done)
}

/// The source itself.
#[derive(Default)]
struct Source {
    orders: Vec<Order>,
    /// Orders that it lists and does not give.
    withheld: Vec<String>,
    /// Orders that it does not list any more.
    deleted: Vec<String>,
    fails: bool,
    lists: Vec<(Timestamp, Timestamp)>,
    reads: Vec<String>,
}

impl Transport for Source {
    fn send(&mut self, _: &Connection, request: &Request) -> Result<Reply, CallError> {
        if self.fails {
            let why = "no such query".to_owned();
            return Err(CallError::Refused {
                reason_code: "no_such_query".to_owned(),
                reason: why,
            });
        }
        let body = match serde_json::from_slice(&request.body).expect("a question") {
            Asked::List(from, until) => {
                self.lists.push((from, until));
                let made = self.orders.iter().filter(|it| (from..until).contains(&it.placed_at));
                let listed: Vec<Listed> = made
                    .filter(|it| !self.deleted.contains(&it.id))
                    .map(|it| Listed {
                        external_id: it.id.clone(),
                        version: Some(it.version),
                        amount: Some(it.total),
                    })
                    .collect();
                serde_json::to_vec(&listed)
            }
            Asked::Read(ids) => {
                self.reads.extend(ids.iter().cloned());
                let own = self.orders.iter().filter(|it| ids.contains(&it.id));
                let given = own.filter(|it| !self.withheld.contains(&it.id));
                let bodies: BTreeMap<String, String> = given
                    .map(|it| {
                        let body = stating(&[it.clone().into()]);
                        (it.id.clone(), String::from_utf8(body).expect("text"))
                    })
                    .collect();
                serde_json::to_vec(&bodies)
            }
        };
        Ok(Reply { status: 200, headers: Vec::new(), body: body.expect("JSON") })
    }
}

fn hub() -> Hub {
    let mut lister = connection(SHOP, &LISTER);
    lister.since = at(0);
    let setup = HubSetup {
        environment: "test".to_owned(),
        connections: BTreeMap::from([(SHOP.to_owned(), lister)]),
        calendar: trueup_domain::calendar::Calendar::default(),
    };
    Hub::new(Store::in_memory().expect("a store"), setup)
}

fn made(id: &str, seconds: i64) -> Order {
    let mut made = order(1, vec![line("A1", "10.00")]);
    made.id = id.to_owned();
    made.number = format!("#{id}");
    made.placed_at = at(seconds);
    made
}

fn drain(hub: &Hub, source: &mut Source, seconds: i64) {
    let clock = Cell::new(at(seconds));
    shell::drain(hub, source, &|| {
        clock.set(clock.get() + SignedDuration::from_nanos(1));
        clock.get()
    })
    .expect("drained");
}

fn complete_to(hub: &Hub) -> Option<Timestamp> {
    read(hub, |tx| listings::complete_to(tx, SHOP, Kind::Order))
}

/// The open cases, but for those of sales that have no mapping here.
fn cases_of_windows(hub: &Hub) -> Vec<String> {
    open_cases(hub).into_iter().filter(|kind| kind != "waiting_mapping").collect()
}

fn newest(hub: &Hub) -> listings::Listing {
    read(hub, |tx| listings::newest(tx, SHOP, Kind::Order)).expect("a window")
}

#[test]
fn a7_an_order_that_never_came_is_found_in_a_list_and_fetched() {
    let hub = hub();
    let orders = vec![made("came", 60), made("lost", 120)];
    let mut source = Source { orders, ..Source::default() };
    states_from(&hub, SHOP, &[source.orders[0].clone().into()], 61);
    drain(&hub, &mut source, HOUR);
    assert_eq!(complete_to(&hub), None, "an hour has not ended, with the lag of the source");
    drain(&hub, &mut source, HOUR + 300);
    assert_eq!(source.lists, [(at(0), at(HOUR))]);
    assert_eq!(source.reads, ["lost"]);
    assert_eq!(complete_to(&hub), None, "nothing is complete before it is listed again");
    assert_eq!(newest(&hub).state, ListingState::Gap);
    drain(&hub, &mut source, HOUR + 900);
    assert_eq!(complete_to(&hub), Some(at(HOUR)));
    let window = newest(&hub);
    assert_eq!((window.listed.count, window.lacking), (2, 0));
    assert_eq!(window.listed.sums[0].to_string(), "20.00 EUR");
    assert_eq!(source.reads, ["lost"], "what is here is not asked for");
    assert_eq!(absorbed(&hub), [("found_by_listing".to_owned(), 1)]);
    assert_eq!(cases_of_windows(&hub), [""; 0]);
}

#[test]
fn c8_nothing_is_asked_of_a_source_while_the_disk_is_short() {
    let hub = hub();
    let mut source = Source { orders: vec![made("lost", 120)], ..Source::default() };
    hub.room.note(Fill { used_per_mille: 900, left: 1 });
    drain(&hub, &mut source, HOUR + 300);
    assert!(source.lists.is_empty(), "{:?}", source.lists);
    hub.room.note(Fill { used_per_mille: 899, left: 1 });
    drain(&hub, &mut source, HOUR + 301);
    assert_eq!(source.lists, [(at(0), at(HOUR))]);
}

#[test]
fn windows_join_and_an_outage_is_one_window_of_a_day_at_most() {
    let hub = hub();
    let mut source = Source::default();
    for hour in [1, 2, 40] {
        drain(&hub, &mut source, hour * HOUR + 300);
    }
    let hours = |from: i64, until: i64| (at(from * HOUR), at(until * HOUR));
    // A day later each of those that have ended is listed once more.
    let again = [hours(0, 1), hours(1, 2)];
    let first = [hours(0, 1), hours(1, 2), hours(2, 26), hours(26, 40)];
    let mut lists = source.lists.clone();
    lists.sort_unstable();
    let mut expected = [&first[..], &again[..]].concat();
    expected.sort_unstable();
    assert_eq!(lists, expected);
    assert_eq!(complete_to(&hub), Some(at(40 * HOUR)));
    drain(&hub, &mut source, 40 * HOUR + 360);
    assert_eq!(source.lists.len(), 6, "quiet until the next hour has ended");
}

#[test]
fn what_came_into_a_window_late_is_found_a_day_later() {
    let hub = hub();
    let mut source = Source::default();
    drain(&hub, &mut source, HOUR + 300);
    assert_eq!(complete_to(&hub), Some(at(HOUR)));
    source.orders = vec![made("uploaded-late", 1_800)];
    drain(&hub, &mut source, 27 * HOUR + 300);
    assert_eq!(source.reads, ["uploaded-late"]);
    assert_eq!(complete_to(&hub), None);
    drain(&hub, &mut source, 28 * HOUR);
    assert_eq!(complete_to(&hub), Some(at(27 * HOUR)));
}

#[test]
fn an_order_that_changed_unheard_is_read_and_one_of_another_amount_too() {
    let hub = hub();
    let orders = vec![made("newer", 60), made("other", 60)];
    let mut source = Source { orders, ..Source::default() };
    let stated: Vec<_> = source.orders.iter().map(|it| it.clone().into()).collect();
    states_from(&hub, SHOP, &stated, 61);
    source.orders[0].version = Version(2);
    source.orders[1].lines[0].gross = crate::world::money("11.00");
    source.orders[1].total = crate::world::money("11.00");
    source.orders[1].lines[0].unit_price = crate::world::money("11.00").decimal();
    drain(&hub, &mut source, HOUR + 300);
    source.reads.sort();
    assert_eq!(source.reads, ["newer", "other"]);
    drain(&hub, &mut source, HOUR + 900);
    assert_eq!(complete_to(&hub), Some(at(HOUR)));
}

#[test]
fn what_stays_away_is_a_case_that_names_it_and_closes_by_itself() {
    let hub = hub();
    let mut source = Source { withheld: vec!["lost".to_owned()], ..Source::default() };
    source.orders = vec![made("lost", 120)];
    drain(&hub, &mut source, HOUR + 300);
    drain(&hub, &mut source, HOUR + 900);
    assert_eq!(cases_of_windows(&hub), [""; 0], "it is waited for");
    drain(&hub, &mut source, HOUR + 2_400);
    assert_eq!(cases_of_windows(&hub), ["incomplete"]);
    let cases = read(&hub, cases::open_cases);
    let case = cases.iter().find(|case| case.kind == "incomplete").expect("a case");
    assert_eq!(case.detail, "not here: lost");
    source.withheld.clear();
    drain(&hub, &mut source, HOUR + 3_300);
    drain(&hub, &mut source, HOUR + 3_900);
    assert_eq!(cases_of_windows(&hub), [""; 0]);
    assert_eq!(complete_to(&hub), Some(at(2 * HOUR)));
}

#[test]
fn what_is_held_and_not_listed_is_a_case_and_stops_nothing() {
    let hub = hub();
    let mut source = Source { deleted: vec!["gone".to_owned()], ..Source::default() };
    source.orders = vec![made("gone", 120)];
    states_from(&hub, SHOP, &[source.orders[0].clone().into()], 121);
    drain(&hub, &mut source, HOUR + 300);
    assert_eq!(cases_of_windows(&hub), ["unlisted"]);
    assert_eq!(complete_to(&hub), Some(at(HOUR)));
    assert_eq!(source.reads, [""; 0]);
}

#[test]
fn a_source_that_refuses_to_list_says_so_and_is_asked_again() {
    let hub = hub();
    let mut source = Source { fails: true, ..Source::default() };
    drain(&hub, &mut source, HOUR + 300);
    let window = newest(&hub);
    assert_eq!((window.state, window.attempts), (ListingState::Asked, 1));
    assert_eq!(window.error_code.as_deref(), Some("TU104"));
    assert_eq!(complete_to(&hub), None);
}

#[test]
fn c7_a_clock_that_ran_ahead_completes_nothing() {
    let hub = hub();
    let mut source = Source::default();
    drain(&hub, &mut source, 24 * HOUR + 300);
    assert_eq!(complete_to(&hub), Some(at(24 * HOUR)));
    source.orders = vec![made("lost", 2 * HOUR)];
    drain(&hub, &mut source, 3 * HOUR + 300);
    drain(&hub, &mut source, 3 * HOUR + 900);
    assert_eq!(source.reads, ["lost"]);
    assert_eq!(complete_to(&hub), Some(at(3 * HOUR)));
}

#[test]
fn c7_a_clock_that_ran_ahead_puts_off_no_list() {
    let hub = hub();
    let mut source = Source { withheld: vec!["lost".to_owned()], ..Source::default() };
    source.orders = vec![made("lost", 120)];
    drain(&hub, &mut source, HOUR + 300);
    drain(&hub, &mut source, 20 * HOUR);
    source.withheld.clear();
    drain(&hub, &mut source, HOUR + 1_200);
    drain(&hub, &mut source, HOUR + 1_900);
    assert_eq!(complete_to(&hub), Some(at(HOUR)));
}
