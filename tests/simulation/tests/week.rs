//! The demo's week without a network: both lists are what was planted, nothing else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use trueup::demo::compare::compare;
use trueup::demo::play::{Clock, play};
use trueup::demo::setup;
use trueup_domain::document::{Document, FulfilmentStatus, LineKind, Restock};
use trueup_domain::item::{ItemKind, Side};
use trueup_hub::{Hub, clearing, report};
use trueup_matching::Status;
use trueup_matching::links::{Link, Proof, TenderStanding, worst};
use trueup_odoo::OdooSandbox;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_simulation::rig::{Direct, FrontDoor, lossy};
use trueup_simulation::sold::sales_are_kept;
use trueup_store::facts::LiveItem;
use trueup_store::{Store, StoreError, documents, facts, scans, scopes};

/// What the sub-ledger holds of each provider is what the provider owes and what the books hold, at the
/// end of both months.
fn clearing_is_tied(hub: &Hub, faults: bool, (from, to): (jiff::civil::Date, jiff::civil::Date)) {
    let mut closed: BTreeMap<String, i64> = BTreeMap::new();
    let mut old = Vec::new();
    for month in [from, to] {
        let wanted = clearing::Wanted { month, entity: None };
        let now = Timestamp::UNIX_EPOCH;
        let report = hub.store.read(|tx| clearing::build(tx, hub, &wanted, now)).expect("built");
        let accounts = report.accounts;
        assert_eq!(accounts.len(), 2, "{accounts:#?}");
        for account in accounts {
            let opening = closed.insert(account.provider.clone(), account.closing.minor());
            assert_eq!(opening.unwrap_or(0), account.opening.minor(), "{account:#?}");
            assert!(!account.captured.is_zero(), "{account:#?}");
            assert!(account.owed.unexplained.is_zero(), "{account:#?}");
            // The refund of a sale from before the beginning is the provider's alone.
            let steps = account.owed.steps.iter().filter(|it| it.name.contains("not booked here"));
            old.extend(steps.map(|it| it.amount.to_string()));
            let tie = account.tie.as_ref().expect("the books state it");
            assert!(tie.unexplained.is_zero(), "{account:#?}");
        }
    }
    let planted: &[&str] = if faults { &["65.09 USD"] } else { &[] };
    assert_eq!(old, planted);
}

struct Played {
    hub: Hub,
    week: Week,
    world: Rc<RefCell<World>>,
    clock: Clock,
    /// How far statements read meanwhile.
    scans: BTreeMap<String, i32>,
}

fn played(store: Store, settings: WeekSettings) -> Played {
    let mut week = Week::new(settings);
    let mut world = World::new(true).expect("a world");
    week.prepare(&mut world);
    let odoo = world.odoo.as_ref().expect("an Odoo");
    let mappings: BTreeMap<_, _> = ["us", "eu"]
        .into_iter()
        .map(|entity| (entity.to_owned(), odoo.demo_mapping(entity).expect("a mapping")))
        .collect();
    let clock = Clock::at(week.start());
    let hub = setup::hub(store, None, None, week.start(), "test").expect("a hub");
    setup::approve(&hub, &mappings, week.start()).expect("approved");
    let world = Rc::new(RefCell::new(world));
    let mut transport = lossy(Direct::new(&world, &clock));
    let mut door = FrontDoor::new(&hub, &clock);
    let acting = Rc::clone(&world);
    let mut act = |f: &mut dyn FnMut(&mut World)| f(&mut acting.borrow_mut());
    scans::take();
    play(&hub, &mut week, &clock, &mut act, &mut door, &mut transport, None, &mut |_| {})
        .expect("the week");
    drop(door);
    Played { hub, week, world, clock, scans: scans::take() }
}

