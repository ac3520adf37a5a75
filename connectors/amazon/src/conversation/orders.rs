//! Orders: a sweep over all that was updated in a window of time, and reads of single ones.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trueup_connect::{CallError, Decoded, Hint, Reply, Request, Settings};
use trueup_domain::completeness::Listed;
use trueup_domain::document::{Document, Kind};

use super::{Cut, Next, escaped, unexpected};
use crate::{decode, settings, wire};

/// Amazon's rates: one page of a search in 178 s, one single order in 2 s.
pub const PAGE_EVERY_MS: u64 = 180_000;
pub const READ_EVERY_MS: u64 = 2_000;

const PATH: &str = "/orders/2026-01-01/orders";
/// A poll ends after this many pages and goes on from there: so many Amazon gives at once.
const PAGES_MAX: u32 = 15;
/// How far a sweep reads back behind the one before: Amazon's index lags behind its orders.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The end of a window lies at least two minutes back, says Amazon.
const LAG: SignedDuration = SignedDuration::from_mins(3);

const DATASETS: &str = "PROCEEDS,PROMOTION,FULFILLMENT,PACKAGES,TAX";
const WITH_PERSONS: &str = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,FULFILLMENT,PACKAGES,TAX";

fn datasets(settings: &Settings) -> &'static str {
    if settings::persons(settings) { WITH_PERSONS } else { DATASETS }
}

/// Where the stream stands; the cursor is its JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    /// The window that is being read: what was updated from … to.
    from: Timestamp,
    to: Timestamp,
    /// The next page of it; none where it has been read, or not begun.
    token: Option<String>,
    done: bool,
}

#[derive(Serialize, Deserialize)]
pub struct Sweep {
    place: Place,
    pages: u32,
}

impl Sweep {
    pub fn from_cursor(
        cursor: Option<&str>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Self, CallError> {
        let to = now.checked_sub(LAG).unwrap_or(now);
        let place = match cursor {
            None => Place { from: since.min(to), to, token: None, done: false },
            Some(cursor) => {
                let place: Place =
                    serde_json::from_str(cursor).map_err(|error| CallError::NotSetUp {
                        why: format!("the cursor of the stream cannot be read: {error}"),
                    })?;
                if place.done {
                    let from = place.to.checked_sub(OVERLAP).unwrap_or(place.to);
                    // A clock that was set back must not turn the window round.
                    Place { from, to: to.max(place.to), token: None, done: false }
                } else {
                    place
                }
            }
        };
        Ok(Self { place, pages: 0 })
    }

    pub fn to_cursor(&self) -> String {
        let text = serde_json::to_string(&self.place);
        text.unwrap_or_else(|error| unreachable!("cursors always serialise: {error}"))
    }

    pub fn has_read(&self) -> bool {
        self.pages > 0
    }

    /// Begins the window again; false where it was at its first page.
    pub fn forget_token(&mut self) -> bool {
        self.place.token.take().is_some()
    }

    pub fn next(&self, settings: &Settings) -> Next {
        if self.place.done || self.pages >= PAGES_MAX {
            return Next::Done { cursor: Some(self.to_cursor()) };
        }
        let mut path = format!(
            "{PATH}?lastUpdatedAfter={}&lastUpdatedBefore={}&maxResultsPerPage=100&includedData={}",
            escaped(&self.place.from.to_string()),
            escaped(&self.place.to.to_string()),
            datasets(settings)
        );
        with_place(&mut path, settings, self.place.token.as_deref());
        Next::Ask(Request::get(path))
    }

    pub fn take(&mut self, reply: &Reply, records: &mut Vec<Cut>) -> Result<(), CallError> {
        let page: wire::OrdersPage = serde_json::from_slice(&reply.body).map_err(unexpected)?;
        for order in &page.orders {
            let head: wire::OrderHead = serde_json::from_str(order.get()).map_err(unexpected)?;
            records.push(cut(head.order_id, order.get()));
        }
        let token = page.pagination.and_then(|pagination| pagination.next_token);
        if token.is_some() && token == self.place.token {
            return Err(unexpected("a page leads to itself"));
        }
        self.pages += 1;
        self.place.done = token.is_none();
        self.place.token = token;
        Ok(())
    }
}

fn cut(id: String, body: &str) -> Cut {
    Cut { kind: decode::ORDER.to_owned(), id, body: body.to_owned() }
}

/// The orders that were created in a window, named as they are stated: what the completeness ledger
/// asks for, by another road than the sweep.
#[derive(Serialize, Deserialize)]
pub struct Created {
    from: Timestamp,
    until: Timestamp,
    token: Option<String>,
    done: bool,
    pub listed: Vec<Listed>,
}

impl Created {
    pub fn of(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until, token: None, done: false, listed: Vec::new() }
    }

