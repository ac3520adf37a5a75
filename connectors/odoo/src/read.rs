//! Reading records whole, and polling for what changed or went.
//!
//! `write_date` is when the writing transaction *began*, so a slow call commits rows older than a
//! cursor that has already passed. Every poll reaches back over the longest call Odoo allows, and
//! takes its time from Odoo's own rows: two clocks never meet. Deleted records leave no trace; a
//! census of our ids finds them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trueup_connect::conversation::{Context, Outcome, Record, Reply, State, Step, Stream};
use trueup_connect::{CallError, Hint, Request};

use crate::Talk;
use crate::decode::{
    self, BANK_LINE, BANK_LINE_MODEL, BOOKS_RECORD, MOVE, ORDER, PAYMENT, fields_of,
};
use crate::outcome;
use crate::request;
use crate::settings;
use crate::totals::Sums;
use crate::wire::{self, Row};

/// Odoo kills a call after 120 s (`limit_time_real`); its own clock may be set in between.
const OVERLAP: SignedDuration = SignedDuration::from_secs(150);
const PAGE: usize = 500;
const CENSUS_PAGE: usize = 5_000;

pub static STREAMS: &[Stream] = &[
    Stream {
        name: "books",
        help: "Our records that somebody or we ourselves changed",
        every_s: 60,
        needs: None,
    },
    Stream {
        name: "books_census",
        help: "Our records that are no longer there",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: Sums::Totals.stream(),
        help: "The sums of our invoices and credit notes, as Odoo adds them up itself",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: Sums::ByDay.stream(),
        help: "The same sums of each day, for the sales report",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: Sums::Taxes.stream(),
        help: "The sums of our tax lines by tax and month, for the tax report",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: Sums::Entries.stream(),
        help: "The sums of orders and refunds in our entries of days, for the bridges",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: Sums::EntriesByDay.stream(),
        help: "The same sums of each day, for the sales report",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: Sums::Accounts.stream(),
        help: "What the accounts between sale and bank on which we post hold, by month",
        every_s: 3_600,
        needs: None,
    },
    Stream {
        name: "bank_lines",
        help: "Bank statement lines of the journals that are declared as their source",
        every_s: 300,
        needs: None,
    },
];

/// A read or poll under way.
#[derive(Serialize, Deserialize)]
pub struct Reading {
    companies: Vec<i64>,
    /// The journals whose statement lines are read (`POSTING.md` P2).
    bank_journals: Vec<i64>,
    what: What,
    /// Who we are: the user that made our records.
    user: Option<i64>,
    models: Vec<String>,
    /// Position in `models`.
    model: usize,
    /// The last id of the page before.
    after: i64,
    /// Rows of moves whose lines are still to be read.
    moves: Vec<String>,
    records: Vec<Record>,
    newest: Option<String>,
    census: Census,
    /// Odoo's own time at its last answer: its clock, not ours, dates what it writes.
    #[serde(default)]
    clock: Option<Timestamp>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Objects { ids: BTreeMap<String, Vec<i64>> },
    Changed { since: String },
    Census { before: Census },
}

/// Ids of ours by model, as ranges: `1-50,52`.
type Census = BTreeMap<String, String>;

pub fn poll(context: &Context<'_>, stream: &str, cursor: Option<&str>, since: Timestamp) -> Step {
    let moment = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    if let Some(step) = crate::totals::poll(context, stream, cursor) {
        return step;
    }
    if stream == "bank_lines" && ids_of(context, settings::BANK_JOURNALS).is_empty() {
        // Another source feeds the bank side: lines read here, too, would be there twice.
        return Step::Done(Outcome { cursor: cursor.map(str::to_owned), ..Outcome::default() });
    }
    let (what, models): (What, &[&str]) = match stream {
        "books" | "bank_lines" => {
            let from = cursor.map_or_else(|| moment(since), |cursor| back(cursor, &moment));
            let models: &[&str] =
                if stream == "books" { &[ORDER, MOVE, PAYMENT] } else { &[BANK_LINE_MODEL] };
            (What::Changed { since: from }, models)
        }
        "books_census" => {
            let before = cursor.and_then(|cursor| serde_json::from_str(cursor).ok());
            (What::Census { before: before.unwrap_or_default() }, &[ORDER, MOVE, PAYMENT])
        }
        other => {
            let reason = format!("there is no stream `{other}`");
            let reason_code = "unknown_stream".to_owned();
            return Step::Failed(CallError::Refused { reason_code, reason });
        }
    };
    let newest = cursor.filter(|_| stream != "books_census").map(str::to_owned);
    let models = models.iter().map(|model| (*model).to_owned()).collect();
    Reading::new(context, what, models, newest).step(context)
}

