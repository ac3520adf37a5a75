//! A bank account that writes statement files, as a bank does after each day.
//!
//! It holds no clock: every day is passed in. Its files decode to exactly what was booked; the
//! property tests demand that for both formats.

mod camt;
mod mt940;

use jiff::civil::Date;
use trueup_domain::money::{Currency, Money};

use crate::statement::squeeze;

/// The form in which the account writes its statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// CAMT.053.001.08.
    #[default]
    Camt053,
    Mt940,
}

/// What is wrong with a file on request. Each must be refused whole or recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The upload stopped in the middle.
    HalfWritten,
    /// The closing balance is one minor unit too high.
    WrongClosing,
    /// The last entry is left out, as by a careless export; the balances are of all entries.
    MissingEntry,
}

/// One booking. Amounts are signed: positive is money in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    pub amount_minor: i64,
    pub booked_on: Date,
    pub value_on: Date,
    pub counterparty: String,
    pub text: String,
    pub end_to_end: Option<String>,
    /// It takes back an earlier booking; the sign of the amount says the direction of the money.
    pub reversal: bool,
    /// CAMT only: the parts of a batch, which add up to the amount. Empty for a plain booking.
    pub parts: Vec<Part>,
}

/// One payment of a batch that the bank booked as one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub amount_minor: i64,
    pub counterparty: String,
    pub text: String,
    pub end_to_end: Option<String>,
}

impl Booking {
    pub fn new(amount_minor: i64, booked_on: Date, counterparty: &str, text: &str) -> Self {
        Self {
            amount_minor,
            booked_on,
            value_on: booked_on,
            counterparty: counterparty.to_owned(),
            text: text.to_owned(),
            end_to_end: None,
            reversal: false,
            parts: Vec::new(),
        }
    }
}

/// A booking with the reference that the bank gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Booked {
    servicer: String,
    booking: Booking,
}

/// A statement that was written, kept so that it can be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sheet {
    number: u32,
    closes: Date,
    opening: Money,
    closing: Money,
    entries: Vec<Booked>,
    pending: Vec<Booked>,
}

#[derive(Clone, Debug)]
pub struct BankSandbox {
    iban: String,
    format: Format,
    /// Closing balance of the last statement.
    stated: Money,
    /// Booked since then, in the order of booking.
    open: Vec<Booked>,
    /// Announced, not booked: in the next CAMT file as `PDNG`, and then forgotten.
    pending: Vec<Booked>,
    sheets: Vec<Sheet>,
    last_reference: u64,
    times_sent: u32,
}

impl BankSandbox {
    pub fn new(iban: &str, currency: Currency, opening_minor: i64) -> Self {
        Self {
            iban: iban.to_owned(),
            format: Format::default(),
            stated: Money::from_minor(opening_minor, currency),
            open: Vec::new(),
            pending: Vec::new(),
            sheets: Vec::new(),
            last_reference: 0,
            times_sent: 0,
        }
    }

