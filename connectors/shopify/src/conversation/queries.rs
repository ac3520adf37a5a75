//! Our GraphQL documents. The sandbox knows them by their text.

/// Relative to `https://<shop>`; holds the pinned version.
pub const PATH: &str = "/admin/api/2026-04/graphql.json";

const ORDER_FIELDS: &str = include_str!("../queries/order_fields.graphql");
const PAYOUT_FIELDS: &str = include_str!("../queries/payout_fields.graphql");
const DISPUTE_FIELDS: &str = include_str!("../queries/dispute_fields.graphql");
const ROW_FIELDS: &str = include_str!("../queries/balance_transaction_fields.graphql");

pub fn orders() -> String {
    [include_str!("../queries/orders.graphql"), ORDER_FIELDS].concat()
}
pub fn orders_by_id() -> String {
    [include_str!("../queries/orders_by_id.graphql"), ORDER_FIELDS].concat()
}
/// The orders of a window, by their ids and totals only.
pub fn listed_orders() -> String {
    include_str!("../queries/listed_orders.graphql").to_owned()
}
/// Which order a refund, transaction, fulfilment or return belongs to.
pub fn owners() -> String {
    include_str!("../queries/owners.graphql").to_owned()
}
pub fn payouts() -> String {
    [include_str!("../queries/payouts.graphql"), PAYOUT_FIELDS].concat()
}
pub fn payouts_by_id() -> String {
    [include_str!("../queries/payouts_by_id.graphql"), PAYOUT_FIELDS].concat()
}
pub fn disputes() -> String {
    [include_str!("../queries/disputes.graphql"), DISPUTE_FIELDS].concat()
}
pub fn disputes_by_id() -> String {
    [include_str!("../queries/disputes_by_id.graphql"), DISPUTE_FIELDS].concat()
}
/// What the account holds; the ledger's query is called `TrueupBalance`.
pub fn account_balance() -> String {
    include_str!("../queries/account_balance.graphql").to_owned()
}
/// The webhooks that this app made.
pub fn webhooks() -> String {
    include_str!("../queries/webhooks.graphql").to_owned()
}
pub fn webhook_create() -> String {
    include_str!("../queries/webhook_create.graphql").to_owned()
}
pub fn balance_transactions() -> String {
    [include_str!("../queries/balance_transactions.graphql"), ROW_FIELDS].concat()
}
pub fn balance_transactions_by_id() -> String {
    [include_str!("../queries/balance_transactions_by_id.graphql"), ROW_FIELDS].concat()
}

#[cfg(test)]
mod tests {
    use super::PATH;

    #[test]
    fn the_path_holds_the_pinned_version() {
        assert!(PATH.contains(crate::API_VERSION));
    }
}
