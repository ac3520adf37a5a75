//! What the ledger of a provider says, and the entries of the books that take it.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use trueup_domain::document::{Root, RootKind};
use trueup_domain::fact::{Fact, FactContent};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::journal::{Booker, Entry, EntryBuilder, Role};
use trueup_domain::posting::Span;
use trueup_store::scopes::{self, Verdict};
use trueup_store::summaries::{self, Open};
use trueup_store::{SHARDS, Store, clearing, documents};

use crate::engines::on_every_engine;
use crate::world::{at, decide, deciding_since, eur, fact, item, money, read, write};

fn root(kind: RootKind, id: &str) -> Root {
    Root { kind, external_id: id.to_owned() }
}

/// Something that the ledger of `card` says, under the root that says it.
fn says(store: &Store, root: &Root, facts: Vec<Fact>, seconds: i64) -> String {
    let id = documents::root_id("card", root);
    let raised = root.clone();
    write(store, move |tx| documents::raise(tx, "card", &raised));
    decide(store, Box::leak(id.clone().into_boxed_str()), facts, seconds);
    id
}

fn entry(role: Role, date: Date) -> FactContent {
    let mut entry = EntryBuilder::new(date, Booker::Trueup, eur(), "said");
    entry.debit(role, None, money("1.00"));
    entry.credit(Role::Clearing, Some("card"), money("1.00")).expect("in range");
    FactContent::Entry(entry.build().expect("balanced").expect("an entry"))
}

fn fee(store: &Store, id: &str, day: Date, payout: Option<&str>) -> String {
    fee_as(store, id, day, payout, Role::ProcessingFees)
}

fn fee_as(store: &Store, id: &str, day: Date, payout: Option<&str>, role: Role) -> String {
    let mut facts = vec![fact("ledger_row", "1", entry(role, day))];
    if let Some(payout) = payout {
        let key = format!("payout/card/{payout}");
        let row = item(Side::Settlement, ItemKind::PayoutRow, &key, -100);
        facts.push(fact("item", "payout", FactContent::Item(row)));
    }
    if role == Role::Unknown {
        let odd = item(Side::Settlement, ItemKind::Unknown, &format!("unknown/card/{id}"), -100);
        facts.push(fact("item", "about", FactContent::Item(odd)));
    }
    says(store, &root(RootKind::LedgerRow, id), facts, 1)
}

/// A payout that left; one whose rows are listed states what they add up to.
fn leaves(store: &Store, id: &str, day: Date, itemised: bool) {
    let mut facts = vec![fact("payout", "1", entry(Role::InTransit, day))];
    let mut header = |part: &str, key: String| {
        let item = item(Side::Settlement, ItemKind::Payout, &key, 1000);
        facts.push(fact("item", part, FactContent::Item(item)));
    };
    header("bank", format!("bank/card/{id}"));
    if itemised {
        header("payout", format!("payout/card/{id}"));
    }
    says(store, &root(RootKind::Payout, id), facts, 2);
}

fn is_proven(store: &Store, key: &'static str) {
    let verdict = |status: &str| Verdict {
        status: status.to_owned(),
        break_kind: None,
        amount: 1000,
        difference: 0,
        currency: "EUR".to_owned(),
        entity: "nl".to_owned(),
        day: "2026-07-03".to_owned(),
        due: None,
        detail: String::new(),
    };
    let (proven, open) = (verdict("proven"), verdict("not_due"));
    write(store, move |tx| {
        for scope in scopes::take_due(tx, 0, SHARDS, 100)? {
            let verdict = if scope.key == key { &proven } else { &open };
            scopes::judge(tx, &scope, verdict)?;
        }
        Ok(())
    });
}

fn gather(store: &Store, since: Option<Date>) {
    gather_at(store, since, 5);
}

fn gather_at(store: &Store, since: Option<Date>, seconds: i64) {
    let wanted: BTreeMap<&str, Date> = since.map(|since| ("card", since)).into_iter().collect();
    write(store, move |tx| summaries::gather_ledgers(tx, &wanted, at(seconds)));
}

