//! The hub as a server: what it takes in, when it ends, and who takes over.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use trueup_connect::Secret;
use trueup_connect::webhook::SignedDelivery;
use trueup_store::{Store, messages};

use super::{Answer, PORTAL_SECRET, Place, SECRET, SHOP, fixture};

/// A running server; killed when the test ends, however it ends.
pub struct Server {
    pub child: Child,
    address: String,
    pub log: std::sync::mpsc::Receiver<String>,
    pub told: Vec<String>,
}

impl Server {
    pub fn start(place: &Place, more: &[&str]) -> Self {
        let mut arguments = vec!["serve"];
        arguments.extend(more);
        let mut command = place.command(&arguments);
        Self::of(command.stderr(Stdio::piped()).stdout(Stdio::null()))
    }

    pub fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { child, address: String::new(), log, told: Vec::new() };
        let line = server.hears("the hub runs");
        let rest = line.split("http://").nth(1).unwrap();
        server.address =
            rest.split(|it: char| it == ',' || it.is_whitespace()).next().unwrap().to_owned();
        server
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub fn hears(&mut self, part: &str) -> String {
        self.hears_within(part, Duration::from_secs(30))
            .unwrap_or_else(|| panic!("`{part}` was not logged: {:#?}", self.told))
    }

    pub fn hears_within(&mut self, part: &str, time: Duration) -> Option<String> {
        let until = Instant::now() + time;
        if let Some(line) = self.told.iter().find(|line| line.contains(part)) {
            return Some(line.clone());
        }
        while let Ok(line) = self.log.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            assert!(!line.contains("panicked"), "{line}");
            self.told.push(line.clone());
            if line.contains(part) {
                return Some(line);
            }
        }
        None
    }

    pub fn request(&self, head: &str, headers: &[(String, String)], body: &[u8]) -> String {
        self.try_request(head, headers, body).expect("it listens")
    }

    fn try_request(&self, head: &str, headers: &[(String, String)], body: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let mut text =
            format!("{head} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut answer = String::new();
        let written = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(body));
        if written.and_then(|()| stream.read_to_string(&mut answer)).is_err() {
            answer.clear();
        }
        Some(answer)
    }

    pub fn webhook(&self, id: &str, body: &[u8], secret: &str) -> String {
        self.try_webhook(id, body, secret).expect("it listens")
    }

    /// Delivers what must be acknowledged.
    #[track_caller]
    pub fn takes_in(&self, id: &str, body: &[u8], secret: &str) {
        let answer = self.webhook(id, body, secret);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// `None` where nobody listens any more; nothing where it ended before it answered.
    fn try_webhook(&self, id: &str, body: &[u8], secret: &str) -> Option<String> {
        let webhooks = trueup::connectors::find("shopify").unwrap().webhooks.unwrap();
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: "orders/updated",
            source_id: id,
            account: SHOP,
            body,
            secret: &Secret::new(secret),
            now: trueup::wiring::now(),
        });
        self.try_request("POST /webhooks/shop", &headers, body)
    }

    /// Asks it to end, as a service manager does.
    pub fn end(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().expect("it ended by itself")
    }

    pub fn kilobytes_in_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// Waits until the messages of a connection are in these states.
