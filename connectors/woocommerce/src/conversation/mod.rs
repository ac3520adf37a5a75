//! Polls and reads over REST. Nothing is written to the shop, but that a webhook of ours is on where
//! the connection keeps them ([`watch`]).
//!
//! | module     | holds                                                              |
//! |------------|--------------------------------------------------------------------|
//! | this one   | the conversation: what is asked next, and what a reply brings      |
//! | [`walk`]   | where a poll of orders stands: its cursor                          |
//! | [`listing`] | the orders of a window, by their ids and totals                   |
//! | [`watch`]  | the webhooks, and switching them on again                          |
//! | [`gather`] | records cut out of replies, and the bounds on how many             |
//!
//! An order that has refunds is a record only with them, so each is followed by a read of its
//! refunds. A crash starts the conversation again from the old cursor; what was read twice is the
//! same record.

mod gather;
mod listing;
mod walk;
mod watch;

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trueup_connect::{
    CallError, Context, Conversations, Hint, Outcome, Reply, Request, State, Step, Stream, Task,
};
use trueup_domain::document::Kind;

use crate::wire::{self, Gmt, Id};
use crate::{API_VERSION, decode, outcome};
use gather::{Gathered, Open};
use listing::Listing;
use walk::Walk;
use watch::{Next, Watch};

pub static CONVERSATIONS: Conversations = Conversations {
    streams: STREAMS,
    lists: LISTS,
    delivers: false,
    identifies: false,
    at_once: 1,
    limits: None,
    start,
    resume,
};

const LISTS: &[Kind] = &[Kind::Order];

const ORDERS: &str = "orders";
const TRASH: &str = "trash";
const WEBHOOKS: &str = "webhooks";

const STREAMS: &[Stream] = &[
    Stream {
        name: ORDERS,
        help: "Orders that changed, with their refunds.",
        every_s: 300,
        needs: None,
    },
    Stream {
        name: TRASH,
        help: "Orders that were moved to the trash.",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: WEBHOOKS,
        help: "Whether the shop still sends its webhooks: it switches off those that failed five times in a row.",
        every_s: 900,
        needs: None,
    },
];

/// WooCommerce's largest page.
const PER_PAGE: usize = 100;
/// Shops on small machines take their time.
const TIMEOUT_MS: u64 = 60_000;

#[derive(Serialize, Deserialize)]
struct Talk {
    doing: Doing,
    /// Orders whose refunds are still to be read.
    open: VecDeque<Open>,
    /// Orders to be asked for one by one, because a list did not show them.
    alone: VecDeque<String>,
    gathered: Gathered,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    Poll {
        status: String,
        walk: Walk,
    },
    /// What is left to be asked for, and what the last list was asked for.
    Read {
        left: BTreeSet<String>,
        asked: Vec<String>,
    },
    Webhooks(Watch),
    List(Listing),
}

fn start(context: &Context<'_>, task: &Task) -> Step {
    let doing = match task {
        Task::Poll { stream, cursor, since } => match stream.as_str() {
            // Lists leave out what is in the trash, and carts, unless they are asked for it.
            ORDERS | TRASH => Doing::Poll {
                status: if stream == TRASH { TRASH } else { "any" }.to_owned(),
                walk: Walk::from_cursor(cursor.as_deref(), *since),
            },
            WEBHOOKS => Doing::Webhooks(Watch::begin()),
            other => return refused("unknown stream", other),
        },
        Task::Read { hints } => match reading(hints) {
            Ok(left) => Doing::Read { left, asked: Vec::new() },
            Err(hint) => return refused("unknown hint", &hint),
        },
        Task::List { kind, from, until } if kind == Kind::Order.word() => {
            Doing::List(Listing::of(*from, *until))
        }
        Task::List { .. } | Task::Deliver { .. } | Task::LookUp { .. } | Task::Identify { .. } => {
            return refused("not a task of this connector", "deliver");
        }
    };
    let (open, alone) = (VecDeque::new(), VecDeque::new());
    next(context, Talk { doing, open, alone, gathered: Gathered::default() })
}

fn refused(reason_code: &str, what: &str) -> Step {
    Step::Failed(CallError::Refused {
        reason_code: reason_code.replace(' ', "_"),
        reason: format!("{reason_code}: {what}"),
    })
}

/// Payments and refunds are read with their order, whose id theirs begin with.
fn reading(hints: &[Hint]) -> Result<BTreeSet<String>, String> {
    let known = [Kind::Order, Kind::Payment, Kind::Refund].map(Kind::word);
    let mut orders = BTreeSet::new();
    for hint in hints {
        let order = hint.external_id.split('-').next().and_then(Id::parse);
        match order.filter(|_| known.contains(&hint.kind.as_str())) {
            Some(order) => orders.insert(order.0),
            None => return Err(format!("{} {}", hint.kind, hint.external_id)),
        };
    }
    Ok(orders)
}

