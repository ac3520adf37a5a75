//! What came of a scenario, in words: documents, journal, records of Odoo, proof, cases, report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use trueup_domain::command::{CommandKind, Content};
use trueup_domain::document::Document;
use trueup_domain::mapping::CustomerPolicy;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::figures::{Cell, Column};
use trueup_hub::sales::{self, Dimension, Wanted};
use trueup_hub::trace;
use trueup_store::cases::{self, Case};
use trueup_store::{documents, facts, month_ends, summaries};

use crate::common::Books;
use crate::file::Scenario;
use crate::provider;
use crate::stage::{ENVIRONMENT, Stage};

/// All that Odoo holds, by id, so that one reading serves all scenarios.
pub struct Held {
    orders: BTreeMap<i64, Value>,
    delivered: BTreeMap<i64, Vec<Value>>,
    pub moves: BTreeMap<i64, Value>,
    items: BTreeMap<i64, Vec<Value>>,
    payments: BTreeMap<i64, Value>,
    customers: BTreeMap<i64, Value>,
    taxes: BTreeMap<i64, String>,
    /// Moves of stock, by transfer.
    goods: BTreeMap<i64, Vec<Value>>,
}

impl Held {
    pub fn read(books: &dyn Books) -> Self {
        let by_id = |model: &str, fields: &[&str]| {
            let rows = books.read(model, json!([]), fields);
            rows.into_iter().map(|row| (id(&row["id"]), row)).collect()
        };
        let below = |model: &str, parent: &str, fields: &[&str]| {
            let mut all: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
            for row in books.read(model, json!([]), fields) {
                if row[parent] != json!(false) {
                    all.entry(id(&row[parent])).or_default().push(row);
                }
            }
            all
        };
        Self {
            orders: by_id(
                "sale.order",
                &["state", "amount_total", "amount_tax", "partner_id", "partner_shipping_id"],
            ),
            customers: by_id(
                "res.partner",
                &["name", "ref", "street", "city", "type", "parent_id", "vat"],
            ),
            delivered: below(
                "sale.order.line",
                "order_id",
                &["order_id", "product_id", "product_uom_qty", "qty_delivered"],
            ),
            moves: by_id(
                "account.move",
                &[
                    "state",
                    "move_type",
                    "partner_id",
                    "invoice_date",
                    "date",
                    "amount_total",
                    "amount_tax",
                    "amount_residual",
                    "payment_state",
                ],
            ),
            items: below(
                "account.move.line",
                "move_id",
                &[
                    "move_id",
                    "account_id",
                    "account_type",
                    "amount_currency",
                    "amount_residual_currency",
                    "tax_ids",
                    "tax_line_id",
                    "product_id",
                    "quantity",
                ],
            ),
            goods: below(
                "stock.move",
                "picking_id",
                &["picking_id", "product_id", "quantity", "state", "date", "location_dest_usage"],
            ),
            payments: by_id("account.payment", &["amount", "payment_type", "date", "move_id"]),
            taxes: books
                .read("account.tax", json!([]), &["name"])
                .iter()
                .map(|row| (id(&row["id"]), word(&row["name"]).to_owned()))
                .collect(),
        }
    }
}

fn id(value: &Value) -> i64 {
    value.as_i64().or_else(|| value[0].as_i64()).expect("an id")
}

pub fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("nothing")
}

/// An amount that Odoo wrote as a float, in minor units.
fn minor(value: &Value, currency: Currency) -> i64 {
    let text = value.to_string();
    let exact = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text));
    let exact = exact.unwrap_or_else(|_| panic!("{text} is no amount"));
    let rounded = exact.round_dp(currency.exponent());
    Money::from_decimal(rounded, currency).expect("in range").minor()
}

fn units(value: &Value) -> i64 {
    minor(value, Currency::parse("JPY").expect("yen"))
}

pub fn text(minor: i64, currency: Currency) -> String {
    Money::from_minor(minor, currency).amount_text()
}