/// A fee as a process decides it that has it that the ledger is posted since a day.
fn fee_decided(store: &Store, id: &str, day: Date, role: Role, since: Option<Date>) {
    let root = root(RootKind::LedgerRow, id);
    let id: &'static str = Box::leak(documents::root_id("card", &root).into_boxed_str());
    write(store, move |tx| documents::raise(tx, "card", &root));
    write(store, deciding_since(id, vec![fact("ledger_row", "1", entry(role, day))], 6, since));
}

/// What is open by day.
fn days(store: &Store) -> Vec<String> {
    let open = read(store, summaries::open);
    open.iter().map(|one| format!("{} {} {}", one.span, one.what, one.rows)).collect()
}

fn open_payouts(store: &Store) -> Vec<String> {
    let open = read(store, |tx| summaries::open_ledger_payouts(tx, "card"));
    open.iter().map(|one| format!("{} {} {}", one.span, one.what, one.rows)).collect()
}

fn take(store: &Store, span: Span) -> Option<i64> {
    let open = Open {
        connection: "card".to_owned(),
        span,
        what: "ledger/EUR".to_owned(),
        rows: 0,
        newest: at(0),
    };
    write(store, move |tx| summaries::take_ledger(tx, &open, 10, at(9)))
}

fn payout(id: &str) -> Span {
    Span::Payout { provider: "card".to_owned(), id: id.to_owned() }
}

/// The entries of a summary: `number of date: roots`.
fn parts(store: &Store, summary: &'static str) -> Vec<String> {
    let parts = read(store, move |tx| summaries::parts(tx, summary));
    let told = parts.iter().map(|part| {
        let rows = part.rows.iter().map(|row| {
            let sign = if row.reversal { "less " } else { "" };
            format!("{sign}{}", row.order)
        });
        format!("{} of {}: {}", part.number, part.dated, rows.collect::<Vec<_>>().join(" "))
    });
    told.collect()
}

/// What the books lack of clearing: why, how many lines, how much.
fn lacking(store: &Store, until: &str) -> Vec<String> {
    let found = read(store, |tx| clearing::not_in_books(tx, ("nl", "card", eur()), until));
    let told = found.iter().map(|it| {
        assert!(!it.some.is_empty(), "{it:?}");
        format!("{} {} {}", it.why, it.count, it.amount)
    });
    told.collect()
}

const FIRST: &str = "card/summary/payout/card/po_1/ledger/EUR";

