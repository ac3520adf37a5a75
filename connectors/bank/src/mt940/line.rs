//! `:61:`, the statement line: `2601080108C639,92NTRF<owner's reference>//<bank's reference>`.

use jiff::civil::Date;
use trueup_connect::DecodeError;
use trueup_domain::money::{Currency, Money};

use super::fields::Field;
use super::{amount, date, short};
use crate::identity;
use crate::statement::{reference, squeeze};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub amount: Money,
    pub value_on: Date,
    pub booked_on: Date,
    pub reversal: bool,
    /// `NTRF`, `NMSC`, …
    pub code: String,
    pub owner_reference: Option<String>,
    pub servicer: Option<String>,
    /// The lines after the first.
    pub supplement: String,
    /// The supplement, where the owner's reference is the account of the other side.
    pub counterparty: Option<String>,
}

pub fn read(field: &Field, currency: Currency) -> Result<Line, DecodeError> {
    let text = field.first();
    let malformed = |what: &str| DecodeError::field(format!(":61: {what} of `{}`", short(text)));
    let (day, rest) = text.split_at_checked(6).ok_or_else(|| malformed("value date"))?;
    let value_on = date(day, ":61: value date")?;
    // The entry date may be absent, or left blank.
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, rest) = match digits {
        0 => ("", rest.trim_start()),
        _ => rest.split_at_checked(4).ok_or_else(|| malformed("entry date"))?,
    };
    let booked_on = match day {
        "" => value_on,
        day => entry_date(day, value_on).ok_or_else(|| malformed("entry date"))?,
    };
    let (money_in, reversal, rest) = mark(rest)?;
    // The third letter of the currency may stand here.
    let rest = rest.strip_prefix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(rest);
    let end = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b',').count();
    let (digits, rest) = rest.split_at_checked(end).ok_or_else(|| malformed("amount"))?;
    let unsigned = amount(digits, currency, ":61:")?;
    let signed = if money_in { Ok(unsigned) } else { unsigned.checked_neg() };
    let (code, references) =
        rest.trim_start().split_at_checked(4).ok_or_else(|| malformed("transaction type"))?;
    let known = code.starts_with(['N', 'F', 'S', 'n', 'f', 's'])
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !known {
        return Err(malformed("transaction type"));
    }
    let (owner, bank) = references.split_once("//").unwrap_or((references, ""));
    let supplement = squeeze(&field.lines.get(1..).unwrap_or_default().join(" "));
    let names = identity::is_iban_shaped(owner.trim()) && !supplement.is_empty();
    Ok(Line {
        amount: signed.map_err(|source| DecodeError::amount(":61:", source))?,
        value_on,
        booked_on,
        reversal,
        code: code.to_ascii_uppercase(),
        owner_reference: owner_reference(owner),
        servicer: reference(bank),
        counterparty: names.then(|| supplement.clone()),
        supplement,
    })
}

/// Money in or out, and whether it is a reversal: `RC` takes a credit back, so money goes out.
fn mark(text: &str) -> Result<(bool, bool, &str), DecodeError> {
    let marks = [("RC", false, true), ("RD", true, true), ("C", true, false), ("D", false, false)];
    let found = marks.into_iter().find_map(|(mark, money_in, reversal)| {
        text.strip_prefix(mark).map(|rest| (money_in, reversal, rest))
    });
    let two: String = text.chars().take(2).collect();
    found.ok_or_else(|| DecodeError::unknown(":61: debit/credit mark", &two))
}

/// `MMDD` has no year: it is the year that brings it closest to the value date, because around New
/// Year the two lie in different years.
fn entry_date(text: &str, value_on: Date) -> Option<Date> {
    let month: i8 = text.get(..2)?.parse().ok()?;
    let day: i8 = text.get(2..4)?.parse().ok()?;
    let years = [value_on.year(), value_on.year() - 1, value_on.year() + 1];
    let days = years.into_iter().filter_map(|year| Date::new(year, month, day).ok());
    days.min_by_key(|day| value_on.until(*day).map_or(i32::MAX, |span| span.get_days().abs()))
}

