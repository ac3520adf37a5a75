//! Shopify: a sales channel and, as Shopify Payments, a payment provider.
//!
//! | module           | holds                                                                |
//! |------------------|----------------------------------------------------------------------|
//! | [`authenticate`] | the signature of webhooks                                            |
//! | [`decode`]       | what a body means, whichever of the two shapes it has                |
//! | [`conversation`] | polls and reads over GraphQL                                         |
//! | [`outcome`]      | what a reply of the vendor means for the call                        |
//! | [`sandbox`]      | a shop played by pure functions                                      |
//!
//! Both wire shapes ([`wire_rest`], [`wire_graphql`]) say the same things in other words; each is
//! turned into the statements of [`said`], and only those are decoded. So the two shapes of one
//! object cannot drift apart. [`wire_payments`] holds both shapes of Shopify Payments.
//!
//! Deliberately absent: writing to Shopify (stock, fulfilments, refunds).

mod authenticate;
mod conversation;
pub mod decode;
mod outcome;
mod said;
pub mod sandbox;
pub mod settings;
mod wire;
mod wire_graphql;
mod wire_payments;
mod wire_rest;

use trueup_connect::{Auth, Connector};

/// The version of the Admin API that is pinned, in queries and webhook subscriptions alike.
pub const API_VERSION: &str = "2026-04";

pub static CONNECTOR: Connector = Connector {
    name: "shopify",
    api_version: API_VERSION,
    settings: settings::SETTINGS,
    auth: Auth::Header { name: "X-Shopify-Access-Token", prefix: "" },
    signature: None,
    kinds: decode::KINDS,
    decode: decode::decode,
    webhooks: Some(&authenticate::WEBHOOKS),
    conversations: Some(&conversation::CONVERSATIONS),
    files: false,
    hides_shipments: false,
};
