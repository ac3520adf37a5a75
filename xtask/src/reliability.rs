//! The figures of `docs/reliability.md`: `cargo xtask reliability planted | coverage | seeds | kill`.

use anyhow::Result;
use clap::Subcommand;

use crate::check::coverage;
use crate::services::{self, Service};
use crate::shell::{self, command};

#[derive(Subcommand)]
pub enum Figure {
    /// Builds the bugs that are planted on purpose, and counts those that the simulation finds
    Planted {
        /// Seeds of each bug at most
        #[arg(long, default_value_t = 400)]
        seeds: u64,
        /// Only the bugs whose names contain this
        #[arg(long, default_value = "")]
        only: String,
    },
    /// How many rows of the failure model have a test named after them
    Coverage,
    /// Tells these seeds: in calm, in a storm, and both must end alike
    Seeds {
        /// `from..to`
        range: String,
    },
    /// Kills the real binary so often, on SQLite and on PostgreSQL
    Kill {
        #[arg(long, default_value_t = 2_000)]
        cycles: u64,
    },
}

pub fn run(figure: &Figure) -> Result<()> {
    match figure {
        Figure::Planted { seeds, only } => {
            let features = "--features=trueup-simulation/planted";
            shell::run(
                test("planted")
                    .args([features, "--", "--nocapture"])
                    .env("TRUEUP_PLANTED_SEEDS", seeds.to_string())
                    .env("TRUEUP_PLANTED_ONLY", only),
            )
        }
        Figure::Coverage => {
            let covered = coverage()?;
            for open in &covered.open {
                println!("{open}");
            }
            println!(
                "{} of {} rows have a test named after them, {} tests in all",
                covered.covered, covered.rows, covered.tests
            );
            Ok(())
        }
        Figure::Seeds { range } => shell::run(
            test("weather")
                .args(["whatever_the_weather", "--", "--nocapture"])
                .env("TRUEUP_SEEDS", range),
        ),
        Figure::Kill { cycles } => {
            let mut started = Vec::new();
            let killed = kill(*cycles, &mut started);
            killed.and(services::down(&started))
        }
    }
}

/// The whole workspace is selected, so that its dependencies are built as for every other test.
fn test(target: &str) -> std::process::Command {
    let mut cargo = command("cargo", ["test", "--quiet", "--workspace", "--test", target]);
    cargo.current_dir(shell::root());
    cargo
}

fn kill(cycles: u64, started: &mut Vec<Service>) -> Result<()> {
    services::up(&[Service::Postgres], started)?;
    let variables = services::variables()?;
    for target in ["kill", "kill_on_postgres"] {
        shell::run(
            test(target)
                .args(["--", "--nocapture", "--test-threads=1"])
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .env("TRUEUP_KILLS", cycles.to_string()),
        )?;
    }
    Ok(())
}
