//! Money is conserved whatever the weather: each seed ends as it would have ended in calm.

use trueup_simulation::till_room::{Hits, Weather, tell};

/// Seeds of every test run; `TRUEUP_SEEDS=from..to` tells others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("TRUEUP_SEEDS").ok();
    let parsed = asked.as_deref().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    parsed.unwrap_or(0..50)
}

#[test]
fn money_is_conserved_whatever_the_weather() {
    let mut all = Hits::default();
    for seed in seeds() {
        let calm = tell(seed, 2, Weather::CALM).unwrap_or_else(|error| panic!("calm: {error:#}"));
        let storm =
            tell(seed, 2, Weather::STORM).unwrap_or_else(|error| panic!("storm: {error:#}"));
        assert_eq!(calm.end, storm.end, "seed {seed}\n{}", storm.transcript);
        all.crashes += storm.hits.crashes;
        all.requests_lost += storm.hits.requests_lost;
        all.replies_lost += storm.hits.replies_lost;
        all.pushes_lost += storm.hits.pushes_lost;
        all.pushes_doubled += storm.hits.pushes_doubled;
        all.taken_back += storm.hits.taken_back;
    }
    println!("{all:?}");
    let enough = seeds().count() >= 20;
    assert!(
        !enough
            || all.crashes > 0
                && all.requests_lost > 0
                && all.replies_lost > 0
                && all.pushes_lost > 0
                && all.pushes_doubled > 0
                && all.taken_back > 0,
        "a simulation without faults proves nothing: {all:?}"
    );
}

#[test]
fn one_seed_is_one_story() {
    for seed in 0..3 {
        let first = tell(seed, 2, Weather::STORM).unwrap_or_else(|error| panic!("{error:#}"));
        let second = tell(seed, 2, Weather::STORM).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(first.transcript, second.transcript, "seed {seed}");
    }
}
