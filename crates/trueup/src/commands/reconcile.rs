//! `trueup reconcile`: the four-sided report.

use std::process::ExitCode;

use anyhow::Result;
use jiff::civil::Date;
use serde::Serialize;
use trueup_hub::Hub;
use trueup_hub::bridges::{self, Shown};
use trueup_hub::report::{self, Report};
use trueup_store::{documents, scopes};

use super::{say, say_json};
use crate::cli::Global;
use crate::demo::show;
use crate::drain;
use crate::print;
use crate::wiring;
use crate::worker::Claim;

/// Compare channel, Odoo, settlement and bank, and print what agrees and what does not.
///
/// Per day and in all: how many orders and how much money are proven, not due yet, broken, or not
/// applicable on each of the four links; then every open case, and what was absorbed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup reconcile
  trueup reconcile --from 2026-05-01 --to 2026-05-31 --json

Exit status: 0 nothing is broken or open; 1 something is")]
pub struct ReconcileArgs {
    /// The first business day; the first day with a sale if left out.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The last business day; the last day with a sale if left out.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    report: Report,
    bridges: Vec<Shown>,
}

pub fn run(global: &Global, args: &ReconcileArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    match Claim::take(&settings.store, &hub, wiring::now)? {
        Some(claim) => drain::local(&hub.clone().in_turn(claim.turn.clone()))?,
        None => eprintln!("A running hub keeps this up to date; showing how it stands now."),
    }
    let (from, to) = period(&hub, args)?;
    let (report, bridges, broken) = hub.store.read(|tx| {
        let report = report::build(tx, from, to, wiring::now())?;
        Ok((report, bridges::build(tx, &hub)?, scopes::broken(tx)?.len()))
    })?;
    let clean = report.open.is_empty() && broken == 0;
    if args.json {
        say_json(&Whole { report, bridges })?;
    } else {
        let mut text = print::report(&report);
        text.push('\n');
        text.push_str(&show::bridges(&bridges));
        say(&text)?;
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn period(hub: &Hub, args: &ReconcileArgs) -> Result<(Date, Date)> {
    let known = hub.store.read(documents::sale_days)?;
    let today = wiring::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |text: &str| text.parse::<Date>().unwrap_or(today);
    let (first, last) = known.map_or((today, today), |(first, last)| (day(&first), day(&last)));
    Ok((args.from.unwrap_or(first), args.to.unwrap_or(last)))
}
