//! The worked entries of the accounting rules, to the cent. A block shows the netted effect: the
//! receivable nets out between the steps, and what reaches the bank is in transit until the bank
//! shows it.

use std::collections::BTreeMap;

use jiff::civil::date;
use trueup_domain::command::Content;
use trueup_domain::derive::Derived;
use trueup_domain::document::{
    ChargeKind, Dispute, DisputeStatus, Document, Funder, LedgerRow, LineKind, Order, PaymentKind,
    PayoutStatus, Restock, RowClass,
};
use trueup_domain::fact::FactContent;
use trueup_domain::item::ItemKind;
use trueup_domain::journal::Role;
use trueup_domain::money::{Currency, Money};

use crate::world::{
    Given, charge, commands, discount, dispute, entries, line, money, net, order, paid, paid_back,
    payment, payout, refund, refund_line, remitted, row, tax, total_up,
};

/// Where the blocks' account numbers stand among the roles.
fn account(role: Role) -> &'static str {
    match role {
        Role::Clearing => "1130",
        // The bank leg is the bank's to state; ours ends in transit.
        Role::InTransit => "1010",
        Role::ReserveHeld => "1135",
        Role::DisputesReceivable => "1140",
        // Refunds payable are a view of the receivable.
        Role::Receivable => "2330",
        Role::TaxPayable => "2210",
        Role::MarketplaceTaxCollected | Role::MarketplaceTaxWithheld => "2215",
        Role::GiftCardLiability => "2300",
        Role::Sales => "4000",
        Role::ShippingIncome => "4050",
        Role::Discounts => "4090",
        Role::Returns => "4095",
        Role::OtherFees => "6100",
        Role::ProcessingFees => "6110",
        Role::ChargebackCost => "6120",
        other => panic!("no vector uses {other:?}"),
    }
}

/// Nets what was derived by account and compares it with the netted block.
fn check(block: &str, derived: &[&Derived]) {
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for text in block.lines().map(str::trim).filter(|text| !text.is_empty()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [side, number, .., amount] = words.as_slice() else { panic!("{text}") };
        let amount = money(amount).minor();
        let amount = if *side == "Dr" { amount } else { -amount };
        *expected.entry(number).or_default() += amount;
    }
    let mut actual: BTreeMap<&str, i64> = BTreeMap::new();
    for (role, amount) in net(derived.iter().copied()) {
        *actual.entry(account(role)).or_default() += amount;
    }
    expected.retain(|_, sum| *sum != 0);
    actual.retain(|_, sum| *sum != 0);
    assert_eq!(actual, expected, "{block}");
}

/// What is on each account in each currency, with a sign for credit, as the block says it.
fn by_currency(derived: &[&Derived]) -> Vec<String> {
    let mut sums: BTreeMap<(String, Role), i64> = BTreeMap::new();
    for entry in derived.iter().flat_map(|one| entries(&one.facts)) {
        for line in &entry.lines {
            let currency = line.amount.currency().code().to_owned();
            *sums.entry((currency, line.role)).or_default() += line.amount.minor();
        }
    }
    let told = sums.into_iter().filter(|(_, sum)| *sum != 0);
    told.map(|((currency, role), sum)| format!("{} {currency} {sum}", role.word())).collect()
}

fn in_eur(text: &str) -> Money {
    Money::parse(text, Currency::parse("EUR").expect("a currency")).expect("an amount")
}

/// A balance in euros that the provider converts before it pays out: the rows of both sides.
#[test]
fn d9_a_balance_is_converted() {
    let capture = LedgerRow {
        gross: in_eur("100.00"),
        fee: in_eur("3.00"),
        net: in_eur("97.00"),
        ..row("c1", RowClass::Capture, "0", "0")
    };
    let given = LedgerRow {
        gross: in_eur("-97.00"),
        fee: in_eur("0"),
        net: in_eur("-97.00"),
        ..row("v1", RowClass::Conversion, "0", "0")
    };
    let taken = row("v2", RowClass::Conversion, "104.76", "0");
    let rows = [&capture, &given, &taken].map(|row| Given::provider().row(row));
    let out = Given::provider().payout(&payout("po1", PayoutStatus::Paid, "104.76"));
    let all = [&rows[0], &rows[1], &rows[2], &out];
    // The payment of 100.00 is what the books put on clearing by themselves.
    assert_eq!(
        by_currency(&all),
        [
            "clearing EUR -10000",
            "processing_fees EUR 300",
            "fx EUR 9700",
            "in_transit USD 10476",
            "fx USD -10476",
        ]
    );
    // At 1.10, the rate of the books: 106.70 given for 104.76.
    assert_eq!(9700 * 110 / 100 - 10_476, 194);
}

