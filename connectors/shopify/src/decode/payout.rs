//! Shopify Payments: payouts, the rows of its ledger, disputes.
//!
//! Neither payouts nor disputes state an update time, but their status only moves forward. Their
//! version is their day and how far they are, so that a later status always wins.

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_connect::DecodeError;
use trueup_domain::document::{
    Dispute, DisputeStatus, FeeKind, FeePart, LedgerRow, Payout, PayoutStatus, RowClass, Version,
};
use trueup_domain::money::{Currency, Money};

use crate::wire::{Id, currency, filled};
use crate::wire_payments::{
    GraphBalanceTransaction, GraphDispute, GraphPayout, RestBalanceTransaction, RestDispute,
    RestPayout,
};

pub fn payout_rest(wire: RestPayout) -> Result<Payout, DecodeError> {
    let money = wire.amount.money("amount", currency("currency", &wire.currency)?)?;
    payout(wire.id, &wire.status, &wire.date, money, None)
}

pub fn payout_graphql(wire: GraphPayout) -> Result<Payout, DecodeError> {
    let net = wire.net.money("net", wire.net.currency("net")?)?;
    payout(wire.id, &wire.status, &wire.issued_at, net, wire.external_trace_id)
}

fn payout(
    id: Id,
    status: &str,
    issued: &str,
    amount: Money,
    trace: Option<String>,
) -> Result<Payout, DecodeError> {
    let day = date("date", issued)?;
    let created_at = midnight(day)?;
    let (status, step) = match status.to_ascii_lowercase().as_str() {
        "scheduled" => (PayoutStatus::Expected, 0),
        "in_transit" => (PayoutStatus::InTransit, 1),
        "paid" => (PayoutStatus::Paid, 2),
        "failed" => (PayoutStatus::Failed, 3),
        "canceled" | "cancelled" => (PayoutStatus::Cancelled, 3),
        _ => return Err(DecodeError::unknown("payouts.status", status)),
    };
    Ok(Payout {
        id: id.0,
        version: step_of(created_at, step),
        status,
        amount,
        created_at,
        arrival: day,
        itemised: true,
        trace: filled(trace),
        descriptor: None,
        failure: None,
    })
}

fn step_of(day: Timestamp, step: i64) -> Version {
    Version(day.as_microsecond().saturating_add(step))
}

/// What both shapes say about a row of the ledger.
struct Row {
    id: Id,
    kind: String,
    gross: Money,
    fee: Money,
    net: Money,
    source: Option<Id>,
    transaction: Option<Id>,
    order: Option<Id>,
    payout: Option<Id>,
    occurred_at: Timestamp,
    reason: Option<String>,
}

/// `None` for a row made in test mode: it moved nothing.
pub fn row_rest(wire: RestBalanceTransaction) -> Result<Option<LedgerRow>, DecodeError> {
    if wire.test == Some(true) {
        return Ok(None);
    }
    let own = currency("currency", &wire.currency)?;
    row(Row {
        id: wire.id,
        kind: wire.kind,
        gross: wire.amount.money("amount", own)?,
        fee: wire.fee.money("fee", own)?,
        net: wire.net.money("net", own)?,
        source: wire.source_id,
        transaction: wire.source_order_transaction_id,
        order: wire.source_order_id,
        payout: wire.payout_id,
        occurred_at: moment("processed_at", &wire.processed_at)?,
        reason: wire.adjustment_reason,
    })
    .map(Some)
}

pub fn row_graphql(wire: GraphBalanceTransaction) -> Result<Option<LedgerRow>, DecodeError> {
    if wire.test {
        return Ok(None);
    }
    let own: Currency = wire.amount.currency("amount")?;
    row(Row {
        id: wire.id,
        kind: wire.kind,
        gross: wire.amount.money("amount", own)?,
        fee: wire.fee.money("fee", own)?,
        net: wire.net.money("net", own)?,
        source: wire.source_id,
        transaction: wire.source_order_transaction_id,
        order: wire.associated_order.map(|order| order.id),
        payout: wire.associated_payout.and_then(|payout| payout.id),
        occurred_at: moment("transactionDate", &wire.transaction_date)?,
        reason: wire.adjustment_reason,
    })
    .map(Some)
}

fn row(said: Row) -> Result<LedgerRow, DecodeError> {
    let net = said.gross.checked_sub(said.fee);
    let net = net.map_err(|error| DecodeError::amount("net", error))?;
    if net != said.net {
        return Err(DecodeError::Contradiction {
            what: "ledger row",
            why: format!(
                "row {}: {} less a fee of {} is {net}, it says {}",
                said.id.0, said.gross, said.fee, said.net
            ),
        });
    }
    let class = class(&said.kind, said.gross);
    let transaction = said.transaction.map(|id| id.0);
    let fees = if said.fee.is_zero() {
        Vec::new()
    } else {
        let kind = match class {
            RowClass::Dispute | RowClass::DisputeReversal => FeeKind::Dispute,
            _ => FeeKind::Processing,
        };
        vec![FeePart { kind, amount: said.fee }]
    };
    Ok(LedgerRow {
        id: said.id.0,
        class,
        kind: said.kind.to_ascii_lowercase(),
        gross: said.gross,
        fee: said.fee,
        net: said.net,
        fees,
        // Its rows say nothing of the currency that a customer paid in.
        presentment: None,
        // Disputes name themselves; everything else that concerns an order names its transaction.
        object: match class {
            RowClass::Dispute | RowClass::DisputeReversal => said.source.map(|id| id.0),
            _ => transaction.clone(),
        },
        // A refund names its own transaction, and which capture that gives back is the channel's
        // to say; a dispute names the transaction in dispute.
        capture: match class {
            RowClass::Capture | RowClass::Dispute | RowClass::DisputeReversal => transaction,
            _ => None,
        },
        order: said.order.map(|id| id.0),
        payout: said.payout.map(|id| id.0),
        occurred_at: said.occurred_at,
        available_on: None,
        description: filled(said.reason).map(|reason| reason.to_ascii_lowercase()),
    })
}

