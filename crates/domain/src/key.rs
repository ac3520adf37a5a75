//! Names made by hashing, so that a rebuild from raw messages gives every row the same name.

use sha2::{Digest, Sha256};

/// The first 32 hex digits of SHA-256 over the parts, each length-prefixed so that no two lists of
/// parts run together.
pub fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = hex::encode(hash.finalize());
    text.truncate(32);
    text
}

/// SHA-256 of a body, as hex.
pub fn body_hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The key of an effect (`DESIGN.md` §9.4): environment / root / fact / generation. No amount,
/// version or hash is ever part of it.
pub fn effect_key(
    environment: &str,
    root: &str,
    kind: &str,
    part: &str,
    generation: u32,
) -> String {
    format!("{environment}/{root}/{kind}/{part}/{generation}")
}
