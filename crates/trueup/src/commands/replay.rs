//! `trueup replay`: what was taken in is read and decided again, after something was mended.

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trueup_hub::replay::{self, CHANGES_MAX, Plan, RootChange, Selection};

use super::cases::{Who, decide, named};
use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// More than these are counted, not listed; `--json` has them all.
const LISTED_MAX: usize = 20;

/// Decode and derive again what was taken in, and list what would change; write nothing.
///
/// Messages are read as this version of the connectors reads them, their orders, payouts and rows
/// are decided as this version decides, and the difference to what is stored is listed: documents,
/// journal entries, commands and money. `--apply PLAN` does what the plan of this id lists, and
/// nothing else; it is refused when it would be something else by now.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup replay shop-us/sale/1001
  trueup replay --connection shop-us --kind orders --from 2026-11-01 --to 2026-11-05
  trueup replay --connection shop-us --remap
  trueup replay --connection shop-us --remap --apply 3f2a1b9c0d4e --reason 'account of shipping'

Exit status: 0 nothing would change, or it is done; 1 something would change, or cannot be read")]
pub struct ReplayArgs {
    /// A case, order, document, message, command or key.
    #[arg(value_name = "ID", conflicts_with_all = ["connection", "kind", "from", "to"])]
    about: Option<String>,
    /// The messages of this connection.
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Messages of this kind, or of all kinds that begin with it and a slash.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Messages that came in on this day (UTC) or from this moment on.
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Messages that came in up to this day (UTC), or before this moment.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Everything that was ever taken in.
    #[arg(long, conflicts_with_all = ["about", "connection", "kind", "from", "to"])]
    all: bool,
    /// Decide by the newest mapping, not by the one that a sale was first booked by.
    #[arg(long)]
    remap: bool,
    /// Do what the plan of this id lists.
    #[arg(long, value_name = "PLAN")]
    apply: Option<String>,
    /// So many messages and orders may change at most.
    #[arg(long, value_name = "NUMBER", default_value_t = CHANGES_MAX)]
    limit: usize,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    who: Who,
}

pub fn run(global: &Global, args: ReplayArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    if let Some(name) = &args.connection {
        wiring::find(&settings, name)?;
    }
    let narrowed = [&args.about, &args.connection, &args.kind, &args.from, &args.to];
    if !args.all && narrowed.iter().all(|it| it.is_none()) {
        let what = "nothing says what is to be replayed";
        return Err(Failure::usage(what, "name it, or narrow it, or give --all").into());
    }
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let about = args.about.as_deref().map(|about| named(&hub, about)).transpose()?;
    let selection = Selection {
        about,
        connection: args.connection,
        kind: args.kind,
        from: args.from.as_deref().map(|when| moment(when, false)).transpose()?,
        before: args.to.as_deref().map(|when| moment(when, true)).transpose()?,
        remap: args.remap,
    };
    let Some(plan) = replay::plan(&hub, &selection, wiring::now())? else {
        let name = print::plain(selection.about.as_deref().unwrap_or_default());
        let what = format!("nothing is known of `{name}`");
        return Err(Failure::unknown(what, "`trueup trace` and `trueup cases` show ids").into());
    };
    let Some(wanted) = args.apply else {
        if args.json {
            say_json(&plan)?;
        } else {
            say(&shown(&plan))?;
        }
        let quiet = plan.is_empty() && plan.unreadable.is_empty();
        return Ok(if quiet { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    if wanted != plan.id {
        let what = format!("`{}` is not the plan of today", print::plain(&wanted));
        let remedy = format!("it is {} by now; look at it, then apply it", plan.id);
        return Err(Failure::does_not_apply(what, remedy).into());
    }
    if plan.size() > args.limit {
        let what = format!("{} messages and orders would be taken up again", plan.size());
        let remedy = format!("narrow it, or say --limit {}", plan.size());
        return Err(Failure::does_not_apply(what, remedy).into());
    }
    decide(&hub, plan.decision(), args.who)
}

/// A moment, or the beginning of a day (UTC), or of the day after it.
fn moment(text: &str, end: bool) -> Result<Timestamp, Failure> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day = text.parse::<Date>().ok();
    let day = if end { day.and_then(|day| day.tomorrow().ok()) } else { day };
    let start = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    start.map(|start| start.timestamp()).ok_or_else(|| {
        let what = format!("`{}` is no day and no moment", print::plain(text));
        Failure::usage(what, "write 2026-11-25 or 2026-11-25T14:05:00Z")
    })
}

fn shown(plan: &Plan) -> String {
    let mut text =
        format!("{} messages decoded again, {} roots derived again.\n", plan.messages, plan.roots);
    text.push_str(&changes(plan));
    if plan.is_empty() {
        text.push_str("\nNothing would change.\n");
        return text;
    }
    text.push_str(&format!(
        "\nNothing was written. The same with `--apply {} --reason WHY` does it.\n",
        plan.id
    ));
    text
}

/// What a plan would change, and how much money would move.
pub fn changes(plan: &Plan) -> String {
    let mut text = String::new();
    let mut list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        text.push_str(&format!("\n{title} ({})\n", lines.len()));
        for line in lines.iter().take(LISTED_MAX) {
            text.push_str(&format!("  {}\n", print::plain(line)));
        }
        if lines.len() > LISTED_MAX {
            text.push_str(&format!("  and {} more\n", lines.len() - LISTED_MAX));
        }
    };
    let cannot =
        plan.unreadable.iter().map(|it| format!("{} {}: {}", it.message, it.code, it.error));
    list("Cannot be read any more; what they stated stays", cannot.collect());
    list("Not stated any more by their message; they stay", plan.no_longer_stated.clone());
    list("Messages that can be read now", plan.readable.clone());
    list("Documents", plan.documents_in_words());
    list("Journal entries", plan.entries_in_words());
    list("Commands", plan.commands_in_words());
    list("How they stand", plan.changes.iter().filter_map(standing).collect());
    let money = plan.money.iter().map(|it| {
        let account = [it.entity.as_str(), it.role.as_str(), it.qualifier.as_str()];
        let account = account.iter().filter(|word| !word.is_empty()).copied();
        let account = account.collect::<Vec<_>>().join(" ");
        format!("{account}: {}", print::money(it.minor, &it.currency))
    });
    list("Money, by account", money.collect());
    for (code, minor) in plan.volume() {
        text.push_str(&format!("\n{} would move between accounts.", print::money(minor, code)));
    }
    text
}

fn standing(change: &RootChange) -> Option<String> {
    let hindered = change.hindrance.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let (before, after) = change.standing.as_ref()?;
    Some(format!("{}: {before} -> {after}{hindered}", change.root))
}
