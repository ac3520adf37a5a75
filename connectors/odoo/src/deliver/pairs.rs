//! Tying a payment to the document it pays. Odoo keeps no record of ours for it, so what exists is
//! found by looking: the partial reconciliation between the two.
//!
//! A batch is tied in one call: `load()` of lines, each with the lines it is to be reconciled with.
//! Odoo reconciles row by row, as `reconcile` does with the lines of one row, and keeps all rows or
//! none. What a tie takes the place of is freed first, in a call of its own. A pair that is tied in part
//! has a call of its own, too: its lines name each other already, and `load()` sees nothing to change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_connect::conversation::{Context, Dispatch, Outcome, Reply, State, Step};
use trueup_connect::{CallError, ReceiptOutcome, Request};
use trueup_domain::command::{CommandKind, Content, Extent};
use trueup_domain::money::Money;
use trueup_domain::planted::planted;

use super::{BUSY_TRIES, bound_id, cut_short, halve, pause_ms, receipt, sure};
use crate::Talk;
use crate::decode::PAYMENT;
use crate::load::{self, Loaded, Table};
use crate::outcome;
use crate::request;
use crate::wire::{self, Row};

/// The binding of a tie for which nothing was left: another tie had it first.
const NOTHING_OPEN: &str = "nothing open";

#[derive(Serialize, Deserialize)]
pub struct Pairs {
    company: i64,
    pairs: Vec<Pair>,
    at: At,
    /// Batches still to be tied, each a list of pair numbers; the last is next.
    batches: Vec<Vec<usize>>,
    tries: u32,
    waiting: bool,
}

#[derive(Serialize, Deserialize)]
struct Pair {
    key: String,
    amount: Money,
    extent: Extent,
    payment: Bound,
    document: Bound,
    tied: bool,
    wrote: bool,
    /// An earlier conversation may have tied it.
    #[serde(default)]
    unknown: bool,
    /// What the document is tied to beside the payment was to be taken off once.
    freed: bool,
    /// The two are tied in part, and both are open.
    #[serde(default)]
    in_part: bool,
    /// Why tying failed. An earlier attempt of ours may have done it first: the look at the end
    /// has the last word.
    refusal: Option<CallError>,
    outcome: Option<ReceiptOutcome>,
}

/// One of the two records that are tied.
#[derive(Serialize, Deserialize)]
struct Bound {
    /// None where the record is a document, which is its own move.
    payment: Option<i64>,
    /// A payment's entry is known once it was read.
    entry: Option<i64>,
    lines: Vec<Open>,
}

impl Bound {
    fn of(dispatch: &Dispatch, role: &str, kind: CommandKind) -> Result<Self, CallError> {
        let id = bound_id(dispatch, role)?;
        let (payment, entry) = match kind {
            CommandKind::Payment => (Some(id), None),
            _ => (None, Some(id)),
        };
        Ok(Self { payment, entry, lines: Vec::new() })
    }

    fn open(&self) -> impl Iterator<Item = i64> {
        self.lines.iter().filter(|line| !line.reconciled).map(|line| line.id)
    }

    fn has(&self, line: i64) -> bool {
        self.lines.iter().any(|one| one.id == line)
    }
}

/// A receivable line.
#[derive(Clone, Serialize, Deserialize)]
struct Open {
    id: i64,
    reconciled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Payments,
    Lines,
    Before,
    Free,
    Tie,
    After,
    End,
}

pub fn start(context: &Context<'_>, commands: &[Dispatch], unknown: bool) -> Step {
    let company = commands.first().map_or("", |it| it.content.company());
    let company = match request::id(company) {
        Ok(company) => company,
        Err(error) => return Step::Failed(error),
    };
    let pairs = commands.iter().filter_map(|dispatch| pair(dispatch, unknown)).collect();
    let batches = Vec::new();
    Pairs { company, pairs, at: At::Payments, batches, tries: 0, waiting: false }.step(context)
}

fn pair(dispatch: &Dispatch, unknown: bool) -> Option<Pair> {
    let Content::Reconciliation(content) = &dispatch.content else { return None };
    let none = || Bound { payment: None, entry: None, lines: Vec::new() };
    let found = Bound::of(dispatch, "payment", content.payment)
        .and_then(|payment| Ok((payment, Bound::of(dispatch, "document", content.document)?)));
    let (payment, document, outcome) = match found {
        Ok((payment, document)) => (payment, document, None),
        Err(error) => (none(), none(), Some(ReceiptOutcome::Refused { error })),
    };
    Some(Pair {
        key: dispatch.key.clone(),
        amount: content.amount,
        extent: content.extent,
        payment,
        document,
        tied: false,
        wrote: false,
        unknown,
        freed: false,
        in_part: false,
        refusal: None,
        outcome,
    })
}

