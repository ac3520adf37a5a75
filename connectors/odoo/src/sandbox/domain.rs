//! Search domains in prefix notation, and the rule that hides other companies' records.

use rust_decimal::Decimal;
use serde_json::Value;

use super::schema::{self, Kind, Model};
use super::store::{Cell, Fault, Fields, Record, Store};

pub struct Scope<'a> {
    pub companies: &'a [i64],
    pub archived: bool,
}

/// A domain whose fields are known to exist.
enum Term<'a> {
    Not(Box<Term<'a>>),
    And(Vec<Term<'a>>),
    Or(Box<Term<'a>>, Box<Term<'a>>),
    Leaf {
        field: &'static str,
        operator: Operator,
        wanted: &'a Value,
    },
    /// A term on the records that a field points to.
    Far {
        field: &'static str,
        other: &'static str,
        term: Box<Term<'a>>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    Starts,
}

/// Ids of the records that match, in order of id.
pub fn search(
    store: &Store,
    model: &str,
    domain: &Value,
    scope: &Scope<'_>,
) -> Result<Vec<i64>, Fault> {
    let terms = domain.as_array().ok_or_else(|| Fault::value("a domain is a list"))?;
    let known = schema::model(model).ok_or_else(|| Fault::value("unknown model"))?;
    let term = compile(known, terms)?;
    let active = !scope.archived && known.field("active").is_some();
    let fits = |id: i64, record: &Record| {
        visible(model, record, scope, active) && holds(store, &term, id, record)
    };
    // Most searches name the records they want.
    if let Some(ids) = named(&term) {
        let mut ids: Vec<i64> = ids.iter().filter_map(Value::as_i64).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| store.get(model, *id).is_some_and(|record| fits(*id, record)));
        return Ok(ids);
    }
    let found = store.all(model).filter(|(id, record)| fits(*id, record));
    Ok(found.map(|(id, _)| id).collect())
}

fn named<'a>(term: &Term<'a>) -> Option<&'a Vec<Value>> {
    match term {
        Term::And(terms) => terms.iter().find_map(named),
        Term::Leaf { field: "id", operator: Operator::In, wanted } => wanted.as_array(),
        _ => None,
    }
}

fn visible(model: &str, record: &Record, scope: &Scope<'_>, active: bool) -> bool {
    let ours = match record.cell("company_id") {
        Cell::Link(id) => scope.companies.contains(id),
        _ => match record.cell("company_ids") {
            Cell::Links(ids) if model != "res.users" => {
                ids.iter().any(|id| scope.companies.contains(id))
            }
            _ => true,
        },
    };
    ours && (!active || record.cell("active") != &Cell::Flag(false))
}

/// Terms side by side all hold.
fn compile<'a>(model: &'static Model, terms: &'a [Value]) -> Result<Term<'a>, Fault> {
    let mut rest = terms;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (term, after) = next(model, rest)?;
        all.push(term);
        rest = after;
    }
    Ok(Term::And(all))
}

fn next<'a>(model: &'static Model, terms: &'a [Value]) -> Result<(Term<'a>, &'a [Value]), Fault> {
    let (first, rest) =
        terms.split_first().ok_or_else(|| Fault::value("a domain ends too early"))?;
    match first.as_str() {
        Some("!") => next(model, rest).map(|(term, rest)| (Term::Not(Box::new(term)), rest)),
        Some(word @ ("&" | "|")) => {
            let (left, rest) = next(model, rest)?;
            let (right, rest) = next(model, rest)?;
            let term = if word == "&" {
                Term::And(vec![left, right])
            } else {
                Term::Or(Box::new(left), Box::new(right))
            };
            Ok((term, rest))
        }
        Some(_) => Err(Fault::value("a domain has an unknown operator")),
        None => {
            let leaf = first.as_array().map(Vec::as_slice);
            let Some([Value::String(path), Value::String(operator), wanted]) = leaf else {
                return Err(Fault::value("a term has a field, an operator and a value"));
            };
            Ok((leaf_of(model, path, operator, wanted)?, rest))
        }
    }
}

