//! A line of the channel that is several products of the books (decision 0030).

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;
use trueup_domain::command::{Content, DocumentLine};
use trueup_domain::derive::{Derived, Waiting};
use trueup_domain::document::{Document, FulfilmentStatus, Funder, Order, Refund, Restock};
use trueup_domain::fact::{Fact, FactContent};
use trueup_domain::mapping::{Component, GoodsPolicy, InvoicePolicy, Mapping, Missing};
use trueup_domain::money::Money;
use trueup_domain::posting::Posting;

use crate::properties::any_order;
use crate::world::{
    Given, agreed, at, billed, commands, discount, document_lines, entries, fulfilment, included,
    line, mapping, money, order, paid, refund_line, refund_of, shipped, tax, total_up, usd,
};

fn component(sku: &str, units: u32, price: u64) -> Component {
    let units = NonZeroU32::new(units).expect("some");
    Component { sku: sku.to_owned(), units, price }
}

/// A is a bundle of these.
fn bundled(components: &[Component]) -> Mapping {
    let mut mapping = mapping();
    mapping.products.remove("A");
    mapping.bundles.insert("A".to_owned(), components.to_vec());
    mapping
}

/// Two of B, which cost 20.00 each alone, and a C for 15.00: a bundle that saves something.
fn set() -> Mapping {
    bundled(&[component("B", 2, 2000), component("C", 1, 1500)])
}

fn by(mapping: Mapping) -> Given {
    Given { mapping: Some(mapping), ..Given::default() }
}

fn in_words(line: &DocumentLine) -> String {
    let product = line.product.as_deref().or(line.account.as_deref()).unwrap_or("nothing");
    let tax: i64 = line.taxes.iter().map(|tax| tax.amount.minor()).sum();
    format!(
        "{}: {} {product} = {}, tax {}",
        line.part,
        line.quantity,
        line.amount.amount_text(),
        Money::from_minor(tax, usd()).amount_text()
    )
}

/// The lines of the document of one kind and part.
fn lines_of(derived: &Derived, kind: &str, part: &str) -> Vec<String> {
    let fact = derived.facts.iter().find(|it| it.key.kind == kind && it.key.part == part);
    let Some(FactContent::Command(command)) = fact.map(|fact| &fact.content) else {
        panic!("no {kind} {part}")
    };
    document_lines(&command.content).iter().map(in_words).collect()
}

/// What each product comes to: its lines on invoices less those on credit notes, and the tax.
fn by_product(derived: &Derived) -> BTreeMap<String, (i64, i64)> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (_, content) in commands(&derived.facts) {
        let sign = match content {
            Content::Invoice(_) => 1,
            Content::CreditNote(_) => -1,
            _ => continue,
        };
        for line in document_lines(content) {
            let product = line.product.clone().unwrap_or_else(|| "no product".to_owned());
            let (amount, tax) = sums.entry(product).or_default();
            *amount += sign * line.amount.minor();
            *tax += sign * line.taxes.iter().map(|tax| tax.amount.minor()).sum::<i64>();
        }
    }
    sums.retain(|_, sums| *sums != (0, 0));
    sums
}

