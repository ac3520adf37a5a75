//! What was made and is gone, what of a connection stands still, and what a target said of itself.

use trueup_domain::command::Way;
use trueup_store::commands::{self, Back, again};
use trueup_store::identities::{self, Identity};
use trueup_store::{Store, pauses};

use crate::commands::{ROOT, chain, deliver, goods, key, state, take};
use crate::engines::on_every_engine;
use crate::world::{after, at, command, decide, fact, order, read, until, write};

/// Applies a command at a moment, with its record.
fn applied(store: &Store, kind: &str, part: &str, record: &'static str, seconds: i64) {
    assert!(!take(store, kind, "c", 5).is_empty(), "{kind} is not ready");
    let key = key(kind, part, 1);
    let named = (!record.is_empty()).then_some(record);
    write(store, move |tx| commands::applied(tx, &key, "7", named, at(seconds)));
}

on_every_engine! {
    /// The database was set back: the payment was given the id that the invoice had.
    fn b17_what_is_gone_is_made_again_with_what_was_done_around_it(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let all = [key("order", "1", 1), key("invoice", "1", 1), key("payment", "p1", 1)];
        let tie = key("reconciliation", "p1", 1);
        applied(store, "order", "1", "r/1", 1_000);
        applied(store, "invoice", "1", "r/2", 2_000);
        let newest = |limit| read(store, move |tx| again::newest_made(tx, "odoo", limit));
        let one = |record: &str| ("1".to_owned(), record.to_owned());
        assert_eq!(newest(9), [one("r/2"), one("r/1")]);
        assert_eq!(newest(1), [one("r/2")]);
        assert!(read(store, |tx| again::of_record(tx, "odoo", "r/2")).is_none(), "it is there");

        applied(store, "payment", "p1", "r/2", 3_000);
        applied(store, "reconciliation", "p1", "", 4_000);
        let gone = read(store, |tx| again::of_record(tx, "odoo", "r/2")).expect("gone");
        assert_eq!(gone.key, all[1]);
        let made = read(store, |tx| commands::by_record(tx, "odoo", "r/2")).expect("made");
        assert_eq!(made.key, all[2], "the later one made what has the id now");

        assert_eq!(write(store, move |tx| again::make(tx, &gone)), 3);
        let states = || [&all[0], &all[1], &all[2], &tie].map(|key| state(store, key));
        // From the order on, the last that is there before it; not the payment, the first after it;
        // and the tie, of what takes its place.
        assert_eq!(states(), ["ready", "waiting", "applied", "waiting"]);
        applied(store, "order", "1", "r/1", 4_500);
        applied(store, "invoice", "1", "r/3", 5_000);
        assert_eq!(states(), ["applied", "applied", "applied", "ready"]);
        assert!(read(store, |tx| again::of_record(tx, "odoo", "r/2")).is_none());
    }

    /// What is known to be gone was the last before; the one before it is now.
    fn b17_the_last_of_all_is_the_last_that_is_not_known_to_be_gone(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        applied(store, "order", "1", "r/1", 1_000);
        applied(store, "invoice", "1", "r/2", 2_000);
        let newest = |record: &str| {
            let records = [record.to_owned()];
            read(store, move |tx| again::is_newest(tx, "odoo", &records))
        };
        assert_eq!((newest("r/1"), newest("r/2")), (false, true));
        write(store, |tx| {
            tx.execute(
                "INSERT INTO documents (connection, kind, external_id, content_hash, body, message,
                     root, decoded_at, word, currency, amount, fee, at)
                 VALUES ('odoo', 'books_record', 'r/2', '', '', '', '', 0, 'gone', '', 0, 0, 0)",
                trueup_store::values![],
            )
        });
        assert_eq!((newest("r/1"), newest("r/2")), (true, false));
    }

    /// However it comes back, what needs something that is made again waits for it: the record of
    /// another may bear the id that it had.
    fn b17_what_comes_back_waits_for_what_is_made_again(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        applied(store, "order", "1", "r/1", 1_000);
        let invoice = key("invoice", "1", 1);
        let order_is_gone = || {
            write(store, |tx| {
                let sql = "UPDATE commands SET state = 'ready' WHERE record = 'r/1'";
                tx.execute(sql, trueup_store::values![])
            });
        };
        let refused_by = |back: Back| {
            let invoice = invoice.clone();
            write(store, move |tx| {
                commands::back(tx, &invoice, back, until(0), "TU104", "no such order")
            });
        };
        // Its conversation was taken by a process that died before it said anything.
        assert_eq!(take(store, "invoice", "died", 5).len(), 1);
        order_is_gone();
        let taken = read(store, |tx| commands::find(tx, &invoice)).expect("the invoice");
        assert_eq!(write(store, move |tx| commands::remember(tx, "odoo", &taken.lane)), 1);
        assert_eq!(state(store, &invoice), "waiting");

        applied(store, "order", "1", "r/1", 1_001);
        assert_eq!(take(store, "invoice", "c", 5).len(), 1);
        order_is_gone();
        refused_by(Back::Ready);
        assert_eq!(state(store, &invoice), "waiting");

        applied(store, "order", "1", "r/1", 1_002);
        assert_eq!(take(store, "invoice", "c", 5).len(), 1);
        order_is_gone();
        refused_by(Back::Refused);
        let own = invoice.clone();
        assert!(write(store, move |tx| commands::retry(tx, &own)));
        assert_eq!(state(store, &invoice), "waiting");
        applied(store, "order", "1", "r/1", 1_003);
        assert_eq!(state(store, &invoice), "ready");
    }

    /// The delivery is gone with the books that were set back, and the order is replaced before it is
    /// made again: it belongs to the order that it was of, which is cancelled after it.
    fn b17_goods_that_are_made_again_stay_with_their_order(store) {
        let of = |price: &str| {
            let out = command(goods(price, Way::Out), vec![after("order", "order", "1")]);
            vec![fact("order", "1", command(order(price), Vec::new())), fact("goods_out", "f1", out)]
        };
        decide(store, ROOT, of("10.00"), 1);
        applied(store, "order", "1", "r/1", 1_000);
        assert_eq!(take(store, "goods", "c", 5).len(), 1);
        let out = key("goods_out", "f1", 1);
        let own = out.clone();
        write(store, move |tx| commands::applied(tx, &own, "7", None, at(1_001)));
        let gone = read(store, |tx| commands::by_record(tx, "odoo", "r/1")).expect("made");
        assert_eq!(write(store, move |tx| again::make(tx, &gone)), 2);
        decide(store, ROOT, of("8.00"), 2);

        applied(store, "order", "1", "r/1", 1_002);
        let cancel = format!("{}/rev", key("order", "1", 1));
        let back = format!("{}/rev", key("goods_out", "f1", 1));
        assert_eq!(state(store, &cancel), "waiting", "goods leave first");
        let taken = take(store, "goods", "c", 5);
        assert_eq!(taken.iter().map(|it| &it.key).collect::<Vec<_>>(), [&out]);
        write(store, move |tx| commands::applied(tx, &out, "8", None, at(1_003)));
        assert_eq!((&*state(store, &cancel), &*state(store, &back)), ("ready", "waiting"));
        deliver(store, &cancel, "cancellation", "1");
        deliver(store, &back, "goods", "9");
        deliver(store, &key("order", "1", 2), "order", "2");
        deliver(store, &key("goods_out", "f1", 2), "goods", "10");
    }

    /// The invoice was replaced after it was paid, and the books were set back to before all of that:
    /// what it was tied to is tied again before it is taken back, or the target sets the two off. Once
    /// the tie was undone nobody makes it again.
    fn b17_a_tie_is_made_again_before_what_takes_its_end_back(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        applied(store, "order", "1", "r/1", 1_000);
        applied(store, "invoice", "1", "r/2", 1_001);
        applied(store, "payment", "p1", "r/3", 1_002);
        applied(store, "reconciliation", "p1", "", 1_003);
        decide(store, ROOT, chain("10.00", "8.00"), 2);
        let invoice = key("invoice", "1", 1);
        let (back, tie) = (format!("{invoice}/rev"), key("reconciliation", "p1", 1));
        let made_again = |record: &str| {
            let gone = read(store, |tx| commands::by_record(tx, "odoo", record)).expect("made");
            write(store, move |tx| again::make(tx, &gone))
        };
        assert_eq!(made_again("r/2"), 3, "all but the payment, which was made after it");
        applied(store, "order", "1", "r/1", 2_000);
        applied(store, "invoice", "1", "r/4", 2_001);
        assert_eq!((&*state(store, &tie), &*state(store, &back)), ("ready", "waiting"));
        applied(store, "reconciliation", "p1", "", 2_003);
        deliver(store, &back, "credit_note", "11");
        deliver(store, &format!("{back}/tie"), "reconciliation", "12");

        made_again("r/4");
        assert_eq!((&*state(store, &invoice), &*state(store, &tie)), ("waiting", "applied"));
    }

    /// While a case says that a record is gone, what the record stated is not missed as well.
    fn b17_what_a_case_says_is_gone_is_known(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        applied(store, "order", "1", "r/1", 1_000);
        let told = || read(store, |tx| again::is_told(tx, ROOT, "order/shop/o1"));
        write(store, |tx| {
            let none = trueup_store::values![];
            tx.execute("UPDATE commands SET states_key = 'order/shop/o1' WHERE record = 'r/1'", none)?;
            tx.execute(
                "INSERT INTO documents (connection, kind, external_id, content_hash, body, message,
                     root, decoded_at, word, currency, amount, fee, at)
                 VALUES ('odoo', 'books_record', 'r/1', '', '', '', 'odoo/books/r/1', 0, 'gone', '',
                     0, 0, 0)",
                trueup_store::values![],
            )
        });
        assert!(!told(), "there is no case");
        let case = trueup_store::cases::NewCase {
            kind: "gone_from_books", subject: "odoo/books/r/1", entity: "nl", title: "gone",
            detail: "", remedy: "", amount: None, owner: "operator",
        };
        write(store, move |tx| trueup_store::cases::open(tx, &case, at(2)));
        assert!(told());
    }

    fn b13_what_waits_for_a_right_is_tried_again(store) {
        let active = |seconds| read(store, move |tx| pauses::active(tx, "odoo", at(seconds)));
        write(store, |tx| pauses::put(tx, "odoo", "1/payment/7", "create it", until(300)));
        write(store, |tx| pauses::put(tx, "odoo", "stream/bank", "read it", until(300)));
        write(store, |tx| pauses::put(tx, "other", "1/payment/7", "create it", until(300)));
        assert_eq!(active(299), ["1/payment/7", "stream/bank"]);
        assert_eq!(active(300), [""; 0]);
        assert!(write(store, |tx| pauses::try_now(tx, "odoo", "create it")));
        assert_eq!(active(10), ["stream/bank"]);
        assert_eq!(read(store, |tx| pauses::for_want_of(tx, "odoo", "create it")).len(), 1);
        let ended = write(store, |tx| pauses::end(tx, "odoo", "1/payment/7"));
        assert_eq!(ended.as_deref(), Some("create it"));
        assert!(write(store, |tx| pauses::end(tx, "odoo", "1/payment/7")).is_none());
        assert!(!write(store, |tx| pauses::try_now(tx, "odoo", "create it")));
    }

    fn b13_what_a_clock_that_ran_ahead_paused_is_not_paused(store) {
        let ahead = trueup_store::waits::Wait { from: at(90_000), until: at(90_300) };
        write(store, move |tx| pauses::put(tx, "odoo", "1/payment/7", "create it", ahead));
        assert_eq!(read(store, |tx| pauses::active(tx, "odoo", at(10))), [""; 0]);
    }

    fn b18_what_a_target_said_of_itself_is_kept_until_it_is_asked_again(store) {
        assert!(read(store, |tx| identities::of(tx, "odoo")).is_none());
        let said = Identity {
            found: Some("19.0".to_owned()),
            probed_at: 1,
            checked_at: 2,
            asked_at: 2,
            stopped: false,
        };
        let own = said.clone();
        write(store, move |tx| identities::put(tx, "odoo", &own));
        assert_eq!(read(store, |tx| identities::of(tx, "odoo")), Some(said.clone()));
        write(store, |tx| identities::failed(tx, "odoo", true, at(5)));
        let failed = read(store, |tx| identities::of(tx, "odoo")).expect("kept");
        let asked_at = at(5).as_microsecond();
        assert_eq!(failed, Identity { checked_at: 0, asked_at, stopped: true, ..said });
        write(store, |tx| identities::ask_now(tx, "odoo"));
        let again = read(store, |tx| identities::of(tx, "odoo")).expect("kept");
        assert_eq!(again, Identity { found: None, asked_at: 0, ..failed });
    }
}
