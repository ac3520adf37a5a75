//! Which rows of the sub-ledger are in which entry of the books (`POSTING.md` P5). Rows are open
//! until an entry takes them; then they stay in it. Units that are moved by the day are rows too, and
//! what takes them is a transfer (P4).
//!
//! | module      | holds                                                                   |
//! |-------------|-------------------------------------------------------------------------|
//! | this one    | rows, and the entries and transfers that take them                      |
//! | [`goods`]   | the rows that are units                                                 |
//! | [`ledger`]  | what the ledger of a provider says                                      |
//! | [`payouts`] | which open rows a payout pays out                                       |

mod goods;
mod ledger;
mod payouts;

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::command::CommandKind;
use trueup_domain::derive::books::BACK;
use trueup_domain::derive::summary::{LEDGER, Of, Part, SummedRow, entry_key};
use trueup_domain::derive::transfer::{GOODS, Of as Moved};
use trueup_domain::document::{Root, RootKind};
use trueup_domain::fact::{FactContent, FactKey};
use trueup_domain::item::ItemKind;
use trueup_domain::journal::Entry;
use trueup_domain::posting::Span;

pub(crate) use self::goods::note_units;
pub use self::goods::{moved, moved_by};
pub use self::ledger::{
    days as ledger_days, gather as gather_ledgers, left_out as left_out_of_ledgers,
    open_ledger_payouts, take_ledger,
};
pub use self::payouts::{of_payout, open_payouts, take_payout};
use crate::database::{Row, StoreError, Tx};
use crate::facts::Place;
use crate::messages::moment;
use crate::{Result, commands, documents, values};

fn day(text: &str) -> Result<Date> {
    text.parse().map_err(StoreError::corrupt)
}

/// Notes a row that goes into the books within an entry.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    entry: &Entry,
    reversal: bool,
) -> Result<()> {
    let Some(summed) = &entry.summed else {
        return ledger::note(tx, place, key, generation, entry, reversal);
    };
    let Some(line) = entry.lines.first() else { return Ok(()) };
    let (_, stated) = &summed.states;
    let came_back = stated.strip_suffix(BACK);
    let row = NewRow {
        day: entry.date,
        what: line.amount.currency().code(),
        states: Some(came_back.unwrap_or(stated)),
        back: came_back.is_some(),
    };
    add(tx, place, key, generation, reversal, row)
}

/// What a row says beside the fact that it is.
struct NewRow<'a> {
    day: Date,
    /// A currency, `ledger/` and a currency, or `goods/` and a location of the books.
    what: &'a str,
    /// The key that its sale states it under, and whether as what came back; units state nothing.
    states: Option<&'a str>,
    back: bool,
}

fn add(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    reversal: bool,
    row: NewRow<'_>,
) -> Result<()> {
    tx.write(
        "INSERT INTO summary_rows (root, kind, part, generation, reversal, connection, day,
             what, written_at, states, back)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        values![
            place.root,
            &key.kind,
            &key.part,
            generation,
            reversal,
            place.root.split('/').next().unwrap_or_default(),
            row.day.to_string(),
            row.what,
            place.now.as_microsecond(),
            row.states,
            row.back
        ],
    )?;
    Ok(())
}

/// The open rows of one channel that go into one entry or transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub connection: String,
    pub span: Span,
    /// A currency, `ledger/` and a currency, or `goods/` and a location of the books.
    pub what: String,
    pub rows: i64,
    /// When the newest of them was written.
    pub newest: Timestamp,
}

impl Open {
    /// The root of the entries.
    pub fn root(&self) -> Root {
        Root { kind: RootKind::Summary, external_id: format!("{}/{}", self.span, self.what) }
    }

    pub fn is_of_goods(&self) -> bool {
        self.what.starts_with(GOODS)
    }

    pub fn is_of_ledger(&self) -> bool {
        self.what.starts_with(LEDGER)
    }

    fn root_id(&self) -> String {
        documents::root_id(&self.connection, &self.root())
    }
}

/// All open rows by day.
pub fn open(tx: &mut Tx<'_>) -> Result<Vec<Open>> {
    let rows = tx.query(
        "SELECT connection, day, what, COUNT(*), MAX(written_at) FROM summary_rows
         WHERE entry IS NULL GROUP BY connection, day, what ORDER BY connection, day, what",
        values![],
    )?;
    rows.iter()
        .map(|row| {
            Ok(Open {
                connection: row.text(0)?,
                span: Span::Day(day(&row.text(1)?)?),
                what: row.text(2)?,
                rows: row.int(3)?,
                newest: moment(row.int(4)?)?,
            })
        })
        .collect()
}

