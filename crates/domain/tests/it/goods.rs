//! What goods are asked to do, from fulfilments and refunds.

use proptest::prelude::*;
use trueup_domain::command::{Content, GoodsContent, Way, reversal_of};
use trueup_domain::derive::{Derived, Waiting};
use trueup_domain::document::{
    Document, FulfilmentStatus, LineKind, Order, PaymentStanding, Refund, Restock, Version,
};
use trueup_domain::fact::{Change, FactContent, FactKey, Written, difference};
use trueup_domain::key;
use trueup_domain::mapping::{GoodsPolicy, Mapping};

use crate::world::{
    self, Given, line, mapping, net, order, paid, paid_back, refund_line, refund_of,
};

fn by_channel() -> Given {
    Given {
        mapping: Some(Mapping { goods: GoodsPolicy::Channel, ..mapping() }),
        ..Given::default()
    }
}

fn fulfilment(id: &str, status: FulfilmentStatus, lines: &[(&str, i64)]) -> Document {
    world::fulfilment(id, status, "2026-06-16T10:00:00Z", lines).into()
}

fn shipped(id: &str, lines: &[(&str, i64)]) -> Document {
    fulfilment(id, FulfilmentStatus::Succeeded, lines)
}

/// Three of A, two of B on two lines.
fn sold() -> Order {
    order(vec![line("A1", 3, "10.00"), line("B1", 1, "5.00"), line("B2", 1, "5.00")], Vec::new())
}

fn goods(derived: &Derived) -> Vec<GoodsContent> {
    let contents = derived.facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Command(command) => match &command.content {
            Content::Goods(content) => Some(content.clone()),
            _ => None,
        },
        FactContent::Entry(_) | FactContent::Item(_) | FactContent::Units(_) => None,
    });
    contents.collect()
}

/// Each command of goods in words: its fact, its way and its lines.
fn words(derived: &Derived) -> Vec<String> {
    let facts = derived.facts.iter().filter(|fact| fact.key.kind.starts_with("goods"));
    let lines = |content: &GoodsContent| -> Vec<String> {
        let lines = content.lines.iter();
        lines.map(|it| format!("{} {} of {}", it.part, it.quantity, it.product)).collect()
    };
    let pairs = facts.zip(goods(derived));
    pairs
        .map(|(fact, content)| {
            format!("{} {}: {}", fact.key.kind, fact.key.part, lines(&content).join(", "))
        })
        .collect()
}

#[test]
fn each_shipment_is_one_movement_after_its_order() {
    let sale = by_channel().sale(&[
        sold().into(),
        paid("card", "40.00"),
        shipped("F1", &[("A1", 2)]),
        fulfilment("F2", FulfilmentStatus::Pending, &[("A1", 1)]),
        fulfilment("F3", FulfilmentStatus::Cancelled, &[("A1", 1)]),
        shipped("F4", &[("B2", 1), ("A1", 1), ("B1", 1)]),
    ]);
    assert_eq!(
        words(&sale),
        ["goods_out F1/1: A1 2 of P-A", "goods_out F4/1: A1 1 of P-A, B1 1 of P-B, B2 1 of P-B"]
    );
    for fact in sale.facts.iter().filter(|fact| fact.key.kind == "goods_out") {
        let FactContent::Command(command) = &fact.content else { panic!("a command") };
        let after: Vec<(&str, &str)> = command
            .after
            .iter()
            .map(|after| (after.role.as_str(), after.fact.kind.as_str()))
            .collect();
        assert_eq!(after, [("order", "order")], "no money is waited for");
    }
}

#[test]
fn p4_the_books_own_warehouse_is_left_alone() {
    let documents = [sold().into(), paid("card", "40.00"), shipped("F1", &[("A1", 3)])];
    assert_eq!(words(&Given::default().sale(&documents)), Vec::<String>::new());
    assert_eq!(words(&by_channel().sale(&documents)).len(), 1);
}

#[test]
fn what_is_no_goods_does_not_leave() {
    let mut order = sold();
    order.lines[1].kind = LineKind::GiftCard;
    order.lines[2].kind = LineKind::Tip;
    let sale = by_channel().sale(&[
        order.into(),
        paid("card", "40.00"),
        shipped("F1", &[("B1", 1), ("B2", 1), ("unknown", 1)]),
        shipped("F2", &[("B1", 1), ("A1", 3)]),
    ]);
    assert_eq!(words(&sale), ["goods_out F2/1: A1 3 of P-A"]);
}

