//! What happens in the account: each thing books its rows and tells its events.

use jiff::Timestamp;
use trueup_domain::money::Currency;

use super::StripeSandbox;
use super::objects::{Charge, Dispute, Refund, Row};

pub(super) const DAY_S: i64 = 86_400;

impl StripeSandbox {
    /// Stripe's fee on a card charge: 2.9 % rounded half up, and a fixed part.
    pub fn fee_of(&self, amount: i64) -> i64 {
        (amount * 29 + 500) / 1_000 + self.fee_fixed
    }

    /// A card is charged; `description` is what the shop writes on it, its order's number.
    pub fn charge(&mut self, amount: i64, description: &str, now: Timestamp) -> String {
        self.charge_with_fee(amount, self.fee_of(amount), description, now)
    }

    /// A charge whose fee is another than the agreed one.
    pub fn charge_with_fee(
        &mut self,
        amount: i64,
        fee: i64,
        description: &str,
        now: Timestamp,
    ) -> String {
        let currency = self.currency.clone();
        self.take(&currency, (amount, amount), fee, description, now)
    }

    /// A card is charged in another currency than the account's: Stripe converts it at the rate of
    /// the moment, and takes its fee of what comes out. `None` where nobody said the rate.
    pub fn charge_in(
        &mut self,
        currency: Currency,
        amount: i64,
        description: &str,
        now: Timestamp,
    ) -> Option<String> {
        let currency = currency.code().to_ascii_lowercase();
        let (converted, _) = self.converted(&currency, amount)?;
        let fee = self.fee_of(converted);
        Some(self.take(&currency, (amount, amount), fee, description, now))
    }

    /// What an amount is in the account's currency, and the rate where it is in another.
    fn converted(&self, currency: &str, amount: i64) -> Option<(i64, Option<i64>)> {
        if currency == self.currency {
            return Some((amount, None));
        }
        let rate = *self.rates.get(currency)?;
        let exact = i128::from(amount) * i128::from(rate);
        let half = if exact < 0 { -500_000 } else { 500_000 };
        Some((i64::try_from((exact + half) / 1_000_000).ok()?, Some(rate)))
    }

    /// A row about a charge, whose amount is counted as the charge is.
    fn row_of(
        &self,
        charge: &str,
        (kind, category): (&str, &str),
        amount: i64,
        source: &str,
        text: &str,
    ) -> Row {
        let currency = self.currency_of(charge);
        // A rate that was there for the charge does not go away.
        let (amount, exchange_rate) = self.converted(currency, amount).unwrap_or((amount, None));
        Row { exchange_rate, ..row(kind, category, amount, Some(source), text) }
    }

    /// More was authorised than is captured. Stripe books the whole and, with it, the reversal of
    /// what it never took.
    pub fn charge_partly_captured(
        &mut self,
        authorized: i64,
        captured: i64,
        description: &str,
        now: Timestamp,
    ) -> String {
        let currency = self.currency.clone();
        let fee = self.fee_of(captured);
        self.take(&currency, (authorized, captured), fee, description, now)
    }

    /// A card is declined: a charge without money.
    pub fn decline(&mut self, amount: i64, description: &str, now: Timestamp) -> String {
        let charge = Charge {
            status: "failed",
            ..self.new_charge(&self.currency.clone(), amount, description, now)
        };
        let id = charge.id.clone();
        self.tell("charge.failed", &self.charge_json(&charge), now);
        self.charges.insert(id.clone(), charge);
        id
    }

    fn new_charge(
        &mut self,
        currency: &str,
        amount: i64,
        description: &str,
        now: Timestamp,
    ) -> Charge {
        Charge {
            id: self.next_id("ch"),
            intent: self.next_id("pi"),
            currency: currency.to_owned(),
            amount,
            amount_captured: 0,
            amount_refunded: 0,
            row: None,
            description: description.to_owned(),
            disputed: false,
            status: "succeeded",
            created: now.as_second(),
        }
    }