/// A provider that converts each charge as it comes, and charges its fee on what it made of it.
#[test]
fn d9_a_charge_is_converted_as_it_comes() {
    let capture = LedgerRow {
        presentment: Some(in_eur("100.00")),
        ..row("c1", RowClass::Capture, "108.00", "3.24")
    };
    let refund = LedgerRow {
        presentment: Some(in_eur("-40.00")),
        ..row("r1", RowClass::Refund, "-43.60", "0")
    };
    let dispute = LedgerRow {
        presentment: Some(in_eur("-60.00")),
        ..row("d1", RowClass::Dispute, "-65.00", "15.00")
    };
    let derived = [&capture, &refund, &dispute].map(|row| Given::provider().row(row));
    let all: Vec<&Derived> = derived.iter().collect();
    assert_eq!(
        by_currency(&all),
        [
            "clearing EUR -6000",
            "disputes_receivable EUR 6000",
            // 100.00 taken and 40.00 given back are the customer's; 60.00 is disputed.
            "clearing USD -1884",
            "chargeback_cost USD 1500",
            "processing_fees USD 324",
            "fx USD 60",
        ]
    );
    // The other sides state what the customer paid.
    let stated = derived.iter().flat_map(|one| &one.facts).filter_map(|fact| match &fact.content {
        FactContent::Item(item) => Some(format!("{} {}", item.kind.word(), item.amount)),
        _ => None,
    });
    assert_eq!(
        stated.collect::<Vec<_>>(),
        [
            "capture 100.00 EUR",
            "payout_row 104.76 USD",
            "refund_paid 40.00 EUR",
            "payout_row -43.60 USD",
            "dispute -60.00 EUR",
            "payout_row -80.00 USD",
        ]
    );
}

/// 200.00 of goods in two equal units, 20.00 off, 10.00 shipping, 8 % tax.
fn d1_order() -> Order {
    let mut goods = line("A1", 2, "100.00");
    goods.discounts = vec![discount(Funder::Merchant, "20.00")];
    goods.taxes = vec![tax("0.08", "14.40")];
    let mut shipping = charge("s", ChargeKind::Shipping, "10.00");
    shipping.taxes = vec![tax("0.08", "0.80")];
    order(vec![goods], vec![shipping])
}

fn d1_sale() -> Vec<Document> {
    vec![d1_order().into(), paid("card", "205.20")]
}

#[test]
fn d1_gross_sales_against_net_payout() {
    let sale = Given::default().sale(&d1_sale());
    check(
        "Dr 1130 Clearing 205.20
         Dr 4090 Discounts 20.00
         Cr 4000 Sales 200.00
         Cr 4050 Shipping income 10.00
         Cr 2210 Sales tax payable 15.20",
        &[&sale],
    );
    let fee = Given::provider().row(&row("p1", RowClass::Capture, "205.20", "6.25"));
    check("Dr 6110 Processing fees 6.25\nCr 1130 Clearing 6.25", &[&fee]);
    let out = Given::provider().payout(&payout("po1", PayoutStatus::Paid, "198.95"));
    check("Dr 1010 Bank 198.95\nCr 1130 Clearing 198.95", &[&out]);
    let all = net([&sale, &fee, &out]);
    assert_eq!(all.get(&Role::Clearing), None, "clearing is an empty list of open transactions");
    assert_eq!(all.get(&Role::Receivable), None);
}

#[test]
fn d1_is_booked_in_two_steps_by_one_booker() {
    let sale = Given::default().sale(&d1_sale());
    let captured = sale.facts.iter().find(|fact| fact.key.kind == "capture").expect("a capture");
    assert_eq!(captured.key.part, "p1");
    let lines: Vec<(Role, i64)> = crate::world::entries(std::slice::from_ref(captured))
        .flat_map(|entry| entry.lines.iter().map(|line| (line.role, line.amount.minor())))
        .collect();
    assert_eq!(lines, [(Role::Clearing, 20520), (Role::Receivable, -20520)]);
    assert!(crate::world::entries(&sale.facts).all(|entry| entry.booker.word() == "odoo"));
}

