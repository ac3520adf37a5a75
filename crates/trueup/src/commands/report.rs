//! `trueup report`: what was sold and taxed, by one definition for every channel, and what stands
//! between sale and payout.

mod clearing;
mod sales;
mod tax;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use jiff::civil::Date;
use trueup_domain::sales::calendar::Periods;
use trueup_hub::Hub;
use trueup_hub::sales::Dimension;
use trueup_store::documents;

use super::say_bytes;
use crate::cli::Global;
use crate::failure::Failure;
use crate::sheet::{Sheet, csv, parquet, xlsx};
use crate::wiring;

/// Report what was sold, taxed and not paid out yet, by one definition for every channel.
///
/// `docs/reports.md` defines each figure.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup report sales --by channel,month
  trueup report sales --by sku --from 2026-05-01 --to 2026-05-31 --format csv --output may.csv
  trueup report sales --by day --format xlsx --output days.xlsx
  trueup report sales --channel shop-us --documents
  trueup report tax --from 2026-05-01 --to 2026-05-31
  trueup report clearing --month 2026-05")]
pub struct ReportArgs {
    #[command(subcommand)]
    report: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    Sales(sales::SalesArgs),
    Tax(tax::TaxArgs),
    Clearing(clearing::ClearingArgs),
}

pub fn run(global: &Global, args: &ReportArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    match &args.report {
        Which::Sales(args) => sales::run(&hub, args),
        Which::Tax(args) => tax::run(&hub, args),
        Which::Clearing(args) => clearing::run(&hub, args),
    }
}

/// What reports of some days are asked.
#[derive(Debug, clap::Args)]
struct Common {
    /// The first business day; the first day with a sale if left out.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The last business day; the last day with a sale if left out.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// What a period is: month, iso-week, 4-4-5 or 4-5-4.
    #[arg(long, value_name = "CALENDAR", default_value = "month")]
    calendar: Periods,
    /// This channel alone.
    #[arg(long, value_name = "CONNECTION")]
    channel: Option<String>,
    /// This legal entity alone.
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
    #[command(flatten)]
    written: Written,
}

/// How and where a report is written.
#[derive(Debug, clap::Args)]
struct Written {
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write it to this file instead of the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Csv,
    Xlsx,
    Parquet,
}

impl Format {
    /// What the name of a file of it ends in.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Parquet => "parquet",
        }
    }
}

/// Writes the report of some days into a file: of sales by these dimensions, or else of taxes.
pub fn write(
    hub: &Hub,
    by: Option<&[Dimension]>,
    (from, to): (Date, Date),
    format: Format,
    output: &Path,
) -> Result<()> {
    let common = Common {
        from: Some(from),
        to: Some(to),
        calendar: Periods::default(),
        channel: None,
        entity: None,
        written: Written { format, output: Some(output.to_owned()) },
    };
    match by {
        Some(by) => sales::run(hub, &sales::SalesArgs::plain(by.to_vec(), common))?,
        None => tax::run(hub, &tax::TaxArgs::plain(common))?,
    };
    Ok(())
}

impl Common {
    fn days(&self, hub: &Hub) -> Result<(Date, Date)> {
        let known = hub.store.read(documents::sale_days)?;
        let today = wiring::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let day = |text: String| text.parse::<Date>().unwrap_or(today);
        let (first, last) = known.map_or((today, today), |(first, last)| (day(first), day(last)));
        // A refund counts on its own day, which can be after the last sale.
        let (from, to) = (self.from.unwrap_or(first), self.to.unwrap_or(last.max(today)));
        if from > to {
            let what = format!("{from} is after {to}");
            return Err(Failure::usage(what, "give the earlier day as --from").into());
        }
        Ok((from, to))
    }
}

impl Written {
    /// Writes the report where and how it is wanted. Each way of writing it is made only if asked.
    fn write(
        &self,
        table: impl FnOnce() -> String,
        json: impl FnOnce() -> Result<String>,
        sheet: impl FnOnce() -> Sheet,
    ) -> Result<ExitCode> {
        let bytes = match self.format {
            Format::Table => table().into_bytes(),
            Format::Json => json()?.into_bytes(),
            Format::Csv => csv::written(&sheet()).into_bytes(),
            Format::Xlsx => xlsx::written(&sheet())?,
            Format::Parquet => parquet::written(&sheet())?,
        };
        match &self.output {
            Some(path) => put(path, &bytes)?,
            None => say_bytes(&bytes)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Under its name there is a whole report or none.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = super::beside(path, ".part");
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure::file(what, "name a file that can be written").into()
    })
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}
