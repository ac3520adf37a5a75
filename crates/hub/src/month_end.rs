//! The end of a month: what customers paid and nobody invoiced by then, and the entry that shows it
//! as deposits (`POSTING.md` P12).
//!
//! Nothing is posted by itself. What a person decides is a message of its channel, like any news of
//! it; the same again is none. What became known since replaces what was decided before: the old
//! entries are taken back, and the new ones posted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::derive::month_end::OnReceivable;
use trueup_domain::document::{Advance, MonthEnd, Version};
use trueup_domain::money::Currency;
use trueup_store::audit::{self, Done};
use trueup_store::{StoreError, Tx, messages, month_ends};

use crate::decode::MONTH_END;

/// What is open over the end of the month of a day, by currency.
pub fn open(
    tx: &mut Tx<'_>,
    connection: &str,
    day: Date,
) -> Result<BTreeMap<Currency, Vec<Advance>>, StoreError> {
    let until = day.last_of_month();
    let mut sums: BTreeMap<(String, String, Currency), OnReceivable> = BTreeMap::new();
    for found in month_ends::receivable_below_zero(tx, connection, until)? {
        let currency = found.amount.currency();
        let sum = sums
            .entry((found.sale, found.number, currency))
            .or_insert_with(|| OnReceivable::nothing(currency));
        sum.add(&found.kind, found.amount).map_err(StoreError::corrupt)?;
    }
    let mut open: BTreeMap<Currency, Vec<Advance>> = BTreeMap::new();
    for ((sale, number, currency), sum) in sums {
        let amount = sum.advance().map_err(StoreError::corrupt)?;
        if !amount.is_zero() {
            open.entry(currency).or_default().push(Advance { sale, number, amount });
        }
    }
    Ok(open)
}

/// Hands in what a person decided. Returns the ids of the ends of months that were stated; where
/// nothing is open and nothing was decided before, there is none.
pub fn decide(
    tx: &mut Tx<'_>,
    connection: &str,
    day: Date,
    (person, reason): (&str, &str),
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let until = day.last_of_month();
    let month = until.strftime("%Y-%m").to_string();
    let mut open = open(tx, connection, day)?;
    // What was decided of a currency and is open no more is taken back.
    let start = format!("{connection}/month_end/{month}/");
    for root in month_ends::decided(tx, connection)? {
        let code = root.strip_prefix(&start).and_then(|code| Currency::parse(code).ok());
        if let Some(currency) = code {
            open.entry(currency).or_default();
        }
    }
    let mut stated = Vec::new();
    for (currency, advances) in open {
        let id = format!("{month}/{}", currency.code());
        let document = MonthEnd {
            id: id.clone(),
            version: Version(0),
            until,
            advances,
            person: person.to_owned(),
            reason: reason.to_owned(),
        };
        let source_id = format!("month_end/{id}");
        messages::state(tx, connection, source_id, MONTH_END, &document, now)?;
        let subject = format!("{connection}/{id}");
        let done = Done { kind: "month_end", subject: &subject, person, detail: &document };
        audit::record(tx, &done, now)?;
        stated.push(id);
    }
    Ok(stated)
}
