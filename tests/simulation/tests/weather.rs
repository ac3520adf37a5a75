//! Money is conserved whatever the weather: each seed ends as it would have ended in calm.

use std::ops::Range;

use trueup_simulation::till_room::{Hits, Weather, tell};

/// Orders of a seed's week.
const ORDERS: u32 = 2;
/// A run of this many seeds must have met everything.
const ENOUGH: u64 = 100;

/// Seeds of every test run, in parts that run beside each other; `TRUEUP_SEEDS=from..to` tells
/// others, in the first part.
const PARTS: [Range<u64>; 4] = [0..125, 125..250, 250..375, 375..500];

fn seeds(part: usize) -> Range<u64> {
    let asked = std::env::var("TRUEUP_SEEDS").ok();
    let parsed: Option<Range<u64>> = asked.as_deref().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    match parsed {
        Some(asked) if part == 0 => asked,
        Some(_) => 0..0,
        None => PARTS[part].clone(),
    }
}

fn is_conserved(part: usize) {
    let seeds = seeds(part);
    let count = seeds.end.saturating_sub(seeds.start);
    let mut all = Hits::default();
    for seed in seeds {
        let calm =
            tell(seed, ORDERS, Weather::CALM).unwrap_or_else(|error| panic!("calm: {error:#}"));
        let storm = tell(seed, ORDERS, Weather::storm(seed))
            .unwrap_or_else(|error| panic!("storm: {error:#}"));
        assert_eq!(calm.end, storm.end, "seed {seed}\n{}", storm.transcript);
        all.all(&storm.hits);
    }
    for (what, times) in &all.0 {
        println!("{what}: {times}");
    }
    println!("{count} seeds");
    assert!(count < ENOUGH || all.missing().is_empty(), "never met: {:?}", all.missing());
}

#[test]
fn money_is_conserved_whatever_the_weather() {
    is_conserved(0);
}

#[test]
fn money_is_conserved_in_the_second_part() {
    is_conserved(1);
}

#[test]
fn money_is_conserved_in_the_third_part() {
    is_conserved(2);
}

#[test]
fn money_is_conserved_in_the_fourth_part() {
    is_conserved(3);
}

#[test]
fn one_seed_is_one_story() {
    for seed in 0..3 {
        let first =
            tell(seed, ORDERS, Weather::storm(seed)).unwrap_or_else(|error| panic!("{error:#}"));
        let second =
            tell(seed, ORDERS, Weather::storm(seed)).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(first.transcript, second.transcript, "seed {seed}");
    }
}
