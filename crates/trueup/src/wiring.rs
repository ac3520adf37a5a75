//! From settings to a hub: opens the store, finds the secrets, declares the streams.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use trueup_connect::{Secret, Settings as Own};
use trueup_domain::calendar::Calendar;
use trueup_domain::derive::FeeSchedule;
use trueup_hub::schedules::{self, Schedule};
use trueup_hub::setup::HubSetup;
use trueup_hub::{Connection, Hub};
use trueup_store::{Store, streams};

use crate::cli::Global;
use crate::failure::Failure;
use crate::settings::{Configured, Settings, StoreAt, is_postgres};

/// The console's token, where the environment does not give one.
pub const KEY_FILE: &str = "trueup.key";
pub const TOKEN_ENV: &str = "TRUEUP_TOKEN";
/// A token is one short line; what is longer is another file.
const KEY_BYTES_MAX: u64 = 4096;

/// How the environment is asked; tests pass their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Time as the machine has it. The only clock of the commands.
pub fn now() -> Timestamp {
    Timestamp::now()
}

pub fn settings(global: &Global) -> Result<Settings, Failure> {
    Settings::load(&global.config)
}

/// The hub of a configuration. A secret that is missing is found out by what needs it
/// ([`missing_secrets`]): much can be done without.
pub fn hub(settings: &Settings, environment: Environment<'_>) -> Result<Hub> {
    let store = open_store(&settings.store, environment)?;
    let hub = Hub::new(store, setup(settings, environment));
    declare_streams(&hub)?;
    let (known, at) = (schedules_of(settings), now());
    if !known.is_empty() {
        hub.store.write(move |tx| schedules::declare(tx, &known, at))?;
    }
    Ok(hub)
}

/// The schedules of a configuration, without what their jobs do.
pub fn schedules_of(settings: &Settings) -> Vec<Schedule> {
    settings.schedules.iter().map(|it| it.schedule.clone()).collect()
}

pub fn setup(settings: &Settings, environment: Environment<'_>) -> HubSetup {
    let connections = settings.connections.iter().map(|(name, configured)| {
        (name.clone(), connection(name, configured, settings, environment))
    });
    HubSetup {
        environment: settings.environment.clone(),
        connections: connections.collect(),
        calendar: Calendar::new(settings.holidays.iter().copied()),
    }
}

pub fn connection(
    name: &str,
    configured: &Configured,
    settings: &Settings,
    environment: Environment<'_>,
) -> Connection {
    let secret = |name: &String| environment(name).map(Secret::new);
    let entity = settings.entities.get(&configured.entity);
    Connection {
        name: name.to_owned(),
        connector: configured.connector,
        entity: configured.entity.clone(),
        time_zone: entity.map_or_else(|| "UTC".to_owned(), |entity| entity.time_zone.clone()),
        settings: Own(own_settings(configured, settings)),
        base_url: configured.url.clone().or_else(|| usual_url(configured)),
        secret: configured.secret_env.as_ref().and_then(secret),
        webhook_secrets: configured.webhook_secret_env.iter().filter_map(secret).collect(),
        account: configured.account.clone().or_else(|| usual_account(configured)),
        since: configured.since,
        posting: configured.posting,
        ledger_since: configured.ledger_since,
        fees: configured.fees.map(|(rate, fixed)| FeeSchedule { rate, fixed }),
        bank_names: configured.bank_names.clone(),
        poll_every_s: configured.poll_every_s,
        calls_per_minute: configured.calls_per_minute,
        completeness: configured.completeness,
        windows: configured.windows.clone(),
    }
}

/// The settings of a connector, with what follows from the rest of the configuration.
fn own_settings(configured: &Configured, settings: &Settings) -> BTreeMap<String, String> {
    let mut own = configured.settings.clone();
    if configured.connector.name == trueup_odoo::CONNECTOR.name {
        let companies: BTreeSet<&str> =
            settings.entities.values().filter_map(|entity| entity.company.as_deref()).collect();
        if !companies.is_empty() {
            let companies: Vec<&str> = companies.into_iter().collect();
            own.entry(trueup_odoo::settings::COMPANIES.to_owned())
                .or_insert_with(|| companies.join(","));
        }
    }
    own
}

/// Where a vendor is reached whose address follows from what is already said.
fn usual_url(configured: &Configured) -> Option<String> {
    match configured.connector.name {
        "shopify" => configured.settings.get("shop").map(|shop| format!("https://{shop}")),
        "stripe" => Some("https://api.stripe.com".to_owned()),
        _ => None,
    }
}

/// A shop signs its deliveries with its own name; those of another shop are refused.
fn usual_account(configured: &Configured) -> Option<String> {
    match configured.connector.name {
        "shopify" => configured.settings.get("shop").cloned(),
        "stripe" => configured.settings.get("account").cloned(),
        "woocommerce" => configured.url.as_deref().map(trueup_woocommerce::account_of),
        _ => None,
    }
}

/// Each variable that is named and not set, with the connection that needs it.
pub fn missing_secrets(settings: &Settings, environment: Environment<'_>) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    for (connection, configured) in &settings.connections {
        for name in configured.secret_env.iter().chain(&configured.webhook_secret_env) {
            if environment(name).is_none() {
                missing.push((connection.clone(), name.clone()));
            }
        }
    }
    missing
}

/// Refuses to start what would talk to vendors without a key.
pub fn demand_secrets(settings: &Settings, environment: Environment<'_>) -> Result<(), Failure> {
    let missing = missing_secrets(settings, environment);
    if missing.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> =
        missing.iter().map(|(connection, name)| format!("{name} (of {connection})")).collect();
    let what = format!("these environment variables are not set: {}", shown.join(", "));
    Err(Failure::secret(what, "set them where Trueup is started; `trueup check` lists them"))
}

