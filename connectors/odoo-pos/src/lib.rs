//! Odoo's point of sale, read as a sales channel over JSON-2: orders, payments, refunds, tips, cash
//! rounding and sessions. Odoo books all of it itself, so nothing is ever written.
//!
//! | module           | holds                                                             |
//! |------------------|-------------------------------------------------------------------|
//! | [`settings`]     | what a connection must be told                                    |
//! | [`conversation`] | polls and reads: what is asked, and which records it makes        |
//! | [`page`]         | the rows of one page, and what else must be asked for them        |
//! | [`outcome`]      | what a reply means for the call                                   |
//! | [`wire`]         | Odoo's rows as Odoo names them                                    |
//! | [`decode`]       | records to documents                                              |
//! | [`sandbox`]      | a point of sale played by a pure function over recorded rows      |

pub mod conversation;
pub mod decode;
pub mod outcome;
mod page;
pub mod sandbox;
pub mod settings;
mod wire;

use trueup_connect::{Auth, Connector};

pub use sandbox::OdooPosSandbox;

pub static CONNECTOR: Connector = Connector {
    name: "odoo-pos",
    api_version: "19.0 JSON-2",
    settings: settings::ALL,
    auth: Auth::Header { name: "authorization", prefix: "bearer " },
    signature: None,
    kinds: &[decode::ORDER, decode::SESSION],
    decode: decode::decode,
    webhooks: None,
    conversations: Some(&conversation::CONVERSATIONS),
    files: false,
    hides_shipments: false,
};
