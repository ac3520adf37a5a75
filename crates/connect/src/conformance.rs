//! The suite every connector passes; one line in its tests runs it.
//!
//! Fixtures live in `connectors/<name>/fixtures/<case>.<ext>`, named `<kind>__<case>.<ext>` so that
//! the kind of the message is known (`/` in a kind is written `~`, `?` is written `^`, since not
//! every file system takes them); beside each stands
//! `<same name>.expected`, the decoded JSON lines or `error TUnnn: …`. `UPDATE_EXPECT=1` rewrites
//! them. Two fixtures `pair_<n>__…` of one object in two shapes must decode to equal documents.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::Connector;
use crate::message::{DecodeError, Decoded, Message};

/// One JSON line per document, hint or ignored message: what `trueup decode` prints.
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
    never_panics(connector, &fixtures);
}

fn fixtures(dir: &Path) -> BTreeMap<String, (std::path::PathBuf, Vec<u8>)> {
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

fn goldens(connector: &Connector, fixtures: &BTreeMap<String, (std::path::PathBuf, Vec<u8>)>) {
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

/// Truncated and mutated bodies give an error or another document, and never a panic.
fn never_panics(connector: &Connector, fixtures: &BTreeMap<String, (std::path::PathBuf, Vec<u8>)>) {
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
