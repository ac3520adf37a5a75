//! What was taken in is decided again, after a person has seen what would come of it.

use serde_json::Value;

use super::{Place, Sandboxes};

#[test]
fn h24_what_would_change_is_shown_first_and_nothing_else_is_done() {
    let sandboxes = Sandboxes::after_days(3);
    let place = Place::empty();
    sandboxes.set_up(&place, &sandboxes.configuration());
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    let approve = |reason: &str| {
        let by = ["--author", "ann", "--reason", reason];
        run(&[&["mapping", "approve", "shop-us", "us.json"], &by[..]].concat()).ended(0);
    };
    run(&["poll"]).ended(0);

    run(&["replay"]).ended(2).complained("--all");
    run(&["replay", "--connection", "nobody"]).ended(2);
    run(&["replay", "--connection", "shop-us", "--from", "yesterday"]).ended(2);
    run(&["replay", "nothing-of-the-kind"]).ended(1).complained("nothing is known of");
    run(&["replay", "--all"]).ended(0).said("Nothing would change.");
    let quiet = run(&["replay", "--all", "--json"]).ended(0).json();
    assert!(quiet["messages"].as_u64().unwrap() > 20, "{quiet:#}");

    let other = "[connection.stripe-b]\nconnector = \"stripe\"\nentity = \"us\"\n\
                 url = \"http://127.0.0.1:9\"\nsecret_env = \"KEY\"\nsince = \"2026-01-01\"\n";
    place.write("trueup.toml", &format!("{}{other}", sandboxes.configuration()));
    let mapping = std::fs::read_to_string(place.path("us.json")).unwrap();
    let mut mapping: Value = serde_json::from_str(&mapping).unwrap();
    assert_eq!(mapping["gateways"]["stripe"]["provider"], "stripe-us");
    mapping["gateways"]["stripe"]["provider"] = "stripe-b".into();
    place.write("us.json", &mapping.to_string());
    approve("another provider");
    run(&["poll", "books"]).ended(0);

    let shop = ["replay", "--connection", "shop-us"];
    run(&shop).ended(0).said("Nothing would change.");
    let remap = [&shop[..], &["--remap"]].concat();
    run(&remap).ended(1).said("Journal entries").said("us clearing stripe-b").said("--apply ");
    let plan = run(&[&remap[..], &["--json"]].concat()).ended(1).json();
    let id = plan["id"].as_str().unwrap();
    let changes = plan["changes"].as_array().unwrap();
    assert!(!changes.is_empty());
    let clearing = |qualifier: &str| {
        let moved = plan["money"].as_array().unwrap();
        let one = moved.iter().find(|it| it["qualifier"] == qualifier);
        one.unwrap_or_else(|| panic!("{qualifier} in {moved:?}"))["minor"].as_i64().unwrap()
    };
    assert!(clearing("stripe-b") > 0);
    assert_eq!(clearing("stripe-b"), -clearing("stripe-us"));
    // One order is a smaller plan, and another one.
    let root = changes[0]["root"].as_str().unwrap();
    let one = run(&["replay", root, "--remap", "--json"]).ended(1).json();
    assert_eq!(one["changes"].as_array().unwrap(), &changes[..1]);
    assert_ne!(one["id"], plan["id"]);
    let none = ["--from", "2020-01-01", "--to", "2020-12-31", "--json"];
    assert_eq!(run(&[&remap[..], &none].concat()).ended(0).json()["messages"], 0);
    run(&[&remap[..], &["--kind", "no-such-kind", "--json"]].concat()).ended(0);

    let by = ["--by", "ben", "--reason", "settled by another provider"];
    let applied = |id: &str, more: &[&str]| run(&[&remap[..], &["--apply", id], more].concat());
    applied("000000000000", &by).ended(1).complained(id);
    applied(one["id"].as_str().unwrap(), &by).ended(1).complained("is not the plan");
    applied(id, &["--by", "ben"]).ended(2).complained("--reason");
    applied(id, &[&by[..], &["--limit", "1"]].concat()).ended(1).complained("--limit ");
    assert_eq!(
        run(&[&remap[..], &["--json"]].concat()).json()["id"],
        plan["id"],
        "nothing is done"
    );
    applied(id, &by).ended(0);
    run(&["poll", "books"]).ended(0);
    run(&remap).ended(0).said("Nothing would change.");
    // Whoever saw the plan before that does not do it again.
    applied(id, &by).ended(1).complained("is not the plan");

    let store = trueup_store::Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    let kept = store.read(|tx| trueup_store::decisions::about(tx, id)).unwrap();
    let kept: Vec<(&str, &str)> =
        kept.iter().map(|it| (it.person.as_str(), it.reason.as_str())).collect();
    assert_eq!(kept, [("ben", "settled by another provider")]);
}
