//! The idempotent receiver.

use trueup_store::messages::{self, Fate, NewMessage, Origin, Received, Recorded, Wanted};
use trueup_store::{SHARDS, Store, StoreError};

use crate::engines::on_every_engine;
use crate::world::{at, message, read, write};

fn read_of(body: &str, asked: i64) -> NewMessage {
    NewMessage {
        origin: Origin::Poll,
        asked_at: Some(at(asked)),
        headers: String::new(),
        ..message("order/1", body)
    }
}

fn take(store: &Store, from: i64, to: i64, limit: i64) -> Vec<Received> {
    let taken = write(store, move |tx| messages::take(tx, from, to, limit));
    taken.iter().map(|message| message.unpack().expect("as it was packed")).collect()
}

on_every_engine! {
    fn a1_a_delivery_is_stored_once(store) {
        let once = message("d1", "{\"total\":1}");
        let (first, again) = (once.clone(), once);
        let stored = write(store, move |tx| messages::record(tx, &first, at(0)));
        let Recorded::Stored(id) = stored else { panic!("{stored:?}") };
        let repeat = write(store, move |tx| messages::record(tx, &again, at(5)));
        assert_eq!(repeat, Recorded::Repeat(id.clone()));
        let shown = read(store, |tx| messages::find(tx, &id)).expect("stored");
        assert_eq!(shown.repeats, 1);
        assert_eq!(shown.received_at, at(0), "the first one counts");
        let counts = read(store, messages::counts);
        assert_eq!(counts, [("shop".to_owned(), "received".to_owned(), 1, at(0).as_microsecond())]);
    }

    fn a2_the_same_id_with_another_body_is_another_message(store) {
        let stored = write(store, |tx| {
            let first = messages::record(tx, &message("d1", "a"), at(0))?;
            let second = messages::record(tx, &message("d1", "b"), at(1))?;
            let elsewhere = NewMessage { connection: "other".to_owned(), ..message("d1", "a") };
            Ok([first, second, messages::record(tx, &elsewhere, at(2))?])
        });
        assert!(stored.iter().all(|one| matches!(one, Recorded::Stored(_))), "{stored:?}");
    }

    /// What is known of an object that was read once more, and of its readings that could not be read.
    fn what_could_not_be_read_is_known_to_be_read_since(store) {
        let ids: Vec<String> = ["A", "B"].iter().zip(1..).map(|(body, seconds)| {
            let one = read_of(body, seconds);
            write(store, move |tx| messages::record_read(tx, &one, at(seconds)));
            read(store, |tx| messages::newest(tx, "shop", 1)).remove(0).id
        }).collect();
        let (first, last) = (ids[0].clone(), ids[1].clone());
        let since = |id: &str| read(store, |tx| messages::is_read_since(tx, id));
        write(store, move |tx| messages::finish(tx, &first, Fate::Failed, None));
        assert!(!since(&ids[0]), "the later one is not decoded yet");
        write(store, move |tx| messages::finish(tx, &last, Fate::Decoded, None));
        assert!(since(&ids[0]));
        assert!(!since(&ids[1]));
        assert_eq!(read(store, |tx| messages::unreadable_before(tx, &[&ids[1]])), ids[..1]);
    }

    fn a_read_is_stored_when_the_object_changed(store) {
        for (body, stored) in [("A", true), ("A", false), ("B", true), ("A", true), ("A", false)] {
            let one = read_of(body, 3);
            assert_eq!(write(store, move |tx| messages::record_read(tx, &one, at(4))), stored, "{body}");
        }
        let taken = take(store, 0, SHARDS, 10);
        let mut bodies: Vec<Vec<u8>> = taken.iter().map(|one| one.body.clone()).collect();
        bodies.sort();
        assert_eq!(bodies, [b"A".to_vec(), b"A".to_vec(), b"B".to_vec()]);
        assert!(taken.iter().all(|one| one.asked_at == Some(at(3)) && one.origin == "poll"));
    }

    fn c4_attempts_are_counted_before_the_work(store) {
        write(store, |tx| {
            for index in 0..3_i64 {
                let name = format!("d{index}");
                messages::record(tx, &message(&name, &name), at(10 - index))?;
            }
            Ok(())
        });
        let first = take(store, 0, SHARDS, 2);
        let order: Vec<&[u8]> = first.iter().map(|one| one.body.as_slice()).collect();
        assert_eq!(order, [b"d2", b"d1"], "the oldest first");
        assert!(first.iter().all(|one| one.attempts == 0));
        let again = take(store, 0, SHARDS, 10);
        let attempts: Vec<i64> = again.iter().map(|one| one.attempts).collect();
        assert_eq!(attempts, [1], "a crash leaves its trace, and what it left is taken alone");
        write(store, |tx| {
            for name in ["d1", "d2"] {
                let stored = messages::record(tx, &message(name, name), at(20))?;
                let Recorded::Repeat(id) = stored else { panic!("it is there") };
                messages::finish(tx, &id, Fate::Decoded, None)?;
            }
            Ok(())
        });
        let rest = take(store, 0, SHARDS, 10);
        assert_eq!(rest.iter().map(|one| one.attempts).collect::<Vec<_>>(), [0]);
        let id = rest[0].id.clone();
        let failed = id.clone();
        write(store, move |tx| {
            messages::finish(tx, &failed, Fate::Failed, Some(("TU201", "no".to_owned())))
        });
        let retry = || {
            let id = id.clone();
            write(store, move |tx| messages::retry(tx, &id))
        };
        assert!(retry(), "a person lets it be tried again");
        assert!(!retry(), "it is due already");
        let again = take(store, 0, SHARDS, 10).remove(0);
        assert!(again.again && again.attempts == 0, "with all its attempts");
    }

    fn messages_of_the_past_are_selected_and_taken_up_again(store) {
        let kinds = [("d1", "orders/paid", 1), ("d2", "orders", 2), ("d3", "orders_x/paid", 3)];
        for (id, kind, seconds) in kinds {
            let one = NewMessage { kind: kind.to_owned(), ..message(id, id) };
            write(store, move |tx| messages::record(tx, &one, at(seconds)));
        }
        let found = |wanted: &Wanted<'_>, after: (i64, &str)| {
            let page = read(store, |tx| messages::of_the_past(tx, wanted, after, 10));
            page.into_iter().map(|past| (past.message.kind, past.message.id)).collect::<Vec<_>>()
        };
        let first = (i64::MIN, "");
        let all = Wanted { connection: "shop", ..Wanted::default() };
        assert_eq!(found(&all, first), [], "what waits to be decoded is not of the past");
        let ids: Vec<String> = take(store, 0, SHARDS, 10).into_iter().map(|one| one.id).collect();
        for id in ids.clone() {
            write(store, move |tx| messages::finish(tx, &id, Fate::Decoded, None));
        }
        let kinds = |wanted: &Wanted<'_>| {
            found(wanted, first).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(&all), ["orders/paid", "orders", "orders_x/paid"]);
        assert_eq!(kinds(&Wanted { kind: "orders", ..all.clone() }), ["orders/paid", "orders"]);
        assert_eq!(kinds(&Wanted { from: Some(at(2)), before: Some(at(3)), ..all.clone() }), ["orders"]);
        assert_eq!(kinds(&Wanted { connection: "other", ..all.clone() }), [""; 0]);
        let (_, second) = found(&all, first).remove(1);
        assert_eq!(found(&all, (at(2).as_microsecond(), &second))[0].0, "orders_x/paid");

        let again = vec![second.clone(), "unknown".to_owned()];
        assert_eq!(write(store, move |tx| messages::take_up_again(tx, &again)), 1);
        let again = vec![second.clone()];
        assert_eq!(write(store, move |tx| messages::take_up_again(tx, &again)), 0, "it waits");
        let taken = take(store, 0, SHARDS, 10);
        assert_eq!(taken.iter().map(|one| (&one.id, one.again)).collect::<Vec<_>>(), [(&second, true)]);
        assert_eq!(read(store, messages::connections), ["shop"]);
    }

    fn what_is_rehearsed_is_undone(store) {
        write(store, |tx| messages::record(tx, &message("d1", "a"), at(0)));
        let (inside, failed) = write(store, |tx| {
            let inside = tx.rehearse(|tx| {
                messages::record(tx, &message("d2", "b"), at(0))?;
                messages::counts(tx)
            })?;
            let failed = tx.rehearse::<()>(|_| Err(StoreError::Conflict("as it is".to_owned())));
            Ok((inside, failed))
        });
        assert_eq!(inside[0].2, 2);
        assert!(matches!(failed, Err(StoreError::Conflict(why)) if why == "as it is"));
        assert_eq!(read(store, messages::counts)[0].2, 1);
    }

    fn a_message_is_in_exactly_one_state(store) {
        let ids = write(store, |tx| {
            let mut ids = Vec::new();
            for name in ["a", "b", "c", "d"] {
                ids.push(match messages::record(tx, &message(name, name), at(0))? {
                    Recorded::Stored(id) | Recorded::Repeat(id) => id,
                });
            }
            Ok(ids)
        });
        assert!(read(store, |tx| messages::any_due(tx, 0, SHARDS)));
        let done = ids.clone();
        write(store, move |tx| {
            let fates = [Fate::Decoded, Fate::Hinted, Fate::Ignored, Fate::Failed];
            for (id, fate) in done.iter().zip(fates) {
                let error = (fate == Fate::Failed).then(|| ("TU201", "cut off".to_owned()));
                messages::finish(tx, id, fate, error)?;
            }
            Ok(())
        });
        assert!(!read(store, |tx| messages::any_due(tx, 0, SHARDS)));
        assert_eq!(read(store, messages::counts).iter().map(|one| one.2).sum::<i64>(), 4);
        let failed = read(store, |tx| messages::find(tx, &ids[3])).expect("stored");
        assert_eq!((failed.state.as_str(), failed.error_code.as_deref()), ("failed", Some("TU201")));
        assert!(take(store, 0, SHARDS, 10).is_empty());
        assert!(read(store, |tx| messages::find(tx, "nothing")).is_none());
    }

    fn bodies_come_back_byte_for_byte(store) {
        let long: Vec<u8> = (0..100_000_u32).map(|index| (index % 7) as u8).collect();
        for body in [Vec::new(), vec![0], vec![1, 0, 255], long.clone(), long[..256].to_vec()] {
            let one = NewMessage { body: body.clone(), ..message("x", "") };
            let recorded = write(store, move |tx| messages::record(tx, &one, at(0)));
            let Recorded::Stored(id) = recorded else { panic!("{recorded:?}") };
            assert_eq!(read(store, |tx| messages::find(tx, &id)).expect("stored").body, body);
        }
    }

    fn shards_share_the_messages_without_overlap(store) {
        write(store, |tx| {
            for index in 0..50 {
                let name = format!("d{index}");
                messages::record(tx, &message(&name, &name), at(0))?;
            }
            Ok(())
        });
        let mut seen = Vec::new();
        for from in (0..SHARDS).step_by(16) {
            let part = take(store, from, from + 16, 100);
            seen.extend(part.into_iter().map(|one| one.id));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 50);
    }
}
