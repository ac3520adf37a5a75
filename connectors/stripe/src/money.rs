//! Stripe's minor units. They are mostly those of ISO 4217, and where they are not, a plain copy
//! is wrong by a factor of a hundred.
//!
//! | currency                | Stripe counts in  | ISO 4217 says |
//! |-------------------------|-------------------|---------------|
//! | JPY, KRW, VND, …        | whole units       | 0 decimals    |
//! | MGA                     | whole units       | 2 decimals    |
//! | ISK, UGX                | hundredths (`00`) | 0 decimals    |
//! | BHD, JOD, KWD, OMR, TND | thousandths       | 3 decimals    |
//! | HUF, TWD                | hundredths, but payouts only whole | 2 decimals |
//! | all others              | hundredths        | 2 decimals    |
//!
//! A currency outside these lists whose ISO exponent is not 2 is refused: guessing its scale would
//! be guessing money.

use trueup_connect::DecodeError;
use trueup_connect::json::NumberText;
use trueup_domain::money::{Currency, Money, MoneyError};

/// Stripe's own list of currencies without decimals. UGX stands in it too, and yet is counted in
/// hundredths "for backwards compatibility".
const WHOLE: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
const THOUSANDTHS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];
/// Whole currencies that are counted in hundredths all the same.
const HUNDREDTHS_OF_WHOLE: &[&str] = &["ISK", "UGX"];
/// Charged in hundredths, paid out in whole units.
const WHOLE_PAYOUTS: &[&str] = &["HUF", "TWD"];

/// The decimals in which Stripe counts `currency`.
pub fn exponent(currency: Currency) -> Result<u32, MoneyError> {
    let code = currency.code();
    if WHOLE.contains(&code) {
        Ok(0)
    } else if THOUSANDTHS.contains(&code) {
        Ok(3)
    } else if HUNDREDTHS_OF_WHOLE.contains(&code) || currency.exponent() == 2 {
        Ok(2)
    } else {
        Err(MoneyError::UnknownCurrency(code.to_owned()))
    }
}

/// Reads Stripe's lower-case currency code.
pub fn currency(code: &str) -> Result<Currency, DecodeError> {
    let known = Currency::parse(code).and_then(|currency| exponent(currency).map(|_| currency));
    known.map_err(|source| DecodeError::amount("currency", source))
}

/// Reads an amount in Stripe's minor units.
pub fn amount(field: &str, text: &NumberText, currency: Currency) -> Result<Money, DecodeError> {
    let units = text.integer(field)?;
    from_stripe(units, currency).map_err(|source| DecodeError::amount(field, source))
}

/// Reads the amount of a payout, which is whole in some currencies that are charged in hundredths.
pub fn payout_amount(text: &NumberText, currency: Currency) -> Result<Money, DecodeError> {
    let money = amount("amount", text, currency)?;
    if WHOLE_PAYOUTS.contains(&currency.code()) && money.minor() % 100 != 0 {
        let source = remainder(money.minor(), 2, currency, 0);
        return Err(DecodeError::amount("amount", source));
    }
    Ok(money)
}

/// Stripe's minor units → exact money; digits that the currency does not have are an error.
pub fn from_stripe(units: i64, currency: Currency) -> Result<Money, MoneyError> {
    let (stripe, iso) = (exponent(currency)?, currency.exponent());
    let minor = if stripe <= iso {
        units.checked_mul(power(iso - stripe)).ok_or(MoneyError::OutOfRange)?
    } else {
        let scale = power(stripe - iso);
        if units % scale != 0 {
            return Err(remainder(units, stripe, currency, iso));
        }
        units / scale
    };
    Ok(Money::from_minor(minor, currency))
}

fn power(exponent: u32) -> i64 {
    10_i64.pow(exponent)
}

fn remainder(units: i64, of: u32, currency: Currency, exponent: u32) -> MoneyError {
    MoneyError::TooManyDecimals { text: format!("{units}e-{of}"), currency, exponent }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(code: &str) -> Currency {
        Currency::parse(code).expect("a known currency")
    }

    fn check(units: i64, code: &str, shown: &str) {
        let read = from_stripe(units, of(code)).map(|money| money.to_string());
        match read {
            Ok(text) => assert_eq!(text, shown),
            Err(error) => assert_eq!(format!("error: {error}"), shown),
        }
    }

    #[test]
    fn e2_stripe_counts_some_currencies_its_own_way() {
        check(1099, "EUR", "10.99 EUR");
        check(-5, "USD", "-0.05 USD");
        check(1000, "JPY", "1000 JPY");
        check(1234, "KWD", "1.234 KWD");
        check(500, "MGA", "500.00 MGA");
        check(500, "ISK", "5 ISK");
        check(-300_000, "UGX", "-3000 UGX");
        check(12_345, "HUF", "123.45 HUF");
        check(550, "ISK", "error: `550e-2` has more than the 0 decimals of ISK");
        check(100, "CLF", "error: `CLF` is not an ISO 4217 currency");
        check(100, "LYD", "error: `LYD` is not an ISO 4217 currency");
        check(i64::MAX, "MGA", "error: the amount is out of range");
    }

    #[test]
    fn e2_forints_are_paid_out_whole() {
        let read = |text: &str| {
            let units: NumberText = serde_json::from_str(text).expect("a number");
            payout_amount(&units, of("HUF")).map(|money| money.to_string())
        };
        assert_eq!(read("12300"), Ok("123.00 HUF".to_owned()));
        assert_eq!(read("12345").map_err(|error| error.code()), Err("TU204"));
    }

    proptest! {
        #[test]
        fn no_amount_is_rounded(units in any::<i64>(), index in 0_usize..6) {
            let (code, scale) =
                [("EUR", 1), ("JPY", 1), ("KWD", 1), ("MGA", 100), ("ISK", -100), ("UGX", -100)]
                    [index];
            if let Ok(money) = from_stripe(units, of(code)) {
                let (minor, units) = (i128::from(money.minor()), i128::from(units));
                if scale > 0 {
                    prop_assert_eq!(minor, units * scale);
                } else {
                    prop_assert_eq!(minor * -scale, units);
                }
            }
        }
    }
}
