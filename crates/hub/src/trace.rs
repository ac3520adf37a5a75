//! The whole life of one order across the four sides, each step with its evidence.

use jiff::Timestamp;
use serde::Serialize;
use trueup_domain::command::{Content, TransferContent, Way};
use trueup_domain::derive::transfer::MovedRow;
use trueup_domain::document::RootKind;
use trueup_domain::fact::Units;
use trueup_domain::item::Side;
use trueup_domain::money::Money;
use trueup_domain::posting::Span;
use trueup_matching::links::{Link, Proof};
use trueup_store::commands::skips::Skip;
use trueup_store::documents::ShownRoot;
use trueup_store::{
    StoreError, Tx, cases, commands, documents, facts, messages, scopes, summaries,
};

use crate::conservation;
use crate::proofs::Evidence;

#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    pub root: String,
    pub number: String,
    pub state: String,
    pub day: Option<String>,
    pub amount: Option<String>,
    pub entity: Option<String>,
    pub waiting: Option<String>,
    /// The version of the mapping that its facts are pinned to.
    pub mapping_version: Option<i64>,
    pub proof: Vec<(String, String)>,
    /// One line for each capture that is in its provider's ledger: where its money is.
    pub captures: Vec<CaptureStep>,
    pub documents: Vec<DocumentStep>,
    pub commands: Vec<CommandStep>,
    /// The entries of the books that its rows are in; those of a day, month or payout that is summed
    /// up; and those that hold money of a payout.
    pub entries: Vec<EntryStep>,
    pub keys: Vec<KeyStep>,
    pub journal: Vec<JournalStep>,
    pub cases: Vec<CaseStep>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CaptureStep {
    /// `<provider>/<id>`.
    pub capture: String,
    pub holds: bool,
    /// Such as `captured 100.00 EUR = banked 97.00 + fees 3.00`.
    pub line: String,
}

/// An entry of the books that sums up sales.
#[derive(Clone, Debug, Serialize)]
pub struct EntryStep {
    /// The root of the entries of the day, month or payout.
    pub summary: String,
    /// Within them.
    pub number: i64,
    /// In the books, as asked for.
    pub dated: String,
    pub sales: i64,
    /// How its command stands; none while the mapping lacks something.
    pub state: Option<String>,
    /// Whether the books hold it as it was asked for.
    pub status: String,
    pub record: Option<String>,
    pub error: Option<String>,
    /// What it holds, where the day, month or payout itself is looked at.
    pub orders: Vec<SummedOrder>,
    /// The units in it, where it moves goods: those of the sale that is looked at, or all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
}

/// A sale whose rows are in an entry.
#[derive(Clone, Debug, Serialize)]
pub struct SummedOrder {
    pub root: String,
    pub number: String,
}

/// A statement of the source, with the raw message that made it.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentStep {
    pub kind: String,
    pub external_id: String,
    pub message: String,
    pub origin: String,
    pub received_at: String,
    pub body: serde_json::Value,
}

/// What was asked of the books, and the record that answered.
#[derive(Clone, Debug, Serialize)]
pub struct CommandStep {
    pub key: String,
    pub kind: String,
    /// Which units left, came back or may leave.
    pub goods: Option<String>,
    pub state: String,
    pub binding: Option<String>,
    pub error: Option<String>,
    pub attempts: i64,
    pub done_at: Option<String>,
    /// Who skipped it and why, where somebody did.
    pub skipped: Option<SkipStep>,
}

/// A person's word that a command is not to be carried out.
#[derive(Clone, Debug, Serialize)]
pub struct SkipStep {
    pub person: String,
    pub reason: String,
    pub at: String,
    /// The command that was refused, where it was skipped only because it cannot be without that.
    pub with: Option<String>,
}

