//! The steps of a delivery, and what each reply means for the commands still open.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_connect::conversation::{self, Context, Dispatch, Outcome, Reply, State, Step};
use trueup_connect::{CallError, ReceiptOutcome};
use trueup_domain::command::{CommandKind, Content, Partner};
use trueup_domain::planted::planted;

use super::compare::{self, Standing};
use super::customers::{self, Who};
use super::lookups::{self, Found};
use super::{BUSY_TRIES, bound_id, cut_short, entries, halve, pause_ms, receipt, sure, tables};
use crate::Talk;
use crate::decode;
use crate::load::{self, Loaded};
use crate::outcome;
use crate::request;
use crate::wire::{self, Row};

/// A delivery under way. Plain data: it is stored between the steps.
#[derive(Serialize, Deserialize)]
pub struct Chain {
    pub(super) kind: CommandKind,
    pub(super) company: i64,
    pub(super) items: Vec<Item>,
    pub(super) found: Found,
    at: At,
    /// Batches still to be loaded or acted upon, each a list of item numbers; the last is next.
    batches: Vec<Vec<usize>>,
    tries: u32,
    waiting: bool,
    /// Commands that were refused although their record is made, and its name: a draft that nobody
    /// will post.
    #[serde(default)]
    left: Vec<(usize, String)>,
}

/// One command of the delivery.
#[derive(Serialize, Deserialize)]
pub(super) struct Item {
    pub dispatch: Dispatch,
    pub id: Option<i64>,
    /// A call that could have made the record has left, and none said that nothing was kept.
    wrote: bool,
    /// An earlier conversation may have made it.
    #[serde(default)]
    unknown: bool,
    /// It is still in the state from which it can be confirmed or posted, and is as asked.
    act: bool,
    /// The order is confirmed, or about to be, and its date is not the channel's.
    redate: bool,
    pub differs: Vec<String>,
    /// Its own day, or the first that no lock covers.
    #[serde(default)]
    pub booked_on: Option<Date>,
    /// Why confirming or posting failed. An earlier attempt of ours may still be under way and do
    /// it first, so the record has the last word.
    refusal: Option<CallError>,
    outcome: Option<ReceiptOutcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    LookUp(usize),
    Load,
    ReadDraft,
    Act,
    Dates,
    ReadFinal,
    ReadLines,
    Discard,
    End,
}

/// What a kind of command makes in Odoo, and how it becomes final.
struct Target {
    model: &'static str,
    action: Option<&'static str>,
}

const fn target(kind: CommandKind) -> Target {
    match kind {
        CommandKind::Partner => Target { model: "res.partner", action: None },
        CommandKind::Order => Target { model: decode::ORDER, action: Some("action_confirm") },
        CommandKind::Cancellation => Target { model: decode::ORDER, action: Some("action_cancel") },
        CommandKind::Payment => Target { model: decode::PAYMENT, action: Some("action_post") },
        CommandKind::Invoice
        | CommandKind::CreditNote
        | CommandKind::Entry
        | CommandKind::Reconciliation
        | CommandKind::Goods => Target { model: decode::MOVE, action: Some("action_post") },
    }
}

impl Chain {
    pub fn start(
        context: &Context<'_>,
        kind: CommandKind,
        commands: &[Dispatch],
        unknown: bool,
    ) -> Step {
        let company = commands.first().map_or("", |it| it.content.company());
        let company = match request::id(company) {
            Ok(company) => company,
            Err(error) => return Step::Failed(error),
        };
        let items = commands.iter().map(|dispatch| {
            let made_before = match kind {
                CommandKind::Cancellation => bound_id(dispatch, "order").map(Some),
                _ => Ok(None),
            };
            let (id, outcome) = match made_before.and_then(|id| check(dispatch).map(|()| id)) {
                Ok(id) => (id, None),
                Err(error) => (None, Some(ReceiptOutcome::Refused { error })),
            };
            let dispatch = dispatch.clone();
            Item {
                dispatch,
                id,
                wrote: false,
                unknown,
                act: false,
                redate: false,
                differs: Vec::new(),
                booked_on: None,
                refusal: None,
                outcome,
            }
        });
        let chain = Self {
            kind,
            company,
            items: items.collect(),
            found: Found::default(),
            at: if kind == CommandKind::Cancellation { At::ReadDraft } else { At::LookUp(0) },
            batches: Vec::new(),
            tries: 0,
            waiting: false,
            left: Vec::new(),
        };
        chain.step(context)
    }

    fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let items = self.items.iter().enumerate();
        items.filter(|(_, item)| item.outcome.is_none()).map(|(index, _)| index)
    }

    /// Ids of the records that are made and not yet decided.
    fn open_ids(&self) -> Vec<i64> {
        self.open().filter_map(|index| self.items.get(index)?.id).collect()
    }

    fn settle(&mut self, index: usize, outcome: ReceiptOutcome) {
        if let Some(item) = self.items.get_mut(index) {
            item.outcome = Some(outcome);
        }
    }

    fn refuse(&mut self, index: usize, error: CallError) {
        let error = match self.items.get(index) {
            Some(item) => about_customer(&item.dispatch, error),
            None => error,
        };
        self.settle(index, ReceiptOutcome::Refused { error });
    }

    /// Sends what comes next, or ends.
    fn step(mut self, context: &Context<'_>) -> Step {
        loop {
            if let Some(step) = self.try_step(context) {
                return match step {
                    Ready::Read(request) => self.send(request, false),
                    Ready::Write(request) => self.send(request, true),
                    Ready::End => self.finish(),
                };
            }
        }
    }

    fn send(self, request: trueup_connect::Request, writes: bool) -> Step {
        Step::Send { request, writes, state: State::of(&Talk::Deliver(Box::new(self))) }
    }

    /// `None` after moving on to the next step without a request.
    fn try_step(&mut self, context: &Context<'_>) -> Option<Ready> {
        if self.open().next().is_none() {
            if self.left.is_empty() {
                return Some(Ready::End);
            }
            self.at = At::Discard;
        }
        match self.at {
            At::LookUp(number) => match lookups::next(self, number) {
                Some(number) => {
                    self.at = At::LookUp(number);
                    let request = lookups::request(self, context.settings, number)?;
                    return Some(Ready::Read(request));
                }
                None => self.begin_loading(context),
            },
            At::Load => match self.batches.last().cloned() {
                Some(batch) => return Some(Ready::Write(self.load_request(context, &batch))),
                None if self.kind == CommandKind::Partner => {
                    self.apply_without_record();
                    self.at = At::End;
                }
                None => self.at = At::ReadDraft,
            },
            At::ReadDraft | At::ReadFinal => {
                return Some(Ready::Read(self.read_request(context)));
            }
            At::Act => match self.batches.last().cloned() {
                Some(batch) => return Some(Ready::Write(self.act_request(context, &batch))),
                None if self.kind == CommandKind::Order => self.at = At::Dates,
                None => self.at = At::ReadFinal,
            },
            At::Dates => match self.dates_request(context) {
                Some(request) => return Some(Ready::Write(request)),
                None => self.at = At::ReadFinal,
            },
            At::ReadLines => return Some(Ready::Read(self.lines_request(context))),
            At::Discard => return Some(Ready::Write(self.discard_request(context))),
            At::End => return Some(Ready::End),
        }
        None
    }

    /// Whom Odoo has is not made again; who is unclear waits for a person.
    fn find_customers(&mut self, context: &Context<'_>) {
        let mut new: Vec<usize> = Vec::new();
        for index in self.open().collect::<Vec<_>>() {
            let customer = self.partner(index).filter(|it| it.address_of.is_none());
            let Some(partner) = customer else { continue };
            let who = customers::resolve(context.settings, partner, &self.found.customers);
            let twin = |own: &usize| {
                let other = self.partner(*own);
                other.is_some_and(|other| customers::are_one(context.settings, partner, other))
            };
            match who {
                Who::Found { id, by } => {
                    let applied = ReceiptOutcome::Applied {
                        binding: id.to_string(),
                        record: None,
                        differs: Vec::new(),
                        found_by: Some(by.to_owned()),
                    };
                    self.settle(index, applied);
                }
                Who::Unclear(error) => self.refuse(index, error),
                // The one that is made now will be found by the next attempt.
                Who::Nobody if new.iter().any(twin) => {
                    let why = "the same customer is made at this moment".to_owned();
                    let error = CallError::Busy { why };
                    self.settle(index, ReceiptOutcome::NotApplied { error });
                }
                Who::Nobody => new.push(index),
            }
        }
    }

    fn partner(&self, index: usize) -> Option<&Partner> {
        match &self.items.get(index)?.dispatch.content {
            Content::Partner(partner) => Some(partner),
            _ => None,
        }
    }

    fn begin_loading(&mut self, context: &Context<'_>) {
        self.find_customers(context);
        let today = context.now.to_zoned(jiff::tz::TimeZone::UTC).date();
        for index in self.open().collect::<Vec<_>>() {
            let missing = self.items.get(index).and_then(|item| {
                let content = &item.dispatch.content;
                let missing = lookups::missing(&self.found, content);
                let made = entries::is_made(&self.found, &item.dispatch);
                let locked = || self.found.locks.refuses(content, today).filter(|_| !made);
                missing.or_else(locked)
            });
            if let Some(error) = missing {
                self.refuse(index, error);
                continue;
            }
            let trouble =
                self.items.get(index).and_then(|it| entries::trouble(&self.found, &it.dispatch));
            if let Some(outcome) = trouble {
                self.settle(index, outcome);
                continue;
            }
            // Which taxes it has is forgotten once it is loaded.
            if let Some(item) = self.items.get_mut(index) {
                item.booked_on = self.found.locks.booked_on(&item.dispatch.content);
            }
        }
        let on_account = |index: &usize| {
            let item = self.items.get(*index);
            item.is_some_and(|item| tables::on_account(&item.dispatch.content))
        };
        let (accounts, products): (Vec<usize>, Vec<usize>) = self.open().partition(on_account);
        self.batches = [accounts, products].into_iter().filter(|it| !it.is_empty()).collect();
        self.at = At::Load;
    }

    fn load_request(&mut self, context: &Context<'_>, batch: &[usize]) -> trueup_connect::Request {
        let table = tables::table(self, context.settings, batch);
        self.mark_written(batch);
        let model = target(self.kind).model;
        request::call(
            context.settings,
            self.company,
            model,
            "load",
            table.arguments(),
            &load::once(),
        )
    }

    fn mark_written(&mut self, batch: &[usize]) {
        for index in batch {
            if let Some(item) = self.items.get_mut(*index) {
                item.wrote = true;
            }
        }
    }

    fn read_request(&self, context: &Context<'_>) -> trueup_connect::Request {
        let model = target(self.kind).model;
        let domain = json!([["id", "in", self.open_ids()]]);
        let fields = decode::fields_of(model);
        request::search_read(context.settings, self.company, model, &domain, fields, "id")
    }

    /// What a move has below it; of a payment, its entry, which has a date of its own (V13).
    fn lines_request(&self, context: &Context<'_>) -> trueup_connect::Request {
        if self.kind == CommandKind::Payment {
            let domain = json!([["origin_payment_id", "in", self.open_ids()]]);
            let (model, fields) = (decode::MOVE, ["origin_payment_id", "date"]);
            return request::search_read(
                context.settings,
                self.company,
                model,
                &domain,
                &fields,
                "id",
            );
        }
        let taxed = ["product", "tax"];
        let domain = json!([["move_id", "in", self.open_ids()], ["display_type", "in", taxed]]);
        let (model, fields) = ("account.move.line", decode::LINE_FIELDS);
        request::search_read(context.settings, self.company, model, &domain, fields, "id")
    }

    fn ids_of(&self, batch: &[usize]) -> Vec<i64> {
        batch.iter().filter_map(|index| self.items.get(*index)?.id).collect()
    }

    fn act_request(&mut self, context: &Context<'_>, batch: &[usize]) -> trueup_connect::Request {
        self.mark_written(batch);
        let Target { model, action } = target(self.kind);
        let arguments = json!({ "ids": self.ids_of(batch) });
        let unasked = [("disable_cancel_warning", json!(true))];
        let action = action.unwrap_or("action_post");
        request::call(context.settings, self.company, model, action, arguments, &unasked)
    }

    /// What was refused has no effect, so its draft must not stay: somebody might post it beside what
    /// takes its place. Who may not delete it (orders) leaves it, and says so.
    fn discard_request(&self, context: &Context<'_>) -> trueup_connect::Request {
        let ids = self.left.iter().filter_map(|(index, _)| self.items.get(*index)?.id);
        let arguments = json!({ "ids": ids.collect::<Vec<_>>() });
        let model = target(self.kind).model;
        request::call(context.settings, self.company, model, "unlink", arguments, &[])
    }

    fn discarded(&mut self, gone: bool) {
        for (index, record) in std::mem::take(&mut self.left) {
            let item = self.items.get_mut(index);
            if let Some(ReceiptOutcome::Refused { error }) = item.and_then(|it| it.outcome.as_mut())
                && !gone
            {
                *error = left_as_it_was(error.clone(), &record);
            }
        }
        self.at = At::End;
    }

    /// Confirming sets the order's date to now. The channel's date is written back for all at once:
    /// `load()` by database id, in the mode that writes.
    fn dates_request(&self, context: &Context<'_>) -> Option<trueup_connect::Request> {
        let rows: Vec<[String; 2]> = self
            .open()
            .filter_map(|index| {
                let item = self.items.get(index)?;
                let Content::Order(order) = &item.dispatch.content else { return None };
                item.redate.then_some([item.id?.to_string(), tables::moment(order.placed_at)])
            })
            .collect();
        if rows.is_empty() {
            return None;
        }
        let arguments = json!({ "fields": [".id", "date_order"], "data": rows });
        let model = decode::ORDER;
        Some(request::call(
            context.settings,
            self.company,
            model,
            "load",
            arguments,
            &[("mode", json!("init"))],
        ))
    }

    pub fn resume(mut self, context: &Context<'_>, reply: Result<&Reply, CallError>) -> Step {
        // After a pause there is no reply to read: what was refused as too early is sent again.
        if std::mem::take(&mut self.waiting) {
            return self.step(context);
        }
        if self.at == At::Discard {
            self.discarded(outcome::read(reply, true).is_ok());
            return self.step(context);
        }
        let writes = matches!(self.at, At::Load | At::Act | At::Dates);
        let body = match outcome::read(reply, writes) {
            Ok(body) => body,
            Err(error) => return self.failed(context, error),
        };
        let read = match self.at {
            At::LookUp(number) => {
                self.at = At::LookUp(number + 1);
                lookups::read(&mut self, number, body)
            }
            At::Load => return self.loaded(context, body),
            At::ReadDraft => self.read_draft(body),
            At::Act => {
                self.batches.pop();
                self.tries = 0;
                Ok(())
            }
            At::Dates => {
                self.at = At::ReadFinal;
                Ok(())
            }
            At::ReadFinal => self.read_final(body),
            At::ReadLines => self.read_lines(body),
            At::Discard | At::End => Ok(()),
        };
        match read {
            Ok(()) => self.step(context),
            Err(error) => self.give_up(error),
        }
    }

    fn loaded(mut self, context: &Context<'_>, body: &[u8]) -> Step {
        let Some(batch) = self.batches.last().cloned() else {
            return self.give_up(wire::unexpected("no batch was loaded"));
        };
        let batch = match batch.as_slice() {
            [first, second, ..] if planted("ids_are_given_to_their_neighbours") => {
                let mut turned = batch.clone();
                (turned[0], turned[1]) = (*second, *first);
                turned
            }
            _ => batch,
        };
        match load::read(body, batch.len()) {
            Err(error) => self.failed(context, error),
            Ok(Loaded::Nothing(error)) => self.failed(context, error),
            Ok(Loaded::Bad(bad)) => {
                self.nothing_kept(&batch);
                for (position, error) in bad {
                    if let Some(index) = batch.get(position) {
                        self.refuse(*index, error);
                    }
                }
                let rest = batch.into_iter().filter(|index| self.open().any(|it| it == *index));
                let rest: Vec<usize> = rest.collect();
                self.batches.pop();
                if !rest.is_empty() {
                    self.batches.push(rest);
                }
                self.step(context)
            }
            Ok(Loaded::Ids { ids, mut warnings }) => {
                for (position, (index, id)) in batch.iter().zip(ids).enumerate() {
                    if let Some(item) = self.items.get_mut(*index) {
                        item.id = Some(id);
                        let warning = warnings.remove(&position);
                        item.differs.extend(warning.map(|text| format!("Odoo warned: {text}")));
                        tables::forget_lines(&mut item.dispatch.content);
                    }
                }
                self.batches.pop();
                self.tries = 0;
                self.step(context)
            }
        }
    }

    /// `load()` said so: the call was rolled back whole.
    fn nothing_kept(&mut self, batch: &[usize]) {
        for index in batch {
            if let Some(item) = self.items.get_mut(*index) {
                item.wrote = false;
            }
        }
    }

    fn apply_without_record(&mut self) {
        for index in self.open().collect::<Vec<_>>() {
            let Some(item) = self.items.get_mut(index) else { continue };
            let Some(id) = item.id else { continue };
            let differs = std::mem::take(&mut item.differs);
            item.outcome = Some(ReceiptOutcome::Applied {
                binding: id.to_string(),
                record: None,
                differs,
                found_by: None,
            });
        }
    }

    fn read_draft(&mut self, body: &[u8]) -> Result<(), CallError> {
        let rows = wire::rows(body)?;
        for index in self.open().collect::<Vec<_>>() {
            let Some(row) = self.row_of(index, &rows)? else {
                self.vanished(index);
                continue;
            };
            let Some(item) = self.items.get_mut(index) else { continue };
            let standing =
                Row::or_lost(compare::draft(&item.dispatch.content, row, &mut item.differs))?;
            item.act = standing == Standing::Ready && !planted("drafts_are_left_as_drafts");
            item.redate =
                item.act || Row::or_lost(compare::confirmed_late(&item.dispatch.content, row))?;
        }
        let ready = |index: &usize| self.items.get(*index).is_some_and(|item| item.act);
        let ready: Vec<usize> = self.open().filter(ready).collect();
        // Nothing to do: what was read is already how things end.
        self.batches = if ready.is_empty() { Vec::new() } else { vec![ready] };
        self.at = At::Act;
        Ok(())
    }

    fn row_of<'a>(&self, index: usize, rows: &'a [Row]) -> Result<Option<&'a Row>, CallError> {
        let id = self.items.get(index).and_then(|item| item.id);
        for row in rows {
            if Some(Row::or_lost(row.id())?) == id {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Odoo gave an id and does not show the record: another company's, or deleted just now.
    fn vanished(&mut self, index: usize) {
        let error =
            outcome::refused("missing_record", "the record is not there, or not in this company");
        if self.kind == CommandKind::Cancellation {
            self.refuse(index, error);
        } else {
            self.settle(index, ReceiptOutcome::Unknown { error });
        }
    }

    fn read_final(&mut self, body: &[u8]) -> Result<(), CallError> {
        let rows = wire::rows(body)?;
        let model = target(self.kind).model;
        for index in self.open().collect::<Vec<_>>() {
            let Some(row) = self.row_of(index, &rows)? else {
                self.vanished(index);
                continue;
            };
            let mut record = Row::or_lost(decode::record(model, row))?;
            let Some(item) = self.items.get_mut(index) else { continue };
            record.effect_key = Some(item.dispatch.key.clone());
            if let Some(error) = item.refusal.take()
                && !compare::is_done(&item.dispatch.content, &record.state)
            {
                item.outcome = Some(ReceiptOutcome::Refused { error });
                let left = format!("{} is left `{}`", record.id, record.state);
                self.left.push((index, left));
                continue;
            }
            record.opened = item.booked_on.filter(|day| Some(*day) != item.dispatch.content.date());
            compare::end(&item.dispatch.content, &record, &mut item.differs);
            let binding = item.id.unwrap_or_default().to_string();
            let differs = std::mem::take(&mut item.differs);
            let applied = ReceiptOutcome::Applied {
                binding,
                record: Some(Box::new(record)),
                differs,
                found_by: None,
            };
            if model == decode::ORDER {
                item.outcome = Some(applied);
            } else {
                self.found.applied.insert(index, applied);
            }
        }
        self.at = if model == decode::ORDER { At::End } else { At::ReadLines };
        Ok(())
    }

    fn read_lines(&mut self, body: &[u8]) -> Result<(), CallError> {
        let rows = wire::rows(body)?;
        let payment = self.kind == CommandKind::Payment;
        let below = if payment { "origin_payment_id" } else { "move_id" };
        for (index, applied) in std::mem::take(&mut self.found.applied) {
            let ReceiptOutcome::Applied { binding, record: Some(mut record), differs, .. } =
                applied
            else {
                continue;
            };
            let mut own = Vec::new();
            for row in &rows {
                let of = Row::or_lost(row.reference_id(below))?;
                if of.to_string() == binding {
                    own.push(row);
                }
            }
            if payment {
                if let Some(entry) = own.first() {
                    record.date = Row::or_lost(entry.date("date"))?;
                }
            } else {
                record.taxes = Row::or_lost(decode::taxes(&own, &record))?;
            }
            let applied =
                ReceiptOutcome::Applied { binding, record: Some(record), differs, found_by: None };
            self.settle(index, applied);
        }
        self.at = At::End;
        Ok(())
    }

    /// A call that did not do its work.
    fn failed(mut self, context: &Context<'_>, error: CallError) -> Step {
        let batch = self.batches.last().cloned().unwrap_or_default();
        if self.at == At::Load && !matches!(error, CallError::ReplyLost { .. }) {
            self.nothing_kept(&batch);
        }
        let patient = matches!(error, CallError::Busy { .. });
        if patient && self.tries < BUSY_TRIES {
            self.tries += 1;
            self.waiting = true;
            let for_ms = pause_ms(self.tries);
            return Step::Wait { for_ms, state: State::of(&Talk::Deliver(Box::new(self))) };
        }
        let refused = matches!(error, CallError::Refused { .. });
        match self.at {
            At::Load | At::Act if refused && !batch.is_empty() => {
                self.take_apart(context, &batch, error)
            }
            _ => self.give_up(error),
        }
    }

    fn take_apart(mut self, context: &Context<'_>, batch: &[usize], error: CallError) -> Step {
        if let Some(only) = halve(&mut self.batches, batch) {
            match (self.at, self.items.get_mut(only)) {
                (At::Act, Some(item)) => item.refusal = Some(error),
                _ => self.refuse(only, error),
            }
        }
        self.step(context)
    }

    fn give_up(mut self, error: CallError) -> Step {
        // That we may not is an answer to each of them: nothing is unknown.
        let denied = matches!(error, CallError::Denied { .. });
        if !denied && self.items.iter().all(|item| !item.wrote && item.outcome.is_none()) {
            return Step::Failed(sure(error));
        }
        for item in self.items.iter_mut().filter(|item| item.outcome.is_none()) {
            item.outcome = Some(cut_short(item.wrote || item.unknown, error.clone()));
        }
        self.finish()
    }

    fn finish(self) -> Step {
        let receipts = self.items.into_iter().map(|item| {
            let unknown =
                || ReceiptOutcome::Unknown { error: wire::unexpected("the chain ended early") };
            receipt(&item.dispatch.key, item.outcome.unwrap_or_else(unknown))
        });
        Step::Done(Outcome { receipts: receipts.collect(), ..Outcome::default() })
    }
}

enum Ready {
    Read(trueup_connect::Request),
    Write(trueup_connect::Request),
    End,
}

/// References of the mapping are ids; anything else would reach Odoo as text it may interpret.
fn check(dispatch: &Dispatch) -> Result<(), CallError> {
    tables::references(&dispatch.content).try_for_each(|text| request::id(text).map(drop))?;
    tables::customer(dispatch).map(drop)
}

/// A contact that is not there any more, because somebody merged or deleted it, can be found or made
/// anew; any other record that is missing is for a person.
fn about_customer(dispatch: &Dispatch, error: CallError) -> CallError {
    let CallError::Refused { reason_code, reason } = &error else { return error };
    let of = |role: &&str| dispatch.bindings.get(*role);
    let quoted = |id: &String| reason.contains(&format!("'{id}'"));
    if reason_code == "missing_record" && ["customer", "delivery"].iter().filter_map(of).any(quoted)
    {
        return outcome::refused(conversation::MISSING_CUSTOMER, reason);
    }
    error
}

fn left_as_it_was(error: CallError, left: &str) -> CallError {
    match error {
        CallError::Refused { reason_code, reason } => {
            CallError::Refused { reason_code, reason: format!("{reason} ({left})") }
        }
        other => other,
    }
}
