//! The console: pages rendered here, readable without any script.
//!
//! | module          | page                                                          |
//! |-----------------|---------------------------------------------------------------|
//! | [`overview`]    | `/`: the four sides of the days, open cases, what was healed  |
//! | [`orders`]      | `/orders`: search and filters                                 |
//! | [`order`]       | `/orders/…`: one order's life                                 |
//! | [`bridges`]     | `/bridges`: from one side's total to the next                 |
//! | [`cases`]       | `/cases`, `/cases/…`: what a person must decide               |
//! | [`connections`] | `/connections`: whether everything still comes in             |
//! | [`schedules`]   | `/schedules`: jobs, how they ended, when they run next        |
//! | [`message`]     | `/messages/…`: bytes as received                              |
//! | [`journal`]     | `/journal`: the trial balance of the sub-ledger               |
//! | [`entries`]     | `/entries`, `/entries/…`: what sums up sales, and the orders  |
//! | [`sales`]       | `/reports/sales`: what was sold, and the documents behind it  |
//! | [`taxes`]       | `/reports/tax`: taxes by regime, place, rate and period       |
//! | [`clearing`]    | `/reports/clearing`: what stands between sale and payout      |
//!
//! [`act`] is what the buttons do, [`period`] the days a page is
//! about, [`sides`] the table of what each side states.

pub mod act;
pub mod audit;
pub mod bridges;
pub mod cases;
pub mod clearing;
pub mod connections;
pub mod corrections;
pub mod entries;
pub mod journal;
pub mod message;
pub mod order;
pub mod orders;
pub mod overview;
pub mod period;
pub mod sales;
pub mod schedules;
pub mod sides;
pub mod taxes;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use trueup_store::{StoreError, Tx};

use crate::format;
use crate::problem::Problem;
use crate::security;
use crate::state::ServerState;

pub fn routes() -> Router<ServerState> {
    Router::new()
        .route("/", get(overview::show))
        .route("/orders", get(orders::show))
        .route("/orders/{*root}", get(order::show))
        .route("/bridges", get(bridges::show))
        .route("/cases", get(cases::list))
        .route("/cases/{id}", get(cases::show))
        .route("/cases/{id}/{decision}", post(act::on_case))
        .route("/connections", get(connections::show))
        .route("/connections/{name}/{word}", post(act::on_connection))
        .route("/invoices", post(act::invoice))
        .route("/schedules", get(schedules::show))
        .route("/schedules/{name}/run", post(schedules::run))
        .route("/messages/{id}", get(message::show))
        .route("/messages/{id}/retry", post(act::on_message))
        .route("/messages/{id}/correct", post(corrections::propose))
        .route("/corrections/{id}/{word}", post(corrections::settle))
        .route("/journal", get(journal::show))
        .route("/audit", get(audit::show))
        .route("/entries", get(entries::list))
        .route("/entries/{number}/{*summary}", get(entries::show))
        .route("/reports/sales", get(sales::show))
        .route("/reports/sales/documents", get(sales::documents))
        .route("/reports/tax", get(taxes::show))
        .route("/reports/clearing", get(clearing::show))
        .route("/login", get(security::login_form).post(security::login))
        .route("/logout", post(security::logout))
        .route("/assets/console.css", get(css))
        .route("/assets/console.js", get(script))
        .route("/assets/mark.svg", get(mark))
}

/// What surrounds every page.
pub struct Chrome {
    /// The entry of the navigation that is lit.
    pub active: &'static str,
    pub as_of: String,
    pub environment: String,
    pub open_cases: i64,
    /// The words in the search field.
    pub search: String,
    /// Whether there is a session to end.
    pub signed_in: bool,
}

impl Chrome {
    pub fn new(
        tx: &mut Tx<'_>,
        state: &ServerState,
        active: &'static str,
    ) -> Result<Self, StoreError> {
        let open_cases = trueup_store::cases::count_open(tx)?;
        Ok(Self { active, open_cases, signed_in: state.token.is_some(), ..Self::bare(state) })
    }

    /// For pages that read nothing.
    pub fn bare(state: &ServerState) -> Self {
        Self {
            active: "",
            as_of: format::time(state.now()),
            environment: state.hub.setup.environment.clone(),
            open_cases: 0,
            search: String::new(),
            signed_in: false,
        }
    }
}

pub fn page(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let text = template.render().map_err(Problem::internal)?;
    Ok((status, Html(text)).into_response())
}

/// A refusal that a person reads.
pub struct PageProblem(Problem);

impl From<Problem> for PageProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
    /// Whether `docs/errors` has a page for it.
    explained: bool,
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        let explained = crate::errors::text_of(self.0.code).is_some();
        let shown = ProblemPage { problem: &self.0, explained };
        page(self.0.status, &shown).unwrap_or_else(IntoResponse::into_response)
    }
}

pub async fn nothing_here(headers: HeaderMap) -> Response {
    let problem = Problem::not_found("this page");
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        PageProblem(problem).into_response()
    } else {
        problem.into_response()
    }
}

/// One status of a link: proven, not due, broken, not applicable.
pub const STATUSES: [&str; 4] = ["proven", "not_due", "broken", "not_applicable"];

/// How a status is shown: never by colour alone.
pub fn status_label(word: &str) -> &'static str {
    match word {
        "proven" => "proven",
        "not_due" => "not due",
        "broken" => "broken",
        "not_applicable" => "n/a",
        "open" => "being judged",
        _ => "unknown",
    }
}

/// The links of an order: word, title, and what it ties together.
pub const LINKS: [(&str, &str, &str); 4] = [
    ("document", "Document", "channel = books"),
    ("tender", "Tender", "channel = books = provider"),
    ("payout", "Payout", "each row is in one payout"),
    ("bank", "Bank", "payout = bank lines"),
];

async fn css() -> Response {
    let text = include_str!("../../../../console/assets/console.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}

async fn script() -> Response {
    let text = include_str!("../../../../console/assets/console.js");
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response()
}

async fn mark() -> Response {
    let text = include_str!("../../../../console/assets/mark.svg");
    ([(header::CONTENT_TYPE, "image/svg+xml")], text).into_response()
}

/// The state that handlers take, by its short name.
pub type Shared = State<ServerState>;
