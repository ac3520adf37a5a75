//! P8: the money of each capture of a sale, over the rows whose source chain ends at it.

use trueup_domain::document::{
    BooksRecord, Dispute, DisputeStatus, Document, LedgerRow, Payment, PaymentKind, RowClass,
    Version,
};
use trueup_hub::{Hub, bridges, trace};
use trueup_store::cases;

use crate::reconcile::{bank_line, payout, row, tell};
use crate::world::{
    ROOT, at, line, mapped, money, open_cases, order, payment, read, refund, states,
};

/// A row of a capture of 10.00 with a fee of 0.30, in a payout or in none.
fn taken(id: &str, payout: Option<&str>) -> LedgerRow {
    LedgerRow {
        gross: money("10.00"),
        fee: money("0.30"),
        capture: Some(format!("ch_{id}")),
        payout: payout.map(str::to_owned),
        ..row(id, "9.70", "")
    }
}

fn other(id: &str, class: RowClass, gross: &str, capture: Option<&str>) -> LedgerRow {
    let object = Some(format!("ch_{id}"));
    let capture = capture.map(str::to_owned);
    LedgerRow { class, object, capture, payout: None, ..row(id, gross, "") }
}

fn sold() -> Vec<Document> {
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ]
}

/// One line for each capture.
fn lines(hub: &Hub) -> Vec<String> {
    let trace = read(hub, |tx| trace::trace(tx, ROOT)).expect("the sale");
    trace.captures.iter().map(|it| format!("{} {}: {}", it.capture, it.holds, it.line)).collect()
}

#[test]
fn p8_a_capture_is_followed_from_the_provider_to_the_bank_and_back() {
    let hub = mapped();
    states(&hub, &sold(), 1);
    assert_eq!(lines(&hub), [""; 0], "its key says that the ledger lacks it");
    tell(&hub, "stripe", &[taken("p1", None).into()], 2);
    let is = |expected: &str| {
        let expected = format!("stripe/ch_p1 true: captured 10.00 EUR = {expected}");
        assert_eq!(lines(&hub), [expected]);
        assert!(!open_cases(&hub).contains(&"not_conserved".to_owned()));
    };
    is("not settled 9.70 + fees 0.30");
    tell(&hub, "stripe", &[taken("p1", Some("po1")).into(), payout("po1", "9.70")], 3);
    is("in transit 9.70 + fees 0.30");
    tell(&hub, "bank", &[bank_line("l1", "9.70", "TRACEpo1")], 4);
    is("banked 9.70 + fees 0.30");
    // The refund's row names no capture; there is only one that it can give back.
    let back = Payment {
        refund: Some("r1".to_owned()),
        processed_at: at(3600),
        ..payment("b1", 1, PaymentKind::Refund, "4.00")
    };
    states(&hub, &[refund("r1", "A1", "4.00", "b1").into(), back.into()], 5);
    tell(&hub, "stripe", &[other("b1", RowClass::Refund, "-4.00", None).into()], 6);
    is("not settled -4.00 + banked 9.70 + fees 0.30 + refunded 4.00");
    // A dispute names itself, and the capture at the end of its chain.
    tell(&hub, "stripe", &[other("d1", RowClass::Dispute, "-6.00", Some("ch_p1")).into()], 7);
    is("not settled -10.00 + banked 9.70 + fees 0.30 + refunded 4.00 + disputed 6.00");
    let lost = Dispute {
        id: "ch_d1".to_owned(),
        version: Version(1),
        status: DisputeStatus::Lost,
        inquiry: false,
        amount: money("6.00"),
        capture: Some("ch_p1".to_owned()),
        order: None,
        reason: "fraudulent".to_owned(),
        evidence_due: None,
        closed_on: None,
        ledger_rows: Vec::new(),
        created_at: at(4000),
    };
    tell(&hub, "stripe", &[lost.into()], 8);
    is("not settled -10.00 + banked 9.70 + fees 0.30 + refunded 4.00 + lost 6.00");
}

