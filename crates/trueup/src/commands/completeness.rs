//! `trueup completeness`: is everything here that the sources made?

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;
use trueup_domain::completeness::Totals;
use trueup_hub::completeness::{self, Window};

use super::{say, say_json};
use crate::cli::Global;
use crate::print;
use crate::wiring;

/// Hold what the sources list of themselves against what came here and what is posted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup completeness
  trueup completeness shop-us --windows 48

Each window has three sides: what the source listed, what was received, what is posted.

Exit status: 0 nothing lacks; 1 something that a source lists is not here")]
pub struct CompletenessArgs {
    /// This connection only.
    #[arg(value_name = "CONNECTION")]
    connection: Option<String>,
    /// So many of the newest windows of each kind.
    #[arg(long, value_name = "N", default_value_t = 12)]
    windows: u16,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Source {
    connection: String,
    complete_to: Vec<Kind>,
    windows: Vec<Window>,
}

#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    complete_to: Option<Timestamp>,
}

pub fn run(global: &Global, args: &CompletenessArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    if let Some(name) = &args.connection {
        wiring::find(&settings, name)?;
    }
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let asked = |name: &str| args.connection.as_deref().is_none_or(|only| only == name);
    let sources = hub.store.read(|tx| {
        let mut sources = Vec::new();
        for connection in hub.setup.connections.values().filter(|it| asked(&it.name)) {
            let kinds = completeness::complete_to(tx, connection)?;
            let complete_to: Vec<Kind> = kinds
                .into_iter()
                .map(|(kind, complete_to)| Kind { kind: kind.word(), complete_to })
                .collect();
            if complete_to.is_empty() {
                continue;
            }
            let windows = completeness::windows(tx, connection, i64::from(args.windows))?;
            sources.push(Source { connection: connection.name.clone(), complete_to, windows });
        }
        Ok(sources)
    })?;
    let whole = sources.iter().flat_map(|source| &source.windows).all(|it| it.lacking == 0);
    if args.json {
        say_json(&sources)?;
    } else if sources.is_empty() {
        say("no source is asked to list what it made\n")?;
    } else {
        for source in &sources {
            say(&told(source))?;
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(source: &Source) -> String {
    let mut text = String::new();
    for kind in &source.complete_to {
        let to = kind.complete_to.map_or_else(
            || "not known to be complete".to_owned(),
            |to| format!("complete through {to}"),
        );
        text.push_str(&format!("{} {}: {to}\n", source.connection, kind.kind));
    }
    let mut table =
        print::table(["Kind", "From", "Until", "State", "Listed", "Received", "Posted", "Lack"]);
    print::right(&mut table, [4, 5, 6, 7]);
    for window in &source.windows {
        table.add_row([
            window.kind.to_owned(),
            window.from.to_string(),
            window.until.to_string(),
            window.error.as_deref().map_or_else(|| window.state.to_owned(), print::short),
            side(&window.listed),
            side(&window.received),
            side(&window.posted),
            window.lacking.to_string(),
        ]);
    }
    text.push_str(&print::lines(&table));
    text
}

/// How many, and what they come to.
fn side(totals: &Totals) -> String {
    let sums: Vec<String> = totals.sums.iter().map(ToString::to_string).collect();
    match sums.is_empty() {
        true => totals.count.to_string(),
        false => format!("{} = {}", totals.count, sums.join(" + ")),
    }
}