/// The sale and the capture of 108.50 at the marketplace, then its rows.
#[test]
fn d3_tax_that_the_marketplace_remits() {
    let mut goods = line("A1", 1, "100.00");
    goods.taxes = vec![remitted("0.085", "8.50")];
    let order = order(vec![goods], Vec::new());
    assert_eq!(order.total, money("108.50"));
    let sale = Given::default().sale(&[order.into(), paid("card", "108.50")]);
    let gross = Given::provider().row(&row("p1", RowClass::Capture, "108.50", "0"));
    let withheld = Given::provider().row(&row("w1", RowClass::MarketplaceTax, "-8.50", "0"));
    let commission = Given::provider().row(&row("f1", RowClass::Fee, "-15.00", "0"));
    let all = [&sale, &gross, &withheld, &commission];
    check(
        "Dr 1130 Clearing 85.00
         Dr 6100 Commission 15.00
         Dr 2215 Marketplace tax withheld 8.50
         Cr 4000 Sales 100.00
         Cr 2215 Marketplace tax collected 8.50",
        &all,
    );
    let sums = net(all);
    assert_eq!(sums.get(&Role::MarketplaceTaxCollected), Some(&-850));
    assert_eq!(sums.get(&Role::MarketplaceTaxWithheld), Some(&850));
    assert_eq!(sums.get(&Role::TaxPayable), None, "it is never declared twice");
}

#[test]
fn d3_a_refund_reverses_the_withheld_share_too() {
    let mut goods = line("A1", 1, "100.00");
    goods.taxes = vec![remitted("0.085", "8.50")];
    let order = order(vec![goods], Vec::new());
    let back = refund(vec![refund_line("A1", 1, "100.00", "8.50", Restock::Returned)], Vec::new());
    let documents = [
        order.into(),
        paid("card", "108.50"),
        back.into(),
        paid_back("b1", "R1", "card", "108.50"),
    ];
    let sale = Given::default().sale(&documents);
    let sums = net([&sale]);
    assert_eq!(sums.get(&Role::MarketplaceTaxCollected), None, "collected, and given back");
    assert_eq!(sums.get(&Role::TaxPayable), None, "it never was ours");
    assert_eq!(sums, BTreeMap::from([(Role::Sales, -10000), (Role::Returns, 10000)]));
    let (_, note) = commands(&sale.facts)
        .find(|(_, content)| matches!(content, Content::CreditNote(_)))
        .expect("a credit note");
    assert_eq!(note.total(), Some(money("100.00")), "the books never held the marketplace's tax");
}

#[test]
fn d4_gift_card_sold() {
    let mut card = line("G1", 1, "100.00");
    card.kind = LineKind::GiftCard;
    card.sku = None;
    let sale =
        Given::default().sale(&[order(vec![card], Vec::new()).into(), paid("card", "100.00")]);
    check("Dr 1130 Clearing 100.00\nCr 2300 Gift card liability 100.00", &[&sale]);
    let fee = Given::provider().row(&row("p1", RowClass::Capture, "100.00", "3.20"));
    check("Dr 6110 Processing fees 3.20\nCr 1130 Clearing 3.20", &[&fee]);
}

#[test]
fn d4_gift_card_used_is_a_tender() {
    let mut goods = line("A1", 1, "70.00");
    goods.taxes = vec![tax("0.08", "5.60")];
    let sale = Given::default().sale(&[
        order(vec![goods], Vec::new()).into(),
        payment("p1", PaymentKind::Sale, "gift_card", "60.00").into(),
        payment("p2", PaymentKind::Sale, "card", "15.60").into(),
    ]);
    check(
        "Dr 2300 Gift card liability 60.00
         Dr 1130 Clearing 15.60
         Cr 4000 Sales 70.00
         Cr 2210 Sales tax payable 5.60",
        &[&sale],
    );
    let (_, invoice) = commands(&sale.facts)
        .find(|(_, content)| matches!(content, Content::Invoice(_)))
        .expect("an invoice");
    assert_eq!(invoice.total(), Some(money("75.60")), "a gift card never lowers the invoice");
}

#[test]
fn d4_refund_to_a_gift_card() {
    let mut goods = line("A1", 1, "70.00");
    goods.taxes = vec![tax("0.08", "5.60")];
    let sold = [order(vec![goods], Vec::new()).into(), paid("card", "75.60")];
    let before = Given::default().sale(&sold);
    let back = refund(vec![refund_line("A1", 1, "27.78", "2.22", Restock::None)], Vec::new());
    let mut documents = sold.to_vec();
    documents.extend([back.into(), paid_back("b1", "R1", "gift_card", "30.00")]);
    let after = Given::default().sale(&documents);
    let change = difference(&after, &before);
    assert_eq!(
        change,
        BTreeMap::from([
            (Role::Returns, 2778),
            (Role::TaxPayable, 222),
            (Role::GiftCardLiability, -3000),
        ])
    );
}

