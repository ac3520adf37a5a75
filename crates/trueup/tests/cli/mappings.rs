//! What a source's words mean is approved whole, and by whoever saw what stands.

use serde_json::Value;

use super::{Place, Sandboxes};

/// Ben prints a mapping to change it, and Ann approves another version meanwhile: what he approves
/// would undo what she did.
#[test]
fn g7_of_two_who_change_a_mapping_the_second_is_told_of_the_first() {
    let sandboxes = Sandboxes::after_days(1);
    let place = Place::empty();
    sandboxes.set_up(&place, &sandboxes.configuration());
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    let approve = |file: &str, author: &str| {
        let by = ["--author", author, "--reason", "a change"];
        run(&[&["mapping", "approve", "shop-us", file], &by[..]].concat())
    };
    let printed = run(&["mapping", "show", "shop-us"]).ended(0).out;
    let mapping: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(mapping["version"], 1, "ann approved the first one");
    place.write("ben.json", &printed);
    place.write("ann.json", &printed);
    approve("ann.json", "ann").ended(0).said("Version 2");
    approve("ben.json", "ben")
        .ended(1)
        .complained("was made from version 1, and ann has approved version 2 since");
    // Her own are no news to her, and what is made anew from the books was made from none.
    approve("ann.json", "ann").ended(0).said("Version 3");
    approve("us.json", "ben").ended(0).said("Version 4");
    let newest = run(&["mapping", "show", "shop-us"]).ended(0).out;
    place.write("ben.json", &newest);
    approve("ben.json", "ben").ended(0).said("Version 5");
    approve("ann.json", "ann").ended(1).complained("ben has approved version 5 since");
}

/// What a provider's ledger says goes into the books where somebody says so, on one account.
#[test]
fn check_says_whether_a_ledger_goes_into_the_books_and_what_it_lacks() {
    let sandboxes = Sandboxes::after_days(1);
    let place = Place::empty();
    let configuration = sandboxes.configuration();
    sandboxes.set_up(&place, &configuration);
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    let ledger = || {
        let found = run(&["check", "--offline", "--json"]).json();
        let found = found.as_array().unwrap().iter();
        let own = found.filter(|it| it["check"] == "ledger" && it["subject"] == "stripe-us");
        let told = own.map(|it| format!("{}: {}", it["verdict"], it["detail"]));
        told.collect::<Vec<_>>().join(", ")
    };
    let told = ledger();
    assert!(told.starts_with("\"note\"") && told.contains("do not go into the books"), "{told}");
    let section = "[connection.stripe-us]\n";
    assert!(configuration.contains(section), "{configuration}");
    let since = format!("{section}ledger_since = \"2026-01-01\"\n");
    place.write("trueup.toml", &configuration.replace(section, &since));
    let told = ledger();
    assert!(told.starts_with("\"ok\"") && told.contains("by the mapping of shop-us"), "{told}");

    let mut mapping: Value =
        serde_json::from_str(&run(&["mapping", "show", "shop-us"]).ended(0).out).unwrap();
    mapping["gateways"]["other"] = mapping["gateways"]["stripe"].clone();
    mapping["accounts"]["clearing/other"] = "1".into();
    place.write("two.json", &mapping.to_string());
    let by = ["--author", "ann", "--reason", "another account"];
    run(&[&["mapping", "approve", "shop-us", "two.json"], &by[..]].concat()).ended(0);
    let told = ledger();
    assert!(told.starts_with("\"missing\"") && told.contains("several accounts"), "{told}");
}
