//! What goods are asked to do, from fulfilments and refunds.

use trueup_domain::command::{Content, GoodsContent, Way, reversal_of};
use trueup_domain::derive::Derived;
use trueup_domain::document::{
    Document, FulfilmentStatus, LineKind, Order, PaymentStanding, Restock,
};
use trueup_domain::fact::FactContent;
use trueup_domain::mapping::{GoodsPolicy, Mapping};

use crate::world::{self, Given, line, mapping, order, paid, refund_line, refund_of};

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
        FactContent::Entry(_) | FactContent::Item(_) => None,
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
