//! `trueup entries`: the entries of the books that sum up sales, or what a ledger says.

use std::process::ExitCode;

use anyhow::Result;
use jiff::civil::Date;
use serde::Serialize;
use trueup_store::summaries::{self, ShownEntry};

use super::{say, say_json};
use crate::cli::Global;
use crate::print;
use crate::wiring;

/// So many are shown unless a day is named.
const SHOWN: i64 = 200;

/// List the entries that sum up sales, for channels with `posting = "day"` or `"payout"`, and what the
/// ledgers of providers say, for connections with `ledger_since`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup entries
  trueup entries --day 2026-11-02
  trueup entries --payout stripe/po_1             those with money of a payout
  trueup trace shop-eu/summary/2026-11-02/EUR     the orders in a day's entries
  trueup trace stripe/payout/po_1                 the orders in those of a payout

Exit status: 0")]
pub struct EntriesArgs {
    /// Only those that stand in Odoo on this day.
    #[arg(long, value_name = "DAY")]
    day: Option<Date>,
    /// Only those that hold money of this payout, by its provider's connection and its id.
    #[arg(long, value_name = "PROVIDER/ID", conflicts_with = "day")]
    payout: Option<String>,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    summary: String,
    number: i64,
    dated: String,
    sales: i64,
    state: String,
    record: Option<String>,
    error: Option<String>,
}

impl From<ShownEntry> for Shown {
    fn from(entry: ShownEntry) -> Self {
        Self {
            summary: entry.summary,
            number: entry.number,
            dated: entry.dated,
            sales: entry.orders,
            state: entry.state.unwrap_or_else(|| "not asked for".to_owned()),
            record: entry.record,
            error: entry.error,
        }
    }
}

pub fn run(global: &Global, args: &EntriesArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let day = args.day.map(|day| day.to_string());
    let limit = if day.is_some() { i64::MAX } else { SHOWN };
    let found = match &args.payout {
        Some(payout) => {
            let key = format!("payout/{payout}");
            hub.store.read(|tx| summaries::of_payout(tx, &key))?
        }
        None => hub.store.read(|tx| summaries::list(tx, day.as_deref(), limit))?,
    };
    let shown: Vec<Shown> = found.into_iter().map(Shown::from).collect();
    if args.json {
        say_json(&shown)?;
    } else if shown.is_empty() {
        say("no entry sums up anything\n")?;
    } else {
        let mut table = print::table(["Sums up", "Entry", "Of", "So many", "State", "Record"]);
        print::right(&mut table, [1, 3]);
        for entry in &shown {
            table.add_row([
                print::short(&entry.summary),
                entry.number.to_string(),
                entry.dated.clone(),
                format!("{} {}", entry.sales, summaries::counted(&entry.summary, entry.sales)),
                entry.state.clone(),
                print::short(entry.record.as_deref().or(entry.error.as_deref()).unwrap_or("")),
            ]);
        }
        say(&print::lines(&table))?;
    }
    Ok(ExitCode::SUCCESS)
}
