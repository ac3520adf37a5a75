//! Cases: what a person must decide; and what was absorbed without one.

use std::collections::{BTreeMap, HashMap};

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

/// The name of a cause, as cases bear it; empty for none.
fn cause_id(case: &NewCase<'_>, cause: &str) -> String {
    if cause.is_empty() {
        return String::new();
    }
    key::id(&["cause", case.kind, case.entity, cause])
}

/// Opens a case, or freshens the open one of the same kind and subject. A closed one is opened
/// again with a new age, but for one that a person accepted and that says the same as then.
pub fn open(tx: &mut Tx<'_>, case: &NewCase<'_>, now: Timestamp) -> Result<()> {
    open_of_cause(tx, case, "", now)
}

/// The same of a case with what it has in common with others that one act of a person would mend;
/// nothing where it stands alone.
pub fn open_of_cause(
    tx: &mut Tx<'_>,
    case: &NewCase<'_>,
    cause: &str,
    now: Timestamp,
) -> Result<()> {
    const STAYS: &str = "cases.closed_as = 'accepted' AND cases.amount = excluded.amount
         AND cases.currency = excluded.currency AND cases.detail = excluded.detail";
    let id = key::id(&[case.kind, case.subject]);
    let amount = case.amount.map_or(0, Money::minor);
    let currency = case.amount.map_or("", |amount| amount.currency().code());
    tx.write(
        &format!(
            "INSERT INTO cases (id, kind, subject, entity, title, detail, remedy, amount, currency,
                 owner, assignee, opened_at, cause)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', $11, $12)
             ON CONFLICT (id) DO UPDATE SET title = excluded.title, detail = excluded.detail,
                 remedy = excluded.remedy, amount = excluded.amount, currency = excluded.currency,
                 cause = excluded.cause,
                 opened_at = CASE WHEN cases.closed_at IS NULL OR ({STAYS}) THEN cases.opened_at
                     ELSE excluded.opened_at END,
                 closed_at = CASE WHEN {STAYS} THEN cases.closed_at END,
                 closed_by = CASE WHEN {STAYS} THEN cases.closed_by END,
                 closed_why = CASE WHEN {STAYS} THEN cases.closed_why END,
                 closed_as = CASE WHEN {STAYS} THEN cases.closed_as END"
        ),
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
            now.as_microsecond(),
            cause_id(case, cause)
        ],
    )?;
    Ok(())
}

/// Opens a case of which a person has decided already, and ends it with that: what it is about was
/// skipped, and nothing is left to decide. It stands, as an accepted one does.
pub fn open_skipped(
    tx: &mut Tx<'_>,
    case: &NewCase<'_>,
    (person, reason): (&str, &str),
    now: Timestamp,
) -> Result<()> {
    open(tx, case, now)?;
    end(tx, &key::id(&[case.kind, case.subject]), End::Skipped, person, reason, now)?;
    Ok(())
}

/// Closes the cases of a subject, all or those of one kind, because their cause is gone: the open
/// ones, and those that a person had accepted or skipped.
pub fn resolve(
    tx: &mut Tx<'_>,
    kind: Option<&str>,
    subject: &str,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    tx.write(
        "UPDATE cases SET closed_at = $3, closed_as = 'gone', closed_by = $4, closed_why = NULL
         WHERE subject = $1 AND (closed_at IS NULL OR closed_as IN ('accepted', 'skipped'))
             AND (CAST($2 AS TEXT) IS NULL OR kind = $2)",
        values![subject, kind, now.as_microsecond(), by],
    )?;
    Ok(())
}

/// How a person ends a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its cause does not stand any more.
    Closed,
    /// Its cause stands, and is taken as it is.
    Accepted,
    /// What it is about is not done, and will not be.
    Skipped,
}

impl End {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Accepted => "accepted",
            Self::Skipped => "skipped",
        }
    }
}

