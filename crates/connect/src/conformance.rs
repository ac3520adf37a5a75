//! The suite every connector passes; one line in its tests runs it.
//!
//! | function         | holds the connector to                                                   |
//! |------------------|--------------------------------------------------------------------------|
//! | [`run`]          | its name, its pinned version, a help text for each setting               |
//! | `goldens`        | each fixture decodes to what stands beside it                            |
//! | `pairs`          | the shapes of one object decode to equal documents                       |
//! | `never_panics`   | truncated, mutated and hostile bodies give an error or another document  |
//! | `authenticates`  | what the vendor signs is taken, and nothing else                         |
//! | [`lists`]        | what it lists of a window is what its documents say was made then        |
//!
//! Fixtures live in `connectors/<name>/fixtures`, named `<kind>__<case>.<ext>` so that the kind of
//! the message is known (`/` in a kind is written `~`, `?` is written `^`, since not every file
//! system takes them; for a message without a kind the name begins with `__`). Beside each stands
//! `<same name>.expected`, the decoded JSON lines or `error TUnnn: …`. `UPDATE_EXPECT=1` rewrites
//! them.
//!
//! A case `pair_<n>_<shape>` is one shape of an object of which there are others under the same
//! `<n>`. One of them, the fullest, states all that any of them states, in the same words: a shape
//! may leave whole documents out, and never states one otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use trueup_domain::completeness::{Gap, Held, Listed, compare};
use trueup_domain::{Document, Kind};

use crate::Connector;
use crate::conversation::{Context, Record, Reply, Request, Step, Task};
use crate::message::{DecodeError, Decoded, Message};
use crate::settings::{Secret, Settings};
use crate::webhook::{Authentic, Delivery, NotAuthentic, SignedDelivery, Webhooks};

/// One JSON line per document, hint, subscription or ignored message: what `trueup decode` prints.
pub fn render(decoded: &Decoded) -> String {
    let mut lines = String::new();
    match decoded {
        Decoded::Documents(documents) => {
            for document in documents {
                let body = document.to_json();
                let rest = body.strip_prefix('{').unwrap_or(&body);
                let version = match document.version() {
                    Some(version) => version.0.to_string(),
                    None => "null".to_owned(),
                };
                let identity = serde_json::Value::from(document.external_id());
                let _ = writeln!(
                    lines,
                    "{{\"kind\":\"{}\",\"identity\":{identity},\"stated_version\":{version},{rest}",
                    document.kind()
                );
            }
        }
        Decoded::Hints(hints) => {
            for hint in hints {
                let line = serde_json::json!({"hint": hint.kind, "identity": hint.external_id});
                let _ = writeln!(lines, "{line}");
            }
        }
        Decoded::Subscriptions(subscriptions) => {
            for one in subscriptions {
                let line = serde_json::json!({
                    "subscription": one.title,
                    "identity": one.id,
                    "address": one.address,
                    "active": one.active,
                    "status": one.status,
                });
                let _ = writeln!(lines, "{line}");
            }
        }
        Decoded::Ignored(kind) => {
            let _ = writeln!(lines, "{}", serde_json::json!({"ignored": kind}));
        }
    }
    lines
}

/// The message kind in a fixture's file name, `<kind>__<case>.<ext>`.
pub fn kind_of(file_name: &str) -> String {
    let (kind, _) = file_name.split_once("__").unwrap_or(("", file_name));
    kind.replace('~', "/").replace('^', "?")
}

/// Runs the whole suite for one connector; panics with the first failure.
pub fn run(connector: &Connector, crate_dir: &str) {
    let dir = Path::new(crate_dir);
    assert_eq!(
        dir.file_name().and_then(|name| name.to_str()),
        Some(connector.name),
        "a connector is named as its folder"
    );
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap_or_default();
    assert!(
        readme.contains(connector.api_version),
        "README.md of {} names the pinned API version {}",
        connector.name,
        connector.api_version
    );
    for setting in connector.settings {
        assert!(!setting.help.is_empty(), "setting {} has no help", setting.name);
    }
    let fixtures = fixtures(&dir.join("fixtures"));
    assert!(!fixtures.is_empty(), "connector {} has no fixture", connector.name);
    goldens(connector, &fixtures);
    pairs(connector, &fixtures);
    if let Some(webhooks) = connector.webhooks {
        authenticates(webhooks, &fixtures);
    }
    never_panics(connector, &fixtures);
}

