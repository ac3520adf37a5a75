//! The configuration as a running program has it, and the secrets that it names.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use trueup_store::Store;

use super::serving::{Server, wait_for};
use super::{Answer, Place, SECRET, fixture};

/// Settings are read when a program starts, whole or not at all: a mistake that somebody writes into
/// them disturbs nobody who runs, and nobody starts with a part of them.
#[test]
fn c24_a_mistake_in_the_configuration_leaves_the_running_server_as_it_is() {
    let place = Place::configured();
    let server = Server::start(&place, &[]);
    let order = fs::read(fixture("shopify", "orders~updated__pair_1_rest.json")).unwrap();
    server.takes_in("one", &order, SECRET);
    let good = fs::read_to_string(place.path("trueup.toml")).unwrap();
    // The last connection is wrong; everything before it is as it was.
    place.write("trueup.toml", &good.replace("connector = \"bank\"", "connector = \"banque\""));
    server.takes_in("two", &order, SECRET);
    let store = Store::open_sqlite(&place.path("trueup.sqlite")).unwrap();
    wait_for(&store, "shop", "decoded", 2);
    assert_eq!(server.end(), 0);
    for command in ["serve", "poll", "check"] {
        place.run(&[command]).ended(2).complained("banque");
    }
    place.write("trueup.toml", &good);
    place.run(&["schedules"]).ended(0);
}

/// What no output may hold: a token of the store, a webhook secret and the server's own token.
const CANARIES: [(&str, &str); 3] = [
    ("SHOP_TOKEN", "shpat_canary5a1f09c2d7"),
    ("SHOP_SECRET", "canary-webhook-77c1e0b4"),
    ("TRUEUP_TOKEN", "canary-server-token-0e93b1aa57c24d06"),
];

fn holds_none(what: &str, text: &str) {
    for (name, canary) in CANARIES {
        assert!(!text.contains(canary), "{name} is in {what}: {text}");
    }
}

/// With every word of the log, through errors and refusals: no secret is written anywhere.
#[test]
fn h16_no_secret_is_in_any_output_log_or_answer() {
    let place = Place::configured();
    let with = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.envs(CANARIES).env("TRUEUP_LOG", "trace");
        command
    };
    // The shop cannot be reached, so each of these runs into an error of the connection.
    let mut errors = 0;
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["poll"],
        &["poll", "shop"],
        &["cases", "--json"],
        &["retry", "shop", "--by", "ann"],
        &["explain", "TU105"],
        &["mapping", "show", "shop"],
    ] {
        let answer = Answer::of(&with(arguments).output().unwrap());
        errors += usize::from(answer.status != 0);
        holds_none(&format!("{arguments:?}"), &(answer.out + &answer.err));
    }
    assert!(errors >= 3, "only {errors} of them ran into an error");

    let mut child = with(&["serve"]);
    let mut server = Server::of(child.stderr(Stdio::piped()).stdout(Stdio::null()));
    let order = fs::read(fixture("shopify", "orders~updated__pair_1_rest.json")).unwrap();
    let (_, secret) = CANARIES[1];
    server.takes_in("one", &order, secret);
    holds_none("a refusal", &server.webhook("two", &order, "another secret"));
    let (_, token) = CANARIES[2];
    let bearer = [("authorization".to_owned(), format!("Bearer {token}"))];
    for page in ["/", "/connections", "/metrics", "/api/v1/connections", "/messages", "/cases"] {
        holds_none(page, &server.request(&format!("GET {page}"), &bearer, b""));
        let wrong = [("authorization".to_owned(), format!("Bearer {token}x"))];
        holds_none(page, &server.request(&format!("GET {page}"), &wrong, b""));
    }
    // The log of a poll that failed, and of the end.
    let _ = server.hears_within("shop", Duration::from_secs(5));
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    while let Ok(line) = server.log.recv_timeout(Duration::from_secs(10)) {
        server.told.push(line);
    }
    let traced = server.told.iter().any(|line| line.contains("TRACE"));
    let failed = server.told.iter().any(|line| line.contains("a conversation failed"));
    assert!(traced && failed, "the log says little: {:#?}", server.told);
    holds_none("the log", &server.told.join("\n"));
    // What was stored is the delivery; its signature proves and reveals nothing.
    for file in fs::read_dir(place.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "trueup.toml") {
            let bytes = fs::read(&path).unwrap();
            holds_none(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
    }
}
