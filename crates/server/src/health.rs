//! Whether the process lives, and whether it can serve.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use trueup_store::{SHARDS, messages};

use crate::problem::Problem;
use crate::state::ServerState;

pub fn routes() -> Router<ServerState> {
    Router::new().route("/health", get(health)).route("/ready", get(ready))
}

async fn health() -> &'static str {
    "ok\n"
}

/// Ready means that the store answers.
async fn ready(State(state): State<ServerState>) -> Result<&'static str, Problem> {
    state.read(|tx| messages::any_due(tx, 0, SHARDS)).await?;
    Ok("ready\n")
}
