//! The conversations under way, as they were committed.

use jiff::Timestamp;

use crate::database::Tx;
use crate::{Result, values};

/// A conversation under way, as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub id: String,
    pub connection: String,
    pub lane: String,
    pub task: String,
    pub state: String,
    pub sending: bool,
    pub wait_until: i64,
}

pub fn save_conversation(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    now: Timestamp,
) -> Result<()> {
    tx.write(
        "INSERT INTO conversations (id, connection, lane, task, state, step, wait_until, wait_from,
             started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, step = excluded.step,
             wait_until = excluded.wait_until, wait_from = excluded.wait_from",
        values![
            &conversation.id,
            &conversation.connection,
            &conversation.lane,
            &conversation.task,
            &conversation.state,
            if conversation.sending { "sending" } else { "waiting" },
            conversation.wait_until,
            now.as_microsecond()
        ],
    )?;
    Ok(())
}

pub fn end_conversation(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.write("DELETE FROM conversations WHERE id = $1", values![id])?;
    Ok(())
}

/// A conversation without what was said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub id: String,
    pub lane: String,
    pub sending: bool,
    /// In microseconds since 1970.
    pub wait_until: i64,
}

/// Conversations that a crash or a wait left behind, the oldest first; the caller skips those it is
/// running.
pub fn kept(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<Kept>> {
    let rows = tx.query(
        "SELECT id, lane, step, wait_until FROM conversations
         WHERE connection = $1 ORDER BY started_at, id",
        values![connection],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Kept {
                id: row.text(0)?,
                lane: row.text(1)?,
                sending: row.text(2)? == "sending",
                wait_until: row.int(3)?,
            })
        })
        .collect()
}

/// All of a conversation.
pub fn conversation(tx: &mut Tx<'_>, id: &str) -> Result<Option<Conversation>> {
    let row = tx.query_one(
        "SELECT id, connection, lane, task, state, step, wait_until FROM conversations
         WHERE id = $1",
        values![id],
    )?;
    row.map(|row| {
        Ok(Conversation {
            id: row.text(0)?,
            connection: row.text(1)?,
            lane: row.text(2)?,
            task: row.text(3)?,
            state: row.text(4)?,
            sending: row.text(5)? == "sending",
            wait_until: row.int(6)?,
        })
    })
    .transpose()
}
