//! What reconciliation does to what comes in.

use trueup_domain::document::{
    BankLine, BankReferences, BankStatement, Document, LedgerRow, Payment, PaymentKind,
    PaymentStatus, Payout, PayoutStatus, RowClass, Tender, Version,
};
use trueup_domain::mapping::Gateway;
use trueup_domain::money::{Currency, Money};
use trueup_hub::{Hub, timers};
use trueup_store::{cases, facts, scopes};

use crate::world::{
    approve, at, hears, hub, line, mapped, mapping, money, open_cases, order, payment, read,
    settle, states, stating,
};

const DAY: i64 = 86_400;

pub fn row(id: &str, net: &str, payout: &str) -> LedgerRow {
    LedgerRow {
        id: id.to_owned(),
        class: RowClass::Capture,
        kind: "charge".to_owned(),
        gross: money(net),
        fee: money("0"),
        net: money(net),
        fees: Vec::new(),
        presentment: None,
        object: Some(format!("ch_{id}")),
        capture: None,
        order: None,
        payout: Some(payout.to_owned()),
        occurred_at: at(0),
        available_on: None,
        description: None,
    }
}

pub fn payout(id: &str, amount: &str) -> Document {
    Document::from(Payout {
        id: id.to_owned(),
        version: Version(1),
        status: PayoutStatus::Paid,
        amount: money(amount),
        created_at: at(0),
        arrival: jiff::civil::date(2026, 6, 2),
        itemised: true,
        trace: Some(format!("TRACE{id}")),
        descriptor: None,
        failure: None,
    })
}

pub fn bank_line(id: &str, amount: &str, text: &str) -> Document {
    Document::from(BankLine {
        id: id.to_owned(),
        account: "acc".to_owned(),
        statement: "s1".to_owned(),
        amount: money(amount),
        booked_on: jiff::civil::date(2026, 6, 2),
        value_on: None,
        references: BankReferences::default(),
        counterparty: None,
        text: text.to_owned(),
        batch: None,
        reversal: false,
        code: None,
    })
}

pub fn tell(hub: &Hub, connection: &str, documents: &[Document], seconds: i64) {
    hears(hub, connection, &format!("m{seconds}"), stating(documents), seconds);
    settle(hub, seconds);
}

pub fn status(hub: &Hub, key: &str) -> String {
    let scope = read(hub, |tx| scopes::find(tx, key));
    scope.map_or_else(
        || "none".to_owned(),
        |scope| match scope.verdict.break_kind {
            Some(kind) => kind,
            None => scope.verdict.status,
        },
    )
}

/// What the sub-ledger holds under a role, in cents.
fn balance(hub: &Hub, role: &str) -> i64 {
    let balances = read(hub, facts::balances);
    balances.iter().filter(|it| it.role == role).map(|it| it.amount).sum()
}

#[test]
fn a_payout_is_proven_by_its_rows_and_its_bank_line() {
    let hub = mapped();
    let rows = [row("p1", "6.00", "po1").into(), row("p2", "4.00", "po1").into()];
    tell(&hub, "stripe", &rows, 1);
    tell(&hub, "stripe", &[payout("po1", "10.00")], 2);
    assert_eq!(status(&hub, "payout/stripe/po1"), "proven");
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_due");
    tell(&hub, "bank", &[bank_line("l1", "10.00", "payment TRACEpo1")], 3);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven");
    let claimed = read(&hub, |tx| facts::items_of_key(tx, "line/acc/l1"));
    assert!(claimed[0].claimed_by.is_some());
}

/// What a clock that ran ahead judged overdue is not due again when the clock is right.
#[test]
fn c7_what_a_clock_that_ran_ahead_called_overdue_is_judged_again() {
    let hub = mapped();
    tell(&hub, "stripe", &[row("p1", "10.00", "po1").into(), payout("po1", "10.00")], 1);
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_due");
    timers::step(&hub, at(10 * DAY)).expect("a step");
    settle(&hub, 10 * DAY);
    assert_eq!(status(&hub, "bank/stripe/po1"), "missing_at_bank");
    timers::step(&hub, at(60)).expect("a step");
    settle(&hub, 60);
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_due");
    assert!(!open_cases(&hub).contains(&"missing_at_bank".to_owned()));
}

