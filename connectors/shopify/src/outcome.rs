//! What a reply of the vendor means for the call.
//!
//! Shopify says no in three places: the HTTP status, `errors` in a reply of 200, and `userErrors`
//! inside the data of a mutation. Everything here is a read, so whatever did not answer may simply
//! be asked again: nothing is ever *unknown*.

use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::json::NumberText;
use trueup_connect::limits::{Draw, Limits, Rate, Said, UNIT, millionths};
use trueup_connect::{CallError, Reply, Request};

/// A reply that holds no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The bucket is empty; it has enough after this long.
    Throttled {
        wait_ms: u64,
    },
    Failed(CallError),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    cost: Option<Cost>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    requested_query_cost: Option<NumberText>,
    throttle_status: Option<Throttle>,
}

/// The points of a shop and application: what is taken beyond what a query really cost, Shopify
/// gives back (API rate limits, calculated query cost).
pub static LIMITS: Limits = Limits { draws, says };

/// A shop of the plan that is given least, until a reply says what this one is.
const LEAST: Rate = Rate::per_second(100, 2_000);
/// A query that was not asked before.
const COST: u64 = 100 * UNIT;

fn draws(_: &str, request: &Request) -> Option<Draw> {
    // The first words name the operation: `{"query":"query TrueupOrders($query: …`.
    let text =
        String::from_utf8_lossy(request.body.get(..120).unwrap_or(&request.body)).into_owned();
    let kind = text.split_once("Trueup").map_or("", |(_, rest)| rest);
    let kind =
        kind.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    let call = Draw::call("points", LEAST);
    Some(Draw { kind: kind.to_owned(), cost: COST, ..call })
}