/// The role of each account, with the gateway of a clearing account.
pub fn roles(mapping: &Mapping) -> BTreeMap<i64, String> {
    let of = |(word, account): (&String, &String)| {
        let role = match word.split_once('/') {
            Some((role, gateway)) => {
                let provider = mapping.gateways[gateway].provider.as_deref();
                format!("{role}/{}", provider.unwrap_or(gateway))
            }
            None => word.clone(),
        };
        (account.parse().expect("an id"), role)
    };
    mapping.accounts.iter().map(of).collect()
}

type Sums = BTreeMap<String, i64>;

/// Units of a product, and what they come to where that is told.
type Sold = (i64, Option<(i64, Currency)>);

pub fn in_words(sums: &Sums, currency: Currency) -> String {
    let shown = sums.iter().filter(|(_, minor)| **minor != 0);
    let shown: Vec<String> =
        shown.map(|(role, minor)| format!("{role} {}", text(*minor, currency))).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

pub struct Account<'a> {
    pub stage: &'a Stage,
    pub held: &'a Held,
    pub scenario: &'a Scenario,
    /// What must hold of every scenario and does not hold of this one.
    pub wrong: Vec<String>,
    /// What the books have on clearing of it, by currency.
    pub clearing: BTreeMap<String, i64>,
}

impl<'a> Account<'a> {
    pub fn of(stage: &'a Stage, held: &'a Held, scenario: &'a Scenario) -> Self {
        Self { stage, held, scenario, wrong: Vec::new(), clearing: BTreeMap::new() }
    }
}

