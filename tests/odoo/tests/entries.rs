//! Entries that sum up sales (`POSTING.md` P5), delivered to the sandbox and to a real Odoo 19 alike:
//! once by key, with taxes as asked, never inside a lock, never an order that is there already.

mod common;

use common::{Books, Lock, Played, Real, applied, cents, deliver, drive, facts, set_up};
use serde_json::{Value, json};
use trueup_connect::conversation::{Dispatch, Task};
use trueup_connect::{CallError, ReceiptOutcome, Request};
use trueup_domain::command::{AccountLine, Content, EntryContent, EntryOrder, EntryTax};
use trueup_domain::mapping::Mapping;
use trueup_odoo::sandbox::OdooSandbox;

/// A day of the European entity: 100.00 sold at 19 %, 10.00 of it given away, 20.00 came back; the
/// channel's tax is a cent off what Odoo would compute.
fn day(map: &Mapping, key: &str, order: &str) -> Dispatch {
    let tax = facts::lines(
        map,
        true,
        &[facts::Spec {
            part: "1",
            what: "TEE-S",
            quantity: "1",
            price: "1.19",
            taxes: &[("DE 0.19", "0.19")],
        }],
    );
    let tax = tax[0].taxes[0].tax.clone();
    let line = |role: &str, amount: &str, taxed: bool, refund: bool| AccountLine {
        account: map.accounts[role].clone(),
        name: role.to_owned(),
        amount: facts::money(map, amount),
        taxes: if taxed { vec![tax.clone()] } else { Vec::new() },
        refund,
    };
    let owed = |amount: &str, refund: bool| EntryTax {
        tax: tax.clone(),
        name: "tax".to_owned(),
        amount: facts::money(map, amount),
        refund,
    };
    let content = EntryContent {
        company: map.company.clone(),
        journal: map.entry_journal.clone(),
        date: facts::day("2026-11-02"),
        reference: format!("shop {key}"),
        lines: vec![
            line("clearing/stripe", "83.29", false, false),
            line("sales", "-100.00", true, false),
            line("discounts", "10.00", true, false),
            line("returns", "20.00", true, true),
        ],
        taxes: vec![owed("-17.09", false), owed("3.80", true)],
        orders: vec![EntryOrder { id: "1".to_owned(), number: order.to_owned() }],
    };
    facts::dispatch(&format!("test/eu/entry/{key}"), Content::Entry(content), &[])
}

fn lines(books: &dyn Books, id: &str) -> Vec<Value> {
    let id: i64 = id.parse().expect("an id");
    let fields = ["name", "amount_currency", "tax_ids", "tax_line_id", "tax_tag_ids"];
    books.read("account.move.line", json!([["move_id", "=", id]]), &fields)
}

fn entries(books: &dyn Books) -> usize {
    books.read("account.move", json!([["move_type", "=", "entry"]]), &["name"]).len()
}

