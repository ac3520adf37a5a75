//! P4: what left a location in a day moves in one transfer, on the sandbox and on a real Odoo 19 alike.

mod common;

use common::road::{Road, SHOP_US};
use common::till::Till;
use common::{Books, Played, Real, applied, cents, deliver, facts, goods, set_up, trial_balance};
use serde_json::{Value, json};
use trueup_connect::conversation::Dispatch;
use trueup_connect::{ReceiptOutcome, Request};
use trueup_domain::document::{Document, Fulfilment, FulfilmentLine, FulfilmentStatus, Version};
use trueup_domain::mapping::{GoodsPolicy, Mapping};
use trueup_domain::money::Currency;
use trueup_domain::posting::Posting;
use trueup_hub::trace;
use trueup_odoo::sandbox::OdooSandbox;

fn on_both(name: &str, check: impl Fn(&mut dyn Books)) {
    check(&mut Played(OdooSandbox::bare()));
    if let Some(mut real) = Real::fresh(name) {
        check(&mut real);
    }
}

fn write(books: &mut dyn Books, model: &str, id: i64, vals: &Value) {
    let arguments = json!({ "ids": [id], "vals": vals });
    let request = Request::post_json(format!("/json/2/{model}/write"), &arguments);
    let reply = books.send(&request, true).expect("a reply");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
}

fn stock_location(books: &dyn Books) -> i64 {
    let own = json!([["company_id", "=", 1]]);
    let found = books.read("stock.warehouse", own, &["lot_stock_id"]);
    found[0]["lot_stock_id"][0].as_i64().expect("a location")
}

fn product(us: &Mapping, sku: &str) -> i64 {
    us.products[sku].parse().expect("an id")
}

/// What the finished moves of a product come to: units that left less those that came back.
fn moved(books: &dyn Books, us: &Mapping, sku: &str) -> i64 {
    let own = json!([["product_id", "=", product(us, sku)], ["state", "=", "done"]]);
    let rows = books.read("stock.move", own, &["quantity", "location_dest_usage"]);
    let units = |row: &Value| {
        let sign = if row["location_dest_usage"] == json!("customer") { 1 } else { -1 };
        sign * cents(&row["quantity"]) / 100
    };
    rows.iter().map(units).sum()
}

/// What Odoo has on hand of a product, which only a real one counts.
fn on_hand(books: &dyn Books, us: &Mapping, sku: &str, location: i64) -> Option<i64> {
    if books.name() != "real" {
        return None;
    }
    let own = json!([["product_id", "=", product(us, sku)], ["location_id", "=", location]]);
    let rows = books.read("stock.quant", own, &["quantity"]);
    Some(rows.iter().map(|row| cents(&row["quantity"]) / 100).sum())
}

fn pickings(books: &dyn Books) -> Vec<Value> {
    books.read("stock.picking", json!([]), &["state", "origin", "partner_id", "date_done"])
}

#[test]
fn a_day_is_one_transfer_each_way_on_its_own_day_and_nobody_is_told() {
    on_both("goodsday", |books| {
        let (us, _) = set_up(books);
        let stock = stock_location(books);
        for sku in ["TEE-S", "MUG-01"] {
            write(books, "product.product", product(&us, sku), &json!({ "is_storable": true }));
        }
        let out = [("TEE-S", 5), ("MUG-01", 2), ("service:shipping", 1)];
        let first = facts::transfer(&us, "a", stock, &out, &[("TEE-S", 1)]);
        write(books, "res.company", 1, &json!({ "stock_move_email_validation": true }));
        let receipts = deliver(books, std::slice::from_ref(&first));
        let ReceiptOutcome::Refused { error } = &receipts[0] else {
            panic!("{}: it would mail: {:?}", books.name(), receipts[0])
        };
        assert_eq!(error.code(), "TU104", "{}", books.name());
        assert!(pickings(books).is_empty(), "{}: nothing is made", books.name());
        write(books, "res.company", 1, &json!({ "stock_move_email_validation": false }));
        let made = applied(books, &first);
        assert_eq!(made.split(',').count(), 2, "{}: {made}", books.name());
        let again = Dispatch { again: true, ..first };
        assert_eq!(applied(books, &again), made, "{}: once more, nothing moves", books.name());
        let held = pickings(books);
        assert_eq!(held.len(), 2, "{}: {held:?}", books.name());
        for one in &held {
            assert_eq!(one["state"], json!("done"), "{}", books.name());
            assert_eq!(one["partner_id"], json!(false), "{}", books.name());
            assert_eq!(one["date_done"], json!("2026-11-02 17:00:00"), "{}", books.name());
        }
        assert_eq!((moved(books, &us, "TEE-S"), moved(books, &us, "MUG-01")), (4, 2));
        assert_eq!(on_hand(books, &us, "TEE-S", stock).unwrap_or(-4), -4);
        assert_eq!(on_hand(books, &us, "MUG-01", stock).unwrap_or(-2), -2);
        // What takes it back brings the stock where it was.
        let undo = facts::transfer(&us, "a/rev", stock, &[("TEE-S", 1)], &out);
        applied(books, &undo);
        assert_eq!((moved(books, &us, "TEE-S"), moved(books, &us, "MUG-01")), (0, 0));
        assert_eq!(on_hand(books, &us, "TEE-S", stock).unwrap_or(0), 0);
        assert!(trial_balance(books, 1).is_empty(), "{}: goods make no entry", books.name());
        if books.name() == "real" {
            let said = |model: &str| books.read(model, json!([]), &["id"]).len();
            assert_eq!((said("sms.sms"), said("mail.mail")), (0, 0));
        }
    });
}

