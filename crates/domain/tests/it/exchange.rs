//! Exchanges: what came back pays what went out for it (D12).

use trueup_domain::command::{CommandKind, Content, Extent};
use trueup_domain::derive::Derived;
use trueup_domain::document::{Document, PaymentKind, Refund, Restock};
use trueup_domain::fact::FactContent;
use trueup_domain::journal::Role;

use crate::world::{
    Given, line, net, order, paid, paid_back, payment, refund_line, refund_of, tax, total_up,
};

/// A for 90.00 + 7.20, and what goes out for it.
fn sold(price: &str, its_tax: &str) -> Document {
    let mut old = line("A1", 1, "90.00");
    old.taxes = vec![tax("0.08", "7.20")];
    let mut new = line("B1", 1, price);
    new.taxes = vec![tax("0.08", its_tax)];
    let mut order = order(vec![old, new], Vec::new());
    total_up(&mut order);
    order.into()
}

fn back(transactions: &[&str]) -> Refund {
    let lines = vec![refund_line("A1", 1, "90.00", "7.20", Restock::Returned)];
    let refund = refund_of("R1", false, lines, Vec::new(), transactions);
    Refund { exchanged_for: vec!["B1".to_owned()], ..refund }
}

/// The order was billed before the exchange, so that what goes out for it is a further invoice.
fn later() -> Given {
    Given { billed: [("A1".to_owned(), 1)].into(), ..Given::default() }
}

/// Each tie: its part, what pays, what is paid, how much and whether all of it.
fn ties(derived: &Derived) -> Vec<String> {
    let mut ties = Vec::new();
    for fact in &derived.facts {
        let FactContent::Command(command) = &fact.content else { continue };
        let Content::Reconciliation(tie) = &command.content else { continue };
        let of = |role: &str| {
            let after = command.after.iter().find(|after| after.role == role);
            after.map(|after| format!("{} {}", after.fact.kind, after.fact.part))
        };
        let kinds = (tie.payment, tie.document);
        assert!(
            kinds != (CommandKind::CreditNote, CommandKind::Invoice)
                || tie.extent == Extent::WhatIsOpen,
            "captures may have paid a part"
        );
        ties.push(format!(
            "{} pays {} {}",
            of("payment").unwrap_or_default(),
            of("document").unwrap_or_default(),
            tie.amount.amount_text()
        ));
    }
    ties.sort();
    ties
}

#[test]
fn d12_a_dearer_one_is_paid_by_the_note_and_the_difference() {
    let mut rest = payment("p2", PaymentKind::Sale, "card", "32.40");
    rest.processed_at = crate::world::at("2026-07-03T09:00:00Z");
    let documents = [sold("120.00", "9.60"), paid("card", "97.20"), back(&[]).into(), rest.into()];
    let sale = later().sale(&documents);
    assert_eq!(
        ties(&sale),
        [
            "credit_note R1 pays invoice 2 97.20",
            "payment p1 pays invoice 1 97.20",
            "payment p2 pays invoice 2 32.40",
        ]
    );
    assert_eq!(sale.standing.state, "paid");
    assert_eq!((sale.waiting.clone(), sale.breaks.len()), (None, 0));
    let sums = net([&sale]);
    assert_eq!(sums.get(&Role::Receivable), None);
    assert_eq!(sums.get(&Role::Returns), Some(&9_000));
    assert_eq!(sums.get(&Role::TaxPayable), Some(&-960));
}

#[test]
fn d12_what_a_cheaper_one_leaves_goes_back_as_money() {
    let documents = [
        sold("60.00", "4.80"),
        paid("card", "97.20"),
        back(&["b1"]).into(),
        paid_back("b1", "R1", "card", "32.40"),
    ];
    let sale = later().sale(&documents);
    assert_eq!(
        ties(&sale),
        [
            "credit_note R1 pays invoice 2 64.80",
            "payment b1 pays credit_note R1 32.40",
            "payment p1 pays invoice 1 97.20",
        ]
    );
    assert_eq!((sale.waiting.clone(), sale.breaks.len()), (None, 0));
    assert_eq!(net([&sale]).get(&Role::Receivable), None);
}

#[test]
fn a_refund_that_names_no_lines_is_no_exchange() {
    let plain = Refund { exchanged_for: Vec::new(), ..back(&[]) };
    let sale = later().sale(&[sold("120.00", "9.60"), paid("card", "97.20"), plain.into()]);
    assert!(!ties(&sale).iter().any(|tie| tie.starts_with("credit_note")), "{:?}", ties(&sale));
}
