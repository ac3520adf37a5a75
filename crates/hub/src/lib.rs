//! What happens: one module per stage of the road; the only outgoing IO.
//!
//! | stage         | reads              | writes                                    | asks            |
//! |---------------|--------------------|-------------------------------------------|-----------------|
//! | [`receive`]   | the network, files | messages                                  | `Webhooks`      |
//! | [`decode`]    | messages           | documents, roots, reads asked for         | `decode`        |
//! | [`decide`]    | documents          | facts: journal, items, commands; cases    | `domain`        |
//! | [`talk`]      | commands, cursors  | receipts, records, bindings (as messages) | `Conversations` |
//! | [`reconcile`] | items              | scopes, matches, cases                    | `matching`      |
//! | [`token`]     | replies            | tokens that live for a while              | `TokenScheme`   |
//! | [`timers`]    | what waits         | what is due again, cases                  |                 |
//! | [`invoices`]  | a person           | an invoice that somebody asks for later   |                 |
//! | [`month_end`] | a person           | what is open over the end of a month      |                 |
//! | [`schedules`] | jobs at their time | how far each is done, and how its run ended   |                 |
//! | [`summary`]   | rows of days       | which of them an entry of the books holds |                 |
//!
//! [`allowances`] keeps how much more each target may be asked; nothing else is kept in memory.
//!
//! No stage calls another. Each takes what is due, computes outside any transaction, and records in
//! one short one, so that a crash between any two lines loses nothing. [`shell`] moves requests,
//! replies and time, and decides nothing; the simulation replaces it. [`dial`] is where it calls nobody.
//!
//! [`proofs`] keeps how each sale stands. [`decisions`] is the front door of people, [`corrections`]
//! what takes two of them, [`audit`] the proof of what was done. [`replay`] says
//! what would come of it if messages were read and roots decided once more. [`report`], [`sales`],
//! [`taxes`], [`bridges`] and [`trace`] read; they write nothing.
//!
//! Deliberately absent: business rules (`trueup_domain`), SQL (`trueup_store`), and the name of any
//! vendor (`connectors/`).

pub mod allowances;
pub mod audit;
mod breaker;
pub mod bridges;
pub mod clearing;
mod common_cause;
pub mod completeness;
pub mod conservation;
pub mod corrections;
pub mod decide;
pub mod decisions;
pub mod decode;
mod dial;
pub mod failures;
pub mod invoices;
pub mod month_end;
pub mod processes;
pub mod proofs;
pub mod receive;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod room;
pub mod sales;
pub mod schedules;
pub mod setup;
pub mod shell;
pub mod summary;
pub mod talk;
pub mod taxes;
pub mod timers;
pub mod token;
pub mod trace;

pub use setup::{Connection, Hub, Share, Turn, Worker};
