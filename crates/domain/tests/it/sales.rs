//! The figures of the reports, worked by hand, and what holds of them for every sale.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trueup_domain::calendar::Calendar;
use trueup_domain::derive::Surroundings;
use trueup_domain::document::{
    ChargeKind, Document, Funder, LineKind, Order, PaymentKind, PaymentStanding, Remitter, Restock,
    Tender,
};
use trueup_domain::mapping::{Mapping, Regime};
use trueup_domain::money::Money;
use trueup_domain::sales::figures::{Cell, Column, Figures, Measure};
use trueup_domain::sales::sale::{self, Contribution};

use crate::world::{
    adjustment, at, charge, discount, included, line, mapping, money, order, paid, paid_back,
    payment, refund, refund_line, refund_of, remitted, tax, total_up, usd,
};

fn with(mapping: Option<&Mapping>, documents: &[Document]) -> Option<Contribution> {
    let calendar = Calendar::default();
    let around = Surroundings {
        connection: "shop",
        entity: "us",
        time_zone: "America/New_York",
        calendar: &calendar,
        mapping,
        billed: &BTreeMap::new(),
        address: None,
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        customer: None,
        since: at("2026-01-01T00:00:00Z"),
    };
    sale::of(documents, &around).expect("amounts that fit")
}

fn of(documents: &[Document]) -> Contribution {
    with(Some(&mapping()), documents).expect("an order")
}

fn sum(of: &Contribution) -> Figures {
    let mut sum = Figures::default();
    for row in &of.rows {
        sum.add_all(&row.figures).expect("sums that fit");
    }
    sum
}

/// The figures that are not zero, as they are shown.
fn shown(figures: &Figures) -> Vec<String> {
    let text = |column: &Column| {
        let text = match column.of(figures, usd())? {
            Cell::Money(money) if money.is_zero() => return None,
            Cell::Count(0) => return None,
            Cell::Ratio(rate) | Cell::Percent(rate) if rate.is_zero() => return None,
            Cell::Money(money) => money.amount_text(),
            Cell::Count(count) => count.to_string(),
            Cell::Ratio(rate) | Cell::Percent(rate) => rate.to_string(),
        };
        Some(format!("{} {text}", column.word()))
    };
    Column::ALL.iter().filter_map(text).collect()
}

fn check(documents: &[Document], expected: &[&str]) {
    assert_eq!(shown(&sum(&of(documents))), expected);
}

fn discounted(order: &mut Order, line: usize, funder: Funder, amount: &str) {
    order.lines[line].discounts.push(discount(funder, amount));
}

/// 2 × 50.00 and 1 × 30.00, 10.00 off by us, 5.00 by the platform, shipping 8.00, all at 8 %.
/// Gross 130.00; discounts 10.00; tax (130 − 15 + 8) × 8 % = 9.84.
fn sold() -> Order {
    let mut order = order(
        vec![line("A", 2, "50.00"), line("B", 1, "30.00")],
        vec![charge("s", ChargeKind::Shipping, "8.00")],
    );
    discounted(&mut order, 0, Funder::Merchant, "10.00");
    discounted(&mut order, 1, Funder::Marketplace, "5.00");
    order.lines[0].taxes.push(tax("0.08", "7.20"));
    order.lines[1].taxes.push(tax("0.08", "2.00"));
    order.charges[0].taxes.push(tax("0.08", "0.64"));
    total_up(&mut order);
    order
}

#[test]
fn a_sale_and_its_refund_by_the_definitions() {
    let order = sold();
    check(
        &[order.clone().into()],
        &[
            "gross_sales 130.00",
            "discounts 10.00",
            "net_sales 120.00",
            "shipping 8.00",
            "tax_collected 9.84",
            "total_sales 137.84",
            "discounts_funded_by_platform 5.00",
            "orders 1",
            "units 3",
            // (130 − 10) / 1, 3 / 1, 120 / 3, 10 / 130
            "average_order_value 120.00",
            "units_per_order 3.00",
            "average_unit_retail 40.00",
            "discount_rate_percent 7.69",
        ],
    );
    // One of the two A goes back at 45.00 with 3.60 tax, half of the shipping, and 3.00 goodwill.
    let back = refund(
        vec![refund_line("A", 1, "45.00", "3.60", Restock::Returned)],
        vec![
            adjustment(Some(ChargeKind::Shipping), "4.00", "0.32"),
            adjustment(None, "3.00", "0.00"),
        ],
    );
    let stated = order.total.minor() - back.total.minor();
    let documents = [order.into(), back.into()];
    check(
        &documents,
        &[
            "gross_sales 130.00",
            "discounts 10.00",
            "returns 45.00",
            "net_sales 75.00",
            "shipping 4.00",
            "tax_collected 5.92",
            "total_sales 84.92",
            "discounts_funded_by_platform 5.00",
            "refund_adjustments 3.00",
            "orders 1",
            "units 3",
            "units_returned 1",
            "average_order_value 120.00",
            "units_per_order 3.00",
            "average_unit_retail 40.00",
            "discount_rate_percent 7.69",
            "return_rate_units_percent 33.33",
            "return_rate_value_percent 34.62",
        ],
    );
    let sum = sum(&of(&documents));
    // 84.92 + beside (−5.00 − 3.00) = 137.84 − 5.00 − 55.92
    assert_eq!((sum.total_sales() + sum.beside_total(), stated), (7_692, 7_692));
}

