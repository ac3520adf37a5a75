//! The list of orders: search, filters, and the four links of each.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use trueup_hub::proofs::Evidence;
use trueup_store::documents::{self, ProofColumn, SaleFilter, ShownRoot};
use trueup_store::{StoreError, Tx};

use super::{Chrome, LINKS, PageProblem, STATUSES, Shared, page, period, status_label};
use crate::format;
use crate::state::ServerState;

const PAGE: i64 = 50;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wanted {
    pub search: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub entity: Option<String>,
    pub currency: Option<String>,
    pub status: Option<String>,
    pub link: Option<String>,
    pub after: Option<String>,
}

impl Wanted {
    fn text(field: &Option<String>) -> Option<String> {
        field.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The query of this list from another row on.
    fn query(&self, after: &str) -> String {
        let fields = [
            ("search", Self::text(&self.search)),
            ("from", Self::text(&self.from)),
            ("to", Self::text(&self.to)),
            ("entity", Self::text(&self.entity)),
            ("currency", Self::text(&self.currency)),
            ("status", Self::text(&self.status)),
            ("link", Self::text(&self.link)),
            ("after", Some(after.to_owned())),
        ];
        let pairs = fields.iter().filter_map(|(name, value)| {
            Some(format!("{name}={}", format::in_query(value.as_deref()?)))
        });
        format!("/orders?{}", pairs.collect::<Vec<_>>().join("&"))
    }
}

#[derive(Template)]
#[template(path = "orders.html")]
struct Orders {
    chrome: Chrome,
    rows: Vec<OrderRow>,
    next: Option<String>,
    search: String,
    from: String,
    to: String,
    entity: String,
    currency: String,
    statuses: Vec<Choice>,
    links: Vec<Choice>,
    filtered: bool,
    /// Whether any order is known at all.
    any: bool,
}

struct Choice {
    word: &'static str,
    label: &'static str,
    chosen: bool,
}

struct OrderRow {
    href: String,
    number: String,
    day: String,
    channel: String,
    state: String,
    total: String,
    currency: String,
    links: Vec<Dot>,
    waiting: String,
}

/// One link of one order.
pub struct Dot {
    pub link: &'static str,
    pub class: &'static str,
    pub label: &'static str,
}

/// The four links of an order, ready to be shown.
pub fn dots(evidence: &Evidence, root: &str) -> Vec<Dot> {
    let proof = evidence.proof(root);
    let all = [proof.document, proof.tender, proof.payout, proof.bank];
    LINKS
        .iter()
        .zip(all)
        .map(|(&(_, link, _), status)| Dot {
            link,
            class: status.word(),
            label: status_label(status.word()),
        })
        .collect()
}

pub async fn show(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    period::day(wanted.from.as_deref())?;
    period::day(wanted.to.as_deref())?;
    let shared = state.clone();
    let shown = state.read(move |tx| orders(tx, &shared, &wanted)).await?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn orders(tx: &mut Tx<'_>, state: &ServerState, wanted: &Wanted) -> Result<Orders, StoreError> {
    let status = Wanted::text(&wanted.status);
    let link = Wanted::text(&wanted.link);
    let search = Wanted::text(&wanted.search).unwrap_or_default();
    let (rows, next) = find(tx, wanted)?;
    let roots: Vec<String> = rows.iter().map(|sale| sale.id.clone()).collect();
    let evidence = Evidence::of(tx, &roots)?;
    let mut chrome = Chrome::new(tx, state, "orders")?;
    chrome.search.clone_from(&search);
    let choice = |word: &'static str, label: &'static str, own: &Option<String>| Choice {
        word,
        label,
        chosen: own.as_deref() == Some(word),
    };
    Ok(Orders {
        chrome,
        rows: rows.into_iter().map(|sale| order_row(sale, &evidence)).collect(),
        next: next.map(|after| wanted.query(&after)),
        search,
        from: Wanted::text(&wanted.from).unwrap_or_default(),
        to: Wanted::text(&wanted.to).unwrap_or_default(),
        entity: Wanted::text(&wanted.entity).unwrap_or_default(),
        currency: Wanted::text(&wanted.currency).unwrap_or_default(),
        statuses: STATUSES.iter().map(|&word| choice(word, status_label(word), &status)).collect(),
        links: LINKS.iter().map(|&(word, label, _)| choice(word, label, &link)).collect(),
        filtered: wanted.query("") != "/orders?after=",
        any: documents::sale_days(tx)?.is_some(),
    })
}

/// The rows of one page, and where the next begins.
fn find(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<(Vec<ShownRoot>, Option<String>), StoreError> {
    let after = Wanted::text(&wanted.after).map(|after| {
        let (day, id) = after.split_once('~').unwrap_or(("", &after));
        (day.to_owned(), id.to_owned())
    });
    let link = Wanted::text(&wanted.link).unwrap_or_default();
    let filter = SaleFilter {
        text: Wanted::text(&wanted.search),
        from: Wanted::text(&wanted.from),
        to: Wanted::text(&wanted.to),
        entity: Wanted::text(&wanted.entity),
        currency: Wanted::text(&wanted.currency),
        standing: Wanted::text(&wanted.status).map(|status| (ProofColumn::of(&link), status)),
        after,
        limit: PAGE + 1,
    };
    let mut rows = documents::list_sales(tx, &filter)?;
    let more = i64::try_from(rows.len()).unwrap_or(0) > PAGE;
    if more {
        rows.pop();
    }
    let last = rows.last().filter(|_| more);
    let next = last.map(|sale| format!("{}~{}", sale.day.as_deref().unwrap_or_default(), sale.id));
    Ok((rows, next))
}

fn order_row(sale: ShownRoot, evidence: &Evidence) -> OrderRow {
    let currency = sale.currency.unwrap_or_default();
    OrderRow {
        href: format::root_page(&sale.id),
        links: dots(evidence, &sale.id),
        total: sale.amount.map_or(String::new(), |minor| format::amount(minor, &currency)),
        currency,
        number: sale.number,
        day: sale.day.unwrap_or_default(),
        channel: sale.connection,
        state: format::words(&sale.state),
        waiting: sale.waiting.unwrap_or_default(),
    }
}
