//! What goes over the wire, byte for byte, and what a hostile answer may do: nothing.

mod kit;

use std::collections::BTreeMap;

use kit::*;
use serde_json::json;
use trueup_connect::conversation::{Context, Dispatch, Outcome, Reply, Request, Step, Task};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{ReceiptOutcome, Settings};
use trueup_domain::command::*;
use trueup_domain::document::{Address, Buyer};
use trueup_odoo::sandbox::OdooSandbox;

/// Each kind's requests: `UPDATE_EXPECT=1` rewrites them.
#[test]
fn requests_are_as_written_down() {
    let (mut sandbox, map) = world();
    let address = Address {
        city: Some("New York".to_owned()),
        region: Some("NY".to_owned()),
        country: Some("US".to_owned()),
        ..Address::default()
    };
    let buyer = Buyer {
        name: Some("Ann".to_owned()),
        email: Some("ann@example.com".to_owned()),
        billing: Some(address),
        ..Buyer::default()
    };
    let partner = Partner {
        company: map.company.clone(),
        reference: "cust-1".to_owned(),
        buyer,
        address_of: None,
    };
    let mut told = String::new();
    let mut tell = |command: &Dispatch| -> String {
        let (requests, outcome) = transcript(&mut sandbox, command);
        told.push_str(&format!("# {}\n{requests}\n", command.content.kind().word()));
        match outcome.receipts.into_iter().next().map(|it| it.outcome) {
            Some(ReceiptOutcome::Applied { binding, .. }) => binding,
            other => panic!("{other:?}"),
        }
    };
    tell(&dispatch("test/partner/1", Content::Partner(partner), &[]));
    let order_id = tell(&order(&map, "1"));
    let invoice_id = tell(&invoice(&map, "1", &order_id));
    let paid = tell(&payment(&map, "1", "912.24", Direction::Inbound));
    tell(&tie(&map, "1", "912.24", &paid, &invoice_id));
    tell(&note(&map, &invoice_id));
    let content = CancellationContent { company: map.company.clone(), reference: "#1".to_owned() };
    tell(&dispatch("test/cancel/1", Content::Cancellation(content), &[("order", &order_id)]));
    tell(&fee(&map, "test/entry/1", "-6.25"));

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/requests.golden");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &told).expect("written");
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), told);
}

/// A company that orders on terms finds its own order number, its VAT number and the day by which
/// it has to pay; one without them gets a row as before.
#[test]
fn an_order_on_terms_names_what_the_customer_looks_for() {
    let (mut sandbox, map) = world();
    let buyer = Buyer {
        name: Some("Ann Buyer".to_owned()),
        company: Some("Greenfield GmbH".to_owned()),
        vat_number: Some("DE136695976".to_owned()),
        ..Buyer::default()
    };
    let partner = Partner {
        company: map.company.clone(),
        reference: "b2b-1".to_owned(),
        buyer,
        address_of: None,
    };
    let partner = dispatch("test/partner/b2b", Content::Partner(partner), &[]);
    let (mut order, mut invoice) = (order(&map, "7"), invoice(&map, "7", "1"));
    let own = Some("PO-4711".to_owned());
    let Content::Order(content) = &mut order.content else { panic!("an order") };
    content.customer_reference.clone_from(&own);
    let mut applied = |command: &Dispatch| -> i64 {
        let (_, outcome) = transcript(&mut sandbox, command);
        match outcome.receipts.into_iter().next().map(|it| it.outcome) {
            Some(ReceiptOutcome::Applied { binding, .. }) => binding.parse().expect("an id"),
            other => panic!("{other:?}"),
        }
    };
    let partner = applied(&partner);
    let order = applied(&order);
    let Content::Invoice(content) = &mut invoice.content else { panic!("an invoice") };
    content.customer_reference = own;
    content.due_on = Some("2026-12-02".parse().expect("a day"));
    invoice.bindings.insert("order".to_owned(), order.to_string());
    let invoice = applied(&invoice);
    let read = |model: &str, id: i64, fields: &[&str]| {
        sandbox.read_all(model, &json!([["id", "=", id]]), fields)[0].clone()
    };
    let shown = read("res.partner", partner, &["vat", "company_name"]);
    assert_eq!(shown["vat"], "DE136695976");
    assert_eq!(shown["company_name"], "Greenfield GmbH");
    assert_eq!(read("sale.order", order, &["client_order_ref"])["client_order_ref"], "PO-4711");
    let shown = read("account.move", invoice, &["ref", "invoice_origin", "invoice_date_due"]);
    assert_eq!(shown["ref"], "PO-4711");
    assert_eq!(shown["invoice_origin"], "#7");
    assert_eq!(shown["invoice_date_due"], "2026-12-02");
}

