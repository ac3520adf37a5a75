//! E5: refunds whose money came back, whoever tells of it first.

use jiff::civil::{Date, date};
use trueup_domain::document::{
    BooksRecord, Document, LedgerRow, Payment, PaymentKind, PaymentStatus, RowClass, Version,
};
use trueup_hub::{Hub, bridges};
use trueup_store::{commands, facts, messages};

use crate::reconcile::{row, status, tell};
use crate::world::{
    ROOT, at, balances, line, mapped, money, open_cases, order, payment, read, refund, states,
};

const DAY: i64 = 86_400;
const KEY: &str = "refund_paid/stripe/ch_b1";

fn back(id: &str, version: i64, status: PaymentStatus) -> Document {
    let back = payment(id, version, PaymentKind::Refund, "10.00");
    Payment { status, refund: Some("r1".to_owned()), processed_at: at(3600), ..back }.into()
}

fn sold_and_refunded() -> Vec<Document> {
    vec![
        order(1, vec![line("A1", "10.00")]).into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
        refund("r1", "A1", "10.00", "b1").into(),
        back("b1", 1, PaymentStatus::Succeeded),
    ]
}

/// What the provider's ledger says: it went, and on the fourth day it came back.
fn rows(id: &str) -> Vec<Document> {
    let row = |name: &str, class, net: &str, day: i64| {
        let object = Some(format!("ch_{id}"));
        let occurred_at = at(day * DAY);
        let plain = row(&format!("{id}-{name}"), net, "");
        Document::from(LedgerRow { class, object, occurred_at, payout: None, ..plain })
    };
    vec![
        row("refund", RowClass::Refund, "-10.00", 0),
        row("failure", RowClass::RefundFailure, "10.00", 3),
    ]
}

/// Part and generation of the payments that were asked for.
fn payments(hub: &Hub) -> Vec<String> {
    let all = read(hub, |tx| commands::of_root(tx, ROOT));
    let prefix = format!("test/{ROOT}/payment/");
    let own = all.iter().filter_map(|one| Some((one.key.strip_prefix(&prefix)?, one)));
    let mut told: Vec<String> = own.map(|(key, _)| key.to_owned()).collect();
    told.sort();
    told
}

/// The days of the entries that book a way back.
fn days_back(hub: &Hub) -> Vec<Date> {
    let lines = read(hub, |tx| facts::lines_of_root(tx, ROOT));
    let own = lines.iter().filter(|line| line.kind == "refund_failed" && line.role == "clearing");
    own.map(|line| line.day.parse().expect("a day")).collect()
}

fn handed_in(hub: &Hub) -> i64 {
    let counts = read(hub, messages::counts);
    counts
        .iter()
        .filter(|(connection, ..)| connection == "shop")
        .map(|(_, _, count, _)| count)
        .sum()
}

#[test]
fn e5_the_ledger_tells_and_the_sale_books_it_once() {
    let hub = mapped();
    states(&hub, &sold_and_refunded(), 1);
    assert_eq!(payments(&hub), ["b1/1", "p1/1"]);
    tell(&hub, "stripe", &rows("b1"), 2);
    assert_eq!(payments(&hub), ["b1/1", "b1/failed/1", "p1/1"]);
    assert_eq!(days_back(&hub), [date(2026, 6, 4)]);
    assert_eq!(status(&hub, KEY), "refund_failed");
    assert_eq!(open_cases(&hub), ["refund_failed"]);
    // The buyer is owed 10.00, and the provider holds it.
    let owed = ["clearing", "receivable", "returns", "sales"];
    let roles: Vec<String> = balances(&hub).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, owed);
    // Told again, nothing is new.
    let before = handed_in(&hub);
    tell(&hub, "stripe", &rows("b1"), 3);
    states(&hub, &[order(2, vec![line("A1", "10.00")]).into()], 4);
    assert_eq!(handed_in(&hub), before + 1, "the order alone");
    assert_eq!(payments(&hub), ["b1/1", "b1/failed/1", "p1/1"]);
    // The refund is made again, and the case is gone.
    let again = rows("b2").into_iter().take(1).collect::<Vec<_>>();
    states(&hub, &[back("b2", 1, PaymentStatus::Succeeded)], 5);
    tell(&hub, "stripe", &again, 6);
    assert_eq!(payments(&hub), ["b1/1", "b1/failed/1", "b2/1", "p1/1"]);
    assert_eq!(open_cases(&hub), [""; 0]);
    assert_eq!(status(&hub, KEY), "not_applicable");
    let roles: Vec<String> = balances(&hub).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, ["returns", "sales"]);
}

