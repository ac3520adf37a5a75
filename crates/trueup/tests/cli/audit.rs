//! What was done and by whom, and that nobody changed it.

use std::fs;

use trueup_store::{Store, values};

use super::{Place, fixture};

#[test]
fn i9_what_was_done_is_listed_verified_and_exported() {
    let place = Place::configured();
    place.run(&["audit"]).ended(0).said("Nothing was done yet");
    place.run(&["audit", "verify"]).ended(0).said("0 records hold");
    let bad = fixture("bank", "camt.053__genkgo_v4.xml");
    place.run(&["ingest", "bank", &bad]).ended(1);
    let cases = place.run(&["cases", "--json"]).json();
    let case = cases[0]["id"].as_str().unwrap().to_owned();
    for reason in ["first", "second"] {
        place.run(&["cases", "note", &case, "--by", "ann", "--reason", reason]).ended(0);
    }
    place.run(&["audit"]).ended(0).said("note").said("ann").said(&case[..10]);
    let told = place.run(&["audit", "verify"]).ended(0).said("2 records hold").out;
    let kept = told.lines().find_map(|line| line.strip_prefix("Keep this outside: ")).unwrap();
    let verify = |kept: &str| place.run(&["audit", "verify", "--kept", kept]);
    verify(kept).ended(0);
    verify("2:abc").ended(2).complained("NUMBER:SEAL");

    let exported = place.run(&["audit", "export"]).ended(0).out;
    assert_eq!(exported.lines().count(), 2);
    place.write("audit.jsonl", &exported);
    let file = place.path("audit.jsonl").display().to_string();
    let of_file = || place.run(&["audit", "verify", "--file", &file, "--kept", kept]);
    of_file().ended(0).said("2 records hold");
    place.write("audit.jsonl", &exported.replace("ann", "ben"));
    of_file().ended(1).said("record 1 is not what was sealed");
    place.write("audit.jsonl", exported.lines().next().unwrap());
    of_file().ended(1).said("record 2 is missing");
    place.write("audit.jsonl", "no record");
    of_file().ended(2).complained("trueup audit export");
    fs::remove_file(place.path("audit.jsonl")).unwrap();
    of_file().ended(2);

    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    store.write(|tx| tx.execute("UPDATE audit SET person = 'ben'", values![])).unwrap();
    drop(store);
    let json = place.run(&["audit", "verify", "--json"]).ended(1).json();
    assert_eq!(json["findings"].as_array().unwrap().len(), 1, "{json:#}");
}
