//! What a message should have said: proposals with what would come of them, and who approves them.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use trueup_hub::corrections::{self, Line};
use trueup_hub::decisions::What;
use trueup_hub::replay::{self, Plan};
use trueup_store::corrections::{self as kept, Correction};
use trueup_store::{StoreError, Tx, messages};

use super::act::{self, Given};
use super::connections::Moment;
use super::{PageProblem, Shared};
use crate::format;
use crate::problem::Problem;
use crate::state::ServerState;

/// Lines of each list that a page shows.
const LISTED_MAX: usize = 20;

/// A proposal on the page of its message.
pub struct Proposal {
    pub id: String,
    pub hash: String,
    pub state: String,
    pub class: &'static str,
    pub person: String,
    pub reason: String,
    pub proposed: Moment,
    pub settled_by: String,
    pub settled_why: String,
    /// The message that is read instead; empty until it is approved.
    pub made: String,
    pub lines: Vec<Line>,
    /// What would come of it; only while it waits.
    pub plan: Option<Planned>,
}

/// What a plan lists, in words.
pub struct Planned {
    pub lists: Vec<(&'static str, Vec<String>, usize)>,
    /// Account and amount.
    pub money: Vec<(String, String)>,
    pub nothing: bool,
}

fn planned(plan: &Plan) -> Planned {
    let lists = [
        ("Documents", plan.documents_in_words()),
        ("Journal entries", plan.entries_in_words()),
        ("Commands", plan.commands_in_words()),
    ];
    let lists =
        lists.into_iter().filter(|(_, lines)| !lines.is_empty()).map(|(title, mut lines)| {
            let more = lines.len().saturating_sub(LISTED_MAX);
            lines.truncate(LISTED_MAX);
            (title, lines, more)
        });
    let account = |it: &replay::Moved| {
        let words = [it.entity.as_str(), it.role.as_str(), it.qualifier.as_str()];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let money = plan.money.iter();
    let money = money.map(|it| (account(it), format::money(it.minor, &it.currency)));
    Planned { lists: lists.collect(), money: money.collect(), nothing: plan.is_empty() }
}

/// What was proposed for a message, newest first.
pub async fn of_message(
    state: &ServerState,
    message: &messages::Shown,
    all: Vec<Correction>,
    now: Timestamp,
) -> Result<Vec<Proposal>, Problem> {
    let before = String::from_utf8_lossy(&message.body).into_owned();
    let mut shown = Vec::new();
    for one in all.into_iter().rev() {
        let plan = plan(state, &one, now).await?;
        shown.push(Proposal {
            lines: corrections::difference(&before, &String::from_utf8_lossy(&one.body)),
            plan: plan.as_ref().map(planned),
            class: match one.state.as_str() {
                "approved" => "proven",
                "rejected" => "not_applicable",
                _ => "not_due",
            },
            proposed: Moment::new(one.proposed_at, now),
            made: one.made.unwrap_or_default(),
            id: one.id,
            hash: one.body_hash,
            state: one.state,
            person: one.person,
            reason: one.reason,
            settled_by: one.settled_by,
            settled_why: one.settled_why,
        });
    }
    Ok(shown)
}

/// What would come of a proposal; `None` where it does not wait any more.
pub async fn plan(
    state: &ServerState,
    one: &Correction,
    now: Timestamp,
) -> Result<Option<Plan>, Problem> {
    if !one.waits() {
        return Ok(None);
    }
    let (hub, message, body) = (state.hub.clone(), one.message.clone(), one.body.clone());
    let planned =
        tokio::task::spawn_blocking(move || replay::if_it_said(&hub, &message, &body, now)).await;
    planned.map_err(Problem::internal)?.map_err(Problem::from)
}

/// Whether a person may propose what a message should have said.
pub fn can_be_proposed(
    tx: &mut Tx<'_>,
    state: &ServerState,
    message: &str,
) -> Result<bool, StoreError> {
    Ok(corrections::correctable(tx, &state.hub, message)?.is_ok())
}

/// What a person fills in, with the text or the hash of what was seen.
#[derive(Debug, Default, Deserialize)]
pub struct Said {
    #[serde(flatten)]
    pub given: Given,
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub hash: String,
}

impl Said {
    /// What is decided about a proposal, by its word.
    pub fn about(&self, word: &str, correction: String) -> Option<What> {
        Some(match word {
            "approve" => What::Approve { correction, hash: self.hash.clone() },
            "reject" => What::Reject { correction },
            _ => return None,
        })
    }
}

/// A text with the line ends of another one: a form sends CR LF, whatever it was filled with.
fn with_line_ends_of(original: &[u8], text: &str) -> String {
    let plain = text.replace("\r\n", "\n");
    match original.windows(2).any(|pair| pair == b"\r\n") {
        true => plain.replace('\n', "\r\n"),
        false => plain,
    }
}

pub async fn propose(
    State(state): Shared,
    Path(message): Path<String>,
    form: Result<Form<Said>, FormRejection>,
) -> Result<Response, PageProblem> {
    let Said { given, text, .. } = act::given(form)?;
    let named = message.clone();
    let original = state.read(move |tx| messages::find(tx, &named)).await?;
    let text = with_line_ends_of(&original.map(|it| it.body).unwrap_or_default(), &text);
    let back = format!("/messages/{}#corrections", format::in_path(&message));
    act::and_back(&state, given, What::Correct { message, text }, &back).await
}

pub async fn settle(
    State(state): Shared,
    Path((id, word)): Path<(String, String)>,
    form: Result<Form<Said>, FormRejection>,
) -> Result<Response, PageProblem> {
    let said: Said = act::given(form)?;
    let named = id.clone();
    let found = state.read(move |tx| kept::find(tx, &named)).await?;
    let found = found.ok_or_else(|| Problem::not_found("this correction"))?;
    let back = format!("/messages/{}#corrections", format::in_path(&found.message));
    let what = said.about(&word, id).ok_or_else(|| Problem::not_found("this decision"))?;
    act::and_back(&state, said.given, what, &back).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise each line of a file of a bank would differ from what it was.
    #[test]
    fn a_form_keeps_the_line_ends_of_its_message() {
        for (original, sent, kept) in [
            ("a\nb", "a\r\nc", "a\nc"),
            ("a\r\nb\r\n", "a\r\nc\r\n", "a\r\nc\r\n"),
            ("a\r\nb", "a\nc", "a\r\nc"),
            ("", "a\r\nb", "a\nb"),
        ] {
            assert_eq!(with_line_ends_of(original.as_bytes(), sent), kept, "{original:?} {sent:?}");
        }
    }
}
