//! The rows of one page of orders or sessions, and what else must be asked for them: an order is a
//! record only with its lines, its payments and what these refer to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trueup_connect::conversation::Record;
use trueup_connect::{CallError, Request, Settings};

use crate::{decode, outcome, settings};

/// Odoo answers pages of this size well within a second.
pub const SIZE: usize = 100;
const TIMEOUT_MS: u64 = 90_000;

/// What one read beside the page itself asks for: the rows of `model` whose `by` is one of the ids
/// that stand in the field of another read's rows.
struct Beside {
    name: &'static str,
    model: &'static str,
    by: &'static str,
    /// Name of the read, and the field of its rows.
    ids: (&'static str, &'static str),
    fields: &'static [&'static str],
    /// A single row, written as itself and not as a list.
    one: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    Orders,
    Sessions,
}

const MAIN: &str = "main";

const ORDER_FIELDS: &[&str] = &[
    "pos_reference",
    "name",
    "uuid",
    "state",
    "date_order",
    "write_date",
    "session_id",
    "company_id",
    "config_id",
    "currency_id",
    "partner_id",
    "amount_total",
    "amount_tax",
    "amount_paid",
    "account_move",
];
const ORDERS_BESIDE: &[Beside] = &[
    Beside {
        name: "lines",
        model: "pos.order.line",
        by: "order_id",
        ids: (MAIN, "id"),
        fields: &[
            "order_id",
            "product_id",
            "full_product_name",
            "qty",
            "price_unit",
            "discount",
            "price_subtotal",
            "price_subtotal_incl",
            "tax_ids_after_fiscal_position",
            "refunded_orderline_id",
            "write_date",
        ],
        one: false,
    },
    Beside {
        name: "payments",
        model: "pos.payment",
        by: "pos_order_id",
        ids: (MAIN, "id"),
        fields: &[
            "pos_order_id",
            "amount",
            "payment_method_id",
            "payment_date",
            "transaction_id",
            "write_date",
        ],
        one: false,
    },
    Beside {
        name: "refunded",
        model: "pos.order.line",
        by: "id",
        ids: ("lines", "refunded_orderline_id"),
        fields: &["order_id"],
        one: false,
    },
    Beside {
        name: "products",
        model: "product.product",
        by: "id",
        ids: ("lines", "product_id"),
        fields: &["default_code"],
        one: false,
    },
    Beside {
        name: "taxes",
        model: "account.tax",
        by: "id",
        ids: ("lines", "tax_ids_after_fiscal_position"),
        fields: &["name", "amount", "amount_type", "price_include"],
        one: false,
    },
    Beside {
        name: "methods",
        model: "pos.payment.method",
        by: "id",
        ids: ("payments", "payment_method_id"),
        fields: &["name", "type"],
        one: false,
    },
    Beside {
        name: "session",
        model: "pos.session",
        by: "id",
        ids: (MAIN, "session_id"),
        fields: &["start_at"],
        one: true,
    },
    Beside {
        name: "config",
        model: "pos.config",
        by: "id",
        ids: (MAIN, "config_id"),
        fields: &["name", "tip_product_id"],
        one: true,
    },
];

const SESSION_FIELDS: &[&str] = &[
    "name",
    "state",
    "company_id",
    "config_id",
    "currency_id",
    "start_at",
    "stop_at",
    "write_date",
    "move_id",
    "cash_journal_id",
    "cash_register_balance_start",
    "cash_register_balance_end",
    "cash_register_balance_end_real",
    "payment_method_ids",
];
const SESSIONS_BESIDE: &[Beside] = &[
    Beside {
        name: "orders",
        model: "pos.order",
        by: "session_id",
        ids: (MAIN, "id"),
        fields: &["session_id", "account_move", "reversed_move_ids"],
        one: false,
    },
    Beside {
        name: "entry",
        model: "account.move.line",
        by: "move_id",
        ids: (MAIN, "move_id"),
        fields: LINE_FIELDS,
        one: false,
    },
    Beside {
        name: "invoices",
        model: "account.move.line",
        by: "move_id",
        ids: ("orders", "account_move"),
        fields: LINE_FIELDS,
        one: false,
    },
    // Of orders that were invoiced after the entry of their session was posted.
    Beside {
        name: "reversals",
        model: "account.move.line",
        by: "move_id",
        ids: ("orders", "reversed_move_ids"),
        fields: LINE_FIELDS,
        one: false,
    },
    Beside {
        name: "methods",
        model: "pos.payment.method",
        by: "id",
        ids: (MAIN, "payment_method_ids"),
        fields: &["name", "type"],
        one: false,
    },
];
const LINE_FIELDS: &[&str] =
    &["move_id", "name", "parent_state", "account_type", "amount_currency", "tax_line_id"];

impl Of {
    pub const fn model(self) -> &'static str {
        match self {
            Self::Orders => "pos.order",
            Self::Sessions => "pos.session",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Orders => decode::ORDER,
            Self::Sessions => decode::SESSION,
        }
    }

    /// What the row of the page itself is called in a record.
    const fn word(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Sessions => "session",
        }
    }

    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Orders => ORDER_FIELDS,
            Self::Sessions => SESSION_FIELDS,
        }
    }

    const fn beside(self) -> &'static [Beside] {
        match self {
            Self::Orders => ORDERS_BESIDE,
            Self::Sessions => SESSIONS_BESIDE,
        }
    }
}

