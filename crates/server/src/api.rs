//! The REST API, in JSON. `openapi.json` describes it; a test holds the two together.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use trueup_domain::audit::Record;
use trueup_domain::money::{Currency, Money};
use trueup_hub::bridges;
use trueup_hub::completeness::{self, Window};
use trueup_hub::decisions::{Decision, What};
use trueup_hub::proofs::Evidence;
use trueup_hub::replay::Plan;
use trueup_hub::report::{self, Report};
use trueup_hub::trace::{self, Trace};
use trueup_hub::{clearing, processes, sales, schedules, taxes};
use trueup_store::documents::{SaleFilter, ShownRoot};
use trueup_store::{
    StoreError, Tx, audit, breakers, cases, corrections, decisions, documents, holds, messages,
    streams,
};

use crate::pages::act::{self, Given};
use crate::pages::period::Period;
use crate::pages::{
    clearing as clearing_page, corrections as corrections_page, sales as sales_page,
    taxes as taxes_page,
};
use crate::problem::Problem;
use crate::state::ServerState;

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;
/// Windows of each kind.
const WINDOWS: u16 = 24;
const WINDOWS_MAX: u16 = 500;

/// The paths of this module below `/api/v1`, in the notation of OpenAPI.
pub const PATHS: &[&str] = &[
    "/openapi.json",
    "/report",
    "/reports/sales",
    "/reports/sales/documents",
    "/reports/tax",
    "/reports/clearing",
    "/bridges",
    "/orders",
    "/orders/{root}",
    "/invoices",
    "/cases",
    "/cases/{id}",
    "/cases/{id}/{decision}",
    "/retry",
    "/connections",
    "/connections/{name}/listings",
    "/connections/{name}/{decision}",
    "/processes",
    "/schedules",
    "/schedules/{name}/run",
    "/messages/{id}",
    "/messages/{id}/raw",
    "/messages/{id}/correct",
    "/corrections",
    "/corrections/{id}",
    "/corrections/{id}/{decision}",
    "/audit",
];

pub fn routes() -> Router<ServerState> {
    Router::new()
        .route("/openapi.json", get(openapi))
        .route("/report", get(get_report))
        .route("/reports/sales", get(sales_report))
        .route("/reports/sales/documents", get(sales_documents))
        .route("/reports/tax", get(tax_report))
        .route("/reports/clearing", get(clearing_report))
        .route("/bridges", get(all_bridges))
        .route("/orders", get(orders))
        .route("/orders/{*root}", get(order))
        .route("/invoices", post(invoice))
        .route("/cases", get(all_cases))
        .route("/cases/{id}", get(one_case))
        .route("/cases/{id}/{decision}", post(decide_case))
        .route("/retry", post(retry))
        .route("/connections", get(connections))
        .route("/connections/{name}/listings", get(listings))
        .route("/connections/{name}/{decision}", post(decide_connection))
        .route("/processes", get(all_processes))
        .route("/schedules", get(all_schedules))
        .route("/schedules/{name}/run", post(run_schedule))
        .route("/messages/{id}", get(message))
        .route("/messages/{id}/raw", get(raw))
        .route("/messages/{id}/correct", post(correct))
        .route("/corrections", get(corrections_waiting))
        .route("/corrections/{id}", get(correction))
        .route("/corrections/{id}/{decision}", post(decide_correction))
        .route("/audit", get(audited))
}

