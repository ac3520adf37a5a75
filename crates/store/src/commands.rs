//! What is asked of targets: commands, and what each needs first.
//!
//! | module            | holds                                                           |
//! |-------------------|-----------------------------------------------------------------|
//! | this one          | writing, taking, applying and taking back a command             |
//! | [`goods`]         | what the reversals of goods and of their order wait for         |
//! | [`ties`]          | what becomes of ties when one of their ends is taken back       |
//! | [`skips`]         | what a person skipped, and what cannot be without it            |
//! | [`again`]         | what was made and is gone, and how it is made again             |
//! | [`conversations`] | the conversations under way                                     |

pub mod again;
mod conversations;
mod goods;
pub mod skips;
mod ties;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use trueup_domain::command::{CommandKind, Content, Extent, Way, reversal_of};
use trueup_domain::fact::{Command, FactKey};
use trueup_domain::item::ItemKind;
use trueup_domain::key;
use trueup_domain::planted::planted;

pub use self::conversations::{
    Conversation, Kept, conversation, end_conversation, kept, save_conversation,
};
use crate::audit::{self, Done, EFFECT};
use crate::database::{Row, StoreError, Tx};
use crate::facts::Place;
use crate::waits::Wait;
use crate::{Result, Value, cases, many, values};

/// The lane of a command: one batch in flight for each (`DESIGN.md` §9.8).
pub fn lane_of(content: &Content) -> String {
    let journal = content.journal().unwrap_or("-");
    format!("{}/{}/{journal}", content.company(), content.kind().word())
}

/// The kind of the commands in a lane; `None` where the lane is not one of commands.
pub fn kind_of_lane(lane: &str) -> Option<CommandKind> {
    CommandKind::parse(lane.split('/').nth(1)?)
}

fn effect_key(place: Place<'_>, root: &str, key: &FactKey, generation: u32) -> String {
    let generation = if planted("the_key_forgets_the_generation") { 1 } else { generation };
    let part = if planted("the_key_forgets_the_part") { "1" } else { &key.part };
    key::effect_key(place.environment, root, &key.kind, part, generation)
}

/// The generation of a fact that is in force, or the one that is still to be written: the first, or
/// that after the one which was taken back.
fn newest_generation(tx: &mut Tx<'_>, place: Place<'_>, root: &str, key: &FactKey) -> Result<u32> {
    if let Some(known) = place.newest.and_then(|newest| newest.get(root, key)) {
        return Ok(known);
    }
    let row = tx.query_one(
        "SELECT generation + 1 - live FROM facts WHERE root = $1 AND kind = $2 AND part = $3
         ORDER BY generation DESC LIMIT 1",
        values![root, &key.kind, &key.part],
    )?;
    let generation = row.map(|row| row.int(0)).transpose()?.unwrap_or(1);
    u32::try_from(generation).map_err(StoreError::corrupt)
}

/// Writes a command with what it needs; it is ready at once when all of that is applied.
pub fn add(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    command: &Command,
) -> Result<()> {
    let own = effect_key(place, place.root, key, generation);
    let mut needs = BTreeMap::new();
    for after in &command.after {
        let root = after.root.as_deref().unwrap_or(place.root);
        let newest = newest_generation(tx, place, root, &after.fact)?;
        needs.insert(after.role.clone(), effect_key(place, root, &after.fact, newest));
    }
    for older in (1..generation).rev() {
        let reversal = reversal_key(&effect_key(place, place.root, key, older));
        if is_there(tx, &reversal)? {
            needs.insert("reversed".to_owned(), reversal);
            break;
        }
    }
    if matches!(command.content, Content::Reconciliation(_)) {
        for after in command.after.iter().filter(|it| ties::is_end(&it.role)) {
            let root = after.root.as_deref().unwrap_or(place.root);
            if let Some(freed) = ties::freed_by(tx, place, root, &after.fact)? {
                needs.insert(format!("settled/{}", after.role), freed);
            }
        }
    }
    if matches!(command.content, Content::CreditNote(_))
        && let Some(invoice) = needs.get("invoice").cloned()
    {
        // What the decision names of them are facts; here are also those that took their place.
        for (number, tie) in ties::awaited(tx, &invoice)?.into_iter().enumerate() {
            needs.insert(format!("settled/invoice/{number}"), tie);
        }
    }
    let mut command = command.clone();
    if let Content::Reconciliation(content) = &mut command.content
        && generation > 1
        && has_left(tx, &effect_key(place, place.root, key, generation - 1))?
    {
        // The tie of the generation before stays, so less may be open now, or nothing.
        content.extent = Extent::WhatIsOpen;
    }
    insert(tx, place, &own, key, generation, &command, &needs)
}

