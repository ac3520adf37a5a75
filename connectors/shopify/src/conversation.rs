//! Polls and reads over GraphQL, without IO.
//!
//! A poll reads pages sorted by the stream's time and hands out each object as the exact bytes the
//! vendor wrote. Its cursor is only handed out at the end, with the records: a crash at any page
//! starts again from the old cursor, and what was read twice decodes to the same documents.

mod listing;
pub mod queries;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use trueup_connect::{
    CallError, Context, Conversations, Hint, Outcome, Record, Reply, Request, State, Step, Stream,
    Task,
};
use trueup_domain::document::Kind;
use trueup_domain::planted::planted;

use crate::decode::balance::{self, BALANCE};
use crate::outcome::{self, Trouble};
use crate::wire::Id;
use crate::wire_graphql::{FEW_READ_MAX, LINES_READ_MAX};
use listing::Listing;
use watch::Watch;

pub static CONVERSATIONS: Conversations = Conversations {
    streams: STREAMS,
    lists: LISTS,
    delivers: false,
    identifies: false,
    at_once: 1,
    limits: Some(&outcome::LIMITS),
    start,
    resume,
};

const WEBHOOKS: &str = "webhooks";

const LISTS: &[Kind] = &[Kind::Order];

const STREAMS: &[Stream] = &[
    Stream {
        name: "orders",
        help: "Orders with their payments, refunds, fulfilments and returns.",
        every_s: 300,
        needs: None,
    },
    Stream { name: "payouts", help: "Payouts of Shopify Payments.", every_s: 3600, needs: None },
    Stream {
        name: "balance_transactions",
        help: "The ledger of Shopify Payments.",
        every_s: 3600,
        needs: None,
    },
    Stream { name: "disputes", help: "Disputes of Shopify Payments.", every_s: 3600, needs: None },
    Stream {
        name: BALANCE,
        help: "What Shopify Payments itself says it holds, in each currency.",
        every_s: 3600,
        needs: None,
    },
    Stream {
        name: WEBHOOKS,
        help: "Whether the app's webhooks are still there: Shopify removes those that failed eight times in a row.",
        every_s: 900,
        needs: None,
    },
];

/// Orders of a poll, which asks for `LINES_POLLED` lines of each and for `FEW_POLLED` of everything of
/// which an order rarely has any; one with more is read alone. A single query may not cost more than
/// 1000 points: this one costs 678, and a read 516 (`sandbox/cost.rs`).
const ORDERS_PAGE: usize = 12;
const LINES_POLLED: usize = 50;
const FEW_POLLED: usize = 4;
const ROWS_PAGE: usize = 100;
/// Whole orders of one read.
const ORDERS_READ: usize = 4;
/// A poll ends after this many pages and goes on from there, so that its records stay few.
const PAGES_MAX: u32 = 50;
/// Throttled this often in one conversation: somebody else empties the bucket.
const WAITS_MAX: u32 = 20;

/// How far a poll reads back behind the newest it has seen. Orders: Shopify's index lags behind its
/// database, and its clocks are not ours. The rest changes its state without any update time, so
/// the window is as long as that takes: a payout may fail days after it was paid, a row is put into
/// a payout later, a dispute is open for months.
fn overlap(stream: Which) -> SignedDuration {
    match stream {
        Which::Orders => SignedDuration::from_mins(10),
        Which::Payouts | Which::Rows => SignedDuration::from_hours(30 * 24),
        Which::Disputes => SignedDuration::from_hours(180 * 24),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Which {
    Orders,
    Payouts,
    Rows,
    Disputes,
}

impl Which {
    fn of(stream: &str) -> Option<Self> {
        Some(match stream {
            "orders" => Self::Orders,
            "payouts" => Self::Payouts,
            "balance_transactions" => Self::Rows,
            "disputes" => Self::Disputes,
            _ => return None,
        })
    }

    fn record_kind(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Payouts => "payout",
            Self::Rows => "balance_transaction",
            Self::Disputes => "dispute",
        }
    }

    fn gid_kind(self) -> &'static str {
        match self {
            Self::Orders => "Order",
            Self::Payouts => "ShopifyPaymentsPayout",
            Self::Rows => "ShopifyPaymentsBalanceTransaction",
            Self::Disputes => "ShopifyPaymentsDispute",
        }
    }
}

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
    Poll {
        which: Which,
        place: Place,
        pages: u32,
    },
    /// Ids still to be read, per kind; owners first, because they become orders.
    Read {
        owners: Vec<String>,
        left: BTreeMap<Which, BTreeSet<String>>,
        asked: Vec<String>,
    },
    /// One question and its answer: no pages, no cursor.
    Balance,
    List(Listing),
    Webhooks(Watch),
}

