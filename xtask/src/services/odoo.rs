//! Odoo 19 community, from Debian sid, with a template database that every test clones.
//!
//! The package is unpacked, not installed, and runs on a Python environment of its own. The
//! prepared template is kept as a dump, so that only the first run on a machine pays for it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::postgres::{self, Cluster, ODOO};
use super::{Up, Variable, cache, directory, fingerprint, packages, phase, process};
use crate::shell::{self, command};

const PACKAGE: &str = "odoo-19";

/// What the first light needs: orders, deliveries, books. They bring stock_account and rpc.
const MODULES: &str = "sale_management,sale_stock,account";

const TEMPLATE: &str = "trueup_tpl";

/// Makes a fresh database a template: companies, charts of accounts, users, keys.
const PREPARE: &str = include_str!("prepare.py");

const PYTHON_PACKAGES: &str = include_str!("python.txt");

/// The versions everything was last seen to work with, on the Python of Debian 12.
const PYTHON_VERSIONS: &str = include_str!("python.lock");

/// In the server's command line, to know the process again.
const MARKER: &str = "odoo.conf";

struct Installation {
    root: PathBuf,
    version: String,
    python: PathBuf,
}

pub fn up() -> Result<Up> {
    println!("odoo");
    if let Some(facts) = running() {
        println!("  already running at {}", facts["url"].as_str().unwrap_or_default());
        return Ok(Up::AlreadyRunning);
    }
    let cluster = postgres::running()?.context("PostgreSQL does not run")?;
    let installation = install()?;
    fs::create_dir_all(home())?;
    let port = process::free_port(port_used_before())?;
    write_configuration(&installation, &cluster, port)?;

    let template_facts = provide_template(&installation, &cluster)?;
    fs::remove_file(facts_file()).ok();
    phase("start the server", || {
        process::stop(&pid_file(), MARKER)?;
        process::start(
            installation.odoo(&["-c", &configuration()]).current_dir(home()),
            &pid_file(),
            &home().join("server.log"),
        )?;
        wait_for_http(port)
    })?;
    let url = format!("http://127.0.0.1:{port}");
    let mut facts = json!({
        "url": url,
        "package": installation.version,
        "template_db": TEMPLATE,
        "postgres": cluster.url(),
    });
    for (key, value) in template_facts.as_object().into_iter().flatten() {
        facts[key] = value.clone();
    }
    fs::write(facts_file(), serde_json::to_string_pretty(&facts)?)?;
    println!("  {url}  (facts: {})", facts_file().display());
    Ok(Up::Started)
}

pub fn down() -> Result<()> {
    if running().is_some() {
        process::stop(&pid_file(), MARKER)?;
        println!("odoo stopped");
    }
    Ok(())
}

pub fn status() -> Result<String> {
    let Some(facts) = running() else { return Ok("not running".to_owned()) };
    Ok(format!("{} (template {TEMPLATE})", facts["url"].as_str().unwrap_or_default()))
}

pub fn variables() -> Result<Vec<Variable>> {
    let Some(facts) = running() else { return Ok(Vec::new()) };
    let fact = |key: &str| {
        facts[key].as_str().map(str::to_owned).with_context(|| format!("odoo.json lacks `{key}`"))
    };
    Ok(vec![
        ("TRUEUP_TEST_ODOO_URL", fact("url")?),
        ("TRUEUP_TEST_ODOO_DB", fact("template_db")?),
        ("TRUEUP_TEST_ODOO_KEY", fact("hub_key")?),
        ("TRUEUP_TEST_ODOO_ADMIN_KEY", fact("admin_key")?),
        ("TRUEUP_TEST_ODOO_SHELL", shell_script().display().to_string()),
    ])
}

/// The facts of the server of this checkout, if it runs.
fn running() -> Option<Value> {
    process::running(&pid_file(), MARKER)?;
    serde_json::from_str(&fs::read_to_string(facts_file()).ok()?).ok()
}

fn install() -> Result<Installation> {
    let folder = cache()?.join("odoo");
    fs::create_dir_all(&folder)?;
    let package = match packages::find_package(PACKAGE, &folder) {
        Some(package) => package,
        None => phase("download the package", || packages::download_from_sid(PACKAGE, &folder))?,
    };
    let name = package.file_stem().context("a package has a name")?;
    let version = name.to_string_lossy().into_owned();
    let root = folder.join(&version);
    if !root.is_dir() {
        phase("unpack the package", || unpack(&package, &root))?;
    }
    let python = provide_python()?;
    Ok(Installation { root, version, python })
}

