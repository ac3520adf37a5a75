//! `trueup serve`: the hub, its front door and its console.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot::Sender;
use trueup_hub::room::Level;
use trueup_hub::shell::{self, Http};
use trueup_hub::{Hub, Turn};
use trueup_server::{Doors, ServerState};
use trueup_store::StoreError;

use super::odoo;
use crate::cli::Global;
use crate::connectors;
use crate::disk::{self, Disk};
use crate::drops::{self, Taken, Watcher};
use crate::failure::Failure;
use crate::jobs::{self, Around};
use crate::settings::{Settings, StoreAt};
use crate::wiring;
use crate::worker::Claim;

/// Run the hub: take webhooks and files, poll, deliver, reconcile, run jobs; show the console.
///
/// Ends at SIGTERM or SIGINT, after what is under way has been finished. On PostgreSQL any number may
/// run, on one machine or several: they share the work, and take over from one that stops. With
/// `--role` a process does a part of what there is to do; without, all of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup serve
  trueup serve --listen 127.0.0.1:9000
  trueup serve --role receive --listen 0.0.0.0:8070
  trueup serve --role work
  TRUEUP_TOKEN=… trueup --config /etc/trueup/trueup.toml serve

Exit status: 0 stopped as asked; 2 the configuration is wrong; 3 the store cannot be reached")]
pub struct ServeArgs {
    /// Listen here instead of where the configuration says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// Do this only; may be given again. Needs PostgreSQL.
    #[arg(long = "role", value_name = "ROLE", value_enum)]
    roles: Vec<Role>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Take webhooks and files in.
    Receive,
    /// Decode, decide, reconcile, talk with the connections, run jobs.
    Work,
    /// Show the console, and answer the API.
    Console,
}

pub fn run(global: &Global, args: &ServeArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let environment = &wiring::process_environment;
    wiring::demand_secrets(&settings, environment)?;
    let listen = args.listen.unwrap_or(settings.listen);
    let token = wiring::token(&settings, environment)?;
    if token.is_none() && !listen.ip().is_loopback() {
        let what = format!("{listen} is open to others, and nothing asks them for a token");
        let remedy = "set TRUEUP_TOKEN, or write a key file with `trueup init`";
        return Err(Failure::secret(what, remedy).into());
    }
    let does = |role: Role| args.roles.is_empty() || args.roles.contains(&role);
    let (receives, works) = (does(Role::Receive), does(Role::Work));
    if !args.roles.is_empty() && matches!(settings.store, StoreAt::Sqlite(_)) {
        let what = "one process does all the work of a SQLite file, and this one has a role only";
        let remedy = "leave `--role` out, or name a PostgreSQL database in `[store]`";
        return Err(Failure::usage(what, remedy).into());
    }
    let watcher = Watcher::new(if receives { wiring::drops(&settings) } else { Vec::new() });
    watcher.prepare().map_err(|error| {
        Failure::file(
            format!("a drop directory cannot be made: {error}"),
            "let the user that runs Trueup write there, or name another in `drop`",
        )
    })?;

    let runtime = wiring::runtime()?;
    let hub = wiring::hub(&settings, environment)?;
    let http = Http::new(runtime.handle().clone())
        .context("the HTTP client cannot be made")?
        .keeping_tokens_in(hub.store.clone());
    let claim = if works {
        odoo::refuse_another_database(&hub, &http)?;
        Some(Claim::share(&settings.store, &hub, wiring::now)?)
    } else {
        None
    };
    let turn = claim.as_ref().map_or_else(Turn::waiting, |claim| claim.turn.clone());
    let hub = hub.in_turn(turn);
    let listener = runtime.block_on(TcpListener::bind(listen)).map_err(|error| {
        let what = format!("{listen} cannot be listened on: {error}");
        Failure::setting(what, "end what listens there, or name another address in `[server]`")
    })?;
    let address = listener.local_addr()?;

    let _notices = hub.store.tell_others()?;
    let running = if works { Some(shell::serve(&hub, &http, wiring::now)?) } else { None };
    let drops = watch(watcher, hub.clone())?;
    let (damaged, damage) = tokio::sync::oneshot::channel();
    let disk = watch_disk(&settings.store, hub.clone(), damaged)?;
    let jobs = if works {
        run_jobs(hub.clone(), settings.clone(), global.config.clone())?
    } else {
        Looking::at_nothing("jobs")
    };
    let doors = Doors { intake: receives, console: does(Role::Console) };
    let state = ServerState::new(hub, Arc::new(wiring::now))
        .with_token(token.clone())
        .with_schemas(connectors::SCHEMAS)
        .with_schedules(wiring::schedules_of(&settings))
        .with_doors(doors);
    let guarded = if token.is_some() { "guarded by the token" } else { "open on this machine" };
    let what = match doors {
        Doors { console: true, .. } => "the console is",
        Doors { intake: true, .. } => "webhooks and files come in",
        Doors { .. } => "health and metrics are",
    };
    tracing::info!(
        store = wiring::store_shown(&settings.store),
        connections = settings.connections.len(),
        "the hub runs; {what} at http://{address}, {guarded}"
    );

    let mut why: Option<StoreError> = None;
    let stop = async {
        tokio::select! {
            () = asked_to_stop() => {}
            Ok(damage) = damage => why = Some(damage),
        }
    };
    let served = runtime.block_on(trueup_server::listen(state, listener, stop));
    match &why {
        None => tracing::info!("stopping: what is under way is finished first"),
        Some(damage) => tracing::error!(%damage, "stopping: nothing is taken in or done any more"),
    }
    disk.stop();
    drops.stop();
    jobs.stop();
    if let Some(running) = running {
        running.stop();
    }
    drop(claim);
    if let Some(damage) = why {
        return Err(Failure::store(&damage).into());
    }
    served.context("the server ended")?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be heard; end the process by force");
            std::future::pending::<()>().await;
        }
    }
}

