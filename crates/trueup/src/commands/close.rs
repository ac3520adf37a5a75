//! `trueup close`: what is open over the end of a month, and the entries that show it.

use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use trueup_domain::document::{Advance, Deferral};
use trueup_domain::journal::Role;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_hub::{Hub, month_end};
use trueup_store::{commands, mappings, month_ends};

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// List what is open over the end of a month, and post it as deposits.
///
/// That is what customers paid and nobody invoiced, and, where invoices follow the money, what is
/// invoiced and has not left. Each channel and currency has one entry for each of the two on the last
/// day of the month, from the receivable or from sales to the account of the role
/// `customer_deposits`, and its opposite on the day after. Nothing is posted without `--apply`. Posted once, the same again posts nothing; what has changed since takes the
/// old entries back and posts new ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup close --month 2026-10
  trueup close --month 2026-10 --connection shop-eu --json
  trueup close --month 2026-10 --apply --by ada --reason 'close of October'

Exit status: 0 listed, or asked for; 1 an account is missing in a mapping, or the month is not over; \
2 no such connection")]
pub struct CloseArgs {
    /// The month, such as 2026-10.
    #[arg(long, value_name = "MONTH", value_parser = super::month)]
    month: Date,
    /// Only this channel.
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// Post the entries.
    #[arg(long)]
    apply: bool,
    /// Who decides it.
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    connection: String,
    last_day: Date,
    day_after: Date,
    /// Debit of the receivable and credit of the deposits on the last day.
    total: Money,
    advances: Vec<Advance>,
    /// Debit of sales and credit of the deposits on the last day.
    deferred: Money,
    deferrals: Vec<Deferral>,
    entries: Vec<Posted>,
}

/// An entry that was asked for before.
#[derive(Serialize)]
struct Posted {
    key: String,
    state: String,
    record: Option<String>,
    error: Option<String>,
}

