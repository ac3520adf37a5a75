//! What a body of WooCommerce means.
//!
//! The kind is a webhook's topic or the word of a record; without one the shape is recognised. An
//! order without refunds states itself and its payment. One with refunds names them without saying
//! what they give back, so alone it is a hint: polls and reads bring the two side by side.
//!
//! | module      | decodes                                                         |
//! |-------------|-----------------------------------------------------------------|
//! | [`order`]   | lines, charges, taxes, how it stands                            |
//! | [`refund`]  | what each refund gives back, of which line                      |
//! | [`payment`] | the money that the order and its refunds state                  |

mod order;
mod payment;
mod refund;
mod taxes;

pub use order::is_draft;

use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::json::read;
use trueup_connect::message::{BODY_BYTES_MAX, Subscription};
use trueup_connect::watch::{WATCHED, Watched};
use trueup_connect::{DecodeError, Decoded, Hint, Message};
use trueup_domain::document::{Deletion, Document, Kind};
use trueup_domain::money::{Currency, MoneyError};

use crate::wire::{self, Id};

/// An order and its refunds in one record: `{"order": …, "refunds": […]}`.
pub const ORDER: &str = "order";
pub const WEBHOOK: &str = "webhook";
/// What the shop answers about an order that is not there any more; the id follows.
const GONE: &str = "order_gone?id=";

pub const KINDS: &[&str] = &[
    "order.created",
    "order.updated",
    "order.restored",
    "order.deleted",
    ORDER,
    "orders",
    WEBHOOK,
    WATCHED,
];

/// One body of no more than this many orders; a page of the vendor has at most 100.
const LIST_MAX: usize = 10_000;

pub fn gone_kind(id: &Id) -> String {
    format!("{GONE}{}", id.0)
}

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let body = message.body;
    match message.kind {
        "order.created" | "order.updated" | "order.restored" | ORDER => one(body),
        // Moved to the trash, from where it may come back, or gone for good: the shop is asked.
        "order.deleted" => {
            #[derive(Deserialize)]
            struct Gone {
                id: Id,
            }
            Ok(hint(&read::<Gone>(body)?.id))
        }
        "orders" => list(body),
        WEBHOOK => webhook(body),
        WATCHED => Watched::decode(body),
        "" => recognised(body),
        other => match other.strip_prefix(GONE) {
            Some(id) => gone(id, body),
            None => Ok(Decoded::Ignored(other.to_owned())),
        },
    }
}

/// The keys that tell a shape, without reading what they hold.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    order: Option<&'a RawValue>,
    #[serde(borrow)]
    line_items: Option<&'a RawValue>,
    #[serde(borrow)]
    delivery_url: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

impl<'a> Probe<'a> {
    fn of(body: &'a [u8]) -> Result<Self, DecodeError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(body)
            .map_err(|error| DecodeError::Unreadable(error.to_string()))?;
        serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => DecodeError::field(error.to_string()),
            _ => DecodeError::Unreadable(error.to_string()),
        })
    }
}

fn hint(order: &Id) -> Decoded {
    Decoded::Hints(vec![Hint::new(Kind::Order, &order.0)])
}

fn one(body: &[u8]) -> Result<Decoded, DecodeError> {
    let probe = Probe::of(body)?;
    if probe.order.is_some() {
        let whole: wire::Whole = read(body)?;
        return stated(&whole.order, &whole.refunds);
    }
    // The body of a delivery is made when it is sent: of an order that is gone by then it is the
    // error that a read would have met, and names no order.
    if probe.id.is_none() && probe.code.is_some() {
        return Ok(Decoded::Ignored("an order that is gone".to_owned()));
    }
    let order: wire::Order = read(body)?;
    if order.refunds.is_empty() { stated(&order, &[]) } else { Ok(hint(&order.id)) }
}

