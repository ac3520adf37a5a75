//! The sandbox through the connector's own conversations: what it says is decoded as from Stripe.

use std::collections::BTreeMap;

use crate::drive::{Seen, Talk, at, day, decode, eur, money_of, rows_of};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{CallError, Hint, Request};
use trueup_domain::document::{CaptureStatus, Document, Kind, PayoutStatus, RowClass};
use trueup_stripe::StripeSandbox;
use trueup_stripe::sandbox::Fault;

/// A week of a shop, and the ids that the tests ask about.
struct Week {
    stripe: StripeSandbox,
    charges: Vec<String>,
    first: String,
    second: String,
}

fn week() -> Week {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    let charges: Vec<String> = (0..230_i64)
        .map(|n| stripe.charge(1_000 + n, &format!("Order {}", 1_000 + n), at(n * 60)))
        .collect();
    stripe.charge_with_fee(5_000, 999, "Order 2001", at(20_000));
    stripe.charge_partly_captured(10_000, 6_000, "Order 2002", at(20_060));
    stripe.decline(700, "Order 2003", at(20_120));
    let refund = stripe.refund(&charges[3], 500, at(30_000)).expect("enough is left");
    let dispute = stripe.dispute(&charges[4], 1_004, 1_500, at(31_000)).expect("a charge");
    let lost = stripe.dispute(&charges[5], 1_005, 1_500, at(31_060)).expect("a charge");
    stripe.inquiry(&charges[6], 1_006, at(31_120)).expect("a charge");
    stripe.reserve(3_000, at(32_000));
    stripe.monthly_fee(350, at(32_060));
    stripe.unknown_row("flux_settlement", -17, at(32_120));
    let first = stripe.pay_out(at(3 * 86_400), day(5)).expect("money to pay out");
    assert!(stripe.mark_paid(&first, at(5 * 86_400)));
    stripe.fail_refund(&refund, at(5 * 86_400 + 60)).expect("it had succeeded");
    assert!(stripe.dispute_won(&dispute, false, at(5 * 86_400 + 120)));
    assert!(stripe.dispute_lost(&lost, at(5 * 86_400 + 180)));
    stripe.release_reserve(3_000, at(5 * 86_400 + 240));
    stripe.payout_failed(&first, at(5 * 86_400 + 300)).expect("it was paid");
    let second = stripe.pay_out(at(6 * 86_400), day(8)).expect("money to pay out");
    stripe.charge(4_200, "Order 3001", at(6 * 86_400 + 60));
    Week { stripe, charges, first, second }
}

#[test]
fn what_was_paid_out_and_what_is_left_is_all_there_ever_was() {
    let Week { mut stripe, first, second, .. } = week();
    let rows = rows_of(&Talk::new(&mut stripe).poll_all("balance_transactions"));
    let earned: i64 = rows
        .values()
        .filter(|row| !matches!(row.class, RowClass::Payout | RowClass::PayoutReturn))
        .map(|row| row.net.minor())
        .sum();
    // The first payout came back, so only the second one left for good.
    let paid_out = stripe.payout_amount(&second).expect("a payout");
    assert_eq!(earned, paid_out + stripe.balance());
    for payout in [&first, &second] {
        let nets: i64 = stripe.payout_rows(payout).iter().map(|(_, net)| net).sum();
        assert_eq!(nets, 0, "the rows of a payout and its own add up to nothing");
    }
}

#[test]
fn the_stated_balance_is_what_is_left_of_the_rows() {
    let Week { mut stripe, second, .. } = week();
    let mut talk = Talk::new(&mut stripe);
    let rows = rows_of(&talk.poll_all("balance_transactions"));
    let left: i64 = rows
        .values()
        .filter(|row| !matches!(row.class, RowClass::Payout | RowClass::PayoutReturn))
        .map(|row| row.net.minor())
        .sum();
    let record = talk.stated_balance();
    assert_eq!(talk.requests, 4, "three pages of rows, and one request for the balance");
    assert_eq!(record.id, "balance/EUR");
    assert_eq!((record.kind.as_str(), record.state.as_str()), ("balance", "stated"));
    assert_eq!(record.version.0, at(30 * 86_400).as_microsecond());
    assert_eq!(record.total.minor(), left - stripe.payout_amount(&second).expect("a payout"));
    assert_eq!(record.total.minor(), stripe.balance());
    // What Stripe holds back lowers its statement as it lowers the sum of the rows.
    stripe.reserve(700, at(7 * 86_400));
    let after = Talk::new(&mut stripe).stated_balance();
    assert_eq!(after.total.minor(), record.total.minor() - 700);
}

