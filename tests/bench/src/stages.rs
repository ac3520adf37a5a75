//! Decode and decide: real webhook bodies of a played week, on one core.

use std::time::Instant;

use anyhow::{Context, Result};
use jiff::Timestamp;
use trueup::demo::setup;
use trueup_hub::{Hub, Worker, decide, decode};
use trueup_sandbox::week::Sent;
use trueup_sandbox::world::SHOP_US;
use trueup_sandbox::{Week, WeekSettings, World};
use trueup_store::Store;
use trueup_store::messages::{self, NewMessage, Origin};

/// A webhook as the played shop sends it.
pub struct Body {
    pub kind: String,
    pub source_id: String,
    pub bytes: Vec<u8>,
}

/// The first webhooks of one shop in a played week.
pub fn bodies(count: usize) -> Result<Vec<Body>> {
    told(count, |_| true)
}

/// The same, one of each order.
pub fn placed(count: usize) -> Result<Vec<Body>> {
    told(count, |body| body.kind == "orders/create")
}

fn told(count: usize, which: impl Fn(&Body) -> bool) -> Result<Vec<Body>> {
    let orders = u32::try_from(count)?;
    let mut week = Week::new(WeekSettings { orders, faults: false, ..WeekSettings::default() });
    let mut world = World::new(true)?;
    week.prepare(&mut world);
    let sent = week.play(&mut world, week.end());
    let bodies = sent.into_iter().filter_map(|(_, one)| match one {
        Sent::Webhook { connection, push } if connection == SHOP_US => {
            Some(Body { kind: push.kind, source_id: push.source_id, bytes: push.body })
        }
        _ => None,
    });
    Ok(bodies.filter(which).take(count).collect())
}

pub fn measure(bodies: &[Body]) -> Result<()> {
    let start = jiff::civil::date(2026, 4, 29).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
    let now = start.checked_add(jiff::SignedDuration::from_hours(24 * 8))?;
    let folder = tempfile::tempdir()?;
    let store = Store::open_sqlite(&folder.path().join("stages.sqlite"))?;
    let hub = setup::hub(store, None, None, start, "bench")?;
    let world = World::new(true)?;
    let odoo = world.odoo.as_ref().context("an Odoo")?;
    let mut mappings = std::collections::BTreeMap::new();
    for entity in ["us", "eu"] {
        mappings.insert(entity.to_owned(), odoo.demo_mapping(entity).context("a mapping")?);
    }
    setup::approve(&hub, &mappings, start)?;
    record(&hub, bodies, now)?;
    let worker = Worker::alone();
    let began = Instant::now();
    let mut decoded = 0;
    loop {
        match decode::step(&hub, &worker, now)? {
            0 => break,
            count => decoded += count,
        }
    }
    let decoding = began.elapsed();
    let began = Instant::now();
    let mut decided = 0;
    loop {
        match decide::step(&hub, &worker, now)? {
            0 => break,
            count => decided += count,
        }
    }
    let deciding = began.elapsed();
    println!("decode: {decoded} messages, {}/s on one core", per_second(decoded, decoding));
    println!("decide: {decided} sales, {}/s on one core", per_second(decided, deciding));
    Ok(())
}

/// Takes webhooks in, as the front door does, all in one transaction.
pub fn record(hub: &Hub, bodies: &[Body], now: Timestamp) -> Result<()> {
    let new: Vec<NewMessage> = bodies
        .iter()
        .map(|body| NewMessage {
            connection: SHOP_US.to_owned(),
            source_id: body.source_id.clone(),
            kind: body.kind.clone(),
            origin: Origin::Webhook,
            headers: "{}".to_owned(),
            body: body.bytes.clone(),
            asked_at: None,
        })
        .collect();
    hand_in(hub, new, now)
}

/// Stores messages, all in one transaction.
pub fn hand_in(hub: &Hub, new: Vec<NewMessage>, now: Timestamp) -> Result<()> {
    hub.store.write(move |tx| {
        for message in &new {
            messages::record(tx, message, now)?;
        }
        Ok(())
    })?;
    Ok(())
}

pub fn per_second(count: usize, time: std::time::Duration) -> u128 {
    (count as u128) * 1_000_000 / time.as_micros().max(1)
}
