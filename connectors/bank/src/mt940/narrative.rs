//! `:86:`, what the bank says about a line, in the dialects of the countries:
//!
//! - German: `166?00CREDIT?20EREF+…?21SVWZ+…?32NAME`, parts of 27 letters, SEPA words with a plus;
//! - Dutch and Belgian: `/EREF/…/NAME/…/REMI/…`, SEPA words between slashes;
//! - free text.

use super::fields::Field;
use crate::statement::{reference, squeeze};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrative {
    pub text: String,
    pub counterparty: Option<String>,
    pub end_to_end: Option<String>,
    /// The reference that the account's owner gave to an order of many payments.
    pub customer: Option<String>,
    pub mandate: Option<String>,
}

/// Lines are cut at 65 letters, in the middle of words; files that lost a blank at the end of a
/// line have 64.
const FULL_LINE_LETTERS: usize = 64;
/// Parts of the German dialect are cut at 27 letters, or at 26 before a lost blank.
const FULL_PART_LETTERS: usize = 26;

pub fn read(field: &Field) -> Narrative {
    let whole = unwrap(&field.lines);
    if let Some(separator) = german_separator(&whole) {
        return german(&whole, separator);
    }
    slashed(&whole).unwrap_or_else(|| Narrative { text: squeeze(&whole), ..Narrative::default() })
}

/// Joins the lines: a full line was cut wherever it was full, a shorter one ended.
fn unwrap(lines: &[&str]) -> String {
    let mut whole = String::new();
    for (at, line) in lines.iter().enumerate() {
        whole.push_str(line);
        let cut = line.chars().count() >= FULL_LINE_LETTERS || line.ends_with('?');
        if !cut && at + 1 < lines.len() {
            whole.push(' ');
        }
    }
    whole
}

/// The separator of `166?00…`: whatever stands between the three digits and two more.
fn german_separator(text: &str) -> Option<char> {
    let mut letters = text.trim_start().chars();
    let digits = |letters: &mut std::str::Chars<'_>, count: usize| {
        letters.by_ref().take(count).filter(char::is_ascii_digit).count() == count
    };
    let three = digits(&mut letters, 3);
    let separator = letters.next().filter(|c| !c.is_alphanumeric() && !c.is_whitespace());
    separator.filter(|_| three && digits(&mut letters, 2))
}

fn german(text: &str, separator: char) -> Narrative {
    let (mut title, mut purpose, mut name) = (String::new(), String::new(), String::new());
    let mut last = "";
    for (number, part) in german_parts(text, separator) {
        let whole = match number {
            0 => &mut title,
            20..=29 | 60..=63 => &mut purpose,
            32 | 33 => &mut name,
            _ => continue,
        };
        if !whole.is_empty() && last.chars().count() < FULL_PART_LETTERS {
            whole.push(' ');
        }
        whole.push_str(part);
        last = part;
    }
    let words = plus_words(&purpose);
    let word = |wanted: &str| {
        let found = words.iter().find(|(word, _)| *word == wanted);
        found.map(|(_, value)| squeeze(value)).filter(|value| !value.is_empty())
    };
    let before = words.first().map_or("", |(_, value)| *value);
    let text = word("SVWZ").unwrap_or_else(|| squeeze(before));
    Narrative {
        text: if text.is_empty() { squeeze(&title) } else { text },
        counterparty: Some(squeeze(&name)).filter(|name| !name.is_empty()),
        end_to_end: word("EREF").as_deref().and_then(reference),
        customer: word("KREF").as_deref().and_then(reference),
        mandate: word("MREF").as_deref().and_then(reference),
    }
}

