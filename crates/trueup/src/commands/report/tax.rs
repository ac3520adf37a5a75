//! `trueup report tax`.

use std::process::ExitCode;

use anyhow::Result;
use trueup_hub::Hub;
use trueup_hub::taxes::{self, Report, Wanted};

use super::{Common, json};
use crate::print;
use crate::sheet::{Holds, Sheet, Value};
use crate::wiring;

/// Report taxes by regime, jurisdiction, rate, who remits them, and period.
///
/// A correction of an earlier period stands in a row of its own, with its original period.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup report tax --from 2026-05-01 --to 2026-05-31
  trueup report tax --entity eu --format csv --output vat.csv")]
pub struct TaxArgs {
    #[command(flatten)]
    common: Common,
}

impl TaxArgs {
    pub(super) fn plain(common: Common) -> Self {
        Self { common }
    }
}

pub fn run(hub: &Hub, args: &TaxArgs) -> Result<ExitCode> {
    let (from, to) = args.common.days(hub)?;
    let wanted = Wanted {
        from,
        to,
        periods: args.common.calendar,
        channel: args.common.channel.clone(),
        entity: args.common.entity.clone(),
    };
    let report = hub.store.read(|tx| taxes::build(tx, hub, &wanted, wiring::now()))?;
    args.common.written.write(|| table(&report), || json(&report), || sheet(&report))
}

fn table(report: &Report) -> String {
    let mut text = format!("Taxes {} to {}: {}\n\n", report.from, report.to, report.date_basis);
    let mut table = print::table([
        "Entity",
        "Period",
        "Regime",
        "Jurisdiction",
        "Rate",
        "Remitted by",
        "Of",
        "Currency",
        "Base",
        "Tax",
    ]);
    for row in &report.rows {
        let code = row.tax.currency().code();
        table.add_row([
            print::short(&row.entity),
            row.period.clone(),
            print::word(&row.regime),
            print::short(&row.jurisdiction),
            row.rate.clone(),
            row.remitted_by.clone(),
            row.original_period.clone(),
            code.to_owned(),
            print::amount(row.base.minor(), code),
            print::amount(row.tax.minor(), code),
        ]);
    }
    print::right(&mut table, [4, 8, 9]);
    text.push_str(&print::lines(&table));
    text.push('\n');
    for total in &report.totals {
        let tax = print::money(total.tax.minor(), total.tax.currency().code());
        let entity = print::plain(&total.entity);
        text.push_str(&format!("{entity}, remitted by {}: {tax}\n", total.remitted_by));
    }
    text.push_str("\nAgainst the books' own tax lines, in whole months\n");
    if report.ties.is_empty() {
        text.push_str("  no whole month, or the books have not been asked\n");
    }
    for tie in &report.ties {
        let name = print::short(tie.name.as_deref().unwrap_or(&tie.tax));
        let bridge = &tie.bridge;
        let money =
            |amount: trueup_domain::Money| print::money(amount.minor(), amount.currency().code());
        text.push_str(&format!(
            "  {} {name}: {} here, {} in the books, {} unexplained\n",
            print::plain(&tie.entity),
            money(bridge.from_total),
            money(bridge.to_total),
            money(bridge.unexplained),
        ));
        for step in &bridge.steps {
            let amount = money(step.amount);
            text.push_str(&format!(
                "    {} ({}): {amount}\n",
                print::short(&step.name),
                step.count
            ));
        }
    }
    text
}

fn sheet(report: &Report) -> Sheet {
    let mut sheet = Sheet::new("tax");
    let texts = [
        "entity",
        "period",
        "regime",
        "jurisdiction",
        "rate",
        "remitted_by",
        "original_period",
        "currency",
    ];
    for name in texts {
        sheet.column(name, Holds::Text);
    }
    let exponents = report.rows.iter().map(|row| row.tax.currency().exponent());
    let scale = exponents.max().unwrap_or(2);
    sheet.column("base", Holds::Number { scale });
    sheet.column("tax", Holds::Number { scale });
    sheet.column("documents", Holds::Number { scale: 0 });
    for row in &report.rows {
        let texts = [
            row.entity.as_str(),
            &row.period,
            &row.regime,
            &row.jurisdiction,
            &row.rate,
            &row.remitted_by,
            &row.original_period,
            row.tax.currency().code(),
        ];
        let mut cells: Vec<Value> = texts.into_iter().map(Value::from).collect();
        cells.extend([row.base.into(), row.tax.into(), row.documents.into()]);
        sheet.rows.push(cells);
    }
    sheet
}