#[test]
fn e18_two_payouts_of_one_amount_and_one_line_each_get_their_own() {
    let hub = mapped();
    let payouts = [payout("po1", "49.21"), payout("po2", "49.21")];
    let rows = [row("p1", "49.21", "po1").into(), row("p2", "49.21", "po2").into()];
    tell(&hub, "stripe", &rows, 1);
    tell(&hub, "stripe", &payouts, 2);
    tell(&hub, "bank", &[bank_line("l2", "49.21", "TRACEpo2")], 3);
    assert_eq!(status(&hub, "bank/stripe/po2"), "proven");
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_due", "the amount alone claims nothing");
    tell(&hub, "bank", &[bank_line("l1", "49.21", "TRACEpo1")], 4);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven");
}

#[test]
fn e18_payouts_of_one_amount_whose_lines_name_neither_take_them_in_order() {
    let hub = mapped();
    let rows = [row("p1", "49.21", "po1").into(), row("p2", "49.21", "po2").into()];
    tell(&hub, "stripe", &rows, 1);
    tell(&hub, "stripe", &[payout("po1", "49.21"), payout("po2", "49.21")], 2);
    let both = |hub: &Hub| (status(hub, "bank/stripe/po1"), status(hub, "bank/stripe/po2"));
    let are = |word: &str| (word.to_owned(), word.to_owned());
    tell(&hub, "bank", &[bank_line("l1", "49.21", "STRIPE PAYMENTS")], 3);
    assert_eq!(both(&hub), are("not_due"), "it could be either's");
    tell(&hub, "bank", &[bank_line("l2", "49.21", "STRIPE PAYMENTS")], 4);
    assert_eq!(both(&hub), are("proven"));
    let hub = mapped();
    tell(&hub, "stripe", &rows, 1);
    tell(&hub, "stripe", &[payout("po1", "49.21"), payout("po2", "49.21")], 2);
    tell(&hub, "bank", &[bank_line("l1", "49.21", "STRIPE PAYMENTS")], 3);
    tell(&hub, "bank", &[bank_line("l2", "49.21", "STRIPE TRACEpo1")], 4);
    assert_eq!(both(&hub), are("proven"), "the reference decides about one, and so about both");
    // Of two lines one is another payout's; once that is known, each has its own.
    let hub = mapped();
    tell(&hub, "stripe", &rows, 1);
    tell(&hub, "stripe", &[payout("po1", "49.21")], 2);
    let lines = ["l1", "l2"].map(|id| bank_line(id, "49.21", "STRIPE PAYMENTS"));
    tell(&hub, "bank", &lines, 3);
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_due");
    tell(&hub, "stripe", &[payout("po2", "49.21")], 4);
    assert_eq!(both(&hub), are("proven"));
}

#[test]
fn a_short_payout_is_broken_and_mends_when_the_rest_comes() {
    let hub = mapped();
    tell(&hub, "stripe", &[row("p1", "10.00", "po1").into(), payout("po1", "10.00")], 1);
    tell(&hub, "bank", &[bank_line("l1", "9.75", "TRACEpo1")], 2);
    assert_eq!(status(&hub, "bank/stripe/po1"), "short_payout");
    let open = read(&hub, cases::open_cases);
    let short = open.iter().find(|case| case.kind == "short_payout").expect("a case");
    assert_eq!(short.amount, -25);
    // The bank sends what was missing under the same reference.
    tell(&hub, "bank", &[bank_line("l2", "0.25", "TRACEpo1 rest")], 3);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven", "{:?}", open_cases(&hub));
}

