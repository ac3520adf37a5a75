//! The four-sided report: per day and in all, how many orders and how much money are proven, not
//! due, broken or not applicable on each link; what is open, and what was absorbed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use trueup_domain::money::{Currency, Money};
use trueup_matching::Status;
use trueup_matching::links::Link;
use trueup_store::proofs::{self, Alike};
use trueup_store::{StoreError, Tx, cases};

/// Orders and their money in one status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub orders: i64,
    /// Minor units of the row's currency.
    pub minor: i64,
}

/// One entity, currency and day (or all days).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    pub day: Option<String>,
    pub entity: String,
    pub currency: String,
    pub orders: i64,
    pub minor: i64,
    /// By link, then by status.
    pub links: BTreeMap<&'static str, BTreeMap<&'static str, Tally>>,
    pub overall: BTreeMap<&'static str, Tally>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenCase {
    pub id: String,
    pub kind: String,
    pub entity: String,
    pub subject: String,
    pub title: String,
    pub detail: String,
    pub remedy: String,
    pub amount: Option<Money>,
    /// The person who works on it; empty while nobody does.
    pub assignee: String,
    pub age_days: i64,
}

/// A case whose cause stands and that a person took as it is, or skipped. What it is about stays
/// unproven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    pub id: String,
    pub kind: String,
    pub entity: String,
    pub subject: String,
    pub title: String,
    pub amount: Option<Money>,
    /// `accepted` or `skipped`.
    pub how: String,
    pub person: String,
    pub reason: String,
    pub at: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absorbed {
    pub kind: String,
    pub subject: String,
    pub detail: String,
    pub times: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub from: String,
    pub to: String,
    pub as_of: String,
    pub days: Vec<Row>,
    pub totals: Vec<Row>,
    pub open: Vec<OpenCase>,
    pub accepted: Vec<Accepted>,
    pub absorbed: Vec<Absorbed>,
}

/// So many of the newest healed things are named; the sums say how many there were.
const ABSORBED_MAX: i64 = 500;

/// Builds the report of the days `from..=to`: sums of the proofs of those days.
pub fn build(tx: &mut Tx<'_>, from: Date, to: Date, now: Timestamp) -> Result<Report, StoreError> {
    let mut days: BTreeMap<(String, String, String), Row> = BTreeMap::new();
    let mut totals: BTreeMap<(String, String), Row> = BTreeMap::new();
    for alike in proofs::alike(tx, &from.to_string(), &to.to_string())? {
        let (day, entity, currency) = (&alike.day, &alike.entity, &alike.currency);
        let row = days
            .entry((day.clone(), entity.clone(), currency.clone()))
            .or_insert_with(|| Row { day: Some(day.clone()), ..new_row(entity, currency) });
        count(row, &alike);
        let total = totals
            .entry((entity.clone(), currency.clone()))
            .or_insert_with(|| new_row(entity, currency));
        count(total, &alike);
    }
    Ok(Report {
        from: from.to_string(),
        to: to.to_string(),
        as_of: now.to_string(),
        days: days.into_values().collect(),
        totals: totals.into_values().collect(),
        open: open(tx, now)?,
        accepted: accepted(tx)?,
        absorbed: cases::absorbed(tx, ABSORBED_MAX)?
            .into_iter()
            .map(|one| Absorbed {
                kind: one.kind,
                subject: one.subject,
                detail: one.detail,
                times: one.times,
            })
            .collect(),
    })
}

fn new_row(entity: &str, currency: &str) -> Row {
    Row { entity: entity.to_owned(), currency: currency.to_owned(), ..Row::default() }
}

fn count(row: &mut Row, alike: &Alike) {
    let add = |tally: &mut Tally| {
        tally.orders += alike.orders;
        tally.minor = tally.minor.saturating_add(alike.amount);
    };
    row.orders += alike.orders;
    row.minor = row.minor.saturating_add(alike.amount);
    let statuses = [&alike.document, &alike.tender, &alike.payout, &alike.bank];
    for (link, status) in Link::ALL.into_iter().zip(statuses) {
        let by_status = row.links.entry(link.word()).or_default();
        add(by_status.entry(status_word(status)).or_default());
    }
    add(row.overall.entry(status_word(&alike.overall)).or_default());
}

fn status_word(word: &str) -> &'static str {
    Status::parse(word).unwrap_or(Status::NotDue).word()
}

/// The open cases, oldest first.
pub fn open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<OpenCase>, StoreError> {
    let cases = cases::open_cases(tx)?;
    Ok(cases
        .into_iter()
        .map(|case| {
            let age = now.duration_since(case.opened_at).as_hours() / 24;
            let currency = Currency::parse(&case.currency).ok();
            OpenCase {
                amount: currency.map(|currency| Money::from_minor(case.amount, currency)),
                id: case.id,
                kind: case.kind,
                entity: case.entity,
                subject: case.subject,
                title: case.title,
                detail: case.detail,
                remedy: case.remedy,
                assignee: case.assignee,
                age_days: age,
            }
        })
        .collect())
}

/// What people took as it is or skipped, newest first.
pub fn accepted(tx: &mut Tx<'_>) -> Result<Vec<Accepted>, StoreError> {
    let cases = cases::accepted(tx)?;
    Ok(cases
        .into_iter()
        .map(|case| Accepted {
            amount: Currency::parse(&case.currency)
                .ok()
                .map(|currency| Money::from_minor(case.amount, currency)),
            id: case.id,
            kind: case.kind,
            entity: case.entity,
            subject: case.subject,
            title: case.title,
            how: case.closed_as.unwrap_or_default(),
            person: case.closed_by.unwrap_or_default(),
            reason: case.closed_why.unwrap_or_default(),
            at: case.closed_at.map(|at| at.to_string()).unwrap_or_default(),
        })
        .collect())
}
