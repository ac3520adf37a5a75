//! What the connector's tests share: a driver, and commands of one sale.
//!
//! Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use trueup_connect::conversation::{Context, Dispatch, Outcome, Reply, Step, Task};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{CallError, ReceiptOutcome, Settings};
use trueup_domain::command::*;
use trueup_domain::mapping::{CustomerPolicy, Mapping};
use trueup_domain::money::{Currency, Money};
use trueup_odoo::sandbox::OdooSandbox;

pub fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().expect("a moment")
}

/// Drives one task to its end; a `wait` lets no time pass.
pub fn drive(sandbox: &mut OdooSandbox, task: &Task) -> Result<Outcome, CallError> {
    drive_as(sandbox, task, None)
}

/// The same with the key of somebody else.
pub fn drive_as(
    sandbox: &mut OdooSandbox,
    task: &Task,
    key: Option<&str>,
) -> Result<Outcome, CallError> {
    let settings = Settings(BTreeMap::from([("database".to_owned(), "books".to_owned())]));
    let context = Context { settings: &settings, now: now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let nothing = Reply { status: 0, headers: Vec::new(), body: Vec::new() };
    let mut step = (talk.start)(&context, task);
    for _ in 0..200 {
        step = match step {
            Step::Send { mut request, state, .. } => {
                let bearer = key.map(|key| ("authorization".to_owned(), format!("bearer {key}")));
                request.headers.extend(bearer);
                let reply = sandbox.handle(&request, now());
                (talk.resume)(&context, &state, Ok(&reply))
            }
            Step::Wait { state, .. } => (talk.resume)(&context, &state, Ok(&nothing)),
            Step::Done(outcome) => return Ok(outcome),
            Step::Failed(error) => return Err(error),
        };
    }
    panic!("the conversation does not end");
}

pub fn deliver(sandbox: &mut OdooSandbox, commands: &[Dispatch]) -> Vec<ReceiptOutcome> {
    let outcome = drive(sandbox, &Task::Deliver { commands: commands.to_vec() }).expect("receipts");
    let keys: Vec<&str> = outcome.receipts.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, commands.iter().map(|it| it.key.as_str()).collect::<Vec<_>>());
    outcome.receipts.into_iter().map(|it| it.outcome).collect()
}

/// The binding of a command that was applied as asked.
pub fn applied(sandbox: &mut OdooSandbox, command: &Dispatch) -> String {
    match deliver(sandbox, std::slice::from_ref(command)).pop() {
        Some(ReceiptOutcome::Applied { binding, differs, .. }) if differs.is_empty() => binding,
        other => panic!("{other:?}"),
    }
}

pub fn usd(text: &str) -> Money {
    Money::parse(text, Currency::parse("USD").expect("known")).expect("an amount")
}

pub fn dispatch(key: &str, content: Content, bindings: &[(&str, &str)]) -> Dispatch {
    let bindings = bindings.iter().map(|(role, id)| ((*role).to_owned(), (*id).to_owned()));
    Dispatch { key: key.to_owned(), content, bindings: bindings.collect(), again: false }
}

pub fn line(map: &Mapping, part: &str, product: &str, amount: &str, tax: &str) -> DocumentLine {
    let taxes = map.taxes.iter().filter(|rule| rule.jurisdiction.as_deref() == Some("US-NY"));
    let taxes = taxes.map(|rule| DocumentTax {
        tax: rule.target.clone(),
        base: usd(amount),
        amount: usd(tax),
    });
    DocumentLine {
        part: part.to_owned(),
        product: Some(product.to_owned()),
        account: None,
        name: format!("Line {part}"),
        quantity: Decimal::ONE,
        unit_price: usd(amount).decimal(),
        amount: usd(amount),
        taxes_included: false,
        taxes: taxes.collect(),
        shipping: false,
    }
}

/// The vector of D18: 50.91 + 28.04 − 5.09 − 2.80, with shipping.
pub fn lines(map: &Mapping) -> Vec<DocumentLine> {
    let product = |sku: &str| map.products[sku].clone();
    let service = |word: &str| map.service_products[word].clone();
    vec![
        line(map, "1", &product("TEE-S"), "598.89", "50.91"),
        line(map, "2", &product("TEE-M"), "329.84", "28.04"),
        line(map, "discount/1", &service("discount"), "-59.89", "-5.09"),
        line(map, "discount/2", &service("discount"), "-32.98", "-2.80"),
        line(map, "shipping", &service("shipping"), "4.99", "0.33"),
    ]
}

