//! S60: the same goods are sold, and some come back, in a Shopify shop, on Amazon and at a register of
//! Odoo; Stripe and Amazon settle, and a bank shows it. Every channel reports the same sale, what was
//! settled changes none of it, and fees stand apart, to the cent, in the sandbox and in a real Odoo.

mod common;
#[path = "histories/shopify.rs"]
mod shopify;

use std::collections::BTreeMap;

use common::registers::{Happening, Live, Recorded, Registers};
use common::{cents, set_up};
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shopify::Shop;
use trueup_bank::BankSandbox;
use trueup_connect::{CallError, Connector, Reply, Request};
use trueup_domain::calendar::Calendar;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::Currency;
use trueup_domain::sales::figures::{Cell, Column};
use trueup_hub::sales::{self, Dimension, Wanted};
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub, receive, trace};
use trueup_store::messages::{NewMessage, Origin};
use trueup_store::{Store, cases, commands, facts, mappings, streams};

const WEB: &str = "web";
const MARKET: &str = "market";
const REGISTERS: &str = "registers";
const CARD: &str = "card";
const BANK: &str = "bank";
const BOOKS: &str = "odoo";
const CHANNELS: [&str; 3] = [MARKET, REGISTERS, WEB];
const DAY: Date = date(2026, 11, 20);

const TILL: Happening = Happening {
    name: "one_sale",
    script: include_str!("pos/one_sale.py"),
    rows: include_str!("pos/one_sale.json"),
};

struct Carrier<'a>(&'a mut dyn Registers);

impl Transport for Carrier<'_> {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        match connection.name.as_str() {
            REGISTERS => self.0.answer(request),
            BOOKS => self.0.books().send(request, false),
            _ => Err(CallError::Unreachable { why: "it only tells".to_owned() }),
        }
    }
}

struct Road<'a> {
    hub: Hub,
    registers: &'a mut dyn Registers,
    now: Timestamp,
    told: u32,
}