fn difference(after: &Derived, before: &Derived) -> BTreeMap<Role, i64> {
    let mut change = net([after]);
    for (role, amount) in net([before]) {
        *change.entry(role).or_default() -= amount;
    }
    change.retain(|_, amount| *amount != 0);
    change
}

#[test]
fn d5_a_shipping_promotion_is_booked_gross() {
    let mut shipping = charge("s", ChargeKind::Shipping, "4.99");
    shipping.discounts = vec![discount(Funder::Merchant, "4.99")];
    let free = order(vec![line("A1", 1, "10.00")], vec![shipping]);
    assert_eq!(free.total, money("10.00"));
    let with = Given::default().sale(&[free.into(), paid("card", "10.00")]);
    let without = order(vec![line("A1", 1, "10.00")], Vec::new());
    let without = Given::default().sale(&[without.into(), paid("card", "10.00")]);
    assert_eq!(
        difference(&with, &without),
        BTreeMap::from([(Role::Discounts, 499), (Role::ShippingIncome, -499)])
    );
}

#[test]
fn d6_refund_in_a_later_period() {
    let before = Given::default().sale(&d1_sale());
    let agreed = refund(vec![refund_line("A1", 1, "90.00", "7.20", Restock::Returned)], Vec::new());
    let mut documents = d1_sale();
    documents.push(agreed.into());
    let open = Given::default().sale(&documents);
    assert_eq!(
        difference(&open, &before),
        BTreeMap::from(
            [(Role::Returns, 9000), (Role::TaxPayable, 720), (Role::Receivable, -9720),]
        ),
        "agreed, its money not confirmed: an open credit note"
    );
    documents.push(paid_back("b1", "R1", "card", "97.20"));
    let done = Given::default().sale(&documents);
    assert_eq!(
        difference(&done, &open),
        BTreeMap::from([(Role::Receivable, 9720), (Role::Clearing, -9720)])
    );
    let dated = |kind: &str| {
        let fact = done.facts.iter().find(|fact| fact.key.kind == kind).expect(kind);
        let date = crate::world::entries(std::slice::from_ref(fact)).next().map(|it| it.date);
        date.expect("an entry").to_string()
    };
    assert_eq!(dated("sale"), "2026-06-15", "June is not touched");
    assert_eq!(dated("refund"), "2026-07-02");
    assert_eq!(dated("refund_paid"), "2026-07-03");
}

/// Signs decide, not names (P22): a commission given back and a charge for the refund in one row.
#[test]
fn d6_refund_with_commission_returned() {
    let sold = order(vec![line("A1", 1, "20.00")], Vec::new());
    let before = [sold.into(), paid("card", "20.00")];
    let mut after = before.to_vec();
    let agreed = refund(vec![refund_line("A1", 1, "20.00", "0", Restock::Returned)], Vec::new());
    after.extend([agreed.into(), paid_back("b1", "R1", "card", "20.00")]);
    let given = Given::default();
    let mut change = difference(&given.sale(&after), &given.sale(&before));
    // Commission +3.00, refund commission −0.60: the fee of the row is −2.40.
    let row = Given::provider().row(&row("b1", RowClass::Refund, "-20.00", "-2.40"));
    for (role, amount) in net([&row]) {
        *change.entry(role).or_default() += amount;
    }
    assert_eq!(
        change,
        BTreeMap::from([
            (Role::Returns, 2000),
            (Role::ProcessingFees, -240),
            (Role::Clearing, -1760),
        ])
    );
}

