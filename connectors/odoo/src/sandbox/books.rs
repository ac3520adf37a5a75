//! Moves and payments: drafts, posting with its numbers and dates, and what pays what.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::sales::missing_value;
use super::store::{Cell, Fault, Fields, Record};
use super::taxes::{self, round};
use super::world::{Call, World};

const MOVE: &str = "account.move";
const LINE: &str = "account.move.line";

impl World {
    pub(super) fn create_move(
        &mut self,
        call: &Call,
        mut it: Record,
        lines: Vec<Record>,
    ) -> Result<i64, Fault> {
        let company = call.company();
        let kind = if it.word("move_type").is_empty() {
            "entry".to_owned()
        } else {
            it.word("move_type").to_owned()
        };
        let journal = match it.link("journal_id") {
            Some(journal) => journal,
            None => self.journal_of(company, if kind == "entry" { "general" } else { "sale" })?,
        };
        it.insert("move_type", Cell::text(kind.clone()));
        it.insert("journal_id", Cell::Link(journal));
        it.insert("state", Cell::text("draft"));
        it.insert("company_id", Cell::Link(company));
        it.insert("payment_state", Cell::text("not_paid"));
        let currency = it.link("currency_id").unwrap_or_else(|| self.currency_of(company));
        it.insert("currency_id", Cell::Link(currency));
        if it.cell("date") == &Cell::Nothing {
            let date = if it.word("invoice_date").is_empty() {
                call.today()
            } else {
                it.word("invoice_date").to_owned()
            };
            it.insert("date", Cell::Text(date));
        }
        let date = it.word("date").to_owned();
        let partner = it.cell("partner_id").clone();
        let id = self.insert(call, MOVE, it);
        let facts = MoveFacts { id, company, journal, currency, date, partner, kind };
        let made = if facts.kind == "entry" {
            self.entry_lines(call, &facts, lines)?
        } else {
            self.invoice_lines(call, &facts, lines)?
        };
        self.store.set(MOVE, id, "line_ids", Cell::Links(made));
        self.refresh_move(id);
        Ok(id)
    }

    fn entry_lines(
        &mut self,
        call: &Call,
        facts: &MoveFacts,
        lines: Vec<Record>,
    ) -> Result<Vec<i64>, Fault> {
        let mut made = Vec::new();
        let (mut balance, mut debits) = (Decimal::ZERO, Decimal::ZERO);
        for mut line in lines {
            if line.cell("account_id") == &Cell::Nothing {
                return Err(missing_value("Account", "account_id", "Journal Item", LINE));
            }
            let currency = line.link("currency_id").unwrap_or(facts.currency);
            let amount = match line.cell("amount_currency") {
                Cell::Number(amount) => *amount,
                _ => line.amount("debit") - line.amount("credit"),
            };
            line.insert("display_type", Cell::text("product"));
            line.insert("currency_id", Cell::Link(currency));
            let in_company = self.convert(amount, currency, facts.company);
            balance += in_company;
            debits += amount.max(Decimal::ZERO);
            made.push(self.insert_line(call, facts, line, amount, in_company));
        }
        if balance != Decimal::ZERO {
            return Err(Fault::user("The entry is not balanced."));
        }
        self.store.update(MOVE, facts.id, |it| {
            it.insert("amount_total", Cell::Number(debits));
            it.insert("amount_tax", Cell::Number(Decimal::ZERO));
            it.insert("amount_untaxed", Cell::Number(debits));
        });
        Ok(made)
    }

