//! Histories of the played shop: what it pushes and what it answers say the same, and adds up.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{Decoded, Request, Settings, conformance};
use trueup_domain::document::{
    Document, Kind, Payment, PaymentStanding, PaymentStatus, Refund, Restock,
};
use trueup_domain::money::{Currency, Money};
use trueup_woocommerce::CONNECTOR;
use trueup_woocommerce::sandbox::{NewFee, NewLine, NewOrder, NewRefund, Refusal, WooSandbox};

use crate::drive::{at, decode, eur, money, mugs, poll, shop};

fn refunds(documents: &[Document]) -> Vec<&Refund> {
    let some = documents.iter().filter_map(|document| match document {
        Document::Refund(refund) => Some(refund.as_ref()),
        _ => None,
    });
    some.collect()
}

fn payments(documents: &[Document]) -> Vec<&Payment> {
    let some = documents.iter().filter_map(|document| match document {
        Document::Payment(payment) => Some(payment.as_ref()),
        _ => None,
    });
    some.collect()
}

/// Two lines with a coupon, shipping, a fee and one below zero, at two rates.
fn mixed(shop: &mut WooSandbox) -> NewOrder {
    let full = shop.rate("MwSt", Decimal::from(19));
    let half = shop.rate("MwSt", Decimal::from(7));
    let line = |sku: &str, quantity, unit, discount, rate| NewLine {
        sku: sku.to_owned(),
        title: format!("goods {sku}"),
        quantity,
        unit,
        discount,
        rates: vec![rate],
    };
    let fee = |title: &str, amount| NewFee { title: title.to_owned(), amount, rates: vec![full] };
    NewOrder {
        lines: vec![line("CUP-1", 3, 1_299, 585, full), line("BOOK-2", 1, 999, 150, half)],
        shipping: Some((412, vec![full])),
        fees: vec![fee("Gift wrap", 400), fee("Loyalty", -250)],
        coupon: Some("herbst15".to_owned()),
        method: "stripe".to_owned(),
        buyer: None,
    }
}

/// Every document that a push states is stated by the poll in the same words.
fn agree(shop: &mut WooSandbox) {
    let pushes = shop.take_deliveries();
    let mut polled = poll(shop, "orders");
    polled.extend(poll(shop, "trash"));
    for push in pushes {
        match decode(&push.kind, &push.body) {
            Decoded::Documents(stated) => {
                let order = stated[0].external_id().to_owned();
                for document in &stated {
                    assert!(polled[&order].contains(document), "{} {document:?}", push.kind);
                }
            }
            Decoded::Hints(hints) => assert!(polled.contains_key(&hints[0].external_id)),
            other => panic!("{} {other:?}", push.kind),
        }
    }
    let all: Vec<Document> = polled.values().flatten().cloned().collect();
    let mut ask = |request: &Request| shop.handle(request, at(86_400));
    let window = (at(-60), at(86_400));
    conformance::lists(&CONNECTOR, &Settings::default(), &mut ask, &all, window);
    for stated in polled.values() {
        for document in stated {
            if let Document::Order(order) = document {
                assert_eq!(order.check(), Ok(()));
            }
        }
    }
}

#[test]
fn d18_orders_add_up_whatever_their_prices_contain() {
    for (code, included) in [("EUR", true), ("EUR", false), ("JPY", true), ("KWD", false)] {
        let currency = Currency::parse(code).expect("a currency");
        let mut shop = WooSandbox::new("shop.example.com", currency, included);
        let new = mixed(&mut shop);
        let id = shop.place(new, at(0)).expect("placed");
        agree(&mut shop);
        shop.pay(&id, "ch_1", at(10)).expect("paid");
        agree(&mut shop);
        let part = NewRefund { lines: vec![(0, 1)], shipping: true, ..NewRefund::default() };
        shop.refund(&id, &part, at(20)).expect("refunded");
        agree(&mut shop);
        shop.refund(&id, &NewRefund::default(), at(30)).expect("refunded");
        agree(&mut shop);
        let documents = &poll(&mut shop, "orders")[&id];
        let Document::Order(order) = &documents[0] else { panic!("an order") };
        assert_eq!(order.payment_standing, PaymentStanding::Refunded);
        let refunds = refunds(documents);
        let given_back = Money::sum(currency, refunds.iter().map(|one| one.total));
        assert_eq!(given_back, Ok(order.total), "{code} {included}");
        // What was left was named line by line, to the last cent of tax.
        let tax = refunds.iter().flat_map(|one| {
            let of_lines = one.lines.iter().map(|line| line.tax);
            of_lines.chain(one.adjustments.iter().map(|adjustment| adjustment.tax))
        });
        assert_eq!(Money::sum(currency, tax), order.total_tax(), "{code} {included}");
    }
}

/// A created order is told only when the site's schedule runs; by then it has its whole life.
#[test]
fn a4_an_order_that_is_created_already_refunded() {
    let mut shop = shop();
    let id = shop.place(mugs(2), at(0)).expect("placed");
    shop.pay(&id, "ch_1", at(10)).expect("paid");
    shop.refund(&id, &NewRefund::default(), at(20)).expect("refunded");
    let pushes = shop.take_deliveries();
    let kinds: Vec<&str> = pushes.iter().map(|push| push.kind.as_str()).collect();
    assert_eq!(kinds, ["order.created", "order.updated"], "four changes are two deliveries");
    assert_eq!(pushes[0].body, pushes[1].body);
    let Decoded::Hints(hints) = decode(&pushes[0].kind, &pushes[0].body) else { panic!("a hint") };
    assert_eq!(hints[0].external_id, id);
}

