//! `trueup odoo setup`: what the books look like, what they lack, and the mapping that follows.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use trueup_connect::{CallError, Reply, Request, Secret};
use trueup_domain::document::Tender;
use trueup_domain::mapping::Mapping;
use trueup_hub::Connection;
use trueup_hub::shell::{Http, Transport};
use trueup_odoo::setup::{
    self, Clears, Customers, Finding, SetupError, SetupReport, Wanted, WantedGateway, WantedTax,
};

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::print;
use crate::settings::{Entity, Settings};
use crate::wiring;

/// Look at an Odoo, and set it up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  trueup odoo setup books")]
pub struct OdooArgs {
    #[command(subcommand)]
    command: OdooCommand,
}

#[derive(Debug, clap::Subcommand)]
enum OdooCommand {
    Setup(SetupArgs),
}

/// Report what an Odoo has and lacks, and list what would be created; create it with --apply.
///
/// Without --apply nothing is written. With it each record is made once, however often the command
/// is run; it needs a user that may create accounts and journals, which the hub's own user may not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup odoo setup books
  trueup odoo setup books --entity us --apply --admin-key-env ODOO_ADMIN_KEY \\
      --write-mapping us.json

Exit status: 0 nothing stands in the way; 1 something blocks posting, or was refused;
2 the configuration is wrong; 3 Odoo cannot be reached")]
pub struct SetupArgs {
    /// The connection to Odoo.
    #[arg(value_name = "CONNECTION")]
    connection: String,
    /// The entity; needed where several keep their books there.
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
    /// The channel whose payments are mapped; needed where the entity has several.
    #[arg(long, value_name = "CONNECTION")]
    channel: Option<String>,
    /// Create what is lacking.
    #[arg(long)]
    apply: bool,
    /// The environment variable with the key of a user that may create accounts and journals.
    #[arg(long, value_name = "VARIABLE")]
    admin_key_env: Option<String>,
    /// Write the mapping that follows to this file, for `trueup mapping approve`.
    #[arg(long, value_name = "FILE", requires = "apply")]
    write_mapping: Option<std::path::PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(global: &Global, args: OdooArgs) -> Result<ExitCode> {
    match args.command {
        OdooCommand::Setup(args) => set_up(global, &args),
    }
}

fn set_up(global: &Global, args: &SetupArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let configured = wiring::find(&settings, &args.connection)?;
    if configured.connector.name != trueup_odoo::CONNECTOR.name {
        let what =
            format!("`{}` is a connection of {}", args.connection, configured.connector.name);
        return Err(Failure::usage(what, "name the connection to Odoo").into());
    }
    let wanted = wanted(&settings, args)?;
    let environment = &wiring::process_environment;
    let own = wiring::connection(&args.connection, configured, &settings, environment);
    if own.secret.is_none() && args.admin_key_env.is_none() {
        let name = configured.secret_env.clone().unwrap_or_default();
        let what = format!("the environment variable {name} is not set");
        return Err(Failure::secret(what, "set it to the API key of the hub's user").into());
    }
    let admin = match &args.admin_key_env {
        None => None,
        Some(name) => Some(environment(name).ok_or_else(|| {
            let what = format!("the environment variable {name} is not set");
            Failure::secret(what, "set it to the API key of an administrator")
        })?),
    };
    let runtime = wiring::runtime()?;
    let http = Http::new(runtime.handle().clone()).context("the HTTP client cannot be made")?;
    let caller = |key: Option<&String>| {
        let mut connection = own.clone();
        if let Some(key) = key {
            connection.secret = Some(Secret::new(key.clone()));
        }
        carrier(http.clone(), connection)
    };

    let mut look = caller(admin.as_ref());
    let report = setup::inspect(&mut look, &wanted).map_err(told)?;
    let mut findings = report.findings.clone();
    if own.secret.is_some() {
        findings.extend(setup::rights(&mut caller(None), &wanted).map_err(told)?);
    }
    let plan = setup::plan(&report, &wanted).map_err(told)?;
    let mut mapping = None;
    if args.apply {
        if !args.json {
            eprintln!("Making {} records in company {}…", plan.len(), wanted.company);
        }
        mapping = Some(setup::run(&mut look, &wanted).map_err(told)?);
    }
    if let (Some(path), Some(mapping)) = (&args.write_mapping, &mapping) {
        let mut text = serde_json::to_string_pretty(mapping)?;
        text.push('\n');
        std::fs::write(path, text).map_err(|error| {
            let what = format!("`{}` cannot be written: {error}", path.display());
            Failure::file(what, "name a file that may be written; what was made stays")
        })?;
    }
    let blocks = findings.iter().any(|finding| finding.blocks);
    if args.json {
        say_json(&as_json(&wanted, &report, &findings, &plan, mapping.as_ref()))?;
    } else {
        say(&shown(args, &wanted, &report, &findings, &plan, mapping.as_ref()))?;
    }
    Ok(if blocks { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn carrier(
    mut http: Http,
    connection: Connection,
) -> impl FnMut(&Request) -> Result<Reply, CallError> {
    move |request| http.send(&connection, request)
}

/// The failure of a call, by what a person does about it.
fn told(error: SetupError) -> anyhow::Error {
    let failure = match &error {
        SetupError::Call { source, .. } => {
            let (exit, remedy) = match source {
                CallError::Unauthorized => {
                    (Exit::Problems, "renew the API key of the user in Odoo")
                }
                CallError::NotSetUp { .. } | CallError::Refused { .. } => (
                    Exit::Problems,
                    "use the key of a user that may do this, and see that the module is installed",
                ),
                CallError::RateLimited { .. }
                | CallError::Unreachable { .. }
                | CallError::Busy { .. }
                | CallError::ReplyLost { .. } => {
                    (Exit::Unreachable, "see that `url` leads to Odoo, and run the command again")
                }
            };
            let what = format!("{error}: {source}");
            Failure { exit, code: source.code(), what, remedy: remedy.to_owned() }
        }
        SetupError::Refused { .. } => Failure {
            exit: Exit::Problems,
            code: "TU104",
            what: error.to_string(),
            remedy: "mend what Odoo names, then run the command again: what was made stays"
                .to_owned(),
        },
        SetupError::Lacks(_) => Failure {
            exit: Exit::Problems,
            code: "TU107",
            what: error.to_string(),
            remedy: "make it in Odoo, or run the command with --apply".to_owned(),
        },
    };
    failure.into()
}

/// What the configuration wants of the books of one entity.
fn wanted(settings: &Settings, args: &SetupArgs) -> Result<Wanted, Failure> {
    let with_company: Vec<&String> = settings
        .entities
        .iter()
        .filter(|(_, entity)| entity.company.is_some())
        .map(|(name, _)| name)
        .collect();
    let name = match (&args.entity, with_company.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => (*only).clone(),
        (None, []) => {
            let what = "no entity says which company of the books it is";
            return Err(Failure::setting(what, "add `company = 1` to its section `[entity.…]`"));
        }
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            let what = "several entities keep their books there";
            return Err(Failure::usage(what, format!("add --entity: {}", names.join(", "))));
        }
    };
    let Some(entity) = settings.entities.get(&name) else {
        let what = format!("there is no entity `{name}`");
        return Err(Failure::usage(what, "name one of the sections [entity.…]"));
    };
    let Some(company) = entity.company.clone() else {
        let what = format!("the entity `{name}` does not say which company of the books it is");
        return Err(Failure::setting(what, "add `company = 1` to its section"));
    };
    let configured = wiring::find(settings, &args.connection)?;
    Ok(Wanted {
        target: args.connection.clone(),
        database: configured.settings.get(trueup_odoo::settings::DATABASE).cloned(),
        company,
        currency: entity.currency,
        time_zone: entity.time_zone.clone(),
        customers: if entity.one_customer { Customers::One } else { Customers::PerBuyer },
        gateways: gateways(settings, &name, args.channel.as_deref())?,
        taxes: taxes(entity),
        products: Vec::new(),
        entity: name,
    })
}

/// The gateways that a channel's words lead to, and the connection whose ledger states each one.
fn gateways(
    settings: &Settings,
    entity: &str,
    channel: Option<&str>,
) -> Result<Vec<WantedGateway>, Failure> {
    let of = |connector: &str| -> Vec<&String> {
        let own = settings.connections.iter();
        own.filter(|(_, it)| it.entity == entity && it.connector.name == connector)
            .map(|(name, _)| name)
            .collect()
    };
    let shops = of(trueup_shopify::CONNECTOR.name);
    let shop = match (channel, shops.as_slice()) {
        (Some(name), _) => {
            wiring::find(settings, name)?;
            Some(name.to_owned())
        }
        (None, []) => None,
        (None, [only]) => Some((*only).clone()),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            let what = format!("the entity `{entity}` has several channels");
            return Err(Failure::usage(what, format!("add --channel: {}", names.join(", "))));
        }
    };
    let stripe = of(trueup_stripe::CONNECTOR.name).first().map(|name| (*name).clone());
    let gateway = |word: &str, title: &str, tender, provider: Option<String>, clears| {
        WantedGateway { word: word.to_owned(), title: title.to_owned(), tender, provider, clears }
    };
    let clearing = Clears::Clearing;
    let mut all = vec![
        gateway("gift_card", "Gift cards", Some(Tender::GiftCard), None, Clears::GiftCards),
        gateway(
            "store_credit",
            "Store credit",
            Some(Tender::StoreCredit),
            None,
            Clears::StoreCredit,
        ),
        gateway("Bank Deposit", "Bank transfers", Some(Tender::BankTransfer), None, clearing),
        gateway("manual", "Manual payments", None, None, clearing),
        gateway("paypal", "PayPal", None, None, clearing),
    ];
    if shop.is_some() {
        all.push(gateway(
            "shopify_payments",
            "Shopify Payments",
            Some(Tender::Card),
            shop,
            clearing,
        ));
    }
    if stripe.is_some() {
        all.push(gateway("stripe", "Stripe", Some(Tender::Card), stripe, clearing));
    }
    Ok(all)
}

fn taxes(entity: &Entity) -> Vec<WantedTax> {
    let tax = |tax: &crate::settings::Tax| WantedTax {
        key: tax.key.clone(),
        name: tax.name.clone(),
        percent: tax.percent,
        included: tax.included,
        title: tax.title.clone(),
        jurisdiction: tax.jurisdiction.clone(),
        rate: tax.rate,
        remitted_by: tax.remitted_by,
    };
    entity.taxes.iter().map(tax).collect()
}

fn as_json(
    wanted: &Wanted,
    report: &SetupReport,
    findings: &[Finding],
    plan: &[setup::Creation],
    mapping: Option<&Mapping>,
) -> serde_json::Value {
    let finding = |it: &Finding| json!({ "blocks": it.blocks, "code": it.code, "text": it.text });
    json!({
        "entity": wanted.entity,
        "version": report.version,
        "company": { "id": report.company_id, "name": report.company },
        "currency": report.currency,
        "tax_rounding": report.rounding,
        "lock_dates": report.locks,
        "modules": report.modules,
        "valuation": report.valuation,
        "accounts": report.accounts.len(),
        "journals": report.journals.iter().map(|it| json!({
            "id": it.id, "code": it.code, "name": it.name, "type": it.kind,
        })).collect::<Vec<_>>(),
        "taxes": report.taxes.iter().map(|it| json!({
            "id": it.id, "name": it.name, "percent": it.percent.to_string(),
            "included": it.included, "account": it.account, "tagged": it.tagged,
        })).collect::<Vec<_>>(),
        "products": report.products.len(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        "creates": setup::plan::as_json(plan),
        "mapping": mapping,
    })
}

fn shown(
    args: &SetupArgs,
    wanted: &Wanted,
    report: &SetupReport,
    findings: &[Finding],
    plan: &[setup::Creation],
    mapping: Option<&Mapping>,
) -> String {
    let mut text = format!(
        "Odoo {}: company {} `{}`, {}, for the entity {}\n",
        print::plain(&report.version),
        report.company_id,
        print::plain(&report.company),
        report.currency,
        wanted.entity
    );
    let mut fact = |name: &str, value: String| {
        text.push_str(&format!("  {name:<12} {}\n", print::plain(&value)));
    };
    let modules = if report.modules.is_empty() {
        "not for this user to see".to_owned()
    } else {
        format!("{} installed", report.modules.len())
    };
    fact("modules", modules);
    fact("accounts", report.accounts.len().to_string());
    let journals: Vec<String> =
        report.journals.iter().map(|it| format!("{} ({})", it.code, it.kind)).collect();
    fact("journals", journals.join(", "));
    let posted = report.taxes.iter().filter(|tax| tax.account.is_some()).count();
    let tagged = report.taxes.iter().filter(|tax| tax.tagged).count();
    let taxes = report.taxes.len();
    fact("taxes", format!("{taxes}, {posted} of them with an account, {tagged} with tags"));
    fact("tax rounding", report.rounding.clone());
    let locks: Vec<String> =
        report.locks.iter().map(|(lock, date)| format!("{lock} {date}")).collect();
    fact("locks", if locks.is_empty() { "none".to_owned() } else { locks.join(", ") });
    let real_time = report.valuation.values().filter(|it| *it == "real_time").count();
    fact(
        "valuation",
        match (report.valuation.len(), real_time) {
            (0, _) => "not installed, or not for this user to see".to_owned(),
            (all, some) => format!("{some} of {all} product categories post with each move"),
        },
    );
    fact("products", format!("{} with a SKU", report.products.len()));

    text.push_str("\nFindings\n");
    if findings.is_empty() {
        text.push_str("  none\n");
    }
    for finding in findings {
        let weight = if finding.blocks { "blocks" } else { "note" };
        text.push_str(&format!("  {weight:<7} {}\n", print::plain(&finding.text)));
    }
    if wanted.taxes.is_empty() {
        text.push_str(&format!(
            "  note    the configuration names no tax of {0}; add [[entity.{0}.tax]], or taxed \
             sales wait for a mapping\n",
            wanted.entity
        ));
    }
    let (head, tail) = match mapping {
        Some(_) => ("Made, or found as it was made before", ""),
        None => {
            ("Would be made with --apply, where it does not exist yet", "Nothing was written.\n")
        }
    };
    text.push_str(&format!("\n{head}: {} records\n", plan.len()));
    for line in setup::plan::summary(plan) {
        text.push_str(&format!("  {}\n", print::plain(&line)));
    }
    text.push_str(tail);
    if let Some(mapping) = mapping {
        text.push_str("\nAccount of each role\n");
        for (role, account) in &mapping.accounts {
            let name = report.accounts.iter().find(|it| it.id.to_string() == *account);
            let name = name.map(|it| format!("{} {}", it.code, it.name)).unwrap_or_default();
            text.push_str(&format!("  {role:<32} {account:>6}  {}\n", print::plain(&name)));
        }
    }
    if let Some(path) = &args.write_mapping {
        let channel = args.channel.as_deref().unwrap_or("CHANNEL");
        text.push_str(&format!(
            "\nThe mapping is in {0}. Look at it, then:\n  trueup mapping approve {channel} {0} \
             --author NAME --reason TEXT\n",
            path.display()
        ));
    }
    text
}
