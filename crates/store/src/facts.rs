//! What DECIDE wrote: facts with their generations, journal lines and items.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::fact::{Change, Fact, FactContent, FactKey, Written};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::journal::Entry;
use trueup_domain::key;
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;

use crate::database::{Row, StoreError, Tx};
use crate::{Result, commands, many, scopes, summaries, values};

/// The newest generation of each fact of a root.
pub fn written(tx: &mut Tx<'_>, root: &str) -> Result<Vec<Written>> {
    Ok(written_each(tx, &[root])?.into_iter().next().unwrap_or_default())
}

/// The same of several roots, in their order.
pub fn written_each(tx: &mut Tx<'_>, roots: &[&str]) -> Result<Vec<Vec<Written>>> {
    let found = tx.query_each(
        "SELECT kind, part, generation, content_hash, live FROM facts f
         WHERE root = $1 AND generation = (SELECT MAX(generation) FROM facts g
             WHERE g.root = f.root AND g.kind = f.kind AND g.part = f.part)
         ORDER BY kind, part",
        &many::each(roots.iter().copied()),
    )?;
    let one = |row: &Row| {
        Ok(Written {
            key: FactKey::new(row.text(0)?, row.text(1)?),
            generation: u32::try_from(row.int(2)?).map_err(StoreError::corrupt)?,
            content_hash: row.text(3)?,
            live: row.int(4)? == 1,
        })
    };
    found.iter().map(|rows| rows.iter().map(one).collect()).collect()
}

/// The contents of the live facts of a root.
pub fn live(tx: &mut Tx<'_>, root: &str) -> Result<Vec<Fact>> {
    Ok(live_each(tx, &[root])?.into_iter().next().unwrap_or_default())
}

/// The same of several roots, in their order.
pub fn live_each(tx: &mut Tx<'_>, roots: &[&str]) -> Result<Vec<Vec<Fact>>> {
    let found = tx.query_each(
        "SELECT kind, part, content FROM facts WHERE root = $1 AND live = 1 ORDER BY kind, part",
        &many::each(roots.iter().copied()),
    )?;
    let one = |row: &Row| {
        let content = serde_json::from_str(&row.text(2)?).map_err(StoreError::corrupt)?;
        Ok(Fact { key: FactKey::new(row.text(0)?, row.text(1)?), content })
    };
    found.iter().map(|rows| rows.iter().map(one).collect()).collect()
}

fn content_of(tx: &mut Tx<'_>, root: &str, key: &FactKey, generation: u32) -> Result<FactContent> {
    let row = tx.query_one(
        "SELECT content FROM facts WHERE root = $1 AND kind = $2 AND part = $3 AND generation = $4",
        values![root, &key.kind, &key.part, generation],
    )?;
    let row = row.ok_or_else(|| StoreError::corrupt(format!("{root} lacks {key:?}")))?;
    serde_json::from_str(&row.text(0)?).map_err(StoreError::corrupt)
}

/// Where and when a change is written.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub environment: &'a str,
    pub root: &'a str,
    pub entity: &'a str,
    pub mapping_version: i64,
    pub now: Timestamp,
    /// The day from which on what the connection's ledger says goes into the books; `None`: it does
    /// not.
    pub ledger_since: Option<Date>,
    /// What the caller knows of the facts, so that nobody has to ask.
    pub newest: Option<&'a Newest>,
}

/// The generations of facts that are in force, or are the next to be written.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    root: String,
    facts: BTreeMap<String, BTreeMap<FactKey, u32>>,
}

impl Newest {
    /// All of a root, of which `written` are the newest generations.
    pub fn of(root: &str, written: &[Written]) -> Self {
        let mut newest = Self { root: root.to_owned(), facts: BTreeMap::new() };
        for fact in written {
            let next = fact.generation + u32::from(!fact.live);
            newest.put(root, &fact.key, next);
        }
        newest
    }

    pub fn put(&mut self, root: &str, key: &FactKey, generation: u32) {
        self.facts.entry(root.to_owned()).or_default().insert(key.clone(), generation);
    }

