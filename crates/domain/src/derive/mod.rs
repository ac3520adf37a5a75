//! DECIDE: from the newest documents of a root to the facts that must hold (`DESIGN.md` §9.3).
//!
//! Everything here is pure and works on levels, not edges: the same documents give the same facts,
//! whatever order, repetition or staleness brought them. What is missing derives to *waiting*, with
//! the read that may bring it; there is no other parking.
//!
//! | module         | root                                                                     |
//! |----------------|--------------------------------------------------------------------------|
//! | [`sale`]       | an order with its payments, refunds and fulfilments                      |
//! | [`billing`]    | what a sale bills: document lines with their taxes to the cent           |
//! | `bundle`       | a line that is several products in the books                             |
//! | [`settlement`] | ledger rows, payouts and disputes of a provider                          |
//! | [`bank`]       | bank lines, and what they were found to be                               |
//! | [`books`]      | records read back from the books                                         |
//! | [`month_end`]  | what customers paid and nobody invoiced by the end of a month            |
//! | [`till`]       | sessions of a till inside the books                                      |
//! | [`summary`]    | the entries that sum up the sales of one day                             |
//! | [`transfer`]   | what left one location in a day, and came back to it                     |

pub mod bank;
pub mod billing;
pub mod books;
mod bundle;
pub mod month_end;
pub mod sale;
pub mod settlement;
pub mod summary;
pub mod till;
pub mod transfer;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::Calendar;
use crate::fact::{After, Command, Fact, FactKey};
use crate::journal::EntryError;
use crate::mapping::{Mapping, Missing};
use crate::money::{Money, MoneyError};
use crate::posting::Posting;

/// What a decision may know beside the documents.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The connection whose documents these are.
    pub connection: &'a str,
    pub entity: &'a str,
    /// IANA name; the business date of a moment is its date there.
    pub time_zone: &'a str,
    pub calendar: &'a Calendar,
    /// `None` until one is approved.
    pub mapping: Option<&'a Mapping>,
    /// Which order of the books (1, 2, …) bills a line already: an added line is a further order
    /// and invoice, not a change of the first.
    pub billed: &'a BTreeMap<String, u32>,
    /// The address that the order of the books names, if it is written: it keeps it, because whoever
    /// ships may have it in his hands.
    pub address: Option<Option<&'a After>>,
    /// What the provider agreed to charge, where the entity knows it.
    pub fees: Option<&'a FeeSchedule>,
    /// How the sale goes into the books.
    pub posting: Posting,
    /// The customer whom its order in the books names, where it names one of ours.
    pub customer: Option<&'a After>,
    /// The cut-over: sales placed before it were booked by somebody else (`POSTING.md` P1).
    pub since: Timestamp,
}

/// A provider's price of one capture: a share of the gross and a fixed amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    pub rate: rust_decimal::Decimal,
    pub fixed: Money,
}

impl FeeSchedule {
    /// The agreed fee of a capture, rounded half up to the minor unit as providers do. `None` when
    /// it cannot be expressed or the currencies differ.
    pub fn fee(&self, gross: Money) -> Option<Money> {
        use rust_decimal::prelude::{RoundingStrategy, ToPrimitive};
        if gross.currency() != self.fixed.currency() {
            return None;
        }
        let share = self.rate.checked_mul(rust_decimal::Decimal::from(gross.minor()))?;
        let minor =
            share.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64()?;
        Money::from_minor(minor, gross.currency()).checked_add(self.fixed).ok()
    }
}

impl Surroundings<'_> {
    /// The business date of a moment in the entity's time zone; UTC where the zone is unknown.
    pub fn day(&self, moment: Timestamp) -> Date {
        let zone = TimeZone::get(self.time_zone).unwrap_or(TimeZone::UTC);
        moment.to_zoned(zone).date()
    }
}

/// What must hold for one root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    pub standing: Standing,
    /// What is missing before all of it can be booked.
    pub waiting: Option<Waiting>,
    pub facts: Vec<Fact>,
    /// Commands that roots share, under a root of their own: customers.
    pub shared: Vec<Shared>,
    pub breaks: Vec<Break>,
    /// Objects to read at the source: kind and external id.
    pub reads: Vec<(String, String)>,
}

/// How a root stands, for lists and search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub number: String,
    pub state: String,
    pub day: Option<Date>,
    pub amount: Option<Money>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    pub root: String,
    pub key: FactKey,
    pub command: Command,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    #[error("the order itself has not come in")]
    Order,
    #[error("the order says it is paid; payments of {missing} are missing")]
    Payments { missing: Money },
    #[error("no mapping is approved for this connection")]
    NoMapping,
    #[error("the mapping lacks: {}", list(.0))]
    Mapping(Vec<Missing>),
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Waiting {
    /// A stable word for columns and filters.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payments { .. } => "payments",
            Self::NoMapping | Self::Mapping(_) => "mapping",
        }
    }
}

/// A contradiction that a person must see. The documents stay true and booked unless it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    pub kind: &'static str,
    pub title: String,
    pub detail: String,
    pub remedy: &'static str,
    pub amount: Option<Money>,
    pub owner: &'static str,
}

/// The amounts of the documents do not fit into what money can hold, or do not balance: a bug or a
/// hostile message. The root is held and a case opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    #[error(transparent)]
    Money(#[from] MoneyError),
    #[error(transparent)]
    Entry(#[from] EntryError),
}
