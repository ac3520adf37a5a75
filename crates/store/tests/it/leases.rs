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
    let lease = [lease.clone()];
    match store.write(move |tx| leases::check(tx, &lease)) {
        Ok(()) => true,
        Err(StoreError::LeaseLost) => false,
        Err(other) => panic!("{other}"),
    }
}

fn tend(store: &Store, owner: &'static str, seconds: i64) -> leases::Tended {
    let parts = leases::parts(["odoo", "shop"]);
    write(store, move |tx| leases::tend(tx, &parts, owner, at(seconds), LENGTH))
}

#[test]
fn each_part_is_one_process_share() {
    let parts = leases::parts(["a", "b", "c"]);
    for count in 1..40 {
        let shares: Vec<Vec<String>> =
            (0..count).map(|rank| leases::fair(&parts, rank, count)).collect();
        let mut all = shares.concat();
        all.sort();
        let mut whole = parts.clone();
        whole.sort();
        assert_eq!(all, whole, "{count} processes");
        let ranges = shares.iter().map(|own| own.iter().filter_map(|it| leases::shards_of(it)));
        let sizes: Vec<usize> = ranges.clone().map(Iterator::count).collect();
        let (most, least) = (sizes.iter().max().expect("some"), sizes.iter().min().expect("some"));
        assert!(most - least <= 1, "{count} processes have {sizes:?} ranges");
        for own in ranges {
            let own: Vec<(i64, i64)> = own.collect();
            assert!(own.windows(2).all(|pair| pair[0].1 == pair[1].0), "{own:?} lie together");
        }
    }
    let three: Vec<usize> = (0..3).map(|rank| leases::fair(&parts, rank, 3).len()).collect();
    assert_eq!(three, [7, 6, 7]);
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
        let lease = [old.clone()];
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

    fn c6_a_worker_needs_all_of_its_leases(store) {
        let one = acquire(store, "a", 0).expect("free");
        let two = write(store, |tx| leases::acquire(tx, "decide/2", "a", at(0), LENGTH));
        let both = [one.clone(), two.expect("free")];
        write(store, { let both = both.clone(); move |tx| leases::check(tx, &both) });
        write(store, |tx| leases::acquire(tx, "decide/2", "b", at(31), LENGTH)).expect("ended");
        let refused = store.write(move |tx| leases::check(tx, &both));
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
        assert!(works(store, &one));
    }

    fn processes_share_what_there_is(store) {
        let parts = leases::parts(["odoo", "shop"]);
        let names = |leases: &[Lease]| -> Vec<String> {
            leases.iter().map(|lease| lease.shard.clone()).collect()
        };
        let one = tend(store, "one", 0);
        assert_eq!(one.held.len(), parts.len(), "alone it has all");
        assert_eq!(one.surplus, []);
        // Another comes: nothing is taken from the first, which learns what it is to give back.
        let two = tend(store, "two", 5);
        assert_eq!(two, leases::Tended::default());
        let one = tend(store, "one", 6);
        assert_eq!((one.held.len(), one.surplus.len()), (9, 10));
        write(store, move |tx| leases::release(tx, &one.surplus));
        let two = tend(store, "two", 7);
        assert_eq!(two.surplus, []);
        let mut all = [names(&one.held), names(&two.held)].concat();
        all.sort();
        let mut whole = parts.clone();
        whole.sort();
        assert_eq!(all, whole, "each part has one owner");
        // The second is not heard of any more: what it held comes back with the time.
        assert_eq!(tend(store, "one", 36).held.len(), 9, "until 37 seconds");
        let one = tend(store, "one", 38);
        assert_eq!(one.held.len(), parts.len());
        assert!(!works(store, &two.held[0]), "what it still writes is refused");
        write(store, |tx| leases::leave(tx, "one"));
        assert_eq!(tend(store, "three", 39).held.len(), parts.len(), "at once");
    }

    /// From one to twenty and back: whoever is there has a fair share soon, and what a process held
    /// before is not its any more.
    fn c18_twenty_processes_come_and_go_and_each_part_has_one_owner(store) {
        const NAMES: [&str; 20] = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
            "r", "s", "t",
        ];
        let whole = leases::parts(["odoo", "shop"]).len();
        let mut seconds = 0;
        let mut before: Vec<Lease> = Vec::new();
        for alive in [1, 2, 20, 7, 1] {
            // Who is gone says nothing; the others look every three seconds.
            for _ in 0..14 {
                for name in &NAMES[..alive] {
                    let tended = tend(store, name, seconds);
                    write(store, move |tx| leases::release(tx, &tended.surplus));
                }
                seconds += 3;
            }
            let held: Vec<Vec<Lease>> =
                NAMES[..alive].iter().map(|name| tend(store, name, seconds).held).collect();
            let now: Vec<Lease> = held.concat();
            assert_eq!(now.len(), whole, "{alive} processes hold all");
            let ranges = |own: &Vec<Lease>| {
                own.iter().filter(|lease| leases::shards_of(&lease.shard).is_some()).count()
            };
            let sizes: Vec<usize> = held.iter().map(ranges).collect();
            let (most, least) = (sizes.iter().max().expect("some"), sizes.iter().min().expect("some"));
            assert!(most - least <= 1, "{sizes:?}");
            assert!(now.iter().all(|lease| works(store, lease)));
            let passed_on = before.iter().filter(|lease| !now.contains(lease));
            assert!(passed_on.clone().all(|lease| !works(store, lease)));
            assert!(alive == 1 || passed_on.count() > 0);
            before = now;
        }
    }

    fn all_of_the_work_is_taken_by_who_finds_it_free(store) {
        let all = |owner: &'static str, seconds: i64| {
            write(store, move |tx| {
                leases::acquire_all(tx, &leases::parts(["odoo", "shop"]), owner, at(seconds), LENGTH)
            })
        };
        let mine = all("one", 0).expect("free");
        assert_eq!(mine.len(), leases::parts(["odoo", "shop"]).len());
        assert_eq!(all("two", 1), None);
        assert_eq!(tend(store, "two", 2), leases::Tended::default());
        write(store, move |tx| leases::release(tx, &mine));
        tend(store, "two", 3);
        assert_eq!(all("one", 4), None, "somebody works");
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
                leases::check(tx, std::slice::from_ref(&old))?;
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

