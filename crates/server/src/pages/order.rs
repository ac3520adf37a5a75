//! One order's life across the four sides, each step with its evidence. Payouts, ledger rows and
//! bank lines have the same page without the four links.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use trueup_domain::item::Side;
use trueup_domain::money::Money;
use trueup_hub::invoices;
use trueup_hub::trace::{
    self, CaptureStep, CommandStep, DocumentStep, EntryStep, JournalStep, KeyStep, SideStep, Trace,
};
use trueup_store::{StoreError, Tx, documents};

use super::{Chrome, LINKS, PageProblem, Shared, act, page, status_label};
use crate::format;
use crate::problem::Problem;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "order.html")]
struct Order {
    chrome: Chrome,
    number: String,
    root: String,
    what: String,
    is_sale: bool,
    connection: String,
    state: String,
    day: String,
    amount: String,
    entity: String,
    waiting: String,
    mapping: String,
    links: Vec<LinkBox>,
    captures: Vec<CaptureStep>,
    cases: Vec<CaseLine>,
    documents: Vec<DocumentLine>,
    commands: Vec<CommandLine>,
    entries: Vec<EntryBox>,
    keys: Vec<KeyBox>,
    journal: Vec<Entry>,
    /// Whether a person may ask for an invoice of its own.
    can_invoice: bool,
    /// The name that was typed last.
    person: String,
}

struct LinkBox {
    name: &'static str,
    ties: &'static str,
    class: String,
    label: &'static str,
}

struct CaseLine {
    href: String,
    title: String,
    detail: String,
    open: bool,
}

