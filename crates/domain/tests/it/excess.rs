//! Money that was captured beyond what is sold and goes back: a price lowered after it was paid, or
//! paid too much. The channel writes it as a discrepancy of the refund.

use trueup_domain::command::{CommandKind, Content, Extent};
use trueup_domain::derive::Derived;
use trueup_domain::document::{Document, Order, Payment, PaymentKind, Refund, Restock, Version};
use trueup_domain::fact::{FactContent, FactKey};
use trueup_domain::item::{ItemKind, Side};
use trueup_domain::journal::Role;

use crate::world::{
    Given, adjustment, at, line, money, net, order, paid, payment, refund_line, refund_of, tax,
};

/// Two units of 20.00 with 8 % on top, after they were sold at 25.00 each: 43.20 of 54.00.
fn lowered() -> Order {
    let mut goods = line("A1", 2, "20.00");
    goods.taxes = vec![tax("0.08", "3.20")];
    Order { version: Version(2), ..order(vec![goods], Vec::new()) }
}

fn difference(id: &str, amount: &str, money: &str) -> Refund {
    refund_of(id, false, Vec::new(), vec![adjustment(None, amount, "0")], &[money])
}

fn back(id: &str, refund: &str, amount: &str) -> Document {
    let back = payment(id, PaymentKind::Refund, "card", amount);
    let processed_at = at("2026-07-03T09:00:00Z");
    Payment { refund: Some(refund.to_owned()), processed_at, ..back }.into()
}

fn sale(documents: &[Document]) -> Derived {
    Given::default().sale(documents)
}

/// The credit notes by refund, and the channel's items of refunds.
fn credited(derived: &Derived) -> (Vec<String>, Vec<String>) {
    let (mut notes, mut items) = (Vec::new(), Vec::new());
    for fact in &derived.facts {
        match &fact.content {
            FactContent::Command(command) => {
                if let Content::CreditNote(note) = &command.content {
                    notes.push(format!("{} {}", fact.key.part, note.total.amount_text()));
                }
            }
            FactContent::Item(item)
                if item.kind == ItemKind::RefundDocument && item.side == Side::Channel =>
            {
                items.push(format!("{} {}", item.key, item.amount.amount_text()));
            }
            FactContent::Item(_) | FactContent::Entry(_) | FactContent::Units(_) => {}
        }
    }
    (notes, items)
}

#[test]
fn a_price_lowered_after_the_money_is_given_back_without_a_credit_note() {
    let mut documents = vec![lowered().into(), paid("card", "54.00")];
    let before = sale(&documents);
    assert_eq!(before.breaks[0].kind, "overpaid");
    documents.push(difference("R1", "10.80", "b1").into());
    documents.push(back("b1", "R1", "10.80"));
    let after = sale(&documents);
    assert_eq!(after.breaks, []);
    assert_eq!(credited(&after), (Vec::new(), Vec::new()));
    let sums = net([&after]);
    assert_eq!(sums.get(&Role::Receivable), None);
    assert_eq!(sums.get(&Role::Returns), None);
    assert_eq!(sums.get(&Role::Clearing), Some(&4320));
    // The money goes back against what is left of the capture, once its invoice is paid.
    let key = FactKey::new("reconciliation", "b1/p1");
    let tie = after.facts.iter().find(|fact| fact.key == key).expect("a tie");
    let FactContent::Command(command) = &tie.content else { panic!("{tie:?}") };
    let Content::Reconciliation(content) = &command.content else { panic!("{tie:?}") };
    assert_eq!(
        (content.payment, content.document, content.extent, content.amount),
        (CommandKind::Payment, CommandKind::Payment, Extent::WhatIsOpen, money("10.80"))
    );
    let mut needs: Vec<String> =
        command.after.iter().map(|it| format!("{}/{}", it.fact.kind, it.fact.part)).collect();
    needs.sort();
    assert_eq!(needs, ["payment/b1", "payment/p1", "reconciliation/p1"]);
}

#[test]
fn what_goes_back_beyond_the_excess_is_credited() {
    let mut documents = vec![lowered().into(), paid("card", "54.00")];
    documents.push(difference("R1", "15.00", "b1").into());
    documents.push(back("b1", "R1", "15.00"));
    let derived = sale(&documents);
    let notes = vec!["R1 4.20".to_owned()];
    assert_eq!(credited(&derived), (notes, vec!["refund/shop/R1 4.20".to_owned()]));
    assert_eq!(net([&derived]).get(&Role::Receivable), None);
    assert_eq!(net([&derived]).get(&Role::Returns), Some(&420));
    assert_eq!(derived.breaks, []);
}

/// Goodwill first, then the difference: the refund of just the excess is the one without a note.
#[test]
fn a_refund_of_just_the_excess_comes_first() {
    let goodwill = difference("R0", "5.00", "b0");
    let mut documents = vec![lowered().into(), paid("card", "54.00")];
    documents.extend([goodwill.into(), difference("R1", "10.80", "b1").into()]);
    documents.push(back("b0", "R0", "5.00"));
    documents.push(back("b1", "R1", "10.80"));
    let derived = sale(&documents);
    assert_eq!(credited(&derived).0, ["R0 5.00"]);
    assert_eq!(net([&derived]).get(&Role::Receivable), None);
}

/// Without an excess a discrepancy is goodwill, and lines are always credited.
#[test]
fn lines_are_credited_whatever_was_captured() {
    let line_back = refund_line("A1", 1, "20.00", "1.60", Restock::Returned);
    let refund = refund_of("R1", false, vec![line_back], Vec::new(), &["b1"]);
    let documents =
        vec![lowered().into(), paid("card", "54.00"), refund.into(), back("b1", "R1", "21.60")];
    let derived = sale(&documents);
    assert_eq!(credited(&derived).0, ["R1 21.60"]);
    let documents = vec![
        lowered().into(),
        paid("card", "43.20"),
        difference("R1", "5.00", "b1").into(),
        back("b1", "R1", "5.00"),
    ];
    assert_eq!(credited(&sale(&documents)).0, ["R1 5.00"]);
}
