//! What the scenarios share: two places to run them, a driver, and the facts they post.
//!
//! Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod facts;
pub mod goods;
pub mod registers;
pub mod road;
pub mod scenarios;
pub mod till;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use trueup_connect::conversation::{Context, Dispatch, Outcome, Reply, Request, Step, Task};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{CallError, Connector, ReceiptOutcome, Secret, Settings};
use trueup_domain::mapping::Mapping;
use trueup_domain::posting::Posting;
use trueup_hub::Connection;
use trueup_hub::talk::Windows;
pub use trueup_odoo::sandbox::Lock;
use trueup_odoo::sandbox::{ADMIN_KEY, HUB_KEY, OdooSandbox};
use trueup_odoo::setup;
use trueup_odoo_tests::server::{OdooServer, TestDb};

/// A connection of an entity about which nothing is special.
pub fn connection(name: &str, connector: &'static Connector, entity: &str) -> Connection {
    Connection {
        name: name.to_owned(),
        connector,
        entity: entity.to_owned(),
        time_zone: "UTC".to_owned(),
        settings: Settings::default(),
        base_url: None,
        secret: Some(Secret::new("carried by the test")),
        webhook_secrets: Vec::new(),
        account: None,
        since: Timestamp::MIN,
        fees: None,
        posting: Posting::default(),
        ledger_since: None,
        bank_names: Vec::new(),
        poll_every_s: None,
        calls_per_minute: None,
        completeness: true,
        windows: Windows::default(),
    }
}

/// An Odoo: the real one, or the sandbox.
pub trait Books {
    /// Carries a request out as the hub's user, or as an administrator.
    fn send(&mut self, request: &Request, admin: bool) -> Result<Reply, CallError>;
    fn read(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value>;
    fn name(&self) -> &'static str;
    /// Somebody sets one of a company's lock dates.
    fn lock(&mut self, company: i64, kind: Lock, until: &str);
    /// Somebody lets everybody past the sales lock, up to and with an earlier day.
    fn except_from_sale_lock(&mut self, company: i64, until: &str);
    /// Somebody makes an order's first line a cent dearer.
    fn edit_order(&mut self, order: i64);
    /// Somebody cancels a posted move.
    fn cancel_move(&mut self, id: i64);
    /// Somebody deletes a move.
    fn delete_move(&mut self, id: i64);
    /// Somebody adds a product to the catalogue.
    fn add_product(&mut self, sku: &str) -> i64 {
        let values = json!({ "name": sku, "default_code": sku, "type": "consu" });
        let arguments = json!({ "vals_list": [values] });
        let path = "/json/2/product.product/create";
        let reply = self.send(&Request::post_json(path, &arguments), true).expect("a reply");
        let made: Value = serde_json::from_slice(&reply.body).expect("JSON");
        made[0].as_i64().unwrap_or_else(|| panic!("a product: {made}"))
    }
    /// Somebody enters a bank line.
    fn enter_bank_line(&mut self, journal: i64, amount: &str);
}

pub struct Real(pub TestDb);

impl Real {
    /// `None`, after a note, where no server is announced.
    pub fn fresh(name: &str) -> Option<Self> {
        OdooServer::from_env().map(|server| Self(server.fresh_database(name)))
    }

    /// The bytes of a request as they go over the wire.
    pub fn wire(&self, request: &Request, key: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.0\r\nHost: odoo\r\nAuthorization: bearer {key}\r\n",
            request.method.word(),
            request.path
        );
        head.push_str(&format!("X-Odoo-Database: {}\r\n", self.0.name));
        for (name, value) in &request.headers {
            if name != "x-odoo-database" {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&request.body);
        bytes
    }

    pub fn connect(&self) -> TcpStream {
        let authority = self.0.url.trim_start_matches("http://");
        let stream = TcpStream::connect(authority).expect("Odoo listens");
        stream.set_read_timeout(Some(Duration::from_secs(180))).expect("a timeout");
        stream
    }
}

impl Books for Real {
    fn send(&mut self, request: &Request, admin: bool) -> Result<Reply, CallError> {
        let key = if admin { &self.0.admin_key } else { &self.0.hub_key };
        let mut stream = self.connect();
        stream.write_all(&self.wire(request, key)).expect("sent");
        let mut bytes = Vec::new();
        let lost = |why: String| CallError::ReplyLost { why };
        stream.read_to_end(&mut bytes).map_err(|error| lost(error.to_string()))?;
        let split = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(|| lost("no head".to_owned()))?;
        let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok(Reply { status, headers: Vec::new(), body: bytes[split + 4..].to_vec() })
    }

