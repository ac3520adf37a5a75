//! A marketplace from its orders to the bank: orders are polled, settlements fetched, documents
//! posted to Odoo's sandbox, a bank statement dropped. Each order is proven on its four links.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trueup_amazon::AmazonSandbox;
use trueup_amazon::sandbox::{QUEUE, Trouble};
use trueup_bank::BankSandbox;
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{Auth, CallError, Connector, Reply, Request, Secret, Settings};
use trueup_domain::Currency;
use trueup_domain::calendar::Calendar;
use trueup_domain::document::{Kind, Tender};
use trueup_hub::proofs::Evidence;
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub, receive, token};
use trueup_odoo::sandbox::{HUB_KEY, OdooSandbox};
use trueup_odoo::setup::{Clears, WantedGateway, WantedProduct, demo};
use trueup_store::{Store, cases, commands, facts, listings, mappings, scopes, streams};

const MARKET: &str = "amazon";
const BANK: &str = "bank";
const FILE: &str = include_str!("../../../connectors/amazon/fixtures/__settlement_us.tsv");
const OWED: &str =
    include_str!("../../../connectors/amazon/fixtures/__settlement_carried_forward.tsv");
const D17: &str = include_str!("../../../connectors/amazon/fixtures/__settlement_d17.tsv");

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn money(amount: &str) -> Value {
    json!({ "amount": amount, "currencyCode": "USD" })
}

/// Breakdowns of an item: type, amount, and its parts by place.
fn item(id: &str, sku: &str, quantity: i64, total: &str, parts: &[(&str, &str, Value)]) -> Value {
    let breakdowns: Vec<Value> = parts
        .iter()
        .map(|(kind, amount, detail)| {
            json!({ "type": kind, "subtotal": money(amount), "detailedBreakdowns": detail })
        })
        .collect();
    json!({
        "orderItemId": id,
        "quantityOrdered": quantity,
        "product": { "sellerSku": sku, "title": sku },
        "proceeds": { "proceedsTotal": money(total), "breakdowns": breakdowns },
        "tax": { "taxCollections": [{ "model": "MARKETPLACE_FACILITATOR" }] },
    })
}

fn of(place: &str, amount: &str) -> Value {
    json!([{ "subtype": place, "value": money(amount) }])
}

fn order(id: &str, total: &str, items: Vec<Value>) -> Value {
    json!({
        "orderId": id,
        "createdTime": "2026-09-01T18:00:00Z",
        "salesChannel": { "channelName": "AMAZON", "marketplaceName": "Amazon.com" },
        "fulfillment": { "fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON" },
        "proceeds": { "grandTotal": money(total) },
        "orderItems": items,
    })
}

/// The vendors behind the hub.
struct World {
    amazon: AmazonSandbox,
    odoo: OdooSandbox,
    store: Store,
    now: Timestamp,
}

impl Transport for World {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        let now = self.now;
        let request = &*shell::signed(connection, request, now)?;
        match connection.connector.auth {
            Auth::Token(scheme) if !request.path.starts_with("https://") => {
                let store = self.store.clone();
                let amazon = &mut self.amazon;
                let mut exchange = |request: &Request| Ok(amazon.handle(request, now));
                token::send(Some(&store), connection, scheme, request, &|| now, &mut exchange)
            }
            Auth::Token(_) => Ok(self.amazon.handle(request, now)),
            _ => {
                let mut request = request.clone();
                let key = format!("bearer {HUB_KEY}");
                request.headers.push(("authorization".to_owned(), key));
                Ok(self.odoo.handle(&request, now))
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.checked_add(time).expect("a moment");
    }
}

struct Road {
    hub: Hub,
    world: World,
}

fn connection(name: &str, connector: &'static Connector) -> Connection {
    Connection {
        name: name.to_owned(),
        connector,
        entity: "us".to_owned(),
        time_zone: "UTC".to_owned(),
        settings: Settings([("client_id".to_owned(), "client".to_owned())].into()),
        base_url: None,
        secret: Some(Secret::new("secret refresh AKID key")),
        webhook_secrets: Vec::new(),
        account: None,
        since: at("2026-09-01T00:00:00Z"),
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        ledger_since: None,
        bank_names: vec!["AMAZON".to_owned()],
        poll_every_s: None,
        calls_per_minute: None,
        completeness: true,
        windows: trueup_hub::talk::Windows::default(),
    }
}

impl Road {
    fn new() -> Self {
        Self::polling(AmazonSandbox::new(), &["orders", "settlements"])
    }

