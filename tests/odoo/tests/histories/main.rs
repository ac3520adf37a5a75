//! The scenario table: named histories of orders, from what is said to documents, journal, records of
//! Odoo, proof and report, on the sandbox and on a real Odoo 19.
//!
//! `UPDATE_EXPECT=1` writes down what came of each on the sandbox; a person then checks it against
//! `docs/posting.md`.

#[path = "../common/mod.rs"]
mod common;
mod file;
mod ledger;
mod provider;
mod seen;
mod shopify;
mod stage;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;
use std::path::Path;

use common::{Books, Played, Real};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use trueup_connect::Request;
use trueup_domain::document::Remitter;
use trueup_domain::mapping::Mapping;
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo::setup::{self, WantedTax};

use file::Scenario;
use seen::{Account, Held};
use stage::Stage;

/// The mappings of both entities, and what else the scenarios name.
pub struct SetUp {
    us: Mapping,
    eu: Mapping,
    /// Price lists of the American company in other currencies than its own, by currency.
    pricelists: BTreeMap<&'static str, i64>,
    /// Locations of stock, by company and by the word that scenarios have for them.
    locations: BTreeMap<(String, &'static str), String>,
}

/// Both entities of the demo, the European one with taxes on top as well; and two currencies more,
/// which somebody activates and gives a price list. Others stay as Odoo comes with them.
fn set_up(books: &mut dyn Books) -> SetUp {
    let on_top = |percent: i64| WantedTax {
        key: format!("eu_{percent}_on_top"),
        name: format!("VAT {percent} %, on top"),
        percent: percent.into(),
        included: false,
        title: None,
        jurisdiction: None,
        rate: Some(Decimal::new(percent, 2)),
        remitted_by: Remitter::Merchant,
    };
    let mut wanted = setup::demo::wanted();
    wanted[1].taxes.extend([on_top(19), on_top(7)]);
    let mut map = |wanted| {
        let mut call = |request: &Request| books.send(request, true);
        setup::run(&mut call, wanted).unwrap_or_else(|error| panic!("{error}: {error:?}"))
    };
    let (us, eu) = (map(&wanted[0]), map(&wanted[1]));
    let company = us.company.parse().expect("an id");
    let pricelists = ["JPY", "KWD"].map(|code| (code, pricelist(books, company, code)));
    let mut locations = BTreeMap::new();
    for mapping in [&us, &eu] {
        let stock = stock_of(books, &mapping.company);
        let aside = location(books, &mapping.company, stock);
        for (word, id) in [("stock", stock), ("aside", aside)] {
            locations.insert((mapping.company.clone(), word), id.to_string());
        }
    }
    SetUp { us, eu, pricelists: pricelists.into(), locations }
}

/// Where the warehouse of a company has its stock.
fn stock_of(books: &dyn Books, company: &str) -> i64 {
    let company: i64 = company.parse().expect("an id");
    let own = json!([["company_id", "=", company]]);
    let found = books.read("stock.warehouse", own, &["lot_stock_id"]);
    found[0]["lot_stock_id"][0].as_i64().expect("a location")
}

/// Somebody keeps a part of the stock aside, such as what lies with a service provider.
fn location(books: &mut dyn Books, company: &str, within: i64) -> i64 {
    let company: i64 = company.parse().expect("an id");
    let values = json!({
        "name": "aside", "usage": "internal", "location_id": within, "company_id": company });
    let request = Request::post_json(
        "/json/2/stock.location/create",
        &json!({ "vals_list": [values], "context": { "allowed_company_ids": [company] } }),
    );
    let reply = books.send(&request, true).expect("a reply");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let made: Value = serde_json::from_slice(&reply.body).expect("JSON");
    made[0].as_i64().expect("an id")
}

/// Somebody takes a currency into use and gives a company a price list in it.
fn pricelist(books: &mut dyn Books, company: i64, code: &str) -> i64 {
    let found = books.read("res.currency", json!([["name", "=", code]]), &["id", "active"]);
    assert_eq!(found[0]["active"], json!(false), "{code} is there, and not in use");
    let currency = &found[0]["id"];
    let mut call = |path: &str, arguments: Value| -> Value {
        let request = Request::post_json(format!("/json/2/{path}"), &arguments);
        let reply = books.send(&request, true).expect("a reply");
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        serde_json::from_slice(&reply.body).expect("JSON")
    };
    call("res.currency/write", json!({ "ids": [currency], "vals": { "active": true } }));
    let values = json!({ "name": code, "currency_id": currency, "company_id": company });
    let made = call("product.pricelist/create", json!({ "vals_list": [values] }));
    made[0].as_i64().expect("an id")
}

/// Somebody entered a customer by hand: `email a@example.com vat DE1`.
fn known_customer(books: &mut dyn Books, name: &str, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let mut values = json!({ "name": name });
    for pair in words.chunks(2) {
        let field = match pair[0] {
            "company" => {
                values["is_company"] = json!(true);
                "name"
            }
            "postcode" => "zip",
            "reference" => "ref",
            field => field,
        };
        values[field] = json!(pair[1]);
    }
    let arguments = json!({ "vals_list": [values] });
    let request = Request::post_json("/json/2/res.partner/create", &arguments);
    let reply = books.send(&request, true).expect("a reply");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
}

fn updating() -> bool {
    env::var_os("UPDATE_EXPECT").is_some()
}

fn check(books: &mut dyn Books, may_update: bool) {
    let scenarios = file::all();
    let mut stage = Stage::new(&scenarios, &set_up(books));
    for scenario in &scenarios {
        let known = scenario.heading("Known").into_iter().flat_map(|it| it.split(", "));
        for words in known {
            known_customer(books, &format!("Known to {}", scenario.name), words);
        }
    }
    stage.play(&scenarios, books);
    let held = Held::read(books);
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let mut account = Account::of(&stage, &held, scenario);
        let seen = account.tell();
        // What is known to be wrong stands in the scenario, and is to be taken out once it is mended.
        let known: Vec<String> = scenario.heading("Wrong").into_iter().map(str::to_owned).collect();
        if account.wrong != known {
            let (found, name) = (&account.wrong, &scenario.name);
            wrong.push(format!("{name}: wrong is {found:#?}, and known to be so {known:#?}"));
        }
        if may_update && updating() {
            scenario.accept(&seen);
        } else if let Some(difference) = file::difference(&scenario.expected, &seen) {
            wrong.push(format!("{} ({})\n{difference}", scenario.name, scenario.title));
        } else {
            println!("{}: {}", scenario.name, scenario.title);
        }
    }
    let refused = stage.hub.store.read(trueup_store::cases::open_cases).expect("readable");
    let of_nobody =
        refused.iter().filter(|case| case.kind == "refused" && case.subject.contains("/address/"));
    let of_nobody: Vec<&str> = of_nobody.map(|case| case.detail.as_str()).collect();
    assert_eq!(of_nobody, [""; 0], "addresses that Odoo refused");
    let unbalanced = stage.hub.store.read(trueup_store::facts::unbalanced).expect("readable");
    assert_eq!(unbalanced, [""; 0]);
    let count = wrong.len();
    assert!(count == 0, "{}: {count} wrong\n\n{}", books.name(), wrong.join("\n\n"));
    println!("{}: {} scenarios", books.name(), scenarios.len());
}