/// Takes the open rows of up to `sales` sales of a day or month into a further entry. Returns its
/// number; `None` when no row was open.
pub fn take(tx: &mut Tx<'_>, open: &Open, sales: i64, now: Timestamp) -> Result<Option<i64>> {
    take_where(tx, open, sales, "", now)
}

/// As [`take`], of the rows `own` that also satisfy a condition in SQL.
fn take_where(
    tx: &mut Tx<'_>,
    open: &Open,
    roots: i64,
    condition: &str,
    now: Timestamp,
) -> Result<Option<i64>> {
    let Some((from, to)) = open.span.days() else { return Ok(None) };
    let root = open.root_id();
    let number = next_number(tx, &root)?;
    let (from, to) = (from.to_string(), to.to_string());
    let taken = tx.execute(
        &format!(
            "UPDATE summary_rows SET summary = $1, entry = $2, made_at = $3, dated = $5
             WHERE connection = $6 AND day >= $4 AND day <= $5 AND what = $7 AND entry IS NULL
                 AND root IN (
                     SELECT DISTINCT own.root FROM summary_rows own
                     WHERE own.connection = $6 AND own.day >= $4 AND own.day <= $5
                         AND own.what = $7 AND own.entry IS NULL {condition}
                     ORDER BY own.root LIMIT $8)"
        ),
        values![&root, number, now.as_microsecond(), from, to, &open.connection, &open.what, roots],
    )?;
    if taken == 0 {
        return Ok(None);
    }
    documents::raise(tx, &open.connection, &open.root())?;
    Ok(Some(number))
}

/// The number of a root's next entry. One is never used again, also when what bore it was dissolved.
fn next_number(tx: &mut Tx<'_>, root: &str) -> Result<i64> {
    let last = tx.query_one(
        "SELECT COALESCE(MAX(entry), 0) FROM summary_rows WHERE summary = $1 AND entry IS NOT NULL",
        values![root],
    )?;
    let asked = tx.query_one(
        "SELECT COALESCE(MAX(CAST(part AS BIGINT)), 0) FROM facts
         WHERE root = $1 AND kind IN ('entry', 'transfer')",
        values![root],
    )?;
    let of = |row: Option<Row>| row.map_or(Ok(0), |row| row.int(0));
    Ok(of(last)?.max(of(asked)?) + 1)
}

/// An entry of a root, and the key and state of its newest command.
struct Numbered {
    number: i64,
    command: Option<(String, String)>,
}

/// The entries of a root, in order.
fn entries_of(tx: &mut Tx<'_>, root: &str) -> Result<Vec<Numbered>> {
    let rows = tx.query(
        "SELECT DISTINCT entry FROM summary_rows WHERE summary = $1 AND entry IS NOT NULL
         ORDER BY entry",
        values![root],
    )?;
    let mut entries = Vec::new();
    for row in rows {
        let number = row.int(0)?;
        let command = tx.query_one(
            "SELECT key, state FROM commands
             WHERE root = $1 AND fact_kind IN ('entry', 'transfer') AND part = $2
             ORDER BY generation DESC, key LIMIT 1",
            values![root, number.to_string()],
        )?;
        let command =
            command.map(|row| Ok::<_, StoreError>((row.text(0)?, row.text(1)?))).transpose()?;
        entries.push(Numbered { number, command });
    }
    Ok(entries)
}

/// Whether the books refused one of the entries.
pub fn is_refused(tx: &mut Tx<'_>, open: &Open) -> Result<bool> {
    let entries = entries_of(tx, &open.root_id())?;
    Ok(entries.iter().any(|it| it.command.as_ref().is_some_and(|(_, state)| state == "refused")))
}

/// Opens the rows of those entries again of which the books have nothing: they refused them, or were
/// never asked for the last one. What is known later goes in with them. Returns the keys of what they
/// refused.
pub fn reopen(tx: &mut Tx<'_>, open: &Open) -> Result<Vec<String>> {
    let root = open.root_id();
    let entries = entries_of(tx, &root)?;
    let last = entries.last().map(|it| it.number);
    let mut refused = Vec::new();
    for Numbered { number, command } in entries {
        match command {
            Some((key, state)) if state == "refused" => refused.push(key),
            None if last == Some(number) => {}
            _ => continue,
        }
        tx.write(
            "UPDATE summary_rows SET summary = NULL, entry = NULL, made_at = NULL, dated = NULL
             WHERE summary = $1 AND entry = $2",
            values![&root, number],
        )?;
        documents::raise(tx, &open.connection, &open.root())?;
    }
    Ok(refused)
}