    fn polling(amazon: AmazonSandbox, streams: &'static [&'static str]) -> Self {
        let mut wanted = demo::wanted().remove(0);
        wanted.gateways = vec![WantedGateway {
            word: "amazon".to_owned(),
            title: "Amazon".to_owned(),
            tender: Some(Tender::Marketplace),
            provider: Some(MARKET.to_owned()),
            clears: Clears::Clearing,
            currency: None,
        }];
        wanted.products = ["TOTE-01", "MUG-BLU", "BOOK-7", "TEE-BLK-M"]
            .map(|sku| WantedProduct { sku: sku.to_owned(), name: sku.to_owned() })
            .into();
        let mut odoo = OdooSandbox::bare();
        let mapping = odoo.set_up(&wanted).expect("set up");
        let mut market = connection(MARKET, &trueup_amazon::CONNECTOR);
        market.settings.0.insert("queue_url".to_owned(), QUEUE.to_owned());
        let connections = [
            market,
            connection(BANK, &trueup_bank::CONNECTOR),
            connection("odoo", &trueup_odoo::CONNECTOR),
        ];
        let setup = HubSetup {
            environment: "road".to_owned(),
            connections: BTreeMap::from(connections.map(|it| (it.name.clone(), it))),
            calendar: Calendar::default(),
        };
        let store = Store::in_memory().expect("a store");
        let hub = Hub::new(store.clone(), setup);
        let now = at("2026-09-02T12:00:00Z");
        hub.store
            .write(move |tx| mappings::approve(tx, MARKET, &mapping, "ada", "first", now))
            .expect("approved");
        for stream in streams {
            hub.store.write(move |tx| streams::declare(tx, MARKET, stream)).expect("declared");
        }
        let world = World { amazon, odoo, store, now };
        Self { hub, world }
    }

    /// Everything comes to rest at this moment, and again some minutes later.
    fn rest(&mut self, moment: &str) {
        for minutes in [0, 20, 40] {
            self.step(at(moment) + SignedDuration::from_mins(minutes));
        }
    }

    fn step(&mut self, now: Timestamp) {
        self.world.now = now;
        self.hub.store.write(|tx| streams::poll_now(tx, MARKET)).expect("due");
        shell::drain(&self.hub, &mut self.world, &|| now).expect("the stages rest");
    }

    fn drop_statement(&mut self, file: (String, Vec<u8>)) {
        let (name, body) = file;
        let bank = self.hub.connection(BANK).expect("a bank").clone();
        let message = receive::file(&bank, &name, body).expect("taken");
        let now = self.world.now;
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("recorded");
    }

    fn links(&self, order: &str) -> [&'static str; 4] {
        let root = format!("{MARKET}/sale/{order}");
        let evidence = self.hub.store.read(|tx| Evidence::of(tx, std::slice::from_ref(&root)));
        let proof = evidence.expect("readable").proof(&root);
        [proof.document, proof.tender, proof.payout, proof.bank].map(|status| status.word())
    }

    fn status(&self, key: &str) -> Option<String> {
        let scope = self.hub.store.read(|tx| scopes::find(tx, key)).expect("readable");
        scope.map(|scope| scope.verdict.status)
    }

    fn open_cases(&self) -> Vec<String> {
        let open = self.hub.store.read(cases::open_cases).expect("readable");
        let mut kinds: Vec<String> = open.into_iter().map(|case| case.kind).collect();
        kinds.sort();
        kinds
    }
}

/// The orders that `FILE` settles: gift wrap, free shipping, remitted tax, a sale refunded in part
/// and one refunded after goodwill and a fee.
fn sell(amazon: &mut AmazonSandbox) {
    let now = at("2026-09-02T11:00:00Z");
    let none = || json!([]);
    let tote = item(
        "40000000000001",
        "TOTE-01",
        2,
        "54.62",
        &[
            ("ITEM", "50.00", none()),
            ("SHIPPING", "5.99", none()),
            ("DISCOUNT", "-5.99", of("SHIPPING", "-5.99")),
            (
                "TAX",
                "4.62",
                json!([
                    { "subtype": "ITEM", "value": money("4.13") },
                    { "subtype": "SHIPPING", "value": money("0.49") },
                ]),
            ),
        ],
    );
    amazon.put_order(order("111-0000001-0000001", "54.62", vec![tote]), now);
    let mug = item(
        "40000000000002",
        "MUG-BLU",
        1,
        "19.00",
        &[
            ("ITEM", "14.99", none()),
            ("GIFT_WRAP", "3.99", none()),
            ("DISCOUNT", "-1.50", of("ITEM", "-1.50")),
            (
                "TAX",
                "1.52",
                json!([
                    { "subtype": "ITEM", "value": money("1.20") },
                    { "subtype": "GIFT_WRAP", "value": money("0.32") },
                ]),
            ),
        ],
    );
    let book = item("40000000000003", "BOOK-7", 1, "19.90", &[("ITEM", "19.90", none())]);
    amazon.put_order(order("111-0000002-0000002", "38.90", vec![mug, book]), now);
    let tee = item("40000000000004", "TEE-BLK-M", 1, "22.50", &[("ITEM", "22.50", none())]);
    amazon.put_order(order("111-0000003-0000003", "22.50", vec![tee]), now);
}