async fn openapi() -> Response {
    let text = include_str!("openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn get_report(
    State(state): State<ServerState>,
    Query(period): Query<Period>,
) -> Result<Json<Report>, Problem> {
    let now = state.now();
    let report = state
        .read(move |tx| match period.days(tx, now)? {
            Ok((from, to)) => Ok(Ok(report::build(tx, from, to, now)?)),
            Err(problem) => Ok(Err(problem)),
        })
        .await??;
    Ok(Json(report))
}

async fn sales_report(
    State(state): State<ServerState>,
    Query(wanted): Query<sales_page::Wanted>,
) -> Result<Json<sales::Report>, Problem> {
    let (now, hub) = (state.now(), state.hub.clone());
    let report = state
        .read(move |tx| match wanted.read(tx, now)? {
            Ok(wanted) => Ok(Ok(sales::build(tx, &hub, &wanted, now)?)),
            Err(problem) => Ok(Err(problem)),
        })
        .await??;
    Ok(Json(report))
}

async fn sales_documents(
    State(state): State<ServerState>,
    Query(asked): Query<sales_page::Wanted>,
) -> Result<Json<serde_json::Value>, Problem> {
    let now = state.now();
    let shown = state
        .read(move |tx| {
            let wanted = match asked.read(tx, now)? {
                Ok(wanted) => wanted,
                Err(problem) => return Ok(Err(problem)),
            };
            let (found, next) = asked.documents(tx, &wanted, LIMIT_MAX)?;
            let columns = wanted.columns();
            let listed: Vec<_> = found.iter().map(|one| sales::Listed::of(one, &columns)).collect();
            let next = next.map(|(day, root, document)| format!("{day}~{root}~{document}"));
            Ok(Ok(serde_json::json!({ "documents": listed, "next": next })))
        })
        .await??;
    Ok(Json(shown))
}

async fn tax_report(
    State(state): State<ServerState>,
    Query(wanted): Query<taxes_page::Wanted>,
) -> Result<Json<taxes::Report>, Problem> {
    let (now, hub) = (state.now(), state.hub.clone());
    let report = state
        .read(move |tx| match wanted.read(tx, now)? {
            Ok(wanted) => Ok(Ok(taxes::build(tx, &hub, &wanted, now)?)),
            Err(problem) => Ok(Err(problem)),
        })
        .await??;
    Ok(Json(report))
}

async fn clearing_report(
    State(state): State<ServerState>,
    Query(wanted): Query<clearing_page::Wanted>,
) -> Result<Json<clearing::Report>, Problem> {
    let (now, hub) = (state.now(), state.hub.clone());
    let wanted = wanted.read(now)?;
    Ok(Json(state.read(move |tx| clearing::build(tx, &hub, &wanted, now)).await?))
}

async fn all_bridges(
    State(state): State<ServerState>,
) -> Result<Json<Vec<bridges::Shown>>, Problem> {
    let hub = state.hub.clone();
    Ok(Json(state.read(move |tx| bridges::build(tx, &hub)).await?))
}

#[derive(Deserialize)]
struct OrdersQuery {
    search: Option<String>,
    from: Option<Date>,
    to: Option<Date>,
    /// The `next` of the page before.
    after: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize)]
struct Orders {
    orders: Vec<Order>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// An order in a list.
#[derive(Serialize)]
struct Order {
    root: String,
    number: String,
    channel: String,
    day: Option<String>,
    state: String,
    total: Option<Money>,
    entity: Option<String>,
    waiting: Option<String>,
    proof: Proof,
}

#[derive(Serialize)]
struct Proof {
    document: &'static str,
    tender: &'static str,
    payout: &'static str,
    bank: &'static str,
}

async fn orders(
    State(state): State<ServerState>,
    Query(query): Query<OrdersQuery>,
) -> Result<Json<Orders>, Problem> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let after = query.after.map(|after| {
        let (day, id) = after.split_once('~').unwrap_or(("", &after));
        (day.to_owned(), id.to_owned())
    });
    let filter = SaleFilter {
        text: query.search.filter(|text| !text.is_empty()),
        from: query.from.map(|day| day.to_string()),
        to: query.to.map(|day| day.to_string()),
        after,
        limit: limit + 1,
        ..SaleFilter::default()
    };
    let found = state
        .read(move |tx| {
            let mut sales = documents::list_sales(tx, &filter)?;
            let more = i64::try_from(sales.len()).unwrap_or(0) > limit;
            if more {
                sales.pop();
            }
            let last = sales.last().filter(|_| more);
            let next =
                last.map(|sale| format!("{}~{}", sale.day.as_deref().unwrap_or_default(), sale.id));
            let roots: Vec<String> = sales.iter().map(|sale| sale.id.clone()).collect();
            let evidence = Evidence::of(tx, &roots)?;
            let orders = sales.into_iter().map(|sale| order_of(sale, &evidence)).collect();
            Ok(Orders { orders, next })
        })
        .await?;
    Ok(Json(found))
}

fn order_of(sale: ShownRoot, evidence: &Evidence) -> Order {
    let proof = evidence.proof(&sale.id);
    Order {
        proof: Proof {
            document: proof.document.word(),
            tender: proof.tender.word(),
            payout: proof.payout.word(),
            bank: proof.bank.word(),
        },
        total: money(sale.amount, sale.currency.as_deref()),
        root: sale.id,
        number: sale.number,
        channel: sale.connection,
        day: sale.day,
        state: sale.state,
        entity: sale.entity,
        waiting: sale.waiting,
    }
}

fn money(minor: Option<i64>, code: Option<&str>) -> Option<Money> {
    let currency = Currency::parse(code?).ok()?;
    Some(Money::from_minor(minor?, currency))
}

