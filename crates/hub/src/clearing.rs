//! What stands between sale and payout: the movements of each provider's clearing, and its tie to the
//! balance that the books state of their own account and to what the provider owes (`POSTING.md` P3, P8).
//!
//! | step to the books          | what it is                                                         |
//! |----------------------------|--------------------------------------------------------------------|
//! | captures, refunds          | of which channel and books state otherwise, by how their key stands |
//! | rows that the books lack   | of the ledger: for no entry (older than the day since which it goes in, or of an unknown type), or in none yet |
//! | booked by another hand     | what somebody else posted on the account, as the books sum it up    |
//!
//! | step to the provider       | what it is                                                         |
//! |----------------------------|--------------------------------------------------------------------|
//! | captures, refunds          | of which sub-ledger and provider state otherwise by then           |
//! | payouts                    | that took other than their rows, or name none                      |

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use trueup_domain::document::{BooksRecord, Document, Kind};
use trueup_domain::item::Side;
use trueup_domain::journal::Role;
use trueup_domain::mapping::Mapping;
use trueup_domain::money::{Currency, Money};
use trueup_matching::bridge::{Bridge, Step, bridge};
use trueup_store::clearing::{self as store, Movement};
use trueup_store::{StoreError, Tx, documents, facts, mappings};

use crate::bridges::{BY_ANOTHER_HAND, Steps, standing};
use crate::setup::Hub;
use crate::taxes::add;

/// The kind of record in which the books state what an account holds in a month.
const ACCOUNT_TOTALS: &str = "account_totals";
/// Follows the account where the sum is of what others made.
const OTHERS: &str = ":others";

/// What is asked of the report: a month, because the books state their accounts by month.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Any day of it.
    pub month: Date,
    pub entity: Option<String>,
}

impl Wanted {
    /// Of this month, or of the one before that of `now`: who closes a month asks for the last.
    pub fn of(month: Option<Date>, entity: Option<String>, now: Timestamp) -> Self {
        let before = || now.to_zoned(TimeZone::UTC).date().saturating_sub(1.month());
        Self { month: month.unwrap_or_else(before), entity }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub from: String,
    pub to: String,
    pub as_of: Timestamp,
    pub accounts: Vec<Account>,
}

/// Rows of a ledger that were in no payout at the end of the month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotPaidOut {
    pub count: i64,
    pub amount: Money,
    /// The day of the oldest; none where there is none.
    pub since: Option<String>,
    /// Some of them, the oldest first.
    pub some: Vec<String>,
}

/// The clearing of one provider in one currency over the month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    pub entity: String,
    pub provider: String,
    pub currency: Currency,
    pub opening: Money,
    /// What customers paid.
    pub captured: Money,
    /// What went back to them: below zero.
    pub refunded: Money,
    /// Fees, disputes, reserves, conversions and what else the provider's ledger says.
    pub ledger: Money,
    /// What left for the bank: below zero.
    pub paid_out: Money,
    /// What bank lines were, that were matched with it.
    pub matched: Money,
    pub closing: Money,
    /// What the provider owes of it.
    pub not_paid_out: NotPaidOut,
    /// From the closing to that: what one of the two alone knows, such as a capture that the provider
    /// dates a day later.
    pub owed: Bridge,
    /// From the closing to what the books hold; none until they have stated it.
    pub tie: Option<Bridge>,
}

