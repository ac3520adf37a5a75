//! The first page: do the four sides agree, what is open, and does everything still come in.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use trueup_hub::report::{self, Absorbed, Accepted, OpenCase, Report, Row, Tally};
use trueup_store::facts::{self, SideTotal};
use trueup_store::scopes::{self, Alike};
use trueup_store::{StoreError, Tx, cases, commands, messages};

use super::period::Period;
use super::{
    Chrome, LINKS, PageProblem, STATUSES, Shared, bridges, connections, page, sides, status_label,
};
use crate::format;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    chrome: Chrome,
    from: String,
    to: String,
    pulse: Pulse,
    cards: Vec<Card>,
    bridges: Vec<bridges::Bridge>,
    days: Vec<Day>,
    open: Vec<OpenKind>,
    /// What people took as it is: how many cases, and their money.
    accepted: Option<(usize, String)>,
    absorbed: Vec<AbsorbedKind>,
    connections: Vec<connections::Card>,
}

/// Are messages and commands flowing, and what waits.
struct Pulse {
    /// flowing, delayed, stopped
    word: &'static str,
    why: String,
}

/// One entity in one currency.
struct Card {
    entity: String,
    currency: String,
    orders: String,
    total: String,
    /// The share of orders that are proven, such as `97.4 %`.
    proven: String,
    sentence: String,
    sides: Vec<sides::Row>,
    links: Vec<LinkRow>,
}

struct LinkRow {
    name: &'static str,
    ties: &'static str,
    all: bool,
    bar: Vec<Segment>,
    bar_text: String,
    cells: Vec<StatusCell>,
}

/// A part of a stacked bar: from `x`, `width` wide, both in percent with one decimal.
struct Segment {
    class: &'static str,
    x: String,
    width: String,
}

struct StatusCell {
    class: &'static str,
    orders: i64,
    amount: String,
    href: String,
}

struct Day {
    day: String,
    entity: String,
    currency: String,
    orders: i64,
    orders_href: String,
    total: String,
    cells: Vec<StatusCell>,
    links: Vec<DayLink>,
}

/// One link of one day: a small bar that opens what is worst in it.
struct DayLink {
    name: &'static str,
    bar: Vec<Segment>,
    text: String,
}

struct OpenKind {
    kind: String,
    title: String,
    count: usize,
    money: String,
    oldest: i64,
}

struct AbsorbedKind {
    title: String,
    things: i64,
    times: i64,
    example: String,
}

pub async fn show(
    State(state): Shared,
    Query(period): Query<Period>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let overview = state
        .read(move |tx| {
            let (from, to) = match period.days(tx, now)? {
                Ok(days) => days,
                Err(problem) => return Ok(Err(problem)),
            };
            let report = report::build(tx, from, to, now)?;
            Ok(Ok(overview(tx, &shared, &report, now)?))
        })
        .await??;
    Ok(page(StatusCode::OK, &overview)?)
}

fn overview(
    tx: &mut Tx<'_>,
    state: &ServerState,
    report: &Report,
    now: Timestamp,
) -> Result<Overview, StoreError> {
    let connections = connections::cards(tx, state, now)?;
    let totals = facts::side_totals(tx, &report.from, &report.to)?;
    let scopes = scopes::alike(tx, &report.from, &report.to)?;
    let cards = report.totals.iter().map(|row| card(row, report, &totals, &scopes)).collect();
    Ok(Overview {
        chrome: Chrome::new(tx, state, "overview")?,
        pulse: pulse(tx, &connections, now)?,
        bridges: bridges::all(tx, &state.hub)?,
        cards,
        days: report.days.iter().rev().map(day).collect(),
        open: open_kinds(&report.open),
        accepted: accepted(&report.accepted),
        absorbed: absorbed_kinds(tx, &report.absorbed)?,
        connections,
        from: report.from.clone(),
        to: report.to.clone(),
    })
}

