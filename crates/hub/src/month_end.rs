//! The end of a month: what customers paid and nobody invoiced by then, what is invoiced with the money
//! and has not left, and the entries that show both as deposits (`POSTING.md` P12).
//!
//! Nothing is posted by itself. What a person decides is a message of its channel, like any news of
//! it; the same again is none. What became known since replaces what was decided before: the old
//! entries are taken back, and the new ones posted.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use trueup_domain::derive::month_end::OnReceivable;
use trueup_domain::document::{Advance, Deferral, Document, MonthEnd, Version};
use trueup_domain::mapping::{InvoicePolicy, Mapping};
use trueup_domain::money::Currency;
use trueup_store::audit::{self, Done};
use trueup_store::{StoreError, Tx, documents, facts, mappings, messages, month_ends};

use crate::decode::MONTH_END;
use crate::setup::Hub;

/// Sales of which the goods have not left for so long are no matter of a month any more.
const LOOKS_BACK: i32 = 12;
const AT_ONCE: usize = 100;

/// What is open over the end of a month in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    pub advances: Vec<Advance>,
    pub deferrals: Vec<Deferral>,
}

/// What is open over the end of the month of a day, by currency.
pub fn open(
    tx: &mut Tx<'_>,
    hub: &Hub,
    connection: &str,
    day: Date,
) -> Result<BTreeMap<Currency, Open>, StoreError> {
    let until = day.last_of_month();
    let mut sums: BTreeMap<(String, String, Currency), OnReceivable> = BTreeMap::new();
    for found in month_ends::receivable_below_zero(tx, connection, until)? {
        let currency = found.amount.currency();
        let sum = sums
            .entry((found.sale, found.number, currency))
            .or_insert_with(|| OnReceivable::nothing(currency));
        sum.add(&found.kind, found.amount).map_err(StoreError::corrupt)?;
    }
    let mut open: BTreeMap<Currency, Open> = BTreeMap::new();
    for ((sale, number, currency), sum) in sums {
        let amount = sum.advance().map_err(StoreError::corrupt)?;
        if !amount.is_zero() {
            open.entry(currency).or_default().advances.push(Advance { sale, number, amount });
        }
    }
    for deferral in deferrals(tx, hub, connection, until)? {
        open.entry(deferral.amount.currency()).or_default().deferrals.push(deferral);
    }
    Ok(open)
}

/// The revenue of each sale that is invoiced with the money and has not left by a day.
fn deferrals(
    tx: &mut Tx<'_>,
    hub: &Hub,
    connection: &str,
    until: Date,
) -> Result<Vec<Deferral>, StoreError> {
    let mapping = mappings::get(tx, connection, None)?;
    let by_capture = |it: &Mapping| it.invoices == InvoicePolicy::Capture;
    let Some(mapping) = mapping.filter(by_capture) else { return Ok(Vec::new()) };
    let from = until.checked_sub(LOOKS_BACK.months()).map_err(StoreError::corrupt)?;
    let mut deferrals = Vec::new();
    for few in month_ends::invoiced(tx, connection, (from, until))?.chunks(AT_ONCE) {
        let roots: Vec<&str> = few.iter().map(|(sale, _)| sale.as_str()).collect();
        let stated = documents::of_each_root(tx, &roots)?;
        let live = facts::live_each(tx, &roots)?;
        for (((sale, number), stated), live) in few.iter().zip(stated).zip(live) {
            let stated: Vec<Document> = stated.into_iter().map(|(document, _)| document).collect();
            if let Some(amount) =
                crate::decide::deferred(hub, connection, &mapping, (&stated, &live), until)
            {
                deferrals.push(Deferral { sale: sale.clone(), number: number.clone(), amount });
            }
        }
    }
    Ok(deferrals)
}

/// Hands in what a person decided. Returns the ids of the ends of months that were stated; where
/// nothing is open and nothing was decided before, there is none.
pub fn decide(
    tx: &mut Tx<'_>,
    hub: &Hub,
    connection: &str,
    day: Date,
    (person, reason): (&str, &str),
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let until = day.last_of_month();
    let month = until.strftime("%Y-%m").to_string();
    let mut open = open(tx, hub, connection, day)?;
    // What was decided of a currency and is open no more is taken back.
    let start = format!("{connection}/month_end/{month}/");
    for root in month_ends::decided(tx, connection)? {
        let code = root.strip_prefix(&start).and_then(|code| Currency::parse(code).ok());
        if let Some(currency) = code {
            open.entry(currency).or_default();
        }
    }
    let mut stated = Vec::new();
    for (currency, Open { advances, deferrals }) in open {
        let id = format!("{month}/{}", currency.code());
        let document = MonthEnd {
            id: id.clone(),
            version: Version(0),
            until,
            advances,
            deferrals,
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
