//! Messages as received, and what they decode to.

use trueup_domain::document::{Document, Kind};
use trueup_domain::money::MoneyError;

/// Bytes as they came in, never changed, with the little that the transport said about them.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The webhook topic, the record kind of a poll, or empty for a file.
    pub kind: &'a str,
    pub body: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    Documents(Vec<Document>),
    /// Shapes that cannot state their object whole: each causes a read, never a partial document.
    Hints(Vec<Hint>),
    /// How the source's pushes to us stand: one that is off is a case, because what it would have
    /// brought now waits for the next poll.
    Subscriptions(Vec<Subscription>),
    /// Authentic, but of a kind Trueup does not use. Kept, counted, never retried.
    Ignored(String),
}

/// "Something about this object changed": the hub reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Hint {
    /// A word of [`Kind`], or a connector's own (`order_payments`) that its read task understands.
    pub kind: String,
    pub external_id: String,
}

impl Hint {
    pub fn new(kind: Kind, external_id: impl Into<String>) -> Self {
        Self { kind: kind.word().to_owned(), external_id: external_id.into() }
    }
}

/// What a source is asked to push to us, and whether it still does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The source's own id of it, unique within the connection.
    pub id: String,
    /// What it is about, for people.
    pub title: String,
    /// Where it is sent.
    pub address: String,
    pub active: bool,
    /// The source's own word for how it stands.
    pub status: String,
    /// It was off, and the connector restored it ([`crate::watch`]).
    pub restored: bool,
}

/// Why a message could not be read. Each has a stable code with a page in `docs/errors/`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// TU201: not JSON, XML or the format it claims to be, cut off, too deep, too large.
    #[error("the body is not readable: {0}")]
    Unreadable(String),
    /// TU202: a field that matters is missing or of another type.
    #[error("the field `{field}` is missing or malformed")]
    Field { field: String },
    /// TU203: a field that matters has a value nobody decided about.
    #[error("`{field}` has the unknown value `{value}`")]
    UnknownValue { field: &'static str, value: String },
    /// TU204: an amount, currency or number is not exact.
    #[error("`{field}` is no exact amount")]
    Amount {
        field: String,
        #[source]
        source: MoneyError,
    },
    /// TU205: the document contradicts itself (lines against total, rows against header).
    #[error("the {what} contradicts itself: {why}")]
    Contradiction { what: &'static str, why: String },
    /// TU206: the shape is none that the connector knows and no kind was given.
    #[error("the kind of this message is not recognised")]
    UnknownKind,
    /// TU207: it breaks a contract of ours, at this place.
    #[error("`{path}` does not fit the contract: {why}")]
    Unfit { path: String, why: String },
}

impl DecodeError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "TU201",
            Self::Field { .. } => "TU202",
            Self::UnknownValue { .. } => "TU203",
            Self::Amount { .. } => "TU204",
            Self::Contradiction { .. } => "TU205",
            Self::UnknownKind => "TU206",
            Self::Unfit { .. } => "TU207",
        }
    }

    pub fn field(field: impl Into<String>) -> Self {
        Self::Field { field: field.into() }
    }

    pub fn unknown(field: &'static str, value: &str) -> Self {
        Self::UnknownValue { field, value: value.chars().take(80).collect() }
    }

    pub fn amount(field: impl Into<String>, source: MoneyError) -> Self {
        Self::Amount { field: field.into(), source }
    }
}

/// Units of a line: none that was sold, left or came back is fewer than none (D1).
pub fn units(field: &str, count: i64) -> Result<i64, DecodeError> {
    if count < 0 { Err(DecodeError::field(field)) } else { Ok(count) }
}

/// The largest body that is stored and decoded as one message; larger files are refused.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
