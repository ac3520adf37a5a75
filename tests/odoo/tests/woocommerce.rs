//! A WooCommerce shop, its Stripe account and the books, end to end: signed webhooks in at the
//! front, Odoo's moves out at the back, and the proof between channel, provider and books.
//!
//! The shop's prices contain their tax and its API never does, so the documents of Odoo have their
//! taxes on top, forced to the shop's cent.

mod common;

use std::collections::BTreeMap;

use common::{Books, Played, Real, cents};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;
use trueup_connect::sandbox::{Push, Sandbox};
use trueup_connect::webhook::{Delivery, SignedDelivery};
use trueup_connect::{CallError, Connector, Reply, Request, Secret};
use trueup_domain::calendar::Calendar;
use trueup_domain::document::Remitter;
use trueup_domain::mapping::{GoodsPolicy, Mapping};
use trueup_domain::money::Currency;
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::trace::{self, Trace};
use trueup_hub::{Connection, Hub, receive};
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo::setup::{self, WantedTax};
use trueup_store::messages::Recorded;
use trueup_store::{Store, cases, commands, mappings, streams};
use trueup_stripe::StripeSandbox;
use trueup_woocommerce::sandbox::{NewFee, NewLine, NewOrder, NewRefund, WooSandbox};

const SHOP: &str = "woo";
const STRIPE: &str = "stripe-eu";
const SECRET: &str = "trueup-woo-secret";
const ADDRESS: &str = "shop.example.com";

/// Rounds of a minute each that a busy Odoo is given.
const ROUNDS_MAX: usize = 20;

/// The mapping of the European entity, with taxes that come on top.
fn set_up(books: &mut dyn Books) -> Mapping {
    let on_top = |percent: i64| WantedTax {
        key: format!("eu_{percent}_on_top"),
        name: format!("VAT {percent} %, on top"),
        percent: percent.into(),
        included: false,
        title: None,
        jurisdiction: None,
        rate: Some(Decimal::new(percent, 2)),
        remitted_by: Remitter::Merchant,
    };
    let mut wanted = setup::demo::wanted().pop().expect("the European entity");
    wanted.taxes.extend([on_top(19), on_top(7)]);
    // WooCommerce states no shipment, so that goods could only ever come back.
    wanted.goods = GoodsPolicy::Books;
    let mut call = |request: &Request| books.send(request, true);
    setup::run(&mut call, &wanted).unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// Carries each connection's requests to who answers them.
struct Carrier<'a> {
    woo: &'a mut WooSandbox,
    stripe: &'a mut StripeSandbox,
    books: &'a mut dyn Books,
    now: Timestamp,
}

impl Transport for Carrier<'_> {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        match connection.name.as_str() {
            SHOP => Ok(self.woo.handle(request, self.now)),
            STRIPE => Ok(self.stripe.handle(request, self.now)),
            _ => self.books.send(request, false),
        }
    }
}

struct Market<'a> {
    hub: Hub,
    woo: WooSandbox,
    stripe: StripeSandbox,
    books: &'a mut dyn Books,
    now: Timestamp,
    /// The ids of the two rates.
    full: u64,
    half: u64,
}

