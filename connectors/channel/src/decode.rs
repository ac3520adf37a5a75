//! Wire to documents. A message is taken whole or not at all, and what does not fit is named by its
//! path, such as `orders[0].lines[1].unit_price`.
//!
//! What makes the arithmetic of an order is checked where every channel's is (`Order::check`): a
//! newer version that adds up mends it, which a message that was refused never could.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::{DecodeError, Decoded, Message};
use trueup_domain::document::{self as doc, Document, Version};
use trueup_domain::money::{Currency, Money, parse_decimal};

use crate::wire::{self, Amount};

/// What a delivery is, and a file.
pub const MESSAGE: &str = "message";
pub const ORDER: &str = "order";
pub const PAYMENT: &str = "payment";
pub const REFUND: &str = "refund";
pub const FULFILMENT: &str = "fulfilment";
pub const RETURN: &str = "return";

/// The rest are single objects, as a pull cuts them out of a page.
pub const KINDS: &[&str] = &[MESSAGE, ORDER, PAYMENT, REFUND, FULFILMENT, RETURN];

/// A sender with more to say sends another message: one that does not fit holds up all it states.
pub const OBJECTS_MAX: usize = 1_000;
const ID_BYTES_MAX: usize = 64;
const WHY_CHARS_MAX: usize = 400;

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let body = message.body;
    let document = match message.kind {
        MESSAGE | "" => return all(&read(body)?),
        ORDER => order(ORDER, &read(body)?)?.into(),
        PAYMENT => payment(PAYMENT, &read(body)?)?.into(),
        REFUND => refund(REFUND, &read(body)?)?.into(),
        FULFILMENT => fulfilment(FULFILMENT, &read(body)?)?.into(),
        RETURN => returned(RETURN, &read(body)?)?.into(),
        other => return Ok(Decoded::Ignored(other.to_owned())),
    };
    Ok(Decoded::Documents(vec![document]))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if !inner.is_data() {
            return DecodeError::Unreadable(inner.to_string());
        }
        let path = if path == "." { "the message".to_owned() } else { path };
        unfit(&path, &inner.to_string())
    })?;
    json.end().map_err(|error| DecodeError::Unreadable(error.to_string()))?;
    Ok(read)
}

fn unfit(path: &str, why: &str) -> DecodeError {
    let short = |text: &str| text.chars().take(WHY_CHARS_MAX).collect();
    DecodeError::Unfit { path: short(path), why: short(why) }
}

fn all(message: &wire::Message) -> Result<Decoded, DecodeError> {
    match message.objects() {
        0 => return Err(unfit("the message", "it states nothing")),
        more if more > OBJECTS_MAX => {
            let why = format!("it states {more} objects; {OBJECTS_MAX} are taken");
            return Err(unfit("the message", &why));
        }
        _ => {}
    }
    let mut documents: Vec<Document> = Vec::new();
    each(&message.orders, "orders", order, &mut documents)?;
    each(&message.payments, "payments", payment, &mut documents)?;
    each(&message.refunds, "refunds", refund, &mut documents)?;
    each(&message.fulfilments, "fulfilments", fulfilment, &mut documents)?;
    each(&message.returns, "returns", returned, &mut documents)?;
    Ok(Decoded::Documents(documents))
}

fn each<W, D: Into<Document>>(
    stated: &[W],
    list: &str,
    decode: fn(&str, &W) -> Result<D, DecodeError>,
    documents: &mut Vec<Document>,
) -> Result<(), DecodeError> {
    for (index, one) in stated.iter().enumerate() {
        documents.push(decode(&format!("{list}[{index}]"), one)?.into());
    }
    Ok(())
}

/// Each of a list with its path.
fn listed<W, D>(
    stated: &[W],
    path: &str,
    list: &str,
    decode: impl Fn(&str, &W) -> Result<D, DecodeError>,
) -> Result<Vec<D>, DecodeError> {
    let one = |(index, one): (usize, &W)| decode(&format!("{path}.{list}[{index}]"), one);
    stated.iter().enumerate().map(one).collect()
}

fn order(path: &str, wire: &wire::Order) -> Result<doc::Order, DecodeError> {
    let currency = wire.currency;
    Ok(doc::Order {
        id: id(path, "id", &wire.id)?,
        number: wire.number.clone(),
        customer_reference: filled(&wire.customer_reference),
        version: version(path, wire.sequence, wire.updated_at)?,
        placed_at: wire.placed_at,
        due_on: wire.due_on,
        currency,
        presentment_total: None,
        taxes_included: wire.taxes_included,
        lines: listed(&wire.lines, path, "lines", |path, one| line(path, one, currency))?,
        charges: listed(&wire.charges, path, "charges", |path, one| charge(path, one, currency))?,
        total: money(path, "total", &wire.total, currency)?,
        payment_standing: wire.payment_standing.into(),
        source: filled(&wire.source),
        cancelled_at: wire.cancelled_at,
        buyer: wire.buyer.as_ref().map(|wire| buyer(path, wire)).transpose()?,
        test: wire.test,
    })
}