/// The clearing of every provider over a month. What never moved is left out.
pub fn build(
    tx: &mut Tx<'_>,
    hub: &Hub,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Report, StoreError> {
    let last = wanted.month.last_of_month();
    let (from, to) = (wanted.month.first_of_month().to_string(), last.to_string());
    let mut by_account: BTreeMap<(String, String, String), Vec<Movement>> = BTreeMap::new();
    for moved in store::movements(tx, (&from, &to))? {
        let key = (moved.entity.clone(), moved.qualifier.clone(), moved.currency.clone());
        by_account.entry(key).or_default().push(moved);
    }
    let mut accounts = Vec::new();
    for ((entity, provider, code), moved) in by_account {
        // Of a gateway without a ledger nothing is paid out.
        let is_wanted = wanted.entity.as_ref().is_none_or(|wanted| *wanted == entity);
        if hub.connection(&provider).is_none() || !is_wanted {
            continue;
        }
        let currency = Currency::parse(&code).map_err(StoreError::corrupt)?;
        let sum = |of: &dyn Fn(&Movement) -> i64| -> Result<Money, StoreError> {
            let minor = moved.iter().map(of).try_fold(0, add)?;
            Ok(Money::from_minor(minor, currency))
        };
        let of_kind = |kinds: &'static [&'static str]| {
            sum(&move |it| if kinds.contains(&it.kind.as_str()) { it.within } else { 0 })
        };
        let opening = sum(&|it| it.before)?;
        let within = sum(&|it| it.within)?;
        let closing = opening.checked_add(within).map_err(StoreError::corrupt)?;
        let (captured, refunded) = (of_kind(&["capture"])?, of_kind(&["refund_paid"])?);
        let (paid_out, matched) = (of_kind(&["payout"])?, of_kind(&["match"])?);
        let mut rest = [captured, refunded, paid_out, matched].into_iter();
        let ledger = rest.try_fold(within, Money::checked_sub).map_err(StoreError::corrupt)?;
        let open = store::not_paid_out(tx, (&entity, &provider, currency), &to)?;
        let not_paid_out = NotPaidOut {
            count: open.count,
            amount: Money::from_minor(open.amount, currency),
            since: open.since,
            some: open.some,
        };
        let matched_ever = sum(&|it| if it.kind == "match" { it.before + it.within } else { 0 })?;
        let sums = (closing, matched_ever, not_paid_out.amount);
        let owed = owed(tx, (&entity, &provider), sums, last)?;
        accounts.push(Account {
            entity,
            provider,
            currency,
            opening,
            captured,
            refunded,
            ledger,
            paid_out,
            matched,
            closing,
            not_paid_out,
            owed,
            tie: None,
        });
    }
    let mut posted = Vec::new();
    for account in &accounts {
        posted.extend(Posted::of(tx, account, last)?);
    }
    for account in &mut accounts {
        account.tie = tie(tx, account, &posted, last)?;
    }
    Ok(Report { from, to, as_of: now, accounts })
}

/// What the books hold of a provider's clearing, if they have what was sent.
struct Posted {
    provider: String,
    mapping: Mapping,
    /// Of the books. Several providers may clear on it.
    account: String,
    /// From the closing.
    lacking: Vec<Step>,
    amount: Money,
}

impl Posted {
    /// `None` where no mapping says on which one account it is.
    fn of(tx: &mut Tx<'_>, of: &Account, to: Date) -> Result<Option<Self>, StoreError> {
        let mapped = mappings::of_provider(tx, &of.provider)?;
        let found = mapped.into_iter().find(|(_, it)| it.entity == of.entity);
        let Some((_, mapping)) = found else { return Ok(None) };
        let Ok(account) = mapping.ledger_account(&of.provider, of.currency) else {
            return Ok(None);
        };
        let lacking = lacking(tx, (&of.entity, &of.provider, of.currency), to)?.list();
        let all = Money::sum(of.currency, lacking.iter().map(|step| step.amount));
        let amount =
            all.and_then(|all| of.closing.checked_sub(all)).map_err(StoreError::corrupt)?;
        Ok(Some(Self { provider: of.provider.clone(), mapping, account, lacking, amount }))
    }

    fn is_of(&self, of: &Account) -> bool {
        let entity = self.mapping.entity == of.entity;
        entity && self.provider == of.provider && self.amount.currency() == of.currency
    }

    fn is_beside(&self, other: &Self) -> bool {
        let place = |it: &Self| {
            let Mapping { target, company, .. } = &it.mapping;
            (target.clone(), company.clone(), it.account.clone(), it.amount.currency())
        };
        self.provider != other.provider && place(self) == place(other)
    }
}

