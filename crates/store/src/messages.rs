//! Messages exactly as they came in, and the idempotent receiver.

use std::cell::RefCell;
use std::io::Read;

use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use jiff::Timestamp;
use serde::Serialize;
use trueup_domain::key;
use trueup_domain::planted::planted;

use crate::database::{Row, StoreError, Tx};
use crate::{Result, many, shard_of, values};

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Webhook,
    Poll,
    File,
    /// Made by the hub: receipts, timers, decisions of people.
    Internal,
    /// Made by people, and read in the place of a message ([`crate::corrections`]).
    Correction,
}

impl Origin {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::File => "file",
            Self::Internal => "internal",
            Self::Correction => "correction",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewMessage {
    pub connection: String,
    /// The vendor's delivery key, or `kind/external id` of what we read.
    pub source_id: String,
    pub kind: String,
    pub origin: Origin,
    /// JSON object; empty for what we read.
    pub headers: String,
    pub body: Vec<u8>,
    pub asked_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    Stored(String),
    /// The same delivery with the same body was stored before.
    Repeat(String),
}

/// A message to decode.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub connection: String,
    pub kind: String,
    pub origin: String,
    pub body: Vec<u8>,
    pub received_at: Timestamp,
    pub asked_at: Option<Timestamp>,
    pub attempts: i64,
    /// How often the object had another content before, for what is read or stated by us; else 0.
    pub occurrence: i64,
    /// It was decoded before, and a person has it decoded again: it could not be read, or is read
    /// otherwise now.
    pub again: bool,
}

/// What became of a message; `received` is the state before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Decoded,
    Hinted,
    Ignored,
    Failed,
}

impl Fate {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Hinted => "hinted",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
        }
    }
}

/// Stores a pushed message once. The same delivery key with another body is another message; with
/// the same body it is a repeat, which is counted.
pub fn record(tx: &mut Tx<'_>, message: &NewMessage, now: Timestamp) -> Result<Recorded> {
    record_prepared(tx, &prepare(message.clone())?, now)
}

/// A message with what takes time to make of its body, so that the one writer need not.
pub struct Prepared {
    pub message: NewMessage,
    hash: String,
    packed: Vec<u8>,
}

pub fn prepare(message: NewMessage) -> Result<Prepared> {
    let hash = key::body_hash(&message.body);
    let packed = pack(&message.body)?;
    Ok(Prepared { message, hash, packed })
}

/// As [`record`].
pub fn record_prepared(tx: &mut Tx<'_>, prepared: &Prepared, now: Timestamp) -> Result<Recorded> {
    insert(tx, prepared, 0, now)
}

/// Hands in what the hub itself states, in canonical form. The same again is no news.
pub fn state(
    tx: &mut Tx<'_>,
    connection: &str,
    source_id: String,
    kind: &str,
    statement: &impl Serialize,
    now: Timestamp,
) -> Result<()> {
    let message = NewMessage {
        connection: connection.to_owned(),
        source_id,
        kind: kind.to_owned(),
        origin: Origin::Internal,
        headers: String::new(),
        body: serde_json::to_vec(statement).map_err(StoreError::corrupt)?,
        asked_at: Some(now),
    };
    record_read(tx, &message, now)?;
    Ok(())
}

/// Stores what we read ourselves when it differs from the newest stored body of that object, so
/// that overlapping sweeps cost nothing and A→B→A is kept. Returns whether it was stored.
pub fn record_read(tx: &mut Tx<'_>, message: &NewMessage, now: Timestamp) -> Result<bool> {
    let hash = key::body_hash(&message.body);
    let known = tx.query_one(
        "SELECT body_hash, changes FROM records WHERE connection = $1 AND source_id = $2",
        values![&message.connection, &message.source_id],
    )?;
    let changes = match known {
        Some(_) if planted("an_object_is_read_once") => return Ok(false),
        Some(row) if row.text(0)? == hash => return Ok(false),
        Some(row) => row.int(1)? + 1,
        None => 1,
    };
    tx.write(
        "INSERT INTO records (connection, source_id, body_hash, changes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (connection, source_id)
         DO UPDATE SET body_hash = excluded.body_hash, changes = excluded.changes",
        values![&message.connection, &message.source_id, &hash, changes],
    )?;
    insert(tx, &prepare(message.clone())?, changes, now)?;
    Ok(true)
}

