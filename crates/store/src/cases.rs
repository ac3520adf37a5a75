//! Cases: what a person must decide; and what was absorbed without one.

use jiff::Timestamp;
use trueup_domain::key;
use trueup_domain::money::Money;

use crate::database::{Row, Tx};
use crate::messages::moment;
use crate::{Result, values};

#[derive(Clone, Debug)]
pub struct NewCase<'a> {
    /// A stable word for the type, such as `missing_in_books`.
    pub kind: &'a str,
    /// What it is about: a scope's key, a root, a message.
    pub subject: &'a str,
    pub entity: &'a str,
    pub title: &'a str,
    pub detail: &'a str,
    /// What to do next.
    pub remedy: &'a str,
    pub amount: Option<Money>,
    pub owner: &'a str,
}

/// Opens a case, or freshens the open one of the same kind and subject. A closed one is opened
/// again with a new age.
pub fn open(tx: &mut Tx<'_>, case: &NewCase<'_>, now: Timestamp) -> Result<()> {
    let id = key::id(&[case.kind, case.subject]);
    let amount = case.amount.map_or(0, Money::minor);
    let currency = case.amount.map_or("", |amount| amount.currency().code());
    tx.execute(
        "INSERT INTO cases (id, kind, subject, entity, title, detail, remedy, amount, currency,
             owner, opened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, detail = excluded.detail,
             remedy = excluded.remedy, amount = excluded.amount, currency = excluded.currency,
             opened_at = CASE WHEN cases.closed_at IS NULL THEN cases.opened_at
                 ELSE excluded.opened_at END,
             closed_at = NULL, closed_by = NULL",
        values![
            &id,
            case.kind,
            case.subject,
            case.entity,
            case.title,
            case.detail,
            case.remedy,
            amount,
            currency,
            case.owner,
            now.as_microsecond()
        ],
    )?;
    Ok(())
}

/// Closes the open cases of a subject, all or those of one kind, because their cause is gone.
pub fn resolve(
    tx: &mut Tx<'_>,
    kind: Option<&str>,
    subject: &str,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "UPDATE cases SET closed_at = $3, closed_by = $4
         WHERE subject = $1 AND closed_at IS NULL AND (CAST($2 AS TEXT) IS NULL OR kind = $2)",
        values![subject, kind, now.as_microsecond(), by],
    )?;
    Ok(())
}

/// Closes all open cases of a subject but those of the kinds that still hold.
pub fn keep_only(
    tx: &mut Tx<'_>,
    subject: &str,
    kinds: &[String],
    by: &str,
    now: Timestamp,
) -> Result<()> {
    for case in of_subject(tx, subject)? {
        if case.closed_at.is_none() && !kinds.contains(&case.kind) {
            resolve(tx, Some(&case.kind), subject, by, now)?;
        }
    }
    Ok(())
}

#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub entity: String,
    pub title: String,
    pub detail: String,
    pub remedy: String,
    pub amount: i64,
    pub currency: String,
    pub owner: String,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub closed_by: Option<String>,
}

const CASES: &str = "SELECT id, kind, subject, entity, title, detail, remedy, amount, currency,
     owner, opened_at, closed_at, closed_by FROM cases";

fn case(row: &Row) -> Result<Case> {
    Ok(Case {
        id: row.text(0)?,
        kind: row.text(1)?,
        subject: row.text(2)?,
        entity: row.text(3)?,
        title: row.text(4)?,
        detail: row.text(5)?,
        remedy: row.text(6)?,
        amount: row.int(7)?,
        currency: row.text(8)?,
        owner: row.text(9)?,
        opened_at: moment(row.int(10)?)?,
        closed_at: row.opt_int(11)?.map(moment).transpose()?,
        closed_by: row.opt_text(12)?,
    })
}

pub fn open_cases(tx: &mut Tx<'_>) -> Result<Vec<Case>> {
    let rows =
        tx.query(&format!("{CASES} WHERE closed_at IS NULL ORDER BY opened_at, id"), values![])?;
    rows.iter().map(case).collect()
}

/// The open and the closed ones.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Case>> {
    let rows = tx.query(&format!("{CASES} ORDER BY opened_at, id"), values![])?;
    rows.iter().map(case).collect()
}

pub fn count_open(tx: &mut Tx<'_>) -> Result<i64> {
    let row = tx.query_one("SELECT COUNT(*) FROM cases WHERE closed_at IS NULL", values![])?;
    row.map_or(Ok(0), |row| row.int(0))
}

pub fn of_subject(tx: &mut Tx<'_>, subject: &str) -> Result<Vec<Case>> {
    let rows =
        tx.query(&format!("{CASES} WHERE subject = $1 ORDER BY opened_at, id"), values![subject])?;
    rows.iter().map(case).collect()
}

pub fn find(tx: &mut Tx<'_>, id: &str) -> Result<Option<Case>> {
    let row = tx.query_one(&format!("{CASES} WHERE id = $1"), values![id])?;
    row.as_ref().map(case).transpose()
}

/// Records something that was healed without a difference; again is counted.
pub fn absorb(
    tx: &mut Tx<'_>,
    kind: &str,
    subject: &str,
    detail: &str,
    now: Timestamp,
) -> Result<()> {
    let id = key::id(&["absorbed", kind, subject]);
    tx.execute(
        "INSERT INTO absorbed (id, kind, subject, detail, times, first_at, last_at)
         VALUES ($1, $2, $3, $4, 1, $5, $5)
         ON CONFLICT (id) DO UPDATE SET times = absorbed.times + 1, last_at = excluded.last_at",
        values![&id, kind, subject, detail, now.as_microsecond()],
    )?;
    Ok(())
}

#[derive(Clone, Debug)]
pub struct Absorbed {
    pub kind: String,
    pub subject: String,
    pub detail: String,
    pub times: i64,
    pub last_at: Timestamp,
}

pub fn absorbed(tx: &mut Tx<'_>) -> Result<Vec<Absorbed>> {
    let rows = tx.query(
        "SELECT kind, subject, detail, times, last_at FROM absorbed ORDER BY kind, subject",
        values![],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Absorbed {
                kind: row.text(0)?,
                subject: row.text(1)?,
                detail: row.text(2)?,
                times: row.int(3)?,
                last_at: moment(row.int(4)?)?,
            })
        })
        .collect()
}
