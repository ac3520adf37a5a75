//! The invariants I1–I16 of the failure model, asked of the store and of the world at the end of a
//! story, and of the store along the way.
//!
//! | invariant | holds when                                                                          |
//! |-----------|-------------------------------------------------------------------------------------|
//! | I1        | every acknowledged delivery is in the inbox, once, and every message is settled     |
//! | I2        | each applied command is one record of the books, and each record is one command's;  |
//! |           | what was read back is kept, and nothing is taken back for a further line            |
//! | I3        | money is conserved: books, sub-ledger and providers hold what the channels sold,    |
//! |           | what the ledgers of providers say is in the books once, and what clearing holds     |
//! |           | at the end of each month is what the provider owes and the books hold               |
//! | I4        | every entry balances                                                                |
//! | I5        | each bank line and payout is claimed once, by what sums to it                       |
//! | I6        | no more goes back than was taken                                                    |
//! | I7        | the books delivered what left and did not come back                                 |
//! | I8        | versions never decrease, lanes carry one batch, nothing is written without a lease, |
//! |           | what is known is not forgotten for what was before                                  |
//! | I9        | the chain of the audit holds, and something is in it                                |
//! | I10       | nothing is booked by a mapping that nobody approved                                 |
//! | I11       | no row, match or document crosses entities                                          |
//! | I12       | no secret is in any row                                                             |
//! | I13       | everything taken up again changes nothing                                           |
//! | I14       | the liability of gift cards is what was sold less what was used                     |
//! | I15       | half an hour after the faults stop everything is done, and no case is open          |
//! | I16       | requests, attempts and rows stay within bounds                                      |

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;
use trueup::demo::setup;
use trueup_connect::Request;
use trueup_domain::command::CommandKind;
use trueup_domain::document::{Document, Kind, Order, PaymentKind, PaymentStatus, PayoutStatus};
use trueup_domain::item::ItemKind;
use trueup_domain::money::Money;
use trueup_hub::replay::{self, Selection};
use trueup_hub::{Hub, Worker, audit, clearing, decide, decode, reconcile};
use trueup_odoo::OdooSandbox;
use trueup_sandbox::World;
use trueup_store::{
    SHARDS, StoreError, Tx, cases, commands, doctor, documents, facts, messages, scopes, streams,
    summaries,
};

use crate::rig::Carried;
use crate::truth::{self, Stands};
use crate::weather::Hits;

/// What the names of the accounts begin with on which providers clear.
const CLEARING: &str = "Clearing ";
/// The case of a payout that the bank sent back.
const FAILED: &str = "payout_failed";
/// What the names of entries begin with that the hub posts itself.
const OWN: &str = "TRUP/";
/// Attempts of one command, whatever the weather: after so many certain failures it is a case.
const ATTEMPTS_MAX: i64 = 100;
/// Calls to the books in the half hour after the faults stopped.
const CALM_REQUESTS_MAX: u64 = 3_000;
/// How often one question about single objects is asked in a week.
const SAME_QUESTION_MAX: u64 = 30;
const MESSAGES_MAX: i64 = 3_000;
/// Rounds in which everything taken up again must come to rest.
const REPLAY_ROUNDS_MAX: usize = 2_000;

/// What must not depend on the weather: balances, states, verdicts, what the books hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndState {
    pub balances: BTreeMap<String, i64>,
    pub sales: BTreeMap<String, String>,
    pub scopes: BTreeMap<String, String>,
    pub books: BTreeMap<String, i64>,
}

/// What is seen along the way.
#[derive(Default)]
pub struct Watch {
    versions: BTreeMap<String, i64>,
    pub carried: Carried,
    /// Requests until the faults stopped.
    pub calm_since: u64,
    /// Orders that only got a further line: shop, id.
    pub only_extended: BTreeSet<(&'static str, String)>,
    /// What each order was, by its root, as it changed; and how far the hub was seen to know it.
    past: BTreeMap<String, Vec<Seen>>,
    known: BTreeMap<String, usize>,
    /// How often each question about single objects was asked.
    questions: BTreeMap<(String, Vec<u8>), u64>,
}

/// Total, lines, whether it was cancelled.
type Seen = (i64, usize, bool);

impl Watch {
    /// I8: what is in force never grows older, and a lane carries one batch at a time.
    pub fn look(&mut self, hub: &Hub) -> Result<()> {
        let (versions, crowded) =
            hub.store.read(|tx| Ok((doctor::versions(tx)?, doctor::crowded_lanes(tx)?)))?;
        for (name, version) in versions {
            let before = self.versions.insert(name.clone(), version);
            ensure!(
                before.is_none_or(|before| before <= version),
                "I8: {name} went back from version {before:?} to {version}"
            );
        }
        ensure!(crowded.is_empty(), "I8: two conversations in one lane: {crowded:?}");
        let wrong = hub.store.read(doctor::wrong_claims)?;
        ensure!(wrong.is_empty(), "I5: {wrong:?}");
        Ok(())
    }

