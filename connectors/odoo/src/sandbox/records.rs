//! Making, changing and showing records of any model.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::schema::{self, Kind, Model};
use super::stock;
use super::store::{Cell, Fault, Fields, Record, Store};
use super::world::{Call, World};

impl World {
    pub(super) fn create(
        &mut self,
        call: &Call,
        model: &'static Model,
        mut values: Record,
        lines: Vec<(&'static str, Record)>,
    ) -> Result<i64, Fault> {
        let rows =
            |lines: Vec<(&'static str, Record)>| lines.into_iter().map(|(_, line)| line).collect();
        match model.name {
            "sale.order" => return self.create_order(call, values, rows(lines)),
            "account.move" => return self.create_move(call, values, rows(lines)),
            "account.payment" => return self.create_payment(call, values),
            "stock.picking" => return self.create_picking(call, values, rows(lines)),
            "stock.move.line" => return self.create_move_line(call, &values),
            "res.partner" => {
                values.entry("type").or_insert(Cell::text("contact"));
                values.entry("is_company").or_insert(Cell::Flag(false));
                values.insert("active", Cell::Flag(true));
                if values.cell("name") == &Cell::Nothing {
                    return Err(Fault::invalid("Contacts require a name"));
                }
            }
            "product.product" => {
                values.entry("type").or_insert(Cell::text("consu"));
                values.insert("active", Cell::Flag(true));
                values.entry("uom_id").or_insert(Cell::Link(1));
                values.entry("categ_id").or_insert(Cell::Link(1));
                values.entry("is_storable").or_insert(Cell::Flag(false));
                values.entry("tracking").or_insert(Cell::text("none"));
                values.entry("taxes_id").or_insert_with(|| Cell::Links(Vec::new()));
            }
            "account.account" => {
                let code = values.word("code").to_owned();
                let company = call.company();
                let taken = self.store.all(model.name).any(|(_, it)| {
                    it.word("code") == code && it.links("company_ids").contains(&company)
                });
                if taken {
                    return Err(Fault::invalid(
                        "Account codes must be unique. You can't create accounts with these duplicate codes.",
                    ));
                }
                values.insert("company_ids", Cell::Links(vec![company]));
                values.insert("active", Cell::Flag(true));
                let reconcilable = values.word("account_type") == "asset_receivable";
                values.entry("reconcile").or_insert(Cell::Flag(reconcilable));
            }
            "stock.location" => {
                let parent = values.link("location_id");
                let parent = parent.and_then(|id| self.store.get(model.name, id));
                let warehouse = parent.map(|it| it.cell("warehouse_id").clone());
                values.insert("warehouse_id", warehouse.unwrap_or_default());
            }
            "account.tax" => self.complete_tax(call, &mut values),
            "product.pricelist" => {
                values.entry("active").or_insert(Cell::Flag(true));
            }
            "account.journal" => {
                values.entry("active").or_insert(Cell::Flag(true));
                values.entry("bank_statements_source").or_insert(Cell::text("undefined"));
            }
            _ => {}
        }
        if model.field("company_id").is_some()
            && !matches!(model.name, "res.partner" | "product.product")
        {
            values.entry("company_id").or_insert(Cell::Link(call.company()));
        }
        let id = self.insert(call, model.name, values);
        if model.name == "res.partner" {
            self.complete_partner(id);
        }
        let none = lines.is_empty();
        for (field, line) in lines {
            self.add_line(call, model, id, field, line)?;
        }
        if none {
            self.default_lines(call, model, id);
        }
        Ok(id)
    }

    /// What Odoo computes of a customer. Its telephone number stays as typed where the library for
    /// such numbers is not installed, as with the Odoo of the tests.
    fn complete_partner(&mut self, id: i64) {
        let Some(partner) = self.store.get("res.partner", id) else { return };
        let email = partner.word("email").to_lowercase();
        let email = email.split_once('<').map_or(email.as_str(), |(_, rest)| rest);
        let email = email.split(['>', ',']).next().unwrap_or_default().trim();
        let email = match email.contains('@') {
            true => Cell::text(email),
            false => Cell::Nothing,
        };
        let phone = partner.cell("phone").clone();
        self.store.set("res.partner", id, "email_normalized", email);
        self.store.set("res.partner", id, "phone_sanitized", phone);
        let commercial = partner_of(&self.store, id);
        self.store.set("res.partner", id, "commercial_partner_id", Cell::Link(commercial));
    }

    fn complete_tax(&self, call: &Call, values: &mut Record) {
        values.entry("active").or_insert(Cell::Flag(true));
        values.entry("amount").or_insert(Cell::Number(Decimal::ZERO));
        let included = values.word("price_include_override") == "tax_included";
        values.insert("price_include", Cell::Flag(included));
        let country =
            self.store.get("res.company", call.company()).map(|it| it.cell("country_id").clone());
        values.entry("country_id").or_insert(country.unwrap_or_default());
    }

    /// What Odoo adds where nothing was sent: repartition without accounts, manual payments.
    fn default_lines(&mut self, call: &Call, model: &Model, id: i64) {
        let parts: &[(&'static str, &'static str, &str)] = match model.name {
            "account.tax" => &[
                ("invoice_repartition_line_ids", "repartition_type", "base"),
                ("invoice_repartition_line_ids", "repartition_type", "tax"),
                ("refund_repartition_line_ids", "repartition_type", "base"),
                ("refund_repartition_line_ids", "repartition_type", "tax"),
            ],
            "account.journal"
                if self
                    .store
                    .get("account.journal", id)
                    .is_some_and(|it| matches!(it.word("type"), "bank" | "cash")) =>
            {
                &[
                    ("inbound_payment_method_line_ids", "", ""),
                    ("outbound_payment_method_line_ids", "", ""),
                ]
            }
            _ => &[],
        };
        let Some(model) = schema::model(model.name) else { return };
        for (field, name, value) in parts {
            let mut line = Record::new();
            if !name.is_empty() {
                line.insert(name, Cell::text(*value));
            }
            // The parts are made of known fields only.
            let _ = self.add_line(call, model, id, field, line);
        }
    }

    pub(super) fn add_line(
        &mut self,
        call: &Call,
        model: &'static Model,
        parent: i64,
        field: &'static str,
        mut line: Record,
    ) -> Result<(), Fault> {
        let Some(Kind::Lines(other, back)) = model.field(field).map(|field| field.kind) else {
            return Err(Fault::value(format!("Invalid field name '{field}'")));
        };
        line.insert(back, Cell::Link(parent));
        match field {
            "invoice_repartition_line_ids" | "refund_repartition_line_ids" => {
                let document = if field.starts_with("invoice") { "invoice" } else { "refund" };
                line.insert("document_type", Cell::text(document));
                line.entry("factor_percent").or_insert(Cell::Number(Decimal::ONE_HUNDRED));
                line.entry("tag_ids").or_insert_with(|| Cell::Links(Vec::new()));
            }
            "inbound_payment_method_line_ids" | "outbound_payment_method_line_ids" => {
                let (kind, method) =
                    if field.starts_with("inbound") { ("inbound", 1) } else { ("outbound", 2) };
                line.insert("payment_type", Cell::text(kind));
                line.insert("name", Cell::text("Manual Payment"));
                line.insert("payment_method_id", Cell::Link(method));
            }
            _ => {}
        }
        let company = self.store.get(model.name, parent).map(|it| it.cell("company_id").clone());
        line.insert("company_id", company.unwrap_or_default());
        let id = self.insert(call, other, line);
        let mut all = self
            .store
            .get(model.name, parent)
            .map(|it| it.links(field).to_vec())
            .unwrap_or_default();
        all.push(id);
        self.store.set(model.name, parent, field, Cell::Links(all));
        if model.name == "sale.order" {
            self.compute_order(parent);
        }
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        call: &Call,
        model: &'static Model,
        id: i64,
        mut values: Record,
    ) -> Result<(), Fault> {
        if self.store.get(model.name, id).is_none() {
            return Err(Fault::missing(model.name, id));
        }
        if model.name == "account.move"
            && self.store.get(model.name, id).is_some_and(|it| it.word("state") == "posted")
        {
            return Err(Fault::user("You cannot modify a posted entry of this journal."));
        }
        if let Some(Cell::Links(others)) = values.remove("reconciled_lines_ids") {
            // Odoo computes this field; writing it reconciles, and writing what it is does nothing.
            if self.lines_tied_to(id) != others.iter().copied().collect() {
                let lines: Vec<i64> = std::iter::once(id).chain(others).collect();
                self.reconcile(call, &lines)?;
            }
        }
        if let (stock::MOVE, Some(Cell::Number(units))) =
            (model.name, values.remove("product_uom_qty"))
        {
            self.demand(call, id, units);
        }
        let done_at = values.get("date_done").cloned();
        self.change(call, model.name, id, |record| record.extend(values));
        if let Some(done_at) = done_at.filter(|_| model.name == stock::PICKING) {
            self.date_moves(call, id, &done_at);
        }
        if model.name == "sale.order" {
            self.compute_order(id);
        }
        Ok(())
    }

    /// Values of a `write` or `create` over JSON.
    pub(super) fn values(&self, model: &'static Model, vals: &Value) -> Result<Record, Fault> {
        let vals = vals.as_object().ok_or_else(|| Fault::arguments("values are an object"))?;
        let mut record = Record::new();
        for (name, value) in vals {
            let field = model.field(name).ok_or_else(|| {
                Fault::value(format!("Invalid field '{name}' in '{}'", model.name))
            })?;
            let wrong = || Fault::value(format!("Wrong value for {}.{name}: {value}", model.name));
            let cell = match (field.kind, value) {
                (_, Value::Bool(false) | Value::Null) if field.kind != Kind::Flag => Cell::Nothing,
                (Kind::Flag, Value::Bool(flag)) => Cell::Flag(*flag),
                (Kind::Link(_), Value::Number(_)) => {
                    value.as_i64().map(Cell::Link).ok_or_else(wrong)?
                }
                (Kind::Whole, Value::Number(_)) => {
                    value.as_i64().map(Cell::Whole).ok_or_else(wrong)?
                }
                (Kind::Number, Value::Number(number)) => {
                    number.to_string().parse().map(Cell::Number).map_err(|_| wrong())?
                }
                (Kind::Text | Kind::Date | Kind::Moment, Value::String(text)) => {
                    Cell::text(text.clone())
                }
                (Kind::Links(_), Value::Array(_)) => Cell::Links(links(value).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            };
            record.insert(field.name, cell);
        }
        Ok(record)
    }

    /// A record as `read` shows it.
    pub(super) fn show(
        &self,
        model: &'static Model,
        id: i64,
        fields: &[&str],
    ) -> Result<Value, Fault> {
        let record =
            self.store.get(model.name, id).ok_or_else(|| Fault::missing(model.name, id))?;
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(id));
        for name in fields {
            let field = model.field(name).ok_or_else(|| {
                Fault::value(format!("Invalid field '{name}' on '{}'", model.name))
            })?;
            let value = match (field.name, field.kind, record.cell(name)) {
                ("id", ..) => json!(id),
                ("display_name", ..) => json!(self.display_name(model.name, id)),
                ("invoice_ids", ..) => json!(self.invoices_of(id)),
                (_, Kind::Number, Cell::Nothing) => Cell::number(Decimal::ZERO),
                (_, Kind::Whole, Cell::Nothing) => json!(0),
                (_, Kind::Links(_) | Kind::Lines(..), Cell::Nothing) => json!([]),
                (_, _, Cell::Nothing) => json!(false),
                (_, _, Cell::Flag(flag)) => json!(flag),
                (_, _, Cell::Whole(number)) => json!(number),
                (_, _, Cell::Number(number)) => Cell::number(*number),
                (_, _, Cell::Text(text)) => json!(text),
                (_, Kind::Link(other), Cell::Link(id)) => {
                    json!([id, self.display_name(other, *id)])
                }
                (_, _, Cell::Link(id)) => json!(id),
                (_, _, Cell::Links(ids)) => json!(ids),
                (_, _, Cell::Json(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            };
            shown.insert((*name).to_owned(), value);
        }
        Ok(Value::Object(shown))
    }

    fn display_name(&self, model: &str, id: i64) -> String {
        let Some(record) = self.store.get(model, id) else { return format!("{model},{id}") };
        let name = record.word("name");
        match (model, record.word("ref"), record.word("default_code")) {
            ("account.move", "", _) if !name.is_empty() => name.to_owned(),
            ("account.move", reference, _) if !name.is_empty() => format!("{name} ({reference})"),
            ("account.move", ..) => "/".to_owned(),
            ("res.country.state", ..) => {
                let country =
                    record.link("country_id").and_then(|id| self.store.get("res.country", id));
                format!("{name} ({})", country.map_or("", |it| it.word("code")))
            }
            ("product.product", _, code) if !code.is_empty() => format!("[{code}] {name}"),
            _ if name.is_empty() => format!("{model},{id}"),
            _ => name.to_owned(),
        }
    }

    fn invoices_of(&self, order: i64) -> Vec<i64> {
        let lines = self
            .store
            .get("sale.order", order)
            .map(|it| it.links("order_line"))
            .unwrap_or_default();
        let billing = self
            .store
            .all("account.move.line")
            .filter(|(_, line)| line.links("sale_line_ids").iter().any(|id| lines.contains(id)));
        let mut moves: Vec<i64> = billing.filter_map(|(_, line)| line.link("move_id")).collect();
        moves.dedup();
        moves
    }
}

/// `[1, 2]`, or the commands `[[4, 1], [6, 0, [1, 2]]]`.
fn links(value: &Value) -> Option<Vec<i64>> {
    let mut ids = Vec::new();
    for one in value.as_array()? {
        match one.as_array().map(Vec::as_slice) {
            None => ids.push(one.as_i64()?),
            Some([code, id, ..]) if code.as_i64() == Some(4) => ids.push(id.as_i64()?),
            Some([code, _, set]) if code.as_i64() == Some(6) => {
                ids.extend(set.as_array()?.iter().filter_map(Value::as_i64))
            }
            Some(_) => return None,
        }
    }
    Some(ids)
}

/// Whose contact or address a partner is, or himself.
fn partner_of(store: &Store, id: i64) -> i64 {
    let parent = store.get("res.partner", id).and_then(|it| it.link("parent_id"));
    parent.map_or(id, |parent| partner_of(store, parent))
}
