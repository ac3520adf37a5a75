//! A small shop: three orders of one day, one of them not in the books, with a refused command.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
use tower::ServiceExt;
use trueup_connect::webhook::SignedDelivery;
use trueup_connect::{Secret, Settings};
use trueup_domain::calendar::Calendar;
use trueup_domain::command::{CancellationContent, Content};
use trueup_domain::document::{
    Document, Order, PaymentStanding, Remitter, Root, RootKind, Version,
};
use trueup_domain::fact::{Change, Command, Fact, FactContent, FactKey, difference};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::journal::{Booker, Entry, EntryBuilder, Role, Summed};
use trueup_domain::mapping::Regime;
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::figures::{Figures, Measure};
use trueup_domain::sales::sale::{Contribution, SaleRow};
use trueup_domain::sales::tax::{TaxKey, TaxRow};
use trueup_hub::setup::HubSetup;
use trueup_hub::{Connection, Hub, Worker, decide, decode, reconcile};
use trueup_server::ServerState;
use trueup_store::cases::NewCase;
use trueup_store::commands::Back;
use trueup_store::documents::{DueRoot, Standing};
use trueup_store::facts::Place;
use trueup_store::messages::{NewMessage, Origin, Recorded};
use trueup_store::waits::Wait;
use trueup_store::{
    Store, Tx, cases, commands, documents, facts, messages, sales, streams, summaries,
};

pub const SECRET: &str = "hush";
pub const ACCOUNT: &str = "acme.example";
pub const SHOP: &str = "acme";
pub const PORTAL: &str = "portal";
pub const PORTAL_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const DAY: Date = Date::constant(2026, 3, 4);

pub fn now() -> Timestamp {
    "2026-03-20T10:00:00Z".parse().expect("a time")
}

fn connection(name: &str) -> Connection {
    Connection {
        name: name.to_owned(),
        connector: &trueup_shopify::CONNECTOR,
        entity: "Acme <EU>".to_owned(),
        time_zone: "UTC".to_owned(),
        settings: Settings::default(),
        base_url: None,
        secret: None,
        webhook_secrets: vec![Secret::new("old"), Secret::new(SECRET)],
        account: Some(ACCOUNT.to_owned()),
        since: Timestamp::UNIX_EPOCH,
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        ledger_since: None,
        bank_names: Vec::new(),
        poll_every_s: None,
        calls_per_minute: None,
        completeness: true,
        windows: trueup_hub::talk::Windows::default(),
    }
}

fn hub(store: Store) -> Hub {
    let setup = HubSetup {
        environment: "test".to_owned(),
        connections: [(SHOP.to_owned(), connection(SHOP))].into(),
        calendar: Calendar::new([]),
    };
    Hub::new(store, setup)
}

pub struct Server {
    pub hub: Hub,
    router: Router,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
    /// The code of a problem.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        let code = problem["code"].as_str().expect("a code").to_owned();
        assert_eq!(problem["type"], format!("/errors/{code}"));
        assert!(trueup_server::errors::text_of(&code).is_some(), "{code} has no page");
        code
    }
}

impl Server {
    pub fn empty() -> Self {
        Self::with_token(None)
    }

    pub fn with_token(token: Option<&str>) -> Self {
        Self::over(Store::in_memory().expect("a store"), token)
    }

    /// The small shop over a store of any engine.
    pub fn with_orders_in(store: Store) -> Self {
        let server = Self::over(store, None);
        seed(&server.hub);
        server
    }

    fn over(store: Store, token: Option<&str>) -> Self {
        let hub = hub(store);
        let state = ServerState::new(hub.clone(), Arc::new(now));
        let state = state.with_token(token.map(str::to_owned));
        let state = state.with_schemas(&[("acme/message.json", "{\"type\":\"object\"}")]);
        Self { hub, router: trueup_server::router(state) }
    }

