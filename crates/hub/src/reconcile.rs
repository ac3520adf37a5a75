//! RECONCILE: judges the keys whose items changed, claims bank lines, opens and closes cases. It
//! writes matches, verdicts and cases only, and never talks to the outside.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_domain::command::Content;
use trueup_domain::derive::sale::SUMMED;
use trueup_domain::document::{MatchedLine, SettlementMatch, Version};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::journal::Role;
use trueup_domain::money::{Money, MoneyError};
use trueup_domain::planted::planted;
use trueup_matching::{BreakKind, Seen, Status, Verdict, claim, judge};
use trueup_store::commands::skips::Skip;
use trueup_store::facts::LiveItem;
use trueup_store::messages;
use trueup_store::scopes::DueScope;
use trueup_store::{StoreError, Tx, cases, commands, facts, scopes, summaries};

use crate::decode::MATCH;
use crate::setup::{Hub, Worker, check};
use crate::{failures, proofs};

const BATCH: i64 = 200;
/// Keys usually judged in one turn of the writer: a delivery waits at the front door meanwhile.
const AT_ONCE: usize = 25;
/// After so many judgements that were begun and not finished a key is set aside.
const ATTEMPTS_MAX: i64 = 5;
/// The break of a key that cannot be judged, and the type of its case.
const UNJUDGEABLE: &str = "unjudgeable";

/// Judges what is due; returns how many keys were handled.
pub fn step(hub: &Hub, worker: &Worker, now: Timestamp) -> Result<usize, StoreError> {
    let Worker { from, to, .. } = *worker;
    if !hub.store.read(|tx| scopes::any_due(tx, from, to))? {
        return Ok(0);
    }
    let leases = worker.leases.clone();
    let due = hub.store.redo(move |tx| {
        check(tx, &leases)?;
        scopes::take_due(tx, from, to, BATCH)
    })?;
    let count = due.len();
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut due = due.into_iter();
    loop {
        let part: Vec<DueScope> = due.by_ref().take(hub.store.part(AT_ONCE)).collect();
        if part.is_empty() {
            return Ok(count);
        }
        let hub_for_write = hub.clone();
        let leases = worker.leases.clone();
        hub.store.redo(move |tx| {
            check(tx, &leases)?;
            if tx.has_rivals() {
                scopes::hold_due(tx, &part)?;
            }
            for scope in &part {
                unit(tx, &hub_for_write, scope, today, now)?;
            }
            refresh(tx, &part, now)
        })?;
    }
}

/// Keeps the proofs of the sales whose keys changed their status.
fn refresh(tx: &mut Tx<'_>, judged: &[DueScope], now: Timestamp) -> Result<(), StoreError> {
    let keys: Vec<String> = judged.iter().map(|scope| scope.key.clone()).collect();
    let statuses: BTreeMap<String, String> = scopes::statuses(tx, &keys)?.into_iter().collect();
    let changed = judged.iter().filter(|scope| statuses.get(&scope.key) != Some(&scope.status));
    let changed: Vec<String> = changed.map(|scope| scope.key.clone()).collect();
    let sales = proofs::sales_of(tx, &changed)?;
    proofs::refresh(tx, &sales, now)
}

/// Judges one key; what cannot be judged is set aside with a case, and the others go on.
fn unit(
    tx: &mut Tx<'_>,
    hub: &Hub,
    scope: &DueScope,
    today: Date,
    now: Timestamp,
) -> Result<(), StoreError> {
    if scope.attempts >= ATTEMPTS_MAX {
        let why = format!("it was begun {ATTEMPTS_MAX} times and never finished");
        return set_aside(tx, hub, scope, &why, now);
    }
    match tx.savepoint(|tx| one(tx, hub, scope, today, now)) {
        // The same rows would give the same error for ever.
        Err(StoreError::Corrupt(why)) => set_aside(tx, hub, scope, &why, now),
        // Somebody else was faster; the key is still due.
        Err(StoreError::Conflict(_)) => Ok(()),
        outcome => outcome,
    }
}