/// The ids that a setting lists, such as `7,12`.
fn ids_of(context: &Context<'_>, setting: &str) -> Vec<i64> {
    let listed = context.settings.get(setting).unwrap_or_default();
    listed.split(',').filter_map(|id| request::id(id.trim()).ok()).collect()
}

/// The overlap before a cursor; a cursor that is no moment is read from the beginning of it.
fn back(cursor: &str, moment: &dyn Fn(Timestamp) -> String) -> String {
    let time: Option<Timestamp> = format!("{}Z", cursor.replacen(' ', "T", 1)).parse().ok();
    let earlier = time.and_then(|time| time.checked_sub(OVERLAP).ok());
    earlier.map_or_else(|| cursor.to_owned(), moment)
}

pub fn objects(context: &Context<'_>, hints: &[Hint]) -> Step {
    let mut ids: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for hint in hints {
        let known = [ORDER, MOVE, PAYMENT, BANK_LINE_MODEL];
        let parts = hint.external_id.rsplit_once('/');
        let found = parts.filter(|(model, _)| known.contains(model));
        let Some((model, Ok(id))) = found.map(|(model, id)| (model, request::id(id))) else {
            let reason = format!("`{}` names no record of Odoo", hint.external_id);
            return Step::Failed(CallError::Refused {
                reason_code: "bad_reference".to_owned(),
                reason,
            });
        };
        ids.entry(model.to_owned()).or_default().push(id);
    }
    let models = ids.keys().cloned().collect();
    Reading::new(context, What::Objects { ids }, models, None).step(context)
}

impl Reading {
    fn new(context: &Context<'_>, what: What, models: Vec<String>, newest: Option<String>) -> Self {
        let companies = match ids_of(context, settings::COMPANIES) {
            none if none.is_empty() => vec![1],
            some => some,
        };
        Self {
            companies,
            bank_journals: ids_of(context, settings::BANK_JOURNALS),
            what,
            user: None,
            models,
            model: 0,
            after: 0,
            moves: Vec::new(),
            records: Vec::new(),
            newest,
            census: Census::new(),
            clock: None,
        }
    }

    /// When something was seen, never before Odoo wrote it, however our clocks differ.
    fn seen_at(&self, context: &Context<'_>) -> Timestamp {
        self.clock.map_or(context.now, |clock| clock.max(context.now))
    }

    fn step(self, context: &Context<'_>) -> Step {
        let Some(model) = self.models.get(self.model).cloned() else {
            return self.finish(context);
        };
        let request = if !self.moves.is_empty() {
            self.lines_request(context)
        } else if self.user.is_none() && model != BANK_LINE_MODEL && !self.by_id() {
            self.call(context, "res.users", "context_get", json!({}))
        } else {
            self.page_request(context, &model)
        };
        Step::Send { request, writes: false, state: State::of(&Talk::Read(Box::new(self))) }
    }

    fn by_id(&self) -> bool {
        matches!(self.what, What::Objects { .. })
    }

    fn call(&self, context: &Context<'_>, model: &str, method: &str, arguments: Value) -> Request {
        let first = self.companies.first().copied().unwrap_or(1);
        let more =
            [("allowed_company_ids", json!(self.companies)), ("active_test", Value::Bool(false))];
        request::call(context.settings, first, model, method, arguments, &more)
    }

    fn page_request(&self, context: &Context<'_>, model: &str) -> Request {
        let ours = self.user.map(|user| json!(["create_uid", "=", user]));
        let (mut domain, fields, limit) = match &self.what {
            What::Objects { ids } => {
                let ids = ids.get(model).cloned().unwrap_or_default();
                (vec![json!(["id", "in", ids])], fields(model), PAGE)
            }
            What::Changed { since } => {
                (vec![json!(["write_date", ">=", since])], fields(model), PAGE)
            }
            What::Census { .. } => (Vec::new(), &["currency_id", "company_id"][..], CENSUS_PAGE),
        };
        match (self.by_id(), model == BANK_LINE_MODEL) {
            (true, _) => {}
            (false, true) => domain.push(json!(["journal_id", "in", self.bank_journals])),
            (false, false) => domain.extend(ours),
        }
        domain.push(json!(["id", ">", self.after]));
        let arguments =
            json!({ "domain": domain, "fields": fields, "order": "id", "limit": limit });
        self.call(context, model, "search_read", arguments)
    }