struct DocumentLine {
    kind: String,
    external_id: String,
    message: String,
    origin: String,
    received: String,
    /// What it states, in a few words.
    says: Vec<(&'static str, String)>,
    body: String,
}

struct CommandLine {
    kind: String,
    goods: String,
    key: String,
    state: String,
    class: &'static str,
    binding: String,
    error: String,
    attempts: i64,
    done: String,
    /// Who skipped it and why; empty where nobody did.
    skipped: String,
}

/// An entry of the books that sums up sales.
struct EntryBox {
    href: String,
    /// The page of the entry itself, with the amounts of its orders.
    page: String,
    summary: String,
    number: i64,
    dated: String,
    sales: i64,
    state: String,
    record: String,
    error: String,
    class: String,
    label: &'static str,
    /// Page and number of each order in it, on the page of its day.
    orders: Vec<(String, String)>,
    units: Vec<String>,
}

struct KeyBox {
    key: String,
    link: &'static str,
    class: String,
    label: &'static str,
    break_kind: String,
    detail: String,
    due: String,
    sides: Vec<SideLine>,
}

struct SideLine {
    side: &'static str,
    amount: String,
    differs: bool,
    day: String,
    root: String,
    href: String,
    evidence: String,
}

/// Lines of one generation of one fact.
struct Entry {
    fact: String,
    day: String,
    booker: String,
    generation: i64,
    reversal: bool,
    memo: String,
    lines: Vec<EntryLine>,
}

struct EntryLine {
    role: String,
    qualifier: String,
    debit: String,
    credit: String,
    currency: String,
}

pub async fn show(
    State(state): Shared,
    Path(root): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageProblem> {
    let (shared, person) = (state.clone(), act::person(&headers));
    let shown = state.read(move |tx| order(tx, &shared, &root, person)).await?;
    let shown = shown.ok_or_else(|| Problem::not_found("this order"))?;
    Ok(page(StatusCode::OK, &shown)?)
}

fn order(
    tx: &mut Tx<'_>,
    state: &ServerState,
    wanted: &str,
    person: String,
) -> Result<Option<Order>, StoreError> {
    let Some(trace) = trace::trace(tx, wanted)? else { return Ok(None) };
    let root = documents::find_root(tx, &trace.root)?;
    let (kind, connection) =
        root.map_or((String::new(), String::new()), |root| (root.kind, root.connection));
    let is_sale = kind == "sale";
    let active = if is_sale { "orders" } else { "" };
    Ok(Some(Order {
        chrome: Chrome::new(tx, state, active)?,
        what: if is_sale { "Order".to_owned() } else { format::title(&kind) },
        is_sale,
        connection,
        links: link_boxes(&trace),
        captures: trace.captures.clone(),
        cases: cases(&trace),
        documents: trace.documents.iter().map(document).collect(),
        commands: trace.commands.iter().map(command).collect(),
        entries: trace.entries.iter().map(entry).collect(),
        keys: keys(&trace.keys),
        journal: journal(&trace.journal),
        can_invoice: is_sale && invoices::can_be_asked(tx, &trace.root)?,
        person,
        number: trace.number,
        root: trace.root,
        state: format::words(&trace.state),
        day: trace.day.unwrap_or_default(),
        amount: trace.amount.as_deref().map(shown_amount).unwrap_or_default(),
        entity: trace.entity.unwrap_or_default(),
        waiting: trace.waiting.unwrap_or_default(),
        mapping: trace.mapping_version.map(|version| version.to_string()).unwrap_or_default(),
    }))
}

fn entry(step: &EntryStep) -> EntryBox {
    let orders = step.orders.iter();
    let orders = orders.map(|one| (format::root_page(&one.root), one.number.clone()));
    EntryBox {
        href: format::root_page(&step.summary),
        page: super::entries::entry_page(&step.summary, step.number),
        summary: step.summary.clone(),
        number: step.number,
        dated: step.dated.clone(),
        sales: step.sales,
        state: step.state.clone().unwrap_or_else(|| "not asked for".to_owned()),
        record: step.record.clone().unwrap_or_default(),
        error: step.error.clone().unwrap_or_default(),
        label: status_label(&step.status),
        class: step.status.clone(),
        orders: orders.collect(),
        units: step.units.clone(),
    }
}

fn link_boxes(trace: &Trace) -> Vec<LinkBox> {
    LINKS
        .iter()
        .map(|&(word, name, ties)| {
            let status = trace.proof.iter().find(|(link, _)| link == word);
            let class = status.map_or("open", |(_, status)| status);
            LinkBox { name, ties, label: status_label(class), class: class.to_owned() }
        })
        .collect()
}

fn cases(trace: &Trace) -> Vec<CaseLine> {
    let mut lines: Vec<CaseLine> = trace
        .cases
        .iter()
        .map(|case| CaseLine {
            href: format!("/cases/{}", case.id),
            title: case.title.clone(),
            detail: case.detail.clone(),
            open: case.open,
        })
        .collect();
    lines.sort_by_key(|line| !line.open);
    lines
}

/// The few fields of a document that say most; the rest is one click away.
const TELLING: [(&str, &str); 14] = [
    ("total", "total"),
    ("amount", "amount"),
    ("gross", "gross"),
    ("fee", "fee"),
    ("net", "net"),
    ("status", "status"),
    ("payment_standing", "payment"),
    ("kind", "kind"),
    ("gateway", "gateway"),
    ("reason", "reason"),
    ("provider_id", "provider id"),
    ("text", "text"),
    ("company", "made out to"),
    ("vat_number", "VAT number"),
];

const WORDS: [&str; 3] = ["status", "payment_standing", "kind"];

fn document(step: &DocumentStep) -> DocumentLine {
    let says = TELLING
        .iter()
        .filter_map(|&(field, label)| {
            let value = match step.body.get(field)? {
                // Stable words are read as words; ids and texts stay as the source wrote them.
                serde_json::Value::String(text) if WORDS.contains(&field) => format::words(text),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Object(fields) => {
                    let amount = fields.get("amount")?.as_str()?;
                    let currency = fields.get("currency")?.as_str()?;
                    shown_amount(&format!("{amount} {currency}"))
                }
                _ => return None,
            };
            (!value.is_empty()).then_some((label, value))
        })
        .collect();
    DocumentLine {
        kind: format::title(&step.kind),
        external_id: step.external_id.clone(),
        message: step.message.clone(),
        origin: step.origin.clone(),
        received: format::time_text(&step.received_at),
        says,
        body: serde_json::to_string_pretty(&step.body).unwrap_or_default(),
    }
}

fn command(step: &CommandStep) -> CommandLine {
    CommandLine {
        kind: format::title(&step.kind),
        goods: step.goods.clone().unwrap_or_default(),
        key: step.key.clone(),
        class: match step.state.as_str() {
            "applied" => "proven",
            "refused" | "unknown" => "broken",
            "withdrawn" | "skipped" => "not_applicable",
            _ => "not_due",
        },
        state: step.state.clone(),
        binding: step.binding.clone().unwrap_or_default(),
        error: step.error.clone().unwrap_or_default(),
        attempts: step.attempts,
        skipped: step.skipped.as_ref().map_or_else(String::new, |skip| {
            let with = skip.with.as_ref().map(|head| format!(", with {head}"));
            let with = with.unwrap_or_default();
            format!("skipped by {}: {}{with}", skip.person, skip.reason)
        }),
        done: step.done_at.as_deref().map(format::time_text).unwrap_or_default(),
    }
}

/// The keys along the links, as the money goes.
fn keys(steps: &[KeyStep]) -> Vec<KeyBox> {
    const WORDS: [&str; 5] = ["order", "tax", "refund", "capture", "refund_paid"];
    let place = |key: &KeyBox| {
        let link = LINKS.iter().position(|(_, name, _)| *name == key.link);
        let word = key.key.split('/').next().unwrap_or_default();
        (link, WORDS.iter().position(|own| *own == word))
    };
    let mut boxes: Vec<KeyBox> = steps.iter().map(key).collect();
    boxes.sort_by(|left, right| (place(left), &left.key).cmp(&(place(right), &right.key)));
    boxes
}

fn key(step: &KeyStep) -> KeyBox {
    let word = step.key.split('/').next().unwrap_or_default();
    let link = match word {
        "order" | "tax" | "refund" => "Document",
        "payout" | "unpaid" => "Payout",
        "bank" => "Bank",
        _ => "Tender",
    };
    // The channel knows best what it sold; where it says nothing, the first side does.
    let best = step.sides.iter().find(|side| side.side == "channel").or(step.sides.first());
    let expected = best.map(|side| side.amount.clone());
    let mut stated: Vec<&SideStep> = step.sides.iter().collect();
    stated.sort_by_key(|side| Side::parse(&side.side));
    let sides = stated
        .into_iter()
        .map(|side| SideLine {
            side: side_name(&side.side),
            differs: step.status == "broken" && Some(&side.amount) != expected.as_ref(),
            amount: shown_amount(&side.amount),
            day: side.day.clone(),
            href: format::root_page(&side.root),
            root: side.root.clone(),
            evidence: side
                .evidence
                .iter()
                .filter(|text| !text.is_empty())
                .cloned()
                .collect::<Vec<_>>()
                .join(" · "),
        })
        .collect();
    KeyBox {
        key: step.key.clone(),
        link,
        label: status_label(&step.status),
        class: step.status.clone(),
        break_kind: step.break_kind.as_deref().map(format::words).unwrap_or_default(),
        detail: step.detail.clone(),
        due: step.due.clone().unwrap_or_default(),
        sides,
    }
}

pub fn side_name(word: &str) -> &'static str {
    match word {
        "channel" => "Channel",
        "books" => "Books",
        "settlement" => "Provider",
        "bank" => "Bank",
        _ => "Other",
    }
}

fn journal(lines: &[JournalStep]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        let same = |entry: &&mut Entry| {
            entry.fact == line.fact
                && entry.generation == line.generation
                && entry.reversal == line.reversal
        };
        let (number, currency) = line.amount.rsplit_once(' ').unwrap_or((&line.amount, ""));
        let negative = number.starts_with('-');
        let absolute = shown_number(number.trim_start_matches('-'), currency);
        let (debit, credit) =
            if negative { (String::new(), absolute) } else { (absolute, String::new()) };
        let new = EntryLine {
            role: format::words(&line.role),
            qualifier: line.qualifier.clone(),
            debit,
            credit,
            currency: currency.to_owned(),
        };
        match entries.last_mut().filter(same) {
            Some(entry) => entry.lines.push(new),
            None => entries.push(Entry {
                fact: line.fact.clone(),
                day: line.day.clone(),
                booker: line.booker.clone(),
                generation: line.generation,
                reversal: line.reversal,
                memo: line.memo.clone(),
                lines: vec![new],
            }),
        }
    }
    entries
}

/// An amount written as `1234.50 EUR`, as pages write it.
fn shown_amount(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((number, currency)) => format!("{} {currency}", shown_number(number, currency)),
        None => text.to_owned(),
    }
}

fn shown_number(number: &str, currency: &str) -> String {
    let parsed = trueup_domain::Currency::parse(currency)
        .ok()
        .and_then(|currency| Money::parse(number, currency).ok());
    parsed.map_or_else(|| number.to_owned(), |money| format::amount(money.minor(), currency))
}
