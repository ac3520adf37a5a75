//! The projection of proofs, and the lists and sums that are read from it.

use trueup_domain::document::{Root, RootKind};
use trueup_domain::fact::{Fact, FactContent};
use trueup_domain::item::{ItemKind, Side};
use trueup_store::documents::{self, DueRoot, ProofColumn, SaleFilter, Standing};
use trueup_store::proofs::{self, Proved};
use trueup_store::{Store, facts, scopes};

use crate::engines::on_every_engine;
use crate::world::{at, decide, fact, item, read, write};

fn proved(root: &str, day: &str, document: &'static str, bank: &'static str) -> Proved {
    let overall = if document == "broken" { "broken" } else { bank };
    Proved {
        root: root.to_owned(),
        entity: "nl".to_owned(),
        currency: "EUR".to_owned(),
        day: day.to_owned(),
        amount: 1_000,
        document,
        tender: "proven",
        payout: "proven",
        bank,
        overall,
    }
}

fn sale(store: &Store, id: &'static str, day: &'static str) {
    write(store, move |tx| {
        let root = Root { kind: RootKind::Sale, external_id: id.to_owned() };
        documents::raise(tx, "shop", &root)?;
        let due = DueRoot {
            id: documents::root_id("shop", &root),
            connection: "shop".to_owned(),
            root,
            arrived: 1,
            attempts: 0,
            mapping_version: None,
        };
        let standing = Standing {
            number: format!("#10{id}"),
            state: "paid".to_owned(),
            day: (!day.is_empty()).then(|| day.to_owned()),
            amount: Some(1_000),
            currency: Some("EUR".to_owned()),
            entity: Some("nl".to_owned()),
            ..Standing::default()
        };
        documents::decided(tx, &due, &standing, at(0))
    });
}

fn listed(store: &Store, filter: &SaleFilter) -> Vec<String> {
    let sales = read(store, |tx| documents::list_sales(tx, filter));
    sales.into_iter().map(|sale| sale.external_id).collect()
}

/// All pages of so many rows, one after the other.
fn paged(store: &Store, filter: &SaleFilter) -> Vec<String> {
    let mut filter = SaleFilter { limit: 2, ..filter.clone() };
    let mut all = Vec::new();
    loop {
        let page = read(store, |tx| documents::list_sales(tx, &filter));
        let Some(last) = page.last() else { return all };
        filter.after = Some((last.day.clone().unwrap_or_default(), last.id.clone()));
        all.extend(page.into_iter().map(|sale| sale.external_id));
    }
}

fn items(of: &[(Side, ItemKind, &str)]) -> Vec<Fact> {
    of.iter()
        .map(|(side, kind, key)| {
            fact("item", key, FactContent::Item(item(*side, *kind, key, 1_000)))
        })
        .collect()
}

