//! Invoices that somebody asks for later (`POSTING.md` P24).
//!
//! A sale that went into the books within a sum gets an order, an invoice and payments of its own, and
//! what sums it up takes it out again; one whose invoice is made out to a customer whom many share
//! gets another one. Both follow from one more document of the sale: nothing here books anything.

use jiff::Timestamp;
use trueup_domain::document::{Document, InvoiceRequest, Order, Version};
use trueup_domain::mapping::CustomerPolicy;
use trueup_domain::posting::Posting;
use trueup_store::{StoreError, Tx, documents, mappings, messages};

use crate::decisions::{Outcome, Refusal, not_applicable};
use crate::decode::INVOICE_REQUEST;
use crate::setup::Hub;

/// Whom an invoice is asked for, where that is not the buyer as the channel states him.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    pub company: Option<&'a str>,
    pub vat_number: Option<&'a str>,
}

/// The order of a sale that can get an invoice of its own, with what was said of the sale; or why it
/// cannot.
fn askable(tx: &mut Tx<'_>, sale: &str) -> Outcome<(Order, Vec<Document>)> {
    let Some(root) = documents::find_root(tx, sale)?.filter(|root| root.kind == "sale") else {
        return Ok(Err(Refusal::Unknown(format!("sale `{sale}`"))));
    };
    let stated: Vec<Document> =
        documents::of_root(tx, &root.id)?.into_iter().map(|(document, _)| document).collect();
    let order = stated.iter().find_map(|it| match it {
        Document::Order(order) => Some(order.as_ref().clone()),
        _ => None,
    });
    let Some(order) = order else {
        return not_applicable("its order has not come in yet");
    };
    let why = booked_elsewhere(&stated).or_else(|| never_booked(&root.state));
    match why {
        Some(why) => not_applicable(why),
        None => Ok(Ok((order, stated))),
    }
}

/// Whether a person may ask for an invoice of its own.
pub fn can_be_asked(tx: &mut Tx<'_>, sale: &str) -> Result<bool, StoreError> {
    Ok(askable(tx, sale)?.is_ok())
}

/// Has a sale invoiced by itself. Returns what happens now, or why it cannot be.
pub(crate) fn ask(
    tx: &mut Tx<'_>,
    hub: &Hub,
    sale: &str,
    to: To<'_>,
    now: Timestamp,
) -> Outcome<&'static str> {
    let (order, stated) = match askable(tx, sale)? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let connection = sale.split('/').next().unwrap_or_default();
    let text = |given: Option<&str>| {
        given.map(str::trim).filter(|given| !given.is_empty()).map(str::to_owned)
    };
    let request = InvoiceRequest {
        id: order.id.clone(),
        version: Version(0),
        company: text(to.company),
        vat_number: text(to.vat_number),
    };
    let was_asked = stated.iter().any(|it| matches!(it, Document::InvoiceRequest(_)));
    if !was_asked && request.is_for_the_buyer() && is_the_buyers(tx, hub, connection, &order)? {
        return not_applicable("its invoice is made out to the buyer as it is");
    }
    let source_id = format!("invoice_request/{}", order.id);
    messages::state(tx, connection, source_id, INVOICE_REQUEST, &request, now)?;
    Ok(Ok("The sale gets an invoice of its own next."))
}

fn booked_elsewhere(stated: &[Document]) -> Option<&'static str> {
    stated.iter().find_map(|it| match it {
        Document::Ticket(_) => Some("a register inside the books sold it: make the invoice there"),
        Document::HeldAlready(_) => Some("the books hold it by another hand: see that record"),
        _ => None,
    })
}

/// Why a sale in this state is never booked by us.
fn never_booked(state: &str) -> Option<&'static str> {
    match state {
        "test" => Some("it is a test order, which is no sale"),
        "before_start" => {
            Some("it was sold before we began to book: make the invoice where it was booked")
        }
        _ => None,
    }
}

/// Whether the sale is invoiced by itself, and to its buyer, without being asked.
fn is_the_buyers(
    tx: &mut Tx<'_>,
    hub: &Hub,
    connection: &str,
    order: &Order,
) -> Result<bool, StoreError> {
    let posting = hub.connection(connection).map_or(Posting::default(), |it| it.posting);
    let mapping = mappings::get(tx, connection, None)?;
    let of_buyers =
        mapping.is_some_and(|it| matches!(it.customers, CustomerPolicy::PerBuyer { .. }));
    let known = order.buyer.as_ref().is_some_and(|buyer| buyer.id.is_some());
    Ok(posting == Posting::Transaction && of_buyers && known)
}
