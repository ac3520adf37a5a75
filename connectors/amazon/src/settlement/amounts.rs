//! Amounts in the format of the marketplace: `1,234.56`, `1.234,56`, `1 234,56`, `(55.00)`.
//!
//! One cell cannot say which mark is the decimal one (`1.234`), so the file decides: a mark is
//! possible if every amount of the file can be read with it, and where both are, the one under
//! which the rows add up to the stated total.

use trueup_connect::DecodeError;
use trueup_domain::money::{Currency, Money};

use super::table::short;

/// What the summary states and what the rows say, in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Amounts {
    pub total: Money,
    pub rows: Vec<Money>,
}

/// Reads every amount of a file. `counted` says whether a row counts in the total.
pub fn read(
    total: &str,
    rows: &[&str],
    counted: &[bool],
    currency: Currency,
) -> Result<Amounts, DecodeError> {
    let with = |mark: char| -> Result<Amounts, DecodeError> {
        let rows = rows.iter().map(|text| amount(text, mark, currency));
        Ok(Amounts { total: amount(total, mark, currency)?, rows: rows.collect::<Result<_, _>>()? })
    };
    match (with('.'), with(',')) {
        (Ok(point), Ok(comma)) if point == comma => check(point, counted),
        (Ok(point), Ok(comma)) => match (check(point, counted), check(comma, counted)) {
            // Thousandths look like thousands; amounts are written with all their decimals.
            (Ok(point), Ok(comma)) => {
                let decimals =
                    |mark: char| rows.iter().all(|text| has_all_decimals(text, mark, currency));
                match (decimals('.'), decimals(',')) {
                    (true, false) => Ok(point),
                    (false, true) => Ok(comma),
                    _ => Err(DecodeError::Contradiction {
                        what: "settlement",
                        why: "its amounts add up with either decimal mark".to_owned(),
                    }),
                }
            }
            (Ok(amounts), Err(_)) | (Err(_), Ok(amounts)) => Ok(amounts),
            (Err(error), Err(_)) => Err(error),
        },
        (Ok(amounts), Err(_)) | (Err(_), Ok(amounts)) => check(amounts, counted),
        (Err(error), Err(_)) => Err(error),
    }
}

fn has_all_decimals(text: &str, mark: char, currency: Currency) -> bool {
    let decimals = text.trim_end_matches(')').split_once(mark).map_or(0, |(_, rest)| rest.len());
    u32::try_from(decimals) == Ok(currency.exponent())
}

/// What was paid out is the sum of the rows, or nothing of the file is believed.
fn check(amounts: Amounts, counted: &[bool]) -> Result<Amounts, DecodeError> {
    let pairs = amounts.rows.iter().zip(counted);
    let sum = Money::sum(
        amounts.total.currency(),
        pairs.filter(|(_, counted)| **counted).map(|(amount, _)| *amount),
    )
    .map_err(|source| DecodeError::amount("amount", source))?;
    if sum != amounts.total {
        return Err(DecodeError::Contradiction {
            what: "settlement",
            why: format!("its rows sum to {sum}, total-amount is {}", amounts.total),
        });
    }
    Ok(amounts)
}

/// One amount with a given decimal mark; the other marks group digits by three.
fn amount(text: &str, mark: char, currency: Currency) -> Result<Money, DecodeError> {
    let wrong = || DecodeError::field(format!("amount `{}`", short(text)));
    let (negative, digits) = match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => (true, inner),
        None => match text.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (true, rest),
            None => (false, text),
        },
    };
    let (whole, fraction) = digits.split_once(mark).unwrap_or((digits, "0"));
    let mut groups = whole.split(['.', ',', ' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}']);
    let first = groups.next().unwrap_or_default();
    let mut plain = first.to_owned();
    let mut grouped = false;
    for group in groups {
        if group.len() != 3 {
            return Err(wrong());
        }
        grouped = true;
        plain.push_str(group);
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(&plain) || !digits(fraction) || (grouped && !(1..=3).contains(&first.len())) {
        return Err(wrong());
    }
    let sign = if negative { "-" } else { "" };
    Money::parse(&format!("{sign}{plain}.{fraction}"), currency)
        .map_err(|source| DecodeError::amount("amount", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(total: &str, rows: &[&str], code: &str, expected: &str) {
        let currency = Currency::parse(code).expect("a currency");
        let read = read(total, rows, &vec![true; rows.len()], currency);
        let shown = match read {
            Ok(amounts) => amounts.total.to_string(),
            Err(error) => format!("{} {error}", error.code()),
        };
        assert_eq!(shown, expected, "{total} {rows:?}");
    }

    #[test]
    fn e1_the_file_says_which_mark_is_the_decimal_one() {
        check_file("1234.50", &["1,200.00", "34.50"], "USD", "1234.50 USD");
        check_file("1234,50", &["1.200,00", "34,50"], "EUR", "1234.50 EUR");
        check_file("1\u{a0}234,50", &["1 200,00", "34,50"], "EUR", "1234.50 EUR");
        check_file("1'234.50", &["1\u{2019}200.00", "34.50"], "CHF", "1234.50 CHF");
        check_file("-5.00", &["(55.00)", "50.00"], "USD", "-5.00 USD");
        check_file("9", &["4", "5"], "USD", "9.00 USD");
        // Read as decimals they add up as well, but not to cents.
        check_file("2.468", &["1.234", "1.234"], "EUR", "2468.00 EUR");
        check_file("2,468", &["1,234", "1,234"], "JPY", "2468 JPY");
    }

    #[test]
    fn e2_currencies_of_zero_and_three_decimals() {
        check_file("5980", &["5980"], "JPY", "5980 JPY");
        check_file("12.345", &["11.345", "1.000"], "KWD", "12.345 KWD");
        check_file("1,012.345", &["1,011.345", "1.000"], "KWD", "1012.345 KWD");
        check_file("2,468", &["1,234", "1,234"], "KWD", "2.468 KWD");
        let either = "TU205 the settlement contradicts itself: its amounts add up with either \
                      decimal mark";
        check_file("1.234", &["1.234", "0"], "KWD", either);
    }

    #[test]
    fn what_does_not_add_up_or_cannot_be_read_is_refused() {
        let differs = "TU205 the settlement contradicts itself: its rows sum to 9.99 USD, \
                       total-amount is 10.00 USD";
        check_file("10.00", &["9.99"], "USD", differs);
        let malformed = "TU202 the field `amount `1.00,5`` is missing or malformed";
        check_file("1.00,5", &["1.00"], "USD", malformed);
        check_file("1", &["1e2"], "USD", "TU202 the field `amount `1e2`` is missing or malformed");
        check_file("1", &[""], "USD", "TU202 the field `amount ``` is missing or malformed");
        check_file("1", &["--1"], "USD", "TU202 the field `amount `--1`` is missing or malformed");
        check_file(
            "1,0",
            &["1.0"],
            "USD",
            "TU202 the field `amount `1,0`` is missing or malformed",
        );
    }
}
