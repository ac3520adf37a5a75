//! The tax report: regime, jurisdiction, rate, who remits, period; tied to the tax lines of the books
//! for each of their taxes (`POSTING.md` P14, `docs/reports.md`).

mod ties;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::calendar::Periods;
use trueup_matching::bridge::Bridge;
use trueup_store::sales::{self, TaxSum};
use trueup_store::{StoreError, Tx};

use crate::setup::Hub;

/// What is asked of the tax report.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub from: Date,
    pub to: Date,
    pub periods: Periods,
    pub channel: Option<String>,
    pub entity: Option<String>,
}

/// One row: what a return states in one figure. Corrections of an earlier period stand apart from
/// the sales of this one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    pub entity: String,
    pub period: String,
    pub regime: String,
    /// ISO 3166-2; empty where the orders name no place.
    pub jurisdiction: String,
    /// A fraction: `0.19`.
    pub rate: String,
    /// `us` or `marketplace`.
    pub remitted_by: String,
    /// The period of the sales that these amounts are of; otherwise than `period` for corrections.
    pub original_period: String,
    pub base: Money,
    pub tax: Money,
    pub documents: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub from: String,
    pub to: String,
    pub as_of: Timestamp,
    pub calendar: &'static str,
    pub date_basis: &'static str,
    pub rows: Vec<Row>,
    /// By entity, currency and who remits: base without what is counted under several taxes is not
    /// told, because it would not be the sum of the rows.
    pub totals: Vec<Total>,
    /// For the whole months of the period; none where there is no such month, or the report is of
    /// some channels of a company alone.
    pub ties: Vec<Tie>,
}

/// One tax of the books: what the report sums of it and what the books do, with every step between.
#[derive(Clone, Debug, Serialize)]
pub struct Tie {
    pub entity: String,
    /// The books' own id of the tax, and what they call it.
    pub tax: String,
    pub name: Option<String>,
    #[serde(flatten)]
    pub bridge: Bridge,
}

/// The tax of all rows of one entity and currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    pub entity: String,
    pub remitted_by: String,
    pub tax: Money,
}

/// Builds the report of the days `from..=to`.
pub fn build(
    tx: &mut Tx<'_>,
    hub: &Hub,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Report, StoreError> {
    type Key = [String; 7];
    let mut rows: BTreeMap<(Key, Currency), (i64, i64, i64)> = BTreeMap::new();
    let mut totals: BTreeMap<(String, String, Currency), i64> = BTreeMap::new();
    for sum in sums(tx, wanted)? {
        let currency = Currency::parse(&sum.currency).map_err(StoreError::corrupt)?;
        let period = |day: &str| -> Result<String, StoreError> {
            Ok(wanted.periods.period_of(day.parse().map_err(StoreError::corrupt)?))
        };
        let total =
            totals.entry((sum.entity.clone(), sum.remitted_by.clone(), currency)).or_default();
        *total = add(*total, sum.tax)?;
        let key = [
            sum.entity,
            period(&sum.day)?,
            sum.regime,
            sum.jurisdiction,
            sum.rate,
            sum.remitted_by,
            period(&sum.order_day)?,
        ];
        let row = rows.entry((key, currency)).or_default();
        *row = (add(row.0, sum.base)?, add(row.1, sum.tax)?, row.2 + sum.documents);
    }
    let rows = rows.into_iter().map(|((key, currency), (base, tax, documents))| {
        let [entity, period, regime, jurisdiction, rate, remitted_by, original_period] = key;
        Row {
            entity,
            period,
            regime,
            jurisdiction,
            rate,
            remitted_by,
            original_period,
            base: Money::from_minor(base, currency),
            tax: Money::from_minor(tax, currency),
            documents,
        }
    });
    Ok(Report {
        from: wanted.from.to_string(),
        to: wanted.to.to_string(),
        as_of: now,
        calendar: wanted.periods.word(),
        date_basis: "orders on the day they were placed, refunds on the day they were agreed",
        rows: rows.collect(),
        totals: totals
            .into_iter()
            .map(|((entity, remitted_by, currency), tax)| Total {
                entity,
                remitted_by,
                tax: Money::from_minor(tax, currency),
            })
            .collect(),
        ties: ties::build(tx, hub, wanted)?,
    })
}

fn sums(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<Vec<TaxSum>, StoreError> {
    let mut sums = sales::taxes(tx, &wanted.from.to_string(), &wanted.to.to_string())?;
    sums.retain(|sum| {
        wanted.channel.as_ref().is_none_or(|channel| *channel == sum.connection)
            && wanted.entity.as_ref().is_none_or(|entity| *entity == sum.entity)
    });
    Ok(sums)
}

pub(crate) fn add(left: i64, right: i64) -> Result<i64, StoreError> {
    left.checked_add(right).ok_or_else(|| StoreError::corrupt("a sum that no money can hold"))
}
