//! What a person must decide: the list, oldest first, and one case with its evidence.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use trueup_store::{StoreError, Tx, cases, commands, documents, facts, messages, scopes};

use super::connections::Moment;
use super::order::side_name;
use super::{Chrome, PageProblem, Shared, act, page};
use crate::format;
use crate::problem::Problem;
use crate::state::ServerState;

/// A page shows at most so many; the counts above it say what is beyond.
const SHOWN_MAX: usize = 500;

#[derive(Deserialize)]
pub struct Wanted {
    kind: Option<String>,
    owner: Option<String>,
}

#[derive(Template)]
#[template(path = "cases.html")]
struct List {
    chrome: Chrome,
    rows: Vec<CaseRow>,
    kinds: Vec<KindChoice>,
    all: usize,
    shown: usize,
    kind: String,
    owner: String,
}

struct KindChoice {
    href: String,
    title: String,
    count: usize,
    chosen: bool,
}

struct CaseRow {
    href: String,
    title: String,
    kind: String,
    detail: String,
    amount: String,
    age: String,
    opened: String,
    owner: String,
    entity: String,
}

pub async fn list(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let shown = state.read(move |tx| build_list(tx, &shared, &wanted, now)).await?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn build_list(
    tx: &mut Tx<'_>,
    state: &ServerState,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<List, StoreError> {
    let open = cases::open_cases(tx)?;
    let kind = wanted.kind.as_deref().unwrap_or_default();
    let owner = wanted.owner.as_deref().unwrap_or_default();
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for case in &open {
        *counts.entry(&case.kind).or_default() += 1;
    }
    let kinds = counts
        .iter()
        .map(|(word, count)| KindChoice {
            href: format!("/cases?kind={}", format::in_query(word)),
            title: format::title(word),
            count: *count,
            chosen: *word == kind,
        })
        .collect();
    let fits = |case: &&cases::Case| {
        (kind.is_empty() || case.kind == kind) && (owner.is_empty() || case.owner == owner)
    };
    let rows: Vec<CaseRow> =
        open.iter().filter(fits).take(SHOWN_MAX).map(|case| row(case, now)).collect();
    Ok(List {
        chrome: Chrome::new(tx, state, "cases")?,
        kinds,
        all: open.len(),
        shown: rows.len(),
        rows,
        kind: kind.to_owned(),
        owner: owner.to_owned(),
    })
}

fn row(case: &cases::Case, now: Timestamp) -> CaseRow {
    CaseRow {
        href: format!("/cases/{}", case.id),
        title: case.title.clone(),
        kind: format::words(&case.kind),
        detail: case.detail.clone(),
        amount: amount(case),
        age: format::age(case.opened_at, now),
        opened: format::time(case.opened_at),
        owner: case.owner.clone(),
        entity: case.entity.clone(),
    }
}

fn amount(case: &cases::Case) -> String {
    if case.currency.is_empty() {
        String::new()
    } else {
        format::money(case.amount, &case.currency)
    }
}

#[derive(Template)]
#[template(path = "case.html")]
struct One {
    chrome: Chrome,
    id: String,
    title: String,
    kind: String,
    detail: String,
    remedy: String,
    amount: String,
    owner: String,
    entity: String,
    subject: String,
    opened: Moment,
    closed: Option<Moment>,
    closed_by: String,
    can_retry: bool,
    command: Option<CommandBox>,
    evidence: Vec<Evidence>,
    sides: Vec<Side>,
}

struct CommandBox {
    key: String,
    kind: String,
    target: String,
    state: String,
    attempts: i64,
    binding: String,
    code: String,
    error: String,
}

struct Evidence {
    label: String,
    text: String,
    href: String,
}

struct Side {
    side: &'static str,
    amount: String,
    day: String,
    root: String,
    href: String,
}

pub async fn show(State(state): Shared, Path(id): Path<String>) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let shown = state.read(move |tx| build_one(tx, &shared, &id, now)).await?;
    let shown = shown.ok_or_else(|| Problem::not_found("this case"))?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn build_one(
    tx: &mut Tx<'_>,
    state: &ServerState,
    id: &str,
    now: Timestamp,
) -> Result<Option<One>, StoreError> {
    let Some(case) = cases::find(tx, id)? else { return Ok(None) };
    let command = match case.subject.strip_prefix("command/") {
        Some(key) => commands::find(tx, key)?,
        None => None,
    };
    let can_retry = act::command_of(&case).is_some()
        && command.as_ref().is_some_and(|command| command.state == "refused");
    let sides = sides(tx, &case.subject)?;
    Ok(Some(One {
        chrome: Chrome::new(tx, state, "cases")?,
        evidence: evidence(tx, &case, command.as_ref())?,
        sides,
        can_retry,
        command: command.map(|command| CommandBox {
            key: command.key,
            kind: format::title(command.kind.word()),
            target: command.target,
            state: command.state,
            attempts: command.attempts,
            binding: command.binding.unwrap_or_default(),
            code: command.error_code.unwrap_or_default(),
            error: command.error.unwrap_or_default(),
        }),
        amount: amount(&case),
        opened: Moment::new(case.opened_at, now),
        closed: case.closed_at.map(|at| Moment::new(at, now)),
        closed_by: case.closed_by.unwrap_or_default(),
        id: case.id,
        title: case.title,
        kind: format::words(&case.kind),
        detail: format::sentence(&case.detail),
        remedy: format::sentence(&case.remedy),
        owner: case.owner,
        entity: case.entity,
        subject: case.subject,
    }))
}

/// What a case is about, wherever it has a page.
fn evidence(
    tx: &mut Tx<'_>,
    case: &cases::Case,
    command: Option<&commands::Shown>,
) -> Result<Vec<Evidence>, StoreError> {
    let mut found = Vec::new();
    if let Some(command) = command {
        push_root(tx, &mut found, &command.root)?;
    }
    push_root(tx, &mut found, &case.subject)?;
    if let Some(message) = messages::find(tx, &case.subject)? {
        found.push(Evidence {
            label: "Raw message".to_owned(),
            text: format!("{} of {}", message.kind, message.connection),
            href: format!("/messages/{}", message.id),
        });
    }
    for item in facts::items_of_key(tx, &case.subject)? {
        push_root(tx, &mut found, &item.root)?;
    }
    for code in codes(&case.detail) {
        if crate::errors::text_of(code).is_some() {
            found.push(Evidence {
                label: "What the code means".to_owned(),
                text: code.to_owned(),
                href: format!("/errors/{code}"),
            });
        }
    }
    Ok(found)
}

fn push_root(tx: &mut Tx<'_>, found: &mut Vec<Evidence>, root: &str) -> Result<(), StoreError> {
    /// A payout has hundreds of rows; the first ones show what kind they are.
    const ROOTS_MAX: usize = 12;
    let href = format::root_page(root);
    if found.len() >= ROOTS_MAX || found.iter().any(|one| one.href == href) {
        return Ok(());
    }
    if let Some(root) = documents::find_root(tx, root)? {
        let label =
            if root.kind == "sale" { "Order".to_owned() } else { format::title(&root.kind) };
        found.push(Evidence {
            label,
            text: format!("{} at {}", root.number, root.connection),
            href,
        });
    }
    Ok(())
}

/// The error codes that a text names.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| {
        let digits = word.strip_prefix("TU");
        digits.is_some_and(|it| it.len() == 3 && it.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn sides(tx: &mut Tx<'_>, key: &str) -> Result<Vec<Side>, StoreError> {
    const SIDES_MAX: usize = 20;
    let mut items = facts::items_of_key(tx, key)?;
    for (_, _, item) in scopes::matches_of(tx, key)? {
        items.extend(facts::find_item(tx, &item)?.filter(|found| found.item.key != key));
    }
    Ok(items
        .into_iter()
        .take(SIDES_MAX)
        .map(|item| Side {
            side: side_name(item.item.side.word()),
            amount: format::money(item.item.amount.minor(), item.item.amount.currency().code()),
            day: item.item.date.to_string(),
            href: format::root_page(&item.root),
            root: item.root,
        })
        .collect())
}

pub async fn retry(State(state): Shared, Path(id): Path<String>) -> Result<Response, PageProblem> {
    let back = format!("/cases/{}", format::in_path(&id));
    act::retry(&state, id).await?;
    Ok(Redirect::to(&back).into_response())
}
