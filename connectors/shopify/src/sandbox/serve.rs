//! The shop's GraphQL endpoint. It knows our own documents and nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use trueup_connect::limits::{Rate, UNIT};
use trueup_connect::{Method, Reply, Request};

use super::{ShopifySandbox, cost};
use crate::conversation::queries;

/// Points of a shop of the standard plan, and what is restored in a second.
pub const POINTS: Rate = Rate::per_second(100, 2_000);
/// What a query costs once it is answered, at most: little of what it might have had is there.
const ACTUAL: u64 = 60;

#[derive(Deserialize)]
struct Asked {
    query: String,
    variables: Variables,
}

#[derive(Deserialize)]
struct Variables {
    query: Option<String>,
    first: Option<usize>,
    after: Option<String>,
    lines: Option<usize>,
    few: Option<usize>,
    ids: Option<Vec<String>>,
    topic: Option<String>,
    #[serde(rename = "webhookSubscription")]
    webhook_subscription: Option<WantedWebhook>,
}

#[derive(Deserialize)]
struct WantedWebhook {
    uri: String,
}

pub fn answer(shop: &mut ShopifySandbox, request: &Request, now: Timestamp) -> Reply {
    if request.path != queries::PATH {
        return reply(404, &json!({ "errors": "Not Found" }));
    }
    if request.method != Method::Post {
        return reply(405, &json!({ "errors": "Method Not Allowed" }));
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(&request.body) else {
        return reply(400, &json!({ "errors": "Bad Request" }));
    };
    let sizes = json!({ "first": asked.variables.first, "lines": asked.variables.lines,
        "few": asked.variables.few });
    let requested = cost::requested(&asked.query, &sizes);
    if requested > cost::MOST {
        return reply(
            200,
            &json!({ "errors": [{
                "message": format!(
                    "Query cost is {requested}, which exceeds the single query max cost limit ({}).",
                    cost::MOST
                ),
                "extensions": { "code": "MAX_COST_EXCEEDED", "cost": requested,
                    "maxCost": cost::MOST },
            }] }),
        );
    }
    let actual = requested.min(ACTUAL);
    if shop.throttled > 0 {
        shop.throttled -= 1;
        return reply(
            200,
            &json!({
                "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
                "extensions": { "cost": costs(300, None, 100 * UNIT, shop.points.rate) },
            }),
        );
    }
    if !shop.points.take(requested * UNIT, actual * UNIT, now) {
        shop.refused += 1;
        let left = shop.points.left(now);
        return reply(
            200,
            &json!({
                "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
                "extensions": { "cost": costs(requested, None, left, shop.points.rate) },
            }),
        );
    }
    let data = if asked.query == queries::webhook_create() {
        make_webhook(shop, &asked.variables)
    } else {
        data(shop, &asked)
    };
    match data {
        Some(data) => {
            let (left, rate) = (shop.points.left(now), shop.points.rate);
            let body = json!({
                "data": data,
                "extensions": { "cost": costs(requested, Some(actual), left, rate) },
            });
            reply(200, &body)
        }
        None => reply(
            200,
            &json!({
                "errors": [{
                    "message": "this shop does not know the operation",
                    "extensions": { "code": "undefinedField" },
                }],
            }),
        ),
    }
}

fn costs(requested: u64, actual: Option<u64>, left: u64, rate: Rate) -> Value {
    json!({
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": rate.most / UNIT,
            "currentlyAvailable": left / UNIT,
            "restoreRate": rate.per_second / UNIT,
        },
    })
}

/// One address has one webhook for each topic; only https is sent to.
fn make_webhook(shop: &mut ShopifySandbox, variables: &Variables) -> Option<Value> {
    let (topic, wanted) = (variables.topic.as_ref()?, variables.webhook_subscription.as_ref()?);
    let taken =
        shop.webhooks.iter().flatten().any(|(_, (of, uri))| of == topic && *uri == wanted.uri);
    let trouble = match (taken, wanted.uri.starts_with("https://")) {
        (true, _) => Some("Address for this topic has already been taken"),
        (_, false) => Some("Address protocol http:// is not supported"),
        (false, true) => None,
    };
    Some(json!({ "webhookSubscriptionCreate": match trouble {
        Some(message) => json!({
            "webhookSubscription": null,
            "userErrors": [{ "field": ["webhookSubscription", "callbackUrl"], "message": message }],
        }),
        None => {
            let id = shop.make_webhook(topic, &wanted.uri);
            json!({
                "webhookSubscription": { "id": format!("gid://shopify/WebhookSubscription/{id}") },
                "userErrors": [],
            })
        }
    } }))
}

