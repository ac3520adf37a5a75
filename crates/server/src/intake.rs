//! The front door: webhooks and files. A sender hears 200 only after the commit that stored what it
//! sent; anything else makes it come again, and a repeat is recognised.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use trueup_hub::receive::{self, BODY_BYTES_MAX, Delivery, NotAuthentic, Refusal};
use trueup_hub::room::Level;
use trueup_store::messages::{self, Prepared, Recorded};

use crate::problem::Problem;
use crate::state::ServerState;

/// A body that dribbles in more slowly than this holds memory for nothing.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
const FILE_NAME_MAX: usize = 200;
/// A body of this size is proven, hashed and packed in about a millisecond.
const SMALL_BYTES: usize = 64 * 1024;

pub fn routes() -> Router<ServerState> {
    Router::new()
        .route("/webhooks/{connection}", post(webhook))
        .route("/files/{connection}", post(file))
}

async fn webhook(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let known = state.hub.connection(&name).is_some();
    let outcome = take_webhook(&state, name.clone(), &headers, body).await;
    // What strangers write into the path must not become a label.
    let source = if known { name.as_str() } else { "unknown" };
    state.count(source, outcome_word(&outcome));
    outcome.map(|_| StatusCode::OK)
}

async fn take_webhook(
    state: &ServerState,
    name: String,
    headers: &HeaderMap,
    body: Body,
) -> Result<Recorded, Problem> {
    let body = raw_body(state, &name, headers, body).await?;
    let headers = lower_cased(headers);
    let checking = state.clone();
    let bytes = body.len();
    let check = move || {
        let connection = checking.hub.connection(&name);
        let connection = connection.ok_or_else(|| unknown_connection(&name))?;
        let delivery = Delivery { headers: &headers, body: &body };
        let message = receive::webhook(connection, &delivery, checking.now())?;
        messages::prepare(message).map_err(Problem::from)
    };
    let prepared = off_the_road(bytes, check).await?;
    record(state, prepared).await
}

/// Runs what takes as long as a body has bytes (proving, hashing, packing). For a large body that is
/// done aside, so that other requests do not wait; for a small one the way aside would take longer.
async fn off_the_road<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if bytes <= SMALL_BYTES {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?
}

#[derive(Deserialize)]
struct FileQuery {
    name: Option<String>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Taken {
    /// The id of the message: the same bytes always have the same.
    pub message: String,
    /// The same file was here before.
    pub repeat: bool,
}

async fn file(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    let body = raw_body(&state, &name, &headers, body).await?;
    let connection = state.hub.connection(&name).ok_or_else(|| unknown_connection(&name))?;
    let called: String = query.name.unwrap_or_default().chars().take(FILE_NAME_MAX).collect();
    let message = receive::file(connection, &called, body.to_vec())?;
    let prepare = move || messages::prepare(message).map_err(Problem::from);
    let prepared = off_the_road(body.len(), prepare).await?;
    let outcome = record(&state, prepared).await;
    state.count(&name, outcome_word(&outcome));
    Ok(Json(match outcome? {
        Recorded::Stored(message) => Taken { message, repeat: false },
        Recorded::Repeat(message) => Taken { message, repeat: true },
    }))
}

/// Hashing and packing was the handler's work: the store has one writer for all.
async fn record(state: &ServerState, prepared: Prepared) -> Result<Recorded, Problem> {
    let now = state.now();
    state.write(move |tx| receive::record_prepared(tx, &prepared, now)).await
}

/// Reads a body for a connection that exists, within the limits of size and time.
async fn raw_body(
    state: &ServerState,
    connection: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Problem> {
    if state.hub.connection(connection).is_none() {
        return Err(unknown_connection(connection));
    }
    if state.hub.room.level() == Level::Full {
        return Err(Problem::no_room());
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::encoded());
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if usize::try_from(announced).map_or(true, |bytes| bytes > BODY_BYTES_MAX) {
        return Err(Refusal::TooLarge.into());
    }
    let reading = axum::body::to_bytes(body, BODY_BYTES_MAX);
    match tokio::time::timeout(BODY_DEADLINE, reading).await {
        Err(_) => Err(Problem::too_slow()),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(Refusal::TooLarge.into()),
        Ok(Err(_)) => Err(Problem::unreadable("the body ended before its end")),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if inner.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn lower_cased(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

fn unknown_connection(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::not_found(format!("the connection `{shown}`"))
}

/// The words of the label `outcome`.
fn outcome_word(outcome: &Result<Recorded, Problem>) -> &'static str {
    match outcome {
        Ok(Recorded::Stored(_)) => "accepted",
        Ok(Recorded::Repeat(_)) => "duplicate",
        // Signed rightly, and dated otherwise than our clock says.
        Err(problem) if problem.title == NotAuthentic::Stale.to_string() => "stale",
        Err(problem) => match problem.status {
            StatusCode::UNAUTHORIZED => "bad_signature",
            StatusCode::FORBIDDEN => "other_account",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::SERVICE_UNAVAILABLE => "not_stored",
            _ => "refused",
        },
    }
}