    /// A portal, which signs the time of what it sends, beside the shop.
    pub fn with_portal() -> Self {
        let mut hub = hub(Store::in_memory().expect("a store"));
        let portal = Connection {
            connector: &trueup_channel::CONNECTOR,
            webhook_secrets: vec![Secret::new(PORTAL_SECRET)],
            account: None,
            ..connection(PORTAL)
        };
        let mut connections = hub.setup.connections.clone();
        connections.insert(PORTAL.to_owned(), portal);
        let environment = hub.setup.environment.clone();
        let setup = HubSetup { environment, connections, calendar: Calendar::new([]) };
        hub = Hub::new(hub.store.clone(), setup);
        let state = ServerState::new(hub.clone(), Arc::new(now));
        Self { hub, router: trueup_server::router(state) }
    }

    pub fn with_orders() -> Self {
        Self::with_orders_in(Store::in_memory().expect("a store"))
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, body: body.to_vec() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_vec())).expect("a request")).await
    }

    pub async fn deliver(&self, delivery: &SignedDelivery<'_>) -> Answer {
        self.deliver_to(SHOP, delivery).await
    }

    /// A delivery as the connector of that connection signs it.
    pub async fn deliver_to(&self, name: &str, delivery: &SignedDelivery<'_>) -> Answer {
        let connector = self.hub.connection(name).expect("configured").connector;
        let headers = (connector.webhooks.expect("webhooks").sign)(delivery);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&format!("/webhooks/{name}"), &headers, delivery.body).await
    }

    /// Decodes and decides until nothing is left to do.
    pub fn settle(&self) {
        let worker = Worker::alone();
        while decode::step(&self.hub, &worker, now()).expect("decoded")
            + decide::step(&self.hub, &worker, now()).expect("decided")
            > 0
        {}
    }

    pub fn read<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> trueup_store::Result<T>) -> T {
        self.hub.store.read(work).expect("a read")
    }

    /// The ids of the open cases.
    pub fn cases(&self) -> Vec<String> {
        self.read(cases::open_cases).into_iter().map(|case| case.id).collect()
    }
}

pub fn eur(minor: i64) -> Money {
    Money::from_minor(minor, Currency::parse("EUR").expect("a currency"))
}

pub fn root_id(id: &str) -> String {
    format!("{SHOP}/sale/{id}")
}

pub fn command_key(id: &str) -> String {
    format!("test/{}/invoice/{id}/1", root_id(id))
}

fn seed(hub: &Hub) {
    hub.store
        .write(|tx| {
            for (id, number, minor) in [("1", "#1001", 123_456), ("2", "#1002", 5_000)] {
                let message = order(tx, id, number, minor)?;
                side(tx, id, Side::Channel, minor)?;
                side(tx, id, Side::Books, minor)?;
                assert!(!message.is_empty());
            }
            order(tx, "3", "#1003 <b>", 700)?;
            side(tx, "3", Side::Channel, 700)?;
            refused(tx, "3")?;
            streams::declare(tx, SHOP, "orders")?;
            streams::polled(tx, SHOP, "orders", Some("cursor-9"), now(), Wait::none(now()))?;
            cases::absorb(tx, "lost_webhook", "x", "an order came by poll only", now())
        })
        .expect("seeded");
    while reconcile::step(hub, &Worker::alone(), now()).expect("judged") > 0 {}
}

/// Two sales of a day in one entry; then the price of one changes, and is in a further entry.
pub fn sum_up(hub: &Hub) {
    hub.store
        .write(|tx| {
            row_of_sum(tx, "1", 123_456)?;
            row_of_sum(tx, "2", 5_000)?;
            take_up(tx)?;
            row_of_sum(tx, "2", 4_000)?;
            take_up(tx)
        })
        .expect("summed up");
}

fn take_up(tx: &mut Tx<'_>) -> trueup_store::Result<()> {
    for open in summaries::open(tx)? {
        summaries::take(tx, &open, 10, now())?;
    }
    Ok(())
}

