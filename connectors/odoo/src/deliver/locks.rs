//! The lock dates of a company, and the first day that they leave open.
//!
//! Odoo dates what lies inside a lock elsewhere without a word (V13): a document to today or to the
//! end of a period, and of a payment only its entry. So the dates are read before anything is written,
//! in one call for the batch, as they are for our own user: with his exceptions and those of the
//! companies above.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use trueup_connect::{CallError, DecodeError};
use trueup_domain::command::{Content, DocumentLine};

use crate::outcome;
use crate::wire::Row;

pub(super) const FIELDS: &[&str] = &[
    "user_fiscalyear_lock_date",
    "user_tax_lock_date",
    "user_sale_lock_date",
    "user_purchase_lock_date",
    "user_hard_lock_date",
];

/// The last locked day of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Locks {
    fiscal_year: Option<Date>,
    tax: Option<Date>,
    sale: Option<Date>,
    purchase: Option<Date>,
    hard: Option<Date>,
}

impl Locks {
    pub fn read(row: &Row) -> Result<Self, DecodeError> {
        Ok(Self {
            fiscal_year: day(row, "user_fiscalyear_lock_date")?,
            tax: day(row, "user_tax_lock_date")?,
            sale: day(row, "user_sale_lock_date")?,
            purchase: day(row, "user_purchase_lock_date")?,
            hard: day(row, "user_hard_lock_date")?,
        })
    }

    /// The day on which a command is booked: its own, or the first one that no lock covers.
    pub fn booked_on(&self, content: &Content) -> Option<Date> {
        let asked = content.date()?;
        match self.last_locked(content, asked) {
            // The calendar has an end.
            Some((until, _)) => Some(until.tomorrow().unwrap_or(asked)),
            None => Some(asked),
        }
    }

    /// Why a command must not be sent: an entry is the sum of one period and is never moved into
    /// another (P5), and nothing is dated on a day to come.
    pub fn refuses(&self, content: &Content, today: Date) -> Option<CallError> {
        let asked = content.date()?;
        let (until, kind) = self.last_locked(content, asked)?;
        let open = self.booked_on(content).is_some_and(|day| day <= today);
        if open && !matches!(content, Content::Entry(_)) {
            return None;
        }
        let why = format!("{asked} lies inside the {kind} lock date {until} of the company");
        Some(outcome::refused("period_locked", &why))
    }

    /// The latest lock that covers the day. Odoo lets an entry of a general journal past the locks of
    /// sales, purchases and, without taxes of its own, past that of taxes; the sums of sales that we
    /// post as entries must not pass any.
    fn last_locked(&self, content: &Content, day: Date) -> Option<(Date, &'static str)> {
        let entry = matches!(content, Content::Entry(_));
        let document = matches!(content, Content::Invoice(_) | Content::CreditNote(_));
        let locks = [
            (self.fiscal_year, "fiscal year", true),
            (self.tax, "tax", entry || lines(content).iter().any(|line| !line.taxes.is_empty())),
            (self.sale, "sale", entry || document),
            (self.purchase, "purchase", entry),
            (self.hard, "hard", true),
        ];
        let covering = locks.into_iter().filter_map(|(until, kind, concerns)| {
            until.filter(|until| concerns && day <= *until).map(|until| (until, kind))
        });
        covering.max_by_key(|(until, _)| *until)
    }
}

fn lines(content: &Content) -> &[DocumentLine] {
    match content {
        Content::Invoice(it) => &it.lines,
        Content::CreditNote(it) => &it.lines,
        _ => &[],
    }
}

/// Odoo's word for "never" is the first day of its calendar, without leading zeros.
fn day(row: &Row, field: &str) -> Result<Option<Date>, DecodeError> {
    if row.text(field)?.is_some_and(|text| text == "1-01-01" || text == "0001-01-01") {
        return Ok(None);
    }
    row.date(field)
}

#[cfg(test)]
mod tests {
    use trueup_domain::command::{AccountLine, Direction, EntryContent, PaymentContent};
    use trueup_domain::command::{CustomerRef, DocumentTax, InvoiceContent};
    use trueup_domain::money::{Currency, Money};

