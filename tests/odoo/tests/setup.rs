//! Setup on a real Odoo: looking changes nothing, applying twice makes everything once.

mod common;

use std::collections::BTreeSet;

use common::{Books, Played, Real};
use serde_json::json;
use trueup_connect::conversation::Request;
use trueup_domain::money::Currency;
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo::setup::{self, SetupReport, Wanted, plan::summary};

fn story(books: &mut dyn Books) -> (Vec<String>, Vec<String>) {
    let mut plans = Vec::new();
    let mut findings = BTreeSet::new();
    for wanted in setup::demo::wanted() {
        let count = |books: &dyn Books| books.read("account.account", json!([]), &["code"]).len();
        let before = count(books);
        let granted = {
            let mut hub = |request: &Request| books.send(request, false);
            setup::rights(&mut hub, &wanted).expect("the hub's rights are told")
        };
        assert!(granted.is_empty(), "{}: {granted:?}", books.name());

        // Looking needs no administrator, and changes nothing.
        let report = {
            let mut hub = |request: &Request| books.send(request, false);
            setup::inspect(&mut hub, &wanted).expect("a report")
        };
        assert_eq!(report.version, "19.0");
        assert!(report.modules.contains_key("sale_management"));
        assert!(!report.findings.iter().any(|it| it.blocks), "{:?}", report.findings);
        let plan = setup::plan(&report, &wanted).expect("a plan");
        assert_eq!(count(books), before);
        plans.extend(summary(&plan).into_iter().map(|line| format!("{}: {line}", wanted.entity)));
        findings.extend(report.findings.iter().map(|it| it.code.to_owned()));

        // The hub's user may not make what the plan lists; an administrator may, and only once.
        let refused = {
            let mut hub = |request: &Request| books.send(request, false);
            setup::apply(&mut hub, &wanted, &plan)
        };
        assert!(refused.is_err(), "{}: a plain user made accounts", books.name());
        let mut admin = |request: &Request| books.send(request, true);
        let first = setup::run(&mut admin, &wanted).expect("a mapping");
        let again = setup::run(&mut admin, &wanted).expect("a mapping");
        assert_eq!(first, again);
        assert!(count(books) > before);
        // An administrator sees that nothing is lacking any more.
        let report = look(books, &wanted, true);
        let plan = setup::plan(&report, &wanted).expect("a plan");
        assert_eq!(summary(&plan), [""; 0]);
        // A new SKU is mapped without making anything.
        assert_eq!(setup::mapped(&report, &wanted, &plan).expect("a mapping"), first);
        let sku = format!("NEW-{}", wanted.entity);
        let product = books.add_product(&sku);
        let report = look(books, &wanted, true);
        let plan = setup::plan(&report, &wanted).expect("a plan");
        let mut with_new = first.clone();
        with_new.products.insert(sku, product.to_string());
        assert_eq!(setup::mapped(&report, &wanted, &plan).expect("a mapping"), with_new);
        assert_eq!(report.fingerprint, look(books, &wanted, false).fingerprint);
    }
    (plans, findings.into_iter().collect())
}

fn look(books: &mut dyn Books, wanted: &Wanted, admin: bool) -> SetupReport {
    let mut call = |request: &Request| books.send(request, admin);
    setup::inspect(&mut call, wanted).expect("a report")
}

fn codes(report: &SetupReport, blocks: bool) -> BTreeSet<&'static str> {
    report.findings.iter().filter(|it| it.blocks == blocks).map(|it| it.code).collect()
}

/// P3, V4: a statement line in a clearing journal doubles the charge.
#[test]
fn p3_a_clearing_journal_with_statement_lines_is_refused() {
    let check = |books: &mut dyn Books| {
        let wanted = setup::demo::wanted().remove(0);
        let mapping = {
            let mut admin = |request: &Request| books.send(request, true);
            setup::run(&mut admin, &wanted).expect("a mapping")
        };
        assert!(codes(&look(books, &wanted, false), true).is_empty(), "{}", books.name());
        let journal = mapping.gateways["paypal"].journal.parse().expect("an id");
        books.enter_bank_line(journal, "12.00");
        let blocks = codes(&look(books, &wanted, false), true);
        assert_eq!(blocks, BTreeSet::from(["clearing_has_lines"]), "{}", books.name());
    };
    check(&mut Played(OdooSandbox::bare()));
    if let Some(mut real) = Real::fresh("fed") {
        check(&mut real);
    }
}

