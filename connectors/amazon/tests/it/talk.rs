//! Polls and reads against the sandbox, with everything that goes wrong on the way.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trueup_amazon::sandbox::{QUEUE, Trouble};
use trueup_amazon::{AmazonSandbox, CONNECTOR};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{
    Auth, CallError, Context, Decoded, Hint, Message, Outcome, Request, Secret, Settings, State,
    Step, Task, conformance,
};
use trueup_domain::document::{Document, Kind};

const FILE: &str = include_str!("../../fixtures/__settlement_us.tsv");

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-09-01T12:00:00Z".parse().expect("a moment");
    start + SignedDuration::from_mins(minutes)
}

fn order(number: usize) -> Value {
    let id = format!("111-0000000-{number:07}");
    json!({
        "orderId": id,
        "salesChannel": { "channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER" },
        "fulfillment": { "fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT" },
        "proceeds": { "grandTotal": { "amount": "10.00", "currencyCode": "USD" } },
        "orderItems": [{
            "orderItemId": number.to_string(),
            "quantityOrdered": 1,
            "product": { "sellerSku": "MUG-BLU" },
            "proceeds": {
                "proceedsTotal": { "amount": "10.00", "currencyCode": "USD" },
                "breakdowns": [
                    { "type": "ITEM", "subtotal": { "amount": "10.00", "currencyCode": "USD" } },
                ],
            },
        }],
    })
}

/// The two parts for signing in, and the key of the queue.
const SECRET: &str = "secret token AKID key";

/// Carries conversations for one account, as the hub does.
struct Carrier {
    amazon: AmazonSandbox,
    settings: Settings,
    token: String,
    waited_ms: u64,
}

impl Carrier {
    fn new() -> Self {
        let settings = Settings([("client_id".to_owned(), "client".to_owned())].into());
        Self { amazon: AmazonSandbox::new(), settings, token: String::new(), waited_ms: 0 }
    }

    fn sign_in(&mut self, now: Timestamp) {
        let Auth::Token(scheme) = CONNECTOR.auth else { panic!("a token") };
        let asked = (scheme.request)(&self.settings, &Secret::new(SECRET)).expect("asked");
        let token = (scheme.read)(&self.amazon.handle(&asked, now)).expect("a token");
        token.secret.expose().clone_into(&mut self.token);
    }

    /// `None` when it crashes before its request number `crash_at`.
    fn run(
        &mut self,
        task: &Task,
        now: Timestamp,
        crash_at: Option<usize>,
    ) -> Option<Result<Outcome, CallError>> {
        self.sign_in(now);
        let context = Context { settings: &self.settings, now };
        let talk = CONNECTOR.conversations.expect("it talks");
        let mut step = (talk.start)(&context, task);
        let mut sent = 0;
        loop {
            step = match step {
                Step::Send { request, writes, state } => {
                    assert!(!writes, "nothing is written to Amazon");
                    if Some(sent) == crash_at {
                        return None;
                    }
                    sent += 1;
                    assert!(sent < 200, "it does not end");
                    let (by, secret) = (CONNECTOR.signature.expect("a queue"), Secret::new(SECRET));
                    let signed = by.signed(&request, &self.settings, Some(&secret), now);
                    let mut request = signed.expect("signed").into_owned();
                    if !request.path.starts_with("https://") {
                        let header = ("x-amz-access-token".to_owned(), self.token.clone());
                        request.headers.push(header);
                    }
                    let reply = self.amazon.handle(&request, now);
                    (talk.resume)(&context, &State(state.0), Ok(&reply))
                }
                Step::Wait { for_ms, state } => {
                    self.waited_ms += for_ms;
                    let waited = CallError::ReplyLost { why: "waited".to_owned() };
                    (talk.resume)(&context, &State(state.0), Err(waited))
                }
                Step::Done(outcome) => return Some(Ok(outcome)),
                Step::Failed(error) => return Some(Err(error)),
            };
        }
    }

    fn poll(&mut self, stream: &str, cursor: Option<&str>, now: Timestamp) -> Outcome {
        let task = poll_task(stream, cursor);
        self.run(&task, now, None).expect("no crash").expect("it ends well")
    }

