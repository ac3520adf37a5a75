//! What is open on the receivable at the end of a month.

use jiff::civil::date;
use trueup_domain::fact::{Fact, FactContent};
use trueup_domain::journal::{Booker, EntryBuilder, Role};
use trueup_domain::money::Money;
use trueup_store::{documents, month_ends, values};

use crate::engines::on_every_engine;
use crate::world::{at, decide, eur, payment, read, stored, write};

/// What a fact does to the receivable, debit positive, on a day of June.
fn on_receivable(kind: &str, part: &str, day: i8, booker: Booker, minor: i64) -> Fact {
    let amount = Money::from_minor(minor, eur());
    let mut entry = EntryBuilder::new(date(2026, 6, day), booker, eur(), kind);
    entry.debit(Role::Receivable, None, amount);
    entry.credit(Role::Clearing, Some("stripe"), amount).expect("in range");
    let entry = entry.build().expect("balanced").expect("an entry");
    Fact::new(kind, part, FactContent::Entry(entry))
}

on_every_engine! {
    fn what_was_taken_beyond_what_was_invoiced_by_a_day_is_found(store) {
        write(store, |tx| {
            for order in ["o1", "o2", "o3", "o4"] {
                let message = stored(tx, &format!("d-{order}"))?;
                let document = payment(&format!("p-{order}"), order, 1);
                documents::put(tx, "shop", &document, &message, None, at(0))?;
            }
            tx.execute("UPDATE roots SET number = '#' || external_id", values![])
        });
        let odoo = Booker::Odoo;
        let facts = vec![
            on_receivable("capture", "p1", 10, odoo, -5000),
            on_receivable("sale", "A1/f1/1", 12, odoo, 2000),
            on_receivable("sale", "A1/f2/1", 20, odoo, 3000),
        ];
        decide(store, "shop/sale/o1", facts, 1);
        // Paid after the day, invoiced before it.
        let facts = vec![
            on_receivable("sale", "A1", 10, odoo, 5000),
            on_receivable("capture", "p1", 20, odoo, -5000),
        ];
        decide(store, "shop/sale/o2", facts, 1);
        // In no general ledger of ours.
        decide(store, "shop/sale/o3", vec![on_receivable("capture", "p1", 1, Booker::Other, -9)], 1);
        // Taken back again.
        decide(store, "shop/sale/o4", vec![on_receivable("capture", "p1", 1, odoo, -700)], 1);
        decide(store, "shop/sale/o4", Vec::new(), 2);
        let found = |day: i8| -> Vec<(String, String, i64)> {
            let until = date(2026, 6, day);
            let all = read(store, |tx| month_ends::receivable_below_zero(tx, "shop", until));
            assert!(all.iter().all(|one| one.sale == "shop/sale/o1"), "{all:?}");
            all.into_iter().map(|one| (one.number, one.kind, one.amount.minor())).collect()
        };
        let of = |kind: &str, minor: i64| ("#o1".to_owned(), kind.to_owned(), minor);
        assert_eq!(found(9), []);
        assert_eq!(found(10), [of("capture", -5000)]);
        assert_eq!(found(15), [of("capture", -5000), of("sale", 2000)]);
        assert_eq!(found(20), []);
        assert_eq!(read(store, |tx| month_ends::decided(tx, "shop")), Vec::<String>::new());
    }

    fn what_was_invoiced_in_a_span_is_found_by_sale(store) {
        write(store, |tx| {
            for order in ["o1", "o2", "o3"] {
                let message = stored(tx, &format!("d-{order}"))?;
                let document = payment(&format!("p-{order}"), order, 1);
                documents::put(tx, "shop", &document, &message, None, at(0))?;
            }
            tx.execute("UPDATE roots SET number = '#' || external_id", values![])
        });
        let sold = |part: &str, day: i8, booker: Booker| {
            let amount = Money::from_minor(1000, eur());
            let mut entry = EntryBuilder::new(date(2026, 6, day), booker, eur(), "sale");
            entry.debit(Role::Receivable, None, amount);
            entry.credit(Role::Sales, None, amount).expect("in range");
            let entry = entry.build().expect("balanced").expect("an entry");
            Fact::new("sale", part, FactContent::Entry(entry))
        };
        let odoo = Booker::Odoo;
        decide(store, "shop/sale/o1", vec![sold("A1", 10, odoo), sold("B1", 20, odoo)], 1);
        decide(store, "shop/sale/o2", vec![sold("A1", 15, odoo)], 1);
        decide(store, "shop/sale/o3", vec![sold("A1", 15, Booker::Other)], 1);
        let found = |from: i8, until: i8| {
            let span = (date(2026, 6, from), date(2026, 6, until));
            let all = read(store, move |tx| month_ends::invoiced(tx, "shop", span));
            all.into_iter().map(|(sale, number)| format!("{sale} {number}")).collect::<Vec<_>>()
        };
        let (first, second) = ("shop/sale/o1 #o1", "shop/sale/o2 #o2");
        assert_eq!(found(1, 30), [first, second]);
        assert_eq!(found(11, 15), [second]);
        assert_eq!(found(16, 20), [first]);
        assert_eq!(found(21, 30), [""; 0]);
        assert!(read(store, |tx| {
            month_ends::invoiced(tx, "other", (date(2026, 6, 1), date(2026, 6, 30)))
        }).is_empty());
    }
}
