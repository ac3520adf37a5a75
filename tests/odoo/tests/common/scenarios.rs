//! Scenarios that run against the real Odoo and the sandbox alike, and what they leave behind.

use serde_json::{Value, json};
use trueup_connect::ReceiptOutcome;
use trueup_domain::command::{CustomerRef, Direction};
use trueup_domain::mapping::Mapping;

use super::facts::{self, Spec, guests, lines};
use super::{Books, Lock, applied, deliver, goods};

const fn spec<'a>(
    part: &'a str,
    what: &'a str,
    quantity: &'a str,
    price: &'a str,
    taxes: &'a [(&'a str, &'a str)],
) -> Spec<'a> {
    Spec { part, what, quantity, price, taxes }
}

/// D18: 50.91 + 28.04 − 5.09 − 2.80, with shipping, all forced on a zero-rate tax (V9).
pub const NEW_YORK: &[Spec<'_>] = &[
    spec("1", "TEE-S", "1", "598.89", &[("US-NY", "50.91")]),
    spec("2", "TEE-M", "1", "329.84", &[("US-NY", "28.04")]),
    spec("discount/1", "service:discount", "1", "-59.89", &[("US-NY", "-5.09")]),
    spec("discount/2", "service:discount", "1", "-32.98", &[("US-NY", "-2.80")]),
    spec("shipping", "service:shipping", "1", "4.99", &[("US-NY", "0.33")]),
];

/// D18: 69.99 with 20 % contained; a discount; shipping at another rate; a line without tax.
pub const CONTAINED: &[Spec<'_>] = &[
    spec("1", "TEE-S", "1", "69.99", &[("* 0.20", "11.66")]),
    spec("2", "MUG-01", "3", "9.99", &[("DE 0.19", "4.79")]),
    spec("discount/1", "service:discount", "1", "-7.77", &[("DE 0.19", "-1.24")]),
    spec("shipping", "service:shipping", "1", "4.90", &[("DE 0.07", "0.32")]),
    spec("gift", "service:gift_card", "1", "25.00", &[]),
];

/// Two jurisdictions on one line, and a tax that is nothing.
const TWO_TAXES: &[Spec<'_>] = &[
    spec("1", "CAP-01", "2", "50.00", &[("US-NY", "8.00"), ("US-CA", "0.88")]),
    spec("2", "MUG-01", "1", "10.00", &[("US-NY", "0.00")]),
];

const FREE: &[Spec<'_>] = &[
    spec("1", "MUG-01", "1", "10.00", &[("US-NY", "0.80")]),
    spec("discount/1", "service:discount", "1", "-10.00", &[("US-NY", "-0.80")]),
];

/// Every fact of first light, in both companies.
pub fn all(books: &mut dyn Books, us: &Mapping, eu: &Mapping) {
    american(books, us);
    european(books, eu);
    two_taxes_and_free(books, us);
    money_before_papers(books, us);
    notes_together(books, us);
    provider_rows(books, us);
    refused_and_cancelled(books, us);
    foreign(books, us, eu);
    goods::all(books, us, eu);
    locked(books, us);
}

/// A document in another currency than the company's: Odoo converts, the channel's cents stay.
fn foreign(books: &mut dyn Books, us: &Mapping, eu: &Mapping) {
    let euros = Mapping { currency: eu.currency, ..us.clone() };
    let specs = [
        spec("1", "MUG-01", "3", "9.99", &[("US-NY", "2.66")]),
        spec("2", "CAP-01", "1", "20.05", &[("US-NY", "1.79")]),
    ];
    let sold = lines(&euros, false, &specs);
    let invoice = applied(books, &facts::invoice(&euros, "1400", guests(us), None, &sold));
    let paid = facts::payment(&euros, "paypal", "1400", guests(us), "54.47", Direction::Inbound);
    let paid = applied(books, &paid);
    applied(books, &facts::tie(&euros, "1400", "54.47", &paid, &invoice));
    applied(
        books,
        &facts::entry(
            &euros,
            "txn_eur",
            &[("processing_fees", "1.11"), ("clearing/paypal", "-1.11")],
        ),
    );
}

