//! Entries that sum up sales (`POSTING.md` P5): what is asked before one is made, and its lines.
//!
//! Odoo books an order twice without a word, so invoices and receipts that name one of ours are looked
//! for. A tax line is what its repartition line says: where it goes and under which tags of the tax
//! report; Odoo keeps those that are given, and adds none.
//!
//! None of that concerns an entry that is there already: its reference holds a part of its key.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trueup_connect::conversation::Dispatch;
use trueup_connect::{CallError, DecodeError, ReceiptOutcome};
use trueup_domain::command::{AccountLine, Content, EntryContent, EntryTax};
use trueup_domain::document::{HeldAlready, Version};
use trueup_domain::money::Money;

use super::lookups::Found;
use crate::decode;
use crate::external_id;
use crate::load::Line;
use crate::outcome;
use crate::wire::Row;

pub(super) const MOVE_FIELDS: &[&str] =
    &["name", "ref", "invoice_origin", "date", "amount_total", "amount_tax", "currency_id"];
pub(super) const PART_FIELDS: &[&str] =
    &["tax_id", "document_type", "repartition_type", "factor_percent", "account_id", "tag_ids"];
/// One line of a tax's repartition.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Part {
    id: i64,
    tax: i64,
    refund: bool,
    base: bool,
    /// In percent.
    factor: Decimal,
    account: Option<i64>,
    tags: Vec<i64>,
}

/// A document of Odoo that names orders.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Naming {
    names: Vec<String>,
    held: HeldAlready,
}

fn entries<'a>(
    contents: impl Iterator<Item = &'a Content>,
) -> impl Iterator<Item = &'a EntryContent> {
    contents.filter_map(|content| match content {
        Content::Entry(entry) => Some(entry),
        _ => None,
    })
}

fn numbers<'a>(contents: impl Iterator<Item = &'a Content>) -> BTreeSet<&'a str> {
    entries(contents).flat_map(|entry| &entry.orders).map(|order| order.number.as_str()).collect()
}

pub(super) fn is_taxed(content: &Content) -> bool {
    matches!(content, Content::Entry(it)
        if !it.taxes.is_empty() || it.lines.iter().any(|line| !line.taxes.is_empty()))
}

pub(super) fn names_orders(content: &Content) -> bool {
    matches!(content, Content::Entry(it) if !it.orders.is_empty())
}

pub(super) fn parts_domain<'a>(contents: impl Iterator<Item = &'a Content>) -> Value {
    let mut taxes = BTreeSet::new();
    for entry in entries(contents) {
        let named = entry.lines.iter().flat_map(|line| &line.taxes);
        let named = named.chain(entry.taxes.iter().map(|tax| &tax.tax));
        taxes.extend(named.filter_map(|tax| tax.parse::<i64>().ok()));
    }
    json!([["tax_id", "in", taxes]])
}

pub(super) fn made_domain<'a>(commands: impl Iterator<Item = &'a Dispatch>) -> Value {
    let own = commands.filter_map(|dispatch| match &dispatch.content {
        Content::Entry(entry) => Some(reference(&dispatch.key, entry)),
        _ => None,
    });
    json!([["move_type", "=", "entry"], ["ref", "in", own.collect::<Vec<_>>()]])
}

pub(super) fn invoices_domain<'a>(contents: impl Iterator<Item = &'a Content>) -> Value {
    let numbers = numbers(contents);
    json!([
        ["move_type", "in", ["out_invoice", "out_receipt"]],
        ["state", "!=", "cancel"],
        "|",
        ["ref", "in", numbers],
        ["invoice_origin", "in", numbers],
    ])
}

pub(super) fn part(row: &Row) -> Result<Part, DecodeError> {
    Ok(Part {
        id: row.id()?,
        tax: row.reference_id("tax_id")?,
        refund: row.word("document_type")? == "refund",
        base: row.word("repartition_type")? == "base",
        factor: row.number("factor_percent")?.decimal("factor_percent")?,
        account: row.reference("account_id")?.map(|(id, _)| id),
        tags: row.ids("tag_ids")?,
    })
}

/// An invoice or a receipt.
pub(super) fn naming(row: &Row) -> Result<Naming, DecodeError> {
    let currency = row.currency("currency_id")?;
    let mut names = Vec::new();
    for field in ["ref", "invoice_origin"] {
        names.extend(row.text(field)?);
    }
    let held = HeldAlready {
        id: String::new(),
        version: Version(0),
        record: format!("{}/{}", decode::MOVE, row.id()?),
        name: row.text("name")?.filter(|name| name != "/"),
        date: row.date("date")?,
        total: row.money("amount_total", currency)?,
        tax: row.money("amount_tax", currency)?,
    };
    Ok(Naming { names, held })
}