/// The owner's reference, unless it says "see `:86:`" or is the account of the other side.
fn owner_reference(text: &str) -> Option<String> {
    let text = reference(text)?;
    let pointer = ["EREF", "KREF", "MREF", "MARF", "PREF", "REMI"];
    let points = pointer.contains(&text.trim_end_matches('+'));
    let account = identity::is_iban_shaped(&text);
    (!points && !account).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Line, DecodeError> {
        let euro = Currency::parse("EUR").expect("the euro");
        read(&Field { tag: "61", lines: text.split('\n').collect() }, euro)
    }

    #[test]
    fn each_form_of_the_line_is_read() {
        let check = |text: &str, shown: &str| {
            let line = line(text).expect(text);
            let seen = format!(
                "{} {} {} {} {} {} {}",
                line.amount,
                line.booked_on,
                line.value_on,
                if line.reversal { "reversal" } else { "-" },
                line.code,
                line.owner_reference.as_deref().unwrap_or("-"),
                line.servicer.as_deref().unwrap_or("-"),
            );
            assert_eq!(seen, shown, "{text}");
        };
        check(
            "2601080108C639,92NTRF021000021234567//2026010800001",
            "639.92 EUR 2026-01-08 2026-01-08 - NTRF 021000021234567 2026010800001",
        );
        check("131017D6800,NCHK167", "-6800.00 EUR 2013-10-17 2013-10-17 - NCHK 167 -");
        check("0211011102DR800,NSTONONREF//55", "-800.00 EUR 2002-11-02 2002-11-01 - NSTO - 55");
        check("2006080608D12,35 NRTIKREF+//9", "-12.35 EUR 2020-06-08 2020-06-08 - NRTI - 9");
        check("240312    DD212,39NMSCNONREF//", "-212.39 EUR 2024-03-12 2024-03-12 - NMSC - -");
        check("130101D000000000025,00N102EREF    ", "-25.00 EUR 2013-01-01 2013-01-01 - N102 - -");
        check("2601080108RC5,00NTRFA", "-5.00 EUR 2026-01-08 2026-01-08 reversal NTRF A -");
        check("2601080108RDR5,00NTRFA", "5.00 EUR 2026-01-08 2026-01-08 reversal NTRF A -");
        check(
            "2001010101D65,00NOVBNL47INGB9999999999\nhr",
            "-65.00 EUR 2020-01-01 2020-01-01 - NOVB - -",
        );
    }

    #[test]
    fn entry_dates_take_the_year_that_is_near() {
        let check = |text: &str, booked_on: &str| {
            assert_eq!(line(text).expect(text).booked_on.to_string(), booked_on, "{text}");
        };
        check("2512310102C1,00NTRFA", "2026-01-02");
        check("2601011231C1,00NTRFA", "2025-12-31");
        check("2402280229C1,00NTRFA", "2024-02-29");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let check = |text: &str, code: &str, says: &str| {
            let error = line(text).expect_err(text);
            assert_eq!((error.code(), error.to_string().contains(says)), (code, true), "{error}");
        };
        check("1602300301DR6,00N024NONREF", "TU202", "`160230` is no day of the calendar");
        check("2601080230C1,00NTRFA", "TU202", "entry date");
        check("2601080108X1,00NTRFA", "TU203", "mark");
        check("2601080108EC1,00NTRFA", "TU203", "mark");
        check("2601080108C1NTRFA", "TU204", ":61:");
        check("2601080108C1,001NTRFA", "TU204", ":61:");
        check("2601080108C1,00", "TU202", "transaction type");
        check("2601080108C1,00XTRF", "TU202", "transaction type");
        check("2601", "TU202", "value date");
        check("", "TU202", "value date");
    }
}
