//! Plays the week through the front door: webhooks, polls and files, step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use trueup_connect::sandbox::Push;
use trueup_connect::webhook::SignedDelivery;
use trueup_connect::{CallError, Reply, Request, Secret};
use trueup_hub::shell::{self, Transport};
use trueup_hub::{Connection, Hub};
use trueup_sandbox::week::Sent;
use trueup_sandbox::{Week, World};

use super::setup::DEMO_SECRET;

/// The virtual time between two looks at what happened.
const STEP: SignedDuration = SignedDuration::from_mins(30);
/// Steps after the last day, until everything that is on its way has arrived.
const STEPS_AFTER: usize = 16;

/// Virtual time, shared by the hub, the console and the sandboxes.
#[derive(Clone, Debug)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_microsecond())))
    }
    /// Each look is a microsecond later than the one before: what arrives in an order keeps it.
    pub fn now(&self) -> Timestamp {
        let micros = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
    }
    /// Time never goes back.
    pub fn set(&self, now: Timestamp) {
        self.0.fetch_max(now.as_microsecond(), Ordering::Relaxed);
    }
}

/// Carries what the world sends to the hub's front door.
pub trait Carrier {
    fn webhook(
        &mut self,
        connection: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<()>;
    fn file(&mut self, connection: &str, name: &str, body: &[u8]) -> Result<()>;
}

/// Somebody who works in the books by hand, behind the hub's back.
pub trait Bookkeeper {
    /// Makes an order dearer; minor units of US dollars by which its total changed. `None` where
    /// there is no order.
    fn edit_order(&mut self) -> Result<Option<i64>>;
    /// Deletes a posted credit note; its total in minor units of US dollars. `None` where there is
    /// none.
    fn delete_credit_note(&mut self) -> Result<Option<i64>>;
}

/// Loses the reply to the next document that is sent to the books, when told to.
pub struct Lossy<T> {
    pub inner: T,
    pub lose_next: Arc<AtomicBool>,
}

impl<T: Transport> Transport for Lossy<T> {
    fn send(&mut self, connection: &Connection, request: &Request) -> Result<Reply, CallError> {
        let reply = self.inner.send(connection, request);
        let document = request.path.ends_with("account.move/load")
            || request.path.ends_with("sale.order/load");
        if document && reply.is_ok() && self.lose_next.swap(false, Ordering::Relaxed) {
            return Err(CallError::ReplyLost { why: "the demo cut the connection".to_owned() });
        }
        reply
    }
}

/// Does something to the world, wherever it is kept.
pub type Act<'a> = dyn FnMut(&mut dyn FnMut(&mut World)) + 'a;

/// Plays the week to its end. `act` does something to the world; `progress` is told the time. What
/// nobody can do to the books, for want of a `bookkeeper`, is not planted.
#[expect(clippy::too_many_arguments, reason = "each is one side of the play")]
pub fn play<T: Transport>(
    hub: &Hub,
    week: &mut Week,
    clock: &Clock,
    act: &mut Act<'_>,
    carrier: &mut dyn Carrier,
    transport: &mut Lossy<T>,
    mut bookkeeper: Option<&mut dyn Bookkeeper>,
    progress: &mut dyn FnMut(Timestamp),
) -> Result<()> {
    let now = || clock.now();
    let mut until = week.start();
    clock.set(until);
    let mut steps_after = 0;
    while steps_after < STEPS_AFTER {
        until = until.checked_add(STEP)?;
        if until > week.end() {
            // The week is over on the clock: what is left is work, not time.
            until = week.end();
            steps_after += 1;
            if steps_after == 1 || steps_after == STEPS_AFTER / 2 {
                // Every side states its totals of the same moment, or a bridge compares two days.
                poll_all(hub)?;
            }
        }
        let mut sent = Vec::new();
        act(&mut |world| sent = week.play(world, until));
        for (at, one) in sent {
            clock.set(at);
            match one {
                Sent::Webhook { connection, push } => {
                    carry(hub, carrier, connection, &push, clock.now())?;
                }
                Sent::File { connection, name, body } => {
                    carrier.file(connection, &name, &body)?;
                }
                Sent::LoseReply => transport.lose_next.store(true, Ordering::Relaxed),
                Sent::EditInBooks => {
                    let changed = bookkeeper.as_mut().map(|it| it.edit_order()).transpose()?;
                    if let Some(minor) = changed.flatten() {
                        week.planted.open("edited_in_books", minor, "USD");
                    }
                }
                Sent::DeleteCreditNote => {
                    let gone = bookkeeper.as_mut().map(|it| it.delete_credit_note()).transpose()?;
                    if let Some(minor) = gone.flatten() {
                        week.planted.open("gone_from_books", -minor, "USD");
                    }
                }
            }
        }
        clock.set(until);
        shell::drain(hub, transport, &now)?;
        progress(until);
        if steps_after > 0 {
            // Retries that wait some seconds get their turn without a new day beginning.
            clock.set(clock.now().checked_add(SignedDuration::from_secs(60))?);
        }
    }
    Ok(())
}

fn poll_all(hub: &Hub) -> Result<()> {
    let names: Vec<String> = hub.setup.connections.keys().cloned().collect();
    hub.store.write(move |tx| {
        names.iter().try_for_each(|name| trueup_store::streams::poll_now(tx, name))
    })?;
    Ok(())
}

fn carry(
    hub: &Hub,
    carrier: &mut dyn Carrier,
    connection: &str,
    push: &Push,
    now: Timestamp,
) -> Result<()> {
    let known = hub.connection(connection).context("a connection of the demo")?;
    let webhooks = known.connector.webhooks.context("a connector that takes webhooks")?;
    let headers = (webhooks.sign)(&SignedDelivery {
        kind: &push.kind,
        source_id: &push.source_id,
        account: known.account.as_deref().unwrap_or_default(),
        body: &push.body,
        secret: &Secret::new(DEMO_SECRET),
        now,
    });
    carrier.webhook(connection, &headers, &push.body)
}
