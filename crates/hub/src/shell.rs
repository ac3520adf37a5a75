//! The shell around the stages: it moves requests, replies and time, and decides nothing.
//!
//! [`serve`] runs the stages on plain threads against the real clock. [`drain`] runs them in the
//! caller's thread until nothing is due, for the demo and for commands. The simulation has a
//! scheduler of its own.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use trueup_connect::{Auth, CallError, Reply, Request};
use trueup_store::{Changes, Store, StoreError};

use crate::setup::{Connection, Hub, Worker};
use crate::talk::{self, Next, Talk};
use crate::{decide, decode, dial, reconcile, timers, token};

/// How long an idle loop sleeps before it looks again, unless something is committed. Polling is the
/// guarantee; waking is speed.
const IDLE: Duration = Duration::from_millis(500);
/// However much is committed, an idle loop looks no more often.
const LOOKS_APART: Duration = Duration::from_millis(50);
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// A reply larger than this is cut off and counts as lost.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rounds of [`drain`] after which something feeds itself.
const ROUNDS_MAX: usize = 100_000;

/// Where requests go.
pub trait Transport {
    /// An error of class `Unreachable` promises that the request did not leave.
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError>;

    /// Lets so much time pass before the next request leaves. Where time stands still, nothing does.
    fn wait(&mut self, _: Duration) {}
}

/// The one HTTP client of the hub.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
    /// Where tokens that live for a while are kept.
    store: Option<Store>,
}

