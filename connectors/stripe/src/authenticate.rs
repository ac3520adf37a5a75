//! The `Stripe-Signature` header: `t=<seconds>,v1=<hex>[,v1=<hex>…]`, an HMAC-SHA256 over
//! `<t>.<body>` with the endpoint's secret as it is written (never base64-decoded).

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use trueup_connect::webhook::{Authentic, SignedDelivery};
use trueup_connect::{Delivery, NotAuthentic, Secret};

pub const HEADER: &str = "stripe-signature";

/// Stripe's own libraries refuse what is older; Trueup bounds the future as well, so that a
/// captured delivery with a far date cannot be kept for later.
const TOLERANCE_S: i64 = 300;

/// Stripe sends one signature per live secret, which are two during a roll.
const SIGNATURES_MAX: usize = 16;

const DIGEST_BYTES: usize = 32;

pub fn authenticate(
    delivery: &Delivery<'_>,
    secrets: &[Secret],
    now: Timestamp,
) -> Result<Authentic, NotAuthentic> {
    let header = delivery.header(HEADER).ok_or(NotAuthentic::NotSigned)?;
    let Signed { time, seconds, signatures } = read(header)?;
    let mut secrets = secrets.iter().filter(|secret| !secret.is_empty()).peekable();
    if secrets.peek().is_none() {
        return Err(NotAuthentic::NoSecret);
    }

    // Each pair is compared, so that the time taken does not tell which one fits.
    let mut fits = Choice::from(0);
    for secret in secrets {
        let expected = digest(secret, time, delivery.body);
        for given in &signatures {
            fits |= expected.ct_eq(given);
        }
    }
    if !bool::from(fits) {
        return Err(NotAuthentic::WrongSignature);
    }
    let age = now.as_second().checked_sub(seconds).ok_or(NotAuthentic::Stale)?;
    if !(-TOLERANCE_S..=TOLERANCE_S).contains(&age) {
        return Err(NotAuthentic::Stale);
    }

    let event: Event =
        serde_json::from_slice(delivery.body).map_err(|_| NotAuthentic::NoDeliveryId)?;
    if event.id.is_empty() {
        return Err(NotAuthentic::NoDeliveryId);
    }
    Ok(Authentic { source_id: event.id, kind: event.kind, account: event.account })
}

pub fn sign(delivery: &SignedDelivery<'_>) -> Vec<(String, String)> {
    let time = delivery.now.as_second().to_string();
    let signature = hex::encode(digest(delivery.secret, &time, delivery.body));
    vec![
        ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
        (HEADER.to_owned(), format!("t={time},v1={signature}")),
    ]
}

/// The little of an event that the inbox needs.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    /// Set on events of connected accounts only.
    #[serde(default)]
    account: Option<String>,
}

struct Signed<'a> {
    /// The text that was signed; a number may be written in more than one way.
    time: &'a str,
    seconds: i64,
    signatures: Vec<[u8; DIGEST_BYTES]>,
}

fn read(header: &str) -> Result<Signed<'_>, NotAuthentic> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let (scheme, value) = part.trim().split_once('=').ok_or(NotAuthentic::Malformed)?;
        match scheme {
            "t" if time.is_some() => return Err(NotAuthentic::Malformed),
            "t" => time = Some(value),
            // Other schemes, such as v0 of test deliveries, prove nothing; nor does what is not hex.
            "v1" if signatures.len() < SIGNATURES_MAX => {
                let mut bytes = [0; DIGEST_BYTES];
                if hex::decode_to_slice(value, &mut bytes).is_ok() {
                    signatures.push(bytes);
                }
            }
            _ => {}
        }
    }
    let time = time.ok_or(NotAuthentic::Malformed)?;
    if !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAuthentic::Malformed);
    }
    let seconds = time.parse().map_err(|_| NotAuthentic::Malformed)?;
    Ok(Signed { time, seconds, signatures })
}

