//! Which bank lines are a payout.

use std::collections::BTreeSet;

use proptest::prelude::*;
use trueup_domain::Money;
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_matching::Seen;
use trueup_matching::claim::{self, Claim};

use crate::world::{bank_line, calendar, item, payout};

fn claim_of(payout: &Seen, names: &[&str], free: &[Seen]) -> Option<(&'static str, Vec<String>)> {
    claim_among(payout, &[], names, free)
}

fn claim_among(
    payout: &Seen,
    rivals: &[&Seen],
    names: &[&str],
    free: &[Seen],
) -> Option<(&'static str, Vec<String>)> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let rivals: Vec<Item> = rivals.iter().map(|rival| rival.item.clone()).collect();
    let found = claim::of_payout(&payout.item, &rivals, &names, free, &calendar());
    found.map(|Claim { rule, lines }| (rule, lines))
}

fn found(rule: &'static str, lines: &[&str]) -> Option<(&'static str, Vec<String>)> {
    Some((rule, lines.iter().map(|line| (*line).to_owned()).collect()))
}

#[test]
fn the_reference_decides_among_equal_amounts() {
    // Two payouts of 49.21 and one of 639.92, and a stranger's 49.21.
    let free = [
        bank_line("l1", "49.21", 5, "STRIPE TRACE-AAA111"),
        bank_line("l2", "49.21", 5, "stripe trace-bbb222"),
        bank_line("l3", "639.92", 5, "STRIPE TRACE-CCC333"),
        bank_line("decoy", "49.21", 5, "rent of the shop"),
    ];
    let first = payout("po1", "49.21", 4, &["TRACE-AAA111"]);
    let second = payout("po2", "49.21", 4, &["trace-bbb222"]);
    let third = payout("po3", "639.92", 4, &["trace-ccc333"]);
    assert_eq!(claim_of(&first, &["stripe"], &free), found("reference", &["l1"]));
    assert_eq!(claim_of(&second, &["stripe"], &free), found("reference", &["l2"]));
    assert_eq!(claim_of(&third, &["stripe"], &free), found("reference", &["l3"]));
    // Without a reference the name decides only where it is the only one.
    let nameless = payout("po4", "49.21", 4, &["nothing-like-it"]);
    assert_eq!(claim_of(&nameless, &["stripe"], &free), None);
    assert_eq!(claim_of(&nameless, &["stripe"], &free[1..]), found("amount_and_name", &["l2"]));
    // Amount and date alone never claim.
    assert_eq!(claim_of(&nameless, &[], &free[3..]), None);
}

#[test]
fn payouts_of_one_amount_take_their_lines_in_order() {
    let (first, second) = (payout("po1", "10.00", 4, &[]), payout("po2", "10.00", 5, &[]));
    let lines = [bank_line("b", "10.00", 5, "stripe"), bank_line("a", "10.00", 8, "stripe")];
    let both = |lines: &[Seen]| {
        let of = |one, other| claim_among(one, &[other], &["stripe"], lines);
        (of(&first, &second), of(&second, &first))
    };
    let order = |line| found("amount_and_order", &[line]);
    assert_eq!(both(&lines), (order("b"), order("a")));
    // One line could be either's.
    assert_eq!(both(&lines[..1]), (None, None));
    // A third line is somebody else's, and nobody knows which.
    let three = [lines[0].clone(), lines[1].clone(), bank_line("c", "10.00", 5, "stripe")];
    assert_eq!(both(&three), (None, None));
    // A rival whose time is another, or whose amount is, contests nothing.
    let (late, other) = (payout("po3", "10.00", 20, &[]), payout("po4", "9.00", 4, &[]));
    let alone = claim_among(&first, &[&late, &other], &["stripe"], &lines[..1]);
    assert_eq!(alone, found("amount_and_name", &["b"]));
    // What names a rival is the rival's.
    let (named, rival) = (bank_line("r", "10.00", 5, "stripe TRACE-9"), ["TRACE-9"]);
    let rival = payout("po5", "10.00", 4, &rival);
    assert_eq!(claim_among(&first, &[&rival], &["stripe"], &[named]), None);
    // The first line is before the second payout, so that order decides nothing about the first.
    let early = [bank_line("a", "10.00", 3, "stripe"), bank_line("b", "10.00", 3, "stripe")];
    assert_eq!(claim_among(&first, &[&second], &["stripe"], &early), None);
}

#[test]
fn e17_several_lines_of_one_payout_only_when_they_sum_exactly() {
    let one = payout("po1", "10.00", 4, &["TRACE-1"]);
    let lines = [
        bank_line("a", "7.00", 4, "TRACE-1 part 1"),
        bank_line("b", "3.00", 5, "TRACE-1 part 2"),
        bank_line("c", "3.00", 5, "another payer"),
    ];
    assert_eq!(claim_of(&one, &[], &lines), found("reference", &["a", "b"]));
    assert_eq!(claim_of(&payout("po1", "10.01", 4, &["TRACE-1"]), &[], &lines), None);
}

