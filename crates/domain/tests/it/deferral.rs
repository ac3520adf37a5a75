//! Revenue that is invoiced with the money and has not left by the end of a month (P12).

use jiff::civil::{Date, date};
use trueup_domain::document::{
    ChargeKind, Document, Funder, LineKind, Order, PaymentKind, Restock,
};
use trueup_domain::journal::Role;
use trueup_domain::mapping::{InvoicePolicy, Mapping};
use trueup_domain::posting::Posting;

use crate::world::{
    Given, adjustment, agreed, charge, discount, entries, included, line, mapping, order, paid,
    payment, refund_line, refund_of, shipped, tax,
};

fn by(invoices: InvoicePolicy) -> Given {
    Given { mapping: Some(Mapping { invoices, ..mapping() }), ..Given::default() }
}

fn until(day: i8) -> Date {
    date(2026, 6, day)
}

fn deferred(told: &[Document], day: i8) -> i64 {
    by(InvoicePolicy::Capture).deferred(told, until(day)).map_or(0, |amount| amount.minor())
}

/// What the journal earns after a day where each shipment is invoiced: sales less discounts and what
/// came back.
fn earned_after(told: &[Document], day: i8) -> i64 {
    let sale = by(InvoicePolicy::Shipment).sale(told);
    let later = entries(&sale.facts).filter(|entry| entry.date > until(day));
    let lines = later.flat_map(|entry| &entry.lines);
    let goods = |role: Role| matches!(role, Role::Sales | Role::Discounts);
    -lines.filter(|line| goods(line.role)).map(|line| line.amount.minor()).sum::<i64>()
}

/// Three units at 33.33 with 10.00 off, of which no share is even, and one more; with tax on top.
fn sold() -> Order {
    let mut thirds = line("A1", 3, "33.33");
    thirds.discounts = vec![discount(Funder::Merchant, "10.00")];
    thirds.taxes = vec![tax("0.08", "7.20")];
    let mut other = line("B1", 1, "70.00");
    other.taxes = vec![tax("0.08", "5.60")];
    let mut shipping = charge("s", ChargeKind::Shipping, "5.00");
    shipping.taxes = vec![tax("0.08", "0.40")];
    order(vec![thirds, other], vec![shipping])
}

#[test]
fn p12_what_has_not_left_is_deferred_to_the_cent_of_what_it_earns_later() {
    let leave: [&[Document]; 4] = [
        &[shipped("F1", 16, &[("A1", 3), ("B1", 1)])],
        &[shipped("F1", 16, &[("A1", 1)]), shipped("F2", 18, &[("A1", 2), ("B1", 1)])],
        &[
            shipped("F1", 16, &[("A1", 1)]),
            shipped("F2", 17, &[("B1", 1)]),
            shipped("F3", 18, &[("A1", 1)]),
            shipped("F4", 20, &[("A1", 1)]),
        ],
        &[shipped("F2", 19, &[("A1", 2)]), shipped("F1", 17, &[("A1", 1), ("B1", 1)])],
    ];
    for shipments in leave {
        for included_taxes in [false, true] {
            let order = if included_taxes { included(sold()) } else { sold() };
            let total = order.total.amount_text();
            let mut told: Vec<Document> = vec![order.into(), paid("card", &total)];
            told.extend(shipments.iter().cloned());
            let all = earned_after(&told, 1);
            assert_eq!(deferred(&told, 14), 0, "nothing is sold yet");
            for day in 15..=21 {
                let left = deferred(&told, day);
                assert_eq!(left, earned_after(&told, day), "{day} of {shipments:?}");
            }
            assert_eq!(deferred(&told, 15), all);
            assert_eq!(deferred(&told, 21), 0);
        }
    }
}

#[test]
fn p12_what_was_given_back_is_deferred_no_more() {
    let unit = |id: &str, day: u32, restock| {
        let lines = vec![refund_line("A1", 1, "29.99", "2.40", restock)];
        agreed(id, day, refund_of(id, false, lines, Vec::new(), &["b1"]))
    };
    let total = sold().total.amount_text();
    let mut told: Vec<Document> = vec![sold().into(), paid("card", &total)];
    assert_eq!(deferred(&told, 15), 8999 + 7000);
    told.push(shipped("F1", 16, &[("A1", 1)]));
    assert_eq!(deferred(&told, 16), 5999 + 7000);
    // A unit that will not leave, and one that came back: neither is still to be earned.
    told.push(unit("R1", 17, Restock::Cancelled));
    told.push(unit("R2", 18, Restock::Returned));
    assert_eq!(deferred(&told, 16), 5999 + 7000, "what is known of later days is of those");
    assert_eq!(deferred(&told, 18), 3000 + 7000);
    // Shipping is no goods, and is not deferred.
    let shipping = vec![adjustment(Some(ChargeKind::Shipping), "5.00", "0.40")];
    told.push(agreed("R3", 19, refund_of("R3", false, Vec::new(), shipping, &["b3"])));
    assert_eq!(deferred(&told, 19), 3000 + 7000);
}

#[test]
fn p12_only_revenue_that_is_invoiced_with_the_money_is_deferred() {
    let total = sold().total.amount_text();
    let told: Vec<Document> = vec![sold().into(), paid("card", &total)];
    for invoices in [InvoicePolicy::Order, InvoicePolicy::Shipment] {
        assert_eq!(by(invoices).deferred(&told, until(30)), None);
    }
    let summed = Given { posting: Posting::Day, ..by(InvoicePolicy::Capture) };
    assert_eq!(summed.deferred(&told, until(30)), None, "a sum counts each sale on its own day");
    let unmapped = Given { mapping: None, ..Given::default() };
    assert_eq!(unmapped.deferred(&told, until(30)), None);
    // Not captured, so not invoiced.
    let authorized = payment("a1", PaymentKind::Authorization, "card", &total);
    assert_eq!(deferred(&[sold().into(), authorized.into()], 30), 0);
    assert_eq!(deferred(&[Order { test: true, ..sold() }.into(), paid("card", &total)], 30), 0);
    assert_eq!(deferred(&[paid("card", &total)], 30), 0);

    // What needs no sending is earned at once, and a gift card is no revenue at all.
    let mut download = line("A1", 1, "20.00");
    download.requires_shipping = false;
    let mut card = line("G1", 1, "50.00");
    card.kind = LineKind::GiftCard;
    let goods = line("B1", 1, "70.00");
    let mixed = order(vec![download.clone(), card, goods], Vec::new());
    let told: Vec<Document> = vec![mixed.into(), paid("card", "140.00")];
    assert_eq!(deferred(&told, 30), 9000, "it goes with the first goods that are sent");
    let told: Vec<Document> = vec![order(vec![download], Vec::new()).into(), paid("card", "20.00")];
    assert_eq!(deferred(&told, 30), 0);
}
