//! Sales as tables: the documents of a case, and everything that follows from them.

use trueup_domain::command::{Content, Direction};
use trueup_domain::derive::Derived;
use trueup_domain::derive::sale::IN_PARTS;
use trueup_domain::document::{
    Buyer, ChargeKind, Document, Funder, LineKind, Order, PaymentKind, PaymentStanding,
    PaymentStatus, Restock, Tender, Version,
};
use trueup_domain::fact::{Change, FactContent, Written, difference};
use trueup_domain::journal::Role;
use trueup_domain::key;

use crate::world::{
    Given, at, charge, commands, discount, document_lines, included, line, money, net, order, paid,
    paid_back, payment, refund, refund_line, refund_of, remitted, tax, total_up,
};

/// Everything that was derived, in words. Items are left out unless the case is about them.
pub fn words(derived: &Derived) -> Vec<String> {
    let mut words = vec![derived.standing.state.clone()];
    words.extend(derived.waiting.as_ref().map(|waiting| format!("waits for {waiting}")));
    words.extend(derived.reads.iter().map(|(kind, id)| format!("reads {kind} {id}")));
    words.extend(derived.breaks.iter().map(|one| match one.amount {
        Some(amount) => format!("break {} {}", one.kind, amount.amount_text()),
        None => format!("break {}", one.kind),
    }));
    for (role, minor) in net([derived]) {
        let amount = trueup_domain::Money::from_minor(minor, crate::world::usd());
        words.push(format!("net {} {}", role.word(), amount.amount_text()));
    }
    for fact in &derived.facts {
        let FactContent::Command(command) = &fact.content else { continue };
        let part = &fact.key.part;
        words.push(match &command.content {
            Content::Order(it) => format!("order {part} {} tax {}", text(it.total), text(it.tax)),
            Content::Invoice(it) => {
                format!("invoice {part} {} tax {}", text(it.total), text(it.tax))
            }
            Content::CreditNote(it) => {
                format!("credit note {part} {} tax {}", text(it.total), text(it.tax))
            }
            Content::Payment(it) => {
                let way = if it.direction == Direction::Inbound { "in" } else { "out" };
                format!("payment {part} {way} {} {}", it.journal, text(it.amount))
            }
            Content::Reconciliation(it) => {
                let to = command.after.iter().find(|after| after.role == "document");
                let to = to.map(|after| format!("{} {}", after.fact.kind, after.fact.part));
                format!("tie {part} to {} {}", to.unwrap_or_default(), text(it.amount))
            }
            other => format!("{} {part}", other.kind().word()),
        });
    }
    words
}

fn text(amount: trueup_domain::Money) -> String {
    amount.amount_text()
}

pub fn check(derived: &Derived, expected: &str) {
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(words(derived), expected);
}

/// The lines of the only document of a kind: part, product or account, quantity, amount, tax.
pub fn lines_of(derived: &Derived, word: &str) -> Vec<String> {
    let found = commands(&derived.facts).find(|(_, content)| content.kind().word() == word);
    let (_, content) = found.expect(word);
    document_lines(content)
        .iter()
        .map(|line| {
            let on = line.product.as_ref().or(line.account.as_ref()).expect("a product or account");
            let tax: i64 = line.taxes.iter().map(|tax| tax.amount.minor()).sum();
            let tax = trueup_domain::Money::from_minor(tax, line.amount.currency());
            assert_eq!(
                line.quantity * line.unit_price,
                line.amount.decimal(),
                "quantity times price is the amount of {}",
                line.part
            );
            format!("{} {on} {}x {} tax {}", line.part, line.quantity, text(line.amount), text(tax))
        })
        .collect()
}

/// Two units at 50.00 with 8 % on top.
pub fn two_units() -> Order {
    let mut goods = line("A1", 2, "50.00");
    goods.taxes = vec![tax("0.08", "8.00")];
    order(vec![goods], Vec::new())
}

pub fn sold_and_paid() -> Vec<Document> {
    vec![two_units().into(), paid("card", "108.00")]
}