/// A lease has ended, and what was begun under it has not: who shares the work leaves it alone until
/// then, and waits for nobody.
#[test]
fn c6_in_postgres_what_is_still_written_under_goes_to_nobody() {
    let Some(database) = crate::engines::postgres() else { return };
    let (working, taking) = (database.store(), database.store());
    let held = tend(&taking, "a", 1).held;
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, may_end) = std::sync::mpsc::channel::<()>();
    let one = held[..1].to_vec();
    let work = std::thread::spawn(move || {
        working.write(move |tx| {
            leases::check(tx, &one)?;
            begun.send(()).expect("somebody waits");
            // Whoever waits for it is not waited for without end.
            let _ = may_end.recv_timeout(std::time::Duration::from_secs(10));
            Ok(())
        })
    });
    has_begun.recv().expect("it has begun");
    let taken = tend(&taking, "b", 100).held;
    assert_eq!(taken.len(), held.len() - 1);
    assert!(taken.iter().all(|lease| lease.shard != held[0].shard), "{taken:?}");
    end.send(()).expect("it waited for nobody");
    work.join().expect("no panic").expect("written");
    assert_eq!(tend(&taking, "b", 101).held.len(), held.len());
}

/// Who takes, renews and gives back at the same moment waits for the others and collides with none:
/// a collision is a transaction that PostgreSQL ends after a second, and a process that pauses.
/// A transaction of the work may take long where the database is far away, and another one begin
/// before it ends: who renews the leases under which they write does not wait for them.
#[test]
fn c6_in_postgres_a_renewal_does_not_wait_for_the_work() {
    let Some(database) = crate::engines::postgres() else { return };
    let (working, renewing) = (database.store(), database.store());
    let held = tend(&renewing, "a", 1).held;
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, may_end) = std::sync::mpsc::channel::<()>();
    let work = std::thread::spawn(move || {
        working.write(move |tx| {
            leases::check(tx, &held)?;
            begun.send(()).expect("somebody waits");
            may_end.recv().expect("somebody ends it");
            Ok(())
        })
    });
    has_begun.recv().expect("it has begun");
    let (renewed, is_renewed) = std::sync::mpsc::channel();
    let renewal = std::thread::spawn(move || {
        renewed.send(tend(&renewing, "a", 2).held.len()).expect("somebody waits");
    });
    let parts = is_renewed.recv_timeout(std::time::Duration::from_secs(20));
    end.send(()).expect("it waits");
    renewal.join().expect("renewed");
    work.join().expect("no panic").expect("written");
    assert!(parts.is_ok_and(|parts| parts > 0), "the renewal waited for the work");
}

#[test]
fn c6_in_postgres_processes_that_come_and_go_at_once_do_not_collide() {
    let Some(database) = crate::engines::postgres() else { return };
    let store = database.store();
    let come_and_go = |owner: &'static str, step: i64| {
        let store = store.clone();
        std::thread::spawn(move || {
            let connections = if step % 2 == 0 { ["odoo", "shop"] } else { ["shop", "odoo"] };
            for turn in 0..60 {
                let parts = leases::parts(connections);
                store.write(move |tx| {
                    let tended = leases::tend(tx, &parts, owner, at(turn * step), LENGTH)?;
                    leases::release(tx, &tended.surplus)
                })?;
                let held = store.write(move |tx| {
                    let parts = leases::parts(connections);
                    Ok(leases::tend(tx, &parts, owner, at(turn * step), LENGTH)?.held)
                })?;
                let checked = store.write(move |tx| leases::check(tx, &held));
                if !matches!(checked, Ok(()) | Err(StoreError::LeaseLost)) {
                    return checked;
                }
                if turn % 7 == step {
                    store.write(move |tx| leases::leave(tx, owner))?;
                }
                if step == 3 && turn % 5 == step {
                    store.write(leases::revoke)?;
                }
            }
            Ok(())
        })
    };
    let threads =
        [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(owner, step)| come_and_go(owner, step));
    for thread in threads {
        thread.join().expect("no panic").expect("no collision");
    }
}
