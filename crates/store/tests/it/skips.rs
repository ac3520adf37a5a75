//! What a person skips: with what, until when, and what goes on.

use trueup_domain::fact::{Fact, FactContent, FactKey};
use trueup_store::commands::skips::{self, Word};
use trueup_store::commands::{self, Back};
use trueup_store::{Store, StoreError, values};

use crate::commands::{ROOT, apply, chain, deliver, key, state, take};
use crate::engines::on_every_engine;
use crate::world::{
    after, at, command, credit_note, decide, fact, money_in, order, place, read, until, write,
};

const OTHER: &str = "shop/sale/o2";
const CUSTOMER: &str = "test/shop/customer/7/customer/1/1";
const WORD: Word<'static> = Word { person: "ann", reason: "a test order" };

/// The target refuses a command that is ready.
fn refuse(store: &Store, key: &str, kind: &str) {
    assert!(take(store, kind, "c", 2).iter().any(|one| one.key == key), "{key} is not ready");
    let own = key.to_owned();
    write(store, move |tx| commands::back(tx, &own, Back::Refused, until(2), "TU104", "no"));
}

/// What was skipped with it.
fn skip(store: &Store, key: &str) -> Option<Vec<String>> {
    let own = key.to_owned();
    write(store, move |tx| skips::skip(tx, &own, WORD, at(3)))
}

fn undo(store: &Store, key: &str) -> Option<String> {
    let own = key.to_owned();
    write(store, move |tx| skips::undo(tx, &own, at(4)))
}

/// The order of a customer whom several sales share.
fn order_of_customer() -> Vec<Fact> {
    let mut needs = after("customer", "customer", "1");
    needs.root = Some("shop/customer/7".to_owned());
    vec![fact("order", "1", command(order("10.00"), vec![needs]))]
}

/// The customer is refused and skipped, and the order of the first sale with him.
fn without_customer(store: &Store) {
    write(store, |tx| {
        let place = place("shop/customer/7");
        let FactContent::Command(one) = command(credit_note("1.00"), Vec::new()) else {
            panic!("a command")
        };
        commands::add_shared(tx, place, &FactKey::new("customer", "1"), &one)
    });
    decide(store, ROOT, order_of_customer(), 1);
    refuse(store, CUSTOMER, "credit_note");
    assert_eq!(skip(store, CUSTOMER), Some(vec![key("order", "1", 1)]));
}

