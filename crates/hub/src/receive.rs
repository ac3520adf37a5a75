//! RECEIVE: proves the sender, stores the raw message once, and only then lets the caller say 2xx.

use jiff::Timestamp;
pub use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::webhook::Authentic;
pub use trueup_connect::webhook::{Delivery, NotAuthentic};
use trueup_domain::key;
use trueup_store::messages::{self, NewMessage, Origin, Recorded};
use trueup_store::{StoreError, Tx, cases};

use crate::setup::Connection;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    NotAuthentic(#[from] NotAuthentic),
    /// TU302: the delivery is about another account than the connection's.
    #[error("the delivery is about the account `{0}`, which is not this connection's")]
    OtherAccount(String),
    /// TU303
    #[error("the body is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// TU304: this connection takes no webhooks, or no files.
    #[error("this connection does not take {0}")]
    NotTaken(&'static str),
    /// TU305
    #[error("the file is not complete: {0}")]
    Incomplete(String),
}

impl Refusal {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAuthentic(inner) => inner.code(),
            Self::OtherAccount(_) => "TU302",
            Self::TooLarge => "TU303",
            Self::NotTaken(_) => "TU304",
            Self::Incomplete(_) => "TU305",
        }
    }
}

/// Checks a delivery; nothing is parsed before its signature fits.
pub fn webhook(
    connection: &Connection,
    delivery: &Delivery<'_>,
    now: Timestamp,
) -> Result<NewMessage, Refusal> {
    if delivery.body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    let webhooks = connection.connector.webhooks.ok_or(Refusal::NotTaken("webhooks"))?;
    let authentic: Authentic = (webhooks.authenticate)(delivery, &connection.webhook_secrets, now)?;
    if let (Some(own), Some(theirs)) = (&connection.account, &authentic.account)
        && !own.eq_ignore_ascii_case(theirs)
    {
        return Err(Refusal::OtherAccount(theirs.chars().take(100).collect()));
    }
    // Kept for audit; a credential has no place in the store.
    let secretive = ["authorization", "cookie"];
    let kept = delivery.headers.iter().filter(|(name, _)| !secretive.contains(&name.as_str()));
    let headers: std::collections::BTreeMap<&str, &str> =
        kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Ok(NewMessage {
        connection: connection.name.clone(),
        source_id: authentic.source_id,
        kind: authentic.kind,
        origin: Origin::Webhook,
        headers: serde_json::to_string(&headers).unwrap_or_default(),
        body: delivery.body.to_vec(),
        asked_at: None,
    })
}

/// A file as one message, named by its content: the same bytes under another name are a repeat.
pub fn file(connection: &Connection, name: &str, body: Vec<u8>) -> Result<NewMessage, Refusal> {
    if !connection.connector.files {
        return Err(Refusal::NotTaken("files"));
    }
    whole(connection, name, body)
}

fn whole(connection: &Connection, name: &str, body: Vec<u8>) -> Result<NewMessage, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    if body.is_empty() {
        return Err(Refusal::Incomplete("it is empty".to_owned()));
    }
    Ok(NewMessage {
        connection: connection.name.clone(),
        source_id: format!("file/{}", key::body_hash(&body)),
        kind: String::new(),
        origin: Origin::File,
        headers: serde_json::json!({ "file": name }).to_string(),
        body,
        asked_at: None,
    })
}

/// A recorded message of any connection, brought by a person: a statement, or what a vendor sent
/// and was kept elsewhere. `kind` may be empty where the shape tells.
pub fn import(
    connection: &Connection,
    name: &str,
    kind: &str,
    body: Vec<u8>,
) -> Result<NewMessage, Refusal> {
    Ok(NewMessage { kind: kind.to_owned(), ..whole(connection, name, body)? })
}

/// Stores a message once; a repeat is acknowledged and counted.
pub fn record(
    tx: &mut Tx<'_>,
    message: &NewMessage,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    record_prepared(tx, &messages::prepare(message.clone())?, now)
}

/// As [`record`], with the body hashed and packed before the writer's turn.
pub fn record_prepared(
    tx: &mut Tx<'_>,
    prepared: &messages::Prepared,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let message = &prepared.message;
    let recorded = messages::record_prepared(tx, prepared, now)?;
    if let Recorded::Repeat(id) = &recorded {
        let detail = format!("{} {} came again", message.connection, message.source_id);
        cases::absorb(tx, "duplicate_message", id, &detail, now)?;
    }
    Ok(recorded)
}
