//! A session and what Odoo booked for it: at closing one entry for all orders that have no invoice
//! of their own, and before that the invoices (`POSTING.md` V11). An order that is invoiced later is
//! taken out of the entry by a reversal of its own.

use std::collections::BTreeMap;

use trueup_connect::{DecodeError, Decoded};
use trueup_domain::document::{TicketTender, TillCash, TillDocument, TillSession, Version};
use trueup_domain::money::{Currency, Money, MoneyError};

use crate::wire::{MoveLine, SessionRecord};

const OPEN: &[&str] = &["opening_control", "opened", "closing_control"];
const CLOSED: &str = "closed";
const RECEIVABLE: &str = "asset_receivable";

pub fn decode(record: &SessionRecord) -> Result<Decoded, DecodeError> {
    let session = &record.session;
    if session.state != CLOSED && !OPEN.contains(&session.state.as_str()) {
        return Err(DecodeError::unknown("state", &session.state));
    }
    let Some(opened_at) = session.start_at.0 else {
        return Ok(Decoded::Ignored("pos_session/not_started".to_owned()));
    };
    let currency = session.currency_id.currency("currency_id")?;
    let closed = session.state == CLOSED;
    let closed_at = closed.then(|| session.stop_at.0.unwrap_or(session.write_date).0);
    let mut documents = Vec::new();
    if closed {
        documents.extend(by_move(&record.entry, currency)?);
        documents.extend(by_move(&record.invoices, currency)?);
        documents.extend(by_move(&record.reversals, currency)?);
    }
    Ok(Decoded::Documents(vec![
        TillSession {
            id: session.id.to_string(),
            version: Version::at(session.write_date.0),
            number: session.name.clone(),
            register: session.config_id.1.clone(),
            currency,
            opened_at: opened_at.0,
            closed_at,
            cash: if closed { drawer(record, currency)? } else { None },
            documents,
            tenders: if closed { tenders(record, currency)? } else { Vec::new() },
        }
        .into(),
    ]))
}

/// What each posted move sold is what it made the customers owe. In the entry of a session, what
/// the payments of invoices took off again stands on the same accounts, so that the sum is without
/// the invoiced orders.
fn by_move(lines: &[MoveLine], currency: Currency) -> Result<Vec<TillDocument>, DecodeError> {
    let mut documents: BTreeMap<i64, TillDocument> = BTreeMap::new();
    let zero = Money::zero(currency);
    for line in lines.iter().filter(|line| line.parent_state == "posted") {
        let one = documents.entry(line.move_id.0).or_insert_with(|| TillDocument {
            record: format!("account.move/{}", line.move_id.0),
            name: line.move_id.1.clone(),
            total: zero,
            tax: zero,
        });
        let debit = line.amount_currency.money("amount_currency", currency)?;
        if line.account_type == RECEIVABLE {
            one.total = one.total.checked_add(debit).map_err(amount)?;
        }
        if line.tax_line_id.0.is_some() {
            one.tax = one.tax.checked_sub(debit).map_err(amount)?;
        }
    }
    Ok(documents.into_values().collect())
}

/// The entry of a session has one line for each method, named after the session and the method.
fn tenders(record: &SessionRecord, currency: Currency) -> Result<Vec<TicketTender>, DecodeError> {
    let mut all = Vec::new();
    for method in record.methods.iter().filter(|method| method.kind != "pay_later") {
        let name = format!("{} - {}", record.session.name, method.name);
        let own = record.entry.iter().filter(|line| {
            line.account_type == RECEIVABLE && line.name.0.as_deref() == Some(name.as_str())
        });
        let mut sum: Option<Money> = None;
        for line in own {
            let debit = line.amount_currency.money("amount_currency", currency)?;
            let before = sum.unwrap_or(Money::zero(currency));
            sum = Some(before.checked_add(debit).map_err(amount)?);
        }
        all.extend(sum.map(|amount| TicketTender { method: method.name.clone(), amount }));
    }
    Ok(all)
}

fn drawer(record: &SessionRecord, currency: Currency) -> Result<Option<TillCash>, DecodeError> {
    let session = &record.session;
    let cash = record.methods.iter().find(|method| method.kind == "cash");
    let (Some(cash), Some(_)) = (cash, &session.cash_journal_id.0) else { return Ok(None) };
    let start = "cash_register_balance_start";
    let (end, counted) = ("cash_register_balance_end", "cash_register_balance_end_real");
    Ok(Some(TillCash {
        method: cash.name.clone(),
        opening: session.cash_register_balance_start.money(start, currency)?,
        expected: session.cash_register_balance_end.money(end, currency)?,
        counted: session.cash_register_balance_end_real.money(counted, currency)?,
    }))
}

fn amount(source: MoneyError) -> DecodeError {
    DecodeError::amount("amount_currency", source)
}
