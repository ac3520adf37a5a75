//! A browser for the console's tests. It is a program, not a server: `up` only makes sure it exists.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Up, Variable, packages, phase};
use crate::shell;

const NAMES: [&str; 4] = ["chromium-headless-shell", "chromium", "google-chrome", "chrome"];

pub fn up() -> Result<Up> {
    println!("chromium");
    let browser = match find() {
        Some(browser) => browser,
        None => phase("install packages", || {
            packages::install(&["chromium-headless-shell"])
                .or_else(|_| packages::install(&["chromium"]))?;
            find().context("no browser found after installing")
        })?,
    };
    println!("  {}", browser.display());
    Ok(Up::AlreadyRunning)
}

pub fn status() -> String {
    find().map_or("not installed".to_owned(), |browser| browser.display().to_string())
}

pub fn variables() -> Vec<Variable> {
    find()
        .map(|browser| ("TRUEUP_TEST_CHROMIUM", browser.display().to_string()))
        .into_iter()
        .collect()
}

fn find() -> Option<PathBuf> {
    NAMES.into_iter().find_map(shell::find_program)
}