    /// Remembers what the orders of the shops are now.
    pub fn note(&mut self, hub: &Hub, world: &World) -> Result<()> {
        let since = hub.setup.connections.values().map(|it| it.since).min();
        for order in truth::orders(world, since.unwrap_or(Timestamp::UNIX_EPOCH))? {
            let past = self.past.entry(format!("{}/sale/{}", order.shop, order.id)).or_default();
            let now = (order.sold, order.lines, order.cancelled);
            if past.last() != Some(&now) {
                past.push(now);
            }
        }
        Ok(())
    }

    /// I8: what was known of an order is not forgotten for what was true before.
    pub fn nothing_goes_back(&mut self, hub: &Hub) -> Result<()> {
        for (root, past) in &self.past {
            let Some(order) = order_of(hub, root)? else { continue };
            let seen = (order.total.minor(), order.lines.len(), order.cancelled_at.is_some());
            let Some(at) = past.iter().rposition(|one| *one == seen) else { continue };
            let before = self.known.insert(root.clone(), at).unwrap_or(0);
            ensure!(at >= before, "I8: {root} went back to {seen:?}, of {past:?}");
        }
        Ok(())
    }

    /// Counts a question about single objects.
    pub fn asked(&mut self, connection: &str, request: &Request) {
        let mut one = Carried::default();
        one.count(request);
        if one.reads > 0 {
            let question = [request.path.as_bytes(), &request.body].concat();
            *self.questions.entry((connection.to_owned(), question)).or_default() += 1;
        }
    }
}

fn order_of(hub: &Hub, root: &str) -> Result<Option<Box<Order>>> {
    let stated = hub.store.read(|tx| documents::of_root(tx, root))?;
    Ok(stated.into_iter().find_map(|(document, _)| match document {
        Document::Order(it) => Some(it),
        _ => None,
    }))
}

pub fn audit(
    hub: &Hub,
    world: &World,
    acknowledged: &BTreeSet<(String, String, String)>,
    watch: &Watch,
    hits: &mut Hits,
) -> Result<EndState> {
    let odoo = world.odoo.as_ref().context("an Odoo")?;
    let since = hub.setup.connections.values().map(|it| it.since).min();
    let orders = truth::orders(world, since.unwrap_or(Timestamp::UNIX_EPOCH))?;
    i1_nothing_is_lost(hub, acknowledged)?;
    i15_all_is_done(hub)?;
    let hinted = hub.store.read(doctor::hints)?;
    ensure!(
        hinted == 0 || watch.carried.reads > 0,
        "I15: {hinted} messages only hint at an object, and none was ever read"
    );
    i2_one_record_each(hub, odoo)?;
    i2_nothing_is_taken_back_for_a_further_line(hub, &watch.only_extended)?;
    let books = truth::books(odoo)?;
    i3_money_is_conserved(hub, world, &orders, &books)?;
    i3_ledgers_are_in_the_books(hub, odoo)?;
    i3_clearing_is_tied(hub)?;
    crate::sold::sales_are_kept(hub)?;
    i5_claims_are_whole(hub)?;
    i6_no_more_goes_back(hub)?;
    i7_goods_are_where_they_are(odoo, &orders)?;
    i8_the_newest_is_in_force(hub, &orders)?;
    i9_the_audit_holds(hub)?;
    i10_to_i12_rows_are_clean(hub, odoo)?;
    i14_gift_cards(hub, &orders)?;
    i16_within_bounds(hub, watch)?;
    count(hub, &orders, hits)?;
    end_state(hub, books)
}

fn i1_nothing_is_lost(hub: &Hub, acknowledged: &BTreeSet<(String, String, String)>) -> Result<()> {
    let (pushed, unsettled) =
        hub.store.read(|tx| Ok((doctor::pushed(tx)?, doctor::unsettled_messages(tx)?)))?;
    let stored: BTreeSet<(String, String, String)> = pushed.iter().cloned().collect();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    ensure!(lost.is_empty(), "I1: acknowledged and lost: {lost:?}");
    ensure!(stored.len() == pushed.len(), "I1: a delivery is stored twice (A1)");
    let unasked: Vec<_> = stored.difference(acknowledged).collect();
    ensure!(unasked.is_empty(), "I1: nobody sent {unasked:?}");
    ensure!(unsettled.is_empty(), "I1: {unsettled:?}");
    Ok(())
}

/// How the bank keys of providers begin that paid out one amount more than once, and whose bank
/// lines carry no reference: no rule may claim a line for one of them.
fn twins(hub: &Hub) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in hub.setup.connections.keys() {
        let stated = hub.store.read(|tx| documents::of_kind(tx, name, Kind::Payout))?;
        let mut amounts = BTreeSet::new();
        let again = stated.iter().any(|document| match document {
            Document::Payout(payout) => {
                payout.trace.is_none() && !amounts.insert(payout.amount.minor())
            }
            _ => false,
        });
        if again {
            found.push(format!("bank/{name}/"));
        }
    }
    Ok(found)
}