#[track_caller]
pub fn wait_for(store: &Store, connection: &str, state: &str, count: i64) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let counts = store.read(messages::counts).unwrap();
        let found = counts
            .iter()
            .find(|(own, is, ..)| own == connection && is == state)
            .map_or(0, |(_, _, found, _)| *found);
        if found == count {
            return;
        }
        assert!(Instant::now() < until, "{count} {state} of {connection} wanted: {counts:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_server_takes_webhooks_and_dropped_files_and_ends_when_asked() {
    let place = Place::configured();
    let server = Server::start(&place, &[]);
    let order = fs::read(fixture("shopify", "orders~updated__pair_1_rest.json")).unwrap();
    server.takes_in("one", &order, SECRET);
    server.takes_in("one", &order, SECRET);
    assert!(server.webhook("two", &order, "another secret").starts_with("HTTP/1.1 401"));

    fs::copy(fixture("bank", "__scenario_eur.sta"), place.path("inbox/day.sta")).unwrap();
    fs::write(place.path("inbox/half.sta.tmp"), ":20:").unwrap();
    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    wait_for(&store, "shop", "decoded", 1);
    wait_for(&store, "bank", "decoded", 1);
    let until = Instant::now() + Duration::from_secs(10);
    while !place.path("inbox/done/day.sta").exists() {
        assert!(Instant::now() < until, "the file was not moved");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(place.path("inbox/half.sta.tmp").exists());

    // A second one is refused, and a command leaves the work to the first.
    place.run(&["serve"]).ended(3).complained("TU507");
    place.run(&["poll"]).ended(3).complained("TU507");
    place
        .run(&["ingest", "bank", &fixture("bank", "mt940__asn.sta")])
        .ended(0)
        .complained("running hub")
        .said("1 decoded");
    let kilobytes = server.kilobytes_in_memory().unwrap_or(0);
    assert!(kilobytes < 40_000, "{kilobytes} kB");
    assert_eq!(server.end(), 0);
    place.run(&["cases"]);
}

const PORTAL: &str = r#"
[connection.portal]
connector = "channel"
entity = "us"
webhook_secret_env = ["PORTAL_SECRET"]
since = "2020-01-01"
"#;

/// The script of the page for portal developers, as it stands there.
fn send_script() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating/connect-a-portal.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```sh\n").expect("the page has a script");
    rest.split_once("```").unwrap().0.to_owned()
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

impl Server {
    /// What the script prints: the status of the answer.
    pub fn send(&self, place: &Place, file: &str, secret: &str) -> (i32, String) {
        let hub = format!("http://{}/webhooks/portal", self.address);
        let script = place.path("send.sh");
        let mut command = Command::new("sh");
        command.arg(script).arg(file).env("HUB", hub).env("SECRET", secret);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), said)
    }
}

#[test]
fn a_portal_sends_what_its_page_says_and_hears_of_what_does_not_fit() {
    if !is_there("openssl") || !is_there("curl") {
        eprintln!("passed over: the script of the page needs openssl and curl");
        return;
    }
    let place = Place::configured();
    place.write("send.sh", &send_script());
    let mut configuration = fs::read_to_string(place.path("trueup.toml")).unwrap();
    configuration.push_str(PORTAL);
    place.write("trueup.toml", &configuration);
    let server = Server::start(&place, &[]);
    let schema = server.request("GET /schemas/channel/message.json", &[], b"");
    assert!(schema.starts_with("HTTP/1.1 200") && schema.contains("2020-12"), "{schema}");

    let order = fixture("channel", "message__b2b_on_terms.json");
    assert_eq!(server.send(&place, &order, PORTAL_SECRET), (0, "200\n".to_owned()));
    let (status, said) = server.send(&place, &order, "whsec_b3RoZXI=");
    assert!(status != 0 && said.contains("TU301") && said.ends_with("401\n"), "{said}");
    // It is kept, so that nobody sends the same bytes for ever.
    let bad = fixture("channel", "message__unknown_field.json");
    assert_eq!(server.send(&place, &bad, PORTAL_SECRET), (0, "200\n".to_owned()));

    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    wait_for(&store, "portal", "decoded", 1);
    wait_for(&store, "portal", "failed", 1);
    assert_eq!(server.end(), 0);
    place.run(&["trace", "P-2001"]).ended(0).said("order o-2001");
    let answer = place.run(&["cases", "--json"]);
    assert!(answer.out.contains("TU207"), "{}", answer.out);
    assert!(answer.out.contains("orders[0].lines[1].unitprice"), "{}", answer.out);
}

#[test]
fn the_server_does_not_start_open_to_others_or_without_its_secrets() {
    let place = Place::configured();
    place.run(&["serve", "--listen", "0.0.0.0:0"]).ended(2).complained("TU503").complained("token");
    let answer = place.command(&["serve"]).env_remove("SHOP_TOKEN").output().unwrap();
    Answer::of(&answer).ended(2).complained("TU503").complained("SHOP_TOKEN (of shop)");
}

#[test]
fn what_is_killed_at_once_can_be_started_at_once() {
    let place = Place::configured();
    for round in 0..3 {
        let server = Server::start(&place, &[]);
        let order = fs::read(fixture("shopify", "orders~updated__pair_1_rest.json")).unwrap();
        let id = format!("delivery {round}");
        server.takes_in(&id, &order, SECRET);
        // Dropping it kills it.
    }
    let server = Server::start(&place, &[]);
    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    wait_for(&store, "shop", "decoded", 3);
    drop(server);
}

