//! Facts, journal lines and items.

use trueup_domain::fact::{Change, FactContent, FactKey};
use trueup_domain::item::{ItemKind, Side};
use trueup_store::facts::{self, Newest};
use trueup_store::values;

use crate::engines::on_every_engine;
use crate::world::{
    after, command, decide, entry, eur, fact, invoice, item, money_in, place, read, tie, write,
};

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
    /// The sales and the tax report ask for it, on both databases.
    fn keys_are_unlike_where_channel_and_books_differ(store) {
        let stated = |side: Side, key: &str, minor: i64| {
            let part = format!("{side:?} {key}");
            fact("item", &part, FactContent::Item(item(side, ItemKind::Capture, key, minor)))
        };
        let facts = vec![
            stated(Side::Channel, "order/shop/o1", 1000),
            stated(Side::Books, "order/shop/o1", 990),
            stated(Side::Channel, "order/shop/o2", 500),
            stated(Side::Books, "order/shop/o2", 500),
            stated(Side::Channel, "order/shops/o3", 500),
        ];
        decide(store, ROOT, facts, 1);
        let unlike = |from: &str, to: &str| {
            let sides = (Side::Channel, Side::Books);
            read(store, |tx| facts::unlike_in_days(tx, "order/shop/", sides, eur(), (from, to)))
        };
        assert_eq!(unlike("2026-06-01", "2026-06-01"), [("order/shop/o1".to_owned(), 10)]);
        assert_eq!(unlike("2026-06-02", "2026-06-30"), []);
        let sides = (Side::Books, Side::Channel);
        let days = ("", "2026-06-30");
        let back = read(store, |tx| facts::unlike_in_days(tx, "order/shop/", sides, eur(), days));
        assert_eq!(back, [("order/shop/o1".to_owned(), -10)]);
    }

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

    /// Who knows the newest generations writes what he would who asks for each of them.
    fn what_is_known_of_facts_is_what_would_be_found(store) {
        const OTHER: &str = "shop/sale/o2";
        let tied = |generation| {
            let document = vec![after("document", "invoice", "1"), after("payment", "payment", "p1")];
            let content_hash = format!("tie {generation}");
            let fact = fact("reconciliation", "p1", command(tie("1.00"), document));
            Change::Add { fact, generation, content_hash, replaces: None }
        };
        let asked = |part: &str, kind: &str, content| Change::Add {
            fact: fact(kind, part, command(content, Vec::new())),
            generation: 1,
            content_hash: "h".to_owned(),
            replaces: None,
        };
        // The payment is there, the invoice was and comes again, and nothing of the second tie is.
        let first = [asked("1", "invoice", invoice("1.00")), asked("p1", "payment", money_in("1.00"))];
        let gone = Change::TakeBack { key: FactKey::new("invoice", "1"), generation: 1 };
        let rest = [tied(1), gone, tied(2)];
        for root in [ROOT, OTHER] {
            let knowing = root == ROOT;
            let (first, rest) = (first.clone(), rest.clone());
            write(store, move |tx| {
                for changes in [&first[..], &rest[..]] {
                    let mut newest = Newest::of(root, &facts::written(tx, root)?);
                    match knowing {
                        true => facts::apply_all(tx, place(root), &mut newest, changes)?,
                        false => {
                            for change in changes {
                                facts::apply(tx, place(root), change)?;
                            }
                        }
                    }
                }
                Ok(())
            });
        }
        let needs = |root: &'static str| {
            let sql = "SELECT command, role, needs FROM command_after WHERE command LIKE $1
                 ORDER BY command, role";
            let rows = read(store, |tx| tx.query(sql, values![format!("test/{root}/%")]));
            rows.iter()
                .map(|row| (0..3).map(|at| row.text(at).expect("text").replace(root, "")).collect())
                .collect::<Vec<Vec<String>>>()
        };
        assert!(needs(ROOT).iter().any(|it| it[2].ends_with("/invoice/1/2")), "{:?}", needs(ROOT));
        assert_eq!(needs(ROOT), needs(OTHER));
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
