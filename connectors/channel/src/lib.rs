//! The generic signed channel: a portal, a storefront or an app states its orders, payments,
//! refunds, fulfilments and returns in Trueup's own words, and needs no connector of its own.
//!
//! | module           | holds                                                                |
//! |------------------|----------------------------------------------------------------------|
//! | [`settings`]     | what a connection must be told                                       |
//! | [`authenticate`] | the signature of a delivery, as Standard Webhooks has it             |
//! | [`wire`]         | the contract as it is written: what a message may hold               |
//! | [`decode`]       | wire → documents, and where a message does not fit                   |
//! | [`conversation`] | the pull, for portals that serve it                                  |
//! | [`outcome`]      | what a reply of the portal means for the call                        |
//! | [`sandbox`]      | a portal played by a pure function                                   |
//!
//! The contract is written three times: for people in `README.md`, for machines in
//! [`MESSAGE_SCHEMA`], and here. A test holds the last two together, field by field.
//!
//! Deliberately absent: commands. Trueup tells a portal nothing.

pub mod authenticate;
pub mod conversation;
pub mod decode;
pub mod outcome;
pub mod sandbox;
pub mod settings;
mod wire;

use trueup_connect::{Auth, Connector, Conversations, Stream, Webhooks};

pub use sandbox::ChannelSandbox;

/// The version of the contract, which stands in every message.
pub const VERSION: &str = "1";

/// The contract as a JSON Schema (draft 2020-12); served at `/schemas/channel/message.json`.
pub const MESSAGE_SCHEMA: &str = include_str!("../schema/message.json");

pub static CONNECTOR: Connector = Connector {
    name: "channel",
    api_version: VERSION,
    settings: settings::SETTINGS,
    auth: Auth::Header { name: "authorization", prefix: "Bearer " },
    signature: None,
    kinds: decode::KINDS,
    decode: decode::decode,
    webhooks: Some(&WEBHOOKS),
    conversations: Some(&CONVERSATIONS),
    files: false,
    hides_shipments: false,
};

static WEBHOOKS: Webhooks =
    Webhooks { authenticate: authenticate::authenticate, sign: authenticate::sign };

static CONVERSATIONS: Conversations = Conversations {
    streams: STREAMS,
    delivers: false,
    identifies: false,
    lists: &[],
    at_once: 1,
    limits: None,
    start: conversation::start,
    resume: conversation::resume,
};

const STREAMS: &[Stream] = &[Stream {
    name: conversation::ORDERS,
    help: "What changed at the portal, where `settings.pull` is on",
    every_s: 300,
    needs: None,
}];
