//! A read-only look at an Odoo: what setup and an auditor want to know.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::json;
use trueup_connect::{CallError, DecodeError};
use trueup_domain::mapping::GoodsPolicy;

use super::unasked::{self, Seen};
use super::{Caller, SetupError, Wanted, ask, company, settings};
use crate::external_id::MODULE;
use crate::request;
use crate::wire::Row;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupReport {
    pub version: String,
    /// Installed modules; empty where our user may not read them.
    pub modules: BTreeMap<String, String>,
    pub company: String,
    pub company_id: i64,
    pub country: Option<i64>,
    pub currency: String,
    /// `round_globally` or `round_per_line`.
    pub rounding: String,
    /// The lock dates that are set, by field (V13).
    pub locks: BTreeMap<String, String>,
    /// `periodic` or `real_time`, by product category, where perpetual valuation is installed (P4).
    pub valuation: BTreeMap<String, String>,
    pub accounts: Vec<Account>,
    pub journals: Vec<Journal>,
    pub method_lines: Vec<MethodLine>,
    pub taxes: Vec<Tax>,
    /// By the code of its currency: the company's own, or else one of all companies.
    pub pricelists: BTreeMap<String, i64>,
    pub warehouse: Option<i64>,
    /// Where that has its stock.
    pub stock_location: Option<i64>,
    /// Products by SKU; one that several products have is left out and found.
    pub products: BTreeMap<String, i64>,
    pub currencies: BTreeMap<String, i64>,
    /// Whether the caller may make tax tags: Odoo's community edition lets nobody without its full
    /// accounting features.
    pub may_tag: bool,
    /// What earlier runs made, by external id without its module; `None` where the caller may not
    /// see external ids.
    pub existing: Option<BTreeMap<String, i64>>,
    /// Tells this database from others, for every user alike ([`super::identity`]).
    pub fingerprint: String,
    /// Odoo's own name of the database, which a duplicate made by Odoo does not share; only an
    /// administrator may see it.
    pub uuid: Option<String>,
    pub findings: Vec<Finding>,
    /// What the caller's rights do not reach: it may be there or not.
    pub unread: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: i64,
    pub code: String,
    pub name: String,
    pub kind: String,
    pub reconcile: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    pub id: i64,
    pub code: String,
    pub name: String,
    pub kind: String,
    pub account: Option<i64>,
    pub suspense: Option<i64>,
    /// How statement lines come in: `undefined`, `file_import`, `online_sync`.
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodLine {
    pub id: i64,
    pub journal: i64,
    pub inbound: bool,
    pub account: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tax {
    pub id: i64,
    pub name: String,
    pub usage: String,
    pub percent: Decimal,
    pub included: bool,
    pub group: Option<i64>,
    /// Where its amount is posted.
    pub account: Option<i64>,
    /// A part of its amount has no account, and is posted as income (V9).
    pub blank: bool,
    pub tagged: bool,
}

/// Something a person should know or decide before the first live write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stands in the way of posting, or is only worth knowing.
    pub blocks: bool,
    pub code: &'static str,
    pub text: String,
}

/// What our user must be allowed, by model and operation.
pub fn rights_needed(wanted: &Wanted) -> Vec<(&'static str, &'static str)> {
    let goods = match wanted.goods {
        GoodsPolicy::Books => &[],
        GoodsPolicy::Channel => GOODS_RIGHTS,
        GoodsPolicy::Day => TRANSFER_RIGHTS,
    };
    RIGHTS.iter().chain(goods).copied().collect()
}

/// Where the channel's shipments are carried out in Odoo.
const GOODS_RIGHTS: &[(&str, &str)] = &[
    ("stock.picking", "create"),
    ("stock.picking", "write"),
    ("stock.move", "write"),
    ("stock.move.line", "create"),
];

/// Where transfers of our own move goods by the day.
const TRANSFER_RIGHTS: &[(&str, &str)] = &[
    ("stock.picking", "create"),
    ("stock.picking", "write"),
    ("stock.move", "create"),
    ("stock.warehouse", "read"),
    ("stock.location", "read"),
];

const RIGHTS: &[(&str, &str)] = &[
    ("res.partner", "create"),
    ("sale.order", "create"),
    ("sale.order", "write"),
    ("account.move", "create"),
    ("account.move", "write"),
    ("account.payment", "create"),
    ("account.move.line", "read"),
    ("account.partial.reconcile", "read"),
    ("account.bank.statement.line", "read"),
    ("product.product", "read"),
];

/// Asks, with the hub user's own key, for every right that deliveries need.
pub fn rights(call: &mut Caller<'_>, wanted: &Wanted) -> Result<Vec<Finding>, SetupError> {
    let mut findings = Vec::new();
    for (model, operation) in rights_needed(wanted) {
        if !granted(call, wanted, model, operation)? {
            let text = format!("the hub's user may not {operation} {model}");
            findings.push(Finding { blocks: true, code: "right_missing", text });
        }
    }
    Ok(findings)
}

pub(super) fn granted(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    model: &str,
    operation: &str,
) -> Result<bool, SetupError> {
    let arguments = json!({ "operation": operation });
    let request =
        request::call(&settings(wanted), company(wanted)?, model, "has_access", arguments, &[]);
    let what = format!("for the right to {operation} {model}");
    let failed = |source| SetupError::Call { what: what.clone(), source };
    let reply = call(&request).map_err(failed)?;
    match crate::outcome::read(Ok(&reply), false) {
        Ok(body) => Ok(body == b"true"),
        Err(CallError::NotSetUp { .. } | CallError::Denied { .. }) => Ok(false),
        Err(source) => Err(failed(source)),
    }
}

pub fn inspect(call: &mut Caller<'_>, wanted: &Wanted) -> Result<SetupReport, SetupError> {
    let mut report = SetupReport { version: version(call, wanted)?, ..SetupReport::default() };
    let none = json!([]);
    let read = |rows: Result<(), DecodeError>, what: &str| {
        rows.map_err(|error| SetupError::Call {
            what: format!("a reading of {what}"),
            source: crate::wire::unexpected(&error.to_string()),
        })
    };
    let id = company(wanted)?;
    report.fingerprint = super::identity(call, &settings(wanted), id)?;
    let fields = [
        "name",
        "currency_id",
        "country_id",
        "tax_calculation_rounding_method",
        "fiscalyear_lock_date",
        "tax_lock_date",
        "sale_lock_date",
        "purchase_lock_date",
        "hard_lock_date",
    ];
    let rows = ask(call, wanted, "res.company", &json!([["id", "=", id]]), &fields, false)?;
    let own = rows.first().ok_or_else(|| SetupError::Lacks(format!("company {id}")))?;
    read(report.read_company(own), "res.company")?;

    let rows = ask(
        call,
        wanted,
        "ir.module.module",
        &json!([["state", "=", "installed"]]),
        &["name", "installed_version"],
        true,
    )?;
    read(report.read_modules(&rows), "ir.module.module")?;
    let fields = ["code", "name", "account_type", "reconcile"];
    let rows = ask(call, wanted, "account.account", &none, &fields, false)?;
    read(report.read_accounts(&rows), "account.account")?;
    let fields = [
        "code",
        "name",
        "type",
        "default_account_id",
        "suspense_account_id",
        "bank_statements_source",
    ];
    let rows = ask(call, wanted, "account.journal", &none, &fields, false)?;
    read(report.read_journals(&rows), "account.journal")?;
    let fields = ["journal_id", "payment_type", "payment_account_id"];
    let rows = ask(call, wanted, "account.payment.method.line", &none, &fields, false)?;
    read(report.read_method_lines(&rows), "account.payment.method.line")?;
    let fields = ["name", "type_tax_use", "amount", "price_include", "tax_group_id"];
    let taxes = ask(call, wanted, "account.tax", &none, &fields, false)?;
    let fields = ["tax_id", "repartition_type", "account_id", "factor_percent", "tag_ids"];
    let parts = ask(call, wanted, "account.tax.repartition.line", &none, &fields, false)?;
    read(report.read_taxes(&taxes, &parts), "account.tax")?;
    let rows = ask(call, wanted, "product.pricelist", &none, &["company_id", "currency_id"], true)?;
    read(report.read_pricelists(&rows, id), "product.pricelist")?;
    let fields = ["company_id", "lot_stock_id"];
    let rows = ask(call, wanted, "stock.warehouse", &none, &fields, true)?;
    report.warehouse = first_own(&rows, id);
    let own = rows.iter().find(|row| row.id().ok() == report.warehouse);
    report.stock_location = own.and_then(|row| id_of(row, "lot_stock_id").ok().flatten());
    let domain = json!([["active", "=", true]]);
    let rows = ask(call, wanted, "res.currency", &domain, &["name"], false)?;
    for row in &rows {
        read(report.read_currency(row), "res.currency")?;
    }
    let rows = ask(
        call,
        wanted,
        "product.product",
        &json!([["default_code", "!=", false]]),
        &["default_code"],
        false,
    )?;
    read(report.read_products(&rows), "product.product")?;
    let rows = ask(
        call,
        wanted,
        "product.category",
        &none,
        &["complete_name", "property_valuation"],
        true,
    )?;
    read(report.read_categories(&rows), "product.category")?;
    report.may_tag = granted(call, wanted, "account.account.tag", "create")?;
    report.existing = made_before(call, wanted)?;
    let domain = json!([["key", "=", "database.uuid"]]);
    if let Seen::Rows(rows) =
        unasked::look_up(call, wanted, "ir.config_parameter", &domain, &["value"])?
    {
        report.uuid = rows.first().and_then(|row| row.text("value").ok().flatten());
    }
    report.judge(wanted);
    clearing_lines(call, wanted, &mut report)?;
    unasked::look(call, wanted, &mut report)?;
    report.findings.sort_by_key(|finding| !finding.blocks);
    Ok(report)
}

/// The records that setup made for this company. Documents have keys of another form.
fn made_before(
    call: &mut Caller<'_>,
    wanted: &Wanted,
) -> Result<Option<BTreeMap<String, i64>>, SetupError> {
    let id = company(wanted)?;
    let own = ["account", "journal", "tax", "tag", "product", "partner"];
    let mut patterns: Vec<String> = own.iter().map(|kind| format!("{kind}_{id}_%")).collect();
    patterns.push("product_sku_%".to_owned());
    let mut domain = vec![json!(["module", "=", MODULE])];
    domain.extend(std::iter::repeat_n(json!("|"), patterns.len() - 1));
    domain.extend(patterns.iter().map(|pattern| json!(["name", "=like", pattern])));
    let domain = serde_json::Value::Array(domain);
    match unasked::look_up(call, wanted, "ir.model.data", &domain, &["name", "res_id"])? {
        Seen::Absent | Seen::Denied => Ok(None),
        Seen::Rows(rows) => {
            let one = |row: &Row| -> Result<(String, i64), DecodeError> {
                let id = row.number("res_id")?.decimal("res_id")?;
                let id = i64::try_from(id).map_err(|_| DecodeError::field("res_id"))?;
                Ok((row.word("name")?, id))
            };
            let read: Result<BTreeMap<String, i64>, DecodeError> = rows.iter().map(one).collect();
            let failed = |error: DecodeError| SetupError::Call {
                what: "a reading of ir.model.data".to_owned(),
                source: crate::wire::unexpected(&error.to_string()),
            };
            read.map(Some).map_err(failed)
        }
    }
}

/// A statement line in a clearing journal doubles the charge that its payment has booked (P3, V4).
fn clearing_lines(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    report: &mut SetupReport,
) -> Result<(), SetupError> {
    let ours: Vec<(i64, String)> =
        report.clearing_journals(wanted).map(|it| (it.id, it.name.clone())).collect();
    for (id, name) in ours {
        let arguments = json!({ "domain": [["journal_id", "=", id]] });
        let model = "account.bank.statement.line";
        let request = request::call(
            &settings(wanted),
            company(wanted)?,
            model,
            "search_count",
            arguments,
            &[],
        );
        let failed = |source| SetupError::Call { what: format!("a count of {model}"), source };
        let reply = call(&request).map_err(failed)?;
        match crate::outcome::read(Ok(&reply), false) {
            Ok(b"0") => {}
            Ok(body) => {
                let count = String::from_utf8_lossy(body);
                let text = format!(
                    "the clearing journal `{name}` holds {count} statement lines: their charges \
                     count twice"
                );
                report.find(true, "clearing_has_lines", text);
            }
            Err(CallError::NotSetUp { .. } | CallError::Denied { .. }) => {
                report.unread.push(format!("statement lines in `{name}`"));
            }
            Err(source) => return Err(failed(source)),
        }
    }
    Ok(())
}

fn version(call: &mut Caller<'_>, wanted: &Wanted) -> Result<String, SetupError> {
    let failed = |source| SetupError::Call { what: "its version".to_owned(), source };
    let reply = call(&super::version_request(&settings(wanted))).map_err(failed)?;
    let body = crate::outcome::read(Ok(&reply), false).map_err(failed)?;
    super::version_of(body).map_err(failed)
}

fn first_own<'a>(rows: impl IntoIterator<Item = &'a Row>, company: i64) -> Option<i64> {
    let rows: Vec<&Row> = rows.into_iter().collect();
    let of = |row: &&&Row| {
        row.reference("company_id").ok().flatten().is_some_and(|(id, _)| id == company)
    };
    rows.iter().find(of).or(rows.first()).and_then(|row| row.id().ok())
}

