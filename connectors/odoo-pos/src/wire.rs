//! Odoo's rows as Odoo names them: `false` for nothing, `[id, name]` for a reference, moments in UTC
//! without saying so, numbers kept as text. Fields that nothing is read from are left out.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use trueup_connect::DecodeError;
use trueup_connect::json::NumberText;
use trueup_domain::money::Currency;

/// A field that may hold nothing.
#[derive(Clone, Debug)]
pub struct Maybe<T>(pub Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get() {
            "false" | "null" => Ok(Self(None)),
            text => serde_json::from_str(text)
                .map(|it| Self(Some(it)))
                .map_err(serde::de::Error::custom),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Reference(pub i64, pub String);

impl Reference {
    /// The currency that a reference names.
    pub fn currency(&self, field: &str) -> Result<Currency, DecodeError> {
        Currency::parse(&self.1).map_err(|source| DecodeError::amount(field, source))
    }
}

/// `2026-11-21 09:42:03`, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: DateTime =
            text.replacen(' ', "T", 1).parse().map_err(serde::de::Error::custom)?;
        let zoned = time.to_zoned(TimeZone::UTC).map_err(serde::de::Error::custom)?;
        Ok(Self(zoned.timestamp()))
    }
}

/// An order with what belongs to it, as `page` puts them together.
#[derive(Debug, Deserialize)]
pub struct OrderRecord {
    pub order: Order,
    pub lines: Vec<Line>,
    pub payments: Vec<Payment>,
    /// The lines that some of `lines` take back.
    pub refunded: Vec<RefundedLine>,
    pub products: Vec<Product>,
    pub taxes: Vec<Tax>,
    pub methods: Vec<Method>,
    pub session: Option<SessionStart>,
    pub config: Option<Config>,
}

#[derive(Debug, Deserialize)]
pub struct Order {
    pub id: i64,
    pub pos_reference: Maybe<String>,
    pub name: String,
    pub state: String,
    pub date_order: Moment,
    pub write_date: Moment,
    pub session_id: Reference,
    pub currency_id: Reference,
    pub partner_id: Maybe<Reference>,
    pub amount_total: NumberText,
    pub amount_tax: NumberText,
    pub amount_paid: NumberText,
}

#[derive(Debug, Deserialize)]
pub struct Line {
    pub id: i64,
    pub product_id: Reference,
    pub full_product_name: Maybe<String>,
    pub qty: NumberText,
    pub price_unit: NumberText,
    /// Of a hundred.
    pub discount: NumberText,
    pub price_subtotal: NumberText,
    pub price_subtotal_incl: NumberText,
    #[serde(rename = "tax_ids_after_fiscal_position")]
    pub taxes: Vec<i64>,
    pub refunded_orderline_id: Maybe<Reference>,
    pub write_date: Moment,
}

#[derive(Debug, Deserialize)]
pub struct Payment {
    pub id: i64,
    pub amount: NumberText,
    pub payment_method_id: Reference,
    pub payment_date: Moment,
    pub transaction_id: Maybe<String>,
    pub write_date: Moment,
}

#[derive(Debug, Deserialize)]
pub struct RefundedLine {
    pub id: i64,
    pub order_id: Reference,
}

#[derive(Debug, Deserialize)]
pub struct Product {
    pub id: i64,
    pub default_code: Maybe<String>,
}

#[derive(Debug, Deserialize)]
pub struct Tax {
    pub id: i64,
    pub name: String,
    pub amount: NumberText,
    pub amount_type: String,
    pub price_include: bool,
}

#[derive(Debug, Deserialize)]
pub struct Method {
    pub id: i64,
    pub name: String,
    /// `cash`, `bank` or `pay_later`.
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Deserialize)]
pub struct SessionStart {
    pub start_at: Maybe<Moment>,
}

#[derive(Debug, Deserialize)]
pub struct Config {
    pub name: String,
    pub tip_product_id: Maybe<Reference>,
}

#[derive(Debug, Deserialize)]
pub struct SessionRecord {
    pub session: Session,
    pub entry: Vec<MoveLine>,
    pub invoices: Vec<MoveLine>,
    #[serde(default)]
    pub reversals: Vec<MoveLine>,
    pub methods: Vec<Method>,
}

#[derive(Debug, Deserialize)]
pub struct Session {
    pub id: i64,
    pub name: String,
    pub state: String,
    pub config_id: Reference,
    pub currency_id: Reference,
    pub start_at: Maybe<Moment>,
    pub stop_at: Maybe<Moment>,
    pub write_date: Moment,
    pub cash_journal_id: Maybe<Reference>,
    pub cash_register_balance_start: NumberText,
    pub cash_register_balance_end: NumberText,
    pub cash_register_balance_end_real: NumberText,
}

#[derive(Debug, Deserialize)]
pub struct MoveLine {
    pub move_id: Reference,
    pub name: Maybe<String>,
    pub parent_state: String,
    pub account_type: String,
    /// In the currency of the line; debit is positive.
    pub amount_currency: NumberText,
    pub tax_line_id: Maybe<Reference>,
}
