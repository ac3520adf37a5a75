//! What the ledger of a provider says, and which of it is in one entry (`POSTING.md` P3, P9, P21).
//!
//! A payout whose rows add up to it is summed up at once, with its own leaving; what is in none when
//! a month is over goes with the month. While a payout holds a row that nobody has decided about,
//! nothing of it is.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use trueup_domain::derive::settlement;
use trueup_domain::derive::summary::LEDGER;
use trueup_domain::document::{Root, RootKind};
use trueup_domain::fact::FactKey;
use trueup_domain::journal::{Booker, Entry, Role};
use trueup_domain::planted::planted;
use trueup_domain::posting::Span;

use super::{NewRow, Open, add, day, next_number, take_where};
use crate::database::Tx;
use crate::facts::Place;
use crate::messages::moment;
use crate::{Result, documents, values};

/// So long after a day was named its ledger is gathered once more: what was decided in that moment, by
/// a process that knew another day, is written by then, and not yet quiet enough for an entry.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(4);
/// The day of a ledger that nobody wants in the books any more.
const NEVER: &str = "9999-12-31";

/// From which day on the ledgers of which connections go into the books, as the last process had it
/// that made entries: all decide by the same.
pub fn days(tx: &mut Tx<'_>) -> Result<BTreeMap<String, Date>> {
    let rows =
        tx.query("SELECT connection, since FROM ledgers WHERE since < $1", values![NEVER])?;
    rows.iter().map(|row| Ok((row.text(0)?, day(&row.text(1)?)?))).collect()
}

/// Notes a row of a ledger, where its connection's are posted. What takes back or restates a row that
/// is in an entry is one too, whatever its day: we booked that, so nobody else will.
pub(super) fn note(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    key: &FactKey,
    generation: u32,
    entry: &Entry,
    reversal: bool,
) -> Result<()> {
    let Some(line) = entry.lines.first() else { return Ok(()) };
    let is_of_ledger = entry.booker == Booker::Trueup
        && settlement::FACTS.contains(&key.kind.as_str())
        && entry.lines.iter().all(|line| line.role != Role::Unknown);
    if !is_of_ledger {
        return Ok(());
    }
    if place.now.as_second() % 5 == 0 && planted("a_row_of_a_ledger_is_left_out") {
        return Ok(());
    }
    if place.ledger_since.is_none_or(|since| entry.date < since) {
        let is_first = generation == 1 && !reversal;
        if is_first || !is_in_entry(tx, place.root, key)? {
            return Ok(());
        }
    }
    let what = format!("{LEDGER}{}", line.amount.currency().code());
    let row = NewRow { day: entry.date, what: &what, states: None, back: false };
    add(tx, place, key, generation, reversal, row)
}

/// Whether some generation of a row is in an entry.
fn is_in_entry(tx: &mut Tx<'_>, root: &str, key: &FactKey) -> Result<bool> {
    let row = tx.query_one(
        "SELECT root FROM summary_rows
         WHERE root = $1 AND kind = $2 AND part = $3 AND entry IS NOT NULL LIMIT 1",
        values![root, &key.kind, &key.part],
    )?;
    Ok(row.is_some())
}

/// A row of the same fact as `own` that is in an entry.
const POSTED: &str = "SELECT 1 FROM summary_rows t
     WHERE t.root = own.root AND t.kind = own.kind AND t.part = own.part AND t.entry IS NOT NULL";

/// Gathers what the ledgers of these connections have said since a day, also before anybody wanted it
/// in the books, and of no others. What is in an entry stays there, and what takes it back follows it.
/// Cheap where nothing changed.
pub fn gather(tx: &mut Tx<'_>, wanted: &BTreeMap<&str, Date>, now: Timestamp) -> Result<()> {
    let mut known = BTreeMap::new();
    for row in tx.query("SELECT connection, since, again_at FROM ledgers", values![])? {
        let again = row.opt_int(2)?.map(moment).transpose()?;
        known.insert(row.text(0)?, (row.text(1)?, again));
    }
    let mut since: BTreeMap<&str, String> =
        known.keys().map(|name| (name.as_str(), NEVER.to_owned())).collect();
    since.extend(wanted.iter().map(|(name, day)| (*name, day.to_string())));
    for (connection, since) in since {
        let again = match known.get(connection) {
            Some((before, again)) if *before == since => match again {
                Some(again) if *again <= now => None,
                _ => continue,
            },
            _ => Some(now.checked_add(AGAIN_AFTER).unwrap_or(now)),
        };
        gather_one(tx, connection, &since, again, now)?;
    }
    Ok(())
}