/// Unpacks without translations, which are four fifths of the files.
fn unpack(package: &Path, root: &Path) -> Result<()> {
    let partial = root.with_extension("partial");
    fs::remove_dir_all(&partial).ok();
    fs::create_dir_all(&partial)?;
    shell::capture(
        command(
            "sh",
            ["-c", r#"dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --exclude='*/i18n/*'"#],
        )
        .args([package, &partial]),
    )?;
    if !partial.join("usr/bin/odoo").is_file() {
        bail!("{} holds no usr/bin/odoo", package.display());
    }
    fs::rename(&partial, root)?;
    Ok(())
}

fn provide_python() -> Result<PathBuf> {
    let has_venv = || shell::succeeds(&mut command("python3", ["-c", "import venv, ensurepip"]));
    if !has_venv() {
        phase("install python", || packages::install(&["python3", "python3-venv"]))?;
    }
    let version = shell::capture(&mut command(
        "python3",
        ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
    ))?;
    let tag = fingerprint([PYTHON_PACKAGES.as_bytes(), PYTHON_VERSIONS.as_bytes()]);
    let environment = cache()?.join(format!("python-{}-{tag}", version.trim()));
    if !environment.join("complete").is_file() {
        phase("install python packages", || make_environment(&environment))?;
    }
    Ok(environment.join("bin/python"))
}

fn make_environment(environment: &Path) -> Result<()> {
    fs::remove_dir_all(environment).ok();
    shell::capture(command("python3", ["-m", "venv"]).arg(environment))?;
    let (packages, versions) = (environment.join("packages.txt"), environment.join("versions.txt"));
    fs::write(&packages, PYTHON_PACKAGES)?;
    fs::write(&versions, PYTHON_VERSIONS)?;

    let pip = |constrained: bool| {
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "-q", "--disable-pip-version-check", "--prefer-binary", "-r"])
            .arg(&packages);
        if constrained {
            pip.arg("-c").arg(&versions);
        }
        pip.env("PIP_CACHE_DIR", environment.with_file_name("pip"));
        shell::capture(&mut pip)
    };
    if let Err(error) = pip(true) {
        println!("  the proven versions cannot be had here, taking the newest: {error:#}");
        pip(false)?;
    }
    fs::write(environment.join("complete"), "")?;
    Ok(())
}

impl Installation {
    fn odoo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command
            .arg(self.root.join("usr/bin/odoo"))
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .env("PYTHONPATH", self.library())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }

    fn library(&self) -> PathBuf {
        self.root.join("usr/lib/python3/dist-packages")
    }
}

fn write_configuration(installation: &Installation, cluster: &Cluster, port: u16) -> Result<()> {
    let settings = [
        ("addons_path", installation.library().join("odoo/addons").display().to_string()),
        ("data_dir", home().join("data").display().to_string()),
        ("db_host", "127.0.0.1".to_owned()),
        ("db_port", cluster.port.to_string()),
        ("db_user", ODOO.to_owned()),
        ("http_interface", "127.0.0.1".to_owned()),
        ("http_port", port.to_string()),
        // Many databases, chosen by the header of each request.
        ("list_db", "True".to_owned()),
        ("workers", "0".to_owned()),
        // Scheduled jobs would hold connections to databases that tests drop.
        ("max_cron_threads", "0".to_owned()),
        ("without_demo", "True".to_owned()),
        ("admin_passwd", "admin".to_owned()),
    ];
    let mut text = "[options]\n".to_owned();
    for (key, value) in settings {
        text.push_str(&format!("{key} = {value}\n"));
    }
    fs::write(configuration(), text)?;
    write_shell(installation)
}

