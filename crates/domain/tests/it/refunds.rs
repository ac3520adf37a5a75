//! Refunds as tables: what is credited, what comes back, and what has not gone.

use trueup_domain::derive::Derived;
use trueup_domain::document::{
    ChargeKind, Document, LineKind, PaymentKind, PaymentStatus, Restock,
};
use trueup_domain::fact::FactContent;
use trueup_domain::journal::Role;

use crate::sale::{check, lines_of, sold_and_paid, two_units, words};
use crate::world::{
    Given, adjustment, charge, commands, document_lines, line, money, net, order, paid, paid_back,
    payment, refund, refund_line, refund_of, tax, total_up,
};

/// A sale of two units with one refund and its money.
fn refunded(refund: trueup_domain::document::Refund, money_back: Option<&str>) -> Derived {
    let id = refund.id.clone();
    let mut documents = sold_and_paid();
    documents.push(refund.into());
    documents.extend(money_back.map(|amount| paid_back("b1", &id, "card", amount)));
    Given::default().sale(&documents)
}

#[test]
fn refund_of_one_unit_that_came_back() {
    let back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::Returned)], Vec::new());
    let sale = refunded(back, Some("54.00"));
    check(
        &sale,
        "partially_refunded
         net sales -100.00
         net returns 50.00
         net tax_payable -4.00
         net clearing 54.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         payment p1 in J1 108.00
         tie p1 to invoice 1 108.00
         payment b1 out J1 54.00
         tie b1 to credit_note R1 54.00
         credit note R1 54.00 tax 4.00",
    );
    assert_eq!(lines_of(&sale, "credit_note"), ["r-A1 P-A 1x 50.00 tax 4.00"]);
    // The cost follows the product, the amount goes where the sub-ledger says.
    let note = commands(&sale.facts).find(|(_, content)| content.kind().word() == "credit_note");
    let lines = note.map(|(_, content)| document_lines(content)).unwrap_or_default();
    assert_eq!(lines[0].account.as_deref(), Some("4095"));
}

/// P4: a product line would reverse the cost of goods that stay away.
#[test]
fn refund_without_goods_is_credited_on_an_account() {
    let back = refund(vec![refund_line("A1", 2, "100.00", "8.00", Restock::None)], Vec::new());
    let sale = refunded(back, Some("108.00"));
    assert_eq!(lines_of(&sale, "credit_note"), ["r-A1 4095 1x 100.00 tax 8.00"]);
    assert_eq!(sale.standing.state, "refunded");
    assert_eq!(net([&sale]).get(&Role::Clearing), None);
    assert_eq!(net([&sale]).get(&Role::Receivable), None);
}

#[test]
fn refund_of_shipping_only() {
    let mut order = two_units();
    let mut shipping = charge("s", ChargeKind::Shipping, "10.00");
    shipping.taxes = vec![tax("0.08", "0.80")];
    order.charges.push(shipping);
    total_up(&mut order);
    let back = refund(Vec::new(), vec![adjustment(Some(ChargeKind::Shipping), "10.00", "0.80")]);
    let documents =
        [order.into(), paid("card", "118.80"), back.into(), paid_back("b1", "R1", "card", "10.80")];
    let sale = Given::default().sale(&documents);
    assert_eq!(
        lines_of(&sale, "credit_note"),
        ["adjustment/Some(Shipping) P-ship 1x 10.00 tax 0.80"]
    );
    let sums = net([&sale]);
    assert_eq!(sums.get(&Role::ShippingIncome), None);
    assert_eq!(sums.get(&Role::TaxPayable), Some(&-800));
    assert_eq!(sums.get(&Role::Receivable), None);
}

#[test]
fn refund_with_a_discrepancy() {
    // One unit is 54.00; the merchant keeps 4.00 of it.
    let back = refund(
        vec![refund_line("A1", 1, "50.00", "4.00", Restock::Returned)],
        vec![adjustment(None, "-4.00", "0")],
    );
    let sale = refunded(back, Some("50.00"));
    assert_eq!(
        lines_of(&sale, "credit_note"),
        ["r-A1 P-A 1x 50.00 tax 4.00", "adjustment/None 4095 1x -4.00 tax 0.00"]
    );
    assert_eq!(net([&sale]).get(&Role::Receivable), None);
    assert_eq!(net([&sale]).get(&Role::Returns), Some(&4600));
}

#[test]
fn refund_whose_money_has_not_gone() {
    let back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::Returned)], Vec::new());
    let sale = refunded(back.clone(), None);
    assert_eq!(net([&sale]).get(&Role::Receivable), Some(&-5400), "an open credit note");
    assert!(words(&sale).contains(&"credit note R1 54.00 tax 4.00".to_owned()));

    // Pending and failed money is no money (E5); the document stays.
    for status in [PaymentStatus::Pending, PaymentStatus::Failed, PaymentStatus::Cancelled] {
        let mut documents = sold_and_paid();
        documents.push(back.clone().into());
        let mut money_back = payment("b1", PaymentKind::Refund, "card", "54.00");
        money_back.status = status;
        documents.push(money_back.into());
        let again = Given::default().sale(&documents);
        assert_eq!(again.facts, sale.facts, "{status:?}");
    }
}

#[test]
fn a_refund_without_lines_and_money_is_nothing() {
    let nothing = refund_of("R1", false, Vec::new(), Vec::new(), &[]);
    let sale = refunded(nothing, None);
    assert_eq!(sale.facts, Given::default().sale(&sold_and_paid()).facts);
}

