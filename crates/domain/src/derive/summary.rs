//! The entries that sum up the sales of one channel and currency: of a day, of a payout, or what is
//! open of a month when it ends (`POSTING.md` P5, P21); and those that sum up what the ledger of a
//! provider says beside, of a payout or a month.
//!
//! The rows that go into an entry are chosen once, when it is made, and stay in it: what is known
//! later goes into a further one. So each entry is the sum of a list of rows, all of one month, and
//! all entries of a channel are the sum of all rows of its sales.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;

use super::{DeriveError, Derived, Standing, Surroundings, Waiting};
use crate::command::{AccountLine, Content, EntryContent, EntryOrder, EntryTax, TargetRef};
use crate::document::BooksTax;
use crate::fact::{Command, Fact, FactContent};
use crate::item::{Item, ItemKind, Side};
use crate::journal::{Entry, Role, Summed};
use crate::mapping::{Mapping, Missing};
use crate::money::{Currency, Money, MoneyError};
use crate::posting::Span;

/// Business days in which an entry should be in the books once it is made.
const BOOKS_DUE_BUSINESS_DAYS: u32 = 1;

/// What the lines of the receivable are called in the books, by what their rows state. They are
/// kept apart so that the books themselves can say what was sold and what was given back.
pub const ORDERS: &str = "orders";
pub const REFUNDS: &str = "refunds";
const PAYMENTS: &str = "payments";
const REPAYMENTS: &str = "repayments";

/// Tells what a provider's ledger says from sales where both are summed up.
pub const LEDGER: &str = "ledger/";

/// What some entries sum up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    pub span: Span,
    /// What the ledger of a provider says, rather than sales.
    pub ledger: bool,
    pub currency: Currency,
}

impl Of {
    /// From the id of their root, `<span>/<currency>` or `<span>/ledger/<currency>`.
    pub fn parse(root: &str) -> Option<Self> {
        let (span, currency) = root.rsplit_once('/')?;
        let of_ledger = span.strip_suffix(LEDGER.trim_end_matches('/'));
        let of_ledger = of_ledger.and_then(|span| span.strip_suffix('/'));
        let span = Span::parse(of_ledger.unwrap_or(span))?;
        let currency = Currency::parse(currency).ok()?;
        Some(Self { span, ledger: of_ledger.is_some(), currency })
    }

    /// For people.
    fn name(&self) -> String {
        let ledger = if self.ledger { " ledger" } else { "" };
        format!("{}{ledger} {}", self.span, self.currency.code())
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = if self.ledger { LEDGER } else { "" };
        write!(f, "{}/{ledger}{}", self.span, self.currency.code())
    }
}

/// One entry: its number within the day, and its rows.
#[derive(Clone, Debug)]
pub struct Part {
    /// 1 for the first entry of a day, month or payout; later ones hold what was known later, and
    /// the next month's rows of a payout.
    pub number: u32,
    /// The day on which its rows were chosen.
    pub made_on: Date,
    /// The day on which it stands in the books: of the same month as its rows, and after them.
    pub dated: Date,
    pub rows: Vec<SummedRow>,
}

/// An entry of the sub-ledger as it is summed up.
#[derive(Clone, Debug)]
pub struct SummedRow {
    /// The root that states it: a sale, a row of a ledger.
    pub root: String,
    /// The source's id and number of it.
    pub order: String,
    pub number: String,
    /// It takes the entry back.
    pub reversal: bool,
    pub entry: Entry,
}

/// What rows state in the books once their entry is posted there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedByRows {
    pub kind: ItemKind,
    pub key: String,
    pub amount: Money,
    /// Of orders.
    pub tax: Money,
}

/// The key under which channel and books state what an entry comes to.
pub fn entry_key(connection: &str, of: &Of, number: u32) -> String {
    format!("entry/{connection}/{of}/{number}")
}

/// The keys of a tax of an entry and of its base.
pub(crate) fn tax_keys(entry_key: &str, tax: &str) -> (String, String) {
    (format!("entry_tax/{entry_key}/{tax}"), format!("entry_base/{entry_key}/{tax}"))
}