impl<'a> Road<'a> {
    fn new(registers: &'a mut dyn Registers) -> Self {
        let (us, _) = set_up(registers.books());
        let since = Some(date(2026, 11, 1));
        let connection = |name: &str, connector: &'static Connector| Connection {
            since: "2026-11-01T00:00:00Z".parse().expect("a time"),
            // Both of them settle what they collected.
            ledger_since: since.filter(|_| [CARD, MARKET].contains(&name)),
            completeness: false,
            ..common::connection(name, connector, "us")
        };
        let connections = [
            connection(WEB, &trueup_shopify::CONNECTOR),
            connection(MARKET, &trueup_amazon::CONNECTOR),
            connection(REGISTERS, &trueup_odoo_pos::CONNECTOR),
            connection(CARD, &trueup_stripe::CONNECTOR),
            connection(BANK, &trueup_bank::CONNECTOR),
            connection(BOOKS, &trueup_odoo::CONNECTOR),
        ];
        let setup = HubSetup {
            environment: "one-sale".to_owned(),
            connections: BTreeMap::from(connections.map(|it| (it.name.clone(), it))),
            calendar: Calendar::default(),
        };
        let hub = Hub::new(Store::in_memory().expect("a store"), setup);
        let now = Timestamp::now();
        for (name, mapping) in [(WEB, of_the_shop(&us)), (MARKET, of_the_market(&us))] {
            let approved = hub
                .store
                .write(move |tx| mappings::approve(tx, name, &mapping, "ada", "the test's", now));
            approved.expect("approved");
        }
        let declared = hub.store.write(|tx| {
            streams::declare(tx, REGISTERS, "orders")?;
            streams::declare(tx, REGISTERS, "sessions")
        });
        declared.expect("declared");
        Self { hub, registers, now, told: 0 }
    }

    /// A connection says something in its own words.
    fn says(&mut self, connection: &str, kind: &str, body: Vec<u8>) {
        self.told += 1;
        let now = self.now;
        let message = NewMessage {
            connection: connection.to_owned(),
            source_id: format!("m{}", self.told),
            kind: kind.to_owned(),
            origin: Origin::Poll,
            headers: String::new(),
            body,
            asked_at: Some(now),
        };
        self.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("stored");
    }

    /// Until nothing more is under way, and once more when rows have been quiet for long enough.
    fn settle(&mut self) {
        self.hub.store.write(|tx| streams::poll_now(tx, REGISTERS)).expect("asked");
        for _ in 0..30 {
            let now = self.now;
            shell::drain(&self.hub, &mut Carrier(self.registers), &|| now).expect("at rest");
            self.now += SignedDuration::from_mins(6);
            let counts = self.hub.store.read(commands::counts).expect("readable");
            let under_way = |state: &str| matches!(state, "ready" | "sent" | "unknown");
            let open = self.hub.store.read(trueup_store::summaries::open).expect("readable");
            let open = open.iter().any(|one| one.newest > now - SignedDuration::from_mins(12));
            if !open && !counts.iter().any(|(_, _, state, _)| under_way(state)) {
                return;
            }
        }
        let counts = self.hub.store.read(commands::counts).expect("readable");
        panic!("the books do not take everything: {counts:?}");
    }

    /// The sales report of the day by channel: `channel: column amount, …`.
    fn report(&self, columns: &[Column]) -> BTreeMap<String, Vec<String>> {
        let wanted = Wanted::new(DAY, DAY, vec![Dimension::Channel]);
        let (hub, now) = (&self.hub, self.now);
        let report = hub.store.read(|tx| sales::build(tx, hub, &wanted, now)).expect("built");
        assert_eq!(report.excluded, [], "everything counts");
        for bridge in &report.bridges {
            assert!(bridge.unexplained.is_zero(), "{bridge:?}");
        }
        let told = report.rows.iter().map(|row| {
            let shown = columns.iter().map(|column| {
                let text = match column.of(&row.figures, row.currency) {
                    Some(Cell::Money(money)) => money.amount_text(),
                    Some(Cell::Count(count)) => count.to_string(),
                    _ => "nothing".to_owned(),
                };
                format!("{} {text}", column.word())
            });
            (row.words.join(" "), shown.collect())
        });
        told.collect()
    }

    fn links(&self, root: &str) -> Vec<String> {
        let trace = self.hub.store.read(|tx| trace::trace(tx, root)).expect("readable");
        trace.expect("known").proof.iter().map(|(_, status)| status.clone()).collect()
    }

    /// The journal's balance of a role by what it is of.
    fn balances(&self, role: &str) -> Vec<String> {
        let all = self.hub.store.read(facts::balances).expect("readable");
        let of_role = all.iter().filter(|one| one.role == role && one.amount != 0);
        of_role.map(|one| format!("{} {}", one.qualifier, one.amount)).collect()
    }

    /// What Odoo's accounts of a mapping come to, by their role.
    fn in_odoo(&mut self, mapping: &Mapping, role: &str) -> i64 {
        let account: i64 = mapping.accounts[role].parse().expect("an id");
        let domain = json!([["parent_state", "=", "posted"], ["account_id", "=", account]]);
        let lines = self.registers.books().read("account.move.line", domain, &["balance"]);
        lines.iter().map(|line| cents(&line["balance"])).sum()
    }
}

fn of_the_shop(us: &Mapping) -> Mapping {
    let mut mapping = us.clone();
    for gateway in mapping.gateways.values_mut() {
        if gateway.provider.as_deref().is_some_and(|name| name.starts_with("stripe-")) {
            gateway.provider = Some(CARD.to_owned());
        }
    }
    mapping
}

/// Amazon collects under its own word, and settles by itself.
fn of_the_market(us: &Mapping) -> Mapping {
    let mut mapping = us.clone();
    let mut gateway = mapping.gateways.remove("paypal").expect("a gateway of the demo");
    gateway.provider = Some(MARKET.to_owned());
    mapping.gateways.insert("amazon".to_owned(), gateway);
    let account = mapping.accounts.remove("clearing/paypal").expect("its account");
    mapping.accounts.insert("clearing/amazon".to_owned(), account);
    mapping
}

/// An order of tees at 25.00 with 8 % tax, as Shopify states it.
struct WebOrder {
    shop: Shop,
    number: u32,
}

impl WebOrder {
    fn new(number: u32) -> Self {
        Self { shop: Shop::new(Currency::parse("USD").expect("a currency")), number }
    }

    /// The order as it stands after this; every id is that of this order.
    fn states(&mut self, list: &str, object: &Value) -> Vec<u8> {
        let node = self.shop.states(list, object).to_string();
        let own = node.replace("/Order/1\"", &format!("/Order/{}\"", self.number));
        own.replace("/10", &format!("/{}0", self.number)).into_bytes()
    }

