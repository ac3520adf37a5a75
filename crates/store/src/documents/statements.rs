//! Bank statements, and what stands before and behind one.

use jiff::Timestamp;
use trueup_domain::document::{BankStatement, Document, Kind};
use trueup_domain::money::Money;

use super::{midnight, raise, read_all};
use crate::database::Tx;
use crate::{Result, values};

/// The bank's oldest and newest statement.
pub fn statement_ends(tx: &mut Tx<'_>, connection: &str) -> Result<Option<(Document, Document)>> {
    let mut end = |order: &str| -> Result<Option<Document>> {
        let sql = format!(
            "SELECT body FROM documents WHERE connection = $1 AND kind = 'bank_statement'
                 AND word = 'statement' ORDER BY at {order}, external_id {order} LIMIT 1"
        );
        let rows = tx.query(&sql, values![connection])?;
        Ok(read_all(Kind::BankStatement, &rows)?.pop())
    };
    Ok(end("ASC")?.zip(end("DESC")?))
}

/// So many statements of one account are looked at: a year of days, and some that are cut into pages.
const STATEMENTS_MAX: i64 = 400;

/// The other statements of an account that are no later than `statement`, in the order of their days.
pub fn statements_until(
    tx: &mut Tx<'_>,
    connection: &str,
    statement: &BankStatement,
) -> Result<Vec<BankStatement>> {
    let mut found = statements_beside(tx, connection, statement, "<=", "DESC")?;
    found.reverse();
    Ok(found)
}

/// Raises the statements whose place behind `statement` depends on it: those of the next day, and
/// those that begin with a balance that it states.
pub fn raise_following(tx: &mut Tx<'_>, connection: &str, statement: &BankStatement) -> Result<()> {
    let later = statements_beside(tx, connection, statement, ">=", "ASC")?;
    let next = later.iter().map(|one| one.date).find(|date| *date > statement.date);
    for one in later {
        let begins = |balance: Option<Money>| balance.is_some() && balance == one.opening;
        if Some(one.date) == next || begins(statement.closing) || begins(statement.opening) {
            raise(tx, connection, &Document::from(one).root())?;
        }
    }
    Ok(())
}

fn statements_beside(
    tx: &mut Tx<'_>,
    connection: &str,
    statement: &BankStatement,
    side: &str,
    order: &str,
) -> Result<Vec<BankStatement>> {
    let at = statement.date.and_then(midnight).map_or(0, Timestamp::as_microsecond);
    let sql = format!(
        "SELECT body FROM documents WHERE connection = $1 AND kind = 'bank_statement'
             AND word = 'statement' AND at {side} $2 AND external_id LIKE $3
         ORDER BY at {order}, external_id {order} LIMIT $4"
    );
    // An id begins with its account; what else the pattern takes for it is left out below.
    let pattern = format!("{}/%", statement.account);
    let rows = tx.query(&sql, values![connection, at, &pattern, STATEMENTS_MAX])?;
    let mut found = Vec::new();
    for document in read_all(Kind::BankStatement, &rows)? {
        let Document::BankStatement(one) = document else { continue };
        if one.account == statement.account && one.id != statement.id {
            found.push(*one);
        }
    }
    Ok(found)
}
