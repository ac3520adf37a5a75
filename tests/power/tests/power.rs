//! Power that goes away while the store writes: what somebody was told to be kept is there
//! afterwards, whole, and the file is sound.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use trueup_power::outage::{self, Dice, Kept};
use trueup_power::record::{self, Event};
use trueup_store::messages::{self, NewMessage, Origin};
use trueup_store::{Store, StoreError, Tx};

const FILE: &str = "trueup.sqlite";
const THREADS: u32 = 4;
/// Long enough that the log is written back several times on the way.
const LENGTH: Duration = Duration::from_secs(4);
const OUTAGES: u64 = 240;

fn message(source_id: &str, number: u32) -> NewMessage {
    let mut noise = Dice::new(u64::from(number));
    NewMessage {
        connection: "shop".to_owned(),
        source_id: source_id.to_owned(),
        kind: "orders/create".to_owned(),
        origin: Origin::Webhook,
        headers: "{}".to_owned(),
        // Of several pages, whatever it is packed with, so that there is something to tear.
        body: (0..9_000).map(|_| u8::try_from(noise.below(256)).unwrap_or(0)).collect(),
        asked_at: None,
    }
}

/// Two messages of one transaction: both are there, or none.
fn put(tx: &mut Tx<'_>, number: u32) -> Result<(), StoreError> {
    for half in ["a", "b"] {
        let source_id = format!("m{number}{half}");
        messages::record(tx, &message(&source_id, number), Timestamp::UNIX_EPOCH)?;
    }
    Ok(())
}

/// Several threads write and are told, while the log is written back.
fn life(folder: &Path) -> Vec<Event> {
    record::listen(folder);
    let store = Store::open_sqlite(&folder.join(FILE)).expect("a store");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = store.clone();
            scope.spawn(move || {
                let mut number = thread;
                while begun.elapsed() < LENGTH {
                    store.write(move |tx| put(tx, number)).expect("written");
                    record::told(number);
                    number += THREADS;
                    std::thread::sleep(Duration::from_millis(15));
                }
            });
        }
    });
    drop(store);
    record::stop()
}

/// What is there, by number; a half of a transaction is an error.
fn found(store: &Store) -> Result<BTreeSet<u32>, String> {
    let mut numbers = BTreeSet::new();
    let all = store.read(messages::delivered).map_err(|error| error.to_string())?;
    let halves: BTreeSet<String> = all.into_iter().map(|(_, source_id)| source_id).collect();
    for half in &halves {
        let number = half.trim_start_matches('m').trim_end_matches(['a', 'b']);
        for other in ["a", "b"] {
            if !halves.contains(&format!("m{number}{other}")) {
                return Err(format!("only half of m{number} is there"));
            }
        }
        numbers.insert(number.parse().map_err(|_| format!("`{half}` was never written"))?);
    }
    Ok(numbers)
}

/// What the store says after the power went away behind these events.
fn outage(events: &[Event], kept: Kept, seed: u64) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (name, content) in outage::after(events, kept, &mut Dice::new(seed)) {
        std::fs::write(folder.path().join(name), content).map_err(|error| error.to_string())?;
    }
    let path = folder.path().join(FILE);
    let store = Store::open_sqlite(&path).map_err(|error| format!("it does not open: {error}"))?;
    let found = found(&store)?;
    for event in events {
        if let Event::Told(number) = event
            && !found.contains(number)
        {
            return Err(format!("m{number} was told to be kept, and is lost"));
        }
    }
    // It can be gone on with.
    store.write(|tx| put(tx, 999_999)).map_err(|error| error.to_string())?;
    drop(store);
    let connection = rusqlite::Connection::open(&path).map_err(|error| error.to_string())?;
    let sound: Result<String, _> =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match sound.map_err(|error| error.to_string())?.as_str() {
        "ok" => Ok(()),
        unsound => Err(format!("the file is not sound: {unsound}")),
    }
}

#[test]
fn c2_power_that_goes_away_loses_nothing_that_was_told_and_spoils_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = life(folder.path());
    let told = events.iter().filter(|event| matches!(event, Event::Told(_))).count();
    let written_back = |event: &&Event| matches!(event, Event::Sync { file } if file == FILE);
    let written_back = events.iter().filter(written_back).count();
    assert!(told > 100, "{told} were told");
    assert!(written_back > 1, "the log was written back {written_back} times");
    let mut dice = Dice::new(1);
    for seed in 0..OUTAGES {
        let end = 1 + dice.below(events.len());
        let kept = [Kept::Some, Kept::Nothing, Kept::Some, Kept::All][dice.below(4)];
        if let Err(error) = outage(&events[..end], kept, seed) {
            panic!("after {end} of {} events, {kept:?} kept, seed {seed}: {error}", events.len());
        }
    }
}
