//! The webhooks of the app: whether each is there, and, where the connection keeps them, making those
//! anew that Shopify removed (A8). It removes one after eight deliveries in a row that failed.
//!
//! Webhooks of the app's own configuration are not listed by Shopify; they need no watch.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trueup_connect::watch::{Found, Topic, WATCHED, Watched};
use trueup_connect::{CallError, Settings};

use super::{Cut, PageInfo, queries};
use crate::settings;

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
    /// By topic.
    found: Vec<(String, Found)>,
    /// The topic of the webhook that is being made.
    asked: Option<String>,
    restored: Vec<String>,
    /// What could not be made, and why.
    troubles: Vec<(String, String)>,
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
        let address = settings::delivery_url(settings)?;
        if !self.read {
            let variables = json!({ "first": PAGE, "after": self.after });
            return Some((json!({ "query": queries::webhooks(), "variables": variables }), false));
        }
        let lacking = TOPICS.iter().find(|topic| {
            let is = |of: &String| of == *topic;
            !self.found.iter().any(|(of, _)| is(of))
                && !self.restored.iter().any(is)
                && !self.troubles.iter().any(|(of, _)| is(of))
        });
        let topic = lacking.filter(|_| settings::keeps_webhooks(settings))?;
        self.asked = Some((*topic).to_owned());
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
        let said = |error: serde_json::Error| error.to_string();
        if let Some(topic) = self.asked.take() {
            let made: Made = serde_json::from_str(data.get()).map_err(said)?;
            let errors = made.webhook_subscription_create.user_errors;
            if errors.is_empty() {
                self.restored.push(topic);
            } else {
                let errors: Vec<String> = errors.into_iter().map(|one| one.message).collect();
                self.troubles.push((topic, errors.join("; ")));
            }
            self.look_again();
            return Ok(());
        }
        let answered: Answered = serde_json::from_str(data.get()).map_err(said)?;
        let own = settings::delivery_url(settings).unwrap_or_default();
        for webhook in answered.webhook_subscriptions.nodes {
            let known = self.found.iter().any(|(topic, _)| *topic == webhook.topic);
            if webhook.uri == own && !known {
                let found = Found {
                    id: webhook.id,
                    status: "active".to_owned(),
                    active: true,
                    changed: webhook.updated_at,
                };
                self.found.push((webhook.topic, found));
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

    /// A webhook was refused; it is told with it, and stops nothing. Returns the error where no
    /// webhook was being made.
    pub fn refused(&mut self, error: CallError) -> Result<(), CallError> {
        match error {
            CallError::Refused { .. } | CallError::NotSetUp { .. } if self.asked.is_some() => {
                let topic = self.asked.take().unwrap_or_default();
                self.troubles.push((topic, error.to_string()));
                self.look_again();
                Ok(())
            }
            error => Err(error),
        }
    }

    /// What Shopify says afterwards is what is told.
    fn look_again(&mut self) {
        (self.read, self.after) = (false, None);
        self.found.clear();
    }

    /// How the webhooks that are sent to us stand; nothing where it is not known which those are.
    pub(super) fn end(&self, settings: &Settings) -> Result<Vec<Cut>, CallError> {
        let Some(address) = settings::delivery_url(settings) else { return Ok(Vec::new()) };
        let topic = |topic: &&str| Topic {
            topic: (*topic).to_owned(),
            found: self.found.iter().find(|(of, _)| of == topic).map(|(_, found)| found.clone()),
            restored: self.restored.iter().any(|of| of == topic),
            trouble: self.troubles.iter().find(|(of, _)| of == topic).map(|(_, why)| why.clone()),
        };
        let topics = TOPICS.iter().map(topic).collect();
        let watched = Watched { address: address.to_owned(), topics };
        let body = serde_json::to_string(&watched).map_err(|error| CallError::Unreachable {
            why: format!("what was found cannot be written: {error}"),
        })?;
        Ok(vec![Cut { kind: WATCHED.to_owned(), id: "webhooks".to_owned(), body }])
    }
}
