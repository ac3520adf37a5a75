//! The webhook endpoints of the account: whether one of them brings us each event that we read, and,
//! where the connection keeps them, having it do so again (A8).
//!
//! An event is a topic; one endpoint brings many. One that is not there cannot be made: Stripe tells
//! its secret once, in the reply, and a secret is never taken from there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use trueup_connect::watch::{self, Found, Look, WATCHED};
use trueup_connect::{CallError, Record, Reply, Request, Settings};

use super::walk::EVENT_TYPES;
use crate::outcome;

const PATH: &str = "/v1/webhook_endpoints";
/// Stands for every event in an endpoint's list.
const ALL: &str = "*";

#[derive(Deserialize)]
struct Page {
    data: Vec<Endpoint>,
    has_more: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Endpoint {
    id: String,
    url: String,
    status: String,
    enabled_events: Vec<String>,
}

/// Where the look at the endpoints stands.
#[derive(Serialize, Deserialize)]
pub struct Watch {
    /// Behind which endpoint the next page begins; `None` once all were read.
    after: Option<String>,
    look: Look,
    /// The first of those that are sent to us.
    own: Option<Endpoint>,
}

/// What the next request is, and whether it changes an endpoint.
pub enum Next {
    Ask(Request, bool),
    End,
}

impl Watch {
    pub fn begin() -> Self {
        Self { after: Some(String::new()), look: Look::default(), own: None }
    }

    pub fn next(&mut self, settings: &Settings) -> Next {
        if watch::delivery_url(settings).is_none() {
            return Next::End;
        }
        if let Some(after) = &self.after {
            let mut path = format!("{PATH}?limit=100");
            if !after.is_empty() {
                path.push_str(&format!("&starting_after={after}"));
            }
            return Next::Ask(super::request(settings, path), false);
        }
        let own = self.own.as_ref().filter(|_| watch::keeps(settings));
        let Some(own) = own else { return Next::End };
        if self.look.restore(EVENT_TYPES, |found| found.is_some()).is_none() {
            return Next::End;
        }
        let wanted: BTreeSet<&str> = own
            .enabled_events
            .iter()
            .map(String::as_str)
            .chain(EVENT_TYPES.iter().copied())
            .collect();
        let mut body = "disabled=false".to_owned();
        if !wanted.contains(ALL) {
            for event in wanted {
                body.push_str(&format!("&enabled_events%5B%5D={event}"));
            }
        }
        let mut request = super::request(settings, format!("{PATH}/{}", own.id));
        request.method = trueup_connect::Method::Post;
        let form = "application/x-www-form-urlencoded".to_owned();
        request.headers.push(("content-type".to_owned(), form));
        request.body = body.into_bytes();
        Next::Ask(request, true)
    }

    /// Takes in the reply to what [`Self::next`] asked.
    pub fn take(
        &mut self,
        settings: &Settings,
        reply: Result<&Reply, CallError>,
    ) -> Result<(), CallError> {
        if self.look.is_restoring() {
            let outcome = reply.and_then(|reply| outcome::read::<Endpoint>(reply).map(drop));
            self.look.restored(outcome)?;
            (self.after, self.own) = (Some(String::new()), None);
            return Ok(());
        }
        let page: Page = outcome::read(reply?).map_err(|error| match error {
            // The key reads everything else: only this look stands still.
            CallError::NotSetUp { .. } => {
                CallError::Denied { lacks: "read webhook endpoints".to_owned() }
            }
            error => error,
        })?;
        let last = page.data.last().map(|endpoint| endpoint.id.clone());
        for endpoint in page.data {
            if Some(endpoint.url.as_str()) == watch::delivery_url(settings) {
                self.see(endpoint);
            }
        }
        self.after = last.filter(|last| page.has_more && super::is_plain_id(last));
        Ok(())
    }

    fn see(&mut self, endpoint: Endpoint) {
        if !super::is_plain_id(&endpoint.id) {
            return;
        }
        let on = endpoint.status == "enabled";
        for event in EVENT_TYPES {
            let brings = endpoint.enabled_events.iter().any(|own| own == event || own == ALL);
            let status = match (on, brings) {
                (true, false) => "enabled, without this event".to_owned(),
                _ => endpoint.status.clone(),
            };
            let active = on && brings;
            let found = Found { id: endpoint.id.clone(), status, active, changed: String::new() };
            self.look.see((*event).to_owned(), found);
        }
        // One that is on is kept rather than one that somebody may have switched off on purpose.
        match &self.own {
            Some(known) if known.status == "enabled" || !on => {}
            _ => self.own = Some(endpoint),
        }
    }

    /// How the endpoints that are sent to us stand; nothing where it is not known which are.
    pub fn record(&self, settings: &Settings) -> Result<Option<Record>, CallError> {
        let Some(address) = watch::delivery_url(settings) else { return Ok(None) };
        let body = self.look.record(address, EVENT_TYPES)?.into_bytes();
        let external_id = "webhooks".to_owned();
        Ok(Some(Record { kind: WATCHED.to_owned(), external_id, body }))
    }
}