fn gather_one(
    tx: &mut Tx<'_>,
    connection: &str,
    since: &str,
    again: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.write(
        "DELETE FROM summary_rows
         WHERE connection = $1 AND entry IS NULL AND what LIKE 'ledger/%' AND day < $2",
        values![connection, since],
    )?;
    tx.write("DELETE FROM ledgers WHERE connection = $1", values![connection])?;
    if since != NEVER || again.is_some() {
        tx.write(
            "INSERT INTO ledgers (connection, since, again_at) VALUES ($1, $2, $3)",
            values![connection, since, again.map(Timestamp::as_microsecond)],
        )?;
    }
    tx.write(
        &format!(
            "INSERT INTO summary_rows (root, kind, part, generation, reversal, connection, day,
                 what, written_at)
             SELECT own.root, own.kind, own.part, own.generation, own.reversal, $1, own.day,
                 '{LEDGER}' || own.currency, $2
             FROM roots r JOIN entry_lines own ON own.root = r.id
             WHERE r.connection = $1 AND (own.day >= $3 OR EXISTS ({POSTED})) AND {}",
            not_noted()
        ),
        values![connection, now.as_microsecond(), since],
    )?;
    Ok(())
}

/// An entry `own` of the root `r` that is a row of a ledger, and not noted.
fn not_noted() -> String {
    let kinds = settlement::FACTS.map(|kind| format!("'{kind}'")).join(", ");
    let roots = [RootKind::LedgerRow, RootKind::Payout, RootKind::Dispute];
    let roots = roots.map(|kind| format!("'{}'", kind.word())).join(", ");
    let (booker, unknown) = (Booker::Trueup.word(), Role::Unknown.word());
    format!(
        "r.kind IN ({roots}) AND own.kind IN ({kinds}) AND own.booker = '{booker}'
             AND own.position = 0
             AND NOT EXISTS (SELECT 1 FROM entry_lines u
                 WHERE u.root = own.root AND u.kind = own.kind AND u.part = own.part
                     AND u.generation = own.generation AND u.role = '{unknown}')
             AND NOT EXISTS (SELECT 1 FROM summary_rows s
                 WHERE s.root = own.root AND s.kind = own.kind AND s.part = own.part
                     AND s.generation = own.generation AND s.reversal = own.reversal)"
    )
}

