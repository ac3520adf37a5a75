//! E5: a refund that failed after it had succeeded, and what goes back after it.

use jiff::civil::date;
use trueup_domain::command::{CommandKind, Content, Direction, Extent};
use trueup_domain::derive::Derived;
use trueup_domain::derive::sale::PAID_AGAIN;
use trueup_domain::document::{
    Document, Payment, PaymentKind, PaymentStatus, RefundFailure, Restock, RowClass, Version,
};
use trueup_domain::fact::{Command, FactContent, FactKey};
use trueup_domain::item::{ItemKind, Side};
use trueup_domain::journal::{Booker, Role};

use crate::world::{
    Given, at, entries, line, money, net, order, paid, paid_back, payment, refund, refund_line,
    refund_of, remitted, row, tax,
};

/// Two units of 54.00, paid by card, and one of them refunded by the transaction `b1`.
fn refunded() -> Vec<Document> {
    let mut goods = line("A1", 2, "50.00");
    goods.taxes = vec![tax("0.08", "8.00")];
    let back = refund_line("A1", 1, "50.00", "4.00", Restock::Returned);
    vec![
        order(vec![goods], Vec::new()).into(),
        paid("card", "108.00"),
        refund(vec![back], Vec::new()).into(),
        paid_back("b1", "R1", "card", "54.00"),
    ]
}

fn failed(transaction: &str, amount: &str) -> Document {
    RefundFailure {
        id: transaction.to_owned(),
        order: "O1".to_owned(),
        version: Version(1),
        failed_on: date(2026, 7, 9),
        amount: money(amount),
        key: format!("refund_paid/stripe/ch_{transaction}"),
    }
    .into()
}

fn again(id: &str) -> Document {
    let back = payment(id, PaymentKind::Refund, "card", "54.00");
    let processed_at = at("2026-07-12T09:00:00Z");
    Payment { refund: Some("R1".to_owned()), processed_at, ..back }.into()
}

fn sale(documents: &[Document]) -> Derived {
    Given::default().sale(documents)
}

fn command<'a>(derived: &'a Derived, kind: &str, part: &str) -> &'a Command {
    let key = FactKey::new(kind, part);
    let fact = derived.facts.iter().find(|fact| fact.key == key).expect(part);
    match &fact.content {
        FactContent::Command(command) => command,
        other => panic!("{other:?}"),
    }
}

fn extent(derived: &Derived, part: &str) -> Extent {
    match &command(derived, "reconciliation", part).content {
        Content::Reconciliation(tie) => tie.extent,
        other => panic!("{other:?}"),
    }
}

fn needed(derived: &Derived, kind: &str, part: &str) -> Vec<String> {
    let after = command(derived, kind, part).after.iter();
    let mut needed: Vec<String> =
        after.map(|it| format!("{}/{}", it.fact.kind, it.fact.part)).collect();
    needed.sort();
    needed
}

fn kinds(derived: &Derived) -> Vec<&str> {
    derived.breaks.iter().map(|one| one.kind).collect()
}

/// The channel's item of a transaction of kind `refund`: its amount and its hints.
fn stated(derived: &Derived, transaction: &str) -> Option<(String, Vec<String>)> {
    let part = format!("refund_paid/{transaction}");
    derived.facts.iter().find_map(|fact| match &fact.content {
        FactContent::Item(item) if fact.key.part == part && item.side == Side::Channel => {
            Some((item.amount.amount_text(), item.hints.clone()))
        }
        _ => None,
    })
}

#[test]
fn e5_the_way_back_is_one_entry_and_one_payment_dated_by_the_failure() {
    let gone = sale(&refunded());
    let mut documents = refunded();
    documents.push(failed("b1", "54.00"));
    let back = sale(&documents);
    // What went stays as it was.
    assert!(gone.facts.iter().all(|fact| back.facts.contains(fact)));
    let added: Vec<String> = back
        .facts
        .iter()
        .filter(|fact| !gone.facts.contains(fact))
        .map(|fact| format!("{}/{}", fact.key.kind, fact.key.part))
        .collect();
    assert_eq!(added, ["refund_failed/b1", "payment/b1/failed", "reconciliation/b1/failed"]);
    let own: Vec<_> = entries(&back.facts).filter(|it| it.memo.contains("failed")).collect();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].booker, own[0].date), (Booker::Odoo, date(2026, 7, 9)));
    // The credit note is open: the buyer is owed what the receivable shows.
    assert_eq!(net([&back]).get(&Role::Receivable), Some(&-5400));
    assert_eq!(net([&back]).get(&Role::Clearing), Some(&10800));
    let payment = command(&back, "payment", "b1/failed");
    let Content::Payment(content) = &payment.content else { panic!("{payment:?}") };
    assert_eq!(content.direction, Direction::Inbound);
    assert_eq!((content.amount, content.date), (money("54.00"), date(2026, 7, 9)));
    assert_eq!(content.journal, "J1");
    let states = Some((ItemKind::RefundPaid, "refund_paid/stripe/ch_b1#back".to_owned()));
    assert_eq!(payment.states, states);
    let tie = command(&back, "reconciliation", "b1/failed");
    let Content::Reconciliation(content) = &tie.content else { panic!("{tie:?}") };
    assert_eq!(
        (content.payment, content.document, content.extent),
        (CommandKind::Payment, CommandKind::Payment, Extent::Instead)
    );
    let needs = ["payment/b1", "payment/b1/failed", "reconciliation/b1"];
    assert_eq!(needed(&back, "reconciliation", "b1/failed"), needs);
    // The provider's row states it and books nothing (P1).
    let row = row("b1", RowClass::RefundFailure, "54.00", "0");
    assert_eq!(net([&Given::provider().row(&row)]), net([]));
    // The channel still says that it went: the key is broken, and no second case is opened.
    assert_eq!(stated(&back, "b1"), stated(&gone, "b1"));
    assert_eq!(kinds(&back), [""; 0]);
    assert_eq!(back.standing.state, "paid");
}