    #[must_use]
    pub fn writing(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    pub fn iban(&self) -> &str {
        &self.iban
    }

    /// The balance with everything booked so far.
    pub fn balance_minor(&self) -> i64 {
        let open = self.open.iter().map(|booked| booked.booking.amount_minor);
        open.fold(self.stated.minor(), i64::saturating_add)
    }

    /// Money in; answers the bank's reference. `amount_minor` is not negative.
    pub fn credit(
        &mut self,
        amount_minor: i64,
        booked_on: Date,
        counterparty: &str,
        text: &str,
        end_to_end: Option<&str>,
    ) -> String {
        let end_to_end = end_to_end.map(str::to_owned);
        let booking = Booking::new(amount_minor, booked_on, counterparty, text);
        self.book(Booking { end_to_end, ..booking })
    }

    /// Money out; answers the bank's reference. `amount_minor` is not negative.
    pub fn debit(
        &mut self,
        amount_minor: i64,
        booked_on: Date,
        counterparty: &str,
        text: &str,
        end_to_end: Option<&str>,
    ) -> String {
        self.credit(amount_minor.saturating_neg(), booked_on, counterparty, text, end_to_end)
    }

    /// Books anything; answers the bank's reference.
    pub fn book(&mut self, booking: Booking) -> String {
        let booked = self.referenced(booking);
        let servicer = booked.servicer.clone();
        self.open.push(booked);
        servicer
    }

    /// Announces a booking that is not booked: it must never become a line.
    pub fn announce(&mut self, booking: Booking) {
        let booked = self.referenced(booking);
        self.pending.push(booked);
    }

    /// Closes the books up to and with `date`: the file name and bytes of the statement, or `None`
    /// when nothing was booked.
    pub fn close_day(&mut self, date: Date) -> Option<(String, Vec<u8>)> {
        self.close(date).map(|sheet| self.write(&sheet, false))
    }

    /// As [`Self::close_day`], with a fault in the file. [`Self::resend`] sends the good file.
    pub fn close_day_with(&mut self, date: Date, fault: Fault) -> Option<(String, Vec<u8>)> {
        let mut sheet = self.close(date)?;
        match fault {
            Fault::HalfWritten => {
                let (name, mut bytes) = self.write(&sheet, false);
                bytes.truncate(bytes.len() / 2);
                return Some((name, bytes));
            }
            Fault::WrongClosing => {
                let wrong = sheet.closing.minor().saturating_add(1);
                sheet.closing = Money::from_minor(wrong, sheet.closing.currency());
            }
            Fault::MissingEntry => {
                sheet.entries.pop();
            }
        }
        Some(self.write(&sheet, false))
    }

    /// Sends the newest statement of that day once more: the same content in another message, in
    /// CAMT marked as a duplicate.
    pub fn resend(&mut self, date: Date) -> Option<(String, Vec<u8>)> {
        let sheet = self.sheets.iter().rev().find(|sheet| sheet.closes == date).cloned()?;
        Some(self.write(&sheet, true))
    }

    fn referenced(&mut self, mut booking: Booking) -> Booked {
        self.last_reference += 1;
        let day = booking.booked_on.strftime("%Y%m%d");
        let servicer = format!("{day}{:06}", self.last_reference);
        booking.counterparty = plain(&booking.counterparty);
        booking.text = plain(&booking.text);
        for part in &mut booking.parts {
            part.counterparty = plain(&part.counterparty);
            part.text = plain(&part.text);
        }
        Booked { servicer, booking }
    }

    fn close(&mut self, date: Date) -> Option<Sheet> {
        let (entries, open): (Vec<Booked>, Vec<Booked>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|booked| booked.booking.booked_on <= date);
        self.open = open;
        if entries.is_empty() {
            return None;
        }
        let opening = self.stated;
        let closing = entries.iter().map(|booked| booked.booking.amount_minor);
        let closing = closing.fold(opening.minor(), i64::saturating_add);
        let closing = Money::from_minor(closing, opening.currency());
        self.stated = closing;
        // Banks number the statements of each year from 1.
        let last = self.sheets.last().filter(|sheet| sheet.closes.year() == date.year());
        let number = last.map_or(0, |sheet| sheet.number) + 1;
        let pending = std::mem::take(&mut self.pending);
        let sheet = Sheet { number, closes: date, opening, closing, entries, pending };
        self.sheets.push(sheet.clone());
        Some(sheet)
    }

    fn write(&mut self, sheet: &Sheet, again: bool) -> (String, Vec<u8>) {
        self.times_sent += 1;
        let stem = format!("{}_{}_{:03}", self.iban, sheet.closes, sheet.number);
        let stem = if again { format!("{stem}_again{}", self.times_sent) } else { stem };
        match self.format {
            Format::Camt053 => {
                (format!("{stem}.xml"), camt::write(&self.iban, sheet, self.times_sent, again))
            }
            Format::Mt940 => (format!("{stem}.sta"), mt940::write(&self.iban, sheet)),
        }
    }
}

/// Text as a bank keeps it: single blanks, nothing that cannot be printed.
fn plain(text: &str) -> String {
    let printable: String =
        text.chars().map(|c| if c.is_control() || c > '\u{d7ff}' { ' ' } else { c }).collect();
    squeeze(&printable)
}