fn set_aside(
    tx: &mut Tx<'_>,
    hub: &Hub,
    scope: &DueScope,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let detail = format!("cannot be judged: {why}");
    if !scopes::set_aside(tx, scope, UNJUDGEABLE, &detail)? {
        return Ok(());
    }
    cases::keep_only(tx, &scope.key, &[UNJUDGEABLE.to_owned()], "it cannot be judged", now)?;
    // The rows themselves may be what cannot be read; a key names its connection.
    let connection = scope.key.split('/').nth(1).and_then(|name| hub.connection(name));
    let case = cases::NewCase {
        kind: UNJUDGEABLE,
        subject: &scope.key,
        entity: connection.map_or("", |connection| &connection.entity),
        title: &format!("{} cannot be judged", scope.key),
        detail: &format!("{}: {why}", scope.key),
        remedy: "look at the amounts of its sides, and report it; retry it when they are mended",
        amount: None,
        owner: "integrator",
    };
    cases::open(tx, &case, now)
}

fn one(
    tx: &mut Tx<'_>,
    hub: &Hub,
    scope: &DueScope,
    today: Date,
    now: Timestamp,
) -> Result<(), StoreError> {
    let items = facts::items_of_key(tx, &scope.key)?;
    if scope.key.starts_with("line/") {
        a_bank_line(tx, &items)?;
    }
    let claimed = claimed_lines(tx, hub, scope, &items, now)?;
    let seen: Vec<Seen> = items.iter().map(seen).collect();
    let calendar = &hub.setup.calendar;
    let verdict = judge(&scope.key, &seen, &claimed, today, calendar)
        .map_err(|error: MoneyError| StoreError::corrupt(error))?;
    let skipped = commands::skips::of_key(tx, &scope.key)?;
    let verdict = match verdict {
        // What a person skipped will not come, so its day need not be waited for.
        Some(Verdict { status: Status::NotDue, due: Some(due), .. }) if !skipped.is_empty() => {
            let after = due.tomorrow().map_err(StoreError::corrupt)?;
            let then = judge(&scope.key, &seen, &claimed, after, calendar)
                .map_err(|error: MoneyError| StoreError::corrupt(error))?;
            then.filter(|then| is_skipped(&skipped, then)).or(verdict)
        }
        _ => verdict,
    };
    let Some(verdict) = verdict else {
        // Its last item was taken back: nothing is left to compare.
        cases::resolve(tx, None, &scope.key, "nothing is left to compare", now)?;
        if !planted("what_failed_keeps_its_bank_line") {
            state_match(tx, scope, &items, &claimed, now)?;
        }
        return gone(tx, scope);
    };
    let entity = items.first().map_or("", |item| &item.entity);
    if verdict.status == Status::Proven && !verdict.matched.is_empty() {
        settle(tx, scope, &items, &verdict, now)?;
    }
    state_match(tx, scope, &items, &claimed, now)?;
    failures::seen_in_ledger(tx, &scope.key, &items, now)?;
    save(tx, scope, entity, &verdict)?;
    let by = skipped.first().filter(|_| is_skipped(&skipped, &verdict));
    case(tx, scope, entity, &items, &verdict, by.map(|(skip, _)| skip), now)
}

/// Whether what is wrong is that the books lack what a person skipped, and nothing else.
fn is_skipped(skipped: &[(Skip, commands::Shown)], verdict: &Verdict) -> bool {
    let lacks = [BreakKind::MissingInBooks, BreakKind::AmountDiffers];
    let amounts = skipped.iter().map(|(_, command)| match &command.content {
        Content::Entry(entry) => entry.debits(),
        content => content.total(),
    });
    let Some(amounts) = amounts.collect::<Option<Vec<Money>>>() else { return false };
    let sum = Money::sum(verdict.difference.currency(), amounts);
    verdict.break_kind.is_some_and(|kind| lacks.contains(&kind))
        && sum.and_then(Money::checked_neg) == Ok(verdict.difference)
}

