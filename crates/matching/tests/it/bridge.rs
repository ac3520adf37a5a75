//! Two totals obtained apart and what lies between them.

use proptest::prelude::*;
use trueup_domain::Money;
use trueup_domain::money::Currency;
use trueup_matching::bridge::{Step, bridge};

use crate::world::money;

fn step(name: &str, amount: &str) -> Step {
    Step { name: name.to_owned(), amount: money(amount), count: 1, evidence: Vec::new() }
}

#[test]
fn steps_explain_the_way_from_one_total_to_the_other() {
    let steps = vec![step("fees", "3.00"), step("reserve", "25.00"), step("nothing", "0.00")];
    let bridge = bridge("day", ("channel", money("100.00")), ("bank", money("72.00")), steps);
    let bridge = bridge.expect("one currency");
    assert_eq!(bridge.unexplained, money("0.00"));
    let names: Vec<&str> = bridge.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["fees", "reserve"], "a step of nothing explains nothing");
}

#[test]
fn what_no_step_names_is_unexplained() {
    let with = |steps| {
        let bridge = bridge("day", ("a", money("100.00")), ("b", money("72.00")), steps);
        bridge.expect("one currency").unexplained
    };
    assert_eq!(with(vec![step("fees", "3.00")]), money("25.00"));
    assert_eq!(with(vec![step("fees", "30.00")]), money("-2.00"));
    // Two errors that cancel are two steps, never none.
    assert_eq!(with(vec![step("x", "28.00"), step("y", "5.00"), step("z", "-5.00")]), money("0"));
}

#[test]
fn totals_of_two_currencies_are_no_bridge() {
    let usd = Money::from_minor(1, Currency::parse("USD").expect("a currency"));
    assert!(bridge("day", ("a", money("1.00")), ("b", usd), Vec::new()).is_err());
    let step = Step { amount: usd, ..step("x", "0") };
    assert!(bridge("day", ("a", money("1.00")), ("b", money("1.00")), vec![step]).is_err());
}

proptest! {
    #[test]
    fn a_bridge_always_sums_up(
        from in -1_000_000_i64..1_000_000,
        to in -1_000_000_i64..1_000_000,
        amounts in prop::collection::vec(-1000_i64..1000, 0..10),
    ) {
        let euro = |minor| Money::from_minor(minor, money("0").currency());
        let steps = amounts.iter().map(|minor| Step { amount: euro(*minor), ..step("s", "0") });
        let bridge = bridge("day", ("a", euro(from)), ("b", euro(to)), steps.collect());
        let bridge = bridge.expect("one currency");
        let explained: i64 = bridge.steps.iter().map(|step| step.amount.minor()).sum();
        prop_assert_eq!(to + explained + bridge.unexplained.minor(), from);
    }
}
