//! Replay: what was taken in is decoded and derived again, and compared with what is stored.
//!
//! A connector that reads a message otherwise now, a mapping that was approved since, a rule that
//! was mended: [`plan`] lists what would come of it, document by document, entry by entry,
//! command by command, and writes nothing. It does not guess: each root is decided in a transaction
//! that is undone. A person applies a plan by its id ([`crate::decisions::What::Replay`]); what is
//! not in it is not touched, so that a replay of what changed nothing changes nothing.
//!
//! Nothing is sent twice: the effect of a fact that stays as it is has its key already, and the
//! effect of another content is another generation.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trueup_connect::Decoded;
use trueup_domain::document::Document;
use trueup_domain::fact::{Change, FactContent, FactKey};
use trueup_domain::journal::Entry;
use trueup_domain::key;
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;
use trueup_store::documents::{Known, ShownRoot};
use trueup_store::facts::Balance;
use trueup_store::messages::{Past, Wanted};
use trueup_store::{StoreError, Tx, cases, commands, documents, facts, messages, summaries};

use crate::decide;
use crate::decisions::{CONNECTION, What};
use crate::decode::{self, Newer};
use crate::setup::Hub;

/// Messages read in one go.
const MESSAGES: i64 = 500;
/// Roots decided in one transaction that is undone: a delivery waits at the front door meanwhile.
const ROOTS: usize = 10;
/// So many messages and roots may change unless a person says that more may (H24).
pub const CHANGES_MAX: usize = 1_000;

/// What is to be taken up again. What is `None` does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// A case, a root, a document (`connection/kind/id`), a message, a command or a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The kind of the messages, or the part of it before a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Messages that came in from this moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// and before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// The newest mapping decides, and not the one that a sale was first booked by.
    #[serde(default)]
    pub remap: bool,
}

/// What a replay would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Names exactly these changes; other changes have another id.
    pub id: String,
    pub selection: Selection,
    /// Messages that were decoded again, and roots that were derived again.
    pub messages: usize,
    pub roots: usize,
    pub documents: Vec<DocumentChange>,
    /// Messages that could not be read, or were not used, and state something now.
    pub readable: Vec<String>,
    /// Messages that cannot be read any more. What they stated stays in force.
    pub unreadable: Vec<Unreadable>,
    /// Documents that their message does not state any more. They stay in force.
    pub no_longer_stated: Vec<String>,
    pub changes: Vec<RootChange>,
    /// What all of it moves between accounts, in sum.
    pub money: Vec<Moved>,
}

/// A document of which another content would be in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentChange {
    /// `connection/kind/id`
    pub document: String,
    pub root: String,
    pub message: String,
    /// Nothing was in force.
    pub new: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    pub message: String,
    pub code: String,
    pub error: String,
}

/// What would change of one root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootChange {
    pub root: String,
    pub number: String,
    pub entries: Vec<EntryChange>,
    pub commands: Vec<CommandChange>,
    /// How many expectations or observations are other ones.
    pub items: usize,
    /// How many rows of goods that move by the day are other ones.
    pub units: usize,
    pub money: Vec<Moved>,
    /// How the root stands before and after, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<(String, String)>,
    /// Why it cannot be booked whole, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hindrance: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryChange {
    /// `kind/part` of its fact.
    pub fact: String,
    /// The generation that is reversed, if one stands.
    pub reverses: Option<u32>,
    /// The generation that is booked, if one is.
    pub books: Option<u32>,
    pub entry: Option<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandChange {
    pub key: String,
    pub kind: String,
    pub target: String,
    /// `send`, `withdraw`, or the state that it goes to.
    pub change: String,
    pub amount: Option<Money>,
}

