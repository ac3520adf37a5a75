//! Sales that go into the books within an entry of their day (`POSTING.md` P5).

use jiff::civil::date;
use trueup_domain::command::{Content, EntryContent};
use trueup_domain::derive::summary::{self, Of, Part, SummedRow};
use trueup_domain::derive::{Derived, Waiting};
use trueup_domain::document::{
    ChargeKind, Document, Funder, HeldAlready, Order, Refund, Restock, Version,
};
use trueup_domain::fact::FactContent;
use trueup_domain::item::{ItemKind, Side};
use trueup_domain::journal::Booker;
use trueup_domain::mapping::Mapping;
use trueup_domain::posting::{Posting, Span};

use crate::world::{
    Given, charge, commands, discount, entries, line, mapping, money, order, paid, paid_back,
    refund, refund_line, tax, total_up, usd,
};

fn by_day() -> Given {
    Given { posting: Posting::Day, ..Given::default() }
}

/// A mapping with an account for each role that these sales use.
fn with_accounts() -> Mapping {
    let mut own = mapping();
    let accounts = [
        ("receivable", "1200"),
        ("sales", "4000"),
        ("discounts", "4090"),
        ("shipping_income", "4050"),
        ("clearing/card", "1130"),
        ("gift_card_liability", "2300"),
    ];
    let accounts = accounts.map(|(role, account)| (role.to_owned(), account.to_owned()));
    own.accounts.extend(accounts);
    own
}

fn sold(id: &str) -> Order {
    let mut tee = line("A1", 2, "100.00");
    tee.discounts = vec![discount(Funder::Merchant, "20.00")];
    tee.taxes = vec![tax("0.08", "14.40")];
    let mut shipping = charge("s", ChargeKind::Shipping, "10.00");
    shipping.taxes = vec![tax("0.08", "0.80")];
    let mut order = order(vec![tee], vec![shipping]);
    order.id = id.to_owned();
    order.number = format!("#{id}");
    total_up(&mut order);
    order
}

fn rows(derived: &Derived, id: &str, reversal: bool) -> Vec<SummedRow> {
    let own = entries(&derived.facts).filter(|entry| entry.summed.is_some());
    own.map(|entry| SummedRow {
        root: format!("shop/sale/{id}"),
        order: id.to_owned(),
        number: format!("#{id}"),
        reversal,
        entry: entry.clone(),
    })
    .collect()
}

fn summed(parts: Vec<Vec<SummedRow>>, mapping: &Mapping) -> Derived {
    let numbered = (1..).zip(parts);
    let parts: Vec<Part> = numbered
        .map(|(number, rows)| Part {
            number,
            made_on: date(2026, 6, 16),
            dated: date(2026, 6, 15),
            rows,
        })
        .collect();
    let of = Of { span: Span::Day(date(2026, 6, 15)), ledger: false, currency: usd() };
    Given { mapping: Some(mapping.clone()), ..by_day() }.summary(&of, &parts)
}