/// The next request of a conversation, or its end.
fn next(context: &Context<'_>, mut talk: Talk) -> Step {
    let path = match (talk.open.front(), talk.alone.front(), &mut talk.doing) {
        (Some(open), _, _) => {
            format!("orders/{}/refunds?per_page={PER_PAGE}&page={}", open.id, open.page)
        }
        (None, Some(id), _) => format!("orders/{id}"),
        (None, None, Doing::Poll { status, walk }) => {
            if walk.is_at_its_end() || talk.gathered.is_full() {
                return done(talk.gathered, Some(walk.to_cursor()));
            }
            walk.path(status)
        }
        (None, None, Doing::Read { left, asked }) => {
            if left.is_empty() {
                return done(talk.gathered, None);
            }
            *asked = left.iter().take(PER_PAGE).cloned().collect();
            left.retain(|id| !asked.contains(id));
            format!("orders?include={}&per_page={PER_PAGE}&status=any", asked.join(","))
        }
        (None, None, Doing::Webhooks(watch)) => match watch.next(context.settings) {
            Next::Read(path) => path,
            Next::Write(request) => {
                return Step::Send { request, writes: true, state: State::of(&talk) };
            }
            Next::End => {
                return match watch.end(context.settings, &mut talk.gathered) {
                    Ok(()) => done(talk.gathered, None),
                    Err(error) => Step::Failed(error),
                };
            }
        },
        (None, None, Doing::List(listing)) => match listing.path() {
            Some(path) => path,
            None => return listing.done(),
        },
    };
    let mut request = Request::get(format!("/wp-json/{API_VERSION}/{path}"));
    request.timeout_ms = TIMEOUT_MS;
    Step::Send { request, writes: false, state: State::of(&talk) }
}

fn done(gathered: Gathered, cursor: Option<String>) -> Step {
    Step::Done(Outcome { records: gathered.into_records(), cursor, ..Outcome::default() })
}

fn resume(context: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    let advanced = state.read::<Talk>().and_then(|mut talk| {
        match &mut talk.doing {
            Doing::Webhooks(watch) => watch.take(context, reply, &mut talk.gathered)?,
            _ => talk.take(reply.map_err(read_again)?)?,
        }
        Ok(next(context, talk))
    });
    advanced.unwrap_or_else(Step::Failed)
}

/// Reading again does no harm, so a lost reply is an unreached shop.
fn read_again(error: CallError) -> CallError {
    match error {
        CallError::ReplyLost { why } => CallError::Unreachable { why },
        error => error,
    }
}

/// What is read of an order before it is decoded.
#[derive(Deserialize)]
struct Head {
    id: Id,
    date_modified_gmt: Option<Gmt>,
    date_created_gmt: Option<Gmt>,
    refunds: Vec<wire::RefundSummary>,
}

impl Talk {
    /// Takes in the reply to what [`next`] asked.
    fn take(&mut self, reply: &Reply) -> Result<(), CallError> {
        if let Some(open) = self.open.front_mut() {
            if outcome::is_gone(reply) {
                let gone = self.open.pop_front();
                self.alone.extend(gone.map(|open| open.id));
                return Ok(());
            }
            let page: Vec<&RawValue> = outcome::read(reply)?;
            if open.take(&page) < PER_PAGE
                && let Some(whole) = self.open.pop_front()
            {
                self.gathered.whole(whole);
            }
            return Ok(());
        }
        if let Some(id) = self.alone.pop_front() {
            if outcome::is_gone(reply) {
                let kind = decode::gone_kind(&Id(id.clone()));
                self.gathered.cut(kind, &id, &String::from_utf8_lossy(&reply.body));
                return Ok(());
            }
            let order: &RawValue = outcome::read(reply)?;
            self.order(order)?;
            return Ok(());
        }
        if let Doing::List(listing) = &mut self.doing {
            return listing.take(reply);
        }
        let page: Vec<&RawValue> = outcome::read(reply)?;
        match &mut self.doing {
            Doing::Poll { walk, .. } => {
                let mut heads = Vec::new();
                for object in &page {
                    let head = head(object)?;
                    let modified = head.date_modified_gmt.or(head.date_created_gmt);
                    let modified = modified.ok_or_else(|| unreadable("an order without a time"))?;
                    heads.push((head.id.0, modified.0.as_second()));
                }
                let passed = walk.pass(&heads);
                self.gathered.count_page();
                for (object, (id, _)) in page.iter().zip(&heads) {
                    if !passed.contains(id) {
                        self.order(object)?;
                    }
                }
            }
            Doing::Read { asked, .. } => {
                let mut missing = std::mem::take(asked);
                for object in page {
                    let id = self.order(object)?;
                    missing.retain(|own| *own != id);
                }
                self.alone.extend(missing);
            }
            Doing::List(_) | Doing::Webhooks(_) => {}
        }
        Ok(())
    }

    /// An order as it came; one with refunds waits for them.
    fn order(&mut self, object: &RawValue) -> Result<String, CallError> {
        let head = head(object)?;
        if head.refunds.is_empty() {
            self.gathered.whole(Open::of(&head.id, object));
        } else {
            self.open.push_back(Open::of(&head.id, object));
        }
        Ok(head.id.0)
    }
}

fn head(object: &RawValue) -> Result<Head, CallError> {
    serde_json::from_str(object.get()).map_err(|error| unreadable(&error))
}

fn unreadable(why: impl std::fmt::Display) -> CallError {
    CallError::Unreachable { why: format!("unexpected reply: {why}") }
}