impl Http {
    /// `runtime` carries the IO; callers are plain threads.
    pub fn new(runtime: tokio::runtime::Handle) -> Result<Self, CallError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(dial::Names)
            .user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CallError::NotSetUp { why: error.to_string() })?;
        Ok(Self { client, runtime, store: None })
    }

    /// For connections whose vendor gives tokens that live for a while; without, each request
    /// asks for one of its own.
    #[must_use]
    pub fn keeping_tokens_in(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    async fn exchange(
        &self,
        connection: &Connection,
        request: &Request,
    ) -> Result<Reply, CallError> {
        let not_set_up = |why: &str| CallError::NotSetUp { why: why.to_owned() };
        let elsewhere = is_whole_address(request);
        let url = if elsewhere {
            request.path.clone()
        } else {
            let base = connection.base_url.as_deref().ok_or_else(|| not_set_up("no url is set"))?;
            format!("{}{}", base.trim_end_matches('/'), request.path)
        };
        let url = reqwest::Url::parse(&url).map_err(|error| not_set_up(&error.to_string()))?;
        if let Some(address) = dial::refused(&url) {
            return Err(not_set_up(&format!("nothing is called at {address}")));
        }
        let method = reqwest::Method::from_bytes(request.method.word().as_bytes())
            .map_err(|_| not_set_up("an unknown method"))?;
        let mut builder = self
            .client
            .request(method, url)
            .timeout(Duration::from_millis(request.timeout_ms))
            .body(request.body.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let secret = || connection.secret.as_ref().ok_or_else(|| not_set_up("no secret"));
        builder = match connection.connector.auth {
            // A token is in the request already, and a whole address is somebody else's.
            Auth::None | Auth::Token(_) => builder,
            _ if elsewhere => builder,
            Auth::Header { name, prefix } => {
                builder.header(name, format!("{prefix}{}", secret()?.expose()))
            }
            Auth::Basic => {
                let encoded = STANDARD.encode(secret()?.expose());
                builder.header("authorization", format!("Basic {encoded}"))
            }
        };
        let asked = std::time::Instant::now();
        let response = builder.send().await.map_err(|error| class_of(&error))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let mut body = Vec::new();
        let mut response = response;
        while let Some(chunk) = response.chunk().await.map_err(|error| class_of(&error))? {
            if body.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(CallError::ReplyLost { why: "the reply is too large".to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        tracing::debug!(
            connection = connection.name,
            // What stands behind it may be a secret, where the address is a signed one.
            path = request.path.split('?').next().unwrap_or_default(),
            status,
            sent = request.body.len(),
            received = body.len(),
            ms = asked.elapsed().as_millis(),
            "a call was answered"
        );
        Ok(Reply { status, headers, body })
    }
}

/// As it goes out to a further host of the connector, such as a queue.
///
/// # Errors
/// What [`trueup_connect::Signature::signed`] refuses.
pub fn signed<'a>(
    connection: &Connection,
    request: &'a Request,
    now: Timestamp,
) -> Result<Cow<'a, Request>, CallError> {
    match connection.connector.signature {
        Some(by) => by.signed(request, &connection.settings, connection.secret.as_ref(), now),
        None => Ok(Cow::Borrowed(request)),
    }
}

/// A document that a reply points at, or the vendor's endpoint for tokens.
fn is_whole_address(request: &Request) -> bool {
    request.path.starts_with("https://")
}

/// Only a failed connection is certain; everything later may have been applied.
fn class_of(error: &reqwest::Error) -> CallError {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        why = format!("{why}: {inner}");
        cause = inner.source();
    }
    if error.is_connect() || error.is_builder() {
        CallError::Unreachable { why }
    } else {
        CallError::ReplyLost { why }
    }
}

impl Transport for Http {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        let request = &*signed(connection, request, Timestamp::now())?;
        let mut exchange =
            |request: &Request| self.runtime.block_on(self.exchange(connection, request));
        match connection.connector.auth {
            Auth::Token(scheme) if !is_whole_address(request) => {
                let (store, clock) = (self.store.as_ref(), &Timestamp::now);
                token::send(store, connection, scheme, request, clock, &mut exchange)
            }
            _ => exchange(request),
        }
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Runs one conversation of a connection, if one is due, to its end or its next wait. Returns
/// whether there was one.
pub fn converse(
    hub: &Hub,
    connection: &Connection,
    transport: &mut impl Transport,
    busy: &[String],
    clock: &dyn Fn() -> Timestamp,
) -> Result<bool, StoreError> {
    match talk::next(hub, connection, busy, clock())? {
        Some(talk) => carry(talk, hub, connection, transport, clock).map(|()| true),
        None => Ok(false),
    }
}

fn carry(
    mut talk: Talk,
    hub: &Hub,
    connection: &Connection,
    transport: &mut impl Transport,
    clock: &dyn Fn() -> Timestamp,
) -> Result<(), StoreError> {
    let mut reply = None;
    loop {
        let asked = reply
            .as_ref()
            .map(|reply: &Result<Reply, CallError>| reply.as_ref().map_err(CallError::clone));
        match talk.advance(hub, connection, asked, clock())? {
            Next::Send(request, after) => {
                if let Ok(after) = Duration::try_from(after)
                    && !after.is_zero()
                {
                    transport.wait(after);
                }
                reply = Some(transport.send(connection, &request));
            }
            Next::WaitUntil(_) | Next::Finished => return Ok(()),
        }
    }
}

/// The lanes of one connection that threads of this process are busy with.
#[derive(Clone, Default)]
struct Busy(Arc<Mutex<Vec<String>>>);

impl Busy {
    /// As [`converse`], in a lane that no other thread is busy with.
    fn converse(
        &self,
        hub: &Hub,
        connection: &Connection,
        transport: &mut impl Transport,
        clock: &dyn Fn() -> Timestamp,
    ) -> Result<bool, StoreError> {
        let (talk, _lane) = {
            let mut busy = self.lanes();
            let next = talk::next(hub, connection, &busy, clock())?;
            let Some(talk) = next else { return Ok(false) };
            busy.push(talk.lane().to_owned());
            let lane = Taken { busy: self, lane: talk.lane().to_owned() };
            (talk, lane)
        };
        carry(talk, hub, connection, transport, clock).map(|()| true)
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<String>> {
        // What is under the lock is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees its lane when the conversation ends, however it ends.
struct Taken<'a> {
    busy: &'a Busy,
    lane: String,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.busy.lanes().retain(|lane| *lane != self.lane);
    }
}

/// Runs every stage until nothing is due. Returns how many units of work were done.
pub fn drain(
    hub: &Hub,
    transport: &mut impl Transport,
    clock: &dyn Fn() -> Timestamp,
) -> Result<usize, StoreError> {
    let Some(worker) = hub.turn.worker() else { return Ok(0) };
    timers::step(hub, clock())?;
    let mut work = 0;
    for _ in 0..ROUNDS_MAX {
        let mut done = decode::step(hub, &worker, clock())?;
        done += decide::step(hub, &worker, clock())?;
        if done == 0 {
            for connection in hub.setup.connections.values() {
                done += usize::from(converse(hub, connection, transport, &[], clock)?);
            }
        }
        if done == 0 {
            done += reconcile::step(hub, &worker, clock())?;
        }
        if done == 0 {
            return Ok(work);
        }
        work += done;
    }
    Err(StoreError::Unavailable("the stages do not come to rest".to_owned()))
}

/// The running hub: its threads end when it is dropped or stopped.
pub struct Running {
    stop: Arc<AtomicBool>,
    store: Store,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Lets every thread finish what it is doing, then returns.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.store.changes().wake();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a stage ended in a panic");
            }
        }
    }
}