/// P16, V9: what Odoo does by itself is told to whom may see it, and what may not be seen is named.
#[test]
fn p16_what_odoo_does_by_itself_is_told() {
    let Some(mut real) = Real::fresh("unasked") else { return };
    let wanted = setup::demo::wanted().remove(0);
    let usual = codes(&look(&mut real, &wanted, true), true);
    assert!(usual.is_empty(), "{usual:?}");
    {
        let admin = real.0.admin();
        let write = |model: &str, method: &str, arguments| {
            admin.call(model, method, arguments).expect("an administrator may")
        };
        let key = json!({ "key": "sale.automatic_invoice", "value": "True" });
        write("ir.config_parameter", "set_param", key);
        let key = json!({ "key": "sale.default_invoice_email_template", "value": "7" });
        write("ir.config_parameter", "set_param", key);
        let on = json!({ "stock_move_email_validation": true, "account_use_credit_limit": true });
        write("res.company", "write", json!({ "ids": [1], "vals": on }));
        let tax = json!({ "name": "Blank", "amount": 5, "type_tax_use": "sale" });
        write("account.tax", "create", json!({ "vals_list": [tax] }));
        let action = json!({ "name": "Confirm old quotations", "state": "code", "code": "pass",
            "model_id": admin.read("ir.model", json!([["model", "=", "sale.order"]]), &["model"])[0]["id"],
            "interval_number": 1, "interval_type": "days" });
        write("ir.cron", "create", json!({ "vals_list": [action] }));
    }
    let seen = look(&mut real, &wanted, true);
    // The demo's channels move goods, and no delivery of ours mails a customer.
    let blocking = BTreeSet::from(["automatic_invoice", "mail_on_delivery"]);
    assert_eq!(codes(&seen, true), blocking);
    let notes = codes(&seen, false);
    for code in [
        "automatic_invoice_mail",
        "credit_limit",
        "tax_without_account",
        "scheduled_action",
        "sms_on_delivery",
    ] {
        assert!(notes.contains(code), "{code}: {notes:?}");
    }
    assert!(seen.findings.iter().any(|it| it.text.contains("`Confirm old quotations`")));
    // Not even an administrator sees these before he makes himself one of their group.
    assert_eq!(seen.unread, ["required analytic plans"]);

    let plain = look(&mut real, &wanted, false);
    assert!(!codes(&plain, true).contains("automatic_invoice"), "a plain user may not see it");
    for about in ["automatic invoices", "scheduled actions"] {
        assert!(plain.unread.iter().any(|it| it == about), "{about}: {:?}", plain.unread);
    }
}

#[test]
fn applying_twice_makes_everything_once() {
    let played = story(&mut Played(OdooSandbox::bare()));
    let Some(mut real) = Real::fresh("setup") else { return };
    let expected = story(&mut real);
    assert_eq!(played.0, expected.0, "the plans are equal");
    println!("{} records for two entities; found: {:?}", expected.0.len(), expected.1);
}

/// Odoo gives an order the currency of its price list.
fn in_another_currency(books: &mut dyn Books) {
    let euro = Currency::parse("EUR").expect("a currency");
    let mut wanted = setup::demo::wanted().remove(0);
    assert_ne!(wanted.currency, euro);
    wanted.gateways[0].currency = Some(euro);
    let mut admin = |request: &Request| books.send(request, true);
    let first = setup::run(&mut admin, &wanted).expect("a mapping");
    assert_eq!(first, setup::run(&mut admin, &wanted).expect("a mapping"));
    let list = first.pricelist_in(euro).expect("a price list");
    assert_ne!(Some(list), first.pricelist.as_ref());
    assert_eq!(first.pricelist_in(wanted.currency), first.pricelist.as_ref());
    let own = json!([["id", "=", list.parse::<i64>().expect("an id")]]);
    let found = books.read("product.pricelist", own, &["currency_id", "company_id"]);
    assert_eq!(found[0]["currency_id"][1], json!("EUR"), "{}: {found:?}", books.name());
    let company = wanted.company.parse::<i64>().expect("an id");
    let whose = &found[0]["company_id"];
    assert!(*whose == json!(false) || whose[0] == json!(company), "{}: {whose}", books.name());
}

#[test]
fn a_gateway_in_another_currency_brings_a_price_list() {
    in_another_currency(&mut Played(OdooSandbox::bare()));
    let Some(mut real) = Real::fresh("setup_currency") else { return };
    in_another_currency(&mut real);
}
