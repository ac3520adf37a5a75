//! What stands between sale and payout over a month, tied to what the provider owes and to the books'
//! own account.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use trueup_domain::money::Money;
use trueup_hub::clearing::{self, Account, Report};

use super::{Chrome, PageProblem, Shared, bridges, page};
use crate::format;
use crate::problem::Problem;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wanted {
    /// `2026-10`; left out, the month before this one.
    pub month: Option<String>,
    pub entity: Option<String>,
}

impl Wanted {
    pub fn read(&self, now: Timestamp) -> Result<clearing::Wanted, Problem> {
        let text = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let month = text(&self.month).map(|month| format!("{month}-01").parse::<Date>());
        let month = month.transpose();
        let month = month.map_err(|_| Problem::unreadable("write a month as 2026-10"))?;
        Ok(clearing::Wanted::of(month, text(&self.entity), now))
    }
}

#[derive(Template)]
#[template(path = "clearing.html")]
struct Clearing {
    chrome: Chrome,
    month: String,
    from: String,
    to: String,
    rows: Vec<Row>,
    /// The books have said what their accounts hold.
    is_stated: bool,
    bridges: Vec<bridges::Bridge>,
}

struct Row {
    entity: String,
    provider: String,
    currency: &'static str,
    opening: String,
    captured: String,
    refunded: String,
    ledger: String,
    paid_out: String,
    matched: String,
    closing: String,
    open: Open,
}

/// The rows of the provider's ledger that were in no payout.
struct Open {
    amount: String,
    count: String,
    since: String,
    some: Vec<bridges::Evidence>,
    more: i64,
}

pub async fn show(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let wanted = wanted.read(now)?;
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let report = clearing::build(tx, &shared.hub, &wanted, now)?;
            Ok(shown(Chrome::new(tx, &shared, "reports")?, report))
        })
        .await?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn shown(chrome: Chrome, report: Report) -> Clearing {
    let (mut rows, mut ties, mut is_stated) = (Vec::new(), Vec::new(), false);
    for account in report.accounts {
        rows.push(row(&account));
        is_stated |= account.tie.is_some();
        ties.push(account.owed);
        ties.extend(account.tie);
    }
    Clearing {
        chrome,
        month: report.from.chars().take("2026-10".len()).collect(),
        from: report.from,
        to: report.to,
        rows,
        is_stated,
        bridges: bridges::shown(ties),
    }
}

fn row(account: &Account) -> Row {
    let amount = |money: Money| format::amount(money.minor(), account.currency.code());
    let open = &account.not_paid_out;
    Row {
        entity: account.entity.clone(),
        provider: account.provider.clone(),
        currency: account.currency.code(),
        opening: amount(account.opening),
        captured: amount(account.captured),
        refunded: amount(account.refunded),
        ledger: amount(account.ledger),
        paid_out: amount(account.paid_out),
        matched: amount(account.matched),
        closing: amount(account.closing),
        open: Open {
            amount: amount(open.amount),
            count: format::count(open.count),
            since: open.since.clone().unwrap_or_default(),
            some: open.some.iter().map(|key| bridges::evidence(key)).collect(),
            more: open.count.saturating_sub(i64::try_from(open.some.len()).unwrap_or(0)),
        },
    }
}
