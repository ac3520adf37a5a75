//! Exact and bounded reading of JSON.
//!
//! Amounts are taken from the text of the token (number or string), so that none passes through a
//! float. Depth is bounded by the parser (128), size by the caller, and a key that appears twice in
//! an object whose fields matter is refused by the derived readers.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use trueup_domain::money::{Currency, Money, MoneyError, parse_decimal};

use crate::message::{BODY_BYTES_MAX, DecodeError};

/// The text of a JSON number or string, unparsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberText(String);

impl NumberText {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn money(&self, field: &str, currency: Currency) -> Result<Money, DecodeError> {
        Money::parse(&self.0, currency).map_err(|source| DecodeError::amount(field, source))
    }

    pub fn decimal(&self, field: &str) -> Result<rust_decimal::Decimal, DecodeError> {
        parse_decimal(&self.0).map_err(|source| DecodeError::amount(field, source))
    }

    pub fn integer(&self, field: &str) -> Result<i64, DecodeError> {
        self.0.parse().map_err(|_| {
            DecodeError::amount(field, MoneyError::NotANumber(self.0.chars().take(40).collect()))
        })
    }
}

impl<'de> Deserialize<'de> for NumberText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self).map_err(serde::de::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(text.to_owned())),
            _ => Err(serde::de::Error::custom("expected a number or its text")),
        }
    }
}

/// An id that some vendors write as a number and some as a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdText(pub String);

impl<'de> Deserialize<'de> for IdText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NumberText::deserialize(deserializer).map(|text| Self(text.0))
    }
}

/// Reads a body whole, within the size limit.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            DecodeError::Field { field: error.to_string() }
        } else {
            DecodeError::Unreadable(error.to_string())
        }
    })
}
