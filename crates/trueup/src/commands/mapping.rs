//! `trueup mapping`: what a source's words mean in the books.

use std::process::ExitCode;

use anyhow::Result;
use jiff::tz::TimeZone;
use trueup_domain::mapping::{GoodsPolicy, Mapping};
use trueup_domain::posting::Posting;
use trueup_store::mappings;

use super::{decode, say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::wiring;

/// Show or approve the mapping of a connection: accounts, journals, products, taxes.
///
/// Sales wait until their connection has one. Versions are never changed: approving makes a new
/// one, and what waits is decided again. A file is refused if somebody else has approved another
/// version since it was printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup odoo setup books --entity us --write-mapping us.json
  trueup mapping approve shop-us us.json --author ann --reason 'first mapping'
  trueup mapping show shop-us

Exit status: 0 done; 1 there is no such mapping, or it does not fit; 2 no such connection")]
pub struct MappingArgs {
    #[command(subcommand)]
    command: MappingCommand,
}

#[derive(Debug, clap::Subcommand)]
enum MappingCommand {
    /// Print a mapping as JSON.
    Show {
        #[arg(value_name = "CONNECTION")]
        connection: String,
        /// This version instead of the newest.
        #[arg(long, value_name = "NUMBER")]
        version: Option<i64>,
    },
    /// Put a mapping in force as a new version.
    Approve {
        #[arg(value_name = "CONNECTION")]
        connection: String,
        /// The mapping as JSON, as `show` and `trueup odoo setup --write-mapping` write it.
        #[arg(value_name = "FILE")]
        file: String,
        /// Who approves it.
        #[arg(long, value_name = "NAME")]
        author: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub fn run(global: &Global, args: MappingArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    match args.command {
        MappingCommand::Show { connection, version } => {
            wiring::find(&settings, &connection)?;
            let hub = wiring::hub(&settings, &wiring::process_environment)?;
            let Some(found) = hub.store.read(|tx| mappings::get(tx, &connection, version))? else {
                let what = format!("no such mapping of `{connection}` has been approved");
                return Err(Failure::unknown(what, "see `trueup mapping approve --help`").into());
            };
            say_json(&found)?;
        }
        MappingCommand::Approve { connection, file, author, reason } => {
            let body = decode::read(&file).map_err(|failure| Failure {
                what: format!("{file}: {}", failure.what),
                ..failure
            })?;
            let mapping: Mapping = serde_json::from_slice(&body).map_err(|error| {
                let what = format!("{file} is no mapping: {error}");
                Failure::file(what, "write it with `trueup odoo setup --write-mapping`")
            })?;
            for (name, text) in [("--author", &author), ("--reason", &reason)] {
                if text.trim().is_empty() {
                    let what = format!("{name} is empty");
                    return Err(Failure::usage(what, "say it: the mapping keeps it").into());
                }
            }
            fits(&settings, &connection, &mapping)?;
            let hub = wiring::hub(&settings, &wiring::process_environment)?;
            let now = wiring::now();
            let name = connection.clone();
            let made_from = mapping.version;
            let approved = hub.store.write(move |tx| {
                let author = author.trim();
                let since = match made_from {
                    0 => Vec::new(),
                    version => mappings::approved_since(tx, &name, version)?,
                };
                match since.into_iter().rfind(|it| it.author != author) {
                    Some(other) => Ok(Err(other)),
                    None => {
                        mappings::approve(tx, &name, &mapping, author, reason.trim(), now).map(Ok)
                    }
                }
            })?;
            let version = approved.map_err(|other| {
                let what = format!(
                    "{file} was made from version {made_from}, and {} has approved version {} since",
                    other.author, other.version
                );
                let show = "put your change into what `trueup mapping show` prints now";
                Failure::does_not_apply(what, show)
            })?;
            say(&format!(
                "Version {version} of the mapping of {connection} is in force; what waited for it \
                 is decided again.\n"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A mapping of another entity would book into the wrong company.
fn fits(settings: &Settings, name: &str, mapping: &Mapping) -> Result<(), Failure> {
    let connection = wiring::find(settings, name)?;
    let wrong = |what: String| {
        Err(Failure::does_not_apply(what, "choose the mapping that was made for this entity"))
    };
    if mapping.entity != connection.entity {
        return wrong(format!(
            "the mapping is of the entity `{}`, and `{name}` belongs to `{}`",
            mapping.entity, connection.entity
        ));
    }
    match settings.connections.get(&mapping.target) {
        Some(target) if target.connector.conversations.is_some_and(|it| it.delivers) => {}
        _ => {
            let target = &mapping.target;
            return wrong(format!("its books `{target}` are no connection that keeps books"));
        }
    }
    let Some(entity) = settings.entities.get(&mapping.entity) else {
        return wrong(format!("there is no entity `{}`", mapping.entity));
    };
    if entity.currency != mapping.currency {
        return wrong(format!(
            "it is in {}, and the entity `{}` keeps its books in {}",
            mapping.currency, mapping.entity, entity.currency
        ));
    }
    if entity.company.as_ref().is_some_and(|company| *company != mapping.company) {
        return wrong(format!("it is of the company {}", mapping.company));
    }
    if TimeZone::get(&mapping.time_zone).is_err() {
        return wrong(format!("`{}` is no time zone", mapping.time_zone));
    }
    if mapping.goods == GoodsPolicy::Day && connection.posting == Posting::Transaction {
        return wrong(format!(
            "it moves goods by the day, and each sale of `{name}` has an order that plans its own \
             delivery"
        ));
    }
    for (word, gateway) in &mapping.gateways {
        if let Some(provider) = &gateway.provider
            && !settings.connections.contains_key(provider)
        {
            return wrong(format!(
                "its gateway `{word}` is settled by `{provider}`, which is no connection"
            ));
        }
    }
    Ok(())
}