/// What an account role of an entity gets or gives: minor units, debits positive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Moved {
    pub entity: String,
    pub role: String,
    pub qualifier: String,
    pub currency: String,
    pub minor: i64,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.readable.is_empty() && self.changes.is_empty()
    }

    /// How many messages and roots would be taken up again.
    pub fn size(&self) -> usize {
        self.to_decode().len() + self.to_decide().len()
    }

    /// What would be in force, a line each.
    pub fn documents_in_words(&self) -> Vec<String> {
        let said = |it: &DocumentChange| {
            format!("{} {}", it.document, if it.new { "is new" } else { "has another content" })
        };
        self.documents.iter().map(said).collect()
    }

    /// What would be booked and taken back, a line each.
    pub fn entries_in_words(&self) -> Vec<String> {
        let said = |change: &RootChange, entry: &EntryChange| {
            let did = match (entry.reverses, entry.books) {
                (Some(old), Some(new)) => format!("generation {old} reversed, {new} booked"),
                (Some(old), None) => format!("generation {old} reversed"),
                (None, Some(new)) => format!("generation {new} booked"),
                (None, None) => String::new(),
            };
            format!("{} {}: {did}", change.root, entry.fact)
        };
        let of_root =
            |change: &RootChange| change.entries.iter().map(|it| said(change, it)).collect();
        self.changes.iter().flat_map::<Vec<String>, _>(of_root).collect()
    }

    /// What would be asked of the targets or withdrawn, a line each.
    pub fn commands_in_words(&self) -> Vec<String> {
        let said = |it: &CommandChange| {
            let amount = it.amount.map(|amount| format!(", {amount}")).unwrap_or_default();
            format!("{} {} at {}{amount}: {}", it.change, it.kind, it.target, it.key)
        };
        self.changes.iter().flat_map(|change| &change.commands).map(said).collect()
    }

    /// How much money moves, by currency: what is debited somewhere.
    pub fn volume(&self) -> BTreeMap<&str, i64> {
        let mut volume = BTreeMap::new();
        for moved in self.money.iter().filter(|moved| moved.minor > 0) {
            *volume.entry(moved.currency.as_str()).or_default() += moved.minor;
        }
        volume
    }

    fn to_decode(&self) -> Vec<String> {
        let stating = self.documents.iter().map(|change| &change.message);
        stating.chain(&self.readable).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Roots that no message raises, because their documents stay as they are.
    fn to_decide(&self) -> Vec<String> {
        let raised: HashSet<&str> = self.documents.iter().map(|it| it.root.as_str()).collect();
        let changed = self.changes.iter().map(|change| &change.root);
        changed.filter(|root| !raised.contains(root.as_str())).cloned().collect()
    }

    /// The decision that does it.
    pub fn decision(&self) -> What {
        let remapped = self.changes.iter().filter(|_| self.selection.remap);
        What::Replay {
            plan: self.id.clone(),
            selection: Box::new(self.selection.clone()),
            messages: self.to_decode(),
            roots: self.to_decide(),
            unpin: remapped.map(|change| change.root.clone()).collect(),
        }
    }
}

/// What a replay of the selection would change; `None` where it names nothing that is known.
pub fn plan(hub: &Hub, selection: &Selection, now: Timestamp) -> Result<Option<Plan>, StoreError> {
    let mut again = Again::default();
    match &selection.about {
        Some(about) => {
            let Some((ids, roots)) = hub.store.read(|tx| named(tx, about))? else {
                return Ok(None);
            };
            for root in &roots {
                let stated = hub.store.read(|tx| documents::of_root(tx, root))?;
                for (document, message) in stated {
                    again.holds(root, &document, &message);
                }
            }
            again.roots.extend(roots);
            let stating: BTreeSet<String> = again.in_force.values().cloned().collect();
            for id in stating.into_iter().chain(ids) {
                let past = hub.store.read(|tx| messages::one_of_the_past(tx, &id))?;
                past.map_or(Ok(()), |past| again.decode(hub, past))?;
            }
        }
        None => {
            let known = hub.store.read(messages::connections)?;
            let wanted =
                |name: &&String| selection.connection.as_ref().is_none_or(|it| it == *name);
            for connection in known.iter().filter(wanted) {
                again.connection(hub, connection, selection)?;
            }
        }
    }
    Ok(Some(again.plan(hub, selection, now)?))
}