/// A page under way: first its own rows, then those beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    of: Of,
    /// By position: the page itself, then each read beside it, as Odoo wrote the rows.
    reads: Vec<Vec<String>>,
}

impl Page {
    pub const fn new(of: Of) -> Self {
        Self { of, reads: Vec::new() }
    }

    pub const fn of(&self) -> Of {
        self.of
    }

    /// The page itself, by `domain`; without rows of its own nothing is asked beside it.
    pub fn request(&mut self, settings: &Settings, domain: &[Value]) -> Option<Request> {
        if self.reads.is_empty() {
            let of = self.of;
            let mut domain = domain.to_vec();
            domain.push(json!(["company_id", "=", settings::company(settings)]));
            return Some(read(settings, of.model(), &json!(domain), of.fields(), Some(SIZE)));
        }
        loop {
            let beside = self.of.beside().get(self.reads.len() - 1)?;
            let ids = self.ids(beside.ids);
            if ids.is_empty() {
                self.reads.push(Vec::new());
                continue;
            }
            let domain = json!([[beside.by, "in", ids]]);
            return Some(read(settings, beside.model, &domain, beside.fields, None));
        }
    }

    pub fn take(&mut self, rows: Vec<Box<RawValue>>) {
        self.reads.push(rows.into_iter().map(|row| row.get().to_owned()).collect());
    }

    /// Ids and times of the page's own rows.
    pub fn heads(&self) -> Result<Vec<(i64, String)>, CallError> {
        let rows = self.reads.first().into_iter().flatten();
        rows.map(|row| {
            let value: Value = serde_json::from_str(row).unwrap_or_default();
            let id = value.get("id").and_then(Value::as_i64);
            let written = value.get("write_date").and_then(Value::as_str);
            match (id, written) {
                (Some(id), Some(written)) => Ok((id, written.to_owned())),
                _ => Err(outcome::unreachable("unexpected answer: a row without id or time")),
            }
        })
        .collect()
    }

    fn read(&self, name: &str) -> &[String] {
        let position = match name {
            MAIN => Some(0),
            name => self.of.beside().iter().position(|one| one.name == name).map(|at| at + 1),
        };
        position.and_then(|at| self.reads.get(at)).map_or(&[], Vec::as_slice)
    }

    fn ids(&self, (read, field): (&str, &str)) -> BTreeSet<i64> {
        self.read(read).iter().flat_map(|row| ids_in(row, field)).collect()
    }

    /// The whole page, one record for each of its rows, with what belongs to it.
    pub fn records(&self) -> Vec<Record> {
        self.read(MAIN).iter().filter_map(|row| self.record(row)).collect()
    }

    fn record(&self, row: &str) -> Option<Record> {
        let id = ids_in(row, "id").first().copied()?;
        let mut body = format!("{{\"{}\":{row}", self.of.word());
        let mut own: Vec<(&str, Vec<&str>)> = vec![(MAIN, vec![row])];
        for beside in self.of.beside() {
            let (read, field) = beside.ids;
            let of = own.iter().find(|(name, _)| *name == read).map_or(&[][..], |(_, rows)| rows);
            let ids: BTreeSet<i64> = of.iter().flat_map(|row| ids_in(row, field)).collect();
            let rows: Vec<&str> = self
                .read(beside.name)
                .iter()
                .map(String::as_str)
                .filter(|row| ids_in(row, beside.by).iter().any(|id| ids.contains(id)))
                .collect();
            let text = match (beside.one, rows.first()) {
                (true, Some(row)) => (*row).to_owned(),
                (true, None) => "null".to_owned(),
                (false, _) => format!("[{}]", rows.join(",")),
            };
            body.push_str(&format!(",\"{}\":{text}", beside.name));
            own.push((beside.name, rows));
        }
        body.push('}');
        let kind = self.of.kind().to_owned();
        Some(Record { kind, external_id: id.to_string(), body: body.into_bytes() })
    }
}

/// The ids in a field: an id, a reference with its name, or a list of ids. `false` is none.
fn ids_in(row: &str, field: &str) -> Vec<i64> {
    let value: Value = serde_json::from_str(row).unwrap_or_default();
    match value.get(field) {
        Some(Value::Number(id)) => id.as_i64().into_iter().collect(),
        Some(Value::Array(values)) => match values.as_slice() {
            [id, Value::String(_)] => id.as_i64().into_iter().collect(),
            ids => ids.iter().filter_map(Value::as_i64).collect(),
        },
        _ => Vec::new(),
    }
}

fn read(
    settings: &Settings,
    model: &str,
    domain: &Value,
    fields: &[&str],
    limit: Option<usize>,
) -> Request {
    let company = settings::company(settings);
    let mut body = json!({
        "domain": domain,
        "fields": fields,
        "order": "id",
        "context": {
            "allowed_company_ids": [company], "active_test": false, "lang": "en_US", "tz": "UTC",
        },
    });
    if let (Some(limit), Value::Object(body)) = (limit, &mut body) {
        body.insert("limit".to_owned(), json!(limit));
    }
    let mut request = Request::post_json(format!("/json/2/{model}/search_read"), &body);
    request.timeout_ms = TIMEOUT_MS;
    if let Some(database) = settings::database(settings) {
        request.headers.push(("x-odoo-database".to_owned(), database.to_owned()));
    }
    request
}
