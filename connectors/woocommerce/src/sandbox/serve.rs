//! The requests that the played shop answers: what our conversations ask.

use serde_json::{Value, json};
use trueup_connect::{Method, Reply, Request};

use super::world::Order;
use super::{Fault, WooSandbox};
use crate::API_VERSION;

const PER_PAGE_DEFAULT: usize = 10;
const PER_PAGE_MAX: usize = 100;

/// What a request asks for beside its path; a parameter that we never send is refused.
struct Query {
    page: usize,
    per_page: usize,
    status: String,
    modified_after: Option<String>,
    after: Option<String>,
    before: Option<String>,
    include: Option<Vec<u64>>,
}

impl Query {
    fn of(text: &str) -> Option<Self> {
        let mut query = Self {
            page: 1,
            per_page: PER_PAGE_DEFAULT,
            status: "any".to_owned(),
            modified_after: None,
            after: None,
            before: None,
            include: None,
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=')?;
            match (key, value) {
                ("page", _) => query.page = value.parse().ok().filter(|page| *page > 0)?,
                ("per_page", _) => {
                    let fits = |size: &usize| (1..=PER_PAGE_MAX).contains(size);
                    query.per_page = value.parse().ok().filter(fits)?;
                }
                ("status", _) => query.status = value.to_owned(),
                ("modified_after", _) => query.modified_after = Some(value.to_owned()),
                ("after", _) => query.after = Some(value.to_owned()),
                ("before", _) => query.before = Some(value.to_owned()),
                ("include", _) => {
                    let ids: Result<Vec<u64>, _> = value.split(',').map(str::parse).collect();
                    query.include = Some(ids.ok()?);
                }
                ("_fields", _)
                | ("dates_are_gmt", "true")
                | ("orderby", "modified" | "id")
                | ("order", "asc") => {}
                _ => return None,
            }
        }
        Some(query)
    }

    /// A later change than asked for, to the second; the very second is not later.
    fn wants(&self, order: &Order) -> bool {
        let modified = order.modified.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let created = order.created.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let shown = match self.status.as_str() {
            "any" => order.status != "trash",
            status => order.status == status,
        };
        shown
            && self.modified_after.as_ref().is_none_or(|after| modified > *after)
            && self.after.as_ref().is_none_or(|after| created > *after)
            && self.before.as_ref().is_none_or(|before| created < *before)
            && self.include.as_ref().is_none_or(|ids| ids.contains(&order.id))
    }

    fn page(&self, all: &[Value]) -> Reply {
        let from = (self.page - 1).saturating_mul(self.per_page);
        let shown: Vec<&Value> = all.iter().skip(from).take(self.per_page).collect();
        let mut reply = json_reply(200, &json!(shown));
        let pages = all.len().div_ceil(self.per_page);
        reply.headers.push(("x-wp-total".to_owned(), all.len().to_string()));
        reply.headers.push(("x-wp-totalpages".to_owned(), pages.to_string()));
        reply
    }
}

impl WooSandbox {
    pub(super) fn fail(&mut self, fault: Fault, request: &Request) -> Reply {
        match fault {
            Fault::RateLimited => html(429, "Too Many Requests"),
            Fault::Maintenance => {
                let mut reply = html(503, "Briefly unavailable for scheduled maintenance.");
                reply.headers.push(("retry-after".to_owned(), "600".to_owned()));
                reply
            }
            Fault::ServerError => {
                problem(500, "internal_server_error", "There has been a critical error.")
            }
            Fault::Unauthorized => {
                let text = "Consumer secret is invalid.";
                problem(401, "woocommerce_rest_authentication_error", text)
            }
            Fault::CannotView => {
                let text = "Sorry, you cannot list resources.";
                problem(401, "woocommerce_rest_cannot_view", text)
            }
            Fault::CutOff => {
                let mut reply = self.answer(request);
                reply.body.truncate(reply.body.len() / 2);
                reply
            }
        }
    }

    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let Some(query) = Query::of(query) else {
            return problem(400, "rest_invalid_param", "Invalid parameter(s)");
        };
        let root = format!("/wp-json/{API_VERSION}/");
        let parts: Option<Vec<&str>> =
            path.strip_prefix(&root).map(|rest| rest.split('/').collect());
        match (request.method, parts.as_deref()) {
            (Method::Get, Some(["orders"])) => {
                let mut found: Vec<&Order> =
                    self.orders.values().filter(|order| query.wants(order)).collect();
                found.sort_by_key(|order| (order.modified.as_second(), order.id));
                let found: Vec<Value> =
                    found.into_iter().map(|order| self.order_json(order)).collect();
                query.page(&found)
            }
            (Method::Get, Some(["orders", id])) => match self.order(id) {
                Some(order) => json_reply(200, &self.order_json(order)),
                None => no_such_order(),
            },
            (Method::Get, Some(["orders", id, "refunds"])) => match self.order(id) {
                Some(order) => {
                    // Newest first.
                    let refunds = order.refunds.iter().rev().map(|one| self.refund_json(one));
                    query.page(&refunds.collect::<Vec<_>>())
                }
                None => no_such_order(),
            },
            (Method::Get, Some(["webhooks"])) => {
                let all = self.webhooks.iter().map(|(id, one)| self.webhook_json(*id, one));
                query.page(&all.collect::<Vec<_>>())
            }
            (Method::Post, Some(["webhooks", id])) => {
                if self.read_only {
                    let text = "The API key provided does not have write permissions.";
                    return problem(401, "woocommerce_rest_authentication_error", text);
                }
                let wanted = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
                if wanted != json!({ "status": "active" }) {
                    return problem(400, "rest_invalid_param", "Invalid parameter(s): status");
                }
                let (now, id) = (self.now, id.parse().unwrap_or_default());
                if let Some(webhook) = self.webhooks.get_mut(&id) {
                    (webhook.active, webhook.failures, webhook.changed) = (true, 0, now);
                }
                match self.webhooks.get(&id) {
                    Some(webhook) => json_reply(200, &self.webhook_json(id, webhook)),
                    None => problem(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID."),
                }
            }
            _ => {
                let text = "No route was found matching the URL and request method.";
                problem(404, "rest_no_route", text)
            }
        }
    }
}

pub(super) fn no_such_order() -> Reply {
    problem(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
}

fn problem(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({ "code": code, "message": message, "data": { "status": status } });
    json_reply(status, &body)
}

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn html(status: u16, text: &str) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: format!("<html><body>{text}</body></html>").into_bytes(),
    }
}
