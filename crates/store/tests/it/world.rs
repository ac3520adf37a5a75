//! The little that tests of the store need of the world.

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::Money;
use trueup_domain::command::{
    CommandKind, Content, CreditNoteContent, CustomerRef, Direction, Extent, InvoiceContent,
    OrderContent, PaymentContent, ReconciliationContent,
};
use trueup_domain::document::{
    Document, LedgerRow, Payment, PaymentKind, PaymentStatus, RowClass, Tender, Version,
};
use trueup_domain::fact::{After, Command, Fact, FactContent, FactKey, difference};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::journal::{Booker, Entry, EntryBuilder, Role};
use trueup_domain::money::Currency;
use trueup_store::facts::Place;
use trueup_store::messages::{NewMessage, Origin, Recorded};
use trueup_store::waits::Wait;
use trueup_store::{Store, StoreError, Tx, commands, facts, messages, summaries};

pub fn eur() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

pub fn money(text: &str) -> Money {
    Money::parse(text, eur()).expect("an amount")
}

/// So many seconds after a day in 2026.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + seconds).expect("a time")
}

/// A wait that was said at the beginning.
pub fn until(seconds: i64) -> Wait {
    Wait { from: at(0), until: at(seconds) }
}

pub fn message(source_id: &str, body: &str) -> NewMessage {
    NewMessage {
        connection: "shop".to_owned(),
        source_id: source_id.to_owned(),
        kind: "orders/create".to_owned(),
        origin: Origin::Webhook,
        headers: "{}".to_owned(),
        body: body.as_bytes().to_vec(),
        asked_at: None,
    }
}

/// A stored message that documents may name.
pub fn stored(tx: &mut Tx<'_>, source_id: &str) -> Result<String, StoreError> {
    match messages::record(tx, &message(source_id, source_id), at(0))? {
        Recorded::Stored(id) | Recorded::Repeat(id) => Ok(id),
    }
}

pub fn payment(id: &str, order: &str, version: i64) -> Document {
    Document::from(Payment {
        id: id.to_owned(),
        order: order.to_owned(),
        version: Version(version),
        kind: PaymentKind::Sale,
        status: PaymentStatus::Succeeded,
        amount: money("10.00"),
        gateway: "card".to_owned(),
        tender: Tender::Card,
        parent: None,
        refund: None,
        provider_id: None,
        processed_at: at(0),
        test: false,
    })
}

pub fn ledger_row(id: &str) -> Document {
    Document::from(LedgerRow {
        id: id.to_owned(),
        class: RowClass::Capture,
        kind: "charge".to_owned(),
        gross: money("10.00"),
        fee: money("0.50"),
        net: money("9.50"),
        fees: Vec::new(),
        presentment: None,
        object: None,
        capture: None,
        order: None,
        payout: None,
        occurred_at: at(0),
        available_on: None,
        description: None,
    })
}

pub fn place(root: &str) -> Place<'_> {
    Place {
        environment: "test",
        root,
        entity: "nl",
        mapping_version: 1,
        now: at(0),
        ledger_since: None,
        newest: None,
    }
}

pub fn entry(minor: i64) -> Entry {
    let date = jiff::civil::date(2026, 6, 1);
    let amount = Money::from_minor(minor, eur());
    let mut entry = EntryBuilder::new(date, Booker::Odoo, eur(), "sale");
    entry.debit(Role::Receivable, None, amount);
    entry.credit(Role::Sales, Some("web"), amount).expect("in range");
    entry.build().expect("balanced").expect("an entry")
}

pub fn item(side: Side, kind: ItemKind, key: &str, minor: i64) -> Item {
    Item {
        side,
        kind,
        key: key.to_owned(),
        amount: Money::from_minor(minor, eur()),
        date: jiff::civil::date(2026, 6, 1),
        due: Some(jiff::civil::date(2026, 6, 3)),
        hints: vec!["#1001".to_owned(), "two words".to_owned()],
    }
}