fn run(store: Store, orders: u32, seed: u64, faults: bool) {
    let settings = WeekSettings { orders, seed, faults, ..WeekSettings::default() };
    let Played { hub, week, world, clock, .. } = played(store, settings);
    let report = hub
        .store
        .read(|tx| {
            report::build(
                tx,
                settings.start,
                settings.start + jiff::Span::new().days(6),
                clock.now(),
            )
        })
        .expect("a report");
    for row in &report.days {
        println!("{:?} {} {} {:?}", row.day, row.currency, row.orders, row.overall);
    }
    for row in &report.totals {
        println!("{} {} {:#?}", row.currency, row.orders, row.links);
    }
    for case in &report.open {
        println!("OPEN {} {:?} {} | {}", case.kind, case.amount, case.title, case.detail);
    }
    for one in &report.absorbed {
        println!("ABSORBED {} {} ×{}", one.kind, one.detail, one.times);
    }
    println!("planted: {:#?}", week.planted);
    let bridges = hub.store.read(|tx| trueup_hub::bridges::build(tx, &hub)).expect("the bridges");
    assert_eq!(bridges.len(), 8, "each side states its totals: {bridges:#?}");
    for bridge in &bridges {
        assert!(bridge.unexplained.is_zero(), "{bridge:#?}");
    }
    let days = (settings.start, settings.start + jiff::Span::new().days(6));
    clearing_is_tied(&hub, faults, days);
    proofs_are_kept(&hub.store, &report);
    sales_are_kept(&hub).expect("kept as the documents say");
    sales_are_explained(&hub, &report);
    let sold = world.borrow();
    goods_are_as_the_channel_says(&hub.store, &report, sold.odoo.as_ref().expect("an Odoo"));
    let comparison = compare(&week.planted, &report);
    assert!(comparison.is_exact(), "{comparison:#?}");
    trueup_simulation::oracle::in_transit_is_itemised(&hub).expect("itemised");
    let lines = hub.store.read(|tx| facts::items_of_kind(tx, ItemKind::BankLine));
    assert!(!lines.expect("the lines").is_empty(), "the bank showed something");
    let unbalanced = hub.store.read(trueup_store::facts::unbalanced).expect("a check");
    assert!(unbalanced.is_empty(), "{unbalanced:?}");
}

/// Every bridge of the sales report ends in nothing unexplained, and its rows sum to its totals.
fn sales_are_explained(hub: &Hub, report: &report::Report) {
    use trueup_hub::sales::{self, Dimension, Wanted};
    let day = |text: &str| text.parse().expect("a day");
    let build = |by: &[Dimension]| {
        let wanted = Wanted::new(day(&report.from), day("2099-12-31"), by.to_vec());
        let now = report.as_of.parse().expect("a moment");
        hub.store.read(|tx| sales::build(tx, hub, &wanted, now)).expect("a report")
    };
    let whole = build(&[Dimension::Channel]);
    let books = whole.bridges.iter().filter(|bridge| bridge.name.contains("books of"));
    assert_eq!(books.count(), 2, "one of each entity: {:#?}", whole.bridges);
    assert!(!whole.totals.is_empty());
    for bridge in &whole.bridges {
        assert!(bridge.unexplained.is_zero(), "{bridge:#?}");
    }
    taxes_are_tied(hub, report);
    for by in Dimension::ALL {
        let divided = build(&[*by]);
        let mut sums = BTreeMap::new();
        for row in &divided.rows {
            let sum: &mut trueup_domain::sales::figures::Figures =
                sums.entry(row.currency).or_default();
            sum.add_all(&row.figures).expect("sums that fit");
        }
        let totals = whole.totals.iter().map(|line| (line.currency, line.figures.clone()));
        assert_eq!(sums, totals.collect(), "by {by}");
    }
}

