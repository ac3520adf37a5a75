//! A shop played by pure functions: orders are placed, paid, refunded, trashed; it sends webhooks
//! and answers the requests of our own conversations.
//!
//! | module    | holds                                                        |
//! |-----------|--------------------------------------------------------------|
//! | [`world`] | what the shop remembers                                      |
//! | [`act`]   | what happens in it                                           |
//! | `json`    | its objects, with the fields of the recorded ones            |
//! | `serve`   | the requests it answers                                      |
//!
//! As the real one, it makes the body of a delivery when it is sent, names deliveries by webhook
//! and second, sends several changes of one order as one, and switches a webhook off after five
//! deliveries in a row that failed. It refuses whatever is unknown. Ids come from one counter, as
//! WordPress counts; there is no clock and no randomness.

pub mod act;
mod json;
mod serve;
pub mod world;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use trueup_connect::sandbox::{Push, Sandbox};
use trueup_connect::{Reply, Request};
use trueup_domain::money::Currency;

pub use act::{NewFee, NewLine, NewOrder, NewRefund, Refusal};

use self::world::{Order, Rate, Webhook};

/// After how many failures in a row a webhook is switched off.
const FAILURES_MAX: u32 = 5;

/// A failure that the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 from whoever stands before the shop.
    RateLimited,
    /// 503 with a page of HTML, as in maintenance.
    Maintenance,
    /// 500 with an error body.
    ServerError,
    /// 401: the key was revoked.
    Unauthorized,
    /// 401: the key's user has no right to it, or the request came over plain http.
    CannotView,
    /// 200, but the body ends in the middle.
    CutOff,
}

pub struct WooSandbox {
    address: String,
    currency: Currency,
    /// What buyers see contains the tax; what the API says never does.
    prices_include_tax: bool,
    rates: BTreeMap<u64, Rate>,
    orders: BTreeMap<u64, Order>,
    webhooks: BTreeMap<u64, Webhook>,
    /// The key that we have may read and not write.
    read_only: bool,
    /// Webhook, order and topic of what is to be sent.
    pending: VecDeque<(u64, u64, &'static str)>,
    counter: u64,
    now: Timestamp,
    faults: VecDeque<Fault>,
}

impl WooSandbox {
    /// `address` is the shop's without its scheme, such as `shop.example.com`.
    pub fn new(address: impl Into<String>, currency: Currency, prices_include_tax: bool) -> Self {
        let topics = ["order.created", "order.updated", "order.deleted", "order.restored"];
        let webhook = |(id, topic): (u64, &'static str)| {
            (id, Webhook { topic, active: true, failures: 0, changed: Timestamp::UNIX_EPOCH })
        };
        Self {
            address: address.into(),
            currency,
            prices_include_tax,
            rates: BTreeMap::new(),
            read_only: false,
            orders: BTreeMap::new(),
            webhooks: (1..).zip(topics).map(webhook).collect(),
            pending: VecDeque::new(),
            counter: 10,
            now: Timestamp::UNIX_EPOCH,
            faults: VecDeque::new(),
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// An order as the shop remembers it.
    pub fn order(&self, order: &str) -> Option<&Order> {
        self.orders.get(&order.parse().ok()?)
    }

    /// The next requests meet these failures, one each, in this order.
    pub fn fault_next(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    /// What is to be sent never is: the schedule of the site was cleared. Returns how much.
    pub fn lose_deliveries(&mut self) -> usize {
        let lost = self.pending.len();
        self.pending.clear();
        lost
    }

    /// A delivery of this topic failed; nothing is sent again.
    pub fn not_delivered(&mut self, topic: &str, now: Timestamp) {
        for webhook in self.webhooks.values_mut().filter(|one| one.topic == topic && one.active) {
            webhook.failures += 1;
            if webhook.failures > FAILURES_MAX {
                (webhook.active, webhook.changed) = (false, now);
            }
        }
    }

    /// The key that we have is one for reading.
    pub fn give_a_key_for_reading(&mut self) {
        self.read_only = true;
    }

    /// Somebody deletes a webhook.
    pub fn delete_webhook(&mut self, topic: &str) {
        self.webhooks.retain(|_, webhook| webhook.topic != topic);
    }

    /// A delivery of this topic was answered with success.
    pub fn delivered(&mut self, topic: &str) {
        for webhook in self.webhooks.values_mut().filter(|one| one.topic == topic) {
            webhook.failures = 0;
        }
    }

    /// The merchant switches a webhook on again.
    pub fn switch_on(&mut self, topic: &str, now: Timestamp) {
        for webhook in self.webhooks.values_mut().filter(|one| one.topic == topic) {
            (webhook.active, webhook.failures, webhook.changed) = (true, 0, now);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Several changes of one order that wait to be sent are sent as one.
    fn tell(&mut self, order: u64, topic: &'static str) {
        for (&webhook, found) in self.webhooks.iter().filter(|(_, one)| one.topic == topic) {
            let wanted = (webhook, order, topic);
            if found.active && !self.pending.contains(&wanted) {
                self.pending.push_back(wanted);
            }
        }
    }

    fn body(&self, order: u64, topic: &str) -> Vec<u8> {
        if topic == "order.deleted" {
            return serde_json::json!({ "id": order }).to_string().into_bytes();
        }
        match self.orders.get(&order) {
            Some(order) => self.order_json(order).to_string().into_bytes(),
            None => serve::no_such_order().body,
        }
    }
}

impl Sandbox for WooSandbox {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        self.now = self.now.max(now);
        match self.faults.pop_front() {
            None => self.answer(request),
            Some(fault) => self.fail(fault, request),
        }
    }

    /// The schedule of the site runs: what waits is sent, as the orders are now.
    fn take_deliveries(&mut self) -> Vec<Push> {
        let pending: Vec<_> = self.pending.drain(..).collect();
        let push = |(webhook, order, topic): (u64, u64, &'static str)| {
            let moment = format!("{webhook}/{}", self.now.as_second());
            let hash = Sha256::digest(moment.as_bytes());
            let id: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            Push { kind: topic.to_owned(), source_id: id, body: self.body(order, topic) }
        };
        pending.into_iter().map(push).collect()
    }
}