async fn order(
    State(state): State<ServerState>,
    Path(root): Path<String>,
) -> Result<Json<Trace>, Problem> {
    let found = state.read(move |tx| trace::trace(tx, &root)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("this order"))
}

#[derive(Serialize)]
struct Case {
    id: String,
    kind: String,
    subject: String,
    entity: String,
    title: String,
    detail: String,
    remedy: String,
    amount: Option<Money>,
    owner: String,
    assignee: String,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    /// `gone`, `closed` or `accepted`.
    closed_as: Option<String>,
    closed_by: Option<String>,
    closed_why: Option<String>,
    /// Names all open cases of this cause in an address, as `id` names one.
    cause: Option<String>,
    /// What people decided about it; only where one case is asked for.
    decisions: Vec<Decided>,
}

#[derive(Serialize)]
struct Decided {
    decision: String,
    person: String,
    reason: String,
    assignee: String,
    at: Timestamp,
    message: String,
}

fn decided(tx: &mut Tx<'_>, about: &str) -> Result<Vec<Decided>, StoreError> {
    let decisions = decisions::about(tx, about)?;
    Ok(decisions
        .into_iter()
        .map(|one| Decided {
            decision: one.kind,
            person: one.person,
            reason: one.reason,
            assignee: one.assignee,
            at: one.made_at,
            message: one.message,
        })
        .collect())
}

fn case_of(case: cases::Case) -> Case {
    Case {
        amount: money(Some(case.amount), Some(&case.currency)),
        id: case.id,
        kind: case.kind,
        subject: case.subject,
        entity: case.entity,
        title: case.title,
        detail: case.detail,
        remedy: case.remedy,
        owner: case.owner,
        assignee: case.assignee,
        opened_at: case.opened_at,
        closed_at: case.closed_at,
        closed_as: case.closed_as,
        closed_by: case.closed_by,
        cause: (!case.cause.is_empty()).then_some(case.cause),
        closed_why: case.closed_why,
        decisions: Vec::new(),
    }
}

async fn all_cases(State(state): State<ServerState>) -> Result<Json<Vec<Case>>, Problem> {
    let open = state.read(cases::open_cases).await?;
    Ok(Json(open.into_iter().map(case_of).collect()))
}

async fn one_case(
    State(state): State<ServerState>,
    Path(id): Path<String>,
) -> Result<Json<Case>, Problem> {
    let found = state
        .read(move |tx| {
            let Some(case) = cases::find(tx, &id)? else { return Ok(None) };
            let decisions = decided(tx, &id)?;
            Ok(Some(Case { decisions, ..case_of(case) }))
        })
        .await?;
    found.map(Json).ok_or_else(|| Problem::not_found("this case"))
}

#[derive(Serialize)]
struct Done {
    done: bool,
    /// What happens now.
    next: &'static str,
}

/// What a decision's body says beside its address.
#[derive(Deserialize)]
struct Said {
    #[serde(flatten)]
    given: Given,
    /// What is to be tried again.
    #[serde(default)]
    about: String,
}

fn said(body: &Bytes) -> Result<Said, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::unreadable(format!("the body is no JSON with `person` and `reason`: {error}"))
    })
}