pub fn open_store(at: &StoreAt, environment: Environment<'_>) -> Result<Store> {
    let opened = match at {
        StoreAt::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| {
                    let what = format!("`{}` cannot be made: {error}", folder.display());
                    Failure::file(what, "name a folder in `[store]` that may be written")
                })?;
            }
            Store::open_sqlite(path)
        }
        StoreAt::Postgres(url) => Store::open_postgres(url),
        StoreAt::PostgresIn(name) => {
            let url = environment(name).ok_or_else(|| {
                let what = format!("the environment variable {name} is not set");
                Failure::secret(what, "set it to the address of the database")
            })?;
            if !is_postgres(&url) {
                let what = format!("{name} holds no address of PostgreSQL");
                return Err(
                    Failure::setting(what, "write postgres://user:password@host/database").into()
                );
            }
            Store::open_postgres(&url)
        }
    };
    opened.map_err(|error| Failure::store(&error).into())
}

/// What a person may be shown of where the store is: no password.
pub fn store_shown(at: &StoreAt) -> String {
    match at {
        StoreAt::Sqlite(path) => format!("SQLite, {}", path.display()),
        StoreAt::Postgres(url) => {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
            format!("PostgreSQL, {}", place.split('?').next().unwrap_or_default())
        }
        StoreAt::PostgresIn(name) => format!("PostgreSQL, as ${name} says"),
    }
}

/// Makes the streams of every connection known to the store; new ones are due at once.
pub fn declare_streams(hub: &Hub) -> Result<()> {
    let mut known = Vec::new();
    for connection in hub.setup.connections.values() {
        let streams = connection.connector.streams(&connection.settings);
        known.extend(streams.map(|stream| (connection.name.clone(), stream.name)));
    }
    hub.store
        .write(move |tx| {
            for (connection, stream) in &known {
                streams::declare(tx, connection, stream)?;
            }
            Ok(())
        })
        .context("the streams could not be declared")
}

/// A configured connection, or the list of those there are.
pub fn find<'a>(settings: &'a Settings, name: &str) -> Result<&'a Configured, Failure> {
    settings.connections.get(name).ok_or_else(|| {
        let known: Vec<&str> = settings.connections.keys().map(String::as_str).collect();
        let remedy = if known.is_empty() {
            "add a section [connection.NAME] to the configuration".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        };
        Failure::usage(format!("there is no connection `{name}`"), remedy)
    })
}

/// The token that the console and the API ask for: of the environment, else of the key file.
pub fn token(settings: &Settings, environment: Environment<'_>) -> Result<Option<String>> {
    if let Some(token) = environment(TOKEN_ENV) {
        return Ok(Some(token));
    }
    read_key(&settings.folder.join(KEY_FILE))
}

pub fn read_key(path: &Path) -> Result<Option<String>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let what = format!("`{}` cannot be read: {error}", path.display());
            return Err(Failure::file(what, "let the user that runs Trueup read it").into());
        }
    };
    let mut text = String::new();
    file.take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    let key = text.trim();
    Ok((!key.is_empty()).then(|| key.to_owned()))
}

/// A new token: 32 random bytes.
pub fn new_key() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    Ok(hex::encode(bytes))
}

/// The runtime of the HTTP client and the server: two workers, so that an idle hub stays small.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("io")
        .enable_all()
        .build()
        .context("the runtime could not be started")
}

/// The directories in which files are dropped, by connection.
pub fn drops(settings: &Settings) -> Vec<(String, PathBuf)> {
    let of = |(name, configured): (&String, &Configured)| {
        configured.drop.clone().map(|drop| (name.clone(), drop))
    };
    settings.connections.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let text = r#"
environment = "test"
[entity.us]
currency = "USD"
time_zone = "America/New_York"
[connection.shop]
connector = "shopify"
entity = "us"
secret_env = "SHOP_TOKEN"
webhook_secret_env = ["SHOP_NEW", "SHOP_OLD"]
since = "2026-01-01"
[connection.shop.settings]
shop = "example.myshopify.com"
"#;
        Settings::parse(text, Path::new("/tmp")).unwrap()
    }

    #[test]
    fn a_connection_gets_its_secrets_and_the_usual_address() {
        let environment = |name: &str| (name != "SHOP_OLD").then(|| format!("value of {name}"));
        let settings = settings();
        let setup = setup(&settings, &environment);
        let shop = &setup.connections["shop"];
        assert_eq!(shop.secret.as_ref().unwrap().expose(), "value of SHOP_TOKEN");
        assert_eq!(shop.webhook_secrets.len(), 1, "one of two is set while they are rotated");
        assert_eq!(shop.base_url.as_deref(), Some("https://example.myshopify.com"));
        assert_eq!(shop.account.as_deref(), Some("example.myshopify.com"));
        assert_eq!(shop.time_zone, "America/New_York");
        let missing = missing_secrets(&settings, &environment);
        assert_eq!(missing, [("shop".to_owned(), "SHOP_OLD".to_owned())]);
        let refused = demand_secrets(&settings, &environment).unwrap_err();
        assert!(refused.what.contains("SHOP_OLD (of shop)"), "{}", refused.what);
    }

    #[test]
    fn a_password_of_the_store_is_not_shown() {
        let at = StoreAt::Postgres("postgres://me:pass@word@host:5432/db?x=y".to_owned());
        assert_eq!(store_shown(&at), "PostgreSQL, host:5432/db");
    }

    #[test]
    fn keys_are_long_and_differ() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
    }
}