fn as_admin(books: &mut dyn Books, path: &str, arguments: Value) -> Value {
    let request = Request::post_json(format!("/json/2/{path}"), &arguments);
    let reply = books.send(&request, true).expect("a reply");
    assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn on_both(name: &str, check: impl Fn(&mut dyn Books)) {
    check(&mut Played(OdooSandbox::bare()));
    if let Some(mut real) = Real::fresh(name) {
        check(&mut real);
    }
}

#[test]
fn an_entry_keeps_the_channels_cent_and_is_made_once() {
    on_both("entry_once", |books| {
        let (_, eu) = set_up(books);
        let command = day(&eu, "2026-11-02", "#1001");
        let id = applied(books, &command);
        let again = Dispatch { again: true, ..command.clone() };
        let look_up = Task::LookUp { commands: vec![again] };
        let found = drive(books, &look_up).expect("an answer").receipts.remove(0).outcome;
        match found {
            ReceiptOutcome::Applied { binding, record, differs, .. } => {
                assert_eq!((binding, differs), (id.clone(), Vec::new()));
                let taxes: Vec<_> = record.expect("a record").taxes;
                let taxes: Vec<_> =
                    taxes.iter().map(|tax| (tax.base.minor(), tax.amount.minor())).collect();
                assert_eq!(taxes, [(70_00, 13_29)], "{}", books.name());
            }
            other => panic!("{}: {other:?}", books.name()),
        }
        assert_eq!(entries(books), 1, "{}", books.name());
        let lines = lines(books, &id);
        let owed = lines.iter().filter(|line| line["tax_line_id"] != json!(false));
        let owed: Vec<i64> = owed.map(|line| cents(&line["amount_currency"])).collect();
        assert_eq!(owed, [-17_09, 3_80], "{}", books.name());
        assert_eq!(lines.len(), 6, "{}: Odoo computes no line of its own", books.name());
    });
}

#[test]
fn v13_nothing_is_booked_inside_a_lock_that_odoo_would_not_keep_to() {
    on_both("entry_locked", |books| {
        let (_, eu) = set_up(books);
        let posted = day(&eu, "2026-11-02", "#1001");
        let id = applied(books, &posted);
        books.lock(2, Lock::Sale, "2026-11-30");
        match deliver(books, &[day(&eu, "2026-11-02, further entry 2", "#1002")]).remove(0) {
            ReceiptOutcome::Refused { error: CallError::Refused { reason_code, reason } } => {
                assert_eq!(reason_code, "period_locked");
                let told = "2026-11-02 lies inside the sale lock date 2026-11-30 of the company";
                assert_eq!(reason, told, "{}", books.name());
            }
            other => panic!("{}: {other:?}", books.name()),
        }
        assert_eq!(entries(books), 1, "{}", books.name());
        // What was posted before is there, whatever is locked since.
        let again = Dispatch { again: true, ..posted };
        assert_eq!(applied(books, &again), id, "{}", books.name());
    });
}

#[test]
fn an_order_that_somebody_invoiced_is_named_and_nothing_is_booked() {
    on_both("entry_held", |books| {
        let (_, eu) = set_up(books);
        let sold = [facts::Spec {
            part: "1",
            what: "TEE-S",
            quantity: "1",
            price: "69.99",
            taxes: &[("DE 0.19", "11.17")],
        }];
        let sold = facts::lines(&eu, true, &sold);
        let invoice = facts::invoice(&eu, "by hand", facts::guests(&eu), None, &sold);
        let Content::Invoice(stated) = &invoice.content else { panic!("an invoice") };
        let number = stated.reference.clone();
        let made = applied(books, &invoice);
        match deliver(books, &[day(&eu, "2026-11-02", &number)]).remove(0) {
            ReceiptOutcome::HeldAlready { orders } => {
                let told: Vec<_> = orders
                    .iter()
                    .map(|one| {
                        (one.id.as_str(), one.record.clone(), one.total.minor(), one.tax.minor())
                    })
                    .collect();
                let wanted = [("1", format!("account.move/{made}"), 69_99, 11_17)];
                assert_eq!(told, wanted, "{}", books.name());
            }
            other => panic!("{}: {other:?}", books.name()),
        }
        assert_eq!(entries(books), 0, "{}", books.name());
    });
}

#[test]
fn a_tax_that_says_not_where_it_goes_is_refused() {
    on_both("entry_untaxed", |books| {
        let (_, eu) = set_up(books);
        let command = day(&eu, "2026-11-02", "#1001");
        let Content::Entry(entry) = &command.content else { panic!("an entry") };
        let tax: i64 = entry.taxes[0].tax.parse().expect("an id");
        let domain = json!([["tax_id", "=", tax], ["repartition_type", "=", "tax"]]);
        let parts = books.read("account.tax.repartition.line", domain, &["document_type"]);
        for part in parts.iter().filter(|part| part["document_type"] == "refund") {
            let values = json!({ "ids": [part["id"]], "vals": { "account_id": false } });
            as_admin(books, "account.tax.repartition.line/write", values);
        }
        match deliver(books, &[command]).remove(0) {
            ReceiptOutcome::Refused { error: CallError::Refused { reason_code, .. } } => {
                assert_eq!(reason_code, "tax_not_carried", "{}", books.name());
            }
            other => panic!("{}: {other:?}", books.name()),
        }
        assert_eq!(entries(books), 0, "{}", books.name());
    });
}

/// Only a user with full accounting features may make tags, so that the setup makes them.
#[test]
fn each_line_stands_in_the_tax_report_under_the_tags_of_its_tax() {
    let Some(mut real) = Real::fresh("entry_tags") else { return };
    let groups =
        real.read("res.groups", json!([["name", "=", "Show Full Accounting Features"]]), &["name"]);
    let admin = real.read("res.users", json!([["login", "=", "admin"]]), &["login"]);
    let grant = json!({ "group_ids": [[4, groups[0]["id"]]] });
    as_admin(&mut real, "res.users/write", json!({ "ids": [admin[0]["id"]], "vals": grant }));
    let (_, eu) = set_up(&mut real);
    let id = applied(&mut real, &day(&eu, "2026-11-02", "#1001"));
    let tagged: Vec<bool> = lines(&real, &id)
        .iter()
        .map(|line| line["tax_tag_ids"].as_array().is_some_and(|tags| tags.len() == 1))
        .collect();
    assert_eq!(tagged, [false, true, true, true, true, true], "all but the clearing line");
}
