//! Rows to documents. The bodies are ours: a read wraps the exact bytes of Odoo's rows with the
//! model they came from.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::{DecodeError, Decoded, Message, json};
use trueup_domain::document::{BankLine, BankReferences, BooksRecord, BooksTax, Document, Version};
use trueup_domain::money::{Currency, Money};

use crate::wire::Row;

pub const BOOKS_RECORD: &str = "books_record";
pub const BANK_LINE: &str = "bank_line";

pub const ORDER: &str = "sale.order";
pub const MOVE: &str = "account.move";
pub const PAYMENT: &str = "account.payment";

pub const ORDER_FIELDS: &[&str] = &[
    "name",
    "state",
    "amount_total",
    "amount_tax",
    "currency_id",
    "company_id",
    "date_order",
    "write_date",
    "create_uid",
    "write_uid",
];
pub const MOVE_FIELDS: &[&str] = &[
    "name",
    "state",
    "move_type",
    "amount_total",
    "amount_tax",
    "amount_residual",
    "currency_id",
    "company_id",
    "date",
    "write_date",
    "create_uid",
    "write_uid",
];
pub const PAYMENT_FIELDS: &[&str] = &[
    "name",
    "state",
    "amount",
    "currency_id",
    "company_id",
    "date",
    "journal_id",
    "move_id",
    "outstanding_account_id",
    "write_date",
    "create_uid",
    "write_uid",
];
/// Lines of moves, from which taxes and their bases are read in the document's own currency.
pub const LINE_FIELDS: &[&str] = &["move_id", "tax_ids", "tax_line_id", "amount_currency"];

pub fn fields_of(model: &str) -> &'static [&'static str] {
    match model {
        ORDER => ORDER_FIELDS,
        PAYMENT => PAYMENT_FIELDS,
        _ => MOVE_FIELDS,
    }
}

/// A record of the books as a read hands it on.
#[derive(Deserialize)]
struct Wrapped<'a> {
    model: String,
    #[serde(borrow, default)]
    row: Option<&'a RawValue>,
    #[serde(default)]
    lines: Vec<&'a RawValue>,
    /// Set for a record that is no longer there.
    #[serde(default)]
    gone: Option<Gone>,
}

#[derive(Deserialize)]
struct Gone {
    id: i64,
    company: String,
    currency: Currency,
    seen: jiff::Timestamp,
}

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    if let Some(at) = message.kind.strip_prefix(crate::totals::KIND) {
        return Ok(Decoded::Documents(vec![crate::totals::decode(at, message.body)?.into()]));
    }
    match message.kind {
        BOOKS_RECORD => Ok(Decoded::Documents(vec![books_record(message.body)?.into()])),
        BANK_LINE => Ok(Decoded::Documents(vec![bank_line(message.body)?.into()])),
        _ => match books_record(message.body) {
            Ok(record) => Ok(Decoded::Documents(vec![Document::from(record)])),
            Err(_) => bank_line(message.body)
                .map(|line| Decoded::Documents(vec![line.into()]))
                .map_err(|_| DecodeError::UnknownKind),
        },
    }
}

fn rows_of(raw: &[&RawValue]) -> Result<Vec<Row>, DecodeError> {
    raw.iter().map(|raw| json::read(raw.get().as_bytes())).collect()
}

fn wrapped(body: &[u8]) -> Result<Wrapped<'_>, DecodeError> {
    if body.len() > trueup_connect::message::BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable("too large".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| DecodeError::Unreadable(error.to_string()))
}

fn books_record(body: &[u8]) -> Result<BooksRecord, DecodeError> {
    let wrapped = wrapped(body)?;
    if let Some(gone) = wrapped.gone {
        let zero = Money::zero(gone.currency);
        return Ok(BooksRecord {
            id: format!("{}/{}", wrapped.model, gone.id),
            version: Version::at(gone.seen),
            kind: "gone".to_owned(),
            name: None,
            effect_key: None,
            state: "gone".to_owned(),
            date: None,
            opened: None,
            company: gone.company,
            total: zero,
            tax: zero,
            residual: None,
            taxes: Vec::new(),
            changed_by: None,
            gone: true,
        });
    }
    let row = wrapped.row.ok_or_else(|| DecodeError::field("row"))?;
    let row: Row = json::read(row.get().as_bytes())?;
    let mut record = record(&wrapped.model, &row)?;
    let lines = rows_of(&wrapped.lines)?;
    record.taxes = taxes(&lines.iter().collect::<Vec<_>>(), &record)?;
    Ok(record)
}

