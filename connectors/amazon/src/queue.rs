//! The seller's own queue at Amazon SQS, to which Amazon sends what changed.
//!
//! Its requests are signed by the key of the queue (AWS Signature Version 4), which has nothing to
//! do with the token of the Selling Partner API. Only what a queue needs is here: one path, no
//! query, a body that is in memory.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trueup_connect::signature::origin;
use trueup_connect::{CallError, Reply, Request, Secret, Settings, Signature};

use crate::settings;

pub static SIGNATURE: Signature = Signature { setting: settings::QUEUE_URL, headers };

/// The most that one request receives or deletes.
pub const BATCH_MAX: usize = 10;
/// A message that was received and not deleted comes again after this long.
const HIDDEN_S: u32 = 600;
/// Without waiting, SQS asks only some of its servers and may say that nothing is there.
const WAIT_S: u32 = 1;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "sqs";

/// One message, as it was received.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    pub message_id: String,
    pub receipt_handle: String,
    pub body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

pub fn url(settings: &Settings) -> Option<&str> {
    settings.get(settings::QUEUE_URL)
}

pub fn receive(queue: &str) -> Result<Request, CallError> {
    let body = json!({
        "QueueUrl": queue,
        "MaxNumberOfMessages": BATCH_MAX,
        "WaitTimeSeconds": WAIT_S,
        "VisibilityTimeout": HIDDEN_S,
    });
    request(queue, "ReceiveMessage", &body)
}

/// At most [`BATCH_MAX`] handles.
pub fn delete(queue: &str, handles: &[String]) -> Result<Request, CallError> {
    let entry = |(index, handle): (usize, &String)| json!({ "Id": index.to_string(), "ReceiptHandle": handle });
    let entries: Vec<Value> = handles.iter().enumerate().map(entry).collect();
    request(queue, "DeleteMessageBatch", &json!({ "QueueUrl": queue, "Entries": entries }))
}

fn request(queue: &str, operation: &str, body: &Value) -> Result<Request, CallError> {
    let host = origin(queue).ok_or_else(|| denied("it is no address (https://…)"))?;
    let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", &target(operation))]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut request = Request::post_json(format!("{host}/"), body);
    request.headers = headers.into();
    request.timeout_ms = 30_000;
    Ok(request)
}

fn target(operation: &str) -> String {
    format!("AmazonSQS.{operation}")
}

