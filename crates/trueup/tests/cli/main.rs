//! The real binary, as a person or a script runs it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod backup;
mod causes;
mod close;
mod replay;
mod settings;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use trueup_connect::webhook::SignedDelivery;
use trueup_connect::{Secret, conformance};
use trueup_store::{Store, messages};

const SECRET: &str = "a webhook secret";
const SHOP: &str = "example.myshopify.com";
const PORTAL_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A folder with a configuration, and the binary run in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A shop and a bank of one entity, on SQLite.
    fn configured() -> Self {
        let place = Self::empty();
        place.configure("sqlite:trueup.sqlite");
        place
    }

    fn configure(&self, store: &str) {
        self.write(
            "trueup.toml",
            &format!(
                r#"
environment = "test"
[store]
url = "{store}"
[server]
listen = "127.0.0.1:0"
[entity.us]
currency = "USD"
time_zone = "America/New_York"
[connection.shop]
connector = "shopify"
entity = "us"
url = "http://127.0.0.1:9"
secret_env = "SHOP_TOKEN"
webhook_secret_env = ["SHOP_SECRET"]
since = "2020-01-01"
[connection.shop.settings]
shop = "{SHOP}"
[connection.bank]
connector = "bank"
entity = "us"
drop = "inbox"
"#
            ),
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("TRUEUP_CONFIG")
            .env_remove("TRUEUP_LOG")
            .env_remove("TRUEUP_TOKEN")
            .env("SHOP_TOKEN", "a token")
            .env("SHOP_SECRET", SECRET)
            .env("PORTAL_SECRET", PORTAL_SECRET);
        command
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(&self.command(arguments).output().unwrap())
    }
}

struct Answer {
    status: i32,
    out: String,
    err: String,
}

impl Answer {
    /// Whatever happened, the binary did not panic and was not killed.
    #[track_caller]
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        Self { status: output.status.code().expect("it ended by itself"), out, err }
    }

    #[track_caller]
    fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\nout: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    fn said(self, part: &str) -> Self {
        assert!(self.out.contains(part), "`{part}` is not in: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    fn complained(self, part: &str) -> Self {
        assert!(self.err.contains(part), "`{part}` is not in: {}\nout: {}", self.err, self.out);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors")
}

fn fixture(connector: &str, name: &str) -> String {
    connectors().join(connector).join("fixtures").join(name).to_string_lossy().into_owned()
}

fn expected(file: &str) -> String {
    fs::read_to_string(format!("{file}.expected")).unwrap()
}

#[test]
fn every_folder_of_a_connector_is_in_the_list() {
    let folders = fs::read_dir(connectors()).unwrap();
    let mut folders: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut listed: Vec<String> =
        trueup::connectors::ALL.iter().map(|connector| connector.name.to_owned()).collect();
    listed.sort();
    assert_eq!(folders, listed);
    for connector in trueup::connectors::ALL {
        let suite = connectors().join(connector.name).join("tests/conformance.rs");
        let text = fs::read_to_string(&suite).unwrap_or_default();
        assert!(text.contains("conformance"), "{} has no conformance suite", connector.name);
    }
}

#[test]
fn decode_prints_what_the_goldens_say_and_goes_on_after_a_bad_file() {
    let place = Place::empty();
    let good = fixture("bank", "__scenario_eur.sta");
    let answer = place.run(&["decode", "--connector", "bank", &good]).ended(0);
    assert_eq!(answer.out, expected(&good));
    for line in answer.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["kind"].is_string() && line["identity"].is_string(), "{line}");
    }

    let bad = fixture("bank", "camt.053__genkgo_v4.xml");
    let other = fixture("bank", "mt940__asn.sta");
    let answer =
        place.run(&["decode", "--connector", "bank", &good, &bad, "no-such-file", &other]).ended(1);
    assert_eq!(answer.out, format!("{}{}", expected(&good), expected(&other)));
    answer.complained(&format!("{bad}: error TU205: ")).complained("no-such-file: error TU506: ");
}

