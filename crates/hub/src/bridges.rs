//! The variance bridges: two totals that their sides state themselves, and every step between.
//!
//! | bridge              | from                                  | to                                     |
//! |---------------------|---------------------------------------|----------------------------------------|
//! | channel to books    | the channel's orders less its refunds | a grouped sum asked of the books       |
//! | channel to provider | what the channel says was taken       | the provider's payouts and balance     |
//! | account of provider | nothing, and all rows but payouts     | the balance that the provider states   |
//! | provider to bank    | the provider's payouts                | closing less opening of the statements |
//!
//! Neither total comes from our items; the steps do, each with some of its evidence (`DESIGN.md` §9.9).
//! What the steps do not explain is *unexplained*, and shown.

//!
//! Totals are grouped sums of what the sides state. Steps are read from what is not alike: keys that
//! are not proven, and documents of which something else is expected. So a bridge costs what is open,
//! not what has been.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trueup_domain::command::CommandKind;
use trueup_domain::document::{BooksRecord, Document, Kind};
use trueup_domain::item::Side;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_matching::bridge::{Bridge, Step, bridge};
use trueup_store::documents::{self, LEFT, PAYOUT, REFUND_FAILURE, TENDER};
use trueup_store::{StoreError, Tx, cases, facts, mappings, scopes};

use crate::setup::{Connection, Hub};

pub type Shown = Bridge;

/// The kind of record in which the books state a grouped sum, and a provider its balance.
const TOTALS: &str = "totals";
const BALANCE: &str = "balance";
/// So much evidence of a step is named; its count says how much there is.
const EVIDENCE_MAX: i64 = 50;

/// Who states a sale, and who books it.
pub(crate) const SIDES: (Side, Side) = (Side::Channel, Side::Books);

/// The step of orders that the books hold by another hand: their own sum is of what we made.
pub(crate) const BY_ANOTHER_HAND: &str = "booked by another hand";

/// Builds every bridge whose two totals have been stated.
pub fn build(tx: &mut Tx<'_>, hub: &Hub) -> Result<Vec<Shown>, StoreError> {
    let mut bridges = Vec::new();
    for connection in hub.setup.connections.values() {
        let Some(mapping) = mappings::get(tx, &connection.name, None)? else { continue };
        bridges.extend(channel_to_books(tx, connection, &mapping)?);
        bridges.extend(channel_to_provider(tx, hub, connection, &mapping)?);
    }
    for connection in hub.setup.connections.values() {
        bridges.extend(accounts(tx, &connection.name)?);
    }
    for connection in hub.setup.connections.values() {
        bridges.extend(provider_to_bank(tx, hub, connection)?);
    }
    Ok(bridges)
}

/// Collects steps by name, with their evidence.
pub(crate) struct Steps {
    currency: Currency,
    by_name: BTreeMap<String, Step>,
}

impl Steps {
    pub(crate) fn new(currency: Currency) -> Self {
        Self { currency, by_name: BTreeMap::new() }
    }

    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        minor: i64,
        evidence: &str,
    ) -> Result<(), StoreError> {
        self.add_many(name, minor, 1, vec![evidence.to_owned()])
    }

    pub(crate) fn add_many(
        &mut self,
        name: impl Into<String>,
        minor: i64,
        count: i64,
        evidence: Vec<String>,
    ) -> Result<(), StoreError> {
        if minor == 0 {
            return Ok(());
        }
        let name = name.into();
        let step = self.by_name.entry(name.clone()).or_insert_with(|| Step {
            name,
            amount: Money::zero(self.currency),
            count: 0,
            evidence: Vec::new(),
        });
        let amount = Money::from_minor(minor, self.currency);
        step.amount = step.amount.checked_add(amount).map_err(StoreError::corrupt)?;
        step.count += usize::try_from(count).unwrap_or(0);
        let room = usize::try_from(EVIDENCE_MAX).unwrap_or(0).saturating_sub(step.evidence.len());
        step.evidence.extend(evidence.into_iter().take(room));
        Ok(())
    }

    pub(crate) const fn currency(&self) -> Currency {
        self.currency
    }

    pub(crate) fn list(self) -> Vec<Step> {
        self.by_name.into_values().collect()
    }
}

fn sub(left: i64, right: i64) -> Result<i64, StoreError> {
    left.checked_sub(right).ok_or_else(|| StoreError::corrupt("a sum that no money can hold"))
}

fn add(left: i64, right: i64) -> Result<i64, StoreError> {
    left.checked_add(right).ok_or_else(|| StoreError::corrupt("a sum that no money can hold"))
}

