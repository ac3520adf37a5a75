//! Processes that share the work of one database that is not beside them: webhooks through decode
//! and decide, by one process and by several.
//!
//! What they share are leased parts, as between machines; each has connections of its own. A relay
//! holds up each piece of each answer and question, as a network does. The limit is then the machine,
//! which all of them and the database are on: how busy it was is printed beside each rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use postgres::{Client, NoTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use trueup::demo::setup;
use trueup::settings::StoreAt;
use trueup::wiring::now;
use trueup::worker::Claim;
use trueup_hub::{Hub, Worker, decide, decode};
use trueup_sandbox::World;
use trueup_store::{Store, StoreError, doctor, leases, messages};

use crate::processors::Processors;
use crate::stages::{Body, per_second, record};

const PROCESSES: [usize; 4] = [1, 2, 4, 8];
/// How far away the database is, one way.
const DISTANCE: Duration = Duration::from_millis(1);
const SHARED: Duration = Duration::from_secs(60);
const DONE: Duration = Duration::from_secs(300);

pub fn measure(which: &str, bodies: &[Body]) -> Result<()> {
    let Ok(server) = std::env::var("TRUEUP_TEST_PG") else {
        println!("processes: TRUEUP_TEST_PG names no PostgreSQL, nothing is measured");
        return Ok(());
    };
    let (admin, _) = server.rsplit_once('/').context("a database in the url")?;
    let (_, at) = admin.rsplit_once('@').context("a user in the url")?;
    let runtime = Runtime::new()?;
    let relay = relay(at.to_owned(), &runtime)?;
    let mut alone = None;
    for count in PROCESSES {
        let name = format!("trueup_bench_{}_{count}", std::process::id());
        Client::connect(&server, NoTls)?.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let near = format!("{admin}/{name}");
        let far = near.replace(at, &relay);
        let told = tell(bodies, count, &near, &far);
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        Client::connect(&server, NoTls)?.batch_execute(&drop)?;
        let Told { took, busy, round_trip } = told?;
        let first = *alone.get_or_insert(took);
        let ratio = 100 * first.as_micros() / took.as_micros().max(1);
        println!(
            "processes: {which}: {count}: {} webhooks a second through decode and decide, {}.{:02} x of one, \
             {} % of the machine busy, a round trip of {} us",
            per_second(bodies.len(), took),
            ratio / 100,
            ratio % 100,
            busy,
            round_trip.as_micros()
        );
    }
    Ok(())
}

struct Told {
    took: Duration,
    /// How much of the processors was not idle, in percent.
    busy: u64,
    round_trip: Duration,
}

fn tell(bodies: &[Body], count: usize, near: &str, far: &str) -> Result<Told> {
    let start = jiff::civil::date(2026, 4, 29).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
    let odoo = World::new(true)?.odoo.context("an Odoo")?;
    let mut mappings = std::collections::BTreeMap::new();
    for entity in ["us", "eu"] {
        mappings.insert(entity.to_owned(), odoo.demo_mapping(entity).context("a mapping")?);
    }
    let watching = setup::hub(Store::open_postgres(near)?, None, None, start, "bench")?;
    setup::approve(&watching, &mappings, start)?;
    let mut processes = Vec::new();
    for _ in 0..count {
        processes.push(Process::start(far, start)?);
    }
    let fair = usize::try_from(leases::RANGES)? / count;
    let began = Instant::now();
    while !are_shared(&watching.store, count, fair)? {
        ensure!(began.elapsed() < SHARED, "the work is not shared");
        std::thread::sleep(Duration::from_millis(100));
    }
    record(&watching, bodies, now())?;
    let (began, before) = (Instant::now(), Processors::read()?);
    while !is_done(&watching.store)? {
        ensure!(began.elapsed() < DONE, "it is not worked off");
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    let busy = Processors::read()?.busy_since(before);
    let mut client = Client::connect(far, NoTls)?;
    let asked = Instant::now();
    for _ in 0..20 {
        client.simple_query("SELECT 1")?;
    }
    let round_trip = asked.elapsed() / 20;
    for process in processes {
        process.stop();
    }
    Ok(Told { took, busy, round_trip })
}

fn are_shared(store: &Store, count: usize, fair: usize) -> Result<bool> {
    let alive = store.write(|tx| {
        let now = tx.clock(now())?;
        leases::alive(tx, now)
    })?;
    let ranges = |parts: &[String]| parts.iter().filter_map(|it| leases::shards_of(it)).count();
    Ok(alive.len() == count && alive.iter().all(|one| ranges(&one.parts) >= fair))
}

fn is_done(store: &Store) -> Result<bool, StoreError> {
    store.read(|tx| {
        let undecoded = messages::counts(tx)?.into_iter().any(|(_, state, ..)| state == "received");
        Ok(!undecoded && doctor::roots(tx)?.iter().all(|(_, arrived, decided)| decided >= arrived))
    })
}

/// What one process does of this: it renews its leases, decodes and decides.
struct Process {
    claim: Claim,
    stop: Arc<AtomicBool>,
    stages: Vec<JoinHandle<Result<(), StoreError>>>,
}

impl Process {
    fn start(url: &str, start: Timestamp) -> Result<Self> {
        let hub = setup::hub(Store::open_postgres(url)?, None, None, start, "bench")?;
        let claim = Claim::share(&StoreAt::Postgres(url.to_owned()), &hub, now)?;
        let hub = hub.in_turn(claim.turn.clone());
        let stop = Arc::new(AtomicBool::new(false));
        type Stage = fn(&Hub, &Worker, Timestamp) -> Result<usize, StoreError>;
        let stages = [decode::step as Stage, decide::step];
        let stages = stages.map(|step| {
            let (hub, stop) = (hub.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let worker = hub.turn.worker();
                    let done = worker.map_or(Ok(0), |worker| step(&hub, &worker, now()));
                    // Whose share has just gone to another writes nothing more of it.
                    if matches!(done, Ok(0) | Err(StoreError::Conflict(_) | StoreError::LeaseLost))
                    {
                        std::thread::sleep(Duration::from_millis(5));
                    } else {
                        done?;
                    }
                }
                Ok(())
            })
        });
        Ok(Self { claim, stop, stages: stages.into() })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for stage in self.stages {
            match stage.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => println!("processes: a stage ended: {error}"),
                Err(_) => println!("processes: a stage ended in a panic"),
            }
        }
        drop(self.claim);
    }
}

/// A relay before a server; returns where it listens.
fn relay(server: String, runtime: &Runtime) -> Result<String> {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?.to_string();
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(behind) = TcpStream::connect(&server).await else { continue };
            let both = [client.set_nodelay(true), behind.set_nodelay(true)];
            if both.iter().any(Result::is_err) {
                continue;
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = behind.into_split();
            tokio::spawn(carry(from_client, to_server));
            tokio::spawn(carry(from_server, to_client));
        }
    });
    Ok(address)
}

/// Carries bytes one way, each so much later than it came.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin + Send + 'static,
) {
    let (sender, mut held) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = held.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut piece = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let bytes = piece.get(..count).unwrap_or_default().to_vec();
        if sender.send((tokio::time::Instant::now() + DISTANCE, bytes)).is_err() {
            return;
        }
    }
}
