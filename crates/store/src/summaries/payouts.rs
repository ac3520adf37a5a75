//! Which open rows a payout pays out (`POSTING.md` P5, P21).
//!
//! A payout holds the rows of a provider's ledger, and these state the money of a sale under the keys
//! under which our rows state it. So the money says in which payout a sale is; what else is open of
//! it goes with its money. What changes later follows the rows that it changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::derive::summary::Of;
use trueup_domain::document::{Root, RootKind};
use trueup_domain::posting::Span;

use super::{ENTRIES, Open, ShownEntry, day, next_number, shown};
use crate::database::{StoreError, Tx};
use crate::messages::moment;
use crate::{Result, documents, values};

/// The items of a payout's ledger rows beside our own rows of the same money. A provider that got it
/// back says so under the same key with the other sign.
const SAME_MONEY: &str = "summary_rows own
     JOIN items i ON i.key = own.states AND i.live = 1 AND i.side = 'settlement'
         AND ((own.back = 0 AND i.amount > 0) OR (own.back = 1 AND i.amount < 0))
     JOIN items p ON p.root = i.root AND p.live = 1 AND p.kind = 'payout_row'";

/// What states money that a provider pays out, rather than a document or another tender.
const PROVIDERS_MONEY: [&str; 2] = ["capture/", "refund_paid/"];

/// Open rows that state anew what an entry holds.
const CHANGED: &str = "summary_rows own
     JOIN summary_rows taken ON taken.root = own.root AND taken.states = own.states
         AND taken.entry IS NOT NULL AND own.entry IS NULL";

