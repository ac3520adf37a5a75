//! The map in ARCHITECTURE.md is checked, not believed: no crate knows one above or beside it.

use anyhow::Result;

use super::workspace::{Package, Workspace};

/// Bottom to top. A folder that ends in `/*` stands for each folder in it.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("crates/domain", &[]),
    ("crates/matching", &["crates/domain"]),
    ("crates/connect", &["crates/domain"]),
    ("crates/store", &["crates/domain"]),
    ("connectors/*", &["crates/domain", "crates/connect"]),
    ("crates/sandbox", &["crates/domain", "crates/connect", "connectors/*"]),
    ("crates/hub", &["crates/domain", "crates/matching", "crates/connect", "crates/store"]),
    ("crates/server", &["crates/domain", "crates/store", "crates/hub"]),
    (
        "crates/trueup",
        &[
            "crates/domain",
            "crates/matching",
            "crates/connect",
            "crates/store",
            "crates/hub",
            "crates/server",
            "crates/sandbox",
            "connectors/*",
        ],
    ),
    // What no crate can test alone may use everything but the binary, which it runs.
    // The bench and the tests of the real Odoo start their databases alike.
    ("tests/*", &["crates/*", "connectors/*", "tests/odoo"]),
    ("xtask", &[]),
];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let folder_of =
        |name: &str| workspace.members().find(|package| package.name == name)?.folder.as_deref();
    let mut problems = Vec::new();
    for package in workspace.members() {
        let folder = package.folder.as_deref().unwrap_or_default();
        let Some(allowed) = allowed(folder) else {
            problems.push(format!("{folder}: not on the map; add it to MAY_DEPEND_ON"));
            continue;
        };
        for target in normal_dependencies(package).filter_map(folder_of) {
            if !allowed.iter().any(|pattern| matches(pattern, target)) {
                problems.push(format!("{folder} must not depend on {target}"));
            }
        }
    }
    Ok(problems)
}

/// Tests may look sideways; only what is shipped is on the map.
pub fn normal_dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.normal);
    normal.map(|dependency| dependency.name.as_str())
}

pub fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(parent) => folder.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/')),
        None => pattern == folder,
    }
}

fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    MAY_DEPEND_ON.iter().find(|(pattern, _)| matches(pattern, folder)).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_upwards_and_a_crate_off_the_map_are_found() {
        let workspace = Workspace::of_packages(vec![
            Package::of("crates/domain", "trueup-domain", &[]),
            Package::of("connectors/acme", "trueup-acme", &["trueup-domain", "trueup-bank"]),
            Package::of("connectors/bank", "trueup-bank", &["trueup-domain"]),
            Package::of("crates/hub", "trueup-hub", &["trueup-domain", "trueup-acme", "serde"]),
            Package::of("crates/helpers", "trueup-helpers", &[]),
        ]);
        assert_eq!(
            check(&workspace).unwrap(),
            [
                "connectors/acme must not depend on connectors/bank",
                "crates/hub must not depend on connectors/acme",
                "crates/helpers: not on the map; add it to MAY_DEPEND_ON",
            ]
        );
    }
}
