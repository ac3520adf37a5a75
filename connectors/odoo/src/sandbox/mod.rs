//! An Odoo played by pure functions (`DESIGN.md` §9.10). One call is one transaction.
//!
//! It is believed only as far as the same scenarios, run against it and a real Odoo 19, leave equal
//! records (`tests/odoo`). What it does not know it refuses, with Odoo's own errors.
//!
//! | module        | holds                                                             |
//! |---------------|-------------------------------------------------------------------|
//! | [`schema`]    | the models and fields it knows                                    |
//! | [`store`]     | records, external ids, numbers, and the undoing of a failed call  |
//! | [`world`]     | who asks, for which company, and when                             |
//! | [`domain`]    | search domains                                                    |
//! | [`load`]      | `load()`                                                          |
//! | [`records`]   | making, changing and showing any record                           |
//! | [`sales`]     | orders                                                            |
//! | [`books`]     | moves: invoices, credit notes, entries                            |
//! | [`payments`]  | payments, and what pays what                                      |
//! | [`stock`]     | what is planned, delivered and taken back                         |
//! | [`taxes`]     | taxes                                                             |
//! | [`chart`]     | the two companies it begins with                                  |
//! | [`people`]    | what people do in Odoo behind our back                            |
//!
//! Not played: levels of stock, cost of goods, exchange differences on payment, mail.

mod books;
mod chart;
mod domain;
mod load;
mod payments;
mod people;
mod records;
mod sales;
mod schema;
mod stock;
mod store;
mod taxes;
mod world;

use std::collections::VecDeque;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use trueup_connect::conversation::{Reply, Request};
use trueup_connect::sandbox::Sandbox;
use trueup_domain::mapping::Mapping;

pub use people::Lock;

use crate::setup;
use schema::Model;
use store::{Cell, Fault, Fields};
use world::{ADMIN_USER, Call, HUB_USER, World};

pub const HUB_KEY: &str = "0000000000000000000000000000000000000b01";
pub const ADMIN_KEY: &str = "000000000000000000000000000000000000ad01";

/// What goes wrong with the next call, on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 500 SerializationFailure: nothing was done.
    Serialization,
    /// The call is carried out, then the proxy answers 504.
    LostAfterCommit,
    /// The proxy answers 503 and the call never arrives.
    Outage,
    /// Status 200 with a page of HTML; nothing was done.
    HtmlPage,
    /// 429 with `Retry-After: 2`.
    SlowDown,
    /// 401: the key was revoked or ran out.
    KeyRevoked,
}

#[derive(Clone, Debug)]
pub struct OdooSandbox {
    world: World,
    troubles: VecDeque<Trouble>,
    /// Calls that were carried out, such as `sale.order.load`.
    calls: u64,
}

impl OdooSandbox {
    /// Two companies as Odoo's generic chart sets them up, without anything of ours.
    pub fn bare() -> Self {
        Self { world: chart::world(), troubles: VecDeque::new(), calls: 0 }
    }

    /// The demo's Odoo: set up by the code that sets up a real one, with the demo's products.
    pub fn new_demo() -> Self {
        demo().0.clone()
    }

    /// Inspects, applies and maps one entity, as `trueup odoo setup --apply` does.
    pub fn set_up(&mut self, wanted: &setup::Wanted) -> Result<Mapping, setup::SetupError> {
        let mut call =
            |request: &Request| Ok(self.carry_out(request, ADMIN_USER, Timestamp::UNIX_EPOCH));
        setup::run(&mut call, wanted)
    }

    /// The mapping of a demo entity: `us` (USD) or `eu` (EUR).
    pub fn demo_mapping(&self, entity: &str) -> Option<Mapping> {
        demo().1.iter().find(|map| map.entity == entity).cloned()
    }

    /// The next calls meet this, one after the other.
    pub fn trouble(&mut self, trouble: Trouble) {
        self.troubles.push_back(trouble);
    }

