//! What people would have messages say instead. Nothing is read of it until another person approves
//! it; the message that it is about is kept as it came in.

use jiff::Timestamp;
use trueup_domain::key;

use crate::database::{Row, Tx};
use crate::messages::{self, moment};
use crate::{Result, values};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    pub id: String,
    /// The message that it would take the place of.
    pub message: String,
    /// What it would say.
    pub body: Vec<u8>,
    /// Names exactly this body: what is approved.
    pub body_hash: String,
    pub person: String,
    pub reason: String,
    pub proposed_at: Timestamp,
    /// proposed, approved, rejected
    pub state: String,
    /// Who approved or rejected it, and why; empty until then.
    pub settled_by: String,
    pub settled_why: String,
    pub settled_at: Option<Timestamp>,
    /// The message that is read instead, once it is approved.
    pub made: Option<String>,
}

impl Correction {
    /// Whether nobody has approved or rejected it yet.
    pub fn waits(&self) -> bool {
        self.state == "proposed"
    }
}

/// A correction that a person proposes.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    pub message: &'a str,
    pub body: &'a [u8],
    pub person: &'a str,
    pub reason: &'a str,
}

/// Keeps what a person proposes, and returns its id. The same again after it was rejected is another
/// proposal.
pub fn propose(tx: &mut Tx<'_>, proposal: Proposal<'_>, now: Timestamp) -> Result<String> {
    let Proposal { message, body, person, reason } = proposal;
    let hash = key::body_hash(body);
    let id = key::id(&["correction", message, &hash, &now.as_microsecond().to_string()]);
    tx.write(
        "INSERT INTO corrections (id, message, body, body_hash, person, reason, proposed_at, state,
             settled_by, settled_why)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'proposed', '', '')",
        values![&id, message, messages::pack(body)?, &hash, person, reason, now.as_microsecond()],
    )?;
    Ok(id)
}

const CORRECTIONS: &str = "SELECT id, message, body, body_hash, person, reason, proposed_at, state,
     settled_by, settled_why, settled_at, made FROM corrections";

pub fn find(tx: &mut Tx<'_>, id: &str) -> Result<Option<Correction>> {
    let row = tx.query_one(&format!("{CORRECTIONS} WHERE id = $1"), values![id])?;
    row.as_ref().map(correction).transpose()
}

/// What waits for who approves or rejects it, oldest first.
pub fn waiting(tx: &mut Tx<'_>) -> Result<Vec<Correction>> {
    let sql = format!("{CORRECTIONS} WHERE state = 'proposed' ORDER BY proposed_at, id");
    tx.query(&sql, values![])?.iter().map(correction).collect()
}

/// The ones whose ids begin so.
pub fn beginning(tx: &mut Tx<'_>, id: &str, limit: i64) -> Result<Vec<Correction>> {
    let sql = format!(
        "{CORRECTIONS} WHERE SUBSTR(id, 1, LENGTH(CAST($1 AS TEXT))) = $1 ORDER BY id LIMIT $2"
    );
    tx.query(&sql, values![id, limit])?.iter().map(correction).collect()
}

/// What was proposed for a message, oldest first.
pub fn of_message(tx: &mut Tx<'_>, message: &str) -> Result<Vec<Correction>> {
    let sql = format!("{CORRECTIONS} WHERE message = $1 ORDER BY proposed_at, id");
    tx.query(&sql, values![message])?.iter().map(correction).collect()
}

/// The correction that made this message, if one did.
pub fn that_made(tx: &mut Tx<'_>, message: &str) -> Result<Option<Correction>> {
    let row = tx.query_one(&format!("{CORRECTIONS} WHERE made = $1"), values![message])?;
    row.as_ref().map(correction).transpose()
}

/// What a person says about a correction that waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'a> {
    pub person: &'a str,
    pub why: &'a str,
    /// The message that is read instead; `None` where it is rejected.
    pub made: Option<&'a str>,
}

/// Approves or rejects a correction; `false` if it does not wait for that.
pub fn settle(tx: &mut Tx<'_>, id: &str, settled: Settled<'_>, now: Timestamp) -> Result<bool> {
    let state = if settled.made.is_some() { "approved" } else { "rejected" };
    let changed = tx.execute(
        "UPDATE corrections SET state = $2, settled_by = $3, settled_why = $4, settled_at = $5,
             made = $6
         WHERE id = $1 AND state = 'proposed'",
        values![
            id,
            state,
            settled.person,
            settled.why,
            now.as_microsecond(),
            settled.made.map(str::to_owned)
        ],
    )?;
    Ok(changed == 1)
}

fn correction(row: &Row) -> Result<Correction> {
    Ok(Correction {
        id: row.text(0)?,
        message: row.text(1)?,
        body: messages::unpack(&row.blob(2)?)?,
        body_hash: row.text(3)?,
        person: row.text(4)?,
        reason: row.text(5)?,
        proposed_at: moment(row.int(6)?)?,
        state: row.text(7)?,
        settled_by: row.text(8)?,
        settled_why: row.text(9)?,
        settled_at: row.opt_int(10)?.map(moment).transpose()?,
        made: row.opt_text(11)?,
    })
}
