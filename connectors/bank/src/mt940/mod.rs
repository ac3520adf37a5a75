//! MT940, the SWIFT customer statement, as banks really send it: with or without SWIFT blocks,
//! trailers and page numbers, and with `:86:` in the dialect of the country.

mod fields;
mod line;
mod narrative;

use jiff::civil::Date;
use trueup_connect::DecodeError;
use trueup_domain::document::BankReferences;
use trueup_domain::money::{Currency, Money, MoneyError};

use crate::decode::Read;
use crate::identity::{self, Evidence};
use crate::statement::{Content, Entry, Statement, squeeze};
use fields::Field;
use line::Line;

/// Whether the text has the tags of an MT94x message.
pub fn looks_like(text: &str) -> bool {
    let tagged = |line: &str| {
        [":20:", ":25:", ":28C:", ":60F:", ":60M:", ":61:", ":62F:", ":62M:"]
            .iter()
            .any(|tag| line.starts_with(tag))
    };
    text.lines().any(tagged) || text.trim_start().starts_with("{1:")
}

pub fn read(text: &str) -> Result<Read, DecodeError> {
    let messages = fields::messages(text)?;
    let interim = |fields: &Vec<Field>| {
        let has = |tags: &[&str]| fields.iter().any(|field| tags.contains(&field.tag));
        has(&["34F", "13D", "90C", "90D"]) && !has(&["60F", "60M"])
    };
    // MT942 announces what an MT940 will book; taking both would count money twice.
    if messages.iter().any(interim) {
        return Ok(Read::Interim("mt942"));
    }
    if messages.is_empty() {
        return Err(DecodeError::field(":20:"));
    }
    messages.iter().map(|fields| statement(fields)).collect::<Result<_, _>>().map(Read::Statements)
}

fn statement(fields: &[Field]) -> Result<Statement, DecodeError> {
    let opening = one(fields, &["60F", "60M"], ":60F:")?;
    let opening = balance(opening, ":60F:")?;
    // Every statement ends with its closing balance: without one the file is half written.
    let closing = one(fields, &["62F", "62M"], ":62F:")?;
    let closing = balance(closing, ":62F:")?;
    let currency = opening.amount.currency();
    let account = identity::account(one(fields, &["25", "25P"], ":25:")?.first(), currency.code());
    let number = fields.iter().find(|field| matches!(field.tag, "28C" | "28"));
    let number = number.map(|field| squeeze(field.first()));
    // Banks that do not count write 0: then the day names the statement.
    let counted = number.clone().filter(|number| {
        let first = number.split('/').next().unwrap_or("");
        !first.trim_matches('0').is_empty()
    });
    Ok(Statement {
        account,
        name: counted.unwrap_or_else(|| closing.date.to_string()),
        sequence: number.filter(|number| !number.is_empty()),
        date: closing.date,
        opening: Some(opening.amount),
        closing: Some(closing.amount),
        copy: false,
        entries: entries(fields, currency)?,
    })
}

/// The only field with one of these tags.
fn one<'f, 't>(
    fields: &'f [Field<'t>],
    tags: &[&str],
    name: &str,
) -> Result<&'f Field<'t>, DecodeError> {
    let mut found = fields.iter().filter(|field| tags.contains(&field.tag));
    match (found.next(), found.next()) {
        (Some(field), None) => Ok(field),
        (None, _) => Err(DecodeError::field(format!("{name} (the file may be cut off)"))),
        (Some(_), Some(_)) => Err(DecodeError::field(format!("{name}: it stands there twice"))),
    }
}

/// Each `:61:` with the `:86:` that follows it. An `:86:` after the closing balance speaks of the
/// whole statement.
fn entries(fields: &[Field], currency: Currency) -> Result<Vec<Entry>, DecodeError> {
    let mut entries = Vec::new();
    for (at, field) in fields.iter().enumerate().filter(|(_, field)| field.tag == "61") {
        let line = line::read(field, currency)?;
        let text = fields.get(at + 1).filter(|next| next.tag == "86");
        entries.push(entry(line, text, evidence(field, text)));
    }
    Ok(entries)
}

/// The whole of both fields, joined before blanks are taken out: a line may be wrapped anywhere.
fn evidence(line: &Field, text: Option<&Field>) -> String {
    let mut evidence = Evidence::default();
    evidence.add(&line.lines.join(" "));
    evidence.add(&text.map(|text| text.lines.join(" ")).unwrap_or_default());
    evidence.print()
}

