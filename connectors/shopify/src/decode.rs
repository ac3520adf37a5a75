//! What a body of Shopify means.
//!
//! The kind is a webhook's topic or the word of a record; without one the shape is recognised. A
//! body that carries several objects gives several documents: an order gives itself, its refunds,
//! their transactions and its fulfilments. A body that cannot state its object whole gives a hint,
//! which makes the hub read the order.

pub(crate) mod balance;
mod fulfilment;
mod order;
mod payout;
mod refund;
mod transaction;

use serde::Deserialize;
use serde_json::value::RawValue;
use trueup_connect::json::read;
use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::watch::{WATCHED, Watched};
use trueup_connect::{DecodeError, Decoded, Hint, Message};
use trueup_domain::document::{Deletion, Document, Kind, Version};
use trueup_domain::money::{Currency, Money};
use trueup_domain::planted::planted;

pub(crate) use self::order::buyer;
use crate::wire::{Id, Ref};
use crate::{said, wire_graphql, wire_rest};

pub const KINDS: &[&str] = &[
    "orders/create",
    "orders/updated",
    "orders/edited",
    "orders/cancelled",
    "orders/paid",
    "orders/fulfilled",
    "orders/partially_fulfilled",
    "orders/delete",
    "refunds/create",
    "order_transactions/create",
    "fulfillments/create",
    "fulfillments/update",
    "disputes/create",
    "disputes/update",
    "returns/request",
    "returns/approve",
    "returns/decline",
    "returns/cancel",
    "returns/close",
    "returns/reopen",
    "returns/update",
    "returns/process",
    "order",
    "orders",
    "refund",
    "refunds",
    "transaction",
    "transactions",
    "fulfillment",
    "payout",
    "payouts",
    "balance_transaction",
    "balance_transactions",
    "dispute",
    "disputes",
    balance::BALANCE,
    WATCHED,
];

/// One body of no more than this many objects; a page of the vendor has at most 250.
const LIST_MAX: usize = 10_000;

pub fn decode(message: &Message<'_>) -> Result<Decoded, DecodeError> {
    let body = message.body;
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::Unreadable(format!("larger than {BODY_BYTES_MAX} bytes")));
    }
    match message.kind {
        "orders/create"
        | "orders/updated"
        | "orders/cancelled"
        | "orders/paid"
        | "orders/fulfilled"
        | "orders/partially_fulfilled"
        | "order" => one(body, |probe| probe.order, order_of),
        "orders/edited" => edited(body),
        "orders/delete" => deleted(body),
        "orders" => list(body, |probe| probe.orders, order_of),
        "refunds/create" | "refund" => one(body, |probe| probe.refund, refund_alone),
        "refunds" => list(body, |probe| probe.refunds, refund_alone),
        "order_transactions/create" | "transaction" => {
            one(body, |probe| probe.transaction, transaction_alone)
        }
        "transactions" => list(body, |probe| probe.transactions, transaction_alone),
        "fulfillments/create" | "fulfillments/update" | "fulfillment" => {
            one(body, |probe| probe.fulfillment, fulfilment_alone)
        }
        "disputes/create" | "disputes/update" | "dispute" => {
            one(body, |probe| probe.dispute, dispute_of)
        }
        "disputes" => list(body, |probe| probe.disputes, dispute_of),
        "payout" => one(body, |probe| probe.payout, payout_of),
        "payouts" => list(body, |probe| probe.payouts, payout_of),
        "balance_transaction" => one(body, |probe| probe.transaction, row_of),
        "balance_transactions" => list(body, |probe| probe.transactions, row_of),
        WATCHED => Watched::decode(body),
        topic if topic.starts_with("returns/") => returned(body),
        "" => recognised(body),
        other => match balance::read_at(other) {
            Some(version) => balance_of(body, version?),
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
    orders: Option<&'a RawValue>,
    #[serde(borrow)]
    refund: Option<&'a RawValue>,
    #[serde(borrow)]
    refunds: Option<&'a RawValue>,
    #[serde(borrow)]
    transaction: Option<&'a RawValue>,
    #[serde(borrow)]
    transactions: Option<&'a RawValue>,
    #[serde(borrow)]
    fulfillment: Option<&'a RawValue>,
    #[serde(borrow)]
    payout: Option<&'a RawValue>,
    #[serde(borrow)]
    payouts: Option<&'a RawValue>,
    #[serde(borrow)]
    dispute: Option<&'a RawValue>,
    #[serde(borrow)]
    disputes: Option<&'a RawValue>,
    #[serde(borrow)]
    line_items: Option<&'a RawValue>,
    #[serde(borrow)]
    order_edit: Option<&'a RawValue>,
    #[serde(borrow)]
    refund_line_items: Option<&'a RawValue>,
    #[serde(borrow)]
    tracking_numbers: Option<&'a RawValue>,
    #[serde(borrow)]
    gateway: Option<&'a RawValue>,
    #[serde(borrow)]
    net: Option<&'a RawValue>,
    #[serde(borrow)]
    initiated_at: Option<&'a RawValue>,
    #[serde(borrow)]
    date: Option<&'a RawValue>,
}

impl<'a> Probe<'a> {
    fn of(body: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(body)
            .map_err(|error| DecodeError::Unreadable(error.to_string()))?;
        serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => DecodeError::field(error.to_string()),
            _ => DecodeError::Unreadable(error.to_string()),
        })
    }

    /// The kind of object in a GraphQL id, such as `Order`.
    fn gid(&self) -> Option<&'a str> {
        let text = self.id?.get().trim_matches('"');
        Some(text.strip_prefix("gid://shopify/")?.split_once('/')?.0)
    }
}

