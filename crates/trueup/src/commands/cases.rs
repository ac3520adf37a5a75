//! `trueup cases`: what a person must look at, and what a person decides about it.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use trueup_hub::Hub;
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_store::cases::{self, Case};
use trueup_store::decisions as kept;

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
  trueup cases note 3f2a --reason 'asked the provider, ticket 4711'
  trueup cases assign 3f2a ben
  trueup cases close 3f2a --reason 'the customer was paid by transfer'
  trueup cases close 3f2a --accept --reason 'below what asking the bank costs'

Exit status: 0 there is no open case; 1 there are some; with a command 0 when it was done")]
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
    /// Close a case whose cause the hub cannot see, or accept one as it is.
    ///
    /// What still stands cannot be closed: it closes by itself when it is mended. What is accepted
    /// stays unproven, its difference stays in the bridges, and it opens again if it changes.
    Close {
        /// Its id, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
        /// Its cause stands, and is taken as it is.
        #[arg(long)]
        accept: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Say whose work a case is.
    Assign {
        /// Its id, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
        /// The person; leave it out to take it back.
        #[arg(value_name = "NAME")]
        assignee: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Keep something to know with a case.
    Note {
        /// Its id, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

/// Who decides, and why: kept with the decision.
#[derive(Debug, clap::Args)]
pub struct Who {
    /// Who decides.
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub fn run(global: &Global, args: CasesArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    match args.command {
        None => list(&hub, &args),
        Some(CasesCommand::Show { id }) => show(&hub, &id, args.json),
        Some(CasesCommand::Close { id, accept, who }) => {
            let case = find(&hub, &id)?.id;
            let what = if accept { What::Accept { case } } else { What::Close { case } };
            decide(&hub, what, who)
        }
        Some(CasesCommand::Assign { id, assignee, who }) => {
            let case = find(&hub, &id)?.id;
            decide(&hub, What::Assign { case, assignee: assignee.unwrap_or_default() }, who)
        }
        Some(CasesCommand::Note { id, who }) => {
            let case = find(&hub, &id)?.id;
            decide(&hub, What::Note { case }, who)
        }
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
                Some(_) => print::plain(case.closed_as.as_deref().unwrap_or("closed")),
                None => print::age(age_days(case)),
            };
            table.add_row([
                print::id(&case.id),
                print::word(&case.kind),
                case.entity.clone(),
                print::money(case.amount, &case.currency),
                age,
                owner(case),
                print::short(&case.title),
            ]);
        }
        let text =
            format!("{}{open} open. `trueup cases show CASE` says more.\n", print::lines(&table));
        say(&text)?;
    }
    Ok(if open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The team, and the person of it who works on the case.
fn owner(case: &Case) -> String {
    if case.assignee.is_empty() {
        return case.owner.clone();
    }
    print::short(&format!("{}, {}", case.owner, case.assignee))
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
        "assignee": case.assignee,
        "closed_at": case.closed_at.map(|at| at.to_string()),
        "closed_as": case.closed_as,
        "closed_why": case.closed_why,
        "closed_by": case.closed_by,
        "age_days": age_days(case),
    })
}

/// The one case whose id begins so.
fn find(hub: &Hub, id: &str) -> Result<Case> {
    match beginning(hub, id)? {
        Some(case) => Ok(case),
        None => {
            let what = format!("there is no case `{}`", print::plain(id));
            Err(Failure::unknown(what, "`trueup cases --all` lists them").into())
        }
    }
}

fn beginning(hub: &Hub, id: &str) -> Result<Option<Case>> {
    /// More than one is too many, and a few show that it is.
    const FEW: i64 = 20;
    let mut found = hub.store.read(|tx| match cases::find(tx, id)? {
        Some(case) => Ok(vec![case]),
        None => cases::beginning(tx, id, FEW),
    })?;
    if found.len() > 1 {
        let what = format!("several cases begin with `{}`", print::plain(id));
        return Err(Failure::unknown(what, "give more of the id").into());
    }
    Ok(found.pop())
}

/// The id of the case that begins so, or what was named itself.
pub fn named(hub: &Hub, id: &str) -> Result<String> {
    Ok(beginning(hub, id)?.map_or_else(|| id.to_owned(), |case| case.id))
}

/// Sends a decision in at the front door, and says what happens now.
pub fn decide(hub: &Hub, what: What, who: Who) -> Result<ExitCode> {
    let decision = Decision { what, person: who.by.unwrap_or_default(), reason: who.reason };
    let (hub_for_write, now) = (hub.clone(), wiring::now());
    let done = hub.store.write(move |tx| decisions::take(tx, &hub_for_write, &decision, now))?;
    let next = done.map_err(|refusal| {
        let what = print::plain(&refusal.to_string());
        match refusal {
            Refusal::Unknown(_) => Failure::unknown(what, "`trueup cases --all` lists the cases"),
            Refusal::Incomplete(_) => Failure::usage(what, "give --by NAME and --reason TEXT"),
            Refusal::NotApplicable(_) => {
                let remedy = "see how it stands with `trueup cases show` or `trueup trace`; what \
                              stands can be taken as it is with `trueup cases close --accept`";
                Failure::does_not_apply(what, remedy)
            }
        }
    })?;
    say(&format!("{next}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn show(hub: &Hub, id: &str, as_json_text: bool) -> Result<ExitCode> {
    let case = find(hub, id)?;
    let (decided, cause) = hub.store.read(|tx| {
        let mut decided = kept::about(tx, &case.id)?;
        decided.extend(kept::about(tx, &case.subject)?);
        let cause = if case.is_open() { decisions::cause(tx, &case)? } else { None };
        Ok((decided, cause))
    })?;
    if as_json_text {
        let mut shown = as_json(&case);
        let decided = decided.iter().map(|one| {
            json!({
                "decision": one.kind,
                "person": one.person,
                "reason": one.reason,
                "assignee": one.assignee,
                "at": one.made_at.to_string(),
                "message": one.message,
            })
        });
        shown["decisions"] = decided.collect();
        say_json(&shown)?;
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
    fact("owner", &owner(&case));
    fact("opened", &format!("{} ({})", case.opened_at, print::age(age_days(&case))));
    if let Some(closed) = case.closed_at {
        fact("closed", &format!("{closed}, {}", case.ending().unwrap_or_default()));
    }
    fact("what", &case.detail);
    fact("next", &case.remedy);
    let short = print::id(&case.id);
    if case.is_open() {
        if can_retry(&case) {
            fact("", &format!("`trueup retry {short}` when it is mended"));
        }
        match cause {
            Some(_) => {
                fact("", "it closes by itself when its cause is gone; to take it as it is:");
                fact("", &format!("`trueup cases close {short} --accept --reason WHY`"));
            }
            None => fact("", &format!("`trueup cases close {short} --reason WHY` when it is done")),
        }
    }
    for one in decided {
        let assignee = if one.assignee.is_empty() { "" } else { " to " };
        let did = format!("{}{assignee}{}", one.kind, one.assignee);
        let why = if one.reason.is_empty() { String::new() } else { format!(": {}", one.reason) };
        fact("decided", &format!("{did} by {}, {}{why}", one.person, one.made_at));
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether taking it up again is an answer to the case.
fn can_retry(case: &Case) -> bool {
    const KINDS: [&str; 11] = [
        "refused",
        "customer_unclear",
        "connection_suspended",
        "connection_down",
        "undecodable",
        "unreadable_object",
        "stuck",
        "undecidable",
        "waiting",
        "unjudgeable",
        "rows_differ",
    ];
    KINDS.contains(&case.kind.as_str())
}
