//! Bodies made to hurt give an error, never a panic and never an amount.

use proptest::prelude::*;
use trueup_connect::{DecodeError, Decoded, Message};
use trueup_shopify::CONNECTOR;

const ORDER: &str = include_str!("../fixtures/order__created_fulfilled.json");

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
        |amount: &str| ORDER.replace(r#""amount": "199.00""#, &format!(r#""amount": {amount}"#));
    assert!(decode("order", &with("199.0")).is_ok(), "a number is read from its text");
    refused(&with("1e400"), "TU204");
    refused(&with("1e2"), "TU204");
    refused(&with(r#""199.001""#), "TU204");
    refused(&with(r#""99999999999999999999""#), "TU204");
    refused(&with(r#""""#), "TU204");
    refused(&with("null"), "TU202");
    refused(&with("{}"), "TU202");
}

#[test]
fn g8_a_key_that_appears_twice_is_refused() {
    refused(&ORDER.replacen("\"id\"", "\"id\": 1,\n\"id\"", 1), "TU202");
    refused(&ORDER.replacen("\"currency\"", "\"currency\": \"EUR\",\n\"currency\"", 1), "TU202");
}

#[test]
fn d1_quantities_that_cannot_be_sold_are_refused() {
    let with =
        |quantity: &str| ORDER.replace("\"quantity\": 1", &format!("\"quantity\": {quantity}"));
    refused(&with("-1"), "TU202");
    refused(&with("1.5"), "TU202");
    refused(&with("\"one\""), "TU202");
    refused(&with("9223372036854775807"), "TU204");
}

#[test]
fn numbers_and_ids_beyond_measure_are_refused() {
    refused(&ORDER.replace("\"quantity\": 1", "\"quantity\": 1e400"), "TU201");
    refused(&ORDER.replacen("1073459970", "1e400", 1), "TU202");
    refused(&ORDER.replacen("1073459970", "\"../../etc\"", 1), "TU202");
}

#[test]
fn cut_off_and_deep_bodies_are_unreadable() {
    refused(&ORDER[..ORDER.len() / 2], "TU201");
    refused(&format!("{{\"order\":{}", "[".repeat(100_000)), "TU201");
    let deep = format!("\"receipt\": {}{}", "[".repeat(200), "]".repeat(200));
    assert!(
        decode("order", &ORDER.replacen("\"receipt\": {}", &deep, 1)).is_ok(),
        "what is not used is passed over, however deep"
    );
}

/// None of it is read as something else, and none of it ends the program.
#[test]
fn g8_texts_that_are_no_json_of_a_shop_are_refused() {
    let bytes = |body: &[u8]| (CONNECTOR.decode)(&Message { kind: "order", body });
    let malformed = |body: &[u8]| {
        let error = bytes(body).expect_err("refused");
        assert!(["TU201", "TU202"].contains(&error.code()), "{error}");
    };
    malformed(format!("\u{feff}{ORDER}").as_bytes());
    malformed(format!("\0{ORDER}").as_bytes());
    malformed(ORDER.replacen("\"currency\"", "\"currency\": \"\\ud800\", \"c\"", 1).as_bytes());
    let mut not_utf8 = ORDER.replacen("\"currency\"", "\"currency\": \"?\", \"c\"", 1).into_bytes();
    let mark = not_utf8.iter().position(|byte| *byte == b'?').expect("a mark");
    not_utf8[mark] = 0xff;
    malformed(&not_utf8);
    let sixteen: Vec<u8> = ORDER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    malformed(&sixteen);
    // A million keys that nobody asked for are passed over.
    let mut many = String::new();
    for number in 0..1_000_000 {
        many.push_str(&format!("\"k{number}\":1,"));
    }
    let plain = decode("order", ORDER).expect("read");
    let padded = ORDER.replacen('{', &format!("{{{many}"), 1);
    assert_eq!(decode("order", &padded).expect("read"), plain);
}

proptest! {
    #[test]
    fn no_text_makes_the_decoder_panic(kind in 0..CONNECTOR.kinds.len(), body in ".{0,200}") {
        let _ = decode(CONNECTOR.kinds[kind], &body);
        let _ = decode("", &body);
    }

    #[test]
    fn no_value_in_any_place_makes_it_panic(
        place in 0_usize..400,
        value in "(null|true|-1|0|1e999|\"\"|\"x\"|\\[\\]|\\{\\}|99999999999999999999999|\"gid://shopify/Order/1\")",
    ) {
        let lines: Vec<&str> = ORDER.lines().collect();
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
