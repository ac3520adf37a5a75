//! The configuration file: what a person writes, checked before anything starts.
//!
//! Secrets never stand in it: it names the environment variables that hold them. Every mistake is
//! reported with its line, what is wrong, and how to write it.
//!
//! A connector lists its own settings ([`trueup_connect::Setting`]). `base_url` is written as
//! `url`; a secret whose name begins with `webhook` is named in `webhook_secret_env`, any other in
//! `secret_env`; the rest stand in the table `settings` of the connection.

mod connection;
mod entity;
mod schedule;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use trueup_connect::Connector;
use trueup_domain::document::{Remitter, Tender};
use trueup_domain::mapping::{Component, GoodsPolicy, InvoicePolicy};
use trueup_domain::money::{Currency, Money, parse_decimal};
use trueup_domain::posting::Posting;
use trueup_hub::talk::Windows;

use crate::failure::Failure;

use connection::ConnectionSection;
pub use connection::is_webhook_secret;
use entity::EntitySection;
use schedule::ScheduleSection;
pub use schedule::Scheduled;

/// Where the server listens unless told otherwise: this machine only.
pub const LISTEN: &str = "127.0.0.1:8420";
const STORE: &str = "sqlite:trueup.sqlite";

/// A valid configuration, with its paths made absolute.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the file; relative paths in it start there.
    pub folder: PathBuf,
    pub environment: String,
    pub store: StoreAt,
    pub listen: SocketAddr,
    pub holidays: Vec<Date>,
    pub entities: BTreeMap<String, Entity>,
    pub connections: BTreeMap<String, Configured>,
    /// Jobs with their times, by name.
    pub schedules: Vec<Scheduled>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAt {
    Sqlite(PathBuf),
    Postgres(String),
    /// The address, with its password, is in this variable.
    PostgresIn(String),
}

/// A legal entity whose books are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    pub currency: Currency,
    /// IANA name.
    pub time_zone: String,
    /// Its id in the books.
    pub company: Option<String>,
    /// One customer in the books for all buyers.
    pub one_customer: bool,
    /// Who says in the books that goods left and came back.
    pub goods: GoodsPolicy,
    /// When a sale is invoiced.
    pub invoices: InvoicePolicy,
    pub taxes: Vec<Tax>,
    /// None where the configuration names none: then the usual ones are taken.
    pub gateways: Vec<Gateway>,
    /// By SKU.
    pub bundles: BTreeMap<String, Vec<Component>>,
}

/// A channel's word for a way to pay, and whose ledger states its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub word: String,
    pub title: String,
    pub tender: Option<Tender>,
    /// A connection.
    pub provider: Option<String>,
    /// In which it settles; the entity's own where nothing is said.
    pub currency: Option<Currency>,
}

/// A tax that `trueup odoo setup` makes, and when it applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tax {
    pub key: String,
    pub name: String,
    pub percent: Decimal,
    pub included: bool,
    pub title: Option<String>,
    pub jurisdiction: Option<String>,
    pub rate: Option<Decimal>,
    pub remitted_by: Remitter,
}

