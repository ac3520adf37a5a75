//! One hub on which all scenarios are played together, so that the books get batches: each has a
//! channel of its own, the providers and the books are shared.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trueup_connect::webhook::{Delivery, SignedDelivery};
use trueup_connect::{CallError, Connector, Reply, Request, Secret};
use trueup_domain::calendar::Calendar;
use trueup_domain::journal::Role;
use trueup_domain::mapping::{Component, CustomerPolicy, GoodsPolicy, InvoicePolicy, Mapping};
use trueup_domain::money::{Currency, Money};
use trueup_domain::posting::Posting;
use trueup_hub::decisions::{self, Decision, What};
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub, month_end, receive};
use trueup_store::messages::{NewMessage, Origin};
use trueup_store::{Store, cases, commands, mappings, summaries};

use crate::SetUp;
use crate::common::Books;
use crate::file::Scenario;
use crate::provider;
use crate::words::{Teller, Told};

pub const ENVIRONMENT: &str = "histories";
const BOOKS: &str = "odoo";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Rounds of a minute each that a busy Odoo is given.
const ROUNDS_MAX: usize = 30;

/// Carries requests to the books as the hub's own user. Nobody answers for a channel.
struct Carrier<'a>(&'a mut dyn Books);

impl Transport for Carrier<'_> {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        if connection.name == BOOKS {
            self.0.send(request, false)
        } else {
            Err(CallError::Unreachable { why: "it only tells".to_owned() })
        }
    }
}

pub struct Stage {
    pub hub: Hub,
    pub mappings: BTreeMap<String, Mapping>,
    /// By company and word.
    pub locations: BTreeMap<(String, &'static str), String>,
    now: Timestamp,
    /// Deliveries and records so far.
    told: u32,
}

fn connector(word: &str) -> &'static Connector {
    match word {
        "channel" => &trueup_channel::CONNECTOR,
        "shopify" => &trueup_shopify::CONNECTOR,
        "woocommerce" => &trueup_woocommerce::CONNECTOR,
        "amazon" => &trueup_amazon::CONNECTOR,
        other => panic!("no channel `{other}`"),
    }
}

