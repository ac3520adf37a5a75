//! The watch over webhook endpoints (A8).

use trueup_connect::message::Subscription;
use trueup_connect::watch::{DELIVERY_URL, KEEP, WATCHED};
use trueup_connect::{CallError, Decoded, Message};
use trueup_stripe::sandbox::{Endpoint, Fault};
use trueup_stripe::{CONNECTOR, StripeSandbox};

use crate::drive::{Talk, eur};

const OURS: &str = "https://hub.example.com/in/stripe";

fn endpoint(id: &str, url: &str, enabled: bool, events: &[&str]) -> Endpoint {
    let events = events.iter().map(|event| (*event).to_owned()).collect();
    Endpoint { id: id.to_owned(), url: url.to_owned(), enabled, events }
}

fn look(stripe: &mut StripeSandbox, keeps: bool) -> Result<Vec<Subscription>, CallError> {
    let mut talk = Talk::new(stripe);
    talk.settings.0.insert(DELIVERY_URL.to_owned(), OURS.to_owned());
    if keeps {
        talk.settings.0.insert(KEEP.to_owned(), "yes".to_owned());
    }
    let outcome = talk.poll("webhooks", None)?;
    let [record] = outcome.records.as_slice() else { panic!("{:?}", outcome.records) };
    assert_eq!(record.kind, WATCHED);
    let message = Message { kind: &record.kind, body: &record.body };
    match (CONNECTOR.decode)(&message) {
        Ok(Decoded::Subscriptions(found)) => Ok(found),
        other => panic!("{other:?}"),
    }
}

fn account() -> StripeSandbox {
    let mut stripe = StripeSandbox::new("acct_1", eur());
    for number in 0..3 {
        let url = format!("https://other.example.com/{number}");
        stripe.put_endpoint(endpoint(&format!("we_{number}"), &url, false, &["*"]));
    }
    stripe
}

#[test]
fn a8_an_endpoint_that_is_on_brings_every_event() {
    let mut stripe = account();
    stripe.put_endpoint(endpoint("we_own", OURS, true, &["*"]));
    let found = look(&mut stripe, false).expect("read");
    assert!(found.len() > 10 && found.iter().all(|it| it.active && !it.restored), "{found:?}");
}

#[test]
fn a8_an_endpoint_that_is_off_or_lacks_an_event_is_told_and_kept_where_wanted() {
    for (enabled, events) in [(false, &["*"][..]), (true, &["payout.paid", "invoice.paid"][..])] {
        let mut stripe = account();
        stripe.put_endpoint(endpoint("we_own", OURS, enabled, events));
        let told = look(&mut stripe, false).expect("read");
        let off = told.iter().filter(|it| !it.active).count();
        assert!(off >= told.len() - 1, "{told:?}");
        let kept = look(&mut stripe, true).expect("read");
        assert!(kept.iter().all(|it| it.active), "{kept:?}");
        assert!(kept.iter().any(|it| it.restored), "{kept:?}");
        let again = look(&mut stripe, true).expect("read");
        assert!(again.iter().all(|it| it.active && !it.restored), "nothing is left to do");
        if enabled {
            let mut talk = Talk::new(&mut stripe);
            talk.settings.0.insert(DELIVERY_URL.to_owned(), OURS.to_owned());
            let body = format!("{:?}", talk.stripe);
            assert!(body.contains("invoice.paid"), "what somebody else wanted stays");
        }
    }
}

#[test]
fn a8_an_endpoint_that_is_gone_is_told_and_not_made() {
    let mut stripe = account();
    let found = look(&mut stripe, true).expect("read");
    assert!(found.iter().all(|it| !it.active && it.status == "missing"), "{found:?}");
}

#[test]
fn b13_a_key_that_may_not_read_endpoints_stops_this_look_only() {
    let mut stripe = account();
    stripe.fault_next(Fault::Forbidden);
    let error = look(&mut stripe, false).expect_err("it may not");
    assert!(matches!(error, CallError::Denied { .. }), "{error:?}");
}

#[test]
fn nothing_is_asked_where_the_address_is_not_known() {
    let mut stripe = account();
    let mut talk = Talk::new(&mut stripe);
    let outcome = talk.poll("webhooks", None).expect("done");
    assert_eq!((outcome.records.len(), talk.requests), (0, 0));
}
