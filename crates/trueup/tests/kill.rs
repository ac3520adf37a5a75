//! Kills the real binary with SIGKILL at random points, again and again, while a shop sells, a
//! provider pays out and the books are posted; nothing acknowledged is lost, nothing is doubled.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use trueup::demo::setup::DEMO_SECRET;
use trueup_connect::Secret;
use trueup_connect::sandbox::Push;
use trueup_connect::webhook::SignedDelivery;
use trueup_sandbox::chance::Chance;
use trueup_sandbox::serve::{self, Shared};
use trueup_sandbox::week::Sent;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_store::{Store, commands, facts, mappings, messages};

/// Kills of every test run; the release figure is kept by `TRUEUP_KILLS`.
const KILLS: u64 = 200;
const ORDERS: u32 = 40;
/// A process lives this long at most; starting takes part of it, so that starts are killed, too.
const LIFE_MS: i64 = 350;
const CALM: Duration = Duration::from_secs(120);

struct Hub {
    child: Child,
    address: Option<String>,
}

impl Hub {
    /// Starts the binary; it may be told to die before it says where it listens.
    fn start(folder: &std::path::Path, wait: Duration) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_trueup"))
            .args(["serve"])
            .current_dir(folder)
            .env_remove("TRUEUP_CONFIG")
            .env_remove("TRUEUP_LOG")
            .env_remove("TRUEUP_TOKEN")
            .env("KEY", "demo-key")
            .env("HOOK", DEMO_SECRET)
            .env("BOOKS_KEY", trueup_odoo::sandbox::HUB_KEY)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                assert!(!line.contains("panicked"), "{line}");
                // Nobody listens any more once the address is known.
                let _ = sender.send(line);
            }
        });
        let until = Instant::now() + wait;
        let mut address = None;
        while address.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = log.recv_timeout(left) else { break };
            // Other lines name the sandboxes.
            let rest =
                line.contains("the hub runs").then(|| line.split("http://").nth(1)).flatten();
            address = rest.map(|rest| {
                rest.split(|it: char| it == ',' || it.is_whitespace()).next().unwrap().to_owned()
            });
        }
        Self { child, address }
    }

    /// True only if the hub said that it has the delivery.
    fn acknowledges(&self, connection: &str, push: &Push) -> bool {
        let Some(address) = &self.address else { return false };
        let connector = if connection.starts_with("shop") { "shopify" } else { "stripe" };
        let webhooks = trueup::connectors::find(connector).unwrap().webhooks.unwrap();
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: &push.kind,
            source_id: &push.source_id,
            account: "trueup-us.myshopify.com",
            body: &push.body,
            secret: &Secret::new(DEMO_SECRET),
            now: trueup::wiring::now(),
        });
        post(address, &format!("/webhooks/{connection}"), &headers, &push.body)
            .is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn post(address: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut text = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(text.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn configuration(url: &str, start: jiff::civil::Date) -> String {
    format!(
        r#"
environment = "kill"
[store]
url = "sqlite:trueup.sqlite"
[server]
listen = "127.0.0.1:0"
[entity.us]
currency = "USD"
time_zone = "America/New_York"
company = 1
[connection.shop-us]
connector = "shopify"
entity = "us"
url = "{url}/shop-us"
account = "trueup-us.myshopify.com"
secret_env = "KEY"
webhook_secret_env = ["HOOK"]
since = "{start}"
poll_every = 5
settings.shop = "trueup-us.myshopify.com"
[connection.stripe-us]
connector = "stripe"
entity = "us"
url = "{url}/stripe-us"
secret_env = "KEY"
webhook_secret_env = ["HOOK"]
since = "{start}"
poll_every = 5
[connection.odoo]
connector = "odoo"
entity = "us"
url = "{url}/odoo"
secret_env = "BOOKS_KEY"
since = "{start}"
poll_every = 5
"#
    )
}

/// Everything that is to be done is done: nothing due, every command applied.
fn is_calm(store: &Store) -> bool {
    let states = store.read(|tx| {
        Ok((messages::any_due(tx)?, trueup_store::documents::any_due(tx)?, commands::counts(tx)?))
    });
    let (undecoded, undecided, commands) = states.unwrap();
    let open = commands.iter().any(|(_, _, state, _)| state != "applied" && state != "withdrawn");
    !undecoded && !undecided && !commands.is_empty() && !open
}

#[test]
fn c1_kill_9_at_any_moment_loses_nothing_and_doubles_nothing() {
    let kills = std::env::var("TRUEUP_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(KILLS);
    let mut week = Week::new(WeekSettings {
        orders: ORDERS,
        seed: 9,
        faults: false,
        ..WeekSettings::default()
    });
    let mut world = World::new(true).unwrap();
    week.prepare(&mut world);
    let start = week.start().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mapping = world.odoo.as_ref().unwrap().demo_mapping("us").unwrap();
    let virtual_now = Arc::new(Mutex::new(week.start()));
    let clock = Arc::clone(&virtual_now);
    let shared = Shared {
        world: Arc::new(Mutex::new(world)),
        clock: Arc::new(move || *clock.lock().unwrap()),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(serve::listen(shared.clone(), listener));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trueup.toml"), configuration(&url, start)).unwrap();
    let path = folder.path().join("trueup.sqlite");
    let now = trueup::wiring::now();
    let store = Store::open_sqlite(&path).unwrap();
    store.write(move |tx| mappings::approve(tx, "shop-us", &mapping, "test", "kill", now)).unwrap();
    drop(store);

    let mut chance = Chance::new(20_261_121);
    let length = week.end().duration_since(week.start());
    let mut unsent: Vec<(&'static str, Push)> = Vec::new();
    let mut acknowledged: BTreeSet<(String, String)> = BTreeSet::new();
    for kill in 0..kills {
        let passed = i32::try_from(kill + 1).unwrap();
        let until = week.start() + length / i32::try_from(kills).unwrap() * passed;
        *virtual_now.lock().unwrap() = until;
        for (_, sent) in shared.with(|world| week.play(world, until)) {
            if let Sent::Webhook { connection, push } = sent
                && connection != "shop-eu"
            {
                unsent.push((connection, push));
            }
        }
        let life = Duration::from_millis(u64::try_from(chance.between(5, LIFE_MS)).unwrap());
        let born = Instant::now();
        let hub = Hub::start(folder.path(), life);
        while born.elapsed() < life {
            let next = if hub.address.is_some() { unsent.pop() } else { None };
            let Some((connection, push)) = next else {
                std::thread::sleep(Duration::from_millis(3));
                continue;
            };
            if hub.acknowledges(connection, &push) {
                acknowledged.insert((connection.to_owned(), push.source_id.clone()));
                // A sender that did not hear the answer sends again: now and then one does.
                if chance.hits(100) {
                    unsent.insert(0, (connection, push));
                }
            } else {
                unsent.push((connection, push));
                break;
            }
        }
        hub.kill();
    }

    let hub = Hub::start(folder.path(), Duration::from_secs(30));
    while let Some((connection, push)) = unsent.pop() {
        assert!(hub.acknowledges(connection, &push), "{connection} {}", push.kind);
        acknowledged.insert((connection.to_owned(), push.source_id.clone()));
    }
    let store = Store::open_sqlite(&path).unwrap();
    let until = Instant::now() + CALM;
    let mut calm_for = 0;
    while calm_for < 20 {
        calm_for = if is_calm(&store) { calm_for + 1 } else { 0 };
        let counts = store.read(commands::counts).unwrap();
        assert!(Instant::now() < until, "it does not come to rest: {counts:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    hub.kill();
    audit(&store, &shared, &acknowledged);
    println!("{kills} kills, {} deliveries acknowledged", acknowledged.len());
}

fn audit(store: &Store, shared: &Shared, acknowledged: &BTreeSet<(String, String)>) {
    let stored = store.read(messages::delivered).unwrap();
    let stored: BTreeSet<(String, String)> = stored.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "I1: acknowledged and lost: {lost:?}");
    assert!(store.read(facts::unbalanced).unwrap().is_empty(), "I4: unbalanced entries");
    let applied = store.read(commands::counts).unwrap();
    for (kind, model, domain) in [
        ("order", "sale.order", json!([])),
        ("invoice", "account.move", json!([["move_type", "=", "out_invoice"]])),
        ("credit_note", "account.move", json!([["move_type", "=", "out_refund"]])),
        ("payment", "account.payment", json!([])),
    ] {
        let wanted: i64 = applied
            .iter()
            .filter(|(_, own, state, _)| own == kind && state == "applied")
            .map(|(_, _, _, count)| *count)
            .sum();
        let found = shared
            .with(|world| world.odoo.as_ref().unwrap().read_all(model, &domain, &["id"]).len());
        assert_eq!(i64::try_from(found).unwrap(), wanted, "I2: {kind}: {applied:?}");
        assert!(wanted > 0 || kind == "credit_note", "nothing of kind {kind} was made");
    }
}