/// A person ends an open case; `false` if it is not open. What was accepted can still be skipped.
pub fn end(
    tx: &mut Tx<'_>,
    id: &str,
    end: End,
    person: &str,
    reason: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE cases SET closed_at = $2, closed_as = $3, closed_by = $4, closed_why = $5
         WHERE id = $1
             AND (closed_at IS NULL OR (closed_as = 'accepted' AND $3 = 'skipped'))",
        values![id, now.as_microsecond(), end.word(), person, reason],
    )?;
    Ok(changed == 1)
}

/// Names the person who works on a case.
pub fn assign(tx: &mut Tx<'_>, id: &str, assignee: &str) -> Result<()> {
    tx.write("UPDATE cases SET assignee = $2 WHERE id = $1", values![id, assignee])?;
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
    let kept: String = kinds.iter().map(|kind| format!("/{kind}/")).collect();
    tx.write(
        "UPDATE cases SET closed_at = $2, closed_as = 'gone', closed_by = $3, closed_why = NULL
         WHERE subject = $1 AND (closed_at IS NULL OR closed_as IN ('accepted', 'skipped'))
             AND REPLACE(CAST($4 AS TEXT), '/' || kind || '/', '') = $4",
        values![subject, now.as_microsecond(), by, kept],
    )
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
    /// Who answers for cases of this type: finance, operator, integrator.
    pub owner: String,
    /// The person who works on it; empty while nobody does.
    pub assignee: String,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    /// `gone`, `closed`, `accepted` or `skipped`.
    pub closed_as: Option<String>,
    /// What ended it, or the person who did.
    pub closed_by: Option<String>,
    /// The person's reason.
    pub closed_why: Option<String>,
    /// The name of the cause that it shares with others; empty where it stands alone.
    pub cause: String,
}

impl Case {
    pub const fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Its cause stands, and a person took it as it is or skipped what it is about.
    pub fn is_accepted(&self) -> bool {
        self.closed_as.as_deref() == Some(End::Accepted.word()) || self.is_skipped()
    }

    pub fn is_skipped(&self) -> bool {
        self.closed_as.as_deref() == Some(End::Skipped.word())
    }

    /// How it ended, in a sentence: `accepted by ann: the customer paid in cash`.
    pub fn ending(&self) -> Option<String> {
        let by = self.closed_by.as_deref().unwrap_or_default();
        match (self.closed_as.as_deref()?, &self.closed_why) {
            ("gone", _) => Some(by.to_owned()),
            (word, Some(why)) => Some(format!("{word} by {by}: {why}")),
            (word, None) => Some(format!("{word} by {by}")),
        }
    }
}

const CASES: &str = "SELECT id, kind, subject, entity, title, detail, remedy, amount, currency,
     owner, assignee, opened_at, closed_at, closed_as, closed_by, closed_why, cause
     FROM cases";

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
        assignee: row.text(10)?,
        opened_at: moment(row.int(11)?)?,
        closed_at: row.opt_int(12)?.map(moment).transpose()?,
        closed_as: row.opt_text(13)?,
        closed_by: row.opt_text(14)?,
        closed_why: row.opt_text(15)?,
        cause: row.text(16)?,
    })
}

pub fn open_cases(tx: &mut Tx<'_>) -> Result<Vec<Case>> {
    let rows =
        tx.query(&format!("{CASES} WHERE closed_at IS NULL ORDER BY opened_at, id"), values![])?;
    rows.iter().map(case).collect()
}

/// The open cases of one cause, oldest first.
pub fn of_cause(tx: &mut Tx<'_>, cause: &str) -> Result<Vec<Case>> {
    let sql = format!(
        "{CASES} WHERE cause = $1 AND cause <> '' AND closed_at IS NULL ORDER BY opened_at, id"
    );
    tx.query(&sql, values![cause])?.iter().map(case).collect()
}

/// The causes of open cases that begin so, the first few.
pub fn causes_beginning(tx: &mut Tx<'_>, start: &str, limit: i64) -> Result<Vec<String>> {
    let pattern = format!("{}%", start.replace(['%', '_'], ""));
    let sql = "SELECT DISTINCT cause FROM cases
         WHERE cause LIKE $1 AND cause <> '' AND closed_at IS NULL ORDER BY cause LIMIT $2";
    tx.query(sql, values![pattern, limit])?.iter().map(|row| row.text(0)).collect()
}

