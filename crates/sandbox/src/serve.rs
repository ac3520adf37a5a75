//! The world behind HTTP: `/<connection>/…` is what the vendor answers at `/…`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use trueup_connect::conversation::Method;
use trueup_connect::{Reply, Request};

use crate::world::World;

const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The world and the clock that its vendors live by.
#[derive(Clone)]
pub struct Shared {
    pub world: Arc<Mutex<World>>,
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Shared {
    /// Does something to the world between requests.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub fn router(shared: Shared) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

/// Serves until `listener` is closed by the end of the process.
pub async fn listen(shared: Shared, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    axum::serve(listener, router(shared)).await
}

async fn answer(
    State(shared): State<Shared>,
    request: axum::http::Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let full = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let Some((connection, path)) = full.trim_start_matches('/').split_once('/') else {
        return plain(StatusCode::NOT_FOUND);
    };
    let method = match parts.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        _ => return plain(StatusCode::METHOD_NOT_ALLOWED),
    };
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let request = Request {
        method,
        path: format!("/{path}"),
        headers: headers.collect(),
        body: body.to_vec(),
        timeout_ms: 0,
    };
    let now = (shared.clock)();
    let reply = shared.with(|world| world.handle(connection, &request, now));
    respond(reply)
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn respond(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = pair {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