#[test]
fn units_come_back_or_stay_as_the_refund_says() {
    let back = |restock, line, quantity| refund_line(line, quantity, "10.00", "0", restock);
    let sale = by_channel().sale(&[
        sold().into(),
        paid("card", "40.00"),
        shipped("F1", &[("A1", 2), ("B1", 1)]),
        refund_of("R1", false, vec![back(Restock::Returned, "A1", 1)], Vec::new(), &["b1"]).into(),
        refund_of("R2", false, vec![back(Restock::None, "A1", 1)], Vec::new(), &["b2"]).into(),
        refund_of(
            "R3",
            false,
            vec![back(Restock::Cancelled, "A1", 1), back(Restock::Cancelled, "B2", 1)],
            Vec::new(),
            &["b3"],
        )
        .into(),
    ]);
    assert_eq!(
        words(&sale),
        [
            "goods_out F1/1: A1 2 of P-A, B1 1 of P-B",
            // Two of B were sold on two lines, which are one in stock.
            "goods_limit 1: A1 2 of P-A, B1 1 of P-B",
            "goods_back R1/1: A1 1 of P-A",
        ]
    );
}

#[test]
fn a_later_line_leaves_from_its_own_order() {
    let given = Given { billed: [("A1".to_owned(), 1)].into(), ..by_channel() };
    let sale = given.sale(&[
        sold().into(),
        paid("card", "40.00"),
        shipped("F1", &[("A1", 3), ("B1", 1), ("B2", 1)]),
    ]);
    assert_eq!(
        words(&sale),
        ["goods_out F1/1: A1 3 of P-A", "goods_out F1/2: B1 1 of P-B, B2 1 of P-B"]
    );
}

#[test]
fn an_order_that_is_no_sale_moves_nothing() {
    let dead = Order { payment_standing: PaymentStanding::Voided, ..sold() };
    let sale = by_channel().sale(&[dead.into(), shipped("F1", &[("A1", 1)])]);
    assert_eq!(words(&sale), Vec::<String>::new());
}

#[test]
fn an_order_made_anew_moves_its_goods_anew() {
    let movement = |order: Order| {
        let sale =
            by_channel().sale(&[order.into(), paid("card", "40.00"), shipped("F1", &[("A1", 1)])]);
        goods(&sale).remove(0)
    };
    let mut dearer = sold();
    dearer.lines[0] = line("A1", 3, "11.00");
    crate::world::total_up(&mut dearer);
    let (first, again, other) = (movement(sold()), movement(sold()), movement(dearer));
    assert_eq!(first, again);
    assert_eq!(first.lines, other.lines);
    assert_ne!(first, other, "the old order's units come back, the new order's leave");
}

#[test]
fn a_shipment_taken_back_comes_back_and_a_limit_stays() {
    let sale = by_channel().sale(&[
        sold().into(),
        paid("card", "40.00"),
        shipped("F1", &[("A1", 1)]),
        refund_of(
            "R1",
            false,
            vec![refund_line("A1", 1, "10.00", "0", Restock::Cancelled)],
            Vec::new(),
            &["b1"],
        )
        .into(),
    ]);
    let contents = goods(&sale);
    let (out, limit) = (&contents[0], &contents[1]);
    let (back, role) = reversal_of(&Content::Goods(out.clone())).expect("it can be undone");
    assert_eq!(role, "goods");
    assert_eq!(back, Content::Goods(GoodsContent { way: Way::Back, ..out.clone() }));
    assert_eq!(reversal_of(&Content::Goods(limit.clone())), None);
}

/// A unit that two places say came back came back once; a person hears of the other.
#[test]
fn d8_a_unit_comes_back_into_stock_once() {
    let back = |id: &str, quantity| -> Document {
        let line = refund_line("B1", quantity, "5.00", "0", Restock::Returned);
        refund_of(id, false, vec![line], Vec::new(), &[]).into()
    };
    let told = |refunds: &[Document]| {
        let mut documents: Vec<Document> =
            vec![sold().into(), paid("card", "40.00"), shipped("F1", &[("A1", 3), ("B1", 1)])];
        documents.extend(refunds.iter().cloned());
        by_channel().sale(&documents)
    };
    let out = "goods_out F1/1: A1 3 of P-A, B1 1 of P-B";
    let once = told(&[back("R1", 1)]);
    assert_eq!(words(&once), [out, "goods_back R1/1: B1 1 of P-B"]);
    assert!(!once.breaks.iter().any(|one| one.kind == "over_returned"));
    let twice = told(&[back("R1", 1), back("R2", 1)]);
    assert_eq!(words(&twice), [out, "goods_back R1/1: B1 1 of P-B"]);
    assert!(twice.breaks.iter().any(|one| one.kind == "over_returned"), "{:?}", twice.breaks);
    let several = told(&[back("R1", 4)]);
    assert_eq!(words(&several), [out, "goods_back R1/1: B1 1 of P-B"]);
}

/// What this order never held puts nothing into stock, whoever takes it in.
#[test]
fn d9_what_was_never_sold_here_moves_no_goods_and_is_a_case() {
    let line = refund_line("Z9", 1, "10.00", "0", Restock::Returned);
    let sale = by_channel().sale(&[
        sold().into(),
        paid("card", "40.00"),
        shipped("F1", &[("A1", 3)]),
        refund_of("R1", false, vec![line], Vec::new(), &["b1"]).into(),
    ]);
    assert_eq!(words(&sale), ["goods_out F1/1: A1 3 of P-A"]);
    let case = sale.breaks.iter().find(|one| one.kind == "over_returned").expect("a case");
    assert!(case.detail.contains("Z9"), "{}", case.detail);
    // A return whose order nobody knows waits for it, and moves nothing.
    let line = refund_line("A1", 1, "10.00", "0", Restock::Returned);
    let orphan = by_channel().sale(&[refund_of("R1", false, vec![line], Vec::new(), &[]).into()]);
    assert_eq!((orphan.facts, orphan.waiting), (Vec::new(), Some(Waiting::Order)));
}