fn reversal_key(own: &str) -> String {
    format!("{own}/rev")
}

fn is_there(tx: &mut Tx<'_>, command: &str) -> Result<bool> {
    let row = tx.query_one("SELECT key FROM commands WHERE key = $1", values![command])?;
    Ok(row.is_some())
}

fn find_state(tx: &mut Tx<'_>, command: &str) -> Result<Option<String>> {
    let row = tx.query_one("SELECT state FROM commands WHERE key = $1", values![command])?;
    row.map(|row| row.text(0)).transpose()
}

/// The same, and no other transaction changes it until this one ends: what is read of it and of what
/// stands in its place from now on is the newest. A decision that replaces a command and the receipt
/// for it would otherwise each miss what the other writes.
fn hold(tx: &mut Tx<'_>, command: &str) -> Result<Option<String>> {
    let sql = format!("SELECT state FROM commands WHERE key = $1{}", tx.for_update());
    tx.query_one(&sql, values![command])?.map(|row| row.text(0)).transpose()
}

/// Whether a command may have had an effect.
fn has_left(tx: &mut Tx<'_>, command: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT key FROM commands WHERE key = $1 AND state IN ('sent', 'unknown', 'applied')",
        values![command],
    )?;
    Ok(row.is_some())
}

fn insert(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    own: &str,
    key: &FactKey,
    generation: u32,
    command: &Command,
    needs: &BTreeMap<String, String>,
) -> Result<()> {
    tx.write(INSERT, &row_of(place, own, key, generation, command)?)?;
    need(tx, own, needs)
}

const INSERT: &str = "INSERT INTO commands (key, root, fact_kind, part, generation, target, lane,
         kind, content, states_kind, states_key, state, attempts, next_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', 0, 0, $12)";

fn row_of(
    place: Place<'_>,
    own: &str,
    key: &FactKey,
    generation: u32,
    command: &Command,
) -> Result<Vec<Value>> {
    let content = serde_json::to_string(&command.content).map_err(StoreError::corrupt)?;
    let (states_kind, states_key) = match &command.states {
        Some((kind, states)) => (Some(kind.word()), Some(states.as_str())),
        None => (None, None),
    };
    Ok(values![
        own,
        place.root,
        &key.kind,
        &key.part,
        generation,
        &command.target,
        lane_of(&command.content),
        command.content.kind().word(),
        content,
        states_kind,
        states_key,
        place.now.as_microsecond()
    ]
    .to_vec())
}

/// Writes what a new command needs, which is ready if all of that is applied. Nobody else knows of
/// it yet, so that nobody can be about to change what it waits for.
fn need(tx: &mut Tx<'_>, own: &str, needs: &BTreeMap<String, String>) -> Result<()> {
    for (role, needed) in needs {
        tx.write(
            "INSERT INTO command_after (command, role, needs) VALUES ($1, $2, $3)",
            values![own, role, needed],
        )?;
    }
    if planted("nothing_waits_for_what_it_needs") {
        tx.write("UPDATE commands SET state = 'ready' WHERE key = $1", values![own])?;
    }
    tx.write(&ready(), values![own])
}

