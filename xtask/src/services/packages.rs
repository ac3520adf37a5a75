//! Debian packages: installed from the machine's own sources, or only unpacked from sid.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, command};

pub fn is_root() -> bool {
    shell::capture(&mut command("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// Installs packages of this Debian release.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("  installing {}", packages.join(" "));
    let mut prefix: Vec<&str> = Vec::new();
    if !is_root() {
        if !shell::succeeds(&mut command("sudo", ["-n", "true"])) {
            bail!("please install as root: apt-get install {}", packages.join(" "));
        }
        prefix.extend(["sudo", "-n"]);
    }
    prefix.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q"]);
    let apt = |arguments: &[&str]| {
        shell::capture(command(prefix[0], prefix[1..].iter().copied()).args(arguments))
    };
    // A fresh image has no package lists; elsewhere a stale list is good enough most of the time.
    let install = [&["install", "--no-install-recommends"], packages].concat();
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}

/// Downloads one package of Debian sid to `folder` without touching the machine's own apt state,
/// and returns the file.
pub fn download_from_sid(package: &str, folder: &Path) -> Result<PathBuf> {
    let apt = folder.join("apt");
    for directory in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(directory))?;
    }
    let (extension, text) = sid_sources(&own_sources()?, &codename()?)?;
    let list = apt.join(format!("sid.{extension}"));
    fs::write(&list, text)?;

    let options = [
        format!("Dir::Etc::sourcelist={}", list.display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State={}", apt.join("state").display()),
        format!("Dir::Cache={}", apt.join("cache").display()),
        // The unprivileged download user cannot write to a folder in somebody's home.
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::Languages=none".to_owned(),
        // A mirror may lag behind for weeks. The signature is checked all the same, and what is
        // downloaded is only unpacked, for tests.
        "Acquire::Check-Valid-Until=false".to_owned(),
    ];
    let apt_get = |arguments: &[&str]| {
        let mut command = command("apt-get", ["-q"]);
        for option in &options {
            command.args(["-o", option]);
        }
        shell::capture(command.args(arguments).current_dir(folder))
    };
    apt_get(&["update"])?;
    apt_get(&["download", package])?;
    fs::remove_dir_all(&apt)?;

    find_package(package, folder).with_context(|| format!("apt-get left no {package}_*.deb"))
}

/// The newest downloaded file of the package, if there is one.
pub fn find_package(package: &str, folder: &Path) -> Option<PathBuf> {
    let prefix = format!("{package}_");
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".deb")
    };
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(is_ours).max()
}

fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release")?;
    release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("this does not look like Debian: no VERSION_CODENAME in /etc/os-release")
}

/// The machine's source files, each with its extension.
fn own_sources() -> Result<Vec<(String, String)>> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        if file.is_file() && ["list", "sources"].contains(&extension.as_str()) {
            sources.push((extension, fs::read_to_string(&file)?));
        }
    }
    Ok(sources)
}

/// The machine's own source of its release, asked for sid instead: same mirror, same key.
fn sid_sources(sources: &[(String, String)], codename: &str) -> Result<(String, String)> {
    for (extension, text) in sources {
        let found = if extension == "sources" {
            text.split("\n\n").find_map(|stanza| sid_stanza(stanza, codename))
        } else {
            text.lines().find_map(|line| sid_line(line, codename))
        };
        if let Some(found) = found {
            return Ok((extension.clone(), found));
        }
    }
    bail!("no apt source for {codename} found under /etc/apt; sid is asked of the same mirror")
}

fn sid_stanza(stanza: &str, codename: &str) -> Option<String> {
    let field = |line: &str, name: &str| {
        line.split_once(':')
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    let has = |name: &str, value: &str| {
        stanza.lines().filter_map(|line| field(line, name)).flatten().any(|word| word == value)
    };
    if !has("Types", "deb") || !has("Suites", codename) || !has("Components", "main") {
        return None;
    }
    let lines = stanza.lines().filter(|line| !line.starts_with('#')).map(|line| {
        match line.split_once(':').map(|(key, _)| key.to_lowercase()).as_deref() {
            Some("types") => "Types: deb",
            Some("suites") => "Suites: sid",
            Some("components") => "Components: main",
            _ => line,
        }
    });
    Some(lines.collect::<Vec<_>>().join("\n") + "\n")
}

fn sid_line(line: &str, codename: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']').map(|(options, rest)| (format!("[{options}] "), rest))?
        }
        None => (String::new(), rest),
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [uri, suite, components @ ..] = words.as_slice() else { return None };
    (*suite == codename && components.contains(&"main"))
        .then(|| format!("deb {options}{uri} sid main\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(extension: &str, text: &str, expected: Option<&str>) {
        let sources = [(extension.to_owned(), text.to_owned())];
        let found = sid_sources(&sources, "bookworm").ok().map(|(_, text)| text);
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_stanza_keeps_its_mirror_and_key() {
        check(
            "sources",
            "Types: deb deb-src\n# a remark\nURIs: http://mirror.example/debian\n\
             Suites: bookworm bookworm-updates\nComponents: main contrib\nSigned-By: /usr/share/k.gpg\n\
             \nTypes: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n\
             Components: main\n",
            Some(
                "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\n\
                 Signed-By: /usr/share/k.gpg\n",
            ),
        );
    }

    #[test]
    fn a_line_keeps_its_options() {
        check(
            "list",
            "deb http://other.example/tools stable main\n\
             deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main non-free\n",
            Some("deb [signed-by=/k.gpg] http://mirror.example/debian sid main\n"),
        );
    }

    #[test]
    fn security_and_other_vendors_are_not_taken_for_the_release() {
        check("list", "deb http://mirror.example/security bookworm-security main\n", None);
        check("list", "deb-src http://mirror.example/debian bookworm main\n", None);
        check("sources", "Types: deb\nURIs: u\nSuites: nodistro\nComponents: main\n", None);
    }
}