/// Decodes one object.
type Decoder = fn(&[u8]) -> Result<Decoded, DecodeError>;

/// Finds what an envelope holds.
type Envelope = for<'a> fn(&Probe<'a>) -> Option<&'a RawValue>;

/// One object, bare or in an envelope of its name.
fn one(body: &[u8], envelope: Envelope, decode: Decoder) -> Result<Decoded, DecodeError> {
    let probe = Probe::of(body)?;
    // A GraphQL dispute or refund names its order: only a body without an id is an envelope.
    match envelope(&probe) {
        Some(inner) if probe.id.is_none() => decode(inner.get().as_bytes()),
        _ => decode(body),
    }
}

fn list(body: &[u8], envelope: Envelope, decode: Decoder) -> Result<Decoded, DecodeError> {
    let probe = Probe::of(body)?;
    let items = envelope(&probe).ok_or_else(|| DecodeError::field("the list"))?;
    all(items, decode)
}

fn all(items: &RawValue, decode: Decoder) -> Result<Decoded, DecodeError> {
    let items: Vec<&RawValue> =
        serde_json::from_str(items.get()).map_err(|error| DecodeError::field(error.to_string()))?;
    if items.len() > LIST_MAX {
        return Err(DecodeError::Unreadable(format!("more than {LIST_MAX} objects")));
    }
    let (mut documents, mut hints) = (Vec::new(), Vec::new());
    for item in items {
        match decode(item.get().as_bytes())? {
            Decoded::Documents(more) => documents.extend(more),
            Decoded::Hints(more) => hints.extend(more),
            Decoded::Subscriptions(_) | Decoded::Ignored(_) => {}
        }
    }
    // One message is documents or hints. What is whole here will be read again with the rest.
    if hints.is_empty() {
        return Ok(Decoded::Documents(documents));
    }
    hints.extend(documents.iter().filter_map(hint_of));
    hints.sort();
    hints.dedup();
    Ok(Decoded::Hints(hints))
}

fn hint_of(document: &Document) -> Option<Hint> {
    match document {
        Document::Payout(payout) => Some(Hint::new(Kind::Payout, &payout.id)),
        Document::Dispute(dispute) => Some(Hint::new(Kind::Dispute, &dispute.id)),
        other => {
            let root = other.root();
            (root.kind == trueup_domain::document::RootKind::Sale)
                .then(|| Hint::new(Kind::Order, root.external_id))
        }
    }
}

fn order_hint(id: &Id) -> Decoded {
    Decoded::Hints(vec![Hint::new(Kind::Order, &id.0)])
}

fn order_of(body: &[u8]) -> Result<Decoded, DecodeError> {
    let (id, said) = if Probe::of(body)?.gid().is_some() {
        let wire: wire_graphql::Order = read(body)?;
        (wire.id.clone(), wire.said()?)
    } else {
        let wire: wire_rest::Order = read(body)?;
        (wire.id.clone(), wire.said()?)
    };
    match said {
        Some(said) => Ok(Decoded::Documents(documents(&said)?)),
        None => Ok(order_hint(&id)),
    }
}

