//! What the reversals of goods and of their order wait for.
//!
//! The books cancel with an order every transfer of it that is not done, also one that we are about
//! to finish. And units that came back are not there to be taken back once more: first they leave
//! again.

use std::collections::BTreeMap;

use trueup_domain::command::{Content, Way};

use super::{COMMANDS, reversal_key, shown};
use crate::database::{Row, Tx};
use crate::{Result, values};

/// What the cancellation of an order waits for: transfers of it that are under way, and those that
/// are to be made again. What was delivered before it has to be so again.
pub(super) fn under_way(tx: &mut Tx<'_>, order: &str) -> Result<Vec<String>> {
    let moving = of_order(tx, order)?.into_iter().filter(|it| match it.state.as_str() {
        "sent" | "unknown" => true,
        "waiting" | "ready" => it.was_made,
        _ => false,
    });
    Ok(moving.map(|it| it.key).collect())
}

/// What the reversal of a movement waits for: the cancellation of its order, if that is asked for,
/// and of what left, that its units which came back leave again.
pub(super) fn before_reversal(
    tx: &mut Tx<'_>,
    own: &str,
    way: Way,
) -> Result<BTreeMap<String, String>> {
    let mut needs = BTreeMap::new();
    let Some(order) = order_of(tx, own)? else { return Ok(needs) };
    let cancellation = reversal_key(&order);
    if is_asked_for(tx, &cancellation)? {
        needs.insert("cancelled".to_owned(), cancellation);
    }
    if way == Way::Out {
        for (number, back) in movements(tx, &order, Way::Back)?.into_iter().enumerate() {
            let again = reversal_key(&back);
            if is_asked_for(tx, &again)? {
                needs.insert(format!("left_again/{number}"), again);
            }
        }
    }
    Ok(needs)
}

/// Lets the reversals of what left wait for that of units which came back, if they have not left.
pub(super) fn wait_until_left_again(tx: &mut Tx<'_>, own: &str) -> Result<()> {
    let Some(order) = order_of(tx, own)? else { return Ok(()) };
    let again = reversal_key(own);
    for out in movements(tx, &order, Way::Out)? {
        let reversal = reversal_key(&out);
        let waits = tx.execute(
            "UPDATE commands SET state = 'waiting' WHERE key = $1 AND state IN ('waiting', 'ready')",
            values![&reversal],
        )?;
        if waits == 1 {
            wait_for(tx, &reversal, &format!("left_again/{again}"), &again)?;
        }
    }
    Ok(())
}

fn order_of(tx: &mut Tx<'_>, own: &str) -> Result<Option<String>> {
    let row = tx.query_one(
        "SELECT needs FROM command_after WHERE command = $1 AND role = 'order'",
        values![own],
    )?;
    row.map(|row| row.text(0)).transpose()
}

fn is_asked_for(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    let row = tx.query_one(
        "SELECT key FROM commands WHERE key = $1 AND state <> 'withdrawn'",
        values![key],
    )?;
    Ok(row.is_some())
}

fn wait_for(tx: &mut Tx<'_>, command: &str, role: &str, needs: &str) -> Result<()> {
    tx.write(
        "INSERT INTO command_after (command, role, needs) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        values![command, role, needs],
    )?;
    Ok(())
}

/// The movements of an order that go one way.
fn movements(tx: &mut Tx<'_>, order: &str, way: Way) -> Result<Vec<String>> {
    let rows = tx.query(
        &format!(
            "{COMMANDS} WHERE kind = 'goods' AND key IN (
                 SELECT command FROM command_after WHERE needs = $1 AND role = 'order')
             ORDER BY key"
        ),
        values![order],
    )?;
    let mut keys = Vec::new();
    for row in &rows {
        let movement = shown(row)?;
        if matches!(&movement.content, Content::Goods(goods) if goods.way == way) {
            keys.push(movement.key);
        }
    }
    Ok(keys)
}

/// Lets the reversals of an order's movements that have not left wait for its cancellation.
pub(super) fn wait_for_cancellation(tx: &mut Tx<'_>, order: &str) -> Result<()> {
    let cancellation = reversal_key(order);
    for it in of_order(tx, order)? {
        let waits = matches!(it.state.as_str(), "waiting" | "ready") && !it.was_made;
        if !it.key.ends_with("/rev") || !waits {
            continue;
        }
        wait_for(tx, &it.key, "cancelled", &cancellation)?;
        tx.write("UPDATE commands SET state = 'waiting' WHERE key = $1", values![&it.key])?;
    }
    Ok(())
}

/// A movement, or the reversal of one.
struct Movement {
    key: String,
    state: String,
    /// It was made before, and is either there or to be made again.
    was_made: bool,
}

/// The movements of an order and their reversals.
fn of_order(tx: &mut Tx<'_>, order: &str) -> Result<Vec<Movement>> {
    let rows = tx.query(
        "SELECT c.key, c.state, c.binding FROM command_after a
         JOIN commands c ON c.key IN (a.command, a.command || '/rev')
         WHERE a.needs = $1 AND a.role = 'order' AND c.kind = 'goods' ORDER BY c.key",
        values![order],
    )?;
    let movement = |row: &Row| {
        let was_made = row.opt_text(2)?.is_some();
        Ok(Movement { key: row.text(0)?, state: row.text(1)?, was_made })
    };
    rows.iter().map(movement).collect()
}
