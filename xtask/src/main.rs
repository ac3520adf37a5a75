//! The one entry point besides cargo: `cargo xtask check`, `test`, `bench`, `reliability` and
//! `services`.

mod check;
mod reliability;
mod services;
mod shell;
mod test;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use services::Service;
use shell::command;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks, tests and test services of Trueup")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What CI runs first: format, lints, and the rules of the house
    Check {
        /// Run only these checks
        names: Vec<String>,
    },
    /// Every test, with the real services that some of them need
    Test {
        /// The release figures: more seeds, larger volumes
        #[arg(long)]
        long: bool,
        /// Run only this group
        #[arg(long, value_name = "GROUP")]
        only: Option<test::Group>,
        /// Passed on to the test runner: a part of a test's name
        filter: Vec<String>,
    },
    /// The figures of docs/performance.md, each a ratio measured in one run
    Bench {
        /// Measure only this: `intake`, `stages`, `views`, `memory` or `orders`
        only: Option<String>,
    },
    /// The figures of docs/reliability.md
    Reliability {
        #[command(subcommand)]
        figure: reliability::Figure,
    },
    /// The real programs some tests need
    Services {
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(Subcommand)]
enum Action {
    /// Provision and start (all services if none is named)
    Up { services: Vec<Service> },
    /// Stop (all services if none is named)
    Down { services: Vec<Service> },
    /// Show what runs, and where
    Status,
    /// Print the variables that tests read: eval "$(cargo xtask services env)"
    Env,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check { names } => check::run(&names),
        Command::Test { long, only, filter } => test::run(&test::Options { only, long, filter }),
        Command::Bench { only } => bench(only.as_deref()),
        Command::Reliability { figure } => reliability::run(&figure),
        Command::Services { action } => run_services(action),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes and no backtrace: the reader looks for what to do, not for our code.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Builds and runs the bench with the release profile, and the server it measures beside it.
fn bench(only: Option<&str>) -> Result<()> {
    let release = ["--release", "--quiet"];
    shell::run(command("cargo", ["build"]).args(release).args([
        "-p",
        "trueup-bench",
        "-p",
        "trueup",
    ]))?;
    let mut started = Vec::new();
    let result = measure(only, &mut started);
    result.and(services::down(&started))
}

fn measure(only: Option<&str>, started: &mut Vec<Service>) -> Result<()> {
    let mut run = command("cargo", ["run", "--release", "--quiet", "-p", "trueup-bench", "--"]);
    run.args(only);
    if only.is_none_or(|only| only == "orders") {
        services::up(&[Service::Odoo], started)?;
        run.envs(services::variables()?);
    }
    shell::run(&mut run)
}

fn run_services(action: Action) -> Result<()> {
    let or_all = |services: Vec<Service>| {
        if services.is_empty() { Service::ALL.to_vec() } else { services }
    };
    match action {
        Action::Up { services } => services::up(&or_all(services), &mut Vec::new()),
        Action::Down { services } => services::down(&or_all(services)),
        Action::Status => services::status(),
        Action::Env => {
            for (name, value) in services::variables()? {
                println!("export {name}='{value}'");
            }
            Ok(())
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{}", duration.as_secs(), duration.subsec_millis() / 100)
}