/// Order, invoice, capture; a part taken back, goods and goodwill; the money returned.
pub fn american(books: &mut dyn Books, us: &Mapping) {
    let buyer = applied(books, &facts::partner(us, "cust-1", "Ann Example", "US", Some("NY")));
    let bound = || CustomerRef::Fixed(buyer.clone());
    let sold = lines(us, false, NEW_YORK);
    let order = applied(books, &facts::order(us, "1001", bound(), &sold));
    let invoice = applied(books, &facts::invoice(us, "1001", bound(), Some(&order), &sold));
    let paid = applied(
        books,
        &facts::payment(us, "stripe", "1001", bound(), "912.24", Direction::Inbound),
    );
    applied(books, &facts::tie(us, "1001", "912.24", &paid, &invoice));
    let back = [
        spec("2", "TEE-M", "1", "329.84", &[("US-NY", "28.04")]),
        spec("goodwill", "account:returns", "1", "10.00", &[("US-NY", "0.50")]),
    ];
    let note =
        applied(books, &facts::note(us, "1001", bound(), Some(&invoice), &lines(us, false, &back)));
    let repaid = applied(
        books,
        &facts::payment(us, "stripe", "1001r", bound(), "368.38", Direction::Outbound),
    );
    applied(books, &facts::tie(us, "1001r", "368.38", &repaid, &note));
    // Once more, whole: nothing is made twice.
    assert_eq!(applied(books, &facts::order(us, "1001", bound(), &sold)), order);
    assert_eq!(applied(books, &facts::invoice(us, "1001", bound(), Some(&order), &sold)), invoice);
    applied(books, &facts::tie(us, "1001", "912.24", &paid, &invoice));
}

/// Contained taxes; two tenders, one a gift card; a note on accounts alone.
fn european(books: &mut dyn Books, eu: &Mapping) {
    let buyer = applied(books, &facts::partner(eu, "cust-2", "Bert Beispiel", "DE", None));
    let bound = || CustomerRef::Fixed(buyer.clone());
    let sold = lines(eu, true, CONTAINED);
    let order = applied(books, &facts::order(eu, "2001", bound(), &sold));
    let invoice = applied(books, &facts::invoice(eu, "2001", bound(), Some(&order), &sold));
    let card = applied(
        books,
        &facts::payment(eu, "stripe", "2001", bound(), "102.09", Direction::Inbound),
    );
    applied(books, &facts::tie(eu, "2001", "102.09", &card, &invoice));
    let gift = applied(
        books,
        &facts::payment(eu, "gift_card", "2001g", bound(), "20.00", Direction::Inbound),
    );
    applied(books, &facts::tie(eu, "2001g", "20.00", &gift, &invoice));
    let back = [spec("goodwill", "account:returns", "1", "11.90", &[("DE 0.19", "1.90")])];
    applied(books, &facts::note(eu, "2001", bound(), None, &lines(eu, true, &back)));
}

fn two_taxes_and_free(books: &mut dyn Books, us: &Mapping) {
    for (key, specs) in [("1002", TWO_TAXES), ("1003", FREE)] {
        let sold = lines(us, false, specs);
        let order = applied(books, &facts::order(us, key, guests(us), &sold));
        applied(books, &facts::invoice(us, key, guests(us), Some(&order), &sold));
    }
}

/// V8: a note that is posted before the money came is set off against its invoice by Odoo itself.
fn money_before_papers(books: &mut dyn Books, us: &Mapping) {
    let sold = lines(us, false, &[spec("1", "MUG-01", "3", "10.00", &[("US-NY", "2.67")])]);
    let invoice = applied(books, &facts::invoice(us, "1004", guests(us), None, &sold));
    let back = lines(us, false, &[spec("1", "MUG-01", "1", "10.00", &[("US-NY", "0.89")])]);
    applied(books, &facts::note(us, "1004", guests(us), Some(&invoice), &back));
    let paid = applied(
        books,
        &facts::payment(us, "paypal", "1004", guests(us), "21.78", Direction::Inbound),
    );
    applied(books, &facts::tie(us, "1004", "21.78", &paid, &invoice));
    // Part of a payment, and then nothing is left to tie.
    let sold = lines(us, false, &[spec("1", "MUG-01", "1", "30.00", &[])]);
    let invoice = applied(books, &facts::invoice(us, "1005", guests(us), None, &sold));
    let paid = applied(
        books,
        &facts::payment(us, "paypal", "1005", guests(us), "20.00", Direction::Inbound),
    );
    applied(books, &facts::tie(us, "1005", "20.00", &paid, &invoice));
    let other = applied(books, &facts::invoice(us, "1006", guests(us), None, &sold));
    let refused = deliver(books, &[facts::tie(us, "1006", "20.00", &paid, &other)]).remove(0);
    assert!(matches!(refused, ReceiptOutcome::Refused { .. }), "{refused:?}");
}

