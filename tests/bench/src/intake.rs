//! Durable webhook intake: 64 connections, each waiting for its own commit, against raw commits of
//! rows of the same size into a SQLite file with the same settings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trueup::demo::setup;
use trueup_connect::Secret;
use trueup_connect::webhook::SignedDelivery;
use trueup_hub::Hub;
use trueup_sandbox::world::SHOP_US;
use trueup_server::ServerState;
use trueup_store::Store;

use crate::stages::{Body, per_second};

const CONNECTIONS: usize = 64;
/// More than a machine of any size takes in one run.
const DELIVERIES: usize = 120_000;
const RUN: Duration = Duration::from_secs(6);

pub fn measure(bodies: &[Body]) -> Result<()> {
    let bytes: usize = bodies.iter().map(|body| body.bytes.len()).sum::<usize>() / bodies.len();
    let raw = raw_commits(bodies)?;
    println!("raw: {raw} rows/s of {bytes} bytes on average, {CONNECTIONS} to a commit, FULL");
    let (rate, mut latencies) = over_http(bodies, None)?;
    latencies.sort();
    println!(
        "intake at full speed: {rate}/s, {} % of raw, p50 {} ms, p99 {} ms",
        rate * 100 / raw.max(1),
        at(&latencies, 50),
        at(&latencies, 99)
    );
    let (half, mut latencies) = over_http(bodies, Some(rate / 2))?;
    latencies.sort();
    println!(
        "intake at half of it, decoding behind it: {half}/s, p50 {} ms, p99 {} ms",
        at(&latencies, 50),
        at(&latencies, 99)
    );
    Ok(())
}

/// The wait below which so many of a hundred lie, in milliseconds.
pub fn at(sorted: &[Duration], percent: usize) -> u128 {
    let index = sorted.len() * percent / 100;
    sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(0, Duration::as_millis)
}

/// As many rows to a commit as there are connections: what a group of waiting senders can be.
fn raw_commits(bodies: &[Body]) -> Result<u128> {
    let folder = tempfile::tempdir()?;
    let mut file = rusqlite::Connection::open(folder.path().join("raw.sqlite"))?;
    file.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE raw (id TEXT PRIMARY KEY, body BLOB NOT NULL, at INTEGER NOT NULL);",
    )?;
    let began = Instant::now();
    let mut rows = 0_usize;
    while began.elapsed() < RUN {
        let commit = file.transaction()?;
        for _ in 0..CONNECTIONS {
            let body = bodies.get(rows % bodies.len()).context("a body")?;
            let mut insert = commit.prepare_cached("INSERT INTO raw VALUES (?1, ?2, ?3)")?;
            let id = format!("{:032x}", rows.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            insert.execute(rusqlite::params![id, body.bytes, i64::try_from(rows)?])?;
            rows += 1;
        }
        commit.commit()?;
    }
    Ok(per_second(rows, began.elapsed()))
}

