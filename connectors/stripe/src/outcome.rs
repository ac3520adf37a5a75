//! What the status of a reply means, in the only terms that the hub needs.

use serde::Deserialize;
use trueup_connect::{CallError, Reply};

/// Error texts quote at most this much of what Stripe says.
const REASON_CHARS_MAX: usize = 300;

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Problem,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Passes a reply that succeeded. Every request of this connector only reads, so a failure on
/// Stripe's side is never an unknown effect: it is asked again.
pub fn check(reply: &Reply) -> Result<(), CallError> {
    let problem = || -> Problem {
        let body: Result<Body, _> = serde_json::from_slice(&reply.body);
        body.unwrap_or_default().error
    };
    match reply.status {
        200..=299 => Ok(()),
        401 => Err(CallError::Unauthorized),
        403 => Err(CallError::NotSetUp { why: why(&problem(), reply.status) }),
        429 => Err(CallError::RateLimited { retry_after_ms: retry_after_ms(reply) }),
        // Stripe knows best whether the same request may succeed later.
        status => match reply.header("stripe-should-retry") {
            Some("true") => Err(busy(&problem(), status)),
            Some("false") => Err(refused(problem(), status)),
            _ if status == 409 || status >= 500 => Err(busy(&problem(), status)),
            _ => Err(refused(problem(), status)),
        },
    }
}

/// Reads the body of a reply that succeeded. A page of HTML from a proxy is no answer.
pub fn read<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<T, CallError> {
    check(reply)?;
    serde_json::from_slice(&reply.body)
        .map_err(|error| CallError::ReplyLost { why: format!("unreadable body: {error}") })
}

fn busy(problem: &Problem, status: u16) -> CallError {
    CallError::Busy { why: why(problem, status) }
}

fn refused(problem: Problem, status: u16) -> CallError {
    let reason = why(&problem, status);
    let code = problem.code.or(problem.kind).unwrap_or_else(|| format!("http_{status}"));
    CallError::Refused { reason_code: code.chars().take(80).collect(), reason }
}

fn why(problem: &Problem, status: u16) -> String {
    match &problem.message {
        Some(message) => message.chars().take(REASON_CHARS_MAX).collect(),
        None => format!("HTTP status {status}"),
    }
}

/// Stripe rarely sends it, proxies do; a date form is left to the hub's own pace.
fn retry_after_ms(reply: &Reply) -> Option<u64> {
    reply.header("retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_reply(status: u16, headers: &[(&str, &str)], body: &str, expected: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let reply = Reply { status, headers: headers.collect(), body: body.as_bytes().to_vec() };
        let got = match check(&reply) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{} {:?}: {error}", error.code(), error.next_step()),
        };
        assert_eq!(got, expected, "{status} {body}");
    }

    #[test]
    fn each_reply_has_one_next_step() {
        let refunded = r#"{"error":{"code":"charge_already_refunded","message":"Charge ch_1 has already been refunded.","type":"invalid_request_error"}}"#;
        check_reply(200, &[], "{}", "ok");
        check_reply(
            400,
            &[],
            refunded,
            "TU104 DeadLetter: the target refused: Charge ch_1 has already been refunded. \
             (charge_already_refunded)",
        );
        check_reply(
            400,
            &[],
            r#"{"error":{"message":"Keys differ.","type":"idempotency_error"}}"#,
            "TU104 DeadLetter: the target refused: Keys differ. (idempotency_error)",
        );
        check_reply(
            401,
            &[],
            r#"{"error":{"message":"Invalid API Key provided: sk_test_***"}}"#,
            "TU105 Suspend: the target no longer accepts our credentials",
        );
        check_reply(
            403,
            &[],
            r#"{"error":{"message":"The key lacks rak_payout_read."}}"#,
            "TU107 Suspend: the target is not set up for this: The key lacks rak_payout_read.",
        );
        check_reply(
            404,
            &[],
            "",
            "TU104 DeadLetter: the target refused: HTTP status 404 (http_404)",
        );
        check_reply(
            409,
            &[],
            r#"{"error":{"message":"In progress.","code":"idempotency_key_in_use"}}"#,
            "TU106 Retry { after: None }: the target is busy: In progress.",
        );
        check_reply(
            429,
            &[("stripe-should-retry", "true")],
            "",
            "TU101 Retry { after: None }: the target asked us to slow down",
        );
        check_reply(
            429,
            &[("retry-after", "7")],
            "",
            "TU101 Retry { after: Some(7s) }: the target asked us to slow down",
        );
        check_reply(
            502,
            &[],
            "<html>Bad Gateway</html>",
            "TU106 Retry { after: None }: the target is busy: HTTP status 502",
        );
        check_reply(
            500,
            &[("stripe-should-retry", "false")],
            "",
            "TU104 DeadLetter: the target refused: HTTP status 500 (http_500)",
        );
        check_reply(
            400,
            &[("Stripe-Should-Retry", "true")],
            "",
            "TU106 Retry { after: None }: the target is busy: HTTP status 400",
        );
    }

    #[test]
    fn html_instead_of_json_is_no_answer() {
        let reply = Reply { status: 200, headers: Vec::new(), body: b"<html>".to_vec() };
        let got: Result<Body, CallError> = read(&reply);
        assert_eq!(got.map(|_| ()).map_err(|error| error.code()), Err("TU103"));
    }
}