/// How a key stands, in words for a step. What a person accepted is a step of its own.
pub(crate) fn standing(tx: &mut Tx<'_>, key: &str) -> Result<String, StoreError> {
    let scope = scopes::find(tx, key)?;
    let words = scope.map_or_else(
        || "not judged yet".to_owned(),
        |scope| match scope.verdict.break_kind {
            Some(kind) => kind.replace('_', " "),
            None => scope.verdict.status.replace('_', " "),
        },
    );
    let accepted = cases::accepted_of(tx, key)?.and_then(|case| case.ending());
    Ok(accepted.map_or_else(|| words.clone(), |how| format!("{words}, {how}")))
}

/// What the sides state under one key, in one currency.
fn stated(
    tx: &mut Tx<'_>,
    key: &str,
    currency: Currency,
) -> Result<BTreeMap<Side, i64>, StoreError> {
    let mut sides = BTreeMap::new();
    for found in facts::items_of_key(tx, key)? {
        if found.item.amount.currency() == currency {
            let sum = sides.entry(found.item.side).or_insert(0);
            *sum = add(*sum, found.item.amount.minor())?;
        }
    }
    Ok(sides)
}

/// What a connection states of a kind that counts as one word, since a moment.
fn total(
    tx: &mut Tx<'_>,
    connection: &str,
    (kind, word): (Kind, &str),
    currency: Currency,
    since: Timestamp,
) -> Result<i64, StoreError> {
    let sums = documents::sums(tx, connection, kind, currency, since)?;
    Ok(sums.into_iter().find(|sum| sum.word == word).map_or(0, |sum| sum.amount))
}

