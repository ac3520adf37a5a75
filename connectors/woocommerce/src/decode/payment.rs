//! The money that WooCommerce states. It keeps no transactions: an order says when it was paid, by
//! which method and what the gateway called it, a refund whether the gateway gave the money back.

use trueup_domain::document::{
    Order, Payment, PaymentKind, PaymentStatus, Refund, Tender, Version,
};

use crate::wire::{self, filled, note};

/// The payment of an order that was paid. An order of nothing is paid without money.
pub fn of_order(wire: &wire::Order, order: &Order) -> Option<Payment> {
    let paid_at = wire.date_paid_gmt?.0;
    (!order.total.is_zero()).then(|| Payment {
        id: format!("{}-paid", order.id),
        order: order.id.clone(),
        version: order.version,
        kind: PaymentKind::Sale,
        status: PaymentStatus::Succeeded,
        amount: order.total,
        gateway: wire.payment_method.clone(),
        tender: tender(&wire.payment_method),
        parent: None,
        refund: None,
        // `WooPayments` names the intent and notes its charge, which is what a ledger names.
        provider_id: note(&wire.meta_data, "_charge_id").or_else(|| filled(&wire.transaction_id)),
        processed_at: paid_at,
        test: order.test,
    })
}

/// The money of a refund. Its version is higher once the provider's name of it is known: the note
/// on the order is about its last refund, so with the next refund that name is lost, and what was
/// known of the first must stay.
pub fn of_refund(
    wire: &wire::Order,
    refund: &wire::Refund,
    agreed: &Refund,
    paid: &Payment,
    only: bool,
) -> Payment {
    let own = |key| note(&refund.meta_data, key);
    let last = || note(&wire.meta_data, "_stripe_refund_id").filter(|_| only);
    let provider_id = own("_stripe_refund_id").or_else(|| own("_wcpay_refund_id")).or_else(last);
    // Where nobody but the merchant can give it back, his word is that he did.
    let moved = refund.refunded_payment || provider_id.is_some() || by_hand(&wire.payment_method);
    Payment {
        id: money_id(&agreed.id),
        order: agreed.order.clone(),
        version: Version(agreed.version.0 + i64::from(provider_id.is_some())),
        kind: PaymentKind::Refund,
        status: if moved { PaymentStatus::Succeeded } else { PaymentStatus::Pending },
        amount: agreed.total,
        gateway: paid.gateway.clone(),
        tender: paid.tender,
        parent: Some(paid.id.clone()),
        refund: Some(agreed.id.clone()),
        provider_id,
        processed_at: refund.date_created_gmt.0,
        test: paid.test,
    }
}

pub fn money_id(refund: &str) -> String {
    format!("{refund}-paid")
}

/// Methods of WooCommerce itself, none of which moves money.
fn by_hand(method: &str) -> bool {
    matches!(method, "" | "bacs" | "cheque" | "cod" | "other")
}

fn tender(method: &str) -> Tender {
    match method {
        "bacs" => Tender::BankTransfer,
        method if by_hand(method) => Tender::Other,
        _ => Tender::Card,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_its_tender() {
        let check = |method, expected| assert_eq!(tender(method), expected, "{method}");
        check("stripe", Tender::Card);
        check("ppcp-gateway", Tender::Card);
        check("woocommerce_payments", Tender::Card);
        check("bacs", Tender::BankTransfer);
        check("cheque", Tender::Other);
        check("cod", Tender::Other);
        check("", Tender::Other);
    }
}
