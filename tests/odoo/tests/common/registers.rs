//! Registers of Odoo, live or as they were recorded: what happens at them, and who answers for it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trueup_connect::sandbox::Sandbox;
use trueup_connect::{CallError, Reply, Request};
use trueup_odoo::sandbox::OdooSandbox;
use trueup_odoo_pos::OdooPosSandbox;

use super::{Books, Played, Real};

const REGISTER: &str = include_str!("../pos/register.py");
const INSTALL: &str = "env['ir.module.module'].search([('name', '=', 'point_of_sale')])\
                       .button_immediate_install()\nprint('DONE')\n";

/// Something that happens at the register.
pub struct Happening {
    pub name: &'static str,
    /// How it happens at the real one.
    pub script: &'static str,
    /// What the real one answered after it.
    pub rows: &'static str,
}

/// Who answers the requests of the connection, and what happens at the register in between.
pub trait Registers {
    fn happens(&mut self, what: &Happening);
    fn answer(&mut self, request: &Request) -> Result<Reply, CallError>;
    /// The Odoo that they belong to.
    fn books(&mut self) -> &mut dyn Books;
}

/// Recorded rows, beside a sandbox of Odoo's other books.
pub struct Recorded {
    registers: OdooPosSandbox,
    books: Played,
}

impl Recorded {
    pub fn new() -> Self {
        Self { registers: OdooPosSandbox::default(), books: Played(OdooSandbox::bare()) }
    }
}

impl Registers for Recorded {
    fn happens(&mut self, what: &Happening) {
        let rows: Value = serde_json::from_str(what.rows).expect("recorded rows");
        for (model, rows) in rows.as_object().expect("by model") {
            for row in rows.as_array().expect("rows") {
                self.registers.put(model, row.clone());
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Reply, CallError> {
        Ok(self.registers.handle(request, jiff::Timestamp::now()))
    }

    fn books(&mut self) -> &mut dyn Books {
        &mut self.books
    }
}

/// The real Odoo; keeps the rows that it answers, by model and id, so that they can be played.
pub struct Live {
    real: Real,
    rows: BTreeMap<String, BTreeMap<i64, Value>>,
    /// What happened last.
    name: Option<&'static str>,
}

impl Live {
    /// `None` where no Odoo is provided, or it lacks the module.
    pub fn fresh(name: &str) -> Option<Self> {
        let real = Real::fresh(name)?;
        real.0.shell(INSTALL)?;
        Some(Self { real, rows: BTreeMap::new(), name: None })
    }

    /// Keeps what was answered since something happened, when asked to.
    pub fn record(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let Some(name) = self.name.filter(|_| recording()) else { return };
        let rows: BTreeMap<&String, Vec<&Value>> =
            rows.iter().map(|(model, rows)| (model, rows.values().collect())).collect();
        let path = format!("{}/tests/pos/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = serde_json::to_string_pretty(&rows).expect("JSON");
        std::fs::write(path, format!("{text}\n")).expect("written");
    }
}

/// Whether what the real one answers is to be kept.
pub fn recording() -> bool {
    std::env::var_os("TRUEUP_RECORD").is_some()
}

impl Registers for Live {
    fn happens(&mut self, what: &Happening) {
        self.record();
        self.name = Some(what.name);
        let script = format!("{REGISTER}\n{}", what.script);
        self.real.0.shell(&script).expect("a shell");
    }

    fn answer(&mut self, request: &Request) -> Result<Reply, CallError> {
        let reply = self.real.send(request, false)?;
        let model = request.path.split('/').nth(3).unwrap_or_default().to_owned();
        let rows: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        for row in rows.as_array().into_iter().flatten() {
            let known = self.rows.entry(model.clone()).or_default();
            let known = known.entry(row["id"].as_i64().expect("an id")).or_insert(json!({}));
            for (field, value) in row.as_object().expect("a row") {
                known[field] = value.clone();
            }
        }
        Ok(reply)
    }

    fn books(&mut self) -> &mut dyn Books {
        &mut self.real
    }
}