async fn decide_case(
    State(state): State<ServerState>,
    Path((id, word)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    let given = said(&body)?.given;
    let what = given.about_case(&word, id).ok_or_else(|| Problem::not_found("this decision"))?;
    done(&state, given.decision(what)).await
}

async fn retry(State(state): State<ServerState>, body: Bytes) -> Result<Json<Done>, Problem> {
    let said = said(&body)?;
    done(&state, said.given.decision(What::Retry { about: said.about })).await
}

async fn decide_connection(
    State(state): State<ServerState>,
    Path((name, word)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    if state.hub.connection(&name).is_none() {
        return Err(Problem::not_found("this connection"));
    }
    let what = act::about_connection(&word, name);
    let what = what.ok_or_else(|| Problem::not_found("this decision"))?;
    done(&state, said(&body)?.given.decision(what)).await
}

async fn all_processes(
    State(state): State<ServerState>,
) -> Result<Json<Vec<processes::Shown>>, Problem> {
    let now = state.now();
    Ok(Json(state.read(move |tx| processes::shown(tx, now)).await?))
}

async fn all_schedules(
    State(state): State<ServerState>,
) -> Result<Json<Vec<schedules::Shown>>, Problem> {
    let (all, now) = (state.schedules.clone(), state.now());
    Ok(Json(state.read(move |tx| schedules::shown(tx, &all, now)).await?))
}

async fn run_schedule(
    State(state): State<ServerState>,
    Path(schedule): Path<String>,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    done(&state, said(&body)?.given.decision(What::Run { schedule })).await
}

async fn done(state: &ServerState, decision: Decision) -> Result<Json<Done>, Problem> {
    let next = act::decide(state, decision).await?;
    Ok(Json(Done { done: true, next }))
}

#[derive(Serialize)]
struct Connection {
    name: String,
    connector: &'static str,
    entity: String,
    /// Why its outgoing calls are stopped, if they are.
    suspended: Option<String>,
    /// Why its deliveries wait for a person, if they do.
    held: Option<String>,
    /// When it is tried again, where the other side does not answer.
    rests_until: Option<Timestamp>,
    messages: std::collections::BTreeMap<String, i64>,
    last_message_at: Option<Timestamp>,
    streams: Vec<Stream>,
    /// How far everything that it made is here, for each kind that it is asked to list.
    listings: Vec<Complete>,
}

#[derive(Serialize)]
struct Complete {
    kind: &'static str,
    complete_to: Option<Timestamp>,
    lacking: i64,
}

#[derive(Serialize)]
struct Stream {
    name: String,
    cursor: Option<String>,
    polled_at: Option<Timestamp>,
    complete_to: Option<Timestamp>,
    failures: i64,
    error_code: Option<String>,
    error: Option<String>,
}

async fn connections(State(state): State<ServerState>) -> Result<Json<Vec<Connection>>, Problem> {
    let hub = state.hub.clone();
    let found = state.read(move |tx| connections_of(tx, &hub)).await?;
    Ok(Json(found))
}

fn connections_of(tx: &mut Tx<'_>, hub: &trueup_hub::Hub) -> Result<Vec<Connection>, StoreError> {
    let counts = messages::counts(tx)?;
    let all_streams = streams::all(tx)?;
    let mut found = Vec::new();
    for connection in hub.setup.connections.values() {
        let own = counts.iter().filter(|(name, ..)| *name == connection.name);
        let newest = own.clone().map(|(.., at)| *at).max();
        let streams = all_streams.iter().filter(|stream| stream.connection == connection.name);
        let moment = |at: Option<i64>| at.and_then(crate::format::micros);
        found.push(Connection {
            name: connection.name.clone(),
            connector: connection.connector.name,
            entity: connection.entity.clone(),
            suspended: streams::suspended(tx, &connection.name)?,
            held: holds::held(tx, &connection.name)?,
            rests_until: breakers::of(tx, &connection.name)?.and_then(|it| moment(Some(it.until))),
            messages: own.map(|(_, state, count, _)| (state.clone(), *count)).collect(),
            last_message_at: moment(newest),
            streams: streams
                .map(|stream| Stream {
                    name: stream.stream.clone(),
                    cursor: stream.cursor.clone(),
                    polled_at: moment(stream.polled_at),
                    complete_to: moment(stream.complete_to),
                    failures: stream.failures,
                    error_code: stream.error_code.clone(),
                    error: stream.error.clone(),
                })
                .collect(),
            listings: complete(tx, connection)?,
        });
    }
    Ok(found)
}

fn complete(
    tx: &mut Tx<'_>,
    connection: &trueup_hub::Connection,
) -> Result<Vec<Complete>, StoreError> {
    let lacking = completeness::lacking(tx, connection)?;
    let kinds = completeness::complete_to(tx, connection)?.into_iter().zip(lacking);
    Ok(kinds
        .map(|((kind, complete_to), (_, lacking))| Complete {
            kind: kind.word(),
            complete_to,
            lacking,
        })
        .collect())
}

#[derive(Deserialize)]
struct Newest {
    limit: Option<u16>,
}

async fn listings(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    Query(newest): Query<Newest>,
) -> Result<Json<Vec<Window>>, Problem> {
    let known = state.hub.connection(&name).cloned();
    let connection = known.ok_or_else(|| Problem::not_found("this connection"))?;
    let limit = i64::from(newest.limit.unwrap_or(WINDOWS).min(WINDOWS_MAX));
    let found = state.read(move |tx| completeness::windows(tx, &connection, limit)).await?;
    Ok(Json(found))
}

#[derive(Serialize)]
struct Message {
    id: String,
    connection: String,
    source_id: String,
    kind: String,
    origin: String,
    state: String,
    received_at: Timestamp,
    repeats: i64,
    headers: serde_json::Value,
    error_code: Option<String>,
    error: Option<String>,
    bytes: usize,
    /// As text; bytes that are no UTF-8 are replaced here, and exact under `raw`.
    body: String,
}

async fn message(
    State(state): State<ServerState>,
    Path(id): Path<String>,
) -> Result<Json<Message>, Problem> {
    let shown = find_message(&state, id).await?;
    Ok(Json(Message {
        headers: serde_json::from_str(&shown.headers).unwrap_or(serde_json::Value::Null),
        bytes: shown.body.len(),
        body: String::from_utf8_lossy(&shown.body).into_owned(),
        id: shown.id,
        connection: shown.connection,
        source_id: shown.source_id,
        kind: shown.kind,
        origin: shown.origin,
        state: shown.state,
        received_at: shown.received_at,
        repeats: shown.repeats,
        error_code: shown.error_code,
        error: shown.error,
    }))
}

async fn raw(
    State(state): State<ServerState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let shown = find_message(&state, id).await?;
    // Never as a page: what a stranger sent must not run in our origin.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", shown.id)),
    ];
    Ok((headers, shown.body).into_response())
}

async fn find_message(state: &ServerState, id: String) -> Result<messages::Shown, Problem> {
    let found = state.read(move |tx| messages::find(tx, &id)).await?;
    found.ok_or_else(|| Problem::not_found("this message"))
}

/// What a message should have said, as somebody proposes.
#[derive(Serialize)]
struct Correction {
    id: String,
    message: String,
    /// Names exactly this text: who approves it says it.
    hash: String,
    text: String,
    person: String,
    reason: String,
    proposed_at: Timestamp,
    state: String,
    settled_by: String,
    settled_why: String,
    settled_at: Option<Timestamp>,
    /// The message that is read instead, once it is approved.
    made: Option<String>,
    /// What would come of it, where one is asked for that waits.
    plan: Option<Plan>,
}

fn correction_of(one: corrections::Correction, plan: Option<Plan>) -> Correction {
    Correction {
        id: one.id,
        message: one.message,
        hash: one.body_hash,
        text: String::from_utf8_lossy(&one.body).into_owned(),
        person: one.person,
        reason: one.reason,
        proposed_at: one.proposed_at,
        state: one.state,
        settled_by: one.settled_by,
        settled_why: one.settled_why,
        settled_at: one.settled_at,
        made: one.made,
        plan,
    }
}

async fn corrections_waiting(
    State(state): State<ServerState>,
) -> Result<Json<Vec<Correction>>, Problem> {
    let waiting = state.read(corrections::waiting).await?;
    Ok(Json(waiting.into_iter().map(|one| correction_of(one, None)).collect()))
}

async fn correction(
    State(state): State<ServerState>,
    Path(id): Path<String>,
) -> Result<Json<Correction>, Problem> {
    let found = state.read(move |tx| corrections::find(tx, &id)).await?;
    let found = found.ok_or_else(|| Problem::not_found("this correction"))?;
    let plan = corrections_page::plan(&state, &found, state.now()).await?;
    Ok(Json(correction_of(found, plan)))
}

fn said_of_a_correction(body: &Bytes) -> Result<corrections_page::Said, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let why = format!("the body is no JSON with `person`, `reason`, `text` or `hash`: {error}");
        Problem::unreadable(why)
    })
}

