//! How far a statement reads that no index leads to what it wants, for tests: what runs at every turn
//! must not read more the longer the history is. A release build counts nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Statement, StatementStatus};

thread_local! {
    static SCANS: RefCell<BTreeMap<String, i32>> = const { RefCell::new(BTreeMap::new()) };
}

/// After a statement ran.
pub(crate) fn note(sql: &str, statement: &Statement<'_>) {
    if !cfg!(debug_assertions) {
        return;
    }
    let rows = statement.reset_status(StatementStatus::FullscanStep);
    if rows > 0 {
        SCANS.with_borrow_mut(|scans| match scans.get_mut(sql) {
            Some(most) => *most = rows.max(*most),
            None => drop(scans.insert(sql.to_owned(), rows)),
        });
    }
}

/// By statement, the most rows that one run of it on this thread read through, of a table or of an
/// index; of SQLite alone. They are counted from here on.
pub fn take() -> BTreeMap<String, i32> {
    SCANS.take()
}