/// Adds a command that several roots share, under a root of its own. What is there stays.
pub fn add_shared(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    command: &Command,
) -> Result<()> {
    let own = effect_key(place, place.root, key, 1);
    // What is shared has one generation, and needs only what is shared, too.
    let needs = command.after.iter().map(|after| {
        let root = after.root.as_deref().unwrap_or(place.root);
        (after.role.clone(), effect_key(place, root, &after.fact, 1))
    });
    let needs = needs.collect();
    // It may be there already: the first content stands.
    let sql = format!("{INSERT} ON CONFLICT (key) DO NOTHING");
    if tx.execute(&sql, &row_of(place, &own, key, 1, command)?)? == 0 {
        return Ok(());
    }
    need(tx, &own, &needs)?;
    if needs.is_empty() { Ok(()) } else { skips::stand(tx, &own, place.now) }
}

/// Makes a waiting command ready if everything it needs is applied. What is only to be over before
/// it is over, too, when a person skipped it.
fn release(tx: &mut Tx<'_>, command: &str) -> Result<u64> {
    // What it needs may just be made another: that is seen only by who waited for it.
    if tx.has_rivals() {
        hold(tx, command)?;
    }
    tx.execute(&ready(), values![command])
}

fn ready() -> String {
    let lacks = lacks("$1");
    format!(
        "UPDATE commands SET state = 'ready' WHERE key = $1 AND state = 'waiting'
             AND NOT EXISTS ({lacks})"
    )
}

/// What a command still needs, as SQL.
fn lacks(command: &str) -> String {
    let only_before = skips::ONLY_BEFORE;
    format!(
        "SELECT 1 FROM command_after a LEFT JOIN commands n ON n.key = a.needs
         WHERE a.command = {command} AND (n.state IS NULL
             OR (n.state <> 'applied' AND NOT (n.state = 'skipped' AND {only_before})))"
    )
}

/// Releases what waits although all it needs is applied: on PostgreSQL the transaction that wrote a
/// command and the one that applied what it needs may not have seen each other. Returns how many.
pub fn release_overlooked(tx: &mut Tx<'_>) -> Result<u64> {
    release_each(tx, "1 = 1", &[Vec::new()])
}

/// The same of what waits for some commands: for who applied them, once that is committed. Of two
/// that did not see each other the later one does.
pub fn release_behind(tx: &mut Tx<'_>, applied: &[String]) -> Result<()> {
    let behind = "w.key IN (SELECT command FROM command_after WHERE needs = $1)";
    release_each(tx, behind, &many::each(applied))?;
    Ok(())
}

/// The same of the commands of some roots: for who wrote them, once that is committed.
pub fn release_in(tx: &mut Tx<'_>, roots: &[String]) -> Result<()> {
    release_each(tx, "w.root = $1", &many::each(roots))?;
    Ok(())
}

fn release_each(tx: &mut Tx<'_>, which: &str, each: &[Vec<Value>]) -> Result<u64> {
    let sql = format!(
        "SELECT w.key FROM commands w WHERE {which} AND w.state = 'waiting' AND NOT EXISTS ({})
         ORDER BY w.key",
        lacks("w.key")
    );
    let overlooked = tx.query_each(&sql, each)?;
    let mut released = 0;
    for row in overlooked.iter().flatten() {
        released += release(tx, &row.text(0)?)?;
    }
    Ok(released)
}

