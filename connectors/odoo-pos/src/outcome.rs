//! What each reply of Odoo means. Only reads are sent, so whatever is no answer is asked again.

use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::{CallError, Reply};

/// Odoo's own error body; a proxy's page does not parse as one.
#[derive(Deserialize)]
struct Fault {
    message: String,
}

/// The rows of a read.
pub fn rows(reply: &Reply) -> Result<Vec<Box<RawValue>>, CallError> {
    if reply.status == 200 {
        return serde_json::from_slice(&reply.body)
            .map_err(|error| unreachable(&format!("unexpected answer: {error}")));
    }
    let fault: Option<Fault> = serde_json::from_slice(&reply.body).ok();
    let said = fault.map_or_else(
        || format!("status {} without an answer of Odoo", reply.status),
        |fault| short(&fault.message),
    );
    Err(match reply.status {
        401 => CallError::Unauthorized,
        403 | 404 => CallError::NotSetUp { why: said },
        429 => CallError::RateLimited { retry_after_ms: None },
        400 | 405 | 413 | 415 | 422 => {
            CallError::Refused { reason_code: "refused_by_odoo".to_owned(), reason: said }
        }
        _ => unreachable(&said),
    })
}

pub fn unreachable(why: &str) -> CallError {
    CallError::Unreachable { why: short(why) }
}

/// Texts of Odoo can quote whole rows of its database.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_one_meaning() {
        let class = |status: u16, body: &str| {
            let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
            match rows(&reply) {
                Ok(rows) => format!("{} rows", rows.len()),
                Err(CallError::Unauthorized) => "unauthorized".to_owned(),
                Err(CallError::NotSetUp { .. }) => "not set up".to_owned(),
                Err(CallError::RateLimited { .. }) => "slow down".to_owned(),
                Err(CallError::Refused { .. }) => "refused".to_owned(),
                Err(CallError::Unreachable { .. }) => "unreachable".to_owned(),
                Err(other) => format!("{other:?}"),
            }
        };
        let fault = r#"{"name":"odoo.exceptions.AccessError","message":"no"}"#;
        assert_eq!(class(200, "[{\"id\":1}]"), "1 rows");
        assert_eq!(class(200, "<html>"), "unreachable");
        assert_eq!(class(200, "{}"), "unreachable");
        assert_eq!(class(401, fault), "unauthorized");
        assert_eq!(class(403, fault), "not set up");
        assert_eq!(class(404, "<html>"), "not set up");
        assert_eq!(class(422, fault), "refused");
        assert_eq!(class(429, ""), "slow down");
        assert_eq!(class(500, fault), "unreachable");
        assert_eq!(class(503, ""), "unreachable");
    }
}
