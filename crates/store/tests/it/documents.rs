//! Documents and the roots they raise.

use trueup_domain::document::{Document, Kind, RootKind};
use trueup_store::documents::{self, DueRoot, Standing};
use trueup_store::{SHARDS, StoreError};

use crate::engines::on_every_engine;
use crate::world::{at, ledger_row, payment, read, stored, write};

fn due(store: &trueup_store::Store) -> Vec<DueRoot> {
    write(store, |tx| documents::take_due(tx, 0, SHARDS, 100))
}

fn standing(number: &str, waiting: Option<&str>) -> Standing {
    Standing {
        number: number.to_owned(),
        state: "paid".to_owned(),
        day: Some("2026-06-01".to_owned()),
        amount: Some(1000),
        currency: Some("EUR".to_owned()),
        entity: Some("nl".to_owned()),
        waiting: waiting.map(str::to_owned),
        mapping_version: None,
    }
}

fn put(store: &trueup_store::Store, document: Document) {
    write(store, move |tx| {
        let message = stored(tx, "m1")?;
        let known = documents::known(tx, "shop", document.kind(), document.external_id())?;
        let before = known.as_ref().map(|known| known.message.as_str());
        documents::put(tx, "shop", &document, &message, before, at(1))
    });
}

on_every_engine! {
    fn the_newest_statement_replaces_the_older_whole(store) {
        put(store, payment("p1", "o1", 1));
        put(store, payment("p1", "o1", 2));
        let known = read(store, |tx| documents::known(tx, "shop", Kind::Payment, "p1")).expect("known");
        assert_eq!(known.version, Some(2));
        assert_eq!(known.content_hash, documents::content_hash(&payment("p1", "o1", 2)));
        assert_eq!(known.received_at, at(0));
        assert!(read(store, |tx| documents::known(tx, "other", Kind::Payment, "p1")).is_none());
        assert!(read(store, |tx| documents::known(tx, "shop", Kind::Order, "p1")).is_none());
        put(store, ledger_row("r1"));
        let row = read(store, |tx| documents::known(tx, "shop", Kind::LedgerRow, "r1"));
        assert_eq!(row.expect("known").version, None, "ledger rows have no version");
        let all = read(store, |tx| documents::of_kind(tx, "shop", Kind::Payment));
        assert_eq!(all, [payment("p1", "o1", 2)]);
    }

    fn c6_a_statement_that_was_compared_with_another_is_not_put(store) {
        put(store, payment("p1", "o1", 1));
        for before in [None, Some("another")] {
            let outcome = store.write(move |tx| {
                let message = stored(tx, "m2")?;
                documents::put(tx, "shop", &payment("p1", "o1", 2), &message, before, at(2))
            });
            assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}");
        }
        let known = read(store, |tx| documents::known(tx, "shop", Kind::Payment, "p1"));
        assert_eq!(known.expect("known").version, Some(1));
        assert!(!read(store, |tx| documents::any_due(tx, 0, 0)));
    }

    fn the_documents_of_a_sale_share_one_root(store) {
        put(store, payment("p2", "o1", 1));
        put(store, payment("p1", "o1", 1));
        put(store, payment("p3", "o2", 1));
        let roots = due(store);
        let mut names: Vec<(&str, i64)> =
            roots.iter().map(|root| (root.id.as_str(), root.arrived)).collect();
        names.sort_unstable();
        assert_eq!(names, [("shop/sale/o1", 2), ("shop/sale/o2", 1)]);
        assert!(roots.iter().all(|root| root.root.kind == RootKind::Sale));
        let of_root = read(store, |tx| documents::of_root(tx, "shop/sale/o1"));
        let documents: Vec<Document> = of_root.into_iter().map(|(document, _)| document).collect();
        assert_eq!(documents, [payment("p1", "o1", 1), payment("p2", "o1", 1)], "in one order");
    }

    fn c25_the_same_number_at_two_shops_is_two_roots(store) {
        write(store, |tx| {
            let message = stored(tx, "m1")?;
            documents::put(tx, "shop", &payment("5001", "1001", 1), &message, None, at(1))?;
            documents::put(tx, "other", &payment("5001", "1001", 7), &message, None, at(1))
        });
        let mut names: Vec<String> = due(store).into_iter().map(|root| root.id).collect();
        names.sort();
        assert_eq!(names, ["other/sale/1001", "shop/sale/1001"]);
        let known = read(store, |tx| documents::known(tx, "shop", Kind::Payment, "5001"));
        assert_eq!(known.expect("known").version, Some(1));
    }

    fn what_arrives_during_a_decision_leaves_its_root_due(store) {
        put(store, payment("p1", "o1", 1));
        let taken = due(store).pop().expect("due");
        assert_eq!(taken.attempts, 0);
        put(store, payment("p2", "o1", 1));
        let root = taken.clone();
        write(store, move |tx| documents::decided(tx, &root, &standing("#1", None), at(2)));
        assert!(read(store, |tx| documents::any_due(tx, 0, SHARDS)));
        let again = due(store).pop().expect("due again");
        assert_eq!((again.arrived, again.attempts), (2, 0), "a decision clears the attempts");
        let root = again.clone();
        write(store, move |tx| documents::decided(tx, &root, &standing("#2", None), at(3)));
        assert!(!read(store, |tx| documents::any_due(tx, 0, SHARDS)));
        // A decision about an older state comes too late.
        write(store, move |tx| documents::decided(tx, &taken, &standing("#old", None), at(4)));
        let shown = read(store, |tx| documents::find_root(tx, "shop/sale/o1")).expect("a root");
        assert_eq!(shown.number, "#2");
    }

    fn a_mapping_that_was_taken_off_during_a_decision_stays_off(store) {
        let by = |version| Standing { mapping_version: version, ..standing("#1", None) };
        let pinned = || read(store, |tx| documents::find_root(tx, "shop/sale/o1")).expect("a root").mapping_version;
        let root = || vec!["shop/sale/o1".to_owned()];
        put(store, payment("p1", "o1", 1));
        let taken = due(store).pop().expect("due");
        write(store, move |tx| documents::decided(tx, &taken, &by(Some(1)), at(2)));
        assert_eq!(pinned(), Some(1));
        assert_eq!(write(store, move |tx| documents::take_up_again(tx, &root())), 1);
        let taken = due(store).pop().expect("due");
        write(store, move |tx| documents::unpin(tx, &root()));
        write(store, move |tx| documents::decided(tx, &taken, &by(Some(1)), at(3)));
        assert_eq!(pinned(), None);
        write(store, move |tx| documents::take_up_again(tx, &root()));
        let taken = due(store).pop().expect("due");
        write(store, move |tx| documents::decided(tx, &taken, &by(Some(2)), at(4)));
        assert_eq!(pinned(), Some(2));
        let shown = read(store, |tx| documents::root_of(tx, "shop", "payment", "p1"));
        assert_eq!(shown.as_deref(), Some("shop/sale/o1"));
        let in_force = read(store, |tx| documents::in_force(tx, "shop", ("", ""), 10));
        assert_eq!(in_force.iter().map(|it| it.external_id.as_str()).collect::<Vec<_>>(), ["p1"]);
        let after = read(store, |tx| documents::in_force(tx, "shop", ("payment", "p1"), 10));
        assert_eq!(after, []);
    }

    fn c4_attempts_of_a_root_are_counted_before_the_work(store) {
        put(store, payment("p1", "o1", 1));
        let attempts: Vec<i64> = (0..3).flat_map(|_| due(store)).map(|root| root.attempts).collect();
        assert_eq!(attempts, [0, 1, 2]);
    }

    fn waiting_keeps_its_age_until_it_ends(store) {
        put(store, payment("p1", "o1", 1));
        let decide = |waiting: Option<&'static str>, seconds: i64| {
            put(store, payment("p1", "o1", seconds));
            let root = due(store).pop().expect("due");
            write(store, move |tx| {
                documents::decided(tx, &root, &standing("#1", waiting), at(seconds))
            });
            let shown = read(store, |tx| documents::find_root(tx, "shop/sale/o1")).expect("a root");
            (shown.waiting, shown.waiting_since)
        };
        let since = Some(at(10).as_microsecond());
        assert_eq!(decide(Some("payments"), 10), (Some("payments".to_owned()), since));
        assert_eq!(decide(Some("mapping"), 20), (Some("mapping".to_owned()), since));
        assert_eq!(write(store, |tx| documents::raise_waiting(tx, "shop")), 1);
        assert_eq!(write(store, |tx| documents::raise_waiting(tx, "other")), 0);
        assert_eq!(due(store).len(), 1);
        assert_eq!(decide(None, 30), (None, None));
        assert_eq!(decide(Some("order"), 40), (Some("order".to_owned()), Some(at(40).as_microsecond())));
    }

    /// However many wait: who was not asked for longest comes first, and a mapping is asked of nobody.
    fn each_that_waits_is_asked_for_in_turn(store) {
        for (order, waiting) in [("o1", "mapping"), ("o2", "order"), ("o3", "payments")] {
            put(store, payment(&format!("p-{order}"), order, 1));
            let root = due(store).pop().expect("due");
            write(store, move |tx| {
                documents::decided(tx, &root, &standing("#1", Some(waiting)), at(10))
            });
        }
        let asked = |before: i64, now: i64| {
            let taken =
                write(store, move |tx| documents::take_unasked(tx, at(before), at(now), 1));
            taken.into_iter().map(|root| root.external_id).collect::<Vec<_>>()
        };
        assert_eq!(asked(9, 100), [""; 0], "not yet");
        assert_eq!(asked(10, 100), ["o2"]);
        assert_eq!(asked(10, 100), ["o3"]);
        assert_eq!(asked(10, 101), [""; 0], "both were asked for");
        assert_eq!(asked(100, 200), ["o2"]);
        assert_eq!(asked(90, 150), ["o2"], "what a clock that ran ahead has asked was not");
        let kept = read(store, |tx| documents::find_root(tx, "shop/sale/o2")).expect("a root");
        assert_eq!(kept.waiting_since, Some(at(10).as_microsecond()));
    }

    fn sales_are_found_by_what_people_type(store) {
        for (order, number) in [("o1", "#A1001"), ("o2", "#B1002"), ("o3", "50%_off")] {
            put(store, payment("p", order, 1));
            put(store, payment(&format!("p{order}"), order, 1));
            for root in due(store).into_iter().filter(|root| root.root.external_id == order) {
                write(store, move |tx| documents::decided(tx, &root, &standing(number, None), at(2)));
            }
        }
        let found = |text: &str| -> Vec<String> {
            let text = text.to_owned();
            let sales = read(store, |tx| documents::search_sales(tx, &text, 10));
            sales.into_iter().map(|sale| sale.external_id).collect()
        };
        assert_eq!(found("100"), ["o1", "o2"]);
        assert_eq!(found("#A1001"), ["o1"]);
        assert_eq!(found("#a1001"), ["o1"], "in any case, on any engine");
        assert_eq!(found("o2"), ["o2"], "by the source's id");
        assert_eq!(found("shop/sale/o2"), ["o2"], "by its root");
        assert_eq!(found("nothing"), [""; 0]);
        let days = read(store, |tx| documents::sales_between(tx, "2026-06-01", "2026-06-01"));
        assert_eq!(days.len(), 3);
        assert!(read(store, |tx| documents::sales_between(tx, "2026-06-02", "2026-06-09")).is_empty());
    }

    /// A name that a hostile shop sends must not stop the stage (one engine refuses zero bytes).
    fn texts_with_a_zero_byte_are_kept(store) {
        put(store, payment("p1", "o1", 1));
        let root = due(store).pop().expect("due");
        write(store, move |tx| documents::decided(tx, &root, &standing("#1\u{0}2", None), at(2)));
        let shown = read(store, |tx| documents::find_root(tx, "shop/sale/o1")).expect("a root");
        assert!(shown.number.starts_with("#1") && shown.number.ends_with('2'), "{:?}", shown.number);
    }
}
