//! What rustfmt and clippy say.

use anyhow::{Context, Result};

use super::workspace::Workspace;
use crate::shell::command;

pub fn format(workspace: &Workspace) -> Result<Vec<String>> {
    run(workspace, &["fmt", "--all", "--check", "--", "--color", "never", "-l"])
}

pub fn clippy(workspace: &Workspace) -> Result<Vec<String>> {
    run(workspace, &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<String>> {
    let mut cargo = command("cargo", arguments.iter().copied());
    let output = cargo.current_dir(&workspace.root).output().context("could not run cargo")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    // All of it: whoever mends one warning wants to see the others.
    let said = [output.stdout, output.stderr].concat();
    Ok(vec![String::from_utf8_lossy(&said).trim_end().to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_of_cargo_is_a_problem() {
        let workspace = Workspace { root: std::env::temp_dir(), ..Workspace::of_sources(&[]) };
        let problems = run(&workspace, &["no-such-command"]).unwrap();
        assert!(problems[0].contains("no-such-command"), "{problems:?}");
    }
}