#[test]
fn what_was_not_due_is_overdue_on_its_day_and_closes_when_it_comes() {
    let hub = mapped();
    tell(&hub, "stripe", &[row("p1", "10.00", "po1").into(), payout("po1", "10.00")], 1);
    let later = |days: i64| {
        timers::step(&hub, at(days * DAY)).expect("timers");
        settle(&hub, days * DAY);
    };
    // Arrival on Tuesday the 2nd; due two business days later.
    later(3);
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_due");
    later(4);
    assert_eq!(status(&hub, "bank/stripe/po1"), "missing_at_bank");
    assert!(open_cases(&hub).contains(&"missing_at_bank".to_owned()));
    tell(&hub, "bank", &[bank_line("l1", "10.00", "TRACEpo1")], 4 * DAY + 1);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven");
    assert!(!open_cases(&hub).contains(&"missing_at_bank".to_owned()));
}

#[test]
fn a_row_that_no_channel_knows_is_named_after_its_days() {
    let hub = mapped();
    tell(&hub, "stripe", &[row("stranger", "10.00", "po1").into()], 1);
    assert_eq!(status(&hub, "capture/stripe/ch_stranger"), "not_due");
    timers::step(&hub, at(9 * DAY)).expect("timers");
    settle(&hub, 9 * DAY);
    assert_eq!(status(&hub, "capture/stripe/ch_stranger"), "missing_at_channel");
}

/// E3: amounts in different currencies do not compare; the stage goes on with everything else.
#[test]
fn e3_sides_in_two_currencies_are_a_break_and_stop_nothing() {
    let hub = mapped();
    let usd =
        |text: &str| Money::parse(text, Currency::parse("USD").expect("known")).expect("known");
    let foreign = LedgerRow {
        gross: usd("11.00"),
        fee: usd("0"),
        net: usd("11.00"),
        ..row("p1", "10.00", "po1")
    };
    hears(&hub, "stripe", "m", stating(&[foreign.into()]), 1);
    let sale = [
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ];
    states(&hub, &sale, 2);
    assert_eq!(status(&hub, "capture/stripe/ch_p1"), "amount_differs");
    assert_eq!(status(&hub, "order/shop/o1"), "not_due");
    let open = read(&hub, cases::open_cases);
    let case = open.iter().find(|case| case.kind == "amount_differs").expect("a case");
    assert!(case.detail.contains("USD") && case.detail.contains("EUR"), "{}", case.detail);
}