#[test]
fn a_unit_removed_before_payment_is_credited() {
    // Sold 108.00, one unit taken off by an edit, 54.00 paid.
    let removed = refund_line("A1", 1, "50.00", "4.00", Restock::Cancelled);
    let removed = refund_of("R1", false, vec![removed], Vec::new(), &[]);
    let documents = [two_units().into(), paid("card", "54.00"), removed.into()];
    let sale = Given::default().sale(&documents);
    check(
        &sale,
        "paid
         net sales -100.00
         net returns 50.00
         net tax_payable -4.00
         net clearing 54.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         payment p1 in J1 54.00
         tie p1 to invoice 1 54.00
         credit note R1 54.00 tax 4.00",
    );
}

#[test]
fn a_refund_in_thirds_is_still_exact() {
    let mut goods = line("A1", 3, "33.33");
    goods.gross = money("100.00");
    goods.taxes = vec![tax("0.08", "8.00")];
    let order = order(vec![goods], Vec::new());
    let back = refund(vec![refund_line("A1", 3, "100.00", "8.00", Restock::Returned)], Vec::new());
    let sale = Given::default().sale(&[order.into(), paid("card", "108.00"), back.into()]);
    // Two units at 33.33 and one at 33.34: the books count three.
    assert_eq!(
        lines_of(&sale, "invoice"),
        ["A1 P-A 2x 66.66 tax 5.33", "A1/dearer P-A 1x 33.34 tax 2.67"]
    );
    assert_eq!(
        lines_of(&sale, "credit_note"),
        ["r-A1 P-A 2x 66.66 tax 5.33", "r-A1/dearer P-A 1x 33.34 tax 2.67"]
    );
}

#[test]
fn a_gift_card_given_back_is_no_return() {
    let mut card = line("G1", 1, "100.00");
    card.kind = LineKind::GiftCard;
    let back = refund(vec![refund_line("G1", 1, "100.00", "0", Restock::None)], Vec::new());
    let documents = [
        order(vec![card], Vec::new()).into(),
        paid("card", "100.00"),
        back.into(),
        paid_back("b1", "R1", "card", "100.00"),
    ];
    let sale = Given::default().sale(&documents);
    assert!(net([&sale]).is_empty(), "{:?}", net([&sale]));
}

#[test]
fn more_units_back_than_were_sold() {
    let back = refund(vec![refund_line("A1", 3, "50.00", "4.00", Restock::Returned)], Vec::new());
    let sale = refunded(back, Some("54.00"));
    assert!(words(&sale).contains(&"break over_returned".to_owned()), "{:?}", words(&sale));
}

#[test]
fn a_refund_that_does_not_add_up_is_named() {
    let mut back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::None)], Vec::new());
    back.total = money("50.00");
    let sale = refunded(back, Some("50.00"));
    assert!(
        words(&sale).contains(&"break refund_contradicts_itself 50.00".to_owned()),
        "{:?}",
        words(&sale)
    );
}

#[test]
fn a_credit_note_waits_until_the_captures_are_tied() {
    // Otherwise the ERP ties the note to the unpaid invoice by itself (V8).
    let back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::None)], Vec::new());
    let sale = refunded(back, None);
    let note = sale.facts.iter().find(|fact| fact.key.kind == "credit_note").expect("a note");
    let FactContent::Command(note) = &note.content else { panic!("a command") };
    let after: Vec<&str> = note.after.iter().map(|after| after.role.as_str()).collect();
    assert_eq!(after, ["invoice", "settled/p1"]);
}

/// The note would find its invoice unpaid, and the ERP would tie the two (V8).
#[test]
fn a4_a_refund_that_was_paid_back_waits_for_the_money_that_came() {
    let back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::None)], Vec::new());
    let is_credited = |documents: &[Document]| {
        let sale = Given::default().sale(documents);
        (sale.facts.iter().any(|fact| fact.key.kind == "credit_note"), words(&sale))
    };
    let mut unpaid = back.clone();
    unpaid.transactions.clear();
    let mut told = vec![two_units().into(), unpaid.into()];
    assert!(is_credited(&told).0, "nothing goes back for it, so the invoice is what it takes off");
    told.push(paid_back("b1", &back.id, "card", "54.00"));
    let (credited, said) = is_credited(&told);
    assert!(!credited, "{said:?}");
    told.push(paid("card", "108.00"));
    assert!(is_credited(&told).0);
}

/// What takes off an unpaid invoice stays as it is when the rest is paid.
#[test]
fn later_money_is_no_concern_of_a_note_for_which_nothing_goes_back() {
    let mut back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::None)], Vec::new());
    let needs = |back: &trueup_domain::document::Refund| {
        let sale = refunded(back.clone(), None);
        let note = sale.facts.iter().find(|fact| fact.key.kind == "credit_note").expect("a note");
        let FactContent::Command(note) = &note.content else { panic!("a command") };
        note.after.iter().map(|after| after.role.clone()).collect::<Vec<_>>()
    };
    assert_eq!(needs(&back), ["invoice", "settled/p1"]);
    back.created_at = "2026-06-01T00:00:00Z".parse().expect("a time");
    assert_eq!(needs(&back), ["invoice", "settled/p1"], "money goes back for it");
    back.transactions.clear();
    assert_eq!(needs(&back), ["invoice"]);
}