/// The documents that records of a poll state; what states none is passed over.
pub fn documents(connector: &Connector, records: &[Record]) -> Vec<Document> {
    let of = |record: &Record| {
        let message = Message { kind: &record.kind, body: &record.body };
        match (connector.decode)(&message) {
            Ok(Decoded::Documents(documents)) => documents,
            Ok(_) => Vec::new(),
            Err(error) => panic!("{} {}: {error}", record.kind, record.external_id),
        }
    };
    records.iter().flat_map(of).collect()
}

/// Holds what a source lists to the documents of all that it made in a window: each object once,
/// with its version and amount, and in the one window of two in which its document says that it
/// was made. `ask` is the source.
pub fn lists(
    connector: &Connector,
    settings: &Settings,
    ask: &mut dyn FnMut(&Request) -> Reply,
    documents: &[Document],
    (from, until): (Timestamp, Timestamp),
) {
    let conversations =
        connector.conversations.expect("a connector that lists holds conversations");
    let mut list = |kind: Kind, from: Timestamp, until: Timestamp| -> Vec<Listed> {
        let context = Context { settings, now: until };
        let kind = kind.word().to_owned();
        let mut step = (conversations.start)(&context, &Task::List { kind, from, until });
        loop {
            step = match step {
                Step::Send { request, writes, state } => {
                    assert!(!writes, "a list writes nothing");
                    (conversations.resume)(&context, &state, Ok(&ask(&request)))
                }
                Step::Done(outcome) => break outcome.listed,
                other => panic!("the list ends with {other:?}"),
            };
        }
    };
    for &kind in conversations.lists {
        let own: Vec<(Timestamp, Held)> = documents
            .iter()
            .filter(|document| document.kind() == kind)
            .filter_map(made)
            .filter(|(at, _)| (from..until).contains(at))
            .collect();
        let within = |from: Timestamp, until: Timestamp| -> Vec<Held> {
            let own = own.iter().filter(|(at, _)| (from..until).contains(at));
            own.map(|(_, held)| held.clone()).collect()
        };
        let all = list(kind, from, until);
        assert_eq!(compare(&all, &within(from, until)), Gap::default(), "all {kind:?}");
        assert!(!all.is_empty() || own.is_empty(), "nothing of {kind:?} is listed");
        let mut ids: Vec<&str> = all.iter().map(|it| it.external_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len(), "each {kind:?} is listed once");
        for (at, _) in &own {
            let second = Timestamp::from_second(at.as_second()).unwrap_or(*at);
            for (from, until) in [(from, second), (second, until)] {
                let gap = compare(&list(kind, from, until), &within(from, until));
                assert_eq!(gap, Gap::default(), "{kind:?} of {from} to {until}");
            }
        }
    }
}

/// When an object was made, and what is held of it.
fn made(document: &Document) -> Option<(Timestamp, Held)> {
    let (at, amount) = match document {
        Document::Order(order) => (order.placed_at, order.total),
        Document::LedgerRow(row) => (row.occurred_at, row.gross),
        _ => return None,
    };
    let held = Held {
        external_id: document.external_id().to_owned(),
        version: document.version(),
        amount: Some(amount),
        posted: true,
    };
    Some((at, held))
}

/// By name: where it lies, and its bytes.
type Fixtures = BTreeMap<String, (std::path::PathBuf, Vec<u8>)>;

fn fixtures(dir: &Path) -> Fixtures {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_name()?.to_str()?.to_owned();
            let skip = name.ends_with(".expected") || name.ends_with(".md");
            (!skip && path.is_file()).then_some(())?;
            let body = std::fs::read(&path).ok()?;
            Some((name, (path, body)))
        })
        .collect()
}