impl<'a> Market<'a> {
    fn open(books: &'a mut dyn Books) -> Self {
        let mapping = set_up(books);
        let connection = |name: &str, connector: &'static Connector| Connection {
            webhook_secrets: vec![Secret::new(SECRET)],
            account: (name == SHOP).then(|| ADDRESS.to_owned()),
            ..common::connection(name, connector, "eu")
        };
        let connections = [
            connection(SHOP, &trueup_woocommerce::CONNECTOR),
            connection(STRIPE, &trueup_stripe::CONNECTOR),
            connection("odoo", &trueup_odoo::CONNECTOR),
        ];
        let setup = HubSetup {
            environment: "woo".to_owned(),
            connections: BTreeMap::from(connections.map(|it| (it.name.clone(), it))),
            calendar: Calendar::default(),
        };
        let hub = Hub::new(Store::in_memory().expect("a store"), setup);
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().expect("a time");
        hub.store
            .write(move |tx| {
                streams::declare(tx, STRIPE, "balance_transactions")?;
                mappings::approve(tx, SHOP, &mapping, "ada", "first", now)
            })
            .expect("approved");
        let eur = Currency::parse("EUR").expect("a currency");
        let mut woo = WooSandbox::new(ADDRESS, eur, true);
        let (full, half) = (woo.rate("MwSt", 19.into()), woo.rate("MwSt", 7.into()));
        let stripe = StripeSandbox::new("acct_woo", eur);
        Self { hub, woo, stripe, books, now, full, half }
    }

    /// Webhooks to the address of the hub are kept on.
    fn keep_webhooks(&mut self) {
        let mut setup = HubSetup {
            environment: self.hub.setup.environment.clone(),
            connections: self.hub.setup.connections.clone(),
            calendar: Calendar::default(),
        };
        let own = [
            ("delivery_url", "https://hub.example.com/webhooks/woocommerce"),
            ("keep_webhooks", "yes"),
        ];
        let shop = setup.connections.get_mut(SHOP).expect("the shop");
        shop.settings.0.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self.hub = Hub::new(self.hub.store.clone(), setup);
    }

    fn later(&mut self) -> Timestamp {
        self.now += SignedDuration::from_secs(1);
        self.now
    }

    /// A tee and three mugs with their tax contained, and shipping.
    fn cart(&self) -> NewOrder {
        let line = |sku: &str, quantity, unit, rate| NewLine {
            sku: sku.to_owned(),
            title: format!("goods {sku}"),
            quantity,
            unit,
            discount: 0,
            rates: vec![rate],
        };
        NewOrder {
            lines: vec![line("TEE-S", 1, 6_999, self.full), line("MUG-01", 3, 999, self.half)],
            shipping: Some((412, vec![self.full])),
            method: "stripe".to_owned(),
            ..NewOrder::default()
        }
    }

    fn place(&mut self, new: NewOrder) -> String {
        let now = self.later();
        self.woo.place(new, now).expect("placed")
    }

    /// The buyer pays by card: Stripe charges it, and the shop notes the charge.
    fn pay(&mut self, order: &str) -> String {
        let now = self.later();
        let total = self.total(order);
        let charge = self.stripe.charge(total, &format!("Order {order}"), now);
        self.woo.pay(order, &charge, now).expect("paid");
        charge
    }

    fn total(&self, order: &str) -> i64 {
        self.woo.order(order).expect("known").total()
    }

    /// The gateway gives `amount` back, and the shop notes what for.
    fn give_back(&mut self, order: &str, charge: &str, amount: i64, new: NewRefund) -> String {
        let now = self.later();
        let gateway = self.stripe.refund(charge, amount, now).expect("given back");
        let new = NewRefund { gateway: Some(gateway), ..new };
        let refund = self.woo.refund(order, &new, now).expect("refunded");
        let noted = self.woo.order(order).expect("known").given_back();
        assert_eq!(noted, amount, "shop and gateway agree");
        refund
    }

    /// The schedule of the site runs: its webhooks arrive, signed.
    fn hear(&mut self) -> Vec<Recorded> {
        let pushes = self.woo.take_deliveries();
        pushes.iter().map(|push| self.hear_one(push)).collect()
    }

    fn hear_one(&mut self, push: &Push) -> Recorded {
        let sign = trueup_woocommerce::CONNECTOR.webhooks.expect("it takes webhooks").sign;
        let headers = sign(&SignedDelivery {
            kind: &push.kind,
            source_id: &push.source_id,
            account: ADDRESS,
            body: &push.body,
            secret: &Secret::new(SECRET),
            now: self.now,
        });
        let delivery = Delivery { headers: &headers, body: &push.body };
        let connection = self.hub.connection(SHOP).expect("configured");
        let now = self.now;
        let message = receive::webhook(connection, &delivery, now).expect("authentic");
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("stored")
    }

    /// Runs every stage until nothing is left that Odoo could still carry out, and Stripe's ledger
    /// has been read.
    fn settle(&mut self) {
        self.hub.store.write(|tx| streams::poll_now(tx, STRIPE)).expect("asked for");
        for _ in 0..ROUNDS_MAX {
            let now = self.now;
            let mut carrier = Carrier {
                woo: &mut self.woo,
                stripe: &mut self.stripe,
                books: &mut *self.books,
                now,
            };
            shell::drain(&self.hub, &mut carrier, &|| now).expect("the stages rest");
            self.now += SignedDuration::from_mins(1);
            let counts = self.hub.store.read(commands::counts).expect("readable");
            let under_way = |state: &str| matches!(state, "ready" | "sent" | "unknown");
            if !counts.iter().any(|(_, _, state, _)| under_way(state)) {
                return;
            }
        }
        let counts = self.hub.store.read(commands::counts).expect("readable");
        panic!("{} does not take everything: {counts:?}", self.books.name());
    }

    fn trace(&self, order: &str) -> Trace {
        let root = format!("{SHOP}/sale/{order}");
        let found = self.hub.store.read(|tx| trace::trace(tx, &root)).expect("readable");
        found.unwrap_or_else(|| panic!("{root} is not known"))
    }

    /// Document and tender are proven, and nothing about the order is open.
    fn proven(&self, order: &str) {
        let trace = self.trace(order);
        let link = |word: &str| {
            let found = trace.proof.iter().find(|(link, _)| link == word);
            found.map(|(_, status)| status.as_str()).expect("four links")
        };
        let links = (link("document"), link("tender"));
        assert_eq!(links, ("proven", "proven"), "{}: {:#?}", self.books.name(), trace.keys);
        assert!(trace.cases.iter().all(|case| !case.open), "{:#?}", trace.cases);
        assert_eq!(trace.waiting, None);
    }

    /// Total, tax and what is open of the posted moves with this reference.
    fn moves(&self, kind: &str, reference: &str) -> Vec<(i64, i64, i64)> {
        let domain = json!([["ref", "=", reference], ["move_type", "=", kind]]);
        let fields = ["state", "amount_total", "amount_tax", "amount_residual"];
        let rows = self.books.read("account.move", domain, &fields);
        assert!(rows.iter().all(|row| row["state"] == "posted"), "{rows:?}");
        let row = |row: &serde_json::Value| {
            let of = |field: &str| cents(&row[field]);
            (of("amount_total"), of("amount_tax"), of("amount_residual"))
        };
        rows.iter().map(row).collect()
    }

    /// The order's one invoice in Odoo: as the shop totals it, and paid.
    fn invoiced(&self, order: &str) {
        let shop = self.woo.order(order).expect("known");
        let expected = vec![(shop.total(), shop.tax(), 0)];
        assert_eq!(self.moves("out_invoice", order), expected, "{}", self.books.name());
    }

    fn credited(&self, order: &str, refund: &str, reason: &str, total: i64, tax: i64) {
        let reference = format!("{order} refund {order}-{refund}, {reason}");
        let found = self.moves("out_refund", &reference);
        assert_eq!(found, [(total, tax, 0)], "{}", self.books.name());
    }
}

