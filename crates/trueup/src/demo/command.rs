//! The `demo` command: starts the hub, the console and the sandboxes, plays the week, reports.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use trueup_domain::mapping::Mapping;
use trueup_hub::report::{self, Report};
use trueup_hub::shell::Http;
use trueup_hub::{Hub, bridges};
use trueup_sandbox::serve::{self, Shared};
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_server::ServerState;
use trueup_store::Store;

use super::compare::{Comparison, compare};
use super::play::{Bookkeeper, Carrier, Clock, Lossy, play};
use super::setup::{self, RealBooks};
use crate::print;

/// Play seven virtual days of a retailer with the built-in sandboxes, and prove them.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Orders of the week.
    #[arg(long, default_value_t = 300)]
    pub orders: u32,
    /// The same seed always plays the same week.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Exit after the report instead of leaving the console open.
    #[arg(long)]
    pub once: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the console listens.
    #[arg(long, default_value = "127.0.0.1:8420")]
    pub listen: String,
    /// Keep the demo's database here instead of in a throw-away folder.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Post to a real Odoo instead of the sandbox.
    #[arg(long, requires = "api_key_env")]
    pub odoo: Option<String>,
    /// The real Odoo's database.
    #[arg(long)]
    pub db: Option<String>,
    /// The environment variable that holds the API key of the hub's user.
    #[arg(long)]
    pub api_key_env: Option<String>,
    /// The environment variable that holds an administrator's API key, with which the accounts,
    /// journals, taxes and products that the demo needs are created first, and later an order is
    /// changed and a credit note deleted, as people do.
    #[arg(long)]
    pub admin_key_env: Option<String>,
}

