//! From the report's total sales to what the channel states itself: the totals of its orders less
//! those of its refunds, summed from the documents and never from the report.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trueup_domain::document::Kind;
use trueup_domain::money::{Currency, Money};
use trueup_domain::sales::figures::{Figures, Measure};
use trueup_matching::bridge::{Bridge, Step, bridge};
use trueup_store::sales::{self, Basis, By, Filter};
use trueup_store::{StoreError, Tx, documents, mappings};

use super::Wanted;
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
    Ok(bridges)
}

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
        ("tax remitted by the marketplace", Measure::TaxMarketplace, -1),
        ("gift cards sold", Measure::GiftCardsSold, -1),
        ("gift wrap", Measure::GiftWrap, -1),
        ("fees charged to buyers", Measure::Fees, -1),
        ("cash rounding", Measure::Rounding, -1),
        ("discounts funded by the platform", Measure::DiscountsPlatform, 1),
        ("discounts funded by suppliers", Measure::DiscountsSupplier, 1),
        ("refund adjustments", Measure::Adjustments, 1),
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