/// What has not settled is pending, whenever one asks, and both together never change by waiting.
#[test]
fn the_balance_is_available_as_its_rows_are() {
    #[derive(serde::Deserialize)]
    struct Balance {
        available: Vec<Part>,
        pending: Vec<Part>,
    }
    #[derive(serde::Deserialize)]
    struct Part {
        amount: i64,
        currency: String,
    }
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    let charge = stripe.charge(10_000, "Order 1", at(0));
    stripe.refund(&charge, 2_500, at(60)).expect("enough is left");
    stripe.reserve(1_000, at(120));
    let mut ask = |days: i64| -> (i64, i64) {
        let reply = stripe.handle(&Request::get("/v1/balance"), at(days * 86_400 + 180));
        let balance: Balance = serde_json::from_slice(&reply.body).expect("a balance");
        let [available] = balance.available.as_slice() else { panic!("one currency") };
        let [pending] = balance.pending.as_slice() else { panic!("one currency") };
        assert_eq!((available.currency.as_str(), pending.currency.as_str()), ("eur", "eur"));
        (available.amount, pending.amount)
    };
    assert_eq!(ask(0), (-3_500, 9_680));
    assert_eq!(ask(1), (-3_500, 9_680));
    assert_eq!(ask(2), (6_180, 0));
}

#[test]
fn a_balance_that_was_cut_off_is_asked_for_again() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    stripe.fault_next(Fault::CutOff);
    let error = Talk::new(&mut stripe).poll("balance", None).expect_err("it is not whole");
    assert_eq!(error.code(), "TU103");
    let outcome = Talk::new(&mut stripe).poll("balance", None).expect("it is whole");
    let whole = stripe.handle(&Request::get("/v1/balance"), at(30 * 86_400)).body;
    assert_eq!(outcome.cursor, None);
    let [record] = outcome.records.as_slice() else { panic!("one record") };
    assert_eq!((record.external_id.as_str(), &record.body), ("balance", &whole));
    let kind = format!("balance?at={}", at(30 * 86_400).as_microsecond());
    assert_eq!(record.kind, kind);
}