impl Stage {
    pub fn new(scenarios: &[Scenario], set_up: &SetUp) -> Self {
        let connection = |name: &str, connector: &'static Connector, entity: &str| Connection {
            webhook_secrets: vec![Secret::new(SECRET)],
            // Its channels only tell, and nobody answers for them.
            completeness: false,
            ..crate::common::connection(name, connector, entity)
        };
        let mut connections = vec![
            connection("stripe-us", &trueup_stripe::CONNECTOR, "us"),
            connection("stripe-eu", &trueup_stripe::CONNECTOR, "eu"),
            connection(BOOKS, &trueup_odoo::CONNECTOR, "us"),
        ];
        let mut own = BTreeMap::new();
        for scenario in scenarios {
            let entity = if scenario.european() { "eu" } else { "us" };
            let word = scenario.heading("Channel").unwrap_or("channel");
            let mut channel = connection(&scenario.name, connector(word), entity);
            if let Some(word) = scenario.heading("Posting") {
                channel.posting = Posting::parse(word).expect("a way of posting");
            }
            if let Some(day) = scenario.heading("Since") {
                channel.since = format!("{day}T00:00:00Z").parse().expect("a day");
            }
            if let Some(day) = scenario.heading("Ledger") {
                let since = Some(day.parse().expect("a day"));
                connections.push(connection(
                    &provider::bank_of(scenario),
                    &trueup_bank::CONNECTOR,
                    entity,
                ));
                if word == "amazon" {
                    channel.ledger_since = since;
                } else {
                    let name = provider::connection_of(scenario);
                    let mut card = connection(&name, &trueup_stripe::CONNECTOR, entity);
                    card.ledger_since = since;
                    connections.push(card);
                }
            }
            connections.push(channel);
            own.insert(scenario.name.clone(), mapping(scenario, set_up));
        }
        let named = connections.into_iter().map(|one| (one.name.clone(), one));
        let setup = HubSetup {
            environment: ENVIRONMENT.to_owned(),
            connections: named.collect(),
            calendar: Calendar::default(),
        };
        let hub = Hub::new(Store::in_memory().expect("a store"), setup);
        let now: Timestamp = "2026-11-11T09:00:00Z".parse().expect("a time");
        let locations = set_up.locations.clone();
        let mut stage = Self { hub, mappings: own, locations, now, told: 0 };
        for name in stage.mappings.keys().cloned().collect::<Vec<_>>() {
            stage.approve(&name);
        }
        stage
    }

    fn approve(&mut self, name: &str) {
        let (mapping, now) = (self.mappings[name].clone(), self.now);
        let shop = name.to_owned();
        let approved = self.hub.store.write(move |tx| {
            mappings::approve(tx, &shop, &mapping, "ada", "as the scenario says", now)
        });
        approved.expect("approved");
    }

    /// Plays all scenarios, round by round.
    pub fn play(&mut self, scenarios: &[Scenario], books: &mut dyn Books) {
        let mut tellers: Vec<Teller<'_>> = scenarios.iter().map(Teller::new).collect();
        let mut said: Vec<Vec<Told>> = scenarios.iter().map(|_| Vec::new()).collect();
        let rounds = scenarios.iter().map(|it| it.rounds.len()).max().unwrap_or(0);
        for round in 0..rounds {
            for ((scenario, teller), said) in scenarios.iter().zip(&mut tellers).zip(&mut said) {
                let statements = scenario.rounds.get(round).into_iter().flatten();
                for told in together(statements.map(|statement| teller.tell(statement))) {
                    self.say(scenario, &told, said, books);
                    said.push(told);
                }
            }
            self.settle(books);
        }
    }

    fn say(&mut self, scenario: &Scenario, told: &Told, before: &[Told], books: &mut dyn Books) {
        match told {
            Told::Delivery(message) => self.deliver(&scenario.name, message),
            Told::Record { connection, kind, body } | Told::Whole { connection, kind, body } => {
                self.record(connection, kind, body);
            }
            Told::Statement { connection, name, body } => self.file(connection, name, body),
            Told::Again => {
                for told in before {
                    self.say(scenario, told, &[], books);
                }
            }
            Told::Locked { kind, until } => {
                let company = self.mappings[&scenario.name].company.parse().expect("an id");
                books.lock(company, *kind, until);
            }
            Told::Invoiced { day, amount } => {
                self.invoice_by_hand(books, &scenario.name, day, amount);
            }
            Told::Closed { day } => {
                let (name, day, now) = (scenario.name.clone(), *day, self.now);
                let (who, hub) = (("ada", "close of the month"), self.hub.clone());
                let closed = self
                    .hub
                    .store
                    .write(move |tx| month_end::decide(tx, &hub, &name, day, who, now));
                closed.expect("decided");
            }
            Told::Mapped { sku, product } => {
                let mapping = self.mappings.get_mut(&scenario.name).expect("mapped");
                let product = mapping.products[product].clone();
                mapping.products.insert(sku.clone(), product);
                self.approve(&scenario.name);
            }
            Told::Skipped { reason } => {
                let all = self.hub.store.read(cases::open_cases).expect("readable");
                let of = format!("/{}/", scenario.name);
                let own = |one: &cases::Case| one.kind == "refused" && one.subject.contains(&of);
                for case in all.into_iter().filter(own).map(|one| one.id) {
                    self.decide(What::Skip { case }, reason);
                }
            }
            Told::Asked { company, vat_number } => {
                let sale = format!("{}/sale/1", scenario.name);
                let (company, vat_number) = (company.clone(), vat_number.clone());
                self.decide(What::Invoice { sale, company, vat_number }, "he asked for it");
            }
        }
    }

    fn decide(&self, what: What, reason: &str) {
        let decision = Decision { what, person: "ann".to_owned(), reason: reason.to_owned() };
        let (hub, now) = (self.hub.clone(), self.now);
        let done = self.hub.store.write(move |tx| decisions::take(tx, &hub, &decision, now));
        done.expect("decided").expect("done");
    }

    /// A signed delivery. Each has an id of its own, as if its sender made it anew.
    fn deliver(&mut self, name: &str, message: &serde_json::Value) {
        self.told += 1;
        let connection = self.hub.connection(name).expect("configured");
        let webhooks = connection.connector.webhooks.expect("it takes them");
        let body = message.to_string().into_bytes();
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: "",
            source_id: &format!("d{}", self.told),
            account: "",
            body: &body,
            secret: connection.webhook_secrets.first().expect("a secret"),
            now: self.now,
        });
        let delivery = Delivery { headers: &headers, body: &body };
        let now = self.now;
        // A provider that repeats a delivery does it under the same id.
        for _ in 0..2 {
            let message = receive::webhook(connection, &delivery, now).expect("authentic");
            self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("stored");
        }
    }

    fn record(&mut self, connection: &str, kind: &str, body: &[u8]) {
        self.told += 1;
        let now = self.now;
        let message = NewMessage {
            connection: connection.to_owned(),
            source_id: format!("r{}", self.told),
            kind: kind.to_owned(),
            origin: Origin::Poll,
            headers: String::new(),
            body: body.to_vec(),
            asked_at: Some(now),
        };
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("stored");
    }

    fn file(&self, connection: &str, name: &str, body: &[u8]) {
        let now = self.now;
        let bank = self.hub.connection(connection).expect("configured");
        let message = receive::file(bank, name, body.to_vec()).expect("taken");
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("stored");
    }

    /// An invoice of one line without tax, posted, whose reference is the order's number.
    fn invoice_by_hand(&self, books: &mut dyn Books, name: &str, day: &str, amount: &str) {
        let mapping = &self.mappings[name];
        let customer = match &mapping.customers {
            CustomerPolicy::PerBuyer { guests } => guests,
            CustomerPolicy::One(one) => one,
        };
        let code = mapping.currency.code();
        let currency = books.read("res.currency", json!([["name", "=", code]]), &["id"]);
        let cells = json!([
            format!("by_hand.invoice_{name}"),
            "out_invoice",
            mapping.sales_journal,
            customer,
            name,
            day,
            day,
            currency[0]["id"].to_string(),
            "By hand",
            "1",
            amount,
            mapping.accounts[Role::Sales.word()],
            "",
        ]);
        let arguments = json!({
            "fields": ["id", "move_type", "journal_id/.id", "partner_id/.id", "ref", "invoice_date",
                "date", "currency_id/.id", "line_ids/name", "line_ids/quantity",
                "line_ids/price_unit", "line_ids/account_id/.id", "line_ids/tax_ids/.id"],
            "data": [cells],
            "context": { "allowed_company_ids": [mapping.company.parse::<i64>().expect("an id")] },
        });
        let mut call = |path: &str, arguments: Value| -> Value {
            let request = Request::post_json(format!("/json/2/account.move/{path}"), &arguments);
            let reply = books.send(&request, true).expect("a reply");
            assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
            serde_json::from_slice(&reply.body).expect("JSON")
        };
        let made = call("load", arguments);
        let ids = &made["ids"];
        assert!(ids.is_array(), "{made}");
        call("action_post", json!({ "ids": ids }));
    }

    /// Runs every stage until nothing is left that Odoo could still carry out.
    fn settle(&mut self, books: &mut dyn Books) {
        let mut waited_for = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let now = self.now;
            shell::drain(&self.hub, &mut Carrier(books), &|| now).expect("the stages rest");
            self.now += SignedDuration::from_mins(1);
            let counts = self.hub.store.read(commands::counts).expect("readable");
            let under_way = |state: &str| matches!(state, "ready" | "sent" | "unknown");
            if counts.iter().any(|(_, _, state, _)| under_way(state)) {
                continue;
            }
            // What is to be summed up is, once nothing has been added for a while; the rest waits for
            // its payout, or for the end of its month.
            let open = self.hub.store.read(summaries::open).expect("readable");
            if open == waited_for {
                return;
            }
            waited_for = open;
            self.now += SignedDuration::from_mins(6);
        }
        panic!("{} does not take everything", books.name());
    }

    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