#[test]
fn d14_a_bundle_is_a_line_for_each_component_in_the_books() {
    let check = |mapping: Mapping, sold: Order, expected: &[&str]| {
        let total = sold.total.amount_text();
        let sale = by(mapping).sale(&[sold.into(), paid("card", &total)]);
        assert_eq!(lines_of(&sale, "order", "1"), expected);
        assert_eq!(lines_of(&sale, "invoice", "1"), expected);
    };
    // 40/55 and 15/55 of 50.00.
    check(
        set(),
        order(vec![line("A1", 1, "50.00")], Vec::new()),
        &["A1/component/1: 2 P-B = 36.36, tax 0.00", "A1/component/2: 1 P-C = 13.64, tax 0.00"],
    );
    // A price that no unit price of the books makes stands on two lines.
    check(
        set(),
        order(vec![line("A1", 3, "50.01")], Vec::new()),
        &[
            "A1/component/1: 3 P-B = 54.54, tax 0.00",
            "A1/component/1/dearer: 3 P-B = 54.57, tax 0.00",
            "A1/component/2: 3 P-C = 40.92, tax 0.00",
        ],
    );
    // Discount and tax on top follow the price; the discount stays a line of its own.
    let mut sold = order(vec![line("A1", 1, "50.00"), line("B1", 1, "20.00")], Vec::new());
    sold.lines[0].discounts = vec![discount(Funder::Merchant, "5.00")];
    sold.lines[0].taxes = vec![tax("0.08", "3.60")];
    sold.lines[1].taxes = vec![tax("0.08", "1.60")];
    total_up(&mut sold);
    check(
        set(),
        sold.clone(),
        &[
            "A1/component/1: 2 P-B = 36.36, tax 2.91",
            "A1/component/2: 1 P-C = 13.64, tax 1.09",
            "B1: 1 P-B = 20.00, tax 1.60",
            "discount/T8: 1 P-disc = -5.00, tax -0.40",
        ],
    );
    // The same within the prices.
    sold.lines[0].taxes = vec![tax("0.08", "3.33")];
    sold.lines[1].taxes = vec![tax("0.08", "1.48")];
    check(
        set(),
        included(sold),
        &[
            "A1/component/1: 2 P-B = 36.36, tax 2.69",
            "A1/component/2: 1 P-C = 13.64, tax 1.01",
            "B1: 1 P-B = 20.00, tax 1.48",
            "discount/T8i: 1 P-disc = -5.00, tax -0.37",
        ],
    );
    // Something free in it; and no price at all: each component alike.
    let plain = || order(vec![line("A1", 2, "10.00")], Vec::new());
    check(
        bundled(&[component("B", 1, 500), component("C", 3, 0)]),
        plain(),
        &["A1/component/1: 2 P-B = 20.00, tax 0.00", "A1/component/2: 6 P-C = 0.00, tax 0.00"],
    );
    check(
        bundled(&[component("B", 1, 0), component("C", 1, 0)]),
        plain(),
        &["A1/component/1: 2 P-B = 10.00, tax 0.00", "A1/component/2: 2 P-C = 10.00, tax 0.00"],
    );
}

/// Three bundles for 100.00 with 8.00 of tax, of which no third is whole.
fn three() -> Order {
    let mut sold = order(vec![line("A1", 3, "0")], Vec::new());
    sold.lines[0].gross = money("100.00");
    sold.lines[0].taxes = vec![tax("0.08", "8.00")];
    total_up(&mut sold);
    sold
}

fn thirds_back(restock: Restock) -> [Refund; 3] {
    [("33.33", "2.67"), ("33.33", "2.66"), ("33.34", "2.67")].map(|(amount, tax)| {
        refund_of("R", false, vec![refund_line("A1", 1, amount, tax, restock)], Vec::new(), &[])
    })
}

#[test]
fn d14_three_refunds_one_by_one_end_at_nothing_for_each_component() {
    let mut documents = vec![three().into(), paid("card", "108.00")];
    for (number, back) in (1..).zip(thirds_back(Restock::Returned)) {
        documents.push(agreed(&format!("R{number}"), 20 + number, back));
    }
    let one = by(set()).sale(&documents[..3]);
    assert_eq!(
        lines_of(&one, "credit_note", "R1"),
        ["r-A1/component/1: 2 P-B = 24.24, tax 1.94", "r-A1/component/2: 1 P-C = 9.09, tax 0.73"]
    );
    let all = by(set()).sale(&documents);
    assert_eq!(
        lines_of(&all, "credit_note", "R1"),
        lines_of(&one, "credit_note", "R1"),
        "a later refund changes no earlier one"
    );
    assert_eq!(by_product(&all), BTreeMap::new());
    assert_eq!(all.breaks, []);
}

#[test]
fn d14_a_refund_beyond_what_is_left_is_shared_as_the_sale_was() {
    let beyond = vec![refund_line("A1", 3, "110.00", "8.80", Restock::Returned)];
    let sale = by(set()).sale(&[
        three().into(),
        paid("card", "108.00"),
        agreed("R1", 20, refund_of("R1", false, beyond, Vec::new(), &[])),
    ]);
    assert_eq!(
        lines_of(&sale, "credit_note", "R1"),
        [
            "r-A1/component/1: 4 P-B = 53.32, tax 4.26",
            "r-A1/component/1/dearer: 2 P-B = 26.68, tax 2.14",
            "r-A1/component/2: 3 P-C = 30.00, tax 2.40"
        ]
    );
}

