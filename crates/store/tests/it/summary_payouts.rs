//! Rows whose money is in a payout, and the entries of the books that take them.

use jiff::civil::date;
use trueup_domain::derive::books::BACK;
use trueup_domain::document::{Root, RootKind};
use trueup_domain::fact::FactContent;
use trueup_domain::item::{ItemKind, Side};
use trueup_domain::journal::{Entry, Summed};
use trueup_domain::posting::Span;
use trueup_store::scopes::{self, Verdict};
use trueup_store::summaries::{self, Open};
use trueup_store::{SHARDS, Store, documents};

use crate::engines::on_every_engine;
use crate::world::{at, decide, entry, fact, item, read, write};

const PAYOUT: &str = "shop/summary/payout/card/po_1/EUR";

/// A sale of some day with the money that pays it.
fn paid_sale(store: &Store, order: &str, root: &'static str, days: [jiff::civil::Date; 2]) {
    let id = order.to_owned();
    write(store, move |tx| {
        let root = Root { kind: RootKind::Sale, external_id: id.clone() };
        documents::raise(tx, "shop", &root)
    });
    let row = |kind: ItemKind, key: String, date, minor| {
        let summed = Some(Summed { states: (kind, key), refund: false });
        FactContent::Entry(Entry { date, summed, ..entry(minor) })
    };
    let sale = row(ItemKind::Document, format!("order/shop/{order}"), days[0], 1000);
    let money = row(ItemKind::Capture, format!("capture/card/ch_{order}"), days[1], 1000);
    decide(store, root, vec![fact("sale", "1", sale), fact("capture", "1", money)], 1);
}

/// A row of the provider's ledger about the money of an order, in a payout.
fn in_payout(store: &Store, root: &'static str, order: &str, payout: &str) {
    let about =
        item(Side::Settlement, ItemKind::Capture, &format!("capture/card/ch_{order}"), 1000);
    let row = item(Side::Settlement, ItemKind::PayoutRow, &format!("payout/card/{payout}"), 1000);
    let facts = vec![
        fact("item", "about", FactContent::Item(about)),
        fact("item", "payout", FactContent::Item(row)),
    ];
    decide(store, root, facts, 2);
}

/// The header of a payout, and how its rows were judged.
fn payout_is(store: &Store, status: &str) {
    let mut header = item(Side::Settlement, ItemKind::Payout, "payout/card/po_1", 1000);
    header.date = date(2026, 7, 3);
    decide(store, "card/payout/po_1", vec![fact("item", "header", FactContent::Item(header))], 3);
    let verdict = Verdict {
        status: status.to_owned(),
        break_kind: None,
        amount: 1000,
        difference: 0,
        currency: "EUR".to_owned(),
        entity: "nl".to_owned(),
        day: "2026-07-03".to_owned(),
        due: None,
        detail: "a detail".to_owned(),
    };
    write(store, move |tx| {
        for scope in scopes::take_due(tx, 0, SHARDS, 100)? {
            let own = scope.key == "payout/card/po_1";
            let status = if own { verdict.status.clone() } else { "not_due".to_owned() };
            scopes::judge(tx, &scope, &Verdict { status, ..verdict.clone() })?;
        }
        Ok(())
    });
}

fn parts_of_payout(store: &Store) -> Vec<String> {
    let parts = read(store, |tx| summaries::parts(tx, PAYOUT));
    let told = parts.iter().map(|part| {
        let rows = part.rows.iter().map(|row| {
            let sign = if row.reversal { "less" } else { "plus" };
            format!("{} {} {sign}", row.order, row.entry.date)
        });
        format!("{} of {}: {}", part.number, part.dated, rows.collect::<Vec<_>>().join(", "))
    });
    told.collect()
}

