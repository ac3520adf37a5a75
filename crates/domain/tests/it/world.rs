//! Builders of documents, a mapping, and readers of what was derived.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use trueup_domain::calendar::Calendar;
use trueup_domain::command::{Content, DocumentLine};
use trueup_domain::derive::{
    Derived, Surroundings, month_end, sale, settlement, summary, till, transfer,
};
use trueup_domain::document::{
    Charge, ChargeKind, Discount, Dispute, DisputeStatus, Document, Fulfilment, FulfilmentLine,
    FulfilmentStatus, Funder, LedgerRow, Line, LineKind, MonthEnd, Order, Payment, PaymentKind,
    PaymentStanding, PaymentStatus, Payout, PayoutStatus, Refund, RefundAdjustment, RefundLine,
    Remitter, Restock, RowClass, TaxLine, Tender, TillSession, Version,
};
use trueup_domain::fact::{After, Fact, FactContent};
use trueup_domain::journal::{Entry, Role};
use trueup_domain::mapping::{
    CustomerPolicy, Gateway, GoodsPolicy, InvoicePolicy, Mapping, TaxRule,
};
use trueup_domain::money::{Currency, Money};
use trueup_domain::posting::Posting;

pub fn usd() -> Currency {
    Currency::parse("USD").expect("a currency")
}

pub fn money(text: &str) -> Money {
    Money::parse(text, usd()).expect("an amount")
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub fn rate(text: &str) -> Decimal {
    text.parse().expect("a rate")
}

pub fn mapping() -> Mapping {
    let words = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(word, target)| ((*word).to_owned(), (*target).to_owned())).collect()
    };
    let gateway = |tender, provider: Option<&str>, journal: &str| Gateway {
        tender,
        provider: provider.map(str::to_owned),
        journal: journal.to_owned(),
        inbound_line: format!("{journal}-in"),
        outbound_line: format!("{journal}-out"),
    };
    let rule = |rate: &str, included, remitted_by, target: &str| TaxRule {
        title: None,
        jurisdiction: None,
        rate: Some(self::rate(rate)),
        included,
        remitted_by,
        regime: None,
        target: target.to_owned(),
    };
    let mut taxes = Vec::new();
    for (rate, name) in [("0.08", "T8"), ("0.19", "T19"), ("0.07", "T7"), ("0.085", "T85")] {
        taxes.push(rule(rate, false, Remitter::Merchant, name));
        taxes.push(rule(rate, true, Remitter::Merchant, &format!("{name}i")));
    }
    taxes.push(TaxRule { rate: None, ..rule("0", false, Remitter::Marketplace, "TM") });
    taxes.push(TaxRule { rate: None, ..rule("0", true, Remitter::Marketplace, "TMi") });
    Mapping {
        version: 1,
        entity: "us".to_owned(),
        target: "odoo".to_owned(),
        company: "1".to_owned(),
        currency: usd(),
        time_zone: "UTC".to_owned(),
        sales_journal: "sales".to_owned(),
        entry_journal: "TRUP".to_owned(),
        pricelist: None,
        pricelists: BTreeMap::new(),
        warehouse: None,
        customers: CustomerPolicy::PerBuyer { guests: "guests".to_owned() },
        goods: GoodsPolicy::Books,
        location: None,
        locations: BTreeMap::new(),
        invoices: InvoicePolicy::Order,
        delivery_addresses: false,
        accounts: words(&[("returns", "4095"), ("tip_income", "4060"), ("rounding", "7900")]),
        gateways: BTreeMap::from([
            ("card".to_owned(), gateway(None, Some("stripe"), "J1")),
            ("gift_card".to_owned(), gateway(Some(Tender::GiftCard), None, "J2")),
            ("transfer".to_owned(), gateway(Some(Tender::BankTransfer), None, "J3")),
            ("cash".to_owned(), gateway(Some(Tender::Cash), None, "J4")),
        ]),
        products: words(&[("A", "P-A"), ("B", "P-B"), ("C", "P-C")]),
        bundles: BTreeMap::new(),
        service_products: words(&[
            ("shipping", "P-ship"),
            ("discount", "P-disc"),
            ("discount_marketplace", "P-disc-m"),
            ("discount_supplier", "P-disc-s"),
            ("tip", "P-tip"),
            ("gift_card", "P-gift"),
            ("duty", "P-duty"),
            ("gift_wrap", "P-wrap"),
            ("fee", "P-fee"),
            ("cash_rounding", "P-round"),
        ]),
        taxes,
    }
}