/// A database of its own at the server that `TRUEUP_TEST_PG` names.
struct Database {
    admin: String,
    name: String,
}

impl Database {
    pub fn new() -> Option<Self> {
        let Ok(admin) = std::env::var("TRUEUP_TEST_PG") else {
            eprintln!("TRUEUP_TEST_PG is not set: nothing was tested on PostgreSQL");
            return None;
        };
        let database = Self { admin, name: format!("trueup_cli_{}", std::process::id()) };
        database.run(&format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        Some(database)
    }

    pub fn url(&self) -> String {
        let (server, _) = self.admin.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    pub fn run(&self, sql: &str) {
        let mut client = postgres::Client::connect(&self.admin, postgres::NoTls).unwrap();
        client.batch_execute(sql).unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

#[test]
fn one_of_two_servers_on_postgresql_works_and_the_other_takes_over() {
    const WORKS: &str = "this process works on the store now";
    let Some(database) = Database::new() else { return };
    let place = Place::empty();
    place.configure(&database.url());
    let mut first = Server::start(&place, &[]);
    first.hears(WORKS);
    let mut second = Server::start(&place, &[]);
    let store = Store::open_postgres(&database.url()).unwrap();
    let order = fs::read(fixture("shopify", "orders~updated__pair_1_rest.json")).unwrap();
    // The one that waits receives; the one that works decodes.
    second.takes_in("one", &order, SECRET);
    wait_for(&store, "shop", "decoded", 1);
    assert!(second.hears_within(WORKS, Duration::from_secs(4)).is_none(), "both work");
    place.run(&["poll"]).ended(3).complained("TU507");

    assert_eq!(first.end(), 0);
    second.hears(WORKS);
    second.takes_in("two", &order, SECRET);
    wait_for(&store, "shop", "decoded", 2);

    // Killed, it holds its lease until that runs out; then the next one works.
    drop(second);
    let mut third = Server::start(&place, &[]);
    third.hears(WORKS);
    assert_eq!(third.end(), 0);
}

/// The disk does not take what is written: whoever was told 200 is in the file, nobody else is told
/// so, and the process ends by itself.
#[test]
fn c9_an_error_of_the_disk_ends_the_server_and_nothing_acknowledged_is_lost() {
    let place = Place::configured();
    let plain = place.command(&["serve"]);
    // A file may not grow beyond some megabytes, which SQLite hears as an error of writing.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 6000; exec \"$0\" serve"])
        .arg(plain.get_program());
    command.current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut server = Server::of(command.stderr(Stdio::piped()).stdout(Stdio::null()));
    let mut acknowledged = BTreeSet::new();
    for number in 0..400_u32 {
        // Of what packs badly the file grows soon.
        let noise = (0..6_000_u32).map(|at| trueup_domain::key::id(&[&format!("{number}/{at}")]));
        let body = format!("{{\"noise\": \"{}\"}}", noise.collect::<String>());
        let name = format!("delivery {number}");
        let Some(answer) = server.try_webhook(&name, body.as_bytes(), SECRET) else { break };
        if answer.starts_with("HTTP/1.1 200") {
            acknowledged.insert(name);
        } else if !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        }
    }
    let until = Instant::now() + Duration::from_secs(20);
    let code = loop {
        if let Some(ended) = server.child.try_wait().unwrap() {
            break ended.code();
        }
        assert!(Instant::now() < until, "it goes on: {:#?}", server.told);
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(code, Some(3));
    server.hears("TU504");
    assert!(!acknowledged.is_empty());
    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    let stored = store.read(messages::delivered).unwrap();
    let stored: BTreeSet<String> = stored.into_iter().map(|(_, id)| id).collect();
    let lost: Vec<&String> =
        acknowledged.iter().filter(|name| !stored.iter().any(|id| id.contains(*name))).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?} of {stored:?}");
}

#[test]
fn c11_a_server_whose_file_is_removed_takes_nothing_more_and_ends() {
    let place = Place::configured();
    let mut server = Server::start(&place, &[]);
    fs::remove_file(place.path("trueup.sqlite")).unwrap();
    let ended = server.child.wait().unwrap();
    assert_eq!(ended.code(), Some(3));
    server.hears("was removed while it was open");
}
