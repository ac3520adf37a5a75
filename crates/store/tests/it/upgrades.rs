//! Databases of every version before this one, with what waits in them.

use std::path::{Path, PathBuf};

use trueup_domain::command::Content;
use trueup_domain::document::Document;
use trueup_domain::key;
use trueup_store::{
    SHARDS, Store, StoreError, cases, commands, documents, facts, mappings, messages, migrate,
};

use crate::engines;
use crate::world::read;

/// What was in a store of the first version: a sale under way, a message and a root that are due,
/// and a message that could not be read.
const FIRST: &str = include_str!("corpus/first_version.sql");

/// Every migration: its number and its text.
fn migrations() -> Vec<(i64, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files = std::fs::read_dir(folder).expect("the migrations").map(|one| one.expect("a file"));
    let mut files: Vec<PathBuf> = files.map(|one| one.path()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let number = name[..4].parse().expect("a number");
        (number, std::fs::read_to_string(file).expect("a text"))
    };
    files.iter().map(read).collect()
}

/// The schema of the first so many migrations, and the rows of the first version brought along.
fn script(count: usize, blob: &str) -> String {
    let mut sql =
        "CREATE TABLE migrations (number BIGINT PRIMARY KEY, hash TEXT NOT NULL);".to_owned();
    for (index, (number, text)) in migrations().into_iter().take(count).enumerate() {
        let hash = key::body_hash(text.as_bytes());
        sql += &text.replace("{{blob}}", blob);
        sql += &format!("\nINSERT INTO migrations VALUES ({number}, '{hash}');\n");
        if index == 0 {
            sql += FIRST;
        }
    }
    sql
}

/// A file as a version of so many migrations left it.
fn file_of(place: &Path, count: usize) -> PathBuf {
    let path = place.join("hub.db");
    let connection = rusqlite::Connection::open(&path).expect("a file");
    connection.execute_batch(&script(count, "BLOB")).expect("the schema of then");
    path
}

const ROOT: &str = "shop/sale/o1";

/// What waited then is there, can be read by this version, and can be worked.
fn goes_on(store: &Store) {
    assert_eq!(read(store, migrate::version), migrations().last().expect("some").0);
    let mapping = read(store, |tx| mappings::get(tx, "shop", Some(1))).expect("approved then");
    assert_eq!(mapping.products["A"], "P-A");
    let stated = read(store, |tx| documents::of_root(tx, ROOT));
    let kinds: Vec<&str> = stated.iter().map(|(document, _)| document.kind().word()).collect();
    assert_eq!(kinds, ["order", "payment"]);
    let Some((Document::Order(order), _)) = stated.first() else { panic!("{stated:?}") };
    assert_eq!(order.total.to_string(), "10.00 EUR");
    assert!(!read(store, |tx| facts::live(tx, ROOT)).is_empty());
    assert!(read(store, facts::unbalanced).is_empty());
    let open = read(store, cases::open_cases);
    let kinds: Vec<&str> = open.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, ["undecodable"]);

    let command = |fact: &str| {
        let key = format!("test/{ROOT}/{fact}");
        let found = read(store, |tx| commands::find(tx, &key)).expect("a command");
        (found.state, found.content)
    };
    let (state, content) = command("order/1/1");
    assert!(matches!(content, Content::Order(_)) && state == "applied", "{state}");
    // Its reply was awaited when the old program ended: it is looked up, and never sent again.
    assert_eq!(read(store, |tx| commands::kept(tx, "books")).len(), 1);
    let (state, content) = command("invoice/1/1");
    assert!(matches!(content, Content::Invoice(_)) && state == "sent", "{state}");
    let (state, content) = command("payment/p1/1");
    assert!(matches!(content, Content::Payment(_)) && state == "ready", "{state}");

    let due = store.write(|tx| documents::take_due(tx, 0, SHARDS, 9)).expect("taken");
    let due: Vec<&str> = due.iter().map(|root| root.id.as_str()).collect();
    assert!(due.contains(&"shop/sale/o2"), "{due:?}");
    let taken = store.write(|tx| messages::take(tx, 0, SHARDS, 9)).expect("taken");
    assert_eq!(taken.len(), 1);
    let message = taken[0].unpack().expect("its bytes");
    assert!(message.body.starts_with(b"{\"documents\":"), "as they came");
}

#[test]
fn c22_what_waited_in_a_database_of_any_older_version_goes_on() {
    for count in 1..=migrations().len() {
        let place = tempfile::tempdir().expect("a directory");
        let path = file_of(place.path(), count);
        goes_on(&Store::open_sqlite(&path).expect("brought to this version"));
    }
}

#[test]
fn c22_what_waited_in_an_older_postgres_goes_on() {
    for count in [1, migrations().len() / 2] {
        let Some(database) = engines::postgres() else { return };
        database.execute(&script(count, "BYTEA").replace("X'", "'\\x"));
        goes_on(&database.store());
    }
}

/// An older program does not touch what a newer one has written.
#[test]
fn c22_a_database_of_a_newer_version_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let path = file_of(place.path(), migrations().len());
    let connection = rusqlite::Connection::open(&path).expect("a file");
    connection.execute_batch("INSERT INTO migrations VALUES (9000, 'new')").expect("written");
    let refused = Store::open_sqlite(&path);
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "it was opened");
}

/// Tables and applied migrations, as words.
fn shape(connection: &rusqlite::Connection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
        UNION ALL SELECT CAST(number AS TEXT) FROM migrations ORDER BY 1";
    let mut statement = connection.prepare(sql).expect("a schema");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}

/// The migrations before the two of which one is to go through and the next to fail in its middle.
fn before_waits() -> usize {
    let waits = migrations().iter().position(|(number, _)| *number == 12);
    waits.expect("the one that keeps when a wait was said")
}

/// One goes through, and the next one fails in its middle: neither is there, the store is not
/// opened, and goes on once the cause is gone.
#[test]
fn c23_a_migration_that_fails_half_way_leaves_the_version_before() {
    let place = tempfile::tempdir().expect("a directory");
    let count = before_waits();
    let path = file_of(place.path(), count);
    let connection = rusqlite::Connection::open(&path).expect("a file");
    let in_its_way = "CREATE INDEX cases_cause ON cases (kind);";
    connection.execute_batch(in_its_way).expect("written");
    let before = shape(&connection);
    for _ in 0..2 {
        assert!(Store::open_sqlite(&path).is_err(), "it is not opened half way");
        assert_eq!(shape(&connection), before);
    }
    connection.execute_batch("DROP INDEX cases_cause").expect("out of its way");
    goes_on(&Store::open_sqlite(&path).expect("brought to this version"));
}

#[test]
fn c23_a_migration_that_fails_half_way_in_postgres_leaves_the_version_before() {
    let Some(database) = engines::postgres() else { return };
    let count = before_waits();
    database.execute(&script(count, "BYTEA").replace("X'", "'\\x"));
    database.execute("CREATE INDEX cases_cause ON cases (kind)");
    assert!(Store::open_postgres(&database.url).is_err());
    database.execute("DROP INDEX cases_cause");
    // Whatever of it had been kept would be in its own way now.
    goes_on(&database.store());
}
