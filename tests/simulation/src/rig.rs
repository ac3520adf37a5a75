//! The world and a hub that dies and comes back, without a network.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
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
}

impl Transport for Direct {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        Ok(self.world.borrow_mut().handle(&connection.name, request, self.clock.now()))
    }
}

/// Carries deliveries straight into RECEIVE.
pub struct FrontDoor {
    pub hub: Hub,
    pub clock: Clock,
}

impl Carrier for FrontDoor {
    fn webhook(
        &mut self,
        connection: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<()> {
        let now = self.clock.now();
        let connection = self.hub.connection(connection).context("unknown connection")?;
        let message = receive::webhook(connection, &Delivery { headers, body }, now)
            .map_err(|refusal| anyhow!("{refusal}"))?;
        self.hub.store.write(move |tx| receive::record(tx, &message, now))?;
        Ok(())
    }

    fn file(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()> {
        let now = self.clock.now();
        let connection = self.hub.connection(connection).context("unknown connection")?;
        let message = receive::file(connection, name, body.to_vec())
            .map_err(|refusal| anyhow!("{refusal}"))?;
        self.hub.store.write(move |tx| receive::record(tx, &message, now))?;
        Ok(())
    }
}

pub fn lossy(direct: Direct) -> Lossy<Direct> {
    Lossy { inner: direct, lose_next: Arc::new(AtomicBool::new(false)) }
}
