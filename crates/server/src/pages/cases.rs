//! What a person must decide: the list, oldest first, and one case with its evidence.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use trueup_hub::decisions::{cause as decisions_cause, skippable};
use trueup_store::{
    StoreError, Tx, cases, commands, corrections, decisions, documents, facts, messages, scopes,
};

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
    /// `accepted` for those that people took as they are, instead of the open ones.
    state: Option<String>,
    /// The cases of this cause, one by one.
    cause: Option<String>,
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
    accepted: bool,
    accepted_count: usize,
    /// What can be decided about all of them, where they are those of one cause.
    together: Option<All>,
    /// Whether only the cases of one cause are asked for.
    of_cause: bool,
    decisions: Vec<Decided>,
    /// Lines that are not shown.
    more: usize,
}

/// The open cases of one cause.
struct All {
    cause: String,
    count: usize,
    detail: String,
    remedy: String,
    amounts: String,
    again: &'static str,
    /// Whether the hub sees that the cause stands, so that they can only be accepted.
    stands: bool,
    person: String,
    assignee: String,
}

struct KindChoice {
    href: String,
    title: String,
    count: usize,
    chosen: bool,
}

struct CaseRow {
    href: String,
    /// How many cases of one cause it stands for.
    count: usize,
    title: String,
    kind: String,
    detail: String,
    amount: String,
    age: String,
    opened: String,
    owner: String,
    assignee: String,
    entity: String,
}

