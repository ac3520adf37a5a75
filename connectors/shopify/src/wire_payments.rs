//! Shopify Payments in both shapes: payouts, rows of the ledger, disputes, the balance.

use jiff::Timestamp;
use serde::Deserialize;
use trueup_connect::json::NumberText;

use crate::wire::{Amount, Id, Ref};

/// The account of GraphQL and the body of REST differ in one word only, which [`Amount`] knows.
#[derive(Deserialize)]
pub struct Balance {
    pub balance: Vec<Amount>,
}

#[derive(Deserialize)]
pub struct RestPayout {
    pub id: Id,
    pub status: String,
    pub date: String,
    pub currency: String,
    pub amount: NumberText,
}

#[derive(Deserialize)]
pub struct RestBalanceTransaction {
    pub id: Id,
    #[serde(rename = "type")]
    pub kind: String,
    pub test: Option<bool>,
    pub payout_id: Option<Id>,
    pub currency: String,
    pub amount: NumberText,
    pub fee: NumberText,
    pub net: NumberText,
    pub source_id: Option<Id>,
    pub source_order_id: Option<Id>,
    pub source_order_transaction_id: Option<Id>,
    pub adjustment_reason: Option<String>,
    pub processed_at: String,
}

#[derive(Deserialize)]
pub struct RestDispute {
    pub id: Id,
    pub order_id: Option<Id>,
    #[serde(rename = "type")]
    pub kind: String,
    pub amount: NumberText,
    pub currency: String,
    pub reason: String,
    pub status: String,
    pub evidence_due_by: Option<String>,
    pub finalized_on: Option<String>,
    pub initiated_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphPayout {
    pub id: Id,
    pub status: String,
    pub issued_at: String,
    pub net: Amount,
    pub external_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphBalanceTransaction {
    pub id: Id,
    #[serde(rename = "type")]
    pub kind: String,
    pub test: bool,
    pub amount: Amount,
    pub fee: Amount,
    pub net: Amount,
    pub source_id: Option<Id>,
    pub source_order_transaction_id: Option<Id>,
    pub adjustment_reason: Option<String>,
    pub transaction_date: String,
    pub associated_order: Option<Ref>,
    pub associated_payout: Option<MaybeRef>,
}

#[derive(Deserialize)]
pub struct MaybeRef {
    pub id: Option<Id>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphDispute {
    pub id: Id,
    pub status: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub amount: Amount,
    pub reason_details: Reason,
    pub evidence_due_by: Option<String>,
    pub finalized_on: Option<String>,
    pub initiated_at: Timestamp,
    pub order: Option<Ref>,
}

#[derive(Deserialize)]
pub struct Reason {
    pub reason: String,
}
