//! A connection as it stands in the file: its connector says which settings and secrets it takes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use toml::Spanned;
use trueup_connect::{Auth, Connector, Setting};
use trueup_domain::command::CommandKind;
use trueup_domain::mapping::{GoodsPolicy, InvoicePolicy};
use trueup_domain::money::Money;
use trueup_domain::posting::Posting;
use trueup_hub::talk::{Window, Windows};

use super::{Configured, Entity, Mistake, Word, decimal, invoice_policy, variable};
use crate::connectors;

const URL: &str = "base_url";
/// Streams are asked at least this far apart: vendors limit calls.
const POLL_EVERY_MIN_S: i64 = 5;
const POLL_EVERY_MAX_S: i64 = 7 * 24 * 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionSection {
    connector: Spanned<String>,
    entity: Spanned<String>,
    url: Option<Spanned<String>>,
    account: Option<String>,
    secret_env: Option<Spanned<String>>,
    #[serde(default)]
    webhook_secret_env: Vec<Spanned<String>>,
    since: Option<Spanned<Word>>,
    poll_every: Option<Spanned<Word>>,
    calls_per_minute: Option<NonZeroU32>,
    completeness: Option<bool>,
    #[serde(default)]
    windows: BTreeMap<Spanned<String>, Spanned<String>>,
    posting: Option<Spanned<String>>,
    ledger_since: Option<Spanned<Word>>,
    #[serde(default)]
    settings: BTreeMap<Spanned<String>, Spanned<Word>>,
    fees: Option<FeesSection>,
    #[serde(default)]
    bank_names: Vec<String>,
    drop: Option<Spanned<String>>,
    invoices: Option<Spanned<String>>,
    goods: Option<Spanned<String>>,
    location: Option<Spanned<Word>>,
    #[serde(default)]
    locations: BTreeMap<String, Spanned<Word>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeesSection {
    rate: Spanned<Word>,
    fixed: Spanned<Word>,
}

impl ConnectionSection {
    /// Its own policy, or its entity's.
    fn invoices(&self, connector: &Connector, entity: &Entity) -> Result<InvoicePolicy, Mistake> {
        let own = invoice_policy(self.invoices.as_ref())?;
        let invoices = own.unwrap_or(entity.invoices);
        if invoices == InvoicePolicy::Shipment && connector.hides_shipments {
            let what = format!("`{}` tells nothing of what left", connector.name);
            let remedy = "write `invoices = \"order\"` or `invoices = \"capture\"` for this \
                          connection";
            return Err(Mistake::at(
                self.invoices.as_ref().unwrap_or(&self.connector),
                what,
                remedy,
            ));
        }
        let sums_up = self.posting.as_ref().filter(|it| it.as_ref() != Posting::Transaction.word());
        if let (InvoicePolicy::Shipment | InvoicePolicy::Capture, Some(place)) = (invoices, sums_up)
        {
            let what = "an entry sums up sales as they were ordered, and no invoices";
            let remedy = "write `invoices = \"order\"` for this connection, or post by transaction";
            return Err(Mistake::at(place, what, remedy));
        }
        Ok(invoices)
    }

    fn sums_up(&self) -> bool {
        let word = self.posting.as_ref().map(|it| it.as_ref().as_str());
        word.is_some_and(|word| word != Posting::Transaction.word())
    }

    /// Its own policy, or its entity's.
    fn goods(&self, connector: &Connector, entity: &Entity) -> Result<GoodsPolicy, Mistake> {
        let goods = match &self.goods {
            None => entity.goods,
            Some(word) => GoodsPolicy::parse(word.as_ref()).ok_or_else(|| {
                let what = format!("`{}` does not say who moves goods", word.as_ref());
                Mistake::at(word, what, "write \"books\", \"channel\" or \"day\"")
            })?,
        };
        if let (GoodsPolicy::Day, Some(place)) = (goods, &self.goods) {
            if !self.sums_up() {
                let what = "each sale has an order in the books, which plans its own delivery";
                let remedy = "write `goods = \"channel\"`, or sum up its sales with `posting`";
                return Err(Mistake::at(place, what, remedy));
            }
            if connector.hides_shipments {
                let what = format!("`{}` tells nothing of what left", connector.name);
                return Err(Mistake::at(place, what, "write `goods = \"books\"`"));
            }
        }
        let places = self.location.iter().chain(self.locations.values());
        for place in places {
            if goods != GoodsPolicy::Day {
                let what = "a location is only for goods that move by the day";
                return Err(Mistake::at(place, what, "write `goods = \"day\"`, or take it out"));
            }
            if place.as_ref().0.parse::<u32>().is_err() {
                let what = format!("`{}` is no id of a location", place.as_ref().0);
                let remedy = "write the number that the books give the location, such as 8";
                return Err(Mistake::at(place, what, remedy));
            }
        }
        Ok(goods)
    }

    pub(super) fn check(
        self,
        name: &Spanned<String>,
        entities: &BTreeMap<String, Entity>,
        folder: &Path,
    ) -> Result<Configured, Mistake> {
        let Some(connector) = connectors::find(self.connector.as_ref()) else {
            let known: Vec<&str> = connectors::ALL.iter().map(|it| it.name).collect();
            let what = format!("there is no connector `{}`", self.connector.as_ref());
            return Err(Mistake::at(
                &self.connector,
                what,
                format!("there are: {}", known.join(", ")),
            ));
        };
        let Some(entity) = entities.get(self.entity.as_ref()) else {
            let what = format!("there is no entity `{}`", self.entity.as_ref());
            let remedy = format!("add a section [entity.{}]", self.entity.as_ref());
            return Err(Mistake::at(&self.entity, what, remedy));
        };
        let invoices = self.invoices(connector, entity)?;
        let goods = self.goods(connector, entity)?;
        let settings = self.own_settings(connector)?;
        let windows = self.windows(connector)?;
        self.url_fits(name, connector)?;
        self.secrets_fit(name, connector)?;
        if let Some(drop) = &self.drop
            && !connector.files
        {
            let what = format!("the connector `{}` takes no files", connector.name);
            return Err(Mistake::at(drop, what, "remove `drop`"));
        }
        let fees = match &self.fees {
            None => None,
            Some(fees) => {
                let fixed = Money::parse(&fees.fixed.as_ref().0, entity.currency);
                let fixed = fixed.map_err(|error| {
                    let remedy =
                        format!("write an amount in {}, such as \"0.30\"", entity.currency);
                    Mistake::at(&fees.fixed, error.to_string(), remedy)
                })?;
                Some((decimal(&fees.rate)?, fixed))
            }
        };
        Ok(Configured {
            connector,
            since: self.since(name, connector, &entity.time_zone)?,
            poll_every_s: self.poll_every.as_ref().map(seconds).transpose()?,
            calls_per_minute: self.calls_per_minute.map(NonZeroU32::get),
            completeness: self.completeness.unwrap_or(true),
            windows,
            posting: self.posting.as_ref().map(posting).transpose()?.unwrap_or_default(),
            ledger_since: self.ledger_since.as_ref().map(day).transpose()?,
            entity: self.entity.into_inner(),
            url: self.url.map(Spanned::into_inner),
            account: self.account,
            secret_env: self.secret_env.map(Spanned::into_inner),
            webhook_secret_env: self
                .webhook_secret_env
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            settings,
            invoices,
            goods,
            location: self.location.map(|it| it.into_inner().0),
            locations: self
                .locations
                .into_iter()
                .map(|(word, id)| (word, id.into_inner().0))
                .collect(),
            fees,
            bank_names: self.bank_names,
            drop: self.drop.map(|drop| folder.join(drop.into_inner())),
        })
    }

    fn windows(&self, connector: &Connector) -> Result<Windows, Mistake> {
        let mut windows = Vec::new();
        for (kind, hours) in &self.windows {
            if !connector.conversations.is_some_and(|it| it.delivers) {
                let what = format!("nothing is delivered to `{}`", connector.name);
                return Err(Mistake::at(kind, what, "remove `windows`"));
            }
            let Some(of) = CommandKind::parse(kind.as_ref()) else {
                let what = format!("nothing called `{}` is delivered", kind.as_ref());
                let remedy = "write partner, order, invoice, payment, credit_note, reconciliation, \
                              cancellation, entry or goods";
                return Err(Mistake::at(kind, what, remedy));
            };
            let Some(window) = Window::parse(hours.as_ref()) else {
                let what = format!("`{}` is no part of a day", hours.as_ref());
                let remedy = "write two times, such as \"20:00-06:00\"";
                return Err(Mistake::at(hours, what, remedy));
            };
            windows.push((of, window));
        }
        Ok(Windows(windows))
    }

    fn own_settings(&self, connector: &Connector) -> Result<BTreeMap<String, String>, Mistake> {
        let own = || connector.settings.iter().filter(|it| !it.secret && it.name != URL);
        for name in self.settings.keys() {
            if own().any(|it| it.name == name.as_ref()) {
                continue;
            }
            let known: Vec<&str> = own().map(|it| it.name).collect();
            let remedy =
                if connector.settings.iter().any(|it| it.secret && it.name == name.as_ref()) {
                    "name the variable that holds this secret in `secret_env` or \
                 `webhook_secret_env`; it never stands in the file"
                        .to_owned()
                } else if known.is_empty() {
                    format!("the connector `{}` has no settings", connector.name)
                } else {
                    format!("the connector `{}` has: {}", connector.name, known.join(", "))
                };
            let what = format!("there is no setting `{}`", name.as_ref());
            return Err(Mistake::at(name, what, remedy));
        }
        let given = |name: &str| self.settings.iter().any(|(own, _)| own.as_ref() == name);
        if let Some(lacking) = own().find(|it| it.required && !given(it.name)) {
            let what = format!("the setting `{}` is missing", lacking.name);
            let remedy = format!("add `settings.{} = \"…\"`: {}", lacking.name, lacking.help);
            return Err(Mistake::at(&self.connector, what, remedy));
        }
        let text = |(name, value): (&Spanned<String>, &Spanned<Word>)| {
            (name.as_ref().clone(), value.as_ref().0.clone())
        };
        Ok(self.settings.iter().map(text).collect())
    }

    fn url_fits(&self, name: &Spanned<String>, connector: &Connector) -> Result<(), Mistake> {
        if let Some(url) = &self.url {
            let fits = url.as_ref().starts_with("https://") || is_this_machine(url.as_ref());
            if !fits || url.as_ref().contains('@') || url.as_ref().contains(char::is_whitespace) {
                return Err(Mistake::at(
                    url,
                    "this address cannot be used",
                    "write https://…, without a user or password in it; http only for this machine",
                ));
            }
            return Ok(());
        }
        let setting = connector.settings.iter().find(|it| it.name == URL && it.required);
        match setting {
            None => Ok(()),
            Some(setting) => Err(Mistake::at(
                name,
                "`url` is missing",
                format!("add `url = \"https://…\"`: {}", setting.help),
            )),
        }
    }

    fn secrets_fit(&self, name: &Spanned<String>, connector: &Connector) -> Result<(), Mistake> {
        for env in self.secret_env.iter().chain(&self.webhook_secret_env) {
            variable(env)?;
        }
        let lacks = |key: &str, setting: &Setting| {
            let what = format!("`{key}` is missing");
            let remedy = format!("name the variable that holds it: {}", setting.help);
            Err(Mistake::at(name, what, remedy))
        };
        for setting in connector.settings.iter().filter(|it| it.secret && it.required) {
            let (key, given) = if is_webhook_secret(setting) {
                ("webhook_secret_env", !self.webhook_secret_env.is_empty())
            } else {
                ("secret_env", self.secret_env.is_some())
            };
            if !given {
                return lacks(key, setting);
            }
        }
        match (&self.secret_env, connector.auth) {
            (Some(env), Auth::None) => {
                let what = format!("the connector `{}` needs no secret", connector.name);
                Err(Mistake::at(env, what, "remove `secret_env`"))
            }
            _ => Ok(()),
        }
    }

    fn since(
        &self,
        name: &Spanned<String>,
        connector: &Connector,
        time_zone: &str,
    ) -> Result<Timestamp, Mistake> {
        let Some(since) = &self.since else {
            // Files say themselves how far back they reach.
            return match connector.conversations {
                None => Ok(Timestamp::UNIX_EPOCH),
                Some(_) => Err(Mistake::at(
                    name,
                    "`since` is missing",
                    "add the day from which on Trueup answers for the books, such as \
                     `since = \"2026-01-01\"`; what is older is read only where it is referred to",
                )),
            };
        };
        let text = since.as_ref().0.as_str();
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(moment);
        }
        let start = text.parse::<Date>().ok().and_then(|day| day.in_tz(time_zone).ok());
        start.map(|start| start.timestamp()).ok_or_else(|| {
            Mistake::at(since, format!("`{text}` is no day"), "write \"2026-01-01\"")
        })
    }
}