fn data(shop: &ShopifySandbox, asked: &Asked) -> Option<Value> {
    let variables = &asked.variables;
    let lines = variables.lines.unwrap_or(0);
    let few = variables.few.unwrap_or(0);
    if asked.query == queries::orders() {
        let since = since(variables, "updated_at:>=")?;
        let found = shop.orders.values().filter(|order| order.updated_at >= since);
        let found = found.map(|order| ((order.updated_at.as_millisecond(), order.id), order));
        let node = |order| shop.graphql(lines, few).order(order);
        return Some(json!({ "orders": page(found.collect(), variables, node)? }));
    }
    if asked.query == queries::orders_by_id() {
        let ids = variables.ids.as_ref()?;
        let node = |gid: &String| {
            let id = gid.strip_prefix("gid://shopify/Order/")?.parse().ok()?;
            shop.orders.get(&id).map(|order| shop.graphql(lines, few).order(order))
        };
        return Some(json!({ "nodes": ids.iter().map(node).collect::<Vec<_>>() }));
    }
    if asked.query == queries::webhooks() {
        let all = shop.webhooks.iter().flatten();
        let found = all.map(|(id, webhook)| ((0, *id), (id, webhook))).collect();
        let node = |(id, (topic, uri)): (&u64, &(String, String))| {
            json!({
                "id": format!("gid://shopify/WebhookSubscription/{id}"),
                "topic": topic,
                "uri": uri,
                "updatedAt": "2026-01-05T08:00:00Z",
            })
        };
        return Some(json!({ "webhookSubscriptions": page(found, variables, node)? }));
    }
    let graphql = shop.graphql(lines, few);
    if asked.query == queries::listed_orders() {
        let (from, until) = between(variables, "processed_at")?;
        let found = shop.orders.values();
        let found = found.filter(|order| (from..until).contains(&order.processed_at));
        let found = found.map(|order| ((order.processed_at.as_millisecond(), order.id), order));
        let node = |order| graphql.listed(order);
        return Some(json!({ "orders": page(found.collect(), variables, node)? }));
    }
    if asked.query == queries::account_balance() {
        let account = json!({ "balance": [graphql.money(shop.balance())] });
        return Some(json!({ "shopifyPaymentsAccount": account }));
    }
    if let Some(ids) = &variables.ids {
        let number = |gid: &String| gid.rsplit_once('/')?.1.parse::<u64>().ok();
        let node = |gid: &String| {
            let id = number(gid)?;
            if asked.query == queries::payouts_by_id() {
                shop.payouts.get(&id).map(|one| graphql.payout(one))
            } else if asked.query == queries::disputes_by_id() {
                shop.disputes.get(&id).map(|one| graphql.dispute(one))
            } else if asked.query == queries::balance_transactions_by_id() {
                shop.rows.get(&id).map(|one| graphql.row(one))
            } else {
                owner(shop, gid, id)
            }
        };
        let known = [
            queries::payouts_by_id(),
            queries::disputes_by_id(),
            queries::balance_transactions_by_id(),
            queries::owners(),
        ];
        let nodes: Vec<Option<Value>> = ids.iter().map(node).collect();
        return known.contains(&asked.query).then(|| json!({ "nodes": nodes }));
    }
    let (name, page) = if asked.query == queries::payouts() {
        let since = since(variables, "issued_at:>=")?;
        let found = shop.payouts.values().filter(|payout| payout.at >= since);
        let found = found.map(|one| ((one.at.as_millisecond(), one.id), one)).collect();
        ("payouts", page(found, variables, |one| graphql.payout(one))?)
    } else if asked.query == queries::balance_transactions() {
        let since = since(variables, "processed_at:>=")?;
        let found = shop.rows.values().filter(|row| row.at >= since);
        let found = found.map(|one| ((one.at.as_millisecond(), one.id), one)).collect();
        ("balanceTransactions", page(found, variables, |one| graphql.row(one))?)
    } else if asked.query == queries::disputes() {
        let since = since(variables, "initiated_at:>=")?;
        let found = shop.disputes.values().filter(|dispute| dispute.at >= since);
        let found = found.map(|one| ((one.at.as_millisecond(), one.id), one)).collect();
        ("disputes", page(found, variables, |one| graphql.dispute(one))?)
    } else {
        return None;
    };
    Some(json!({ "shopifyPaymentsAccount": { name: page } }))
}

