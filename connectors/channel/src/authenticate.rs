//! Standard Webhooks (standardwebhooks.com, 1.0): `webhook-signature` holds
//! `v1,<base64 of HMAC-SHA256>` over `<webhook-id>.<webhook-timestamp>.<body>`, one for each secret
//! of the sender, separated by spaces. A secret is written as `whsec_` and its bytes in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use trueup_connect::webhook::{Authentic, SignedDelivery};
use trueup_connect::{Delivery, NotAuthentic, Secret};

use crate::decode;

pub const ID: &str = "webhook-id";
pub const TIMESTAMP: &str = "webhook-timestamp";
pub const SIGNATURE: &str = "webhook-signature";

/// A delivery that is older, or further in the future, was captured or comes from a wrong clock.
const TOLERANCE_S: i64 = 300;
const SIGNATURES_MAX: usize = 16;
const ID_BYTES_MAX: usize = 200;
const DIGEST_BYTES: usize = 32;

pub fn authenticate(
    delivery: &Delivery<'_>,
    secrets: &[Secret],
    now: Timestamp,
) -> Result<Authentic, NotAuthentic> {
    let signatures = delivery.header(SIGNATURE).ok_or(NotAuthentic::NotSigned)?;
    let id = delivery.header(ID).filter(|id| !id.is_empty()).ok_or(NotAuthentic::NoDeliveryId)?;
    let time = delivery.header(TIMESTAMP).ok_or(NotAuthentic::Malformed)?;
    if !is_id(id) || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAuthentic::Malformed);
    }
    let seconds: i64 = time.parse().map_err(|_| NotAuthentic::Malformed)?;
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(key_of).collect();
    if keys.is_empty() {
        return Err(NotAuthentic::NoSecret);
    }

    // Each pair is compared, so that the time taken does not tell which one fits.
    let given = read(signatures);
    let mut fits = Choice::from(0);
    for key in &keys {
        let expected = digest(key, id, time, delivery.body);
        for signature in &given {
            fits |= expected.ct_eq(signature);
        }
    }
    if !bool::from(fits) {
        return Err(NotAuthentic::WrongSignature);
    }
    let age = now.as_second().checked_sub(seconds).ok_or(NotAuthentic::Stale)?;
    if !(-TOLERANCE_S..=TOLERANCE_S).contains(&age) {
        return Err(NotAuthentic::Stale);
    }
    Ok(Authentic { source_id: id.to_owned(), kind: decode::MESSAGE.to_owned(), account: None })
}

pub fn sign(delivery: &SignedDelivery<'_>) -> Vec<(String, String)> {
    let time = delivery.now.as_second().to_string();
    let key = key_of(delivery.secret).unwrap_or_default();
    let signature = STANDARD.encode(digest(&key, delivery.source_id, &time, delivery.body));
    vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        (ID.to_owned(), delivery.source_id.to_owned()),
        (TIMESTAMP.to_owned(), time),
        (SIGNATURE.to_owned(), format!("v1,{signature}")),
    ]
}

/// A full stop in an id would let one signed text be read in two ways, because full stops separate
/// its parts.
fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
    id.len() <= ID_BYTES_MAX && id.bytes().all(plain)
}

/// The bytes to sign with. A secret without the prefix is taken as it is written; one that has it
/// and is no base64 is none, or a slip of the pen would be signed with.
fn key_of(secret: &Secret) -> Option<Vec<u8>> {
    let key = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.expose().as_bytes().to_vec(),
    };
    (!key.is_empty()).then_some(key)
}

/// Other schemes, such as `v1a` of public keys, prove nothing here; nor does what is no base64.
fn read(header: &str) -> Vec<[u8; DIGEST_BYTES]> {
    let values = header.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let bytes = values.filter_map(|value| STANDARD.decode(value).ok()?.try_into().ok());
    bytes.take(SIGNATURES_MAX).collect()
}

