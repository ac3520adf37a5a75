//! Content to rows of `load()`. Every column that Odoo would compute is given: it is exact, and on
//! orders five times as fast.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use trueup_connect::conversation::Dispatch;
use trueup_connect::{CallError, Settings};
use trueup_domain::command::{
    CommandKind, Content, CreditNoteContent, CustomerRef, Direction, DocumentLine, EntryContent,
    InvoiceContent, OrderContent, Partner, PaymentContent,
};
use trueup_domain::document::Address;
use trueup_domain::money::Money;
use trueup_domain::planted::planted;

use trueup_domain::derive::sale::DELIVERY;

use super::chain::{Chain, Item};
use super::lookups::{self, Found};
use super::{bound, bound_id, entries};
use crate::decode;
use crate::external_id;
use crate::load::{Line, Table};
use crate::settings::SHIPPING_FLAG;
use crate::tax_data;

pub(super) fn table(chain: &Chain, settings: &Settings, batch: &[usize]) -> Table {
    let items: Vec<&Item> = batch.iter().filter_map(|index| chain.items.get(*index)).collect();
    let flag = settings.get(SHIPPING_FLAG) == Some("yes");
    let any = |has: fn(&Content) -> bool| items.iter().any(|it| has(&it.dispatch.content));
    let columns = PartnerColumns { vat: any(has_vat_number), parent: any(is_address) };
    let mut table = empty(chain.kind, &items, flag);
    for item in items {
        let dispatch = &item.dispatch;
        let mut key = external_id::of(chain.kind, &dispatch.key);
        if dispatch.again && planted("a_second_try_has_its_own_key") {
            key.push_str("_again");
        }
        let customer = customer(dispatch).ok().flatten().unwrap_or_default();
        let (head, lines) = match &dispatch.content {
            Content::Partner(it) => (partner(key, it, customer, &chain.found, columns), Vec::new()),
            Content::Order(it) => {
                let delivery = dispatch.bindings.get(DELIVERY).cloned();
                let places = (customer.clone(), delivery.unwrap_or(customer));
                order(key, places, it, &chain.found, flag)
            }
            Content::Invoice(it) => invoice(key, &customer, item, it, &chain.found),
            Content::CreditNote(it) => credit_note(key, &customer, item, it, &chain.found),
            Content::Payment(it) => {
                (payment(key, &customer, item.booked_on, it, &chain.found), Vec::new())
            }
            Content::Entry(it) => entry(key, dispatch, it, &chain.found),
            // They make no record of their own, so they are never loaded.
            Content::Reconciliation(_)
            | Content::Cancellation(_)
            | Content::Goods(_)
            | Content::Transfer(_) => continue,
        };
        table.record(head, &lines);
    }
    table
}

const PARTNER: &[&str] = &[
    "id",
    "ref",
    "name",
    "email",
    "phone",
    "street",
    "street2",
    "city",
    "zip",
    "country_id/.id",
    "state_id/.id",
    "company_name",
];
const ORDER: &[&str] = &[
    "id",
    "client_order_ref",
    "origin",
    "partner_id/.id",
    "partner_invoice_id/.id",
    "partner_shipping_id/.id",
    "date_order",
    "fiscal_position_id/.id",
    "payment_term_id/.id",
    "user_id/.id",
    "team_id/.id",
    "note",
    "require_signature",
    "require_payment",
    "validity_date",
];
const ORDER_LINES: &[&str] = &[
    "order_line/sequence",
    "order_line/product_id/.id",
    "order_line/name",
    "order_line/product_uom_qty",
    "order_line/product_uom_id/.id",
    "order_line/price_unit",
    "order_line/technical_price_unit",
    "order_line/discount",
    "order_line/customer_lead",
    "order_line/tax_ids/.id",
    "order_line/extra_tax_data",
];
const MOVE: &[&str] = &[
    "id",
    "move_type",
    "journal_id/.id",
    "partner_id/.id",
    "ref",
    "invoice_date",
    "date",
    "invoice_date_due",
    "currency_id/.id",
    "fiscal_position_id/.id",
    "invoice_payment_term_id/.id",
];
const MOVE_LINES: &[&str] = &[
    "invoice_line_ids/sequence",
    "invoice_line_ids/product_id/.id",
    "invoice_line_ids/name",
    "invoice_line_ids/quantity",
    "invoice_line_ids/price_unit",
    "invoice_line_ids/discount",
    "invoice_line_ids/tax_ids/.id",
    "invoice_line_ids/extra_tax_data",
];
/// An empty account cell means "no account", and Odoo refuses the line; so lines on an account
/// come through the other field for lines, which Odoo merges with the first. Such a line may name
/// a product as well: its cost follows the product, its amount the account.
const MOVE_ACCOUNT_LINES: &[&str] = &[
    "line_ids/sequence",
    "line_ids/account_id/.id",
    "line_ids/product_id/.id",
    "line_ids/name",
    "line_ids/quantity",
    "line_ids/price_unit",
    "line_ids/discount",
    "line_ids/tax_ids/.id",
    "line_ids/extra_tax_data",
];
const PAYMENT: &[&str] = &[
    "id",
    "payment_type",
    "partner_type",
    "partner_id/.id",
    "amount",
    "currency_id/.id",
    "date",
    "journal_id/.id",
    "payment_method_line_id/.id",
    "memo",
    "payment_reference",
];
const ENTRY: &[&str] = &["id", "move_type", "journal_id/.id", "ref", "date", "currency_id/.id"];