impl Pair {
    fn both(&self) -> [&Bound; 2] {
        [&self.payment, &self.document]
    }

    fn is_open(&self) -> bool {
        self.both().iter().all(|one| one.open().next().is_some())
    }

    /// The lines whose ties say how the pair stands.
    fn looked_at(&self) -> impl Iterator<Item = &Open> {
        let document = (self.extent == Extent::Instead).then_some(&self.document.lines);
        self.payment.lines.iter().chain(document.into_iter().flatten())
    }

    fn both_mut(&mut self) -> [&mut Bound; 2] {
        [&mut self.payment, &mut self.document]
    }

    /// The document's lines, where they are tied to something whose place this pair takes.
    fn to_free(&self, partials: &[Row]) -> Result<Vec<i64>, CallError> {
        if self.extent != Extent::Instead || self.tied || self.freed || self.outcome.is_some() {
            return Ok(Vec::new());
        }
        let mut tied = BTreeSet::new();
        for row in partials {
            for field in ["debit_move_id", "credit_move_id"] {
                tied.insert(Row::or_lost(row.reference_id(field))?);
            }
        }
        let lines = self.document.lines.iter().map(|line| line.id);
        Ok(lines.filter(|line| tied.contains(line)).collect())
    }

    /// One of the two is settled already, by another tie or by a person.
    fn nothing_open(&mut self, on_payment: bool) {
        if self.extent == Extent::WhatIsOpen {
            let (binding, differs) = (NOTHING_OPEN.to_owned(), Vec::new());
            self.outcome =
                Some(ReceiptOutcome::Applied { binding, record: None, differs, found_by: None });
            return;
        }
        let which = if on_payment { "the payment" } else { "the document" };
        let why = format!("nothing is open on {which}");
        self.refusal = Some(outcome::refused("nothing_open", &why));
    }
}

