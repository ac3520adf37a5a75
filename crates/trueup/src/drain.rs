//! The stages in the thread of a command, until nothing is due.

use anyhow::Result;
use trueup_hub::{Hub, decide, decode, reconcile, timers};
use trueup_store::StoreError;

use crate::wiring::now;

/// Rounds after which something feeds itself.
const ROUNDS_MAX: usize = 100_000;

/// Decodes, decides and reconciles what is there; sends nothing.
pub fn local(hub: &Hub) -> Result<()> {
    let Some(worker) = hub.turn.worker() else { return Ok(()) };
    timers::step(hub, now())?;
    for _ in 0..ROUNDS_MAX {
        let mut done = decode::step(hub, &worker, now())?;
        done += decide::step(hub, &worker, now())?;
        if done == 0 {
            done += reconcile::step(hub, &worker, now())?;
        }
        if done == 0 {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable("the stages do not come to rest".to_owned()).into())
}
