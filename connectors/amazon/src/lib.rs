//! Amazon: orders of the Selling Partner API, and the settlement reports in which it pays out.
//!
//! | module         | holds                                                                 |
//! |----------------|-----------------------------------------------------------------------|
//! | [`settings`]   | what a connection must be told                                        |
//! | [`wire`]       | Amazon's JSON, named as Amazon names it                               |
//! | [`decode`]     | orders → documents; older shapes and notifications → hints            |
//! | [`auth`]       | tokens of an hour                                                     |
//! | [`queue`]      | the queue in which Amazon announces what changed                      |
//! | [`conversation`] | polls of orders and settlement reports, reads of single orders      |
//! | [`outcome`]    | what a reply's status means                                           |
//! | [`sandbox`]    | Amazon played by a pure function                                      |
//! | [`settlement`] | settlement reports (flat file V2) → payout, ledger rows, refunds      |
//! | [`returns`]    | the report of units that came back                                    |
//!
//! Deliberately absent: anything that writes to Amazon.

pub mod auth;
pub mod conversation;
pub mod decode;
pub mod limits;
pub mod outcome;
pub mod queue;
mod returns;
pub mod sandbox;
pub mod settings;
mod settlement;
pub mod wire;

pub use sandbox::AmazonSandbox;
use trueup_connect::{Auth, Connector};

/// The version of the order API; settlement reports have one of their own.
pub const API_VERSION: &str = "2026-01-01";

/// The word by which the books' mapping names Amazon as the taker of the money.
pub const GATEWAY: &str = "amazon";

pub static CONNECTOR: Connector = Connector {
    name: "amazon",
    api_version: API_VERSION,
    settings: settings::SETTINGS,
    auth: Auth::Token(&auth::SCHEME),
    signature: Some(&queue::SIGNATURE),
    kinds: decode::KINDS,
    decode: decode::decode,
    webhooks: None,
    conversations: Some(&conversation::CONVERSATIONS),
    files: true,
    hides_shipments: false,
};
