//! A retailer with a shop, a provider and books, all of them played behind HTTP.

use std::fs;

use super::{Answer, Place};

/// A retailer's world behind HTTP, with some days of it played.
pub struct Sandboxes {
    url: String,
    start: jiff::civil::Date,
    // Ends the server when the test ends.
    _runtime: tokio::runtime::Runtime,
}

impl Sandboxes {
    pub fn after_days(days: i64) -> Self {
        Self::of(20, days)
    }

    /// The first days of a week of so many orders.
    pub fn of(orders: u32, days: i64) -> Self {
        use trueup_sandbox::serve::{self, Shared};
        use trueup_sandbox::{Week, WeekSettings, World};
        let mut week = Week::new(WeekSettings { orders, ..WeekSettings::default() });
        let mut world = World::new(true).unwrap();
        week.prepare(&mut world);
        let until = week.start() + jiff::SignedDuration::from_hours(24 * days);
        drop(week.play(&mut world, until));
        let shared = Shared {
            world: std::sync::Arc::new(std::sync::Mutex::new(world)),
            clock: std::sync::Arc::new(move || until),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve::listen(shared, listener));
        let start = week.start().to_zoned(jiff::tz::TimeZone::UTC).date();
        Self { url, start, _runtime: runtime }
    }

    /// Runs a command with the keys that the sandboxes take.
    pub fn run(&self, place: &Place, arguments: &[&str]) -> Answer {
        use trueup_odoo::sandbox::{ADMIN_KEY, HUB_KEY};
        let mut command = place.command(arguments);
        command.env("KEY", "demo-key").env("BOOKS_KEY", HUB_KEY).env("ADMIN_KEY", ADMIN_KEY);
        Answer::of(&command.output().unwrap())
    }

    /// Sets up the books by a configuration, and approves their mapping.
    pub fn set_up(&self, place: &Place, configuration: &str) {
        place.write("trueup.toml", configuration);
        let run = |arguments: &[&str]| self.run(place, arguments);
        let apply = ["odoo", "setup", "books", "--apply", "--admin-key-env", "ADMIN_KEY"];
        run(&[&apply[..], &["--write-mapping", "us.json"]].concat());
        run(&["mapping", "approve", "shop-us", "us.json", "--author", "ann", "--reason", "first"])
            .ended(0);
    }

    /// The two shops of the demo are one here: the books of one entity are enough to set up.
    pub fn configuration(&self) -> String {
        let (url, start) = (&self.url, self.start);
        format!(
            r#"
environment = "test"
[entity.us]
currency = "USD"
time_zone = "America/New_York"
company = 1
[[entity.us.tax]]
key = "us_sales"
name = "Sales tax of every state"
percent = "0"
included = false
[connection.shop-us]
connector = "shopify"
entity = "us"
url = "{url}/shop-us"
secret_env = "KEY"
webhook_secret_env = ["KEY"]
since = "{start}"
settings.shop = "trueup-us.myshopify.com"
[connection.stripe-us]
connector = "stripe"
entity = "us"
url = "{url}/stripe-us"
secret_env = "KEY"
since = "{start}"
[connection.books]
connector = "odoo"
entity = "us"
url = "{url}/odoo"
secret_env = "BOOKS_KEY"
since = "{start}"
"#
        )
    }
}

