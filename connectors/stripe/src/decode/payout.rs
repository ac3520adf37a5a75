//! A payout → the payout document.

use trueup_connect::DecodeError;
use trueup_domain::document::{Payout, PayoutStatus};

use super::{day, present, time, version};
use crate::{money, wire};

pub fn decode(payout: wire::Payout) -> Result<Payout, DecodeError> {
    let currency = money::currency(&payout.currency)?;
    let status = status(&payout.status)?;
    let itemised = itemised(&payout)?;
    let trace = present(payout.trace_id.and_then(|trace| trace.value));
    let reconciled = match payout.reconciliation_status.as_deref() {
        Some("completed") => 2,
        Some("in_progress") => 1,
        _ => 0,
    };
    let progress = stage(status) * 100 + reconciled * 10 + u32::from(trace.is_some());
    let failure = match (present(payout.failure_code), present(payout.failure_message)) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message),
    };
    Ok(Payout {
        version: version(payout.created, progress)?,
        id: payout.id,
        status,
        amount: money::payout_amount(&payout.amount, currency)?,
        created_at: time("created", payout.created)?,
        arrival: day("arrival_date", payout.arrival_date)?,
        itemised,
        trace,
        descriptor: present(payout.statement_descriptor),
        failure,
    })
}

/// Only automatic payouts can be taken apart, and only once Stripe says that it is done.
pub fn itemised(payout: &wire::Payout) -> Result<bool, DecodeError> {
    match payout.reconciliation_status.as_deref() {
        Some("completed") => Ok(payout.automatic),
        Some("in_progress" | "not_applicable") | None => Ok(false),
        Some(other) => Err(DecodeError::unknown("reconciliation_status", other)),
    }
}

fn status(word: &str) -> Result<PayoutStatus, DecodeError> {
    Ok(match word {
        "pending" => PayoutStatus::Expected,
        "in_transit" => PayoutStatus::InTransit,
        "paid" => PayoutStatus::Paid,
        "failed" => PayoutStatus::Failed,
        "canceled" => PayoutStatus::Cancelled,
        other => return Err(DecodeError::unknown("status", other)),
    })
}

/// A bank may return a payout days after it was paid, so *failed* stands behind *paid*.
fn stage(status: PayoutStatus) -> u32 {
    match status {
        PayoutStatus::Expected => 1,
        PayoutStatus::InTransit => 2,
        PayoutStatus::Paid => 3,
        PayoutStatus::Failed | PayoutStatus::Cancelled => 4,
        // Stripe has no such payout.
        PayoutStatus::CarriedForward => 5,
    }
}
