//! Who sent a webhook: `X-Shopify-Hmac-Sha256` over the raw bytes.
//!
//! Shopify signs no time, so a delivery cannot be too old; repeating one is harmless, because its
//! delivery id is kept. The id is `X-Shopify-Webhook-Id`, which is stable over retries.
//! `X-Shopify-Event-Id` would be wrong: all deliveries caused by one act of the merchant share it,
//! and a refund would be dropped as a repetition of the order's update.

use jiff::Timestamp;
use trueup_connect::webhook::{Authentic, SignedDelivery, body_signature};
use trueup_connect::{Delivery, NotAuthentic, Secret, Webhooks};

pub static WEBHOOKS: Webhooks = Webhooks { authenticate, sign };

const SIGNATURE: &str = "x-shopify-hmac-sha256";
const DELIVERY_ID: &str = "x-shopify-webhook-id";
const TOPIC: &str = "x-shopify-topic";
const SHOP: &str = "x-shopify-shop-domain";

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
        account: delivery.stated(SHOP).map(|shop| shop.to_ascii_lowercase()),
    })
}

fn sign(delivery: &SignedDelivery<'_>) -> Vec<(String, String)> {
    let signature = body_signature::sign(delivery.body, delivery.secret);
    [
        ("content-type", "application/json"),
        (TOPIC, delivery.kind),
        (SHOP, delivery.account),
        (DELIVERY_ID, delivery.source_id),
        ("x-shopify-api-version", crate::API_VERSION),
        ("x-shopify-triggered-at", &delivery.now.to_string()),
        (SIGNATURE, &signature),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":820982911946154508,"total_price":"403.00"}"#;

    fn headers(signature: &str) -> Vec<(String, String)> {
        [
            (SIGNATURE, signature),
            (DELIVERY_ID, "wh-1"),
            ("x-shopify-event-id", "ev-1"),
            (TOPIC, "orders/create"),
            (SHOP, "Some-Shop.myshopify.com"),
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
    fn the_recorded_signature_is_accepted_with_any_live_secret() {
        let recorded = "gHDQy76+38chKmG/hW2suoASSgJPriCh7sYbzaB7OQI=";
        let authentic = check(&headers(recorded), BODY, &["new", "hush"]).expect("authentic");
        assert_eq!(authentic.source_id, "wh-1");
        assert_eq!(authentic.kind, "orders/create");
        assert_eq!(authentic.account.as_deref(), Some("some-shop.myshopify.com"));
    }

    #[test]
    fn every_flipped_bit_and_every_missing_part_is_refused() {
        let good = headers("gHDQy76+38chKmG/hW2suoASSgJPriCh7sYbzaB7OQI=");
        for bit in 0..BODY.len() * 8 {
            let mut body = BODY.to_vec();
            body[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&good, &body, &["hush"]), Err(NotAuthentic::WrongSignature));
        }
        assert_eq!(check(&good, BODY, &[]), Err(NotAuthentic::NoSecret));
        assert_eq!(check(&good, BODY, &[""]), Err(NotAuthentic::NoSecret));
        assert_eq!(check(&good, BODY, &["hus"]), Err(NotAuthentic::WrongSignature));
        assert_eq!(check(&good[1..], BODY, &["hush"]), Err(NotAuthentic::NotSigned));
        assert_eq!(check(&headers("%%%"), BODY, &["hush"]), Err(NotAuthentic::Malformed));
        assert_eq!(check(&headers(""), BODY, &["hush"]), Err(NotAuthentic::WrongSignature));
        let without_id: Vec<_> =
            good.iter().filter(|(name, _)| name != DELIVERY_ID).cloned().collect();
        assert_eq!(check(&without_id, BODY, &["hush"]), Err(NotAuthentic::NoDeliveryId));
    }

    #[test]
    fn what_the_empty_secret_signs_is_refused() {
        let secret = Secret::new("");
        let signed = sign(&SignedDelivery {
            kind: "orders/create",
            source_id: "wh-1",
            account: "shop",
            body: BODY,
            secret: &secret,
            now: Timestamp::UNIX_EPOCH,
        });
        assert_eq!(check(&signed, BODY, &["", "hush"]), Err(NotAuthentic::WrongSignature));
    }

    #[test]
    fn what_is_signed_is_authentic() {
        let secret = Secret::new("hush");
        let signed = sign(&SignedDelivery {
            kind: "refunds/create",
            source_id: "wh-7",
            account: "shop.myshopify.com",
            body: BODY,
            secret: &secret,
            now: Timestamp::UNIX_EPOCH,
        });
        let authentic = check(&signed, BODY, &["hush"]).expect("authentic");
        assert_eq!(authentic.source_id, "wh-7");
        assert_eq!(authentic.kind, "refunds/create");
    }
}
