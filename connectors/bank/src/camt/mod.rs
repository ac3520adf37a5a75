//! CAMT.053, any version, read as a stream: what is kept of an entry is at most what becomes of it.
//!
//! Sign is the entry's `CdtDbtInd` alone: a reversal is booked in the direction that it says, so
//! `RvslInd` never turns it round. Only booked entries are kept.

mod balance;
mod detail;
mod entry;
mod summary;
mod xml;

use jiff::civil::Date;
use trueup_connect::DecodeError;

use crate::decode::Read;
use crate::identity;
use crate::statement::{Entry, Statement, iso_date, squeeze};
use balance::Balances;
use entry::EntryDraft;
use summary::Summary;
use xml::{Leaf, Visitor};

pub fn read(text: &str) -> Result<Read, DecodeError> {
    let mut file = File::default();
    xml::walk(text, &mut file)?;
    match file.message {
        None => Ok(Read::Foreign),
        Some(Found::Interim(name)) => Ok(Read::Interim(name)),
        Some(Found::Statements) if file.statements.is_empty() => Err(DecodeError::field("Stmt")),
        Some(Found::Statements) => Ok(Read::Statements(file.statements)),
    }
}

/// Keeps the only occurrence of an element; a second one is refused, since nobody could say which
/// of the two counts.
fn once(slot: &mut Option<String>, text: &str, field: &'static str) -> Result<(), DecodeError> {
    if text.is_empty() {
        return Ok(());
    }
    match slot.replace(text.to_owned()) {
        None => Ok(()),
        Some(_) => Err(DecodeError::field(format!("{field}: it stands there twice"))),
    }
}

/// `true` is money in.
fn direction(text: Option<&str>, field: &'static str) -> Result<bool, DecodeError> {
    match text {
        Some("CRDT") => Ok(true),
        Some("DBIT") => Ok(false),
        Some(other) => Err(DecodeError::unknown(field, other)),
        None => Err(DecodeError::field(field)),
    }
}

fn flag(text: Option<&str>, field: &'static str) -> Result<bool, DecodeError> {
    match text {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(other) => Err(DecodeError::unknown(field, other)),
    }
}

/// A page of a message or of a statement: older versions count pages in the group header.
#[derive(Clone, Debug, Default)]
struct Page {
    number: Option<String>,
    last: Option<String>,
}

#[derive(Default)]
struct File {
    message: Option<Found>,
    page: Page,
    statement: Option<Draft>,
    statements: Vec<Statement>,
}

#[derive(Clone, Copy)]
enum Found {
    Statements,
    Interim(&'static str),
}

/// A statement being read.
#[derive(Default)]
struct Draft {
    id: Option<String>,
    page: Page,
    electronic_sequence: Option<String>,
    legal_sequence: Option<String>,
    created: Option<String>,
    until: Option<String>,
    copy: Option<String>,
    iban: Option<String>,
    other_account: Option<String>,
    currency: Option<String>,
    balances: Balances,
    summary: Summary,
    entry: Option<EntryDraft>,
    entries: Vec<Entry>,
    not_booked: usize,
}

impl Visitor for File {
    fn message(&mut self, name: &str) -> bool {
        let found = match name {
            "BkToCstmrStmt" => Found::Statements,
            "BkToCstmrAcctRpt" => Found::Interim("camt.052"),
            "BkToCstmrDbtCdtNtfctn" => Found::Interim("camt.054"),
            _ => return false,
        };
        self.message = Some(found);
        matches!(found, Found::Statements)
    }

