//! Polls and reads. Nothing is ever written to Amazon; what the hub has is deleted from the queue.
//!
//! | module            | holds                                                        |
//! |-------------------|--------------------------------------------------------------|
//! | [`notifications`] | what Amazon announces in a queue of the seller               |
//! | [`orders`]        | the sweep over what was updated, and reads of single orders  |
//! | [`reports`]       | the list of settlement reports, and their documents          |
//!
//! A poll hands out its cursor with its records. What a crash costs is one conversation: the next
//! one begins at the old cursor, and what is read twice decodes to the same documents.

mod notifications;
mod orders;
mod reports;

use serde::{Deserialize, Serialize};
use trueup_connect::{
    CallError, Context, Conversations, Outcome, Record, Reply, Request, State, Step, Stream, Task,
};
use trueup_domain::document::Kind;

use crate::{outcome, queue, settings};
use notifications::Drain;
use orders::{Created, Reading, Sweep};
use reports::Listing;

pub const ORDERS: &str = "orders";
pub const SETTLEMENTS: &str = "settlements";
pub const NOTIFICATIONS: &str = "notifications";

pub static CONVERSATIONS: Conversations = Conversations {
    streams: STREAMS,
    lists: &[Kind::Order],
    delivers: false,
    identifies: false,
    at_once: 1,
    limits: Some(&crate::limits::LIMITS),
    start,
    resume,
};

const STREAMS: &[Stream] = &[
    Stream {
        name: ORDERS,
        help: "Orders as they change. Amazon allows one page of 100 in three minutes, after 20 at \
               once.",
        every_s: 600,
        needs: None,
    },
    Stream {
        name: SETTLEMENTS,
        help: "Settlement reports, which Amazon makes every other week and keeps for 90 days.",
        every_s: 21_600,
        needs: None,
    },
    Stream {
        name: NOTIFICATIONS,
        help: "What Amazon announces in the queue: the orders that it names are read at once.",
        every_s: 60,
        needs: Some(settings::QUEUE_URL),
    },
];

/// Throttled this often in one conversation: somebody else uses up what is allowed.
const WAITS_MAX: u32 = 5;

#[derive(Serialize, Deserialize)]
struct Talk {
    doing: Doing,
    records: Vec<Cut>,
    waits: u32,
    /// The next resume comes from a wait: there is no reply to read.
    waiting: bool,
}

#[derive(Serialize, Deserialize)]
enum Doing {
    Sweep(Sweep),
    Read(Reading),
    List(Listing),
    Created(Created),
    Drain(Drain),
}

/// An object cut out of a reply.
#[derive(Serialize, Deserialize)]
struct Cut {
    kind: String,
    id: String,
    body: String,
}

/// What a conversation does next.
enum Next {
    Ask(Request),
    Done { cursor: Option<String> },
}

fn start(context: &Context<'_>, task: &Task) -> Step {
    let doing = match task {
        Task::Poll { stream, cursor, since } if stream == ORDERS => {
            Sweep::from_cursor(cursor.as_deref(), *since, context.now).map(Doing::Sweep)
        }
        Task::Poll { stream, cursor, since } if stream == SETTLEMENTS => {
            Listing::from_cursor(cursor.as_deref(), *since, context.now).map(Doing::List)
        }
        Task::Poll { stream, cursor, .. } if stream == NOTIFICATIONS => {
            Ok(Doing::Drain(Drain::from_cursor(cursor.as_deref())))
        }
        Task::Poll { stream, .. } => {
            Err(CallError::NotSetUp { why: format!("there is no stream `{stream}`") })
        }
        Task::Read { hints } => Ok(Doing::Read(Reading::of(hints))),
        Task::List { kind, from, until } if kind == Kind::Order.word() => {
            Ok(Doing::Created(Created::of(*from, *until)))
        }
        Task::List { .. } | Task::Deliver { .. } | Task::LookUp { .. } | Task::Identify { .. } => {
            Err(CallError::NotSetUp { why: "trueup only reads from Amazon".to_owned() })
        }
    };
    match doing {
        Ok(doing) => next(context, Talk { doing, records: Vec::new(), waits: 0, waiting: false }),
        Err(error) => Step::Failed(error),
    }
}