/// Stores the answer to a question about an object. The same body again is stored once, and decoded
/// again as of this question: it may have lost against a push that came in after the question
/// before, and the source still says it (A5).
pub fn record_answer(tx: &mut Tx<'_>, message: &NewMessage, now: Timestamp) -> Result<()> {
    if record_read(tx, message, now)? || planted("the_same_answer_settles_nothing") {
        return Ok(());
    }
    tx.write(
        "UPDATE messages SET state = 'received', asked_at = $4, attempts = 0
         WHERE connection = $1 AND source_id = $2 AND body_hash = $3 AND state = 'decoded'
             AND occurrence = (SELECT changes FROM records
                 WHERE connection = $1 AND source_id = $2 AND body_hash = $3)",
        values![
            &message.connection,
            &message.source_id,
            key::body_hash(&message.body),
            message.asked_at.map(Timestamp::as_microsecond)
        ],
    )?;
    Ok(())
}

fn insert(
    tx: &mut Tx<'_>,
    Prepared { message, hash, packed }: &Prepared,
    occurrence: i64,
    now: Timestamp,
) -> Result<Recorded> {
    let twice = planted("each_repeat_is_stored") && occurrence == 0;
    let occurrence = if twice { -now.as_microsecond() } else { occurrence };
    if planted("deliveries_are_known_by_id_only") && occurrence == 0 {
        let known = tx.query_one(
            "SELECT id FROM messages WHERE connection = $1 AND source_id = $2",
            values![&message.connection, &message.source_id],
        )?;
        if let Some(known) = known {
            return Ok(Recorded::Repeat(known.text(0)?));
        }
    }
    let count = occurrence.to_string();
    let id = key::id(&[&message.connection, &message.source_id, hash, &count]);
    let bytes = i64::try_from(message.body.len()).unwrap_or(i64::MAX);
    // No constraint is named: on PostgreSQL two senders at once may meet at either of the two that
    // say "stored before", the id or the delivery, and each means the same.
    let inserted = tx.execute(
        "INSERT INTO messages (id, connection, source_id, body_hash, occurrence, kind, origin,
             headers, body, body_bytes, received_at, asked_at, state, attempts, repeats, shard)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'received', 0, 0, $13)
         ON CONFLICT DO NOTHING",
        values![
            &id,
            &message.connection,
            &message.source_id,
            hash,
            occurrence,
            &message.kind,
            message.origin.word(),
            &message.headers,
            packed.clone(),
            bytes,
            now.as_microsecond(),
            message.asked_at.map(Timestamp::as_microsecond),
            shard_of(&id)
        ],
    )?;
    if inserted == 1 {
        return Ok(Recorded::Stored(id));
    }
    tx.write("UPDATE messages SET repeats = repeats + 1 WHERE id = $1", values![&id])?;
    Ok(Recorded::Repeat(id))
}

/// Takes up to `limit` messages of the shards `from..to`, oldest first. Attempts are counted here,
/// before the work, so that a message that kills the process is noticed; one that was taken before
/// is taken alone, so that its companions are not blamed for it.
pub fn take(tx: &mut Tx<'_>, from: i64, to: i64, limit: i64) -> Result<Vec<Packed>> {
    let from = if planted("nobody_decodes_the_first_shard") { from + 1 } else { from };
    let rows = tx.query(
        "SELECT id, connection, kind, origin, body, received_at, asked_at, attempts, occurrence,
             error_code FROM messages
         WHERE state = 'received' AND shard >= $1 AND shard < $2
         ORDER BY received_at, id LIMIT $3",
        values![from, to, limit],
    )?;
    let packed = |row: Row| Ok(Packed { attempts: row.int(7)?, row });
    let mut taken: Vec<Packed> = rows.into_iter().map(packed).collect::<Result<_>>()?;
    crate::take_alone(&mut taken, |message| message.attempts);
    for message in &taken {
        if planted("decoded_before_it_is_decoded") {
            finish(tx, &message.row.text(0)?, Fate::Decoded, None)?;
        }
        tx.write(
            "UPDATE messages SET attempts = attempts + 1 WHERE id = $1",
            values![message.row.text(0)?],
        )?;
    }
    Ok(taken)
}