fn line(path: &str, wire: &wire::Line, currency: Currency) -> Result<doc::Line, DecodeError> {
    let unit_price = decimal(path, "unit_price", &wire.unit_price)?;
    if let Some(list_price) = &wire.list_price {
        decimal(path, "list_price", list_price)?;
    }
    let gross = money(path, "gross", &wire.gross, currency)?;
    // A price for a thousandth of a unit is rounded once, for the line, by whoever agreed on it.
    let computed = unit_price.checked_mul(Decimal::from(wire.quantity));
    let off = computed.and_then(|computed| computed.checked_sub(gross.decimal()));
    if off.is_none_or(|off| off.abs() >= Decimal::new(1, currency.exponent())) {
        let why = format!(
            "{} × {} is not {}, not even rounded",
            wire.quantity,
            unit_price,
            gross.amount_text()
        );
        return Err(unfit(&format!("{path}.gross"), &why));
    }
    let kind: doc::LineKind = wire.kind.into();
    Ok(doc::Line {
        id: id(path, "id", &wire.id)?,
        kind,
        sku: filled(&wire.sku),
        title: wire.title.clone(),
        quantity: wire.quantity,
        unit_price: unit_price.normalize(),
        gross,
        discounts: listed(&wire.discounts, path, "discounts", |path, one| {
            discount(path, one, currency)
        })?,
        taxes: listed(&wire.taxes, path, "taxes", |path, one| tax(path, one, currency))?,
        requires_shipping: wire.requires_shipping.unwrap_or(kind == doc::LineKind::Goods),
    })
}

fn charge(path: &str, wire: &wire::Charge, currency: Currency) -> Result<doc::Charge, DecodeError> {
    Ok(doc::Charge {
        id: id(path, "id", &wire.id)?,
        kind: wire.kind.into(),
        title: wire.title.clone(),
        gross: money(path, "gross", &wire.gross, currency)?,
        discounts: listed(&wire.discounts, path, "discounts", |path, one| {
            discount(path, one, currency)
        })?,
        taxes: listed(&wire.taxes, path, "taxes", |path, one| tax(path, one, currency))?,
    })
}

fn discount(
    path: &str,
    wire: &wire::Discount,
    currency: Currency,
) -> Result<doc::Discount, DecodeError> {
    Ok(doc::Discount {
        title: wire.title.clone(),
        funder: wire.funder.into(),
        amount: not_negative(path, "amount", &wire.amount, currency)?,
    })
}

fn tax(path: &str, wire: &wire::Tax, currency: Currency) -> Result<doc::TaxLine, DecodeError> {
    let rate = decimal(path, "rate", &wire.rate)?;
    if rate.is_sign_negative() || rate > Decimal::ONE {
        return Err(unfit(&format!("{path}.rate"), "a rate is a fraction: 0.19 for 19 %"));
    }
    Ok(doc::TaxLine {
        title: wire.title.clone(),
        rate: rate.normalize(),
        amount: money(path, "amount", &wire.amount, currency)?,
        remitted_by: wire.remitted_by.into(),
    })
}

fn buyer(path: &str, wire: &wire::Buyer) -> Result<doc::Buyer, DecodeError> {
    let own = wire.id.as_deref().map(|own| id(path, "buyer.id", own)).transpose()?;
    let addresses = || wire.billing.iter().chain(&wire.shipping);
    let company = || addresses().find_map(|address| filled(&address.company));
    Ok(doc::Buyer {
        id: own,
        name: filled(&wire.name),
        email: filled(&wire.email),
        phone: filled(&wire.phone),
        company: filled(&wire.company).or_else(company),
        vat_number: filled(&wire.vat_number),
        billing: wire.billing.as_ref().map(address),
        shipping: wire.shipping.as_ref().map(address),
    })
}

fn address(wire: &wire::Address) -> doc::Address {
    doc::Address {
        name: filled(&wire.name),
        company: filled(&wire.company),
        street: filled(&wire.street),
        street2: filled(&wire.street2),
        city: filled(&wire.city),
        postcode: filled(&wire.postcode),
        region: filled(&wire.region),
        country: filled(&wire.country),
        phone: filled(&wire.phone),
    }
}

fn payment(path: &str, wire: &wire::Payment) -> Result<doc::Payment, DecodeError> {
    let named = |field: &str, own: &Option<String>| {
        own.as_deref().map(|own| id(path, field, own)).transpose()
    };
    if wire.gateway.trim().is_empty() {
        return Err(unfit(&format!("{path}.gateway"), "it is empty"));
    }
    Ok(doc::Payment {
        id: id(path, "id", &wire.id)?,
        order: id(path, "order", &wire.order)?,
        version: version(path, wire.sequence, wire.updated_at)?,
        kind: wire.kind.into(),
        status: wire.status.into(),
        amount: not_negative(path, "amount", &wire.amount, wire.currency)?,
        gateway: wire.gateway.clone(),
        tender: wire.tender.into(),
        parent: named("parent", &wire.parent)?,
        refund: named("refund", &wire.refund)?,
        provider_id: filled(&wire.provider_id),
        processed_at: wire.processed_at,
        test: wire.test,
    })
}

