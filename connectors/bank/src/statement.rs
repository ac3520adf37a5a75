//! What both formats say, in one shape; its control totals; and the documents made of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::civil::Date;
use trueup_connect::DecodeError;
use trueup_domain::document::{BankLine, BankReferences, BankStatement, Document};
use trueup_domain::money::Money;

use crate::identity;

/// A statement as read, with its booked entries only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub account: String,
    /// The bank's own name of the statement, with its page where the bank cuts it into pages.
    pub name: String,
    pub sequence: Option<String>,
    pub date: Date,
    pub opening: Option<Money>,
    pub closing: Option<Money>,
    pub copy: bool,
    pub entries: Vec<Entry>,
}

/// One booked movement of the account: what changes its balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the bank calls a batch, if anything; often a mere position in the file.
    pub name: Option<String>,
    /// Signed: positive is money in.
    pub amount: Money,
    pub booked_on: Date,
    pub value_on: Option<Date>,
    pub reversal: bool,
    /// Fingerprint of what the bank wrote about it ([`identity::Evidence`]).
    pub evidence: String,
    pub content: Content,
    /// The parts of a batch, each with its signed amount; empty when the entry stands alone.
    pub parts: Vec<(Money, Content)>,
}

/// What is said about an entry or about one part of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub references: BankReferences,
    pub counterparty: Option<String>,
    pub text: String,
    pub code: Option<String>,
}

impl Statement {
    fn id(&self) -> String {
        format!("{}/{}/{}", self.account, self.name, self.date.year())
    }

    /// Refuses a statement that does not add up. A balance that the bank leaves out cannot be
    /// checked; the gap to the next statement then shows what is missing.
    fn prove(&self) -> Result<(), DecodeError> {
        let contradiction = |why: String| DecodeError::Contradiction { what: "statement", why };
        for entry in self.entries.iter().filter(|entry| !entry.parts.is_empty()) {
            let parts = entry.parts.iter().map(|(amount, _)| *amount);
            let sum = sum(entry.amount, parts)?;
            if sum != entry.amount {
                let why = format!("parts {sum} ≠ entry {} of {}", entry.amount, entry.booked_on);
                return Err(DecodeError::Contradiction { what: "batch", why });
            }
        }
        let amounts = self.entries.iter().map(|entry| entry.amount);
        let known = [self.opening, self.closing].into_iter().flatten().chain(amounts.clone());
        let mut known = known.peekable();
        if let Some(&first) = known.peek()
            && let Some(other) = known.find(|amount| amount.currency() != first.currency())
        {
            let (one, two) = (first.currency(), other.currency());
            return Err(contradiction(format!("{} is in {one} and in {two}", self.id())));
        }
        if let (Some(opening), Some(closing)) = (self.opening, self.closing) {
            let lines = sum(opening, amounts)?;
            let reached = opening.checked_add(lines).map_err(out_of_range)?;
            if reached != closing {
                return Err(contradiction(format!(
                    "{}: opening {opening} + lines {lines} ≠ closing {closing}",
                    self.id()
                )));
            }
        }
        Ok(())
    }
}

fn sum(like: Money, amounts: impl Iterator<Item = Money>) -> Result<Money, DecodeError> {
    Money::sum(like.currency(), amounts).map_err(out_of_range)
}

fn out_of_range(source: trueup_domain::money::MoneyError) -> DecodeError {
    DecodeError::amount("sum of the entries", source)
}

/// All documents of a file, or none: one statement that does not add up refuses the whole file.
pub fn documents(statements: Vec<Statement>) -> Result<Vec<Document>, DecodeError> {
    let mut kept: BTreeMap<String, Statement> = BTreeMap::new();
    let mut order = Vec::new();
    for statement in statements {
        statement.prove()?;
        let id = statement.id();
        match kept.get(&id) {
            None => {
                order.push(id.clone());
                kept.insert(id, statement);
            }
            // The same statement twice in one file is one statement, copy or not.
            Some(first) if (Statement { copy: first.copy, ..statement.clone() }) == *first => {}
            Some(_) => {
                let why = format!("two different statements are both called {id}");
                return Err(DecodeError::Contradiction { what: "file", why });
            }
        }
    }
    let statements: Vec<(String, Statement)> =
        order.into_iter().filter_map(|id| kept.remove_entry(&id)).collect();
    let entries = statements.iter().flat_map(|(_, statement)| {
        statement.entries.iter().map(|entry| (&*statement.account, entry))
    });
    let mut ids = identity::entry_ids(entries).into_iter();
    let mut documents = Vec::new();
    for (id, statement) in statements {
        let lines: Vec<BankLine> = statement
            .entries
            .iter()
            .zip(ids.by_ref())
            .flat_map(|(entry, entry_id)| lines(&statement, &id, entry, &entry_id))
            .collect();
        let document = BankStatement {
            id,
            account: statement.account,
            sequence: statement.sequence,
            date: Some(statement.date),
            opening: statement.opening,
            closing: statement.closing,
            lines: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            copy: statement.copy,
        };
        documents.push(Document::from(document));
        documents.extend(lines.into_iter().map(Document::from));
    }
    Ok(documents)
}

/// The lines of one entry: itself, or one for each part of a batch.
fn lines(statement: &Statement, in_statement: &str, entry: &Entry, id: &str) -> Vec<BankLine> {
    let line = |id: String, amount: Money, content: &Content, batch: Option<String>| BankLine {
        id,
        account: statement.account.clone(),
        statement: in_statement.to_owned(),
        amount,
        booked_on: entry.booked_on,
        value_on: entry.value_on,
        references: content.references.clone(),
        counterparty: content.counterparty.clone(),
        text: content.text.clone(),
        batch,
        reversal: entry.reversal,
        code: content.code.clone(),
    };
    if entry.parts.is_empty() {
        return vec![line(id.to_owned(), entry.amount, &entry.content, None)];
    }
    let reference = entry.name.as_deref().unwrap_or(id);
    let batch = format!("{reference} {}", entry.amount);
    let parts = entry.parts.iter().zip(1_u32..);
    parts
        .map(|((amount, content), number)| {
            let mut part_id = id.to_owned();
            // Writing to a string cannot fail.
            let _ = write!(part_id, "#{number}");
            line(part_id, *amount, content, Some(batch.clone()))
        })
        .collect()
}

/// Text with each run of blanks and line breaks as one space.
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}

/// A reference, unless it is one of the words by which banks say that there is none.
pub fn reference(text: &str) -> Option<String> {
    const NONE: &[&str] =
        &["NOTPROVIDED", "NOT PROVIDED", "NONREF", "NOREF", "NONE", "NOTAVAILABLE", "N/A", "-"];
    let text = squeeze(text);
    let none = text.is_empty() || NONE.iter().any(|none| text.eq_ignore_ascii_case(none));
    (!none).then_some(text)
}

/// A calendar date `YYYY-MM-DD`, or the date part of a moment, as the bank wrote it: the booking
/// day is the bank's day, whatever the time zone of the reader.
pub fn iso_date(text: &str, field: &'static str) -> Result<Date, DecodeError> {
    let malformed = || {
        let text: String = text.chars().take(40).collect();
        DecodeError::field(format!("{field}: `{text}` is no day of the calendar"))
    };
    let (day, rest) = text.split_at_checked(10).ok_or_else(malformed)?;
    let shape = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !shape || !(rest.is_empty() || rest.starts_with(['T', 'Z', '+', '-'])) {
        return Err(malformed());
    }
    day.parse().map_err(|_| malformed())
}