    /// Product lines, one line for each tax, and the receivable.
    fn invoice_lines(
        &mut self,
        call: &Call,
        facts: &MoveFacts,
        lines: Vec<Record>,
    ) -> Result<Vec<i64>, Fault> {
        if facts.partner == Cell::Nothing {
            return Err(Fault::user(
                "The field 'Customer' is required, please complete it to validate the Customer Invoice.",
            ));
        }
        self.bill_order_lines(&lines, call);
        let globally = self.rounds_globally(facts.company);
        let rows: Vec<&Record> = lines.iter().collect();
        let computed = taxes::compute(&self.store, &rows, "quantity", facts.currency, globally);
        let refund = facts.kind == "out_refund";
        // Income is a credit on an invoice and a debit on a credit note.
        let sign = if refund { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        let mut made = Vec::new();
        let mut spread =
            computed.untaxed - computed.lines.iter().map(|line| line.0).sum::<Decimal>();
        for (mut line, (without, _)) in lines.into_iter().zip(&computed.lines) {
            // Rounding over the document moves a cent between net and tax of contained taxes.
            let without = *without + std::mem::take(&mut spread);
            let account = self.income_account(facts, &line)?;
            line.insert("account_id", Cell::Link(account));
            line.insert("display_type", Cell::text("product"));
            line.insert("price_subtotal", Cell::Number(without));
            line.insert("currency_id", Cell::Link(facts.currency));
            let amount = sign * without;
            let in_company = self.convert(amount, facts.currency, facts.company);
            made.push(self.insert_line(call, facts, line, amount, in_company));
        }
        for (tax, amount) in &computed.taxes {
            if *amount == Decimal::ZERO {
                continue;
            }
            let line = self.tax_line(facts, *tax, refund);
            let amount = sign * *amount;
            let in_company = self.convert(amount, facts.currency, facts.company);
            made.push(self.insert_line(call, facts, line, amount, in_company));
        }
        let total = computed.untaxed + computed.tax;
        if total < Decimal::ZERO {
            return Err(Fault::invalid(
                "You cannot validate an invoice with a negative total amount. You should create a credit note instead.",
            ));
        }
        let others = made
            .iter()
            .filter_map(|id| self.store.get(LINE, *id))
            .map(|line| line.amount("balance"));
        let in_company = -others.sum::<Decimal>();
        let mut line = Record::new();
        line.insert("display_type", Cell::text("payment_term"));
        line.insert("account_id", Cell::Link(self.receivable_of(facts.company)?));
        line.insert("currency_id", Cell::Link(facts.currency));
        made.push(self.insert_line(call, facts, line, -sign * total, in_company));
        self.store.update(MOVE, facts.id, |it| {
            it.insert("amount_untaxed", Cell::Number(computed.untaxed));
            it.insert("amount_tax", Cell::Number(computed.tax));
            it.insert("amount_total", Cell::Number(total));
        });
        Ok(made)
    }

    fn tax_line(&self, facts: &MoveFacts, tax: i64, refund: bool) -> Record {
        let document = if refund { "refund" } else { "invoice" };
        let part = self.store.all("account.tax.repartition.line").find(|(_, part)| {
            part.link("tax_id") == Some(tax)
                && part.word("repartition_type") == "tax"
                && part.word("document_type") == document
        });
        let mut line = Record::new();
        line.insert("display_type", Cell::text("tax"));
        line.insert("tax_line_id", Cell::Link(tax));
        line.insert("currency_id", Cell::Link(facts.currency));
        let name = self.store.get("account.tax", tax).map(|tax| tax.word("name").to_owned());
        line.insert("name", Cell::Text(name.unwrap_or_default()));
        // Without an account of its own, a tax goes where its base went (V9).
        let account = part.and_then(|(_, part)| part.link("account_id"));
        let account = account.or_else(|| self.default_income(facts.journal));
        line.insert("account_id", account.map_or(Cell::Nothing, Cell::Link));
        if let Some((id, _)) = part {
            line.insert("tax_repartition_line_id", Cell::Link(id));
        }
        line
    }

    fn default_income(&self, journal: i64) -> Option<i64> {
        self.store.get("account.journal", journal)?.link("default_account_id")
    }

    fn income_account(&self, facts: &MoveFacts, line: &Record) -> Result<i64, Fault> {
        let product = line.link("product_id").and_then(|id| self.store.get("product.product", id));
        let own = line.link("account_id");
        let by_product = product.and_then(|product| product.link("property_account_income_id"));
        own.or(by_product).or_else(|| self.default_income(facts.journal)).ok_or_else(|| {
            Fault::user("new row for relation \"account_move_line\" violates check constraint \"account_move_line_check_accountable_required_fields\"")
        })
    }

    fn insert_line(
        &mut self,
        call: &Call,
        facts: &MoveFacts,
        mut line: Record,
        amount: Decimal,
        balance: Decimal,
    ) -> i64 {
        let account = line.link("account_id").unwrap_or(0);
        let (kind, reconcile) = match self.store.get("account.account", account) {
            Some(account) => (account.word("account_type").to_owned(), account.flag("reconcile")),
            None => (String::new(), false),
        };
        let open = |value| Cell::Number(if reconcile { value } else { Decimal::ZERO });
        line.insert("move_id", Cell::Link(facts.id));
        line.insert("company_id", Cell::Link(facts.company));
        line.insert("journal_id", Cell::Link(facts.journal));
        line.insert("date", Cell::text(facts.date.clone()));
        line.insert("parent_state", Cell::text("draft"));
        line.insert("account_type", Cell::Text(kind));
        line.insert("amount_currency", Cell::Number(amount));
        line.insert("balance", Cell::Number(balance));
        line.insert("debit", Cell::Number(balance.max(Decimal::ZERO)));
        line.insert("credit", Cell::Number((-balance).max(Decimal::ZERO)));
        line.insert("amount_residual", open(balance));
        line.insert("amount_residual_currency", open(amount));
        line.insert("reconciled", Cell::Flag(false));
        line.entry("partner_id").or_insert_with(|| facts.partner.clone());
        line.entry("tax_ids").or_insert_with(|| Cell::Links(Vec::new()));
        self.insert(call, LINE, line)
    }

    pub(super) fn post_moves(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            let it = self.store.get(MOVE, *id).ok_or_else(|| Fault::missing(MOVE, *id))?;
            if it.word("state") != "draft" {
                let name = it.word("name");
                return Err(Fault::user(format!("The entry {name} (id {id}) must be in draft.")));
            }
            if it.links("line_ids").is_empty() {
                return Err(Fault::user("Even magicians can't post nothing!"));
            }
        }
        for id in ids {
            self.post_move(call, *id)?;
        }
        Ok(())
    }