/// The fields that are always sent, by model: those of a record, and those of its lines.
pub(crate) fn columns() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let sent = [
        ("res.partner", PARTNER),
        (decode::ORDER, ORDER),
        (decode::ORDER, ORDER_LINES),
        (decode::MOVE, MOVE),
        (decode::MOVE, MOVE_LINES),
        (decode::MOVE, MOVE_ACCOUNT_LINES),
        (decode::MOVE, ENTRY),
        (decode::MOVE, entries::LINES),
        (decode::PAYMENT, PAYMENT),
    ];
    let mut columns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (model, sent) in sent {
        for column in sent {
            let mut model = model;
            let mut rest = *column;
            for (lines, of) in [
                ("order_line", "sale.order.line"),
                ("invoice_line_ids", "account.move.line"),
                ("line_ids", "account.move.line"),
            ] {
                if let Some(field) = rest.strip_prefix(lines).and_then(|it| it.strip_prefix('/')) {
                    columns.entry(model).or_default().insert(lines);
                    (model, rest) = (of, field);
                }
            }
            let field = rest.split('/').next().unwrap_or_default();
            // The external id is no field of the record.
            if !matches!(field, "id" | ".id" | "") {
                columns.entry(model).or_default().insert(field);
            }
        }
    }
    columns
}

/// Columns that only some commands fill. An empty cell would mean "none" rather than "default", so
/// they are there when the command that needs them is.
fn empty(kind: CommandKind, items: &[&Item], shipping_flag: bool) -> Table {
    match kind {
        CommandKind::Partner => {
            let mut head = PARTNER.to_vec();
            if items.iter().any(|it| has_vat_number(&it.dispatch.content)) {
                head.push("vat");
            }
            if items.iter().any(|it| is_address(&it.dispatch.content)) {
                head.extend(["parent_id/.id", "type"]);
            }
            Table::new(&head, &[])
        }
        CommandKind::Order => {
            let mut head = ORDER.to_vec();
            let some = |given: fn(&OrderContent) -> bool| {
                items
                    .iter()
                    .any(|it| matches!(&it.dispatch.content, Content::Order(order) if given(order)))
            };
            if some(|it| it.pricelist.is_some()) {
                head.push("pricelist_id/.id");
            }
            if some(|it| it.warehouse.is_some()) {
                head.push("warehouse_id/.id");
            }
            let mut lines = ORDER_LINES.to_vec();
            if shipping_flag {
                lines.push("order_line/is_delivery");
            }
            Table::new(&head, &[&lines])
        }
        CommandKind::Invoice => {
            let mut head = MOVE.to_vec();
            head.push("invoice_origin");
            let mut lines = MOVE_LINES.to_vec();
            lines.push("invoice_line_ids/sale_line_ids/.id");
            move_table(&head, &lines, items)
        }
        CommandKind::CreditNote => {
            let mut head = MOVE.to_vec();
            head.push("reversed_entry_id/.id");
            move_table(&head, MOVE_LINES, items)
        }
        CommandKind::Payment => Table::new(PAYMENT, &[]),
        CommandKind::Entry
        | CommandKind::Reconciliation
        | CommandKind::Cancellation
        | CommandKind::Goods => Table::new(ENTRY, &[entries::LINES]),
    }
}

