//! What a reply of the shop means, in the only terms that the hub needs.
//!
//! Everything here is a read, so whatever did not answer may simply be asked again: nothing is ever
//! *unknown*. A shop stands behind caches, firewalls and maintenance pages, which answer in HTML
//! and with any status; only JSON is the shop's own word.

use serde::Deserialize;
use trueup_connect::{CallError, Reply};

/// Error texts quote at most this much of what the shop says.
const REASON_CHARS_MAX: usize = 300;

/// A shop in maintenance says ten minutes; longer is left to the hub's own pace.
const RETRY_AFTER_S_MAX: u64 = 600;

/// The code of a reply about an order that is not there.
const NO_SUCH_ORDER: &str = "woocommerce_rest_shop_order_invalid_id";

/// An error as WordPress states it.
#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    message: String,
}

impl Problem {
    fn of(reply: &Reply) -> Option<Self> {
        serde_json::from_slice(&reply.body).ok()
    }

    fn text(&self) -> String {
        let text: String = self.message.chars().take(REASON_CHARS_MAX).collect();
        let code: String = self.code.chars().take(80).collect();
        format!("{text} ({code})")
    }
}

/// Reads the body of a reply that succeeded.
pub fn read<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<T, CallError> {
    check(reply)?;
    serde_json::from_slice(&reply.body)
        .map_err(|error| unreachable(reply, &format!("the reply cannot be read: {error}")))
}

/// The shop itself says that it has no such order.
pub fn is_gone(reply: &Reply) -> bool {
    reply.status == 404 && Problem::of(reply).is_some_and(|problem| problem.code == NO_SUCH_ORDER)
}

fn check(reply: &Reply) -> Result<(), CallError> {
    let problem = Problem::of(reply);
    match (reply.status, problem) {
        (200..=299, _) => Ok(()),
        // The same words for a key without rights and for any key over plain http.
        (401, Some(problem)) if problem.code == "woocommerce_rest_cannot_view" => {
            let text = problem.text();
            let why = format!("{text}; the key's user may not see it, or `url` is not https");
            Err(CallError::NotSetUp { why })
        }
        (401, _) => Err(CallError::Unauthorized),
        (403, Some(problem)) => Err(CallError::NotSetUp { why: problem.text() }),
        (404, Some(problem)) if problem.code == "rest_no_route" => {
            let text = problem.text();
            let why =
                format!("{text}; `url` is not the address of a shop with {}", crate::API_VERSION);
            Err(CallError::NotSetUp { why })
        }
        (404, None) => Err(CallError::NotSetUp {
            why: "there is no REST API at `url`; permalinks may be plain".to_owned(),
        }),
        (429, _) => Err(CallError::RateLimited { retry_after_ms: retry_after_ms(reply) }),
        (503, _) if retry_after_ms(reply).is_some() => {
            Err(CallError::RateLimited { retry_after_ms: retry_after_ms(reply) })
        }
        (500..=599, Some(problem)) => Err(CallError::Busy { why: problem.text() }),
        (_, Some(problem)) => {
            let reason_code = problem.code.chars().take(80).collect();
            let reason = problem.message.chars().take(REASON_CHARS_MAX).collect();
            Err(CallError::Refused { reason_code, reason })
        }
        (_, None) => Err(unreachable(reply, "no answer of the shop")),
    }
}

fn unreachable(reply: &Reply, why: &str) -> CallError {
    CallError::Unreachable { why: format!("{why} ({})", reply.status) }
}

fn retry_after_ms(reply: &Reply) -> Option<u64> {
    let seconds: u64 = reply.header("retry-after")?.trim().parse().ok()?;
    Some(seconds.min(RETRY_AFTER_S_MAX) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Reply { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    fn check_reply(status: u16, headers: &[(&str, &str)], body: &str, expected: &str) {
        let got = match read::<Vec<u8>>(&reply(status, headers, body)) {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{} {:?}: {error}", error.code(), error.next_step()),
        };
        assert_eq!(got, expected, "{status} {body}");
    }

    #[test]
    fn each_reply_has_one_next_step() {
        let problem = |code: &str, text: &str| {
            format!(r#"{{"code":"{code}","message":"{text}","data":{{"status":0}}}}"#)
        };
        let html = "<html><body>Attention Required!</body></html>";
        check_reply(200, &[], "[]", "ok");
        check_reply(
            200,
            &[],
            html,
            "TU102 Retry { after: None }: the target could not be reached: the reply cannot be \
             read: expected value at line 1 column 1 (200)",
        );
        check_reply(
            401,
            &[],
            &problem("woocommerce_rest_authentication_error", "Consumer secret is invalid."),
            "TU105 Suspend: the target no longer accepts our credentials",
        );
        check_reply(
            401,
            &[],
            &problem("woocommerce_rest_cannot_view", "Sorry, you cannot list resources."),
            "TU107 Suspend: the target is not set up for this: Sorry, you cannot list resources. \
             (woocommerce_rest_cannot_view); the key's user may not see it, or `url` is not https",
        );
        check_reply(
            403,
            &[],
            &problem("rest_forbidden", "Sorry, you are not allowed to do that."),
            "TU107 Suspend: the target is not set up for this: Sorry, you are not allowed to do \
             that. (rest_forbidden)",
        );
        check_reply(
            403,
            &[],
            html,
            "TU102 Retry { after: None }: the target could not be reached: no answer of the shop \
             (403)",
        );
        check_reply(
            404,
            &[],
            &problem("rest_no_route", "No route was found."),
            "TU107 Suspend: the target is not set up for this: No route was found. \
             (rest_no_route); `url` is not the address of a shop with wc/v3",
        );
        check_reply(
            404,
            &[],
            html,
            "TU107 Suspend: the target is not set up for this: there is no REST API at `url`; \
             permalinks may be plain",
        );
        check_reply(
            404,
            &[],
            &problem("woocommerce_rest_shop_order_invalid_id", "Invalid ID."),
            "TU104 DeadLetter: the target refused: Invalid ID. \
             (woocommerce_rest_shop_order_invalid_id)",
        );
        check_reply(
            400,
            &[],
            &problem("rest_invalid_param", "Invalid parameter(s): orderby"),
            "TU104 DeadLetter: the target refused: Invalid parameter(s): orderby \
             (rest_invalid_param)",
        );
        check_reply(
            429,
            &[],
            html,
            "TU101 Retry { after: None }: the target asked us to slow down",
        );
        check_reply(
            429,
            &[("retry-after", "7")],
            "",
            "TU101 Retry { after: Some(7s) }: the target asked us to slow down",
        );
        check_reply(
            503,
            &[("Retry-After", "86400")],
            html,
            "TU101 Retry { after: Some(600s) }: the target asked us to slow down",
        );
        check_reply(
            500,
            &[],
            &problem("internal_server_error", "There has been a critical error."),
            "TU106 Retry { after: None }: the target is busy: There has been a critical error. \
             (internal_server_error)",
        );
        check_reply(
            502,
            &[],
            html,
            "TU102 Retry { after: None }: the target could not be reached: no answer of the shop \
             (502)",
        );
    }

    #[test]
    fn only_the_shops_own_word_says_that_an_order_is_gone() {
        let gone = r#"{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID."}"#;
        assert!(is_gone(&reply(404, &[], gone)));
        assert!(!is_gone(&reply(404, &[], r#"{"code":"rest_no_route","message":""}"#)));
        assert!(!is_gone(&reply(404, &[], "<html>")));
        assert!(!is_gone(&reply(200, &[], gone)));
    }
}
