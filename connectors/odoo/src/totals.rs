//! What the books state themselves: grouped sums of our posted invoices and credit notes.
//!
//! | stream          | sums                          | by company, currency and            | for            |
//! |-----------------|-------------------------------|-------------------------------------|----------------|
//! | `totals`        | `account.move`, its total     | move type                           | the bridges    |
//! | `totals_by_day` | `account.move`, its total     | move type and accounting day        | sales reports  |
//! | `tax_totals`    | `account.move.line`, tax lines | tax and month                       | tax reports    |
//! | `entry_totals`  | `account.move.line` of entries that sum up sales: orders, refunds | what it is of | the bridges |
//! | `entry_totals_by_day` | the same                | and accounting day                  | sales reports  |
//! | `account_totals`  | `account.move.line` of the accounts between sale and bank on which we post | account, month, and whether we made it | clearing |
//!
//! A bridge compares them with what the channel states (`DESIGN.md` §9.9), so they are asked of Odoo
//! and never added up from what we know. A group that has gone, because its last document was deleted
//! or moved to another day, is stated as zero: Odoo leaves it out, and its old sum would stay in
//! force. Sums of days and months are asked for the last [`WINDOW_DAYS`]; older ones stay as they
//! were stated last. Those of accounts are asked from the beginning: together they are a balance.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trueup_connect::conversation::{Context, Outcome, Record, Reply, State, Step};
use trueup_connect::json::NumberText;
use trueup_connect::{CallError, DecodeError};
use trueup_domain::command::CommandKind;
use trueup_domain::derive::summary::{ORDERS, REFUNDS};
use trueup_domain::document::{BooksRecord, Version};
use trueup_domain::money::Currency;

use crate::decode::MOVE;
use crate::wire;
use crate::{Talk, outcome, request, settings};

/// The kind of the record; the moment at which the sum was read follows it.
pub const KIND: &str = "books_totals?at=";
const LINE: &str = "account.move.line";
/// Follows the moment where a sum is of what others made.
const BY_OTHERS: &str = "&by=others";
/// Follows the account then.
const OTHERS: &str = ":others";
/// Where money stands between a sale and the bank, or is owed; the receivable is told by its documents.
const ACCOUNT_TYPES: [&str; 4] =
    ["asset_cash", "asset_current", "asset_prepayments", "liability_current"];
/// So far back sums of days and months are asked: a year and the month that closes after it.
const WINDOW_DAYS: i64 = 400;

/// Which sums are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sums {
    #[default]
    Totals,
    ByDay,
    Taxes,
    Entries,
    EntriesByDay,
    Accounts,
}

impl Sums {
    pub const ALL: [Self; 6] =
        [Self::Totals, Self::ByDay, Self::Taxes, Self::Entries, Self::EntriesByDay, Self::Accounts];

    /// The stream.
    pub const fn stream(self) -> &'static str {
        match self {
            Self::Totals => "totals",
            Self::ByDay => "totals_by_day",
            Self::Taxes => "tax_totals",
            Self::Entries => "entry_totals",
            Self::EntriesByDay => "entry_totals_by_day",
            Self::Accounts => "account_totals",
        }
    }

    /// The kind of the records that it states: those of entries stand beside those of documents.
    const fn states(self) -> &'static str {
        match self {
            Self::Entries => Self::Totals.stream(),
            Self::EntriesByDay => Self::ByDay.stream(),
            own => own.stream(),
        }
    }

    const fn model(self) -> &'static str {
        match self {
            Self::Totals | Self::ByDay => MOVE,
            Self::Taxes | Self::Entries | Self::EntriesByDay | Self::Accounts => LINE,
        }
    }

    /// What tells groups apart, beside company and currency.
    const fn group(self) -> &'static str {
        match self {
            Self::Totals | Self::ByDay => "move_type",
            Self::Taxes => "tax_line_id",
            Self::Entries | Self::EntriesByDay => "name",
            Self::Accounts => "account_id",
        }
    }

    /// How dates are gathered.
    const fn dates(self) -> Option<&'static str> {
        match self {
            Self::Totals | Self::Entries => None,
            Self::ByDay | Self::EntriesByDay => Some("date:day"),
            Self::Taxes | Self::Accounts => Some("date:month"),
        }
    }

    const fn sum(self) -> &'static str {
        match self {
            Self::Totals | Self::ByDay => "amount_total:sum",
            Self::Taxes | Self::Entries | Self::EntriesByDay | Self::Accounts => {
                "amount_currency:sum"
            }
        }
    }

    fn domain(self, user: i64, from: Date) -> Value {
        let types = json!(["out_invoice", "out_refund"]);
        let from = from.to_string();
        match self {
            Self::Totals => json!([
                ["create_uid", "=", user],
                ["state", "=", "posted"],
                ["move_type", "in", types],
            ]),
            Self::ByDay => json!([
                ["create_uid", "=", user],
                ["state", "=", "posted"],
                ["move_type", "in", types],
                ["date", ">=", from],
            ]),
            Self::Taxes => json!([
                ["move_id.create_uid", "=", user],
                ["parent_state", "=", "posted"],
                ["move_id.move_type", "in", ["out_invoice", "out_refund", "entry"]],
                ["tax_line_id", "!=", false],
                ["date", ">=", from],
            ]),
            Self::Entries | Self::EntriesByDay => {
                // The lines of the receivable, which say what was sold and what was given back.
                let mut domain = vec![
                    json!(["move_id.create_uid", "=", user]),
                    json!(["parent_state", "=", "posted"]),
                    json!(["move_id.move_type", "=", "entry"]),
                    json!(["name", "in", [ORDERS, REFUNDS]]),
                ];
                domain.extend(self.dates().map(|_| json!(["date", ">=", from])));
                Value::Array(domain)
            }
            Self::Accounts => json!([
                ["move_id.create_uid", "=", user],
                ["parent_state", "=", "posted"],
                ["account_id.account_type", "in", ACCOUNT_TYPES],
            ]),
        }
    }
}

