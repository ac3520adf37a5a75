//! Who waits for work is woken by what is committed, here or in another process; and what collides
//! with another transaction is done anew.

use std::time::{Duration, Instant};

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use trueup_store::{Store, StoreError, holds, values};

use crate::engines;
use crate::world::{at, write};

/// Longer than any wait for a wake-up that comes.
const LONG: Duration = Duration::from_secs(30);

fn commit(store: &Store) {
    write(store, |tx| holds::hold(tx, "shop", "a test", at(0)));
}

/// How long a waiter of `waits` sleeps when `commits` is written to meanwhile.
fn slept(waits: &Store, commits: &Store) -> Duration {
    let seen = waits.changes().seen();
    let waits = waits.clone();
    let begun = Instant::now();
    let waiter = std::thread::spawn(move || waits.changes().wait_beyond(seen, LONG));
    commit(commits);
    waiter.join().expect("it waited");
    begun.elapsed()
}

#[test]
fn a_commit_wakes_who_waits() {
    let place = tempfile::tempdir().expect("a directory");
    let store = engines::file(place.path());
    assert!(slept(&store, &store) < LONG / 2);
    // What was committed before the wait began is not waited for.
    let seen = store.changes().seen();
    commit(&store);
    let begun = Instant::now();
    store.changes().wait_beyond(seen, LONG);
    assert!(begun.elapsed() < LONG / 2);
    assert!(store.tell_others().expect("told").is_none(), "nobody else can be there");
}

#[test]
fn a_commit_of_another_process_wakes_who_waits() {
    let Some(database) = engines::postgres() else { return };
    let (here, there) = (database.store(), database.store());
    let hear = here.tell_others().expect("a connection").expect("others can be there");
    let tell = there.tell_others().expect("a connection").expect("others can be there");
    // It listens when a first commit is heard.
    let until = Instant::now() + LONG;
    let begun = here.changes().seen();
    while here.changes().seen() == begun {
        assert!(Instant::now() < until, "no commit is heard");
        commit(&there);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(slept(&here, &there) < LONG / 2);
    // Its own commits wake it once, and not again when they are told to the others.
    std::thread::sleep(Duration::from_millis(200));
    let before = here.changes().seen();
    commit(&here);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(here.changes().seen(), before + 1);
    drop((hear, tell));
    let seen = here.changes().seen();
    commit(&there);
    here.changes().wait_beyond(seen, Duration::from_millis(200));
    assert_eq!(here.changes().seen(), seen, "nobody tells any more, so the next look finds it");
}

/// Two transactions that each wait for what the other holds: PostgreSQL undoes one of them.
#[test]
fn what_collides_is_done_anew() {
    let Some(database) = engines::postgres() else { return };
    let store = database.store();
    write(&store, |tx| {
        holds::hold(tx, "one", "a test", at(0))?;
        holds::hold(tx, "two", "a test", at(0))
    });
    let met = Arc::new(Barrier::new(2));
    let crossing = |first: &'static str, second: &'static str, anew: bool| {
        let (store, met, tries) = (store.clone(), Arc::clone(&met), AtomicU32::new(0));
        std::thread::spawn(move || {
            let work = move |tx: &mut trueup_store::Tx<'_>| {
                let sql = "UPDATE holds SET reason = reason || '!' WHERE connection = $1";
                tx.execute(sql, values![first])?;
                if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                    met.wait();
                }
                tx.execute(sql, values![second]).map(drop)
            };
            if anew { store.redo(work) } else { store.write(work) }
        })
    };
    let (one, two) = (crossing("one", "two", true), crossing("two", "one", true));
    one.join().expect("no panic").expect("written");
    two.join().expect("no panic").expect("written");
    let reasons =
        crate::world::read(&store, |tx| Ok((holds::held(tx, "one")?, holds::held(tx, "two")?)));
    let twice = Some("a test!!".to_owned());
    assert_eq!(reasons, (twice.clone(), twice));
    // Who cannot do it anew is told what it was.
    let (one, two) = (crossing("one", "two", false), crossing("two", "one", false));
    let ends = [one.join().expect("no panic"), two.join().expect("no panic")];
    let undone = ends.iter().filter(|end| matches!(end, Err(StoreError::Collided(_)))).count();
    assert_eq!((undone, ends.iter().filter(|end| end.is_ok()).count()), (1, 1), "{ends:?}");
}
