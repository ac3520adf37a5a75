//! `trueup cases`: what a person must look at.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use trueup_hub::Hub;
use trueup_store::cases::{self, Case};
use trueup_store::{commands, streams};

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// List what a person must decide or mend, oldest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup cases
  trueup cases show 3f2a
  trueup cases retry 3f2a

Exit status: 0 there is no open case; 1 there are some; with show and retry 0 when it was done")]
pub struct CasesArgs {
    #[command(subcommand)]
    command: Option<CasesCommand>,
    /// The closed ones, too.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum CasesCommand {
    /// Show one case: what happened, its evidence, what to do next.
    Show {
        /// Its id, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
    },
    /// Send the refused command of a case again, or let a paused connection call again.
    Retry {
        /// Its id, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
    },
}

pub fn run(global: &Global, args: CasesArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    match args.command {
        None => list(&hub, &args),
        Some(CasesCommand::Show { id }) => show(&hub, &id, args.json),
        Some(CasesCommand::Retry { id }) => retry(&hub, &id),
    }
}

fn list(hub: &Hub, args: &CasesArgs) -> Result<ExitCode> {
    let found = hub.store.read(|tx| match args.all {
        true => cases::all(tx),
        false => cases::open_cases(tx),
    })?;
    let open = found.iter().filter(|case| case.closed_at.is_none()).count();
    if args.json {
        say_json(&found.iter().map(as_json).collect::<Vec<_>>())?;
    } else if found.is_empty() {
        say("No open case.\n")?;
    } else {
        let mut table = print::table(["Case", "Type", "Entity", "Amount", "Age", "Owner", "About"]);
        print::right(&mut table, [3, 4]);
        for case in &found {
            let age = match case.closed_at {
                Some(_) => "closed".to_owned(),
                None => print::age(age_days(case)),
            };
            table.add_row([
                print::id(&case.id),
                print::word(&case.kind),
                case.entity.clone(),
                print::money(case.amount, &case.currency),
                age,
                case.owner.clone(),
                print::short(&case.title),
            ]);
        }
        let text =
            format!("{}{open} open. `trueup cases show CASE` says more.\n", print::lines(&table));
        say(&text)?;
    }
    Ok(if open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn age_days(case: &Case) -> i64 {
    wiring::now().duration_since(case.opened_at).as_hours() / 24
}

fn as_json(case: &Case) -> serde_json::Value {
    let amount = (!case.currency.is_empty()).then(|| {
        let text = print::plain_amount(case.amount, &case.currency);
        json!({ "amount": text, "currency": case.currency })
    });
    json!({
        "id": case.id,
        "kind": case.kind,
        "subject": case.subject,
        "entity": case.entity,
        "title": case.title,
        "detail": case.detail,
        "remedy": case.remedy,
        "amount": amount,
        "owner": case.owner,
        "opened_at": case.opened_at.to_string(),
        "closed_at": case.closed_at.map(|at| at.to_string()),
        "closed_by": case.closed_by,
        "age_days": age_days(case),
    })
}

/// The one case whose id begins so.
fn find(hub: &Hub, id: &str) -> Result<Case> {
    let found = hub.store.read(|tx| match cases::find(tx, id)? {
        Some(case) => Ok(vec![case]),
        None => {
            let mut all = cases::all(tx)?;
            all.retain(|case| case.id.starts_with(id));
            Ok(all)
        }
    })?;
    let shown = print::plain(id);
    match <[Case; 1]>::try_from(found) {
        Ok([case]) => Ok(case),
        Err(found) if found.is_empty() => {
            let what = format!("there is no case `{shown}`");
            Err(Failure::unknown(what, "`trueup cases --all` lists them").into())
        }
        Err(found) => {
            let what = format!("{} cases begin with `{shown}`", found.len());
            Err(Failure::unknown(what, "give more of the id").into())
        }
    }
}

fn show(hub: &Hub, id: &str, as_json_text: bool) -> Result<ExitCode> {
    let case = find(hub, id)?;
    if as_json_text {
        say_json(&as_json(&case))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{}\n", print::plain(&case.title));
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<8} {}\n", print::plain(value)));
        }
    };
    fact("case", &case.id);
    fact("type", &print::word(&case.kind));
    fact("about", &case.subject);
    fact("entity", &case.entity);
    fact("amount", &print::money(case.amount, &case.currency));
    fact("owner", &case.owner);
    fact("opened", &format!("{} ({})", case.opened_at, print::age(age_days(&case))));
    if let Some(closed) = case.closed_at {
        let by = case.closed_by.as_deref().unwrap_or_default();
        fact("closed", &format!("{closed}, {by}"));
    }
    fact("what", &case.detail);
    fact("next", &case.remedy);
    if is_answered_by_retry(&case) {
        fact("", &format!("`trueup cases retry {}` when it is mended", print::id(&case.id)));
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn is_answered_by_retry(case: &Case) -> bool {
    let open = case.closed_at.is_none();
    open && (case.subject.starts_with("command/") || case.kind == "connection_suspended")
}

fn retry(hub: &Hub, id: &str) -> Result<ExitCode> {
    let case = find(hub, id)?;
    if case.closed_at.is_some() {
        let what = "this case is closed";
        return Err(Failure::does_not_apply(what, "nothing is to be done about it").into());
    }
    let now = wiring::now();
    let (subject, kind) = (case.subject.clone(), case.kind.clone());
    let done = hub.store.write(move |tx| {
        if let Some(command) = subject.strip_prefix("command/") {
            return commands::retry(tx, command);
        }
        if kind != "connection_suspended" || streams::suspended(tx, &subject)?.is_none() {
            return Ok(false);
        }
        streams::resume(tx, &subject)?;
        streams::poll_now(tx, &subject)?;
        cases::resolve(tx, Some(&kind), &subject, "the connection was resumed", now)?;
        Ok(true)
    })?;
    if !done {
        let what = "there is nothing to send again";
        let remedy = "mend the cause; the case closes by itself when the sides agree";
        return Err(Failure::does_not_apply(what, remedy).into());
    }
    say("Released: the running hub, or `trueup poll`, does it next.\n")?;
    Ok(ExitCode::SUCCESS)
}