on_every_engine! {
    fn sales_that_stand_alike_are_summed_by_day(store) {
        for (root, day, document, bank) in [
            ("a", "2026-06-01", "proven", "proven"),
            ("b", "2026-06-01", "proven", "proven"),
            ("c", "2026-06-01", "broken", "proven"),
            ("d", "2026-06-02", "proven", "not_due"),
            ("e", "2026-06-09", "proven", "proven"),
        ] {
            write(store, move |tx| proofs::put(tx, &proved(root, day, document, bank)));
        }
        let sums = |from: &'static str, to: &'static str| -> Vec<(String, String, i64, i64)> {
            let alike = read(store, |tx| proofs::alike(tx, from, to));
            let mut sums: Vec<_> =
                alike.into_iter().map(|it| (it.day, it.overall, it.orders, it.amount)).collect();
            sums.sort();
            sums
        };
        let day = |day: &str, status: &str, orders, amount| {
            (day.to_owned(), status.to_owned(), orders, amount)
        };
        assert_eq!(
            sums("2026-06-01", "2026-06-02"),
            [
                day("2026-06-01", "broken", 1, 1_000),
                day("2026-06-01", "proven", 2, 2_000),
                day("2026-06-02", "not_due", 1, 1_000),
            ]
        );
        write(store, |tx| proofs::put(tx, &proved("c", "2026-06-01", "proven", "proven")));
        write(store, |tx| proofs::remove(tx, "a"));
        assert_eq!(sums("2026-06-01", "2026-06-01"), [day("2026-06-01", "proven", 2, 2_000)]);
    }

    fn lists_are_paged_without_gap_or_repeat(store) {
        for (id, day) in [
            ("1", "2026-06-01"), ("2", "2026-06-03"), ("3", "2026-06-03"), ("4", "2026-06-02"),
            ("5", ""), ("6", "2026-06-03"), ("7", "2026-06-01"),
        ] {
            sale(store, id, day);
            let root = format!("shop/sale/{id}");
            let document = if id == "3" || id == "7" { "broken" } else { "proven" };
            if !day.is_empty() {
                write(store, move |tx| proofs::put(tx, &proved(&root, day, document, "not_due")));
            }
        }
        let all = SaleFilter { limit: 99, ..SaleFilter::default() };
        assert_eq!(listed(store, &all), ["6", "3", "2", "4", "7", "1", "5"]);
        assert_eq!(paged(store, &all), listed(store, &all));
        let of = |column: ProofColumn, status: &str| SaleFilter {
            standing: Some((column, status.to_owned())),
            ..all.clone()
        };
        assert_eq!(listed(store, &of(ProofColumn::of("document"), "broken")), ["3", "7"]);
        assert_eq!(listed(store, &of(ProofColumn::of(""), "not_due")), ["6", "2", "4", "1"]);
        assert_eq!(paged(store, &of(ProofColumn::Bank, "not_due")), ["6", "3", "2", "4", "7", "1"]);
        assert_eq!(paged(store, &of(ProofColumn::Tender, "proven")), ["6", "3", "2", "4", "7", "1"]);
        let days = SaleFilter {
            from: Some("2026-06-02".to_owned()),
            to: Some("2026-06-02".to_owned()),
            ..all.clone()
        };
        assert_eq!(listed(store, &days), ["4"]);
        let text = |text: &str| SaleFilter { text: Some(text.to_owned()), ..all.clone() };
        assert_eq!(listed(store, &text("104")), ["4"], "without its sign");
        assert_eq!(listed(store, &text("4")), ["4"], "by the id, though others contain it");
        assert_eq!(listed(store, &text("#10")), ["6", "3", "2", "4", "7", "1", "5"]);
    }

    fn what_a_proof_is_read_from_is_found_by_its_sale_only(store) {
        let capture = "capture/stripe/ch";
        let own = [
            (Side::Channel, ItemKind::Document, "order/shop/1"),
            (Side::Channel, ItemKind::Capture, capture),
        ];
        decide(store, "shop/sale/1", items(&own), 1);
        let row = [
            (Side::Settlement, ItemKind::Capture, capture),
            (Side::Settlement, ItemKind::PayoutRow, "payout/stripe/po"),
        ];
        decide(store, "stripe/ledger_row/r", items(&row), 1);
        decide(store, "shop/sale/2", items(&[(Side::Channel, ItemKind::Document, "order/shop/2")]), 1);
        let texts = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let stated = read(store, |tx| facts::stated_by_channel(tx, &texts(&["shop/sale/1"])));
        assert_eq!(stated.len(), 2);
        let rows = read(store, |tx| facts::rows_of_keys(tx, &texts(&[capture, "order/shop/2"])));
        assert_eq!(rows, [(capture.to_owned(), "stripe/ledger_row/r".to_owned())]);
        let row = texts(&["stripe/ledger_row/r"]);
        let payout = texts(&["payout/stripe/po"]);
        let payouts = read(store, |tx| facts::payouts_of_rows(tx, &row));
        assert_eq!(payouts, [(row[0].clone(), payout[0].clone())]);
        assert_eq!(read(store, |tx| facts::tenders_of_rows(tx, &row)), [capture]);
        assert_eq!(read(store, |tx| facts::tenders_of_payouts(tx, &payout)), [capture]);
        assert_eq!(read(store, |tx| facts::sales_of_keys(tx, &texts(&[capture]))), ["shop/sale/1"]);
        assert!(read(store, |tx| facts::sales_of_keys(tx, &[])).is_empty());
        // More than one statement's worth of values.
        let many: Vec<String> = (0..200).map(|number| format!("order/shop/{number}")).collect();
        let mut statuses = read(store, |tx| scopes::statuses(tx, &many));
        statuses.sort();
        let open = |key: &str| (key.to_owned(), "open".to_owned());
        assert_eq!(statuses, [open("order/shop/1"), open("order/shop/2")]);
        assert_eq!(
            read(store, |tx| scopes::unproven(tx, "order/shop/")),
            ["order/shop/1", "order/shop/2"]
        );
        assert!(read(store, |tx| scopes::unproven(tx, "order/shop_")).is_empty());
    }
}