pub fn tax(rate: &str, amount: &str) -> TaxLine {
    TaxLine {
        title: format!("tax {rate}"),
        rate: self::rate(rate),
        amount: money(amount),
        remitted_by: Remitter::Merchant,
    }
}

pub fn remitted(rate: &str, amount: &str) -> TaxLine {
    TaxLine { remitted_by: Remitter::Marketplace, ..tax(rate, amount) }
}

pub fn discount(funder: Funder, amount: &str) -> Discount {
    Discount { title: format!("{funder:?} promotion"), funder, amount: money(amount) }
}

/// A line of goods whose SKU is the first letter of its id.
pub fn line(id: &str, quantity: i64, unit: &str) -> Line {
    let unit_price: Decimal = unit.parse().expect("a price");
    Line {
        id: id.to_owned(),
        kind: LineKind::Goods,
        sku: Some(id.chars().take(1).collect()),
        title: format!("goods {id}"),
        quantity,
        unit_price,
        gross: money(unit).checked_mul(quantity).expect("in range"),
        discounts: Vec::new(),
        taxes: Vec::new(),
        requires_shipping: true,
    }
}

pub fn charge(id: &str, kind: ChargeKind, gross: &str) -> Charge {
    Charge {
        id: id.to_owned(),
        kind,
        title: format!("{kind:?}"),
        gross: money(gross),
        discounts: Vec::new(),
        taxes: Vec::new(),
    }
}

pub fn order(lines: Vec<Line>, charges: Vec<Charge>) -> Order {
    let mut order = Order {
        id: "O1".to_owned(),
        number: "#1001".to_owned(),
        customer_reference: None,
        version: Version(1),
        placed_at: at("2026-06-15T10:00:00Z"),
        due_on: None,
        currency: usd(),
        presentment_total: None,
        taxes_included: false,
        lines,
        charges,
        total: money("0"),
        payment_standing: PaymentStanding::Paid,
        source: None,
        cancelled_at: None,
        buyer: None,
        test: false,
    };
    total_up(&mut order);
    order
}

pub fn included(mut order: Order) -> Order {
    order.taxes_included = true;
    total_up(&mut order);
    order
}

/// States the total that the parts of the order make.
pub fn total_up(order: &mut Order) {
    let less = |gross: Money, discounts: &[Discount]| {
        gross.minor() - discounts.iter().map(|one| one.amount.minor()).sum::<i64>()
    };
    let mut total: i64 = order.lines.iter().map(|line| less(line.gross, &line.discounts)).sum();
    total += order.charges.iter().map(|one| less(one.gross, &one.discounts)).sum::<i64>();
    if !order.taxes_included {
        total += order.taxes().map(|tax| tax.amount.minor()).sum::<i64>();
    }
    order.total = Money::from_minor(total, order.currency);
}

pub fn payment(id: &str, kind: PaymentKind, gateway: &str, amount: &str) -> Payment {
    Payment {
        id: id.to_owned(),
        order: "O1".to_owned(),
        version: Version(1),
        kind,
        status: PaymentStatus::Succeeded,
        amount: money(amount),
        gateway: gateway.to_owned(),
        tender: Tender::Card,
        parent: None,
        refund: None,
        provider_id: Some(format!("ch_{id}")),
        processed_at: at("2026-06-15T10:01:00Z"),
        test: false,
    }
}

pub fn paid(gateway: &str, amount: &str) -> Document {
    payment("p1", PaymentKind::Sale, gateway, amount).into()
}

/// A refund payment that names its refund document.
pub fn paid_back(id: &str, refund: &str, gateway: &str, amount: &str) -> Document {
    let back = payment(id, PaymentKind::Refund, gateway, amount);
    Payment { refund: Some(refund.to_owned()), processed_at: at("2026-07-03T09:00:00Z"), ..back }
        .into()
}

pub fn refund_line(
    line: &str,
    quantity: i64,
    amount: &str,
    tax: &str,
    restock: Restock,
) -> RefundLine {
    RefundLine {
        id: format!("r-{line}"),
        line: line.to_owned(),
        quantity,
        amount: money(amount),
        tax: money(tax),
        restock,
        location: None,
    }
}

pub fn adjustment(charge: Option<ChargeKind>, amount: &str, tax: &str) -> RefundAdjustment {
    RefundAdjustment {
        id: format!("{charge:?}"),
        charge,
        reason: "adjusted".to_owned(),
        amount: money(amount),
        tax: money(tax),
        taxes: Vec::new(),
    }
}