/// One message for all that the channel says in a round: it is decided as one, whatever other
/// scenarios stand beside it. Of what it states whole, that is the last.
fn together(told: impl Iterator<Item = Told>) -> Vec<Told> {
    let mut message = serde_json::Map::new();
    let mut others = Vec::new();
    for one in told {
        if matches!(one, Told::Whole { .. }) {
            others.retain(|other| !matches!(other, Told::Whole { .. }));
        }
        let Told::Delivery(serde_json::Value::Object(delivery)) = one else {
            others.push(one);
            continue;
        };
        for (list, stated) in delivery {
            match (message.get_mut(&list).and_then(serde_json::Value::as_array_mut), stated) {
                (Some(known), serde_json::Value::Array(more)) => known.extend(more),
                (_, stated) => {
                    message.insert(list, stated);
                }
            }
        }
    }
    if !message.is_empty() {
        others.push(Told::Delivery(message.into()));
    }
    others
}

/// The books' mapping with the words of the scenario's own channel.
fn mapping(scenario: &Scenario, set_up: &SetUp) -> Mapping {
    let books = if scenario.european() { &set_up.eu } else { &set_up.us };
    let goods = match scenario.heading("Goods") {
        Some("channel") => GoodsPolicy::Channel,
        Some("day") => GoodsPolicy::Day,
        _ => GoodsPolicy::Books,
    };
    let place = |word| set_up.locations.get(&(books.company.clone(), word)).cloned();
    let named = scenario.heading("Locations").into_iter().flat_map(|it| it.split(", "));
    let locations = named.map(|pair| {
        let (theirs, ours) = pair.split_once(" is ").expect("a word, and whose location it is");
        let found = place(if ours == "stock" { "stock" } else { "aside" });
        (theirs.to_owned(), found.expect("a location"))
    });
    let delivery_addresses = scenario.heading("Addresses") == Some("own");
    let invoices = scenario.heading("Invoices").map_or(InvoicePolicy::Order, |word| {
        let known = InvoicePolicy::parse(word);
        known.unwrap_or_else(|| panic!("{}: no policy `{word}`", scenario.name))
    });
    let mut mapping = Mapping {
        goods,
        location: place("stock"),
        locations: locations.collect(),
        invoices,
        delivery_addresses,
        pricelists: BTreeMap::new(),
        ..books.clone()
    };
    match scenario.heading("Pricelist") {
        Some("none") => mapping.pricelist = None,
        Some(code) => {
            mapping.pricelists.insert(code.to_owned(), set_up.pricelists[code].to_string());
        }
        None => {}
    }
    for bundle in scenario.heading("Bundles").into_iter().flat_map(|it| it.split("; ")) {
        let (sku, components) = bundle.split_once(" is ").expect("what it is");
        let components = components.split(" and ").map(|words| component(words, mapping.currency));
        mapping.bundles.insert(sku.to_owned(), components.collect());
    }
    if scenario.heading("Ledger").is_some() && scenario.heading("Channel") != Some("amazon") {
        for gateway in mapping.gateways.values_mut() {
            if gateway.provider.as_deref().is_some_and(|name| name.starts_with("stripe-")) {
                gateway.provider = Some(provider::connection_of(scenario));
            }
        }
    }
    for words in scenario.heading("Words").unwrap_or_default().split(", ") {
        let Some((theirs, ours)) = words.split_once(" is ") else { continue };
        if let Some(product) = mapping.products.get(ours).cloned() {
            mapping.products.insert(theirs.to_owned(), product);
        } else {
            // Under its new word alone: an account has one name.
            let mut gateway = mapping.gateways.remove(ours).expect("a gateway of the demo");
            if scenario.heading("Channel") == Some("amazon") {
                gateway.provider = Some(scenario.name.clone());
            }
            mapping.gateways.insert(theirs.to_owned(), gateway);
            let of = |word: &str| format!("clearing/{word}");
            if let Some(account) = mapping.accounts.remove(&of(ours)) {
                mapping.accounts.insert(of(theirs), account);
            }
        }
    }
    mapping
}

/// `2 TEE-S at 25.00`.
fn component(words: &str, currency: Currency) -> Component {
    let words: Vec<&str> = words.split(' ').collect();
    let [units, sku, "at", price] = words.as_slice() else { panic!("{words:?} is no component") };
    let price = Money::parse(price, currency).expect("a price").minor();
    Component {
        sku: (*sku).to_owned(),
        units: units.parse().expect("units"),
        price: price.unsigned_abs(),
    }
}
