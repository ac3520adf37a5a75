//! Scenarios of goods that left, stayed and came back.

use serde_json::{Value, json};
use trueup_connect::ReceiptOutcome;
use trueup_connect::conversation::Dispatch;
use trueup_domain::command::{DocumentLine, Way};
use trueup_domain::mapping::Mapping;

use super::facts::{self, Spec, guests, lines};
use super::{Books, applied, deliver};

/// Five tees on a line, three mugs on two lines of one SKU, shipping.
pub const SOLD: &[Spec<'_>] = &[
    Spec { part: "1", what: "TEE-S", quantity: "5", price: "20.00", taxes: &[] },
    Spec { part: "2", what: "MUG-01", quantity: "2", price: "10.00", taxes: &[] },
    Spec { part: "3", what: "MUG-01", quantity: "1", price: "9.00", taxes: &[] },
    Spec { part: "shipping", what: "service:shipping", quantity: "1", price: "4.99", taxes: &[] },
];

pub fn sold(us: &Mapping) -> Vec<DocumentLine> {
    lines(us, false, SOLD)
}

pub fn all(books: &mut dyn Books, us: &Mapping, eu: &Mapping) {
    in_parts(books, us);
    together(books, us);
    not_planned(books, us);
    limited(books, us);
    undone(books, us);
    let order = applied(books, &facts::order(eu, "4900", guests(eu), &sold(eu)));
    applied(books, &facts::goods(eu, "4900", Way::Out, ("order", &order), &[("1", "TEE-S", 4)]));
    applied(books, &facts::goods(eu, "4901", Way::Back, ("order", &order), &[("1", "TEE-S", 1)]));
}

/// Two shipments, and a part of each comes back; a service leaves with nothing.
fn in_parts(books: &mut dyn Books, us: &Mapping) {
    let order = applied(books, &facts::order(us, "4000", guests(us), &sold(us)));
    let order = ("order", order.as_str());
    let first = facts::goods(us, "4000", Way::Out, order, &[("1", "TEE-S", 2), ("3", "MUG-01", 1)]);
    let left = applied(books, &first);
    assert_eq!(applied(books, &again(&first)), left, "{}: once more, nothing moves", books.name());
    let rest = [("1", "TEE-S", 3), ("2", "MUG-01", 2), ("shipping", "service:shipping", 1)];
    let rest = facts::goods(us, "4001", Way::Out, order, &rest);
    assert_ne!(applied(books, &rest), left);
    let back = [("1", "TEE-S", 3), ("3", "MUG-01", 1)];
    let back = facts::goods(us, "4002", Way::Back, order, &back);
    let received = applied(books, &back);
    assert_eq!(applied(books, &again(&back)), received);
    let service = [("shipping", "service:shipping", 1)];
    let nothing = applied(books, &facts::goods(us, "4003", Way::Out, order, &service));
    assert_eq!(nothing, "nothing to move");
    assert_eq!(delivered(books, "#4000"), [2, 2, 0, 0]);
}

/// Several commands of several orders in one delivery: what left is there when it comes back.
fn together(books: &mut dyn Books, us: &Mapping) {
    let orders: Vec<String> = (0..3)
        .map(|number| {
            let key = format!("41{number:02}");
            applied(books, &facts::order(us, &key, guests(us), &sold(us)))
        })
        .collect();
    let mut batch = Vec::new();
    for (number, order) in orders.iter().enumerate() {
        let order = ("order", order.as_str());
        let key = |what: &str| format!("41{number:02}{what}");
        batch.push(facts::goods(us, &key("back"), Way::Back, order, &[("1", "TEE-S", 1)]));
        batch.push(facts::goods(us, &key("a"), Way::Out, order, &[("1", "TEE-S", 1)]));
        batch.push(facts::goods(us, &key("b"), Way::Out, order, &[("1", "TEE-S", 2)]));
    }
    for (command, receipt) in batch.iter().zip(deliver(books, &batch)) {
        let whole =
            matches!(&receipt, ReceiptOutcome::Applied { differs, .. } if differs.is_empty());
        assert!(whole, "{}: {} became {receipt:?}", books.name(), command.key);
    }
    assert_eq!(delivered(books, "#4102"), [2, 0, 0, 0]);
}

