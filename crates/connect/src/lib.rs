//! What a connector is: a value that lists what it can do.
//!
//! A connector builds requests and reads replies. It performs no IO, has no clock and no
//! randomness: the hub owns all three, so every connector is tested with nothing but bytes.
//! A capability is present or absent; no default pretends.
//!
//! | module           | holds                                                              |
//! |------------------|--------------------------------------------------------------------|
//! | [`message`]      | what came in, and what it decodes to                               |
//! | [`webhook`]      | who sent it: signatures and delivery ids                           |
//! | [`conversation`] | whatever takes more than one request: polls, reads, deliveries     |
//! | [`call_error`]   | failures of outside calls, in the terms of what comes next         |
//! | [`settings`]     | what a connection must be told, and its secrets                    |
//! | [`watch`]        | what a source pushes to us, against what it is to push             |
//! | [`signature`]    | requests to a further host that are signed                         |
//! | [`token`]        | credentials that live for a while                                  |
//! | [`json`]         | exact and bounded reading of JSON: amounts from the token's text   |
//! | [`sandbox`]      | a vendor played by pure functions, for demo, rehearsal and tests   |
//! | [`conformance`]  | the suite that every connector passes                              |

pub mod call_error;
pub mod conformance;
pub mod conversation;
pub mod json;
pub mod limits;
pub mod message;
pub mod sandbox;
pub mod settings;
pub mod signature;
pub mod token;
pub mod watch;
pub mod webhook;

pub use call_error::{CallError, NextStep};
pub use conversation::{
    Context, Conversations, Dispatch, Identity, Method, Outcome, Receipt, ReceiptOutcome, Record,
    Reply, Request, State, Step, Stream, Task,
};
pub use limits::Limits;
pub use message::{DecodeError, Decoded, Hint, Message, Subscription, units};
pub use settings::{Auth, Secret, Setting, Settings};
pub use signature::Signature;
pub use token::{Token, TokenScheme};
pub use webhook::{Delivery, NotAuthentic, Webhooks};

/// The table of contents of one connector.
pub struct Connector {
    /// Equal to its folder's name.
    pub name: &'static str,
    /// The version of the vendor's API that is pinned.
    pub api_version: &'static str,
    pub settings: &'static [Setting],
    /// How requests of this connector prove who we are; the hub adds it to each request.
    pub auth: Auth,
    /// Requests to a host beside the connection's own that are signed.
    pub signature: Option<&'static Signature>,
    /// The message kinds that [`Self::decode`] knows, for `trueup decode --kind`.
    pub kinds: &'static [&'static str],
    /// However a message arrived, one function says what it means. `Message::kind` may be empty:
    /// then the function recognises the shape or says that it cannot.
    pub decode: fn(&Message<'_>) -> Result<Decoded, DecodeError>,
    pub webhooks: Option<&'static Webhooks>,
    pub conversations: Option<&'static Conversations>,
    /// Accepts files (statements, settlement reports) dropped or uploaded.
    pub files: bool,
    /// Sells, and tells nothing of what left: an invoice that waits for the shipment would never
    /// come.
    pub hides_shipments: bool,
}

impl Connector {
    /// The streams that a connection with these settings has.
    pub fn streams(&self, settings: &Settings) -> impl Iterator<Item = &'static Stream> {
        let all = self.conversations.map_or(&[][..], |it| it.streams);
        all.iter().filter(|stream| stream.needs.is_none_or(|it| settings.get(it).is_some()))
    }
}