#[test]
fn tax_on_top() {
    check(
        &Given::default().sale(&sold_and_paid()),
        "paid
         net sales -100.00
         net tax_payable -8.00
         net clearing 108.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         payment p1 in J1 108.00
         tie p1 to invoice 1 108.00",
    );
}

#[test]
fn tax_inside() {
    let mut goods = line("A1", 2, "59.50");
    goods.taxes = vec![tax("0.19", "19.00")];
    let order = included(order(vec![goods], Vec::new()));
    check(
        &Given::default().sale(&[order.into(), paid("card", "119.00")]),
        "paid
         net sales -100.00
         net tax_payable -19.00
         net clearing 119.00
         order 1 119.00 tax 19.00
         invoice 1 119.00 tax 19.00
         payment p1 in J1 119.00
         tie p1 to invoice 1 119.00",
    );
}

#[test]
fn discounts_of_several_funders() {
    let mut goods = line("A1", 1, "119.00");
    goods.discounts = vec![
        discount(Funder::Merchant, "11.90"),
        discount(Funder::Marketplace, "23.80"),
        discount(Funder::Supplier, "5.95"),
    ];
    goods.taxes = vec![tax("0.19", "12.35")];
    let order = included(order(vec![goods], Vec::new()));
    let sale = Given::default().sale(&[order.into(), paid("card", "77.35")]);
    // The platform's share is a receivable from it, without the tax that the lower price took off;
    // the rest is ours (P13).
    check(
        &sale,
        "paid
         net sales -100.00
         net discounts 15.00
         net tax_payable -12.35
         net marketplace_receivable 20.00
         net clearing 77.35
         order 1 77.35 tax 12.35
         invoice 1 77.35 tax 12.35
         payment p1 in J1 77.35
         tie p1 to invoice 1 77.35",
    );
    assert_eq!(
        lines_of(&sale, "invoice"),
        [
            "A1 P-A 1x 119.00 tax 19.00",
            "discount/T19i P-disc 1x -11.90 tax -1.90",
            "discount_marketplace/T19i P-disc-m 1x -23.80 tax -3.80",
            "discount_supplier/T19i P-disc-s 1x -5.95 tax -0.95",
        ]
    );
}

#[test]
fn e9_tips_and_cash_rounding_have_their_own_income() {
    let mut shipping = charge("s", ChargeKind::Shipping, "10.00");
    shipping.taxes = vec![tax("0.08", "0.80")];
    let charges = vec![
        shipping,
        charge("t", ChargeKind::Tip, "3.00"),
        charge("d", ChargeKind::Duty, "2.00"),
        charge("w", ChargeKind::GiftWrap, "1.50"),
        charge("c", ChargeKind::CashRounding, "-0.02"),
    ];
    let sale = order(vec![line("A1", 1, "20.00")], charges);
    check(
        &Given::default().sale(&[sale.into(), paid("cash", "37.28")]),
        "paid
         net sales -20.00
         net shipping_income -10.00
         net tip_income -3.00
         net duty_income -2.00
         net gift_wrap_income -1.50
         net tax_payable -0.80
         net clearing 37.28
         net rounding 0.02
         order 1 37.28 tax 0.80
         invoice 1 37.28 tax 0.80
         payment p1 in J4 37.28
         tie p1 to invoice 1 37.28",
    );
}

/// What the channel takes off the whole order is a discount, with the tax that it takes off.
#[test]
fn a_fee_is_income_and_below_zero_a_discount() {
    let mut fee = charge("f", ChargeKind::Fee, "4.00");
    fee.taxes = vec![tax("0.08", "0.32")];
    let mut taken_off = charge("g", ChargeKind::Fee, "-7.50");
    taken_off.taxes = vec![tax("0.08", "-0.60")];
    let mut goods = line("A1", 1, "20.00");
    goods.taxes = vec![tax("0.08", "1.60")];
    let sale = order(vec![goods], vec![fee, taken_off]);
    let sale = Given::default().sale(&[sale.into(), paid("cash", "17.82")]);
    check(
        &sale,
        "paid
         net sales -20.00
         net discounts 7.50
         net fee_income -4.00
         net tax_payable -1.32
         net clearing 17.82
         order 1 17.82 tax 1.32
         invoice 1 17.82 tax 1.32
         payment p1 in J4 17.82
         tie p1 to invoice 1 17.82",
    );
    assert_eq!(
        lines_of(&sale, "invoice"),
        [
            "A1 P-A 1x 20.00 tax 1.60",
            "charge/f P-fee 1x 4.00 tax 0.32",
            "charge/g P-disc 1x -7.50 tax -0.60",
        ]
    );
}

