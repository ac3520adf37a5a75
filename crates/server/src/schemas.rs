//! The contracts of connectors whose senders build against us, for machines. They are open to all:
//! whoever builds a sender has no token of this server.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::problem::Problem;
use crate::state::ServerState;

pub fn routes() -> Router<ServerState> {
    Router::new().route("/schemas/{connector}/{name}", get(show))
}

async fn show(
    State(state): State<ServerState>,
    Path((connector, name)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let wanted = format!("{connector}/{name}");
    let found = state.schemas.iter().find(|(own, _)| *own == wanted);
    let (_, text) = found.ok_or_else(|| Problem::not_found("this schema"))?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], *text))
}
