//! `trueup invoice`: an invoice that somebody asks for later.

use std::process::ExitCode;

use anyhow::Result;
use trueup_hub::decisions::What;
use trueup_store::documents;

use super::cases::{Who, decide};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// Give a sale an invoice of its own, which somebody asked for.
///
/// For a sale that went into the books within the entry of a day or payout, which a further entry then
/// takes out again, and for one that was invoiced to a customer whom many share. It is made out to the
/// buyer as the channel states him, with the company and the VAT number given here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup invoice '#1042' --reason 'he wrote on Monday'
  trueup invoice '#1042' --company 'Schmidt GmbH' --vat-number DE136695976 --reason 'ticket 4711'

Exit status: 0 it is decided; 1 it cannot be done, or no sale or several are called so")]
pub struct InvoiceArgs {
    /// The order's number, the channel's own id, or the id of the sale.
    #[arg(value_name = "ORDER")]
    order: String,
    /// The company that it is made out to.
    #[arg(long, value_name = "NAME")]
    company: Option<String>,
    /// Its VAT number, with the prefix of its country.
    #[arg(long, value_name = "NUMBER")]
    vat_number: Option<String>,
    #[command(flatten)]
    who: Who,
}

pub fn run(global: &Global, args: InvoiceArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    let found = hub.store.read(|tx| documents::search_sales(tx, &args.order, 3))?;
    let exact = |it: &&documents::ShownRoot| {
        [&it.id, &it.external_id, &it.number].iter().any(|own| **own == args.order)
    };
    let mut named: Vec<_> = found.iter().filter(exact).collect();
    if named.is_empty() {
        named = found.iter().collect();
    }
    let [sale] = named.as_slice() else {
        let many = if named.is_empty() { "no sale is" } else { "several sales are" };
        let what = format!("{many} called `{}`", print::plain(&args.order));
        let remedy = "give the channel's id of the order, or the id of the sale";
        return Err(Failure::unknown(what, remedy).into());
    };
    let (sale, company, vat_number) = (sale.id.clone(), args.company, args.vat_number);
    decide(&hub, What::Invoice { sale, company, vat_number }, args.who)
}