/// A message as it is kept: unpacking it is not the work of the one writer.
pub struct Packed {
    row: Row,
    attempts: i64,
}

impl Packed {
    pub fn unpack(&self) -> Result<Received> {
        received(&self.row)
    }
}

fn received(row: &Row) -> Result<Received> {
    Ok(Received {
        id: row.text(0)?,
        connection: row.text(1)?,
        kind: row.text(2)?,
        origin: row.text(3)?,
        body: unpack(&row.blob(4)?)?,
        received_at: moment(row.int(5)?)?,
        asked_at: row.opt_int(6)?.map(moment).transpose()?,
        attempts: row.int(7)?,
        occurrence: row.int(8)?,
        again: row.opt_text(9)?.is_some(),
    })
}

/// When the newest message of a connection came in, by the clock of the process that took it.
pub fn newest_received(tx: &mut Tx<'_>, connection: &str) -> Result<Option<Timestamp>> {
    let row = tx.query_one(
        "SELECT MAX(received_at) FROM messages WHERE connection = $1",
        values![connection],
    )?;
    row.map_or(Ok(None), |row| row.opt_int(0))?.map(moment).transpose()
}

/// When a message came in.
pub fn received_at(tx: &mut Tx<'_>, id: &str) -> Result<Option<Timestamp>> {
    let row = tx.query_one("SELECT received_at FROM messages WHERE id = $1", values![id])?;
    row.map(|row| moment(row.int(0)?)).transpose()
}

/// Whether anything was stored of an object that we read or state ourselves.
pub fn is_recorded(tx: &mut Tx<'_>, connection: &str, source_id: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT body_hash FROM records WHERE connection = $1 AND source_id = $2",
        values![connection, source_id],
    )?;
    Ok(row.is_some())
}

/// Whether any message of the shards `from..to` waits to be decoded.
pub fn any_due(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<bool> {
    let found = tx.query_one(
        "SELECT id FROM messages WHERE state = 'received' AND shard >= $1 AND shard < $2 LIMIT 1",
        values![from, to],
    )?;
    Ok(found.is_some())
}

pub fn finish(tx: &mut Tx<'_>, id: &str, fate: Fate, error: Option<(&str, String)>) -> Result<()> {
    let (code, text) = error.map_or((None, None), |(code, text)| (Some(code), Some(text)));
    tx.write(
        "UPDATE messages SET state = $2, error_code = $3, error = $4 WHERE id = $1",
        values![id, fate.word(), code, text],
    )?;
    Ok(())
}

/// A person lets a message that could not be read, or was not used, be decoded again.
pub fn retry(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE messages SET state = 'received', attempts = 0
         WHERE id = $1 AND state IN ('failed', 'ignored', 'skipped')",
        values![id],
    )?;
    Ok(changed == 1)
}

/// A person takes a message that cannot be read for one that need not be; `false` if it was read.
pub fn skip(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE messages SET state = 'skipped' WHERE id = $1 AND state = 'failed'",
        values![id],
    )?;
    Ok(changed == 1)
}

/// Takes a message out of what is read, because another one is read in its place; `false` if that
/// cannot be: what waits to be decoded, or only names an object, states nothing that could be wrong.
pub fn corrected(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE messages SET state = 'corrected'
         WHERE id = $1 AND state IN ('decoded', 'failed', 'skipped')",
        values![id],
    )?;
    Ok(changed == 1)
}

/// Has messages decoded again that were decoded, failed or ignored before. What waits to be decoded
/// anyway stays as it is.
pub fn take_up_again(tx: &mut Tx<'_>, ids: &[String]) -> Result<u64> {
    // The code says that it is for the second time; decoding clears it.
    let sql = "UPDATE messages SET state = 'received', attempts = 0, error_code = 'replayed'
         WHERE state NOT IN ('received', 'corrected') AND id IN ({})";
    many::execute(tx, sql, ids)
}

