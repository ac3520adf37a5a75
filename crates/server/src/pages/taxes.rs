//! The tax report: regime, jurisdiction, rate, who remits, period.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use trueup_domain::sales::calendar::{Periods, UnknownCalendar};
use trueup_hub::taxes;
use trueup_store::{StoreError, Tx};

use super::period::Period;
use super::{Chrome, PageProblem, Shared, bridges, page};
use crate::format;
use crate::problem::Problem;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wanted {
    pub from: Option<String>,
    pub to: Option<String>,
    pub calendar: Option<String>,
    pub channel: Option<String>,
    pub entity: Option<String>,
}

impl Wanted {
    pub fn read(
        &self,
        tx: &mut Tx<'_>,
        now: jiff::Timestamp,
    ) -> Result<Result<taxes::Wanted, Problem>, StoreError> {
        let period = Period { from: self.from.clone(), to: self.to.clone() };
        let text = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let periods = text(&self.calendar).unwrap_or_else(|| Periods::Month.word().to_owned());
        let periods: Result<Periods, UnknownCalendar> = periods.parse();
        let periods = match periods {
            Ok(periods) => periods,
            Err(error) => return Ok(Err(Problem::unreadable(error.to_string()))),
        };
        Ok(period.days(tx, now)?.map(|(from, to)| taxes::Wanted {
            from,
            to,
            periods,
            channel: text(&self.channel),
            entity: text(&self.entity),
        }))
    }
}

#[derive(Template)]
#[template(path = "taxes.html")]
struct Taxes {
    chrome: Chrome,
    from: String,
    to: String,
    basis: &'static str,
    rows: Vec<Row>,
    totals: Vec<Total>,
    bridges: Vec<bridges::Bridge>,
}

struct Row {
    entity: String,
    period: String,
    regime: String,
    jurisdiction: String,
    rate: String,
    remitted_by: String,
    /// The period of the sales that were corrected; empty for the sales of this one.
    corrects: String,
    currency: &'static str,
    base: String,
    tax: String,
    documents: String,
}

struct Total {
    what: String,
    tax: String,
}

pub async fn show(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let wanted = match wanted.read(tx, now)? {
                Ok(wanted) => wanted,
                Err(problem) => return Ok(Err(problem)),
            };
            let report = taxes::build(tx, &shared.hub, &wanted, now)?;
            Ok(Ok(shown(Chrome::new(tx, &shared, "reports")?, report)))
        })
        .await??;
    Ok(page(StatusCode::OK, &shown)?)
}

fn shown(chrome: Chrome, report: taxes::Report) -> Taxes {
    let rows = report.rows.into_iter().map(|row| {
        let code = row.tax.currency().code();
        Row {
            regime: format::words(&row.regime),
            corrects: if row.original_period == row.period {
                String::new()
            } else {
                row.original_period
            },
            base: format::amount(row.base.minor(), code),
            tax: format::amount(row.tax.minor(), code),
            documents: format::count(row.documents),
            currency: code,
            entity: row.entity,
            period: row.period,
            jurisdiction: row.jurisdiction,
            rate: percent(&row.rate),
            remitted_by: row.remitted_by,
        }
    });
    let ties = report.ties.into_iter().map(|tie| match tie.name {
        Some(name) => trueup_hub::bridges::Shown {
            name: format!("{}: {name}", tie.bridge.name),
            ..tie.bridge
        },
        None => tie.bridge,
    });
    let totals = report.totals.iter().map(|total| Total {
        what: format!("{}, remitted by {}", total.entity, total.remitted_by),
        tax: format::money(total.tax.minor(), total.tax.currency().code()),
    });
    Taxes {
        chrome,
        bridges: bridges::shown(ties.collect()),
        rows: rows.collect(),
        totals: totals.collect(),
        from: report.from,
        to: report.to,
        basis: report.date_basis,
    }
}

/// `0.19` as `19 %`; what is no fraction stays as it is.
fn percent(rate: &str) -> String {
    let hundred = trueup_domain::money::parse_decimal("100").ok();
    let rate_of = trueup_domain::money::parse_decimal(rate).ok();
    let times = rate_of.zip(hundred).and_then(|(rate, hundred)| rate.checked_mul(hundred));
    times.map_or_else(|| rate.to_owned(), |percent| format!("{} %", percent.normalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_percent() {
        assert_eq!(percent("0.19"), "19 %");
        assert_eq!(percent("0.08875"), "8.875 %");
        assert_eq!(percent("0"), "0 %");
        assert_eq!(percent("-"), "-");
    }
}
