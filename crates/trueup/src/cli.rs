//! The command line: what can be asked, and what each exit status means.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    audit, backup, cases, check, close, completeness, correct, decode, entries, explain, hold,
    ingest, init, invoice, mapping, odoo, poll, reconcile, replay, report, retry, schedules, serve,
    trace,
};
use crate::demo;

/// The name of the configuration file, where `--config` names no other.
pub const CONFIG: &str = "trueup.toml";

const AFTER_HELP: &str = "\
Exit status:
  0  done; nothing is wrong
  1  problems were found, or input was bad
  2  the command line or the configuration is wrong
  3  a database or a service could not be reached

Begin with:
  trueup demo --once         see a week of a retailer, without any service
  trueup init                write a commented trueup.toml
  trueup check               see what is still missing, and how to mend it
  trueup serve               take webhooks, poll, deliver, reconcile; open the console

Errors carry a code such as TU203; `trueup explain TU203` says what it means.";

/// Proves to the cent that channel, Odoo, settlement and bank agree, or names what does not.
#[derive(Debug, Parser)]
#[command(name = "trueup", version, about, after_help = AFTER_HELP)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The configuration file.
    #[arg(long, global = true, env = "TRUEUP_CONFIG", default_value = CONFIG, value_name = "FILE")]
    pub config: PathBuf,
    /// What is logged to the standard error stream, such as `info` or `trueup_hub=debug`.
    #[arg(long, global = true, env = "TRUEUP_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Serve(serve::ServeArgs),
    Demo(demo::command::DemoArgs),
    Decode(decode::DecodeArgs),
    Ingest(ingest::IngestArgs),
    Poll(poll::PollArgs),
    Completeness(completeness::CompletenessArgs),
    Reconcile(reconcile::ReconcileArgs),
    Report(report::ReportArgs),
    Trace(trace::TraceArgs),
    Entries(entries::EntriesArgs),
    Close(close::CloseArgs),
    Invoice(invoice::InvoiceArgs),
    Cases(cases::CasesArgs),
    Retry(retry::RetryArgs),
    Correct(correct::CorrectArgs),
    Audit(audit::AuditArgs),
    Replay(replay::ReplayArgs),
    Hold(hold::HoldArgs),
    Release(hold::ReleaseArgs),
    Schedules(schedules::SchedulesArgs),
    Mapping(mapping::MappingArgs),
    Odoo(odoo::OdooArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Explain(explain::ExplainArgs),
}

impl Cli {
    pub fn run(self) -> Result<ExitCode> {
        let global = &self.global;
        match self.command {
            Command::Init(args) => init::run(global, &args),
            Command::Check(args) => check::run(global, &args),
            Command::Serve(args) => serve::run(global, &args),
            Command::Demo(args) => demo::command::run(&args),
            Command::Decode(args) => decode::run(&args),
            Command::Ingest(args) => ingest::run(global, &args),
            Command::Poll(args) => poll::run(global, &args),
            Command::Completeness(args) => completeness::run(global, &args),
            Command::Reconcile(args) => reconcile::run(global, &args),
            Command::Report(args) => report::run(global, &args),
            Command::Trace(args) => trace::run(global, &args),
            Command::Entries(args) => entries::run(global, &args),
            Command::Close(args) => close::run(global, &args),
            Command::Invoice(args) => invoice::run(global, args),
            Command::Cases(args) => cases::run(global, args),
            Command::Retry(args) => retry::run(global, args),
            Command::Correct(args) => correct::run(global, args),
            Command::Audit(args) => audit::run(global, args),
            Command::Replay(args) => replay::run(global, args),
            Command::Hold(args) => hold::hold(global, args),
            Command::Release(args) => hold::release(global, args),
            Command::Schedules(args) => schedules::run(global, args),
            Command::Mapping(args) => mapping::run(global, args),
            Command::Odoo(args) => odoo::run(global, args),
            Command::Backup(args) => backup::run(global, &args),
            Command::Restore(args) => backup::restore(global, &args),
            Command::Explain(args) => explain::run(&args),
        }
    }

    /// What is logged when nobody says otherwise: a server tells what it does, a command only what
    /// goes wrong.
    pub fn log_filter(&self) -> &str {
        let usual = if matches!(self.command, Command::Serve(_)) { "info" } else { "warn" };
        self.global.log.as_deref().unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if command.get_name() != "demo" {
                assert!(help.contains("trueup "), "{} shows no example", command.get_name());
            }
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
        }
    }
}
