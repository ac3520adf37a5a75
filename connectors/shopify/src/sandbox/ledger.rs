//! Shopify Payments of the played shop: what it books, pays out, and what buyers dispute.

use jiff::Timestamp;
use trueup_domain::document::PaymentKind;

use super::ShopifySandbox;
use super::act::{Refusal, whole_second};
use super::world::{BalanceRow, Dispute, Payout};

/// A row of the balance. Amounts are minor units, signed as the provider signs them; the net is
/// amount less fee.
#[derive(Clone, Debug, Default)]
pub struct NewRow {
    /// The provider's word: `charge`, `refund`, `adjustment`, `reserve`, `dispute`, ….
    pub kind: String,
    pub amount: i64,
    pub fee: i64,
    pub order: Option<String>,
    pub transaction: Option<String>,
    pub source: Option<String>,
}

impl ShopifySandbox {
    pub fn add_balance_row(&mut self, new: NewRow, now: Timestamp) -> Result<String, Refusal> {
        let number = |text: Option<String>| match text {
            Some(text) => text.parse().map(Some).map_err(|_| Refusal::Unknown),
            None => Ok(None),
        };
        let row = BalanceRow {
            id: self.next_id("row", 700_000_000_000),
            kind: new.kind,
            amount: new.amount,
            fee: new.fee,
            order: number(new.order)?,
            transaction: number(new.transaction)?,
            source: number(new.source)?,
            payout: None,
            at: whole_second(now),
        };
        let id = row.id;
        self.rows.insert(id, row);
        Ok(id.to_string())
    }

    /// The row of a Shopify Payments transaction of an order: a charge for money taken, a refund
    /// for money given back.
    pub fn book_transaction(
        &mut self,
        order: &str,
        transaction: &str,
        fee: i64,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let id = self.known(order)?;
        let found = self.orders.get(&id).ok_or(Refusal::UnknownOrder)?;
        let wanted: u64 = transaction.parse().map_err(|_| Refusal::Unknown)?;
        let paid = found.transactions.iter().find(|one| one.id == wanted);
        let paid = paid.ok_or(Refusal::Unknown)?;
        let (kind, amount) = match paid.kind {
            PaymentKind::Sale | PaymentKind::Capture => ("charge", paid.amount),
            PaymentKind::Refund => ("refund", -paid.amount),
            PaymentKind::Authorization | PaymentKind::Void => return Err(Refusal::Unknown),
        };
        let row = NewRow {
            kind: kind.to_owned(),
            amount,
            fee,
            order: Some(order.to_owned()),
            transaction: Some(transaction.to_owned()),
            source: Some(transaction.to_owned()),
        };
        self.add_balance_row(row, now)
    }

    /// What Shopify Payments holds: the nets of the rows that are in no payout yet, in minor units.
    pub fn balance(&self) -> i64 {
        let open = self.rows.values().filter(|row| row.payout.is_none());
        open.map(|row| row.amount - row.fee).sum()
    }

    /// Puts every open row into a payout, scheduled; `None` if there is nothing to pay.
    pub fn pay_out(&mut self, now: Timestamp) -> Option<String> {
        if !self.rows.values().any(|row| row.payout.is_none()) {
            return None;
        }
        let id = self.next_id("payout", 620_000_000_000);
        let open = self.rows.values_mut().filter(|row| row.payout.is_none());
        let mut amount = 0;
        for row in open {
            row.payout = Some(id);
            amount += row.amount - row.fee;
        }
        let at = whole_second(now);
        self.payouts.insert(id, Payout { id, status: "scheduled", amount, at });
        let row = self.next_id("row", 700_000_000_000);
        let of_payout = BalanceRow {
            id: row,
            kind: "payout".to_owned(),
            amount: -amount,
            fee: 0,
            order: None,
            transaction: None,
            source: Some(id),
            payout: Some(id),
            at,
        };
        self.rows.insert(row, of_payout);
        Some(id.to_string())
    }

    /// Moves a payout on: `in_transit`, `paid`, `failed`, `canceled`. One that failed comes back
    /// into the balance.
    pub fn payout_is(
        &mut self,
        payout: &str,
        status: &'static str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let id: u64 = payout.parse().map_err(|_| Refusal::Unknown)?;
        let found = self.payouts.get_mut(&id).ok_or(Refusal::Unknown)?;
        let back = match status {
            "in_transit" | "paid" => None,
            "failed" => Some("payout_failure"),
            "canceled" => Some("payout_cancellation"),
            _ => return Err(Refusal::Unknown),
        };
        found.status = status;
        let amount = found.amount;
        if let Some(kind) = back {
            let row = NewRow {
                kind: kind.to_owned(),
                amount,
                source: Some(payout.to_owned()),
                ..NewRow::default()
            };
            self.add_balance_row(row, now)?;
        }
        Ok(())
    }

    /// A buyer disputes a payment; the money and the fee leave the balance at once.
    pub fn dispute(
        &mut self,
        order: &str,
        transaction: &str,
        amount: i64,
        fee: i64,
        reason: &str,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let order_id = self.known(order)?;
        let id = self.next_id("dispute", 590_000_000);
        let dispute = Dispute {
            id,
            order: order_id,
            amount,
            status: "needs_response",
            reason: reason.to_owned(),
            at: whole_second(now),
        };
        let body = self.rest().dispute(&dispute);
        self.disputes.insert(id, dispute);
        self.add_balance_row(self.dispute_row(order, transaction, id, -amount, fee), now)?;
        self.push("disputes/create", &body);
        Ok(id.to_string())
    }

    /// A dispute moves on. One that is won gives the money and the fee back.
    pub fn dispute_is(
        &mut self,
        dispute: &str,
        status: &'static str,
        transaction: &str,
        fee: i64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !["under_review", "accepted", "won", "lost", "charge_refunded"].contains(&status) {
            return Err(Refusal::Unknown);
        }
        let id: u64 = dispute.parse().map_err(|_| Refusal::Unknown)?;
        let found = self.disputes.get_mut(&id).ok_or(Refusal::Unknown)?;
        found.status = status;
        let (order, amount) = (found.order.to_string(), found.amount);
        if status == "won" {
            self.add_balance_row(self.dispute_row(&order, transaction, id, amount, -fee), now)?;
        }
        if let Some(found) = self.disputes.get(&id) {
            let body = self.rest().dispute(found);
            self.push("disputes/update", &body);
        }
        Ok(())
    }

    fn dispute_row(
        &self,
        order: &str,
        transaction: &str,
        id: u64,
        amount: i64,
        fee: i64,
    ) -> NewRow {
        NewRow {
            kind: "dispute".to_owned(),
            amount,
            fee,
            order: Some(order.to_owned()),
            transaction: Some(transaction.to_owned()),
            source: Some(id.to_string()),
        }
    }

    /// A payout with all its rows, as the REST API lists them: for a file dropped by hand.
    pub fn payout_file(&self, payout: &str) -> Result<Vec<u8>, Refusal> {
        let id: u64 = payout.parse().map_err(|_| Refusal::Unknown)?;
        let found = self.payouts.get(&id).ok_or(Refusal::Unknown)?;
        let rows = self.rows.values().filter(|row| row.payout == Some(id));
        let rows: Vec<_> = rows.map(|row| self.rest().row(row)).collect();
        let body = serde_json::json!({ "payout": self.rest().payout(found), "transactions": rows });
        Ok(body.to_string().into_bytes())
    }
}
