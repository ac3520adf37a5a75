//! Polls and reads. Nothing is ever written to Stripe but that a webhook endpoint is on, where the
//! connection wants that.
//!
//! | module      | holds                                                        |
//! |-------------|--------------------------------------------------------------|
//! | [`walk`]    | a poll: where it stands is its cursor, page by page          |
//! | [`reading`] | the read of single objects, a payout with all of its rows    |
//! | [`listing`] | the rows of a window, by their ids and amounts               |
//! | [`watch`]   | whether an endpoint brings us each event                     |
//! | [`gather`]  | records cut out of replies, and the bounds on how many       |
//!
//! The balance is one request: it has no pages, and its stream no cursor.
//!
//! A poll ends when its stream is exhausted or its bounds are reached; in both cases its cursor
//! says where the next one goes on, so that a crash costs one conversation and loses nothing.

mod gather;
mod listing;
mod reading;
mod walk;
mod watch;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_connect::{
    CallError, Context, Outcome, Record, Reply, Request, Settings, State, Step, Task,
};
use trueup_domain::document::Kind;

use crate::{API_VERSION, decode, outcome, settings, wire};
use gather::Gathered;
use listing::Listing;
use reading::Reading;
use walk::{Stream, Walk};
use watch::Watch;

pub const BALANCE_TRANSACTIONS: &str = "balance_transactions";
pub const PAYOUTS: &str = "payouts";
pub const CHARGES: &str = "charges";
pub const DISPUTES: &str = "disputes";
pub const EVENTS: &str = "events";
pub const BALANCE: &str = "balance";
pub const WEBHOOKS: &str = "webhooks";

const BALANCE_PATH: &str = "/v1/balance";

#[derive(Serialize, Deserialize)]
enum Talk {
    Poll {
        stream: Stream,
        walk: Walk,
        gathered: Gathered,
    },
    Read {
        reading: Reading,
        gathered: Gathered,
    },
    /// The one answer is all that was asked for.
    Balance,
    List(Listing),
    Watch(Watch),
}

pub fn start(context: &Context<'_>, task: &Task) -> Step {
    let talk = match task {
        Task::Poll { stream, .. } if stream == BALANCE => Talk::Balance,
        Task::Poll { stream, .. } if stream == WEBHOOKS => Talk::Watch(Watch::begin()),
        Task::Poll { stream, cursor, since } => {
            let Some(stream) = Stream::named(stream) else {
                let why = format!("there is no stream `{stream}`");
                return Step::Failed(CallError::NotSetUp { why });
            };
            let walk = Walk::from_cursor(cursor.as_deref(), *since);
            Talk::Poll { stream, walk, gathered: Gathered::default() }
        }
        Task::Read { hints } => {
            Talk::Read { reading: Reading::of(hints), gathered: Gathered::default() }
        }
        Task::List { kind, from, until } if kind == Kind::LedgerRow.word() => {
            Talk::List(Listing::of(*from, *until))
        }
        Task::List { .. } | Task::Deliver { .. } | Task::LookUp { .. } | Task::Identify { .. } => {
            let why = "trueup only reads from Stripe".to_owned();
            return Step::Failed(CallError::NotSetUp { why });
        }
    };
    next(context.settings, talk)
}

pub fn resume(context: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    let advanced = state.read::<Talk>().and_then(|talk| match talk {
        Talk::Watch(mut watch) => {
            watch.take(context.settings, reply)?;
            Ok(next(context.settings, Talk::Watch(watch)))
        }
        talk => advance(context, talk, reply?),
    });
    advanced.unwrap_or_else(Step::Failed)
}

/// Takes one reply in and goes on.
fn advance(context: &Context<'_>, talk: Talk, reply: &Reply) -> Result<Step, CallError> {
    let talk = match talk {
        Talk::Poll { stream, mut walk, mut gathered } => {
            walk.advance(stream, reply, &mut gathered)?;
            Talk::Poll { stream, walk, gathered }
        }
        Talk::Read { mut reading, mut gathered } => {
            reading.advance(reply, &mut gathered)?;
            Talk::Read { reading, gathered }
        }
        Talk::Balance => return balance(reply, context.now),
        Talk::List(mut listing) => {
            listing.advance(reply)?;
            Talk::List(listing)
        }
        Talk::Watch(watch) => Talk::Watch(watch),
    };
    Ok(next(context.settings, talk))
}

/// The body is kept as it came; only one that is whole JSON is an answer.
fn balance(reply: &Reply, now: Timestamp) -> Result<Step, CallError> {
    let _: wire::Head = outcome::read(reply)?;
    let record = Record {
        kind: decode::balance_kind(now),
        external_id: BALANCE.to_owned(),
        body: reply.body.clone(),
    };
    Ok(done(vec![record], None))
}

/// Asks for what is missing, or ends the conversation.
fn next(settings: &Settings, talk: Talk) -> Step {
    match talk {
        Talk::Poll { stream, mut walk, gathered } => {
            if walk.is_finished() {
                walk.turn(stream.overlap_s(settings));
            } else if !gathered.is_full() {
                let request = request(settings, walk.path(stream, settings));
                return send(request, &Talk::Poll { stream, walk, gathered });
            }
            done(gathered.into_records(), Some(walk.to_cursor()))
        }
        Talk::Read { reading, gathered } => match reading.path() {
            Some(path) => send(request(settings, path), &Talk::Read { reading, gathered }),
            None => {
                let records = gathered.into_records();
                match reading.into_refusal() {
                    Some(error) if records.is_empty() => Step::Failed(error),
                    _ => done(records, None),
                }
            }
        },
        Talk::Balance => send(request(settings, BALANCE_PATH.to_owned()), &Talk::Balance),
        Talk::List(listing) => match listing.path() {
            Some(path) => send(request(settings, path), &Talk::List(listing)),
            None => listing.done(),
        },
        Talk::Watch(mut watch) => match watch.next(settings) {
            watch::Next::Ask(request, writes) => {
                Step::Send { request, writes, state: State::of(&Talk::Watch(watch)) }
            }
            watch::Next::End => match watch.record(settings) {
                Ok(record) => done(record.into_iter().collect(), None),
                Err(error) => Step::Failed(error),
            },
        },
    }
}

fn send(request: Request, talk: &Talk) -> Step {
    Step::Send { request, writes: false, state: State::of(talk) }
}

fn done(records: Vec<Record>, cursor: Option<String>) -> Step {
    Step::Done(Outcome { records, cursor, ..Outcome::default() })
}

fn request(settings: &Settings, path: String) -> Request {
    let mut request = Request::get(path);
    request.headers.push(("stripe-version".to_owned(), API_VERSION.to_owned()));
    if let Some(account) = settings::account(settings) {
        request.headers.push(("stripe-account".to_owned(), account.to_owned()));
    }
    request
}

/// Ids go into paths and queries; what is no plain id never does.
fn is_plain_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !id.is_empty() && id.len() <= 255 && id.bytes().all(plain)
}