/// Drives one command and tells what was sent.
fn transcript(sandbox: &mut OdooSandbox, command: &Dispatch) -> (String, Outcome) {
    let settings = Settings(BTreeMap::from([("database".to_owned(), "books".to_owned())]));
    let context = Context { settings: &settings, now: now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let task = Task::Deliver { commands: vec![command.clone()] };
    let mut step = (talk.start)(&context, &task);
    let mut told = String::new();
    loop {
        step = match step {
            Step::Send { request, writes, state } => {
                let kind = if writes { "write" } else { "read" };
                let body = String::from_utf8_lossy(&request.body).into_owned();
                told.push_str(&format!(
                    "{kind} {} within {} ms\n{body}\n",
                    request.path, request.timeout_ms
                ));
                assert!(request.headers.iter().any(|(name, _)| name == "x-odoo-database"));
                let reply = sandbox.handle(&request, now());
                (talk.resume)(&context, &state, Ok(&reply))
            }
            Step::Done(outcome) => return (told, outcome),
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn the_sandbox_refuses_what_it_does_not_know() {
    let check = |path: &str, body: serde_json::Value, status: u16, name: &str| {
        let mut sandbox = OdooSandbox::bare();
        let reply = sandbox.handle(&Request::post_json(path, &body), now());
        let fault: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        let seen = (reply.status, fault["name"].as_str().unwrap_or_default());
        assert_eq!(seen, (status, name), "{path} {body}");
    };
    check("/json/2/no.model/read", json!({"ids": [1]}), 404, "werkzeug.exceptions.NotFound");
    check("/json/2/sale.order/unlink", json!({"ids": [1]}), 403, "odoo.exceptions.AccessError");
    let unknown = json!({"domain": [], "fields": ["nope"]});
    check("/json/2/sale.order/search_read", unknown, 500, "builtins.ValueError");
    let unknown = json!({"domain": [["nope", "=", 1]], "fields": []});
    check("/json/2/sale.order/search_read", unknown, 500, "builtins.ValueError");
    let stranger = json!({"domain": [], "fields": [], "context": {"allowed_company_ids": [77]}});
    check("/json/2/sale.order/search_read", stranger, 403, "odoo.exceptions.AccessError");
    let gone = json!({"ids": [99]});
    check("/json/2/account.move/action_post", gone, 404, "odoo.exceptions.MissingError");
    let journal = json!({"vals_list": [{"name": "x"}]});
    check("/json/2/account.journal/create", journal, 403, "odoo.exceptions.AccessError");
}

#[test]
fn b20_hostile_answers_never_panic() {
    let (_, map) = world();
    let settings = Settings(BTreeMap::from([("bank_journals".to_owned(), "7".to_owned())]));
    let context = Context { settings: &settings, now: now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let bodies: [&[u8]; 14] = [
        b"",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"[null]",
        b"[{\"id\":1}]",
        b"[{\"id\":1e400}]",
        b"{\"uid\":5}",
        b"{\"ids\":[1],\"messages\":[]}",
        b"{\"ids\":[-1],\"messages\":{}}",
        b"{\"ids\":false,\"messages\":[{\"record\":99,\"type\":\"error\",\"message\":\"\"}]}",
        b"\xff\xfe",
        b"[{\"id\":1,\"name\":\"USD\",\"uom_id\":[1,\"x\"],\"state\":\"draft\",\"currency_id\":[1,\"USD\"],\"amount_total\":1e99}]",
    ];
    let poll = |stream: &str, cursor: Option<&str>| Task::Poll {
        stream: stream.to_owned(),
        cursor: cursor.map(str::to_owned),
        since: now(),
    };
    let tasks = [
        Task::Deliver { commands: vec![order(&map, "1"), order(&map, "2")] },
        Task::Deliver { commands: vec![tie(&map, "1", "1.00", "1", "1")] },
        poll("books", Some("x")),
        poll("books_census", Some("{\"account.move\":\"1-4,9-7\"}")),
        poll("bank_lines", None),
    ];
    let statuses = [200, 200, 200, 200, 422, 500, 404, 403, 409];
    let mut seed = 7_u64;
    for task in tasks.iter().cycle().take(5_000) {
        let mut step = (talk.start)(&context, task);
        for _ in 0..12 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let pick =
                |shift: u32, below: usize| usize::try_from(seed >> shift).unwrap_or(0) % below;
            let body = bodies[pick(33, bodies.len())].to_vec();
            let status = statuses[pick(12, statuses.len())];
            step = match step {
                Step::Send { state, .. } | Step::Wait { state, .. } => {
                    let reply = Reply { status, headers: Vec::new(), body };
                    (talk.resume)(&context, &state, Ok(&reply))
                }
                Step::Done(_) | Step::Failed(_) => break,
            };
        }
    }
}

/// The simulation plays many worlds, so each must be cheap.
#[test]
fn a_demo_world_is_cheap() {
    let _ = world();
    let begun = std::time::Instant::now();
    let (mut sandbox, map) = world();
    let made = begun.elapsed();
    let begun = std::time::Instant::now();
    for number in 0..100 {
        let order_id = applied(&mut sandbox, &order(&map, &number.to_string()));
        let invoice_id = applied(&mut sandbox, &invoice(&map, &number.to_string(), &order_id));
        let paid = applied(
            &mut sandbox,
            &payment(&map, &number.to_string(), "912.24", Direction::Inbound),
        );
        applied(&mut sandbox, &tie(&map, &number.to_string(), "912.24", &paid, &invoice_id));
    }
    println!("a demo world {made:?}; 100 paid sales, one by one, {:?}", begun.elapsed());
}