/// Sends signed deliveries for a while, at full speed or at a rate; with a rate, the stages run
/// behind it.
fn over_http(bodies: &[Body], rate: Option<u128>) -> Result<(u128, Vec<Duration>)> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let store = Store::open_sqlite(&folder.path().join("intake.sqlite"))?;
    let start = jiff::civil::date(2026, 4, 29).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
    let hub = setup::hub(store, None, None, start, "bench")?;
    let clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync> = Arc::new(trueup::wiring::now);
    let state = ServerState::new(hub.clone(), clock);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(trueup_server::listen(state, listener, std::future::pending()));
    let running = match rate {
        None => None,
        Some(_) => {
            let http = trueup_hub::shell::Http::new(runtime.handle().clone())?;
            Some(trueup_hub::shell::serve(&hub, &http, trueup::wiring::now)?)
        }
    };
    let deliveries = Arc::new(Deliveries::new(&hub, bodies)?);
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let pause = rate.map(|rate| {
        Duration::from_micros(
            u64::try_from(CONNECTIONS as u128 * 1_000_000 / rate.max(1)).unwrap_or(0),
        )
    });
    let mut senders = Vec::new();
    for connection in 0..CONNECTIONS {
        let (deliveries, next) = (Arc::clone(&deliveries), Arc::clone(&next));
        senders.push(runtime.spawn(async move {
            let mut sender = Sender::connect(address).await?;
            let mut latencies = Vec::new();
            // Each connection has its own moment in the pause, or all would come in one burst.
            let step = pause.unwrap_or_default() / u32::try_from(CONNECTIONS)?;
            let mut due = began + step * u32::try_from(connection)?;
            while began.elapsed() < RUN {
                if pause.is_some() {
                    tokio::time::sleep_until(due.into()).await;
                }
                let Some((head, body)) = deliveries.get(next.fetch_add(1, Ordering::Relaxed))
                else {
                    break;
                };
                // A sender that is late because the answer before was late counts that, too.
                let asked = if pause.is_some() { due } else { Instant::now() };
                sender.send(head, body).await?;
                latencies.push(asked.elapsed());
                due += pause.unwrap_or_default();
            }
            Ok::<_, anyhow::Error>(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(runtime.block_on(sender)??);
    }
    let elapsed = began.elapsed();
    if let Some(running) = running {
        running.stop();
    }
    let stored = hub.store.read(trueup_store::messages::counts)?;
    let stored: i64 = stored.iter().map(|(_, _, count, _)| count).sum();
    ensure!(i64::try_from(latencies.len())? == stored, "acknowledged and stored differ");
    runtime.shutdown_background();
    Ok((per_second(latencies.len(), elapsed), latencies))
}

/// The head of a signed delivery to the shop.
pub fn head_of(hub: &Hub, body: &Body, source_id: &str) -> Result<String> {
    let known = hub.connection(SHOP_US).context("the shop")?;
    let webhooks = known.connector.webhooks.context("webhooks")?;
    let mut head = format!(
        "POST /webhooks/{SHOP_US} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n",
        body.bytes.len()
    );
    for (name, value) in (webhooks.sign)(&SignedDelivery {
        kind: &body.kind,
        source_id,
        account: known.account.as_deref().unwrap_or_default(),
        body: &body.bytes,
        secret: &Secret::new(setup::DEMO_SECRET),
        now: trueup::wiring::now(),
    }) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    Ok(head)
}

/// What is sent, made before the clock runs: signing and writing the head is the sender's work.
struct Deliveries {
    heads: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

impl Deliveries {
    fn new(hub: &Hub, bodies: &[Body]) -> Result<Self> {
        let head = |number: usize| -> Result<String> {
            let body = bodies.get(number % bodies.len()).context("a body")?;
            head_of(hub, body, &format!("bench-{number}"))
        };
        Ok(Self {
            heads: (0..DELIVERIES).map(head).collect::<Result<_>>()?,
            bodies: bodies.iter().map(|body| body.bytes.clone()).collect(),
        })
    }

    fn get(&self, number: usize) -> Option<(&str, &[u8])> {
        Some((self.heads.get(number)?, self.bodies.get(number % self.bodies.len())?))
    }
}

/// One connection that is kept open. It does as little as it can: what it takes of the processors
/// the server lacks.
pub struct Sender {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Sender {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::new(), answer: vec![0; 4096] })
    }

    /// Sends a delivery and waits for its acknowledgement.
    pub async fn send(&mut self, head: &str, body: &[u8]) -> Result<()> {
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        loop {
            let room = self.answer.get_mut(filled..).filter(|room| !room.is_empty());
            let read = self.stream.read(room.context("a short answer")?).await?;
            ensure!(read > 0, "the hub closed the connection");
            filled += read;
            let answer = self.answer.get(..filled).unwrap_or_default();
            // An acknowledgement has no body: it ends with its head.
            if answer.ends_with(b"\r\n\r\n") {
                let good = answer.starts_with(b"HTTP/1.1 200 ");
                ensure!(good, "the hub answered {}", String::from_utf8_lossy(answer));
                return Ok(());
            }
        }
    }
}