/// Shown to people, and found again by: a part of the key makes it one of its kind.
pub(super) fn reference(key: &str, entry: &EntryContent) -> String {
    let own = external_id::of(trueup_domain::command::CommandKind::Entry, key);
    let own = own.rsplit('_').next().unwrap_or_default();
    format!("{} ({})", entry.reference, own.chars().take(8).collect::<String>())
}

/// Whether an entry is there already.
pub(super) fn is_made(found: &Found, dispatch: &Dispatch) -> bool {
    match &dispatch.content {
        Content::Entry(entry) => found.made.contains(&reference(&dispatch.key, entry)),
        _ => false,
    }
}

/// Why an entry is not made; nothing for one that is there.
pub(super) fn trouble(found: &Found, dispatch: &Dispatch) -> Option<ReceiptOutcome> {
    let Content::Entry(entry) = &dispatch.content else { return None };
    if is_made(found, dispatch) {
        return None;
    }
    let refused = |error| Some(ReceiptOutcome::Refused { error });
    if let Some(error) = not_carried(found, entry) {
        return refused(error);
    }
    let held = held(found, entry);
    if !held.is_empty() {
        return Some(ReceiptOutcome::HeldAlready { orders: held });
    }
    None
}

fn held(found: &Found, entry: &EntryContent) -> Vec<HeldAlready> {
    let mut held = Vec::new();
    for order in &entry.orders {
        let by = found.named.iter().find(|naming| naming.names.contains(&order.number));
        held.extend(by.map(|by| HeldAlready { id: order.id.clone(), ..by.held.clone() }));
    }
    held
}

/// A tax that one line cannot carry, or that says nothing of where it goes.
fn not_carried(found: &Found, entry: &EntryContent) -> Option<CallError> {
    entry.taxes.iter().find_map(|tax| {
        let why = match parts(found, &tax.tax, tax.refund, false).as_slice() {
            [one] if one.factor == Decimal::ONE_HUNDRED && one.account.is_some() => return None,
            [one] if one.factor == Decimal::ONE_HUNDRED => "has no account for its amount",
            [] => "is not there, or has no line for its amount",
            _ => "is divided among several accounts",
        };
        let document = if tax.refund { "refunds" } else { "invoices" };
        let why = format!("the tax {} of Odoo {why} on {document}: mend its distribution", tax.tax);
        Some(outcome::refused("tax_not_carried", &why))
    })
}

fn parts<'a>(found: &'a Found, tax: &str, refund: bool, base: bool) -> Vec<&'a Part> {
    let id: Option<i64> = tax.parse().ok();
    let of = |part: &&Part| Some(part.tax) == id && part.refund == refund && part.base == base;
    found.parts.iter().filter(of).collect()
}

pub(super) const LINES: &[&str] = &[
    "line_ids/account_id/.id",
    "line_ids/name",
    "line_ids/currency_id/.id",
    "line_ids/amount_currency",
    "line_ids/tax_ids/.id",
    "line_ids/tax_repartition_line_id/.id",
    "line_ids/tax_tag_ids/.id",
];

pub(super) fn lines(it: &EntryContent, found: &Found, currency: i64) -> Vec<Line> {
    let row = |account: String, name: &str, amount: Money, taxes, part, tags| Line {
        group: 0,
        cells: vec![
            account,
            name.to_owned(),
            currency.to_string(),
            amount.amount_text(),
            taxes,
            part,
            tags,
        ],
    };
    let base = |line: &AccountLine| {
        let own = line.taxes.iter().flat_map(|tax| parts(found, tax, line.refund, true));
        let tags = list(own.flat_map(|part| &part.tags).map(i64::to_string));
        let taxes = list(line.taxes.iter().cloned());
        row(line.account.clone(), &line.name, line.amount, taxes, String::new(), tags)
    };
    let tax = |tax: &EntryTax| {
        let part = parts(found, &tax.tax, tax.refund, false).first().copied();
        let account = part.and_then(|part| part.account).map(|id| id.to_string());
        let tags = list(part.iter().flat_map(|part| &part.tags).map(i64::to_string));
        let part = part.map(|part| part.id.to_string());
        let none = String::new();
        row(
            account.unwrap_or_default(),
            &tax.name,
            tax.amount,
            none,
            part.unwrap_or_default(),
            tags,
        )
    };
    it.lines.iter().map(base).chain(it.taxes.iter().map(tax)).collect()
}

fn list(ids: impl Iterator<Item = String>) -> String {
    let ids: BTreeSet<String> = ids.collect();
    ids.into_iter().collect::<Vec<_>>().join(",")
}
