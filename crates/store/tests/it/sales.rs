//! What each sale adds to the reports: written as a difference, summed, paged.

use trueup_domain::document::{Root, RootKind};
use trueup_domain::money::Currency;
use trueup_domain::sales::figures::{Figures, Measure};
use trueup_domain::sales::sale::{Contribution, SaleRow};
use trueup_store::sales::{self, Basis, By, Filter, Place};
use trueup_store::{Store, documents};

use crate::engines::on_every_engine;
use crate::world::{read, write};

fn row(document: &str, sku: &str, day: &str, gross: i64) -> SaleRow {
    let mut figures = Figures::default();
    figures.add(Measure::Gross, gross).expect("in range");
    figures.add(Measure::Stated, gross).expect("in range");
    SaleRow {
        document: document.to_owned(),
        sku: sku.to_owned(),
        day: day.parse().expect("a day"),
        order_day: "2026-06-01".parse().expect("a day"),
        excluded: "",
        figures,
    }
}

fn put(store: &Store, id: &'static str, rows: Vec<SaleRow>) {
    write(store, move |tx| {
        let root = Root { kind: RootKind::Sale, external_id: id.to_owned() };
        documents::raise(tx, "shop", &root)?;
        let root = documents::root_id("shop", &root);
        let place = Place { root: &root, entity: "nl", connection: "shop" };
        let currency = Currency::parse("EUR").expect("a currency");
        let now = Contribution { source: "web".to_owned(), currency, rows, taxes: Vec::new() };
        sales::put(tx, &[(place, Some(&now))])
    });
}

fn days(from: &str, to: &str) -> Filter {
    Filter { from: from.to_owned(), to: to.to_owned(), ..Filter::default() }
}

fn gross(store: &Store, filter: &Filter, by: &[By]) -> Vec<(String, i64)> {
    let sums = read(store, |tx| sales::sums(tx, filter, by));
    sums.into_iter().map(|(_, words, it)| (words.join(" "), it.get(Measure::Gross))).collect()
}

on_every_engine! {
    fn a_sale_adds_what_it_is_now_and_nothing_of_before(store) {
        let june = days("2026-06-01", "2026-06-30");
        put(store, "1", vec![row("order/1", "A", "2026-06-01", 500), row("order/1", "B", "2026-06-01", 70)]);
        put(store, "2", vec![row("order/2", "A", "2026-06-02", 11)]);
        let by_sku = [("A".to_owned(), 511), ("B".to_owned(), 70)];
        assert_eq!(gross(store, &june, &[By::Sku]), by_sku);
        put(store, "1", vec![row("order/1", "A", "2026-06-01", 400), row("refund/9", "A", "2026-07-01", -400)]);
        assert_eq!(gross(store, &june, &[By::Sku]), [("A".to_owned(), 411)]);
        // The refund counts on its own day, or on that of its order.
        assert_eq!(gross(store, &days("2026-07-01", "2026-07-31"), &[]), [(String::new(), -400)]);
        let cohort = Filter { basis: Basis::Order, ..june.clone() };
        assert_eq!(gross(store, &cohort, &[By::Day]), [("2026-06-01".to_owned(), 11)]);
        write(store, |tx| {
            sales::put(tx, &[(Place { root: "shop/sale/1", entity: "nl", connection: "shop" }, None)])
        });
        assert_eq!(gross(store, &june, &[]), [(String::new(), 11)]);
    }

    fn documents_are_paged_newest_first(store) {
        put(store, "1", vec![row("order/1", "A", "2026-06-01", 1), row("order/1", "B", "2026-06-01", 2)]);
        put(store, "2", vec![row("order/2", "A", "2026-06-01", 4), row("refund/3", "A", "2026-06-03", -4)]);
        let june = days("2026-06-01", "2026-06-30");
        let (mut listed, mut after) = (Vec::new(), None);
        while let [one] = read(store, |tx| sales::documents(tx, &june, false, after.as_ref(), 1)).as_slice() {
            listed.push((one.document.clone(), one.figures.get(Measure::Gross)));
            after = Some((one.day.clone(), one.root.clone(), one.document.clone()));
        }
        let expected = [("refund/3", -4), ("order/2", 4), ("order/1", 3)];
        assert_eq!(listed, expected.map(|(name, gross)| (name.to_owned(), gross)));
        assert!(read(store, |tx| sales::documents(tx, &june, true, None, 9)).is_empty());
    }
}
