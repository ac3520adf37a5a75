//! `trueup schedules`: the jobs, when they ran and will, and one of them now.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use trueup_hub::Hub;
use trueup_hub::decisions::What;
use trueup_hub::schedules::{self, Shown};
use trueup_store::schedules as kept;

use super::cases::{Who, decide};
use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::jobs::{self, Around};
use crate::print;
use crate::settings::{Scheduled, Settings};
use crate::wiring;
use crate::worker::Claim;

/// How often a run of another process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// List the jobs of the configuration, when they ran, how that ended, and when they run next.
///
/// `trueup serve` runs them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup schedules
  trueup schedules run nightly

Exit status: 0 no job failed; 1 the last run of one did")]
pub struct SchedulesArgs {
    #[command(subcommand)]
    command: Option<SchedulesCommand>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum SchedulesCommand {
    /// Run one now, beside its times, and wait for its end.
    ///
    /// Where `trueup serve` works on the store it does it; otherwise this command does.
    Run {
        /// The name of its section in the configuration.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        who: Who,
    },
}

pub fn run(global: &Global, args: SchedulesArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    match args.command {
        None => list(&hub, &settings, args.json),
        Some(SchedulesCommand::Run { name, who }) => {
            let Some(scheduled) = settings.schedules.iter().find(|it| it.schedule.name == name)
            else {
                let what = format!("there is no schedule `{name}`");
                let remedy = "name a section [schedule.NAME]; `trueup schedules` lists them";
                return Err(Failure::unknown(what, remedy).into());
            };
            run_now(global, &hub, &settings, scheduled, who)
        }
    }
}

fn list(hub: &Hub, settings: &Settings, json: bool) -> Result<ExitCode> {
    let all = wiring::schedules_of(settings);
    let shown = hub.store.read(|tx| schedules::shown(tx, &all, wiring::now()))?;
    if json {
        say_json(&shown)?;
    } else if shown.is_empty() {
        say("no job is scheduled: add a section [schedule.NAME], as `trueup init` writes one\n")?;
    } else {
        say(&table(&shown))?;
    }
    let failed = shown.iter().any(|one| one.state == "failed");
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(shown: &[Shown]) -> String {
    let mut table = print::table(["Schedule", "Job", "Times", "State", "Last run", "Next run"]);
    let moment = |at: Option<Timestamp>, none: &str| {
        at.map_or_else(|| none.to_owned(), |at| print::moment(&at.to_string()))
    };
    for one in shown {
        table.add_row([
            one.name.clone(),
            one.job.clone(),
            one.times.clone(),
            one.state.to_owned(),
            moment(one.last_at, "none yet"),
            moment(one.next_at, "never"),
        ]);
    }
    let mut text = print::lines(&table);
    for one in shown.iter().filter(|one| !one.detail.is_empty()) {
        text.push_str(&format!("{}: {}\n", one.name, print::plain(&one.detail)));
    }
    text
}

fn run_now(
    global: &Global,
    hub: &Hub,
    settings: &Settings,
    scheduled: &Scheduled,
    who: Who,
) -> Result<ExitCode> {
    let name = &scheduled.schedule.name;
    decide(hub, What::Run { schedule: name.clone() }, who)?;
    let outcome = loop {
        // Whoever worked on the store may have ended before it came to this.
        if let Some(claim) = Claim::take(&settings.store, hub, wiring::now)? {
            let hub = hub.clone().in_turn(claim.turn.clone());
            let around = Around { hub: &hub, settings, config: &global.config };
            if let Some(outcome) = jobs::run_due(scheduled, &around)? {
                break outcome;
            }
        }
        if let Some(outcome) = answered(hub, name)? {
            break outcome;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    match outcome {
        Ok(made) => say(&format!("{}\n", print::plain(&made)))?,
        Err(why) => {
            say(&format!("failed: {}\n", print::plain(&why)))?;
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How the run ended that was asked for; `None` until it did.
fn answered(hub: &Hub, name: &str) -> Result<Option<Result<String, String>>> {
    let standing = hub.store.read(|tx| kept::find(tx, name))?;
    let last = standing.filter(|it| it.asked.is_none()).and_then(|it| it.last);
    Ok(last.map(|last| if last.done { Ok(last.detail) } else { Err(last.detail) }))
}
