//! The loop that kills the real binary with SIGKILL at random points, again and again, while a shop
//! sells, a provider pays out and the books are posted; and what must hold at its end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use trueup::demo::setup::DEMO_SECRET;
use trueup_connect::Secret;
use trueup_connect::sandbox::Push;
use trueup_connect::webhook::SignedDelivery;
use trueup_sandbox::chance::Chance;
use trueup_sandbox::serve::{self, Shared};
use trueup_sandbox::week::Sent;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_store::{
    SHARDS, Store, commands, doctor, documents, facts, leases, mappings, messages, proofs, scopes,
};

const ORDERS: u32 = 40;
/// A process lives this long at most, or so many times what its start takes on this machine; starts
/// are killed, too.
const LIFE_MS: i64 = 350;
const LIFE_STARTS: i64 = 4;
const START: Duration = Duration::from_secs(30);
const NOTICE: Duration = Duration::from_millis(3);
const CALM: Duration = Duration::from_secs(120);

pub struct Hub {
    child: Child,
    log: Receiver<String>,
    address: Option<String>,
    /// It said that the work is its own: on PostgreSQL another process may have it.
    works: bool,
}

impl Hub {
    pub fn start(folder: &Path, store: &str) -> Self {
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
            // Nobody listens any more once the process is killed.
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line).ok())
        });
        // A file is worked on by whoever opened it.
        Self { child, log, address: None, works: store.starts_with("sqlite:") }
    }

    /// Hears what the process has said so far; where it listens is known some time after its start.
    pub fn hear(&mut self) -> Option<&str> {
        while let Ok(line) = self.log.try_recv() {
            assert!(!line.contains("panicked"), "{line}");
            self.works |= line.contains("this process works on the store now");
            // Other lines name the sandboxes.
            let rest =
                line.contains("the hub runs").then(|| line.split("http://").nth(1)).flatten();
            if let Some(rest) = rest {
                let end = rest.find(|it: char| it == ',' || it.is_whitespace()).unwrap();
                self.address = Some(rest[..end].to_owned());
            }
        }
        self.address.as_deref()
    }

    pub fn wait(&mut self) {
        let until = Instant::now() + START;
        while self.hear().is_none() {
            assert!(Instant::now() < until, "it does not start");
            std::thread::sleep(NOTICE);
        }
    }

    /// True only if the hub said that it has the delivery.
    pub fn acknowledges(&mut self, connection: &str, push: &Push) -> bool {
        let Some(address) = self.hear().map(str::to_owned) else { return false };
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
        post(&address, &format!("/webhooks/{connection}"), &headers, &push.body)
            .is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Returns whether the work was its own, so that the kill may have cut it short.
    pub fn kill(mut self) -> bool {
        self.hear();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.hear();
        self.works
    }
}

/// A test that fails leaves no process behind.
impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

fn configuration(store: &str, url: &str, start: jiff::civil::Date) -> String {
    format!(
        r#"
environment = "kill"
[store]
url = "{store}"
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
        let undecoded = messages::any_due(tx, 0, SHARDS)?;
        let undecided = documents::any_due(tx, 0, SHARDS)? || scopes::any_due(tx, 0, SHARDS)?;
        Ok((undecoded, undecided, commands::counts(tx)?))
    });
    let (undecoded, undecided, commands) = states.unwrap();
    let open = commands.iter().any(|(_, _, state, _)| state != "applied" && state != "withdrawn");
    !undecoded && !undecided && !commands.is_empty() && !open
}

/// What is killed, and how often.
pub struct Loop<'a> {
    /// As `[store]` names it; `open` is told the folder that a file is in.
    pub store: &'a str,
    pub open: &'a dyn Fn(&Path) -> Store,
    /// Processes on the one store; one of them is killed at a time.
    pub processes: usize,
    pub kills: u64,
}

