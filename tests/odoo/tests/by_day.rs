//! The sales of a channel that is summed up by day, on the sandbox and on a real Odoo 19 alike: one
//! entry for many orders, what comes late, what a person does to it, what is in Odoo already, and what
//! the bridges and the taxes make of it.

mod common;

use common::road::{Road, SHOP_US};
use common::till::Till;
use common::{Books, Lock, Played, Real, facts as asked, made_by_an_administrator, set_up};
use jiff::civil::date;
use serde_json::json;
use trueup_domain::document::{Document, Order, Restock};
use trueup_domain::money::Currency;
use trueup_domain::posting::Posting;
use trueup_domain::sales::calendar::Periods;
use trueup_hub::{bridges, sales, taxes, trace};
use trueup_odoo::sandbox::OdooSandbox;
use trueup_store::{cases, streams};

const DAY: &str = "shop-us/summary/2026-11-02/USD";

fn till(name: &str) -> Till {
    let currency = Currency::parse("USD").expect("a currency");
    Till { order: name.to_owned(), currency, included: false, place: ("US", Some("NY")) }
}

fn order(till: &Till, quantity: i64, tax: &str) -> Order {
    let tax = till.tax("0.08", tax);
    till.order(vec![till.goods("TEE-S", quantity, "25.00", &[tax])], Vec::new())
}

/// Two units for 54.00, paid.
fn sold(name: &str) -> Vec<Document> {
    let till = till(name);
    vec![order(&till, 2, "4.00").into(), till.paid("p1", "stripe", "54.00")]
}

fn on_both(name: &str, check: impl Fn(&mut dyn Books)) {
    check(&mut Played(OdooSandbox::bare()));
    if let Some(mut real) = Real::fresh(name) {
        check(&mut real);
    }
}

/// Lets the day be summed up; and anew, where the books held a part of it already.
fn settle(road: &mut Road, books: &mut dyn Books) {
    road.deliver(books);
    road.wait(10);
    road.deliver(books);
    road.deliver(books);
}

/// The entries of the day: number, sales, state, verdict.
fn entries(road: &Road) -> Vec<String> {
    let found = road.hub.store.read(|tx| trace::trace(tx, DAY)).expect("readable");
    let found = found.map(|it| it.entries).unwrap_or_default();
    let told = found.iter().map(|one| {
        let state = one.state.as_deref().unwrap_or("not asked for");
        format!("{} of {}: {state}, {}", one.number, one.sales, one.status)
    });
    told.collect()
}

fn open_cases(road: &Road) -> Vec<String> {
    let open = road.hub.store.read(cases::open_cases).expect("readable");
    let mut told: Vec<String> =
        open.iter().map(|it| format!("{} {}", it.kind, it.subject)).collect();
    told.retain(|one| !one.starts_with("missing_in_settlement"));
    told.sort();
    told
}

#[test]
fn many_orders_are_one_entry_and_what_a_person_does_to_it_is_one_case() {
    on_both("day_many", |books| {
        let (us, eu) = set_up(books);
        let mut road = Road::posting(&us, &eu, Posting::Day);
        for name in ["A", "B", "C"] {
            road.tell(SHOP_US, &sold(name));
        }
        settle(&mut road, books);
        assert_eq!(entries(&road), ["1 of 3: applied, proven"], "{}", books.name());
        assert_eq!(road.document_links(&["A", "B", "C"]), ["proven"; 3], "{}", books.name());
        assert_eq!(books.read("sale.order", json!([]), &["name"]), [] as [serde_json::Value; 0]);
        let moves = books.read("account.move", json!([]), &["move_type"]);
        assert_eq!(moves.len(), 1, "{}: {moves:?}", books.name());

        // A price is lowered, an order was late: the difference is a further entry.
        let changed = till("B");
        let lower = changed.changed(&order(&changed, 2, "4.00"), |it| {
            it.lines[0].gross = changed.money("40.00");
            it.lines[0].taxes[0].amount = changed.money("3.20");
        });
        road.tell(SHOP_US, &[lower.into()]);
        road.tell(SHOP_US, &sold("D"));
        settle(&mut road, books);
        let both = ["1 of 3: applied, proven", "2 of 2: applied, proven"];
        assert_eq!(entries(&road), both, "{}", books.name());
        assert_eq!(road.document_links(&["A", "B", "C", "D"]), ["proven"; 4]);

        // Somebody cancels the first entry.
        let record = moves[0]["id"].as_i64().expect("an id");
        books.cancel_move(record);
        let (named, now) = (format!("account.move/{record}"), road.now());
        let ask = move |tx: &mut trueup_store::Tx<'_>| {
            streams::ask(tx, "odoo", "books_record", &named, now)
        };
        road.hub.store.write(ask).expect("asked");
        road.deliver(books);
        road.wait(4 * 24 * 60);
        road.deliver(books);
        let told = ["1 of 3: applied, broken", "2 of 2: applied, proven"];
        assert_eq!(entries(&road), told, "{}", books.name());
        assert_eq!(
            road.document_links(&["A", "B", "C", "D"]),
            ["broken", "broken", "broken", "proven"],
            "{}",
            books.name()
        );
        let cases = open_cases(&road);
        let told: Vec<&String> = cases.iter().filter(|it| it.starts_with("missing")).collect();
        assert_eq!(told, ["missing_in_books entry/shop-us/2026-11-02/USD/1"], "{}", books.name());
    });
}

