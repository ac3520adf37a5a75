//! A portal's order on terms, from the signed delivery to what stands in Odoo.

mod common;

use common::road::{PORTAL, Road};
use common::{Books, Played, Real, cents, set_up};
use serde_json::{Value, json};
use trueup_odoo::sandbox::OdooSandbox;

fn tax(amount: &str) -> Value {
    json!([{ "title": "VAT 19 %", "rate": "0.19", "amount": amount }])
}

/// A hundred at a negotiated price below the cent, two dozen at one of whole cents.
fn order_on_terms() -> Value {
    json!({
        "version": "1",
        "orders": [{
            "id": "o-2001",
            "number": "P-2001",
            "sequence": 1,
            "placed_at": "2026-11-02T10:00:00Z",
            "customer_reference": "PO-4711",
            "due_on": "2026-12-02",
            "currency": "EUR",
            "taxes_included": true,
            "payment_standing": "pending",
            "buyer": {
                "id": "c-1042",
                "name": "Ann Example",
                "company": "Greenfield Example GmbH",
                "vat_number": "DE136695976",
                "billing": { "street": "Beispielstr. 1", "city": "Berlin", "postcode": "10115",
                    "country": "DE" },
            },
            "lines": [
                { "id": "1", "sku": "TEE-S", "title": "Tee, small", "quantity": 100,
                    "unit_price": "8.1250", "list_price": "12.50", "gross": "812.50",
                    "taxes": tax("129.73") },
                { "id": "2", "sku": "MUG-01", "title": "Mug", "quantity": 24,
                    "unit_price": "4.20", "list_price": "4.90", "gross": "100.80",
                    "taxes": tax("16.09") },
            ],
            "total": "913.30",
        }],
    })
}

fn transfer() -> Value {
    json!({
        "version": "1",
        "payments": [{
            "id": "p-2001",
            "order": "o-2001",
            "sequence": 1,
            "kind": "sale",
            "status": "succeeded",
            "currency": "EUR",
            "amount": "913.30",
            "gateway": "Bank Deposit",
            "tender": "bank_transfer",
            "processed_at": "2026-12-01T09:00:00Z",
        }],
    })
}

fn only(books: &dyn Books, model: &str, domain: Value, fields: &[&str]) -> Value {
    let mut found = books.read(model, domain, fields);
    assert_eq!(found.len(), 1, "{}: {model}: {found:?}", books.name());
    found.remove(0)
}

fn invoice(books: &dyn Books) -> Value {
    let fields = [
        "invoice_origin",
        "invoice_date_due",
        "partner_id",
        "state",
        "amount_total",
        "amount_residual",
    ];
    let domain = json!([["ref", "=", "PO-4711"], ["move_type", "=", "out_invoice"]]);
    only(books, "account.move", domain, &fields)
}

fn check(books: &mut dyn Books) {
    let (us, eu) = set_up(books);
    let mut road = Road::new(&us, &eu);
    road.send(PORTAL, &order_on_terms());
    // A delivery that comes twice is one order.
    road.send(PORTAL, &order_on_terms());
    road.deliver(books);
    let name = books.name();

    let domain = json!([["ref", "=", "portal/c-1042"]]);
    let customer = only(books, "res.partner", domain, &["name", "company_name", "vat"]);
    assert_eq!(customer["name"], "Ann Example", "{name}");
    assert_eq!(customer["company_name"], "Greenfield Example GmbH", "{name}");
    assert_eq!(customer["vat"], "DE136695976", "{name}");

    let domain = json!([["client_order_ref", "=", "PO-4711"]]);
    let order = only(books, "sale.order", domain, &["origin", "partner_id", "amount_total"]);
    assert_eq!(order["origin"], "portal P-2001", "{name}");
    assert_eq!(order["partner_id"][0], customer["id"], "{name}");
    assert_eq!(cents(&order["amount_total"]), 91_330, "{name}");

    // What was negotiated is what is billed; a price below the cent is spread over the units.
    let domain = json!([["order_id", "=", order["id"]]]);
    let lines = books.read("sale.order.line", domain, &["product_uom_qty", "price_unit"]);
    let mut prices: Vec<(i64, i64)> = lines
        .iter()
        .map(|line| (cents(&line["product_uom_qty"]) / 100, cents(&line["price_unit"])))
        .collect();
    prices.sort_unstable();
    assert_eq!(prices, [(24, 420), (50, 812), (50, 813)], "{name}");

    let open = invoice(books);
    assert_eq!(open["state"], "posted", "{name}");
    assert_eq!(open["invoice_origin"], "P-2001", "{name}");
    assert_eq!(open["invoice_date_due"], "2026-12-02", "{name}");
    assert_eq!(open["partner_id"][0], customer["id"], "{name}");
    assert_eq!(cents(&open["amount_total"]), 91_330, "{name}");
    assert_eq!(cents(&open["amount_residual"]), 91_330, "{name}: it is open until it is paid");

    road.send(PORTAL, &transfer());
    road.deliver(books);
    assert_eq!(cents(&invoice(books)["amount_residual"]), 0, "{name}: the transfer paid it");
}

#[test]
fn a_portals_order_on_terms_reaches_the_sandbox() {
    check(&mut Played(OdooSandbox::bare()));
}

#[test]
fn a_portals_order_on_terms_reaches_the_real_odoo() {
    let Some(mut real) = Real::fresh("portal") else { return };
    check(&mut real);
}
