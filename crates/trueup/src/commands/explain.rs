//! `trueup explain`: what an error code means and what to do about it.

use std::process::ExitCode;

use anyhow::Result;

use super::say;
use crate::failure::Failure;

/// Explain an error code: meaning, likely causes, what to do next.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  trueup explain TU203")]
pub struct ExplainArgs {
    /// The code, such as TU203.
    code: String,
}

pub fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let code = args.code.to_ascii_uppercase();
    let Some(text) = trueup_server::errors::text_of(&code) else {
        let remedy = "codes look like TU203; an error prints its own";
        return Err(Failure::usage(format!("there is no error code `{code}`"), remedy).into());
    };
    say(text)?;
    Ok(ExitCode::SUCCESS)
}
