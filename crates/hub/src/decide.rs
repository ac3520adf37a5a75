//! DECIDE: derives what must hold for each due root and writes the difference to what was written
//! before, in one transaction (`DESIGN.md` §9.3, §9.4).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::command::{Content, EntryContent};
use trueup_domain::derive::{
    DeriveError, Derived, Surroundings, Waiting, bank, books, month_end, sale, settlement, summary,
    till, transfer,
};
use trueup_domain::document::{BankStatement, Document, RefundFailure, RootKind};
use trueup_domain::fact::{self, After, Change, Fact, FactContent, FactKey};
use trueup_domain::mapping::Mapping;
use trueup_domain::money::Money;
use trueup_domain::posting::Posting;
use trueup_domain::sales::sale::{self as sold, Contribution};
use trueup_store::commands::skips;
use trueup_store::database::Later;
use trueup_store::documents::{DueRoot, Standing};
use trueup_store::facts::{Newest, Place};
use trueup_store::{
    StoreError, Tx, cases, commands, documents, facts, mappings, messages, sales, scopes, streams,
    summaries,
};

use crate::setup::{Hub, Worker, check};
use crate::{common_cause, failures, proofs};

const BATCH: i64 = 100;
/// Roots usually written in one turn of the writer: a delivery waits at the front door meanwhile.
const AT_ONCE: usize = 10;
/// After so many deaths of the process over one root it is set aside.
const ATTEMPTS_MAX: i64 = 5;
/// The state of a root that is set aside.
const STUCK: &str = "stuck";

/// Decides what is due; returns how many roots were handled.
pub fn step(hub: &Hub, worker: &Worker, now: Timestamp) -> Result<usize, StoreError> {
    let Worker { from, to, .. } = *worker;
    if !hub.store.read(|tx| documents::any_due(tx, from, to))? {
        return Ok(0);
    }
    let leases = worker.leases.clone();
    let due = hub.store.redo(move |tx| {
        check(tx, &leases)?;
        documents::take_due(tx, from, to, BATCH)
    })?;
    let count = due.len();
    let mut due = due.into_iter();
    let mut before: Option<(Later<()>, Vec<String>)> = None;
    loop {
        let decisions = compute(hub, due.by_ref().take(hub.store.part(AT_ONCE)), now)?;
        // While one part is written, the next one is computed.
        if let Some((before, roots)) = before.take() {
            before.wait()?;
            if hub.store.has_rivals() {
                hub.store.redo(move |tx| commands::release_in(tx, &roots))?;
            }
        }
        if decisions.is_empty() {
            return Ok(count);
        }
        let hub_for_write = hub.clone();
        let leases = worker.leases.clone();
        let mut roots: Vec<String> = decisions.iter().map(|it| it.root.id.clone()).collect();
        roots.extend(decisions.iter().flat_map(Decision::shared).map(|(root, _)| root));
        let written = hub.store.redo_later(move |tx| {
            check(tx, &leases)?;
            if tx.has_rivals() {
                hold_all(tx, &decisions)?;
            }
            let ledgers = summaries::ledger_days(tx)?;
            for decision in &decisions {
                record(tx, &hub_for_write, decision, &ledgers, now)?;
            }
            let roots: Vec<&str> = decisions.iter().map(|it| it.root.id.as_str()).collect();
            skips::stand_in(tx, &roots, now)?;
            refresh(tx, &decisions, now)
        });
        before = Some((written, roots));
    }
}

/// Holds what several decisions raise, so that none waits for one that waits for it.
fn hold_all(tx: &mut Tx<'_>, decisions: &[Decision]) -> Result<(), StoreError> {
    let roots = decisions.iter().map(|decision| &decision.root);
    let roots = roots.map(|due| (due.id.clone(), (due.connection.as_str(), due.root.clone())));
    documents::hold_roots(tx, &roots.collect())?;
    let mut keys = BTreeMap::new();
    for decision in decisions {
        for change in decision.changes() {
            if let Change::Add { fact: Fact { content: FactContent::Item(item), .. }, .. } = change
            {
                let currency = item.amount.currency().code().to_owned();
                keys.insert(item.key, (decision.entity.clone(), currency));
            }
        }
    }
    scopes::hold(tx, &keys)
}