/// The number and the moment of what took a row, its sign, its order, its fact, its date, its root.
const ROWS: &str = "SELECT s.entry, s.made_at, s.reversal, r.external_id, r.number, f.content,
         COALESCE(s.dated, s.day), s.root
     FROM summary_rows s JOIN roots r ON r.id = s.root
     JOIN facts f ON f.root = s.root AND f.kind = s.kind AND f.part = s.part
         AND f.generation = s.generation";

/// The order of the rows of one entry or transfer.
const IN_ORDER: &str = "s.root, s.kind, s.part, s.generation, s.reversal";

/// All rows that something took, one entry or transfer after the other.
fn taken(tx: &mut Tx<'_>, summary: &str) -> Result<Vec<Row>> {
    tx.query(
        &format!(
            "{ROWS} WHERE s.summary = $1 AND s.entry IS NOT NULL ORDER BY s.entry, {IN_ORDER}"
        ),
        values![summary],
    )
}

/// The rows that one entry or transfer took.
fn taken_by(tx: &mut Tx<'_>, summary: &str, number: i64) -> Result<Vec<Row>> {
    tx.query(
        &format!("{ROWS} WHERE s.summary = $1 AND s.entry = $2 ORDER BY {IN_ORDER}"),
        values![summary, number],
    )
}

fn summed(row: &Row) -> Result<SummedRow> {
    let content: FactContent = serde_json::from_str(&row.text(5)?).map_err(StoreError::corrupt)?;
    let FactContent::Entry(entry) = content else {
        return Err(StoreError::corrupt("a row of a sum is no entry"));
    };
    Ok(SummedRow {
        root: row.text(7)?,
        order: row.text(3)?,
        number: row.text(4)?,
        reversal: row.int(2)? == 1,
        entry,
    })
}

/// The entries of a day with their rows.
pub fn parts(tx: &mut Tx<'_>, summary: &str) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for row in &taken(tx, summary)? {
        let number = u32::try_from(row.int(0)?).map_err(StoreError::corrupt)?;
        if parts.last().is_none_or(|part| part.number != number) {
            let made_on = moment(row.int(1)?)?.to_zoned(jiff::tz::TimeZone::UTC).date();
            let dated = day(&row.text(6)?)?;
            parts.push(Part { number, made_on, dated, rows: Vec::new() });
        }
        if let Some(part) = parts.last_mut() {
            part.rows.push(summed(row)?);
        }
    }
    Ok(parts)
}

/// The rows of one entry.
pub fn rows(tx: &mut Tx<'_>, summary: &str, number: i64) -> Result<Vec<SummedRow>> {
    taken_by(tx, summary, number)?.iter().map(summed).collect()
}

/// What an entry is the sum of so many of, for people.
pub fn counted(summary: &str, count: i64) -> &'static str {
    let of = summary.split_once("/summary/").and_then(|(_, of)| Of::parse(of));
    match (of.is_some_and(|of| of.ledger), count) {
        (true, 1) => "ledger row",
        (true, _) => "ledger rows",
        (false, 1) => "sale",
        (false, _) => "sales",
    }
}

/// An entry or transfer as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownEntry {
    /// The root of the entries of a day, month or payout.
    pub summary: String,
    pub number: i64,
    /// In the books, as asked for.
    pub dated: String,
    pub orders: i64,
    /// How its newest command stands; `None` while its mapping lacks something, and where its rows
    /// cancel out.
    pub state: Option<String>,
    /// The books' record.
    pub record: Option<String>,
    pub error: Option<String>,
}

impl ShownEntry {
    /// It moves goods.
    pub fn is_of_goods(&self) -> bool {
        self.summary.split_once("/summary/").is_some_and(|(_, of)| Moved::parse(of).is_some())
    }

    /// The key under which channel and books state what it comes to.
    pub fn key(&self) -> Option<String> {
        let (connection, of) = self.summary.split_once("/summary/")?;
        // Goods are no money, so nobody states what they come to.
        Some(entry_key(connection, &Of::parse(of)?, u32::try_from(self.number).ok()?))
    }
}

