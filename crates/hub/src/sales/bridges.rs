//! From the report's total sales to what others state themselves.
//!
//! | to          | what it states                                                                |
//! |-------------|-------------------------------------------------------------------------------|
//! | the channel | the totals of its orders less those of its refunds, summed from the documents |
//! | the books   | invoices less credit notes by accounting day, a grouped sum asked of them     |
//!
//! Neither comes from the report. Steps are what stands beside total sales, what counts nowhere, and
//! the keys under which channel and books state otherwise on these days.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trueup_domain::command::CommandKind;
use trueup_domain::document::{Document, Kind};
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::figures::{Figures, Measure};
use trueup_matching::bridge::{Bridge, Step, bridge};
use trueup_store::sales::{self, Basis, By, Filter};
use trueup_store::{StoreError, Tx, documents, facts, mappings};

use super::Wanted;
use crate::bridges::{BY_ANOTHER_HAND, SIDES, Steps, standing};
use crate::setup::Hub;

/// So many documents of a step are named; its count says how many there are.
const EVIDENCE_MAX: i64 = 50;

/// One bridge for each channel and currency of the report. A report of some SKUs or sources has
/// none, and a cohort neither: no channel states a total of these.
pub fn build(tx: &mut Tx<'_>, hub: &Hub, wanted: &Wanted) -> Result<Vec<Bridge>, StoreError> {
    if wanted.basis == Basis::Order || wanted.sku.is_some() || wanted.source.is_some() {
        return Ok(Vec::new());
    }
    let mut bridges = Vec::new();
    let by = [By::Connection, By::Entity];
    for (code, words, figures) in sales::sums(tx, &wanted.filter(), &by)? {
        let [channel, entity] = words.as_slice() else { continue };
        let currency = Currency::parse(&code).map_err(StoreError::corrupt)?;
        let filter = Filter {
            connection: Some(channel.clone()),
            entity: Some(entity.clone()),
            currency: Some(code),
            ..wanted.filter()
        };
        let (from, to) = moments(tx, hub, wanted, channel)?;
        bridges.push(to_channel(tx, &filter, (channel, currency), (from, to), &figures)?);
    }
    bridges.extend(to_books(tx, hub, wanted)?);
    Ok(bridges)
}

/// The company of the books into which some channels sell, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Company {
    pub entity: String,
    pub target: String,
    pub company: String,
    pub currency: Currency,
}

/// The channels of each company, by the mappings in force.
pub(crate) fn companies(
    tx: &mut Tx<'_>,
    hub: &Hub,
) -> Result<BTreeMap<Company, Vec<String>>, StoreError> {
    let mut companies: BTreeMap<Company, Vec<String>> = BTreeMap::new();
    for name in hub.setup.connections.keys() {
        let Some(mapping) = mappings::get(tx, name, None)? else { continue };
        let company = Company {
            entity: mapping.entity,
            target: mapping.target,
            company: mapping.company,
            currency: mapping.currency,
        };
        companies.entry(company).or_default().push(name.clone());
    }
    Ok(companies)
}

/// The kind of record in which the books state a sum of one day.
const BY_DAY: &str = "totals_by_day";

/// A bridge for each company that has stated a sum; only for reports of all its channels.
fn to_books(tx: &mut Tx<'_>, hub: &Hub, wanted: &Wanted) -> Result<Vec<Bridge>, StoreError> {
    let mut bridges = Vec::new();
    for (company, channels) in companies(tx, hub)? {
        let all = wanted.channel.as_ref().is_none_or(|channel| channels == [channel.clone()]);
        let entity = wanted.entity.as_ref().is_none_or(|entity| *entity == company.entity);
        let code = company.currency.code();
        if !all || !entity || wanted.currency.as_ref().is_some_and(|wanted| wanted != code) {
            continue;
        }
        let days = (wanted.from, wanted.to);
        let Some(books) = stated_by_books(tx, &company, days)? else { continue };
        let mut figures = Figures::default();
        for channel in &channels {
            let filter = Filter {
                connection: Some(channel.clone()),
                currency: Some(code.to_owned()),
                ..wanted.filter()
            };
            for (_, _, own) in sales::sums(tx, &filter, &[])? {
                figures.add_all(&own).map_err(StoreError::corrupt)?;
            }
        }
        let mut steps = beside(&figures, company.currency)?;
        // What the marketplace remits is in no books, and excess goes back without a credit note.
        steps.retain(|step| ![MARKETPLACE_TAX, EXCESS].contains(&step.name.as_str()));
        steps.extend(unlike_steps(tx, &company, &channels, days)?);
        let shown = bridge(
            format!("sales of {} → books of {}", channels.join(", "), company.entity),
            ("total sales", Money::from_minor(figures.total_sales(), company.currency)),
            ("invoices less credit notes by day, asked of the books", books),
            steps,
        );
        bridges.push(shown.map_err(StoreError::corrupt)?);
    }
    Ok(bridges)
}

