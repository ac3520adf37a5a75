//! A target that says who it is.

use std::collections::BTreeMap;

use trueup_connect::conversation::Identity;
use trueup_connect::{
    CallError, Connector, Context, Conversations, Outcome, Reply, Request, State, Step, Task,
};
use trueup_domain::calendar::Calendar;
use trueup_hub::Hub;
use trueup_hub::setup::HubSetup;
use trueup_hub::talk::{self, Next, Talk};
use trueup_store::Store;

use crate::books;
use crate::world::{at, connection};

static CONNECTOR: Connector = Connector { conversations: Some(&TALKS), ..books::CONNECTOR };

static TALKS: Conversations = Conversations {
    streams: &[],
    lists: &[],
    delivers: true,
    identifies: true,
    at_once: 1,
    limits: None,
    start,
    resume,
};

fn start(_: &Context<'_>, _: &Task) -> Step {
    let state = State(String::new());
    Step::Send { request: Request::get("/who"), writes: false, state }
}

fn resume(_: &Context<'_>, _: &State, reply: Result<&Reply, CallError>) -> Step {
    match reply {
        Err(error) => Step::Failed(error),
        Ok(_) => {
            let said = Identity { found: "19.0".to_owned(), missing: Vec::new() };
            Step::Done(Outcome { identity: Some(Box::new(said)), ..Outcome::default() })
        }
    }
}

fn next(hub: &Hub, seconds: i64) -> Option<Talk> {
    let target = hub.connection("target").expect("configured");
    talk::next(hub, target, &[], at(seconds)).expect("read")
}

/// Asks at one moment, and takes up the answer at another.
fn is_asked(hub: &Hub, asked: i64, answered: i64) {
    let target = hub.connection("target").expect("configured");
    let mut talk = next(hub, asked).expect("it is asked");
    assert_eq!(talk.lane(), "identity");
    let sent = talk.advance(hub, target, None, at(asked)).expect("kept");
    assert!(matches!(sent, Next::Send(..)), "{sent:?}");
    let reply = Reply { status: 200, headers: Vec::new(), body: Vec::new() };
    let end = talk.advance(hub, target, Some(Ok(&reply)), at(answered)).expect("kept");
    assert_eq!(end, Next::Finished);
}

/// Between the question and now another may have been put in its place, such as a backup of it.
#[test]
fn b17_an_answer_that_lay_here_for_long_is_not_believed() {
    let setup = HubSetup {
        environment: "test".to_owned(),
        connections: BTreeMap::from([("target".to_owned(), connection("target", &CONNECTOR))]),
        calendar: Calendar::default(),
    };
    let hub = Hub::new(Store::in_memory().expect("a store"), setup);
    is_asked(&hub, 10, 10);
    assert!(next(&hub, 69).is_none(), "it said so a moment ago");
    is_asked(&hub, 70, 140);
    is_asked(&hub, 140, 150);
    assert!(next(&hub, 199).is_none());
}