    fn lines_request(&self, context: &Context<'_>) -> Request {
        let ids = self.moves.iter().filter_map(|text| id_of(text));
        let ids: Vec<i64> = ids.collect();
        let domain = json!([["move_id", "in", ids], ["display_type", "in", ["product", "tax"]]]);
        let arguments = json!({ "domain": domain, "fields": decode::LINE_FIELDS, "order": "id" });
        self.call(context, "account.move.line", "search_read", arguments)
    }

    fn next_model(&mut self) {
        self.model += 1;
        self.after = 0;
    }

    fn take_page(&mut self, context: &Context<'_>, body: &[u8]) -> Result<(), CallError> {
        let Some(model) = self.models.get(self.model).cloned() else { return Ok(()) };
        let rows: Vec<&RawValue> =
            serde_json::from_slice(body).map_err(|error| wire::unexpected(&error.to_string()))?;
        let mut seen = BTreeSet::new();
        for raw in &rows {
            let row: Row = serde_json::from_str(raw.get())
                .map_err(|error| wire::unexpected(&error.to_string()))?;
            let id = Row::or_lost(row.id())?;
            if id <= self.after {
                return Err(wire::unexpected("a page goes backwards"));
            }
            self.after = id;
            seen.insert(id);
            match (&self.what, model.as_str()) {
                (What::Census { .. }, _) => {}
                (_, MOVE) => self.moves.push(raw.get().to_owned()),
                _ => self.records.push(record(&model, id, raw.get(), &[])),
            }
            if let What::Changed { .. } = self.what {
                let written = Row::or_lost(row.word("write_date"))?;
                self.newest = self.newest.take().max(Some(written));
            }
        }
        let limit = match self.what {
            What::Census { .. } => CENSUS_PAGE,
            _ => PAGE,
        };
        if let What::Census { .. } = self.what {
            let known = self.census.entry(model.clone()).or_default();
            let all = ids_in(known).chain(seen.iter().copied());
            *known = ranges(all.collect());
        }
        if let What::Objects { ids } = &self.what {
            let gone = ids.get(&model).into_iter().flatten().filter(|id| !seen.contains(id));
            let gone: Vec<i64> = gone.copied().collect();
            for id in gone {
                let seen = self.seen_at(context);
                self.records.push(gone_record(seen, self.companies.first(), &model, id));
            }
        }
        if rows.len() < limit && self.moves.is_empty() {
            self.next_model();
        }
        Ok(())
    }

    fn take_lines(&mut self, body: &[u8]) -> Result<(), CallError> {
        let rows: Vec<&RawValue> =
            serde_json::from_slice(body).map_err(|error| wire::unexpected(&error.to_string()))?;
        let mut lines: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        for raw in &rows {
            let row: Row = serde_json::from_str(raw.get())
                .map_err(|error| wire::unexpected(&error.to_string()))?;
            lines.entry(Row::or_lost(row.reference_id("move_id"))?).or_default().push(raw.get());
        }
        let moves = std::mem::take(&mut self.moves);
        for text in &moves {
            let Some(id) = id_of(text) else { continue };
            let own = lines.get(&id).map_or(&[][..], Vec::as_slice);
            self.records.push(record(MOVE, id, text, own));
        }
        if moves.len() < PAGE {
            self.next_model();
        }
        Ok(())
    }

    fn finish(mut self, context: &Context<'_>) -> Step {
        let seen = self.seen_at(context);
        let cursor = match &self.what {
            What::Objects { .. } => None,
            What::Changed { since } => Some(self.newest.clone().unwrap_or_else(|| since.clone())),
            What::Census { before } => {
                for (model, known) in before {
                    let now: BTreeSet<i64> =
                        self.census.get(model).map(|now| ids_in(now).collect()).unwrap_or_default();
                    let gone: Vec<i64> = ids_in(known).filter(|id| !now.contains(id)).collect();
                    let first = self.companies.first();
                    let gone = gone.into_iter().map(|id| gone_record(seen, first, model, id));
                    self.records.extend(gone);
                }
                Some(serde_json::to_string(&self.census).unwrap_or_default())
            }
        };
        Step::Done(Outcome { records: self.records, cursor, ..Outcome::default() })
    }
}