#[test]
fn each_history_comes_out_as_written_in_the_sandbox() {
    check(&mut Played(OdooSandbox::bare()), true);
}

#[test]
fn each_history_comes_out_as_written_in_the_real_odoo() {
    if let Some(mut real) = Real::fresh("histories") {
        check(&mut real, false);
    }
}

/// The table of `docs/scenarios.md`, from the files.
fn table(scenarios: &[Scenario]) -> String {
    let mut table = "| Scenario | Shows | Numbers |\n|---|---|---|\n".to_owned();
    for one in scenarios {
        let numbers = one.heading("Numbers").unwrap_or_default();
        let path = format!("../tests/odoo/scenarios/{}.txt", one.name);
        writeln!(table, "| [{}]({path}) | {} | {numbers} |", one.name, one.title).expect("written");
    }
    table
}

#[test]
fn the_index_lists_every_scenario() {
    let scenarios = file::all();
    let titles: BTreeSet<&str> = scenarios.iter().map(|one| one.title.as_str()).collect();
    assert_eq!(titles.len(), scenarios.len(), "two scenarios have one title");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    let text = std::fs::read_to_string(&path).expect("readable");
    let start = text.find("| Scenario |").expect("a table");
    let wanted = format!("{}{}", &text[..start], table(&scenarios));
    if updating() {
        std::fs::write(&path, wanted).expect("writable");
    } else {
        assert_eq!(text, wanted, "UPDATE_EXPECT=1 writes the table");
    }
}
