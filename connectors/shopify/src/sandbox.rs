//! A shop played by pure functions: orders are placed, paid, refunded, edited, sent; it pushes
//! webhooks with REST-shaped bodies and answers our own GraphQL documents.
//!
//! | module      | holds                                                        |
//! |-------------|--------------------------------------------------------------|
//! | [`world`]   | what the shop remembers                                      |
//! | [`act`]     | what happens in it: orders, payments, refunds, edits         |
//! | [`ledger`]  | Shopify Payments: balance rows, payouts, disputes            |
//! | `rest`      | its webhook bodies, with the fields of the recorded ones     |
//! | `graphql`   | its order nodes                                              |
//! | `serve`     | its GraphQL endpoint: our documents, pages, costs            |
//!
//! It refuses whatever is unknown. Ids come from counters; there is no clock and no randomness.
//! Faults of the way (lost, doubled, late deliveries) belong to whoever carries them.

pub mod act;
mod cost;
mod graphql;
pub mod ledger;
mod rest;
mod serve;
pub mod world;

#[cfg(test)]
mod tests;

pub use act::{NewLine, NewOrder, NewRefund, NewShipping, NewTax, NewTransaction, Refusal};
pub use ledger::NewRow;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use trueup_connect::limits::Rate;
use trueup_connect::sandbox::{Meter, Push, Sandbox};
use trueup_connect::{Reply, Request};
use trueup_domain::money::Currency;

use self::world::{BalanceRow, Dispute, Order, Payout};

pub struct ShopifySandbox {
    domain: String,
    currency: Currency,
    taxes_included: bool,
    /// Of the shop's clock, as REST writes its times.
    offset: jiff::tz::Offset,
    orders: BTreeMap<u64, Order>,
    rows: BTreeMap<u64, BalanceRow>,
    payouts: BTreeMap<u64, Payout>,
    disputes: BTreeMap<u64, Dispute>,
    pushes: Vec<Push>,
    counters: BTreeMap<&'static str, u64>,
    /// Webhooks that were made by the API: id to topic and address. None where they stand in the
    /// configuration of the app, and everything is pushed.
    webhooks: Option<BTreeMap<u64, (String, String)>>,
    throttled: u32,
    points: Meter,
    /// Queries for which the points did not suffice.
    pub refused: u32,
}

impl ShopifySandbox {
    pub fn new(domain: impl Into<String>, currency: Currency, taxes_included: bool) -> Self {
        Self {
            domain: domain.into(),
            currency,
            taxes_included,
            offset: jiff::tz::Offset::UTC,
            orders: BTreeMap::new(),
            rows: BTreeMap::new(),
            payouts: BTreeMap::new(),
            disputes: BTreeMap::new(),
            pushes: Vec::new(),
            counters: BTreeMap::new(),
            webhooks: None,
            throttled: 0,
            points: Meter::full(serve::POINTS),
            refused: 0,
        }
    }

    /// Moves the shop's clock by whole hours from UTC; only how REST writes times changes.
    #[must_use]
    pub fn with_offset(mut self, hours: i8) -> Self {
        self.offset = jiff::tz::offset(hours.clamp(-12, 14));
        self
    }

    /// A shop of which less may be asked.
    #[must_use]
    pub fn with_points(mut self, rate: Rate) -> Self {
        self.points = Meter::full(rate);
        self
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub fn currency(&self) -> Currency {
        self.currency
    }

    pub fn taxes_included(&self) -> bool {
        self.taxes_included
    }

    /// The next requests, this many, are answered as throttled.
    pub fn throttle_next(&mut self, requests: u32) {
        self.throttled = requests;
    }

    /// An order as the shop remembers it.
    pub fn order(&self, order: &str) -> Option<&Order> {
        self.orders.get(&order.parse().ok()?)
    }

    /// What a payout pays, in minor units.
    pub fn payout_amount(&self, payout: &str) -> Option<i64> {
        Some(self.payouts.get(&payout.parse().ok()?)?.amount)
    }

    /// The ids of all orders, oldest first.
    pub fn order_ids(&self) -> Vec<String> {
        self.orders.keys().map(u64::to_string).collect()
    }

    /// Forgets an order, as a merchant deletes a test order.
    pub fn delete_order(&mut self, order: &str) -> Result<(), Refusal> {
        let id = self.known(order)?;
        self.orders.remove(&id);
        self.push("orders/delete", &serde_json::json!({ "id": id }));
        Ok(())
    }

    /// An order's REST body, as a webhook carries it.
    pub fn order_body(&self, order: &str) -> Result<Vec<u8>, Refusal> {
        let id = self.known(order)?;
        let order = self.orders.get(&id).ok_or(Refusal::UnknownOrder)?;
        Ok(self.rest().order(order).to_string().into_bytes())
    }

    /// An order's GraphQL node, as a read cuts it out.
    pub fn order_node(&self, order: &str) -> Result<Vec<u8>, Refusal> {
        let id = self.known(order)?;
        let order = self.orders.get(&id).ok_or(Refusal::UnknownOrder)?;
        Ok(self.graphql(usize::MAX, usize::MAX).order(order).to_string().into_bytes())
    }

    fn rest(&self) -> rest::Rest<'_> {
        rest::Rest { shop: self }
    }

    fn graphql(&self, lines: usize, few: usize) -> graphql::GraphQl<'_> {
        graphql::GraphQl { shop: self, lines, few }
    }

    /// Each kind of object counts for itself, from a base of its own, so that ids look like
    /// Shopify's and are never mistaken for one another.
    fn next_id(&mut self, what: &'static str, base: u64) -> u64 {
        let counter = self.counters.entry(what).or_insert(0);
        *counter += 1;
        base + *counter
    }

    /// Makes these webhooks by the API; from now on nothing else is pushed.
    pub fn subscribe(&mut self, topics: &[&str], address: &str) {
        for topic in topics {
            self.make_webhook(topic, address);
        }
    }

    /// Shopify removes a webhook after deliveries that failed.
    pub fn remove_webhook(&mut self, topic: &str) {
        if let Some(webhooks) = &mut self.webhooks {
            webhooks.retain(|_, (of, _)| of != topic);
        }
    }

    fn make_webhook(&mut self, topic: &str, address: &str) -> u64 {
        let id = self.next_id("webhook_subscription", 892_403_000);
        let webhook = (topic.to_owned(), address.to_owned());
        self.webhooks.get_or_insert_default().insert(id, webhook);
        id
    }

    fn push(&mut self, topic: &str, body: &Value) {
        let asked_for = topic.replace('/', "_").to_ascii_uppercase();
        let known = |webhooks: &BTreeMap<u64, (String, String)>| {
            webhooks.values().any(|(of, _)| *of == asked_for)
        };
        if !self.webhooks.as_ref().is_none_or(known) {
            return;
        }
        let number = self.next_id("webhook", 0);
        self.pushes.push(Push {
            kind: topic.to_owned(),
            source_id: format!("{}-webhook-{number:08}", self.domain),
            body: body.to_string().into_bytes(),
        });
    }

    fn known(&self, order: &str) -> Result<u64, Refusal> {
        let id: u64 = order.parse().map_err(|_| Refusal::UnknownOrder)?;
        if self.orders.contains_key(&id) { Ok(id) } else { Err(Refusal::UnknownOrder) }
    }
}

impl Sandbox for ShopifySandbox {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        serve::answer(self, request, now)
    }

    fn take_deliveries(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.pushes)
    }
}