/// From what the sub-ledger holds on a provider's clearing at the end of a day to what the provider owes:
/// the rows of its ledger that are in no payout.
fn owed(
    tx: &mut Tx<'_>,
    (entity, provider): (&str, &str),
    (closing, matched, open): (Money, Money, Money),
    to: Date,
) -> Result<Bridge, StoreError> {
    let currency = closing.currency();
    let until = to.to_string();
    let mut steps = Steps::new(currency);
    let beside = [Side::Channel, Side::Books];
    tenders(tx, &mut steps, provider, (Side::Settlement, &beside), to)?;
    let of_provider = (entity, provider, currency);
    let mut unlike: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (key, rows, moved) in store::payouts_unlike_their_rows(tx, of_provider, &until)? {
        unlike.insert(key, (rows, moved));
    }
    // What came back is a row of its own of the provider's, beside those that had left with the payout.
    for (key, back) in came_back(tx, of_provider, &until)? {
        let (rows, _) = unlike.entry(key).or_default();
        *rows = rows.checked_sub(back).ok_or_else(|| StoreError::corrupt("a sum too large"))?;
    }
    for (key, (rows, moved)) in unlike {
        let name = match moved {
            0 => "payouts that did not leave, or came back".to_owned(),
            _ => format!("payout: {}", standing(tx, &key)?),
        };
        steps.add(name, add(rows, moved)?, &key)?;
    }
    for (root, taken) in store::payouts_without_rows(tx, of_provider, &until)? {
        steps.add("payouts that name no rows", taken, &root)?;
    }
    steps.add("matched with the bank", matched.minor(), provider)?;
    let shown = bridge(
        format!("clearing of {provider} at the provider"),
        (format!("clearing of {provider}, says the sub-ledger"), closing),
        (format!("rows in no payout, says {provider}"), open),
        steps.list(),
    );
    shown.map_err(StoreError::corrupt)
}

/// What came back of payouts by a row of the provider's, by the key of the payout; by that of the row
/// where it names none.
fn came_back(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    until: &str,
) -> Result<Vec<(String, i64)>, StoreError> {
    let back = store::rows_of_what_came_back(tx, (entity, provider, currency), until)?;
    let roots: Vec<String> = back.iter().map(|(root, _)| root.clone()).collect();
    let rows: BTreeMap<_, _> = documents::ledger_rows(tx, &roots)?.into_iter().collect();
    let keyed = back.into_iter().map(|(root, amount)| {
        let payout = rows.get(&root).and_then(|row| row.object.as_ref());
        (payout.map_or(root, |id| format!("payout/{provider}/{id}")), amount)
    });
    Ok(keyed.collect())
}

/// From what the sub-ledger holds on a provider's clearing at the end of a day to what the books do.
fn tie(
    tx: &mut Tx<'_>,
    of: &Account,
    posted: &[Posted],
    to: Date,
) -> Result<Option<Bridge>, StoreError> {
    let Account { provider, currency, closing, .. } = of;
    let (currency, closing) = (*currency, *closing);
    let Some(own) = posted.iter().find(|it| it.is_of(of)) else { return Ok(None) };
    let Posted { mapping, account, lacking, .. } = own;
    let Some((of_us, of_others)) = held(tx, mapping, account, currency, to)? else {
        return Ok(None);
    };
    let mut steps = Steps::new(currency);
    for other in posted.iter().filter(|other| own.is_beside(other)) {
        let amount = other.amount.checked_neg().map_err(StoreError::corrupt)?.minor();
        let name = format!("clearing of {} on the same account", other.provider);
        steps.add(name, amount, &other.provider)?;
    }
    let by_hand = of_others.checked_neg().map_err(StoreError::corrupt)?.minor();
    steps.add(BY_ANOTHER_HAND, by_hand, &format!("{} {account}", mapping.target))?;
    let books = of_us.checked_add(of_others).map_err(StoreError::corrupt)?;
    let shown = bridge(
        format!("clearing of {provider} in the books"),
        (format!("clearing of {provider}, says the sub-ledger"), closing),
        (format!("account {account}, asked of the books"), books),
        lacking.iter().cloned().chain(steps.list()).collect(),
    );
    shown.map(Some).map_err(StoreError::corrupt)
}

/// What the sub-ledger holds on a provider's clearing and the books do not have yet.
fn lacking(
    tx: &mut Tx<'_>,
    (entity, provider, currency): (&str, &str, Currency),
    to: Date,
) -> Result<Steps, StoreError> {
    let mut steps = Steps::new(currency);
    let until = to.to_string();
    tenders(tx, &mut steps, provider, (Side::Books, &[Side::Channel]), to)?;
    for lacks in store::not_in_books(tx, (entity, provider, currency), &until)? {
        let name = match lacks.why.as_str() {
            "not_gathered" => "of the ledger, for no entry",
            "in_no_entry" => "of the ledger, in no entry yet",
            "dated_later" => "of the ledger, in an entry of a later day",
            "by_another_hand" => "matched with the bank",
            _ => "of the ledger, in an entry that the books do not have",
        };
        steps.add_many(name, lacks.amount, lacks.count, lacks.some)?;
    }
    Ok(steps)
}

