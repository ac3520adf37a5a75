//! How amounts, times and ages are written on pages.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use trueup_domain::money::{Currency, Money};

/// An amount with its currency, thousands apart: `1,234.50 EUR`.
pub fn money(minor: i64, code: &str) -> String {
    format!("{} {code}", amount(minor, code))
}

/// The number alone, for columns whose currency stands in the head.
pub fn amount(minor: i64, code: &str) -> String {
    match Currency::parse(code) {
        Ok(currency) => grouped(&Money::from_minor(minor, currency).amount_text()),
        // Without a currency nobody knows where the point is.
        Err(_) => grouped(&minor.to_string()),
    }
}

pub fn count(number: i64) -> String {
    grouped(&number.to_string())
}

fn grouped(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `2026-03-04 12:03:22 UTC`
pub fn time(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The moment of a text that was written from a timestamp; other text stays as it is.
pub fn time_text(text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), time)
}

pub fn micros(microseconds: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(microseconds).ok()
}

/// How long ago, in the two largest units: `3 d 4 h`.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    if seconds < 0 {
        return "in the future".to_owned();
    }
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) if minutes % 60 == 0 => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (days, _, _) if days >= 14 || hours % 24 == 0 => format!("{days} d"),
        (days, _, _) => format!("{days} d {} h", hours % 24),
    }
}

/// A stable word as people read it: `missing_in_books` is `missing in books`.
pub fn words(word: &str) -> String {
    word.replace('_', " ")
}

/// The same at the start of a sentence or a cell.
pub fn title(word: &str) -> String {
    title_of(&words(word))
}

/// A fragment as a sentence: `ask the bank` is `Ask the bank.`; a leading name or id stays.
pub fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_word = first.chars().all(|letter| letter.is_ascii_lowercase() || letter == ',');
    let mut out = if is_word { title_of(text) } else { text.to_owned() };
    if !out.is_empty() && !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

fn title_of(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

pub fn bytes(count: i64) -> String {
    match count {
        0..=1_023 => format!("{count} B"),
        1_024..=1_048_575 => format!("{} KiB", count / 1_024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}

/// A text inside a URL's path; slashes stay.
pub fn in_path(text: &str) -> String {
    encode(text, b"/-._~")
}

/// A text as the value of a query parameter.
pub fn in_query(text: &str) -> String {
    encode(text, b"-._~")
}

/// What [`in_query`] wrote; what it did not write is kept as it is.
pub fn from_query(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = if first == b'%' { after.get(..2) } else { None };
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encode(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The page of a root.
pub fn root_page(root: &str) -> String {
    format!("/orders/{}", in_path(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_the_digits_of_their_currency() {
        let cases = [
            (123_456_789, "EUR", "1,234,567.89 EUR"),
            (-5, "USD", "-0.05 USD"),
            (1_000, "JPY", "1,000 JPY"),
            (12_345, "KWD", "12.345 KWD"),
            (-100_000, "EUR", "-1,000.00 EUR"),
            (42, "", "42 "),
        ];
        for (minor, code, shown) in cases {
            assert_eq!(money(minor, code), shown);
        }
    }

    #[test]
    fn fragments_become_sentences() {
        assert_eq!(sentence("ask the bank"), "Ask the bank.");
        assert_eq!(sentence("txn_1 moves 3 USD."), "txn_1 moves 3 USD.");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn ages_are_short() {
        let at = |seconds: i64| Timestamp::from_second(seconds).expect("in range");
        let cases = [
            (5, "5 s"),
            (61, "1 min"),
            (3_600, "1 h"),
            (3_600 * 5 + 120, "5 h 2 min"),
            (86_400, "1 d"),
            (86_400 * 3 + 3_600 * 4, "3 d 4 h"),
            (86_400 * 40 + 3_600, "40 d"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(age(at(0), at(seconds)), shown);
        }
        assert_eq!(age(at(9), at(0)), "in the future");
    }

    #[test]
    fn urls_carry_any_id() {
        assert_eq!(root_page("shop/sale/a b#1?%"), "/orders/shop/sale/a%20b%231%3F%25");
        assert_eq!(in_query("a/b&c=d"), "a%2Fb%26c%3Dd");
        assert_eq!(from_query(&in_query("Ann Ö; x=1%")), "Ann Ö; x=1%");
        assert_eq!(from_query("%zz%"), "%zz%");
    }
}
