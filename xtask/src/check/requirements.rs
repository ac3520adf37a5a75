//! `docs/requirements.md` says of each requirement whether it works and what proves it.
//!
//! ```text
//! | S1  | not yet |                                                   |
//! | S83 | works   | test:decide_is_idempotent, test:replay_is_silent  |
//! | S90 | works   | command:cargo run -- demo                         |
//! ```
//! Further columns may stand between or after; the first is the number, the second the state, the
//! third the proof.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::Result;

use super::source::{Token, tokens};
use super::workspace::Workspace;

const FILE: &str = "docs/requirements.md";
const COUNT: u32 = 280;

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let Ok(text) = fs::read_to_string(workspace.root.join(FILE)) else {
        return Ok(vec![format!(
            "{FILE} does not exist; it lists S1 to S{COUNT} with their states"
        )]);
    };
    let sources = workspace.sources.iter();
    let tests = sources.flat_map(|source| test_names(&tokens(&source.text))).collect();
    Ok(problems(&text, &tests))
}

fn problems(text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for (number, state, proof) in text.lines().filter_map(row) {
        *seen.entry(number).or_default() += 1;
        match state {
            "not yet" => {}
            "works" => problems.extend(
                unproven(proof, tests).map(|reason| format!("S{number} works, but {reason}")),
            ),
            other => problems.push(format!("S{number} has the unknown state `{other}`")),
        }
    }
    for number in 1..=COUNT {
        match seen.remove(&number) {
            Some(1) => {}
            None => problems.push(format!("S{number} is missing")),
            Some(times) => problems.push(format!("S{number} is listed {times} times")),
        }
    }
    problems.extend(seen.keys().map(|number| format!("S{number} is no requirement")));
    problems
}

/// Number, state and proof of a table row, if it is about a requirement.
fn row(line: &str) -> Option<(u32, &str, &str)> {
    let mut cells = line.trim().strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.strip_prefix('S')?.parse().ok()?;
    Some((number, cells.next()?, cells.next().unwrap_or_default()))
}

fn unproven(proof: &str, tests: &BTreeSet<String>) -> Option<String> {
    let proof = proof.replace('`', "");
    let (names, command) = match proof.split_once("command:") {
        Some((names, command)) => (names.to_owned(), command.trim().to_owned()),
        None => (proof, String::new()),
    };
    let mut named = false;
    for word in names.split([',', ' ']).filter(|word| !word.is_empty()) {
        let Some(path) = word.strip_prefix("test:") else {
            return Some(format!("`{word}` is neither test:NAME nor command:LINE"));
        };
        let name = path.rsplit("::").next().unwrap_or(path);
        if !tests.contains(name) {
            return Some(format!("there is no test `{name}`"));
        }
        named = true;
    }
    (!named && command.is_empty()).then(|| "nothing proves it".to_owned())
}

/// The names of functions that an attribute such as `#[test]` or `#[tokio::test]` marks.
fn test_names(tokens: &[Token<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for (at, token) in tokens.iter().enumerate() {
        let after = |text: &str| tokens.get(at + 1).is_some_and(|next| next.text == text);
        match token.text {
            "test" if after("]") || after("(") => marked = true,
            "fn" if marked => {
                names.extend(tokens.get(at + 1).map(|name| name.text.to_owned()));
                marked = false;
            }
            // An attribute marks the next item only.
            "{" | "}" | ";" => marked = false,
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(u32) -> String) -> Vec<String> {
        let text: String = (1..=COUNT).map(change).collect();
        problems(&text, &BTreeSet::from(["it_is_so".to_owned()]))
    }

    fn row_is(number: u32, row: &str) -> Vec<String> {
        check(|n| if n == number { row.to_owned() } else { format!("| S{n} | not yet | |\n") })
    }

    #[test]
    fn proven_rows_pass() {
        assert_eq!(row_is(7, "| S7 | works | `test:orders::it_is_so` |\n"), [""; 0]);
        assert_eq!(
            row_is(7, "| S7 | works | test:it_is_so, command:cargo run, then look |\n"),
            [""; 0]
        );
    }

    #[test]
    fn missing_double_and_unknown_rows_are_found() {
        assert_eq!(row_is(7, ""), ["S7 is missing"]);
        assert_eq!(row_is(7, "| S8 | not yet | |\n"), ["S7 is missing", "S8 is listed 2 times"]);
        assert_eq!(
            row_is(7, "| S281 | not yet | |\n"),
            ["S7 is missing", "S281 is no requirement"]
        );
    }

    #[test]
    fn a_claim_without_proof_is_found() {
        assert_eq!(row_is(7, "| S7 | works | |\n"), ["S7 works, but nothing proves it"]);
        assert_eq!(row_is(7, "| S7 | works | command: |\n"), ["S7 works, but nothing proves it"]);
        assert_eq!(row_is(7, "| S7 | almost | |\n"), ["S7 has the unknown state `almost`"]);
        assert_eq!(
            row_is(7, "| S7 | works | test:it_is_so test:it_is_not |\n"),
            ["S7 works, but there is no test `it_is_not`"]
        );
        assert_eq!(
            row_is(7, "| S7 | works | trust me |\n"),
            ["S7 works, but `trust` is neither test:NAME nor command:LINE"]
        );
    }

    #[test]
    fn only_functions_marked_as_tests_count() {
        let source = "
            fn helper() {}
            #[test] fn plain() { mod_test(x); }
            #[tokio::test(flavor = \"x\")] #[ignore] async fn waiting() {}
            #[cfg(test)] mod tests { fn another_helper() {} }
            proptest! { #[test] fn property(x in 0..9) {} }";
        assert_eq!(test_names(&tokens(source)), ["plain", "waiting", "property"]);
    }
}
