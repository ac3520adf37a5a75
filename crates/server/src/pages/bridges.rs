//! The variance bridges: two totals that their sides state themselves, every step between them, and
//! what no step explains.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use trueup_domain::money::Money;
use trueup_hub::{Hub, bridges};
use trueup_store::{StoreError, Tx};

use super::{Chrome, PageProblem, Shared, page};
use crate::format;

/// So many keys of a step are listed; its count says how many there are.
const EVIDENCE_MAX: usize = 50;

#[derive(Template)]
#[template(path = "bridges.html")]
struct Page {
    chrome: Chrome,
    bridges: Vec<Bridge>,
}

pub struct Bridge {
    pub name: String,
    pub currency: String,
    pub from: String,
    pub from_total: String,
    pub to: String,
    pub to_total: String,
    pub difference: String,
    pub unexplained: String,
    pub is_explained: bool,
    pub steps: Vec<Step>,
}

pub struct Step {
    pub name: String,
    pub amount: String,
    /// What it does to the total above it, with its sign.
    pub effect: String,
    pub count: usize,
    pub evidence: Vec<Evidence>,
}

pub struct Evidence {
    pub text: String,
    /// Empty where nothing more is known than the words.
    pub href: String,
}

pub fn all(tx: &mut Tx<'_>, hub: &Hub) -> Result<Vec<Bridge>, StoreError> {
    Ok(shown(bridges::build(tx, hub)?))
}

/// Bridges as pages show them.
pub fn shown(built: Vec<bridges::Shown>) -> Vec<Bridge> {
    built
        .into_iter()
        .map(|bridge| Bridge {
            currency: bridge.from_total.currency().code().to_owned(),
            from_total: amount(bridge.from_total),
            to_total: amount(bridge.to_total),
            difference: bridge
                .from_total
                .checked_sub(bridge.to_total)
                .map_or(String::new(), amount),
            is_explained: bridge.unexplained.is_zero(),
            unexplained: amount(bridge.unexplained),
            steps: bridge
                .steps
                .into_iter()
                .map(|step| Step {
                    name: format::words(&step.name),
                    amount: amount(step.amount),
                    effect: effect(step.amount),
                    count: step.count,
                    evidence: step
                        .evidence
                        .iter()
                        .take(EVIDENCE_MAX)
                        .map(|it| evidence(it))
                        .collect(),
                })
                .collect(),
            name: bridge.name,
            from: bridge.from,
            to: bridge.to,
        })
        .collect()
}

fn amount(money: Money) -> String {
    format::amount(money.minor(), money.currency().code())
}

fn effect(step: Money) -> String {
    let taken = step.checked_neg().map_or(String::new(), amount);
    if step.is_negative() { format!("+{taken}") } else { taken }
}

/// The key of an order or a payout names its root, and a ledger row is one; other evidence is shown
/// as it is.
pub fn evidence(key: &str) -> Evidence {
    let mut parts = key.splitn(3, '/');
    let href = match (parts.next(), parts.next(), parts.next()) {
        (Some("order"), Some(connection), Some(id)) => {
            format::root_page(&format!("{connection}/sale/{id}"))
        }
        (Some("bank" | "payout"), Some(provider), Some(id)) => {
            format::root_page(&format!("{provider}/payout/{id}"))
        }
        (Some(_), Some("ledger_row" | "sale"), Some(_)) => format::root_page(key),
        _ => String::new(),
    };
    Evidence { text: key.to_owned(), href }
}

pub async fn show(State(state): Shared) -> Result<Response, PageProblem> {
    let shared = state.clone();
    let shown = state
        .read(move |tx| {
            let bridges = all(tx, &shared.hub)?;
            Ok(Page { chrome: Chrome::new(tx, &shared, "bridges")?, bridges })
        })
        .await?;
    Ok(page(StatusCode::OK, &shown)?)
}
