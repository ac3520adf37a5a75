//! Stripe's JSON, named as Stripe names it, with only the fields that are used.
//!
//! Amounts are [`NumberText`], so that none is rounded on the way. `exchange_rate` is a float in
//! Stripe's JSON and is deliberately not read: the amounts on both sides of it are the facts.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use trueup_connect::json::NumberText;

/// What every object says about itself. Its fields are left alone until it is known.
#[derive(Deserialize)]
pub struct Head {
    #[serde(default)]
    pub object: Option<String>,
}

/// A v1 event: the object as it stood when the event was made.
#[derive(Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub data: EventData,
}

#[derive(Deserialize)]
pub struct EventData {
    /// Unparsed, because a kind we do not use may carry any object.
    pub object: Box<RawValue>,
}

/// A v2 event carries no object, only where to find it.
#[derive(Deserialize)]
pub struct ThinEvent {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub related_object: Option<Related>,
}

#[derive(Deserialize)]
pub struct Related {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Deserialize)]
pub struct Page {
    pub data: Vec<Box<RawValue>>,
    #[serde(default)]
    pub has_more: bool,
}

/// What paging and cutting need of an object in a page.
#[derive(Deserialize)]
pub struct Listed {
    pub id: String,
    pub created: i64,
}

/// An object named by its id or, expanded, standing there whole.
#[derive(Clone, Debug)]
pub enum Expandable {
    Id(String),
    Object { id: String, raw: Box<RawValue> },
}

impl Expandable {
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id, .. } => id,
        }
    }

    pub fn into_id(self) -> String {
        match self {
            Self::Id(id) | Self::Object { id, .. } => id,
        }
    }
}

impl<'de> Deserialize<'de> for Expandable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            serde_json::from_str(raw.get()).map(Self::Id).map_err(D::Error::custom)
        } else {
            let named: Named = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
            Ok(Self::Object { id: named.id, raw })
        }
    }
}

#[derive(Deserialize)]
pub struct Charge {
    pub id: String,
    pub amount: NumberText,
    /// Absent before API version 2020-08-27.
    #[serde(default)]
    pub amount_captured: Option<NumberText>,
    pub amount_refunded: NumberText,
    #[serde(default)]
    pub balance_transaction: Option<Expandable>,
    pub captured: bool,
    pub created: i64,
    pub currency: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub payment_intent: Option<Expandable>,
    pub status: String,
}

#[derive(Deserialize)]
pub struct PaymentIntent {
    #[serde(default)]
    pub latest_charge: Option<Expandable>,
    /// The intent's charges, newest first; gone since API version 2022-11-15.
    #[serde(default)]
    pub charges: Option<Charges>,
    pub status: String,
}

#[derive(Deserialize)]
pub struct Charges {
    #[serde(default)]
    pub data: Vec<Expandable>,
}

#[derive(Deserialize)]
pub struct Refund {
    #[serde(default)]
    pub charge: Option<Expandable>,
    #[serde(default)]
    pub payment_intent: Option<Expandable>,
    #[serde(default)]
    pub balance_transaction: Option<Expandable>,
    #[serde(default)]
    pub failure_balance_transaction: Option<Expandable>,
}

#[derive(Deserialize)]
pub struct Dispute {
    pub id: String,
    pub amount: NumberText,
    #[serde(default)]
    pub balance_transaction: Option<Expandable>,
    #[serde(default)]
    pub balance_transactions: Option<Vec<Expandable>>,
    #[serde(default)]
    pub charge: Option<Expandable>,
    pub created: i64,
    pub currency: String,
    #[serde(default)]
    pub evidence_details: Option<EvidenceDetails>,
    #[serde(default)]
    pub payment_method_details: Option<DisputeMethod>,
    pub reason: String,
    pub status: String,
}

#[derive(Deserialize)]
pub struct EvidenceDetails {
    #[serde(default)]
    pub due_by: Option<i64>,
}

#[derive(Deserialize)]
pub struct DisputeMethod {
    #[serde(default)]
    pub card: Option<DisputeCard>,
}

#[derive(Deserialize)]
pub struct DisputeCard {
    #[serde(default)]
    pub case_type: Option<String>,
}

#[derive(Deserialize)]
pub struct Payout {
    pub id: String,
    pub amount: NumberText,
    pub arrival_date: i64,
    pub automatic: bool,
    pub created: i64,
    pub currency: String,
    #[serde(default)]
    pub failure_code: Option<String>,
    #[serde(default)]
    pub failure_message: Option<String>,
    /// Absent in events of endpoints with an old API version.
    #[serde(default)]
    pub reconciliation_status: Option<String>,
    #[serde(default)]
    pub statement_descriptor: Option<String>,
    pub status: String,
    #[serde(default)]
    pub trace_id: Option<TraceId>,
}

#[derive(Deserialize)]
pub struct TraceId {
    #[serde(default)]
    pub value: Option<String>,
}

/// What the account holds, part by part; the parts that are not read are named in
/// [`crate::decode`]'s own module for it.
#[derive(Deserialize)]
pub struct Balance {
    pub available: Vec<BalancePart>,
    pub pending: Vec<BalancePart>,
}

#[derive(Deserialize)]
pub struct BalancePart {
    pub amount: NumberText,
    pub currency: String,
}

#[derive(Deserialize)]
pub struct BalanceTransaction {
    pub id: String,
    pub amount: NumberText,
    pub available_on: i64,
    pub created: i64,
    pub currency: String,
    #[serde(default)]
    pub description: Option<String>,
    pub fee: NumberText,
    pub fee_details: Vec<FeeDetail>,
    pub net: NumberText,
    /// Absent before API version 2019.
    #[serde(default)]
    pub reporting_category: Option<String>,
    #[serde(default)]
    pub source: Option<Expandable>,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Deserialize)]
pub struct FeeDetail {
    pub amount: NumberText,
    pub currency: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// The source of a ledger row, where it stands there whole: all that leads on to the charge.
#[derive(Deserialize)]
pub struct Source {
    pub object: String,
    #[serde(default)]
    pub amount: Option<NumberText>,
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub charge: Option<Expandable>,
}
