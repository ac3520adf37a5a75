//! `TxsSummry`: the bank's own totals of the entries.
//!
//! Banks count it in different ways (with or without what is pending), so it decides only where the
//! balances prove nothing: a statement without an opening or a closing balance, all of whose entries
//! are booked.

use trueup_connect::DecodeError;
use trueup_domain::money::Money;

use super::once;
use super::xml::Leaf;
use crate::statement::Entry;

#[derive(Default)]
pub struct Summary {
    credits: Option<String>,
    debits: Option<String>,
}

impl Summary {
    pub fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
        match leaf.path {
            "TtlCdtNtries/Sum" => once(&mut self.credits, leaf.text, "TtlCdtNtries/Sum"),
            "TtlDbtNtries/Sum" => once(&mut self.debits, leaf.text, "TtlDbtNtries/Sum"),
            _ => Ok(()),
        }
    }

    pub fn prove(&self, entries: &[Entry]) -> Result<(), DecodeError> {
        let Some(currency) = entries.first().map(|entry| entry.amount.currency()) else {
            return Ok(());
        };
        let wanted = [("credits", &self.credits, false), ("debits", &self.debits, true)];
        for (name, stated, negative) in wanted {
            let Some(stated) = stated else { continue };
            let amount = |source| DecodeError::amount("TxsSummry", source);
            let stated = Money::parse(stated, currency).map_err(amount)?;
            let amounts = entries.iter().map(|entry| entry.amount);
            let sum = Money::sum(currency, amounts.filter(|one| one.is_negative() == negative));
            let sum = sum.map_err(amount)?;
            if sum.minor().unsigned_abs() != stated.minor().unsigned_abs() {
                let why = format!("{name} {sum} ≠ stated {stated}");
                return Err(DecodeError::Contradiction { what: "statement", why });
            }
        }
        Ok(())
    }
}