    fn open(&mut self, path: &str) -> Result<(), DecodeError> {
        match path {
            "Stmt" => self.statement = Some(Draft::default()),
            _ => {
                if let Some((draft, below)) = self.inside(path) {
                    draft.open(below);
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
        match leaf.path {
            "GrpHdr/MsgPgntn/PgNb" => once(&mut self.page.number, leaf.text, "MsgPgntn/PgNb"),
            "GrpHdr/MsgPgntn/LastPgInd" => once(&mut self.page.last, leaf.text, "LastPgInd"),
            "Stmt" => {
                if let Some(draft) = self.statement.take() {
                    self.statements.push(draft.finish(&self.page)?);
                }
                Ok(())
            }
            path => match self.inside(path) {
                Some((draft, below)) => draft.close(Leaf { path: below, ..leaf }),
                None => Ok(()),
            },
        }
    }
}

impl File {
    fn inside<'p>(&mut self, path: &'p str) -> Option<(&mut Draft, &'p str)> {
        Some((self.statement.as_mut()?, path.strip_prefix("Stmt/")?))
    }
}

impl Draft {
    fn open(&mut self, path: &str) {
        match path {
            "Bal" => self.balances.begin(),
            "Ntry" => self.entry = Some(EntryDraft::default()),
            _ => {
                if let (Some(below), Some(entry)) = (path.strip_prefix("Ntry/"), &mut self.entry) {
                    entry.open(below);
                }
            }
        }
    }

    fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
        let Leaf { path, text, .. } = leaf;
        if path == "Ntry" {
            let Some(entry) = self.entry.take() else { return Ok(()) };
            match entry.finish(&self.own_account())? {
                Some(booked) => self.entries.push(booked),
                None => self.not_booked += 1,
            }
            return Ok(());
        }
        if let Some(below) = path.strip_prefix("Ntry/") {
            let leaf = Leaf { path: below, ..leaf };
            return self.entry.as_mut().map_or(Ok(()), |entry| entry.close(leaf));
        }
        if let Some(below) = path.strip_prefix("Bal/") {
            return self.balances.close(Leaf { path: below, ..leaf });
        }
        if let Some(below) = path.strip_prefix("TxsSummry/") {
            return self.summary.close(Leaf { path: below, ..leaf });
        }
        match path {
            "Id" => once(&mut self.id, text, "Stmt/Id"),
            "StmtPgntn/PgNb" => once(&mut self.page.number, text, "StmtPgntn/PgNb"),
            "StmtPgntn/LastPgInd" => once(&mut self.page.last, text, "StmtPgntn/LastPgInd"),
            "ElctrncSeqNb" => once(&mut self.electronic_sequence, text, "Stmt/ElctrncSeqNb"),
            "LglSeqNb" => once(&mut self.legal_sequence, text, "Stmt/LglSeqNb"),
            "CreDtTm" => once(&mut self.created, text, "Stmt/CreDtTm"),
            "FrToDt/ToDtTm" => once(&mut self.until, text, "Stmt/FrToDt/ToDtTm"),
            "CpyDplctInd" => once(&mut self.copy, text, "Stmt/CpyDplctInd"),
            "Acct/Id/IBAN" => once(&mut self.iban, text, "Stmt/Acct/Id/IBAN"),
            "Acct/Id/Othr/Id" => once(&mut self.other_account, text, "Stmt/Acct/Id/Othr/Id"),
            "Acct/Ccy" => once(&mut self.currency, text, "Stmt/Acct/Ccy"),
            _ => Ok(()),
        }
    }

    fn own_account(&self) -> String {
        let account = self.iban.as_deref().or(self.other_account.as_deref()).unwrap_or_default();
        identity::account(account, self.currency.as_deref().unwrap_or("EUR"))
    }

    fn finish(self, message_page: &Page) -> Result<Statement, DecodeError> {
        let account = self.own_account();
        if account.is_empty() {
            return Err(DecodeError::field("Stmt/Acct/Id"));
        }
        let id = self.id.as_deref().map(squeeze).ok_or_else(|| DecodeError::field("Stmt/Id"))?;
        let copy = match self.copy.as_deref() {
            None => false,
            Some("CODU" | "COPY" | "DUPL") => true,
            Some(other) => return Err(DecodeError::unknown("Stmt/CpyDplctInd", other)),
        };
        let own_page = self.page.number.is_some();
        let page = if own_page { &self.page } else { message_page };
        let only_page = page.number.as_deref().is_none_or(|number| number == "1")
            && flag(page.last.as_deref().or(Some("true")), "LastPgInd")?;
        let name = match (&page.number, only_page) {
            (Some(number), false) => format!("{id}/p{}", squeeze(number)),
            (_, true) | (None, _) => id,
        };
        let bounds = self.balances.bounds()?;
        let proven = bounds.opening.is_some() && bounds.closing.is_some();
        if !proven && only_page && self.not_booked == 0 {
            self.summary.prove(&self.entries)?;
        }
        let date = Self::date(&self.entries, bounds.date, &self.until, &self.created)?;
        let currency_is_other = |code: &str| {
            let stated = bounds.opening.or(bounds.closing);
            let stated = stated.or(self.entries.first().map(|entry| entry.amount));
            stated.is_some_and(|amount| amount.currency().code() != code)
        };
        if let Some(code) = self.currency.as_deref()
            && currency_is_other(code)
        {
            let why = format!("the account is in {code}, its amounts are not");
            return Err(DecodeError::Contradiction { what: "statement", why });
        }
        Ok(Statement {
            account,
            name,
            sequence: self.electronic_sequence.or(self.legal_sequence),
            date,
            opening: bounds.opening,
            closing: bounds.closing,
            copy,
            entries: self.entries,
        })
    }

    /// The day of the statement: of its closing balance, else its last day, else its last booking;
    /// the moment of writing only when nothing else is said, because a copy is written later.
    fn date(
        entries: &[Entry],
        closing: Option<Date>,
        until: &Option<String>,
        created: &Option<String>,
    ) -> Result<Date, DecodeError> {
        if let Some(date) = closing {
            return Ok(date);
        }
        if let Some(until) = until {
            return iso_date(until, "Stmt/FrToDt/ToDtTm");
        }
        if let Some(date) = entries.iter().map(|entry| entry.booked_on).max() {
            return Ok(date);
        }
        match created {
            Some(created) => iso_date(created, "Stmt/CreDtTm"),
            None => Err(DecodeError::field("Stmt/CreDtTm")),
        }
    }
}