/// One account of a connector.
#[derive(Clone)]
pub struct Configured {
    pub connector: &'static Connector,
    pub entity: String,
    pub url: Option<String>,
    pub account: Option<String>,
    pub secret_env: Option<String>,
    pub webhook_secret_env: Vec<String>,
    pub since: Timestamp,
    pub poll_every_s: Option<u32>,
    pub calls_per_minute: Option<u32>,
    /// It is asked, window by window, what it made.
    pub completeness: bool,
    /// When what is delivered to it goes out.
    pub windows: Windows,
    /// How its sales go into the books.
    pub posting: Posting,
    pub ledger_since: Option<Date>,
    pub settings: BTreeMap<String, String>,
    /// When its sales are invoiced.
    pub invoices: InvoicePolicy,
    /// Who says in the books that its goods left and came back.
    pub goods: GoodsPolicy,
    /// The location of the books that they leave and come back to, where they move by the day.
    pub location: Option<String>,
    /// Or one for each of its own words.
    pub locations: BTreeMap<String, String>,
    pub fees: Option<(Decimal, Money)>,
    pub bank_names: Vec<String>,
    /// Files that appear here are taken in.
    pub drop: Option<PathBuf>,
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured")
            .field("connector", &self.connector.name)
            .field("entity", &self.entity)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::unreadable(
                format!("there is no configuration `{shown}`"),
                "write one with `trueup init`, or name yours with --config",
            ),
            _ => Failure::unreadable(
                format!("`{shown}` cannot be read: {error}"),
                "name a text file that may be read",
            ),
        })?;
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = full.parent().map(Path::to_owned).unwrap_or_default();
        let refused = |mistake: Mistake| mistake.failure(&shown.to_string(), &text);
        if let Err(error) = toml::from_str::<toml::Table>(&text) {
            let remedy = "mend this line: text stands in quotes, sections in brackets";
            return Err(Failure { code: "TU501", ..refused(Mistake::of(&error, remedy)) });
        }
        Self::parse(&text, &folder).map_err(refused)
    }

    /// Checks a text; `folder` is where its relative paths start.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Mistake> {
        let remedy = "write it as `trueup init` does; names are as in its comments";
        let file: File = toml::from_str(text).map_err(|error| Mistake::of(&error, remedy))?;
        file.check(folder)
    }
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub at: Option<Range<usize>>,
    pub what: String,
    pub remedy: String,
}

impl Mistake {
    fn of(error: &toml::de::Error, remedy: &str) -> Self {
        let what = error.message().replace('\n', "; ");
        Self { at: error.span(), what, remedy: remedy.to_owned() }
    }

    fn at<T>(place: &Spanned<T>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { at: Some(place.span()), what: what.into(), remedy: remedy.into() }
    }

    fn failure(self, name: &str, text: &str) -> Failure {
        let line = self.at.and_then(|at| text.get(..at.start)).map(|before| {
            let number = before.matches('\n').count() + 1;
            let found = text.lines().nth(number - 1).unwrap_or_default().trim();
            // A line may hold what somebody took for the place of a secret.
            let key = found.split('=').next().unwrap_or_default().trim();
            format!(", line {number} (`{key}`)")
        });
        let line = line.unwrap_or_default();
        Failure::setting(format!("{name}{line}: {}", self.what), self.remedy)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    environment: Spanned<String>,
    #[serde(default)]
    store: StoreSection,
    #[serde(default)]
    server: ServerSection,
    #[serde(default)]
    calendar: CalendarSection,
    #[serde(default)]
    entity: BTreeMap<Spanned<String>, EntitySection>,
    #[serde(default)]
    connection: BTreeMap<Spanned<String>, ConnectionSection>,
    #[serde(default)]
    schedule: BTreeMap<Spanned<String>, ScheduleSection>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSection {
    url: Option<Spanned<String>>,
    url_env: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerSection {
    listen: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarSection {
    #[serde(default)]
    holidays: Vec<Spanned<Word>>,
}

/// A text, an integer or a date, as text. A number with a point is refused: it would have passed
/// through binary, and money and rates are exact.
#[derive(Clone, Debug)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Datetime(moment) => Ok(Self(moment.to_string())),
            toml::Value::Float(_) => {
                Err(D::Error::custom("write this number in quotes, such as \"0.029\": it is exact"))
            }
            other => Err(D::Error::custom(format!("a {} cannot stand here", other.type_str()))),
        }
    }
}

impl File {
    fn check(self, folder: &Path) -> Result<Settings, Mistake> {
        let environment = self.environment;
        if !is_name(environment.as_ref()) {
            return Err(Mistake::at(
                &environment,
                format!("`{}` is no name of an environment", environment.as_ref()),
                "use letters, digits, `-` and `_`, such as `production`; it is part of every key \
                 in the books, so that a copy of the database never repeats the original's effects",
            ));
        }
        let mut holidays = Vec::new();
        for holiday in self.calendar.holidays {
            let read = holiday.as_ref().0.parse::<Date>();
            holidays.push(read.map_err(|_| {
                let what = format!("`{}` is no date", holiday.as_ref().0);
                Mistake::at(&holiday, what, "write \"2026-12-25\"")
            })?);
        }
        let listen = match &self.server.listen {
            None => LISTEN.parse().ok(),
            Some(listen) => Some(listen.as_ref().parse().map_err(|_| {
                let what = format!("`{}` is no address to listen on", listen.as_ref());
                Mistake::at(
                    listen,
                    what,
                    format!("write an IP address and a port, such as {LISTEN}"),
                )
            })?),
        };
        let Some(listen) = listen else { unreachable!("the default address is one") };
        let providers: Vec<Spanned<String>> =
            self.entity.values().flat_map(EntitySection::providers).cloned().collect();
        let mut entities = BTreeMap::new();
        for (name, section) in self.entity {
            named(&name, "entity")?;
            entities.insert(name.into_inner(), section.check()?);
        }
        let mut connections = BTreeMap::new();
        for (name, section) in self.connection {
            named(&name, "connection")?;
            let configured = section.check(&name, &entities, folder)?;
            connections.insert(name.into_inner(), configured);
        }
        if let Some(unknown) = providers.iter().find(|it| !connections.contains_key(it.as_ref())) {
            let what = format!("there is no connection `{}`", unknown.as_ref());
            let remedy = "name the connection whose ledger states this gateway's money, or none";
            return Err(Mistake::at(unknown, what, remedy));
        }
        let store = self.store.check(folder)?;
        let rest = schedule::Rest {
            folder,
            store: &store,
            entities: &entities,
            connections: &connections,
        };
        let mut schedules = Vec::new();
        for (name, section) in self.schedule {
            named(&name, "schedule")?;
            schedules.push(section.check(&name, &rest)?);
        }
        Ok(Settings {
            folder: folder.to_owned(),
            environment: environment.into_inner(),
            store,
            listen,
            holidays,
            entities,
            connections,
            schedules,
        })
    }
}

/// Names stand in keys, paths and addresses.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 40
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_')
}

