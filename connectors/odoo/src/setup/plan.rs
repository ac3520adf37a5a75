//! The records that would be made for an entity: accounts, journals, taxes, products.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trueup_domain::journal::Role;
use trueup_domain::money::Currency;

use super::report::SetupReport;
use super::{Clears, SetupError, Wanted, WantedTax, slug};
use crate::external_id::MODULE;
use crate::load::{Line, Table};

/// One record to make, keyed so that it is made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// What it is, for people.
    pub label: &'static str,
    pub name: String,
    pub model: &'static str,
    /// External id without its module.
    pub key: String,
    /// Its id in Odoo, where an earlier run made it.
    pub exists: Option<i64>,
    table: Table,
}

impl Creation {
    pub fn arguments(&self) -> Value {
        self.table.arguments()
    }
}

pub const CLEARING: &str = "Clearing ";

/// Role, code, name, type, reconcilable: what no chart has.
const ACCOUNTS: &[(Role, &str, &str, &str, bool)] = &[
    (Role::Discounts, "4090", "Discounts given", "income", false),
    (Role::Returns, "4095", "Returns", "income", false),
    (Role::ShippingIncome, "4050", "Shipping income", "income", false),
    (Role::TipIncome, "4060", "Tips", "income", false),
    (Role::DutyIncome, "4070", "Duties charged", "income", false),
    (Role::GiftWrapIncome, "4080", "Gift wrapping", "income", false),
    (Role::FeeIncome, "4085", "Fees charged to buyers", "income", false),
    (Role::GiftCardLiability, "2300", "Gift cards", "liability_current", true),
    (Role::StoreCreditLiability, "2310", "Store credit", "liability_current", true),
    (Role::CustomerDeposits, "2320", "Customer deposits", "liability_current", false),
    (Role::MarketplaceReceivable, "1165", "Marketplace receivable", "asset_current", true),
    (Role::InTransit, "1140", "Payouts in transit", "asset_current", true),
    (Role::ReserveHeld, "1145", "Reserves held by providers", "asset_current", true),
    (Role::DisputesReceivable, "1155", "Disputed payments", "asset_current", true),
    (Role::WithheldTax, "1170", "Tax withheld by providers", "asset_current", true),
    (Role::Transfers, "1175", "Transfers at providers", "asset_current", true),
    (Role::Loans, "2400", "Advances by providers", "liability_current", true),
    (Role::ProcessingFees, "6110", "Processing fees", "expense", false),
    (Role::OtherFees, "6120", "Other provider fees", "expense", false),
    (Role::ChargebackCost, "6130", "Chargeback losses", "expense", false),
    (Role::Adjustments, "6140", "Provider adjustments", "expense", false),
    (Role::Rounding, "6150", "Rounding differences", "expense", false),
    (Role::Fx, "6160", "Provider conversion differences", "expense", false),
    (Role::Reimbursements, "4960", "Reimbursements", "income", false),
];

/// Word, name and the role of its account: products for what is no SKU.
pub(super) const SERVICES: &[(&str, &str, Role)] = &[
    ("shipping", "Shipping", Role::ShippingIncome),
    ("discount", "Discount", Role::Discounts),
    ("discount_supplier", "Discount paid by a supplier", Role::Discounts),
    ("discount_marketplace", "Discount paid by a marketplace", Role::MarketplaceReceivable),
    ("tip", "Tip", Role::TipIncome),
    ("gift_card", "Gift card sold", Role::GiftCardLiability),
    ("duty", "Duties", Role::DutyIncome),
    ("gift_wrap", "Gift wrapping", Role::GiftWrapIncome),
    ("fee", "Fee", Role::FeeIncome),
    ("cash_rounding", "Cash rounding", Role::Rounding),
];

pub(super) fn account_key(company: i64, role: Role) -> String {
    format!("account_{company}_{}", role.word())
}
pub(super) fn clearing_key(company: i64, gateway: &str) -> String {
    format!("account_{company}_clearing_{}", slug(gateway))
}
pub(super) fn journal_key(company: i64, gateway: &str) -> String {
    format!("journal_{company}_{}", slug(gateway))
}
pub(super) fn entry_journal_key(company: i64) -> String {
    format!("journal_{company}_trup")
}
pub(super) fn service_key(company: i64, word: &str) -> String {
    format!("product_{company}_{word}")
}
pub(super) fn tax_key(company: i64, tax: &WantedTax) -> String {
    format!("tax_{company}_{}", slug(&tax.key))
}
pub(super) fn product_key(sku: &str) -> String {
    format!("product_sku_{}", slug(sku))
}
fn pricelist_key(company: i64, currency: Currency) -> String {
    format!("pricelist_{company}_{}", currency.code().to_lowercase())
}