fn channel_to_books(
    tx: &mut Tx<'_>,
    connection: &Connection,
    mapping: &Mapping,
) -> Result<Option<Shown>, StoreError> {
    let (name, currency, since) = (&connection.name, mapping.currency, connection.since);
    let Some(books) = books_total(tx, mapping)? else { return Ok(None) };
    let sold = total(tx, name, (Kind::Order, "order"), currency, since)?;
    let refund = (Kind::Refund, "refund");
    let given_back = total(tx, name, refund, currency, Timestamp::MIN)?;
    let before = documents::sum_before(tx, name, refund, currency, since)?;
    let channel = sub(sold, sub(given_back, before)?)?;

    let mut steps = Steps::new(currency);
    for unlike in documents::unlike(tx, name, currency, since, EVIDENCE_MAX)? {
        let sign = if unlike.kind == Kind::Refund.word() { -1 } else { 1 };
        let step = if unlike.nothing { "not a sale" } else { "remitted by the channel" };
        let evidence =
            unlike.some.iter().map(|id| format!("{}/{name}/{id}", unlike.kind)).collect();
        steps.add_many(step, sign * unlike.amount, unlike.count, evidence)?;
    }
    for (kind, sign) in [(Kind::Order, 1), (Kind::Refund, -1)] {
        let start = format!("{}/{name}/", kind.word());
        for key in scopes::unproven(tx, &start)? {
            let id = key.strip_prefix(&start).unwrap_or_default();
            if !documents::counts(tx, name, (kind, id), since)? {
                continue;
            }
            let sides = stated(tx, &key, currency)?;
            let of = |side: Side| sides.get(&side).copied().unwrap_or(0);
            let difference = sub(of(Side::Channel), of(Side::Books))?;
            if difference != 0 {
                let step = standing(tx, &key)?;
                steps.add(step, sign * difference, &key)?;
            }
        }
    }
    for (key, held) in facts::held_already(tx, name, currency, ("", "9999"))? {
        steps.add(BY_ANOTHER_HAND, held, &key)?;
    }
    let refunds = documents::refunds_of_held(tx, name, currency)?;
    steps.add(format!("{BY_ANOTHER_HAND}, given back"), sub(0, refunds)?, name)?;
    let shown = bridge(
        format!("{name} → books of {}", mapping.entity),
        (format!("{name} orders less refunds"), Money::from_minor(channel, currency)),
        ("invoices less credit notes, asked of the books", books),
        steps.list(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}

/// Invoices less credit notes of a company, as the books sum them up themselves.
fn books_total(tx: &mut Tx<'_>, mapping: &Mapping) -> Result<Option<Money>, StoreError> {
    let mut total = None;
    for record in records(tx, &mapping.target, TOTALS)? {
        let own = record.company == mapping.company && record.total.currency() == mapping.currency;
        if !own {
            continue;
        }
        let credit = record.id.ends_with(CommandKind::CreditNote.word());
        let amount = if credit { record.total.checked_neg() } else { Ok(record.total) };
        let so_far = total.unwrap_or(Money::zero(mapping.currency));
        let sum = amount.and_then(|amount| so_far.checked_add(amount));
        total = Some(sum.map_err(StoreError::corrupt)?);
    }
    Ok(total)
}

fn records(tx: &mut Tx<'_>, connection: &str, kind: &str) -> Result<Vec<BooksRecord>, StoreError> {
    let stated = documents::of_word(tx, connection, Kind::BooksRecord, kind)?;
    Ok(stated
        .into_iter()
        .filter_map(|document| match document {
            Document::BooksRecord(record) => Some(*record),
            _ => None,
        })
        .collect())
}

fn channel_to_provider(
    tx: &mut Tx<'_>,
    hub: &Hub,
    connection: &Connection,
    mapping: &Mapping,
) -> Result<Option<Shown>, StoreError> {
    let (name, currency, since) = (&connection.name, mapping.currency, connection.since);
    let payments = documents::sums(tx, name, Kind::Payment, currency, Timestamp::MIN)?;
    let used = |word: &str| {
        payments.iter().any(|sum| sum.word.split_once('/').is_some_and(|(_, own)| own == word))
    };
    let mut gateways = mapping.gateways.iter().filter_map(|(word, gateway)| {
        let provider = gateway.provider.as_deref()?;
        used(word).then(|| (word.clone(), provider.to_owned()))
    });
    let Some((gateway, provider)) = gateways.next() else { return Ok(None) };
    let balance = records(tx, &provider, BALANCE)?
        .into_iter()
        .find(|record| record.total.currency() == currency);
    let (Some(balance), true) = (balance, hub.connection(&provider).is_some()) else {
        return Ok(None);
    };
    let (captured, refunded) = (format!("capture/{gateway}"), format!("refund/{gateway}"));
    let taken = payments.iter().find(|sum| sum.word == captured).map_or(0, |sum| sum.amount);
    let before = documents::sum_before(tx, name, (Kind::Payment, &captured), currency, since)?;
    let given_back = total(tx, name, (Kind::Payment, &refunded), currency, since)?;
    let channel = sub(sub(taken, before)?, given_back)?;
    // Every payout left the balance; the row of one that came back is a step of its own.
    let mut held = balance.total.minor();
    for payouts in documents::sums(tx, &provider, Kind::Payout, currency, Timestamp::MIN)? {
        held = add(held, payouts.amount)?;
    }

    let mut steps = Steps::new(currency);
    let (mut fee, mut fees) = (0, 0);
    for rows in documents::sums(tx, &provider, Kind::LedgerRow, currency, Timestamp::MIN)? {
        if rows.word == PAYOUT {
            continue;
        }
        (fee, fees) = (add(fee, rows.fee)?, fees + rows.fees);
        if rows.word != TENDER && rows.amount != 0 {
            let of = (Kind::LedgerRow, Some(rows.word.as_str()));
            let some = some_rows(tx, &provider, of, currency)?;
            steps.add_many(rows.word, sub(0, rows.amount)?, rows.amounts, some)?;
        }
    }
    if fees > 0 {
        let of = (Kind::LedgerRow, None);
        let some = some_rows(tx, &provider, of, currency)?;
        steps.add_many("fees", fee, fees, some)?;
    }
    tender_steps(tx, &mut steps, (name, &provider), currency)?;
    let shown = bridge(
        format!("{name} → {provider}"),
        (
            format!("taken less given back through {gateway}, says {name}"),
            Money::from_minor(channel, currency),
        ),
        (format!("paid out and held, says {provider}"), Money::from_minor(held, currency)),
        steps.list(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}

/// The roots of some ledger rows.
fn some_rows(
    tx: &mut Tx<'_>,
    provider: &str,
    of: (Kind, Option<&str>),
    currency: Currency,
) -> Result<Vec<String>, StoreError> {
    let some = documents::some_of(tx, provider, of, currency, EVIDENCE_MAX)?;
    Ok(some.into_iter().map(|id| format!("{provider}/{}/{id}", of.0.word())).collect())
}

/// Captures and refunds that one of the two sides states otherwise than the other. A refund that
/// failed stays one of the channel's, also when it is settled by another.
fn tender_steps(
    tx: &mut Tx<'_>,
    steps: &mut Steps,
    (channel, provider): (&str, &str),
    currency: Currency,
) -> Result<(), StoreError> {
    let failed = documents::of_word(tx, channel, Kind::RefundFailure, REFUND_FAILURE)?;
    let failed: Vec<String> = failed
        .into_iter()
        .filter_map(|document| match document {
            Document::RefundFailure(failure) => Some(failure.key),
            _ => None,
        })
        .collect();
    for (word, sign) in [("capture", 1), ("refund_paid", -1)] {
        let start = format!("{word}/{provider}/");
        let mut keys = scopes::unproven(tx, &start)?;
        keys.extend(failed.iter().filter(|key| key.starts_with(&start)).cloned());
        keys.sort();
        keys.dedup();
        for key in keys {
            let sides = stated(tx, &key, currency)?;
            let of = |side: Side| sides.get(&side).copied().unwrap_or(0);
            let difference = sub(of(Side::Channel), of(Side::Settlement))?;
            if difference != 0 {
                let step = format!("{word}: {}", standing(tx, &key)?);
                steps.add(step, sign * difference, &key)?;
            }
        }
    }
    Ok(())
}

/// A provider's account in each currency (P8): opening and rows less payouts are its balance. The
/// ledger is read from the start of the account, so that the opening is nothing; an account that is
/// older than what was read shows its opening as unexplained. One that never moved is left out.
fn accounts(tx: &mut Tx<'_>, provider: &str) -> Result<Vec<Shown>, StoreError> {
    let mut accounts = Vec::new();
    for balance in records(tx, provider, BALANCE)? {
        let currency = balance.total.currency();
        let mut rows = 0;
        for sum in documents::sums(tx, provider, Kind::LedgerRow, currency, Timestamp::MIN)? {
            if sum.word != PAYOUT {
                rows = add(rows, sub(sum.amount, sum.fee)?)?;
            }
        }
        let mut steps = Steps::new(currency);
        // Every payout left the balance; the row of one that came back is among the rows.
        for payouts in documents::sums(tx, provider, Kind::Payout, currency, Timestamp::MIN)? {
            let some = some_rows(tx, provider, (Kind::Payout, Some(&payouts.word)), currency)?;
            steps.add_many("payouts", payouts.amount, payouts.amounts, some)?;
        }
        if rows == 0 && balance.total.is_zero() && steps.by_name.is_empty() {
            continue;
        }
        let shown = bridge(
            format!("account of {provider}"),
            (
                format!("rows other than payouts, says {provider}"),
                Money::from_minor(rows, currency),
            ),
            (format!("closing balance, says {provider}"), balance.total),
            steps.list(),
        );
        accounts.push(shown.map_err(StoreError::corrupt)?);
    }
    Ok(accounts)
}

fn provider_to_bank(
    tx: &mut Tx<'_>,
    hub: &Hub,
    bank: &Connection,
) -> Result<Option<Shown>, StoreError> {
    let ends = documents::statement_ends(tx, &bank.name)?;
    let Some((Document::BankStatement(first), Document::BankStatement(last))) = ends else {
        return Ok(None);
    };
    let (Some(opening), Some(closing)) = (first.opening, last.closing) else { return Ok(None) };
    let currency = closing.currency();
    let banked = closing.checked_sub(opening).map_err(StoreError::corrupt)?;

    let mut steps = Steps::new(currency);
    let mut paid = 0;
    for provider in hub.setup.connections.values() {
        if provider.entity != bank.entity {
            continue;
        }
        let left = (Kind::Payout, LEFT);
        paid = add(paid, total(tx, &provider.name, left, currency, Timestamp::MIN)?)?;
        for (payout, amount) in documents::payouts_not_banked(tx, &provider.name, currency)? {
            let key = format!("bank/{}/{payout}", provider.name);
            let mut on_bank = 0;
            for (_, _, item) in scopes::matches_of(tx, &key)? {
                let line = facts::find_item(tx, &item)?;
                if let Some(line) = line.filter(|line| line.item.side == Side::Bank) {
                    on_bank = add(on_bank, line.item.amount.minor())?;
                }
            }
            if on_bank != amount {
                let step = format!("payout: {}", standing(tx, &key)?);
                steps.add(step, sub(amount, on_bank)?, &key)?;
            }
        }
    }
    for lines in facts::lines_beside_payouts(tx, &bank.name, currency, EVIDENCE_MAX)? {
        let step =
            if lines.of_orders { "bank transfers for orders" } else { "lines that are no payout" };
        steps.add_many(step, sub(0, lines.amount)?, lines.count, lines.some)?;
    }
    let shown = bridge(
        format!("payouts → {}", bank.name),
        ("payouts, say the providers", Money::from_minor(paid, currency)),
        (format!("closing less opening of {}", bank.name), banked),
        steps.list(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}