#[test]
fn what_a_lock_refused_goes_into_the_next_entry_with_what_came_since() {
    on_both("day_locked", |books| {
        let (us, eu) = set_up(books);
        let mut road = Road::posting(&us, &eu, Posting::Day);
        books.lock(1, Lock::Sale, "2026-11-10");
        road.tell(SHOP_US, &sold("A"));
        settle(&mut road, books);
        assert_eq!(entries(&road), ["1 of 1: refused, not_due"], "{}", books.name());
        let refused = |road: &Road| open_cases(road).iter().any(|it| it.starts_with("refused"));
        assert!(refused(&road));
        books.lock(1, Lock::Sale, "2026-10-31");
        road.tell(SHOP_US, &sold("B"));
        settle(&mut road, books);
        assert_eq!(entries(&road), ["2 of 2: applied, proven"], "{}", books.name());
        assert_eq!(road.document_links(&["A", "B"]), ["proven", "proven"]);
        assert!(!refused(&road), "{:?}", open_cases(&road));
        let moves = books.read("account.move", json!([["move_type", "=", "entry"]]), &["state"]);
        assert_eq!(moves.len(), 1, "{}: {moves:?}", books.name());
    });
}

#[test]
fn the_bridges_and_the_taxes_of_summed_days_leave_nothing_unexplained() {
    on_both("day_bridges", |books| {
        let (us, eu) = set_up(books);
        let mut road = Road::posting(&us, &eu, Posting::Day);
        // One of them is in Odoo by another hand, by an administrator's.
        let line = asked::Spec {
            part: "1",
            what: "TEE-S",
            quantity: "2",
            price: "25.00",
            taxes: &[("US-NY", "4.00")],
        };
        let lines = asked::lines(&us, false, &[line]);
        let mut by_hand = asked::invoice(&us, "by hand", asked::guests(&us), None, &lines);
        let number = till("H").order(Vec::new(), Vec::new()).number;
        if let trueup_domain::command::Content::Invoice(it) = &mut by_hand.content {
            it.reference = number;
        }
        made_by_an_administrator(books, by_hand);
        for name in ["A", "B", "H"] {
            road.tell(SHOP_US, &sold(name));
        }
        settle(&mut road, books);
        let back = till("A");
        let line = back.given_back("TEE-S", 1, "25.00", "2.00", Restock::Returned);
        let refund = back.refund(vec![line], Vec::new(), &["b1"]);
        road.tell(SHOP_US, &[refund, back.back("b1", "stripe", "27.00").into()]);
        settle(&mut road, books);
        let cases = open_cases(&road);
        let links = road.document_links(&["A", "B", "H"]);
        assert_eq!(links, ["proven"; 3], "{}: {:?}, {cases:?}", books.name(), entries(&road));
        assert_eq!(cases, ["held_already shop-us/sale/H"], "{}", books.name());
        road.poll();
        road.deliver(books);

        let hub = &road.hub;
        let days = (date(2026, 11, 1), date(2026, 11, 30));
        let of_sides = hub.store.read(|tx| bridges::build(tx, hub)).expect("built");
        let wanted = sales::Wanted::new(days.0, days.1, Vec::new());
        let report =
            hub.store.read(|tx| sales::build(tx, hub, &wanted, road.now())).expect("built");
        let all = of_sides.iter().chain(&report.bridges);
        let to_books: Vec<_> = all.filter(|one| one.name.contains("books of us")).collect();
        assert_eq!(to_books.len(), 2, "{}", books.name());
        for bridge in to_books {
            assert!(bridge.unexplained.is_zero(), "{}: {bridge:?}", books.name());
            let by_hand = bridge.steps.iter().find(|step| step.name == "booked by another hand");
            let amount = by_hand.map(|step| step.amount.minor());
            assert_eq!(amount, Some(54_00), "{}: {bridge:?}", books.name());
        }
        let wanted = taxes::Wanted {
            from: days.0,
            to: days.1,
            periods: Periods::Month,
            channel: None,
            entity: None,
        };
        let report =
            hub.store.read(|tx| taxes::build(tx, hub, &wanted, road.now())).expect("built");
        assert_eq!(report.ties.len(), 1, "{}", books.name());
        for tie in &report.ties {
            assert!(tie.bridge.unexplained.is_zero(), "{}: {tie:?}", books.name());
        }
    });
}
