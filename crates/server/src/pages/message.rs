//! One message, byte for byte as it came in.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use trueup_hub::corrections::laid_out;
use trueup_store::{corrections as kept, messages};

use super::cases::{Decided, decided};
use super::connections::Moment;
use super::corrections::{self, Proposal};
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
    /// Whether a person may propose what it should have said.
    can_correct: bool,
    /// The body as it is, for who proposes another one.
    text: String,
    /// What people would have it say, newest first.
    proposals: Vec<Proposal>,
    /// The message in whose place it is read; empty for what came in.
    corrects: String,
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
            let all = kept::of_message(tx, &id)?;
            let mut about = vec![id.as_str()];
            about.extend(all.iter().map(|one| one.id.as_str()));
            let shown = Message {
                person,
                decisions: decided(tx, &about, now)?,
                can_correct: corrections::can_be_proposed(tx, &shared, &id)?,
                corrects: kept::that_made(tx, &id)?.map_or_else(String::new, |one| one.message),
                ..build(Chrome::new(tx, &shared, "connections")?, &message, now)
            };
            Ok(Some((shown, message, all)))
        })
        .await?;
    let (mut shown, message, all) = shown.ok_or_else(|| Problem::not_found("this message"))?;
    shown.proposals = corrections::of_message(&state, &message, all, now).await?;
    if shown.can_correct {
        let text = String::from_utf8_lossy(&message.body);
        shown.text = laid_out(&text).unwrap_or_else(|| text.into_owned());
    }
    Ok(page(StatusCode::OK, &shown)?)
}

fn build(chrome: Chrome, message: &messages::Shown, now: Timestamp) -> Message {
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
            "ignored" | "skipped" | "corrected" => "not_applicable",
            _ => "not_due",
        },
        received: Moment::new(message.received_at, now),
        size: format::bytes(i64::try_from(message.body.len()).unwrap_or(i64::MAX)),
        body,
        shown_as,
        cut,
        can_retry: matches!(message.state.as_str(), "failed" | "ignored" | "skipped"),
        can_correct: false,
        text: String::new(),
        proposals: Vec::new(),
        corrects: String::new(),
        person: String::new(),
        decisions: Vec::new(),
        headers: headers.into_iter().collect(),
        id: message.id.clone(),
        connection: message.connection.clone(),
        kind: message.kind.clone(),
        source_id: message.source_id.clone(),
        origin: message.origin.clone(),
        state: message.state.clone(),
        repeats: message.repeats,
        code: message.error_code.clone().unwrap_or_default(),
        error: message.error.clone().unwrap_or_default(),
    }
}

fn shown(body: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(body) {
        Ok(text) => match laid_out(text) {
            Some(laid_out) => (laid_out, "JSON, indented"),
            None => (text.to_owned(), "text"),
        },
        Err(_) => (String::from_utf8_lossy(body).into_owned(), "bytes that are no text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_still_shown() {
        assert_eq!(shown(b"\xff\x00a").1, "bytes that are no text");
        assert_eq!(shown(b"<xml/>").1, "text");
        assert_eq!(shown(b" [1] "), ("[\n  1\n]".to_owned(), "JSON, indented"));
    }
}
