//! Presses keys on a page: a script of the test's own, served beside the console, because the
//! console's policy lets nothing else run.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The parameter that names the keys, apart by commas.
pub const PARAMETER: &str = "test-keys";

const SCRIPT: &str = r#"
"use strict";
addEventListener("load", () => {
  const keys = new URLSearchParams(location.search).get("test-keys");
  if (!keys) return;
  for (const key of keys.split(",")) {
    const target = document.activeElement || document.body;
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  }
  const focused = document.activeElement;
  const page = document.documentElement.dataset;
  page.focused = focused.id || focused.getAttribute("href") || focused.tagName;
  page.help = String(document.getElementById("help").open);
  page.rows = String(document.querySelectorAll(".is-current").length);
});
"#;

/// The console with the script on each page.
pub fn with_keys(console: Router) -> Router {
    let script = || async { ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT) };
    Router::new().route("/test/keys.js", get(script)).merge(console.layer(from_fn(add_script)))
}

async fn add_script(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return parts.into_response() };
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("</head>") {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let text = text.replace("</head>", "<script src=\"/test/keys.js\" defer></script></head>");
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}