pub fn derive(of: &Of, parts: &[Part], around: &Surroundings<'_>) -> Result<Derived, DeriveError> {
    let day = match of.span {
        Span::Day(day) => Some(day),
        Span::Month(_) | Span::Payout { .. } => parts.iter().map(|part| part.dated).max(),
    };
    let mut derived = Derived {
        standing: Standing { number: of.name(), state: "summed".to_owned(), day, amount: None },
        ..Derived::default()
    };
    derived.standing.amount = Some(comes_to(of, parts)?);
    let Some(mapping) = around.mapping else {
        derived.waiting = Some(Waiting::NoMapping);
        return Ok(derived);
    };
    let mut missing = Vec::new();
    for part in parts {
        match content(of, part, mapping, around.connection)? {
            Ok(Some(content)) => facts_of(&mut derived, of, part, content, mapping, around)?,
            // What its rows take back and book anew cancels out.
            Ok(None) => {}
            Err(lacks) => missing.extend(lacks),
        }
    }
    if !missing.is_empty() {
        missing.sort();
        missing.dedup();
        derived.waiting = Some(Waiting::Mapping(missing));
    }
    Ok(derived)
}

/// What was sold, or what a ledger moved to clearing beside it.
fn comes_to(of: &Of, parts: &[Part]) -> Result<Money, MoneyError> {
    let mut sum = Money::zero(of.currency);
    for part in parts {
        if !of.ledger {
            for stated in stated(of.currency, &part.rows)? {
                if stated.kind == ItemKind::Document {
                    sum = sum.checked_add(stated.amount)?;
                }
            }
            continue;
        }
        for row in &part.rows {
            for line in row.entry.lines.iter().filter(|line| line.role == Role::Clearing) {
                sum = sum.checked_add(signed(row, line.amount)?)?;
            }
        }
    }
    Ok(sum)
}

/// The command of one entry, and what must be found in the books of it.
fn facts_of(
    derived: &mut Derived,
    of: &Of,
    part: &Part,
    content: EntryContent,
    mapping: &Mapping,
    around: &Surroundings<'_>,
) -> Result<(), DeriveError> {
    let key = entry_key(around.connection, of, part.number);
    let due = around.calendar.add_business_days(part.made_on, BOOKS_DUE_BUSINESS_DAYS);
    let mut item = |kind: ItemKind, key: String, amount: Money| {
        let item = Item {
            side: Side::Channel,
            kind,
            key: key.clone(),
            amount,
            date: part.dated,
            due: Some(due),
            hints: vec![content.reference.clone()],
        };
        derived.facts.push(Fact::new("item", key, FactContent::Item(item)));
    };
    item(ItemKind::Entry, key.clone(), content.debits().unwrap_or(Money::zero(of.currency)));
    for tax in taxes_of(&content)? {
        let (of_tax, of_base) = tax_keys(&key, &tax.tax);
        item(ItemKind::EntryTax, of_tax, tax.amount);
        item(ItemKind::EntryTax, of_base, tax.base);
    }
    let command = Command {
        target: mapping.target.clone(),
        content: Content::Entry(content),
        after: Vec::new(),
        states: Some((ItemKind::Entry, key)),
    };
    let part = part.number.to_string();
    derived.facts.push(Fact::new("entry", part, FactContent::Command(Box::new(command))));
    Ok(())
}

/// The taxes of an entry with their bases, as the books state them: positive for what is owed.
pub fn taxes_of(content: &EntryContent) -> Result<Vec<BooksTax>, MoneyError> {
    let mut sums: BTreeMap<&str, (Money, Money)> = BTreeMap::new();
    for line in &content.lines {
        for tax in &line.taxes {
            let zero = Money::zero(line.amount.currency());
            let (base, _) = sums.entry(tax).or_insert((zero, zero));
            *base = base.checked_sub(line.amount)?;
        }
    }
    for tax in &content.taxes {
        let zero = Money::zero(tax.amount.currency());
        let (_, amount) = sums.entry(&tax.tax).or_insert((zero, zero));
        *amount = amount.checked_sub(tax.amount)?;
    }
    let taxes = sums.into_iter().filter(|(_, (base, tax))| !base.is_zero() || !tax.is_zero());
    Ok(taxes.map(|(tax, (base, amount))| BooksTax { tax: tax.to_owned(), base, amount }).collect())
}