    /// `None` where it is not known.
    pub(crate) fn get(&self, root: &str, key: &FactKey) -> Option<u32> {
        let known = self.facts.get(root).and_then(|facts| facts.get(key)).copied();
        known.or_else(|| (root == self.root).then_some(1))
    }

    fn apply(&mut self, change: &Change) {
        let root = self.root.clone();
        match change {
            Change::Add { fact, generation, .. } => self.put(&root, &fact.key, *generation),
            Change::TakeBack { key, generation } => self.put(&root, key, generation + 1),
        }
    }
}

/// Applies the changes of a root's facts, in their order. `newest` is what is known of this root.
/// What was skipped is minded afterwards ([`commands::skips::stand_in`]).
pub fn apply_all(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    newest: &mut Newest,
    changes: &[Change],
) -> Result<()> {
    for change in changes {
        newest.apply(change);
        apply(tx, Place { newest: Some(newest), ..place }, change)?;
    }
    Ok(())
}

/// Applies one change of a root's facts: generations, mirrored journal lines, items, commands.
pub fn apply(tx: &mut Tx<'_>, place: Place<'_>, change: &Change) -> Result<()> {
    match change {
        Change::Add { fact, generation, content_hash, replaces } => {
            if let Some(old) = replaces
                && !planted("the_generation_before_stays")
            {
                take_back(tx, place, &fact.key, *old, Some(*generation))?;
            }
            add(tx, place, fact, *generation, content_hash)
        }
        Change::TakeBack { key, generation } => take_back(tx, place, key, *generation, None),
    }
}

fn add(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    fact: &Fact,
    generation: u32,
    content_hash: &str,
) -> Result<()> {
    tx.write(
        "INSERT INTO facts (root, kind, part, generation, content, content_hash, mapping_version,
             live, written_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)",
        values![
            place.root,
            &fact.key.kind,
            &fact.key.part,
            generation,
            fact.content_json(),
            content_hash,
            place.mapping_version,
            place.now.as_microsecond()
        ],
    )?;
    match &fact.content {
        FactContent::Entry(entry) => write_entry(tx, place, &fact.key, generation, entry, false),
        FactContent::Item(item) => add_item(tx, place, &fact.key, generation, item),
        FactContent::Units(units) => {
            summaries::note_units(tx, place, &fact.key, generation, units, false)
        }
        FactContent::Command(command) => commands::add(tx, place, &fact.key, generation, command),
    }
}

fn take_back(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    successor: Option<u32>,
) -> Result<()> {
    tx.write(
        "UPDATE facts SET live = 0 WHERE root = $1 AND kind = $2 AND part = $3 AND generation = $4",
        values![place.root, &key.kind, &key.part, generation],
    )?;
    match content_of(tx, place.root, key, generation)? {
        FactContent::Entry(entry) => write_entry(tx, place, key, generation, &entry, true),
        FactContent::Units(units) => {
            summaries::note_units(tx, place, key, generation, &units, true)
        }
        FactContent::Item(_) => remove_item(tx, &item_id(place.root, key, generation)),
        FactContent::Command(command) => {
            commands::take_back(tx, place, key, generation, &command, successor)
        }
    }
}

fn write_entry(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    entry: &Entry,
    reversal: bool,
) -> Result<()> {
    summaries::note(tx, place, key, generation, entry, reversal)?;
    for (position, line) in (0_i64..).zip(&entry.lines) {
        let amount = line.amount.minor();
        tx.write(
            "INSERT INTO entry_lines (root, kind, part, generation, reversal, position, entity,
                 day, booker, role, qualifier, amount, currency, memo)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            values![
                place.root,
                &key.kind,
                &key.part,
                generation,
                reversal,
                position,
                place.entity,
                entry.date.to_string(),
                entry.booker.word(),
                line.role.word(),
                line.qualifier.as_deref().unwrap_or(""),
                if reversal && !planted("a_reversal_is_not_mirrored") { -amount } else { amount },
                line.amount.currency().code(),
                &entry.memo
            ],
        )?;
    }
    Ok(())
}

pub fn item_id(root: &str, key: &FactKey, generation: u32) -> String {
    key::id(&[root, &key.kind, &key.part, &generation.to_string()])
}

