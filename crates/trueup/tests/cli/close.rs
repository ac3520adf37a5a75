//! The end of a month, from what is open to the entries in the books.

use serde_json::Value;
use trueup_domain::command::CommandKind;

use super::{Place, Sandboxes};

fn minor(amount: &Value) -> i64 {
    amount["amount"].as_str().unwrap().replace('.', "").parse().unwrap()
}

/// The entries of the end of April, and how they stand.
fn entries(place: &Place) -> Vec<(String, String)> {
    let store = trueup_store::Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    let root = "shop-us/month_end/2026-04/USD";
    let all = store.read(|tx| trueup_store::commands::of_root(tx, root)).unwrap();
    let of = |one: &trueup_store::commands::Shown| one.kind == CommandKind::Entry;
    let own = all.into_iter().filter(of).map(|one| {
        let name = one.key.rsplit_once("/entry/").unwrap().1.to_owned();
        (name, one.state)
    });
    let mut own: Vec<(String, String)> = own.collect();
    own.sort();
    own
}

#[test]
fn p12_a_month_is_closed_once_and_only_when_a_person_says_so() {
    let sandboxes = Sandboxes::of(60, 3);
    let place = Place::empty();
    let by_shipment = "company = 1\ninvoices = \"shipment\"";
    let settings = sandboxes.configuration().replacen("company = 1", by_shipment, 1);
    sandboxes.set_up(&place, &settings);
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    run(&["poll"]).ended(0);

    run(&["close", "--month", "April"]).ended(2).complained("2026-10");
    run(&["close", "--month", "2026-03"]).ended(0).said("nothing that was paid");
    run(&["close", "--month", "2026-04", "--connection", "nobody"]).ended(2);
    let listed = run(&["close", "--month", "2026-04", "--json"]).ended(0).json();
    let advances = listed[0]["advances"].as_array().unwrap();
    assert!(!advances.is_empty(), "{listed:#}");
    let sum: i64 = advances.iter().map(|one| minor(&one["amount"])).sum();
    assert_eq!(sum, minor(&listed[0]["total"]));
    assert_eq!(listed[0]["last_day"], "2026-04-30");
    assert_eq!(listed[0]["entries"], Value::Array(Vec::new()));
    run(&["close", "--month", "2026-04"]).ended(0).said("not posted").said("customer_deposits");

    let entries = || entries(&place);
    let close = |month: &str| {
        run(&["close", "--month", month, "--apply", "--by", "ann", "--reason", "April is done"])
    };
    let nobody = ["close", "--month", "2026-04", "--apply", "--by", " "];
    run(&nobody).ended(2).complained("--by");
    close("2999-12").ended(1).complained("is not over");
    assert!(entries().is_empty(), "looking and what is refused posts nothing");
    for _ in 0..2 {
        close("2026-04").ended(0);
        run(&["poll", "books"]).ended(0);
        let applied = |name: &str| (name.to_owned(), "applied".to_owned());
        assert_eq!(entries(), [applied("back/1"), applied("end/1")]);
    }
    let posted = run(&["close", "--month", "2026-04", "--json"]).ended(0).json();
    assert_eq!(posted[0]["entries"].as_array().unwrap().len(), 2);
    assert_eq!(posted[0]["entries"][0]["state"], "applied");
    assert_eq!(posted[0]["total"], listed[0]["total"]);
}

/// Where invoices follow the money, nothing is an advance, and what has not left is no revenue yet.
#[test]
fn p12_what_was_invoiced_with_the_money_and_has_not_left_is_deferred() {
    let sandboxes = Sandboxes::of(60, 3);
    let place = Place::empty();
    let by_capture = "company = 1\ninvoices = \"capture\"";
    let settings = sandboxes.configuration().replacen("company = 1", by_capture, 1);
    sandboxes.set_up(&place, &settings);
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    run(&["poll"]).ended(0);

    let listed = run(&["close", "--month", "2026-04", "--json"]).ended(0).json();
    assert_eq!(listed[0]["advances"], Value::Array(Vec::new()));
    let deferrals = listed[0]["deferrals"].as_array().unwrap();
    assert!(!deferrals.is_empty(), "{listed:#}");
    let sum: i64 = deferrals.iter().map(|one| minor(&one["amount"])).sum();
    assert_eq!(sum, minor(&listed[0]["deferred"]));
    let told = run(&["close", "--month", "2026-04"]).ended(0);
    let total = listed[0]["deferred"]["amount"].as_str().unwrap();
    let told = told.said("has not left by 2026-04-30").said(&format!("debit sales {total}"));
    assert!(!told.said("not posted").out.contains("receivable"));

    run(&["close", "--month", "2026-04", "--apply", "--by", "ann", "--reason", "over"]).ended(0);
    run(&["poll", "books"]).ended(0);
    let applied = |name: &str| (name.to_owned(), "applied".to_owned());
    assert_eq!(entries(&place), [applied("deferred_back/1"), applied("deferred_end/1")]);
}
