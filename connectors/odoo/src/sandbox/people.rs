//! What people do in Odoo behind our back: edits, deletions, locks. For planted faults.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::OdooSandbox;
use super::store::{Cell, Fields};
use super::world::{Call, PERSON};

fn person(now: Timestamp) -> Call {
    Call { user: PERSON, companies: vec![1, 2], now, archived: true, once: false }
}

/// The lock dates of a company (V13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    FiscalYear,
    Tax,
    Sale,
    Purchase,
    Hard,
}

impl Lock {
    pub const ALL: &[Self] = &[Self::FiscalYear, Self::Tax, Self::Sale, Self::Purchase, Self::Hard];

    /// The word in Odoo's fields, `<word>_lock_date`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FiscalYear => "fiscalyear",
            Self::Tax => "tax",
            Self::Sale => "sale",
            Self::Purchase => "purchase",
            Self::Hard => "hard",
        }
    }
}

impl OdooSandbox {
    /// Somebody takes the right to write a model from the hub's user, or gives it back.
    pub fn deny(&mut self, model: &str, denied: bool) {
        if denied {
            self.world.denied.insert(model.to_owned());
        } else {
            self.world.denied.remove(model);
        }
    }

    /// Somebody merges a contact into another: it is deleted, and what names it names the other.
    pub fn merge_contacts(&mut self, from: i64, into: i64) {
        const LINKS: [(&str, &str); 5] = [
            ("sale.order", "partner_id"),
            ("account.move", "partner_id"),
            ("account.move.line", "partner_id"),
            ("account.payment", "partner_id"),
            ("res.partner", "parent_id"),
        ];
        let store = &mut self.world.store;
        for (model, field) in LINKS {
            let of = |(id, row): (i64, &super::store::Record)| {
                (row.link(field) == Some(from)).then_some(id)
            };
            let named: Vec<i64> = store.all(model).filter_map(of).collect();
            for id in named {
                store.set(model, id, field, Cell::Link(into));
            }
        }
        let keys: Vec<String> = store
            .all_keys()
            .filter(|(key, _)| store.keyed(key) == Some(("res.partner", from)))
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in keys {
            store.key(&key, "res.partner", into);
        }
        store.delete("res.partner", from);
        store.commit();
    }

    /// Another database under the same address: its company was made at another moment.
    pub fn made_anew(&mut self, at: Timestamp) {
        let made = Cell::Text(at.strftime("%Y-%m-%d %H:%M:%S").to_string());
        self.world.store.set("res.company", 1, "create_date", made);
        self.world.store.commit();
    }

    /// Somebody upgrades it: another version, and a field of a model is not there any more.
    pub fn upgrade(&mut self, version: &str, gone: Option<(&str, &str)>) {
        self.world.version = Some(version.to_owned());
        self.world.gone_fields =
            gone.map(|(model, field)| format!("{model}.{field}")).into_iter().collect();
    }

    /// Somebody changes the price of an order's first line by so many cents.
    pub fn edit_order_total(&mut self, order: i64, by_minor: i64, now: Timestamp) -> bool {
        let call = person(now);
        let first = self
            .world
            .store
            .get("sale.order", order)
            .and_then(|it| it.links("order_line").first().copied());
        let Some(line) = first else { return false };
        self.world.change(&call, "sale.order.line", line, |line| {
            let price = line.amount("price_unit") + Decimal::new(by_minor, 2);
            line.insert("price_unit", Cell::Number(price));
        });
        self.world.compute_order(order);
        self.world.touch(&call, "sale.order", order);
        self.world.store.commit();
        true
    }

    /// Somebody sets a posted move back to draft, cancels it, and leaves it so.
    pub fn cancel_move(&mut self, id: i64, now: Timestamp) -> bool {
        if self.world.store.get("account.move", id).is_none() {
            return false;
        }
        self.untie(id, now);
        let call = person(now);
        self.world.change(&call, "account.move", id, |it| {
            it.insert("state", Cell::text("cancel"));
        });
        let lines =
            self.world.store.get("account.move", id).map(|it| it.links("line_ids").to_vec());
        for line in lines.unwrap_or_default() {
            self.world.store.set("account.move.line", line, "parent_state", Cell::text("cancel"));
        }
        self.world.store.commit();
        true
    }

