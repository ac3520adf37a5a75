//! Invoices that somebody asks for later.

use trueup_domain::command::{Content, CustomerRef};
use trueup_domain::document::{Buyer, Document, Order, PaymentKind};
use trueup_domain::mapping::{CustomerPolicy, Mapping};
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_hub::{Hub, invoices};

use crate::world::{
    ROOT, approve, at, command, hub, line, mapped, mapping, order, payment, read, settle, since,
    states, write,
};

fn sold_to(buyer: Option<&str>) -> Vec<Document> {
    let buyer = buyer.map(|id| Buyer { id: Some(id.to_owned()), ..Buyer::default() });
    vec![
        Order { buyer, ..order(1, vec![line("A1", "10.00")]) }.into(),
        payment("p1", 1, PaymentKind::Sale, "10.00").into(),
    ]
}

fn ask(hub: &Hub, sale: &str, company: Option<&str>, at_second: i64) -> Result<(), String> {
    let company = company.map(str::to_owned);
    let what = What::Invoice { sale: sale.to_owned(), company, vat_number: Some(" ".to_owned()) };
    let decision = Decision { what, person: "ann".to_owned(), reason: "he wrote".to_owned() };
    let own = hub.clone();
    let taken = write(hub, move |tx| decisions::take(tx, &own, &decision, at(at_second)));
    settle(hub, at_second);
    taken.map(drop).map_err(|refusal| match refusal {
        Refusal::NotApplicable(why) => why,
        other => other.to_string(),
    })
}

/// The customer whom a command names.
fn customer(hub: &Hub, fact: &str) -> CustomerRef {
    match command(hub, fact).expect("asked for").content {
        Content::Order(it) => it.customer,
        Content::Invoice(it) => it.customer,
        Content::Payment(it) => it.customer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invoice_of_its_own_replaces_one_of_all_guests_and_the_order_stays() {
    let hub = mapped();
    states(&hub, &sold_to(None), 1);
    let of_all = CustomerRef::Fixed("7".to_owned());
    assert_eq!(customer(&hub, "invoice/1/1"), of_all);
    assert_eq!(ask(&hub, ROOT, Some("Acme"), 2), Ok(()));
    for fact in ["invoice/1/2", "payment/p1/2"] {
        assert_eq!(customer(&hub, fact), CustomerRef::Bound, "{fact}");
    }
    assert!(command(&hub, "order/1/2").is_none(), "the order stays as it is");
    assert_eq!(customer(&hub, "order/1/1"), of_all);

    // The same again changes nothing; another name does.
    assert_eq!(ask(&hub, ROOT, Some(" Acme "), 3), Ok(()));
    assert!(command(&hub, "invoice/1/3").is_none());
    assert_eq!(ask(&hub, ROOT, Some("Acme Inc"), 4), Ok(()));
    assert_eq!(customer(&hub, "invoice/1/3"), CustomerRef::Bound);
}

#[test]
fn an_invoice_that_is_the_buyers_already_is_not_made_again() {
    let hub = hub();
    let customers = CustomerPolicy::PerBuyer { guests: "guests".to_owned() };
    approve(&hub, Mapping { customers, ..mapping() }, 0);
    states(&hub, &sold_to(Some("b1")), 1);
    let refused = ask(&hub, ROOT, None, 2).expect_err("it is the buyer's");
    assert_eq!(refused, "its invoice is made out to the buyer as it is");
    assert!(ask(&hub, "shop/sale/nobody", None, 3).is_err());
    assert!(ask(&hub, "shop", None, 3).is_err());
    assert!(!read(&hub, |tx| invoices::can_be_asked(tx, "shop/sale/nobody")));
    assert!(read(&hub, |tx| invoices::can_be_asked(tx, ROOT)));

    assert_eq!(ask(&hub, ROOT, Some("Acme"), 4), Ok(()));
    assert!(command(&hub, "invoice/1/2").is_some());
    // Once it was made out to another, the buyer can have it back.
    assert_eq!(ask(&hub, ROOT, None, 5), Ok(()));
    assert!(command(&hub, "invoice/1/3").is_some());
}

#[test]
fn what_has_no_order_yet_gets_no_invoice() {
    let hub = mapped();
    states(&hub, &[payment("p1", 1, PaymentKind::Sale, "10.00").into()], 1);
    let refused = ask(&hub, ROOT, None, 2).expect_err("nothing is known of it");
    assert_eq!(refused, "its order has not come in yet");
}

#[test]
fn what_is_never_booked_gets_no_invoice() {
    let hub = mapped();
    let test = Order { test: true, ..order(1, vec![line("A1", "10.00")]) };
    states(&hub, &[test.into()], 1);
    let refused = ask(&hub, ROOT, Some("Acme"), 2).expect_err("a test");
    assert_eq!(refused, "it is a test order, which is no sale");
    assert!(!read(&hub, |tx| invoices::can_be_asked(tx, ROOT)));

    let hub = since(&mapped(), at(1_000_000));
    states(&hub, &sold_to(None), 1);
    let refused = ask(&hub, ROOT, Some("Acme"), 2).expect_err("somebody else's");
    assert!(refused.starts_with("it was sold before we began to book"), "{refused}");
}
