//! The one writer of a file: who goes first, and that its log is written back.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use trueup_store::{Store, StoreError};

use crate::world::{at, message};

fn in_a_file() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_sqlite(&folder.path().join("store.sqlite")).expect("a store");
    (folder, store)
}

/// Keeps the writer busy until the returned sender is dropped.
fn occupied(store: &Store) -> Sender<()> {
    let (held, until) = channel::<()>();
    let (begun, has_begun) = channel();
    let work = move |_: &mut trueup_store::Tx<'_>| {
        begun.send(()).expect("somebody waits");
        let _ = until.recv();
        Ok(())
    };
    store.submit(work, |_| {});
    has_begun.recv().expect("the writer works");
    held
}

/// Names in the order in which the writer came to them.
fn order(store: &Store, behind: usize, front_door: usize) -> Vec<&'static str> {
    let (tell, told) = channel();
    let held = occupied(store);
    for _ in 0..behind {
        let tell = tell.clone();
        drop(store.redo_later(move |_| {
            let _ = tell.send("behind");
            Ok(())
        }));
    }
    for _ in 0..front_door {
        let tell = tell.clone();
        store.submit(
            move |_| {
                let _ = tell.send("front door");
                Ok(())
            },
            |_| {},
        );
    }
    drop((held, tell));
    told.iter().collect()
}

#[test]
fn the_front_door_goes_first() {
    let (_folder, store) = in_a_file();
    let order = order(&store, 3, 2);
    // All of the front door share the first commit, with one of what is behind.
    assert_eq!(order, ["front door", "front door", "behind", "behind", "behind"]);
}

#[test]
fn what_is_behind_does_not_starve() {
    let (_folder, store) = in_a_file();
    let order = order(&store, 1, 3_000);
    let turn = order.iter().position(|one| *one == "behind").expect("it was written");
    // The commit under way may take 512 of the front door, and the next as many before it.
    assert!(turn <= 1_024, "it was the {turn}th");
}

#[test]
fn while_much_comes_in_what_is_behind_is_written_in_small_parts() {
    let (_folder, store) = in_a_file();
    assert_eq!(store.part(25), 100);
    let until = Instant::now() + Duration::from_secs(20);
    while store.part(25) == 100 {
        assert!(Instant::now() < until, "a burst was not noticed");
        for _ in 0..100 {
            store.submit(|_| Ok(()), |_| {});
        }
        store.write(|_| Ok(())).expect("written");
    }
    assert_eq!((store.part(25), store.part(10), store.part(1)), (5, 2, 1));
    while store.part(25) != 100 {
        assert!(Instant::now() < until, "the end of the burst was not noticed");
        std::thread::sleep(Duration::from_millis(20));
        store.write(|_| Ok(())).expect("written");
    }
}

/// Whatever joins a commit: what fails in it undoes its own writes, and nobody else's.
#[test]
fn what_fails_in_a_commit_undoes_itself_alone() {
    for succeed in [&[true, false, true][..], &[false, true], &[false, false, true, false]] {
        let (_folder, store) = in_a_file();
        let (tell, told) = channel();
        let held = occupied(&store);
        for (number, succeeds) in succeed.iter().copied().enumerate() {
            let tell = tell.clone();
            let work = move |tx: &mut trueup_store::Tx<'_>| {
                let one = message(&number.to_string(), "body");
                trueup_store::messages::record(tx, &one, at(0))?;
                match succeeds {
                    true => Ok(()),
                    false => Err(StoreError::Conflict("refused".to_owned())),
                }
            };
            store.submit(work, move |outcome| tell.send((number, outcome)).expect("heard"));
        }
        // Longer than a group takes in more: what comes now has a commit of its own.
        std::thread::sleep(Duration::from_millis(30));
        drop((held, tell));
        for (number, outcome) in told {
            match succeed[number] {
                true => assert!(outcome.is_ok(), "{succeed:?} {number}: {outcome:?}"),
                false => assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}"),
            }
        }
        let sql = "SELECT source_id FROM messages ORDER BY source_id";
        let kept = store.read(|tx| tx.query(sql, &[])).expect("read");
        let kept: Vec<String> = kept.iter().map(|row| row.text(0).expect("a text")).collect();
        let wanted = (0..succeed.len()).filter(|number| succeed[*number]);
        assert_eq!(
            kept,
            wanted.map(|number| number.to_string()).collect::<Vec<_>>(),
            "{succeed:?}"
        );
    }
}

/// What is in the log alone does not stay there for want of more.
#[test]
fn c13_a_short_log_is_written_back_too() {
    let (folder, store) = in_a_file();
    let one = message("the-name-that-is-looked-for", "body");
    store.write(move |tx| trueup_store::messages::record(tx, &one, at(0))).expect("written");
    let file = folder.path().join("store.sqlite");
    let until = Instant::now() + Duration::from_secs(20);
    let name = b"the-name-that-is-looked-for";
    while !std::fs::read(&file).expect("a file").windows(name.len()).any(|part| part == name) {
        assert!(Instant::now() < until, "it is still in the log alone");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn c13_the_log_is_written_back_while_the_store_is_open() {
    let (folder, store) = in_a_file();
    for number in 0..64 {
        store
            .write(move |tx| {
                for part in 0..16 {
                    let body: String = (0..400)
                        .map(|digit| format!("{:x}", digit * (number * 16 + part)))
                        .collect();
                    let one = message(&format!("{number}/{part}"), &body);
                    trueup_store::messages::record(tx, &one, at(0))?;
                }
                Ok(())
            })
            .expect("written");
    }
    let file = folder.path().join("store.sqlite");
    let until = Instant::now() + Duration::from_secs(20);
    let size = || std::fs::metadata(&file).map_or(0, |it| it.len());
    while size() < 400_000 {
        assert!(Instant::now() < until, "{} bytes of the log were written back", size());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_store_that_is_gone_has_written_everything() {
    let (folder, store) = in_a_file();
    let held = occupied(&store);
    for number in 0..10 {
        let one = message(&format!("m{number}"), "{}");
        drop(store.redo_later(move |tx| trueup_store::messages::record(tx, &one, at(0))));
    }
    // Who drops it waits until all is written.
    let gone = std::thread::spawn(move || drop(store));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!gone.is_finished());
    drop(held);
    gone.join().expect("gone");
    let store = Store::open_sqlite(&folder.path().join("store.sqlite")).expect("a store");
    let counts = store.read(trueup_store::messages::counts).expect("readable");
    assert_eq!(counts.iter().map(|(_, _, count, _)| count).sum::<i64>(), 10);
}
