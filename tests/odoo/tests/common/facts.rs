//! Commands of the scenarios, in the words the hub uses.

use jiff::civil::Date;
use trueup_connect::conversation::Dispatch;
use trueup_domain::command::*;
use trueup_domain::document::{Address, Buyer};
use trueup_domain::mapping::{CustomerPolicy, Mapping};
use trueup_domain::money::Money;

pub fn money(map: &Mapping, text: &str) -> Money {
    Money::parse(text, map.currency).expect("an amount")
}

pub fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

pub fn dispatch(key: &str, content: Content, bindings: &[(&str, &str)]) -> Dispatch {
    let bindings = bindings.iter().map(|(role, id)| ((*role).to_owned(), (*id).to_owned()));
    Dispatch { key: key.to_owned(), content, bindings: bindings.collect(), again: false }
}

pub fn guests(map: &Mapping) -> CustomerRef {
    match &map.customers {
        CustomerPolicy::PerBuyer { guests } | CustomerPolicy::One(guests) => {
            CustomerRef::Fixed(guests.clone())
        }
    }
}

/// One line: what, gross amount, and its taxes as (tax, amount).
pub struct Spec<'a> {
    pub part: &'a str,
    /// A SKU, `<SKU>@<role>` on the account of a role, `service:<word>`, or `account:<role>`.
    pub what: &'a str,
    pub quantity: &'a str,
    pub price: &'a str,
    pub taxes: &'a [(&'a str, &'a str)],
}

/// Reads a tax by the jurisdiction of its rule and, where given, its rate: `US-NY`, `DE 0.19`.
fn tax<'a>(map: &'a Mapping, name: &str) -> &'a str {
    let (place, rate) = name.split_once(' ').unwrap_or((name, ""));
    let fits = |rule: &&trueup_domain::mapping::TaxRule| {
        let at = place == "*" || rule.jurisdiction.as_deref() == Some(place);
        at && (rate.is_empty() || rule.rate == rate.parse().ok())
    };
    let found = map.taxes.iter().find(fits);
    found.map(|rule| rule.target.as_str()).unwrap_or_else(|| panic!("no tax {name}"))
}

