//! The webhooks of the shop: whether each is there and switched on, and, where the connection keeps
//! them, switching on again what the shop switched off (A8).
//!
//! Where no delivery URL is known, each webhook about orders is shown as it stands: whose it is
//! cannot be told. One that is not there cannot be made: its secret would have to be in the request.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use trueup_connect::watch::{self, Found, Look, WATCHED};
use trueup_connect::{CallError, Context, Reply, Request, Settings};

use super::gather::Gathered;
use super::{PER_PAGE, unreadable};
use crate::authenticate::TOPICS;
use crate::{decode, outcome, wire};

/// Where the look at the webhooks stands.
#[derive(Serialize, Deserialize)]
pub struct Watch {
    /// The page that comes next; none once all were read.
    page: Option<u32>,
    look: Look,
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
        Self { page: Some(1), look: Look::default() }
    }

    pub fn next(&mut self, settings: &Settings) -> Next {
        if let Some(page) = self.page {
            return Next::Read(format!("webhooks?per_page={PER_PAGE}&page={page}"));
        }
        if !watch::keeps(settings) {
            return Next::End;
        }
        let Some((_, Some(off))) = self.look.restore(TOPICS, |found| found.is_some()) else {
            return Next::End;
        };
        Next::Write(Request::post_json(
            format!("/wp-json/{}/webhooks/{}", crate::API_VERSION, off.id),
            &json!({ "status": "active" }),
        ))
    }

    /// Takes in the reply to what [`Self::next`] asked.
    pub fn take(
        &mut self,
        context: &Context<'_>,
        reply: Result<&Reply, CallError>,
        gathered: &mut Gathered,
    ) -> Result<(), CallError> {
        if self.look.is_restoring() {
            let outcome = reply.and_then(|reply| outcome::read::<&RawValue>(reply).map(|_| ()));
            self.look.restored(outcome.map_err(|error| match error {
                // The key was good for reading: it is one for reading only.
                CallError::Unauthorized => CallError::NotSetUp {
                    why: "the key may not write; it needs the permission Read/Write".to_owned(),
                },
                error => error,
            }))?;
            self.page = Some(1);
            return Ok(());
        }
        let reply = reply.map_err(super::read_again)?;
        let page: Vec<&RawValue> = outcome::read(reply)?;
        self.page = self.page.filter(|_| page.len() == PER_PAGE).map(|page| page + 1);
        let own = watch::delivery_url(context.settings);
        for object in page {
            let webhook: wire::Webhook =
                serde_json::from_str(object.get()).map_err(|error| unreadable(&error))?;
            match own {
                Some(own) if webhook.delivery_url == own => {
                    let found = Found {
                        id: webhook.id.0,
                        active: webhook.status == "active",
                        status: webhook.status,
                        changed: webhook.date_modified_gmt.unwrap_or_default(),
                    };
                    self.look.see(webhook.topic, found);
                }
                None if webhook.topic.starts_with("order.") => {
                    gathered.cut(decode::WEBHOOK, &webhook.id.0, object.get());
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Tells how the webhooks that are sent to us stand.
    pub fn end(&self, settings: &Settings, gathered: &mut Gathered) -> Result<(), CallError> {
        if let Some(address) = watch::delivery_url(settings) {
            gathered.cut(WATCHED, "webhooks", &self.look.record(address, TOPICS)?);
        }
        Ok(())
    }
}
