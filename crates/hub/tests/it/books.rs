//! Books that carry out commands once for each key, and lose replies when they are told to.

use std::collections::{BTreeMap, VecDeque};

use trueup_connect::{
    Auth, CallError, Connector, Context, Conversations, DecodeError, Decoded, Dispatch, Message,
    Outcome, Receipt, ReceiptOutcome, Reply, Request, State, Step, Task,
};
use trueup_domain::Money;
use trueup_domain::command::CommandKind;
use trueup_domain::document::{BooksRecord, Version};
use trueup_hub::Connection;
use trueup_hub::shell::Transport;

use crate::world::eur;

pub static CONNECTOR: Connector = Connector {
    name: "books",
    api_version: "1",
    settings: &[],
    auth: Auth::None,
    signature: None,
    kinds: &[],
    decode: nothing,
    webhooks: None,
    conversations: Some(&TALKS),
    files: false,
    hides_shipments: false,
};

static TALKS: Conversations = Conversations {
    streams: &[],
    lists: &[],
    delivers: true,
    identifies: false,
    at_once: 1,
    limits: None,
    start,
    resume,
};

fn nothing(_: &Message<'_>) -> Result<Decoded, DecodeError> {
    Err(DecodeError::UnknownKind)
}

fn start(_: &Context<'_>, task: &Task) -> Step {
    let (path, commands, writes) = match task {
        Task::Deliver { commands } => ("/do", commands, true),
        Task::LookUp { commands } => ("/find", commands, false),
        Task::Poll { .. } | Task::Read { .. } | Task::List { .. } | Task::Identify { .. } => {
            return Step::Failed(CallError::NotSetUp { why: "only commands".to_owned() });
        }
    };
    let state = State(path.to_owned());
    Step::Send { request: Request::post_json(path, commands), writes, state }
}

fn resume(_: &Context<'_>, _: &State, reply: Result<&Reply, CallError>) -> Step {
    match reply {
        Err(error) => Step::Failed(error),
        Ok(reply) if reply.status == 401 => Step::Failed(CallError::Unauthorized),
        Ok(reply) if reply.status == 429 => {
            Step::Failed(CallError::RateLimited { retry_after_ms: Some(60_000) })
        }
        Ok(reply) => match serde_json::from_slice(&reply.body) {
            Ok(receipts) => Step::Done(Outcome { receipts, ..Outcome::default() }),
            Err(error) => Step::Failed(CallError::ReplyLost { why: error.to_string() }),
        },
    }
}

/// What goes wrong with the next request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Carried out, and nobody hears of it.
    ReplyLost,
    /// Not carried out, and nobody hears of it.
    LostOnTheWay,
    /// Never left.
    Unreachable,
    Unauthorized,
    /// It wants to be left alone for a minute.
    SlowDown,
    /// Whatever is asked, it is refused.
    RefusesToAnswer,
    /// A lock: certainly nothing happened.
    Busy,
    Refuses(CommandKind),
    /// Carried out, and the answer speaks of something else.
    NoReceipts,
    /// The record holds a cent more than was asked for.
    Differs,
    /// The books date the record elsewhere.
    Moves,
}

#[derive(Default)]
pub struct Books {
    pub records: BTreeMap<String, BooksRecord>,
    /// Each request: its path, and the keys in it.
    pub asked: Vec<(String, Vec<String>)>,
    pub faults: VecDeque<Fault>,
}

impl Books {
    pub fn with(faults: &[Fault]) -> Self {
        Self { faults: faults.iter().copied().collect(), ..Self::default() }
    }

    /// How often the effect of a key was asked for.
    pub fn times(&self, key: &str) -> usize {
        let done = self.asked.iter().filter(|(path, _)| path == "/do");
        done.filter(|(_, keys)| keys.iter().any(|own| own == key)).count()
    }