/// The order and all that it carries, each as new as the order unless it says itself.
fn documents(said: &said::Order) -> Result<Vec<Document>, DecodeError> {
    let version = Version::at(said.updated_at);
    let mut documents: Vec<Document> = vec![order::order(said)?.into()];
    for one in &said.refunds {
        let transactions: Vec<&said::Transaction> = said
            .transactions
            .iter()
            .filter(|paid| paid.refund.as_deref() == Some(&one.id))
            .collect();
        let carrier = refund::Carrier {
            order: &said.id,
            shop: said.currency,
            taxes_included: Some(said.taxes_included),
            version,
            transactions: &transactions,
        };
        match refund::refund(one, &carrier)? {
            Some(refund) => documents.push(refund.into()),
            None => return Err(DecodeError::field("refund_shipping_lines.tax_amount_set")),
        }
    }
    let few = if planted("the_second_payment_is_not_read") { 1 } else { usize::MAX };
    for one in said.transactions.iter().take(few) {
        let payment = transaction::payment(one, &said.id, said.currency, version)?;
        documents.push(payment.into());
    }
    for one in &said.fulfilments {
        documents.push(fulfilment::fulfilment(one, &said.id)?.into());
    }
    for one in &said.returns {
        documents.push(fulfilment::returned(one, said)?.into());
    }
    Ok(documents)
}

/// A refund without its order does not say whether its amounts contain their tax.
fn refund_alone(body: &[u8]) -> Result<Decoded, DecodeError> {
    let wire: wire_rest::Refund = read(body)?;
    let order = wire.order_id.clone();
    let Some(shop) = wire.shop_currency()? else { return Ok(order_hint(&order)) };
    let Some((said, transactions)) = wire.said(shop)? else { return Ok(order_hint(&order)) };
    let carrier = refund::Carrier {
        order: &order.0,
        shop,
        taxes_included: None,
        version: Version::at(said.processed_at.unwrap_or(said.created_at)),
        transactions: &transactions.iter().collect::<Vec<_>>(),
    };
    let Some(refund) = refund::refund(&said, &carrier)? else { return Ok(order_hint(&order)) };
    let mut documents: Vec<Document> = vec![refund.into()];
    for one in &transactions {
        let version = Version::at(one.processed_at);
        documents.push(transaction::payment(one, &order.0, shop, version)?.into());
    }
    Ok(Decoded::Documents(documents))
}

/// A transaction alone says neither the shop's currency (unless beside it) nor its refund.
fn transaction_alone(body: &[u8]) -> Result<Decoded, DecodeError> {
    let wire: wire_rest::Transaction = read(body)?;
    let order = wire.order_id.clone().ok_or_else(|| DecodeError::field("order_id"))?;
    let shop: Option<Currency> = wire.shop_currency()?;
    if wire.kind.eq_ignore_ascii_case("refund") {
        return Ok(order_hint(&order));
    }
    let Some(shop) = shop else { return Ok(order_hint(&order)) };
    let Some(said) = wire.said(shop, None)? else { return Ok(order_hint(&order)) };
    let version = Version::at(said.processed_at);
    Ok(Decoded::Documents(vec![transaction::payment(&said, &order.0, shop, version)?.into()]))
}

fn fulfilment_alone(body: &[u8]) -> Result<Decoded, DecodeError> {
    let wire: wire_rest::Fulfillment = read(body)?;
    let order = wire.order_id.clone();
    let document = fulfilment::fulfilment(&wire.said(), &order.0)?;
    Ok(Decoded::Documents(vec![document.into()]))
}

fn payout_of(body: &[u8]) -> Result<Decoded, DecodeError> {
    let payout = if Probe::of(body)?.gid().is_some() {
        payout::payout_graphql(read(body)?)?
    } else {
        payout::payout_rest(read(body)?)?
    };
    Ok(Decoded::Documents(vec![payout.into()]))
}

fn row_of(body: &[u8]) -> Result<Decoded, DecodeError> {
    let row = if Probe::of(body)?.gid().is_some() {
        payout::row_graphql(read(body)?)?
    } else {
        payout::row_rest(read(body)?)?
    };
    Ok(match row {
        Some(row) => Decoded::Documents(vec![row.into()]),
        None => Decoded::Ignored("test".to_owned()),
    })
}

fn dispute_of(body: &[u8]) -> Result<Decoded, DecodeError> {
    let dispute = if Probe::of(body)?.gid().is_some() {
        payout::dispute_graphql(read(body)?)?
    } else {
        payout::dispute_rest(read(body)?)?
    };
    Ok(Decoded::Documents(vec![dispute.into()]))
}

fn balance_of(body: &[u8], version: Version) -> Result<Decoded, DecodeError> {
    let records = balance::balance(read(body)?, version)?;
    Ok(Decoded::Documents(records.into_iter().map(Document::from).collect()))
}

/// `orders/edited` names only what changed.
fn edited(body: &[u8]) -> Result<Decoded, DecodeError> {
    #[derive(Deserialize)]
    struct Edited {
        order_edit: Edit,
    }
    #[derive(Deserialize)]
    struct Edit {
        order_id: Id,
    }
    let edited: Edited = read(body)?;
    Ok(order_hint(&edited.order_edit.order_id))
}

