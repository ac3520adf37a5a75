//! Does everything still come in, and does what leaves arrive.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use trueup_domain::completeness::Totals;
use trueup_hub::completeness::{self, Window};
use trueup_hub::processes;
use trueup_store::{StoreError, Tx, breakers, commands, holds, messages, streams};

use super::{Chrome, PageProblem, Shared, act, page};
use crate::format;
use crate::state::ServerState;

const NEWEST: i64 = 8;
/// Windows of each kind.
const WINDOWS: i64 = 12;

/// One connection, as the overview's strip and the connections page show it.
pub struct Card {
    pub name: String,
    pub connector: &'static str,
    pub version: &'static str,
    pub entity: String,
    /// flowing, failing, down, held, stopped or quiet
    pub word: &'static str,
    pub suspended: Option<String>,
    /// Why its deliveries wait for a person, if they do.
    pub held: Option<String>,
    /// Why it gets no answer and when it is tried again, if it rests.
    pub down: Option<(String, Moment)>,
    pub last: Option<Moment>,
    /// The stream that lags behind most decides.
    pub complete_to: Option<Moment>,
    pub messages: Vec<(String, String)>,
    pub commands: Vec<(String, String)>,
    pub streams: Vec<StreamRow>,
    /// Up to when everything that it made is here, by kind; and its newest windows.
    pub listed_to: Vec<(String, Option<Moment>)>,
    pub windows: Vec<WindowRow>,
    pub newest: Vec<Newest>,
    pub ways: String,
    /// What goes out at certain hours only, with these.
    pub hours: Vec<(String, String)>,
}

impl Card {
    /// Something that the source lists is not here.
    fn lacks(&self) -> bool {
        self.windows.iter().any(|window| window.lacking > 0)
    }
}

pub struct Moment {
    pub time: String,
    pub age: String,
}

impl Moment {
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { time: format::time(at), age: format::age(at, now) }
    }

    fn of_micros(micros: i64, now: Timestamp) -> Option<Self> {
        format::micros(micros).map(|at| Self::new(at, now))
    }
}

pub struct StreamRow {
    pub name: String,
    pub cursor: String,
    pub polled: Option<Moment>,
    pub complete_to: Option<Moment>,
    pub failures: i64,
    pub code: String,
    pub error: String,
}

/// A window of the completeness ledger, with its three sides.
pub struct WindowRow {
    pub kind: String,
    pub from: String,
    pub until: String,
    pub state: &'static str,
    pub code: String,
    pub error: String,
    /// Listed, received, posted.
    pub sides: [Side; 3],
    pub lacking: i64,
    pub unlisted: i64,
}

pub struct Side {
    pub count: String,
    pub sums: String,
    /// The beginning of the hash of the identities, and all of it.
    pub short: String,
    pub hash: String,
    /// These are the objects that the source lists.
    pub same: bool,
}

fn side(totals: &Totals, listed: &Totals) -> Side {
    let sums: Vec<String> =
        totals.sums.iter().map(|sum| format::money(sum.minor(), sum.currency().code())).collect();
    Side {
        count: format::count(i64::try_from(totals.count).unwrap_or(i64::MAX)),
        sums: sums.join(" + "),
        short: totals.hash.chars().take(8).collect(),
        hash: totals.hash.clone(),
        same: totals.hash == listed.hash,
    }
}

fn window_row(window: Window) -> WindowRow {
    let listed = &window.listed;
    WindowRow {
        kind: window.kind.replace('_', " "),
        from: format::time(window.from),
        until: format::time(window.until),
        state: window.state,
        sides: [listed, &window.received, &window.posted].map(|totals| side(totals, listed)),
        code: window.error_code.unwrap_or_default(),
        error: window.error.unwrap_or_default(),
        lacking: window.lacking,
        unlisted: window.unlisted,
    }
}