/// Lets all that a sale books be one row of a sum.
fn row_of_sum(tx: &mut Tx<'_>, id: &str, minor: i64) -> trueup_store::Result<()> {
    let mut entry = EntryBuilder::new(DAY, Booker::Trueup, eur(0).currency(), id);
    entry.debit(Role::Clearing, Some("acme <pay>"), eur(minor));
    entry.credit(Role::Sales, None, eur(minor)).expect("in range");
    let entry = entry.build().expect("balanced").expect("an entry");
    let states = (ItemKind::Document, format!("order/{SHOP}/{id}"));
    let entry = Entry { summed: Some(Summed { states, refund: false }), ..entry };
    let fact = Fact { key: FactKey::new("summed", id), content: FactContent::Entry(entry) };
    let root = root_id(id);
    for change in difference(&facts::written(tx, &root)?, vec![fact]) {
        facts::apply(tx, place(&root), &change)?;
    }
    Ok(())
}

/// A capture at the shop's own provider, and the row of its ledger that is in no payout.
pub fn captured(hub: &Hub) {
    hub.store
        .write(|tx| {
            let mut entry = EntryBuilder::new(DAY, Booker::Odoo, eur(0).currency(), "capture");
            entry.debit(Role::Clearing, Some(SHOP), eur(123_456));
            entry.credit(Role::Receivable, None, eur(123_456)).expect("in range");
            let entry = FactContent::Entry(entry.build().expect("balanced").expect("an entry"));
            add(tx, &root_id("1"), Fact { key: FactKey::new("capture", "p1"), content: entry })?;
            let row = Item {
                side: Side::Settlement,
                kind: ItemKind::PayoutRow,
                key: format!("unpaid/{SHOP}/<r1>"),
                amount: eur(120_000),
                date: DAY,
                due: None,
                hints: Vec::new(),
            };
            let row = FactContent::Item(row);
            let root = Root { kind: RootKind::LedgerRow, external_id: "<r1>".to_owned() };
            documents::raise(tx, SHOP, &root)?;
            let root = documents::root_id(SHOP, &root);
            add(tx, &root, Fact { key: FactKey::new("item", "payout"), content: row })
        })
        .expect("captured");
}

fn place(root: &str) -> Place<'_> {
    Place {
        environment: "test",
        root,
        entity: "Acme <EU>",
        mapping_version: 1,
        now: now(),
        ledger_since: None,
        newest: None,
    }
}

