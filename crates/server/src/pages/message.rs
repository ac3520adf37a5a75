//! One message, byte for byte as it came in.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::value::RawValue;
use trueup_store::messages;

use super::cases::{Decided, decided};
use super::connections::Moment;
use super::{Chrome, PageProblem, Shared, act, page};
use crate::format;
use crate::problem::Problem;

/// A page shows this much of a body; the rest is in the download.
const SHOWN_BYTES_MAX: usize = 512 * 1024;

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    chrome: Chrome,
    id: String,
    connection: String,
    kind: String,
    source_id: String,
    origin: String,
    state: String,
    class: &'static str,
    received: Moment,
    repeats: i64,
    code: String,
    error: String,
    headers: Vec<(String, String)>,
    size: String,
    body: String,
    /// How the body is shown: `JSON, indented`, `text`, `bytes that are no text`.
    shown_as: &'static str,
    cut: bool,
    /// Whether decoding it again could change anything.
    can_retry: bool,
    person: String,
    decisions: Vec<Decided>,
}

pub async fn show(
    State(state): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let person = act::person(&headers);
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let Some(message) = messages::find(tx, &id)? else { return Ok(None) };
            let decisions = decided(tx, &[&id], now)?;
            let chrome = Chrome::new(tx, &shared, "connections")?;
            Ok(Some(Message { person, decisions, ..build(chrome, message, now) }))
        })
        .await?;
    let shown = shown.ok_or_else(|| Problem::not_found("this message"))?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn build(chrome: Chrome, message: messages::Shown, now: Timestamp) -> Message {
    let headers: BTreeMap<String, String> =
        serde_json::from_str(&message.headers).unwrap_or_default();
    let (text, shown_as) = shown(&message.body);
    let cut = text.len() > SHOWN_BYTES_MAX;
    let body = text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or(&text).to_owned();
    Message {
        chrome,
        class: match message.state.as_str() {
            "decoded" | "hinted" => "proven",
            "failed" => "broken",
            "ignored" | "skipped" => "not_applicable",
            _ => "not_due",
        },
        received: Moment::new(message.received_at, now),
        size: format::bytes(i64::try_from(message.body.len()).unwrap_or(i64::MAX)),
        body,
        shown_as,
        cut,
        can_retry: matches!(message.state.as_str(), "failed" | "ignored" | "skipped"),
        person: String::new(),
        decisions: Vec::new(),
        headers: headers.into_iter().collect(),
        id: message.id,
        connection: message.connection,
        kind: message.kind,
        source_id: message.source_id,
        origin: message.origin,
        state: message.state,
        repeats: message.repeats,
        code: message.error_code.unwrap_or_default(),
        error: message.error.unwrap_or_default(),
    }
}

fn shown(body: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(body) {
        Ok(text) if serde_json::from_str::<&RawValue>(text).is_ok() => {
            (indented(text), "JSON, indented")
        }
        Ok(text) => (text.to_owned(), "text"),
        Err(_) => (String::from_utf8_lossy(body).into_owned(), "bytes that are no text"),
    }
}

/// Indents JSON without reading its values: a number keeps every digit that was sent.
fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            ' ' | '\n' | '\r' | '\t' => {}
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.peek().is_some_and(|next| next.is_ascii_whitespace()) {
                    letters.next();
                }
                if letters.peek().is_some_and(|next| matches!(next, '}' | ']')) {
                    out.extend(letters.next());
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    const DEPTH_SHOWN_MAX: usize = 40;
    out.push('\n');
    for _ in 0..depth.min(DEPTH_SHOWN_MAX) {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_changes_nothing_but_space() {
        let text = r#"{"a":[1.10,{}, [ ]],"b":"x\"{,}:\\","c":1e400}"#;
        let shown = indented(text);
        let wanted = "{\n  \"a\": [\n    1.10,\n    {},\n    []\n  ],\n  \
                      \"b\": \"x\\\"{,}:\\\\\",\n  \"c\": 1e400\n}";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn what_is_no_text_is_still_shown() {
        assert_eq!(shown(b"\xff\x00a").1, "bytes that are no text");
        assert_eq!(shown(b"<xml/>").1, "text");
        assert_eq!(shown(b" [1] "), ("[\n  1\n]".to_owned(), "JSON, indented"));
    }
}