/// Takes a generation back: withdrawn if it certainly has no effect, else undone by a command after
/// it. What waits for it waits for its successor instead, and so does what was skipped with it.
pub(crate) fn take_back(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    command: &Command,
    successor: Option<u32>,
) -> Result<()> {
    let own = effect_key(place, place.root, key, generation);
    let before = hold(tx, &own)?;
    if before.as_deref() == Some("skipped") {
        skips::over(tx, &own, successor.is_some(), place.now)?;
    }
    if let Some(next) = successor
        && !planted("what_waits_does_not_follow")
    {
        follow(tx, &own, &effect_key(place, place.root, key, next), place.now)?;
    }
    let all = "'waiting', 'ready', 'refused', 'skipped', 'sent', 'unknown', 'applied'";
    let safe = "'waiting', 'ready', 'refused', 'skipped'";
    let safe = if planted("what_has_left_is_withdrawn") { all } else { safe };
    // What was bound and is to be made again may well be there.
    let withdrawn = tx.execute(
        &format!(
            "UPDATE commands SET state = 'withdrawn', done_at = $2
             WHERE key = $1 AND state IN ({safe}) AND binding IS NULL"
        ),
        values![&own, place.now.as_microsecond()],
    )?;
    if withdrawn == 1 {
        // Also where a person has just had it tried again.
        let by = "the command was replaced, and the books made nothing of it";
        cases::resolve(tx, None, &format!("command/{own}"), by, place.now)?;
        if successor.is_none() {
            ties::withdraw_ties(tx, &own, place.now)?;
        }
        return Ok(());
    }
    let Some((content, role)) = reversal_of(&command.content) else {
        return Ok(());
    };
    let reversal = Command {
        target: command.target.clone(),
        content,
        after: Vec::new(),
        states: command.states.clone().map(|(kind, states)| (kind, format!("{states}#back"))),
    };
    let tied = ties::ties_of(tx, &own)?;
    let notes = ties::notes_of(tx, &own)?;
    let mut needs = customer_of(tx, &own)?;
    needs.insert(role.to_owned(), own.clone());
    // A tie under way is settled first, or the reversal might take what it is about to tie.
    for (number, tie) in ties::ties_under_way(tx, &own)?.into_iter().enumerate() {
        needs.insert(format!("settled/{number}"), tie);
    }
    match &command.content {
        Content::Order(_) => {
            for (number, moving) in goods::under_way(tx, &own)?.into_iter().enumerate() {
                needs.insert(format!("settled/goods/{number}"), moving);
            }
        }
        Content::Goods(moved) => needs.extend(goods::before_reversal(tx, &own, moved.way)?),
        _ => {}
    }
    insert(tx, place, &reversal_key(&own), key, generation, &reversal, &needs)?;
    match &command.content {
        Content::Order(_) => goods::wait_for_cancellation(tx, &own)?,
        Content::Goods(moved) if moved.way == Way::Back => goods::wait_until_left_again(tx, &own)?,
        _ => {}
    }
    if !planted("a_reversal_is_tied_to_nothing") {
        ties::take_its_place(tx, place, key, generation, command)?;
    }
    ties::wait_for_freed(tx, &own, &tied)?;
    if matches!(command.content, Content::CreditNote(_)) {
        ties::let_money_have(tx, place, (key, generation), &own)?;
    }
    match successor {
        Some(next) => {
            let next = effect_key(place, place.root, key, next);
            ties::pass_on(tx, place, (key, generation), (&own, &next), &tied, &notes)
        }
        None => Ok(()),
    }
}

/// Lets the commands that have not left need `next` instead of `old`; but those that wait until `old`
/// is settled wait for no other, and goods that were delivered of `old` and are to be so again belong
/// to it. What the books refused over `old` is asked for again over `next`.
fn follow(tx: &mut Tx<'_>, old: &str, next: &str, now: Timestamp) -> Result<()> {
    // Nobody releases or takes one of them while it is being given something else to wait for.
    if tx.has_rivals() {
        let sql = format!(
            "SELECT key FROM commands WHERE key IN (
                 SELECT command FROM command_after WHERE needs = $1) ORDER BY key{}",
            tx.for_update()
        );
        tx.query(&sql, values![old])?;
    }
    let behind = "NOT (kind = 'goods' AND binding IS NOT NULL) AND key IN (
             SELECT command FROM command_after WHERE needs = $1 AND role NOT LIKE 'settled/%')";
    let refused = tx.query(
        &format!("SELECT key FROM commands WHERE state = 'refused' AND {behind} ORDER BY key"),
        values![old],
    )?;
    for row in &refused {
        let by = "what the command needs was replaced, and it is asked for again";
        cases::resolve(tx, None, &format!("command/{}", row.text(0)?), by, now)?;
    }
    tx.write(
        &format!(
            "UPDATE commands SET state = 'waiting', next_at = 0,
                 attempts = CASE WHEN attempts > 0 THEN 1 ELSE 0 END
             WHERE state IN ('ready', 'refused') AND {behind}"
        ),
        values![old],
    )?;
    tx.write(
        &format!(
            "UPDATE command_after SET needs = $2
             WHERE needs = $1 AND role NOT LIKE 'settled/%' AND command IN (
                 SELECT key FROM commands WHERE state = 'waiting' AND {behind})"
        ),
        values![old, next],
    )?;
    Ok(())
}

