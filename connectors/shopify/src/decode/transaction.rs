//! The channel's transactions: who paid how much with what.

use trueup_connect::DecodeError;
use trueup_domain::document::{Payment, PaymentKind, PaymentStatus, Tender, Version};
use trueup_domain::money::{Currency, Money};

use crate::said;

/// The gateway whose ledger is in the same API: its rows name the transaction's own id.
const OWN_GATEWAY: &str = "shopify_payments";

pub fn payment(
    said: &said::Transaction,
    order: &str,
    shop: Currency,
    version: Version,
) -> Result<Payment, DecodeError> {
    let provider_id = if said.gateway == OWN_GATEWAY {
        Some(said.id.clone())
    } else {
        said.authorization.clone().or_else(|| said.receipt_id.clone())
    };
    Ok(Payment {
        id: said.id.clone(),
        order: order.to_owned(),
        version,
        kind: kind(&said.kind)?,
        status: status(&said.status)?,
        amount: amount(said, shop)?,
        gateway: said.gateway.clone(),
        tender: tender(&said.gateway, said.manual),
        parent: said.parent.clone(),
        refund: said.refund.clone(),
        provider_id,
        processed_at: said.processed_at,
        test: said.test,
    })
}

/// What moved: Shopify keeps the rounding of the till apart from the amount.
fn amount(said: &said::Transaction, shop: Currency) -> Result<Money, DecodeError> {
    let amount = said.amount.money("transactions.amount", shop)?;
    let moved = amount
        .checked_add(rounding(said, shop)?)
        .map_err(|error| DecodeError::amount("transactions.amount_rounding", error))?;
    if moved.is_negative() {
        return Err(DecodeError::Contradiction {
            what: "transaction",
            why: format!("its amount is {moved}"),
        });
    }
    Ok(moved)
}

pub fn rounding(said: &said::Transaction, shop: Currency) -> Result<Money, DecodeError> {
    match &said.rounding {
        Some(rounding) => rounding.money("transactions.amount_rounding", shop),
        None => Ok(Money::zero(shop)),
    }
}

fn kind(word: &str) -> Result<PaymentKind, DecodeError> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "authorization" | "emv_authorization" => PaymentKind::Authorization,
        "capture" => PaymentKind::Capture,
        "sale" => PaymentKind::Sale,
        "void" => PaymentKind::Void,
        "refund" => PaymentKind::Refund,
        // `change` is a till's change: whether the sale beside it is what was handed over or what
        // was kept is documented nowhere, so a person decides.
        _ => return Err(DecodeError::unknown("transactions.kind", word)),
    })
}

fn status(word: &str) -> Result<PaymentStatus, DecodeError> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "pending" | "awaiting_response" => PaymentStatus::Pending,
        "success" => PaymentStatus::Succeeded,
        "failure" | "error" => PaymentStatus::Failed,
        _ => return Err(DecodeError::unknown("transactions.status", word)),
    })
}

/// Gateways are named by Shopify or, for payments taken by hand, by the merchant.
fn tender(gateway: &str, manual: bool) -> Tender {
    match gateway.trim().to_ascii_lowercase().as_str() {
        "gift_card" => Tender::GiftCard,
        "store_credit" | "shop_store_credit" | "shopify_store_credit" => Tender::StoreCredit,
        "cash" => Tender::Cash,
        "bank deposit" | "bank_deposit" | "bank transfer" | "bank_transfer" => Tender::BankTransfer,
        "manual"
        | "cash on delivery (cod)"
        | "cash on delivery"
        | "money order"
        | "custom"
        | "" => Tender::Other,
        _ if manual => Tender::Other,
        _ => Tender::Card,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gateway_has_its_tender() {
        let check = |gateway, manual, expected| assert_eq!(tender(gateway, manual), expected);
        check("shopify_payments", false, Tender::Card);
        check("paypal", false, Tender::Card);
        check("gift_card", false, Tender::GiftCard);
        check("shop_store_credit", false, Tender::StoreCredit);
        check("cash", false, Tender::Cash);
        check("Bank Deposit", true, Tender::BankTransfer);
        check("Cash on Delivery (COD)", true, Tender::Other);
        check("manual", true, Tender::Other);
        check("Rechnung", true, Tender::Other);
    }

    #[test]
    fn g1_a_word_nobody_decided_about_is_refused() {
        assert!(kind("change").is_err());
        assert!(kind("").is_err());
        assert!(status("unknown").is_err());
    }
}