    /// Somebody deletes a move (a credit note, say); its external id goes with it.
    pub fn delete_move(&mut self, id: i64, now: Timestamp) -> bool {
        let Some(it) = self.world.store.get("account.move", id) else { return false };
        let lines = it.links("line_ids").to_vec();
        self.untie(id, now);
        for line in lines {
            self.world.store.delete("account.move.line", line);
        }
        self.world.store.delete("account.move", id);
        self.world.store.commit();
        true
    }

    /// The same, by its plainest name.
    pub fn delete_credit_note(&mut self, id: i64, now: Timestamp) -> bool {
        let is_note = self
            .world
            .store
            .get("account.move", id)
            .is_some_and(|it| it.word("move_type") == "out_refund");
        is_note && self.delete_move(id, now)
    }

    /// Somebody sets one of a company's lock dates up to and with `until` (`2026-10-31`), or with an
    /// empty text opens it again; without exceptions, it holds for everybody.
    pub fn lock(&mut self, company: i64, kind: Lock, until: &str) {
        let (own, users) = match kind {
            Lock::FiscalYear => ("fiscalyear_lock_date", "user_fiscalyear_lock_date"),
            Lock::Tax => ("tax_lock_date", "user_tax_lock_date"),
            Lock::Sale => ("sale_lock_date", "user_sale_lock_date"),
            Lock::Purchase => ("purchase_lock_date", "user_purchase_lock_date"),
            Lock::Hard => ("hard_lock_date", "user_hard_lock_date"),
        };
        let cell = if until.is_empty() { Cell::Nothing } else { Cell::text(until) };
        self.world.store.set("res.company", company, own, cell);
        self.except(company, users, until);
    }

    /// Somebody lets everybody past the sales lock, up to and with an earlier day.
    pub fn except_from_sale_lock(&mut self, company: i64, until: &str) {
        self.except(company, "user_sale_lock_date", until);
    }

    fn except(&mut self, company: i64, field: &'static str, until: &str) {
        let until = if until.is_empty() { super::chart::NEVER } else { until };
        self.world.store.set("res.company", company, field, Cell::text(until));
        self.world.store.commit();
    }

    /// The accountant chooses how taxes are rounded.
    pub fn round_taxes(&mut self, company: i64, globally: bool) {
        let word = if globally { "round_globally" } else { "round_per_line" };
        self.world.store.set(
            "res.company",
            company,
            "tax_calculation_rounding_method",
            Cell::text(word),
        );
        self.world.store.commit();
    }

    /// A person (or the bank's feed) enters a bank line.
    pub fn add_bank_line(
        &mut self,
        journal: i64,
        date: &str,
        amount: Decimal,
        text: &str,
        now: Timestamp,
    ) -> Option<i64> {
        let record = self.world.store.get("account.journal", journal)?;
        let company = record.link("company_id").unwrap_or(1);
        let mut line = super::store::Record::new();
        line.insert("journal_id", Cell::Link(journal));
        line.insert("company_id", Cell::Link(company));
        line.insert("currency_id", Cell::Link(self.world.currency_of(company)));
        line.insert("date", Cell::text(date));
        line.insert("amount", Cell::Number(amount));
        line.insert("payment_ref", Cell::text(text));
        line.insert("is_reconciled", Cell::Flag(false));
        let id = self.world.insert(&person(now), "account.bank.statement.line", line);
        self.world.store.commit();
        Some(id)
    }

    /// Takes the ties of a move off, and opens what it paid or what paid it.
    fn untie(&mut self, id: i64, now: Timestamp) {
        let call = person(now);
        let lines = self
            .world
            .store
            .get("account.move", id)
            .map(|it| it.links("line_ids").to_vec())
            .unwrap_or_default();
        self.world.untie(&call, &lines);
    }
}