#[test]
fn d14_units_that_leave_take_their_share_of_each_component() {
    let mapping = Mapping { invoices: InvoicePolicy::Shipment, ..set() };
    let [_, off, _] = thirds_back(Restock::Cancelled);
    let [first, _, last] = thirds_back(Restock::Returned);
    // One is taken off before it leaves, the others leave one by one.
    let mut documents = vec![
        three().into(),
        paid("card", "108.00"),
        agreed("R1", 15, off),
        shipped("F1", 16, &[("A1", 1)]),
    ];
    let sale = by(mapping.clone()).sale(&documents);
    let first_invoice =
        ["A1/component/1: 2 P-B = 24.24, tax 1.94", "A1/component/2: 1 P-C = 9.09, tax 0.73"];
    assert_eq!(lines_of(&sale, "invoice", "F1/1"), first_invoice);
    documents.push(shipped("F2", 18, &[("A1", 1)]));
    let sale = by(mapping.clone()).sale(&documents);
    assert_eq!(lines_of(&sale, "invoice", "F1/1"), first_invoice);
    assert_eq!(
        lines_of(&sale, "invoice", "F2/1"),
        [
            "A1/component/1: 1 P-B = 12.12, tax 0.96",
            "A1/component/1/dearer: 1 P-B = 12.13, tax 0.98",
            "A1/component/2: 1 P-C = 9.09, tax 0.73"
        ]
    );
    // Both come back.
    documents.push(agreed("R2", 20, first));
    documents.push(agreed("R3", 21, last));
    let sale = by(mapping).sale(&documents);
    assert_eq!(by_product(&sale), BTreeMap::new());
}

#[test]
fn d14_goods_of_a_bundle_are_those_of_its_components() {
    let mapping = Mapping { goods: GoodsPolicy::Channel, ..set() };
    let mut sold = order(vec![line("A1", 3, "50.00"), line("B1", 1, "20.00")], Vec::new());
    total_up(&mut sold);
    let of = |units, restock| {
        let back = vec![refund_line("A1", units, "50.00", "0.00", restock)];
        refund_of("R", false, back, Vec::new(), &[])
    };
    let sale = by(mapping).sale(&[
        sold.into(),
        paid("card", "170.00"),
        shipped("F1", 16, &[("A1", 2)]),
        agreed("R1", 17, of(1, Restock::Cancelled)),
        agreed("R2", 18, of(1, Restock::Returned)),
    ]);
    let mut moved = Vec::new();
    for fact in sale.facts.iter().filter(|fact| fact.key.kind.starts_with("goods")) {
        let FactContent::Command(command) = &fact.content else { continue };
        let Content::Goods(goods) = &command.content else { continue };
        let lines: Vec<String> = goods
            .lines
            .iter()
            .map(|line| format!("{} {} of {}", line.part, line.quantity, line.product))
            .collect();
        moved.push(format!("{} {}: {}", fact.key.kind, fact.key.part, lines.join(", ")));
    }
    assert_eq!(
        moved,
        [
            "goods_out F1/1: A1/component/1 4 of P-B, A1/component/2 2 of P-C",
            // Two of three bundles may leave, and the B that was sold alone.
            "goods_limit 1: A1/component/1 5 of P-B, A1/component/2 2 of P-C",
            "goods_back R2/1: A1/component/1 2 of P-B, A1/component/2 1 of P-C",
        ]
    );
}

#[test]
fn d14_goods_of_a_bundle_by_the_day_are_units_of_its_components() {
    let mapping = Mapping { goods: GoodsPolicy::Day, location: Some("8".to_owned()), ..set() };
    let mut sold = order(vec![line("A1", 3, "50.00"), line("B1", 1, "20.00")], Vec::new());
    total_up(&mut sold);
    let back = vec![refund_line("A1", 1, "50.00", "0.00", Restock::Returned)];
    let given = Given { posting: Posting::Day, ..by(mapping) };
    let sale = given.sale(&[
        sold.into(),
        paid("card", "170.00"),
        shipped("F1", 16, &[("A1", 2), ("B1", 1)]),
        agreed("R1", 18, refund_of("R", false, back, Vec::new(), &[])),
    ]);
    let moved = sale.facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Units(it) => Some(format!(
            "{} {}: {} of {} on the {}",
            fact.key.kind,
            fact.key.part,
            it.quantity,
            it.product,
            it.day.day()
        )),
        _ => None,
    });
    assert_eq!(
        moved.collect::<Vec<_>>(),
        [
            "left F1/A1/component/1: 4 of P-B on the 16",
            "left F1/A1/component/2: 2 of P-C on the 16",
            "left F1/B1: 1 of P-B on the 16",
            "came_back R1/r-A1/A1/component/1: 2 of P-B on the 18",
            "came_back R1/r-A1/A1/component/2: 1 of P-C on the 18",
        ]
    );
}