fn order(tx: &mut Tx<'_>, id: &str, number: &str, minor: i64) -> trueup_store::Result<String> {
    let new = NewMessage {
        connection: SHOP.to_owned(),
        source_id: format!("order/{id}"),
        kind: "orders/create".to_owned(),
        origin: Origin::Webhook,
        headers: r#"{"x-topic":"orders/create"}"#.to_owned(),
        body: format!(r#"{{"id":{id},"note":"<script>alert(1)</script>"}}"#).into_bytes(),
        asked_at: None,
    };
    let (Recorded::Stored(message) | Recorded::Repeat(message)) =
        messages::record(tx, &new, now())?;
    messages::finish(tx, &message, messages::Fate::Decoded, None)?;
    let stated = Order {
        id: id.to_owned(),
        number: number.to_owned(),
        customer_reference: None,
        version: Version(1),
        placed_at: "2026-03-04T09:00:00Z".parse().expect("a time"),
        due_on: None,
        currency: eur(0).currency(),
        presentment_total: None,
        taxes_included: true,
        lines: Vec::new(),
        charges: Vec::new(),
        total: eur(minor),
        payment_standing: PaymentStanding::Paid,
        source: None,
        cancelled_at: None,
        buyer: None,
        test: false,
    };
    documents::put(tx, SHOP, &Document::from(stated), &message, None, now())?;
    let root = DueRoot {
        id: root_id(id),
        connection: SHOP.to_owned(),
        root: Root { kind: RootKind::Sale, external_id: id.to_owned() },
        arrived: 1,
        attempts: 0,
        mapping_version: None,
    };
    let standing = Standing {
        number: number.to_owned(),
        state: "paid".to_owned(),
        day: Some(DAY.to_string()),
        amount: Some(minor),
        currency: Some("EUR".to_owned()),
        entity: Some("Acme <EU>".to_owned()),
        waiting: (id == "3").then(|| "mapping of SKU <x>".to_owned()),
        mapping_version: Some(1),
    };
    documents::decided(tx, &root, &standing, now())?;
    sold(tx, id, minor)?;
    let mut entry = EntryBuilder::new(DAY, Booker::Odoo, eur(0).currency(), number);
    entry.debit(Role::Receivable, None, eur(minor));
    entry.credit(Role::Sales, None, eur(minor)).expect("in range");
    let entry = entry.build().expect("balanced").expect("an entry");
    let fact = Fact { key: FactKey::new("sale", id), content: FactContent::Entry(entry) };
    add(tx, &root_id(id), fact)?;
    Ok(message)
}

/// One unit of an SKU of its own.
fn sold(tx: &mut Tx<'_>, id: &str, minor: i64) -> trueup_store::Result<()> {
    let mut figures = Figures::default();
    for (measure, amount) in [
        (Measure::Gross, minor),
        (Measure::Stated, minor),
        (Measure::Orders, 1),
        (Measure::Units, 1),
    ] {
        figures.add(measure, amount).expect("in range");
    }
    let row = SaleRow {
        document: format!("order/{id}"),
        sku: format!("SKU <{id}>"),
        day: DAY,
        order_day: DAY,
        excluded: if id == "2" { "test" } else { "" },
        figures,
    };
    let key = TaxKey {
        regime: Regime::EuOss,
        jurisdiction: "FR".to_owned(),
        rate: "0.2".parse().expect("a rate"),
        remitted_by: Remitter::Merchant,
        target: "7".to_owned(),
    };
    let document = format!("order/{id}");
    let tax = TaxRow { document, key, day: DAY, order_day: DAY, base: minor, tax: minor / 5 };
    let currency = eur(0).currency();
    let contribution =
        Contribution { source: "web".to_owned(), currency, rows: vec![row], taxes: vec![tax] };
    let root = root_id(id);
    let place = sales::Place { root: &root, entity: "Acme <EU>", connection: SHOP };
    sales::put(tx, &[(place, Some(&contribution))])
}

fn side(tx: &mut Tx<'_>, id: &str, side: Side, minor: i64) -> trueup_store::Result<()> {
    let item = Item {
        side,
        kind: ItemKind::Document,
        key: format!("order/{SHOP}/{id}"),
        amount: eur(minor),
        date: DAY,
        due: Some(DAY),
        hints: Vec::new(),
    };
    let key = FactKey::new(format!("item_{}", side.word()), id);
    add(tx, &root_id(id), Fact { key, content: FactContent::Item(item) })
}

/// A command that the books refused, with the case it made.
fn refused(tx: &mut Tx<'_>, id: &str) -> trueup_store::Result<()> {
    let content = Content::Cancellation(CancellationContent {
        company: "1".to_owned(),
        reference: String::new(),
    });
    let command = Command { target: SHOP.to_owned(), content, after: Vec::new(), states: None };
    let key = FactKey::new("invoice", id);
    add(tx, &root_id(id), Fact { key, content: FactContent::Command(Box::new(command)) })?;
    let key = command_key(id);
    let lane = commands::find(tx, &key)?.expect("the command").lane;
    commands::take(tx, SHOP, &lane, "talk", 10, now())?;
    commands::back(tx, &key, Back::Refused, Wait::none(now()), "TU104", "the journal is locked")?;
    let case = NewCase {
        kind: "refused",
        subject: &format!("command/{key}"),
        entity: "Acme <EU>",
        title: "The books refuse the invoice of #1003",
        detail: "the journal is locked (TU104)",
        remedy: "unlock it and send it again",
        amount: Some(eur(700)),
        owner: "operator",
    };
    cases::open(tx, &case, now())
}

fn add(tx: &mut Tx<'_>, root: &str, fact: Fact) -> trueup_store::Result<()> {
    let content_hash = "h".to_owned();
    let change = Change::Add { fact, generation: 1, content_hash, replaces: None };
    facts::apply(tx, place(root), &change)
}
