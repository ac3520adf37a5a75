//! Exact money: an integer of minor units with its ISO 4217 currency.
//!
//! Amounts are parsed from the *text* of a number and never pass through a float. Different
//! currencies do not add: the mistake would surface weeks later, as a break nobody can explain.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text of a number that is read. Longer ones are hostile, not large.
const AMOUNT_TEXT_MAX: usize = 40;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("`{0}` is not an ISO 4217 currency")]
    UnknownCurrency(String),
    #[error("`{0}` is not a plain decimal number")]
    NotANumber(String),
    #[error("`{text}` has more than the {exponent} decimals of {currency}")]
    TooManyDecimals { text: String, currency: Currency, exponent: u32 },
    #[error("the amount is out of range")]
    OutOfRange,
    #[error("{left} and {right} do not add")]
    CurrencyMismatch { left: Currency, right: Currency },
}

impl Currency {
    /// Reads an ISO 4217 code in any case.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let known = if code.len() == 3 {
            iso_currency::Currency::from_code(&code.to_ascii_uppercase())
        } else {
            None
        };
        known.map(Self).ok_or_else(|| MoneyError::UnknownCurrency(shorten(code)))
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD. Codes without a minor
    /// unit (gold, test codes) count as 0.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}
impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::parse(text)
    }
}
impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// An exact amount in the smallest unit of one currency. Written as
/// `{"amount":"12.30","currency":"EUR"}`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money {
    currency: Currency,
    minor: i64,
}