/// `?NNtext` parts. A separator that no number follows belongs to the text.
fn german_parts(text: &str, separator: char) -> Vec<(u8, &str)> {
    let number = |from: usize| -> Option<u8> {
        let digits = text.get(from..from + 2)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let starts: Vec<(usize, usize, u8)> = text
        .match_indices(separator)
        .filter_map(|(at, found)| {
            let from = at + found.len();
            number(from).map(|number| (at, from + 2, number))
        })
        .collect();
    let ends = starts.iter().skip(1).map(|(at, _, _)| *at).chain([text.len()]);
    let parts = starts.iter().zip(ends);
    parts.map(|((_, from, number), end)| (*number, text.get(*from..end).unwrap_or(""))).collect()
}

/// `EREF+value SVWZ+value`: words with their values; the first has no word and may be empty.
fn plus_words(text: &str) -> Vec<(&str, &str)> {
    const WORDS: &[&str] = &[
        "EREF", "KREF", "MREF", "CRED", "DEBT", "COAM", "OAMT", "SVWZ", "ABWA", "ABWE", "IBAN",
        "BIC", "PURP",
    ];
    split_at_words(text, '+', |before| {
        let found = WORDS.iter().find(|word| before.ends_with(**word));
        found.map(|word| before.len() - word.len())
    })
}

/// `/EREF/value/NAME/value`, where it begins with a known word.
fn slashed(text: &str) -> Option<Narrative> {
    const WORDS: &[&str] = &[
        "ABWA", "ADDR", "BENM", "BIC", "CNTP", "CSID", "EREF", "IBAN", "ISDT", "KREF", "MARF",
        "NAME", "ORDP", "PREF", "PURP", "PY", "REMI", "RTRN", "SVCL", "TRCD", "TRTP", "ULTB",
        "ULTC", "ULTD",
    ];
    let start = |before: &str| {
        let found = WORDS.iter().find(|word| {
            let word_start = before.len().checked_sub(word.len());
            before.ends_with(**word)
                && word_start.and_then(|at| before.get(..at)).is_some_and(|b| b.ends_with('/'))
        });
        found.map(|word| before.len() - word.len() - 1)
    };
    let words = split_at_words(text, '/', start);
    let (_, before) = words.first()?;
    let known = words.len() > 1 && (before.trim().is_empty() || before.starts_with('/'));
    if !known {
        return None;
    }
    let word = |wanted: &str| {
        let found = words.iter().find(|(word, _)| word.trim_matches('/') == wanted);
        let value = found.map(|(_, value)| squeeze(value.trim_matches('/')));
        value.filter(|value| !value.is_empty())
    };
    let party = || word("CNTP").and_then(|party| party.split('/').nth(2).map(str::to_owned));
    let remittance = word("REMI").map(|text| {
        let plain = text.strip_prefix("USTD//").or(text.strip_prefix("STRD/"));
        plain.map_or(text.clone(), str::to_owned)
    });
    Some(Narrative {
        text: remittance.or(word("PY")).or(word("TRTP")).unwrap_or_default(),
        counterparty: word("NAME").or_else(party).filter(|name| !name.is_empty()),
        end_to_end: word("EREF").as_deref().and_then(reference),
        customer: word("KREF").or(word("PREF")).as_deref().and_then(reference),
        mandate: word("MARF").as_deref().and_then(reference),
    })
}

/// Cuts a text at each known word that `mark` closes. `start` says where a word begins that the
/// text before a mark ends with.
fn split_at_words(
    text: &str,
    mark: char,
    start: impl Fn(&str) -> Option<usize>,
) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let (mut word, mut from) = ("", 0);
    for (at, found) in text.match_indices(mark) {
        let Some(begins) = text.get(from..at).and_then(&start).map(|begins| from + begins) else {
            continue;
        };
        words.push((word, text.get(from..begins).unwrap_or("")));
        word = text.get(begins..at).unwrap_or("");
        from = at + found.len();
    }
    words.push((word, text.get(from..).unwrap_or("")));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrative(text: &str) -> Narrative {
        read(&Field { tag: "86", lines: text.split('\n').collect() })
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_german_dialect_is_read() {
        // The lines of jejik_commerzbank.sta: cut at 65 letters, even inside `?25`.
        let returned = "109?00SEPA-LASTSCHR. RETOURE CORE?109075/629?20EREF+A1.200080779.\n\
            400143254?21.4961336 KREF+SEPA-DA202006?2201221740-34972000-P1 MR\n\
            EF+2?230852HW2723821 CRED+DE41EON0?240000129793 OAMT+11,85 SVWZ+?\n\
            25SONSTIGE GRUENDE ENDABRECHN?26UNG NR. 500106875 ZU VERTRA?2740\n\
            0143254, KUNDENNUM MER 2?2802227779?30CSDBDE71XXX?31DE50712345600\n\
            200691329?32TESTER?33EL";
        let expected = Narrative {
            text: "SONSTIGE GRUENDE ENDABRECHNUNG NR. 500106875 ZU VERTRA400143254, KUNDENNUM \
                   MER 202227779"
                .to_owned(),
            counterparty: some("TESTER EL"),
            end_to_end: some("A1.200080779.400143254.4961336"),
            customer: some("SEPA-DA20200601221740-34972000-P1"),
            mandate: some("20852HW2723821"),
        };
        assert_eq!(narrative(returned), expected);
    }

    #[test]
    fn german_texts_without_words_are_read() {
        let rent = narrative("008?00DAUERAUFTRAG?100599?20Miete?21November?3010020030?32MUELLER");
        assert_eq!((rent.text.as_str(), rent.counterparty), ("Miete November", some("MUELLER")));
        assert_eq!(narrative("805?00ENTGELTABSCHLUSS?106666").text, "ENTGELTABSCHLUSS");
        assert_eq!(narrative("166?00X?20EREF+NOTPROVIDED SVWZ+why? me").end_to_end, None);
        assert_eq!(narrative("166?00X?20EREF+1 SVWZ+why? me").text, "why? me");
        assert_eq!(narrative("999PN5477SCHECK-NR. 1").text, "999PN5477SCHECK-NR. 1");
    }

    #[test]
    fn the_slashed_dialect_is_read() {
        let rabobank = narrative(
            "/EREF/01-01-2013 12:00 0030000987654321/BENM//NAME/CONTRA ACCOUN\n\
             T HOLDER/REMI//ISDT/2013-07-11",
        );
        assert_eq!(rabobank.counterparty, some("CONTRA ACCOUNT HOLDER"));
        assert_eq!(rabobank.end_to_end, some("01-01-2013 12:00 0030000987654321"));
        assert_eq!(rabobank.text, "");
        let ing = narrative(
            "/EREF/E2E 1//CNTP/NL32INGB0000012345/INGBNL2A/ING BANK NV/AMSTERDAM//REMI/USTD//EV123 \
             and/or 4/",
        );
        assert_eq!(ing.text, "EV123 and/or 4");
        assert_eq!(ing.counterparty, some("ING BANK NV"));
        assert_eq!(ing.end_to_end, some("E2E 1"));
        assert_eq!(narrative("/PT/FT/PY/SOMETHING\n   123").text, "SOMETHING 123");
        assert_eq!(narrative("/ABC/DEF/MISC").text, "/ABC/DEF/MISC");
    }
}
