//! What the status of a reply means. Everything here is a read, so whatever did not answer may
//! simply be asked again: nothing is ever *unknown*.

use serde::Deserialize;
use trueup_connect::limits::millionths;
use trueup_connect::{CallError, Reply};

/// Error texts quote at most this much of what Amazon says.
const REASON_CHARS_MAX: usize = 300;
/// A rate that would mean a longer wait than this is no rate.
const WAIT_MAX_MS: u64 = 600_000;

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

pub fn check(reply: &Reply) -> Result<(), CallError> {
    match reply.status {
        200..=299 if reply.body.trim_ascii_start().starts_with(b"<") => {
            let why = "a page of HTML instead of an answer".to_owned();
            Err(CallError::Unreachable { why })
        }
        200..=299 => Ok(()),
        401 => Err(CallError::Unauthorized),
        // A role that the application lacks, or a token that no refresh makes good.
        403 => Err(CallError::NotSetUp { why: problem(reply).1 }),
        408 | 500..=599 => Err(CallError::Busy { why: problem(reply).1 }),
        429 => Err(CallError::RateLimited { retry_after_ms: pause_ms(reply) }),
        _ => {
            let (reason_code, reason) = problem(reply);
            Err(CallError::Refused { reason_code, reason })
        }
    }
}

/// Whether the reply refuses the token and not what was asked.
pub fn refuses_token(reply: &Reply) -> bool {
    reply.status == 401
        || (reply.status == 403 && problem(reply).1.to_lowercase().contains("token"))
}

fn problem(reply: &Reply) -> (String, String) {
    let body: Body = serde_json::from_slice(&reply.body).unwrap_or_default();
    let first = body.errors.into_iter().next().unwrap_or_default();
    let or = |text: String, other: String| if text.is_empty() { other } else { text };
    let code: String = first.code.chars().take(80).collect();
    let reason: String = first.message.chars().take(REASON_CHARS_MAX).collect();
    (
        or(code, format!("http_{}", reply.status)),
        or(reason, format!("HTTP status {}", reply.status)),
    )
}

/// Amazon says how many calls a second it allows (`0.0056`), not how long to wait, and on a refusal
/// often nothing at all.
fn pause_ms(reply: &Reply) -> Option<u64> {
    // Calls in a million seconds.
    let calls = millionths(reply.header("x-amzn-ratelimit-limit")?)?;
    let pause = 1_000_000_000_u64.checked_div(calls)?;
    Some(pause).filter(|pause| *pause <= WAIT_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Reply { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    fn check_reply(status: u16, headers: &[(&str, &str)], body: &str, expected: &str) {
        let shown = match check(&reply(status, headers, body)) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{} {:?}: {error}", error.code(), error.next_step()),
        };
        assert_eq!(shown, expected, "{status} {body}");
    }

    #[test]
    fn each_reply_has_one_next_step() {
        check_reply(200, &[], "{}", "ok");
        check_reply(
            200,
            &[],
            "<html>",
            "TU102 Retry { after: None }: the target could not be reached: a page of HTML instead \
             of an answer",
        );
        check_reply(
            400,
            &[],
            r#"{"errors":[{"code":"InvalidInput","message":"Invalid paginationToken"}]}"#,
            "TU104 DeadLetter: the target refused: Invalid paginationToken (InvalidInput)",
        );
        check_reply(401, &[], "", "TU105 Suspend: the target no longer accepts our credentials");
        check_reply(
            403,
            &[],
            r#"{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied."}]}"#,
            "TU107 Suspend: the target is not set up for this: Access to requested resource is \
             denied.",
        );
        check_reply(
            404,
            &[],
            "",
            "TU104 DeadLetter: the target refused: HTTP status 404 (http_404)",
        );
        check_reply(
            503,
            &[],
            "",
            "TU106 Retry { after: None }: the target is busy: HTTP status 503",
        );
    }

    #[test]
    fn c1_a_throttled_reply_says_a_rate_or_nothing() {
        // Recorded: a 429 without any rate.
        let recorded = r#"{"errors":[{"code":"QuotaExceeded","message":"You exceeded your quota for the requested resource.","details":""}]}"#;
        check_reply(
            429,
            &[],
            recorded,
            "TU101 Retry { after: None }: the target asked us to slow down",
        );
        let pause = |rate: &str| pause_ms(&reply(429, &[("x-amzn-RateLimit-Limit", rate)], ""));
        assert_eq!(pause("0.0056"), Some(178_571));
        assert_eq!(pause("0.5"), Some(2_000));
        assert_eq!(pause("5.0"), Some(200));
        assert_eq!(pause("0.0"), None);
        assert_eq!(pause("0.000001"), None);
        assert_eq!(pause("many"), None);
    }

    #[test]
    fn an_expired_token_is_told_from_a_missing_role() {
        let expired = r#"{"errors":[{"code":"Unauthorized","message":"The access token you provided has expired."}]}"#;
        assert!(refuses_token(&reply(403, &[], expired)));
        let denied = r#"{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied."}]}"#;
        assert!(!refuses_token(&reply(403, &[], denied)));
    }
}
