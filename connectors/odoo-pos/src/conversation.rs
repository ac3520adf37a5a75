//! Polls and reads. Nothing is ever written.
//!
//! A register that was offline uploads its orders late, with the times at which they were sold, so a
//! poll goes by when Odoo wrote a row. `write_date` is when the writing transaction *began*: a slow
//! call commits rows older than a cursor that has already passed, so every poll reaches back over the
//! longest call that Odoo allows, and takes its time from Odoo's own rows.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trueup_connect::{
    CallError, Context, Conversations, Decoded, Hint, Message, Outcome, Record, Reply, State, Step,
    Stream, Task,
};
use trueup_domain::completeness::Listed;
use trueup_domain::document::{Document, Kind};

use crate::page::{self, Of, Page};
use crate::{decode, outcome};

pub static CONVERSATIONS: Conversations = Conversations {
    streams: STREAMS,
    lists: &[Kind::Order],
    delivers: false,
    identifies: false,
    at_once: 1,
    limits: None,
    start,
    resume,
};

pub const ORDERS: &str = "orders";
pub const SESSIONS: &str = "sessions";

const STREAMS: &[Stream] = &[
    Stream {
        name: ORDERS,
        help: "Orders of the registers that Odoo wrote since, those too that were uploaded late.",
        every_s: 60,
        needs: None,
    },
    Stream {
        name: SESSIONS,
        help: "Sessions that were opened or closed: what Odoo booked for them, and the drawer.",
        every_s: 300,
        needs: None,
    },
];

/// Odoo kills a call after 120 s (`limit_time_real`); its own clock may be set in between.
const OVERLAP: SignedDuration = SignedDuration::from_secs(150);
/// One conversation keeps what it read in its state, so it must end in good time.
const PAGES_MAX: u32 = 10;

#[derive(Serialize, Deserialize)]
struct Talk {
    doing: Doing,
    page: Page,
    pages: u32,
    gathered: Vec<Cut>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    Poll(Walk),
    Read {
        ids: BTreeSet<i64>,
        sessions: BTreeSet<i64>,
    },
    /// What the registers sold in a window, by their own clocks.
    List {
        from: Timestamp,
        until: Timestamp,
        after: i64,
        listed: Vec<Listed>,
    },
}

/// Where a poll stands; it is the cursor, too.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Walk {
    /// As Odoo writes moments: UTC.
    since: String,
    newest: String,
    /// The last id of the page before; 0 at the beginning of a walk.
    after: i64,
}

/// A record in the state: as text, because bytes would be written there as a list of numbers.
#[derive(Serialize, Deserialize)]
struct Cut {
    kind: String,
    external_id: String,
    body: String,
}

fn start(context: &Context<'_>, task: &Task) -> Step {
    let (of, doing) = match task {
        Task::Poll { stream, cursor, since } => {
            let of = match stream.as_str() {
                ORDERS => Of::Orders,
                SESSIONS => Of::Sessions,
                other => return refused("unknown_stream", other),
            };
            let cursor = cursor.as_deref().and_then(|cursor| serde_json::from_str(cursor).ok());
            (of, Doing::Poll(cursor.unwrap_or_else(|| Walk::from(moment(*since)))))
        }
        Task::Read { hints } => match reading(hints) {
            Ok((ids, sessions)) => {
                let of = if ids.is_empty() { Of::Sessions } else { Of::Orders };
                (of, Doing::Read { ids, sessions })
            }
            Err(hint) => return refused("bad_reference", &hint),
        },
        Task::List { kind, from, until } if kind == Kind::Order.word() => {
            let (from, until) = (*from, *until);
            (Of::Orders, Doing::List { from, until, after: 0, listed: Vec::new() })
        }
        Task::List { .. } | Task::Deliver { .. } | Task::LookUp { .. } | Task::Identify { .. } => {
            return refused("not_a_task_of_this_connector", "Odoo books its registers itself");
        }
    };
    next(context, Talk { doing, page: Page::new(of), pages: 0, gathered: Vec::new() })
}

fn refused(code: &str, what: &str) -> Step {
    Step::Failed(CallError::Refused { reason_code: code.to_owned(), reason: what.to_owned() })
}

/// Orders and sessions by their ids; payments, refunds and tickets begin with their order's.
fn reading(hints: &[Hint]) -> Result<(BTreeSet<i64>, BTreeSet<i64>), String> {
    let (mut orders, mut sessions) = (BTreeSet::new(), BTreeSet::new());
    let of_orders = [Kind::Order, Kind::Payment, Kind::Refund, Kind::Ticket].map(Kind::word);
    for hint in hints {
        let id = hint.external_id.split('-').next().and_then(|id| id.parse().ok());
        match (hint.kind.as_str(), id) {
            (kind, Some(id)) if of_orders.contains(&kind) => orders.insert(id),
            (kind, Some(id)) if kind == Kind::TillSession.word() => sessions.insert(id),
            _ => return Err(format!("{} {}", hint.kind, hint.external_id)),
        };
    }
    Ok((orders, sessions))
}

