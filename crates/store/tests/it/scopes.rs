//! Scopes, verdicts and matches.

use trueup_domain::fact::{Fact, FactContent, FactKey};
use trueup_domain::item::{ItemKind, Side};
use trueup_store::scopes::{self, DueScope, Verdict};
use trueup_store::{SHARDS, Store, StoreError, facts};

use crate::engines::on_every_engine;
use crate::world::{at, decide, fact, item, read, write};

const KEY: &str = "bank/stripe/po1";

fn due(store: &Store) -> Vec<DueScope> {
    write(store, |tx| scopes::take_due(tx, 0, SHARDS, 100))
}

fn verdict(status: &str, due: Option<&str>) -> Verdict {
    Verdict {
        status: status.to_owned(),
        break_kind: (status == "broken").then(|| "missing_at_bank".to_owned()),
        amount: 1000,
        difference: if status == "broken" { -1000 } else { 0 },
        currency: "EUR".to_owned(),
        entity: "nl".to_owned(),
        day: "2026-06-01".to_owned(),
        due: due.map(str::to_owned),
        detail: "a detail".to_owned(),
    }
}

fn judge(store: &Store, scope: DueScope, verdict: Verdict) -> bool {
    write(store, move |tx| scopes::judge(tx, &scope, &verdict))
}

fn payout(minor: i64) -> Vec<Fact> {
    let one = item(Side::Settlement, ItemKind::Payout, KEY, minor);
    vec![fact("item", "bank", FactContent::Item(one))]
}

fn line(minor: i64) -> Vec<Fact> {
    let one = item(Side::Bank, ItemKind::BankLine, "line/acc/1", minor);
    vec![fact("item", "line", FactContent::Item(one))]
}

fn id(root: &str, part: &str, generation: u32) -> String {
    facts::item_id(root, &FactKey::new("item", part), generation)
}