    fn take(
        &mut self,
        currency: &str,
        (amount, captured): (i64, i64),
        fee: i64,
        description: &str,
        now: Timestamp,
    ) -> String {
        let mut charge = self.new_charge(currency, amount, description, now);
        let id = charge.id.clone();
        self.charges.insert(id.clone(), charge.clone());
        let settles = self.settles_on(now);
        let taken = self.book(
            Row {
                fees: vec![(fee, "stripe_fee", "Stripe processing fees")],
                available_on: settles,
                ..self.row_of(&id, ("charge", "charge"), amount, &id, description)
            },
            now,
        );
        if captured < amount {
            let released = self.next_id("re");
            let text = format!("REFUND FOR CHARGE ({description})");
            let reversal = Row {
                available_on: settles,
                ..self.row_of(
                    &id,
                    ("refund", "partial_capture_reversal"),
                    captured - amount,
                    &released,
                    &text,
                )
            };
            let reversal = self.book(reversal, now);
            let refund = Refund {
                id: released.clone(),
                charge: id.clone(),
                amount: amount - captured,
                row: reversal,
                failure_row: None,
                created: now.as_second(),
            };
            self.refunds.insert(released, refund);
        }
        charge.row = Some(taken);
        charge.amount_captured = captured;
        charge.amount_refunded = amount - captured;
        self.tell("charge.succeeded", &self.charge_json(&charge), now);
        let latest = serde_json::Value::from(id.as_str());
        self.tell("payment_intent.succeeded", &self.intent_json(&charge, latest), now);
        self.charges.insert(id.clone(), charge);
        id
    }

    /// Money goes back to the card; Stripe keeps its fee. `None`: no such charge, or not so much
    /// left on it.
    pub fn refund(&mut self, charge: &str, amount: i64, now: Timestamp) -> Option<String> {
        let refunded = self.charges.get_mut(charge)?;
        if amount <= 0 || amount > refunded.left() {
            return None;
        }
        refunded.amount_refunded += amount;
        let refunded = refunded.clone();
        let id = self.next_id("re");
        let text = format!("REFUND FOR CHARGE ({})", refunded.description);
        let row = self.row_of(&refunded.id, ("refund", "refund"), -amount, &id, &text);
        let row = self.book(row, now);
        let refund = Refund {
            id: id.clone(),
            charge: refunded.id.clone(),
            amount,
            row,
            failure_row: None,
            created: now.as_second(),
        };
        self.tell("charge.refunded", &self.charge_json(&refunded), now);
        self.tell("refund.created", &self.refund_json(&refund), now);
        self.refunds.insert(id.clone(), refund);
        Some(id)
    }

    /// A refund that succeeded comes back, days later: the card is gone. Returns the row that
    /// gives the money back; `None`: no such refund, or it failed before.
    pub fn fail_refund(&mut self, refund: &str, now: Timestamp) -> Option<String> {
        let failed = self.refunds.get(refund)?.clone();
        if failed.failure_row.is_some() {
            return None;
        }
        let charge = self.charges.get_mut(&failed.charge)?;
        charge.amount_refunded -= failed.amount;
        let charge = charge.clone();
        let text = format!("REFUND FAILURE ({})", charge.description);
        let kind = ("refund_failure", "refund_failure");
        let booked = self.row_of(&failed.charge, kind, failed.amount, refund, &text);
        let row = self.book(booked, now);
        let failed = Refund { failure_row: Some(row.clone()), ..failed };
        self.tell("charge.refund.updated", &self.refund_json(&failed), now);
        self.tell("refund.failed", &self.refund_json(&failed), now);
        self.tell("charge.updated", &self.charge_json(&charge), now);
        self.refunds.insert(failed.id.clone(), failed);
        Some(row)
    }

    /// The cardholder's bank takes the money back at once, and Stripe a fee.
    pub fn dispute(
        &mut self,
        charge: &str,
        amount: i64,
        fee: i64,
        now: Timestamp,
    ) -> Option<String> {
        self.charges.get_mut(charge)?.disputed = true;
        let id = self.next_id("dp");
        let mut dispute = Dispute {
            id: id.clone(),
            charge: charge.to_owned(),
            amount,
            fee,
            status: "needs_response",
            rows: Vec::new(),
            created: now.as_second(),
        };
        self.tell("charge.dispute.created", &self.dispute_json(&dispute, now), now);
        self.withdraw(&mut dispute, now);
        self.disputes.insert(id.clone(), dispute);
        Some(id)
    }

    /// The bank only asks; no money moves yet.
    pub fn inquiry(&mut self, charge: &str, amount: i64, now: Timestamp) -> Option<String> {
        self.charges.get(charge)?;
        let id = self.next_id("dp");
        let dispute = Dispute {
            id: id.clone(),
            charge: charge.to_owned(),
            amount,
            fee: 0,
            status: "warning_needs_response",
            rows: Vec::new(),
            created: now.as_second(),
        };
        self.tell("charge.dispute.created", &self.dispute_json(&dispute, now), now);
        self.disputes.insert(id.clone(), dispute);
        Some(id)
    }

