//! Which invoices a sale has under each policy, and what a refund takes back or off.

use trueup_domain::command::{Content, Extent};
use trueup_domain::derive::Derived;
use trueup_domain::derive::sale::NOT_YET;
use trueup_domain::document::{
    ChargeKind, Document, Funder, LineKind, Order, Payment, PaymentKind, Restock,
};
use trueup_domain::fact::FactContent;
use trueup_domain::item::{Item, Side};
use trueup_domain::journal::Role;
use trueup_domain::mapping::{InvoicePolicy, Mapping};

use crate::world::{
    Given, adjustment, agreed, at, charge, discount, entries, included, line, mapping, net, order,
    paid, payment, refund_line, refund_of, remitted, shipped, tax, total_up,
};

fn by(invoices: InvoicePolicy) -> Given {
    Given { mapping: Some(Mapping { invoices, ..mapping() }), ..Given::default() }
}

fn by_shipment() -> Given {
    by(InvoicePolicy::Shipment)
}

fn captured(id: &str, day: u32, amount: &str) -> Document {
    let processed_at = at(&format!("2026-06-{day:02}T11:00:00Z"));
    Payment { processed_at, ..payment(id, PaymentKind::Capture, "card", amount) }.into()
}

fn given_back(id: &str, refund: &str, day: u32, amount: &str) -> Document {
    let back = payment(id, PaymentKind::Refund, "card", amount);
    let processed_at = at(&format!("2026-06-{day:02}T13:00:00Z"));
    Payment { refund: Some(refund.to_owned()), processed_at, ..back }.into()
}

/// Invoices, credit notes and ties in words.
fn words(derived: &Derived) -> Vec<String> {
    let mut words = Vec::new();
    for fact in &derived.facts {
        let FactContent::Command(command) = &fact.content else { continue };
        let part = &fact.key.part;
        let after = |role: &str| {
            let found = command.after.iter().find(|after| after.role == role);
            found.map(|after| format!("{} {}", after.fact.kind, after.fact.part))
        };
        words.push(match &command.content {
            Content::Invoice(it) => format!(
                "invoice {part} on {}: {} tax {}, after {}",
                it.date,
                it.total.amount_text(),
                it.tax.amount_text(),
                after("order").unwrap_or_default()
            ),
            Content::CreditNote(it) => format!(
                "credit note {part} on {}: {} tax {}, of {}",
                it.date,
                it.total.amount_text(),
                it.tax.amount_text(),
                after("invoice").unwrap_or_default()
            ),
            Content::Reconciliation(it) => format!(
                "tie {part} to {}: {}{}",
                after("document").unwrap_or_default(),
                it.amount.amount_text(),
                if it.extent == Extent::Whole { ", whole" } else { "" }
            ),
            _ => continue,
        });
    }
    words
}

fn items(derived: &Derived) -> Vec<&Item> {
    let of = |fact: &'_ trueup_domain::fact::Fact| matches!(fact.content, FactContent::Item(_));
    let items = derived.facts.iter().filter(|fact| of(fact));
    items
        .filter_map(|fact| match &fact.content {
            FactContent::Item(item) => Some(item),
            _ => None,
        })
        .collect()
}

/// What stands under the document keys: side, amount, and `later` where it is not due yet.
fn stated(derived: &Derived, key: &str) -> Vec<String> {
    let own = items(derived).into_iter().filter(|item| item.key == key);
    own.map(|item| {
        let later = if item.hints.iter().any(|hint| hint == NOT_YET) { " later" } else { "" };
        format!("{} {}{later}", item.side.word(), item.amount.amount_text())
    })
    .collect()
}

