//! What the parts of a sale say about each other, where money went back otherwise than agreed or
//! stays after the order was cancelled.

use jiff::civil::date;
use trueup_domain::derive::Break;
use trueup_domain::document::{
    Deletion, Document, Order, Payment, PaymentKind, PaymentStatus, Refund, RefundFailure, Restock,
    Version,
};

use crate::world::{
    Given, adjustment, at, line, money, order, paid, paid_back, payment, refund_line, refund_of,
    tax,
};

/// Two units of 50.00 with 8 % on top: 108.00.
fn two_units() -> Order {
    let mut goods = line("A1", 2, "50.00");
    goods.taxes = vec![tax("0.08", "8.00")];
    order(vec![goods], Vec::new())
}

fn cancelled() -> Order {
    Order { cancelled_at: Some(at("2026-06-15T12:00:00Z")), ..two_units() }
}

/// One unit: 54.00.
fn one_unit_back(id: &str, money: &[&str]) -> Refund {
    let unit = refund_line("A1", 1, "50.00", "4.00", Restock::Returned);
    refund_of(id, false, vec![unit], Vec::new(), money)
}

fn back(id: &str, refund: &str, amount: &str) -> Document {
    paid_back(id, refund, "card", amount)
}

fn of_status(id: &str, refund: Option<&str>, amount: &str, status: PaymentStatus) -> Document {
    let back = payment(id, PaymentKind::Refund, "card", amount);
    Payment { refund: refund.map(str::to_owned), status, ..back }.into()
}

/// Kind, amount and text of each break of a sale of 108.00 that was paid.
fn breaks(order: Order, more: Vec<Document>) -> Vec<String> {
    let mut documents = vec![order.into(), paid("card", "108.00")];
    documents.extend(more);
    let told = |one: &Break| {
        let amount = one.amount.map(|amount| amount.amount_text()).unwrap_or_default();
        format!("{} {amount}: {}", one.kind, one.detail)
    };
    Given::default().sale(&documents).breaks.iter().map(told).collect()
}

#[test]
fn more_paid_back_than_agreed_is_named() {
    let more = vec![one_unit_back("R1", &["b1"]).into(), back("b1", "R1", "60.00")];
    assert_eq!(
        breaks(two_units(), more),
        ["refund_differs 6.00: refund R1: agreed 54.00 USD, paid 60.00 USD"]
    );
    // A refund that got less does not hide it.
    let more = vec![
        one_unit_back("R1", &["b1"]).into(),
        one_unit_back("R2", &["b2"]).into(),
        back("b1", "R1", "60.00"),
        back("b2", "R2", "48.00"),
    ];
    assert_eq!(
        breaks(two_units(), more),
        ["refund_differs 6.00: refund R1: agreed 54.00 USD, paid 60.00 USD"]
    );
}

#[test]
fn what_goes_beyond_the_capture_is_named_once() {
    let more = vec![one_unit_back("R1", &["b1"]).into(), back("b1", "R1", "120.00")];
    assert_eq!(
        breaks(two_units(), more),
        [
            "over_refund 12.00: captured 108.00 USD, refunded 120.00 USD",
            "refund_differs 54.00: refund R1: agreed 54.00 USD, paid 120.00 USD",
        ]
    );
}

#[test]
fn money_of_a_refund_that_is_late_pending_in_parts_or_sent_again_is_no_difference() {
    let failure = RefundFailure {
        id: "b1".to_owned(),
        order: "O1".to_owned(),
        version: Version(1),
        failed_on: date(2026, 7, 9),
        amount: money("54.00"),
        key: "refund_paid/stripe/ch_b1".to_owned(),
    };
    let told: Vec<Vec<Document>> = vec![
        vec![],
        vec![back("b1", "R1", "30.00")],
        vec![back("b1", "R1", "30.00"), back("b2", "R1", "24.00")],
        vec![of_status("b1", Some("R1"), "54.00", PaymentStatus::Pending)],
        vec![back("b1", "R1", "54.00"), back("b2", "R1", "54.00")],
        vec![back("b1", "R1", "54.00"), back("b2", "R1", "54.00"), failure.into()],
        // Of refunds that have not come in.
        vec![back("b1", "R1", "54.00"), back("b2", "R2", "10.00")],
        vec![back("b1", "R1", "54.00"), of_status("b2", None, "10.00", PaymentStatus::Succeeded)],
    ];
    for documents in told {
        let mut more = vec![one_unit_back("R1", &["b1"]).into()];
        more.extend(documents.clone());
        assert_eq!(breaks(two_units(), more), [""; 0], "{documents:?}");
    }
}

#[test]
fn money_that_stays_after_the_order_is_gone_is_named() {
    let named = ["not_given_back 108.00: captured 108.00 USD, refunded or agreed to be 0.00 USD"];
    assert_eq!(breaks(cancelled(), Vec::new()), named);
    let gone = Deletion { id: "order/O1".to_owned(), version: None, order: None };
    assert_eq!(breaks(two_units(), vec![gone.into()]), named);
    // One unit is given back, the other is not.
    let more = vec![one_unit_back("R1", &["b1"]).into(), back("b1", "R1", "54.00")];
    assert_eq!(
        breaks(cancelled(), more),
        ["not_given_back 54.00: captured 108.00 USD, refunded or agreed to be 54.00 USD"]
    );
    assert_eq!(breaks(two_units(), Vec::new()), [""; 0]);
}

#[test]
fn what_is_agreed_pending_or_kept_as_a_fee_asks_for_nothing() {
    let all = || refund_line("A1", 2, "100.00", "8.00", Restock::Cancelled);
    let whole = refund_of("R1", false, vec![all()], Vec::new(), &["b1"]);
    let fee = vec![adjustment(None, "-5.00", "0")];
    let less_fee = refund_of("R1", false, vec![all()], fee, &["b1"]);
    let told: Vec<Vec<Document>> = vec![
        vec![whole.clone().into()],
        vec![whole.into(), back("b1", "R1", "108.00")],
        vec![less_fee.into(), back("b1", "R1", "103.00")],
        vec![of_status("b1", Some("R1"), "108.00", PaymentStatus::Pending)],
        vec![of_status("b1", None, "108.00", PaymentStatus::Succeeded)],
        vec![back("b1", "R1", "108.00")],
    ];
    for documents in told {
        assert_eq!(breaks(cancelled(), documents.clone()), [""; 0], "{documents:?}");
    }
}