    /// Whether any record of a `load` request is there already, by its external id.
    pub fn has_any_of(&self, load: &Request) -> bool {
        let body: Value = serde_json::from_slice(&load.body).unwrap_or_default();
        let fields = body["fields"].as_array().into_iter().flatten();
        let at = fields.map(Value::as_str).position(|field| field == Some("id"));
        let rows = body["data"].as_array().into_iter().flatten();
        let mut keys = rows.filter_map(|row| row.get(at?)?.as_str());
        keys.any(|key| self.world.store.keyed(key).is_some())
    }

    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Reads as an administrator of both companies, for tests and reports.
    pub fn read_all(&self, model: &str, domain: &Value, fields: &[&str]) -> Vec<Value> {
        let Some(known) = schema::model(model) else { return Vec::new() };
        let scope = domain::Scope { companies: &[1, 2], archived: true };
        let ids = domain::search(&self.world.store, model, domain, &scope).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.world.show(known, id, fields).ok()).collect()
    }

    fn carry_out(&mut self, request: &Request, user: i64, now: Timestamp) -> Reply {
        self.calls += 1;
        let mark = self.world.store.mark();
        let answer = answer(&mut self.world, request, user, now);
        let reply = match answer {
            Ok(value) => reply(200, &value),
            Err(fault) => {
                self.world.store.rollback(mark);
                reply(fault.status, &fault.body())
            }
        };
        self.world.store.commit();
        reply
    }
}

/// The demo is set up once in a process: many worlds begin with it.
fn demo() -> &'static (OdooSandbox, Vec<Mapping>) {
    static DEMO: OnceLock<(OdooSandbox, Vec<Mapping>)> = OnceLock::new();
    DEMO.get_or_init(|| {
        let mut sandbox = OdooSandbox::bare();
        let wanted = setup::demo::wanted();
        // The demo's own wishes are served, or the demo is broken: tests hold this.
        let maps = wanted.iter().filter_map(|wanted| sandbox.set_up(wanted).ok()).collect();
        sandbox.calls = 0;
        (sandbox, maps)
    })
}

impl Sandbox for OdooSandbox {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        let key =
            request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let user = match key.map(|(_, value)| value.trim_start_matches("bearer ").trim()) {
            None | Some(HUB_KEY) => HUB_USER,
            Some(ADMIN_KEY) => ADMIN_USER,
            Some(_) => return unauthorized(),
        };
        match self.troubles.pop_front() {
            None => self.carry_out(request, user, now),
            Some(Trouble::LostAfterCommit) => {
                self.carry_out(request, user, now);
                page(504)
            }
            Some(Trouble::Outage) => page(503),
            Some(Trouble::HtmlPage) => page(200),
            Some(Trouble::KeyRevoked) => unauthorized(),
            Some(Trouble::SlowDown) => Reply {
                status: 429,
                headers: vec![("retry-after".to_owned(), "2".to_owned())],
                body: Vec::new(),
            },
            Some(Trouble::Serialization) => {
                let fault = Fault {
                    status: 500,
                    name: "psycopg2.errors.SerializationFailure",
                    message: "could not serialize access due to concurrent update\n".to_owned(),
                };
                reply(500, &fault.body())
            }
        }
    }
}

fn reply(status: u16, value: &Value) -> Reply {
    let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    Reply { status, headers, body: value.to_string().into_bytes() }
}

fn page(status: u16) -> Reply {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    Reply { status, headers, body: b"<html><body>nginx</body></html>".to_vec() }
}

fn unauthorized() -> Reply {
    let fault = Fault {
        status: 401,
        name: "werkzeug.exceptions.Unauthorized",
        message: "Invalid apikey".to_owned(),
    };
    reply(401, &fault.body())
}

fn answer(world: &mut World, request: &Request, user: i64, now: Timestamp) -> Result<Value, Fault> {
    let path = request.path.split('?').next().unwrap_or_default();
    if path == "/json/version" {
        let version = world.version.as_deref().unwrap_or("19.0");
        return Ok(json!({"version_info": [19, 0, 0, "final", 0, ""], "version": version}));
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["json", "2", model, method] = parts.as_slice() else {
        return Err(Fault::not_found("The requested URL was not found on the server."));
    };
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| Fault {
        status: 400,
        name: "werkzeug.exceptions.BadRequest",
        message: "not JSON".to_owned(),
    })?;
    if (*model, *method) == ("ir.model.data", "search_read") {
        return external_ids(world, user);
    }
    let model = schema::model(model)
        .ok_or_else(|| Fault::not_found(format!("the model '{model}' does not exist")))?;
    let call = call_of(world, &body["context"], user, now)?;
    run(world, &call, model, method, &body)
}

/// Every external id of ours, whatever was asked for: only setup asks.
fn external_ids(world: &World, user: i64) -> Result<Value, Fault> {
    if user == HUB_USER {
        return Err(Fault::access(
            "You are not allowed to access 'Model Data' (ir.model.data) records.",
        ));
    }
    let prefix = format!("{}.", crate::external_id::MODULE);
    let ours =
        world.store.all_keys().filter_map(|(key, id)| Some((key.strip_prefix(&prefix)?, id)));
    Ok(ours.map(|(name, id)| json!({ "id": id, "name": name, "res_id": id })).collect())
}

