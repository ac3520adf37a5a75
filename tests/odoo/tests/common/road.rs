//! The hub's own road into some books: documents in at the front, Odoo's moves out at the back.
//!
//! The till states documents as they are, so that a case can be written as documents and nothing of
//! a vendor's wire format stands between.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use trueup_connect::webhook::SignedDelivery;
use trueup_connect::{Auth, CallError, Connector, DecodeError, Decoded, Message, Reply, Request};
use trueup_connect::{Secret, Settings};
use trueup_domain::calendar::Calendar;
use trueup_domain::document::{Document, Kind};
use trueup_domain::mapping::{GoodsPolicy, Mapping};
use trueup_domain::posting::Posting;
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub, receive, trace};
use trueup_store::commands::Shown;
use trueup_store::facts::ShownLine;
use trueup_store::messages::{NewMessage, Origin};
use trueup_store::{Store, cases, commands, facts, mappings, streams};

use super::Books;

pub const SHOP_US: &str = "shop-us";
pub const SHOP_EU: &str = "shop-eu";
/// A portal of the European entity, which signs what it sends.
pub const PORTAL: &str = "portal";
const PORTAL_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const ENVIRONMENT: &str = "effects";

/// Rounds of a minute each that a busy Odoo is given.
const ROUNDS_MAX: usize = 20;

static TILL: Connector = Connector {
    name: "till",
    api_version: "1",
    settings: &[],
    auth: Auth::None,
    signature: None,
    kinds: &[],
    decode: read_till,
    webhooks: None,
    conversations: None,
    files: false,
    hides_shipments: false,
};

/// A message of the till is a list of kinds and bodies.
fn read_till(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let unreadable = |error: serde_json::Error| DecodeError::Unreadable(error.to_string());
    let stated: Vec<(String, String)> = serde_json::from_slice(message.body).map_err(unreadable)?;
    let document = |(kind, body): &(String, String)| {
        let kind: Kind = kind.parse().map_err(|_| DecodeError::UnknownKind)?;
        Document::from_json(kind, body).map_err(unreadable)
    };
    stated.iter().map(document).collect::<Result<_, _>>().map(Decoded::Documents)
}

/// Carries requests to the books as the hub's own user.
struct Carrier<'a>(&'a mut dyn Books);

impl Transport for Carrier<'_> {
    fn send(&mut self, _: &Connection, request: &Request) -> Result<Reply, CallError> {
        self.0.send(request, false)
    }
}

pub struct Road {
    pub hub: Hub,
    now: Timestamp,
    told: u32,
}

impl Road {
    /// A hub with one shop and one provider for each entity, and its books.
    pub fn new(us: &Mapping, eu: &Mapping) -> Self {
        Self::posting(us, eu, Posting::Transaction)
    }

    /// The same, and how the shops' sales go into the books.
    pub fn posting(us: &Mapping, eu: &Mapping, posting: Posting) -> Self {
        Self::over(Store::in_memory().expect("a store"), us, eu, posting)
    }

    /// The same over any store.
    pub fn over(store: Store, us: &Mapping, eu: &Mapping, posting: Posting) -> Self {
        Self::build(store, us, eu, posting, None)
    }

    /// A hub that posts each sale, and what the providers' ledgers say since a day.
    pub fn with_ledgers(us: &Mapping, eu: &Mapping, since: Date) -> Self {
        let store = Store::in_memory().expect("a store");
        Self::build(store, us, eu, Posting::Transaction, Some(since))
    }