impl Money {
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { currency, minor }
    }

    pub const fn zero(currency: Currency) -> Self {
        Self { currency, minor: 0 }
    }

    /// Reads a decimal number such as `12.3`, `-0.50` or `7`, with at most the decimals of the
    /// currency. Trailing zeros beyond them are accepted, other digits are an error: nothing is
    /// rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        Self::parse_with_exponent(text, currency, currency.exponent())
    }

    fn parse_with_exponent(
        text: &str,
        currency: Currency,
        exponent: u32,
    ) -> Result<Self, MoneyError> {
        let not_a_number = || MoneyError::NotANumber(shorten(text));
        if text.len() > AMOUNT_TEXT_MAX {
            return Err(not_a_number());
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let has_point = digits.contains('.');
        if whole.is_empty()
            || (has_point && fraction.is_empty())
            || !all_digits(whole)
            || !all_digits(fraction)
        {
            return Err(not_a_number());
        }
        let places = usize::try_from(exponent).map_err(|_| MoneyError::OutOfRange)?;
        let (kept, dropped) = fraction.split_at(fraction.len().min(places));
        if dropped.bytes().any(|byte| byte != b'0') {
            return Err(MoneyError::TooManyDecimals { text: shorten(text), currency, exponent });
        }
        let padded = format!("{whole}{kept:0<places$}");
        let minor: i64 = padded.parse().map_err(|_| MoneyError::OutOfRange)?;
        Ok(Self { currency, minor: if negative { -minor } else { minor } })
    }

    /// Converts an exact decimal of major units; digits beyond the currency's are an error.
    pub fn from_decimal(value: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        Self::parse(&value.to_string(), currency)
    }

    pub const fn minor(self) -> i64 {
        self.minor
    }
    pub const fn currency(self) -> Currency {
        self.currency
    }
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }
    pub const fn is_negative(self) -> bool {
        self.minor < 0
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch {
                left: self.currency,
                right: other.currency,
            });
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.checked_add(other.checked_neg()?)
    }

    pub fn checked_neg(self) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_neg().ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    pub fn checked_mul(self, factor: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(factor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// Sums amounts of one currency; the sum is made in `i128`, so that only its result can
    /// overflow.
    pub fn sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, MoneyError> {
        let mut total = 0_i128;
        for amount in amounts {
            if amount.currency != currency {
                return Err(MoneyError::CurrencyMismatch {
                    left: currency,
                    right: amount.currency,
                });
            }
            total += i128::from(amount.minor);
        }
        let minor = i64::try_from(total).map_err(|_| MoneyError::OutOfRange)?;
        Ok(Self { currency, minor })
    }

    /// Splits by weight, for discounts spread over lines. The parts add up to the whole exactly,
    /// because each part is the difference of two running shares. All weights zero: the whole goes
    /// to the first part.
    pub fn split(self, weights: &[i64]) -> Vec<Self> {
        let weight = |value: i64| i128::from(value.max(0));
        let total: i128 = weights.iter().copied().map(weight).sum();
        if total == 0 {
            return weights
                .iter()
                .enumerate()
                .map(|(index, _)| Self { minor: if index == 0 { self.minor } else { 0 }, ..self })
                .collect();
        }
        let (mut weight_so_far, mut given) = (0_i128, 0_i128);
        weights
            .iter()
            .map(|&one| {
                weight_so_far += weight(one);
                let share = i128::from(self.minor) * weight_so_far / total;
                let part = share - given;
                given = share;
                // A share is never larger than the whole, which fits.
                Self { minor: i64::try_from(part).unwrap_or(i64::MAX), ..self }
            })
            .collect()
    }

    /// Shares by weight, each within one minor unit of its exact proportion; the units that are left
    /// go to the largest remainders, of equal ones to the first. The shares add up to the whole
    /// exactly, none has another sign than the whole, and none is larger than its weight where the
    /// whole is not larger than all weights together. All weights zero: equal shares.
    ///
    /// Unlike [`Money::split`], no share depends on the order of the weights but for equal remainders.
    pub fn apportion(self, weights: &[i64]) -> Vec<Self> {
        let mut weights: Vec<i128> =
            weights.iter().map(|&weight| i128::from(weight.max(0))).collect();
        if weights.iter().all(|&weight| weight == 0) {
            weights.fill(1);
        }
        let total = weights.iter().sum::<i128>().max(1);
        let (size, sign) = (i128::from(self.minor).abs(), i128::from(self.minor.signum()));
        let mut shares: Vec<(i128, i128)> =
            weights.iter().map(|weight| (size * weight / total, size * weight % total)).collect();
        let mut left = size - shares.iter().map(|(share, _)| share).sum::<i128>();
        let mut largest: Vec<&mut (i128, i128)> = shares.iter_mut().collect();
        largest.sort_by_key(|(_, remainder)| std::cmp::Reverse(*remainder));
        for (share, _) in largest {
            let more = left.min(1);
            *share += more;
            left -= more;
        }
        // No share is larger than the whole, which fits.
        let fits = |share: i128| i64::try_from(sign * share).unwrap_or(i64::MAX);
        shares.into_iter().map(|(share, _)| Self { minor: fits(share), ..self }).collect()
    }

    /// The amount in major units, such as `-12.30`, without the currency.
    pub fn amount_text(self) -> String {
        let exponent = usize::try_from(self.currency.exponent()).unwrap_or(0);
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        let sign = if self.minor < 0 { "-" } else { "" };
        if exponent == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    pub fn decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }
}

/// Reads the text of a JSON number or string as an exact decimal. Exponents, infinities and more
/// than 28 digits are refused.
pub fn parse_decimal(text: &str) -> Result<Decimal, MoneyError> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let ok = text.len() <= AMOUNT_TEXT_MAX
        && plain.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !ok {
        return Err(MoneyError::NotANumber(shorten(text)));
    }
    Decimal::from_str_exact(text).map_err(|_| MoneyError::NotANumber(shorten(text)))
}