fn goldens(connector: &Connector, fixtures: &Fixtures) {
    let mut wrong = Vec::new();
    for (name, (path, body)) in fixtures {
        let kind = kind_of(name);
        let shown = match (connector.decode)(&Message { kind: &kind, body }) {
            Ok(decoded) => render(&decoded),
            Err(error) => format!("error {}: {error}\n", error.code()),
        };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".expected");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&beside, &shown).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        if std::fs::read_to_string(&beside).ok().as_deref() != Some(shown.as_str()) {
            wrong.push(format!("{name} decodes to\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "goldens differ:\n{}", wrong.join("\n"));
}

/// The `<n>` of a fixture whose case is `pair_<n>_<shape>`.
fn pair_of(file_name: &str) -> Option<&str> {
    let (_, case) = file_name.split_once("__")?;
    Some(case.strip_prefix("pair_")?.split_once('_')?.0)
}

fn pairs(connector: &Connector, fixtures: &Fixtures) {
    let mut pairs: BTreeMap<&str, Vec<(&str, BTreeSet<String>)>> = BTreeMap::new();
    for (name, (_, body)) in fixtures {
        let Some(pair) = pair_of(name) else { continue };
        let decoded = (connector.decode)(&Message { kind: &kind_of(name), body });
        let Ok(whole @ Decoded::Documents(_)) = &decoded else {
            panic!("{name} is half of a pair and states no object whole: {decoded:?}")
        };
        let stated = render(whole).lines().map(str::to_owned).collect();
        pairs.entry(pair).or_default().push((name, stated));
    }
    for (pair, shapes) in pairs {
        assert!(shapes.len() >= 2, "pair {pair} has one shape only");
        let fullest = shapes.iter().max_by_key(|(_, stated)| stated.len());
        let Some((fullest, all)) = fullest.filter(|(_, all)| !all.is_empty()) else {
            panic!("pair {pair} states nothing")
        };
        for (name, stated) in &shapes {
            assert!(!stated.is_empty(), "{name} states nothing");
            let other: Vec<&String> = stated.difference(all).collect();
            assert!(other.is_empty(), "{name} states otherwise than {fullest}:\n{other:#?}");
        }
    }
}

/// At most this many fixtures are signed and altered, the smallest first.
const DELIVERIES: usize = 6;
/// In each of them the bits of at most this many bytes are flipped, spread over the body.
const BYTES_FLIPPED: usize = 32;
/// Far beyond what any vendor tolerates.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// One fixture on its way as a webhook.
struct Signed<'a> {
    webhooks: &'a Webhooks,
    name: &'a str,
    kind: String,
    body: &'a [u8],
}

impl Signed<'_> {
    fn sign(&self, secret: &Secret, now: Timestamp) -> Vec<(String, String)> {
        (self.webhooks.sign)(&SignedDelivery {
            kind: &self.kind,
            source_id: "delivery-1",
            account: "account-1",
            body: self.body,
            secret,
            now,
        })
    }

    fn verdict(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        secrets: &[&Secret],
        now: Timestamp,
    ) -> Result<Authentic, NotAuthentic> {
        let secrets: Vec<Secret> = secrets.iter().map(|&secret| secret.clone()).collect();
        (self.webhooks.authenticate)(&Delivery { headers, body }, &secrets, now)
    }
}

fn authenticates(webhooks: &Webhooks, fixtures: &Fixtures) {
    let mut smallest: Vec<(&String, &Vec<u8>)> =
        fixtures.iter().map(|(name, (_, body))| (name, body)).collect();
    smallest.sort_by_key(|(_, body)| body.len());
    let mut taken = 0;
    for (name, body) in smallest {
        if taken == DELIVERIES {
            return;
        }
        let kind = Some(kind_of(name)).filter(|kind| !kind.is_empty());
        let kind = kind.unwrap_or_else(|| "conformance".to_owned());
        if one_authenticates(&Signed { webhooks, name, kind, body }) {
            taken += 1;
        }
    }
    assert!(taken > 0, "no fixture is a delivery, however it is signed");
}