/// Keeps the proofs of the sales that were decided, and of those whose ledger rows were.
fn refresh(tx: &mut Tx<'_>, decisions: &[Decision], now: Timestamp) -> Result<(), StoreError> {
    let of_kind = |kind: RootKind| -> Vec<String> {
        let own = decisions.iter().filter(|decision| decision.root.root.kind == kind);
        own.map(|decision| decision.root.id.clone()).collect()
    };
    let tenders = facts::tenders_of_rows(tx, &of_kind(RootKind::LedgerRow))?;
    let mut proven = proofs::sales_of(tx, &tenders)?;
    for sale in of_kind(RootKind::Sale) {
        documents::expect(tx, &sale)?;
        proven.insert(sale);
    }
    let sold = decisions.iter().filter(|it| it.root.root.kind == RootKind::Sale).map(|decision| {
        let place = sales::Place {
            root: &decision.root.id,
            entity: &decision.entity,
            connection: &decision.root.connection,
        };
        (place, decision.sold.as_ref())
    });
    sales::put(tx, &sold.collect::<Vec<_>>())?;
    proofs::refresh(tx, &proven, now)
}

/// A decision about one root, with the facts it was compared to.
pub(crate) struct Decision {
    root: DueRoot,
    entity: String,
    mapping_version: Option<i64>,
    written: Vec<fact::Written>,
    /// Refunds that had gone and failed now, to be handed in.
    failed: Vec<RefundFailure>,
    outcome: Result<Derived, DeriveError>,
    /// What a sale adds to the reports.
    sold: Option<Contribution>,
}

impl Decision {
    /// What it changes of what was written; nothing where the root is held or set aside.
    pub(crate) fn changes(&self) -> Vec<Change> {
        match &self.outcome {
            Ok(derived) if derived.standing.state != STUCK => {
                fact::difference(&self.written, derived.facts.clone())
            }
            _ => Vec::new(),
        }
    }

    /// Commands that roots share, and that this one needs: root, fact.
    pub(crate) fn shared(&self) -> Vec<(String, FactKey)> {
        let derived = self.outcome.as_ref().ok();
        let shared = derived.into_iter().flat_map(|derived| &derived.shared);
        shared.map(|one| (one.root.clone(), one.key.clone())).collect()
    }

    /// Why the root cannot be booked whole, if it cannot.
    pub(crate) fn hindrance(&self) -> Option<String> {
        match &self.outcome {
            Ok(derived) => derived.waiting.as_ref().map(ToString::to_string),
            Err(error) => Some(error.to_string()),
        }
    }
}

fn compute(
    hub: &Hub,
    roots: impl Iterator<Item = DueRoot>,
    now: Timestamp,
) -> Result<Vec<Decision>, StoreError> {
    let roots: Vec<DueRoot> = roots.collect();
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let gathered = hub.store.read(|tx| gather(tx, &roots))?;
    let both = roots.into_iter().zip(gathered);
    both.map(|(root, gathered)| conclude(hub, root, gathered, now)).collect()
}

/// Decides a root from what a transaction sees, and writes nothing.
pub(crate) fn decide(
    tx: &mut Tx<'_>,
    hub: &Hub,
    root: DueRoot,
    now: Timestamp,
) -> Result<Decision, StoreError> {
    let mut gathered = gather(tx, std::slice::from_ref(&root))?;
    let gathered = gathered.pop().ok_or_else(|| StoreError::corrupt("nothing was gathered"))?;
    conclude(hub, root, gathered, now)
}

