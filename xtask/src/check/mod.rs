//! What must hold before a change lands. One module per check; each shows in a test how it fails.

mod arrows;
mod cargo;
mod error_pages;
mod licences;
mod links;
mod purity;
mod reliability;
mod requirements;
mod source;
mod sql;
mod vendors;
mod workspace;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::seconds;
use workspace::Workspace;

/// Returns one line for each thing that is wrong.
type Check = fn(&Workspace) -> Result<Vec<String>>;

/// Quick ones first: the compiler speaks last.
const CHECKS: &[(&str, &str, Check)] = &[
    ("format", "rustfmt would change nothing", cargo::format),
    ("arrows", "crates depend only downwards", arrows::check),
    ("purity", "pure crates have no async, network, clock or database", purity::check),
    ("sql", "SQL occurs only in crates/store", sql::check),
    ("vendors", "general crates name no vendor", vendors::check),
    ("licences", "every dependency may be shipped", licences::check),
    ("requirements", "each requirement has one true state", requirements::check),
    ("reliability", "each row of the failure model has a test or a reason", reliability::check),
    ("errors", "each error code has its page", error_pages::check),
    ("links", "no link in the documents is dead", links::check),
    ("clippy", "no warning anywhere", cargo::clippy),
];

/// Which rows of the failure model have tests.
pub fn coverage() -> Result<reliability::Coverage> {
    reliability::coverage(&Workspace::load()?)
}

pub fn run(only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| CHECKS.iter().all(|(known, ..)| known != name)) {
        let known: Vec<&str> = CHECKS.iter().map(|(name, ..)| *name).collect();
        bail!("there is no check `{unknown}`; there are: {}", known.join(", "));
    }
    let workspace = Workspace::load()?;
    let mut failed = Vec::new();
    for (name, meaning, check) in CHECKS {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        let started = Instant::now();
        let problems = check(&workspace).unwrap_or_else(|error| vec![format!("{error:#}")]);
        let verdict = if problems.is_empty() { "ok  " } else { "FAIL" };
        println!("{verdict} {name:<13}{meaning:<58}{:>6} s", seconds(started.elapsed()));
        for problem in &problems {
            println!("     {}", problem.replace('\n', "\n     "));
        }
        if !problems.is_empty() {
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
