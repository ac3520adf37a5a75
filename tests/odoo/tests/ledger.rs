//! What the ledger of a provider says goes into the books, on the sandbox and on a real Odoo 19 alike:
//! fees, reserves and payouts, by payout and by the month that ends between them, and money that the
//! provider converted (D9).

mod common;

use std::collections::BTreeMap;

use common::road::{Road, SHOP_EU, SHOP_US};
use common::till::Till;
use common::{Books, Played, Real, cents, set_up};
use jiff::Timestamp;
use jiff::civil::date;
use serde_json::json;
use trueup_domain::command::Direction;
use trueup_domain::document::{
    Document, LedgerRow, Payment, PaymentKind, Payout, PayoutStatus, RowClass, Version,
};
use trueup_domain::money::{Currency, Money};
use trueup_hub::bridges::Shown as Bridge;
use trueup_hub::{clearing, trace};
use trueup_odoo::sandbox::OdooSandbox;
use trueup_store::{cases, facts, summaries};

const OCTOBER: &str = "2026-10-30T10:00:00Z";
const NOVEMBER: &str = "2026-11-04T10:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn money(code: &str, text: &str) -> Money {
    Money::parse(text, Currency::parse(code).expect("a currency")).expect("an amount")
}

/// Two units for 54.00 in New York, sold and paid at one moment.
fn sold_in_us(order: &str, when: &str) -> Vec<Document> {
    let currency = Currency::parse("USD").expect("a currency");
    let till =
        Till { order: order.to_owned(), currency, included: false, place: ("US", Some("NY")) };
    let tax = till.tax("0.08", "4.00");
    sold(&till, &[tax], "54.00", when)
}

/// The same for 50.00 in Germany.
fn sold_in_germany(order: &str, when: &str) -> Vec<Document> {
    let currency = Currency::parse("EUR").expect("a currency");
    let till = Till { order: order.to_owned(), currency, included: true, place: ("DE", None) };
    let tax = till.tax("0.19", "7.98");
    sold(&till, &[tax], "50.00", when)
}

fn sold(
    till: &Till,
    taxes: &[trueup_domain::document::TaxLine],
    total: &str,
    when: &str,
) -> Vec<Document> {
    let mut order = till.order(vec![till.goods("TEE-S", 2, "25.00", taxes)], Vec::new());
    order.placed_at = at(when);
    let paid = till.payment("p1", PaymentKind::Sale, "stripe", total);
    vec![order.into(), Payment { processed_at: at(when), ..paid }.into()]
}

fn row(id: &str, class: RowClass, (gross, fee): (Money, Money), when: &str) -> LedgerRow {
    LedgerRow {
        id: id.to_owned(),
        class,
        kind: format!("{class:?}").to_lowercase(),
        gross,
        fee,
        net: gross.checked_sub(fee).expect("in range"),
        fees: Vec::new(),
        presentment: None,
        object: None,
        capture: None,
        order: None,
        payout: None,
        occurred_at: at(when),
        available_on: None,
        description: None,
    }
}

/// The provider's row of the money of an order.
fn captured(order: &str, gross: Money, fee: Money, when: &str) -> LedgerRow {
    let object = Some(format!("ch_{order}_p1"));
    LedgerRow { object, ..row(&format!("row-{order}"), RowClass::Capture, (gross, fee), when) }
}

/// A payout that is on its way, and its rows.
fn paid_out(id: &str, amount: Money, when: &str, rows: Vec<LedgerRow>) -> Vec<Document> {
    let payout = Some(id.to_owned());
    let rows = rows.into_iter().map(|row| LedgerRow { payout: payout.clone(), ..row });
    let mut documents: Vec<Document> = rows.map(Document::from).collect();
    documents.push(Document::from(Payout {
        id: id.to_owned(),
        version: Version(1),
        status: PayoutStatus::InTransit,
        amount,
        created_at: at(when),
        arrival: date(2026, 11, 23),
        itemised: true,
        trace: None,
        descriptor: None,
        failure: None,
    }));
    documents
}

