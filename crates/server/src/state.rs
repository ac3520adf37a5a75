//! What every handler shares, and its two ways to the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use trueup_hub::Hub;
use trueup_hub::schedules::Schedule;
use trueup_store::{StoreError, Tx};

use crate::problem::Problem;

/// After this long a write that the store has not confirmed is answered with 503; the sender comes
/// again, and what was stored meanwhile counts as a repeat.
const COMMIT_DEADLINE: Duration = Duration::from_secs(25);

/// Tells the time: the real one, or that of a week that is played.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a process answers beside health and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doors {
    /// Webhooks and files are taken in.
    pub intake: bool,
    /// The console and the API.
    pub console: bool,
}

impl Default for Doors {
    fn default() -> Self {
        Self { intake: true, console: true }
    }
}

#[derive(Clone)]
pub struct ServerState {
    pub hub: Hub,
    pub clock: Clock,
    /// If set, everything but webhooks, health and schemas asks for it.
    pub token: Option<Arc<str>>,
    /// Contracts for senders as JSON Schemas: `<connector>/<file>` and the text.
    pub(crate) schemas: &'static [(&'static str, &'static str)],
    /// The jobs whose standing is shown; who runs them is somebody else.
    pub(crate) schedules: Arc<[Schedule]>,
    pub(crate) doors: Doors,
    /// Requests of senders, by connection and outcome, since the start.
    pub(crate) requests: Arc<Mutex<BTreeMap<(String, &'static str), u64>>>,
}

impl ServerState {
    pub fn new(hub: Hub, clock: Clock) -> Self {
        Self {
            hub,
            clock,
            token: None,
            schemas: &[],
            schedules: Arc::default(),
            doors: Doors::default(),
            requests: Arc::default(),
        }
    }

    /// Asks for this token; an empty one would let everybody in and counts as none.
    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token.filter(|token| !token.is_empty()).map(Arc::from);
        self
    }

    /// Publishes these contracts under `/schemas/`.
    #[must_use]
    pub fn with_schemas(mut self, schemas: &'static [(&'static str, &'static str)]) -> Self {
        self.schemas = schemas;
        self
    }

    /// Shows how these stand.
    #[must_use]
    pub fn with_schedules(mut self, schedules: Vec<Schedule>) -> Self {
        self.schedules = schedules.into();
        self
    }

    /// Opens only these.
    #[must_use]
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.doors = doors;
        self
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn count(&self, connection: &str, outcome: &'static str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((connection.to_owned(), outcome)).or_default() += 1;
    }

    /// Reads one consistent state on a blocking thread.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self.hub.store.clone();
        let outcome = tokio::task::spawn_blocking(move || store.read(work)).await;
        outcome.map_err(Problem::internal)?.map_err(Problem::from)
    }

    /// Queues `work` and returns once it is durable; what waits together shares one commit.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let queued = self.hub.store.try_submit(work, move |outcome| {
            // A caller that gave up has been told that nothing is certain.
            let _ = sender.send(outcome);
        });
        if let Err(full) = queued {
            // Only this one waits for room, not what else the thread carries.
            let waiting = tokio::task::spawn_blocking(move || full.submit());
            waiting.await.map_err(Problem::internal)?;
        }
        match tokio::time::timeout(COMMIT_DEADLINE, receiver).await {
            Ok(Ok(outcome)) => outcome.map_err(Problem::from),
            Ok(Err(_)) => Err(Problem::unavailable("the writer of the store stopped")),
            Err(_) => Err(Problem::unavailable("the store did not confirm in time")),
        }
    }
}
