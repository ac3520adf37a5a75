//! What a transaction promises on each engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use trueup_store::messages::{self, Recorded};
use trueup_store::{CommitFate, Store, StoreError, Tx, Value, cases, migrate, streams, values};

use crate::engines::{self, on_every_engine};
use crate::world::{at, message, read, write};

fn count(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    Ok(messages::counts(tx)?.iter().map(|one| one.2).sum())
}

fn record(tx: &mut Tx<'_>, name: &str) -> Result<Recorded, StoreError> {
    messages::record(tx, &message(name, name), at(0))
}

/// Rows of a table that every database has.
const PUT: &str = "INSERT INTO migrations (number, hash) VALUES ($1, $2)";

fn numbers(tx: &mut Tx<'_>) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT number FROM migrations WHERE number >= 1000 ORDER BY number";
    tx.query(sql, values![])?.iter().map(|row| row.int(0)).collect()
}

fn fails() -> StoreError {
    StoreError::Corrupt("on purpose".to_owned())
}

on_every_engine! {
    fn a_failed_write_leaves_nothing(store) {
        let outcome = store.write(|tx| {
            record(tx, "a")?;
            Err::<(), _>(fails())
        });
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
        assert_eq!(read(store, count), 0);
        write(store, |tx| record(tx, "b"));
        assert_eq!(read(store, count), 1);
    }

    fn a_savepoint_undoes_only_its_own(store) {
        write(store, |tx| {
            record(tx, "before")?;
            let inner = tx.savepoint(|tx| {
                record(tx, "inside")?;
                tx.savepoint(|tx| record(tx, "deeper"))?;
                Err::<(), _>(fails())
            });
            assert!(inner.is_err());
            tx.savepoint(|tx| record(tx, "after"))?;
            // A refused statement must not spoil what follows.
            let refused = tx.savepoint(|tx| {
                let sql = "INSERT INTO migrations (number, hash) VALUES ($1, $2)";
                tx.execute(sql, values![1_i64, "x"])
            });
            assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
            record(tx, "last")
        });
        assert_eq!(read(store, count), 3);
    }

    /// The shell goes on after a panic; so must the store.
    fn c3_a_panic_in_a_write_leaves_nothing_and_stops_nothing(store) {
        let other = store.clone();
        let thread = std::thread::spawn(move || {
            other.write(|tx| {
                record(tx, "outer")?;
                tx.savepoint(|tx| {
                    record(tx, "inner")?;
                    if count(tx)? == 2 {
                        panic!("on purpose");
                    }
                    Ok(())
                })
            })
        });
        // The caller learns of it, as a panic of its own or as an error.
        assert!(!matches!(thread.join(), Ok(Ok(()))));
        write(store, |tx| record(tx, "next"));
        assert_eq!(read(store, count), 1);
    }

    fn writers_from_many_threads_lose_nothing(store) {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let store = store.clone();
                std::thread::spawn(move || {
                    for index in 0..25 {
                        // Half of the names are everybody's.
                        let shared = index % 2 == 0;
                        let name = if shared { format!("s{index}") } else { format!("{thread}-{index}") };
                        write(&store, move |tx| record(tx, &name));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(read(store, count), 8 * 12 + 13);
        let sql = "SELECT CAST(SUM(repeats) AS BIGINT) FROM messages";
        let repeats = read(store, |tx| tx.query(sql, values![]))[0].int(0).expect("a number");
        assert_eq!(repeats, 7 * 13, "each repeat is counted");
    }

    fn two_counters_never_miss_a_step(store) {
        write(store, |tx| cases::absorb(tx, "k", "s", "d", at(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                std::thread::spawn(move || {
                    for _ in 0..10 {
                        write(&store, |tx| cases::absorb(tx, "k", "s", "d", at(1)));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(read(store, |tx| cases::absorbed(tx, 9))[0].times, 41);
    }

    fn submitted_work_is_durable_when_its_caller_hears_of_it(store) {
        let (sender, receiver) = mpsc::channel();
        for index in 0..20 {
            let sender = sender.clone();
            let name = format!("m{index}");
            store.submit(
                move |tx| if index == 7 { Err(fails()) } else { record(tx, &name).map(|_| ()) },
                move |outcome| sender.send((index, outcome.is_ok())).expect("a listener"),
            );
        }
        drop(sender);
        let mut failed = Vec::new();
        for (index, ok) in receiver {
            if !ok {
                failed.push(index);
            }
        }
        assert_eq!(failed, [7], "one failure undoes nobody else's work");
        assert_eq!(read(store, count), 19);
    }

    /// What nobody waits for may be sent later, but not done later than what comes next.
    fn what_is_written_is_there_for_what_comes_next(store) {
        write(store, |tx| {
            // More than is held at once.
            for number in 0_i64..600 {
                tx.write(PUT, values![1_000 + number, "x"])?;
            }
            assert_eq!(numbers(tx)?.len(), 600);
            tx.write("UPDATE migrations SET hash = 'y' WHERE number = $1", values![1_001_i64])?;
            let changed = tx.execute("DELETE FROM migrations WHERE hash = 'y'", values![])?;
            assert_eq!(changed, 1);
            tx.write(PUT, values![2_000_i64, "last"])
        });
        assert_eq!(read(store, numbers).len(), 600);
    }

    /// Whatever comes next says so, and nothing of the transaction is kept.
    fn a_write_that_is_refused_refuses_its_transaction(store) {
        let at_the_end = store.write(|tx| {
            tx.write(PUT, values![1_000_i64, "x"])?;
            tx.write(PUT, values![1_000_i64, "x"])?;
            tx.write(PUT, values![1_001_i64, "x"])
        });
        assert!(matches!(at_the_end, Err(StoreError::Conflict(_))), "{at_the_end:?}");
        let asked = store.write(|tx| {
            tx.write(PUT, values![1_000_i64, "x"])?;
            tx.write(PUT, values![1_000_i64, "x"])?;
            numbers(tx)
        });
        assert!(matches!(asked, Err(StoreError::Conflict(_))), "{asked:?}");
        let nothing = store.write(|tx| {
            tx.write(PUT, values![1_000_i64, "x"])?;
            let sql = "UPDATE migrations SET hash = 'y' WHERE number = $1";
            tx.write_or(sql, values![1_001_i64], "somebody was first".to_owned())
        });
        let said = |error: &StoreError| error.to_string().contains("somebody was first");
        assert!(matches!(&nothing, Err(error @ StoreError::Conflict(_)) if said(error)), "{nothing:?}");
        assert!(read(store, numbers).is_empty());
        write(store, |tx| tx.write(PUT, values![1_000_i64, "x"]));
        assert_eq!(read(store, numbers), [1_000]);
    }

    /// A unit that is refused is undone alone, also where nothing of it was waited for.
    fn a_write_that_is_refused_refuses_its_savepoint_alone(store) {
        write(store, |tx| {
            tx.write(PUT, values![1_000_i64, "before"])?;
            let refused = tx.savepoint(|tx| {
                tx.write(PUT, values![1_001_i64, "x"])?;
                tx.write(PUT, values![1_000_i64, "x"])
            });
            assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
            tx.write(PUT, values![1_002_i64, "between"])?;
            let given_up = tx.savepoint(|tx| {
                tx.write(PUT, values![1_003_i64, "x"])?;
                Err::<(), _>(fails())
            });
            assert!(matches!(given_up, Err(StoreError::Corrupt(_))), "{given_up:?}");
            let nothing = tx.savepoint(|tx| {
                let sql = "UPDATE migrations SET hash = 'y' WHERE number = $1";
                tx.write_or(sql, values![1_003_i64], "not there".to_owned())
            });
            assert!(matches!(nothing, Err(StoreError::Conflict(_))), "{nothing:?}");
            tx.savepoint(|tx| tx.write(PUT, values![1_004_i64, "after"]))
        });
        assert_eq!(read(store, numbers), [1_000, 1_002, 1_004]);
    }

    /// What was refused before a savepoint is no matter of that savepoint: whoever passes over the
    /// savepoint's failure has not done what came before it.
    fn what_was_refused_before_a_savepoint_is_not_passed_over_with_it(store) {
        let done = store.write(|tx| {
            tx.write(PUT, values![1_000_i64, "x"])?;
            tx.write(PUT, values![1_000_i64, "x"])?;
            let _ = tx.savepoint(|tx| tx.write(PUT, values![1_001_i64, "x"]));
            Ok(())
        });
        assert!(done.is_err(), "{done:?}");
        // Nor what had to change a row and changed none, which is no failure to the database.
        let done = store.write(|tx| {
            let none = "UPDATE migrations SET hash = 'y' WHERE number = $1";
            tx.write_or(none, values![1_003_i64], "no such row".to_owned())?;
            let _ = tx.savepoint(|tx| tx.write(PUT, values![1_001_i64, "x"]));
            // Who undoes one failure has not undone the other.
            let _ = tx.savepoint(|tx| {
                tx.write(PUT, values![1_004_i64, "x"])?;
                tx.write(PUT, values![1_004_i64, "x"])
            });
            Ok(())
        });
        assert!(matches!(done, Err(StoreError::Conflict(_))), "{done:?}");
        assert!(read(store, numbers).is_empty());
        write(store, |tx| tx.write(PUT, values![1_002_i64, "x"]));
        assert_eq!(read(store, numbers), [1_002]);
    }

    /// What a rehearsal does not say, nobody learns before it is done.
    fn a_rehearsal_finds_what_would_be_refused(store) {
        write(store, |tx| {
            tx.write(PUT, values![1_000_i64, "x"])?;
            let refused = tx.rehearse(|tx| tx.write(PUT, values![1_000_i64, "x"]));
            assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
            tx.rehearse(|tx| tx.write(PUT, values![1_001_i64, "x"]))
        });
        assert_eq!(read(store, numbers), [1_000]);
    }

    fn the_same_is_asked_of_each(store) {
        write(store, |tx| {
            for number in 0_i64..300 {
                tx.write(PUT, values![1_000 + number, format!("h{number}")])?;
            }
            let sql = "SELECT hash FROM migrations WHERE number = $1";
            let each: Vec<Vec<Value>> =
                (0_i64..301).rev().map(|number| values![1_000 + number].to_vec()).collect();
            let found = tx.query_each(sql, &each)?;
            let found: Vec<Option<String>> =
                found.iter().map(|rows| rows.first().map(|row| row.text(0)).transpose()).collect::<Result<_, _>>()?;
            let all = (0..300).rev().map(|number| Some(format!("h{number}")));
            assert_eq!(found, std::iter::once(None).chain(all).collect::<Vec<_>>());
            assert_eq!(tx.query_each(sql, &[])?.len(), 0);
            Ok(())
        });
    }

    fn migrations_run_twice_change_nothing(store) {
        write(store, |tx| record(tx, "a"));
        write(store, migrate::run);
        assert_eq!(read(store, count), 1);
    }

    fn a_database_of_another_version_is_refused(store) {
        write(store, |tx| tx.execute("UPDATE migrations SET hash = $1", values!["other"]));
        let refused = store.write(migrate::run);
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    }

    fn values_of_every_kind_come_back(store) {
        write(store, |tx| {
            let sql = "INSERT INTO streams (connection, stream, cursor, next_at, failures)
                VALUES ($1, $2, $3, $4, $5)";
            let nothing: Option<String> = None;
            tx.execute(sql, values!["c", "ü 'quoted' $1 ?1", nothing, i64::MAX, i64::MIN])
        });
        let row = read(store, |tx| {
            tx.query("SELECT stream, cursor, next_at, failures, connection FROM streams", values![])
        });
        assert_eq!(row[0].text(0).expect("a text"), "ü 'quoted' $1 ?1");
        assert_eq!(row[0].opt_text(1).expect("a text or none"), None);
        assert_eq!(row[0].int(2).expect("a number"), i64::MAX);
        assert_eq!(row[0].int(3).expect("a number"), i64::MIN);
        assert!(row[0].int(0).is_err() && row[0].text(1).is_err() && row[0].text(9).is_err());
        assert_eq!(read(store, streams::all).len(), 1);
    }
}

/// A decision reads documents and facts in one read; they must be of one moment.
fn a_read_sees_one_state(store: &Store) {
    write(store, |tx| record(tx, "a"));
    let other = store.clone();
    let (before, after) = read(store, move |tx| {
        let before = count(tx)?;
        let write = move || write(&other, |tx| record(tx, "b"));
        std::thread::spawn(write).join().expect("no panic");
        Ok((before, count(tx)?))
    });
    assert_eq!((before, after), (1, 1));
    assert_eq!(read(store, count), 2);
}

#[test]
fn a_read_of_a_file_sees_one_state() {
    let place = tempfile::tempdir().expect("a directory");
    a_read_sees_one_state(&engines::file(place.path()));
}

#[test]
fn a_read_of_postgres_sees_one_state() {
    if let Some(database) = engines::postgres() {
        a_read_sees_one_state(&database.store());
    }
}

#[test]
fn a_file_keeps_what_was_written_when_it_is_opened_again() {
    let place = tempfile::tempdir().expect("a directory");
    write(&engines::file(place.path()), |tx| record(tx, "a"));
    assert_eq!(read(&engines::file(place.path()), count), 1);
}

#[test]
fn postgres_keeps_what_was_written_when_it_is_opened_again() {
    let Some(database) = engines::postgres() else { return };
    write(&database.store(), |tx| record(tx, "a"));
    assert_eq!(read(&database.store(), count), 1);
}

/// Several processes start at once on a database that nobody has prepared.
#[test]
fn postgres_is_prepared_once_by_many() {
    let Some(database) = engines::postgres() else { return };
    let barrier = Arc::new(Barrier::new(6));
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (barrier, url) = (Arc::clone(&barrier), database.url.clone());
            std::thread::spawn(move || {
                barrier.wait();
                Store::open_postgres(&url).map(|store| read(&store, count))
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic").expect("opened"), 0);
    }
}

/// Work that waits together is committed together, and each sees the work before it.
#[test]
fn a_file_commits_in_groups() {
    let place = tempfile::tempdir().expect("a directory");
    let store = engines::file(place.path());
    let (started, wait_for_start) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();
    let first = sender.clone();
    store.submit(
        move |tx| {
            record(tx, "first")?;
            started.send(()).expect("a listener");
            wait.recv().expect("let go");
            Ok(())
        },
        move |outcome| first.send(outcome.is_ok()).expect("a listener"),
    );
    wait_for_start.recv().expect("started");
    // Nothing of it can be seen before its commit.
    assert_eq!(read(&store, count), 0);
    let seen = Arc::new(AtomicUsize::new(0));
    for index in 0..3_usize {
        let (seen, sender) = (Arc::clone(&seen), sender.clone());
        store.submit(
            move |tx| {
                let before = usize::try_from(count(tx)?).unwrap_or(0);
                seen.fetch_add(usize::from(before == index + 1), Ordering::Relaxed);
                record(tx, &format!("m{index}"))
            },
            move |outcome| sender.send(outcome.is_ok()).expect("a listener"),
        );
    }
    let_go.send(()).expect("a listener");
    drop(sender);
    assert_eq!(receiver.iter().filter(|ok| *ok).count(), 4);
    assert_eq!(seen.load(Ordering::Relaxed), 3);
    assert_eq!(read(&store, count), 4);
}

#[test]
fn a_crash_before_a_commit_keeps_nothing_and_after_it_everything() {
    for (fate, kept) in [(CommitFate::CrashBefore, 0), (CommitFate::CrashAfter, 1)] {
        let store = Store::in_memory().expect("a store");
        let mut next = Some(fate);
        store.set_fate(move || next.take().unwrap_or(CommitFate::Commit));
        let crashed = store.write(|tx| record(tx, "a"));
        assert!(matches!(crashed, Err(StoreError::Crashed)), "{crashed:?}");
        assert_eq!(read(&store, count), kept, "{fate:?}");
        write(&store, |tx| record(tx, "b"));
        assert_eq!(read(&store, count), kept + 1);
    }
}

/// The server goes away in the middle of a write, and with it every connection, as when another one
/// takes its place: nothing is half there, and the next write finds a connection by itself.
#[test]
fn c14_a_connection_that_is_cut_leaves_nothing_half_and_is_made_anew() {
    let Some(database) = engines::postgres() else { return };
    let store = database.store();
    let cut = store.write(|tx| {
        record(tx, "a")?;
        tx.query("SELECT pg_terminate_backend(pg_backend_pid())", values![])?;
        record(tx, "b")
    });
    assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{cut:?}");
    assert_eq!(read(&store, count), 0);
    // A connection that rested was cut, too: one write may learn of it, no more.
    database.cut_all();
    let first = store.write(|tx| record(tx, "a"));
    let second = store.write(|tx| record(tx, "a"));
    assert!(matches!(second, Ok(Recorded::Stored(_) | Recorded::Repeat(_))), "{second:?}");
    assert!(first.is_ok() || matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
    assert_eq!(read(&store, count), 1);
}

/// Nobody learns whether the commit was made: whoever does it again finds what is there.
#[test]
fn c14_a_commit_of_unknown_outcome_is_done_again_and_there_once() {
    for fate in [CommitFate::CrashBefore, CommitFate::CrashAfter] {
        let store = Store::in_memory().expect("a store");
        let mut next = Some(fate);
        store.set_fate(move || next.take().unwrap_or(CommitFate::Commit));
        assert!(store.write(|tx| record(tx, "a")).is_err());
        let again = write(&store, |tx| record(tx, "a"));
        let known = matches!(again, Recorded::Repeat(_));
        assert_eq!(known, matches!(fate, CommitFate::CrashAfter), "{again:?}");
        assert_eq!(read(&store, count), 1);
    }
}

/// A disk that is full, as SQLite says it: nothing is half there, those of one commit fail together,
/// and with room again it goes on without a restart.
#[test]
fn c8_a_full_disk_keeps_nothing_half_and_mends_by_itself() {
    let place = tempfile::tempdir().expect("a directory");
    let store = Store::open_sqlite(&place.path().join("trueup.sqlite")).expect("a store");
    write(&store, |tx| record(tx, "before"));
    let limit = |pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        write(&store, move |tx| tx.query(&sql, values![]));
    };
    let pages = read(&store, |tx| tx.query_one("PRAGMA page_count", values![])?.unwrap().int(0));
    limit(pages + 2);
    let body: String =
        (0..60_000_u32).map(|at| format!("{:08x}", at.wrapping_mul(2_654_435_761))).collect();
    let (sender, outcomes) = mpsc::channel();
    for index in 0..20 {
        let (sender, body) = (sender.clone(), body.clone());
        let work = move |tx: &mut Tx<'_>| {
            // One of a few small ones beside the large.
            let body = if index % 4 == 3 { body.as_str() } else { "small" };
            messages::record(tx, &message(&format!("m{index}"), body), at(0))
        };
        store.submit(work, move |outcome| drop(sender.send((index, outcome.map(|_| ())))));
    }
    drop(sender);
    let outcomes: Vec<(usize, Result<(), StoreError>)> = outcomes.iter().collect();
    let full = outcomes.iter().filter(
        |(_, outcome)| matches!(outcome, Err(StoreError::Unavailable(why)) if why.contains("full")),
    );
    assert!(full.count() >= 5, "{outcomes:?}");
    assert_eq!(store.damage(), None, "a full disk is no damage");
    let stored = read(&store, |tx| {
        let names = tx.query("SELECT source_id FROM messages ORDER BY source_id", values![])?;
        names.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()
    });
    for (index, outcome) in &outcomes {
        let there = stored.contains(&format!("m{index}"));
        assert_eq!(outcome.is_ok(), there, "m{index}: {outcome:?}");
    }
    limit(pages + 10_000);
    for index in 0..20 {
        write(&store, move |tx| record(tx, &format!("m{index}")));
    }
    assert!(read(&store, count) >= 21);
}

/// Whoever opens a file after its store was dropped finds nobody in it: its log is written back.
#[test]
fn a_file_is_closed_when_its_store_is_dropped() {
    let place = tempfile::tempdir().expect("a directory");
    for round in 0..20 {
        let path = place.path().join(format!("{round}.sqlite"));
        let store = Store::open_sqlite(&path).expect("a store");
        for index in 0..20 {
            write(&store, move |tx| record(tx, &format!("m{index}")));
        }
        drop(store);
        let log = place.path().join(format!("{round}.sqlite-wal"));
        assert!(!log.exists(), "round {round}");
    }
}

/// A file of which a page is spoiled is not written to any more, whoever finds it.
#[test]
fn c10_a_spoiled_page_that_is_read_ends_all_writing() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("trueup.sqlite");
    let store = Store::open_sqlite(&path).expect("a store");
    for index in 0..400 {
        write(&store, move |tx| record(tx, &format!("m{index}")));
    }
    drop(store);
    let connection = rusqlite::Connection::open(&path).expect("a file");
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .expect("written back");
    assert_eq!(busy, 0);
    let sql = "SELECT rootpage FROM sqlite_master WHERE name = 'messages'";
    let root: i64 = connection.query_row(sql, [], |row| row.get(0)).expect("a table");
    drop(connection);
    let mut bytes = std::fs::read(&path).expect("a file");
    let page = usize::try_from((root - 1) * 4096).expect("small");
    bytes[page..page + 4096].fill(0xA5);
    std::fs::write(&path, &bytes).expect("spoiled");

    let store = Store::open_sqlite(&path).expect("the first pages are well");
    let found = store.read(|tx| tx.query("SELECT body FROM messages", values![]));
    assert!(matches!(found, Err(StoreError::Damaged(_))), "{found:?}");
    assert!(store.damage().is_some());
    let refused = store.write(|tx| streams::ask(tx, "shop", "order", "1", at(0)));
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}

/// However much a process has to do at once, it has so many sessions: the rest waits, and is done.
#[test]
fn c16_in_postgres_what_finds_no_session_waits_for_one() {
    let Some(database) = engines::postgres() else { return };
    let store = database.store();
    let all: Vec<_> = (0..60_i64)
        .map(|number| {
            let store = store.clone();
            let slowly = move |tx: &mut Tx<'_>| {
                tx.query("SELECT CAST(pg_sleep(0.1) AS TEXT)", values![])?;
                tx.write(PUT, values![1_000 + number, "x"])
            };
            std::thread::spawn(move || store.write(slowly))
        })
        .collect();
    let mut most = 0;
    while all.iter().any(|thread| !thread.is_finished()) {
        most = most.max(database.sessions("%"));
    }
    for thread in all {
        thread.join().expect("no panic").expect("done");
    }
    assert!((2..=16).contains(&most), "{most} sessions");
    assert_eq!(read(&store, numbers).len(), 60);
}

/// Nobody waits for the end of a transaction that only read, but it ends: a session that is left in one
/// keeps the database from cleaning up after everybody.
#[test]
fn c16_in_postgres_who_has_only_read_is_not_left_in_a_transaction() {
    let Some(database) = engines::postgres() else { return };
    let store = database.store();
    let all: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || read(&store, numbers))
        })
        .collect();
    for thread in all {
        thread.join().expect("no panic");
    }
    let waited = std::time::Instant::now();
    while database.sessions("idle in transaction%") > 0 {
        assert!(waited.elapsed().as_secs() < 5, "a session is left in its transaction");
    }
    assert!(database.sessions("idle") > 0, "it is kept for the next one");
    read(&store, numbers);
    write(&store, |tx| tx.write(PUT, values![1_000_i64, "x"]));
}

/// Whoever comes has his turn before those who come again: a lease is renewed in time, however much
/// comes in at the front door.
#[test]
fn c16_in_postgres_sessions_are_had_in_turn() {
    const BUSY: usize = 40;
    let Some(database) = engines::postgres() else { return };
    let store = database.store();
    let (begun, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = |begun: &Arc<AtomicUsize>| {
        let begun = Arc::clone(begun);
        move |tx: &mut Tx<'_>| {
            begun.fetch_add(1, Ordering::SeqCst);
            tx.query("SELECT CAST(pg_sleep(0.01) AS TEXT)", values![]).map(drop)
        }
    };
    let all: Vec<_> = (0..BUSY)
        .map(|_| {
            let (store, begun, over) = (store.clone(), Arc::clone(&begun), Arc::clone(&over));
            std::thread::spawn(move || {
                while over.load(Ordering::SeqCst) == 0 {
                    store.write(work(&begun)).expect("done");
                }
            })
        })
        .collect();
    // All of them have been here, and more than a few wait.
    while begun.load(Ordering::SeqCst) < 4 * BUSY {
        std::thread::yield_now();
    }
    let mut most = 0;
    for _ in 0..20 {
        let before = begun.load(Ordering::SeqCst);
        let at_last = write(&store, {
            let begun = Arc::clone(&begun);
            move |_| Ok(begun.load(Ordering::SeqCst))
        });
        most = most.max(at_last - before);
    }
    over.store(1, Ordering::SeqCst);
    for thread in all {
        thread.join().expect("no panic");
    }
    assert!(most <= 2 * BUSY, "{most} came before who had come first");
}

/// PostgreSQL ends a transaction of which something failed without another word: whoever passes over the
/// failure must not be told that it is done.
#[test]
fn in_postgres_a_failure_that_is_passed_over_is_no_success() {
    let Some(database) = engines::postgres() else { return };
    let store = database.store();
    for sql in ["SELECT 1 / 0", "SELECT nothing FROM nowhere"] {
        let done = store.write(move |tx| {
            tx.write(PUT, values![1_000_i64, "x"])?;
            let _ = tx.query(sql, values![]);
            Ok(())
        });
        assert!(matches!(done, Err(StoreError::Unavailable(_))), "{sql}: {done:?}");
        assert!(read(&store, numbers).is_empty());
    }
    write(&store, |tx| {
        assert!(tx.savepoint(|tx| tx.query("SELECT 1 / 0", values![])).is_err());
        tx.write(PUT, values![1_001_i64, "undone alone"])
    });
    assert_eq!(read(&store, numbers), [1_001]);
}