/// Error texts quote at most this much of what came from outside.
fn shorten(text: &str) -> String {
    text.chars().take(AMOUNT_TEXT_MAX).collect()
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount_text(), self.currency)
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { amount: self.amount_text(), currency: self.currency }.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Self::parse(&written.amount, written.currency).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).expect("a known currency")
    }

    #[test]
    fn e1_amounts_are_read_from_text_or_refused() {
        let check = |text: &str, code: &str, minor: Option<i64>| {
            let read = Money::parse(text, currency(code)).ok().map(Money::minor);
            assert_eq!(read, minor, "{text} {code}");
        };
        check("12.30", "EUR", Some(1230));
        check("12.3", "EUR", Some(1230));
        check("12", "EUR", Some(1200));
        check("-0.05", "EUR", Some(-5));
        check("13.500", "EUR", Some(1350));
        check("90071992547409.93", "EUR", Some(9_007_199_254_740_993));
        check("12.345", "EUR", None);
        check("1e400", "EUR", None);
        check("1e2", "EUR", None);
        check("NaN", "EUR", None);
        check("", "EUR", None);
        check("-", "EUR", None);
        check(".5", "EUR", None);
        check("5.", "EUR", None);
        check("1,5", "EUR", None);
        check("+1", "EUR", None);
        check("１２", "EUR", None);
        check("99999999999999999999", "EUR", None);
    }

    #[test]
    fn e2_currencies_have_their_own_decimals() {
        assert_eq!(Money::parse("1000", currency("JPY")).expect("yen").minor(), 1000);
        assert!(Money::parse("1000.5", currency("JPY")).is_err());
        assert_eq!(Money::parse("1.234", currency("KWD")).expect("dinar").minor(), 1234);
        assert_eq!(Money::parse("1.2345", currency("CLF")).expect("unit").minor(), 12345);
        assert_eq!(Money::from_minor(1234, currency("KWD")).to_string(), "1.234 KWD");
        assert_eq!(Money::from_minor(-7, currency("JPY")).to_string(), "-7 JPY");
        assert!(Currency::parse("XQQ").is_err());
    }

    #[test]
    fn d14_what_is_left_goes_to_the_largest_remainders() {
        let check = |minor: i64, weights: &[i64], expected: &[i64]| {
            let shares = Money::from_minor(minor, currency("EUR")).apportion(weights);
            let shares: Vec<i64> = shares.into_iter().map(Money::minor).collect();
            assert_eq!(shares, expected, "{minor} by {weights:?}");
        };
        check(100, &[1, 1, 1], &[34, 33, 33]);
        check(101, &[1, 1, 1], &[34, 34, 33]);
        check(10, &[6, 6, 5], &[4, 3, 3]);
        // 0.3, 0.3 and 0.4 of one: the last has the largest remainder.
        check(1, &[3, 3, 4], &[0, 0, 1]);
        check(-100, &[1, 1, 1], &[-34, -33, -33]);
        check(100, &[0, 1], &[0, 100]);
        check(100, &[0, 0], &[50, 50]);
        check(0, &[1, 2], &[0, 0]);
        check(7, &[], &[]);
        check(i64::MAX, &[i64::MAX, 0], &[i64::MAX, 0]);
        check(i64::MIN, &[1], &[i64::MIN]);
    }

    proptest! {
        #[test]
        fn split_parts_add_up_to_the_whole(
            minor in any::<i64>(),
            weights in prop::collection::vec(0_i64..1_000_000, 1..20),
        ) {
            let whole = Money::from_minor(minor, currency("EUR"));
            let parts = whole.split(&weights);
            let sum: i128 = parts.iter().map(|part| i128::from(part.minor())).sum();
            prop_assert_eq!(sum, i128::from(minor));
        }

        #[test]
        fn d14_apportioned_shares_are_within_a_minor_unit_and_add_up(
            minor in any::<i64>(),
            weights in prop::collection::vec(0_i64..1_000_000, 1..20),
        ) {
            let shares = Money::from_minor(minor, currency("EUR")).apportion(&weights);
            let sum: i128 = shares.iter().map(|share| i128::from(share.minor())).sum();
            prop_assert_eq!(sum, i128::from(minor));
            let total: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
            for (share, weight) in shares.iter().zip(&weights).filter(|_| total > 0) {
                // |share − exact| < 1, without a division.
                let exact = i128::from(minor) * i128::from(*weight);
                prop_assert!((i128::from(share.minor()) * total - exact).abs() < total);
                prop_assert!(share.minor() == 0 || share.is_negative() == (minor < 0));
            }
        }

        #[test]
        fn d14_no_share_is_larger_than_what_it_is_taken_of(
            left in prop::collection::vec(0_i64..1000, 1..8),
            thousandths in 0_i64..=1000,
        ) {
            let whole = left.iter().sum::<i64>() * thousandths / 1000;
            let shares = Money::from_minor(whole, currency("EUR")).apportion(&left);
            for (share, left) in shares.iter().zip(&left) {
                prop_assert!(share.minor() <= *left);
            }
        }

        #[test]
        fn what_is_written_reads_back(minor in any::<i64>(), code in 0_usize..4) {
            let money = Money::from_minor(minor, currency(["EUR", "JPY", "KWD", "CLF"][code]));
            prop_assume!(minor != i64::MIN);
            prop_assert_eq!(Money::parse(&money.amount_text(), money.currency()), Ok(money));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = Money::parse(&text, currency("EUR"));
            let _ = parse_decimal(&text);
        }
    }
}