    fn post_move(&mut self, call: &Call, id: i64) -> Result<(), Fault> {
        let it = self.store.get(MOVE, id).ok_or_else(|| Fault::missing(MOVE, id))?;
        let (company, kind) = (it.link("company_id").unwrap_or(0), it.word("move_type").to_owned());
        let (journal, reversed) =
            (it.link("journal_id").unwrap_or(0), it.link("reversed_entry_id"));
        let due = it.word("invoice_date_due").is_empty();
        let date = self.open_date(call, company, &kind, it.word("date"))?;
        let code = self.store.get("account.journal", journal).map(|it| it.word("code").to_owned());
        let prefix = if kind == "out_refund" { "R" } else { "" };
        let year: String = date.chars().take(4).collect();
        let (named, lines) = (it.word("name").to_owned(), it.links("line_ids").to_vec());
        let name = if named.is_empty() {
            let series = format!("{prefix}{}/{year}", code.unwrap_or_default());
            let number = self.store.next(&format!("{series}/{journal}"));
            format!("{series}/{number:05}")
        } else {
            named
        };
        self.change(call, MOVE, id, |it| {
            it.insert("state", Cell::text("posted"));
            it.insert("name", Cell::Text(name));
            it.insert("date", Cell::Text(date.clone()));
            if due && kind != "entry" {
                it.insert("invoice_date_due", Cell::Text(date.clone()));
            }
        });
        for line in lines {
            self.store.update(LINE, line, |line| {
                line.insert("parent_state", Cell::text("posted"));
                line.insert("date", Cell::Text(date.clone()));
            });
        }
        self.refresh_move(id);
        if let Some(reversed) = reversed {
            self.match_reversal(call, id, reversed)?;
        }
        Ok(())
    }