    fn placed(&mut self, units: i64, (gross, less, tax, total): (&str, &str, &str, &str)) {
        let discounts = match less {
            "0.00" => json!([]),
            less => json!([{ "title": "autumn", "funder": "merchant", "amount": less }]),
        };
        let tax = json!({ "title": "tax 8 %", "rate": "0.08", "amount": tax,
            "remitted_by": "merchant" });
        let shipping = json!({ "country": "US", "region": "NY" });
        self.states(
            "orders",
            &json!({
                "id": "1", "number": format!("W{}", self.number), "currency": "USD",
                "placed_at": "2026-11-20T10:00:00Z", "taxes_included": false,
                "payment_standing": "paid", "total": total, "buyer": { "shipping": shipping },
                "charges": [],
                "lines": [{ "id": "TEE-S", "sku": "TEE-S", "title": "Tee", "quantity": units,
                    "unit_price": "25.00", "gross": gross, "discounts": discounts,
                    "taxes": [tax] }],
            }),
        );
    }

    fn paid(&mut self, id: &str, kind: &str, amount: &str) -> Vec<u8> {
        let mut payment = json!({ "id": id, "kind": kind, "amount": amount, "gateway": "stripe",
            "status": "succeeded", "tender": "card", "provider_id": format!("ch_{id}"),
            "processed_at": "2026-11-20T10:00:00Z" });
        if kind == "refund" {
            payment["refund"] = json!("r1");
            payment["provider_id"] = json!(format!("re_{id}"));
            payment["processed_at"] = json!("2026-11-20T15:00:00Z");
        }
        self.states("payments", &payment)
    }
}

fn web(road: &mut Road<'_>) {
    let mut first = WebOrder::new(1);
    first.placed(2, ("50.00", "5.00", "3.60", "48.60"));
    let body = first.paid("w1", "sale", "48.60");
    road.says(WEB, "order", body);
    let mut second = WebOrder::new(2);
    second.placed(1, ("25.00", "0.00", "2.00", "27.00"));
    second.paid("w2", "sale", "27.00");
    second.states(
        "refunds",
        &json!({ "id": "r1", "created_at": "2026-11-20T15:00:00Z", "adjustments": [],
            "lines": [{ "id": "r1-1", "line": "TEE-S", "restock": "none", "quantity": 1,
                "amount": "25.00", "tax": "2.00" }] }),
    );
    let body = second.paid("b2", "refund", "27.00");
    road.says(WEB, "order", body);
}

/// An order of tees as Amazon states it, which remits the tax itself.
fn market_order(
    id: &str,
    units: i64,
    (item, less, tax, total): (&str, &str, &str, &str),
) -> Vec<u8> {
    let money = |amount: &str| json!({ "amount": amount, "currencyCode": "USD" });
    let part = |kind: &str, amount: &str| {
        json!({ "type": kind, "subtotal": money(amount),
            "detailedBreakdowns": [{ "subtype": "ITEM", "value": money(amount) }] })
    };
    let mut breakdowns = vec![json!({ "type": "ITEM", "subtotal": money(item) }), part("TAX", tax)];
    if less != "0.00" {
        breakdowns.push(part("DISCOUNT", &format!("-{less}")));
    }
    let order = json!({
        "orderId": id,
        "createdTime": "2026-11-20T10:00:00Z",
        "lastUpdatedTime": "2026-11-20T12:00:00Z",
        "salesChannel": { "channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER",
            "marketplaceName": "Amazon.com" },
        "fulfillment": { "fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON" },
        "proceeds": { "grandTotal": money(total) },
        "orderItems": [{
            "orderItemId": format!("4{}", id.replace('-', "")),
            "quantityOrdered": units,
            "product": { "asin": "B000000001", "title": "Tee", "sellerSku": "TEE-S",
                "price": { "unitPrice": money("25.00") } },
            "proceeds": { "proceedsTotal": money(total), "breakdowns": breakdowns },
            "tax": { "taxCollections": [{ "model": "MARKETPLACE_FACILITATOR",
                "responsibleParty": "Amazon Services, Inc." }] },
        }],
    });
    order.to_string().into_bytes()
}

/// What the bank's lines name, so no short word.
const PAYOUT: &str = "po_sale_1";
const SETTLEMENT: &str = "20261125077";
const A1: &str = "111-0000011-0000011";
const A2: &str = "111-0000012-0000012";

