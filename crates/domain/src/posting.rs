//! How the sales of a channel go into the books (`DESIGN.md` §4, `POSTING.md` table A).

use serde::{Deserialize, Serialize};

/// A sale keeps the mode in which it was booked first: only new sales follow a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posting {
    /// An order, an invoice and payments of the books for each sale.
    #[default]
    Transaction,
    /// One entry for each day and currency, which we post ourselves; no document for any one sale.
    Day,
}

impl Posting {
    pub const ALL: &[Self] = &[Self::Transaction, Self::Day];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Day => "day",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.word() == word)
    }
}
