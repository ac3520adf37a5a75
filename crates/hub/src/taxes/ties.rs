//! Each tax of the books: our sum of it against the grouped sum of the books' own tax lines.
//!
//! The books are asked by month, so a tie is of the whole months of a report. Steps are the documents
//! of which channel and books state otherwise in these months, with their part of the tax.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;
use trueup_domain::derive::books::BACK;
use trueup_domain::derive::summary::taxes_of_key;
use trueup_domain::document::{BooksRecord, Document};
use trueup_domain::item::Side;
use trueup_domain::money::Money;
use trueup_matching::bridge::bridge;
use trueup_store::sales as store;
use trueup_store::{StoreError, Tx, commands, documents, facts, summaries};

use super::{Tie, Wanted, add};
use crate::bridges::{BY_ANOTHER_HAND, SIDES, Steps};
use crate::sales::bridges::{Company, companies, standing_in_books, unlike};
use crate::setup::Hub;

/// The kind of record in which the books state the sum of a tax in a month.
const TAX_TOTALS: &str = "tax_totals";

pub fn build(tx: &mut Tx<'_>, hub: &Hub, wanted: &Wanted) -> Result<Vec<Tie>, StoreError> {
    let Some(days) = whole_months(wanted.from, wanted.to) else { return Ok(Vec::new()) };
    let mut ties = Vec::new();
    for (company, channels) in companies(tx, hub)? {
        let all = wanted.channel.as_ref().is_none_or(|channel| channels == [channel.clone()]);
        let entity = wanted.entity.as_ref().is_none_or(|entity| *entity == company.entity);
        if all && entity {
            ties.extend(of_company(tx, &company, &channels, days)?);
        }
    }
    Ok(ties)
}

/// The first and the last day of the whole months within some days.
fn whole_months(from: Date, to: Date) -> Option<(Date, Date)> {
    let first = from.first_of_month();
    let first =
        if first == from { first } else { first.saturating_add(1.month()).first_of_month() };
    let last = if to == to.last_of_month() { to } else { to.first_of_month().yesterday().ok()? };
    (first <= last).then_some((first, last))
}

fn of_company(
    tx: &mut Tx<'_>,
    company: &Company,
    channels: &[String],
    days: (Date, Date),
) -> Result<Vec<Tie>, StoreError> {
    let (from, to) = (days.0.to_string(), days.1.to_string());
    let mut stated: BTreeMap<String, (Option<String>, Money)> = BTreeMap::new();
    for document in documents::stated_of_days(tx, &company.target, TAX_TOTALS, days)? {
        let Document::BooksRecord(record) = document else { continue };
        let Some(tax) = tax_of(&record).filter(|_| {
            record.company == company.company && record.total.currency() == company.currency
        }) else {
            continue;
        };
        let zero = Money::zero(company.currency);
        let (name, sum) = stated.entry(tax.to_owned()).or_insert((None, zero));
        *sum = sum.checked_add(record.total).map_err(StoreError::corrupt)?;
        *name = record.name.or(name.take());
    }
    if stated.is_empty() {
        return Ok(Vec::new());
    }
    let mut ours: BTreeMap<String, i64> = BTreeMap::new();
    for sum in store::taxes(tx, &from, &to)? {
        let own = channels.contains(&sum.connection)
            && sum.currency == company.currency.code()
            && sum.remitted_by == "us";
        if own && (sum.tax != 0 || sum.base != 0) {
            let total = ours.entry(sum.target).or_default();
            *total = add(*total, sum.tax)?;
        }
    }
    let mut steps = steps(tx, company, channels, days)?;
    let taxes: BTreeSet<String> = stated.keys().chain(ours.keys()).cloned().collect();
    let mut ties = Vec::new();
    for tax in taxes {
        let own = ours.get(&tax).copied().unwrap_or(0);
        let (name, books) = stated.remove(&tax).unwrap_or((None, Money::zero(company.currency)));
        let steps = steps.remove(&tax).map_or_else(Vec::new, Steps::list);
        if own == 0 && books.is_zero() && steps.is_empty() {
            continue;
        }
        let shown = if tax.is_empty() { "no tax of the mapping".to_owned() } else { tax.clone() };
        let bridge = bridge(
            format!("tax {shown} of {}", company.entity),
            (format!("the report, {from} to {to}"), Money::from_minor(own, company.currency)),
            ("tax lines of these months, asked of the books", books),
            steps,
        );
        let bridge = bridge.map_err(StoreError::corrupt)?;
        ties.push(Tie { entity: company.entity.clone(), tax, name, bridge });
    }
    Ok(ties)
}

/// The tax in the name of a sum: `tax_totals/<company>/<currency>/<tax>/<month>`.
fn tax_of(record: &BooksRecord) -> Option<&str> {
    record.id.split('/').nth(3)
}

