//! Settlement reports, flat file V2: what Amazon paid out for two weeks, row by row.
//!
//! | module      | holds                                                          |
//! |-------------|----------------------------------------------------------------|
//! | [`table`]   | rows under headings                                            |
//! | [`amounts`] | the decimal mark of the file, and its control total            |
//! | [`dates`]   | moments as each marketplace writes them                        |
//! | [`class`]   | what a row is                                                  |
//! | [`refunds`] | the refunds that rows state                                    |
//!
//! A file passes whole or is refused whole: one wrong row, and nothing of it is believed.

mod amounts;
mod class;
mod dates;
mod refunds;
pub mod table;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use trueup_connect::DecodeError;
use trueup_domain::document::{Document, LedgerRow, Payout, PayoutStatus, RowClass, Version};
use trueup_domain::money::{Currency, Money};

use self::class::{Part, Words};
use self::table::{Row, Table, short};

pub use self::dates::moment;

/// What only a report of the second version has.
pub const HEADING: &str = "amount-type";

/// One row that moves money.
struct Entry {
    number: usize,
    transaction: String,
    amount_type: String,
    description: String,
    class: RowClass,
    part: Option<Part>,
    amount: Money,
    order: Option<String>,
    adjustment: Option<String>,
    item: Option<String>,
    sku: Option<String>,
    promotion: Option<String>,
    posted: Timestamp,
    /// The refund that the row is a part of.
    refund: Option<String>,
}

/// What the first row of a file says of all of it.
struct Summary {
    id: String,
    currency: Currency,
    ended: Timestamp,
    deposited: Timestamp,
}

pub fn documents(table: &Table<'_>) -> Result<Vec<Document>, DecodeError> {
    let (head, rows) = parts(table)?;
    let summary = summary(table, head)?;
    let texts: Vec<&str> = rows.iter().map(|row| table.cell(row, "amount")).collect();
    let words: Vec<Words> = rows.iter().map(|row| words(table, row)).collect();
    // The transfer of an earlier settlement is told in some files, and is not a part of this one.
    let counted: Vec<bool> =
        words.iter().map(|words| words.class(true, true) != RowClass::Payout).collect();
    let total = table.cell(head, "total-amount");
    let amounts = amounts::read(total, &texts, &counted, summary.currency)?;
    let mut entries = Vec::new();
    for ((row, words), amount) in rows.iter().zip(&words).zip(amounts.rows) {
        entries.push(entry(table, row, words, amount)?);
    }
    refunds::name(&summary.id, &mut entries)?;
    let mut documents = vec![payout(&summary, amounts.total).into()];
    documents.extend(entries.iter().map(|entry| row(&summary, entry).into()));
    documents.extend(refunds::documents(&entries)?);
    Ok(documents)
}

/// The summary and the rows that move money.
fn parts<'t, 'a>(table: &'t Table<'a>) -> Result<(&'t Row<'a>, Vec<&'t Row<'a>>), DecodeError> {
    let is_summary = |row: &&Row<'a>| {
        table.cell(row, "transaction-type").is_empty()
            && !table.cell(row, "total-amount").is_empty()
    };
    let mut heads = table.rows().iter().filter(is_summary);
    let head = heads.next().ok_or_else(|| DecodeError::field("total-amount"))?;
    if let Some(second) = heads.next() {
        return Err(contradiction(format!("row {} is a second summary", second.number)));
    }
    let id = table.cell(head, "settlement-id");
    let others = table.rows().iter().filter(|row| row.number != head.number);
    let foreign = others.clone().find(|row| table.cell(row, "settlement-id") != id);
    if let Some(foreign) = foreign {
        let other = short(table.cell(foreign, "settlement-id"));
        return Err(contradiction(format!("row {} is of settlement `{other}`", foreign.number)));
    }
    Ok((head, others.collect()))
}

fn contradiction(why: String) -> DecodeError {
    DecodeError::Contradiction { what: "settlement", why }
}

fn summary(table: &Table<'_>, head: &Row<'_>) -> Result<Summary, DecodeError> {
    let id = table.filled(head, "settlement-id");
    let id = id.ok_or_else(|| DecodeError::field("settlement-id"))?;
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(DecodeError::field(format!("settlement-id `{}`", short(&id))));
    }
    let currency = Currency::parse(table.cell(head, "currency"))
        .map_err(|source| DecodeError::amount("currency", source))?;
    let ended = moment("settlement-end-date", table.cell(head, "settlement-end-date"))?;
    // A settlement that pays nothing out has no day on which it does.
    let deposited = match table.cell(head, "deposit-date") {
        "" => ended,
        text => moment("deposit-date", text)?,
    };
    Ok(Summary { id, currency, ended, deposited })
}

fn words(table: &Table<'_>, row: &Row<'_>) -> Words {
    Words::of(
        table.cell(row, "transaction-type"),
        table.cell(row, HEADING),
        table.cell(row, "amount-description"),
    )
}

fn entry(
    table: &Table<'_>,
    row: &Row<'_>,
    words: &Words,
    amount: Money,
) -> Result<Entry, DecodeError> {
    let posted = match (table.cell(row, "posted-date-time"), table.cell(row, "posted-date")) {
        ("", day) => moment("posted-date", day)?,
        (time, _) => moment("posted-date-time", time)?,
    };
    let order = table.filled(row, "order-id");
    Ok(Entry {
        number: row.number,
        transaction: table.cell(row, "transaction-type").to_owned(),
        amount_type: table.cell(row, HEADING).to_owned(),
        description: table.cell(row, "amount-description").to_owned(),
        class: words.class(amount.is_negative(), order.is_some()),
        part: words.part(),
        amount,
        order,
        adjustment: table.filled(row, "adjustment-id"),
        item: table.filled(row, "order-item-code"),
        sku: table.filled(row, "sku"),
        promotion: table.filled(row, "promotion-id"),
        posted,
        refund: None,
    })
}

fn payout(summary: &Summary, total: Money) -> Payout {
    Payout {
        id: summary.id.clone(),
        version: Version::at(summary.ended),
        // Amazon does not say when the bank has it.
        status: if total.is_negative() {
            PayoutStatus::CarriedForward
        } else {
            PayoutStatus::InTransit
        },
        amount: total,
        created_at: summary.ended,
        arrival: summary.deposited.to_zoned(TimeZone::UTC).date(),
        itemised: true,
        trace: None,
        descriptor: None,
        failure: None,
    }
}

fn row(summary: &Summary, entry: &Entry) -> LedgerRow {
    let object = match entry.class {
        RowClass::Refund => entry.refund.clone(),
        _ => entry.order.clone(),
    };
    let about = [entry.sku.as_deref(), entry.promotion.as_deref()];
    let about: Vec<&str> = about.into_iter().flatten().collect();
    LedgerRow {
        id: format!("{}/{}", summary.id, entry.number),
        class: entry.class,
        kind: format!("{}/{}/{}", entry.transaction, entry.amount_type, entry.description),
        gross: entry.amount,
        fee: Money::zero(summary.currency),
        net: entry.amount,
        fees: Vec::new(),
        presentment: None,
        object,
        capture: entry.order.clone(),
        order: entry.order.clone(),
        payout: Some(summary.id.clone()),
        occurred_at: entry.posted,
        available_on: None,
        description: (!about.is_empty()).then(|| about.join(", ")),
    }
}
