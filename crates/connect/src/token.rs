//! Credentials that live for a while: how a token is got, and what refuses it.

use crate::call_error::CallError;
use crate::conversation::{Reply, Request};
use crate::settings::{Secret, Settings};

/// How a connector's requests get their token. The hub asks for one before the first request and
/// before it runs out, stores it before it is used, and once more when a reply refuses it.
#[derive(Debug)]
pub struct TokenScheme {
    /// The header that carries the token.
    pub header: &'static str,
    /// The request for a token, with the whole address of its endpoint; `secret` is the
    /// connection's own.
    pub request: fn(&Settings, &Secret) -> Result<Request, CallError>,
    pub read: fn(&Reply) -> Result<Token, CallError>,
    /// Whether a reply refuses the token: then certainly nothing was done.
    pub refuses: fn(&Reply) -> bool,
}

impl PartialEq for TokenScheme {
    /// Schemes are statics: each is itself.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for TokenScheme {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub secret: Secret,
    /// Seconds from the reply.
    pub lives_s: u32,
}