pub fn run(global: &Global, args: &CloseArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    if let Some(name) = &args.connection {
        wiring::find(&settings, name)?;
    }
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let now = Timestamp::now();
    let mut shown = Vec::new();
    for name in hub.setup.connections.keys() {
        if args.connection.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let of_channel = name.clone();
        let mapping = hub.store.read(move |tx| mappings::get(tx, &of_channel, None))?;
        let Some(mapping) = mapping else { continue };
        if args.apply {
            apply(&hub, args, name, &mapping, now)?;
        }
        shown.extend(open(&hub, args, name)?);
    }
    if args.json {
        say_json(&shown)?;
    } else {
        say(&in_words(args, &shown))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn apply(
    hub: &Hub,
    args: &CloseArgs,
    connection: &str,
    mapping: &Mapping,
    now: Timestamp,
) -> Result<()> {
    let person = args.by.as_deref().map(str::trim).unwrap_or_default().to_owned();
    if person.is_empty() {
        return Err(Failure::usage("nobody is named who decides it", "add --by NAME").into());
    }
    let zone = jiff::tz::TimeZone::get(&mapping.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    if now.to_zoned(zone).date() <= args.month.last_of_month() {
        let what = format!("{} is not over", args.month.strftime("%Y-%m"));
        return Err(Failure::unknown(what, "close a month after its last day").into());
    }
    let (name, day) = (connection.to_owned(), args.month);
    let own = hub.clone();
    let anything = !hub.store.read(move |tx| month_end::open(tx, &own, &name, day))?.is_empty();
    if anything && mapping.account(Role::CustomerDeposits, None).is_err() {
        let what = format!("the mapping of `{connection}` has no account for `customer_deposits`");
        let remedy = "run `trueup odoo setup` with --apply, or name an account in the mapping, and \
                      approve it";
        return Err(Failure::unknown(what, remedy).into());
    }
    let (own, name, reason) = (hub.clone(), connection.to_owned(), args.reason.clone());
    hub.store.write(move |tx| {
        month_end::decide(tx, &own, &name, day, (person.as_str(), reason.as_str()), now)
    })?;
    Ok(())
}

fn open(hub: &Hub, args: &CloseArgs, connection: &str) -> Result<Vec<Shown>> {
    let (name, day) = (connection.to_owned(), args.month);
    let last_day = day.last_of_month();
    let start = format!("{name}/month_end/{}/", last_day.strftime("%Y-%m"));
    let (open, posted) = hub.store.read(move |tx| {
        let mut open = month_end::open(tx, hub, &name, day)?;
        let mut posted = Vec::new();
        for root in month_ends::decided(tx, &name)? {
            let code = root.strip_prefix(&start).and_then(|code| Currency::parse(code).ok());
            if let Some(currency) = code {
                posted.push((currency, commands::of_root(tx, &root)?));
                open.entry(currency).or_default();
            }
        }
        Ok((open, posted))
    })?;
    let mut shown = Vec::new();
    for (currency, month_end::Open { advances, deferrals }) in open {
        let own = posted.iter().filter(|(of, _)| *of == currency);
        shown.push(Shown {
            connection: connection.to_owned(),
            last_day,
            day_after: last_day.tomorrow()?,
            total: Money::sum(currency, advances.iter().map(|one| one.amount))?,
            advances,
            deferred: Money::sum(currency, deferrals.iter().map(|one| one.amount))?,
            deferrals,
            entries: own
                .flat_map(|(_, commands)| commands)
                .map(|command| Posted {
                    key: command.key.clone(),
                    state: command.state.clone(),
                    record: command.binding.clone(),
                    error: command.error.clone(),
                })
                .collect(),
        });
    }
    Ok(shown)
}

fn in_words(args: &CloseArgs, shown: &[Shown]) -> String {
    let month = args.month.strftime("%Y-%m");
    if shown.is_empty() {
        return format!(
            "nothing that was paid by the end of {month} waits for an invoice, and nothing that was \
             invoiced with the money waits to leave\n"
        );
    }
    let mut text = String::new();
    for one in shown {
        // What was posted and is open no more is shown as nothing.
        if !one.advances.is_empty() || one.deferrals.is_empty() {
            let what = format!("was paid by {} and is in no invoice of that day", one.last_day);
            let advances = one.advances.iter().map(|it| (&it.number, it.amount, &it.sale));
            text.push_str(&listed(one, &what, ("Advance", "receivable"), one.total, advances));
        }
        if !one.deferrals.is_empty() {
            let what = format!("was invoiced with the money and has not left by {}", one.last_day);
            let deferrals = one.deferrals.iter().map(|it| (&it.number, it.amount, &it.sale));
            text.push_str(&listed(one, &what, ("Deferred", "sales"), one.deferred, deferrals));
        }
        for entry in &one.entries {
            let record = entry.record.as_deref().or(entry.error.as_deref()).unwrap_or_default();
            let line = format!("  {}: {} {record}", entry.key, entry.state);
            text.push_str(&format!("{}\n", print::plain(line.trim_end())));
        }
        if !args.apply && one.entries.is_empty() {
            text.push_str("  not posted; --apply posts it\n");
        }
    }
    text
}

/// The sales behind one entry, and what it moves to the deposits.
fn listed<'a>(
    one: &Shown,
    what: &str,
    (heading, from): (&str, &str),
    total: Money,
    sales: impl Iterator<Item = (&'a String, Money, &'a String)>,
) -> String {
    let mut table = print::table(["Order", heading, "Sale"]);
    print::right(&mut table, [1]);
    for (number, amount, sale) in sales {
        table.add_row([print::short(number), amount.to_string(), print::short(sale)]);
    }
    format!(
        "{}: {total} {what}\n{}  {}  debit {from} {amount}, credit customer_deposits {amount}\n  {}  \
         the opposite\n",
        print::plain(&one.connection),
        print::lines(&table),
        one.last_day,
        one.day_after,
        amount = total.amount_text()
    )
}