/// Restocked, and then found to be broken: the units leave again, the money stays as it was agreed.
#[test]
fn d10_goods_that_are_written_off_after_all_leave_stock_again() {
    let told = |restock, version| {
        let line = refund_line("A1", 1, "10.00", "0", restock);
        let refund = refund_of("R1", false, vec![line], Vec::new(), &["b1"]);
        by_channel().sale(&[
            sold().into(),
            paid("card", "40.00"),
            shipped("F1", &[("A1", 3)]),
            Refund { version: Version(version), ..refund }.into(),
            paid_back("b1", "R1", "card", "10.00"),
        ])
    };
    let before = told(Restock::Returned, 1);
    let after = told(Restock::None, 2);
    assert_eq!(words(&before).last().map(String::as_str), Some("goods_back R1/1: A1 1 of P-A"));
    assert_eq!(net([&before]), net([&after]));
    let written: Vec<Written> = before
        .facts
        .iter()
        .map(|fact| Written {
            key: fact.key.clone(),
            generation: 1,
            content_hash: key::body_hash(fact.content_json().as_bytes()),
            live: true,
        })
        .collect();
    let gone: Vec<FactKey> = difference(&written, after.facts)
        .into_iter()
        .filter_map(|change| match change {
            Change::TakeBack { key, .. } => Some(key),
            Change::Add { .. } => None,
        })
        .collect();
    assert_eq!(gone, [FactKey::new("goods_back", "R1/1")]);
    let back = goods(&before).pop().expect("units that came back");
    // A movement is taken back by its counterpart, so what had come back leaves.
    let taken_back = reversal_of(&Content::Goods(back.clone())).expect("it can be undone");
    assert_eq!(taken_back, (Content::Goods(back), "goods"));
}

/// What becomes of one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Open,
    /// In this shipment of three.
    Left(usize),
    /// In a shipment that is only announced.
    Announced,
    /// Taken off before it left.
    Off,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Open),
        (0_usize..3).prop_map(Fate::Left),
        Just(Fate::Announced),
        Just(Fate::Off),
    ]
}

proptest! {
    /// Whatever is split, put back and taken off: of each line, what left, what is still to leave
    /// and what was taken off are what was ordered.
    #[test]
    fn d7_what_left_what_is_open_and_what_was_taken_off_is_what_was_ordered(
        lines in prop::collection::vec(prop::collection::vec(fate(), 1..6), 1..4),
    ) {
        let ids = ["A1", "B1", "C1"];
        let count = |line: usize, fate: Fate| -> i64 {
            i64::try_from(lines[line].iter().filter(|one| **one == fate).count()).expect("few")
        };
        let ordered = lines.iter().zip(ids).map(|(fates, id)| {
            line(id, i64::try_from(fates.len()).expect("few"), "10.00")
        });
        let order = order(ordered.collect(), Vec::new());
        let mut documents = vec![order.clone().into(), paid("card", &order.total.amount_text())];
        let of = |fate: Fate| -> Vec<(&str, i64)> {
            let all = ids.iter().take(lines.len()).enumerate();
            all.map(|(index, id)| (*id, count(index, fate))).filter(|(_, units)| *units > 0).collect()
        };
        for shipment in 0..3 {
            documents.push(shipped(&format!("F{shipment}"), &of(Fate::Left(shipment))));
        }
        documents.push(fulfilment("F9", FulfilmentStatus::Pending, &of(Fate::Announced)));
        let off = of(Fate::Off).into_iter().map(|(id, units)| {
            refund_line(id, units, "0", "0", Restock::Cancelled)
        });
        documents.push(refund_of("R1", false, off.collect(), Vec::new(), &[]).into());
        let moved = goods(&by_channel().sale(&documents));
        for (index, id) in ids.iter().take(lines.len()).enumerate() {
            let units = |way: Way| -> i64 {
                let of_way = moved.iter().filter(|content| content.way == way);
                let of_line = of_way.flat_map(|content| &content.lines).filter(|one| one.part == *id);
                of_line.map(|one| one.quantity).sum()
            };
            let ordered = i64::try_from(lines[index].len()).expect("few");
            let open = count(index, Fate::Open) + count(index, Fate::Announced);
            prop_assert_eq!(units(Way::Out) + open + count(index, Fate::Off), ordered);
            // What the books may deliver of it in all, where something was taken off.
            let may = if count(index, Fate::Off) == 0 { 0 } else { ordered - count(index, Fate::Off) };
            prop_assert_eq!(units(Way::Limit), may);
        }
    }
}