fn stated(order: &wire::Order, refunds: &[wire::Refund]) -> Result<Decoded, DecodeError> {
    if order::is_draft(&order.status) {
        return Ok(Decoded::Ignored("an order that is not placed yet".to_owned()));
    }
    let sold = order::order(order)?;
    let paid = payment::of_order(order, &sold);
    let given_back = refund::refunds(order, &sold, refunds)?;
    let only = refunds.len() == 1;
    let mut documents: Vec<Document> = vec![sold.into()];
    documents.extend(paid.clone().map(Document::from));
    for (wire, agreed) in given_back {
        if let Some(paid) = &paid {
            documents.push(payment::of_refund(order, wire, &agreed, paid, only).into());
        }
        documents.push(agreed.into());
    }
    Ok(Decoded::Documents(documents))
}

fn list(body: &[u8]) -> Result<Decoded, DecodeError> {
    let text =
        std::str::from_utf8(body).map_err(|error| DecodeError::Unreadable(error.to_string()))?;
    if text.len() > BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    let items: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| DecodeError::Unreadable(error.to_string()))?;
    if items.len() > LIST_MAX {
        return Err(DecodeError::Unreadable(format!("more than {LIST_MAX} objects")));
    }
    let (mut documents, mut hints) = (Vec::new(), Vec::new());
    for item in items {
        match one(item.get().as_bytes())? {
            Decoded::Documents(more) => documents.extend(more),
            Decoded::Hints(more) => hints.extend(more),
            Decoded::Subscriptions(_) | Decoded::Ignored(_) => {}
        }
    }
    // One message is documents or hints. What is whole here is read again with the rest.
    if hints.is_empty() {
        return Ok(Decoded::Documents(documents));
    }
    hints.extend(documents.iter().map(|one| Hint::new(Kind::Order, one.root().external_id)));
    hints.sort();
    hints.dedup();
    Ok(Decoded::Hints(hints))
}

/// A message without a kind, such as a file: the shape tells.
fn recognised(body: &[u8]) -> Result<Decoded, DecodeError> {
    if body.trim_ascii_start().starts_with(b"[") {
        return list(body);
    }
    let probe = Probe::of(body)?;
    if probe.order.is_some() || (probe.id.is_some() && probe.line_items.is_some()) {
        return one(body);
    }
    if probe.delivery_url.is_some() {
        return webhook(body);
    }
    Err(DecodeError::UnknownKind)
}

/// The shop says that it has no such order; nothing else that it might answer is taken for that.
fn gone(id: &str, body: &[u8]) -> Result<Decoded, DecodeError> {
    #[derive(Deserialize)]
    struct Said {
        code: String,
    }
    let said: Said = read(body)?;
    if said.code != "woocommerce_rest_shop_order_invalid_id" {
        return Err(DecodeError::unknown("code", &said.code));
    }
    let id = Id::parse(id).ok_or_else(|| DecodeError::field("id"))?.0;
    let deletion = Deletion { id: format!("{}/{id}", Kind::Order), version: None, order: Some(id) };
    Ok(Decoded::Documents(vec![deletion.into()]))
}

/// WooCommerce switches a webhook off after five deliveries in a row that failed, and tells nobody.
fn webhook(body: &[u8]) -> Result<Decoded, DecodeError> {
    let wire: wire::Webhook = read(body)?;
    let active = match wire.status.as_str() {
        "active" => true,
        "paused" | "disabled" => false,
        other => return Err(DecodeError::unknown("status", other)),
    };
    Ok(Decoded::Subscriptions(vec![Subscription {
        id: wire.id.0,
        title: format!("{} ({})", wire.name, wire.topic),
        address: wire.delivery_url,
        active,
        status: wire.status,
        restored: false,
    }]))
}

fn currency(code: &str) -> Result<Currency, DecodeError> {
    Currency::parse(code).map_err(|source| DecodeError::amount("currency", source))
}

fn out_of_range(source: MoneyError) -> DecodeError {
    DecodeError::amount("total", source)
}