/// Invoices less credit notes of some days, as the books sum them up; nothing where they never did.
fn stated_by_books(
    tx: &mut Tx<'_>,
    company: &Company,
    days: (Date, Date),
) -> Result<Option<Money>, StoreError> {
    let ever = documents::of_word(tx, &company.target, Kind::BooksRecord, "totals")?;
    if ever.is_empty() {
        return Ok(None);
    }
    let mut total = Money::zero(company.currency);
    for document in documents::stated_of_days(tx, &company.target, BY_DAY, days)? {
        let Document::BooksRecord(record) = document else { continue };
        if record.company != company.company || record.total.currency() != company.currency {
            continue;
        }
        let credit = record.id.contains(&format!("/{}/", CommandKind::CreditNote.word()));
        let sum =
            if credit { total.checked_sub(record.total) } else { total.checked_add(record.total) };
        total = sum.map_err(StoreError::corrupt)?;
    }
    Ok(Some(total))
}

/// Orders and refunds of which channel and books state otherwise on these days.
fn unlike_steps(
    tx: &mut Tx<'_>,
    company: &Company,
    channels: &[String],
    days: (Date, Date),
) -> Result<Vec<Step>, StoreError> {
    let mut steps = Steps::new(company.currency);
    for (key, sign, difference) in unlike(tx, company, channels, days)? {
        let minor = difference.checked_mul(sign).ok_or_else(overflow)?;
        let name = standing_in_books(tx, &key)?;
        steps.add(name, minor, &key)?;
    }
    let days = (days.0.to_string(), days.1.to_string());
    for channel in channels {
        let held = facts::held_already(tx, channel, company.currency, (&days.0, &days.1))?;
        for (key, minor) in held {
            steps.add(BY_ANOTHER_HAND, minor, &key)?;
        }
    }
    Ok(steps.list())
}

/// The keys of those orders and refunds, what they do to sales, and channel less books.
pub(crate) fn unlike(
    tx: &mut Tx<'_>,
    company: &Company,
    channels: &[String],
    (from, to): (Date, Date),
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let (from, to) = (from.to_string(), to.to_string());
    let mut unlike = Vec::new();
    for channel in channels {
        for (kind, sign) in [(Kind::Order, 1), (Kind::Refund, -1)] {
            let start = format!("{}/{channel}/", kind.word());
            let found = facts::unlike_in_days(tx, &start, SIDES, company.currency, (&from, &to))?;
            unlike.extend(found.into_iter().map(|(key, difference)| (key, sign, difference)));
        }
    }
    Ok(unlike)
}

/// How a key stands; one on which both agree in all is only dated otherwise.
pub(crate) fn standing_in_books(tx: &mut Tx<'_>, key: &str) -> Result<String, StoreError> {
    let standing = standing(tx, key)?;
    Ok(if standing == "proven" { "dated otherwise in the books".to_owned() } else { standing })
}

const MARKETPLACE_TAX: &str = "tax remitted by the marketplace";
const EXCESS: &str = "given back of what was captured beyond the sale";

