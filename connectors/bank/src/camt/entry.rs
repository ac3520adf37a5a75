//! One `Ntry`: a movement of the account, alone or with the parts of a batch.

use trueup_connect::DecodeError;
use trueup_domain::money::Money;
use trueup_domain::planted::planted;

use super::balance::AmountText;
use super::detail::{Code, Detail};
use super::xml::Leaf;
use super::{direction, flag, once};
use crate::identity::Evidence;
use crate::statement::{Content, Entry, iso_date, reference, squeeze};

#[derive(Default)]
pub struct EntryDraft {
    amount: AmountText,
    direction: Option<String>,
    reversal: Option<String>,
    status: Option<String>,
    booked_on: Option<String>,
    value_on: Option<String>,
    name: Option<String>,
    servicer: Option<String>,
    code: Code,
    information: Option<String>,
    details: Vec<Detail>,
    evidence: Evidence,
}

/// What identifies an entry without a reference: who, why and whose references. Positions, codes
/// and pointers to other messages may change when it is sent again.
fn is_evidence(path: &str) -> bool {
    ["Refs/", "RltdPties/", "RmtInf/", "AddtlTxInf"].iter().any(|part| {
        path.strip_prefix("NtryDtls/TxDtls/").is_some_and(|below| below.starts_with(part))
    }) || path == "AddtlNtryInf"
}

impl EntryDraft {
    pub fn open(&mut self, path: &str) {
        if path == "NtryDtls/TxDtls" {
            self.details.push(Detail::default());
        }
    }

    pub fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
        let Leaf { path, text, .. } = leaf;
        if !text.is_empty() && is_evidence(path) {
            self.evidence.add(text);
        }
        if let Some(below) = path.strip_prefix("NtryDtls/TxDtls/") {
            let leaf = Leaf { path: below, ..leaf };
            return self.details.last_mut().map_or(Ok(()), |detail| detail.close(leaf));
        }
        if let Some(below) = path.strip_prefix("BkTxCd/") {
            return self.code.take(below, text);
        }
        match path {
            "Amt" => self.amount.take(leaf, "Ntry/Amt"),
            "CdtDbtInd" => once(&mut self.direction, text, "Ntry/CdtDbtInd"),
            "RvslInd" => once(&mut self.reversal, text, "Ntry/RvslInd"),
            // The status was a plain text up to version 7.
            "Sts" | "Sts/Cd" | "Sts/Prtry" => once(&mut self.status, text, "Ntry/Sts"),
            "BookgDt/Dt" | "BookgDt/DtTm" => once(&mut self.booked_on, text, "Ntry/BookgDt"),
            "ValDt/Dt" | "ValDt/DtTm" => once(&mut self.value_on, text, "Ntry/ValDt"),
            "NtryRef" => once(&mut self.name, text, "Ntry/NtryRef"),
            "AcctSvcrRef" => once(&mut self.servicer, text, "Ntry/AcctSvcrRef"),
            "AddtlNtryInf" => once(&mut self.information, text, "Ntry/AddtlNtryInf"),
            _ => Ok(()),
        }
    }

    /// `None` for an entry that is not booked.
    pub fn finish(self, own_account: &str) -> Result<Option<Entry>, DecodeError> {
        match self.status.as_deref() {
            Some("BOOK") => {}
            Some("PDNG" | "INFO" | "FUTR") => return Ok(None),
            Some(other) => return Err(DecodeError::unknown("Ntry/Sts", other)),
            None => return Err(DecodeError::field("Ntry/Sts")),
        }
        let money_in = direction(self.direction.as_deref(), "Ntry/CdtDbtInd")?;
        let money_in = money_in || planted("a_debit_is_a_credit");
        let amount = self.amount.signed(money_in, "Ntry/Amt")?;
        let reversal = flag(self.reversal.as_deref(), "Ntry/RvslInd")?;
        let booked_on = self.booked_on.as_deref();
        let booked_on = booked_on.ok_or_else(|| DecodeError::field("Ntry/BookgDt"))?;
        let booked_on = iso_date(booked_on, "Ntry/BookgDt")?;
        let value_on = self.value_on.as_deref();
        let value_on = value_on.map(|date| iso_date(date, "Ntry/ValDt")).transpose()?;
        let code = self.code.text();
        let content = |detail: &Detail| -> Result<Content, DecodeError> {
            // The parties of a reversal keep the roles they had in what it reverses.
            let payer_is_other = detail.money_in(money_in)? != reversal;
            Ok(detail.content(own_account, payer_is_other, code.as_deref()))
        };
        let mut parts = Vec::new();
        let mut own = match self.details.as_slice() {
            [] => Content { code: code.clone(), ..Content::default() },
            [only] => content(only)?,
            several => {
                let contents: Vec<Content> =
                    several.iter().map(content).collect::<Result<_, _>>()?;
                let mut text = String::new();
                for content in &contents {
                    if text.len() < REPEATS_FOUND_BYTES_MAX {
                        text = append(text, content.text.clone());
                    }
                }
                if let Some(amounts) = part_amounts(several, amount, money_in)? {
                    parts = amounts.into_iter().zip(contents).collect();
                }
                Content { text, code: code.clone(), ..Content::default() }
            }
        };
        own.text = append(own.text, squeeze(self.information.as_deref().unwrap_or_default()));
        // The entry's own reference names the movement of the account; a detail's may name a
        // payment that the bank booked with others.
        let servicer = self.servicer.as_deref().and_then(reference);
        own.references.servicer = servicer.clone().or(own.references.servicer);
        for (_, part) in &mut parts {
            part.references.servicer = part.references.servicer.take().or(servicer.clone());
        }
        let name = servicer.or_else(|| self.name.as_deref().and_then(reference));
        let evidence = self.evidence.print();
        Ok(Some(Entry {
            name,
            amount,
            booked_on,
            value_on,
            reversal,
            evidence,
            content: own,
            parts,
        }))
    }
}

/// Beyond this length repeated texts are kept, since looking for them would take quadratic time, and
/// the texts of further parts are left out of the entry's.
const REPEATS_FOUND_BYTES_MAX: usize = 2_000;

/// Joins texts with a blank, leaving out what is already said.
pub fn append(mut all: String, text: String) -> String {
    let said = all.len() <= REPEATS_FOUND_BYTES_MAX && all.contains(&text);
    if !text.is_empty() && !said {
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(&text);
    }
    all
}

/// The signed amounts of the parts of a batch, or `None` where the bank gives none in the currency
/// of the account: then the entry stays one line, and its amount is never repeated for each part.
/// The statement refuses parts that do not add up to the entry.
fn part_amounts(
    details: &[Detail],
    entry: Money,
    money_in: bool,
) -> Result<Option<Vec<Money>>, DecodeError> {
    let mut stated = None;
    let readings: [fn(&Detail) -> &AmountText; 2] =
        [|detail| &detail.amount, |detail| &detail.transaction_amount];
    for reading in readings {
        let all = details.iter().all(|detail| reading(detail).is_in(entry.currency()));
        if !all {
            continue;
        }
        let amounts: Result<Vec<Money>, DecodeError> = details
            .iter()
            .map(|detail| reading(detail).signed(detail.money_in(money_in)?, "TxDtls/Amt"))
            .collect();
        let amounts = amounts?;
        let sum = Money::sum(entry.currency(), amounts.iter().copied());
        if sum.is_ok_and(|sum| sum == entry) {
            return Ok(Some(amounts));
        }
        stated = stated.or(Some(amounts));
    }
    Ok(stated)
}