#[test]
fn rows_of_a_payout_name_it_and_add_up_to_it() {
    let Week { mut stripe, first, second, .. } = week();
    let documents = Talk::new(&mut stripe).poll_all("payouts");
    let rows = rows_of(&documents);
    for payout in [&first, &second] {
        let sum: i64 = rows
            .values()
            .filter(|row| row.payout.as_ref() == Some(payout) && row.class != RowClass::Payout)
            .map(|row| row.net.minor())
            .sum();
        assert_eq!(Some(sum), stripe.payout_amount(payout));
    }
    let statuses: Vec<PayoutStatus> = documents
        .iter()
        .filter_map(|document| match document {
            Document::Payout(payout) => Some(payout.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [PayoutStatus::InTransit, PayoutStatus::Failed]);
}

#[test]
fn rows_lead_to_the_charge_they_are_about() {
    let Week { mut stripe, charges, .. } = week();
    let rows = rows_of(&Talk::new(&mut stripe).poll_all("balance_transactions"));
    let of = |class: RowClass| -> Vec<Option<&str>> {
        rows.values().filter(|row| row.class == class).map(|row| row.capture.as_deref()).collect()
    };
    assert_eq!(of(RowClass::Refund), [Some(charges[3].as_str())]);
    assert_eq!(of(RowClass::RefundFailure), [Some(charges[3].as_str())]);
    assert_eq!(of(RowClass::Dispute), [Some(charges[4].as_str()), Some(charges[5].as_str())]);
    assert_eq!(of(RowClass::DisputeReversal), [Some(charges[4].as_str())]);
    assert_eq!(of(RowClass::Unknown), [None]);
    assert_eq!(of(RowClass::Reserve), [None]);
    assert_eq!(of(RowClass::PartialCaptureReversal).len(), 1);
}

#[test]
fn a_refund_that_failed_is_no_longer_counted() {
    let Week { mut stripe, charges, .. } = week();
    let hint = Hint::new(Kind::Charge, charges[3].clone());
    let documents = Talk::new(&mut stripe).read(&[hint]).expect("it is there");
    let Some(Document::Charge(charge)) = documents.first() else { panic!("a charge") };
    assert_eq!(charge.status, CaptureStatus::Captured);
    assert_eq!(money_of(charge.refunded), "0.00 EUR");
    assert_eq!(charge.description.as_deref(), Some("Order 1003"));
}

#[test]
fn what_was_never_captured_is_no_refund() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    let charge = stripe.charge_partly_captured(10_000, 6_000, "Order 1", at(0));
    stripe.refund(&charge, 1_000, at(60)).expect("enough is left");
    let documents =
        Talk::new(&mut stripe).read(&[Hint::new(Kind::Charge, charge)]).expect("it is there");
    let Some(Document::Charge(charge)) = documents.first() else { panic!("a charge") };
    let amounts = [charge.amount, charge.captured, charge.refunded].map(money_of);
    assert_eq!(amounts, ["100.00 EUR", "60.00 EUR", "10.00 EUR"]);
}

#[test]
fn a_read_of_a_payout_brings_its_rows() {
    let Week { mut stripe, first, .. } = week();
    let expected = stripe.payout_rows(&first).len();
    let documents = Talk::new(&mut stripe)
        .read(&[Hint::new(Kind::Payout, first.clone())])
        .expect("it is there");
    assert_eq!(documents.len(), expected + 1);
    assert!(rows_of(&documents).values().all(|row| row.payout.as_ref() == Some(&first)));
}

#[test]
fn hints_are_read_by_what_their_id_says() {
    let Week { mut stripe, charges, .. } = week();
    let hints = [
        Hint { kind: "charge".to_owned(), external_id: "pi_demo00000001".to_owned() },
        Hint { kind: "payment_intent".to_owned(), external_id: charges[1].clone() },
        Hint { kind: "ledger_row".to_owned(), external_id: "txn_demo00000001".to_owned() },
        Hint { kind: "dispute".to_owned(), external_id: "dp_demo00000001".to_owned() },
    ];
    let documents = Talk::new(&mut stripe).read(&hints).expect("all are there");
    let ids: Vec<&str> = documents.iter().map(Document::external_id).collect();
    assert_eq!(ids, [&charges[0], &charges[1], "txn_demo00000001", "dp_demo00000001"]);
}

#[test]
fn one_object_that_is_gone_does_not_hide_the_others() {
    let Week { mut stripe, charges, .. } = week();
    let gone = Hint::new(Kind::Charge, "ch_gone");
    let there = Hint::new(Kind::Charge, charges[0].clone());
    let documents = Talk::new(&mut stripe).read(&[gone.clone(), there]).expect("one is there");
    assert_eq!(documents.len(), 1);
    let refused = |hint: Hint, stripe: &mut StripeSandbox| match Talk::new(stripe).read(&[hint]) {
        Err(CallError::Refused { reason_code, .. }) => reason_code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(gone, &mut stripe), "resource_missing");
    let hostile = Hint::new(Kind::Charge, "ch_1/../../v1/payouts?x=");
    assert_eq!(refused(hostile, &mut stripe), "unknown_hint");
}

/// An event states its object as a read of that moment would.
#[test]
fn events_decode_as_reads_do() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    let charge = stripe.charge(2_500, "Order 1", at(0));
    let pushes = stripe.take_deliveries();
    let kinds: Vec<&str> = pushes.iter().map(|push| push.kind.as_str()).collect();
    assert_eq!(kinds, ["charge.succeeded", "payment_intent.succeeded"]);
    let read =
        Talk::new(&mut stripe).read(&[Hint::new(Kind::Charge, charge.clone())]).expect("there");
    assert_eq!(decode(&pushes[0].kind, &pushes[0].body), Seen::Documents(read));
    let hint = Hint::new(Kind::Charge, charge);
    assert_eq!(decode(&pushes[1].kind, &pushes[1].body), Seen::Hints(vec![hint]));
    assert_eq!(stripe.take_deliveries(), []);
}

#[test]
fn a6_lost_deliveries_are_found_by_the_events_stream() {
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    stripe.charge(2_500, "Order 1", at(0));
    stripe.take_deliveries();
    let charge = stripe.charge(2_600, "Order 2", at(60));
    assert_eq!(stripe.lose_deliveries(), 2);
    let documents = Talk::new(&mut stripe).poll_all("events");
    let ids: Vec<&str> = documents.iter().map(Document::external_id).collect();
    assert_eq!(ids, [charge]);
}

