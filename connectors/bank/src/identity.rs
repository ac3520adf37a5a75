//! Ids of bank lines that stay the same however often, and in whichever file, the bank sends them.
//!
//! No field of a statement is guaranteed to be unique. The servicer's reference is, within one
//! account and one booking day, for most banks; some repeat it for every entry of a batch, or give
//! a reversal the reference of what it reverses, on a later day. Statements state whole days, so a
//! day is the unit in which a reference is unique or not: daily, weekly and re-sent files then agree
//! on every id.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::statement::Entry;

/// One id for each entry, in order: `<account>/<booking day>/<servicer reference>` where that is
/// unique, else `<account>/<booking day>/~<fingerprint>#<occurrence>`.
pub fn entry_ids<'a>(entries: impl Iterator<Item = (&'a str, &'a Entry)> + Clone) -> Vec<String> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for key in entries.clone().filter_map(|(account, entry)| by_reference(account, entry)) {
        *uses.entry(key).or_default() += 1;
    }
    let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
    entries
        .map(|(account, entry)| match by_reference(account, entry) {
            Some(id) if uses.get(&id) == Some(&1) => id,
            _ => {
                let print = fingerprint(account, entry);
                let count = occurrences.entry(print.clone()).or_default();
                *count += 1;
                format!("{print}#{count}")
            }
        })
        .collect()
}

fn by_reference(account: &str, entry: &Entry) -> Option<String> {
    let reference = entry.content.references.servicer.as_ref()?;
    // A tilde begins fingerprints and `#` counts: a reference with either could pretend to be
    // another entry's id.
    let safe = !reference.starts_with('~') && !reference.contains('#');
    safe.then(|| format!("{account}/{}/{reference}", entry.booked_on))
}

/// What makes an entry itself when the bank gives it no reference. Nothing of it depends on the
/// file or the statement: those differ when the bank sends the entry again.
fn fingerprint(account: &str, entry: &Entry) -> String {
    let mut evidence = Evidence::default();
    evidence.add(account);
    evidence.add(&entry.amount.to_string());
    evidence.add(&entry.evidence);
    format!("{account}/{}/~{}", entry.booked_on, evidence.print())
}

/// The letters that the bank wrote about an entry: not what we made of them, so that ids stay the
/// same when we learn to read more; and without blanks, which wrapping adds and loses.
#[derive(Clone, Debug, Default)]
pub struct Evidence(Sha256);

impl Evidence {
    pub fn add(&mut self, text: &str) {
        for word in text.split_whitespace() {
            self.0.update(word.as_bytes());
        }
        self.0.update([0]);
    }

    pub fn print(self) -> String {
        let digest = hex::encode(self.0.finalize());
        digest.chars().take(16).collect()
    }
}

/// The account as banks agree to write it: without blanks, in capitals, and without the currency
/// that some MT940 files hang on an IBAN.
pub fn account(text: &str, currency: &str) -> String {
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect();
    match plain.strip_suffix(currency) {
        Some(iban) if is_iban(iban) => iban.to_owned(),
        _ => plain,
    }
}

/// ISO 13616: shaped as an IBAN, and the whole is 1 modulo 97.
pub fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let rotated = bytes.iter().cycle().skip(4).take(bytes.len());
    let remainder = rotated.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => rest,
    });
    is_iban_shaped(text) && remainder == 1
}

/// Two letters, two check digits, and letters and digits.
pub fn is_iban_shaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    (15..=34).contains(&bytes.len())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_are_known_by_their_check_digits() {
        assert!(is_iban("NL91ABNA0417164300"));
        assert!(is_iban("DE89370400440532013000"));
        assert!(!is_iban("NL91ABNA0417164301"));
        assert!(!is_iban("NL91ABNA0417164300EUR"));
        assert!(!is_iban(""));
    }

    #[test]
    fn an_account_is_written_one_way() {
        assert_eq!(account("NL91 ABNA 0417 1643 00", "EUR"), "NL91ABNA0417164300");
        assert_eq!(account("NL91ABNA0417164300EUR", "EUR"), "NL91ABNA0417164300");
        assert_eq!(account("45050050/76198810", "EUR"), "45050050/76198810");
    }
}