/// Asks who we are, then for the sums of what we made.
#[derive(Serialize, Deserialize)]
pub struct Summing {
    #[serde(default)]
    sums: Sums,
    companies: Vec<i64>,
    user: Option<i64>,
    /// Of accounts: those on which we post, once our own sums are read; then those of others are.
    #[serde(default)]
    accounts: Option<BTreeSet<i64>>,
    /// What has been read so far.
    #[serde(default)]
    read: Vec<Sum>,
    /// The groups that were ever stated and are still asked for:
    /// `company/currency's id/currency/move type, tax or account`, and `/date` where there are dates.
    #[serde(default)]
    stated: BTreeSet<String>,
}

/// A record to be handed on, as it waits for the rest.
#[derive(Clone, Serialize, Deserialize)]
struct Sum {
    kind: String,
    external_id: String,
    body: String,
}

/// The sums of a stream of this module. `cursor` lists the groups that earlier polls stated.
pub fn poll(context: &Context<'_>, stream: &str, cursor: Option<&str>) -> Option<Step> {
    let sums = Sums::ALL.into_iter().find(|sums| sums.stream() == stream)?;
    let listed = context.settings.get(settings::COMPANIES).unwrap_or("1");
    let companies = listed.split(',').filter_map(|id| request::id(id.trim()).ok()).collect();
    let stated = cursor.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    Some(
        Summing { sums, companies, user: None, accounts: None, read: Vec::new(), stated }
            .step(context),
    )
}

/// The first day that is asked for: a month is asked whole.
fn window(context: &Context<'_>) -> Date {
    let today = context.now.to_zoned(jiff::tz::TimeZone::UTC).date();
    today.saturating_sub(WINDOW_DAYS.days()).first_of_month()
}

impl Summing {
    fn domain(&self, user: i64, from: Date) -> Value {
        match &self.accounts {
            None => self.sums.domain(user, from),
            Some(accounts) => json!([
                ["move_id.create_uid", "!=", user],
                ["parent_state", "=", "posted"],
                ["account_id", "in", accounts],
            ]),
        }
    }

    fn step(self, context: &Context<'_>) -> Step {
        let first = self.companies.first().copied().unwrap_or(1);
        let more = [("allowed_company_ids", json!(self.companies))];
        let (model, method, arguments) = match self.user {
            None => ("res.users", "context_get", json!({})),
            Some(user) => {
                let mut by = vec!["company_id", "currency_id", self.sums.group()];
                by.extend(self.sums.dates());
                (
                    self.sums.model(),
                    "formatted_read_group",
                    json!({
                        "domain": self.domain(user, window(context)),
                        "groupby": by,
                        "aggregates": [self.sums.sum()],
                    }),
                )
            }
        };
        let request = request::call(context.settings, first, model, method, arguments, &more);
        Step::Send { request, writes: false, state: State::of(&Talk::Totals(self)) }
    }
}

