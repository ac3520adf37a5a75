//! P4: goods of sales without an order in the books move in one transfer for each day and location.

use std::collections::BTreeMap;

use jiff::civil::date;
use trueup_domain::command::{Content, TransferContent, TransferLine, Way, reversal_of};
use trueup_domain::derive::transfer::{MovedRow, Of, Part};
use trueup_domain::derive::{Derived, Waiting};
use trueup_domain::document::{Document, Fulfilment, FulfilmentStatus, Order, Refund, Restock};
use trueup_domain::fact::{FactContent, Units};
use trueup_domain::mapping::{GoodsPolicy, Mapping};
use trueup_domain::posting::Posting;

use crate::world::{
    Given, at, commands, fulfilment, line, mapping, order, paid, refund_line, refund_of,
};

fn by_day() -> Mapping {
    Mapping { goods: GoodsPolicy::Day, location: Some("8".to_owned()), ..mapping() }
}

fn given(mapping: Mapping) -> Given {
    Given { posting: Posting::Day, mapping: Some(mapping), ..Given::default() }
}

/// Three of A and one of B.
fn sold() -> Order {
    order(vec![line("A1", 3, "10.00"), line("B1", 1, "10.00")], Vec::new())
}

fn shipped(id: &str, day: &str, lines: &[(&str, i64)]) -> Fulfilment {
    fulfilment(id, FulfilmentStatus::Succeeded, &format!("{day}T10:00:00Z"), lines)
}

fn returned(id: &str, day: &str, line: &str, quantity: i64) -> Refund {
    let line = refund_line(line, quantity, "10.00", "0", Restock::Returned);
    let refund = refund_of(id, false, vec![line], Vec::new(), &[]);
    Refund { created_at: at(&format!("{day}T10:00:00Z")), ..refund }
}

/// Rows as `day way quantity product location, by`.
fn told(derived: &Derived) -> Vec<String> {
    let rows = derived.facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Units(it) => {
            let way = if it.way == Way::Out { "out" } else { "back" };
            let Units { day, quantity, product, location, by, .. } = it;
            Some(format!("{day} {way} {quantity} {product} at {location}, {by}"))
        }
        _ => None,
    });
    rows.collect()
}

fn sale(mapping: Mapping, more: Vec<Document>) -> Derived {
    let mut documents = vec![Document::from(sold()), paid("card", "40.00")];
    documents.extend(more);
    given(mapping).sale(&documents)
}

#[test]
fn what_left_and_came_back_are_rows_of_their_own_days() {
    let documents = vec![
        shipped("F1", "2026-06-16", &[("A1", 2), ("unknown", 9)]).into(),
        shipped("F2", "2026-06-18", &[("A1", 1), ("B1", 1)]).into(),
        fulfilment("F3", FulfilmentStatus::Pending, "2026-06-18T10:00:00Z", &[("B1", 1)]).into(),
        returned("R1", "2026-06-20", "A1", 1).into(),
    ];
    let derived = sale(by_day(), documents);
    assert_eq!(
        told(&derived),
        [
            "2026-06-16 out 2 P-A at 8, F1",
            "2026-06-18 out 1 P-A at 8, F2",
            "2026-06-18 out 1 P-B at 8, F2",
            "2026-06-20 back 1 P-A at 8, R1/r-A1",
        ]
    );
    assert_eq!(commands(&derived.facts).count(), 0, "the sale itself asks for nothing");
}

#[test]
fn the_day_is_that_of_the_zone() {
    let late = fulfilment("F1", FulfilmentStatus::Succeeded, "2026-06-16T23:30:00Z", &[("A1", 1)]);
    let given = Given { time_zone: "Europe/Berlin", ..given(by_day()) };
    let derived = given.sale(&[sold().into(), paid("card", "40.00"), late.into()]);
    assert_eq!(told(&derived), ["2026-06-17 out 1 P-A at 8, F1"]);
}

#[test]
fn only_sales_without_an_order_in_the_books_move_by_the_day() {
    let documents =
        [sold().into(), paid("card", "40.00"), shipped("F1", "2026-06-16", &[("A1", 1)]).into()];
    let with_order = Given { posting: Posting::Transaction, ..given(by_day()) };
    assert_eq!(
        told(&with_order.sale(&documents)),
        [""; 0],
        "its order plans a delivery of its own"
    );
    for goods in [GoodsPolicy::Books, GoodsPolicy::Channel] {
        let other = Mapping { goods, ..by_day() };
        assert_eq!(told(&given(other).sale(&documents)), [""; 0]);
    }
}

#[test]
fn no_more_comes_back_than_has_left() {
    let back = || returned("R1", "2026-06-20", "A1", 2).into();
    assert_eq!(told(&sale(by_day(), vec![back()])), [""; 0], "its shipment is told later");
    let left = shipped("F1", "2026-06-16", &[("A1", 1)]).into();
    assert_eq!(
        told(&sale(by_day(), vec![left, back()])),
        ["2026-06-16 out 1 P-A at 8, F1", "2026-06-20 back 1 P-A at 8, R1/r-A1"]
    );
}

