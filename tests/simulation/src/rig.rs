//! The world and a hub that dies and comes back, without a network.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use trueup::demo::play::{Carrier, Clock, Lossy};
use trueup_connect::webhook::Delivery;
use trueup_connect::{CallError, Reply, Request};
use trueup_hub::shell::Transport;
use trueup_hub::{Connection, Hub, receive};
use trueup_sandbox::World;

/// Carries requests straight into the sandboxes.
#[derive(Clone)]
pub struct Direct {
    pub world: Rc<RefCell<World>>,
    pub clock: Clock,
    pub carried: Rc<Cell<Carried>>,
}

/// What was carried: requests in all, and those that ask for one object, as a hint does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried {
    pub requests: u64,
    pub reads: u64,
}

impl Carried {
    pub fn count(&mut self, request: &Request) {
        const PATHS: [&str; 5] = [
            "/v1/charges/",
            "/v1/payouts/",
            "/v1/refunds/",
            "/v1/disputes/",
            "/v1/balance_transactions/",
        ];
        let by_path = PATHS.iter().any(|start| request.path.starts_with(start));
        let by_id = || String::from_utf8_lossy(&request.body).contains("nodes(ids");
        self.requests += 1;
        self.reads += u64::from(by_path || by_id());
    }
}

impl Direct {
    pub fn new(world: &Rc<RefCell<World>>, clock: &Clock) -> Self {
        Self { world: Rc::clone(world), clock: clock.clone(), carried: Rc::default() }
    }
}

impl Transport for Direct {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        let mut carried = self.carried.get();
        carried.count(request);
        self.carried.set(carried);
        Ok(self.world.borrow_mut().handle(&connection.name, request, self.clock.now()))
    }

    fn wait(&mut self, time: Duration) {
        let now = self.clock.now();
        self.clock.set(now.checked_add(time).unwrap_or(now));
    }
}

/// Carries deliveries straight into RECEIVE.
pub struct FrontDoor {
    hub: Hub,
    clock: Clock,
    /// The clock of its process less the true one.
    skew: SignedDuration,
    /// The delivery key under which the last delivery was stored.
    pub stored_as: String,
}

impl FrontDoor {
    pub fn new(hub: &Hub, clock: &Clock) -> Self {
        Self::with_skew(hub, clock, SignedDuration::ZERO)
    }

    pub fn with_skew(hub: &Hub, clock: &Clock, skew: SignedDuration) -> Self {
        Self { hub: hub.clone(), clock: clock.clone(), skew, stored_as: String::new() }
    }

    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(self.skew).unwrap_or(now)
    }
}

impl Carrier for FrontDoor {
    fn webhook(
        &mut self,
        connection: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<()> {
        let now = self.now();
        let connection = self.hub.connection(connection).context("unknown connection")?;
        let message = receive::webhook(connection, &Delivery { headers, body }, now)
            .map_err(|refusal| anyhow!("{refusal}"))?;
        self.stored_as.clone_from(&message.source_id);
        self.hub.store.write(move |tx| receive::record(tx, &message, now))?;
        Ok(())
    }

    fn file(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()> {
        let now = self.now();
        let connection = self.hub.connection(connection).context("unknown connection")?;
        let message = receive::file(connection, name, body.to_vec())
            .map_err(|refusal| anyhow!("{refusal}"))?;
        self.stored_as.clone_from(&message.source_id);
        self.hub.store.write(move |tx| receive::record(tx, &message, now))?;
        Ok(())
    }
}

pub fn lossy(direct: Direct) -> Lossy<Direct> {
    Lossy { inner: direct, lose_next: Arc::new(AtomicBool::new(false)) }
}
