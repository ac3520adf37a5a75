//! How the sales of a channel go into the books (`DESIGN.md` §4, `POSTING.md` table A).

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A sale keeps the mode in which it was booked first: only new sales follow a change between
/// documents and entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posting {
    /// An order, an invoice and payments of the books for each sale.
    #[default]
    Transaction,
    /// One entry for each day and currency, which we post ourselves; no document for any one sale.
    Day,
    /// One entry for each payout, and at the end of each month one of what is not paid out yet.
    Payout,
}

impl Posting {
    pub const ALL: &[Self] = &[Self::Transaction, Self::Day, Self::Payout];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Day => "day",
            Self::Payout => "payout",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.word() == word)
    }
}

/// What some entries sum up: `2026-11-02`, `2026-11`, `payout/stripe/po_1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// The sales of a day.
    Day(Date),
    /// What was open of a month when it was over; by the first day of the month.
    Month(Date),
    /// The sales whose money is in a payout.
    Payout {
        /// The provider's connection.
        provider: String,
        id: String,
    },
}

impl Span {
    /// The month of a day.
    pub fn month(day: Date) -> Self {
        Self::Month(day.first_of_month())
    }

    pub fn parse(text: &str) -> Option<Self> {
        if let Some(payout) = text.strip_prefix("payout/") {
            let (provider, id) = payout.split_once('/')?;
            return Some(Self::Payout { provider: provider.to_owned(), id: id.to_owned() });
        }
        match text.parse() {
            Ok(day) => Some(Self::Day(day)),
            Err(_) => format!("{text}-01").parse().ok().map(Self::Month),
        }
    }

    /// First and last day of a day or month.
    pub fn days(&self) -> Option<(Date, Date)> {
        match self {
            Self::Day(day) => Some((*day, *day)),
            Self::Month(first) => Some((*first, first.last_of_month())),
            Self::Payout { .. } => None,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Month(first) => f.write_str(&first.to_string()[..7]),
            Self::Payout { provider, id } => write!(f, "payout/{provider}/{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_it_is_written() {
        for text in ["2026-11-02", "2026-02", "payout/gateway/po_1", "payout/shop/1/2"] {
            let span = Span::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(span.to_string(), text);
        }
        for text in ["", "2026", "2026-13", "payout/gateway", "po_1"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