/// All that a decision depends on.
#[derive(Default)]
struct Gathered {
    stated: Vec<(Document, String)>,
    /// When the newest statement of a dispute came in.
    stated_at: Option<Timestamp>,
    mapping: Option<Mapping>,
    written: Vec<fact::Written>,
    live: Vec<Fact>,
    states: Option<(books::States, String)>,
    /// The rows that were chosen for the entries of a day.
    parts: Vec<summary::Part>,
    /// The other statements of its bank account, up to its day.
    statements: Vec<BankStatement>,
    /// The units that were chosen for the transfers of a day.
    moved: Vec<transfer::Part>,
}

/// What the decisions about these roots depend on, in their order.
fn gather(tx: &mut Tx<'_>, roots: &[DueRoot]) -> Result<Vec<Gathered>, StoreError> {
    let ids: Vec<&str> = roots.iter().map(|root| root.id.as_str()).collect();
    let stated = documents::of_each_root(tx, &ids)?;
    let written = facts::written_each(tx, &ids)?;
    let sales: Vec<&str> = roots
        .iter()
        .filter(|root| root.root.kind == RootKind::Sale)
        .map(|root| root.id.as_str())
        .collect();
    let live: BTreeMap<&str, Vec<Fact>> =
        sales.iter().copied().zip(facts::live_each(tx, &sales)?).collect();
    let connections: Vec<&str> = roots
        .iter()
        .map(|root| root.connection.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let newest: BTreeMap<&str, Option<Mapping>> =
        connections.iter().copied().zip(mappings::newest_each(tx, &connections)?).collect();
    let mut gathered = Vec::new();
    for ((root, stated), written) in roots.iter().zip(stated).zip(written) {
        let newest = || newest.get(root.connection.as_str()).cloned().flatten();
        let mapping = match root.mapping_version {
            _ if is_of_ledger(root) => of_provider(tx, root)?,
            // A pinned version that lacks something does not hold the root for ever.
            Some(_) if is_waiting_for_mapping(tx, &root.id)? => newest(),
            None => newest(),
            pinned => mappings::get(tx, &root.connection, pinned)?,
        };
        let live = live.get(root.id.as_str()).cloned().unwrap_or_default();
        gathered.push(gather_rest(
            tx,
            root,
            Gathered { stated, mapping, written, live, ..Gathered::default() },
        )?);
    }
    Ok(gathered)
}

/// It sums up what the ledger of a provider says.
fn is_of_ledger(root: &DueRoot) -> bool {
    root.root.kind == RootKind::Summary
        && summary::Of::parse(&root.root.external_id).is_some_and(|of| of.ledger)
}

/// Where the money of a provider stands, as the channels say whose money it is. An entry stays as the
/// mapping had it that it was made with.
fn of_provider(tx: &mut Tx<'_>, root: &DueRoot) -> Result<Option<Mapping>, StoreError> {
    let found = mappings::of_provider(tx, &root.connection)?;
    let Some((channel, newest)) = found.into_iter().next() else { return Ok(None) };
    let pinned = match root.mapping_version {
        Some(_) if is_waiting_for_mapping(tx, &root.id)? => None,
        None => None,
        pinned => mappings::get(tx, &channel, pinned)?,
    };
    Ok(pinned.or(Some(newest)))
}

/// What only roots of some kinds depend on.
fn gather_rest(
    tx: &mut Tx<'_>,
    root: &DueRoot,
    mut gathered: Gathered,
) -> Result<Gathered, StoreError> {
    match gathered.stated.first() {
        Some((Document::Dispute(_), message)) => {
            gathered.stated_at = messages::received_at(tx, message)?;
        }
        Some((Document::BooksRecord(record), _)) => {
            gathered.states = states_of(tx, root, record)?;
        }
        Some((Document::BankStatement(statement), _)) => {
            gathered.statements = documents::statements_until(tx, &root.connection, statement)?;
        }
        _ => {}
    }
    if root.root.kind == RootKind::Summary {
        match transfer::Of::parse(&root.root.external_id) {
            Some(_) => gathered.moved = summaries::moved(tx, &root.id)?,
            None => gathered.parts = summaries::parts(tx, &root.id)?,
        }
    }
    Ok(gathered)
}

fn conclude(
    hub: &Hub,
    root: DueRoot,
    gathered: Gathered,
    now: Timestamp,
) -> Result<Decision, StoreError> {
    let Gathered { stated, stated_at, mapping, written, live, states, parts, statements, moved } =
        gathered;
    let billed = billed_lines(&live);
    let connection = hub.connection(&root.connection);
    let entity = entity_of(hub, &root, mapping.as_ref(), states.as_ref());
    let time_zone = mapping.as_ref().map(|mapping| mapping.time_zone.clone());
    let time_zone = time_zone.or_else(|| connection.map(|it| it.time_zone.clone()));
    let set = connection.map_or(Posting::default(), |it| it.posting);
    let posting = posting(stated.iter().map(|(document, _)| document), &live, set);
    let around = Surroundings {
        connection: &root.connection,
        entity: &entity,
        time_zone: time_zone.as_deref().unwrap_or("UTC"),
        calendar: &hub.setup.calendar,
        mapping: mapping.as_ref(),
        billed: &billed,
        address: address(&live),
        fees: connection.and_then(|connection| connection.fees.as_ref()),
        posting,
        customer: customer(&live),
        since: connection.map_or(Timestamp::MIN, |connection| connection.since),
    };
    let mut stated: Vec<Document> = stated.into_iter().map(|(document, _)| document).collect();
    let failed = failures::newly_failed(&stated, &live, around.day(now));
    stated.extend(failed.iter().cloned().map(Document::from));
    let outcome = if root.attempts >= ATTEMPTS_MAX {
        Ok(stuck(&root))
    } else if root.root.kind == RootKind::Summary {
        summed_up(&root, &parts, &moved, &around)?
    } else {
        let states = states.as_ref().map(|(states, _)| states);
        derive(&root, &stated, states, stated_at, &statements, &around)
    };
    // What cannot be booked, because its amounts cannot be held, is not summed either.
    let sold = match (root.root.kind, &outcome) {
        (RootKind::Sale, Ok(_)) => sale_of(&stated, &around),
        _ => None,
    };
    Ok(Decision {
        entity,
        sold,
        mapping_version: mapping.map(|mapping| mapping.version),
        written,
        failed,
        outcome,
        root,
    })
}

/// The revenue of a sale that is invoiced with the money and has not left by a day, from what is
/// stated of it and what it wrote; nothing where its amounts cannot be held, which is a case already.
pub(crate) fn deferred(
    hub: &Hub,
    connection: &str,
    mapping: &Mapping,
    (stated, live): (&[Document], &[Fact]),
    until: Date,
) -> Option<Money> {
    let settings = hub.connection(connection)?;
    let around = Surroundings {
        connection,
        entity: &mapping.entity,
        time_zone: &mapping.time_zone,
        calendar: &hub.setup.calendar,
        mapping: Some(mapping),
        billed: &billed_lines(live),
        address: address(live),
        fees: settings.fees.as_ref(),
        posting: posting(stated.iter(), live, settings.posting),
        customer: customer(live),
        since: settings.since,
    };
    sale::deferred(stated, &around, until).ok().flatten()
}

/// How a sale goes into the books. By documents or within entries, it stays as it was booked first;
/// within which entry is a matter of those rows that are in none yet. Who wants an invoice gets the
/// documents that make one, whatever it was summed up in.
fn posting<'a>(
    mut stated: impl Iterator<Item = &'a Document>,
    live: &[Fact],
    set: Posting,
) -> Posting {
    if stated.any(|it| matches!(it, Document::InvoiceRequest(_))) {
        return Posting::Transaction;
    }
    let booked = live.iter().find_map(|fact| match &fact.content {
        FactContent::Command(command) => {
            matches!(command.content, Content::Invoice(_)).then_some(Posting::Transaction)
        }
        FactContent::Entry(entry) => entry.summed.is_some().then_some(Posting::Day),
        FactContent::Item(_) | FactContent::Units(_) => None,
    });
    match (booked, set) {
        (Some(Posting::Day), Posting::Day | Posting::Payout) | (None, _) => set,
        (Some(booked), _) => booked,
    }
}