/// An open vocabulary (the official example alone has twelve words, one of them in capitals): what
/// nobody has decided about is `Unknown`, which blocks the posting of its payout.
fn class(kind: &str, gross: Money) -> RowClass {
    let out = gross.is_negative();
    match kind.to_ascii_lowercase().as_str() {
        "charge" | "capture" => RowClass::Capture,
        "refund" => RowClass::Refund,
        "refund_failure" => RowClass::RefundFailure,
        "dispute" if out => RowClass::Dispute,
        "dispute" => RowClass::DisputeReversal,
        "reserve" if out => RowClass::Reserve,
        "reserve" => RowClass::ReserveRelease,
        "adjustment" | "credit" | "debit" => RowClass::Adjustment,
        "payout" | "transfer" => RowClass::Payout,
        "payout_failure" | "payout_cancellation" | "transfer_failure" | "transfer_cancel" => {
            RowClass::PayoutReturn
        }
        "advance" | "advance_funding" => RowClass::Loan,
        _ => RowClass::Unknown,
    }
}

pub fn dispute_rest(wire: RestDispute) -> Result<Dispute, DecodeError> {
    let amount = wire.amount.money("amount", currency("currency", &wire.currency)?)?;
    dispute(SaidDispute {
        id: wire.id,
        order: wire.order_id,
        kind: wire.kind,
        amount,
        reason: wire.reason,
        status: wire.status,
        due: wire.evidence_due_by,
        closed: wire.finalized_on,
        initiated_at: wire.initiated_at,
    })
}

pub fn dispute_graphql(wire: GraphDispute) -> Result<Dispute, DecodeError> {
    dispute(SaidDispute {
        amount: wire.amount.money("amount", wire.amount.currency("amount")?)?,
        id: wire.id,
        order: wire.order.map(|order| order.id),
        kind: wire.kind,
        reason: wire.reason_details.reason,
        status: wire.status,
        due: wire.evidence_due_by,
        closed: wire.finalized_on,
        initiated_at: wire.initiated_at,
    })
}

struct SaidDispute {
    id: Id,
    order: Option<Id>,
    kind: String,
    amount: Money,
    reason: String,
    status: String,
    due: Option<String>,
    closed: Option<String>,
    initiated_at: Timestamp,
}

fn dispute(said: SaidDispute) -> Result<Dispute, DecodeError> {
    let (status, step) = match said.status.to_ascii_lowercase().as_str() {
        "needs_response" => (DisputeStatus::NeedsResponse, 0),
        "under_review" => (DisputeStatus::UnderReview, 1),
        "charge_refunded" => (DisputeStatus::Refunded, 2),
        "accepted" => (DisputeStatus::Accepted, 2),
        "prevented" => (DisputeStatus::Prevented, 2),
        "won" => (DisputeStatus::Won, 3),
        "lost" => (DisputeStatus::Lost, 3),
        _ => return Err(DecodeError::unknown("disputes.status", &said.status)),
    };
    let inquiry = match said.kind.to_ascii_lowercase().as_str() {
        "chargeback" => false,
        "inquiry" => true,
        _ => return Err(DecodeError::unknown("disputes.type", &said.kind)),
    };
    let due = said.due.as_deref().map(|due| date("evidence_due_by", due)).transpose()?;
    Ok(Dispute {
        id: said.id.0,
        version: step_of(said.initiated_at, step),
        status,
        inquiry,
        amount: said.amount,
        capture: None,
        order: said.order.map(|id| id.0),
        reason: said.reason.to_ascii_lowercase(),
        // GraphQL names only the day, so the day begins the deadline in both shapes.
        evidence_due: due.map(midnight).transpose()?,
        closed_on: said.closed.as_deref().map(|day| date("finalized_on", day)).transpose()?,
        ledger_rows: Vec::new(),
        created_at: said.initiated_at,
    })
}

/// The day as written, whatever the zone: `2013-11-01`, or the date of a moment.
fn date(field: &str, text: &str) -> Result<Date, DecodeError> {
    let day = text.get(..10).and_then(|day| day.parse().ok());
    day.ok_or_else(|| DecodeError::field(field))
}

fn midnight(day: Date) -> Result<Timestamp, DecodeError> {
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC);
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| DecodeError::field("date"))
}

/// Older versions of the API name only the day of a row.
fn moment(field: &str, text: &str) -> Result<Timestamp, DecodeError> {
    match text.parse() {
        Ok(moment) => Ok(moment),
        Err(_) if text.len() == 10 => midnight(date(field, text)?),
        Err(_) => Err(DecodeError::field(field)),
    }
}
