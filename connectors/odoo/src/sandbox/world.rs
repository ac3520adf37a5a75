//! The database of the sandbox, and what every call knows: who asks, for which company, and when.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::store::{Cell, Fault, Fields, Record, Store};
use super::taxes;

#[derive(Clone, Debug, Default)]
pub struct World {
    pub store: Store,
    /// The version that it states, where that is another than usual.
    pub version: Option<String>,
    /// Fields that are no longer there, such as `account.move.ref`.
    pub gone_fields: BTreeSet<String>,
    /// Models that the hub's user may not write any more.
    pub denied: BTreeSet<String>,
}

/// The hub's own user, and those of the real template.
pub const ADMIN_USER: i64 = 2;
pub const HUB_USER: i64 = 5;
/// A person who works in Odoo.
pub const PERSON: i64 = 6;

#[derive(Clone, Debug)]
pub struct Call {
    pub user: i64,
    /// The first is the active one.
    pub companies: Vec<i64>,
    pub now: Timestamp,
    pub archived: bool,
    pub once: bool,
}

impl Call {
    pub fn company(&self) -> i64 {
        self.companies.first().copied().unwrap_or(1)
    }
    pub fn moment(&self) -> String {
        self.now.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
    pub fn today(&self) -> String {
        self.now.strftime("%Y-%m-%d").to_string()
    }
}

impl World {
    pub fn insert(&mut self, call: &Call, model: &'static str, mut record: Record) -> i64 {
        record.insert("create_uid", Cell::Link(call.user));
        record.insert("create_date", Cell::Text(call.moment()));
        record.insert("write_uid", Cell::Link(call.user));
        record.insert("write_date", Cell::Text(call.moment()));
        self.store.insert(model, record)
    }

    pub fn change(
        &mut self,
        call: &Call,
        model: &'static str,
        id: i64,
        change: impl FnOnce(&mut Record),
    ) {
        self.store.update(model, id, change);
        self.touch(call, model, id);
    }

    pub fn touch(&mut self, call: &Call, model: &'static str, id: i64) {
        self.store.update(model, id, |record| {
            record.insert("write_uid", Cell::Link(call.user));
            record.insert("write_date", Cell::Text(call.moment()));
        });
    }

    pub fn currency_of(&self, company: i64) -> i64 {
        self.store.get("res.company", company).and_then(|it| it.link("currency_id")).unwrap_or(1)
    }

    pub fn rounds_globally(&self, company: i64) -> bool {
        let company = self.store.get("res.company", company);
        company.is_none_or(|it| it.word("tax_calculation_rounding_method") != "round_per_line")
    }

    /// Into the company's currency, at the one rate there is.
    pub fn convert(&self, amount: Decimal, currency: i64, company: i64) -> Decimal {
        let own = self.currency_of(company);
        if own == currency {
            return amount;
        }
        let rate = |id: i64| {
            self.store.get("res.currency", id).map_or(Decimal::ONE, |it| it.amount("rate"))
        };
        let (from, to) = (rate(currency), rate(own));
        if from == Decimal::ZERO {
            amount
        } else {
            taxes::round_to(amount * to / from, taxes::digits(&self.store, own))
        }
    }

    pub fn journal_of(&self, company: i64, kind: &str) -> Result<i64, Fault> {
        let found = self
            .store
            .all("account.journal")
            .find(|(_, it)| it.link("company_id") == Some(company) && it.word("type") == kind);
        found.map(|(id, _)| id).ok_or_else(|| {
            Fault::user("No journal could be found in company for any of those types")
        })
    }

    pub fn receivable_of(&self, company: i64) -> Result<i64, Fault> {
        let found = self.store.all("account.account").find(|(_, it)| {
            it.links("company_ids").contains(&company) && it.word("code") == "121000"
        });
        found
            .map(|(id, _)| id)
            .ok_or_else(|| Fault::user("Cannot find a chart of accounts for this company"))
    }
}