/// A newer statement has a higher version, however the statements arrive.
#[test]
fn versions_follow_the_life_of_an_object() {
    let Week { mut stripe, .. } = week();
    let mut newest: BTreeMap<(Kind, String), i64> = BTreeMap::new();
    for push in stripe.take_deliveries() {
        let Seen::Documents(documents) = decode(&push.kind, &push.body) else {
            continue;
        };
        for document in documents {
            let version = document.version().expect("these have one").0;
            let key = (document.kind(), document.external_id().to_owned());
            let before = newest.insert(key, version);
            assert!(before.is_none_or(|before| before <= version), "{}", push.kind);
        }
    }
    assert!(newest.len() > 200);
}

#[test]
fn faults_are_answered_with_their_next_step() {
    let expected = [
        (Fault::RateLimited, "TU101"),
        (Fault::Locked, "TU106"),
        (Fault::ServerError, "TU106"),
        (Fault::Unavailable, "TU106"),
        (Fault::Unauthorized, "TU105"),
        (Fault::Forbidden, "TU107"),
        (Fault::CutOff, "TU103"),
    ];
    let Week { mut stripe, .. } = week();
    for (fault, code) in expected {
        stripe.fault_next(fault);
        let error = Talk::new(&mut stripe).poll("charges", None).expect_err("it failed");
        assert_eq!(error.code(), code, "{fault:?}");
    }
    assert!(Talk::new(&mut stripe).poll("charges", None).is_ok());
}

#[test]
fn e15_a_payout_below_zero_debits_the_bank() {
    let mut stripe = StripeSandbox::new("acct_demo", eur()).settling_after(0);
    let charge = stripe.charge(1_000, "Order 1", at(0));
    let first = stripe.pay_out(at(86_400), day(2)).expect("money to pay out");
    assert_eq!(stripe.payout_amount(&first), Some(1_000 - 59));
    stripe.refund(&charge, 1_000, at(86_460)).expect("enough is left");
    let second = stripe.pay_out(at(2 * 86_400), day(3)).expect("money to collect");
    assert_eq!(stripe.payout_amount(&second), Some(-1_000));
    assert_eq!(stripe.pay_out(at(3 * 86_400), day(4)), None);
    assert_eq!(stripe.balance(), 0);
}

#[test]
fn the_same_calls_make_the_same_bytes() {
    let (mut one, mut other) = (week().stripe, week().stripe);
    assert_eq!(one.take_deliveries(), other.take_deliveries());
}

/// D9: an account in euros that sells in dollars, whose money Stripe converts as it comes and goes.
#[test]
fn d9_a_row_says_what_the_customer_paid_in_his_currency() {
    let dollars = trueup_domain::money::Currency::parse("USD").expect("a currency");
    let mut stripe = StripeSandbox::new("acct_demo", eur());
    assert_eq!(stripe.charge_in(dollars, 10_000, "Order 1", at(0)), None, "nobody said the rate");
    stripe.put_rate(dollars, 925_930);
    let charge = stripe.charge_in(dollars, 10_000, "Order 1", at(0)).expect("it has a rate");
    stripe.put_rate(dollars, 900_000);
    stripe.refund(&charge, 2_500, at(3_600)).expect("enough is left");
    stripe.dispute(&charge, 7_500, 1_500, at(7_200)).expect("a charge");
    stripe.charge(1_000, "Order 2", at(10_800));
    stripe.pay_out(at(3 * 86_400), day(5)).expect("money to pay out");
    let rows = rows_of(&Talk::new(&mut stripe).poll_all("balance_transactions"));
    let mut told: Vec<String> = rows
        .values()
        .map(|row| {
            let presentment = row.presentment.map(|it| it.to_string()).unwrap_or_default();
            format!("{:?} {} less {}: {presentment}", row.class, row.gross, row.fee)
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "Capture 10.00 EUR less 0.59 EUR: ",
            "Capture 92.59 EUR less 2.99 EUR: 100.00 USD",
            "Dispute -67.50 EUR less 15.00 EUR: -75.00 USD",
            "Payout 5.99 EUR less 0.00 EUR: ",
            "Refund -22.50 EUR less 0.00 EUR: -25.00 USD",
        ]
    );
}
