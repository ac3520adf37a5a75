//! Each page of the console over a long history, against the same page of a short one: what a person
//! looks at must not take longer because the shop is older.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;
use trueup::demo::setup;
use trueup_domain::document::{
    Document, LedgerRow, Order, Payment, PaymentKind, PaymentStanding, PaymentStatus, Remitter,
    Root, RootKind, RowClass, Tender, Version,
};
use trueup_domain::fact::{Change, Fact, FactContent, FactKey};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::mapping::Regime;
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::figures::{Figures, Measure};
use trueup_domain::sales::sale::{Contribution, SaleRow};
use trueup_domain::sales::tax::{TaxKey, TaxRow};
use trueup_hub::{Hub, Worker, reconcile};
use trueup_sandbox::world::{SHOP_US, STRIPE};
use trueup_server::ServerState;
use trueup_store::documents::{DueRoot, Standing};
use trueup_store::facts::Place;
use trueup_store::messages::{self, NewMessage, Origin, Recorded};
use trueup_store::{Store, Tx, documents, facts, sales};

/// Orders of one day, in the short history and in the long one.
const A_DAY: u32 = 150;
const SHORT: u32 = 300;
const LONG: u32 = 20_000;
/// So many orders share a payout.
const IN_A_PAYOUT: u32 = 75;
/// One order in so many is not in the books.
const BROKEN: u32 = 200;
/// SKUs, and places that tax.
const SKUS: u32 = 50;
const PLACES: u32 = 9;
const TIMES: usize = 7;
const ENTITY: &str = "us";
const FIRST: Date = date(2026, 1, 1);

pub fn measure() -> Result<()> {
    let short = History::new(SHORT)?;
    let began = Instant::now();
    let long = History::new(LONG)?;
    println!(
        "views: {LONG} orders of {} days, written and reconciled in {} s",
        LONG.div_ceil(A_DAY),
        began.elapsed().as_secs()
    );
    println!("{:<28} {:>12} {:>12} {:>8}", "view", "300 orders", "20,000", "ratio");
    type Path = fn(&History) -> String;
    let views: [(&str, Path); 14] = [
        ("overview, the last 2 days", |it| {
            let from = it.last.saturating_sub(1.day());
            format!("/?from={from}&to={}", it.last)
        }),
        ("overview, as it opens", |_| "/".to_owned()),
        ("orders, first page", |_| "/orders".to_owned()),
        ("orders, broken", |_| "/orders?status=broken".to_owned()),
        ("orders, by number", |it| format!("/orders?search=%23{}", it.orders / 2)),
        ("one order", |it| format!("/orders/{SHOP_US}/sale/{}", it.orders / 2)),
        ("bridges", |_| "/bridges".to_owned()),
        ("cases", |_| "/cases".to_owned()),
        ("connections", |_| "/connections".to_owned()),
        ("journal", |_| "/journal".to_owned()),
        ("sales, the last 2 days", |it| {
            let from = it.last.saturating_sub(1.day());
            format!("/reports/sales?by=day&from={from}&to={}", it.last)
        }),
        ("sales, every day, by month", |it| {
            format!("/reports/sales?by=month&from={FIRST}&to={}", it.last)
        }),
        ("tax, the last 2 days", |it| {
            let from = it.last.saturating_sub(1.day());
            format!("/reports/tax?from={from}&to={}", it.last)
        }),
        ("metrics", |_| "/metrics".to_owned()),
    ];
    for (name, path) in views {
        let (little, much) = (short.time(&path(&short))?, long.time(&path(&long))?);
        println!(
            "{name:<28} {:>9} ms {:>9} ms {:>8}",
            tenths(little / 100),
            tenths(much / 100),
            tenths(much * 10 / little.max(1))
        );
    }
    Ok(())
}

