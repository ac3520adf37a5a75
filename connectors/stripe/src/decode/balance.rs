//! What Stripe itself says it holds → one record for each currency.
//!
//! The total is `available` and `pending` together: Stripe's *payments balance*, which its
//! documents define as these two and which our ledger rows move. Every other part of the object is
//! left out. `instant_available` counts money of those two again. `connect_reserved`, `issuing`,
//! `refund_and_dispute_prefunding` and `risk_reserved` lie beside them: what moves there has left
//! the payments balance by a row, so a total that counted it would count it twice.

use std::collections::BTreeMap;

use trueup_connect::DecodeError;
use trueup_domain::document::{BooksRecord, Version};
use trueup_domain::money::{Currency, Money};

use crate::{money, wire};

/// The balance has neither an id nor a time. `at` is when it was read, in microseconds.
pub fn decode(balance: wire::Balance, at: i64) -> Result<Vec<BooksRecord>, DecodeError> {
    let mut totals: BTreeMap<Currency, Money> = BTreeMap::new();
    for (field, parts) in [("available", balance.available), ("pending", balance.pending)] {
        for part in parts {
            let currency = money::currency(&part.currency)?;
            let amount = money::amount(field, &part.amount, currency)?;
            let total = totals.entry(currency).or_insert_with(|| Money::zero(currency));
            let sum = total.checked_add(amount);
            *total = sum.map_err(|source| DecodeError::amount(field, source))?;
        }
    }
    Ok(totals.into_values().map(|total| BooksRecord::balance(total, Version(at))).collect())
}
