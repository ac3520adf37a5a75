//! Who may work on which shard (`DESIGN.md` §9.6). Every write of a stage reads its lease first.

use jiff::{SignedDuration, Timestamp};

use crate::database::{StoreError, Tx};
use crate::{Result, values};

/// The proof that a worker owned a shard when it took its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub shard: String,
    pub owner: String,
    pub epoch: i64,
}

/// Takes or renews a lease; `None` while somebody else holds it.
pub fn acquire(
    tx: &mut Tx<'_>,
    shard: &str,
    owner: &str,
    now: Timestamp,
    length: SignedDuration,
) -> Result<Option<Lease>> {
    let until = now.checked_add(length).map_err(StoreError::corrupt)?.as_microsecond();
    tx.execute(
        "INSERT INTO leases (shard, owner, epoch, until) VALUES ($1, $2, 1, $3)
         ON CONFLICT (shard) DO UPDATE SET
             epoch = CASE WHEN leases.owner = excluded.owner THEN leases.epoch
                 ELSE leases.epoch + 1 END,
             owner = excluded.owner, until = excluded.until
         WHERE leases.owner = excluded.owner OR leases.until < $4",
        values![shard, owner, until, now.as_microsecond()],
    )?;
    let row = tx.query_one("SELECT owner, epoch FROM leases WHERE shard = $1", values![shard])?;
    let Some(row) = row else { return Ok(None) };
    let held = row.text(0)? == owner;
    let epoch = row.int(1)?;
    Ok(held.then(|| Lease { shard: shard.to_owned(), owner: owner.to_owned(), epoch }))
}

/// Refuses the transaction of a worker whose lease has gone to somebody else.
pub fn check(tx: &mut Tx<'_>, lease: &Lease) -> Result<()> {
    let sql = format!(
        "SELECT epoch FROM leases WHERE shard = $1 AND owner = $2 AND epoch = $3{}",
        tx.for_share()
    );
    let held = tx.query_one(&sql, values![&lease.shard, &lease.owner, lease.epoch])?;
    held.map(|_| ()).ok_or(StoreError::LeaseLost)
}
