//! What the shapes of one object may leave out (that they agree is the suite's), and orders add up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trueup_connect::conformance::kind_of;
use trueup_connect::{Decoded, Message};
use trueup_domain::document::{Document, Kind};
use trueup_shopify::CONNECTOR;

fn fixtures() -> Vec<(String, PathBuf)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = std::fs::read_dir(dir).expect("fixtures").flatten();
    let named =
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    let mut found: Vec<_> = named.filter(|(name, _)| name.ends_with(".json")).collect();
    found.sort();
    found
}

fn decoded(name: &str, path: &Path) -> Option<Vec<Document>> {
    let body = std::fs::read(path).expect("a fixture");
    match (CONNECTOR.decode)(&Message { kind: &kind_of(name), body: &body }) {
        Ok(Decoded::Documents(documents)) => Some(documents),
        _ => None,
    }
}

fn pair(name: &str) -> Option<&str> {
    let (_, case) = name.split_once("__pair_")?;
    case.split('_').next()
}

/// REST leaves out the payments of an order that are no refunds, and nothing else of anything.
#[test]
fn only_payments_are_left_out() {
    let mut pairs: BTreeMap<String, Vec<Vec<Document>>> = BTreeMap::new();
    for (name, path) in fixtures() {
        if let Some(number) = pair(&name) {
            let documents = decoded(&name, &path).unwrap_or_else(|| panic!("{name} is whole"));
            pairs.entry(number.to_owned()).or_default().push(documents);
        }
    }
    assert_eq!(pairs.len(), 7);
    for (number, shapes) in pairs {
        let [graphql, rest] = shapes.as_slice() else { panic!("pair {number}") };
        for document in graphql {
            assert!(rest.contains(document) || document.kind() == Kind::Payment, "pair {number}");
        }
    }
}

/// Orders that do not add up, and why.
const HELD: &[(&str, &str)] = &[(
    "order__live_edited_discount_not_asked_for.json",
    "the capture did not ask for the discount that the total contains",
)];

#[test]
fn the_orders_add_up() {
    let mut held = Vec::new();
    for (name, path) in fixtures() {
        for document in decoded(&name, &path).unwrap_or_default() {
            if let Document::Order(order) = document
                && let Err(error) = order.check()
            {
                held.push((name.clone(), error.to_string()));
            }
        }
    }
    let names: Vec<&str> = held.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<&str> = HELD.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "{held:#?}");
}