pub(super) fn guests_key(company: i64) -> String {
    format!("partner_{company}_guests")
}
const TAX_PAYABLE_KEY: Role = Role::TaxPayable;

fn full(key: &str) -> String {
    format!("{MODULE}.{key}")
}

fn own(text: &str) -> String {
    text.to_owned()
}

struct Planner<'a> {
    report: &'a SetupReport,
    company: i64,
    codes: BTreeSet<String>,
    journal_codes: BTreeSet<String>,
    plan: Vec<Creation>,
}

/// What is lacking for the entity, in the order in which it can be made.
pub fn plan(report: &SetupReport, wanted: &Wanted) -> Result<Vec<Creation>, SetupError> {
    let company = super::company(wanted)?;
    let codes = report.accounts.iter().map(|account| account.code.clone()).collect();
    let journal_codes = report.journals.iter().map(|journal| journal.code.clone()).collect();
    let mut planner = Planner { report, company, codes, journal_codes, plan: Vec::new() };
    for (role, code, name, kind, reconcile) in ACCOUNTS {
        planner.account(account_key(company, *role), code, name, kind, *reconcile);
    }
    if map_tax_account(report).is_none() {
        planner.account(
            account_key(company, TAX_PAYABLE_KEY),
            "2210",
            "Sales tax payable",
            "liability_current",
            false,
        );
    }
    planner.journal(entry_journal_key(company), "Trueup entries", "TRUP", "general", None, None);
    for gateway in wanted.gateways.iter().filter(|it| wanted.clears_as(it) == it.word) {
        let account = match gateway.clears {
            Clears::Clearing => {
                let key = clearing_key(company, &gateway.word);
                planner.account(
                    key.clone(),
                    "1130",
                    &format!("{CLEARING}{}", gateway.title),
                    "asset_current",
                    true,
                );
                key
            }
            Clears::GiftCards => account_key(company, Role::GiftCardLiability),
            Clears::StoreCredit => account_key(company, Role::StoreCreditLiability),
        };
        let name = match gateway.clears {
            Clears::Clearing => format!("{CLEARING}{}", gateway.title),
            Clears::GiftCards | Clears::StoreCredit => gateway.title.clone(),
        };
        let journal = journal_key(company, &gateway.word);
        let foreign = gateway.currency.filter(|currency| *currency != wanted.currency);
        let currency = foreign.and_then(|it| report.currencies.get(it.code())).copied();
        planner.journal(journal, &name, "TC1", "bank", Some(&account), currency);
        if let (Some(foreign), Some(currency)) = (foreign, currency) {
            planner.pricelist(foreign, currency);
        }
    }
    for tax in &wanted.taxes {
        planner.tax(tax);
    }
    for (word, name, role) in SERVICES {
        planner.service(word, name, *role);
    }
    for product in &wanted.products {
        let key = product_key(&product.sku);
        if !report.products.contains_key(&product.sku) {
            planner.product(key, &product.sku, &product.name);
        }
    }
    planner.guests(&wanted.entity);
    Ok(planner.plan)
}

/// Where the company's own sales taxes are posted.
pub(super) fn map_tax_account(report: &SetupReport) -> Option<i64> {
    report.taxes.iter().find(|tax| tax.usage == "sale" && tax.account.is_some())?.account
}

