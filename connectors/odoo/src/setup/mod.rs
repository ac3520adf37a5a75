//! Setting Odoo up: what is there, what is lacking, what would be made, and the mapping that
//! follows.
//!
//! | module     | holds                                                                     |
//! |------------|---------------------------------------------------------------------------|
//! | [`report`] | a read-only look: version, journals, accounts, taxes, locks, and findings |
//! | [`unasked`] | what Odoo does by itself, and what could not be read                     |
//! | [`registers`] | whether the registers of this Odoo can be read                          |
//! | [`plan`]   | the records that would be made, each under an external id                 |
//! | [`map`]    | the mapping of one entity                                                 |
//! | [`demo`]   | what the demo's two entities want                                         |
//!
//! Everything runs over a caller that carries one request out: the command line's HTTP client, a
//! test's socket, or the sandbox. Only [`apply`] writes, and it may be repeated: each record is made
//! once, by the key of the company and its purpose.

pub mod demo;
pub mod map;
pub mod plan;
mod registers;
mod report;
mod unasked;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use trueup_connect::conversation::{Reply, Request};
use trueup_connect::{CallError, Settings};
use trueup_domain::command::TargetRef;
use trueup_domain::document::{Remitter, Tender};
use trueup_domain::mapping::{Component, GoodsPolicy, InvoicePolicy, Mapping};
use trueup_domain::money::Currency;

use crate::load::{self, Loaded};
use crate::request;
use crate::wire;

pub use plan::{Creation, plan};
pub use registers::registers;
pub use report::{Finding, SetupReport, inspect, rights, rights_needed};
pub use unasked::NOT_LOOKED_FOR;

/// Carries one request out.
pub type Caller<'a> = dyn FnMut(&Request) -> Result<Reply, CallError> + 'a;

/// What an entity wants of its books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub entity: String,
    /// The connection whose books these are.
    pub target: String,
    /// Database of the server, where it has several.
    pub database: Option<String>,
    pub company: TargetRef,
    pub currency: Currency,
    pub time_zone: String,
    /// One customer for all buyers, or one for each.
    pub customers: Customers,
    /// Who says that goods left and came back.
    pub goods: GoodsPolicy,
    /// The location that they leave and come back to, where they move by the day; the stock of the
    /// warehouse where nothing is said.
    pub location: Option<TargetRef>,
    /// The location for each of the channel's own words.
    pub locations: BTreeMap<String, TargetRef>,
    /// When a sale is invoiced.
    pub invoices: InvoicePolicy,
    pub gateways: Vec<WantedGateway>,
    pub taxes: Vec<WantedTax>,
    /// Products to make where no product has the SKU. Usually none: the catalogue is the owner's.
    pub products: Vec<WantedProduct>,
    /// SKUs that are several products, by SKU.
    pub bundles: BTreeMap<String, Vec<Component>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Customers {
    PerBuyer,
    One,
}

