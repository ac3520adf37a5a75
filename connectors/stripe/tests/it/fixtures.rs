//! What the fixtures say together.

use std::collections::BTreeMap;
use std::path::Path;

use crate::drive::{Seen, decode, eur};
use serde_json::value::RawValue;
use trueup_connect::{Decoded, Message};
use trueup_domain::document::{Document, RowClass};
use trueup_domain::money::Money;
use trueup_stripe::CONNECTOR;
use trueup_stripe::decode::member_kind;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A payout is the sum of its rows, to the cent, whatever they are.
#[test]
fn each_cent_of_a_payout_has_its_row() {
    #[derive(serde::Deserialize)]
    struct Page {
        data: Vec<Box<RawValue>>,
    }
    let page: Page =
        serde_json::from_slice(&fixture("list__composition_eur.json")).expect("a page");
    let kind = member_kind("po_eur1");
    let rows: Vec<_> = page
        .data
        .iter()
        .map(|raw| match decode(&kind, raw.get().as_bytes()) {
            Seen::Documents(documents) => match documents.into_iter().next() {
                Some(Document::LedgerRow(row)) => *row,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    let Seen::Documents(headers) = decode("payout", &fixture("payout__composition_eur.json"))
    else {
        panic!("a payout")
    };
    let Some(Document::Payout(header)) = headers.first() else { panic!("a payout") };

    assert_eq!(rows.len(), 17);
    assert!(rows.iter().all(|row| row.payout.as_deref() == Some("po_eur1")));
    assert!(rows.iter().all(|row| row.class != RowClass::Unknown));
    let members = rows.iter().filter(|row| row.object.as_deref() != Some("po_eur1"));
    let sum = Money::sum(eur(), members.map(|row| row.net)).expect("it adds up");
    assert_eq!(sum.to_string(), "639.92 EUR");
    assert_eq!(sum, header.amount);
    let whole = Money::sum(eur(), rows.iter().map(|row| row.net)).expect("it adds up");
    assert!(whole.is_zero());

    let mut by_class: BTreeMap<RowClass, i64> = BTreeMap::new();
    for row in &rows {
        *by_class.entry(row.class).or_default() += row.net.minor();
    }
    let expected = [
        (RowClass::Capture, 49_108 + 1_173 + 2_564 + 9_675),
        (RowClass::PartialCaptureReversal, -4_000),
        (RowClass::Refund, -5_000 - 1_200),
        (RowClass::RefundFailure, 5_000),
        (RowClass::Fee, -350 - 66 - 12),
        (RowClass::Dispute, -4_200),
        (RowClass::DisputeReversal, 5_300),
        (RowClass::Reserve, -3_000),
        (RowClass::ReserveRelease, 1_500),
        (RowClass::Payout, -63_992),
        (RowClass::PayoutReturn, 7_500),
    ];
    assert_eq!(by_class, BTreeMap::from(expected));
}

#[test]
fn a_member_that_is_no_row_is_refused() {
    let body = fixture("charge__openapi.json");
    let kind = member_kind("po_1");
    let error = (CONNECTOR.decode)(&Message { kind: &kind, body: &body }).expect_err("refused");
    assert_eq!(error.code(), "TU205");
}

#[test]
fn shapes_nobody_knows_are_named_or_ignored() {
    let read = |kind: &str, body: &str| {
        (CONNECTOR.decode)(&Message { kind, body: body.as_bytes() }).map_err(|error| error.code())
    };
    let ignored = |word: &str| Ok(Decoded::Ignored(word.to_owned()));
    assert_eq!(read("", r#"{"object":"customer","id":"cus_1"}"#), Err("TU206"));
    assert_eq!(read("customer", r#"{"object":"customer"}"#), ignored("customer"));
    assert_eq!(read("", r#"{"id":"ch_1"}"#), Err("TU206"));
    assert_eq!(read("charge", r#"{"id":"ch_1"}"#), Err("TU202"));
    // A list in a list would nest without end.
    let nested = r#"{"object":"list","data":[{"object":"list","data":[]}]}"#;
    assert_eq!(read("list", nested), ignored("list"));
    let twice = r#"{"object":"charge","object":"refund"}"#;
    assert_eq!(read("", twice), Err("TU202"));
}
