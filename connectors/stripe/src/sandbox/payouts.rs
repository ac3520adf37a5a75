//! What leaves for the bank, and what comes back from it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::StripeSandbox;
use super::objects::{Payout, trace};
use super::world::row;

impl StripeSandbox {
    /// Pays out everything that is available and in no payout yet. A sum below zero debits the
    /// bank account. `None`: the sum is zero.
    pub fn pay_out(&mut self, now: Timestamp, arrival: Date) -> Option<String> {
        let available =
            |row: &&mut super::Row| row.payout.is_none() && row.available_on <= now.as_second();
        let amount: i64 = self.rows.values_mut().filter(available).map(|row| row.net()).sum();
        if amount == 0 {
            return None;
        }
        let id = self.next_id("po");
        for row in self.rows.values_mut().filter(available) {
            row.payout = Some(id.clone());
        }
        let mut own = row("payout", "payout", -amount, Some(&id), "STRIPE PAYOUT");
        own.payout = Some(id.clone());
        let own = self.book(own, now);
        let payout = Payout {
            id: id.clone(),
            amount,
            arrival_date: midnight(arrival),
            status: "in_transit",
            row: own,
            failure_row: None,
            created: now.as_second(),
        };
        self.tell("payout.created", &self.payout_json(&payout), now);
        self.tell("payout.reconciliation_completed", &self.payout_json(&payout), now);
        self.payouts.insert(id.clone(), payout);
        Some(id)
    }

    /// The bank took it. False: no such payout, or it is past that.
    pub fn mark_paid(&mut self, payout: &str, now: Timestamp) -> bool {
        let Some(paid) = self.payouts.get_mut(payout) else { return false };
        if paid.status != "in_transit" {
            return false;
        }
        paid.status = "paid";
        let paid = paid.clone();
        self.tell("payout.paid", &self.payout_json(&paid), now);
        true
    }

    /// The bank sent it back, even after it was paid. Returns the row that gives the money back,
    /// which the next payout contains. `None`: no such payout, or it failed before.
    pub fn payout_failed(&mut self, payout: &str, now: Timestamp) -> Option<String> {
        let mut failed = self.payouts.get(payout)?.clone();
        if failed.failure_row.is_some() {
            return None;
        }
        let text = "REFUND FOR PAYOUT (STRIPE PAYOUT)";
        let back = row("payout_failure", "payout_reversal", failed.amount, Some(payout), text);
        let back = self.book(back, now);
        failed.status = "failed";
        failed.failure_row = Some(back.clone());
        self.tell("payout.failed", &self.payout_json(&failed), now);
        self.payouts.insert(failed.id.clone(), failed);
        Some(back)
    }

    /// What the bank line of a payout carries: its trace and the words on the statement.
    pub fn bank_references(&self, payout: &str) -> Option<(String, String)> {
        let payout = self.payouts.get(payout)?;
        Some((trace(&payout.id), "STRIPE".to_owned()))
    }
}

/// Stripe writes a day as its midnight in UTC.
fn midnight(day: Date) -> i64 {
    let zoned = day.to_zoned(TimeZone::UTC);
    // Only the very last days of year 9999 and before -9999 have no such moment.
    zoned.map_or(0, |zoned| zoned.timestamp().as_second())
}