    fn read(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        self.0.admin().read(model, domain, fields)
    }

    fn name(&self) -> &'static str {
        "real"
    }

    fn lock(&mut self, company: i64, kind: Lock, until: &str) {
        let field = format!("{}_lock_date", kind.word());
        let vals = json!({ "ids": [company], "vals": { field: until } });
        self.0.admin().call("res.company", "write", vals).expect("an administrator locks");
    }

    fn except_from_sale_lock(&mut self, company: i64, until: &str) {
        let values = json!({ "company_id": company, "user_id": false, "sale_lock_date": until });
        let made = json!({ "vals_list": [values] });
        self.0.admin().call("account.lock_exception", "create", made).expect("he may");
    }

    fn edit_order(&mut self, order: i64) {
        let lines = self.0.admin().read(
            "sale.order.line",
            json!([["order_id", "=", order]]),
            &["price_unit"],
        );
        let dearer = cents(&lines[0]["price_unit"]) + 1;
        let price: Value =
            format!("{}.{:02}", dearer / 100, dearer % 100).parse().expect("a number");
        let vals = json!({ "ids": [lines[0]["id"]], "vals": { "price_unit": price } });
        self.0.admin().call("sale.order.line", "write", vals).expect("an administrator edits");
    }

    fn cancel_move(&mut self, id: i64) {
        for method in ["button_draft", "button_cancel"] {
            self.0
                .admin()
                .call("account.move", method, json!({ "ids": [id] }))
                .expect("an administrator may");
        }
    }

    fn delete_move(&mut self, id: i64) {
        for method in ["button_draft", "unlink"] {
            self.0
                .admin()
                .call("account.move", method, json!({ "ids": [id] }))
                .expect("an administrator may");
        }
    }

    fn enter_bank_line(&mut self, journal: i64, amount: &str) {
        // In the community edition, an administrator is no bookkeeper until he makes himself one.
        let domain = json!([["module", "=", "account"], ["name", "=", "group_account_basic"]]);
        let group = self.0.admin().read("ir.model.data", domain, &["res_id"])[0]["res_id"].clone();
        let admin = self.0.admin().read("res.users", json!([["login", "=", "admin"]]), &["id"])[0]
            ["id"]
            .clone();
        let vals = json!({ "ids": [admin], "vals": { "group_ids": [[4, group]] } });
        self.0.admin().call("res.users", "write", vals).expect("an administrator may");
        let amount: Value = amount.parse().expect("a number");
        let line = json!({ "journal_id": journal, "date": "2026-11-06", "payment_ref": "STRIPE PAYOUT po_1", "amount": amount });
        self.0
            .admin()
            .call("account.bank.statement.line", "create", json!({ "vals_list": [line] }))
            .expect("an administrator may");
    }
}

/// What somebody else makes in Odoo.
pub fn made_by_an_administrator(books: &mut dyn Books, command: Dispatch) {
    let (settings, now) = (Settings::default(), Timestamp::now());
    let context = Context { settings: &settings, now };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, &Task::Deliver { commands: vec![command] });
    loop {
        step = match step {
            Step::Send { request, state, .. } => {
                let reply = books.send(&request, true);
                (talk.resume)(&context, &state, reply.as_ref().map_err(Clone::clone))
            }
            Step::Done(outcome) => {
                let outcome = &outcome.receipts[0].outcome;
                assert!(matches!(outcome, ReceiptOutcome::Applied { .. }), "{outcome:?}");
                return;
            }
            other => panic!("{other:?}"),
        };
    }
}

pub struct Played(pub OdooSandbox);

impl Books for Played {
    fn send(&mut self, request: &Request, admin: bool) -> Result<Reply, CallError> {
        let mut request = request.clone();
        let key = if admin { ADMIN_KEY } else { HUB_KEY };
        request.headers.push(("authorization".to_owned(), format!("bearer {key}")));
        Ok(self.0.handle(&request, Timestamp::now()))
    }