/// Where a stream stands; the cursor is its JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    /// The newest time seen.
    seen: Timestamp,
    /// The filter of the pages being read, and the last page's end: set while pages are left.
    since: Timestamp,
    after: Option<String>,
}

/// An object cut out of a reply.
#[derive(Serialize, Deserialize)]
struct Cut {
    kind: String,
    id: String,
    body: String,
}

fn start(context: &Context<'_>, task: &Task) -> Step {
    let doing = match task {
        Task::Poll { stream, .. } if stream == BALANCE => Doing::Balance,
        Task::Poll { stream, .. } if stream == WEBHOOKS => Doing::Webhooks(Watch::default()),
        Task::Poll { stream, cursor, since } => {
            let Some(which) = Which::of(stream) else { return refused("unknown stream", stream) };
            match place(which, cursor.as_deref(), *since) {
                Ok(place) => Doing::Poll { which, place, pages: 0 },
                Err(error) => return Step::Failed(error),
            }
        }
        Task::Read { hints } => match reading(hints) {
            Ok(doing) => doing,
            Err(kind) => return refused("unknown hint", &kind),
        },
        Task::List { kind, from, until } if kind == Kind::Order.word() => {
            Doing::List(Listing::of(*from, *until))
        }
        Task::List { .. } | Task::Deliver { .. } | Task::LookUp { .. } | Task::Identify { .. } => {
            return refused("not a task of this connector", "deliver");
        }
    };
    next(context, Talk { doing, records: Vec::new(), waits: 0, waiting: false })
}

fn refused(reason_code: &str, reason: &str) -> Step {
    Step::Failed(CallError::Refused {
        reason_code: reason_code.replace(' ', "_"),
        reason: format!("{reason_code}: {reason}"),
    })
}

fn place(which: Which, cursor: Option<&str>, since: Timestamp) -> Result<Place, CallError> {
    let Some(cursor) = cursor else { return Ok(Place { seen: since, since, after: None }) };
    let mut place: Place = serde_json::from_str(cursor).map_err(|error| CallError::NotSetUp {
        why: format!("the cursor of the stream cannot be read: {error}"),
    })?;
    // All pages were read: begin anew, a little behind. Otherwise go on with the same filter,
    // because a page's end belongs to it.
    if planted("a_poll_begins_where_the_clock_stands") {
        place.since = Timestamp::MAX;
    } else if place.after.is_none() {
        place.since = place.seen.checked_sub(overlap(which)).unwrap_or(place.seen);
    }
    Ok(place)
}

/// Payments, refunds, fulfilments and returns are whole only with their order.
fn reading(hints: &[Hint]) -> Result<Doing, String> {
    let mut owners = BTreeSet::new();
    let mut left: BTreeMap<Which, BTreeSet<String>> = BTreeMap::new();
    for hint in hints {
        let Some(id) = Id::parse(&hint.external_id) else { return Err(hint.external_id.clone()) };
        let mut whole = |which| left.entry(which).or_default().insert(id.0.clone());
        let mut owned = |kind: &str| owners.insert(format!("gid://shopify/{kind}/{}", id.0));
        let order = [Kind::Order.word(), "order_payments", "order_refunds"];
        match hint.kind.as_str() {
            kind if order.contains(&kind) => whole(Which::Orders),
            kind if kind == Kind::Payout.word() => whole(Which::Payouts),
            kind if kind == Kind::LedgerRow.word() => whole(Which::Rows),
            kind if kind == Kind::Dispute.word() => whole(Which::Disputes),
            kind if kind == Kind::Payment.word() => owned("OrderTransaction"),
            kind if kind == Kind::Refund.word() => owned("Refund"),
            kind if kind == Kind::Fulfilment.word() => owned("Fulfillment"),
            kind if kind == Kind::Return.word() => owned("Return"),
            kind => return Err(kind.to_owned()),
        };
    }
    Ok(Doing::Read { owners: owners.into_iter().collect(), left, asked: Vec::new() })
}

/// The next request of a conversation, or its end.
fn next(context: &Context<'_>, mut talk: Talk) -> Step {
    let mut writes = false;
    let body = match &mut talk.doing {
        Doing::Poll { which, place, pages } => {
            if *pages > 0 && (place.after.is_none() || *pages >= PAGES_MAX) {
                let cursor = serde_json::to_string(&*place).ok();
                return done(talk.records, cursor);
            }
            page_request(*which, place)
        }
        Doing::Read { owners, left, asked } => {
            if let Some(batch) = batch_of_owners(owners) {
                *asked = batch.clone();
                json!({ "query": queries::owners(), "variables": { "ids": batch } })
            } else {
                left.retain(|_, ids| !ids.is_empty());
                let Some((&which, ids)) = left.iter().next() else {
                    return done(talk.records, None);
                };
                let size = if which == Which::Orders { ORDERS_READ } else { ROWS_PAGE };
                *asked = ids.iter().take(size).cloned().collect();
                read_request(which, asked)
            }
        }
        Doing::Balance => json!({ "query": queries::account_balance(), "variables": {} }),
        Doing::List(listing) => match listing.request() {
            Some(request) => request,
            None => return listing.done(),
        },
        Doing::Webhooks(watch) => match watch.request(context.settings) {
            Some((request, makes)) => {
                writes = makes;
                request
            }
            None => {
                return match watch.end(context.settings) {
                    Ok(records) => done(records, None),
                    Err(error) => Step::Failed(error),
                };
            }
        },
    };
    let request = Request::post_json(queries::PATH, &body);
    Step::Send { request, writes, state: State::of(&talk) }
}

