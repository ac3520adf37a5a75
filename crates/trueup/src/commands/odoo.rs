//! `trueup odoo setup`: what the books look like, what they lack, and the mapping that follows.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use trueup_connect::{CallError, Reply, Request, Secret};
use trueup_domain::document::Tender;
use trueup_domain::mapping::{GoodsPolicy, InvoicePolicy, Mapping};
use trueup_hub::shell::{Http, Transport};
use trueup_hub::{Connection, Hub};
use trueup_odoo::setup::{
    self, Clears, Customers, Finding, SetupError, SetupReport, Wanted, WantedGateway, WantedTax,
};
use trueup_store::identities;

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::print;
use crate::settings::{Entity, Gateway, Settings};
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
  trueup odoo setup books --entity us --admin-key-env ODOO_ADMIN_KEY --write-mapping us.json

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
    /// Write the mapping that follows to this file, for `trueup mapping approve`. Without --apply
    /// it is the mapping of what is there, and nothing is written to Odoo.
    #[arg(long, value_name = "FILE")]
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
        findings.extend(setup::registers(&mut caller(None), &wanted, &report).map_err(told)?);
    }
    let plan = setup::plan(&report, &wanted).map_err(told)?;
    let mut mapping = None;
    if args.apply {
        if !args.json {
            eprintln!("Making {} records in company {}…", plan.len(), wanted.company);
        }
        mapping = Some(setup::run(&mut look, &wanted).map_err(told)?);
    } else if args.write_mapping.is_some() {
        mapping = Some(what_is_there(&report, &wanted, &plan)?);
    }
    if let (Some(path), Some(mapping)) = (&args.write_mapping, &mapping) {
        let mut text = serde_json::to_string_pretty(mapping)?;
        text.push('\n');
        std::fs::write(path, text).map_err(|error| {
            let what = format!("`{}` cannot be written: {error}", path.display());
            Failure::file(what, "name a file that may be written; what was made in Odoo stays")
        })?;
    }
    let blocks = findings.iter().any(|finding| finding.blocks);
    // What was made is shown as it is now.
    let report =
        if args.apply { setup::inspect(&mut look, &wanted).map_err(told)? } else { report };
    let looked = Looked {
        wanted: &wanted,
        report: &report,
        findings: &findings,
        plan: &plan,
        mapping: mapping.as_ref(),
        made: args.apply,
        gateways_named: settings
            .entities
            .get(&wanted.entity)
            .is_some_and(|entity| !entity.gateways.is_empty()),
        pinned: configured.settings.get(trueup_odoo::settings::FINGERPRINT),
        hub_asked: own.secret.is_some(),
        as_admin: admin.is_some(),
    };
    if args.json {
        say_json(&as_json(&looked))?;
    } else {
        say(&shown(args, &looked))?;
    }
    Ok(if blocks { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The mapping of an Odoo that was set up before: a product whose SKU is new needs nothing else.
fn what_is_there(
    report: &SetupReport,
    wanted: &Wanted,
    plan: &[setup::Creation],
) -> Result<Mapping> {
    if report.existing.is_none() {
        let what = "this key may not see which records exist, so that no mapping can be written";
        return Err(
            Failure::unknown(what.to_owned(), "name an administrator's: --admin-key-env").into()
        );
    }
    let lacking = setup::plan::summary(plan);
    if !lacking.is_empty() {
        let what = format!("Odoo lacks what the mapping names: {}", lacking.join(", "));
        return Err(Failure::unknown(what, "make it with --apply").into());
    }
    setup::mapped(report, wanted, plan).map_err(told)
}

/// The database behind a connection to Odoo, against the one that the configuration pins (B18).
pub enum Pinned {
    /// Another connector, whose target has no name of its own.
    Nothing,
    NotPinned(String),
    Same(String),
    Another {
        pinned: String,
        found: String,
    },
}

/// Asks an Odoo for its fingerprint.
pub fn pinned(connection: &Connection, http: &mut Http) -> Result<Pinned, CallError> {
    if connection.connector.name != trueup_odoo::CONNECTOR.name {
        return Ok(Pinned::Nothing);
    }
    let settings = &connection.settings;
    let company = trueup_odoo::identify::company(settings)?;
    let mut call = |request: &Request| http.send(connection, request);
    let found = match setup::identity(&mut call, settings, company) {
        Ok(found) => found,
        Err(SetupError::Call { source, .. }) => return Err(source),
        Err(error) => return Err(CallError::NotSetUp { why: error.to_string() }),
    };
    Ok(match settings.get(trueup_odoo::settings::FINGERPRINT) {
        None => Pinned::NotPinned(found),
        Some(pinned) if pinned == found => Pinned::Same(found),
        Some(pinned) => Pinned::Another { pinned: pinned.to_owned(), found },
    })
}

/// Nothing is delivered while another database answers than the pinned one: at the start that is a
/// mistake of the configuration. One that cannot be asked now is no reason not to take in what comes:
/// deliveries wait for it anyhow. What else we need of a target is looked at before anything is said
/// to it, as if it had never been asked.
pub fn refuse_another_database(hub: &Hub, http: &Http) -> Result<()> {
    let names: Vec<String> = hub.setup.connections.keys().cloned().collect();
    hub.store
        .write(move |tx| names.iter().try_for_each(|name| identities::ask_now(tx, name)))
        .context("what the targets said of themselves could not be forgotten")?;
    for connection in hub.setup.connections.values() {
        if connection.settings.get(trueup_odoo::settings::FINGERPRINT).is_none() {
            continue;
        }
        match pinned(connection, &mut http.clone()) {
            Ok(Pinned::Another { pinned, found }) => {
                let what = format!(
                    "the database behind `{}` is `{found}`, and `{pinned}` is pinned",
                    connection.name
                );
                let remedy = "see where `url` and `settings.database` lead; nothing was delivered";
                return Err(Failure::setting(what, remedy).into());
            }
            Ok(Pinned::Same(_) | Pinned::NotPinned(_) | Pinned::Nothing) => {}
            Err(error) => {
                tracing::warn!(connection = connection.name, %error, "its database cannot be asked");
            }
        }
    }
    Ok(())
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
                CallError::NotSetUp { .. }
                | CallError::Denied { .. }
                | CallError::Refused { .. }
                | CallError::AnotherTarget { .. }
                | CallError::Unfit { .. } => (
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
    let channel = args.channel.as_deref().map(|it| wiring::find(settings, it)).transpose()?;
    Ok(Wanted {
        target: args.connection.clone(),
        database: configured.settings.get(trueup_odoo::settings::DATABASE).cloned(),
        company,
        currency: entity.currency,
        time_zone: entity.time_zone.clone(),
        customers: if entity.one_customer { Customers::One } else { Customers::PerBuyer },
        goods: channel.map_or(entity.goods, |it| it.goods),
        location: channel.and_then(|it| it.location.clone()),
        locations: channel.map(|it| it.locations.clone()).unwrap_or_default(),
        invoices: channel.map_or(entity.invoices, |it| it.invoices),
        gateways: gateways(settings, &name, args.channel.as_deref())?,
        taxes: taxes(entity),
        products: Vec::new(),
        bundles: entity.bundles.clone(),
        entity: name,
    })
}

/// The gateways that the configuration names, or the usual ones, and the connection whose ledger
/// states each one.
fn gateways(
    settings: &Settings,
    entity: &str,
    channel: Option<&str>,
) -> Result<Vec<WantedGateway>, Failure> {
    let named = settings.entities.get(entity).map_or(&[][..], |it| it.gateways.as_slice());
    if !named.is_empty() {
        return Ok(named.iter().map(wanted_gateway).collect());
    }
    let of = |connector: &str| -> Vec<&String> {
        let own = settings.connections.iter();
        own.filter(|(_, it)| it.entity == entity && it.connector.name == connector)
            .map(|(name, _)| name)
            .collect()
    };
    let mut channels = of(trueup_shopify::CONNECTOR.name);
    channels.extend(of(trueup_woocommerce::CONNECTOR.name));
    let channel = match (channel, channels.as_slice()) {
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
    let is = |connector: &str| {
        let channel = channel.as_ref().and_then(|name| settings.connections.get(name));
        channel.is_some_and(|it| it.connector.name == connector)
    };
    let stripe = of(trueup_stripe::CONNECTOR.name).first().map(|name| (*name).clone());
    let gateway = |word: &str, title: &str, tender, provider: Option<String>| {
        let (word, title) = (word.to_owned(), title.to_owned());
        wanted_gateway(&Gateway { word, title, tender, provider, currency: None })
    };
    let mut all = if is(trueup_woocommerce::CONNECTOR.name) {
        vec![
            gateway("bacs", "Bank transfers", Some(Tender::BankTransfer), None),
            gateway("cheque", "Cheques", None, None),
            gateway("cod", "Cash on delivery", None, None),
            gateway("ppcp-gateway", "PayPal", None, None),
        ]
    } else {
        vec![
            gateway("gift_card", "Gift cards", Some(Tender::GiftCard), None),
            gateway("store_credit", "Store credit", Some(Tender::StoreCredit), None),
            gateway("Bank Deposit", "Bank transfers", Some(Tender::BankTransfer), None),
            gateway("manual", "Manual payments", None, None),
            gateway("paypal", "PayPal", None, None),
        ]
    };
    if is(trueup_shopify::CONNECTOR.name) {
        all.push(gateway(
            "shopify_payments",
            "Shopify Payments",
            Some(Tender::Card),
            channel.clone(),
        ));
    }
    if stripe.is_some() {
        all.push(gateway("stripe", "Stripe", Some(Tender::Card), stripe));
    }
    Ok(all)
}

/// What a buyer paid with decides where the money stands.
fn wanted_gateway(gateway: &Gateway) -> WantedGateway {
    WantedGateway {
        word: gateway.word.clone(),
        title: gateway.title.clone(),
        tender: gateway.tender,
        provider: gateway.provider.clone(),
        clears: match gateway.tender {
            Some(Tender::GiftCard) => Clears::GiftCards,
            Some(Tender::StoreCredit) => Clears::StoreCredit,
            _ => Clears::Clearing,
        },
        currency: gateway.currency,
    }
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

/// Everything that was seen and is proposed.
struct Looked<'a> {
    wanted: &'a Wanted,
    report: &'a SetupReport,
    findings: &'a [Finding],
    plan: &'a [setup::Creation],
    mapping: Option<&'a Mapping>,
    /// Whether what was lacking was made.
    made: bool,
    /// Whether the configuration names the gateways itself.
    gateways_named: bool,
    /// What the connection is pinned to, and whether the hub's own key was there to be tried.
    pinned: Option<&'a String>,
    hub_asked: bool,
    as_admin: bool,
}

fn as_json(it: &Looked<'_>) -> serde_json::Value {
    let Looked { wanted, report, .. } = *it;
    let finding = |it: &Finding| json!({ "blocks": it.blocks, "code": it.code, "text": it.text });
    let account = |id: Option<i64>| id.and_then(|id| account_shown(report, id));
    json!({
        "entity": wanted.entity,
        "version": report.version,
        "fingerprint": report.fingerprint,
        "database_uuid": report.uuid,
        "company": { "id": report.company_id, "name": report.company },
        "currency": report.currency,
        "tax_rounding": report.rounding,
        "lock_dates": report.locks,
        "modules": report.modules,
        "valuation": report.valuation,
        "goods": wanted.goods,
        "invoices": wanted.invoices,
        "accounts": report.accounts.len(),
        "journals": report.journals.iter().map(|it| json!({
            "id": it.id, "code": it.code, "name": it.name, "type": it.kind,
            "account": account(it.account), "statements": it.source,
        })).collect::<Vec<_>>(),
        "taxes": report.taxes.iter().map(|it| json!({
            "id": it.id, "name": it.name, "use": it.usage, "percent": it.percent.to_string(),
            "included": it.included, "account": account(it.account), "blank": it.blank,
            "tagged": it.tagged,
        })).collect::<Vec<_>>(),
        "gateways": wanted.gateways.iter().map(|it| json!({
            "word": it.word, "title": it.title, "tender": it.tender, "provider": it.provider,
            "currency": it.currency.unwrap_or(wanted.currency),
        })).collect::<Vec<_>>(),
        "products": report.products.len(),
        "findings": it.findings.iter().map(finding).collect::<Vec<_>>(),
        "not_read": report.unread,
        "not_looked_for": setup::NOT_LOOKED_FOR,
        "rights": setup::rights_needed(wanted).iter()
            .map(|(model, right)| format!("{right} {model}")).collect::<Vec<_>>(),
        "rights_tried": it.hub_asked,
        "creates": setup::plan::as_json(it.plan),
        "roles": setup::map::proposal(report, wanted).into_iter().map(|(role, proposed)| json!({
            "role": role,
            "account": proposed.id,
            "shown": account(proposed.id),
            "name": proposed.name,
        })).collect::<Vec<_>>(),
        "mapping": it.mapping,
    })
}

fn account_shown(report: &SetupReport, id: i64) -> Option<String> {
    let account = report.accounts.iter().find(|it| it.id == id)?;
    Some(format!("{} {}", account.code, account.name))
}

/// Texts are wrapped here: a terminal of 100 columns.
const WIDTH: usize = 98;

/// A head and its text, the text wrapped beside the head.
fn entry(head: &str, indent: usize, text: &str) -> String {
    let mut out = format!("{head:<indent$}");
    let mut column = head.chars().count().max(indent);
    let mut first = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !first && column + 1 + length > WIDTH {
            out.push_str(&format!("\n{:indent$}", ""));
            column = indent;
            first = true;
        }
        if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        first = false;
    }
    out.push('\n');
    out
}

fn shown(args: &SetupArgs, it: &Looked<'_>) -> String {
    let Looked { wanted, report, .. } = *it;
    let mut text = format!(
        "Odoo {}, company {} `{}`, {}, for the entity {}\n\nWhat is there\n",
        print::plain(&report.version),
        report.company_id,
        print::plain(&report.company),
        report.currency,
        wanted.entity
    );
    for (name, value) in facts(it) {
        text.push_str(&entry(&format!("  {name}"), 16, &print::plain(&value)));
    }
    text.push_str(&sale_taxes(it));
    text.push_str(&gateway_table(it));
    text.push_str(&findings(it));
    text.push_str(&records(it));
    text.push_str("\nAccount of each role\n");
    for (role, proposed) in setup::map::proposal(report, wanted) {
        let account = match proposed.id.and_then(|id| account_shown(report, id)) {
            Some(account) => account,
            None if it.made => proposed.name,
            None => format!("{}, to be made", proposed.name),
        };
        text.push_str(&format!("  {role:<26} {}\n", print::plain(&account)));
    }
    if !it.made {
        text.push_str("\nNothing was written to Odoo.\n");
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

fn facts(it: &Looked<'_>) -> Vec<(&'static str, String)> {
    let report = it.report;
    let print = &report.fingerprint;
    let uuid = report.uuid.as_ref().map(|uuid| format!(" ({uuid})")).unwrap_or_default();
    let pinned = match it.pinned {
        Some(pinned) if pinned == print => "as it is pinned".to_owned(),
        Some(pinned) => format!("but `{pinned}` is pinned: this is another database"),
        None => format!("not pinned: add settings.fingerprint = \"{print}\" to the connection"),
    };
    let modules = if report.modules.is_empty() {
        "not for this user to see".to_owned()
    } else {
        format!("{} installed", report.modules.len())
    };
    let journals: Vec<String> =
        report.journals.iter().map(|it| format!("{} ({})", it.code, it.kind)).collect();
    let locks: Vec<String> =
        report.locks.iter().map(|(lock, date)| format!("{lock} {date}")).collect();
    let real_time = report.valuation.values().filter(|it| *it == "real_time").count();
    let valuation = match (report.valuation.len(), real_time) {
        (0, _) => "not installed, or not for this user to see".to_owned(),
        (all, some) => format!("{some} of {all} product categories perpetual"),
    };
    let goods = match it.wanted.goods {
        GoodsPolicy::Books => "Odoo's warehouse moves them; we touch no transfer",
        GoodsPolicy::Channel => "what the channel shipped and took back is carried out here",
        GoodsPolicy::Day => "what the channel shipped and took back moves here by the day",
    };
    let invoices = match it.wanted.invoices {
        InvoicePolicy::Order => "on the day of the order",
        InvoicePolicy::Shipment => "as goods leave, each shipment apart",
        InvoicePolicy::Capture => "on the day of the first money",
    };
    vec![
        ("database", format!("{print}{uuid}, {pinned}")),
        ("modules", modules),
        ("accounts", report.accounts.len().to_string()),
        ("journals", journals.join(", ")),
        ("tax rounding", report.rounding.replace('_', " ")),
        ("lock dates", if locks.is_empty() { "none".to_owned() } else { locks.join(", ") }),
        ("valuation", valuation),
        ("goods", goods.to_owned()),
        ("invoices", invoices.to_owned()),
        ("products", format!("{} with a SKU", report.products.len())),
    ]
}

/// Taxes of Odoo that a sale can bear.
fn sale_taxes(it: &Looked<'_>) -> String {
    let report = it.report;
    let mut table = print::table(["Sale tax", "%", "Prices", "Account", "Tags"]);
    for tax in report.taxes.iter().filter(|tax| tax.usage == "sale") {
        let account = match tax.account.and_then(|id| account_shown(report, id)) {
            Some(account) if !tax.blank => account,
            _ if tax.percent.is_zero() => "none".to_owned(),
            _ => "none: income".to_owned(),
        };
        table.add_row([
            print::plain(&tax.name),
            tax.percent.to_string(),
            if tax.included { "contain it" } else { "without" }.to_owned(),
            print::plain(&account),
            if tax.tagged { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let mut text = format!("\n{}", print::lines(&table));
    if it.wanted.taxes.is_empty() {
        let entity = &it.wanted.entity;
        text.push_str(&format!(
            "The configuration names no tax of {entity}: add [[entity.{entity}.tax]], or taxed \
             sales wait for a mapping.\n"
        ));
    }
    text
}

fn gateway_table(it: &Looked<'_>) -> String {
    let mut table = print::table(["Gateway", "Journal", "Money stands on", "Ledger", "Currency"]);
    for gateway in &it.wanted.gateways {
        let stands = match gateway.clears {
            Clears::Clearing => "clearing account",
            Clears::GiftCards => "gift cards (liability)",
            Clears::StoreCredit => "store credit (liability)",
        };
        table.add_row([
            gateway.word.clone(),
            gateway.title.clone(),
            stands.to_owned(),
            gateway.provider.clone().unwrap_or_else(|| "–".to_owned()),
            gateway.currency.unwrap_or(it.wanted.currency).code().to_owned(),
        ]);
    }
    let mut text = format!("\n{}", print::lines(&table));
    if !it.gateways_named {
        text.push_str(&format!(
            "These are the usual gateways; name yours in [[entity.{}.gateway]].\n",
            it.wanted.entity
        ));
    }
    text
}

fn findings(it: &Looked<'_>) -> String {
    let mut text = String::new();
    let heads = [(true, "Decide before the first live write"), (false, "Worth knowing")];
    for (blocks, head) in heads {
        let found: Vec<&Finding> = it.findings.iter().filter(|it| it.blocks == blocks).collect();
        if found.is_empty() && !blocks {
            continue;
        }
        text.push_str(&format!("\n{head}\n"));
        if found.is_empty() {
            text.push_str("  nothing\n");
        }
        for finding in found {
            text.push_str(&entry("  -", 4, &print::plain(&finding.text)));
        }
    }
    if !it.report.unread.is_empty() {
        let more = if it.as_admin { "" } else { "; look with --admin-key-env" };
        text.push_str(&format!("\nNot for this key to see{more}\n"));
        text.push_str(&entry("  -", 4, &print::plain(&it.report.unread.join(", "))));
    }
    text.push_str("\nNot looked for\n");
    for one in setup::NOT_LOOKED_FOR {
        text.push_str(&entry("  -", 4, one));
    }
    let rights = setup::rights_needed(it.wanted).len();
    let lacking = it.findings.iter().filter(|it| it.code == "right_missing").count();
    let rights = match (it.hub_asked, lacking) {
        (false, _) => format!("not tried, its key is not set; it needs {rights}"),
        (true, 0) => format!("has all {rights} that it needs, and needs no other"),
        (true, lacking) => format!("lacks {lacking} of the {rights} that it needs"),
    };
    text.push_str(&entry("\nRights of the hub's user:", 0, &format!(" {rights}")));
    let listed: Vec<String> = setup::rights_needed(it.wanted)
        .iter()
        .map(|(model, right)| format!("{right} {model}"))
        .collect();
    text.push_str(&entry("  -", 4, &listed.join(", ")));
    text
}

fn records(it: &Looked<'_>) -> String {
    let lacking: Vec<&setup::Creation> =
        it.plan.iter().filter(|one| one.exists.is_none()).collect();
    let exist = it.plan.len() - lacking.len();
    let head = match it.made {
        true => format!("Made, or found as it was made before: {} records", it.plan.len()),
        false if it.report.existing.is_none() => format!(
            "Would be made with --apply, where it does not exist yet: {} records",
            lacking.len()
        ),
        false if lacking.is_empty() => {
            format!("Would be made with --apply: nothing, all {exist} records exist")
        }
        false => {
            format!("Would be made with --apply: {} records; {exist} exist already", lacking.len())
        }
    };
    let mut text = format!("\n{head}\n");
    let mut by_label: Vec<(&str, Vec<String>)> = Vec::new();
    for one in if it.made { it.plan.iter().collect() } else { lacking } {
        let name = print::plain(&one.name);
        match by_label.iter_mut().find(|(label, _)| *label == one.label) {
            Some((_, names)) => names.push(name),
            None => by_label.push((one.label, vec![name])),
        }
    }
    for (label, names) in by_label {
        text.push_str(&entry(&format!("  {label}"), 20, &names.join(", ")));
    }
    text
}
