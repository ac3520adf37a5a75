//! A poll is a walk through the orders by the time of their last change, oldest first. Where it
//! stands is its cursor.
//!
//! A page by number would lose an order whenever one that was passed changes: it moves to the end,
//! and what follows moves up. So each page asks for what changed after the last one passed, and
//! what was passed at that very second is left out. Only where more orders than fit on a page
//! changed in one second do pages have numbers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::PER_PAGE;

/// How far a walk begins behind the newest change that the last one saw: a change is dated before
/// it is stored, and the clock is the shop's.
const OVERLAP_S: i64 = 10 * 60;

/// Times are in seconds since 1970, which is as exact as WooCommerce is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// Orders that changed later than this are asked for.
    after: i64,
    /// The newest change seen, in this walk or before.
    seen: i64,
    /// The number of the page; 1 unless one second fills several.
    page: u32,
    /// Passed orders that the next page may show again, with the time they had.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    edge: BTreeSet<(String, i64)>,
    /// The list has no further page.
    listed: bool,
}

impl Walk {
    /// A cursor that cannot be read costs a walk from the start, and nothing more.
    pub fn from_cursor(cursor: Option<&str>, since: Timestamp) -> Self {
        let saved = cursor.and_then(|cursor| serde_json::from_str::<Self>(cursor).ok());
        let Some(mut walk) = saved else {
            // The first second counts, too.
            let after = since.as_second().saturating_sub(1);
            return Self { after, seen: after, page: 1, edge: BTreeSet::new(), listed: false };
        };
        if walk.listed {
            let after = walk.seen.saturating_sub(OVERLAP_S);
            walk = Self { after, page: 1, edge: BTreeSet::new(), listed: false, ..walk };
        }
        walk
    }

    pub fn to_cursor(&self) -> String {
        let text = serde_json::to_string(self);
        text.unwrap_or_else(|error| unreachable!("cursors always serialise: {error}"))
    }

    pub fn is_at_its_end(&self) -> bool {
        self.listed
    }

    pub fn path(&self, status: &str) -> String {
        let after = Timestamp::from_second(self.after).unwrap_or(Timestamp::UNIX_EPOCH);
        format!(
            "orders?modified_after={}&dates_are_gmt=true&orderby=modified&order=asc\
             &per_page={PER_PAGE}&page={}&status={status}",
            after.strftime("%Y-%m-%dT%H:%M:%S"),
            self.page
        )
    }

    /// Passes a page of orders with the times of their last change; returns which of them were
    /// passed before, as they are.
    pub fn pass(&mut self, page: &[(String, i64)]) -> BTreeSet<String> {
        let known = page.iter().filter(|one| self.edge.contains(*one));
        let known: BTreeSet<String> = known.map(|(id, _)| id.clone()).collect();
        let newest = page.iter().map(|(_, at)| *at).max().unwrap_or(self.after);
        self.seen = self.seen.max(newest);
        self.listed = page.len() < PER_PAGE;
        self.edge.extend(page.iter().cloned());
        // Whether the second itself is `after` it, is left open.
        self.edge.retain(|(_, at)| *at >= newest - 1);
        if newest - 1 > self.after {
            self.after = newest - 1;
            self.page = 1;
        } else {
            self.page += 1;
        }
        known
    }
}
