//! The scheme of vendors that sign the raw body and nothing else: base64 of HMAC-SHA256, with the
//! secret as it is written for a key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{HEADER_MAX, NotAuthentic};
use crate::settings::Secret;

/// Whether a live secret signs the body as `claimed`; compared in constant time.
pub fn verify(claimed: &str, body: &[u8], secrets: &[Secret]) -> Result<(), NotAuthentic> {
    if claimed.len() > HEADER_MAX {
        return Err(NotAuthentic::Malformed);
    }
    let claimed = STANDARD.decode(claimed.trim()).map_err(|_| NotAuthentic::Malformed)?;
    // An unset secret is an empty one, and anybody can sign with that.
    let mut live = secrets.iter().filter(|secret| !secret.is_empty()).peekable();
    if live.peek().is_none() {
        return Err(NotAuthentic::NoSecret);
    }
    let fits =
        live.any(|secret| mac(secret, body).is_some_and(|mac| mac.verify_slice(&claimed).is_ok()));
    if fits { Ok(()) } else { Err(NotAuthentic::WrongSignature) }
}

/// The signature of a body; empty where nothing can be signed with.
pub fn sign(body: &[u8], secret: &Secret) -> String {
    mac(secret, body).map_or_else(String::new, |mac| STANDARD.encode(mac.finalize().into_bytes()))
}

fn mac(secret: &Secret, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}
