//! What the status of a reply means, in the only terms that the hub needs.

use trueup_connect::{CallError, Reply};

/// Error texts quote at most this much of what a portal says.
const REASON_CHARS_MAX: usize = 300;

/// Passes a reply that succeeded. Every request of this connector only reads, so a failure on the
/// portal's side is never an unknown effect: it is asked again.
pub fn check(reply: &Reply) -> Result<(), CallError> {
    match reply.status {
        200..=299 => Ok(()),
        401 => Err(CallError::Unauthorized),
        403 => Err(CallError::NotSetUp { why: why(reply) }),
        429 => Err(CallError::RateLimited { retry_after_ms: retry_after_ms(reply) }),
        408 | 409 | 425 | 500.. => Err(CallError::Busy { why: why(reply) }),
        status => {
            Err(CallError::Refused { reason_code: format!("http_{status}"), reason: why(reply) })
        }
    }
}

fn why(reply: &Reply) -> String {
    let said = std::str::from_utf8(&reply.body).unwrap_or_default().trim();
    if said.is_empty() || said.starts_with('<') {
        return format!("HTTP status {}", reply.status);
    }
    said.chars().take(REASON_CHARS_MAX).collect()
}

fn retry_after_ms(reply: &Reply) -> Option<u64> {
    reply.header("retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
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
        check_reply(200, &[], "{}", "ok");
        check_reply(401, &[], "", "TU105 Suspend: the target no longer accepts our credentials");
        check_reply(403, &[], "no", "TU107 Suspend: the target is not set up for this: no");
        check_reply(
            404,
            &[],
            "",
            "TU104 DeadLetter: the target refused: HTTP status 404 (http_404)",
        );
        check_reply(
            429,
            &[("Retry-After", "7")],
            "",
            "TU101 Retry { after: Some(7s) }: the target asked us to slow down",
        );
        check_reply(
            429,
            &[("retry-after", "soon")],
            "",
            "TU101 Retry { after: None }: the target asked us to slow down",
        );
        check_reply(
            503,
            &[],
            "<html>",
            "TU106 Retry { after: None }: the target is busy: HTTP status 503",
        );
    }
}