#[test]
fn e9_a_tip_line_is_no_sale_of_goods() {
    let mut tip = line("T1", 1, "5.00");
    tip.kind = LineKind::Tip;
    let sale = Given::default().sale(&[order(vec![tip], Vec::new()).into(), paid("card", "5.00")]);
    assert_eq!(net([&sale]).get(&Role::TipIncome), Some(&-500));
}

#[test]
fn e8_split_tender_with_a_gift_card() {
    let documents = [
        two_units().into(),
        payment("p1", PaymentKind::Sale, "gift_card", "30.00").into(),
        payment("p2", PaymentKind::Capture, "card", "78.00").into(),
    ];
    check(
        &Given::default().sale(&documents),
        "paid
         net sales -100.00
         net tax_payable -8.00
         net gift_card_liability 30.00
         net clearing 78.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         payment p1 in J2 30.00
         tie p1 to invoice 1 30.00
         payment p2 in J1 78.00
         tie p2 to invoice 1 78.00",
    );
}

#[test]
fn e23_authorised_voided_and_failed_move_nothing() {
    let mut order = two_units();
    order.payment_standing = PaymentStanding::Authorized;
    let mut failed = payment("p2", PaymentKind::Sale, "card", "108.00");
    failed.status = PaymentStatus::Failed;
    let mut pending = payment("p3", PaymentKind::Capture, "card", "108.00");
    pending.status = PaymentStatus::Pending;
    let documents = [
        order.into(),
        payment("p1", PaymentKind::Authorization, "card", "108.00").into(),
        failed.into(),
        pending.into(),
        payment("p4", PaymentKind::Void, "card", "108.00").into(),
    ];
    check(
        &Given::default().sale(&documents),
        "authorized
         net receivable 108.00
         net sales -100.00
         net tax_payable -8.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00",
    );
}

#[test]
fn e23_several_captures_are_facts_of_their_own() {
    let documents = [
        two_units().into(),
        payment("p1", PaymentKind::Authorization, "card", "108.00").into(),
        payment("p2", PaymentKind::Capture, "card", "40.00").into(),
        payment("p3", PaymentKind::Capture, "card", "68.00").into(),
    ];
    let sale = Given::default().sale(&documents);
    let captures: Vec<&str> = sale
        .facts
        .iter()
        .filter(|fact| fact.key.kind == "capture")
        .map(|fact| fact.key.part.as_str())
        .collect();
    assert_eq!(captures, ["p2", "p3"]);
    assert_eq!(net([&sale]).get(&Role::Receivable), None);
}

#[test]
fn tax_that_the_marketplace_remits_is_declared_at_zero() {
    let mut goods = line("A1", 1, "100.00");
    goods.taxes = vec![remitted("0.08", "8.00")];
    let sold = order(vec![goods], Vec::new());
    let first = payment("p1", PaymentKind::Sale, "card", "54.00");
    let second = payment("p2", PaymentKind::Sale, "card", "54.00");
    let sale = Given::default().sale(&[sold.into(), first.into(), second.into()]);
    check(
        &sale,
        "paid
         net sales -100.00
         net marketplace_tax_collected -8.00
         net clearing 108.00
         order 1 100.00 tax 0.00
         invoice 1 100.00 tax 0.00
         payment p1 in J1 50.00
         tie p1 to invoice 1 50.00
         payment p2 in J1 50.00
         tie p2 to invoice 1 50.00",
    );
    let memos = sale.facts.iter().filter(|fact| fact.key.kind == "marketplace_tax");
    for memo in memos {
        let FactContent::Entry(memo) = &memo.content else { panic!("an entry") };
        assert_eq!(memo.booker.word(), "memo");
    }
    // The named line of the first link: the channel's total less what it remits itself; and of the
    // second: what the channel took and the books do not hold.
    assert_eq!(
        items(&sale),
        [
            "document order/shop/O1 100.00",
            "document_tax tax/order/shop/O1 0.00",
            "capture capture/stripe/ch_p1 54.00",
            "capture capture/stripe/ch_p2 54.00",
            "remitted_tax capture/stripe/ch_p1 4.00",
            "remitted_tax capture/stripe/ch_p2 4.00",
        ]
    );
}