/// The subjects of the payouts that failed, in order.
fn failed_payouts(tx: &mut Tx<'_>, hub: &Hub) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for name in hub.setup.connections.keys() {
        let stated = documents::of_kind(tx, name, Kind::Payout)?;
        found.extend(stated.into_iter().filter_map(|document| match document {
            Document::Payout(it) if it.status == PayoutStatus::Failed => {
                Some(format!("{name}/payout/{}", it.id))
            }
            _ => None,
        }));
    }
    found.sort();
    Ok(found)
}

fn i15_all_is_done(hub: &Hub) -> Result<()> {
    let names: Vec<String> = hub.setup.connections.keys().cloned().collect();
    let (due, counts, open, suspended) = hub.store.read(|tx| {
        let due = messages::any_due(tx, 0, SHARDS)?
            || documents::any_due(tx, 0, SHARDS)?
            || scopes::any_due(tx, 0, SHARDS)?;
        let mut suspended = Vec::new();
        for name in &names {
            suspended.extend(streams::suspended(tx, name)?.map(|why| format!("{name}: {why}")));
        }
        Ok((due, commands::counts(tx)?, cases::open_cases(tx)?, suspended))
    })?;
    ensure!(!due, "I15: something is still to be decoded, decided or judged");
    ensure!(suspended.is_empty(), "I15: suspended: {suspended:?}");
    for (_, kind, state, count) in &counts {
        ensure!(
            state == "applied" || state == "withdrawn",
            "I15: {count} commands of kind {kind} are {state}\n{}",
            stuck(hub)?
        );
    }
    let sizes = hub.store.read(doctor::sizes)?;
    ensure!(sizes.conversations == 0, "I15: {} conversations are under way", sizes.conversations);
    ensure!(sizes.reads == 0, "I15: {} reads are still asked for", sizes.reads);
    // Of payouts that the bank does not tell apart a person says which line is whose; and the account
    // that sent a payout back is for a person to mend.
    let twins = twins(hub)?;
    let sent_back = hub.store.read(|tx| failed_payouts(tx, hub))?;
    let mut told: Vec<&str> =
        open.iter().filter(|it| it.kind == FAILED).map(|it| &*it.subject).collect();
    told.sort_unstable();
    ensure!(told == sent_back, "I15: payouts {sent_back:?} failed, cases tell of {told:?}");
    let open = open.iter().filter(|case| {
        let twin = twins.iter().any(|own| case.subject.starts_with(own));
        case.kind != FAILED && !(case.kind == "missing_at_bank" && twin)
    });
    let open: Vec<String> =
        open.map(|case| format!("{} {}: {}", case.kind, case.subject, case.detail)).collect();
    ensure!(open.is_empty(), "I15: cases without a cause: {open:#?}");
    Ok(())
}