/// How often a loop kills: what `TRUEUP_KILLS` says, for a release, else `usual`.
pub fn kills(usual: u64) -> u64 {
    std::env::var("TRUEUP_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}

/// A world that is played, and a store that a hub keeps.
pub struct Stage {
    pub week: Week,
    pub shared: Shared,
    /// What time it is in the world.
    now: Arc<Mutex<Timestamp>>,
    pub store: Store,
    pub folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    pub fn set(store: &str, open: &dyn Fn(&Path) -> Store, orders: u32) -> Self {
        let mut week =
            Week::new(WeekSettings { orders, seed: 9, faults: false, ..WeekSettings::default() });
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
        let file = folder.path().join("trueup.toml");
        std::fs::write(file, configuration(store, &url, start)).unwrap();
        let now = trueup::wiring::now();
        let store = open(folder.path());
        store
            .write(move |tx| mappings::approve(tx, "shop-us", &mapping, "test", "kill", now))
            .unwrap();
        Self { week, shared, now: virtual_now, store, folder, _runtime: runtime }
    }

    /// Plays the world on, and returns what it sends to the hub.
    pub fn play(&mut self, until: Timestamp) -> Vec<(&'static str, Push)> {
        *self.now.lock().unwrap() = until;
        let week = &mut self.week;
        let mut pushes = Vec::new();
        for (_, sent) in self.shared.with(|world| week.play(world, until)) {
            if let Sent::Webhook { connection, push } = sent
                && connection != "shop-eu"
            {
                pushes.push((connection, push));
            }
        }
        pushes
    }
}

/// Commands that the books refused, with what they said.
fn refused(store: &Store) -> String {
    let sales = store.read(|tx| documents::search_sales(tx, "", i64::MAX)).unwrap();
    let mut text = String::new();
    for sale in sales {
        let all = store.read(|tx| commands::of_root(tx, &sale.id)).unwrap();
        if all.iter().any(|command| command.state == "refused") {
            for it in all {
                text.push_str(&format!(
                    "\n{} {} {:?} {:?} {} tries {:?}",
                    it.key, it.state, it.binding, it.record, it.attempts, it.error
                ));
            }
        }
    }
    text
}

/// Waits until everything that is to be done is done.
pub fn come_to_rest(store: &Store) {
    let until = Instant::now() + CALM;
    let mut calm_for = 0;
    while calm_for < 20 {
        calm_for = if is_calm(store) { calm_for + 1 } else { 0 };
        let counts = store.read(commands::counts).unwrap();
        assert!(Instant::now() < until, "it does not come to rest: {counts:?}{}", refused(store));
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn run(plan: &Loop<'_>) {
    let mut stage = Stage::set(plan.store, plan.open, ORDERS);
    let folder = stage.folder.path().to_owned();
    let (folder, store) = (folder.as_path(), stage.store.clone());

    let born = Instant::now();
    let mut first = Hub::start(folder, plan.store);
    first.wait();
    let start_ms = i64::try_from(born.elapsed().as_millis()).unwrap();
    first.kill();
    let life_ms = LIFE_MS.max(start_ms * LIFE_STARTS);

    let mut chance = Chance::new(20_261_121);
    let (start, end) = (stage.week.start(), stage.week.end());
    let length = end.duration_since(start);
    let mut unsent: Vec<(&'static str, Push)> = Vec::new();
    let mut acknowledged: BTreeSet<(String, String)> = BTreeSet::new();
    let mut hubs: Vec<Option<Hub>> = (0..plan.processes).map(|_| None).collect();
    let mut at_work = 0;
    for kill in 0..plan.kills {
        let passed = i32::try_from(kill + 1).unwrap();
        let until = start + length / i32::try_from(plan.kills).unwrap() * passed;
        unsent.extend(stage.play(until));
        // A lease outlives its process by seconds; here they pass at once. Where another process is
        // alive and works, it is like one that stood still: what it still writes must be refused.
        if plan.processes == 1 || chance.hits(500) {
            run_out(&store);
        }
        let life = Duration::from_millis(u64::try_from(chance.between(5, life_ms)).unwrap());
        let born = Instant::now();
        for hub in &mut hubs {
            hub.get_or_insert_with(|| Hub::start(folder, plan.store));
        }
        while born.elapsed() < life {
            let asked = usize::try_from(chance.between(0, 5)).unwrap() % plan.processes;
            let hub = hubs[asked].as_mut().unwrap();
            let next = if hub.hear().is_some() { unsent.pop() } else { None };
            let Some((connection, push)) = next else {
                std::thread::sleep(NOTICE);
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
        let victim = usize::try_from(chance.between(0, 5)).unwrap() % plan.processes;
        at_work += u64::from(hubs[victim].take().unwrap().kill());
    }
    for hub in hubs.into_iter().flatten() {
        hub.kill();
    }

    run_out(&store);
    let mut hub = Hub::start(folder, plan.store);
    hub.wait();
    while let Some((connection, push)) = unsent.pop() {
        assert!(hub.acknowledges(connection, &push), "{connection} {}", push.kind);
        acknowledged.insert((connection.to_owned(), push.source_id.clone()));
    }
    come_to_rest(&store);
    hub.kill();
    audit(&store, &stage.shared, &acknowledged);
    println!(
        "{} kills, {at_work} of a process at work, which starts in {start_ms} ms; \
         {} deliveries acknowledged",
        plan.kills,
        acknowledged.len()
    );
    assert!(at_work * 4 > plan.kills, "only {at_work} of {} kills hit work", plan.kills);
}

/// Ends the leases of whoever has them, as time would.
fn run_out(store: &Store) {
    store.write(leases::revoke).unwrap();
}

pub fn audit(store: &Store, shared: &Shared, acknowledged: &BTreeSet<(String, String)>) {
    let stored = store.read(messages::delivered).unwrap();
    let stored: BTreeSet<(String, String)> = stored.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "I1: acknowledged and lost: {lost:?}");
    assert!(store.read(facts::unbalanced).unwrap().is_empty(), "I4: unbalanced entries");
    let (wrong, uneven, crowded) = store
        .read(|tx| {
            let wrong = doctor::wrong_claims(tx)?;
            Ok((wrong, doctor::uneven_claims(tx)?, doctor::crowded_lanes(tx)?))
        })
        .unwrap();
    assert!(wrong.is_empty() && uneven.is_empty(), "I5: {wrong:?} {uneven:?}");
    assert!(crowded.is_empty(), "I8: two conversations in one lane: {crowded:?}");
    proofs_are_kept(store);
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

/// How sales stand is what it is when it is read anew, although many wrote it.
fn proofs_are_kept(store: &Store) {
    let now = trueup::wiring::now();
    let (kept, anew) = store
        .write(move |tx| {
            let (first, last) = ("0000-01-01", "9999-12-31");
            let kept = proofs::alike(tx, first, last)?;
            let sales = documents::search_sales(tx, "", i64::MAX)?;
            let sales: BTreeSet<String> = sales.into_iter().map(|sale| sale.id).collect();
            let anew = tx.rehearse(|tx| {
                trueup_hub::proofs::refresh(tx, &sales, now)?;
                proofs::alike(tx, first, last)
            })?;
            Ok((kept, anew))
        })
        .unwrap();
    assert!(!kept.is_empty(), "no sale stands in any way");
    assert_eq!(kept, anew, "how sales stand is not what it is");
}
