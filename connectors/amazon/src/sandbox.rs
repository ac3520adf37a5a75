//! Amazon played by a pure function: the token endpoint, orders, reports and their documents, and the
//! queue in which orders are announced.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trueup_connect::limits::UNIT;
use trueup_connect::sandbox::{Meter, Sandbox};
use trueup_connect::{Method, Reply, Request};

use crate::{auth, limits};

/// Orders of one page.
const PAGE: usize = 100;
const TOKEN_LIVES_S: u32 = 3_600;
/// The queue of the seller, where it has one.
pub const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
const QUEUE_HOST: &str = "https://sqs.eu-west-1.amazonaws.com/";
const DOCUMENTS_HOST: &str = "https://documents.sandbox.example/";

/// What goes wrong with the next call, on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 429 without any header, as recorded.
    Throttled,
    /// 429 with the rate.
    ThrottledAt(&'static str),
    Outage,
    HtmlPage,
    /// The token is refused before its time.
    TokenRevoked,
    /// The application lacks a role.
    Denied,
    /// A page whose next page is itself.
    Circle,
}

struct Stored {
    order: Value,
    updated: Timestamp,
}

struct Report {
    id: String,
    created: Timestamp,
    body: Vec<u8>,
    gzip: bool,
}

/// A message in the queue.
struct Announced {
    id: String,
    body: String,
    /// How often it was received; each time it has another handle.
    times: u32,
    hidden_until: Timestamp,
}

/// A seller's account.
#[derive(Default)]
pub struct AmazonSandbox {
    orders: Vec<Stored>,
    reports: Vec<Report>,
    queue: Option<Vec<Announced>>,
    announced: u32,
    troubles: VecDeque<Trouble>,
    /// The token that is good, and until when.
    token: Option<(String, Timestamp)>,
    tokens: u32,
    /// What is left of each operation's allowance.
    meters: BTreeMap<&'static str, Meter>,
    /// Orders of a page, where less than Amazon gives.
    page: Option<usize>,
    /// Calls that an allowance did not suffice for.
    pub refused: u32,
    /// The calls that were answered, by method and path without its query; those for tokens apart.
    pub calls: Vec<String>,
}

impl AmazonSandbox {
    pub fn new() -> Self {
        Self::default()
    }

    /// So many orders come with a page.
    #[must_use]
    pub fn with_pages_of(mut self, orders: usize) -> Self {
        self.page = Some(orders);
        self
    }

    /// Orders that change are announced in [`QUEUE`].
    #[must_use]
    pub fn with_queue(mut self) -> Self {
        self.queue = Some(Vec::new());
        self
    }

