//! The completeness ledger: each source is asked, window by window, what it made, and what is not
//! here as it lists it is fetched.
//!
//! A window begins where the last one ended and ends a little before now. It is listed once when it
//! ends, again every few minutes while something lacks, and once more a day later, for what came
//! into it late. "Complete through" is the end of the last window up to which nothing lacks.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use trueup_connect::CallError;
use trueup_domain::Kind;
use trueup_domain::completeness::{Gap, Held, Listed, Totals, compare};
use trueup_store::listings::{self, Listing, ListingState};
use trueup_store::{StoreError, Tx, cases, streams};

use crate::setup::{Connection, Hub};
use crate::talk;

/// The sources' own indexes lag behind what they have made, and their clocks are not ours. To this
/// comes the interval of the quickest sweep: what that brings in its turn is not sought by a list.
const LAG: SignedDuration = SignedDuration::from_mins(5);
/// So long is a window, or longer where nobody asked for longer.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// So far back a source is asked when it is asked first: some list no older orders.
const REACH: SignedDuration = SignedDuration::from_hours(30 * 24);
/// So many windows may wait for their first answer.
const UNANSWERED_MAX: i64 = 4;
/// After this a window is listed once more.
const LATE: SignedDuration = SignedDuration::from_hours(26);
/// While something lacks, the source is asked again after this, and what lacks is read meanwhile.
const AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// What lacks for longer is a case.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);
const INCOMPLETE: &str = "incomplete";
const UNLISTED: &str = "unlisted";
/// So many objects are named in a case.
const NAMED_MAX: usize = 10;

fn after(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.checked_add(wait).unwrap_or(at)
}

/// The minute in which a moment lies: sources count in whole seconds, some in minutes.
fn minute(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}

/// Opens the windows that have ended.
pub(crate) fn step(tx: &mut Tx<'_>, hub: &Hub, now: Timestamp) -> Result<(), StoreError> {
    for connection in hub.setup.connections.values() {
        for &kind in lists(connection) {
            open_windows(tx, connection, kind, now)?;
        }
    }
    Ok(())
}

fn open_windows(
    tx: &mut Tx<'_>,
    connection: &Connection,
    kind: Kind,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = &connection.name;
    let mut newest = listings::newest(tx, name, kind)?;
    if newest.as_ref().is_some_and(|it| it.until > now) {
        listings::forget_the_future(tx, name, kind, now)?;
        newest = listings::newest(tx, name, kind)?;
    }
    let poll = talk::sweep_intervals(connection).min().unwrap_or_default();
    let end = minute(now.checked_sub(LAG.saturating_add(poll)).unwrap_or(now));
    let first = minute(now.checked_sub(REACH).unwrap_or(now).max(connection.since));
    let mut from = newest.map_or(first, |it| it.until);
    if end.duration_since(from) < EVERY {
        return Ok(());
    }
    for _ in listings::unanswered(tx, name, kind)?..UNANSWERED_MAX {
        let until = after(from, LONGEST).min(end);
        listings::open(tx, name, kind, (from, until))?;
        from = until;
        if end.duration_since(from) < EVERY {
            break;
        }
    }
    Ok(())
}

/// Holds what a source listed against what is here, in the transaction of the answer.
pub(crate) fn answered(
    tx: &mut Tx<'_>,
    connection: &Connection,
    (kind, from): (Kind, Timestamp),
    listed: &[Listed],
    (asked_at, now): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let name = &connection.name;
    // It may have been forgotten while it was asked about.
    let Some(mut window) = listings::find(tx, name, kind, from)? else { return Ok(()) };
    let held = listings::held(tx, name, kind, (window.from, window.until))?;
    let held: Vec<Held> = held.into_iter().map(|(_, held)| held).collect();
    let gap = compare(listed, &held);
    for id in gap.to_read() {
        streams::ask(tx, name, kind.word(), id, now)?;
    }
    let pairs = listed.iter().map(|it| (it.external_id.as_str(), it.amount));
    window.listed = Totals::of(pairs).map_err(StoreError::corrupt)?;
    window.lacking = i64::try_from(gap.to_read().count()).map_err(StoreError::corrupt)?;
    window.unlisted = i64::try_from(gap.unlisted.len()).map_err(StoreError::corrupt)?;
    window.asked_at = Some(asked_at);
    (window.attempts, window.error_code, window.error) = (0, None, None);
    if gap.is_whole() {
        if let Some(since) = window.gap_since.take() {
            let seconds = now.duration_since(since).as_secs();
            let detail = format!("what lacked of {} was here {seconds} s later", of(&window));
            cases::absorb(tx, "found_by_listing", &subject(&window), &detail, now)?;
        }
        window.state = ListingState::Whole;
        let late = after(window.until, LATE);
        window.next_at = (asked_at < late).then_some(late);
        cases::resolve(tx, Some(INCOMPLETE), &subject(&window), "it is here now", now)?;
    } else {
        window.state = ListingState::Gap;
        let since = *window.gap_since.get_or_insert(now);
        window.next_at = Some(after(now, AGAIN));
        if now >= after(since, PATIENCE) {
            cases::open(tx, &incomplete(connection, &window, &gap).as_case(), now)?;
        }
    }
    if gap.unlisted.is_empty() {
        cases::resolve(tx, Some(UNLISTED), &subject(&window), "the source lists it", now)?;
    } else {
        cases::open(tx, &unlisted(connection, &window, &gap).as_case(), now)?;
    }
    listings::put(tx, &window)
}

