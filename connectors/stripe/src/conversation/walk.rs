//! A poll is a walk through a list that Stripe gives newest first. Where it stands is its cursor.
//!
//! A walk goes from the newest object back to `from`. What is created meanwhile stands above its
//! start and belongs to the next walk, whose `from` lies `overlap` before the newest object of this
//! one. The payouts' walk takes a detour through the rows of each payout that can be itemised, once.

use std::collections::BTreeSet;
use std::fmt::Write;
use trueup_domain::planted::planted;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_connect::{CallError, Reply, Settings};

use super::gather::Gathered;
use super::{BALANCE_TRANSACTIONS, CHARGES, DISPUTES, EVENTS, PAYOUTS, is_plain_id};
use crate::decode::{self, member_kind};
use crate::{outcome, settings, wire};

/// Stripe's largest page.
pub const LIMIT: u32 = 100;

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 24 * 60 * MINUTE_S;

/// What the `events` stream asks for; Stripe takes at most twenty types. `payout.created` is not
/// among them, because the `payouts` stream finds each new one.
pub const EVENT_TYPES: &[&str] = &[
    "charge.captured",
    "charge.expired",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "payout.canceled",
    "payout.failed",
    "payout.paid",
    "payout.reconciliation_completed",
    "payout.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    BalanceTransactions,
    Payouts,
    Charges,
    Disputes,
    Events,
}