fn call_of(world: &World, context: &Value, user: i64, now: Timestamp) -> Result<Call, Fault> {
    let companies: Vec<i64> = match context["allowed_company_ids"].as_array() {
        Some(ids) => ids.iter().filter_map(Value::as_i64).collect(),
        None => vec![1],
    };
    if companies.iter().any(|id| world.store.get("res.company", *id).is_none()) {
        return Err(Fault::access("Access to unauthorized or invalid companies."));
    }
    let archived = context["active_test"] == json!(false);
    let once = context["mode"] == json!("update");
    Ok(Call { user, companies, now, archived, once })
}

fn run(
    world: &mut World,
    call: &Call,
    model: &'static Model,
    method: &str,
    body: &Value,
) -> Result<Value, Fault> {
    let ids = || -> Vec<i64> {
        body["ids"]
            .as_array()
            .map(|ids| ids.iter().filter_map(Value::as_i64).collect())
            .unwrap_or_default()
    };
    let may = world.lets(call, model);
    match (model.name, method) {
        ("res.users", "context_get") => Ok(json!({"lang": "en_US", "tz": "UTC", "uid": call.user})),
        (_, "has_access") => {
            // Nobody makes tax tags in the community edition as it comes.
            let may = may && model.name != "account.account.tag";
            Ok(json!(may || body["operation"] == json!("read")))
        }
        (_, "fields_get") => {
            let there = |name: &&str| model.field(name).is_some();
            let gone = |name: &&str| world.gone_fields.contains(&format!("{}.{name}", model.name));
            let asked = names(&body["allfields"]).into_iter().filter(there);
            let kept = asked.filter(|name| !gone(name));
            Ok(kept.map(|name| (name.to_owned(), json!({ "type": "char" }))).collect())
        }
        (_, "search_read") => search_read(world, call, model, body),
        (_, "search") => {
            let found = found(world, call, model, body)?;
            Ok(json!(found))
        }
        (_, "search_count") => found(world, call, model, body).map(|ids| json!(ids.len())),
        (_, "read") => {
            let names = names(&body["fields"]);
            let shown = ids().into_iter().filter(|id| world.store.get(model.name, *id).is_some());
            let shown: Result<Vec<Value>, Fault> =
                shown.map(|id| world.show(model, id, &names)).collect();
            shown.map(Value::Array)
        }
        (_, "formatted_read_group") => read_group(world, call, model, body),
        (_, "load") => world.load(call, model, body),
        (_, "create") => {
            world.may(may, model)?;
            let values = body["vals_list"]
                .as_array()
                .ok_or_else(|| Fault::arguments("missing a required argument: 'vals_list'"))?;
            let mut made = Vec::new();
            for vals in values {
                let values = world.values(model, vals)?;
                made.push(world.create(call, model, values, Vec::new())?);
            }
            Ok(json!(made))
        }
        (_, "write") => {
            world.may(may, model)?;
            let values = world.values(model, &body["vals"])?;
            for id in ids() {
                world.write(call, model, id, values.clone())?;
            }
            Ok(json!(true))
        }
        (_, "unlink") => world.unlink(model, &ids()).map(|()| json!(true)),
        ("sale.order", "action_confirm") => {
            world.confirm_orders(call, &ids()).map(|()| json!(true))
        }
        ("sale.order", "action_cancel") => world.cancel_orders(call, &ids()).map(|()| json!(true)),
        ("stock.picking", "button_validate") => {
            world.validate_pickings(call, &ids()).map(|()| json!(true))
        }
        ("stock.picking", "action_cancel") => {
            world.cancel_pickings(call, &ids()).map(|()| json!(true))
        }
        ("stock.picking", "action_assign") => {
            world.assign_pickings(call, &ids()).map(|()| json!(true))
        }
        ("account.move", "action_post") => world.post_moves(call, &ids()).map(|()| json!(false)),
        ("account.payment", "action_post") => {
            world.post_payments(call, &ids()).map(|()| Value::Null)
        }
        ("account.move.line", "reconcile") => world.reconcile(call, &ids()).map(|()| Value::Null),
        ("account.move.line", "remove_move_reconcile") => {
            world.untie(call, &ids());
            Ok(Value::Null)
        }
        _ => Err(Fault::not_found(format!("The method '{}.{method}' does not exist", model.name))),
    }
}

