//! Ids that the content names in other words: currencies, countries, states, units of measure, the
//! order's lines that an invoice bills; and the currency that Odoo would give an order.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_connect::{CallError, ReceiptOutcome, Request, Settings};
use trueup_domain::command::{CommandKind, Content, DocumentLine, OrderContent};
use trueup_domain::money::Currency;

use super::customers::{self, Known};
use super::locks::{self, Locks};
use super::{Chain, bound_id, entries};
use crate::outcome;
use crate::request;
use crate::wire::{self, Row};

/// What an older version stored half way lacks what came in later.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    /// Those in use.
    pub currencies: BTreeMap<String, i64>,
    /// Those that Odoo knows and nobody has activated.
    inactive: BTreeSet<String>,
    /// The currency of each price list that an order names.
    pricelists: BTreeMap<i64, String>,
    /// The company's currency, where an order names no price list.
    own: Option<String>,
    pub countries: BTreeMap<String, i64>,
    /// By `US-NY`.
    pub states: BTreeMap<String, i64>,
    /// Who may be one of the buyers.
    pub customers: Vec<Known>,
    /// By product.
    pub units: BTreeMap<i64, i64>,
    /// By order.
    pub order_lines: BTreeMap<i64, Vec<OrderLine>>,
    pub locks: Locks,
    /// Of the taxes that entries name.
    pub parts: Vec<entries::Part>,
    /// References of entries that are there.
    pub made: BTreeSet<String>,
    /// Documents that name orders of entries.
    pub named: Vec<entries::Naming>,
    /// Receipts that wait for the lines of their moves.
    pub applied: BTreeMap<usize, ReceiptOutcome>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OrderLine {
    pub id: i64,
    product: Option<i64>,
    name: String,
    price: Decimal,
}

/// The look-ups of a kind, in order.
#[derive(Clone, Copy)]
enum LookUp {
    Currencies,
    Countries,
    States,
    Customers,
    Units,
    OrderLines,
    Pricelists,
    Company,
    Locks,
    Parts,
    Made,
    Invoices,
}

const fn of(kind: CommandKind) -> &'static [LookUp] {
    match kind {
        CommandKind::Partner => &[LookUp::Countries, LookUp::States, LookUp::Customers],
        CommandKind::Order => {
            &[LookUp::Currencies, LookUp::Units, LookUp::Pricelists, LookUp::Company]
        }
        CommandKind::Invoice => &[LookUp::Currencies, LookUp::OrderLines, LookUp::Locks],
        CommandKind::CreditNote | CommandKind::Payment => &[LookUp::Currencies, LookUp::Locks],
        CommandKind::Entry => {
            &[LookUp::Currencies, LookUp::Parts, LookUp::Made, LookUp::Locks, LookUp::Invoices]
        }
        CommandKind::Reconciliation | CommandKind::Cancellation | CommandKind::Goods => &[],
    }
}

/// The first look-up from `number` on that a command needs, or `None` when all are done.
pub(super) fn next(chain: &Chain, number: usize) -> Option<usize> {
    let needs = |look_up: &LookUp| match look_up {
        LookUp::States => contents(chain).any(|it| place(it).1.is_some()),
        LookUp::Pricelists => contents(chain).any(|it| pricelist(it).is_some()),
        LookUp::Company => contents(chain).any(|it| pricelist(it).is_none()),
        LookUp::Customers => contents(chain).any(is_customer),
        LookUp::Parts => contents(chain).any(entries::is_taxed),
        LookUp::Invoices => contents(chain).any(entries::names_orders),
        LookUp::Currencies
        | LookUp::Countries
        | LookUp::Units
        | LookUp::OrderLines
        | LookUp::Made
        | LookUp::Locks => true,
    };
    let from = of(chain.kind).iter().enumerate().skip(number);
    from.filter(|(_, look_up)| needs(look_up)).map(|(number, _)| number).next()
}