fn contents(derived: &Derived) -> Vec<EntryContent> {
    commands(&derived.facts)
        .map(|(_, content)| match content {
            Content::Entry(entry) => entry.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Lines as `account name amount [taxes]`, then the taxes.
fn told(entry: &EntryContent) -> Vec<String> {
    let lines = entry.lines.iter().map(|line| {
        let back = if line.refund { " back" } else { "" };
        let taxes = line.taxes.join("+");
        format!("{} {} {} {taxes}{back}", line.account, line.name, line.amount.amount_text())
    });
    let taxes = entry.taxes.iter().map(|tax| {
        let back = if tax.refund { " back" } else { "" };
        format!("{} {}{back}", tax.tax, tax.amount.amount_text())
    });
    lines.chain(taxes).map(|line| line.replace("  ", " ").trim().to_owned()).collect()
}

#[test]
fn a_sale_of_a_day_asks_for_no_document_and_books_the_same_rows() {
    let documents = [Document::from(sold("O1")), paid("card", "205.20")];
    let (day, transaction) = (by_day().sale(&documents), Given::default().sale(&documents));
    assert_eq!(commands(&day.facts).count(), 0);
    assert!(day.shared.is_empty(), "no customer either");
    assert!(day.waiting.is_none());
    let net = |derived: &Derived| crate::world::net([derived]);
    assert_eq!(net(&day), net(&transaction));
    assert!(entries(&day.facts).all(|entry| entry.booker == Booker::Trueup));
}

#[test]
fn the_entry_of_a_day_is_the_sum_of_its_sales_by_tax_and_sign() {
    let given = by_day();
    let first = given.sale(&[sold("O1").into(), paid("card", "205.20")]);
    let second = given.sale(&[sold("O2").into()]);
    let mut all = rows(&first, "O1", false);
    all.extend(rows(&second, "O2", false));
    let derived = summed(vec![all], &with_accounts());
    assert!(derived.waiting.is_none(), "{:?}", derived.waiting);
    let [entry] = contents(&derived).try_into().expect("one entry");
    assert_eq!(
        told(&entry),
        [
            "1200 orders 410.40",
            "1200 payments -205.20",
            "4000 sales -400.00 T8",
            "4090 discounts 40.00 T8",
            "4050 shipping income -20.00 T8",
            "1130 clearing 205.20",
            "T8 -30.40",
        ]
    );
    let orders: Vec<&str> = entry.orders.iter().map(|order| order.number.as_str()).collect();
    assert_eq!(orders, ["#O1", "#O2"]);
    assert_eq!(entry.debits(), Some(money("655.60")));
    let stated: Vec<String> = derived
        .facts
        .iter()
        .filter_map(|fact| match &fact.content {
            FactContent::Item(item) => Some(format!("{} {}", item.key, item.amount.amount_text())),
            _ => None,
        })
        .collect();
    assert_eq!(
        stated,
        [
            "entry/shop/2026-06-15/USD/1 655.60",
            "entry_tax/entry/shop/2026-06-15/USD/1/T8 30.40",
            "entry_base/entry/shop/2026-06-15/USD/1/T8 380.00",
        ]
    );
}

#[test]
fn what_was_given_back_stands_on_lines_of_its_own() {
    let back: Refund =
        refund(vec![refund_line("A1", 1, "90.00", "7.20", Restock::Returned)], Vec::new());
    let documents = [
        Document::from(sold("O1")),
        paid("card", "205.20"),
        back.into(),
        paid_back("b1", "R1", "card", "97.20"),
    ];
    let derived = by_day().sale(&documents);
    let refunds = rows(&derived, "O1", false)
        .into_iter()
        .filter(|row| row.entry.summed.as_ref().is_some_and(|summed| summed.refund));
    let [entry] =
        contents(&summed(vec![refunds.collect()], &with_accounts())).try_into().expect("one entry");
    assert_eq!(
        told(&entry),
        [
            "1200 refunds -97.20 back",
            "1200 repayments 97.20 back",
            "4095 returns, given back 90.00 T8 back",
            "1130 clearing, given back -97.20 back",
            "T8 7.20 back",
        ]
    );
    assert!(entry.orders.is_empty(), "no sale is booked, so none is looked for");
}

#[test]
fn a_further_entry_holds_what_changed_and_cancels_what_did_not() {
    let given = by_day();
    let before = given.sale(&[sold("O1").into()]);
    let mut dearer = sold("O1");
    dearer.lines[0].discounts.clear();
    dearer.lines[0].taxes = vec![tax("0.08", "16.00")];
    total_up(&mut dearer);
    let after = given.sale(&[dearer.into()]);
    let is_goods = |row: &SummedRow| row.entry.memo.contains("goods");
    let mut changed: Vec<SummedRow> = rows(&before, "O1", true);
    changed.extend(rows(&after, "O1", false));
    changed.retain(is_goods);
    let derived = summed(vec![rows(&before, "O1", false), changed.clone()], &with_accounts());
    let [first, further] = contents(&derived).try_into().expect("two entries");
    assert_eq!(further.reference, "shop 2026-06-15, further entry 2");
    assert_eq!(first.reference, "shop 2026-06-15");
    assert_eq!(told(&further), ["1200 orders 21.60", "4090 discounts -20.00 T8", "T8 -1.60"]);
    let stated = summary::stated(usd(), &changed).expect("in range");
    let one = stated.first().expect("the order");
    assert_eq!(
        (one.kind, one.amount, one.tax),
        (ItemKind::Document, money("21.60"), money("1.60"))
    );
    // Rows that were taken back before they were in an entry come to nothing.
    let mut nothing = rows(&before, "O1", false);
    nothing.extend(rows(&before, "O1", true));
    assert_eq!(contents(&summed(vec![nothing], &with_accounts())), []);
}

#[test]
fn an_entry_waits_for_accounts_and_a_sale_for_its_tax() {
    let derived = by_day().sale(&[sold("O1").into()]);
    let lacking = summed(vec![rows(&derived, "O1", false)], &mapping());
    assert_eq!(commands(&lacking.facts).count(), 0);
    match lacking.waiting {
        Some(Waiting::Mapping(missing)) => assert_eq!(missing.len(), 4, "{missing:?}"),
        other => panic!("{other:?}"),
    }
    let mut unknown = sold("O1");
    unknown.lines[0].taxes = vec![tax("0.09", "16.20")];
    total_up(&mut unknown);
    let waits = by_day().sale(&[unknown.into()]);
    assert!(matches!(waits.waiting, Some(Waiting::Mapping(_))), "{:?}", waits.waiting);
    assert!(rows(&waits, "O1", false).is_empty(), "no row of it is summed up");
    assert!(entries(&waits.facts).count() > 0, "the journal knows the sale");
}

#[test]
fn a_sale_that_the_books_hold_already_is_booked_by_another() {
    let held = HeldAlready {
        id: "O1".to_owned(),
        version: Version(0),
        record: "account.move/7".to_owned(),
        name: Some("INV/7".to_owned()),
        date: Some(date(2026, 6, 14)),
        total: money("205.20"),
        tax: money("15.20"),
    };
    let documents = [Document::from(sold("O1")), paid("card", "205.20"), held.into()];
    let derived = by_day().sale(&documents);
    assert!(entries(&derived.facts).all(|entry| entry.booker == Booker::Other));
    assert!(rows(&derived, "O1", false).is_empty());
    assert_eq!(commands(&derived.facts).count(), 0);
    let kinds: Vec<&str> = derived.breaks.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, ["held_already"]);
    let books: Vec<_> = derived
        .facts
        .iter()
        .filter_map(|fact| match &fact.content {
            FactContent::Item(item) if item.side == Side::Books => Some((item.kind, item.amount)),
            _ => None,
        })
        .collect();
    let expected = [(ItemKind::Document, money("205.20")), (ItemKind::DocumentTax, money("15.20"))];
    assert_eq!(books, expected);
}