    /// How many messages the queue holds, received or not.
    pub fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, Vec::len)
    }

    pub fn trouble(&mut self, trouble: Trouble) {
        self.troubles.push_back(trouble);
    }

    /// The order is as `order` says from now on; its times are set by the sandbox where absent.
    pub fn put_order(&mut self, mut order: Value, now: Timestamp) {
        if order.get("createdTime").is_none() {
            order["createdTime"] = json!(now.to_string());
        }
        order["lastUpdatedTime"] = json!(now.to_string());
        let id = order["orderId"].clone();
        self.announce(&order, now);
        self.orders.retain(|known| known.order["orderId"] != id);
        self.orders.push(Stored { order, updated: now });
    }

    fn announce(&mut self, order: &Value, now: Timestamp) {
        let Some(queue) = &mut self.queue else { return };
        self.announced += 1;
        let id = format!("00000000-0000-0000-0000-{:012}", self.announced);
        let body = json!({
            "NotificationVersion": "1.0",
            "NotificationType": "ORDER_CHANGE",
            "PayloadVersion": "1.0",
            "EventTime": now.to_string(),
            "Payload": { "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "AmazonOrderId": order["orderId"],
                "OrderChangeType": "OrderStatusChange",
            } },
            "NotificationMetadata": { "NotificationId": id, "PublishTime": now.to_string() },
        });
        queue.push(Announced { id, body: body.to_string(), times: 0, hidden_until: now });
    }

    /// Amazon closes a settlement and makes its report.
    pub fn settle(&mut self, file: &str, gzip: bool, now: Timestamp) {
        let body = if gzip { packed(file.as_bytes()) } else { file.as_bytes().to_vec() };
        let id = format!("{}", 50_000 + self.reports.len());
        self.reports.push(Report { id, created: now, body, gzip });
    }

    fn answer(&mut self, request: &Request, now: Timestamp) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if request.method == Method::Post && path == auth::TOKEN_URL {
            return self.new_token(request, now);
        }
        if path == QUEUE_HOST {
            return self.queued_at(request, now);
        }
        if let Some(document) = path.strip_prefix(DOCUMENTS_HOST) {
            return self.document(document);
        }
        if let Some(reply) = self.refuse(request, now) {
            return reply;
        }
        let rest = |prefix: &str| path.strip_prefix(prefix).map(str::to_owned);
        match path {
            "/orders/2026-01-01/orders" => self.search(query),
            "/reports/2021-06-30/reports" => self.list(query),
            _ => match (rest("/orders/2026-01-01/orders/"), rest("/reports/2021-06-30/documents/"))
            {
                (Some(id), _) => self.one_order(&id),
                (_, Some(id)) => self.describe(&id),
                _ => problem(404, "NotFound", "The resource does not exist"),
            },
        }
    }

    fn refuse(&mut self, request: &Request, now: Timestamp) -> Option<Reply> {
        let given = request.headers.iter().find(|(name, _)| name == auth::TOKEN_HEADER);
        let good = self.token.as_ref().is_some_and(|(token, until)| {
            now < *until && given.is_some_and(|(_, given)| given == token)
        });
        if !good {
            return Some(problem(
                403,
                "Unauthorized",
                "The access token you provided has expired.",
            ));
        }
        let (operation, rate) = limits::operation(&request.path)?;
        let meter = self.meters.entry(operation).or_insert_with(|| Meter::full(rate));
        if meter.take(UNIT, UNIT, now) {
            return None;
        }
        // As recorded: without any header.
        self.refused += 1;
        Some(throttled(&[]))
    }

    fn new_token(&mut self, request: &Request, now: Timestamp) -> Reply {
        let body = String::from_utf8_lossy(&request.body);
        if !body.starts_with("grant_type=refresh_token&") {
            return Reply {
                status: 400,
                headers: Vec::new(),
                body: br#"{"error":"unsupported_grant_type"}"#.to_vec(),
            };
        }
        self.tokens += 1;
        let token = format!("Atza|{}", self.tokens);
        let until = now + SignedDuration::from_secs(i64::from(TOKEN_LIVES_S));
        self.token = Some((token.clone(), until));
        json_reply(&json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": TOKEN_LIVES_S,
        }))
    }

    fn search(&self, query: &str) -> Reply {
        let moment = |name: &str| -> Option<Timestamp> { value_of(query, name)?.parse().ok() };
        let updated = (moment("lastUpdatedAfter"), moment("lastUpdatedBefore"));
        let created = (moment("createdAfter"), moment("createdBefore"));
        let (by_update, from, to) = match (updated, created) {
            ((Some(from), Some(to)), (None, None)) => (true, from, to),
            ((None, None), (Some(from), Some(to))) => (false, from, to),
            _ => {
                return problem(400, "InvalidInput", "lastUpdatedAfter or createdAfter is missing");
            }
        };
        let at = |one: &Stored| match (by_update, one.order["createdTime"].as_str()) {
            (false, Some(created)) => created.parse().unwrap_or(one.updated),
            _ => one.updated,
        };
        let start: usize = match value_of(query, "paginationToken") {
            None => 0,
            Some(token) => match token.strip_prefix("page=").and_then(|at| at.parse().ok()) {
                Some(at) => at,
                None => return problem(400, "InvalidInput", "Invalid paginationToken"),
            },
        };
        let mut found: Vec<&Stored> =
            self.orders.iter().filter(|one| (from..=to).contains(&at(one))).collect();
        found.sort_by_key(|one| one.updated);
        let size = self.page.unwrap_or(PAGE);
        let page: Vec<&Value> = found.iter().skip(start).take(size).map(|one| &one.order).collect();
        let mut body = json!({ "orders": page, "lastUpdatedBefore": to.to_string() });
        if found.len() > start + size {
            body["pagination"] = json!({ "nextToken": format!("page={}", start + size) });
        }
        json_reply(&body)
    }

    fn one_order(&self, id: &str) -> Reply {
        match self.orders.iter().find(|one| one.order["orderId"] == id) {
            Some(one) => json_reply(&json!({ "order": one.order })),
            None => problem(404, "NotFound", "The order does not exist"),
        }
    }

    fn list(&self, query: &str) -> Reply {
        let since: Option<Timestamp> =
            value_of(query, "createdSince").and_then(|text| text.parse().ok());
        let Some(since) = since else {
            return problem(400, "InvalidInput", "createdSince is missing");
        };
        let newest_first = self.reports.iter().rev().filter(|report| report.created >= since);
        let reports: Vec<Value> = newest_first
            .map(|report| {
                json!({
                    "reportId": report.id,
                    "reportType": "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2",
                    "processingStatus": "DONE",
                    "createdTime": report.created.to_string(),
                    "reportDocumentId": format!("amzn1.spdoc.{}", report.id),
                })
            })
            .collect();
        json_reply(&json!({ "reports": reports }))
    }

    fn queued_at(&mut self, request: &Request, now: Timestamp) -> Reply {
        let header = |name: &str| {
            let found = request.headers.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        if !header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=") {
            return refused(403, "com.amazon.coral.service#MissingAuthenticationTokenException");
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(queue) = self.queue.as_mut().filter(|_| asked["QueueUrl"] == QUEUE) else {
            return refused(400, "com.amazonaws.sqs#QueueDoesNotExist");
        };
        match header("x-amz-target") {
            "AmazonSQS.ReceiveMessage" => {
                let most = asked["MaxNumberOfMessages"].as_u64().unwrap_or(1).min(10);
                let hidden =
                    SignedDuration::from_secs(asked["VisibilityTimeout"].as_i64().unwrap_or(30));
                let there = queue.iter_mut().filter(|message| message.hidden_until <= now);
                let given = there.take(usize::try_from(most).unwrap_or(1)).map(|message| {
                    message.times += 1;
                    message.hidden_until = now + hidden;
                    json!({ "MessageId": message.id, "ReceiptHandle": handle(message),
                        "Body": message.body })
                });
                let given: Vec<Value> = given.collect();
                json_reply(&if given.is_empty() { json!({}) } else { json!({ "Messages": given }) })
            }
            "AmazonSQS.DeleteMessageBatch" => {
                let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
                let (mut done, mut failed) = (Vec::new(), Vec::new());
                for entry in entries {
                    let known = queue.iter().position(|one| entry["ReceiptHandle"] == handle(one));
                    match known {
                        Some(at) => {
                            queue.remove(at);
                            done.push(json!({ "Id": entry["Id"] }));
                        }
                        None => failed.push(json!({ "Id": entry["Id"], "SenderFault": true,
                            "Code": "ReceiptHandleIsInvalid" })),
                    }
                }
                json_reply(&json!({ "Successful": done, "Failed": failed }))
            }
            _ => refused(400, "com.amazonaws.sqs#InvalidAction"),
        }
    }

    fn report(&self, document: &str) -> Option<&Report> {
        let id = document.strip_prefix("amzn1.spdoc.")?;
        self.reports.iter().find(|report| report.id == id)
    }

    fn describe(&self, document: &str) -> Reply {
        let Some(report) = self.report(document) else {
            return problem(404, "NotFound", "The document does not exist");
        };
        let mut body = json!({
            "reportDocumentId": document,
            "url": format!("{DOCUMENTS_HOST}{document}?X-Amz-Expires=300"),
        });
        if report.gzip {
            body["compressionAlgorithm"] = json!("GZIP");
        }
        json_reply(&body)
    }

    fn document(&self, document: &str) -> Reply {
        let body = self.report(document).map(|report| report.body.clone());
        let status = if body.is_some() { 200 } else { 403 };
        Reply { status, headers: Vec::new(), body: body.unwrap_or_default() }
    }
}

