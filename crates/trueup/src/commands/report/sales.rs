//! `trueup report sales`.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use trueup_domain::money::Currency;
use trueup_domain::sales::figures::{Cell, Column, Figures};
use trueup_hub::Hub;
use trueup_hub::sales::{self, Behind, Dimension, Listed, Report, Wanted};
use trueup_store::sales::Basis;

use super::{Common, json};
use crate::demo::show;
use crate::print;
use crate::sheet::{Holds, Sheet, Value};
use crate::wiring;

/// So many documents are read at once.
const PAGE: i64 = 500;

/// Report gross sales, discounts, returns, net sales and what follows from them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup report sales --by channel,day
  trueup report sales --by sku --from 2026-05-01 --to 2026-05-31 --format csv
  trueup report sales --by period --calendar 4-5-4 --date order
  trueup report sales --documents --channel shop-us
  trueup report sales --excluded")]
pub struct SalesArgs {
    /// What the rows are: channel, entity, currency, source, sku, day, week, month, period.
    #[arg(long, value_delimiter = ',', value_name = "DIMENSIONS", default_value = "channel")]
    by: Vec<Dimension>,
    /// On which day a refund counts.
    #[arg(long, value_enum, default_value = "refund")]
    date: DateBasis,
    /// This currency alone.
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    /// This source inside the channel alone, in the channel's own word.
    #[arg(long, value_name = "WORD")]
    source: Option<String>,
    /// This SKU alone.
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// List the documents behind the figures instead.
    #[arg(long, conflicts_with = "excluded")]
    documents: bool,
    /// List the documents that count nowhere instead, with the reason.
    #[arg(long)]
    excluded: bool,
    #[command(flatten)]
    common: Common,
}

impl SalesArgs {
    /// What is asked where nothing is said but the rows.
    pub(super) fn plain(by: Vec<Dimension>, common: Common) -> Self {
        let date = DateBasis::Refund;
        let (currency, source, sku) = (None, None, None);
        Self { by, date, currency, source, sku, documents: false, excluded: false, common }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DateBasis {
    /// On its own day.
    Refund,
    /// On the day of its order.
    Order,
}

pub fn run(hub: &Hub, args: &SalesArgs) -> Result<ExitCode> {
    let (from, to) = args.common.days(hub)?;
    let wanted = Wanted {
        periods: args.common.calendar,
        basis: match args.date {
            DateBasis::Refund => Basis::Refund,
            DateBasis::Order => Basis::Order,
        },
        channel: args.common.channel.clone(),
        entity: args.common.entity.clone(),
        currency: args.currency.map(|currency| currency.code().to_owned()),
        source: args.source.clone(),
        sku: args.sku.clone(),
        ..Wanted::new(from, to, args.by.clone())
    };
    let columns = wanted.columns();
    if args.documents || args.excluded {
        let behind = behind(hub, &wanted, args.excluded)?;
        let listed: Vec<Listed<'_>> = behind.iter().map(|it| Listed::of(it, &columns)).collect();
        return args.common.written.write(
            || documents_table(&behind, args.excluded),
            || json(&listed),
            || documents_sheet(&behind, &columns),
        );
    }
    let report = hub.store.read(|tx| sales::build(tx, hub, &wanted, wiring::now()))?;
    args.common.written.write(|| table(&report), || json(&report), || sheet(&report, &columns))
}

fn behind(hub: &Hub, wanted: &Wanted, excluded: bool) -> Result<Vec<Behind>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (page, next) =
            hub.store.read(|tx| sales::documents(tx, wanted, excluded, after.as_ref(), PAGE))?;
        all.extend(page);
        if next.is_none() {
            return Ok(all);
        }
        after = next;
    }
}

/// The figures that fit beside each other on a terminal; the totals show all of them.
const BESIDE: [Column; 8] = [
    Column::GrossSales,
    Column::Discounts,
    Column::Returns,
    Column::NetSales,
    Column::Tax,
    Column::TotalSales,
    Column::Orders,
    Column::Units,
];

fn table(report: &Report) -> String {
    let wanted = &report.wanted;
    let mut text = format!("Sales {} to {}: {}\n", wanted.from, wanted.to, report.basis_text());
    for channel in &report.channels {
        let to = channel.complete_to.map_or_else(
            || "not known to be complete".to_owned(),
            |to| format!("complete to {}", print::moment(&to.to_string())),
        );
        let name = print::plain(&channel.channel);
        text.push_str(&format!("  {name}: days end at midnight in {}, {to}\n", channel.time_zone));
    }
    text.push('\n');
    let columns: Vec<Column> =
        BESIDE.into_iter().filter(|column| wanted.columns().contains(column)).collect();
    let by: Vec<Dimension> =
        wanted.by.iter().copied().filter(|by| *by != Dimension::Currency).collect();
    let mut table = print::table::<0>([]);
    let head = by.iter().map(|by| by.word()).chain(["currency"]);
    table.set_header(head.chain(columns.iter().map(|column| column.label())));
    for line in &report.rows {
        let words = wanted.by.iter().zip(&line.words);
        let words = words.filter(|(by, _)| **by != Dimension::Currency);
        let mut cells: Vec<String> = words.map(|(_, word)| print::short(word)).collect();
        cells.push(line.currency.code().to_owned());
        cells.extend(columns.iter().map(|it| shown(*it, &line.figures, line.currency)));
        table.add_row(cells);
    }
    print::right(&mut table, by.len() + 1..by.len() + 1 + columns.len());
    text.push_str(&print::lines(&table));
    if report.rows.is_empty() {
        text.push_str("nothing was sold in these days\n");
    }
    for total in &report.totals {
        text.push_str(&format!("\nIn all, {}\n", total.currency));
        for column in wanted.columns() {
            let value = shown(column, &total.figures, total.currency);
            text.push_str(&format!("  {:<34}{value:>16}\n", column.label()));
        }
    }
    text.push_str("\nNot counted\n");
    for one in &report.excluded {
        let reason = print::word(&one.reason);
        let stated = print::money(one.stated.minor(), one.stated.currency().code());
        text.push_str(&format!("  {reason}: {} documents, {stated}\n", one.documents));
    }
    if report.without_order > 0 {
        let count = report.without_order;
        text.push_str(&format!("  waits for its order: {count} sales (in all days)\n"));
    }
    if report.excluded.is_empty() && report.without_order == 0 {
        text.push_str("  nothing\n");
    }
    text.push('\n');
    text.push_str(&show::bridges(&report.bridges));
    text
}