/// The entries or transfers of a day, from the rows that were chosen for them.
fn summed_up(
    root: &DueRoot,
    parts: &[summary::Part],
    moved: &[transfer::Part],
    around: &Surroundings<'_>,
) -> Result<Result<Derived, DeriveError>, StoreError> {
    if let Some(of) = transfer::Of::parse(&root.root.external_id) {
        return Ok(Ok(transfer::derive(&of, moved, around)));
    }
    let of = summary::Of::parse(&root.root.external_id);
    let unnamed = || StoreError::corrupt(format!("{} names nothing to sum up", root.id));
    let of = of.ok_or_else(unnamed)?;
    Ok(summary::derive(&of, parts, around))
}

fn derive(
    root: &DueRoot,
    stated: &[Document],
    states: Option<&books::States>,
    stated_at: Option<Timestamp>,
    statements: &[BankStatement],
    around: &Surroundings<'_>,
) -> Result<Derived, DeriveError> {
    match (root.root.kind, stated.first()) {
        (RootKind::Sale, Some(_)) => sale::derive(stated, around),
        (_, Some(Document::LedgerRow(row))) => settlement::derive_row(row, around),
        (_, Some(Document::Payout(payout))) => settlement::derive_payout(payout, around),
        (_, Some(Document::Dispute(dispute))) => {
            let stated_at = stated_at.unwrap_or(dispute.created_at);
            settlement::derive_dispute(dispute, stated_at, around)
        }
        (_, Some(Document::TillSession(session))) => till::derive(session, around),
        (_, Some(Document::BankLine(line))) => bank::derive_line(line, around),
        (_, Some(Document::Match(stated))) => bank::derive_match(stated),
        (_, Some(Document::MonthEnd(stated))) => month_end::derive(stated, around),
        (_, Some(Document::BooksRecord(record))) => books::derive(record, states, around),
        (_, Some(Document::Charge(charge))) => {
            let mut derived = Derived::default();
            derived.standing.number = charge.id.clone();
            derived.standing.state = "observed".to_owned();
            derived.standing.day = Some(around.day(charge.created_at));
            derived.standing.amount = Some(charge.captured);
            Ok(derived)
        }
        (_, Some(Document::BankStatement(statement))) => {
            bank::derive_statement(statement, statements)
        }
        _ => Ok(Derived::default()),
    }
}

