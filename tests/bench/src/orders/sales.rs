//! What is sold: orders placed in the played shop, and the commands that the hub decides for them.

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Number, Value, json};
use trueup_domain::command::{Content, DocumentLine, InvoiceContent, OrderContent, PaymentContent};
use trueup_domain::document::{Address, Buyer};
use trueup_sandbox::World;
use trueup_sandbox::world::{Paid, SHOP_US};
use trueup_shopify::sandbox::{NewLine, NewOrder, NewTax};
use trueup_store::messages::{NewMessage, Origin};
use trueup_store::{commands, documents};

use super::books::Books;
use super::hub;

/// Goods of the demo's catalogue; each order has three of them.
const GOODS: &[(&str, i64)] = &[
    ("TEE-M", 1990),
    ("HOODIE-M", 5499),
    ("MUG-01", 1250),
    ("CAP-01", 2475),
    ("SOCKS-2", 999),
    ("BAG-CANVAS", 3333),
];
pub const LINES: usize = 3;

/// One sale: a buyer of its own, one order, one invoice, one payment by card.
pub struct Sale {
    /// The webhooks that state it.
    pub messages: Vec<NewMessage>,
    pub buyer: Buyer,
    pub order: OrderContent,
    pub invoice: InvoiceContent,
    pub payment: PaymentContent,
}

/// The day of all sales.
pub fn day() -> Result<Timestamp> {
    let day = jiff::civil::date(2026, 4, 29).at(12, 0, 0, 0);
    Ok(day.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
}

/// Places `count` orders and lets a hub decide them with the mapping of real books.
pub fn place(books: &Books, count: usize) -> Result<Vec<Sale>> {
    let mut world = World::new(false)?;
    let mut placed = Vec::new();
    for number in 0..count {
        let now = day()? + SignedDuration::from_secs(i64::try_from(number)?);
        let order = order(number);
        let buyer = order.buyer.clone().context("a buyer")?;
        let sold = world.sell(SHOP_US, order, Paid::Card, None, now);
        let sold = sold.context("the sandbox takes an order")?;
        let pushes = world.take_pushes().into_iter();
        let messages =
            pushes.filter(|(connection, _)| *connection == SHOP_US).map(|(_, push)| NewMessage {
                connection: SHOP_US.to_owned(),
                source_id: push.source_id,
                kind: push.kind,
                origin: Origin::Webhook,
                headers: "{}".to_owned(),
                body: push.body,
                asked_at: None,
            });
        placed.push((sold.id, buyer, messages.collect::<Vec<_>>()));
    }
    let scratch = hub::Scratch::new(books)?;
    scratch.receive(placed.iter().flat_map(|(_, _, messages)| messages.clone()).collect())?;
    placed
        .into_iter()
        .map(|(order, buyer, messages)| decided(&scratch, order, buyer, messages))
        .collect()
}

fn order(number: usize) -> NewOrder {
    let taxes = || {
        [("New York State Tax", 400), ("New York City Tax", 450)]
            .map(|(title, rate)| NewTax::by_rate(title, Decimal::new(rate, 4)))
            .to_vec()
    };
    let lines = (0..LINES).filter_map(|line| {
        let (sku, unit) = GOODS.get((number + line * 2) % GOODS.len())?;
        Some(NewLine {
            sku: Some((*sku).to_owned()),
            title: (*sku).to_owned(),
            unit: *unit,
            quantity: i64::try_from(1 + (number + line) % 3).ok()?,
            taxes: taxes(),
            ..NewLine::default()
        })
    });
    let address = Address {
        name: Some(format!("Casey Doe {number}")),
        street: Some(format!("{number} Example Street")),
        city: Some("New York".to_owned()),
        postcode: Some("10001".to_owned()),
        region: Some("NY".to_owned()),
        country: Some("US".to_owned()),
        ..Address::default()
    };
    let buyer = Buyer {
        id: Some(format!("{}", 5_000_000 + number)),
        name: address.name.clone(),
        email: Some(format!("casey{number}@example.com")),
        billing: Some(address.clone()),
        shipping: Some(address),
        ..Buyer::default()
    };
    let source = "web".to_owned();
    NewOrder { lines: lines.collect(), buyer: Some(buyer), source, ..NewOrder::default() }
}

/// Finds what the hub decided for an order, and that it is nothing else.
fn decided(
    scratch: &hub::Scratch,
    order: String,
    buyer: Buyer,
    messages: Vec<NewMessage>,
) -> Result<Sale> {
    let filter = documents::SaleFilter {
        text: Some(order.clone()),
        limit: 1,
        ..documents::SaleFilter::default()
    };
    let commands =
        scratch.hub.store.read(|tx| match documents::list_sales(tx, &filter)?.pop() {
            Some(root) => commands::of_root(tx, &root.id),
            None => Ok(Vec::new()),
        })?;
    let (mut made, mut invoice, mut payment) = (None, None, None);
    for command in commands {
        match command.content {
            Content::Order(it) if made.is_none() => made = Some(it),
            Content::Invoice(it) if invoice.is_none() => invoice = Some(it),
            Content::Payment(it) if payment.is_none() => payment = Some(it),
            Content::Reconciliation(_) => {}
            other => bail!("order {order} asks for {:?}, too", other.kind()),
        }
    }
    Ok(Sale {
        messages,
        buyer,
        order: made.context("an order")?,
        invoice: invoice.context("an invoice")?,
        payment: payment.context("a payment")?,
    })
}

impl Sale {
    /// The customer in Odoo's words.
    pub fn partner(&self) -> Value {
        let none = Address::default();
        let at = self.buyer.billing.as_ref().unwrap_or(&none);
        json!({
            "ref": self.buyer.id,
            "name": self.buyer.name,
            "email": self.buyer.email,
            "street": at.street,
            "city": at.city,
            "zip": at.postcode,
        })
    }
}

/// A line of an order or an invoice in Odoo's words: what both share.
pub fn line(line: &DocumentLine) -> Result<Value> {
    let tax = |tax: &trueup_domain::command::DocumentTax| -> Result<(String, Value)> {
        let amounts = json!({
            "tax_amount_currency": number(&tax.amount.amount_text())?,
            "base_amount_currency": number(&tax.base.amount_text())?,
        });
        Ok((tax.tax.clone(), amounts))
    };
    let base = line.taxes.first().map_or(line.amount, |tax| tax.base);
    let taxes: serde_json::Map<String, Value> =
        line.taxes.iter().map(tax).collect::<Result<_>>()?;
    let ids: Vec<i64> = line.taxes.iter().map(|tax| tax.tax.parse()).collect::<Result<_, _>>()?;
    let product: i64 = line.product.as_deref().context("a product")?.parse()?;
    let (quantity, price) =
        (number(&line.quantity.to_string())?, number(&line.unit_price.to_string())?);
    Ok(json!({
        "product_id": product,
        "name": line.name,
        "quantity": quantity,
        "price_unit": price,
        "tax_ids": ids,
        "extra_tax_data": {
            "currency_id": 1,
            "price_unit": price,
            "discount": 0,
            "quantity": quantity,
            "manual_total_excluded_currency": number(&base.amount_text())?,
            "manual_tax_amounts": taxes,
        },
    }))
}

/// A JSON number with exactly these digits.
fn number(text: &str) -> Result<Number> {
    Ok(text.parse()?)
}