/// The source did not list anything; it is asked again later.
pub(crate) fn failed(
    tx: &mut Tx<'_>,
    connection: &Connection,
    (kind, from): (Kind, Timestamp),
    error: &CallError,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut window) = listings::find(tx, &connection.name, kind, from)? else {
        return Ok(());
    };
    let wait = talk::delay(window.attempts, &subject(&window));
    window.attempts += 1;
    window.next_at = Some(after(now, wait));
    window.error_code = Some(error.code().to_owned());
    window.error = Some(error.to_string());
    listings::put(tx, &window)
}

fn subject(window: &Listing) -> String {
    format!("listing/{}/{}/{}", window.connection, window.kind.word(), window.from)
}

/// The window in words.
fn of(window: &Listing) -> String {
    let kind = window.kind.word().replace('_', " ");
    format!("{kind} of {} to {}", window.from, window.until)
}

/// One window with its three sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    pub kind: &'static str,
    pub from: Timestamp,
    pub until: Timestamp,
    /// asked, gap or whole
    pub state: &'static str,
    /// When the question left that was answered last.
    pub asked_at: Option<Timestamp>,
    /// Why the source did not answer, if it did not.
    pub error_code: Option<String>,
    pub error: Option<String>,
    /// What the source lists; nothing before its first answer.
    pub listed: Totals,
    /// What is here, and what of it is done: decided, waiting for nothing, proven in the books.
    pub received: Totals,
    pub posted: Totals,
    /// How many of those listed are not here as listed.
    pub lacking: i64,
    /// How many of those here are not listed.
    pub unlisted: i64,
}

/// The newest windows of a connection, newest first, so many of each kind.
pub fn windows(
    tx: &mut Tx<'_>,
    connection: &Connection,
    limit: i64,
) -> Result<Vec<Window>, StoreError> {
    let mut windows = Vec::new();
    for &kind in lists(connection) {
        let latest = listings::latest(tx, &connection.name, kind, limit)?;
        let (Some(newest), Some(oldest)) = (latest.first(), latest.last()) else { continue };
        let held = listings::held(tx, &connection.name, kind, (oldest.from, newest.until))?;
        for window in latest {
            let own = || {
                let own = held.iter().filter(|(at, _)| (window.from..window.until).contains(at));
                own.map(|(_, held)| held)
            };
            let totals = |held: &mut dyn Iterator<Item = &Held>| {
                let pairs = held.map(|it| (it.external_id.as_str(), it.amount));
                Totals::of(pairs).map_err(StoreError::corrupt)
            };
            windows.push(Window {
                kind: kind.word(),
                from: window.from,
                until: window.until,
                state: window.state.word(),
                asked_at: window.asked_at,
                received: totals(&mut own())?,
                posted: totals(&mut own().filter(|it| it.posted))?,
                error_code: window.error_code,
                error: window.error,
                listed: window.listed,
                lacking: window.lacking,
                unlisted: window.unlisted,
            });
        }
    }
    Ok(windows)
}

/// The kinds that a connection is asked to list.
fn lists(connection: &Connection) -> &'static [Kind] {
    let conversations = connection.connector.conversations.filter(|_| connection.completeness);
    conversations.map_or(&[], |it| it.lists)
}

/// How far everything is here that a connection made, by kind; nothing where nobody knows.
pub fn complete_to(
    tx: &mut Tx<'_>,
    connection: &Connection,
) -> Result<Vec<(Kind, Option<Timestamp>)>, StoreError> {
    let kinds = lists(connection).iter();
    kinds.map(|&kind| Ok((kind, listings::complete_to(tx, &connection.name, kind)?))).collect()
}

/// How many objects lack in the windows of a connection that are not whole, by kind.
pub fn lacking(tx: &mut Tx<'_>, connection: &Connection) -> Result<Vec<(Kind, i64)>, StoreError> {
    let kinds = lists(connection).iter();
    kinds.map(|&kind| Ok((kind, listings::lacking(tx, &connection.name, kind)?))).collect()
}

struct WindowCase {
    kind: &'static str,
    subject: String,
    entity: String,
    title: String,
    detail: String,
    remedy: &'static str,
}

impl WindowCase {
    fn as_case(&self) -> cases::NewCase<'_> {
        cases::NewCase {
            kind: self.kind,
            subject: &self.subject,
            entity: &self.entity,
            title: &self.title,
            detail: &self.detail,
            remedy: self.remedy,
            amount: None,
            owner: "integrator",
        }
    }
}

fn named(what: &str, ids: &[String]) -> Option<String> {
    let some: Vec<&str> = ids.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match ids.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!ids.is_empty()).then(|| format!("{what}: {}{more}", some.join(", ")))
}

fn incomplete(connection: &Connection, window: &Listing, gap: &Gap) -> WindowCase {
    let parts = [
        named("not here", &gap.missing),
        named("older here", &gap.behind),
        named("here with another amount", &gap.unlike),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let name = &connection.name;
    WindowCase {
        kind: INCOMPLETE,
        subject: subject(window),
        entity: connection.entity.clone(),
        title: format!("{name} lists {} {} that we do not hold", window.lacking, of(window)),
        detail: parts.join("; "),
        remedy: "look at the first of them at the source and at its messages here; they are read \
                 again every few minutes, and the case closes when all of them are here",
    }
}

fn unlisted(connection: &Connection, window: &Listing, gap: &Gap) -> WindowCase {
    let name = &connection.name;
    WindowCase {
        kind: UNLISTED,
        subject: subject(window),
        entity: connection.entity.clone(),
        title: format!("{name} does not list {} {} that we hold", window.unlisted, of(window)),
        detail: named("not listed", &gap.unlisted).unwrap_or_default(),
        remedy: "see at the source whether they were deleted or moved to another day; what was \
                 booked for them stays until the source says otherwise, then close this case",
    }
}