#[test]
fn d14_a_component_without_a_product_is_named() {
    let mapping = bundled(&[component("B", 1, 500), component("Z", 1, 500)]);
    let sold = order(vec![line("A1", 1, "10.00")], Vec::new());
    let sale = by(mapping).sale(&[sold.into(), paid("card", "10.00")]);
    let lacks = vec![Missing::Product("Z".to_owned())];
    assert_eq!(sale.waiting, Some(Waiting::Mapping(lacks)));
    assert_eq!(commands(&sale.facts).count(), 0);
}

#[test]
fn d14_a_line_stays_in_its_order_when_it_becomes_a_bundle_or_ceases_to_be_one() {
    let sold = order(vec![line("A1", 1, "50.00")], Vec::new());
    let mut edited = sold.clone();
    edited.lines.push(line("B1", 1, "20.00"));
    total_up(&mut edited);
    let orders = |sale: &Derived| -> Vec<String> {
        let of = |(part, content): (&str, &Content)| match content {
            Content::Order(it) => {
                let parts: Vec<&str> = it.lines.iter().map(|line| line.part.as_str()).collect();
                Some(format!("{part}: {}", parts.join(", ")))
            }
            _ => None,
        };
        commands(&sale.facts).filter_map(of).collect()
    };
    let before = by(mapping()).sale(&[sold.clone().into(), paid("card", "50.00")]);
    let given = Given { billed: billed(&before.facts), ..by(set()) };
    let bundled = given.sale(&[edited.clone().into(), paid("card", "50.00")]);
    assert_eq!(orders(&bundled), ["1: A1/component/1, A1/component/2", "2: B1"]);
    let given = Given { billed: billed(&bundled.facts), ..by(mapping()) };
    let plain = given.sale(&[edited.into(), paid("card", "50.00")]);
    assert_eq!(orders(&plain), ["1: A1", "2: B1"]);
}

#[test]
fn d14_a_sum_names_no_product_and_so_no_component() {
    let documents = [three().into(), paid("card", "108.00")];
    let sale = |mapping| Given { posting: Posting::Day, ..by(mapping) }.sale(&documents);
    assert_eq!(sale(set()), sale(mapping()));
}

/// What happens to a line of the channel.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ships,
    Goes(Restock),
}

#[derive(Clone, Debug)]
struct Happens {
    line: usize,
    units: i64,
    step: Step,
}

fn happens() -> impl Strategy<Value = Vec<Happens>> {
    let step = prop_oneof![
        Just(Step::Ships),
        Just(Step::Goes(Restock::Returned)),
        Just(Step::Goes(Restock::Cancelled)),
        Just(Step::Goes(Restock::None)),
    ];
    let one = (0_usize..4, 1_i64..4, step);
    prop::collection::vec(one.prop_map(|(line, units, step)| Happens { line, units, step }), 0..8)
}

/// The order, paid, and what happened to it: never more units than there are, and each refund with the
/// running share of its line.
fn documents(order: &Order, happened: &[Happens]) -> Vec<Document> {
    let mut documents = vec![order.clone().into(), paid("card", &order.total.amount_text())];
    let (mut sent, mut gone) = (BTreeMap::new(), BTreeMap::new());
    for (minute, one) in happened.iter().enumerate() {
        let Some(line) = order.lines.get(one.line) else { continue };
        let (id, when) = (format!("S{minute:02}"), format!("2026-06-16T12:{minute:02}:00Z"));
        let before = match one.step {
            Step::Ships => sent.entry(one.line).or_insert(0_i64),
            Step::Goes(_) => gone.entry(one.line).or_insert(0_i64),
        };
        let units = one.units.min(line.quantity - *before);
        if units == 0 {
            continue;
        }
        let (from, to) = (*before, *before + units);
        *before = to;
        let share = |whole: i64| {
            let share = whole * to / line.quantity - whole * from / line.quantity;
            Money::from_minor(share, usd()).amount_text()
        };
        documents.push(match one.step {
            Step::Ships => {
                let status = FulfilmentStatus::Succeeded;
                fulfilment(&id, status, &when, &[(&line.id, units)]).into()
            }
            Step::Goes(restock) => {
                let off: i64 = line.discounts.iter().map(|one| one.amount.minor()).sum();
                let tax: i64 = line.taxes.iter().map(|one| one.amount.minor()).sum();
                let amount = share(line.gross.minor() - off);
                let back = refund_line(&line.id, units, &amount, &share(tax), restock);
                let of = refund_of(&id, order.taxes_included, vec![back], Vec::new(), &[]);
                Refund { created_at: at(&when), ..of }.into()
            }
        });
    }
    documents
}