impl Pairs {
    fn open(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| pair.outcome.is_none())
    }

    fn step(mut self, context: &Context<'_>) -> Step {
        loop {
            if self.open().next().is_none() {
                self.at = At::End;
            }
            let read = |company: i64, model, domain, fields: &[&str]| {
                request::search_read(context.settings, company, model, &domain, fields, "id")
            };
            match self.at {
                At::Payments => {
                    let ids = self.open().flat_map(Pair::both).filter_map(|one| one.payment);
                    let ids: Vec<i64> = ids.collect();
                    if ids.is_empty() {
                        self.at = At::Lines;
                        continue;
                    }
                    let request =
                        read(self.company, PAYMENT, json!([["id", "in", ids]]), &["move_id"]);
                    return self.send(request, false);
                }
                At::Lines => {
                    let moves = self.open().flat_map(Pair::both).filter_map(|one| one.entry);
                    let moves: Vec<i64> = moves.collect();
                    let domain = json!([
                        ["move_id", "in", moves],
                        ["account_type", "=", "asset_receivable"]
                    ]);
                    let request =
                        read(self.company, "account.move.line", domain, &["move_id", "reconciled"]);
                    return self.send(request, false);
                }
                At::Before | At::After => {
                    let lines = self.open().flat_map(Pair::looked_at).map(|line| line.id);
                    let lines: Vec<i64> = lines.collect();
                    let domain = json!([
                        "|",
                        ["debit_move_id", "in", lines],
                        ["credit_move_id", "in", lines]
                    ]);
                    let fields = [
                        "debit_move_id",
                        "credit_move_id",
                        "debit_amount_currency",
                        "credit_amount_currency",
                    ];
                    let request = read(self.company, "account.partial.reconcile", domain, &fields);
                    return self.send(request, false);
                }
                At::Free => {
                    let request = self.free_request(context);
                    return self.send(request, true);
                }
                At::Tie => match self.batches.last().cloned() {
                    Some(batch) => {
                        let request = self.tie_request(context, &batch);
                        return self.send(request, true);
                    }
                    None => self.at = At::After,
                },
                At::End => return self.finish(),
            }
        }
    }

    fn send(self, request: Request, writes: bool) -> Step {
        Step::Send { request, writes, state: State::of(&Talk::Reconcile(Box::new(self))) }
    }

    /// Takes off what is tied to the documents whose place a pair takes; they are looked at again.
    fn free_request(&mut self, context: &Context<'_>) -> Request {
        let freed = self.pairs.iter_mut().filter(|pair| pair.freed && pair.outcome.is_none());
        let mut ids = Vec::new();
        for pair in freed {
            pair.wrote = true;
            ids.extend(pair.document.lines.iter().map(|line| line.id));
        }
        let model = "account.move.line";
        let arguments = json!({ "ids": ids });
        request::call(
            context.settings,
            self.company,
            model,
            "remove_move_reconcile",
            arguments,
            &[],
        )
    }

    /// Batches of what is to be tied. `load()` answers with the ids of the records that were sent,
    /// so that a line leads one row of a batch at most.
    fn begin_tying(&mut self) {
        self.at = At::Tie;
        if planted("ties_are_believed") {
            self.at = At::End;
            for pair in self.pairs.iter_mut().filter(|pair| pair.outcome.is_none()) {
                let (binding, differs) = (NOTHING_OPEN.to_owned(), Vec::new());
                pair.outcome = Some(ReceiptOutcome::Applied {
                    binding,
                    record: None,
                    differs,
                    found_by: None,
                });
            }
            return;
        }
        let mut batches: Vec<(BTreeSet<i64>, Vec<usize>)> = Vec::new();
        let mut alone = Vec::new();
        for (index, pair) in self.pairs.iter_mut().enumerate() {
            if pair.outcome.is_some() || pair.tied {
                continue;
            }
            let (leader, other) = (pair.payment.open().next(), pair.document.open().next());
            let (Some(leader), Some(_)) = (leader, other) else {
                pair.nothing_open(leader.is_none());
                continue;
            };
            if pair.in_part {
                alone.push(vec![index]);
                continue;
            }
            match batches.iter_mut().find(|(leaders, _)| !leaders.contains(&leader)) {
                Some((leaders, batch)) => {
                    leaders.insert(leader);
                    batch.push(index);
                }
                None => batches.push((BTreeSet::from([leader]), vec![index])),
            }
        }
        let together = batches.into_iter().rev().map(|(_, batch)| batch);
        self.batches = alone.into_iter().chain(together).collect();
    }

    /// The pair of a batch that is tied in part, which is one of its own.
    fn alone(&self, batch: &[usize]) -> Option<&Pair> {
        batch.first().and_then(|index| self.pairs.get(*index)).filter(|pair| pair.in_part)
    }

    fn tie_request(&mut self, context: &Context<'_>, batch: &[usize]) -> Request {
        let model = "account.move.line";
        for index in batch {
            if let Some(pair) = self.pairs.get_mut(*index) {
                pair.wrote = true;
            }
        }
        if let Some(pair) = self.alone(batch) {
            let ids: Vec<i64> = pair.both().iter().flat_map(|one| one.open()).collect();
            let ids = json!({ "ids": ids });
            return request::call(context.settings, self.company, model, "reconcile", ids, &[]);
        }
        let mut table = Table::new(&[".id", "reconciled_lines_ids/.id"], &[]);
        for index in batch {
            let Some(pair) = self.pairs.get(*index) else { continue };
            let mut ids = pair.payment.open().chain(pair.document.open()).map(|id| id.to_string());
            let leader = ids.next().unwrap_or_default();
            table.record(vec![leader, ids.collect::<Vec<_>>().join(",")], &[]);
        }
        let arguments = table.arguments();
        let writing = [("mode", json!("init"))];
        request::call(context.settings, self.company, model, "load", arguments, &writing)
    }

    pub fn resume(mut self, context: &Context<'_>, reply: Result<&Reply, CallError>) -> Step {
        if std::mem::take(&mut self.waiting) {
            return self.step(context);
        }
        let writes = matches!(self.at, At::Tie | At::Free);
        let body = match outcome::read(reply, writes) {
            Ok(body) => body,
            Err(error) => return self.failed(context, error),
        };
        if self.at == At::Tie {
            return self.loaded(context, body);
        }
        self.tries = 0;
        let read = match self.at {
            At::Payments => self.read_payments(body),
            At::Lines => self.read_lines(body),
            At::Before | At::After => self.read_partials(body),
            At::Free => {
                self.at = At::Lines;
                Ok(())
            }
            At::Tie | At::End => Ok(()),
        };
        match read {
            Ok(()) => self.step(context),
            Err(error) => self.give_up(error),
        }
    }

    fn loaded(mut self, context: &Context<'_>, body: &[u8]) -> Step {
        let Some(batch) = self.batches.last().cloned() else {
            return self.give_up(wire::unexpected("no batch was tied"));
        };
        if self.alone(&batch).is_some() {
            self.batches.pop();
            self.tries = 0;
            return self.step(context);
        }
        match load::read(body, batch.len()) {
            Err(error) => self.failed(context, error),
            Ok(Loaded::Nothing(error)) => {
                self.nothing_kept(&batch);
                self.failed(context, error)
            }
            Ok(Loaded::Bad(mut bad)) => {
                self.nothing_kept(&batch);
                self.batches.pop();
                let mut rest = Vec::new();
                for (position, index) in batch.into_iter().enumerate() {
                    match (bad.remove(&position), self.pairs.get_mut(index)) {
                        (Some(error), Some(pair)) => pair.refusal = Some(error),
                        _ => rest.push(index),
                    }
                }
                if !rest.is_empty() {
                    self.batches.push(rest);
                }
                self.tries = 0;
                self.step(context)
            }
            Ok(Loaded::Ids { .. }) => {
                self.batches.pop();
                self.tries = 0;
                self.step(context)
            }
        }
    }

    /// `load()` said so: the call was rolled back whole.
    fn nothing_kept(&mut self, batch: &[usize]) {
        for index in batch {
            if let Some(pair) = self.pairs.get_mut(*index) {
                pair.wrote = false;
            }
        }
    }

    fn read_payments(&mut self, body: &[u8]) -> Result<(), CallError> {
        let rows = wire::rows(body)?;
        let mut moves = BTreeMap::new();
        for row in &rows {
            let of = Row::or_lost(row.reference("move_id"))?;
            moves.insert(Row::or_lost(row.id())?, of.map(|(id, _)| id));
        }
        for pair in self.pairs.iter_mut().filter(|pair| pair.outcome.is_none()) {
            for one in pair.both_mut() {
                if let Some(payment) = one.payment {
                    one.entry = moves.get(&payment).copied().flatten();
                }
            }
            let lost = pair.both().into_iter().find(|one| one.entry.is_none());
            let Some(payment) = lost.map(|one| one.payment.unwrap_or_default()) else { continue };
            let why = if moves.contains_key(&payment) {
                "the payment has no entry: its method line has no account"
            } else {
                "the payment is not there"
            };
            let error = outcome::refused("missing_record", why);
            pair.outcome = Some(ReceiptOutcome::Refused { error });
        }
        self.at = At::Lines;
        Ok(())
    }

    fn read_lines(&mut self, body: &[u8]) -> Result<(), CallError> {
        let mut lines: BTreeMap<i64, Vec<Open>> = BTreeMap::new();
        for row in &wire::rows(body)? {
            let of = Row::or_lost(row.reference_id("move_id"))?;
            let reconciled = Row::or_lost(row.flag("reconciled"))?;
            lines.entry(of).or_default().push(Open { id: Row::or_lost(row.id())?, reconciled });
        }
        for pair in self.pairs.iter_mut().filter(|pair| pair.outcome.is_none()) {
            for one in pair.both_mut() {
                let entry = one.entry.and_then(|entry| lines.get(&entry));
                one.lines = entry.cloned().unwrap_or_default();
            }
        }
        self.at = At::Before;
        Ok(())
    }

    fn read_partials(&mut self, body: &[u8]) -> Result<(), CallError> {
        let last = self.at == At::After;
        let rows = wire::rows(body)?;
        for pair in self.pairs.iter_mut().filter(|pair| pair.outcome.is_none()) {
            match tie(pair, &rows)? {
                // Tied in part: what is beside it has to go first.
                Some((_, differs))
                    if !last && pair.extent == Extent::Instead && !differs.is_empty() => {}
                // What took the rest of one may have been taken off since.
                Some(_) if !last && pair.extent == Extent::WhatIsOpen && pair.is_open() => {
                    pair.in_part = true;
                }
                Some((binding, differs)) => {
                    pair.tied = true;
                    pair.outcome = Some(ReceiptOutcome::Applied {
                        binding,
                        record: None,
                        differs,
                        found_by: None,
                    });
                }
                None if last => {
                    let silent = || outcome::refused("not_tied", "Odoo did not tie the two");
                    let error = pair.refusal.take().unwrap_or_else(silent);
                    pair.outcome = Some(ReceiptOutcome::Refused { error });
                }
                None => {}
            }
        }
        if last {
            self.at = At::End;
            return Ok(());
        }
        let mut any = false;
        for pair in &mut self.pairs {
            pair.freed = pair.freed || !pair.to_free(&rows)?.is_empty();
            any = any || (pair.freed && !pair.wrote && pair.outcome.is_none());
        }
        if any {
            self.at = At::Free;
        } else {
            self.begin_tying();
        }
        Ok(())
    }

    fn failed(mut self, context: &Context<'_>, error: CallError) -> Step {
        if matches!(error, CallError::Busy { .. }) && self.tries < BUSY_TRIES {
            self.tries += 1;
            self.waiting = true;
            let for_ms = pause_ms(self.tries);
            return Step::Wait { for_ms, state: State::of(&Talk::Reconcile(Box::new(self))) };
        }
        if self.at == At::Free {
            return self.not_freed(context, error);
        }
        let batch = self.batches.last().cloned().unwrap_or_default();
        if self.at == At::Tie && !matches!(error, CallError::ReplyLost { .. }) {
            self.nothing_kept(&batch);
        }
        if self.at == At::Tie && matches!(error, CallError::Refused { .. }) && !batch.is_empty() {
            return self.take_apart(context, &batch, error);
        }
        self.give_up(error)
    }

    /// Odoo refused to free something: those pairs are refused, and the others go on.
    fn not_freed(mut self, context: &Context<'_>, error: CallError) -> Step {
        let refused = matches!(error, CallError::Refused { .. });
        if !matches!(error, CallError::ReplyLost { .. }) {
            for pair in self.pairs.iter_mut().filter(|pair| pair.freed && pair.outcome.is_none()) {
                pair.wrote = false;
                if refused {
                    pair.outcome = Some(ReceiptOutcome::Refused { error: error.clone() });
                }
            }
        }
        if !refused {
            return self.give_up(error);
        }
        self.at = At::Lines;
        self.step(context)
    }

    fn take_apart(mut self, context: &Context<'_>, batch: &[usize], error: CallError) -> Step {
        let only = halve(&mut self.batches, batch);
        if let Some(pair) = only.and_then(|only| self.pairs.get_mut(only)) {
            pair.refusal = Some(error);
        }
        self.step(context)
    }

    fn give_up(mut self, error: CallError) -> Step {
        let denied = matches!(error, CallError::Denied { .. });
        if !denied && self.pairs.iter().all(|pair| !pair.wrote && pair.outcome.is_none()) {
            return Step::Failed(sure(error));
        }
        for pair in self.pairs.iter_mut().filter(|pair| pair.outcome.is_none()) {
            pair.outcome = Some(cut_short(pair.wrote || pair.unknown, error.clone()));
        }
        self.finish()
    }

    fn finish(self) -> Step {
        let receipts =
            self.pairs.into_iter().filter_map(|pair| Some(receipt(&pair.key, pair.outcome?)));
        Step::Done(Outcome { receipts: receipts.collect(), ..Outcome::default() })
    }
}

