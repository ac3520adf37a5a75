//! The watch over subscriptions: what a source pushes to us, against what it is to push (A8).
//!
//! Sources remove a subscription or switch it off after deliveries that failed, and tell nobody. A
//! connector looks regularly; where it may, it restores what lacks and looks again. What it found is
//! a record of its own, in the words of this module.

use serde::{Deserialize, Serialize};

use crate::{DecodeError, Decoded, Subscription};

/// The kind of the record.
pub const WATCHED: &str = "subscriptions";

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
    /// The topics that are not pushed, with the id of a subscription that is switched off.
    pub fn lacking(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let lacks = |topic: &&Topic| !topic.found.as_ref().is_some_and(|found| found.active);
        self.topics.iter().filter(lacks).map(|topic| {
            (topic.topic.as_str(), topic.found.as_ref().map(|found| found.id.as_str()))
        })
    }

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