/// The request of look-up `number`, or `None` where there is none of that number.
pub(super) fn request(chain: &Chain, settings: &Settings, number: usize) -> Option<Request> {
    let read = |model, domain, fields: &[&str], order| {
        request::search_read(settings, chain.company, model, &domain, fields, order)
    };
    Some(match of(chain.kind).get(number)? {
        LookUp::Currencies => {
            let names: BTreeSet<&str> =
                contents(chain).filter_map(currency).map(Currency::code).collect();
            read("res.currency", json!([["name", "in", names]]), &["name", "active"], "id")
        }
        LookUp::Countries => {
            let codes: BTreeSet<String> = contents(chain).filter_map(|it| place(it).0).collect();
            read("res.country", json!([["code", "in", codes]]), &["code"], "id")
        }
        LookUp::States => {
            let places: Vec<(Option<String>, Option<String>)> =
                contents(chain).map(place).collect();
            let countries: BTreeSet<i64> = chain.found.countries.values().copied().collect();
            let codes: BTreeSet<String> =
                places.into_iter().filter_map(|(_, region)| region).collect();
            let domain = json!([["country_id", "in", countries], ["code", "in", codes]]);
            read("res.country.state", domain, &["code", "country_id"], "id")
        }
        LookUp::Customers => {
            let partners = contents(chain).filter_map(|it| match it {
                Content::Partner(partner) => Some(partner),
                _ => None,
            });
            let domain = customers::domain(settings, partners);
            read("res.partner", domain, customers::FIELDS, "id")
        }
        LookUp::Units => {
            let products: BTreeSet<i64> = contents(chain)
                .flat_map(lines)
                .filter_map(|line| line.product.as_deref()?.parse().ok())
                .collect();
            read("product.product", json!([["id", "in", products]]), &["uom_id"], "id")
        }
        LookUp::OrderLines => {
            let items = chain.items.iter();
            let orders: BTreeSet<i64> =
                items.filter_map(|it| bound_id(&it.dispatch, "order").ok()).collect();
            let fields = ["order_id", "product_id", "name", "price_unit"];
            let domain = json!([["order_id", "in", orders], ["display_type", "=", false]]);
            read("sale.order.line", domain, &fields, "order_id, sequence, id")
        }
        LookUp::Pricelists => {
            let ids: BTreeSet<i64> =
                contents(chain).filter_map(|it| pricelist(it)?.parse().ok()).collect();
            read("product.pricelist", json!([["id", "in", ids]]), &["currency_id"], "id")
        }
        LookUp::Company => {
            read("res.company", json!([["id", "=", chain.company]]), &["currency_id"], "id")
        }
        LookUp::Locks => {
            read("res.company", json!([["id", "=", chain.company]]), locks::FIELDS, "id")
        }
        LookUp::Parts => {
            let domain = entries::parts_domain(contents(chain));
            read("account.tax.repartition.line", domain, entries::PART_FIELDS, "id")
        }
        LookUp::Made => {
            let commands = chain.items.iter().map(|item| &item.dispatch);
            read(crate::decode::MOVE, entries::made_domain(commands), &["ref"], "id")
        }
        LookUp::Invoices => {
            let domain = entries::invoices_domain(contents(chain));
            read(crate::decode::MOVE, domain, entries::MOVE_FIELDS, "id")
        }
    })
}

fn is_customer(content: &Content) -> bool {
    matches!(content, Content::Partner(it) if it.address_of.is_none())
}

fn contents(chain: &Chain) -> impl Iterator<Item = &Content> {
    chain.items.iter().map(|item| &item.dispatch.content)
}

fn lines(content: &Content) -> &[DocumentLine] {
    match content {
        Content::Order(it) => &it.lines,
        Content::Invoice(it) => &it.lines,
        Content::CreditNote(it) => &it.lines,
        Content::Partner(_)
        | Content::Payment(_)
        | Content::Reconciliation(_)
        | Content::Cancellation(_)
        | Content::Entry(_)
        | Content::Goods(_)
        | Content::Transfer(_) => &[],
    }
}