fn customer_of(tx: &mut Tx<'_>, command: &str) -> Result<BTreeMap<String, String>> {
    let rows = tx.query(
        "SELECT role, needs FROM command_after WHERE command = $1 AND role = 'customer'",
        values![command],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// A command as delivery and people see it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub key: String,
    pub root: String,
    pub target: String,
    pub lane: String,
    pub kind: CommandKind,
    pub content: Content,
    pub states: Option<(ItemKind, String)>,
    pub state: String,
    pub attempts: i64,
    pub binding: Option<String>,
    /// The record that it made.
    pub record: Option<String>,
    pub error_code: Option<String>,
    pub error: Option<String>,
    pub created_at: i64,
    pub done_at: Option<i64>,
}

const COMMANDS: &str = "SELECT key, root, target, lane, content, states_kind, states_key, state,
     attempts, binding, error_code, error, created_at, done_at, record FROM commands";

fn shown(row: &Row) -> Result<Shown> {
    let content: Content = serde_json::from_str(&row.text(4)?).map_err(StoreError::corrupt)?;
    let states = match (row.opt_text(5)?, row.opt_text(6)?) {
        (Some(kind), Some(key)) => ItemKind::parse(&kind).map(|kind| (kind, key)),
        _ => None,
    };
    Ok(Shown {
        key: row.text(0)?,
        root: row.text(1)?,
        target: row.text(2)?,
        lane: row.text(3)?,
        kind: content.kind(),
        content,
        states,
        state: row.text(7)?,
        attempts: row.int(8)?,
        binding: row.opt_text(9)?,
        error_code: row.opt_text(10)?,
        error: row.opt_text(11)?,
        created_at: row.int(12)?,
        done_at: row.opt_int(13)?,
        record: row.opt_text(14)?,
    })
}

pub fn find(tx: &mut Tx<'_>, key: &str) -> Result<Option<Shown>> {
    let row = tx.query_one(&format!("{COMMANDS} WHERE key = $1"), values![key])?;
    row.as_ref().map(shown).transpose()
}

pub fn of_root(tx: &mut Tx<'_>, root: &str) -> Result<Vec<Shown>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} WHERE root = $1
             ORDER BY created_at, COALESCE(done_at, 9223372036854775807), key"
        ),
        values![root],
    )?;
    rows.iter().map(shown).collect()
}

/// The command that made a record of the target. One of which the record is gone may have had the same
/// id before: ids begin again where a database is set back.
pub fn by_record(tx: &mut Tx<'_>, target: &str, record: &str) -> Result<Option<Shown>> {
    let row = tx.query_one(
        &format!(
            "{COMMANDS} WHERE target = $1 AND record = $2
             ORDER BY CASE WHEN kind = 'cancellation' THEN 1 ELSE 0 END, done_at DESC, key LIMIT 1"
        ),
        values![target, record],
    )?;
    row.as_ref().map(shown).transpose()
}

/// A lane with commands that can be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyLane {
    pub name: String,
    pub kind: CommandKind,
    pub commands: i64,
    /// When the oldest of them was asked for.
    pub since: i64,
}

/// Lanes of a target with commands that can be sent now, and no conversation under way; the one
/// with the oldest command first.
pub fn lanes_ready(tx: &mut Tx<'_>, target: &str, now: Timestamp) -> Result<Vec<ReadyLane>> {
    let rows = tx.query(
        "SELECT lane, kind, COUNT(*), MIN(created_at) FROM commands c
         WHERE target = $1 AND state = 'ready' AND next_at <= $2 AND NOT EXISTS (
             SELECT 1 FROM conversations v WHERE v.connection = $1 AND v.lane = c.lane)
         GROUP BY lane, kind ORDER BY MIN(created_at), lane",
        values![target, now.as_microsecond()],
    )?;
    rows.iter()
        .map(|row| {
            let word = row.text(1)?;
            let kind = CommandKind::parse(&word);
            Ok(ReadyLane {
                name: row.text(0)?,
                kind: kind.ok_or_else(|| StoreError::corrupt(format!("the kind `{word}`")))?,
                commands: row.int(2)?,
                since: row.int(3)?,
            })
        })
        .collect()
}