    /// A credit note that names its invoice matches with it by itself while that is open (V8).
    fn match_reversal(&mut self, call: &Call, note: i64, invoice: i64) -> Result<(), Fault> {
        let open = |id: i64| -> Option<i64> {
            let lines = self.store.get(MOVE, id)?.links("line_ids");
            lines.iter().copied().find(|line| {
                self.store.get(LINE, *line).is_some_and(|line| {
                    line.word("account_type") == "asset_receivable"
                        && line.word("parent_state") == "posted"
                        && !line.flag("reconciled")
                })
            })
        };
        match (open(note), open(invoice)) {
            (Some(note), Some(invoice)) => self.reconcile(call, &[note, invoice]),
            _ => Ok(()),
        }
    }

    /// Inside a locked period Odoo dates a document today, and refuses an entry of the past only
    /// under the locks that concern it (V13).
    fn open_date(
        &self,
        call: &Call,
        company: i64,
        kind: &str,
        date: &str,
    ) -> Result<String, Fault> {
        let company = self.store.get("res.company", company);
        let lock = |field: &str| company.map_or("", |it| it.word(field));
        let sale = matches!(kind, "out_invoice" | "out_refund");
        let mut locked = date <= lock("fiscalyear_lock_date") || date <= lock("hard_lock_date");
        locked |= sale && date <= lock("sale_lock_date");
        if !locked {
            return Ok(date.to_owned());
        }
        let today = call.today();
        if today.as_str() <= lock("hard_lock_date") {
            return Err(Fault::user(
                "You cannot add/modify entries prior to and inclusive of the Hard Lock Date.",
            ));
        }
        Ok(today)
    }

    pub(super) fn create_payment(&mut self, call: &Call, mut it: Record) -> Result<i64, Fault> {
        if it.amount("amount") < Decimal::ZERO {
            return Err(Fault::invalid("The payment amount cannot be negative."));
        }
        let company = call.company();
        let method = it
            .link("payment_method_line_id")
            .and_then(|id| self.store.get("account.payment.method.line", id));
        let Some(method) = method else {
            return Err(Fault::invalid("Please define a payment method line on your payment."));
        };
        if method.link("journal_id") != it.link("journal_id") {
            return Err(Fault::invalid("Please define a payment method line on your payment."));
        }
        let outstanding = method.cell("payment_account_id").clone();
        it.insert("outstanding_account_id", outstanding);
        it.insert("state", Cell::text("draft"));
        it.insert("company_id", Cell::Link(company));
        it.insert("is_reconciled", Cell::Flag(false));
        if it.cell("currency_id") == &Cell::Nothing {
            it.insert("currency_id", Cell::Link(self.currency_of(company)));
        }
        if it.cell("date") == &Cell::Nothing {
            it.insert("date", Cell::Text(call.today()));
        }
        Ok(self.insert(call, "account.payment", it))
    }

