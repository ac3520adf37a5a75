//! The sales report: the figures of a period, the rows they divide into, the documents behind each,
//! and the bridges to what the channels state.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;
use trueup_domain::money::Currency;
use trueup_domain::sales::calendar::Periods;
use trueup_domain::sales::figures::{Cell, Column, Figures};
use trueup_hub::sales::{self as report, Dimension, Line, Report};
use trueup_store::sales::{After, Basis};
use trueup_store::{StoreError, Tx};

use super::period::Period;
use super::{Chrome, PageProblem, Shared, bridges, page};
use crate::format;
use crate::problem::Problem;
use crate::state::ServerState;

const PAGE: i64 = 100;
const ROWS_MAX: usize = 1_000;

/// What the address of the page, and of the API, asks.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wanted {
    pub from: Option<String>,
    pub to: Option<String>,
    pub by: Option<String>,
    pub calendar: Option<String>,
    /// `refund` or `order`: on which day a refund counts.
    pub date: Option<String>,
    pub channel: Option<String>,
    pub entity: Option<String>,
    pub currency: Option<String>,
    pub source: Option<String>,
    pub sku: Option<String>,
    /// Of the documents: those that count nowhere.
    pub excluded: Option<String>,
    /// Where the page of documents before ended.
    pub after: Option<String>,
}