/// A script that opens Odoo's shell, for whoever wants Odoo's own methods: arguments go to it.
fn write_shell(installation: &Installation) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let text = format!(
        "#!/bin/sh\nPYTHONPATH={} LC_ALL=C.UTF-8 TZ=UTC exec {} {} shell -c {} --no-http \"$@\"\n",
        quoted(&installation.library()),
        quoted(&installation.python),
        quoted(&installation.root.join("usr/bin/odoo")),
        quoted(Path::new(&configuration())),
    );
    fs::write(shell_script(), text)?;
    fs::set_permissions(shell_script(), fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Makes sure the template is in the cluster: it is there, or its dump is in the cache, or it is
/// made. Returns what the preparation wrote down.
fn provide_template(installation: &Installation, cluster: &Cluster) -> Result<Value> {
    let major = cluster.major_version();
    let parts = [&installation.version, MODULES, PREPARE, &major];
    let tag = fingerprint(parts.map(str::as_bytes));
    let dump = cache()?.join(format!("odoo/template-{tag}.dump"));
    let facts = dump.with_extension("json");

    let present = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname";
    if facts.is_file() && cluster.sql("postgres", &format!("{present} = '{TEMPLATE}'"))? == tag {
        return read_json(&facts);
    }
    drop_template(cluster)?;
    cluster
        .sql("postgres", &format!("CREATE DATABASE {TEMPLATE} OWNER {ODOO} TEMPLATE template0"))?;
    if dump.is_file() && facts.is_file() {
        phase("restore the template", || restore(cluster, &dump))?;
    } else {
        make_template(installation, cluster, &dump, &facts)?;
    }
    // Nobody may open it again: a database with connections cannot be cloned.
    for statement in [
        format!("ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"),
        format!("COMMENT ON DATABASE {TEMPLATE} IS '{tag}'"),
    ] {
        cluster.sql("postgres", &statement)?;
    }
    read_json(&facts)
}

fn drop_template(cluster: &Cluster) -> Result<()> {
    let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'");
    if cluster.sql("postgres", &exists)? == "1" {
        cluster.sql("postgres", &format!("ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE false"))?;
        cluster.sql("postgres", &format!("DROP DATABASE {TEMPLATE} WITH (FORCE)"))?;
    }
    Ok(())
}

fn restore(cluster: &Cluster, dump: &Path) -> Result<()> {
    let arguments =
        ["--no-owner", "--no-comments", "--exit-on-error", "-j2", "--role", ODOO, "-d", TEMPLATE];
    shell::capture(cluster.client("pg_restore").args(arguments).arg(dump))?;
    cluster.sql(TEMPLATE, "ANALYZE")?;
    Ok(())
}

fn make_template(
    installation: &Installation,
    cluster: &Cluster,
    dump: &Path,
    facts: &Path,
) -> Result<()> {
    let configuration = configuration();
    phase("make the template: install modules", || {
        shell::capture(
            installation
                .odoo(&[
                    "-c",
                    &configuration,
                    "-d",
                    TEMPLATE,
                    "-i",
                    MODULES,
                    "--stop-after-init",
                    "--no-http",
                ])
                .current_dir(home()),
        )
    })?;
    // Written under another name first: facts without a dump would be believed.
    let unproven = facts.with_extension("json.partial");
    fs::remove_file(&unproven).ok();
    phase("make the template: prepare companies", || {
        let script = home().join("prepare.py");
        fs::write(&script, PREPARE)?;
        let output = shell::capture(
            installation
                .odoo(&["shell", "-c", &configuration, "-d", TEMPLATE, "--no-http"])
                .current_dir(home())
                .env("TRUEUP_TEMPLATE_FACTS", &unproven)
                .stdin(fs::File::open(script)?),
        )?;
        // The shell ends with success even when the script does not.
        if !unproven.is_file() {
            bail!("the preparation failed\n{output}");
        }
        Ok(())
    })?;
    phase("make the template: keep a dump", || {
        cluster.sql(TEMPLATE, "VACUUM ANALYZE")?;
        let partial = dump.with_extension("partial");
        shell::capture(
            cluster.client("pg_dump").args(["-Fc", "-d", TEMPLATE, "-f"]).arg(&partial),
        )?;
        fs::rename(&partial, dump)?;
        fs::rename(&unproven, facts)?;
        Ok(())
    })
}

fn read_json(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

fn wait_for_http(port: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if answers(port) {
            return Ok(());
        }
        let alive = process::running(&pid_file(), MARKER).is_some();
        if !alive || Instant::now() > deadline {
            process::stop(&pid_file(), MARKER)?;
            let log = fs::read_to_string(home().join("server.log")).unwrap_or_default();
            bail!("the server does not answer:\n{log}");
        }
        sleep(Duration::from_millis(100));
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /json/version HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    };
    ask().is_ok_and(|reply| reply.contains("\"version_info\""))
}

fn home() -> PathBuf {
    directory().join("odoo")
}

fn configuration() -> String {
    home().join(MARKER).display().to_string()
}

fn shell_script() -> PathBuf {
    home().join("shell")
}

fn pid_file() -> PathBuf {
    home().join("server.pid")
}

fn port_used_before() -> Option<u16> {
    let text = fs::read_to_string(configuration()).ok()?;
    text.lines().find_map(|line| line.strip_prefix("http_port = "))?.parse().ok()
}

fn facts_file() -> PathBuf {
    directory().join("odoo.json")
}
