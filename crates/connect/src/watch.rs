//! The watch over subscriptions: what a source pushes to us, against what it is to push (A8).
//!
//! Sources remove a subscription or switch it off after deliveries that failed, and tell nobody. A
//! connector looks regularly; where it may, it restores what lacks and looks again. What it found is
//! a record of its own, in the words of this module.

use serde::{Deserialize, Serialize};

use crate::{CallError, DecodeError, Decoded, Settings, Subscription};

/// The kind of the record.
pub const WATCHED: &str = "subscriptions";

/// The setting that names the address to which a source sends what it pushes to us.
pub const DELIVERY_URL: &str = "delivery_url";
/// The setting by which a connector may restore what is to be pushed there.
pub const KEEP: &str = "keep_webhooks";

/// Where a source sends what it pushes to us, where that is known.
pub fn delivery_url(settings: &Settings) -> Option<&str> {
    settings.get(DELIVERY_URL)
}

/// Whether what lacks is restored. What is sent elsewhere is somebody else's and never touched.
pub fn keeps(settings: &Settings) -> bool {
    delivery_url(settings).is_some() && settings.get(KEEP) == Some("yes")
}

/// A look at the subscriptions, with what was restored on the way: part of a conversation's state.
#[derive(Default, Serialize, Deserialize)]
pub struct Look {
    /// Of the subscriptions that are sent to us, by topic: the best of each.
    found: Vec<(String, Found)>,
    /// The topic that is being restored.
    asked: Option<String>,
    restored: Vec<String>,
    /// What could not be restored, and why.
    troubles: Vec<(String, String)>,
}

impl Look {
    /// Takes in a subscription that is sent to us. Of several for one topic any that is on will do.
    pub fn see(&mut self, topic: String, found: Found) {
        match self.found.iter_mut().find(|(of, _)| *of == topic) {
            Some((_, known)) if found.active && !known.active => *known = found,
            Some(_) => {}
            None => self.found.push((topic, found)),
        }
    }

    /// Begins to restore the first of these topics that lacks, can be restored (by what was found of
    /// it, if anything was) and was not tried: the topic, and what was found of it.
    pub fn restore(
        &mut self,
        topics: &[&str],
        can: impl Fn(Option<&Found>) -> bool,
    ) -> Option<(String, Option<Found>)> {
        let lacking = topics.iter().find(|topic| {
            let found = self.of(topic);
            !found.is_some_and(|found| found.active)
                && can(found)
                && !self.restored.iter().any(|of| of == *topic)
                && !self.troubles.iter().any(|(of, _)| of == *topic)
        });
        let topic = (*lacking?).to_owned();
        self.asked = Some(topic.clone());
        let found = self.of(&topic).cloned();
        Some((topic, found))
    }

    pub const fn is_restoring(&self) -> bool {
        self.asked.is_some()
    }

    /// Takes in how restoring ended: what the source says afterwards is what is told, so that it is
    /// to be listed again. That it was refused is told with the topic and stops nothing.
    ///
    /// # Errors
    /// Nobody knows whether it was done: the next look tells.
    pub fn restored(&mut self, outcome: Result<(), CallError>) -> Result<(), CallError> {
        let Some(topic) = self.asked.take() else { return outcome };
        match outcome {
            Ok(()) => self.restored.push(topic),
            Err(
                error @ (CallError::Refused { .. }
                | CallError::NotSetUp { .. }
                | CallError::Denied { .. }),
            ) => self.troubles.push((topic, error.to_string())),
            Err(CallError::ReplyLost { why }) => return Err(CallError::Unreachable { why }),
            Err(error) => return Err(error),
        }
        self.found.clear();
        Ok(())
    }

    fn of(&self, topic: &str) -> Option<&Found> {
        self.found.iter().find(|(of, _)| of == topic).map(|(_, found)| found)
    }

    /// The body of the record of what was found, for the topics that are to be pushed to an address.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn record(&self, address: &str, topics: &[&str]) -> Result<String, CallError> {
        let topic = |topic: &&str| Topic {
            topic: (*topic).to_owned(),
            found: self.of(topic).cloned(),
            restored: self.restored.iter().any(|of| of == topic),
            trouble: self.troubles.iter().find(|(of, _)| of == topic).map(|(_, why)| why.clone()),
        };
        let topics = topics.iter().map(topic).collect();
        let watched = Watched { address: address.to_owned(), topics };
        serde_json::to_string(&watched).map_err(|error| CallError::Unreachable {
            why: format!("what was found cannot be written: {error}"),
        })
    }
}

/// What was found of the subscriptions that are sent to one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    pub address: String,
    /// One for each topic that is to be pushed.
    pub topics: Vec<Topic>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// In the source's word.
    pub topic: String,
    /// The source's id of the subscription, and what it says of it that changes with it; nothing
    /// where there is none.
    pub found: Option<Found>,
    /// We restored it just now.
    #[serde(default)]
    pub restored: bool,
    /// Why it could not be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub id: String,
    /// The source's own word for how it stands.
    pub status: String,
    pub active: bool,
    /// When it was changed last, in the source's own words.
    pub changed: String,
}

impl Watched {
    /// What a record of this kind states. A subscription is known by its topic: one that is made
    /// anew has another id at the source.
    ///
    /// # Errors
    /// The body is no such record.
    pub fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
        let watched: Self = serde_json::from_slice(body)
            .map_err(|error| DecodeError::Unreadable(error.to_string()))?;
        let address = watched.address;
        let subscription = |topic: Topic| {
            let status = topic.found.as_ref().map_or("missing", |found| &found.status);
            Subscription {
                id: topic.topic.clone(),
                address: address.clone(),
                active: topic.found.as_ref().is_some_and(|found| found.active),
                status: match &topic.trouble {
                    Some(why) => format!("{status}, and could not be restored: {why}"),
                    None => status.to_owned(),
                },
                restored: topic.restored,
                title: topic.topic,
            }
        };
        Ok(Decoded::Subscriptions(watched.topics.into_iter().map(subscription).collect()))
    }
}
