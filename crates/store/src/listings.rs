//! The completeness ledger: of which windows a source has listed what it made, and what is held of
//! the same windows.

use jiff::Timestamp;
use trueup_domain::completeness::{Held, Totals};
use trueup_domain::document::{Kind, Version};
use trueup_domain::money::{Currency, Money};

use crate::database::{Row, StoreError, Tx};
use crate::messages::moment;
use crate::{Result, values};

/// How the list of a window compares with what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingState {
    /// No answer yet.
    Asked,
    /// Something that the source lists is not here as listed.
    Gap,
    /// All of it is here.
    Whole,
}

impl ListingState {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gap => "gap",
            Self::Whole => "whole",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        [Self::Asked, Self::Gap, Self::Whole]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| StoreError::corrupt(format!("no state of a listing: {word}")))
    }
}

/// One window of one kind of a connection: what was made at `from` or later, and before `until`.
#[derive(Clone, Debug)]
pub struct Listing {
    pub connection: String,
    pub kind: Kind,
    pub from: Timestamp,
    pub until: Timestamp,
    pub state: ListingState,
    /// When the question left that was answered last.
    pub asked_at: Option<Timestamp>,
    /// Since when something lacks.
    pub gap_since: Option<Timestamp>,
    /// When it is asked about next; `None`: no more.
    pub next_at: Option<Timestamp>,
    pub attempts: i64,
    pub error_code: Option<String>,
    pub error: Option<String>,
    /// What the source listed.
    pub listed: Totals,
    pub lacking: i64,
    pub unlisted: i64,
}

/// `next_at` of a window that is asked about no more.
const NEVER: i64 = i64::MAX;

const LISTINGS: &str = "SELECT connection, kind, from_at, until_at, state, asked_at, gap_since,
     next_at, attempts, error_code, error, listed, sums, hash, lacking, unlisted FROM listings";

fn listing(row: &Row) -> Result<Listing> {
    let optional = |at: Option<i64>| at.map(moment).transpose();
    Ok(Listing {
        connection: row.text(0)?,
        kind: row.text(1)?.parse().map_err(StoreError::corrupt)?,
        from: moment(row.int(2)?)?,
        until: moment(row.int(3)?)?,
        state: ListingState::parse(&row.text(4)?)?,
        asked_at: optional(row.opt_int(5)?)?,
        gap_since: optional(row.opt_int(6)?)?,
        next_at: optional(Some(row.int(7)?).filter(|at| *at != NEVER))?,
        attempts: row.int(8)?,
        error_code: row.opt_text(9)?,
        error: row.opt_text(10)?,
        listed: Totals {
            count: u64::try_from(row.int(11)?).map_err(StoreError::corrupt)?,
            sums: serde_json::from_str(&row.text(12)?).map_err(StoreError::corrupt)?,
            hash: row.text(13)?,
        },
        lacking: row.int(14)?,
        unlisted: row.int(15)?,
    })
}

/// The newest window of a kind.
pub fn newest(tx: &mut Tx<'_>, connection: &str, kind: Kind) -> Result<Option<Listing>> {
    let row = tx.query_one(
        &format!("{LISTINGS} WHERE connection = $1 AND kind = $2 ORDER BY from_at DESC LIMIT 1"),
        values![connection, kind.word()],
    )?;
    row.as_ref().map(listing).transpose()
}

/// The newest windows of a connection, newest first.
pub fn latest(tx: &mut Tx<'_>, connection: &str, kind: Kind, limit: i64) -> Result<Vec<Listing>> {
    let rows = tx.query(
        &format!("{LISTINGS} WHERE connection = $1 AND kind = $2 ORDER BY from_at DESC LIMIT $3"),
        values![connection, kind.word(), limit],
    )?;
    rows.iter().map(listing).collect()
}

/// Makes a window known; it is due at once.
pub fn open(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    (from, until): (Timestamp, Timestamp),
) -> Result<()> {
    tx.write(
        "INSERT INTO listings (connection, kind, from_at, until_at, state, next_at, attempts,
             listed, sums, hash, lacking, unlisted)
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0, '[]', '', 0, 0)
         ON CONFLICT (connection, kind, from_at) DO NOTHING",
        values![
            connection,
            kind.word(),
            from.as_microsecond(),
            until.as_microsecond(),
            ListingState::Asked.word()
        ],
    )?;
    Ok(())
}

/// Forgets the windows of a kind that end in the future, or of which somebody asked in the future:
/// a clock that ran ahead made them, and nothing was complete so far (C7).
pub fn forget_the_future(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "DELETE FROM listings WHERE connection = $1 AND kind = $2 AND until_at > $3",
        values![connection, kind.word(), now.as_microsecond()],
    )
}