fn batch_of_owners(owners: &[String]) -> Option<Vec<String>> {
    let batch: Vec<String> = owners.iter().take(ROWS_PAGE).cloned().collect();
    (!batch.is_empty()).then_some(batch)
}

fn done(records: Vec<Cut>, cursor: Option<String>) -> Step {
    let record =
        |cut: Cut| Record { kind: cut.kind, external_id: cut.id, body: cut.body.into_bytes() };
    let records = records.into_iter().map(record).collect();
    Step::Done(Outcome { records, cursor, ..Outcome::default() })
}

/// How long the lists are that a poll of orders asks for, by the names of its variables.
pub(crate) fn polled_sizes() -> serde_json::Value {
    json!({ "first": ORDERS_PAGE, "lines": LINES_POLLED, "few": FEW_POLLED })
}

/// The same of a read of single orders.
pub(crate) fn read_sizes() -> serde_json::Value {
    json!({ "lines": LINES_READ_MAX, "few": FEW_READ_MAX })
}

fn page_request(which: Which, place: &Place) -> serde_json::Value {
    let (query, field) = match which {
        Which::Orders => (queries::orders(), "updated_at"),
        Which::Payouts => (queries::payouts(), "issued_at"),
        Which::Rows => (queries::balance_transactions(), "processed_at"),
        Which::Disputes => (queries::disputes(), "initiated_at"),
    };
    let filter = format!("{field}:>='{}'", place.since);
    if which == Which::Orders {
        let mut variables = polled_sizes();
        variables["query"] = json!(filter);
        variables["after"] = json!(place.after);
        return json!({ "query": query, "variables": variables });
    }
    json!({
        "query": query,
        "variables": { "query": filter, "first": ROWS_PAGE, "after": place.after },
    })
}

