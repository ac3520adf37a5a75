//! A hub with a shop, a provider, a bank and books, and the documents of a sale.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trueup_connect::{
    Auth, Connector, DecodeError, Decoded, Hint, Message, Settings, Subscription,
};
use trueup_domain::Money;
use trueup_domain::calendar::Calendar;
use trueup_domain::document::{
    Document, Kind, Line, LineKind, Order, Payment, PaymentKind, PaymentStanding, PaymentStatus,
    Refund, RefundLine, Restock, Tender, Version,
};
use trueup_domain::mapping::{CustomerPolicy, Gateway, GoodsPolicy, InvoicePolicy, Mapping};
use trueup_domain::money::Currency;
use trueup_hub::setup::HubSetup;
use trueup_hub::{Connection, Hub, Worker, decide, decode, receive, reconcile};
use trueup_store::commands::Shown;
use trueup_store::messages::{NewMessage, Origin};
use trueup_store::{Store, StoreError, Tx, cases, commands, facts, mappings};

use crate::books;

/// What a message of the till says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said<'a> {
    #[serde(borrow)]
    Documents(Vec<(String, &'a RawValue)>),
    Hints(Vec<Hint>),
    /// A subscription, and whether it is on.
    Pushes(String, bool),
    Nothing(String),
}

pub static TILL: Connector = Connector {
    name: "till",
    api_version: "1",
    settings: &[],
    auth: Auth::None,
    signature: None,
    kinds: &[],
    decode: read_till,
    webhooks: None,
    conversations: None,
    files: false,
    hides_shipments: false,
};

fn read_till(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let unreadable = |error: serde_json::Error| DecodeError::Unreadable(error.to_string());
    match serde_json::from_slice(message.body).map_err(unreadable)? {
        Said::Documents(stated) => {
            let mut documents = Vec::new();
            for (kind, body) in stated {
                let kind: Kind = kind.parse().map_err(|_| DecodeError::UnknownKind)?;
                documents.push(Document::from_json(kind, body.get()).map_err(unreadable)?);
            }
            Ok(Decoded::Documents(documents))
        }
        Said::Hints(hints) => Ok(Decoded::Hints(hints)),
        Said::Pushes(id, active) => Ok(Decoded::Subscriptions(vec![Subscription {
            id,
            title: "orders".to_owned(),
            address: "https://hub.example.com".to_owned(),
            active,
            status: if active { "on" } else { "off" }.to_owned(),
            restored: false,
        }])),
        Said::Nothing(kind) => Ok(Decoded::Ignored(kind)),
    }
}

/// The till as a version of its connector read it that took 10.00 of A1 for 9.00, and could not read
/// what it calls `new`.
static TILL_BEFORE: Connector = Connector { decode: misread_till, ..TILL };

fn misread_till(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    if message.body.windows(5).any(|part| part == br#""new""#) {
        return Err(DecodeError::Unreadable("a kind of payment that is new".to_owned()));
    }
    let mut decoded = read_till(message)?;
    if let Decoded::Documents(documents) = &mut decoded {
        for document in documents {
            let Document::Order(read) = document else { continue };
            for line in read.lines.iter_mut().filter(|line| line.id == "A1") {
                line.gross = money("9.00");
                line.unit_price = line.gross.decimal();
            }
            let total = read.lines.iter().map(|line| line.gross.minor()).sum();
            read.total = Money::from_minor(total, eur());
        }
    }
    Ok(decoded)
}

/// The same hub as it was before its till was read right.
pub fn before_the_correction(hub: &Hub) -> Hub {
    let mut connections = hub.setup.connections.clone();
    for one in connections.values_mut().filter(|one| one.connector.name == TILL.name) {
        one.connector = &TILL_BEFORE;
    }
    let setup = HubSetup {
        environment: hub.setup.environment.clone(),
        connections,
        calendar: Calendar::default(),
    };
    Hub::new(hub.store.clone(), setup)
}

/// The same hub, whose shop is booked from a moment on.
pub fn since(hub: &Hub, moment: Timestamp) -> Hub {
    let mut connections = hub.setup.connections.clone();
    connections.get_mut("shop").expect("a shop").since = moment;
    let setup = HubSetup {
        environment: hub.setup.environment.clone(),
        connections,
        calendar: Calendar::default(),
    };
    Hub::new(hub.store.clone(), setup)
}

/// A message in which the till states some documents whole.
pub fn stating(documents: &[Document]) -> Vec<u8> {
    let bodies: Vec<(String, String)> =
        documents.iter().map(|one| (one.kind().word().to_owned(), one.to_json())).collect();
    let stated = bodies
        .iter()
        .map(|(kind, body)| (kind.clone(), serde_json::from_str(body).expect("JSON")))
        .collect();
    serde_json::to_vec(&Said::Documents(stated)).expect("JSON")
}

pub fn hinting(kind: &str, id: &str) -> Vec<u8> {
    let hint = Hint { kind: kind.to_owned(), external_id: id.to_owned() };
    serde_json::to_vec(&Said::Hints(vec![hint])).expect("JSON")
}

pub fn pushing(id: &str, active: bool) -> Vec<u8> {
    serde_json::to_vec(&Said::Pushes(id.to_owned(), active)).expect("JSON")
}

pub fn connection(name: &str, connector: &'static Connector) -> Connection {
    Connection {
        name: name.to_owned(),
        connector,
        entity: "nl".to_owned(),
        time_zone: "UTC".to_owned(),
        settings: Settings::default(),
        base_url: None,
        secret: None,
        webhook_secrets: Vec::new(),
        account: None,
        since: Timestamp::MIN,
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        ledger_since: None,
        bank_names: vec![name.to_owned()],
        poll_every_s: None,
        calls_per_minute: None,
        completeness: true,
        windows: trueup_hub::talk::Windows::default(),
    }
}

/// So many seconds after the first of June 2026, a Monday.
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-06-01T08:00:00Z".parse().expect("a time");
    start + SignedDuration::from_secs(seconds)
}