/// The steps of the captures and refunds that a side does not hold as the sub-ledger does: they are among
/// those that it states otherwise than the sides beside it.
fn tenders(
    tx: &mut Tx<'_>,
    steps: &mut Steps,
    provider: &str,
    (side, beside): (Side, &[Side]),
    to: Date,
) -> Result<(), StoreError> {
    let (currency, until) = (steps.currency(), to.to_string());
    for (word, sign) in [("capture", 1), ("refund_paid", -1)] {
        let start = format!("{word}/{provider}/");
        let mut keys = BTreeSet::new();
        for other in beside {
            let sides = (side, *other);
            let unlike = facts::unlike_in_days(tx, &start, sides, currency, ("", &until))?;
            keys.extend(unlike.into_iter().map(|(key, _)| key));
        }
        for key in keys {
            tender(tx, steps, (word, &key), (provider, sign, side), to)?;
        }
    }
    Ok(())
}

/// The step of a capture or refund of which the sub-ledger and another side do not hold the same by then.
fn tender(
    tx: &mut Tx<'_>,
    steps: &mut Steps,
    (word, key): (&str, &str),
    of: (&str, i64, Side),
    to: Date,
) -> Result<(), StoreError> {
    let currency = steps.currency();
    let less = difference(tx, (key, currency), of, to)?;
    if less == 0 {
        return Ok(());
    }
    let why = if difference(tx, (key, currency), of, Date::MAX)? == 0 {
        "dated otherwise".to_owned()
    } else {
        match standing(tx, key)? {
            all if all == "proven" => "of a sale that is not booked here".to_owned(),
            standing => standing,
        }
    };
    steps.add(format!("{}: {why}", word.replace('_', " ")), less, key)
}

/// What the sub-ledger holds on clearing under a key less what another side states, at the end of a
/// day. Of a sale before the beginning it holds nothing, whatever the channel says.
fn difference(
    tx: &mut Tx<'_>,
    (key, currency): (&str, Currency),
    (provider, sign, other): (&str, i64, Side),
    to: Date,
) -> Result<i64, StoreError> {
    let until = to.to_string();
    let mut sum = 0;
    let mut seen = BTreeSet::new();
    for found in facts::items_of_key(tx, key)? {
        match found.item.side {
            side if side == other => {
                let amount = found.item.amount;
                if amount.currency() == currency && found.item.date <= to {
                    sum = add(sum, -sign * amount.minor())?;
                }
            }
            Side::Channel if seen.insert((found.root.clone(), found.part.clone())) => {
                for line in facts::lines_of_root(tx, &found.root)? {
                    let own = found.part.split_once('/') == Some((&line.kind, &line.part));
                    let of_account =
                        line.role == Role::Clearing.word() && line.qualifier == provider;
                    let of_currency = line.currency == currency.code();
                    if own && of_account && of_currency && line.day <= until {
                        sum = add(sum, line.amount)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(sum)
}

/// What the books hold on an account at the end of a day: what we made, and what others did.
fn held(
    tx: &mut Tx<'_>,
    mapping: &Mapping,
    account: &str,
    currency: Currency,
    to: Date,
) -> Result<Option<(Money, Money)>, StoreError> {
    let (zero, mut asked) = (Money::zero(currency), BTreeSet::new());
    let (mut of_us, mut of_others) = (zero, zero);
    for document in documents::of_word(tx, &mapping.target, Kind::BooksRecord, ACCOUNT_TOTALS)? {
        let Document::BooksRecord(record) = document else { continue };
        let BooksRecord { company, total, date, .. } = &*record;
        asked.insert(company.clone());
        if *company != mapping.company || total.currency() != currency {
            continue;
        }
        // `account_totals/<company>/<currency>/<account>/<month>`, and who made it.
        let word = record.id.split('/').nth(3).unwrap_or_default();
        let sum = match word.strip_suffix(OTHERS) {
            Some(own) if own == account => &mut of_others,
            None if word == account => &mut of_us,
            _ => continue,
        };
        // A month is a whole one or, of the month of the day, as much as the books hold.
        if date.is_none_or(|month| month <= to) {
            *sum = sum.checked_add(*total).map_err(StoreError::corrupt)?;
        }
    }
    Ok(asked.contains(&mapping.company).then_some((of_us, of_others)))
}