/// What is on the accounts that a provider's money goes over, by their names, in minor units of each
/// currency.
fn accounts(books: &dyn Books, company: i64) -> Vec<String> {
    let domain = json!([["parent_state", "=", "posted"], ["company_id", "=", company]]);
    let fields = ["account_id", "currency_id", "amount_currency"];
    let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
    for line in books.read("account.move.line", domain, &fields) {
        let name = |field: &str| line[field][1].as_str().expect("a name").to_owned();
        let account = name("account_id");
        let of_money = [
            "Clearing Stripe",
            "Payouts in transit",
            "Processing fees",
            "Other provider fees",
            "Reserves held by providers",
            "Provider conversion differences",
        ];
        if let Some(account) = of_money.into_iter().find(|name| account.ends_with(name)) {
            let key = (account.to_owned(), name("currency_id"));
            *sums.entry(key).or_default() += cents(&line["amount_currency"]);
        }
    }
    let told = sums.into_iter().filter(|(_, sum)| *sum != 0);
    told.map(|((account, currency), sum)| format!("{account}: {sum} {currency}")).collect()
}

/// The entries that a root is in, or has: `summary number of day: state, verdict`.
fn entries(road: &Road, root: &str) -> Vec<String> {
    let found = road.hub.store.read(|tx| trace::trace(tx, root)).expect("readable");
    let found = found.map(|it| it.entries).unwrap_or_default();
    let told = found.iter().map(|one| {
        let (_, summary) = one.summary.split_once("/summary/").expect("a summary");
        let state = one.state.as_deref().unwrap_or("not asked for");
        format!("{summary} {} of {}: {state}, {}", one.number, one.dated, one.status)
    });
    told.collect()
}

fn settle(road: &mut Road, books: &mut dyn Books) {
    road.deliver(books);
    road.wait(10);
    road.deliver(books);
    road.deliver(books);
}