fn text(field: &Option<String>) -> Option<String> {
    field.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Wanted {
    pub fn read(
        &self,
        tx: &mut Tx<'_>,
        now: jiff::Timestamp,
    ) -> Result<Result<report::Wanted, Problem>, StoreError> {
        let period = Period { from: self.from.clone(), to: self.to.clone() };
        let days = period.days(tx, now)?;
        Ok(days.and_then(|(from, to)| self.within(from, to)))
    }

    fn within(&self, from: Date, to: Date) -> Result<report::Wanted, Problem> {
        let by = text(&self.by).unwrap_or_else(|| "channel".to_owned());
        let by: Vec<Dimension> =
            by.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>().map_err(
                |error: report::UnknownDimension| Problem::unreadable(error.to_string()),
            )?;
        let periods = match text(&self.calendar) {
            None => Periods::Month,
            Some(word) => {
                word.parse().map_err(|error: trueup_domain::sales::calendar::UnknownCalendar| {
                    Problem::unreadable(error.to_string())
                })?
            }
        };
        let basis = match text(&self.date).as_deref() {
            None | Some("refund") => Basis::Refund,
            Some("order") => Basis::Order,
            Some(_) => {
                return Err(Problem::unreadable("a refund counts by `refund` or by `order`"));
            }
        };
        Ok(report::Wanted {
            periods,
            basis,
            channel: text(&self.channel),
            entity: text(&self.entity),
            currency: text(&self.currency),
            source: text(&self.source),
            // Goods without a SKU are asked for by an empty one.
            sku: self.sku.clone(),
            ..report::Wanted::new(from, to, by)
        })
    }

    /// A page of the documents that are asked for, and where the next begins.
    pub fn documents(
        &self,
        tx: &mut Tx<'_>,
        wanted: &report::Wanted,
        limit: i64,
    ) -> Result<(Vec<report::Behind>, Option<After>), StoreError> {
        report::documents(tx, wanted, self.is_of_excluded(), self.after().as_ref(), limit)
    }

    fn is_of_excluded(&self) -> bool {
        text(&self.excluded).is_some()
    }

    fn after(&self) -> Option<After> {
        let after = text(&self.after)?;
        let mut parts = after.splitn(3, '~').map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    }
}

/// The address of the documents behind some figures.
fn behind(wanted: &report::Wanted, days: (Date, Date), more: &[(&str, &str)]) -> String {
    let mut fields = vec![("from", days.0.to_string()), ("to", days.1.to_string())];
    if wanted.basis == Basis::Order {
        fields.push(("date", "order".to_owned()));
    }
    let own = [
        ("channel", &wanted.channel),
        ("entity", &wanted.entity),
        ("currency", &wanted.currency),
        ("source", &wanted.source),
        ("sku", &wanted.sku),
    ];
    for (name, value) in own {
        if let Some(value) = value.as_ref().filter(|_| more.iter().all(|(it, _)| *it != name)) {
            fields.push((name, value.clone()));
        }
    }
    fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", format::in_query(value)));
    format!("/reports/sales/documents?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[derive(Template)]
#[template(path = "sales.html")]
struct Sales {
    chrome: Chrome,
    from: String,
    to: String,
    basis: &'static str,
    by: Vec<Choice>,
    calendars: Vec<Choice>,
    dates: Vec<Choice>,
    channels: Vec<Choice>,
    /// How far each channel is complete, and where its days end.
    complete: Vec<String>,
    head: Vec<&'static str>,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    more_rows: usize,
    totals: Vec<Total>,
    excluded: Vec<Excluded>,
    excluded_href: String,
    without_order: i64,
    bridges: Vec<bridges::Bridge>,
}

struct Choice {
    word: String,
    label: String,
    chosen: bool,
}

struct Row {
    href: String,
    words: Vec<String>,
    currency: &'static str,
    cells: Vec<String>,
}

struct Total {
    currency: &'static str,
    href: String,
    figures: Vec<(&'static str, String, bool)>,
}

struct Excluded {
    reason: String,
    documents: i64,
    stated: String,
}

/// The columns of the rows; the totals have every figure.
const COLUMNS: [Column; 9] = [
    Column::GrossSales,
    Column::Discounts,
    Column::Returns,
    Column::NetSales,
    Column::Shipping,
    Column::Tax,
    Column::TotalSales,
    Column::Orders,
    Column::Units,
];

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
            let built = report::build(tx, &shared.hub, &wanted, now)?;
            Ok(Ok(sales(Chrome::new(tx, &shared, "reports")?, &shared, built)))
        })
        .await??;
    Ok(page(StatusCode::OK, &shown)?)
}

fn sales(chrome: Chrome, state: &ServerState, report: Report) -> Sales {
    let wanted = &report.wanted;
    let by_words = wanted.by.iter().map(|by| by.word()).collect::<Vec<_>>().join(",");
    let columns: Vec<Column> =
        COLUMNS.into_iter().filter(|column| wanted.columns().contains(column)).collect();
    let head = wanted.by.iter().filter(|by| **by != Dimension::Currency).map(|by| by.word());
    let choice = |word: &str, chosen: bool| Choice {
        label: format::words(word),
        word: word.to_owned(),
        chosen,
    };
    let mut by: Vec<Choice> = Dimension::ALL
        .iter()
        .filter(|by| **by != Dimension::Currency)
        .map(|by| choice(by.word(), by.word() == by_words))
        .collect();
    if by.iter().all(|choice| !choice.chosen) {
        by.push(choice(&by_words, true));
    }
    let dates = [
        ("refund", "on their own day", wanted.basis == Basis::Refund),
        ("order", "on their order's day", wanted.basis == Basis::Order),
    ];
    let channels = state.hub.setup.connections.values().map(|it| it.name.as_str());
    let selling = report.channels.iter().map(|it| it.channel.as_str());
    let mut names: Vec<&str> = match &wanted.channel {
        None => selling.collect(),
        Some(_) => channels.collect(),
    };
    names.sort_unstable();
    Sales {
        chrome,
        from: wanted.from.to_string(),
        to: wanted.to.to_string(),
        basis: report.basis_text(),
        by,
        calendars: Periods::ALL.iter().map(|it| choice(it.word(), *it == wanted.periods)).collect(),
        dates: dates
            .into_iter()
            .map(|(word, label, chosen)| Choice {
                word: word.to_owned(),
                label: label.to_owned(),
                chosen,
            })
            .collect(),
        channels: names
            .into_iter()
            .map(|name| Choice {
                word: name.to_owned(),
                label: name.to_owned(),
                chosen: wanted.channel.as_deref() == Some(name),
            })
            .collect(),
        complete: report
            .channels
            .iter()
            .map(|channel| {
                let to = channel.complete_to.map_or_else(
                    || "not known to be complete".to_owned(),
                    |to| format!("complete to {}", format::time(to)),
                );
                format!("{}: days end at midnight in {}, {to}", channel.channel, channel.time_zone)
            })
            .collect(),
        head: head.collect(),
        columns: columns.iter().map(|column| column.label()).collect(),
        rows: report.rows.iter().take(ROWS_MAX).map(|line| row(wanted, line, &columns)).collect(),
        more_rows: report.rows.len().saturating_sub(ROWS_MAX),
        totals: report.totals.iter().map(|line| total(wanted, line)).collect(),
        excluded: report
            .excluded
            .iter()
            .map(|one| Excluded {
                reason: format::title(&one.reason),
                documents: one.documents,
                stated: format::money(one.stated.minor(), one.stated.currency().code()),
            })
            .collect(),
        without_order: report.without_order,
        excluded_href: behind(wanted, (wanted.from, wanted.to), &[("excluded", "1")]),
        bridges: bridges::shown(report.bridges.clone()),
    }
}

fn row(wanted: &report::Wanted, line: &Line, columns: &[Column]) -> Row {
    let mut more = vec![("currency", line.currency.code())];
    let mut words = Vec::new();
    for (by, word) in wanted.by.iter().zip(&line.words) {
        let name = match by {
            Dimension::Currency => continue,
            Dimension::Channel | Dimension::Entity | Dimension::Source | Dimension::Sku => {
                by.word()
            }
            Dimension::Day | Dimension::Week | Dimension::Month | Dimension::Period => "",
        };
        if !name.is_empty() {
            more.push((name, word));
        }
        words.push(if word.is_empty() { "none".to_owned() } else { word.clone() });
    }
    let days = line.days.unwrap_or((wanted.from, wanted.to));
    Row {
        href: behind(wanted, days, &more),
        words,
        currency: line.currency.code(),
        cells: columns.iter().map(|it| shown(*it, &line.figures, line.currency)).collect(),
    }
}

fn total(wanted: &report::Wanted, line: &Line) -> Total {
    let sums = [Column::NetSales, Column::TotalSales];
    let figures = wanted.columns().into_iter().map(|column| {
        let value = shown(column, &line.figures, line.currency);
        (column.label(), value, sums.contains(&column))
    });
    Total {
        currency: line.currency.code(),
        href: behind(wanted, (wanted.from, wanted.to), &[("currency", line.currency.code())]),
        figures: figures.collect(),
    }
}

/// A figure as pages write it.
fn shown(column: Column, figures: &Figures, currency: Currency) -> String {
    match column.of(figures, currency) {
        None => "–".to_owned(),
        Some(Cell::Money(money)) => format::amount(money.minor(), currency.code()),
        Some(Cell::Count(count)) => format::count(count),
        Some(Cell::Ratio(rate)) => rate.to_string(),
        Some(Cell::Percent(rate)) => format!("{rate} %"),
    }
}

#[derive(Template)]
#[template(path = "sales_documents.html")]
struct Documents {
    chrome: Chrome,
    from: String,
    to: String,
    /// What narrows the list, such as `channel shop-us`.
    narrowed: Vec<String>,
    excluded: bool,
    columns: Vec<&'static str>,
    rows: Vec<DocumentRow>,
    next: Option<String>,
}

struct DocumentRow {
    href: String,
    number: String,
    document: String,
    day: String,
    order_day: String,
    reason: String,
    currency: &'static str,
    cells: Vec<String>,
    stated: String,
}

const OF_DOCUMENTS: [Column; 6] = [
    Column::GrossSales,
    Column::Discounts,
    Column::Returns,
    Column::Shipping,
    Column::Tax,
    Column::TotalSales,
];

pub async fn documents(
    State(state): Shared,
    Query(asked): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let wanted = match asked.read(tx, now)? {
                Ok(wanted) => wanted,
                Err(problem) => return Ok(Err(problem)),
            };
            let (found, next) = asked.documents(tx, &wanted, PAGE)?;
            let chrome = Chrome::new(tx, &shared, "reports")?;
            Ok(Ok(behind_page(chrome, &wanted, asked.is_of_excluded(), found, next)))
        })
        .await??;
    Ok(page(StatusCode::OK, &shown)?)
}

