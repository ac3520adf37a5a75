//! What each reply of Odoo means: one table.
//!
//! Odoo commits before it answers, so whatever is not a readable answer of Odoo itself leaves the
//! outcome of a write unknown. Its status 500 is no synonym for "try again": most are mistakes of
//! the request, and stay mistakes however often they are sent.

use serde::Deserialize;
use trueup_connect::{CallError, Reply};
use trueup_domain::planted::planted;

/// The body of an answer that carried something out, or why there is none.
pub fn read(reply: Result<&Reply, CallError>, writes: bool) -> Result<&[u8], CallError> {
    let reply = reply?;
    if reply.status == 200 {
        return if looks_like_json(&reply.body) || planted("any_page_is_an_answer") {
            Ok(&reply.body)
        } else {
            Err(CallError::ReplyLost { why: "status 200 without JSON".to_owned() })
        };
    }
    Err(failure(reply, writes))
}

/// Odoo's own error body; a proxy's page does not parse as one.
#[derive(Deserialize)]
struct Fault {
    name: String,
    message: String,
}

fn failure(reply: &Reply, writes: bool) -> CallError {
    let fault: Option<Fault> = serde_json::from_slice(&reply.body).ok();
    match (reply.status, &fault) {
        (401, _) => CallError::Unauthorized,
        (429, _) => CallError::RateLimited { retry_after_ms: retry_after_ms(reply) },
        (403, Some(fault)) if fault.name.ends_with("AccessError") => denied(&fault.message),
        (403, Some(fault)) => CallError::NotSetUp { why: short(&fault.message) },
        (404, Some(fault)) if fault.name.ends_with("MissingError") => {
            refused("missing_record", &fault.message)
        }
        (404, Some(fault)) => CallError::NotSetUp { why: short(&fault.message) },
        (404 | 403, None) => CallError::NotSetUp {
            why: format!(
                "status {} without an answer of Odoo: wrong address or database",
                reply.status
            ),
        },
        (409, Some(fault)) => CallError::Busy { why: short(&fault.message) },
        (413, _) => refused("too_large", "the request is larger than the server accepts"),
        (422, Some(fault)) => refusal(&fault.message),
        (500, Some(fault)) => server_error(fault, writes),
        (400 | 405 | 415, _) => refused("malformed_request", &format!("status {}", reply.status)),
        (status, _) => lost(format!("status {status}"), writes),
    }
}

fn server_error(fault: &Fault, writes: bool) -> CallError {
    let name = fault.name.rsplit('.').next().unwrap_or_default();
    match name {
        // Rolled back for certain; Odoo has retried five times already.
        "SerializationFailure"
        | "LockNotAvailable"
        | "DeadlockDetected"
        | "TransactionRollbackError" => CallError::Busy { why: short(&fault.message) },
        // The database went away, perhaps while it committed.
        "OperationalError"
        | "InterfaceError"
        | "PoolError"
        | "AdminShutdown"
        | "InFailedSqlTransaction" => lost(short(&fault.message), writes),
        _ => refused("mistake", &format!("{name}: {}", fault.message)),
    }
}

fn lost(why: String, writes: bool) -> CallError {
    if planted("a_proxys_error_is_a_refusal") {
        return refused("proxy", &why);
    }
    let writes = writes && !planted("a_lost_reply_was_never_sent");
    if writes { CallError::ReplyLost { why } } else { CallError::Unreachable { why } }
}

/// A business "no", told apart by its text: the request asks for English.
pub fn refusal(message: &str) -> CallError {
    let text = message.to_lowercase();
    let has = |part: &str| text.contains(part);
    if has("could not serialize")
        || has("current transaction is aborted")
        || has("deadlock detected")
    {
        return CallError::Busy { why: short(message) };
    }
    // Another worker of ours made it a moment ago: the replay finds it (B7, B23).
    if has("ir_model_data_module_name_uniq_index") {
        return CallError::Busy { why: "the record has just been made by another call".to_owned() };
    }
    if has("you are not allowed to") || has("doesn't have '") || has("access to unauthorized") {
        return denied(message);
    }
    let code = if has("lock date") || has("locked period") || has("period is locked") {
        "period_locked"
    } else if has("no matching record found") || has("does not exist or has been deleted") {
        "missing_record"
    } else if has("already reconciled") {
        "already_reconciled"
    } else if has("missing required value") {
        "missing_value"
    } else {
        "refused_by_odoo"
    };
    refused(code, message)
}

/// What a right is missing for, as Odoo says it: "You are not allowed to create 'Payments'
/// (account.payment) records.", or of a record rule "Sorry, User (id=5) doesn't have 'write' access
/// to: - Journal Entry (account.move)".
fn denied(message: &str) -> CallError {
    // The models of a company that is not ours are all of them.
    if message.to_lowercase().contains("access to unauthorized") {
        return CallError::NotSetUp { why: short(message) };
    }
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let by_model = after("ou are not allowed to ");
    let by_rule = after("doesn't have '");
    let word = by_model.or(by_rule).and_then(|rest| rest.split([' ', '\'']).next());
    let rest = by_model.or(by_rule).unwrap_or_default();
    let models = rest.split('(').skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let model = models.into_iter().find(|it| it.contains('.') && !it.contains([' ', ',', '=']));
    let lacks = match (word, model) {
        (Some(word), Some(model)) => {
            let word = match word {
                "access" => "read",
                "modify" => "write",
                other => other,
            };
            let some = if by_model.is_none() { "some records of " } else { "" };
            format!("{word} {some}{model}")
        }
        _ => format!("do this: {}", short(message)),
    };
    CallError::Denied { lacks }
}