/// How many windows of a kind were not answered yet.
pub fn unanswered(tx: &mut Tx<'_>, connection: &str, kind: Kind) -> Result<i64> {
    let row = tx.query_one(
        "SELECT COUNT(*) FROM listings
         WHERE connection = $1 AND kind = $2 AND state <> 'whole' AND asked_at IS NULL",
        values![connection, kind.word()],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

pub fn due(tx: &mut Tx<'_>, connection: &str, now: Timestamp) -> Result<Option<Listing>> {
    let row = tx.query_one(
        &format!(
            "{LISTINGS} WHERE connection = $1 AND next_at <= $2 ORDER BY next_at, from_at LIMIT 1"
        ),
        values![connection, now.as_microsecond()],
    )?;
    row.as_ref().map(listing).transpose()
}

pub fn find(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    from: Timestamp,
) -> Result<Option<Listing>> {
    let row = tx.query_one(
        &format!("{LISTINGS} WHERE connection = $1 AND kind = $2 AND from_at = $3"),
        values![connection, kind.word(), from.as_microsecond()],
    )?;
    row.as_ref().map(listing).transpose()
}

/// Writes how a window stands.
pub fn put(tx: &mut Tx<'_>, listing: &Listing) -> Result<()> {
    let sums = serde_json::to_string(&listing.listed.sums).map_err(StoreError::corrupt)?;
    tx.write(
        "UPDATE listings SET state = $4, asked_at = $5, gap_since = $6, next_at = $7,
             attempts = $8, error_code = $9, error = $10, listed = $11, sums = $12, hash = $13,
             lacking = $14, unlisted = $15
         WHERE connection = $1 AND kind = $2 AND from_at = $3",
        values![
            &listing.connection,
            listing.kind.word(),
            listing.from.as_microsecond(),
            listing.state.word(),
            listing.asked_at.map(Timestamp::as_microsecond),
            listing.gap_since.map(Timestamp::as_microsecond),
            listing.next_at.map_or(NEVER, Timestamp::as_microsecond),
            listing.attempts,
            listing.error_code.as_deref(),
            listing.error.as_deref(),
            i64::try_from(listing.listed.count).map_err(StoreError::corrupt)?,
            sums,
            &listing.listed.hash,
            listing.lacking,
            listing.unlisted
        ],
    )?;
    Ok(())
}

/// Makes the windows of a connection due now that are not whole.
pub fn ask_now(tx: &mut Tx<'_>, connection: &str) -> Result<()> {
    tx.write(
        "UPDATE listings SET next_at = 0 WHERE connection = $1 AND state <> 'whole'",
        values![connection],
    )?;
    Ok(())
}

/// Everything that was made at the source before this is here, as far as the source lists what it
/// made. `None`: it was never asked, or never answered.
pub fn complete_to(tx: &mut Tx<'_>, connection: &str, kind: Kind) -> Result<Option<Timestamp>> {
    let row = tx.query_one(
        "SELECT (SELECT MIN(from_at) FROM listings
                 WHERE connection = $1 AND kind = $2 AND state <> 'whole'),
             (SELECT MIN(from_at) FROM listings WHERE connection = $1 AND kind = $2),
             (SELECT MAX(until_at) FROM listings WHERE connection = $1 AND kind = $2)",
        values![connection, kind.word()],
    )?;
    let Some(row) = row else { return Ok(None) };
    let to = match (row.opt_int(0)?, row.opt_int(1)?) {
        (Some(open), Some(first)) if open == first => None,
        (Some(open), _) => Some(open),
        (None, _) => row.opt_int(2)?,
    };
    to.map(moment).transpose()
}

/// How many objects lack in the windows of a kind that are not whole.
pub fn lacking(tx: &mut Tx<'_>, connection: &str, kind: Kind) -> Result<i64> {
    let row = tx.query_one(
        "SELECT CAST(COALESCE(SUM(lacking), 0) AS BIGINT) FROM listings
         WHERE connection = $1 AND kind = $2 AND state <> 'whole'",
        values![connection, kind.word()],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// What is held of a kind that was made at `from` or later and before `until`, in the order of
/// time, with that time.
pub fn held(
    tx: &mut Tx<'_>,
    connection: &str,
    kind: Kind,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<(Timestamp, Held)>> {
    // The kind is a word of ours, and a literal so that the partial indexes answer.
    let rows = tx.query(
        &format!(
            "SELECT d.at, d.external_id, d.version, d.amount, d.currency,
                 CASE WHEN r.decided >= r.arrived AND r.waiting IS NULL
                     AND COALESCE(p.document, 'proven') IN ('proven', 'not_applicable')
                 THEN 1 ELSE 0 END
             FROM documents d JOIN roots r ON r.id = d.root LEFT JOIN proofs p ON p.root = d.root
             WHERE d.connection = $1 AND d.kind = '{}' AND d.at >= $2 AND d.at < $3
             ORDER BY d.at, d.external_id",
            kind.word()
        ),
        values![connection, from.as_microsecond(), until.as_microsecond()],
    )?;
    rows.iter()
        .map(|row| {
            let currency = Currency::parse(&row.text(4)?).ok();
            let minor = row.int(3)?;
            let held = Held {
                external_id: row.text(1)?,
                version: row.opt_int(2)?.map(Version),
                amount: currency.map(|currency| Money::from_minor(minor, currency)),
                posted: row.int(5)? == 1,
            };
            Ok((moment(row.int(0)?)?, held))
        })
        .collect()
}
