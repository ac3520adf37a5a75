//! Which of the many balances of a statement open and close it.

use jiff::civil::Date;
use trueup_connect::DecodeError;
use trueup_domain::money::{Currency, Money, MoneyError};

use super::xml::Leaf;
use super::{direction, once};
use crate::statement::iso_date;

#[derive(Default)]
pub struct Balances(Vec<Balance>);

#[derive(Default)]
struct Balance {
    kind: Option<String>,
    amount: AmountText,
    direction: Option<String>,
    date: Option<String>,
}

/// The balances between which the entries stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    pub opening: Option<Money>,
    pub closing: Option<Money>,
    /// The day of the closing balance.
    pub date: Option<Date>,
}

impl Balances {
    pub fn begin(&mut self) {
        self.0.push(Balance::default());
    }

    pub fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
        let Some(balance) = self.0.last_mut() else { return Ok(()) };
        match leaf.path {
            "Tp/CdOrPrtry/Cd" => once(&mut balance.kind, leaf.text, "Bal/Tp/CdOrPrtry/Cd"),
            "Amt" => balance.amount.take(leaf, "Bal/Amt"),
            "CdtDbtInd" => once(&mut balance.direction, leaf.text, "Bal/CdtDbtInd"),
            "Dt/Dt" | "Dt/DtTm" => once(&mut balance.date, leaf.text, "Bal/Dt"),
            _ => Ok(()),
        }
    }

    /// The opening booked balance (`OPBD`, else the previous closing `PRCD`) of the first day, and
    /// the closing booked balance (`CLBD`) of the last: some banks state each day of a longer
    /// period. A page that begins or ends inside a statement has an interim balance (`ITBD`) there.
    /// Available and forward balances count no bookings and are not read.
    pub fn bounds(&self) -> Result<Bounds, DecodeError> {
        let of = |kind: &'static str| -> Result<Vec<(Option<Date>, Money)>, DecodeError> {
            let balances = self.0.iter().filter(|balance| balance.kind.as_deref() == Some(kind));
            balances.map(Balance::read).collect()
        };
        let first = |balances: Vec<(Option<Date>, Money)>| {
            balances.into_iter().min_by_key(|(date, _)| *date)
        };
        let opening = first(of("OPBD")?).or(first(of("PRCD")?));
        // Of two closing balances of one day the later in the file counts.
        let closing = of("CLBD")?.into_iter().max_by_key(|(date, _)| *date);
        let interim = of("ITBD")?;
        let (opening, closing) = match (opening, closing, interim.as_slice()) {
            (None, None, [from, .., to]) => (Some(*from), Some(*to)),
            (None, Some(closing), [from, ..]) => (Some(*from), Some(closing)),
            (Some(opening), None, [.., to]) => (Some(opening), Some(*to)),
            (opening, closing, _) => (opening, closing),
        };
        Ok(Bounds {
            opening: opening.map(|(_, amount)| amount),
            closing: closing.map(|(_, amount)| amount),
            date: closing.and_then(|(date, _)| date),
        })
    }
}

impl Balance {
    fn read(&self) -> Result<(Option<Date>, Money), DecodeError> {
        let money_in = direction(self.direction.as_deref(), "Bal/CdtDbtInd")?;
        let date = self.date.as_deref().map(|date| iso_date(date, "Bal/Dt")).transpose()?;
        Ok((date, self.amount.signed(money_in, "Bal/Amt")?))
    }
}

/// An amount as written, read only when it is used.
#[derive(Clone, Debug, Default)]
pub struct AmountText {
    digits: Option<String>,
    currency: Option<String>,
}

impl AmountText {
    pub fn take(&mut self, leaf: Leaf<'_>, field: &'static str) -> Result<(), DecodeError> {
        once(&mut self.digits, leaf.text, field)?;
        self.currency = leaf.currency.map(str::to_owned);
        Ok(())
    }

    pub fn is_in(&self, currency: Currency) -> bool {
        self.digits.is_some() && self.currency.as_deref() == Some(currency.code())
    }

    /// Amounts are written without a sign; one that has a sign says its direction twice.
    pub fn signed(&self, money_in: bool, field: &'static str) -> Result<Money, DecodeError> {
        let missing = || DecodeError::field(field);
        let digits = self.digits.as_deref().ok_or_else(missing)?;
        let amount = |source: MoneyError| DecodeError::amount(field, source);
        let currency =
            self.currency.as_deref().ok_or_else(|| DecodeError::field(format!("{field}/@Ccy")))?;
        let currency = Currency::parse(currency).map_err(amount)?;
        let read = Money::parse(digits, currency).map_err(amount)?;
        if digits.starts_with('-') {
            return Err(amount(MoneyError::NotANumber(digits.to_owned())));
        }
        if money_in { Ok(read) } else { read.checked_neg().map_err(amount) }
    }
}
