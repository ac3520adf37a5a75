//! Cases of one cause, as a person works on them.

use std::fs;

use super::{Place, fixture};

#[test]
fn h25_what_cannot_be_read_for_one_cause_is_one_line() {
    let place = Place::configured();
    let bad = fs::read_to_string(fixture("bank", "camt.053__genkgo_v4.xml")).unwrap();
    let names = ["a.xml", "b.xml", "c.xml"];
    for (at, name) in names.iter().enumerate() {
        place.write(name, &format!("{bad}{}", "\n".repeat(at)));
    }
    place.run(&[&["ingest", "bank"], &names[..]].concat()).ended(1);

    let all = place.run(&["cases", "--json"]).ended(1).json();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3, "{all:#?}");
    let cause = all[0]["cause"].as_str().expect("a cause").to_owned();
    assert!(all.iter().all(|case| case["cause"] == cause.as_str()), "{all:#?}");
    let list = place.run(&["cases"]).ended(1).said("3 open").said("3 of one cause");
    assert_eq!(list.out.matches("undecodable").count(), 1, "{}", list.out);
    let each = place.run(&["cases", "--each"]).ended(1);
    assert_eq!(each.out.matches("undecodable").count(), 3, "{}", each.out);
    place.run(&["cases", "show", &cause[..10]]).ended(0).said("3 cases of one cause").said("TU205");
    let first = all[0]["id"].as_str().unwrap();
    place.run(&["cases", "show", first]).ended(0).said("3 cases have this cause");

    let ann = ["--by", "ann", "--reason", "the bank is asked"];
    let with = |words: &[&str]| place.run(&[words, &ann].concat());
    with(&["cases", "assign", &cause[..10], "ben"]).ended(0);
    place.run(&["cases"]).ended(1).said("integrator, ben");
    // One is taken as it is; what is decided about the cause is then about the other two.
    with(&["cases", "close", first, "--accept"]).ended(0);
    place.run(&["cases"]).ended(1).said("2 of one cause");
    with(&["retry", &cause]).ended(0).said("open cases of this cause");
    with(&["cases", "close", &cause, "--accept"]).ended(1);
    place.run(&["ingest", "bank", "a.xml"]);
    with(&["cases", "close", &cause, "--accept"]).ended(0);
    place.run(&["cases"]).ended(0).said("No open case");
    let shown = place.run(&["cases", "show", first]).ended(0);
    assert!(!shown.out.contains("trueup cases skip"), "it is not open: {}", shown.out);
    with(&["cases", "assign", &cause, "ben"]).ended(1).complained("there is no case");
}

#[test]
fn what_need_not_be_read_is_skipped_with_a_reason() {
    let place = Place::configured();
    let bad = fs::read_to_string(fixture("bank", "camt.053__genkgo_v4.xml")).unwrap();
    place.write("a.xml", &bad);
    place.write("b.xml", &format!("{bad}\n"));
    place.run(&["ingest", "bank", "a.xml", "b.xml"]).ended(1);
    let all = place.run(&["cases", "--json"]).ended(1).json();
    let first = all[0]["id"].as_str().unwrap();
    let message = all[0]["subject"].as_str().unwrap();
    let shown = place.run(&["cases", "show", first]).ended(0).said("trueup cases skip");
    assert!(shown.out.contains("Skipping it: the message is kept and not read"), "{}", shown.out);
    place.run(&["cases", "skip", first, "--by", "ann"]).ended(2).complained("--reason");
    let skip = ["cases", "skip", first, "--by", "ann", "--reason", "the bank's test file"];
    place.run(&skip).ended(0).said("The message is not read");
    place.run(&skip).ended(1).complained("the case is not open");
    place.run(&["cases"]).ended(1).said("1 open");
    place.run(&["cases", "show", first]).ended(0).said("skipped by ann: the bank's test file");
    place.run(&["retry", message, "--by", "ann"]).ended(0);
}
