//! P4, V1, V12: the channel's word moves goods in Odoo, and nobody is told.

mod common;

use common::facts::{self, guests};
use common::goods::{self, refusal};
use common::{Books, Real, applied, deliver, set_up, trial_balance};
use serde_json::json;
use trueup_domain::command::{CustomerRef, Way};

/// Lots, mails to customers and a customer with a telephone, each as an administrator sets them.
#[test]
fn v12_what_would_reach_a_customer_or_needs_a_lot_is_left_to_people() {
    let Some(mut books) = Real::fresh("goods") else { return };
    let (us, _) = set_up(&mut books);
    let admin = |books: &Real, model: &str, id: i64, vals| {
        let arguments = json!({ "ids": [id], "vals": vals });
        books.0.admin().call(model, "write", arguments).expect("an administrator may");
    };
    let buyer = applied(&mut books, &facts::partner(&us, "cust-1", "Ann", "US", Some("NY")));
    let order = facts::order(&us, "4500", CustomerRef::Fixed(buyer), &goods::sold(&us));
    let order = applied(&mut books, &order);
    let order = ("order", order.as_str());
    let out = facts::goods(&us, "4500", Way::Out, order, &[("1", "TEE-S", 1)]);

    admin(&books, "res.company", 1, json!({ "stock_move_email_validation": true }));
    assert_eq!(refusal(&deliver(&mut books, std::slice::from_ref(&out))[0]), "would_mail");
    assert_eq!(goods::delivered(&books, "#4500"), [0, 0, 0, 0]);
    admin(&books, "res.company", 1, json!({ "stock_move_email_validation": false }));
    // Retried, as a person does after mending it.
    applied(&mut books, &trueup_connect::conversation::Dispatch { again: true, ..out });
    assert_eq!(goods::delivered(&books, "#4500"), [1, 0, 0, 0]);

    let cap: i64 = us.products["CAP-01"].parse().expect("an id");
    admin(&books, "product.product", cap, json!({ "is_storable": true, "tracking": "lot" }));
    let caps =
        [facts::Spec { part: "1", what: "CAP-01", quantity: "2", price: "5.00", taxes: &[] }];
    let caps = facts::order(&us, "4501", guests(&us), &facts::lines(&us, false, &caps));
    let caps = applied(&mut books, &caps);
    let tracked = facts::goods(&us, "4501", Way::Out, ("order", &caps), &[("1", "CAP-01", 1)]);
    let plain = facts::goods(&us, "4502", Way::Out, order, &[("1", "TEE-S", 4)]);
    let receipts = deliver(&mut books, &[tracked, plain]);
    assert_eq!(refusal(&receipts[0]), "tracked_product");
    assert_eq!(goods::delivered(&books, "#4500"), [5, 0, 0, 0]);

    let said = |model: &str| books.read(model, json!([]), &["id"]).len();
    assert_eq!((said("sms.sms"), said("mail.mail")), (0, 0));
    assert!(trial_balance(&books, 1).is_empty(), "goods make no entry");
}