fn shown(column: Column, figures: &Figures, currency: Currency) -> String {
    match column.of(figures, currency) {
        None => "–".to_owned(),
        Some(Cell::Money(money)) => print::amount(money.minor(), currency.code()),
        Some(Cell::Count(count)) => count.to_string(),
        Some(Cell::Ratio(rate)) => rate.to_string(),
        Some(Cell::Percent(rate)) => format!("{rate} %"),
    }
}

/// The digits after the point that every amount of a sheet fits into.
fn scale(currencies: impl Iterator<Item = Currency>) -> u32 {
    currencies.map(Currency::exponent).max().unwrap_or(2)
}

fn add_columns(sheet: &mut Sheet, columns: &[Column], scale: u32) {
    for column in columns {
        let holds = match column {
            Column::Orders | Column::Units | Column::UnitsReturned => Holds::Number { scale: 0 },
            Column::UnitsPerOrder
            | Column::DiscountRate
            | Column::ReturnRateUnits
            | Column::ReturnRateValue => Holds::Number { scale: 2 },
            _ => Holds::Number { scale },
        };
        sheet.column(column.word(), holds);
    }
}

fn values<'a>(
    columns: &'a [Column],
    figures: &'a Figures,
    currency: Currency,
) -> impl Iterator<Item = Value> + 'a {
    columns.iter().map(move |column| match column.of(figures, currency) {
        None => Value::Nothing,
        Some(Cell::Money(money)) => money.into(),
        Some(Cell::Count(count)) => count.into(),
        Some(Cell::Ratio(rate) | Cell::Percent(rate)) => Value::Number(rate),
    })
}

/// The rows without their totals: who reads a file sums it himself.
fn sheet(report: &Report, columns: &[Column]) -> Sheet {
    let mut sheet = Sheet::new("sales");
    let by = &report.wanted.by;
    for one in by.iter().filter(|by| **by != Dimension::Currency) {
        sheet.column(one.word(), Holds::Text);
    }
    sheet.column("currency", Holds::Text);
    add_columns(&mut sheet, columns, scale(report.rows.iter().map(|line| line.currency)));
    for line in &report.rows {
        let words = by.iter().zip(&line.words).filter(|(by, _)| **by != Dimension::Currency);
        let mut row: Vec<Value> = words.map(|(_, word)| word.as_str().into()).collect();
        row.push(line.currency.code().into());
        row.extend(values(columns, &line.figures, line.currency));
        sheet.rows.push(row);
    }
    sheet
}

fn documents_table(behind: &[Behind], excluded: bool) -> String {
    let mut table = print::table([
        "Day",
        "Order",
        "Document",
        "Currency",
        "Gross sales",
        "Discounts",
        "Returns",
        "Tax",
        "Total sales",
        "Stated",
    ]);
    if excluded {
        table = print::table(["Day", "Order", "Document", "Currency", "Not counted", "Stated"]);
    }
    for one in behind {
        let code = one.currency.code();
        let mut row = vec![
            one.day.clone(),
            print::short(&one.number),
            print::short(&format!("{} {}", one.kind, one.id)),
            code.to_owned(),
        ];
        if excluded {
            row.push(print::word(&one.excluded));
        } else {
            let columns = [
                Column::GrossSales,
                Column::Discounts,
                Column::Returns,
                Column::Tax,
                Column::TotalSales,
            ];
            row.extend(columns.map(|column| shown(column, &one.figures, one.currency)));
        }
        row.push(print::amount(one.stated().minor(), code));
        table.add_row(row);
    }
    print::right(&mut table, if excluded { 5..6 } else { 4..10 });
    let mut text = print::lines(&table);
    if behind.is_empty() {
        text.push_str("no document is behind this\n");
    }
    text
}

fn documents_sheet(behind: &[Behind], columns: &[Column]) -> Sheet {
    let mut sheet = Sheet::new("documents");
    for name in ["day", "order_day", "order", "kind", "id", "sale", "excluded", "currency"] {
        sheet.column(name, Holds::Text);
    }
    let scale = scale(behind.iter().map(|one| one.currency));
    sheet.column("stated", Holds::Number { scale });
    add_columns(&mut sheet, columns, scale);
    for one in behind {
        let texts =
            [&one.day, &one.order_day, &one.number, &one.kind, &one.id, &one.root, &one.excluded];
        let mut row: Vec<Value> = texts.into_iter().map(|text| text.as_str().into()).collect();
        row.push(one.currency.code().into());
        row.push(one.stated().into());
        row.extend(values(columns, &one.figures, one.currency));
        sheet.rows.push(row);
    }
    sheet
}