/// Which messages of a connection a person means.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    pub connection: &'a str,
    /// A kind, or the part of it before a slash; empty for all.
    pub kind: &'a str,
    /// From this moment.
    pub from: Option<Timestamp>,
    /// To before this one.
    pub before: Option<Timestamp>,
}

/// A message of the past, with what became of it.
#[derive(Clone, Debug)]
pub struct Past {
    pub message: Received,
    pub state: String,
}

const PAST: &str = "SELECT id, connection, kind, origin, body, received_at, asked_at, attempts,
     occurrence, error_code, state FROM messages";

fn past(row: &Row) -> Result<Past> {
    Ok(Past { message: received(row)?, state: row.text(10)? })
}

/// Messages as they came in, after the one with this time and id, oldest first. Who waits to be
/// decoded is not of the past.
pub fn of_the_past(
    tx: &mut Tx<'_>,
    wanted: &Wanted<'_>,
    (after, after_id): (i64, &str),
    limit: i64,
) -> Result<Vec<Past>> {
    let micros = |at: Option<Timestamp>, or: i64| at.map_or(or, Timestamp::as_microsecond);
    let below = match wanted.kind {
        "" => String::new(),
        kind => format!("{kind}/"),
    };
    let rows = tx.query(
        &format!(
            "{PAST} WHERE connection = $1 AND received_at >= $2 AND received_at < $3
                 AND (received_at > $4 OR (received_at = $4 AND id > $5))
                 AND (kind = $6 OR SUBSTR(kind, 1, LENGTH(CAST($7 AS TEXT))) = $7)
                 AND state NOT IN ('received', 'corrected')
             ORDER BY received_at, id LIMIT $8"
        ),
        values![
            wanted.connection,
            micros(wanted.from, i64::MIN).max(after),
            micros(wanted.before, i64::MAX),
            after,
            after_id,
            wanted.kind,
            below,
            limit
        ],
    )?;
    rows.iter().map(past).collect()
}

/// One message of the past; none while it waits to be decoded.
pub fn one_of_the_past(tx: &mut Tx<'_>, id: &str) -> Result<Option<Past>> {
    let sql = format!("{PAST} WHERE id = $1 AND state NOT IN ('received', 'corrected')");
    tx.query_one(&sql, values![id])?.as_ref().map(past).transpose()
}

/// What was read of the objects of these messages before them, and could not be decoded. Of what is pushed
/// nobody knows which object it is about until it is decoded.
pub fn unreadable_before(tx: &mut Tx<'_>, ids: &[&str]) -> Result<Vec<String>> {
    let found = tx.query_each(
        "SELECT old.id FROM messages new JOIN messages old
             ON old.connection = new.connection AND old.source_id = new.source_id
         WHERE new.id = $1 AND new.origin = 'poll' AND old.origin = 'poll'
             AND old.state IN ('failed', 'skipped') AND old.received_at < new.received_at
         ORDER BY old.id",
        &many::each(ids.iter().copied()),
    )?;
    found.iter().flatten().map(|row| row.text(0)).collect()
}

/// Whether the object of this message was read again after it, and that could be decoded.
pub fn is_read_since(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT 1 FROM messages old JOIN messages new
             ON new.connection = old.connection AND new.source_id = old.source_id
         WHERE old.id = $1 AND old.origin = 'poll' AND new.origin = 'poll'
             AND new.state = 'decoded' AND new.received_at > old.received_at LIMIT 1",
        values![id],
    )?;
    Ok(row.is_some())
}

/// The connections that messages came from.
pub fn connections(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT connection FROM messages ORDER BY connection";
    tx.query(sql, values![])?.iter().map(|row| row.text(0)).collect()
}

/// One message as a person sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub id: String,
    pub connection: String,
    pub source_id: String,
    pub kind: String,
    pub origin: String,
    pub state: String,
    pub received_at: Timestamp,
    pub repeats: i64,
    pub error_code: Option<String>,
    pub error: Option<String>,
    pub body: Vec<u8>,
    /// A JSON object; empty for what we read.
    pub headers: String,
}

