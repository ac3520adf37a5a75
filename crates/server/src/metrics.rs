//! Metrics for Prometheus, written from counts of the store at the moment they are asked for.
//!
//! Base units, `_total` for counters, one quantity per metric, and no ids in labels: connection
//! names, kinds and states are bounded by configuration.

use std::fmt::Write as _;
use std::sync::PoisonError;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use trueup_hub::schedules::{self, Schedule};
use trueup_hub::{Hub, completeness, processes};
use trueup_store::{StoreError, Tx, cases, commands, documents, messages, paces, streams};

use crate::problem::Problem;
use crate::state::ServerState;

pub fn routes() -> Router<ServerState> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(state): State<ServerState>) -> Result<Response, Problem> {
    let now = state.now();
    let mut text = {
        let hub = state.hub.clone();
        let all = state.schedules.clone();
        state
            .read(move |tx| {
                let mut text = from_store(tx, &hub, now)?;
                schedule_metrics(tx, &mut text, &all, now)?;
                process_metrics(tx, &mut text, now)?;
                let help = "Part of the disk of the store that is used; 0 where it is elsewhere.";
                let used = hub.room.fill().used_per_mille;
                Family::new(&mut text, "trueup_disk_used_ratio", "gauge", help)
                    .sample(&[], &format_args!("{}.{:03}", used / 1000, used % 1000));
                Ok(text)
            })
            .await?
    };
    let requests = state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut family = Family::new(
        &mut text,
        "trueup_ingest_requests_total",
        "counter",
        "Deliveries of senders since the start of this process, by outcome.",
    );
    for ((source, outcome), count) in &requests {
        family.sample(&[("source", source), ("outcome", outcome)], count);
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, text).into_response())
}

fn from_store(tx: &mut Tx<'_>, hub: &Hub, now: Timestamp) -> Result<String, StoreError> {
    let mut text = String::new();
    let counts = messages::counts(tx)?;
    let help = "Messages stored, by connection and state.";
    let mut family = Family::new(&mut text, "trueup_messages", "gauge", help);
    for (connection, state, count, _) in &counts {
        family.sample(&[("source", connection), ("state", state)], count);
    }
    let help = "When a source last delivered something.";
    let name = "trueup_source_last_delivery_timestamp_seconds";
    let mut family = Family::new(&mut text, name, "gauge", help);
    let mut newest = std::collections::BTreeMap::<&str, i64>::new();
    for (connection, _, _, at) in &counts {
        let known = newest.entry(connection).or_insert(*at);
        *known = (*known).max(*at);
    }
    for (connection, at) in &newest {
        family.sample(&[("source", connection)], &(at / 1_000_000));
    }
    let help = "Age of the oldest message that is not decoded yet.";
    let mut family = Family::new(&mut text, "trueup_queue_oldest_age_seconds", "gauge", help);
    let waited = messages::oldest_due(tx)?.map_or(0, |since| now.duration_since(since).as_secs());
    family.sample(&[("stage", "decode")], &waited);
    let help = "Commands, by target, kind and state.";
    let mut family = Family::new(&mut text, "trueup_commands", "gauge", help);
    for (target, kind, state, count) in commands::counts(tx)? {
        family.sample(&[("target", &target), ("kind", &kind), ("state", &state)], &count);
    }
    let help = "So many commands go out together at most, in lanes whose target is slow.";
    let mut family = Family::new(&mut text, "trueup_delivery_batch_max", "gauge", help);
    for (target, lane, most) in paces::all(tx)? {
        family.sample(&[("target", &target), ("lane", &lane)], &most);
    }
    let help =
        "How long calls waited until their target had room for them, since this process started.";
    let name = "trueup_target_ratelimit_wait_seconds_total";
    let mut family = Family::new(&mut text, name, "counter", help);
    for (target, waited) in hub.allowances.waited() {
        family.sample(&[("target", &target)], &waited.as_secs());
    }
    case_metrics(tx, &mut text, now)?;
    let help = "Orders and other roots that wait for something, by connection.";
    let mut family = Family::new(&mut text, "trueup_roots_waiting", "gauge", help);
    for (connection, count) in documents::waiting_counts(tx)? {
        family.sample(&[("source", &connection)], &count);
    }
    stream_metrics(tx, &mut text)?;
    completeness_metrics(tx, &mut text, hub)?;
    Ok(text)
}

