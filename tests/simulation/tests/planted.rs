//! How many of the bugs that are planted on purpose the simulation finds, and how soon. Only in a
//! build that holds them: `cargo xtask reliability planted`.

#![cfg(feature = "planted")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trueup_domain::planted::{plant, was_met};
use trueup_simulation::till_room::{Weather, tell};

/// Seeds of each bug at most; `TRUEUP_PLANTED_SEEDS` tells another number.
const SEEDS: u64 = 400;
/// Of forty bugs one may be missed.
const MISSED_PER_FORTY: usize = 1;

/// What the sources hold: the names in `planted("…")`.
fn bugs() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = BTreeSet::new();
    let mut folders = vec![root.join("crates"), root.join("connectors")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let calls = text.split("planted(\"").skip(1);
                names.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }
    names
}

struct Found {
    bug: String,
    seed: u64,
    /// The story that told of it, and the invariant that does not hold.
    by: Option<String>,
    met: bool,
}

/// Tells stories until one of them cannot be right.
fn search(bug: &'static str, seeds: u64) -> Found {
    let mut met = false;
    for seed in 0..seeds {
        let mut ends = Vec::new();
        // Each storm has bugs that only it brings to light: some show in what a full one breaks off,
        // some in what is done to its end.
        for (name, weather) in [
            ("calm", Weather::CALM),
            ("storm", Weather::STORM),
            ("milder storm", Weather::MILDER_STORM),
        ] {
            plant(Some(bug));
            let told = catch_unwind(AssertUnwindSafe(|| tell(seed, 2, weather)));
            met |= was_met();
            plant(None);
            let why = match told {
                Ok(Ok(told)) => {
                    ends.push(told.end);
                    continue;
                }
                Ok(Err(error)) => invariant(&error.root_cause().to_string()),
                Err(_) => "a panic".to_owned(),
            };
            return Found { bug: bug.to_owned(), seed, by: Some(format!("{name}: {why}")), met };
        }
        if ends.iter().any(|end| Some(end) != ends.first()) {
            let by = Some("storm: another end than in calm".to_owned());
            return Found { bug: bug.to_owned(), seed, by, met };
        }
    }
    Found { bug: bug.to_owned(), seed: seeds, by: None, met }
}

fn invariant(why: &str) -> String {
    why.lines().next().unwrap_or_default().chars().take(90).collect()
}

#[test]
fn planted_bugs_are_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let asked = std::env::var("TRUEUP_PLANTED_SEEDS").ok().and_then(|it| it.parse().ok());
    let only = std::env::var("TRUEUP_PLANTED_ONLY").unwrap_or_default();
    let seeds: u64 = asked.unwrap_or(SEEDS);
    let names = bugs().into_iter().filter(|name| name.contains(&only));
    let names: Vec<&'static str> = names.map(|name| &*name.leak()).collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(bug) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = search(bug, seeds);
                    eprintln!("{} {:?} {}", one.bug, one.by, one.seed);
                    found.lock().unwrap().push(one);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by(|one, other| one.bug.cmp(&other.bug));
    println!("| bug | found by | at seed |\n|---|---|---|");
    for Found { bug, seed, by, met } in &found {
        let (by, seed) = match by {
            Some(by) => (by.clone(), seed.to_string()),
            None if *met => ("**not found**".to_owned(), format!("none of {seeds}")),
            None => ("**never come across**".to_owned(), format!("none of {seeds}")),
        };
        println!("| `{bug}` | {by} | {seed} |");
    }
    let missed = found.iter().filter(|one| one.by.is_none()).count();
    let mut first: Vec<u64> =
        found.iter().filter(|one| one.by.is_some()).map(|one| one.seed).collect();
    first.sort_unstable();
    let median = first.get(first.len() / 2).copied().unwrap_or_default();
    println!(
        "\n{} of {} planted bugs found, half of them by seed {median}",
        found.len() - missed,
        found.len()
    );
    assert!(missed * 40 <= found.len() * MISSED_PER_FORTY || !only.is_empty(), "{missed} missed");
}