pub async fn list(
    State(state): Shared,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let person = act::person(&headers);
    let shown = state.read(move |tx| build_list(tx, &shared, &wanted, person, now)).await?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn build_list(
    tx: &mut Tx<'_>,
    state: &ServerState,
    wanted: &Wanted,
    person: String,
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
    let cause = wanted.cause.as_deref().unwrap_or_default();
    let fits = |case: &&cases::Case| {
        (kind.is_empty() || case.kind == kind)
            && (owner.is_empty() || case.owner == owner)
            && (cause.is_empty() || case.cause == cause)
    };
    let accepted = wanted.state.as_deref() == Some("accepted");
    let taken = cases::accepted(tx)?;
    let mut rows: Vec<CaseRow> = if accepted || !cause.is_empty() {
        let listed = if accepted { &taken } else { &open };
        let one = |case| cases::together([case]).into_iter().map(|it| row(&it, now)).next();
        listed.iter().filter(fits).filter_map(one).collect()
    } else {
        let listed = cases::together(open.iter().filter(fits));
        listed.iter().map(|one| row(one, now)).collect()
    };
    let more = rows.len().saturating_sub(SHOWN_MAX);
    rows.truncate(SHOWN_MAX);
    let together = match cause {
        "" => None,
        cause => all_of(tx, cause, &open, person)?,
    };
    Ok(List {
        chrome: Chrome::new(tx, state, "cases")?,
        kinds,
        all: open.len(),
        shown: rows.len(),
        rows,
        kind: kind.to_owned(),
        owner: owner.to_owned(),
        accepted,
        accepted_count: taken.len(),
        together,
        of_cause: !cause.is_empty(),
        decisions: decided(tx, &[cause], now)?,
        more,
    })
}

/// What a person may decide about all cases of a cause.
fn all_of(
    tx: &mut Tx<'_>,
    cause: &str,
    open: &[cases::Case],
    person: String,
) -> Result<Option<All>, StoreError> {
    let members = cases::together(open.iter().filter(|case| case.cause == cause));
    let Some(one) = members.into_iter().next() else { return Ok(None) };
    let command = match one.first.subject.strip_prefix("command/") {
        Some(key) => commands::find(tx, key)?,
        None => None,
    };
    Ok(Some(All {
        cause: cause.to_owned(),
        count: one.count,
        detail: format::sentence(&one.first.detail),
        remedy: format::sentence(&one.first.remedy),
        amounts: amounts(&one),
        again: again(&one.first, command.as_ref()),
        stands: decisions_cause(tx, &one.first)?.is_some(),
        person,
        assignee: one.assignee,
    }))
}

fn row(one: &cases::Together, now: Timestamp) -> CaseRow {
    let case = &one.first;
    CaseRow {
        href: match one.count {
            1 => format!("/cases/{}", case.id),
            _ => format!("/cases?cause={}", format::in_query(&case.cause)),
        },
        count: one.count,
        title: case.title.clone(),
        kind: format::words(&case.kind),
        detail: case.ending().unwrap_or_else(|| case.detail.clone()),
        amount: amounts(one),
        age: format::age(case.opened_at, now),
        opened: format::time(case.opened_at),
        owner: case.owner.clone(),
        assignee: one.assignee.clone(),
        entity: case.entity.clone(),
    }
}

fn amounts(one: &cases::Together) -> String {
    let amounts = one.amounts.iter().map(|(code, minor)| format::money(*minor, code));
    amounts.collect::<Vec<_>>().join(", ")
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
    /// How it ended, in a sentence.
    ending: String,
    accepted: bool,
    skipped: bool,
    /// What skipping it would do, with what cannot be without it; empty where it cannot be skipped.
    skipping: String,
    assignee: String,
    /// Why it cannot be closed but only accepted; empty where its cause may be gone.
    cause: String,
    /// What trying again means here; empty where it means nothing.
    again: &'static str,
    person: String,
    decisions: Vec<Decided>,
    command: Option<CommandBox>,
    evidence: Vec<Evidence>,
    sides: Vec<Side>,
    /// How many open cases have its cause, with it.
    others: usize,
    others_href: String,
}

/// One decision of a person.
pub struct Decided {
    pub at: Moment,
    pub person: String,
    /// What was done, such as `accepted it as it is`.
    pub did: String,
    pub reason: String,
    pub message: String,
}

/// What was decided about any of these, oldest first.
pub fn decided(
    tx: &mut Tx<'_>,
    about: &[&str],
    now: Timestamp,
) -> Result<Vec<Decided>, StoreError> {
    let mut all = Vec::new();
    for one in about {
        all.extend(decisions::about(tx, one)?);
    }
    all.sort_by_key(|one| one.made_at);
    Ok(all
        .into_iter()
        .map(|one| Decided {
            at: Moment::new(one.made_at, now),
            did: match one.kind.as_str() {
                "close" => "closed it".to_owned(),
                "accept" => "accepted it as it is".to_owned(),
                "skip" => "skipped it".to_owned(),
                "assign" if one.assignee.is_empty() => "gave it back".to_owned(),
                "assign" => format!("gave it to {}", one.assignee),
                "retry" => "tried it again".to_owned(),
                "correct" => "proposed what it should have said".to_owned(),
                "approve" => "approved the correction".to_owned(),
                "reject" => "rejected the correction".to_owned(),
                _ => "noted".to_owned(),
            },
            person: one.person,
            reason: one.reason,
            message: one.message,
        })
        .collect())
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

pub async fn show(
    State(state): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, PageProblem> {
    let now = state.now();
    let shared = state.clone();
    let person = act::person(&headers);
    let shown = state.read(move |tx| build_one(tx, &shared, &id, person, now)).await?;
    let shown = shown.ok_or_else(|| Problem::not_found("this case"))?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn build_one(
    tx: &mut Tx<'_>,
    state: &ServerState,
    id: &str,
    person: String,
    now: Timestamp,
) -> Result<Option<One>, StoreError> {
    let Some(case) = cases::find(tx, id)? else { return Ok(None) };
    let command = match case.subject.strip_prefix("command/") {
        Some(key) => commands::find(tx, key)?,
        None => None,
    };
    let can_try = case.is_open() || case.is_skipped();
    let again = if can_try { again(&case, command.as_ref()) } else { "" };
    let skipping = match case.is_open() {
        true => skippable(tx, &case)?.map_or_else(|_| String::new(), |what| what.in_words()),
        false => String::new(),
    };
    let sides = sides(tx, &case.subject)?;
    let mut about = vec![case.id.as_str(), case.subject.as_str()];
    about.extend(case.subject.strip_prefix("command/"));
    let others = match case.is_open() && !case.cause.is_empty() {
        true => {
            about.push(&case.cause);
            cases::of_cause(tx, &case.cause)?.len()
        }
        false => 0,
    };
    Ok(Some(One {
        chrome: Chrome::new(tx, state, "cases")?,
        decisions: decided(tx, &about, now)?,
        cause: decisions_cause(tx, &case)?.unwrap_or_default(),
        again,
        person,
        evidence: evidence(tx, &case, command.as_ref())?,
        sides,
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
        others,
        others_href: format!("/cases?cause={}", format::in_query(&case.cause)),
        opened: Moment::new(case.opened_at, now),
        closed: case.closed_at.map(|at| Moment::new(at, now)),
        ending: case.ending().unwrap_or_default(),
        accepted: case.is_accepted(),
        skipped: case.is_skipped(),
        skipping,
        assignee: case.assignee,
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

/// What the button of a case that something may be tried again for says.
fn again(case: &cases::Case, command: Option<&commands::Shown>) -> &'static str {
    match (case.kind.as_str(), command.map(|command| command.state.as_str())) {
        (_, Some("refused" | "skipped")) => "Send the command again",
        (_, Some("unknown")) => "Look it up now",
        (_, Some(_)) => "",
        ("undecodable", _) => "Decode it again",
        ("unreadable_object", _) => "Read it again",
        ("connection_suspended", _) => "Resume the connection",
        ("connection_down", _) => "Try it now",
        ("another_target" | "target_unfit", _) => "Ask it now",
        ("right_missing", _) => "Try it now",
        ("gone_from_books", _) => "Make it again",
        ("stuck" | "undecidable" | "waiting", _) => "Decide it again",
        ("unjudgeable", _) => "Compare it again",
        ("rows_differ", _) => "Read the payout again",
        _ => "",
    }
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
    if let Some(correction) = corrections::find(tx, &case.subject)? {
        found.push(Evidence {
            label: "Correction".to_owned(),
            text: "what it said, what it would say, and what would change".to_owned(),
            href: format!("/messages/{}#corrections", correction.message),
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
