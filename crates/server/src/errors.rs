//! The pages that explain error codes, as they are in `docs/errors`.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use askama::Template;

use crate::pages::{Chrome, PageProblem, page};
use crate::problem::Problem;
use crate::state::ServerState;

static PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

pub fn routes() -> Router<ServerState> {
    Router::new().route("/errors/{code}", get(show))
}

/// The text of a code's page.
pub fn text_of(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(own, _)| *own == code).map(|(_, text)| *text)
}

/// Our pages use three things of Markdown: headings, lists and paragraphs.
struct Block {
    /// `h`, `li` or `p`.
    kind: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "error_code.html")]
struct ErrorCode {
    chrome: Chrome,
    title: String,
    blocks: Vec<Block>,
}

async fn show(
    State(state): State<ServerState>,
    Path(code): Path<String>,
) -> Result<Response, PageProblem> {
    let text = text_of(&code).ok_or_else(|| Problem::not_found("this error code"))?;
    let mut title = code;
    let mut blocks = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("# ") {
            title = plain(text);
        } else if let Some(text) = line.strip_prefix("## ") {
            blocks.push(Block { kind: "h", text: plain(text) });
        } else if let Some(text) = list_item(line) {
            blocks.push(Block { kind: "li", text: plain(text) });
        } else {
            blocks.push(Block { kind: "p", text: plain(line) });
        }
    }
    let shown = ErrorCode { chrome: Chrome::bare(&state), title, blocks };
    Ok(page(StatusCode::OK, &shown)?)
}

fn list_item(line: &str) -> Option<&str> {
    if let Some(text) = line.strip_prefix("- ") {
        return Some(text);
    }
    let (number, text) = line.split_once(". ")?;
    let counts = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    counts.then_some(text)
}

fn plain(text: &str) -> String {
    text.replace(['`', '*'], "")
}