#[test]
fn a_retailer_is_set_up_polled_posted_and_proven() {
    let sandboxes = Sandboxes::after_days(3);
    let place = Place::empty();
    place.write("trueup.toml", &sandboxes.configuration());
    let run = |arguments: &[&str]| sandboxes.run(&place, arguments);
    let checked = run(&["check"]).ended(1);
    assert!(checked.out.contains("answered in"), "{}", checked.out);

    // Looking changes nothing, however often.
    for _ in 0..2 {
        run(&["odoo", "setup", "books"])
            .said("Would be made with --apply")
            .said("Nothing was written");
    }
    let looked = run(&["odoo", "setup", "books", "--json"]).json();
    assert!(looked["mapping"].is_null());
    assert!(looked["creates"].as_array().is_some_and(|plan| plan.len() > 20), "{looked}");
    assert!(looked["creates"][0]["exists"].is_null());
    assert_eq!(looked["roles"][0]["role"], "receivable");
    // The hub's own user may not make accounts.
    run(&["odoo", "setup", "books", "--apply"]).ended(1).complained("next: ");
    let apply = ["odoo", "setup", "books", "--apply", "--admin-key-env", "ADMIN_KEY"];
    run(&[&apply[..], &["--write-mapping", "us.json"]].concat()).said("Account of each role");
    let first = fs::read_to_string(place.path("us.json")).unwrap();
    run(&[&apply[..], &["--write-mapping", "us.json"]].concat()).said("Made, or found");
    assert_eq!(fs::read_to_string(place.path("us.json")).unwrap(), first, "made once");
    // The mapping of what is there needs no --apply, but a key that sees it.
    let again = ["odoo", "setup", "books", "--write-mapping", "again.json"];
    run(&again).ended(1).complained("--admin-key-env");
    assert!(!place.path("again.json").exists());
    run(&[&again[..], &["--admin-key-env", "ADMIN_KEY"]].concat())
        .ended(0)
        .said("Nothing was written to Odoo")
        .said("The mapping is in again.json");
    assert_eq!(fs::read_to_string(place.path("again.json")).unwrap(), first);
    // What exists is not proposed again, to a user who may see it.
    run(&["odoo", "setup", "books", "--admin-key-env", "ADMIN_KEY"])
        .ended(0)
        .said("nothing, all ")
        .said("Nothing was written");

    // B18: another database under the same address.
    let print = looked["fingerprint"].as_str().unwrap().to_owned();
    let plain = fs::read_to_string(place.path("trueup.toml")).unwrap();
    let pin = |print: &str| format!("{plain}settings.fingerprint = \"{print}\"\n");
    place.write("trueup.toml", &pin("0badcafe"));
    run(&["check"]).ended(1).said("another database");
    run(&["serve"]).ended(2).complained("0badcafe");
    run(&["poll"]).ended(2).complained("0badcafe");
    place.write("trueup.toml", &pin(&print));

    run(&["mapping", "approve", "shop-us", "us.json", "--author", "ann", "--reason", "first"])
        .ended(0)
        .said("Version 1");
    let shown = run(&["mapping", "show", "shop-us"]).ended(0).json();
    assert_eq!(shown["gateways"]["stripe"]["provider"], "stripe-us");
    run(&["check"]).ended(0).said("as it is pinned");

    run(&["poll"]).ended(0).said("shop-us orders: read");
    let report = run(&["reconcile", "--json"]).json();
    let total = &report["totals"][0];
    assert!(total["orders"].as_i64().is_some_and(|orders| orders > 0), "{report:#}");
    let proven = &total["links"]["document"]["proven"]["orders"];
    assert!(proven.as_i64().is_some_and(|orders| orders > 0), "{report:#}");
    run(&["reconcile"]).said("us · USD").said("all days").said("Bridges");
    run(&["poll", "shop-us"]).ended(0);
    let again = run(&["reconcile", "--json"]).json();
    assert_eq!(again["totals"], report["totals"], "a second look changes nothing");

    // What stands between sale and payout is what the books hold of it.
    run(&["poll", "books"]).ended(0).said("account_totals");
    let month = report["days"][0]["day"].as_str().unwrap().get(..7).unwrap();
    let args = ["report", "clearing", "--month", month];
    let clearing = run(&[&args[..], &["--format", "json"]].concat()).ended(0).json();
    let account = &clearing["accounts"][0];
    assert_eq!(account["provider"], "stripe-us", "{clearing:#}");
    assert_ne!(account["captured"]["amount"], "0.00", "{clearing:#}");
    assert_eq!(account["tie"]["unexplained"]["amount"], "0.00", "{clearing:#}");
    run(&args).ended(0).said("stripe-us").said("0.00 USD unexplained");
    let sheet = run(&[&args[..], &["--format", "csv"]].concat()).ended(0);
    sheet.said("entity,provider,currency,from,to,opening");
    run(&["report", "clearing", "--month", "soon"]).ended(2).complained("is no month");

    // A key that is taken back stops the connection, and a person lets it go on.
    let mut wrong = place.command(&["poll", "books"]);
    wrong.env("KEY", "demo-key").env("BOOKS_KEY", "0000000000000000000000000000000000000bad");
    Answer::of(&wrong.output().unwrap()).ended(1).said("TU105");
    let cases = run(&["cases", "--json"]).json();
    let paused = cases.as_array().unwrap().iter().find(|it| it["kind"] == "connection_suspended");
    let id = paused.expect("a case")["id"].as_str().unwrap().to_owned();
    run(&["retry", &id, "--by", "ann"]).ended(0).said("calls again");
    run(&["poll", "books"]).ended(0).said("books books: read");
    run(&["cases", "show", &id]).ended(0).said("resumed");
}
