//! Commands: what each needs, what becomes of it, and the conversations under way.

use trueup_domain::command::{Content, Extent, GoodsContent, Way};
use trueup_domain::fact::{Fact, FactContent};
use trueup_store::commands::{self, Back, Conversation, Taken};
use trueup_store::waits::{self, Wait};
use trueup_store::{Store, documents};

use crate::engines::on_every_engine;
use crate::world::{
    after, at, command, credit_note, decide, fact, invoice, money_in, order, place, read, tie,
    until, write,
};

pub const ROOT: &str = "shop/sale/o1";

pub fn key(kind: &str, part: &str, generation: u32) -> String {
    format!("test/{ROOT}/{kind}/{part}/{generation}")
}

/// An order, its invoice, a payment, and the tie of the two.
pub fn chain(order_total: &str, invoice_total: &str) -> Vec<Fact> {
    vec![
        fact("order", "1", command(order(order_total), Vec::new())),
        fact("invoice", "1", command(invoice(invoice_total), vec![after("order", "order", "1")])),
        fact("payment", "p1", command(money_in("10.00"), Vec::new())),
        fact(
            "reconciliation",
            "p1",
            command(
                tie("10.00"),
                vec![after("payment", "payment", "p1"), after("document", "invoice", "1")],
            ),
        ),
    ]
}

/// Goods of an order of that content.
pub fn goods(order: &str, way: Way) -> Content {
    Content::Goods(GoodsContent {
        company: "1".to_owned(),
        way,
        reference: "#1001".to_owned(),
        order: order.to_owned(),
        lines: Vec::new(),
    })
}

pub fn state(store: &Store, key: &str) -> String {
    let found = read(store, |tx| commands::find(tx, key));
    found.map_or_else(|| "none".to_owned(), |command| command.state)
}

fn ready(store: &Store, target: &'static str, seconds: i64) -> Vec<String> {
    let lanes = read(store, |tx| commands::lanes_ready(tx, target, at(seconds)));
    lanes.into_iter().map(|lane| lane.name).collect()
}

pub fn take(store: &Store, kind: &str, conversation: &'static str, seconds: i64) -> Vec<Taken> {
    let lanes = read(store, |tx| commands::lanes_ready(tx, "odoo", at(seconds)));
    let Some(lane) = lanes.into_iter().find(|lane| lane.kind.word() == kind) else {
        return Vec::new();
    };
    let lane = lane.name;
    write(store, move |tx| commands::take(tx, "odoo", &lane, conversation, 100, at(seconds)))
}

pub fn apply(store: &Store, key: &str, binding: &str) {
    let (key, binding) = (key.to_owned(), binding.to_owned());
    write(store, move |tx| commands::applied(tx, &key, &binding, Some(&binding), at(9)));
}

/// Takes a command for sending and applies it.
pub fn deliver(store: &Store, key: &str, kind: &str, binding: &str) {
    let taken = take(store, kind, "c", 5);
    assert!(taken.iter().any(|one| one.key == key), "{key} is not ready: {taken:?}");
    apply(store, key, binding);
}

fn talk() -> Conversation {
    Conversation {
        id: "c1".to_owned(),
        connection: "odoo".to_owned(),
        lane: "1/order/-".to_owned(),
        task: "{}".to_owned(),
        state: "s1".to_owned(),
        sending: true,
        wait_until: 0,
    }
}

