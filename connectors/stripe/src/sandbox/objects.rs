//! The objects of the account, and how they look in JSON: the shapes of the pinned version, with
//! the fields that a reader may lean on.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::StripeSandbox;

#[derive(Clone, Debug)]
pub(super) struct Charge {
    pub id: String,
    pub intent: String,
    /// Its amounts are in it, whatever the account's is.
    pub currency: String,
    pub amount: i64,
    pub amount_captured: i64,
    pub amount_refunded: i64,
    pub row: Option<String>,
    pub description: String,
    pub disputed: bool,
    pub status: &'static str,
    pub created: i64,
}

impl Charge {
    /// What can still be refunded.
    pub fn left(&self) -> i64 {
        if self.status == "succeeded" { self.amount - self.amount_refunded } else { 0 }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Refund {
    pub id: String,
    pub charge: String,
    pub amount: i64,
    pub row: String,
    pub failure_row: Option<String>,
    pub created: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Dispute {
    pub id: String,
    pub charge: String,
    pub amount: i64,
    pub fee: i64,
    pub status: &'static str,
    pub rows: Vec<String>,
    pub created: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Payout {
    pub id: String,
    pub amount: i64,
    pub arrival_date: i64,
    pub status: &'static str,
    pub row: String,
    pub failure_row: Option<String>,
    pub created: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub id: String,
    pub amount: i64,
    /// What the fee is made of: amount, type, description.
    pub fees: Vec<(i64, &'static str, &'static str)>,
    pub kind: String,
    pub category: String,
    pub source: Option<String>,
    pub description: String,
    pub created: i64,
    pub available_on: i64,
    pub payout: Option<String>,
    /// In millionths, of what was converted.
    pub exchange_rate: Option<i64>,
}

impl Row {
    pub fn fee(&self) -> i64 {
        self.fees.iter().map(|(amount, ..)| amount).sum()
    }
    pub fn net(&self) -> i64 {
        self.amount - self.fee()
    }
}

impl StripeSandbox {
    pub(super) fn charge_json(&self, charge: &Charge) -> Value {
        let failed = charge.status == "failed";
        json!({
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": charge.amount_captured,
            "amount_refunded": charge.amount_refunded,
            "balance_transaction": charge.row,
            "captured": charge.row.is_some(),
            "created": charge.created,
            "currency": charge.currency,
            "description": charge.description,
            "disputed": charge.disputed,
            "failure_balance_transaction": null,
            "failure_code": failed.then_some("card_declined"),
            "failure_message": failed.then_some("Your card was declined."),
            "livemode": false,
            "metadata": {},
            "paid": !failed,
            "payment_intent": charge.intent,
            "payment_method_details": {
                "card": {"brand": "visa", "last4": "4242"},
                "type": "card",
            },
            "refunded": charge.amount_refunded == charge.amount,
            "status": charge.status,
        })
    }

    pub(super) fn intent_json(&self, charge: &Charge, latest_charge: Value) -> Value {
        let failed = charge.status == "failed";
        json!({
            "id": charge.intent,
            "object": "payment_intent",
            "amount": charge.amount,
            "amount_capturable": 0,
            "amount_received": charge.amount_captured,
            "capture_method": "automatic",
            "created": charge.created,
            "currency": charge.currency,
            "description": charge.description,
            "latest_charge": latest_charge,
            "livemode": false,
            "metadata": {},
            "payment_method_types": ["card"],
            "status": if failed { "requires_payment_method" } else { "succeeded" },
        })
    }

    pub(super) fn refund_json(&self, refund: &Refund) -> Value {
        let failed = refund.failure_row.is_some();
        let intent = self.charges.get(&refund.charge).map(|charge| charge.intent.as_str());
        let mut object = json!({
            "id": refund.id,
            "object": "refund",
            "amount": refund.amount,
            "balance_transaction": refund.row,
            "charge": refund.charge,
            "created": refund.created,
            "currency": self.currency_of(&refund.charge),
            "metadata": {},
            "payment_intent": intent,
            "reason": "requested_by_customer",
            "receipt_number": null,
            "status": if failed { "failed" } else { "succeeded" },
        });
        if let (Some(row), Some(fields)) = (&refund.failure_row, object.as_object_mut()) {
            fields.insert("failure_balance_transaction".to_owned(), json!(row));
            fields.insert("failure_reason".to_owned(), json!("expired_or_canceled_card"));
        }
        object
    }

    pub(super) fn dispute_json(&self, dispute: &Dispute, now: Timestamp) -> Value {
        let rows: Vec<Value> = dispute
            .rows
            .iter()
            .filter_map(|row| self.rows.get(row))
            .map(|row| self.row_json(row, now, false))
            .collect();
        let inquiry = dispute.status.starts_with("warning_");
        let intent = self.charges.get(&dispute.charge).map(|charge| charge.intent.as_str());
        json!({
            "id": dispute.id,
            "object": "dispute",
            "amount": dispute.amount,
            "balance_transactions": rows,
            "charge": dispute.charge,
            "created": dispute.created,
            "currency": self.currency_of(&dispute.charge),
            "evidence": {},
            "evidence_details": {
                "due_by": dispute.created + 10 * 86_400,
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": false,
            "metadata": {},
            "payment_intent": intent,
            "payment_method_details": {
                "card": {
                    "brand": "visa",
                    "case_type": if inquiry { "inquiry" } else { "chargeback" },
                    "network_reason_code": "13.1",
                },
                "type": "card",
            },
            "reason": "product_not_received",
            "status": dispute.status,
        })
    }

    pub(super) fn payout_json(&self, payout: &Payout) -> Value {
        let failed = payout.failure_row.is_some();
        // The bank's reference of a transfer is known once it has been handed in.
        let trace = match payout.status {
            "paid" | "failed" => json!({"status": "supported", "value": trace(&payout.id)}),
            _ => json!({"status": "pending", "value": null}),
        };
        json!({
            "id": payout.id,
            "object": "payout",
            "amount": payout.amount,
            "arrival_date": payout.arrival_date,
            "automatic": true,
            "balance_transaction": payout.row,
            "created": payout.created,
            "currency": self.currency,
            "description": "STRIPE PAYOUT",
            "destination": format!("ba_{}", self.tag),
            "failure_balance_transaction": payout.failure_row,
            "failure_code": failed.then_some("account_closed"),
            "failure_message": failed.then_some("The bank account has been closed."),
            "livemode": false,
            "metadata": {},
            "method": "standard",
            "original_payout": null,
            "reconciliation_status": "completed",
            "reversed_by": null,
            "source_type": "card",
            "statement_descriptor": "STRIPE",
            "status": payout.status,
            "trace_id": trace,
            "type": "bank_account",
        })
    }

    /// A row; with `expand`, its source stands in it whole.
    pub(super) fn row_json(&self, row: &Row, now: Timestamp, expand: bool) -> Value {
        let details: Vec<Value> = row
            .fees
            .iter()
            .map(|(amount, kind, description)| {
                json!({
                    "amount": amount,
                    "application": null,
                    "currency": self.currency,
                    "description": description,
                    "type": kind,
                })
            })
            .collect();
        let source = row.source.as_deref().map(|id| {
            let object = if expand { self.object(id, now) } else { None };
            object.unwrap_or_else(|| json!(id))
        });
        let available = row.available_on <= now.as_second();
        json!({
            "id": row.id,
            "object": "balance_transaction",
            "amount": row.amount,
            "available_on": row.available_on,
            "balance_type": "payments",
            "created": row.created,
            "currency": self.currency,
            "description": row.description,
            "exchange_rate": row.exchange_rate.map(millionths),
            "fee": row.fee(),
            "fee_details": details,
            "net": row.net(),
            "reporting_category": row.category,
            "source": source,
            "status": if available { "available" } else { "pending" },
            "type": row.kind,
        })
    }

    /// What a charge and all that follows it is counted in.
    pub(super) fn currency_of(&self, charge: &str) -> &str {
        self.charges.get(charge).map_or(&self.currency, |charge| &charge.currency)
    }

    /// Any object by its id.
    pub(super) fn object(&self, id: &str, now: Timestamp) -> Option<Value> {
        if let Some(charge) = self.charges.get(id) {
            return Some(self.charge_json(charge));
        }
        if let Some(refund) = self.refunds.get(id) {
            return Some(self.refund_json(refund));
        }
        if let Some(dispute) = self.disputes.get(id) {
            return Some(self.dispute_json(dispute, now));
        }
        self.payouts.get(id).map(|payout| self.payout_json(payout))
    }
}

/// A number of JSON, with as many decimals as it has.
fn millionths(rate: i64) -> Value {
    let text = format!("{}.{:06}", rate / 1_000_000, rate % 1_000_000);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// What the bank line of a payout carries as its end-to-end reference.
pub(super) fn trace(payout: &str) -> String {
    format!("TRACE{}", payout.trim_start_matches("po_").to_ascii_uppercase())
}
