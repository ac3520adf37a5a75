//! Facts, journal lines and items.

use trueup_domain::fact::{Change, FactContent, FactKey};
use trueup_domain::item::{ItemKind, Side};
use trueup_store::facts;

use crate::engines::on_every_engine;
use crate::world::{decide, entry, fact, item, place, read, write};

const ROOT: &str = "shop/sale/o1";

fn sold(minor: i64) -> Vec<trueup_domain::fact::Fact> {
    vec![fact("sale", "A1", FactContent::Entry(entry(minor)))]
}

/// Net by role.
fn balances(store: &trueup_store::Store) -> Vec<(String, String, i64)> {
    let all = read(store, facts::balances);
    all.into_iter().map(|one| (one.role, one.qualifier, one.amount)).collect()
}

fn generation(store: &trueup_store::Store, kind: &str) -> (u32, bool) {
    let written = read(store, |tx| facts::written(tx, ROOT));
    let one = written.into_iter().find(|one| one.key.kind == kind).expect("written");
    (one.generation, one.live)
}

on_every_engine! {
    fn a_changed_entry_is_mirrored_and_booked_again(store) {
        assert_eq!(decide(store, ROOT, sold(1000), 1), 1);
        assert_eq!(decide(store, ROOT, sold(1000), 2), 0, "nothing new, nothing written");
        assert_eq!(decide(store, ROOT, sold(900), 3), 1);
        assert_eq!(decide(store, ROOT, sold(1000), 4), 1);
        assert_eq!(generation(store, "sale"), (3, true));
        let lines = read(store, |tx| facts::lines_of_root(tx, ROOT));
        assert_eq!(lines.len(), 10);
        let reversed: Vec<(i64, i64)> = lines
            .iter()
            .filter(|line| line.reversal && line.role == "receivable")
            .map(|line| (line.generation, line.amount))
            .collect();
        assert_eq!(reversed, [(1, -1000), (2, -900)]);
        assert_eq!(
            balances(store),
            [
                ("receivable".to_owned(), String::new(), 1000),
                ("sales".to_owned(), "web".to_owned(), -1000)
            ]
        );
        assert!(read(store, facts::unbalanced).is_empty());
        let live = read(store, |tx| facts::live(tx, ROOT));
        assert_eq!(live, [sold(1000).remove(0)]);
        assert_eq!(generation(store, "sale"), (3, true));
    }

    fn a_fact_that_is_gone_and_comes_back_goes_on_counting(store) {
        decide(store, ROOT, sold(1000), 1);
        assert_eq!(decide(store, ROOT, Vec::new(), 2), 1);
        assert_eq!(generation(store, "sale"), (1, false));
        assert!(balances(store).iter().all(|(_, _, amount)| *amount == 0));
        assert_eq!(decide(store, ROOT, Vec::new(), 3), 0);
        decide(store, ROOT, sold(1000), 4);
        assert_eq!(generation(store, "sale"), (2, true));
        assert_eq!(read(store, |tx| facts::lines_of_root(tx, ROOT)).len(), 6);
    }

    /// §9.4: the same key with other content is refused by the database.
    fn a_generation_is_written_once(store) {
        decide(store, ROOT, sold(1000), 1);
        let again = store.write(|tx| {
            let fact = sold(500).remove(0);
            let change =
                Change::Add { fact, generation: 1, content_hash: "other".to_owned(), replaces: None };
            facts::apply(tx, place(ROOT), &change)
        });
        assert!(matches!(again, Err(trueup_store::StoreError::Conflict(_))), "{again:?}");
        assert_eq!(balances(store)[0].2, 1000);
    }

    fn an_entry_that_does_not_balance_is_found(store) {
        decide(store, ROOT, sold(1000), 1);
        write(store, |tx| {
            let sql = "UPDATE entry_lines SET amount = amount + 1 WHERE role = $1";
            tx.execute(sql, trueup_store::values!["sales"])
        });
        assert_eq!(read(store, facts::unbalanced), ["shop/sale/o1/sale/A1"]);
    }

    fn items_are_found_by_key_root_kind_and_id(store) {
        let channel = item(Side::Channel, ItemKind::Capture, "capture/stripe/ch_1", 1000);
        let tax = item(Side::Channel, ItemKind::DocumentTax, "tax/order/shop/o1", 100);
        let derived = vec![
            fact("item", "capture/p1", FactContent::Item(channel.clone())),
            fact("item", "tax", FactContent::Item(tax)),
        ];
        decide(store, ROOT, derived, 1);
        let found = read(store, |tx| facts::items_of_key(tx, "capture/stripe/ch_1"));
        let id = facts::item_id(ROOT, &FactKey::new("item", "capture/p1"), 1);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].item, channel, "amount, days and hints come back as they were");
        assert_eq!((found[0].id.clone(), found[0].root.as_str()), (id.clone(), ROOT));
        assert_eq!(found[0].claimed_by, None);
        assert_eq!(read(store, |tx| facts::items_of_root(tx, ROOT)).len(), 2);
        assert_eq!(read(store, |tx| facts::items_of_kind(tx, ItemKind::Capture)), found);
        assert_eq!(read(store, |tx| facts::find_item(tx, &id)).as_ref(), found.first());
        assert!(read(store, |tx| facts::find_item(tx, "none")).is_none());
        let free = read(store, |tx| facts::unclaimed(tx, ItemKind::Capture, Side::Channel));
        assert_eq!(free, found);
        assert!(read(store, |tx| facts::unclaimed(tx, ItemKind::Capture, Side::Bank)).is_empty());
    }

    fn an_item_taken_back_is_seen_no_more(store) {
        let of = |minor| {
            let item = item(Side::Channel, ItemKind::Capture, "capture/stripe/ch_1", minor);
            vec![fact("item", "capture/p1", FactContent::Item(item))]
        };
        decide(store, ROOT, of(1000), 1);
        decide(store, ROOT, of(900), 2);
        let amounts = |store: &trueup_store::Store| -> Vec<i64> {
            let items = read(store, |tx| facts::items_of_key(tx, "capture/stripe/ch_1"));
            items.into_iter().map(|item| item.item.amount.minor()).collect()
        };
        assert_eq!(amounts(store), [900]);
        decide(store, ROOT, Vec::new(), 3);
        assert_eq!(amounts(store), [0_i64; 0]);
        let first = facts::item_id(ROOT, &FactKey::new("item", "capture/p1"), 1);
        assert!(read(store, |tx| facts::find_item(tx, &first)).is_none());
    }

    fn sides_are_summed_under_the_keys_of_the_channels_days(store) {
        let items = [
            (Side::Channel, "order/shop/o1", 1000),
            (Side::Books, "order/shop/o1", 990),
            (Side::Books, "order/shop/o9", 77),
        ];
        let derived = items.iter().enumerate().map(|(index, (side, key, minor))| {
            let item = item(*side, ItemKind::Document, key, *minor);
            fact("item", &index.to_string(), FactContent::Item(item))
        });
        decide(store, ROOT, derived.collect(), 1);
        let sums = |from: &'static str, to: &'static str| -> Vec<(String, i64, i64)> {
            let all = read(store, |tx| facts::side_totals(tx, from, to));
            all.into_iter().map(|one| (one.side, one.count, one.amount)).collect()
        };
        let expected = [("books".to_owned(), 1, 990), ("channel".to_owned(), 1, 1000)];
        assert_eq!(sums("2026-06-01", "2026-06-01"), expected);
        assert!(sums("2026-06-02", "2026-06-30").is_empty());
    }
}
