//! Who sent a webhook: `X-WC-Webhook-Signature` over the raw bytes.
//!
//! WooCommerce signs no time, so a delivery cannot be too old; repeating one is harmless, because
//! it is kept. `X-WC-Webhook-Delivery-ID` alone names no delivery: it is a hash of the webhook and
//! the second, so all that one webhook sends in one second has the same. The hub keeps a delivery
//! by its id *and* its body, which is what tells them apart.

use jiff::Timestamp;
use trueup_connect::webhook::{Authentic, SignedDelivery, body_signature};
use trueup_connect::{Delivery, NotAuthentic, Secret, Webhooks};

pub static WEBHOOKS: Webhooks = Webhooks { authenticate, sign };

/// What the shop is to tell us.
pub const TOPICS: &[&str] = &["order.created", "order.updated", "order.deleted", "order.restored"];

const SIGNATURE: &str = "x-wc-webhook-signature";
const DELIVERY_ID: &str = "x-wc-webhook-delivery-id";
const TOPIC: &str = "x-wc-webhook-topic";
const SOURCE: &str = "x-wc-webhook-source";

fn authenticate(
    delivery: &Delivery<'_>,
    secrets: &[Secret],
    _now: Timestamp,
) -> Result<Authentic, NotAuthentic> {
    let claimed = delivery.header(SIGNATURE).ok_or(NotAuthentic::NotSigned)?;
    body_signature::verify(claimed, delivery.body, secrets)?;
    Ok(Authentic {
        source_id: delivery.stated(DELIVERY_ID).ok_or(NotAuthentic::NoDeliveryId)?,
        kind: delivery.stated(TOPIC).ok_or(NotAuthentic::Malformed)?,
        account: delivery.stated(SOURCE).map(|address| account_of(&address)),
    })
}

/// A shop by its address, which is written with and without its scheme and its last slash.
pub fn account_of(address: &str) -> String {
    let address = address.trim().trim_end_matches('/').to_ascii_lowercase();
    let without = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    without.unwrap_or(&address).to_owned()
}

fn sign(delivery: &SignedDelivery<'_>) -> Vec<(String, String)> {
    let signature = body_signature::sign(delivery.body, delivery.secret);
    let (resource, event) = delivery.kind.split_once('.').unwrap_or((delivery.kind, ""));
    let source = format!("https://{}/", delivery.account);
    [
        ("content-type", "application/json"),
        (SOURCE, source.as_str()),
        (TOPIC, delivery.kind),
        ("x-wc-webhook-resource", resource),
        ("x-wc-webhook-event", event),
        (SIGNATURE, &signature),
        (DELIVERY_ID, delivery.source_id),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by WooCommerce 11.0.1 for this secret and body.
    const SIGNED: &str = "GK/5NvLAAXlo+PZRZwjlqIvY+m3lCZnXrDssWC1el68=";
    const BODY: &[u8] = br#"{"id":27}"#;

    fn headers(signature: &str) -> Vec<(String, String)> {
        [
            (SIGNATURE, signature),
            (DELIVERY_ID, "126746c3687bc2f09328086d87df8656"),
            (TOPIC, "order.created"),
            (SOURCE, "http://Shop.example.com/store/"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn check(
        headers: &[(String, String)],
        body: &[u8],
        secrets: &[&str],
    ) -> Result<Authentic, NotAuthentic> {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        authenticate(&Delivery { headers, body }, &secrets, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_vendors_own_signature_is_accepted_with_any_live_secret() {
        let authentic = check(&headers(SIGNED), BODY, &["new", "trueup-woo-secret"]);
        let authentic = authentic.expect("authentic");
        assert_eq!(authentic.source_id, "126746c3687bc2f09328086d87df8656");
        assert_eq!(authentic.kind, "order.created");
        assert_eq!(authentic.account.as_deref(), Some("shop.example.com/store"));
    }

    /// The signatures and bodies of deliveries that a live shop made.
    #[test]
    fn recorded_deliveries_are_authentic() {
        let recorded: [(&[u8], &str); 4] = [
            (
                include_bytes!("../fixtures/order.created__pending_tax_included.json"),
                "MXIZ+getpUN6JFi3+3xzT1RiMyMAF1ah6HK+q36wW4c=",
            ),
            (
                include_bytes!("../fixtures/order.updated__partly_refunded.json"),
                "fceLcO5Yjyr6tB7IkAvJFXsOOr9G7XfQzi9QBAJep7g=",
            ),
            (
                include_bytes!("../fixtures/order.created__gone_at_delivery.json"),
                "JBZnPF7kGcVdmBNrRbr7ZPYO9CjUgnh5tAXVhHK9RRc=",
            ),
            (
                include_bytes!("../fixtures/order.deleted__trashed.json"),
                "Lnn5PtYavnx6n9ZVaOjXlrE35hiMcA55H0A04u6O6Os=",
            ),
        ];
        for (body, signature) in recorded {
            let verdict = check(&headers(signature), body, &["trueup-woo-secret"]);
            assert!(verdict.is_ok(), "{verdict:?}");
        }
    }

    /// What the shop sends when a webhook is made: a form without a signature.
    #[test]
    fn the_unsigned_ping_is_refused() {
        let headers: Vec<_> =
            headers("").into_iter().filter(|(name, _)| name != SIGNATURE).collect();
        let verdict = check(&headers, b"webhook_id=1", &["trueup-woo-secret"]);
        assert_eq!(verdict, Err(NotAuthentic::NotSigned));
    }

    #[test]
    fn a_shop_is_the_same_however_its_address_is_written() {
        for address in
            ["https://a.example/", "http://A.example", "a.example", " https://a.example//"]
        {
            assert_eq!(account_of(address), "a.example");
        }
        assert_ne!(account_of("https://a.example/de"), "a.example");
    }
}
