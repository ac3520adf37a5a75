//! Search domains in prefix notation, and the rule that hides other companies' records.

use rust_decimal::Decimal;
use serde_json::Value;

use super::schema::{self, Kind};
use super::store::{Cell, Fault, Fields, Record, Store};

pub struct Scope<'a> {
    pub companies: &'a [i64],
    pub archived: bool,
}

/// Ids of the records that match, in order of id.
pub fn search(
    store: &Store,
    model: &str,
    domain: &Value,
    scope: &Scope<'_>,
) -> Result<Vec<i64>, Fault> {
    let terms = domain.as_array().ok_or_else(|| Fault::value("a domain is a list"))?;
    let mut found = Vec::new();
    for (id, record) in store.all(model) {
        if visible(model, record, scope) && all(store, model, id, record, terms)? {
            found.push(id);
        }
    }
    if found.is_empty() {
        // An unknown field is refused however many records there are.
        let nobody = Record::new();
        all(store, model, 0, &nobody, terms)?;
    }
    Ok(found)
}

pub fn visible(model: &str, record: &Record, scope: &Scope<'_>) -> bool {
    let known = schema::model(model);
    let has = |field: &str| known.is_some_and(|model| model.field(field).is_some());
    let ours = match record.cell("company_id") {
        Cell::Link(id) => scope.companies.contains(id),
        _ => match record.cell("company_ids") {
            Cell::Links(ids) if model != "res.users" => {
                ids.iter().any(|id| scope.companies.contains(id))
            }
            _ => true,
        },
    };
    let active = scope.archived || !has("active") || record.cell("active") != &Cell::Flag(false);
    ours && active
}

fn all(
    store: &Store,
    model: &str,
    id: i64,
    record: &Record,
    terms: &[Value],
) -> Result<bool, Fault> {
    let mut rest = terms;
    let mut holds = true;
    while !rest.is_empty() {
        let (one, after) = term(store, model, id, record, rest)?;
        holds &= one;
        rest = after;
    }
    Ok(holds)
}

fn term<'a>(
    store: &Store,
    model: &str,
    id: i64,
    record: &Record,
    terms: &'a [Value],
) -> Result<(bool, &'a [Value]), Fault> {
    let (first, rest) =
        terms.split_first().ok_or_else(|| Fault::value("a domain ends too early"))?;
    match first.as_str() {
        Some("!") => term(store, model, id, record, rest).map(|(holds, rest)| (!holds, rest)),
        Some(word @ ("&" | "|")) => {
            let (left, rest) = term(store, model, id, record, rest)?;
            let (right, rest) = term(store, model, id, record, rest)?;
            Ok((if word == "&" { left && right } else { left || right }, rest))
        }
        Some(_) => Err(Fault::value("a domain has an unknown operator")),
        None => {
            let leaf = first.as_array().map(Vec::as_slice);
            let Some([field, operator, wanted]) = leaf else {
                return Err(Fault::value("a term of a domain has three parts"));
            };
            let (Some(field), Some(operator)) = (field.as_str(), operator.as_str()) else {
                return Err(Fault::value("a term of a domain has a field and an operator"));
            };
            Ok((leaf_holds(store, model, id, record, field, operator, wanted)?, rest))
        }
    }
}

fn leaf_holds(
    store: &Store,
    model: &str,
    id: i64,
    record: &Record,
    path: &str,
    operator: &str,
    wanted: &Value,
) -> Result<bool, Fault> {
    let (field, rest) =
        path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    let known = schema::model(model).and_then(|model| model.field(field)).ok_or_else(|| {
        Fault::value(format!(
            "Invalid field {model}.{field} in condition ('{path}', '{operator}', …)"
        ))
    })?;
    let own_id = Cell::Whole(id);
    let cell = if field == "id" { &own_id } else { record.cell(field) };
    if let Some(rest) = rest {
        let (other, ids): (&str, Vec<i64>) = match (known.kind, cell) {
            (Kind::Link(other), Cell::Link(id)) => (other, vec![*id]),
            (Kind::Links(other) | Kind::Lines(other, _), Cell::Links(ids)) => (other, ids.clone()),
            (Kind::Link(other) | Kind::Links(other) | Kind::Lines(other, _), _) => {
                (other, Vec::new())
            }
            _ => return Err(Fault::value(format!("Invalid field {model}.{path}"))),
        };
        for id in ids {
            let Some(record) = store.get(other, id) else { continue };
            if leaf_holds(store, other, id, record, rest, operator, wanted)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let one = |wanted: &Value| equal(cell, wanted);
    Ok(match operator {
        "=" => one(wanted),
        "!=" => !one(wanted),
        "in" => wanted.as_array().is_some_and(|list| list.iter().any(one)),
        "not in" => !wanted.as_array().is_some_and(|list| list.iter().any(one)),
        "<" | "<=" | ">" | ">=" => ordered(cell, operator, wanted),
        "like" | "ilike" => {
            let text =
                if let Cell::Text(text) = cell { text.to_lowercase() } else { String::new() };
            wanted.as_str().is_some_and(|part| text.contains(&part.to_lowercase()))
        }
        "=like" => {
            let part = wanted.as_str().unwrap_or_default().trim_end_matches('%');
            matches!(cell, Cell::Text(text) if text.starts_with(part))
        }
        _ => return Err(Fault::value(format!("Invalid operator {operator}"))),
    })
}

fn equal(cell: &Cell, wanted: &Value) -> bool {
    match (cell, wanted) {
        (Cell::Nothing, Value::Bool(false) | Value::Null) => true,
        (Cell::Flag(own), Value::Bool(flag)) => own == flag,
        (Cell::Whole(own) | Cell::Link(own), Value::Number(_)) => wanted.as_i64() == Some(*own),
        (Cell::Number(own), Value::Number(number)) => number.to_string().parse().ok() == Some(*own),
        (Cell::Text(own), Value::String(text)) => own == text,
        (Cell::Links(own), Value::Number(_)) => wanted.as_i64().is_some_and(|id| own.contains(&id)),
        _ => false,
    }
}

fn ordered(cell: &Cell, operator: &str, wanted: &Value) -> bool {
    let order = match (cell, wanted) {
        (Cell::Text(own), Value::String(text)) => own.as_str().cmp(text.as_str()),
        (Cell::Whole(own), Value::Number(_)) => match wanted.as_i64() {
            Some(number) => own.cmp(&number),
            None => return false,
        },
        (Cell::Number(own), Value::Number(number)) => match number.to_string().parse::<Decimal>() {
            Ok(number) => own.cmp(&number),
            Err(_) => return false,
        },
        _ => return false,
    };
    match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}