    pub fn next(&self, settings: &Settings) -> Next {
        if self.done {
            return Next::Done { cursor: None };
        }
        // Persons are not listed.
        let mut path = format!(
            "{PATH}?createdAfter={}&createdBefore={}&maxResultsPerPage=100&includedData={DATASETS}",
            escaped(&self.from.to_string()),
            escaped(&self.until.to_string()),
        );
        with_place(&mut path, settings, self.token.as_deref());
        Next::Ask(Request::get(path))
    }

    pub fn take(&mut self, reply: &Reply) -> Result<(), CallError> {
        let page: wire::OrdersPage = serde_json::from_slice(&reply.body).map_err(unexpected)?;
        for order in &page.orders {
            let head: wire::OrderHead = serde_json::from_str(order.get()).map_err(unexpected)?;
            let wire: Result<wire::Order, _> = serde_json::from_str(order.get());
            let decoded = wire.map(|wire| decode::order::decode(&wire));
            let stated = match &decoded {
                Ok(Ok(Decoded::Documents(documents))) => documents.iter().find_map(|it| match it {
                    Document::Order(order) => Some(order),
                    _ => None,
                }),
                // Nothing is sold yet, or by another channel.
                Ok(Ok(_)) => continue,
                // What cannot be read is here all the same, and a case says so.
                Ok(Err(_)) | Err(_) => None,
            };
            // The bounds of Amazon's search are not known to the microsecond; those of a window are.
            if stated.is_some_and(|it| !(self.from..self.until).contains(&it.placed_at)) {
                continue;
            }
            self.listed.push(Listed {
                external_id: head.order_id,
                version: stated.map(|it| it.version),
                amount: stated.map(|it| it.total),
            });
        }
        let token = page.pagination.and_then(|pagination| pagination.next_token);
        if token.is_some() && token == self.token {
            return Err(unexpected("a page leads to itself"));
        }
        self.done = token.is_none();
        self.token = token;
        Ok(())
    }

    /// Begins again; false where it was at its first page.
    pub fn forget_token(&mut self) -> bool {
        self.listed.clear();
        self.token.take().is_some()
    }
}

/// The marketplaces that are asked for, and the page.
fn with_place(path: &mut String, settings: &Settings, token: Option<&str>) {
    if let Some(marketplaces) = settings.get(settings::MARKETPLACES) {
        path.push_str(&format!("&marketplaceIds={}", escaped(marketplaces)));
    }
    if let Some(token) = token {
        path.push_str(&format!("&paginationToken={}", escaped(token)));
    }
}

#[derive(Serialize, Deserialize)]
pub struct Reading {
    /// Orders still to be read; the first one is being asked for.
    left: Vec<String>,
    read: usize,
}

impl Reading {
    /// Payments and packages are whole only with their order. Nothing else can be read alone: a
    /// refund or ledger row is a part of its settlement.
    pub fn of(hints: &[Hint]) -> Self {
        let of_orders = [Kind::Order.word(), Kind::Payment.word(), Kind::Fulfilment.word()];
        let mut left: Vec<String> = Vec::new();
        for hint in hints.iter().filter(|hint| of_orders.contains(&hint.kind.as_str())) {
            let id = hint.external_id.split('/').next().unwrap_or_default();
            let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if plain && !id.is_empty() && !left.iter().any(|known| known == id) {
                left.push(id.to_owned());
            }
        }
        Self { left, read: 0 }
    }

    /// Goes on without an order that Amazon will not show; false where it was all that was asked.
    pub fn pass_over(&mut self) -> bool {
        let alone = self.left.len() == 1 && self.read == 0;
        if !alone && !self.left.is_empty() {
            self.left.remove(0);
        }
        !alone
    }

    pub fn next(&self, settings: &Settings) -> Next {
        match self.left.first() {
            Some(id) => {
                let path = format!("{PATH}/{id}?includedData={}", datasets(settings));
                Next::Ask(Request::get(path))
            }
            None => Next::Done { cursor: None },
        }
    }

    pub fn take(&mut self, reply: &Reply, records: &mut Vec<Cut>) -> Result<(), CallError> {
        let one: wire::OneOrder = serde_json::from_slice(&reply.body).map_err(unexpected)?;
        let head: wire::OrderHead = serde_json::from_str(one.order.get()).map_err(unexpected)?;
        records.push(cut(head.order_id, one.order.get()));
        self.read += 1;
        if !self.left.is_empty() {
            self.left.remove(0);
        }
        Ok(())
    }
}
