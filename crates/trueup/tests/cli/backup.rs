//! The store as one file, and back.

use std::fs;

use serde_json::Value;

use super::{Place, SECRET, Sandboxes, Server, fixture};

#[test]
fn a_backup_is_made_while_the_hub_runs_and_is_never_written_over() {
    let place = Place::configured();
    place.run(&["backup", "early.sqlite"]).ended(1).complained("TU505");
    let server = Server::start(&place, &[]);
    let order = fs::read(fixture("shopify", "orders~updated__pair_1_rest.json")).unwrap();
    server.takes_in("one", &order, SECRET);
    let made = place.run(&["backup", "one.sqlite", "--json"]).ended(0).json();
    assert_eq!(made["messages"], 1);
    server.takes_in("two", &order, SECRET);
    place.run(&["backup", "one.sqlite"]).ended(1).complained("TU506").complained("exists already");
    place.run(&["backup", "no/such/folder.sqlite"]).ended(1).complained("TU506");
    assert!(!place.path("one.sqlite.part").exists());
    // Nothing is brought back below a hub that works.
    place.run(&["restore", "one.sqlite", "--by", "ann"]).ended(3).complained("TU507");
    place.run(&["restore", "--in-place", "--by", "ann"]).ended(3).complained("TU507");
    assert_eq!(server.end(), 0);

    place.write("broken.sqlite", "no database");
    place.run(&["restore", "broken.sqlite", "--by", "ann"]).ended(1).complained("TU506");
    place.run(&["restore", "one.sqlite", "--by", ""]).ended(2).complained("--by");
    let answer = place.run(&["restore", "one.sqlite", "--by", "ann"]).ended(0).said("1 messages");
    // What was there is kept, and is a store itself.
    let kept = answer.out.lines().find_map(|line| line.strip_prefix("The store that was there"));
    let kept = kept.and_then(|line| line.split_whitespace().last()).unwrap().trim_end_matches('.');
    place.configure(&format!("sqlite:{kept}"));
    place.run(&["backup", "two.sqlite"]).ended(0).said("2 messages");
}

#[test]
fn c20_what_is_restored_delivers_nothing_until_a_person_releases_it() {
    let sandboxes = Sandboxes::after_days(3);
    let place = Place::empty();
    sandboxes.set_up(&place, &sandboxes.configuration());
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    let in_books = |report: &Value| report["totals"][0]["links"]["document"]["proven"].clone();

    run(&["poll", "shop-us"]).ended(0);
    run(&["backup", "noon.sqlite"]).ended(0);
    run(&["poll"]).ended(0);
    let before = run(&["reconcile", "--json"]).json();
    assert!(in_books(&before)["orders"].as_i64().is_some_and(|orders| orders > 0), "{before:#}");

    run(&["restore", "noon.sqlite", "--by", "ann"]).ended(0).said("books is held");
    run(&["poll", "shop-us"]).ended(0);
    run(&["poll", "stripe-us"]).ended(0);
    let counted = |state: &str| {
        let store = trueup_store::Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
        let all = store.read(trueup_store::commands::counts).unwrap();
        all.iter().filter(|(_, _, own, _)| own == state).map(|(.., count)| count).sum::<i64>()
    };
    run(&["poll", "books"]).ended(0);
    assert_eq!(counted("applied"), 0, "nothing leaves");
    let cases = run(&["cases", "--json"]).ended(1).json();
    let held = cases.as_array().unwrap().iter().find(|it| it["kind"] == "connection_held");
    assert!(held.unwrap()["detail"].as_str().unwrap().contains("noon.sqlite"));
    run(&["release", "books", "--by", "ann"]).ended(2).complained("--reason");
    let release = ["release", "books", "--by", "ann", "--reason", "compared with Odoo"];
    run(&release).ended(0);
    run(&release).ended(1).complained("TU508");
    run(&["poll"]).ended(0);
    assert!(counted("applied") > 0);
    let after = run(&["reconcile", "--json"]).json();
    assert_eq!(after["totals"], before["totals"], "found by key, and not made again");
}
