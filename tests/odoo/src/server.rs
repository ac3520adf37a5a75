//! A real Odoo: a fresh database for each test, and a client that is not ours.
//!
//! Assertions go through this client rather than through our connector, so that a mistake in the
//! connector cannot hide itself. Trouble with the server panics: it is never a test's subject.

use std::env;
use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postgres::NoTls;
use serde_json::{Value, json};

/// The company that keeps its books in US dollars; the users' own company.
pub const COMPANY_US: i64 = 1;

/// The company that keeps its books in euros. 1 USD = 0.80 EUR in both.
pub const COMPANY_EU: i64 = 2;

/// Odoo itself retries a call that lost a race, for up to about a minute.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct OdooServer {
    pub url: String,
    template: String,
    hub_key: String,
    admin_key: String,
    postgres: String,
}

impl OdooServer {
    /// The server that `cargo xtask test` announces, or a note and `None`.
    pub fn from_env() -> Option<Self> {
        let Ok(url) = env::var("TRUEUP_TEST_ODOO_URL") else {
            eprintln!("skipped: TRUEUP_TEST_ODOO_URL is not set (`cargo xtask test` sets it)");
            return None;
        };
        let variable = |name: &str| {
            env::var(name).unwrap_or_else(|_| panic!("TRUEUP_TEST_ODOO_URL is set, {name} is not"))
        };
        Some(Self {
            url,
            template: variable("TRUEUP_TEST_ODOO_DB"),
            hub_key: variable("TRUEUP_TEST_ODOO_KEY"),
            admin_key: variable("TRUEUP_TEST_ODOO_ADMIN_KEY"),
            postgres: variable("TRUEUP_TEST_PG"),
        })
    }

    /// A copy of the template that nobody else uses. It is gone when the value is dropped.
    pub fn fresh_database(&self, name: &str) -> TestDb {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{name}_{}_{number}", std::process::id());
        assert!(
            name.len() <= 63
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{name} is no name for a database"
        );
        administer(&self.postgres, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        administer(
            &self.postgres,
            &format!("CREATE DATABASE {name} TEMPLATE {} OWNER odoo", self.template),
        );
        TestDb {
            name,
            url: self.url.clone(),
            hub_key: self.hub_key.clone(),
            admin_key: self.admin_key.clone(),
            postgres: self.postgres.clone(),
        }
    }
}

pub struct TestDb {
    pub name: String,
    pub url: String,
    /// The key a retailer would give the hub: orders, stock, invoices; no settings.
    pub hub_key: String,
    pub admin_key: String,
    postgres: String,
}

impl TestDb {
    pub fn hub(&self) -> Client<'_> {
        Client { database: self, key: &self.hub_key }
    }

    pub fn admin(&self) -> Client<'_> {
        Client { database: self, key: &self.admin_key }
    }
}

impl TestDb {
    /// Runs a statement in this database, behind Odoo's back.
    pub fn sql(&self, statement: &str) {
        let mut own: postgres::Config = self.postgres.parse().expect("an address of PostgreSQL");
        own.dbname(&self.name)
            .connect(NoTls)
            .and_then(|mut client| client.batch_execute(statement))
            .unwrap_or_else(|error| panic!("`{statement}` failed: {error:?}"));
    }

    /// Copies this database as it is. The copy stays until it is [brought back](Self::bring_back).
    pub fn back_up(&self) {
        self.cut_off();
        administer(&self.postgres, &format!("CREATE DATABASE {0}_copy TEMPLATE {0}", self.name));
    }

    /// Puts the copy in the place of this database.
    pub fn bring_back(&self) {
        let name = &self.name;
        administer(&self.postgres, &format!("DROP DATABASE {name} WITH (FORCE)"));
        administer(&self.postgres, &format!("ALTER DATABASE {name}_copy RENAME TO {name}"));
        // Odoo finds out that its connections are gone.
        for _ in 0..10 {
            let asked = json!({ "domain": [], "fields": ["name"] });
            if self.hub().call("res.company", "search_read", asked).is_ok() {
                return;
            }
        }
        panic!("Odoo does not come back to {name}");
    }

