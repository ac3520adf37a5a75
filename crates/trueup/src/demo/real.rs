//! The demo against a real Odoo: what is there, what would be created, the mappings, and somebody
//! who works in it by hand.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use trueup_connect::{CallError, Reply, Request, Secret, Settings};
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_hub::Connection;
use trueup_hub::shell::{Http, Transport};
use trueup_odoo::wire::Row;
use trueup_odoo::{outcome, request, setup, wire};
use trueup_sandbox::week::EDIT_IN_BOOKS;
use trueup_sandbox::world::ODOO;

use super::command::DemoArgs;
use super::play::Bookkeeper;
use super::setup::RealBooks;

/// The company of the books whose records are changed by hand.
const COMPANY_US: i64 = 1;
const ORDER: &str = "sale.order";
const ORDER_LINE: &str = "sale.order.line";
const MOVE: &str = "account.move";

fn admin_key(args: &DemoArgs) -> Result<Option<String>> {
    let Some(name) = &args.admin_key_env else { return Ok(None) };
    let key = std::env::var(name)
        .with_context(|| format!("the environment variable {name} is not set"))?;
    Ok(Some(key))
}

fn connection(books: &RealBooks, key: String) -> Result<Connection> {
    let mut connection = super::setup::bare(ODOO, "odoo", "us", None)?;
    connection.base_url = Some(books.url.clone());
    connection.secret = Some(Secret::new(key));
    Ok(connection)
}

/// An administrator at work in Odoo, as far as one was let in.
pub struct Administrator {
    http: Http,
    connection: Connection,
    settings: Settings,
    /// The newest order and move before the demo began: those of others are left alone.
    before: (i64, i64),
}

/// `None` without an administrator's key.
pub fn bookkeeper(
    args: &DemoArgs,
    books: &RealBooks,
    runtime: &tokio::runtime::Handle,
) -> Result<Option<Administrator>> {
    let Some(key) = admin_key(args)? else { return Ok(None) };
    let database = books.database.iter();
    let named = database.map(|name| (trueup_odoo::settings::DATABASE.to_owned(), name.clone()));
    let mut it = Administrator {
        http: Http::new(runtime.clone())?,
        connection: connection(books, key)?,
        settings: Settings(named.collect()),
        before: (0, 0),
    };
    it.before = (it.newest(ORDER)?, it.newest(MOVE)?);
    Ok(Some(it))
}

impl Administrator {
    fn call(&mut self, model: &str, method: &str, arguments: Value) -> Result<Vec<u8>> {
        let request = request::call(&self.settings, COMPANY_US, model, method, arguments, &[]);
        let reply = self.http.send(&self.connection, &request);
        let reply = reply.with_context(|| format!("could not call {model}.{method}"))?;
        let body = outcome::read(Ok(&reply), true);
        Ok(body.with_context(|| format!("could not call {model}.{method}"))?.to_vec())
    }

    /// The first record, in `order`, that fits.
    fn first(
        &mut self,
        model: &str,
        domain: Value,
        fields: &[&str],
        order: &str,
    ) -> Result<Option<Row>> {
        let arguments = json!({ "domain": domain, "fields": fields, "order": order, "limit": 1 });
        let rows = wire::rows(&self.call(model, "search_read", arguments)?)?;
        Ok(rows.into_iter().next())
    }

    fn newest(&mut self, model: &str) -> Result<i64> {
        let row = self.first(model, json!([]), &["id"], "id desc")?;
        Ok(row.map(|row| row.id()).transpose()?.unwrap_or(0))
    }

    fn order_total(&mut self, order: i64) -> Result<i64> {
        let row = self.first(ORDER, json!([["id", "=", order]]), &["amount_total"], "id")?;
        dollars(&row.context("the order is gone")?)
    }
}

impl Bookkeeper for Administrator {
    fn edit_order(&mut self) -> Result<Option<i64>> {
        let ours = json!([
            ["id", ">", self.before.0],
            ["state", "=", "sale"],
            ["company_id", "=", COMPANY_US]
        ]);
        let Some(order) = self.first(ORDER, ours, &["id"], "id")? else { return Ok(None) };
        let order = order.id()?;
        let domain = json!([["order_id", "=", order]]);
        let line = self.first(ORDER_LINE, domain, &["price_unit"], "sequence, id")?;
        let line = line.context("an order without lines")?;
        let more = Money::from_minor(EDIT_IN_BOOKS, Currency::parse("USD")?).decimal();
        let price = line.number("price_unit")?.decimal("price_unit")? + more;
        let price: serde_json::Number = serde_json::from_str(&price.to_string())?;
        let before = self.order_total(order)?;
        let vals = json!({ "ids": [line.id()?], "vals": { "price_unit": price } });
        self.call(ORDER_LINE, "write", vals)?;
        Ok(Some(self.order_total(order)? - before))
    }

    fn delete_credit_note(&mut self) -> Result<Option<i64>> {
        let ours = json!([
            ["id", ">", self.before.1],
            ["move_type", "=", "out_refund"],
            ["state", "=", "posted"],
            ["company_id", "=", COMPANY_US]
        ]);
        let Some(note) = self.first(MOVE, ours, &["amount_total"], "id")? else { return Ok(None) };
        let total = dollars(&note)?;
        for method in ["button_draft", "unlink"] {
            self.call(MOVE, method, json!({ "ids": [note.id()?] }))?;
        }
        Ok(Some(total))
    }
}

/// The total of a record in cents.
fn dollars(row: &Row) -> Result<i64> {
    Ok(row.money("amount_total", Currency::parse("USD")?)?.minor())
}

/// Lists what the demo would create; creates it where an administrator's key is given.
pub fn mappings(
    args: &DemoArgs,
    books: &RealBooks,
    runtime: &tokio::runtime::Handle,
) -> Result<BTreeMap<String, Mapping>> {
    let admin = admin_key(args)?;
    let connection = connection(books, admin.clone().unwrap_or_else(|| books.api_key.clone()))?;
    let mut http = Http::new(runtime.clone())?;
    let mut call =
        move |request: &Request| -> Result<Reply, CallError> { http.send(&connection, request) };
    let mut mappings = BTreeMap::new();
    for mut wanted in setup::demo::wanted() {
        wanted.database.clone_from(&books.database);
        let entity = wanted.entity.clone();
        let report = setup::inspect(&mut call, &wanted)
            .with_context(|| format!("could not look at the books of {entity}"))?;
        for finding in &report.findings {
            let word = if finding.blocks { "must be decided" } else { "worth knowing" };
            eprintln!("{entity}: {word}: {}", finding.text);
        }
        let plan = setup::plan(&report, &wanted)?;
        eprintln!("{entity}: the demo needs {} records in company {}:", plan.len(), wanted.company);
        for line in setup::plan::summary(&plan) {
            eprintln!("  {line}");
        }
        if admin.is_none() {
            bail!(
                "nothing was created; give --admin-key-env to let the demo create what is listed"
            );
        }
        let mapping = setup::run(&mut call, &wanted)
            .with_context(|| format!("could not set up the books of {entity}"))?;
        mappings.insert(entity, mapping);
    }
    Ok(mappings)
}
