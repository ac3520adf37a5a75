//! Writes MT940 as Dutch and Belgian banks do, with SEPA words between slashes.
//!
//! The format cannot carry every letter: what SWIFT does not allow becomes a blank, and a slash
//! becomes a hyphen, because slashes mark the words of `:86:`. Batches are one entry.

use std::fmt::Write;

use jiff::civil::Date;
use trueup_domain::money::Money;

use super::{Booked, Sheet};
use crate::statement::squeeze;

const LINE_LETTERS_MAX: usize = 65;

pub fn write(iban: &str, sheet: &Sheet) -> Vec<u8> {
    let currency = sheet.opening.currency();
    let mut file = String::new();
    // Writing to a string cannot fail.
    let _ = write!(file, ":20:STM{:05}\r\n:25:{iban}{currency}\r\n", sheet.number);
    let _ = write!(file, ":28C:{}/1\r\n", sheet.number);
    let _ = write!(file, ":60F:{}\r\n", balance(sheet.opening, sheet.closes));
    for booked in &sheet.entries {
        entry(&mut file, booked, sheet);
    }
    let _ = write!(file, ":62F:{}\r\n-\r\n", balance(sheet.closing, sheet.closes));
    file.into_bytes()
}

fn balance(amount: Money, day: Date) -> String {
    let mark = if amount.is_negative() { 'D' } else { 'C' };
    format!("{mark}{}{}{}", day.strftime("%y%m%d"), amount.currency(), digits(amount))
}

/// Unsigned, with a comma: `12,30`, and `500,` where the currency has no decimals.
fn digits(amount: Money) -> String {
    let text = amount.amount_text();
    let digits = text.trim_start_matches('-').replace('.', ",");
    if digits.contains(',') { digits } else { format!("{digits},") }
}

fn entry(file: &mut String, booked: &Booked, sheet: &Sheet) {
    let booking = &booked.booking;
    let amount = Money::from_minor(booking.amount_minor, sheet.opening.currency());
    let mark = match (amount.is_negative(), booking.reversal) {
        (false, false) => "C",
        (true, false) => "D",
        (false, true) => "RD",
        (true, true) => "RC",
    };
    let reference = if booking.end_to_end.is_some() { "EREF" } else { "NONREF" };
    let _ = write!(
        file,
        ":61:{}{}{mark}{}NTRF{reference}//{}\r\n",
        booking.value_on.strftime("%y%m%d"),
        booking.booked_on.strftime("%m%d"),
        digits(amount),
        booked.servicer,
    );
    let mut said = String::new();
    let end_to_end = booking.end_to_end.as_deref().unwrap_or_default();
    for (word, value) in
        [("EREF", end_to_end), ("NAME", &booking.counterparty), ("REMI", &booking.text)]
    {
        let value = swift(value);
        if !value.is_empty() {
            let _ = write!(said, "/{word}/{value}");
        }
    }
    if !said.is_empty() {
        let _ = write!(file, ":86:{}\r\n", wrap(&said));
    }
}

/// The letters of SWIFT's set X, without slash and colon.
fn swift(text: &str) -> String {
    let letter = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '?' | '(' | ')' | '.' | ',' | '\'' | '+' | '-' => c,
        '/' => '-',
        _ => ' ',
    };
    squeeze(&text.chars().map(letter).collect::<String>())
}

/// Lines of 65 letters. A line that would begin like a trailer takes a letter from the one before.
fn wrap(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = text;
    while rest.len() > LINE_LETTERS_MAX {
        let at = if rest.as_bytes().get(LINE_LETTERS_MAX) == Some(&b'-') { 64 } else { 65 };
        let (line, after) = rest.split_at(at);
        lines.push(line);
        rest = after;
    }
    lines.push(rest);
    lines.join("\r\n")
}
