//! Stripe played by a pure function: one account in one currency, which converts what is charged in
//! another.
//!
//! | module       | holds                                                             |
//! |--------------|-------------------------------------------------------------------|
//! | [`world`]    | what happens there: charges, refunds, disputes, reserves, fees    |
//! | [`payouts`]  | what leaves for the bank and what comes back                      |
//! | [`objects`]  | its objects and how they look in JSON                             |
//! | [`serve`]    | the requests it answers                                           |
//!
//! The same calls make the same bytes: ids come from counters, times from the caller. Amounts are
//! in Stripe's own minor units, as its API takes them. Every movement of the balance is a row, so
//! that the sum of all rows is the balance, whatever happens.

mod objects;
mod payouts;
mod serve;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};
use trueup_connect::sandbox::{Push, Sandbox};
use trueup_connect::{Reply, Request};
use trueup_domain::money::Currency;

use crate::API_VERSION;
use objects::{Charge, Dispute, Payout, Refund, Row};

/// A failure that the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429, as Stripe words it.
    RateLimited,
    /// 409: another request holds the object.
    Locked,
    /// 500 with an error body.
    ServerError,
    /// 503 with a page of HTML from a proxy.
    Unavailable,
    /// 401: the key was rolled or revoked.
    Unauthorized,
    /// 403: the restricted key lacks a right.
    Forbidden,
    /// 200, but the body ends in the middle.
    CutOff,
}

/// One Stripe account.
#[derive(Clone, Debug)]
pub struct StripeSandbox {
    account: String,
    /// Part of every id, so that the objects of two accounts never share one.
    tag: String,
    currency: String,
    fee_fixed: i64,
    settlement_days: i64,
    /// What one unit of another currency is in the account's, in millionths, by its code.
    rates: BTreeMap<String, i64>,
    counters: BTreeMap<&'static str, u64>,
    charges: BTreeMap<String, Charge>,
    refunds: BTreeMap<String, Refund>,
    disputes: BTreeMap<String, Dispute>,
    payouts: BTreeMap<String, Payout>,
    rows: BTreeMap<String, Row>,
    events: BTreeMap<String, Event>,
    /// Ids of events on their way.
    deliveries: VecDeque<String>,
    /// Ids of events that nobody took.
    undelivered: BTreeSet<String>,
    faults: VecDeque<Fault>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// A webhook endpoint as the account has it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    pub enabled: bool,
    pub events: Vec<String>,
}

#[derive(Clone, Debug)]
struct Event {
    kind: &'static str,
    created: i64,
    body: Vec<u8>,
}

impl StripeSandbox {
    /// `account` is Stripe's id of it, such as `acct_demo`.
    pub fn new(account: impl Into<String>, currency: Currency) -> Self {
        let account = account.into();
        let plain = |letter: &char| letter.is_ascii_alphanumeric();
        let tag = account.trim_start_matches("acct_").chars().filter(plain).collect();
        let thousandths = crate::money::exponent(currency) == Ok(3);
        Self {
            account,
            tag,
            currency: currency.code().to_ascii_lowercase(),
            fee_fixed: if thousandths { 300 } else { 30 },
            settlement_days: 2,
            rates: BTreeMap::new(),
            counters: BTreeMap::new(),
            charges: BTreeMap::new(),
            refunds: BTreeMap::new(),
            disputes: BTreeMap::new(),
            payouts: BTreeMap::new(),
            rows: BTreeMap::new(),
            events: BTreeMap::new(),
            deliveries: VecDeque::new(),
            undelivered: BTreeSet::new(),
            faults: VecDeque::new(),
            endpoints: Vec::new(),
        }
    }

    /// Somebody makes a webhook endpoint, or changes the one of that id.
    pub fn put_endpoint(&mut self, endpoint: Endpoint) {
        self.endpoints.retain(|known| known.id != endpoint.id);
        self.endpoints.push(endpoint);
    }

    /// After how many days a charge can be paid out; two unless said otherwise.
    #[must_use]
    pub fn settling_after(mut self, days: u16) -> Self {
        self.settlement_days = i64::from(days);
        self
    }

    /// From now on, what one unit of `currency` is in the account's, in millionths.
    pub fn put_rate(&mut self, currency: Currency, millionths: i64) {
        self.rates.insert(currency.code().to_ascii_lowercase(), millionths);
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    /// The next requests meet these failures, one each, in this order.
    pub fn fault_next(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    /// The deliveries on their way are lost; Stripe lists them as undelivered. Returns how many.
    pub fn lose_deliveries(&mut self) -> usize {
        let lost = self.deliveries.len();
        self.undelivered.extend(self.deliveries.drain(..));
        lost
    }

    /// A delivery that was taken did not arrive after all.
    pub fn not_delivered(&mut self, event: &str) {
        if self.events.contains_key(event) {
            self.undelivered.insert(event.to_owned());
        }
    }

    /// Sum of the nets of all rows: what Stripe holds for the account.
    pub fn balance(&self) -> i64 {
        self.rows.values().map(Row::net).sum()
    }

    /// The part of the balance that can be paid out now.
    pub fn balance_available(&self, now: Timestamp) -> i64 {
        let available = self.rows.values().filter(|row| row.available_on <= now.as_second());
        available.map(Row::net).sum()
    }

    /// The rows of a payout, its own included, with their nets.
    pub fn payout_rows(&self, payout: &str) -> Vec<(String, i64)> {
        let rows = self.rows.values().filter(|row| row.payout.as_deref() == Some(payout));
        rows.map(|row| (row.id.clone(), row.net())).collect()
    }

    /// Amount of a payout; negative when the bank account is debited.
    pub fn payout_amount(&self, payout: &str) -> Option<i64> {
        self.payouts.get(payout).map(|payout| payout.amount)
    }

    fn next_id(&mut self, prefix: &'static str) -> String {
        let counter = self.counters.entry(prefix).or_insert(0);
        *counter += 1;
        format!("{prefix}_{}{counter:08}", self.tag)
    }

    fn tell(&mut self, kind: &'static str, object: &Value, now: Timestamp) {
        let id = self.next_id("evt");
        let body = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": now.as_second(),
            "data": {"object": object},
            "livemode": false,
            "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null},
            "type": kind,
        });
        let body = body.to_string().into_bytes();
        self.deliveries.push_back(id.clone());
        self.events.insert(id, Event { kind, created: now.as_second(), body });
    }
}

impl Sandbox for StripeSandbox {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        match self.faults.pop_front() {
            None => self.answer(request, now),
            Some(fault) => self.fail(fault, request, now),
        }
    }

    fn take_deliveries(&mut self) -> Vec<Push> {
        let taken: Vec<String> = self.deliveries.drain(..).collect();
        let push = |id: String| {
            let event = self.events.get(&id)?;
            Some(Push { kind: event.kind.to_owned(), source_id: id, body: event.body.clone() })
        };
        taken.into_iter().filter_map(push).collect()
    }
}