fn named(name: &Spanned<String>, what: &str) -> Result<(), Mistake> {
    if is_name(name.as_ref()) && name.as_ref() != "trueup" {
        return Ok(());
    }
    Err(Mistake::at(
        name,
        format!("`{}` is no name of a {what}", name.as_ref()),
        "use letters, digits, `-` and `_`, at most 40; `trueup` is taken by the hub itself",
    ))
}

impl StoreSection {
    fn check(self, folder: &Path) -> Result<StoreAt, Mistake> {
        if let (Some(_), Some(env)) = (&self.url, &self.url_env) {
            return Err(Mistake::at(env, "both `url` and `url_env` are set", "keep one of them"));
        }
        if let Some(env) = self.url_env {
            variable(&env)?;
            return Ok(StoreAt::PostgresIn(env.into_inner()));
        }
        let url = self.url.as_ref().map_or(STORE, |url| url.as_ref());
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.is_empty() {
                return Ok(StoreAt::Sqlite(folder.join(path)));
            }
        }
        if is_postgres(url) {
            return Ok(StoreAt::Postgres(url.to_owned()));
        }
        let at = self.url.as_ref().map(Spanned::span);
        let what = "the address of the store is neither SQLite nor PostgreSQL".to_owned();
        let remedy =
            "write \"sqlite:trueup.sqlite\" or \"postgres://user@host/database\"".to_owned();
        Err(Mistake { at, what, remedy })
    }
}

pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn decimal(word: &Spanned<Word>) -> Result<Decimal, Mistake> {
    parse_decimal(&word.as_ref().0).map_err(|error| {
        Mistake::at(word, error.to_string(), "write an exact number in quotes, such as \"0.029\"")
    })
}

/// The name of an environment variable; the usual mistake is to write the secret itself.
fn variable(name: &Spanned<String>) -> Result<(), Mistake> {
    let text = name.as_ref();
    let fits = text.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_')
        && text.chars().next().is_some_and(|it| !it.is_ascii_digit());
    if fits {
        return Ok(());
    }
    Err(Mistake::at(
        name,
        "this is no name of an environment variable",
        "write a name in capitals, such as \"SHOP_US_TOKEN\", and put the secret into that \
         variable; if it was the secret, replace it at the vendor",
    ))
}

