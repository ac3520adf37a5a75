//! Bank statements as files: CAMT.053 (ISO 20022) and MT940 (SWIFT).
//!
//! | module       | holds                                                                    |
//! |--------------|--------------------------------------------------------------------------|
//! | [`decode`]   | recognises the format and its character set                              |
//! | `camt`       | CAMT.053 of any version, read as a stream                                |
//! | `mt940`      | MT940 and the dialects of its `:86:`                                     |
//! | `statement`  | what both say, in one shape; the control totals; documents               |
//! | `identity`   | ids that survive re-sent files, overlaps and identical payments          |
//! | [`sandbox`]  | a bank account that writes statement files                               |
//!
//! Deliberately absent: a connection to a bank (files are dropped or uploaded), and interim reports
//! (camt.052, camt.054, MT942): what they announce is booked once, by the statement.

mod camt;
pub mod decode;
mod identity;
mod mt940;
pub mod sandbox;
pub mod settings;
mod statement;

use trueup_connect::{Auth, Connector};

pub use sandbox::BankSandbox;

pub static CONNECTOR: Connector = Connector {
    name: "bank",
    api_version: "camt.053.001.02-08, MT940",
    settings: settings::SETTINGS,
    auth: Auth::None,
    signature: None,
    kinds: decode::KINDS,
    decode: decode::decode,
    webhooks: None,
    conversations: None,
    files: true,
    hides_shipments: false,
};
