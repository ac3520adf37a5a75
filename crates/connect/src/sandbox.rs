//! A vendor played by pure functions: the connector's own sandbox (`DESIGN.md` §9.7).
//!
//! A sandbox is a value that answers requests and is told what happens in its world. The HTTP
//! server of the demo and the simulation's scheduler wrap the same value.

use jiff::Timestamp;

use crate::conversation::{Reply, Request};
use crate::limits::Rate;

/// A vendor that answers requests; it holds its own state and no clock.
pub trait Sandbox: Send {
    /// One request is one transaction: the reply says what was committed.
    fn handle(&mut self, request: &Request, now: Timestamp) -> Reply;

    /// Deliveries that the vendor wants to push, oldest first; each is handed out once.
    fn take_deliveries(&mut self) -> Vec<Push> {
        Vec::new()
    }
}

/// A webhook the vendor sends; the caller signs and transports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub kind: String,
    pub source_id: String,
    pub body: Vec<u8>,
}

/// An allowance as a vendor keeps it: what does not fit is refused, and draws nothing.
#[derive(Clone, Debug)]
pub struct Meter {
    pub rate: Rate,
    left: u64,
    at: Option<Timestamp>,
}

impl Meter {
    pub fn full(rate: Rate) -> Self {
        Self { rate, left: rate.most, at: None }
    }

    /// What is left at a moment, in millionths.
    pub fn left(&mut self, now: Timestamp) -> u64 {
        let passed = self.at.map_or(0, |at| now.duration_since(at).as_micros().max(0));
        let came = passed.saturating_mul(i128::from(self.rate.per_second)) / 1_000_000;
        let left = self.left.saturating_add(u64::try_from(came).unwrap_or(u64::MAX));
        self.left = left.min(self.rate.most);
        self.at = Some(now);
        self.left
    }

    /// Takes `cost` where at least `needed` is left.
    pub fn take(&mut self, needed: u64, cost: u64, now: Timestamp) -> bool {
        let left = self.left(now);
        if left < needed {
            return false;
        }
        self.left = left.saturating_sub(cost);
        true
    }
}