/// The payouts into whose entries open rows of a channel go, the oldest first.
pub fn open_payouts(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<Open>> {
    let mut all = paying_out(tx, connection)?;
    for changed in changed(tx, connection)? {
        let same = |one: &&mut Open| one.span == changed.span && one.what == changed.what;
        match all.iter_mut().find(same) {
            Some(known) => known.newest = known.newest.max(changed.newest),
            None => all.push(changed),
        }
    }
    Ok(all)
}

/// Where the payouts' own entries are to be changed.
fn changed(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<Open>> {
    let start = format!("{connection}/summary/");
    let rows = tx.query(
        &format!(
            "SELECT taken.summary, COUNT(DISTINCT own.root), MAX(own.written_at) FROM {CHANGED}
             WHERE own.connection = $1 AND taken.summary LIKE $2
             GROUP BY taken.summary ORDER BY taken.summary"
        ),
        values![connection, format!("{start}payout/%")],
    )?;
    let mut changed = Vec::new();
    for row in rows {
        let summary = row.text(0)?;
        let of = summary.strip_prefix(&start).and_then(Of::parse);
        let of = of.ok_or_else(|| StoreError::corrupt(format!("{summary} names no payout")))?;
        changed.push(Open {
            connection: connection.to_owned(),
            span: of.span,
            what: of.currency.code().to_owned(),
            rows: row.int(1)?,
            newest: moment(row.int(2)?)?,
        });
    }
    Ok(changed)
}

/// The payouts in which money of open rows is. One whose rows do not add up to it is left out: a row of
/// it may be to come.
fn paying_out(tx: &mut Tx<'_>, connection: &str) -> Result<Vec<Open>> {
    let rows = tx.query(
        &format!(
            "SELECT p.key, own.what, COUNT(DISTINCT own.root), MAX(own.written_at)
             FROM {SAME_MONEY}
             JOIN scopes c ON c.key = p.key AND c.status = 'proven'
             JOIN items h ON h.key = p.key AND h.live = 1 AND h.kind = 'payout'
             WHERE own.connection = $1 AND own.entry IS NULL AND p.key LIKE 'payout/%'
             GROUP BY p.key, own.what, h.day ORDER BY h.day, p.key, own.what"
        ),
        values![connection],
    )?;
    rows.iter()
        .map(|row| {
            let key = row.text(0)?;
            let span = Span::parse(&key)
                .ok_or_else(|| StoreError::corrupt(format!("{key} names no payout")))?;
            Ok(Open {
                connection: connection.to_owned(),
                span,
                what: row.text(1)?,
                rows: row.int(2)?,
                newest: moment(row.int(3)?)?,
            })
        })
        .collect()
}

/// One row of `summary_rows`, by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    root: String,
    kind: String,
    part: String,
    generation: i64,
    reversal: i64,
}

/// Takes what a payout pays out of up to `sales` sales into further entries, one for each month.
/// Returns how many.
pub fn take_payout(tx: &mut Tx<'_>, open: &Open, sales: i64, now: Timestamp) -> Result<usize> {
    let root = open.root_id();
    let paid_out = paid_out(tx, open, sales)?;
    let header = tx.query_one(
        "SELECT MAX(day) FROM items WHERE key = $1 AND live = 1 AND kind = 'payout'",
        values![open.span.to_string()],
    )?;
    let header = header.map(|row| row.opt_text(0)).transpose()?.flatten();
    let header = header.as_deref().map(day).transpose()?;
    // The channel may date money later than the provider does.
    let Some(last) = paid_out.values().copied().chain(header).max() else { return Ok(0) };
    let roots: BTreeSet<&str> = paid_out.keys().map(|key| key.root.as_str()).collect();
    let mut months: BTreeMap<Date, Vec<Key>> = BTreeMap::new();
    for sale in roots {
        for (key, day, states) in open_of_sale(tx, open, sale)? {
            let money = PROVIDERS_MONEY.iter().any(|start| states.starts_with(start));
            if paid_out.contains_key(&key) || (!money && day <= last) {
                months.entry(day.first_of_month()).or_default().push(key);
            }
        }
    }
    let entries = months.len();
    for (month, rows) in months {
        let number = next_number(tx, &root)?;
        let dated = last.min(month.last_of_month()).to_string();
        for key in rows {
            tx.write(
                "UPDATE summary_rows SET summary = $1, entry = $2, made_at = $3, dated = $4
                 WHERE root = $5 AND kind = $6 AND part = $7 AND generation = $8 AND reversal = $9",
                values![
                    &root,
                    number,
                    now.as_microsecond(),
                    &dated,
                    key.root,
                    key.kind,
                    key.part,
                    key.generation,
                    key.reversal
                ],
            )?;
        }
    }
    if entries > 0 {
        documents::raise(tx, &open.connection, &open.root())?;
    }
    Ok(entries)
}

/// The open rows of money that a payout pays out, and those that change what its entries hold, with
/// their days.
fn paid_out(tx: &mut Tx<'_>, open: &Open, sales: i64) -> Result<BTreeMap<Key, Date>> {
    let rows = tx.query(
        &format!(
            "SELECT own.root, own.kind, own.part, own.generation, own.reversal, own.day
             FROM {SAME_MONEY}
             WHERE p.key = $1 AND own.connection = $2 AND own.what = $3 AND own.entry IS NULL
             UNION
             SELECT own.root, own.kind, own.part, own.generation, own.reversal, own.day
             FROM {CHANGED} WHERE taken.summary = $4
             ORDER BY 1"
        ),
        values![open.span.to_string(), &open.connection, &open.what, open.root_id()],
    )?;
    let (mut found, mut roots) = (BTreeMap::new(), BTreeSet::new());
    for row in rows {
        let root = row.text(0)?;
        if !roots.contains(&root) {
            if i64::try_from(roots.len()).is_ok_and(|count| count >= sales) {
                break;
            }
            roots.insert(root.clone());
        }
        let key = Key {
            root,
            kind: row.text(1)?,
            part: row.text(2)?,
            generation: row.int(3)?,
            reversal: row.int(4)?,
        };
        found.insert(key, day(&row.text(5)?)?);
    }
    Ok(found)
}

/// The open rows of a sale with their days and what they state.
fn open_of_sale(tx: &mut Tx<'_>, open: &Open, sale: &str) -> Result<Vec<(Key, Date, String)>> {
    let rows = tx.query(
        "SELECT kind, part, generation, reversal, day, states FROM summary_rows
         WHERE root = $1 AND what = $2 AND entry IS NULL
         ORDER BY kind, part, generation, reversal",
        values![sale, &open.what],
    )?;
    rows.iter()
        .map(|row| {
            let key = Key {
                root: sale.to_owned(),
                kind: row.text(0)?,
                part: row.text(1)?,
                generation: row.int(2)?,
                reversal: row.int(3)?,
            };
            Ok((key, day(&row.text(4)?)?, row.opt_text(5)?.unwrap_or_default()))
        })
        .collect()
}

/// The entries that hold money of a payout, whatever they sum up, or rows of its ledger; `payout` is the
/// key under which its rows are.
pub fn of_payout(tx: &mut Tx<'_>, payout: &str) -> Result<Vec<ShownEntry>> {
    let header = match Span::parse(payout) {
        Some(Span::Payout { provider, id }) => {
            let root = Root { kind: RootKind::Payout, external_id: id };
            documents::root_id(&provider, &root)
        }
        _ => String::new(),
    };
    let rows = tx.query(
        &format!(
            "{ENTRIES} WHERE s.entry IS NOT NULL AND (s.summary, s.entry) IN (
                 SELECT own.summary, own.entry FROM {SAME_MONEY} WHERE p.key = $1
                 UNION
                 SELECT own.summary, own.entry FROM items p
                 JOIN summary_rows own ON own.root = p.root AND own.what LIKE 'ledger/%'
                 WHERE p.key = $1 AND p.live = 1 AND p.kind IN ('payout_row', 'payout')
                 UNION
                 SELECT own.summary, own.entry FROM summary_rows own
                 WHERE own.root = $2 AND own.what LIKE 'ledger/%')
             GROUP BY s.summary, s.entry ORDER BY 4, s.summary, s.entry"
        ),
        values![payout, header],
    )?;
    rows.iter().map(|row| shown(tx, row)).collect()
}