/// Of each sale as many units are delivered in the books as its channel says left and did not come
/// back.
fn goods_are_as_the_channel_says(store: &Store, report: &report::Report, odoo: &OdooSandbox) {
    let sales = store
        .read(|tx| {
            let sales = documents::sales_between(tx, &report.from, &report.to)?;
            let all = sales.into_iter().map(|sale| {
                let stated = documents::of_root(tx, &sale.id)?;
                Ok((sale, stated.into_iter().map(|(document, _)| document).collect()))
            });
            all.collect::<Result<Vec<(_, Vec<Document>)>, StoreError>>()
        })
        .expect("the sales");
    let mut moved = 0;
    for (sale, documents) in sales {
        let is_goods = |id: &str| {
            documents.iter().any(|document| match document {
                Document::Order(order) => {
                    order.lines.iter().any(|it| it.id == id && it.kind == LineKind::Goods)
                }
                _ => false,
            })
        };
        let (mut left, mut back) = (0, 0);
        for document in &documents {
            match document {
                Document::Fulfilment(it) if it.status == FulfilmentStatus::Succeeded => {
                    let lines = it.lines.iter().filter(|line| is_goods(&line.line));
                    left += lines.map(|line| line.quantity).sum::<i64>();
                }
                Document::Refund(it) => {
                    let lines = it.lines.iter().filter(|line| line.restock == Restock::Returned);
                    let lines = lines.filter(|line| is_goods(&line.line));
                    back += lines.map(|line| line.quantity).sum::<i64>();
                }
                _ => {}
            }
        }
        if !matches!(sale.state.as_str(), "paid" | "partially_refunded" | "refunded") {
            continue;
        }
        let shop = sale.id.split('/').next().expect("a connection");
        let origin = json!([["origin", "=", format!("{shop} {}", sale.number)]]);
        let lines = odoo.read_all("sale.order", &origin, &["order_line"]);
        let lines: Vec<i64> = lines
            .iter()
            .flat_map(|order| order["order_line"].as_array().cloned().unwrap_or_default())
            .filter_map(|id| id.as_i64())
            .collect();
        let lines =
            odoo.read_all("sale.order.line", &json!([["id", "in", lines]]), &["qty_delivered"]);
        let units = |line: &Value| line["qty_delivered"].to_string().parse::<Decimal>().ok();
        let delivered: Decimal = lines.iter().filter_map(units).sum();
        assert_eq!(delivered, Decimal::from(left - back), "{} {}", sale.id, sale.number);
        moved += left;
    }
    assert!(moved > 0, "something was shipped");
}

/// Each tax of each whole month is what the books' own tax lines say, or every cent is explained.
fn taxes_are_tied(hub: &Hub, report: &report::Report) {
    use trueup_hub::taxes::{self, Wanted};
    let day = |text: &str| -> jiff::civil::Date { text.parse().expect("a day") };
    let wanted = Wanted {
        from: day(&report.from).first_of_month(),
        to: day("2099-12-31"),
        periods: trueup_domain::sales::calendar::Periods::Month,
        channel: None,
        entity: None,
    };
    let now = report.as_of.parse().expect("a moment");
    let taxes = hub.store.read(|tx| taxes::build(tx, hub, &wanted, now)).expect("a report");
    assert!(taxes.ties.len() >= 2, "each entity has a tax: {:#?}", taxes.ties);
    for tie in &taxes.ties {
        assert!(tie.bridge.unexplained.is_zero(), "{tie:#?}");
    }
}