    fn poll_error(&mut self, stream: &str, now: Timestamp) -> String {
        let outcome = self.run(&poll_task(stream, None), now, None).expect("no crash");
        outcome.expect_err("it fails").code().to_owned()
    }
}

fn poll_task(stream: &str, cursor: Option<&str>) -> Task {
    Task::Poll { stream: stream.to_owned(), cursor: cursor.map(str::to_owned), since: at(-60) }
}

fn ids(outcome: &Outcome) -> Vec<&str> {
    outcome.records.iter().map(|record| record.external_id.as_str()).collect()
}

#[test]
fn c3_a_long_backfill_loses_nothing_to_crashes_and_newcomers() {
    let mut carrier = Carrier::new();
    for number in 0..1_730 {
        // Many in each second, so that pages end among equals.
        let updated = at(-50) + SignedDuration::from_secs(i64::try_from(number / 97).expect("few"));
        carrier.amazon.put_order(order(number), updated);
    }
    let (mut seen, mut cursor) = (BTreeSet::new(), None::<String>);
    for round in 0..6 {
        let now = at(10 * round);
        // The first poll dies on its way, the others before they begin.
        let crash_at = Some(if round == 0 { 7 } else { 0 });
        assert!(carrier.run(&poll_task("orders", cursor.as_deref()), now, crash_at).is_none());
        if round < 2 {
            carrier.amazon.put_order(order(5_000 + usize::try_from(round).expect("few")), now);
        }
        let outcome = carrier.poll("orders", cursor.as_deref(), now);
        seen.extend(outcome.records.iter().map(|record| record.external_id.clone()));
        cursor = outcome.cursor;
    }
    assert_eq!(seen.len(), 1_732);
}

#[test]
fn a_sweep_overlaps_the_one_before_and_ends_behind_the_present() {
    let mut carrier = Carrier::new();
    carrier.amazon.put_order(order(1), at(-30));
    let first = carrier.poll("orders", None, at(0));
    assert_eq!(ids(&first), ["111-0000000-0000001"]);
    // Too young for this sweep, and found by the next.
    carrier.amazon.put_order(order(2), at(9));
    let second = carrier.poll("orders", first.cursor.as_deref(), at(10));
    assert_eq!(ids(&second), [""; 0]);
    // It reaches back behind its start: what Amazon's index showed late is not lost.
    carrier.amazon.put_order(order(3), at(1));
    let third = carrier.poll("orders", second.cursor.as_deref(), at(20));
    assert_eq!(ids(&third), ["111-0000000-0000003", "111-0000000-0000002"]);
}

#[test]
fn records_are_the_bytes_that_came_and_decode() {
    let mut carrier = Carrier::new();
    carrier.amazon.put_order(order(1), at(-30));
    let outcome = carrier.poll("orders", None, at(0));
    let [record] = outcome.records.as_slice() else { panic!("{outcome:?}") };
    let decoded = (CONNECTOR.decode)(&Message { kind: &record.kind, body: &record.body });
    let Ok(Decoded::Documents(documents)) = decoded else { panic!("{decoded:?}") };
    let kinds: Vec<Kind> = documents.iter().map(|one| one.kind()).collect();
    assert_eq!(kinds, [Kind::Order, Kind::Payment]);
}

