//! Trueup is shipped as one binary, so every crate in it must come under a permissive licence.

use anyhow::Result;

use super::workspace::Workspace;

const PERMISSIVE: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let complaint = |name: &str, version: &str, licence: Option<&str>| match licence {
        None => Some(format!("{name} {version} states no licence")),
        Some(licence) if is_permissive(licence) => None,
        Some(licence) => Some(format!("{name} {version} is under `{licence}`")),
    };
    let packages = workspace.packages.iter();
    Ok(packages
        .filter_map(|package| {
            complaint(&package.name, &package.version, package.licence.as_deref())
        })
        .collect())
}

/// An SPDX expression of licences, `OR`, `AND` and brackets; older crates write `/` for `OR`.
/// What cannot be read is not permissive.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

fn either(words: &mut &[&str]) -> Option<bool> {
    let mut permissive = all(words)?;
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        permissive |= all(words)?;
    }
    Some(permissive)
}

fn all(words: &mut &[&str]) -> Option<bool> {
    let mut permissive = one(words)?;
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        permissive &= one(words)?;
    }
    Some(permissive)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let permissive = either(words)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(permissive)
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(PERMISSIVE.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        [licence, rest @ ..] => {
            *words = rest;
            Some(PERMISSIVE.contains(licence))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Package;
    use super::*;

    #[test]
    fn expressions_are_judged_by_their_meaning() {
        for permissive in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(is_permissive(permissive), "{permissive}");
        }
        for other in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR LGPL-3.0)",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "MIT OR",
            "(MIT",
            "MIT Apache-2.0",
            "",
        ] {
            assert!(!is_permissive(other), "{other}");
        }
    }

    #[test]
    fn a_crate_without_or_with_another_licence_is_found() {
        let with = |name: &str, licence: Option<&str>| Package {
            licence: licence.map(str::to_owned),
            ..Package::of("vendor", name, &[])
        };
        let packages = vec![with("a", Some("MIT")), with("b", None), with("c", Some("AGPL-3.0"))];
        assert_eq!(
            check(&Workspace::of_packages(packages)).unwrap(),
            ["b 1.0.0 states no licence", "c 1.0.0 is under `AGPL-3.0`"]
        );
    }
}