/// Invoices, what was taken off before, and what is left make what the channel sold, in amount and
/// in tax; and the journal has just the invoices less the credit notes.
fn adds_up(derived: &Derived) {
    for (key, of) in [("order/shop/O1", 0), ("tax/order/shop/O1", 1)] {
        let (mut sold, mut now) = (0, 0);
        for item in items(derived).into_iter().filter(|item| item.key == key) {
            match item.side {
                Side::Channel => {
                    sold += item.amount.minor();
                    if !item.hints.iter().any(|hint| hint == NOT_YET) {
                        now += item.amount.minor();
                    }
                }
                _ => now -= item.amount.minor(),
            }
        }
        let mut invoiced = 0;
        for fact in &derived.facts {
            let FactContent::Command(command) = &fact.content else { continue };
            if let Content::Invoice(it) = &command.content {
                invoiced += if of == 0 { it.total.minor() } else { it.tax.minor() };
            }
        }
        assert_eq!(invoiced, now, "{key} of {sold}: {:?}", words(derived));
    }
    let mut owed = 0;
    for fact in &derived.facts {
        let FactContent::Command(command) = &fact.content else { continue };
        owed += match &command.content {
            Content::Invoice(it) => it.total.minor(),
            Content::CreditNote(it) => -it.total.minor(),
            _ => 0,
        };
    }
    let documents = derived.facts.iter().filter(|it| matches!(&*it.key.kind, "sale" | "refund"));
    let documents: Vec<_> = documents.cloned().collect();
    let lines = entries(&documents).flat_map(|entry| &entry.lines);
    let receivable = lines.filter(|line| line.role == Role::Receivable);
    assert_eq!(receivable.map(|line| line.amount.minor()).sum::<i64>(), owed);
}

fn check(derived: &Derived, expected: &str) {
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(words(derived), expected);
    adds_up(derived);
}

/// 130.00 less 10.00 and 70.00 less 10.00, shipping 10.00, 8 % of all: the order of D1 on two lines.
fn d16_order() -> Order {
    let (mut first, mut second) = (line("A1", 1, "130.00"), line("B1", 1, "70.00"));
    first.discounts = vec![discount(Funder::Merchant, "10.00")];
    first.taxes = vec![tax("0.08", "9.60")];
    second.discounts = vec![discount(Funder::Merchant, "10.00")];
    second.taxes = vec![tax("0.08", "4.80")];
    let mut shipping = charge("s", ChargeKind::Shipping, "10.00");
    shipping.taxes = vec![tax("0.08", "0.80")];
    order(vec![first, second], vec![shipping])
}

/// Deposits are what is open on the receivable: what was captured and not invoiced.
#[test]
fn d16_capture_before_two_shipments() {
    let mut told: Vec<Document> = vec![d16_order().into(), paid("card", "205.20")];
    let balance = |told: &[Document]| {
        let sums = net([&by_shipment().sale(told)]);
        let of = |role: Role| sums.get(&role).copied().unwrap_or(0);
        let sales = of(Role::Sales) + of(Role::Discounts);
        [Role::Clearing, Role::Receivable, Role::ShippingIncome, Role::TaxPayable]
            .map(of)
            .into_iter()
            .chain([sales])
            .collect::<Vec<i64>>()
    };
    // Dr 1130 Clearing 205.20, Cr 2320 Customer deposits 205.20.
    assert_eq!(balance(&told), [20520, -20520, 0, 0, 0]);
    told.push(shipped("F1", 17, &[("A1", 1)]));
    // Dr 2320 140.40, Cr 4000 120.00, Cr 4050 10.00, Cr 2210 10.40.
    assert_eq!(balance(&told), [20520, -6480, -1000, -1040, -12000]);
    told.push(shipped("F2", 18, &[("B1", 1)]));
    // Dr 2320 64.80, Cr 4000 60.00, Cr 2210 4.80: deposits are zero.
    assert_eq!(balance(&told), [20520, 0, -1000, -1520, -18000]);
    check(
        &by_shipment().sale(&told),
        "invoice F1/1 on 2026-06-17: 140.40 tax 10.40, after order 1
         invoice F2/1 on 2026-06-18: 64.80 tax 4.80, after order 1
         tie p1/F1/1 to invoice F1/1: 140.40
         tie p1/F2/1 to invoice F2/1: 64.80",
    );
}

#[test]
fn d16_a_cancelled_order_leaves_no_deposit() {
    let back = refund_of(
        "R1",
        false,
        vec![
            refund_line("A1", 1, "120.00", "9.60", Restock::Cancelled),
            refund_line("B1", 1, "60.00", "4.80", Restock::Cancelled),
        ],
        vec![adjustment(Some(ChargeKind::Shipping), "10.00", "0.80")],
        &["b1"],
    );
    let told = [
        d16_order().into(),
        paid("card", "205.20"),
        agreed("R1", 16, back),
        given_back("b1", "R1", 16, "205.20"),
    ];
    let sale = by_shipment().sale(&told);
    assert!(net([&sale]).is_empty(), "{:?}", net([&sale]));
    check(&sale, "tie b1/p1 to payment p1: 205.20");
    assert_eq!(stated(&sale, "order/shop/O1"), ["channel 205.20", "books 205.20"]);
    assert_eq!(stated(&sale, "tax/order/shop/O1"), ["channel 15.20", "books 15.20"]);
    assert_eq!(stated(&sale, "refund/shop/R1"), ["channel 205.20", "books 205.20"]);
}

