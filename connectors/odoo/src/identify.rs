//! Whether the Odoo behind a connection is the one that is meant, and still has what we need.
//!
//! The database that is pinned is asked for each time; the fields that we send and read are looked
//! at when Odoo states another version than before, and when the hub wants to know again. What was
//! made last is asked for last, so that the answer is as fresh as can be: a backup may take the place
//! of the database at any moment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_connect::conversation::{Context, Identity, Outcome, Reply, State, Step};
use trueup_connect::{CallError, Request};

use crate::decode::{LINE_FIELDS, MOVE, MOVE_FIELDS, ORDER, ORDER_FIELDS, PAYMENT, PAYMENT_FIELDS};
use crate::settings::{COMPANIES, FINGERPRINT};
use crate::{Talk, deliver, outcome, request, setup};

/// The version whose models and JSON-2 this connector speaks.
const SERIES: &str = "19.";

/// An identification under way.
#[derive(Serialize, Deserialize)]
pub struct Identifying {
    known: Option<String>,
    at: At,
    version: String,
    lacks: Vec<String>,
    /// Records that were made last, by model.
    asked: Vec<(String, Asked)>,
    missing: Vec<String>,
}

/// Records of one model, and the companies whose they are.
#[derive(Serialize, Deserialize)]
struct Asked {
    companies: Vec<i64>,
    ids: Vec<i64>,
}