fn behind_page(
    chrome: Chrome,
    wanted: &report::Wanted,
    excluded: bool,
    found: Vec<report::Behind>,
    next: Option<After>,
) -> Documents {
    let days = (wanted.from, wanted.to);
    let next = next.map(|(day, root, document)| {
        let after = format!("{day}~{root}~{document}");
        let mut more = vec![("after", after.as_str())];
        if excluded {
            more.push(("excluded", "1"));
        }
        behind(wanted, days, &more)
    });
    let own = [
        ("channel", &wanted.channel),
        ("entity", &wanted.entity),
        ("source", &wanted.source),
        ("SKU", &wanted.sku),
    ];
    let narrowed = own.iter().filter_map(|(name, value)| {
        let value = value.as_deref()?;
        Some(format!("{name} {}", if value.is_empty() { "none" } else { value }))
    });
    Documents {
        chrome,
        from: wanted.from.to_string(),
        to: wanted.to.to_string(),
        narrowed: narrowed.collect(),
        excluded,
        columns: OF_DOCUMENTS.iter().map(|column| column.label()).collect(),
        rows: found
            .into_iter()
            .map(|one| DocumentRow {
                href: format::root_page(&one.root),
                stated: format::amount(one.stated().minor(), one.currency.code()),
                cells: OF_DOCUMENTS
                    .iter()
                    .map(|column| shown(*column, &one.figures, one.currency))
                    .collect(),
                document: format!("{} {}", one.kind, one.id),
                reason: format::words(&one.excluded),
                currency: one.currency.code(),
                number: one.number,
                day: one.day,
                order_day: one.order_day,
            })
            .collect(),
        next,
    }
}
