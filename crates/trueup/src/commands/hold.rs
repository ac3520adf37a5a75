//! `trueup hold` and `trueup release`: a person stops what is delivered to a target, and lets it go
//! on.

use std::process::ExitCode;

use anyhow::Result;
use trueup_hub::decisions::What;

use super::cases::{Who, decide};
use crate::cli::Global;
use crate::wiring;

/// Hold what would be delivered to a connection; it is polled and read as before.
///
/// What is under way ends. What must go out waits in order, and nothing that comes in is lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup hold books --reason 'Odoo is upgraded tonight'

Exit status: 0 it is held; 1 it delivers nothing, or is held already")]
pub struct HoldArgs {
    #[arg(value_name = "CONNECTION")]
    connection: String,
    #[command(flatten)]
    who: Who,
}

/// Deliver what was held, after `trueup hold` or `trueup restore`.
///
/// What was under way when it was held is looked up by its key first: nothing is made twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup release books --reason 'compared the last orders with Odoo'

Exit status: 0 it is released; 1 it is not held")]
pub struct ReleaseArgs {
    #[arg(value_name = "CONNECTION")]
    connection: String,
    #[command(flatten)]
    who: Who,
}

pub fn hold(global: &Global, args: HoldArgs) -> Result<ExitCode> {
    decided(global, What::Hold { connection: args.connection.clone() }, &args.connection, args.who)
}

pub fn release(global: &Global, args: ReleaseArgs) -> Result<ExitCode> {
    let what = What::Release { connection: args.connection.clone() };
    decided(global, what, &args.connection, args.who)
}

fn decided(global: &Global, what: What, connection: &str, who: Who) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    wiring::find(&settings, connection)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    decide(&hub, what, who)
}
