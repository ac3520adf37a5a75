//! A scenario as it is written: what is said, and what comes of it.
//!
//! The grammar is told in `docs/scenarios.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Begins the part that a test compares.
const EXPECTED: &str = "=> what comes of it";

/// Between two rounds the books come to rest.
const REST: &str = "--";

pub struct Scenario {
    /// The name of its file, and of its connection.
    pub name: String,
    /// One sentence: what it shows.
    pub title: String,
    headings: BTreeMap<String, String>,
    pub rounds: Vec<Vec<Statement>>,
    pub expected: String,
    path: PathBuf,
    /// All that stands above the expected part.
    given: String,
}

/// A line, and the indented lines below it.
#[derive(Clone)]
pub struct Statement {
    pub line: String,
    pub details: Vec<String>,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// All scenarios, by name.
pub fn all() -> Vec<Scenario> {
    let entries = fs::read_dir(folder()).expect("the scenarios are there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut all: Vec<Scenario> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .map(|path| Scenario::read(&path))
        .collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    all
}

impl Scenario {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("readable");
        let name = path.file_stem().and_then(|it| it.to_str()).expect("a name").to_owned();
        let (given, expected) = text.split_once(&format!("{EXPECTED}\n")).unwrap_or((&text, ""));
        let mut lines = given.lines();
        let title = lines.next().unwrap_or_default().to_owned();
        let mut headings = BTreeMap::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (word, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            headings.insert(word.to_owned(), value.to_owned());
        }
        let mut rounds: Vec<Vec<Statement>> = vec![Vec::new()];
        for line in lines.filter(|line| !line.is_empty()) {
            let round = rounds.last_mut().expect("a round");
            if line == REST {
                rounds.push(Vec::new());
            } else if let Some(detail) = line.strip_prefix("  ") {
                let statement = round.last_mut().unwrap_or_else(|| panic!("{name}: {line}"));
                statement.details.push(detail.to_owned());
            } else {
                round.push(Statement { line: line.to_owned(), details: Vec::new() });
            }
        }
        Self {
            name,
            title,
            headings,
            rounds,
            expected: expected.to_owned(),
            path: path.to_owned(),
            given: given.to_owned(),
        }
    }

    pub fn heading(&self, word: &str) -> Option<&str> {
        self.headings.get(word).map(String::as_str)
    }

    pub fn european(&self) -> bool {
        match self.heading("Books") {
            Some("eu") => true,
            Some("us") => false,
            other => panic!("{}: the books are `us` or `eu`, not {other:?}", self.name),
        }
    }

    /// Writes down what came of it.
    pub fn accept(&self, seen: &str) {
        let text = format!("{}\n\n{EXPECTED}\n{seen}", self.given.trim_end());
        fs::write(&self.path, text).expect("writable");
    }
}

/// What is expected and not seen, and what is seen and not expected; nothing where they agree.
pub fn difference(expected: &str, seen: &str) -> Option<String> {
    if expected == seen {
        return None;
    }
    let (left, right): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), seen.lines().collect());
    let mut told = Vec::new();
    let (mut at, mut to) = (0, 0);
    while at < left.len() || to < right.len() {
        if at < left.len() && right.get(to) == Some(&left[at]) {
            told.push(format!("    {}", left[at]));
            (at, to) = (at + 1, to + 1);
        } else if at < left.len() && !right[to..].contains(&left[at]) {
            told.push(format!("  - {}", left[at]));
            at += 1;
        } else {
            told.push(format!("  + {}", right[to]));
            to += 1;
        }
    }
    Some(told.join("\n"))
}
