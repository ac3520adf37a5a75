//! What the buttons do: each sends a decision of a person in at the front door
//! ([`trueup_hub::decisions`]), with who decides and why.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use trueup_hub::decisions::{self, Decision, Refusal, What};
use trueup_store::cases;

use super::{PageProblem, Shared};
use crate::format;
use crate::problem::Problem;
use crate::state::ServerState;

/// Keeps the name that was typed last, so that it need not be typed for each case. It proves
/// nothing: there are no accounts yet.
const PERSON: &str = "trueup_person";

/// What a person fills in beside the button.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Given {
    #[serde(default)]
    pub person: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub assignee: String,
}

impl Given {
    pub fn decision(self, what: What) -> Decision {
        Decision { what, person: self.person, reason: self.reason }
    }

    /// What a case's button asks for, by its word.
    pub fn about_case(&self, word: &str, case: String) -> Option<What> {
        Some(match word {
            "close" => What::Close { case },
            "accept" => What::Accept { case },
            "assign" => What::Assign { case, assignee: self.assignee.clone() },
            "note" => What::Note { case },
            "skip" => What::Skip { case },
            "retry" => What::Retry { about: case },
            _ => return None,
        })
    }
}

/// Takes a decision, or says why not.
pub async fn decide(state: &ServerState, decision: Decision) -> Result<&'static str, Problem> {
    let (hub, now) = (state.hub.clone(), state.now());
    let outcome = state.write(move |tx| decisions::take(tx, &hub, &decision, now)).await?;
    outcome.map_err(|refusal| match refusal {
        Refusal::Unknown(_) => Problem::new(StatusCode::NOT_FOUND, "TU403", refusal.to_string()),
        Refusal::Incomplete(why) => Problem::unreadable(why),
        Refusal::NotApplicable(why) => Problem::does_not_apply(why),
    })
}

/// What a form says, or why it cannot be read.
pub fn given<T>(form: Result<Form<T>, FormRejection>) -> Result<T, Problem> {
    form.map(|Form(given)| given).map_err(|error| Problem::unreadable(error.body_text()))
}

/// Takes a decision of a form and shows the page again.
pub async fn and_back(
    state: &ServerState,
    given: Given,
    what: What,
    back: &str,
) -> Result<Response, PageProblem> {
    let person = given.person.trim().to_owned();
    decide(state, given.decision(what)).await?;
    let mut response = Redirect::to(back).into_response();
    let cookie = format!("{PERSON}={}; Path=/; SameSite=Strict", format::in_query(&person));
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The name that was typed last.
pub fn person(headers: &HeaderMap) -> String {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == PERSON)
        .map(|(_, value)| format::from_query(value))
        .unwrap_or_default()
}

pub async fn on_case(
    State(state): Shared,
    Path((id, word)): Path<(String, String)>,
    form: Result<Form<Given>, FormRejection>,
) -> Result<Response, PageProblem> {
    let given = given(form)?;
    let (case, named) = (id.clone(), format::in_path(&id));
    let back = match state.read(move |tx| cases::find(tx, &case)).await? {
        Some(_) => format!("/cases/{named}"),
        None => format!("/cases?cause={}", format::in_query(&id)),
    };
    let what = given.about_case(&word, id);
    let what = what.ok_or_else(|| Problem::not_found("this decision"))?;
    and_back(&state, given, what, &back).await
}

pub async fn on_message(
    State(state): Shared,
    Path(id): Path<String>,
    form: Result<Form<Given>, FormRejection>,
) -> Result<Response, PageProblem> {
    let back = format!("/messages/{}", format::in_path(&id));
    and_back(&state, given(form)?, What::Retry { about: id }, &back).await
}

/// What a person fills in who wants an invoice of a sale.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(flatten)]
    given: Given,
    sale: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    vat_number: String,
}

impl Asked {
    pub fn parts(self) -> (Given, What) {
        let Self { given, sale, company, vat_number } = self;
        let said = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        (given, What::Invoice { sale, company: said(company), vat_number: said(vat_number) })
    }
}

pub async fn invoice(
    State(state): Shared,
    form: Result<Form<Asked>, FormRejection>,
) -> Result<Response, PageProblem> {
    let asked = given(form)?;
    let back = format::root_page(&asked.sale);
    let (given, what) = asked.parts();
    and_back(&state, given, what, &back).await
}

/// What is decided about a connection, by its word.
pub fn about_connection(word: &str, connection: String) -> Option<What> {
    Some(match word {
        "resume" => What::Retry { about: connection },
        "hold" => What::Hold { connection },
        "release" => What::Release { connection },
        _ => return None,
    })
}

pub async fn on_connection(
    State(state): Shared,
    Path((name, word)): Path<(String, String)>,
    form: Result<Form<Given>, FormRejection>,
) -> Result<Response, PageProblem> {
    let given = given(form)?;
    if state.hub.connection(&name).is_none() {
        return Err(Problem::not_found("this connection").into());
    }
    let what = about_connection(&word, name).ok_or_else(|| Problem::not_found("this decision"))?;
    and_back(&state, given, what, "/connections").await
}