/// What is not planned does not leave, what has not left does not come back, and neither holds the
/// others up.
fn not_planned(books: &mut dyn Books, us: &Mapping) {
    let order = applied(books, &facts::order(us, "4200", guests(us), &sold(us)));
    let order = ("order", order.as_str());
    let too_many = facts::goods(us, "4200", Way::Out, order, &[("1", "TEE-S", 6)]);
    let foreign = facts::goods(us, "4201", Way::Out, order, &[("9", "CAP-01", 1)]);
    let early = facts::goods(us, "4202", Way::Back, order, &[("2", "MUG-01", 1)]);
    let good = facts::goods(us, "4203", Way::Out, order, &[("1", "TEE-S", 5)]);
    let receipts = deliver(books, &[too_many, foreign, early, good]);
    assert_eq!(refusal(&receipts[0]), "not_planned");
    assert_eq!(refusal(&receipts[1]), "not_ordered");
    assert!(matches!(receipts[2], ReceiptOutcome::NotApplied { .. }), "{:?}", receipts[2]);
    assert!(matches!(receipts[3], ReceiptOutcome::Applied { .. }), "{:?}", receipts[3]);
    assert_eq!(delivered(books, "#4200"), [5, 0, 0, 0]);
}

/// Units taken off the order before they left: of a partly shipped order, and of a whole one.
fn limited(books: &mut dyn Books, us: &Mapping) {
    let order = applied(books, &facts::order(us, "4300", guests(us), &sold(us)));
    let order = ("order", order.as_str());
    applied(books, &facts::goods(us, "4300", Way::Out, order, &[("1", "TEE-S", 2)]));
    let limit = [("1", "TEE-S", 3), ("2", "MUG-01", 2)];
    let limit = facts::goods(us, "4301", Way::Limit, order, &limit);
    let limited = applied(books, &limit);
    assert_ne!(limited, "nothing to move");
    assert_eq!(applied(books, &again(&limit)), "nothing to move", "{}", books.name());
    let too_many = facts::goods(us, "4302", Way::Out, order, &[("1", "TEE-S", 2)]);
    assert_eq!(refusal(&deliver(books, &[too_many])[0]), "not_planned");
    let rest = [("1", "TEE-S", 1), ("2", "MUG-01", 2)];
    applied(books, &facts::goods(us, "4303", Way::Out, order, &rest));
    let late = facts::goods(us, "4304", Way::Limit, order, &[("1", "TEE-S", 1)]);
    assert_eq!(refusal(&deliver(books, &[late])[0]), "left_already");

    let order = applied(books, &facts::order(us, "4310", guests(us), &sold(us)));
    let none = [("1", "TEE-S", 0), ("2", "MUG-01", 0)];
    applied(books, &facts::goods(us, "4310", Way::Limit, ("order", &order), &none));
    let open = json!([["sale_id", "=", number(&order)], ["state", "!=", "cancel"]]);
    assert!(books.read("stock.picking", open, &["name"]).is_empty(), "{}", books.name());
}

/// A shipment that the channel takes back, and a return that it takes back.
fn undone(books: &mut dyn Books, us: &Mapping) {
    let order = applied(books, &facts::order(us, "4400", guests(us), &sold(us)));
    let bound = ("order", order.as_str());
    let lines = [("1", "TEE-S", 2), ("2", "MUG-01", 2), ("3", "MUG-01", 1)];
    let left = applied(books, &facts::goods(us, "4400", Way::Out, bound, &lines));
    applied(books, &facts::goods(us, "4400rev", Way::Back, ("goods", &left), &lines));
    assert_eq!(delivered(books, "#4400"), [0, 0, 0, 0]);
    applied(books, &facts::goods(us, "4401", Way::Out, bound, &[("1", "TEE-S", 3)]));
    let back = applied(books, &facts::goods(us, "4402", Way::Back, bound, &[("1", "TEE-S", 1)]));
    let undo = facts::goods(us, "4402rev", Way::Back, ("goods", &back), &[("1", "TEE-S", 1)]);
    applied(books, &undo);
    assert_eq!(delivered(books, "#4400"), [3, 0, 0, 0]);
    let nothing = ("goods", "nothing to move");
    let service = [("shipping", "service:shipping", 1)];
    applied(books, &facts::goods(us, "4403rev", Way::Back, nothing, &service));
}

/// The command as the hub sends it once more.
fn again(command: &Dispatch) -> Dispatch {
    Dispatch { again: true, ..command.clone() }
}

pub fn refusal(receipt: &ReceiptOutcome) -> String {
    match receipt {
        ReceiptOutcome::Refused {
            error: trueup_connect::CallError::Refused { reason_code, .. },
        } => reason_code.clone(),
        other => panic!("{other:?}"),
    }
}

fn number(id: &str) -> i64 {
    id.parse().expect("an id")
}

/// Units that Odoo says are delivered, by line of the order.
pub fn delivered(books: &dyn Books, reference: &str) -> Vec<i64> {
    let order = books.read("sale.order", json!([["client_order_ref", "=", reference]]), &["id"]);
    let lines = json!([["order_id", "=", order[0]["id"]]]);
    let units = |line: &Value| super::cents(&line["qty_delivered"]) / 100;
    books.read("sale.order.line", lines, &["qty_delivered"]).iter().map(units).collect()
}
