//! Who may ask at all, from which site, and what a browser may load.
//!
//! There are no accounts and roles yet: one optional token guards everything but webhooks (which
//! prove themselves), health and the schemas that senders build against. A browser trades the token for a cookie that does not contain it.

use askama::Template;
use axum::Form;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use trueup_domain::key;

use crate::pages::{Chrome, page};
use crate::problem::Problem;
use crate::state::ServerState;

const COOKIE: &str = "trueup_session";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Lets a request pass that may: a known sender from our own site.
pub async fn guard(
    State(state): State<ServerState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    if path.starts_with("/webhooks/") || path == "/health" {
        return Ok(next.run(request).await);
    }
    if changes(request.method()) && !is_same_site(request.headers()) {
        return Err(Problem::other_site());
    }
    let open = path == "/login" || path.starts_with("/assets/") || path.starts_with("/schemas/");
    if open || is_signed_in(&state, request.headers()) {
        return Ok(next.run(request).await);
    }
    let wants_page = request.method() == Method::GET && accepts_html(request.headers());
    if wants_page && !path.starts_with("/api/") {
        return Ok(Redirect::to("/login").into_response());
    }
    Err(Problem::not_signed_in())
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A browser always says where a POST comes from; what is not a browser cannot be tricked.
fn is_same_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, own)| own);
    own.is_some() && own == host
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn is_signed_in(state: &ServerState, headers: &HeaderMap) -> bool {
    let Some(token) = &state.token else { return true };
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if bearer.is_some_and(|given| is_equal(given, token)) {
        return true;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let session = session_of(token);
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .any(|(name, value)| name == COOKIE && is_equal(value, &session))
}

/// Compares hashes, so that neither content nor length shows in the time it takes.
fn is_equal(left: &str, right: &str) -> bool {
    let hash = |text: &str| key::body_hash(text.as_bytes());
    hash(left).as_bytes().ct_eq(hash(right).as_bytes()).into()
}

fn session_of(token: &str) -> String {
    key::body_hash(format!("console session {token}").as_bytes())
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    chrome: Chrome,
    failed: bool,
}

pub async fn login_form(State(state): State<ServerState>) -> Result<Response, Problem> {
    page(StatusCode::OK, &Login { chrome: Chrome::bare(&state), failed: false })
}

#[derive(Deserialize)]
pub struct Given {
    token: String,
}

pub async fn login(
    State(state): State<ServerState>,
    Form(given): Form<Given>,
) -> Result<Response, Problem> {
    let fits = state.token.as_deref().is_none_or(|token| is_equal(&given.token, token));
    if !fits {
        let form = Login { chrome: Chrome::bare(&state), failed: true };
        return page(StatusCode::UNAUTHORIZED, &form);
    }
    let mut response = Redirect::to("/").into_response();
    if let Some(token) = &state.token {
        let session = session_of(token);
        let cookie = format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict");
        let value = HeaderValue::from_str(&cookie).map_err(Problem::internal)?;
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

pub async fn logout() -> Response {
    let mut response = Redirect::to("/login").into_response();
    response.headers_mut().insert(
        header::SET_COOKIE,
        HeaderValue::from_static("trueup_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"),
    );
    response
}

/// What browsers are told with every answer.
pub async fn headers(request: Request, next: Next) -> Response {
    let asset = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let cache = if asset { "no-cache" } else { "no-store" };
    let all = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, cache),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
