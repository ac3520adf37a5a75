//! Every page says the same whichever engine keeps the store.

use axum::http::StatusCode;
use trueup_store::Store;

use crate::fixture::Server;

const PATHS: [&str; 15] = [
    "/",
    "/orders",
    "/orders?search=100&from=2026-03-01&to=2026-03-31&entity=Acme%20%3CEU%3E&currency=EUR",
    "/orders?status=broken",
    "/orders/acme/sale/3",
    "/cases",
    "/bridges",
    "/connections",
    "/journal",
    "/entries",
    "/metrics",
    "/api/v1/report",
    "/api/v1/orders?limit=2",
    "/api/v1/orders?limit=2&after=2026-03-04~acme/sale/2",
    "/api/v1/connections",
];

/// A database of its own at the server, gone when the test is.
struct Database {
    admin: String,
    name: String,
}

impl Database {
    fn new(admin: String) -> Self {
        let name = format!("trueup_server_{}", std::process::id());
        run(&admin, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Self { admin, name }
    }

    fn url(&self) -> String {
        let (server, _) = self.admin.rsplit_once('/').expect("a database in the url");
        format!("{server}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        run(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn run(url: &str, sql: &str) {
    let mut client = postgres::Client::connect(url, postgres::NoTls).expect("the server");
    client.batch_execute(sql).expect(sql);
}

/// What every path answers over a store.
fn answers(store: Store) -> Vec<(StatusCode, String)> {
    // The blocking client must not be seeded, or dropped, inside the runtime.
    let server = Server::with_orders_in(store);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let all = runtime.block_on(async {
        let mut all = Vec::new();
        for path in PATHS {
            let answer = server.get(path).await;
            all.push((answer.status, answer.text()));
        }
        all
    });
    drop(runtime);
    all
}

#[test]
fn the_pages_are_the_same_on_both_engines() {
    let Ok(admin) = std::env::var("TRUEUP_TEST_PG") else {
        println!("TRUEUP_TEST_PG is not set: nothing was tested on PostgreSQL");
        return;
    };
    let database = Database::new(admin);
    let on_postgres = answers(Store::open_postgres(&database.url()).expect("a store"));
    let on_sqlite = answers(Store::in_memory().expect("a store"));
    for ((path, left), right) in PATHS.iter().zip(&on_sqlite).zip(&on_postgres) {
        assert_eq!(left.0, StatusCode::OK, "{path}");
        assert_eq!(left, right, "{path}");
    }
}
