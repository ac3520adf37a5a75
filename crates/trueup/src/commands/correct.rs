//! `trueup correct`: what a message should have said, by one person, approved by another.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use trueup_hub::decisions::What;
use trueup_hub::{Hub, corrections, replay};
use trueup_store::corrections::{self as kept, Correction};
use trueup_store::{cases, messages};

use super::cases::{Who, decide, named};
use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// List what waits for approval, propose what a message should have said, approve or reject it.
///
/// For what a source states wrongly and will not state again, and for what cannot be read. The
/// message stays as it came in; once another person approves, what was proposed is read in its place,
/// until the source states something newer of the same object.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup correct                                   what waits for approval
  trueup correct text 3f2a > order.json            what the message of a case says
  trueup correct propose 3f2a --file order.json --reason 'the shop wrote 19,00 for 190,0'
  trueup correct show 3f2a                         where they differ, and what would change
  trueup correct approve 3f2a --by ben
  trueup correct reject 3f2a --reason 'it was a gift'

Exit status: 0 it is done, or nothing waits; 1 something waits, or it cannot be done")]
pub struct CorrectArgs {
    #[command(subcommand)]
    command: Option<CorrectCommand>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum CorrectCommand {
    /// Print a message exactly as it came in.
    Text {
        /// The message, or the case about it (the beginning of its id is enough).
        #[arg(value_name = "MESSAGE")]
        id: String,
    },
    /// Propose what a message should have said.
    Propose {
        /// The message, or the case about it (the beginning of its id is enough).
        #[arg(value_name = "MESSAGE")]
        id: String,
        /// What it should have said; `-` reads it from the standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        who: Who,
    },
    /// Show where a proposal differs from its message, and what would come of it.
    Show {
        /// The proposal, or the case about it (the beginning of its id is enough).
        #[arg(value_name = "PROPOSAL")]
        id: String,
    },
    /// Have what was proposed read in the place of its message. Who proposed it cannot approve it.
    Approve {
        /// The proposal, or the case about it (the beginning of its id is enough).
        #[arg(value_name = "PROPOSAL")]
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Leave the message as it is.
    Reject {
        /// The proposal, or the case about it (the beginning of its id is enough).
        #[arg(value_name = "PROPOSAL")]
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

pub fn run(global: &Global, args: CorrectArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    match args.command {
        None => list(&hub, args.json),
        Some(CorrectCommand::Text { id }) => {
            let message = message(&hub, &id)?;
            let body = hub.store.read(|tx| messages::find(tx, &message))?;
            let body = body.map(|it| it.body).unwrap_or_default();
            std::io::stdout().lock().write_all(&body).context("cannot print the message")?;
            Ok(ExitCode::SUCCESS)
        }
        Some(CorrectCommand::Propose { id, file, who }) => {
            let message = message(&hub, &id)?;
            decide(&hub, What::Correct { message, text: text_of(&file)? }, who)
        }
        Some(CorrectCommand::Show { id }) => show(&hub, &proposal(&hub, &id)?, args.json),
        Some(CorrectCommand::Approve { id, who }) => {
            let Correction { id: correction, body_hash: hash, .. } = proposal(&hub, &id)?;
            decide(&hub, What::Approve { correction, hash }, who)
        }
        Some(CorrectCommand::Reject { id, who }) => {
            decide(&hub, What::Reject { correction: proposal(&hub, &id)?.id }, who)
        }
    }
}

fn text_of(file: &PathBuf) -> Result<String> {
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        bytes
    } else {
        std::fs::read(file).map_err(|error| {
            let what = format!("cannot read {}: {error}", file.display());
            Failure::usage(what, "name a file that can be read, or `-`")
        })?
    };
    String::from_utf8(bytes).map_err(|_| {
        let what = format!("{} is no text", file.display());
        Failure::usage(what, "write it in UTF-8").into()
    })
}

/// What the case is about whose id begins so, or what was named itself.
fn subject(hub: &Hub, id: &str) -> Result<String> {
    let named = named(hub, id)?;
    Ok(hub.store.read(|tx| cases::find(tx, &named))?.map_or(named, |case| case.subject))
}

fn message(hub: &Hub, id: &str) -> Result<String> {
    let subject = subject(hub, id)?;
    match hub.store.read(|tx| messages::find(tx, &subject))? {
        Some(message) => Ok(message.id),
        None => {
            let what = format!("there is no message `{}`", print::plain(id));
            Err(Failure::unknown(what, "`trueup trace` and `trueup cases` show ids").into())
        }
    }
}

/// The proposal of this id or case, or the one that waits for this message.
fn proposal(hub: &Hub, id: &str) -> Result<Correction> {
    let subject = subject(hub, id)?;
    /// More than one is too many.
    const FEW: i64 = 2;
    let mut found = hub.store.read(|tx| match kept::beginning(tx, &subject, FEW)? {
        some if !some.is_empty() => Ok(some),
        _ => Ok(kept::of_message(tx, &subject)?.into_iter().filter(Correction::waits).collect()),
    })?;
    if found.len() > 1 {
        let what = format!("several proposals begin with `{}`, or are about it", print::plain(id));
        return Err(Failure::unknown(what, "`trueup correct` lists what waits").into());
    }
    found.pop().ok_or_else(|| {
        let what = format!("there is no proposal `{}`", print::plain(id));
        Failure::unknown(what, "`trueup correct` lists what waits").into()
    })
}

fn list(hub: &Hub, as_json: bool) -> Result<ExitCode> {
    let waiting = hub.store.read(kept::waiting)?;
    if as_json {
        let all: Vec<_> = waiting.iter().map(in_json).collect();
        say_json(&all)?;
    } else if waiting.is_empty() {
        say("No correction waits for approval.\n")?;
    } else {
        let mut table = print::table(["Proposal", "Message", "By", "At", "Why"]);
        for one in &waiting {
            table.add_row([
                print::id(&one.id),
                print::id(&one.message),
                print::short(&one.person),
                one.proposed_at.strftime("%Y-%m-%d %H:%M").to_string(),
                print::short(&one.reason),
            ]);
        }
        let text = format!(
            "{}{} waiting. `trueup correct show PROPOSAL` says what would change.\n",
            print::lines(&table),
            waiting.len()
        );
        say(&text)?;
    }
    Ok(if waiting.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_json(one: &Correction) -> serde_json::Value {
    json!({
        "id": one.id,
        "message": one.message,
        "hash": one.body_hash,
        "text": String::from_utf8_lossy(&one.body),
        "person": one.person,
        "reason": one.reason,
        "proposed_at": one.proposed_at.to_string(),
        "state": one.state,
        "settled_by": one.settled_by,
        "settled_why": one.settled_why,
        "settled_at": one.settled_at.map(|at| at.to_string()),
        "made": one.made,
    })
}

fn show(hub: &Hub, one: &Correction, as_json: bool) -> Result<ExitCode> {
    let before = hub.store.read(|tx| messages::find(tx, &one.message))?;
    let before = before.map(|it| it.body).unwrap_or_default();
    let lines = corrections::difference(
        &String::from_utf8_lossy(&before),
        &String::from_utf8_lossy(&one.body),
    );
    let plan = match one.waits() {
        true => replay::if_it_said(hub, &one.message, &one.body, wiring::now())?,
        false => None,
    };
    if as_json {
        let mut shown = in_json(one);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("difference".to_owned(), json!(lines));
            fields.insert("plan".to_owned(), json!(plan));
        }
        say_json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "{} proposed at {}, for message {}\n  {}\n\n",
        print::plain(&one.person),
        one.proposed_at,
        one.message,
        print::plain(&one.reason)
    );
    for line in &lines {
        text.push_str(&format!("{} {}\n", line.sign, print::plain(&line.text)));
    }
    match plan {
        Some(plan) => {
            text.push_str(&match plan.is_empty() {
                true => "\nNothing would change.\n".to_owned(),
                false => super::replay::changes(&plan),
            });
            let short = print::id(&one.id);
            text.push_str(&format!(
                "\nNothing is read of it until another person approves it: `trueup correct approve \
                 {short} --by NAME`.\n"
            ));
        }
        None if one.waits() => {}
        None => text.push_str(&format!(
            "\nIt was {} by {}.\n",
            one.state,
            print::plain(&one.settled_by)
        )),
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}