fn leaf_of<'a>(
    model: &'static Model,
    path: &str,
    operator: &str,
    wanted: &'a Value,
) -> Result<Term<'a>, Fault> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = model.field(name).ok_or_else(|| {
        let own = model.name;
        Fault::value(format!("Invalid field {own}.{name} in condition ('{path}', '{operator}', …)"))
    })?;
    if let Some(rest) = rest {
        let (Kind::Link(other) | Kind::Links(other) | Kind::Lines(other, _)) = field.kind else {
            return Err(Fault::value(format!("Invalid field {}.{path}", model.name)));
        };
        let far = schema::model(other).ok_or_else(|| Fault::value("unknown model"))?;
        let term = Box::new(leaf_of(far, rest, operator, wanted)?);
        return Ok(Term::Far { field: field.name, other, term });
    }
    let operator = match operator {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "in" => Operator::In,
        "not in" => Operator::NotIn,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "like" | "ilike" => Operator::Like,
        "=like" => Operator::Starts,
        _ => return Err(Fault::value(format!("Invalid operator {operator}"))),
    };
    Ok(Term::Leaf { field: field.name, operator, wanted })
}

fn holds(store: &Store, term: &Term<'_>, id: i64, record: &Record) -> bool {
    match term {
        Term::Not(term) => !holds(store, term, id, record),
        Term::And(terms) => terms.iter().all(|term| holds(store, term, id, record)),
        Term::Or(left, right) => holds(store, left, id, record) || holds(store, right, id, record),
        Term::Far { field, other, term } => {
            let ids: &[i64] = match record.cell(field) {
                Cell::Link(id) => &[*id],
                Cell::Links(ids) => ids,
                _ => &[],
            };
            let far = ids.iter().filter_map(|id| Some((*id, store.get(other, *id)?)));
            far.into_iter().any(|(id, record)| holds(store, term, id, record))
        }
        Term::Leaf { field, operator, wanted } => {
            let own_id = Cell::Whole(id);
            let cell = if *field == "id" { &own_id } else { record.cell(field) };
            compare(cell, *operator, wanted)
        }
    }
}

fn compare(cell: &Cell, operator: Operator, wanted: &Value) -> bool {
    let among = || wanted.as_array().is_some_and(|list| list.iter().any(|one| equal(cell, one)));
    match operator {
        Operator::Equal => equal(cell, wanted),
        Operator::NotEqual => !equal(cell, wanted),
        Operator::In => among(),
        Operator::NotIn => !among(),
        Operator::Less => order(cell, wanted).is_some_and(|order| order.is_lt()),
        Operator::LessOrEqual => order(cell, wanted).is_some_and(|order| order.is_le()),
        Operator::Greater => order(cell, wanted).is_some_and(|order| order.is_gt()),
        Operator::GreaterOrEqual => order(cell, wanted).is_some_and(|order| order.is_ge()),
        Operator::Like => {
            let text =
                if let Cell::Text(text) = cell { text.to_lowercase() } else { String::new() };
            wanted.as_str().is_some_and(|part| text.contains(&part.to_lowercase()))
        }
        Operator::Starts => {
            let part = wanted.as_str().unwrap_or_default().trim_end_matches('%');
            matches!(cell, Cell::Text(text) if text.starts_with(part))
        }
    }
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

fn order(cell: &Cell, wanted: &Value) -> Option<std::cmp::Ordering> {
    Some(match (cell, wanted) {
        (Cell::Text(own), Value::String(text)) => own.as_str().cmp(text.as_str()),
        (Cell::Whole(own), Value::Number(_)) => own.cmp(&wanted.as_i64()?),
        (Cell::Number(own), Value::Number(number)) => {
            own.cmp(&number.to_string().parse::<Decimal>().ok()?)
        }
        _ => return None,
    })
}
