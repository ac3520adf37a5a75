//! `trueup ingest`: files through the front door, then decoded, decided and reconciled.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use trueup_hub::{Connection, Hub, receive};
use trueup_store::messages::{self, NewMessage, Recorded};
use trueup_store::{StoreError, cases};

use super::{decode, say, say_json};
use crate::cli::Global;
use crate::drain;
use crate::failure::{Failure, remedy_of};
use crate::wiring;
use crate::worker::Claim;

/// How long is waited for a running hub to work on what was handed to it.
const OTHERS_WORK: Duration = Duration::from_secs(30);

/// Take in files: statements of banks, or recorded messages of a channel or provider.
///
/// Each file is stored as one message, whole, and then decoded, decided and reconciled; nothing is
/// sent to anybody. A file that was here before is a repeat and changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup ingest bank-eu camt/*.xml
  trueup ingest shop-us --kind orders/create order.json

Exit status: 0 every file was taken in; 1 some were not; 2 there is no such connection")]
pub struct IngestArgs {
    /// The connection whose files these are.
    #[arg(value_name = "CONNECTION")]
    connection: String,
    /// The kind of recorded messages, such as a webhook's topic; without it the shape tells.
    #[arg(long, value_name = "KIND", default_value = "")]
    kind: String,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
    /// The files; `-` reads the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Outcome {
    stored: usize,
    repeats: usize,
    refused: usize,
    /// Messages by what became of them: `decoded`, `hinted`, `ignored`, `failed`, `received`.
    messages: BTreeMap<String, usize>,
    open_cases: i64,
    files: Vec<FileOutcome>,
}

#[derive(Debug, Serialize)]
struct FileOutcome {
    file: String,
    message: Option<String>,
    repeat: bool,
    state: Option<String>,
    error_code: Option<String>,
    error: Option<String>,
}

pub fn run(global: &Global, args: &IngestArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    wiring::find(&settings, &args.connection)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let Some(connection) = hub.connection(&args.connection).cloned() else {
        unreachable!("the hub has every connection of its settings")
    };
    let mut outcome = Outcome::default();
    let bar = progress(args);
    for file in &args.files {
        outcome.files.push(take(&hub, &connection, &args.kind, file)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    match Claim::take(&settings.store, &hub, wiring::now)? {
        Some(claim) => drain::local(&hub.clone().in_turn(claim.turn.clone()))?,
        None => {
            eprintln!("The running hub works on what was stored; waiting for it.");
            wait_for_others(&hub, &outcome)?;
        }
    }
    finish(&hub, &mut outcome)?;
    if args.json {
        say_json(&outcome)?;
    } else {
        say(&shown(&outcome))?;
    }
    let failed = outcome.refused > 0 || outcome.files.iter().any(|it| it.error_code.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn progress(args: &IngestArgs) -> ProgressBar {
    const FEW: usize = 20;
    if args.files.len() <= FEW || args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(args.files.len()).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("storing {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    bar
}

/// Stores one file; a refused one is told at once, and the others go on.
fn take(
    hub: &Hub,
    connection: &Connection,
    kind: &str,
    file: &str,
) -> Result<FileOutcome, StoreError> {
    let refused = |code: &str, what: String, remedy: &str| {
        eprintln!("{file}: error {code}: {what}\n  next: {remedy}");
        Ok(FileOutcome {
            file: file.to_owned(),
            message: None,
            repeat: false,
            state: None,
            error_code: Some(code.to_owned()),
            error: Some(what),
        })
    };
    let body = match decode::read(file) {
        Ok(body) => body,
        Err(Failure { code, what, remedy, .. }) => return refused(code, what, &remedy),
    };
    let message = match receive::import(connection, file, kind, body) {
        Ok(message) => message,
        Err(refusal) => {
            return refused(refusal.code(), refusal.to_string(), remedy_of(&refusal));
        }
    };
    let now = wiring::now();
    let recorded = hub.store.write(move |tx| record(tx, &message, now))?;
    let (message, repeat) = match recorded {
        Recorded::Stored(id) => (id, false),
        Recorded::Repeat(id) => (id, true),
    };
    Ok(FileOutcome {
        file: file.to_owned(),
        message: Some(message),
        repeat,
        state: None,
        error_code: None,
        error: None,
    })
}

fn record(
    tx: &mut trueup_store::Tx<'_>,
    message: &NewMessage,
    now: jiff::Timestamp,
) -> Result<Recorded, StoreError> {
    receive::record(tx, message, now)
}

fn wait_for_others(hub: &Hub, outcome: &Outcome) -> Result<(), StoreError> {
    let until = Instant::now() + OTHERS_WORK;
    for id in outcome.files.iter().filter_map(|file| file.message.as_deref()) {
        while Instant::now() < until {
            let found = hub.store.read(|tx| messages::find(tx, id))?;
            if found.is_none_or(|message| message.state != "received") {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Reads what became of each message.
fn finish(hub: &Hub, outcome: &mut Outcome) -> Result<(), StoreError> {
    hub.store.read(|tx| {
        for file in &mut outcome.files {
            let Some(id) = &file.message else { continue };
            if let Some(message) = messages::find(tx, id)? {
                *outcome.messages.entry(message.state.clone()).or_default() += 1;
                file.state = Some(message.state);
                file.error_code = message.error_code.filter(|code| !code.is_empty());
                file.error = message.error;
            }
        }
        outcome.open_cases = cases::count_open(tx)?;
        Ok(())
    })?;
    outcome.repeats = outcome.files.iter().filter(|file| file.repeat).count();
    outcome.refused = outcome.files.iter().filter(|file| file.message.is_none()).count();
    outcome.stored = outcome.files.len() - outcome.repeats - outcome.refused;
    for file in outcome.files.iter().filter(|file| file.message.is_some()) {
        if let (Some(code), Some(error)) = (&file.error_code, &file.error) {
            eprintln!("{}: error {code}: {error}", file.file);
        }
    }
    Ok(())
}

fn shown(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} stored, {} here before, {} refused",
        outcome.stored, outcome.repeats, outcome.refused
    );
    let states: Vec<String> =
        outcome.messages.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if !states.is_empty() {
        text.push_str(&format!("; messages: {}", states.join(", ")));
    }
    text.push('\n');
    if outcome.open_cases > 0 {
        text.push_str(&format!(
            "{} open cases; see `trueup cases` and `trueup reconcile`\n",
            outcome.open_cases
        ));
    }
    text
}