#[test]
fn p8_a_row_that_says_of_a_capture_no_part_is_one_case() {
    let hub = mapped();
    states(&hub, &sold(), 1);
    tell(&hub, "stripe", &[taken("p1", None).into()], 2);
    let stray = other("x1", RowClass::Transfer, "-0.05", Some("ch_p1"));
    tell(&hub, "stripe", &[stray.clone().into()], 3);
    let expected = "stripe/ch_p1 false: captured 10.00 EUR = not settled 9.65 + fees 0.30 + \
                    unexplained 0.05";
    assert_eq!(lines(&hub), [expected]);
    assert_eq!(open_cases(&hub), ["not_conserved"]);
    let trace = read(&hub, |tx| trace::trace(tx, ROOT)).expect("the sale");
    assert!(trace.cases.iter().any(|case| case.kind == "not_conserved" && case.open));
    // Another row gives it back.
    let back = other("x2", RowClass::Transfer, "0.05", Some("ch_p1"));
    tell(&hub, "stripe", &[back.into()], 4);
    assert_eq!(open_cases(&hub), [""; 0]);
    // A row of unknown type is the case of that row.
    let unknown = other("x3", RowClass::Unknown, "-0.07", Some("ch_p1"));
    tell(&hub, "stripe", &[unknown.into()], 5);
    assert_eq!(open_cases(&hub), ["unknown_row"]);
    assert!(lines(&hub)[0].ends_with("unexplained 0.07"));
}

#[test]
fn p8_an_amount_that_the_sides_state_otherwise_is_no_second_case() {
    let hub = mapped();
    states(&hub, &sold(), 1);
    let short = LedgerRow { gross: money("9.99"), net: money("9.69"), ..taken("p1", None) };
    tell(&hub, "stripe", &[short.into()], 2);
    assert_eq!(open_cases(&hub), [""; 0], "the key says so, once the books are due");
    assert!(lines(&hub)[0].ends_with("unexplained 0.01"));
    let other = other("x1", RowClass::Transfer, "-0.05", Some("ch_p1"));
    tell(&hub, "stripe", &[other.into()], 3);
    let open = read(&hub, cases::open_cases);
    let case = open.iter().find(|case| case.kind == "not_conserved").expect("a case");
    assert_eq!(case.amount, 5, "without what the key says");
}

/// Two captures of one sale: a refund's row that names neither gives back the one that its channel
/// says.
#[test]
fn p8_a_refund_belongs_to_the_capture_that_its_channel_names() {
    let hub = mapped();
    let back = Payment {
        parent: Some("p2".to_owned()),
        refund: Some("r1".to_owned()),
        processed_at: at(3600),
        ..payment("b1", 1, PaymentKind::Refund, "10.00")
    };
    let documents = vec![
        order(1, vec![line("A1", "20.00")]).into(),
        payment("p1", 1, PaymentKind::Capture, "10.00").into(),
        payment("p2", 1, PaymentKind::Capture, "10.00").into(),
        refund("r1", "A1", "10.00", "b1").into(),
        back.into(),
    ];
    states(&hub, &documents, 1);
    let rows = [
        taken("p1", None).into(),
        taken("p2", None).into(),
        other("b1", RowClass::Refund, "-10.00", None).into(),
    ];
    tell(&hub, "stripe", &rows, 2);
    let expected = [
        "stripe/ch_p1 true: captured 10.00 EUR = not settled 9.70 + fees 0.30",
        "stripe/ch_p2 true: captured 10.00 EUR = not settled -0.30 + fees 0.30 + refunded 10.00",
    ];
    let mut seen = lines(&hub);
    seen.sort();
    assert_eq!(seen, expected);
}

/// Opening (nothing) and rows less payouts are what the provider says it holds.
#[test]
fn p8_the_account_of_a_provider_is_conserved() {
    let hub = mapped();
    let account = |holds: &str, seconds: i64| {
        let id = "balance/stripe".to_owned();
        let stated = BooksRecord::stated(BooksRecord::BALANCE, id, money(holds), Version(seconds));
        tell(&hub, "stripe", &[stated.into()], seconds);
        let all = read(&hub, |tx| bridges::build(tx, &hub));
        all.into_iter().find(|bridge| bridge.name == "account of stripe").expect("a balance")
    };
    let reserve = other("h1", RowClass::Reserve, "-2.00", None);
    let leaves =
        LedgerRow { class: RowClass::Payout, ..other("po", RowClass::Payout, "-9.70", None) };
    let rows =
        [taken("p1", Some("po1")).into(), payout("po1", "9.70"), reserve.into(), leaves.into()];
    tell(&hub, "stripe", &rows, 2);
    let whole = account("-2.00", 3);
    assert_eq!(whole.from_total, money("7.70"));
    assert!(whole.unexplained.is_zero(), "{whole:#?}");
    // A cent that no row shows.
    assert_eq!(account("-1.99", 4).unexplained, money("-0.01"));
}