fn digest(key: &[u8], id: &str, time: &str, body: &[u8]) -> [u8; DIGEST_BYTES] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac =
        mac.unwrap_or_else(|error| unreachable!("HMAC takes keys of any length: {error}"));
    for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const MESSAGE_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNED_AT: i64 = 1_614_265_330;
    /// Made with `openssl dgst -sha256 -mac HMAC`, as README.md has it.
    const GOOD: &str = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn verdict(id: &str, time: &str, signature: &str, secrets: &[&str], at: i64) -> String {
        let headers = [(ID, id), (TIMESTAMP, time), (SIGNATURE, signature)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let now = Timestamp::from_second(at).expect("a moment");
        match authenticate(&Delivery { headers: &headers, body: BODY }, &secrets, now) {
            Ok(authentic) => authentic.source_id,
            Err(error) => format!("{error:?}"),
        }
    }

    #[track_caller]
    fn check(signature: &str, expected: &str) {
        let time = SIGNED_AT.to_string();
        assert_eq!(verdict(MESSAGE_ID, &time, signature, &[SECRET], SIGNED_AT + 10), expected);
    }

    #[test]
    fn signatures_are_read_as_the_standard_has_them() {
        let zeros = STANDARD.encode([0; DIGEST_BYTES]);
        check(&format!("v1,{GOOD}"), MESSAGE_ID);
        check(&format!("v1,{zeros} v1,{GOOD}"), MESSAGE_ID);
        check(&format!("v1a,{zeros} v1,nothing v1,{GOOD}"), MESSAGE_ID);
        check(&format!("v1a,{GOOD}"), "WrongSignature");
        check(&format!("v1,{zeros}"), "WrongSignature");
        check(GOOD, "WrongSignature");
        check("", "WrongSignature");
    }

    #[test]
    fn what_was_signed_is_id_time_and_body() {
        let good = format!("v1,{GOOD}");
        let time = SIGNED_AT.to_string();
        let at = |id: &str, time: &str| verdict(id, time, &good, &[SECRET], SIGNED_AT);
        assert_eq!(at("msg_other", &time), "WrongSignature");
        assert_eq!(at(MESSAGE_ID, &(SIGNED_AT + 1).to_string()), "WrongSignature");
        assert_eq!(at(MESSAGE_ID, &format!("0{time}")), "WrongSignature");
        assert_eq!(at("", &time), "NoDeliveryId");
        assert_eq!(at("msg.5", &time), "Malformed");
        assert_eq!(at(&"m".repeat(201), &time), "Malformed");
        assert_eq!(at(MESSAGE_ID, "-5"), "Malformed");
        assert_eq!(at(MESSAGE_ID, ""), "Malformed");
        assert_eq!(at(MESSAGE_ID, &"9".repeat(30)), "Malformed");
    }

    #[test]
    fn a10_a_delivery_is_fresh_for_five_minutes_both_ways() {
        let (good, time) = (format!("v1,{GOOD}"), SIGNED_AT.to_string());
        let at = |offset: i64| verdict(MESSAGE_ID, &time, &good, &[SECRET], SIGNED_AT + offset);
        assert_eq!(at(300), MESSAGE_ID);
        assert_eq!(at(-300), MESSAGE_ID);
        assert_eq!(at(301), "Stale");
        assert_eq!(at(-301), "Stale");
    }

    #[test]
    fn either_of_two_live_secrets_proves_and_none_never() {
        let (good, time) = (format!("v1,{GOOD}"), SIGNED_AT.to_string());
        let with = |secrets: &[&str]| verdict(MESSAGE_ID, &time, &good, secrets, SIGNED_AT);
        assert_eq!(with(&["whsec_b3RoZXI=", SECRET]), MESSAGE_ID);
        assert_eq!(with(&["whsec_b3RoZXI="]), "WrongSignature");
        assert_eq!(with(&["whsec_no base64"]), "NoSecret");
        assert_eq!(with(&["whsec_"]), "NoSecret");
        assert_eq!(with(&[""]), "NoSecret");
        assert_eq!(with(&[]), "NoSecret");
    }
}