fn pulse(
    tx: &mut Tx<'_>,
    connections: &[connections::Card],
    now: Timestamp,
) -> Result<Pulse, StoreError> {
    const DELAYED_FROM_S: i64 = 300;
    let waited = messages::oldest_due(tx)?.map_or(0, |since| now.duration_since(since).as_secs());
    let mut unknown = 0;
    let mut ready = 0;
    for (_, _, state, count) in commands::counts(tx)? {
        match state.as_str() {
            "unknown" => unknown += count,
            "ready" | "sent" => ready += count,
            _ => {}
        }
    }
    let stopped: Vec<&str> = connections
        .iter()
        .filter(|one| one.suspended.is_some() || one.held.is_some())
        .map(|one| &*one.name)
        .collect();
    let waiting =
        format!("{} to send, {} of unknown outcome", format::count(ready), format::count(unknown));
    Ok(if !stopped.is_empty() {
        Pulse {
            word: "stopped",
            why: format!("{} waits for a person; {waiting}", stopped.join(", ")),
        }
    } else if waited > DELAYED_FROM_S {
        let age = format::age(now - jiff::SignedDuration::from_secs(waited), now);
        Pulse { word: "delayed", why: format!("the oldest message has waited {age}; {waiting}") }
    } else {
        Pulse { word: "flowing", why: waiting }
    })
}

fn card(row: &Row, report: &Report, totals: &[SideTotal], scopes: &[Alike]) -> Card {
    let place = sides::Place { entity: &row.entity, currency: &row.currency };
    let tally = |status: &str| row.overall.get(status).copied().unwrap_or_default();
    let proven = tally("proven").orders + tally("not_applicable").orders;
    let (not_due, broken) = (tally("not_due").orders, tally("broken").orders);
    let sentence = match (not_due, broken) {
        (0, 0) => "Every order is proven on all four sides.".to_owned(),
        (_, 0) => format!("{} not due yet; nothing is broken.", orders(not_due)),
        (0, _) => format!("{} broken: each has a case.", orders(broken)),
        _ => format!("{} not due yet, {} broken.", orders(not_due), format::count(broken)),
    };
    let mut links: Vec<LinkRow> = LINKS
        .iter()
        .map(|&(word, name, ties)| {
            let by_status = row.links.get(word).cloned().unwrap_or_default();
            link_row(row, report, Some(word), name, ties, &by_status)
        })
        .collect();
    links.push(link_row(row, report, None, "All four", "the whole proof", &row.overall));
    Card {
        entity: row.entity.clone(),
        currency: row.currency.clone(),
        orders: orders(row.orders),
        total: format::amount(row.minor, &row.currency),
        proven: share(proven, row.orders),
        sentence,
        sides: sides::rows(&place, totals, scopes),
        links,
    }
}

fn orders(count: i64) -> String {
    format!("{} order{}", format::count(count), if count == 1 { "" } else { "s" })
}

fn link_row(
    row: &Row,
    report: &Report,
    link: Option<&'static str>,
    name: &'static str,
    ties: &'static str,
    by_status: &BTreeMap<&'static str, Tally>,
) -> LinkRow {
    let place = Place {
        from: &report.from,
        to: &report.to,
        entity: &row.entity,
        currency: &row.currency,
        link,
    };
    LinkRow {
        name,
        ties,
        all: link.is_none(),
        bar: bar(by_status, row.orders),
        bar_text: bar_text(by_status),
        cells: status_cells(by_status, &place),
    }
}

struct Place<'a> {
    from: &'a str,
    to: &'a str,
    entity: &'a str,
    currency: &'a str,
    link: Option<&'a str>,
}

impl Place<'_> {
    fn href(&self, status: Option<&str>) -> String {
        let mut href = format!(
            "/orders?from={}&to={}&entity={}&currency={}",
            self.from,
            self.to,
            format::in_query(self.entity),
            format::in_query(self.currency)
        );
        if let Some(status) = status {
            href.push_str("&status=");
            href.push_str(status);
        }
        if let Some(link) = self.link {
            href.push_str("&link=");
            href.push_str(link);
        }
        href
    }
}

fn status_cells(by_status: &BTreeMap<&'static str, Tally>, place: &Place<'_>) -> Vec<StatusCell> {
    STATUSES
        .iter()
        .map(|&status| {
            let tally = by_status.get(status).copied().unwrap_or_default();
            StatusCell {
                class: status,
                orders: tally.orders,
                amount: format::amount(tally.minor, place.currency),
                href: place.href(Some(status)),
            }
        })
        .collect()
}