fn check(books: &mut dyn Books) {
    let (us, eu) = set_up(books);
    let mut road = Road::with_ledgers(&us, &eu, date(2026, 10, 1));
    let usd = |text: &str| money("USD", text);
    for order in ["A", "B"] {
        road.tell(SHOP_US, &sold_in_us(order, OCTOBER));
    }
    road.tell(SHOP_US, &sold_in_us("C", NOVEMBER));
    let rows = ["A", "B"].map(|order| captured(order, usd("54.00"), usd("1.87"), OCTOBER));
    let monthly = row("fee-1", RowClass::Fee, (usd("-3.50"), usd("0")), OCTOBER);
    let rows = rows.into_iter().chain([monthly]).collect();
    road.tell(SHOP_US, &paid_out("po_1", usd("100.76"), NOVEMBER, rows));
    // What is in no payout goes with its month.
    let held = row("hold-1", RowClass::Reserve, (usd("-10.00"), usd("0")), OCTOBER);
    road.tell(SHOP_US, &[held.into()]);
    // P9: nobody knows what one of its rows is.
    let odd = row("odd-1", RowClass::Unknown, (usd("-1.00"), usd("0")), NOVEMBER);
    let of_c = captured("C", usd("54.00"), usd("1.87"), NOVEMBER);
    road.tell(SHOP_US, &paid_out("po_2", usd("51.13"), NOVEMBER, vec![of_c, odd]));
    settle(&mut road, books);

    let of_first = [
        "payout/stripe-us/po_1/ledger/USD 1 of 2026-10-31: applied, proven",
        "payout/stripe-us/po_1/ledger/USD 2 of 2026-11-04: applied, proven",
    ];
    assert_eq!(entries(&road, "stripe-us/payout/po_1"), of_first, "{}", books.name());
    assert_eq!(entries(&road, "stripe-us/ledger_row/fee-1"), of_first[..1], "{}", books.name());
    assert_eq!(
        entries(&road, "stripe-us/ledger_row/hold-1"),
        ["2026-10/ledger/USD 1 of 2026-10-31: applied, proven"],
        "{}",
        books.name()
    );
    assert_eq!(entries(&road, "stripe-us/payout/po_2"), [""; 0], "{}", books.name());
    // 162.00 captured, less fees 7.24, held 10.00 and paid out 100.76: 54.00 of C is the rest, and
    // what is held is owed.
    let of_money = |books: &dyn Books| accounts(books, 1);
    assert_eq!(
        of_money(books),
        [
            "Clearing Stripe: 4400 USD",
            "Other provider fees: 350 USD",
            "Payouts in transit: 10076 USD",
            "Processing fees: 374 USD",
            "Reserves held by providers: 1000 USD",
        ],
        "{}",
        books.name()
    );

    let of_clearing = [
        "2026-10 stripe-us: 0.00 USD to 90.76 USD; owed 90.76 USD [] 0.00 USD; \
         books 90.76 USD [] 0.00 USD",
        "2026-11 stripe-us: 90.76 USD to -10.00 USD; owed -10.00 USD [] 0.00 USD; books 44.00 USD \
         [of the ledger, for no entry -1.00 USD, of the ledger, in no entry yet -53.00 USD] 0.00 USD",
    ];
    assert_eq!(clearing_of(&mut road, books, "us"), of_clearing, "{}", books.name());

    // The bank sent it back: what left is on clearing again.
    let failed = paid_out("po_1", usd("100.76"), NOVEMBER, Vec::new());
    let failed = failed.into_iter().map(|one| match one {
        Document::Payout(payout) => {
            Document::from(Payout { status: PayoutStatus::Failed, version: Version(2), ..*payout })
        }
        other => other,
    });
    road.tell(SHOP_US, &failed.collect::<Vec<_>>());
    settle(&mut road, books);
    let back = "payout/stripe-us/po_1/ledger/USD 3 of 2026-11-04: applied, proven";
    let of_first: Vec<&str> = of_first.into_iter().chain([back]).collect();
    assert_eq!(entries(&road, "stripe-us/payout/po_1"), of_first, "{}", books.name());
    assert_eq!(of_money(books)[0], "Clearing Stripe: 14476 USD", "{}", books.name());
    // And somebody makes a payment in the books that no channel knows.
    let stray = common::facts::payment(
        &us,
        "stripe",
        "stray",
        common::facts::guests(&us),
        "12.00",
        Direction::Inbound,
    );
    common::made_by_an_administrator(books, stray);
    let of_clearing = [
        "2026-10 stripe-us: 0.00 USD to 90.76 USD; owed 90.76 USD [] 0.00 USD; \
         books 90.76 USD [] 0.00 USD",
        "2026-11 stripe-us: 90.76 USD to 90.76 USD; owed -10.00 USD \
         [payouts that did not leave, or came back 100.76 USD] 0.00 USD; books 156.76 USD \
         [of the ledger, for no entry -1.00 USD, of the ledger, in no entry yet -53.00 USD, \
         booked by another hand -12.00 USD] 0.00 USD",
    ];
    assert_eq!(clearing_of(&mut road, books, "us"), of_clearing, "{}", books.name());
    let unbalanced = road.hub.store.read(facts::unbalanced).expect("readable");
    assert!(unbalanced.is_empty(), "{unbalanced:?}");
    let open = road.hub.store.read(cases::open_cases).expect("readable");
    let mut told: Vec<&str> = open.iter().map(|it| it.kind.as_str()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["missing_at_bank", "not_paid_out", "payout_failed", "unknown_row"],
        "{}",
        books.name()
    );
    // What came back has a row of its own at the provider, which the next payout takes with it.
    let object = Some("po_1".to_owned());
    let back = (money("USD", "100.76"), money("USD", "0.00"));
    let back = LedgerRow { object, ..row("row-back", RowClass::PayoutReturn, back, NOVEMBER) };
    road.tell(SHOP_US, &[back.into()]);
    settle(&mut road, books);
    let owed = "2026-11 stripe-us: 90.76 USD to 90.76 USD; owed 90.76 USD [] 0.00 USD; books ";
    let of_november = clearing_of(&mut road, books, "us").pop().expect("a month");
    assert!(of_november.starts_with(owed), "{}: {of_november}", books.name());
}

/// How clearing stands at the end of both months: `month account: opening to closing`, and what the
/// provider owes and the books hold of it, each with the steps to it and what they leave unexplained.
fn clearing_of(road: &mut Road, books: &mut dyn Books, entity: &str) -> Vec<String> {
    road.poll();
    road.wait(61);
    road.deliver(books);
    let mut told = Vec::new();
    for month in [date(2026, 10, 1), date(2026, 11, 1)] {
        let (hub, now) = (&road.hub, road.now());
        let wanted = clearing::Wanted { month, entity: Some(entity.to_owned()) };
        let report = hub.store.read(|tx| clearing::build(tx, hub, &wanted, now)).expect("built");
        for account in report.accounts {
            let tie = account.tie.expect("the books state what their accounts hold");
            let shown = |bridge: &Bridge| {
                let steps = bridge.steps.iter().map(|it| format!("{} {}", it.name, it.amount));
                let steps = steps.collect::<Vec<_>>().join(", ");
                format!("{} [{steps}] {}", bridge.to_total, bridge.unexplained)
            };
            told.push(format!(
                "{} {}: {} to {}; owed {}; books {}",
                &report.from[..7],
                account.provider,
                account.opening,
                account.closing,
                shown(&account.owed),
                shown(&tie),
            ));
        }
    }
    told
}

