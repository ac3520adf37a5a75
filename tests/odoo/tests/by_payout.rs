//! The sales of a channel that is summed up by payout, on the sandbox and on a real Odoo 19 alike: the
//! entries of payouts and of the month that ends between them, the orders in them, and what the
//! bridges and the taxes make of it.

mod common;

use common::road::{Road, SHOP_US};
use common::till::Till;
use common::{Books, Played, Real, set_up};
use jiff::Timestamp;
use jiff::civil::date;
use trueup_domain::document::{
    Document, LedgerRow, Payment, PaymentKind, Payout, PayoutStatus, RowClass, Version,
};
use trueup_domain::money::Currency;
use trueup_domain::posting::Posting;
use trueup_domain::sales::calendar::Periods;
use trueup_hub::{bridges, sales, taxes, trace};
use trueup_odoo::sandbox::OdooSandbox;
use trueup_store::cases;

const OCTOBER: &str = "2026-10-30T10:00:00Z";
const NOVEMBER: &str = "2026-11-02T10:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn till(name: &str) -> Till {
    let currency = Currency::parse("USD").expect("a currency");
    Till { order: name.to_owned(), currency, included: false, place: ("US", Some("NY")) }
}

/// Two units for 54.00, sold and paid at one moment.
fn sold(name: &str, when: &str) -> Vec<Document> {
    let till = till(name);
    let tax = till.tax("0.08", "4.00");
    let mut order = till.order(vec![till.goods("TEE-S", 2, "25.00", &[tax])], Vec::new());
    order.placed_at = at(when);
    let paid = till.payment("p1", PaymentKind::Sale, "stripe", "54.00");
    vec![order.into(), Payment { processed_at: at(when), ..paid }.into()]
}

/// A payout that is on its way, and the row of each order's money in it.
fn payout(id: &str, when: &str, orders: &[&str]) -> Vec<Document> {
    let money = |text: &str| till("").money(text);
    let rows = orders.iter().map(|order| {
        Document::from(LedgerRow {
            id: format!("row-{order}"),
            class: RowClass::Capture,
            kind: "charge".to_owned(),
            gross: money("54.00"),
            fee: money("1.87"),
            net: money("52.13"),
            fees: Vec::new(),
            presentment: None,
            object: Some(format!("ch_{order}_p1")),
            capture: None,
            order: None,
            payout: Some(id.to_owned()),
            occurred_at: at(when),
            available_on: None,
            description: None,
        })
    });
    let mut documents: Vec<Document> = rows.collect();
    let count = i64::try_from(orders.len()).expect("a few");
    documents.push(Document::from(Payout {
        id: id.to_owned(),
        version: Version(1),
        status: PayoutStatus::InTransit,
        amount: money("52.13").checked_mul(count).expect("in range"),
        created_at: at(when),
        arrival: date(2026, 11, 23),
        itemised: true,
        trace: None,
        descriptor: None,
        failure: None,
    }));
    documents
}

fn settle(road: &mut Road, books: &mut dyn Books) {
    road.deliver(books);
    road.wait(10);
    road.deliver(books);
    road.deliver(books);
}

/// The entries that a root is in, or has: `summary number of day: state, verdict; orders`.
fn entries(road: &Road, root: &str) -> Vec<String> {
    let found = road.hub.store.read(|tx| trace::trace(tx, root)).expect("readable");
    let found = found.map(|it| it.entries).unwrap_or_default();
    let told = found.iter().map(|one| {
        let summary = one.summary.strip_prefix("shop-us/summary/").unwrap_or(&one.summary);
        let state = one.state.as_deref().unwrap_or("not asked for");
        let orders: Vec<&str> =
            one.orders.iter().map(|one| one.root.rsplit('/').next().unwrap_or_default()).collect();
        let orders = orders.join(" ");
        format!("{summary} {} of {}: {state}, {}; {orders}", one.number, one.dated, one.status)
    });
    told.collect()
}