#[test]
fn orders_of_a_marketplace_are_proven_from_the_order_to_the_bank() {
    let mut road = Road::new();
    sell(&mut road.world.amazon);
    road.rest("2026-09-02T12:00:00Z");
    let wrapped = "111-0000002-0000002";
    assert_eq!(road.links(wrapped), ["proven", "not_due", "not_due", "not_due"]);
    // Invoiced: 54.62 less the 4.62 that Amazon remits, 38.90 less 1.52, 22.50.
    let moves = road.world.odoo.read_all(
        "account.move",
        &json!([["move_type", "=", "out_invoice"], ["state", "=", "posted"]]),
        &["amount_total"],
    );
    let mut totals: Vec<String> = moves.iter().map(|it| it["amount_total"].to_string()).collect();
    totals.sort();
    assert_eq!(totals, ["22.5", "37.38", "50.0"]);

    road.world.amazon.settle(FILE, true, at("2026-09-15T06:00:00Z"));
    road.rest("2026-09-15T12:00:00Z");
    assert_eq!(road.links(wrapped), ["proven", "proven", "proven", "not_due"]);

    let usd = Currency::parse("USD").expect("a currency");
    let mut bank = BankSandbox::new("US64SVBKUS6S3300958879", usd, 100_000);
    bank.credit(987, date(2026, 9, 17), "AMAZON EDI PAYMENTS", "PAYMENTS 7734", None);
    let statement = bank.close_day(date(2026, 9, 17)).expect("a statement");
    road.world.now = at("2026-09-17T20:00:00Z");
    road.drop_statement(statement);
    road.rest("2026-09-17T20:00:00Z");
    assert_eq!(road.links(wrapped), ["proven"; 4]);
    // The refund: 27.06 back, of which Amazon gives back the 2.06 of tax itself.
    assert_eq!(road.links("111-0000001-0000001"), ["proven"; 4]);
    let notes = road.world.odoo.read_all(
        "account.move",
        &json!([["move_type", "=", "out_refund"], ["state", "=", "posted"]]),
        &["amount_total"],
    );
    let mut notes: Vec<String> = notes.iter().map(|it| it["amount_total"].to_string()).collect();
    notes.sort();
    assert_eq!(notes, ["21.0", "25.0"]);
    let unbalanced = road.hub.store.read(facts::unbalanced).expect("readable");
    assert!(unbalanced.is_empty(), "{unbalanced:?}");
}

#[test]
fn d8_a_settlement_that_is_carried_forward_expects_no_bank_line() {
    let mut road = Road::new();
    road.world.amazon.settle(OWED, false, at("2026-09-15T06:00:00Z"));
    road.rest("2026-09-15T12:00:00Z");
    assert_eq!(road.status("payout/amazon/18").as_deref(), Some("proven"));
    assert_eq!(road.status("bank/amazon/18"), None);
}

#[test]
fn d17_an_unknown_row_is_a_case_and_its_payout_still_adds_up() {
    let mut road = Road::new();
    road.world.amazon.settle(D17, false, at("2026-09-15T06:00:00Z"));
    road.rest("2026-09-15T12:00:00Z");
    assert_eq!(road.status("payout/amazon/17").as_deref(), Some("proven"));
    assert_eq!(road.status("unknown/amazon/17/15").as_deref(), Some("not_applicable"));
    let open = road.open_cases();
    assert!(open.contains(&"unknown_row".to_owned()), "{open:?}");
}

