//! One order: what was sold, and that Amazon took the money for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trueup_connect::{DecodeError, Decoded, Hint};
use trueup_domain::document::{
    Address, Buyer, Charge, ChargeKind, Document, Fulfilment, FulfilmentLine, FulfilmentStatus,
    Kind, Order, Payment, PaymentKind, PaymentStanding, PaymentStatus, Tender, Version,
};
use trueup_domain::money::{Currency, Money, MoneyError};

use super::item::{self, Item};
use crate::{GATEWAY, wire};

/// Where an order stands, as far as its money is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Not paid, and often without any price.
    Pending,
    /// Amazon answers for the money.
    Confirmed,
    Cancelled,
}

pub fn decode(wire: &wire::Order) -> Result<Decoded, DecodeError> {
    if wire.sales_channel.channel_name == "NON_AMAZON" {
        let why = "an order of another channel that Amazon only ships";
        return Ok(Decoded::Ignored(why.to_owned()));
    }
    if wire.sales_channel.channel_name != "AMAZON" {
        return Err(DecodeError::unknown("channelName", &wire.sales_channel.channel_name));
    }
    let fulfillment = wire.fulfillment.as_ref().ok_or_else(|| DecodeError::field("fulfillment"))?;
    let status = match fulfillment.fulfillment_status.as_str() {
        "PENDING" | "PENDING_AVAILABILITY" => Status::Pending,
        "UNSHIPPED" | "PARTIALLY_SHIPPED" | "SHIPPED" => Status::Confirmed,
        "CANCELLED" => Status::Cancelled,
        other => return Err(DecodeError::unknown("fulfillmentStatus", other)),
    };
    if status == Status::Pending {
        // It may change its prices, or vanish: nothing is sold yet.
        return Ok(Decoded::Hints(vec![Hint::new(Kind::Order, wire.order_id.clone())]));
    }
    let by_merchant = match fulfillment.fulfilled_by.as_deref() {
        Some("MERCHANT") | None => true,
        Some("AMAZON") => false,
        Some(other) => return Err(DecodeError::unknown("fulfilledBy", other)),
    };
    let order = order(wire, status, by_merchant)?;
    let mut documents: Vec<Document> = Vec::new();
    if !order.total.is_zero() || status == Status::Cancelled {
        documents.push(payment(&order, status).into());
    }
    for package in &wire.packages {
        documents.push(fulfilment(&order, package)?.into());
    }
    documents.insert(0, order.into());
    Ok(Decoded::Documents(documents))
}

fn order(wire: &wire::Order, status: Status, by_merchant: bool) -> Result<Order, DecodeError> {
    let currency = currency(wire)?;
    let mut items = Vec::new();
    for one in &wire.order_items {
        // A cancelled item may have lost its prices.
        items.push(item::read(one, currency, by_merchant, status != Status::Cancelled)?);
    }
    let (total, tip) = totals(wire, &items, currency)?;
    let updated = moment("lastUpdatedTime", &wire.last_updated_time)?;
    let mut lines = Vec::new();
    let mut charges = Vec::new();
    for item in items {
        lines.push(item.line);
        charges.extend(item.charges);
    }
    charges.extend(tip);
    Ok(Order {
        id: wire.order_id.clone(),
        number: wire.order_id.clone(),
        version: Version::at(updated),
        placed_at: moment("createdTime", &wire.created_time)?,
        currency,
        presentment_total: None,
        taxes_included: false,
        lines,
        charges,
        total,
        payment_standing: match status {
            Status::Cancelled => PaymentStanding::Voided,
            Status::Pending | Status::Confirmed => PaymentStanding::Paid,
        },
        source: wire.sales_channel.marketplace_name.clone(),
        cancelled_at: (status == Status::Cancelled).then_some(updated),
        buyer: buyer(wire),
        test: false,
        customer_reference: wire
            .buyer
            .as_ref()
            .and_then(|buyer| filled(&buyer.buyer_purchase_order_number)),
        due_on: None,
    })
}

