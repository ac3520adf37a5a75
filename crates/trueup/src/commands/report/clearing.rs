//! `trueup report clearing`.

use std::process::ExitCode;

use anyhow::Result;
use jiff::civil::Date;
use trueup_domain::money::Money;
use trueup_hub::Hub;
use trueup_hub::bridges::Shown as Bridge;
use trueup_hub::clearing::{self, Account, Report, Wanted};

use super::{Written, json};
use crate::commands::month;
use crate::print;
use crate::sheet::{Holds, Sheet, Value};
use crate::wiring;

/// Report what stands between sale and payout over a month: what the provider owes, and the books hold.
///
/// The month before this one if none is named.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup report clearing
  trueup report clearing --month 2026-05 --entity eu
  trueup report clearing --month 2026-05 --format csv --output clearing.csv")]
pub struct ClearingArgs {
    /// The month, such as 2026-10.
    #[arg(long, value_name = "MONTH", value_parser = month)]
    month: Option<Date>,
    /// This legal entity alone.
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
    #[command(flatten)]
    written: Written,
}

pub fn run(hub: &Hub, args: &ClearingArgs) -> Result<ExitCode> {
    let now = wiring::now();
    let wanted = Wanted::of(args.month, args.entity.clone(), now);
    let report = hub.store.read(|tx| clearing::build(tx, hub, &wanted, now))?;
    args.written.write(|| table(&report), || json(&report), || sheet(&report))
}

fn money(amount: Money) -> String {
    print::money(amount.minor(), amount.currency().code())
}

fn moves(account: &Account) -> [Money; 7] {
    let Account { opening, captured, refunded, ledger, paid_out, matched, closing, .. } = *account;
    [opening, captured, refunded, ledger, paid_out, matched, closing]
}

fn table(report: &Report) -> String {
    let mut text = format!("Clearing {} to {}\n\n", report.from, report.to);
    if report.accounts.is_empty() {
        text.push_str("Nothing has been captured at a provider by then.\n");
        return text;
    }
    let mut table = print::table([
        "Entity", "Provider", "Currency", "Opening", "Captured", "Refunded", "Ledger", "Paid out",
        "Matched", "Closing",
    ]);
    for account in &report.accounts {
        let code = account.currency.code();
        let mut row =
            vec![print::short(&account.entity), print::short(&account.provider), code.to_owned()];
        row.extend(moves(account).map(|money| print::amount(money.minor(), code)));
        table.add_row(row);
    }
    print::right(&mut table, [3, 4, 5, 6, 7, 8, 9]);
    text.push_str(&print::lines(&table));
    text.push('\n');
    for account in &report.accounts {
        let open = &account.not_paid_out;
        let since = open.since.as_deref().map(|day| format!(", the oldest of {day}"));
        text.push_str(&format!(
            "{} {}: {} in no payout by then ({} rows{})\n",
            print::plain(&account.entity),
            print::short(&account.provider),
            money(open.amount),
            open.count,
            since.unwrap_or_default(),
        ));
        text.push_str(&tied(&account.owed));
        match &account.tie {
            Some(tie) => text.push_str(&tied(tie)),
            None => text.push_str("  the books have not been asked what their account holds\n"),
        }
    }
    text
}

/// Where the closing leads, with the steps to it.
fn tied(bridge: &Bridge) -> String {
    let mut text = format!(
        "  {} {}, {} unexplained\n",
        money(bridge.to_total),
        print::plain(&bridge.to),
        money(bridge.unexplained),
    );
    for step in &bridge.steps {
        let (name, amount) = (print::short(&step.name), money(step.amount));
        text.push_str(&format!("    {name} ({}): {amount}\n", step.count));
    }
    text
}

fn sheet(report: &Report) -> Sheet {
    let mut sheet = Sheet::new("clearing");
    for name in ["entity", "provider", "currency", "from", "to"] {
        sheet.column(name, Holds::Text);
    }
    let exponents = report.accounts.iter().map(|account| account.currency.exponent());
    let scale = exponents.max().unwrap_or(2);
    let amounts = [
        "opening",
        "captured",
        "refunded",
        "ledger",
        "paid_out",
        "matched",
        "closing",
        "not_paid_out",
        "not_paid_out_unexplained",
        "in_books",
        "in_books_unexplained",
    ];
    for name in amounts {
        sheet.column(name, Holds::Number { scale });
    }
    for account in &report.accounts {
        let texts = [
            account.entity.as_str(),
            &account.provider,
            account.currency.code(),
            &report.from,
            &report.to,
        ];
        let mut cells: Vec<Value> = texts.into_iter().map(Value::from).collect();
        cells.extend(moves(account).map(Value::from));
        cells.push(account.not_paid_out.amount.into());
        cells.push(account.owed.unexplained.into());
        let tie = account.tie.as_ref();
        for amount in [tie.map(|it| it.to_total), tie.map(|it| it.unexplained)] {
            cells.push(amount.map_or_else(|| Value::from(""), Value::from));
        }
        sheet.rows.push(cells);
    }
    sheet
}
