//! Rows of the sub-ledger, and the entries of the books that take them.

use jiff::civil::date;
use trueup_domain::command::{Content, EntryContent, Way};
use trueup_domain::document::{Root, RootKind};
use trueup_domain::fact::{Command, Fact, FactContent, Units};
use trueup_domain::item::ItemKind;
use trueup_domain::journal::{Entry, Summed};
use trueup_store::commands::{self, Back};
use trueup_store::summaries::{self, Open};
use trueup_store::{Store, documents};

use crate::engines::on_every_engine;
use crate::world::{at, decide, entry, fact, read, until, write};

const DAY: &str = "shop/summary/2026-06-01/EUR";

/// A sale whose only row goes into a sum.
fn summed(order: &str, minor: i64) -> Vec<Fact> {
    let states = (ItemKind::Document, format!("order/shop/{order}"));
    let entry = Entry { summed: Some(Summed { states, refund: false }), ..entry(minor) };
    vec![fact("sale", "A1", FactContent::Entry(entry))]
}

fn sell(store: &Store, order: &str, minor: i64, seconds: i64) {
    let root = match order {
        "A" => "shop/sale/A",
        "B" => "shop/sale/B",
        _ => "shop/sale/C",
    };
    let id = order.to_owned();
    write(store, move |tx| {
        let root = Root { kind: RootKind::Sale, external_id: id.clone() };
        documents::raise(tx, "shop", &root)
    });
    decide(store, root, summed(order, minor), seconds);
}

fn open(store: &Store) -> Vec<Open> {
    read(store, summaries::open)
}

fn take(store: &Store, sales: i64) -> Option<i64> {
    let open = open(store).into_iter().next()?;
    write(store, move |tx| summaries::take(tx, &open, sales, at(100)))
}

/// Entries as `number: order sign amount, …`.
fn entries(store: &Store) -> Vec<String> {
    let parts = read(store, |tx| summaries::parts(tx, DAY));
    let told = parts.iter().map(|part| {
        let rows = part.rows.iter().map(|row| {
            let sign = if row.reversal { "less" } else { "plus" };
            format!("{} {sign} {}", row.order, row.entry.lines[0].amount.amount_text())
        });
        format!("{}: {}", part.number, rows.collect::<Vec<_>>().join(", "))
    });
    told.collect()
}

/// The command of an entry, sent and refused.
fn refuse(store: &Store, number: &str) {
    let content = Content::Entry(EntryContent {
        company: "1".to_owned(),
        journal: "TRUP".to_owned(),
        date: date(2026, 6, 1),
        reference: "shop".to_owned(),
        lines: Vec::new(),
        taxes: Vec::new(),
        orders: Vec::new(),
    });
    let key = format!("entry/shop/2026-06-01/EUR/{number}");
    let states = Some((ItemKind::Entry, key));
    let command = Command { target: "odoo".to_owned(), content, after: Vec::new(), states };
    let fact = fact("entry", number, FactContent::Command(Box::new(command)));
    decide(store, DAY, vec![fact], 101);
    let lane = "1/entry/TRUP";
    write(store, move |tx| commands::take(tx, "odoo", lane, "c1", 10, at(102)));
    let key = format!("test/{DAY}/entry/{number}/1");
    write(store, move |tx| commands::back(tx, &key, Back::Refused, until(103), "TU104", "locked"));
}