fn resume(context: &Context<'_>, state: &State, reply: Result<&Reply, CallError>) -> Step {
    let reply = match reply {
        Ok(reply) => reply,
        // Reading again does no harm, so a lost reply is an unreached server.
        Err(CallError::ReplyLost { why }) => return Step::Failed(CallError::Unreachable { why }),
        Err(error) => return Step::Failed(error),
    };
    let advanced = state.read::<Talk>().and_then(|mut talk| {
        talk.page.take(outcome::rows(reply)?);
        Ok(next(context, talk))
    });
    advanced.unwrap_or_else(Step::Failed)
}

/// Asks for what is missing of the page, goes to the next one, or ends the conversation.
fn next(context: &Context<'_>, mut talk: Talk) -> Step {
    loop {
        let domain = talk.domain();
        if let Some(request) = talk.page.request(context.settings, &domain) {
            return Step::Send { request, writes: false, state: State::of(&talk) };
        }
        match talk.turn() {
            Ok(true) => {}
            Ok(false) => return talk.done(),
            Err(error) => return Step::Failed(error),
        }
    }
}

impl Talk {
    fn domain(&self) -> Vec<Value> {
        match &self.doing {
            Doing::Poll(walk) => {
                vec![json!(["write_date", ">=", walk.since]), json!(["id", ">", walk.after])]
            }
            Doing::Read { ids, sessions } => {
                let ids = if ids.is_empty() { sessions } else { ids };
                vec![json!(["id", "in", ids])]
            }
            Doing::List { from, until, after, .. } => vec![
                json!(["date_order", ">=", moment(*from)]),
                // Odoo keeps whole seconds, and so does a window.
                json!(["date_order", "<=", moment(*until)]),
                json!(["id", ">", after]),
            ],
        }
    }

    /// Takes a whole page in; whether there is another one to ask for.
    fn turn(&mut self) -> Result<bool, CallError> {
        let heads = self.page.heads()?;
        let records = self.page.records();
        if let Doing::List { from, until, after, listed } = &mut self.doing {
            let last = heads.iter().map(|(id, _)| *id).max().unwrap_or(*after);
            if !heads.is_empty() && last <= *after {
                return Err(outcome::unreachable("a page goes backwards"));
            }
            *after = last;
            listed.extend(records.iter().filter_map(|record| listed_as(record, *from..*until)));
            self.page = Page::new(Of::Orders);
            return Ok(heads.len() >= page::SIZE);
        }
        self.gathered.extend(records.into_iter().map(Cut::of));
        self.pages += 1;
        match &mut self.doing {
            Doing::Poll(walk) => {
                for (id, written) in &heads {
                    if *id <= walk.after {
                        return Err(outcome::unreachable("a page goes backwards"));
                    }
                    walk.after = *id;
                    if *written > walk.newest {
                        walk.newest.clone_from(written);
                    }
                }
                if heads.len() < page::SIZE {
                    *walk = Walk::from(back(&walk.newest));
                    return Ok(false);
                }
                let of = self.page.of();
                self.page = Page::new(of);
                Ok(self.pages < PAGES_MAX)
            }
            Doing::Read { ids, sessions } => {
                if ids.is_empty() || sessions.is_empty() {
                    return Ok(false);
                }
                ids.clear();
                self.page = Page::new(Of::Sessions);
                Ok(true)
            }
            Doing::List { .. } => Ok(false),
        }
    }

    fn done(self) -> Step {
        let cursor = match &self.doing {
            Doing::Poll(walk) => Some(State::of(walk).0),
            Doing::Read { .. } | Doing::List { .. } => None,
        };
        let listed = match &self.doing {
            Doing::List { listed, .. } => listed.clone(),
            Doing::Poll(_) | Doing::Read { .. } => Vec::new(),
        };
        let records = self.gathered.into_iter().map(Cut::into_record).collect();
        Step::Done(Outcome { records, cursor, listed, ..Outcome::default() })
    }
}

/// An order as its document states it; `None` where nothing is sold by it, or at another time.
fn listed_as(record: &Record, window: std::ops::Range<Timestamp>) -> Option<Listed> {
    let message = Message { kind: &record.kind, body: &record.body };
    let stated = match decode::decode(&message) {
        Ok(Decoded::Documents(documents)) => documents.into_iter().find_map(|it| match it {
            Document::Order(order) => Some(order),
            _ => None,
        })?,
        Ok(_) => return None,
        // What cannot be read is here all the same, and a case says so.
        Err(_) => {
            let external_id = record.external_id.clone();
            return Some(Listed { external_id, version: None, amount: None });
        }
    };
    window.contains(&stated.placed_at).then(|| Listed {
        external_id: stated.id.clone(),
        version: Some(stated.version),
        amount: Some(stated.total),
    })
}

impl Walk {
    fn from(since: String) -> Self {
        Self { newest: since.clone(), since, after: 0 }
    }
}

fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The overlap before the newest row seen.
fn back(newest: &str) -> String {
    let time: Option<Timestamp> = format!("{}Z", newest.replacen(' ', "T", 1)).parse().ok();
    let earlier = time.and_then(|time| time.checked_sub(OVERLAP).ok());
    earlier.map_or_else(|| newest.to_owned(), moment)
}

impl Cut {
    fn of(record: Record) -> Self {
        let body = String::from_utf8_lossy(&record.body).into_owned();
        Self { kind: record.kind, external_id: record.external_id, body }
    }

    fn into_record(self) -> Record {
        Record { kind: self.kind, external_id: self.external_id, body: self.body.into_bytes() }
    }
}