#[test]
fn every_fixture_of_every_connector_decodes_as_its_golden_says() {
    let place = Place::empty();
    let mut tried = 0;
    for connector in trueup::connectors::ALL {
        let folder = connectors().join(connector.name).join("fixtures");
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        // One run for each kind keeps the test quick.
        let mut by_kind: std::collections::BTreeMap<String, Vec<String>> = Default::default();
        for entry in entries {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if !name.ends_with(".expected") && !name.ends_with(".md") {
                by_kind.entry(conformance::kind_of(&name)).or_default().push(name);
            }
        }
        for (kind, mut names) in by_kind {
            names.sort();
            let files: Vec<String> =
                names.iter().map(|name| fixture(connector.name, name)).collect();
            let mut arguments = vec!["decode", "--connector", connector.name, "--kind", &kind];
            arguments.extend(files.iter().map(String::as_str));
            let answer = place.run(&arguments);
            let mut wanted = String::new();
            let mut refused = 0;
            for file in &files {
                tried += 1;
                let golden = expected(file);
                match golden.strip_prefix("error ") {
                    None => wanted.push_str(&golden),
                    Some(why) => {
                        refused += 1;
                        let line = format!("{file}: error {}", why.trim_end());
                        assert!(answer.err.contains(&line), "{line} is not in {}", answer.err);
                    }
                }
            }
            assert_eq!(answer.out, wanted, "{} {kind}", connector.name);
            assert_eq!(answer.status, i32::from(refused > 0), "{}", answer.err);
        }
    }
    assert!(tried > 60, "only {tried} fixtures were found");
}

#[test]
fn decode_says_whom_it_does_not_know_and_reads_the_standard_input() {
    let place = Place::empty();
    place
        .run(&["decode", "--connector", "acme", "x"])
        .ended(2)
        .complained("there is no connector `acme`")
        .complained("bank, channel, odoo, odoo-pos, shopify, stripe");
    place.run(&["decode", "--connector", "bank"]).ended(2).complained("Usage");
    place.run(&["decode", "--connector", "bank", "."]).ended(1).complained("it is a directory");

    let good = fixture("bank", "__scenario_eur.sta");
    let mut child = place
        .command(&["decode", "--connector", "bank", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&good).unwrap()).unwrap();
    let answer = Answer::of(&child.wait_with_output().unwrap()).ended(0);
    assert_eq!(answer.out, expected(&good));

    place
        .run(&["decode", "--connector", "shopify", "--kind", "app/uninstalled", &good])
        .ended(0)
        .said("{\"ignored\":");
}