fn market(road: &mut Road<'_>) {
    let first = market_order(A1, 2, ("50.00", "5.00", "3.60", "48.60"));
    road.says(MARKET, "order", first);
    let second = market_order(A2, 1, ("25.00", "0.00", "2.00", "27.00"));
    road.says(MARKET, "order", second);
    // Amazon states a refund in its settlement alone.
    let head = "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\t\
                total-amount\tcurrency\ttransaction-type\torder-id\tadjustment-id\t\
                marketplace-name\tamount-type\tamount-description\tamount\tposted-date\t\
                posted-date-time\torder-item-code\tmerchant-adjustment-item-id\tsku\t\
                quantity-purchased";
    let mut rows = vec![
        head.to_owned(),
        format!(
            "{SETTLEMENT}\t2026-11-18 00:00:00 UTC\t2026-11-25 00:00:00 UTC\t2026-11-26 00:00:00 UTC\t\
             37.50\tUSD{}",
            "\t".repeat(13)
        ),
    ];
    let mut row = |kind: &str, order: &str, of: &str, what: &str, amount: &str| {
        let (adjustment, item) = match kind {
            "Refund" => ("amzn1:crow:cccc", "cccc-1"),
            _ => ("", ""),
        };
        let units = match (kind, what, order) {
            ("Order", "Principal", A1) => "2",
            ("Order", "Principal", _) => "1",
            _ => "",
        };
        rows.push(format!(
            "{SETTLEMENT}\t\t\t\t\t\t{kind}\t{order}\t{adjustment}\tAmazon.com\t{of}\t{what}\t{amount}\t\
             11/20/2026\t2026-11-20 15:00:00 UTC\t4{}\t{item}\tTEE-S\t{units}",
            order.replace('-', "")
        ));
    };
    const WITHHELD: &str = "MarketplaceFacilitatorTax-Principal";
    row("Order", A1, "ItemPrice", "Principal", "50.00");
    row("Order", A1, "ItemPrice", "Tax", "3.60");
    row("Order", A1, "ItemWithheldTax", WITHHELD, "-3.60");
    row("Order", A1, "Promotion", "Principal", "-5.00");
    row("Order", A1, "ItemFees", "Commission", "-6.75");
    row("Order", A2, "ItemPrice", "Principal", "25.00");
    row("Order", A2, "ItemPrice", "Tax", "2.00");
    row("Order", A2, "ItemWithheldTax", WITHHELD, "-2.00");
    row("Order", A2, "ItemFees", "Commission", "-3.75");
    row("Refund", A2, "ItemPrice", "Principal", "-25.00");
    row("Refund", A2, "ItemPrice", "Tax", "-2.00");
    row("Refund", A2, "ItemWithheldTax", WITHHELD, "2.00");
    row("Refund", A2, "ItemFees", "Commission", "3.75");
    row("Refund", A2, "ItemFees", "RefundCommission", "-0.75");
    road.says(MARKET, "settlement", (rows.join("\n") + "\n").into_bytes());
}

/// Stripe's rows of the shop's money, and its payout: 48.60 and 27.00 less 27.00 and fees of 2.79.
fn card(road: &mut Road<'_>) {
    let created: Timestamp = "2026-11-20T10:00:00Z".parse().expect("a time");
    let rows = [
        ("charge", "ch_w1", 4860, 171),
        ("charge", "ch_w2", 2700, 108),
        ("refund", "re_b2", -2700, 0),
    ];
    for (category, source, amount, fee) in rows {
        let details = match fee {
            0 => json!([]),
            fee => json!([{ "amount": fee, "application": null, "currency": "usd",
                "description": "Stripe processing fees", "type": "stripe_fee" }]),
        };
        let row = json!({ "id": format!("txn_{source}"), "object": "balance_transaction",
            "amount": amount, "available_on": created.as_second(), "created": created.as_second(),
            "currency": "usd", "description": null, "exchange_rate": null, "fee": fee,
            "fee_details": details, "net": amount - fee, "reporting_category": category,
            "source": source, "status": "available", "type": category });
        road.says(
            CARD,
            &format!("balance_transaction?payout={PAYOUT}"),
            row.to_string().into_bytes(),
        );
    }
    let payout = json!({ "id": PAYOUT, "object": "payout", "amount": 4581,
        "arrival_date": created.as_second() / 86_400 * 86_400 + 4 * 86_400, "automatic": true,
        "created": created.as_second() + 3 * 86_400, "currency": "usd",
        "reconciliation_status": "completed", "status": "paid" });
    road.says(CARD, "payout", payout.to_string().into_bytes());
}

