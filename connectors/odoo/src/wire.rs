//! Odoo's rows as Odoo names them: `false` for nothing, `[id, name]` for a reference, numbers kept
//! as text.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::json::NumberText;
use trueup_connect::{CallError, DecodeError};
use trueup_domain::money::{Currency, Money};

/// One record of `read` or `search_read`, its values unparsed.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Row(BTreeMap<String, Box<RawValue>>);

impl Row {
    fn value<'a, T: Deserialize<'a>>(&'a self, field: &str) -> Result<T, DecodeError> {
        let raw = self.0.get(field).ok_or_else(|| DecodeError::field(field))?;
        serde_json::from_str(raw.get()).map_err(|_| DecodeError::field(field))
    }

    pub fn is_nothing(&self, field: &str) -> bool {
        self.0.get(field).is_none_or(|raw| matches!(raw.get(), "false" | "null"))
    }

    pub fn id(&self) -> Result<i64, DecodeError> {
        self.value("id")
    }

    pub fn text(&self, field: &str) -> Result<Option<String>, DecodeError> {
        if self.is_nothing(field) { Ok(None) } else { self.value(field).map(Some) }
    }

    pub fn word(&self, field: &str) -> Result<String, DecodeError> {
        self.text(field)?.ok_or_else(|| DecodeError::field(field))
    }

    pub fn flag(&self, field: &str) -> Result<bool, DecodeError> {
        self.value(field)
    }

    pub fn number(&self, field: &str) -> Result<NumberText, DecodeError> {
        self.value(field)
    }

    pub fn money(&self, field: &str, currency: Currency) -> Result<Money, DecodeError> {
        self.number(field)?.money(field, currency)
    }

    /// A reference: id and display name.
    pub fn reference(&self, field: &str) -> Result<Option<(i64, String)>, DecodeError> {
        if self.is_nothing(field) { Ok(None) } else { self.value(field).map(Some) }
    }

    pub fn reference_id(&self, field: &str) -> Result<i64, DecodeError> {
        self.reference(field)?.map(|(id, _)| id).ok_or_else(|| DecodeError::field(field))
    }

    pub fn ids(&self, field: &str) -> Result<Vec<i64>, DecodeError> {
        self.value(field)
    }

    pub fn currency(&self, field: &str) -> Result<Currency, DecodeError> {
        let (_, name) = self.reference(field)?.ok_or_else(|| DecodeError::field(field))?;
        Currency::parse(&name).map_err(|source| DecodeError::amount(field, source))
    }

    pub fn date(&self, field: &str) -> Result<Option<Date>, DecodeError> {
        let read = |text: String| text.parse().map_err(|_| DecodeError::field(field));
        self.text(field)?.map(read).transpose()
    }

    /// A moment in UTC, as `2026-11-21 09:42:03`.
    pub fn moment(&self, field: &str) -> Result<jiff::Timestamp, DecodeError> {
        let wrong = || DecodeError::field(field);
        let time: DateTime =
            self.word(field)?.replacen(' ', "T", 1).parse().map_err(|_| wrong())?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        Ok(zoned.timestamp())
    }
}

/// The rows of a read, by id.
pub fn rows(body: &[u8]) -> Result<Vec<Row>, CallError> {
    serde_json::from_slice(body).map_err(|error| unexpected(&error.to_string()))
}

/// A read that Odoo answered in a way we do not understand says nothing about the records.
pub fn unexpected(why: &str) -> CallError {
    CallError::ReplyLost {
        why: format!("unexpected answer: {}", why.chars().take(200).collect::<String>()),
    }
}

impl Row {
    pub fn or_lost<T>(value: Result<T, DecodeError>) -> Result<T, CallError> {
        value.map_err(|error| unexpected(&error.to_string()))
    }
}