impl Wanted {
    /// The word whose journal and account a gateway clears on: that of the first gateway of the same
    /// provider and currency, because what the provider's ledger says has one balance.
    pub(crate) fn clears_as<'a>(&'a self, gateway: &'a WantedGateway) -> &'a str {
        let same = |other: &&WantedGateway| {
            gateway.clears == Clears::Clearing
                && other.clears == Clears::Clearing
                && gateway.provider.is_some()
                && (&other.provider, other.currency) == (&gateway.provider, gateway.currency)
        };
        self.gateways.iter().find(same).map_or(&gateway.word, |first| &first.word)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedGateway {
    /// The channel's word for it, such as `shopify_payments`.
    pub word: String,
    pub title: String,
    pub tender: Option<Tender>,
    /// The connection whose ledger states this gateway's money.
    pub provider: Option<String>,
    pub clears: Clears,
    /// In which it settles; the company's own where nothing is said.
    pub currency: Option<Currency>,
}

/// Which account a gateway's payments stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clears {
    /// A clearing account of its own (`POSTING.md` P3).
    Clearing,
    /// The liability of gift cards (P10).
    GiftCards,
    StoreCredit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTax {
    /// Names it in external ids: `us_ny`, `de_19`.
    pub key: String,
    pub name: String,
    /// Percent that Odoo would compute. Zero where the channel's amount is always forced (V9).
    pub percent: Decimal,
    pub included: bool,
    pub title: Option<String>,
    pub jurisdiction: Option<String>,
    /// The channel's rate as a fraction, such as 0.19; none fits all.
    pub rate: Option<Decimal>,
    pub remitted_by: Remitter,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedProduct {
    pub sku: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error("Odoo did not answer {what}")]
    Call {
        what: String,
        #[source]
        source: CallError,
    },
    #[error("Odoo refused to make {what}: {why}")]
    Refused { what: String, why: String },
    #[error("Odoo has no {0}")]
    Lacks(String),
}

/// Ids of what was made, by external id without its module.
pub type Made = BTreeMap<String, i64>;

/// Makes what the plan lists, in its order. Each is safe to repeat.
pub fn apply(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    plan: &[Creation],
) -> Result<Made, SetupError> {
    let company = company(wanted)?;
    let settings = settings(wanted);
    let mut made = Made::new();
    for creation in plan {
        if let Some(id) = creation.exists {
            made.insert(creation.key.clone(), id);
            continue;
        }
        let what = || format!("{} `{}`", creation.label, creation.name);
        let request = request::call(
            &settings,
            company,
            creation.model,
            "load",
            creation.arguments(),
            &load::once(),
        );
        let failed = |source| SetupError::Call { what: what(), source };
        let reply = call(&request).map_err(failed)?;
        let body = crate::outcome::read(Ok(&reply), true).map_err(failed)?;
        match load::read(body, 1).map_err(failed)? {
            Loaded::Ids { ids, .. } => {
                made.extend(ids.first().map(|id| (creation.key.clone(), *id)));
            }
            Loaded::Bad(bad) => {
                let why = bad.values().next().map(ToString::to_string).unwrap_or_default();
                return Err(SetupError::Refused { what: what(), why });
            }
            Loaded::Nothing(source) => return Err(failed(source)),
        }
    }
    Ok(made)
}

/// The mapping of what earlier runs made and of the products that are there now; nothing is made.
/// Lacks whatever of the plan does not exist.
pub fn mapped(
    report: &SetupReport,
    wanted: &Wanted,
    plan: &[Creation],
) -> Result<Mapping, SetupError> {
    let made = plan.iter().filter_map(|it| Some((it.key.clone(), it.exists?)));
    map::mapping(report, wanted, &made.collect())
}

/// Looks, plans, makes and maps, as `trueup odoo setup --apply` does for one entity.
pub fn run(call: &mut Caller<'_>, wanted: &Wanted) -> Result<Mapping, SetupError> {
    let report = inspect(call, wanted)?;
    let plan = plan(&report, wanted)?;
    let made = apply(call, wanted, &plan)?;
    let report = inspect(call, wanted)?;
    map::mapping(&report, wanted, &made)
}

/// A short name of the database behind a connection, which tells it from another one under the same
/// address: no two have made their company in the same second. Every user sees it alike. A copy of
/// a database bears the name of the original.
pub fn identity(
    call: &mut Caller<'_>,
    settings: &Settings,
    company: i64,
) -> Result<String, SetupError> {
    let failed = |source| SetupError::Call { what: "for its company".to_owned(), source };
    let reply = call(&identity_request(settings, company)).map_err(failed)?;
    let body = crate::outcome::read(Ok(&reply), false).map_err(failed)?;
    let found = identity_of(body, company).map_err(failed)?;
    found.ok_or_else(|| SetupError::Lacks(format!("company {company}")))
}

/// Asks for what [`identity_of`] is read from.
pub(crate) fn identity_request(settings: &Settings, company: i64) -> Request {
    let domain = serde_json::json!([["id", "=", company]]);
    let fields = ["create_date"];
    request::search_read(settings, company, "res.company", &domain, &fields, "id")
}

/// `None` where the database has no such company.
pub(crate) fn identity_of(body: &[u8], company: i64) -> Result<Option<String>, CallError> {
    let rows = wire::rows(body)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let made = row.text("create_date").ok().flatten().unwrap_or_default();
    Ok(Some(short_hash(&format!("{company} {made}"))))
}

pub(crate) fn version_request(settings: &Settings) -> Request {
    let mut request = Request::get("/json/version");
    if let Some(database) = settings.get(crate::settings::DATABASE) {
        request.headers.push(("x-odoo-database".to_owned(), database.to_owned()));
    }
    request
}

pub(crate) fn version_of(body: &[u8]) -> Result<String, CallError> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: String,
    }
    let read: Result<Version, _> = serde_json::from_slice(body);
    read.map(|it| it.version).map_err(|error| wire::unexpected(&error.to_string()))
}

pub(crate) fn company(wanted: &Wanted) -> Result<i64, SetupError> {
    let what = format!("company `{}`", wanted.company);
    request::id(&wanted.company).map_err(|source| SetupError::Call { what, source })
}

pub(crate) fn settings(wanted: &Wanted) -> Settings {
    let database = wanted.database.iter();
    let named = database.map(|name| (crate::settings::DATABASE.to_owned(), name.clone()));
    Settings(named.collect())
}

/// Reads rows, or nothing where the model or a field is not installed or not for us to see.
fn ask(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    model: &str,
    domain: &serde_json::Value,
    fields: &[&str],
    optional: bool,
) -> Result<Vec<wire::Row>, SetupError> {
    let request =
        request::search_read(&settings(wanted), company(wanted)?, model, domain, fields, "id");
    let what = || format!("a reading of {model}");
    let failed = |source| SetupError::Call { what: what(), source };
    let reply = call(&request).map_err(failed)?;
    match crate::outcome::read(Ok(&reply), false).and_then(wire::rows) {
        Ok(rows) => Ok(rows),
        Err(CallError::NotSetUp { .. } | CallError::Denied { .. } | CallError::Refused { .. })
            if optional =>
        {
            Ok(Vec::new())
        }
        Err(source) => Err(failed(source)),
    }
}

/// Letters and digits of a word, for external ids.
pub(crate) fn slug(word: &str) -> String {
    let plain = word
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' });
    let plain: String = plain.collect();
    // Two SKUs may differ only in what a slug loses.
    if plain == word { plain } else { format!("{plain}_{}", short_hash(word)) }
}

fn short_hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text.as_bytes())).chars().take(8).collect()
}