    fn withdraw(&mut self, dispute: &mut Dispute, now: Timestamp) {
        let text = format!("Chargeback withdrawal for {}", dispute.charge);
        let withdrawal = Row {
            fees: vec![(dispute.fee, "stripe_fee", "Dispute fee")],
            ..self.row_of(
                &dispute.charge,
                ("adjustment", "dispute"),
                -dispute.amount,
                &dispute.id,
                &text,
            )
        };
        dispute.rows.push(self.book(withdrawal, now));
        let told = self.dispute_json(dispute, now);
        self.tell("charge.dispute.funds_withdrawn", &told, now);
    }

    /// The merchant wins: the money comes back, the fee only where the contract says so.
    pub fn dispute_won(&mut self, dispute: &str, fee_returned: bool, now: Timestamp) -> bool {
        let Some(mut won) = self.open_dispute(dispute) else { return false };
        won.status = "won";
        self.tell("charge.dispute.closed", &self.dispute_json(&won, now), now);
        let fee = if fee_returned { -won.fee } else { 0 };
        let text = format!("Chargeback reversal for {}", won.charge);
        let kind = ("adjustment", "dispute_reversal");
        let mut reversal = self.row_of(&won.charge, kind, won.amount, &won.id, &text);
        if fee != 0 {
            reversal.fees = vec![(fee, "stripe_fee", "Dispute fee refund")];
        }
        won.rows.push(self.book(reversal, now));
        self.tell("charge.dispute.funds_reinstated", &self.dispute_json(&won, now), now);
        self.disputes.insert(won.id.clone(), won);
        true
    }

    /// The merchant loses; the money is gone already, so nothing moves.
    pub fn dispute_lost(&mut self, dispute: &str, now: Timestamp) -> bool {
        let Some(mut lost) = self.open_dispute(dispute) else { return false };
        lost.status = "lost";
        self.tell("charge.dispute.closed", &self.dispute_json(&lost, now), now);
        self.disputes.insert(lost.id.clone(), lost);
        true
    }

    fn open_dispute(&self, dispute: &str) -> Option<Dispute> {
        self.disputes.get(dispute).filter(|found| found.status == "needs_response").cloned()
    }

    /// Stripe holds money back.
    pub fn reserve(&mut self, amount: i64, now: Timestamp) -> String {
        let source = self.next_id("rsvh");
        let held =
            row("reserve_hold", "risk_reserved_funds", -amount, Some(&source), "Reserve hold");
        self.book(held, now)
    }

    /// Stripe gives back what it held.
    pub fn release_reserve(&mut self, amount: i64, now: Timestamp) -> String {
        let source = self.next_id("rsvr");
        let released =
            row("reserve_release", "risk_reserved_funds", amount, Some(&source), "Reserve release");
        self.book(released, now)
    }

    /// A fee that belongs to no charge.
    pub fn monthly_fee(&mut self, amount: i64, now: Timestamp) -> String {
        self.other_row("stripe_fee", "fee", -amount, "Radar for Fraud Teams", now)
    }

    /// A row of a type that nobody has heard of, signed as given.
    pub fn unknown_row(&mut self, kind: &str, amount: i64, now: Timestamp) -> String {
        self.other_row(kind, kind, amount, "", now)
    }

    /// Any other row without a source, signed as given.
    pub fn other_row(
        &mut self,
        kind: &str,
        category: &str,
        amount: i64,
        description: &str,
        now: Timestamp,
    ) -> String {
        self.book(row(kind, category, amount, None, description), now)
    }

    /// Writes a row into the ledger; what does not say when it settles does so at once.
    pub(super) fn book(&mut self, mut row: Row, now: Timestamp) -> String {
        row.id = self.next_id("txn");
        row.created = now.as_second();
        row.available_on = row.available_on.max(row.created);
        let id = row.id.clone();
        self.rows.insert(id.clone(), row);
        id
    }

    fn settles_on(&self, now: Timestamp) -> i64 {
        let midnight = now.as_second() - now.as_second().rem_euclid(DAY_S);
        midnight + self.settlement_days * DAY_S
    }
}

pub(super) fn row(
    kind: &str,
    category: &str,
    amount: i64,
    source: Option<&str>,
    description: &str,
) -> Row {
    Row {
        id: String::new(),
        amount,
        fees: Vec::new(),
        kind: kind.to_owned(),
        category: category.to_owned(),
        source: source.map(str::to_owned),
        description: description.to_owned(),
        created: 0,
        available_on: 0,
        payout: None,
        exchange_rate: None,
    }
}
