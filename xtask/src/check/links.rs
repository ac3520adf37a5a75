//! A link in a document leads to a file that exists. Addresses elsewhere are not followed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::workspace::{Workspace, files_below, relative};

const FOLDERS: [&str; 3] = ["docs", "connectors", "crates"];
const FILES: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "STYLE.md", "CHANGELOG.md"];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut documents: Vec<PathBuf> = FILES.iter().map(|file| workspace.root.join(file)).collect();
    for folder in FOLDERS {
        documents.extend(files_below(&workspace.root.join(folder), "md")?);
    }
    let mut problems = Vec::new();
    for document in documents.iter().filter(|document| document.is_file()) {
        let text = fs::read_to_string(document)?;
        let folder = document.parent().unwrap_or(&workspace.root);
        for (line, target) in dead_links(&text, |target| exists(workspace, folder, target)) {
            let name = relative(&workspace.root, document);
            problems.push(format!("{name}:{line}: `{target}` leads nowhere"));
        }
    }
    Ok(problems)
}

fn exists(workspace: &Workspace, folder: &Path, target: &str) -> bool {
    match target.strip_prefix('/') {
        Some(from_root) => workspace.root.join(from_root).exists(),
        None => folder.join(target).exists(),
    }
}

fn dead_links(text: &str, exists: impl Fn(&str) -> bool) -> Vec<(usize, &str)> {
    let mut dead = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(line) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !path.is_empty() && !exists(path) {
                dead.push((index + 1, target));
            }
        }
    }
    dead
}

/// Where `[words](target)`, `![image](target "title")` and `[name]: target` lead.
fn targets(line: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut in_code = false;
    let bytes = line.as_bytes();
    for at in 0..bytes.len() {
        match bytes[at] {
            b'`' => in_code = !in_code,
            b']' if !in_code && bytes.get(at + 1) == Some(&b'(') => {
                let rest = &line[at + 2..];
                let end = rest.find(')').unwrap_or(rest.len());
                targets.extend(rest[..end].split_whitespace().next());
            }
            _ => {}
        }
    }
    if line.starts_with('[') && !line.starts_with("[^") {
        let definition = line.split_once("]: ").filter(|(name, _)| !name.contains(']'));
        targets.extend(definition.and_then(|(_, target)| target.split_whitespace().next()));
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_found_and_others_are_left_alone() {
        let text = "\
See [the map](ARCHITECTURE.md#road), [gone](old.md \"was here\") and ![picture](a/b.png).
A [page](https://example.com/x), a [place](#here), code `[no](link.md)`.
```
[in code](nowhere.md)
```
[reference]: moved.md";
        assert_eq!(
            dead_links(text, |path| path == "ARCHITECTURE.md"),
            [(1, "old.md"), (1, "a/b.png"), (6, "moved.md")]
        );
    }
}
