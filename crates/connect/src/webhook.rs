//! Webhooks: proof of the sender over the raw bytes, and the delivery's own id.

pub mod body_signature;

use jiff::Timestamp;

use crate::settings::Secret;

/// Longer header values are hostile, not ids.
const HEADER_MAX: usize = 256;

/// A request that claims to come from the vendor. Header names are lower case.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

impl<'a> Delivery<'a> {
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A header that says something short: an id, a topic, an account.
    pub fn stated(&self, name: &str) -> Option<String> {
        let value = self.header(name)?.trim();
        (!value.is_empty() && value.len() <= HEADER_MAX).then(|| value.to_owned())
    }
}

/// What an authentic delivery says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The delivery key (`research/channels.md` §0): stable when the vendor repeats the delivery.
    pub source_id: String,
    /// The kind for [`crate::Message::kind`].
    pub kind: String,
    /// The account the delivery is about (shop domain); the hub compares it with the connection.
    pub account: Option<String>,
}

pub struct Webhooks {
    /// Proves who sent it, in constant time over the raw bytes, with any of the live secrets, and
    /// within the tolerance around `now`. There is no default: forgetting is not accepting.
    pub authenticate: fn(&Delivery<'_>, &[Secret], Timestamp) -> Result<Authentic, NotAuthentic>,
    /// Makes a signed delivery as the vendor does: for the sandbox and for tests.
    pub sign: fn(&SignedDelivery<'_>) -> Vec<(String, String)>,
}

/// What the sandbox signs.
#[derive(Clone, Copy, Debug)]
pub struct SignedDelivery<'a> {
    pub kind: &'a str,
    pub source_id: &'a str,
    pub account: &'a str,
    pub body: &'a [u8],
    pub secret: &'a Secret,
    pub now: Timestamp,
}

/// Why a delivery is refused with 401. The texts say nothing that helps a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    #[error("the delivery is not signed")]
    NotSigned,
    #[error("the signature header cannot be read")]
    Malformed,
    #[error("the signature does not fit the body")]
    WrongSignature,
    #[error("the signature is too old or from the future")]
    Stale,
    #[error("the delivery carries no id")]
    NoDeliveryId,
    #[error("no secret is configured")]
    NoSecret,
}

impl NotAuthentic {
    pub const fn code(self) -> &'static str {
        "TU301"
    }
}