/// Three units at 33.33 with 10.00 off and tax 8 %, of which no share is even.
fn thirds() -> Order {
    let mut goods = line("A1", 3, "33.33");
    goods.discounts = vec![discount(Funder::Merchant, "10.00")];
    goods.taxes = vec![tax("0.08", "7.20")];
    let mut shipping = charge("s", ChargeKind::Shipping, "5.00");
    shipping.taxes = vec![tax("0.08", "0.40")];
    order(vec![goods], vec![shipping])
}

#[test]
fn d7_no_cent_is_lost_however_goods_leave() {
    let unit = |amount: &str, tax: &str, restock| {
        refund_of("R", false, vec![refund_line("A1", 1, amount, tax, restock)], Vec::new(), &["b1"])
    };
    let cases: &[&[Document]] = &[
        &[],
        &[shipped("F1", 16, &[("A1", 3)])],
        &[shipped("F1", 16, &[("A1", 1)])],
        &[
            shipped("F1", 16, &[("A1", 1)]),
            shipped("F2", 17, &[("A1", 1)]),
            shipped("F3", 18, &[("A1", 1)]),
        ],
        &[shipped("F2", 17, &[("A1", 2)]), shipped("F1", 16, &[("A1", 1)])],
        &[agreed("R1", 16, unit("29.99", "2.40", Restock::Cancelled))],
        &[
            shipped("F1", 16, &[("A1", 1)]),
            agreed("R1", 17, unit("29.99", "2.40", Restock::Cancelled)),
            shipped("F2", 18, &[("A1", 1)]),
        ],
        &[agreed("R1", 16, unit("20.00", "1.60", Restock::None)), shipped("F2", 18, &[("A1", 3)])],
        &[
            shipped("F1", 16, &[("A1", 1)]),
            agreed("R1", 17, unit("29.99", "2.40", Restock::Returned)),
            shipped("F2", 18, &[("A1", 2)]),
        ],
        &[
            shipped("F1", 16, &[("A1", 2)]),
            agreed(
                "R1",
                17,
                refund_of(
                    "R1",
                    false,
                    vec![refund_line("A1", 3, "89.99", "7.20", Restock::None)],
                    vec![adjustment(Some(ChargeKind::Shipping), "5.00", "0.40")],
                    &["b1"],
                ),
            ),
        ],
    ];
    for told in cases {
        let mut all: Vec<Document> = vec![thirds().into(), paid("card", "102.59")];
        all.extend(told.iter().cloned());
        let sale = by_shipment().sale(&all);
        adds_up(&sale);
        // The same, with prices that contain their tax.
        let mut contained = included(thirds());
        contained.lines[0].taxes = vec![tax("0.08", "6.67")];
        let mut all: Vec<Document> = vec![contained.into(), paid("card", "94.99")];
        all.extend(told.iter().cloned());
        adds_up(&by_shipment().sale(&all));
    }
}

#[test]
fn a_later_shipment_changes_no_earlier_invoice() {
    let mut told: Vec<Document> = vec![thirds().into(), paid("card", "102.59")];
    let mut before: Vec<String> = Vec::new();
    let news = [
        shipped("F1", 16, &[("A1", 1)]),
        agreed(
            "R1",
            17,
            refund_of(
                "R1",
                false,
                vec![refund_line("A1", 1, "30.00", "2.40", Restock::Cancelled)],
                Vec::new(),
                &["b1"],
            ),
        ),
        given_back("b1", "R1", 17, "32.40"),
        captured("p2", 18, "1.00"),
        shipped("F2", 19, &[("A1", 1)]),
    ];
    for one in news {
        told.push(one);
        let now = words(&by_shipment().sale(&told));
        assert!(before.iter().all(|word| now.contains(word)), "{before:#?} became {now:#?}");
        before = now;
    }
    let expected = "invoice F1/1 on 2026-06-16: 37.80 tax 2.80, after order 1";
    assert_eq!(before[0], expected);
}