    use super::*;

    fn on(text: &str) -> Date {
        text.parse().expect("a day")
    }

    fn locks() -> Locks {
        Locks {
            fiscal_year: Some(on("2026-01-31")),
            tax: Some(on("2026-02-28")),
            sale: Some(on("2026-03-31")),
            purchase: Some(on("2026-04-30")),
            hard: Some(on("2025-12-31")),
        }
    }

    fn money() -> Money {
        Money::from_minor(500, Currency::parse("USD").expect("known"))
    }

    fn invoice(date: &str, taxed: bool) -> Content {
        let tax = DocumentTax { tax: "1".to_owned(), base: money(), amount: money() };
        Content::Invoice(InvoiceContent {
            company: "1".to_owned(),
            customer: CustomerRef::Bound,
            journal: "1".to_owned(),
            reference: String::new(),
            customer_reference: None,
            date: on(date),
            due_on: None,
            lines: vec![DocumentLine {
                part: "1".to_owned(),
                product: None,
                account: None,
                name: String::new(),
                quantity: rust_decimal::Decimal::ONE,
                unit_price: rust_decimal::Decimal::ONE,
                amount: money(),
                taxes_included: false,
                taxes: if taxed { vec![tax] } else { Vec::new() },
                shipping: false,
            }],
            total: money(),
            tax: money(),
        })
    }

    fn payment(date: &str) -> Content {
        Content::Payment(PaymentContent {
            company: "1".to_owned(),
            customer: CustomerRef::Bound,
            direction: Direction::Inbound,
            journal: "1".to_owned(),
            method_line: "1".to_owned(),
            date: on(date),
            amount: money(),
            memo: String::new(),
        })
    }

    fn entry(date: &str) -> Content {
        Content::Entry(EntryContent {
            company: "1".to_owned(),
            journal: "1".to_owned(),
            date: on(date),
            reference: String::new(),
            lines: vec![AccountLine {
                account: "1".to_owned(),
                name: String::new(),
                amount: money(),
                taxes: Vec::new(),
                refund: false,
            }],
            taxes: Vec::new(),
            orders: Vec::new(),
        })
    }

    #[test]
    fn v13_each_lock_moves_what_it_concerns_to_the_first_open_day() {
        let booked = |content: Content| locks().booked_on(&content).expect("dated").to_string();
        assert_eq!(booked(invoice("2026-03-31", true)), "2026-04-01");
        assert_eq!(booked(invoice("2026-04-01", true)), "2026-04-01");
        assert_eq!(booked(payment("2026-01-31")), "2026-02-01");
        assert_eq!(booked(payment("2026-02-01")), "2026-02-01", "no sale, no tax");
        let open_sales = Locks { sale: None, ..locks() };
        let booked = |taxed| open_sales.booked_on(&invoice("2026-02-10", taxed));
        assert_eq!(booked(true), Some(on("2026-03-01")));
        assert_eq!(booked(false), Some(on("2026-02-10")));
    }

    #[test]
    fn p5_an_entry_inside_any_lock_is_refused_and_a_document_only_without_an_open_day() {
        let today = on("2026-11-25");
        let refused = |content: Content| {
            let refused = locks().refuses(&content, today);
            refused.map(|error| error.to_string()).unwrap_or_default()
        };
        let why = refused(entry("2026-04-30"));
        assert!(why.contains("purchase lock date 2026-04-30"), "{why}");
        assert_eq!(refused(entry("2026-05-01")), "");
        assert_eq!(refused(invoice("2026-03-31", true)), "");
        let ahead = Locks { hard: Some(on("2026-12-31")), ..Locks::default() };
        assert!(ahead.refuses(&invoice("2026-11-02", false), today).is_some());
        assert!(ahead.refuses(&payment("2026-11-02"), today).is_some());
        assert!(ahead.refuses(&payment("2027-01-01"), today).is_none());
    }
}