impl Stream {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            BALANCE_TRANSACTIONS => Some(Self::BalanceTransactions),
            PAYOUTS => Some(Self::Payouts),
            CHARGES => Some(Self::Charges),
            DISPUTES => Some(Self::Disputes),
            EVENTS => Some(Self::Events),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::BalanceTransactions => "/v1/balance_transactions",
            Self::Payouts => "/v1/payouts",
            Self::Charges => "/v1/charges",
            Self::Disputes => "/v1/disputes",
            Self::Events => "/v1/events",
        }
    }

    /// How far before the newest object the next walk reaches back.
    pub fn overlap_s(self, settings: &Settings) -> i64 {
        match self {
            // Rows and charges are found by when they were made; what becomes of a charge later
            // comes as an event.
            Self::BalanceTransactions | Self::Charges => 15 * MINUTE_S,
            // A payout may fail five business days after it was paid, and its trace may come ten
            // days after it arrived.
            Self::Payouts => 21 * DAY_S,
            // A network decides within about three months.
            Self::Disputes => 120 * DAY_S,
            // Stripe tries a delivery for three days before it counts as failed.
            Self::Events if settings::pushed(settings) => 4 * DAY_S,
            Self::Events => 15 * MINUTE_S,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// Seconds since 1970: objects created before it are not asked for.
    from: i64,
    /// The last object that this walk has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The newest creation time that this walk has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<i64>,
    /// The list has no further page.
    #[serde(default, skip_serializing_if = "is_false")]
    listed: bool,
    /// Payouts whose rows are to be read; the first one is being read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to_itemise: Vec<String>,
    /// The last row passed of the first of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_after: Option<String>,
    /// Payouts whose rows have been read whole; they never change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    itemised: BTreeSet<String>,
    /// Those of them that are still within reach, so that the rest can be forgotten.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    within_reach: BTreeSet<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this shape")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Walk {
    /// A cursor that cannot be read costs a walk from the start, and nothing more.
    pub fn from_cursor(cursor: Option<&str>, since: Timestamp) -> Self {
        let saved = cursor.and_then(|cursor| serde_json::from_str(cursor).ok());
        saved.unwrap_or_else(|| Self {
            from: since.as_second(),
            after: None,
            newest: None,
            listed: false,
            to_itemise: Vec::new(),
            row_after: None,
            itemised: BTreeSet::new(),
            within_reach: BTreeSet::new(),
        })
    }

    pub fn to_cursor(&self) -> String {
        let text = serde_json::to_string(self);
        text.unwrap_or_else(|error| unreachable!("cursors always serialise: {error}"))
    }

    pub fn is_finished(&self) -> bool {
        self.listed && self.to_itemise.is_empty()
    }

    /// Ends this walk and stands at the start of the next.
    pub fn turn(&mut self, overlap_s: i64) {
        if planted("a_walk_turns_too_far") {
            self.from = self.from.max(self.newest.unwrap_or_default() + DAY_S);
        }
        if let Some(newest) = self.newest.take() {
            self.from = self.from.max(newest.saturating_sub(overlap_s));
        }
        self.after = None;
        self.listed = false;
        let within_reach = std::mem::take(&mut self.within_reach);
        self.itemised.retain(|payout| within_reach.contains(payout));
    }

    pub fn path(&self, stream: Stream, settings: &Settings) -> String {
        if let Some(payout) = self.to_itemise.first() {
            return members_path(payout, self.row_after.as_deref());
        }
        let mut path = format!("{}?limit={LIMIT}&created%5Bgte%5D={}", stream.path(), self.from);
        match stream {
            Stream::BalanceTransactions => path.push_str("&expand%5B%5D=data.source"),
            Stream::Events => {
                if settings::pushed(settings) {
                    path.push_str("&delivery_success=false");
                }
                for kind in EVENT_TYPES {
                    let _ = write!(path, "&types%5B%5D={kind}");
                }
            }
            Stream::Payouts | Stream::Charges | Stream::Disputes => {}
        }
        if let Some(after) = &self.after {
            let _ = write!(path, "&starting_after={after}");
        }
        path
    }

    pub fn advance(
        &mut self,
        stream: Stream,
        reply: &Reply,
        gathered: &mut Gathered,
    ) -> Result<(), CallError> {
        if self.to_itemise.is_empty() {
            self.advance_list(stream, reply, gathered)
        } else {
            self.advance_rows(reply, gathered)
        }
    }

    fn advance_list(
        &mut self,
        stream: Stream,
        reply: &Reply,
        gathered: &mut Gathered,
    ) -> Result<(), CallError> {
        let page: wire::Page = outcome::read(reply)?;
        for object in &page.data {
            let listed: wire::Listed = part(object)?;
            self.newest = self.newest.max(Some(listed.created));
            match stream {
                Stream::BalanceTransactions => {
                    gathered.cut(decode::BALANCE_TRANSACTION, &listed.id, object);
                }
                Stream::Charges => gathered.cut(decode::CHARGE, &listed.id, object),
                Stream::Disputes => gathered.cut(decode::DISPUTE, &listed.id, object),
                Stream::Events => {
                    let event: EventKind = part(object)?;
                    gathered.cut(event.kind, &listed.id, object);
                }
                Stream::Payouts => {
                    gathered.cut(decode::PAYOUT, &listed.id, object);
                    self.note_payout(&listed.id, is_itemised(object));
                }
            }
        }
        gathered.count_page();
        self.after = last_passed(&page, self.after.as_deref())?;
        self.listed = !page.has_more;
        Ok(())
    }

    fn note_payout(&mut self, payout: &str, can_be_itemised: bool) {
        if self.itemised.contains(payout) {
            self.within_reach.insert(payout.to_owned());
        } else if can_be_itemised && is_plain_id(payout) {
            self.to_itemise.push(payout.to_owned());
        }
    }

    fn advance_rows(&mut self, reply: &Reply, gathered: &mut Gathered) -> Result<(), CallError> {
        let Some(payout) = self.to_itemise.first().cloned() else { return Ok(()) };
        gathered.count_page();
        let page: wire::Page = match outcome::read(reply) {
            Ok(page) => page,
            // One payout that Stripe will not itemise must not stop the stream. It is asked for
            // again by the next walk, and its document keeps waiting for its rows.
            Err(CallError::Refused { .. }) => {
                self.to_itemise.remove(0);
                self.row_after = None;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        cut_members(&page, &payout, gathered)?;
        if page.has_more {
            self.row_after = last_passed(&page, self.row_after.as_deref())?;
        } else {
            self.to_itemise.remove(0);
            self.row_after = None;
            self.within_reach.insert(payout.clone());
            self.itemised.insert(payout);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct EventKind {
    #[serde(rename = "type")]
    kind: String,
}

/// The page of rows of one payout that follows `after`.
pub fn members_path(payout: &str, after: Option<&str>) -> String {
    let mut path =
        format!("/v1/balance_transactions?payout={payout}&limit={LIMIT}&expand%5B%5D=data.source");
    if let Some(after) = after {
        let _ = write!(path, "&starting_after={after}");
    }
    path
}

pub fn cut_members(
    page: &wire::Page,
    payout: &str,
    gathered: &mut Gathered,
) -> Result<(), CallError> {
    for object in &page.data {
        let listed: wire::Listed = part(object)?;
        gathered.cut(member_kind(payout), &listed.id, object);
    }
    Ok(())
}

/// The id that the next page starts after. A list that promises more and does not move on would
/// be walked for ever.
pub fn last_passed(page: &wire::Page, before: Option<&str>) -> Result<Option<String>, CallError> {
    if !page.has_more {
        return Ok(None);
    }
    let last: Option<wire::Listed> = page.data.last().map(|object| part(object)).transpose()?;
    match last {
        Some(last) if is_plain_id(&last.id) && Some(last.id.as_str()) != before => {
            Ok(Some(last.id))
        }
        _ => Err(CallError::ReplyLost { why: "a page leads nowhere".to_owned() }),
    }
}

/// Whether the rows of a payout can be listed. One that cannot be read is stored all the same, and
/// becomes a case when it is decoded.
pub fn is_itemised(object: &serde_json::value::RawValue) -> bool {
    let payout: Result<wire::Payout, _> = serde_json::from_str(object.get());
    payout.is_ok_and(|payout| decode::is_itemised(&payout))
}

pub fn part<'a, T: Deserialize<'a>>(
    object: &'a serde_json::value::RawValue,
) -> Result<T, CallError> {
    serde_json::from_str(object.get())
        .map_err(|error| CallError::ReplyLost { why: format!("unreadable object: {error}") })
}
