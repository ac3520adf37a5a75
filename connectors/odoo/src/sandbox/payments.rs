//! Payments, and what pays what.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::books::{LINE, MOVE};
use super::store::{Cell, Fault, Fields, Record};
use super::taxes;
use super::world::{Call, World};

impl World {
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
        // It keeps its day where its entry is dated elsewhere (V13).
        let date = payment.word("date").to_owned();
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
            it.insert("move_id", made);
        });
        Ok(())
    }

    /// Matches open lines of one account, oldest first.
    pub(super) fn reconcile(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        let mut accounts = BTreeSet::new();
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
        for id in &moves {
            self.refresh_move(*id);
            self.touch(call, MOVE, *id);
        }
        let mut payments = BTreeSet::new();
        for id in moves {
            payments.insert(id);
            payments.extend(self.tied_to(id));
        }
        for id in payments {
            self.refresh_payment(call, id);
        }
        Ok(())
    }

    /// Takes every tie of these lines off, and opens what it paid and what paid it.
    pub(super) fn untie(&mut self, call: &Call, lines: &[i64]) {
        let ours = |it: &Record| {
            let ends = [it.link("debit_move_id"), it.link("credit_move_id")];
            ends.into_iter().flatten().any(|line| lines.contains(&line))
        };
        let partials: Vec<(i64, Record)> = self
            .store
            .all("account.partial.reconcile")
            .filter(|(_, it)| ours(it))
            .map(|(id, it)| (id, it.clone()))
            .collect();
        let mut moves = BTreeSet::new();
        for (partial, it) in partials {
            let amount = it.amount("amount");
            for (end, field, sign) in [
                ("debit_move_id", "debit_amount_currency", Decimal::ONE),
                ("credit_move_id", "credit_amount_currency", -Decimal::ONE),
            ] {
                let Some(line) = it.link(end) else { continue };
                let foreign = it.amount(field);
                self.store.update(LINE, line, |it| {
                    let left = it.amount("amount_residual") + sign * amount;
                    let all = it.amount("amount_residual_currency") + sign * foreign;
                    it.insert("amount_residual", Cell::Number(left));
                    it.insert("amount_residual_currency", Cell::Number(all));
                    it.insert("reconciled", Cell::Flag(false));
                });
                moves.extend(self.store.get(LINE, line).and_then(|it| it.link("move_id")));
            }
            self.store.delete("account.partial.reconcile", partial);
        }
        for id in moves {
            self.refresh_move(id);
            self.touch(call, MOVE, id);
            self.refresh_payment(call, id);
        }
    }

    /// The moves whose lines are matched with lines of this one.
    pub(super) fn tied_to(&self, id: i64) -> Vec<i64> {
        let own = self.store.get(MOVE, id).map(|it| it.links("line_ids")).unwrap_or_default();
        let others = self.store.all("account.partial.reconcile").filter_map(|(_, partial)| {
            let (debit, credit) = (partial.link("debit_move_id")?, partial.link("credit_move_id")?);
            let other = match (own.contains(&debit), own.contains(&credit)) {
                (true, false) => credit,
                (false, true) => debit,
                _ => return None,
            };
            self.store.get(LINE, other)?.link("move_id")
        });
        others.collect()
    }

    /// The lines that are matched with one.
    pub(super) fn lines_tied_to(&self, line: i64) -> BTreeSet<i64> {
        let partials = self.store.all("account.partial.reconcile");
        let others = partials.filter_map(|(_, partial)| {
            let (debit, credit) = (partial.link("debit_move_id")?, partial.link("credit_move_id")?);
            match line {
                _ if line == debit => Some(credit),
                _ if line == credit => Some(debit),
                _ => None,
            }
        });
        others.collect()
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
            let line = world.store.get(LINE, id);
            let currency = line.and_then(|line| line.link("currency_id")).unwrap_or(0);
            if own == amount {
                all
            } else {
                taxes::round_to(all * amount / own, taxes::digits(&world.store, currency))
            }
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
            .filter(|line| line.word("account_type") == "asset_receivable")
            .any(|line| line.flag("reconciled"));
        // Paid is a payment whose documents are all paid.
        let documents = self.tied_to(entry);
        let settled = documents.into_iter().filter_map(|id| self.store.get(MOVE, id)).all(|it| {
            it.word("move_type") == "entry" || it.amount("amount_residual") == Decimal::ZERO
        });
        let state = if tied && settled { "paid" } else { "in_process" };
        self.change(call, "account.payment", payment, |it| {
            it.insert("is_reconciled", Cell::Flag(tied));
            it.insert("state", Cell::text(state));
        });
    }
}