    /// Posting a posted payment is no error in Odoo, and does nothing.
    pub(super) fn post_payments(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            let it = self
                .store
                .get("account.payment", *id)
                .ok_or_else(|| Fault::missing("account.payment", *id))?;
            if it.word("state") != "draft" {
                continue;
            }
            let payment = it.clone();
            self.post_payment(call, *id, &payment)?;
        }
        Ok(())
    }

    fn post_payment(&mut self, call: &Call, id: i64, payment: &Record) -> Result<(), Fault> {
        let journal = payment.link("journal_id").unwrap_or(0);
        let company = payment.link("company_id").unwrap_or(0);
        let date = self.open_date(call, company, "entry", payment.word("date"))?;
        let code = self.store.get("account.journal", journal).map(|it| it.word("code").to_owned());
        let year: String = date.chars().take(4).collect();
        let series = format!("P{}/{year}", code.unwrap_or_default());
        let number = self.store.next(&format!("{series}/{journal}"));
        let name = format!("{series}/{number:05}");
        let mut made = Cell::Nothing;
        if let Some(outstanding) = payment.link("outstanding_account_id") {
            let currency = payment.link("currency_id").unwrap_or(0);
            let mut it = Record::new();
            it.insert("name", Cell::text(name.clone()));
            it.insert("move_type", Cell::text("entry"));
            it.insert("journal_id", Cell::Link(journal));
            it.insert("currency_id", Cell::Link(currency));
            it.insert("date", Cell::text(date.clone()));
            it.insert("ref", payment.cell("memo").clone());
            it.insert("partner_id", payment.cell("partner_id").clone());
            it.insert("origin_payment_id", Cell::Link(id));
            let inbound = payment.word("payment_type") != "outbound";
            let amount = if inbound { payment.amount("amount") } else { -payment.amount("amount") };
            let line = |account, amount| {
                let mut line = Record::new();
                line.insert("account_id", Cell::Link(account));
                line.insert("amount_currency", Cell::Number(amount));
                line.insert("currency_id", Cell::Link(currency));
                line.insert("name", Cell::text("Manual Payment"));
                line
            };
            let receivable = self.receivable_of(company)?;
            let lines = vec![line(outstanding, amount), line(receivable, -amount)];
            let entry = self.create_move(call, it, lines)?;
            self.post_move(call, entry)?;
            made = Cell::Link(entry);
        }
        self.change(call, "account.payment", id, |it| {
            it.insert("state", Cell::text("in_process"));
            it.insert("name", Cell::Text(name));
            it.insert("date", Cell::Text(date));
            it.insert("move_id", made);
        });
        Ok(())
    }

    /// Matches open lines of one account, oldest first.
    pub(super) fn reconcile(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        let mut accounts = std::collections::BTreeSet::new();
        for id in ids {
            let line = self.store.get(LINE, *id).ok_or_else(|| Fault::missing(LINE, *id))?;
            if line.flag("reconciled") {
                return Err(Fault::user(
                    "You are trying to reconcile some entries that are already reconciled.",
                ));
            }
            if line.word("parent_state") != "posted" {
                return Err(Fault::user("You can only reconcile posted entries."));
            }
            accounts.insert(line.link("account_id"));
        }
        if accounts.len() > 1 {
            return Err(Fault::user("Entries are not from the same account."));
        }
        let side = |positive: bool| -> Vec<i64> {
            let of = |id: &&i64| {
                let residual = self
                    .store
                    .get(LINE, **id)
                    .map_or(Decimal::ZERO, |it| it.amount("amount_residual"));
                residual != Decimal::ZERO && (residual > Decimal::ZERO) == positive
            };
            ids.iter().filter(of).copied().collect()
        };
        let (debits, credits) = (side(true), side(false));
        for debit in &debits {
            for credit in &credits {
                self.match_two(call, *debit, *credit);
            }
        }
        let mut moves: Vec<i64> =
            ids.iter().filter_map(|id| self.store.get(LINE, *id)?.link("move_id")).collect();
        moves.dedup();
        for id in moves {
            self.refresh_move(id);
            self.touch(call, MOVE, id);
            self.refresh_payment(call, id);
        }
        Ok(())
    }

    fn match_two(&mut self, call: &Call, debit: i64, credit: i64) {
        let residual = |world: &Self, id: i64, field: &str| {
            world.store.get(LINE, id).map_or(Decimal::ZERO, |line| line.amount(field))
        };
        let amount = residual(self, debit, "amount_residual").min(-residual(
            self,
            credit,
            "amount_residual",
        ));
        if amount <= Decimal::ZERO {
            return;
        }
        let foreign = |world: &Self, id: i64| {
            let (own, all) = (
                residual(world, id, "amount_residual").abs(),
                residual(world, id, "amount_residual_currency").abs(),
            );
            if own == amount { all } else { round(all * amount / own) }
        };
        let (debit_foreign, credit_foreign) = (foreign(self, debit), foreign(self, credit));
        for (id, own, other) in [(debit, -amount, -debit_foreign), (credit, amount, credit_foreign)]
        {
            self.store.update(LINE, id, |line| {
                let left = line.amount("amount_residual") + own;
                let foreign = line.amount("amount_residual_currency") + other;
                line.insert("amount_residual", Cell::Number(left));
                line.insert("amount_residual_currency", Cell::Number(foreign));
                line.insert(
                    "reconciled",
                    Cell::Flag(left == Decimal::ZERO && foreign == Decimal::ZERO),
                );
            });
        }
        let mut partial = Record::new();
        partial.insert("debit_move_id", Cell::Link(debit));
        partial.insert("credit_move_id", Cell::Link(credit));
        partial.insert("amount", Cell::Number(amount));
        partial.insert("debit_amount_currency", Cell::Number(debit_foreign));
        partial.insert("credit_amount_currency", Cell::Number(credit_foreign));
        partial.insert("company_id", Cell::Link(call.company()));
        self.insert(call, "account.partial.reconcile", partial);
    }

    fn refresh_payment(&mut self, call: &Call, entry: i64) {
        let payment = self.store.get(MOVE, entry).and_then(|it| it.link("origin_payment_id"));
        let Some(payment) = payment else { return };
        let lines =
            self.store.get(MOVE, entry).map(|it| it.links("line_ids").to_vec()).unwrap_or_default();
        let tied = lines
            .iter()
            .filter_map(|id| self.store.get(LINE, *id))
            .any(|line| line.word("account_type") == "asset_receivable" && line.flag("reconciled"));
        self.change(call, "account.payment", payment, |it| {
            it.insert("is_reconciled", Cell::Flag(tied));
            it.insert("state", Cell::text(if tied { "paid" } else { "in_process" }));
        });
    }

    /// Residual and payment state follow the receivable lines.
    pub(super) fn refresh_move(&mut self, id: i64) {
        let Some(it) = self.store.get(MOVE, id) else { return };
        let kind = it.word("move_type").to_owned();
        let lines: Vec<&Record> =
            it.links("line_ids").iter().filter_map(|id| self.store.get(LINE, *id)).collect();
        let terms = lines.iter().filter(|line| line.word("display_type") == "payment_term");
        let residual =
            terms.map(|line| line.amount("amount_residual_currency")).sum::<Decimal>().abs();
        let (total, posted) = (it.amount("amount_total"), it.word("state") == "posted");
        let state =
            match () {
                () if kind == "entry" || !posted => "not_paid",
                () if residual == Decimal::ZERO && total != Decimal::ZERO => {
                    if self.only_refunded(it) { "reversed" } else { "paid" }
                }
                () if residual == Decimal::ZERO => "paid",
                () if residual < total => "partial",
                () => "not_paid",
            };
        self.store.update(MOVE, id, |it| {
            it.insert("amount_residual", Cell::Number(residual));
            it.insert("payment_state", Cell::text(state));
        });
    }

    fn only_refunded(&self, it: &Record) -> bool {
        let own = it.links("line_ids");
        let others: BTreeMap<i64, &str> = self
            .store
            .all("account.partial.reconcile")
            .filter_map(|(_, partial)| {
                let (debit, credit) =
                    (partial.link("debit_move_id")?, partial.link("credit_move_id")?);
                let other = if own.contains(&debit) {
                    credit
                } else if own.contains(&credit) {
                    debit
                } else {
                    return None;
                };
                let id = self.store.get(LINE, other)?.link("move_id")?;
                Some((id, self.store.get(MOVE, id)?.word("move_type")))
            })
            .collect();
        it.word("move_type") == "out_invoice"
            && !others.is_empty()
            && others.values().all(|kind| *kind == "out_refund")
    }
}

struct MoveFacts {
    id: i64,
    company: i64,
    journal: i64,
    currency: i64,
    date: String,
    partner: Cell,
    kind: String,
}