impl Sandbox for AmazonSandbox {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let asks_for_token = path == auth::TOKEN_URL;
        if !asks_for_token {
            self.calls.push(format!("{} {path}", request.method.word()));
        }
        match if asks_for_token { None } else { self.troubles.pop_front() } {
            None => self.answer(request, now),
            Some(Trouble::Throttled) => throttled(&[]),
            Some(Trouble::ThrottledAt(rate)) => throttled(&[("x-amzn-ratelimit-limit", rate)]),
            Some(Trouble::Outage) => problem(503, "ServiceUnavailable", "Try again"),
            Some(Trouble::HtmlPage) => Reply {
                status: 200,
                headers: Vec::new(),
                body: b"<html>Bad gateway</html>".to_vec(),
            },
            Some(Trouble::TokenRevoked) => {
                self.token = None;
                self.answer(request, now)
            }
            Some(Trouble::Denied) => {
                problem(403, "Unauthorized", "Access to requested resource is denied.")
            }
            Some(Trouble::Circle) => {
                let query = request.path.split_once('?').map_or("", |(_, query)| query);
                let token = value_of(query, "paginationToken").unwrap_or("page=0".to_owned());
                json_reply(&json!({ "orders": [], "pagination": { "nextToken": token } }))
            }
        }
    }
}

fn throttled(headers: &[(&str, &str)]) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Reply {
        headers: headers.collect(),
        ..problem(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
    }
}

fn handle(message: &Announced) -> String {
    format!("{}#{}", message.id, message.times)
}

fn refused(status: u16, kind: &str) -> Reply {
    Reply { status, ..json_reply(&json!({ "__type": kind, "message": "refused" })) }
}

fn problem(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({ "errors": [{ "code": code, "message": message, "details": "" }] });
    Reply { status, ..json_reply(&body) }
}

fn json_reply(body: &Value) -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// A value of a query, with its escapes undone.
fn value_of(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(own, _)| *own == name)?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