    fn build(
        store: Store,
        us: &Mapping,
        eu: &Mapping,
        posting: Posting,
        ledger_since: Option<Date>,
    ) -> Self {
        let connection = |name: &str, connector: &'static Connector, entity: &str| Connection {
            posting,
            ledger_since: ledger_since.filter(|_| name.starts_with("stripe")),
            ..super::connection(name, connector, entity)
        };
        let mut portal = connection(PORTAL, &trueup_channel::CONNECTOR, "eu");
        portal.webhook_secrets = vec![Secret::new(PORTAL_SECRET)];
        let mut odoo = connection("odoo", &trueup_odoo::CONNECTOR, "us");
        odoo.settings.0.insert("companies".to_owned(), "1,2".to_owned());
        let connections = [
            portal,
            connection(SHOP_US, &TILL, "us"),
            connection(SHOP_EU, &TILL, "eu"),
            connection("stripe-us", &TILL, "us"),
            connection("stripe-eu", &TILL, "eu"),
            odoo,
        ];
        let setup = HubSetup {
            environment: ENVIRONMENT.to_owned(),
            connections: BTreeMap::from(connections.map(|it| (it.name.clone(), it))),
            calendar: Calendar::default(),
        };
        let hub = Hub::new(store, setup);
        // What goes with its month depends on the day, so that is in the month that the facts are of.
        // Otherwise the clock is that of the books, which say when somebody changed them.
        let now = if ledger_since.is_some() || posting == Posting::Payout {
            "2026-11-28T09:00:00Z".parse().expect("a time")
        } else {
            Timestamp::now()
        };
        let mapped = [(SHOP_US, us.clone()), (SHOP_EU, eu.clone()), (PORTAL, eu.clone())];
        for (shop, mapping) in mapped {
            // These tills state money alone; what goods do is tested in `goods.rs`.
            let goods = match mapping.goods {
                GoodsPolicy::Day => GoodsPolicy::Day,
                GoodsPolicy::Books | GoodsPolicy::Channel => GoodsPolicy::Books,
            };
            let mapping = Mapping { goods, ..mapping };
            hub.store
                .write(move |tx| mappings::approve(tx, shop, &mapping, "ada", "first", now))
                .expect("approved");
        }
        Self { hub, now, told: 0 }
    }

    /// How the document link of each of the American shop's orders stands.
    pub fn document_links(&self, orders: &[&str]) -> Vec<String> {
        let link = |number: &&str| {
            let root = format!("{SHOP_US}/sale/{number}");
            let shown = self.hub.store.read(move |tx| trace::trace(tx, &root)).expect("readable");
            shown.expect("known").proof[0].1.clone()
        };
        orders.iter().map(link).collect()
    }

    /// The till of a shop states some documents whole, and its provider the rows among them.
    pub fn tell(&mut self, shop: &str, documents: &[Document]) {
        let of_provider =
            |one: &&Document| matches!(one, Document::LedgerRow(_) | Document::Payout(_));
        let (rows, own): (Vec<&Document>, Vec<&Document>) = documents.iter().partition(of_provider);
        let provider = if shop == SHOP_EU { "stripe-eu" } else { "stripe-us" };
        self.told_by(shop, &own);
        self.told_by(provider, &rows);
    }

    fn told_by(&mut self, connection: &str, documents: &[&Document]) {
        if documents.is_empty() {
            return;
        }
        let (message, now) = (self.message(connection, documents), self.now);
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("recorded");
    }

    /// What the till of a connection says, as the next delivery.
    pub fn message(&mut self, connection: &str, documents: &[&Document]) -> NewMessage {
        let stated: Vec<(&str, String)> =
            documents.iter().map(|one| (one.kind().word(), one.to_json())).collect();
        self.told += 1;
        NewMessage {
            connection: connection.to_owned(),
            source_id: format!("m{}", self.told),
            kind: "till/said".to_owned(),
            origin: Origin::Webhook,
            headers: "{}".to_owned(),
            body: serde_json::to_vec(&stated).expect("JSON"),
            asked_at: None,
        }
    }

    /// A delivery of a connection that proves its senders, signed as they do; its id is its content.
    pub fn send(&mut self, name: &str, body: &serde_json::Value) {
        let connection = self.hub.connection(name).expect("configured");
        let webhooks = connection.connector.webhooks.expect("it takes them");
        let body = body.to_string().into_bytes();
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: "",
            source_id: &trueup_domain::key::body_hash(&body),
            account: "",
            body: &body,
            secret: connection.webhook_secrets.first().expect("a secret"),
            now: self.now,
        });
        let delivery = receive::Delivery { headers: &headers, body: &body };
        let message = receive::webhook(connection, &delivery, self.now).expect("authentic");
        let now = self.now;
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("recorded");
    }

    /// Runs every stage until nothing is left that Odoo could still carry out.
    pub fn deliver(&mut self, books: &mut dyn Books) {
        for _ in 0..ROUNDS_MAX {
            let now = self.now;
            shell::drain(&self.hub, &mut Carrier(books), &|| now).expect("the stages rest");
            self.now += SignedDuration::from_mins(1);
            let counts = self.hub.store.read(commands::counts).expect("readable");
            let under_way = |state: &str| matches!(state, "ready" | "sent" | "unknown");
            if !counts.iter().any(|(_, _, state, _)| under_way(state)) {
                return;
            }
        }
        panic!("{} does not take everything: {:?}", books.name(), self.unsettled());
    }

    /// Runs every stage a few times, a minute apart, whatever is left then.
    pub fn rounds(&mut self, books: &mut dyn Books, rounds: usize) {
        for _ in 0..rounds {
            let now = self.now;
            shell::drain(&self.hub, &mut Carrier(books), &|| now).expect("the stages rest");
            self.now += SignedDuration::from_mins(1);
        }
    }

    /// The same hub whose connection to the books has other settings.
    pub fn set(&mut self, settings: Settings) {
        self.change_books(|books| books.settings = settings);
    }

    /// The same hub with another connection to the books.
    pub fn change_books(&mut self, change: impl FnOnce(&mut Connection)) {
        let mut connections = self.hub.setup.connections.clone();
        change(connections.get_mut("odoo").expect("configured"));
        let setup = HubSetup {
            environment: ENVIRONMENT.to_owned(),
            connections,
            calendar: Calendar::default(),
        };
        self.hub = Hub::new(self.hub.store.clone(), setup);
    }

    /// The same hub that posts what its providers' ledgers say since a day, or not at all.
    pub fn post_ledgers(&mut self, since: Option<Date>) {
        let mut connections = self.hub.setup.connections.clone();
        for (name, connection) in &mut connections {
            connection.ledger_since = since.filter(|_| name.starts_with("stripe"));
        }
        let setup = HubSetup {
            environment: ENVIRONMENT.to_owned(),
            connections,
            calendar: Calendar::default(),
        };
        self.hub = Hub::new(self.hub.store.clone(), setup);
    }

    /// A person decides.
    pub fn decide(&self, what: What) -> Result<&'static str, Refusal> {
        let decision = Decision { what, person: "ann".to_owned(), reason: "seen".to_owned() };
        let (hub, now) = (self.hub.clone(), self.now);
        let taken = self.hub.store.write(move |tx| decisions::take(tx, &hub, &decision, now));
        taken.expect("writable")
    }

    /// Lets some time pass.
    pub fn wait(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
    }

    /// Has the books' own streams polled from now on.
    pub fn poll(&self) {
        let streams = trueup_odoo::CONNECTOR.conversations.expect("it talks").streams;
        let declare = move |tx: &mut trueup_store::Tx<'_>| {
            streams.iter().try_for_each(|one| streams::declare(tx, "odoo", one.name))
        };
        self.hub.store.write(declare).expect("declared");
    }

    pub const fn now(&self) -> Timestamp {
        self.now
    }

    pub fn commands(&self, root: &str) -> Vec<Shown> {
        self.hub.store.read(|tx| commands::of_root(tx, root)).expect("readable")
    }

    /// The types of the open cases about a subject.
    pub fn cases(&self, subject: &str) -> Vec<String> {
        let all = self.hub.store.read(|tx| cases::of_subject(tx, subject)).expect("readable");
        all.into_iter().filter(|it| it.closed_at.is_none()).map(|it| it.kind).collect()
    }

    pub fn lines(&self, root: &str) -> Vec<ShownLine> {
        self.hub.store.read(|tx| facts::lines_of_root(tx, root)).expect("readable")
    }

    fn unsettled(&self) -> Vec<(String, String, String, i64)> {
        let mut counts = self.hub.store.read(commands::counts).expect("readable");
        counts.retain(|(_, _, state, _)| state != "applied" && state != "withdrawn");
        counts
    }
}
