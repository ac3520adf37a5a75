//! Odoo 19: the books. Delivers partners, orders, invoices, payments, credit notes and entries;
//! reads them back, and tells when somebody changed them.
//!
//! | module          | holds                                                                   |
//! |-----------------|-------------------------------------------------------------------------|
//! | [`settings`]    | what a connection must be told                                          |
//! | [`external_id`] | the key that commits in the same Odoo transaction as the effect         |
//! | [`request`]     | one JSON-2 call: path, context, company                                 |
//! | [`outcome`]     | what each reply means, in one table                                     |
//! | [`load`]        | `load()`: rows and cells in, ids or the names of the bad records out    |
//! | [`tax_data`]    | the cell that forces Odoo's tax to the channel's cent                   |
//! | [`wire`]        | Odoo's rows as Odoo names them                                          |
//! | [`decode`]      | rows to documents                                                       |
//! | [`deliver`]     | commands to records: create once, read back, compare, then post         |
//! | [`read`]        | reading records whole, and polling for what changed or went             |
//! | [`totals`]      | sums that Odoo makes itself, for the variance bridge                    |
//! | [`identify`]    | whether it is the Odoo that is meant, and has what we need              |
//! | [`setup`]       | what an Odoo looks like, what it lacks, and the mapping that follows    |
//! | [`sandbox`]     | an Odoo played by pure functions, held to the real one by shared tests  |

pub mod decode;
pub mod deliver;
pub mod external_id;
pub mod identify;
pub mod load;
pub mod outcome;
pub mod read;
pub mod request;
pub mod sandbox;
pub mod settings;
pub mod setup;
pub mod tax_data;
pub mod totals;
pub mod wire;

use trueup_connect::conversation::{Context, Reply, State, Step, Task};
use trueup_connect::{Auth, CallError, Connector, Conversations};

pub use sandbox::OdooSandbox;

pub static CONNECTOR: Connector = Connector {
    name: "odoo",
    api_version: "19.0 JSON-2",
    settings: settings::ALL,
    auth: Auth::Header { name: "authorization", prefix: "bearer " },
    signature: None,
    kinds: &[decode::BOOKS_RECORD, decode::BANK_LINE],
    decode: decode::decode,
    webhooks: None,
    conversations: Some(&CONVERSATIONS),
    files: false,
    hides_shipments: false,
};

static CONVERSATIONS: Conversations = Conversations {
    streams: read::STREAMS,
    lists: &[],
    delivers: true,
    identifies: true,
    at_once: 2,
    limits: Some(&request::LIMITS),
    start,
    resume,
};

fn start(context: &Context<'_>, task: &Task) -> Step {
    match task {
        Task::Poll { stream, cursor, since } => {
            read::poll(context, stream, cursor.as_deref(), *since)
        }
        Task::Read { hints } => read::objects(context, hints),
        // The books make what they are asked for; the census looks after that (`read`).
        Task::List { .. } => Step::Failed(CallError::Refused {
            reason_code: "unknown_list".to_owned(),
            reason: "the books list nothing".to_owned(),
        }),
        // Replaying the create-once chain is the look-up: Odoo tells a plain user a key's id only
        // through `load()`, which returns what exists and makes what does not (README).
        Task::Deliver { commands } => deliver::start(context, commands, false),
        Task::LookUp { commands } => deliver::start(context, commands, true),
        Task::Identify { known, made } => identify::start(context, known.as_deref(), made),
    }
}

fn resume(context: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    match state.read() {
        Ok(Talk::Deliver(chain)) => deliver::resume(context, *chain, reply),
        Ok(Talk::Reconcile(pairs)) => deliver::resume_pairs(context, *pairs, reply),
        Ok(Talk::Goods(goods)) => deliver::resume_goods(context, *goods, reply),
        Ok(Talk::Read(reading)) => read::resume(context, *reading, reply),
        Ok(Talk::Identify(own)) => identify::resume(context, *own, reply),
        Ok(Talk::Totals(summing)) => totals::resume(context, summing, reply),
        Err(error) => Step::Failed(error),
    }
}

/// Where a conversation of this connector stands.
#[derive(serde::Serialize, serde::Deserialize)]
enum Talk {
    Deliver(Box<deliver::Chain>),
    Reconcile(Box<deliver::Pairs>),
    Goods(Box<deliver::Goods>),
    Read(Box<read::Reading>),
    Identify(Box<identify::Identifying>),
    Totals(totals::Summing),
}