#[test]
fn what_odoo_cannot_move_exactly_is_left_out_and_said() {
    on_both("goodsleft", |books| {
        let (us, _) = set_up(books);
        let stock = stock_location(books);
        let lot = json!({ "is_storable": true, "tracking": "lot" });
        write(books, "product.product", product(&us, "MUG-01"), &lot);
        let mut gone = us.clone();
        gone.products.insert("GONE".to_owned(), "999999".to_owned());
        let out = [("TEE-S", 1), ("MUG-01", 2), ("GONE", 3)];
        let nowhere = facts::transfer(&us, "b", 999_999, &[("TEE-S", 1)], &[]);
        let customers = facts::transfer(&us, "c", 2, &[("TEE-S", 1)], &[]);
        let service = facts::transfer(&us, "d", stock, &[("service:shipping", 1)], &[]);
        let commands = [facts::transfer(&gone, "a", stock, &out, &[]), nowhere, customers, service];
        let receipts = deliver(books, &commands);
        let ReceiptOutcome::Applied { differs, .. } = &receipts[0] else {
            panic!("{}: {:?}", books.name(), receipts[0]);
        };
        let [mugs, gone] = differs.as_slice() else { panic!("{differs:?}") };
        assert!(mugs.starts_with("2 of MUG-01 left and are not moved"), "{mugs}");
        assert!(mugs.contains("lot or serial number"), "{mugs}");
        assert_eq!(gone, "3 of GONE left and are not moved: Odoo has no such product");
        assert_eq!((moved(books, &us, "TEE-S"), moved(books, &us, "MUG-01")), (1, 0));
        assert_eq!(goods::refusal(&receipts[1]), "bad_location");
        assert_eq!(goods::refusal(&receipts[2]), "bad_location");
        match &receipts[3] {
            ReceiptOutcome::Applied { binding, .. } => assert_eq!(binding, "nothing to move"),
            other => panic!("{other:?}"),
        }
        assert_eq!(pickings(books).len(), 1, "{}", books.name());
    });
}

/// An order of two tees, paid; and sent, where that is told.
fn sold(name: &str, sent: bool) -> Vec<Document> {
    let currency = Currency::parse("USD").expect("a currency");
    let till =
        Till { order: name.to_owned(), currency, included: false, place: ("US", Some("NY")) };
    let tax = till.tax("0.08", "4.00");
    let order = till.order(vec![till.goods("TEE-S", 2, "25.00", &[tax])], Vec::new());
    let line = order.lines[0].id.clone();
    let shipment = Fulfilment {
        id: format!("{name}-f1"),
        order: order.id.clone(),
        version: Version(1),
        status: FulfilmentStatus::Succeeded,
        created_at: "2026-11-03T10:00:00Z".parse().expect("a moment"),
        location: None,
        lines: vec![FulfilmentLine { line, quantity: 2 }],
        tracking: Vec::new(),
    };
    let mut documents = vec![order.into(), till.paid("p1", "stripe", "54.00")];
    if sent {
        documents.push(shipment.into());
    }
    documents
}

/// The transfers of a root: number, state, and the units in each.
fn transfers(road: &Road, root: &str) -> Vec<String> {
    let root = root.to_owned();
    let found = road.hub.store.read(move |tx| trace::trace(tx, &root)).expect("readable");
    let entries = found.map(|it| it.entries).unwrap_or_default();
    let told = entries.iter().filter(|one| one.summary.contains("/goods/")).map(|one| {
        let state = one.state.as_deref().unwrap_or("not asked for");
        format!("{} {state}: {}", one.number, one.units.join(" + "))
    });
    told.collect()
}

#[test]
fn many_shipments_are_one_transfer_and_each_is_found_in_it() {
    on_both("goodsmany", |books| {
        let (us, eu) = set_up(books);
        let stock = stock_location(books);
        let us = Mapping { goods: GoodsPolicy::Day, location: Some(stock.to_string()), ..us };
        let mut road = Road::posting(&us, &eu, Posting::Day);
        let days =
            [vec![sold("A", true), sold("B", true), sold("C", false)], vec![sold("C", true)]];
        for told in &days {
            for documents in told {
                road.tell(SHOP_US, documents);
            }
            road.deliver(books);
            road.wait(10);
            road.deliver(books);
            road.deliver(books);
        }
        let told = transfers(&road, &format!("{SHOP_US}/summary/2026-11-03/goods/{stock}"));
        assert_eq!(told.len(), 2, "{}: {told:#?}", books.name());
        assert!(told[0].starts_with("1 applied: 2 × "), "{}", told[0]);
        assert!(told[0].contains("by shipment A-f1") && told[0].contains("by shipment B-f1"));
        assert!(told[1].contains("by shipment C-f1") && !told[1].contains("A-f1"), "{}", told[1]);
        assert_eq!(moved(books, &us, "TEE-S"), 6, "{}", books.name());
        assert_eq!(pickings(books).len(), 2, "{}", books.name());
    });
}