fn read_request(which: Which, ids: &[String]) -> serde_json::Value {
    let kind = which.gid_kind();
    let ids: Vec<String> = ids.iter().map(|id| format!("gid://shopify/{kind}/{id}")).collect();
    let query = match which {
        Which::Orders => {
            let mut variables = read_sizes();
            variables["ids"] = json!(ids);
            return json!({ "query": queries::orders_by_id(), "variables": variables });
        }
        Which::Payouts => queries::payouts_by_id(),
        Which::Rows => queries::balance_transactions_by_id(),
        Which::Disputes => queries::disputes_by_id(),
    };
    json!({ "query": query, "variables": { "ids": ids } })
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
    let reply = match reply {
        Ok(reply) => reply,
        // Reading again does no harm, so a lost reply is an unreached vendor. A webhook that was
        // being made is there or not when the list is read the next time.
        Err(CallError::ReplyLost { why }) => return Step::Failed(CallError::Unreachable { why }),
        Err(error) => return Step::Failed(error),
    };
    let data = match outcome::data(reply) {
        Ok(data) => data,
        Err(Trouble::Throttled { wait_ms }) => {
            if talk.waits >= WAITS_MAX {
                let retry_after_ms = Some(wait_ms);
                return Step::Failed(CallError::RateLimited { retry_after_ms });
            }
            talk.waits += 1;
            talk.waiting = true;
            return Step::Wait { for_ms: wait_ms, state: State::of(&talk) };
        }
        Err(Trouble::Failed(error)) => {
            let refused = match &mut talk.doing {
                Doing::Webhooks(watch) => watch.failed(error),
                _ => Err(error),
            };
            return match refused {
                Ok(()) => next(context, talk),
                Err(error) => Step::Failed(error),
            };
        }
    };
    let taken = match &mut talk.doing {
        Doing::Poll { which, place, pages } => {
            take_page(*which, place, pages, data, &mut talk.records)
        }
        Doing::Read { owners, left, asked } if !owners.is_empty() => {
            take_owners(owners, left, asked, data)
        }
        Doing::Read { left, asked, .. } => take_read(left, asked, data, &mut talk.records),
        Doing::Balance => match take_balance(data, context.now) {
            Ok(records) => return done(records, None),
            Err(why) => Err(why),
        },
        Doing::List(listing) => listing.take(data),
        Doing::Webhooks(watch) => watch.take(context.settings, data),
    };
    match taken {
        Ok(()) => next(context, talk),
        Err(why) => {
            Step::Failed(CallError::Unreachable { why: format!("unexpected reply: {why}") })
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Polled<'a> {
    #[serde(borrow)]
    orders: Option<Page<'a>>,
    #[serde(borrow)]
    shopify_payments_account: Option<Account<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account<'a> {
    #[serde(borrow)]
    payouts: Option<Page<'a>>,
    #[serde(borrow)]
    balance_transactions: Option<Page<'a>>,
    #[serde(borrow)]
    disputes: Option<Page<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    nodes: Vec<&'a RawValue>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    id: Id,
    updated_at: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    transaction_date: Option<Timestamp>,
    initiated_at: Option<Timestamp>,
}

fn take_page(
    which: Which,
    place: &mut Place,
    pages: &mut u32,
    data: &RawValue,
    records: &mut Vec<Cut>,
) -> Result<(), String> {
    let polled: Polled<'_> = serde_json::from_str(data.get()).map_err(|error| error.to_string())?;
    let page = match (which, polled.shopify_payments_account) {
        (Which::Orders, _) => polled.orders,
        // A shop without Shopify Payments has no account, and nothing in these streams.
        (_, None) => {
            *pages += 1;
            place.after = None;
            return Ok(());
        }
        (Which::Payouts, Some(account)) => account.payouts,
        (Which::Rows, Some(account)) => account.balance_transactions,
        (Which::Disputes, Some(account)) => account.disputes,
    };
    let page = page.ok_or("the page is missing")?;
    for node in page.nodes {
        let head: Head = serde_json::from_str(node.get()).map_err(|error| error.to_string())?;
        let at = head.updated_at.or(head.issued_at).or(head.transaction_date).or(head.initiated_at);
        place.seen = place.seen.max(at.ok_or("an object without its time")?);
        records.push(cut(which, head.id, node));
    }
    *pages += 1;
    let info = page.page_info;
    if info.has_next_page && (info.end_cursor.is_none() || info.end_cursor == place.after) {
        return Err("the next page is the same".to_owned());
    }
    place.after = info.end_cursor.filter(|_| info.has_next_page);
    Ok(())
}

fn cut(which: Which, id: Id, node: &RawValue) -> Cut {
    Cut { kind: which.record_kind().to_owned(), id: id.0, body: node.get().to_owned() }
}

/// The account as it came, with nothing in it but its balance. A shop without Shopify Payments has
/// none, and states nothing.
fn take_balance(data: &RawValue, now: Timestamp) -> Result<Vec<Cut>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answered<'a> {
        #[serde(borrow)]
        shopify_payments_account: Option<&'a RawValue>,
    }
    let answered: Answered<'_> =
        serde_json::from_str(data.get()).map_err(|error| error.to_string())?;
    let cut = |account: &RawValue| Cut {
        kind: balance::kind(now),
        id: BALANCE.to_owned(),
        body: account.get().to_owned(),
    };
    Ok(answered.shopify_payments_account.map(cut).into_iter().collect())
}

#[derive(Deserialize)]
struct ById<'a> {
    #[serde(borrow)]
    nodes: Vec<Option<&'a RawValue>>,
}

fn by_id(data: &RawValue) -> Result<Vec<&RawValue>, String> {
    let found: ById<'_> = serde_json::from_str(data.get()).map_err(|error| error.to_string())?;
    // What is not there any more, or is older than we may see, has no node.
    Ok(found.nodes.into_iter().flatten().collect())
}

fn take_owners(
    owners: &mut Vec<String>,
    left: &mut BTreeMap<Which, BTreeSet<String>>,
    asked: &[String],
    data: &RawValue,
) -> Result<(), String> {
    for node in by_id(data)? {
        let owner: BTreeMap<String, Option<crate::wire::Ref>> =
            serde_json::from_str(node.get()).map_err(|error| error.to_string())?;
        let orders = owner.into_values().flatten().map(|order| order.id.0);
        left.entry(Which::Orders).or_default().extend(orders);
    }
    owners.retain(|owner| !asked.contains(owner));
    Ok(())
}

fn take_read(
    left: &mut BTreeMap<Which, BTreeSet<String>>,
    asked: &[String],
    data: &RawValue,
    records: &mut Vec<Cut>,
) -> Result<(), String> {
    let (&which, ids) = left.iter_mut().next().ok_or("nothing was asked for")?;
    for node in by_id(data)? {
        let head: Head = serde_json::from_str(node.get()).map_err(|error| error.to_string())?;
        records.push(cut(which, head.id, node));
    }
    ids.retain(|id| !asked.contains(id));
    Ok(())
}