fn histories(books: &mut dyn Books) {
    let mut market = Market::open(books);
    let cart = market.cart();

    // Paid by card, each change told by its webhook.
    let plain = market.place(cart.clone());
    market.hear();
    market.pay(&plain);
    market.hear();

    // A coupon on both lines, a fee, and what is taken off the whole order.
    let mut mixed = cart.clone();
    mixed.coupon = Some("herbst15".to_owned());
    for line in &mut mixed.lines {
        line.discount = line.unit * line.quantity * 15 / 100;
    }
    let fee =
        |title: &str, amount, rate| NewFee { title: title.to_owned(), amount, rates: vec![rate] };
    mixed.fees = vec![fee("Assembly", 1_200, market.full), fee("Loyalty", -250, market.half)];
    let mixed = market.place(mixed);
    market.pay(&mixed);
    market.hear();

    // The tee goes back, and its shipping.
    let partly = market.place(cart.clone());
    let charge = market.pay(&partly);
    market.hear();
    market.settle();
    let sold = market.woo.order(&partly).expect("known");
    let shipping = sold.shipping.as_ref().expect("it was sent");
    let tax = sold.lines[0].taxes[0].1 + shipping.taxes[0].1;
    let amount = sold.lines[0].total + shipping.total + tax;
    let new = NewRefund {
        lines: vec![(0, 1)],
        shipping: true,
        restock: true,
        reason: "too small".to_owned(),
        ..NewRefund::default()
    };
    let of_partly = market.give_back(&partly, &charge, amount, new);
    market.hear();

    // All of it goes back, without a line being named.
    let whole = market.place(cart.clone());
    let charge = market.pay(&whole);
    market.hear();
    market.settle();
    let total = market.total(&whole);
    let of_whole = market.give_back(&whole, &charge, total, NewRefund::default());
    market.hear();

    // Told of for the first time when everything has happened already.
    let late = market.place(cart);
    let charge = market.pay(&late);
    let of_late = market.give_back(&late, &charge, total, NewRefund::default());
    market.hear();
    market.settle();

    for order in [&plain, &mixed, &partly, &whole, &late] {
        market.invoiced(order);
        market.proven(order);
    }
    market.credited(&partly, &of_partly, "too small", amount, tax);
    let all_tax = market.woo.order(&whole).expect("known").tax();
    market.credited(&whole, &of_whole, "refund", total, all_tax);
    market.credited(&late, &of_late, "refund", total, all_tax);
    let counts = market.hub.store.read(commands::counts).expect("readable");
    let refused: Vec<_> = counts.iter().filter(|(_, _, state, _)| state == "refused").collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn d18_orders_of_a_tax_included_shop_are_posted_and_proven_to_the_cent() {
    histories(&mut Played(OdooSandbox::bare()));
}

#[test]
fn d18_the_real_odoo_holds_them_to_the_same_cent() {
    if let Some(mut real) = Real::fresh("woocommerce") {
        histories(&mut real);
    }
}

/// A2: a webhook names all its deliveries of one second alike. Each is kept, a repeat is not.
#[test]
fn a2_one_delivery_id_with_two_bodies_is_two_orders() {
    let mut books = Played(OdooSandbox::bare());
    let mut market = Market::open(&mut books);
    let now = market.later();
    let cart = market.cart();
    let first = market.woo.place(cart.clone(), now).expect("placed");
    let second = market.woo.place(cart, now).expect("placed");
    let pushes = market.woo.take_deliveries();
    assert_eq!(pushes[0].source_id, pushes[1].source_id);
    let stored = |recorded: &Recorded| matches!(recorded, Recorded::Stored(_));
    let heard: Vec<bool> =
        pushes.iter().chain(&pushes).map(|push| stored(&market.hear_one(push))).collect();
    assert_eq!(heard, [true, true, false, false]);
    market.settle();
    for order in [&first, &second] {
        assert_eq!(market.moves("out_invoice", order).len(), 1);
    }
    let absorbed = market.hub.store.read(|tx| cases::absorbed(tx, 9)).expect("readable");
    let repeats: i64 = absorbed.iter().map(|one| one.times).sum();
    assert_eq!((absorbed.len(), repeats), (2, 2), "{absorbed:?}");
}

/// A webhook that the shop switched off is a case until it is on again; polling brings what it
/// would have told.
/// The shop may be written to: what it switched off is switched on again, and nobody need know.
#[test]
fn a8_a_webhook_that_is_kept_is_switched_on_again_without_a_case() {
    let mut books = Played(OdooSandbox::bare());
    let mut market = Market::open(&mut books);
    market.keep_webhooks();
    market.hub.store.write(|tx| streams::declare(tx, SHOP, "webhooks")).expect("declared");
    let now = market.later();
    for _ in 0..6 {
        market.woo.not_delivered("order.created", now);
    }
    market.settle();
    assert!(market.hub.store.read(cases::open_cases).expect("readable").is_empty());
    let healed = market.hub.store.read(|tx| cases::absorbed(tx, 9)).expect("readable");
    let healed: Vec<(&str, i64)> = healed.iter().map(|it| (it.kind.as_str(), it.times)).collect();
    assert!(healed.contains(&("subscription_restored", 1)), "{healed:?}");
    let cart = market.cart();
    market.place(cart);
    assert!(!market.hear().is_empty(), "it pushes again");
}

#[test]
fn a8_a_webhook_that_was_switched_off_is_a_case_and_nothing_is_lost() {
    let mut books = Played(OdooSandbox::bare());
    let mut market = Market::open(&mut books);
    let declare = |tx: &mut trueup_store::Tx<'_>| {
        streams::declare(tx, SHOP, "orders")?;
        streams::declare(tx, SHOP, "webhooks")
    };
    market.hub.store.write(declare).expect("declared");
    let now = market.later();
    for _ in 0..6 {
        market.woo.not_delivered("order.created", now);
    }
    let cart = market.cart();
    let order = market.place(cart);
    assert!(market.hear().is_empty(), "nobody tells");
    market.settle();
    market.settle();
    let open = |market: &Market<'_>| {
        let all = market.hub.store.read(cases::open_cases).expect("readable");
        all.into_iter().map(|case| (case.kind, case.subject)).collect::<Vec<_>>()
    };
    let off = ("subscription_off".to_owned(), format!("{SHOP}/subscription/1"));
    assert_eq!(open(&market), [off]);
    assert_eq!(market.moves("out_invoice", &order).len(), 1, "polling found it");
    market.woo.switch_on("order.created", now);
    market.hub.store.write(|tx| streams::poll_now(tx, SHOP)).expect("asked for");
    market.settle();
    assert_eq!(open(&market), []);
}
