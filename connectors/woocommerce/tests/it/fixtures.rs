//! What the fixtures say together.

use std::path::Path;

use trueup_connect::conformance::kind_of;
use trueup_connect::{Decoded, Message};
use trueup_domain::document::Document;
use trueup_domain::money::Money;
use trueup_woocommerce::CONNECTOR;

fn documents() -> Vec<(String, Vec<Document>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("fixtures").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".json") {
            continue;
        }
        let body = std::fs::read(entry.path()).expect("a fixture");
        if let Ok(Decoded::Documents(documents)) =
            (CONNECTOR.decode)(&Message { kind: &kind_of(&name), body: &body })
        {
            all.push((name, documents));
        }
    }
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

/// D18: every recorded order adds up to the cent, taxes contained or not.
#[test]
fn d18_every_order_adds_up() {
    let mut orders = 0;
    for (name, documents) in documents() {
        for document in documents {
            if let Document::Order(order) = document {
                assert_eq!(order.check(), Ok(()), "{name}");
                orders += 1;
            }
        }
    }
    assert!(orders >= 25, "{orders}");
}

/// The total of a refund is what its parts make: no cent of it is nowhere.
#[test]
fn every_refund_is_the_sum_of_its_parts() {
    let mut refunds = 0;
    for (name, documents) in documents() {
        for document in documents {
            let Document::Refund(refund) = document else { continue };
            let of_lines = refund.lines.iter().flat_map(|line| [line.amount, line.tax]);
            let of_rest = refund.adjustments.iter().flat_map(|one| [one.amount, one.tax]);
            let sum = Money::sum(refund.total.currency(), of_lines.chain(of_rest));
            assert_eq!(sum, Ok(refund.total), "{name}");
            refunds += 1;
        }
    }
    assert!(refunds >= 15, "{refunds}");
}
