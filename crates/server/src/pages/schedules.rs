//! The jobs: when they ran, how that ended, when they run next, and one of them now.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use trueup_hub::decisions::What;
use trueup_hub::schedules::{self, Shown};

use super::act::{self, Given};
use super::connections::Moment;
use super::{Chrome, PageProblem, Shared, page};

struct Row {
    shown: Shown,
    last: Option<Moment>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "schedules.html")]
struct Schedules {
    chrome: Chrome,
    rows: Vec<Row>,
    /// Who decided last in this browser.
    person: String,
}

pub async fn show(State(state): Shared, headers: HeaderMap) -> Result<Response, PageProblem> {
    let (shared, now) = (state.clone(), state.now());
    let person = act::person(&headers);
    let shown = state
        .read(move |tx| {
            let rows = schedules::shown(tx, &shared.schedules, now)?
                .into_iter()
                .map(|shown| Row {
                    last: shown.last_at.map(|at| Moment::new(at, now)),
                    next: shown.next_at.map(crate::format::time),
                    shown,
                })
                .collect();
            Ok(Schedules { chrome: Chrome::new(tx, &shared, "schedules")?, rows, person })
        })
        .await?;
    Ok(page(StatusCode::OK, &shown)?)
}

pub async fn run(
    State(state): Shared,
    Path(schedule): Path<String>,
    form: Result<Form<Given>, FormRejection>,
) -> Result<Response, PageProblem> {
    let given = act::given(form)?;
    act::and_back(&state, given, What::Run { schedule }, "/schedules").await
}