/// A command taken for sending, with the bindings it needs by role.
#[derive(Clone, Debug)]
pub struct Taken {
    pub key: String,
    pub content: Content,
    pub bindings: BTreeMap<String, String>,
    pub attempts: i64,
}

/// Takes up to `limit` ready commands of a lane and marks them sent in `conversation`. They are
/// committed as sent before anything leaves.
pub fn take(
    tx: &mut Tx<'_>,
    target: &str,
    lane: &str,
    conversation: &str,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Taken>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} WHERE target = $1 AND lane = $2 AND state = 'ready' AND next_at <= $3
             ORDER BY created_at, key LIMIT $4"
        ),
        values![target, lane, now.as_microsecond(), limit],
    )?;
    let mut taken = Vec::new();
    for row in &rows {
        let command = shown(row)?;
        let sent = tx.execute(
            "UPDATE commands SET state = 'sent', attempts = attempts + 1, conversation = $2
             WHERE key = $1 AND state = 'ready'",
            values![&command.key, conversation],
        )?;
        // A decision withdrew it, or has it wait for something else, since it was read.
        if sent == 0 {
            continue;
        }
        let bindings = bindings(tx, &command.key)?;
        taken.push(Taken {
            key: command.key,
            content: command.content,
            bindings,
            attempts: command.attempts,
        });
    }
    Ok(taken)
}

fn bindings(tx: &mut Tx<'_>, command: &str) -> Result<BTreeMap<String, String>> {
    let rows = tx.query(
        "SELECT a.role, n.binding FROM command_after a JOIN commands n ON n.key = a.needs
         WHERE a.command = $1",
        values![command],
    )?;
    let pairs = rows.iter().map(|row| Ok((row.text(0)?, row.opt_text(1)?)));
    let pairs: Vec<(String, Option<String>)> = pairs.collect::<Result<_>>()?;
    Ok(pairs.into_iter().filter_map(|(role, bound)| bound.map(|bound| (role, bound))).collect())
}

/// `record` is the target's record as its read-back names it, where there is one.
pub fn applied(
    tx: &mut Tx<'_>,
    key: &str,
    binding: &str,
    record: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let changed = tx.execute(
        "UPDATE commands SET state = 'applied', binding = $2, done_at = $3, conversation = NULL,
             error_code = NULL, error = NULL, record = $4 WHERE key = $1 AND state <> 'applied'",
        values![key, binding, now.as_microsecond(), record],
    )?;
    if changed == 1 {
        let detail = Effect { binding, record, basis: audit::basis(tx, EFFECT, key)? };
        audit::record(tx, &Done { kind: EFFECT, subject: key, person: "", detail }, now)?;
    }
    let behind = tx.query("SELECT command FROM command_after WHERE needs = $1", values![key])?;
    for row in &behind {
        release(tx, &row.text(0)?)?;
    }
    Ok(())
}

/// What the audit keeps of an effect, beside its command.
#[derive(Serialize)]
struct Effect<'a> {
    binding: &'a str,
    record: Option<&'a str>,
    basis: Option<String>,
}

/// The states a sent command can come back to without being applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// May be sent again after its wait, once all that it needs is there: some of it may have to be
    /// made again since.
    Ready,
    Refused,
    Unknown,
}

