//! Writes CAMT.053.001.08.

use std::fmt::Write;

use trueup_domain::money::{Currency, Money};

use super::{Booked, Part, Sheet};

pub fn write(iban: &str, sheet: &Sheet, message: u32, again: bool) -> Vec<u8> {
    let day = sheet.closes;
    let currency = sheet.opening.currency();
    let mut entries = String::new();
    for (number, booked) in (1..).zip(&sheet.entries) {
        entry(&mut entries, number, booked, currency, "BOOK");
    }
    for (number, booked) in (1 + sheet.entries.len()..).zip(&sheet.pending) {
        entry(&mut entries, number, booked, currency, "PDNG");
    }
    let copy = if again { "<CpyDplctInd>DUPL</CpyDplctInd>" } else { "" };
    let opening = balance("OPBD", sheet.opening, day);
    let closing = balance("CLBD", sheet.closing, day);
    let (iban, number) = (escape(iban), sheet.number);
    let file = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>MSG{message:06}</MsgId><CreDtTm>{day}T23:30:00Z</CreDtTm></GrpHdr>
<Stmt><Id>STM{number:05}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><CreDtTm>{day}T23:30:00Z</CreDtTm>{copy}
<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>{currency}</Ccy></Acct>
{opening}
{closing}
{entries}</Stmt>
</BkToCstmrStmt></Document>
"#
    );
    file.into_bytes()
}

fn balance(kind: &str, amount: Money, day: jiff::civil::Date) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{}<Dt><Dt>{day}</Dt></Dt></Bal>",
        unsigned(amount)
    )
}

/// The amount and its direction, in the order of the schema.
fn unsigned(amount: Money) -> String {
    let direction = if amount.is_negative() { "DBIT" } else { "CRDT" };
    let (text, currency) = (amount.amount_text(), amount.currency());
    let digits = text.trim_start_matches('-');
    format!("<Amt Ccy=\"{currency}\">{digits}</Amt><CdtDbtInd>{direction}</CdtDbtInd>")
}

fn entry(out: &mut String, number: usize, booked: &Booked, currency: Currency, status: &str) {
    let booking = &booked.booking;
    let amount = Money::from_minor(booking.amount_minor, currency);
    let code = if amount.is_negative() { "ICDT" } else { "RCDT" };
    let reversal = if booking.reversal { "<RvslInd>true</RvslInd>" } else { "" };
    let whole = [Part {
        amount_minor: booking.amount_minor,
        counterparty: booking.counterparty.clone(),
        text: booking.text.clone(),
        end_to_end: booking.end_to_end.clone(),
    }];
    let (batch, parts) = match booking.parts.as_slice() {
        [] => (String::new(), whole.as_slice()),
        parts => (format!("<Btch><NbOfTxs>{}</NbOfTxs></Btch>", parts.len()), parts),
    };
    let details: String = parts
        .iter()
        .map(|part| detail(part, Money::from_minor(part.amount_minor, currency), booking.reversal))
        .collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<Ntry><NtryRef>{number}</NtryRef>{}{reversal}<Sts><Cd>{status}</Cd></Sts>\
         <BookgDt><Dt>{}</Dt></BookgDt><ValDt><Dt>{}</Dt></ValDt>\
         <AcctSvcrRef>{}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{code}</Cd>\
         <SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>\
         <NtryDtls>{batch}{details}</NtryDtls></Ntry>",
        unsigned(amount),
        booking.booked_on,
        booking.value_on,
        booked.servicer,
    );
}

fn detail(part: &Part, amount: Money, reversal: bool) -> String {
    let end_to_end = part.end_to_end.as_deref().unwrap_or("NOTPROVIDED");
    // In a reversal the parties keep the parts of what it reverses.
    let party = if amount.is_negative() == reversal { "Dbtr" } else { "Cdtr" };
    let parties = match part.counterparty.as_str() {
        "" => String::new(),
        name => format!(
            "<RltdPties><{party}><Pty><Nm>{}</Nm></Pty></{party}></RltdPties>",
            escape(name)
        ),
    };
    let remittance = match part.text.as_str() {
        "" => String::new(),
        text => format!("<RmtInf><Ustrd>{}</Ustrd></RmtInf>", escape(text)),
    };
    format!(
        "<TxDtls><Refs><EndToEndId>{}</EndToEndId></Refs>{}{parties}{remittance}</TxDtls>",
        escape(end_to_end),
        unsigned(amount)
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}