fn add_item(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    item: &Item,
) -> Result<()> {
    tx.write(
        "INSERT INTO items (id, root, fact_kind, part, generation, side, kind, key, entity,
             currency, amount, day, due, hints, live)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1)",
        values![
            item_id(place.root, key, generation),
            place.root,
            &key.kind,
            &key.part,
            generation,
            item.side.word(),
            item.kind.word(),
            &item.key,
            place.entity,
            item.amount.currency().code(),
            item.amount.minor(),
            item.date.to_string(),
            item.due.map(|day| day.to_string()),
            item.hints.join("\n")
        ],
    )?;
    scopes::raise(tx, &item.key, place.entity, item.amount.currency().code())
}

fn remove_item(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    let row = tx.query_one("SELECT key, entity, currency FROM items WHERE id = $1", values![id])?;
    if !planted("an_item_outlives_its_generation") {
        tx.write("UPDATE items SET live = 0 WHERE id = $1", values![id])?;
    }
    if !planted("a_match_outlives_its_items") {
        scopes::dissolve_of_item(tx, id)?;
    }
    if let Some(row) = row {
        scopes::raise(tx, &row.text(0)?, &row.text(1)?, &row.text(2)?)?;
    }
    Ok(())
}

/// An item as reconciliation reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveItem {
    pub id: String,
    pub root: String,
    /// What its root calls it: `<kind>/<the source's own id>`.
    pub part: String,
    pub entity: String,
    pub item: Item,
    /// The live match that claims it.
    pub claimed_by: Option<String>,
}

const ITEMS: &str = "SELECT i.id, i.root, i.entity, i.side, i.kind, i.key, i.currency, i.amount,
     i.day, i.due, i.hints, m.match, i.part
     FROM items i LEFT JOIN match_items m ON m.item = i.id AND m.live = 1 WHERE i.live = 1";

fn live_item(row: &Row) -> Result<LiveItem> {
    let side = row.text(3)?;
    let kind = row.text(4)?;
    let currency = Currency::parse(&row.text(6)?).map_err(StoreError::corrupt)?;
    let hints = row.text(10)?;
    Ok(LiveItem {
        id: row.text(0)?,
        root: row.text(1)?,
        part: row.text(12)?,
        entity: row.text(2)?,
        item: Item {
            side: Side::parse(&side).ok_or_else(|| StoreError::corrupt(side))?,
            kind: ItemKind::parse(&kind).ok_or_else(|| StoreError::corrupt(kind))?,
            key: row.text(5)?,
            amount: Money::from_minor(row.int(7)?, currency),
            date: row.text(8)?.parse().map_err(StoreError::corrupt)?,
            due: row
                .opt_text(9)?
                .map(|day| day.parse())
                .transpose()
                .map_err(StoreError::corrupt)?,
            hints: hints.split('\n').filter(|hint| !hint.is_empty()).map(str::to_owned).collect(),
        },
        claimed_by: row.opt_text(11)?,
    })
}

pub fn items_of_key(tx: &mut Tx<'_>, key: &str) -> Result<Vec<LiveItem>> {
    let rows = tx.query(&format!("{ITEMS} AND i.key = $1 ORDER BY i.id"), values![key])?;
    rows.iter().map(live_item).collect()
}

pub fn items_of_root(tx: &mut Tx<'_>, root: &str) -> Result<Vec<LiveItem>> {
    let rows =
        tx.query(&format!("{ITEMS} AND i.root = $1 ORDER BY i.key, i.side"), values![root])?;
    rows.iter().map(live_item).collect()
}

pub fn find_item(tx: &mut Tx<'_>, id: &str) -> Result<Option<LiveItem>> {
    let row = tx.query_one(&format!("{ITEMS} AND i.id = $1"), values![id])?;
    row.as_ref().map(live_item).transpose()
}

/// Items of a kind and side that no match claims.
pub fn unclaimed(tx: &mut Tx<'_>, kind: ItemKind, side: Side) -> Result<Vec<LiveItem>> {
    let rows = tx.query(
        &format!(
            "{ITEMS} AND i.kind = $1 AND i.side = $2 AND {} ORDER BY i.day, i.id",
            match side {
                Side::Bank if planted("a_bank_line_is_free_twice") => "1 = 1",
                _ => "m.match IS NULL",
            }
        ),
        values![kind.word(), side.word()],
    )?;
    rows.iter().map(live_item).collect()
}