/// A refund of an order whose amounts are without tax, or with it if `included`.
pub fn refund_of(
    id: &str,
    included: bool,
    lines: Vec<RefundLine>,
    adjustments: Vec<RefundAdjustment>,
    transactions: &[&str],
) -> Refund {
    let mut total: i64 = lines.iter().map(|line| line.amount.minor()).sum();
    total += adjustments.iter().map(|one| one.amount.minor()).sum::<i64>();
    if !included {
        total += lines.iter().map(|line| line.tax.minor()).sum::<i64>();
        total += adjustments.iter().map(|one| one.tax.minor()).sum::<i64>();
    }
    Refund {
        id: id.to_owned(),
        order: "O1".to_owned(),
        version: Version(1),
        created_at: at("2026-07-02T09:00:00Z"),
        reason: None,
        lines,
        adjustments,
        total: Money::from_minor(total, usd()),
        transactions: transactions.iter().map(|id| (*id).to_owned()).collect(),
        exchanged_for: Vec::new(),
    }
}

pub fn refund(lines: Vec<RefundLine>, adjustments: Vec<RefundAdjustment>) -> Refund {
    refund_of("R1", false, lines, adjustments, &["b1"])
}

pub fn row(id: &str, class: RowClass, gross: &str, fee: &str) -> LedgerRow {
    let (gross, fee) = (money(gross), money(fee));
    LedgerRow {
        id: id.to_owned(),
        class,
        kind: format!("{class:?}"),
        gross,
        fee,
        net: gross.checked_sub(fee).expect("in range"),
        fees: Vec::new(),
        presentment: None,
        object: Some(format!("ch_{id}")),
        capture: None,
        order: None,
        payout: None,
        occurred_at: at("2026-06-16T10:00:00Z"),
        available_on: None,
        description: None,
    }
}

pub fn payout(id: &str, status: PayoutStatus, amount: &str) -> Payout {
    Payout {
        id: id.to_owned(),
        version: Version(1),
        status,
        amount: money(amount),
        created_at: at("2026-06-17T10:00:00Z"),
        arrival: jiff::civil::date(2026, 6, 19),
        itemised: true,
        trace: None,
        descriptor: None,
        failure: None,
    }
}

pub fn dispute(status: DisputeStatus, amount: &str) -> Dispute {
    Dispute {
        id: "D1".to_owned(),
        version: Version(1),
        status,
        inquiry: false,
        amount: money(amount),
        capture: Some("ch_p1".to_owned()),
        order: None,
        reason: "fraudulent".to_owned(),
        evidence_due: None,
        closed_on: None,
        ledger_rows: Vec::new(),
        created_at: at("2026-06-20T10:00:00Z"),
    }
}

/// What a decision knows beside the documents.
pub struct Given {
    pub mapping: Option<Mapping>,
    pub billed: BTreeMap<String, u32>,
    pub address: Option<Option<After>>,
    pub posting: Posting,
    pub customer: Option<After>,
    pub since: Timestamp,
    pub time_zone: &'static str,
    pub connection: &'static str,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            mapping: Some(mapping()),
            billed: BTreeMap::new(),
            address: None,
            posting: Posting::default(),
            customer: None,
            since: Timestamp::MIN,
            time_zone: "UTC",
            connection: "shop",
        }
    }
}