/// E.g. authorised, a line added, then captured at once: both invoices are paid by it.
#[test]
fn one_capture_pays_all_invoices_it_is_large_enough_for() {
    let before = Given::default().sale(&[two_units().into()]);
    let mut edited = two_units();
    edited.version = Version(2);
    edited.lines.push(line("B1", 1, "20.00"));
    total_up(&mut edited);
    let after = Given::after(&before).sale(&[edited.into(), paid("card", "128.00")]);
    check(
        &after,
        "paid
         net sales -120.00
         net tax_payable -8.00
         net clearing 128.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         order 2 20.00 tax 0.00
         invoice 2 20.00 tax 0.00
         payment p1 in J1 128.00
         tie p1 to invoice 1 108.00
         tie p1/2 to invoice 2 20.00",
    );
}

/// Items in words.
fn items(derived: &Derived) -> Vec<String> {
    let items = derived.facts.iter().filter_map(|fact| match &fact.content {
        FactContent::Item(item) => Some(item),
        FactContent::Entry(_) | FactContent::Units(_) | FactContent::Command(_) => None,
    });
    items.map(|it| format!("{} {} {}", it.kind.word(), it.key, text(it.amount))).collect()
}

#[test]
fn cancelled_before_payment_is_no_sale() {
    let mut cancelled = two_units();
    cancelled.payment_standing = PaymentStanding::Voided;
    cancelled.cancelled_at = Some(at("2026-06-15T12:00:00Z"));
    // The channel writes a refund of all units, which moves no money.
    let back = refund_line("A1", 2, "100.00", "8.00", Restock::Cancelled);
    let back = refund_of("R1", false, vec![back], Vec::new(), &[]);
    let sale = Given::default().sale(&[cancelled.into(), back.into()]);
    check(&sale, "cancelled");
    assert_eq!(items(&sale), [""; 0], "nothing is expected of the books");
}

#[test]
fn cancelled_after_payment_is_a_sale_and_its_refund() {
    let mut cancelled = two_units();
    cancelled.payment_standing = PaymentStanding::Refunded;
    cancelled.cancelled_at = Some(at("2026-06-15T12:00:00Z"));
    let back = refund(vec![refund_line("A1", 2, "100.00", "8.00", Restock::Cancelled)], Vec::new());
    let documents = [
        cancelled.into(),
        paid("card", "108.00"),
        back.into(),
        paid_back("b1", "R1", "card", "108.00"),
    ];
    check(
        &Given::default().sale(&documents),
        "cancelled
         net sales -100.00
         net returns 100.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         payment p1 in J1 108.00
         tie p1 to invoice 1 108.00
         payment b1 out J1 108.00
         tie b1 to credit_note R1 108.00
         credit note R1 108.00 tax 8.00",
    );
}

#[test]
fn d4_an_added_line_is_a_further_order_and_invoice() {
    let before = Given::default().sale(&sold_and_paid());
    let mut edited = two_units();
    edited.version = Version(2);
    edited.lines.push(line("B1", 1, "20.00"));
    total_up(&mut edited);
    let second = payment("p2", PaymentKind::Sale, "card", "20.00");
    let documents = [edited.into(), paid("card", "108.00"), second.into()];
    let after = Given::after(&before).sale(&documents);
    check(
        &after,
        "paid
         net sales -120.00
         net tax_payable -8.00
         net clearing 128.00
         order 1 108.00 tax 8.00
         invoice 1 108.00 tax 8.00
         order 2 20.00 tax 0.00
         invoice 2 20.00 tax 0.00
         payment p1 in J1 108.00
         tie p1 to invoice 1 108.00
         payment p2 in J1 20.00
         tie p2 to invoice 2 20.00",
    );
    // Nothing that was written before is taken back but the amount the channel states.
    let changes = difference(&written(&before), after.facts.clone());
    let replaced: Vec<String> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Add { fact, replaces: Some(_), .. } => Some(fact.key.part.clone()),
            Change::Add { .. } => None,
            Change::TakeBack { key, .. } => Some(format!("gone {key:?}")),
        })
        .collect();
    assert_eq!(replaced, ["document/O1"]);
    // Decided again it stays so.
    assert_eq!(Given::after(&after).sale(&documents_again()).facts, after.facts);
}