/// What Amazon states as the total, with the tax that it keeps out of it, and the tip.
fn totals(
    wire: &wire::Order,
    items: &[Item],
    currency: Currency,
) -> Result<(Money, Option<Charge>), DecodeError> {
    let amounts = |source: MoneyError| DecodeError::amount("proceeds", source);
    let proceeds = wire.proceeds.as_ref();
    let mut tip = None;
    for part in proceeds.map_or(&[][..], |proceeds| &proceeds.breakdowns) {
        // Every other part is told by the items, too.
        if part.kind == "DELIVERY_TIP" {
            let gross = money("DELIVERY_TIP", &part.subtotal, currency)?;
            tip = Some(Charge {
                id: "tip".to_owned(),
                kind: ChargeKind::Tip,
                title: "Delivery tip".to_owned(),
                gross,
                discounts: Vec::new(),
                taxes: Vec::new(),
            });
        }
    }
    let outside = items.iter().map(|item| item.tax_outside);
    let outside = Money::sum(currency, outside).map_err(amounts)?;
    let stated = match proceeds.and_then(|proceeds| proceeds.grand_total.as_ref()) {
        Some(total) => money("grandTotal", total, currency)?,
        None => {
            let items = items.iter().map(|item| item.proceeds);
            let tips = tip.iter().map(|tip| tip.gross);
            Money::sum(currency, items.chain(tips)).map_err(amounts)?
        }
    };
    Ok((stated.checked_add(outside).map_err(amounts)?, tip))
}

/// The currency of the first amount; where a cancelled order has none, that of its marketplace.
fn currency(wire: &wire::Order) -> Result<Currency, DecodeError> {
    let proceeds = wire.proceeds.as_ref();
    let total = proceeds.and_then(|proceeds| proceeds.grand_total.as_ref());
    let of_items = wire.order_items.iter().flat_map(|item| {
        let proceeds = item.proceeds.iter().flat_map(|proceeds| &proceeds.proceeds_total);
        proceeds.chain(item.product.price.iter().flat_map(|price| &price.unit_price))
    });
    let stated = total.into_iter().chain(of_items).map(|money| money.currency_code.as_str()).next();
    let marketplace = wire.sales_channel.marketplace_id.as_deref();
    let known =
        || MARKETPLACES.iter().find(|(id, _)| Some(*id) == marketplace).map(|(_, own)| *own);
    let code = stated.or_else(known).ok_or_else(|| DecodeError::field("currencyCode"))?;
    Currency::parse(code).map_err(|source| DecodeError::amount("currencyCode", source))
}

/// The marketplaces and their currencies, from Amazon's list of marketplace ids.
const MARKETPLACES: &[(&str, &str)] = &[
    ("ATVPDKIKX0DER", "USD"),
    ("A2EUQ1WTGCTBG2", "CAD"),
    ("A1AM78C64UM0Y8", "MXN"),
    ("A2Q3Y263D00KWC", "BRL"),
    ("A1F83G8C2ARO7P", "GBP"),
    ("A1PA6795UKMFR9", "EUR"),
    ("A13V1IB3VIYZZH", "EUR"),
    ("APJ6JRA9NG5V4", "EUR"),
    ("A1RKKUPIHCS9HS", "EUR"),
    ("A1805IZSGTT6HS", "EUR"),
    ("AMEN7PMS3EDWL", "EUR"),
    ("A28R8C7NBKEWEA", "EUR"),
    ("A2NODRKZP88ZB9", "SEK"),
    ("A1C3SOZRARQ6R3", "PLN"),
    ("A33AVAJ2PDY3EV", "TRY"),
    ("A2VIGQ35RCS4UG", "AED"),
    ("A17E79C6D8DWNP", "SAR"),
    ("ARBP9OOSHTCHU", "EGP"),
    ("A21TJRUUN4KGV", "INR"),
    ("A1VC38T7YXB528", "JPY"),
    ("A19VAU5U5O7RUS", "SGD"),
    ("A39IBJ37TRP1C6", "AUD"),
    ("AE08WJ6YKNBMC", "ZAR"),
];