/// The first moment of the report's days, and the first after them, in the channel's zone.
fn moments(
    tx: &mut Tx<'_>,
    hub: &Hub,
    wanted: &Wanted,
    channel: &str,
) -> Result<(Timestamp, Timestamp), StoreError> {
    let mapping = mappings::get(tx, channel, None)?;
    let own = hub.connection(channel).map(|connection| connection.time_zone.clone());
    let zone = mapping.map(|mapping| mapping.time_zone).or(own);
    let zone = zone.and_then(|name| TimeZone::get(&name).ok()).unwrap_or(TimeZone::UTC);
    let midnight = |day: Date| {
        let moment = day.to_zoned(zone.clone());
        moment.map(|moment| moment.timestamp()).map_err(StoreError::corrupt)
    };
    let after = wanted.to.tomorrow().map_err(StoreError::corrupt)?;
    Ok((midnight(wanted.from)?, midnight(after)?))
}

fn to_channel(
    tx: &mut Tx<'_>,
    filter: &Filter,
    (channel, currency): (&str, Currency),
    (from, to): (Timestamp, Timestamp),
    figures: &Figures,
) -> Result<Bridge, StoreError> {
    let within =
        |tx: &mut Tx<'_>, kind| documents::sum_between(tx, channel, kind, currency, (from, to));
    let orders = within(tx, Kind::Order)?;
    let refunds = within(tx, Kind::Refund)?;
    let stated = orders.checked_sub(refunds).ok_or_else(overflow)?;
    let mut steps = beside(figures, currency)?;
    for one in sales::excluded(tx, filter)? {
        let minor = one.stated.checked_neg().ok_or_else(overflow)?;
        let mut step =
            step(&format!("not counted: {}", one.reason.replace('_', " ")), minor, currency);
        step.count = usize::try_from(one.documents).unwrap_or(0);
        steps.push(step);
    }
    let left_out = sales::documents(tx, filter, true, None, EVIDENCE_MAX)?;
    for step in steps.iter_mut().filter(|step| step.name.starts_with("not counted")) {
        let reason = step.name.replace("not counted: ", "").replace(' ', "_");
        let own = left_out.iter().filter(|one| one.excluded == reason);
        step.evidence = own.map(|one| one.root.clone()).collect();
        step.evidence.dedup();
    }
    let (count, minor) = documents::refunds_without_order(tx, channel, currency, (from, to))?;
    if minor != 0 {
        let mut step = step("refunds whose order has not come in", minor, currency);
        step.count = usize::try_from(count).unwrap_or(0);
        steps.push(step);
    }
    let shown = bridge(
        format!("sales of {channel} → {channel}"),
        ("total sales", Money::from_minor(figures.total_sales(), currency)),
        (
            format!("totals of orders less refunds, says {channel}"),
            Money::from_minor(stated, currency),
        ),
        steps,
    );
    shown.map_err(StoreError::corrupt)
}

/// What stands beside total sales in the totals of documents, as steps that raise the former.
fn beside(figures: &Figures, currency: Currency) -> Result<Vec<Step>, StoreError> {
    let parts = [
        (MARKETPLACE_TAX, Measure::TaxMarketplace, -1),
        ("gift cards sold", Measure::GiftCardsSold, -1),
        ("gift wrap", Measure::GiftWrap, -1),
        ("fees charged to buyers", Measure::Fees, -1),
        ("cash rounding", Measure::Rounding, -1),
        ("discounts funded by the platform", Measure::DiscountsPlatform, 1),
        ("discounts funded by suppliers", Measure::DiscountsSupplier, 1),
        ("refund adjustments", Measure::Adjustments, 1),
        (EXCESS, Measure::Excess, 1),
    ];
    let mut steps = Vec::new();
    for (name, measure, sign) in parts {
        let minor = figures.get(measure).checked_mul(sign).ok_or_else(overflow)?;
        if minor != 0 {
            steps.push(step(name, minor, currency));
        }
    }
    Ok(steps)
}

fn step(name: &str, minor: i64, currency: Currency) -> Step {
    let amount = Money::from_minor(minor, currency);
    Step { name: name.to_owned(), amount, count: 0, evidence: Vec::new() }
}

fn overflow() -> StoreError {
    StoreError::corrupt("a sum that no money can hold")
}
