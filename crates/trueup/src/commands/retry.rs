//! `trueup retry`: something is taken up again, because a person says so.

use std::process::ExitCode;

use anyhow::Result;
use trueup_hub::decisions::What;

use super::cases::{Who, decide, named};
use crate::cli::Global;
use crate::wiring;

/// Take up again what was refused, set aside or could not be read, once its cause is mended.
///
/// A refused command is sent again, a message decoded again, an order or payout decided again, the
/// sides of a key compared again, a suspended connection resumed. Attempts begin anew. Nothing is
/// made twice: the books look a command up by its key first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup retry 3f2a                      what a case is about
  trueup retry shop-us/sale/1001         an order
  trueup retry odoo --reason 'new key'   a suspended connection

Exit status: 0 it is taken up next; 1 there is nothing to take up again")]
pub struct RetryArgs {
    /// A case (the beginning of its id is enough), message, order, command, key or connection.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    who: Who,
}

pub fn run(global: &Global, args: RetryArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let about = named(&hub, &args.id)?;
    decide(&hub, What::Retry { about }, args.who)
}
