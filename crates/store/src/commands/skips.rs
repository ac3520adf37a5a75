//! What a person skipped: a command that the target refused, and whatever cannot be without it.
//!
//! A need is of one of two sorts. Most are *bound*: the one needs the record of the other, or takes
//! its place, and cannot be without it. Some are *only before*: the other must be over, however it
//! ended. So that nothing waits for ever, what is bound to a skipped command is skipped too, and what
//! only waits for it to be over waits no longer.
//!
//! | what happens                                   | what was skipped                                 |
//! |------------------------------------------------|--------------------------------------------------|
//! | news of the source replaces it                 | is withdrawn; what was skipped with it waits for |
//! |                                                | its successor                                    |
//! | something new of its root needs it             | stays, and the new command is skipped with it    |
//! | something new of a sale needs a customer with  | is sent again: the customer, and all of that     |
//! | whom sales were skipped                        | sale; the other sales stay                       |
//! | a replacement needs what it replaces undone    | the undoing is sent again                        |
//! | a person takes it up again                     | is sent again, with what was skipped with it     |

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{COMMANDS, Shown, find_state, release, shown};
use crate::database::{StoreError, Tx};
use crate::messages::moment;
use crate::{Result, cases, many, scopes, values};

/// Needs that are only to be over before, as SQL about a row `a` of `command_after`.
pub(super) const ONLY_BEFORE: &str = "(a.role LIKE 'settled%' OR a.role LIKE 'freed/%'
     OR a.role LIKE 'left_again/%' OR a.role = 'cancelled')";
/// The role of what takes back the generation before.
const REVERSED: &str = "reversed";

/// Who skipped a command, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    pub command: String,
    /// The command that was refused; itself, or what it cannot be without.
    pub head: String,
    pub person: String,
    pub reason: String,
    pub made_at: Timestamp,
}

impl Skip {
    /// In words: `skipped by ann: a test order`.
    pub fn in_words(&self) -> String {
        format!("skipped by {}: {}", self.person, self.reason)
    }
}

/// Who skips, and why.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    pub person: &'a str,
    pub reason: &'a str,
}

/// What cannot be without a command, directly or through another, and is not done: in the order in
/// which it was asked for.
pub fn bound_to(tx: &mut Tx<'_>, key: &str) -> Result<Vec<Shown>> {
    let mut found: Vec<Shown> = Vec::new();
    let mut open = vec![key.to_owned()];
    while let Some(needed) = open.pop() {
        let rows = tx.query(
            &format!(
                "{COMMANDS} WHERE state NOT IN ('applied', 'withdrawn', 'skipped') AND key IN (
                     SELECT a.command FROM command_after a
                     WHERE a.needs = $1 AND NOT {ONLY_BEFORE}) ORDER BY key"
            ),
            values![&needed],
        )?;
        for row in &rows {
            let one = shown(row)?;
            if one.key != key && found.iter().all(|known| known.key != one.key) {
                open.push(one.key.clone());
                found.push(one);
            }
        }
    }
    found.sort_by(|one, other| (one.created_at, &one.key).cmp(&(other.created_at, &other.key)));
    Ok(found)
}

/// Skips a refused command with everything that is bound to it, of which the keys are returned.
/// `None`, and nothing is done, where it is not refused: only of what the target refused is it known
/// that it had no effect.
///
/// # Errors
/// A conflict where something that is bound to it is under way; nothing may be kept then.
pub fn skip(
    tx: &mut Tx<'_>,
    key: &str,
    word: Word<'_>,
    now: Timestamp,
) -> Result<Option<Vec<String>>> {
    if !put(tx, key, "'refused'", key, word, now)? {
        return Ok(None);
    }
    let mut with = Vec::new();
    for one in bound_to(tx, key)? {
        if !put(tx, &one.key, "'waiting', 'refused'", key, word, now)? {
            let why = format!("{} is {} and needs what is to be skipped", one.key, one.state);
            return Err(StoreError::Conflict(why));
        }
        if one.state == "refused" {
            end_case(tx, &one.key, word, now)?;
        }
        with.push(one.key);
    }
    end_case(tx, key, word, now)?;
    let freed = [key].into_iter().chain(with.iter().map(String::as_str));
    for over in freed {
        release_behind(tx, over)?;
    }
    Ok(Some(with))
}

/// Marks a command in one of these states as skipped; `false` if it is in another.
fn put(
    tx: &mut Tx<'_>,
    key: &str,
    states: &str,
    head: &str,
    word: Word<'_>,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        &format!(
            "UPDATE commands SET state = 'skipped', done_at = $2
             WHERE key = $1 AND state IN ({states})"
        ),
        values![key, now.as_microsecond()],
    )?;
    if changed == 0 {
        return Ok(false);
    }
    tx.write(
        "INSERT INTO skips (command, head, states_key, person, reason, made_at)
         SELECT key, $2, COALESCE(states_key, ''), $3, $4, $5 FROM commands WHERE key = $1",
        values![key, head, word.person, word.reason, now.as_microsecond()],
    )?;
    raise_key(tx, key)?;
    Ok(true)
}

