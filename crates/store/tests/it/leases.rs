//! Leases with fencing.

use jiff::SignedDuration;
use trueup_store::leases::{self, Lease};
use trueup_store::{Store, StoreError};

use crate::engines::on_every_engine;
use crate::world::{at, message, write};

const LENGTH: SignedDuration = SignedDuration::from_secs(30);

fn acquire(store: &Store, owner: &'static str, seconds: i64) -> Option<Lease> {
    write(store, move |tx| leases::acquire(tx, "decide/1", owner, at(seconds), LENGTH))
}

fn works(store: &Store, lease: &Lease) -> bool {
    let lease = lease.clone();
    match store.write(move |tx| leases::check(tx, &lease)) {
        Ok(()) => true,
        Err(StoreError::LeaseLost) => false,
        Err(other) => panic!("{other}"),
    }
}

on_every_engine! {
    fn a_lease_has_one_owner_until_it_ends(store) {
        let first = acquire(store, "a", 0).expect("free");
        assert_eq!((first.owner.as_str(), first.epoch), ("a", 1));
        assert_eq!(acquire(store, "b", 10), None);
        assert_eq!(acquire(store, "a", 10), Some(first.clone()), "renewed under its epoch");
        assert_eq!(acquire(store, "b", 40), None, "until 40 seconds");
        let second = acquire(store, "b", 41).expect("ended");
        assert_eq!((second.owner.as_str(), second.epoch), ("b", 2));
        assert!(works(store, &second));
    }

    fn c5_a_worker_that_was_paused_writes_nothing(store) {
        let old = acquire(store, "a", 0).expect("free");
        assert!(works(store, &old));
        let new = acquire(store, "b", 31).expect("ended");
        let lease = old.clone();
        let refused = store.write(move |tx| {
            trueup_store::messages::record(tx, &message("late", "late"), at(40))?;
            leases::check(tx, &lease)
        });
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
        let counts = store.read(trueup_store::messages::counts).expect("readable");
        assert!(counts.is_empty(), "its write is undone");
        // Also when it takes the lease back later: what it took before is dropped.
        let back = acquire(store, "a", 62).expect("ended");
        assert_eq!(back.epoch, 3);
        assert!(!works(store, &old) && !works(store, &new) && works(store, &back));
    }

    fn c6_of_two_at_once_one_wins(store) {
        let threads: Vec<_> = ["a", "b", "c", "d", "e", "f"]
            .map(|owner| {
                let store = store.clone();
                std::thread::spawn(move || acquire(&store, owner, 0))
            })
            .into_iter()
            .collect();
        let won = threads.into_iter().filter_map(|thread| thread.join().expect("no panic"));
        assert_eq!(won.count(), 1);
    }

    fn shards_are_leased_apart(store) {
        acquire(store, "a", 0).expect("free");
        let other = write(store, |tx| leases::acquire(tx, "decide/2", "b", at(0), LENGTH));
        assert!(other.is_some());
    }
}

/// The lock that `check` takes keeps the lease until the writer's commit.
#[test]
fn c6_in_postgres_a_lease_is_not_lost_between_check_and_commit() {
    let Some(database) = crate::engines::postgres() else { return };
    let store = database.store();
    let old = acquire(&store, "a", 0).expect("free");
    let (checked, wait_for_check) = std::sync::mpsc::channel();
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let writer = {
        let store = store.clone();
        std::thread::spawn(move || {
            store.write(move |tx| {
                leases::check(tx, &old)?;
                checked.send(()).expect("a listener");
                wait.recv().expect("let go");
                trueup_store::messages::record(tx, &message("m", "m"), at(1))
            })
        })
    };
    wait_for_check.recv().expect("checked");
    let other = store.clone();
    let taker = std::thread::spawn(move || acquire(&other, "b", 100));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!taker.is_finished(), "the taker waits for the writer's commit");
    let_go.send(()).expect("a listener");
    assert!(writer.join().expect("no panic").is_ok());
    assert_eq!(taker.join().expect("no panic").map(|lease| lease.epoch), Some(2));
}
