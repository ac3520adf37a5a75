//! SQL occurs only in `crates/store`: one place to review locks and indexes.

use anyhow::Result;

use super::source::{Kind, tokens};
use super::workspace::Workspace;

/// Openings of statements, in capitals as we write them. Prose in capitals does not look like this.
const OPENINGS: [&str; 12] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE INDEX ",
    "ALTER TABLE ",
    "DROP TABLE ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for source in workspace.sources_below(&["crates", "connectors"]) {
        if source.path.starts_with("crates/store/") {
            continue;
        }
        for token in tokens(&source.text) {
            let opening = OPENINGS.iter().find(|opening| token.text.contains(*opening));
            if let (Kind::Text, Some(opening)) = (token.kind, opening) {
                let place = format!("{}:{}", source.path, token.line);
                problems.push(format!("{place}: `{}` belongs in crates/store", opening.trim()));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_outside_the_store_is_found() {
        let statement = "/// Like SELECT in SQL.\nfn f() { run(\"\n  SELECT id FROM inbox\") }";
        let workspace = Workspace::of_sources(&[
            ("crates/hub/src/receive.rs", statement),
            ("crates/store/src/inbox.rs", statement),
            ("crates/hub/tests/receive.rs", statement),
            ("crates/server/src/page.rs", "fn f() { \"Select a channel\" }"),
        ]);
        assert_eq!(
            check(&workspace).unwrap(),
            ["crates/hub/src/receive.rs:2: `SELECT` belongs in crates/store"]
        );
    }
}