/// What a sale adds to the reports; nothing where its amounts cannot be held.
fn sale_of(stated: &[Document], around: &Surroundings<'_>) -> Option<Contribution> {
    sold::of(stated, around).ok().flatten()
}

fn stuck(root: &DueRoot) -> Derived {
    let mut derived = Derived::default();
    derived.standing.number.clone_from(&root.root.external_id);
    derived.standing.state = STUCK.to_owned();
    derived
}

fn is_waiting_for_mapping(tx: &mut Tx<'_>, root: &str) -> Result<bool, StoreError> {
    let shown = documents::find_root(tx, root)?;
    Ok(shown.is_some_and(|root| root.waiting.as_deref() == Some("mapping")))
}

/// Which order of the books bills each line, from the order commands that stand.
fn billed_lines(live: &[Fact]) -> BTreeMap<String, u32> {
    let mut billed = BTreeMap::new();
    for fact in live {
        let FactContent::Command(command) = &fact.content else { continue };
        let (Content::Order(order), Ok(number)) = (&command.content, fact.key.part.parse()) else {
            continue;
        };
        billed.extend(order.lines.iter().map(|line| (line.part.clone(), number)));
    }
    billed
}

/// The address that the first order of the books names, if it is written.
fn address(live: &[Fact]) -> Option<Option<&After>> {
    live.iter().find_map(|fact| match &fact.content {
        FactContent::Command(command) if matches!(command.content, Content::Order(_)) => {
            Some(command.after.iter().find(|after| after.role == sale::DELIVERY))
        }
        _ => None,
    })
}