/// Reads one record, without the taxes of a move.
pub fn record(model: &str, row: &Row) -> Result<BooksRecord, DecodeError> {
    let currency = row.currency("currency_id")?;
    let (kind, total, tax, residual, date) = match model {
        ORDER => {
            let date = row.moment("date_order")?.to_zoned(jiff::tz::TimeZone::UTC).date();
            (
                "order",
                row.money("amount_total", currency)?,
                row.money("amount_tax", currency)?,
                None,
                Some(date),
            )
        }
        PAYMENT => (
            "payment",
            row.money("amount", currency)?,
            Money::zero(currency),
            None,
            row.date("date")?,
        ),
        MOVE => (
            move_kind(&row.word("move_type")?)?,
            row.money("amount_total", currency)?,
            row.money("amount_tax", currency)?,
            Some(row.money("amount_residual", currency)?),
            row.date("date")?,
        ),
        other => return Err(DecodeError::unknown("model", other)),
    };
    let maker = row.reference("create_uid")?;
    let writer = row.reference("write_uid")?;
    let changed_by =
        writer.filter(|writer| maker.as_ref().is_some_and(|maker| maker.0 != writer.0));
    Ok(BooksRecord {
        id: format!("{model}/{}", row.id()?),
        version: Version::at(row.moment("write_date")?),
        kind: kind.to_owned(),
        name: row.text("name")?.filter(|name| name != "/"),
        effect_key: None,
        state: row.word("state")?,
        date,
        opened: None,
        company: row.reference_id("company_id")?.to_string(),
        total,
        tax,
        residual: residual.filter(|_| kind != "entry"),
        taxes: Vec::new(),
        changed_by: changed_by.map(|(_, name)| name),
        gone: false,
    })
}

fn move_kind(word: &str) -> Result<&'static str, DecodeError> {
    Ok(match word {
        "out_invoice" | "out_receipt" => "invoice",
        "out_refund" => "credit_note",
        "entry" => "entry",
        "in_invoice" | "in_receipt" => "bill",
        "in_refund" => "bill_refund",
        other => return Err(DecodeError::unknown("move_type", other)),
    })
}

/// Taxes with their bases, positive on an invoice and on a credit note. Odoo's own base is in the
/// company's currency, so it is summed from the lines.
pub fn taxes(lines: &[&Row], record: &BooksRecord) -> Result<Vec<BooksTax>, DecodeError> {
    let currency = record.total.currency();
    let refund = record.kind == "credit_note";
    let zero = Money::zero(currency);
    let mut found: BTreeMap<i64, (Money, Money)> = BTreeMap::new();
    let mut bases: BTreeMap<i64, Money> = BTreeMap::new();
    let field = "amount_currency";
    for line in lines {
        let amount = line.money(field, currency)?;
        let negated = if refund { Ok(amount) } else { amount.checked_neg() };
        let amount = negated.map_err(|source| DecodeError::amount(field, source))?;
        let plus = |sum: Money| {
            sum.checked_add(amount).map_err(|source| DecodeError::amount(field, source))
        };
        if let Some((tax, _)) = line.reference("tax_line_id")? {
            let entry = found.entry(tax).or_insert((zero, zero));
            entry.1 = plus(entry.1)?;
        }
        for tax in line.ids("tax_ids")? {
            let base = bases.entry(tax).or_insert(zero);
            *base = plus(*base)?;
        }
    }
    for (tax, base) in bases {
        found.entry(tax).or_insert((zero, zero)).0 = base;
    }
    Ok(found
        .into_iter()
        .map(|(tax, (base, amount))| BooksTax { tax: tax.to_string(), base, amount })
        .collect())
}

pub const BANK_LINE_MODEL: &str = "account.bank.statement.line";
pub const BANK_LINE_FIELDS: &[&str] = &[
    "journal_id",
    "company_id",
    "currency_id",
    "date",
    "amount",
    "payment_ref",
    "ref",
    "partner_name",
    "statement_id",
    "transaction_type",
    "is_reconciled",
    "write_date",
];

fn bank_line(body: &[u8]) -> Result<BankLine, DecodeError> {
    let wrapped = wrapped(body)?;
    if wrapped.model != BANK_LINE_MODEL {
        return Err(DecodeError::unknown("model", &wrapped.model));
    }
    let row = wrapped.row.ok_or_else(|| DecodeError::field("row"))?;
    let row: Row = json::read(row.get().as_bytes())?;
    let currency = row.currency("currency_id")?;
    let (journal, _) =
        row.reference("journal_id")?.ok_or_else(|| DecodeError::field("journal_id"))?;
    let statement = row.reference("statement_id")?;
    Ok(BankLine {
        id: format!("{BANK_LINE_MODEL}/{}", row.id()?),
        account: format!("account.journal/{journal}"),
        statement: statement
            .map(|(id, _)| format!("account.bank.statement/{id}"))
            .unwrap_or_default(),
        amount: row.money("amount", currency)?,
        booked_on: row.date("date")?.ok_or_else(|| DecodeError::field("date"))?,
        value_on: None,
        references: BankReferences { transaction: row.text("ref")?, ..BankReferences::default() },
        counterparty: row.text("partner_name")?,
        text: row.text("payment_ref")?.unwrap_or_default(),
        batch: None,
        reversal: false,
        code: row.text("transaction_type")?,
    })
}