#[test]
fn a_refund_takes_back_what_left_and_takes_off_what_did_not() {
    let back = refund_of(
        "R1",
        false,
        vec![refund_line("A1", 2, "40.00", "0", Restock::None)],
        Vec::new(),
        &["b1"],
    );
    let told = [
        order(vec![line("A1", 3, "20.00")], Vec::new()).into(),
        paid("card", "60.00"),
        shipped("F1", 16, &[("A1", 1)]),
        agreed("R1", 17, back),
        given_back("b1", "R1", 17, "40.00"),
        // What was refunded before it left is given away, if it leaves after all.
        shipped("F2", 18, &[("A1", 2)]),
    ];
    let sale = by_shipment().sale(&told);
    check(
        &sale,
        "invoice F1/1 on 2026-06-16: 20.00 tax 0.00, after order 1
         invoice F2/1 on 2026-06-18: 20.00 tax 0.00, after order 1
         tie p1/F1/1 to invoice F1/1: 20.00
         tie p1/F2/1 to invoice F2/1: 20.00
         tie b1 to credit_note R1: 40.00
         tie b1/p1 to payment p1: 20.00
         credit note R1 on 2026-06-17: 20.00 tax 0.00, of invoice F1/1",
    );
    assert_eq!(stated(&sale, "refund/shop/R1"), ["channel 40.00", "books 20.00"]);
    assert_eq!(stated(&sale, "order/shop/O1"), ["channel 60.00", "books 20.00"]);
}

#[test]
fn goodwill_before_the_first_shipment_is_credited_with_it() {
    let back = refund_of("R1", false, Vec::new(), vec![adjustment(None, "5.00", "0")], &["b1"]);
    let mut told = vec![
        order(vec![line("A1", 1, "20.00")], Vec::new()).into(),
        paid("card", "20.00"),
        agreed("R1", 16, back),
        given_back("b1", "R1", 16, "5.00"),
    ];
    let sale = by_shipment().sale(&told);
    check(&sale, "");
    assert_eq!(stated(&sale, "refund/shop/R1"), ["channel 5.00 later"]);
    told.push(shipped("F1", 18, &[("A1", 1)]));
    check(
        &by_shipment().sale(&told),
        "invoice F1/1 on 2026-06-18: 20.00 tax 0.00, after order 1
         tie p1/F1/1 to invoice F1/1: 20.00
         tie b1 to credit_note R1: 5.00
         credit note R1 on 2026-06-18: 5.00 tax 0.00, of invoice F1/1",
    );
}

#[test]
fn what_is_not_sent_goes_with_the_first_goods_or_alone() {
    let mut card = line("G1", 1, "50.00");
    card.kind = LineKind::GiftCard;
    card.requires_shipping = false;
    let sold = || order(vec![line("A1", 2, "20.00"), card.clone()], Vec::new());
    let with_goods = [sold().into(), paid("card", "90.00"), shipped("F1", 16, &[("A1", 1)])];
    check(
        &by_shipment().sale(&with_goods),
        "invoice F1/1 on 2026-06-16: 70.00 tax 0.00, after order 1
         tie p1/F1/1 to invoice F1/1: 70.00",
    );
    let alone = [order(vec![card.clone()], Vec::new()).into(), paid("card", "50.00")];
    check(
        &by_shipment().sale(&alone),
        "invoice 1 on 2026-06-15: 50.00 tax 0.00, after order 1
         tie p1/1 to invoice 1: 50.00",
    );
    let back = refund_of(
        "R1",
        false,
        vec![refund_line("A1", 2, "40.00", "0", Restock::Cancelled)],
        Vec::new(),
        &["b1"],
    );
    let goods_cancelled = [sold().into(), paid("card", "90.00"), agreed("R1", 17, back)];
    check(
        &by_shipment().sale(&goods_cancelled),
        "invoice rest/1 on 2026-06-17: 50.00 tax 0.00, after order 1
         tie p1/rest/1 to invoice rest/1: 50.00",
    );
}