pub fn refused(code: &str, reason: &str) -> CallError {
    CallError::Refused { reason_code: code.to_owned(), reason: short(reason) }
}

/// Texts of Odoo can quote whole rows of its database.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

fn retry_after_ms(reply: &Reply) -> Option<u64> {
    let seconds: u64 = reply.header("retry-after")?.trim().parse().ok()?;
    seconds.min(3_600).checked_mul(1_000)
}

fn looks_like_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str, writes: bool) -> String {
        let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        match read(Ok(&reply), writes) {
            Ok(_) => "answered".to_owned(),
            Err(error) => match error {
                CallError::RateLimited { .. } => "slow down".to_owned(),
                CallError::Unreachable { .. } => "unreachable".to_owned(),
                CallError::Busy { .. } => "busy".to_owned(),
                CallError::ReplyLost { .. } => "lost".to_owned(),
                CallError::Refused { reason_code, .. } => format!("refused {reason_code}"),
                CallError::Unauthorized => "unauthorized".to_owned(),
                CallError::NotSetUp { .. } => "not set up".to_owned(),
                CallError::Denied { .. } => "denied".to_owned(),
                CallError::AnotherTarget { .. } | CallError::Unfit { .. } => "changed".to_owned(),
            },
        }
    }

    fn fault(name: &str, message: &str) -> String {
        serde_json::json!({"name": name, "message": message, "arguments": [], "context": {}, "debug": "x"})
            .to_string()
    }

    #[test]
    fn every_reply_of_a_write_has_one_meaning() {
        let check = |status: u16, body: &str, expected: &str| {
            assert_eq!(class(status, body, true), expected, "{status} {body}");
        };
        check(200, "[1]", "answered");
        check(200, "null", "answered");
        check(200, "<html>login</html>", "lost");
        check(200, "{\"ids\":[1", "lost");
        check(401, &fault("werkzeug.exceptions.Unauthorized", "Invalid apikey"), "unauthorized");
        check(403, &fault("odoo.exceptions.AccessError", "no"), "denied");
        check(
            403,
            &fault("odoo.exceptions.AccessError", "Access to unauthorized or invalid companies."),
            "not set up",
        );
        check(403, &fault("werkzeug.exceptions.Forbidden", "no"), "not set up");
        check(404, &fault("odoo.exceptions.MissingError", "gone"), "refused missing_record");
        check(
            404,
            &fault("werkzeug.exceptions.NotFound", "the model 'x' does not exist"),
            "not set up",
        );
        check(404, "<html>", "not set up");
        check(409, &fault("odoo.exceptions.LockError", "locked"), "busy");
        check(413, "", "refused too_large");
        check(422, &fault("odoo.exceptions.UserError", "no"), "refused refused_by_odoo");
        check(
            422,
            &fault(
                "odoo.exceptions.UserError",
                "could not serialize access due to concurrent update",
            ),
            "busy",
        );
        check(
            422,
            &fault("odoo.exceptions.UserError", "before the Hard Lock Date"),
            "refused period_locked",
        );
        check(429, "", "slow down");
        check(500, &fault("builtins.ValueError", "Invalid field"), "refused mistake");
        check(500, &fault("psycopg2.errors.SerializationFailure", "x"), "busy");
        check(500, &fault("psycopg2.OperationalError", "x"), "lost");
        check(500, "<html>", "lost");
        check(502, "<html>", "lost");
        check(503, "", "lost");
        check(504, "", "lost");
    }

    #[test]
    fn b13_a_right_that_is_missing_is_named_with_its_model() {
        let lacks = |message: &str| match denied(message) {
            CallError::Denied { lacks } => lacks,
            other => panic!("{other:?}"),
        };
        let create = "You are not allowed to create 'Payments' (account.payment) records.\n\nThis \
                      operation is allowed for the following groups:\n\t- Invoicing (Accounting)";
        assert_eq!(lacks(create), "create account.payment");
        let read = "You are not allowed to access 'Model Data' (ir.model.data) records.";
        assert_eq!(lacks(read), "read ir.model.data");
        let rule = "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, \
                    Hub (id=5) doesn't have 'write' access to:\n- Journal Entry (account.move)";
        assert_eq!(lacks(rule), "write some records of account.move");
        assert_eq!(lacks("No.\nNo."), "do this: No.");
    }

    /// Somebody made it under our key a moment before: the next attempt finds it there.
    #[test]
    fn b7_a_key_that_is_there_already_is_no_refusal() {
        let error = "duplicate key value violates unique constraint \
                     \"ir_model_data_module_name_uniq_index\"";
        let said = fault("odoo.exceptions.ValidationError", error);
        assert_eq!(class(422, &said, true), "busy");
        // Another constraint is the content's own fault.
        let other = "duplicate key value violates unique constraint \"res_partner_vat_uniq\"";
        let said = fault("odoo.exceptions.ValidationError", other);
        assert_eq!(class(422, &said, true), "refused refused_by_odoo");
    }

    #[test]
    fn a_read_whose_reply_is_lost_is_simply_asked_again() {
        assert_eq!(class(502, "<html>", false), "unreachable");
        assert_eq!(class(500, &fault("psycopg2.OperationalError", "x"), false), "unreachable");
    }

    #[test]
    fn b9_a_wait_that_was_asked_for_is_bounded() {
        let headers = vec![("retry-after".to_owned(), "99999999999".to_owned())];
        let reply = Reply { status: 429, headers, body: Vec::new() };
        let error = read(Ok(&reply), true).unwrap_err();
        assert_eq!(error, CallError::RateLimited { retry_after_ms: Some(3_600_000) });
    }
}
