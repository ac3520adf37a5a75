//! A balance transaction → the ledger row document.

use trueup_connect::{DecodeError, json};
use trueup_domain::document::{FeeKind, FeePart, LedgerRow, RowClass};
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;

use super::{day, present, row_class, shorten, time};
use crate::money;
use crate::wire::{BalanceTransaction, Expandable, FeeDetail, Source};

pub fn decode(row: BalanceTransaction, member_of: Option<&str>) -> Result<LedgerRow, DecodeError> {
    let currency = money::currency(&row.currency)?;
    let gross = money::amount("amount", &row.amount, currency)?;
    let fee = money::amount("fee", &row.fee, currency)?;
    let net = money::amount("net", &row.net, currency)?;
    let expected = gross.checked_sub(fee).map_err(|source| DecodeError::amount("net", source))?;
    if net != expected {
        let why = format!("amount {gross} less fee {fee} is not net {net}");
        return Err(DecodeError::Contradiction { what: "balance transaction", why });
    }
    let category = row.reporting_category.as_deref().filter(|word| !word.is_empty());
    let class = row_class::class(category, &row.kind, gross.is_negative());
    // The word that nobody has decided about is the one to show.
    let kind = match (class, category) {
        (RowClass::Unknown, Some(category)) => shorten(category),
        _ => row.kind,
    };
    Ok(LedgerRow {
        id: row.id,
        class,
        kind,
        gross,
        fee,
        net,
        fees: fees(&row.fee_details, fee, currency, class)?,
        presentment: presentment(row.source.as_ref(), class, gross)?,
        capture: row.source.as_ref().map(charge_of).transpose()?.flatten(),
        object: row.source.map(Expandable::into_id),
        order: None,
        payout: member_of.filter(|_| !planted("a_row_forgets_its_payout")).map(str::to_owned),
        occurred_at: time("created", row.created)?,
        available_on: Some(day("available_on", row.available_on)?),
        description: present(row.description),
    })
}

/// What the customer paid or got back, in his currency, where the account is kept in another. Stripe
/// states the amount of a row in the account's currency alone; the object that it books says the
/// other, where it stands there whole (`exchange_rate` is rounded, so nothing is computed with it).
/// <https://docs.stripe.com/api/balance_transactions/object>
fn presentment(
    source: Option<&Expandable>,
    class: RowClass,
    gross: Money,
) -> Result<Option<Money>, DecodeError> {
    let Some(Expandable::Object { raw, .. }) = source else { return Ok(None) };
    let source: Source = json::read(raw.get().as_bytes())?;
    let (Some(amount), Some(code)) = (&source.amount, &source.currency) else { return Ok(None) };
    // The object whose amount is that of the row: a charge says the whole, not what is reversed of it.
    let booked = match class {
        RowClass::Capture => "charge",
        RowClass::PartialCaptureReversal | RowClass::Refund | RowClass::RefundFailure => "refund",
        RowClass::Dispute | RowClass::DisputeReversal => "dispute",
        _ => return Ok(None),
    };
    if source.object != booked {
        return Ok(None);
    }
    let currency = money::currency(code)?;
    if currency == gross.currency() {
        return Ok(None);
    }
    let amount = money::amount("source.amount", amount, currency)?;
    let signed = if gross.is_negative() { amount.checked_neg() } else { Ok(amount) };
    signed.map(Some).map_err(|error| DecodeError::amount("source.amount", error))
}

fn fees(
    details: &[FeeDetail],
    fee: Money,
    currency: Currency,
    class: RowClass,
) -> Result<Vec<FeePart>, DecodeError> {
    let mut parts = Vec::with_capacity(details.len());
    for detail in details {
        if money::currency(&detail.currency)? != currency {
            let why = format!("a fee in {} on a row in {currency}", shorten(&detail.currency));
            return Err(DecodeError::Contradiction { what: "balance transaction", why });
        }
        let amount = money::amount("fee_details.amount", &detail.amount, currency)?;
        parts.push(FeePart { kind: fee_kind(&detail.kind, class), amount });
    }
    let sum = Money::sum(currency, parts.iter().map(|part| part.amount))
        .map_err(|source| DecodeError::amount("fee_details", source))?;
    if sum != fee {
        let why = format!("its fee details add up to {sum}, its fee is {fee}");
        return Err(DecodeError::Contradiction { what: "balance transaction", why });
    }
    Ok(parts)
}

/// A fee of a kind that is new keeps its amount under `Other`; nothing is posted differently for
/// it, so it does not hold the row back.
fn fee_kind(word: &str, class: RowClass) -> FeeKind {
    match word {
        "stripe_fee" if matches!(class, RowClass::Dispute | RowClass::DisputeReversal) => {
            FeeKind::Dispute
        }
        "stripe_fee" | "payment_method_passthrough_fee" => FeeKind::Processing,
        "tax" => FeeKind::Tax,
        "application_fee" => FeeKind::Application,
        _ => FeeKind::Other,
    }
}

/// The charge at the end of the row's source chain. An id alone says it only where the source is
/// the charge itself; a refund or dispute says it when it stands there whole.
fn charge_of(source: &Expandable) -> Result<Option<String>, DecodeError> {
    match source {
        Expandable::Id(id) if is_charge(id) => Ok(Some(id.clone())),
        Expandable::Id(_) => Ok(None),
        Expandable::Object { id, raw } => {
            let source: Source = json::read(raw.get().as_bytes())?;
            Ok(match source.object.as_str() {
                "charge" => Some(id.clone()),
                "refund" | "dispute" => source.charge.map(Expandable::into_id),
                _ => None,
            })
        }
    }
}

/// `py_…` is a charge of a payment method that is no card; `pyr_…` is a refund of one.
fn is_charge(id: &str) -> bool {
    id.starts_with("ch_") || id.starts_with("py_")
}