/// The customer that the first order of the books names, if it is one of ours.
fn customer(live: &[Fact]) -> Option<&After> {
    live.iter().find_map(|fact| match &fact.content {
        FactContent::Command(command) if matches!(command.content, Content::Order(_)) => {
            command.after.iter().find(|after| after.role == "customer")
        }
        _ => None,
    })
}

/// What the command behind a record of the books said it would state, and for which sale.
fn states_of(
    tx: &mut Tx<'_>,
    root: &DueRoot,
    record: &trueup_domain::document::BooksRecord,
) -> Result<Option<(books::States, String)>, StoreError> {
    let command = match &record.effect_key {
        Some(key) => commands::find(tx, key)?,
        None => commands::by_record(tx, &root.connection, &record.id)?,
    };
    let Some(command) = command else { return Ok(None) };
    let sale = documents::find_root(tx, &command.root)?;
    let entity = sale.and_then(|sale| sale.entity).unwrap_or_default();
    let (asked, summed) = match &command.content {
        Content::Entry(entry) => (entry.debits(), summed_by(tx, &command, entry)?),
        content => (content.total(), None),
    };
    Ok(Some((books::States { key: command.states, asked, summed }, entity)))
}

/// What an entry that sums up sales holds of them.
fn summed_by(
    tx: &mut Tx<'_>,
    command: &commands::Shown,
    entry: &EntryContent,
) -> Result<Option<books::Summed>, StoreError> {
    let Some(rows) = summaries::rows_of(tx, command)? else { return Ok(None) };
    let Some(line) = entry.lines.first() else { return Ok(None) };
    let rows = summary::stated(line.amount.currency(), &rows).map_err(StoreError::corrupt)?;
    let taxes = summary::taxes_of(entry).map_err(StoreError::corrupt)?;
    Ok(Some(books::Summed { taxes, rows }))
}

fn entity_of(
    hub: &Hub,
    root: &DueRoot,
    mapping: Option<&Mapping>,
    states: Option<&(books::States, String)>,
) -> String {
    if let Some((_, entity)) = states.filter(|(_, entity)| !entity.is_empty()) {
        return entity.clone();
    }
    match mapping {
        Some(mapping) => mapping.entity.clone(),
        None => hub.connection(&root.connection).map_or("", |it| it.entity.as_str()).to_owned(),
    }
}

pub(crate) fn record(
    tx: &mut Tx<'_>,
    hub: &Hub,
    decision: &Decision,
    ledgers: &BTreeMap<String, Date>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let root = &decision.root;
    let derived = match &decision.outcome {
        Ok(derived) => derived,
        Err(error) => return hold(tx, decision, error, now),
    };
    let place = Place {
        environment: &hub.setup.environment,
        root: &root.id,
        entity: &decision.entity,
        mapping_version: decision.mapping_version.unwrap_or(0),
        now,
        ledger_since: ledgers.get(&root.connection).copied(),
        newest: None,
    };
    if derived.standing.state == STUCK {
        let case = cases::NewCase {
            kind: "stuck",
            subject: &root.id,
            entity: &decision.entity,
            title: &format!("{} cannot be decided", root.id),
            detail: "the process died over it again and again; it is set aside",
            remedy: "report it with the messages of this root, then retry it",
            amount: None,
            owner: "integrator",
        };
        cases::open(tx, &case, now)?;
    } else {
        for shared in &derived.shared {
            let place = Place { root: &shared.root, ..place };
            commands::add_shared(tx, place, &shared.key, &shared.command)?;
        }
        let mut newest = Newest::of(&root.id, &decision.written);
        for shared in &derived.shared {
            // What is shared has one generation.
            newest.put(&shared.root, &shared.key, 1);
        }
        facts::apply_all(tx, place, &mut newest, &decision.changes())?;
        for failure in &decision.failed {
            failures::state(tx, &root.connection, failure, now)?;
        }
        for (kind, id) in &derived.reads {
            streams::ask(tx, &root.connection, kind, id, now)?;
        }
        open_breaks(tx, decision, derived, now)?;
    }
    let standing = Standing {
        number: derived.standing.number.clone(),
        state: derived.standing.state.clone(),
        day: derived.standing.day.map(|day| day.to_string()),
        amount: derived.standing.amount.map(|amount| amount.minor()),
        currency: derived.standing.amount.map(|amount| amount.currency().code().to_owned()),
        entity: Some(decision.entity.clone()),
        waiting: derived.waiting.as_ref().map(|waiting| waiting.word().to_owned()),
        mapping_version: decision
            .mapping_version
            .filter(|_| !matches!(derived.waiting, Some(Waiting::NoMapping | Waiting::Mapping(_)))),
    };
    documents::decided(tx, root, &standing, now)
}