/// Amazon gives 20 pages at once and then one in three minutes. A seller with more of them than that
/// is read to the end, and asked for what it sold in a window, without one call that Amazon would
/// refuse.
#[test]
fn a_sweep_asks_for_no_more_than_amazon_gives() {
    let mut road = Road::new();
    road.world.amazon = AmazonSandbox::new().with_pages_of(2);
    for number in 0..62 {
        let book = item("1", "BOOK-7", 1, "19.90", &[("ITEM", "19.90", json!([]))]);
        let id = format!("111-0000009-{number:07}");
        let placed = at("2026-09-02T10:00:00Z") + SignedDuration::from_secs(number);
        road.world.amazon.put_order(order(&id, "19.90", vec![book]), placed);
    }
    let searches = |road: &Road| {
        let of = |call: &&String| call.ends_with("/orders/2026-01-01/orders");
        road.world.amazon.calls.iter().filter(of).count()
    };
    let start = at("2026-09-02T12:00:00Z");
    road.world.now = start;
    let mut pages = Vec::new();
    while road.world.now < start + SignedDuration::from_hours(6) {
        let now = road.world.now;
        shell::drain(&road.hub, &mut road.world, &|| now).expect("the stages rest");
        pages.push(searches(&road));
        road.world.now = now + SignedDuration::from_mins(5);
    }
    assert!(pages[0] <= 20, "a poll goes on later from where it ended: {pages:?}");
    assert_eq!(road.world.amazon.refused, 0, "{pages:?}");
    let told = road.hub.store.read(trueup_store::messages::counts).expect("readable");
    let orders: i64 = told.iter().filter(|it| it.0 == MARKET).map(|it| it.2).sum();
    assert_eq!(orders, 62, "{pages:?}");
    assert!(road.open_cases().iter().all(|kind| kind != "connection_down"));
    let waited = road.hub.allowances.waited();
    assert!(waited.get(MARKET).is_some_and(|waited| waited.as_secs() > 0), "{waited:?}");
}

/// Nothing is swept here: what the queue announces is read by itself, and is gone from the queue once
/// the hub has it.
#[test]
fn an_order_that_a_queue_announces_is_booked() {
    let mut road = Road::polling(AmazonSandbox::new().with_queue(), &["notifications"]);
    sell(&mut road.world.amazon);
    assert_eq!(road.world.amazon.queued(), 3);
    road.rest("2026-09-02T12:00:00Z");
    assert_eq!(road.links("111-0000002-0000002"), ["proven", "not_due", "not_due", "not_due"]);
    assert_eq!(road.links("111-0000003-0000003"), ["proven", "not_due", "not_due", "not_due"]);
    assert_eq!(road.world.amazon.queued(), 0);
    assert_eq!(road.open_cases(), Vec::<String>::new());
}

/// A list of what was made in a window waits for minutes until Amazon lets it ask on; what the queue
/// announces meanwhile is known all the same.
#[test]
fn what_waits_to_ask_on_holds_up_no_announcement() {
    let mut amazon = AmazonSandbox::new().with_pages_of(1);
    for number in 0..62 {
        let book = item("1", "BOOK-7", 1, "19.90", &[("ITEM", "19.90", json!([]))]);
        let id = format!("111-0000009-{number:07}");
        amazon.put_order(order(&id, "19.90", vec![book]), at("2026-09-02T10:00:00Z"));
    }
    let mut road = Road::polling(amazon.with_queue(), &["orders", "notifications"]);
    road.step(at("2026-09-02T12:00:00Z"));
    let waiting = road.hub.store.read(|tx| commands::kept(tx, MARKET));
    let lanes: Vec<String> = waiting.expect("readable").into_iter().map(|it| it.lane).collect();
    assert_eq!(lanes, ["listing"]);
    sell(&mut road.world.amazon);
    road.step(at("2026-09-02T12:01:00Z"));
    assert_eq!(road.links("111-0000003-0000003"), ["proven", "not_due", "not_due", "not_due"]);
}

#[test]
fn b9_who_was_asked_to_wait_asks_nothing_else_meanwhile() {
    let mut road = Road::new();
    road.world.amazon.trouble(Trouble::Throttled);
    road.step(at("2026-09-02T12:00:00Z"));
    let asked: Vec<String> = road.world.amazon.calls.clone();
    assert_eq!(asked, ["GET /orders/2026-01-01/orders"]);
    road.step(at("2026-09-02T12:02:00Z"));
    assert_eq!(road.world.amazon.calls.len(), 1);
    road.step(at("2026-09-02T12:04:00Z"));
    assert!(road.world.amazon.calls.contains(&"GET /reports/2021-06-30/reports".to_owned()));
}

/// What is announced each minute makes nothing complete: a window is listed once the sweep, every ten
/// minutes, has had its turn after it.
#[test]
fn a_window_is_listed_once_the_sweep_has_had_its_turn() {
    let mut road = Road::new();
    road.step(at("2026-09-02T12:00:00Z"));
    let newest = road.hub.store.read(|tx| listings::newest(tx, MARKET, Kind::Order));
    let until = newest.expect("readable").expect("a window").until;
    assert_eq!(until, at("2026-09-02T11:45:00Z"));
}