#[test]
fn d7_chargeback() {
    let given = Given::provider();
    let opened = given.row(&row("d1", RowClass::Dispute, "-11.50", "15.00"));
    check(
        "Dr 1140 Disputes receivable 11.50
         Dr 6120 Chargeback cost 15.00
         Cr 1130 Clearing 26.50",
        &[&opened],
    );
    let lost = given.dispute(&dispute(DisputeStatus::Lost, "11.50"));
    check("Dr 6120 Chargeback cost 11.50\nCr 1140 Disputes receivable 11.50", &[&lost]);
    let won = given.row(&row("d2", RowClass::DisputeReversal, "11.50", "-15.00"));
    check(
        "Dr 1130 Clearing 26.50
         Cr 1140 Disputes receivable 11.50
         Cr 6120 Chargeback cost 15.00",
        &[&won],
    );
    let won_fee_kept = given.row(&row("d2", RowClass::DisputeReversal, "11.50", "0"));
    check("Dr 1130 Clearing 11.50\nCr 1140 Disputes receivable 11.50", &[&won_fee_kept]);
    assert_eq!(net([&opened, &lost]).get(&Role::DisputesReceivable), None);
    assert_eq!(net([&opened, &won]), BTreeMap::new());
    for quiet in [DisputeStatus::NeedsResponse, DisputeStatus::Won, DisputeStatus::Closed] {
        let derived = given.dispute(&dispute(quiet, "11.50"));
        assert_eq!(net([&derived]), BTreeMap::new(), "{quiet:?} moves no money of its own");
    }
    // Lost when the provider says so, else when it told us; not when the buyer complained.
    let day_of = |derived: &Derived| entries(&derived.facts).next().map(|entry| entry.date);
    assert_eq!(day_of(&lost), Some(date(2026, 11, 20)));
    let closed =
        Dispute { closed_on: Some(date(2026, 7, 14)), ..dispute(DisputeStatus::Lost, "11.50") };
    assert_eq!(day_of(&given.dispute(&closed)), Some(date(2026, 7, 14)));
    let mut inquiry = dispute(DisputeStatus::Lost, "11.50");
    inquiry.inquiry = true;
    assert_eq!(net([&given.dispute(&inquiry)]), BTreeMap::new());
}

#[test]
fn d8_reserve_held_and_released() {
    let given = Given::provider();
    let held = given.row(&row("r1", RowClass::Reserve, "-250.00", "0"));
    check("Dr 1135 Reserve held 250.00\nCr 1130 Clearing 250.00", &[&held]);
    let first = given.payout(&payout("po1", PayoutStatus::Paid, "750.00"));
    check("Dr 1010 Bank 750.00\nCr 1130 Clearing 750.00", &[&first]);
    let released = given.row(&row("r2", RowClass::ReserveRelease, "250.00", "0"));
    check("Dr 1130 Clearing 250.00\nCr 1135 Reserve held 250.00", &[&released]);
    let again = given.row(&row("r3", RowClass::Reserve, "-100.00", "0"));
    check("Dr 1135 Reserve held 100.00\nCr 1130 Clearing 100.00", &[&again]);
    let second = given.payout(&payout("po2", PayoutStatus::Paid, "650.00"));
    check("Dr 1010 Bank 650.00\nCr 1130 Clearing 650.00", &[&second]);
    let all = net([&held, &first, &released, &again, &second]);
    assert_eq!(all.get(&Role::ReserveHeld), Some(&10000), "1135 is the last reserve");
    assert_eq!(all.get(&Role::Clearing), Some(&-150_000), "against the activity of 1,500.00");
}

/// A settlement that ends negative, and the next one, which begins with what that one owed.
#[test]
fn d8_a_balance_that_is_carried_forward_is_paid_out_once() {
    let given = Given { connection: "market", ..Given::default() };
    let mut fee = row("f1", RowClass::Fee, "-31.20", "0");
    fee.payout = Some("s1".to_owned());
    let fee = given.row(&fee);
    let owed = given.payout(&payout("s1", PayoutStatus::CarriedForward, "-31.20"));
    let mut opening = row("o2", RowClass::CarriedForward, "-31.20", "0");
    opening.payout = Some("s2".to_owned());
    let opening = given.row(&opening);
    let paid = given.payout(&payout("s2", PayoutStatus::InTransit, "68.80"));
    let sums = net([&fee, &owed, &opening, &paid]);
    // With the sale of 100.00 that the channel states, clearing is at zero.
    assert_eq!(sums.get(&Role::Clearing), Some(&-10000));
    assert_eq!(sums.get(&Role::InTransit), Some(&6880));
    let keys = |derived: &Derived| -> Vec<String> {
        let items = derived.facts.iter().filter_map(|fact| match &fact.content {
            FactContent::Item(item) => Some(format!("{} {}", item.key, item.amount)),
            _ => None,
        });
        items.collect()
    };
    assert_eq!(keys(&owed), ["payout/market/s1 -31.20 USD"], "no bank shows it");
    assert_eq!(keys(&opening), ["payout/market/s2 -31.20 USD"]);
}