/// A thread that looks again and again, until it is told to stop.
struct Looking {
    what: &'static str,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Looking {
    fn start(
        what: &'static str,
        every: Duration,
        mut look: impl FnMut() + Send + 'static,
    ) -> Result<Self> {
        const NOTICE_STOP: Duration = Duration::from_millis(100);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name(what.to_owned()).spawn(move || {
            let mut next = Instant::now();
            while !stopping.load(Ordering::Relaxed) {
                if Instant::now() < next {
                    std::thread::sleep(NOTICE_STOP);
                    continue;
                }
                next = Instant::now() + every;
                look();
            }
        })?;
        Ok(Self { what, stop, thread: Some(thread) })
    }

    /// Nothing is looked for.
    fn at_nothing(what: &'static str) -> Self {
        Self { what, stop: Arc::default(), thread: None }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(thread = self.what, "a thread ended in a panic");
        }
    }
}

fn watch(mut watcher: Watcher, hub: Hub) -> Result<Looking> {
    if watcher.is_empty() {
        return Ok(Looking::at_nothing("drops"));
    }
    Looking::start("drops", drops::LOOK_EVERY, move || {
        // They lie well where they are until there is room.
        if hub.room.level() == Level::Full {
            return;
        }
        match watcher.look(&hub, wiring::now()) {
            Ok(taken) => taken.iter().for_each(tell),
            Err(error) => tracing::error!(%error, "dropped files could not be stored"),
        }
    })
}

/// Looks after the file of a SQLite store; what makes it unusable ends the server.
fn watch_disk(at: &StoreAt, hub: Hub, damaged: Sender<StoreError>) -> Result<Looking> {
    let StoreAt::Sqlite(file) = at else { return Ok(Looking::at_nothing("disk")) };
    let mut disk = Disk::of(file)?;
    let mut damaged = Some(damaged);
    Looking::start("disk", disk::LOOK_EVERY, move || {
        if damaged.is_some()
            && let Some(damage) = disk.look(&hub, wiring::now())
            && let Some(damaged) = damaged.take()
        {
            // The server may have ended by itself.
            let _ = damaged.send(damage);
        }
    })
}

/// Runs the jobs at their times, one after the other.
fn run_jobs(hub: Hub, settings: Settings, config: PathBuf) -> Result<Looking> {
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    if settings.schedules.is_empty() {
        return Ok(Looking::at_nothing("jobs"));
    }
    Looking::start("jobs", LOOK_EVERY, move || {
        let around = Around { hub: &hub, settings: &settings, config: &config };
        for scheduled in &settings.schedules {
            if let Err(error) = jobs::run_due(scheduled, &around) {
                let schedule = &scheduled.schedule.name;
                tracing::error!(schedule, %error, "how a job stands could not be stored");
                // Those that follow would meet the same: it is told once for each look.
                return;
            }
        }
    })
}

fn tell(taken: &Taken) {
    match taken {
        Taken::Stored { file, message } => {
            tracing::info!(file = %file.display(), message, "a file was taken in");
        }
        Taken::Repeat { file, message } => {
            tracing::info!(file = %file.display(), message, "a file was here before");
        }
        Taken::Refused { file, why } => {
            tracing::warn!(file = %file.display(), why, "a file was refused");
        }
    }
}
