//! The pull: `GET /orders?updated_since=…&page=…`, and `GET /orders/{id}` for one order with all
//! that belongs to it. A page is a message of the contract with the name of the next page.
//!
//! A poll ends when the portal names no next page or its bounds are reached; in both cases its
//! cursor says where the next one goes on, so that a crash costs one conversation and loses nothing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trueup_connect::{
    CallError, Context, Hint, Outcome, Record, Reply, Request, State, Step, Task,
};

use crate::wire::ContractVersion;
use crate::{decode, outcome, settings};

pub const ORDERS: &str = "orders";

/// The next poll reaches back by this before the start of this one: the portal's clock may go
/// after ours, and what it commits late bears an earlier time.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// One conversation keeps what it read in its state, so it must end in good time.
const PAGES_MAX: u32 = 25;
const BYTES_MAX: usize = 8 * 1024 * 1024;
const PAGE_BYTES_MAX: usize = 500;

#[derive(Serialize, Deserialize)]
enum Talk {
    Poll { walk: Walk, gathered: Gathered },
    Read { orders: Vec<String>, gathered: Gathered, refusal: Option<CallError> },
}

/// Where a poll stands; it is the cursor, too.
#[derive(Serialize, Deserialize)]
struct Walk {
    since: Timestamp,
    began: Timestamp,
    /// As the portal named it; none for the first one.
    page: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Gathered {
    cuts: Vec<Cut>,
    pages: u32,
    bytes: usize,
}

/// A record in the state: as text, because bytes would be written there as a list of numbers.
#[derive(Serialize, Deserialize)]
struct Cut {
    kind: String,
    external_id: String,
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page<'a> {
    #[serde(rename = "version")]
    _version: ContractVersion,
    #[serde(borrow, default)]
    orders: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    payments: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    refunds: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    fulfilments: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    returns: Vec<&'a RawValue>,
    next_page: Option<String>,
}

pub fn start(context: &Context<'_>, task: &Task) -> Step {
    let talk = match task {
        Task::Poll { .. } if !settings::pulls(context.settings) => {
            return done(Vec::new(), None);
        }
        Task::Poll { stream, cursor, since } if stream == ORDERS => {
            let cursor = cursor.as_deref().and_then(|cursor| serde_json::from_str(cursor).ok());
            let walk = match cursor {
                Some(walk @ Walk { page: Some(_), .. }) => walk,
                Some(Walk { since, .. }) => Walk { since, began: context.now, page: None },
                None => Walk { since: *since, began: context.now, page: None },
            };
            Talk::Poll { walk, gathered: Gathered::default() }
        }
        Task::Poll { stream, .. } => {
            let why = format!("there is no stream `{stream}`");
            return Step::Failed(CallError::NotSetUp { why });
        }
        Task::Read { hints } => match read(context, hints) {
            Ok(orders) => Talk::Read { orders, gathered: Gathered::default(), refusal: None },
            Err(step) => return step,
        },
        Task::List { .. } | Task::Deliver { .. } | Task::LookUp { .. } | Task::Identify { .. } => {
            let why = "nothing is written to a portal".to_owned();
            return Step::Failed(CallError::NotSetUp { why });
        }
    };
    next(talk)
}

/// The orders to read. A portal that cannot be asked states by itself what is still missing, and
/// nothing is wrong while it has not; but two contents under one version, of which a hint to a
/// single object tells, are for a person.
fn read(context: &Context<'_>, hints: &[Hint]) -> Result<Vec<String>, Step> {
    let refused = |reason: &str| {
        let reason_code = "cannot_be_asked".to_owned();
        Err(Step::Failed(CallError::Refused { reason_code, reason: reason.to_owned() }))
    };
    let (orders, others): (Vec<&Hint>, Vec<&Hint>) =
        hints.iter().partition(|hint| hint.kind == decode::ORDER);
    if orders.is_empty() && !others.is_empty() {
        return refused(
            "only orders can be asked for; state the object anew with a higher version",
        );
    }
    if !settings::pulls(context.settings) {
        return Err(done(Vec::new(), None));
    }
    let ids: BTreeSet<&str> = orders.iter().map(|hint| hint.external_id.as_str()).collect();
    Ok(ids.into_iter().map(str::to_owned).rev().collect())
}

pub fn resume(_: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    let advanced = state.read::<Talk>().and_then(|talk| advance(talk, reply?));
    advanced.unwrap_or_else(Step::Failed)
}

/// Takes one reply in and goes on.
fn advance(talk: Talk, reply: &Reply) -> Result<Step, CallError> {
    match talk {
        Talk::Poll { mut walk, mut gathered } => {
            outcome::check(reply)?;
            let next_page = gathered.take(reply)?;
            gathered.pages += 1;
            if next_page.is_some() && next_page == walk.page {
                let why = "a page names itself as the next one".to_owned();
                return Err(CallError::ReplyLost { why });
            }
            walk.page = next_page.filter(|page| !page.is_empty());
            if walk.page.is_some() && !gathered.is_full() {
                return Ok(next(Talk::Poll { walk, gathered }));
            }
            if walk.page.is_none() {
                walk.since = walk.began.checked_sub(OVERLAP).unwrap_or(walk.began);
            }
            Ok(done(gathered.into_records(), Some(State::of(&walk).0)))
        }
        Talk::Read { mut orders, mut gathered, mut refusal } => {
            orders.pop();
            match outcome::check(reply) {
                Ok(()) => {
                    gathered.take(reply)?;
                }
                // One order that is gone does not keep the others from being read.
                Err(error @ CallError::Refused { .. }) => {
                    refusal.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            Ok(next(Talk::Read { orders, gathered, refusal }))
        }
    }
}

/// Asks for what is missing, or ends the conversation.
fn next(talk: Talk) -> Step {
    let path = match &talk {
        Talk::Poll { walk, .. } => {
            let mut path = format!("/orders?updated_since={}", encoded(&walk.since.to_string()));
            if let Some(page) = &walk.page {
                path.push_str("&page=");
                path.push_str(&encoded(page));
            }
            path
        }
        Talk::Read { orders, .. } => match orders.last() {
            Some(order) => format!("/orders/{}", encoded(order)),
            None => return read_done(talk),
        },
    };
    Step::Send { request: Request::get(path), writes: false, state: State::of(&talk) }
}

fn read_done(talk: Talk) -> Step {
    match talk {
        Talk::Read { gathered, refusal: Some(error), .. } if gathered.cuts.is_empty() => {
            Step::Failed(error)
        }
        Talk::Read { gathered, .. } | Talk::Poll { gathered, .. } => {
            done(gathered.into_records(), None)
        }
    }
}

fn done(records: Vec<Record>, cursor: Option<String>) -> Step {
    Step::Done(Outcome { records, cursor, ..Outcome::default() })
}

impl Gathered {
    /// Cuts the objects out of a page, byte for byte; returns the name of the next one.
    fn take(&mut self, reply: &Reply) -> Result<Option<String>, CallError> {
        let lost = |error: serde_json::Error| CallError::ReplyLost {
            why: format!("the page does not fit the contract: {error}"),
        };
        let page: Page<'_> = serde_json::from_slice(&reply.body).map_err(lost)?;
        if page.next_page.as_ref().is_some_and(|page| page.len() > PAGE_BYTES_MAX) {
            let why = format!("`next_page` is longer than {PAGE_BYTES_MAX} bytes");
            return Err(CallError::ReplyLost { why });
        }
        self.bytes += reply.body.len();
        let lists = [
            (decode::ORDER, page.orders),
            (decode::PAYMENT, page.payments),
            (decode::REFUND, page.refunds),
            (decode::FULFILMENT, page.fulfilments),
            (decode::RETURN, page.returns),
        ];
        for (kind, objects) in lists {
            self.cuts.extend(objects.into_iter().map(|object| Cut::of(kind, object)));
        }
        Ok(page.next_page)
    }

    fn is_full(&self) -> bool {
        self.pages >= PAGES_MAX || self.bytes >= BYTES_MAX
    }

    fn into_records(self) -> Vec<Record> {
        let record = |cut: Cut| Record {
            kind: cut.kind,
            external_id: cut.external_id,
            body: cut.body.into_bytes(),
        };
        self.cuts.into_iter().map(record).collect()
    }
}

impl Cut {
    /// An object without a readable id is kept too: decoding says what is wrong with it.
    fn of(kind: &str, object: &RawValue) -> Self {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        let named: Result<Named, _> = serde_json::from_str(object.get());
        Self {
            kind: kind.to_owned(),
            external_id: named.map_or_else(|_| "unnamed".to_owned(), |named| named.id),
            body: object.get().to_owned(),
        }
    }
}

/// For paths and queries: whatever is not plain is written in hexadecimal.
fn encoded(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
