//! The real binary, as a person or a script runs it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod audit;
mod backup;
mod causes;
mod close;
mod corrections;
mod invoice;
mod mappings;
mod place;
mod replay;
mod retailer;
mod schedules;
mod serving;
mod settings;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use trueup_connect::conformance;

use self::place::{Answer, PORTAL_SECRET, Place, SECRET, SHOP, connectors, expected, fixture};
use self::retailer::Sandboxes;
use self::serving::Server;

#[test]
fn every_folder_of_a_connector_is_in_the_list() {
    let folders = fs::read_dir(connectors()).unwrap();
    let mut folders: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut listed: Vec<String> =
        trueup::connectors::ALL.iter().map(|connector| connector.name.to_owned()).collect();
    listed.sort();
    assert_eq!(folders, listed);
    for connector in trueup::connectors::ALL {
        let suite = connectors().join(connector.name).join("tests/conformance.rs");
        let text = fs::read_to_string(&suite).unwrap_or_default();
        assert!(text.contains("conformance"), "{} has no conformance suite", connector.name);
    }
}

#[test]
fn decode_prints_what_the_goldens_say_and_goes_on_after_a_bad_file() {
    let place = Place::empty();
    let good = fixture("bank", "__scenario_eur.sta");
    let answer = place.run(&["decode", "--connector", "bank", &good]).ended(0);
    assert_eq!(answer.out, expected(&good));
    for line in answer.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["kind"].is_string() && line["identity"].is_string(), "{line}");
    }

    let bad = fixture("bank", "camt.053__genkgo_v4.xml");
    let other = fixture("bank", "mt940__asn.sta");
    let answer =
        place.run(&["decode", "--connector", "bank", &good, &bad, "no-such-file", &other]).ended(1);
    assert_eq!(answer.out, format!("{}{}", expected(&good), expected(&other)));
    answer.complained(&format!("{bad}: error TU205: ")).complained("no-such-file: error TU506: ");
}

#[test]
fn every_fixture_of_every_connector_decodes_as_its_golden_says() {
    let place = Place::empty();
    let mut tried = 0;
    for connector in trueup::connectors::ALL {
        let folder = connectors().join(connector.name).join("fixtures");
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        // One run for each kind keeps the test quick.
        let mut by_kind: std::collections::BTreeMap<String, Vec<String>> = Default::default();
        for entry in entries {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if !name.ends_with(".expected") && !name.ends_with(".md") {
                by_kind.entry(conformance::kind_of(&name)).or_default().push(name);
            }
        }
        for (kind, mut names) in by_kind {
            names.sort();
            let files: Vec<String> =
                names.iter().map(|name| fixture(connector.name, name)).collect();
            let mut arguments = vec!["decode", "--connector", connector.name, "--kind", &kind];
            arguments.extend(files.iter().map(String::as_str));
            let answer = place.run(&arguments);
            let mut wanted = String::new();
            let mut refused = 0;
            for file in &files {
                tried += 1;
                let golden = expected(file);
                match golden.strip_prefix("error ") {
                    None => wanted.push_str(&golden),
                    Some(why) => {
                        refused += 1;
                        let line = format!("{file}: error {}", why.trim_end());
                        assert!(answer.err.contains(&line), "{line} is not in {}", answer.err);
                    }
                }
            }
            assert_eq!(answer.out, wanted, "{} {kind}", connector.name);
            assert_eq!(answer.status, i32::from(refused > 0), "{}", answer.err);
        }
    }
    assert!(tried > 60, "only {tried} fixtures were found");
}

#[test]
fn decode_says_whom_it_does_not_know_and_reads_the_standard_input() {
    let place = Place::empty();
    place
        .run(&["decode", "--connector", "acme", "x"])
        .ended(2)
        .complained("there is no connector `acme`")
        .complained("bank, channel, odoo, odoo-pos, shopify, stripe");
    place.run(&["decode", "--connector", "bank"]).ended(2).complained("Usage");
    place.run(&["decode", "--connector", "bank", "."]).ended(1).complained("it is a directory");

    let good = fixture("bank", "__scenario_eur.sta");
    let mut child = place
        .command(&["decode", "--connector", "bank", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&good).unwrap()).unwrap();
    let answer = Answer::of(&child.wait_with_output().unwrap()).ended(0);
    assert_eq!(answer.out, expected(&good));

    place
        .run(&["decode", "--connector", "shopify", "--kind", "app/uninstalled", &good])
        .ended(0)
        .said("{\"ignored\":");
}

