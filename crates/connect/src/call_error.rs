//! Failures of calls to outside systems, in the only terms that delivery needs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallError {
    #[error("the target asked us to slow down")]
    RateLimited { retry_after_ms: Option<u64> },
    /// The request did not leave, or was certainly not carried out.
    #[error("the target could not be reached: {why}")]
    Unreachable { why: String },
    /// The target is there, answered, and did nothing: a lock, a serialisation failure.
    #[error("the target is busy: {why}")]
    Busy { why: String },
    /// The request left, no usable answer came: it may or may not have been applied.
    #[error("the reply was lost: {why}")]
    ReplyLost { why: String },
    #[error("the target refused: {reason} ({reason_code})")]
    Refused { reason_code: String, reason: String },
    #[error("the target no longer accepts our credentials")]
    Unauthorized,
    /// The target lacks a module, a model or a right that we need.
    #[error("the target is not set up for this: {why}")]
    NotSetUp { why: String },
    /// The target is set up, and does not let us do this: a right that is missing. The rest goes on.
    /// In words that follow "we may not": `create account.payment`.
    #[error("we may not {lacks}")]
    Denied { lacks: String },
    /// Under the address of a connection answers another than the one that is meant.
    #[error("another one answers: `{expected}` is meant, and it is `{found}`")]
    AnotherTarget { expected: String, found: String },
    /// The target is the one that is meant, and cannot do what we need of it any more.
    #[error("the target has changed: {lacks}")]
    Unfit { lacks: String },
}

/// What comes next. Every failure has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    Retry {
        after: Option<Duration>,
    },
    /// Ask the target whether the command was applied before anything is sent again.
    LookUp,
    /// Stop this command and open a case; the commands behind it of other objects continue.
    DeadLetter,
    /// Stop what needs this, and try it again from time to time; the rest of the connection goes on.
    Pause,
    /// Stop the whole connection until a person acts, or the target is again as it should be.
    Suspend,
}

impl CallError {
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::RateLimited { retry_after_ms } => {
                NextStep::Retry { after: retry_after_ms.map(Duration::from_millis) }
            }
            Self::Unreachable { .. } | Self::Busy { .. } => NextStep::Retry { after: None },
            Self::ReplyLost { .. } => NextStep::LookUp,
            Self::Refused { .. } => NextStep::DeadLetter,
            Self::Denied { .. } => NextStep::Pause,
            Self::Unauthorized
            | Self::NotSetUp { .. }
            | Self::AnotherTarget { .. }
            | Self::Unfit { .. } => NextStep::Suspend,
        }
    }

    pub const fn code(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "TU101",
            Self::Unreachable { .. } => "TU102",
            Self::ReplyLost { .. } => "TU103",
            Self::Refused { .. } => "TU104",
            Self::Unauthorized => "TU105",
            Self::Busy { .. } => "TU106",
            Self::NotSetUp { .. } => "TU107",
            Self::Denied { .. } => "TU110",
            Self::AnotherTarget { .. } => "TU108",
            Self::Unfit { .. } => "TU109",
        }
    }
}