#[test]
fn e5_the_channel_tells_and_the_ledger_after_it_adds_nothing() {
    let hub = mapped();
    states(&hub, &sold_and_refunded(), 1);
    states(&hub, &[back("b1", 2, PaymentStatus::Failed)], 2 * DAY);
    assert_eq!(payments(&hub), ["b1/1", "b1/failed/1", "p1/1"]);
    assert_eq!(days_back(&hub), [date(2026, 6, 3)], "the day on which we were told");
    assert_eq!(open_cases(&hub), ["refund_failed"]);
    let told = handed_in(&hub);
    tell(&hub, "stripe", &rows("b1"), 3 * DAY);
    states(&hub, &[back("b1", 3, PaymentStatus::Failed)], 4 * DAY);
    assert_eq!(handed_in(&hub), told + 1, "the transaction alone");
    assert_eq!(payments(&hub), ["b1/1", "b1/failed/1", "p1/1"]);
    assert_eq!(days_back(&hub), [date(2026, 6, 3)]);
    assert_eq!(open_cases(&hub), ["refund_failed"]);
}

#[test]
fn e5_a_refund_that_never_went_books_nothing_until_the_ledger_says_that_it_had() {
    let hub = mapped();
    let mut all = sold_and_refunded();
    all.pop();
    all.push(back("b1", 1, PaymentStatus::Failed));
    states(&hub, &all, 1);
    assert_eq!(payments(&hub), ["p1/1"]);
    assert_eq!(open_cases(&hub), ["refund_failed"]);
    // Its rows take each other back: clearing holds what it held.
    tell(&hub, "stripe", &rows("b1"), 2);
    assert_eq!(payments(&hub), ["p1/1"]);
    let roles: Vec<String> = balances(&hub).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, ["clearing", "receivable", "returns", "sales"]);
}

/// What the channel says it gave back twice went once: the bridge has a step for it, before and
/// after it went again.
#[test]
fn e5_the_bridge_to_the_provider_names_what_came_back() {
    let hub = mapped();
    let bridge = || {
        let all = read(&hub, |tx| bridges::build(tx, &hub));
        all.into_iter().find(|bridge| bridge.name == "shop → stripe").expect("both totals")
    };
    let holds = |amount: &str, seconds: i64| {
        let id = "balance/stripe".to_owned();
        let version = Version(seconds);
        BooksRecord::stated(BooksRecord::BALANCE, id, money(amount), version).into()
    };
    states(&hub, &sold_and_refunded(), 1);
    let taken = LedgerRow { payout: None, ..row("p1", "10.00", "") };
    tell(&hub, "stripe", &[vec![taken.into(), holds("10.00", 2)], rows("b1")].concat(), 2);
    assert!(bridge().unexplained.is_zero(), "{:#?}", bridge());
    let steps: Vec<String> = bridge().steps.into_iter().map(|step| step.name).collect();
    assert_eq!(steps, ["refund_paid: refund failed"]);

    states(&hub, &[back("b2", 1, PaymentStatus::Succeeded)], 3);
    let again = rows("b2").into_iter().next().expect("a row");
    tell(&hub, "stripe", &[again, holds("0.00", 4)], 4);
    assert!(bridge().unexplained.is_zero(), "{:#?}", bridge());
    let steps: Vec<String> = bridge().steps.into_iter().map(|step| step.name).collect();
    assert_eq!(steps, ["refund_paid: not applicable"]);
}