on_every_engine! {
    fn an_item_makes_its_key_due(store) {
        decide(store, "stripe/payout/po1", payout(1000), 1);
        let scope = due(store).pop().expect("due");
        assert_eq!(scope, DueScope { key: KEY.to_owned(), arrived: 1, attempts: 0, status: "open".to_owned() });
        decide(store, "stripe/payout/po1", payout(900), 2);
        assert!(judge(store, scope.clone(), verdict("proven", None)));
        let again = due(store).pop().expect("due: a generation came meanwhile");
        assert!(again.arrived > 1);
        assert!(judge(store, again.clone(), verdict("broken", Some("2026-06-03"))));
        assert!(!judge(store, scope, verdict("proven", None)), "an old verdict comes too late");
        assert!(due(store).is_empty());
        let found = read(store, |tx| scopes::find(tx, KEY)).expect("a scope");
        assert_eq!(found.verdict, verdict("broken", Some("2026-06-03")));
        assert_eq!(read(store, scopes::all).len(), 1);
        assert_eq!(read(store, scopes::broken).len(), 1);
    }

    fn what_is_not_due_is_judged_again_when_its_day_has_passed(store) {
        decide(store, "stripe/payout/po1", payout(1000), 1);
        judge(store, due(store).remove(0), verdict("not_due", Some("2026-06-03")));
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-03")), 0);
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-04")), 1);
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-04")), 0, "once");
        assert_eq!(due(store).len(), 1);
    }

    fn c7_of_what_is_broken_only_what_was_overdue_too_early_is_judged_again(store) {
        decide(store, "stripe/payout/po1", payout(1000), 1);
        judge(store, due(store).remove(0), verdict("broken", Some("2026-06-03")));
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-04")), 0, "it is overdue");
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-03")), 1, "it is not yet");
        // Two sides that differ have no day.
        judge(store, due(store).remove(0), verdict("broken", None));
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-01")), 0);
        // What cannot be judged has none any more.
        decide(store, "stripe/payout/po1", payout(900), 2);
        judge(store, due(store).remove(0), verdict("not_due", Some("2026-06-03")));
        decide(store, "stripe/payout/po1", payout(800), 3);
        let scope = due(store).remove(0);
        assert!(write(store, move |tx| scopes::set_aside(tx, &scope, "unjudgeable", "too often")));
        assert_eq!(write(store, |tx| scopes::raise_overdue(tx, "2026-06-01")), 0);
    }

    fn a_bank_line_makes_unbanked_payouts_due(store) {
        decide(store, "stripe/payout/po1", payout(1000), 1);
        let transfer = item(Side::Channel, ItemKind::Capture, "capture_transfer/shop/p1", 10);
        let card = item(Side::Channel, ItemKind::Capture, "capture/stripe/p1", 10);
        let items = [("a", transfer), ("b", card)];
        let items = items.map(|(part, item)| fact("item", part, FactContent::Item(item)));
        decide(store, "shop/sale/o1", items.to_vec(), 1);
        for scope in due(store) {
            judge(store, scope, verdict("not_due", Some("2026-06-30")));
        }
        assert_eq!(write(store, scopes::raise_unbanked), 2);
        let keys: Vec<String> = due(store).into_iter().map(|scope| scope.key).collect();
        assert!(!keys.contains(&"capture/stripe/p1".to_owned()), "{keys:?}");
    }

    fn e18_an_item_is_claimed_once(store) {
        decide(store, "stripe/payout/po1", payout(1000), 1);
        decide(store, "bank/bank_line/1", line(1000), 1);
        let (payout, line) = (id("stripe/payout/po1", "bank", 1), id("bank/bank_line/1", "line", 1));
        let items = vec![payout.clone(), line.clone()];
        let first = {
            let items = items.clone();
            write(store, move |tx| scopes::record_match(tx, KEY, "reference", &items, at(1)))
        };
        let taken = line.clone();
        let second = store.write(move |tx| {
            scopes::record_match(tx, "bank/stripe/po2", "amount", &[taken], at(2))
        });
        assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
        assert!(read(store, |tx| scopes::matches_of(tx, "bank/stripe/po2")).is_empty());
        let free = read(store, |tx| facts::unclaimed(tx, ItemKind::BankLine, Side::Bank));
        assert!(free.is_empty());
        let held = read(store, |tx| facts::find_item(tx, &line)).expect("an item");
        assert_eq!(held.claimed_by.as_deref(), Some(first.as_str()));
        // The same match again is the same match.
        let again = {
            let items = items.clone();
            write(store, move |tx| scopes::record_match(tx, KEY, "reference", &items, at(3)))
        };
        assert_eq!(again, first);
        assert_eq!(read(store, |tx| scopes::matches_of(tx, KEY)).len(), 2);
        // What is dissolved is free for another.
        write(store, move |tx| scopes::dissolve(tx, &first, at(4)));
        let free = read(store, |tx| facts::unclaimed(tx, ItemKind::BankLine, Side::Bank));
        assert_eq!(free.len(), 1);
        write(store, move |tx| scopes::record_match(tx, "bank/stripe/po2", "amount", &[line], at(5)));
        let refused =
            store.write(move |tx| scopes::record_match(tx, KEY, "reference", &items, at(6)));
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }

    fn a_new_generation_dissolves_the_match_of_the_old_one(store) {
        decide(store, "stripe/payout/po1", payout(1000), 1);
        decide(store, "bank/bank_line/1", line(1000), 1);
        let items = vec![id("stripe/payout/po1", "bank", 1), id("bank/bank_line/1", "line", 1)];
        write(store, move |tx| scopes::record_match(tx, KEY, "reference", &items, at(1)));
        for scope in due(store) {
            judge(store, scope, verdict("proven", None));
        }
        decide(store, "bank/bank_line/1", line(990), 2);
        assert!(read(store, |tx| scopes::matches_of(tx, KEY)).is_empty());
        let keys: Vec<String> = due(store).into_iter().map(|scope| scope.key).collect();
        assert!(keys.contains(&KEY.to_owned()), "the payout is judged again: {keys:?}");
        assert!(keys.contains(&"line/acc/1".to_owned()), "{keys:?}");
        let free = read(store, |tx| facts::unclaimed(tx, ItemKind::BankLine, Side::Bank));
        assert_eq!(free.len(), 1);
        let free = read(store, |tx| facts::unclaimed(tx, ItemKind::Payout, Side::Settlement));
        assert_eq!(free.len(), 1, "its partner is free too");
    }

    fn e18_two_claims_at_once_have_one_winner(store) {
        decide(store, "bank/bank_line/1", line(1000), 1);
        let line = id("bank/bank_line/1", "line", 1);
        let threads: Vec<_> = (0..4)
            .map(|index| {
                let (store, line) = (store.clone(), line.clone());
                std::thread::spawn(move || {
                    let scope = format!("bank/stripe/po{index}");
                    store.write(move |tx| scopes::record_match(tx, &scope, "r", &[line], at(1)))
                })
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 3));
        assert!(lost.iter().all(|one| matches!(one, Err(StoreError::Conflict(_)))), "{lost:?}");
    }
}
