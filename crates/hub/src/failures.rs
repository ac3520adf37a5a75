//! Refunds whose money came back. The sale books the way back, and knows neither the provider's rows
//! nor what its channel once said, so that what is seen of it comes in as a message for the sale
//! (`docs/decisions/0013-failed-refunds-are-messages.md`).

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::document::{
    Document, Payment, PaymentKind, PaymentStatus, RefundFailure, Version,
};
use trueup_domain::fact::{Fact, FactContent};
use trueup_domain::item::{ItemKind, Side};
use trueup_domain::money::{Money, MoneyError};
use trueup_store::documents;
use trueup_store::facts::LiveItem;
use trueup_store::messages;
use trueup_store::{StoreError, Tx};

use crate::decode::REFUND_FAILURE;

/// Hands in for the sale what the provider's ledger took back of a refund. `items` are those of one
/// key. What was handed in before stands, with its day.
pub fn seen_in_ledger(
    tx: &mut Tx<'_>,
    key: &str,
    items: &[LiveItem],
    now: Timestamp,
) -> Result<(), StoreError> {
    if !key.starts_with("refund_paid/") {
        return Ok(());
    }
    let Some((failed_on, amount)) = taken_back(items).map_err(StoreError::corrupt)? else {
        return Ok(());
    };
    let start = format!("{}/", ItemKind::RefundPaid.word());
    for stated in items.iter().filter(|item| item.item.side == Side::Channel) {
        let Some(transaction) = stated.part.strip_prefix(&start) else { continue };
        let Some(sale) = documents::find_root(tx, &stated.root)? else { continue };
        if messages::is_recorded(tx, &sale.connection, &source_id(transaction))? {
            continue;
        }
        let failure = RefundFailure {
            id: transaction.to_owned(),
            order: sale.external_id,
            version: Version(0),
            failed_on,
            amount,
            key: key.to_owned(),
        };
        state(tx, &sale.connection, &failure, now)?;
    }
    Ok(())
}

/// The day and amount of what the ledger's rows took back of a refund, if any did.
fn taken_back(items: &[LiveItem]) -> Result<Option<(Date, Money)>, MoneyError> {
    let back = items.iter().map(|item| &item.item);
    let back: Vec<_> =
        back.filter(|it| it.side == Side::Settlement && it.amount.is_negative()).collect();
    let Some(last) = back.iter().max_by_key(|item| item.date) else { return Ok(None) };
    let amount = Money::sum(last.amount.currency(), back.iter().map(|item| item.amount))?;
    Ok(Some((last.date, amount.checked_neg()?)))
}

/// The refunds of a sale that had gone, as its live facts say, and of which the channel says now
/// that they failed, while nothing was handed in.
pub fn newly_failed(stated: &[Document], live: &[Fact], today: Date) -> Vec<RefundFailure> {
    let known = |payment: &Payment| {
        stated.iter().any(|one| matches!(one, Document::RefundFailure(it) if it.id == payment.id))
    };
    let failed = stated.iter().filter_map(|one| match one {
        Document::Payment(payment)
            if payment.kind == PaymentKind::Refund
                && payment.status == PaymentStatus::Failed
                && !known(payment) =>
        {
            Some(payment)
        }
        _ => None,
    });
    let had_gone = |payment: &Payment| {
        live.iter().any(|fact| fact.key.kind == "refund_paid" && fact.key.part == payment.id)
    };
    let failure = |payment: &Payment| {
        let part = format!("{}/{}", ItemKind::RefundPaid.word(), payment.id);
        let key = live.iter().find_map(|fact| match &fact.content {
            FactContent::Item(item) if fact.key.part == part => Some(item.key.clone()),
            _ => None,
        })?;
        Some(RefundFailure {
            id: payment.id.clone(),
            order: payment.order.clone(),
            version: Version(0),
            failed_on: today,
            amount: payment.amount,
            key,
        })
    };
    failed.filter(|payment| had_gone(payment)).filter_map(|payment| failure(payment)).collect()
}

/// Hands a failure in at the front door. The same again is no news.
pub fn state(
    tx: &mut Tx<'_>,
    connection: &str,
    failure: &RefundFailure,
    now: Timestamp,
) -> Result<(), StoreError> {
    messages::state(tx, connection, source_id(&failure.id), REFUND_FAILURE, failure, now)
}

fn source_id(transaction: &str) -> String {
    format!("refund_failure/{transaction}")
}