pub fn resume(
    context: &Context<'_>,
    mut summing: Summing,
    reply: Result<&Reply, CallError>,
) -> Step {
    match outcome::read(reply, false).and_then(|body| take(context, body, &mut summing)) {
        Ok(false) => summing.step(context),
        Ok(true) => {
            let groups: Vec<String> = summing.stated.into_iter().collect();
            let cursor = Some(groups.join(" ")).filter(|groups| !groups.is_empty());
            let records = summing.read.into_iter().map(|sum| Record {
                kind: sum.kind,
                external_id: sum.external_id,
                body: sum.body.into_bytes(),
            });
            Step::Done(Outcome { records: records.collect(), cursor, ..Outcome::default() })
        }
        // A read changes nothing, so it is simply asked again.
        Err(CallError::ReplyLost { why }) => Step::Failed(CallError::Unreachable { why }),
        Err(error) => Step::Failed(error),
    }
}

/// Takes in one answer; whether it was the last.
fn take(context: &Context<'_>, body: &[u8], summing: &mut Summing) -> Result<bool, CallError> {
    if summing.user.is_none() {
        summing.user = Some(crate::read::who(body)?);
        return Ok(false);
    }
    let unreadable = |error: serde_json::Error| wire::unexpected(&error.to_string());
    let rows: Vec<&RawValue> = serde_json::from_slice(body).map_err(unreadable)?;
    let others = if summing.accounts.is_some() { OTHERS } else { "" };
    let mut accounts = BTreeSet::new();
    for row in rows {
        let group: Group = serde_json::from_str(row.get()).map_err(unreadable)?;
        let word = group.word().ok_or_else(|| wire::unexpected("a group without its name"))?;
        accounts.extend(group.account_id.as_ref().map(|(account, _)| *account));
        let name = Name {
            company: group.company_id.0,
            currency_id: group.currency_id.0,
            currency: &group.currency_id.1,
            word: &format!("{word}{others}"),
            date: group.date.as_ref().map(|(day, _)| day.as_str()),
        };
        summing.read.push(name.sum(context, summing.sums, row.get().to_owned()));
        summing.stated.insert(name.written());
    }
    if summing.sums == Sums::Accounts && summing.accounts.is_none() && !accounts.is_empty() {
        summing.accounts = Some(accounts);
        return Ok(false);
    }
    state_what_has_gone(context, summing);
    Ok(true)
}

/// A record of zero for each group that Odoo stated before and does not any more.
fn state_what_has_gone(context: &Context<'_>, summing: &mut Summing) {
    let sums = summing.sums;
    let read: BTreeSet<&str> = summing.read.iter().map(|sum| sum.external_id.as_str()).collect();
    let from = window(context).to_string();
    let mut gone = Vec::new();
    for written in &summing.stated {
        let Some(name) = Name::read(written) else { continue };
        // What is older than what was asked stays as it was stated.
        let is_older = name.date.is_some_and(|day| *day < *from) && sums != Sums::Accounts;
        if is_older || read.contains(name.external_id(sums).as_str()) {
            continue;
        }
        let mut body = json!({
            "company_id": [name.company, ""],
            "currency_id": [name.currency_id, name.currency],
            sums.sum(): 0,
        });
        if let Some(body) = body.as_object_mut() {
            let word = name.word.trim_end_matches(OTHERS);
            let word = match (sums, word.parse::<i64>()) {
                (Sums::Taxes | Sums::Accounts, Ok(id)) => json!([id, ""]),
                _ => json!(word),
            };
            body.insert(sums.group().to_owned(), word);
            if let Some((by, day)) = sums.dates().zip(name.date) {
                body.insert(by.to_owned(), json!([day, ""]));
            }
        }
        gone.push(name.sum(context, sums, body.to_string()));
    }
    summing.read.extend(gone);
}