/// The projection says of each sale what all items and scopes say, read without it; and the report
/// sums it up.
fn proofs_are_kept(store: &Store, report: &report::Report) {
    let (scopes, items, sales) = store
        .read(|tx| {
            let mut items = Vec::new();
            for kind in ItemKind::ALL {
                items.extend(facts::items_of_kind(tx, *kind)?);
            }
            let sales = documents::sales_between(tx, &report.from, &report.to)?;
            Ok((scopes::all(tx)?, items, sales))
        })
        .expect("the whole store");
    let statuses: BTreeMap<String, Status> = scopes
        .into_iter()
        .map(|it| (it.key, Status::parse(&it.verdict.status).unwrap_or(Status::NotDue)))
        .collect();
    let status = |key: &str| statuses.get(key).copied().unwrap_or(Status::NotDue);
    let mut days: BTreeMap<(String, &str, &str), (i64, i64)> = BTreeMap::new();
    for sale in sales.iter().filter(|sale| sale.state != "test") {
        let (mut documents, mut tenders) = (Vec::new(), Vec::new());
        let own = items.iter().filter(|it| it.root == sale.id && it.item.side == Side::Channel);
        for LiveItem { item, .. } in own {
            if !matches!(item.kind, ItemKind::Capture | ItemKind::RefundPaid) {
                documents.push(status(&item.key));
                continue;
            }
            let tender = status(&item.key);
            let rows: Vec<&LiveItem> = items
                .iter()
                .filter(|it| it.item.side == Side::Settlement && it.item.key == item.key)
                .collect();
            let payouts: Vec<&str> = rows
                .iter()
                .filter_map(|row| {
                    let kind = ItemKind::PayoutRow;
                    items.iter().find(|it| it.root == row.root && it.item.kind == kind)
                })
                .map(|it| it.item.key.as_str())
                .collect();
            let bank = |payout: &&str| match payout.strip_prefix("payout/") {
                Some(id) => {
                    let bank = statuses.get(&format!("bank/{id}"));
                    bank.copied().unwrap_or(Status::NotApplicable)
                }
                None => Status::NotDue,
            };
            let none = Status::NotApplicable;
            let (payout, bank) = match () {
                () if item.key.contains("_transfer/") => (none, tender),
                () if item.key.contains("_tender/") => (none, none),
                () if rows.is_empty() => (Status::NotDue, Status::NotDue),
                () => (
                    worst(&payouts.iter().map(|key| status(key)).collect::<Vec<_>>()),
                    worst(&payouts.iter().map(bank).collect::<Vec<_>>()),
                ),
            };
            tenders.push(TenderStanding { tender, payout, bank });
        }
        let proof = Proof::of(&documents, &tenders);
        let day = sale.day.clone().unwrap_or_default();
        let mut add = |link: &'static str, status: Status| {
            let sums = days.entry((day.clone(), link, status.word())).or_default();
            sums.0 += 1;
            sums.1 += sale.amount.unwrap_or(0);
        };
        add("all", proof.overall());
        for link in Link::ALL {
            add(link.word(), proof.link(link));
        }
    }
    let mut reported: BTreeMap<(String, &str, &str), (i64, i64)> = BTreeMap::new();
    for row in &report.days {
        let day = row.day.clone().unwrap_or_default();
        let links = row.links.iter().map(|(link, by)| (*link, by));
        for (link, by_status) in links.chain([("all", &row.overall)]) {
            for (status, tally) in by_status {
                let sums = reported.entry((day.clone(), link, *status)).or_default();
                sums.0 += tally.orders;
                sums.1 += tally.minor;
            }
        }
    }
    assert_eq!(reported, days);
}

fn in_memory() -> Store {
    Store::in_memory().expect("a store")
}

#[test]
fn a_quiet_week_ends_without_any_difference() {
    run(in_memory(), 12, 3, false);
}

#[test]
fn what_was_planted_is_found_and_nothing_else() {
    run(in_memory(), 60, 1, true);
}

/// What runs while a week goes by reads what is open, never through what was done: four times as many
/// orders make no statement read further.
#[test]
fn no_statement_reads_further_the_longer_the_history_is() {
    // What is in no entry yet, and what is not sealed yet: open itself.
    const OPEN: [&str; 2] = ["FROM summary_rows WHERE entry IS NULL", "WHERE number IS NULL"];
    let scans = |orders| {
        let settings = WeekSettings { orders, seed: 3, ..WeekSettings::default() };
        played(in_memory(), settings).scans
    };
    let (few, many) = (scans(30), scans(120));
    assert!(!few.is_empty(), "scans are counted");
    for (sql, rows) in many {
        let before = few.get(&sql).copied().unwrap_or_default();
        let text = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_open = OPEN.iter().any(|open| text.contains(open));
        assert!(is_open || rows <= before + 5, "{rows} rows instead of {before}: {text}");
    }
}

/// The same on PostgreSQL, where `TRUEUP_TEST_PG` names a server: what every report asks is answered by
/// both databases.
#[test]
fn what_was_planted_is_found_on_postgres() {
    let Ok(admin) = std::env::var("TRUEUP_TEST_PG") else {
        eprintln!("TRUEUP_TEST_PG is not set: nothing was played on PostgreSQL");
        return;
    };
    let name = format!("trueup_week_{}", std::process::id());
    let (server, _) = admin.rsplit_once('/').expect("a database in the url");
    let execute = |sql: String| {
        let mut client = postgres::Client::connect(&admin, postgres::NoTls).expect("the server");
        client.batch_execute(&sql).expect("executed");
    };
    execute(format!("CREATE DATABASE {name} TEMPLATE template0"));
    run(Store::open_postgres(&format!("{server}/{name}")).expect("a store"), 24, 1, true);
    execute(format!("DROP DATABASE {name} WITH (FORCE)"));
}
