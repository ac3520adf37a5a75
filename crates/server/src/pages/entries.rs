//! The entries of the books that sum up sales or what a provider's ledger says, and what is in each,
//! adding up to what it books.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;
use trueup_domain::command::Way;
use trueup_domain::derive::summary::SummedRow;
use trueup_domain::document::{Root, RootKind};
use trueup_store::summaries::{self, ShownEntry};
use trueup_store::{StoreError, Tx, documents};

use super::{Chrome, PageProblem, Shared, page};
use crate::format;
use crate::problem::Problem;
use crate::state::ServerState;

/// So many are listed unless a day is named.
const SHOWN: i64 = 200;

#[derive(Deserialize)]
pub struct Wanted {
    /// The day on which they stand in the books.
    day: Option<String>,
}

#[derive(Template)]
#[template(path = "entries.html")]
struct Entries {
    chrome: Chrome,
    day: String,
    rows: Vec<Row>,
    /// There may be more than are shown.
    more: bool,
}

struct Row {
    href: String,
    summary: String,
    number: i64,
    dated: String,
    sales: String,
    /// What it is so many of.
    counted: &'static str,
    state: String,
    record: String,
    error: String,
}

#[derive(Template)]
#[template(path = "entry.html")]
struct OneEntry {
    chrome: Chrome,
    row: Row,
    /// The page of all entries of the day, month or payout.
    all: String,
    currency: String,
    accounts: Vec<Account>,
    orders: Vec<OrderRow>,
    balanced: bool,
}

/// A transfer that moves goods of a day, and the units in it.
#[derive(Template)]
#[template(path = "transfer.html")]
struct OneTransfer {
    chrome: Chrome,
    row: Row,
    /// The page of all transfers of the day and location.
    all: String,
    units: Vec<UnitsRow>,
}

struct UnitsRow {
    href: String,
    number: String,
    /// The shipment or refund that says so.
    by: String,
    name: String,
    /// Positive for what left; what is taken back has the other sign.
    out: String,
    back: String,
}

/// An account of the entry, and what all orders add up to on it.
struct Account {
    role: String,
    qualifier: String,
    sum: String,
}

struct OrderRow {
    href: String,
    number: String,
    /// By account, empty where the order has nothing on it.
    cells: Vec<String>,
}

impl From<ShownEntry> for Row {
    fn from(entry: ShownEntry) -> Self {
        Self {
            href: entry_page(&entry.summary, entry.number),
            number: entry.number,
            dated: entry.dated,
            sales: format::count(entry.orders),
            counted: summaries::counted(&entry.summary, entry.orders),
            state: entry.state.unwrap_or_else(|| "not asked for".to_owned()),
            record: entry.record.unwrap_or_default(),
            error: entry.error.unwrap_or_default(),
            summary: entry.summary,
        }
    }
}

/// The page of an entry.
pub fn entry_page(summary: &str, number: i64) -> String {
    format!("/entries/{number}/{}", format::in_path(summary))
}

pub async fn list(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let day = wanted.day.filter(|day| !day.is_empty());
    let day: Option<Date> = day
        .map(|day| day.parse())
        .transpose()
        .map_err(|_| Problem::unreadable("`day` is a day, as 2026-11-02"))?;
    let day = day.map(|day| day.to_string());
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let limit = if day.is_some() { i64::MAX } else { SHOWN };
            let found = summaries::list(tx, day.as_deref(), limit)?;
            let rows: Vec<Row> = found.into_iter().map(Row::from).collect();
            let more = i64::try_from(rows.len()).is_ok_and(|count| count == SHOWN);
            let chrome = Chrome::new(tx, &shared, "journal")?;
            Ok(Entries { chrome, day: day.unwrap_or_default(), rows, more })
        })
        .await?;
    Ok(page(StatusCode::OK, &shown)?)
}