#[test]
fn d11_control_table() {
    let given = Given::default();
    let mut authorised = d1_order();
    authorised.payment_standing = trueup_domain::document::PaymentStanding::Authorized;
    let hold = payment("p0", PaymentKind::Authorization, "card", "205.20");
    let authorised = given.sale(&[authorised.into(), hold.into()]);
    assert_eq!(net([&authorised]).get(&Role::Clearing), None, "an authorisation is a state only");
    assert!(authorised.facts.iter().all(|fact| fact.key.kind != "payment"));

    let provider = Given::provider();
    for (status, moved) in [
        (PayoutStatus::Expected, false),
        (PayoutStatus::InTransit, true),
        (PayoutStatus::Paid, true),
        (PayoutStatus::Failed, false),
        (PayoutStatus::Cancelled, false),
        (PayoutStatus::CarriedForward, false),
    ] {
        let derived = provider.payout(&payout("po1", status, "198.95"));
        let expected = if moved {
            BTreeMap::from([(Role::Clearing, -19895), (Role::InTransit, 19895)])
        } else {
            BTreeMap::new()
        };
        assert_eq!(net([&derived]), expected, "{status:?}");
    }
    // What the provider's own payout rows say is the payout's fact, never a second one.
    for class in [RowClass::Payout, RowClass::PayoutReturn, RowClass::CarriedForward] {
        assert_eq!(net([&provider.row(&row("x", class, "-198.95", "0"))]), BTreeMap::new());
    }
    // Captures and refunds are the channel's facts; the row adds its fee alone.
    for class in [RowClass::Capture, RowClass::Refund, RowClass::PartialCaptureReversal] {
        assert_eq!(net([&provider.row(&row("x", class, "50.00", "0"))]), BTreeMap::new());
    }
    // A debit of the bank account is a payout with its sign turned (E15).
    let negative = provider.payout(&payout("po2", PayoutStatus::Paid, "-40.00"));
    check("Cr 1010 Bank 40.00\nDr 1130 Clearing 40.00", &[&negative]);
    // P9: an unknown row is held against its own role and is a case.
    let unknown = provider.row(&row("u1", RowClass::Unknown, "100.00", "0"));
    assert_eq!(net([&unknown]), BTreeMap::from([(Role::Clearing, 10000), (Role::Unknown, -10000)]));
    assert_eq!(unknown.breaks.len(), 1);
    // E5: a refund that failed is taken back by its sale; the row states it.
    let failed = provider.row(&row("b1", RowClass::RefundFailure, "97.20", "0"));
    assert_eq!(net([&failed]), BTreeMap::new());
    let states_back = failed.facts.iter().any(|fact| match &fact.content {
        FactContent::Item(item) => {
            item.kind == ItemKind::RefundPaid && item.amount == money("-97.20")
        }
        _ => false,
    });
    assert!(states_back, "the key of the refund is not proven any more: {failed:?}");
}

/// Whatever way a channel rounds, what we bill carries its tax to the cent.
#[test]
fn d18_tax_of_the_documents_is_the_channels() {
    // Two lines with 10 % off each at 8.5 %: rounded per line, and on the total.
    let lines = |first: &str, second: &str| {
        let mut one = line("A1", 1, "598.89");
        one.discounts = vec![discount(Funder::Merchant, "59.89")];
        one.taxes = vec![tax("0.085", first)];
        let mut two = line("B1", 1, "329.84");
        two.discounts = vec![discount(Funder::Merchant, "32.98")];
        two.taxes = vec![tax("0.085", second)];
        order(vec![one, two], Vec::new())
    };
    billed(&lines("45.82", "25.24"), "906.92", "71.06");
    billed(&lines("45.82", "25.23"), "906.91", "71.05");

    // 69.99 with 20 % inside: 58.33 on the line, 58.32 in the total.
    for (amount, net) in [("11.66", "58.33"), ("11.67", "58.32")] {
        let mut goods = line("A1", 1, "69.99");
        goods.taxes = vec![tax("0.08", amount)];
        let order = crate::world::included(order(vec![goods], Vec::new()));
        billed(&order, "69.99", amount);
        let sale = Given::default().sale(&[order.into(), paid("card", "69.99")]);
        assert_eq!(self::net([&sale]).get(&Role::Sales), Some(&-money(net).minor()));
    }

    // 10 × 30.75 and 70.00, 5 % off both, 15 % tax: 53.80 per line, 53.79 on the total.
    for (second, total) in [("9.98", "53.80"), ("9.97", "53.79")] {
        let mut one = line("A1", 10, "30.75");
        one.discounts = vec![discount(Funder::Merchant, "15.37")];
        one.taxes = vec![tax("0.08", "43.82")];
        let mut two = line("B1", 1, "70.00");
        two.discounts = vec![discount(Funder::Merchant, "3.50")];
        two.taxes = vec![tax("0.08", second)];
        let order = order(vec![one, two], Vec::new());
        let sum = money("358.63").checked_add(money(total)).expect("in range");
        billed(&order, &sum.amount_text(), total);
    }

    // 100 − 20 at 10 % is 88.00, because the discount comes before the tax.
    let mut goods = line("A1", 1, "100.00");
    goods.discounts = vec![discount(Funder::Merchant, "20.00")];
    goods.taxes = vec![tax("0.08", "8.00")];
    billed(&order(vec![goods], Vec::new()), "88.00", "8.00");

    // Prices with tax, a discount, and shipping at two rates.
    let mut goods = line("A1", 3, "33.33");
    goods.discounts =
        vec![discount(Funder::Merchant, "9.99"), discount(Funder::Marketplace, "5.01")];
    goods.taxes = vec![tax("0.19", "13.57")];
    let mut shipping = charge("s", ChargeKind::Shipping, "4.90");
    shipping.discounts = vec![discount(Funder::Merchant, "1.00")];
    shipping.taxes = vec![tax("0.19", "0.31"), tax("0.07", "0.13")];
    let mut order = crate::world::included(order(vec![goods], vec![shipping]));
    total_up(&mut order);
    billed(&order, "88.89", "14.01");
}