fn documents_again() -> Vec<Document> {
    let mut edited = two_units();
    edited.version = Version(3);
    edited.lines.push(line("B1", 1, "20.00"));
    total_up(&mut edited);
    let second = payment("p2", PaymentKind::Sale, "card", "20.00");
    vec![edited.into(), paid("card", "108.00"), second.into()]
}

fn written(derived: &Derived) -> Vec<Written> {
    derived
        .facts
        .iter()
        .map(|fact| Written {
            key: fact.key.clone(),
            generation: 1,
            content_hash: key::body_hash(fact.content_json().as_bytes()),
            live: true,
        })
        .collect()
}

#[test]
fn d4_a_changed_price_is_another_generation() {
    let before = Given::default().sale(&sold_and_paid());
    let mut cheaper = two_units();
    cheaper.version = Version(2);
    cheaper.lines[0].discounts = vec![discount(Funder::Merchant, "10.00")];
    cheaper.lines[0].taxes = vec![tax("0.08", "7.20")];
    total_up(&mut cheaper);
    let after = Given::after(&before).sale(&[cheaper.into(), paid("card", "108.00")]);
    let changes = difference(&written(&before), after.facts);
    let mut replaced: Vec<(String, u32)> = changes
        .iter()
        .map(|change| match change {
            Change::Add { fact, generation, replaces: Some(1), .. } => {
                (format!("{} {}", fact.key.kind, fact.key.part), *generation)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    replaced.sort();
    // The payment is larger than the invoice now: it is tied as far as that is open.
    let tie = "reconciliation p1";
    let expected =
        ["invoice 1", "item document/O1", "item document_tax/O1", "order 1", tie, "sale A1"];
    assert_eq!(replaced, expected.map(|name| (name.to_owned(), 2)));
}

#[test]
fn missing_payments_are_waited_for() {
    let part = payment("p1", PaymentKind::Sale, "card", "40.00");
    let sale = Given::default().sale(&[two_units().into(), part.into()]);
    assert_eq!(
        words(&sale)[..3],
        [
            "partially_paid",
            "waits for the order says it is paid; payments of 68.00 USD are missing",
            "reads order O1"
        ]
    );
    let pending = Order { payment_standing: PaymentStanding::Pending, ..two_units() };
    assert_eq!(Given::default().sale(&[pending.into()]).waiting, None);
}

#[test]
fn a4_parts_without_their_order_wait_for_it() {
    let refund = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::None)], Vec::new());
    for parts in [vec![paid("card", "108.00")], vec![refund.into()]] {
        let sale = Given::default().sale(&parts);
        assert_eq!(sale.facts, []);
        assert_eq!(sale.reads, [("order".to_owned(), "O1".to_owned())]);
        assert_eq!(sale.waiting.map(|waiting| waiting.word()), Some("order"));
        assert!(sale.standing.amount.is_some(), "the amount that waits is shown");
    }
}