// In these, `side || ''` keeps a planner that knows no numbers from the indexes by side and kind:
// the list of roots or keys is what narrows.

/// What the channel states of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    pub root: String,
    pub kind: ItemKind,
    pub key: String,
    pub amount: Money,
}

/// What the channel states of these sales.
pub fn stated_by_channel(tx: &mut Tx<'_>, roots: &[String]) -> Result<Vec<Stated>> {
    let sql = "SELECT root, kind, key, amount, currency FROM items
         WHERE root IN ({}) AND live = 1 AND side || '' = 'channel' ORDER BY root, id";
    let rows = many::query(tx, sql, roots)?;
    rows.iter()
        .map(|row| {
            let kind = row.text(1)?;
            let currency = Currency::parse(&row.text(4)?).map_err(StoreError::corrupt)?;
            Ok(Stated {
                root: row.text(0)?,
                kind: ItemKind::parse(&kind).ok_or_else(|| StoreError::corrupt(kind))?,
                key: row.text(2)?,
                amount: Money::from_minor(row.int(3)?, currency),
            })
        })
        .collect()
}

/// The ledger rows behind these keys of tenders, or about these captures: key, root.
pub fn rows_of_keys(tx: &mut Tx<'_>, keys: &[String]) -> Result<Vec<(String, String)>> {
    let sql = "SELECT DISTINCT key, root FROM items WHERE key IN ({}) AND live = 1
         AND side || '' = 'settlement' AND kind || '' IN ('capture', 'refund_paid', 'of_capture')
         ORDER BY key, root";
    pairs(&many::query(tx, sql, keys)?)
}

/// The payouts, or the keys of what is in none yet, of these ledger rows: root, key.
pub fn payouts_of_rows(tx: &mut Tx<'_>, rows: &[String]) -> Result<Vec<(String, String)>> {
    let sql = "SELECT root, key FROM items WHERE root IN ({}) AND live = 1
         AND side || '' = 'settlement' AND kind || '' = 'payout_row' ORDER BY root, day, id";
    pairs(&many::query(tx, sql, rows)?)
}

/// The keys of the tenders whose ledger rows carry one of these keys, or are in one of these
/// payouts.
pub fn tenders_of_payouts(tx: &mut Tx<'_>, payouts: &[String]) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT t.key FROM items p JOIN items t ON t.root = p.root
         WHERE p.key IN ({}) AND p.live = 1 AND p.kind || '' = 'payout_row' AND t.live = 1
             AND t.side || '' = 'settlement'
             AND t.kind || '' IN ('capture', 'refund_paid', 'of_capture') ORDER BY t.key";
    many::query(tx, sql, payouts)?.iter().map(|row| row.text(0)).collect()
}

/// The keys of the tenders that these ledger rows state, or of the captures that they are about.
pub fn tenders_of_rows(tx: &mut Tx<'_>, rows: &[String]) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT key FROM items WHERE root IN ({}) AND live = 1
         AND side || '' = 'settlement' AND kind || '' IN ('capture', 'refund_paid', 'of_capture')
         ORDER BY key";
    many::query(tx, sql, rows)?.iter().map(|row| row.text(0)).collect()
}

/// The sales of which the channel states one of these keys.
pub fn sales_of_keys(tx: &mut Tx<'_>, keys: &[String]) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT root FROM items
         WHERE key IN ({}) AND live = 1 AND side || '' = 'channel' ORDER BY root";
    many::query(tx, sql, keys)?.iter().map(|row| row.text(0)).collect()
}

fn pairs(rows: &[Row]) -> Result<Vec<(String, String)>> {
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// The lines of one bank connection that are no payout's, by whether an order's transfer claims
/// them: count, sum, and the keys of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankLines {
    pub of_orders: bool,
    pub count: i64,
    pub amount: i64,
    pub some: Vec<String>,
}