fn has_vat_number(content: &Content) -> bool {
    matches!(content, Content::Partner(it) if it.buyer.vat_number.is_some())
}

fn is_address(content: &Content) -> bool {
    matches!(content, Content::Partner(it) if it.address_of.is_some())
}

/// Whether a move has lines on an account. Odoo cannot read a record that leaves the field for
/// those empty, so what goes in one call has such lines throughout or not at all.
pub(super) fn on_account(content: &Content) -> bool {
    match content {
        Content::Invoice(it) => it.lines.iter().any(|line| line.account.is_some()),
        Content::CreditNote(it) => it.lines.iter().any(|line| line.account.is_some()),
        _ => false,
    }
}

fn move_table(head: &[&'static str], lines: &[&'static str], items: &[&Item]) -> Table {
    if items.iter().any(|it| on_account(&it.dispatch.content)) {
        Table::new(head, &[lines, MOVE_ACCOUNT_LINES])
    } else {
        Table::new(head, &[lines])
    }
}

/// Billing first: it is the address on the invoice.
pub(super) fn address(partner: &Partner) -> Option<&Address> {
    partner.buyer.billing.as_ref().or(partner.buyer.shipping.as_ref())
}

/// The columns of customers that only some fill.
#[derive(Clone, Copy)]
struct PartnerColumns {
    vat: bool,
    parent: bool,
}

fn partner(
    key: String,
    it: &Partner,
    parent: String,
    found: &Found,
    columns: PartnerColumns,
) -> Vec<String> {
    let none = Address::default();
    let at = address(it).unwrap_or(&none);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let buyer = &it.buyer;
    let names = [&buyer.name, &at.name, &buyer.company, &buyer.email, &at.street, &at.city];
    let name = names.into_iter().flatten().find(|name| !name.trim().is_empty());
    let content = Content::Partner(it.clone());
    let (country, region) = lookups::place(&content);
    let state = country.as_ref().zip(region).map(|(country, region)| format!("{country}-{region}"));
    let id = |found: Option<&i64>| found.map(i64::to_string).unwrap_or_default();
    let mut cells = vec![
        key,
        it.reference.clone(),
        name.cloned().unwrap_or_else(|| it.reference.clone()),
        text(&buyer.email),
        buyer.phone.clone().or_else(|| at.phone.clone()).unwrap_or_default(),
        text(&at.street),
        text(&at.street2),
        text(&at.city),
        text(&at.postcode),
        id(country.and_then(|code| found.countries.get(&code))),
        id(state.and_then(|key| found.states.get(&key))),
        buyer.company.clone().or_else(|| at.company.clone()).unwrap_or_default(),
    ];
    if columns.vat {
        cells.push(text(&buyer.vat_number));
    }
    if columns.parent {
        // A contact without a type is none that Odoo would keep.
        let kind = if it.address_of.is_some() { "delivery" } else { "contact" };
        cells.extend([parent, kind.to_owned()]);
    }
    cells
}

fn order(
    key: String,
    (customer, delivery): (String, String),
    it: &OrderContent,
    found: &Found,
    flag: bool,
) -> (Vec<String>, Vec<Line>) {
    let mut head = vec![
        key,
        it.customer_reference.as_ref().unwrap_or(&it.reference).clone(),
        it.origin.clone(),
        customer.clone(),
        customer,
        delivery,
        moment(it.placed_at),
    ];
    head.extend(nothing(5));
    head.extend(["False".to_owned(), "False".to_owned(), String::new()]);
    head.extend(it.pricelist.clone());
    head.extend(it.warehouse.clone());
    let currency = currency_id(found, it.total);
    let lines = it.lines.iter().enumerate().map(|(index, line)| {
        let unit = line.product.as_deref().and_then(|id| found.units.get(&id.parse().ok()?));
        let mut cells = vec![
            (index + 1).to_string(),
            line.product.clone().unwrap_or_default(),
            name(line),
            line.quantity.normalize().to_string(),
            unit.map(i64::to_string).unwrap_or_default(),
            line.unit_price.normalize().to_string(),
            line.unit_price.normalize().to_string(),
            "0".to_owned(),
            "0".to_owned(),
            tax_data::ids(line),
            tax_data::cell(line, currency),
        ];
        if flag {
            cells.push(if line.shipping { "True" } else { "False" }.to_owned());
        }
        Line { group: 0, cells }
    });
    (head, lines.collect())
}