/// The journal knows, the books wait: the sub-ledger is the same as with the mapping.
#[test]
fn a_missing_mapping_holds_commands_only() {
    let mut goods = line("A1", 2, "50.00");
    goods.taxes = vec![tax("0.08", "8.00")];
    goods.discounts = vec![discount(Funder::Merchant, "10.00")];
    for included_ in [false, true] {
        let mut order = order(vec![goods.clone()], Vec::new());
        if included_ {
            order = included(order);
        }
        let total = text(order.total);
        let back = refund_line("A1", 1, "45.00", "4.00", Restock::None);
        let back = refund_of("R1", included_, vec![back], Vec::new(), &["b1"]);
        let documents = [order.into(), paid("card", &total), back.into()];
        let whole = Given::default().sale(&documents);
        assert_eq!(whole.waiting, None);

        let mut given = Given::default();
        let mapping = given.mapping.as_mut().expect("a mapping");
        mapping.taxes.clear();
        mapping.products.clear();
        mapping.service_products.clear();
        mapping.accounts.clear();
        let held = given.sale(&documents);
        assert_eq!(held.waiting.as_ref().map(|waiting| waiting.word()), Some("mapping"));
        assert_eq!(commands(&held.facts).count(), 0);
        assert_eq!(held.shared, []);
        assert_eq!(net([&held]), net([&whole]), "taxes included: {included_}");
        assert_eq!(items(&held), items(&whole));
    }
}

#[test]
fn without_any_mapping_the_channel_still_states_its_side() {
    let given = Given { mapping: None, ..Given::default() };
    let sale = given.sale(&sold_and_paid());
    assert_eq!(sale.waiting.as_ref().map(|waiting| waiting.word()), Some("mapping"));
    assert_eq!(
        items(&sale),
        [
            "document order/shop/O1 108.00",
            "document_tax tax/order/shop/O1 8.00",
            "capture capture_tender/shop/p1 108.00",
        ]
    );
}

#[test]
fn what_is_missing_is_named_once() {
    let mut one = line("X1", 1, "10.00");
    one.taxes = vec![tax("0.21", "2.10")];
    let two = line("X2", 1, "10.00");
    let order = order(vec![one, two], Vec::new());
    let sale = Given::default().sale(&[order.into(), paid("bitcoin", "22.10")]);
    assert_eq!(
        sale.waiting.map(|waiting| waiting.to_string()).unwrap_or_default(),
        "the mapping lacks: the SKU `X` has no product; the tax `tax 0.21` at 0.21 has no tax in \
         the books; the gateway `bitcoin` has no journal"
    );
}

#[test]
fn a21_test_orders_are_shown_and_never_booked() {
    let order = Order { test: true, ..two_units() };
    check(&Given::default().sale(&[order.into(), paid("card", "108.00")]), "test");
    let mut payment = payment("p1", PaymentKind::Sale, "card", "108.00");
    payment.test = true;
    let sale = Given::default().sale(&[two_units().into(), payment.into()]);
    assert_eq!(net([&sale]).get(&Role::Clearing), None);
}

#[test]
fn e4_more_refunded_than_captured() {
    let mut documents = sold_and_paid();
    documents.push(paid_back("b1", "R1", "card", "60.00"));
    documents.push(paid_back("b2", "R1", "card", "60.00"));
    let sale = Given::default().sale(&documents);
    assert!(words(&sale).contains(&"break over_refund 12.00".to_owned()), "{:?}", words(&sale));
    // Also where nothing was captured at all.
    let pending = Order { payment_standing: PaymentStanding::Pending, ..two_units() };
    let sale = Given::default().sale(&[pending.into(), paid_back("b1", "R1", "card", "60.00")]);
    assert!(words(&sale).contains(&"break over_refund 60.00".to_owned()), "{:?}", words(&sale));
    // What only waits for its payments is no over-refund yet.
    let sale = Given::default().sale(&[two_units().into(), paid_back("b1", "R1", "card", "60.00")]);
    assert_eq!(sale.breaks, []);
}

#[test]
fn e25_paid_twice() {
    let mut documents = sold_and_paid();
    documents.push(payment("p2", PaymentKind::Sale, "card", "108.00").into());
    let sale = Given::default().sale(&documents);
    assert!(words(&sale).contains(&"break overpaid 108.00".to_owned()), "{:?}", words(&sale));
    assert_eq!(net([&sale]).get(&Role::Receivable), Some(&-10800), "a liability to the customer");
}

#[test]
fn d2_an_order_that_does_not_add_up_is_held() {
    let mut order = two_units();
    order.total = money("108.01");
    check(
        &Given::default().sale(&[order.into(), paid("card", "108.01")]),
        "held
         break order_contradicts_itself 108.01",
    );
}

