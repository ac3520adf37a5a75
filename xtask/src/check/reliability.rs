//! `docs/reliability.md` says of each row of the failure model which tests are named after it, or
//! why there is none yet.
//!
//! ```text
//! | A1 | the same delivery twice | `a1_a_delivery_is_stored_once` | |
//! | H6 | a stolen token          |                                | there are no accounts yet |
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};

use super::source::{Kind, tokens};
use super::workspace::Workspace;

const FILE: &str = "docs/reliability.md";
/// Rows of each letter.
const ROWS: [(char, u32); 8] =
    [('A', 22), ('B', 30), ('C', 26), ('D', 18), ('E', 26), ('F', 6), ('G', 13), ('H', 26)];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let text = read(workspace)?;
    Ok(problems(&text, &functions(workspace)))
}

/// How many rows have a test named after them, of how many; and how many tests those are.
pub struct Coverage {
    pub covered: usize,
    pub rows: usize,
    pub tests: usize,
    /// The rows without one, with the reason.
    pub open: Vec<String>,
}

pub fn coverage(workspace: &Workspace) -> Result<Coverage> {
    let text = read(workspace)?;
    let rows: Vec<Row<'_>> = text.lines().filter_map(row).collect();
    let covered = rows.iter().filter(|row| !row.tests.is_empty());
    let open = rows.iter().filter(|row| row.tests.is_empty());
    Ok(Coverage {
        covered: covered.clone().count(),
        rows: rows.len(),
        tests: covered.map(|row| row.tests.len()).sum(),
        open: open.map(|row| format!("{} {}: {}", row.id, row.fault, row.why)).collect(),
    })
}

fn read(workspace: &Workspace) -> Result<String> {
    fs::read_to_string(workspace.root.join(FILE)).with_context(|| format!("could not read {FILE}"))
}

/// Every function of the workspace: tests of a macro bear no attribute of their own.
fn functions(workspace: &Workspace) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in &workspace.sources {
        let tokens = tokens(&source.text);
        let pairs = tokens.windows(2);
        let after = pairs.filter(|pair| pair[0].text == "fn" && pair[1].kind == Kind::Word);
        names.extend(after.map(|pair| pair[1].text.to_owned()));
    }
    names
}

struct Row<'a> {
    id: &'a str,
    fault: &'a str,
    tests: Vec<&'a str>,
    why: &'a str,
}

fn row(line: &str) -> Option<Row<'_>> {
    let mut cells = line.trim().strip_prefix('|')?.split('|').map(str::trim);
    let id = cells.next()?;
    let letter = id.chars().next()?;
    let number: u32 = id.get(1..)?.parse().ok()?;
    // The invariants have a table of their own, of other columns.
    if !letter.is_ascii_uppercase() || letter == 'I' || number == 0 {
        return None;
    }
    let (fault, tests, why) = (cells.next()?, cells.next()?, cells.next().unwrap_or_default());
    let tests = tests.split([',', ' ']).map(|it| it.trim_matches('`'));
    Some(Row { id, fault, tests: tests.filter(|it| !it.is_empty()).collect(), why })
}

fn problems(text: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for Row { id, tests, why, .. } in text.lines().filter_map(row) {
        *seen.entry(id.to_owned()).or_default() += 1;
        for test in &tests {
            if !test.starts_with(&format!("{}_", id.to_lowercase())) {
                problems.push(format!("{id}: `{test}` is not named after it"));
            } else if !functions.contains(*test) {
                problems.push(format!("{id}: there is no test `{test}`"));
            }
        }
        if tests.is_empty() && why.is_empty() {
            problems.push(format!("{id} has no test, and no reason"));
        }
    }
    for (letter, count) in ROWS {
        for number in 1..=count {
            match seen.remove(&format!("{letter}{number}")) {
                Some(1) => {}
                None => problems.push(format!("{letter}{number} is missing")),
                Some(times) => problems.push(format!("{letter}{number} is listed {times} times")),
            }
        }
    }
    problems.extend(seen.into_keys().map(|id| format!("{id} is no row of the failure model")));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changed: &str, line: &str) -> Vec<String> {
        let mut text = String::new();
        for (letter, count) in ROWS {
            for number in 1..=count {
                let id = format!("{letter}{number}");
                let whole = format!("| {id} | a fault | | not yet |\n");
                text.push_str(if id == changed { line } else { &whole });
            }
        }
        problems(&text, &BTreeSet::from(["a1_it_is_so".to_owned()]))
    }

    #[test]
    fn each_row_has_a_test_of_its_name_or_a_reason() {
        assert_eq!(check("A1", "| A1 | twice | `a1_it_is_so` | |\n"), [""; 0]);
        assert_eq!(check("A1", "| A1 | twice | | |\n"), ["A1 has no test, and no reason"]);
        assert_eq!(
            check("A1", "| A1 | twice | `a1_it_is_not` | |\n"),
            ["A1: there is no test `a1_it_is_not`"]
        );
        assert_eq!(
            check("A2", "| A2 | twice | `a1_it_is_so` | |\n"),
            ["A2: `a1_it_is_so` is not named after it"]
        );
    }

    #[test]
    fn every_row_is_there_once() {
        assert_eq!(check("H26", ""), ["H26 is missing"]);
        assert_eq!(check("H26", "| H25 | | | so |\n"), ["H25 is listed 2 times", "H26 is missing"]);
        assert_eq!(
            check("H26", "| H27 | | | so |\n"),
            ["H26 is missing", "H27 is no row of the failure model"]
        );
        let invariant = "| H26 | a fault | | not yet |\n| I2 | it holds | `Watch::look` | |\n";
        assert_eq!(check("H26", invariant), [""; 0], "the invariants are no rows of it");
    }
}