/// Has the key judged again that the record of a command would state.
fn raise_key(tx: &mut Tx<'_>, key: &str) -> Result<()> {
    let row = tx.query_one(
        "SELECT states_key FROM commands WHERE key = $1 AND states_key IS NOT NULL",
        values![key],
    )?;
    if let Some(row) = row {
        scopes::retry(tx, &row.text(0)?)?;
    }
    Ok(())
}

fn end_case(tx: &mut Tx<'_>, key: &str, word: Word<'_>, now: Timestamp) -> Result<()> {
    for case in cases::of_subject(tx, &format!("command/{key}"))? {
        cases::end(tx, &case.id, cases::End::Skipped, word.person, word.reason, now)?;
    }
    Ok(())
}

fn release_behind(tx: &mut Tx<'_>, key: &str) -> Result<()> {
    let behind = tx.query("SELECT command FROM command_after WHERE needs = $1", values![key])?;
    for row in &behind {
        release(tx, &row.text(0)?)?;
    }
    Ok(())
}

/// A skipped need of a command.
struct Needed {
    key: String,
    /// It was skipped as a part of the same root, and is not only what takes back the generation
    /// before.
    holds: bool,
    head: String,
    person: String,
    reason: String,
    made_at: Timestamp,
}

fn skipped_needs(tx: &mut Tx<'_>, command: &str) -> Result<Vec<Needed>> {
    let rows = tx.query(
        &format!(
            "SELECT s.command, s.head, s.person, s.reason, s.made_at,
                 CAST(CASE WHEN n.root = c.root AND h.root = c.root AND a.role <> '{REVERSED}'
                     THEN 1 ELSE 0 END AS BIGINT)
             FROM command_after a JOIN skips s ON s.command = a.needs
             JOIN commands n ON n.key = s.command JOIN commands h ON h.key = s.head
             JOIN commands c ON c.key = a.command
             WHERE a.command = $1 AND NOT {ONLY_BEFORE} ORDER BY a.role"
        ),
        values![command],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Needed {
                key: row.text(0)?,
                head: row.text(1)?,
                person: row.text(2)?,
                reason: row.text(3)?,
                made_at: moment(row.int(4)?)?,
                holds: row.int(5)? == 1,
            })
        })
        .collect()
}

/// Lets what is new in some roots stand where it needs something that was skipped.
pub fn stand_in(tx: &mut Tx<'_>, roots: &[&str], now: Timestamp) -> Result<()> {
    let sql = format!(
        "SELECT DISTINCT c.key, c.created_at FROM commands c
             JOIN command_after a ON a.command = c.key JOIN skips s ON s.command = a.needs
         WHERE c.root = $1 AND c.state = 'waiting' AND NOT {ONLY_BEFORE}
         ORDER BY c.created_at, c.key"
    );
    let each = many::each(roots.iter().copied());
    let mut stood = BTreeSet::new();
    // What is skipped now may be needed by others.
    loop {
        let mut more = false;
        for row in tx.query_each(&sql, &each)?.iter().flatten() {
            let command = row.text(0)?;
            if !stood.contains(&command) {
                stand(tx, &command, now)?;
                stood.insert(command);
                more = true;
            }
        }
        if !more {
            return Ok(());
        }
    }
}

/// Lets a waiting command stand where it needs something that was skipped: it is skipped with what
/// it cannot be without in its root, and what else it needs is sent again, with all of its root that
/// was skipped with that.
pub(super) fn stand(tx: &mut Tx<'_>, command: &str, now: Timestamp) -> Result<()> {
    let needed = skipped_needs(tx, command)?;
    if let Some(holds) = needed.iter().find(|needed| needed.holds) {
        let word = Word { person: &holds.person, reason: &holds.reason };
        put(tx, command, "'waiting'", &holds.head, word, holds.made_at)?;
        return Ok(());
    }
    for one in needed {
        let rows = tx.query(
            "SELECT s.command FROM skips s JOIN commands c ON c.key = s.command
             JOIN commands own ON own.root = c.root
             WHERE s.head = $1 AND own.key = $2 ORDER BY c.created_at, c.key",
            values![&one.head, command],
        )?;
        let mut all = vec![one.head, one.key];
        for row in &rows {
            all.push(row.text(0)?);
        }
        take_up_all(tx, all, "news of the source needs it", now)?;
    }
    Ok(())
}

/// Takes up several, in any order: what still needs one of the others is skipped again until that is
/// taken up.
fn take_up_all(tx: &mut Tx<'_>, mut left: Vec<String>, by: &str, now: Timestamp) -> Result<()> {
    loop {
        let mut still = Vec::new();
        for one in &left {
            take_up(tx, one, by, now)?;
        }
        for one in &left {
            if find_state(tx, one)?.as_deref() == Some("skipped") {
                still.push(one.clone());
            }
        }
        if still.is_empty() || still.len() == left.len() {
            return Ok(());
        }
        left = still;
    }
}