#[test]
fn a2_deliveries_of_one_second_share_their_id() {
    let mut shop = shop();
    shop.place(mugs(1), at(0)).expect("placed");
    shop.place(mugs(2), at(0)).expect("placed");
    let pushes = shop.take_deliveries();
    assert_eq!(pushes[0].source_id, pushes[1].source_id);
    assert_ne!(pushes[0].body, pushes[1].body);
}

#[test]
fn an_order_deleted_before_it_was_told_of_is_ignored() {
    let mut shop = shop();
    let id = shop.place(mugs(1), at(0)).expect("placed");
    shop.delete_for_good(&id).expect("deleted");
    let pushes = shop.take_deliveries();
    assert!(matches!(decode(&pushes[0].kind, &pushes[0].body), Decoded::Ignored(_)));
}

#[test]
fn the_money_of_a_refund_is_moved_pending_or_by_hand() {
    let check = |method: &str, gateway: Option<&str>, expected: PaymentStatus| {
        let mut shop = shop();
        let new = NewOrder { method: method.to_owned(), ..mugs(2) };
        let id = shop.place(new, at(0)).expect("placed");
        shop.pay(&id, "t_1", at(1)).expect("paid");
        let gateway = gateway.map(str::to_owned);
        let one = NewRefund { lines: vec![(0, 1)], gateway: gateway.clone(), ..Default::default() };
        shop.refund(&id, &one, at(2)).expect("refunded");
        let documents = &poll(&mut shop, "orders")[&id];
        let back = payments(documents)[1];
        assert_eq!((back.status, back.provider_id.clone()), (expected, gateway), "{method}");
        assert_eq!(back.amount, money("10.00"));
        assert_eq!(refunds(documents)[0].transactions, std::slice::from_ref(&back.id));
    };
    check("stripe", Some("re_1"), PaymentStatus::Succeeded);
    check("stripe", None, PaymentStatus::Pending);
    check("bacs", None, PaymentStatus::Succeeded);
    check("cod", None, PaymentStatus::Succeeded);
}

/// The order notes only the name of its last refund. The first one's is lost with the second, and
/// what was known of it is the higher version.
#[test]
fn the_name_of_a_first_refund_outlives_the_second() {
    let mut shop = shop();
    let id = shop.place(mugs(3), at(0)).expect("placed");
    shop.pay(&id, "ch_1", at(1)).expect("paid");
    let one = |name: &str| NewRefund {
        lines: vec![(0, 1)],
        gateway: Some(name.to_owned()),
        ..NewRefund::default()
    };
    shop.refund(&id, &one("re_1"), at(2)).expect("refunded");
    let before = poll(&mut shop, "orders");
    shop.refund(&id, &one("re_2"), at(3)).expect("refunded");
    let after = poll(&mut shop, "orders");
    let first = |all: &BTreeMap<String, Vec<Document>>| payments(&all[&id])[1].clone();
    assert_eq!(first(&before).provider_id.as_deref(), Some("re_1"));
    assert_eq!(first(&after).provider_id, None);
    assert_eq!(first(&before).id, first(&after).id);
    assert!(first(&before).version > first(&after).version);
}

#[test]
fn units_go_back_to_stock_or_not() {
    let mut shop = shop();
    let id = shop.place(mugs(3), at(0)).expect("placed");
    shop.pay(&id, "ch_1", at(1)).expect("paid");
    let one = |restock| NewRefund { lines: vec![(0, 1)], restock, ..NewRefund::default() };
    shop.refund(&id, &one(true), at(2)).expect("refunded");
    shop.refund(&id, &one(false), at(3)).expect("refunded");
    let documents = &poll(&mut shop, "orders")[&id];
    let restock: Vec<Restock> =
        refunds(documents).iter().map(|refund| refund.lines[0].restock).collect();
    assert_eq!(restock, [Restock::Returned, Restock::None]);
}

#[test]
fn a_trashed_order_that_comes_back_is_a_sale_again() {
    let mut shop = shop();
    let id = shop.place(mugs(1), at(0)).expect("placed");
    shop.trash(&id, at(1)).expect("trashed");
    let trashed = poll(&mut shop, "trash");
    shop.pay(&id, "ch_1", at(2)).expect("restored and paid");
    let back = poll(&mut shop, "orders");
    assert!(back[&id][0].version() > trashed[&id][0].version());
    assert_eq!(
        back[&id].iter().map(Document::kind).collect::<Vec<_>>(),
        [Kind::Order, Kind::Payment]
    );
}

#[test]
fn the_shop_refuses_what_cannot_be() {
    let mut shop = WooSandbox::new("shop.example.com", eur(), false);
    let id = shop.place(mugs(1), at(0)).expect("placed");
    let two = NewRefund { lines: vec![(0, 2)], ..NewRefund::default() };
    assert_eq!(shop.refund(&id, &two, at(1)), Err(Refusal::TooMuch));
    let dear = NewRefund { amount: Some(100_000), ..NewRefund::default() };
    assert_eq!(shop.refund(&id, &dear, at(1)), Err(Refusal::TooMuch));
    let other = NewRefund { lines: vec![(7, 1)], ..NewRefund::default() };
    assert_eq!(shop.refund(&id, &other, at(1)), Err(Refusal::UnknownLine));
    assert_eq!(shop.pay("999", "ch_1", at(1)), Err(Refusal::UnknownOrder));
}