fn open_breaks(
    tx: &mut Tx<'_>,
    decision: &Decision,
    derived: &Derived,
    now: Timestamp,
) -> Result<(), StoreError> {
    let root = &decision.root;
    let mut kinds = Vec::new();
    for one in &derived.breaks {
        kinds.push(one.kind.to_owned());
        let case = cases::NewCase {
            kind: one.kind,
            subject: &root.id,
            entity: &decision.entity,
            title: &one.title,
            detail: &one.detail,
            remedy: one.remedy,
            amount: one.amount,
            owner: one.owner,
        };
        // One backup that was brought back, one act that mends it.
        let cause = match one.kind {
            books::GONE => common_cause::of(&[&root.connection], books::GONE, &[]),
            _ => String::new(),
        };
        cases::open_of_cause(tx, &case, &cause, now)?;
    }
    match &derived.waiting {
        // A missing mapping waits for a person from the first moment; what the source still owes
        // us becomes a case by timer.
        Some(Waiting::NoMapping | Waiting::Mapping(_)) => {
            kinds.push("waiting_mapping".to_owned());
            let detail = derived.waiting.as_ref().map(ToString::to_string).unwrap_or_default();
            // What is lacking first holds all that lack it, whatever they lack beside.
            let lacks = match &derived.waiting {
                Some(Waiting::Mapping(missing)) => missing.first().map(ToString::to_string),
                _ => None,
            };
            let lacks = lacks.unwrap_or_default();
            let case = cases::NewCase {
                kind: "waiting_mapping",
                subject: &root.id,
                entity: &decision.entity,
                title: &format!("{} waits for a mapping", derived.standing.number),
                detail: &detail,
                remedy: "map it and approve the mapping; what waits is released by itself",
                amount: derived.standing.amount,
                owner: "integrator",
            };
            cases::open_of_cause(
                tx,
                &case,
                &common_cause::of(&[&root.connection], &lacks, &[]),
                now,
            )?;
        }
        Some(_) => kinds.push("waiting".to_owned()),
        None => {}
    }
    // The cases that commands of this root opened have subjects of their own.
    cases::keep_only(tx, &root.id, &kinds, "the cause is gone", now)
}

/// Nothing is written from documents whose amounts cannot be held or balanced.
fn hold(
    tx: &mut Tx<'_>,
    decision: &Decision,
    error: &DeriveError,
    now: Timestamp,
) -> Result<(), StoreError> {
    let root = &decision.root;
    let case = cases::NewCase {
        kind: "undecidable",
        subject: &root.id,
        entity: &decision.entity,
        title: &format!("{} cannot be booked", root.id),
        detail: &error.to_string(),
        remedy: "look at the amounts of its documents; a newer statement is decided by itself",
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)?;
    let standing = Standing {
        number: root.root.external_id.clone(),
        state: "held".to_owned(),
        entity: Some(decision.entity.clone()),
        ..Standing::default()
    };
    documents::decided(tx, root, &standing, now)
}