/// The order that a refund, transaction or fulfilment belongs to.
fn owner(shop: &ShopifySandbox, gid: &str, id: u64) -> Option<Value> {
    let kind = gid.strip_prefix("gid://shopify/")?.split('/').next()?;
    let (alias, order) = match kind {
        "Refund" => ("ofRefund", holding(shop, |o| o.refunds.iter().any(|one| one.id == id))?),
        "OrderTransaction" => {
            ("ofTransaction", holding(shop, |o| o.transactions.iter().any(|one| one.id == id))?)
        }
        "Fulfillment" => {
            ("ofFulfillment", holding(shop, |o| o.fulfilments.iter().any(|one| one.id == id))?)
        }
        _ => return None,
    };
    Some(json!({ alias: { "id": format!("gid://shopify/Order/{order}") } }))
}

fn holding(shop: &ShopifySandbox, has: impl Fn(&super::world::Order) -> bool) -> Option<u64> {
    shop.orders.values().find(|order| has(order)).map(|order| order.id)
}

/// The one filter our queries use: `<field>:>='<moment>'`.
fn since(variables: &Variables, field: &str) -> Option<Timestamp> {
    let text = variables.query.as_ref()?.strip_prefix(field)?;
    text.strip_prefix('\'')?.strip_suffix('\'')?.parse().ok()
}

/// The filter of a list: `<field>:>='<moment>' <field>:<'<moment>'`.
fn between(variables: &Variables, field: &str) -> Option<(Timestamp, Timestamp)> {
    let (from, until) = variables.query.as_ref()?.split_once(' ')?;
    let moment = |text: &str, comparison: &str| {
        let text = text.strip_prefix(field)?.strip_prefix(comparison)?;
        text.strip_prefix('\'')?.strip_suffix('\'')?.parse().ok()
    };
    Some((moment(from, ":>=")?, moment(until, ":<")?))
}

/// One page of a connection, in the order of its keys.
fn page<T>(
    mut found: Vec<((i64, u64), T)>,
    variables: &Variables,
    node: impl Fn(T) -> Value,
) -> Option<Value> {
    found.sort_by_key(|(key, _)| *key);
    if let Some(after) = &variables.after {
        let after = read_cursor(after)?;
        found.retain(|(key, _)| *key > after);
    }
    let first = variables.first.filter(|&first| (1..=250).contains(&first))?;
    let more = found.len() > first;
    found.truncate(first);
    let end = found.last().map(|(key, _)| cursor(*key));
    let nodes: Vec<Value> = found.into_iter().map(|(_, one)| node(one)).collect();
    Some(json!({ "nodes": nodes, "pageInfo": { "hasNextPage": more, "endCursor": end } }))
}

fn cursor((last_value, last_id): (i64, u64)) -> String {
    STANDARD.encode(format!("{{\"last_id\":{last_id},\"last_value\":{last_value}}}"))
}

fn read_cursor(text: &str) -> Option<(i64, u64)> {
    #[derive(Deserialize)]
    struct Cursor {
        last_id: u64,
        last_value: i64,
    }
    let bytes = STANDARD.decode(text).ok()?;
    let cursor: Cursor = serde_json::from_slice(&bytes).ok()?;
    Some((cursor.last_value, cursor.last_id))
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}