/// An account that is kept in dollars, of a company that sells in euros.
fn check_converted(books: &mut dyn Books) {
    let (us, eu) = set_up(books);
    let mut road = Road::with_ledgers(&us, &eu, date(2026, 10, 1));
    road.tell(SHOP_EU, &sold_in_germany("E", NOVEMBER));
    let capture = LedgerRow {
        presentment: Some(money("EUR", "50.00")),
        ..captured("E", money("USD", "54.00"), money("USD", "1.87"), NOVEMBER)
    };
    road.tell(SHOP_EU, &paid_out("po_9", money("USD", "52.13"), NOVEMBER, vec![capture]));
    settle(&mut road, books);
    assert_eq!(
        entries(&road, "stripe-eu/payout/po_9"),
        [
            "payout/stripe-eu/po_9/ledger/EUR 1 of 2026-11-04: applied, proven",
            "payout/stripe-eu/po_9/ledger/USD 1 of 2026-11-04: applied, proven",
        ],
        "{}",
        books.name()
    );
    // Both currencies of the clearing account are even, and the conversion has one against the other.
    assert_eq!(
        accounts(books, 2),
        [
            "Payouts in transit: 5213 USD",
            "Processing fees: 187 USD",
            "Provider conversion differences: 5000 EUR",
            "Provider conversion differences: -5400 USD",
        ],
        "{}",
        books.name()
    );
    let of_clearing = [
        "2026-11 stripe-eu: 0.00 EUR to 0.00 EUR; owed 0.00 EUR [] 0.00 EUR; books 0.00 EUR [] 0.00 EUR",
        "2026-11 stripe-eu: 0.00 USD to 0.00 USD; owed 0.00 USD [] 0.00 USD; books 0.00 USD [] 0.00 USD",
    ];
    assert_eq!(clearing_of(&mut road, books, "eu"), of_clearing, "{}", books.name());
    let root = format!("{SHOP_EU}/sale/E");
    let shown = road.hub.store.read(|tx| trace::trace(tx, &root)).expect("readable");
    let links: Vec<String> =
        shown.expect("known").proof.iter().map(|(_, status)| status.clone()).collect();
    assert_eq!(links[..3], ["proven", "proven", "proven"], "{}", books.name());
}

#[test]
fn d9_a_ledger_goes_into_the_books_of_the_sandbox() {
    check(&mut Played(OdooSandbox::bare()));
    check_converted(&mut Played(OdooSandbox::bare()));
}

#[test]
fn d9_a_ledger_goes_into_the_books_of_the_real_odoo() {
    if let Some(mut real) = Real::fresh("ledger") {
        check(&mut real);
    }
    if let Some(mut real) = Real::fresh("ledger_converted") {
        check_converted(&mut real);
    }
}

/// Who decides later that a ledger goes into the books gets what it said since that day, and nothing
/// that is older.
#[test]
fn a_ledger_is_gathered_from_the_day_that_somebody_names() {
    let books = &mut Played(OdooSandbox::bare());
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    let usd = |text: &str| money("USD", text);
    for (id, when) in [("old", "2026-09-29T10:00:00Z"), ("new", OCTOBER)] {
        let fee = row(id, RowClass::Fee, (usd("-3.50"), usd("0")), when);
        road.tell(SHOP_US, &[fee.into()]);
    }
    settle(&mut road, books);
    assert_eq!(accounts(books, 1), [""; 0]);
    road.post_ledgers(Some(date(2026, 10, 1)));
    settle(&mut road, books);
    assert_eq!(accounts(books, 1), ["Clearing Stripe: -350 USD", "Other provider fees: 350 USD"]);
    let open = road.hub.store.read(summaries::open).expect("readable");
    assert!(open.is_empty(), "{open:?}");
    // And who names no day any more posts nothing further.
    road.post_ledgers(None);
    let fee = row("later", RowClass::Fee, (usd("-3.50"), usd("0")), OCTOBER);
    road.tell(SHOP_US, &[fee.into()]);
    settle(&mut road, books);
    assert_eq!(accounts(books, 1), ["Clearing Stripe: -350 USD", "Other provider fees: 350 USD"]);
}