    /// Ends every connection of Odoo to this database, in the middle of what it does.
    pub fn cut_off(&self) {
        let name = &self.name;
        administer(
            &self.postgres,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ),
        );
    }

    /// Runs a script in Odoo's own shell on this database; it ends with the line `DONE`. `None`,
    /// after a note, where no shell is announced.
    pub fn shell(&self, script: &str) -> Option<()> {
        let Ok(program) = env::var("TRUEUP_TEST_ODOO_SHELL") else {
            eprintln!("skipped: TRUEUP_TEST_ODOO_SHELL is not set (`cargo xtask test` sets it)");
            return None;
        };
        let mut child = Command::new(program)
            .args(["-d", &self.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Odoo's shell starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(script.as_bytes()).expect("the shell reads its script");
        drop(input);
        let output = child.wait_with_output().expect("the shell ends");
        let said = String::from_utf8_lossy(&output.stdout);
        // It ends with success even when the script does not.
        assert!(
            said.lines().any(|line| line.ends_with("DONE")),
            "the script failed:\n{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(())
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        administer(&self.postgres, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn administer(url: &str, statement: &str) {
    postgres::Client::connect(url, NoTls)
        .and_then(|mut client| client.batch_execute(statement))
        .unwrap_or_else(|error| panic!("`{statement}` failed: {error:?}"));
}

/// One user of one database, speaking JSON-2.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    database: &'a TestDb,
    key: &'a str,
}

/// Odoo's own answer to a call it did not carry out.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// The exception, such as `odoo.exceptions.AccessError`.
    pub name: String,
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.name, self.message)
    }
}

impl std::error::Error for Refused {}

impl Client<'_> {
    /// Calls a method with named arguments, such as `{"ids": [1], "fields": ["name"]}`.
    pub fn call(&self, model: &str, method: &str, arguments: Value) -> Result<Value, Refused> {
        let (status, body) =
            self.post(&format!("/json/2/{model}/{method}"), &arguments.to_string());
        let value: Option<Value> = serde_json::from_str(&body).ok();
        match value {
            Some(value) if status == 200 => Ok(value),
            value => {
                let field = |name: &str| Some(value.as_ref()?[name].as_str()?.to_owned());
                let name = field("name").unwrap_or_default();
                Err(Refused { status, name, message: field("message").unwrap_or(body) })
            }
        }
    }

    /// The records that match, in order of id, from both companies.
    pub fn read(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        let context =
            json!({ "allowed_company_ids": [COMPANY_US, COMPANY_EU], "active_test": false });
        let arguments =
            json!({ "domain": domain, "fields": fields, "order": "id", "context": context });
        match self.call(model, "search_read", arguments) {
            Ok(Value::Array(records)) => records,
            other => panic!("reading {model} answered {other:?}"),
        }
    }

    fn post(&self, path: &str, body: &str) -> (u16, String) {
        let authority = self.database.url.trim_start_matches("http://");
        // HTTP 1.0: Odoo closes each connection anyway, and does not answer in chunks.
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {authority}\r\nAuthorization: bearer {}\r\n\
             X-Odoo-Database: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            self.database.name,
            body.len(),
        );
        let mut reply = String::new();
        TcpStream::connect(authority)
            .and_then(|mut stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.write_all(request.as_bytes())?;
                stream.read_to_string(&mut reply)
            })
            .unwrap_or_else(|error| panic!("Odoo at {authority} does not answer {path}: {error}"));

        let (head, body) = reply.split_once("\r\n\r\n").expect("a reply has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a reply has a status"), body.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_database_knows_both_companies_and_keeps_settings_from_the_hub() {
        let Some(server) = OdooServer::from_env() else { return };
        let database = server.fresh_database("smoke");

        let companies = database.hub().read("res.company", json!([]), &["name", "currency_id"]);
        let seen: Vec<_> = companies
            .iter()
            .map(|company| (company["id"].as_i64(), &company["name"], &company["currency_id"][1]))
            .collect();
        let expected = [
            (Some(COMPANY_US), &json!("Trueup US"), &json!("USD")),
            (Some(COMPANY_EU), &json!("Trueup EU"), &json!("EUR")),
        ];
        assert_eq!(seen, expected);

        let journal = json!({ "vals_list": [{ "name": "J", "code": "J", "type": "general" }] });
        let refused = database.hub().call("account.journal", "create", journal.clone());
        assert_eq!(refused.map_err(|refused| refused.status).unwrap_err(), 403);
        database.admin().call("account.journal", "create", journal).expect("an admin may");
    }
}