pub fn guests(map: &Mapping) -> CustomerRef {
    match &map.customers {
        CustomerPolicy::PerBuyer { guests } | CustomerPolicy::One(guests) => {
            CustomerRef::Fixed(guests.clone())
        }
    }
}

pub fn order(map: &Mapping, key: &str) -> Dispatch {
    let content = OrderContent {
        company: map.company.clone(),
        customer: guests(map),
        reference: format!("#{key}"),
        customer_reference: None,
        origin: "shopify".to_owned(),
        placed_at: "2026-11-01T10:00:00.7Z".parse().expect("a moment"),
        pricelist: map.pricelist.clone(),
        warehouse: map.warehouse.clone(),
        lines: lines(map),
        total: usd("912.24"),
        tax: usd("71.39"),
    };
    dispatch(&format!("test/order/{key}"), Content::Order(content), &[])
}

pub fn invoice(map: &Mapping, key: &str, order: &str) -> Dispatch {
    let content = InvoiceContent {
        company: map.company.clone(),
        customer: guests(map),
        journal: map.sales_journal.clone(),
        reference: format!("#{key}"),
        customer_reference: None,
        date: "2026-11-02".parse().expect("a date"),
        due_on: None,
        lines: lines(map),
        total: usd("912.24"),
        tax: usd("71.39"),
    };
    dispatch(&format!("test/invoice/{key}"), Content::Invoice(content), &[("order", order)])
}

pub fn payment(map: &Mapping, key: &str, amount: &str, direction: Direction) -> Dispatch {
    let gateway = &map.gateways["stripe"];
    let content = PaymentContent {
        company: map.company.clone(),
        customer: guests(map),
        direction,
        journal: gateway.journal.clone(),
        method_line: if direction == Direction::Inbound {
            gateway.inbound_line.clone()
        } else {
            gateway.outbound_line.clone()
        },
        date: "2026-11-02".parse().expect("a date"),
        amount: usd(amount),
        memo: format!("ch_{key}"),
    };
    dispatch(&format!("test/payment/{key}"), Content::Payment(content), &[])
}

pub fn tie(map: &Mapping, key: &str, amount: &str, payment: &str, document: &str) -> Dispatch {
    let content = ReconciliationContent {
        company: map.company.clone(),
        amount: usd(amount),
        payment: CommandKind::Payment,
        document: CommandKind::Invoice,
        extent: Extent::Whole,
    };
    let bindings = [("payment", payment), ("document", document)];
    dispatch(&format!("test/tie/{key}"), Content::Reconciliation(content), &bindings)
}

pub fn note(map: &Mapping, invoice: &str) -> Dispatch {
    let note = CreditNoteContent {
        company: map.company.clone(),
        customer: guests(map),
        journal: map.sales_journal.clone(),
        reference: "#1001".to_owned(),
        reason: "too small".to_owned(),
        date: "2026-11-05".parse().expect("a date"),
        lines: vec![
            line(map, "2", &map.products["TEE-M"], "329.84", "28.04"),
            DocumentLine {
                product: None,
                account: Some(map.accounts["returns"].clone()),
                ..line(map, "goodwill", "0", "10.00", "0.50")
            },
        ],
        total: usd("368.38"),
        tax: usd("28.54"),
    };
    dispatch("test/note/1", Content::CreditNote(note), &[("invoice", invoice)])
}

pub fn fee(map: &Mapping, key: &str, credit: &str) -> Dispatch {
    let account = |role: &str| map.accounts[role].clone();
    let line = |account: String, amount: &str| AccountLine {
        account,
        name: "fee".to_owned(),
        amount: usd(amount),
        taxes: Vec::new(),
        refund: false,
    };
    let content = EntryContent {
        company: map.company.clone(),
        journal: map.entry_journal.clone(),
        date: "2026-11-03".parse().expect("a date"),
        reference: "po_1".to_owned(),
        lines: vec![
            line(account("processing_fees"), "6.25"),
            line(account("clearing/stripe"), credit),
        ],
        taxes: Vec::new(),
        orders: Vec::new(),
    };
    dispatch(key, Content::Entry(content), &[])
}

pub fn world() -> (OdooSandbox, Mapping) {
    let sandbox = OdooSandbox::new_demo();
    let map = sandbox.demo_mapping("us").expect("the demo is set up");
    (sandbox, map)
}
