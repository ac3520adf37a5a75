//! A hub after a week in which things went wrong, behind a server on this machine.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use tower::ServiceExt;
use trueup::demo::play::{Carrier, Clock, Lossy, play};
use trueup::demo::setup;
use trueup_connect::{CallError, Reply};
use trueup_hub::shell::Transport;
use trueup_hub::{Connection, Hub};
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_server::ServerState;
use trueup_store::Store;

pub struct Shop {
    pub hub: Hub,
    pub clock: Clock,
}

impl Shop {
    /// Plays the week through the server's webhooks and uploads.
    pub fn after_a_week(orders: u32) -> Result<Self> {
        let settings = WeekSettings { orders, ..WeekSettings::default() };
        let mut week = Week::new(settings);
        let mut world = World::new(true)?;
        week.prepare(&mut world);
        let odoo = world.odoo.as_ref().context("books in the world")?;
        let mut mappings = BTreeMap::new();
        for entity in ["us", "eu"] {
            let mapping = odoo.demo_mapping(entity).context("a mapping for each entity")?;
            mappings.insert(entity.to_owned(), mapping);
        }
        let clock = Clock::at(week.start());
        let hub = setup::hub(Store::in_memory()?, None, None, week.start(), "demo")?;
        setup::approve(&hub, &mappings, week.start())?;
        let shop = Self { hub, clock: clock.clone() };

        let world = Rc::new(RefCell::new(world));
        let inner = Direct { world: Rc::clone(&world), clock: clock.clone() };
        let mut transport = Lossy { inner, lose_next: Arc::new(AtomicBool::new(false)) };
        let mut door = FrontDoor {
            router: trueup_server::router(shop.state()),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        let mut act = |f: &mut dyn FnMut(&mut World)| f(&mut world.borrow_mut());
        let hub = &shop.hub;
        play(hub, &mut week, &clock, &mut act, &mut door, &mut transport, None, &mut |_| {})?;
        Ok(shop)
    }

    pub fn state(&self) -> ServerState {
        let clock = self.clock.clone();
        ServerState::new(self.hub.clone(), Arc::new(move || clock.now()))
    }
}

/// Carries requests straight into the sandboxes.
struct Direct {
    world: Rc<RefCell<World>>,
    clock: Clock,
}

impl Transport for Direct {
    fn send(
        &mut self,
        connection: &Connection,
        request: &trueup_connect::Request,
    ) -> Result<Reply, CallError> {
        Ok(self.world.borrow_mut().handle(&connection.name, request, self.clock.now()))
    }
}

/// Carries deliveries into the routes that a vendor would call.
struct FrontDoor {
    router: Router,
    runtime: tokio::runtime::Runtime,
}

impl FrontDoor {
    fn post(&self, path: &str, headers: &[(String, String)], body: &[u8]) -> Result<()> {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_vec()))?;
        let reply = self.runtime.block_on(self.router.clone().oneshot(request))?;
        ensure!(reply.status() == StatusCode::OK, "{path} answered {}", reply.status());
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
        let name = trueup_server::format::in_query(name);
        self.post(&format!("/files/{connection}?name={name}"), &[], body)
    }
}