/// Keys that begin with `start` under which two sides state otherwise on the days `from..=to` (ISO
/// dates): the one less the other, in minor units. What was never invoiced is a difference of the order
/// and, the other way round, of its refund.
pub fn unlike_in_days(
    tx: &mut Tx<'_>,
    start: &str,
    (one, other): (Side, Side),
    currency: Currency,
    (from, to): (&str, &str),
) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT key, CAST(SUM(CASE WHEN side = $5 THEN amount ELSE -amount END) AS BIGINT)
         FROM items
         WHERE live = 1 AND side IN ($5, $6) AND kind <> 'not_invoiced'
             AND day >= $1 AND day <= $2 AND currency = $3
             AND SUBSTR(key, 1, LENGTH(CAST($4 AS TEXT))) = $4
         GROUP BY key
         HAVING SUM(CASE WHEN side = $5 THEN amount ELSE -amount END) <> 0 ORDER BY key",
        values![from, to, currency.code(), start, one.word(), other.word()],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

pub fn lines_beside_payouts(
    tx: &mut Tx<'_>,
    bank: &str,
    currency: Currency,
    limit: i64,
) -> Result<Vec<BankLines>> {
    const LINES: &str = "FROM items i JOIN roots r ON r.id = i.root
         LEFT JOIN match_items x ON x.item = i.id AND x.live = 1
         LEFT JOIN matches m ON m.id = x.match
         WHERE i.live = 1 AND i.kind = 'bank_line' AND r.connection = $1 AND i.currency = $2
             AND i.amount <> 0";
    let mut found = Vec::new();
    for (of_orders, condition) in
        [(true, "m.key IS NOT NULL AND m.key NOT LIKE 'bank/%'"), (false, "m.key IS NULL")]
    {
        let sql = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) {LINES} AND {condition}"
        );
        let Some(row) = tx.query_one(&sql, values![bank, currency.code()])? else { continue };
        let (count, amount) = (row.int(0)?, row.int(1)?);
        let sql =
            format!("SELECT i.key {LINES} AND {condition} ORDER BY i.day DESC, i.id LIMIT $3");
        let rows = tx.query(&sql, values![bank, currency.code(), limit])?;
        let some = rows.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
        found.push(BankLines { of_orders, count, amount, some });
    }
    Ok(found)
}

/// The orders of a channel that the books hold by another hand, dated there `from..=to` (ISO dates):
/// key and amount.
pub fn held_already(
    tx: &mut Tx<'_>,
    connection: &str,
    currency: Currency,
    (from, to): (&str, &str),
) -> Result<Vec<(String, i64)>> {
    let rows = tx.query(
        "SELECT i.key, i.amount FROM documents d JOIN items i ON i.root = d.root
         WHERE d.connection = $1 AND d.kind = 'held_already' AND i.live = 1
             AND i.side = 'books' AND i.kind = 'document' AND i.currency = $2
             AND i.day >= $3 AND i.day <= $4
         ORDER BY i.key",
        values![connection, currency.code(), from, to],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

pub fn items_of_kind(tx: &mut Tx<'_>, kind: ItemKind) -> Result<Vec<LiveItem>> {
    let rows =
        tx.query(&format!("{ITEMS} AND i.kind = $1 ORDER BY i.day, i.id"), values![kind.word()])?;
    rows.iter().map(live_item).collect()
}

/// What the journal lines come to on one account role, in minor units, debit positive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Balance {
    pub entity: String,
    pub role: String,
    pub qualifier: String,
    pub currency: String,
    pub amount: i64,
}

pub fn balances(tx: &mut Tx<'_>) -> Result<Vec<Balance>> {
    let rows = tx.query(
        "SELECT entity, role, qualifier, currency, CAST(SUM(amount) AS BIGINT) FROM entry_lines
         GROUP BY entity, role, qualifier, currency ORDER BY entity, role, qualifier, currency",
        values![],
    )?;
    rows.iter().map(balance).collect()
}

/// What the journal lines of one root come to.
pub fn balances_of(tx: &mut Tx<'_>, root: &str) -> Result<Vec<Balance>> {
    let rows = tx.query(
        "SELECT entity, role, qualifier, currency, CAST(SUM(amount) AS BIGINT) FROM entry_lines
         WHERE root = $1 GROUP BY entity, role, qualifier, currency
         ORDER BY entity, role, qualifier, currency",
        values![root],
    )?;
    rows.iter().map(balance).collect()
}

fn balance(row: &Row) -> Result<Balance> {
    Ok(Balance {
        entity: row.text(0)?,
        role: row.text(1)?,
        qualifier: row.text(2)?,
        currency: row.text(3)?,
        amount: row.int(4)?,
    })
}

/// What one side states under the keys that begin with one word, in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideTotal {
    pub entity: String,
    pub currency: String,
    /// The first word of the keys: `order`, `capture`, `refund_paid_transfer`, ….
    pub word: String,
    pub side: String,
    pub count: i64,
    pub amount: i64,
}