pub fn find(tx: &mut Tx<'_>, id: &str) -> Result<Option<Shown>> {
    let row = tx.query_one(
        "SELECT id, connection, source_id, kind, origin, state, received_at, repeats, error_code,
             error, body, headers FROM messages WHERE id = $1",
        values![id],
    )?;
    row.map(|row| {
        Ok(Shown {
            id: row.text(0)?,
            connection: row.text(1)?,
            source_id: row.text(2)?,
            kind: row.text(3)?,
            origin: row.text(4)?,
            state: row.text(5)?,
            received_at: moment(row.int(6)?)?,
            repeats: row.int(7)?,
            error_code: row.opt_text(8)?,
            error: row.opt_text(9)?,
            body: unpack(&row.blob(10)?)?,
            headers: row.text(11)?,
        })
    })
    .transpose()
}

/// A message in a list, without its body.
#[derive(Clone, Debug)]
pub struct Head {
    pub id: String,
    pub source_id: String,
    pub kind: String,
    pub origin: String,
    pub state: String,
    pub received_at: Timestamp,
    pub bytes: i64,
}

/// The newest messages of a connection.
pub fn newest(tx: &mut Tx<'_>, connection: &str, limit: i64) -> Result<Vec<Head>> {
    let rows = tx.query(
        "SELECT id, source_id, kind, origin, state, received_at, body_bytes FROM messages
         WHERE connection = $1 ORDER BY received_at DESC, id LIMIT $2",
        values![connection, limit],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Head {
                id: row.text(0)?,
                source_id: row.text(1)?,
                kind: row.text(2)?,
                origin: row.text(3)?,
                state: row.text(4)?,
                received_at: moment(row.int(5)?)?,
                bytes: row.int(6)?,
            })
        })
        .collect()
}

/// Since when the oldest message that is still to be decoded has waited.
pub fn oldest_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let row =
        tx.query_one("SELECT MIN(received_at) FROM messages WHERE state = 'received'", values![])?;
    row.map_or(Ok(None), |row| row.opt_int(0))?.map(moment).transpose()
}

/// How many messages of a connection are in each state, with the time of the newest.
pub fn counts(tx: &mut Tx<'_>) -> Result<Vec<(String, String, i64, i64)>> {
    let rows = tx.query(
        "SELECT connection, state, COUNT(*), MAX(received_at) FROM messages
         GROUP BY connection, state ORDER BY connection, state",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.int(2)?, row.int(3)?))).collect()
}

/// Every delivery that was pushed to us, by connection and delivery key.
pub fn delivered(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>> {
    let rows = tx.query(
        "SELECT connection, source_id FROM messages WHERE origin = 'webhook'
         ORDER BY connection, source_id",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

pub fn moment(microseconds: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(StoreError::corrupt)
}

thread_local! {
    /// A compressor is some hundred kilobytes: making one takes longer than packing a webhook.
    static COMPRESSOR: RefCell<Compress> =
        RefCell::new(Compress::new(Compression::fast(), false));
}

/// Bodies are kept deflated; the first byte says whether.
pub(crate) fn pack(body: &[u8]) -> Result<Vec<u8>> {
    const PACK_FROM_BYTES: usize = 256;
    let mut packed = Vec::with_capacity(body.len() / 2 + 64);
    if body.len() < PACK_FROM_BYTES {
        packed.push(0);
        packed.extend_from_slice(body);
        return Ok(packed);
    }
    packed.push(1);
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        loop {
            let read = usize::try_from(compressor.total_in()).unwrap_or(usize::MAX);
            let rest = body.get(read..).unwrap_or_default();
            let status = compressor.compress_vec(rest, &mut packed, FlushCompress::Finish);
            match status.map_err(|error| StoreError::Unavailable(error.to_string()))? {
                Status::StreamEnd => return Ok::<_, StoreError>(()),
                Status::Ok | Status::BufError => packed.reserve(packed.len()),
            }
        }
    })?;
    Ok(packed)
}

pub(crate) fn unpack(stored: &[u8]) -> Result<Vec<u8>> {
    match stored.split_first() {
        Some((0, body)) => Ok(body.to_vec()),
        Some((1, packed)) => {
            let mut body = Vec::new();
            DeflateDecoder::new(packed).read_to_end(&mut body).map_err(StoreError::corrupt)?;
            Ok(body)
        }
        _ => Err(StoreError::corrupt("an empty message body")),
    }
}