/// Every command that did not come to its end, for the transcript.
fn stuck(hub: &Hub) -> Result<String> {
    let mut text = String::new();
    let roots = hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))?;
    for root in roots {
        for command in hub.store.read(|tx| commands::of_root(tx, &root.id))? {
            if command.state != "applied" {
                text.push_str(&format!(
                    "{} {} after {} attempts: {:?}\n",
                    command.key, command.state, command.attempts, command.error
                ));
            }
            if command.state == "waiting" {
                let sql = "SELECT a.role, a.needs, n.state FROM command_after a
                    LEFT JOIN commands n ON n.key = a.needs WHERE a.command = $1 ORDER BY a.role";
                let needs =
                    hub.store.read(|tx| tx.query(sql, trueup_store::values![&command.key]))?;
                for need in needs {
                    text.push_str(&format!("    {need:?}\n"));
                }
            }
        }
    }
    Ok(text)
}

fn i2_one_record_each(hub: &Hub, odoo: &OdooSandbox) -> Result<()> {
    let mut applied: BTreeMap<String, usize> = BTreeMap::new();
    for (_, kind, state, count) in hub.store.read(commands::counts)? {
        if state == "applied" {
            *applied.entry(kind).or_default() += usize::try_from(count)?;
        }
    }
    let count =
        |model: &str, domain: serde_json::Value| odoo.read_all(model, &domain, &["id", "state"]);
    let found = [
        ("order", count("sale.order", json!([]))),
        ("invoice", count("account.move", json!([["move_type", "=", "out_invoice"]]))),
        ("credit_note", count("account.move", json!([["move_type", "=", "out_refund"]]))),
        ("payment", count("account.payment", json!([]))),
    ];
    for (kind, records) in found {
        let wanted = applied.get(kind).copied().unwrap_or(0);
        let known =
            || hub.store.read(|tx| doctor::of_kind(tx, kind)).unwrap_or_default().join("\n");
        ensure!(
            records.len() == wanted,
            "I2: {wanted} commands of kind {kind} were applied, the books hold {}: {records:?}\n{}",
            records.len(),
            known()
        );
    }
    // The other direction: no two commands made the same record.
    let mut made: BTreeMap<(CommandKind, String), String> = BTreeMap::new();
    for root in hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))? {
        for command in hub.store.read(|tx| commands::of_root(tx, &root.id))? {
            let makes = matches!(
                command.kind,
                CommandKind::Order
                    | CommandKind::Invoice
                    | CommandKind::CreditNote
                    | CommandKind::Payment
            );
            let (true, "applied", Some(binding)) = (makes, command.state.as_str(), command.binding)
            else {
                continue;
            };
            let other = made.insert((command.kind, binding.clone()), command.key.clone());
            ensure!(other.is_none(), "I2: {other:?} and {} made {binding}", command.key);
        }
    }
    let bare = hub.store.read(doctor::without_evidence)?;
    ensure!(bare.is_empty(), "I2: what was read back of {bare:?} is not kept");
    Ok(())
}