impl Given {
    pub fn provider() -> Self {
        Self { connection: "stripe", ..Self::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let calendar = Calendar::default();
        work(&Surroundings {
            connection: self.connection,
            entity: "us",
            time_zone: self.time_zone,
            calendar: &calendar,
            mapping: self.mapping.as_ref(),
            billed: &self.billed,
            address: self.address.as_ref().map(Option::as_ref),
            fees: None,
            posting: self.posting,
            customer: self.customer.as_ref(),
            since: self.since,
        })
    }

    pub fn day(&self, moment: Timestamp) -> jiff::civil::Date {
        self.with(|around| around.day(moment))
    }

    pub fn sale(&self, documents: &[Document]) -> Derived {
        self.with(|around| sale::derive(documents, around).expect("amounts that fit"))
    }

    pub fn till(&self, session: &TillSession) -> Derived {
        self.with(|around| till::derive(session, around).expect("amounts that fit"))
    }

    pub fn row(&self, row: &LedgerRow) -> Derived {
        self.with(|around| settlement::derive_row(row, around).expect("amounts that fit"))
    }

    pub fn month_end(&self, stated: &MonthEnd) -> Derived {
        self.with(|around| month_end::derive(stated, around).expect("amounts that fit"))
    }

    pub fn deferred(&self, stated: &[Document], until: jiff::civil::Date) -> Option<Money> {
        self.with(|around| sale::deferred(stated, around, until).expect("amounts that fit"))
    }

    pub fn summary(&self, of: &summary::Of, parts: &[summary::Part]) -> Derived {
        self.with(|around| summary::derive(of, parts, around).expect("amounts that fit"))
    }

    pub fn transfer(&self, of: &transfer::Of, parts: &[transfer::Part]) -> Derived {
        self.with(|around| transfer::derive(of, parts, around))
    }

    pub fn payout(&self, payout: &Payout) -> Derived {
        self.with(|around| settlement::derive_payout(payout, around).expect("amounts that fit"))
    }

    pub fn dispute(&self, dispute: &Dispute) -> Derived {
        self.with(|around| {
            let stated_at = "2026-11-20T12:00:00Z".parse().expect("a moment");
            settlement::derive_dispute(dispute, stated_at, around).expect("amounts that fit")
        })
    }

    /// Lets the lines of the orders of the books that `derived` asks for stay where they are, as
    /// the store does.
    pub fn after(derived: &Derived) -> Self {
        Self { billed: billed(&derived.facts), ..Self::default() }
    }
}

pub fn billed(facts: &[Fact]) -> BTreeMap<String, u32> {
    let mut billed = BTreeMap::new();
    for (key, content) in commands(facts) {
        if let (Content::Order(order), Ok(number)) = (content, key.parse()) {
            billed.extend(order.lines.iter().map(|line| (line.part.clone(), number)));
        }
    }
    billed
}

pub fn entries(facts: &[Fact]) -> impl Iterator<Item = &Entry> {
    facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Entry(entry) => Some(entry),
        FactContent::Item(_) | FactContent::Units(_) | FactContent::Command(_) => None,
    })
}

/// The part and content of each command.
pub fn commands(facts: &[Fact]) -> impl Iterator<Item = (&str, &Content)> {
    facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Command(command) => Some((fact.key.part.as_str(), &command.content)),
        FactContent::Entry(_) | FactContent::Item(_) | FactContent::Units(_) => None,
    })
}

/// Net by role, debit positive, without roles that net to nothing.
pub fn net<'a>(derived: impl IntoIterator<Item = &'a Derived>) -> BTreeMap<Role, i64> {
    let mut sums: BTreeMap<Role, i64> = BTreeMap::new();
    for one in derived {
        for line in entries(&one.facts).flat_map(|entry| &entry.lines) {
            *sums.entry(line.role).or_default() += line.amount.minor();
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

pub fn document_lines(content: &Content) -> &[DocumentLine] {
    match content {
        Content::Order(it) => &it.lines,
        Content::Invoice(it) => &it.lines,
        Content::CreditNote(it) => &it.lines,
        Content::Partner(_)
        | Content::Payment(_)
        | Content::Reconciliation(_)
        | Content::Cancellation(_)
        | Content::Entry(_)
        | Content::Goods(_)
        | Content::Transfer(_) => &[],
    }
}

/// Lines of `O1` that left at noon of a day in June 2026.
pub fn shipped(id: &str, day: u32, lines: &[(&str, i64)]) -> Document {
    let created_at = format!("2026-06-{day:02}T12:00:00Z");
    fulfilment(id, FulfilmentStatus::Succeeded, &created_at, lines).into()
}

/// A refund, agreed half an hour after noon of a day in June 2026.
pub fn agreed(id: &str, day: u32, of: Refund) -> Document {
    let created_at = at(&format!("2026-06-{day:02}T12:30:00Z"));
    Refund { id: id.to_owned(), created_at, ..of }.into()
}

pub fn fulfilment(
    id: &str,
    status: FulfilmentStatus,
    created_at: &str,
    lines: &[(&str, i64)],
) -> Fulfilment {
    let line = |(line, quantity): &(&str, i64)| FulfilmentLine {
        line: (*line).to_owned(),
        quantity: *quantity,
    };
    Fulfilment {
        id: id.to_owned(),
        order: "O1".to_owned(),
        version: Version(1),
        status,
        created_at: at(created_at),
        location: None,
        lines: lines.iter().map(line).collect(),
        tracking: vec!["1Z1".to_owned()],
    }
}
