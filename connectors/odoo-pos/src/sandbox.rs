//! A point of sale played by a pure function: it answers searches over rows as Odoo would write them,
//! and refuses what the connector never asks.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{Method, Reply, Request};

/// A failure that the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 403: the user lacks the group of the point of sale.
    NoRights,
    /// 503 with a page of a proxy.
    Unavailable,
    /// 200, but the body ends in the middle.
    CutOff,
}

/// The rows of one Odoo by model and id.
#[derive(Clone, Debug, Default)]
pub struct OdooPosSandbox {
    rows: BTreeMap<String, BTreeMap<i64, Value>>,
    faults: VecDeque<Fault>,
}

impl OdooPosSandbox {
    /// Rows by model, each with its `id`, as `search_read` of Odoo 19 answers them.
    pub fn with(rows: &Value) -> Self {
        let mut sandbox = Self::default();
        for (model, rows) in rows.as_object().into_iter().flatten() {
            for row in rows.as_array().into_iter().flatten() {
                sandbox.put(model, row.clone());
            }
        }
        sandbox
    }

    /// A row is written, or written anew.
    pub fn put(&mut self, model: &str, row: Value) {
        if let Some(id) = row.get("id").and_then(Value::as_i64) {
            self.rows.entry(model.to_owned()).or_default().insert(id, row);
        }
    }

    /// The next requests meet these failures, one each, in this order.
    pub fn fault_next(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    fn answer(&self, request: &Request) -> Reply {
        let model = request.path.strip_prefix("/json/2/");
        let model = model.and_then(|path| path.strip_suffix("/search_read"));
        let Some(model) = model.filter(|_| request.method == Method::Post) else {
            return reply(404, &json!({ "name": "werkzeug.exceptions.NotFound", "message": "no" }));
        };
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let domain = asked["domain"].as_array().cloned().unwrap_or_default();
        let fields: Vec<&str> =
            asked["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let limit = asked["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let mut found = Vec::new();
        for row in self.rows.get(model).into_iter().flat_map(BTreeMap::values) {
            let fits: Option<Vec<bool>> = domain.iter().map(|term| fits(row, term)).collect();
            let Some(fits) = fits else {
                let message = format!("Invalid domain term in {domain:?}");
                return reply(422, &json!({ "name": "builtins.ValueError", "message": message }));
            };
            if !fits.into_iter().all(|fits| fits) {
                continue;
            }
            let mut shown = serde_json::Map::new();
            shown.insert("id".to_owned(), row["id"].clone());
            for field in &fields {
                let Some(value) = row.get(*field) else {
                    let message = format!("Invalid field '{field}' on '{model}'");
                    return reply(
                        500,
                        &json!({ "name": "builtins.ValueError", "message": message }),
                    );
                };
                shown.insert((*field).to_owned(), value.clone());
            }
            found.push(Value::Object(shown));
        }
        found.truncate(limit.unwrap_or(usize::MAX));
        reply(200, &Value::Array(found))
    }
}

/// `None` for a term of a kind that is not asked.
fn fits(row: &Value, term: &Value) -> Option<bool> {
    let parts = term.as_array()?;
    let [Value::String(field), Value::String(operator), asked] = parts.as_slice() else {
        return None;
    };
    let value = row.get(field)?;
    let id = value.as_i64().or_else(|| value.get(0).and_then(Value::as_i64));
    match (operator.as_str(), asked) {
        ("=", asked) => Some(id == asked.as_i64()),
        (">", asked) => Some(id > asked.as_i64()),
        (">=", Value::String(since)) => Some(value.as_str()? >= since.as_str()),
        ("<=", Value::String(until)) => Some(value.as_str()? <= until.as_str()),
        ("in", Value::Array(ids)) => Some(ids.iter().any(|one| one.as_i64() == id)),
        _ => None,
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

impl Sandbox for OdooPosSandbox {
    fn handle(&mut self, request: &Request, _: Timestamp) -> Reply {
        match self.faults.pop_front() {
            None => self.answer(request),
            Some(Fault::NoRights) => reply(
                403,
                &json!({
                    "name": "odoo.exceptions.AccessError",
                    "message": "You are not allowed to access 'Point of Sale Orders' (pos.order) records.",
                }),
            ),
            Some(Fault::Unavailable) => {
                Reply { status: 503, headers: Vec::new(), body: b"<html>".to_vec() }
            }
            Some(Fault::CutOff) => {
                let mut whole = self.answer(request);
                whole.body.truncate(whole.body.len().saturating_sub(1));
                whole
            }
        }
    }
}
