//! Who may ask: webhooks and files in, the REST API, the console, health and metrics.
//!
//! | module       | answers                                                            |
//! |--------------|--------------------------------------------------------------------|
//! | [`intake`]   | `POST /webhooks/…`, `POST /files/…`: stored before they are said ok |
//! | [`health`]   | `/health`, `/ready`                                                |
//! | [`metrics`]  | `/metrics` for Prometheus                                          |
//! | [`api`]      | `/api/v1/…` in JSON, described by `/api/v1/openapi.json`           |
//! | [`schemas`]  | `/schemas/…`: the contracts that senders build against             |
//! | [`pages`]    | the console                                                        |
//! | [`security`] | who may ask at all, from which site, and what browsers may load    |
//! | [`problem`]  | every refusal (RFC 9457)                                           |
//! | [`listen`]   | the accept loop with its deadlines                                 |
//!
//! Reads of the store run on blocking threads; writes are queued to its writer, so that many
//! deliveries share one commit. Nothing is decided here: what a person asks for (retry, resume) is
//! one conditional update that a stage then acts on.
//!
//! Deliberately absent: SQL (`trueup_store`), the name of any vendor (`connectors/`), TLS (a proxy
//! in front does it).

pub mod api;
pub mod errors;
pub mod format;
pub mod health;
pub mod intake;
pub mod listen;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod schemas;
pub mod security;
mod state;

pub use listen::listen;
pub use problem::Problem;
pub use state::{Clock, Doors, ServerState};

use axum::Router;
use axum::middleware;

/// Every route of the doors that are open.
pub fn router(state: ServerState) -> Router {
    let mut routes = Router::new().merge(health::routes()).merge(metrics::routes());
    if state.doors.intake {
        // Who sends reads the contracts where it sends.
        routes = routes.merge(intake::routes()).merge(schemas::routes());
    }
    if state.doors.console {
        routes =
            routes.nest("/api/v1", api::routes()).merge(errors::routes()).merge(pages::routes());
        routes = if state.doors.intake { routes } else { routes.merge(schemas::routes()) };
        routes = routes.fallback(pages::nothing_here);
    }
    routes
        .layer(middleware::from_fn_with_state(state.clone(), security::guard))
        .layer(middleware::from_fn(security::headers))
        .with_state(state)
}