pub fn hub() -> Hub {
    let connections = [
        connection("shop", &TILL),
        connection("stripe", &TILL),
        connection("bank", &TILL),
        connection("books", &books::CONNECTOR),
    ];
    let connections = connections.map(|one| (one.name.clone(), one));
    let setup = HubSetup {
        environment: "test".to_owned(),
        connections: BTreeMap::from(connections),
        calendar: Calendar::default(),
    };
    Hub::new(Store::in_memory().expect("a store"), setup)
}

/// A hub whose shop has a mapping.
pub fn mapped() -> Hub {
    let hub = hub();
    approve(&hub, mapping(), 0);
    hub
}

pub fn approve(hub: &Hub, mapping: Mapping, seconds: i64) {
    write(hub, move |tx| mappings::approve(tx, "shop", &mapping, "ada", "first", at(seconds)));
}

pub fn mapping() -> Mapping {
    let gateway = Gateway {
        tender: None,
        provider: Some("stripe".to_owned()),
        journal: "J1".to_owned(),
        inbound_line: "in".to_owned(),
        outbound_line: "out".to_owned(),
    };
    Mapping {
        version: 0,
        entity: "nl".to_owned(),
        target: "books".to_owned(),
        company: "1".to_owned(),
        currency: eur(),
        time_zone: "UTC".to_owned(),
        sales_journal: "sales".to_owned(),
        entry_journal: "TRUP".to_owned(),
        pricelist: None,
        pricelists: BTreeMap::new(),
        warehouse: None,
        customers: CustomerPolicy::One("7".to_owned()),
        goods: GoodsPolicy::Books,
        location: None,
        locations: BTreeMap::new(),
        invoices: InvoicePolicy::Order,
        delivery_addresses: false,
        accounts: BTreeMap::from([("returns".to_owned(), "4095".to_owned())]),
        gateways: BTreeMap::from([("card".to_owned(), gateway)]),
        products: ["A", "B"].map(|sku| (sku.to_owned(), format!("P-{sku}"))).into(),
        bundles: BTreeMap::new(),
        service_products: BTreeMap::from([("discount".to_owned(), "P-disc".to_owned())]),
        taxes: Vec::new(),
    }
}

pub fn eur() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

pub fn money(text: &str) -> Money {
    Money::parse(text, eur()).expect("an amount")
}

pub fn line(id: &str, amount: &str) -> Line {
    Line {
        id: id.to_owned(),
        kind: LineKind::Goods,
        sku: Some(id.chars().take(1).collect()),
        title: format!("goods {id}"),
        quantity: 1,
        unit_price: money(amount).decimal(),
        gross: money(amount),
        discounts: Vec::new(),
        taxes: Vec::new(),
        requires_shipping: true,
    }
}

pub fn order(version: i64, lines: Vec<Line>) -> Order {
    let total = lines.iter().map(|line| line.gross.minor()).sum();
    Order {
        id: "o1".to_owned(),
        number: "#1001".to_owned(),
        customer_reference: None,
        version: Version(version),
        placed_at: at(0),
        due_on: None,
        currency: eur(),
        presentment_total: None,
        taxes_included: false,
        lines,
        charges: Vec::new(),
        total: Money::from_minor(total, eur()),
        payment_standing: PaymentStanding::Pending,
        source: None,
        cancelled_at: None,
        buyer: None,
        test: false,
    }
}