/// A command comes back without being applied.
///
/// A refused one that was replaced meanwhile certainly has no effect, so it is withdrawn with all
/// that was to take it back. Returns the state that it has now.
pub fn back(
    tx: &mut Tx<'_>,
    key: &str,
    state: Back,
    wait: Wait,
    code: &str,
    error: &str,
) -> Result<&'static str> {
    hold(tx, key)?;
    if state == Back::Refused && withdraw_replaced(tx, key, wait.from)? {
        return Ok("withdrawn");
    }
    let word = match state {
        Back::Ready => "waiting",
        Back::Refused => "refused",
        Back::Unknown => "unknown",
    };
    tx.write(
        "UPDATE commands SET state = $2, next_at = $3, wait_from = $4, error_code = $5, error = $6,
             conversation = NULL WHERE key = $1 AND state IN ('sent', 'unknown')",
        values![key, word, wait.until.as_microsecond(), wait.from.as_microsecond(), code, error],
    )?;
    if state == Back::Ready {
        release(tx, key)?;
    }
    Ok(word)
}

/// Withdraws a command and its reversal, if it has one that has not left; what waited for the
/// reversal waits no longer.
fn withdraw_replaced(tx: &mut Tx<'_>, own: &str, now: Timestamp) -> Result<bool> {
    let reversal = reversal_key(own);
    let withdraw = "UPDATE commands SET state = 'withdrawn', done_at = $2, conversation = NULL
         WHERE key = $1 AND state IN ";
    let now = now.as_microsecond();
    let waiting = format!("{withdraw} ('waiting', 'ready')");
    if tx.execute(&waiting, values![&reversal, now])? == 0 {
        return Ok(false);
    }
    tx.write(&format!("{withdraw} ('sent', 'unknown')"), values![own, now])?;
    let target = tx.query_one("SELECT target FROM commands WHERE key = $1", values![own])?;
    if let Some(row) = target {
        again::forget_record(tx, &row.text(0)?, own)?;
    }
    let undoing = ties::undoing_key(own);
    tx.write(&waiting, values![&undoing, now])?;
    for gone in [&reversal, &undoing] {
        let behind =
            tx.query("SELECT command FROM command_after WHERE needs = $1", values![gone])?;
        tx.write("DELETE FROM command_after WHERE needs = $1", values![gone])?;
        for row in &behind {
            release(tx, &row.text(0)?)?;
        }
    }
    settled(tx, own)?;
    Ok(true)
}

/// What waited until a command was settled waits no longer: nothing of it will be.
fn settled(tx: &mut Tx<'_>, own: &str) -> Result<()> {
    let behind = tx.query(
        "SELECT command FROM command_after WHERE needs = $1 AND role LIKE 'settled/%'",
        values![own],
    )?;
    for row in &behind {
        let waits = row.text(0)?;
        tx.write(
            "DELETE FROM command_after WHERE command = $1 AND needs = $2",
            values![&waits, own],
        )?;
        release(tx, &waits)?;
    }
    Ok(())
}

/// Takes back the attempt of every command of a conversation: nobody was there to answer, which was
/// no fault of theirs.
pub fn not_attempted(tx: &mut Tx<'_>, conversation: &str) -> Result<()> {
    tx.write(
        "UPDATE commands SET attempts = attempts - 1 WHERE conversation = $1 AND attempts > 0",
        values![conversation],
    )?;
    Ok(())
}

/// A person lets a refused command be sent again, with all its attempts but the one that says that
/// it was sent before, or one of unknown outcome be looked up at once.
pub fn retry(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE commands SET state = CASE WHEN state = 'refused' THEN 'waiting' ELSE state END,
             next_at = 0, attempts = CASE WHEN attempts > 0 THEN 1 ELSE 0 END
         WHERE key = $1 AND (state = 'refused' OR (state = 'unknown' AND conversation IS NULL))",
        values![key],
    )?;
    release(tx, key)?;
    Ok(changed == 1)
}