    fn carry_out(&mut self, command: &Dispatch, fault: Option<Fault>) -> ReceiptOutcome {
        match fault {
            Some(Fault::Busy) => {
                let error = CallError::Busy { why: "a lock".to_owned() };
                return ReceiptOutcome::NotApplied { error };
            }
            Some(Fault::Refuses(kind)) if command.content.kind() == kind => {
                let error = CallError::Refused {
                    reason_code: "no".to_owned(),
                    reason: "the period is closed".to_owned(),
                };
                return ReceiptOutcome::Refused { error };
            }
            _ => {}
        }
        let differs = matches!(fault, Some(Fault::Differs));
        let next = self.records.len() + 1;
        let total = command.content.total().unwrap_or_else(|| Money::zero(eur()));
        let cent = Money::from_minor(i64::from(differs), eur());
        let record = self.records.entry(command.key.clone()).or_insert_with(|| BooksRecord {
            id: format!("record/{next}"),
            version: Version(1),
            kind: command.content.kind().word().to_owned(),
            name: Some(format!("R{next}")),
            effect_key: None,
            state: "posted".to_owned(),
            date: if matches!(fault, Some(Fault::Moves)) {
                Some(jiff::civil::date(2027, 1, 1))
            } else {
                command.content.date()
            },
            opened: None,
            company: "1".to_owned(),
            total: total.checked_add(cent).expect("in range"),
            tax: Money::zero(eur()),
            residual: None,
            taxes: Vec::new(),
            changed_by: None,
            gone: false,
        });
        let words = differs.then(|| "the total is a cent more".to_owned());
        applied(record, words.into_iter().collect())
    }
}

fn applied(record: &BooksRecord, differs: Vec<String>) -> ReceiptOutcome {
    let binding = record.id.clone();
    ReceiptOutcome::Applied {
        binding,
        record: Some(Box::new(record.clone())),
        differs,
        found_by: None,
    }
}

impl Transport for Books {
    fn send(&mut self, _: &Connection, request: &Request) -> Result<Reply, CallError> {
        let commands: Vec<Dispatch> = serde_json::from_slice(&request.body).expect("commands");
        let fault = self.faults.pop_front();
        match fault {
            Some(Fault::Unreachable) => {
                return Err(CallError::Unreachable { why: "no route".to_owned() });
            }
            Some(Fault::LostOnTheWay) => {
                return Err(CallError::ReplyLost { why: "cut off".to_owned() });
            }
            Some(Fault::Busy) if request.path == "/find" => {
                return Err(CallError::Busy { why: "a lock".to_owned() });
            }
            Some(Fault::RefusesToAnswer) => {
                let reason = "a field is gone".to_owned();
                return Err(CallError::Refused { reason_code: "no".to_owned(), reason });
            }
            Some(Fault::Unauthorized) => {
                return Ok(Reply { status: 401, headers: Vec::new(), body: Vec::new() });
            }
            Some(Fault::SlowDown) => {
                return Ok(Reply { status: 429, headers: Vec::new(), body: Vec::new() });
            }
            _ => {}
        }
        let keys = commands.iter().map(|command| command.key.clone()).collect();
        self.asked.push((request.path.clone(), keys));
        let mut receipts = Vec::new();
        for command in &commands {
            let outcome = if request.path == "/do" {
                self.carry_out(command, fault)
            } else {
                match self.records.get(&command.key) {
                    Some(record) => applied(record, Vec::new()),
                    None => {
                        let error = CallError::Unreachable { why: "it is not there".to_owned() };
                        ReceiptOutcome::NotApplied { error }
                    }
                }
            };
            receipts.push(Receipt { key: command.key.clone(), outcome });
        }
        match fault {
            Some(Fault::ReplyLost) => {
                return Err(CallError::ReplyLost { why: "cut off".to_owned() });
            }
            Some(Fault::NoReceipts) => receipts.clear(),
            _ => {}
        }
        let body = serde_json::to_vec(&receipts).expect("JSON");
        Ok(Reply { status: 200, headers: Vec::new(), body })
    }
}