fn refund(path: &str, wire: &wire::Refund) -> Result<doc::Refund, DecodeError> {
    let currency = wire.currency;
    let line = |path: &str, one: &wire::RefundLine| {
        Ok(doc::RefundLine {
            id: id(path, "id", &one.id)?,
            line: id(path, "line", &one.line)?,
            quantity: quantity(path, one.quantity)?,
            amount: not_negative(path, "amount", &one.amount, currency)?,
            tax: not_negative(path, "tax", &one.tax, currency)?,
            restock: one.restock.into(),
            location: filled(&one.location),
        })
    };
    let adjustment = |path: &str, one: &wire::RefundAdjustment| {
        Ok(doc::RefundAdjustment {
            id: id(path, "id", &one.id)?,
            charge: one.charge.map(Into::into),
            reason: one.reason.clone(),
            amount: money(path, "amount", &one.amount, currency)?,
            tax: money(path, "tax", &one.tax, currency)?,
            taxes: listed(&one.taxes, path, "taxes", |path, one| tax(path, one, currency))?,
        })
    };
    let ids = |list: &[String], name: &str| -> Result<Vec<String>, DecodeError> {
        let ids = list.iter().enumerate();
        ids.map(|(index, own)| id(path, &format!("{name}[{index}]"), own)).collect()
    };
    Ok(doc::Refund {
        id: id(path, "id", &wire.id)?,
        order: id(path, "order", &wire.order)?,
        version: version(path, wire.sequence, wire.updated_at)?,
        created_at: wire.created_at,
        reason: filled(&wire.reason),
        lines: listed(&wire.lines, path, "lines", line)?,
        adjustments: listed(&wire.adjustments, path, "adjustments", adjustment)?,
        total: not_negative(path, "total", &wire.total, currency)?,
        transactions: ids(&wire.payments, "payments")?,
        exchanged_for: ids(&wire.exchanged_for, "exchanged_for")?,
    })
}

fn fulfilment(path: &str, wire: &wire::Fulfilment) -> Result<doc::Fulfilment, DecodeError> {
    let line = |path: &str, one: &wire::FulfilmentLine| {
        Ok(doc::FulfilmentLine {
            line: id(path, "line", &one.line)?,
            quantity: quantity(path, one.quantity)?,
        })
    };
    Ok(doc::Fulfilment {
        id: id(path, "id", &wire.id)?,
        order: id(path, "order", &wire.order)?,
        version: version(path, wire.sequence, wire.updated_at)?,
        status: wire.status.into(),
        created_at: wire.created_at,
        location: filled(&wire.location),
        lines: listed(&wire.lines, path, "lines", line)?,
        tracking: wire.tracking.clone(),
    })
}

fn returned(path: &str, wire: &wire::Return) -> Result<doc::Return, DecodeError> {
    let line = |path: &str, one: &wire::ReturnLine| {
        Ok(doc::ReturnLine {
            line: id(path, "line", &one.line)?,
            quantity: quantity(path, one.quantity)?,
            reason: filled(&one.reason),
        })
    };
    Ok(doc::Return {
        id: id(path, "id", &wire.id)?,
        order: id(path, "order", &wire.order)?,
        version: version(path, wire.sequence, wire.updated_at)?,
        status: wire.status.into(),
        lines: listed(&wire.lines, path, "lines", line)?,
    })
}

/// Ids are parts of keys and addresses.
fn id(path: &str, field: &str, text: &str) -> Result<String, DecodeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    let why = "an id has 1 to 64 letters, digits, `-`, `_`, `.` and `:`";
    Err(unfit(&format!("{path}.{field}"), why))
}

fn version(
    path: &str,
    sequence: Option<u32>,
    updated_at: Option<Timestamp>,
) -> Result<Version, DecodeError> {
    match (sequence, updated_at) {
        (Some(sequence), None) => Ok(Version(i64::from(sequence))),
        (None, Some(updated_at)) => Ok(Version::at(updated_at)),
        _ => Err(unfit(path, "exactly one of `sequence` and `updated_at` says how new it is")),
    }
}

fn money(
    path: &str,
    field: &str,
    amount: &Amount,
    currency: Currency,
) -> Result<Money, DecodeError> {
    Money::parse(&amount.0, currency)
        .map_err(|source| DecodeError::amount(format!("{path}.{field}"), source))
}

fn not_negative(
    path: &str,
    field: &str,
    amount: &Amount,
    currency: Currency,
) -> Result<Money, DecodeError> {
    let money = money(path, field, amount, currency)?;
    if money.is_negative() {
        return Err(unfit(&format!("{path}.{field}"), "it is negative"));
    }
    Ok(money)
}

fn decimal(path: &str, field: &str, amount: &Amount) -> Result<Decimal, DecodeError> {
    parse_decimal(&amount.0)
        .map_err(|source| DecodeError::amount(format!("{path}.{field}"), source))
}

fn quantity(path: &str, quantity: i64) -> Result<i64, DecodeError> {
    if quantity < 0 {
        return Err(unfit(&format!("{path}.quantity"), "it is negative"));
    }
    Ok(quantity)
}

/// Texts that a sender leaves empty are absent.
fn filled(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.trim().is_empty())
}
