//! `trueup`: see `trueup --help`.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use trueup::cli::Cli;
use trueup::failure;
use trueup::log::OneLine;

const _: () = assert!(!trueup_domain::planted::BUILT_IN, "bugs are planted for tests only");

fn main() -> ExitCode {
    // The one TLS library of this process; a second installation would be a defect.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("error: TLS is set up twice");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    let filter = match EnvFilter::try_new(cli.log_filter()) {
        Ok(filter) => filter,
        Err(error) => {
            let remedy = "write a level such as `info`, or `trueup_hub=debug,info`";
            let failure = failure::Failure::usage(format!("--log: {error}"), remedy);
            return failure::report(&failure.into());
        }
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || OneLine { to: std::io::stderr(), colours })
        .with_ansi(colours)
        .init();
    match cli.run() {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
