//! What Amazon announces in a queue of the seller.
//!
//! A message is deleted only once the hub has it: the cursor is what the last poll received, and the
//! next poll deletes that before it receives more. What was received and not kept comes again.

use serde::{Deserialize, Serialize};
use trueup_connect::{CallError, Reply, Settings};

use super::{Cut, Next};
use crate::{decode, queue};

/// Requests of one poll that receive; a full queue is gone on with at the next one.
const RECEIVED_MAX: u32 = 20;

#[derive(Serialize, Deserialize)]
pub struct Drain {
    /// Handles of what is kept, and not deleted yet.
    kept: Vec<String>,
    /// Handles of what this poll received.
    received: Vec<String>,
    asked: u32,
    empty: bool,
}

impl Drain {
    /// A cursor that cannot be read deletes nothing, and all of it comes again.
    pub fn from_cursor(cursor: Option<&str>) -> Self {
        let kept = cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default();
        Self { kept, received: Vec::new(), asked: 0, empty: false }
    }

    pub fn next(&self, settings: &Settings) -> Result<Next, CallError> {
        let Some(queue) = queue::url(settings) else { return Ok(Next::Done { cursor: None }) };
        if let Some(few) = self.kept.chunks(queue::BATCH_MAX).next() {
            return queue::delete(queue, few).map(Next::Ask);
        }
        if self.empty || self.asked >= RECEIVED_MAX {
            return Ok(Next::Done { cursor: Some(self.to_cursor()) });
        }
        queue::receive(queue).map(Next::Ask)
    }

    pub fn take(&mut self, reply: &Reply, records: &mut Vec<Cut>) -> Result<(), CallError> {
        if !self.kept.is_empty() {
            // What could not be deleted comes again, and is known then.
            self.kept.drain(..self.kept.len().min(queue::BATCH_MAX));
            return Ok(());
        }
        let messages = queue::messages(reply)?;
        self.asked += 1;
        self.empty = messages.is_empty();
        for message in messages {
            self.received.push(message.receipt_handle);
            let kind = decode::NOTIFICATION.to_owned();
            records.push(Cut { kind, id: message.message_id, body: message.body });
        }
        Ok(())
    }

    pub fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    pub fn to_cursor(&self) -> String {
        let text = serde_json::to_string(&self.received);
        text.unwrap_or_else(|error| unreachable!("cursors always serialise: {error}"))
    }
}