#[expect(clippy::too_many_arguments, reason = "one row, its cells named at the call")]
fn move_head(
    key: String,
    move_type: &str,
    journal: &str,
    customer: &str,
    reference: &str,
    date: Date,
    booked_on: Option<Date>,
    due_on: Option<Date>,
    currency: i64,
    last: String,
) -> Vec<String> {
    let due_on = due_on.unwrap_or(date).to_string();
    let booked_on = booked_on.unwrap_or(date).to_string();
    vec![
        key,
        move_type.to_owned(),
        journal.to_owned(),
        customer.to_owned(),
        reference.to_owned(),
        // The document keeps its own day, also where its period is closed.
        date.to_string(),
        booked_on,
        due_on,
        currency.to_string(),
        String::new(),
        String::new(),
        last,
    ]
}

fn invoice(
    key: String,
    customer: &str,
    item: &Item,
    it: &InvoiceContent,
    found: &Found,
) -> (Vec<String>, Vec<Line>) {
    let order = bound_id(&item.dispatch, "order").ok();
    let order_lines = order.and_then(|order| found.order_lines.get(&order));
    let billed = lookups::billed(order_lines.map_or(&[], Vec::as_slice), &it.lines);
    let currency = currency_id(found, it.total);
    let reference = it.reference.clone();
    let head = move_head(
        key,
        "out_invoice",
        &it.journal,
        customer,
        it.customer_reference.as_ref().unwrap_or(&it.reference),
        it.date,
        item.booked_on,
        it.due_on,
        currency,
        reference,
    );
    let lines = it.lines.iter().zip(billed).enumerate().map(|(index, (line, billed))| {
        let mut row = move_line(index, line, currency);
        if row.group == 0 {
            row.cells.push(billed.map(|id| id.to_string()).unwrap_or_default());
        }
        row
    });
    (head, lines.collect())
}

fn credit_note(
    key: String,
    customer: &str,
    item: &Item,
    it: &CreditNoteContent,
    found: &Found,
) -> (Vec<String>, Vec<Line>) {
    let currency = currency_id(found, it.total);
    let reference = match it.reason.as_str() {
        "" => it.reference.clone(),
        reason => format!("{}, {reason}", it.reference),
    };
    let reversed = bound_id(&item.dispatch, "invoice").map(|id| id.to_string()).unwrap_or_default();
    let head = move_head(
        key,
        "out_refund",
        &it.journal,
        customer,
        &reference,
        it.date,
        item.booked_on,
        None,
        currency,
        reversed,
    );
    let lines = it.lines.iter().enumerate().map(|(index, line)| move_line(index, line, currency));
    (head, lines.collect())
}

fn move_line(index: usize, line: &DocumentLine, currency: i64) -> Line {
    let product = line.product.clone().unwrap_or_default();
    let (group, what) = match &line.account {
        Some(account) => (1, vec![account.clone(), product]),
        None => (0, vec![product]),
    };
    let mut cells = vec![(index + 1).to_string()];
    cells.extend(what);
    cells.extend([
        name(line),
        line.quantity.normalize().to_string(),
        line.unit_price.normalize().to_string(),
        "0".to_owned(),
        tax_data::ids(line),
        tax_data::cell(line, currency),
    ]);
    Line { group, cells }
}

fn payment(
    key: String,
    customer: &str,
    booked_on: Option<Date>,
    it: &PaymentContent,
    found: &Found,
) -> Vec<String> {
    let direction = match it.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    };
    vec![
        key,
        direction.to_owned(),
        "customer".to_owned(),
        customer.to_owned(),
        it.amount.amount_text(),
        currency_id(found, it.amount).to_string(),
        booked_on.unwrap_or(it.date).to_string(),
        it.journal.clone(),
        it.method_line.clone(),
        it.memo.clone(),
        it.memo.clone(),
    ]
}

