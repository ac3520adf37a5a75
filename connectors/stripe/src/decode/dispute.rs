//! A dispute → the dispute document.

use trueup_connect::DecodeError;
use trueup_domain::document::{Dispute, DisputeStatus};

use super::{time, version};
use crate::money;
use crate::wire::{self, Expandable};

pub fn decode(dispute: wire::Dispute) -> Result<Dispute, DecodeError> {
    let currency = money::currency(&dispute.currency)?;
    let case_type = dispute.payment_method_details.and_then(|method| method.card?.case_type);
    let inquiry = dispute.status.starts_with("warning_") || case_type.as_deref() == Some("inquiry");
    let (status, stage) = status(&dispute.status)?;
    // None, one, two or more: a currency conversion adds its own. Their sum is what moved.
    let ledger_rows: Vec<String> = match dispute.balance_transactions {
        Some(rows) => rows.into_iter().map(Expandable::into_id).collect(),
        None => dispute.balance_transaction.map(Expandable::into_id).into_iter().collect(),
    };
    let rows = u32::try_from(ledger_rows.len()).unwrap_or(u32::MAX).min(999);
    let due = dispute.evidence_details.and_then(|details| details.due_by);
    Ok(Dispute {
        version: version(dispute.created, stage * 1_000 + rows)?,
        id: dispute.id,
        status,
        inquiry,
        amount: money::amount("amount", &dispute.amount, currency)?,
        capture: dispute.charge.map(Expandable::into_id),
        order: None,
        reason: dispute.reason,
        evidence_due: due.map(|due| time("evidence_details.due_by", due)).transpose()?,
        closed_on: None,
        ledger_rows,
        created_at: time("created", dispute.created)?,
    })
}

/// The status, and how far along the road it stands: an inquiry may become a chargeback. Won and
/// lost stand level, because a network may still turn one into the other.
fn status(word: &str) -> Result<(DisputeStatus, u32), DecodeError> {
    Ok(match word {
        "warning_needs_response" => (DisputeStatus::NeedsResponse, 1),
        "warning_under_review" => (DisputeStatus::UnderReview, 2),
        "warning_closed" => (DisputeStatus::Closed, 3),
        "needs_response" => (DisputeStatus::NeedsResponse, 4),
        "under_review" => (DisputeStatus::UnderReview, 5),
        "prevented" => (DisputeStatus::Prevented, 6),
        "charge_refunded" => (DisputeStatus::Refunded, 6),
        "won" => (DisputeStatus::Won, 6),
        "lost" => (DisputeStatus::Lost, 6),
        other => return Err(DecodeError::unknown("status", other)),
    })
}