/// Open cases of one cause, as one thing to decide.
#[derive(Clone, Debug)]
pub struct Together {
    /// The oldest of them.
    pub first: Case,
    pub count: usize,
    /// What all of them come to, by currency, in minor units; an order that has several cases counts
    /// once for each.
    pub amounts: BTreeMap<String, i64>,
    /// Who works on them; empty where it is nobody, or not the same for all.
    pub assignee: String,
}

impl Together {
    /// The name by which a person decides about all of them: of the cause, or of the only case.
    pub fn id(&self) -> &str {
        if self.count > 1 { &self.first.cause } else { &self.first.id }
    }
}

/// Puts cases of one cause together, in the order of the oldest of each.
pub fn together<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Vec<Together> {
    let mut all: Vec<Together> = Vec::new();
    let mut places = HashMap::new();
    for case in cases {
        let place = match places.get(case.cause.as_str()) {
            Some(place) if !case.cause.is_empty() => *place,
            _ => {
                places.insert(case.cause.as_str(), all.len());
                all.push(Together {
                    first: case.clone(),
                    count: 0,
                    amounts: BTreeMap::new(),
                    assignee: case.assignee.clone(),
                });
                all.len() - 1
            }
        };
        let Some(one) = all.get_mut(place) else { continue };
        one.count += 1;
        if one.assignee != case.assignee {
            one.assignee.clear();
        }
        if !case.currency.is_empty() {
            let sum = one.amounts.entry(case.currency.clone()).or_default();
            *sum = sum.saturating_add(case.amount);
        }
    }
    all
}

/// Cases whose cause stands and that a person took as they are or skipped, newest first.
pub fn accepted(tx: &mut Tx<'_>) -> Result<Vec<Case>> {
    let sql =
        format!("{CASES} WHERE closed_as IN ('accepted', 'skipped') ORDER BY closed_at DESC, id");
    tx.query(&sql, values![])?.iter().map(case).collect()
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

/// The accepted or skipped case of a subject, if there is one.
pub fn accepted_of(tx: &mut Tx<'_>, subject: &str) -> Result<Option<Case>> {
    let sql = format!(
        "{CASES} WHERE subject = $1 AND closed_as IN ('accepted', 'skipped') ORDER BY id LIMIT 1"
    );
    tx.query_one(&sql, values![subject])?.as_ref().map(case).transpose()
}

/// Cases whose id begins so, the first few.
pub fn beginning(tx: &mut Tx<'_>, start: &str, limit: i64) -> Result<Vec<Case>> {
    let pattern = format!("{}%", start.replace(['%', '_'], ""));
    let sql = format!("{CASES} WHERE id LIKE $1 ORDER BY id LIMIT $2");
    tx.query(&sql, values![pattern, limit])?.iter().map(case).collect()
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
    tx.write(
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

/// What was healed, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsorbedKind {
    pub kind: String,
    /// Different things, and how often in all.
    pub things: i64,
    pub times: i64,
}

pub fn absorbed_kinds(tx: &mut Tx<'_>) -> Result<Vec<AbsorbedKind>> {
    let rows = tx.query(
        "SELECT kind, COUNT(*), CAST(SUM(times) AS BIGINT) FROM absorbed
         GROUP BY kind ORDER BY kind",
        values![],
    )?;
    rows.iter()
        .map(|row| Ok(AbsorbedKind { kind: row.text(0)?, things: row.int(1)?, times: row.int(2)? }))
        .collect()
}

/// The newest of what was healed, sorted by kind.
pub fn absorbed(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Absorbed>> {
    let rows = tx.query(
        "SELECT kind, subject, detail, times, last_at FROM (
             SELECT kind, subject, detail, times, last_at FROM absorbed
             ORDER BY last_at DESC, id LIMIT $1) AS newest
         ORDER BY kind, subject",
        values![limit],
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