impl Account<'_> {
    /// All sections; each is there, so that nothing is missing by an oversight.
    pub fn tell(&mut self) -> String {
        let name = &self.scenario.name;
        let mut roots: Vec<String> = self
            .read(|tx| documents::search_sales(tx, "", i64::MAX))
            .into_iter()
            .filter(|root| root.connection == *name)
            .map(|root| root.id)
            .collect();
        roots.sort();
        let mut told = String::new();
        for root in &roots {
            self.sale(root, &mut told);
        }
        if roots.is_empty() {
            told.push_str("no sale\n");
        }
        let own = name.clone();
        for root in self.read(move |tx| month_ends::decided(tx, &own)) {
            self.month_end(&root, &mut told);
        }
        if self.scenario.heading("Ledger").is_some() {
            self.ledger(&mut told);
        }
        self.cases(&mut told);
        self.report(&mut told);
        told
    }

    pub fn read<T: Send + 'static>(
        &self,
        of: impl FnOnce(&mut trueup_store::Tx<'_>) -> Result<T, trueup_store::StoreError>
        + Send
        + 'static,
    ) -> T {
        self.stage.hub.store.read(of).expect("readable")
    }

    fn sale(&mut self, root: &str, told: &mut String) {
        let own = root.to_owned();
        let trace = self.read(move |tx| trace::trace(tx, &own)).expect("known");
        writeln!(told, "sale {}: {}", trace.number, trace.state).expect("written");
        if let Some(waiting) = &trace.waiting {
            writeln!(told, "  waits for {waiting}").expect("written");
        }
        told.push_str("documents\n");
        let own = root.to_owned();
        let mut stated: Vec<String> = self
            .read(move |tx| documents::of_root(tx, &own))
            .iter()
            .map(|(one, _)| document(one))
            .collect();
        stated.sort();
        for one in stated {
            writeln!(told, "  {one}").expect("written");
        }
        let journal = self.journal(root, told);
        let books = self.odoo(root, told);
        let currency = self.currency(root).code().to_owned();
        let on_clearing: i64 =
            books.iter().filter(|(role, _)| role.starts_with("clearing/")).map(|(_, it)| it).sum();
        *self.clearing.entry(currency).or_default() += on_clearing;
        let own = root.to_owned();
        let summed_up = !self.read(move |tx| summaries::is_open(tx, &own))
            && trace.entries.iter().filter_map(|it| it.state.as_deref()).all(is_settled);
        if trace.commands.iter().all(|command| is_settled(&command.state))
            && trace.waiting.is_none()
            && summed_up
            && journal != books
        {
            let one = |(sums, code): (&Sums, Currency)| in_words(sums, code);
            let code = self.currency(root);
            self.wrong.push(format!(
                "the journal expects of Odoo {}; it holds {}",
                one((&journal, code)),
                one((&books, code))
            ));
        }
        told.push_str("proof\n");
        let links = trace.proof.iter().map(|(link, status)| format!("{link} {status}"));
        writeln!(told, "  {}", links.collect::<Vec<_>>().join(", ")).expect("written");
        for key in trace.keys.iter().filter(|key| key.status != "proven") {
            let why =
                if key.detail.is_empty() { String::new() } else { format!(": {}", key.detail) };
            writeln!(told, "  {} {}{why}", key.key, key.status).expect("written");
        }
        for capture in &trace.captures {
            writeln!(told, "  {}", capture.line).expect("written");
        }
    }

    fn month_end(&mut self, root: &str, told: &mut String) {
        let own = root.to_owned();
        let trace = self.read(move |tx| trace::trace(tx, &own)).expect("known");
        writeln!(told, "month end {}: {}", trace.number, trace.state).expect("written");
        self.journal(root, told);
        self.odoo(root, told);
        for key in trace.keys {
            writeln!(told, "  {} {}", key.key, key.status).expect("written");
        }
    }

    fn currency(&self, root: &str) -> Currency {
        let own = root.to_owned();
        let lines = self.read(move |tx| facts::lines_of_root(tx, &own));
        let usual = &self.stage.mappings[&self.scenario.name].currency;
        lines.first().map_or(*usual, |line| Currency::parse(&line.currency).expect("a currency"))
    }

    /// Writes the entries, and returns what Odoo is to hold for them.
    fn journal(&self, root: &str, told: &mut String) -> Sums {
        told.push_str("journal\n");
        let own = root.to_owned();
        let lines = self.read(move |tx| facts::lines_of_root(tx, &own));
        if lines.is_empty() {
            told.push_str("  nothing\n");
        }
        let mut entries: Vec<(String, Sums)> = Vec::new();
        let mut of_odoo = Sums::new();
        for line in &lines {
            // The parts of one sale or refund are shown as one entry.
            let part = if line.kind == "sale" { String::new() } else { format!(" {}", line.part) };
            let made = match (line.generation, line.reversal) {
                (1, false) => String::new(),
                (generation, false) => format!(", generation {generation}"),
                (generation, true) => format!(", generation {generation} taken back"),
            };
            let by =
                if line.booker == "odoo" { String::new() } else { format!(" [{}]", line.booker) };
            let head = format!("{} {}{part}{made}{by}", line.day, line.kind);
            let role = match line.qualifier.as_str() {
                qualifier if line.role == "clearing" => format!("clearing/{qualifier}"),
                _ => line.role.clone(),
            };
            if matches!(line.booker.as_str(), "odoo" | "trueup") {
                *of_odoo.entry(role.clone()).or_default() += line.amount;
            }
            let at = entries.iter().position(|(known, _)| *known == head).unwrap_or_else(|| {
                entries.push((head, Sums::new()));
                entries.len() - 1
            });
            *entries[at].1.entry(role).or_default() += line.amount;
        }
        let currency = self.currency(root);
        for (head, sums) in entries {
            writeln!(told, "  {head}: {}", in_words(&sums, currency)).expect("written");
        }
        of_odoo.retain(|_, minor| *minor != 0);
        of_odoo
    }

    /// Writes Odoo's records, and returns what they come to on each role.
    fn odoo(&mut self, root: &str, told: &mut String) -> Sums {
        told.push_str("odoo\n");
        let currency = self.currency(root);
        let roles = roles(&self.stage.mappings[&self.scenario.name]);
        let own = root.to_owned();
        let commands = self.read(move |tx| trueup_store::commands::of_root(tx, &own));
        let entries = self.entries(root);
        let (mut sums, mut lines, mut seen) = (Sums::new(), Vec::new(), BTreeSet::new());
        for command in commands.iter().chain(&entries) {
            if command.state == "withdrawn" || command.kind == CommandKind::Reconciliation {
                continue;
            }
            let start = format!("{ENVIRONMENT}/{}/", command.root);
            let key = command.key.strip_prefix(&start).expect("its root").replacen('/', " ", 1);
            let key = match command.root.split_once("/summary/") {
                Some((_, of)) if of.contains("/goods/") => {
                    key.replacen("transfer", &format!("transfer {},", self.place(of)), 1)
                }
                Some((_, of)) => key.replacen("entry", &format!("entry {of},"), 1),
                None => key,
            };
            if command.state != "applied" {
                let why = command.error.as_deref().unwrap_or_default();
                lines.push(format!("{key}: {} {why}", command.state));
                continue;
            }
            let binding = command.binding.as_deref().unwrap_or_default();
            let record: Option<i64> = binding.parse().ok();
            let words = match (command.kind, record) {
                (CommandKind::Order, Some(order)) => self.order(order, currency),
                (CommandKind::Invoice | CommandKind::CreditNote, Some(own)) => {
                    seen.insert(own);
                    self.billed(own, currency, &roles, &mut sums)
                }
                (CommandKind::Payment, Some(payment)) => {
                    let payment = &self.held.payments[&payment];
                    let own = id(&payment["move_id"]);
                    seen.insert(own);
                    let (of_move, open) = self.effect(own, currency, &roles);
                    add(&mut sums, &of_move);
                    let open = if open == 0 {
                        String::new()
                    } else {
                        format!(", open {}", text(open, currency))
                    };
                    format!(
                        "{} of {}{open}: {}",
                        word(&payment["payment_type"]),
                        // Of a payment, Odoo may date the entry alone (V13).
                        word(&self.held.moves[&own]["date"]),
                        in_words(&of_move, currency)
                    )
                }
                (CommandKind::Entry, Some(own)) => {
                    let (of_move, _) = self.effect(own, currency, &roles);
                    add(&mut sums, &of_move);
                    let taxes = self.taxes(own, currency);
                    let row = &self.held.moves[&own];
                    format!(
                        "{} of {}: {}; {taxes}",
                        word(&row["state"]),
                        word(&row["date"]),
                        in_words(&of_move, currency)
                    )
                }
                (CommandKind::Goods, _) if matches!(command.content, Content::Transfer(_)) => {
                    self.transfer(binding)
                }
                (CommandKind::Goods, _) if binding.contains("picking") => "moved".to_owned(),
                (CommandKind::Goods, _) => binding.to_owned(),
                _ => "done".to_owned(),
            };
            lines.push(format!("{key}: {words}"));
        }
        tell_lines(lines, told);
        sums.retain(|_, minor| *minor != 0);
        sums
    }

    /// `2026-11-02/goods/8`, with the scenarios' word for the location.
    fn place(&self, of: &str) -> String {
        let (day, location) = of.split_once("/goods/").expect("a day and a location");
        let words = &self.stage.locations;
        let word = words.iter().find(|(_, id)| *id == location).map(|((_, word), _)| *word);
        format!("{day} {}", word.expect("a location of the scenarios"))
    }

    /// The moves of some transfers: units of each product, out and back.
    fn transfer(&self, binding: &str) -> String {
        let products = &self.stage.mappings[&self.scenario.name].products;
        let sku = |product: &Value| {
            let own = id(product).to_string();
            let found = products.iter().find(|(_, id)| **id == own);
            found.map_or("nothing", |(sku, _)| sku.as_str())
        };
        let ids = binding.rsplit('/').next().unwrap_or_default().split(',');
        let ids = ids.filter_map(|id| id.parse::<i64>().ok());
        let moves = ids.flat_map(|id| self.held.goods.get(&id).into_iter().flatten());
        let mut told: Vec<String> = moves
            .map(|one| {
                let out = one["location_dest_usage"] == json!("customer");
                format!(
                    "{} of {}, {} {} {}",
                    word(&one["state"]),
                    word(&one["date"]).split(' ').next().unwrap_or_default(),
                    minor(&one["quantity"], Currency::parse("JPY").expect("yen")),
                    sku(&one["product_id"]),
                    if out { "out" } else { "back" }
                )
            })
            .collect();
        told.sort();
        if told.is_empty() { binding.to_owned() } else { told.join("; ") }
    }

    /// The commands of the entries that the sale's rows are in.
    pub fn entries(&self, root: &str) -> Vec<trueup_store::commands::Shown> {
        let own = root.to_owned();
        let entries = self.read(move |tx| summaries::of_sale(tx, &own));
        let summaries: BTreeSet<String> = entries.into_iter().map(|one| one.summary).collect();
        let of =
            |summary: String| self.read(move |tx| trueup_store::commands::of_root(tx, &summary));
        summaries.into_iter().flat_map(of).collect()
    }

    /// The bases and amounts of an entry's taxes, by tax and sign.
    fn taxes(&self, own: i64, currency: Currency) -> String {
        let mut taxes: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for item in self.held.items.get(&own).into_iter().flatten() {
            let amount = minor(&item["amount_currency"], currency);
            let name = |tax: &Value| self.held.taxes[&id(tax)].clone();
            for tax in item["tax_ids"].as_array().into_iter().flatten() {
                taxes.entry(name(tax)).or_default().0 += amount;
            }
            if item["tax_line_id"] != json!(false) {
                taxes.entry(name(&item["tax_line_id"])).or_default().1 += amount;
            }
        }
        let shown = taxes.iter().map(|(name, (base, tax))| {
            format!("{name}: {} of {}", text(*tax, currency), text(*base, currency))
        });
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() { "no taxes".to_owned() } else { shown.join(", ") }
    }

    fn order(&self, order: i64, currency: Currency) -> String {
        let row = &self.held.orders[&order];
        let amount = |field: &str| text(minor(&row[field], currency), currency);
        let mut words = format!(
            "{}, {} with tax {}",
            word(&row["state"]),
            amount("amount_total"),
            amount("amount_tax")
        );
        if self.scenario.heading("Known").is_some() {
            let customer = &self.held.customers[&id(&row["partner_id"])];
            let name = word(&customer["name"]);
            words.push_str(&match customer["ref"].as_str() {
                Some(reference) => format!(", made for {reference}"),
                None => format!(", of `{name}`"),
            });
        }
        if self.scenario.heading("Addresses").is_some() {
            let place = &self.held.customers[&id(&row["partner_shipping_id"])];
            let below = id(&place["parent_id"]) == id(&row["partner_id"]);
            assert!(below, "the address is not the customer's: {place}");
            let shown = |field: &str| word(&place[field]).to_owned();
            let (kind, name, street) = (shown("type"), shown("name"), shown("street"));
            words.push_str(&format!(", {kind} to {name}, {street}, {}", shown("city")));
        }
        if self.scenario.heading("Bundles").is_some() {
            let lines = self.held.delivered.get(&order).into_iter().flatten();
            words.push_str(&self.goods(lines.map(|line| (line, "product_uom_qty", None))));
        }
        if self.scenario.heading("Goods").is_some() {
            let of_line = |line: &Value, field: &str| units(&line[field]);
            let units = |field: &str| -> i64 {
                let lines = self.held.delivered.get(&order).into_iter().flatten();
                lines.map(|line| of_line(line, field)).sum()
            };
            let (left, ordered) = (units("qty_delivered"), units("product_uom_qty"));
            write!(words, ", {left} of {ordered} units have left").expect("written");
        }
        words
    }

    /// Units of each product, and what they come to: what only a bundle makes worth telling.
    fn goods<'v>(
        &self,
        lines: impl Iterator<Item = (&'v Value, &'static str, Option<Currency>)>,
    ) -> String {
        let products = &self.stage.mappings[&self.scenario.name].products;
        let mut sums: BTreeMap<&str, Sold> = BTreeMap::new();
        for (line, quantity, currency) in
            lines.filter(|(line, ..)| line["product_id"] != json!(false))
        {
            let own = id(&line["product_id"]).to_string();
            let Some((sku, _)) = products.iter().find(|(_, product)| **product == own) else {
                continue;
            };
            let (count, amount) = sums.entry(sku).or_default();
            *count += units(&line[quantity]);
            if let Some(currency) = currency {
                let known = amount.map_or(0, |(minor, _)| minor);
                *amount = Some((known + minor(&line["amount_currency"], currency), currency));
            }
        }
        let shown = sums.into_iter().map(|(sku, (count, amount))| {
            let amount = amount.map(|(minor, currency)| format!(" for {}", text(minor, currency)));
            format!(", {count} {sku}{}", amount.unwrap_or_default())
        });
        shown.collect()
    }

    fn billed(
        &self,
        own: i64,
        currency: Currency,
        roles: &BTreeMap<i64, String>,
        sums: &mut Sums,
    ) -> String {
        let row = &self.held.moves[&own];
        let (of_move, open) = self.effect(own, currency, roles);
        add(sums, &of_move);
        let state = word(&row["state"]);
        let state = if state == "posted" { word(&row["payment_state"]) } else { state };
        let open =
            if open == 0 { String::new() } else { format!(", open {}", text(open, currency)) };
        let booked = match word(&row["date"]) {
            day if day == word(&row["invoice_date"]) => String::new(),
            day => format!(" in the books on {day}"),
        };
        let goods = if self.scenario.heading("Bundles").is_some() {
            let items = self.held.items.get(&own).into_iter().flatten();
            self.goods(items.map(|item| (item, "quantity", Some(currency))))
        } else {
            String::new()
        };
        let to = match self.scenario.heading("Names") {
            Some("shown") => format!(" to {}", self.made_out_to(&row["partner_id"])),
            _ => String::new(),
        };
        format!(
            "{state} of {}{booked}{to}, {} with tax {}{goods}{open}: {}",
            word(&row["invoice_date"]),
            text(minor(&row["amount_total"], currency), currency),
            text(minor(&row["amount_tax"], currency), currency),
            in_words(&of_move, currency)
        )
    }

    fn made_out_to(&self, partner: &Value) -> String {
        let (own, mapping) = (id(partner), &self.stage.mappings[&self.scenario.name]);
        if let CustomerPolicy::PerBuyer { guests } = &mapping.customers
            && *guests == own.to_string()
        {
            return "the customer of all guests".to_owned();
        }
        let customer = &self.held.customers[&own];
        let name = word(&customer["name"]);
        match customer["vat"].as_str() {
            Some(vat) => format!("{name}, {vat}"),
            None => name.to_owned(),
        }
    }

    /// What a move comes to on each role, and what is open on its receivable.
    pub fn effect(
        &self,
        own: i64,
        currency: Currency,
        roles: &BTreeMap<i64, String>,
    ) -> (Sums, i64) {
        let (mut sums, mut open) = (Sums::new(), 0);
        for item in self.held.items.get(&own).into_iter().flatten() {
            if item["account_id"] == json!(false) {
                continue;
            }
            let account = id(&item["account_id"]);
            let role = roles.get(&account).cloned();
            let role = role.unwrap_or_else(|| format!("account {}", word(&item["account_id"][1])));
            *sums.entry(role).or_default() += minor(&item["amount_currency"], currency);
            if item["account_type"] == "asset_receivable" {
                open += minor(&item["amount_residual_currency"], currency);
            }
        }
        (sums, open)
    }

    fn cases(&self, told: &mut String) {
        told.push_str("cases\n");
        let name = &self.scenario.name;
        // A message that cannot be read is told by its connection, the others by what they are about.
        let own = [provider::connection_of(self.scenario), provider::bank_of(self.scenario)];
        let about = |case: &Case| {
            let of = |part: &str| {
                part == name
                    || part.contains(&format!("_{name}_"))
                    || (name.starts_with("ledger-") && own.iter().any(|it| it == part))
            };
            case.subject.split('/').any(of)
                || case.title.ends_with(&format!(" of {name} cannot be read"))
        };
        let shown = |case: &Case| {
            // The ids of Odoo differ from one database to the next.
            let detail = case.detail.split(" (in the books").next().unwrap_or_default();
            format!("{}: {detail}", case.kind)
        };
        let all = self.read(cases::open_cases);
        // Nobody answers for a channel here, so that it cannot be asked.
        let asked = |case: &Case| case.kind == "connection_down";
        let own = all.iter().filter(|case| about(case) && !asked(case));
        let mut own: Vec<String> = own.map(shown).collect();
        own.sort();
        own.dedup();
        if own.is_empty() {
            own.push("none".to_owned());
        }
        for case in own {
            writeln!(told, "  {case}").expect("written");
        }
    }

    /// The sales report of the scenario's channel by month, without rates and averages.
    fn report(&mut self, told: &mut String) {
        told.push_str("report\n");
        let day = |text: &str| text.parse::<Date>().expect("a day");
        let mut wanted = Wanted::new(day("2000-01-01"), day("2100-01-01"), vec![Dimension::Month]);
        wanted.channel = Some(self.scenario.name.clone());
        let now = self.stage.now();
        let store = &self.stage.hub.store;
        let report =
            store.read(|tx| sales::build(tx, &self.stage.hub, &wanted, now)).expect("built");
        for row in &report.rows {
            let shown = Column::ALL.iter().filter_map(|column| {
                let text = match column.of(&row.figures, row.currency)? {
                    Cell::Money(_) if *column == Column::AverageOrder => return None,
                    Cell::Money(_) if *column == Column::AverageUnit => return None,
                    Cell::Money(money) if !money.is_zero() => money.amount_text(),
                    Cell::Count(count) if count != 0 => count.to_string(),
                    _ => return None,
                };
                Some(format!("{} {text}", column.label().to_lowercase()))
            });
            let shown: Vec<String> = shown.collect();
            writeln!(
                told,
                "  {} {}: {}",
                row.words.join(" "),
                row.currency.code(),
                shown.join(", ")
            )
            .expect("written");
        }
        for out in &report.excluded {
            writeln!(told, "  excluded, {}: {} for {}", out.reason, out.documents, out.stated)
                .expect("written");
        }
        if report.rows.is_empty() && report.excluded.is_empty() {
            told.push_str("  nothing\n");
        }
        for bridge in report.bridges.iter().filter(|bridge| !bridge.unexplained.is_zero()) {
            self.wrong.push(format!("{}: {} is unexplained", bridge.name, bridge.unexplained));
        }
    }
}

fn add(sums: &mut Sums, more: &Sums) {
    for (role, minor) in more {
        *sums.entry(role.clone()).or_default() += minor;
    }
}

/// In their order, or that there are none.
pub fn tell_lines(mut lines: Vec<String>, told: &mut String) {
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    lines.sort();
    for line in lines {
        writeln!(told, "  {line}").expect("written");
    }
}

pub fn is_settled(state: &str) -> bool {
    matches!(state, "applied" | "withdrawn")
}

/// The word of a list, as it is written.
fn written(word: impl serde::Serialize) -> String {
    let word = serde_json::to_value(word).expect("a word");
    word.as_str().unwrap_or_default().to_owned()
}

/// One document in force, in a line.
fn document(document: &Document) -> String {
    match document {
        Document::Order(order) => {
            let standing = written(order.payment_standing);
            format!("order {} of {}, {standing}", order.id, order.total)
        }
        Document::Payment(one) => {
            let (kind, status) = (written(one.kind), written(one.status));
            format!("payment {}: {kind} of {} by {}, {status}", one.id, one.amount, one.gateway)
        }
        Document::Refund(refund) => format!("refund {} of {}", refund.id, refund.total),
        other => format!("{} {}", other.kind().word(), other.external_id()),
    }
}
