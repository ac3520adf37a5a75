//! The webhooks of the shop: whether each is there and switched on, and, where the connection keeps
//! them, switching on again what the shop switched off (A8).
//!
//! Where no delivery URL is known, each webhook about orders is shown as it stands: whose it is
//! cannot be told. One that is not there cannot be made: its secret would have to be in the request.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use trueup_connect::watch::{Found, Topic, WATCHED, Watched};
use trueup_connect::{CallError, Context, Reply, Request, Settings};

use super::gather::Gathered;
use super::{PER_PAGE, unreadable};
use crate::authenticate::TOPICS;
use crate::{decode, outcome, settings, wire};

/// Where the look at the webhooks stands.
#[derive(Default, Serialize, Deserialize)]
pub struct Watch {
    /// The page that comes next; none once all were read.
    page: Option<u32>,
    /// Of the webhooks that are sent to us, by topic: the best of each.
    found: Vec<(String, Found)>,
    /// The webhook that is being switched on, by topic and id.
    asked: Option<(String, String)>,
    restored: Vec<String>,
    /// What could not be switched on, and why.
    troubles: Vec<(String, String)>,
}

/// What the next request asks for.
pub enum Next {
    Read(String),
    /// It switches a webhook on.
    Write(Request),
    End,
}

impl Watch {
    pub fn begin() -> Self {
        Self { page: Some(1), ..Self::default() }
    }

    pub fn next(&mut self, settings: &Settings) -> Next {
        if let Some(page) = self.page {
            return Next::Read(format!("webhooks?per_page={PER_PAGE}&page={page}"));
        }
        if !settings::keeps_webhooks(settings) {
            return Next::End;
        }
        let off = self.found.iter().find(|(topic, found)| {
            !found.active
                && !self.restored.contains(topic)
                && !self.troubles.iter().any(|(of, _)| of == topic)
        });
        let Some((topic, found)) = off else { return Next::End };
        let path = format!("webhooks/{}", found.id);
        self.asked = Some((topic.clone(), found.id.clone()));
        Next::Write(Request::post_json(
            format!("/wp-json/{}/{path}", crate::API_VERSION),
            &json!({ "status": "active" }),
        ))
    }

    /// Takes in the reply to what [`Self::next`] asked.
    ///
    /// A refusal is told with the webhook and stops nothing. After a lost reply the list is read
    /// again: it says what became of it.
    pub fn take(
        &mut self,
        context: &Context<'_>,
        reply: Result<&Reply, CallError>,
        gathered: &mut Gathered,
    ) -> Result<(), CallError> {
        if let Some((topic, _)) = self.asked.take() {
            match reply.and_then(|reply| outcome::read::<&RawValue>(reply).map(|_| ())) {
                Ok(()) => self.restored.push(topic),
                Err(error @ (CallError::Refused { .. } | CallError::NotSetUp { .. })) => {
                    self.troubles.push((topic, error.to_string()));
                }
                // The key may read and not write: this is no reason to stop reading.
                Err(CallError::Unauthorized) => {
                    let why = "the key may not write; it needs the permission Read/Write";
                    self.troubles.push((topic, why.to_owned()));
                }
                Err(CallError::ReplyLost { why }) => return Err(CallError::Unreachable { why }),
                Err(error) => return Err(error),
            }
            // What the shop says afterwards is what is told.
            self.page = Some(1);
            self.found.clear();
            return Ok(());
        }
        let reply = reply.map_err(super::read_again)?;
        let page: Vec<&RawValue> = outcome::read(reply)?;
        self.page = self.page.filter(|_| page.len() == PER_PAGE).map(|page| page + 1);
        let own = settings::delivery_url(context.settings);
        for object in page {
            let webhook: wire::Webhook =
                serde_json::from_str(object.get()).map_err(|error| unreadable(&error))?;
            match own {
                Some(own) if webhook.delivery_url == own => self.see(webhook),
                None if webhook.topic.starts_with("order.") => {
                    gathered.cut(decode::WEBHOOK, &webhook.id.0, object.get());
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Of several for one topic any that is on will do.
    fn see(&mut self, webhook: wire::Webhook) {
        let found = Found {
            id: webhook.id.0,
            active: webhook.status == "active",
            status: webhook.status,
            changed: webhook.date_modified_gmt.unwrap_or_default(),
        };
        match self.found.iter_mut().find(|(topic, _)| *topic == webhook.topic) {
            Some((_, known)) if found.active && !known.active => *known = found,
            Some(_) => {}
            None => self.found.push((webhook.topic, found)),
        }
    }

    /// Tells how the webhooks that are sent to us stand.
    pub fn end(&self, settings: &Settings, gathered: &mut Gathered) -> Result<(), CallError> {
        let Some(address) = settings::delivery_url(settings) else { return Ok(()) };
        let topic = |topic: &&str| Topic {
            topic: (*topic).to_owned(),
            found: self.found.iter().find(|(of, _)| of == topic).map(|(_, found)| found.clone()),
            restored: self.restored.iter().any(|of| of == topic),
            trouble: self.troubles.iter().find(|(of, _)| of == topic).map(|(_, why)| why.clone()),
        };
        let topics = TOPICS.iter().map(topic).collect();
        let watched = Watched { address: address.to_owned(), topics };
        let body = serde_json::to_string(&watched).map_err(|error| unreadable(&error))?;
        gathered.cut(WATCHED, "webhooks", &body);
        Ok(())
    }
}