pub fn messages(reply: &Reply) -> Result<Vec<Message>, CallError> {
    let received: Result<Received, _> = serde_json::from_slice(&reply.body);
    let unreadable = |error| CallError::Unreachable { why: format!("unexpected reply: {error}") };
    received.map(|received| received.messages).map_err(unreadable)
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

/// What a reply means. A queue that cannot be read stops nothing else: orders are swept as well.
pub fn check(reply: &Reply) -> Result<(), CallError> {
    if (200..=299).contains(&reply.status) {
        return Ok(());
    }
    let problem: Problem = serde_json::from_slice(&reply.body).unwrap_or_default();
    let kind = problem.kind.rsplit('#').next().unwrap_or_default();
    let kind: String = kind.chars().take(80).collect();
    let message: String = problem.message.chars().take(300).collect();
    Err(match (reply.status, kind.as_str()) {
        (429, _) | (_, "ThrottlingException" | "RequestThrottled") => {
            CallError::RateLimited { retry_after_ms: None }
        }
        (408 | 500..=599, _) => CallError::Busy { why: format!("HTTP status {}", reply.status) },
        (status, _) => {
            let what = if kind.is_empty() { format!("HTTP status {status}") } else { kind };
            CallError::Denied { lacks: format!("read the queue ({what}: {message})") }
        }
    })
}

/// `secret` holds the id and the secret of the queue's key behind the two parts for signing in.
fn headers(
    request: &Request,
    secret: &Secret,
    now: Timestamp,
) -> Result<Vec<(String, String)>, CallError> {
    let mut parts = secret.expose().split_whitespace().skip(2);
    let (Some(id), Some(key)) = (parts.next(), parts.next()) else {
        return Err(denied("the secret does not hold the id and the secret of its key"));
    };
    let origin = origin(&request.path).ok_or_else(|| denied("it is no address"))?;
    let host = origin.trim_start_matches("https://");
    let region = region(host)
        .ok_or_else(|| denied("its region is not in its address (sqs.REGION.amazonaws.com)"))?;
    let moment = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &moment[..8];

    let mut signed: Vec<(&str, &str)> = vec![("host", host), ("x-amz-date", &moment)];
    signed.extend(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    signed.sort_unstable();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let method = request.method.word();
    let canonical =
        format!("{method}\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(&request.body)));

    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    let canonical = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{moment}\n{scope}\n{canonical}");
    let mut signing = format!("AWS4{key}").into_bytes();
    for part in [day, region, SERVICE, "aws4_request"] {
        signing = mac(&signing, part)?;
    }
    let signature = hex(&mac(&signing, &to_sign)?);
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    Ok(vec![("x-amz-date".to_owned(), moment.clone()), ("authorization".to_owned(), authorization)])
}

/// `sqs.eu-west-1.amazonaws.com`, `sqs-fips.us-east-1.amazonaws.com`, `….sqs.us-east-1.vpce.…`.
fn region(host: &str) -> Option<&str> {
    let mut labels = host.split(['.', ':']);
    labels.find(|label| matches!(*label, "sqs" | "sqs-fips"))?;
    labels.next()
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, CallError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| denied("nothing can be signed with its key"))?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rest of the connection goes on without its queue.
fn denied(why: &str) -> CallError {
    CallError::Denied { lacks: format!("read the queue: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";

    fn signed(request: &Request, secret: &str) -> Result<Vec<(String, String)>, CallError> {
        let now = "2026-11-30T12:00:05Z".parse().expect("a moment");
        headers(request, &Secret::new(secret), now)
    }

    /// What botocore 1.44.8 makes of the same request, key and moment.
    #[test]
    fn a_request_is_signed_as_the_vendors_own_library_signs_it() {
        let mut request = receive(QUEUE).expect("a request");
        assert_eq!(request.path, "https://sqs.eu-west-1.amazonaws.com/");
        request.body = format!(r#"{{"QueueUrl":"{QUEUE}","MaxNumberOfMessages":10}}"#).into_bytes();
        let secret = "cs Atzr AKIDEXAMPLE wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let headers = signed(&request, secret).expect("signed");
        assert_eq!(headers[0], ("x-amz-date".to_owned(), "20261130T120005Z".to_owned()));
        assert_eq!(
            headers[1].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261130/eu-west-1/sqs/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
             Signature=d4f021b9667c7ffdd90930a56c1eb65a2f5e89280e0c98616ee20e582004e60c"
        );
    }

    #[test]
    fn a_queue_without_a_key_or_a_region_stops_only_itself() {
        let request = receive(QUEUE).expect("a request");
        let refused = signed(&request, "cs Atzr").expect_err("no key");
        assert_eq!(refused.code(), "TU110");
        let elsewhere = receive("https://queue.example/1/orders").expect("a request");
        assert_eq!(signed(&elsewhere, "cs Atzr id key").expect_err("no region").code(), "TU110");
        assert_eq!(receive("orders").expect_err("no address").code(), "TU110");
    }

    #[test]
    fn each_host_has_its_region() {
        for (host, own) in [
            ("sqs.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("sqs-fips.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("vpce-1-2.sqs.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
            ("queue.amazonaws.com", None),
        ] {
            assert_eq!(region(host), own, "{host}");
        }
    }

    /// The bodies are those of moto 5.2.5 and of the vendor's documentation.
    #[test]
    fn each_reply_of_a_queue_has_its_meaning() {
        let code = |status, body: &str| {
            let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
            check(&reply).map_err(|error| error.code())
        };
        assert_eq!(code(200, "{}"), Ok(()));
        let gone = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#;
        assert_eq!(code(400, gone), Err("TU110"));
        assert_eq!(
            code(
                403,
                r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#
            ),
            Err("TU110")
        );
        assert_eq!(code(400, r#"{"__type":"com.amazonaws.sqs#RequestThrottled"}"#), Err("TU101"));
        assert_eq!(code(503, ""), Err("TU106"));
        assert_eq!(code(403, "<html>"), Err("TU110"));
    }
}