pub(super) fn currency(content: &Content) -> Option<Currency> {
    match content {
        Content::Order(it) => Some(it.total.currency()),
        Content::Invoice(it) => Some(it.total.currency()),
        Content::CreditNote(it) => Some(it.total.currency()),
        Content::Payment(it) => Some(it.amount.currency()),
        Content::Entry(it) => it.lines.first().map(|line| line.amount.currency()),
        Content::Partner(_)
        | Content::Reconciliation(_)
        | Content::Cancellation(_)
        | Content::Goods(_)
        | Content::Transfer(_) => None,
    }
}

fn pricelist(content: &Content) -> Option<&str> {
    let Content::Order(order) = content else { return None };
    order.pricelist.as_deref()
}

/// Country and region of a customer's address, upper case.
pub(super) fn place(content: &Content) -> (Option<String>, Option<String>) {
    let Content::Partner(partner) = content else { return (None, None) };
    let Some(address) = super::tables::address(partner) else { return (None, None) };
    let upper = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_ascii_uppercase());
    (upper(&address.country), upper(&address.region))
}

pub(super) fn read(chain: &mut Chain, number: usize, body: &[u8]) -> Result<(), CallError> {
    let Some(look_up) = of(chain.kind).get(number) else { return Ok(()) };
    let rows = wire::rows(body)?;
    for row in &rows {
        Row::or_lost(keep(&mut chain.found, *look_up, row))?;
    }
    Ok(())
}

fn keep(found: &mut Found, look_up: LookUp, row: &Row) -> Result<(), trueup_connect::DecodeError> {
    let id = row.id()?;
    match look_up {
        LookUp::Currencies => {
            let code = row.word("name")?;
            if row.flag("active")? {
                found.currencies.insert(code, id);
            } else {
                found.inactive.insert(code);
            }
        }
        LookUp::Countries => {
            found.countries.insert(row.word("code")?, id);
        }
        LookUp::States => {
            let country = row.reference_id("country_id")?;
            let of = found.countries.iter().find(|(_, own)| **own == country);
            if let Some((code, _)) = of {
                let key = format!("{code}-{}", row.word("code")?);
                found.states.insert(key, id);
            }
        }
        LookUp::Customers => found.customers.push(Known::read(row)?),
        LookUp::Units => {
            found.units.insert(id, row.reference_id("uom_id")?);
        }
        LookUp::OrderLines => {
            let line = OrderLine {
                id,
                product: row.reference("product_id")?.map(|(id, _)| id),
                name: row.text("name")?.unwrap_or_default(),
                price: row.number("price_unit")?.decimal("price_unit")?,
            };
            found.order_lines.entry(row.reference_id("order_id")?).or_default().push(line);
        }
        LookUp::Pricelists => {
            let (_, code) = row
                .reference("currency_id")?
                .ok_or_else(|| trueup_connect::DecodeError::field("currency_id"))?;
            found.pricelists.insert(id, code);
        }
        LookUp::Company => {
            found.own = row.reference("currency_id")?.map(|(_, code)| code);
        }
        LookUp::Locks => found.locks = Locks::read(row)?,
        LookUp::Parts => found.parts.push(entries::part(row)?),
        LookUp::Made => found.made.extend(row.text("ref")?),
        LookUp::Invoices => found.named.push(entries::naming(row)?),
    }
    Ok(())
}

/// What a command names and Odoo does not have. Found before the write, so that it is told well.
pub(super) fn missing(found: &Found, content: &Content) -> Option<CallError> {
    let code = currency(content).map(Currency::code);
    if let Some(code) = code
        && !found.currencies.contains_key(code)
    {
        return Some(if found.inactive.contains(code) {
            let why = format!("the currency {code} is not active in Odoo: activate it there");
            outcome::refused("currency_inactive", &why)
        } else {
            outcome::refused("missing_record", &format!("Odoo has no currency {code}"))
        });
    }
    let Content::Order(order) = content else { return None };
    if let Some(error) = other_currency(found, order) {
        return Some(error);
    }
    let gone =
        order.lines.iter().filter_map(|line| line.product.as_deref()).find(|product| {
            product.parse().ok().is_none_or(|id: i64| !found.units.contains_key(&id))
        });
    gone.map(|id| {
        outcome::refused("missing_record", &format!("Odoo has no product {id} in this company"))
    })
}