fn bar(by_status: &BTreeMap<&'static str, Tally>, all: i64) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut before = 0;
    for status in STATUSES {
        let orders = by_status.get(status).map_or(0, |tally| tally.orders);
        if orders == 0 {
            continue;
        }
        let x = before * 1_000 / all.max(1);
        before += orders;
        // One broken order in ten thousand must still be seen.
        let width = (before * 1_000 / all.max(1) - x).max(8);
        segments.push(Segment { class: status, x: permille(x.min(992)), width: permille(width) });
    }
    segments
}

fn bar_text(by_status: &BTreeMap<&'static str, Tally>) -> String {
    let parts = STATUSES.iter().filter_map(|&status| {
        let orders = by_status.get(status)?.orders;
        (orders > 0).then(|| format!("{orders} {}", status_label(status)))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn permille(value: i64) -> String {
    format!("{}.{}%", value / 10, value % 10)
}

/// A share that says 100 % only when nothing is left.
fn share(part: i64, all: i64) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    let value = part * 1_000 / all;
    format!("{}.{} %", value / 10, value % 10)
}

fn day(row: &Row) -> Day {
    let date = row.day.clone().unwrap_or_default();
    let place =
        Place { from: &date, to: &date, entity: &row.entity, currency: &row.currency, link: None };
    let links = LINKS
        .iter()
        .map(|&(word, name, _)| {
            let by_status = row.links.get(word).cloned().unwrap_or_default();
            DayLink { name, bar: bar(&by_status, row.orders), text: bar_text(&by_status) }
        })
        .collect();
    Day {
        entity: row.entity.clone(),
        currency: row.currency.clone(),
        orders: row.orders,
        orders_href: place.href(None),
        total: format::amount(row.minor, &row.currency),
        cells: status_cells(&row.overall, &place),
        links,
        day: date,
    }
}

fn accepted(accepted: &[Accepted]) -> Option<(usize, String)> {
    let mut money: BTreeMap<String, i64> = BTreeMap::new();
    for amount in accepted.iter().filter_map(|one| one.amount).filter(|it| !it.is_zero()) {
        let sum = money.entry(amount.currency().code().to_owned()).or_default();
        *sum = sum.saturating_add(amount.minor().saturating_abs());
    }
    (!accepted.is_empty()).then(|| (accepted.len(), sums(&money)))
}

/// Amounts of several currencies, which do not add.
fn sums(money: &BTreeMap<String, i64>) -> String {
    let shown: Vec<String> =
        money.iter().map(|(code, minor)| format::money(*minor, code)).collect();
    shown.join(" + ")
}

fn open_kinds(open: &[OpenCase]) -> Vec<OpenKind> {
    let mut kinds: BTreeMap<&str, (usize, BTreeMap<String, i64>, i64)> = BTreeMap::new();
    for case in open {
        let (count, money, oldest) = kinds.entry(&case.kind).or_default();
        *count += 1;
        *oldest = (*oldest).max(case.age_days);
        if let Some(amount) = case.amount.filter(|amount| !amount.is_zero()) {
            let sum = money.entry(amount.currency().code().to_owned()).or_default();
            *sum = sum.saturating_add(amount.minor().saturating_abs());
        }
    }
    kinds
        .into_iter()
        .map(|(kind, (count, money, oldest))| OpenKind {
            title: format::title(kind),
            kind: kind.to_owned(),
            count,
            money: sums(&money),
            oldest,
        })
        .collect()
}

fn absorbed_kinds(tx: &mut Tx<'_>, absorbed: &[Absorbed]) -> Result<Vec<AbsorbedKind>, StoreError> {
    let kinds = cases::absorbed_kinds(tx)?;
    Ok(kinds
        .into_iter()
        .map(|one| AbsorbedKind {
            title: format::title(&one.kind),
            things: one.things,
            times: one.times,
            example: absorbed
                .iter()
                .find(|known| known.kind == one.kind)
                .map(|known| known.detail.clone())
                .unwrap_or_default(),
        })
        .collect())
}