pub fn lines(map: &Mapping, included: bool, specs: &[Spec<'_>]) -> Vec<DocumentLine> {
    specs.iter().map(|spec| line(map, included, spec)).collect()
}

fn line(map: &Mapping, included: bool, spec: &Spec<'_>) -> DocumentLine {
    let quantity = spec.quantity.parse::<i64>().expect("pieces");
    let amount = money(map, spec.price).checked_mul(quantity).expect("in range");
    let tax_sum = Money::sum(map.currency, spec.taxes.iter().map(|(_, tax)| money(map, tax)))
        .expect("in range");
    let base = if included { amount.checked_sub(tax_sum).expect("in range") } else { amount };
    let taxes = spec.taxes.iter().map(|(name, amount)| DocumentTax {
        tax: tax(map, name).to_owned(),
        base,
        amount: money(map, amount),
    });
    let (product, account) = match spec.what.split_once(':') {
        Some(("service", word)) => (Some(map.service_products[word].clone()), None),
        Some((_, role)) => (None, Some(map.accounts[role].clone())),
        None => match spec.what.split_once('@') {
            Some((sku, role)) => {
                (Some(map.products[sku].clone()), Some(map.accounts[role].clone()))
            }
            None => (Some(map.products[spec.what].clone()), None),
        },
    };
    DocumentLine {
        part: spec.part.to_owned(),
        product,
        account,
        name: format!("Part {}", spec.part),
        quantity: Money::from_minor(quantity, map.currency).decimal()
            * Money::from_minor(100 * 100, map.currency).decimal(),
        unit_price: money(map, spec.price).decimal(),
        amount,
        taxes_included: included,
        taxes: taxes.collect(),
        shipping: spec.what == "service:shipping",
    }
}

/// What the lines come to: total with tax, and tax.
fn sums(map: &Mapping, lines: &[DocumentLine]) -> (Money, Money) {
    let taxes = lines.iter().flat_map(|line| &line.taxes).map(|tax| tax.amount);
    let tax = Money::sum(map.currency, taxes).expect("in range");
    let amounts = Money::sum(map.currency, lines.iter().map(|line| line.amount)).expect("in range");
    let extra = lines.iter().filter(|line| !line.taxes_included).flat_map(|line| &line.taxes);
    let extra = Money::sum(map.currency, extra.map(|tax| tax.amount)).expect("in range");
    (amounts.checked_add(extra).expect("in range"), tax)
}

pub fn partner(
    map: &Mapping,
    key: &str,
    name: &str,
    country: &str,
    region: Option<&str>,
) -> Dispatch {
    let address = Address {
        street: Some("1 Main Street".to_owned()),
        city: Some("Springfield".to_owned()),
        postcode: Some("10001".to_owned()),
        region: region.map(str::to_owned),
        country: Some(country.to_owned()),
        ..Address::default()
    };
    let buyer = Buyer {
        id: Some(key.to_owned()),
        name: Some(name.to_owned()),
        // Each is somebody else: one who has the address of another would be found to be him.
        email: Some(format!("{}@example.com", key.to_lowercase())),
        phone: Some("+1 650-555-0111".to_owned()),
        company: None,
        vat_number: None,
        billing: Some(address),
        shipping: None,
    };
    let content = Partner {
        company: map.company.clone(),
        reference: key.to_owned(),
        buyer,
        address_of: None,
    };
    dispatch(&format!("test/{}/partner/{key}", map.entity), Content::Partner(content), &[])
}

pub fn order(map: &Mapping, key: &str, customer: CustomerRef, lines: &[DocumentLine]) -> Dispatch {
    let (total, tax) = sums(map, lines);
    let content = OrderContent {
        company: map.company.clone(),
        customer,
        reference: format!("#{key}"),
        customer_reference: None,
        origin: "shopify".to_owned(),
        placed_at: "2026-11-01T10:00:00Z".parse().expect("a moment"),
        pricelist: map.pricelist.clone(),
        warehouse: map.warehouse.clone(),
        lines: lines.to_vec(),
        total,
        tax,
    };
    dispatch(&format!("test/{}/order/{key}", map.entity), Content::Order(content), &[])
}

pub fn invoice(
    map: &Mapping,
    key: &str,
    customer: CustomerRef,
    order: Option<&str>,
    lines: &[DocumentLine],
) -> Dispatch {
    let (total, tax) = sums(map, lines);
    let content = InvoiceContent {
        company: map.company.clone(),
        customer,
        journal: map.sales_journal.clone(),
        reference: format!("#{key}"),
        customer_reference: None,
        date: day("2026-11-02"),
        due_on: None,
        lines: lines.to_vec(),
        total,
        tax,
    };
    let bindings: Vec<(&str, &str)> = order.map(|id| ("order", id)).into_iter().collect();
    dispatch(&format!("test/{}/invoice/{key}", map.entity), Content::Invoice(content), &bindings)
}

pub fn note(
    map: &Mapping,
    key: &str,
    customer: CustomerRef,
    invoice: Option<&str>,
    lines: &[DocumentLine],
) -> Dispatch {
    let (total, tax) = sums(map, lines);
    let content = CreditNoteContent {
        company: map.company.clone(),
        customer,
        journal: map.sales_journal.clone(),
        reference: format!("#{key}"),
        reason: "returned".to_owned(),
        date: day("2026-11-05"),
        lines: lines.to_vec(),
        total,
        tax,
    };
    let bindings: Vec<(&str, &str)> = invoice.map(|id| ("invoice", id)).into_iter().collect();
    dispatch(&format!("test/{}/note/{key}", map.entity), Content::CreditNote(content), &bindings)
}

pub fn payment(
    map: &Mapping,
    gateway: &str,
    key: &str,
    customer: CustomerRef,
    amount: &str,
    direction: Direction,
) -> Dispatch {
    let gateway = &map.gateways[gateway];
    let line = match direction {
        Direction::Inbound => &gateway.inbound_line,
        Direction::Outbound => &gateway.outbound_line,
    };
    let content = PaymentContent {
        company: map.company.clone(),
        customer,
        direction,
        journal: gateway.journal.clone(),
        method_line: line.clone(),
        date: day("2026-11-02"),
        amount: money(map, amount),
        memo: format!("ch_{key}"),
    };
    dispatch(&format!("test/{}/payment/{key}", map.entity), Content::Payment(content), &[])
}

pub fn tie(map: &Mapping, key: &str, amount: &str, payment: &str, document: &str) -> Dispatch {
    let content = ReconciliationContent {
        company: map.company.clone(),
        amount: money(map, amount),
        payment: CommandKind::Payment,
        document: CommandKind::Invoice,
        extent: Extent::Whole,
    };
    let bindings = [("payment", payment), ("document", document)];
    dispatch(&format!("test/{}/tie/{key}", map.entity), Content::Reconciliation(content), &bindings)
}

pub fn entry(map: &Mapping, key: &str, lines: &[(&str, &str)]) -> Dispatch {
    let line = |(role, amount): &(&str, &str)| AccountLine {
        account: map.accounts[*role].clone(),
        name: format!("{role} of {key}"),
        amount: money(map, amount),
        taxes: Vec::new(),
        refund: false,
    };
    let content = EntryContent {
        company: map.company.clone(),
        journal: map.entry_journal.clone(),
        date: day("2026-11-06"),
        reference: key.to_owned(),
        lines: lines.iter().map(line).collect(),
        taxes: Vec::new(),
        orders: Vec::new(),
    };
    dispatch(&format!("test/{}/entry/{key}", map.entity), Content::Entry(content), &[])
}

pub fn cancellation(map: &Mapping, key: &str, order: &str) -> Dispatch {
    let content =
        CancellationContent { company: map.company.clone(), reference: format!("#{key}") };
    dispatch(
        &format!("test/{}/cancel/{key}", map.entity),
        Content::Cancellation(content),
        &[("order", order)],
    )
}

/// What left a location in a day, and came back to it, by SKU or `service:<word>`.
pub fn transfer(
    map: &Mapping,
    key: &str,
    location: i64,
    out: &[(&str, i64)],
    back: &[(&str, i64)],
) -> Dispatch {
    let line = |(what, quantity): &(&str, i64)| TransferLine {
        product: match what.split_once(':') {
            Some((_, word)) => map.service_products[word].clone(),
            None => map.products[*what].clone(),
        },
        name: (*what).to_owned(),
        quantity: *quantity,
    };
    let content = TransferContent {
        company: map.company.clone(),
        location: location.to_string(),
        moved_at: "2026-11-02T17:00:00Z".parse().expect("a moment"),
        reference: format!("shop {key}"),
        out: out.iter().map(line).collect(),
        back: back.iter().map(line).collect(),
    };
    dispatch(&format!("test/{}/transfer/{key}", map.entity), Content::Transfer(content), &[])
}

/// Goods of an order by line: part, SKU or `service:<word>`, and units.
pub fn goods(
    map: &Mapping,
    key: &str,
    way: Way,
    bound: (&str, &str),
    lines: &[(&str, &str, i64)],
) -> Dispatch {
    let line = |(part, what, quantity): &(&str, &str, i64)| GoodsLine {
        part: (*part).to_owned(),
        product: match what.split_once(':') {
            Some((_, word)) => map.service_products[word].clone(),
            None => map.products[*what].clone(),
        },
        name: format!("Part {part}"),
        quantity: *quantity,
    };
    let content = GoodsContent {
        company: map.company.clone(),
        way,
        reference: format!("#{key}"),
        order: "1".to_owned(),
        lines: lines.iter().map(line).collect(),
    };
    dispatch(&format!("test/{}/goods/{key}", map.entity), Content::Goods(content), &[bound])
}