fn says(reply: &Reply) -> Said {
    #[derive(Deserialize)]
    struct Extended {
        extensions: Option<Extensions>,
    }
    let extended = serde_json::from_slice::<Extended>(&reply.body).ok();
    let cost = extended.and_then(|it| it.extensions).and_then(|it| it.cost);
    let Some(cost) = cost else { return Said::default() };
    let read = |text: Option<&NumberText>| text.and_then(|text| millionths(text.as_str()));
    let throttle = cost.throttle_status.as_ref();
    Said {
        most: read(throttle.and_then(|it| it.maximum_available.as_ref())),
        per_second: read(throttle.and_then(|it| it.restore_rate.as_ref())),
        left: read(throttle.and_then(|it| it.currently_available.as_ref())),
        cost: read(cost.requested_query_cost.as_ref()),
        // What is left says it better.
        refused: false,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttle {
    maximum_available: Option<NumberText>,
    currently_available: Option<NumberText>,
    restore_rate: Option<NumberText>,
}

#[derive(Deserialize)]
struct ErrorSaid {
    message: Option<String>,
    extensions: Option<ErrorExtensions>,
}

#[derive(Deserialize)]
struct ErrorExtensions {
    code: Option<String>,
}

/// Waiting longer than this is no throttling; shorter is impolite.
const WAIT_MS: std::ops::RangeInclusive<u64> = 500..=60_000;

/// Where a throttled reply does not say how long.
const WAIT_UNSAID_MS: u64 = 2_000;

/// A `429` without a usable `Retry-After` leaves the time to the hub.
const RETRY_AFTER_MAX_MS: u64 = 600_000;

/// The data of a reply.
pub fn data(reply: &Reply) -> Result<&RawValue, Trouble> {
    match reply.status {
        200 => {}
        401 | 403 => return failed(CallError::Unauthorized),
        402 | 423 => return failed(not_set_up("the shop is frozen or locked")),
        404 => return failed(not_set_up("no such shop or API version")),
        // 430 is Shopify's own way to say 429.
        429 | 430 => {
            return failed(CallError::RateLimited { retry_after_ms: retry_after(reply) });
        }
        500..=599 => return failed(unreachable(reply, "the vendor failed")),
        status => {
            return failed(CallError::Refused {
                reason_code: status.to_string(),
                reason: excerpt(&reply.body),
            });
        }
    }
    // A page of HTML with status 200 comes from whoever stands between us and the vendor.
    let envelope = std::str::from_utf8(&reply.body).ok();
    let envelope = envelope.and_then(|text| serde_json::from_str::<Envelope<'_>>(text).ok());
    let Some(envelope) = envelope else {
        return failed(unreachable(reply, "the reply is no JSON"));
    };
    if let Some(errors) = envelope.errors.filter(|errors| errors.get() != "[]") {
        return Err(trouble(errors, envelope.extensions.as_ref()));
    }
    envelope.data.ok_or_else(|| Trouble::Failed(unreachable(reply, "the reply has no data")))
}

fn failed<T>(error: CallError) -> Result<T, Trouble> {
    Err(Trouble::Failed(error))
}

fn trouble(errors: &RawValue, extensions: Option<&Extensions>) -> Trouble {
    let Ok(said) = serde_json::from_str::<Vec<ErrorSaid>>(errors.get()) else {
        let reason = excerpt(errors.get().as_bytes());
        return Trouble::Failed(CallError::Refused { reason_code: "errors".to_owned(), reason });
    };
    let codes = said.iter().filter_map(|error| error.extensions.as_ref()?.code.as_deref());
    let has = |code: &str| codes.clone().any(|own| own == code);
    let reason = said.iter().find_map(|error| error.message.as_deref()).unwrap_or("");
    let reason = excerpt(reason.as_bytes());
    if has("THROTTLED") {
        return Trouble::Throttled { wait_ms: wait(extensions).unwrap_or(WAIT_UNSAID_MS) };
    }
    Trouble::Failed(if has("ACCESS_DENIED") || has("SHOP_INACTIVE") {
        CallError::NotSetUp { why: reason }
    } else if has("INTERNAL_SERVER_ERROR") || has("TIMEOUT") {
        CallError::Busy { why: reason }
    } else {
        let reason_code = codes.clone().next().unwrap_or("errors").chars().take(80).collect();
        CallError::Refused { reason_code, reason }
    })
}

/// (requested − available) / restored per second.
fn wait(extensions: Option<&Extensions>) -> Option<u64> {
    let cost = extensions?.cost.as_ref()?;
    let throttle = cost.throttle_status.as_ref()?;
    let requested = points(cost.requested_query_cost.as_ref()?)?;
    let available = points(throttle.currently_available.as_ref()?)?;
    let restored = points(throttle.restore_rate.as_ref()?)?.max(1);
    let missing_ms = requested.saturating_sub(available).saturating_mul(1000);
    Some(missing_ms.div_ceil(restored).clamp(*WAIT_MS.start(), *WAIT_MS.end()))
}

/// Points are written as `2000` or `2000.0`.
fn points(text: &NumberText) -> Option<u64> {
    text.as_str().split('.').next()?.parse().ok()
}

/// `Retry-After` in seconds, which Shopify writes as `2.0`.
fn retry_after(reply: &Reply) -> Option<u64> {
    let text = reply.header("retry-after")?.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = whole.parse().ok()?;
    let up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(seconds.saturating_add(up).saturating_mul(1000).min(RETRY_AFTER_MAX_MS))
}

fn not_set_up(why: &str) -> CallError {
    CallError::NotSetUp { why: why.to_owned() }
}

fn unreachable(reply: &Reply, why: &str) -> CallError {
    CallError::Unreachable { why: format!("{why} ({})", reply.status) }
}

/// Errors quote little of what came from outside.
fn excerpt(text: &[u8]) -> String {
    let shown = text.get(..200).unwrap_or(text);
    String::from_utf8_lossy(shown).chars().filter(|sign| !sign.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    fn check(status: u16, body: &str, expected: &str) {
        let reply = reply(status, body);
        let shown = match data(&reply) {
            Ok(data) => format!("data {}", data.get()),
            Err(Trouble::Throttled { wait_ms }) => format!("wait {wait_ms}"),
            Err(Trouble::Failed(error)) => format!("{} {error}", error.code()),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn each_reply_has_its_meaning() {
        check(200, r#"{"data":{"orders":{}}}"#, r#"data {"orders":{}}"#);
        check(
            401,
            r#"{"errors":"[API] Invalid API key"}"#,
            "TU105 the target no longer accepts our credentials",
        );
        check(403, "", "TU105 the target no longer accepts our credentials");
        check(429, "", "TU101 the target asked us to slow down");
        check(500, "<html>", "TU102 the target could not be reached: the vendor failed (500)");
        check(200, "<html>", "TU102 the target could not be reached: the reply is no JSON (200)");
        check(200, "{}", "TU102 the target could not be reached: the reply has no data (200)");
        check(400, "no", "TU104 the target refused: no (400)");
        check(404, "", "TU107 the target is not set up for this: no such shop or API version");
        check(
            200,
            r#"{"data":{"orders":null},"errors":[{"message":"Access denied for orders field.","extensions":{"code":"ACCESS_DENIED"}}]}"#,
            "TU107 the target is not set up for this: Access denied for orders field.",
        );
        check(
            200,
            r#"{"errors":[{"message":"Field 'x' doesn't exist","extensions":{"code":"undefinedField"}}]}"#,
            "TU104 the target refused: Field 'x' doesn't exist (undefinedField)",
        );
    }

    #[test]
    fn c1_a_throttled_reply_says_how_long() {
        let throttled = |cost: &str| {
            format!(
                r#"{{"errors":[{{"message":"Throttled","extensions":{{"code":"THROTTLED"}}}}],"extensions":{{"cost":{cost}}}}}"#
            )
        };
        let cost = r#"{"requestedQueryCost":502,"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":102,"restoreRate":50.0}}"#;
        check(200, &throttled(cost), "wait 8000");
        check(200, &throttled("{}"), "wait 2000");
    }

    #[test]
    fn points_are_read_as_shopify_counts_them() {
        let body = br#"{"data":{},"extensions":{"cost":{"requestedQueryCost":502,"actualQueryCost":12,"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":988,"restoreRate":50.0}}}}"#;
        let reply = Reply { status: 200, headers: Vec::new(), body: body.to_vec() };
        let said = says(&reply);
        let points = |points: u64| Some(points * UNIT);
        assert_eq!((said.most, said.per_second), (points(1_000), points(50)));
        assert_eq!((said.left, said.cost), (points(988), points(502)));
        assert_eq!(says(&Reply { body: b"<html>".to_vec(), ..reply }), Said::default());
        let body = serde_json::json!({ "query": "query TrueupOrders($query: String!) {", "variables": {} });
        let draw =
            draws("", &Request::post_json("/admin/api/graphql.json", &body)).expect("points");
        assert_eq!((draw.allowance, draw.kind.as_str()), ("points", "Orders"));
    }

    #[test]
    fn retry_after_is_read_in_halves_too() {
        let mut reply = reply(429, "");
        assert_eq!(retry_after(&reply), None);
        reply.headers = vec![("retry-after".to_owned(), "2.5".to_owned())];
        assert_eq!(retry_after(&reply), Some(3000));
        reply.headers = vec![("retry-after".to_owned(), "soon".to_owned())];
        assert_eq!(retry_after(&reply), None);
    }
}