fn tenths(value: u128) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// A shop with so many orders behind it, all sides of them stated and judged.
struct History {
    orders: u32,
    last: Date,
    address: std::net::SocketAddr,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl History {
    fn new(orders: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Store::open_sqlite(&folder.path().join("views.sqlite"))?;
        let hub = setup::hub(store, None, None, moment(FIRST), "bench")?;
        let last = day_of(orders - 1);
        let now = moment(last.saturating_add(30.days()));
        for group in 0..orders.div_ceil(IN_A_PAYOUT) {
            hub.store.write(move |tx| {
                let mut net = 0;
                for number in group * IN_A_PAYOUT..orders.min((group + 1) * IN_A_PAYOUT) {
                    net += sale(tx, number, group)?;
                }
                payout(tx, group, net)
            })?;
        }
        while reconcile::step(&hub, &Worker::alone(), now)? > 0 {}
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let address = runtime.block_on(serve(hub, now))?;
        Ok(Self { orders, last, address, runtime, _folder: folder })
    }

    /// The fastest of some times, in microseconds.
    fn time(&self, path: &str) -> Result<u128> {
        let url = format!("http://{}{path}", self.address);
        let client = reqwest::Client::new();
        let mut best = Duration::MAX;
        for _ in 0..TIMES {
            let began = Instant::now();
            let status = self.runtime.block_on(async {
                let response = client.get(&url).send().await?;
                let status = response.status();
                response.bytes().await?;
                anyhow::Ok(status)
            })?;
            best = best.min(began.elapsed());
            ensure!(status.is_success(), "{path}: {status}");
        }
        Ok(best.as_micros())
    }
}

async fn serve(hub: Hub, now: Timestamp) -> Result<std::net::SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr().context("an address")?;
    let state = ServerState::new(hub, Arc::new(move || now));
    tokio::spawn(trueup_server::listen(state, listener, std::future::pending()));
    Ok(address)
}

fn money(minor: i64) -> Result<Money, trueup_store::StoreError> {
    let currency = Currency::parse("USD").map_err(trueup_store::StoreError::corrupt)?;
    Ok(Money::from_minor(minor, currency))
}

fn day_of(number: u32) -> Date {
    FIRST.saturating_add(i64::from(number / A_DAY).days())
}

fn moment(day: Date) -> Timestamp {
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map(|day| day.timestamp());
    midnight.unwrap_or(Timestamp::UNIX_EPOCH) + SignedDuration::from_hours(12)
}

/// A sale that is ordered, invoiced, paid and in a payout. Returns its net in the payout.
fn sale(tx: &mut Tx<'_>, number: u32, group: u32) -> trueup_store::Result<i64> {
    let id = number.to_string();
    let day = day_of(number);
    let at = moment(day);
    let total = 1_000 + i64::from(number % 9_000);
    let fee = 30 + total / 50;
    let message = message(tx, &id, at)?;
    let order = Order {
        id: id.clone(),
        number: format!("#{id}"),
        customer_reference: None,
        version: Version(1),
        placed_at: at,
        due_on: None,
        currency: money(0)?.currency(),
        presentment_total: None,
        taxes_included: true,
        lines: Vec::new(),
        charges: Vec::new(),
        total: money(total)?,
        payment_standing: PaymentStanding::Paid,
        source: None,
        cancelled_at: None,
        buyer: None,
        test: false,
    };
    documents::put(tx, SHOP_US, &Document::from(order), &message, None, at)?;
    let payment = Payment {
        id: format!("p{id}"),
        order: id.clone(),
        version: Version(1),
        kind: PaymentKind::Sale,
        status: PaymentStatus::Succeeded,
        amount: money(total)?,
        gateway: "stripe".to_owned(),
        tender: Tender::Card,
        parent: None,
        refund: None,
        provider_id: Some(format!("ch_{id}")),
        processed_at: at,
        test: false,
    };
    documents::put(tx, SHOP_US, &Document::from(payment), &message, None, at)?;
    let row = LedgerRow {
        id: format!("txn_{id}"),
        class: RowClass::Capture,
        kind: "charge".to_owned(),
        gross: money(total)?,
        fee: money(fee)?,
        net: money(total - fee)?,
        fees: Vec::new(),
        presentment: None,
        object: Some(format!("ch_{id}")),
        capture: None,
        order: None,
        payout: Some(format!("po_{group}")),
        occurred_at: at,
        available_on: None,
        description: None,
    };
    documents::put(tx, STRIPE, &Document::from(row), &message, None, at)?;
    let root = Root { kind: RootKind::Sale, external_id: id.clone() };
    let due = DueRoot {
        id: documents::root_id(SHOP_US, &root),
        connection: SHOP_US.to_owned(),
        root,
        arrived: 2,
        attempts: 0,
        mapping_version: None,
    };
    let standing = Standing {
        number: format!("#{id}"),
        state: "paid".to_owned(),
        day: Some(day.to_string()),
        amount: Some(total),
        currency: Some("USD".to_owned()),
        entity: Some(ENTITY.to_owned()),
        waiting: None,
        mapping_version: Some(1),
    };
    documents::decided(tx, &due, &standing, at)?;
    let order_key = format!("order/{SHOP_US}/{id}");
    let capture_key = format!("capture/{STRIPE}/ch_{id}");
    let payout_key = format!("payout/{STRIPE}/po_{group}");
    let row_root = format!("{STRIPE}/ledger_row/txn_{id}");
    let mut sides = vec![
        (&due.id, Side::Channel, ItemKind::Document, &order_key, total),
        (&due.id, Side::Channel, ItemKind::Capture, &capture_key, total),
        (&row_root, Side::Settlement, ItemKind::Capture, &capture_key, total),
        (&row_root, Side::Settlement, ItemKind::PayoutRow, &payout_key, total - fee),
    ];
    let books = format!("odoo/books/{id}");
    if number % BROKEN != 7 {
        sides.push((&books, Side::Books, ItemKind::Document, &order_key, total));
        sides.push((&books, Side::Books, ItemKind::Capture, &capture_key, total));
    }
    for (root, side, kind, key, minor) in sides {
        item(tx, root, (side, kind), key, minor, day)?;
    }
    documents::expect(tx, &due.id)?;
    sold(tx, &due.id, number, total, day)?;
    Ok(total - fee)
}