pub fn resume(
    context: &Context<'_>,
    mut reading: Reading,
    reply: Result<&Reply, CallError>,
) -> Step {
    let date = reply.as_ref().ok().and_then(|reply| reply.header("date"));
    if let Some(date) = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) {
        reading.clock = Some(date.timestamp());
    }
    let taken = outcome::read(reply, false).and_then(|body| {
        if !reading.moves.is_empty() {
            reading.take_lines(body)
        } else if reading.user.is_none()
            && reading.models.iter().all(|it| it != BANK_LINE_MODEL)
            && !reading.by_id()
        {
            reading.user = Some(who(body)?);
            Ok(())
        } else {
            reading.take_page(context, body)
        }
    });
    match taken {
        Ok(()) => reading.step(context),
        // A read changes nothing, so it is simply asked again.
        Err(CallError::ReplyLost { why }) => Step::Failed(CallError::Unreachable { why }),
        Err(error) => Step::Failed(error),
    }
}

pub fn who(body: &[u8]) -> Result<i64, CallError> {
    #[derive(Deserialize)]
    struct Who {
        uid: i64,
    }
    let who: Result<Who, _> = serde_json::from_slice(body);
    who.map(|who| who.uid).map_err(|error| wire::unexpected(&error.to_string()))
}

fn fields(model: &str) -> &'static [&'static str] {
    if model == BANK_LINE_MODEL { decode::BANK_LINE_FIELDS } else { fields_of(model) }
}

fn id_of(text: &str) -> Option<i64> {
    let row: Row = serde_json::from_str(text).ok()?;
    row.id().ok()
}

/// Wraps Odoo's own bytes with what they do not say: the model.
fn record(model: &str, id: i64, row: &str, lines: &[&str]) -> Record {
    let kind = if model == BANK_LINE_MODEL { BANK_LINE } else { BOOKS_RECORD };
    let lines = lines.join(",");
    let body = format!("{{\"model\":\"{model}\",\"row\":{row},\"lines\":[{lines}]}}");
    Record { kind: kind.to_owned(), external_id: format!("{model}/{id}"), body: body.into_bytes() }
}

/// Nothing is left of a deleted record but our knowledge of it.
fn gone_record(seen: Timestamp, company: Option<&i64>, model: &str, id: i64) -> Record {
    let company = company.map(i64::to_string).unwrap_or_default();
    let gone = json!({ "id": id, "company": company, "currency": "XXX", "seen": seen.to_string() });
    let body = json!({ "model": model, "gone": gone });
    Record {
        kind: BOOKS_RECORD.to_owned(),
        external_id: format!("{model}/{id}"),
        body: body.to_string().into_bytes(),
    }
}

/// `1-3,7` for 1, 2, 3 and 7.
fn ranges(ids: BTreeSet<i64>) -> String {
    let mut text = String::new();
    let mut run: Option<(i64, i64)> = None;
    let mut close = |run: Option<(i64, i64)>| {
        if let Some((from, to)) = run {
            let comma = if text.is_empty() { "" } else { "," };
            let part = if from == to { from.to_string() } else { format!("{from}-{to}") };
            text.push_str(comma);
            text.push_str(&part);
        }
    };
    for id in ids {
        run = match run {
            Some((from, to)) if to + 1 == id => Some((from, id)),
            other => {
                close(other);
                Some((id, id))
            }
        };
    }
    close(run);
    text
}

fn ids_in(ranges: &str) -> impl Iterator<Item = i64> {
    let bounds = ranges.split(',').filter_map(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some((from.parse::<i64>().ok()?, to.parse::<i64>().ok()?))
    });
    bounds.flat_map(|(from, to)| from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_as_ranges() {
        let ids = BTreeSet::from([1, 2, 3, 7, 9, 10]);
        assert_eq!(ranges(ids.clone()), "1-3,7,9-10");
        assert_eq!(ids_in("1-3,7,9-10").collect::<BTreeSet<i64>>(), ids);
        assert_eq!(ranges(BTreeSet::new()), "");
        assert_eq!(ids_in("").count() + ids_in("a-b").count(), 0);
    }

    #[test]
    fn a_poll_reaches_back_over_the_longest_call() {
        let moment = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        assert_eq!(back("2026-11-21 09:42:03", &moment), "2026-11-21 09:39:33");
        assert_eq!(back("nonsense", &moment), "nonsense");
    }
}