/// What each side states under the keys that the channel dated `from..=to` (ISO dates).
pub fn side_totals(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<SideTotal>> {
    let rows = tx.query(
        "SELECT entity, currency, word, side, COUNT(*), CAST(SUM(amount) AS BIGINT) FROM (
             SELECT i.entity, i.currency, i.side, i.amount, CASE
                 WHEN i.key LIKE 'order/%' THEN 'order'
                 WHEN i.key LIKE 'tax/%' THEN 'tax'
                 WHEN i.key LIKE 'refund/%' THEN 'refund'
                 WHEN i.key LIKE 'capture/%' THEN 'capture'
                 WHEN i.key LIKE 'capture_transfer/%' THEN 'capture_transfer'
                 WHEN i.key LIKE 'capture_tender/%' THEN 'capture_tender'
                 WHEN i.key LIKE 'refund_paid/%' THEN 'refund_paid'
                 WHEN i.key LIKE 'refund_paid_transfer/%' THEN 'refund_paid_transfer'
                 WHEN i.key LIKE 'refund_paid_tender/%' THEN 'refund_paid_tender'
                 ELSE 'other' END AS word
             FROM items i WHERE i.live = 1 AND i.key IN (
                 SELECT k.key FROM items k
                 WHERE k.live = 1 AND k.side = 'channel' AND k.day >= $1 AND k.day <= $2)
         ) AS stated
         GROUP BY entity, currency, word, side ORDER BY entity, currency, word, side",
        values![from, to],
    )?;
    rows.iter()
        .map(|row| {
            Ok(SideTotal {
                entity: row.text(0)?,
                currency: row.text(1)?,
                word: row.text(2)?,
                side: row.text(3)?,
                count: row.int(4)?,
                amount: row.int(5)?,
            })
        })
        .collect()
}

/// A journal line as a person sees it.
#[derive(Clone, Debug)]
pub struct ShownLine {
    pub kind: String,
    pub part: String,
    pub generation: i64,
    pub reversal: bool,
    pub day: String,
    pub booker: String,
    pub role: String,
    pub qualifier: String,
    pub amount: i64,
    pub currency: String,
    pub memo: String,
}

pub fn lines_of_root(tx: &mut Tx<'_>, root: &str) -> Result<Vec<ShownLine>> {
    let rows = tx.query(
        "SELECT kind, part, generation, reversal, day, booker, role, qualifier, amount, currency,
             memo FROM entry_lines WHERE root = $1
         ORDER BY day, kind, part, generation, reversal, position",
        values![root],
    )?;
    rows.iter()
        .map(|row| {
            Ok(ShownLine {
                kind: row.text(0)?,
                part: row.text(1)?,
                generation: row.int(2)?,
                reversal: row.int(3)? == 1,
                day: row.text(4)?,
                booker: row.text(5)?,
                role: row.text(6)?,
                qualifier: row.text(7)?,
                amount: row.int(8)?,
                currency: row.text(9)?,
                memo: row.text(10)?,
            })
        })
        .collect()
}

/// Entries that do not balance: must be empty, always (invariant I4).
pub fn unbalanced(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT root, kind, part FROM entry_lines
         GROUP BY root, kind, part, generation, reversal, currency HAVING SUM(amount) <> 0",
        values![],
    )?;
    rows.iter()
        .map(|row| Ok(format!("{}/{}/{}", row.text(0)?, row.text(1)?, row.text(2)?)))
        .collect()
}