/// Odoo takes the currency of an order from its price list, without one from its company, and has
/// no word for another: it would make the order in that currency at the same figures.
fn other_currency(found: &Found, order: &OrderContent) -> Option<CallError> {
    let code = order.total.currency().code();
    let (giver, given) = match order.pricelist.as_deref() {
        None => (format!("company {}", order.company), found.own.as_ref()?),
        Some(id) => {
            let Some(given) = id.parse().ok().and_then(|id: i64| found.pricelists.get(&id)) else {
                let why = format!("Odoo has no price list {id} in this company");
                return Some(outcome::refused("missing_record", &why));
            };
            (format!("price list {id}"), given)
        }
    };
    (given != code).then(|| {
        let why = format!(
            "the order is in {code}, and {giver} would make it one in {given}: map a price list \
             in {code}"
        );
        outcome::refused("currency_differs", &why)
    })
}

/// The order's line that each line of an invoice bills. Odoo keeps no part of ours, so lines are
/// found by what they are, each once: first those that are billed whole; then, of what leaves in
/// parts, a part of a line or of a discount. A line of another product bills none.
pub(super) fn billed(order: &[OrderLine], lines: &[DocumentLine]) -> Vec<Option<i64>> {
    let mut free: Vec<Option<&OrderLine>> = order.iter().map(Some).collect();
    let mut take = |fits: &dyn Fn(&OrderLine) -> bool| {
        let place = free.iter_mut().find(|it| it.is_some_and(fits))?;
        place.take().map(|line| line.id)
    };
    let product =
        |line: &DocumentLine| line.product.as_deref().and_then(|id| id.parse::<i64>().ok());
    let mut found: Vec<Option<i64>> = Vec::new();
    for line in lines {
        let same = |own: &OrderLine| own.product == product(line) && own.price == line.unit_price;
        let one = take(&|own| same(own) && own.name == line.name).or_else(|| take(&same));
        found.push(one);
    }
    for (line, one) in lines.iter().zip(&mut found) {
        if one.is_none() {
            let of = |own: &OrderLine| own.product == product(line);
            *one = take(&|own| of(own) && own.name == line.name).or_else(|| take(&of));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order_line(id: i64, product: i64, name: &str, price: &str) -> OrderLine {
        let price = price.parse().expect("a decimal");
        OrderLine { id, product: Some(product), name: name.to_owned(), price }
    }

    fn line(product: &str, name: &str, price: &str) -> DocumentLine {
        DocumentLine {
            part: name.to_owned(),
            product: Some(product.to_owned()),
            account: None,
            name: name.to_owned(),
            quantity: Decimal::ONE,
            unit_price: price.parse().expect("a decimal"),
            amount: trueup_domain::money::Money::zero(Currency::parse("USD").expect("known")),
            taxes_included: false,
            taxes: Vec::new(),
            shipping: false,
        }
    }

    #[test]
    fn each_line_of_the_order_is_billed_once() {
        let order = [
            order_line(1, 7, "Tee", "10.00"),
            order_line(2, 7, "Tee", "10"),
            order_line(3, 8, "Discount", "-2.5"),
        ];
        let lines = [
            line("8", "Discount", "-2.50"),
            line("7", "Tee", "10"),
            line("7", "Tee blue", "10"),
            line("7", "Tee", "10"),
        ];
        assert_eq!(billed(&order, &lines), [Some(3), Some(1), Some(2), None]);
        assert_eq!(billed(&[], &lines), [None, None, None, None]);
    }

    #[test]
    fn a_part_of_a_line_is_billed_on_that_line() {
        let order = [
            order_line(1, 7, "Tee", "10.00"),
            order_line(2, 7, "Tee", "10.01"),
            order_line(3, 8, "Discount", "-2.50"),
        ];
        let lines = [
            line("7", "Tee", "10.005"),
            line("8", "Discount", "-1.25"),
            line("7", "Tee", "10.00"),
            line("9", "Mug", "1"),
        ];
        assert_eq!(billed(&order, &lines), [Some(2), Some(3), Some(1), None]);
    }
}
