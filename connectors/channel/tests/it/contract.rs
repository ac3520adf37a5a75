//! The schema and the reader say the same of every message, so that a portal that tests against
//! the one is not refused by the other.

use std::path::Path;

use serde_json::Value;
use trueup_channel::CONNECTOR;
use trueup_channel::decode::MESSAGE;
use trueup_connect::{DecodeError, Decoded, Message};
use trueup_domain::document::Document;

use crate::schema::{contract, misfit};

fn decode(message: &Value) -> Result<usize, DecodeError> {
    let body = message.to_string();
    match (CONNECTOR.decode)(&Message { kind: MESSAGE, body: body.as_bytes() })? {
        Decoded::Documents(documents) => Ok(documents.len()),
        other => panic!("a message states documents: {other:?}"),
    }
}

/// By name. The suite writes them without their errors; here they are all that a sender could send.
fn fixtures() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found: Vec<(String, Value)> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.strip_prefix("message__")?.to_owned();
            let body = std::fs::read(path).expect("readable");
            Some((name, serde_json::from_slice(&body).expect("JSON")))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert!(found.len() >= 20, "only {} fixtures", found.len());
    found
}

/// What a schema cannot say: sums, decimals of a currency, the bounds of a fraction, an empty
/// message.
const BEYOND_THE_SCHEMA: [&str; 4] =
    ["gross_is_not_quantity_times_price", "nothing", "rate_in_percent", "too_many_decimals"];

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = contract();
    for (name, message) in fixtures() {
        let (read, misfit) = (decode(&message), misfit(&schema, &message));
        if BEYOND_THE_SCHEMA.contains(&name.as_str()) {
            assert!(read.is_err() && misfit.is_none(), "{name}: {read:?}, {misfit:?}");
        } else {
            assert_eq!(read.is_ok(), misfit.is_none(), "{name}: {read:?}, {misfit:?}");
        }
    }
}

/// Each place of each message is altered in each way: a field goes, one comes that nobody knows,
/// a value becomes one of another type.
#[test]
fn g1_the_schema_and_the_reader_agree_on_every_alteration() {
    let schema = contract();
    let (mut tried, mut refused) = (0, 0);
    for (name, message) in fixtures() {
        if decode(&message).is_err() {
            continue;
        }
        for place in places(&message) {
            for (how, altered) in alterations(&message, &place) {
                let (read, misfit) = (decode(&altered), misfit(&schema, &altered));
                // A sum that breaks with a part taken out is no question of the form.
                if let Err(DecodeError::Unfit { why, .. }) = &read
                    && (why.contains("it states nothing") || why.contains("not even rounded"))
                {
                    continue;
                }
                assert_eq!(
                    read.is_ok(),
                    misfit.is_none(),
                    "{name}, {place} {how}: {read:?}, {misfit:?}"
                );
                tried += 1;
                refused += usize::from(read.is_err());
            }
        }
    }
    assert!(tried > 2_000, "only {tried} alterations");
    assert!(refused > tried / 2 && refused < tried, "{refused} of {tried} were refused");
}

/// JSON pointers to every value below the root.
fn places(value: &Value) -> Vec<String> {
    let below = |key: String, value: &Value| {
        let mut own = vec![format!("/{key}")];
        own.extend(places(value).into_iter().map(|place| format!("/{key}{place}")));
        own
    };
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| below(key.clone(), value)).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, value)| below(index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    }
}

fn alterations(message: &Value, place: &str) -> Vec<(&'static str, Value)> {
    let with = |value: Value| {
        let mut altered = message.clone();
        *altered.pointer_mut(place).expect("a place") = value;
        altered
    };
    let mut all = vec![
        ("is a number", with(Value::from(7))),
        ("is a list", with(Value::from(vec![Value::Null]))),
        ("is null", with(Value::Null)),
    ];
    if message.pointer(place).is_some_and(Value::is_object) {
        let mut altered = message.clone();
        altered.pointer_mut(place).expect("a place")["surprise"] = Value::from("x");
        all.push(("has an unknown field", altered));
    }
    let (parent, key) = place.rsplit_once('/').expect("a pointer");
    let mut altered = message.clone();
    if let Some(Value::Object(fields)) = altered.pointer_mut(parent) {
        fields.remove(key);
        all.push(("is gone", altered));
    }
    all
}

/// The examples are what portals are copied from, so their sums are right too.
#[test]
fn the_orders_of_the_fixtures_add_up() {
    let mut orders = 0;
    for (name, message) in fixtures() {
        let body = message.to_string();
        let Ok(Decoded::Documents(documents)) =
            (CONNECTOR.decode)(&Message { kind: MESSAGE, body: body.as_bytes() })
        else {
            continue;
        };
        for document in documents {
            if let Document::Order(order) = document {
                assert_eq!(order.check(), Ok(()), "{name}");
                orders += 1;
            }
        }
    }
    assert!(orders >= 10, "only {orders} orders");
}

#[test]
fn a_message_is_taken_whole_or_not_at_all() {
    let (_, good) =
        fixtures().into_iter().find(|(name, _)| name == "batch_by_sequence").expect("it");
    assert_eq!(decode(&good), Ok(5));
    let mut bad = good;
    bad["payments"][1]["amount"] = Value::from("10.001");
    let error = decode(&bad).expect_err("three decimals");
    assert_eq!(error.code(), "TU204");
    assert_eq!(error.to_string(), "`payments[1].amount` is no exact amount");
}

#[test]
fn more_than_a_thousand_objects_are_refused() {
    let (_, one) = fixtures().into_iter().find(|(name, _)| name == "return").expect("it");
    let object = one["returns"][0].clone();
    let of = |count: usize| {
        let mut message = one.clone();
        message["returns"] = Value::from(vec![object.clone(); count]);
        decode(&message)
    };
    assert_eq!(of(1_000), Ok(1_000));
    assert_eq!(of(1_001).expect_err("too many").code(), "TU207");
}