/// Hands in which bank lines a payout or transfer is, so that DECIDE books it. The same lines again
/// are no news.
fn state_match(
    tx: &mut Tx<'_>,
    scope: &DueScope,
    items: &[LiveItem],
    claimed: &[Seen],
    now: Timestamp,
) -> Result<(), StoreError> {
    let source_id = format!("match/{}", scope.key);
    let Some(connection) = scope.key.split('/').nth(1) else { return Ok(()) };
    if planted("a_match_is_not_stated") {
        return Ok(());
    }
    if claimed.is_empty() && !messages::is_recorded(tx, connection, &source_id)? {
        return Ok(());
    }
    let (role, qualifier) = match settles(tx, scope, items)? {
        Some(account) => account,
        // What is no line clears no account; the sale that named one may be gone.
        None if claimed.is_empty() => (Role::Clearing, String::new()),
        None => return Ok(()),
    };
    let mut lines = Vec::new();
    for line in claimed {
        let account = line.item.key.split('/').nth(1).unwrap_or_default();
        lines.push(MatchedLine {
            key: line.item.key.clone(),
            account: account.to_owned(),
            booked_on: line.item.date,
            amount: line.item.amount,
        });
    }
    lines.sort_by(|one, other| one.key.cmp(&other.key));
    let rule = scopes::matches_of(tx, &scope.key)?.into_iter().next();
    let stated = SettlementMatch {
        id: scope.key.clone(),
        version: Version(0),
        rule: rule.map(|(_, rule, _)| rule).unwrap_or_default(),
        role,
        qualifier,
        lines,
    };
    messages::state(tx, connection, source_id, MATCH, &stated, now)
}

/// The account that bank lines under this key clear: a provider's money in transit, or the clearing
/// account that the sale's own entry names.
fn settles(
    tx: &mut Tx<'_>,
    scope: &DueScope,
    items: &[LiveItem],
) -> Result<Option<(Role, String)>, StoreError> {
    let mut words = scope.key.split('/');
    let (word, connection) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if word == "bank" {
        return Ok(Some((Role::InTransit, connection.to_owned())));
    }
    let Some(channel) = items.iter().find(|item| item.item.side == Side::Channel) else {
        return Ok(None);
    };
    let payment = words.collect::<Vec<_>>().join("/");
    let lines = facts::lines_of_root(tx, &channel.root)?;
    let own = lines.into_iter().find(|line| {
        line.part == payment && line.role == Role::Clearing.word() && !line.qualifier.is_empty()
    });
    Ok(own.map(|line| (Role::Clearing, line.qualifier)))
}

fn seen(item: &LiveItem) -> Seen {
    Seen { id: item.id.clone(), root: item.root.clone(), item: item.item.clone() }
}

/// A new bank line may be what a payout or a transfer waits for.
fn a_bank_line(tx: &mut Tx<'_>, items: &[LiveItem]) -> Result<(), StoreError> {
    if items.iter().any(|item| item.claimed_by.is_none()) {
        scopes::raise_unbanked(tx)?;
    }
    Ok(())
}