/// What was added to an order is billed apart, and what was posted stays (`DESIGN.md` §9.3).
fn i2_nothing_is_taken_back_for_a_further_line(
    hub: &Hub,
    only_extended: &BTreeSet<(&'static str, String)>,
) -> Result<()> {
    for (shop, id) in only_extended {
        for command in hub.store.read(|tx| commands::of_root(tx, &format!("{shop}/sale/{id}")))? {
            let back = command.state == "applied"
                && command.key.ends_with("/rev")
                && command.key.contains("/invoice/");
            ensure!(!back, "I2: {} took back what only got a further line", command.key);
        }
    }
    Ok(())
}

fn i3_money_is_conserved(
    hub: &Hub,
    world: &World,
    orders: &[Stands],
    books: &BTreeMap<String, i64>,
) -> Result<()> {
    let unbalanced = hub.store.read(facts::unbalanced)?;
    ensure!(unbalanced.is_empty(), "I4: unbalanced entries {unbalanced:?}");
    let held =
        |what: &str, company: i64| books.get(&format!("{what} of {company}")).copied().unwrap_or(0);
    for company in [1, 2] {
        let own: Vec<&Stands> =
            orders.iter().filter(|it| it.company == company && it.is_billed()).collect();
        let sum = |of: fn(&Stands) -> i64| own.iter().map(|it| of(it)).sum::<i64>();
        for (what, expected) in [
            ("billed", sum(|it| it.sold - it.agreed)),
            ("paid", sum(|it| it.taken - it.returned)),
            ("open debit", sum(|it| it.due().max(0))),
            ("open credit", sum(|it| it.due().min(0))),
        ] {
            let found = held(what, company);
            ensure!(
                found == expected,
                "I3: {what} of company {company}: the books hold {found}, the shop says {expected}"
            );
        }
    }
    in_transit_is_itemised(hub)?;
    let balances = hub.store.read(facts::balances)?;
    for (provider, expected) in truth::held_by_providers(world) {
        let own = balances.iter().filter(|it| it.role == "clearing" && it.qualifier == provider);
        let found: i64 = own.map(|it| it.amount).sum();
        ensure!(
            found == expected,
            "I3: the clearing account of {provider} holds {found}, the provider says {expected}"
        );
    }
    Ok(())
}

/// The clearing report of the month of the beginning and of the next: one closes with what the other
/// opens with, with what the provider owes, and with what the books hold on its account.
fn i3_clearing_is_tied(hub: &Hub) -> Result<()> {
    let since = hub.setup.connections.values().map(|it| it.since).min().context("a beginning")?;
    let first = since.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut closed: BTreeMap<(String, String), i64> = BTreeMap::new();
    for month in [first, first.saturating_add(jiff::Span::new().months(1))] {
        let wanted = clearing::Wanted { month, entity: None };
        let report =
            hub.store.read(|tx| clearing::build(tx, hub, &wanted, Timestamp::UNIX_EPOCH))?;
        for account in report.accounts {
            let name = (account.provider.clone(), account.currency.code().to_owned());
            let opening = closed.insert(name, account.closing.minor()).unwrap_or(0);
            let (opens, owed) = (account.opening.minor(), &account.owed);
            ensure!(opening == opens, "I3: clearing opens with {opens} after {opening}");
            ensure!(owed.unexplained.is_zero(), "I3: clearing is not what is owed: {account:#?}");
            let tie = account.tie.as_ref().context("the books state no account")?;
            ensure!(tie.unexplained.is_zero(), "I3: the books hold otherwise: {account:#?}");
        }
    }
    Ok(())
}

/// What a provider's ledger says is in the books once: nothing of a proven payout is left out, and what
/// the entries move on clearing there is what their rows do.
fn i3_ledgers_are_in_the_books(hub: &Hub, odoo: &OdooSandbox) -> Result<()> {
    for name in hub.setup.connections.keys() {
        let left = hub.store.read(|tx| summaries::open_ledger_payouts(tx, name))?;
        ensure!(left.is_empty(), "I3: in no entry of the books: {left:?}");
    }
    let left_out = hub.store.read(summaries::left_out_of_ledgers)?;
    ensure!(left_out.is_empty(), "I3: rows that no entry will take: {left_out:?}");
    let entries = json!([["move_type", "=", "entry"]]);
    let entries = odoo.read_all("account.move", &entries, &["id", "name"]);
    // A payment is a move of that type, too, in the journal of its gateway.
    let own = entries.iter().filter(|it| it["name"].as_str().is_some_and(|it| it.starts_with(OWN)));
    let entries: BTreeSet<i64> = own.filter_map(|one| one["id"].as_i64()).collect();
    let posted = json!([["parent_state", "=", "posted"]]);
    let fields = ["move_id", "account_id", "company_id", "balance"];
    let mut found: BTreeMap<&str, i64> = BTreeMap::new();
    for line in odoo.read_all("account.move.line", &posted, &fields) {
        let of = |field: &str| line[field][0].as_i64();
        let account = line["account_id"][1].as_str().unwrap_or_default();
        if of("move_id").is_none_or(|id| !entries.contains(&id)) || !account.contains(CLEARING) {
            continue;
        }
        let entity = if of("company_id") == Some(1) { "us" } else { "eu" };
        *found.entry(entity).or_default() += truth::cents(&line["balance"])?;
    }
    let expected = hub.store.read(doctor::clearing_of_ledgers)?;
    let mut expected: BTreeMap<&str, i64> =
        expected.iter().map(|(entity, sum)| (entity.as_str(), *sum)).collect();
    for sums in [&mut found, &mut expected] {
        sums.retain(|_, sum| *sum != 0);
    }
    ensure!(
        found == expected,
        "I3: entries of the books move {found:?} on clearing, the rows in them {expected:?}"
    );
    Ok(())
}

/// What the sub-ledger holds in transit are the payouts, or parts of them, that no bank line shows;
/// what the bank holds unallocated are the lines that nothing claims.
pub fn in_transit_is_itemised(hub: &Hub) -> Result<()> {
    let (balances, payouts, lines) = hub.store.read(|tx| {
        let lines = facts::items_of_kind(tx, ItemKind::BankLine)?;
        Ok((facts::balances(tx)?, scopes::all(tx)?, lines))
    })?;
    let mut held: BTreeMap<(String, String), i64> = BTreeMap::new();
    for balance in &balances {
        let sign = match balance.role.as_str() {
            "in_transit" => 1,
            "bank_unallocated" => -1,
            _ => continue,
        };
        let key = (balance.role.clone(), balance.currency.clone());
        *held.entry(key).or_default() += sign * balance.amount;
    }
    let mut listed: BTreeMap<(String, String), i64> = BTreeMap::new();
    for scope in payouts.iter().filter(|scope| scope.key.starts_with("bank/")) {
        let open = match scope.verdict.status.as_str() {
            "not_due" => scope.verdict.amount,
            _ => -scope.verdict.difference,
        };
        let key = ("in_transit".to_owned(), scope.verdict.currency.clone());
        *listed.entry(key).or_default() += open;
    }
    for line in lines.iter().filter(|line| line.claimed_by.is_none()) {
        let amount = line.item.amount;
        let key = ("bank_unallocated".to_owned(), amount.currency().code().to_owned());
        *listed.entry(key).or_default() += amount.minor();
    }
    held.retain(|_, amount| *amount != 0);
    listed.retain(|_, amount| *amount != 0);
    ensure!(
        held == listed,
        "I3: the sub-ledger holds {held:?}, the open payouts and lines are {listed:?}\n{:#?}\n{lines:#?}",
        payouts.iter().filter(|scope| scope.key.starts_with("bank/")).collect::<Vec<_>>()
    );
    Ok(())
}

fn i5_claims_are_whole(hub: &Hub) -> Result<()> {
    let (wrong, uneven) =
        hub.store.read(|tx| Ok((doctor::wrong_claims(tx)?, doctor::uneven_claims(tx)?)))?;
    ensure!(wrong.is_empty(), "I5: {wrong:?}");
    ensure!(uneven.is_empty(), "I5: payouts claim other sums: {uneven:?}");
    let twins = twins(hub)?;
    let unclaimed: Vec<String> = hub
        .store
        .read(scopes::all)?
        .into_iter()
        .filter(|scope| scope.key.starts_with("bank/") && scope.verdict.status == "broken")
        .filter(|scope| !twins.iter().any(|own| scope.key.starts_with(own)))
        .map(|scope| scope.key)
        .collect();
    ensure!(unclaimed.is_empty(), "I5: no bank line was found for {unclaimed:?}");
    Ok(())
}

fn i6_no_more_goes_back(hub: &Hub) -> Result<()> {
    for root in hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))? {
        let stated = hub.store.read(|tx| documents::of_root(tx, &root.id))?;
        let moved = |kinds: &[PaymentKind]| -> Result<Option<Money>> {
            let own = stated.iter().filter_map(|(document, _)| match document {
                Document::Payment(it)
                    if it.status == PaymentStatus::Succeeded && kinds.contains(&it.kind) =>
                {
                    Some(it.amount)
                }
                _ => None,
            });
            let own: Vec<Money> = own.collect();
            let Some(first) = own.first() else { return Ok(None) };
            Ok(Some(Money::sum(first.currency(), own.iter().copied())?))
        };
        let taken = moved(&[PaymentKind::Sale, PaymentKind::Capture])?;
        let Some(back) = moved(&[PaymentKind::Refund])? else { continue };
        let minor = taken.map_or(0, Money::minor);
        ensure!(back.minor() <= minor, "I6: {} gave back {back} of {minor}", root.id);
    }
    Ok(())
}

