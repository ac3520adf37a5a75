//! Cases and what was absorbed.

use trueup_domain::Money;
use trueup_store::Store;
use trueup_store::cases::{self, End, NewCase};
use trueup_store::decisions::{self, Decision};

use crate::engines::on_every_engine;
use crate::world::{at, money, read, write};

fn open(store: &Store, kind: &'static str, amount: Option<Money>, seconds: i64) {
    write(store, move |tx| {
        let case = NewCase {
            kind,
            subject: "shop/sale/o1",
            entity: "nl",
            title: "a title",
            detail: "a detail",
            remedy: "do this",
            amount,
            owner: "finance",
        };
        cases::open(tx, &case, at(seconds))
    });
}

fn open_kinds(store: &Store) -> Vec<String> {
    read(store, cases::open_cases).into_iter().map(|case| case.kind).collect()
}

on_every_engine! {
    fn h25_cases_of_one_cause_are_put_together(store) {
        for (subject, entity, cause, seconds) in
            [("a", "nl", "x", 2), ("b", "nl", "x", 1), ("c", "nl", "", 3), ("d", "nl", "", 4), ("e", "us", "x", 5)]
        {
            write(store, move |tx| {
                let case = NewCase {
                    kind: "refused",
                    subject,
                    entity,
                    title: "a title",
                    detail: "a detail",
                    remedy: "do this",
                    amount: Some(money("1.50")),
                    owner: "operator",
                };
                cases::open_of_cause(tx, &case, cause, at(seconds))
            });
        }
        let open = read(store, cases::open_cases);
        let together = cases::together(&open);
        let shown: Vec<(&str, usize, i64)> = together
            .iter()
            .map(|one| (one.first.subject.as_str(), one.count, one.amounts["EUR"]))
            .collect();
        let alone = |subject| (subject, 1, 150);
        assert_eq!(shown, [("b", 2, 300), alone("c"), alone("d"), alone("e")], "never across entities");
        let cause = together[0].id().to_owned();
        assert_eq!(cause, open[0].cause);
        assert_eq!(together[3].id(), open[4].id);
        let subjects = |cause: &str| {
            let members = read(store, |tx| cases::of_cause(tx, cause));
            members.into_iter().map(|case| case.subject).collect::<Vec<_>>()
        };
        assert_eq!(subjects(&cause), ["b", "a"]);
        assert_eq!(subjects(""), [""; 0]);
        assert_eq!(read(store, |tx| cases::causes_beginning(tx, &cause[..8], 9)), std::slice::from_ref(&cause));
        write(store, |tx| cases::resolve(tx, None, "b", "mended", at(9)));
        assert_eq!(subjects(&cause), ["a"]);
    }

    fn a_case_is_freshened_and_keeps_its_age(store) {
        open(store, "overpaid", Some(money("10.00")), 1);
        open(store, "overpaid", Some(money("12.00")), 50);
        let all = read(store, cases::open_cases);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].amount, all[0].currency.as_str()), (1200, "EUR"));
        assert_eq!(all[0].opened_at, at(1));
        let found = read(store, |tx| cases::find(tx, &all[0].id)).expect("a case");
        assert_eq!(found.owner, "finance");
        assert!(read(store, |tx| cases::find(tx, "none")).is_none());
    }

    fn a_closed_case_that_comes_back_is_young_again(store) {
        open(store, "overpaid", None, 1);
        write(store, |tx| cases::resolve(tx, Some("overpaid"), "shop/sale/o1", "done", at(5)));
        let closed = read(store, |tx| cases::of_subject(tx, "shop/sale/o1"));
        assert_eq!((closed[0].closed_at, closed[0].closed_by.as_deref()), (Some(at(5)), Some("done")));
        assert!(open_kinds(store).is_empty());
        open(store, "overpaid", None, 9);
        let again = read(store, cases::open_cases);
        assert_eq!((again[0].opened_at, again[0].closed_at), (at(9), None));
    }

    fn only_what_still_holds_stays_open(store) {
        for kind in ["overpaid", "over_refund", "waiting"] {
            open(store, kind, None, 1);
        }
        write(store, |tx| {
            let kinds = ["over_refund".to_owned()];
            cases::keep_only(tx, "shop/sale/o1", &kinds, "gone", at(2))
        });
        assert_eq!(open_kinds(store), ["over_refund"]);
        write(store, |tx| cases::resolve(tx, Some("waiting"), "shop/sale/o1", "again", at(3)));
        let closed = read(store, |tx| cases::of_subject(tx, "shop/sale/o1"));
        assert!(closed.iter().all(|case| case.closed_at != Some(at(3))), "closed once");
        write(store, |tx| cases::resolve(tx, None, "shop/sale/o1", "all", at(4)));
        assert!(open_kinds(store).is_empty());
    }

    fn what_a_person_accepted_stays_accepted_while_it_says_the_same(store) {
        open(store, "overpaid", Some(money("10.00")), 1);
        let id = read(store, cases::open_cases).remove(0).id;
        let accept = |seconds: i64| {
            let id = id.clone();
            write(store, move |tx| cases::end(tx, &id, End::Accepted, "ann", "known", at(seconds)))
        };
        assert!(accept(2));
        assert!(!accept(3), "it is not open");
        open(store, "overpaid", Some(money("10.00")), 4);
        let found = read(store, cases::accepted).remove(0);
        assert_eq!(found.ending().as_deref(), Some("accepted by ann: known"));
        assert_eq!((found.opened_at, found.closed_at), (at(1), Some(at(2))));
        assert!(read(store, |tx| cases::accepted_of(tx, "shop/sale/o1")).is_some());
        open(store, "overpaid", Some(money("11.00")), 5);
        let again = read(store, cases::open_cases).remove(0);
        assert_eq!((again.opened_at, again.ending()), (at(5), None));
        assert!(read(store, cases::accepted).is_empty());

        assert!(accept(6));
        write(store, |tx| cases::resolve(tx, None, "shop/sale/o1", "it agrees", at(7)));
        assert!(read(store, cases::accepted).is_empty(), "its cause is gone");
        open(store, "overpaid", Some(money("11.00")), 8);
        assert_eq!(open_kinds(store), ["overpaid"], "what comes back after that is new");
        let found = read(store, |tx| cases::beginning(tx, &id[..8], 5));
        assert_eq!(found.len(), 1);
    }

    fn what_people_decide_is_kept_in_order(store) {
        for seconds in [2, 1] {
            let made = Decision {
                message: format!("m{seconds}"),
                about: "c".to_owned(),
                kind: "note".to_owned(),
                person: "ann".to_owned(),
                reason: "why".to_owned(),
                assignee: String::new(),
                made_at: at(seconds),
            };
            write(store, move |tx| decisions::record(tx, &made));
        }
        let kept = read(store, |tx| decisions::about(tx, "c"));
        let messages: Vec<&str> = kept.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages, ["m1", "m2"]);
        assert!(read(store, |tx| decisions::about(tx, "d")).is_empty());
    }

    fn what_is_absorbed_is_counted(store) {
        for seconds in [1, 2, 3] {
            write(store, move |tx| cases::absorb(tx, "lost_reply", "k", "found", at(seconds)));
        }
        write(store, |tx| cases::absorb(tx, "stale_version", "k", "late", at(9)));
        let all = read(store, |tx| cases::absorbed(tx, 9));
        let seen: Vec<(&str, i64)> = all.iter().map(|one| (one.kind.as_str(), one.times)).collect();
        assert_eq!(seen, [("lost_reply", 3), ("stale_version", 1)]);
        assert_eq!(all[0].last_at, at(3));
        let newest = read(store, |tx| cases::absorbed(tx, 1));
        assert_eq!(newest[0].kind, "stale_version");
        let kinds = read(store, cases::absorbed_kinds);
        assert_eq!((kinds[0].things, kinds[0].times), (1, 3));
    }
}