/// What is ordered and invoiced must be the channel's total and tax.
fn billed(order: &Order, total: &str, tax: &str) {
    assert_eq!(order.total, money(total));
    assert_eq!(order.check(), Ok(()));
    let sale = Given::default().sale(&[order.clone().into(), paid("card", total)]);
    let mut seen = 0;
    for (_, content) in commands(&sale.facts) {
        let (lines, stated) = match content {
            Content::Order(it) => (&it.lines, (it.total, it.tax)),
            Content::Invoice(it) => (&it.lines, (it.total, it.tax)),
            _ => continue,
        };
        seen += 1;
        assert_eq!(stated, (money(total), money(tax)));
        let summed: i64 = lines.iter().flat_map(|it| &it.taxes).map(|it| it.amount.minor()).sum();
        assert_eq!(summed, money(tax).minor());
    }
    assert_eq!(seen, 2);
    assert_eq!(net([&sale]).get(&Role::TaxPayable), Some(&-money(tax).minor()));
    assert_eq!(net([&sale]).get(&Role::Receivable), None);
}

/// The money comes back months later, when the period in which it left has long been closed: what
/// was booked then stays as it is, and both rows are of one dispute.
#[test]
fn e6_a_dispute_won_months_later_is_booked_on_its_own_day() {
    let given = Given::provider();
    let on = |id: &str, class, gross: &str, fee: &str, day: &str| LedgerRow {
        object: Some("du_1".to_owned()),
        occurred_at: day.parse().expect("a moment"),
        ..row(id, class, gross, fee)
    };
    let opened = given.row(&on("d1", RowClass::Dispute, "-11.50", "15.00", "2026-02-27T10:00:00Z"));
    let won = given.row(&on("d2", RowClass::DisputeReversal, "11.50", "0", "2026-11-12T10:00:00Z"));
    let days = |derived: &Derived| -> Vec<String> {
        entries(&derived.facts).map(|entry| entry.date.to_string()).collect()
    };
    assert_eq!((days(&opened), days(&won)), (vec!["2026-02-27".into()], vec!["2026-11-12".into()]));
    check(
        "Dr 6120 Chargeback cost 15.00
         Cr 1130 Clearing 15.00",
        &[&opened, &won],
    );
    let linked = |derived: &Derived| {
        let facts = derived.facts.iter();
        facts
            .filter_map(|fact| match &fact.content {
                FactContent::Item(item) if item.kind == ItemKind::Dispute => Some(item.key.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(linked(&opened), ["dispute/stripe/du_1"]);
    assert_eq!(linked(&opened), linked(&won));
    let state = given.dispute(&dispute(DisputeStatus::Won, "11.50"));
    assert_eq!(net([&state]), BTreeMap::new(), "its state moves no money beside the row");
}

/// Held in spring, released ninety days later: it is an asset of its own meanwhile, and no cost.
#[test]
fn e15_a_reserve_is_an_asset_until_it_is_released() {
    let given = Given::provider();
    let on = |id: &str, class, gross: &str, day: &str| LedgerRow {
        occurred_at: day.parse().expect("a moment"),
        ..row(id, class, gross, "0")
    };
    let held = given.row(&on("r1", RowClass::Reserve, "-250.00", "2026-03-02T10:00:00Z"));
    assert_eq!(
        net([&held]),
        BTreeMap::from([(Role::ReserveHeld, 25000), (Role::Clearing, -25000)])
    );
    let released = given.row(&on("r2", RowClass::ReserveRelease, "250.00", "2026-05-31T10:00:00Z"));
    assert_eq!(net([&held, &released]), BTreeMap::new());
    let day = entries(&released.facts).next().map(|entry| entry.date);
    assert_eq!(day, Some(date(2026, 5, 31)));
    assert_eq!((held.breaks, released.breaks), (vec![], vec![]));
}

/// What a provider charges by the month is of no order, and needs none; what nobody knows is a case.
#[test]
fn e16_a_fee_of_no_order_is_a_fee_and_what_is_unknown_is_a_case() {
    let given = Given::provider();
    let of_no_order = |class| LedgerRow { object: None, ..row("m1", class, "-29.00", "0") };
    let monthly = given.row(&of_no_order(RowClass::Fee));
    check("Dr 6100 Other fees 29.00\nCr 1130 Clearing 29.00", &[&monthly]);
    assert_eq!(monthly.breaks, []);
    let keys: Vec<&str> = monthly
        .facts
        .iter()
        .filter_map(|fact| match &fact.content {
            FactContent::Item(item) => Some(item.key.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(keys, ["fee/stripe/m1", "unpaid/stripe/m1"], "it is part of what is paid out");
    let unknown = given.row(&of_no_order(RowClass::Unknown));
    assert_eq!(unknown.breaks.len(), 1);
    assert_eq!(unknown.breaks[0].kind, "unknown_row");
    assert_eq!(net([&unknown]).get(&Role::OtherFees), None, "it is held apart, not guessed");
}

/// A fee that is corrected afterwards is a row of its own, on its own day, and names its capture.
#[test]
fn e24_a_fee_that_is_corrected_is_a_row_of_its_own() {
    let given = Given::provider();
    let captured = row("p1", RowClass::Capture, "205.20", "6.25");
    let corrected = LedgerRow {
        object: None,
        capture: Some("ch_p1".to_owned()),
        occurred_at: "2026-08-03T10:00:00Z".parse().expect("a moment"),
        ..row("f1", RowClass::Fee, "1.10", "0")
    };
    let (first, second) = (given.row(&captured), given.row(&corrected));
    check("Dr 6110 Processing fees 6.25\nCr 1130 Clearing 6.25", &[&first]);
    check("Dr 1130 Clearing 1.10\nCr 6100 Other fees 1.10", &[&second]);
    let of_capture = second.facts.iter().any(|fact| match &fact.content {
        FactContent::Item(item) => {
            item.key == "of_capture/stripe/ch_p1" && item.amount == money("1.10")
        }
        _ => false,
    });
    assert!(of_capture, "the account of its capture has it: {second:?}");
}

/// Sold, used in part and refunded to: never revenue, and what is owed is what was sold and given
/// back less what was used.
#[test]
fn e7_a_gift_card_is_owed_until_it_is_used() {
    let sold = |amount: &str| {
        let mut card = line("G1", 1, amount);
        (card.kind, card.sku) = (LineKind::GiftCard, None);
        Given::default().sale(&[order(vec![card], Vec::new()).into(), paid("card", amount)])
    };
    let used = |amount: &str, back: Option<&str>| {
        let goods = order(vec![line("A1", 1, amount)], Vec::new());
        let tender = payment("p1", PaymentKind::Sale, "gift_card", amount);
        let mut documents = vec![goods.into(), tender.into()];
        if let Some(back) = back {
            let lines = vec![refund_line("A1", 1, back, "0", Restock::None)];
            let returned = [
                Document::from(refund(lines, Vec::new())),
                paid_back("b1", "R1", "gift_card", back),
            ];
            documents.extend(returned);
        }
        Given::default().sale(&documents)
    };
    for (card, spent, back, owed) in [
        ("100.00", "60.00", None, -4000),
        ("100.00", "60.00", Some("25.00"), -6500),
        ("100.00", "60.00", Some("60.00"), -10000),
        ("100.00", "100.00", None, 0),
    ] {
        let (sale, use_) = (sold(card), used(spent, back));
        assert_eq!(net([&sale]).get(&Role::Sales), None, "a card that is sold is no revenue");
        let sums = net([&sale, &use_]);
        assert_eq!(
            sums.get(&Role::GiftCardLiability).copied().unwrap_or(0),
            owed,
            "{spent} {back:?}"
        );
        assert_eq!(sums.get(&Role::Clearing), Some(&money(card).minor()), "no other money moved");
        let revenue = money(spent).minor();
        assert_eq!(sums.get(&Role::Sales), Some(&-revenue));
    }
}