#[test]
fn what_the_marketplace_remits_is_no_part_of_what_is_left() {
    let mut goods = line("A1", 2, "50.00");
    goods.taxes = vec![remitted("0.085", "8.50")];
    let told = [
        order(vec![goods], Vec::new()).into(),
        paid("card", "108.50"),
        shipped("F1", 16, &[("A1", 1)]),
    ];
    let sale = by_shipment().sale(&told);
    assert_eq!(stated(&sale, "order/shop/O1"), ["channel 50.00", "channel 50.00 later"]);
    adds_up(&sale);
}

#[test]
fn an_order_that_waits_for_goods_is_stated_as_not_due() {
    let told = [d16_order().into(), paid("card", "205.20"), shipped("F1", 17, &[("A1", 1)])];
    let sale = by_shipment().sale(&told);
    assert_eq!(stated(&sale, "order/shop/O1"), ["channel 140.40", "channel 64.80 later"]);
    assert_eq!(stated(&sale, "tax/order/shop/O1"), ["channel 10.40", "channel 4.80 later"]);
    let none = by_shipment().sale(&told[..2]);
    assert_eq!(stated(&none, "order/shop/O1"), ["channel 205.20 later"]);
    // Under the old policy nothing changes.
    let by_order = by(InvoicePolicy::Order).sale(&told);
    assert_eq!(stated(&by_order, "order/shop/O1"), ["channel 205.20"]);
}

#[test]
fn each_money_brings_the_invoice_that_it_is_for() {
    let mut sold = order(vec![line("A1", 2, "20.00")], Vec::new());
    let by_capture = || by(InvoicePolicy::Capture);
    check(&by_capture().sale(&[sold.clone().into()]), "");
    let parts = [sold.clone().into(), captured("p1", 17, "15.00"), captured("p2", 20, "25.00")];
    let sale = by_capture().sale(&parts);
    check(
        &sale,
        "invoice 1 on 2026-06-17: 40.00 tax 0.00, after order 1
         tie p1 to invoice 1: 15.00, whole
         tie p2 to invoice 1: 25.00, whole",
    );
    sold.lines.push(line("B1", 1, "10.00"));
    total_up(&mut sold);
    let given = || Given { billed: Given::after(&sale).billed, ..by_capture() };
    let mut told: Vec<Document> = vec![sold.into()];
    told.extend(parts[1..].iter().cloned());
    assert_eq!(words(&given().sale(&told)).len(), 3, "the added line is not paid");
    told.push(captured("p3", 22, "10.00"));
    check(
        &given().sale(&told),
        "invoice 1 on 2026-06-17: 40.00 tax 0.00, after order 1
         invoice 2 on 2026-06-22: 10.00 tax 0.00, after order 2
         tie p1 to invoice 1: 15.00, whole
         tie p2 to invoice 1: 25.00, whole
         tie p3 to invoice 2: 10.00, whole",
    );
}

#[test]
fn who_pays_later_or_nothing_is_invoiced_at_once() {
    let on_terms = Order {
        due_on: Some(jiff::civil::date(2026, 7, 15)),
        ..order(vec![line("A1", 1, "20.00")], Vec::new())
    };
    let invoice = "invoice 1 on 2026-06-15: 20.00 tax 0.00, after order 1";
    check(&by(InvoicePolicy::Capture).sale(&[on_terms.into()]), invoice);
    let free = order(vec![line("A1", 1, "0.00")], Vec::new());
    assert_eq!(words(&by(InvoicePolicy::Capture).sale(&[free.into()])).len(), 1);
}

#[test]
fn a_unit_taken_off_before_it_is_paid_is_never_invoiced() {
    let off = refund_of(
        "R1",
        false,
        vec![refund_line("A1", 1, "20.00", "0", Restock::Cancelled)],
        Vec::new(),
        &[],
    );
    let told = [
        order(vec![line("A1", 2, "20.00")], Vec::new()).into(),
        agreed("R1", 16, off),
        captured("p1", 17, "20.00"),
    ];
    let sale = by(InvoicePolicy::Capture).sale(&told);
    check(
        &sale,
        "invoice 1 on 2026-06-17: 20.00 tax 0.00, after order 1
         tie p1 to invoice 1: 20.00, whole",
    );
    assert_eq!(stated(&sale, "order/shop/O1"), ["channel 40.00", "books 20.00"]);
}
