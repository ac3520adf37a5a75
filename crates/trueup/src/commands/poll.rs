//! `trueup poll`: one round of everything, with what goes out.

use std::process::ExitCode;

use anyhow::{Context, Result};
use trueup_hub::shell::{self, Http};
use trueup_store::{cases, listings, streams};

use super::{odoo, say};
use crate::cli::Global;
use crate::drain;
use crate::failure::Failure;
use crate::wiring;
use crate::worker::Claim;

/// Ask the sources now, deliver what is ready, reconcile, and end.
///
/// Without a connection all of them are asked. This is what `trueup serve` does all the time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup poll
  trueup poll shop-us

Exit status: 0 every stream was read; 1 some were not, or a connection stands still; 3 another process works on this store")]
pub struct PollArgs {
    /// Ask this connection only.
    #[arg(value_name = "CONNECTION")]
    connection: Option<String>,
}

pub fn run(global: &Global, args: &PollArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let environment = &wiring::process_environment;
    if let Some(name) = &args.connection {
        wiring::find(&settings, name)?;
    }
    wiring::demand_secrets(&settings, environment)?;
    let runtime = wiring::runtime()?;
    let hub = wiring::hub(&settings, environment)?;
    let Some(claim) = Claim::take(&settings.store, &hub, wiring::now)? else {
        let what = "another process works on this store";
        return Err(Failure::busy(what, "let `trueup serve` do it, or end it first").into());
    };
    let hub = hub.in_turn(claim.turn.clone());
    let mut http = Http::new(runtime.handle().clone())
        .context("the HTTP client cannot be made")?
        .keeping_tokens_in(hub.store.clone());
    odoo::refuse_another_database(&hub, &http)?;
    let asked = |name: &str| args.connection.as_deref().is_none_or(|only| only == name);
    let names: Vec<String> =
        hub.setup.connections.keys().filter(|name| asked(name)).cloned().collect();
    let due = names.clone();
    hub.store.write(move |tx| {
        due.iter().try_for_each(|name| {
            streams::poll_now(tx, name)?;
            listings::ask_now(tx, name)
        })
    })?;
    loop {
        drain::local(&hub)?;
        let mut talked = false;
        for name in &names {
            let Some(connection) = hub.connection(name) else { continue };
            talked |= shell::converse(&hub, connection, &mut http, &[], &wiring::now)?;
        }
        if !talked {
            break;
        }
    }
    let mut text = String::new();
    let mut failed = 0;
    for stream in hub.store.read(streams::all)? {
        if !names.contains(&stream.connection) {
            continue;
        }
        let told = match (&stream.error_code, &stream.error) {
            (Some(code), Some(error)) => {
                failed += 1;
                format!("error {code}: {error}")
            }
            _ => "read".to_owned(),
        };
        text.push_str(&format!("{} {}: {told}\n", stream.connection, stream.stream));
    }
    for name in &names {
        if let Some(reason) = hub.store.read(|tx| streams::suspended(tx, name))? {
            failed += 1;
            // The case has the code as well.
            let about = hub.store.read(|tx| cases::of_subject(tx, name))?;
            let told =
                about.into_iter().find(|case| case.is_open() && case.detail.starts_with(&reason));
            let reason = told.map_or(reason, |case| case.detail);
            text.push_str(&format!("{name}: stands still: {reason}\n"));
        }
    }
    say(&text)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
