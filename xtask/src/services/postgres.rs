//! A PostgreSQL cluster of our own, from the system's packages, tuned for tests: no fsync.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Up, Variable, directory, packages, phase, process};
use crate::shell::{self, command};

/// The superuser of our cluster. Odoo refuses to work as `postgres`, so nobody is called that.
pub const SUPERUSER: &str = "trueup";

/// The role that owns Odoo's databases.
pub const ODOO: &str = "odoo";

pub struct Cluster {
    pub binaries: PathBuf,
    pub port: u16,
}

pub fn up() -> Result<Up> {
    println!("postgres");
    let binaries = match binaries() {
        Some(binaries) => binaries,
        None => phase("install packages", || {
            packages::install(&["postgresql", "postgresql-contrib"])?;
            binaries().context("no server under /usr/lib/postgresql after installing")
        })?,
    };
    if let Some(cluster) = running()? {
        println!("  already running on port {}", cluster.port);
        return Ok(Up::AlreadyRunning);
    }

    let data = data_directory()?;
    let fresh = !data.join("PG_VERSION").exists();
    if fresh {
        phase("create a cluster", || create(&binaries, &data))?;
    }
    let port = process::free_port(state().map(|(port, _)| port))?;
    phase("start", || start(&binaries, &data, port))?;
    fs::write(state_file(), format!("{port}\n{}\n", data.display()))?;
    let cluster = Cluster { binaries, port };
    if fresh {
        cluster.sql("postgres", &format!("CREATE ROLE {ODOO} LOGIN CREATEDB"))?;
        cluster.sql("postgres", &format!("CREATE DATABASE {SUPERUSER}"))?;
    }
    println!("  {}", cluster.url());
    Ok(Up::Started)
}

pub fn down() -> Result<()> {
    if running()?.is_some() {
        let (_, data) = state().context("the cluster runs, but its state file is gone")?;
        let binaries = binaries().context("the server binaries are gone")?;
        let data = data.to_string_lossy();
        shell::capture(&mut as_owner(
            &binaries.join("pg_ctl"),
            &["-D", &data, "-m", "fast", "-w", "stop"],
        ))?;
        println!("postgres stopped");
    }
    Ok(())
}

pub fn status() -> Result<String> {
    Ok(running()?.map_or("not running".to_owned(), |cluster| cluster.url()))
}

pub fn variables() -> Result<Vec<Variable>> {
    Ok(running()?.map(|cluster| ("TRUEUP_TEST_PG", cluster.url())).into_iter().collect())
}

/// The cluster of this checkout, if its server runs.
pub fn running() -> Result<Option<Cluster>> {
    let (Some((port, data)), Some(binaries)) = (state(), binaries()) else { return Ok(None) };
    let alive = process::running(&data.join("postmaster.pid"), "postgres").is_some();
    Ok(alive.then_some(Cluster { binaries, port }))
}

impl Cluster {
    pub fn url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{SUPERUSER}", self.port)
    }

    pub fn major_version(&self) -> String {
        let version = self.binaries.parent().and_then(Path::file_name).unwrap_or_default();
        version.to_string_lossy().into_owned()
    }

    /// A client program, already told where the server is and who asks.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", SUPERUSER]);
        command
    }

    /// Runs one statement and returns what it answers, unadorned.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let arguments =
            ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement];
        Ok(shell::capture(self.client("psql").args(arguments))?.trim().to_owned())
    }
}

/// The newest server installed.
fn binaries() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(version)
        .map(|path| path.join("bin"))
}

fn create(binaries: &Path, data: &Path) -> Result<()> {
    fs::remove_dir_all(data).ok();
    fs::create_dir_all(data)?;
    if packages::is_root() {
        shell::capture(command("chown", ["postgres:"]).arg(data))?;
    }
    let data = data.to_string_lossy();
    shell::capture(&mut as_owner(
        &binaries.join("initdb"),
        &[
            "-D",
            &data,
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
    ))?;
    Ok(())
}

fn start(binaries: &Path, data: &Path, port: u16) -> Result<()> {
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=400",
        "shared_buffers=256MB",
        // The data is worth nothing after the tests.
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "max_wal_size=4GB",
    ];
    let mut options = format!("-p {port}");
    for setting in settings {
        options.push_str(" -c ");
        options.push_str(setting);
    }
    let log = data.join("server.log");
    shell::run(
        as_owner(
            &binaries.join("pg_ctl"),
            &[
                "-D",
                &data.to_string_lossy(),
                "-w",
                "-s",
                "-l",
                &log.to_string_lossy(),
                "-o",
                &options,
                "start",
            ],
        )
        // The server would keep a pipe open for ever.
        .stdout(std::process::Stdio::null()),
    )
    .with_context(|| fs::read_to_string(&log).unwrap_or_default())
}

/// PostgreSQL refuses to run as root, so root asks the user that the package made.
fn as_owner(program: &Path, arguments: &[&str]) -> Command {
    let mut command = if packages::is_root() {
        let mut command = command("runuser", ["-u", "postgres", "--"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).current_dir("/");
    command
}

/// Beside the other services, or under `/var/tmp` when the user postgres may not enter the checkout.
fn data_directory() -> Result<PathBuf> {
    let home = directory();
    fs::create_dir_all(&home)?;
    if shell::succeeds(&mut as_owner(Path::new("test"), &["-x", &home.to_string_lossy()])) {
        return Ok(home.join("pg"));
    }
    let tag = super::fingerprint([home.to_string_lossy().as_bytes()]);
    let fallback = Path::new("/var/tmp").join(format!("trueup-pg-{tag}"));
    if fallback.is_symlink() {
        bail!("{} is a link; somebody else made it", fallback.display());
    }
    Ok(fallback)
}

fn state_file() -> PathBuf {
    directory().join("postgres.state")
}

fn state() -> Option<(u16, PathBuf)> {
    let text = fs::read_to_string(state_file()).ok()?;
    let mut lines = text.lines();
    Some((lines.next()?.parse().ok()?, PathBuf::from(lines.next()?)))
}
