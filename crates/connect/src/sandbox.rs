//! A vendor played by pure functions: the connector's own sandbox (`DESIGN.md` §9.7).
//!
//! A sandbox is a value that answers requests and is told what happens in its world. The HTTP
//! server of the demo and the simulation's scheduler wrap the same value.

use jiff::Timestamp;

use crate::conversation::{Reply, Request};

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