fn bank(road: &mut Road<'_>) {
    let usd = Currency::parse("USD").expect("a currency");
    let mut bank = BankSandbox::new("US64SVBKUS6S3300958879", usd, 100_000);
    let lines = [
        (4581, date(2026, 11, 24), format!("STRIPE {PAYOUT}")),
        (3750, date(2026, 11, 27), format!("AMAZON {SETTLEMENT}")),
    ];
    for (minor, day, text) in lines {
        bank.credit(minor, day, "PROVIDER", &text, None);
        let (name, body) = bank.close_day(day).expect("a statement");
        let connection = road.hub.connection(BANK).expect("a bank");
        let message = receive::file(connection, &name, body).expect("taken");
        let now = road.now;
        road.hub.store.write(move |tx| receive::record(tx, &message, now)).expect("stored");
    }
}

fn check(registers: &mut dyn Registers) {
    let mut road = Road::new(registers);
    web(&mut road);
    market(&mut road);
    road.registers.happens(&TILL);
    road.settle();

    // One definition of each figure, whoever sold: two orders of three tees, one tee back. How many
    // units came back is not told by Amazon's settlement, only by its report of returns.
    let columns =
        [Column::GrossSales, Column::Discounts, Column::Returns, Column::NetSales, Column::Units];
    let same =
        ["gross_sales 75.00", "discounts 5.00", "returns 25.00", "net_sales 45.00", "units 3"];
    let same = same.map(str::to_owned).to_vec();
    let report = road.report(&columns);
    assert_eq!(report.keys().map(String::as_str).collect::<Vec<_>>(), CHANNELS);
    for (channel, figures) in &report {
        assert_eq!(*figures, same, "{channel}");
    }
    // Who declares the tax differs, and what it is does not.
    let taxes = road.report(&[Column::Tax, Column::TaxMarketplace]);
    let told = taxes.iter().map(|(channel, tax)| format!("{channel}: {}", tax.join(", ")));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "market: tax_collected 0.00, tax_remitted_by_marketplace 3.60",
            "registers: tax_collected 3.60, tax_remitted_by_marketplace 0.00",
            "web: tax_collected 3.60, tax_remitted_by_marketplace 0.00",
        ]
    );

    // What is settled changes no sale.
    card(&mut road);
    bank(&mut road);
    road.settle();
    assert_eq!(road.report(&columns), report);
    let sales = road.hub.store.read(|tx| trueup_store::documents::search_sales(tx, "", i64::MAX));
    let links = sales.expect("readable").into_iter().map(|sale| {
        let links = road.links(&sale.id).join(", ");
        format!("{}: {links}", sale.id)
    });
    assert_eq!(
        links.collect::<Vec<_>>(),
        [
            "market/sale/111-0000011-0000011: proven, proven, proven, proven",
            "market/sale/111-0000012-0000012: proven, proven, proven, proven",
            // The terminal of the register settles with nobody that we know.
            "registers/sale/1: proven, proven, not_applicable, not_applicable",
            "registers/sale/2: proven, proven, not_applicable, not_applicable",
            "web/sale/1: proven, proven, proven, proven",
            "web/sale/2: proven, proven, proven, proven",
        ]
    );
    let open = road.hub.store.read(cases::open_cases).expect("readable");
    let told: Vec<String> = open.iter().map(|it| format!("{} {}", it.kind, it.detail)).collect();
    assert_eq!(told, [""; 0]);

    // Nothing is left with the providers or on the way; what they took stands apart.
    assert_eq!(road.balances("clearing"), ["Card 4860"], "the register's own terminal");
    assert_eq!(road.balances("in_transit"), [""; 0]);
    assert_eq!(road.balances("processing_fees"), [" 279"]);
    assert_eq!(road.balances("other_fees"), [" 750"]);
    let us = set_up(road.registers.books()).0;
    for (role, sum) in [
        ("clearing/stripe", 0),
        ("clearing/paypal", 0),
        ("processing_fees", 279),
        ("other_fees", 750),
    ] {
        assert_eq!(road.in_odoo(&us, role), sum, "{role}");
    }
}

#[test]
fn s60_one_sale_is_the_same_in_every_channel_of_the_sandbox() {
    check(&mut Recorded::new());
}

#[test]
fn s60_one_sale_is_the_same_in_every_channel_of_the_real_odoo() {
    let Some(mut live) = Live::fresh("one_sale") else { return };
    check(&mut live);
    live.record();
}