#[test]
fn hostile_files_are_refused_one_by_one() {
    let place = Place::empty();
    let deep = "[".repeat(200_000);
    let deep_object = "{\"a\":".repeat(200_000);
    let huge_number = format!("{{\"id\":{},\"total_price\":1e400}}", "9".repeat(100_000));
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]>\
                <Document><BkToCstmrStmt>&c;</BkToCstmrStmt></Document>";
    for (name, body) in [
        ("deep.json", deep.as_bytes()),
        ("deep-object.json", deep_object.as_bytes()),
        ("number.json", huge_number.as_bytes()),
        (
            "twice.json",
            br#"{"id":1,"id":2,"name":"a","name":"b","total_price":"1","total_price":"2"}"#,
        ),
        ("bomb.xml", bomb.as_bytes()),
        ("deep.xml", "<a>".repeat(200_000).as_bytes()),
        ("binary", b"\xff\xfe\x00\x00\x80"),
        ("empty", b""),
        ("null.json", b"null"),
        ("half.json", br#"{"id": 1, "line_items": [{"#),
        ("page.html", b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"),
    ] {
        fs::write(place.path(name), body).unwrap();
    }
    let large = fs::File::create(place.path("large")).unwrap();
    large.set_len(64 * 1024 * 1024 * 1024).unwrap();
    let files: Vec<String> = fs::read_dir(place.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for connector in trueup::connectors::ALL {
        for kind in connector.kinds.iter().copied().chain([""]) {
            let mut arguments = vec!["decode", "--connector", connector.name, "--kind", kind];
            arguments.extend(files.iter().map(String::as_str));
            let answer = place.run(&arguments).ended(1).complained("large: error TU303: ");
            let told =
                files.iter().filter(|file| answer.err.contains(&format!("{file}: error TU")));
            let (told, shown) = (told.count(), answer.out.lines().count());
            let each = told + shown >= files.len();
            assert!(each, "{} {kind}: {}\n{}", connector.name, answer.out, answer.err);
        }
    }
}

#[test]
fn init_writes_once_and_check_says_what_is_missing() {
    let place = Place::empty();
    place.run(&["init"]).ended(0).said("Next:").said("check");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(place.path("trueup.key")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "the key is for its owner only");
    let key = fs::read_to_string(place.path("trueup.key")).unwrap();
    assert_eq!(key.trim().len(), 64);
    let before = fs::read_to_string(place.path("trueup.toml")).unwrap();
    assert!(!before.contains(key.trim()), "secrets never stand in the file");
    place.run(&["init"]).ended(1).complained("TU508").complained("there already");
    assert_eq!(fs::read_to_string(place.path("trueup.toml")).unwrap(), before);
    assert_eq!(fs::read_to_string(place.path("trueup.key")).unwrap(), key);

    let answer = place
        .command(&["check", "--offline", "--json"])
        .env_remove("SHOPIFY_ACCESS_TOKEN")
        .output()
        .unwrap();
    let answer = Answer::of(&answer).ended(1);
    let found = answer.json();
    let found = found.as_array().unwrap();
    let has = |subject: &str, check: &str, verdict: &str| {
        found.iter().any(|one| {
            one["subject"] == subject && one["check"] == check && one["verdict"] == verdict
        })
    };
    assert!(has("shopify", "secret", "missing"), "{found:?}");
    assert!(has("shopify", "mapping", "missing"), "{found:?}");
    assert!(has("store", "open", "ok"), "{found:?}");
    assert!(found.iter().all(|one| one["verdict"] == "ok" || one["remedy"] != ""), "{found:?}");
}

#[test]
fn check_tells_an_unreachable_connection_from_a_wrong_configuration() {
    let place = Place::configured();
    // Nothing listens on the port of the configuration.
    place.run(&["check"]).ended(3).said("unreachable").said("TU102").said("Next");
    place.run(&["check", "--offline"]).ended(1).said("mapping");

    place.write("trueup.toml", "environment = \"test\"\n[sotre]\n");
    place
        .run(&["check"])
        .ended(2)
        .complained("error TU502: trueup.toml, line 2")
        .complained("next: ");
    place.write("trueup.toml", "environment = \n");
    place.run(&["check"]).ended(2).complained("error TU501: trueup.toml, line 1");
    fs::remove_file(place.path("trueup.toml")).unwrap();
    place.run(&["check"]).ended(2).complained("TU501").complained("trueup init");
}

#[test]
fn what_is_wrong_on_the_command_line_is_status_2() {
    let place = Place::configured();
    place.run(&["no-such-command"]).ended(2);
    place.run(&["reconcile", "--from", "yesterday"]).ended(2);
    place.run(&["ingest", "bnak", "x"]).ended(2).complained("there are: bank, shop");
    place.run(&["--log", "=[", "cases"]).ended(2).complained("--log");
    place.run(&["explain", "TU999"]).ended(2);
    place.run(&["explain", "tu203"]).ended(0).said("# TU203");
}

#[test]
fn files_go_in_once_and_are_reported() {
    let place = Place::configured();
    let good = fixture("bank", "__scenario_eur.sta");
    let bad = fixture("bank", "camt.053__genkgo_v4.xml");
    place.run(&["ingest", "bank", &good]).ended(0).said("1 stored, 0 here before, 0 refused");
    place.run(&["ingest", "bank", &good]).ended(0).said("0 stored, 1 here before");

    let answer = place.run(&["ingest", "--json", "bank", &good, &bad, "no-such-file"]).ended(1);
    let outcome = answer.json();
    assert_eq!(outcome["stored"], 1);
    assert_eq!(outcome["repeats"], 1);
    assert_eq!(outcome["refused"], 1);
    assert_eq!(outcome["messages"]["decoded"], 1);
    assert_eq!(outcome["messages"]["failed"], 1);
    assert_eq!(outcome["files"][1]["error_code"], "TU205");
    answer.complained("TU205").complained("no-such-file: error TU506");

    // The bad statement is a case with its message, and nothing of it is lost.
    let cases = place.run(&["cases", "--json"]).ended(1).json();
    let cases = cases.as_array().unwrap().clone();
    let case = cases.iter().find(|case| case["kind"] == "undecodable").expect("a case");
    assert_eq!(case["subject"], outcome["files"][1]["message"]);
    let id = case["id"].as_str().unwrap();
    place.run(&["cases"]).ended(1).said(&id[..10]).said("undecodable");
    place.run(&["cases", "show", &id[..12]]).ended(0).said("TU205").said("next");
    place.run(&["cases", "show", "zzz"]).ended(1).complained("TU505");
    people_decide(&place, id);
    place.run(&["reconcile"]).ended(0).said("not proven: 1").said("Open: nothing").said("Absorbed");
}

/// Who and why are asked for, kept and shown; what still stands can be tried again or accepted.
fn people_decide(place: &Place, case: &str) {
    let ann = ["--by", "ann", "--reason", "asked the bank"];
    let with = |words: &[&str]| place.run(&[words, &ann].concat());
    place.run(&["cases", "close", case, "--by", "ann"]).ended(2).complained("TU509");
    with(&["cases", "close", case]).ended(1).complained("TU508").complained("still stands");
    with(&["cases", "assign", &case[..10], "ben"]).ended(0).said("assigned");
    with(&["cases", "note", case]).ended(0);
    with(&["retry", case]).ended(0).said("decoded again");
    with(&["retry", case]).ended(1).complained("TU508");
    with(&["retry", "nothing"]).ended(1).complained("TU505");
    place.run(&["reconcile"]).ended(1);
    place
        .run(&["cases", "show", case])
        .ended(0)
        .said("integrator, ben")
        .said("retry by")
        .said("TU205");
    with(&["cases", "close", case, "--accept"]).ended(0).said("accepted");
    let shown = place.run(&["cases", "show", case, "--json"]).ended(0).json();
    assert_eq!((&shown["closed_as"], &shown["closed_by"]), (&"accepted".into(), &"ann".into()));
    assert_eq!(shown["decisions"].as_array().unwrap().len(), 4, "{shown:#}");
    place.run(&["cases", "--all"]).said("accepted");
}

#[test]
fn an_order_is_traced_to_its_raw_message() {
    let place = Place::configured();
    place.run(&["trace", "#1001"]).ended(1).complained("TU505");
    place.run(&["reconcile"]).ended(0).said("No order has been decided").said("Open: nothing");

    let order = fixture("shopify", "orders~updated__pair_1_rest.json");
    let kind = "orders/updated";
    let stored = place.run(&["ingest", "shop", "--kind", kind, "--json", &order]).ended(0).json();
    let message = stored["files"][0]["message"].as_str().unwrap();
    let document: Value = serde_json::from_str(expected(&order).lines().next().unwrap()).unwrap();
    let id = document["identity"].as_str().unwrap();

    let trace = place.run(&["trace", id, "--json"]).ended(0).json();
    assert_eq!(trace["documents"][0]["message"], message);
    assert_eq!(trace["proof"].as_array().unwrap().len(), 4);
    let number = trace["number"].as_str().unwrap();
    place
        .run(&["trace", number])
        .ended(0)
        .said("proof")
        .said(message)
        .said("Journal of the sub-ledger");
    let report = place.run(&["reconcile", "--json"]).json();
    assert!(report["open"].is_array() && report["bridges"].is_array(), "{report}");
}

#[test]
fn a_mapping_of_another_entity_is_refused() {
    let place = Place::configured();
    place.run(&["mapping", "show", "shop"]).ended(1).complained("TU505");
    place.write("bad.json", "{}");
    place
        .run(&["mapping", "approve", "shop", "bad.json", "--author", "ann", "--reason", "x"])
        .ended(1)
        .complained("bad.json is no mapping");
    let mapping = r#"{"version":1,"entity":"eu","target":"bank","company":"1","currency":"EUR",
        "time_zone":"Europe/Berlin","sales_journal":"1","entry_journal":"2","pricelist":null,
        "warehouse":null,"customers":{"one":"1"},"accounts":{},"gateways":{},"products":{},
        "service_products":{},"taxes":[]}"#;
    place.write("eu.json", mapping);
    place
        .run(&["mapping", "approve", "shop", "eu.json", "--author", "ann", "--reason", "x"])
        .ended(1)
        .complained("belongs to `us`");
    let ours = mapping.replace("\"eu\"", "\"us\"").replace("EUR", "USD");
    place.write("us.json", &ours);
    place
        .run(&["mapping", "approve", "shop", "us.json", "--author", "ann", "--reason", "x"])
        .ended(1)
        .complained("no connection that keeps books");
    place
        .run(&["mapping", "approve", "shop", "us.json", "--author", " ", "--reason", "x"])
        .ended(2)
        .complained("--author is empty");
}