on_every_engine! {
    fn a_payout_takes_the_rows_of_its_ledger_month_by_month(store) {
        let (june, july) = (date(2026, 6, 29), date(2026, 7, 2));
        fee(store, "f1", june, Some("po_1"));
        fee(store, "f2", july, Some("po_1"));
        fee(store, "f3", june, None);
        leaves(store, "po_1", date(2026, 7, 3), true);
        assert_eq!(open_payouts(store), [""; 0], "nobody wants it in the books");
        gather(store, Some(date(2026, 6, 1)));
        assert_eq!(open_payouts(store), [""; 0], "a row may be to come");
        is_proven(store, "payout/card/po_1");
        assert_eq!(open_payouts(store), ["payout/card/po_1 ledger/EUR 3"]);
        assert_eq!(take(store, payout("po_1")), Some(1));
        assert_eq!(take(store, payout("po_1")), Some(2));
        assert_eq!(take(store, payout("po_1")), None);
        assert_eq!(parts(store, FIRST), ["1 of 2026-06-30: f1", "2 of 2026-07-03: f2 po_1"]);
        assert_eq!(take(store, Span::month(june)), Some(1));
        assert_eq!(parts(store, "card/summary/2026-06/ledger/EUR"), ["1 of 2026-06-30: f3"]);
        assert_eq!(take(store, Span::month(july)), None);
        let shown = read(store, |tx| summaries::of_payout(tx, "payout/card/po_1"));
        assert_eq!(shown.len(), 2, "{shown:?}");
    }

    fn clearing_is_what_moved_it_and_what_the_books_lack(store) {
        let (june, july) = (date(2026, 6, 29), date(2026, 7, 2));
        fee(store, "f1", june, Some("po_1"));
        fee(store, "f2", july, Some("po_1"));
        fee(store, "f3", june, None);
        leaves(store, "po_1", date(2026, 7, 3), true);
        let moved = read(store, |tx| clearing::movements(tx, ("2026-07-01", "2026-07-31")));
        let told: Vec<_> =
            moved.iter().map(|it| (&*it.qualifier, &*it.kind, it.before, it.within)).collect();
        assert_eq!(told, [("card", "ledger_row", -200, -100), ("card", "payout", 0, -100)]);
        let earlier = read(store, |tx| clearing::movements(tx, ("2026-06-01", "2026-06-30")));
        assert_eq!(earlier.len(), 1, "nothing of July is known in June: {earlier:?}");

        assert_eq!(lacking(store, "2026-06-30"), ["not_gathered 2 -200"]);
        assert_eq!(lacking(store, "2026-07-31"), ["not_gathered 4 -400"]);
        gather(store, Some(july));
        assert_eq!(lacking(store, "2026-07-31"), ["in_no_entry 2 -200", "not_gathered 2 -200"]);
        gather(store, Some(date(2026, 6, 1)));
        is_proven(store, "payout/card/po_1");
        assert_eq!(take(store, payout("po_1")), Some(1));
        // The books have none of it before they say so.
        assert_eq!(lacking(store, "2026-06-30"), ["in_no_entry 1 -100", "not_applied 1 -100"]);
        // An entry is of a day; who asks for an earlier one has none of it.
        assert_eq!(lacking(store, "2026-06-29"), ["dated_later 1 -100", "in_no_entry 1 -100"]);
        let other = read(store, |tx| {
            clearing::not_in_books(tx, ("us", "card", eur()), "2026-07-31")
        });
        assert_eq!(other, [], "another company's");
    }

    fn rows_are_open_until_their_payout(store) {
        let open = |until: &str| {
            let found =
                read(store, |tx| clearing::not_paid_out(tx, ("nl", "card", eur()), until));
            (found.count, found.amount, found.since, found.some)
        };
        assert_eq!(open("2026-06-30"), (0, 0, None, Vec::new()));
        fee(store, "f1", date(2026, 6, 1), Some("po_1"));
        let row = item(Side::Settlement, ItemKind::PayoutRow, "unpaid/card/f2", -30);
        let root = root(RootKind::LedgerRow, "f2");
        says(store, &root, vec![fact("item", "payout", FactContent::Item(row))], 1);
        let since = Some("2026-06-01".to_owned());
        let both = vec!["card/ledger_row/f1".to_owned(), "card/ledger_row/f2".to_owned()];
        assert_eq!(open("2026-06-30"), (2, -130, since.clone(), both));
        assert_eq!(open("2026-05-31"), (0, 0, None, Vec::new()));
        leaves(store, "po_1", date(2026, 6, 1), true);
        let one = vec!["card/ledger_row/f2".to_owned()];
        assert_eq!(open("2026-06-30"), (1, -30, since, one));
        // A payout of the next month holds at the end of this one nothing yet.
        fee(store, "f3", date(2026, 6, 1), Some("po_3"));
        let header = item(Side::Settlement, ItemKind::Payout, "payout/card/po_3", -100);
        let header = Item { date: date(2026, 7, 2), ..header };
        let next = Root { kind: RootKind::Payout, external_id: "po_3".to_owned() };
        says(store, &next, vec![fact("item", "payout", FactContent::Item(header))], 3);
        assert_eq!((open("2026-06-30").0, open("2026-06-30").1), (2, -130));
        assert_eq!((open("2026-07-31").0, open("2026-07-31").1), (1, -30));
        // What leaves takes a euro, and its one row had put a euro less there.
        let of_card = |until: &str| {
            read(store, |tx| clearing::payouts_unlike_their_rows(tx, ("nl", "card", eur()), until))
        };
        assert_eq!(of_card("2026-06-30"), [("payout/card/po_1".to_owned(), -100, -100)]);
        assert_eq!(of_card("2026-05-31"), []);
        leaves(store, "po_2", date(2026, 6, 1), false);
        let without =
            read(store, |tx| clearing::payouts_without_rows(tx, ("nl", "card", eur()), "2026-06-30"));
        assert_eq!(without, [("card/payout/po_2".to_owned(), -100)]);
    }

    fn what_came_back_of_a_payout_is_found_by_its_row(store) {
        fee(store, "f1", date(2026, 6, 1), Some("po_1"));
        let row = item(Side::Settlement, ItemKind::PayoutRow, "unpaid/card/b1", 100);
        let root = root(RootKind::LedgerRow, "b1");
        says(store, &root, vec![fact("item", "payout", FactContent::Item(row))], 1);
        write(store, |tx| {
            tx.execute(
                "INSERT INTO documents (connection, kind, external_id, content_hash, body, message,
                     root, decoded_at, word, currency, amount, fee, at)
                 VALUES ('card', 'ledger_row', 'b1', '', '', '', 'card/ledger_row/b1', 0,
                     'payoutreturn', 'EUR', 100, 0, 0)",
                trueup_store::values![],
            )
        });
        let back = |entity, until: &str| {
            read(store, |tx| clearing::rows_of_what_came_back(tx, (entity, "card", eur()), until))
        };
        assert_eq!(back("nl", "2026-06-30"), [("card/ledger_row/b1".to_owned(), 100)]);
        assert_eq!((back("us", "2026-06-30"), back("nl", "2026-05-31")), (vec![], vec![]));
    }

    fn p9_a_payout_with_an_unknown_row_is_left_alone(store) {
        let july = date(2026, 7, 2);
        gather(store, Some(date(2026, 6, 1)));
        fee(store, "f1", july, Some("po_1"));
        fee_as(store, "odd", july, Some("po_1"), Role::Unknown);
        leaves(store, "po_1", date(2026, 7, 3), true);
        gather(store, None);
        gather(store, Some(date(2026, 6, 1)));
        is_proven(store, "payout/card/po_1");
        assert_eq!(open_payouts(store), [""; 0]);
        assert_eq!(take(store, Span::month(july)), None, "nor when its month ends");
        fee(store, "odd", july, Some("po_1"));
        gather(store, None);
        gather(store, Some(date(2026, 6, 1)));
        is_proven(store, "payout/card/po_1");
        assert_eq!(open_payouts(store), ["payout/card/po_1 ledger/EUR 3"]);
        assert_eq!(take(store, payout("po_1")), Some(1));
        assert_eq!(parts(store, FIRST), ["1 of 2026-07-03: f1 odd po_1"]);
    }

    fn a_payout_that_lists_nothing_goes_by_itself_and_what_comes_back_follows_it(store) {
        leaves(store, "po_1", date(2026, 7, 3), false);
        gather(store, Some(date(2026, 6, 1)));
        assert_eq!(open_payouts(store), ["payout/card/po_1 ledger/EUR 1"]);
        assert_eq!(take(store, payout("po_1")), Some(1));
        // It failed.
        says(store, &root(RootKind::Payout, "po_1"), Vec::new(), 3);
        assert_eq!(open_payouts(store), ["payout/card/po_1 ledger/EUR 1"]);
        assert_eq!(take(store, payout("po_1")), Some(2));
        assert_eq!(parts(store, FIRST), ["1 of 2026-07-03: po_1", "2 of 2026-07-03: less po_1"]);
    }

    fn a_ledger_is_gathered_since_a_day_and_what_an_entry_took_stays_there(store) {
        fee(store, "old", date(2026, 5, 31), None);
        fee(store, "new", date(2026, 6, 1), None);
        let of_june = Entry { date: date(2026, 6, 2), ..match entry(Role::ProcessingFees, date(2026, 6, 2)) {
            FactContent::Entry(entry) => entry,
            _ => unreachable!("it is one"),
        } };
        // What the books post by themselves is no row of it.
        let own = Entry { booker: Booker::Odoo, ..of_june };
        let own = vec![fact("ledger_row", "1", FactContent::Entry(own))];
        says(store, &root(RootKind::LedgerRow, "theirs"), own, 1);
        gather(store, Some(date(2026, 6, 1)));
        gather(store, Some(date(2026, 6, 1)));
        assert_eq!(days(store), ["2026-06-01 ledger/EUR 1"]);
        gather(store, Some(date(2026, 5, 1)));
        assert_eq!(days(store), ["2026-05-31 ledger/EUR 1", "2026-06-01 ledger/EUR 1"]);
        assert_eq!(take(store, Span::month(date(2026, 5, 1))), Some(1));
        gather(store, Some(date(2026, 6, 1)));
        assert_eq!(days(store), ["2026-06-01 ledger/EUR 1"]);
        gather(store, None);
        assert_eq!(days(store), [""; 0]);
        assert_eq!(parts(store, "card/summary/2026-05/ledger/EUR"), ["1 of 2026-05-31: old"]);
    }

    fn what_takes_back_or_restates_a_posted_row_follows_it_whatever_the_day(store) {
        let may = date(2026, 5, 31);
        fee(store, "restated", may, None);
        fee(store, "unseen", may, None);
        gather(store, Some(date(2026, 5, 1)));
        assert_eq!(take(store, Span::month(may)), Some(1));
        gather(store, Some(date(2026, 6, 1)));
        fee(store, "other", may, None);
        assert_eq!(days(store), [""; 0], "it is older than the day");
        fee_as(store, "restated", may, None, Role::ReserveHeld);
        assert_eq!(days(store), ["2026-05-31 ledger/EUR 2"]);
        // A process that knew no such rule wrote it.
        write(store, |tx| {
            let sql = "DELETE FROM summary_rows WHERE entry IS NULL";
            tx.execute(sql, trueup_store::values![]).map(drop)
        });
        gather(store, None);
        assert_eq!(days(store), ["2026-05-31 ledger/EUR 2"]);
        fee_as(store, "unseen", may, None, Role::ReserveHeld);
        gather(store, Some(date(2026, 6, 1)));
        assert_eq!(days(store), ["2026-05-31 ledger/EUR 4"]);
        assert_eq!(take(store, Span::month(may)), Some(2));
        assert_eq!(
            parts(store, "card/summary/2026-05/ledger/EUR"),
            [
                "1 of 2026-05-31: restated unseen",
                "2 of 2026-05-31: less restated restated less unseen unseen",
            ]
        );
    }

    fn a_row_that_is_decided_in_the_moment_of_a_change_is_gathered_too(store) {
        let june = date(2026, 6, 2);
        gather_at(store, Some(date(2026, 6, 1)), 0);
        fee_decided(store, "f1", june, Role::ProcessingFees, None);
        gather_at(store, Some(date(2026, 6, 1)), 239);
        assert_eq!(days(store), [""; 0]);
        assert_eq!(read(store, summaries::left_out_of_ledgers), ["card/ledger_row/f1 of 2026-06-02"]);
        gather_at(store, Some(date(2026, 6, 1)), 240);
        assert_eq!(days(store), ["2026-06-02 ledger/EUR 1"]);
        assert_eq!(read(store, summaries::left_out_of_ledgers), [""; 0]);
        // The same where nobody wants it any more.
        gather_at(store, None, 300);
        fee_decided(store, "f2", june, Role::ProcessingFees, Some(date(2026, 6, 1)));
        assert_eq!(days(store), ["2026-06-02 ledger/EUR 1"]);
        gather_at(store, None, 539);
        assert_eq!(days(store), ["2026-06-02 ledger/EUR 1"]);
        gather_at(store, None, 540);
        assert_eq!(days(store), [""; 0]);
        assert_eq!(read(store, summaries::ledger_days), BTreeMap::new());
    }
}