async fn correct(
    State(state): State<ServerState>,
    Path(message): Path<String>,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    let said = said_of_a_correction(&body)?;
    done(&state, said.given.decision(What::Correct { message, text: said.text })).await
}

async fn decide_correction(
    State(state): State<ServerState>,
    Path((id, word)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    let said = said_of_a_correction(&body)?;
    let what = said.about(&word, id).ok_or_else(|| Problem::not_found("this decision"))?;
    done(&state, said.given.decision(what)).await
}

async fn invoice(State(state): State<ServerState>, body: Bytes) -> Result<Json<Done>, Problem> {
    let asked: act::Asked = serde_json::from_slice(&body).map_err(|error| {
        Problem::unreadable(format!("the body is no JSON with `sale`, `person`, `reason`: {error}"))
    })?;
    let (given, what) = asked.parts();
    done(&state, given.decision(what)).await
}

/// Which records of the audit somebody wants.
#[derive(Deserialize)]
struct Audited {
    /// Records after this number, oldest first.
    #[serde(default)]
    after: i64,
    limit: Option<i64>,
}

async fn audited(
    State(state): State<ServerState>,
    Query(wanted): Query<Audited>,
) -> Result<Json<Vec<Record>>, Problem> {
    let limit = wanted.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    Ok(Json(state.read(move |tx| audit::sealed(tx, wanted.after, limit)).await?))
}