    fn read(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        self.0.read_all(model, &domain, fields)
    }

    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn lock(&mut self, company: i64, kind: Lock, until: &str) {
        self.0.lock(company, kind, until);
    }

    fn except_from_sale_lock(&mut self, company: i64, until: &str) {
        self.0.except_from_sale_lock(company, until);
    }

    fn edit_order(&mut self, order: i64) {
        assert!(self.0.edit_order_total(order, 1, Timestamp::now()), "the order is there");
    }

    fn cancel_move(&mut self, id: i64) {
        assert!(self.0.cancel_move(id, Timestamp::now()), "the move is there");
    }

    fn delete_move(&mut self, id: i64) {
        assert!(self.0.delete_move(id, Timestamp::now()), "the move is there");
    }

    fn enter_bank_line(&mut self, journal: i64, amount: &str) {
        let amount = amount.parse().expect("a number");
        let text = "STRIPE PAYOUT po_1";
        self.0
            .add_bank_line(journal, "2026-11-06", amount, text, Timestamp::now())
            .expect("the journal is there");
    }
}

/// Sets both demo entities up with the administrator's key: (US, EU).
pub fn set_up(books: &mut dyn Books) -> (Mapping, Mapping) {
    let mut maps = setup::demo::wanted().into_iter().map(|wanted| {
        let mut call = |request: &Request| books.send(request, true);
        setup::run(&mut call, &wanted).unwrap_or_else(|error| panic!("{error}: {error:?}"))
    });
    let us = maps.next().expect("two entities");
    let eu = maps.next().expect("two entities");
    (us, eu)
}

/// Drives a task to its end as the hub's plain user.
pub fn drive(books: &mut dyn Books, task: &Task) -> Result<Outcome, CallError> {
    drive_with(books, task, &Settings::default())
}

pub fn drive_with(
    books: &mut dyn Books,
    task: &Task,
    settings: &Settings,
) -> Result<Outcome, CallError> {
    let context = Context { settings, now: Timestamp::now() };
    let talk = trueup_odoo::CONNECTOR.conversations.expect("it talks");
    let mut step = (talk.start)(&context, task);
    for _ in 0..500 {
        step = match step {
            Step::Send { request, state, .. } => {
                let reply = books.send(&request, false);
                (talk.resume)(&context, &state, reply.as_ref().map_err(Clone::clone))
            }
            Step::Wait { for_ms, state } => {
                std::thread::sleep(Duration::from_millis(for_ms));
                (talk.resume)(&context, &state, Err(CallError::Busy { why: "waited".to_owned() }))
            }
            Step::Done(outcome) => return Ok(outcome),
            Step::Failed(error) => return Err(error),
        };
    }
    panic!("the conversation does not end");
}

pub fn deliver(books: &mut dyn Books, commands: &[Dispatch]) -> Vec<ReceiptOutcome> {
    let outcome = drive(books, &Task::Deliver { commands: commands.to_vec() });
    let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}: {error:?}", books.name()));
    outcome.receipts.into_iter().map(|receipt| receipt.outcome).collect()
}

/// The binding of a command that was applied exactly as asked.
pub fn applied(books: &mut dyn Books, command: &Dispatch) -> String {
    match deliver(books, std::slice::from_ref(command)).pop() {
        Some(ReceiptOutcome::Applied { binding, differs, .. }) if differs.is_empty() => binding,
        other => panic!("{}: {} became {other:?}", books.name(), command.key),
    }
}

/// Posted balances by account name of one company, zero balances left out.
pub fn trial_balance(books: &dyn Books, company: i64) -> std::collections::BTreeMap<String, i64> {
    let domain = json!([["parent_state", "=", "posted"], ["company_id", "=", company]]);
    let mut sums = std::collections::BTreeMap::new();
    for line in books.read("account.move.line", domain, &["account_id", "balance"]) {
        let account = line["account_id"][1].as_str().expect("a name").to_owned();
        *sums.entry(account).or_insert(0) += cents(&line["balance"]);
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// Minor units of an amount that Odoo wrote as a float.
pub fn cents(value: &Value) -> i64 {
    let text = value.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded: String = fraction.chars().chain("00".chars()).take(2).collect();
    sign * (whole.parse::<i64>().expect("whole") * 100 + padded.parse::<i64>().expect("fraction"))
}