/// False for a body that cannot be a delivery: it was to name its own id, and does not.
fn one_authenticates(signed: &Signed<'_>) -> bool {
    let name = signed.name;
    let (secret, other) = (Secret::new("conformance_secret"), Secret::new("another_secret"));
    let empty = Secret::new("");
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56);
    let later = now + SignedDuration::from_secs(60);

    let headers = signed.sign(&secret, now);
    let check = |headers: &[(String, String)], secrets: &[&Secret]| {
        signed.verdict(headers, signed.body, secrets, now)
    };
    let authentic = match check(&headers, &[&secret]) {
        Ok(authentic) => authentic,
        Err(NotAuthentic::NoDeliveryId) => return false,
        Err(error) => panic!("{name}: what `sign` signed is refused: {error}"),
    };
    assert!(!authentic.source_id.is_empty(), "{name}: the delivery has no id");

    // While a secret is rolled, any live one proves; none, an empty or another one never does.
    assert_eq!(check(&headers, &[&other, &secret]).as_ref(), Ok(&authentic), "{name}");
    assert_eq!(check(&headers, &[&other]), Err(NotAuthentic::WrongSignature), "{name}");
    assert_eq!(check(&headers, &[]), Err(NotAuthentic::NoSecret), "{name}");
    assert_eq!(check(&headers, &[&empty]), Err(NotAuthentic::NoSecret), "{name}");
    let by_anybody = signed.sign(&empty, now);
    for secrets in [&[&empty][..], &[&empty, &secret]] {
        assert!(check(&by_anybody, secrets).is_err(), "{name}: the empty secret proves");
    }

    // The vendor repeats a delivery, as it was or signed anew.
    assert_eq!(check(&headers, &[&secret]).as_ref(), Ok(&authentic), "{name}");
    let anew = signed.sign(&secret, later);
    let repeated = signed.verdict(&anew, signed.body, &[&secret], later);
    assert_eq!(repeated.as_ref(), Ok(&authentic), "{name}: repeated, it is another delivery");

    let step = signed.body.len().div_ceil(BYTES_FLIPPED).max(1);
    for at in (0..signed.body.len()).step_by(step) {
        for bit in 0..8 {
            let mut body = signed.body.to_vec();
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1 << bit;
            }
            let verdict = signed.verdict(&headers, &body, &[&secret], now);
            assert_eq!(verdict, Err(NotAuthentic::WrongSignature), "{name}: bit {bit} of {at}");
        }
    }

    assert_eq!(check(&[], &[&secret]), Err(NotAuthentic::NotSigned), "{name}: without headers");
    let without = |gone: &str| -> Vec<(String, String)> {
        headers.iter().filter(|(own, _)| own != gone).cloned().collect()
    };
    let signature = headers
        .iter()
        .find(|(own, _)| check(&without(own), &[&secret]) == Err(NotAuthentic::NotSigned));
    let Some((signature, value)) = signature else {
        panic!("{name}: no header of {headers:?} is its signature")
    };
    let mut unsigned = without(signature);
    unsigned.push((signature.clone(), String::new()));
    assert!(check(&unsigned, &[&secret]).is_err(), "{name}: an empty signature proves");

    // A scheme that signs the time signs otherwise a minute later, and then a time has to count.
    if !anew.contains(&(signature.clone(), value.clone())) {
        for (when, far) in [("old", now + STALE), ("early", now - STALE)] {
            let verdict = signed.verdict(&headers, signed.body, &[&secret], far);
            assert_eq!(verdict, Err(NotAuthentic::Stale), "{name}: a day too {when}");
        }
    }
    true
}