on_every_engine! {
    fn a_row_is_in_one_entry_and_what_comes_later_in_a_further_one(store) {
        sell(store, "A", 1000, 1);
        sell(store, "B", 500, 2);
        let found = open(store);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].rows, found[0].span.to_string(), found[0].newest), (2, "2026-06-01".to_owned(), at(2)));
        assert_eq!(take(store, 10), Some(1));
        assert_eq!(open(store), []);
        assert_eq!(take(store, 10), None);
        // A changed price is two rows more: what was booked is taken back, and booked anew.
        sell(store, "A", 900, 3);
        assert_eq!(open(store)[0].rows, 2);
        assert_eq!(take(store, 10), Some(2));
        assert_eq!(
            entries(store),
            ["1: A plus 10.00, B plus 5.00", "2: A less 10.00, A plus 9.00"]
        );
        let of_a = read(store, |tx| summaries::of_sale(tx, "shop/sale/A"));
        let numbers: Vec<(i64, i64)> = of_a.iter().map(|one| (one.number, one.orders)).collect();
        assert_eq!(numbers, [(1, 2), (2, 1)]);
        assert_eq!(of_a[1].key().as_deref(), Some("entry/shop/2026-06-01/EUR/2"));
        assert_eq!(read(store, |tx| summaries::of_root(tx, DAY)).len(), 2);
        assert_eq!(read(store, |tx| summaries::list(tx, Some("2026-06-01"), 10)).len(), 2);
        assert_eq!(read(store, |tx| summaries::list(tx, Some("2026-06-02"), 10)), []);
        assert_eq!(read(store, |tx| summaries::list(tx, None, 10)).len(), 2);
        let sales = read(store, |tx| summaries::sales(tx, DAY, 1));
        assert_eq!(sales, ["shop/sale/A", "shop/sale/B"]);
        assert!(read(store, |tx| summaries::holds(tx, "shop/sale/B")));
        assert!(!read(store, |tx| summaries::holds(tx, "shop/sale/C")));
    }

    fn units_are_rows_of_their_location_and_no_money(store) {
        let units = |quantity| FactContent::Units(Units {
            day: date(2026, 6, 1),
            way: Way::Out,
            location: "8".to_owned(),
            product: "P".to_owned(),
            name: "Tee".to_owned(),
            quantity,
            by: "F1".to_owned(),
        });
        sell(store, "A", 1000, 1);
        let mut facts = summed("A", 1000);
        facts.push(fact("left", "F1/A1", units(2)));
        decide(store, "shop/sale/A", facts, 2);
        let of: Vec<(String, i64)> = open(store).into_iter().map(|it| (it.what, it.rows)).collect();
        assert_eq!(of, [("EUR".to_owned(), 1), ("goods/8".to_owned(), 1)]);
        let goods = open(store).remove(1);
        assert!(goods.is_of_goods());
        assert_eq!(write(store, move |tx| summaries::take(tx, &goods, 10, at(100))), Some(1));
        assert!(read(store, |tx| summaries::is_open(tx, "shop/sale/A")), "its money is in no entry");
        assert!(!read(store, |tx| summaries::holds(tx, "shop/sale/A")));
        // The shipment held three: what was moved is taken back, and three are moved anew.
        let mut facts = summed("A", 1000);
        facts.push(fact("left", "F1/A1", units(3)));
        decide(store, "shop/sale/A", facts, 3);
        let goods = open(store).remove(1);
        assert_eq!(goods.rows, 2);
        assert_eq!(write(store, move |tx| summaries::take(tx, &goods, 10, at(200))), Some(2));
        let root = "shop/summary/2026-06-01/goods/8";
        let mut told = Vec::new();
        for part in read(store, move |tx| summaries::moved(tx, root)) {
            for row in part.rows {
                let sign = if row.reversal { "less" } else { "plus" };
                told.push(format!("{}: {} {sign} {}", part.number, row.order, row.units.quantity));
            }
        }
        assert_eq!(told, ["1: A plus 2", "2: A less 2", "2: A plus 3"]);
        assert_eq!(read(store, |tx| summaries::of_sale(tx, "shop/sale/A")).len(), 2);
    }

    fn a_large_day_has_several_entries(store) {
        for order in ["A", "B", "C"] {
            sell(store, order, 1000, 1);
        }
        assert_eq!((take(store, 2), take(store, 2), take(store, 2)), (Some(1), Some(2), None));
        assert_eq!(entries(store), ["1: A plus 10.00, B plus 10.00", "2: C plus 10.00"]);
    }

    fn what_was_refused_is_open_again_with_what_came_since(store) {
        sell(store, "A", 1000, 1);
        take(store, 10);
        sell(store, "B", 500, 2);
        let late = open(store).remove(0);
        let asked = late.clone();
        refuse(store, "1");
        assert!(read(store, move |tx| summaries::is_refused(tx, &asked)));
        let reopened = write(store, move |tx| summaries::reopen(tx, &late));
        assert_eq!(reopened, ["test/shop/summary/2026-06-01/EUR/entry/1/1"]);
        assert_eq!(open(store)[0].rows, 2);
        assert_eq!(take(store, 10), Some(2), "a number is not used again");
        assert_eq!(entries(store), ["2: A plus 10.00, B plus 5.00"]);
        let of_a = read(store, |tx| summaries::of_sale(tx, "shop/sale/A"));
        assert_eq!(of_a[0].state, None, "nothing is asked for yet");
    }
}