#[test]
fn e5_a_channel_that_says_failed_books_the_same_and_is_a_case() {
    let mut documents = refunded();
    documents.push(failed("b1", "54.00"));
    let by_row = sale(&documents);
    for document in &mut documents {
        if let Document::Payment(payment) = document
            && payment.id == "b1"
        {
            payment.status = PaymentStatus::Failed;
        }
    }
    let by_channel = sale(&documents);
    assert_eq!(net([&by_channel]), net([&by_row]));
    assert_eq!(stated(&by_channel, "b1"), None);
    assert_eq!(kinds(&by_channel), ["refund_failed"]);
    assert_eq!(by_channel.breaks[0].amount, Some(money("-54.00")));
    let booked = |derived: &Derived| -> Vec<FactKey> {
        derived.facts.iter().map(|it| it.key.clone()).filter(|it| it.kind != "item").collect()
    };
    assert_eq!(booked(&by_channel), booked(&by_row));
    // Money that goes again is what was missing.
    documents.push(again("b2"));
    assert_eq!(kinds(&sale(&documents)), [""; 0]);
}

#[test]
fn e5_what_goes_again_pays_the_credit_note_that_is_open_again() {
    let mut documents = refunded();
    documents.push(again("b2"));
    // Nobody has told of the failure: the note seems paid, so that nothing may be open.
    let before = sale(&documents);
    assert_eq!(extent(&before, "b2"), Extent::WhatIsOpen);
    assert_eq!(kinds(&before), [""; 0], "two refunds of 54.00 are not more than was captured");
    documents.push(failed("b1", "54.00"));
    let after = sale(&documents);
    assert_eq!((extent(&after, "b1"), extent(&after, "b2")), (Extent::Whole, Extent::Whole));
    let needs = ["credit_note/R1", "payment/b2", "reconciliation/b1/failed"];
    assert_eq!(needed(&after, "reconciliation", "b2"), needs);
    assert_eq!(net([&after]).get(&Role::Receivable), None);
    assert_eq!(net([&after]).get(&Role::Clearing), Some(&5400));
    let (amount, hints) = stated(&after, "b1").expect("stated");
    assert_eq!((amount.as_str(), hints.contains(&PAID_AGAIN.to_owned())), ("54.00", true));
    assert!(!stated(&after, "b2").expect("stated").1.contains(&PAID_AGAIN.to_owned()));
    assert_eq!(after.standing.state, "partially_refunded");
    // The second fails too: both are open, and each has its own way back.
    documents.push(failed("b2", "54.00"));
    let twice = sale(&documents);
    assert_eq!(net([&twice]).get(&Role::Receivable), Some(&-5400));
    assert!(!stated(&twice, "b1").expect("stated").1.contains(&PAID_AGAIN.to_owned()));
}

/// What the marketplace remits came back with it, in no general ledger.
#[test]
fn e5_remitted_tax_comes_back_as_a_memo_and_goes_again() {
    let mut goods = line("A1", 2, "50.00");
    goods.taxes = vec![remitted("0.08", "8.00")];
    let back = refund_line("A1", 1, "50.00", "4.00", Restock::Returned);
    let mut documents = vec![
        order(vec![goods], Vec::new()).into(),
        paid("card", "108.00"),
        refund_of("R1", false, vec![back], Vec::new(), &["b1"]).into(),
        paid_back("b1", "R1", "card", "54.00"),
    ];
    let gone = net([&sale(&documents)]);
    documents.push(failed("b1", "54.00"));
    let failed = sale(&documents);
    assert_eq!(net([&failed]).get(&Role::MarketplaceTaxCollected), Some(&-800));
    let Content::Payment(content) = &command(&failed, "payment", "b1/failed").content else {
        panic!("a payment")
    };
    assert_eq!(content.amount, money("50.00"));
    documents.push(again("b2"));
    assert_eq!(net([&sale(&documents)]), gone);
}

/// The ledger's failure is no part of a sale that somebody else booked.
#[test]
fn e5_a_sale_from_before_the_start_books_no_way_back() {
    let mut documents = refunded();
    let given = || Given { since: at("2026-07-01T00:00:00Z"), ..Given::default() };
    let before = given().sale(&documents);
    documents.push(failed("b1", "54.00"));
    assert_eq!(given().sale(&documents), before);
}
