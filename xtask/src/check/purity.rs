//! Pure crates turn bytes and values into values. They cannot wait, call out, look at a clock or
//! store anything, so their tests need nothing and a connector cannot surprise the hub.

use anyhow::Result;

use super::arrows::{matches, normal_dependencies};
use super::source::{Kind, Token, tokens};
use super::workspace::Workspace;

const PURE: [&str; 4] = ["crates/domain", "crates/matching", "crates/connect", "connectors/*"];

/// What a pure crate may use directly. A crate that opens sockets, files or databases, starts
/// tasks, or rolls dice has no place here.
const ALLOWED: &[&str] = &[
    "base64",
    "csv-core",
    "flate2",
    "hex",
    "hmac",
    "iso_currency",
    "jiff",
    "memchr",
    "quick-xml",
    "rust_decimal",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "subtle",
    "thiserror",
];

const FORBIDDEN_WORDS: [&str; 4] = ["async", "await", "SystemTime", "Instant"];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in workspace.members() {
        let folder = package.folder.as_deref().unwrap_or_default();
        if PURE.iter().any(|pattern| matches(pattern, folder)) {
            let outside = normal_dependencies(package).filter(|name| !name.starts_with("trueup-"));
            for name in outside.filter(|name| !ALLOWED.contains(name)) {
                problems.push(format!("{folder} is pure and must not depend on `{name}`"));
            }
        }
    }
    let folders = PURE.map(|pattern| pattern.trim_end_matches("/*"));
    for source in workspace.sources_below(&folders) {
        let tokens = tokens(&source.text);
        for (at, token) in tokens.iter().enumerate() {
            if is_impure(token, &tokens[..at]) {
                let Token { text, line, .. } = token;
                problems.push(format!("{}:{line}: pure code has `{text}`", source.path));
            }
        }
    }
    Ok(problems)
}

fn is_impure(token: &Token<'_>, before: &[Token<'_>]) -> bool {
    // `Timestamp::now`, of any clock.
    let follows_path =
        matches!(before, [.., first, second] if first.text == ":" && second.text == ":");
    let reads_clock = token.text == "now" && follows_path;
    token.kind == Kind::Word && (FORBIDDEN_WORDS.contains(&token.text) || reads_clock)
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Package;
    use super::*;

    #[test]
    fn a_network_client_is_found() {
        let packages = vec![Package::of("connectors/acme", "trueup-acme", &["serde", "reqwest"])];
        assert_eq!(
            check(&Workspace::of_packages(packages)).unwrap(),
            ["connectors/acme is pure and must not depend on `reqwest`"]
        );
    }

    #[test]
    fn a_look_at_the_clock_is_found_and_a_time_passed_in_is_not() {
        let workspace = Workspace::of_sources(&[
            ("connectors/acme/src/lib.rs", "// async\nfn due(now: Timestamp) -> bool { now > x }"),
            ("crates/domain/src/lib.rs", "pub fn f() {\n    let t = jiff::Timestamp::now();\n}"),
            ("crates/matching/src/lib.rs", "pub async fn f() {}"),
            ("crates/hub/src/lib.rs", "pub async fn f() {}"),
        ]);
        assert_eq!(
            check(&workspace).unwrap(),
            [
                "crates/domain/src/lib.rs:2: pure code has `now`",
                "crates/matching/src/lib.rs:1: pure code has `async`",
            ]
        );
    }
}