/// What a group is called in the cursor.
struct Name<'a> {
    company: i64,
    currency_id: i64,
    currency: &'a str,
    word: &'a str,
    date: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn read(written: &'a str) -> Option<Self> {
        let mut parts = written.split('/');
        Some(Self {
            company: parts.next()?.parse().ok()?,
            currency_id: parts.next()?.parse().ok()?,
            currency: parts.next()?,
            word: parts.next()?,
            date: parts.next(),
        })
    }

    fn written(&self) -> String {
        let Self { company, currency_id, currency, word, .. } = self;
        let date = self.date.map(|day| format!("/{day}")).unwrap_or_default();
        format!("{company}/{currency_id}/{currency}/{word}{date}")
    }

    fn sum(&self, context: &Context<'_>, sums: Sums, body: String) -> Sum {
        let by = if self.word.ends_with(OTHERS) { BY_OTHERS } else { "" };
        let kind = format!("{KIND}{}{by}", context.now.as_microsecond());
        Sum { kind, external_id: self.external_id(sums), body }
    }

    fn external_id(&self, sums: Sums) -> String {
        let Self { company, currency, word, .. } = self;
        let start = match sums {
            Sums::Totals => String::new(),
            _ => format!("{}/", sums.stream()),
        };
        let date = self.date.map(|day| format!("/{day}")).unwrap_or_default();
        format!("{start}{company}/{currency}/{word}{date}")
    }
}

#[derive(Deserialize)]
struct Group {
    company_id: (i64, String),
    currency_id: (i64, String),
    #[serde(default)]
    move_type: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    tax_line_id: Option<(i64, String)>,
    #[serde(default)]
    account_id: Option<(i64, String)>,
    /// The first day, and how Odoo calls them.
    #[serde(default, rename = "date:day", alias = "date:month")]
    date: Option<(String, String)>,
    #[serde(rename = "amount_total:sum", alias = "amount_currency:sum")]
    sum: NumberText,
}

impl Group {
    /// The move type, the name of a line, the tax, or the account.
    fn word(&self) -> Option<String> {
        let of = self.tax_line_id.as_ref().or(self.account_id.as_ref());
        self.move_type.clone().or(self.name.clone()).or(of.map(|(id, _)| id.to_string()))
    }
}

/// A sum as a statement of the books; `at` is the moment in the record's kind.
pub fn decode(at: &str, body: &[u8]) -> Result<BooksRecord, DecodeError> {
    let group: Group = trueup_connect::json::read(body)?;
    let (at, others) = match at.strip_suffix(BY_OTHERS) {
        Some(at) => (at, OTHERS),
        None => (at, ""),
    };
    let at: i64 = at.parse().map_err(|_| DecodeError::field("at"))?;
    let currency = Currency::parse(&group.currency_id.1)
        .map_err(|source| DecodeError::amount("currency_id", source))?;
    let company = group.company_id.0;
    let date = match &group.date {
        None => None,
        Some((day, _)) => Some(day.parse::<Date>().map_err(|_| DecodeError::field("date"))?),
    };
    let (sums, word, total) = match (&group.move_type, &group.tax_line_id, &group.account_id) {
        (Some(word), ..) => {
            let word = match word.as_str() {
                "out_invoice" => CommandKind::Invoice.word(),
                "out_refund" => CommandKind::CreditNote.word(),
                other => return Err(DecodeError::unknown("move_type", other)),
            };
            let sums = if date.is_some() { Sums::ByDay } else { Sums::Totals };
            (sums, word.to_owned(), group.sum.money("amount_total:sum", currency)?)
        }
        (None, Some((tax, _)), _) => {
            // Tax that we owe is a credit.
            let credit = group.sum.money("amount_currency:sum", currency)?;
            let owed = credit
                .checked_neg()
                .map_err(|source| DecodeError::amount("amount_currency:sum", source))?;
            (Sums::Taxes, tax.to_string(), owed)
        }
        (None, None, Some((account, _))) => {
            // A balance: debits less credits.
            let sum = group.sum.money("amount_currency:sum", currency)?;
            (Sums::Accounts, format!("{account}{others}"), sum)
        }
        (None, None, None) => {
            // Of an order a debit, of a refund a credit.
            let word = match group.name.as_deref() {
                Some(name @ (ORDERS | REFUNDS)) => format!("summed_{name}"),
                Some(other) => return Err(DecodeError::unknown("name", other)),
                None => return Err(DecodeError::field("move_type")),
            };
            let sums = if date.is_some() { Sums::EntriesByDay } else { Sums::Entries };
            (sums, word, group.sum.money("amount_currency:sum", currency)?)
        }
    };
    let day = date.map(|day| format!("/{day}")).unwrap_or_default();
    let id = format!("{}/{company}/{currency}/{word}{day}", sums.states());
    let stated = BooksRecord::stated(sums.states(), id, total, Version(at));
    let name = group.tax_line_id.or(group.account_id);
    let name = name.map(|(_, name)| name).filter(|name| !name.is_empty());
    Ok(BooksRecord { company: company.to_string(), date, name, ..stated })
}
