//! `trueup cases`: what a person must look at, and what a person decides about it.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use trueup_hub::Hub;
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_store::cases::{self, Case, Together};
use trueup_store::decisions as kept;

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// More cases of one cause than these are counted.
const CASES_OF_A_CAUSE: usize = 20;

/// List what a person must decide or mend, oldest first.
///
/// Cases of one cause are one line, and are decided together by the id of that line: a tax that is
/// missing in the mapping holds a thousand orders and is one thing to mend.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup cases
  trueup cases show 3f2a
  trueup cases note 3f2a --reason 'asked the provider, ticket 4711'
  trueup cases assign 3f2a ben
  trueup cases close 3f2a --reason 'the customer was paid by transfer'
  trueup cases close 3f2a --accept --reason 'below what asking the bank costs'
  trueup cases skip 3f2a --reason 'a test order of the shop'
  trueup cases --each                    every case by itself, whatever its cause

Exit status: 0 there is no open case; 1 there are some; with a command 0 when it was done")]
pub struct CasesArgs {
    #[command(subcommand)]
    command: Option<CasesCommand>,
    /// The closed ones, too.
    #[arg(long)]
    all: bool,
    /// Every case by itself, also those of one cause.
    #[arg(long)]
    each: bool,
    /// Print JSON, every case by itself.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum CasesCommand {
    /// Show one case: what happened, its evidence, what to do next.
    Show {
        /// Its id or that of its cause, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
    },
    /// Close a case whose cause the hub cannot see, or accept one as it is.
    ///
    /// What still stands cannot be closed: it closes by itself when it is mended. What is accepted
    /// stays unproven, its difference stays in the bridges, and it opens again if it changes.
    Close {
        /// Its id or that of its cause, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
        /// Its cause stands, and is taken as it is.
        #[arg(long)]
        accept: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Skip what a case is about: it is not done, and will not be.
    ///
    /// For what the books refused, with what cannot be without it, and for what cannot be read. News
    /// of the source replaces it as usual, and `trueup retry` takes it up again. What the books lack
    /// for it stays a difference, which says who skipped it and why.
    Skip {
        /// Its id or that of its cause, or the beginning of it.
        #[arg(value_name = "CASE")]
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Say whose work a case is.
    Assign {
        /// Its id or that of its cause, or the beginning of it.
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
        /// Its id or that of its cause, or the beginning of it.
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
            let case = find(&hub, &id)?.id().to_owned();
            let what = if accept { What::Accept { case } } else { What::Close { case } };
            decide(&hub, what, who)
        }
        Some(CasesCommand::Assign { id, assignee, who }) => {
            let case = find(&hub, &id)?.id().to_owned();
            decide(&hub, What::Assign { case, assignee: assignee.unwrap_or_default() }, who)
        }
        Some(CasesCommand::Skip { id, who }) => {
            let case = find(&hub, &id)?.id().to_owned();
            decide(&hub, What::Skip { case }, who)
        }
        Some(CasesCommand::Note { id, who }) => {
            let case = find(&hub, &id)?.id().to_owned();
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
        for one in lines(&found, args.each) {
            let case = &one.first;
            let age = match case.closed_at {
                Some(_) => print::plain(case.closed_as.as_deref().unwrap_or("closed")),
                None => print::age(age_days(case)),
            };
            table.add_row([
                print::id(one.id()),
                print::word(&case.kind),
                case.entity.clone(),
                amounts(&one),
                age,
                owner(&case.owner, &one.assignee),
                about(&one),
            ]);
        }
        let text =
            format!("{}{open} open. `trueup cases show CASE` says more.\n", print::lines(&table));
        say(&text)?;
    }
    Ok(if open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The open cases of one cause together, the others one by one.
fn lines(found: &[Case], each: bool) -> Vec<Together> {
    let (open, closed): (Vec<&Case>, Vec<&Case>) =
        found.iter().partition(|case| case.is_open() && !each);
    let mut lines = cases::together(open);
    lines.extend(closed.into_iter().flat_map(|case| cases::together([case])));
    lines.sort_by_key(|one| one.first.opened_at);
    lines
}

fn amounts(one: &Together) -> String {
    let amounts = one.amounts.iter().map(|(code, minor)| print::money(*minor, code));
    amounts.collect::<Vec<_>>().join(", ")
}

/// What happened, or how often what happened.
fn about(one: &Together) -> String {
    match one.count {
        1 => print::short(&one.first.title),
        count => print::short(&format!("{count} of one cause: {}", one.first.detail)),
    }
}

/// The team, and the person of it who works on the case.
fn owner(team: &str, assignee: &str) -> String {
    if assignee.is_empty() {
        return team.to_owned();
    }
    print::short(&format!("{team}, {assignee}"))
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
        "cause": (!case.cause.is_empty()).then_some(&case.cause),
    })
}

/// What an id names: a case, or the cause of several.
enum Named {
    Case(Box<Case>),
    Cause(String),
}

impl Named {
    fn id(&self) -> &str {
        match self {
            Self::Case(case) => &case.id,
            Self::Cause(id) => id,
        }
    }
}

/// The one case or cause whose id begins so.
fn find(hub: &Hub, id: &str) -> Result<Named> {
    match beginning(hub, id)? {
        Some(named) => Ok(named),
        None => {
            let what = format!("there is no case `{}`", print::plain(id));
            Err(Failure::unknown(what, "`trueup cases --all` lists them").into())
        }
    }
}

fn beginning(hub: &Hub, id: &str) -> Result<Option<Named>> {
    /// More than one is too many, and a few show that it is.
    const FEW: i64 = 20;
    let (mut found, mut causes) = hub.store.read(|tx| match cases::find(tx, id)? {
        Some(case) => Ok((vec![case], Vec::new())),
        None => Ok((cases::beginning(tx, id, FEW)?, cases::causes_beginning(tx, id, FEW)?)),
    })?;
    if found.len() + causes.len() > 1 {
        let what = format!("several cases begin with `{}`", print::plain(id));
        return Err(Failure::unknown(what, "give more of the id").into());
    }
    Ok(found.pop().map(|case| Named::Case(Box::new(case))).or(causes.pop().map(Named::Cause)))
}

/// The id of the case or cause that begins so, or what was named itself.
pub fn named(hub: &Hub, id: &str) -> Result<String> {
    Ok(beginning(hub, id)?.map_or_else(|| id.to_owned(), |named| named.id().to_owned()))
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

/// The cases of one cause, and what can be done about all of them.
fn show_cause(hub: &Hub, id: &str, as_json_text: bool) -> Result<ExitCode> {
    let (members, decided) =
        hub.store.read(|tx| Ok((cases::of_cause(tx, id)?, kept::about(tx, id)?)))?;
    if as_json_text {
        say_json(&members.iter().map(as_json).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for one in cases::together(&members) {
        let case = &one.first;
        let short = print::id(id);
        let amounts = amounts(&one);
        text.push_str(&format!("{} cases of one cause\n", one.count));
        for (name, value) in [
            ("cause", id),
            ("type", &print::word(&case.kind)),
            ("entity", &case.entity),
            ("amount", &amounts),
            ("owner", &owner(&case.owner, &one.assignee)),
            ("oldest", &format!("{} ({})", case.opened_at, print::age(age_days(case)))),
            ("what", &case.detail),
            ("next", &case.remedy),
        ] {
            text.push_str(&field(name, value));
        }
        if can_retry(case) {
            text.push_str(&field(
                "",
                &format!("`trueup retry {short}` takes all of them up again"),
            ));
        }
        let way =
            format!("`trueup cases close {short} --accept --reason WHY` takes all as they are");
        text.push_str(&field("", &way));
    }
    for case in members.iter().take(CASES_OF_A_CAUSE) {
        let title = format!("{}  {}", print::id(&case.id), case.title);
        text.push_str(&field("case", &title));
    }
    if members.len() > CASES_OF_A_CAUSE {
        let more = format!("{} more; --json lists all", members.len() - CASES_OF_A_CAUSE);
        text.push_str(&field("", &more));
    }
    for one in &decided {
        text.push_str(&field("decided", &did(one)));
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A line of what is shown of a case; none where there is nothing to say.
fn field(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("  {name:<8} {}\n", print::plain(value))
}

fn did(one: &kept::Decision) -> String {
    let assignee = if one.assignee.is_empty() { "" } else { " to " };
    let why = if one.reason.is_empty() { String::new() } else { format!(": {}", one.reason) };
    format!("{}{assignee}{} by {}, {}{why}", one.kind, one.assignee, one.person, one.made_at)
}

fn show(hub: &Hub, id: &str, as_json_text: bool) -> Result<ExitCode> {
    let case = match find(hub, id)? {
        Named::Case(case) => case,
        Named::Cause(id) => return show_cause(hub, &id, as_json_text),
    };
    let (decided, cause, others, skipping) = hub.store.read(|tx| {
        let mut decided = kept::about(tx, &case.id)?;
        if !case.cause.is_empty() {
            decided.extend(kept::about(tx, &case.cause)?);
        }
        decided.extend(kept::about(tx, &case.subject)?);
        decided.sort_by_key(|one| one.made_at);
        let cause = if case.is_open() { decisions::cause(tx, &case)? } else { None };
        let others = if case.is_open() { cases::of_cause(tx, &case.cause)?.len() } else { 0 };
        let skipping = match case.is_open() {
            true => decisions::skippable(tx, &case)?.ok().map(|what| what.in_words()),
            false => None,
        };
        Ok((decided, cause, others, skipping))
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
    let mut fact = |name: &str, value: &str| text.push_str(&field(name, value));
    fact("case", &case.id);
    fact("type", &print::word(&case.kind));
    fact("about", &case.subject);
    fact("entity", &case.entity);
    fact("amount", &print::money(case.amount, &case.currency));
    fact("owner", &owner(&case.owner, &case.assignee));
    fact("opened", &format!("{} ({})", case.opened_at, print::age(age_days(&case))));
    if let Some(closed) = case.closed_at {
        fact("closed", &format!("{closed}, {}", case.ending().unwrap_or_default()));
    }
    fact("what", &case.detail);
    if others > 1 {
        let many = format!(
            "{} cases have this cause: `trueup cases show {}`",
            others,
            print::id(&case.cause)
        );
        fact("", &many);
    }
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
        if let Some(skipping) = skipping {
            fact("", &format!("`trueup cases skip {short} --reason WHY` if it is not to be done"));
            fact("", &skipping);
        }
    } else if case.is_skipped() && can_retry(&case) {
        fact("", &format!("`trueup retry {short}` takes it up again"));
    }
    for one in decided {
        fact("decided", &did(&one));
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether taking it up again is an answer to the case.
fn can_retry(case: &Case) -> bool {
    const KINDS: [&str; 15] = [
        "refused",
        "gone_from_books",
        "right_missing",
        "customer_unclear",
        "connection_suspended",
        "another_target",
        "target_unfit",
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