fn any_bundle() -> impl Strategy<Value = Vec<Component>> {
    let one = (prop_oneof![Just("B"), Just("C")], 1_u32..4, 0_u64..5000);
    prop::collection::vec(one.prop_map(|(sku, units, price)| component(sku, units, price)), 1..5)
}

/// What a fact states that no bundle may change: all but the lines of documents, and what only they
/// make up.
fn stated(facts: &[Fact]) -> Vec<String> {
    let of = |fact: &Fact| {
        let what = match &fact.content {
            FactContent::Entry(_) | FactContent::Units(_) => return None,
            FactContent::Item(item) => format!("{item:?}"),
            FactContent::Command(command) => {
                let says = match &command.content {
                    Content::Order(it) => format!("{} {}", it.total, it.tax),
                    Content::Invoice(it) => format!("{} {} {}", it.date, it.total, it.tax),
                    Content::CreditNote(it) => format!("{} {} {}", it.date, it.total, it.tax),
                    Content::Goods(it) => format!("{:?}", it.way),
                    other => format!("{other:?}"),
                };
                format!("{says} {:?} {:?}", command.after, command.states)
            }
        };
        Some(format!("{} {}: {what}", fact.key.kind, fact.key.part))
    };
    let mut all: Vec<String> = facts.iter().filter_map(of).collect();
    all.sort();
    all
}

proptest! {
    /// The bundle divides what is there: no document, no sum and no proof differs by it.
    #[test]
    fn d14_a_bundle_changes_no_sum(
        order in any_order(),
        happened in happens(),
        components in any_bundle(),
        policy in prop_oneof![
            Just(InvoicePolicy::Order), Just(InvoicePolicy::Shipment), Just(InvoicePolicy::Capture),
        ],
    ) {
        let documents = documents(&order, &happened);
        let under = |mapping: Mapping| {
            by(Mapping { goods: GoodsPolicy::Channel, invoices: policy, ..mapping })
        };
        let bundled = under(bundled(&components)).sale(&documents);
        let plain = under(mapping()).sale(&documents);
        prop_assert_eq!(stated(&bundled.facts), stated(&plain.facts));
        prop_assert_eq!(&bundled.waiting, &plain.waiting);
        prop_assert_eq!(&bundled.breaks, &plain.breaks);
        for (_, content) in commands(&bundled.facts) {
            for line in document_lines(content) {
                prop_assert_eq!(line.quantity * line.unit_price, line.amount.decimal());
                // Discount lines are below zero, a component never.
                prop_assert!(!line.part.contains("component") || !line.amount.is_negative());
            }
        }
        for entry in entries(&bundled.facts) {
            prop_assert_eq!(entry.lines.iter().map(|line| line.amount.minor()).sum::<i64>(), 0);
        }
    }

    /// However units leave and come back: once all are back, nothing stands with any product.
    #[test]
    fn d14_what_came_back_one_by_one_is_gone_for_each_component(
        mut order in any_order(),
        components in any_bundle(),
        in_one in 1_i64..4,
        policy in prop_oneof![Just(InvoicePolicy::Order), Just(InvoicePolicy::Shipment)],
    ) {
        order.charges.clear();
        for line in &mut order.lines {
            // A discount stands on a line of its own, away from its product; and what is spread over
            // two taxes is spread by each refund anew.
            line.discounts.clear();
            line.taxes.truncate(1);
        }
        total_up(&mut order);
        let mut happened = Vec::new();
        for step in [Step::Ships, Step::Goes(Restock::Returned)] {
            for (index, line) in order.lines.iter().enumerate() {
                for _ in 0..line.quantity {
                    happened.push(Happens { line: index, units: in_one, step });
                }
            }
        }
        let documents = documents(&order, &happened);
        let sale = by(Mapping { invoices: policy, ..bundled(&components) }).sale(&documents);
        prop_assert_eq!(by_product(&sale), BTreeMap::new());
    }
}