fn i7_goods_are_where_they_are(odoo: &OdooSandbox, orders: &[Stands]) -> Result<()> {
    for order in orders.iter().filter(|it| it.is_billed() && it.due() <= 0) {
        let delivered = truth::delivered(odoo, &order.shop, &order.number)?;
        ensure!(
            delivered == Decimal::from(order.units_out),
            "I7: {} {}: the books delivered {delivered}, {} are out",
            order.shop,
            order.number,
            order.units_out
        );
    }
    Ok(())
}

/// What is in force of each order is what its shop says now.
fn i8_the_newest_is_in_force(hub: &Hub, orders: &[Stands]) -> Result<()> {
    for order in orders {
        let root = format!("{}/sale/{}", order.shop, order.id);
        let stated = hub.store.read(|tx| documents::of_root(tx, &root))?;
        let found = stated.iter().find_map(|(document, _)| match document {
            Document::Order(it) => Some(it),
            _ => None,
        });
        let found = found.with_context(|| format!("I1: {root} was never seen"))?;
        let of_kind = |kind: Kind| stated.iter().filter(|(it, _)| it.kind() == kind).count();
        let own = (
            found.total.minor(),
            found.lines.len(),
            found.cancelled_at.is_some(),
            of_kind(Kind::Payment),
            of_kind(Kind::Refund),
        );
        let theirs = (order.sold, order.lines, order.cancelled, order.transactions, order.refunds);
        ensure!(
            own == theirs,
            "I8: {root} in force is (total, lines, cancelled, payments, refunds) {own:?}, its shop \
             says {theirs:?}"
        );
        ensure!(
            found.placed_at == order.placed_at,
            "I8: {root} was placed at {}, its shop says {}",
            found.placed_at,
            order.placed_at
        );
    }
    Ok(())
}

