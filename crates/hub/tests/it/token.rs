//! Tokens that live for a while: got, kept, replaced.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trueup_connect::{
    Auth, CallError, Connector, Decoded, Message, Reply, Request, Secret, Settings, Token,
    TokenScheme,
};
use trueup_hub::{Connection, token};
use trueup_store::{Store, tokens};

use crate::world::at;

static SCHEME: TokenScheme = TokenScheme {
    header: "x-token",
    request: |_, secret| Ok(Request::post_json("https://login.example/token", &secret.expose())),
    read: |reply| match reply.status {
        200 => Ok(Token {
            secret: Secret::new(String::from_utf8_lossy(&reply.body).into_owned()),
            lives_s: 3_600,
        }),
        _ => Err(CallError::Unauthorized),
    },
    refuses: |reply| reply.status == 401,
};

static MARKET: Connector = Connector {
    name: "market",
    api_version: "1",
    settings: &[],
    auth: Auth::Token(&SCHEME),
    signature: None,
    kinds: &[],
    decode: |_: &Message<'_>| Ok(Decoded::Ignored(String::new())),
    webhooks: None,
    conversations: None,
    files: false,
    hides_shipments: false,
};

fn connection() -> Connection {
    Connection {
        name: "market".to_owned(),
        connector: &MARKET,
        entity: "nl".to_owned(),
        time_zone: "UTC".to_owned(),
        settings: Settings(BTreeMap::new()),
        base_url: None,
        secret: Some(Secret::new("refresh")),
        webhook_secrets: Vec::new(),
        account: None,
        since: Timestamp::MIN,
        fees: None,
        posting: trueup_domain::posting::Posting::default(),
        ledger_since: None,
        bank_names: Vec::new(),
        poll_every_s: None,
        calls_per_minute: None,
        completeness: true,
        windows: trueup_hub::talk::Windows::default(),
    }
}

/// A vendor whose newest token alone is good, and what it was asked.
#[derive(Default)]
struct Vendor {
    given: u32,
    calls: Vec<String>,
    /// The kept token at the moment of each call.
    kept: Vec<Option<String>>,
    denies: bool,
    loses_the_token: bool,
}

impl Vendor {
    fn answer(&mut self, store: &Store, request: &Request) -> Result<Reply, CallError> {
        let kept = store.read(|tx| tokens::find(tx, "market")).expect("readable");
        self.kept.push(kept.map(|kept| kept.token));
        let reply = |status, body: &str| {
            Ok(Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
        };
        if request.path.starts_with("https://") {
            self.calls.push("token".to_owned());
            if std::mem::take(&mut self.loses_the_token) {
                return Err(CallError::ReplyLost { why: "cut off".to_owned() });
            }
            self.given += 1;
            let token = format!("t{}", self.given);
            return reply(if self.denies { 400 } else { 200 }, &token);
        }
        let token = request.headers.iter().find(|(name, _)| name == "x-token");
        let token = token.map_or("none", |(_, token)| token.as_str());
        self.calls.push(token.to_owned());
        let good = token == format!("t{}", self.given);
        reply(if good { 200 } else { 401 }, "")
    }

    fn send(&mut self, store: &Store, seconds: i64) -> Result<u16, CallError> {
        let request = Request::get("/orders");
        let clock = move || at(seconds);
        let mut exchange = |request: &Request| self.answer(store, request);
        let reply =
            token::send(Some(store), &connection(), &SCHEME, &request, &clock, &mut exchange);
        reply.map(|reply| reply.status)
    }
}

#[test]
fn a_token_is_kept_before_it_is_used_and_used_until_it_runs_out() {
    let (store, mut vendor) = (Store::in_memory().expect("a store"), Vendor::default());
    assert_eq!(vendor.send(&store, 0), Ok(200));
    assert_eq!(vendor.kept, [None, Some("t1".to_owned())]);
    assert_eq!(vendor.send(&store, 3_000), Ok(200));
    // Five minutes before it runs out it is replaced.
    assert_eq!(vendor.send(&store, 3_301), Ok(200));
    assert_eq!(vendor.calls, ["token", "t1", "t1", "token", "t2"]);
}

#[test]
fn a_token_that_is_refused_is_replaced_once() {
    let (store, mut vendor) = (Store::in_memory().expect("a store"), Vendor::default());
    assert_eq!(vendor.send(&store, 0), Ok(200));
    // Somebody took the old one back.
    vendor.given += 1;
    assert_eq!(vendor.send(&store, 10), Ok(200));
    assert_eq!(vendor.calls, ["token", "t1", "t1", "token", "t3"]);
}

#[test]
fn credentials_that_are_no_good_stop_the_connection() {
    let (store, mut vendor) = (Store::in_memory().expect("a store"), Vendor::default());
    vendor.denies = true;
    assert_eq!(vendor.send(&store, 0), Err(CallError::Unauthorized));
    assert_eq!(vendor.calls, ["token"], "what was asked never left");
}

#[test]
fn a_token_that_is_lost_on_its_way_is_asked_for_again() {
    let (store, mut vendor) = (Store::in_memory().expect("a store"), Vendor::default());
    vendor.loses_the_token = true;
    let lost = vendor.send(&store, 0).expect_err("lost");
    assert_eq!(lost.code(), "TU102", "nothing was asked of the vendor");
    assert_eq!(vendor.send(&store, 1), Ok(200));
}

#[test]
fn without_a_store_each_request_has_a_token_of_its_own() {
    let (store, mut vendor) = (Store::in_memory().expect("a store"), Vendor::default());
    let clock = || at(0) + SignedDuration::from_secs(1);
    for _ in 0..2 {
        let mut exchange = |request: &Request| vendor.answer(&store, request);
        let request = Request::get("/orders");
        let reply = token::send(None, &connection(), &SCHEME, &request, &clock, &mut exchange);
        assert_eq!(reply.map(|reply| reply.status), Ok(200));
    }
    assert_eq!(vendor.calls, ["token", "t1", "token", "t2"]);
    assert!(vendor.kept.iter().all(Option::is_none));
}