#[test]
fn what_nothing_states_any_more_is_judged_no_more() {
    let hub = mapped();
    states(&hub, &[order(1, vec![line("A1", "10.00")]).into()], 1);
    assert_eq!(status(&hub, "order/shop/o1"), "not_due");
    let mut cancelled = order(2, vec![line("A1", "10.00")]);
    cancelled.cancelled_at = Some(at(5));
    states(&hub, &[cancelled.into()], 6);
    assert_eq!(status(&hub, "order/shop/o1"), "not_applicable");
    timers::step(&hub, at(9 * DAY)).expect("timers");
    settle(&hub, 9 * DAY);
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// A line that one payout had claimed is another's once the first turns out to have failed; then
/// nothing of the first is left in the sub-ledger.
#[test]
fn e18_a_payout_that_failed_lets_go_of_its_bank_line() {
    let hub = mapped();
    let stated_as = |version: i64, status: PayoutStatus| {
        let Document::Payout(stated) = payout("po1", "10.00") else { unreachable!("a payout") };
        Document::from(Payout { status, version: Version(version), ..*stated })
    };
    let rows = [row("p1", "10.00", "po1").into(), row("p2", "10.00", "po2").into()];
    tell(&hub, "stripe", &rows, 1);
    tell(&hub, "stripe", &[stated_as(1, PayoutStatus::InTransit)], 2);
    tell(&hub, "bank", &[bank_line("l1", "10.00", "STRIPE PAYMENTS")], 3);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven", "nobody else could have it");
    tell(&hub, "stripe", &[stated_as(2, PayoutStatus::Failed)], 4);
    assert_eq!(status(&hub, "bank/stripe/po1"), "not_applicable");
    assert_eq!(balance(&hub, "in_transit"), 0);
    assert_eq!(balance(&hub, "bank_unallocated"), -1000);
    tell(&hub, "stripe", &[payout("po2", "10.00")], 5);
    assert_eq!(status(&hub, "bank/stripe/po2"), "proven");
    assert_eq!(balance(&hub, "in_transit"), 0);
    assert_eq!(balance(&hub, "bank_unallocated"), 0);
}

/// The same where the line was a buyer's transfer, and the shop says that there was none.
#[test]
fn e18_a_transfer_that_was_none_lets_go_of_its_bank_line() {
    let hub = hub();
    let mut mapping = mapping();
    let transfers = Gateway { provider: None, ..mapping.gateways["card"].clone() };
    mapping.gateways.insert("bank".to_owned(), transfers);
    approve(&hub, mapping, 0);
    let paid = |version: i64, status: PaymentStatus| {
        let paid = payment("p1", version, PaymentKind::Capture, "10.00");
        let (gateway, tender) = ("bank".to_owned(), Tender::BankTransfer);
        Document::from(Payment { gateway, tender, provider_id: None, status, ..paid })
    };
    let sold = order(1, vec![line("A1", "10.00")]);
    states(&hub, &[sold.into(), paid(1, PaymentStatus::Succeeded)], 1);
    let key = "capture_transfer/shop/p1";
    tell(&hub, "bank", &[bank_line("l1", "10.00", "order #1001")], 2);
    let claimed =
        |hub: &Hub| read(hub, |tx| facts::items_of_key(tx, "line/acc/l1"))[0].claimed_by.is_some();
    assert!(claimed(&hub), "{}", status(&hub, key));
    assert_eq!(balance(&hub, "bank_unallocated"), 0);
    states(&hub, &[paid(2, PaymentStatus::Failed)], 3);
    assert!(!claimed(&hub), "{}", status(&hub, key));
    assert_eq!(balance(&hub, "bank_unallocated"), -1000);
}

/// What was to be paid out is less than nothing: the provider takes it from the bank account.
#[test]
fn e15_a_payout_below_zero_is_a_debit_of_the_bank() {
    let hub = mapped();
    tell(&hub, "stripe", &[row("r1", "-40.00", "po1").into(), payout("po1", "-40.00")], 1);
    assert_eq!(status(&hub, "payout/stripe/po1"), "proven");
    tell(&hub, "bank", &[bank_line("l1", "40.00", "TRACEpo1")], 2);
    assert_eq!(status(&hub, "bank/stripe/po1"), "short_payout", "money in is not money out");
    let hub = mapped();
    tell(&hub, "stripe", &[row("r1", "-40.00", "po1").into(), payout("po1", "-40.00")], 1);
    tell(&hub, "bank", &[bank_line("l1", "-40.00", "TRACEpo1")], 2);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven");
}

/// The money is at the bank before the provider has said what is in it.
#[test]
fn e22_a_payout_is_matched_once_its_report_comes() {
    let hub = mapped();
    tell(&hub, "bank", &[bank_line("l1", "10.00", "TRACEpo1")], 1);
    tell(&hub, "stripe", &[payout("po1", "10.00")], 2);
    assert_eq!(status(&hub, "bank/stripe/po1"), "proven", "it arrived");
    assert_eq!(status(&hub, "payout/stripe/po1"), "not_due", "what is in it is not known");
    tell(&hub, "stripe", &[row("p1", "6.00", "po1").into()], 3);
    assert_eq!(status(&hub, "payout/stripe/po1"), "not_due");
    tell(&hub, "stripe", &[row("p2", "4.00", "po1").into()], 4);
    assert_eq!(status(&hub, "payout/stripe/po1"), "proven");
    assert_eq!(open_cases(&hub), [""; 0]);
}

/// The same settlement comes again with corrections: rows that are the same are nothing, a row that
/// is new is booked, and one that says something else is a question, booked as it was.
#[test]
fn e11_a_settlement_that_is_issued_again_is_compared_row_by_row() {
    let hub = mapped();
    let first =
        [row("r1", "10.00", "po1").into(), row("r2", "5.00", "po1").into(), payout("po1", "15.00")];
    tell(&hub, "stripe", &first, 1);
    assert_eq!(status(&hub, "payout/stripe/po1"), "proven");
    let Document::Payout(mut header) = payout("po1", "17.00") else { panic!("a payout") };
    header.version = Version(2);
    let corrected = [
        row("r1", "10.00", "po1").into(),
        row("r2", "6.00", "po1").into(),
        row("r3", "1.00", "po1").into(),
        Document::Payout(header),
    ];
    tell(&hub, "stripe", &corrected, 2);
    timers::step(&hub, at(9 * DAY)).expect("timers");
    settle(&hub, 9 * DAY);
    let open = read(&hub, cases::open_cases);
    let reused: Vec<&str> = open
        .iter()
        .filter(|case| case.kind == "identity_reused")
        .map(|case| case.subject.as_str())
        .collect();
    assert_eq!(reused, ["document/stripe/ledger_row/r2"], "the row that differs, and no other");
    let differs = open.iter().find(|case| case.kind == "rows_differ").expect("a case");
    assert_eq!(differs.amount, -100, "the rows as they are booked make 16.00");
}

fn statement(day: i8, opening: &str, closing: &str) -> Document {
    week_of("acc", (day, day), opening, closing)
}

/// A statement of some days, named by the last of them.
fn week_of(account: &str, (from, to): (i8, i8), opening: &str, closing: &str) -> Document {
    Document::from(BankStatement {
        id: format!("{account}/{from}-{to}/2026"),
        account: account.to_owned(),
        sequence: None,
        date: Some(jiff::civil::date(2026, 6, to)),
        opening: Some(money(opening)),
        closing: Some(money(closing)),
        lines: 0,
        copy: false,
    })
}

fn gaps(hub: &Hub) -> Vec<(String, i64)> {
    let open = read(hub, cases::open_cases).into_iter();
    let gaps = open.filter(|case| case.kind == "statement_gap");
    gaps.map(|case| (case.subject, case.amount)).collect()
}

#[test]
fn e20_a_statement_that_does_not_join_the_one_before_is_a_case() {
    let hub = mapped();
    tell(&hub, "bank", &[statement(1, "100.00", "150.00")], 1);
    assert_eq!(gaps(&hub), [], "of the first there is nothing to compare");
    tell(&hub, "bank", &[statement(2, "150.00", "120.00")], 2);
    assert_eq!(gaps(&hub), []);
    // The statement of the third is missing. What comes after goes on from where the bank stands.
    tell(&hub, "bank", &[statement(4, "170.00", "180.00"), statement(5, "180.00", "180.00")], 3);
    assert_eq!(gaps(&hub), [("bank/bank_statement/acc/4-4/2026".to_owned(), 5000)]);
    // Of another account nothing is missing.
    tell(&hub, "bank", &[week_of("other", (3, 3), "120.00", "170.00")], 4);
    assert_eq!(gaps(&hub).len(), 1);
    tell(&hub, "bank", &[statement(3, "120.00", "170.00")], 5);
    assert_eq!(gaps(&hub), [], "it closes when the missing one is in");
}

#[test]
fn e20_statements_in_any_order_and_of_any_length_join() {
    let days = [
        statement(1, "100.00", "150.00"),
        statement(2, "150.00", "120.00"),
        statement(3, "120.00", "170.00"),
    ];
    // The newest first, as somebody uploads his folder; what is the first of all is no gap.
    let hub = mapped();
    for (seconds, day) in (1..).zip(days.iter().rev()) {
        tell(&hub, "bank", std::slice::from_ref(day), seconds);
    }
    assert_eq!(gaps(&hub), []);
    // A statement of the week beside those of its days, and one that goes on from it.
    tell(&hub, "bank", &[week_of("acc", (1, 3), "100.00", "170.00")], 10);
    tell(&hub, "bank", &[statement(4, "170.00", "90.00")], 11);
    assert_eq!(gaps(&hub), []);
    tell(&hub, "bank", &[statement(8, "80.00", "80.00")], 12);
    assert_eq!(gaps(&hub), [("bank/bank_statement/acc/8-8/2026".to_owned(), -1000)]);
}
