//! A charge → the capture document.

use trueup_connect::DecodeError;
use trueup_domain::document::{Capture, CaptureStatus};
use trueup_domain::money::{Currency, Money};

use super::{present, time, version};
use crate::money;
use crate::wire::{Charge, Expandable};

pub fn decode(charge: Charge) -> Result<Capture, DecodeError> {
    let currency = money::currency(&charge.currency)?;
    let amount = money::amount("amount", &charge.amount, currency)?;
    let captured = captured(&charge, amount, currency)?;
    let refunded = money::amount("amount_refunded", &charge.amount_refunded, currency)?;
    let status = status(&charge, refunded)?;
    let ledger_row = charge.balance_transaction.map(Expandable::into_id);
    Ok(Capture {
        version: version(charge.created, progress(status, ledger_row.is_some()))?,
        id: charge.id,
        status,
        amount,
        captured,
        refunded: given_back(amount, captured, refunded, status)?,
        intent: charge.payment_intent.map(Expandable::into_id),
        ledger_row,
        description: present(charge.description),
        created_at: time("created", charge.created)?,
    })
}

fn captured(charge: &Charge, amount: Money, currency: Currency) -> Result<Money, DecodeError> {
    match &charge.amount_captured {
        Some(captured) => money::amount("amount_captured", captured, currency),
        None if charge.captured => Ok(amount),
        None => Ok(Money::zero(currency)),
    }
}

fn status(charge: &Charge, refunded: Money) -> Result<CaptureStatus, DecodeError> {
    match (charge.status.as_str(), charge.captured) {
        ("failed", _) => Ok(CaptureStatus::Failed),
        ("pending", _) => Ok(CaptureStatus::Pending),
        ("succeeded", true) => Ok(CaptureStatus::Captured),
        // An authorization that was let go shows as refunded without ever being captured.
        ("succeeded", false) if !refunded.is_zero() => Ok(CaptureStatus::Cancelled),
        ("succeeded", false) => Ok(CaptureStatus::Authorized),
        (other, _) => Err(DecodeError::unknown("status", other)),
    }
}

/// `amount_refunded` counts the part of an authorization that was never taken as a refund. No
/// customer got that money back: it never left.
fn given_back(
    amount: Money,
    captured: Money,
    refunded: Money,
    status: CaptureStatus,
) -> Result<Money, DecodeError> {
    let zero = Money::zero(amount.currency());
    if status != CaptureStatus::Captured {
        return Ok(zero);
    }
    let released = amount.checked_sub(captured).and_then(|never_taken| {
        let never_taken = if never_taken.is_negative() { zero } else { never_taken };
        refunded.checked_sub(never_taken)
    });
    let refunded = released.map_err(|source| DecodeError::amount("amount_refunded", source))?;
    Ok(if refunded.is_negative() { zero } else { refunded })
}

/// The amount refunded falls again when a refund fails, so it is no part of this.
fn progress(status: CaptureStatus, booked: bool) -> u32 {
    let stage = match status {
        CaptureStatus::Pending => 1,
        CaptureStatus::Authorized => 2,
        CaptureStatus::Captured | CaptureStatus::Failed | CaptureStatus::Cancelled => 3,
    };
    stage * 10 + u32::from(booked)
}
