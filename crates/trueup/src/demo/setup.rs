//! The demo's connections and mappings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rust_decimal::Decimal;
use trueup_connect::{Secret, Settings};
use trueup_domain::derive::FeeSchedule;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_hub::setup::HubSetup;
use trueup_hub::{Connection, Hub};
use trueup_sandbox::week;
use trueup_sandbox::world::{BANK_EU, BANK_US, ODOO, SHOP_EU, SHOP_US, STRIPE};
use trueup_store::{Store, mappings};

/// The secrets of a world in which nothing is secret.
pub const DEMO_SECRET: &str = "demo-webhook-secret";
const POLL_EVERY_S: u32 = 3 * 3600;

/// How the books are reached, where not by the built-in sandbox.
#[derive(Clone, Debug)]
pub struct RealBooks {
    pub url: String,
    pub database: Option<String>,
    pub api_key: String,
}

/// The demo's hub: two shops, a provider, two banks and the books. `sandboxes` is the address of
/// the served sandboxes; the simulation has none and carries requests itself.
pub fn hub(
    store: Store,
    sandboxes: Option<&str>,
    books: Option<&RealBooks>,
    since: Timestamp,
    environment: &str,
) -> Result<Hub> {
    let usd = Currency::parse("USD")?;
    let eur = Currency::parse("EUR")?;
    let new = |name: &str, connector: &str, entity: &str| -> Result<Connection> {
        let mut connection = bare(name, connector, entity, Some(since))?;
        connection.base_url = sandboxes.map(|url| format!("{url}/{name}"));
        Ok(connection)
    };
    let mut us = new(SHOP_US, "shopify", "us")?;
    us.account = Some("trueup-us.myshopify.com".to_owned());
    us.settings.0.insert("shop".to_owned(), "trueup-us.myshopify.com".to_owned());
    let mut eu = new(SHOP_EU, "shopify", "eu")?;
    eu.account = Some("trueup-eu.myshopify.com".to_owned());
    eu.settings.0.insert("shop".to_owned(), "trueup-eu.myshopify.com".to_owned());
    eu.fees = Some(FeeSchedule { rate: Decimal::new(19, 3), fixed: Money::from_minor(25, eur) });
    eu.bank_names = vec!["Shopify International".to_owned()];
    let mut stripe = new(STRIPE, "stripe", "us")?;
    stripe.fees =
        Some(FeeSchedule { rate: Decimal::new(29, 3), fixed: Money::from_minor(30, usd) });
    stripe.bank_names = vec!["Stripe Payments".to_owned()];
    let mut odoo = new(ODOO, "odoo", "us")?;
    odoo.secret = Some(Secret::new(trueup_odoo::sandbox::HUB_KEY));
    odoo.settings.0.insert("companies".to_owned(), "1,2".to_owned());
    if let Some(books) = books {
        odoo.base_url = Some(books.url.clone());
        odoo.secret = Some(Secret::new(books.api_key.clone()));
        if let Some(database) = &books.database {
            odoo.settings.0.insert("database".to_owned(), database.clone());
        }
    }
    for connection in [&mut eu, &mut stripe] {
        connection.ledger_since = Some(since.to_zoned(jiff::tz::TimeZone::UTC).date());
    }
    let connections =
        [us, eu, stripe, new(BANK_US, "bank", "us")?, new(BANK_EU, "bank", "eu")?, odoo];
    let setup = HubSetup {
        environment: environment.to_owned(),
        connections: connections.into_iter().map(|it| (it.name.clone(), it)).collect(),
        calendar: week::calendar(),
    };
    let hub = Hub::new(store, setup);
    declare_streams(&hub)?;
    Ok(hub)
}

/// A connection of the demo without an address.
pub fn bare(
    name: &str,
    connector: &str,
    entity: &str,
    since: Option<Timestamp>,
) -> Result<Connection> {
    let connector = crate::connectors::find(connector).context("a connector of the demo")?;
    Ok(Connection {
        name: name.to_owned(),
        connector,
        entity: entity.to_owned(),
        time_zone: if entity == "us" { "America/New_York" } else { "Europe/Berlin" }.to_owned(),
        settings: Settings::default(),
        base_url: None,
        secret: Some(Secret::new("demo-key")),
        webhook_secrets: vec![Secret::new(DEMO_SECRET)],
        account: None,
        since: since.unwrap_or(Timestamp::UNIX_EPOCH),
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        ledger_since: None,
        bank_names: Vec::new(),
        poll_every_s: Some(POLL_EVERY_S),
        calls_per_minute: None,
        completeness: true,
        windows: trueup_hub::talk::Windows::default(),
    })
}

/// Makes the streams of every connection known to the store; they are due at once.
pub fn declare_streams(hub: &Hub) -> Result<()> {
    let mut streams = Vec::new();
    for connection in hub.setup.connections.values() {
        let known = connection.connector.streams(&connection.settings);
        streams.extend(known.map(|stream| (connection.name.clone(), stream.name)));
    }
    hub.store.write(move |tx| {
        for (connection, stream) in &streams {
            trueup_store::streams::declare(tx, connection, stream)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Approves the demo's mappings: one for each shop.
pub fn approve(hub: &Hub, by_entity: &BTreeMap<String, Mapping>, now: Timestamp) -> Result<()> {
    for (connection, entity, card, provider) in
        [(SHOP_US, "us", "stripe", STRIPE), (SHOP_EU, "eu", "shopify_payments", SHOP_EU)]
    {
        let mut mapping = by_entity.get(entity).context("a mapping for each entity")?.clone();
        if let Some(gateway) = mapping.gateways.get_mut(card) {
            gateway.provider = Some(provider.to_owned());
        }
        hub.store.write(move |tx| {
            mappings::approve(tx, connection, &mapping, "demo", "the demo's setup", now)
        })?;
    }
    Ok(())
}
