//! The chain of the audit: each record is sealed with the seal of the one before it, so that nobody
//! can change, remove or insert one without changing every seal that follows. Whoever keeps one seal
//! outside can prove all that is before it.

use serde::{Deserialize, Serialize};

use crate::key;

/// The seal before the first record.
pub const BEGINNING: &str = "";

/// Something that was done, in its place of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// 1 for the first one.
    pub number: i64,
    /// When it was done: microseconds since 1970, UTC, by the clock of who did it.
    pub at: i64,
    /// `decision`, `mapping`, `month_end`, `effect`, `restore`.
    pub kind: String,
    /// What it is about: a case, a connection, the key of a command.
    pub subject: String,
    /// Who did it; empty for the hub itself.
    pub person: String,
    /// What was done, as JSON, with the hashes of what it rests on.
    pub detail: String,
    /// SHA-256 over the seal of the record before and over this one, as hex.
    pub seal: String,
}

#[derive(Deserialize)]
struct Told {
    decision: Option<String>,
    about: Option<String>,
}

impl Record {
    fn told(&self) -> Told {
        serde_json::from_str(&self.detail).unwrap_or(Told { decision: None, about: None })
    }

    /// What was done, in a word: of a decision, which one.
    pub fn in_a_word(&self) -> String {
        self.told().decision.unwrap_or_else(|| self.kind.replace('_', " "))
    }

    /// What it is about, as a person names it: of a decision, not the message that it is.
    pub fn about(&self) -> String {
        self.told().about.unwrap_or_else(|| self.subject.clone())
    }
}

/// The seal of a record, with that of the one before it. What the record bears as its own is not
/// looked at.
pub fn seal(before: &str, record: &Record) -> String {
    let Record { number, at, kind, subject, person, detail, .. } = record;
    let sealed = (before, number, at, kind, subject, person, detail);
    // Texts and integers in a list have one JSON.
    let text = serde_json::to_string(&sealed).unwrap_or_default();
    key::body_hash(text.as_bytes())
}

/// Why a chain does not hold, if it does not: the first record that is not what it was sealed as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("record {0} is missing")]
    Missing(i64),
    #[error("record {0} is not what was sealed, or another one before it is gone")]
    Changed(i64),
    #[error("the seal of record {0} is not the one that was kept outside")]
    Another(i64),
}

/// Follows a chain, record by record.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    number: i64,
    seal: String,
    kept: Option<(i64, String)>,
}

impl Verifier {
    /// `kept` is the number and the seal of a record that somebody kept outside.
    pub fn expecting(kept: Option<(i64, String)>) -> Self {
        Self { kept, ..Self::default() }
    }

    pub fn next(&mut self, record: &Record) -> Result<(), Broken> {
        let number = self.number + 1;
        if record.number != number {
            return Err(Broken::Missing(number));
        }
        if record.seal != seal(&self.seal, record) {
            return Err(Broken::Changed(number));
        }
        if self.kept.as_ref().is_some_and(|(at, kept)| *at == number && *kept != record.seal) {
            return Err(Broken::Another(number));
        }
        self.number = number;
        self.seal.clone_from(&record.seal);
        Ok(())
    }

    /// How many records hold, and the seal of the last one.
    ///
    /// # Errors
    /// The chain ends before the record whose seal was kept outside.
    pub fn end(self) -> Result<(i64, String), Broken> {
        match self.kept {
            Some((at, _)) if at > self.number => Err(Broken::Missing(self.number + 1)),
            _ => Ok((self.number, self.seal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: i64) -> Vec<Record> {
        let mut before = BEGINNING.to_owned();
        let mut all = Vec::new();
        for number in 1..=count {
            let mut record = Record {
                number,
                at: number * 1_000,
                kind: "decision".to_owned(),
                subject: format!("case{number}"),
                person: "ann".to_owned(),
                detail: "{\"decision\":\"close\"}".to_owned(),
                seal: String::new(),
            };
            record.seal = seal(&before, &record);
            before.clone_from(&record.seal);
            all.push(record);
        }
        all
    }

    fn verify(all: &[Record], kept: Option<(i64, String)>) -> Result<(i64, String), Broken> {
        let mut verifier = Verifier::expecting(kept);
        all.iter().try_for_each(|record| verifier.next(record))?;
        verifier.end()
    }

    #[test]
    fn what_is_changed_removed_or_put_in_breaks_the_chain() {
        let all = chain(5);
        assert_eq!(verify(&all, None), Ok((5, all[4].seal.clone())));
        let fields: [fn(&mut Record); 6] = [
            |it| it.at += 1,
            |it| it.kind.push('x'),
            |it| it.subject.push('x'),
            |it| it.person = "ben".to_owned(),
            |it| it.detail.push(' '),
            |it| it.seal = BEGINNING.to_owned(),
        ];
        for change in fields {
            let mut changed = all.clone();
            change(&mut changed[2]);
            assert_eq!(verify(&changed, None), Err(Broken::Changed(3)));
        }
        let mut less = all.clone();
        less.remove(2);
        assert_eq!(verify(&less, None), Err(Broken::Missing(3)));
        let mut swapped = all.clone();
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped, None), Err(Broken::Missing(2)));
    }

    /// Whoever can write the whole chain anew cannot write what was kept outside.
    #[test]
    fn a_seal_that_was_kept_outside_proves_all_before_it() {
        let all = chain(5);
        let kept = Some((4, all[3].seal.clone()));
        assert!(verify(&all, kept.clone()).is_ok());
        assert_eq!(verify(&all[..3], kept.clone()), Err(Broken::Missing(4)));
        let mut anew = all;
        anew[1].person = "ben".to_owned();
        let mut before = BEGINNING.to_owned();
        for record in &mut anew {
            record.seal = seal(&before, record);
            before.clone_from(&record.seal);
        }
        assert!(verify(&anew, None).is_ok());
        assert_eq!(verify(&anew, kept), Err(Broken::Another(4)));
    }
}
