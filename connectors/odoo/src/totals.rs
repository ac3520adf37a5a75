//! What the books state themselves: one grouped sum of our posted invoices and credit notes.
//!
//! The variance bridge compares it with the channel's own total (`DESIGN.md` §9.9), so it is asked
//! of Odoo and never added up from what we know. A group that has gone, because its last document
//! was deleted, is stated as zero: Odoo leaves it out, and its old sum would stay in force.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use trueup_connect::conversation::{Context, Outcome, Record, Reply, State, Step};
use trueup_connect::json::NumberText;
use trueup_connect::{CallError, DecodeError};
use trueup_domain::command::CommandKind;
use trueup_domain::document::{BooksRecord, Version};
use trueup_domain::money::Currency;

use crate::decode::MOVE;
use crate::wire;
use crate::{Talk, outcome, request, settings};

pub const STREAM: &str = "totals";
/// The kind of the record; the moment at which the sum was read follows it.
pub const KIND: &str = "books_totals?at=";
const SUM: &str = "amount_total:sum";

/// Asks who we are, then for the sums of what we made.
#[derive(Serialize, Deserialize)]
pub struct Summing {
    companies: Vec<i64>,
    user: Option<i64>,
    /// The groups that were ever stated: `company/currency's id/currency/move type`.
    #[serde(default)]
    stated: BTreeSet<String>,
}

/// `cursor` lists the groups that earlier polls stated.
pub fn poll(context: &Context<'_>, cursor: Option<&str>) -> Step {
    let listed = context.settings.get(settings::COMPANIES).unwrap_or("1");
    let companies = listed.split(',').filter_map(|id| request::id(id.trim()).ok()).collect();
    let stated = cursor.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    Summing { companies, user: None, stated }.step(context)
}

impl Summing {
    fn step(self, context: &Context<'_>) -> Step {
        let first = self.companies.first().copied().unwrap_or(1);
        let more = [("allowed_company_ids", json!(self.companies))];
        let (model, method, arguments) = match self.user {
            None => ("res.users", "context_get", json!({})),
            Some(user) => (
                MOVE,
                "formatted_read_group",
                json!({
                    "domain": [
                        ["create_uid", "=", user],
                        ["state", "=", "posted"],
                        ["move_type", "in", ["out_invoice", "out_refund"]],
                    ],
                    "groupby": ["company_id", "currency_id", "move_type"],
                    "aggregates": [SUM],
                }),
            ),
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
    let taken = outcome::read(reply, false).and_then(|body| {
        if summing.user.is_none() {
            summing.user = Some(crate::read::who(body)?);
            return Ok(None);
        }
        records(context, body, &mut summing.stated).map(Some)
    });
    match taken {
        Ok(None) => summing.step(context),
        Ok(Some(records)) => {
            let groups: Vec<String> = summing.stated.into_iter().collect();
            let cursor = Some(groups.join(" ")).filter(|groups| !groups.is_empty());
            Step::Done(Outcome { records, cursor, receipts: Vec::new() })
        }
        // A read changes nothing, so it is simply asked again.
        Err(CallError::ReplyLost { why }) => Step::Failed(CallError::Unreachable { why }),
        Err(error) => Step::Failed(error),
    }
}

/// A record for each group that Odoo states, and one of zero for each that it no longer does.
fn records(
    context: &Context<'_>,
    body: &[u8],
    stated: &mut BTreeSet<String>,
) -> Result<Vec<Record>, CallError> {
    let unreadable = |error: serde_json::Error| wire::unexpected(&error.to_string());
    let rows: Vec<&RawValue> = serde_json::from_slice(body).map_err(unreadable)?;
    let kind = format!("{KIND}{}", context.now.as_microsecond());
    let mut gone = std::mem::take(stated);
    let mut records = Vec::new();
    for row in rows {
        let group: Group = serde_json::from_str(row.get()).map_err(unreadable)?;
        let (company, (id, currency)) = (group.company_id.0, &group.currency_id);
        let name = format!("{company}/{id}/{currency}/{}", group.move_type);
        gone.remove(&name);
        stated.insert(name);
        records.push(Record {
            kind: kind.clone(),
            external_id: format!("{company}/{currency}/{}", group.move_type),
            body: row.get().as_bytes().to_vec(),
        });
    }
    for name in gone {
        let parts: Vec<&str> = name.split('/').collect();
        let [company, id, currency, move_type] = parts.as_slice() else { continue };
        let (Ok(company), Ok(id)) = (company.parse::<i64>(), id.parse::<i64>()) else { continue };
        let body = json!({
            "company_id": [company, ""],
            "currency_id": [id, currency],
            "move_type": move_type,
            SUM: 0,
        });
        records.push(Record {
            kind: kind.clone(),
            external_id: format!("{company}/{currency}/{move_type}"),
            body: body.to_string().into_bytes(),
        });
        stated.insert(name);
    }
    Ok(records)
}

#[derive(Deserialize)]
struct Group {
    company_id: (i64, String),
    currency_id: (i64, String),
    move_type: String,
    #[serde(rename = "amount_total:sum")]
    sum: NumberText,
}

/// A sum as a statement of the books; `at` is the moment in the record's kind.
pub fn decode(at: &str, body: &[u8]) -> Result<BooksRecord, DecodeError> {
    let group: Group = trueup_connect::json::read(body)?;
    let at: i64 = at.parse().map_err(|_| DecodeError::field("at"))?;
    let currency = Currency::parse(&group.currency_id.1)
        .map_err(|source| DecodeError::amount("currency_id", source))?;
    let word = match group.move_type.as_str() {
        "out_invoice" => CommandKind::Invoice.word(),
        "out_refund" => CommandKind::CreditNote.word(),
        other => return Err(DecodeError::unknown("move_type", other)),
    };
    let company = group.company_id.0;
    let total = group.sum.money("amount_total:sum", currency)?;
    let id = format!("totals/{company}/{currency}/{word}");
    let stated = BooksRecord::stated(STREAM, id, total, Version(at));
    Ok(BooksRecord { company: company.to_string(), ..stated })
}
