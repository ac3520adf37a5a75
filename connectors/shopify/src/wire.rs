//! What both wire shapes share: amounts with their currency, and ids.

use serde::Deserialize;
use trueup_connect::DecodeError;
use trueup_connect::json::NumberText;
use trueup_domain::money::{Currency, Money};

/// An amount and the currency it is stated in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Amount {
    pub amount: NumberText,
    /// `currency` is what transactions call it in `total_unsettled_set`.
    #[serde(alias = "currencyCode", alias = "currency")]
    pub currency_code: String,
}

impl Amount {
    /// The amount, which must be in the currency of the document: mixing the shop's with the
    /// buyer's is the top bug of such connectors.
    pub fn money(&self, field: &str, currency: Currency) -> Result<Money, DecodeError> {
        let own = self.currency(field)?;
        if own != currency {
            return Err(DecodeError::amount(
                field,
                trueup_domain::money::MoneyError::CurrencyMismatch { left: own, right: currency },
            ));
        }
        self.amount.money(field, currency)
    }

    pub fn currency(&self, field: &str) -> Result<Currency, DecodeError> {
        currency(field, &self.currency_code)
    }
}

/// One amount in the shop's and in the buyer's currency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Set {
    #[serde(alias = "shopMoney")]
    pub shop_money: Amount,
    #[serde(alias = "presentmentMoney")]
    pub presentment_money: Option<Amount>,
}

pub fn currency(field: &str, code: &str) -> Result<Currency, DecodeError> {
    Currency::parse(code).map_err(|source| DecodeError::amount(field, source))
}

/// The number at the end of an id: `450789469` of `gid://shopify/Order/450789469`, which is what
/// REST writes as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(pub String);

/// More digits than any id of the vendor has.
const ID_DIGITS_MAX: usize = 24;

impl Id {
    pub fn parse(text: &str) -> Option<Self> {
        let end = match text.strip_prefix("gid://shopify/") {
            Some(path) => path.split_once('/')?.1.split('?').next()?,
            None => text,
        };
        let ok = !end.is_empty()
            && end.len() <= ID_DIGITS_MAX
            && end.bytes().all(|byte| byte.is_ascii_digit());
        ok.then(|| Self(end.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberText::deserialize(deserializer)?;
        Self::parse(text.as_str()).ok_or_else(|| serde::de::Error::custom("expected an id"))
    }
}

/// An object of which only the id matters.
#[derive(Clone, Debug, Deserialize)]
pub struct Ref {
    pub id: Id,
}

/// Texts that the vendor leaves empty are absent.
pub fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}