fn entry(line: Line, text: Option<&Field>, evidence: String) -> Entry {
    let said = text.map(narrative::read).unwrap_or_default();
    let text = if said.text.is_empty() { line.supplement.clone() } else { said.text };
    let content = Content {
        references: BankReferences {
            servicer: line.servicer,
            end_to_end: said.end_to_end.or(line.owner_reference),
            transaction: said.customer,
            mandate: said.mandate,
        },
        counterparty: said.counterparty.or(line.counterparty),
        text,
        code: Some(line.code),
    };
    Entry {
        name: content.references.servicer.clone(),
        amount: line.amount,
        booked_on: line.booked_on,
        value_on: Some(line.value_on),
        reversal: line.reversal,
        evidence,
        content,
        parts: Vec::new(),
    }
}

struct Balance {
    amount: Money,
    date: Date,
}

/// `C260107EUR10000,00`: direction, day, currency, amount.
fn balance(field: &Field, name: &'static str) -> Result<Balance, DecodeError> {
    let malformed = || DecodeError::field(format!("{name} `{}`", short(field.first())));
    let text = field.first();
    let (mark, rest) = text.split_at_checked(1).ok_or_else(malformed)?;
    let (day, rest) = rest.split_at_checked(6).ok_or_else(malformed)?;
    let (code, digits) = rest.split_at_checked(3).ok_or_else(malformed)?;
    let date = date(day, name)?;
    let currency = Currency::parse(code).map_err(|source| DecodeError::amount(name, source))?;
    let read = amount(digits, currency, name)?;
    let amount = match mark {
        "C" => read,
        "D" => read.checked_neg().map_err(|source| DecodeError::amount(name, source))?,
        other => return Err(DecodeError::unknown(name, other)),
    };
    Ok(Balance { amount, date })
}

/// `1234,5` or `1234,`: the comma is always there, so an amount that lacks it is cut off.
fn amount(text: &str, currency: Currency, field: &str) -> Result<Money, DecodeError> {
    let refused = || DecodeError::amount(field, MoneyError::NotANumber(short(text)));
    let (whole, fraction) = text.split_once(',').ok_or_else(refused)?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(refused());
    }
    let plain = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Money::parse(&plain, currency).map_err(|source| DecodeError::amount(field, source))
}

/// `YYMMDD`. Two digits of a year are of this century up to 79.
fn date(text: &str, field: &str) -> Result<Date, DecodeError> {
    let malformed =
        || DecodeError::field(format!("{field}: `{}` is no day of the calendar", short(text)));
    let two = |from: usize| -> Option<i8> {
        let pair = text.get(from..from + 2)?;
        pair.bytes().all(|byte| byte.is_ascii_digit()).then(|| pair.parse().ok())?
    };
    let (Some(year), Some(month), Some(day), 6) = (two(0), two(2), two(4), text.len()) else {
        return Err(malformed());
    };
    let century = if year < 80 { 2000 } else { 1900 };
    Date::new(century + i16::from(year), month, day).map_err(|_| malformed())
}

/// Errors quote at most this much of a file.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro() -> Currency {
        Currency::parse("EUR").expect("the euro")
    }

    #[test]
    fn e26_amounts_have_a_comma() {
        let check = |text: &str, minor: Option<i64>| {
            let read = amount(text, euro(), ":61:").ok().map(Money::minor);
            assert_eq!(read, minor, "{text}");
        };
        check("380115,12", Some(38_011_512));
        check("380115,1", Some(38_011_510));
        check("380115,", Some(38_011_500));
        check("0,12", Some(12));
        check("00,12", Some(12));
        check("000000001000,00", Some(100_000));
        check("1000,500", Some(100_050));
        check("1000,505", None);
        check("1000", None);
        check("1000.50", None);
        check(",50", None);
        check("-1,00", None);
        check("1.000,50", None);
    }

    #[test]
    fn balances_are_signed() {
        let check = |text: &str, shown: Option<&str>| {
            let field = Field { tag: "60F", lines: vec![text] };
            let read = balance(&field, ":60F:").ok().map(|balance| balance.amount.to_string());
            assert_eq!(read.as_deref(), shown, "{text}");
        };
        check("C260107EUR10000,00", Some("10000.00 EUR"));
        check("D260107JPY500,", Some("-500 JPY"));
        check("X260107EUR1,00", None);
        check("C260230EUR1,00", None);
        check("C260107EU", None);
        check("C26ä0107EUR1,00", None);
    }
}