#[test]
fn each_word_of_the_channel_is_a_location_of_the_books() {
    let at = |location: &str, shipment: Fulfilment| -> Document {
        Fulfilment { location: Some(location.to_owned()), ..shipment }.into()
    };
    let documents = || {
        vec![
            at("here", shipped("F1", "2026-06-16", &[("A1", 1)])),
            at("there", shipped("F2", "2026-06-16", &[("A1", 1)])),
            shipped("F3", "2026-06-16", &[("A1", 1)]).into(),
        ]
    };
    assert_eq!(
        told(&sale(by_day(), documents())),
        [
            "2026-06-16 out 1 P-A at 8, F1",
            "2026-06-16 out 1 P-A at 8, F2",
            "2026-06-16 out 1 P-A at 8, F3",
        ],
        "without names there is one location"
    );
    let named =
        Mapping { locations: BTreeMap::from([("here".to_owned(), "9".to_owned())]), ..by_day() };
    let derived = sale(named, documents());
    assert_eq!(told(&derived), ["2026-06-16 out 1 P-A at 9, F1", "2026-06-16 out 1 P-A at 8, F3"]);
    match derived.waiting {
        Some(Waiting::Mapping(missing)) => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            assert_eq!(missing, ["the location `there` is none of the books"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_mapping_lacks_holds_its_units_and_no_money() {
    let mut mapping = by_day();
    mapping.products.remove("A");
    let derived = sale(mapping, vec![shipped("F1", "2026-06-16", &[("A1", 1), ("B1", 1)]).into()]);
    assert_eq!(told(&derived), ["2026-06-16 out 1 P-B at 8, F1"]);
    assert!(matches!(derived.waiting, Some(Waiting::Mapping(_))), "{:?}", derived.waiting);
    let summed = derived
        .facts
        .iter()
        .any(|fact| matches!(&fact.content, FactContent::Entry(entry) if entry.summed.is_some()));
    assert!(summed, "the money goes into its entry");
}

fn row(way: Way, product: &str, quantity: i64, reversal: bool) -> MovedRow {
    MovedRow {
        order: "O1".to_owned(),
        number: "#O1".to_owned(),
        reversal,
        units: Units {
            day: date(2026, 6, 16),
            way,
            location: "8".to_owned(),
            product: product.to_owned(),
            name: format!("the {product}"),
            quantity,
            by: "F1".to_owned(),
        },
    }
}

/// The transfers of the parts, each as its reference, what goes out and what comes back.
fn transfers(parts: Vec<Vec<MovedRow>>, time_zone: &'static str) -> Vec<TransferContent> {
    let parts: Vec<Part> = (1..).zip(parts).map(|(number, rows)| Part { number, rows }).collect();
    let of = Of::parse("2026-06-16/goods/8").expect("a day and a location");
    assert_eq!(of.to_string(), "2026-06-16/goods/8");
    let derived = Given { time_zone, ..given(by_day()) }.transfer(&of, &parts);
    let contents = commands(&derived.facts).map(|(_, content)| match content {
        Content::Transfer(content) => content.clone(),
        other => panic!("{other:?}"),
    });
    contents.collect()
}

fn lines(lines: &[TransferLine]) -> String {
    let one = |line: &TransferLine| format!("{} {}", line.quantity, line.product);
    lines.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_units_of_a_day_are_summed_by_product_and_way() {
    let rows = vec![
        row(Way::Out, "P-B", 1, false),
        row(Way::Out, "P-A", 2, false),
        row(Way::Out, "P-A", 3, false),
        row(Way::Back, "P-A", 1, false),
    ];
    let [only] = transfers(vec![rows], "America/New_York").try_into().expect("one");
    assert_eq!(
        (lines(&only.out), lines(&only.back)),
        ("5 P-A, 1 P-B".to_owned(), "1 P-A".to_owned())
    );
    assert_eq!(only.reference, "shop 2026-06-16");
    assert_eq!(only.moved_at.to_string(), "2026-06-16T16:00:00Z", "noon in New York");
    let (undone, _) = reversal_of(&Content::Transfer(only.clone())).expect("it can be undone");
    let swapped = TransferContent { out: only.back.clone(), back: only.out.clone(), ..only };
    assert_eq!(undone, Content::Transfer(swapped));
}

#[test]
fn a_further_transfer_moves_what_changed_since() {
    let first = vec![row(Way::Out, "P-A", 2, false), row(Way::Back, "P-B", 1, false)];
    // A shipment is called off, another one was told late; and the return was none.
    let late = vec![
        row(Way::Out, "P-A", 2, true),
        row(Way::Out, "P-C", 1, false),
        row(Way::Back, "P-B", 1, true),
    ];
    let nothing = vec![row(Way::Out, "P-A", 2, false), row(Way::Out, "P-A", 2, true)];
    let [_, second] = transfers(vec![first, late, nothing], "UTC").try_into().expect("two");
    assert_eq!(second.reference, "shop 2026-06-16, further transfer 2");
    assert_eq!(
        (lines(&second.out), lines(&second.back)),
        ("1 P-B, 1 P-C".to_owned(), "2 P-A".to_owned())
    );
}
