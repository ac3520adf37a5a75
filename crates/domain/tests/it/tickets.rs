//! P17: what a till inside the books sold is mirrored: booked by another, compared by session, and
//! never sent.

use trueup_domain::derive::Derived;
use trueup_domain::document::{
    Document, Order, Ticket, TicketTender, TillCash, TillDocument, TillSession, Version,
};
use trueup_domain::fact::FactContent;
use trueup_domain::journal::Booker;

use crate::world::{Given, at, line, money, order, paid, tax, usd};

fn sold() -> Order {
    let mut tee = line("A", 1, "25.00");
    tee.taxes = vec![tax("0.08", "2.00")];
    order(vec![tee], Vec::new())
}

fn ticket(id: &str, total: &str, tax: &str) -> Ticket {
    let tender = TicketTender { method: "Cash".to_owned(), amount: money(total) };
    Ticket {
        id: id.to_owned(),
        order: "O1".to_owned(),
        version: Version(1),
        number: format!("receipt {id}"),
        session: "7".to_owned(),
        session_opened_at: at("2026-03-02T08:00:00Z"),
        at: at("2026-03-02T10:00:00Z"),
        total: money(total),
        tax: money(tax),
        tenders: vec![tender],
    }
}

fn session(counted: &str) -> TillSession {
    TillSession {
        id: "7".to_owned(),
        version: Version(1),
        number: "Register/7".to_owned(),
        register: "Register".to_owned(),
        currency: usd(),
        opened_at: at("2026-03-02T08:00:00Z"),
        closed_at: Some(at("2026-03-02T20:00:00Z")),
        cash: Some(TillCash {
            method: "Cash".to_owned(),
            opening: money("100.00"),
            expected: money("127.00"),
            counted: money(counted),
        }),
        documents: vec![TillDocument {
            record: "account.move/14".to_owned(),
            name: "TILL/14".to_owned(),
            total: money("27.00"),
            tax: money("2.00"),
        }],
        tenders: vec![TicketTender { method: "Cash".to_owned(), amount: money("27.00") }],
    }
}

fn told(derived: &Derived) -> Vec<String> {
    let mut told = Vec::new();
    for fact in &derived.facts {
        match &fact.content {
            FactContent::Command(command) => told.push(format!("command {command:?}")),
            FactContent::Units(units) => told.push(format!("units {units:?}")),
            FactContent::Item(item) => {
                told.push(format!("{} {} {}", item.side.word(), item.key, item.amount));
            }
            FactContent::Entry(entry) => {
                assert_eq!(entry.booker, Booker::Other, "{entry:?}");
                let lines = entry.lines.iter().map(|line| {
                    format!(
                        "{}/{} {}",
                        line.role.word(),
                        line.qualifier.as_deref().unwrap_or_default(),
                        line.amount.minor()
                    )
                });
                told.push(format!("{}: {}", fact.key.kind, lines.collect::<Vec<_>>().join(", ")));
            }
        }
    }
    told
}

#[test]
fn a_sale_with_a_ticket_is_booked_by_another_and_sends_nothing() {
    let documents =
        [Document::from(sold()), paid("Cash", "27.00"), ticket("1", "27.00", "2.00").into()];
    let expected = [
        "channel till/shop/7 27.00 USD",
        "channel till_tax/shop/7 2.00 USD",
        "channel till_tender/shop/7/Cash 27.00 USD",
        "sale: receivable/ 2700, sales/ -2500, tax_payable/ -200",
        "capture: clearing/Cash 2700, receivable/ -2700",
    ];
    // A mapping changes nothing: Odoo has booked it.
    for given in [Given::default(), Given { mapping: None, ..Given::default() }] {
        let derived = given.sale(&documents);
        assert_eq!(told(&derived), expected);
        assert_eq!(derived.waiting, None);
        assert_eq!(derived.breaks, []);
        assert_eq!(derived.standing.state, "paid");
    }
}

#[test]
fn e9_a_drawer_that_is_short_is_a_case_and_an_entry() {
    let derived = Given::default().till(&session("125.00"));
    assert_eq!(
        told(&derived),
        [
            "books till/shop/7 27.00 USD",
            "books till_tax/shop/7 2.00 USD",
            "books till_tender/shop/7/Cash 27.00 USD",
            "till_cash: clearing/Cash -200, cash_difference/Register 200",
        ]
    );
    assert_eq!(derived.breaks.len(), 1);
    assert_eq!(derived.breaks[0].kind, "cash_difference");
    assert_eq!(derived.breaks[0].amount, Some(money("-2.00")));

    let exact = Given::default().till(&session("127.00"));
    assert_eq!(exact.breaks, []);
}

#[test]
fn what_was_taken_out_of_a_drawer_is_no_difference() {
    let mut session = session("77.00");
    session.cash.as_mut().expect("a drawer").expected = money("77.00");
    let derived = Given::default().till(&session);
    let expected = "till_cash_moved: clearing/Cash -5000, transfers/ 5000".to_owned();
    assert!(told(&derived).contains(&expected), "{:?}", told(&derived));
    assert_eq!(derived.breaks, []);
}

#[test]
fn an_open_session_states_nothing() {
    let mut open = session("0.00");
    open.closed_at = None;
    let derived = Given::default().till(&open);
    assert_eq!(derived.facts, []);
    assert_eq!(derived.standing.state, "open");
}