fn invoice_policy(word: Option<&Spanned<String>>) -> Result<Option<InvoicePolicy>, Mistake> {
    let Some(word) = word else { return Ok(None) };
    let policy = InvoicePolicy::parse(word.as_ref()).ok_or_else(|| {
        let what = format!("`{}` does not say when a sale is invoiced", word.as_ref());
        Mistake::at(word, what, "write \"order\", \"shipment\" or \"capture\"")
    })?;
    Ok(Some(policy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Job;
    use trueup_domain::command::CommandKind;
    use trueup_hub::talk::Window;

    const GOOD: &str = r#"
environment = "production"
[store]
url = "sqlite:data/trueup.sqlite"
[server]
listen = "127.0.0.1:9000"
[calendar]
holidays = ["2026-12-25", 2026-12-26]
[entity.eu]
currency = "EUR"
time_zone = "Europe/Berlin"
company = 2
[[entity.eu.tax]]
key = "de_19"
name = "VAT 19 %"
percent = "19"
included = true
rate = "0.19"
[connection.shop-eu]
connector = "shopify"
entity = "eu"
secret_env = "SHOP_EU_TOKEN"
webhook_secret_env = ["SHOP_EU_SECRET", "SHOP_EU_OLD_SECRET"]
since = "2026-01-01"
poll_every = "5m"
fees = { rate = "0.019", fixed = "0.25" }
bank_names = ["Shopify International"]
[connection.shop-eu.settings]
shop = "example.myshopify.com"
[connection.bank-eu]
connector = "bank"
entity = "eu"
drop = "inbox/bank-eu"
[connection.books]
connector = "odoo"
entity = "eu"
url = "https://books.example.com"
secret_env = "ODOO_KEY"
since = 2026-01-01
windows = { entry = "20:00-06:00" }
[[entity.eu.bundle]]
sku = "SET"
components = [
  { sku = "TEE-S", units = 2, price = "29.99" },
  { sku = "MUG-01", units = 1, price = 10 },
]
[schedule.nightly]
job = "backup"
folder = "backups"
cron = "30 2 * * *"
[schedule.tax]
job = "report"
report = "tax"
of = "month"
folder = "reports"
every = "6h"
[schedule.morning]
job = "poll"
connections = ["shop-eu"]
cron = "0 7 * * 1-5"
missed = "skip"
"#;

    fn parse(text: &str) -> Result<Settings, Mistake> {
        Settings::parse(text, Path::new("/srv/shop"))
    }

    #[test]
    fn a_good_file_is_read_whole() {
        let settings = parse(GOOD).unwrap();
        let store = StoreAt::Sqlite(PathBuf::from("/srv/shop/data/trueup.sqlite"));
        assert_eq!(settings.store, store);
        assert_eq!(settings.listen.port(), 9000);
        assert_eq!(settings.holidays.len(), 2);
        let shop = &settings.connections["shop-eu"];
        assert_eq!((shop.poll_every_s, shop.calls_per_minute), (Some(300), None));
        let slow =
            parse(&GOOD.replacen("poll_every = \"5m\"", "calls_per_minute = 90", 1)).unwrap();
        assert_eq!(slow.connections["shop-eu"].calls_per_minute, Some(90));
        assert_eq!(shop.since.to_string(), "2025-12-31T23:00:00Z", "the day begins in Berlin");
        let (rate, fixed) = shop.fees.unwrap();
        assert_eq!((rate.to_string(), fixed.to_string()), ("0.019".into(), "0.25 EUR".into()));
        let bank = &settings.connections["bank-eu"];
        assert_eq!(bank.drop.as_deref(), Some(Path::new("/srv/shop/inbox/bank-eu")));
        assert_eq!(settings.entities["eu"].company.as_deref(), Some("2"));
        let shown =
            |(kind, window): &(CommandKind, Window)| format!("{} {}", kind.word(), window.shown());
        let windows: Vec<String> =
            settings.connections["books"].windows.0.iter().map(shown).collect();
        assert_eq!(windows, ["entry 20:00–06:00"]);
        assert_eq!(settings.entities["eu"].taxes.len(), 1);
        let set: Vec<(&str, u32, u64)> = settings.entities["eu"].bundles["SET"]
            .iter()
            .map(|one| (one.sku.as_str(), one.units.get(), one.price))
            .collect();
        assert_eq!(set, [("TEE-S", 2, 2999), ("MUG-01", 1, 1000)]);
    }

    #[test]
    fn jobs_have_their_times_in_the_zone_of_the_entities() {
        let settings = parse(GOOD).unwrap();
        let all = settings.schedules.iter().map(|it| &it.schedule);
        let told: Vec<String> =
            all.map(|it| format!("{}: {}; {}", it.name, it.job, it.when.in_words())).collect();
        assert_eq!(
            told,
            [
                "morning: poll of shop-eu; At 07:00, on Monday, Tuesday, Wednesday, Thursday, and \
                 Friday (Europe/Berlin)",
                "nightly: backup, the newest 14 are kept; At 02:30 (Europe/Berlin)",
                "tax: report of taxes of each month, as csv; Every 6h",
            ]
        );
        let Job::Backup { folder, keep } = &settings.schedules[1].job else { panic!("a backup") };
        assert_eq!((folder.as_path(), *keep), (Path::new("/srv/shop/backups"), 14));
    }

    #[test]
    fn a_channel_is_invoiced_by_its_own_policy_or_its_entitys() {
        let policies = |text: &str| {
            let settings = parse(text).unwrap();
            (settings.entities["eu"].invoices, settings.connections["shop-eu"].invoices)
        };
        let (order, shipment) = (InvoicePolicy::Order, InvoicePolicy::Shipment);
        assert_eq!(policies(GOOD), (order, order));
        let by_entity = GOOD.replacen("company = 2", "company = 2\ninvoices = \"shipment\"", 1);
        assert_eq!(policies(&by_entity), (shipment, shipment));
        let own = "secret_env = \"SHOP_EU_TOKEN\"\ninvoices = \"capture\"";
        let by_channel = by_entity.replacen("secret_env = \"SHOP_EU_TOKEN\"", own, 1);
        assert_eq!(policies(&by_channel), (shipment, InvoicePolicy::Capture));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = parse("environment = \"test\"").unwrap();
        assert_eq!(settings.store, StoreAt::Sqlite(PathBuf::from("/srv/shop/trueup.sqlite")));
        assert_eq!(settings.listen.to_string(), LISTEN);
    }

    /// Replaces one line of the good file and says what the reader is told.
    fn told(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        match parse(&text) {
            Ok(_) => panic!("`{to}` passed"),
            Err(mistake) => {
                assert!(!mistake.remedy.is_empty());
                let failure = mistake.failure("trueup.toml", &text);
                format!("{} | {}", failure.what, failure.remedy)
            }
        }
    }

    #[track_caller]
    fn check(from: &str, to: &str, parts: &[&str]) {
        let text = told(from, to);
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }

    #[test]
    fn goods_of_summed_sales_may_move_by_the_day() {
        let day = "since = \"2026-01-01\"\nposting = \"payout\"\ngoods = \"day\"\nlocation = 8\n\
                   locations = { there = 9 }";
        let settings = parse(&GOOD.replacen("since = \"2026-01-01\"", day, 1)).unwrap();
        let shop = &settings.connections["shop-eu"];
        assert_eq!(shop.goods, GoodsPolicy::Day);
        assert_eq!(shop.location.as_deref(), Some("8"));
        assert_eq!(shop.locations["there"], "9");
        assert_eq!(settings.connections["books"].goods, GoodsPolicy::Books);
    }

    #[test]
    fn each_mistake_names_its_line_and_its_remedy() {
        check(
            "environment = \"production\"",
            "environment = \"a/b\"",
            &["line 2", "a/b", "letters"],
        );
        check("environment = \"production\"", "", &["environment"]);
        check("[store]", "[stroe]", &["line 3", "stroe"]);
        check("url = \"sqlite:data/trueup.sqlite\"", "url = \"mysql://x\"", &["line 4", "SQLite"]);
        check(
            "url = \"sqlite:data/trueup.sqlite\"",
            "url = \"sqlite:x\"\nurl_env = \"DATABASE\"",
            &["both"],
        );
        check("127.0.0.1:9000", "localhost", &["line 6", "port"]);
        check("\"2026-12-25\"", "\"2026-13-25\"", &["line 8", "2026-13-25"]);
        check("currency = \"EUR\"", "currency = \"EURO\"", &["line 10", "ISO 4217"]);
        check("time_zone = \"Europe/Berlin\"", "time_zone = \"Berlin\"", &["line 11", "IANA"]);
        check("company = 2", "company = \"My Company\"", &["line 12", "My Company"]);
        check("rate = \"0.19\"", "rate = 0.19", &["quotes"]);
        check("units = 2", "units = 0", &["nonzero"]);
        check("price = 10", "price = \"9.999\"", &["9.999", "EUR"]);
        check("price = 10", "price = \"-1\"", &["-1"]);
        check(
            "sku = \"SET\"",
            "sku = \"SET\"\ncomponents = []\n[[entity.eu.bundle]]\nsku = \"SET\"",
            &["SET"],
        );
        check("percent = \"19\"", "percent = \"a lot\"", &["line 16"]);
        check("included = true", "included = true\nremitted_by = \"me\"", &["me", "marketplace"]);
        check("company = 2", "company = 2\ninvoices = \"later\"", &["line 13", "later", "capture"]);
        check(
            "connector = \"shopify\"",
            "connector = \"woocommerce\"\ninvoices = \"shipment\"",
            &["line 21", "what left", "capture"],
        );
        check(
            "secret_env = \"SHOP_EU_TOKEN\"",
            "secret_env = \"SHOP_EU_TOKEN\"\nposting = \"day\"\ninvoices = \"capture\"",
            &["line 23", "sums up", "order"],
        );
        check(
            "secret_env = \"SHOP_EU_TOKEN\"",
            "secret_env = \"SHOP_EU_TOKEN\"\nposting = \"payout\"\ninvoices = \"shipment\"",
            &["line 23", "sums up", "order"],
        );
        check("company = 2", "company = 2\ngoods = \"day\"", &["line 13", "summed", "posting"]);
        let secret = "secret_env = \"SHOP_EU_TOKEN\"";
        let with = |more: &str| format!("{secret}\n{more}");
        check(secret, &with("goods = \"day\""), &["line 23", "order", "posting"]);
        check(secret, &with("ledger_since = \"soon\""), &["line 23", "soon", "no day"]);
        check(secret, &with("goods = \"never\""), &["line 23", "never", "channel"]);
        check(
            secret,
            &with("posting = \"day\"\ngoods = \"day\"\nlocation = \"WH\""),
            &["line 25", "WH", "number"],
        );
        check(
            secret,
            &with("posting = \"day\"\ngoods = \"day\"\nlocations = { there = \"x\" }"),
            &["line 25", "`x`", "number"],
        );
        check(secret, &with("posting = \"day\"\nlocation = 8"), &["line 24", "by the day"]);
        check(
            "connector = \"shopify\"",
            "connector = \"woocommerce\"\nposting = \"day\"\ngoods = \"day\"",
            &["line 22", "what left"],
        );
        check(
            "connector = \"shopify\"",
            "connector = \"shoppify\"",
            &["line 20", "shoppify", "odoo"],
        );
        check("entity = \"eu\"\nsecret_env", "entity = \"us\"\nsecret_env", &["[entity.us]"]);
        check(
            "secret_env = \"SHOP_EU_TOKEN\"",
            "secret_env = \"shpat_1\"",
            &["line 22", "capitals"],
        );
        check("secret_env = \"SHOP_EU_TOKEN\"", "", &["secret_env", "access token"]);
        check(
            "webhook_secret_env = [\"SHOP_EU_SECRET\", \"SHOP_EU_OLD_SECRET\"]",
            "",
            &["webhook_secret_env"],
        );
        check("since = \"2026-01-01\"", "since = \"January\"", &["line 24", "January"]);
        check("since = \"2026-01-01\"", "", &["since", "2026-01-01"]);
        check("poll_every = \"5m\"", "poll_every = 1", &["line 25", "5 seconds"]);
        check("poll_every = \"5m\"", "calls_per_minute = 0", &["line 25"]);
        check("poll_every = \"5m\"", "poll_often = 1", &["line 25", "poll_often"]);
        check("rate = \"0.019\"", "rate = 0.019", &["quotes"]);
        check("fixed = \"0.25\"", "fixed = \"0.255\"", &["line 26", "EUR"]);
        check("shop = \"example.myshopify.com\"", "", &["`shop`", "permanent domain"]);
        check(
            "shop = \"example.myshopify.com\"",
            "shop = \"a\"\nshoop = \"b\"",
            &["shoop", "has: shop", "line 30"],
        );
        check(
            "shop = \"example.myshopify.com\"",
            "shop = \"a\"\naccess_token = \"b\"",
            &["access_token", "never stands in the file"],
        );
        check("drop = \"inbox/bank-eu\"", "drop = 3", &["line 33"]);
        check("drop = \"inbox/bank-eu\"", "secret_env = \"X\"", &["needs no secret"]);
        check("url = \"https://books.example.com\"", "", &["`url` is missing"]);
        check("https://books.example.com", "http://books.example.com", &["line 37", "https"]);
        check("https://books.example.com", "https://me:pw@books.example.com", &["line 37"]);
        check(
            "url = \"https://books.example.com\"",
            "url = \"http://localhost:8069\"\ndrop = \"x\"",
            &["takes no files"],
        );
        check("[connection.books]", "[connection.\"a b\"]", &["line 34", "a b"]);
        check("entry = \"20:00", "entries = \"20:00", &["line 40", "entries", "credit_note"]);
        check("20:00-06:00", "8pm-6am", &["line 40", "8pm-6am", "20:00"]);
        let windows = "secret_env = \"SHOP_EU_TOKEN\"\nwindows = { entry = \"20:00-06:00\" }";
        check(secret, windows, &["line 23", "delivered", "shopify"]);
        check("[schedule.nightly]", "[schedule.\"a b\"]", &["line 47", "a b"]);
        check("job = \"backup\"", "job = \"vacuum\"", &["line 48", "vacuum", "poll"]);
        check("folder = \"backups\"", "keep = 3", &["line 48", "folder"]);
        check("folder = \"backups\"", "folder = \"b\"\nof = \"day\"", &["line 50", "`of`", "keep"]);
        check("cron = \"30 2 * * *\"", "cron = \"30 2 * *\"", &["line 50", "30 2 * *", "daily"]);
        check("cron = \"30 2 * * *\"", "cron = \"0 0 31 4 *\"", &["line 50", "never"]);
        check("cron = \"30 2 * * *\"", "every = \"10s\"", &["line 50", "10s", "minute"]);
        check("cron = \"30 2 * * *\"", "every = \"1h\"\ncron = \"@daily\"", &["line 50", "both"]);
        check("cron = \"30 2 * * *\"", "missed = \"once\"", &["line 47", "every"]);
        check(
            "cron = \"30 2 * * *\"",
            "cron = \"@daily\"\ntime_zone = \"Berlin\"",
            &["line 51", "IANA"],
        );
        check(
            "url = \"sqlite:data/trueup.sqlite\"",
            "url = \"postgres://x/y\"",
            &["line 48", "pg_dump"],
        );
        check("report = \"tax\"", "report = \"taxes\"", &["line 53", "taxes", "sales"]);
        check("report = \"tax\"", "report = \"tax\"\nby = [\"day\"]", &["line 53", "by"]);
        check("report = \"tax\"", "report = \"sales\"\nby = [\"days\"]", &["line 54", "days"]);
        check("of = \"month\"", "of = \"year\"", &["line 54", "year", "week"]);
        check("of = \"month\"", "format = \"pdf\"", &["line 54", "pdf", "csv"]);
        check("connections = [\"shop-eu\"]", "", &["line 58", "connections"]);
        check(
            "connections = [\"shop-eu\"]",
            "connections = [\"bank-eu\"]",
            &["line 59", "bank-eu"],
        );
        check("missed = \"skip\"", "missed = \"all\"", &["line 61", "all", "once"]);
        check("[connection.books]", "[connection.trueup]", &["line 34", "hub itself"]);
    }

    #[test]
    fn h16_a_secret_in_the_file_is_not_repeated() {
        let text = told("secret_env = \"SHOP_EU_TOKEN\"", "secret_env = \"shpat_0123456789\"");
        assert!(!text.contains("shpat_0123456789"), "{text}");
    }
}
