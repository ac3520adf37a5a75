//! Runs every test: first what needs nothing, then what needs a real service.
//!
//! A test that needs a service looks for its variables and passes with a note when they are
//! missing, so plain `cargo test` works anywhere. Here they are set, and a service that cannot be
//! provided is a failure.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::seconds;
use crate::services::{self, Service, Variable};
use crate::shell::{self, command};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Everything that needs nothing but cargo
    Pure,
    /// The same store and hub on a real PostgreSQL
    Postgres,
    /// Scenarios against a real Odoo
    Odoo,
    /// The console in a real browser
    Browser,
}

struct Plan {
    group: Group,
    services: &'static [Service],
    /// The packages that read the variables of those services.
    packages: &'static [&'static str],
    /// Of a package whose other tests need no service, the targets that read them.
    targets: &'static [(&'static str, &'static [&'static str])],
}

const PLANS: [Plan; 4] = [
    Plan { group: Group::Pure, services: &[], packages: &[], targets: &[] },
    Plan {
        group: Group::Postgres,
        services: &[Service::Postgres],
        packages: &["trueup-store", "trueup-hub", "trueup-server"],
        targets: &[("trueup", &["cli", "kill_on_postgres"])],
    },
    Plan {
        group: Group::Odoo,
        services: &[Service::Postgres, Service::Odoo],
        packages: &["trueup-odoo-tests"],
        targets: &[],
    },
    Plan {
        group: Group::Browser,
        services: &[Service::Chromium],
        packages: &["trueup-browser-tests"],
        targets: &[],
    },
];

/// Packages with nothing to say without a service. The others are tested without one as well.
const ONLY_WITH_SERVICE: [&str; 2] = ["trueup-odoo-tests", "trueup-browser-tests"];

pub struct Options {
    pub only: Option<Group>,
    /// Release figures: more seeds, larger volumes.
    pub long: bool,
    /// Passed on: a part of the names of the tests to run.
    pub filter: Vec<String>,
}

pub fn run(options: &Options) -> Result<()> {
    let mut started = Vec::new();
    let result = run_groups(options, &mut started);
    let stopped = services::down(&started);
    result.and(stopped)
}

fn run_groups(options: &Options, started: &mut Vec<Service>) -> Result<()> {
    let mut times = Vec::new();
    let mut time = |what: String, since: Instant| times.push((what, since.elapsed()));
    for plan in &PLANS {
        if options.only.is_some_and(|only| only != plan.group) {
            continue;
        }
        let name = plan.group.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        if !plan.services.is_empty() {
            println!("\n== {name}: services");
            let since = Instant::now();
            services::up(plan.services, started)?;
            time(format!("{name}: services"), since);
        }
        println!("\n== {name}: tests");
        let since = Instant::now();
        run_plan(plan, options)?;
        time(format!("{name}: tests"), since);
    }
    println!();
    for (what, elapsed) in times {
        println!("{what:<24}{:>8} s", seconds(elapsed));
    }
    Ok(())
}

fn run_plan(plan: &Plan, options: &Options) -> Result<()> {
    let variables = if plan.services.is_empty() { Vec::new() } else { services::variables()? };
    let has_nextest = shell::find_program("cargo-nextest").is_some();
    for command_line in command_lines(plan, has_nextest) {
        let mut cargo = command("cargo", command_line.iter().map(String::as_str));
        cargo.args(&options.filter).current_dir(shell::root());
        set_variables(&mut cargo, &variables, options.long);
        shell::run(&mut cargo)?;
    }
    Ok(())
}

fn command_lines(plan: &Plan, has_nextest: bool) -> Vec<Vec<String>> {
    if has_nextest {
        return nextest_lines(plan);
    }
    let mut selections = vec![Vec::new()];
    if plan.packages.is_empty() {
        selections[0].push("--workspace".to_owned());
        selections[0].extend(ONLY_WITH_SERVICE.map(|package| format!("--exclude={package}")));
    } else {
        selections[0].extend(plan.packages.iter().map(|package| format!("--package={package}")));
    }
    selections.extend(plan.targets.iter().map(|(package, targets)| {
        let mut selection = vec![format!("--package={package}")];
        selection.extend(targets.iter().map(|target| format!("--test={target}")));
        selection
    }));
    let test = |selection: Vec<String>| [vec!["test".to_owned()], selection].concat();
    selections.into_iter().map(test).collect()
}

/// Every group builds the whole workspace and filters afterwards: a selection of packages would
/// unify the features of their dependencies in its own way, and build them once more.
fn nextest_lines(plan: &Plan) -> Vec<Vec<String>> {
    let package = |name: &&str| format!("package(={name})");
    let filter = if plan.packages.is_empty() {
        format!("not ({})", ONLY_WITH_SERVICE.iter().map(package).collect::<Vec<_>>().join(" + "))
    } else {
        let targets = plan.targets.iter().flat_map(|(name, targets)| {
            targets.iter().map(move |target| format!("(package(={name}) & binary(={target}))"))
        });
        plan.packages.iter().map(package).chain(targets).collect::<Vec<_>>().join(" + ")
    };
    let run = ["nextest", "run", "--no-tests=pass", "--workspace", "--filterset"];
    let mut lines = vec![run.map(str::to_owned).to_vec()];
    lines[0].push(filter);
    if plan.group == Group::Pure {
        // Nextest leaves out the examples in the documentation.
        lines.push(["test", "--doc", "--workspace"].map(str::to_owned).to_vec());
    }
    lines
}

fn set_variables(cargo: &mut Command, variables: &[Variable], long: bool) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRUEUP_TEST_") {
            cargo.env_remove(name);
        }
    }
    cargo.envs(variables.iter().map(|(name, value)| (name, value)));
    if long {
        cargo.env("TRUEUP_TEST_LONG", "1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_that_needs_a_service_is_in_a_plan_that_has_it() {
        for package in ONLY_WITH_SERVICE {
            let plan = PLANS.iter().find(|plan| plan.packages.contains(&package));
            assert!(plan.is_some_and(|plan| !plan.services.is_empty()), "{package} never runs");
        }
    }

    #[test]
    fn a_system_without_nextest_runs_the_same_packages() {
        let [plain] = command_lines(&PLANS[2], false).try_into().unwrap();
        assert_eq!(plain, ["test", "--package=trueup-odoo-tests"]);
        let [with_nextest] = command_lines(&PLANS[2], true).try_into().unwrap();
        let filter = with_nextest.last().unwrap();
        assert_eq!(filter, "package(=trueup-odoo-tests)");
        let pure = command_lines(&PLANS[0], true);
        let filter = "not (package(=trueup-odoo-tests) + package(=trueup-browser-tests))";
        assert_eq!(pure[0].last().unwrap(), filter);
        let on_postgres = command_lines(&PLANS[1], true);
        assert!(on_postgres[0].last().unwrap().ends_with(
            "(package(=trueup) & binary(=cli)) + (package(=trueup) & binary(=kill_on_postgres))"
        ));
    }
}