/// Truncated and mutated bodies give an error or another document, and never a panic.
fn never_panics(connector: &Connector, fixtures: &Fixtures) {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below.max(1)).unwrap_or(1)).unwrap_or(0)
    };
    for (name, (_, body)) in fixtures {
        let kind = kind_of(name);
        let decode = |body: &[u8]| {
            let _: Result<Decoded, DecodeError> =
                (connector.decode)(&Message { kind: &kind, body });
            let _ = (connector.decode)(&Message { kind: "", body });
        };
        let rounds = if body.len() > 20_000 { 12 } else { 60 };
        for _ in 0..rounds {
            let mut bad = body.clone();
            match next(3) {
                0 => bad.truncate(next(body.len())),
                1 => {
                    for _ in 0..4 {
                        let at = next(bad.len());
                        if let Some(byte) = bad.get_mut(at) {
                            *byte = u8::try_from(next(256)).unwrap_or(0);
                        }
                    }
                }
                _ => {
                    let at = next(bad.len());
                    let piece: Vec<u8> = bad.iter().skip(at).take(40).copied().collect();
                    let to = next(bad.len());
                    bad.splice(to..to, piece);
                }
            }
            decode(&bad);
        }
    }
    let deep = "[".repeat(100_000);
    let deep_xml = "<a>".repeat(100_000);
    let bomb =
        b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
    for kind in connector.kinds.iter().copied().chain([""]) {
        for body in [
            b"".as_slice(),
            b"{}",
            b"[]",
            b"null",
            b"1e400",
            deep.as_bytes(),
            deep_xml.as_bytes(),
            bomb,
            b"\xff\xfe\x00",
            b"{\"id\":1e400,\"amount\":1e400}",
        ] {
            let _ = (connector.decode)(&Message { kind, body });
        }
    }
}