#[test]
fn hostile_files_are_refused_one_by_one() {
    let place = Place::empty();
    let deep = "[".repeat(200_000);
    let deep_object = "{\"a\":".repeat(200_000);
    let huge_number = format!("{{\"id\":{},\"total_price\":1e400}}", "9".repeat(100_000));
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]>\
                <Document><BkToCstmrStmt>&c;</BkToCstmrStmt></Document>";
    for (name, body) in [
        ("deep.json", deep.as_bytes()),
        ("deep-object.json", deep_object.as_bytes()),
        ("number.json", huge_number.as_bytes()),
        (
            "twice.json",
            br#"{"id":1,"id":2,"name":"a","name":"b","total_price":"1","total_price":"2"}"#,
        ),
        ("bomb.xml", bomb.as_bytes()),
        ("deep.xml", "<a>".repeat(200_000).as_bytes()),
        ("binary", b"\xff\xfe\x00\x00\x80"),
        ("empty", b""),
        ("null.json", b"null"),
        ("half.json", br#"{"id": 1, "line_items": [{"#),
        ("page.html", b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"),
    ] {
        fs::write(place.path(name), body).unwrap();
    }
    let large = fs::File::create(place.path("large")).unwrap();
    large.set_len(64 * 1024 * 1024 * 1024).unwrap();
    let files: Vec<String> = fs::read_dir(place.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for connector in trueup::connectors::ALL {
        for kind in connector.kinds.iter().copied().chain([""]) {
            let mut arguments = vec!["decode", "--connector", connector.name, "--kind", kind];
            arguments.extend(files.iter().map(String::as_str));
            let answer = place.run(&arguments).ended(1).complained("large: error TU303: ");
            let told =
                files.iter().filter(|file| answer.err.contains(&format!("{file}: error TU")));
            let (told, shown) = (told.count(), answer.out.lines().count());
            let each = told + shown >= files.len();
            assert!(each, "{} {kind}: {}\n{}", connector.name, answer.out, answer.err);
        }
    }
}

#[test]
fn init_writes_once_and_check_says_what_is_missing() {
    let place = Place::empty();
    place.run(&["init"]).ended(0).said("Next:").said("check");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(place.path("trueup.key")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "the key is for its owner only");
    let key = fs::read_to_string(place.path("trueup.key")).unwrap();
    assert_eq!(key.trim().len(), 64);
    let before = fs::read_to_string(place.path("trueup.toml")).unwrap();
    assert!(!before.contains(key.trim()), "secrets never stand in the file");
    place.run(&["init"]).ended(1).complained("TU508").complained("there already");
    assert_eq!(fs::read_to_string(place.path("trueup.toml")).unwrap(), before);
    assert_eq!(fs::read_to_string(place.path("trueup.key")).unwrap(), key);

    let answer = place
        .command(&["check", "--offline", "--json"])
        .env_remove("SHOPIFY_ACCESS_TOKEN")
        .output()
        .unwrap();
    let answer = Answer::of(&answer).ended(1);
    let found = answer.json();
    let found = found.as_array().unwrap();
    let has = |subject: &str, check: &str, verdict: &str| {
        found.iter().any(|one| {
            one["subject"] == subject && one["check"] == check && one["verdict"] == verdict
        })
    };
    assert!(has("shopify", "secret", "missing"), "{found:?}");
    assert!(has("shopify", "mapping", "missing"), "{found:?}");
    assert!(has("store", "open", "ok"), "{found:?}");
    assert!(found.iter().all(|one| one["verdict"] == "ok" || one["remedy"] != ""), "{found:?}");
}

#[test]
fn check_tells_an_unreachable_connection_from_a_wrong_configuration() {
    let place = Place::configured();
    // Nothing listens on the port of the configuration.
    place.run(&["check"]).ended(3).said("unreachable").said("TU102").said("Next");
    place.run(&["check", "--offline"]).ended(1).said("mapping");

    place.write("trueup.toml", "environment = \"test\"\n[sotre]\n");
    place
        .run(&["check"])
        .ended(2)
        .complained("error TU502: trueup.toml, line 2")
        .complained("next: ");
    place.write("trueup.toml", "environment = \n");
    place.run(&["check"]).ended(2).complained("error TU501: trueup.toml, line 1");
    fs::remove_file(place.path("trueup.toml")).unwrap();
    place.run(&["check"]).ended(2).complained("TU501").complained("trueup init");
}

#[test]
fn what_is_wrong_on_the_command_line_is_status_2() {
    let place = Place::configured();
    place.run(&["no-such-command"]).ended(2);
    place.run(&["reconcile", "--from", "yesterday"]).ended(2);
    place.run(&["ingest", "bnak", "x"]).ended(2).complained("there are: bank, shop");
    place.run(&["--log", "=[", "cases"]).ended(2).complained("--log");
    place.run(&["explain", "TU999"]).ended(2);
    place.run(&["explain", "tu203"]).ended(0).said("# TU203");
}

#[test]
fn files_go_in_once_and_are_reported() {
    let place = Place::configured();
    let good = fixture("bank", "__scenario_eur.sta");
    let bad = fixture("bank", "camt.053__genkgo_v4.xml");
    place.run(&["ingest", "bank", &good]).ended(0).said("1 stored, 0 here before, 0 refused");
    place.run(&["ingest", "bank", &good]).ended(0).said("0 stored, 1 here before");

    let answer = place.run(&["ingest", "--json", "bank", &good, &bad, "no-such-file"]).ended(1);
    let outcome = answer.json();
    assert_eq!(outcome["stored"], 1);
    assert_eq!(outcome["repeats"], 1);
    assert_eq!(outcome["refused"], 1);
    assert_eq!(outcome["messages"]["decoded"], 1);
    assert_eq!(outcome["messages"]["failed"], 1);
    assert_eq!(outcome["files"][1]["error_code"], "TU205");
    answer.complained("TU205").complained("no-such-file: error TU506");

    // The bad statement is a case with its message, and nothing of it is lost.
    let cases = place.run(&["cases", "--json"]).ended(1).json();
    let cases = cases.as_array().unwrap().clone();
    let case = cases.iter().find(|case| case["kind"] == "undecodable").expect("a case");
    assert_eq!(case["subject"], outcome["files"][1]["message"]);
    let id = case["id"].as_str().unwrap();
    place.run(&["cases"]).ended(1).said(&id[..10]).said("undecodable");
    place.run(&["cases", "show", &id[..12]]).ended(0).said("TU205").said("next");
    place.run(&["cases", "show", "zzz"]).ended(1).complained("TU505");
    people_decide(&place, id);
    place.run(&["reconcile"]).ended(0).said("not proven: 1").said("Open: nothing").said("Absorbed");
}

/// Who and why are asked for, kept and shown; what still stands can be tried again or accepted.
fn people_decide(place: &Place, case: &str) {
    let ann = ["--by", "ann", "--reason", "asked the bank"];
    let with = |words: &[&str]| place.run(&[words, &ann].concat());
    place.run(&["cases", "close", case, "--by", "ann"]).ended(2).complained("TU509");
    with(&["cases", "close", case]).ended(1).complained("TU508").complained("still stands");
    with(&["cases", "assign", &case[..10], "ben"]).ended(0).said("assigned");
    with(&["cases", "note", case]).ended(0);
    with(&["retry", case]).ended(0).said("decoded again");
    with(&["retry", case]).ended(1).complained("TU508");
    with(&["retry", "nothing"]).ended(1).complained("TU505");
    place.run(&["reconcile"]).ended(1);
    place
        .run(&["cases", "show", case])
        .ended(0)
        .said("integrator, ben")
        .said("retry by")
        .said("TU205");
    with(&["cases", "close", case, "--accept"]).ended(0).said("accepted");
    let shown = place.run(&["cases", "show", case, "--json"]).ended(0).json();
    assert_eq!((&shown["closed_as"], &shown["closed_by"]), (&"accepted".into(), &"ann".into()));
    assert_eq!(shown["decisions"].as_array().unwrap().len(), 4, "{shown:#}");
    place.run(&["cases", "--all"]).said("accepted");
}

#[test]
fn an_order_is_traced_to_its_raw_message() {
    let place = Place::configured();
    place.run(&["trace", "#1001"]).ended(1).complained("TU505");
    place.run(&["reconcile"]).ended(0).said("No order has been decided").said("Open: nothing");

    let order = fixture("shopify", "orders~updated__pair_1_rest.json");
    let kind = "orders/updated";
    let stored = place.run(&["ingest", "shop", "--kind", kind, "--json", &order]).ended(0).json();
    let message = stored["files"][0]["message"].as_str().unwrap();
    let document: Value = serde_json::from_str(expected(&order).lines().next().unwrap()).unwrap();
    let id = document["identity"].as_str().unwrap();

    let trace = place.run(&["trace", id, "--json"]).ended(0).json();
    assert_eq!(trace["documents"][0]["message"], message);
    assert_eq!(trace["proof"].as_array().unwrap().len(), 4);
    let number = trace["number"].as_str().unwrap();
    place
        .run(&["trace", number])
        .ended(0)
        .said("proof")
        .said(message)
        .said("Journal of the sub-ledger");
    let report = place.run(&["reconcile", "--json"]).json();
    assert!(report["open"].is_array() && report["bridges"].is_array(), "{report}");
}

#[test]
fn a_mapping_of_another_entity_is_refused() {
    let place = Place::configured();
    place.run(&["mapping", "show", "shop"]).ended(1).complained("TU505");
    place.write("bad.json", "{}");
    place
        .run(&["mapping", "approve", "shop", "bad.json", "--author", "ann", "--reason", "x"])
        .ended(1)
        .complained("bad.json is no mapping");
    let mapping = r#"{"version":1,"entity":"eu","target":"bank","company":"1","currency":"EUR",
        "time_zone":"Europe/Berlin","sales_journal":"1","entry_journal":"2","pricelist":null,
        "warehouse":null,"customers":{"one":"1"},"accounts":{},"gateways":{},"products":{},
        "service_products":{},"taxes":[]}"#;
    place.write("eu.json", mapping);
    place
        .run(&["mapping", "approve", "shop", "eu.json", "--author", "ann", "--reason", "x"])
        .ended(1)
        .complained("belongs to `us`");
    let ours = mapping.replace("\"eu\"", "\"us\"").replace("EUR", "USD");
    place.write("us.json", &ours);
    place
        .run(&["mapping", "approve", "shop", "us.json", "--author", "ann", "--reason", "x"])
        .ended(1)
        .complained("no connection that keeps books");
    place
        .run(&["mapping", "approve", "shop", "us.json", "--author", " ", "--reason", "x"])
        .ended(2)
        .complained("--author is empty");
}

/// A running server; killed when the test ends, however it ends.
struct Server {
    child: Child,
    address: String,
    log: std::sync::mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Server {
    fn start(place: &Place, more: &[&str]) -> Self {
        let mut arguments = vec!["serve"];
        arguments.extend(more);
        let mut command = place.command(&arguments);
        Self::of(command.stderr(Stdio::piped()).stdout(Stdio::null()))
    }

    fn of(command: &mut Command) -> Self {
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
    fn hears(&mut self, part: &str) -> String {
        self.hears_within(part, Duration::from_secs(30))
            .unwrap_or_else(|| panic!("`{part}` was not logged: {:#?}", self.told))
    }

    fn hears_within(&mut self, part: &str, time: Duration) -> Option<String> {
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

    fn request(&self, head: &str, headers: &[(String, String)], body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut text =
            format!("{head} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(text.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn webhook(&self, id: &str, body: &[u8], secret: &str) -> String {
        let webhooks = trueup::connectors::find("shopify").unwrap().webhooks.unwrap();
        let headers = (webhooks.sign)(&SignedDelivery {
            kind: "orders/updated",
            source_id: id,
            account: SHOP,
            body,
            secret: &Secret::new(secret),
            now: trueup::wiring::now(),
        });
        self.request("POST /webhooks/shop", &headers, body)
    }

    /// Asks it to end, as a service manager does.
    fn end(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().expect("it ended by itself")
    }

    fn kilobytes_in_memory(&self) -> Option<u64> {
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
fn wait_for(store: &Store, connection: &str, state: &str, count: i64) {
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
    assert!(server.webhook("one", &order, SECRET).starts_with("HTTP/1.1 200"));
    assert!(server.webhook("one", &order, SECRET).starts_with("HTTP/1.1 200"), "a repeat is fine");
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
    fn send(&self, place: &Place, file: &str, secret: &str) -> (i32, String) {
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
        assert!(server.webhook(&id, &order, SECRET).starts_with("HTTP/1.1 200"));
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
    fn new() -> Option<Self> {
        let Ok(admin) = std::env::var("TRUEUP_TEST_PG") else {
            eprintln!("TRUEUP_TEST_PG is not set: nothing was tested on PostgreSQL");
            return None;
        };
        let database = Self { admin, name: format!("trueup_cli_{}", std::process::id()) };
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
    assert!(second.webhook("one", &order, SECRET).starts_with("HTTP/1.1 200"));
    wait_for(&store, "shop", "decoded", 1);
    assert!(second.hears_within(WORKS, Duration::from_secs(4)).is_none(), "both work");
    place.run(&["poll"]).ended(3).complained("TU507");

    assert_eq!(first.end(), 0);
    second.hears(WORKS);
    assert!(second.webhook("two", &order, SECRET).starts_with("HTTP/1.1 200"));
    wait_for(&store, "shop", "decoded", 2);

    // Killed, it holds its lease until that runs out; then the next one works.
    drop(second);
    let mut third = Server::start(&place, &[]);
    third.hears(WORKS);
    assert_eq!(third.end(), 0);
}

/// A retailer's world behind HTTP, with some days of it played.
struct Sandboxes {
    url: String,
    start: jiff::civil::Date,
    // Ends the server when the test ends.
    _runtime: tokio::runtime::Runtime,
}

impl Sandboxes {
    fn after_days(days: i64) -> Self {
        Self::of(20, days)
    }

    /// The first days of a week of so many orders.
    fn of(orders: u32, days: i64) -> Self {
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
    fn run(&self, place: &Place, arguments: &[&str]) -> Answer {
        use trueup_odoo::sandbox::{ADMIN_KEY, HUB_KEY};
        let mut command = place.command(arguments);
        command.env("KEY", "demo-key").env("BOOKS_KEY", HUB_KEY).env("ADMIN_KEY", ADMIN_KEY);
        Answer::of(&command.output().unwrap())
    }

    /// The two shops of the demo are one here: the books of one entity are enough to set up.
    fn configuration(&self) -> String {
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
