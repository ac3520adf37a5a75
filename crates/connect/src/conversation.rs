//! Conversations: whatever takes more than one request, still without IO.
//!
//! The hub calls `start`, carries out each [`Step::Send`], and calls `resume` with the reply, until
//! the conversation is done or failed. The state is plain text, committed before each writing send
//! and at each wait; a crash during reads starts the conversation again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_domain::Kind;
use trueup_domain::command::Content;
use trueup_domain::completeness::Listed;
use trueup_domain::document::{BooksRecord, HeldAlready};

use crate::call_error::CallError;
use crate::limits::Limits;
use crate::message::Hint;
use crate::settings::Settings;

/// What the conversation may know beside its task.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub settings: &'a Settings,
    /// The moment of this call, passed in.
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Read what changed in `stream` since `cursor` (with overlap); no cursor: since `since`.
    Poll { stream: String, cursor: Option<String>, since: Timestamp },
    /// Read these objects whole; at most 100.
    Read { hints: Vec<Hint> },
    /// Name every object of a kind that was made in `from..until`, whatever has become of it, by
    /// the time at which its document says that it was made. Only reads.
    List { kind: String, from: Timestamp, until: Timestamp },
    /// Carry out a batch of one kind, one company and one journal; at most 100.
    Deliver { commands: Vec<Dispatch> },
    /// Find out which of these were applied after a reply was lost. Only reads.
    LookUp { commands: Vec<Dispatch> },
    /// Find out whether the target is the one that is meant, has all that we need of it, and has what
    /// it confirmed last. Only reads.
    Identify {
        /// What it said of itself when all that we need was last looked at: while it says the same,
        /// that need not be looked at again.
        known: Option<String>,
        /// Records that it confirmed last, each with its company.
        made: Vec<(String, String)>,
    },
}

/// One command as a connector gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// The effect key; a connector derives the target's external id from it.
    pub key: String,
    pub content: Content,
    /// What the commands in `after` made, by role: `customer`, `order`, `invoice`, ….
    pub bindings: BTreeMap<String, String>,
    /// This command has been sent before: it may have had its effect.
    pub again: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State(pub String);

impl State {
    pub fn of<T: Serialize>(value: &T) -> Self {
        let text = serde_json::to_string(value);
        Self(text.unwrap_or_else(|error| unreachable!("states always serialise: {error}")))
    }

    /// The state was written by this connector, perhaps by an older version of it.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, CallError> {
        serde_json::from_str(&self.0)
            .map_err(|error| CallError::ReplyLost { why: format!("unreadable state: {error}") })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send {
        request: Request,
        /// The request may change something at the target: its lost reply is *unknown*.
        writes: bool,
        state: State,
    },
    Wait {
        for_ms: u64,
        state: State,
    },
    Done(Outcome),
    Failed(CallError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request without credentials; `path` (with its query) is relative to the connection's base URL.
/// One that is a whole address (`https://…`) is asked for without credentials: a document that a
/// reply of the vendor points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Give up waiting for the reply after this long.
    pub timeout_ms: u64,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 30_000,
        }
    }

    pub fn post_json(path: impl Into<String>, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body);
        Self {
            method: Method::Post,
            path: path.into(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.unwrap_or_else(|error| unreachable!("requests always serialise: {error}")),
            timeout_ms: 180_000,
        }
    }
}

/// What came back. Header names are lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Exact byte slices of what was read, each one object.
    pub records: Vec<Record>,
    /// Where the stream stands; saved in the transaction that stores the records.
    pub cursor: Option<String>,
    pub receipts: Vec<Receipt>,
    /// What [`Task::List`] asked for, each object once.
    pub listed: Vec<Listed>,
    /// What the target said of itself, to [`Task::Identify`].
    pub identity: Option<Box<Identity>>,
}

/// What a target that is as it should be says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// In the connector's own words, such as its version: other words mean that it has changed.
    pub found: String,
    /// The records of [`Task::Identify`] that are not there.
    pub missing: Vec<String>,
}

/// One object cut out of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The kind for [`crate::Message::kind`].
    pub kind: String,
    pub external_id: String,
    pub body: Vec<u8>,
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub key: String,
    pub outcome: ReceiptOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptOutcome {
    /// The effect exists. `record` is what the target stored, read back; `differs` says in words
    /// what is not as asked (the effect stands, and a break is opened beside it).
    /// `found_by` says by what the target's own record was found to be the one that was asked for;
    /// nothing was made then.
    Applied {
        binding: String,
        record: Option<Box<BooksRecord>>,
        differs: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found_by: Option<String>,
    },
    /// Certainly not applied, because the target holds these orders by another hand.
    HeldAlready { orders: Vec<HeldAlready> },
    /// The target said no, for good.
    Refused { error: CallError },
    /// Certainly not applied; may be sent again.
    NotApplied { error: CallError },
    /// Nobody knows; must be looked up.
    Unknown { error: CallError },
}

/// Why a command is refused whose customer (binding role `customer`, or `delivery` for an address) is
/// not there any more: the hub has the customer found or made again.
pub const MISSING_CUSTOMER: &str = "missing_customer";

/// A stream that can be polled.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub name: &'static str,
    pub help: &'static str,
    /// How often, unless the connection says otherwise.
    pub every_s: u32,
    /// The setting without which it is not polled. Such a stream only announces what another one sweeps:
    /// that it was read makes nothing complete.
    pub needs: Option<&'static str>,
}

/// A connector that talks: polls, reads, delivers.
pub struct Conversations {
    pub streams: &'static [Stream],
    /// Kinds whose objects the source can name by when they were made: [`Task::List`].
    pub lists: &'static [Kind],
    /// Accepts [`Task::Deliver`] and [`Task::LookUp`].
    pub delivers: bool,
    /// Accepts [`Task::Identify`]: nothing else is said to a target that was not asked lately.
    pub identifies: bool,
    /// How many conversations an account takes at the same time, each in a lane of its own.
    pub at_once: usize,
    /// How the target counts what it is asked; `None` where it gives no rate.
    pub limits: Option<&'static Limits>,
    pub start: fn(&Context<'_>, &Task) -> Step,
    /// `reply` is an error when the request did not leave, or its answer was lost.
    pub resume: fn(&Context<'_>, &State, Result<&Reply, CallError>) -> Step,
}