on_every_engine! {
    fn only_what_was_refused_is_skipped(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let (order, invoice) = (key("order", "1", 1), key("invoice", "1", 1));
        assert_eq!(skip(store, &order), None, "it is ready");
        assert_eq!(skip(store, &invoice), None, "it waits");
        take(store, "order", "c", 2);
        assert_eq!(skip(store, &order), None, "it is under way");
        apply(store, &order, "sale.order/1");
        assert_eq!(skip(store, &order), None, "it is applied");
        assert!(read(store, |tx| skips::of(tx, &order)).is_none());
        refuse(store, &invoice, "invoice");
        assert_eq!(skip(store, &invoice), Some(vec![key("reconciliation", "p1", 1)]));
        let skip = read(store, |tx| skips::of(tx, &invoice)).expect("skipped");
        assert_eq!(skip.in_words(), "skipped by ann: a test order");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
    }

    /// A skip that cannot be whole leaves nothing.
    fn what_is_under_way_and_bound_to_it_prevents_a_skip(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let (order, invoice) = (key("order", "1", 1), key("invoice", "1", 1));
        refuse(store, &order, "order");
        let sent = invoice.clone();
        let own = order.clone();
        let failed = store.write(move |tx| {
            tx.execute("UPDATE commands SET state = 'sent' WHERE key = $1", values![sent])?;
            skips::skip(tx, &own, WORD, at(3))
        });
        assert!(matches!(failed, Err(StoreError::Conflict(_))), "{failed:?}");
        assert_eq!(state(store, &order), "refused");
        assert!(read(store, |tx| skips::of(tx, &order)).is_none());
    }

    fn what_is_new_in_a_skipped_sale_is_skipped_with_it(store) {
        let mut derived = chain("10.00", "10.00");
        let later = derived.split_off(1);
        decide(store, ROOT, derived, 1);
        refuse(store, &key("order", "1", 1), "order");
        assert_eq!(skip(store, &key("order", "1", 1)), Some(Vec::new()));
        let mut all = chain("10.00", "10.00");
        all.truncate(1);
        all.extend(later);
        decide(store, ROOT, all, 5);
        assert_eq!(state(store, &key("invoice", "1", 1)), "skipped");
        assert_eq!(state(store, &key("reconciliation", "p1", 1)), "skipped");
        assert_eq!(state(store, &key("payment", "p1", 1)), "ready", "it needs none of them");
        let with = read(store, |tx| skips::of(tx, &key("invoice", "1", 1))).expect("skipped");
        assert_eq!(with.head, key("order", "1", 1));
        assert_eq!(undo(store, &key("invoice", "1", 1)), Some(key("order", "1", 1)), "its head");
        assert_eq!(state(store, &key("order", "1", 1)), "skipped", "only the head is taken up");
        undo(store, &key("order", "1", 1));
        assert_eq!(state(store, &key("order", "1", 1)), "ready");
        assert_eq!(state(store, &key("reconciliation", "p1", 1)), "waiting");
    }

    /// The tie of the sale did not change; it was skipped with the order and follows its successor.
    fn what_was_skipped_with_it_waits_for_its_successor(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        refuse(store, &key("order", "1", 1), "order");
        skip(store, &key("order", "1", 1));
        let tie = key("reconciliation", "p1", 1);
        assert_eq!(state(store, &tie), "skipped");
        decide(store, ROOT, chain("9.00", "9.00"), 4);
        assert_eq!(state(store, &key("order", "1", 1)), "withdrawn");
        assert!(read(store, |tx| skips::of(tx, &key("order", "1", 1))).is_none());
        assert_eq!(state(store, &tie), "waiting");
        deliver(store, &key("order", "1", 2), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 2), "invoice", "account.move/2");
        deliver(store, &key("payment", "p1", 1), "payment", "account.payment/3");
        assert_eq!(state(store, &tie), "ready");
    }

    /// Of a need that only has to be over before, nothing is lacking when it is skipped.
    fn what_only_comes_after_it_goes_on(store) {
        for (part, role) in
            [("p1", "settled/1"), ("p2", "freed/1"), ("p3", "left_again/1"), ("p4", "cancelled")]
        {
            let later = command(money_in("10.00"), vec![after(role, "order", part)]);
            let facts = vec![
                fact("order", part, command(order("10.00"), Vec::new())),
                fact("payment", part, later),
            ];
            decide(store, ROOT, facts, 1);
            refuse(store, &key("order", part, 1), "order");
            assert_eq!(state(store, &key("payment", part, 1)), "waiting");
            assert_eq!(skip(store, &key("order", part, 1)), Some(Vec::new()), "{role}");
            assert_eq!(state(store, &key("payment", part, 1)), "ready", "{role}");
        }
    }

    fn a_customer_who_was_skipped_is_sent_again_for_another_sale(store) {
        without_customer(store);
        decide(store, OTHER, order_of_customer(), 5);
        assert_eq!(state(store, CUSTOMER), "ready");
        assert_eq!(state(store, "test/shop/sale/o2/order/1/1"), "waiting");
        assert_eq!(state(store, &key("order", "1", 1)), "skipped", "the other sale stays so");
        deliver(store, CUSTOMER, "credit_note", "res.partner/7");
        assert_eq!(state(store, "test/shop/sale/o2/order/1/1"), "ready");
        assert_eq!(state(store, &key("order", "1", 1)), "skipped");
    }

    fn a_customer_is_taken_up_with_all_that_was_skipped_with_him(store) {
        without_customer(store);
        assert_eq!(undo(store, CUSTOMER).as_deref(), Some(CUSTOMER));
        deliver(store, CUSTOMER, "credit_note", "res.partner/7");
        assert_eq!(state(store, &key("order", "1", 1)), "ready");
    }

    /// The books refuse to undo the first invoice; the second needs it undone, and so does a third.
    fn what_undoes_a_document_is_sent_again_for_a_later_successor(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        decide(store, ROOT, chain("10.00", "9.00"), 2);
        let back = format!("{}/rev", key("invoice", "1", 1));
        refuse(store, &back, "credit_note");
        let with = skip(store, &back).expect("skipped");
        assert!(with.contains(&key("invoice", "1", 2)), "{with:?}");
        decide(store, ROOT, chain("10.00", "8.00"), 4);
        assert_eq!(state(store, &key("invoice", "1", 2)), "withdrawn");
        assert_eq!(state(store, &back), "ready");
        assert_eq!(state(store, &key("invoice", "1", 3)), "waiting");
        deliver(store, &back, "credit_note", "account.move/4");
        assert_eq!(state(store, &key("invoice", "1", 3)), "ready");
    }

    /// Two transactions of PostgreSQL that do not see each other: one writes the invoice, the other
    /// skips its order.
    fn what_was_overlooked_is_skipped_by_the_timer(store) {
        decide(store, ROOT, chain("10.00", "10.00"), 1);
        let (order, invoice) = (key("order", "1", 1), key("invoice", "1", 1));
        refuse(store, &order, "order");
        skip(store, &order);
        let hidden = invoice.clone();
        write(store, move |tx| {
            tx.execute("DELETE FROM skips WHERE command = $1", values![&hidden])?;
            let sql = "UPDATE commands SET state = 'waiting' WHERE key = $1";
            tx.execute(sql, values![hidden]).map(drop)
        });
        write(store, |tx| skips::stand_overlooked(tx, at(9)));
        assert_eq!(state(store, &invoice), "skipped");
        assert_eq!(read(store, |tx| skips::of(tx, &invoice)).map(|it| it.head), Some(order));
    }
}