on_every_engine! {
    fn a_payout_takes_its_money_and_what_is_open_of_its_sales_month_by_month(store) {
        let (june, july) = (date(2026, 6, 29), date(2026, 7, 1));
        paid_sale(store, "A", "shop/sale/A", [june, july]);
        paid_sale(store, "B", "shop/sale/B", [june, june]);
        in_payout(store, "card/row/1", "A", "po_1");
        in_payout(store, "card/row/2", "B", "po_2");
        payout_is(store, "broken");
        assert_eq!(read(store, |tx| summaries::open_payouts(tx, "shop")), [], "a row is to come");
        decide(store, "card/payout/po_1", Vec::new(), 4);
        payout_is(store, "proven");
        let open = read(store, |tx| summaries::open_payouts(tx, "shop"));
        let told: Vec<String> = open.iter().map(|one| one.span.to_string()).collect();
        assert_eq!(told, ["payout/card/po_1"], "nothing proves the other");
        assert_eq!(read(store, |tx| summaries::open_payouts(tx, "other")), []);
        let taken = open[0].clone();
        assert_eq!(write(store, move |tx| summaries::take_payout(tx, &taken, 10, at(9))), 2);
        let own = ["1 of 2026-06-30: A 2026-06-29 plus", "2 of 2026-07-03: A 2026-07-01 plus"];
        assert_eq!(parts_of_payout(store), own);
        assert_eq!(read(store, |tx| summaries::open_payouts(tx, "shop")), []);

        // What changes follows the rows that it changes, whatever the provider says of it.
        let changed = Entry {
            date: june,
            summed: Some(Summed {
                states: (ItemKind::Document, "order/shop/A".to_owned()),
                refund: false,
            }),
            ..entry(900)
        };
        let money = Entry {
            date: july,
            summed: Some(Summed {
                states: (ItemKind::Capture, "capture/card/ch_A".to_owned()),
                refund: false,
            }),
            ..entry(1000)
        };
        let facts = vec![
            fact("sale", "1", FactContent::Entry(changed)),
            fact("capture", "1", FactContent::Entry(money)),
        ];
        decide(store, "shop/sale/A", facts, 10);
        let open = read(store, |tx| summaries::open_payouts(tx, "shop")).remove(0);
        assert_eq!((open.span.to_string().as_str(), open.newest), ("payout/card/po_1", at(10)));
        assert_eq!(write(store, move |tx| summaries::take_payout(tx, &open, 10, at(20))), 1);
        let further = "3 of 2026-06-30: A 2026-06-29 less, A 2026-06-29 plus";
        assert_eq!(parts_of_payout(store)[2], further);

        // The month takes what no payout has, and the payout's money is found in either.
        let month = Open {
            connection: "shop".to_owned(),
            span: Span::parse("2026-06").expect("a month"),
            what: "EUR".to_owned(),
            rows: 0,
            newest: at(0),
        };
        assert_eq!(write(store, move |tx| summaries::take(tx, &month, 10, at(30))), Some(1));
        let of = |key: &'static str| {
            let found = read(store, move |tx| summaries::of_payout(tx, key));
            let told = found.iter().map(|one| format!("{} {} {}", one.summary, one.number, one.dated));
            told.collect::<Vec<_>>()
        };
        assert_eq!(of("payout/card/po_1"), [format!("{PAYOUT} 2 2026-07-03")]);
        assert_eq!(of("payout/card/po_2"), ["shop/summary/2026-06/EUR 1 2026-06-30"]);
    }

    fn money_that_came_back_is_in_the_payout_that_gave_it_back(store) {
        let paid = (ItemKind::RefundPaid, "refund_paid/card/re_1".to_owned());
        let back = (ItemKind::RefundPaid, format!("refund_paid/card/re_1{BACK}"));
        let row = |states, minor| {
            FactContent::Entry(Entry {
                summed: Some(Summed { states, refund: false }),
                ..entry(minor)
            })
        };
        write(store, |tx| {
            let root = Root { kind: RootKind::Sale, external_id: "A".to_owned() };
            documents::raise(tx, "shop", &root)
        });
        decide(
            store,
            "shop/sale/A",
            vec![fact("refund_paid", "1", row(paid, 500)), fact("refund_back", "1", row(back, 500))],
            1,
        );
        let about = item(Side::Settlement, ItemKind::RefundPaid, "refund_paid/card/re_1", -500);
        let in_po = item(Side::Settlement, ItemKind::PayoutRow, "payout/card/po_1", 500);
        let facts = vec![
            fact("item", "about", FactContent::Item(about)),
            fact("item", "payout", FactContent::Item(in_po)),
        ];
        decide(store, "card/row/9", facts, 2);
        payout_is(store, "proven");
        let open = read(store, |tx| summaries::open_payouts(tx, "shop")).remove(0);
        write(store, move |tx| summaries::take_payout(tx, &open, 10, at(9)));
        assert_eq!(parts_of_payout(store).len(), 1);
        let rows = read(store, |tx| summaries::rows(tx, PAYOUT, 1));
        let keys: Vec<&str> = rows
            .iter()
            .filter_map(|row| row.entry.summed.as_ref().map(|summed| summed.states.1.as_str()))
            .collect();
        assert_eq!(keys, ["refund_paid/card/re_1#back"]);
    }
}
