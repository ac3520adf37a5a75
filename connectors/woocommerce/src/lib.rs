//! WooCommerce: a sales channel of one shop.
//!
//! | module           | holds                                                            |
//! |------------------|------------------------------------------------------------------|
//! | [`settings`]     | what a connection must be told                                   |
//! | [`authenticate`] | the signature of webhooks                                        |
//! | [`wire`]         | WooCommerce's JSON, named as WooCommerce names it                |
//! | [`decode`]       | what a body means                                                |
//! | [`conversation`] | polls and reads over REST                                        |
//! | [`outcome`]      | what a reply of the shop means for the call                      |
//! | [`sandbox`]      | a shop played by pure functions                                  |
//!
//! Deliberately absent: writing to the shop (stock, refunds, statuses).

mod authenticate;
mod conversation;
pub mod decode;
mod outcome;
pub mod sandbox;
pub mod settings;
mod wire;

pub use authenticate::account_of;
use trueup_connect::{Auth, Connector};

/// The version of the REST API, which is a part of every path.
pub const API_VERSION: &str = "wc/v3";

pub static CONNECTOR: Connector = Connector {
    name: "woocommerce",
    api_version: API_VERSION,
    settings: settings::SETTINGS,
    auth: Auth::Basic,
    signature: None,
    kinds: decode::KINDS,
    decode: decode::decode,
    webhooks: Some(&authenticate::WEBHOOKS),
    conversations: Some(&conversation::CONVERSATIONS),
    files: false,
    hides_shipments: true,
};