/// Everything that people decided and the books made is recorded, and the chain of it holds.
fn i9_the_audit_holds(hub: &Hub) -> Result<()> {
    audit::seal_all(&hub.store, &[])?;
    let found = audit::verify(&hub.store, None)?;
    ensure!(found.findings.is_empty(), "I9: {:?}", found.findings);
    ensure!(found.records > 0, "I9: nothing is recorded");
    Ok(())
}

fn i10_to_i12_rows_are_clean(hub: &Hub, odoo: &OdooSandbox) -> Result<()> {
    let (unapproved, strays) =
        hub.store.read(|tx| Ok((doctor::unapproved(tx)?, doctor::strays(tx)?)))?;
    ensure!(unapproved.is_empty(), "I10: booked by an unapproved mapping: {unapproved:?}");
    ensure!(strays.is_empty(), "I11: {strays:?}");
    for order in odoo.read_all("sale.order", &json!([]), &["origin", "company_id"]) {
        let origin = order["origin"].as_str().unwrap_or_default();
        let shop = origin.split(' ').next().unwrap_or_default();
        ensure!(
            order["company_id"][0] == truth::company_of(shop),
            "I11: {origin} is in company {}",
            order["company_id"]
        );
    }
    for secret in [setup::DEMO_SECRET, trueup_odoo::sandbox::HUB_KEY, "demo-key"] {
        let leaks = hub.store.read(|tx| doctor::holding(tx, secret))?;
        ensure!(leaks.is_empty(), "I12: a secret is in {leaks:?}");
    }
    Ok(())
}

fn i14_gift_cards(hub: &Hub, orders: &[Stands]) -> Result<()> {
    let expected: i64 = orders.iter().map(|it| it.gift_cards).sum();
    let balances = hub.store.read(facts::balances)?;
    let own = balances.iter().filter(|it| it.role == "gift_card_liability");
    let found: i64 = own.map(|it| -it.amount).sum();
    ensure!(found == expected, "I14: the liability of gift cards is {found}, not {expected}");
    Ok(())
}

fn i16_within_bounds(hub: &Hub, watch: &Watch) -> Result<()> {
    let sizes = hub.store.read(doctor::sizes)?;
    ensure!(sizes.attempts <= ATTEMPTS_MAX, "I16: {} attempts of one command", sizes.attempts);
    ensure!(sizes.messages <= MESSAGES_MAX, "I16: {} messages are kept", sizes.messages);
    let calm = watch.carried.requests.saturating_sub(watch.calm_since);
    let most = watch.questions.values().max().copied().unwrap_or(0);
    ensure!(most <= SAME_QUESTION_MAX, "I16: one question was asked {most} times");
    ensure!(calm <= CALM_REQUESTS_MAX, "I16: {calm} requests after the faults stopped");
    Ok(())
}

