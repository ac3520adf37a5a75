//! Requests of connections whose credentials live for a while (`DESIGN.md` §9.8).
//!
//! A token is stored before it is used, so that a vendor who takes the old one back with the new
//! one is never left with a token that nobody knows.

use jiff::{SignedDuration, Timestamp};
use trueup_connect::{CallError, Reply, Request, TokenScheme};
use trueup_store::tokens::{self, Stored};
use trueup_store::{Store, StoreError};

use crate::setup::Connection;

/// A token is replaced this long before it runs out: a request may take a while.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Sends `request` with the connection's token, and once more with a new one where the reply
/// refuses it. `exchange` carries a request out as it is.
pub fn send(
    store: Option<&Store>,
    connection: &Connection,
    scheme: &TokenScheme,
    request: &Request,
    clock: &dyn Fn() -> Timestamp,
    exchange: &mut dyn FnMut(&Request) -> Result<Reply, CallError>,
) -> Result<Reply, CallError> {
    let known = match store {
        Some(store) => store.read(|tx| tokens::find(tx, &connection.name)).map_err(unavailable)?,
        None => None,
    };
    let good = known.filter(|known| clock() + MARGIN < known.until);
    let (token, fresh) = match good {
        Some(known) => (known.token, false),
        None => (refresh(store, connection, scheme, clock, exchange)?, true),
    };
    let reply = exchange(&with(request, scheme, &token))?;
    if fresh || !(scheme.refuses)(&reply) {
        return Ok(reply);
    }
    let token = refresh(store, connection, scheme, clock, exchange)?;
    exchange(&with(request, scheme, &token))
}

fn refresh(
    store: Option<&Store>,
    connection: &Connection,
    scheme: &TokenScheme,
    clock: &dyn Fn() -> Timestamp,
    exchange: &mut dyn FnMut(&Request) -> Result<Reply, CallError>,
) -> Result<String, CallError> {
    let lacks = || CallError::NotSetUp { why: "no secret".to_owned() };
    let secret = connection.secret.as_ref().ok_or_else(lacks)?;
    let asked = (scheme.request)(&connection.settings, secret)?;
    // Nothing was asked of the vendor yet: a token that is lost is asked for again.
    let reply = exchange(&asked).map_err(|error| match error {
        CallError::ReplyLost { why } => CallError::Unreachable { why },
        other => other,
    })?;
    let token = (scheme.read)(&reply)?;
    let until = clock() + SignedDuration::from_secs(i64::from(token.lives_s));
    let stored = Stored { token: token.secret.expose().to_owned(), until };
    if let Some(store) = store {
        let (name, kept) = (connection.name.clone(), stored.clone());
        store.write(move |tx| tokens::put(tx, &name, &kept)).map_err(unavailable)?;
    }
    Ok(stored.token)
}

fn with(request: &Request, scheme: &TokenScheme, token: &str) -> Request {
    let mut request = request.clone();
    request.headers.push((scheme.header.to_owned(), token.to_owned()));
    request
}

/// The request has not left.
fn unavailable(error: StoreError) -> CallError {
    CallError::Unreachable { why: format!("the token cannot be read or kept: {error}") }
}
