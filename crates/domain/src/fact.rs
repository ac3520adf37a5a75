//! Facts: what must hold outside or in the journal, and the difference to what was written before
//! (`DESIGN.md` §9.3, §9.4).

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::command::{Content, TargetRef, Way};
use crate::item::Item;
use crate::journal::Entry;
use crate::key;
use crate::planted::planted;

/// Names a fact within its root: what it is, and the source's own id of the smallest thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactKey {
    pub kind: String,
    pub part: String,
}

impl FactKey {
    pub fn new(kind: impl Into<String>, part: impl Into<String>) -> Self {
        Self { kind: kind.into(), part: part.into() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactContent {
    Entry(Entry),
    Item(Item),
    Units(Units),
    Command(Box<Command>),
}

/// Units of a product that left a location of the books, or came back to it: a row of what is
/// transferred there of the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    pub day: Date,
    /// They left, or came back.
    pub way: Way,
    pub location: TargetRef,
    pub product: TargetRef,
    /// What the source calls it.
    pub name: String,
    /// More than none.
    pub quantity: i64,
    /// The source's own id of the shipment or refund that says so.
    pub by: String,
}

/// What must be asked of a target, and what must be applied there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub target: String,
    pub content: Content,
    pub after: Vec<After>,
    /// The reconciliation key that the record made by this command states, and as what.
    pub states: Option<(crate::item::ItemKind, String)>,
}

/// A command of the same root, or of another, whose binding this one needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The name under which the connector finds the binding: `customer`, `order`, `invoice`, ….
    pub role: String,
    pub fact: FactKey,
    /// Another root (of `connection/kind/id`), for what roots share: a customer.
    pub root: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub key: FactKey,
    pub content: FactContent,
}

impl Fact {
    pub fn new(kind: &str, part: impl Into<String>, content: FactContent) -> Self {
        Self { key: FactKey::new(kind, part), content }
    }

    pub fn content_json(&self) -> String {
        serde_json::to_string(&self.content)
            .unwrap_or_else(|error| unreachable!("facts always serialise: {error}"))
    }
}

/// A generation as the store holds it: the newest of its fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub key: FactKey,
    pub generation: u32,
    pub content_hash: String,
    /// False after it was taken back without a successor.
    pub live: bool,
}

/// What the store must change so that the written facts are the derived ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write this generation; `replaces` the live one before it, which is taken back first.
    Add { fact: Fact, generation: u32, content_hash: String, replaces: Option<u32> },
    /// The fact holds no longer.
    TakeBack { key: FactKey, generation: u32 },
}

/// Compares facts derived now with facts written before. Equal content adds nothing, so a repeated
/// or stale message writes nothing; A→B→A gives three generations.
pub fn difference(written: &[Written], derived: Vec<Fact>) -> Vec<Change> {
    let mut before: BTreeMap<&FactKey, &Written> =
        written.iter().map(|fact| (&fact.key, fact)).collect();
    let mut changes = Vec::new();
    for fact in derived {
        let content_hash = key::body_hash(fact.content_json().as_bytes());
        match before.remove(&fact.key) {
            Some(old)
                if old.live
                    && old.content_hash == content_hash
                    && !planted("the_same_again_is_a_generation") => {}
            Some(old) => changes.push(Change::Add {
                generation: old.generation + 1,
                replaces: old.live.then_some(old.generation),
                content_hash,
                fact,
            }),
            None => {
                changes.push(Change::Add { generation: 1, replaces: None, content_hash, fact });
            }
        }
    }
    let gone = before.into_values().filter(|old| old.live);
    changes.extend(
        gone.map(|old| Change::TakeBack { key: old.key.clone(), generation: old.generation }),
    );
    changes
}
