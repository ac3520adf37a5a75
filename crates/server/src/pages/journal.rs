//! The trial balance of the sub-ledger: what each account role holds, and that it all sums to zero.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use trueup_store::facts::{self, Balance};
use trueup_store::{StoreError, Tx};

use super::{Chrome, PageProblem, Shared, page};
use crate::format;
use crate::state::ServerState;

#[derive(Deserialize)]
pub struct Wanted {
    entity: Option<String>,
}

#[derive(Template)]
#[template(path = "journal.html")]
struct Journal {
    chrome: Chrome,
    entities: Vec<EntityChoice>,
    books: Vec<Book>,
    unbalanced: Vec<String>,
}

struct EntityChoice {
    name: String,
    href: String,
    chosen: bool,
}

/// One entity in one currency.
struct Book {
    entity: String,
    currency: String,
    rows: Vec<Line>,
    debit: String,
    credit: String,
    balanced: bool,
}

struct Line {
    role: String,
    qualifier: String,
    debit: String,
    credit: String,
}

pub async fn show(
    State(state): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let shared = state.clone();
    let entity = wanted.entity.unwrap_or_default();
    let shown = state.read(move |tx| journal(tx, &shared, &entity)).await?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn journal(tx: &mut Tx<'_>, state: &ServerState, entity: &str) -> Result<Journal, StoreError> {
    let balances = facts::balances(tx)?;
    let mut names: Vec<&str> = balances.iter().map(|balance| balance.entity.as_str()).collect();
    names.dedup();
    let entities = names
        .into_iter()
        .map(|name| EntityChoice {
            href: format!("/journal?entity={}", format::in_query(name)),
            chosen: name == entity,
            name: name.to_owned(),
        })
        .collect();
    let mut books: BTreeMap<(&str, &str), Vec<&Balance>> = BTreeMap::new();
    for balance in balances.iter().filter(|it| entity.is_empty() || it.entity == entity) {
        books.entry((&balance.entity, &balance.currency)).or_default().push(balance);
    }
    Ok(Journal {
        chrome: Chrome::new(tx, state, "journal")?,
        entities,
        books: books
            .into_iter()
            .map(|((entity, currency), lines)| book(entity, currency, &lines))
            .collect(),
        unbalanced: facts::unbalanced(tx)?,
    })
}

fn book(entity: &str, currency: &str, lines: &[&Balance]) -> Book {
    let (mut debit, mut credit) = (0_i64, 0_i64);
    let rows = lines
        .iter()
        .map(|line| {
            let shown = format::amount(line.amount.saturating_abs(), currency);
            let (debit_text, credit_text) = if line.amount < 0 {
                credit = credit.saturating_sub(line.amount);
                (String::new(), shown)
            } else {
                debit = debit.saturating_add(line.amount);
                (shown, String::new())
            };
            Line {
                role: format::words(&line.role),
                qualifier: line.qualifier.clone(),
                debit: debit_text,
                credit: credit_text,
            }
        })
        .collect();
    Book {
        entity: entity.to_owned(),
        currency: currency.to_owned(),
        rows,
        balanced: debit == credit,
        debit: format::amount(debit, currency),
        credit: format::amount(credit, currency),
    }
}