fn id_of(row: &Row, field: &str) -> Result<Option<i64>, DecodeError> {
    Ok(row.reference(field)?.map(|(id, _)| id))
}

impl SetupReport {
    fn read_pricelists(&mut self, rows: &[Row], company: i64) -> Result<(), DecodeError> {
        let mut found: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            if let Some((_, currency)) = row.reference("currency_id")? {
                found.entry(currency).or_default().push(row);
            }
        }
        for (currency, rows) in found {
            let own = first_own(rows.iter().copied(), company);
            self.pricelists.extend(own.map(|id| (currency, id)));
        }
        Ok(())
    }

    fn read_company(&mut self, row: &Row) -> Result<(), DecodeError> {
        self.company = row.word("name")?;
        self.company_id = row.id()?;
        self.currency = row.currency("currency_id")?.code().to_owned();
        self.country = id_of(row, "country_id")?;
        self.rounding = row.word("tax_calculation_rounding_method")?;
        for lock in [
            "fiscalyear_lock_date",
            "tax_lock_date",
            "sale_lock_date",
            "purchase_lock_date",
            "hard_lock_date",
        ] {
            if let Some(date) = row.text(lock)? {
                self.locks.insert(lock.to_owned(), date);
            }
        }
        Ok(())
    }

    fn read_modules(&mut self, rows: &[Row]) -> Result<(), DecodeError> {
        for row in rows {
            let version = row.text("installed_version")?.unwrap_or_default();
            self.modules.insert(row.word("name")?, version);
        }
        Ok(())
    }

    fn read_accounts(&mut self, rows: &[Row]) -> Result<(), DecodeError> {
        for row in rows {
            self.accounts.push(Account {
                id: row.id()?,
                code: row.text("code")?.unwrap_or_default(),
                name: row.word("name")?,
                kind: row.word("account_type")?,
                reconcile: row.flag("reconcile")?,
            });
        }
        Ok(())
    }

    fn read_journals(&mut self, rows: &[Row]) -> Result<(), DecodeError> {
        for row in rows {
            self.journals.push(Journal {
                id: row.id()?,
                code: row.word("code")?,
                name: row.word("name")?,
                kind: row.word("type")?,
                account: id_of(row, "default_account_id")?,
                suspense: id_of(row, "suspense_account_id")?,
                source: row.text("bank_statements_source")?.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn read_method_lines(&mut self, rows: &[Row]) -> Result<(), DecodeError> {
        for row in rows {
            let Some(journal) = id_of(row, "journal_id")? else { continue };
            let inbound = row.word("payment_type")? == "inbound";
            let account = id_of(row, "payment_account_id")?;
            self.method_lines.push(MethodLine { id: row.id()?, journal, inbound, account });
        }
        Ok(())
    }

    fn read_taxes(&mut self, taxes: &[Row], parts: &[Row]) -> Result<(), DecodeError> {
        let mut accounts = BTreeMap::new();
        let mut tagged = BTreeSet::new();
        let mut blank = BTreeSet::new();
        for part in parts {
            let Some(tax) = id_of(part, "tax_id")? else { continue };
            if !part.ids("tag_ids")?.is_empty() {
                tagged.insert(tax);
            }
            match id_of(part, "account_id")? {
                Some(account) => {
                    accounts.insert(tax, account);
                }
                None if part.word("repartition_type")? == "tax" => {
                    let share = part.number("factor_percent")?.decimal("factor_percent")?;
                    if !share.is_zero() {
                        blank.insert(tax);
                    }
                }
                None => {}
            }
        }
        for row in taxes {
            let id = row.id()?;
            self.taxes.push(Tax {
                id,
                name: row.word("name")?,
                usage: row.word("type_tax_use")?,
                percent: row.number("amount")?.decimal("amount")?.normalize(),
                included: row.flag("price_include")?,
                group: id_of(row, "tax_group_id")?,
                account: accounts.get(&id).copied(),
                blank: blank.contains(&id),
                tagged: tagged.contains(&id),
            });
        }
        Ok(())
    }

    fn read_currency(&mut self, row: &Row) -> Result<(), DecodeError> {
        self.currencies.insert(row.word("name")?, row.id()?);
        Ok(())
    }

    fn read_products(&mut self, rows: &[Row]) -> Result<(), DecodeError> {
        let mut twice = BTreeSet::new();
        for row in rows {
            let sku = row.word("default_code")?;
            if self.products.insert(sku.clone(), row.id()?).is_some() {
                twice.insert(sku);
            }
        }
        for sku in twice {
            self.products.remove(&sku);
            self.find(
                false,
                "sku_ambiguous",
                format!("several products have the reference `{sku}`"),
            );
        }
        Ok(())
    }

    fn read_categories(&mut self, rows: &[Row]) -> Result<(), DecodeError> {
        for row in rows {
            let valuation = row.text("property_valuation")?.unwrap_or_default();
            self.valuation.insert(row.word("complete_name")?, valuation);
        }
        Ok(())
    }

    /// The journals in which the wanted gateways clear, as far as they exist.
    fn clearing_journals(&self, wanted: &Wanted) -> impl Iterator<Item = &Journal> {
        let ids: BTreeSet<i64> = wanted
            .gateways
            .iter()
            .filter_map(|it| {
                let key = super::plan::journal_key(self.company_id, wanted.clears_as(it));
                self.existing.as_ref()?.get(&key).copied()
            })
            .collect();
        let named = super::plan::CLEARING;
        self.journals.iter().filter(move |it| ids.contains(&it.id) || it.name.starts_with(named))
    }

    fn find(&mut self, blocks: bool, code: &'static str, text: String) {
        self.findings.push(Finding { blocks, code, text });
    }

    fn judge(&mut self, wanted: &Wanted) {
        if !crate::identify::speaks(&self.version) {
            let text =
                format!("Odoo {} does not speak JSON-2 as this connector does", self.version);
            self.find(true, "version", text);
        }
        if self.currency != wanted.currency.code() {
            let text = format!(
                "the company keeps its books in {}, wanted is {}",
                self.currency, wanted.currency
            );
            self.find(true, "currency", text);
        }
        let existing = self.existing.clone().unwrap_or_default();
        let ours: BTreeSet<i64> =
            existing.iter().filter(|(key, _)| key.starts_with("tax_")).map(|(_, id)| *id).collect();
        let blank = |own: bool| -> Vec<String> {
            let taxes = self.taxes.iter().filter(|tax| tax.usage == "sale" && tax.blank);
            taxes
                .filter(|tax| ours.contains(&tax.id) == own && (own || !tax.percent.is_zero()))
                .map(|tax| format!("`{}`", tax.name))
                .collect()
        };
        let (own, others) = (blank(true), blank(false));
        if !own.is_empty() {
            let text = format!("taxes of ours post into income: {}", own.join(", "));
            self.find(true, "tax_without_account", text);
        }
        if !others.is_empty() {
            let text = format!(
                "sale taxes of Odoo without an account post into income; map none of them: {}",
                others.join(", ")
            );
            self.find(false, "tax_without_account", text);
        }
        let perpetual: Vec<String> = self
            .valuation
            .iter()
            .filter(|(_, valuation)| valuation.as_str() == "real_time")
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if !perpetual.is_empty() {
            let text = format!(
                "valued perpetually, so that an invoice before its shipment books cost early: {}",
                perpetual.join(", ")
            );
            self.find(false, "perpetual_valuation", text);
        }
        let fed: Vec<String> = self
            .clearing_journals(wanted)
            .filter(|journal| journal.source == "online_sync")
            .map(|journal| journal.name.clone())
            .collect();
        for name in fed {
            let text = format!(
                "the clearing journal `{name}` is fed by a bank: its charges would count twice"
            );
            self.find(true, "clearing_is_fed", text);
        }
        for currency in wanted.gateways.iter().filter_map(|it| it.currency) {
            if !self.currencies.contains_key(currency.code()) {
                let text = format!("the currency {currency} of a gateway is not active");
                self.find(true, "currency_inactive", text);
            }
        }
        if !self.may_tag {
            let text =
                "tax tags cannot be made here: Odoo's tax report will not tell our taxes apart; \
                        the group `Show Full Accounting Features` allows them"
                    .to_owned();
            self.find(false, "tags_not_allowed", text);
        }
        if !self.pricelists.contains_key(wanted.currency.code()) {
            let text = format!(
                "no price list is in {}: orders would take another currency",
                wanted.currency
            );
            self.find(true, "pricelist", text);
        }
    }
}