on_every_engine! {
    fn a_command_is_ready_when_all_it_needs_is_applied(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let (order, invoice) = (key("order", "1", 1), key("invoice", "1", 1));
        let (payment, tie) = (key("payment", "p1", 1), key("reconciliation", "p1", 1));
        assert_eq!(state(store, &order), "ready");
        assert_eq!(state(store, &invoice), "waiting");
        assert_eq!(state(store, &payment), "ready");
        deliver(store, &order, "order", "sale.order/1");
        assert_eq!(state(store, &invoice), "ready");
        assert_eq!(state(store, &tie), "waiting");
        let taken = take(store, "invoice", "c2", 5);
        assert_eq!(taken[0].bindings.get("order").map(String::as_str), Some("sale.order/1"));
        apply(store, &invoice, "account.move/2");
        assert_eq!(state(store, &tie), "waiting", "the payment is still to come");
        deliver(store, &payment, "payment", "account.payment/3");
        let taken = take(store, "reconciliation", "c3", 5);
        let bindings: Vec<(&str, &str)> =
            taken[0].bindings.iter().map(|(role, to)| (role.as_str(), to.as_str())).collect();
        assert_eq!(bindings, [("document", "account.move/2"), ("payment", "account.payment/3")]);
        let found = read(store, |tx| commands::by_record(tx, "odoo", "account.move/2"));
        assert_eq!(found.map(|command| command.key), Some(invoice));
        assert!(read(store, |tx| commands::by_record(tx, "odoo", "none")).is_none());
    }

    /// Two transactions of PostgreSQL that do not see each other: one writes the invoice, the other
    /// applies its order. Nobody else would ever look at it.
    fn what_was_overlooked_is_released_by_the_timer(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        assert_eq!(write(store, commands::release_overlooked), 0, "its order is still to come");
        let (order, invoice) = (key("order", "1", 1), key("invoice", "1", 1));
        let hidden = invoice.clone();
        write(store, move |tx| {
            commands::applied(tx, &order, "sale.order/1", None, at(2))?;
            let sql = "UPDATE commands SET state = 'waiting' WHERE key = $1";
            tx.execute(sql, trueup_store::values![hidden]).map(drop)
        });
        assert_eq!(state(store, &invoice), "waiting");
        assert_eq!(write(store, commands::release_overlooked), 1);
        assert_eq!(state(store, &invoice), "ready");
    }

    /// Each of the two looks once more when it is committed: the later one sees both.
    fn what_was_overlooked_is_released_by_the_later_of_the_two(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let (order, invoice) = (key("order", "1", 1), key("invoice", "1", 1));
        apply(store, &order, "sale.order/1");
        let hide = |store: &Store| {
            let hidden = invoice.clone();
            write(store, move |tx| {
                let sql = "UPDATE commands SET state = 'waiting' WHERE key = $1";
                tx.execute(sql, trueup_store::values![hidden]).map(drop)
            });
        };
        hide(store);
        write(store, |tx| commands::release_in(tx, &["shop/sale/another".to_owned()]));
        write(store, |tx| commands::release_behind(tx, &[key("payment", "p1", 1)]));
        assert_eq!(state(store, &invoice), "waiting", "that is another's");
        write(store, |tx| commands::release_in(tx, &[ROOT.to_owned()]));
        assert_eq!(state(store, &invoice), "ready");
        assert_eq!(state(store, &key("reconciliation", "p1", 1)), "waiting");
        hide(store);
        write(store, move |tx| commands::release_behind(tx, &[order]));
        assert_eq!(state(store, &invoice), "ready");
    }

    fn a_taken_command_is_sent_and_nobody_takes_it_again(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let lanes = ready(store, "odoo", 2);
        assert_eq!(lanes, ["1/order/-", "1/payment/stripe"]);
        assert!(ready(store, "other", 2).is_empty());
        let first = take(store, "order", "c1", 2);
        assert_eq!((first.len(), first[0].attempts), (1, 0));
        assert_eq!(state(store, &key("order", "1", 1)), "sent");
        let lanes = ready(store, "odoo", 2);
        assert_eq!(lanes, ["1/payment/stripe"]);
        let again = write(store, |tx| commands::take(tx, "odoo", "1/order/-", "c2", 100, at(2)));
        assert!(again.is_empty());
        let counts = read(store, commands::counts);
        let orders = ("odoo".to_owned(), "order".to_owned(), "sent".to_owned(), 1);
        assert!(counts.contains(&orders), "{counts:?}");
    }

    fn a_lane_with_a_conversation_is_busy(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let mut talk = talk();
        let first = talk.clone();
        write(store, move |tx| commands::save_conversation(tx, &first, at(1)));
        let lanes = ready(store, "odoo", 2);
        assert_eq!(lanes, ["1/payment/stripe"]);
        talk.state = "s2".to_owned();
        talk.sending = false;
        talk.wait_until = 77;
        let second = talk.clone();
        write(store, move |tx| commands::save_conversation(tx, &second, at(2)));
        let kept = read(store, |tx| commands::kept(tx, "odoo"));
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].sending, kept[0].wait_until), (false, 77));
        assert_eq!(read(store, |tx| commands::conversation(tx, &kept[0].id)), Some(talk));
        assert!(read(store, |tx| commands::kept(tx, "other")).is_empty());
        write(store, |tx| commands::end_conversation(tx, "c1"));
        assert_eq!(ready(store, "odoo", 2).len(), 2);
    }

    fn what_is_not_due_is_not_ready(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        take(store, "order", "c1", 2);
        let order = key("order", "1", 1);
        write(store, |tx| {
            commands::back(tx, &key("order", "1", 1), Back::Ready, until(60), "TU106", "a lock")
        });
        assert_eq!(state(store, &order), "ready");
        assert!(take(store, "order", "c2", 59).is_empty());
        let taken = take(store, "order", "c2", 60);
        assert_eq!(taken[0].attempts, 1);
        apply(store, &order, "sale.order/1");
        let shown = read(store, |tx| commands::find(tx, &order)).expect("a command");
        assert_eq!((shown.error, shown.error_code), (None, None), "what went well has no error");
    }

    fn c7_what_a_clock_that_ran_ahead_put_off_can_be_sent(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        take(store, "order", "c1", 2);
        // Until when it lies, once it is 400 s, if it was said at `from` to wait until 4,000 s.
        let lies = |from| {
            let wait = Wait { from: at(from), until: at(4_000) };
            write(store, move |tx| {
                commands::back(tx, &key("order", "1", 1), Back::Ready, wait, "TU106", "busy")?;
                let until = wait.until.as_microsecond();
                let talk = Conversation { sending: false, wait_until: until, ..talk() };
                commands::save_conversation(tx, &talk, wait.from)?;
                waits::pull_in(tx, at(400), at(5_000), at(5_000))
            });
            let kept = read(store, |tx| commands::kept(tx, "odoo"))[0].wait_until;
            write(store, |tx| commands::end_conversation(tx, "c1"));
            (kept, take(store, "order", "c1", 400).len())
        };
        assert_eq!(lies(400), (at(4_000).as_microsecond(), 0), "what was said now stays");
        assert_eq!(take(store, "order", "c1", 4_000).len(), 1);
        assert_eq!(lies(3_999), (at(400).as_microsecond(), 1));
    }

    fn a_refused_command_waits_for_a_person(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let order = key("order", "1", 1);
        take(store, "order", "c1", 2);
        write(store, |tx| {
            commands::back(tx, &key("order", "1", 1), Back::Refused, until(2), "TU104", "no such tax")
        });
        assert_eq!(state(store, &order), "refused");
        assert!(take(store, "order", "c2", 500).is_empty());
        assert_eq!(state(store, &key("invoice", "1", 1)), "waiting");
        assert!(write(store, |tx| commands::retry(tx, &key("order", "1", 1))));
        assert!(!write(store, |tx| commands::retry(tx, &key("order", "1", 1))));
        assert_eq!(take(store, "order", "c2", 3).len(), 1);
    }

    fn an_orphan_is_unknown_and_only_looked_up(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let order = key("order", "1", 1);
        take(store, "order", "c1", 2);
        let orphaned = write(store, |tx| commands::orphaned(tx, "c1", until(10), "TU103", "lost"));
        assert_eq!(orphaned, 1);
        assert_eq!(write(store, |tx| commands::orphaned(tx, "c1", until(10), "TU103", "lost")), 0);
        assert_eq!(state(store, &order), "unknown");
        assert!(take(store, "order", "c2", 500).is_empty(), "never sent on a guess");
        assert!(read(store, |tx| commands::lanes_unknown(tx, "odoo", at(9))).is_empty());
        let lanes = read(store, |tx| commands::lanes_unknown(tx, "odoo", at(10)));
        assert_eq!(lanes, ["1/order/-"]);
        let taken = write(store, |tx| commands::take_unknown(tx, "odoo", "1/order/-", "c3", 10));
        assert_eq!((taken[0].key.clone(), taken[0].attempts), (order.clone(), 1));
        assert_eq!(state(store, &order), "unknown", "only evidence leaves it");
        write(store, |tx| commands::orphaned(tx, "c3", until(20), "TU103", "again"));
        assert_eq!(state(store, &order), "unknown");
        write(store, |tx| {
            commands::back(tx, &key("order", "1", 1), Back::Ready, until(20), "TU101", "was not there")
        });
        assert_eq!(take(store, "order", "c4", 20).len(), 1);
    }

    fn an_applied_command_stays_applied(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let order = key("order", "1", 1);
        deliver(store, &order, "order", "sale.order/1");
        apply(store, &order, "sale.order/2");
        write(store, |tx| {
            commands::back(tx, &key("order", "1", 1), Back::Refused, until(2), "TU104", "late")
        });
        let shown = read(store, |tx| commands::find(tx, &order)).expect("a command");
        assert_eq!((shown.state.as_str(), shown.binding.as_deref()), ("applied", Some("sale.order/1")));
    }

    fn d4_a_change_before_delivery_withdraws_and_sends_the_new_one_only(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        decide(store, ROOT, chain("9.00", "9.00"), 2);
        assert_eq!(state(store, &key("order", "1", 1)), "withdrawn");
        assert_eq!(state(store, &key("invoice", "1", 1)), "withdrawn");
        assert_eq!(state(store, &format!("{}/rev", key("order", "1", 1))), "none");
        deliver(store, &key("order", "1", 2), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 2), "invoice", "account.move/2");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        // The tie did not change; it follows the invoice that took the withdrawn one's place.
        let taken = take(store, "reconciliation", "c3", 5);
        assert_eq!(taken.len(), 1, "{}", state(store, &key("reconciliation", "p1", 1)));
        assert_eq!(taken[0].bindings.get("document").map(String::as_str), Some("account.move/2"));
    }

    fn d4_a_change_after_delivery_is_reversed_before_the_new_one(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        decide(store, ROOT, chain("10.00", "9.00"), 2);
        let back = format!("{}/rev", key("invoice", "1", 1));
        assert_eq!(state(store, &key("invoice", "1", 1)), "applied");
        assert_eq!(state(store, &back), "ready");
        assert_eq!(state(store, &key("invoice", "1", 2)), "waiting", "after the reversal");
        let taken = take(store, "credit_note", "c", 5);
        assert_eq!(taken[0].key, back);
        assert_eq!(taken[0].bindings.get("invoice").map(String::as_str), Some("account.move/2"));
        apply(store, &back, "account.move/4");
        assert_eq!(state(store, &key("invoice", "1", 2)), "ready");
        deliver(store, &key("invoice", "1", 2), "invoice", "account.move/5");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        let taken = take(store, "reconciliation", "c3", 5);
        assert_eq!(taken[0].bindings.get("document").map(String::as_str), Some("account.move/5"));
    }

    /// The note takes the place of the money that paid the first invoice, and the money pays the
    /// second.
    fn d4_the_money_of_a_document_pays_its_successor(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        deliver(store, &key("reconciliation", "p1", 1), "reconciliation", "partial/1");
        decide(store, ROOT, chain("10.00", "9.00"), 2);
        let (first, note) = (key("invoice", "1", 1), format!("{}/rev", key("invoice", "1", 1)));
        let (undone, passed_on) = (format!("{note}/tie"), format!("{first}/tie/0"));
        deliver(store, &note, "credit_note", "account.move/4");
        let taken = take(store, "reconciliation", "c", 5);
        assert_eq!(taken.len(), 1, "the note against what it takes back comes first");
        assert_eq!(taken[0].key, undone);
        let bound = |one: &Taken, role: &str| one.bindings.get(role).cloned().unwrap_or_default();
        assert_eq!(bound(&taken[0], "payment"), "account.move/4");
        assert_eq!(bound(&taken[0], "document"), "account.move/2");
        let Content::Reconciliation(tie) = &taken[0].content else { panic!("a tie") };
        assert_eq!(tie.extent, Extent::Instead);
        apply(store, &undone, "partial/9");
        assert_eq!(state(store, &passed_on), "waiting", "for the second invoice");
        deliver(store, &key("invoice", "1", 2), "invoice", "account.move/5");
        let taken = take(store, "reconciliation", "c", 5);
        assert_eq!(taken[0].key, passed_on);
        assert_eq!(bound(&taken[0], "payment"), "account.payment/3");
        assert_eq!(bound(&taken[0], "document"), "account.move/5");
        let Content::Reconciliation(tie) = &taken[0].content else { panic!("a tie") };
        assert_eq!(tie.extent, Extent::WhatIsOpen);
        // The second is taken back too, and the same money goes on to the third.
        let third = key("invoice", "1", 3);
        apply(store, &passed_on, "partial/2");
        decide(store, ROOT, chain("10.00", "8.00"), 3);
        assert_eq!(state(store, &third), "waiting");
        assert_eq!(state(store, &format!("{}/tie/0", key("invoice", "1", 2))), "waiting");
        assert_eq!(state(store, &format!("{}/tie/1", key("invoice", "1", 2))), "none");
    }

    /// A tie that is under way may still take the first invoice: the note waits for its end.
    fn b2_a_document_is_taken_back_after_the_tie_under_way(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        assert_eq!(take(store, "reconciliation", "c", 5).len(), 1);
        decide(store, ROOT, chain("10.00", "9.00"), 2);
        let note = format!("{}/rev", key("invoice", "1", 1));
        assert_eq!(state(store, &note), "waiting");
        apply(store, &key("reconciliation", "p1", 1), "partial/1");
        assert_eq!(state(store, &note), "ready");
    }

    fn a_successor_that_never_left_leaves_no_tie_behind(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        deliver(store, &key("reconciliation", "p1", 1), "reconciliation", "partial/1");
        decide(store, ROOT, chain("10.00", "9.00"), 2);
        let (note, tie) =
            (format!("{}/rev", key("invoice", "1", 1)), format!("{}/tie/0", key("invoice", "1", 1)));
        // Back to the first amount before the second left: the third follows the same note.
        decide(store, ROOT, chain("10.00", "10.00"), 3);
        assert_eq!(state(store, &key("invoice", "1", 2)), "withdrawn");
        deliver(store, &note, "credit_note", "account.move/4");
        deliver(store, &key("invoice", "1", 3), "invoice", "account.move/5");
        deliver(store, &format!("{note}/tie"), "reconciliation", "partial/9");
        let taken = take(store, "reconciliation", "c", 5);
        assert_eq!(taken[0].key, tie);
        assert_eq!(taken[0].bindings.get("document").map(String::as_str), Some("account.move/5"));
        apply(store, &tie, "partial/1");
        decide(store, ROOT, chain("10.00", "7.00"), 4);
        decide(store, ROOT, Vec::new(), 5);
        assert_eq!(state(store, &key("invoice", "1", 4)), "withdrawn");
        assert_eq!(state(store, &format!("{}/tie/0", key("invoice", "1", 3))), "withdrawn");
    }

    fn what_is_under_way_is_reversed_not_withdrawn(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        take(store, "order", "c1", 2);
        decide(store, ROOT, Vec::new(), 3);
        assert_eq!(state(store, &key("order", "1", 1)), "sent");
        let cancel = format!("{}/rev", key("order", "1", 1));
        assert_eq!(state(store, &cancel), "waiting", "until the outcome is known");
        assert_eq!(state(store, &key("invoice", "1", 1)), "withdrawn");
        assert_eq!(state(store, &key("payment", "p1", 1)), "withdrawn");
        assert_eq!(state(store, &key("reconciliation", "p1", 1)), "withdrawn");
        apply(store, &key("order", "1", 1), "sale.order/1");
        assert_eq!(state(store, &cancel), "ready");
    }

    /// The books would cancel a transfer that we are about to finish.
    fn an_order_is_cancelled_when_no_goods_of_it_are_under_way(store) {
        let shipped = |price: &str| {
            vec![
                fact("order", "1", command(order(price), Vec::new())),
                fact("goods_out", "f1", command(goods(price, Way::Out), vec![after("order", "order", "1")])),
            ]
        };
        let (own, next) = (key("order", "1", 1), key("order", "1", 2));
        let (out, out_next) = (key("goods_out", "f1", 1), key("goods_out", "f1", 2));
        let (cancel, back) = (format!("{own}/rev"), format!("{out}/rev"));
        decide(store, ROOT, shipped("10.00"), 1);
        deliver(store, &own, "order", "sale.order/1");
        assert_eq!(take(store, "goods", "c1", 2).len(), 1);
        decide(store, ROOT, shipped("11.00"), 3);
        assert_eq!(state(store, &cancel), "waiting", "goods are under way");
        apply(store, &out, "stock.picking/1");
        assert_eq!(state(store, &cancel), "ready");
        assert_eq!(state(store, &back), "waiting", "its transfer would be cancelled with the order");
        deliver(store, &cancel, "cancellation", "sale.order/1");
        deliver(store, &back, "goods", "stock.picking/2");
        deliver(store, &next, "order", "sale.order/2");
        assert_eq!(state(store, &out_next), "ready");
    }

    /// Units that came back are not there to be taken back once more.
    fn what_came_back_leaves_again_before_its_delivery_is_taken_back(store) {
        let moved = |price: &str| {
            let of_order = || vec![after("order", "order", "1")];
            vec![
                fact("order", "1", command(order(price), Vec::new())),
                fact("goods_back", "r1", command(goods(price, Way::Back), of_order())),
                fact("goods_out", "f1", command(goods(price, Way::Out), of_order())),
            ]
        };
        decide(store, ROOT, moved("10.00"), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        let (out, back) = (key("goods_out", "f1", 1), key("goods_back", "r1", 1));
        assert_eq!(take(store, "goods", "c1", 2).len(), 2);
        apply(store, &out, "stock.picking/1");
        apply(store, &back, "stock.picking/2");
        decide(store, ROOT, moved("11.00"), 3);
        deliver(store, &format!("{}/rev", key("order", "1", 1)), "cancellation", "sale.order/1");
        let (out, back) = (format!("{out}/rev"), format!("{back}/rev"));
        assert_eq!(state(store, &out), "waiting");
        deliver(store, &back, "goods", "stock.picking/3");
        assert_eq!(state(store, &out), "ready");
    }

    /// The delivery was called off before; its goods go back only once those that came back left.
    fn a_delivery_called_off_earlier_waits_as_well(store) {
        let of_order = || vec![after("order", "order", "1")];
        let sold = fact("order", "1", command(order("10.00"), Vec::new()));
        let back = fact("goods_back", "r1", command(goods("10.00", Way::Back), of_order()));
        let out = fact("goods_out", "f1", command(goods("10.00", Way::Out), of_order()));
        decide(store, ROOT, vec![sold.clone(), back.clone(), out], 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        assert_eq!(take(store, "goods", "c1", 2).len(), 2);
        let (out, again) = (key("goods_out", "f1", 1), key("goods_back", "r1", 1));
        apply(store, &out, "stock.picking/1");
        apply(store, &again, "stock.picking/2");
        let (out, again) = (format!("{out}/rev"), format!("{again}/rev"));
        decide(store, ROOT, vec![sold.clone(), back], 3);
        assert_eq!(state(store, &out), "ready");
        decide(store, ROOT, vec![sold], 4);
        assert_eq!(state(store, &out), "waiting");
        deliver(store, &again, "goods", "stock.picking/3");
        assert_eq!(state(store, &out), "ready");
    }

    /// §9.4: what is ready has certainly not been carried out, however often it was tried.
    fn what_was_tried_in_vain_is_withdrawn(store) {
        for (state_word, back) in [("ready", Back::Ready), ("refused", Back::Refused)] {
            decide(store, ROOT, chain("10.00", "10.00"), 1);
            let generation = read(store, |tx| trueup_store::facts::written(tx, ROOT));
            let generation = generation.iter().find(|one| one.key.kind == "order").expect("one");
            let order = key("order", "1", generation.generation);
            take(store, "order", "c1", 2);
            let own = order.clone();
            write(store, move |tx| commands::back(tx, &own, back, until(3), "TU106", "busy"));
            assert_eq!(state(store, &order), state_word);
            decide(store, ROOT, Vec::new(), 4);
            assert_eq!(state(store, &order), "withdrawn");
            assert_eq!(state(store, &format!("{order}/rev")), "none");
        }
    }

    /// Replaced while its reply was open, then refused: nothing is there that could be taken back.
    fn b2_what_is_refused_after_it_was_replaced_is_withdrawn(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        take(store, "order", "c1", 2);
        decide(store, ROOT, chain("12.00", "12.00"), 3);
        let (first, second) = (key("order", "1", 1), key("order", "1", 2));
        let cancel = format!("{first}/rev");
        assert_eq!((state(store, &cancel), state(store, &second)), ("waiting".into(), "waiting".into()));
        let own = first.clone();
        write(store, move |tx| commands::back(tx, &own, Back::Refused, until(4), "TU104", "no such tax"));
        assert_eq!(state(store, &first), "withdrawn");
        assert_eq!(state(store, &cancel), "withdrawn");
        assert_eq!(state(store, &second), "ready");
        deliver(store, &second, "order", "sale.order/2");
        assert_eq!(state(store, &key("invoice", "1", 2)), "ready");
    }

    fn a_reversal_states_what_it_takes_back(store) {
        let mut derived = chain("10.00", "10.00");
        for fact in &mut derived {
            if let (FactContent::Command(command), "invoice") = (&mut fact.content, fact.key.kind.as_str()) {
                command.states =
                    Some((trueup_domain::item::ItemKind::Document, "order/shop/o1".to_owned()));
            }
        }
        decide(store, ROOT, derived, 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        decide(store, ROOT, Vec::new(), 2);
        let back = format!("{}/rev", key("invoice", "1", 1));
        let shown = read(store, |tx| commands::find(tx, &back)).expect("a reversal");
        assert_eq!(shown.states.map(|(_, key)| key).as_deref(), Some("order/shop/o1#back"));
        assert_eq!(shown.content, credit_note_of(&shown.content));
        // Four, two that take back, and the tie of the note to what it takes back.
        assert_eq!(read(store, |tx| commands::of_root(tx, ROOT)).len(), 7);
    }

    fn roots_share_a_customer(store) {
        let shared = |store: &Store| {
            write(store, |tx| {
                let place = place("shop/customer/7");
                let key = trueup_domain::fact::FactKey::new("customer", "1");
                let FactContent::Command(one) = command(credit_note("1.00"), Vec::new()) else {
                    panic!("a command")
                };
                commands::add_shared(tx, place, &key, &one)
            });
        };
        shared(store);
        shared(store);
        let mut needs = after("customer", "customer", "1");
        needs.root = Some("shop/customer/7".to_owned());
        let derived = vec![fact("order", "1", command(order("10.00"), vec![needs]))];
        decide(store, ROOT, derived, 1);
        assert_eq!(state(store, &key("order", "1", 1)), "waiting");
        apply(store, "test/shop/customer/7/customer/1/1", "res.partner/7");
        let taken = take(store, "order", "c", 5);
        assert_eq!(taken[0].bindings.get("customer").map(String::as_str), Some("res.partner/7"));
        assert!(read(store, |tx| documents::find_root(tx, ROOT)).is_none());
    }

    fn a_need_that_is_not_written_yet_is_waited_for(store) {
        // Facts of one decision may come in any order.
        let mut derived = chain("10.00", "10.00");
        derived.reverse();
        decide(store, ROOT, derived, 1);
        assert_eq!(state(store, &key("reconciliation", "p1", 1)), "waiting");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        assert_eq!(state(store, &key("reconciliation", "p1", 1)), "ready");
    }
}

/// Checks the kind; the content is whatever the reversal made of it.
fn credit_note_of(content: &trueup_domain::command::Content) -> trueup_domain::command::Content {
    assert_eq!(content.kind().word(), "credit_note");
    content.clone()
}

/// Runs `second` while `first` holds what it wrote and has not committed; returns what it gave.
pub fn between<A: Send + 'static, T: Send + 'static>(
    store: &Store,
    first: impl FnOnce(&mut trueup_store::Tx<'_>) -> Result<A, trueup_store::StoreError>
    + Send
    + 'static,
    second: impl FnOnce(&Store) -> T + Send + 'static,
) -> T {
    let (wrote, wait_for_write) = std::sync::mpsc::channel();
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let other = store.clone();
    let writer = std::thread::spawn(move || {
        other.write(move |tx| {
            let outcome = first(tx)?;
            wrote.send(()).expect("a listener");
            wait.recv().expect("let go");
            Ok(outcome)
        })
    });
    wait_for_write.recv().expect("written");
    let own = store.clone();
    let later = std::thread::spawn(move || second(&own));
    std::thread::sleep(std::time::Duration::from_millis(150));
    let_go.send(()).expect("a listener");
    writer.join().expect("no panic").expect("committed");
    later.join().expect("no panic")
}

/// In PostgreSQL two transactions see the same command ready; what one withdraws the other must not
/// send.
#[test]
fn c6_in_postgres_what_is_withdrawn_meanwhile_is_not_sent() {
    let Some(database) = crate::engines::postgres() else { return };
    let store = database.store();
    decide(&store, ROOT, chain("10.00", "10.00"), 1);
    let withdraw = |tx: &mut trueup_store::Tx<'_>| {
        let sql = "UPDATE commands SET state = 'withdrawn' WHERE kind = 'order'";
        tx.execute(sql, trueup_store::values![]).map(drop)
    };
    let taken = between(&store, withdraw, |store| take(store, "order", "c", 5));
    assert_eq!(taken.len(), 0, "{taken:?}");
    assert_eq!(state(&store, &key("order", "1", 1)), "withdrawn");
}

/// A command is refused while a decision replaces it: whichever commits first, it ends withdrawn, and
/// nothing waits for it.
#[test]
fn c6_in_postgres_what_is_refused_while_it_is_replaced_is_withdrawn() {
    for replaced_first in [true, false] {
        let Some(database) = crate::engines::postgres() else { return };
        let store = database.store();
        decide(&store, ROOT, chain("10.00", "10.00"), 1);
        assert_eq!(take(&store, "order", "c", 5).len(), 1);
        let own = key("order", "1", 1);
        let refuse = {
            let own = own.clone();
            move |tx: &mut trueup_store::Tx<'_>| {
                commands::back(tx, &own, Back::Refused, until(0), "TU104", "no").map(drop)
            }
        };
        if replaced_first {
            let replace = crate::world::deciding(ROOT, chain("12.00", "12.00"), 2);
            between(&store, replace, move |store| store.write(refuse).expect("written"));
        } else {
            let replace = crate::world::deciding(ROOT, chain("12.00", "12.00"), 2);
            between(&store, refuse, move |store| store.write(replace).expect("written"));
        }
        assert_eq!(state(&store, &own), "withdrawn", "replaced first: {replaced_first}");
        assert_eq!(state(&store, &key("order", "1", 2)), "ready");
    }
}

/// A decision gives the tie another document to wait for while the payment that it also waited for is
/// applied: it must not leave with the document of before.
#[test]
fn c6_in_postgres_what_is_released_while_it_is_to_follow_is_not_sent() {
    let Some(database) = crate::engines::postgres() else { return };
    let store = database.store();
    decide(&store, ROOT, chain("10.00", "10.00"), 1);
    deliver(&store, &key("order", "1", 1), "order", "7");
    deliver(&store, &key("invoice", "1", 1), "invoice", "8");
    assert_eq!(take(&store, "payment", "c", 5).len(), 1);
    let payment = key("payment", "p1", 1);
    let replace = crate::world::deciding(ROOT, chain("10.00", "12.00"), 2);
    let taken = between(&store, replace, move |store| {
        apply(store, &payment, "9");
        take(store, "reconciliation", "d", 6)
    });
    assert_eq!(taken.len(), 0, "{taken:?}");
    assert_eq!(state(&store, &key("reconciliation", "p1", 1)), "waiting");
}
