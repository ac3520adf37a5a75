//! The webhooks of the app: whether each is there, and, where the connection keeps them, making those
//! anew that Shopify removed (A8). It removes one after eight deliveries in a row that failed.
//!
//! Webhooks of the app's own configuration are not listed by Shopify; they need no watch.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trueup_connect::watch::{self, Found, Look, WATCHED};
use trueup_connect::{CallError, Settings};

use super::{Cut, PageInfo, queries};

const PAGE: usize = 100;

/// What a shop is to tell us, in the words of GraphQL.
pub const TOPICS: &[&str] = &[
    "ORDERS_CREATE",
    "ORDERS_UPDATED",
    "ORDERS_CANCELLED",
    "ORDERS_DELETE",
    "REFUNDS_CREATE",
    "ORDER_TRANSACTIONS_CREATE",
    "FULFILLMENTS_CREATE",
    "FULFILLMENTS_UPDATE",
];

/// Where the look at the webhooks stands.
#[derive(Default, Serialize, Deserialize)]
pub struct Watch {
    after: Option<String>,
    /// All pages were read.
    read: bool,
    look: Look,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    webhook_subscriptions: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    nodes: Vec<Webhook>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    id: String,
    topic: String,
    uri: String,
    updated_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    webhook_subscription_create: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct UserError {
    message: String,
}

impl Watch {
    /// The next question, and whether it makes a webhook; `None` at the end.
    pub fn request(&mut self, settings: &Settings) -> Option<(Value, bool)> {
        let address = watch::delivery_url(settings)?;
        if !self.read {
            let variables = json!({ "first": PAGE, "after": self.after });
            return Some((json!({ "query": queries::webhooks(), "variables": variables }), false));
        }
        if !watch::keeps(settings) {
            return None;
        }
        let (topic, _) = self.look.restore(TOPICS, |_| true)?;
        let body = json!({
            "query": queries::webhook_create(),
            "variables": {
                "topic": topic,
                "webhookSubscription": { "uri": address, "format": "JSON" },
            },
        });
        Some((body, true))
    }

    /// Takes in the answer to what [`Self::request`] asked.
    pub fn take(&mut self, settings: &Settings, data: &RawValue) -> Result<(), String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        if self.look.is_restoring() {
            let made: Made = serde_json::from_str(data.get()).map_err(|error| said(&error))?;
            let errors = made.webhook_subscription_create.user_errors;
            let outcome = match errors.is_empty() {
                true => Ok(()),
                false => Err(CallError::Refused {
                    reason_code: "user_errors".to_owned(),
                    reason: errors
                        .into_iter()
                        .map(|one| one.message)
                        .collect::<Vec<_>>()
                        .join("; "),
                }),
            };
            return self.restored(outcome).map_err(|error| said(&error));
        }
        let answered: Answered = serde_json::from_str(data.get()).map_err(|error| said(&error))?;
        let own = watch::delivery_url(settings).unwrap_or_default();
        for webhook in answered.webhook_subscriptions.nodes {
            if webhook.uri == own {
                let found = Found {
                    id: webhook.id,
                    status: "active".to_owned(),
                    active: true,
                    changed: webhook.updated_at,
                };
                self.look.see(webhook.topic, found);
            }
        }
        let info = answered.webhook_subscriptions.page_info;
        if info.has_next_page && (info.end_cursor.is_none() || info.end_cursor == self.after) {
            return Err("the next page is the same".to_owned());
        }
        self.read = !info.has_next_page;
        self.after = info.end_cursor;
        Ok(())
    }

    /// Takes in a failure. One of a webhook that was being made is told with it, and stops nothing.
    pub fn failed(&mut self, error: CallError) -> Result<(), CallError> {
        self.restored(Err(error))
    }

    fn restored(&mut self, outcome: Result<(), CallError>) -> Result<(), CallError> {
        self.look.restored(outcome)?;
        (self.read, self.after) = (false, None);
        Ok(())
    }

    /// How the webhooks that are sent to us stand; nothing where it is not known which those are.
    pub(super) fn end(&self, settings: &Settings) -> Result<Vec<Cut>, CallError> {
        let Some(address) = watch::delivery_url(settings) else { return Ok(Vec::new()) };
        let body = self.look.record(address, TOPICS)?;
        Ok(vec![Cut { kind: WATCHED.to_owned(), id: "webhooks".to_owned(), body }])
    }
}