pub fn after(role: &str, kind: &str, part: &str) -> After {
    After { role: role.to_owned(), fact: FactKey::new(kind, part), root: None }
}

pub fn command(content: Content, after: Vec<After>) -> FactContent {
    let target = "odoo".to_owned();
    FactContent::Command(Box::new(Command { target, content, after, states: None }))
}

pub fn order(total: &str) -> Content {
    Content::Order(OrderContent {
        company: "1".to_owned(),
        customer: CustomerRef::Fixed("7".to_owned()),
        reference: "#1001".to_owned(),
        customer_reference: None,
        origin: "shop #1001".to_owned(),
        placed_at: at(0),
        pricelist: None,
        warehouse: None,
        lines: Vec::new(),
        total: money(total),
        tax: money("0"),
    })
}

pub fn invoice(total: &str) -> Content {
    Content::Invoice(InvoiceContent {
        company: "1".to_owned(),
        customer: CustomerRef::Fixed("7".to_owned()),
        journal: "sales".to_owned(),
        reference: "#1001".to_owned(),
        customer_reference: None,
        date: jiff::civil::date(2026, 6, 1),
        due_on: None,
        lines: Vec::new(),
        total: money(total),
        tax: money("0"),
    })
}

pub fn credit_note(total: &str) -> Content {
    Content::CreditNote(CreditNoteContent {
        company: "1".to_owned(),
        customer: CustomerRef::Fixed("7".to_owned()),
        journal: "sales".to_owned(),
        reference: "#1001".to_owned(),
        reason: "back".to_owned(),
        date: jiff::civil::date(2026, 6, 1),
        lines: Vec::new(),
        total: money(total),
        tax: money("0"),
    })
}

pub fn money_in(amount: &str) -> Content {
    Content::Payment(PaymentContent {
        company: "1".to_owned(),
        customer: CustomerRef::Fixed("7".to_owned()),
        direction: Direction::Inbound,
        journal: "stripe".to_owned(),
        method_line: "in".to_owned(),
        date: jiff::civil::date(2026, 6, 1),
        amount: money(amount),
        memo: "#1001".to_owned(),
    })
}

pub fn tie(amount: &str) -> Content {
    Content::Reconciliation(ReconciliationContent {
        company: "1".to_owned(),
        amount: money(amount),
        payment: CommandKind::Payment,
        document: CommandKind::Invoice,
        extent: Extent::Whole,
    })
}

/// Derives these facts for a root, as DECIDE does: only the difference is written.
pub fn decide(store: &Store, root: &'static str, facts: Vec<Fact>, seconds: i64) -> usize {
    store.write(deciding(root, facts, seconds)).expect("written")
}

/// The same as a part of some transaction.
pub fn deciding(
    root: &'static str,
    facts: Vec<Fact>,
    seconds: i64,
) -> impl FnOnce(&mut Tx<'_>) -> Result<usize, StoreError> {
    move |tx| {
        let connection = root.split('/').next().expect("a connection");
        let since = summaries::ledger_days(tx)?.get(connection).copied();
        deciding_since(root, facts, seconds, since)(tx)
    }
}

/// The same of a process that has it that the connection's ledger is posted since a day.
pub fn deciding_since(
    root: &'static str,
    facts: Vec<Fact>,
    seconds: i64,
    ledger_since: Option<Date>,
) -> impl FnOnce(&mut Tx<'_>) -> Result<usize, StoreError> {
    move |tx| {
        let written = facts::written(tx, root)?;
        let changes = difference(&written, facts);
        for change in &changes {
            let place = Place { now: at(seconds), ledger_since, ..place(root) };
            facts::apply(tx, place, change)?;
        }
        commands::skips::stand_in(tx, &[root], at(seconds))?;
        Ok(changes.len())
    }
}

pub fn fact(kind: &str, part: &str, content: FactContent) -> Fact {
    Fact::new(kind, part, content)
}

/// Reads, and fails the test where the store does.
pub fn read<T>(store: &Store, work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> T {
    store.read(work).expect("readable")
}

pub fn write<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(work).expect("writable")
}
