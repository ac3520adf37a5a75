//! The workspace as the checks see it: what cargo knows, and the text of every source file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell::{self, command};

pub struct Workspace {
    pub root: PathBuf,
    pub packages: Vec<Package>,
    /// Every Rust file of the workspace, in order of path.
    pub sources: Vec<SourceFile>,
}

pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: Option<String>,
    /// The folder below the root, for our own packages.
    pub folder: Option<String>,
    pub dependencies: Vec<Dependency>,
}

pub struct Dependency {
    pub name: String,
    /// False for what only tests or build scripts use.
    pub normal: bool,
}

pub struct SourceFile {
    /// Below the root, such as `crates/hub/src/lib.rs`.
    pub path: String,
    pub text: String,
}

const RUST_FOLDERS: [&str; 4] = ["crates", "connectors", "tests", "xtask"];

impl Workspace {
    pub fn load() -> Result<Self> {
        let root = shell::root().to_owned();
        let metadata = shell::capture(
            command("cargo", ["metadata", "--format-version", "1"]).current_dir(&root),
        )?;
        let packages = packages(&serde_json::from_str(&metadata)?, &root)?;
        let mut sources = Vec::new();
        for folder in RUST_FOLDERS {
            for path in files_below(&root.join(folder), "rs")? {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("could not read {}", path.display()))?;
                sources.push(SourceFile { path: relative(&root, &path), text });
            }
        }
        Ok(Self { root, packages, sources })
    }

    /// Our own packages.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.folder.is_some())
    }

    /// The source files whose path starts with one of the given folders, without their tests folders.
    pub fn sources_below<'a>(
        &'a self,
        folders: &'a [&str],
    ) -> impl Iterator<Item = &'a SourceFile> + 'a {
        self.sources.iter().filter(move |source| {
            source.path.contains("/src/")
                && folders.iter().any(|folder| source.path.starts_with(&format!("{folder}/")))
        })
    }

    #[cfg(test)]
    pub fn of_sources(sources: &[(&str, &str)]) -> Self {
        let source = |&(path, text): &(&str, &str)| SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        Self {
            root: PathBuf::from("/nowhere"),
            packages: Vec::new(),
            sources: sources.iter().map(source).collect(),
        }
    }

    #[cfg(test)]
    pub fn of_packages(packages: Vec<Package>) -> Self {
        Self { root: PathBuf::from("/nowhere"), packages, sources: Vec::new() }
    }
}

#[cfg(test)]
impl Package {
    pub fn of(folder: &str, name: &str, dependencies: &[&str]) -> Self {
        let dependency = |name: &&str| Dependency { name: (*name).to_owned(), normal: true };
        Self {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: Some("MIT".to_owned()),
            folder: Some(folder.to_owned()),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }
}

fn packages(metadata: &Value, root: &Path) -> Result<Vec<Package>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    packages
        .iter()
        .map(|package| {
            let manifest = package["manifest_path"].as_str().context("a package has a manifest")?;
            let folder = Path::new(manifest).parent().unwrap_or(root);
            let ours = package["source"].is_null() && folder.starts_with(root);
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            Ok(Package {
                name: text(&package["name"]).context("a package has a name")?,
                version: text(&package["version"]).context("a package has a version")?,
                licence: text(&package["license"]),
                folder: ours.then(|| relative(root, folder)),
                dependencies: dependencies
                    .map(|dependency| Dependency {
                        name: text(&dependency["name"]).unwrap_or_default(),
                        normal: dependency["kind"].is_null(),
                    })
                    .collect(),
            })
        })
        .collect()
}

/// All files with this extension, in order of path. A folder that does not exist has none.
pub fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

pub fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
