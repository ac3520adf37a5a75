//! Kill -9 of processes that have their store in PostgreSQL, where `TRUEUP_TEST_PG` names a server.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod killing;
#[path = "killing/sharing.rs"]
mod sharing;

use trueup_store::Store;

/// A database of its own at the server, gone when the test is.
struct Database {
    admin: String,
    name: String,
}

impl Database {
    fn new(processes: usize) -> Option<Self> {
        let Ok(admin) = std::env::var("TRUEUP_TEST_PG") else {
            eprintln!("TRUEUP_TEST_PG is not set: nothing was killed on PostgreSQL");
            return None;
        };
        let name = format!("trueup_kill_{processes}_{}", std::process::id());
        let database = Self { admin, name };
        database.run(&format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        Some(database)
    }

    fn url(&self) -> String {
        let (server, _) = self.admin.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    fn run(&self, sql: &str) {
        let mut client = postgres::Client::connect(&self.admin, postgres::NoTls).unwrap();
        client.batch_execute(sql).unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn kill(processes: usize, kills: u64) {
    let Some(database) = Database::new(processes) else { return };
    let url = database.url();
    killing::run(&killing::Loop {
        store: &url,
        open: &|_| Store::open_postgres(&url).unwrap(),
        processes,
        kills: killing::kills(kills),
    });
}

#[test]
fn c6_three_processes_share_the_work_of_one_database() {
    const ORDERS: u32 = 40;
    let Some(database) = Database::new(0) else { return };
    let url = database.url();
    let took = sharing::share(&url, &|_| Store::open_postgres(&url).unwrap(), 3, ORDERS);
    println!("{ORDERS} orders of a week that came in at once were done after {took:?}");
}

#[test]
fn c1_kill_9_at_any_moment_loses_nothing_on_postgresql() {
    kill(1, 200);
}

#[test]
fn c6_kill_9_of_any_of_three_processes_that_share_the_work_loses_nothing() {
    kill(3, 60);
}

#[test]
fn c1_kill_9_of_either_of_two_processes_on_one_database_loses_nothing() {
    kill(2, 100);
}
