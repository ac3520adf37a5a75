//! What a connection must be told, and secrets that never show themselves.

use std::collections::BTreeMap;
use std::fmt;

use crate::token::TokenScheme;

/// One setting of a connector; the help becomes the comment in `trueup.toml` and the docs.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub help: &'static str,
    pub required: bool,
    /// Given by the name of an environment variable, never in the file.
    pub secret: bool,
}

/// The settings of one connection, without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, String>);

impl Settings {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn expose(&self) -> &str {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How the hub proves who we are on each request of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Files and internal connections send nothing.
    None,
    /// `<name>: <prefix><secret>`.
    Header { name: &'static str, prefix: &'static str },
    /// `authorization: Basic` and the secret, which is `user:password`, in base64.
    Basic,
    /// A token that lives for a while and is got with the secret.
    Token(&'static TokenScheme),
}
