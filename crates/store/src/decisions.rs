//! What people decided: the index of the messages that say so.

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::{self, DECISION, Done};
use crate::database::{Row, Tx};
use crate::messages::moment;
use crate::{Result, values};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The message that is the decision.
    pub message: String,
    /// The case, cause, root, message, command or connection that it is about.
    pub about: String,
    /// close, accept, assign, note, retry, hold, release, replay
    pub kind: String,
    pub person: String,
    pub reason: String,
    /// Whom a case was given to; empty for the other kinds.
    pub assignee: String,
    pub made_at: Timestamp,
}

pub fn record(tx: &mut Tx<'_>, decision: &Decision) -> Result<()> {
    tx.write(
        "INSERT INTO decisions (message, about, kind, person, reason, assignee, made_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (message) DO NOTHING",
        values![
            &decision.message,
            &decision.about,
            &decision.kind,
            &decision.person,
            &decision.reason,
            &decision.assignee,
            decision.made_at.as_microsecond()
        ],
    )?;
    let detail = Detail {
        decision: &decision.kind,
        about: &decision.about,
        reason: &decision.reason,
        basis: audit::basis(tx, DECISION, &decision.message)?,
    };
    let (subject, person) = (decision.message.as_str(), decision.person.as_str());
    audit::record(tx, &Done { kind: DECISION, subject, person, detail }, decision.made_at)
}

/// What the audit keeps of a decision, beside the message that it is.
#[derive(Serialize)]
struct Detail<'a> {
    decision: &'a str,
    about: &'a str,
    reason: &'a str,
    basis: Option<String>,
}

/// What was decided about something, oldest first.
pub fn about(tx: &mut Tx<'_>, about: &str) -> Result<Vec<Decision>> {
    let rows = tx.query(
        "SELECT message, about, kind, person, reason, assignee, made_at FROM decisions
         WHERE about = $1 ORDER BY made_at, message",
        values![about],
    )?;
    rows.iter().map(decision).collect()
}

fn decision(row: &Row) -> Result<Decision> {
    Ok(Decision {
        message: row.text(0)?,
        about: row.text(1)?,
        kind: row.text(2)?,
        person: row.text(3)?,
        reason: row.text(4)?,
        assignee: row.text(5)?,
        made_at: moment(row.int(6)?)?,
    })
}
