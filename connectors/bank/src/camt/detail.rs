//! One `TxDtls`: references, parties and text of a payment.

use trueup_connect::DecodeError;
use trueup_domain::document::BankReferences;

use super::balance::AmountText;
use super::entry::append;
use super::xml::Leaf;
use super::{direction, once};
use crate::identity;
use crate::statement::{Content, reference, squeeze};

/// The schema repeats its 140 characters without end; nobody reads, or pays for, this much.
const REMITTANCE_BYTES_MAX: usize = 64 * 1024;

#[derive(Default)]
pub struct Detail {
    /// Since version 4.
    pub amount: AmountText,
    direction: Option<String>,
    /// Where older versions state the amount in the currency of the account.
    pub transaction_amount: AmountText,
    servicer: Option<String>,
    end_to_end: Option<String>,
    transaction: Option<String>,
    instruction: Option<String>,
    mandate: Option<String>,
    debtor: Party,
    creditor: Party,
    code: Code,
    remittance: Vec<String>,
    remittance_bytes: usize,
    information: Option<String>,
}

#[derive(Default)]
struct Party {
    name: Option<String>,
    ultimate_name: Option<String>,
    account: Option<String>,
}

impl Party {
    fn name(&self) -> Option<String> {
        let name = self.name.as_deref().or(self.ultimate_name.as_deref());
        name.map(squeeze).filter(|name| !name.is_empty())
    }

    fn is_account(&self, own: &str) -> bool {
        self.account.as_deref().is_some_and(|account| identity::account(account, "EUR") == own)
    }
}

impl Detail {
    pub fn close(&mut self, leaf: Leaf<'_>) -> Result<(), DecodeError> {
        let Leaf { path, text, .. } = leaf;
        if let Some(below) = path.strip_prefix("RltdPties/") {
            return self.party(below, text);
        }
        if let Some(below) = path.strip_prefix("BkTxCd/") {
            return self.code.take(below, text);
        }
        match path {
            "Amt" => self.amount.take(leaf, "TxDtls/Amt"),
            "CdtDbtInd" => once(&mut self.direction, text, "TxDtls/CdtDbtInd"),
            "AmtDtls/TxAmt/Amt" => self.transaction_amount.take(leaf, "TxDtls/AmtDtls/TxAmt"),
            "Refs/AcctSvcrRef" => once(&mut self.servicer, text, "TxDtls/Refs/AcctSvcrRef"),
            "Refs/EndToEndId" => once(&mut self.end_to_end, text, "TxDtls/Refs/EndToEndId"),
            "Refs/TxId" => once(&mut self.transaction, text, "TxDtls/Refs/TxId"),
            "Refs/InstrId" => once(&mut self.instruction, text, "TxDtls/Refs/InstrId"),
            "Refs/MndtId" => once(&mut self.mandate, text, "TxDtls/Refs/MndtId"),
            "RmtInf/Ustrd"
            | "RmtInf/Strd/CdtrRefInf/Ref"
            | "RmtInf/Strd/RfrdDocInf/Nb"
            | "RmtInf/Strd/AddtlRmtInf" => {
                self.remittance_bytes += text.len();
                if self.remittance_bytes > REMITTANCE_BYTES_MAX {
                    let why = format!("a payment has over {REMITTANCE_BYTES_MAX} bytes of text");
                    return Err(DecodeError::Unreadable(why));
                }
                self.remittance.push(squeeze(text));
                Ok(())
            }
            "AddtlTxInf" => once(&mut self.information, text, "TxDtls/AddtlTxInf"),
            _ => Ok(()),
        }
    }

    /// Version 8 wraps a party in `Pty`, or names an agent in its place.
    fn party(&mut self, path: &str, text: &str) -> Result<(), DecodeError> {
        let (debtor, creditor) = (&mut self.debtor, &mut self.creditor);
        match path {
            "Dbtr/Nm" | "Dbtr/Pty/Nm" | "Dbtr/Agt/FinInstnId/Nm" => {
                once(&mut debtor.name, text, "RltdPties/Dbtr")
            }
            "Cdtr/Nm" | "Cdtr/Pty/Nm" | "Cdtr/Agt/FinInstnId/Nm" => {
                once(&mut creditor.name, text, "RltdPties/Cdtr")
            }
            "UltmtDbtr/Nm" | "UltmtDbtr/Pty/Nm" => {
                once(&mut debtor.ultimate_name, text, "RltdPties/UltmtDbtr")
            }
            "UltmtCdtr/Nm" | "UltmtCdtr/Pty/Nm" => {
                once(&mut creditor.ultimate_name, text, "RltdPties/UltmtCdtr")
            }
            "DbtrAcct/Id/IBAN" | "DbtrAcct/Id/Othr/Id" => {
                once(&mut debtor.account, text, "RltdPties/DbtrAcct")
            }
            "CdtrAcct/Id/IBAN" | "CdtrAcct/Id/Othr/Id" => {
                once(&mut creditor.account, text, "RltdPties/CdtrAcct")
            }
            _ => Ok(()),
        }
    }

    /// The direction of this part of an entry that goes in `entry` direction.
    pub fn money_in(&self, entry: bool) -> Result<bool, DecodeError> {
        match self.direction.as_deref() {
            None => Ok(entry),
            own => direction(own, "TxDtls/CdtDbtInd"),
        }
    }

    /// The counterparty is the payer of money in and the payee of money out; banks that name only
    /// the other one mean it too, unless it is the holder of this account.
    pub fn content(&self, own: &str, payer_is_other: bool, entry_code: Option<&str>) -> Content {
        let (expected, other) = match payer_is_other {
            true => (&self.debtor, &self.creditor),
            false => (&self.creditor, &self.debtor),
        };
        let fallback = || if other.is_account(own) { None } else { other.name() };
        let some = |text: &Option<String>| text.as_deref().and_then(reference);
        let remittance = self.remittance.iter().cloned().fold(String::new(), append);
        let information = squeeze(self.information.as_deref().unwrap_or_default());
        Content {
            references: BankReferences {
                servicer: some(&self.servicer),
                end_to_end: some(&self.end_to_end),
                transaction: some(&self.transaction).or(some(&self.instruction)),
                mandate: some(&self.mandate),
            },
            counterparty: expected.name().or_else(fallback),
            text: append(remittance, information),
            code: self.code.text().or(entry_code.map(str::to_owned)),
        }
    }
}

/// A bank transaction code: `PMNT-RCDT-ESCT`, else the bank's own.
#[derive(Default)]
pub struct Code {
    domain: Option<String>,
    family: Option<String>,
    sub_family: Option<String>,
    own: Option<String>,
}

impl Code {
    pub fn take(&mut self, path: &str, text: &str) -> Result<(), DecodeError> {
        match path {
            "Domn/Cd" => once(&mut self.domain, text, "BkTxCd/Domn/Cd"),
            "Domn/Fmly/Cd" => once(&mut self.family, text, "BkTxCd/Domn/Fmly/Cd"),
            "Domn/Fmly/SubFmlyCd" => once(&mut self.sub_family, text, "BkTxCd/Domn/Fmly/SubFmlyCd"),
            "Prtry/Cd" => once(&mut self.own, text, "BkTxCd/Prtry/Cd"),
            _ => Ok(()),
        }
    }

    pub fn text(&self) -> Option<String> {
        let parts = [&self.domain, &self.family, &self.sub_family];
        let parts: Vec<&str> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
        if parts.is_empty() { self.own.clone() } else { Some(parts.join("-")) }
    }
}