/// The bank lines of a payout or transfer: those claimed before, else those that a rule finds.
fn claimed_lines(
    tx: &mut Tx<'_>,
    hub: &Hub,
    scope: &DueScope,
    items: &[LiveItem],
    now: Timestamp,
) -> Result<Vec<Seen>, StoreError> {
    let payout = scope.key.starts_with("bank/");
    let transfer = scope.key.contains("_transfer/");
    let Some(first) = items.first().filter(|_| payout || transfer) else {
        if payout {
            // Its rivals have one less.
            scopes::raise_unbanked(tx)?;
        }
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    let mut matches = BTreeSet::new();
    for (id, _, item) in scopes::matches_of(tx, &scope.key)? {
        if let Some(found) = facts::find_item(tx, &item)?
            && found.item.side == Side::Bank
        {
            lines.push(seen(&found));
            matches.insert(id);
        }
    }
    let amounts = lines.iter().map(|line| line.item.amount);
    let whole = Money::sum(first.item.amount.currency(), amounts) == Ok(first.item.amount);
    if whole || (transfer && !lines.is_empty()) {
        return Ok(lines);
    }
    let mut free: Vec<Seen> =
        facts::unclaimed(tx, ItemKind::BankLine, Side::Bank)?.iter().map(seen).collect();
    free.extend(lines.iter().cloned());
    let mut rivals = Vec::new();
    let found = if payout {
        let provider = scope.key.split('/').nth(1).unwrap_or_default();
        let names = hub.connection(provider).map_or(&[][..], |it| it.bank_names.as_slice());
        rivals = rivals_of(tx, provider, first)?;
        claim::of_payout(&first.item, &rivals, names, &free, &hub.setup.calendar)
    } else {
        let channel = items.iter().find(|item| item.item.side == Side::Channel);
        claim::of_transfer(&channel.unwrap_or(first).item, &free)
    };
    // A short claim gives way only to one that is exact: the rest may have come in a line of its
    // own (E17).
    let found = found.filter(|found| lines.is_empty() || found.rule == "reference");
    let is_new = !matches!(scope.status.as_str(), "not_due" | "broken");
    if !rivals.is_empty() && (is_new || found.is_some()) {
        // What can be theirs depends on it.
        scopes::raise_unbanked(tx)?;
    }
    let Some(found) = found else { return Ok(lines) };
    for id in matches {
        scopes::dissolve(tx, &id, now)?;
    }
    let mut claimed = found.lines.clone();
    claimed.push(first.id.clone());
    scopes::record_match(tx, &scope.key, found.rule, &claimed, now)?;
    Ok(free.into_iter().filter(|line| found.lines.contains(&line.id)).collect())
}

/// The other payouts of a provider that no bank line is claimed for.
fn rivals_of(tx: &mut Tx<'_>, provider: &str, own: &LiveItem) -> Result<Vec<Item>, StoreError> {
    let prefix = format!("bank/{provider}/");
    let waiting = facts::unclaimed(tx, own.item.kind, own.item.side)?;
    let others =
        waiting.into_iter().filter(|it| it.id != own.id && it.item.key.starts_with(&prefix));
    Ok(others.map(|it| it.item).collect())
}

/// Claims the items that agree, once; a match of other items under this key is dissolved first.
fn settle(
    tx: &mut Tx<'_>,
    scope: &DueScope,
    items: &[LiveItem],
    verdict: &Verdict,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut wanted = verdict.matched.clone();
    wanted.sort();
    let live = scopes::matches_of(tx, &scope.key)?;
    let mut held: Vec<String> = live.iter().map(|(_, _, item)| item.clone()).collect();
    held.sort();
    if held == wanted {
        return Ok(());
    }
    let rule = live.first().map_or("key".to_owned(), |(_, rule, _)| rule.clone());
    let ids: BTreeSet<String> = live.into_iter().map(|(id, _, _)| id).collect();
    for id in ids {
        scopes::dissolve(tx, &id, now)?;
    }
    let foreign = items.iter().any(|item| {
        wanted.contains(&item.id) && item.claimed_by.is_some() && !held.contains(&item.id)
    });
    if foreign {
        // Another match holds one of them: the database would refuse, and a person must look.
        return Ok(());
    }
    scopes::record_match(tx, &scope.key, &rule, &wanted, now)?;
    Ok(())
}

fn save(
    tx: &mut Tx<'_>,
    scope: &DueScope,
    entity: &str,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    let verdict = scopes::Verdict {
        status: verdict.status.word().to_owned(),
        break_kind: verdict.break_kind.map(|kind| kind.word().to_owned()),
        amount: verdict.amount.minor(),
        difference: verdict.difference.minor(),
        currency: verdict.amount.currency().code().to_owned(),
        entity: entity.to_owned(),
        day: verdict.day.to_string(),
        due: verdict.due.map(|due| due.to_string()),
        detail: verdict.detail.clone(),
    };
    scopes::judge(tx, scope, &verdict)?;
    Ok(())
}

fn gone(tx: &mut Tx<'_>, scope: &DueScope) -> Result<(), StoreError> {
    let verdict = scopes::Verdict {
        status: Status::NotApplicable.word().to_owned(),
        break_kind: None,
        amount: 0,
        difference: 0,
        currency: String::new(),
        entity: String::new(),
        day: String::new(),
        due: None,
        detail: "nothing is left to compare".to_owned(),
    };
    scopes::judge(tx, scope, &verdict)?;
    Ok(())
}

/// A difference is one case: the tax of an order that is missing whole is no second one, and what
/// is missing because its entry is, is told of the entry.
fn is_said_elsewhere(
    tx: &mut Tx<'_>,
    scope: &DueScope,
    items: &[LiveItem],
    kind: BreakKind,
) -> Result<bool, StoreError> {
    if kind == BreakKind::MissingInBooks {
        let summed = |item: &&LiveItem| item.item.hints.iter().any(|hint| hint == SUMMED);
        if let Some(item) = items.iter().find(summed) {
            return summaries::holds(tx, &item.root);
        }
    }
    let of_entry = scope.key.strip_prefix("entry_tax/");
    let of_entry = of_entry.or_else(|| scope.key.strip_prefix("entry_base/"));
    let document = match of_entry.and_then(|key| key.rsplit_once('/')) {
        Some((entry, _)) => Some(entry),
        None => scope.key.strip_prefix("tax/"),
    };
    if kind == BreakKind::MissingInBooks {
        let roots: BTreeSet<&str> = items.iter().map(|item| item.root.as_str()).collect();
        for root in roots {
            if commands::again::is_told(tx, root, document.unwrap_or(&scope.key))? {
                return Ok(true);
            }
        }
    }
    let Some(document) = document else { return Ok(false) };
    let scope = scopes::find(tx, document)?;
    Ok(scope.is_some_and(|it| it.verdict.status != Status::Proven.word()))
}

fn case(
    tx: &mut Tx<'_>,
    scope: &DueScope,
    entity: &str,
    items: &[LiveItem],
    verdict: &Verdict,
    skipped: Option<&Skip>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kind = match verdict.break_kind {
        Some(kind) if !is_said_elsewhere(tx, scope, items, kind)? => kind,
        _ => return cases::resolve(tx, None, &scope.key, "the sides agree", now),
    };
    cases::keep_only(tx, &scope.key, &[kind.word().to_owned()], "the difference changed", now)?;
    let order = items
        .iter()
        .filter(|item| item.item.side == Side::Channel)
        .find_map(|item| item.item.hints.first().cloned());
    let about = order.unwrap_or_else(|| scope.key.clone());
    let amount: Money = verdict.difference;
    let records: Vec<&str> = items
        .iter()
        .filter(|item| item.item.side == Side::Books)
        .flat_map(|item| item.item.hints.iter().map(String::as_str))
        .collect();
    let mut detail = format!("{}: {}", scope.key, verdict.detail);
    if !records.is_empty() {
        detail = format!("{detail} (in the books: {})", records.join(", "));
    }
    let new = cases::NewCase {
        kind: kind.word(),
        subject: &scope.key,
        entity,
        title: &format!("{about}: {}", kind.word().replace('_', " ")),
        detail: &detail,
        remedy: kind.remedy(),
        amount: Some(amount),
        owner: "finance",
    };
    match skipped {
        Some(by) => cases::open_skipped(tx, &new, (&by.person, &by.reason), now),
        None => cases::open(tx, &new, now),
    }
}
