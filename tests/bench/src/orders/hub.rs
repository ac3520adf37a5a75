//! The hub as it runs: messages at the front door, the stages behind it, and the conversations with
//! the books over HTTP.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use trueup::demo::setup::{self, RealBooks};
use trueup_hub::setup::HubSetup;
use trueup_hub::shell::{self, Http};
use trueup_hub::{Hub, Worker, decide, decode};
use trueup_sandbox::world::{ODOO, SHOP_US};
use trueup_store::messages::NewMessage;
use trueup_store::{Store, commands, mappings};

use super::Took;
use super::books::Books;
use super::sales::{self, Sale};
use crate::processors::Processors;
use crate::stages::hand_in;

/// How often the bench looks how far the hub is: what that costs is in the hub's own processor time.
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(600);

/// A hub with one shop and the books, in a throw-away SQLite file.
fn hub(folder: &TempDir, books: &Books) -> Result<Hub> {
    let store = Store::open_sqlite(&folder.path().join("orders.sqlite"))?;
    let real = RealBooks {
        url: books.database.url.clone(),
        database: Some(books.database.name.clone()),
        api_key: books.database.hub_key.clone(),
    };
    let since = sales::day()?;
    let whole = setup::hub(store.clone(), None, Some(&real), since, "bench")?;
    let wanted = [SHOP_US, ODOO].into_iter();
    let connections = wanted
        .filter_map(|name| Some((name.to_owned(), whole.connection(name)?.clone())))
        .collect();
    let setup = HubSetup {
        environment: whole.setup.environment.clone(),
        connections,
        calendar: whole.setup.calendar.clone(),
    };
    let mapping = books.mapping.clone();
    store.write(move |tx| {
        mappings::approve(tx, SHOP_US, &mapping, "bench", "the bench's setup", since)
    })?;
    Ok(Hub::new(store, setup))
}

/// Decides and delivers nothing: to see what would be delivered.
pub struct Scratch {
    pub hub: Hub,
    _folder: TempDir,
}

impl Scratch {
    pub fn new(books: &Books) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self { hub: hub(&folder, books)?, _folder: folder })
    }

    pub fn receive(&self, new: Vec<NewMessage>) -> Result<()> {
        hand_in(&self.hub, new, trueup::wiring::now())?;
        let (worker, now) = (Worker::alone(), trueup::wiring::now());
        while decode::step(&self.hub, &worker, now)? > 0 {}
        while decide::step(&self.hub, &worker, now)? > 0 {}
        Ok(())
    }
}

/// The hub with its threads.
pub struct Running {
    hub: Hub,
    threads: shell::Running,
    /// Orders of earlier rounds.
    before: usize,
    _folder: TempDir,
}

impl Running {
    pub fn start(books: &Books) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let hub = hub(&folder, books)?;
        let http = Http::new(books.runtime.handle().clone())?;
        let threads = shell::serve(&hub, &http, trueup::wiring::now)?;
        Ok(Self { hub, threads, before: 0, _folder: folder })
    }

    /// Gives the hub the webhooks of the sales and waits until everything is in the books.
    pub fn post(&mut self, sales: &[Sale]) -> Result<Took> {
        let all = sales.iter().flat_map(|sale| sale.messages.clone()).collect();
        let wanted = self.before + sales.len();
        let (began, before) = (Instant::now(), Processors::read()?);
        hand_in(&self.hub, all, trueup::wiring::now())?;
        let mut done: BTreeMap<String, Duration> = BTreeMap::new();
        while !done.contains_key("reconciliation") {
            ensure!(began.elapsed() < PATIENCE, "the hub does not come to an end");
            std::thread::sleep(LOOK);
            for (_, kind, state, count) in self.hub.store.read(commands::counts)? {
                if state == "refused" {
                    bail!("{count} commands of kind {kind} are refused");
                }
                if state == "applied" && usize::try_from(count)? == wanted {
                    done.entry(kind).or_insert_with(|| began.elapsed());
                }
            }
        }
        let used = Processors::read()?.used_since(before);
        let orders = u64::try_from(sales.len())?.max(1);
        println!(
            "orders: hub: {} us of processor time an order of its own, {}.{} % of what all else took, \
             which is Odoo and its database on a quiet machine ({} ms an order)",
            1_000 * used.own / orders,
            100 * used.own / used.others.max(1),
            1_000 * used.own / used.others.max(1) % 10,
            used.others / orders
        );
        self.before = wanted;
        let steps = ["partner", "order", "invoice", "payment", "reconciliation"];
        for kind in steps {
            let at = done.get(kind).map_or(0, Duration::as_millis);
            println!("orders: hub: all of kind {kind} after {at} ms");
        }
        let posted = *done.get("invoice").context("invoices")?;
        let paid = done.values().max().copied().unwrap_or_default();
        Ok(Took { orders: sales.len(), posted, paid })
    }

    pub fn stop(self) {
        self.threads.stop();
    }
}
