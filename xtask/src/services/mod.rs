//! The real programs some tests need: PostgreSQL, Odoo, a browser.
//!
//! Everything is provisioned on the machine itself. What belongs to this checkout (data, logs,
//! process ids) is under `target/services`; what is expensive to fetch or to build is under
//! `$XDG_CACHE_HOME/trueup` (or `~/.cache/trueup`) and shared by all checkouts.

mod chromium;
mod odoo;
mod packages;
mod postgres;
mod process;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{seconds, shell};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    Postgres,
    Odoo,
    Chromium,
}

impl Service {
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Odoo, Self::Chromium];
}

/// What `up` found or did, so that a test run stops exactly what it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Up {
    AlreadyRunning,
    Started,
}

/// A setting that tests read, as name and value.
pub type Variable = (&'static str, String);

/// Adds to `started` what did not run before, also when a later service fails.
pub fn up(services: &[Service], started: &mut Vec<Service>) -> Result<()> {
    let _guard = lock()?;
    for service in Service::ALL {
        let needed = services.contains(&service)
            || (service == Service::Postgres && services.contains(&Service::Odoo));
        if needed && start(service)? == Up::Started {
            started.push(service);
        }
    }
    Ok(())
}

fn start(service: Service) -> Result<Up> {
    match service {
        Service::Postgres => postgres::up(),
        Service::Odoo => odoo::up(),
        Service::Chromium => chromium::up(),
    }
    .with_context(|| format!("could not provide {}", name(service)))
}

/// Stops in reverse order: Odoo holds connections to PostgreSQL.
pub fn down(services: &[Service]) -> Result<()> {
    let _guard = lock()?;
    for service in Service::ALL.into_iter().rev().filter(|service| services.contains(service)) {
        match service {
            Service::Postgres => postgres::down()?,
            Service::Odoo => odoo::down()?,
            Service::Chromium => {}
        }
    }
    Ok(())
}

/// The variables of every service that runs now.
pub fn variables() -> Result<Vec<Variable>> {
    let mut variables = postgres::variables()?;
    variables.extend(odoo::variables()?);
    variables.extend(chromium::variables());
    Ok(variables)
}

pub fn status() -> Result<()> {
    println!("postgres  {}", postgres::status()?);
    println!("odoo      {}", odoo::status()?);
    println!("chromium  {}", chromium::status());
    Ok(())
}

fn name(service: Service) -> String {
    format!("{service:?}").to_lowercase()
}

fn directory() -> PathBuf {
    shell::root().join("target/services")
}

fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    let cache = base.join("trueup");
    fs::create_dir_all(&cache)?;
    Ok(cache)
}

/// One `up` or `down` at a time in a checkout; a second one waits.
fn lock() -> Result<File> {
    fs::create_dir_all(directory())?;
    let file = File::create(directory().join("lock"))?;
    file.lock()?;
    Ok(file)
}

/// Runs one phase of provisioning and prints how long it took.
fn phase<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let result = work().with_context(|| what.to_owned())?;
    println!("  {:<44}{:>8} s", what, seconds(started.elapsed()));
    Ok(result)
}

/// A short name for exactly this content. It names caches and proves nothing to anybody.
fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    // FNV-1a, because the standard library's hasher may change with the compiler.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