/// What tells the lines of an entry apart: tax × sign, and account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bucket {
    refund: bool,
    role: Role,
    qualifier: Option<String>,
    taxes: Vec<TargetRef>,
    /// Of the receivable: what its rows state.
    states: Option<ItemKind>,
}

fn content(
    of: &Of,
    part: &Part,
    mapping: &Mapping,
    connection: &str,
) -> Result<Result<Option<EntryContent>, Vec<Missing>>, DeriveError> {
    let sums = sums(&part.rows)?;
    if sums.values().all(|amount| amount.is_zero()) && is_nothing(of.currency, &part.rows)? {
        return Ok(Ok(None));
    }
    let (mut lines, mut taxes, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (bucket, amount) in sums {
        if amount.is_zero() && bucket.role != Role::Receivable {
            continue;
        }
        let refund = bucket.refund;
        if let (Role::TaxPayable, Some(tax)) = (bucket.role, &bucket.qualifier) {
            let name = if refund { "tax given back" } else { "tax" }.to_owned();
            taxes.push(EntryTax { tax: tax.clone(), name, amount, refund });
            continue;
        }
        match account(mapping, &bucket, of) {
            Ok(account) => {
                let name = name(&bucket);
                lines.push(AccountLine { account, name, amount, taxes: bucket.taxes, refund });
            }
            Err(lack) => missing.push(lack),
        }
    }
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    Ok(Ok(Some(EntryContent {
        company: mapping.company.clone(),
        journal: mapping.entry_journal.clone(),
        date: part.dated,
        reference: reference(of, part, connection),
        lines,
        taxes,
        orders: orders(&part.rows)?,
    })))
}

/// What people read in the books.
fn reference(of: &Of, part: &Part, connection: &str) -> String {
    let further =
        if part.number == 1 { String::new() } else { format!(", further entry {}", part.number) };
    let connection = if of.ledger { format!("{connection} ledger") } else { connection.to_owned() };
    match &of.span {
        Span::Day(day) => format!("{connection} {day}{further}"),
        Span::Month(_) => format!("{connection} {}, not paid out{further}", of.span),
        // A payout over the end of a month has an entry for each of them.
        Span::Payout { id, .. } => {
            format!("{connection} payout {id}, {}{further}", Span::month(part.dated))
        }
    }
}

/// The sum of the rows by what tells lines apart.
fn sums(rows: &[SummedRow]) -> Result<BTreeMap<Bucket, Money>, MoneyError> {
    let mut sums: BTreeMap<Bucket, Money> = BTreeMap::new();
    for row in rows {
        add(&mut sums, row)?;
    }
    Ok(sums)
}

fn add(sums: &mut BTreeMap<Bucket, Money>, row: &SummedRow) -> Result<(), MoneyError> {
    let summed = row.entry.summed.as_ref();
    let refund = summed.is_some_and(|it| it.refund);
    for line in &row.entry.lines {
        let bucket = Bucket {
            refund,
            role: line.role,
            qualifier: line.qualifier.clone(),
            taxes: line.taxes.clone(),
            states: summed.filter(|_| line.role == Role::Receivable).map(|it| it.states.0),
        };
        let amount = signed(row, line.amount)?;
        let sum = sums.entry(bucket).or_insert_with(|| Money::zero(amount.currency()));
        *sum = sum.checked_add(amount)?;
    }
    Ok(())
}

fn signed(row: &SummedRow, amount: Money) -> Result<Money, MoneyError> {
    if row.reversal { amount.checked_neg() } else { Ok(amount) }
}

fn account(mapping: &Mapping, bucket: &Bucket, of: &Of) -> Result<TargetRef, Missing> {
    match (bucket.role, &bucket.qualifier) {
        (Role::Clearing, Some(provider)) if of.ledger => {
            mapping.ledger_account(provider, of.currency)
        }
        (Role::Clearing, Some(provider)) => mapping.clearing_account(provider, of.currency),
        (role, qualifier) => mapping.account(role, qualifier.as_deref()),
    }
}

fn name(bucket: &Bucket) -> String {
    let words = bucket.role.word().replace('_', " ");
    match bucket.states {
        Some(ItemKind::Document) => ORDERS.to_owned(),
        Some(ItemKind::RefundDocument) => REFUNDS.to_owned(),
        Some(ItemKind::Capture) => PAYMENTS.to_owned(),
        Some(_) => REPAYMENTS.to_owned(),
        None if bucket.refund => format!("{words}, given back"),
        None => words,
    }
}

/// Each order of whose sale the rows book something, once. One whose rows cancel out is not booked,
/// nor is one that they only take out: that may well be in the target by another road by now.
fn orders(rows: &[SummedRow]) -> Result<Vec<EntryOrder>, MoneyError> {
    let mut orders: BTreeMap<&str, (&str, bool, BTreeMap<Bucket, Money>)> = BTreeMap::new();
    for row in rows {
        if states(row).is_none_or(|(kind, _)| *kind != ItemKind::Document) {
            continue;
        }
        let order = orders.entry(&row.order);
        let (_, adds, sums) = order.or_insert((&row.number, false, BTreeMap::new()));
        *adds |= !row.reversal;
        add(sums, row)?;
    }
    let mut booked = Vec::new();
    for (id, (number, adds, sums)) in orders {
        if adds && sums.values().any(|amount| !amount.is_zero()) {
            booked.push(EntryOrder { id: id.to_owned(), number: number.to_owned() });
        }
    }
    Ok(booked)
}

fn states(row: &SummedRow) -> Option<&(ItemKind, String)> {
    row.entry.summed.as_ref().map(|Summed { states, .. }| states)
}

/// What some rows state, by key.
pub fn stated(currency: Currency, rows: &[SummedRow]) -> Result<Vec<StatedByRows>, MoneyError> {
    let zero = Money::zero(currency);
    let mut sums: BTreeMap<&(ItemKind, String), (Money, Money)> = BTreeMap::new();
    for row in rows {
        let Some(states) = states(row) else { continue };
        let (amount, tax) = sums.entry(states).or_insert((zero, zero));
        for line in &row.entry.lines {
            let own = signed(row, line.amount)?;
            match line.role {
                Role::Receivable => *amount = amount.checked_add(own)?,
                Role::TaxPayable => *tax = tax.checked_sub(own)?,
                _ => {}
            }
        }
    }
    let mut all = Vec::new();
    for ((kind, key), (amount, tax)) in sums {
        // Orders and what is paid back are owed by the buyer; what he pays and gets is owed to him.
        let amount = match kind {
            ItemKind::RefundDocument | ItemKind::Capture => amount.checked_neg()?,
            ItemKind::RefundPaid if key.ends_with(super::books::BACK) => amount.checked_neg()?,
            _ => amount,
        };
        all.push(StatedByRows { kind: *kind, key: key.clone(), amount, tax });
    }
    Ok(all)
}

/// The taxes of what rows state under one key, positive for what is owed on an order and for what is
/// given back on a refund.
pub fn taxes_of_key(rows: &[SummedRow], key: &str) -> Result<Vec<(TargetRef, Money)>, MoneyError> {
    let mut taxes: BTreeMap<&TargetRef, Money> = BTreeMap::new();
    for row in rows {
        let Some((kind, _)) = states(row).filter(|(_, own)| own == key) else { continue };
        for line in row.entry.lines.iter().filter(|line| line.role == Role::TaxPayable) {
            let Some(tax) = &line.qualifier else { continue };
            let own = signed(row, line.amount)?;
            let sum = taxes.entry(tax).or_insert_with(|| Money::zero(own.currency()));
            *sum = match kind {
                ItemKind::RefundDocument => sum.checked_add(own)?,
                _ => sum.checked_sub(own)?,
            };
        }
    }
    Ok(taxes.into_iter().map(|(tax, amount)| (tax.clone(), amount)).collect())
}

/// Whether the rows state nothing of any order.
fn is_nothing(currency: Currency, rows: &[SummedRow]) -> Result<bool, MoneyError> {
    Ok(stated(currency, rows)?.iter().all(|one| one.amount.is_zero() && one.tax.is_zero()))
}