#[test]
fn the_same_shirt_is_the_same_figure_with_tax_inside_or_on_top() {
    // 119.00 with 19 % inside and 11.90 off is 100.00 and 10.00 off.
    let mut inside = included(order(vec![line("A", 1, "119.00")], Vec::new()));
    discounted(&mut inside, 0, Funder::Merchant, "11.90");
    inside.lines[0].taxes.push(tax("0.19", "17.10"));
    total_up(&mut inside);
    let mut on_top = order(vec![line("A", 1, "100.00")], Vec::new());
    discounted(&mut on_top, 0, Funder::Merchant, "10.00");
    on_top.lines[0].taxes.push(tax("0.19", "17.10"));
    total_up(&mut on_top);
    let figures = |order: Order| shown(&sum(&of(&[order.into()])));
    assert_eq!(figures(inside.clone()), figures(on_top));
    assert!(figures(inside).contains(&"gross_sales 100.00".to_owned()));
}

#[test]
fn d3_marketplace_tax_is_beside_and_gift_cards_are_no_sales() {
    let mut order = order(vec![line("A", 1, "100.00"), line("g", 1, "50.00")], Vec::new());
    order.lines[0].taxes.push(remitted("0.08", "8.00"));
    order.lines[1].kind = LineKind::GiftCard;
    total_up(&mut order);
    let mut used = payment("p2", PaymentKind::Sale, "gift_card", "20.00");
    used.tender = Tender::Other; // The mapping says what the gateway is.
    let back = refund_of("R1", false, Vec::new(), Vec::new(), &["b1"]);
    check(
        &[order.into(), used.into(), back.into(), paid_back("b1", "R1", "gift_card", "5.00")],
        &[
            "gross_sales 100.00",
            "net_sales 100.00",
            "total_sales 100.00",
            "tax_remitted_by_marketplace 8.00",
            "gift_cards_sold 50.00",
            "gift_cards_used 20.00",
            "gift_cards_refunded_to 5.00",
            "orders 1",
            "units 1",
            "average_order_value 100.00",
            "units_per_order 1.00",
            "average_unit_retail 100.00",
        ],
    );
}

#[test]
fn f2_days_are_those_of_the_zone_and_refunds_count_on_their_own() {
    let mut order = sold();
    // Still the 14th in New York.
    order.placed_at = at("2026-06-15T03:00:00Z");
    let back = refund(vec![refund_line("A", 1, "45.00", "3.60", Restock::None)], Vec::new());
    let rows = of(&[order.into(), back.into()]).rows;
    let days: Vec<(String, String, String)> = rows
        .iter()
        .map(|row| {
            (
                format!("{} {}", row.document, row.sku),
                row.day.to_string(),
                row.order_day.to_string(),
            )
        })
        .collect();
    let row = |name: &str, day: &str| (name.to_owned(), day.to_owned(), "2026-06-14".to_owned());
    assert_eq!(
        days,
        [
            row("order/O1 ", "2026-06-14"),
            row("order/O1 A", "2026-06-14"),
            row("order/O1 B", "2026-06-14"),
            row("refund/R1 ", "2026-07-02"),
            row("refund/R1 A", "2026-07-02"),
        ]
    );
}

#[test]
fn what_is_no_sale_is_excluded_with_its_reason() {
    let check = |change: fn(&mut Order), more: Vec<Document>, reason: &str| {
        let mut order = sold();
        change(&mut order);
        let mut documents = vec![Document::from(order)];
        documents.extend(more);
        let contribution = of(&documents);
        let reasons: Vec<&str> = contribution.rows.iter().map(|row| row.excluded).collect();
        assert!(reasons.iter().all(|one| *one == reason), "{reasons:?}, not {reason}");
        let counts = !shown(&sum(&contribution)).is_empty();
        assert_eq!(counts, reason.is_empty(), "{reason}");
        assert_eq!(contribution.taxes.is_empty(), !reason.is_empty(), "{reason}");
    };
    let cancelled: fn(&mut Order) = |order| order.cancelled_at = Some(at("2026-06-16T00:00:00Z"));
    check(|_| {}, Vec::new(), "");
    check(|order| order.test = true, Vec::new(), "test");
    check(|order| order.placed_at = at("2025-12-31T00:00:00Z"), Vec::new(), "before_start");
    check(|order| order.payment_standing = PaymentStanding::Voided, Vec::new(), "voided");
    check(|order| order.total = money("1.00"), Vec::new(), "held");
    check(cancelled, Vec::new(), "cancelled");
    check(cancelled, vec![paid("card", "132.84")], "");
    assert_eq!(with(Some(&mapping()), &[paid("card", "1.00")]), None);
}