fn case_metrics(tx: &mut Tx<'_>, text: &mut String, now: Timestamp) -> Result<(), StoreError> {
    let mut open = std::collections::BTreeMap::<(String, String), (i64, Timestamp)>::new();
    let mut at_risk = std::collections::BTreeMap::<(String, String, String), i64>::new();
    for case in cases::open_cases(tx)? {
        let since =
            open.entry((case.entity.clone(), case.kind.clone())).or_insert((0, case.opened_at));
        since.0 += 1;
        since.1 = since.1.min(case.opened_at);
        if !case.currency.is_empty() {
            let amount = at_risk.entry((case.entity, case.kind, case.currency)).or_default();
            *amount = amount.saturating_add(case.amount.saturating_abs());
        }
    }
    let mut family = Family::new(text, "trueup_cases_open", "gauge", "Open cases, by kind.");
    for ((entity, kind), (count, _)) in &open {
        family.sample(&[("entity", entity), ("kind", kind)], count);
    }
    let help = "Age of the oldest open case, by kind.";
    let mut family = Family::new(text, "trueup_case_oldest_age_seconds", "gauge", help);
    for ((entity, kind), (_, since)) in &open {
        let age = now.duration_since(*since).as_secs();
        family.sample(&[("entity", entity), ("kind", kind)], &age);
    }
    let help = "Money named by open cases, in minor units of its currency; for display.";
    let mut family = Family::new(text, "trueup_cases_amount_at_risk_minor", "gauge", help);
    for ((entity, kind, currency), amount) in &at_risk {
        let labels = [("entity", entity.as_str()), ("kind", kind), ("currency", currency)];
        family.sample(&labels, amount);
    }
    Ok(())
}

fn stream_metrics(tx: &mut Tx<'_>, text: &mut String) -> Result<(), StoreError> {
    let streams = streams::all(tx)?;
    let help = "Everything the source changed up to then has been stored.";
    let name = "trueup_source_complete_timestamp_seconds";
    let mut family = Family::new(text, name, "gauge", help);
    for stream in &streams {
        if let Some(at) = stream.complete_to {
            let labels = [("source", stream.connection.as_str()), ("stream", &stream.stream)];
            family.sample(&labels, &(at / 1_000_000));
        }
    }
    let help = "Polls of a stream that failed in a row.";
    let mut family = Family::new(text, "trueup_source_failures", "gauge", help);
    for stream in &streams {
        let labels = [("source", stream.connection.as_str()), ("stream", &stream.stream)];
        family.sample(&labels, &stream.failures);
    }
    Ok(())
}

fn completeness_metrics(tx: &mut Tx<'_>, text: &mut String, hub: &Hub) -> Result<(), StoreError> {
    let help = "Objects that a source lists and that are not here as it lists them.";
    let mut family = Family::new(text, "trueup_completeness_missing_events", "gauge", help);
    for connection in hub.setup.connections.values() {
        for (kind, lacking) in completeness::lacking(tx, connection)? {
            family.sample(&[("source", &connection.name), ("flow", kind.word())], &lacking);
        }
    }
    let help = "Everything that the source lists as made up to then is here.";
    let name = "trueup_completeness_timestamp_seconds";
    let mut family = Family::new(text, name, "gauge", help);
    for connection in hub.setup.connections.values() {
        for (kind, to) in completeness::complete_to(tx, connection)? {
            if let Some(to) = to {
                let labels = [("source", connection.name.as_str()), ("flow", kind.word())];
                family.sample(&labels, &to.as_second());
            }
        }
    }
    Ok(())
}

fn schedule_metrics(
    tx: &mut Tx<'_>,
    text: &mut String,
    all: &[Schedule],
    now: Timestamp,
) -> Result<(), StoreError> {
    let shown = schedules::shown(tx, all, now)?;
    let help = "Whether the last run of a job failed.";
    let mut family = Family::new(text, "trueup_schedule_failed", "gauge", help);
    for one in &shown {
        family.sample(&[("schedule", &one.name)], &i64::from(one.state == "failed"));
    }
    let help = "When the last run of a job ended.";
    let name = "trueup_schedule_last_run_timestamp_seconds";
    let mut family = Family::new(text, name, "gauge", help);
    for one in &shown {
        if let Some(at) = one.last_at {
            family.sample(&[("schedule", &one.name)], &at.as_second());
        }
    }
    Ok(())
}

/// Names of processes are no labels: they are others after each start.
fn process_metrics(tx: &mut Tx<'_>, text: &mut String, now: Timestamp) -> Result<(), StoreError> {
    let shown = processes::shown(tx, now)?;
    let help = "Processes that share the work of the store; none where one works alone.";
    Family::new(text, "trueup_processes", "gauge", help).sample(&[], &shown.len());
    Ok(())
}

/// One metric with its samples.
struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, name: &'static str, kind: &str, help: &str) -> Self {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Self { text, name }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: &impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            some => format!("{{{}}}", some.join(",")),
        };
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
