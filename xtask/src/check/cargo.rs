//! What rustfmt and clippy say.

use anyhow::Result;

use super::workspace::Workspace;
use crate::shell::{self, command};

pub fn format(workspace: &Workspace) -> Result<Vec<String>> {
    run(workspace, &["fmt", "--all", "--check", "--", "--color", "never", "-l"])
}

pub fn clippy(workspace: &Workspace) -> Result<Vec<String>> {
    run(workspace, &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<String>> {
    let mut cargo = command("cargo", arguments.iter().copied());
    let result = shell::capture(cargo.current_dir(&workspace.root));
    Ok(result.err().map(|error| format!("{error:#}")).into_iter().collect())
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
