//! How each sale stands on the four links, for lists and sums: a projection of its items and of
//! their scopes, which `trueup_hub::proofs` keeps in the transactions that change them.

use crate::database::{Row, Tx};
use crate::{Result, many, values};

/// The statuses of one sale, each a word of `trueup_matching::Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    pub root: String,
    pub entity: String,
    pub currency: String,
    /// ISO date.
    pub day: String,
    /// Minor units.
    pub amount: i64,
    pub document: &'static str,
    pub tender: &'static str,
    pub payout: &'static str,
    pub bank: &'static str,
    pub overall: &'static str,
}

/// Keeps others from writing how these sales stand until this transaction ends, so that what is read
/// for it from now on is the newest when it is written.
pub fn hold(tx: &mut Tx<'_>, sales: &[String]) -> Result<()> {
    if tx.has_rivals() {
        let lock = tx.for_update();
        let sql = format!("SELECT root FROM proofs WHERE root IN ({{}}) ORDER BY root{lock}");
        many::query(tx, &sql, sales)?;
    }
    Ok(())
}

/// Writes how a sale stands, if it stands otherwise than before.
pub fn put(tx: &mut Tx<'_>, proved: &Proved) -> Result<()> {
    tx.write(
        "INSERT INTO proofs (root, entity, currency, day, amount, document, tender, payout, bank,
             overall) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (root) DO UPDATE SET entity = excluded.entity, currency = excluded.currency,
             day = excluded.day, amount = excluded.amount, document = excluded.document,
             tender = excluded.tender, payout = excluded.payout, bank = excluded.bank,
             overall = excluded.overall
         WHERE proofs.document <> excluded.document OR proofs.tender <> excluded.tender
             OR proofs.payout <> excluded.payout OR proofs.bank <> excluded.bank
             OR proofs.amount <> excluded.amount OR proofs.day <> excluded.day
             OR proofs.entity <> excluded.entity OR proofs.currency <> excluded.currency",
        values![
            &proved.root,
            &proved.entity,
            &proved.currency,
            &proved.day,
            proved.amount,
            proved.document,
            proved.tender,
            proved.payout,
            proved.bank,
            proved.overall
        ],
    )?;
    Ok(())
}

/// A sale that counts nowhere.
pub fn remove(tx: &mut Tx<'_>, root: &str) -> Result<()> {
    tx.write("DELETE FROM proofs WHERE root = $1", values![root])?;
    Ok(())
}

/// The sales of one day that stand alike, with their money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike {
    pub day: String,
    pub entity: String,
    pub currency: String,
    pub document: String,
    pub tender: String,
    pub payout: String,
    pub bank: String,
    pub overall: String,
    pub orders: i64,
    /// Minor units.
    pub amount: i64,
}

/// The sales of the days `from..=to` (ISO dates), by day, entity and currency.
pub fn alike(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<Alike>> {
    let rows = tx.query(
        "SELECT day, entity, currency, document, tender, payout, bank, overall, COUNT(*),
             CAST(SUM(amount) AS BIGINT)
         FROM proofs WHERE day >= $1 AND day <= $2
         GROUP BY day, entity, currency, document, tender, payout, bank, overall
         ORDER BY day, entity, currency",
        values![from, to],
    )?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Alike> {
    Ok(Alike {
        day: row.text(0)?,
        entity: row.text(1)?,
        currency: row.text(2)?,
        document: row.text(3)?,
        tender: row.text(4)?,
        payout: row.text(5)?,
        bank: row.text(6)?,
        overall: row.text(7)?,
        orders: row.int(8)?,
        amount: row.int(9)?,
    })
}