/// One key of the order, judged, with what each side states.
#[derive(Clone, Debug, Serialize)]
pub struct KeyStep {
    pub key: String,
    pub status: String,
    pub break_kind: Option<String>,
    pub detail: String,
    pub due: Option<String>,
    pub sides: Vec<SideStep>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SideStep {
    pub side: String,
    pub amount: String,
    pub day: String,
    pub root: String,
    pub evidence: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct JournalStep {
    pub day: String,
    pub fact: String,
    pub generation: i64,
    pub reversal: bool,
    pub booker: String,
    pub role: String,
    pub qualifier: String,
    pub amount: String,
    pub memo: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct CaseStep {
    pub id: String,
    pub kind: String,
    pub title: String,
    pub detail: String,
    pub open: bool,
}

/// Finds a sale by its id, its display number or its external id, and tells its life. `None` when
/// nothing fits; several orders of one number give the newest, and the others are named.
pub fn trace(tx: &mut Tx<'_>, order: &str) -> Result<Option<Trace>, StoreError> {
    let found = match documents::find_root(tx, order)? {
        Some(root) => Some(root),
        None => documents::search_sales(tx, order, 1)?.into_iter().next(),
    };
    let Some(root) = found else { return Ok(None) };
    let evidence = Evidence::of(tx, std::slice::from_ref(&root.id))?;
    let proof = evidence.proof(&root.id);
    let mut keys: Vec<String> =
        facts::items_of_root(tx, &root.id)?.into_iter().map(|item| item.item.key).collect();
    let payouts: Vec<String> =
        keys.iter().filter_map(|key| evidence.payout_of(key)).map(str::to_owned).collect();
    for payout in payouts {
        if let Some(id) = payout.strip_prefix("payout/") {
            keys.push(format!("bank/{id}"));
        }
        keys.push(payout);
    }
    keys.dedup();
    let mut key_steps = Vec::new();
    for key in &keys {
        if let Some(step) = key_step(tx, key)? {
            key_steps.push(step);
        }
    }
    let mut all_cases = cases::of_subject(tx, &root.id)?;
    for key in &keys {
        all_cases.extend(cases::of_subject(tx, key)?);
    }
    let kept = conservation::of_sale(tx, &evidence, &root.id)?;
    for one in &kept {
        all_cases.extend(cases::of_subject(tx, &conservation::subject(&one.capture))?);
    }
    let entries = entry_steps(tx, &root)?;
    let commands = commands::of_root(tx, &root.id)?;
    for command in &commands {
        all_cases.extend(cases::of_subject(tx, &format!("command/{}", command.key))?);
    }
    let mut command_steps = Vec::new();
    for command in commands {
        let skip = match command.state.as_str() {
            "skipped" => commands::skips::of(tx, &command.key)?,
            _ => None,
        };
        command_steps.push(command_step(command, skip));
    }
    Ok(Some(Trace {
        documents: document_steps(tx, &root.id)?,
        commands: command_steps,
        entries,
        keys: key_steps,
        journal: journal_steps(tx, &root.id)?,
        cases: all_cases
            .into_iter()
            .map(|case| CaseStep {
                id: case.id,
                kind: case.kind,
                title: case.title,
                detail: case.detail,
                open: case.closed_at.is_none(),
            })
            .collect(),
        proof: proof_words(&proof),
        captures: kept
            .into_iter()
            .map(|one| CaptureStep {
                capture: one.capture,
                holds: one.conservation.holds(),
                line: one.conservation.to_string(),
            })
            .collect(),
        amount: root.amount.zip(root.currency.as_deref()).map(|(minor, code)| show(minor, code)),
        number: root.number,
        state: root.state,
        day: root.day,
        entity: root.entity,
        waiting: root.waiting,
        mapping_version: root.mapping_version,
        root: root.id,
    }))
}

fn proof_words(proof: &Proof) -> Vec<(String, String)> {
    Link::ALL
        .iter()
        .map(|link| (link.word().to_owned(), proof.link(*link).word().to_owned()))
        .collect()
}

fn document_steps(tx: &mut Tx<'_>, root: &str) -> Result<Vec<DocumentStep>, StoreError> {
    let mut steps = Vec::new();
    for (document, message) in documents::of_root(tx, root)? {
        let shown = messages::find(tx, &message)?;
        steps.push(DocumentStep {
            kind: document.kind().word().to_owned(),
            external_id: document.external_id().to_owned(),
            origin: shown.as_ref().map(|it| it.origin.clone()).unwrap_or_default(),
            received_at: shown.map(|it| it.received_at.to_string()).unwrap_or_default(),
            body: serde_json::from_str(&document.to_json()).map_err(StoreError::corrupt)?,
            message,
        });
    }
    steps.sort_by(|left, right| left.received_at.cmp(&right.received_at));
    Ok(steps)
}

fn command_step(command: commands::Shown, skip: Option<Skip>) -> CommandStep {
    let moment = |micros: i64| Timestamp::from_microsecond(micros).map(|it| it.to_string()).ok();
    CommandStep {
        kind: command.kind.word().to_owned(),
        goods: goods(&command.content),
        skipped: skip.map(|skip| SkipStep {
            with: (skip.head != skip.command).then_some(skip.head),
            person: skip.person,
            reason: skip.reason,
            at: skip.made_at.to_string(),
        }),
        key: command.key,
        state: command.state,
        binding: command.binding,
        error: command.error,
        attempts: command.attempts,
        done_at: command.done_at.and_then(moment),
    }
}

fn entry_steps(tx: &mut Tx<'_>, root: &ShownRoot) -> Result<Vec<EntryStep>, StoreError> {
    let is_payout = root.kind == RootKind::Payout.word();
    let found = if root.kind == RootKind::Summary.word() {
        summaries::of_root(tx, &root.id)?
    } else if is_payout {
        let key = Span::Payout { provider: root.connection.clone(), id: root.external_id.clone() };
        summaries::of_payout(tx, &key.to_string())?
    } else {
        summaries::of_sale(tx, &root.id)?
    };
    let lists_orders = is_payout || root.kind == RootKind::Summary.word();
    let mut steps = Vec::new();
    for entry in found {
        let mut orders = Vec::new();
        if lists_orders {
            let sales = summaries::sales(tx, &entry.summary, entry.number)?;
            for sale in documents::find_roots(tx, &sales)? {
                orders.push(SummedOrder { root: sale.id, number: sale.number });
            }
        }
        let scope = match entry.key() {
            Some(key) => scopes::find(tx, &key)?,
            None => None,
        };
        let of_goods = entry.is_of_goods();
        let mut units = Vec::new();
        if of_goods {
            for row in summaries::moved_by(tx, &entry.summary, entry.number)? {
                if root.kind == RootKind::Summary.word() || row.order == root.external_id {
                    units.push(moved_units(&row));
                }
            }
        }
        let open = || if of_goods { "not_applicable" } else { "open" }.to_owned();
        steps.push(EntryStep {
            status: scope.map_or_else(open, |scope| scope.verdict.status),
            units,
            summary: entry.summary,
            number: entry.number,
            dated: entry.dated,
            sales: entry.orders,
            state: entry.state,
            record: entry.record,
            error: entry.error,
            orders,
        });
    }
    Ok(steps)
}

/// `2 × Tee left, by shipment F1 of #1001`.
fn moved_units(row: &MovedRow) -> String {
    let Units { quantity, name, way, by, .. } = &row.units;
    let (way, said) = match way {
        Way::Back => ("came back", "refund"),
        Way::Out | Way::Limit => ("left", "shipment"),
    };
    let taken_back = if row.reversal { ", taken back" } else { "" };
    format!("{quantity} × {name} {way}, by {said} {by} of {}{taken_back}", row.number)
}

fn goods(content: &Content) -> Option<String> {
    let goods = match content {
        Content::Goods(goods) => goods,
        Content::Transfer(moved) => return Some(transferred(moved)),
        _ => return None,
    };
    let lines = goods.lines.iter().map(|line| format!("{} × {}", line.quantity, line.name));
    let way = match goods.way {
        Way::Out => "left",
        Way::Limit => "may leave in all",
        Way::Back => "came back",
    };
    Some(format!("{} {way}", lines.collect::<Vec<_>>().join(", ")))
}

fn transferred(moved: &TransferContent) -> String {
    let ways = [(&moved.out, "left"), (&moved.back, "came back")];
    let told = ways.into_iter().filter(|(lines, _)| !lines.is_empty()).map(|(lines, way)| {
        let lines = lines.iter().map(|line| format!("{} × {}", line.quantity, line.name));
        format!("{} {way}", lines.collect::<Vec<_>>().join(", "))
    });
    told.collect::<Vec<_>>().join("; ")
}

fn key_step(tx: &mut Tx<'_>, key: &str) -> Result<Option<KeyStep>, StoreError> {
    let Some(scope) = scopes::find(tx, key)? else { return Ok(None) };
    let mut items = facts::items_of_key(tx, key)?;
    // A payout has many rows; the order's page shows its header and the bank lines it claims.
    if key.starts_with("payout/") {
        items.retain(|item| item.item.kind == trueup_domain::item::ItemKind::Payout);
    }
    for (_, _, item) in scopes::matches_of(tx, key)? {
        if let Some(line) = facts::find_item(tx, &item)?
            && line.item.side == Side::Bank
        {
            items.push(line);
        }
    }
    Ok(Some(KeyStep {
        key: scope.key,
        status: scope.verdict.status,
        break_kind: scope.verdict.break_kind,
        detail: scope.verdict.detail,
        due: scope.verdict.due,
        sides: items
            .into_iter()
            .map(|item| SideStep {
                side: item.item.side.word().to_owned(),
                amount: item.item.amount.to_string(),
                day: item.item.date.to_string(),
                root: item.root,
                evidence: item.item.hints,
            })
            .collect(),
    }))
}

fn journal_steps(tx: &mut Tx<'_>, root: &str) -> Result<Vec<JournalStep>, StoreError> {
    let lines = facts::lines_of_root(tx, root)?;
    Ok(lines
        .into_iter()
        .map(|line| JournalStep {
            day: line.day,
            fact: format!("{}/{}", line.kind, line.part),
            generation: line.generation,
            reversal: line.reversal,
            booker: line.booker,
            role: line.role,
            qualifier: line.qualifier,
            amount: show(line.amount, &line.currency),
            memo: line.memo,
        })
        .collect())
}

fn show(minor: i64, code: &str) -> String {
    match trueup_domain::Currency::parse(code) {
        Ok(currency) => Money::from_minor(minor, currency).to_string(),
        Err(_) => format!("{minor} {code}"),
    }
}