#[test]
fn a_short_line_is_claimed_only_by_its_reference() {
    let one = payout("po1", "10.00", 4, &["TRACE-1"]);
    let short = [bank_line("a", "9.75", 5, "TRACE-1"), bank_line("b", "9.75", 5, "stripe")];
    assert_eq!(claim_of(&one, &["stripe"], &short), found("reference_short", &["a"]));
    assert_eq!(claim_of(&one, &["stripe"], &short[1..]), None);
    // An exact line is better than a short one.
    let both = [short[0].clone(), bank_line("c", "10.00", 5, "TRACE-1")];
    assert_eq!(claim_of(&one, &[], &both), found("reference", &["c"]));
}

#[test]
fn a_line_of_another_time_or_currency_is_another_line() {
    let one = payout("po1", "10.00", 4, &["TRACE-1"]);
    // From the day before to five business days later: over a weekend and a holiday, Friday 12th.
    for (day, claimed) in [(2, false), (3, true), (4, true), (12, true), (13, false)] {
        let line = [bank_line("a", "10.00", day, "TRACE-1")];
        assert_eq!(claim_of(&one, &[], &line).is_some(), claimed, "the {day}th");
    }
    let mut foreign = bank_line("a", "10.00", 5, "TRACE-1");
    foreign.item.amount =
        Money::from_minor(1000, trueup_domain::Currency::parse("USD").expect("known"));
    assert_eq!(claim_of(&one, &["trace"], &[foreign]), None);
}

#[test]
fn a_name_is_a_word_of_some_length() {
    let one = payout("po1", "10.00", 4, &["#1001"]);
    let text = |text: &str| claim_of(&one, &[], &[bank_line("a", "10.00", 5, text)]).is_some();
    assert!(text("order #1001, thanks"));
    assert!(!text("order #10012"));
    assert!(!text("order x#1001x"));
    let short = payout("po1", "10.00", 4, &["1001"]);
    assert_eq!(claim_of(&short, &[], &[bank_line("a", "10.00", 5, "1001")]), None);
    // Letters outside ASCII at the edges do not break the search.
    let one = payout("po1", "10.00", 4, &["zürich"]);
    assert!(claim_of(&one, &[], &[bank_line("a", "10.00", 5, "ÄZÜRICH ZÜRICH")]).is_some());
}

#[test]
fn a_transfer_is_found_by_the_order_it_names() {
    let mut transfer =
        item(Side::Channel, ItemKind::Capture, "capture_transfer/s/1", "10.00", 4, Some(6));
    transfer.hints = vec!["#1001".to_owned()];
    let lines = [
        bank_line("a", "10.00", 5, "for #1001"),
        bank_line("b", "10.00", 5, "for #1002"),
        bank_line("c", "9.00", 5, "for #1001"),
    ];
    let claim = claim::of_transfer(&transfer, &lines).expect("named");
    assert_eq!(claim.lines, ["a"]);
    let twice = [lines[0].clone(), bank_line("d", "10.00", 5, "#1001 again")];
    assert_eq!(claim::of_transfer(&transfer, &twice), None, "a person must look");
    assert_eq!(claim::of_transfer(&transfer, &lines[1..]), None);
}

proptest! {
    /// One after the other, payouts claim lines that nobody else claimed; exact ones exactly.
    #[test]
    fn no_line_is_claimed_twice(
        payouts in prop::collection::vec((1_i64..5, 0_usize..4), 1..6),
        lines in prop::collection::vec((1_i64..5, 0_usize..4, 1_i8..12), 0..8),
    ) {
        let mut free: Vec<Seen> = lines
            .iter()
            .enumerate()
            .map(|(index, (amount, reference, day))| {
                let text = format!("stripe TRACE-{reference}");
                bank_line(&format!("l{index}"), &format!("{amount}.00"), *day, &text)
            })
            .collect();
        let mut claimed: BTreeSet<String> = BTreeSet::new();
        for (index, (amount, reference)) in payouts.iter().enumerate() {
            let reference = format!("TRACE-{reference}");
            let payout = payout(&index.to_string(), &format!("{amount}.00"), 4, &[&reference]);
            let Some((rule, own)) = claim_of(&payout, &["stripe"], &free) else { continue };
            let sum: i64 = free
                .iter()
                .filter(|line| own.contains(&line.id))
                .map(|line| line.item.amount.minor())
                .sum();
            prop_assert_eq!(sum == amount * 100, rule != "reference_short", "{}", rule);
            for line in own {
                prop_assert!(claimed.insert(line), "claimed twice");
            }
            free.retain(|line| !claimed.contains(&line.id));
        }
        prop_assert_eq!(free.len() + claimed.len(), lines.len());
    }
}
