//! `trueup trace`: the whole life of one order.

use std::process::ExitCode;

use anyhow::Result;
use trueup_hub::trace::{self, Trace};
use trueup_store::summaries;

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// Show the life of one order across channel, Odoo, settlement and bank, with its evidence.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup trace '#1042'
  trueup trace 820982911946154508 --json

Exit status: 0 the order is known; 1 it is not")]
pub struct TraceArgs {
    /// The order's number, the channel's own id, or the id of the sale, of a payout, or of what
    /// entries sum up.
    #[arg(value_name = "ORDER")]
    order: String,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(global: &Global, args: &TraceArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let Some(found) = hub.store.read(|tx| trace::trace(tx, &args.order))? else {
        let what = format!("no order is called `{}`", print::plain(&args.order));
        let remedy = "give its number, the channel's id, or a part of the number";
        return Err(Failure::unknown(what, remedy).into());
    };
    if args.json {
        say_json(&found)?;
    } else {
        say(&shown(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(trace: &Trace) -> String {
    let mut text = format!("Order {} ({})\n", print::plain(&trace.number), trace.state);
    let mut fact = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<14} {}\n", print::plain(value)));
        }
    };
    fact("sale", Some(&trace.root));
    fact("day", trace.day.as_deref());
    fact("amount", trace.amount.as_deref());
    fact("entity", trace.entity.as_deref());
    let version = trace.mapping_version.map(|version| version.to_string());
    fact("mapping", version.as_deref().or(Some("none yet")));
    fact("waits for", trace.waiting.as_deref());
    let links: Vec<String> = trace
        .proof
        .iter()
        .map(|(link, status)| format!("{link} {}", print::word(status)))
        .collect();
    fact("proof", Some(&links.join("  ·  ")));
    for capture in &trace.captures {
        let wrong = if capture.holds { "" } else { "  (does not add up)" };
        fact("money", Some(&format!("{}: {}{wrong}", capture.capture, capture.line)));
    }

    section(&mut text, "Documents: what the sources state, with the raw message of each");
    for document in &trace.documents {
        text.push_str(&format!(
            "  {}  {} {}  ({}, message {})\n",
            print::moment(&document.received_at),
            print::word(&document.kind),
            print::plain(&document.external_id),
            document.origin,
            document.message
        ));
    }
    section(&mut text, "Commands: what was asked of the books, and the record that answered");
    for command in &trace.commands {
        let done = command.done_at.as_deref().map_or(" ".repeat(20), print::moment);
        let bound = command.binding.as_deref().map(|it| format!(" → {}", print::plain(it)));
        text.push_str(&format!(
            "  {done}  {} {}{}\n",
            print::word(&command.kind),
            command.state,
            bound.unwrap_or_default()
        ));
        if let Some(goods) = &command.goods {
            text.push_str(&format!("      {}\n", print::plain(goods)));
        }
        text.push_str(&format!("      key {}\n", command.key));
        if let Some(skip) = &command.skipped {
            let with = skip.with.as_ref().map(|head| format!(", with {head}"));
            text.push_str(&format!(
                "      skipped by {}, {}: {}{}\n",
                print::plain(&skip.person),
                print::moment(&skip.at),
                print::plain(&skip.reason),
                with.unwrap_or_default()
            ));
        }
        if let Some(error) = &command.error {
            text.push_str(&format!(
                "      after {} attempts: {}\n",
                command.attempts,
                print::plain(error)
            ));
        }
    }
    if !trace.entries.is_empty() {
        section(&mut text, "Entries: the sums in which it is in the books");
    }
    for entry in &trace.entries {
        let record = entry.record.as_deref().or(entry.error.as_deref()).unwrap_or_default();
        text.push_str(&format!(
            "  {} entry {} of {}  {}  {} {}  {}  {}\n",
            print::plain(&entry.summary),
            entry.number,
            entry.dated,
            entry.state.as_deref().unwrap_or("not asked for"),
            entry.sales,
            summaries::counted(&entry.summary, entry.sales),
            print::word(&entry.status),
            print::plain(record)
        ));
        for order in &entry.orders {
            let (number, root) = (print::plain(&order.number), print::plain(&order.root));
            text.push_str(&format!("      {number}  ({root})\n"));
        }
        for units in &entry.units {
            text.push_str(&format!("      {}\n", print::plain(units)));
        }
    }
    section(&mut text, "Sides: what each says under one key");
    for key in &trace.keys {
        let found = key.break_kind.as_deref().map(|kind| format!(": {}", print::word(kind)));
        text.push_str(&format!(
            "  {}  {}{}\n",
            print::plain(&key.key),
            print::word(&key.status),
            found.unwrap_or_default()
        ));
        for side in &key.sides {
            let evidence = if side.evidence.is_empty() {
                String::new()
            } else {
                format!("  ({})", print::plain(&side.evidence.join(", ")))
            };
            let (word, amount, day) = (&side.side, &side.amount, &side.day);
            text.push_str(&format!("      {word:<10} {amount:>16}  {day}{evidence}\n"));
        }
        if !key.detail.is_empty() {
            text.push_str(&format!("      {}\n", print::plain(&key.detail)));
        }
        if let Some(due) = &key.due {
            text.push_str(&format!("      due {due}\n"));
        }
    }
    section(&mut text, "Journal of the sub-ledger: debit is positive");
    if !trace.journal.is_empty() {
        text.push_str(&journal(trace));
    }
    section(&mut text, "Cases");
    for case in &trace.cases {
        let state = if case.open { "open" } else { "closed" };
        text.push_str(&format!(
            "  {}  {state}  {}\n      {}\n",
            print::id(&case.id),
            print::plain(&case.title),
            print::plain(&case.detail)
        ));
    }
    text
}

fn section(text: &mut String, title: &str) {
    text.push_str(&format!("\n{title}\n"));
}

fn journal(trace: &Trace) -> String {
    let mut table = print::table(["Day", "Fact", "Booker", "Account role", "Amount"]);
    print::right(&mut table, [4]);
    for line in &trace.journal {
        let back = if line.reversal { " reversed" } else { "" };
        let role = if line.qualifier.is_empty() {
            line.role.clone()
        } else {
            format!("{}/{}", line.role, line.qualifier)
        };
        table.add_row([
            line.day.clone(),
            print::short(&format!("{} #{}{back}", line.fact, line.generation)),
            line.booker.clone(),
            print::short(&role),
            line.amount.clone(),
        ]);
    }
    print::lines(&table)
}
