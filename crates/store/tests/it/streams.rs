//! Cursors, reads asked for, suspended connections, and mappings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trueup_domain::mapping::{CustomerPolicy, GoodsPolicy, InvoicePolicy, Mapping};
use trueup_store::waits::{self, Wait};
use trueup_store::{Store, mappings, streams};

use crate::engines::on_every_engine;
use crate::world::{at, eur, read, until, write};

fn mapping(entity: &str) -> Mapping {
    Mapping {
        version: 0,
        entity: entity.to_owned(),
        target: "odoo".to_owned(),
        company: "1".to_owned(),
        currency: eur(),
        time_zone: "UTC".to_owned(),
        sales_journal: "sales".to_owned(),
        entry_journal: "TRUP".to_owned(),
        pricelist: None,
        pricelists: BTreeMap::new(),
        warehouse: None,
        customers: CustomerPolicy::One("7".to_owned()),
        goods: GoodsPolicy::Books,
        location: None,
        locations: BTreeMap::new(),
        invoices: InvoicePolicy::Order,
        delivery_addresses: false,
        accounts: BTreeMap::new(),
        gateways: BTreeMap::new(),
        products: BTreeMap::new(),
        bundles: BTreeMap::new(),
        service_products: BTreeMap::new(),
        taxes: Vec::new(),
    }
}

fn first_due(store: &Store, now: Timestamp) -> Option<streams::Stream> {
    read(store, |tx| streams::due(tx, "shop", now)).into_iter().next()
}

on_every_engine! {
    fn a_stream_goes_on_where_it_stood(store) {
        for _ in 0..2 {
            write(store, |tx| streams::declare(tx, "shop", "orders"));
        }
        write(store, |tx| streams::declare(tx, "shop", "payouts"));
        let due = first_due(store, at(0)).expect("due at once");
        assert_eq!((due.stream.as_str(), due.cursor), ("orders", None));
        write(store, |tx| streams::polled(tx, "shop", "orders", Some("c1"), at(1), until(60)));
        write(store, |tx| streams::polled(tx, "shop", "payouts", None, at(1), until(90)));
        assert!(first_due(store, at(59)).is_none());
        assert!(first_due(store, at(60)).is_some());
        write(store, |tx| streams::failed(tx, "shop", "orders", "TU102", "away", until(70)));
        let due = first_due(store, at(70)).expect("due");
        assert_eq!((due.cursor.as_deref(), due.failures), (Some("c1"), 1));
        assert_eq!(due.complete_to, Some(at(1).as_microsecond()), "a failure moves nothing");
        write(store, |tx| streams::polled(tx, "shop", "orders", None, at(70), until(130)));
        let all = read(store, streams::all);
        assert_eq!(all[0].cursor.as_deref(), Some("c1"), "no cursor in the answer keeps the old one");
        assert_eq!((all[0].failures, all[0].error.clone()), (0, None));
        write(store, |tx| streams::poll_now(tx, "shop"));
        assert!(first_due(store, at(0)).is_some());
        assert!(read(store, |tx| streams::due(tx, "other", at(0))).is_empty());
        // The one that waits longest comes first.
        let due = read(store, |tx| streams::due(tx, "shop", at(90)));
        let due: Vec<&str> = due.iter().map(|it| it.stream.as_str()).collect();
        assert_eq!(due, ["orders", "payouts"]);
    }

    fn c7_what_a_clock_that_ran_ahead_put_off_is_due(store) {
        // Both lie within the hour: one was said now, one tomorrow, and by then it is today again.
        let said = |from| Wait { from, until: at(4_000) };
        for (stream, from) in [("orders", at(400)), ("payouts", at(3_999))] {
            write(store, |tx| streams::declare(tx, "shop", stream));
            write(store, move |tx| {
                streams::polled(tx, "shop", stream, None, at(0), said(from))?;
                streams::ask(tx, "shop", "order", stream, at(0))?;
                streams::ask_later(tx, "shop", "order", stream, 1, said(from))
            });
        }
        assert!(first_due(store, at(400)).is_none());
        write(store, |tx| waits::pull_in(tx, at(400), at(5_000), at(5_000)));
        let due = first_due(store, at(400)).expect("due again");
        assert_eq!(due.stream, "payouts");
        let asked = read(store, |tx| streams::asked(tx, "shop", at(400), 10));
        assert_eq!(asked, [("order".to_owned(), "payouts".to_owned(), 1)]);
        let all = read(store, streams::all);
        assert_eq!(all[0].next_at, at(4_000).as_microsecond(), "what was said now stays");
        // Nothing is put off beyond the latest, whenever it was said.
        write(store, |tx| waits::pull_in(tx, at(400), at(3_000), at(3_000)));
        assert_eq!(read(store, streams::all)[0].next_at, at(400).as_microsecond());
        assert_eq!(read(store, |tx| streams::asked(tx, "shop", at(400), 10)).len(), 2);
    }

    fn asking_twice_is_asking_once(store) {
        write(store, |tx| {
            streams::ask(tx, "shop", "order", "1", at(10))?;
            streams::ask(tx, "shop", "order", "1", at(90))?;
            streams::ask(tx, "shop", "order", "2", at(20))
        });
        let asked = |seconds| read(store, |tx| streams::asked(tx, "shop", at(seconds), 10));
        assert_eq!(asked(10), [("order".to_owned(), "1".to_owned(), 0)]);
        assert_eq!(asked(20).len(), 2);
        write(store, |tx| streams::ask_later(tx, "shop", "order", "1", 1, until(50)));
        assert_eq!(asked(20), [("order".to_owned(), "2".to_owned(), 0)]);
        assert_eq!(asked(50)[1], ("order".to_owned(), "1".to_owned(), 1));
        write(store, |tx| streams::answered(tx, "shop", "order", "2"));
        assert_eq!(asked(50).len(), 1);
        let far = read(store, |tx| streams::asked(tx, "shop", jiff::Timestamp::MAX, i64::MAX));
        assert_eq!(far.len(), 1);
    }

    fn a_suspended_connection_says_why(store) {
        assert_eq!(read(store, |tx| streams::suspended(tx, "odoo")), None);
        write(store, |tx| streams::suspend(tx, "odoo", "no right", at(1)));
        write(store, |tx| streams::suspend(tx, "odoo", "no key", at(2)));
        assert_eq!(read(store, |tx| streams::suspended(tx, "odoo")).as_deref(), Some("no key"));
        write(store, |tx| streams::resume(tx, "odoo"));
        assert_eq!(read(store, |tx| streams::suspended(tx, "odoo")), None);
    }

    fn a_mapping_is_a_new_version_each_time(store) {
        assert!(read(store, |tx| mappings::get(tx, "shop", None)).is_none());
        for (entity, version) in [("nl", 1), ("de", 2)] {
            let approved = write(store, move |tx| {
                mappings::approve(tx, "shop", &mapping(entity), "ada", "first", at(1))
            });
            assert_eq!(approved, version);
        }
        let newest = read(store, |tx| mappings::get(tx, "shop", None)).expect("a mapping");
        assert_eq!((newest.version, newest.entity.as_str()), (2, "de"));
        let pinned = read(store, |tx| mappings::get(tx, "shop", Some(1))).expect("a mapping");
        assert_eq!((pinned.version, pinned.entity.as_str()), (1, "nl"));
        assert!(read(store, |tx| mappings::get(tx, "shop", Some(9))).is_none());
        assert!(read(store, |tx| mappings::get(tx, "other", None)).is_none());
    }
}