fn digest(secret: &Secret, time: &str, body: &[u8]) -> [u8; DIGEST_BYTES] {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    let mut mac =
        mac.unwrap_or_else(|error| unreachable!("HMAC takes keys of any length: {error}"));
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] =
        br#"{"id":"evt_test_webhook","object":"event","api_version":"2026-07-29.dahlia"}"#;
    const GOOD: &str = "cadf07ed91f4936d8ff1ff79d07eb4e7a632d79f5ed9e3bad66a40671522b13a";
    const SIGNED_AT: i64 = 1_767_225_600;

    fn verdict(header: &str, body: &[u8], secrets: &[&str], at: i64) -> Result<String, String> {
        let headers = [(HEADER.to_owned(), header.to_owned())];
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let now = Timestamp::from_second(at).expect("a moment");
        authenticate(&Delivery { headers: &headers, body }, &secrets, now)
            .map(|authentic| authentic.source_id)
            .map_err(|error| format!("{error:?}"))
    }

    fn check(header: &str, expected: &str) {
        let got = verdict(header, BODY, &["whsec_test_secret"], SIGNED_AT + 10);
        assert_eq!(got.unwrap_or_else(|error| error), expected, "{header}");
    }

    #[test]
    fn signatures_are_read_as_stripe_writes_them() {
        let zeros = "0".repeat(64);
        check(&format!("t={SIGNED_AT},v1={GOOD}"), "evt_test_webhook");
        check(&format!("t={SIGNED_AT},v1={zeros},v1={GOOD}"), "evt_test_webhook");
        check(&format!("t={SIGNED_AT}, v0={zeros}, v1={GOOD}"), "evt_test_webhook");
        check(&format!("v1=nothex,v1={GOOD},t={SIGNED_AT}"), "evt_test_webhook");
        check(&format!("t={SIGNED_AT},v0={GOOD}"), "WrongSignature");
        check(&format!("t={SIGNED_AT},v1={zeros}"), "WrongSignature");
        check(&format!("t={},v1={GOOD}", SIGNED_AT + 1), "WrongSignature");
        check(&format!("t=0{SIGNED_AT},v1={GOOD}"), "WrongSignature");
        check(&format!("t={SIGNED_AT}"), "WrongSignature");
        check(&format!("v1={GOOD}"), "Malformed");
        check(&format!("t={SIGNED_AT},t={SIGNED_AT},v1={GOOD}"), "Malformed");
        check(&format!("t=-5,v1={GOOD}"), "Malformed");
        check(&format!("t={},v1={GOOD}", "9".repeat(30)), "Malformed");
        check("whatever", "Malformed");
        check("", "Malformed");
    }

    #[test]
    fn a10_a_delivery_is_fresh_for_five_minutes_both_ways() {
        let header = format!("t={SIGNED_AT},v1={GOOD}");
        let at = |offset: i64| verdict(&header, BODY, &["whsec_test_secret"], SIGNED_AT + offset);
        assert!(at(300).is_ok());
        assert!(at(-300).is_ok());
        assert_eq!(at(301), Err("Stale".to_owned()));
        assert_eq!(at(-301), Err("Stale".to_owned()));
    }

    #[test]
    fn a12_any_live_secret_proves_and_an_empty_one_never() {
        let header = format!("t={SIGNED_AT},v1={GOOD}");
        let with = |secrets: &[&str]| verdict(&header, BODY, secrets, SIGNED_AT);
        assert!(with(&["whsec_other_test", "whsec_test_secret"]).is_ok());
        assert_eq!(with(&["whsec_other_test"]), Err("WrongSignature".to_owned()));
        assert_eq!(with(&[]), Err("NoSecret".to_owned()));
        assert_eq!(with(&[""]), Err("NoSecret".to_owned()));
        let unsigned = Delivery { headers: &[], body: BODY };
        let secrets = [Secret::new("whsec_test_secret")];
        let now = Timestamp::from_second(SIGNED_AT).expect("a moment");
        assert_eq!(authenticate(&unsigned, &secrets, now), Err(NotAuthentic::NotSigned));
    }

    fn signed(body: &[u8]) -> Result<Authentic, NotAuthentic> {
        let secret = Secret::new("whsec_test_secret");
        let now = Timestamp::from_second(SIGNED_AT).expect("a moment");
        let delivery = SignedDelivery {
            kind: "charge.succeeded",
            source_id: "evt_1",
            account: "acct_1",
            body,
            secret: &secret,
            now,
        };
        let headers = sign(&delivery);
        authenticate(&Delivery { headers: &headers, body }, &[secret], now)
    }

    #[test]
    fn what_we_sign_is_authentic_and_names_its_event() {
        let body =
            br#"{"id":"evt_1","object":"event","type":"charge.succeeded","account":"acct_9"}"#;
        let authentic = Authentic {
            source_id: "evt_1".to_owned(),
            kind: "charge.succeeded".to_owned(),
            account: Some("acct_9".to_owned()),
        };
        assert_eq!(signed(body), Ok(authentic));
        assert_eq!(signed(b"{}"), Err(NotAuthentic::NoDeliveryId));
        assert_eq!(signed(b"not json"), Err(NotAuthentic::NoDeliveryId));
    }

    proptest! {
        #[test]
        fn a11_no_flipped_bit_passes(at in 0_usize..BODY.len(), bit in 0_u32..8) {
            let mut body = BODY.to_vec();
            body[at] ^= 1 << bit;
            let header = format!("t={SIGNED_AT},v1={GOOD}");
            let got = verdict(&header, &body, &["whsec_test_secret"], SIGNED_AT);
            prop_assert_eq!(got, Err("WrongSignature".to_owned()));
        }

        #[test]
        fn no_header_panics(header in ".{0,200}") {
            let _ = verdict(&header, BODY, &["whsec_test_secret"], SIGNED_AT);
        }
    }
}