impl Asked {
    fn add(&mut self, company: i64, id: i64) {
        self.ids.push(id);
        if !self.companies.contains(&company) {
            self.companies.push(company);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Database,
    Version,
    /// The fields of a model, by its place in [`needed`].
    Fields(usize),
    /// The records of a model that were made last, by its place in `asked`.
    Made(usize),
}

/// Whether this connector speaks the version that an Odoo states, such as `19.0` or `saas~19.1`.
pub fn speaks(version: &str) -> bool {
    version.trim_start_matches("saas~").starts_with(SERIES)
}

/// The fields that every delivery and every poll uses, by model. What only some entities use (goods,
/// price lists, warehouses) is not among them.
pub fn needed() -> Vec<(&'static str, BTreeSet<&'static str>)> {
    let mut needed = deliver::columns();
    let read = [
        (ORDER, ORDER_FIELDS),
        (MOVE, MOVE_FIELDS),
        (PAYMENT, PAYMENT_FIELDS),
        ("account.move.line", LINE_FIELDS),
    ];
    for (model, fields) in read {
        needed.entry(model).or_default().extend(fields);
    }
    needed.into_iter().collect()
}

pub fn start(context: &Context<'_>, known: Option<&str>, made: &[(String, String)]) -> Step {
    let pinned = context.settings.get(FINGERPRINT).is_some();
    let mut asked: Vec<(String, Asked)> = Vec::new();
    for (company, record) in made {
        let parts = record.rsplit_once('/');
        let Some((model, Ok(id))) = parts.map(|(model, id)| (model, request::id(id))) else {
            continue;
        };
        let Ok(company) = request::id(company) else { continue };
        match asked.iter_mut().find(|(of, _)| of == model) {
            Some((_, asked)) => asked.add(company, id),
            None => {
                asked.push((model.to_owned(), Asked { companies: vec![company], ids: vec![id] }))
            }
        }
    }
    let own = Identifying {
        asked,
        missing: Vec::new(),
        known: known.map(str::to_owned),
        at: if pinned { At::Database } else { At::Version },
        version: String::new(),
        lacks: Vec::new(),
    };
    own.step(context)
}

/// The company by which a database is known: the first of those that are read.
pub fn company(settings: &trueup_connect::Settings) -> Result<i64, CallError> {
    let listed = settings.get(COMPANIES).unwrap_or("1");
    request::id(listed.split(',').next().unwrap_or("1").trim())
}

impl Identifying {
    fn step(self, context: &Context<'_>) -> Step {
        match self.request(context) {
            Ok(request) => {
                let state = State::of(&Talk::Identify(Box::new(self)));
                Step::Send { request, writes: false, state }
            }
            Err(error) => Step::Failed(error),
        }
    }

    fn request(&self, context: &Context<'_>) -> Result<Request, CallError> {
        let settings = context.settings;
        Ok(match self.at {
            At::Database => setup::identity_request(settings, company(settings)?),
            At::Version => setup::version_request(settings),
            At::Made(number) => {
                let Some((model, Asked { companies, ids })) = self.asked.get(number) else {
                    return Err(crate::wire::unexpected("nothing is asked for"));
                };
                let first = companies.first().copied().unwrap_or(1);
                let arguments = json!({ "domain": [["id", "in", ids]], "fields": ["id"] });
                let more =
                    [("allowed_company_ids", json!(companies)), ("active_test", json!(false))];
                request::call(settings, first, model, "search_read", arguments, &more)
            }
            At::Fields(number) => {
                let (model, fields) = needed().into_iter().nth(number).unwrap_or_default();
                let arguments = json!({ "allfields": fields, "attributes": ["type"] });
                request::call(settings, company(settings)?, model, "fields_get", arguments, &[])
            }
        })
    }

    fn take(&mut self, context: &Context<'_>, reply: Result<&Reply, CallError>) -> Took {
        match self.at {
            At::Database => {
                let company = company(context.settings)?;
                let found = setup::identity_of(outcome::read(reply, false)?, company)?;
                let expected = context.settings.get(FINGERPRINT).unwrap_or_default().to_owned();
                let found = found.unwrap_or_else(|| format!("one without company {company}"));
                if found != expected {
                    return Err(CallError::AnotherTarget { expected, found });
                }
                self.at = At::Version;
            }
            At::Version => {
                self.version = setup::version_of(outcome::read(reply, false)?)?;
                if !speaks(&self.version) {
                    let lacks = format!(
                        "Odoo {} does not speak JSON-2 as this connector does",
                        self.version
                    );
                    return Err(CallError::Unfit { lacks });
                }
                let is_known = self.known.as_deref() == Some(&*self.version);
                self.at = if is_known { At::Made(0) } else { At::Fields(0) };
            }
            At::Fields(number) => {
                let needed = needed();
                if let Some((model, fields)) = needed.get(number) {
                    self.look(model, fields, reply)?;
                }
                let is_last = number + 1 >= needed.len();
                if is_last && !self.lacks.is_empty() {
                    return Ok(true);
                }
                self.at = if is_last { At::Made(0) } else { At::Fields(number + 1) };
            }
            At::Made(number) => {
                self.compare(number, reply)?;
                self.at = At::Made(number + 1);
            }
        }
        Ok(matches!(self.at, At::Made(next) if next >= self.asked.len()))
    }

    fn compare(
        &mut self,
        number: usize,
        reply: Result<&Reply, CallError>,
    ) -> Result<(), CallError> {
        let rows = match outcome::read(reply, false) {
            Ok(body) => crate::wire::rows(body)?,
            // A right or a field that is missing is told elsewhere.
            Err(
                CallError::NotSetUp { .. } | CallError::Denied { .. } | CallError::Refused { .. },
            ) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut there = BTreeSet::new();
        for row in &rows {
            there.insert(crate::wire::Row::or_lost(row.id())?);
        }
        let Some((model, asked)) = self.asked.get(number) else { return Ok(()) };
        let missing = asked.ids.iter().filter(|id| !there.contains(id));
        let missing: Vec<String> = missing.map(|id| format!("{model}/{id}")).collect();
        self.missing.extend(missing);
        Ok(())
    }

    fn look(
        &mut self,
        model: &str,
        fields: &BTreeSet<&'static str>,
        reply: Result<&Reply, CallError>,
    ) -> Result<(), CallError> {
        let absent = reply.as_ref().is_ok_and(|reply| reply.status == 404);
        let body = match outcome::read(reply, false) {
            Ok(body) => body,
            Err(CallError::NotSetUp { .. }) if absent => {
                self.lacks.push(format!("the model {model}"));
                return Ok(());
            }
            // A right that is missing is told by what needs it.
            Err(CallError::NotSetUp { .. } | CallError::Denied { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let there: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(body)
            .map_err(|error| crate::wire::unexpected(&error.to_string()))?;
        let lacking = fields.iter().filter(|field| !there.contains_key(**field));
        self.lacks.extend(lacking.map(|field| format!("{model}.{field}")));
        Ok(())
    }
}

/// Whether all was looked at.
type Took = Result<bool, CallError>;

pub fn resume(
    context: &Context<'_>,
    mut own: Identifying,
    reply: Result<&Reply, CallError>,
) -> Step {
    match own.take(context, reply) {
        Ok(false) => own.step(context),
        Ok(true) if own.lacks.is_empty() => {
            let identity = Identity { found: own.version, missing: own.missing };
            Step::Done(Outcome { identity: Some(Box::new(identity)), ..Outcome::default() })
        }
        Ok(true) => {
            let lacks = format!("Odoo {} has no {} any more", own.version, own.lacks.join(", "));
            Step::Failed(CallError::Unfit { lacks })
        }
        // Only reads were sent: a reply that was lost is simply asked for again.
        Err(CallError::ReplyLost { why }) => Step::Failed(CallError::Unreachable { why }),
        Err(error) => Step::Failed(error),
    }
}