fn deleted(body: &[u8]) -> Result<Decoded, DecodeError> {
    let gone: Ref = read(body)?;
    let deletion = Deletion {
        id: format!("{}/{}", Kind::Order, gone.id.0),
        version: None,
        order: Some(gone.id.0),
    };
    Ok(Decoded::Documents(vec![deletion.into()]))
}

/// Bodies of `returns/…` name the return and its order, but not the order's lines.
fn returned(body: &[u8]) -> Result<Decoded, DecodeError> {
    #[derive(Deserialize)]
    struct Returned {
        order: Option<Ref>,
        order_id: Option<Id>,
        #[serde(rename = "return")]
        inner: Option<Box<Returned>>,
    }
    fn order(said: Returned, deeper: bool) -> Option<Id> {
        let own = said.order.map(|order| order.id).or(said.order_id);
        own.or_else(|| if deeper { order(*said.inner?, false) } else { None })
    }
    let id = order(read(body)?, true).ok_or_else(|| DecodeError::field("order.id"))?;
    Ok(order_hint(&id))
}

/// A message without a kind, such as a file: the shape tells.
fn recognised(body: &[u8]) -> Result<Decoded, DecodeError> {
    let probe = Probe::of(body)?;
    if let Some(kind) = probe.gid() {
        return match kind {
            "Order" => order_of(body),
            "ShopifyPaymentsPayout" => payout_of(body),
            "ShopifyPaymentsBalanceTransaction" => row_of(body),
            "ShopifyPaymentsDispute" => dispute_of(body),
            _ => Err(DecodeError::UnknownKind),
        };
    }
    if probe.id.is_some() {
        let shapes: [(Option<&RawValue>, Decoder); 7] = [
            (probe.line_items.filter(|_| probe.tracking_numbers.is_none()), order_of),
            (probe.refund_line_items, refund_alone),
            (probe.tracking_numbers, fulfilment_alone),
            (probe.gateway, transaction_alone),
            (probe.net, row_of),
            (probe.initiated_at, dispute_of),
            (probe.date, payout_of),
        ];
        let found = shapes.into_iter().find(|(key, _)| key.is_some());
        return found.map_or(Err(DecodeError::UnknownKind), |(_, decode)| decode(body));
    }
    if probe.order_edit.is_some() {
        return edited(body);
    }
    if let (Some(payout), Some(rows)) = (probe.payout, probe.transactions) {
        return payout_with_rows(payout, rows);
    }
    let envelopes: [(Option<&RawValue>, Decoder); 5] = [
        (probe.order, order_of),
        (probe.refund, refund_alone),
        (probe.fulfillment, fulfilment_alone),
        (probe.payout, payout_of),
        (probe.dispute, dispute_of),
    ];
    for (envelope, decode) in envelopes {
        if let Some(inner) = envelope {
            return decode(inner.get().as_bytes());
        }
    }
    if let Some(inner) = probe.transaction {
        return one_transaction(inner.get().as_bytes());
    }
    let lists: [(Option<&RawValue>, Decoder); 5] = [
        (probe.orders, order_of),
        (probe.refunds, refund_alone),
        (probe.payouts, payout_of),
        (probe.disputes, dispute_of),
        (probe.transactions, one_transaction),
    ];
    let found = lists.into_iter().find_map(|(items, decode)| Some((items?, decode)));
    found.map_or(Err(DecodeError::UnknownKind), |(items, decode)| all(items, decode))
}

/// The ledger and the orders both call their rows `transactions`; only the ledger's have a net.
fn one_transaction(body: &[u8]) -> Result<Decoded, DecodeError> {
    if Probe::of(body)?.net.is_some() { row_of(body) } else { transaction_alone(body) }
}

/// A payout with all its rows must add up, or none of it is believed.
fn payout_with_rows(payout: &RawValue, rows: &RawValue) -> Result<Decoded, DecodeError> {
    let (Decoded::Documents(mut documents), Decoded::Documents(rows)) =
        (payout_of(payout.get().as_bytes())?, all(rows, row_of)?)
    else {
        return Err(DecodeError::UnknownKind);
    };
    let amount = documents.iter().find_map(|document| match document {
        Document::Payout(payout) => Some(payout.amount),
        _ => None,
    });
    let amount = amount.ok_or(DecodeError::UnknownKind)?;
    let nets = rows.iter().filter_map(|document| match document {
        Document::LedgerRow(row) if row.kind != "payout" => Some(row.net),
        _ => None,
    });
    let sum = Money::sum(amount.currency(), nets)
        .map_err(|error| DecodeError::amount("transactions.net", error))?;
    if sum != amount {
        return Err(DecodeError::Contradiction {
            what: "payout",
            why: format!("its rows are {sum}, it says {amount}"),
        });
    }
    documents.extend(rows);
    Ok(Decoded::Documents(documents))
}