/// Runs the suite in a connector's `tests/conformance.rs`.
#[macro_export]
macro_rules! conformance {
    ($connector:expr) => {
        #[test]
        fn conforms() {
            $crate::conformance::run(&$connector, env!("CARGO_MANIFEST_DIR"));
        }
    };
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;

    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;
    use trueup_domain::document::Deletion;

    use super::*;

    #[test]
    fn a_name_tells_the_kind_and_the_pair() {
        let check = |name: &str, kind: &str, pair: Option<&str>| {
            assert_eq!((kind_of(name).as_str(), pair_of(name)), (kind, pair), "{name}");
        };
        check("orders~updated__paid.json", "orders/updated", None);
        check("balance^at=17__one.json", "balance?at=17", None);
        check("order__pair_12_graphql.json", "order", Some("12"));
        check("__pair_1_in_event.json", "", Some("1"));
        check("pair_1__in_event.json", "pair_1", None);
        check("statement.xml", "", None);
    }

    fn named(fixtures: &[(&str, &str)]) -> Fixtures {
        let fixture = |(name, body): &(&str, &str)| {
            ((*name).to_owned(), (PathBuf::new(), body.as_bytes().to_vec()))
        };
        fixtures.iter().map(fixture).collect()
    }

    /// What a check says against; nothing where it finds no fault.
    fn said(check: impl FnOnce()) -> Option<String> {
        let panic = catch_unwind(AssertUnwindSafe(check)).err()?;
        let text = panic.downcast_ref::<String>().cloned();
        let plain = || panic.downcast_ref::<&str>().map_or(String::new(), |&it| it.to_owned());
        Some(text.unwrap_or_else(plain))
    }

    /// Each word of the body is a deletion.
    fn words(message: &Message<'_>) -> Result<Decoded, DecodeError> {
        let text = String::from_utf8_lossy(message.body).into_owned();
        let gone = |id: &str| Deletion { id: id.to_owned(), version: None, order: None }.into();
        Ok(Decoded::Documents(text.split_whitespace().map(gone).collect()))
    }

    #[test]
    fn a_shape_may_leave_out_and_not_state_otherwise() {
        let connector = Connector {
            name: "words",
            api_version: "1",
            settings: &[],
            auth: crate::Auth::None,
            signature: None,
            kinds: &[],
            decode: words,
            webhooks: None,
            conversations: None,
            files: false,
            hides_shipments: false,
        };
        let check = |first: &str, second: &str, expected: Option<&str>| {
            let fixtures = named(&[("a__pair_1_x.txt", first), ("b__pair_1_y.txt", second)]);
            let said = said(|| pairs(&connector, &fixtures));
            let fits = match expected {
                None => said.is_none(),
                Some(words) => said.as_ref().is_some_and(|said| said.contains(words)),
            };
            assert!(fits, "{first} | {second}: {said:?}");
        };
        check("one two", "two one", None);
        check("one two", "two", None);
        check("one two", "two three", Some("states otherwise"));
        check("one two", "", Some("states nothing"));
        let alone = named(&[("a__pair_1_x.txt", "one")]);
        assert!(said(|| pairs(&connector, &alone)).is_some());
    }

    const SOUND: u8 = 0;
    const ANY_BODY: u8 = 1;
    const EMPTY_SECRET: u8 = 2;
    const NEVER_STALE: u8 = 3;
    const ID_OF_THE_MOMENT: u8 = 4;
    const UNSIGNED: u8 = 5;

    fn mac(secret: &Secret, time: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("a key");
        mac.update(time.as_bytes());
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    fn sign<const FLAW: u8>(delivery: &SignedDelivery<'_>) -> Vec<(String, String)> {
        let time = delivery.now.as_second().to_string();
        let body = if FLAW == ANY_BODY { b"" } else { delivery.body };
        let signature = format!("{time},{}", mac(delivery.secret, &time, body));
        vec![("signature".to_owned(), signature), ("id".to_owned(), delivery.source_id.to_owned())]
    }

    fn authenticate<const FLAW: u8>(
        delivery: &Delivery<'_>,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<Authentic, NotAuthentic> {
        let id = delivery.header("id").unwrap_or_default().to_owned();
        let Some(signature) = delivery.header("signature") else {
            let unsigned = Authentic { source_id: id, kind: String::new(), account: None };
            return if FLAW == UNSIGNED { Ok(unsigned) } else { Err(NotAuthentic::NotSigned) };
        };
        let (time, given) = signature.split_once(',').ok_or(NotAuthentic::Malformed)?;
        let live = |secret: &&Secret| FLAW == EMPTY_SECRET || !secret.is_empty();
        let live: Vec<&Secret> = secrets.iter().filter(live).collect();
        if live.is_empty() {
            return Err(NotAuthentic::NoSecret);
        }
        let body = if FLAW == ANY_BODY { b"" } else { delivery.body };
        if !live.iter().any(|secret| mac(secret, time, body) == given) {
            return Err(NotAuthentic::WrongSignature);
        }
        let signed_at: i64 = time.parse().map_err(|_| NotAuthentic::Malformed)?;
        if FLAW != NEVER_STALE && (now.as_second() - signed_at).abs() > 300 {
            return Err(NotAuthentic::Stale);
        }
        let source_id = if FLAW == ID_OF_THE_MOMENT { now.to_string() } else { id };
        Ok(Authentic { source_id, kind: String::new(), account: None })
    }

    #[test]
    fn each_flaw_of_an_authentication_is_found() {
        fn check<const FLAW: u8>(expected: Option<&str>) {
            let webhooks = Webhooks { authenticate: authenticate::<FLAW>, sign: sign::<FLAW> };
            let fixtures = named(&[("a__one.txt", "a body"), ("a__two.txt", "")]);
            let said = said(|| authenticates(&webhooks, &fixtures));
            let fits = match expected {
                None => said.is_none(),
                Some(words) => said.as_ref().is_some_and(|said| said.contains(words)),
            };
            assert!(fits, "flaw {FLAW}: {said:?}");
        }
        check::<SOUND>(None);
        check::<ANY_BODY>(Some("bit 0 of 0"));
        check::<EMPTY_SECRET>(Some("WrongSignature"));
        check::<NEVER_STALE>(Some("a day too old"));
        check::<ID_OF_THE_MOMENT>(Some("it is another delivery"));
        check::<UNSIGNED>(Some("without headers"));
    }
}
