//! WooCommerce's JSON, named as WooCommerce names it. Fields that nothing is read from are left
//! out, so that what plugins put there does no harm.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::DecodeError;
use trueup_connect::json::NumberText;
use trueup_domain::money::{Currency, Money};

/// A post, an order line, a rate: WooCommerce counts them all in whole numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub String);

/// More digits than any id of the vendor has.
const ID_DIGITS_MAX: usize = 20;

impl Id {
    pub fn parse(text: &str) -> Option<Self> {
        let ok = !text.is_empty()
            && text.len() <= ID_DIGITS_MAX
            && text.bytes().all(|byte| byte.is_ascii_digit());
        ok.then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberText::deserialize(deserializer)?;
        Self::parse(text.as_str()).ok_or_else(|| serde::de::Error::custom("expected an id"))
    }
}

/// A moment as `*_gmt` fields write it: UTC, to the second, without saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gmt(pub Timestamp);

impl<'de> Deserialize<'de> for Gmt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let local: DateTime = text.parse().map_err(serde::de::Error::custom)?;
        let zoned = local.to_zoned(TimeZone::UTC).map_err(serde::de::Error::custom)?;
        Ok(Self(zoned.timestamp()))
    }
}

/// An amount; where a part has none, WooCommerce writes an empty text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Amount(NumberText);

impl Amount {
    pub fn is_empty(&self) -> bool {
        self.0.as_str().is_empty()
    }

    pub fn money(&self, field: &str, currency: Currency) -> Result<Money, DecodeError> {
        if self.is_empty() {
            return Ok(Money::zero(currency));
        }
        self.0.money(field, currency)
    }

    /// As [`Self::money`], with the sign that refunds carry taken away.
    pub fn given_back(&self, field: &str, currency: Currency) -> Result<Money, DecodeError> {
        let amount = self.money(field, currency)?;
        amount.checked_neg().map_err(|source| DecodeError::amount(field, source))
    }
}

/// An order with its refunds, as a poll or read puts them side by side: see
/// [`crate::conversation`].
#[derive(Deserialize)]
pub struct Whole {
    pub order: Order,
    pub refunds: Vec<Refund>,
}

#[derive(Deserialize)]
pub struct Order {
    pub id: Id,
    pub number: NumberText,
    pub status: String,
    pub currency: String,
    pub date_created_gmt: Option<Gmt>,
    pub date_modified_gmt: Option<Gmt>,
    pub date_paid_gmt: Option<Gmt>,
    pub total: Amount,
    pub customer_id: Id,
    pub billing: Address,
    pub shipping: Address,
    pub payment_method: String,
    #[serde(default)]
    pub transaction_id: String,
    pub created_via: Option<String>,
    pub line_items: Vec<LineItem>,
    pub tax_lines: Vec<TaxLine>,
    pub shipping_lines: Vec<ShippingLine>,
    pub fee_lines: Vec<FeeLine>,
    pub coupon_lines: Vec<CouponLine>,
    pub refunds: Vec<RefundSummary>,
    #[serde(default)]
    pub meta_data: Vec<Meta>,
}

/// What an order says of its refunds: not enough to state one.
#[derive(Deserialize)]
pub struct RefundSummary {
    #[serde(rename = "id")]
    pub _id: Id,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Address {
    pub first_name: String,
    pub last_name: String,
    pub company: String,
    pub address_1: String,
    pub address_2: String,
    pub city: String,
    pub state: String,
    pub postcode: String,
    pub country: String,
    pub email: Option<String>,
    pub phone: Option<String>,
}

#[derive(Deserialize)]
pub struct LineItem {
    pub id: Id,
    pub name: String,
    pub sku: Option<String>,
    pub quantity: NumberText,
    pub subtotal: Amount,
    pub total: Amount,
    pub taxes: Vec<Tax>,
    #[serde(default)]
    pub meta_data: Vec<Meta>,
}

#[derive(Deserialize)]
pub struct ShippingLine {
    pub id: Id,
    pub method_title: String,
    pub total: Amount,
    pub taxes: Vec<Tax>,
}

#[derive(Deserialize)]
pub struct FeeLine {
    pub id: Id,
    pub name: String,
    pub total: Amount,
    pub taxes: Vec<Tax>,
}

#[derive(Deserialize)]
pub struct CouponLine {
    pub code: String,
}

/// One rate's part of the tax of a line; the rate itself stands among the order's `tax_lines`.
#[derive(Deserialize)]
pub struct Tax {
    pub id: Id,
    pub total: Amount,
}

/// One rate of an order, and all that it made of it.
#[derive(Deserialize)]
pub struct TaxLine {
    pub rate_id: Id,
    pub label: String,
    /// Absent on orders that were placed before WooCommerce 3.7.
    pub rate_percent: Option<NumberText>,
    pub tax_total: Amount,
    pub shipping_tax_total: Amount,
}

#[derive(Deserialize)]
pub struct Refund {
    pub id: Id,
    pub date_created_gmt: Gmt,
    /// Positive, unlike everything below it.
    pub amount: Amount,
    pub reason: Option<String>,
    pub refunded_payment: bool,
    #[serde(default)]
    pub meta_data: Vec<Meta>,
    pub line_items: Vec<RefundedItem>,
    pub shipping_lines: Vec<ShippingLine>,
    pub fee_lines: Vec<FeeLine>,
}

#[derive(Deserialize)]
pub struct RefundedItem {
    pub id: Id,
    pub quantity: NumberText,
    pub total: Amount,
    pub taxes: Vec<Tax>,
    pub meta_data: Vec<Meta>,
}

/// What WooCommerce and its plugins note beside an object.
#[derive(Deserialize)]
pub struct Meta {
    pub key: String,
    pub value: Box<RawValue>,
}

/// The text of a note; numbers count as their text, lists and objects as nothing.
pub fn note(notes: &[Meta], key: &str) -> Option<String> {
    let value = notes.iter().find(|note| note.key == key)?.value.get();
    let text = match serde_json::from_str::<String>(value) {
        Ok(text) => text,
        Err(_) => serde_json::from_str::<i64>(value).ok()?.to_string(),
    };
    filled(&text)
}

/// Texts that the vendor leaves empty are absent.
pub fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A webhook as the shop keeps it; its secret is not told.
#[derive(Deserialize)]
pub struct Webhook {
    pub id: Id,
    pub name: String,
    pub status: String,
    pub topic: String,
    pub delivery_url: String,
    pub date_modified_gmt: Option<String>,
}