fn entry(
    key: String,
    dispatch: &Dispatch,
    it: &EntryContent,
    found: &Found,
) -> (Vec<String>, Vec<Line>) {
    let currency = it.lines.first().map_or(0, |line| currency_id(found, line.amount));
    let head = vec![
        key,
        "entry".to_owned(),
        it.journal.clone(),
        entries::reference(&dispatch.key, it),
        it.date.to_string(),
        currency.to_string(),
    ];
    (head, entries::lines(it, found, currency))
}

/// Odoo's `2026-11-21 09:42:03`, in UTC.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn nothing(cells: usize) -> impl Iterator<Item = String> {
    std::iter::repeat_n(String::new(), cells)
}

/// Odoo insists on a text.
fn name(line: &DocumentLine) -> String {
    if line.name.trim().is_empty() { line.part.clone() } else { line.name.clone() }
}

fn currency_id(found: &Found, amount: Money) -> i64 {
    found.currencies.get(amount.currency().code()).copied().unwrap_or_default()
}

/// The customer of a document; `None` for what has none.
pub(super) fn customer(dispatch: &Dispatch) -> Result<Option<String>, CallError> {
    let customer = match &dispatch.content {
        Content::Order(it) => &it.customer,
        Content::Invoice(it) => &it.customer,
        Content::CreditNote(it) => &it.customer,
        Content::Payment(it) => &it.customer,
        Content::Partner(Partner { address_of: Some(customer), .. }) => customer,
        Content::Partner(_)
        | Content::Reconciliation(_)
        | Content::Cancellation(_)
        | Content::Entry(_)
        | Content::Goods(_)
        | Content::Transfer(_) => return Ok(None),
    };
    let text = match customer {
        CustomerRef::Bound => bound(dispatch, "customer")?,
        CustomerRef::Fixed(id) => id,
    };
    crate::request::id(text).map(|id| Some(id.to_string()))
}

/// Every reference to a record of Odoo that the mapping put into a command.
pub(super) fn references(content: &Content) -> Box<dyn Iterator<Item = &str> + '_> {
    fn of(lines: &[DocumentLine]) -> impl Iterator<Item = &str> {
        lines.iter().flat_map(|line| {
            let taxes = line.taxes.iter().map(|tax| tax.tax.as_str());
            line.product.as_deref().into_iter().chain(line.account.as_deref()).chain(taxes)
        })
    }
    match content {
        Content::Order(it) => {
            Box::new(of(&it.lines).chain(it.pricelist.as_deref()).chain(it.warehouse.as_deref()))
        }
        Content::Invoice(it) => Box::new(of(&it.lines).chain([it.journal.as_str()])),
        Content::CreditNote(it) => Box::new(of(&it.lines).chain([it.journal.as_str()])),
        Content::Payment(it) => {
            Box::new([it.journal.as_str(), it.method_line.as_str()].into_iter())
        }
        Content::Entry(it) => {
            let accounts = it.lines.iter().map(|line| line.account.as_str());
            let taxes = it.lines.iter().flat_map(|line| &line.taxes).map(String::as_str);
            let owed = it.taxes.iter().map(|tax| tax.tax.as_str());
            Box::new(accounts.chain(taxes).chain(owed).chain([it.journal.as_str()]))
        }
        Content::Goods(it) => Box::new(it.lines.iter().map(|line| line.product.as_str())),
        Content::Transfer(it) => {
            let lines = it.out.iter().chain(&it.back).map(|line| line.product.as_str());
            Box::new(lines.chain([it.location.as_str()]))
        }
        Content::Partner(_) | Content::Reconciliation(_) | Content::Cancellation(_) => {
            Box::new(std::iter::empty())
        }
    }
}

/// Lines are needed no more once they are loaded, and the state is written at each step.
pub(super) fn forget_lines(content: &mut Content) {
    match content {
        Content::Order(it) => it.lines.clear(),
        Content::Invoice(it) => it.lines.clear(),
        Content::CreditNote(it) => it.lines.clear(),
        // An entry's lines are its total.
        Content::Entry(_)
        | Content::Partner(_)
        | Content::Payment(_)
        | Content::Reconciliation(_)
        | Content::Cancellation(_)
        | Content::Goods(_)
        | Content::Transfer(_) => {}
    }
}