/// Two bridges to the books, and the tie of each tax, with nothing unexplained.
fn bridges_hold(road: &mut Road, books: &mut dyn Books) {
    road.wait(60);
    road.deliver(books);
    let hub = &road.hub;
    let days = (date(2026, 10, 1), date(2026, 11, 30));
    let of_sides = hub.store.read(|tx| bridges::build(tx, hub)).expect("built");
    let wanted = sales::Wanted::new(days.0, days.1, Vec::new());
    let report = hub.store.read(|tx| sales::build(tx, hub, &wanted, road.now())).expect("built");
    let all = of_sides.iter().chain(&report.bridges);
    let to_books: Vec<_> = all.filter(|one| one.name.contains("books of us")).collect();
    assert_eq!(to_books.len(), 2, "{}", books.name());
    for bridge in to_books {
        assert!(bridge.unexplained.is_zero(), "{}: {bridge:?}", books.name());
    }
    let wanted = taxes::Wanted {
        from: days.0,
        to: days.1,
        periods: Periods::Month,
        channel: None,
        entity: None,
    };
    let report = hub.store.read(|tx| taxes::build(tx, hub, &wanted, road.now())).expect("built");
    assert_eq!(report.ties.len(), 1, "{}", books.name());
    for tie in &report.ties {
        assert!(tie.bridge.unexplained.is_zero(), "{}: {tie:?}", books.name());
    }
}

fn check(books: &mut dyn Books) {
    let (us, eu) = set_up(books);
    let mut road = Road::posting(&us, &eu, Posting::Payout);
    for name in ["A", "B", "C"] {
        road.tell(SHOP_US, &sold(name, OCTOBER));
    }
    road.tell(SHOP_US, &sold("D", NOVEMBER));
    road.tell(SHOP_US, &payout("po_1", "2026-11-04T10:00:00Z", &["A", "B"]));
    settle(&mut road, books);

    // D2: the payout of November paid out what October sold; the rest of October is its month's.
    let first = ["payout/stripe-us/po_1/USD 1 of 2026-10-31: applied, proven; A B"];
    assert_eq!(entries(&road, "stripe-us/payout/po_1"), first, "{}", books.name());
    let month = ["2026-10/USD 1 of 2026-10-31: applied, proven; C"];
    assert_eq!(entries(&road, "shop-us/summary/2026-10/USD"), month, "{}", books.name());
    assert_eq!(
        road.document_links(&["A", "B", "C", "D"]),
        ["proven", "proven", "proven", "not_due"],
        "{}",
        books.name()
    );
    road.poll();
    bridges_hold(&mut road, books);

    // The next payout holds money of both months; one of them is in the books already.
    road.tell(SHOP_US, &payout("po_2", "2026-11-20T10:00:00Z", &["C", "D"]));
    settle(&mut road, books);
    let own = "payout/stripe-us/po_2/USD 1 of 2026-11-20: applied, proven; D";
    assert_eq!(entries(&road, "stripe-us/payout/po_2"), [month[0], own], "{}", books.name());
    assert_eq!(road.document_links(&["A", "B", "C", "D"]), ["proven"; 4], "{}", books.name());
    let of_c = entries(&road, "shop-us/sale/C");
    assert_eq!(of_c, ["2026-10/USD 1 of 2026-10-31: applied, proven; "], "{}", books.name());
    bridges_hold(&mut road, books);
    let open = road.hub.store.read(cases::open_cases).expect("readable");
    let told: Vec<String> = open.iter().map(|it| format!("{} {}", it.kind, it.subject)).collect();
    let of_books = told.iter().filter(|it| !it.starts_with("missing_at_bank"));
    assert_eq!(of_books.count(), 0, "{}: {told:?}", books.name());
}

#[test]
fn a_payout_is_split_at_the_end_of_the_month_in_the_sandbox() {
    check(&mut Played(OdooSandbox::bare()));
}

#[test]
fn a_payout_is_split_at_the_end_of_the_month_in_the_real_odoo() {
    if let Some(mut real) = Real::fresh("by_payout") {
        check(&mut real);
    }
}
