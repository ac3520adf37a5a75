//! The requests that the sandbox answers: the lists and objects that conversations read.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::{Value, json};
use trueup_connect::{Method, Reply, Request};

use super::{Endpoint, Fault, StripeSandbox};

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

/// What a request asks for beside its path.
#[derive(Default)]
struct Query {
    limit: Option<String>,
    starting_after: Option<String>,
    created_gte: Option<i64>,
    created_lt: Option<i64>,
    payout: Option<String>,
    delivery_success: Option<String>,
    types: Vec<String>,
    expand: Vec<String>,
}

impl StripeSandbox {
    pub(super) fn fail(&mut self, fault: Fault, request: &Request, now: Timestamp) -> Reply {
        match fault {
            Fault::RateLimited => {
                let message = "Request rate limit exceeded.";
                let mut reply = error(429, "invalid_request_error", "rate_limit", message);
                let reason = ("stripe-rate-limited-reason".to_owned(), "endpoint-rate".to_owned());
                reply.headers.push(reason);
                should_retry(reply, true)
            }
            Fault::Locked => {
                let message = "This object cannot be accessed right now.";
                should_retry(error(409, "invalid_request_error", "lock_timeout", message), true)
            }
            Fault::ServerError => {
                error(500, "api_error", "api_error", "An unknown error occurred.")
            }
            Fault::Unavailable => Reply {
                status: 503,
                headers: vec![("content-type".to_owned(), "text/html".to_owned())],
                body: b"<html><body>503 Service Unavailable</body></html>".to_vec(),
            },
            Fault::Unauthorized => {
                error(401, "invalid_request_error", "api_key_expired", "Expired API key provided.")
            }
            Fault::Forbidden => {
                let message = "The provided key does not have the required permissions.";
                error(403, "invalid_request_error", "more_permissions_required", message)
            }
            Fault::CutOff => {
                let mut reply = self.answer(request, now);
                reply.body.truncate(reply.body.len() / 2);
                reply
            }
        }
    }

