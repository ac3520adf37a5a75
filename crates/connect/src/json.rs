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

/// Whether a text is one JSON value.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Indents JSON without reading its values: a number keeps every digit that was sent.
pub fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            ' ' | '\n' | '\r' | '\t' => {}
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.peek().is_some_and(|next| next.is_ascii_whitespace()) {
                    letters.next();
                }
                if letters.peek().is_some_and(|next| matches!(next, '}' | ']')) {
                    out.extend(letters.next());
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    const DEPTH_SHOWN_MAX: usize = 40;
    out.push('\n');
    for _ in 0..depth.min(DEPTH_SHOWN_MAX) {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_changes_nothing_but_space() {
        let text = r#"{"a":[1.10,{}, [ ]],"b":"x\"{,}:\\","c":1e400}"#;
        let shown = indented(text);
        let wanted = "{\n  \"a\": [\n    1.10,\n    {},\n    []\n  ],\n  \
                      \"b\": \"x\\\"{,}:\\\\\",\n  \"c\": 1e400\n}";
        assert_eq!(shown, wanted);
    }
}
