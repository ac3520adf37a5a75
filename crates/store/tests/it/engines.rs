//! Fresh databases, and the macro that runs one test on each of them.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use trueup_store::Store;

/// Runs each of the functions on every engine, as a test named after both.
macro_rules! on_every_engine {
    ($($(#[$meta:meta])* fn $name:ident($store:ident) $body:block)*) => {
        $($(#[$meta])* fn $name($store: &trueup_store::Store) $body)*

        mod in_memory {
            $(#[test] fn $name() {
                super::$name(&trueup_store::Store::in_memory().expect("a store"));
            })*
        }
        mod in_a_file {
            $(#[test] fn $name() {
                let place = tempfile::tempdir().expect("a directory");
                super::$name(&crate::engines::file(place.path()));
            })*
        }
        mod in_postgres {
            $(#[test] fn $name() {
                if let Some(database) = crate::engines::postgres() {
                    super::$name(&database.store());
                }
            })*
        }
    };
}
pub(crate) use on_every_engine;

pub fn file(place: &Path) -> Store {
    Store::open_sqlite(&place.join("hub.db")).expect("a store in a file")
}

/// A database of its own at the server, gone when the test is.
pub struct Database {
    admin: String,
    name: String,
    pub url: String,
}

/// `None`, with a note, where no server is named.
pub fn postgres() -> Option<Database> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(admin) = std::env::var("TRUEUP_TEST_PG") else {
        eprintln!("TRUEUP_TEST_PG is not set: nothing was tested on PostgreSQL");
        return None;
    };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("trueup_store_{}_{number}", std::process::id());
    let (server, _) = admin.rsplit_once('/').expect("a database in the url");
    let url = format!("{server}/{name}");
    run(&admin, &format!("CREATE DATABASE {name} TEMPLATE template0"));
    Some(Database { admin, name, url })
}

fn run(url: &str, sql: &str) {
    let mut client = postgres::Client::connect(url, postgres::NoTls).expect("the server");
    client.batch_execute(sql).expect(sql);
}

impl Database {
    pub fn store(&self) -> Store {
        Store::open_postgres(&self.url).expect("a store in PostgreSQL")
    }

    /// Ends every connection to it.
    pub fn cut_all(&self) {
        let name = &self.name;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
        run(&self.admin, &format!("{sql} = '{name}'"));
    }

    /// How many sessions it has of which the state is like a pattern.
    pub fn sessions(&self, state: &str) -> i64 {
        let mut client =
            postgres::Client::connect(&self.admin, postgres::NoTls).expect("the server");
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = $1
             AND COALESCE(state, '') LIKE $2";
        client.query_one(sql, &[&self.name, &state]).expect(sql).get(0)
    }

    /// Runs statements on it beside every store.
    pub fn execute(&self, sql: &str) {
        run(&self.url, sql);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        run(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
