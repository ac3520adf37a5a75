//! Stripe: captures, the ledger they settle through, payouts and disputes.
//!
//! | module           | holds                                                               |
//! |------------------|---------------------------------------------------------------------|
//! | [`settings`]     | what a connection must be told                                      |
//! | [`authenticate`] | the `Stripe-Signature` header                                       |
//! | [`wire`]         | Stripe's JSON, named as Stripe names it                             |
//! | [`decode`]       | wire → documents and hints                                          |
//! | [`money`]        | Stripe's own decimals per currency → exact amounts                  |
//! | [`conversation`] | polls and reads                                                     |
//! | [`outcome`]      | what a reply's status means                                         |
//! | [`sandbox`]      | Stripe played by a pure function                                    |
//!
//! Deliberately absent: commands. Trueup reads Stripe and never moves money there.

pub mod authenticate;
pub mod conversation;
pub mod decode;
pub mod money;
pub mod outcome;
pub mod sandbox;
pub mod settings;
pub mod wire;

use trueup_connect::{Auth, Connector, Conversations, Stream, Webhooks};
use trueup_domain::document::Kind;

pub use sandbox::StripeSandbox;

/// Sent as `Stripe-Version` with every request. Events keep the version of their endpoint.
pub const API_VERSION: &str = "2026-07-29.dahlia";

pub static CONNECTOR: Connector = Connector {
    name: "stripe",
    api_version: API_VERSION,
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
    lists: &[Kind::LedgerRow],
    delivers: false,
    identifies: false,
    at_once: 1,
    // 25 calls a second to an endpoint: one after the other is slower.
    limits: None,
    start: conversation::start,
    resume: conversation::resume,
};

const STREAMS: &[Stream] = &[
    Stream {
        name: conversation::BALANCE_TRANSACTIONS,
        help: "Every row of the ledger as it is booked, before its payout is known",
        every_s: 300,
        needs: None,
    },
    Stream {
        name: conversation::PAYOUTS,
        help: "Payouts, and the rows of each one that Stripe can itemise",
        every_s: 900,
        needs: None,
    },
    Stream {
        name: conversation::CHARGES,
        help: "Charges as they are made; their later changes come as events",
        every_s: 900,
        needs: None,
    },
    Stream {
        name: conversation::DISPUTES,
        help: "Disputes of the last four months and how each stands",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: conversation::EVENTS,
        help: "Events that Stripe could not deliver; it keeps them for 30 days",
        every_s: 600,
        needs: None,
    },
    Stream {
        name: conversation::BALANCE,
        help: "What Stripe itself says it holds, in each currency",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: conversation::WEBHOOKS,
        help: "Whether a webhook endpoint brings us each event, where `delivery_url` is set",
        every_s: 3_600,
        needs: None,
    },
];