impl Planner<'_> {
    fn push(
        &mut self,
        label: &'static str,
        name: &str,
        model: &'static str,
        key: String,
        table: Table,
    ) {
        let exists = self.report.existing.as_ref().and_then(|made| made.get(&key)).copied();
        self.plan.push(Creation { label, name: own(name), model, key, exists, table });
    }

    /// A code that is taken grows a digit; a record that exists keeps the code it has.
    fn free(taken: &mut BTreeSet<String>, wish: &str) -> String {
        let found =
            (0..1000).map(|number| if number == 0 { own(wish) } else { format!("{wish}{number}") });
        let code =
            found.into_iter().find(|code| !taken.contains(code)).unwrap_or_else(|| own(wish));
        taken.insert(code.clone());
        code
    }

    fn account(&mut self, key: String, code: &str, name: &str, kind: &str, reconcile: bool) {
        let made = self.report.existing.as_ref().is_some_and(|made| made.contains_key(&key));
        let code = if made { own(code) } else { Self::free(&mut self.codes, code) };
        let reconcile = if reconcile { "True" } else { "False" };
        let mut table = Table::new(&["id", "code", "name", "account_type", "reconcile"], &[]);
        table.record(vec![full(&key), code, own(name), own(kind), own(reconcile)], &[]);
        self.push("account", name, "account.account", key, table);
    }

    /// `currency` is Odoo's id of one that is not the company's.
    fn journal(
        &mut self,
        key: String,
        name: &str,
        code: &str,
        kind: &str,
        account: Option<&str>,
        currency: Option<i64>,
    ) {
        let made = self.report.existing.as_ref().is_some_and(|made| made.contains_key(&key));
        let code = if made { own(code) } else { Self::free(&mut self.journal_codes, code) };
        let mut head = vec![full(&key), own(name), code, own(kind)];
        let Some(account) = account else {
            let mut table = Table::new(&["id", "name", "code", "type"], &[]);
            table.record(head, &[]);
            self.push("journal", name, "account.journal", key, table);
            return;
        };
        // Both method lines post to the clearing account itself, or a payment would stay without
        // an entry (V4).
        let inbound = [
            "inbound_payment_method_line_ids/payment_method_id/.id",
            "inbound_payment_method_line_ids/payment_account_id/id",
        ];
        let outbound = [
            "outbound_payment_method_line_ids/payment_method_id/.id",
            "outbound_payment_method_line_ids/payment_account_id/id",
        ];
        let mut columns = vec!["id", "name", "code", "type", "default_account_id/id"];
        head.push(full(account));
        if let Some(currency) = currency {
            columns.push("currency_id/.id");
            head.push(currency.to_string());
        }
        let mut table = Table::new(&columns, &[&inbound, &outbound]);
        let lines = [
            Line { group: 0, cells: vec![own("1"), full(account)] },
            Line { group: 1, cells: vec![own("2"), full(account)] },
        ];
        table.record(head, &lines);
        self.push("journal", name, "account.journal", key, table);
    }

    /// A price list of the company in another currency, where there is none. Odoo gives an order the
    /// currency of its price list.
    fn pricelist(&mut self, currency: Currency, id: i64) {
        let key = pricelist_key(self.company, currency);
        let made = self.report.existing.as_ref().is_some_and(|made| made.contains_key(&key));
        let planned = self.plan.iter().any(|it| it.key == key);
        if planned || (!made && self.report.pricelists.contains_key(currency.code())) {
            return;
        }
        let name = format!("Trueup {currency}");
        let mut table = Table::new(&["id", "name", "currency_id/.id", "company_id/.id"], &[]);
        let cells = [full(&key), own(&name), id.to_string(), self.company.to_string()];
        table.record(cells.into(), &[]);
        self.push("price list", &name, "product.pricelist", key, table);
    }

    fn tax(&mut self, tax: &WantedTax) {
        let key = tax_key(self.company, tax);
        let tag = self.report.may_tag.then(|| self.tag(tax));
        let existing = map_tax_account(self.report);
        let account = match existing {
            Some(id) => id.to_string(),
            None => full(&account_key(self.company, TAX_PAYABLE_KEY)),
        };
        let by_id = existing.is_some();
        let columns = |invoice: bool| {
            let parts: [&'static str; 3] = match (invoice, by_id) {
                (true, true) => [
                    "invoice_repartition_line_ids/repartition_type",
                    "invoice_repartition_line_ids/account_id/.id",
                    "invoice_repartition_line_ids/tag_ids/id",
                ],
                (true, false) => [
                    "invoice_repartition_line_ids/repartition_type",
                    "invoice_repartition_line_ids/account_id/id",
                    "invoice_repartition_line_ids/tag_ids/id",
                ],
                (false, true) => [
                    "refund_repartition_line_ids/repartition_type",
                    "refund_repartition_line_ids/account_id/.id",
                    "refund_repartition_line_ids/tag_ids/id",
                ],
                (false, false) => [
                    "refund_repartition_line_ids/repartition_type",
                    "refund_repartition_line_ids/account_id/id",
                    "refund_repartition_line_ids/tag_ids/id",
                ],
            };
            parts
        };
        let (invoice, refund) = (columns(true), columns(false));
        let used = if tag.is_some() { 3 } else { 2 };
        let head =
            ["id", "name", "type_tax_use", "amount_type", "amount", "price_include_override"];
        let mut table = Table::new(&head, &[&invoice[..used], &refund[..used]]);
        let line = |group, kind: &str, account: &str| {
            let mut cells = vec![own(kind), own(account)];
            cells.extend(tag.as_ref().map(|tag| full(tag)));
            Line { group, cells }
        };
        let lines = [
            line(0, "base", ""),
            line(0, "tax", &account),
            line(1, "base", ""),
            line(1, "tax", &account),
        ];
        let included = if tax.included { "tax_included" } else { "tax_excluded" };
        let head = vec![
            full(&key),
            tax.name.clone(),
            own("sale"),
            own("percent"),
            tax.percent.normalize().to_string(),
            own(included),
        ];
        table.record(head, &lines);
        self.push("tax", &tax.name, "account.tax", key, table);
    }

    /// A tag of its own for each tax, so that Odoo's tax report tells it apart (P14).
    fn tag(&mut self, tax: &WantedTax) -> String {
        let tag = format!("tag_{}_{}", self.company, slug(&tax.key));
        let country = self.report.country.map(|id| id.to_string()).unwrap_or_default();
        let mut table = Table::new(&["id", "name", "applicability", "country_id/.id"], &[]);
        let name = format!("Trueup {} ({})", tax.name, self.company);
        table.record(vec![full(&tag), name, own("taxes"), country], &[]);
        self.push("tax tag", &tax.name, "account.account.tag", tag.clone(), table);
        tag
    }

    fn service(&mut self, word: &str, name: &str, role: Role) {
        let key = service_key(self.company, word);
        let columns = [
            "id",
            "name",
            "type",
            "invoice_policy",
            "lst_price",
            "taxes_id/.id",
            "company_id/.id",
            "property_account_income_id/id",
        ];
        let mut table = Table::new(&columns, &[]);
        table.record(
            vec![
                full(&key),
                format!("{name} (Trueup)"),
                own("service"),
                own("order"),
                own("0"),
                String::new(),
                self.company.to_string(),
                full(&account_key(self.company, role)),
            ],
            &[],
        );
        self.push("service product", name, "product.product", key, table);
    }

    fn product(&mut self, key: String, sku: &str, name: &str) {
        let columns = ["id", "name", "default_code", "type", "invoice_policy", "taxes_id/.id"];
        let mut table = Table::new(&columns, &[]);
        table.record(
            vec![full(&key), own(name), own(sku), own("consu"), own("order"), String::new()],
            &[],
        );
        self.push("product", sku, "product.product", key, table);
    }

    fn guests(&mut self, entity: &str) {
        let key = guests_key(self.company);
        let name = format!("Guests of {entity}");
        let mut table = Table::new(&["id", "name", "ref"], &[]);
        table.record(vec![full(&key), name.clone(), format!("trueup-guests-{entity}")], &[]);
        self.push("customer", &name, "res.partner", key, table);
    }
}

/// What a plan would make, in one line each, for a person to agree to; what exists is left out.
pub fn summary(plan: &[Creation]) -> Vec<String> {
    let lacking = plan.iter().filter(|it| it.exists.is_none());
    lacking.map(|it| format!("{} `{}`", it.label, it.name)).collect()
}

/// For callers that want to show or send the plan.
pub fn as_json(plan: &[Creation]) -> Value {
    let shown = |it: &Creation| {
        json!({
            "model": it.model,
            "key": full(&it.key),
            "name": it.name,
            "exists": it.exists,
            "load": it.arguments(),
        })
    };
    Value::Array(plan.iter().map(shown).collect())
}

pub(super) fn made_name(role: Role) -> &'static str {
    let found = ACCOUNTS.iter().find(|(own, ..)| *own == role);
    found.map_or(role.word(), |(_, _, name, ..)| name)
}

/// Roles whose accounts the plan makes, with the keys of those accounts.
pub(super) fn made_accounts(company: i64) -> Vec<(Role, String)> {
    ACCOUNTS.iter().map(|(role, ..)| (*role, account_key(company, *role))).collect()
}
