//! What a message should have said, by one person, approved by another.

use std::fs;

use super::{Place, fixture};

#[test]
fn a_statement_that_cannot_be_read_is_corrected_by_two_people() {
    let place = Place::configured();
    let bad = fs::read_to_string(fixture("bank", "__scenario_eur.sta")).unwrap();
    let (good, bad) = (bad.clone(), bad.replacen(":60F:", ":66F:", 1));
    assert_ne!(good, bad);
    place.write("statement.sta", &bad);
    let sent = place.path("statement.sta").display().to_string();
    place.run(&["ingest", "bank", &sent]).ended(1).complained("TU202");
    place.run(&["correct"]).ended(0).said("No correction waits");
    let cases = place.run(&["cases", "--json"]).ended(1).json();
    let case = cases[0]["id"].as_str().unwrap().to_owned();
    place.run(&["cases", "show", &case]).said("propose what it should have said");

    let text = place.run(&["correct", "text", &case[..10]]).ended(0);
    assert_eq!(text.out, bad, "byte for byte");
    place.write("better.sta", &good);
    let file = place.path("better.sta").display().to_string();
    let propose = |file: &str, by: &str| {
        let reason = "the bank sent the wrong tag, by phone";
        place.run(&["correct", "propose", &case, "--file", file, "--by", by, "--reason", reason])
    };
    propose("nowhere.sta", "ann").ended(2).complained("nowhere.sta");
    propose(&sent, "ann").ended(1).complained("cannot be read");
    propose(&file, "ann").ended(0).said("until another person approves it");
    let id =
        place.run(&["correct", "--json"]).ended(1).json()[0]["id"].as_str().unwrap().to_owned();
    place.run(&["correct"]).ended(1).said(&id[..10]).said("1 waiting");
    let shown = place.run(&["correct", "show", &id[..10]]).ended(0);
    shown.said("- :66F:").said("+ :60F:").said("Documents").said("correct approve");
    let shown = place.run(&["correct", "show", &case, "--json"]).ended(0).json();
    assert_eq!((&shown["state"], &shown["person"]), (&"proposed".into(), &"ann".into()));
    assert!(!shown["plan"]["documents"].as_array().unwrap().is_empty(), "{shown:#}");

    place.run(&["correct", "approve", &id, "--by", "ann"]).ended(1).complained("who proposed it");
    place.run(&["correct", "approve", "nothing", "--by", "ben"]).ended(1).complained("TU505");
    place.run(&["correct", "approve", &id[..10], "--by", "ben"]).ended(0).said("read next");
    place.run(&["correct", "reject", &id, "--by", "ben", "--reason", "late"]).ended(1);
    place.run(&["reconcile"]);
    let cases = place.run(&["cases", "--json"]).json();
    let open = cases.as_array().unwrap();
    assert!(open.iter().all(|it| it["kind"] != "undecodable"), "{cases:#}");
    place.run(&["correct", "show", &id]).ended(0).said("approved by ben");
}
