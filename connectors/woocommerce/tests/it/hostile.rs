//! Bodies made to hurt give an error, never a panic and never an amount.

use proptest::prelude::*;
use trueup_connect::{DecodeError, Decoded, Message};
use trueup_woocommerce::CONNECTOR;

const ORDER: &str = include_str!("../../fixtures/order__paid_two_rates.json");
const WHOLE: &str = include_str!("../../fixtures/order__whole_three_refunds.json");

fn decode(kind: &str, body: &str) -> Result<Decoded, DecodeError> {
    (CONNECTOR.decode)(&Message { kind, body: body.as_bytes() })
}

fn refused(body: &str, code: &str) {
    let error = decode("order", body).expect_err("refused");
    assert_eq!(error.code(), code, "{error}");
}

#[test]
fn e1_amounts_that_are_no_amounts_are_refused() {
    let with =
        |amount: &str| ORDER.replacen(r#""total": "87.40""#, &format!(r#""total": {amount}"#), 1);
    assert!(decode("order", &with("87.4")).is_ok(), "a number is read from its text");
    refused(&with("1e400"), "TU204");
    refused(&with("1e2"), "TU204");
    refused(&with(r#""87.401""#), "TU204");
    refused(&with(r#""99999999999999999999""#), "TU204");
    refused(&with(r#""87,40""#), "TU204");
    refused(&with(r#""$87.40""#), "TU204");
    refused(&with("null"), "TU202");
    refused(&with("{}"), "TU202");
}

#[test]
fn g8_a_key_that_appears_twice_is_refused() {
    refused(&ORDER.replacen("\"id\"", "\"id\": 1,\n\"id\"", 1), "TU202");
    refused(&ORDER.replacen("\"currency\"", "\"currency\": \"EUR\",\n\"currency\"", 1), "TU202");
}

#[test]
fn g1_values_that_nobody_decided_about_are_refused() {
    refused(&ORDER.replacen("\"processing\"", "\"shipped\"", 1), "TU203");
    refused(&ORDER.replacen("\"USD\"", "\"XQQ\"", 1), "TU204");
    refused(&ORDER.replacen("\"id\": 22", "\"id\": \"../../etc\"", 1), "TU202");
    refused(&ORDER.replacen("\"rate_id\": 1", "\"rate_id\": 77", 1), "TU202");
    refused(&ORDER.replace("2026-11-20T23:27:02", "yesterday"), "TU202");
    refused(&WHOLE.replacen("\"quantity\": -1", "\"quantity\": 1", 1), "TU205");
    refused(&WHOLE.replacen("\"amount\": \"3.00\"", "\"amount\": \"-3.00\"", 1), "TU205");
}

#[test]
fn d1_quantities_that_cannot_be_sold_are_refused() {
    let with =
        |quantity: &str| ORDER.replacen("\"quantity\": 2", &format!("\"quantity\": {quantity}"), 1);
    refused(&with("-2"), "TU202");
    refused(&with("0.5"), "TU204");
    refused(&with("9223372036854775808"), "TU204");
}

#[test]
fn cut_off_and_deep_bodies_are_unreadable() {
    refused(&ORDER[..ORDER.len() / 2], "TU201");
    refused(&format!("{{\"order\":{}", "[".repeat(100_000)), "TU201");
    let deep = format!(
        "\"meta_data\": [{{\"key\":\"a\",\"value\":{}{}}}]",
        "[".repeat(200),
        "]".repeat(200)
    );
    let body =
        ORDER.replacen("\"cart_hash\"", &format!("\"notes\": {{ {deep} }},\n\"cart_hash\""), 1);
    assert!(decode("order", &body).is_ok(), "what is not used is passed over, however deep");
}

proptest! {
    #[test]
    fn no_text_makes_the_decoder_panic(kind in 0..CONNECTOR.kinds.len(), body in ".{0,200}") {
        let _ = decode(CONNECTOR.kinds[kind], &body);
        let _ = decode("", &body);
    }

    #[test]
    fn no_value_in_any_place_makes_it_panic(
        place in 0_usize..500,
        value in "(null|true|-1|0|1e999|\"\"|\"x\"|\\[\\]|\\{\\}|99999999999999999999999|\"-0.01\"|9223372036854775807)",
    ) {
        let lines: Vec<&str> = WHOLE.lines().collect();
        let changed = lines.iter().enumerate().map(|(index, line)| match line.split_once(": ") {
            Some((key, old)) if index == place && !old.ends_with(['{', '[']) => {
                format!("{key}: {value}{}", if old.ends_with(',') { "," } else { "" })
            }
            _ => (*line).to_owned(),
        });
        let body: String = changed.collect::<Vec<_>>().join("\n");
        let _ = decode("order", &body);
    }
}
