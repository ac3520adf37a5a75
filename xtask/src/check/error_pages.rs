//! Each code that an operator may see has a page with meaning, cause and remedy, and no page
//! outlives its code.

use std::collections::BTreeMap;

use anyhow::Result;

use super::source::{Kind, tokens};
use super::workspace::{Workspace, files_below};

const FOLDER: &str = "docs/errors";

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut pages = Vec::new();
    for file in files_below(&workspace.root.join(FOLDER), "md")? {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_code(&name) {
            pages.push(name);
        }
    }
    Ok(problems(&codes(workspace), &pages))
}

fn problems(codes: &BTreeMap<String, String>, pages: &[String]) -> Vec<String> {
    let without_page = codes.iter().filter(|(code, _)| !pages.contains(code));
    let without_code = pages.iter().filter(|page| !codes.contains_key(*page));
    without_page
        .map(|(code, place)| format!("{place}: {code} has no page {FOLDER}/{code}.md"))
        .chain(without_code.map(|page| format!("{FOLDER}/{page}.md: no code names it")))
        .collect()
}

/// Every code in a string literal, with the place where it is first met.
fn codes(workspace: &Workspace) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for source in workspace.sources_below(&["crates", "connectors"]) {
        for token in tokens(&source.text).iter().filter(|token| token.kind == Kind::Text) {
            let words = token.text.split(|character: char| !character.is_ascii_alphanumeric());
            for code in words.filter(|word| is_code(word)) {
                codes
                    .entry(code.to_owned())
                    .or_insert_with(|| format!("{}:{}", source.path, token.line));
            }
        }
    }
    codes
}

fn is_code(word: &str) -> bool {
    word.strip_prefix("TU").is_some_and(|digits| {
        digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_page_and_a_page_without_code_are_found() {
        let workspace = Workspace::of_sources(&[(
            "crates/connect/src/error.rs",
            "// TU199\nconst A: &str = \"TU101\";\nconst B: &str = \"see TU102, not TU1023\";",
        )]);
        let pages = ["TU101".to_owned(), "TU103".to_owned()];
        assert_eq!(
            problems(&codes(&workspace), &pages),
            [
                "crates/connect/src/error.rs:3: TU102 has no page docs/errors/TU102.md",
                "docs/errors/TU103.md: no code names it",
            ]
        );
    }
}