#[test]
fn b23_the_customer_comes_first_and_is_shared() {
    let buyer = Buyer { id: Some("77".to_owned()), ..Buyer::default() };
    let order = Order { buyer: Some(buyer), ..two_units() };
    let sale = Given::default().sale(&[order.into(), paid("card", "108.00")]);
    let roots: Vec<&str> = sale.shared.iter().map(|shared| shared.root.as_str()).collect();
    assert_eq!(roots, ["shop/customer/77"]);
    let needing = sale.facts.iter().filter(|fact| match &fact.content {
        FactContent::Command(command) => command.after.iter().any(|after| after.role == "customer"),
        FactContent::Entry(_) | FactContent::Item(_) | FactContent::Units(_) => false,
    });
    let kinds: Vec<&str> = needing.map(|fact| fact.key.kind.as_str()).collect();
    assert_eq!(kinds, ["order", "invoice", "payment"]);
}

#[test]
fn an_order_on_terms_carries_the_customers_own_reference_and_its_due_day() {
    let order = Order {
        customer_reference: Some("PO-4711".to_owned()),
        due_on: Some("2026-07-15".parse().expect("a day")),
        payment_standing: PaymentStanding::Pending,
        ..two_units()
    };
    let sale = Given::default().sale(&[order.into()]);
    let mut told = Vec::new();
    for (_, content) in commands(&sale.facts) {
        match content {
            Content::Order(it) => told.push((it.reference.as_str(), &it.customer_reference, None)),
            Content::Invoice(it) => {
                told.push((it.reference.as_str(), &it.customer_reference, it.due_on));
            }
            _ => {}
        }
    }
    let own = Some("PO-4711".to_owned());
    let due = Some("2026-07-15".parse().expect("a day"));
    assert_eq!(told, [("#1001", &own, None), ("#1001", &own, due)]);
}

/// What was booked before these words were known keeps its name, so that no upgrade books anew.
#[test]
fn what_an_order_does_not_say_is_not_written() {
    let buyer = Buyer { id: Some("77".to_owned()), ..Buyer::default() };
    let order = Order { buyer: Some(buyer), ..two_units() };
    let mut written = Document::from(order.clone()).to_json();
    for fact in Given::default().sale(&[order.into()]).facts {
        written.push_str(&fact.content_json());
    }
    for word in ["customer_reference", "due_on", "vat_number"] {
        assert!(!written.contains(word), "{word} is written without a value");
    }
}

#[test]
fn due_days_skip_the_weekend() {
    // 2026-06-19 is a Friday.
    let order = Order { placed_at: at("2026-06-19T23:30:00Z"), ..two_units() };
    let sale = Given::default().sale(&[order.into()]);
    let due = sale.facts.iter().find_map(|fact| match &fact.content {
        FactContent::Item(item) => item.due,
        FactContent::Entry(_) | FactContent::Units(_) | FactContent::Command(_) => None,
    });
    assert_eq!(due, Some(jiff::civil::date(2026, 6, 22)));
}

#[test]
fn before_the_start_the_books_are_somebody_elses() {
    let given = Given { since: at("2026-07-01T00:00:00Z"), ..Given::default() };
    let back = refund(vec![refund_line("A1", 1, "50.00", "4.00", Restock::None)], Vec::new());
    let mut documents = sold_and_paid();
    documents.extend([back.into(), paid_back("b1", "R1", "card", "54.00")]);
    let sale = given.sale(&documents);
    check(&sale, "before_start\nbreak refund_before_start 54.00");
    assert_eq!(items(&sale), ["refund_paid refund_paid/stripe/ch_b1 54.00"]);
    // Sold before, and paid after: the provider's row is explained, too.
    let mut late = payment("p1", PaymentKind::Capture, "card", "108.00");
    late.processed_at = at("2026-07-02T00:00:00Z");
    let sale = given.sale(&[two_units().into(), late.into()]);
    check(&sale, "before_start\nbreak capture_before_start 108.00");
    assert_eq!(items(&sale), ["capture capture/stripe/ch_p1 108.00"]);
}

