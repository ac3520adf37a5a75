//! What customers paid and nobody invoiced by the end of a month (D16, P12).

use jiff::civil::{Date, date};
use trueup_domain::command::Content;
use trueup_domain::derive::month_end::OnReceivable;
use trueup_domain::derive::{Derived, Waiting};
use trueup_domain::document::{Advance, Deferral, MonthEnd, Version};
use trueup_domain::fact::FactContent;
use trueup_domain::journal::Role;
use trueup_domain::mapping::Mapping;

use crate::world::{Given, entries, mapping, money, net, usd};

/// The advance of a sale, from what each of its facts did to the receivable.
fn advance(facts: &[(&str, &str)]) -> String {
    let mut sums = OnReceivable::nothing(usd());
    for (kind, amount) in facts {
        sums.add(kind, money(amount)).expect("in range");
    }
    sums.advance().expect("in range").amount_text()
}

#[test]
fn d16_an_advance_is_what_was_taken_and_is_in_no_invoice() {
    let captured = ("capture", "-205.20");
    let (first, second) = (("sale", "140.40"), ("sale", "64.80"));
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "0.00"),
        (&[captured], "205.20"),
        (&[captured, first], "64.80"),
        (&[captured, first, second], "0.00"),
        // An invoice that nobody paid is no deposit of anybody.
        (&[first], "0.00"),
        (&[("capture", "-100.00"), first], "0.00"),
        // Paid back before it was invoiced.
        (&[captured, ("refund_paid", "205.20")], "0.00"),
        (&[captured, ("refund_paid", "64.80"), first], "0.00"),
        // That money came back, and is an advance again.
        (&[captured, ("refund_paid", "205.20"), ("refund_failed", "-205.20")], "205.20"),
        // Credited and not paid back yet: owed to the buyer, and no advance.
        (&[captured, first, second, ("refund", "-97.20")], "0.00"),
        (&[captured, first, ("refund", "-97.20")], "64.80"),
        (&[captured, first, ("refund", "-97.20"), ("refund_paid", "97.20")], "64.80"),
        // Overpaid.
        (&[captured, first, second, ("capture", "-5.00")], "5.00"),
    ];
    for (facts, expected) in cases {
        assert_eq!(advance(facts), *expected, "{facts:?}");
    }
}

fn october(amounts: &[&str]) -> MonthEnd {
    let advances = amounts.iter().enumerate().map(|(index, amount)| Advance {
        sale: format!("shop/sale/o{index}"),
        number: format!("#{index}"),
        amount: money(amount),
    });
    MonthEnd {
        id: "2026-10/USD".to_owned(),
        version: Version(1),
        until: date(2026, 10, 31),
        advances: advances.collect(),
        deferrals: Vec::new(),
        person: "ada".to_owned(),
        reason: "close of October".to_owned(),
    }
}

fn with_account() -> Given {
    let mut mapping = mapping();
    for (role, account) in [("receivable", "1100"), ("customer_deposits", "2320")] {
        mapping.accounts.insert(role.to_owned(), account.to_owned());
    }
    Given { mapping: Some(mapping), ..Given::default() }
}

/// Each entry of the books: its day, and its lines.
fn asked(derived: &Derived) -> Vec<(Date, Vec<String>)> {
    let commands = derived.facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Command(command) => Some(&command.content),
        _ => None,
    });
    commands
        .filter_map(|content| match content {
            Content::Entry(entry) => {
                let line = |line: &trueup_domain::command::AccountLine| {
                    format!("{} {}", line.account, line.amount.amount_text())
                };
                Some((entry.date, entry.lines.iter().map(line).collect()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn p12_deposits_stand_on_the_last_day_and_are_gone_the_day_after() {
    let derived = with_account().month_end(&october(&["64.80", "205.20"]));
    assert_eq!(
        asked(&derived),
        [
            (date(2026, 10, 31), vec!["1100 270.00".to_owned(), "2320 -270.00".to_owned()]),
            (date(2026, 11, 1), vec!["1100 -270.00".to_owned(), "2320 270.00".to_owned()]),
        ]
    );
    assert!(net([&derived]).is_empty());
    let last_day = entries(&derived.facts).find(|entry| entry.date == date(2026, 10, 31));
    let lines = last_day.expect("an entry").lines.iter();
    let lines: Vec<(Role, i64)> = lines.map(|line| (line.role, line.amount.minor())).collect();
    assert_eq!(lines, [(Role::Receivable, 27000), (Role::CustomerDeposits, -27000)]);
    let keys: Vec<&str> = derived
        .facts
        .iter()
        .filter_map(|fact| match &fact.content {
            FactContent::Item(item) => Some(item.key.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(keys, ["entry/shop/2026-10-31/USD/deposits", "entry/shop/2026-11-01/USD/deposits"]);
}

/// Revenue is moved by entries of its own, beside the deposits that are no revenue yet.
#[test]
fn p12_deferred_revenue_is_moved_beside_the_deposits() {
    let mut given = with_account();
    if let Some(mapping) = &mut given.mapping {
        mapping.accounts.insert("sales".to_owned(), "4000".to_owned());
    }
    let deferral = |sale: &str, amount: &str| Deferral {
        sale: sale.to_owned(),
        number: "#9".to_owned(),
        amount: money(amount),
    };
    let deferrals = vec![deferral("shop/sale/o8", "120.00"), deferral("shop/sale/o9", "30.50")];
    let both = MonthEnd { deferrals: deferrals.clone(), ..october(&["64.80"]) };
    let derived = given.month_end(&both);
    let lines = |debit: &str, credit: &str| vec![debit.to_owned(), credit.to_owned()];
    assert_eq!(
        asked(&derived),
        [
            (date(2026, 10, 31), lines("1100 64.80", "2320 -64.80")),
            (date(2026, 11, 1), lines("1100 -64.80", "2320 64.80")),
            (date(2026, 10, 31), lines("4000 150.50", "2320 -150.50")),
            (date(2026, 11, 1), lines("4000 -150.50", "2320 150.50")),
        ]
    );
    assert!(net([&derived]).is_empty());
    assert_eq!(derived.standing.amount, Some(money("215.30")));
    let alone = given.month_end(&MonthEnd { deferrals, ..october(&[]) });
    assert_eq!((asked(&alone).len(), alone.standing.state.as_str()), (2, "deferrals"));
}

#[test]
fn without_advances_or_an_account_nothing_is_asked_for() {
    let none = with_account().month_end(&october(&[]));
    assert!(none.facts.is_empty() && none.waiting.is_none());
    let unmapped = Given::default().month_end(&october(&["64.80"]));
    assert!(asked(&unmapped).is_empty());
    assert!(matches!(&unmapped.waiting, Some(Waiting::Mapping(missing)) if missing.len() == 2));
    assert_eq!(entries(&unmapped.facts).count(), 2, "the journal knows");
    let nobody = Given { mapping: None::<Mapping>, ..Given::default() };
    assert_eq!(nobody.month_end(&october(&["64.80"])).waiting, Some(Waiting::NoMapping));
}