/// Credit notes of every shape in one batch: on products, on accounts, on both, and a product on
/// an account that is not its own.
fn notes_together(books: &mut dyn Books, us: &Mapping) {
    let sold = lines(us, false, &[spec("1", "MUG-01", "1", "10.00", &[("US-NY", "0.89")])]);
    let goodwill = spec("goodwill", "account:returns", "1", "2.00", &[]);
    let returned = spec("1", "MUG-01@returns", "1", "10.00", &[("US-NY", "0.89")]);
    let goods = spec("1", "MUG-01", "1", "10.00", &[("US-NY", "0.89")]);
    let shapes: [&[Spec<'_>]; 4] = [
        &[goods],
        &[goodwill],
        &[returned],
        &[
            spec("1", "MUG-01", "1", "10.00", &[("US-NY", "0.89")]),
            spec("goodwill", "account:returns", "1", "2.00", &[]),
        ],
    ];
    let mut notes = Vec::new();
    for (number, shape) in shapes.into_iter().enumerate() {
        let key = format!("15{number:02}");
        let invoice = applied(books, &facts::invoice(us, &key, guests(us), None, &sold));
        let back = lines(us, false, shape);
        notes.push(facts::note(us, &key, guests(us), Some(&invoice), &back));
    }
    for (note, receipt) in notes.iter().zip(deliver(books, &notes)) {
        let made =
            matches!(&receipt, ReceiptOutcome::Applied { differs, .. } if differs.is_empty());
        assert!(made, "{}: {} became {receipt:?}", books.name(), note.key);
    }
}

/// Fees and a payout, as entries of our own.
fn provider_rows(books: &mut dyn Books, us: &Mapping) {
    applied(
        books,
        &facts::entry(us, "txn_fee", &[("processing_fees", "6.25"), ("clearing/stripe", "-6.25")]),
    );
    applied(
        books,
        &facts::entry(us, "po_1", &[("in_transit", "537.61"), ("clearing/stripe", "-537.61")]),
    );
}

/// B10 in small, and a cancellation.
fn refused_and_cancelled(books: &mut dyn Books, us: &Mapping) {
    let sold = lines(us, false, FREE);
    let mut batch: Vec<_> =
        (0..4).map(|number| facts::order(us, &format!("11{number}"), guests(us), &sold)).collect();
    batch[1] = facts::order(us, "111", CustomerRef::Fixed("99999999".to_owned()), &sold);
    let receipts = deliver(books, &batch);
    let binding = match &receipts[0] {
        ReceiptOutcome::Applied { binding, differs, .. } if differs.is_empty() => binding.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(receipts[1], ReceiptOutcome::Refused { .. }), "{:?}", receipts[1]);
    applied(books, &facts::cancellation(us, "110", &binding));
    // B25: an order that Odoo totals otherwise stays a draft.
    let mut wrong = facts::order(us, "1200", guests(us), &lines(us, false, TWO_TAXES));
    if let trueup_domain::command::Content::Order(content) = &mut wrong.content {
        content.total = content.total.checked_add(facts::money(us, "0.01")).expect("in range");
    }
    let draft = deliver(books, &[wrong]).remove(0);
    assert!(
        matches!(&draft, ReceiptOutcome::Applied { differs, .. } if differs.len() == 2),
        "{draft:?}"
    );
}

/// V13: what lies inside a lock is dated on the first open day, and a document keeps its own beside it;
/// an entry is refused. Odoo alone would date a document today, and of a payment only its entry.
fn locked(books: &mut dyn Books, us: &Mapping) {
    books.lock(1, Lock::Sale, "2026-11-10");
    books.lock(1, Lock::FiscalYear, "2026-10-31");
    let sold = lines(us, false, TWO_TAXES);
    let late = applied(books, &facts::invoice(us, "1300", guests(us), None, &sold));
    let days = |books: &dyn Books, id: &str| {
        let id: i64 = id.parse().expect("an id");
        let row = books.read("account.move", json!([["id", "=", id]]), &["date", "invoice_date"]);
        (plain(&row[0]["date"]), plain(&row[0]["invoice_date"]))
    };
    let said = |day: &str| plain(&json!(day));
    assert_eq!(days(books, &late), (said("2026-11-11"), said("2026-11-02")));

    // Not the sales lock, the year's is the one that concerns money.
    let on = |key: &str, day: &str| {
        let mut one = facts::payment(us, "stripe", key, guests(us), "5.00", Direction::Inbound);
        if let trueup_domain::command::Content::Payment(payment) = &mut one.content {
            payment.date = day.parse().expect("a day");
        }
        one
    };
    for (key, day, booked) in
        [("1301", "2026-10-15", "2026-11-01"), ("1302", "2026-11-02", "2026-11-02")]
    {
        let made: i64 = applied(books, &on(key, day)).parse().expect("an id");
        let domain = json!([["origin_payment_id", "=", made]]);
        let entry = books.read("account.move", domain, &["date"]);
        assert_eq!(plain(&entry[0]["date"]), said(booked), "{}", books.name());
    }

    // Who may post before a lock is dated as he asks.
    books.except_from_sale_lock(1, "2026-11-01");
    let late = applied(books, &facts::invoice(us, "1303", guests(us), None, &sold));
    assert_eq!(days(books, &late), (said("2026-11-02"), said("2026-11-02")));
}

/// Everything that the scenarios left, ids replaced by the names of things.
pub fn remains(books: &dyn Books) -> Vec<String> {
    let mut all = Vec::new();
    let mut tell = |model: &str, fields: &[&str]| {
        let ours = match model {
            "res.partner" => json!([["ref", "in", ["cust-1", "cust-2"]]]),
            "sale.order.line" | "sale.order" | "account.move" | "account.payment" => {
                json!([["create_uid", "!=", 1]])
            }
            _ => json!([]),
        };
        let mut rows: Vec<String> = books
            .read(model, ours, fields)
            .into_iter()
            .map(|row| {
                let cells = fields.iter().map(|field| format!("{field}={}", plain(&row[*field])));
                format!("{model}: {}", cells.collect::<Vec<_>>().join(" "))
            })
            .collect();
        rows.sort();
        all.extend(rows);
    };
    tell(
        "res.partner",
        &["name", "ref", "email", "phone", "street", "city", "zip", "country_id", "state_id"],
    );
    tell(
        "sale.order",
        &[
            "client_order_ref",
            "origin",
            "state",
            "date_order",
            "amount_total",
            "amount_tax",
            "amount_untaxed",
            "currency_id",
            "company_id",
            "partner_id",
            "invoice_status",
            "write_uid",
        ],
    );
    tell(
        "sale.order.line",
        &[
            "name",
            "sequence",
            "product_id",
            "product_uom_qty",
            "price_unit",
            "price_subtotal",
            "price_total",
            "discount",
            "qty_invoiced",
            "qty_delivered",
        ],
    );
    tell(
        "stock.picking",
        &[
            "name",
            "state",
            "partner_id",
            "location_id",
            "location_dest_id",
            "return_id",
            "backorder_id",
            "company_id",
        ],
    );
    tell(
        "stock.move",
        &[
            "picking_id",
            "product_id",
            "product_uom_qty",
            "quantity",
            "picked",
            "state",
            "location_id",
            "location_dest_id",
            "company_id",
        ],
    );
    tell("stock.move.line", &["picking_id", "product_id", "quantity", "picked", "state"]);
    tell(
        "account.move",
        &[
            "name",
            "move_type",
            "state",
            "ref",
            "date",
            "invoice_date",
            "invoice_date_due",
            "amount_total",
            "amount_tax",
            "amount_untaxed",
            "amount_residual",
            "payment_state",
            "journal_id",
            "currency_id",
            "company_id",
            "partner_id",
            "reversed_entry_id",
            "write_uid",
        ],
    );
    tell(
        "account.move.line",
        &[
            "move_id",
            "account_id",
            "display_type",
            "balance",
            "amount_currency",
            "tax_line_id",
            "reconciled",
            "amount_residual",
            "product_id",
        ],
    );
    tell(
        "account.payment",
        &[
            "name",
            "state",
            "amount",
            "date",
            "memo",
            "is_reconciled",
            "payment_type",
            "journal_id",
            "currency_id",
            "partner_id",
        ],
    );
    tell(
        "account.partial.reconcile",
        &["amount", "debit_amount_currency", "credit_amount_currency"],
    );
    all
}

/// A reference by its name.
fn plain(value: &Value) -> String {
    match value {
        Value::Array(pair) if pair.len() == 2 && pair[1].is_string() => pair[1].to_string(),
        other => other.to_string(),
    }
}
