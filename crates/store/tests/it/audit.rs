//! What was done is recorded once, and sealed in one chain by whoever is first.

use trueup_domain::audit::Verifier;
use trueup_store::audit::{self, DECISION, Done, EFFECT, MAPPING};
use trueup_store::decisions::{self, Decision};
use trueup_store::{Store, StoreError, Tx, commands, values};

use crate::commands::{ROOT, apply, between, chain, key};
use crate::engines::on_every_engine;
use crate::world::{at, decide, read, stored, write};

/// A decision of a person, which is a message.
fn decided(tx: &mut Tx<'_>, name: &str, seconds: i64) -> Result<(), StoreError> {
    let decision = Decision {
        message: stored(tx, name)?,
        about: "case".to_owned(),
        kind: "close".to_owned(),
        person: "ann".to_owned(),
        reason: "seen".to_owned(),
        assignee: String::new(),
        made_at: at(seconds),
    };
    decisions::record(tx, &decision)
}

/// The length of the chain, which holds.
fn whole(store: &Store) -> i64 {
    let mut verifier = Verifier::default();
    for record in read(store, |tx| audit::sealed(tx, 0, 99)) {
        verifier.next(&record).expect("holds");
    }
    verifier.end().expect("whole").0
}

on_every_engine! {
    fn i9_what_is_done_is_recorded_once_and_sealed_in_order(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let order = key("order", "1", 1);
        apply(store, &order, "sale.order/1");
        // Said to be applied once more, it was done once.
        let again = order.clone();
        write(store, move |tx| commands::applied(tx, &again, "sale.order/1", None, at(9)));
        write(store, |tx| decided(tx, "d1", 5));
        assert_eq!(read(store, audit::unrecorded), [""; 0]);
        assert!(read(store, audit::any_unsealed));
        assert_eq!(write(store, |tx| audit::seal_next(tx, 1)), 1);
        assert_eq!(write(store, |tx| audit::seal_next(tx, 9)), 1);
        assert_eq!(write(store, |tx| audit::seal_next(tx, 9)), 0);
        assert_eq!(whole(store), 2);
        let newest = read(store, |tx| audit::newest(tx, i64::MAX, 9));
        let numbers: Vec<i64> = newest.iter().map(|record| record.number).collect();
        assert_eq!(numbers, [2, 1]);
        assert_eq!(read(store, |tx| audit::newest(tx, 2, 9)), newest[1..]);
        assert_eq!(read(store, |tx| audit::sealed(tx, 1, 9)), newest[..1]);
        assert_eq!(read(store, audit::head), (2, newest[0].seal.clone()));
        // Each rests on something that is there.
        for record in &newest {
            let (kind, subject) = (record.kind.as_str(), record.subject.as_str());
            let basis = read(store, |tx| audit::basis(tx, kind, subject)).expect("a basis");
            assert!(record.detail.contains(&basis), "{record:?}");
            assert_eq!(read(store, |tx| audit::basis(tx, kind, "nothing")), None);
        }
        assert_eq!(read(store, |tx| audit::basis(tx, MAPPING, "shop/1")), None);
    }

    fn i9_what_is_not_recorded_is_told(store) {
        write(store, |tx| {
            let done = Done { kind: "month_end", subject: "shop", person: "ann", detail: () };
            audit::record(tx, &done, at(0))
        });
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        apply(store, &key("order", "1", 1), "sale.order/1");
        write(store, |tx| decided(tx, "d1", 5));
        write(store, |tx| {
            tx.execute(
                "INSERT INTO mappings (connection, version, body, author, reason, effective_from,
                     approved_at) VALUES ('shop', 7, '{}', 'ann', '', '', $1)",
                values![at(6).as_microsecond()],
            )?;
            tx.execute("DELETE FROM audit WHERE kind <> 'month_end'", values![])
        });
        let found = read(store, audit::unrecorded);
        let kinds: Vec<&str> =
            found.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(kinds, [DECISION, MAPPING, EFFECT], "{found:?}");
        assert!(found[1].contains("shop/7"), "{found:?}");
    }
}

/// Who seals while somebody else does takes nothing of his place, and the chain stays one.
#[test]
fn i9_in_postgres_of_two_who_seal_at_once_one_does() {
    let Some(database) = crate::engines::postgres() else { return };
    let store = database.store();
    write(&store, |tx| decided(tx, "d1", 1));
    let lost = between(
        &store,
        |tx| audit::seal_next(tx, 9),
        |store| {
            // One that the first does not see, and that was done before what it seals.
            write(store, |tx| decided(tx, "d0", 0));
            store.write(|tx| audit::seal_next(tx, 9))
        },
    );
    assert!(matches!(lost, Err(StoreError::Conflict(_))), "{lost:?}");
    assert_eq!(whole(&store), 1);
    assert_eq!(write(&store, |tx| audit::seal_next(tx, 9)), 1);
    assert_eq!(whole(&store), 2);
}