fn names(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

fn found(world: &World, call: &Call, model: &Model, body: &Value) -> Result<Vec<i64>, Fault> {
    let domain = body
        .get("domain")
        .ok_or_else(|| Fault::arguments("missing a required argument: 'domain'"))?;
    let scope = domain::Scope { companies: &call.companies, archived: call.archived };
    let mut ids = domain::search(&world.store, model.name, domain, &scope)?;
    let by = body["order"].as_str().unwrap_or("id");
    sort(world, model, &mut ids, by);
    let skip = body["offset"].as_u64().unwrap_or(0);
    let limit = body["limit"].as_u64().unwrap_or(u64::MAX);
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Ok(ids.into_iter().skip(number(skip)).take(number(limit)).collect())
}

/// Sorts by each field of `a, b desc`; ids decide the rest.
fn sort(world: &World, model: &Model, ids: &mut [i64], by: &str) {
    let key = |id: i64, field: &str| -> (i64, String) {
        let nothing = Cell::Nothing;
        let cell = world.store.get(model.name, id).map_or(&nothing, |record| record.cell(field));
        match cell {
            Cell::Whole(number) | Cell::Link(number) => (*number, String::new()),
            Cell::Text(text) => (0, text.clone()),
            _ => (0, String::new()),
        }
    };
    let terms: Vec<(&str, bool)> = by
        .split(',')
        .filter_map(|term| {
            let mut words = term.split_whitespace();
            Some((words.next()?, words.next() == Some("desc")))
        })
        .collect();
    ids.sort_by(|left, right| {
        for (field, descending) in &terms {
            let order = if *field == "id" {
                left.cmp(right)
            } else {
                key(*left, field).cmp(&key(*right, field))
            };
            if order.is_ne() {
                return if *descending { order.reverse() } else { order };
            }
        }
        left.cmp(right)
    });
}

fn search_read(
    world: &World,
    call: &Call,
    model: &'static Model,
    body: &Value,
) -> Result<Value, Fault> {
    let names = names(&body["fields"]);
    let unknown = names.iter().find(|name| model.field(name).is_none());
    if let Some(name) = unknown {
        return Err(Fault::value(format!("Invalid field '{name}' on '{}'", model.name)));
    }
    let ids = found(world, call, model, body)?;
    let shown: Result<Vec<Value>, Fault> =
        ids.into_iter().map(|id| world.show(model, id, &names)).collect();
    shown.map(Value::Array)
}

/// Sums by one field, such as balances by account.
fn read_group(
    world: &World,
    call: &Call,
    model: &'static Model,
    body: &Value,
) -> Result<Value, Fault> {
    use std::collections::BTreeMap;

    let ids = found(world, call, model, body)?;
    let (by, sums) = (names(&body["groupby"]), names(&body["aggregates"]));
    let mut groups: BTreeMap<String, (Map<String, Value>, Vec<i64>)> = BTreeMap::new();
    for id in ids {
        let mut group = Map::new();
        for name in &by {
            let (field, part) = name.split_once(':').unwrap_or((name, ""));
            let shown = world.show(model, id, &[field])?;
            let value = match (part, shown[field].as_str()) {
                ("", _) | (_, None) => shown[field].clone(),
                // A date is named by the first day of what it is gathered into.
                ("day", Some(day)) => json!([day, day]),
                ("month", Some(day)) => {
                    let month = day.get(..7).unwrap_or(day);
                    json!([format!("{month}-01"), month])
                }
                (other, _) => return Err(Fault::value(format!("Invalid granularity {other}"))),
            };
            group.insert((*name).to_owned(), value);
        }
        let key = Value::Object(group.clone()).to_string();
        groups.entry(key).or_insert((group, Vec::new())).1.push(id);
    }
    let mut answer = Vec::new();
    for (mut group, ids) in groups.into_values() {
        for name in &sums {
            let value = match name.split_once(':') {
                Some((field, "sum")) => {
                    let amounts = ids.iter().filter_map(|id| world.store.get(model.name, *id));
                    Cell::number(amounts.map(|record| record.amount(field)).sum())
                }
                _ if *name == "__count" => json!(ids.len()),
                _ => return Err(Fault::value(format!("Invalid aggregate {name}"))),
            };
            group.insert((*name).to_owned(), value);
        }
        answer.push(Value::Object(group));
    }
    Ok(Value::Array(answer))
}
