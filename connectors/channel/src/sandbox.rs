//! A portal played by a pure function: it states objects, pushes them signed, and serves them to
//! the pull. What it states is the caller's, so that it can also state what does not fit.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};
use trueup_connect::sandbox::{Push, Sandbox};
use trueup_connect::{Method, Reply, Request};

use crate::{VERSION, decode};

/// A failure that the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with a time to wait.
    RateLimited,
    /// 503 with a page of HTML from a proxy.
    Unavailable,
    /// 401: the token was replaced.
    Unauthorized,
    /// 200, but the body ends in the middle.
    CutOff,
    /// 200, but the page has a field that the contract does not know.
    UnknownField,
}

/// The list of a message that an object stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    Orders,
    Payments,
    Refunds,
    Fulfilments,
    Returns,
}

impl List {
    const fn word(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Refunds => "refunds",
            Self::Fulfilments => "fulfilments",
            Self::Returns => "returns",
        }
    }
}

#[derive(Clone, Debug)]
struct Stated {
    body: Value,
    changed_at: Timestamp,
}

/// One portal.
#[derive(Clone, Debug)]
pub struct ChannelSandbox {
    page_size: usize,
    objects: BTreeMap<(List, String), Stated>,
    pushes: VecDeque<Push>,
    pushed: u64,
    faults: VecDeque<Fault>,
}

impl ChannelSandbox {
    /// `page_size` is how many objects a page of the pull has.
    pub fn new(page_size: usize) -> Self {
        Self {
            page_size: page_size.max(1),
            objects: BTreeMap::new(),
            pushes: VecDeque::new(),
            pushed: 0,
            faults: VecDeque::new(),
        }
    }

    /// States objects in one message, each as new as `now` unless it says itself how new it is.
    pub fn state(&mut self, objects: &[(List, Value)], now: Timestamp) {
        let mut message = json!({ "version": VERSION });
        for (list, object) in objects {
            let mut body = object.clone();
            if let Value::Object(fields) = &mut body
                && !fields.contains_key("sequence")
            {
                fields.entry("updated_at").or_insert_with(|| json!(now.to_string()));
            }
            let id = body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            push(&mut message, list.word(), body.clone());
            self.objects.insert((*list, id), Stated { body, changed_at: now });
        }
        self.pushed += 1;
        self.pushes.push_back(Push {
            kind: decode::MESSAGE.to_owned(),
            source_id: format!("msg_{:08}", self.pushed),
            body: message.to_string().into_bytes(),
        });
    }

    /// The deliveries on their way are lost; only the pull brings them. Returns how many.
    pub fn lose_deliveries(&mut self) -> usize {
        let lost = self.pushes.len();
        self.pushes.clear();
        lost
    }

    /// The next requests meet these failures, one each, in this order.
    pub fn fault_next(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    fn answer(&self, request: &Request) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match path.strip_prefix("/orders") {
            _ if request.method != Method::Get => reply(405, json!({ "error": "only GET" })),
            Some("") => self.page(query),
            Some(rest) => self.order(rest.trim_start_matches('/')),
            None => reply(404, json!({ "error": "no such path" })),
        }
    }

    fn page(&self, query: &str) -> Reply {
        let (mut since, mut offset) = (None, 0);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "updated_since" => since = value.replace("%3A", ":").parse::<Timestamp>().ok(),
                "page" => match value.parse() {
                    Ok(page) => offset = page,
                    Err(_) => return reply(400, json!({ "error": "no such page" })),
                },
                _ => return reply(400, json!({ "error": "unknown parameter" })),
            }
        }
        let Some(since) = since else {
            return reply(400, json!({ "error": "updated_since is missing" }));
        };
        let changed = || self.objects.iter().filter(|(_, one)| one.changed_at >= since);
        let mut page = json!({ "version": VERSION });
        for ((list, _), one) in changed().skip(offset).take(self.page_size) {
            push(&mut page, list.word(), one.body.clone());
        }
        let end = offset + self.page_size;
        let more = changed().nth(end).is_some();
        insert(&mut page, "next_page", more.then(|| end.to_string()).into());
        reply(200, page)
    }

    fn order(&self, id: &str) -> Reply {
        let mut page = json!({ "version": VERSION });
        let mut found = false;
        for ((list, own), one) in &self.objects {
            let of = one.body.get("order").and_then(Value::as_str);
            let is_it = *list == List::Orders && own == id;
            found |= is_it;
            if is_it || of == Some(id) {
                push(&mut page, list.word(), one.body.clone());
            }
        }
        if found { reply(200, page) } else { reply(404, json!({ "error": "no such order" })) }
    }
}

impl Sandbox for ChannelSandbox {
    fn handle(&mut self, request: &Request, _: Timestamp) -> Reply {
        match self.faults.pop_front() {
            None => self.answer(request),
            Some(Fault::RateLimited) => {
                let mut reply = reply(429, json!({ "error": "slow down" }));
                reply.headers.push(("retry-after".to_owned(), "3".to_owned()));
                reply
            }
            Some(Fault::Unavailable) => Reply {
                status: 503,
                headers: vec![("content-type".to_owned(), "text/html".to_owned())],
                body: b"<html><body>503 Service Unavailable</body></html>".to_vec(),
            },
            Some(Fault::Unauthorized) => reply(401, json!({ "error": "unknown token" })),
            Some(Fault::CutOff) => {
                let mut reply = self.answer(request);
                reply.body.truncate(reply.body.len() / 2);
                reply
            }
            Some(Fault::UnknownField) => reply(200, json!({ "version": VERSION, "items": [] })),
        }
    }

    fn take_deliveries(&mut self) -> Vec<Push> {
        self.pushes.drain(..).collect()
    }
}

fn push(message: &mut Value, list: &str, object: Value) {
    match message.get_mut(list) {
        Some(Value::Array(objects)) => objects.push(object),
        _ => insert(message, list, Value::Array(vec![object])),
    }
}

fn insert(message: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = message {
        fields.insert(field.to_owned(), value);
    }
}

fn reply(status: u16, body: Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}
