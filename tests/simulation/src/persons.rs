//! What people decide meanwhile: who mends a key, retries what was refused or skips it and takes it
//! up later, and has made again what a backup of the books lacks.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use trueup_connect::conversation::MISSING_CUSTOMER;
use trueup_domain::command::CommandKind;
use trueup_domain::derive::books::GONE;
use trueup_hub::Hub;
use trueup_hub::decisions::{self, Decision, What};
use trueup_sandbox::world::ODOO;
use trueup_store::cases::{self, Case};
use trueup_store::{StoreError, commands, doctor, holds, messages, streams};

use crate::street::Dice;

/// What the weather's books say when they refuse.
pub const REFUSAL: &str = "The weather does not let us post this";
/// What they say when a record is gone: before that is known it may be referred to. In a story in
/// which nothing is gone, nothing else would bring it back.
const LACKS: &str = "missing_record";
/// A skipped payment lets the notes behind it go; to take it up after them is a case of its own.
const SKIPPED: [CommandKind; 4] =
    [CommandKind::Order, CommandKind::Invoice, CommandKind::CreditNote, CommandKind::Goods];
const HELD: &str = "connection_held";
/// Nobody releases what was held a moment ago.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// Somebody who decides.
pub struct Person<'a> {
    pub hub: &'a Hub,
    pub now: Timestamp,
    pub name: &'static str,
}

/// What became of a decision.
pub enum Taken {
    Done,
    /// It does not apply any more.
    Late,
    Crashed,
}

impl Person<'_> {
    pub fn decide(&self, what: What, reason: &str) -> Result<Taken> {
        let (hub, now) = (self.hub.clone(), self.now);
        let (person, reason) = (self.name.to_owned(), reason.to_owned());
        let decision = Decision { what, person, reason };
        match self.hub.store.write(move |tx| decisions::take(tx, &hub, &decision, now)) {
            Ok(Ok(_)) => Ok(Taken::Done),
            Ok(Err(_)) | Err(StoreError::Conflict(_)) => Ok(Taken::Late),
            Err(StoreError::Crashed) => Ok(Taken::Crashed),
            Err(error) => Err(error.into()),
        }
    }

    fn all(&self) -> Result<Vec<Case>> {
        Ok(self.hub.store.read(cases::all)?)
    }
}

/// A case that somebody can do something about now, and what.
pub struct Work {
    /// Who decided this has done so.
    pub once: Option<(String, Timestamp)>,
    pub about: String,
    pub what: What,
    pub word: &'static str,
}

/// What a person would do next about each case. Where `patient`, what is refused may also be skipped;
/// else everything that was skipped is taken up.
pub fn work(
    person: &Person<'_>,
    seen: &BTreeSet<(String, Timestamp)>,
    dice: &Dice,
    patient: bool,
) -> Result<Vec<Work>> {
    let all = person.all()?;
    // What was made again is so when the books are released, and told as gone until then.
    let is_told = |case: &Case| seen.contains(&(case.id.clone(), case.opened_at));
    let gone = all.iter().any(|case| case.is_open() && case.kind == GONE && !is_told(case));
    let mut found = Vec::new();
    for case in &all {
        let about = case.id.clone();
        let retry = |word| Work {
            once: None,
            about: case.subject.clone(),
            what: What::Retry { about: about.clone() },
            word,
        };
        match (case.kind.as_str(), case.is_open()) {
            ("refused", true) => {
                let kind = is_the_weathers(person.hub, case)?;
                if patient && SKIPPED.contains(&kind) && dice.roll(500) {
                    let what = What::Skip { case: about };
                    found.push(Work {
                        once: None,
                        about: case.subject.clone(),
                        what,
                        word: "skipped",
                    });
                } else {
                    found.push(retry("refused and retried"));
                }
            }
            ("refused", false) if case.is_skipped() && (!patient || dice.roll(300)) => {
                found.push(retry("taken up"));
            }
            // So many crashes in a row over one message say that it kills whoever reads it.
            ("undecodable", true) => found.push(retry("read again")),
            (GONE, true) if !is_told(case) => {
                found.push(Work {
                    once: Some((about.clone(), case.opened_at)),
                    ..retry("made again")
                });
            }
            (HELD, true) if !gone && all_is_told(person, case)? => {
                let what = What::Release { connection: ODOO.to_owned() };
                found.push(Work {
                    once: None,
                    about: case.subject.clone(),
                    what,
                    word: "released",
                });
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whoever releases the books first waits until all that is doubted has been read and told.
fn all_is_told(person: &Person<'_>, case: &Case) -> Result<bool> {
    // A clock that ran ahead may have opened it (C7).
    let age = person.now.duration_since(case.opened_at);
    if !age.is_negative() && age < PATIENCE {
        return Ok(false);
    }
    Ok(person.hub.store.read(|tx| {
        let asked = streams::asked(tx, ODOO, Timestamp::MAX, i64::MAX)?;
        let undecided = doctor::roots(tx)?.iter().any(|(_, arrived, decided)| decided < arrived);
        let held = holds::held(tx, ODOO)?.is_some();
        Ok(held && asked.is_empty() && !undecided && messages::oldest_due(tx)?.is_none())
    })?)
}

/// Nothing in these books is wrong: whoever was refused was so by the weather, or kept waiting.
fn is_the_weathers(hub: &Hub, case: &Case) -> Result<CommandKind> {
    let key = case.subject.strip_prefix("command/").unwrap_or_default().to_owned();
    let command = hub.store.read(|tx| commands::find(tx, &key))?;
    let command = command.with_context(|| anyhow!("a case of no command: {}", case.subject))?;
    let code = command.error_code.unwrap_or_default();
    let excused = [REFUSAL, LACKS, MISSING_CUSTOMER].iter().any(|it| case.detail.contains(it));
    ensure!(code != "TU104" || excused, "I2: {key} was refused for good: {}", case.detail);
    Ok(command.kind)
}
