//! What a row of Stripe's ledger is, in canonical words.
//!
//! `reporting_category` decides where it is present: the type `adjustment` hides disputes, their
//! reversals and older failed refunds, and the type `refund` hides the reversal of what was never
//! captured. Words that nobody has decided about are `Unknown`: their payout is not posted until a
//! person has.

use trueup_domain::document::RowClass;

pub fn class(category: Option<&str>, kind: &str, negative: bool) -> RowClass {
    match category {
        Some(category) => {
            by_category(category, negative).or_else(|| holding(kind)).unwrap_or(RowClass::Unknown)
        }
        None => by_type(kind, negative).unwrap_or(RowClass::Unknown),
    }
}

fn by_category(category: &str, negative: bool) -> Option<RowClass> {
    Some(match category {
        "charge" => RowClass::Capture,
        "partial_capture_reversal" => RowClass::PartialCaptureReversal,
        // The customer's bank took the money back before it was sure: as with a refund, the money
        // is gone and the sale is open again.
        "refund" | "charge_failure" => RowClass::Refund,
        "refund_failure" => RowClass::RefundFailure,
        "dispute" => RowClass::Dispute,
        "dispute_reversal" => RowClass::DisputeReversal,
        // Tax on Stripe's own fees belongs to them until Stripe's invoice splits it.
        "fee" | "tax" | "network_cost" => RowClass::Fee,
        "payout" => RowClass::Payout,
        "payout_reversal" => RowClass::PayoutReturn,
        "transfer" | "transfer_reversal" | "connect_collection_transfer" => RowClass::Transfer,
        "topup" | "topup_reversal" => RowClass::TopUp,
        "advance" | "advance_funding" | "anticipation_repayment" => RowClass::Loan,
        "risk_reserved_funds" | "connect_reserved_funds" => reserve(negative),
        "other_adjustment" => RowClass::Adjustment,
        // platform_earning, issuing_*, contribution, climate_*: a retailer's account has none; one
        // that does needs a decision first.
        _ => return None,
    })
}

/// Types that say all there is to say, whatever category Stripe files them under.
fn holding(kind: &str) -> Option<RowClass> {
    Some(match kind {
        "reserve_hold" | "payment_network_reserve_hold" | "payout_minimum_balance_hold" => {
            RowClass::Reserve
        }
        "reserve_release"
        | "payment_network_reserve_release"
        | "payout_minimum_balance_release" => RowClass::ReserveRelease,
        _ => return None,
    })
}

/// Rows without a category come from API versions before 2019 and from exports.
fn by_type(kind: &str, negative: bool) -> Option<RowClass> {
    Some(match kind {
        "charge" | "payment" => RowClass::Capture,
        "refund" | "payment_refund" | "payment_failure_refund" | "payment_reversal" => {
            RowClass::Refund
        }
        "refund_failure" => RowClass::RefundFailure,
        "stripe_fee" | "stripe_fx_fee" | "tax_fee" | "fee_credit_funding" => RowClass::Fee,
        "reserve_transaction" | "reserved_funds" => reserve(negative),
        "advance" | "advance_funding" | "anticipation_repayment" => RowClass::Loan,
        "transfer"
        | "transfer_cancel"
        | "transfer_failure"
        | "transfer_refund"
        | "connect_collection_transfer" => RowClass::Transfer,
        "payout" => RowClass::Payout,
        "payout_cancel" | "payout_failure" => RowClass::PayoutReturn,
        "topup" | "topup_reversal" | "inbound_transfer" | "inbound_transfer_reversal" => {
            RowClass::TopUp
        }
        // `adjustment` above all: without its category nobody can tell a dispute from a gift.
        other => return holding(other),
    })
}

fn reserve(negative: bool) -> RowClass {
    if negative { RowClass::Reserve } else { RowClass::ReserveRelease }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type that the pinned version lists, without its category.
    const TYPES: &[&str] = &[
        "adjustment",
        "advance",
        "advance_funding",
        "anticipation_repayment",
        "application_fee",
        "application_fee_refund",
        "charge",
        "climate_order_purchase",
        "climate_order_refund",
        "connect_collection_transfer",
        "contribution",
        "fee_credit_funding",
        "inbound_transfer",
        "inbound_transfer_reversal",
        "issuing_authorization_hold",
        "issuing_authorization_release",
        "issuing_dispute",
        "issuing_transaction",
        "obligation_outbound",
        "obligation_reversal_inbound",
        "payment",
        "payment_failure_refund",
        "payment_network_reserve_hold",
        "payment_network_reserve_release",
        "payment_refund",
        "payment_reversal",
        "payment_unreconciled",
        "payout",
        "payout_cancel",
        "payout_failure",
        "payout_minimum_balance_hold",
        "payout_minimum_balance_release",
        "refund",
        "refund_failure",
        "reserve_hold",
        "reserve_release",
        "reserve_transaction",
        "reserved_funds",
        "stripe_balance_payment_debit",
        "stripe_balance_payment_debit_reversal",
        "stripe_fee",
        "stripe_fx_fee",
        "tax_fee",
        "tax_fund",
        "topup",
        "topup_reversal",
        "transfer",
        "transfer_cancel",
        "transfer_failure",
        "transfer_refund",
    ];

    #[test]
    fn each_listed_type_is_decided_about() {
        let undecided: Vec<&str> = TYPES
            .iter()
            .copied()
            .filter(|kind| class(None, kind, true) == RowClass::Unknown)
            .collect();
        assert_eq!(
            undecided,
            [
                "adjustment",
                "application_fee",
                "application_fee_refund",
                "climate_order_purchase",
                "climate_order_refund",
                "contribution",
                "issuing_authorization_hold",
                "issuing_authorization_release",
                "issuing_dispute",
                "issuing_transaction",
                "obligation_outbound",
                "obligation_reversal_inbound",
                "payment_unreconciled",
                "stripe_balance_payment_debit",
                "stripe_balance_payment_debit_reversal",
                "tax_fund",
            ]
        );
    }

    #[test]
    fn the_category_wins_over_the_type() {
        let check = |category: &str, kind: &str, negative: bool, expected: RowClass| {
            assert_eq!(class(Some(category), kind, negative), expected, "{category} {kind}");
        };
        check("dispute", "adjustment", true, RowClass::Dispute);
        check("dispute_reversal", "adjustment", false, RowClass::DisputeReversal);
        check("refund_failure", "adjustment", false, RowClass::RefundFailure);
        check("partial_capture_reversal", "refund", true, RowClass::PartialCaptureReversal);
        check("risk_reserved_funds", "reserve_hold", true, RowClass::Reserve);
        check("risk_reserved_funds", "reserved_funds", false, RowClass::ReserveRelease);
        check("new_category", "payout_minimum_balance_hold", true, RowClass::Reserve);
        check("new_category", "refund", true, RowClass::Unknown);
        check("new_category", "adjustment", true, RowClass::Unknown);
        check("tax", "tax_fee", true, RowClass::Fee);
    }
}