fn resume(context: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    let mut talk: Talk = match state.read() {
        Ok(talk) => talk,
        Err(error) => return Step::Failed(error),
    };
    if talk.waiting {
        talk.waiting = false;
        return next(context, talk);
    }
    let taken = match reply {
        Ok(reply) => {
            let checked = match talk.doing {
                Doing::Drain(_) => queue::check(reply),
                _ => outcome::check(reply),
            };
            checked.and_then(|()| take(&mut talk, reply))
        }
        // Reading again does no harm, so a lost reply is an unreached vendor.
        Err(CallError::ReplyLost { why }) => Err(CallError::Unreachable { why }),
        Err(error) => Err(error),
    };
    match taken {
        Ok(()) => next(context, talk),
        Err(error) => failed(context, talk, error),
    }
}

fn take(talk: &mut Talk, reply: &Reply) -> Result<(), CallError> {
    match &mut talk.doing {
        Doing::Sweep(sweep) => sweep.take(reply, &mut talk.records),
        Doing::Read(reading) => reading.take(reply, &mut talk.records),
        Doing::List(listing) => listing.take(reply, &mut talk.records),
        Doing::Created(created) => created.take(reply),
        Doing::Drain(drain) => drain.take(reply, &mut talk.records),
    }
}

fn next(context: &Context<'_>, mut talk: Talk) -> Step {
    let next = match &talk.doing {
        Doing::Sweep(sweep) => sweep.next(context.settings),
        Doing::Read(reading) => reading.next(context.settings),
        Doing::List(listing) => listing.next(),
        Doing::Created(created) => created.next(context.settings),
        Doing::Drain(drain) => match drain.next(context.settings) {
            Ok(next) => next,
            Err(error) => return Step::Failed(error),
        },
    };
    if let (Next::Done { .. }, Doing::Created(created)) = (&next, &mut talk.doing) {
        let listed = std::mem::take(&mut created.listed);
        return Step::Done(Outcome { listed, ..Outcome::default() });
    }
    match next {
        Next::Ask(request) => Step::Send { request, writes: false, state: State::of(&talk) },
        Next::Done { cursor } => done(talk.records, cursor),
    }
}

fn done(records: Vec<Cut>, cursor: Option<String>) -> Step {
    let record =
        |cut: Cut| Record { kind: cut.kind, external_id: cut.id, body: cut.body.into_bytes() };
    let records = records.into_iter().map(record).collect();
    Step::Done(Outcome { records, cursor, ..Outcome::default() })
}

/// What was read before a failure is kept where the cursor can say so.
fn failed(context: &Context<'_>, mut talk: Talk, error: CallError) -> Step {
    if let Doing::Drain(drain) = &talk.doing {
        if drain.has_received() {
            let cursor = Some(drain.to_cursor());
            return done(talk.records, cursor);
        }
        return Step::Failed(error);
    }
    if let CallError::RateLimited { retry_after_ms } = error {
        if let Doing::Sweep(sweep) = &talk.doing
            && sweep.has_read()
        {
            let cursor = Some(sweep.to_cursor());
            return done(talk.records, cursor);
        }
        if talk.waits < WAITS_MAX {
            talk.waits += 1;
            talk.waiting = true;
            let for_ms = retry_after_ms.unwrap_or(match talk.doing {
                Doing::Sweep(_) | Doing::Created(_) => orders::PAGE_EVERY_MS,
                Doing::Read(_) => orders::READ_EVERY_MS,
                Doing::List(_) | Doing::Drain(_) => reports::CALL_EVERY_MS,
            });
            return Step::Wait { for_ms, state: State::of(&talk) };
        }
        return Step::Failed(CallError::RateLimited { retry_after_ms });
    }
    let refused = matches!(error, CallError::Refused { .. });
    let goes_on = match &mut talk.doing {
        // A token that has run out: the sweep begins again, and what it read twice is no news.
        Doing::Sweep(sweep) => refused && sweep.forget_token(),
        // One order that is gone must not hold up the others.
        Doing::Read(reading) => refused && reading.pass_over(),
        Doing::Created(created) => refused && created.forget_token(),
        Doing::List(_) | Doing::Drain(_) => false,
    };
    if goes_on { next(context, talk) } else { Step::Failed(error) }
}

fn unexpected(why: impl std::fmt::Display) -> CallError {
    CallError::Unreachable { why: format!("unexpected reply: {why}") }
}

/// Writes a value into a query.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b',') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