#[test]
fn c1_what_was_read_before_a_throttle_is_kept() {
    let mut carrier = Carrier::new();
    for number in 0..250 {
        carrier.amazon.put_order(order(number), at(-50));
    }
    let task = poll_task("orders", None);
    // The first page is waited for; Amazon rarely says how long.
    carrier.amazon.trouble(Trouble::Throttled);
    carrier.amazon.trouble(Trouble::ThrottledAt("0.0056"));
    let whole = carrier.run(&task, at(0), None).expect("no crash").expect("it ends");
    assert_eq!(carrier.waited_ms, 180_000 + 178_571);
    assert_eq!(whole.records.len(), 250);
    // After a page, the poll ends and the next one goes on there.
    let mut carrier = Carrier { waited_ms: 0, ..carrier };
    let settings = carrier.settings.clone();
    let context = Context { settings: &settings, now: at(0) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let Step::Send { mut request, state, .. } = (talk.start)(&context, &task) else { panic!() };
    request.headers.push(("x-amz-access-token".to_owned(), carrier.token.clone()));
    let page = carrier.amazon.handle(&request, at(0));
    let Step::Send { request, state, .. } = (talk.resume)(&context, &state, Ok(&page)) else {
        panic!("a second page")
    };
    carrier.amazon.trouble(Trouble::Throttled);
    let throttled = carrier.amazon.handle(&request, at(0));
    let step = (talk.resume)(&context, &state, Ok(&throttled));
    let Step::Done(part) = step else { panic!("{step:?}") };
    assert_eq!(part.records.len(), 100);
    let rest = carrier.poll("orders", part.cursor.as_deref(), at(10));
    assert_eq!(rest.records.len(), 150);
}

#[test]
fn a_page_token_that_has_run_out_begins_the_window_again() {
    let mut carrier = Carrier::new();
    carrier.amazon.put_order(order(1), at(-30));
    let place = json!({
        "from": at(-60).to_string(), "to": at(-3).to_string(), "token": "old", "done": false,
    });
    let outcome = carrier.poll("orders", Some(&place.to_string()), at(0));
    assert_eq!(ids(&outcome), ["111-0000000-0000001"]);
}

#[test]
fn each_trouble_has_its_error() {
    let check = |trouble: Trouble, code: &str| {
        let mut carrier = Carrier::new();
        carrier.amazon.trouble(trouble);
        if trouble == Trouble::Circle {
            carrier.amazon.trouble(trouble);
        }
        assert_eq!(carrier.poll_error("orders", at(0)), code, "{trouble:?}");
    };
    check(Trouble::Outage, "TU106");
    check(Trouble::HtmlPage, "TU102");
    check(Trouble::Denied, "TU107");
    check(Trouble::Circle, "TU102");
    assert_eq!(Carrier::new().poll_error("payments", at(0)), "TU107");
}

#[test]
fn c5_settlements_are_fetched_once_oldest_first_packed_or_not() {
    let mut carrier = Carrier::new();
    carrier.amazon.settle(FILE, true, at(-30));
    carrier.amazon.settle(include_str!("../../fixtures/__settlement_d17.tsv"), false, at(-20));
    assert!(carrier.run(&poll_task("settlements", None), at(0), Some(3)).is_none());
    carrier.amazon.calls.clear();
    let first = carrier.poll("settlements", None, at(0));
    assert_eq!(ids(&first), ["50000", "50001"]);
    assert_eq!(first.records[0].body, FILE.as_bytes());
    assert_eq!(carrier.amazon.calls.len(), 5, "{:?}", carrier.amazon.calls);
    let second = carrier.poll("settlements", first.cursor.as_deref(), at(360));
    assert_eq!(ids(&second), [""; 0], "both are within reach and known");
    carrier.amazon.settle(FILE, true, at(400));
    let third = carrier.poll("settlements", second.cursor.as_deref(), at(720));
    assert_eq!(ids(&third), ["50002"]);
}

#[test]
fn many_settlements_are_fetched_in_several_polls() {
    let mut carrier = Carrier::new();
    for number in 0..11 {
        carrier.amazon.settle(FILE, false, at(-50 + number));
    }
    let first = carrier.poll("settlements", None, at(0));
    let second = carrier.poll("settlements", first.cursor.as_deref(), at(360));
    assert_eq!((first.records.len(), second.records.len()), (8, 3));
}

#[test]
fn a_document_is_asked_for_without_our_token_and_only_over_https() {
    let settings = Settings::default();
    let context = Context { settings: &settings, now: at(0) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let reply = |body: &Value| trueup_connect::Reply {
        status: 200,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    let list = json!({ "reports": [{
        "reportId": "1", "reportType": "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2",
        "processingStatus": "DONE", "createdTime": "2026-09-01T10:00:00Z",
        "reportDocumentId": "d/1",
    }] });
    let Step::Send { state, .. } = (talk.start)(&context, &poll_task("settlements", None)) else {
        panic!()
    };
    let step = (talk.resume)(&context, &state, Ok(&reply(&list)));
    let Step::Send { request, state, .. } = step else { panic!("{step:?}") };
    assert_eq!(request.path, "/reports/2021-06-30/documents/d%2F1");
    let step = (talk.resume)(&context, &state, Ok(&reply(&json!({ "url": "http://x/" }))));
    assert!(matches!(step, Step::Failed(CallError::Unreachable { .. })), "{step:?}");
}

#[test]
fn one_order_that_is_gone_holds_up_no_other() {
    let mut carrier = Carrier::new();
    for number in [1, 2] {
        carrier.amazon.put_order(order(number), at(-30));
    }
    let hint = |kind: &str, id: &str| Hint { kind: kind.to_owned(), external_id: id.to_owned() };
    let hints = vec![
        hint("order", "111-0000000-0000001"),
        hint("payment", "111-0000000-0000001/amazon"),
        hint("order", "111-0000000-0000009"),
        hint("order", "../reports"),
        hint("ledger_row", "17/2"),
        hint("order", "111-0000000-0000002"),
    ];
    let outcome = carrier.run(&Task::Read { hints }, at(0), None).expect("no crash");
    let outcome = outcome.expect("it ends well");
    assert_eq!(ids(&outcome), ["111-0000000-0000001", "111-0000000-0000002"]);
    assert_eq!(carrier.amazon.calls.len(), 3);
    // Asked for alone, its absence is the answer.
    let hints = vec![hint("order", "111-0000000-0000009")];
    let alone = carrier.run(&Task::Read { hints }, at(0), None).expect("no crash");
    assert_eq!(alone.expect_err("refused").code(), "TU104");
}

#[test]
fn persons_are_asked_for_only_where_they_are_wanted() {
    let talk = CONNECTOR.conversations.expect("it talks");
    let path = |persons: &str| {
        let settings = Settings([("persons".to_owned(), persons.to_owned())].into());
        let context = Context { settings: &settings, now: at(0) };
        match (talk.start)(&context, &poll_task("orders", None)) {
            Step::Send { request, .. } => request.path,
            other => panic!("{other:?}"),
        }
    };
    assert!(path("on").contains("includedData=BUYER,RECIPIENT,PROCEEDS"));
    assert!(path("off").contains("includedData=PROCEEDS"));
}

/// What was ordered in a window is listed by when it was ordered, whenever it changed; what is not
/// sold yet is not.
#[test]
fn what_was_ordered_in_a_window_is_listed_once() {
    let mut carrier = Carrier::new();
    carrier.amazon = AmazonSandbox::new().with_pages_of(7);
    let placed = |number: usize| {
        let mut order = order(number);
        let minute = i64::try_from(number * 37 % 60).expect("few");
        order["createdTime"] = serde_json::json!(at(minute).to_string());
        order
    };
    for number in 0..40 {
        carrier.amazon.put_order(placed(number), at(100));
    }
    let mut pending = placed(40);
    pending["fulfillment"]["fulfillmentStatus"] = serde_json::json!("PENDING");
    carrier.amazon.put_order(pending, at(100));
    let polled = carrier.poll("orders", None, at(200));
    let documents = conformance::documents(&CONNECTOR, &polled.records);
    let orders = documents.iter().filter(|it| matches!(it, Document::Order(_))).count();
    assert_eq!(orders, 40, "{}", polled.records.len());
    // Days later, as if each call had waited for its turn.
    let mut now = at(10_000);
    let (settings, window) = (carrier.settings.clone(), (at(10), at(30)));
    let mut ask = |request: &Request| {
        now += SignedDuration::from_mins(3);
        carrier.sign_in(now);
        let mut request = request.clone();
        request.headers.push(("x-amz-access-token".to_owned(), carrier.token.clone()));
        carrier.amazon.handle(&request, now)
    };
    conformance::lists(&CONNECTOR, &settings, &mut ask, &documents, window);
}

/// A seller whose orders are announced in a queue.
fn announcing() -> Carrier {
    let mut carrier = Carrier::new();
    carrier.amazon = AmazonSandbox::new().with_queue();
    carrier.settings.0.insert("queue_url".to_owned(), QUEUE.to_owned());
    carrier
}

#[test]
fn what_the_queue_holds_is_deleted_once_it_is_kept() {
    let mut carrier = announcing();
    for number in 0..13 {
        carrier.amazon.put_order(order(number), at(0));
    }
    let first = carrier.poll("notifications", None, at(1));
    assert_eq!(first.records.len(), 13);
    assert_eq!(carrier.amazon.queued(), 13, "nobody has kept them yet");
    let hinted: Vec<Hint> = first
        .records
        .iter()
        .flat_map(|record| {
            let message = Message { kind: &record.kind, body: &record.body };
            match (CONNECTOR.decode)(&message).expect("an announcement") {
                Decoded::Hints(hints) => hints,
                other => panic!("hints, not {other:?}"),
            }
        })
        .collect();
    assert_eq!(hinted[12], Hint::new(Kind::Order, "111-0000000-0000012"));
    carrier.amazon.put_order(order(13), at(1));
    let second = carrier.poll("notifications", first.cursor.as_deref(), at(2));
    assert_eq!((second.records.len(), carrier.amazon.queued()), (1, 1));
    let third = carrier.poll("notifications", second.cursor.as_deref(), at(3));
    assert_eq!((third.records.len(), carrier.amazon.queued()), (0, 0));
    assert_eq!(third.cursor.as_deref(), Some("[]"));
}

#[test]
fn a2_what_was_received_and_not_kept_comes_again() {
    let mut carrier = announcing();
    carrier.amazon.put_order(order(1), at(0));
    // The hub dies before it has written anything.
    assert!(carrier.run(&poll_task("notifications", None), at(1), Some(1)).is_none());
    assert!(carrier.poll("notifications", None, at(2)).records.is_empty(), "it is hidden");
    let again = carrier.poll("notifications", None, at(12));
    assert_eq!(again.records.len(), 1);
    // It dies once more after it wrote them, and before it deletes them: the old handle is void.
    let told = carrier.poll("notifications", None, at(23));
    assert_eq!(told.records[0].body, again.records[0].body);
    carrier.poll("notifications", again.cursor.as_deref(), at(24));
    assert_eq!(carrier.amazon.queued(), 1);
    carrier.poll("notifications", told.cursor.as_deref(), at(25));
    assert_eq!(carrier.amazon.queued(), 0);
}

#[test]
fn what_a_queue_gave_before_it_failed_is_kept() {
    let mut carrier = announcing();
    for number in 0..11 {
        carrier.amazon.put_order(order(number), at(0));
    }
    // Trouble comes with the second request.
    let task = poll_task("notifications", None);
    let context = Context { settings: &carrier.settings, now: at(1) };
    let talk = CONNECTOR.conversations.expect("it talks");
    let Step::Send { request, state, .. } = (talk.start)(&context, &task) else { panic!("asks") };
    let by = CONNECTOR.signature.expect("a queue");
    let signed = by.signed(&request, &carrier.settings, Some(&Secret::new(SECRET)), at(1));
    let reply = carrier.amazon.handle(&signed.expect("signed"), at(1));
    let Step::Send { state, .. } = (talk.resume)(&context, &state, Ok(&reply)) else {
        panic!("asks again")
    };
    let lost = CallError::Unreachable { why: "no route".to_owned() };
    let Step::Done(outcome) = (talk.resume)(&context, &state, Err(lost)) else { panic!("keeps") };
    assert_eq!(outcome.records.len(), 10);
    assert!(outcome.cursor.is_some_and(|cursor| cursor.contains('#')));
}

#[test]
fn a_queue_that_cannot_be_read_stops_nothing_else() {
    let mut carrier = announcing();
    carrier.settings.0.insert("queue_url".to_owned(), QUEUE.replace("orders", "other"));
    assert_eq!(carrier.poll_error("notifications", at(1)), "TU110");
    carrier.settings.0.remove("queue_url");
    let nothing = carrier.poll("notifications", None, at(2));
    assert!(nothing.records.is_empty() && nothing.cursor.is_none());
    let polled = |settings: &Settings| CONNECTOR.streams(settings).count();
    assert_eq!((polled(&carrier.settings), polled(&announcing().settings)), (2, 3));
}