    pub(super) fn answer(&mut self, request: &Request, now: Timestamp) -> Reply {
        if let Some(rest) = request.path.strip_prefix("/v1/webhook_endpoints") {
            return self.webhook_endpoints(request, rest);
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let Some(query) = read_query(query) else {
            return error(400, "invalid_request_error", "parameter_invalid", "Invalid query.");
        };
        if request.method != Method::Get {
            return unrecognised(request);
        }
        let mut parts = path.trim_start_matches("/v1/").splitn(2, '/');
        let (family, id) = (parts.next().unwrap_or(""), parts.next());
        match id {
            Some(id) => self.one(family, id, &query, now),
            None => self.list(family, &query, now),
        }
        .unwrap_or_else(|| unrecognised(request))
    }

    fn webhook_endpoints(&mut self, request: &Request, rest: &str) -> Reply {
        let shown = |it: &Endpoint| {
            json!({
                "id": it.id,
                "object": "webhook_endpoint",
                "url": it.url,
                "status": if it.enabled { "enabled" } else { "disabled" },
                "enabled_events": it.events,
                "livemode": true,
            })
        };
        if request.method == Method::Get {
            let after = rest.split('&').find_map(|part| part.strip_prefix("starting_after="));
            let begun = after.map_or(0, |after| {
                self.endpoints.iter().position(|it| it.id == after).map_or(0, |at| at + 1)
            });
            // A page is small here, so that there are several.
            let page: Vec<Value> = self.endpoints.iter().skip(begun).take(2).map(shown).collect();
            let has_more = self.endpoints.len() > begun + page.len();
            let body = json!({ "object": "list", "has_more": has_more, "data": page });
            return ok(body.to_string().into());
        }
        let id = rest.trim_start_matches('/');
        let Some(endpoint) = self.endpoints.iter_mut().find(|it| it.id == id) else {
            return missing("webhook_endpoints", id);
        };
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let mut events = Vec::new();
        for part in body.split('&') {
            match part.split_once('=') {
                Some(("disabled", "false")) => endpoint.enabled = true,
                Some(("enabled_events%5B%5D", event)) => events.push(event.to_owned()),
                _ => return error(400, "invalid_request_error", "parameter_unknown", part),
            }
        }
        if !events.is_empty() {
            endpoint.events = events;
        }
        ok(shown(endpoint).to_string().into())
    }

    fn one(&self, family: &str, id: &str, query: &Query, now: Timestamp) -> Option<Reply> {
        let expands = |field: &str| query.expand.iter().any(|wanted| wanted == field);
        let found = match family {
            "charges" => self.charges.get(id).map(|charge| self.charge_json(charge)),
            "refunds" => self.refunds.get(id).map(|refund| self.refund_json(refund)),
            "disputes" => self.disputes.get(id).map(|dispute| self.dispute_json(dispute, now)),
            "payouts" => self.payouts.get(id).map(|payout| self.payout_json(payout)),
            "balance_transactions" => {
                self.rows.get(id).map(|row| self.row_json(row, now, expands("source")))
            }
            "payment_intents" => {
                let charge = self.charges.values().find(|charge| charge.intent == id);
                charge.map(|charge| {
                    let latest = if expands("latest_charge") {
                        self.charge_json(charge)
                    } else {
                        json!(charge.id)
                    };
                    self.intent_json(charge, latest)
                })
            }
            "events" => {
                return Some(match self.events.get(id) {
                    Some(event) => ok(event.body.clone()),
                    None => missing(family, id),
                });
            }
            _ => return None,
        };
        Some(found.map_or_else(|| missing(family, id), |object| ok(object.to_string().into())))
    }

    fn list(&self, family: &str, query: &Query, now: Timestamp) -> Option<Reply> {
        let expanded = query.expand.iter().any(|wanted| wanted == "data.source");
        let objects: Vec<(i64, &str)> = match family {
            "charges" => keys(&self.charges, |charge| charge.created),
            "refunds" => keys(&self.refunds, |refund| refund.created),
            "disputes" => keys(&self.disputes, |dispute| dispute.created),
            "payouts" => keys(&self.payouts, |payout| payout.created),
            "balance_transactions" => {
                if let Some(payout) = &query.payout
                    && !self.payouts.contains_key(payout)
                {
                    return Some(missing("payouts", payout));
                }
                self.rows
                    .iter()
                    .filter(|(_, row)| query.payout.is_none() || row.payout == query.payout)
                    .map(|(id, row)| (row.created, id.as_str()))
                    .collect()
            }
            "events" => self
                .events
                .iter()
                .filter(|(id, event)| {
                    let undelivered = self.undelivered.contains(*id);
                    let wanted =
                        query.types.is_empty() || query.types.iter().any(|kind| kind == event.kind);
                    wanted && (undelivered || query.delivery_success.as_deref() != Some("false"))
                })
                .map(|(id, event)| (event.created, id.as_str()))
                .collect(),
            "balance" => return Some(self.balance_object(now)),
            _ => return None,
        };
        let show = |id: &str| -> Option<String> {
            match family {
                "events" => {
                    self.events.get(id).map(|event| String::from_utf8_lossy(&event.body).into())
                }
                "balance_transactions" => {
                    self.rows.get(id).map(|row| self.row_json(row, now, expanded).to_string())
                }
                _ => self.object(id, now).map(|object| object.to_string()),
            }
        };
        Some(page(objects, family, query, show))
    }

    fn balance_object(&self, now: Timestamp) -> Reply {
        let available = self.balance_available(now);
        let pending = self.balance() - available;
        let part = |amount: i64| {
            json!([{
                "amount": amount,
                "currency": self.currency,
                "source_types": {"card": amount},
            }])
        };
        let object = json!({
            "object": "balance",
            "available": part(available),
            "livemode": false,
            "pending": part(pending),
        });
        ok(object.to_string().into())
    }
}

fn keys<T>(
    objects: &std::collections::BTreeMap<String, T>,
    created: impl Fn(&T) -> i64,
) -> Vec<(i64, &str)> {
    objects.iter().map(|(id, object)| (created(object), id.as_str())).collect()
}

/// Newest first; of one second, the one made last first.
fn page(
    mut objects: Vec<(i64, &str)>,
    family: &str,
    query: &Query,
    show: impl Fn(&str) -> Option<String>,
) -> Reply {
    let limit = match query.limit.as_deref().map(str::parse) {
        None => LIMIT_DEFAULT,
        Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => limit,
        Some(_) => {
            let message = "This value must be between 1 and 100.";
            return error(400, "invalid_request_error", "parameter_invalid_integer", message);
        }
    };
    if let Some(from) = query.created_gte {
        objects.retain(|(created, _)| *created >= from);
    }
    if let Some(until) = query.created_lt {
        objects.retain(|(created, _)| *created < until);
    }
    objects.sort_unstable_by_key(|&(created, id)| Reverse((created, id)));
    let start = match &query.starting_after {
        None => 0,
        Some(after) => match objects.iter().position(|(_, id)| id == after) {
            Some(at) => at + 1,
            None => return missing(family, after),
        },
    };
    let rest = objects.get(start..).unwrap_or(&[]);
    let shown: Vec<String> = rest.iter().take(limit).filter_map(|(_, id)| show(id)).collect();
    let body = format!(
        "{{\"object\":\"list\",\"url\":\"/v1/{family}\",\"has_more\":{},\"data\":[{}]}}",
        rest.len() > limit,
        shown.join(",")
    );
    ok(body.into_bytes())
}

fn read_query(text: &str) -> Option<Query> {
    let mut query = Query::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name = name.replace("%5B", "[").replace("%5D", "]");
        let value = value.to_owned();
        match name.as_str() {
            "limit" => query.limit = Some(value),
            "starting_after" => query.starting_after = Some(value),
            "created[lt]" => query.created_lt = Some(value.parse().ok()?),
            "created[gte]" => query.created_gte = Some(value.parse().ok()?),
            "payout" => query.payout = Some(value),
            "delivery_success" => query.delivery_success = Some(value),
            "types[]" => query.types.push(value),
            "expand[]" => query.expand.push(value),
            // Stripe refuses parameters that it does not know, and so does this.
            _ => return None,
        }
    }
    Some(query)
}

fn ok(body: Vec<u8>) -> Reply {
    Reply { status: 200, headers: json_headers(), body }
}

fn error(status: u16, kind: &str, code: &str, message: &str) -> Reply {
    let body: Value = json!({"error": {"type": kind, "code": code, "message": message}});
    Reply { status, headers: json_headers(), body: body.to_string().into_bytes() }
}

fn missing(family: &str, id: &str) -> Reply {
    let thing = family.trim_end_matches('s');
    error(404, "invalid_request_error", "resource_missing", &format!("No such {thing}: '{id}'"))
}

fn unrecognised(request: &Request) -> Reply {
    let message = format!("Unrecognized request URL ({}: …).", request.method.word());
    error(404, "invalid_request_error", "url_invalid", &message)
}

fn should_retry(mut reply: Reply, retry: bool) -> Reply {
    reply.headers.push(("stripe-should-retry".to_owned(), retry.to_string()));
    reply
}

fn json_headers() -> Vec<(String, String)> {
    vec![("content-type".to_owned(), "application/json".to_owned())]
}