/// Plain HTTP is for what does not leave the machine.
fn is_this_machine(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

pub fn is_webhook_secret(setting: &Setting) -> bool {
    setting.secret && setting.name.starts_with("webhook")
}

fn posting(word: &Spanned<String>) -> Result<Posting, Mistake> {
    Posting::parse(word.as_ref()).ok_or_else(|| {
        let known: Vec<&str> = Posting::ALL.iter().map(|mode| mode.word()).collect();
        let what = format!("there is no way of posting `{}`", word.as_ref());
        Mistake::at(word, what, format!("there are: {}", known.join(", ")))
    })
}

fn day(word: &Spanned<Word>) -> Result<Date, Mistake> {
    let text = &word.as_ref().0;
    text.parse().map_err(|_| {
        Mistake::at(word, format!("`{text}` is no day"), "write \"2026-01-01\", or take it out")
    })
}

fn seconds(word: &Spanned<Word>) -> Result<u32, Mistake> {
    let text = &word.as_ref().0;
    let read = match text.parse::<i64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => text.parse::<SignedDuration>().ok().map(|it| it.as_secs()),
    };
    let fits = read.filter(|it| (POLL_EVERY_MIN_S..=POLL_EVERY_MAX_S).contains(it));
    fits.and_then(|it| u32::try_from(it).ok()).ok_or_else(|| {
        let what = format!("`{text}` is no interval for polling");
        Mistake::at(word, what, "write seconds or \"5m\", from 5 seconds to 7 days")
    })
}
