//! What a provider states of the money that it collected, and the bank of what arrived.

use jiff::civil::Date;
use serde_json::{Value, json};
use trueup_bank::BankSandbox;
use trueup_domain::money::{Currency, Money};

use crate::file::Scenario;
use crate::words::Told;

/// The provider and the bank of one scenario.
pub struct Provider<'a> {
    scenario: &'a Scenario,
    /// Of the order.
    currency: Currency,
    bank: Option<BankSandbox>,
}

/// The connection of a scenario's provider: its own where its ledger goes into the books, because
/// what is in no payout goes with that of all others.
pub fn connection_of(scenario: &Scenario) -> String {
    match scenario.heading("Channel") {
        Some("amazon") => scenario.name.clone(),
        _ if scenario.heading("Ledger").is_some() => format!("card-{}", scenario.name),
        _ if scenario.european() => "stripe-eu".to_owned(),
        _ => "stripe-us".to_owned(),
    }
}

pub fn bank_of(scenario: &Scenario) -> String {
    format!("bank-{}", scenario.name)
}

/// A day, or a day with its time, in seconds.
fn seconds(text: &str) -> i64 {
    let moment: jiff::Timestamp = crate::words::moment(text).parse().expect("a moment");
    moment.as_second()
}

fn said<'a>(rest: &[Vec<&'a str>], word: &str) -> Option<&'a str> {
    rest.iter().find(|words| words[0] == word).and_then(|words| words.last()).copied()
}

impl<'a> Provider<'a> {
    pub fn new(scenario: &'a Scenario, currency: Currency) -> Self {
        Self { scenario, currency, bank: None }
    }

    /// The currency that the provider keeps its account in.
    fn kept_in(&self, rest: &[Vec<&str>]) -> Currency {
        let code = said(rest, "kept");
        code.map_or(self.currency, |code| Currency::parse(code).expect("a currency"))
    }

    fn money(&self, text: &str, currency: Currency) -> Money {
        let name = &self.scenario.name;
        Money::parse(text, currency).unwrap_or_else(|_| panic!("{name}: {text} is no amount"))
    }

    /// The id of a charge, refund or dispute, by the kind of a payment or the category of a row.
    pub fn id_of(&self, of: &str, id: &str) -> String {
        let start = match of {
            "refund" | "refund_failure" => "re",
            "dispute" | "dispute_reversal" => "dp",
            _ => "ch",
        };
        format!("{start}_{}_{id}", self.scenario.name)
    }

    /// A balance transaction. The sign of what goes back is Stripe's.
    pub fn row(
        &self,
        category: &str,
        id: &str,
        amount: &str,
        day: &str,
        rest: &[Vec<&str>],
    ) -> Told {
        let currency = self.kept_in(rest);
        let minor = |text: &str| self.money(text, currency).minor();
        let fee = said(rest, "fee").map_or(0, minor);
        let amount = minor(amount);
        let details = if fee == 0 {
            json!([])
        } else {
            json!([{ "amount": fee, "application": null, "currency": currency.code(),
                "description": "Stripe processing fees", "type": "stripe_fee" }])
        };
        let own = self.id_of(category, id);
        // What a row of a converted amount books states what the customer paid.
        let source = match (category, said(rest, "paid")) {
            ("charge" | "refund" | "refund_failure" | "dispute" | "dispute_reversal", None) => {
                json!(own)
            }
            (_, Some(paid)) => json!({
                "id": own,
                "object": category.trim_end_matches("_reversal"),
                "amount": self.money(paid, self.currency).minor(),
                "currency": self.currency.code().to_lowercase(),
            }),
            _ => Value::Null,
        };
        let row = json!({
            "id": format!("txn_{}_{category}_{id}", self.scenario.name),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": seconds(day),
            "created": seconds(day),
            "currency": currency.code().to_lowercase(),
            "description": null,
            "exchange_rate": null,
            "fee": fee,
            "fee_details": details,
            "net": amount - fee,
            "reporting_category": category,
            "source": source,
            "status": "available",
            "type": category,
        });
        let kind = match said(rest, "in") {
            Some(payout) => format!("balance_transaction?payout={}", self.payout_id(payout)),
            None => "balance_transaction".to_owned(),
        };
        self.states(kind, &row)
    }

    /// A payout whose rows Stripe can list; the bank has it the next day.
    pub fn payout(&self, id: &str, amount: &str, day: &str, rest: &[Vec<&str>]) -> Told {
        let currency = self.kept_in(rest);
        let status = rest.iter().find(|words| words.len() == 1);
        let payout = json!({
            "id": self.payout_id(id),
            "object": "payout",
            "amount": self.money(amount, currency).minor(),
            "arrival_date": seconds(day) / 86_400 * 86_400 + 86_400,
            "automatic": true,
            "created": seconds(day),
            "currency": currency.code().to_lowercase(),
            "reconciliation_status": "completed",
            "status": status.map_or("in_transit", |words| words[0]),
        });
        self.states("payout".to_owned(), &payout)
    }

    fn payout_id(&self, id: &str) -> String {
        format!("po_{}_{id}", self.scenario.name)
    }

    /// How a dispute about a charge stands.
    pub fn dispute(
        &self,
        id: &str,
        status: &str,
        amount: &str,
        day: &str,
        rest: &[Vec<&str>],
    ) -> Told {
        let dispute = json!({
            "id": self.id_of("dispute", id),
            "object": "dispute",
            "amount": self.money(amount, self.currency).minor(),
            "charge": said(rest, "of").map(|payment| self.id_of("charge", payment)),
            "created": seconds(day),
            "currency": self.currency.code().to_lowercase(),
            "reason": "fraudulent",
            "status": status,
        });
        self.states("dispute".to_owned(), &dispute)
    }

    fn states(&self, kind: String, stated: &Value) -> Told {
        let body = stated.to_string().into_bytes();
        Told::Record { connection: connection_of(self.scenario), kind, body }
    }

    /// The statement of a day with one line, which may name a payout.
    pub fn statement(&mut self, amount: &str, day: &str, rest: &[Vec<&str>]) -> Told {
        let currency = self.kept_in(rest);
        let amount = self.money(amount, currency).minor();
        let text = match said(rest, "of") {
            Some(payout) => format!("PAYOUT {}", self.payout_id(payout)),
            None => "TRANSFER".to_owned(),
        };
        let day: Date = day.parse().expect("a day");
        let account = self.scenario.name.to_uppercase();
        let bank = self.bank.get_or_insert_with(|| BankSandbox::new(&account, currency, 100_000));
        bank.credit(amount, day, "CARD PROVIDER", &text, None);
        let (name, body) = bank.close_day(day).expect("a line");
        Told::Statement { connection: bank_of(self.scenario), name, body }
    }
}