/// Starts the stages against the real clock; they work while it is the hub's turn.
pub fn serve(hub: &Hub, transport: &Http, clock: fn() -> Timestamp) -> Result<Running, StoreError> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    let mut start = |name: String, work: Box<dyn FnMut() -> Result<bool, StoreError> + Send>| {
        let (stop, store) = (Arc::clone(&stop), hub.store.clone());
        let spawned = std::thread::Builder::new().name(name.clone()).spawn(move || {
            run(&name, work, &stop, store.changes());
        });
        spawned
            .map(|thread| threads.push(thread))
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    };
    type Stage = fn(&Hub, &Worker, Timestamp) -> Result<usize, StoreError>;
    let stages: [(&str, Stage); 3] =
        [("decode", decode::step), ("decide", decide::step), ("reconcile", reconcile::step)];
    for (name, step) in stages {
        let hub = hub.clone();
        let work = move || match hub.turn.worker() {
            Some(worker) => Ok(step(&hub, &worker, clock())? > 0),
            None => Ok(false),
        };
        start(name.to_owned(), Box::new(work))?;
    }
    let timers_hub = hub.clone();
    let mut next_timer = clock();
    start(
        "timers".to_owned(),
        Box::new(move || {
            if clock() >= next_timer && timers_hub.turn.timers().is_some() {
                timers::step(&timers_hub, clock())?;
                next_timer = clock() + jiff::SignedDuration::from_secs(10);
            }
            Ok(false)
        }),
    )?;
    for connection in hub.setup.connections.values() {
        let Some(conversations) = connection.connector.conversations else { continue };
        let busy = Busy::default();
        for number in 1..=conversations.at_once {
            let (hub, connection, busy) = (hub.clone(), connection.clone(), busy.clone());
            let mut transport = transport.clone();
            let name = format!("talk {} {number}", connection.name);
            let work = move || busy.converse(&hub, &connection, &mut transport, &clock);
            start(name, Box::new(work))?;
        }
    }
    Ok(Running { stop, store: hub.store.clone(), threads })
}

fn run(
    name: &str,
    mut work: Box<dyn FnMut() -> Result<bool, StoreError> + Send>,
    stop: &AtomicBool,
    changes: &Changes,
) {
    while !stop.load(Ordering::Relaxed) {
        let seen = changes.seen();
        // A bug in one unit of work must not take the process down; the unit's attempts are
        // counted, and it is set aside.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut work));
        match outcome {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                std::thread::sleep(LOOKS_APART);
                changes.wait_beyond(seen, IDLE);
            }
            Ok(Err(error)) => {
                tracing::error!(stage = name, %error, "the stage could not work");
                std::thread::sleep(AFTER_ERROR);
            }
            Err(_) => {
                tracing::error!(stage = name, "the stage panicked over one unit of work");
                std::thread::sleep(AFTER_ERROR);
            }
        }
    }
}