#[test]
fn a_deleted_order_without_money_is_no_sale() {
    let gone =
        trueup_domain::document::Deletion { id: "order/O1".to_owned(), version: None, order: None };
    let gone = Document::from(gone);
    assert_eq!(gone.root(), Document::from(two_units()).root(), "decided with its order");
    let pending = Order { payment_standing: PaymentStanding::Pending, ..two_units() };
    check(&Given::default().sale(&[pending.into(), gone]), "deleted");
}

#[test]
fn the_business_date_is_the_entitys() {
    // Half past one at night in Greenwich is the evening before in New York.
    let order = Order { placed_at: at("2026-07-01T01:30:00Z"), ..two_units() };
    for (time_zone, day) in [("UTC", 1), ("America/New_York", 30)] {
        let given = Given { time_zone, ..Given::default() };
        let sale = given.sale(&[order.clone().into()]);
        let date = crate::world::entries(&sale.facts).next().map(|entry| entry.date);
        assert_eq!(date.map(|date| date.day()), Some(day), "{time_zone}");
    }
}

#[test]
fn a_marketplace_settles_in_parts_and_weeks_later() {
    let order = order(vec![line("A1", 2, "10.00")], Vec::new());
    let mut taken = payment("m1", PaymentKind::Sale, "card", "20.00");
    let channel = |taken: &trueup_domain::document::Payment| {
        let sale = Given::default().sale(&[order.clone().into(), taken.clone().into()]);
        let mut items = sale.facts.iter().filter_map(|fact| match &fact.content {
            FactContent::Item(item) if item.key.starts_with("capture/") => Some(item.clone()),
            _ => None,
        });
        items.next_back().expect("a capture")
    };
    let by_card = channel(&taken);
    assert_eq!(by_card.hints.len(), 1);
    taken.tender = Tender::Marketplace;
    let by_marketplace = channel(&taken);
    assert_eq!(by_marketplace.key, by_card.key);
    assert_eq!(by_marketplace.hints.last().map(String::as_str), Some(IN_PARTS));
    assert!(by_marketplace.due > by_card.due);
}

/// One code is one product, to the letter; what only looks like it waits for a person.
#[test]
fn d15_a_sku_that_looks_like_another_is_not_taken_for_it() {
    for (sku, said) in [
        ("a", "the SKU `a` has no product; `A` has one and looks like it"),
        ("\u{410}", "the SKU `\u{410}` has no product; `A` has one and looks like it"),
        ("Q", "the SKU `Q` has no product"),
    ] {
        let mut order = two_units();
        order.lines[0].sku = Some(sku.to_owned());
        let sale = Given::default().sale(&[order.into(), paid("card", "108.00")]);
        let waits = sale.waiting.as_ref().expect("it waits").to_string();
        assert!(waits.contains(said), "{waits}");
        assert!(commands(&sale.facts).all(|(_, content)| content.kind().word() == "payment"));
    }
}

/// Every line is ordered, invoiced and booked, in documents that hold them all.
#[test]
fn b22_an_order_of_ten_thousand_lines_is_sold_whole() {
    let sold = |count: usize| {
        let lines = (0..count).map(|number| {
            let mut line = line(&format!("A{number}"), 3, "19.99");
            line.taxes = vec![tax("0.08", "4.80")];
            line
        });
        let order = order(lines.collect(), Vec::new());
        let total = order.total.amount_text();
        let sale = Given::default().sale(&[order.clone().into(), paid("card", &total)]);
        (order, sale)
    };
    let (order, sale) = sold(10_000);
    assert_eq!(sale.breaks, []);
    let mut seen = 0;
    for (_, content) in commands(&sale.facts) {
        let lines = document_lines(content);
        if lines.is_empty() {
            continue;
        }
        seen += 1;
        assert_eq!(lines.len(), 10_000, "{}", content.kind().word());
        assert_eq!(content.total(), Some(order.total));
    }
    assert_eq!(seen, 2, "an order and an invoice");
    let sums = net([&sale]);
    assert_eq!(sums.get(&Role::Receivable), None);
    assert_eq!(sums.get(&Role::Sales), Some(&-(10_000 * 3 * 1999)));
    let ledger: Vec<Written> = written(&sale);
    assert_eq!(difference(&ledger, sale.facts), [], "and decided again it is the same");
}