/// Lanes with commands whose outcome nobody knows and that are due to be looked up.
pub fn lanes_unknown(tx: &mut Tx<'_>, target: &str, now: Timestamp) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT DISTINCT lane FROM commands c
         WHERE target = $1 AND state = 'unknown' AND next_at <= $2 AND NOT EXISTS (
             SELECT 1 FROM conversations v WHERE v.connection = $1 AND v.lane = c.lane)
             AND NOT EXISTS (
             SELECT 1 FROM command_after a JOIN commands n ON n.key = a.needs
             WHERE a.command = c.key AND n.state IN ('waiting', 'ready', 'sent', 'unknown'))
         ORDER BY lane",
        values![target, now.as_microsecond()],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Takes the unknown commands of a lane for looking up.
pub fn take_unknown(
    tx: &mut Tx<'_>,
    target: &str,
    lane: &str,
    conversation: &str,
    limit: i64,
) -> Result<Vec<Taken>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} c WHERE target = $1 AND lane = $2 AND state = 'unknown' AND NOT EXISTS (
                 SELECT 1 FROM command_after a JOIN commands n ON n.key = a.needs
                 WHERE a.command = c.key AND n.state IN ('waiting', 'ready', 'sent', 'unknown'))
             ORDER BY created_at, key LIMIT $3"
        ),
        values![target, lane, limit],
    )?;
    let mut taken = Vec::new();
    for row in &rows {
        let command = shown(row)?;
        let taken_up = tx.execute(
            "UPDATE commands SET conversation = $2, attempts = attempts + 1
             WHERE key = $1 AND state = 'unknown'",
            values![&command.key, conversation],
        )?;
        if taken_up == 0 {
            continue;
        }
        let bindings = bindings(tx, &command.key)?;
        taken.push(Taken {
            key: command.key,
            content: command.content,
            bindings,
            attempts: command.attempts,
        });
    }
    Ok(taken)
}

/// The most attempts that a command of a conversation has had.
pub fn attempts(tx: &mut Tx<'_>, conversation: &str) -> Result<i64> {
    let row = tx.query_one(
        "SELECT COALESCE(MAX(attempts), 0) FROM commands WHERE conversation = $1",
        values![conversation],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Commands of a conversation that ended without a receipt for them become unknown.
pub fn orphaned(
    tx: &mut Tx<'_>,
    conversation: &str,
    wait: Wait,
    code: &str,
    error: &str,
) -> Result<u64> {
    let changed = tx.execute(
        "UPDATE commands SET state = 'unknown', next_at = $2, wait_from = $3,
             conversation = NULL, error_code = $4, error = $5
         WHERE conversation = $1 AND state IN ('sent', 'unknown')",
        values![conversation, wait.until.as_microsecond(), wait.from.as_microsecond(), code, error],
    )?;
    if planted("an_unknown_outcome_is_refused") {
        tx.write(
            "UPDATE commands SET state = 'refused' WHERE state = 'unknown' AND error = $1",
            values![error],
        )?;
    }
    Ok(changed)
}

/// Lanes with commands that were taken for a conversation which never committed a writing step:
/// nothing of them has left, whoever took them.
pub fn lanes_forgotten(tx: &mut Tx<'_>, target: &str) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT DISTINCT lane FROM commands c WHERE target = $1 AND state = 'sent'
             AND NOT EXISTS (SELECT 1 FROM conversations v WHERE v.id = c.conversation)
         ORDER BY lane",
        values![target],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Makes the forgotten commands of a lane ready again, once all that they need is there.
pub fn remember(tx: &mut Tx<'_>, target: &str, lane: &str) -> Result<u64> {
    if planted("what_a_crash_left_is_forgotten") {
        return Ok(0);
    }
    let remembered = tx.execute(
        "UPDATE commands SET state = 'waiting', conversation = NULL
         WHERE target = $1 AND lane = $2 AND state = 'sent'
             AND NOT EXISTS (SELECT 1 FROM conversations v WHERE v.id = commands.conversation)",
        values![target, lane],
    )?;
    release_each(tx, "w.target = $1 AND w.lane = $2", &[values![target, lane].to_vec()])?;
    Ok(remembered)
}

/// How many commands of each target are in each state.
pub fn counts(tx: &mut Tx<'_>) -> Result<Vec<(String, String, String, i64)>> {
    let rows = tx.query(
        "SELECT target, kind, state, COUNT(*) FROM commands GROUP BY target, kind, state
         ORDER BY target, kind, state",
        values![],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?, row.int(3)?))).collect()
}