pub struct Newest {
    pub id: String,
    pub kind: String,
    pub source_id: String,
    pub origin: String,
    pub state: String,
    pub received: Moment,
    pub bytes: String,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct Connections {
    chrome: Chrome,
    cards: Vec<Card>,
    processes: Vec<ProcessRow>,
    /// Who decided last in this browser.
    person: String,
}

/// A process that shares the work.
struct ProcessRow {
    shown: processes::Shown,
    since: Moment,
    talks: String,
}

fn process_rows(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<ProcessRow>, StoreError> {
    let row = |shown: processes::Shown| ProcessRow {
        since: Moment::new(shown.since, now),
        talks: shown.connections.join(", "),
        shown,
    };
    Ok(processes::shown(tx, now)?.into_iter().map(row).collect())
}

pub fn cards(
    tx: &mut Tx<'_>,
    state: &ServerState,
    now: Timestamp,
) -> Result<Vec<Card>, StoreError> {
    let counts = messages::counts(tx)?;
    let all_streams = streams::all(tx)?;
    let asked = commands::counts(tx)?;
    let mut cards = Vec::new();
    for connection in state.hub.setup.connections.values() {
        let name = &connection.name;
        let own = || counts.iter().filter(|(source, ..)| source == name);
        let mut by_state: BTreeMap<&str, i64> = BTreeMap::new();
        for (_, _, state, count) in asked.iter().filter(|(target, ..)| target == name) {
            *by_state.entry(state).or_default() += count;
        }
        let streams: Vec<&streams::Stream> =
            all_streams.iter().filter(|stream| stream.connection == *name).collect();
        // Complete as far as the stream that lags behind most; unknown if one never was.
        let complete = streams.iter().map(|stream| stream.complete_to).min().flatten();
        let suspended = streams::suspended(tx, name)?;
        let held = holds::held(tx, name)?;
        let rests = breakers::of(tx, name)?.filter(|it| it.until > now.as_microsecond());
        let down = rests.and_then(|it| Some((it.error, Moment::of_micros(it.until, now)?)));
        let last = own().map(|(.., at)| *at).max();
        let word = match (&suspended, streams.iter().any(|stream| stream.failures > 0), last) {
            (Some(_), ..) => "stopped",
            _ if held.is_some() => "held",
            _ if down.is_some() => "down",
            (_, true, _) => "failing",
            (_, _, None) => "quiet",
            _ => "flowing",
        };
        let connector = connection.connector;
        let ways = [
            (connector.webhooks.is_some(), "webhooks"),
            (connector.conversations.is_some(), "polls"),
            (connector.files, "files"),
        ];
        cards.push(Card {
            name: name.clone(),
            connector: connector.name,
            version: connector.api_version,
            entity: connection.entity.clone(),
            word,
            suspended,
            held,
            down,
            last: last.and_then(|at| Moment::of_micros(at, now)),
            complete_to: complete.and_then(|at| Moment::of_micros(at, now)),
            messages: own()
                .map(|(_, state, count, _)| (state.clone(), format::count(*count)))
                .collect(),
            commands: by_state
                .into_iter()
                .map(|(state, count)| (state.to_owned(), format::count(count)))
                .collect(),
            streams: streams.into_iter().map(|stream| stream_row(stream, now)).collect(),
            listed_to: completeness::complete_to(tx, connection)?
                .into_iter()
                .map(|(kind, to)| {
                    (kind.word().replace('_', " "), to.map(|to| Moment::new(to, now)))
                })
                .collect(),
            windows: Vec::new(),
            newest: Vec::new(),
            hours: connection
                .windows
                .0
                .iter()
                .map(|(kind, window)| (kind.word().replace('_', " "), window.shown()))
                .collect(),
            ways: ways
                .iter()
                .filter(|(has, _)| *has)
                .map(|(_, way)| *way)
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    Ok(cards)
}

fn stream_row(stream: &streams::Stream, now: Timestamp) -> StreamRow {
    let moment = |at: Option<i64>| at.and_then(|at| Moment::of_micros(at, now));
    StreamRow {
        name: stream.stream.clone(),
        cursor: stream.cursor.clone().unwrap_or_default(),
        polled: moment(stream.polled_at),
        complete_to: moment(stream.complete_to),
        failures: stream.failures,
        code: stream.error_code.clone().unwrap_or_default(),
        error: stream.error.clone().unwrap_or_default(),
    }
}

pub async fn show(State(state): Shared, headers: HeaderMap) -> Result<Response, PageProblem> {
    let now = state.now();
    let person = act::person(&headers);
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let mut cards = cards(tx, &shared, now)?;
            for card in &mut cards {
                if let Some(connection) = shared.hub.connection(&card.name) {
                    let windows = completeness::windows(tx, connection, WINDOWS)?;
                    card.windows = windows.into_iter().map(window_row).collect();
                }
                card.newest = messages::newest(tx, &card.name, NEWEST)?
                    .into_iter()
                    .map(|head| Newest {
                        id: head.id,
                        kind: head.kind,
                        source_id: head.source_id,
                        origin: head.origin,
                        state: head.state,
                        received: Moment::new(head.received_at, now),
                        bytes: format::bytes(head.bytes),
                    })
                    .collect();
            }
            let processes = process_rows(tx, now)?;
            let chrome = Chrome::new(tx, &shared, "connections")?;
            Ok(Connections { chrome, cards, processes, person })
        })
        .await?;
    Ok(page(StatusCode::OK, &shown)?)
}