/// Rows of ledgers that go into the books and yet will not: nobody noted them.
pub fn left_out(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let rows = tx.query(
        &format!(
            "SELECT own.root || ' of ' || own.day
             FROM ledgers l JOIN roots r ON r.connection = l.connection
             JOIN entry_lines own ON own.root = r.id
             WHERE own.day >= l.since AND {} ORDER BY 1 LIMIT 20",
            not_noted()
        ),
        values![],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Nobody has decided about a row of the payout with this key.
const HOLDS_UNKNOWN: &str = "SELECT 1 FROM items q
     JOIN items u ON u.root = q.root AND u.live = 1 AND u.kind = 'unknown'
     WHERE q.live = 1 AND q.kind = 'payout_row' AND q.key = p.key";

/// A row of a ledger that is in no entry, of a payout: the payout itself, or what it holds.
const OPEN_OF_PAYOUT: &str =
    "own.connection = $1 AND own.entry IS NULL AND own.what LIKE 'ledger/%'
     AND (own.root = $3 OR own.root IN (SELECT p.root FROM items p
         WHERE p.key = $2 AND p.live = 1 AND p.kind = 'payout_row'))";

/// The payouts whose own leaving, or its taking back, is in no entry, the oldest first, with what else
/// is open of them in each currency. One whose rows do not add up to it is left out, and so is one
/// that holds what nobody has decided about. What is known of a payout after its entry waits for the
/// end of the month, so that nobody looks through all that is in no payout yet.
pub fn open_ledger_payouts(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<Open>> {
    let left = tx.query(
        &format!(
            "SELECT own.root, r.external_id, MIN(own.day)
             FROM summary_rows own JOIN roots r ON r.id = own.root
             WHERE own.connection = $1 AND own.entry IS NULL AND own.what LIKE 'ledger/%'
                 AND own.kind = 'payout' AND NOT EXISTS (SELECT 1 FROM items p
                     WHERE p.root = own.root AND p.live = 1 AND p.kind = 'payout'
                         AND p.key LIKE 'payout/%'
                         AND (NOT EXISTS (SELECT 1 FROM scopes c
                                 WHERE c.key = p.key AND c.status = 'proven')
                             OR EXISTS ({HOLDS_UNKNOWN})))
             GROUP BY own.root, r.external_id ORDER BY 3, 2"
        ),
        values![connection],
    )?;
    let mut payouts = Vec::new();
    for row in left {
        let (root, id) = (row.text(0)?, row.text(1)?);
        let span = Span::Payout { provider: connection.to_owned(), id };
        let currencies = tx.query(
            &format!(
                "SELECT own.what, COUNT(*), MAX(own.written_at) FROM summary_rows own
                 WHERE {OPEN_OF_PAYOUT} GROUP BY own.what ORDER BY own.what"
            ),
            values![connection, span.to_string(), root],
        )?;
        let mut newest = Timestamp::MIN;
        for row in &currencies {
            newest = newest.max(moment(row.int(2)?)?);
        }
        for row in &currencies {
            payouts.push(Open {
                connection: connection.to_owned(),
                span: span.clone(),
                what: row.text(0)?,
                rows: row.int(1)?,
                newest,
            });
        }
    }
    Ok(payouts)
}

/// Takes up to `rows` open rows of a ledger into a further entry: of one month of a payout, or those of
/// a month that are in no payout of their own. Returns its number; `None` when no row was open.
pub fn take_ledger(tx: &mut Tx<'_>, open: &Open, rows: i64, now: Timestamp) -> Result<Option<i64>> {
    match &open.span {
        Span::Payout { provider, id } => take_of_payout(tx, open, (provider, id), rows, now),
        Span::Month(_) | Span::Day(_) => {
            let decided = format!(
                "AND NOT EXISTS (SELECT 1 FROM items p
                     WHERE p.root = own.root AND p.live = 1
                         AND p.kind IN ('payout_row', 'payout')
                         AND EXISTS ({HOLDS_UNKNOWN}))"
            );
            take_where(tx, open, rows, &decided, now)
        }
    }
}

fn take_of_payout(
    tx: &mut Tx<'_>,
    open: &Open,
    (provider, id): (&str, &str),
    rows: i64,
    now: Timestamp,
) -> Result<Option<i64>> {
    let key = open.span.to_string();
    let header = Root { kind: RootKind::Payout, external_id: id.to_owned() };
    let header = documents::root_id(provider, &header);
    let own = format!("{OPEN_OF_PAYOUT} AND own.what = $4");
    let first = tx.query_one(
        &format!("SELECT MIN(own.day) FROM summary_rows own WHERE {own}"),
        values![&open.connection, &key, &header, &open.what],
    )?;
    let Some(first) = first.map(|row| row.opt_text(0)).transpose()?.flatten() else {
        return Ok(None);
    };
    let month = day(&first)?;
    // An entry stands where the payout left, or at the end of its month where that was later.
    let last = tx.query_one(
        "SELECT MAX(day) FROM summary_rows WHERE root = $1 OR root IN (
             SELECT p.root FROM items p WHERE p.key = $2 AND p.live = 1 AND p.kind = 'payout_row')",
        values![&header, &key],
    )?;
    let last = last.map(|row| row.opt_text(0)).transpose()?.flatten().unwrap_or(first);
    let until = month.last_of_month();
    let dated = day(&last)?.min(until);
    let root = open.root_id();
    let number = next_number(tx, &root)?;
    let chosen = format!(
        "SELECT own.root FROM summary_rows own WHERE {own} AND own.day <= $5
         GROUP BY own.root ORDER BY own.root LIMIT $6"
    );
    tx.write(
        &format!(
            "UPDATE summary_rows SET summary = $7, entry = $8, made_at = $9, dated = $10
             WHERE connection = $1 AND what = $4 AND entry IS NULL AND day <= $5
                 AND root IN ({chosen})"
        ),
        values![
            &open.connection,
            &key,
            &header,
            &open.what,
            until.to_string(),
            rows,
            &root,
            number,
            now.as_microsecond(),
            dated.to_string()
        ],
    )?;
    documents::raise(tx, &open.connection, &open.root())?;
    Ok(Some(number))
}
