//! Ties where the target tied something by itself, or refused to.

use trueup_domain::command::{CommandKind, Content, Extent, ReconciliationContent};
use trueup_domain::fact::Fact;
use trueup_store::commands::{self, Back};
use trueup_store::{cases, values};

use crate::commands::{ROOT, apply, chain, deliver, key, state, take};
use crate::engines::on_every_engine;
use crate::world::{
    after, at, command, credit_note, decide, fact, money, money_in, read, until, write,
};

/// A sale with a credit note, the money that went back for it, and the money that came once it is
/// `paid`; the note is `settled` when it waits for that.
fn credited(paid: bool, settled: bool) -> Vec<Fact> {
    let mut facts = chain("10.00", "10.00");
    facts.retain(|fact| paid || fact.key.part != "p1");
    let mut needs = vec![after("invoice", "invoice", "1")];
    if settled {
        needs.push(after("settled/p1", "reconciliation", "p1"));
    }
    let back = Content::Reconciliation(ReconciliationContent {
        company: "1".to_owned(),
        amount: money("4.00"),
        payment: CommandKind::Payment,
        document: CommandKind::CreditNote,
        extent: Extent::Whole,
    });
    let ends = vec![after("payment", "payment", "b1"), after("document", "credit_note", "r1")];
    facts.extend([
        fact("payment", "b1", command(money_in("4.00"), Vec::new())),
        fact("reconciliation", "b1", command(back, ends)),
        fact("credit_note", "r1", command(credit_note("4.00"), needs)),
    ]);
    facts
}

on_every_engine! {
    /// The note was posted before the money came, so that the books tied it to the open invoice, and
    /// refused the money that went back. Once the note is replaced all of it is mended.
    fn a4_a_note_that_tied_itself_gives_its_place_back(store) {
        decide(store, ROOT, credited(false, false), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        apply(store, &key("payment", "b1", 1), "account.payment/4");
        let (note, tie) = (key("credit_note", "r1", 1), key("reconciliation", "p1", 1));
        let back = key("reconciliation", "b1", 1);
        deliver(store, &note, "credit_note", "account.move/5");
        decide(store, ROOT, credited(true, false), 4);
        apply(store, &key("payment", "p1", 1), "account.payment/3");
        let taken = take(store, "reconciliation", "c", 5);
        assert_eq!(taken.len(), 2, "{taken:?}");
        apply(store, &tie, "partial/1");
        let own = back.clone();
        write(store, move |tx| {
            commands::back(tx, &own, Back::Refused, until(6), "TU104", "nothing is open")?;
            let subject = format!("command/{own}");
            let case = cases::NewCase {
                kind: "refused", subject: &subject, entity: "nl", title: "refused", detail: "",
                remedy: "", amount: None, owner: "operator",
            };
            cases::open(tx, &case, at(6))
        });

        decide(store, ROOT, credited(true, true), 7);
        assert_eq!(state(store, &back), "waiting", "for the note that follows");
        let (undone, again) = (format!("{note}/rev/tie"), format!("{note}/money/0"));
        let next = key("credit_note", "r1", 2);
        deliver(store, &format!("{note}/rev"), "invoice", "account.move/6");
        assert_eq!(state(store, &again), "waiting", "the invoice is not free yet");
        deliver(store, &undone, "reconciliation", "partial/2");
        assert_eq!(state(store, &next), "waiting", "the money comes first");
        let taken = take(store, "reconciliation", "c", 8);
        assert_eq!(taken.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), [again.as_str()]);
        assert_eq!(taken[0].bindings["payment"], "account.payment/3");
        assert_eq!(taken[0].bindings["document"], "account.move/2");
        let Content::Reconciliation(content) = &taken[0].content else { panic!("a tie") };
        assert_eq!(content.extent, Extent::WhatIsOpen);
        apply(store, &again, "partial/3");
        deliver(store, &next, "credit_note", "account.move/7");
        let taken = take(store, "reconciliation", "c", 9);
        assert_eq!(taken.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), [back.as_str()]);
        assert_eq!(taken[0].bindings["document"], "account.move/7");
        assert_eq!(taken[0].attempts, 1, "it was sent before, and may be there");
        let open = read(store, |tx| {
            tx.query("SELECT subject FROM cases WHERE closed_at IS NULL", values![])
        });
        assert!(open.is_empty(), "{open:?}");
    }

    /// Money whose tie is still to be made is tied before what the note frees, and then once more.
    fn a4_money_that_is_not_tied_yet_is_tied_first(store) {
        decide(store, ROOT, credited(false, false), 1);
        deliver(store, &key("order", "1", 1), "order", "sale.order/1");
        deliver(store, &key("invoice", "1", 1), "invoice", "account.move/2");
        let note = key("credit_note", "r1", 1);
        deliver(store, &note, "credit_note", "account.move/5");
        decide(store, ROOT, credited(true, true), 7);
        deliver(store, &format!("{note}/rev"), "invoice", "account.move/6");
        deliver(store, &format!("{note}/rev/tie"), "reconciliation", "partial/2");
        assert_eq!(state(store, &format!("{note}/money/0")), "waiting");
        assert_eq!(state(store, &key("credit_note", "r1", 2)), "waiting");
        apply(store, &key("payment", "p1", 1), "account.payment/3");
        deliver(store, &key("reconciliation", "p1", 1), "reconciliation", "partial/1");
        deliver(store, &format!("{note}/money/0"), "reconciliation", "nothing open");
        assert_eq!(state(store, &key("credit_note", "r1", 2)), "ready");
    }

    /// A note and the tie of its money are taken back and asked for again, the tie first.
    fn a4_what_comes_again_waits_for_what_comes_again(store) {
        decide(store, ROOT, credited(true, true), 1);
        let neither = |fact: &Fact| {
            !(fact.key.kind == "credit_note" || fact.key.part == "b1" && fact.key.kind != "payment")
        };
        decide(store, ROOT, credited(true, true).into_iter().filter(neither).collect(), 2);
        decide(store, ROOT, credited(true, true), 3);
        apply(store, &key("payment", "b1", 1), "account.payment/4");
        apply(store, &key("credit_note", "r1", 2), "account.move/5");
        let taken = take(store, "reconciliation", "c", 4);
        assert_eq!(taken.len(), 1, "{}", state(store, &key("reconciliation", "b1", 2)));
        assert_eq!(taken[0].bindings["document"], "account.move/5");
    }
}