/// Runs the demo. Exit status 0 exactly when what was found is what was planted and every bridge
/// ends in nothing unexplained.
pub fn run(args: &DemoArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let settings = WeekSettings { orders: args.orders, seed: args.seed, ..WeekSettings::default() };
    let mut week = Week::new(settings);
    let clock = Clock::at(week.start());
    let real = real_books(args)?;
    let mut world = World::new(real.is_none())?;
    week.prepare(&mut world);
    let mappings = match &real {
        None => sandbox_mappings(&world)?,
        Some(books) => super::real::mappings(args, books, runtime.handle())?,
    };
    let shared = Shared {
        world: Arc::new(Mutex::new(world)),
        clock: {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        },
    };
    let sandboxes = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let sandboxes_url = format!("http://{}", sandboxes.local_addr()?);
    runtime.spawn(serve::listen(shared.clone(), sandboxes));

    let folder = data_folder(args)?;
    let store = Store::open_sqlite(&folder.join("demo.sqlite"))?;
    let environment = environment(args, real.is_some());
    let hub = setup::hub(store, Some(&sandboxes_url), real.as_ref(), week.start(), &environment)?;
    setup::approve(&hub, &mappings, week.start())?;

    let console = bind(&runtime, &args.listen)?;
    let console_url = format!("http://{}", console.local_addr()?);
    let console_clock = clock.clone();
    let state = ServerState::new(hub.clone(), Arc::new(move || console_clock.now()));
    runtime.spawn(trueup_server::listen(state, console, std::future::pending()));
    if !args.json {
        eprintln!("The console is open at {console_url} while the week is played.");
    }

    let http = Http::new(runtime.handle().clone())?;
    let mut transport = Lossy { inner: http, lose_next: Arc::new(AtomicBool::new(false)) };
    let mut door = FrontDoor {
        url: console_url.clone(),
        runtime: runtime.handle().clone(),
        client: reqwest_client()?,
    };
    let bar = progress(args, &week)?;
    let mut act = |f: &mut dyn FnMut(&mut World)| shared.with(|world| f(world));
    let mut bookkeeper = match &real {
        Some(books) => super::real::bookkeeper(args, books, runtime.handle())?,
        None => None,
    };
    let by_hand = bookkeeper.as_mut().map(|it| it as &mut dyn Bookkeeper);
    play(&hub, &mut week, &clock, &mut act, &mut door, &mut transport, by_hand, &mut |at| {
        bar.set_message(at.strftime("%a %d %b %H:%M").to_string());
        bar.inc(1);
    })?;
    bar.finish_and_clear();

    let (report, bridges) = read(&hub, settings.start, clock.now())?;
    let comparison = compare(&week.planted, &report);
    let explained = bridges.iter().all(|bridge| bridge.unexplained.is_zero());
    show(args, &report, &bridges, &comparison, started, &console_url)?;
    let exact = comparison.is_exact() && explained;
    if !args.once {
        eprintln!("The console stays open at {console_url}; press Ctrl-C to end.");
        runtime.block_on(tokio::signal::ctrl_c())?;
    }
    runtime.shutdown_background();
    if args.data.is_none() {
        // A throw-away folder of ours; its loss is no error.
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(if exact { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn real_books(args: &DemoArgs) -> Result<Option<RealBooks>> {
    let Some(url) = &args.odoo else { return Ok(None) };
    let variable = args.api_key_env.as_deref().context("--odoo needs --api-key-env")?;
    let api_key = std::env::var(variable)
        .with_context(|| format!("the environment variable {variable} is not set"))?;
    Ok(Some(RealBooks { url: url.clone(), database: args.db.clone(), api_key }))
}

fn sandbox_mappings(world: &World) -> Result<BTreeMap<String, Mapping>> {
    let odoo = world.odoo.as_ref().context("the sandbox of the books")?;
    let mapping = |entity: &str| {
        let mapping = odoo.demo_mapping(entity).context("a mapping of the demo's entity")?;
        Ok((entity.to_owned(), mapping))
    };
    ["us", "eu"].into_iter().map(mapping).collect()
}

fn data_folder(args: &DemoArgs) -> Result<PathBuf> {
    let folder = match &args.data {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("trueup-demo-{}", std::process::id())),
    };
    if folder.join("demo.sqlite").exists() {
        bail!("{} holds a demo already; give another --data folder", folder.display());
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    Ok(folder)
}

/// Against a real Odoo each run is an environment of its own: its effects never meet those of an
/// earlier run.
fn environment(args: &DemoArgs, real: bool) -> String {
    if !real {
        return "demo".to_owned();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs());
    format!("demo-{}-{seconds}", args.seed)
}

fn bind(runtime: &tokio::runtime::Runtime, wanted: &str) -> Result<tokio::net::TcpListener> {
    match runtime.block_on(tokio::net::TcpListener::bind(wanted)) {
        Ok(listener) => Ok(listener),
        // The usual port is taken, by another demo perhaps: any free one serves.
        Err(_) => Ok(runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?),
    }
}

fn progress(args: &DemoArgs, week: &Week) -> Result<ProgressBar> {
    let hours = week.end().duration_since(week.start()).as_hours();
    let steps = u64::try_from(hours).unwrap_or(0) * 2 + 16;
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(steps) };
    bar.set_style(ProgressStyle::with_template("{msg} [{bar:40}] {percent}%")?);
    Ok(bar)
}

fn read(hub: &Hub, start: Date, now: Timestamp) -> Result<(Report, Vec<bridges::Shown>)> {
    let last = start.checked_add(Span::new().days(6))?;
    let report = hub.store.read(|tx| report::build(tx, start, last, now))?;
    let bridges = hub.store.read(|tx| bridges::build(tx, hub))?;
    Ok((report, bridges))
}

fn show(
    args: &DemoArgs,
    report: &Report,
    bridges: &[bridges::Shown],
    comparison: &Comparison,
    started: Instant,
    console: &str,
) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        let all = serde_json::json!({
            "report": report,
            "bridges": bridges,
            "planted": comparison,
            "exact": comparison.is_exact(),
            "seconds": started.elapsed().as_secs(),
            "console": console,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    writeln!(out, "{}", print::report(report))?;
    writeln!(out, "{}", super::show::bridges(bridges))?;
    if comparison.is_exact() {
        writeln!(out, "Both lists are what was planted, nothing else.")?;
    } else {
        for missed in &comparison.missed {
            writeln!(out, "planted and not found: {missed}")?;
        }
        for surplus in &comparison.surplus {
            writeln!(out, "found and not planted: {surplus}")?;
        }
    }
    writeln!(out, "Played and proven in {} s.", started.elapsed().as_secs())?;
    Ok(())
}

fn reqwest_client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().build()?)
}

/// The hub's own HTTP endpoints, as a vendor sees them.
struct FrontDoor {
    url: String,
    runtime: tokio::runtime::Handle,
    client: reqwest::Client,
}

impl FrontDoor {
    fn post(&self, path: &str, headers: &[(String, String)], body: &[u8]) -> Result<()> {
        let mut request = self.client.post(format!("{}{path}", self.url)).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = self.runtime.block_on(request.send())?;
        if !response.status().is_success() {
            bail!("the hub answered {} to {path}", response.status());
        }
        Ok(())
    }
}

impl Carrier for FrontDoor {
    fn webhook(
        &mut self,
        connection: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<()> {
        self.post(&format!("/webhooks/{connection}"), headers, body)
    }

    fn file(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()> {
        self.post(&format!("/files/{connection}?name={name}"), &[], body)
    }
}