/// What each document that channel and books state otherwise does to each tax.
fn steps(
    tx: &mut Tx<'_>,
    company: &Company,
    channels: &[String],
    days: (Date, Date),
) -> Result<BTreeMap<String, Steps>, StoreError> {
    let (mut keys, mut by_hand) = (BTreeSet::new(), BTreeSet::new());
    for (key, ..) in unlike(tx, company, channels, days)? {
        keys.insert(key);
    }
    let (from, to) = (days.0.to_string(), days.1.to_string());
    for channel in channels {
        // Equal totals can hide unlike taxes.
        let start = format!("tax/order/{channel}/");
        for (key, _) in facts::unlike_in_days(tx, &start, SIDES, company.currency, (&from, &to))? {
            keys.extend(key.strip_prefix("tax/").map(str::to_owned));
        }
        let held = facts::held_already(tx, channel, company.currency, (&from, &to))?;
        by_hand.extend(held.into_iter().map(|(key, _)| key));
    }
    keys.extend(by_hand.iter().cloned());
    let mut by_tax: BTreeMap<String, Steps> = BTreeMap::new();
    for key in keys {
        let mut differences: BTreeMap<String, i64> = BTreeMap::new();
        for (tax, minor) in channel_taxes(tx, &key, days)? {
            let sum = differences.entry(tax).or_default();
            *sum = add(*sum, minor)?;
        }
        for (tax, minor) in books_taxes(tx, &company.target, &key, days)? {
            let sum = differences.entry(tax).or_default();
            *sum = add(*sum, minor.checked_neg().ok_or_else(overflow)?)?;
        }
        let name = match by_hand.contains(&key) {
            true => BY_ANOTHER_HAND.to_owned(),
            false => standing_in_books(tx, &key)?,
        };
        for (tax, minor) in differences.into_iter().filter(|(_, minor)| *minor != 0) {
            let steps = by_tax.entry(tax).or_insert_with(|| Steps::new(company.currency));
            steps.add(name.clone(), minor, &key)?;
        }
    }
    Ok(by_tax)
}

/// The taxes of the document behind a key, as the report has them in these months.
fn channel_taxes(
    tx: &mut Tx<'_>,
    key: &str,
    (from, to): (Date, Date),
) -> Result<Vec<(String, i64)>, StoreError> {
    let mut parts = key.splitn(3, '/');
    let (Some(kind), Some(channel), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(Vec::new());
    };
    let document = format!("{kind}/{id}");
    store::taxes_of(tx, channel, &document, (&from.to_string(), &to.to_string()))
}

/// The taxes of the books' records that state a key in these months; negative for what goes back.
fn books_taxes(
    tx: &mut Tx<'_>,
    target: &str,
    key: &str,
    (from, to): (Date, Date),
) -> Result<Vec<(String, i64)>, StoreError> {
    let refund = key.starts_with("refund/");
    let mut taxes = Vec::new();
    for found in facts::items_of_key(tx, key)? {
        let item = &found.item;
        if item.side != Side::Books || item.date < from || item.date > to {
            continue;
        }
        // An item is negative where its record takes an older one back.
        let sign = if item.amount.is_negative() == refund { 1 } else { -1 };
        for (document, _) in documents::of_root(tx, &found.root)? {
            let Document::BooksRecord(record) = document else { continue };
            // An entry of many orders: what it holds of this one.
            if let Some(of_key) = summed_taxes(tx, target, &record, key)? {
                taxes.extend(of_key);
                continue;
            }
            for tax in record.taxes {
                let minor = tax.amount.minor().checked_mul(sign).ok_or_else(overflow)?;
                taxes.push((tax.tax, minor));
            }
        }
    }
    Ok(taxes)
}

/// The taxes that an entry of many orders holds of one, negative for what goes back; `None` where the
/// record is a document of its own.
fn summed_taxes(
    tx: &mut Tx<'_>,
    target: &str,
    record: &BooksRecord,
    key: &str,
) -> Result<Option<Vec<(String, i64)>>, StoreError> {
    let command = match &record.effect_key {
        Some(command) => commands::find(tx, command)?,
        None => commands::by_record(tx, target, &record.id)?,
    };
    let Some(command) = command else { return Ok(None) };
    let Some(rows) = summaries::rows_of(tx, &command)? else { return Ok(None) };
    let back = command.states.is_some_and(|(_, states)| states.ends_with(BACK));
    let sign = if back == key.starts_with("refund/") { 1 } else { -1 };
    let mut taxes = Vec::new();
    for (tax, amount) in taxes_of_key(&rows, key).map_err(StoreError::corrupt)? {
        taxes.push((tax, amount.minor().checked_mul(sign).ok_or_else(overflow)?));
    }
    Ok(Some(taxes))
}

fn overflow() -> StoreError {
    StoreError::corrupt("a sum that no money can hold")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::whole_months;

    #[test]
    fn only_whole_months_are_tied() {
        let check = |from, to, expected| assert_eq!(whole_months(from, to), expected);
        let (may, end) = (date(2026, 5, 1), date(2026, 5, 31));
        check(may, end, Some((may, end)));
        check(date(2026, 4, 2), date(2026, 6, 29), Some((may, end)));
        check(date(2026, 5, 2), end, None);
        check(may, date(2026, 5, 30), None);
        check(date(2026, 1, 1), date(2026, 2, 28), Some((date(2026, 1, 1), date(2026, 2, 28))));
    }
}