/// What would change if a message had said something else; `None` where there is no such message, or
/// it is about to be decoded.
pub fn if_it_said(
    hub: &Hub,
    message: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<Plan>, StoreError> {
    let Some(mut past) = hub.store.read(|tx| messages::one_of_the_past(tx, message))? else {
        return Ok(None);
    };
    past.message.body = body.to_vec();
    let mut again = Again::default();
    again.decode(hub, past)?;
    let selection = Selection { about: Some(message.to_owned()), ..Selection::default() };
    Ok(Some(again.plan(hub, &selection, now)?))
}

/// The messages and the roots that a name stands for.
type Named = (Vec<String>, BTreeSet<String>);

/// What a name stands for; `None` where nobody knows it.
fn named(tx: &mut Tx<'_>, about: &str) -> Result<Option<Named>, StoreError> {
    let case = cases::find(tx, about)?;
    let about = case.as_ref().map_or(about, |case| case.subject.as_str());
    let name = about.strip_prefix("command/").or_else(|| about.strip_prefix("document/"));
    let name = name.unwrap_or(about);
    if messages::find(tx, name)?.is_some() {
        return Ok(Some((vec![name.to_owned()], BTreeSet::new())));
    }
    let mut roots = BTreeSet::new();
    if documents::find_root(tx, name)?.is_some() {
        roots.insert(name.to_owned());
    } else if let Some(command) = commands::find(tx, name)? {
        roots.insert(command.root);
    } else if let [connection, kind, id] = name.splitn(3, '/').collect::<Vec<_>>()[..] {
        roots.extend(documents::root_of(tx, connection, kind, id)?);
    }
    if roots.is_empty() {
        roots.extend(facts::items_of_key(tx, name)?.into_iter().map(|item| item.root));
    }
    Ok((!roots.is_empty()).then_some((Vec::new(), roots)))
}

/// What was decoded again so far.
#[derive(Default)]
struct Again {
    messages: usize,
    roots: BTreeSet<String>,
    /// Of the documents of the roots that were asked for by name: which message stated each.
    in_force: BTreeMap<String, String>,
    /// The documents that would be in force, with their names and messages.
    restated: BTreeMap<String, Restated>,
    /// What each message states now, of those that could be read.
    stated: BTreeMap<String, BTreeSet<String>>,
    readable: Vec<String>,
    unreadable: Vec<Unreadable>,
}

#[derive(Clone)]
struct Restated {
    connection: String,
    document: Document,
    root: String,
    message: String,
    new: bool,
}

fn name_of(connection: &str, document: &Document) -> String {
    format!("{connection}/{}/{}", document.kind().word(), document.external_id())
}

impl Again {
    fn holds(&mut self, root: &str, document: &Document, message: &str) {
        let connection = root.split('/').next().unwrap_or_default();
        self.in_force.insert(name_of(connection, document), message.to_owned());
    }

    /// All messages of a connection that are meant, and what is in force by them.
    fn connection(
        &mut self,
        hub: &Hub,
        connection: &str,
        selection: &Selection,
    ) -> Result<(), StoreError> {
        let wanted = Wanted {
            connection,
            kind: selection.kind.as_deref().unwrap_or_default(),
            from: selection.from,
            before: selection.before,
        };
        let mut after = (i64::MIN, String::new());
        loop {
            let page = hub
                .store
                .read(|tx| messages::of_the_past(tx, &wanted, (after.0, &after.1), MESSAGES))?;
            let Some(last) = page.last() else { break };
            after = (last.message.received_at.as_microsecond(), last.message.id.clone());
            for past in page {
                self.decode(hub, past)?;
            }
        }
        let mut after = (String::new(), String::new());
        loop {
            let page = hub
                .store
                .read(|tx| documents::in_force(tx, connection, (&after.0, &after.1), MESSAGES))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = (last.kind.clone(), last.external_id.clone());
            for one in page {
                if self.stated.contains_key(&one.message) {
                    let name = format!("{connection}/{}/{}", one.kind, one.external_id);
                    self.in_force.insert(name, one.message);
                    self.roots.insert(one.root);
                }
            }
        }
    }

    /// Reads one message as it is read today.
    fn decode(&mut self, hub: &Hub, past: Past) -> Result<(), StoreError> {
        let Past { mut message, state } = past;
        if message.connection == CONNECTION {
            return Ok(());
        }
        message.attempts = 0;
        self.messages += 1;
        let found = match decode::compute(hub, &message) {
            Ok(Decoded::Documents(found)) => found,
            Ok(Decoded::Hints(_) | Decoded::Subscriptions(_) | Decoded::Ignored(_)) => Vec::new(),
            Err(error) => {
                if !matches!(state.as_str(), "failed" | "skipped") {
                    self.unreadable.push(Unreadable {
                        message: message.id,
                        code: error.code().to_owned(),
                        error: error.to_string(),
                    });
                }
                return Ok(());
            }
        };
        if state != "decoded" && !found.is_empty() {
            self.readable.push(message.id.clone());
        }
        let connection = message.connection.clone();
        let mut names = BTreeSet::new();
        for document in decode::lasting(&message.id, &found, message.received_at) {
            let name = name_of(&connection, document);
            names.insert(name.clone());
            let root = documents::root_id(&connection, &document.root());
            self.roots.insert(root.clone());
            let before = match self.restated.get(&name) {
                Some(it) => Some(decode::known_of(&it.document, &it.message, message.received_at)),
                None => {
                    let (kind, id) = (document.kind(), document.external_id());
                    hub.store.read(|tx| documents::known(tx, &connection, kind, id))?
                }
            };
            if before.as_ref().is_none_or(|known| wins(document, known, &message.id)) {
                let new = match self.restated.get(&name) {
                    Some(restated) => restated.new,
                    None => before.is_none(),
                };
                let (connection, message) = (connection.clone(), message.id.clone());
                let document = document.clone();
                let restated = Restated { connection, document, root, message, new };
                self.restated.insert(name, restated);
            }
        }
        self.stated.insert(message.id, names);
        Ok(())
    }

    fn plan(self, hub: &Hub, selection: &Selection, now: Timestamp) -> Result<Plan, StoreError> {
        let lacks = |(name, message): &(&String, &String)| {
            self.stated.get(*message).is_some_and(|stated| !stated.contains(*name))
        };
        let no_longer_stated =
            self.in_force.iter().filter(lacks).map(|(name, _)| name.clone()).collect();
        let documents: Vec<DocumentChange> = self
            .restated
            .iter()
            .map(|(name, it)| DocumentChange {
                document: name.clone(),
                root: it.root.clone(),
                message: it.message.clone(),
                new: it.new,
            })
            .collect();
        let mut of_roots: BTreeMap<String, Vec<Restated>> = BTreeMap::new();
        for restated in self.restated.into_values() {
            of_roots.entry(restated.root.clone()).or_default().push(restated);
        }
        let roots: Vec<String> = self.roots.into_iter().collect();
        let mut changes = Vec::new();
        for some in roots.chunks(ROOTS) {
            let some: Vec<(String, Vec<Restated>)> = some
                .iter()
                .map(|root| (root.clone(), of_roots.remove(root).unwrap_or_default()))
                .collect();
            let (own, remap) = (hub.clone(), selection.remap);
            let found = hub.store.write(move |tx| {
                let mut found = Vec::new();
                for (root, restated) in &some {
                    found.extend(rehearse(tx, &own, root, restated, remap, now)?);
                }
                Ok(found)
            })?;
            changes.extend(found);
        }
        let mut money = BTreeMap::new();
        for moved in changes.iter().flat_map(|change| &change.money) {
            let place = Moved { minor: 0, ..moved.clone() };
            *money.entry(place).or_insert(0) += moved.minor;
        }
        let mut plan = Plan {
            id: String::new(),
            selection: selection.clone(),
            messages: self.messages,
            roots: roots.len(),
            documents,
            readable: self.readable,
            unreadable: self.unreadable,
            no_longer_stated,
            changes,
            money: money
                .into_iter()
                .filter(|(_, minor)| *minor != 0)
                .map(|(place, minor)| Moved { minor, ..place })
                .collect(),
        };
        let said = (&plan.selection, &plan.documents, &plan.readable, &plan.changes);
        let said = serde_json::to_string(&said).map_err(StoreError::corrupt)?;
        plan.id = key::id(&["replay", &said]).chars().take(12).collect();
        Ok(plan)
    }
}

/// Whether a statement as it is read today takes the place of the one in force: because the same
/// message says something else now, or because it is newer. Ties were settled when they were met.
fn wins(document: &Document, known: &Known, message: &str) -> bool {
    known.content_hash != documents::content_hash(document)
        && (known.message == message
            || planted("a_replay_puts_the_older_in_force")
            || matches!(decode::newer(document, known, None), Newer::Yes))
}

/// Decides a root in a transaction that is undone, and says what would have changed.
fn rehearse(
    tx: &mut Tx<'_>,
    hub: &Hub,
    root: &str,
    restated: &[Restated],
    remap: bool,
    now: Timestamp,
) -> Result<Option<RootChange>, StoreError> {
    tx.rehearse(|tx| {
        let before = Stands::of(tx, root)?;
        for one in restated {
            let (kind, id) = (one.document.kind(), one.document.external_id());
            let known = documents::known(tx, &one.connection, kind, id)?;
            let before = known.as_ref().map(|known| known.message.as_str());
            documents::put(tx, &one.connection, &one.document, &one.message, before, now)?;
        }
        documents::take_up_again(tx, &[root.to_owned()])?;
        if remap {
            documents::unpin(tx, &[root.to_owned()])?;
        }
        let Some(due) = documents::as_due(tx, root)? else { return Ok(None) };
        let decision = decide::decide(tx, hub, due, now)?;
        let mut shared = BTreeMap::new();
        for (shared_root, _) in decision.shared() {
            shared.insert(shared_root.clone(), commands::of_root(tx, &shared_root)?);
        }
        let changes = decision.changes();
        let ledgers = summaries::ledger_days(tx)?;
        decide::record(tx, hub, &decision, &ledgers, now)?;
        commands::skips::stand_in(tx, &[root], now)?;
        let after = Stands::of(tx, root)?;
        let mut found = commands_changed(&before.commands, &after.commands);
        for (shared_root, before) in shared {
            found.extend(commands_changed(&before, &commands::of_root(tx, &shared_root)?));
        }
        let entries = changes.iter().filter_map(|change| entry_change(change, &before));
        let entries: Vec<EntryChange> = entries.collect();
        let items = changes.iter().filter(|change| is_item(change, &before)).count();
        let units = changes.iter().filter(|change| is_units(change, &before)).count();
        let standing = (before.shown != after.shown).then_some((before.shown, after.shown));
        let change = RootChange {
            root: root.to_owned(),
            number: after.number,
            entries,
            commands: found,
            items,
            units,
            money: moved(&before.posted, &after.posted),
            standing,
            hindrance: decision.hindrance(),
        };
        let nothing = change.entries.is_empty()
            && change.commands.is_empty()
            && change.items == 0
            && change.units == 0
            && change.standing.is_none();
        Ok((!nothing).then_some(change))
    })
}

/// How a root stands, as far as a decision changes it.
struct Stands {
    number: String,
    /// Its state and what it waits for, in words.
    shown: String,
    posted: Vec<Balance>,
    commands: Vec<commands::Shown>,
    entries: HashSet<FactKey>,
    items: HashSet<FactKey>,
    units: HashSet<FactKey>,
}

impl Stands {
    fn of(tx: &mut Tx<'_>, root: &str) -> Result<Self, StoreError> {
        let shown = documents::find_root(tx, root)?;
        let (mut entries, mut items, mut units) = (HashSet::new(), HashSet::new(), HashSet::new());
        for fact in facts::live(tx, root)? {
            match fact.content {
                FactContent::Entry(_) => entries.insert(fact.key),
                FactContent::Item(_) => items.insert(fact.key),
                FactContent::Units(_) => units.insert(fact.key),
                FactContent::Command(_) => false,
            };
        }
        Ok(Self {
            number: shown.as_ref().map_or_else(String::new, |root| root.number.clone()),
            shown: shown.as_ref().map_or_else(|| "unknown".to_owned(), in_words),
            posted: facts::balances_of(tx, root)?,
            commands: commands::of_root(tx, root)?,
            entries,
            items,
            units,
        })
    }
}

fn in_words(root: &ShownRoot) -> String {
    let amount = root.currency.as_deref().and_then(|code| Currency::parse(code).ok());
    let amount = amount.and_then(|it| Some(Money::from_minor(root.amount?, it)));
    let mut words = vec![root.state.clone()];
    words.extend(amount.map(|amount| amount.to_string()));
    words.extend(root.day.clone());
    words.extend(root.waiting.as_ref().map(|what| format!("waits for {what}")));
    words.join(", ")
}

fn entry_change(change: &Change, before: &Stands) -> Option<EntryChange> {
    match change {
        Change::Add { fact, generation, replaces, .. } => {
            let FactContent::Entry(entry) = &fact.content else { return None };
            Some(EntryChange {
                fact: format!("{}/{}", fact.key.kind, fact.key.part),
                reverses: *replaces,
                books: Some(*generation),
                entry: Some(entry.clone()),
            })
        }
        Change::TakeBack { key, generation } => before.entries.contains(key).then(|| EntryChange {
            fact: format!("{}/{}", key.kind, key.part),
            reverses: Some(*generation),
            books: None,
            entry: None,
        }),
    }
}

fn is_item(change: &Change, before: &Stands) -> bool {
    match change {
        Change::Add { fact, .. } => matches!(fact.content, FactContent::Item(_)),
        Change::TakeBack { key, .. } => before.items.contains(key),
    }
}

fn is_units(change: &Change, before: &Stands) -> bool {
    match change {
        Change::Add { fact, .. } => matches!(fact.content, FactContent::Units(_)),
        Change::TakeBack { key, .. } => before.units.contains(key),
    }
}

fn commands_changed(before: &[commands::Shown], after: &[commands::Shown]) -> Vec<CommandChange> {
    let states: BTreeMap<&str, &str> =
        before.iter().map(|it| (it.key.as_str(), it.state.as_str())).collect();
    let changed = after.iter().filter_map(|command| {
        let change = match (states.get(command.key.as_str()), command.state.as_str()) {
            (None, _) | (Some(&"skipped"), "waiting" | "ready") => "send",
            (Some(before), now) if *before == now => return None,
            (Some(_), "skipped") => "skip",
            (Some(_), "withdrawn") => "withdraw",
            (Some(_), now) => now,
        };
        Some(CommandChange {
            key: command.key.clone(),
            kind: command.kind.word().to_owned(),
            target: command.target.clone(),
            change: change.to_owned(),
            amount: command.content.total(),
        })
    });
    changed.collect()
}

fn moved(before: &[Balance], after: &[Balance]) -> Vec<Moved> {
    let mut sums: BTreeMap<Moved, i64> = BTreeMap::new();
    for (side, sign) in [(before, -1), (after, 1)] {
        for posted in side {
            let place = Moved {
                entity: posted.entity.clone(),
                role: posted.role.clone(),
                qualifier: posted.qualifier.clone(),
                currency: posted.currency.clone(),
                minor: 0,
            };
            *sums.entry(place).or_default() += sign * posted.amount;
        }
    }
    let some = sums.into_iter().filter(|(_, minor)| *minor != 0);
    some.map(|(place, minor)| Moved { minor, ..place }).collect()
}