/// What the sale adds to the reports: one unit of one of some SKUs.
fn sold(
    tx: &mut Tx<'_>,
    root: &str,
    number: u32,
    total: i64,
    day: Date,
) -> trueup_store::Result<()> {
    let document = format!("order/{number}");
    let row = |sku: &str, measures: [(Measure, i64); 2]| {
        let mut figures = Figures::default();
        for (measure, amount) in measures {
            figures.add(measure, amount).map_err(trueup_store::StoreError::corrupt)?;
        }
        let (document, sku) = (document.clone(), sku.to_owned());
        trueup_store::Result::Ok(SaleRow {
            document,
            sku,
            day,
            order_day: day,
            excluded: "",
            figures,
        })
    };
    let rows = vec![
        row("", [(Measure::Stated, total), (Measure::Orders, 1)])?,
        row(&format!("SKU{}", number % SKUS), [(Measure::Gross, total), (Measure::Units, 1)])?,
    ];
    let key = TaxKey {
        regime: Regime::Domestic,
        jurisdiction: format!("US-{}", number % PLACES),
        rate: Decimal::new(8, 2),
        remitted_by: Remitter::Merchant,
        target: "1".to_owned(),
    };
    let taxes =
        vec![TaxRow { document: document.clone(), key, day, order_day: day, base: total, tax: 0 }];
    let currency = money(0)?.currency();
    let now = Contribution { source: "web".to_owned(), currency, rows, taxes };
    let place = sales::Place { root, entity: ENTITY, connection: SHOP_US };
    sales::put(tx, &[(place, Some(&now))])
}

fn payout(tx: &mut Tx<'_>, group: u32, net: i64) -> trueup_store::Result<()> {
    let day = day_of(group * IN_A_PAYOUT).saturating_add(2.days());
    let root = format!("{STRIPE}/payout/po_{group}");
    for word in ["payout", "bank"] {
        let key = format!("{word}/{STRIPE}/po_{group}");
        item(tx, &root, (Side::Settlement, ItemKind::Payout), &key, net, day)?;
    }
    Ok(())
}

fn item(
    tx: &mut Tx<'_>,
    root: &str,
    (side, kind): (Side, ItemKind),
    key: &str,
    minor: i64,
    day: Date,
) -> trueup_store::Result<()> {
    let item = Item {
        side,
        kind,
        key: key.to_owned(),
        amount: money(minor)?,
        date: day,
        due: Some(day),
        hints: Vec::new(),
    };
    let change = Change::Add {
        fact: Fact { key: FactKey::new("item", key), content: FactContent::Item(item) },
        generation: 1,
        content_hash: String::new(),
        replaces: None,
    };
    let now = moment(day);
    let place = Place {
        environment: "bench",
        root,
        entity: ENTITY,
        mapping_version: 1,
        now,
        ledger_since: None,
        newest: None,
    };
    facts::apply(tx, place, &change)
}

fn message(tx: &mut Tx<'_>, id: &str, at: Timestamp) -> trueup_store::Result<String> {
    let new = NewMessage {
        connection: SHOP_US.to_owned(),
        source_id: format!("orders/{id}"),
        kind: "orders/create".to_owned(),
        origin: Origin::Webhook,
        headers: "{}".to_owned(),
        body: format!("{{\"id\":{id}}}").repeat(300).into_bytes(),
        asked_at: None,
    };
    let (Recorded::Stored(id) | Recorded::Repeat(id)) = messages::record(tx, &new, at)?;
    messages::finish(tx, &id, messages::Fate::Decoded, None)?;
    Ok(id)
}
