//! Moves: drafts, and posting with its numbers and dates.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::chart::NEVER;
use super::sales::missing_value;
use super::store::{Cell, Fault, Fields, Record};
use super::taxes;
use super::world::{Call, World};

pub(super) const MOVE: &str = "account.move";
pub(super) const LINE: &str = "account.move.line";

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
        if it.cell("invoice_date_due") == &Cell::Nothing {
            it.insert("invoice_date_due", Cell::Text(call.today()));
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
            // A tax line is known by its part of a tax; nothing is computed from bases in an entry.
            let part = line.link("tax_repartition_line_id");
            let part = part.and_then(|id| self.store.get("account.tax.repartition.line", id));
            if let Some(tax) = part.and_then(|part| part.link("tax_id")) {
                line.insert("tax_line_id", Cell::Link(tax));
            }
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
            it.insert("amount_untaxed", Cell::Number(Decimal::ZERO));
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
        let convert = |amount| self.convert(amount, facts.currency, facts.company);
        let computed =
            taxes::compute(&self.store, &rows, "quantity", facts.currency, globally, &convert);
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
            let in_company = computed.company_taxes.get(tax).copied().unwrap_or_default();
            made.push(self.insert_line(call, facts, line, sign * *amount, sign * in_company));
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

    pub(super) fn post_move(&mut self, call: &Call, id: i64) -> Result<(), Fault> {
        let it = self.store.get(MOVE, id).ok_or_else(|| Fault::missing(MOVE, id))?;
        let (company, kind) = (it.link("company_id").unwrap_or(0), it.word("move_type").to_owned());
        let (journal, reversed) =
            (it.link("journal_id").unwrap_or(0), it.link("reversed_entry_id"));
        let taxed = it.links("line_ids").iter().any(|line| {
            let line = self.store.get(LINE, *line);
            line.is_some_and(|it| {
                !it.links("tax_ids").is_empty() || it.link("tax_line_id").is_some()
            })
        });
        let counted = if it.link("origin_payment_id").is_some() { "payment" } else { &kind };
        for line in it.links("line_ids") {
            let account = self.store.get(LINE, *line).and_then(|it| it.link("account_id"));
            let account = account.and_then(|id| self.store.get("account.account", id));
            if let Some(it) = account.filter(|it| matches!(it.cell("active"), Cell::Flag(false))) {
                let (name, code) = (it.word("name"), it.word("code"));
                return Err(Fault::user(format!("The account {name} ({code}) is archived.")));
            }
        }
        let date = self.open_date(call, company, counted, taxed, it.word("date"))?;
        let code = self.store.get("account.journal", journal).map(|it| it.word("code").to_owned());
        let prefix = if kind == "out_refund" { "R" } else { "" };
        let (named, lines) = (it.word("name").to_owned(), it.links("line_ids").to_vec());
        let name = if named.is_empty() {
            self.next_name(prefix, &code.unwrap_or_default(), journal, &date, &kind)
        } else {
            named
        };
        self.change(call, MOVE, id, |it| {
            it.insert("state", Cell::text("posted"));
            it.insert("name", Cell::Text(name));
            it.insert("date", Cell::Text(date.clone()));
        });
        for line in lines {
            self.store.update(LINE, line, |line| {
                line.insert("parent_state", Cell::text("posted"));
                line.insert("date", Cell::Text(date.clone()));
                let owes = line.word("display_type") == "payment_term";
                if owes && line.amount("balance") == Decimal::ZERO {
                    line.insert("reconciled", Cell::Flag(true));
                }
            });
        }
        self.refresh_move(id);
        if let Some(reversed) = reversed {
            self.match_reversal(call, id, reversed)?;
        }
        Ok(())
    }

    /// Invoices are numbered by year, a general journal's entries by month.
    fn next_name(
        &mut self,
        prefix: &str,
        code: &str,
        journal: i64,
        date: &str,
        kind: &str,
    ) -> String {
        let monthly = kind == "entry";
        let period: String = date.chars().take(if monthly { 7 } else { 4 }).collect();
        let series = format!("{prefix}{code}/{}", period.replace('-', "/"));
        let number = self.store.next(&format!("{series}/{journal}"));
        if monthly { format!("{series}/{number:04}") } else { format!("{series}/{number:05}") }
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

    /// Inside a locked period Odoo dates a move elsewhere without a word: today or on the last day of
    /// the period in which its journal counts, and of a document on no day before its own (V13). Each
    /// lock counts for what it concerns, as the user sees it.
    pub(super) fn open_date(
        &self,
        call: &Call,
        company: i64,
        kind: &str,
        taxed: bool,
        date: &str,
    ) -> Result<String, Fault> {
        let company = self.store.get("res.company", company);
        let lock = |field: &str| company.map_or("", |it| it.word(field));
        let sale = matches!(kind, "out_invoice" | "out_refund");
        let locks = [
            (lock("user_fiscalyear_lock_date"), true),
            (lock("user_hard_lock_date"), true),
            (lock("user_sale_lock_date"), sale),
            (lock("user_tax_lock_date"), taxed),
        ];
        let covering = locks.into_iter().filter(|(until, concerns)| {
            *concerns && !until.is_empty() && *until != NEVER && date <= *until
        });
        let Some(last) = covering.map(|(until, _)| until).max() else {
            return Ok(date.to_owned());
        };
        let wrong = || Fault::value(format!("{last} is no date"));
        let open: Date = last.parse::<Date>().map_err(|_| wrong())?;
        let open = open.tomorrow().map_err(|_| wrong())?;
        let today: Date = call.today().parse().map_err(|_| wrong())?;
        let moved = match kind {
            // Sales and payments count by the year, the other entries by the month.
            "out_invoice" | "out_refund" => today.min(open.last_of_year()),
            "payment" if today.year() > open.year() => open.last_of_year(),
            "entry" if today.first_of_month() > open.first_of_month() => open.last_of_month(),
            _ => open.max(today),
        };
        let moved = moved.to_string();
        let hard = lock("user_hard_lock_date");
        if hard != NEVER && moved.as_str() <= hard {
            return Err(Fault::user(
                "You cannot add/modify entries prior to and inclusive of the Hard Lock Date.",
            ));
        }
        Ok(moved)
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
        let state = match () {
            () if kind == "entry" || !posted => "not_paid",
            () if residual == Decimal::ZERO && total != Decimal::ZERO => {
                if self.only_refunded(id, it) { "reversed" } else { "paid" }
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

    fn only_refunded(&self, id: i64, it: &Record) -> bool {
        let others = self.tied_to(id);
        let notes = others.iter().filter_map(|id| self.store.get(MOVE, *id));
        it.word("move_type") == "out_invoice"
            && !others.is_empty()
            && notes.into_iter().all(|it| it.word("move_type") == "out_refund")
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
