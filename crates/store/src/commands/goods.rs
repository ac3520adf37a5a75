//! Goods beside the cancellation of their order: the books cancel with an order every transfer of it
//! that is not done, also one that we are about to finish.

use std::collections::BTreeMap;

use super::reversal_key;
use crate::database::Tx;
use crate::{Result, values};

/// What the cancellation of an order waits for: transfers of it that are under way.
pub(super) fn under_way(tx: &mut Tx<'_>, order: &str) -> Result<Vec<String>> {
    let of_order = of_order(tx, order)?.into_iter();
    let moving = of_order.filter(|(_, state)| matches!(state.as_str(), "sent" | "unknown"));
    Ok(moving.map(|(key, _)| key).collect())
}

/// What the reversal of a movement waits for: the cancellation of its order, if that is asked for.
pub(super) fn cancellation(tx: &mut Tx<'_>, goods: &str) -> Result<BTreeMap<String, String>> {
    let rows = tx.query(
        "SELECT c.key FROM command_after a JOIN commands c ON c.key = a.needs || '/rev'
         WHERE a.command = $1 AND a.role = 'order' AND c.state <> 'withdrawn'",
        values![goods],
    )?;
    rows.iter().map(|row| Ok(("cancelled".to_owned(), row.text(0)?))).collect()
}

/// Lets the reversals of an order's movements that have not left wait for its cancellation.
pub(super) fn wait_for_cancellation(tx: &mut Tx<'_>, order: &str) -> Result<()> {
    let cancellation = reversal_key(order);
    for (key, state) in of_order(tx, order)? {
        if !key.ends_with("/rev") || !matches!(state.as_str(), "waiting" | "ready") {
            continue;
        }
        tx.execute(
            "INSERT INTO command_after (command, role, needs) VALUES ($1, 'cancelled', $2)
             ON CONFLICT DO NOTHING",
            values![&key, &cancellation],
        )?;
        tx.execute("UPDATE commands SET state = 'waiting' WHERE key = $1", values![&key])?;
    }
    Ok(())
}

/// The movements of an order and their reversals, with the state of each.
fn of_order(tx: &mut Tx<'_>, order: &str) -> Result<Vec<(String, String)>> {
    let rows = tx.query(
        "SELECT c.key, c.state FROM command_after a
         JOIN commands c ON c.key IN (a.command, a.command || '/rev')
         WHERE a.needs = $1 AND a.role = 'order' AND c.kind = 'goods' ORDER BY c.key",
        values![order],
    )?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}