/// The binding of a pair that is tied, and how the tie differs from what was asked.
fn tie(pair: &Pair, partials: &[Row]) -> Result<Option<(String, Vec<String>)>, CallError> {
    let currency = pair.amount.currency();
    let mut sum = Money::zero(currency);
    let mut first = None;
    for row in partials {
        let debit = Row::or_lost(row.reference_id("debit_move_id"))?;
        let credit = Row::or_lost(row.reference_id("credit_move_id"))?;
        // The amount of the document's side, in the document's currency.
        let field = if pair.document.has(debit) && pair.payment.has(credit) {
            "debit_amount_currency"
        } else if pair.document.has(credit) && pair.payment.has(debit) {
            "credit_amount_currency"
        } else {
            continue;
        };
        let amount = Row::or_lost(row.money(field, currency))?;
        sum = sum.checked_add(amount).map_err(|error| wire::unexpected(&error.to_string()))?;
        first = first.or(Some(Row::or_lost(row.id())?));
    }
    let differs = if sum == pair.amount || pair.extent == Extent::WhatIsOpen {
        Vec::new()
    } else {
        vec![format!("{sum} are tied, asked was {}", pair.amount)]
    };
    Ok(first.map(|id| (format!("account.partial.reconcile/{id}"), differs)))
}
