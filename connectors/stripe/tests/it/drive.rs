//! Plays the hub for one sandbox: carries requests, stores nothing, decodes what comes back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{
    CallError, Context, Decoded, Hint, Message, Outcome, Request, Settings, State, Step, Task,
    conformance,
};
use trueup_domain::document::{BooksRecord, Document, LedgerRow};
use trueup_domain::money::{Currency, Money};
use trueup_stripe::{CONNECTOR, StripeSandbox};

const START_S: i64 = 1_767_225_600;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START_S + seconds).expect("a moment")
}

pub fn day(number: i8) -> Date {
    jiff::civil::date(2026, 1, number)
}

pub fn eur() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

pub fn money_of(money: Money) -> String {
    money.to_string()
}

#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Documents(Vec<Document>),
    Hints(Vec<Hint>),
    Ignored,
}

pub fn decode(kind: &str, body: &[u8]) -> Seen {
    match (CONNECTOR.decode)(&Message { kind, body }) {
        Ok(Decoded::Documents(documents)) => Seen::Documents(documents),
        Ok(Decoded::Hints(hints)) => Seen::Hints(hints),
        Ok(Decoded::Subscriptions(_) | Decoded::Ignored(_)) => Seen::Ignored,
        Err(error) => panic!("{kind}: {error}: {}", String::from_utf8_lossy(body)),
    }
}

pub fn rows_of(documents: &[Document]) -> BTreeMap<String, LedgerRow> {
    documents
        .iter()
        .filter_map(|document| match document {
            Document::LedgerRow(row) => Some((row.id.clone(), (**row).clone())),
            _ => None,
        })
        .collect()
}

/// Whether a poll came to the end of its walk.
pub fn at_rest(cursor: Option<&str>) -> bool {
    let middle = |cursor: &str| cursor.contains("\"after\"") || cursor.contains("\"to_itemise\"");
    !cursor.is_some_and(middle)
}

pub struct Talk<'a> {
    pub stripe: &'a mut StripeSandbox,
    pub settings: Settings,
    pub requests: usize,
}

impl<'a> Talk<'a> {
    pub fn new(stripe: &'a mut StripeSandbox) -> Self {
        Self { stripe, settings: Settings::default(), requests: 0 }
    }

    /// Carries a conversation to its end, its state through text as the store would.
    pub fn run(&mut self, task: &Task) -> Result<Outcome, CallError> {
        let settings = self.settings.clone();
        let context = Context { settings: &settings, now: at(30 * 86_400) };
        let talk = CONNECTOR.conversations.expect("stripe talks");
        let mut step = (talk.start)(&context, task);
        loop {
            match step {
                Step::Send { request, writes, state } => {
                    let keeps = request.path.starts_with("/v1/webhook_endpoints/");
                    assert!(!writes || keeps, "nothing else is written to Stripe");
                    self.requests += 1;
                    let reply = self.stripe.handle(&request, context.now);
                    step = (talk.resume)(&context, &State(state.0), Ok(&reply));
                }
                Step::Wait { .. } => panic!("nothing to wait for"),
                Step::Done(outcome) => return Ok(outcome),
                Step::Failed(error) => return Err(error),
            }
        }
    }

    pub fn poll(&mut self, stream: &str, cursor: Option<String>) -> Result<Outcome, CallError> {
        self.run(&Task::Poll { stream: stream.to_owned(), cursor, since: at(-86_400) })
    }

    /// Polls until the walk is at its end.
    pub fn poll_all(&mut self, stream: &str) -> Vec<Document> {
        let mut newest: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
        let mut order = Vec::new();
        let mut cursor = None;
        loop {
            let outcome = self.poll(stream, cursor.clone()).expect("the poll ends");
            for record in outcome.records {
                let key = (record.kind, record.external_id);
                if newest.insert(key.clone(), record.body).is_none() {
                    order.push(key);
                }
            }
            cursor = outcome.cursor;
            if at_rest(cursor.as_deref()) {
                break;
            }
        }
        let documents = order.into_iter().flat_map(|key| {
            let body = newest.remove(&key).expect("it was stored");
            match decode(&key.0, &body) {
                Seen::Documents(documents) => documents,
                Seen::Hints(_) | Seen::Ignored => Vec::new(),
            }
        });
        let documents: Vec<Document> = documents.collect();
        if stream == "balance_transactions" {
            let now = at(30 * 86_400);
            let mut ask = |request: &Request| self.stripe.handle(request, now);
            let window = (at(-86_400), now);
            conformance::lists(&CONNECTOR, &self.settings, &mut ask, &documents, window);
        }
        documents
    }

    /// What the balance stream says, in the account's one currency.
    pub fn stated_balance(&mut self) -> BooksRecord {
        match self.poll_all("balance").as_slice() {
            [Document::BooksRecord(record)] => (**record).clone(),
            other => panic!("{other:?}"),
        }
    }

    pub fn read(&mut self, hints: &[Hint]) -> Result<Vec<Document>, CallError> {
        let outcome = self.run(&Task::Read { hints: hints.to_vec() })?;
        assert_eq!(outcome.cursor, None);
        let documents = outcome.records.into_iter().flat_map(|record| {
            match decode(&record.kind, &record.body) {
                Seen::Documents(documents) => documents,
                Seen::Hints(_) | Seen::Ignored => Vec::new(),
            }
        });
        Ok(documents.collect())
    }
}