pub fn payment(id: &str, version: i64, kind: PaymentKind, amount: &str) -> Payment {
    Payment {
        id: id.to_owned(),
        order: "o1".to_owned(),
        version: Version(version),
        kind,
        status: PaymentStatus::Succeeded,
        amount: money(amount),
        gateway: "card".to_owned(),
        tender: Tender::Card,
        parent: None,
        refund: None,
        provider_id: Some(format!("ch_{id}")),
        processed_at: at(60),
        test: false,
    }
}

pub fn refund(id: &str, line: &str, amount: &str, money_back: &str) -> Refund {
    Refund {
        id: id.to_owned(),
        order: "o1".to_owned(),
        version: Version(1),
        created_at: at(3600),
        reason: None,
        lines: vec![RefundLine {
            id: format!("{id}-1"),
            line: line.to_owned(),
            quantity: 1,
            amount: money(amount),
            tax: money("0"),
            restock: Restock::None,
            location: None,
        }],
        adjustments: Vec::new(),
        total: money(amount),
        transactions: vec![money_back.to_owned()],
        exchanged_for: Vec::new(),
    }
}

pub fn write<T: Send + 'static>(
    hub: &Hub,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    hub.store.write(work).expect("writable")
}

pub fn read<T>(hub: &Hub, work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> T {
    hub.store.read(work).expect("readable")
}

/// A message comes in at the front door.
pub fn hears(hub: &Hub, connection: &str, name: &str, body: Vec<u8>, seconds: i64) {
    let message = NewMessage {
        connection: connection.to_owned(),
        source_id: name.to_owned(),
        kind: "till/said".to_owned(),
        origin: Origin::Webhook,
        headers: "{}".to_owned(),
        body,
        asked_at: None,
    };
    write(hub, move |tx| receive::record(tx, &message, at(seconds)));
}

/// The answer to a question that left at `asked`.
pub fn answers(hub: &Hub, name: &str, body: Vec<u8>, asked: i64, seconds: i64) {
    let message = NewMessage {
        connection: "shop".to_owned(),
        source_id: name.to_owned(),
        kind: "till/said".to_owned(),
        origin: Origin::Poll,
        headers: String::new(),
        body,
        asked_at: Some(at(asked)),
    };
    write(hub, move |tx| trueup_store::messages::record_read(tx, &message, at(seconds)));
}

/// Runs the pure stages until nothing is due.
pub fn settle(hub: &Hub, seconds: i64) {
    let worker = Worker::alone();
    for _ in 0..1000 {
        let mut done = decode::step(hub, &worker, at(seconds)).expect("decoded");
        done += decide::step(hub, &worker, at(seconds)).expect("decided");
        done += reconcile::step(hub, &worker, at(seconds)).expect("reconciled");
        if done == 0 {
            return;
        }
    }
    panic!("the stages do not come to rest");
}

pub fn states(hub: &Hub, documents: &[Document], seconds: i64) {
    states_from(hub, "shop", documents, seconds);
}

pub fn states_from(hub: &Hub, connection: &str, documents: &[Document], seconds: i64) {
    hears(hub, connection, &format!("m{seconds}"), stating(documents), seconds);
    settle(hub, seconds);
}

pub const ROOT: &str = "shop/sale/o1";

pub fn open_cases(hub: &Hub) -> Vec<String> {
    let mut kinds: Vec<String> =
        read(hub, cases::open_cases).into_iter().map(|case| case.kind).collect();
    kinds.sort();
    kinds
}

pub fn absorbed(hub: &Hub) -> Vec<(String, i64)> {
    read(hub, |tx| cases::absorbed(tx, 99)).into_iter().map(|one| (one.kind, one.times)).collect()
}

/// Net by role of the whole sub-ledger, without what nets to nothing.
pub fn balances(hub: &Hub) -> Vec<(String, i64)> {
    let all = read(hub, facts::balances);
    let some = all.into_iter().filter(|one| one.amount != 0);
    some.map(|one| (one.role, one.amount)).collect()
}

pub fn command(hub: &Hub, fact: &str) -> Option<Shown> {
    let key = format!("test/{ROOT}/{fact}");
    read(hub, |tx| commands::find(tx, &key))
}

pub fn command_state(hub: &Hub, fact: &str) -> String {
    command(hub, fact).map_or_else(|| "none".to_owned(), |command| command.state)
}