/// I13: everything that was ever taken in is decoded, decided and judged once more, and nothing
/// comes of it.
pub fn replay_is_silent(hub: &Hub, now: &dyn Fn() -> Timestamp) -> Result<()> {
    let before = hub.store.read(doctor::sizes)?;
    let plan = replay::plan(hub, &Selection::default(), now())?;
    let plan = plan.ok_or_else(|| anyhow!("I13: nothing can be replayed"))?;
    ensure!(plan.messages > 0 && plan.roots > 0, "I13: a replay of all is about nothing");
    // What was given up after crashes, and was read since in another message, could be read now.
    let changes = !plan.documents.is_empty() || !plan.changes.is_empty();
    ensure!(!changes && plan.unreadable.is_empty(), "I13: a replay would change {plan:?}");
    let rehearsed = hub.store.read(doctor::sizes)?;
    ensure!(before == rehearsed, "I13: a plan wrote: {before:?} became {rehearsed:?}");
    hub.store.write(doctor::take_up_again)?;
    let worker = Worker::alone();
    let mut rounds = 0;
    loop {
        let mut done = decode::step(hub, &worker, now())?;
        done += decide::step(hub, &worker, now())?;
        done += reconcile::step(hub, &worker, now())?;
        rounds += 1;
        if done == 0 {
            break;
        }
        ensure!(rounds < REPLAY_ROUNDS_MAX, "I13: what is taken up again does not come to rest");
    }
    let mut after = hub.store.read(doctor::sizes)?;
    // A tie of versions asks its source, whenever it is met.
    after.reads = before.reads;
    ensure!(before == after, "I13: taken up again, {before:?} became {after:?}");
    Ok(())
}

/// What the history brought, so that one without edits or refunds is noticed.
fn count(hub: &Hub, orders: &[Stands], hits: &mut Hits) -> Result<()> {
    hits.add("order", orders.len() as u64);
    for order in orders {
        hits.add("cancelled", u64::from(order.cancelled));
        hits.add("refund", order.refunds as u64);
        hits.add("refunded twice", u64::from(order.refunds > 1));
        hits.add("goods moved", u64::from(order.units_out != 0));
    }
    let (payouts, lines, failed) = hub.store.read(|tx| {
        let mut counts = (0, 0, failed_payouts(tx, hub)?.len());
        for name in hub.setup.connections.keys() {
            counts.0 += documents::of_kind(tx, name, Kind::Payout)?.len();
            counts.1 += documents::of_kind(tx, name, Kind::BankLine)?.len();
        }
        Ok(counts)
    })?;
    hits.add("payout", payouts as u64);
    hits.add("payout failed", failed as u64);
    hits.add("bank line", lines as u64);
    for root in hub.store.read(|tx| documents::search_sales(tx, "", i64::MAX))? {
        let commands = hub.store.read(|tx| commands::of_root(tx, &root.id))?;
        let back = |it: &&commands::Shown| {
            it.kind == CommandKind::CreditNote && it.state == "applied" && it.key.ends_with("/rev")
        };
        hits.add("taken back in the books", commands.iter().filter(back).count() as u64);
        let again =
            commands.iter().any(|it| it.kind == CommandKind::Order && !it.key.ends_with("/1"));
        hits.add("edited", u64::from(again));
    }
    hits.0.retain(|_, times| *times > 0);
    Ok(())
}

fn end_state(hub: &Hub, books: BTreeMap<String, i64>) -> Result<EndState> {
    let twins = twins(hub)?;
    let has_twins = |key: &str| twins.iter().any(|own| key.starts_with(own));
    let (balances, scopes, sales) = hub.store.read(|tx| {
        Ok((facts::balances(tx)?, scopes::all(tx)?, documents::search_sales(tx, "", i64::MAX)?))
    })?;
    Ok(EndState {
        balances: balances
            .into_iter()
            .filter(|one| one.amount != 0)
            // Which of them a line is, and so what is still in transit, a person says.
            .filter(|one| {
                twins.is_empty() || !matches!(one.role.as_str(), "in_transit" | "bank_unallocated")
            })
            .map(|one| ([one.entity, one.role, one.qualifier, one.currency].join("/"), one.amount))
            .collect(),
        sales: sales
            .into_iter()
            .map(|sale| (sale.id, format!("{} {:?}", sale.state, sale.waiting)))
            .collect(),
        scopes: standing(
            scopes
                .into_iter()
                // In which entry a row goes is a matter of when it is known.
                .filter(|it| !has_twins(&it.key) && !it.key.starts_with("entry/"))
                .collect(),
        ),
        books,
    })
}

/// How each key stands.
fn standing(scopes: Vec<scopes::Scope>) -> BTreeMap<String, String> {
    let known = scopes.into_iter().map(|scope| (scope.key, scope.verdict.status));
    known.filter(|(_, status)| status != "not_applicable").collect()
}
