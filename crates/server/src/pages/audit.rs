//! What was done and by whom: the records of the chain, newest first, each with what it rests on.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use trueup_domain::audit::Record;
use trueup_store::{StoreError, Tx, audit, commands};

use super::connections::Moment;
use super::{Chrome, PageProblem, Shared, page};
use crate::format;
use crate::state::ServerState;

const ROWS: i64 = 50;

#[derive(Deserialize)]
pub struct Wanted {
    /// Records before this number.
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    chrome: Chrome,
    count: String,
    /// Number and seal of the newest record: what proves all before it; empty while there is none.
    head: String,
    rows: Vec<Row>,
    /// Where the older ones are; empty when there are none.
    older: String,
    /// Not the newest ones.
    back: bool,
}

struct Row {
    number: i64,
    at: Moment,
    done: String,
    person: String,
    about: String,
    reason: String,
    href: String,
    seal: String,
}

#[derive(Deserialize)]
struct Why {
    reason: Option<String>,
}

pub async fn show(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let (shared, now) = (state.clone(), state.now());
    let shown = state.read(move |tx| build(tx, &shared, wanted.before, now)).await?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn build(
    tx: &mut Tx<'_>,
    state: &ServerState,
    before: Option<i64>,
    now: Timestamp,
) -> Result<Audit, StoreError> {
    let (newest, seal) = audit::head(tx)?;
    let records = audit::newest(tx, before.unwrap_or(i64::MAX), ROWS)?;
    let older = records.last().filter(|last| last.number > 1);
    let older = older.map_or_else(String::new, |last| format!("/audit?before={}", last.number));
    let mut rows = Vec::new();
    for record in records {
        rows.push(Row {
            href: leads_to(tx, &record)?,
            at: Moment::new(format::micros(record.at).unwrap_or_default(), now),
            done: record.in_a_word(),
            about: record.about(),
            reason: serde_json::from_str::<Why>(&record.detail)
                .ok()
                .and_then(|why| why.reason)
                .unwrap_or_default(),
            number: record.number,
            person: record.person,
            seal: record.seal.chars().take(12).collect(),
        });
    }
    Ok(Audit {
        chrome: Chrome::new(tx, state, "journal")?,
        count: format::count(newest),
        head: if newest == 0 { String::new() } else { format!("{newest}:{seal}") },
        rows,
        older,
        back: before.is_some(),
    })
}

/// The page of what a record rests on, where there is one.
fn leads_to(tx: &mut Tx<'_>, record: &Record) -> Result<String, StoreError> {
    Ok(match record.kind.as_str() {
        audit::DECISION => format!("/messages/{}", format::in_path(&record.subject)),
        audit::EFFECT => commands::find(tx, &record.subject)?
            .map_or_else(String::new, |command| format::root_page(&command.root)),
        _ => String::new(),
    })
}