const ENTRIES: &str = "SELECT s.summary, s.entry, COUNT(DISTINCT s.root),
     MAX(COALESCE(s.dated, s.day)) FROM summary_rows s";

fn shown(tx: &mut Tx<'_>, row: &Row) -> Result<ShownEntry> {
    let (summary, number) = (row.text(0)?, row.int(1)?);
    let command = tx.query_one(
        "SELECT state, COALESCE(record, binding), error FROM commands
         WHERE root = $1 AND fact_kind IN ('entry', 'transfer') AND part = $2
             AND kind IN ($3, $4) AND key NOT LIKE '%/rev'
         ORDER BY generation DESC LIMIT 1",
        values![&summary, number.to_string(), CommandKind::Entry.word(), CommandKind::Goods.word()],
    )?;
    let (mut state, mut record, mut error) = (None, None, None);
    if let Some(command) = command {
        state = Some(command.text(0)?);
        record = command.opt_text(1)?;
        error = command.opt_text(2)?;
    }
    let (orders, dated) = (row.int(2)?, row.text(3)?);
    Ok(ShownEntry { summary, number, dated, orders, state, record, error })
}

/// The entries that rows of a sale are in.
pub fn of_sale(tx: &mut Tx<'_>, root: &str) -> Result<Vec<ShownEntry>> {
    let rows = tx.query(
        &format!(
            "{ENTRIES} WHERE s.entry IS NOT NULL AND EXISTS (SELECT 1 FROM summary_rows own
                 WHERE own.root = $1 AND own.summary = s.summary AND own.entry = s.entry)
             GROUP BY s.summary, s.entry ORDER BY s.summary, s.entry"
        ),
        values![root],
    )?;
    rows.iter().map(|row| shown(tx, row)).collect()
}

/// The newest entries, or those of one day of the books (an ISO date), of every channel.
pub fn list(tx: &mut Tx<'_>, day: Option<&str>, limit: i64) -> Result<Vec<ShownEntry>> {
    let rows = tx.query(
        &format!(
            "{ENTRIES} WHERE s.entry IS NOT NULL AND ($1 = '' OR COALESCE(s.dated, s.day) = $1)
             GROUP BY s.summary, s.entry ORDER BY 4 DESC, s.summary, s.entry LIMIT $2"
        ),
        values![day.unwrap_or_default(), limit],
    )?;
    rows.iter().map(|row| shown(tx, row)).collect()
}

/// The entries of one day, month or payout, by their root.
pub fn of_root(tx: &mut Tx<'_>, summary: &str) -> Result<Vec<ShownEntry>> {
    let rows = tx.query(
        &format!(
            "{ENTRIES} WHERE s.summary = $1 AND s.entry IS NOT NULL
             GROUP BY s.summary, s.entry ORDER BY s.entry"
        ),
        values![summary],
    )?;
    rows.iter().map(|row| shown(tx, row)).collect()
}

/// The sales of one entry by root.
pub fn sales(tx: &mut Tx<'_>, summary: &str, number: i64) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT DISTINCT root FROM summary_rows WHERE summary = $1 AND entry = $2 ORDER BY root",
        values![summary, number],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Whether money of a sale is in no entry yet.
pub fn is_open(tx: &mut Tx<'_>, root: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT root FROM summary_rows
         WHERE root = $1 AND entry IS NULL AND what NOT LIKE 'goods/%' LIMIT 1",
        values![root],
    )?;
    Ok(row.is_some())
}

/// Whether money of a sale is in an entry.
pub fn holds(tx: &mut Tx<'_>, root: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT root FROM summary_rows
         WHERE root = $1 AND entry IS NOT NULL AND what NOT LIKE 'goods/%' LIMIT 1",
        values![root],
    )?;
    Ok(row.is_some())
}

/// The rows of the entry that a command makes or takes back; `None` where it makes another one.
pub fn rows_of(tx: &mut Tx<'_>, command: &commands::Shown) -> Result<Option<Vec<SummedRow>>> {
    let Some((ItemKind::Entry, key)) = &command.states else { return Ok(None) };
    let key = key.strip_suffix(BACK).unwrap_or(key);
    // An entry of another kind, such as that of a month's end, sums up no rows.
    let number = key.rsplit('/').next().and_then(|number| number.parse().ok());
    let Some(number) = number else { return Ok(None) };
    rows(tx, &command.root, number).map(Some)
}
