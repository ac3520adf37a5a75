//! Who may work on which shard (`DESIGN.md` §9.6). Every write of a stage reads its lease first.

use jiff::{SignedDuration, Timestamp};
use trueup_domain::planted::planted;

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

/// Who holds a lease, and its epoch; whether it has run out is not asked.
pub fn held(tx: &mut Tx<'_>, shard: &str) -> Result<Option<(String, i64)>> {
    let row = tx.query_one("SELECT owner, epoch FROM leases WHERE shard = $1", values![shard])?;
    row.map(|row| Ok((row.text(0)?, row.int(1)?))).transpose()
}

/// Refuses the transaction of a worker whose lease has gone to somebody else.
pub fn check(tx: &mut Tx<'_>, lease: &Lease) -> Result<()> {
    if planted("a_lost_lease_is_not_noticed") {
        return Ok(());
    }
    let sql = format!(
        "SELECT epoch FROM leases WHERE shard = $1 AND {}{}",
        if planted("any_holder_of_a_lease_will_do") {
            "owner <> $2 OR epoch >= $3"
        } else {
            "owner = $2 AND epoch = $3"
        },
        tx.for_share()
    );
    let held = tx.query_one(&sql, values![&lease.shard, &lease.owner, lease.epoch])?;
    held.map(|_| ()).ok_or(StoreError::LeaseLost)
}
