//! The mapping of one entity: what was found, and what was made.

use std::collections::BTreeMap;

use trueup_domain::command::TargetRef;
use trueup_domain::journal::Role;
use trueup_domain::mapping::{CustomerPolicy, Gateway, GoodsPolicy, Mapping, TaxRule};

use super::plan::{self, SERVICES};
use super::report::SetupReport;
use super::{Clears, Customers, Made, SetupError, Wanted};

/// The account that a role is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Its id in Odoo, where it exists.
    pub id: Option<i64>,
    /// What it is, or is to be, called.
    pub name: String,
}

/// The account of each role, in the words of a mapping, before anything is made. A role that Odoo
/// has nothing for is left out.
pub fn proposal(report: &SetupReport, wanted: &Wanted) -> Vec<(String, Proposed)> {
    let company = report.company_id;
    let made = |key: &str| report.existing.as_ref().and_then(|made| made.get(key)).copied();
    let mut all = Vec::new();
    let mut found = |role: Role, id: Option<i64>| {
        let account = report.accounts.iter().find(|it| Some(it.id) == id);
        if let Some(account) = account {
            let name = account.name.clone();
            all.push((role.word().to_owned(), Proposed { id, name }));
        }
    };
    let receivable = report.accounts.iter().find(|account| account.kind == "asset_receivable");
    found(Role::Receivable, receivable.map(|account| account.id));
    let sales = report.journals.iter().find(|journal| journal.kind == "sale");
    found(Role::Sales, sales.and_then(|journal| journal.account));
    found(Role::TaxPayable, plan::map_tax_account(report));
    for (role, key) in plan::made_accounts(company) {
        let name = plan::made_name(role).to_owned();
        all.push((role.word().to_owned(), Proposed { id: made(&key), name }));
    }
    for gateway in wanted.gateways.iter().filter(|it| it.clears == Clears::Clearing) {
        let word = wanted.clears_as(gateway);
        let id = made(&plan::clearing_key(company, word));
        let first = wanted.gateways.iter().find(|it| it.word == word).unwrap_or(gateway);
        let name = format!("{}{}", plan::CLEARING, first.title);
        let role = format!("{}/{}", Role::Clearing.word(), gateway.word);
        all.push((role, Proposed { id, name }));
    }
    all
}

/// Version 1 of the mapping; later versions are the hub's.
pub fn mapping(report: &SetupReport, wanted: &Wanted, made: &Made) -> Result<Mapping, SetupError> {
    let company = super::company(wanted)?;
    let id = |key: &str| -> Result<TargetRef, SetupError> {
        made.get(key).map(i64::to_string).ok_or_else(|| SetupError::Lacks(key.to_owned()))
    };
    let sales = report.journals.iter().find(|journal| journal.kind == "sale");
    let sales = sales.ok_or_else(|| SetupError::Lacks("sales journal".to_owned()))?;
    let guests = id(&plan::guests_key(company))?;

    let mut accounts = BTreeMap::new();
    for (role, key) in plan::made_accounts(company) {
        accounts.insert(role.word().to_owned(), id(&key)?);
    }
    let mut found = |role: Role, account: Option<i64>| {
        accounts.extend(account.map(|id| (role.word().to_owned(), id.to_string())));
    };
    // The point of sale's receivable comes later than the company's own.
    let receivable = report.accounts.iter().find(|account| account.kind == "asset_receivable");
    found(Role::Receivable, receivable.map(|account| account.id));
    found(Role::Sales, sales.account);
    let tax = plan::map_tax_account(report);
    found(
        Role::TaxPayable,
        tax.or_else(|| made.get(&plan::account_key(company, Role::TaxPayable)).copied()),
    );
    let bank = report
        .journals
        .iter()
        .find(|journal| journal.kind == "bank" && !made.values().any(|id| *id == journal.id));
    found(Role::Bank, bank.and_then(|journal| journal.account));
    found(Role::BankUnallocated, bank.and_then(|journal| journal.suspense));

    let mut gateways = BTreeMap::new();
    for gateway in &wanted.gateways {
        let word = wanted.clears_as(gateway);
        let key = plan::journal_key(company, word);
        let journal = id(&key)?;
        let line = |inbound: bool| {
            let line = report.method_lines.iter().find(|line| {
                line.journal.to_string() == journal
                    && line.inbound == inbound
                    && line.account.is_some()
            });
            let lacks = || {
                SetupError::Lacks(format!("payment method with an account in `{}`", gateway.title))
            };
            line.map(|line| line.id.to_string()).ok_or_else(lacks)
        };
        let (inbound_line, outbound_line) = (line(true)?, line(false)?);
        if gateway.clears == Clears::Clearing {
            let account = id(&plan::clearing_key(company, word))?;
            accounts.insert(format!("{}/{}", Role::Clearing.word(), gateway.word), account);
        }
        let (tender, provider) = (gateway.tender, gateway.provider.clone());
        let gateway_of = Gateway { tender, provider, journal, inbound_line, outbound_line };
        gateways.insert(gateway.word.clone(), gateway_of);
    }

    let mut pricelists = BTreeMap::new();
    for (code, own) in &report.pricelists {
        if code != wanted.currency.code() {
            pricelists.insert(code.clone(), own.to_string());
        }
    }

    let mut products: BTreeMap<String, TargetRef> =
        report.products.iter().map(|(sku, id)| (sku.clone(), id.to_string())).collect();
    for product in &wanted.products {
        let made = made.get(&plan::product_key(&product.sku)).map(i64::to_string);
        products.extend(made.map(|id| (product.sku.clone(), id)));
    }
    let mut service_products = BTreeMap::new();
    for (word, ..) in SERVICES {
        service_products.insert((*word).to_owned(), id(&plan::service_key(company, word))?);
    }
    let mut taxes = Vec::new();
    for tax in &wanted.taxes {
        taxes.push(TaxRule {
            title: tax.title.clone(),
            jurisdiction: tax.jurisdiction.clone(),
            rate: tax.rate,
            included: tax.included,
            remitted_by: tax.remitted_by,
            regime: None,
            target: id(&plan::tax_key(company, tax))?,
        });
    }
    Ok(Mapping {
        // Made anew from the books, and from no version before.
        version: 0,
        entity: wanted.entity.clone(),
        target: wanted.target.clone(),
        company: wanted.company.clone(),
        currency: wanted.currency,
        time_zone: wanted.time_zone.clone(),
        sales_journal: sales.id.to_string(),
        entry_journal: id(&plan::entry_journal_key(company))?,
        pricelist: report.pricelists.get(wanted.currency.code()).map(i64::to_string),
        pricelists,
        warehouse: report.warehouse.map(|id| id.to_string()),
        customers: match wanted.customers {
            Customers::PerBuyer => CustomerPolicy::PerBuyer { guests },
            Customers::One => CustomerPolicy::One(guests),
        },
        goods: wanted.goods,
        location: match (wanted.goods, &wanted.location) {
            (GoodsPolicy::Day, None) => report.stock_location.map(|id| id.to_string()),
            (_, named) => named.clone(),
        },
        locations: wanted.locations.clone(),
        invoices: wanted.invoices,
        // Whoever carries the goods out has to know where they go.
        delivery_addresses: wanted.goods == GoodsPolicy::Books,
        accounts,
        gateways,
        products,
        bundles: wanted.bundles.clone(),
        service_products,
        taxes,
    })
}