pub async fn show(
    State(state): Shared,
    Path((number, summary)): Path<(i64, String)>,
) -> Result<Response, PageProblem> {
    let shared = state.clone();
    if summary.contains("/summary/") && summary.contains("/goods/") {
        let shown = state.read(move |tx| transfer(tx, &shared, &summary, number)).await?;
        let shown = shown.ok_or_else(|| Problem::not_found("this transfer"))?;
        return Ok(page(StatusCode::OK, &shown)?);
    }
    let shown = state.read(move |tx| entry(tx, &shared, &summary, number)).await?;
    let shown = shown.ok_or_else(|| Problem::not_found("this entry"))?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn transfer(
    tx: &mut Tx<'_>,
    state: &ServerState,
    summary: &str,
    number: i64,
) -> Result<Option<OneTransfer>, StoreError> {
    let found = summaries::of_root(tx, summary)?;
    let Some(found) = found.into_iter().find(|one| one.number == number && one.is_of_goods())
    else {
        return Ok(None);
    };
    let (connection, _) = summary.split_once("/summary/").unwrap_or((summary, ""));
    let rows = summaries::moved_by(tx, summary, number)?;
    let units = rows.into_iter().map(|row| {
        let quantity = row.units.quantity;
        let shown = format::count(if row.reversal { quantity.saturating_neg() } else { quantity });
        let left = row.units.way == Way::Out;
        UnitsRow {
            href: format::root_page(&sale(connection, &row.order)),
            number: row.number,
            by: row.units.by,
            name: row.units.name,
            out: if left { shown.clone() } else { String::new() },
            back: if left { String::new() } else { shown },
        }
    });
    Ok(Some(OneTransfer {
        chrome: Chrome::new(tx, state, "journal")?,
        all: format::root_page(summary),
        units: units.collect(),
        row: Row::from(found),
    }))
}

fn entry(
    tx: &mut Tx<'_>,
    state: &ServerState,
    summary: &str,
    number: i64,
) -> Result<Option<OneEntry>, StoreError> {
    let found = summaries::of_root(tx, summary)?;
    let Some(found) = found.into_iter().find(|entry| entry.number == number) else {
        return Ok(None);
    };
    let rows = summaries::rows(tx, summary, number)?;
    let currency = summary.rsplit('/').next().unwrap_or_default().to_owned();
    let (accounts, orders) = pivot(&rows);
    let sums: Vec<i64> = (0..accounts.len())
        .map(|place| orders.values().filter_map(|order| order.amounts.get(&place)).sum())
        .collect();
    let chrome = Chrome::new(tx, state, "journal")?;
    let cell = |amount: Option<&i64>| {
        amount.map(|amount| format::amount(*amount, &currency)).unwrap_or_default()
    };
    Ok(Some(OneEntry {
        chrome,
        all: format::root_page(summary),
        balanced: sums.iter().sum::<i64>() == 0,
        orders: orders
            .iter()
            .map(|(id, order)| OrderRow {
                href: format::root_page(id),
                number: order.number.clone(),
                cells: (0..accounts.len()).map(|place| cell(order.amounts.get(&place))).collect(),
            })
            .collect(),
        accounts: accounts
            .into_iter()
            .zip(&sums)
            .map(|((role, qualifier), sum)| Account {
                role: format::words(role),
                qualifier: qualifier.to_owned(),
                sum: cell(Some(sum)),
            })
            .collect(),
        currency,
        row: Row::from(found),
    }))
}

fn sale(connection: &str, id: &str) -> String {
    let root = Root { kind: RootKind::Sale, external_id: id.to_owned() };
    documents::root_id(connection, &root)
}

/// What an order has in an entry.
#[derive(Default)]
struct Share {
    number: String,
    /// Minor units by the account's place, debit positive.
    amounts: BTreeMap<usize, i64>,
}

/// The accounts of an entry in the order in which they occur, by role and qualifier; and what each
/// order or row of a ledger has on them, by its root.
fn pivot(rows: &[SummedRow]) -> (Vec<(&str, &str)>, BTreeMap<&str, Share>) {
    let mut accounts: Vec<(&str, &str)> = Vec::new();
    let mut orders: BTreeMap<&str, Share> = BTreeMap::new();
    for row in rows {
        let order = orders.entry(row.root.as_str()).or_default();
        order.number.clone_from(&row.number);
        for line in &row.entry.lines {
            let account = (line.role.word(), line.qualifier.as_deref().unwrap_or_default());
            let place = accounts.iter().position(|known| *known == account).unwrap_or_else(|| {
                accounts.push(account);
                accounts.len() - 1
            });
            let amount = line.amount.minor();
            let amount = if row.reversal { amount.saturating_neg() } else { amount };
            let sum = order.amounts.entry(place).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    (accounts, orders)
}