/// A price was lowered after it was paid, and the difference goes back: neither a return nor goodwill.
#[test]
fn what_goes_back_beyond_the_sale_is_a_figure_of_its_own() {
    let sale = |back: &str| {
        let difference = vec![adjustment(None, back, "0")];
        [
            order(vec![line("A", 2, "20.00")], Vec::new()).into(),
            paid("card", "50.00"),
            refund_of("R1", false, Vec::new(), difference, &["b1"]).into(),
        ]
    };
    let of_refund = |documents: &[Document]| {
        let contribution = of(documents);
        let rows = contribution.rows.iter().filter(|row| row.document == "refund/R1");
        let mut figures = Figures::default();
        rows.for_each(|row| figures.add_all(&row.figures).expect("sums that fit"));
        assert_eq!(figures.total_sales() + figures.beside_total(), figures.get(Measure::Stated));
        [Measure::Stated, Measure::Excess, Measure::Adjustments].map(|one| figures.get(one))
    };
    assert_eq!(of_refund(&sale("10.00")), [-1000, 1000, 0]);
    assert_eq!(of_refund(&sale("15.00")), [-1500, 1000, 500]);
}

#[test]
fn taxes_stand_under_regime_place_rate_and_who_remits() {
    let mut rules = mapping();
    for rule in &mut rules.taxes {
        if rule.target == "T7" {
            rule.regime = Some(Regime::EuOss);
        }
    }
    let mut order = order(
        vec![line("A", 1, "100.00"), line("B", 1, "40.00"), line("C", 1, "10.00")],
        Vec::new(),
    );
    order.lines[0].taxes.extend([tax("0.080", "8.00"), remitted("0.05", "5.00")]);
    order.lines[1].taxes.push(tax("0.07", "2.80"));
    total_up(&mut order);
    // Half of A: 6.50 of tax, of which 8/13 are ours.
    let back = refund(vec![refund_line("A", 1, "50.00", "6.50", Restock::Returned)], Vec::new());
    let contribution = with(Some(&rules), &[order.into(), back.into()]).expect("an order");
    let rows: Vec<String> = contribution
        .taxes
        .iter()
        .map(|row| {
            let key = &row.key;
            let who = if key.remitted_by == Remitter::Merchant { "us" } else { "they" };
            let rate = key.rate;
            format!(
                "{} {} {rate} {who} {} {} {} {}",
                row.document,
                key.regime.word(),
                key.target,
                row.order_day,
                row.base,
                row.tax
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "order/O1 domestic 0.08 us T8 2026-06-15 10000 800",
            "order/O1 eu_oss 0.07 us T7 2026-06-15 4000 280",
            "order/O1 marketplace_remitted 0.05 they TM 2026-06-15 10000 500",
            "order/O1 untaxed 0 us  2026-06-15 1000 0",
            "refund/R1 domestic 0.08 us T8 2026-06-15 -5000 -400",
            "refund/R1 marketplace_remitted 0.05 they TM 2026-06-15 -5000 -250",
        ]
    );
}

/// One line: quantity, unit, discount of each funder and tax of each remitter in thousandths.
type Part = (i64, i64, [i64; 3], [i64; 2], usize);

fn part() -> impl Strategy<Value = Part> {
    let shares = (0_i64..300, 0_i64..300, 0_i64..300).prop_map(|(a, b, c)| [a, b, c]);
    let taxes = (0_i64..250, 0_i64..250).prop_map(|(a, b)| [a, b]);
    (1_i64..4, 1_i64..20_000, shares, taxes, 0_usize..8)
}

fn cents(minor: i64) -> String {
    Money::from_minor(minor, usd()).amount_text()
}

/// An order of any shape, and a refund of a share of each of its lines.
fn any_sale(parts: &[Part], inside: bool, back: i64) -> Vec<Document> {
    let mut order = order(Vec::new(), Vec::new());
    order.taxes_included = inside;
    let (mut lines, mut adjustments) = (Vec::new(), Vec::new());
    for (index, (quantity, unit, shares, taxes, kind)) in parts.iter().enumerate() {
        let gross = quantity * unit;
        let funders = [Funder::Merchant, Funder::Marketplace, Funder::Supplier];
        let discounts: Vec<_> = funders
            .into_iter()
            .zip(shares)
            .map(|(funder, share)| discount(funder, &cents(gross * share / 1_000)))
            .collect();
        let taken: i64 = discounts.iter().map(|one| one.amount.minor()).sum();
        let net = gross - taken;
        let (own, theirs) = (net * taxes[0] / 1_000, net * taxes[1] / 1_000);
        let taxes = vec![tax("0.08", &cents(own)), remitted("0.05", &cents(theirs))];
        let (amount, given) = (net * back / 100, (own + theirs) * back / 100);
        let charge_kind = match kind {
            5 => Some(ChargeKind::Shipping),
            6 => Some(ChargeKind::Duty),
            7 => Some(ChargeKind::GiftWrap),
            _ => None,
        };
        if let Some(kind) = charge_kind {
            let mut one = charge(&format!("c{index}"), kind, &cents(gross));
            (one.discounts, one.taxes) = (discounts, taxes);
            order.charges.push(one);
            adjustments.push(adjustment(Some(kind), &cents(amount), &cents(given)));
        } else {
            let mut one =
                line(&format!("{}{index}", ["A", "B", "C"][index % 3]), *quantity, "0.01");
            (one.gross, one.discounts, one.taxes) = (money(&cents(gross)), discounts, taxes);
            one.kind = match kind {
                3 => LineKind::GiftCard,
                4 => LineKind::Tip,
                _ => LineKind::Goods,
            };
            let id = one.id.clone();
            order.lines.push(one);
            lines.push(refund_line(&id, 1, &cents(amount), &cents(given), Restock::None));
        }
    }
    adjustments.push(adjustment(None, &cents(back), "0.00"));
    total_up(&mut order);
    vec![order.into(), refund_of("R1", inside, lines, adjustments, &["b1"]).into()]
}

proptest! {
    /// Total sales and what stands beside it are, to the cent, what the channel states.
    #[test]
    fn every_document_is_the_total_that_its_channel_states(
        parts in prop::collection::vec(part(), 1..6), inside in any::<bool>(), back in 0_i64..100,
    ) {
        let documents = any_sale(&parts, inside, back);
        let contribution = of(&documents);
        for document in ["order/", "refund/"] {
            let mut figures = Figures::default();
            for row in contribution.rows.iter().filter(|row| row.document.starts_with(document)) {
                prop_assert_eq!(row.excluded, "");
                figures.add_all(&row.figures).expect("sums that fit");
            }
            let stated = figures.get(Measure::Stated);
            prop_assert_eq!(figures.total_sales() + figures.beside_total(), stated);
        }
        let figures = sum(&contribution);
        let minor = |column: Column| match column.of(&figures, usd()) {
            Some(Cell::Money(money)) => money.minor(),
            other => panic!("{other:?}"),
        };
        use Column::{
            Discounts, Duties, GrossSales, NetSales, Returns, Shipping, Tax, Tips, TotalSales,
        };
        prop_assert_eq!(minor(NetSales), minor(GrossSales) - minor(Discounts) - minor(Returns));
        let parts = [NetSales, Shipping, Duties, Tips, Tax].map(minor);
        prop_assert_eq!(minor(TotalSales), parts.iter().sum::<i64>());
    }

    /// Taxes by key sum to the taxes of the measures, whatever the mapping knows.
    #[test]
    fn taxes_by_key_sum_to_the_whole(
        parts in prop::collection::vec(part(), 1..6), inside in any::<bool>(), back in 0_i64..100,
        mapped in any::<bool>(),
    ) {
        let documents = any_sale(&parts, inside, back);
        let rules = mapping();
        let contribution = with(mapped.then_some(&rules), &documents).expect("an order");
        let figures = sum(&contribution);
        let by = |who: Remitter| {
            let own = contribution.taxes.iter().filter(|row| row.key.remitted_by == who);
            own.map(|row| row.tax).sum::<i64>()
        };
        use Measure::{TaxMarketplace, TaxOwn};
        prop_assert_eq!(by(Remitter::Merchant), figures.get(TaxOwn));
        prop_assert_eq!(by(Remitter::Marketplace), figures.get(TaxMarketplace));
    }

    /// Any partition of the rows sums to the whole.
    #[test]
    fn sums_over_any_partition_are_the_whole(
        parts in prop::collection::vec(part(), 1..6), inside in any::<bool>(), back in 0_i64..100,
        groups in prop::collection::vec(0_usize..4, 20),
    ) {
        let contribution = of(&any_sale(&parts, inside, back));
        let mut by_group = vec![Figures::default(); 4];
        for (index, row) in contribution.rows.iter().enumerate() {
            by_group[groups[index % groups.len()]].add_all(&row.figures).expect("sums that fit");
        }
        let mut whole = Figures::default();
        by_group.iter().for_each(|group| whole.add_all(group).expect("sums that fit"));
        prop_assert_eq!(whole, sum(&contribution));
    }
}