pub fn money(field: &str, said: &wire::Money, currency: Currency) -> Result<Money, DecodeError> {
    if said.currency_code != currency.code() {
        return Err(DecodeError::Contradiction {
            what: "order",
            why: format!("{field} is in another currency than {currency}"),
        });
    }
    said.amount.money(field, currency)
}

fn moment(field: &str, text: &str) -> Result<Timestamp, DecodeError> {
    text.parse().map_err(|_| DecodeError::field(field))
}

fn filled(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.trim().is_empty())
}

/// Amazon names no customer: every buyer is a guest, and often nobody at all.
fn buyer(wire: &wire::Order) -> Option<Buyer> {
    let address = wire.recipient.as_ref().and_then(|recipient| recipient.delivery_address.as_ref());
    let shipping = address.map(|address| Address {
        name: filled(&address.name),
        company: filled(&address.company_name),
        street: filled(&address.address_line1),
        street2: filled(&address.address_line2),
        city: filled(&address.city),
        postcode: filled(&address.postal_code),
        region: filled(&address.state_or_region),
        country: filled(&address.country_code),
        phone: filled(&address.phone),
    });
    let said = wire.buyer.as_ref();
    let phone = shipping.as_ref().and_then(|address| address.phone.clone());
    let buyer = Buyer {
        id: None,
        name: said.and_then(|buyer| filled(&buyer.buyer_name)),
        email: said.and_then(|buyer| filled(&buyer.buyer_email)),
        phone,
        company: said.and_then(|buyer| filled(&buyer.buyer_company_name)),
        vat_number: None,
        billing: None,
        shipping,
    };
    (buyer != Buyer::default()).then_some(buyer)
}

/// Amazon states no payment. It answers for the money from the moment at which it confirms the
/// order, and its settlements name that money by the order.
fn payment(order: &Order, status: Status) -> Payment {
    Payment {
        id: format!("{}/amazon", order.id),
        order: order.id.clone(),
        version: order.version,
        kind: PaymentKind::Sale,
        status: match status {
            Status::Cancelled => PaymentStatus::Cancelled,
            Status::Pending | Status::Confirmed => PaymentStatus::Succeeded,
        },
        amount: order.total,
        gateway: GATEWAY.to_owned(),
        tender: Tender::Marketplace,
        parent: None,
        refund: None,
        provider_id: Some(order.id.clone()),
        processed_at: order.placed_at,
        test: false,
    }
}

/// A package of the merchant's own; what Amazon ships for him it does not tell by package.
fn fulfilment(order: &Order, package: &wire::Package) -> Result<Fulfilment, DecodeError> {
    let status = package.package_status.as_ref().and_then(|status| status.status.as_deref());
    let status = match status {
        Some("PENDING") | None => FulfilmentStatus::Pending,
        Some("SHIPPED" | "IN_TRANSIT" | "DELIVERED") => FulfilmentStatus::Succeeded,
        Some("CANCELLED") => FulfilmentStatus::Cancelled,
        Some("UNDELIVERABLE") => FulfilmentStatus::Failed,
        Some(other) => return Err(DecodeError::unknown("packageStatus", other)),
    };
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    for item in &package.package_items {
        let sum = units.entry(&item.order_item_id).or_default();
        *sum = sum.saturating_add(item.quantity);
    }
    let lines = units.into_iter();
    Ok(Fulfilment {
        id: format!("{}/{}", order.id, package.package_reference_id),
        order: order.id.clone(),
        version: order.version,
        status,
        created_at: match &package.created_time {
            Some(time) => moment("packages.createdTime", time)?,
            None => order.placed_at,
        },
        location: None,
        lines: lines
            .map(|(line, quantity)| FulfilmentLine { line: line.to_owned(), quantity })
            .collect(),
        tracking: package.tracking_number.iter().cloned().collect(),
    })
}