/// A skipped command waits again, and is ready if all it needs is applied. Its case is closed: it
/// opens again if the target refuses again.
fn take_up(tx: &mut Tx<'_>, key: &str, by: &str, now: Timestamp) -> Result<()> {
    // The attempt that stays says that it was sent before.
    let changed = tx.execute(
        "UPDATE commands SET state = 'waiting', next_at = 0, done_at = NULL,
             attempts = CASE WHEN attempts > 0 THEN 1 ELSE 0 END
         WHERE key = $1 AND state = 'skipped'",
        values![key],
    )?;
    if changed == 0 {
        return Ok(());
    }
    tx.write("DELETE FROM skips WHERE command = $1", values![key])?;
    cases::resolve(tx, None, &format!("command/{key}"), by, now)?;
    raise_key(tx, key)?;
    stand(tx, key, now)?;
    release(tx, key).map(drop)
}

/// A skipped command is replaced or taken back: it is skipped no longer, and with a successor neither
/// is what was skipped with it in its root.
pub(super) fn over(tx: &mut Tx<'_>, own: &str, has_successor: bool, now: Timestamp) -> Result<()> {
    tx.write("DELETE FROM skips WHERE command = $1", values![own])?;
    raise_key(tx, own)?;
    if !has_successor {
        return Ok(());
    }
    let mut open = vec![own.to_owned()];
    while let Some(needed) = open.pop() {
        let rows = tx.query(
            &format!(
                "SELECT a.command FROM command_after a JOIN skips s ON s.command = a.command
                 JOIN commands c ON c.key = a.command JOIN commands o ON o.key = $1
                 WHERE a.needs = $2 AND NOT {ONLY_BEFORE} AND s.head <> a.command
                     AND c.root = o.root ORDER BY a.command"
            ),
            values![own, &needed],
        )?;
        for row in &rows {
            let with = row.text(0)?;
            take_up(tx, &with, "what it cannot be without was replaced", now)?;
            if find_state(tx, &with)?.as_deref() != Some("skipped") {
                open.push(with);
            }
        }
    }
    Ok(())
}

/// A person takes a skipped command up again, with all that was skipped with it. `None` where it is
/// not skipped, else the head: only that is taken up, so what differs was skipped with another.
pub fn undo(tx: &mut Tx<'_>, key: &str, now: Timestamp) -> Result<Option<String>> {
    let Some(skip) = of(tx, key)? else { return Ok(None) };
    if skip.head != key {
        return Ok(Some(skip.head));
    }
    let rows = tx.query("SELECT command FROM skips WHERE head = $1", values![key])?;
    let mut all = vec![key.to_owned()];
    for row in &rows {
        all.push(row.text(0)?);
    }
    take_up_all(tx, all, "a person took it up again", now)?;
    Ok(Some(skip.head))
}

/// What waits although it needs something skipped: on PostgreSQL the transaction that wrote it and
/// the one that skipped what it needs may not have seen each other.
pub fn stand_overlooked(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    let rows = tx.query(
        &format!(
            // Skips are few, what waits may be all that came in during an outage.
            "SELECT DISTINCT a.command FROM skips s CROSS JOIN command_after a
             CROSS JOIN commands c WHERE a.needs = s.command AND c.key = a.command
                 AND c.state = 'waiting' AND NOT {ONLY_BEFORE} ORDER BY a.command"
        ),
        values![],
    )?;
    for row in &rows {
        stand(tx, &row.text(0)?, now)?;
    }
    Ok(())
}

const SKIPS: &str = "SELECT command, head, person, reason, made_at FROM skips";

fn skip_of(row: &crate::database::Row) -> Result<Skip> {
    Ok(Skip {
        command: row.text(0)?,
        head: row.text(1)?,
        person: row.text(2)?,
        reason: row.text(3)?,
        made_at: moment(row.int(4)?)?,
    })
}

/// Who skipped a command, if somebody did.
pub fn of(tx: &mut Tx<'_>, command: &str) -> Result<Option<Skip>> {
    let row = tx.query_one(&format!("{SKIPS} WHERE command = $1"), values![command])?;
    row.as_ref().map(skip_of).transpose()
}

/// What of a key was skipped, first things first: the books will not state it.
pub fn of_key(tx: &mut Tx<'_>, key: &str) -> Result<Vec<(Skip, Shown)>> {
    let rows = tx.query(
        &format!("{SKIPS} WHERE states_key = $1 AND states_key <> '' ORDER BY made_at, command"),
        values![key],
    )?;
    let mut found = Vec::new();
    for row in &rows {
        let skip = skip_of(row)?;
        if let Some(command) = super::find(tx, &skip.command)? {
            found.push((skip, command));
        }
    }
    Ok(found)
}
